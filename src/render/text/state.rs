//! What a state file holds: one principal, all of them, and the runs.

use super::plan::{dotted, labelled};
use crate::identity::Who;
use crate::incident::Stage;
use crate::render::page::{Page, Row, cells, column};
use crate::render::style::Style;
use crate::render::words::{self, stamp, stamp_ago};
use crate::render::{Screen, is_aws_endpoint};
use crate::resource::Resource;
use crate::state::{Clock, Held, HeldStatus, KeyStatus, Recovery, Run, State};
use crate::text::{ago, count, shown};
use crate::view::StateLine;
use jiff::Timestamp;

/// One principal's state, the ages in it relative to `now`.
#[must_use]
pub fn state(state: &State, screen: Screen, now: Timestamp) -> String {
    let mut page = Page::new(screen);
    header(&mut page, state, now);
    let compromised: Vec<Row> = state
        .compromised
        .iter()
        .map(|item| Row {
            below: None,
            look: false,
            name: item.resource.to_string(),
            phrases: vec![words::compromised(item).to_owned()],
        })
        .collect();
    let resources: Vec<Row> =
        state.resources.iter().map(|(resource, held)| held_row(resource, held, now)).collect();
    let column = column(compromised.iter().chain(&resources), page.screen());
    page.gap();
    page.table("Compromised:", &compromised, column);
    page.table("Resources, before ringfence -> as it left them:", &resources, column);
    recoveries(&mut page, state, now);
    if !state.runs.is_empty() {
        page.line(Style::Bold, 0, "Runs:");
        runs(&mut page, &state.runs, 4);
    }
    page.finish()
}

fn header(page: &mut Page, state: &State, now: Timestamp) {
    let account = [
        state.account_id.to_string(),
        format!("{} {} ({})", state.principal.kind, state.principal.name, state.principal.id),
        format!("posture {}", shown(&state.posture.name)),
    ];
    let mut lines = vec![("Account", dotted(&account))];
    if !is_aws_endpoint(&state.endpoint) {
        lines.push(("Endpoint", vec![shown(&state.endpoint).into_owned(), "(not AWS)".to_owned()]));
    }
    if !state.sessions.is_empty() {
        let last = state.sessions.len().saturating_sub(1);
        let comma = |(n, name)| if n < last { format!("{name},") } else { format!("{name}") };
        lines.push(("Sessions", state.sessions.iter().enumerate().map(comma).collect()));
    }
    if let Some(incident) = &state.incident {
        lines.push(("Incident", vec![shown(incident).into_owned()]));
    }
    lines
        .push(("Lineage", vec![format!("{},", state.lineage), format!("serial {}", state.serial)]));
    if let Some(previous) = &state.previous_lineage {
        lines.push(("Before", vec![previous.to_string()]));
    }
    if let Some(since) = state.since {
        lines.push(("Exposed", vec![stamp_ago(since, now)]));
    }
    if let Some(clock) = &state.clock {
        lines.push(("Fence", fence(clock, now)));
    }
    if let Some(seen) = state.last_seen_contained {
        lines.push(("Seen", vec![format!("contained {}", stamp_ago(seen, now))]));
    }
    if let Some(released) = state.released_at {
        lines.push(("Released", vec![stamp_ago(released, now)]));
    }
    labelled(page, &lines);
    if let Some(clock) = &state.clock
        && !clock.void_while_active.is_empty()
    {
        let keys: Vec<String> = clock.void_while_active.iter().map(ToString::to_string).collect();
        page.look(0, &format!("the fence does not count: could still mint: {}", keys.join(", ")));
    }
}

fn fence(clock: &Clock, now: Timestamp) -> Vec<String> {
    vec![
        format!("{},", stamp(clock.fence_time)),
        format!("may be lifted after {}", stamp_ago(clock.lift_after, now)),
    ]
}

