//! What a recovery makes of a state: a new key, and rights that can be given back.

use super::{Outcome, in_doubt, is_kept_up};
use crate::identity::AccessKeyId;
use crate::journal::{Event, StepStatus};
use crate::plan::{Plan, PrincipalPlan, Step};
use crate::resource::{Resource, fits};
use crate::snapshot::Now;
use crate::state::{Held, HeldStatus, KeyStatus, Recovery, State};

/// Before the first call: what may be made is in doubt.
pub(super) fn begin(state: &mut State, principal: &PrincipalPlan, run: &str) {
    for step in &principal.steps {
        if is_right(&step.resource) {
            doubt(state, step);
        }
    }
    if principal.steps.iter().any(|step| step.resource == Resource::NewAccessKey) {
        let mut stored_in = principal.steps.iter().map(|step| &step.resource);
        state.recoveries.push(Recovery {
            run: run.to_owned(),
            access_key: None,
            stored_in: stored_in
                .find(|resource| matches!(resource, Resource::Secret(_) | Resource::Profile(_)))
                .cloned(),
            version: None,
            status: KeyStatus::InDoubt,
            checked_at: None,
        });
    }
}

/// Whether a step about it changes what the user may do.
const fn is_right(resource: &Resource) -> bool {
    matches!(resource, Resource::InlinePolicy(_) | Resource::AttachedPolicy(_) | Resource::Group(_))
}

fn doubt(state: &mut State, step: &Step) {
    match state.rights.get_mut(&step.resource) {
        // A second recovery keeps the baseline.
        Some(held) if is_kept_up(held.status) => {
            held.status = HeldStatus::InDoubt;
            held.ours.clone_from(&step.after);
        }
        _ => {
            let held = held(step, HeldStatus::InDoubt);
            state.rights.insert(step.resource.clone(), held);
        }
    }
}

fn held(step: &Step, status: HeldStatus) -> Held {
    Held {
        baseline: step.before.clone(),
        ours: step.after.clone(),
        status,
        reversible: step.reversible,
        written_at: None,
        baseline_unread: false,
    }
}

/// After a step.
pub(super) fn settle(state: &mut State, before: Option<&Held>, step: &Step, outcome: &Outcome<'_>) {
    let status = outcome.status(step);
    let done = matches!(status, StepStatus::Stored | StepStatus::Done);
    match &step.resource {
        resource if is_right(resource) => right(state, before, step, outcome),
        // It cannot come back: nothing is left to answer for.
        Resource::AccessKey(_) if step.after.is_none() => {
            if let (true, Some(held)) = (done, state.resources.get_mut(&step.resource)) {
                held.status = HeldStatus::GivenUp;
            }
        }
        // A key of unknown origin, which was turned off, or one that nobody knows who has.
        Resource::AccessKey(_) if done && step.after.is_some() => {
            let held = Held { written_at: Some(outcome.now), ..held(step, HeldStatus::Held) };
            state.resources.entry(step.resource.clone()).or_insert(held);
        }
        _ => {}
    }
}

fn right(state: &mut State, before: Option<&Held>, step: &Step, outcome: &Outcome<'_>) {
    let now = outcome.read_back.and_then(|now| now.value(&step.resource).known());
    let as_before = now.as_ref().is_some_and(|now| fits(step.before.as_ref(), now.as_ref()));
    let status = outcome.status(step);
    match status {
        StepStatus::Stored | StepStatus::Done => {
            if let Some(held) = state.rights.get_mut(&step.resource) {
                held.status = HeldStatus::Held;
                held.written_at = Some(outcome.now);
            }
        }
        _ if in_doubt(status) && !as_before => {}
        _ if outcome.journal.was_written(step.id) && !as_before => {
            if let Some(held) = state.rights.get_mut(&step.resource) {
                held.status = HeldStatus::Held;
            }
        }
        _ => {
            match before {
                Some(held) => state.rights.insert(step.resource.clone(), held.clone()),
                None => state.rights.remove(&step.resource),
            };
        }
    }
}

/// What became of the key, and whether everything that was asked of it is so.
pub(super) fn key(
    state: &mut State,
    plan: &Plan,
    principal: &PrincipalPlan,
    outcome: &Outcome<'_>,
) -> bool {
    let of =
        |wanted: fn(&Resource) -> bool| principal.steps.iter().find(|step| wanted(&step.resource));
    let Some(making) = of(|resource| *resource == Resource::NewAccessKey) else { return true };
    let Some(recovery) = state.recoveries.last_mut() else { return false };
    let made: Option<AccessKeyId> = outcome.journal.made(making.id).and_then(|id| id.parse().ok());
    let storing = of(|resource| matches!(resource, Resource::Secret(_) | Resource::Profile(_)));
    // What was handed out is with whoever has read it, unless the run turned it off since nobody may have.
    let stored = match (storing, &made) {
        (Some(step), _) => matches!(outcome.status(step), StepStatus::Done | StepStatus::Stored),
        (None, Some(key)) => !is_touched(key, principal),
        (None, None) => true,
    };
    recovery.version = storing.and_then(|step| outcome.journal.made(step.id)).map(str::to_owned);
    recovery.status = match &made {
        Some(key) if is_deleted(key, principal, outcome) => KeyStatus::Discarded,
        Some(_) if stored => KeyStatus::Stored,
        Some(_) => KeyStatus::Made,
        None if in_doubt(outcome.status(making)) => KeyStatus::InDoubt,
        None => KeyStatus::NotMade,
    };
    recovery.access_key = made;
    let (checked, allowed) = checked(outcome);
    recovery.checked_at = checked.filter(|_| allowed);
    let asked = plan.recover.is_some();
    stored && recovery.status == KeyStatus::Stored && (!asked || allowed)
}

fn is_touched(key: &AccessKeyId, principal: &PrincipalPlan) -> bool {
    principal.steps.iter().any(|step| step.resource == Resource::AccessKey(key.clone()))
}

fn is_deleted(key: &AccessKeyId, principal: &PrincipalPlan, outcome: &Outcome<'_>) -> bool {
    let resource = Resource::AccessKey(key.clone());
    let gone = outcome.read_back.is_some_and(|now| now.value(&resource) == Now::Absent);
    let deleted = principal.steps.iter().any(|step| {
        step.resource == resource
            && step.after.is_none()
            && matches!(outcome.status(step), StepStatus::Done | StepStatus::Stored)
    });
    deleted || (gone && is_touched(key, principal))
}

/// When the key was last tried, and whether it may do all that it was tried for. Under a hold it may do nothing,
/// which its plan has said: then it is enough that it authenticates.
fn checked(outcome: &Outcome<'_>) -> (Option<jiff::Timestamp>, bool) {
    let last = outcome.journal.entries().iter().rev().find_map(|entry| match &entry.event {
        Event::KeyChecked { authenticates, probes, under_hold, checked_at, .. } => {
            let allowed = probes.iter().all(|probe| probe.allowed == Some(true));
            Some((*checked_at, *authenticates && (allowed || *under_hold)))
        }
        _ => None,
    });
    last.map_or((None, false), |(at, allowed)| (Some(at), allowed))
}
