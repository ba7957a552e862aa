//! What is told of an incident when it is looked back on: built from states, plans and journals, a trace where one
//! is given, and what was read now. Pure; every claim in it is something read or recorded (D2.13).

mod course;
mod lanes;
mod open;
mod runs;
#[cfg(test)]
pub(crate) mod tests;
mod unknown;
mod used;

use crate::approval::Approval;
use crate::identity::{AccountId, Arn, PrincipalId, Who};
use crate::incident::{self, RunStands, Stage};
use crate::journal::{Journal, StepStatus};
use crate::lineage::Lineage;
use crate::plan::{Change, Compromised, Kind, Plan};
use crate::resource::{Resource, Value};
use crate::state::{HeldStatus, Recovery, State};
use crate::trace::{Trace, Unknown};
use crate::view::{FenceView, Finding, PrincipalStatus, Standing, StatusReport};
use jiff::Timestamp;
use serde::Serialize;

/// The version of the format.
pub const FORMAT_VERSION: u32 = 1;

/// What the store has of one principal.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Its state.
    pub state: State,
    /// Its runs, in the order of the state.
    pub runs: Vec<RecordedRun>,
    /// Who holds its lock now, in words.
    pub holder: Option<String>,
    /// What of the record contradicts the rest, in words.
    pub contradiction: Option<String>,
}

/// What the store has of one run of a principal.
#[derive(Clone, Debug)]
pub struct RecordedRun {
    /// The plan, or why it cannot be read.
    pub plan: Result<Plan, String>,
    /// The journal, or why it cannot be read.
    pub journal: Result<Journal, String>,
}

/// A trace, and the file it was read from.
#[derive(Clone, Debug)]
pub struct Traced {
    /// The file, as it was named.
    pub file: String,
    /// The SHA-256 of its bytes.
    pub sha256: String,
    /// What stands in it.
    pub trace: Trace,
}

/// How the principals stand now.
#[derive(Clone, Debug)]
pub enum Now {
    /// They were read.
    Read(StatusReport),
    /// They were not, in words.
    NotRead(String),
}

/// What a report is made of.
#[derive(Clone, Debug)]
pub struct Source {
    /// The program.
    pub version: String,
    /// When it is made, by this machine's clock.
    pub made_at: Timestamp,
    /// The incident that was asked for.
    pub incident: Option<String>,
    /// The principals.
    pub principals: Vec<Recorded>,
    /// The principals of the store whose state cannot be read, each with why.
    pub unreadable: Vec<(String, String)>,
    /// The trace, where one is given.
    pub trace: Option<Traced>,
    /// How they stand now.
    pub now: Now,
}

/// What is told of an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Report {
    /// The format of this report.
    #[cfg_attr(test, schemars(extend("const" = FORMAT_VERSION)))]
    pub format_version: u32,
    /// The program that made it.
    pub ringfence_version: String,
    /// When it was made, by this machine's clock.
    pub made_at: Timestamp,
    /// The incident, where it is of one.
    pub incident: Option<String>,
    /// How far it has come: as far as the principal that has come least far.
    pub stage: Stage,
    /// When the principals were read, by the service's clock; `null` where the report is of the record alone.
    pub read_at: Option<Timestamp>,
    /// Why they were not read, where they were not.
    pub not_read: Option<String>,
    /// What has to be known before anything else: runs that are not over, and what contradicts itself.
    pub marks: Vec<String>,
    /// The principals, by name.
    pub principals: Vec<Principal>,
    /// The runs, in the order in which they began.
    pub runs: Vec<RunRecord>,
    /// What happened, in the order of time.
    pub timeline: Vec<Moment>,
    /// From when to when each resource could act, or stood as it was written, by what was read.
    pub lanes: Vec<Lane>,
    /// What is still open, with what helps.
    pub open: Vec<Open>,
    /// What cannot be known.
    pub unknown: Vec<Unknown>,
    /// The commands, as the record tells them.
    pub commands: Vec<Used>,
    /// The trace, where one is given.
    pub trace: Option<TraceOf>,
}

/// One principal of an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Principal {
    /// Its name in the state: `user`, or `role` where it is one.
    #[serde(flatten)]
    pub who: Who,
    /// Its unique ID.
    pub id: PrincipalId,
    /// Its ARN when it was last read by a run.
    pub arn: Arn,
    /// Its account.
    pub account_id: AccountId,
    /// The endpoint that its record is of.
    pub endpoint: String,
    /// The incident that its state names now.
    pub incident: Option<String>,
    /// Its containment.
    pub lineage: Lineage,
    /// The state's serial.
    pub serial: u64,
    /// The strictest posture that was applied.
    pub posture: String,
    /// The time of exposure, where known.
    pub since: Option<Timestamp>,
    /// The credentials known or taken to be the attacker's.
    pub compromised: Vec<Compromised>,
    /// How far it has come.
    pub stage: Stage,
    /// What it amounts to, by what was read now; `null` where it was not read.
    pub standing: Option<Standing>,
    /// When it was read now, by the service's clock.
    pub seen_at: Option<Timestamp>,
    /// When it was last read and found contained.
    pub last_seen_contained: Option<Timestamp>,
    /// When everything was released.
    pub released_at: Option<Timestamp>,
    /// The clock of the fence.
    pub fence: Option<FenceView>,
    /// The keys that recoveries have made, oldest first.
    pub recoveries: Vec<Recovery>,
    /// What ringfence changed of it, and where that stands.
    pub resources: Vec<HeldView>,
    /// What else is worth knowing, by what was read now.
    pub notes: Vec<String>,
}