/// The keys that recoveries have made, and the rights that they have changed.
fn recoveries(page: &mut Page, state: &State, now: Timestamp) {
    let row = |one: &Recovery| {
        let key = one.access_key.as_ref().map(|id| format!("access_key/{id}"));
        let mut phrases = vec![match one.status {
            KeyStatus::InDoubt => "not known whether it was made".to_owned(),
            KeyStatus::NotMade => "not made".to_owned(),
            KeyStatus::Made => "made, not known to be stored".to_owned(),
            KeyStatus::Stored => "made and stored".to_owned(),
            KeyStatus::Discarded => "could not be stored, deleted again".to_owned(),
        }];
        phrases.extend(one.stored_in.iter().map(|place| format!("in {place}")));
        phrases.push(match one.checked_at {
            Some(at) => format!("tried {}", ago(at, now)),
            None => "not seen to work".to_owned(),
        });
        let look = one.status != KeyStatus::Stored || one.checked_at.is_none();
        let name = key.unwrap_or_else(|| Resource::NewAccessKey.to_string());
        Row { look, name, phrases, below: None }
    };
    let keys: Vec<Row> = state.recoveries.iter().map(row).collect();
    page.table("New keys:", &keys, column(keys.iter(), page.screen()));
    let rights = state.rights.iter().map(|(resource, held)| held_row(resource, held, now));
    let rights: Vec<Row> = rights.collect();
    page.table(
        "Rights, before the recovery -> as it left them:",
        &rights,
        column(rights.iter(), page.screen()),
    );
}

fn held_row(resource: &Resource, held: &Held, now: Timestamp) -> Row {
    let mut phrases = vec![
        format!("{},", held.words()),
        format!("{} ->", words::value(held.baseline.as_ref())),
        format!("{},", words::value(held.ours.as_ref())),
    ];
    match held.written_at {
        Some(at) => phrases.push(format!("written {}", ago(at, now))),
        None => phrases.push("not known when".to_owned()),
    }
    if !held.reversible {
        phrases.push("(cannot be undone)".to_owned());
    }
    Row {
        look: held.status == HeldStatus::InDoubt || held.is_perhaps(),
        name: resource.to_string(),
        phrases,
        below: None,
    }
}

/// The runs of a state, newest last.
#[must_use]
pub fn history(state: &State, screen: Screen) -> String {
    let mut page = Page::new(screen);
    if state.runs.is_empty() {
        page.line(Style::Plain, 0, "No run is recorded.");
    }
    runs(&mut page, &state.runs, 0);
    page.finish()
}

fn runs(page: &mut Page, runs: &[Run], indent: usize) {
    for run in runs {
        let (style, how) = match &run.end {
            Some(end) if end.complete => (Style::Plain, "complete"),
            Some(_) => (Style::Yellow, "partial"),
            None => (Style::Yellow, "cut off"),
        };
        let words = format!("{}  {}  ", shown(&run.id), words::run_kind(run.kind));
        page.pieces(indent, &[(Style::Plain, &words), (style, how)]);
        let began = format!("{},", stamp(run.started_at));
        let by = format!("by {}", run.applied_by);
        page.phrases(Style::Plain, indent + 4, 0, &[began, by]);
        if let Some(host) = &run.applied_from {
            page.line(Style::Plain, indent + 4, &format!("from {}", shown(host)));
        }
        if let Some(planner) = &run.planned_by {
            page.line(Style::Plain, indent + 4, &format!("planned by {planner}"));
        }
        let plan = format!("plan {}", twelve(&run.plan_sha256));
        let journal = run.end.as_ref().map(|end| {
            let entries = count(
                usize::try_from(end.journal_entries).unwrap_or(usize::MAX),
                "entry",
                "entries",
            );
            format!("journal head {}, {entries}", twelve(&end.journal_head))
        });
        let parts: Vec<String> = match journal {
            Some(journal) => vec![format!("{plan},"), journal],
            None => vec![plan],
        };
        page.phrases(Style::Plain, indent + 4, 0, &parts);
        for one in &run.approvals {
            let by = format!("approved by {} with {},", shown(&one.person), one.fingerprint);
            let when = format!("verified at {}", stamp(one.verified_at));
            page.phrases(Style::Plain, indent + 4, 0, &[by, when]);
        }
        if let Some(reason) = &run.break_glass {
            page.look(indent + 4, &words::without_approval(reason));
        }
    }
}

