//! A plan as a person reads it before it is applied.

use super::step::step;
use crate::plan::{Kind, LeftLive, Plan, PrincipalPlan};
use crate::render::page::{Page, Row, cells, column};
use crate::render::style::Style;
use crate::render::words::{self, stamp, stamp_ago};
use crate::render::{Saved, Screen, is_aws_endpoint};
use crate::resource::Resource;
use crate::text::{age, ago, count, shell, shown};
use jiff::Timestamp;

/// The plan. Ages are relative to when it was made.
#[must_use]
pub fn plan(plan: &Plan, screen: Screen, saved: Option<&Saved<'_>>) -> String {
    let mut page = Page::new(screen);
    for line in words::no_key_named(plan) {
        page.look(0, &line);
    }
    if let Some(line) = words::overridden(plan) {
        page.look(0, line);
    }
    page.gap();
    header(&mut page, plan, "Caller");
    for principal in &plan.principals {
        if plan.principals.len() > 1 {
            heading(&mut page, principal, plan.created_at);
        }
        steps(&mut page, plan, principal);
        rest(&mut page, principal, plan.created_at);
    }
    page.gap();
    let open =
        rows(&words::left_open(plan), |(what, why)| row(true, what.clone(), [Some(why.clone())]));
    page.table("Traced, and not in this plan:", &open, column(open.iter(), page.screen()));
    if let Some(settle) = words::settle(plan) {
        page.sentence(0, &settle);
        page.gap();
    }
    page.phrases(Style::Bold, 0, 0, &sentences(&words::summary(plan)));
    if let Some(saved) = saved {
        file(&mut page, saved);
        let file = shell(saved.path);
        let next = match saved.unapproved {
            true => format!("Next: ringfence approve {file} --identity KEY"),
            false => format!("Next: ringfence apply {file}"),
        };
        if !plan.is_empty() {
            page.line(Style::Plain, 0, &next);
        } else if plan.kind == Kind::Release {
            page.line(Style::Plain, 0, &format!("{next} records the release"));
        }
    }
    page.finish()
}

/// The last line, which counts.
#[must_use]
pub fn summary(plan: &Plan) -> String {
    words::summary(plan)
}

/// The sentences of a text as phrases, so that a line breaks between them first.
fn sentences(text: &str) -> Vec<String> {
    text.split_inclusive(". ").map(|part| part.trim_end().to_owned()).collect()
}

/// The lines above the steps; shared with the record of a run.
pub(super) fn header(page: &mut Page, plan: &Plan, planner: &str) {
    let whom = match plan.principals.as_slice() {
        [one] => format!("{} {} ({})", one.kind, one.name, one.id),
        many => words::principals(many),
    };
    let account = vec![plan.account_id.to_string(), whom, words::purpose(plan)];
    let cost = format!(
        "{} in {}",
        count(plan.read.calls as usize, "call", "calls"),
        count(plan.read.round_trips as usize, "round trip", "round trips")
    );
    let mut lines = vec![
        ("Account", dotted(&account)),
        (planner, vec![plan.planned_by.to_string()]),
        ("Read", vec![format!("{},", stamp(plan.created_at)), cost]),
    ];
    if !is_aws_endpoint(&plan.endpoint) {
        lines.push(("Endpoint", vec![shown(&plan.endpoint).into_owned(), "(not AWS)".to_owned()]));
    }
    if let Some(incident) = &plan.incident {
        lines.push(("Incident", vec![shown(incident).into_owned()]));
    }
    if let [one] = plan.principals.as_slice()
        && let Some(since) = one.since
    {
        lines.push(("Exposed", vec![stamp_ago(since, plan.created_at)]));
    }
    if let Some((kind, id)) = words::found_by(plan) {
        lines.push(("Finding", vec![kind, format!("({id})")]));
    }
    if let Some((start, digest)) = words::traced(plan) {
        lines.push(("Trace", vec![format!("of {start},"), format!("sha256 {digest}")]));
    }
    labelled(page, &lines);
}

/// Lines of a label and its phrases, aligned.
pub(super) fn labelled(page: &mut Page, lines: &[(&str, Vec<String>)]) {
    let width = lines.iter().map(|(label, _)| cells(label)).max().unwrap_or_default() + 1;
    for (label, phrases) in lines {
        let room = page.screen().width.saturating_sub(width).max(20);
        for (index, line) in crate::render::page::flow(phrases, room).iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            page.line(Style::Plain, 0, &format!("{label:width$}{line}"));
        }
    }
}

/// Parts with dots between them, each a phrase.
pub(super) fn dotted(parts: &[String]) -> Vec<String> {
    let dot = |(index, part): (usize, &String)| match index {
        0 => part.clone(),
        _ => format!("· {part}"),
    };
    parts.iter().enumerate().map(dot).collect()
}

fn heading(page: &mut Page, principal: &PrincipalPlan, now: Timestamp) {
    page.gap();
    page.line(
        Style::Bold,
        0,
        &format!("{} {} ({})", principal.kind.title(), principal.name, principal.id),
    );
    if let Some(since) = principal.since {
        page.line(Style::Plain, 0, &format!("Exposed {}", stamp_ago(since, now)));
    }
}

