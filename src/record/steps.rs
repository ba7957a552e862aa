//! What a run leaves of each resource that its steps are about.

use super::{Outcome, in_doubt, is_kept_up};
use crate::journal::StepStatus;
use crate::plan::{PrincipalPlan, Step};
use crate::resource::{Resource, Value, fits};
use crate::state::{Held, HeldStatus, State};

pub(super) fn contained(
    state: &mut State,
    principal: &PrincipalPlan,
    before: Option<&Held>,
    step: &Step,
    outcome: &Outcome<'_>,
) {
    let now = outcome.read_back.and_then(|now| now.value(&step.resource).known());
    let about: Vec<&Step> =
        principal.steps.iter().filter(|other| other.resource == step.resource).collect();
    let written = about.iter().rev().find(|step| outcome.journal.was_written(step.id));
    let tried = about.iter().find(|step| outcome.journal.was_tried(step.id));
    let answered = about.iter().any(|step| outcome.journal.was_answered(step.id));
    // Neither a reading nor an answer tells that there was anything to delete (D2.13).
    let perhaps_nothing = before.is_none() && !step.reversible && step.was_unread() && !answered;
    let doubtful = about.iter().any(|step| in_doubt(outcome.journal.status(step.id)))
        || (perhaps_nothing && written.is_some());
    let written = written.filter(|_| !perhaps_nothing);
    if let (Some(tried), Some(held)) = (tried, state.resources.get_mut(&step.resource))
        && before.is_none_or(|held| !is_kept_up(held.status))
    {
        // A step that was never tried has touched nothing: the baseline is what the first touch met.
        held.baseline.clone_from(&tried.before);
        held.baseline_unread = may_be_anothers(tried);
    }
    let held = |state: &mut State, written: &Step| {
        let fence = outcome.journal.fence(&about.iter().map(|step| step.id).collect::<Vec<_>>());
        let Some(held) = state.resources.get_mut(&step.resource) else { return };
        held.status = HeldStatus::Held;
        held.written_at = Some(outcome.now);
        held.ours.clone_from(&written.after);
        if let (Some(Value::Document(document)), Some(fence)) = (&held.ours, fence) {
            held.ours = Some(Value::Document(document.with_fence_time(fence.fence_time)));
        }
    };
    let unclaimed = before.is_none_or(Held::changes_nothing);
    let as_before = now.as_ref().is_some_and(|now| fits(step.before.as_ref(), now.as_ref()));
    match (outcome.status(step), written) {
        // It is as it was: whether the call was made or not, it has changed nothing (D2.9).
        (StepStatus::Stored, _) if unclaimed && !answered && step.before == step.after => {
            give_back(state, &step.resource, None);
        }
        (StepStatus::Stored, _) if perhaps_nothing => {}
        (StepStatus::Stored | StepStatus::Done, _) => held(state, step),
        // It was deleted, or an earlier one of ours stands, whatever became of the call after that.
        (_, Some(written)) if (!step.reversible && answered) || as_before => held(state, written),
        // It was written, and taken away or deleted, or was to be written again: ringfence answers for it.
        (
            StepStatus::NotStored | StepStatus::Open | StepStatus::Planned | StepStatus::Skipped,
            Some(written),
        ) => held(state, written),
        // Found done, or never tried: not claimed beyond what was held before (D2.9). An earlier step about the
        // same, whose call may have been made, may still show: that one stays in doubt (D2.5).
        (StepStatus::Skipped | StepStatus::Planned | StepStatus::Open, None) if !doubtful => {
            give_back(state, &step.resource, before);
        }
        _ if as_before => give_back(state, &step.resource, before),
        // Also where somebody has deleted it, and nothing tells whether it was off by then.
        _ => {}
    }
}

/// Whether what a step attaches may have been attached before, by somebody else (D2.9). A policy of ringfence's own
/// is nobody else's.
pub(super) fn may_be_anothers(step: &Step) -> bool {
    let Resource::AttachedPolicy(arn) = &step.resource else { return false };
    let ours = arn.rsplit('/').next().is_some_and(crate::lineage::is_our_name);
    step.was_unread() && step.before.is_none() && !ours
}

pub(super) fn give_back(state: &mut State, resource: &Resource, before: Option<&Held>) {
    if let (Some(right), Some(held)) = (state.rights.get_mut(resource), before)
        && !state.resources.contains_key(resource)
    {
        right.clone_from(held);
        return;
    }
    match before {
        Some(held) => state.resources.insert(resource.clone(), held.clone()),
        None => state.resources.remove(resource),
    };
}

pub(super) fn released(
    state: &mut State,
    before: Option<&Held>,
    step: &Step,
    holds: bool,
    outcome: &Outcome<'_>,
) {
    let held = match state.resources.get_mut(&step.resource) {
        Some(held) => Some(held),
        None => state.rights.get_mut(&step.resource),
    };
    let Some(held) = held else { return };
    let status = outcome.status(step);
    // A deny that was taken back before its time is held again, not given back.
    let retaken = step.after == held.ours && step.after != held.baseline;
    held.status = match holds {
        true if retaken => HeldStatus::Held,
        true => HeldStatus::Released,
        // It may have been given back, and nothing was read since that tells.
        false if in_doubt(status) || status == StepStatus::Done => HeldStatus::InDoubt,
        false => before.map_or(HeldStatus::Held, |held| held.status),
    };
    if holds {
        held.written_at = Some(outcome.now);
    }
}
