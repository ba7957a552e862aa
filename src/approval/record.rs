//! Whether what a state remembers of a run is what its journal and its plan bear out.

use super::signature;
use crate::journal::{Event, Journal};
use crate::plan::sha256;
use crate::state::Run;
use crate::text::shown;

/// What of a run's record contradicts the rest of it. Every approval has to be a good signature over the plan
/// that was applied; whether its key might approve was judged when the run began.
#[must_use]
pub fn contradiction(run: &Run, journal: &Journal, plan: &[u8]) -> Option<String> {
    let Some(Event::RunStarted { plan_sha256, applied_by, approvals, break_glass, .. }) =
        journal.started()
    else {
        return Some("its journal does not say how it began".to_owned());
    };
    if run.plan_sha256 != *plan_sha256 || sha256(plan) != *plan_sha256 {
        return Some("its plan is not the one that was applied".to_owned());
    }
    if run.applied_by != *applied_by {
        return Some(format!("the state says by {}, the journal by {applied_by}", run.applied_by));
    }
    let (mine, theirs) = (run.approvals.iter(), approvals.iter().map(|one| &one.approval));
    if !mine.eq(theirs) {
        return Some("the state and the journal differ in who approved".to_owned());
    }
    if run.break_glass != *break_glass {
        return Some(
            "the state and the journal differ in whether it went by --break-glass".to_owned(),
        );
    }
    approvals.iter().find_map(|one| {
        let person = shown(&one.approval.person);
        match signature::check(one.signature.as_bytes(), plan) {
            Ok(good) if good.fingerprint == one.approval.fingerprint => None,
            Ok(good) => Some(format!("the approval of {person} is by {}", good.fingerprint)),
            Err(bad) => Some(format!("the approval of {person} does not count: {}", bad.why)),
        }
    })
}
