//! The runs of an incident, each once, with what it did to each of its principals.

use super::{Recorded, RecordedRun, Source};
use crate::approval::Approval;
use crate::identity::{AccessKeyId, Arn, PrincipalId, Who};
use crate::incident::{RunStands, of_runs};
use crate::journal::{Event, Journal, StepResult, StepStatus};
use crate::plan::{Change, Kind, Plan, PrincipalPlan, Step};
use crate::render::{commands, words};
use crate::resource::{Known, Resource, Value};
use crate::state::Run;
use crate::view::Finding;
use jiff::Timestamp;
use serde::Serialize;

/// One run: who planned, approved and applied it, and what it did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RunRecord {
    /// Its ID.
    pub id: String,
    /// What it was for.
    pub kind: Kind,
    /// The incident that it belongs to.
    pub incident: Option<String>,
    /// The posture that its plan asked for; `null` where the plan cannot be read.
    pub posture: Option<String>,
    /// How it stands.
    pub stands: RunStands,
    /// The SHA-256 of its plan.
    #[cfg_attr(test, schemars(regex(pattern = crate::schema::SHA256)))]
    pub plan_sha256: String,
    /// Who planned it.
    pub planned_by: Option<Arn>,
    /// When, by the service's clock.
    pub planned_at: Option<Timestamp>,
    /// Who approved it.
    pub approvals: Vec<Approval>,
    /// Why it was run without the approvals that it needed.
    pub break_glass: Option<String>,
    /// Who applied it.
    pub applied_by: Arn,
    /// The machine that it was applied from.
    pub applied_from: Option<String>,
    /// When it began, by the service's clock.
    pub started_at: Timestamp,
    /// Who went on with it after it was cut off.
    pub resumed: Vec<Resumed>,
    /// When it ended, by the service's clock.
    pub ended_at: Option<Timestamp>,
    /// What it did to each principal.
    pub parts: Vec<Part>,
    /// The same steps as AWS CLI commands; `null` where the plan cannot be read.
    pub aws_cli: Option<String>,
}

/// That a run which was cut off went on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Resumed {
    /// When the principal was read again, by the service's clock.
    pub at: Timestamp,
    /// By whom.
    pub by: Arn,
    /// From which machine.
    pub from: Option<String>,
}

/// What a run did to one principal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Part {
    /// The principal: `user`, or `role` where it is one.
    #[serde(flatten)]
    pub who: Who,
    /// Its unique ID.
    pub id: PrincipalId,
    /// How many entries its journal has; `null` where that cannot be read.
    pub journal_entries: Option<u64>,
    /// The hash of the journal's last line.
    pub journal_head: Option<String>,
    /// When it was read back last, by the service's clock.
    pub read_back_at: Option<Timestamp>,
    /// For how long it was watched after the last wave, in seconds.
    pub watched_s: u32,
    /// For how long of that nobody was seen to undo anything, in seconds.
    pub held_for_s: u32,
    /// What others were seen to undo, change or make.
    pub tampering: Vec<Seen>,
    /// When its new key was tried, and what was found.
    pub key_tried: Vec<KeyTried>,
    /// What it did, step by step.
    pub steps: Vec<StepRecord>,
}

/// That a new key was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct KeyTried {
    /// When, by the service's clock.
    pub at: Timestamp,
    /// The key.
    pub access_key: AccessKeyId,
    /// Whether everything was as it should be.
    pub works: bool,
    /// What was found, in words.
    pub found: Vec<String>,
}

/// Something that others were seen to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Seen {
    /// When it was seen, by the service's clock.
    pub at: Timestamp,
    /// What.
    pub finding: Finding,
}

/// One step of a run, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StepRecord {
    /// Its number.
    pub id: u32,
    /// Its wave.
    pub wave: u32,
    /// What it changes.
    pub resource: Resource,
    /// How.
    pub action: Change,
    /// The value before; `null` if it was not there.
    pub before: Option<Value>,
    /// The value after, with the fence's time where that was written; `null` if it is gone.
    pub after: Option<Value>,
    /// Whether `before` can be restored.
    pub reversible: bool,
    /// Why, in one line.
    pub reason: String,
    /// Where it stands after everything recorded.
    pub status: StepStatus,
    /// When the service did it, by its clock.
    pub done_at: Option<Timestamp>,
    /// When it was last tried, by the clock of the machine that ringfence ran on.
    pub tried_at: Option<Timestamp>,
    /// When it was last read back as it was written, by the service's clock.
    pub read_back_at: Option<Timestamp>,
    /// The last error, where there was one.
    pub error: Option<String>,
    /// Whether the plan's settle clause added it.
    pub added: bool,
}

