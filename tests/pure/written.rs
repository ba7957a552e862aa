//! Runs whose journal is written by hand.

use crate::cases::status;
use jiff::Timestamp;
use ringfence::journal::{Event, Journal, StepResult};
use ringfence::plan::{Change, Plan, PrincipalPlan, Step};
use ringfence::record::{self, Outcome, Prior};
use ringfence::resource::{Resource, Value};
use ringfence::snapshot::{Snapshot, Status};
use ringfence::state::{Run, State};

/// The first entry of the journal of the run that a state has begun.
pub fn run_started(plan: &Plan, begun: &State, prior: Prior) -> Event {
    Event::RunStarted {
        run: begun.open_run().unwrap().id.clone(),
        kind: plan.kind,
        plan_sha256: "0".repeat(64),
        lineage: begun.lineage.clone(),
        serial: begun.serial,
        applied_by: plan.planned_by.clone(),
        applied_from: None,
        endpoint: plan.endpoint.clone(),
        ringfence_version: "0.1.0".to_owned(),
        approvals: Vec::new(),
        break_glass: None,
        prior,
    }
}

/// A run of a plan for one principal, as far as it went.
pub struct Case {
    pub before: Snapshot,
    pub previous: Option<State>,
    pub plan: Plan,
    pub begun: State,
    pub journal: Journal,
    pub at: Timestamp,
}

impl Case {
    pub fn begin(previous: Option<State>, before: Snapshot, plan: Plan, at: Timestamp) -> Self {
        let run = Run {
            id: "20261122T031000Z-07070707".to_owned(),
            kind: plan.kind,
            plan_sha256: "0".repeat(64),
            planned_by: None,
            applied_by: plan.planned_by.clone(),
            applied_from: None,
            started_at: at,
            approvals: Vec::new(),
            break_glass: None,
            end: None,
        };
        let (begun, prior) = record::begin(previous.as_ref(), &plan, &plan.principals[0], run);
        let mut case = Self { before, previous, plan, begun, journal: Journal::default(), at };
        case.start(prior);
        case
    }

    pub fn start(&mut self, prior: Prior) {
        self.journal.append(self.at, run_started(&self.plan, &self.begun, prior));
    }

    pub fn principal(&self) -> &PrincipalPlan {
        &self.plan.principals[0]
    }

    pub fn step(&self, what: &str) -> Step {
        let steps = &self.principal().steps;
        let found = steps.iter().find(|step| step.resource.to_string().starts_with(what));
        found.unwrap_or_else(|| panic!("no {what} in {steps:?}")).clone()
    }

    pub fn calls(&mut self, step: &Step, result: StepResult) {
        let (id, resource) = (step.id, step.resource.clone());
        let action = "Call".to_owned();
        self.journal.append(
            self.at,
            Event::Intent { step: id, resource: resource.clone(), action, attempt: 1 },
        );
        let event = Event::Outcome {
            step: id,
            resource,
            result,
            service_date: Some(self.at),
            request_id: None,
            error: None,
        };
        self.journal.append(self.at, event);
    }

    pub fn did(mut self, what: &str, result: StepResult) -> Self {
        let step = self.step(what);
        self.calls(&step, result);
        self
    }

    pub fn made(mut self, what: &str, id: &str) -> Self {
        let step = self.step(what);
        let (id, resource) = (id.to_owned(), step.resource);
        self.journal.append(self.at, Event::Made { step: step.id, resource, id });
        self
    }

    pub fn adds(mut self, resource: Resource, after: Option<Value>, result: StepResult) -> Self {
        let action = if after.is_none() { Change::Delete } else { Change::Update };
        let before = Some(status(Status::Active));
        let id = 50 + u32::try_from(self.journal.len()).unwrap();
        let (reason, cautions) = ("settled".to_owned(), Vec::new());
        let (wave, reversible) = (9, after.is_some());
        let step = Step { id, wave, resource, action, before, after, reversible, reason, cautions };
        self.journal.append(self.at, Event::StepAdded { step: Box::new(step.clone()) });
        self.calls(&step, result);
        self
    }

    /// A step that settling adds, and what its call came to.
    pub fn adds_step(mut self, step: Step, result: StepResult) -> Self {
        let id = 50 + u32::try_from(self.journal.len()).unwrap();
        let step = Step { id, wave: 9, ..step };
        self.journal.append(self.at, Event::StepAdded { step: Box::new(step.clone()) });
        self.calls(&step, result);
        self
    }

    pub fn read(mut self, what: &str, stored: bool) -> Self {
        let id = vec![self.step(what).id];
        let (yes, no) = if stored { (id, Vec::new()) } else { (Vec::new(), id) };
        let read_at = self.at;
        self.journal.append(self.at, Event::ReadBack { read_at, stored: yes, not_stored: no });
        self
    }

    pub fn finish(&self, now: Option<&Snapshot>) -> (State, bool) {
        let outcome = Outcome { journal: &self.journal, read_back: now, now: self.at };
        record::finish(&self.begun, &self.plan, self.principal(), &outcome)
    }

    pub fn replay(&self) -> State {
        record::replay(&self.begun, &self.plan, self.principal(), &self.journal)
    }
}
