//! What is told of an incident when it is looked back on: built from states, plans and journals, a trace where one
//! is given, and what was read now. Pure; every claim in it is something read or recorded (D2.13).

mod course;
mod lanes;
mod left_out;
mod open;
mod principal;
mod runs;
#[cfg(test)]
pub(crate) mod tests;
mod unknown;
mod used;

pub use course::{Moment, MomentKind};
pub use lanes::{Lane, Stretch, Was};
pub use left_out::LeftOut;
pub use open::Open;
pub use principal::{HeldView, Principal};
pub use runs::{KeyTried, Part, Resumed, RunRecord, Seen, StepRecord};
pub use used::Used;

use crate::incident::{self, RunStands, Stage};
use crate::journal::Journal;
use crate::plan::Plan;
use crate::state::State;
use crate::trace::{Trace, Unknown};
use crate::view::StatusReport;
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
    /// The other principals of the store, of which the report is not.
    pub others: Vec<Recorded>,
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
    /// Principals of the same incident, or found by the trace, that have records of their own and of which this
    /// report is not.
    pub left_out: Vec<LeftOut>,
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
        source.principals.iter().map(|one| principal::told(one, &source.now)).collect();
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
        left_out: left_out::told(source),
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

/// The accounts that the trace is of, where none of the principals is of one of them.
#[must_use]
pub fn foreign(source: &Source) -> Option<String> {
    let accounts = source.trace.as_ref()?.trace.accounts();
    let known = |one: &Recorded| accounts.contains(one.state.account_id.as_str());
    let none = accounts.is_empty() || source.principals.is_empty();
    let apart = !none && !source.principals.iter().any(known);
    apart.then(|| accounts.into_iter().collect::<Vec<_>>().join(", "))
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
    marks.extend(foreign(source).map(|accounts| {
        format!("the trace is of account {accounts}: nobody in this record is of it")
    }));
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
