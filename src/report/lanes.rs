//! From when to when each resource could act, or stood as it was written: only as far as something read says so.

use super::principal::status_of;
use super::runs::{can_act, of, written};
use super::{Recorded, Report, Source};
use crate::identity::Who;
use crate::journal::{Event, StepResult};
use crate::plan::{PrincipalPlan, Step};
use crate::resource::{Resource, Value};
use crate::view::PrincipalStatus;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

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

/// What became of a resource at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// It can act from now on.
    Acts,
    /// It is as ringfence wrote it from now on.
    Stands,
    /// It was read, and is as ringfence wrote it.
    Confirmed,
    /// It neither acts nor stands from now on.
    Ends,
}

type Turns = BTreeMap<Resource, Vec<(Timestamp, Turn)>>;

/// The value that ringfence wrote last.
type Left = BTreeMap<Resource, Option<Value>>;

/// The lanes, by principal and resource.
pub(super) fn all(source: &Source, report: &Report) -> Vec<Lane> {
    let mut lanes = Vec::new();
    for one in &source.principals {
        let (mut turns, mut left) = (Turns::new(), Left::new());
        for (run, recorded, _) in of(one) {
            let shown = report.runs.iter().any(|known| known.id == run.id);
            let (Ok(plan), Ok(journal), true) = (&recorded.plan, &recorded.journal, shown) else {
                continue;
            };
            let Some(part) = super::runs::of_principal(plan, one) else { continue };
            let whole = part.with_added(journal.added());
            before(part, plan.created_at, source, &left, &mut turns);
            for entry in journal.entries() {
                event(&entry.event, entry.at, &whole, &mut turns);
            }
            for step in whole.steps.iter().filter(|step| journal.was_written(step.id)) {
                left.insert(step.resource.clone(), written(step, journal));
            }
        }
        let status = status_of(&source.now, &one.state);
        read_now(one, status, &mut turns);
        for (resource, turns) in turns {
            let end = source.made_at.max(report.read_at.unwrap_or(source.made_at));
            let stretches = stretches(turns, end);
            if !stretches.is_empty() {
                lanes.push(Lane { who: one.state.principal.who(), resource, stretches });
            }
        }
    }
    lanes.sort_by(|a, b| (&a.who, &a.resource).cmp(&(&b.who, &b.resource)));
    lanes
}

/// What a plan has read of what it changes: a credential that is on can act, and what is not as it was left has
/// been taken away since (D2.13).
fn before(
    part: &PrincipalPlan,
    planned: Timestamp,
    source: &Source,
    left: &Left,
    turns: &mut Turns,
) {
    for step in &part.steps {
        let known = turns.contains_key(&step.resource);
        if can_act(&step.resource, step.before.as_ref()) {
            let at = if known { planned } else { could_act_from(step, part, planned, source) };
            turns.entry(step.resource.clone()).or_default().push((at, Turn::Acts));
        } else if known && left.get(&step.resource).is_some_and(|left| *left != step.before) {
            turns.entry(step.resource.clone()).or_default().push((planned, Turn::Ends));
        }
    }
}

/// Since when a credential could act that was on when it was contained first.
fn could_act_from(
    step: &Step,
    part: &PrincipalPlan,
    planned: Timestamp,
    source: &Source,
) -> Timestamp {
    let made = crate::drift::created_at(&step.resource, &part.snapshot);
    match (part.since, made) {
        (Some(since), Some(made)) => since.max(made),
        (Some(since), None) => since,
        // Without a time of exposure only this is known: it was seen to act, or was read to be on.
        (None, _) => first_seen(&step.resource, source).map_or(planned, |at| at.min(planned)),
    }
}

/// When a trace has seen a credential act for the first time.
fn first_seen(resource: &Resource, source: &Source) -> Option<Timestamp> {
    let all = source.trace.iter().flat_map(|traced| &traced.trace.credentials);
    all.filter(|one| one.id == resource.id()).filter_map(|one| one.first_used).min()
}

