//! How a run changes a state: once before its first call, once after its read-back. Pure.

mod clock;
mod import;
mod recovered;
mod steps;

pub use clock::keys_meant_off;
pub use import::import;

use crate::drift::created_at;
use crate::identity::PrincipalKind;
use crate::journal::{Event, Journal, StepStatus};
use crate::plan::{Compromised, Kind, Plan, PrincipalPlan, Step, Why};
use crate::planner::fence_time;
use crate::posture::LEAST_MARGIN_S;
use crate::resource::{Resource, Value, fits};
use crate::snapshot::{Now, Snapshot, Status};
use crate::standing::{judge, live_credentials};
use crate::state::{FORMAT_VERSION, Held, HeldStatus, Principal, Role, Run, RunEnd, State};
use crate::view::Standing;
use clock::{fence_written, set_clock, void_clock, wrote_fence};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Resources as they stood in the state before a run: a step that comes to nothing goes back to that.
pub type Prior = BTreeMap<Resource, Held>;

/// The state as it has to be on disk before the first call of a run, and what the run's journal keeps of the
/// state before: every step's resource is in doubt, with its baseline, so that nothing is lost if the run is
/// cut off (D2.5).
#[must_use]
pub fn begin(
    previous: Option<&State>,
    plan: &Plan,
    principal: &PrincipalPlan,
    run: Run,
) -> (State, Prior) {
    let same = previous.filter(|state| state.lineage == principal.lineage);
    let mut state = same.cloned().unwrap_or_else(|| fresh(previous, plan, principal));
    state.ringfence_version.clone_from(&plan.ringfence_version);
    state.principal.name = principal.name.clone();
    state.principal.arn = principal.arn.clone();
    state.serial = principal.serial + 1;
    if plan.incident.is_some() {
        state.incident.clone_from(&plan.incident);
    }
    let mut newly = Vec::new();
    if plan.kind == Kind::Contain {
        state.posture = match same.filter(|state| !state.is_released()) {
            Some(state) => state.posture.tightened(&plan.posture),
            None => plan.posture.clone(),
        };
        state.since = principal.since;
        newly = newly_compromised(&state, &principal.compromised);
        state.compromised.clone_from(&principal.compromised);
        state.sessions.clone_from(&principal.sessions);
        state.released_at = None;
        give_up_what_is_back(&mut state, principal);
    }
    let written = principal.steps.iter().map(|step| &step.resource);
    let held = |resource: &Resource| match plan.kind {
        Kind::Recover => state.rights.get(resource),
        Kind::Contain => state.resources.get(resource),
        Kind::Release => state.resources.get(resource).or_else(|| state.rights.get(resource)),
    };
    let prior =
        written.filter_map(|resource| Some((resource.clone(), held(resource)?.clone()))).collect();
    match plan.kind {
        Kind::Recover => {
            if same.is_none() {
                // It holds nothing, so that the next containment begins at the beginning.
                state.released_at = Some(run.started_at);
            }
            recovered::begin(&mut state, principal, &run.id);
        }
        Kind::Contain | Kind::Release => {
            for step in &principal.steps {
                state.doubt(step, plan.kind);
            }
        }
    }
    if plan.kind == Kind::Contain {
        void_clock(&mut state, principal, newly);
    }
    state.runs.push(run);
    (state, prior)
}

/// What a state whose last run was cut off amounts to, with all that the run's journal tells.
#[must_use]
pub fn replay(begun: &State, plan: &Plan, principal: &PrincipalPlan, journal: &Journal) -> State {
    let Some(started) = begun.open_run().map(|run| run.started_at) else { return begun.clone() };
    if journal.started().is_none() {
        // What was held before is told by its first entry; without it all stays in doubt.
        return begun.clone();
    }
    let dates = journal.entries().iter().filter_map(|entry| match &entry.event {
        Event::Outcome { service_date, .. } => *service_date,
        _ => None,
    });
    let now = dates.fold(started, Timestamp::max);
    if plan.kind != Kind::Release {
        return finish(begun, plan, principal, &Outcome { journal, read_back: None, now }).0;
    }
    let mut state = begun.clone();
    let prior = journal.prior();
    for step in &principal.steps {
        let held = match state.resources.get_mut(&step.resource) {
            Some(held) => Some(held),
            None => state.rights.get_mut(&step.resource),
        };
        let Some(held) = held else { continue };
        match journal.status(step.id) {
            // Whether it was given back is for the next reading to find.
            StepStatus::Done | StepStatus::Stored => held.status = HeldStatus::InDoubt,
            StepStatus::Planned | StepStatus::Skipped | StepStatus::Open => {
                steps::give_back(&mut state, &step.resource, prior.get(&step.resource));
            }
            _ => {}
        }
    }
    state
}

