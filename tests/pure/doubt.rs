//! What a state keeps of a call of which no answer tells whether it was made.

use crate::cases::*;
use crate::properties::model::Account;
use crate::written::run_started;
use jiff::Timestamp;
use ringfence::journal::{Event, Journal, StepResult};
use ringfence::plan::{Kind, Plan, Step};
use ringfence::record::{self, Prior};
use ringfence::state::{Held, HeldStatus, Run, State};

const AT: &str = "2026-11-21T03:10:00Z";

fn at() -> Timestamp {
    AT.parse().unwrap()
}

/// A run of a plan that was cut off: what it had written down by then, and the step of its fence.
struct Cut {
    plan: Plan,
    begun: State,
    journal: Journal,
    fence: Step,
}

impl Cut {
    fn new() -> Self {
        let plan = Account::of(vec![everything()]).plan(&ask("revoke", true)).unwrap();
        let principal = &plan.principals[0];
        let run = Run {
            id: format!("20261121T031000Z-{}", principal.lineage.short()),
            kind: Kind::Contain,
            plan_sha256: "0".repeat(64),
            planned_by: None,
            applied_by: plan.planned_by.clone(),
            applied_from: None,
            started_at: at(),
            approvals: Vec::new(),
            break_glass: None,
            end: None,
        };
        let (begun, _) = record::begin(None, &plan, principal, run);
        let fence = principal.steps.iter().find(|step| step.awaits_fence_time()).unwrap().clone();
        Self { plan, begun, journal: Journal::default(), fence }
    }

    fn begins(&mut self) {
        let event = run_started(&self.plan, &self.begun, Prior::new());
        self.journal.append(at(), event);
    }

    fn meant(&mut self, step: &Step) {
        if self.journal.started().is_none() {
            self.begins();
        }
        let action = step.call(self.plan.principals[0].kind).unwrap().name().to_owned();
        let resource = step.resource.clone();
        self.journal.append(at(), Event::Intent { step: step.id, resource, action, attempt: 1 });
    }

    fn answered(&mut self, step: &Step, result: StepResult) {
        let event = Event::Outcome {
            step: step.id,
            resource: step.resource.clone(),
            result,
            service_date: Some(at()),
            request_id: None,
            error: None,
        };
        self.journal.append(at(), event);
    }

    /// The same step once more, as settling adds it.
    fn added(&mut self) -> Step {
        let step = Step { id: 99, wave: 99, ..self.fence.clone() };
        self.journal.append(at(), Event::StepAdded { step: Box::new(step.clone()) });
        step
    }

    fn held(&self) -> Option<Held> {
        let principal = &self.plan.principals[0];
        let state = record::replay(&self.begun, &self.plan, principal, &self.journal);
        state.resources.get(&self.fence.resource).cloned()
    }
}

#[test]
fn a_step_that_was_only_added_hides_no_earlier_one_that_may_have_been_made() {
    for result in [None, Some(StepResult::InDoubt)] {
        let mut cut = Cut::new();
        let fence = cut.fence.clone();
        cut.meant(&fence);
        if let Some(result) = result {
            cut.answered(&fence, result);
        }
        cut.added();
        assert_eq!(cut.held().unwrap().status, HeldStatus::InDoubt, "{result:?}");
    }
}

#[test]
fn nor_does_one_that_was_refused() {
    let mut cut = Cut::new();
    let fence = cut.fence.clone();
    cut.meant(&fence);
    cut.answered(&fence, StepResult::InDoubt);
    let again = cut.added();
    cut.meant(&again);
    cut.answered(&again, StepResult::Refused);
    assert_eq!(cut.held().unwrap().status, HeldStatus::InDoubt);
}

/// A lock that was broken before the run had written its first entry.
#[test]
fn of_a_run_that_did_not_say_how_it_began_all_is_in_doubt() {
    let mut cut = Cut::new();
    let event = Event::LockBroken { by: "bob on ws-8".to_owned() };
    cut.journal.append(at(), event);
    assert_eq!(cut.held().unwrap().status, HeldStatus::InDoubt);
    cut.begins();
    assert_eq!(cut.held(), None, "nothing was tried");
}

#[test]
fn what_was_never_made_is_not_claimed() {
    let mut cut = Cut::new();
    assert_eq!(cut.held().map(|held| held.status), Some(HeldStatus::InDoubt), "without a journal");
    let fence = cut.fence.clone();
    cut.meant(&fence);
    cut.answered(&fence, StepResult::Refused);
    assert_eq!(cut.held(), None);
    cut.added();
    assert_eq!(cut.held(), None);
}