/// One resource that ringfence changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HeldView {
    /// Which.
    pub resource: Resource,
    /// Where it stands, by the record.
    pub status: HeldStatus,
    /// The value before ringfence's first touch; `null` if it was not there.
    pub before: Option<Value>,
    /// The value last written; `null` if it was removed.
    pub ours: Option<Value>,
    /// When it was last written, by the service's clock.
    pub written_at: Option<Timestamp>,
}

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
    /// What it did, step by step.
    pub steps: Vec<StepRecord>,
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

/// What kind of moment it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum MomentKind {
    /// The exposure, as it was named.
    Exposed,
    /// A credential was made, or was first seen.
    Issued,
    /// A credential was used last.
    Used,
    /// Something was made or changed that stays.
    LeftBehind,
    /// A plan was made.
    Planned,
    /// A plan was approved: when the signature was verified.
    Approved,
    /// A run began.
    Began,
    /// A run that was cut off went on.
    Resumed,
    /// A step was done, or was refused.
    Step,
    /// The fence's time: sessions issued before it are denied.
    Fence,
    /// Others were seen to undo, change or make something.
    Tampering,
    /// What a run had done was read back, at the end of its watch.
    ReadBack,
    /// A run ended.
    Ended,
    /// The principals were read for this report.
    Read,
    /// From when the fence may be lifted.
    FenceMayGo,
}

impl MomentKind {
    /// In a word or two.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Exposed => "exposed",
            Self::Issued => "credential made",
            Self::Used => "last use",
            Self::LeftBehind => "left behind",
            Self::Planned => "planned",
            Self::Approved => "approved",
            Self::Began => "run begins",
            Self::Resumed => "run resumed",
            Self::Step => "step",
            Self::Fence => "fence time",
            Self::Tampering => "tampering seen",
            Self::ReadBack => "read back",
            Self::Ended => "run ends",
            Self::Read => "read again",
            Self::FenceMayGo => "fence may go",
        }
    }
}

/// Something that happened, or that will have its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Moment {
    /// When.
    pub at: Timestamp,
    /// Whether by the clock of the machine that ringfence ran on, and not by the service's.
    pub by_this_machine: bool,
    /// What kind it is.
    pub kind: MomentKind,
    /// Whom it is about; `null` where it is about none or several.
    pub about: Option<Who>,
    /// What happened.
    pub what: String,
    /// Whether somebody should look at it.
    pub look: bool,
    /// The run that it is of.
    pub run: Option<String>,
}

/// From when to when one resource could act, or stood as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Lane {
    /// The principal: `user`, or `role` where it is one.
    #[serde(flatten)]
    pub who: Who,
    /// The resource.
    pub resource: Resource,
    /// The stretches, in the order of time.
    pub stretches: Vec<Stretch>,
}

/// A stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Stretch {
    /// From when.
    pub from: Timestamp,
    /// To when.
    pub to: Timestamp,
    /// What it was then.
    pub was: Was,
}

/// What a resource was for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Was {
    /// A credential that could act, by what was read at its beginning.
    Acting,
    /// As ringfence wrote it, by what was read at its end.
    Stood,
    /// As ringfence wrote it when it was last read, and not read since.
    NotReadSince,
}

/// What is still open about one principal, or about none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Open {
    /// The principal; `null` where it is about none of them.
    pub who: Option<Who>,
    /// What is open.
    pub findings: Vec<Finding>,
    /// What to run, in order.
    pub commands: Vec<String>,
}

/// A command, as the record tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Used {
    /// When, by the service's clock.
    pub at: Option<Timestamp>,
    /// By whom.
    pub by: Option<Arn>,
    /// What does the same.
    pub command: String,
    /// The run that it is of.
    pub run: Option<String>,
}

/// The trace that the report was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TraceOf {
    /// The file, as it was named.
    pub file: String,
    /// The SHA-256 of its bytes.
    #[cfg_attr(test, schemars(regex(pattern = crate::schema::SHA256)))]
    pub sha256: String,
    /// Whether a plan of a run here was made from it.
    pub planned_from: bool,
    /// The trace itself.
    pub trace: Trace,
}