/// What a containment did not know to be the attacker's, and may have issued sessions that no fence covers: an
/// access key that it did not turn off either, and of a role a session, which may have assumed it again (F12).
pub(crate) fn newly_compromised(state: &State, compromised: &[Compromised]) -> Vec<Resource> {
    compromised
        .iter()
        .map(|item| &item.resource)
        .filter(|resource| match resource {
            Resource::AccessKey(_) => true,
            Resource::Session(_) => state.principal.kind == PrincipalKind::Role,
            _ => false,
        })
        .filter(|resource| !state.is_compromised(resource))
        .filter(|resource| state.held().all(|(held, _)| held != *resource))
        .cloned()
        .collect()
}

/// What a release kept off, and a person has turned on since, is that person's: this containment does not hold it,
/// and it is neither to void its clock (F9) nor to be missed.
fn give_up_what_is_back(state: &mut State, principal: &PrincipalPlan) {
    let compromised: BTreeSet<&Resource> =
        state.compromised.iter().map(|item| &item.resource).collect();
    for resource in live_credentials(&principal.snapshot) {
        let Some(held) = state.resources.get_mut(&resource) else { continue };
        let back = principal.snapshot.value(&resource).known();
        let back = back.is_some_and(|value| fits(held.baseline.as_ref(), value.as_ref()));
        if held.status == HeldStatus::Kept
            && back
            && !compromised.contains(&resource)
            && principal.steps.iter().all(|step| step.resource != resource)
        {
            held.status = HeldStatus::GivenUp;
        }
    }
}

fn fresh(previous: Option<&State>, plan: &Plan, principal: &PrincipalPlan) -> State {
    // What a release kept off stays ours to re-activate when asked, across lineages.
    let resources = previous
        .into_iter()
        .flat_map(|state| &state.resources)
        .filter(|(_, held)| held.status == HeldStatus::Kept)
        .map(|(resource, held)| (resource.clone(), held.clone()))
        .collect();
    State {
        format_version: FORMAT_VERSION,
        ringfence_version: plan.ringfence_version.clone(),
        account_id: plan.account_id.clone(),
        partition: plan.partition.clone(),
        endpoint: plan.endpoint.clone(),
        principal: Principal {
            kind: principal.kind,
            name: principal.name.clone(),
            id: principal.id.clone(),
            arn: principal.arn.clone(),
        },
        incident: plan.incident.clone(),
        lineage: principal.lineage.clone(),
        previous_lineage: principal.previous_lineage.clone(),
        serial: principal.serial,
        posture: plan.posture.clone(),
        since: principal.since,
        compromised: principal.compromised.clone(),
        sessions: principal.sessions.clone(),
        resources,
        clock: None,
        last_seen_contained: None,
        released_at: None,
        recoveries: Vec::new(),
        // What a recovery has made of the user's rights can be undone in a later containment too.
        rights: previous.map(|state| state.rights.clone()).unwrap_or_default(),
        runs: previous.map(|state| state.runs.clone()).unwrap_or_default(),
    }
}

impl State {
    fn doubt(&mut self, step: &Step, kind: Kind) {
        match (self.resources.get_mut(&step.resource), kind) {
            // A second containment keeps the baseline; a release keeps what was written, to tell it apart.
            (Some(held), Kind::Contain) if is_kept_up(held.status) => {
                held.status = HeldStatus::InDoubt;
                held.ours.clone_from(&step.after);
                held.reversible &= step.reversible;
            }
            (Some(held), Kind::Release) => held.status = HeldStatus::InDoubt,
            (None, Kind::Release) if self.rights.contains_key(&step.resource) => {
                if let Some(held) = self.rights.get_mut(&step.resource) {
                    held.status = HeldStatus::InDoubt;
                }
            }
            _ => {
                let held = Held {
                    baseline: step.before.clone(),
                    ours: step.after.clone(),
                    status: HeldStatus::InDoubt,
                    reversible: step.reversible,
                    written_at: None,
                    baseline_unread: steps::may_be_anothers(step),
                };
                self.resources.insert(step.resource.clone(), held);
            }
        }
    }
}

/// What a run found and did, for one principal.
pub struct Outcome<'a> {
    /// The journal of the run.
    pub journal: &'a Journal,
    /// The last read-back; `None` if it could not be read.
    pub read_back: Option<&'a Snapshot>,
    /// The service's time at the end.
    pub now: Timestamp,
}

impl Outcome<'_> {
    fn status(&self, step: &Step) -> StepStatus {
        self.journal.status(step.id)
    }
}