/// The runs, in the order in which they began; with an incident, only those that belong to it.
pub(super) fn all(source: &Source) -> Vec<RunRecord> {
    let mut found: Vec<RunRecord> = Vec::new();
    for one in &source.principals {
        for (run, recorded, incident) in told(source, one) {
            let part = part(one, recorded);
            let stands = RunStands::of(run, recorded.journal.as_ref().ok(), one.holder.is_some());
            match found.iter_mut().find(|known| known.id == run.id) {
                Some(known) => {
                    known.parts.push(part);
                    for one in resumed(recorded) {
                        if !known.resumed.contains(&one) {
                            known.resumed.push(one);
                        }
                    }
                    known.stands = worse(known.stands, stands);
                    known.ended_at = known.ended_at.max(run.end.as_ref().map(|end| end.at));
                }
                None => found.push(record(run, recorded, incident, stands, part)),
            }
        }
    }
    for run in &mut found {
        run.parts.sort_by(|a, b| a.who.cmp(&b.who));
    }
    // Within one second the order is that of the record.
    found.sort_by_key(|run| run.started_at);
    found
}

/// The runs of a principal that belong to what is asked for: all of them where no incident is, or where a person
/// names one of which none is.
pub(super) fn told<'a>(
    source: &Source,
    one: &'a Recorded,
) -> Vec<(&'a Run, &'a RecordedRun, Option<String>)> {
    let mut runs = of(one);
    if source.incident.is_some() && is_part(source, one) {
        runs.retain(|(.., incident)| *incident == source.incident);
    }
    runs
}

/// The incidents that a principal is, or was, part of.
pub(super) fn incidents(one: &Recorded) -> impl Iterator<Item = String> {
    let of_runs = of(one).into_iter().filter_map(|(.., incident)| incident);
    one.state.incident.clone().into_iter().chain(of_runs)
}

/// Whether a principal was part of the incident that is asked for, by its record.
pub(super) fn is_part(source: &Source, one: &Recorded) -> bool {
    source.incident == one.state.incident
        || of(one).iter().any(|(.., incident)| *incident == source.incident)
}

/// The runs of a principal with what the store has of them, and the incident that each belongs to.
pub(super) fn of(one: &Recorded) -> Vec<(&Run, &RecordedRun, Option<String>)> {
    let incidents = of_runs(one.runs.iter().map(|run| run.plan.as_ref().ok()));
    let runs = one.state.runs.iter().zip(&one.runs).zip(incidents);
    runs.map(|((run, recorded), incident)| {
        // What no plan names is of the incident that the state names.
        (run, recorded, incident.or_else(|| one.state.incident.clone()))
    })
    .collect()
}

const fn worse(a: RunStands, b: RunStands) -> RunStands {
    match (a, b) {
        (RunStands::Going, _) | (_, RunStands::Going) => RunStands::Going,
        (RunStands::CutOff, _) | (_, RunStands::CutOff) => RunStands::CutOff,
        (RunStands::Partial, _) | (_, RunStands::Partial) => RunStands::Partial,
        (RunStands::Complete, RunStands::Complete) => RunStands::Complete,
    }
}

fn record(
    run: &Run,
    recorded: &RecordedRun,
    incident: Option<String>,
    stands: RunStands,
    part: Part,
) -> RunRecord {
    let plan = recorded.plan.as_ref().ok();
    RunRecord {
        id: run.id.clone(),
        kind: run.kind,
        incident,
        posture: plan.map(|plan| plan.posture.name.clone()),
        stands,
        plan_sha256: run.plan_sha256.clone(),
        planned_by: run.planned_by.clone().or_else(|| plan.map(|plan| plan.planned_by.clone())),
        planned_at: plan.map(|plan| plan.created_at),
        approvals: run.approvals.clone(),
        break_glass: run.break_glass.clone(),
        applied_by: run.applied_by.clone(),
        applied_from: run.applied_from.clone(),
        started_at: run.started_at,
        resumed: resumed(recorded).collect(),
        ended_at: run.end.as_ref().map(|end| end.at),
        parts: vec![part],
        aws_cli: plan.map(commands::plan),
    }
}

fn resumed(recorded: &RecordedRun) -> impl Iterator<Item = Resumed> {
    let entries = recorded.journal.as_ref().map(Journal::entries).unwrap_or_default();
    entries.iter().filter_map(|entry| match &entry.event {
        Event::RunResumed { by, from, read_at, .. } => {
            Some(Resumed { at: *read_at, by: by.clone(), from: from.clone() })
        }
        _ => None,
    })
}

