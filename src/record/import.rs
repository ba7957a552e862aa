//! A state that was lost, from the plan of its run and what can be read now.

use super::steps;
use super::{fresh, keys_meant_off};
use crate::error::{Error, Result};
use crate::plan::{Kind, Plan, PrincipalPlan, Step};
use crate::resource::{Value, fits};
use crate::snapshot::Snapshot;
use crate::standing::{judge, still_active};
use crate::state::{Clock, Held, HeldStatus, State};
use crate::view::Standing;

/// Whether a step begins from a deny of the same containment.
fn is_ours_before(principal: &PrincipalPlan, step: &Step) -> bool {
    let names = [principal.lineage.fence_name(), principal.lineage.hold_name()];
    let name = step.resource.id().rsplit('/').next().unwrap_or_default();
    step.before.is_some() && names.iter().any(|ours| name.starts_with(ours.as_str()))
}

/// Rebuilds a state that was lost from the plan of a run and what can be read now (D5): a step counts as
/// done where reality is as the step would have made it, and the baseline is what the plan recorded.
///
/// # Errors
/// If the plan holds nothing about the principal that was read, or none of its steps was done.
pub fn import(plan: &Plan, principal: &PrincipalPlan, now: &Snapshot) -> Result<State> {
    if principal.id != *now.id() {
        return Err(Error::stale(format!(
            "{} is another principal than the plan's",
            principal.who()
        ))
        .because(format!(
            "the plan is about {}, the {} is now {}",
            principal.id,
            principal.kind,
            now.id()
        )));
    }
    if plan.kind != Kind::Contain {
        return Err(Error::failed("only the plan of a containment can be imported"));
    }
    if principal.steps.iter().any(|step| is_ours_before(principal, step)) {
        return Err(Error::failed("this is not the plan of the containment's first run")
            .because("it moves a fence or hold that an earlier run wrote, so it does not know what was there before")
            .hint("import the plan of the first run"));
    }
    let mut state = fresh(None, plan, principal);
    state.serial = principal.serial + 1;
    let mut fence = None;
    for step in &principal.steps {
        let Some(value) = now.value(&step.resource).known() else { continue };
        if !fits(step.after.as_ref(), value.as_ref()) {
            continue;
        }
        if let (true, Some(Value::Document(document))) = (step.awaits_fence_time(), &value) {
            fence = document.fence_time();
        }
        let held = Held {
            baseline: step.before.clone(),
            ours: value,
            status: HeldStatus::Held,
            reversible: step.reversible,
            written_at: None,
            baseline_unread: steps::may_be_anothers(step),
        };
        state.resources.insert(step.resource.clone(), held);
    }
    if state.resources.is_empty() {
        return Err(Error::failed(format!("nothing of this plan stands on {}", principal.who()))
            .hint("ringfence plan shows what a containment would do now"));
    }
    let live = still_active(&keys_meant_off(principal, &state), now);
    // When a hold was written cannot be read back (F34); counting from now errs to the safe side.
    state.clock = Some(Clock::of(fence.unwrap_or(now.read_at), live));
    if judge(&state, now).standing == Standing::Contained {
        state.last_seen_contained = Some(now.read_at);
    }
    Ok(state)
}
