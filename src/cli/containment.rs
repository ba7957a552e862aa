//! The plans that contained a principal, as the store keeps them.

use super::session::Session;
use crate::error::Result;
use crate::plan::{Kind, Plan, PrincipalPlan};
use crate::state::State;
use crate::store::Key;
use crate::trust::services;

/// The plans of the containment that a state is of.
pub(super) struct Containment {
    /// The newest first; an earlier lineage is another containment.
    plans: Vec<(Plan, PrincipalPlan)>,
}

impl Containment {
    pub(super) async fn of(session: &Session<'_>, state: &State) -> Result<Self> {
        let key = Key::of_state(state);
        let mut plans = Vec::new();
        for run in state.runs.iter().rev().filter(|run| run.kind == Kind::Contain) {
            let plan = Plan::parse(&session.store.plan_bytes(&key, &run.id).await?, &run.id)?;
            let of_it = |one: &&PrincipalPlan| one.id == key.id && one.lineage == state.lineage;
            let Some(part) = plan.principals.iter().find(of_it).cloned() else { break };
            plans.push((plan, part));
        }
        Ok(Self { plans })
    }

    /// What it was when it was contained first: whoever asserts a containment again takes nothing for granted
    /// that has changed since.
    pub(super) fn first(&self) -> Option<&PrincipalPlan> {
        self.plans.last().map(|(_, part)| part)
    }

    /// Whether somebody has agreed that the workloads of a role are cut, or the role had none: a service that was
    /// let in afterwards may not veto the containment (D2.3).
    pub(super) fn may_cut_workloads(&self) -> bool {
        let trust = |part: &PrincipalPlan| part.snapshot.role()?.trust.read().cloned();
        let had_none =
            self.first().and_then(trust).is_some_and(|trust| services(&trust).is_empty());
        had_none || self.plans.iter().any(|(plan, _)| plan.cut_workloads)
    }
}
