//! The record of a run: every entry of its journal, and where each step stands after them.

use super::apply::result_words;
use super::plan::{file, header};
use super::state::twelve;
use crate::approval::{Approval, Signed};
use crate::journal::{Entry, Event, Journal, StepStatus};
use crate::plan::{Plan, PrincipalPlan, Step};
use crate::render::page::{Page, Row, by_word, cells, column, flow};
use crate::render::style::Style;
use crate::render::words::{self, stamp};
use crate::render::{Saved, Screen};
use crate::resource::Resource;
use crate::text::{clock, count, shown};

/// A run as its journal tells it, under the header of its plan.
#[must_use]
pub fn run(plan: &Plan, journal: &Journal, screen: Screen, saved: Option<&Saved<'_>>) -> String {
    let mut page = Page::new(screen);
    header(&mut page, plan, "Planner");
    let of: Vec<&PrincipalPlan> = principals(plan, journal).collect();
    if let (true, [one]) = (plan.principals.len() > 1, of.as_slice()) {
        page.gap();
        let whose = format!("Journal of {} ({}):", one.who(), one.id);
        page.phrases(Style::Bold, 0, 2, &by_word(&whose));
    } else {
        page.gap();
    }
    let keys_off = plan.steps().iter().any(|(_, step)| is_key_off(step));
    for entry in journal.entries() {
        let (look, words) = describe(&entry.event, keys_off);
        line(&mut page, entry, look, &words, journal.len());
    }
    if journal.torn() {
        page.look(0, "the journal's last line was torn and is left out: its call was never made");
    }
    if !journal.finished() {
        page.look(0, "the run was cut off: its end is not in the journal");
    }
    let rows: Vec<Row> = of
        .iter()
        .flat_map(|one| &one.steps)
        .chain(journal.added())
        .map(|step| {
            let status = journal.status(step.id);
            Row {
                below: None,
                look: !matches!(
                    status,
                    StepStatus::Skipped | StepStatus::Done | StepStatus::Stored
                ),
                name: step.resource.to_string(),
                phrases: vec![words::step_status(status).to_owned()],
            }
        })
        .collect();
    let column = column(&rows, page.screen());
    page.gap();
    page.table("Steps, after everything recorded:", &rows, column);
    page.gap();
    if let Some(saved) = saved {
        file(&mut page, saved);
    }
    let entries = count(journal.entries().len(), "entry", "entries");
    let head = [format!("Journal {entries},"), format!("head {}", journal.head())];
    page.phrases(Style::Plain, 0, 0, &head);
    page.finish()
}

/// The principal that the journal is of; all of them where it does not say.
fn principals<'a>(plan: &'a Plan, journal: &Journal) -> impl Iterator<Item = &'a PrincipalPlan> {
    let of = journal.entries().iter().find_map(|entry| match &entry.event {
        Event::RunStarted { lineage, .. } => Some(lineage.clone()),
        _ => None,
    });
    plan.principals
        .iter()
        .filter(move |one| of.as_ref().is_none_or(|lineage| *lineage == one.lineage))
}

fn line(page: &mut Page, entry: &Entry, look: bool, words: &str, entries: u64) {
    let digits = entries.to_string().len();
    let (style, sign) = if look { (Style::Yellow, "! ") } else { (Style::Plain, "  ") };
    let head = format!("{sign}{:>digits$}  {}  ", entry.n, stamp(entry.at));
    let indent = cells(&head);
    let lines = flow(&by_word(words), page.screen().width.saturating_sub(indent).max(20));
    for (index, line) in lines.iter().enumerate() {
        if index == 0 {
            page.line(style, 0, &format!("{head}{line}"));
        } else {
            page.line(style, indent, line);
        }
    }
}

/// An event in words, and whether a person has to look at it.
fn is_key_off(step: &Step) -> bool {
    step.turns_off() && matches!(step.resource, Resource::AccessKey(_))
}

