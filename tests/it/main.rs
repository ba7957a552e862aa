//! Every integration test, in one binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice
)]
#![allow(clippy::disallowed_methods, missing_docs, unreachable_pub)]

mod support;

mod approvals;
mod bad_input;
mod documents;
mod files;
mod knowledge;
mod postures;
mod reads;
#[cfg(feature = "sandbox")]
mod replies;
#[cfg(feature = "sandbox")]
mod sandbox;
mod scenario;
mod secrets;
#[cfg(feature = "sandbox")]
mod simulation;
#[cfg(feature = "s3")]
mod store;
mod trace;
