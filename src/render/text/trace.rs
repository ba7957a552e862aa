//! What became of a leaked key, for a person.

use super::plan::{dotted, labelled};
use crate::render::Screen;
use crate::render::page::{Page, Row, by_word, column};
use crate::render::style::Style;
use crate::render::words::{stamp, stamp_ago};
use crate::text::{ago, grouped, number, shell, shown};
use crate::trace::{
    Activity, Credential, CredentialKind, Expiry, Persistence, Source, TargetKind, Trace,
};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// As many calls of a service are shown; all are in the JSON.
const ROWS: usize = 8;

/// As many things are named that a call was about.
const RESOURCES: usize = 3;

/// As many sources of a credential are shown.
const SOURCES: usize = 3;

/// The trace. Ages are relative to the moment that it is about.
#[must_use]
pub fn trace(trace: &Trace, screen: Screen, saved: Option<&str>) -> String {
    let mut page = Page::new(screen);
    header(&mut page, trace);
    credentials(&mut page, trace);
    persistence(&mut page, trace);
    activity(&mut page, trace);
    let suspects: Vec<Row> =
        trace.suspects.iter().map(|one| row(true, &one.id, &one.why)).collect();
    let targets: Vec<Row> = trace
        .targets
        .iter()
        .map(|target| {
            let kind = match target.kind {
                TargetKind::User => "user",
                TargetKind::Role => "role",
            };
            let account = target
                .account_id
                .as_deref()
                .map(|id| format!("account {id}, "))
                .unwrap_or_default();
            row(false, &format!("{kind} {}", target.name), &format!("{account}{}", target.why))
        })
        .collect();
    for (heading, rows) in
        [("Suspects, proved by nothing, to be looked at:", &suspects), ("To contain:", &targets)]
    {
        page.gap();
        let column = column(rows, page.screen());
        page.table(heading, rows, column);
    }
    unknown(&mut page, trace);
    page.gap();
    page.phrases(Style::Bold, 0, 0, &by_word(&summary(trace)));
    if let Some(path) = saved {
        page.line(Style::Plain, 0, &format!("Saved {path}"));
    }
    if let Some(next) = next(trace, saved) {
        page.line(Style::Plain, 0, &next);
    }
    page.finish()
}

fn row(look: bool, name: &str, text: &str) -> Row {
    Row {
        look,
        name: shown(name).into_owned(),
        phrases: text.split(' ').map(str::to_owned).collect(),
        below: None,
    }
}

fn header(page: &mut Page, trace: &Trace) {
    let start = &trace.start;
    let mut asked: Vec<String> = start.access_keys.clone();
    asked.extend(start.users.iter().map(|user| format!("user {user}")));
    let read = [
        number(trace.events_read, "event", "events"),
        format!("in {}", number(trace.files_read, "file", "files")),
        match trace.events_read - trace.events_unique.min(trace.events_read) {
            0 => String::new(),
            again => format!("{} of them twice", grouped(again)),
        },
    ];
    let read: Vec<String> = read.into_iter().filter(|part| !part.is_empty()).collect();
    let mut lines = vec![("Trace of", dotted(&asked)), ("Read", read)];
    if let Some(window) = trace.window {
        lines.push(("From", vec![stamp_ago(window.from, start.at)]));
        lines.push(("To", vec![stamp_ago(window.to, start.at)]));
    }
    if let Some(since) = start.since {
        lines.push(("Exposed", vec![stamp_ago(since, start.at)]));
    }
    lines.push(("As of", vec![stamp(start.at)]));
    labelled(page, &lines);
    for unread in &trace.unread {
        let (one, many) = unread.kind.words();
        page.look(
            0,
            &format!(
                "{}, first {} at byte {}: {}",
                number(unread.count, one, many),
                unread.first.file,
                unread.first.byte,
                unread.first.what
            ),
        );
    }
}

fn credentials(page: &mut Page, trace: &Trace) {
    page.gap();
    if trace.credentials.is_empty() {
        return;
    }
    page.line(Style::Bold, 0, "Credentials:");
    let mut children: BTreeMap<Option<&str>, Vec<&Credential>> = BTreeMap::new();
    for one in &trace.credentials {
        children.entry(one.parent.as_deref()).or_default().push(one);
    }
    let mut waiting: Vec<(&Credential, usize)> =
        children.get(&None).into_iter().flatten().rev().map(|one| (*one, 0)).collect();
    while let Some((one, depth)) = waiting.pop() {
        credential(page, one, depth, trace.start.at);
        let below = children.get(&Some(one.id.as_str())).into_iter().flatten().rev();
        waiting.extend(below.map(|child| (*child, depth + 1)));
    }
}

