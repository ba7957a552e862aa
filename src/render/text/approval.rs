//! Approvals and guardrails.

use super::apply::approved;
use crate::approval::Verdict;
use crate::guardrail::Finding;
use crate::render::Screen;
use crate::render::page::{Page, by_word};
use crate::render::style::Style;
use crate::render::words;
use crate::text::shown;
use crate::view::Checked;

/// Who has approved a plan, which signatures do not count, and how many people are missing.
#[must_use]
pub fn approvals(verdict: &Verdict, screen: Screen) -> String {
    let mut page = Page::new(screen);
    verdict_lines(&mut page, verdict);
    page.finish()
}

fn verdict_lines(page: &mut Page, verdict: &Verdict) {
    approved(page, &verdict.approvals);
    for one in &verdict.rejected {
        let key = one.fingerprint.as_deref().unwrap_or("no key");
        page.look(0, &format!("{} does not count: {}", shown(&one.file), one.why));
        page.line(Style::Yellow, 4, key);
    }
    if let Some(why) = &verdict.too_old {
        page.look(0, &format!("it is too old: {why}"));
    }
    let needs = words::needs(verdict);
    page.phrases(Style::Plain, 0, 0, &by_word(&needs));
}

/// What `check` says.
#[must_use]
pub fn checked(checked: &Checked<'_>, screen: Screen) -> String {
    let mut page = Page::new(screen);
    page.line(Style::Plain, 0, &format!("Plan {}", shown(&checked.file)));
    page.line(Style::Plain, 0, &format!("     sha256 {}", checked.sha256));
    page.gap();
    if checked.findings.is_empty() {
        page.line(Style::Plain, 0, "No rule has anything against it.");
    }
    for finding in &checked.findings {
        rule(&mut page, finding);
    }
    page.gap();
    verdict_lines(&mut page, &checked.verdict);
    page.finish()
}

fn rule(page: &mut Page, finding: &Finding) {
    let verb = words::verb(finding);
    page.look(0, &format!("rule `{}` {verb}: {}", shown(&finding.rule), shown(&finding.message)));
    let what = {
        let who = &finding.who;
        format!("step {} of {} {}, {}", finding.step, who.kind(), who.name(), finding.resource)
    };
    page.phrases(Style::Plain, 4, 4, &by_word(&shown(&what)));
    if let Some(unread) = &finding.unread {
        page.line(
            Style::Yellow,
            4,
            &format!("{unread} could not be read, and count as the rule has it"),
        );
    }
}
