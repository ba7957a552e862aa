//! What the pure modules are held to. They need no feature, and so does this: a mutant of one of them is
//! built and tried in seconds. Whatever acts is tested in `tests/it`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::string_slice, clippy::disallowed_methods, missing_docs, unreachable_pub)]

mod cases;
mod corpora;
mod denies;
mod doubt;
mod drift;
mod dumps;
mod findings;
mod forged;
#[path = "../../fuzz/src/lib.rs"]
mod fuzz;
mod golden;
mod impact;
mod planning;
mod properties;
mod reassert;
mod record;
mod recovery;
mod release;
mod roles;
#[path = "../it/support/schema.rs"]
mod schema;
mod schemas;
mod settle;
mod standing;
mod suggest;
mod traces;
mod trail;
mod written;
