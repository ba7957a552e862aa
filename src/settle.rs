//! The watch after the last wave: what others have undone, and what the plan's clause lets the run do about it.
//! Pure.
//!
//! Reads show a change at once and enforcement follows (F29), so whoever may call IAM can undo a containment
//! within the lag (F30). Asserting it again for a while narrows that; nothing inside the account closes it.

use crate::drift::appeared;
use crate::journal::{Event, Journal, StepResult, StepStatus};
use crate::lineage::is_our_name;
use crate::plan::{NewCredential, PrincipalPlan, Settle, Step};
use crate::resource::{Resource, Value, fits};
use crate::snapshot::{Now, Snapshot, Status};
use crate::standing::{undone, used_after_fence};
use crate::state::{Held, HeldStatus, Role, State};
use crate::view::Finding;

/// How long after a quiet read the next one comes, in seconds: the lag that was measured (F8).
const QUIET_S: u32 = 5;
/// The same after a read that found something undone.
const DISTURBED_S: u32 = 1;
/// How often something may be asserted again once the watch's time is over: an attacker who never stops
/// must not keep the run from ending.
pub const LAST_ROUNDS: u32 = 3;

/// How long what was undone and done again has to hold at the end before it is said to hold, in seconds.
#[must_use]
pub const fn calm_s(clause: &Settle) -> u32 {
    if clause.for_s < QUIET_S { clause.for_s } else { QUIET_S }
}

/// How long to wait before the next read, in seconds; `None` once the watch is over.
#[must_use]
pub const fn pause(clause: &Settle, watched_s: u32, disturbed: bool) -> Option<u32> {
    let left = clause.for_s.saturating_sub(watched_s);
    if left == 0 {
        return None;
    }
    let pause = if disturbed { DISTURBED_S } else { QUIET_S };
    Some(if pause < left { pause } else { left })
}

/// What somebody else has undone, changed or made between two reads. `principal` has all steps so far, and
/// `state` is what the run has made of the state.
#[must_use]
pub fn tampering(
    principal: &PrincipalPlan,
    journal: &Journal,
    state: &State,
    before: &Snapshot,
    now: &Snapshot,
) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut add = |resource: &Resource, what: String| {
        found.push(Finding { resource: Some(resource.clone()), what });
    };
    for step in principal.last_steps() {
        let held = matches!(
            journal.status(step.id),
            StepStatus::Done | StepStatus::Stored | StepStatus::Skipped
        );
        let Some(value) = now.value(&step.resource).known() else { continue };
        let gone = step.resource.is_credential() && value.is_none();
        let meant = state.resources.get(&step.resource).map_or(&step.after, |held| &held.ours);
        if held && !gone && !fits(meant.as_ref(), value.as_ref()) {
            add(&step.resource, undone(value.as_ref(), meant.as_ref()));
        }
    }
    let ours = |resource: &Resource| principal.steps.iter().any(|step| step.resource == *resource);
    for (resource, held) in state.held().filter(|(resource, _)| !ours(resource)) {
        let stood = before.value(resource).known();
        let stood = stood.is_some_and(|value| fits(held.ours.as_ref(), value.as_ref()));
        let Some(value) = now.value(resource).known() else { continue };
        let gone = resource.is_credential() && value.is_none();
        if stood && !gone && !fits(held.ours.as_ref(), value.as_ref()) {
            add(resource, undone(value.as_ref(), held.ours.as_ref()));
        }
    }
    for (resource, _) in appeared(before, now) {
        let held = state.held().any(|(held, _)| *held == resource);
        if ours(&resource) || held {
            continue;
        }
        let what = match (before.value(&resource), now.value(&resource)) {
            (Now::Absent, Now::Is(Value::Status(status))) => format!("was made, and is {status}"),
            (Now::Absent, _) => "was made".to_owned(),
            (_, Now::Is(Value::Status(Status::Active))) => "was turned on".to_owned(),
            _ => "was changed".to_owned(),
        };
        add(&resource, what);
    }
    found
}

/// Which of the steps that would contain the principal again may be made under the clause (D2.2).
///
/// What the plan itself asks for and no call has done yet is always among them, unless it was refused: a quota
/// or a missing permission does not go away by asking again (F17).
#[must_use]
pub fn steps(
    clause: &Settle,
    principal: &PrincipalPlan,
    journal: &Journal,
    state: &State,
    now: &Snapshot,
    again: &[Step],
) -> Vec<Step> {
    let unmoved = fence_is_unread(state, now)
        && !has_to_move(principal, journal, state, now)
        && !again.iter().any(|step| turns_off_what_was_on(step, now));
    let no_way = policies_with_no_way(principal, journal, again);
    let allowed = |step: &&Step| {
        let mut about = principal.steps.iter().filter(|other| other.resource == step.resource);
        let tried = principal.last_steps().find(|other| other.resource == step.resource);
        if tried.is_some_and(|tried| refused(journal, tried) && tried.after == step.after) {
            return false;
        }
        // Another policy would be refused as well (F17).
        if no_way.iter().any(|policy| concerns(step, policy)) {
            return false;
        }
        let moves = moves_fence(step, state);
        let unread = now.value(&step.resource) == Now::Unknown;
        let answered = tried.is_some_and(|tried| {
            matches!(journal.status(tried.id), StepStatus::Done | StepStatus::Stored)
        });
        // An answer stands until something else is read (D2.12, D2.13).
        if !moves && unread && answered {
            return false;
        }
        let written = about.any(|other| journal.was_written(other.id));
        let pending = tried.is_some_and(|tried| journal.status(tried.id) != StepStatus::Planned);
        if tried.is_some() && !written {
            return pending || clause.reassert;
        }
        if moves && unmoved {
            return false;
        }
        let held = state.held().any(|(held, _)| *held == step.resource);
        if moves {
            return clause.move_fence;
        }
        if tried.is_some() || held {
            return clause.reassert;
        }
        NewCredential::of(&step.resource)
            .is_some_and(|kind| step.turns_off() && clause.contain_new.contains(&kind))
    };
    again
        .iter()
        .filter(allowed)
        .map(|step| Step { before: first_seen(principal, step), ..step.clone() })
        .collect()
}