fn event(event: &Event, written: Timestamp, part: &PrincipalPlan, turns: &mut Turns) {
    let step = |id: u32| part.steps.iter().find(|step| step.id == id);
    let mut add = |resource: &Resource, at: Timestamp, turn: Turn| {
        turns.entry(resource.clone()).or_default().push((at, turn));
    };
    match event {
        Event::Outcome { step: id, result: StepResult::Done, service_date, .. } => {
            if let Some(step) = step(*id) {
                let at = service_date.unwrap_or(written);
                if wrote(step) != Turn::Stands {
                    // Reality was read again before the first call, and was as it had been left (D2.3).
                    add(&step.resource, at, Turn::Confirmed);
                }
                add(&step.resource, at, wrote(step));
            }
        }
        Event::ReadBack { read_at, stored, .. } => {
            for step in stored.iter().filter_map(|id| step(*id)) {
                if wrote(step) == Turn::Stands {
                    add(&step.resource, *read_at, Turn::Confirmed);
                }
            }
        }
        Event::Tampering { resource: Some(resource), what, seen_at } => {
            let turn = match resource.is_credential() && !what.contains("gone") {
                true => Turn::Acts,
                false => Turn::Ends,
            };
            add(resource, *seen_at, turn);
        }
        _ => {}
    }
}

fn wrote(step: &Step) -> Turn {
    match (&step.after, step.turns_off()) {
        (after, _) if can_act(&step.resource, after.as_ref()) => Turn::Acts,
        (_, true) => Turn::Stands,
        (Some(Value::Member) | None, false) => Turn::Ends,
        (Some(_), false) => Turn::Stands,
    }
}

/// What the reading for the report says of what is held.
fn read_now(one: &Recorded, status: Option<&PrincipalStatus>, turns: &mut Turns) {
    let Some((status, at)) = status.and_then(|status| Some((status, status.seen_at?))) else {
        return;
    };
    if status.standing == crate::view::Standing::Gone {
        return;
    }
    for (resource, list) in turns.iter_mut() {
        let found = status.findings.iter().find(|one| one.resource.as_ref() == Some(resource));
        let held = one.state.held().any(|(held, _)| held == resource);
        match found {
            Some(found) if found.what.contains("could not be read") => {}
            Some(_) if resource.is_credential() => list.push((at, Turn::Acts)),
            Some(_) => list.push((at, Turn::Ends)),
            None if held => list.push((at, Turn::Confirmed)),
            None => {}
        }
    }
}

fn stretches(mut turns: Vec<(Timestamp, Turn)>, end: Timestamp) -> Vec<Stretch> {
    turns.sort_by_key(|(at, _)| *at);
    let mut found: Vec<Stretch> = Vec::new();
    let mut now: Option<(Was, Timestamp)> = None;
    let mut add = |from: Timestamp, to: Timestamp, was: Was| {
        if from < to {
            found.push(Stretch { from, to, was });
        }
    };
    for (at, turn) in turns {
        let next = match turn {
            Turn::Acts => Some(Was::Acting),
            Turn::Stands | Turn::Confirmed => Some(Was::Stood),
            Turn::Ends => None,
        };
        if let Some((was, from)) = now {
            // What was found otherwise may have been so for as long as nobody had read it (D2.13).
            let unsure = was == Was::Stood && next != Some(Was::Stood);
            add(from, at, if unsure { Was::NotReadSince } else { was });
        }
        now = next.map(|was| (was, at));
    }
    if let Some((was, from)) = now {
        let to = end.max(from);
        add(from, to, if was == Was::Stood { Was::NotReadSince } else { was });
    }
    merged(found)
}

/// Stretches that follow one another and say the same, as one.
fn merged(all: Vec<Stretch>) -> Vec<Stretch> {
    let mut found: Vec<Stretch> = Vec::new();
    for one in all {
        match found.last_mut() {
            Some(last) if last.was == one.was && last.to == one.from => last.to = one.to,
            _ => found.push(one),
        }
    }
    found
}
