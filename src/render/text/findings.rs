//! Findings.

use crate::render::Screen;
use crate::render::page::{Page, by_word};
use crate::render::style::Style;
use crate::text::{count, shown, span};
use crate::view::{FindingsReport, Judged};

/// What `findings` says.
#[must_use]
pub fn findings(report: &FindingsReport, screen: Screen) -> String {
    let mut page = Page::new(screen);
    for judged in &report.findings {
        one(&mut page, judged);
        page.gap();
    }
    if report.findings.is_empty() {
        // Where something could not be asked, nobody knows that there is none (D2.12).
        let none = if report.unknown.is_empty() { "No finding." } else { "No finding was seen." };
        page.line(Style::Plain, 0, none);
    } else {
        let usable = report.findings.iter().filter(|judged| judged.command.is_some()).count();
        let all = count(report.findings.len(), "finding", "findings");
        page.line(Style::Plain, 0, &format!("{all}, {usable} to start from."));
    }
    if let Some(skipped) = &report.skipped {
        let parts = count(skipped.count, "part", "parts");
        page.look(0, &format!("{parts} of the input is no finding; the first: {}", skipped.first));
    }
    for unknown in &report.unknown {
        page.look(0, &format!("unknown: {}: {}", unknown.what, unknown.why));
    }
    page.finish()
}

fn one(page: &mut Page, judged: &Judged) {
    let finding = &judged.finding;
    let severity = finding.severity.map(|number| format!("severity {number}, {}", word(number)));
    page.line(Style::Plain, 0, &shown(&finding.kind));
    let place = [severity, finding.account_id.clone(), finding.region.clone()];
    let place: Vec<String> = place.into_iter().flatten().collect();
    page.line(Style::Plain, 4, &shown(&place.join(" · ")));
    page.phrases(Style::Plain, 4, 4, &by_word(&shown(&finding.title)));
    for named in &finding.credentials {
        let who = [&named.user_type, &named.user_name, &named.access_key_id];
        let who: Vec<&str> = who.into_iter().flatten().map(String::as_str).collect();
        page.line(Style::Plain, 4, &shown(&who.join("  ")));
    }
    if let Some(seen) = seen(judged) {
        page.phrases(Style::Plain, 4, 4, &by_word(&shown(&seen)));
    }
    match (&judged.command, &judged.unusable) {
        (Some(command), _) => page.line(Style::Bold, 4, command),
        (None, Some(why)) => page.look(2, &format!("starts no containment: {why}")),
        (None, None) => {}
    }
}

/// GuardDuty's words for its numbers.
const fn word(severity: f64) -> &'static str {
    if severity >= 9.0 {
        "critical"
    } else if severity >= 7.0 {
        "high"
    } else if severity >= 4.0 {
        "medium"
    } else {
        "low"
    }
}

fn seen(judged: &Judged) -> Option<String> {
    let finding = &judged.finding;
    let times = match finding.count {
        Some(1) => "once".to_owned(),
        Some(n) => format!("{n} times"),
        None => "seen".to_owned(),
    };
    let mut text = match (finding.first_seen, finding.last_seen) {
        (Some(first), Some(last)) if last > first => {
            format!("{times} from {first} to {last} ({})", span(last.duration_since(first)))
        }
        (Some(at), _) | (None, Some(at)) => format!("{times} at {at}"),
        (None, None) => return None,
    };
    if let Some(source) = &finding.source_ip {
        text.push_str(&format!(", from {source}"));
    }
    if let Some(call) = &finding.call {
        text.push_str(&format!(", {call}"));
    }
    Some(text)
}