fn steps(page: &mut Page, plan: &Plan, principal: &PrincipalPlan) {
    if !principal.steps.is_empty() {
        page.gap();
        page.line(Style::Plain, 0, "ringfence will:");
    }
    for one in &principal.steps {
        page.gap();
        step(page, principal, one, plan.fence_margin_s, plan.created_at);
    }
    let unseen = principal.usage.iter().flat_map(|usage| &usage.unseen);
    for (n, what) in unseen.enumerate() {
        if n == 0 {
            page.gap();
        }
        page.look(0, &format!("real use that is not known: {what}"));
    }
    if !principal.warnings.is_empty() {
        page.gap();
        for warning in &principal.warnings {
            page.look(0, warning);
        }
    }
    if plan.principals.len() > 1 && principal.steps.is_empty() {
        page.gap();
        let nothing = match plan.kind {
            Kind::Contain => "change",
            Kind::Release => "release",
            Kind::Recover => "recover",
        };
        let nothing = format!("ringfence will {nothing} nothing of this {}.", principal.kind);
        page.line(Style::Plain, 0, &nothing);
    }
}

/// What the plan does not change, in tables with one column for all.
fn rest(page: &mut Page, principal: &PrincipalPlan, now: Timestamp) {
    let tables = [
        (
            "Open, since nothing can be done now:",
            rows(&principal.blocked, |blocked| {
                row(true, blocked.what.clone(), [Some(blocked.why.clone())])
            }),
        ),
        ("Left live:", rows(&principal.left_live, |item| left_live(principal, item, now))),
        (
            "Kept:",
            rows(&principal.kept, |kept| {
                let why = Some(kept.why.clone());
                Row { below: kept.flag.clone(), ..row(false, kept.resource.to_string(), [why]) }
            }),
        ),
        (
            "Changed by others since the apply, left alone:",
            rows(&principal.drift, |drift| {
                row(true, drift.resource.to_string(), [Some(drift.what.clone())])
            }),
        ),
        (
            "Given up, left for good to whoever changed it:",
            rows(&principal.given_up, |resource| row(false, resource.to_string(), [])),
        ),
        (
            "Not read:",
            rows(&principal.unread, |unread| {
                let denied = unread.because.starts_with("AccessDenied");
                let missing = if denied { " is missing" } else { "" };
                let action = format!("{}{missing}:", unread.action);
                // What an emulator answers to an action it lacks tells a person nothing more.
                let lacks = "the endpoint does not implement it";
                let because =
                    if unread.because.starts_with(lacks) { lacks } else { &unread.because };
                row(true, unread.what.clone(), [Some(action), Some(because.to_owned())])
            }),
        ),
    ];
    let column = column(tables.iter().flat_map(|(_, rows)| rows), page.screen());
    page.gap();
    for (heading, rows) in &tables {
        page.table(heading, rows, column);
    }
}

fn rows<T>(items: &[T], row: impl Fn(&T) -> Row) -> Vec<Row> {
    items.iter().map(row).collect()
}

fn row<const N: usize>(look: bool, name: String, phrases: [Option<String>; N]) -> Row {
    let phrases = phrases.into_iter().flatten().collect();
    Row { look, name, phrases, below: None }
}

fn left_live(principal: &PrincipalPlan, item: &LeftLive, now: Timestamp) -> Row {
    let mut parts = Vec::new();
    let name = match &item.resource {
        // Its name says already what a login profile is.
        Some(Resource::LoginProfile) => Resource::LoginProfile.to_string(),
        Some(resource) => {
            parts.push(item.what.clone());
            resource.to_string()
        }
        None => item.what.clone(),
    };
    parts.retain(|part| !part.is_empty());
    if let Some(created) = item.created_at {
        if principal.since.is_some_and(|since| created >= since) {
            parts.push(format!("created {}", ago(created, now)));
            parts.push("after the exposure".to_owned());
        } else {
            parts.push(age(created, now));
        }
    }
    parts.extend(last_use(principal, item, now));
    let last = parts.len().saturating_sub(1);
    let mut phrases: Vec<String> = parts
        .into_iter()
        .enumerate()
        .map(|(index, part)| match (index == last, &item.remedy) {
            (false, _) => format!("{part},"),
            (true, Some(_)) => format!("{part}:"),
            (true, None) => part,
        })
        .collect();
    phrases.extend(item.remedy.clone());
    Row { look: item.suspect, name, phrases, below: None }
}

/// What is recorded of the last use; for a key without any the snapshot knows whether it could be read.
fn last_use(principal: &PrincipalPlan, item: &LeftLive, now: Timestamp) -> Option<String> {
    if let Some(used) = &item.last_used {
        return Some(format!("last recorded use {}", ago(used.at, now)));
    }
    match &item.resource {
        Some(Resource::AccessKey(id)) => words::key_use(&principal.snapshot, id, now),
        Some(Resource::LoginProfile) => {
            let used = principal.snapshot.user()?.password_last_used?;
            Some(format!("last recorded use {}", ago(used, now)))
        }
        _ => None,
    }
}

/// Where the plan is stored, with the digest that an approval is over.
pub(super) fn file(page: &mut Page, saved: &Saved<'_>) {
    let path = format!("Saved {}", shown(saved.path));
    let digest = format!("sha256 {}", shown(saved.digest));
    if cells(&path) + 2 + cells(&digest) <= page.screen().width {
        page.line(Style::Plain, 0, &format!("{path}  {digest}"));
    } else {
        page.line(Style::Plain, 0, &path);
        page.line(Style::Plain, 6, &digest);
    }
}
