//! Markdown for a pull request or a ticket: what matters first, the rest folded, and the same text for the
//! same plan whenever it is made again.

mod escape;
mod plan;
mod record;
mod report;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_report;
mod trace;

pub use plan::plan;
pub use record::{ending, run, state, status};
pub use report::report;
pub use trace::trace;