fn describe(event: &Event, keys_off: bool) -> (bool, String) {
    let words = match event {
        Event::RunStarted {
            run,
            kind: what,
            plan_sha256,
            lineage,
            serial,
            applied_by,
            applied_from,
            endpoint,
            approvals,
            break_glass,
            ..
        } => {
            let mut words = format!(
                "run {run} begins: {}, lineage {lineage}, serial {serial}, by {applied_by}{}, at {endpoint}, \
                 plan {}",
                words::run_kind(*what),
                from_host(applied_from.as_deref()),
                twelve(plan_sha256)
            );
            for Signed { approval, .. } in approvals {
                let Approval { person, fingerprint, verified_at, .. } = approval;
                let person = shown(person);
                words.push_str(&format!(
                    ", approved by {person} with {fingerprint} (verified at {verified_at})"
                ));
            }
            if let Some(reason) = break_glass {
                return (true, format!("{words}; {}", words::without_approval(reason)));
            }
            words
        }
        Event::RunResumed { by, from, read_at, .. } => format!(
            "the run was cut off, and goes on by {by}{}: read again at {}",
            from_host(from.as_deref()),
            clock(*read_at)
        ),
        Event::StepAdded { step } => {
            let Step { id, resource, reason, .. } = step.as_ref();
            format!("step {id} {resource} is added: {reason}")
        }
        Event::Tampering { resource, what, seen_at } => {
            let about =
                resource.as_ref().map(|resource| format!("{resource} ")).unwrap_or_default();
            format!("tampering, seen at {}: {about}{what}", clock(*seen_at))
        }
        Event::Settled { watched_s, reads } => {
            format!("watched for {watched_s} s, {}", count(*reads as usize, "read", "reads"))
        }
        Event::Skipped { step, resource, why } => format!("step {step} {resource} skipped: {why}"),
        Event::FenceTime { fence_time, key_off_at, still_active } => {
            let time = stamp(*fence_time);
            let off = clock(*key_off_at);
            if still_active.is_empty() {
                // Of a role alone there is no key, and its fence counts from when it was read.
                let since = if keys_off { "keys off at" } else { "counted from" };
                format!("fence {time}, {since} {off}")
            } else {
                let keys: Vec<String> = still_active.iter().map(ToString::to_string).collect();
                format!("fence {time} does not count while Active: {}", keys.join(", "))
            }
        }
        Event::FenceOutrun { fence_time, stopped_at } => format!(
            "fence {} has to move: the last deny was answered at {}",
            stamp(*fence_time),
            clock(*stopped_at)
        ),
        Event::Intent { step, resource, action, attempt } => {
            let again = if *attempt > 1 { format!(", try {attempt}") } else { String::new() };
            format!("step {step} {resource}: {action}{again}")
        }
        Event::Outcome { step, result, service_date, request_id, error, .. } => {
            let mut words = format!("step {step} {}", result_words(*result));
            words.extend(service_date.map(|date| format!(" at {}", clock(date))));
            words.extend(request_id.as_ref().map(|id| format!(", request {id}")));
            words.extend(error.as_ref().map(|error| format!(": {error}")));
            words
        }
        Event::Made { step, id, .. } => format!("step {step} made {id}"),
        Event::KeyChecked { checked_at, .. } => {
            let said = words::key_checked(event).into_iter().map(|(_, line)| line);
            let said: Vec<String> = said.collect();
            format!("tried at {}: {}", clock(*checked_at), said.join(", "))
        }
        Event::ReadBack { read_at, stored, not_stored } => {
            let mut words = format!("read back at {}: stored {}", clock(*read_at), numbers(stored));
            if !not_stored.is_empty() {
                words += &format!(", not stored {}", numbers(not_stored));
            }
            words
        }
        Event::LockBroken { by } => format!("the run was stopped: its lock was broken by {by}"),
        Event::RunFinished { complete: true } => "run ends, complete".to_owned(),
        Event::RunFinished { complete: false } => "run ends, partial".to_owned(),
    };
    (is_bad(event), shown(&words).into_owned())
}

fn from_host(host: Option<&str>) -> String {
    host.map_or_else(String::new, |host| format!(", from {}", shown(host)))
}

fn is_bad(event: &Event) -> bool {
    match event {
        Event::Outcome { result, .. } => *result != crate::journal::StepResult::Done,
        Event::ReadBack { not_stored, .. } => !not_stored.is_empty(),
        Event::FenceTime { still_active, .. } => !still_active.is_empty(),
        Event::RunResumed { .. } | Event::Tampering { .. } => true,
        Event::RunFinished { complete } => !complete,
        Event::LockBroken { .. } | Event::FenceOutrun { .. } => true,
        Event::KeyChecked { authenticates, probes, under_hold, .. } => {
            !authenticates || *under_hold || probes.iter().any(|one| one.allowed != Some(true))
        }
        _ => false,
    }
}

fn numbers(steps: &[u32]) -> String {
    let list: Vec<String> = steps.iter().map(ToString::to_string).collect();
    match list.as_slice() {
        [] => "none".to_owned(),
        [one] => format!("step {one}"),
        many => format!("steps {}", many.join(", ")),
    }
}
