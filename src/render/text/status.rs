//! Reality against state, as a table.

use crate::identity::PrincipalKind;
use crate::render::page::{Page, by_word, cells, flow};
use crate::render::style::Style;
use crate::render::words::{self, stamp};
use crate::render::{Screen, is_aws_endpoint};
use crate::resource::Resource;
use crate::text::{ago, clock};
use crate::view::{FenceView, PrincipalStatus, StatusReport};
use jiff::Timestamp;

/// Where every one is a user.
const NAME: &str = "USER";
const HEADINGS: [&str; 5] = [NAME, "STATE", "SEEN", "LAST SEEN CONTAINED", "FENCE MAY GO"];
/// A longer name has a line of its own.
const LONGEST_NAME: usize = 20;

/// What `status` found.
#[must_use]
pub fn status(report: &StatusReport, screen: Screen) -> String {
    let mut page = Page::new(screen);
    if !is_aws_endpoint(&report.endpoint) {
        page.line(Style::Plain, 0, &format!("Endpoint {} (not AWS)", report.endpoint));
    }
    if report.principals.is_empty() {
        page.line(
            Style::Plain,
            0,
            "No principal is in the state: nothing was contained from here.",
        );
        return page.finish();
    }
    let rows: Vec<[String; 5]> = report.principals.iter().map(|one| row(report, one)).collect();
    let widths = columns(&headings(report), &rows);
    line(&mut page, Style::Bold, &headings(report).map(str::to_owned), &widths);
    for (one, row) in report.principals.iter().zip(&rows) {
        let style = if one.standing.is_weak() { Style::Yellow } else { Style::Plain };
        line(&mut page, style, row, &widths);
        details(&mut page, one, widths.first().copied().unwrap_or_default() + 2);
    }
    page.finish()
}

fn headings(report: &StatusReport) -> [&'static str; 5] {
    let roles = report.principals.iter().any(|one| one.who.kind() == PrincipalKind::Role);
    HEADINGS.map(|heading| if roles && heading == NAME { "PRINCIPAL" } else { heading })
}

fn row(report: &StatusReport, one: &PrincipalStatus) -> [String; 5] {
    let at = |time: Option<Timestamp>| time.map_or("never".to_owned(), |t| near(t, report.at));
    let several = report.principals.iter().any(|other| other.account_id != one.account_id);
    let name = match one.who.kind() {
        PrincipalKind::User => one.who.name().to_string(),
        PrincipalKind::Role => format!("role {}", one.who.name()),
    };
    let user = if several { format!("{}/{name}", one.account_id) } else { name };
    [
        user,
        one.standing.words().to_owned(),
        at(one.seen_at),
        at(one.last_seen_contained),
        fence(one.fence.as_ref(), report.at),
    ]
}

fn fence(fence: Option<&FenceView>, now: Timestamp) -> String {
    match fence {
        None => "-".to_owned(),
        Some(FenceView { void: Some(_), .. }) => {
            "clock void until it is contained again".to_owned()
        }
        Some(fence) if fence.lift_after <= now => {
            format!("now, since {}", ago(fence.lift_after, now))
        }
        Some(fence) => ago(fence.lift_after, now),
    }
}

/// The clock part alone on the day of the report, else the whole time.
fn near(time: Timestamp, now: Timestamp) -> String {
    let day = |time: Timestamp| time.as_second().div_euclid(86_400);
    if day(time) == day(now) { clock(time) } else { stamp(time) }
}

/// The widths of all columns but the last.
fn columns(headings: &[&str; 5], rows: &[[String; 5]]) -> Vec<usize> {
    headings
        .iter()
        .enumerate()
        .take(4)
        .map(|(index, heading)| {
            let cell =
                |row: &[String; 5]| row.get(index).map(|text| cells(text)).unwrap_or_default();
            let limit = if index == 0 { LONGEST_NAME } else { usize::MAX };
            let widest = rows.iter().map(cell).filter(|n| *n <= limit).max();
            widest.unwrap_or_default().max(heading.len())
        })
        .collect()
}

fn line(page: &mut Page, style: Style, row: &[String; 5], widths: &[usize]) {
    let mut text = String::new();
    for (cell, width) in row.iter().zip(widths) {
        if text.is_empty() && cells(cell) > *width {
            page.line(style, 0, cell);
            text.push_str(&" ".repeat(width + 2));
        } else {
            text.push_str(&format!("{cell:width$}  "));
        }
    }
    let start = widths.iter().map(|width| width + 2).sum::<usize>();
    let last = row.last().map(String::as_str).unwrap_or_default();
    let rest = flow(&by_word(last), page.screen().width.saturating_sub(start).max(12));
    for (index, part) in rest.iter().enumerate() {
        if index == 0 {
            page.line(style, 0, &format!("{text}{part}"));
        } else {
            page.line(style, start, part);
        }
    }
}

fn details(page: &mut Page, one: &PrincipalStatus, indent: usize) {
    for finding in &one.findings {
        page.look(indent, &words::finding(finding));
    }
    let void = one.fence.as_ref().and_then(|fence| fence.void.as_ref());
    // A key that is Active again is said already, and is why.
    let told = one.findings.iter().any(|item| item.resource != Some(Resource::TrustPolicy));
    if let Some(why) = void.filter(|_| !told) {
        page.look(indent, &format!("the fence's clock is void: {why}"));
    }
    for note in &one.notes {
        page.phrases(Style::Plain, indent, 2, &by_word(note));
    }
    for command in &one.commands {
        page.line(Style::Plain, indent, command);
    }
}
