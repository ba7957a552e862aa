//! The report of an incident on a terminal: how it stands, what is open, and the course. The rest is in the page.

use crate::render::page::{Page, Row, by_word, column};
use crate::render::style::Style;
use crate::render::words::{self, stamp};
use crate::render::{Screen, is_aws_endpoint};
use crate::report::Report;

/// The report; `saved` is the file that it was written to.
#[must_use]
pub fn report(report: &Report, screen: Screen, saved: Option<&str>) -> String {
    let mut page = Page::new(screen);
    head(&mut page, report);
    if saved.is_none() {
        course(&mut page, report);
    }
    page.gap();
    for open in &report.open {
        let whose = match &open.who {
            Some(who) => format!("Still open of {who}:"),
            None => "Still open besides:".to_owned(),
        };
        page.line(Style::Bold, 0, &whose);
        for finding in &open.findings {
            page.look(2, &words::finding(finding));
        }
        for command in &open.commands {
            page.line(Style::Plain, 4, command);
        }
    }
    page.gap();
    match saved {
        Some(path) => page.line(Style::Plain, 0, &format!("Saved {path}")),
        None => {
            page.line(Style::Bold, 0, "Not known:");
            for one in &report.unknown {
                page.phrases(Style::Plain, 4, 2, &by_word(&format!("{}: {}", one.what, one.why)));
            }
            page.gap();
            page.sentence(0, "The whole report: --out report.html, or report.md");
        }
    }
    page.finish()
}

fn head(page: &mut Page, report: &Report) {
    page.line(Style::Bold, 0, &words::title(report));
    let mut others: Vec<&str> = report.principals.iter().map(|one| one.endpoint.as_str()).collect();
    others.dedup();
    for endpoint in others.into_iter().filter(|endpoint| !is_aws_endpoint(endpoint)) {
        page.line(Style::Plain, 0, &format!("Endpoint {endpoint} (not AWS)"));
    }
    page.sentence(0, &words::headline(report));
    page.line(Style::Plain, 0, &format!("Stage    {}", report.stage.word()));
    for mark in &report.marks {
        page.look(0, mark);
    }
    if let Some(left_out) = words::left_out(report) {
        page.sentence(0, &left_out);
    }
    if let Some(why) = &report.not_read {
        page.look(0, &format!("the record alone, nothing was read: {why}"));
    }
}

fn course(page: &mut Page, report: &Report) {
    let rows: Vec<Row> = report
        .timeline
        .iter()
        .map(|one| {
            let star = if one.by_this_machine { "*" } else { "" };
            let about = one.about.as_ref().map(|about| format!("{about}:"));
            let mut phrases = vec![format!("{}:", one.kind.words())];
            phrases.extend(about);
            phrases.extend(one.what.split(' ').map(str::to_owned));
            Row { look: one.look, name: format!("{}{star}", stamp(one.at)), phrases, below: None }
        })
        .collect();
    let column = column(&rows, page.screen());
    page.gap();
    page.table("What happened:", &rows, column);
}
