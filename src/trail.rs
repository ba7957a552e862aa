//! CloudTrail events, in every envelope that they are kept in.
//!
//! [`Reader`] goes over bytes and hands each event to a [`Sink`]; what cannot be read is a [`Flaw`], told to the
//! same sink with its place, and never the end of the reading.

mod cut;
mod event;
mod fingerprint;
mod flaw;
mod reader;
mod text;
mod time;
mod wrap;

pub use event::{Event, Identity, Session};
pub(crate) use fingerprint::number;
pub use fingerprint::{Content, Mark, node, quick};
pub use flaw::{Example, Flaw, Tally};
pub use reader::{Reader, Sink, one, read};
pub use time::when;

#[cfg(test)]
mod tests;