/// The policies that would be brought to bear in a way that was refused before.
fn policies_with_no_way<'s>(
    principal: &PrincipalPlan,
    journal: &Journal,
    again: &'s [Step],
) -> Vec<&'s str> {
    let denied = |step: &Step| last_result(journal, step) == Some(StepResult::Refused);
    let was_refused = |by_boundary: bool| {
        let same = |step: &&Step| {
            brought_to_bear(step).is_some()
                && (step.resource == Resource::PermissionsBoundary) == by_boundary
        };
        principal.steps.iter().filter(same).any(denied)
    };
    let (attached, bounded) = (was_refused(false), was_refused(true));
    let refused = |step: &&Step| match step.resource {
        Resource::PermissionsBoundary => bounded,
        _ => attached,
    };
    again.iter().filter(refused).filter_map(brought_to_bear).collect()
}

/// The policy of ringfence's own that a step attaches, or makes the boundary.
fn brought_to_bear(step: &Step) -> Option<&str> {
    let policy = match (&step.resource, &step.after) {
        (Resource::AttachedPolicy(arn), Some(Value::Attached))
        | (Resource::PermissionsBoundary, Some(Value::PolicyArn(arn))) => arn,
        _ => return None,
    };
    policy.rsplit('/').next().is_some_and(is_our_name).then_some(policy.as_str())
}

fn concerns(step: &Step, policy: &str) -> bool {
    brought_to_bear(step) == Some(policy)
        || matches!(&step.resource, Resource::ManagedPolicy(arn) if arn == policy)
}

/// Whether the fence that was written, or what brings it to bear, could not be read. What may yet be written by the
/// same call is none.
fn fence_is_unread(state: &State, now: &Snapshot) -> bool {
    let Some((fence, held)) = state.fence() else { return false };
    if held.status != HeldStatus::Held {
        return false;
    }
    let unread = |resource: &Resource| now.value(resource) == Now::Unknown;
    let Resource::ManagedPolicy(policy) = fence else { return unread(fence) };
    let attachment = Resource::AttachedPolicy(policy.clone());
    let bound = Some(Value::PolicyArn(policy.clone()));
    let carries = |(resource, held): &(&Resource, &Held)| {
        **resource == attachment
            || (**resource == Resource::PermissionsBoundary && held.ours == bound)
    };
    state.held().find(carries).is_some_and(|(carrier, held)| {
        held.status == HeldStatus::Held && (unread(fence) || unread(carrier))
    })
}

/// Whether sessions are known to have been issued that the fence does not cover, by what cannot issue more (F9).
fn has_to_move(
    principal: &PrincipalPlan,
    journal: &Journal,
    state: &State,
    now: &Snapshot,
) -> bool {
    let off = |key: &Resource| match now.value(key).known() {
        Some(value) => value != Some(Value::Status(Status::Active)),
        None => principal.last_steps().filter(|step| step.resource == *key).all(|step| {
            matches!(
                journal.status(step.id),
                StepStatus::Done | StepStatus::Stored | StepStatus::Skipped
            )
        }),
    };
    let void = state.clock.iter().flat_map(|clock| &clock.void_while_active);
    void.chain(&used_after_fence(state, now))
        .any(|one| !matches!(one, Resource::AccessKey(_)) || off(one))
}

fn turns_off_what_was_on(step: &Step, now: &Snapshot) -> bool {
    matches!(step.resource, Resource::AccessKey(_))
        && step.turns_off()
        && now.value(&step.resource) == Now::Is(Value::Status(Status::Active))
}

/// Whether a step writes a later fence in the place of one that stands, or brings it to bear.
fn moves_fence(step: &Step, state: &State) -> bool {
    let Some((fence, _)) = state.fence() else { return false };
    let carries = |arn: &str| {
        arn.rsplit('/').next().is_some_and(|name| name.starts_with(&state.lineage.fence_name()))
    };
    match (&step.resource, &step.after) {
        _ if step.awaits_fence_time() => true,
        (Resource::AttachedPolicy(arn), Some(Value::Attached))
        | (Resource::PermissionsBoundary, Some(Value::PolicyArn(arn))) => carries(arn),
        (resource, _) => {
            resource == fence
                && state.held().any(|(held, item)| {
                    held == resource && state.role(held, item) == Role::FenceDocument
                })
        }
    }
}

/// Whether the service answered no to the last call of a step.
fn refused(journal: &Journal, step: &Step) -> bool {
    matches!(last_result(journal, step), Some(StepResult::Refused | StepResult::NotFound))
}

fn last_result(journal: &Journal, step: &Step) -> Option<StepResult> {
    journal.entries().iter().rev().find_map(|entry| match &entry.event {
        Event::Outcome { step: id, result, .. } if *id == step.id => Some(*result),
        _ => None,
    })
}

/// A credential that was off when the run began, and that somebody has turned on since, is to be off again
/// after a release (D2.7): its baseline is what the plan saw.
fn first_seen(principal: &PrincipalPlan, step: &Step) -> Option<Value> {
    match (principal.snapshot.value(&step.resource), step.turns_off()) {
        (Now::Is(off @ Value::Status(Status::Inactive)), true) => Some(off),
        _ => step.before.clone(),
    }
}
