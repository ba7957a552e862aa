//! When the fence that stands, or the hold, begins to count, and for what it does not (F9, F12).

use super::Outcome;
use crate::identity::PrincipalKind;
use crate::journal::{StepStatus, WrittenFence};
use crate::plan::PrincipalPlan;
use crate::planner::fence_time;
use crate::posture::{AccessKeys, LEAST_MARGIN_S};
use crate::resource::{Resource, Value};
use crate::snapshot::{Now, Status};
use crate::standing::hold_stands;
use crate::state::{Clock, Role, State};
use jiff::Timestamp;

/// A fence does not cover what a key minted that was on after it: until a later one is written, the clock
/// does not count (F9). Marked before the first call, so that a run that is cut off leaves it so.
pub(super) fn void_clock(state: &mut State, principal: &PrincipalPlan, newly: Vec<Resource>) {
    let off = principal.steps.iter().filter(|step| step.turns_off());
    let keys = off
        .map(|step| step.resource.clone())
        .filter(|resource| matches!(resource, Resource::AccessKey(_)));
    // A role's moves where sessions may have been issued after it, whoever could assume it until now (F12).
    let of_role = principal.kind == PrincipalKind::Role;
    let moved = principal.steps.iter().filter(|step| of_role && step.awaits_fence_time());
    let moved = moved.map(|step| step.resource.clone());
    if let Some(clock) = &mut state.clock {
        let void = std::mem::take(&mut clock.void_while_active);
        clock.void_while_active =
            sorted(void.into_iter().chain(keys).chain(newly).chain(moved).collect());
    }
}

/// The fence that the run wrote last, with the time that is in it.
pub(super) fn fence_written(
    principal: &PrincipalPlan,
    outcome: &Outcome<'_>,
) -> Option<WrittenFence> {
    let fences = principal.steps.iter().filter(|step| step.awaits_fence_time());
    outcome.journal.fence(&fences.map(|step| step.id).collect::<Vec<_>>())
}

pub(super) fn wrote_fence(principal: &PrincipalPlan, outcome: &Outcome<'_>) -> bool {
    principal.steps.iter().any(|step| {
        step.awaits_fence_time()
            && matches!(outcome.journal.status(step.id), StepStatus::Stored | StepStatus::Done)
    })
}

/// The clock restarts whenever a deny that stops sessions was written (D5, F9).
pub(super) fn set_clock(state: &mut State, principal: &PrincipalPlan, outcome: &Outcome<'_>) {
    let off: Vec<Resource> = keys_meant_off(principal, state);
    let live = not_known_off(&off, principal, outcome);
    if let Some(fence) = fence_written(principal, outcome) {
        let mut void = live;
        let unconfirmed = fence.unconfirmed.iter().filter(|key| off.contains(key));
        void.extend(
            unconfirmed.filter(|key| !off_in_time(key, fence.fence_time, outcome)).cloned(),
        );
        if fence.outrun {
            let fences = principal.steps.iter().filter(|step| step.awaits_fence_time());
            void.extend(fences.map(|step| step.resource.clone()).next_back());
        }
        state.clock = Some(Clock::of(fence.fence_time, sorted(void)));
        return;
    }
    void_fence_from_before(state, &off, outcome);
    // A hold, where no fence covers: what it stops was issued until now (F6).
    let holds = outcome.read_back.is_some_and(|now| hold_stands(state, now))
        && state.held().any(|(resource, held)| state.role(resource, held) == Role::Hold);
    let wrote = principal
        .steps
        .iter()
        .any(|step| matches!(outcome.status(step), StepStatus::Stored | StepStatus::Done));
    let counts = state.clock.as_ref().is_some_and(|clock| clock.void_while_active.is_empty());
    let restarts = wrote && state.fence().is_none();
    if holds && (restarts || !counts) {
        state.clock = Some(Clock::of(outcome.now, live));
    }
}

/// A fence from before the run does not cover what a key minted that the run had to turn off (F9), nor, of a role, what
/// was issued until the run stopped whoever could assume it (F12). So it is until a later fence is written, also where
/// the run was cut off before.
fn void_fence_from_before(state: &mut State, off: &[Resource], outcome: &Outcome<'_>) {
    let Some(fence_time) = state.counted_fence() else { return };
    let fence = state.fence().filter(|_| outcome.journal.outran(fence_time));
    let keys = outcome.journal.keys_called().filter(|key| off.contains(key));
    let void = keys.chain(fence.map(|(resource, _)| resource)).cloned().collect();
    state.clock = Some(Clock::of(fence_time, sorted(void)));
}

/// Each once, in order.
fn sorted(mut resources: Vec<Resource>) -> Vec<Resource> {
    resources.sort();
    resources.dedup();
    resources
}

/// Whether a key was read to be off, or gone, so long before the fence that its sessions are all older (F8).
fn off_in_time(key: &Resource, fence: Timestamp, outcome: &Outcome<'_>) -> bool {
    outcome.read_back.is_some_and(|now| {
        let off = matches!(now.value(key), Now::Absent | Now::Is(Value::Status(Status::Inactive)));
        off && fence >= fence_time(now.read_at, LEAST_MARGIN_S)
    })
}

/// The keys that were read Active, or could not be read and were not turned off by an answered call.
fn not_known_off(
    keys: &[Resource],
    principal: &PrincipalPlan,
    outcome: &Outcome<'_>,
) -> Vec<Resource> {
    let failed = |key: &Resource| {
        principal.last_steps().filter(|step| step.resource == *key).any(|step| {
            !matches!(
                outcome.journal.status(step.id),
                StepStatus::Done | StepStatus::Stored | StepStatus::Skipped
            )
        })
    };
    keys.iter()
        .filter(|key| match outcome.read_back.map(|now| now.value(key)) {
            None | Some(Now::Unknown) => failed(key),
            Some(now) => now == Now::Is(Value::Status(Status::Active)),
        })
        .cloned()
        .collect()
}

/// The access keys that the containment means to be off.
#[must_use]
pub fn keys_meant_off(principal: &PrincipalPlan, state: &State) -> Vec<Resource> {
    let planned =
        principal.steps.iter().filter(|step| step.turns_off()).map(|step| step.resource.clone());
    let held = state.held().map(|(resource, _)| resource.clone());
    // What the posture leaves on is not contained, and voids no clock (F9).
    let reach = state.posture.access_keys != AccessKeys::Keep;
    let compromised =
        principal.compromised.iter().filter(|_| reach).map(|item| item.resource.clone());
    let keys = planned.chain(held).chain(compromised);
    sorted(keys.filter(|resource| matches!(resource, Resource::AccessKey(_))).collect())
}