/// The state after a run, as far as its journal and the last read-back tell, and whether every step holds.
///
/// The same for a run that goes on, was cut off, or is over: the state is what the journal makes of the one
/// that was stored when the run began.
#[must_use]
pub fn finish(
    begun: &State,
    plan: &Plan,
    principal: &PrincipalPlan,
    outcome: &Outcome<'_>,
) -> (State, bool) {
    let mut state = begun.clone();
    let prior = outcome.journal.prior();
    let planned: BTreeSet<Resource> =
        principal.steps.iter().map(|step| step.resource.clone()).collect();
    let extended = principal.with_added(outcome.journal.added());
    let principal = &extended;
    for step in outcome.journal.added().filter(|_| plan.kind != Kind::Recover) {
        state.doubt(step, plan.kind);
    }
    let mut complete = principal.blocked.is_empty();
    for step in principal.last_steps() {
        let status = outcome.status(step);
        let holds = matches!(status, StepStatus::Stored | StepStatus::Skipped)
            || (status == StepStatus::Done
                && (outcome.read_back.is_none() || step.resource.is_of_new_key()))
            || (plan.kind == Kind::Contain && step.turns_off() && is_gone(&step.resource, outcome));
        complete &= holds;
        // What only settling writes stands in the state as it was before the run.
        let before = prior.get(&step.resource);
        let before = if planned.contains(&step.resource) {
            before
        } else {
            before.or_else(|| begun.resources.get(&step.resource))
        };
        match plan.kind {
            Kind::Contain => steps::contained(&mut state, principal, before, step, outcome),
            Kind::Release => steps::released(&mut state, before, step, holds, outcome),
            Kind::Recover => recovered::settle(&mut state, before, step, outcome),
        }
    }
    if let (Kind::Contain, Some(now)) = (plan.kind, outcome.read_back) {
        resolve_doubts(&mut state, principal, now);
        supersede(&mut state, principal, outcome, now);
        know_the_young(&mut state, principal, outcome, now);
    }
    match plan.kind {
        Kind::Contain => set_clock(&mut state, principal, outcome),
        Kind::Release => close(&mut state, plan, principal, outcome, complete),
        Kind::Recover => complete &= recovered::key(&mut state, plan, principal, outcome),
    }
    if let Some(now) = outcome.read_back {
        let mut judged = state.clone();
        if let Some(run) = judged.runs.last_mut() {
            run.end = Some(end(complete, outcome));
        }
        if judge(&judged, now).standing == Standing::Contained {
            state.last_seen_contained = Some(now.read_at);
        }
    }
    (state, complete)
}

/// Marks the run as ended; to be called once the journal has its last entry.
pub fn end_run(state: &mut State, journal: &Journal, complete: bool, at: Timestamp) {
    if let Some(run) = state.runs.last_mut() {
        run.end = Some(RunEnd {
            at,
            complete,
            journal_entries: journal.len(),
            journal_head: journal.head().to_owned(),
        });
    }
}

fn end(complete: bool, outcome: &Outcome<'_>) -> RunEnd {
    RunEnd {
        at: outcome.now,
        complete,
        journal_entries: outcome.journal.len(),
        journal_head: outcome.journal.head().to_owned(),
    }
}

/// Whether a credential was read and is not there: deleted by somebody else, it can do nothing.
fn is_gone(resource: &Resource, outcome: &Outcome<'_>) -> bool {
    resource.is_credential()
        && outcome.read_back.is_some_and(|now| now.value(resource) == Now::Absent)
}

/// Whether the call of a step may have been made, and no answer tells.
const fn in_doubt(status: StepStatus) -> bool {
    matches!(status, StepStatus::Intended | StepStatus::Repeated | StepStatus::InDoubt)
}

/// Whether a second containment keeps the baseline of what stands so.
const fn is_kept_up(status: HeldStatus) -> bool {
    !matches!(status, HeldStatus::Released | HeldStatus::GivenUp)
}

/// What an earlier run left in doubt and this one did not touch is as it was read, and is not claimed where it was so
/// before that too (D2.9).
fn resolve_doubts(state: &mut State, principal: &PrincipalPlan, now: &Snapshot) {
    state.resources.retain(|resource, held| {
        if held.status != HeldStatus::InDoubt
            || !held.reversible
            || principal.steps.iter().any(|step| step.resource == *resource)
        {
            return true;
        }
        let stands = now.value(resource).known();
        let Some(value) = stands.filter(|value| fits(held.ours.as_ref(), value.as_ref())) else {
            return true;
        };
        if held.changes_nothing() {
            return false;
        }
        held.status = HeldStatus::Held;
        held.ours = value;
        true
    });
}

