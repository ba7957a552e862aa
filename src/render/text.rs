//! Plain text for a terminal. Whole texts end with one line end; single lines have none.

mod apply;
mod approval;
mod ending;
mod findings;
mod plan;
mod report;
mod run;
mod state;
mod status;
mod step;
mod suggestion;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_record;
pub(super) mod trace;

pub use apply::{Widths, apply_event, settling, widths};
pub use approval::{approvals, checked};
pub use ending::ending;
pub use findings::findings;
pub use plan::{plan, summary};
pub use report::report;
pub use run::run;
pub use state::{history, state, state_list};
pub use status::status;
pub use suggestion::suggestion;
pub use trace::trace;
