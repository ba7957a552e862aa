//! What the steps of a plan do, in the words that requirements and guardrails use.

use crate::plan::{Kind, Plan, PrincipalPlan, Step};
use crate::release::rearms;
use crate::resource::{Resource, Value};
use crate::state::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What a step does. One step may do several of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It turns a credential off.
    Deactivate,
    /// It writes, attaches or sets what denies.
    Deny,
    /// It takes the user out of a group.
    LeaveGroup,
    /// It deletes what cannot be restored.
    Delete,
    /// It gives back what is no credential and no deny: a group, a boundary.
    Restore,
    /// It removes what denies.
    LiftFence,
    /// The same, before the sessions that it stops have expired.
    LiftFenceEarly,
    /// It turns a credential on.
    Reactivate,
    /// It makes a new key, or stores it.
    IssueKey,
    /// It changes what the user may do.
    ChangeRights,
}

impl Effect {
    /// Every effect, as it is written.
    pub const ALL: [(Self, &'static str); 10] = [
        (Self::Deactivate, "deactivate"),
        (Self::Deny, "deny"),
        (Self::LeaveGroup, "leave_group"),
        (Self::Delete, "delete"),
        (Self::Restore, "restore"),
        (Self::LiftFence, "lift_fence"),
        (Self::LiftFenceEarly, "lift_fence_early"),
        (Self::Reactivate, "reactivate"),
        (Self::IssueKey, "issue_key"),
        (Self::ChangeRights, "change_rights"),
    ];

    /// The effect of a name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find_map(|(effect, name)| (name == text).then_some(effect))
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name =
            Self::ALL.into_iter().find_map(|(effect, name)| (effect == *self).then_some(name));
        f.pad(name.unwrap_or_default())
    }
}

/// What a step does. `state` is the record that the plan was made from, `now` the service's time: only they,
/// and nothing that the plan says of itself, tell whether a deny goes before its time.
#[must_use]
pub fn of_step(kind: Kind, step: &Step, state: Option<&State>, now: Timestamp) -> BTreeSet<Effect> {
    let mut effects = BTreeSet::new();
    if !step.reversible {
        effects.insert(Effect::Delete);
    }
    if step.resource.is_credential() {
        effects.insert(if rearms(step) { Effect::Reactivate } else { Effect::Deactivate });
        return effects;
    }
    effects.insert(match kind {
        Kind::Contain if matches!(step.resource, Resource::Group(_)) => Effect::LeaveGroup,
        Kind::Contain => Effect::Deny,
        Kind::Release if !lifts(step, state) => Effect::Restore,
        Kind::Release => Effect::LiftFence,
        Kind::Recover if step.resource.is_of_new_key() => Effect::IssueKey,
        Kind::Recover => Effect::ChangeRights,
    });
    if effects.contains(&Effect::LiftFence) && before_its_time(state, now) {
        effects.insert(Effect::LiftFenceEarly);
    }
    effects
}

/// Whether a step of a release takes away what denies. Where no record tells, every policy may be one.
fn lifts(step: &Step, state: Option<&State>) -> bool {
    let held = state.and_then(|state| Some((state, state.resources.get(&step.resource)?)));
    let denied = match held {
        Some((state, held)) => state.role(&step.resource, held).stops_sessions(),
        None => !matches!(step.resource, Resource::Group(_)),
    };
    // Written again as ringfence left it, it denies as before.
    let again = held.is_some_and(|(_, held)| held.ours == step.after && step.after.is_some());
    denied && !again && !matches!(step.after, Some(Value::Member))
}

fn before_its_time(state: Option<&State>, now: Timestamp) -> bool {
    let clock = state.and_then(|state| state.clock.as_ref());
    clock.is_none_or(|clock| now < clock.lift_after || !clock.void_while_active.is_empty())
}

/// What the steps of one principal do, each with the first resource that it is done to.
#[must_use]
pub fn of_principal(
    kind: Kind,
    principal: &PrincipalPlan,
    state: Option<&State>,
    now: Timestamp,
) -> BTreeMap<Effect, Resource> {
    let mut found = BTreeMap::new();
    for step in &principal.steps {
        for effect in of_step(kind, step, state, now) {
            found.entry(effect).or_insert_with(|| step.resource.clone());
        }
    }
    found
}

/// What a plan does. `states` are the records of its principals, in their order.
#[must_use]
pub fn of_plan(
    plan: &Plan,
    states: &[Option<State>],
    now: Timestamp,
) -> BTreeMap<Effect, Resource> {
    let mut found = BTreeMap::new();
    for (index, principal) in plan.principals.iter().enumerate() {
        let state = states.get(index).and_then(Option::as_ref);
        for (effect, resource) in of_principal(plan.kind, principal, state, now) {
            found.entry(effect).or_insert(resource);
        }
    }
    found
}
