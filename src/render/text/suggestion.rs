//! A policy that is suggested, and what it rests on.

use super::plan::labelled;
use crate::policy::PolicyDocument;
use crate::render::Screen;
use crate::render::diff;
use crate::render::page::{Page, Row, column};
use crate::render::style::Style;
use crate::render::words::{stamp, stamp_ago};
use crate::resource::Value;
use crate::suggest::{
    By, Check, EventLine, KnownFrom, Level, Placement, PresentPolicy, PresentRole, Seen, Suggestion,
};
use crate::text::{ago, count, grouped, number, option, shell, shown};

/// As many lines of a table are shown; JSON has them all.
const ROWS: usize = 20;

/// A present policy of more lines is named, and not shown.
const LINES: usize = 60;

/// What `suggest-policy` says.
#[must_use]
pub fn suggestion(it: &Suggestion, screen: Screen, saved: &[String]) -> String {
    let mut page = Page::new(screen);
    header(&mut page, it);
    page.gap();
    policy(&mut page, it);
    tables(&mut page, it);
    page.gap();
    checks(&mut page, it);
    summary(&mut page, it);
    ending(&mut page, it, saved);
    page.finish()
}

fn header(page: &mut Page, it: &Suggestion) {
    let who = format!("{} · user {} ({}) · least privilege", it.account_id, it.user, it.user_id);
    let mut lines = vec![("Account", vec![shown(&who).into_owned()]), ("Read", vec![stamp(it.at)])];
    let seen = &it.evidence;
    if let (Some(from), Some(to)) = (seen.from, seen.to) {
        let own = number(seen.calls, "call of its own", "calls of its own");
        let all = number(seen.events, "event", "events");
        lines.push((
            "Events",
            vec![format!("{own} in {all},"), format!("{} to", stamp(from)), stamp(to)],
        ));
    }
    if seen.advisor {
        lines.push(("Advisor", vec!["service-last-accessed data was read".to_owned()]));
    }
    if let Some(since) = it.since {
        let from = it.since_from.and_then(known_from).map(str::to_owned);
        let at = stamp_ago(since, it.at);
        let at = if from.is_some() { format!("{at},") } else { at };
        lines.push(("Exposed", std::iter::once(at).chain(from).collect()));
    }
    let last = it.leaked.len().saturating_sub(1);
    let keys = it.leaked.iter().enumerate().map(|(n, leaked)| {
        let from = known_from(leaked.from).map(|from| format!(", {from}")).unwrap_or_default();
        format!("{}{from}{}", shown(&leaked.access_key), if n < last { "," } else { "" })
    });
    if !it.leaked.is_empty() {
        lines.push(("Leaked", keys.collect()));
    }
    if let Some(endpoint) = &it.endpoint {
        lines.push(("Endpoint", vec![shown(endpoint).into_owned(), "(not AWS)".to_owned()]));
    }
    labelled(page, &lines);
}

fn known_from(from: KnownFrom) -> Option<&'static str> {
    match from {
        KnownFrom::Given => None,
        KnownFrom::Trace => Some("by the trace"),
        KnownFrom::Record => Some("by the record of its containment"),
    }
}

/// The policies of today that would give way, and what comes in their place.
fn policy(page: &mut Page, it: &Suggestion) {
    let own: Vec<&PresentPolicy> =
        it.present.iter().filter(|one| one.role == PresentRole::Own).collect();
    if it.policies.is_empty() {
        page.line(Style::Bold, 0, "No policy: no use was found that today's policies allow.");
        page.gap();
        return;
    }
    page.line(Style::Bold, 0, "In place of today's policies:");
    page.gap();
    if let ([one], [suggested]) = (own.as_slice(), it.policies.as_slice())
        && let Some(document) = &one.document
        && document.pretty().lines().count() <= LINES
    {
        page.line(Style::Yellow, 2, &format!("~ {}", one.place));
        difference(page, Some(document), Some(suggested));
        page.gap();
        return;
    }
    for one in own {
        let lines = one.document.as_ref().map_or(0, |document| document.pretty().lines().count());
        match &one.document {
            Some(document) if lines <= LINES => {
                page.line(Style::Red, 2, &format!("- {}", one.place));
                difference(page, Some(document), None);
            }
            Some(_) => {
                let lines = count(lines, "line", "lines");
                page.line(Style::Red, 2, &format!("- {}  ({lines})", one.place));
            }
            None => page.look(2, &format!("{}: not read", one.place)),
        }
        page.gap();
    }
    for (index, suggested) in it.policies.iter().enumerate() {
        let name = match it.policies.len() {
            1 => "+ what was used".to_owned(),
            many => format!("+ what was used, {} of {many}", index + 1),
        };
        page.line(Style::Green, 2, &name);
        difference(page, None, Some(suggested));
        page.gap();
    }
}