fn credential(page: &mut Page, one: &Credential, depth: usize, now: Timestamp) {
    let indent = 2 + 2 * depth.min(8);
    let look = one.live != Some(false);
    let (style, symbol) = if look { (Style::Yellow, "! ") } else { (Style::Plain, "  ") };
    let id = format!("{symbol}{}", one.id);
    page.right(indent, &[(style, &id)], &life(one, now));
    let mut phrases = vec![format!("{}", kind(one.kind))];
    if let Some(principal) = &one.principal {
        phrases.push(format!("as {principal}"));
    }
    let details = |page: &mut Page, phrases: &[String]| {
        page.phrases(Style::Plain, indent + 4, 2, phrases);
    };
    details(page, &phrases);
    let mut made = Vec::new();
    if let Some(via) = &one.via {
        made.push(format!("made with {via}"));
    }
    if let Some(at) = one.issued_at {
        made.push(format!(
            "{}{}",
            if made.is_empty() { "since " } else { "at " },
            stamp_ago(at, now)
        ));
    }
    if !made.is_empty() {
        details(page, &made);
    }
    match (one.uses, one.uses_succeeded) {
        (None, _) => details(page, &["what it did is not known".to_owned()]),
        (Some(0), _) => details(page, &["no use seen".to_owned()]),
        (Some(uses), succeeded) => {
            let failed = uses - succeeded.unwrap_or(uses).min(uses);
            let mut used = number(uses, "call", "calls");
            if failed > 0 {
                used.push_str(&format!(" ({} failed)", grouped(failed)));
            }
            let mut used = vec![used];
            if let Some(last) = one.last_used {
                used = used.into_iter().map(|used| format!("{used},")).collect();
                used.push(format!("last {}", stamp_ago(last, now)));
            }
            details(page, &used);
            details(page, &from(&one.sources, &one.user_agents));
        }
    }
}

/// Where it was used from, and with what.
fn from(addresses: &[Source], agents: &[Source]) -> Vec<String> {
    let few = |list: &[Source], cut: usize| {
        let mut names: Vec<String> =
            list.iter().take(SOURCES).map(|source| short(&source.name, cut)).collect();
        if list.len() > SOURCES {
            names.push(format!("{} more", list.len() - SOURCES));
        }
        names.join(", ")
    };
    let mut phrases = Vec::new();
    if !addresses.is_empty() {
        phrases.push(format!("from {}", few(addresses, usize::MAX)));
    }
    if !agents.is_empty() {
        phrases.push(format!("with {}", few(agents, 40)));
    }
    phrases
}

/// The first words of a long user agent; the whole is in the JSON.
fn short(text: &str, cut: usize) -> String {
    let text = shown(text);
    if text.chars().count() <= cut {
        return text.into_owned();
    }
    let first: String = text.chars().take(cut).collect();
    let whole = first.rsplit_once(' ').map_or(first.as_str(), |(whole, _)| whole);
    format!("{whole}…")
}

fn kind(kind: CredentialKind) -> &'static str {
    match kind {
        CredentialKind::AccessKey => "access key",
        CredentialKind::SessionToken => "session token",
        CredentialKind::FederationToken => "federation token",
        CredentialKind::RoleSession => "role session",
        CredentialKind::RootSession => "root session",
        CredentialKind::Session => "session",
        CredentialKind::LoginProfile => "password",
        CredentialKind::ConsoleSession => "console session",
        CredentialKind::ServiceCredential => "service-specific credential",
    }
}

/// Whether it can act, in a few words.
pub(crate) fn life(one: &Credential, now: Timestamp) -> String {
    match (one.live, one.ended_at, one.expires_at) {
        (Some(false), None, _) if one.issued_at.is_some_and(|issued| issued > now) => {
            "not yet made".to_owned()
        }
        (Some(false), Some(at), _) => format!("switched off {}", ago(at, now)),
        (Some(false), None, Some(at)) => format!("expired {}", ago(at, now)),
        (Some(false), ..) => "can not act".to_owned(),
        (Some(true), _, Some(at)) => format!("can act, expires {}", ago(at, now)),
        (Some(true), ..) => "can act".to_owned(),
        (None, _, Some(at)) if one.expiry == Expiry::AtMost => {
            format!("may act, for {} at most", ago(at, now).trim_start_matches("in "))
        }
        (None, ..) => "not known whether it can act".to_owned(),
    }
}

fn persistence(page: &mut Page, trace: &Trace) {
    let row = |made: &Persistence| {
        let mut phrases = vec![format!("{},", made.action)];
        if let Some(time) = made.time {
            phrases.push(format!("{},", stamp(time)));
        }
        phrases.push(format!("by {}", made.by));
        if let Some(technique) = &made.technique {
            phrases.push(format!("({})", technique.id));
        }
        if let Some(closed) = made.closed_at {
            phrases.push(format!("undone {}", stamp(closed)));
        }
        Row {
            look: made.live,
            name: format!("{} {}", made.kind, shown(&made.name)),
            phrases,
            below: None,
        }
    };
    let of = |live: bool| -> Vec<Row> {
        trace.persistence.iter().filter(|made| made.live == live).map(row).collect()
    };
    for (heading, rows) in [("Left behind:", of(true)), ("Made, and undone again:", of(false))] {
        page.gap();
        let column = column(&rows, page.screen());
        page.table(heading, &rows, column);
    }
}