/// A fence that others took away, and that a later one takes the place of, is no longer ours to hold.
fn supersede(state: &mut State, principal: &PrincipalPlan, outcome: &Outcome<'_>, now: &Snapshot) {
    if !wrote_fence(principal, outcome) {
        return;
    }
    let gone: Vec<Resource> = state
        .held()
        .filter(|(resource, held)| state.role(resource, held).is_fence())
        .filter(|(resource, _)| principal.steps.iter().all(|step| step.resource != **resource))
        .filter(|(resource, held)| now.value(resource).known().as_ref() == Some(&held.baseline))
        .map(|(resource, _)| resource.clone())
        .collect();
    for resource in gone {
        if let Some(held) = state.resources.get_mut(&resource) {
            held.status = HeldStatus::Released;
        }
    }
}

/// What was made after the exposure, and settling or whoever made it has turned off, stays the attacker's when a later
/// incident has an exposure of its own (D2.7). What was planned to be turned off for its age is recorded with the plan.
fn know_the_young(
    state: &mut State,
    principal: &PrincipalPlan,
    outcome: &Outcome<'_>,
    now: &Snapshot,
) {
    let Some(since) = state.since else { return };
    let added = outcome.journal.added().filter(|step| step.turns_off()).map(|step| &step.resource);
    let turned_off = added.filter(|resource| state.held().any(|(held, _)| held == *resource));
    let fence = fence_written(principal, outcome).filter(|fence| !fence.outrun);
    // A fence that covers what it can have minted has not to move for it (F9).
    let covered = |key: &Resource| {
        let Some(fence) = &fence else { return false };
        let seen = outcome.journal.last_seen_to_change(key);
        now.value(key) == Now::Is(Value::Status(Status::Inactive))
            && seen.is_none_or(|seen| fence.fence_time >= fence_time(seen, LEAST_MARGIN_S))
    };
    let keys = now.access_keys.items().iter().map(|key| Resource::AccessKey(key.id.clone()));
    let young: BTreeSet<Resource> = turned_off
        .cloned()
        .chain(keys.filter(covered))
        .filter(|resource| created_at(resource, now).is_some_and(|created| created >= since))
        .filter(|resource| !state.is_compromised(resource))
        .collect();
    let why = Why::YoungerThanSince;
    state.compromised.extend(young.into_iter().map(|resource| Compromised { resource, why }));
}

/// What a release leaves of the state: kept, given up, or closed.
fn close(
    state: &mut State,
    plan: &Plan,
    principal: &PrincipalPlan,
    outcome: &Outcome<'_>,
    complete: bool,
) {
    for resource in &principal.given_up {
        if let Some(held) = state.resources.get_mut(resource) {
            held.status = HeldStatus::GivenUp;
        }
    }
    for kept in &principal.kept {
        if let Some(held) = state.resources.get_mut(&kept.resource)
            && kept.resource.is_credential()
        {
            // What was never done, and can't be undone, leaves nothing to answer for; where nobody could read it, or
            // it is as ringfence meant it to be, it may be ringfence's.
            let now = outcome.read_back.and_then(|now| now.value(&kept.resource).known());
            let undone = now.is_some_and(|now| !fits(held.ours.as_ref(), now.as_ref()));
            let forgotten = held.status == HeldStatus::InDoubt && !held.reversible && undone;
            held.status = if forgotten { HeldStatus::GivenUp } else { HeldStatus::Kept };
        }
    }
    if let Some(now) = outcome.read_back {
        for (resource, held) in state.resources.iter_mut().chain(&mut state.rights) {
            let back = now
                .value(resource)
                .known()
                .is_some_and(|value| fits(held.baseline.as_ref(), value.as_ref()));
            let open = matches!(held.status, HeldStatus::Held | HeldStatus::InDoubt);
            if open && back {
                held.status = HeldStatus::Released;
            } else if open && is_gone(resource, outcome) {
                // Its plan said that it cannot be restored: nothing is left to wait for.
                held.status = HeldStatus::GivenUp;
            }
        }
    }
    let stepped_down = plan.posture != state.posture;
    // A step down that is not whole can be gone on with.
    let denies = principal.kept.iter().any(|kept| {
        let held = state.resources.get(&kept.resource);
        held.is_some_and(|held| {
            matches!(state.role(&kept.resource, held), Role::Hold | Role::Other)
        })
    });
    if complete && !denies {
        state.posture = plan.posture.clone();
    }
    let only_fence = state.held().all(|(resource, held)| state.role(resource, held).is_fence());
    if only_fence && !stepped_down {
        state.released_at = Some(outcome.now);
    }
    if state.held().next().is_none() {
        state.clock = None;
    }
}
