//! What happened, in the order of time.

use super::{Report, RunRecord, StepRecord};
use crate::identity::{PrincipalId, Who};
use crate::plan::Kind;
use crate::render::words;
use crate::resource::{Resource, Value};
use crate::trace::Trace;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

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
    /// A new key was tried.
    KeyTried,
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
            Self::KeyTried => "new key tried",
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

/// How many moments of a trace stand in the course of the incident: the rest is in the trace's own tables.
const OF_TRACE: usize = 120;

/// The moments.
pub(super) fn moments(report: &Report) -> Vec<Moment> {
    let mut found: Vec<Moment> = Vec::new();
    if let Some(of) = &report.trace {
        found.extend(trace(&of.trace));
    }
    for one in &report.principals {
        let about = Some(one.who.clone());
        if let Some(since) = one.since {
            let what = "the time of exposure, as it was named";
            found.push(Moment { about: about.clone(), ..moment(since, MomentKind::Exposed, what) });
        }
        if let Some(fence) = one.fence.as_ref().filter(|fence| fence.void.is_none()) {
            let what = "every session that it stops has expired by then";
            let at = fence.lift_after;
            found.push(Moment { about, ..moment(at, MomentKind::FenceMayGo, what) });
        }
    }
    let mut left = Left::new();
    for one in &report.runs {
        found.extend(found_otherwise(one, &left));
        found.extend(run(one));
        let parts = one.parts.iter();
        left.extend(
            parts.flat_map(|part| part.steps.iter().map(move |step| (part, step))).filter_map(
                |(part, step)| {
                    let done = step.done_at.is_some();
                    done.then(|| ((part.id.clone(), step.resource.clone()), step.after.clone()))
                },
            ),
        );
    }
    found.extend(report.read_at.map(|at| moment(at, MomentKind::Read, "for this report")));
    // Within one second the order is that in which it was recorded.
    found.sort_by_key(|moment| moment.at);
    found.dedup();
    found
}

fn moment(at: Timestamp, kind: MomentKind, what: impl Into<String>) -> Moment {
    let what = what.into();
    Moment { at, by_this_machine: false, kind, about: None, what, look: false, run: None }
}

/// What ringfence wrote last of a principal's resources.
type Left = BTreeMap<(PrincipalId, Resource), Option<Value>>;

/// What a plan has found otherwise than an earlier run had left it.
fn found_otherwise(run: &RunRecord, left: &Left) -> Vec<Moment> {
    let Some(at) = run.planned_at else { return Vec::new() };
    let mut found = Vec::new();
    for part in &run.parts {
        for step in part.steps.iter().filter(|step| !step.added) {
            let Some(was) = left.get(&(part.id.clone(), step.resource.clone())) else { continue };
            if *was != step.before {
                let what = format!(
                    "{} was found {}, and had been left {}",
                    step.resource,
                    words::value(step.before.as_ref()),
                    words::value(was.as_ref())
                );
                let about = Some(part.who.clone());
                let id = Some(run.id.clone());
                let seen = moment(at, MomentKind::Tampering, what);
                found.push(Moment { about, look: true, run: id, ..seen });
            }
        }
    }
    found
}

