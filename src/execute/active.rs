//! One principal while its plan is applied.

use super::recover::Issue;
use crate::error::{Error, Result};
use crate::identity::PrincipalKind;
use crate::journal::{Event, Journal, StepStatus};
use crate::plan::{Plan, PrincipalPlan, Settle, Step};
use crate::record::{self, Outcome};
use crate::resource::{Resource, Value};
use crate::settle::calm_s;
use crate::snapshot::{Now, Snapshot};
use crate::state::State;
use crate::store::{Locked, RunLog};
use crate::view::Finding;
use jiff::Timestamp;

pub(super) struct Active {
    /// The plan, with the steps that settling has added.
    pub(super) plan: PrincipalPlan,
    pub(super) locked: Locked,
    /// What ringfence answered for before the run.
    pub(super) ours: Vec<Resource>,
    /// As it was read last.
    pub(super) now: Snapshot,
    /// Why the last reading failed, if it did.
    pub(super) unread: Option<Error>,
    /// Whether the name was seen to belong to another principal, or to nobody: nothing is written to it (F27).
    pub(super) replaced: bool,
    /// The state as it was stored when the run began.
    pub(super) begun: State,
    pub(super) log: RunLog,
    /// The fence's time that was fixed last.
    pub(super) fence_time: Option<Timestamp>,
    /// Where the new key of a recovery goes.
    pub(super) issue: Option<Issue>,
    /// For how long it was watched since somebody last undid something, in seconds.
    pub(super) held_for_s: u32,
    /// What others were seen to do.
    pub(super) tampering: Vec<Finding>,
    /// Whether the watch has ended before it held for a while what others had undone.
    pub(super) restless: bool,
    /// Whether it was said that the record goes on elsewhere.
    pub(super) told_moved: bool,
    /// The record can no longer be written, so nothing more may be done (D2.5).
    pub(super) broken: Option<Error>,
}

impl Active {
    pub(super) const fn journal(&self) -> &Journal {
        self.log.journal()
    }

    /// Records an event; without a record nothing may be done.
    pub(super) async fn append(&mut self, at: Timestamp, event: Event) -> bool {
        if self.broken.is_some() {
            return false;
        }
        match self.log.append(at, event).await {
            Ok(()) => true,
            Err(error) => {
                self.broken = Some(error);
                false
            }
        }
    }

    /// Whether what others have undone was done again, and has not been seen to hold for a while since.
    pub(super) const fn is_restless(&self, clause: &Settle) -> bool {
        !self.tampering.is_empty() && self.held_for_s < calm_s(clause)
    }

    /// What was read last, or why nothing was.
    pub(super) fn reading(&self) -> Result<&Snapshot> {
        self.unread.clone().map_or(Ok(&self.now), Err)
    }

    /// The value a step is about to write, once the fence's time is known.
    pub(super) fn meant(&self, step: &Step) -> Option<Value> {
        match (&step.after, self.fence_time) {
            (Some(Value::Document(document)), Some(fence)) => {
                Some(Value::Document(document.with_fence_time(fence)))
            }
            (after, _) => after.clone(),
        }
    }

    /// The value that a step has written, with the time that was fixed for it: a fence that has moved leaves the one
    /// before as it was.
    fn wrote(&self, step: &Step) -> Option<Value> {
        match (&step.after, self.journal().fence(&[step.id])) {
            (Some(Value::Document(document)), Some(fence)) => {
                Some(Value::Document(document.with_fence_time(fence.fence_time)))
            }
            _ => self.meant(step),
        }
    }

    /// What the run has made of the state so far, and whether every step holds.
    pub(super) fn so_far(&self, plan: &Plan, now: Timestamp) -> (State, bool) {
        let outcome = Outcome { journal: self.journal(), read_back: self.reading().ok(), now };
        let planned = PrincipalPlan {
            // `finish` adds what the journal says was added.
            steps: self.plan.steps.iter().filter(|step| !self.is_added(step)).cloned().collect(),
            ..self.plan.clone()
        };
        record::finish(&self.begun, plan, &planned, &outcome)
    }

    /// The time of a role's fence, where it counts, and the answer that it has to lie past: of a fence that the run
    /// has written the last of all, and of one from before the last that stopped others.
    pub(super) fn fence_to_outrun(
        &self,
        plan: &Plan,
        answered: Timestamp,
        others: Option<Timestamp>,
    ) -> Option<(Timestamp, Timestamp)> {
        if self.plan.kind != PrincipalKind::Role {
            return None;
        }
        let fences = self.plan.steps.iter().filter(|step| step.awaits_fence_time());
        let ids: Vec<u32> = fences.map(|step| step.id).collect();
        if let Some(fence) = self.journal().fence(&ids) {
            return (!fence.outrun).then_some((fence.fence_time, answered));
        }
        let others = others?;
        let (state, _) = self.so_far(plan, self.now.read_at);
        Some((state.counted_fence()?, others))
    }

    fn is_added(&self, step: &Step) -> bool {
        self.journal().added().any(|added| added.id == step.id)
    }

    /// Whether a step brings a policy to bear that this plan makes, and that is not known to be made: what
    /// stands under its name then is somebody else's, and may allow everything (D2.14).
    pub(super) fn lacks_policy(&self, step: &Step) -> bool {
        let arn = match (&step.resource, &step.after) {
            (Resource::AttachedPolicy(arn), Some(Value::Attached))
            | (Resource::PermissionsBoundary, Some(Value::PolicyArn(arn))) => arn,
            _ => return false,
        };
        let makes = |other: &&Step| {
            matches!(&other.resource, Resource::ManagedPolicy(made) if made == arn)
                && other.after.is_some()
        };
        self.plan.steps.iter().rev().find(makes).is_some_and(|policy| {
            !matches!(self.journal().status(policy.id), StepStatus::Done | StepStatus::Stored)
        })
    }

    /// Whether a credential that a step turns off is not there any more, and so can do nothing.
    pub(super) fn is_off(&self, step: &Step) -> bool {
        step.turns_off() && self.now.value(&step.resource) == Now::Absent
    }

    /// Which steps are stored, by what was read; a step whose call was never made is left out.
    pub(super) fn read_back(&self) -> Event {
        let (mut stored, mut not_stored) = (Vec::new(), Vec::new());
        for step in self.plan.last_steps() {
            let status = self.journal().status(step.id);
            // What was found gone is gone still: nobody has taken anything away.
            let gone = status == StepStatus::Skipped && self.is_off(step);
            if status == StepStatus::Planned || gone {
                continue;
            }
            if let Some(on) = self.new_key_now(step) {
                if on {
                    stored.push(step.id)
                } else {
                    not_stored.push(step.id)
                }
                continue;
            }
            match self.now.value(&step.resource).known() {
                Some(value) if crate::resource::fits(self.wrote(step).as_ref(), value.as_ref()) => {
                    stored.push(step.id);
                }
                Some(_) => not_stored.push(step.id),
                // What cannot be read is neither; the outcome of its call stands.
                None => {}
            }
        }
        Event::ReadBack { read_at: self.now.read_at, stored, not_stored }
    }
}