fn activity(page: &mut Page, trace: &Trace) {
    let mut services: BTreeMap<&str, Vec<&Activity>> = BTreeMap::new();
    for one in &trace.activity {
        services.entry(&one.service).or_default().push(one);
    }
    page.gap();
    if services.is_empty() {
        return;
    }
    page.line(Style::Bold, 0, "What they did:");
    for (service, mut rows) in services {
        let count: u64 = rows.iter().map(|row| row.count).sum();
        let denied: u64 = rows.iter().map(|row| row.denied).sum();
        let failed =
            if denied > 0 { format!(", {} failed", grouped(denied)) } else { String::new() };
        page.line(
            Style::Plain,
            2,
            &format!("{service}  {}{failed}", number(count, "call", "calls")),
        );
        let mut actions: BTreeMap<&str, Vec<&Activity>> = BTreeMap::new();
        rows.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.resource.cmp(&b.resource)));
        for row in rows {
            actions.entry(&row.action).or_default().push(row);
        }
        let mut actions: Vec<(u64, &str, Vec<&Activity>)> = actions
            .into_iter()
            .map(|(action, rows)| (rows.iter().map(|row| row.count).sum(), action, rows))
            .collect();
        actions.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1)));
        for (count, action, rows) in actions.iter().take(ROWS) {
            page.phrases(Style::Plain, 2, 11, &action_words(*count, action, rows));
        }
        if actions.len() > ROWS {
            let more = number((actions.len() - ROWS) as u64, "other call", "other calls");
            page.line(Style::Dim, 13, &format!("{more}: --format json has them"));
        }
    }
}

/// One call, and the first of what it was about.
fn action_words(count: u64, action: &str, rows: &[&Activity]) -> Vec<String> {
    let denied: u64 = rows.iter().map(|row| row.denied).sum();
    let mut phrases = vec![format!("{:>7}  {action}", grouped(count))];
    if denied == count {
        phrases.push("(failed)".to_owned());
    } else if denied > 0 {
        phrases.push(format!("({} failed)", grouped(denied)));
    }
    let named: Vec<&str> = rows.iter().filter_map(|row| row.resource.as_deref()).collect();
    let more = named.len().saturating_sub(RESOURCES);
    let shown_of = named.len() - more;
    for (place, resource) in named.iter().take(RESOURCES).enumerate() {
        let comma = if place + 1 < shown_of { "," } else { "" };
        phrases.push(format!("{}{comma}", shown(resource)));
    }
    if more > 0 {
        phrases.push(format!("and {} more", grouped(more as u64)));
    }
    phrases
}

fn unknown(page: &mut Page, trace: &Trace) {
    page.gap();
    if trace.unknown.is_empty() {
        return;
    }
    page.line(Style::Bold, 0, "Not known:");
    for one in &trace.unknown {
        page.look(2, &format!("{}: {}", one.what, one.why));
    }
}

/// The last line: what has to be acted on.
pub(crate) fn summary(trace: &Trace) -> String {
    let sum =
        |live: Option<bool>| trace.credentials.iter().filter(|one| one.live == live).count() as u64;
    let all = trace.credentials.len() as u64;
    let credentials = number(all, "credential", "credentials");
    let open = sum(None);
    let mut parts = match all {
        0 => vec!["No credential is in the data, so it is not known what can act".to_owned()],
        1 if open == 1 => vec![format!("{credentials}: not known whether it can act")],
        _ if open == all => vec![format!("{credentials}: not known whether they can act")],
        _ => vec![format!("{credentials}: {} can act", grouped(sum(Some(true))))],
    };
    if open > 0 && open < all {
        parts.push(format!("{} may", grouped(open)));
    }
    let left = trace.persistence.iter().filter(|made| made.live).count() as u64;
    if left > 0 {
        parts.push(format!("{} left behind", number(left, "thing", "things")));
    }
    format!("{}.", parts.join(", "))
}

/// What comes next: to contain the users that were found.
pub(crate) fn next(trace: &Trace, saved: Option<&str>) -> Option<String> {
    // Names alone could be those of others in another account: only the file says whose they are.
    (!trace.targets.is_empty()).then(|| match saved {
        Some(path) => format!("Next: ringfence plan --from {} --out plan.json", shell(path)),
        None => {
            "Next: again with --out trace.json, then ringfence plan --from trace.json".to_owned()
        }
    })
}