fn difference(page: &mut Page, before: Option<&PolicyDocument>, after: Option<&PolicyDocument>) {
    let value = |document: Option<&PolicyDocument>| document.cloned().map(Value::Document);
    for line in diff::documents(value(before).as_ref(), value(after).as_ref(), "") {
        let (text, style) = line.shown();
        page.line(style, 6, &text);
    }
}

fn row(look: bool, name: &str, phrases: Vec<String>) -> Row {
    Row { look, name: shown(name).into_owned(), phrases, below: None }
}

/// A heading and its table, cut where it is long; and a gap.
fn table(page: &mut Page, heading: &str, mut rows: Vec<Row>) {
    let more = rows.len().saturating_sub(ROWS);
    rows.truncate(ROWS);
    if more > 0 {
        rows.push(row(false, "…", vec![format!("{more} more: --format json")]));
    }
    let column = column(rows.iter(), page.screen());
    page.table(heading, &rows, column);
    page.gap();
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

fn calls(seen: &Seen, it: &Suggestion) -> String {
    format!("{}, last {}", number(seen.calls, "call", "calls"), ago(seen.last, it.at))
}

fn tables(page: &mut Page, it: &Suggestion) {
    let kept = |role| it.present.iter().filter(move |one| one.role == role);
    let group =
        kept(PresentRole::Group).map(|one| (one, "a group's: it goes on granting what it grants"));
    let limit = kept(PresentRole::Boundary).map(|one| (one, "the boundary goes on limiting"));
    let hold = kept(PresentRole::Containment)
        .map(|one| (one, "containment: not counted as what the user may do, and not touched"));
    let stays = group.chain(limit).chain(hold);
    let rows = stays.map(|(one, why)| row(false, &one.place, words(why))).collect();
    table(page, "Stays beside it:", rows);
    let origins = it.evidence.origins.iter().map(|line| {
        let name = format!("{} from {}", line.origin.credential, line.origin.source);
        row(false, &name, vec![calls(&line.seen, it)])
    });
    table(page, "Counted as its own use:", origins.collect());
    let excluded = it.excluded.iter().map(|line| {
        let name = format!("{} from {}", line.origin.credential, line.origin.source);
        row(true, &name, vec![format!("{}:", calls(&line.seen, it)), line.why.clone()])
    });
    table(page, "Not counted:", excluded.collect());
    let aside = it.set_aside.iter().map(|one| {
        row(true, &one.what, vec![format!("last used {}:", ago(one.last, it.at)), one.why.clone()])
    });
    table(page, "Last used, and left out:", aside.collect());
    let wide = it.used.iter().filter(|line| line.wide).map(|line| {
        let why = match line.by {
            By::Events => "its events name no resource",
            By::Action => "only its last use is known",
            By::Service => "only the service's last use is known",
        };
        row(false, &line.action, words(&format!("as wide as today: {why}")))
    });
    table(page, "Not narrowed:", wide.collect());
    let left = it.not_allowed.iter().map(|one| {
        let what = one
            .resource
            .as_ref()
            .map_or_else(|| one.action.clone(), |resource| format!("{} on {resource}", one.action));
        row(true, &what, words(&one.why))
    });
    table(page, "Used, and left out:", left.collect());
    table(page, "Not mapped to an action:", event_rows(&it.unmapped, it));
    table(page, "Refused, which is no use:", event_rows(&it.refused, it));
    if !it.unknown.is_empty() {
        page.line(Style::Bold, 0, "Not known:");
        for gap in &it.unknown {
            page.look(2, &format!("{}: {}", gap.what, gap.why));
        }
        page.gap();
    }
}

fn event_rows(lines: &[EventLine], it: &Suggestion) -> Vec<Row> {
    let one = |line: &EventLine| {
        let service = line.source.strip_suffix(".amazonaws.com").unwrap_or(&line.source);
        row(true, &format!("{service} {}", line.name), vec![calls(&line.seen, it)])
    };
    lines.iter().map(one).collect()
}

fn checks(page: &mut Page, it: &Suggestion) {
    let tell = |page: &mut Page, found: &[Check], whose: &str| {
        for check in found {
            let level = match check.level {
                Level::Error => "error",
                Level::SecurityWarning => "security warning",
                Level::Warning => "warning",
                Level::Suggestion => "suggestion",
            };
            page.look(0, &format!("{whose}: {level} {}: {}", check.code, check.what));
        }
    };
    tell(page, &it.checks, "check");
    match &it.validation {
        None => {}
        Some(validation) => {
            tell(page, &validation.findings, "Access Analyzer");
            match &validation.unread {
                Some(why) => page.look(0, &format!("Access Analyzer was not asked: {why}")),
                None if validation.findings.is_empty() => {
                    page.line(Style::Plain, 0, "Access Analyzer finds nothing.");
                }
                None => {}
            }
        }
    }
}

fn summary(page: &mut Page, it: &Suggestion) {
    let used = grouped(it.counts.used as u64);
    let may = number(it.counts.may_do as u64, "action", "actions");
    let days = match (it.evidence.from, it.evidence.to) {
        (Some(from), Some(to)) => {
            let days = to.duration_since(from).as_hours() / 24 + 1;
            format!(" in {}", count(usize::try_from(days).unwrap_or(1), "day", "days"))
        }
        _ => String::new(),
    };
    let whole = it.used.iter().filter(|line| line.by == By::Service);
    let mut services: Vec<&str> = whole.filter_map(|line| line.action.split(':').next()).collect();
    services.dedup();
    let more = match services.len() {
        0 => String::new(),
        n => format!(" {} kept as today.", count(n, "service is", "services are")),
    };
    let text = format!("{used} of {may} that it may call today were used{days}.{more}");
    page.phrases(Style::Bold, 0, 0, &words(&text));
    let sizes: Vec<String> = it.sizes.iter().map(|size| grouped(*size as u64)).collect();
    let sizes = sizes.join(" + ");
    let quota = grouped(it.inline_quota as u64);
    let line = match it.placement {
        Placement::Nothing => return,
        Placement::Inline => {
            format!("{sizes} of {quota} characters: it fits as the inline policy.")
        }
        Placement::Managed => format!(
            "{sizes} characters: too many for an inline policy ({quota}), as a managed policy it fits."
        ),
        Placement::SeveralManaged => format!(
            "{sizes} characters: {} managed policies, to be attached together.",
            it.sizes.len()
        ),
        Placement::TooLarge => {
            format!(
                "{sizes} characters: a statement is larger than a managed policy may be (6,144)."
            )
        }
    };
    match it.placement {
        Placement::Inline => page.sentence(0, &line),
        _ => page.look(0, &line),
    }
    if let Some(lacking) = &it.room.lacking {
        let hint = it.room.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
        page.look(0, &format!("{lacking}{hint}"));
    }
}

fn ending(page: &mut Page, it: &Suggestion, saved: &[String]) {
    for path in saved {
        page.line(Style::Plain, 0, &format!("Saved {path}"));
    }
    let next = match (saved, it.placement) {
        (_, Placement::Nothing) => return,
        ([], _) => "Next: again with --out policy.json".to_owned(),
        ([one], Placement::Inline) if it.room.lacking.is_none() => {
            format!(
                "Next: ringfence recover {} --policy {}",
                option("--user", &it.user),
                shell(one)
            )
        }
        _ => "Next: aws iam create-policy, and attach-user-policy, for each file".to_owned(),
    };
    page.line(Style::Plain, 0, &next);
}