/// The first twelve digits of a digest: enough to tell two apart.
pub(super) fn twelve(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

/// All the states of a store.
#[must_use]
pub fn state_list(lines: &[StateLine], screen: Screen) -> String {
    let mut page = Page::new(screen);
    if lines.is_empty() {
        page.line(Style::Plain, 0, "The store holds no state.");
        return page.finish();
    }
    let rows: Vec<[String; 5]> = lines.iter().map(list_row).collect();
    let roles = lines.iter().any(|line| matches!(line.name.who(), Some(Who::Role(_))));
    let name = if roles { "PRINCIPAL" } else { "USER" };
    let headings = [name, "STATE", "POSTURE", "SERIAL", "LAST RUN"];
    let widths: Vec<usize> = headings
        .iter()
        .enumerate()
        .map(|(index, heading)| {
            let cell =
                |row: &[String; 5]| row.get(index).map(|text| cells(text)).unwrap_or_default();
            rows.iter().map(cell).filter(|n| *n <= 25).max().unwrap_or_default().max(heading.len())
        })
        .collect();
    let join = |cells: &[String]| {
        let pad = |(cell, width): (&String, &usize)| format!("{cell:width$}");
        let cells: Vec<String> = cells.iter().zip(&widths).map(pad).collect();
        cells.join("  ").trim_end().to_owned()
    };
    let indent = widths.first().copied().unwrap_or_default() + 2;
    let mut of = None;
    for (place, (line, row)) in lines.iter().zip(&rows).enumerate() {
        if place == 0 || of != Some(&line.incident) {
            page.gap();
            incident(&mut page, line);
            page.line(Style::Bold, 0, &join(&headings.map(str::to_owned)));
            of = Some(&line.incident);
        }
        page.line(Style::Plain, 0, &join(row));
        if line.name.who().is_none() && line.known_from.is_none() {
            page.look(indent, &line.stage);
        }
        page.phrases(Style::Dim, indent, 0, &dotted(&whose(line)));
        for run in &line.break_glass {
            page.look(indent, &format!("run {} was applied by break-glass", shown(run)));
        }
    }
    page.finish()
}

/// The account and the ID, as far as they are known, and what else knows of it than the store.
fn whose(line: &StateLine) -> Vec<String> {
    let parts = [
        line.account_id.as_ref().map(ToString::to_string),
        line.id.as_ref().map(ToString::to_string),
    ];
    let place = parts.into_iter().flatten().collect::<Vec<_>>().join("/");
    let from = line.known_from.as_ref().map(|file| format!("by {}", shown(file)));
    [Some(place).filter(|place| !place.is_empty()), from].into_iter().flatten().collect()
}

/// The incident that the lines below are of, and how far it has come.
fn incident(page: &mut Page, line: &StateLine) {
    if let Some(incident) = &line.incident {
        let stage = line.incident_stage.map(Stage::word).unwrap_or_default();
        let heading = format!("Incident {}: ", shown(incident));
        // Nothing was read for it (D2.13).
        let by = if line.known_from.is_some() { ", no record in the store" } else { " by record" };
        page.pieces(0, &[(Style::Plain, &heading), (Style::Bold, stage), (Style::Dim, by)]);
    }
}

fn list_row(line: &StateLine) -> [String; 5] {
    let dash = || "-".to_owned();
    let (user, stage) = match line.name.who() {
        Some(Who::User(name)) => (name.to_string(), line.stage.clone()),
        Some(Who::Role(name)) => (format!("role {name}"), line.stage.clone()),
        None if line.known_from.is_some() => (dash(), line.stage.clone()),
        None => (dash(), "unreadable".to_owned()),
    };
    [
        user,
        stage,
        line.posture.clone().unwrap_or_else(dash),
        line.serial.map_or_else(dash, |serial| serial.to_string()),
        line.last_run.clone().unwrap_or_else(dash),
    ]
}