fn run(run: &RunRecord) -> Vec<Moment> {
    let id = Some(run.id.clone());
    let of = |moment: Moment| Moment { run: id.clone(), ..moment };
    let word = words::run_kind(run.kind);
    let mut found = Vec::new();
    if let Some(at) = run.planned_at {
        let by = run.planned_by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
        found.push(of(moment(at, MomentKind::Planned, format!("{word}{by}"))));
    }
    for one in &run.approvals {
        let what = format!("{} with {}", one.person, one.fingerprint);
        found.push(of(moment(one.verified_at, MomentKind::Approved, what)));
    }
    let glass = run.break_glass.as_ref().map(|why| words::without_approval(why));
    let mut began = moment(
        run.started_at,
        MomentKind::Began,
        match &glass {
            Some(glass) => format!("{word} by {}; {glass}", run.applied_by),
            None => format!("{word} by {}", run.applied_by),
        },
    );
    began.look = glass.is_some();
    found.push(of(began));
    for part in &run.parts {
        let about = Some(part.who.clone());
        for step in &part.steps {
            let about = about.clone();
            found.extend(steps(step).map(|moment| of(Moment { about, ..moment })));
            found.extend(
                fence(run.kind, step)
                    .map(|moment| of(Moment { about: Some(part.who.clone()), ..moment })),
            );
        }
        for tried in &part.key_tried {
            let moment = moment(tried.at, MomentKind::KeyTried, tried.found.join(", "));
            found.push(of(Moment { about: about.clone(), look: !tried.works, ..moment }));
        }
        if let Some(at) = part.read_back_at {
            let what = words::verified(part);
            let read = moment(at, MomentKind::ReadBack, what);
            found.push(of(Moment { about: about.clone(), ..read }));
        }
        for seen in &part.tampering {
            let what = words::finding(&seen.finding);
            let moment = moment(seen.at, MomentKind::Tampering, what);
            found.push(of(Moment { about: about.clone(), look: true, ..moment }));
        }
    }
    found.extend(run.resumed.iter().map(|one| {
        let resumed = moment(one.at, MomentKind::Resumed, format!("{word} by {}", one.by));
        of(Moment { look: true, ..resumed })
    }));
    if let Some(at) = run.ended_at {
        let mut ended = moment(at, MomentKind::Ended, format!("{word}, {}", run.stands.words()));
        ended.look = run.stands != crate::incident::RunStands::Complete;
        found.push(of(ended));
    }
    found
}

/// What became of a step: when the service did it, or when it was last tried where it did not say.
fn steps(step: &StepRecord) -> Option<Moment> {
    let what = words::step_done(step);
    let look = words::step_looks(step);
    if let Some(at) = step.done_at {
        return Some(Moment { look, ..moment(at, MomentKind::Step, what) });
    }
    let status = words::step_status(step.status);
    let error = step.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
    let what = format!("{what}: {status}{error}");
    let tried = moment(step.tried_at?, MomentKind::Step, what);
    Some(Moment { look, by_this_machine: true, ..tried })
}

/// The time that stands in a fence that a step wrote.
fn fence(kind: Kind, step: &StepRecord) -> Option<Moment> {
    if kind == Kind::Release || step.done_at.is_none() {
        return None;
    }
    let Some(crate::resource::Value::Document(document)) = &step.after else { return None };
    let at = document.fence_time()?;
    Some(moment(at, MomentKind::Fence, "sessions issued before are denied"))
}

/// What a trace knows of when credentials were made and used, and of what they left behind.
fn trace(trace: &Trace) -> Vec<Moment> {
    let mut found = Vec::new();
    for one in &trace.credentials {
        if let (Some(at), Some(by)) = (one.issued_at, &one.parent) {
            let via = one.via.as_deref().unwrap_or("an event that is not in the data");
            let what = format!("{} by {via}, with {by}", one.id);
            found.push(Moment { look: true, ..moment(at, MomentKind::Issued, what) });
        }
        if let Some(at) = one.last_used {
            let from = one.source_ips.first().map(|ip| format!(", from {ip}")).unwrap_or_default();
            let what = format!("{}{from}", one.id);
            found.push(moment(at, MomentKind::Used, what));
        }
    }
    for made in &trace.persistence {
        if let Some(at) = made.time {
            let what = format!("{} {} by {}, with {}", made.kind, made.name, made.action, made.by);
            let look = made.live;
            found.push(Moment { look, ..moment(at, MomentKind::LeftBehind, what) });
        }
    }
    found.sort_by_key(|moment| (moment.kind == MomentKind::Used, !moment.look));
    found.truncate(OF_TRACE);
    found
}