fn part(one: &Recorded, recorded: &RecordedRun) -> Part {
    let journal = recorded.journal.as_ref().ok();
    let planned = recorded.plan.as_ref().ok().and_then(|plan| of_principal(plan, one));
    let steps = match (planned, journal) {
        (Some(planned), Some(journal)) => {
            let added = journal.added().map(|step| (step, true));
            let steps = planned.steps.iter().map(|step| (step, false)).chain(added);
            steps.map(|(step, added)| step_record(step, added, journal)).collect()
        }
        (Some(planned), None) => {
            let empty = Journal::default();
            let steps = planned.steps.iter();
            let record = |step| StepRecord {
                status: StepStatus::InDoubt,
                ..step_record(step, false, &empty)
            };
            steps.map(record).collect()
        }
        (None, _) => Vec::new(),
    };
    let entries = journal.map(Journal::entries).unwrap_or_default();
    let events = || entries.iter().map(|entry| &entry.event);
    let read_back_at = events().rev().find_map(|event| match event {
        Event::ReadBack { read_at, .. } => Some(*read_at),
        _ => None,
    });
    let watched_s = events().rev().find_map(|event| match event {
        Event::Settled { watched_s, .. } => Some(*watched_s),
        _ => None,
    });
    let watched_s = watched_s.unwrap_or_default();
    Part {
        who: one.state.principal.who(),
        id: one.state.principal.id.clone(),
        journal_entries: journal.map(Journal::len),
        journal_head: journal.map(|journal| journal.head().to_owned()),
        read_back_at,
        watched_s,
        held_for_s: held_for(read_back_at, last_change(journal), watched_s),
        tampering: events()
            .filter_map(|event| match event {
                Event::Tampering { resource, what, seen_at } => Some(Seen {
                    at: *seen_at,
                    finding: Finding { resource: resource.clone(), what: what.clone() },
                }),
                _ => None,
            })
            .collect(),
        key_tried: events().filter_map(key_tried).collect(),
        steps,
    }
}

fn key_tried(event: &Event) -> Option<KeyTried> {
    let Event::KeyChecked { access_key, checked_at, .. } = event else { return None };
    let found = words::key_checked(event);
    Some(KeyTried {
        at: *checked_at,
        access_key: access_key.clone(),
        works: found.iter().all(|(well, _)| *well),
        found: found.into_iter().map(|(_, said)| said).collect(),
    })
}

/// The principal's part of a plan.
pub(super) fn of_principal<'a>(plan: &'a Plan, one: &Recorded) -> Option<&'a PrincipalPlan> {
    plan.principals.iter().find(|part| part.id == one.state.principal.id)
}

/// When the last thing was changed in a run, by ringfence or by others, by the service's clock.
fn last_change(journal: Option<&Journal>) -> Option<Timestamp> {
    let entries = journal.map(Journal::entries).unwrap_or_default().iter();
    entries
        .filter_map(|entry| match &entry.event {
            Event::Tampering { seen_at, .. } => Some(*seen_at),
            Event::Outcome { service_date, .. } => *service_date,
            _ => None,
        })
        .max()
}

/// For how long everything was as it was written: never longer than it was watched, nor than it had been so.
fn held_for(read: Option<Timestamp>, changed: Option<Timestamp>, watched_s: u32) -> u32 {
    let since = match (read, changed) {
        (Some(read), Some(changed)) => read.duration_since(changed).as_secs(),
        _ => 0,
    };
    u32::try_from(since).unwrap_or_default().min(watched_s)
}

fn step_record(step: &Step, added: bool, journal: &Journal) -> StepRecord {
    let mut done_at = None;
    let mut tried_at = None;
    let mut read_back_at = None;
    let mut error = None;
    for entry in journal.entries() {
        match &entry.event {
            Event::Outcome { step: id, result, service_date, error: said, .. }
                if *id == step.id =>
            {
                if *result == StepResult::Done {
                    done_at = *service_date;
                }
                error.clone_from(said);
            }
            Event::Intent { step: id, .. } if *id == step.id => tried_at = Some(entry.at),
            Event::ReadBack { read_at, stored, .. } if stored.contains(&step.id) => {
                read_back_at = Some(*read_at);
            }
            _ => {}
        }
    }
    StepRecord {
        id: step.id,
        wave: step.wave,
        resource: step.resource.clone(),
        action: step.action,
        before: step.before.clone(),
        after: written(step, journal),
        reversible: step.reversible,
        reason: step.reason.clone(),
        status: journal.status(step.id),
        done_at,
        tried_at,
        read_back_at,
        error,
        added,
    }
}

/// What a step wrote, with what only became known by it: the fence's time, a new key's ID, a secret's version.
pub(super) fn written(step: &Step, journal: &Journal) -> Option<Value> {
    match &step.after {
        Some(Value::Document(document)) if document.awaits_fence_time() => {
            let fence = journal.fence(&[step.id]);
            Some(Value::Document(match fence {
                Some(fence) => document.with_fence_time(fence.fence_time),
                None => document.clone(),
            }))
        }
        Some(Value::AccessKeyId(Known::Later(_))) => {
            let made = journal.made(step.id).map(|id| Known::Is(id.to_owned()));
            made.map(Value::AccessKeyId).or_else(|| step.after.clone())
        }
        Some(Value::SecretVersion(Known::Later(_))) => {
            let made = journal.made(step.id).map(|id| Known::Is(id.to_owned()));
            made.map(Value::SecretVersion).or_else(|| step.after.clone())
        }
        other => other.clone(),
    }
}

/// Whether a value of a resource is that of a credential that can act.
pub(super) fn can_act(resource: &Resource, value: Option<&Value>) -> bool {
    use crate::snapshot::Status;
    resource.is_credential()
        && matches!(value, Some(Value::Status(Status::Active) | Value::Password))
}