/// The report of what the store, the trace and a reading have.
#[must_use]
pub fn report(source: &Source) -> Report {
    let runs = runs::all(source);
    let mut principals: Vec<Principal> =
        source.principals.iter().map(|one| principal(one, &source.now)).collect();
    principals.sort_by(|a, b| (&a.who, &a.id).cmp(&(&b.who, &b.id)));
    let trace = source.trace.as_ref().map(|traced| TraceOf {
        file: traced.file.clone(),
        sha256: traced.sha256.clone(),
        planned_from: plans(source)
            .any(|plan| plan.trace.as_ref().is_some_and(|from| from.sha256 == traced.sha256)),
        trace: traced.trace.clone(),
    });
    let (read_at, not_read) = match &source.now {
        Now::Read(status) => (Some(status.at), None),
        Now::NotRead(why) => (None, Some(why.clone())),
    };
    let mut report = Report {
        format_version: FORMAT_VERSION,
        ringfence_version: source.version.clone(),
        made_at: source.made_at,
        incident: source.incident.clone(),
        stage: incident::of_all(principals.iter().map(|one| one.stage)),
        read_at,
        not_read,
        marks: marks(source, &runs),
        principals,
        runs,
        timeline: Vec::new(),
        lanes: Vec::new(),
        open: open::all(source),
        unknown: Vec::new(),
        commands: used::all(source),
        trace,
    };
    report.timeline = course::moments(&report);
    report.lanes = lanes::all(source, &report);
    report.unknown = unknown::all(source, &report);
    report
}

fn plans(source: &Source) -> impl Iterator<Item = &Plan> {
    source.principals.iter().flat_map(|one| &one.runs).filter_map(|run| run.plan.as_ref().ok())
}

/// What was read now of the principal that a state is of.
fn status_of<'a>(now: &'a Now, state: &State) -> Option<&'a PrincipalStatus> {
    let Now::Read(status) = now else { return None };
    let of =
        |one: &&PrincipalStatus| one.id == state.principal.id && one.account_id == state.account_id;
    status.principals.iter().find(of)
}

fn principal(one: &Recorded, now: &Now) -> Principal {
    let state = &one.state;
    // What says nothing of when it was read has read nothing: another account's, another endpoint's.
    let status = status_of(now, state).filter(|status| status.seen_at.is_some());
    let recorded = incident::stage(state);
    Principal {
        who: state.principal.who(),
        id: state.principal.id.clone(),
        arn: state.principal.arn.clone(),
        account_id: state.account_id.clone(),
        endpoint: state.endpoint.clone(),
        incident: state.incident.clone(),
        lineage: state.lineage.clone(),
        serial: state.serial,
        posture: state.posture.name.clone(),
        since: state.since,
        compromised: state.compromised.clone(),
        stage: status.map_or(recorded, |status| {
            // What is found of a principal that is contained is of its recovery.
            incident::once_read(recorded, status.standing, !status.findings.is_empty())
        }),
        standing: status.map(|status| status.standing),
        seen_at: status.and_then(|status| status.seen_at),
        last_seen_contained: status
            .map_or(state.last_seen_contained, |status| status.last_seen_contained),
        released_at: state.released_at,
        fence: status.map_or_else(
            || crate::standing::fence_view(state, None),
            |status| status.fence.clone(),
        ),
        recoveries: state.recoveries.clone(),
        resources: state
            .resources
            .iter()
            .chain(&state.rights)
            .map(|(resource, held)| HeldView {
                resource: resource.clone(),
                status: held.status,
                before: held.baseline.clone(),
                ours: held.ours.clone(),
                written_at: held.written_at,
            })
            .collect(),
        notes: status.map(|status| status.notes.clone()).unwrap_or_default(),
    }
}

/// What has to be known before anything else is believed.
fn marks(source: &Source, runs: &[RunRecord]) -> Vec<String> {
    let mut marks = Vec::new();
    for run in runs {
        match run.stands {
            RunStands::Going => {
                let held = source.principals.iter().find_map(|one| {
                    let open = one.state.open_run().is_some_and(|open| open.id == run.id);
                    open.then(|| one.holder.clone()).flatten()
                });
                let held = held.map(|held| format!(" ({held})")).unwrap_or_default();
                marks.push(format!(
                    "run {} is still going{held}: what follows is as far as it had come",
                    run.id
                ));
            }
            RunStands::CutOff => {
                marks.push(format!("run {} was cut off: its end is not in the record", run.id));
            }
            RunStands::Complete | RunStands::Partial => {}
        }
        if let Some(reason) = &run.break_glass {
            marks.push(format!(
                "run {} went by break-glass, without the approvals that it needed: {reason}",
                run.id
            ));
        }
    }
    let of =
        |one: &Recorded, why: &str| format!("the record of {}: {why}", one.state.principal.who());
    for one in &source.principals {
        marks.extend(one.contradiction.iter().map(|why| of(one, why)));
        let who = one.state.principal.who();
        match (&source.incident, &one.state.incident) {
            (Some(incident), _) if !runs::is_part(source, one) => {
                marks.push(format!("{who} is not recorded as part of incident {incident}"));
            }
            (Some(incident), Some(now)) if incident != now => {
                marks.push(format!("{who} belongs to incident {now} now"));
            }
            _ => {}
        }
    }
    marks
}
