//! Least privilege: a policy from what a user's credentials were really used for. Pure.
//!
//! A [`Ledger`] takes CloudTrail's events, of which each becomes the actions that it took on the resources that it
//! names ([`Catalog`]); what the lineage of a trace did, and what came from the attacker's addresses, is set apart.
//! [`suggest`] cuts the rest to what the user may do today ([`Present`]), and writes the policy.

mod advice;
mod beyond;
mod both;
mod catalog;
mod check;
mod condition;
mod data_events;
mod fold;
mod ledger;
mod named;
mod present;
mod report;
mod settle;
mod source;
mod statement;
mod target;
mod within;
mod write;

pub use advice::{Advice, ServiceUse};
pub use catalog::{Catalog, Mapped};
pub use check::{Check, Level, checked};
pub use ledger::{Exclusions, Ledger, Marks, Origin, Seen, Shared, Unusable, Used, UsedAction};
pub use present::{Held, Present, Role};
pub use report::*;
pub use settle::{Given, Room, suggest};
pub use source::LeftOutSource;
pub use target::Target;
