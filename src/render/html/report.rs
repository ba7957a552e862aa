//! The report of an incident as a page.

use super::{Told, code, command, look, page, picture, plain, prose, table};
use crate::identity::Who;
use crate::incident::{RunStands, Stage};
use crate::render::diff::{DiffLine, documents};
use crate::render::words::{self, stamp};
use crate::render::{drawing, is_aws_endpoint};
use crate::report::{Moment, Open, Part, Principal, Report, RunRecord, StepRecord, Used};
use jiff::Timestamp;
use maud::{Markup, html};

/// The page.
#[must_use]
pub fn report(report: &Report) -> String {
    let title = words::title(report);
    let sections = sections(report);
    let body = html! {
        header { (head(report, &title)) }
        nav aria-label="Sections" {
            ul { @for (id, name, _) in &sections { li { a href={ "#" (id) } { (name) } } } }
        }
        main {
            @for (id, name, content) in &sections {
                section aria-labelledby=(id) {
                    h2 id=(id) { (name) }
                    (content)
                }
            }
        }
        footer {
            p {
                "Made by ringfence " (Told(&report.ringfence_version)) " at " (time(report.made_at))
                " by this machine's clock. Times are UTC."
            }
        }
    };
    page(&format!("{title} · ringfence report"), &body)
}

/// The sections that have something to say, each with its place and its name.
fn sections(report: &Report) -> Vec<(&'static str, &'static str, Markup)> {
    let mut found = vec![("course", "What happened, and when", course(report))];
    if !report.principals.is_empty() {
        found.push(("contained", "What was contained, and how it was verified", contained(report)));
    }
    if report.runs.iter().flat_map(|run| &run.parts).any(|part| !part.steps.is_empty()) {
        found.push(("changes", "Before and after", changes(report)));
    }
    if !report.runs.is_empty() {
        found.push(("people", "Who planned, approved and applied", people(report)));
    }
    if let Some(of) = &report.trace {
        found.push(("lineage", "What the credentials were used for", super::trace::trace(of)));
    }
    found.push(("open", "Still open", still_open(report)));
    found.push(("unknown", "What cannot be known", unknown(report)));
    if !report.commands.is_empty() {
        found.push(("commands", "Commands used", commands(report)));
    }
    if !report.runs.is_empty() || report.trace.is_some() {
        found.push(("digests", "Digests", digests(report)));
    }
    found
}

fn time(time: Timestamp) -> Markup {
    let text = stamp(time);
    html! { time .time datetime=(text) { (text) } }
}

fn time_or(at: Option<Timestamp>, none: &str) -> Markup {
    at.map_or_else(|| html! { (none) }, time)
}

fn who(who: &Who) -> Markup {
    html! { (who.kind()) " " (code(who.name().as_str())) }
}

fn head(report: &Report, title: &str) -> Markup {
    let others = report.principals.iter().filter(|one| !is_aws_endpoint(&one.endpoint));
    let others: std::collections::BTreeSet<&str> =
        others.map(|one| one.endpoint.as_str()).collect();
    html! {
        h1 { (prose(title)) }
        p .lead { (prose(&words::headline(report))) }
        ol .stages aria-label="Stage of the incident" {
            @for stage in Stage::ALL {
                @if stage == report.stage { li aria-current="step" { (stage.word()) } }
                @else { li { (stage.word()) } }
            }
        }
        @let left_out = words::left_out(report);
        @if !report.marks.is_empty() || !others.is_empty() || report.not_read.is_some() || left_out.is_some() {
            div .marks role="note" aria-label="To know first" {
                ul {
                    @for mark in &report.marks { li { (look(mark)) } }
                    @if let Some(why) = &report.not_read {
                        li { "This is the record alone, nothing was read for it: " (prose(why)) }
                    }
                    @if let Some(left_out) = &left_out { li { (prose(left_out)) } }
                    @for endpoint in others { li { "Endpoint " (code(endpoint)) " (not AWS)" } }
                }
            }
        }
    }
}

fn course(report: &Report) -> Markup {
    if report.timeline.is_empty() {
        return html! { p { "No time is recorded." } };
    }
    let rows = (1..).zip(&report.timeline).map(|(number, one)| moment(number, one)).collect();
    let machine = report.timeline.iter().any(|one| one.by_this_machine);
    html! {
        (picture(
            "Time goes from left to right, and is not to scale. The numbers are those of the table.",
            drawing::course(report),
        ))
        (table("The same in words", &["No.", "Time (UTC)", "What", "Who or whose", "Told"], rows))
        @if machine { p .quiet { "* by the clock of the machine that ringfence ran on" } }
    }
}

fn moment(number: usize, one: &Moment) -> Vec<Markup> {
    vec![
        html! { (number) },
        html! { (time(one.at)) @if one.by_this_machine { "*" } },
        html! {
            span .kind { @if one.look { (look(one.kind.words())) } @else { (one.kind.words()) } }
        },
        one.about.as_ref().map_or_else(|| html! {}, who),
        html! { div .wide { (prose(&one.what)) } },
    ]
}

fn contained(report: &Report) -> Markup {
    html! {
        @for one in &report.principals {
            h3 { (prose(&words::sentence(&one.who.to_string()))) }
            p { (prose(&words::stands(one))) }
            (facts(one))
            @for (run, part) in parts(report, one) {
                h4 { "Run " (code(&run.id)) ", " (words::run_kind(run.kind)) ", " (run.stands.words()) }
                p { (prose(&words::sentence(&words::verified(part)))) "." }
                @for seen in &part.tampering {
                    p { (look(&format!("{}, seen at {}", words::finding(&seen.finding), stamp(seen.at)))) }
                }
                (table(
                    "Steps of the run",
                    &["Resource", "Before", "After", "Done", "Read back", "Stands"],
                    part.steps.iter().map(step).collect(),
                ))
            }
            (table(
                "What ringfence changed, and where it stands by the record",
                &["Resource", "Status", "Before", "As left", "Written"],
                one.resources.iter().map(|held| vec![
                    code(&held.resource.to_string()),
                    html! { (held.status.words()) },
                    plain(&words::value(held.before.as_ref())),
                    plain(&words::value(held.ours.as_ref())),
                    time_or(held.written_at, "not known"),
                ]).collect(),
            ))
            @if !one.notes.is_empty() {
                ul .plain { @for note in &one.notes { li { (prose(note)) } } }
            }
        }
    }
}

fn parts<'a>(
    report: &'a Report,
    one: &'a Principal,
) -> impl Iterator<Item = (&'a RunRecord, &'a Part)> {
    let of = |run: &'a RunRecord| {
        let part = run.parts.iter().find(|part| part.id == one.id)?;
        Some((run, part))
    };
    report.runs.iter().filter_map(of)
}

fn facts(one: &Principal) -> Markup {
    let compromised: Vec<String> = one
        .compromised
        .iter()
        .map(|item| format!("{} ({})", item.resource, words::compromised(item)))
        .collect();
    html! {
        dl .facts {
            dt { "Account" } dd { (code(one.account_id.as_str())) }
            dt { "ID" } dd { (code(one.id.as_str())) }
            dt { "ARN" } dd { (code(one.arn.as_str())) }
            dt { "Posture" } dd { (plain(&one.posture)) }
            dt { "Stage" } dd { (one.stage.word()) }
            @if let Some(since) = one.since { dt { "Exposed" } dd { (time(since)) } }
            @if !compromised.is_empty() { dt { "Compromised" } dd { (plain(&compromised.join(", "))) } }
            @if let Some(seen) = one.last_seen_contained { dt { "Last seen contained" } dd { (time(seen)) } }
            @if let Some(fence) = &one.fence {
                dt { "Fence" }
                dd {
                    (time(fence.fence_time)) ", "
                    @match &fence.void {
                        Some(why) => { (look(&format!("its clock is void: {why}"))) }
                        None => { "may be lifted after " (time(fence.lift_after)) }
                    }
                }
            }
            @for made in &one.recoveries {
                dt { "New key" } dd { (plain(&words::recovery(made))) }
            }
            @if let Some(at) = one.released_at { dt { "Released" } dd { (time(at)) } }
            dt { "Lineage" } dd { (code(one.lineage.as_str())) ", serial " (one.serial) }
        }
    }
}

fn step(step: &StepRecord) -> Vec<Markup> {
    let (before, after) = words::before_after(step);
    let status = words::step_status(step.status);
    vec![
        code(&step.resource.to_string()),
        plain(&before),
        plain(&after),
        time_or(step.done_at, "-"),
        time_or(step.read_back_at, "-"),
        html! {
            @if words::step_looks(step) { (look(status)) } @else { (status) }
            @if let (Some(error), true) = (&step.error, words::step_looks(step)) { ": " (Told(error)) }
            @if step.added { ", added by the settle clause" }
        },
    ]
}

fn changes(report: &Report) -> Markup {
    html! {
        @for run in &report.runs {
            @for part in run.parts.iter().filter(|part| !part.steps.is_empty()) {
                h3 { "Run " (code(&run.id)) ", " (who(&part.who)) }
                @for step in &part.steps { (change(step)) }
            }
        }
    }
}

fn change(step: &StepRecord) -> Markup {
    let (before, after) = words::before_after(step);
    html! {
        h4 { (code(&step.resource.to_string())) }
        @if !step.reason.is_empty() { p .quiet { (plain(&step.reason)) } }
        @if !step.reversible { p { (look("cannot be undone")) } }
        @if words::step_looks(step) { p { (look(words::step_status(step.status))) } }
        pre tabindex="0" role="group" aria-label={ "Change of " (Told(&step.resource.to_string())) } {
            @if words::has_document(step) {
                @for line in documents(step.before.as_ref(), step.after.as_ref(), "the last key-off") {
                    @let text = line.shown().0;
                    @match line {
                        DiffLine::Added(_) => { span .added { (Told(&text)) } }
                        DiffLine::Removed(_) => { span .gone { (Told(&text)) } }
                        DiffLine::Same(_) | DiffLine::Hidden(..) => { span .same { (Told(&text)) } }
                    }
                }
            } @else {
                span .gone { "- " (before) }
                span .added { "+ " (after) }
            }
        }
    }
}

fn people(report: &Report) -> Markup {
    let rows = report.runs.iter().map(|run| {
        let by = |arn: &Option<crate::identity::Arn>| {
            arn.as_ref().map_or_else(|| html! { "not recorded" }, |arn| code(arn.as_str()))
        };
        vec![
            html! { (code(&run.id)) br; (words::run_kind(run.kind)) },
            html! { (by(&run.planned_by)) br; (time_or(run.planned_at, "")) },
            html! {
                @for line in words::approved(run) {
                    div { @if run.break_glass.is_some() { (look(&line)) } @else { (plain(&line)) } }
                }
            },
            html! {
                (code(run.applied_by.as_str())) br; (plain(&words::applied_from(run))) " "
                (time(run.started_at))
                @for one in &run.resumed {
                    div { (look("resumed")) " by " (code(one.by.as_str())) " " (time(one.at)) }
                }
            },
            html! {
                @if run.stands == RunStands::Complete { (run.stands.words()) }
                @else { (look(run.stands.words())) }
                br; (time_or(run.ended_at, ""))
            },
        ]
    });
    table(
        "One row a run",
        &["Run", "Planned by", "Approved by", "Applied by", "End"],
        rows.collect(),
    )
}

fn still_open(report: &Report) -> Markup {
    if report.open.is_empty() {
        return html! {
            p {
                @if report.read_at.is_some() { "Nothing was found open." }
                @else { "The record names nothing that is open; nothing was read for this report." }
            }
        };
    }
    html! { @for open in &report.open { (one_open(open)) } }
}

fn one_open(open: &Open) -> Markup {
    html! {
        h3 {
            @match &open.who {
                Some(who) => { (prose(&words::sentence(&who.to_string()))) }
                None => { "Besides" }
            }
        }
        ul .plain { @for finding in &open.findings { li { (prose(&words::finding(finding))) } } }
        @if !open.commands.is_empty() {
            p .quiet { "What helps, in order:" }
            (lines("What helps", &open.commands))
        }
    }
}

fn lines(name: &str, commands: &[String]) -> Markup {
    html! {
        pre tabindex="0" role="group" aria-label=(name) {
            @for command in commands { (Told(command)) "\n" }
        }
    }
}

fn unknown(report: &Report) -> Markup {
    html! {
        ul .plain {
            @for one in &report.unknown { li { (prose(&one.what)) ": " (prose(&one.why)) } }
        }
    }
}

fn commands(report: &Report) -> Markup {
    let used = |used: &Used| {
        vec![
            time_or(used.at, ""),
            html! { div .wide { (command(&used.command)) } },
            used.by.as_ref().map_or_else(|| html! {}, |by| code(by.as_str())),
        ]
    };
    html! {
        p .quiet { (words::on_commands(report)) }
        (table(
            "ringfence",
            &["Time (UTC)", "Command", "By"],
            report.commands.iter().map(used).collect(),
        ))
        @for run in &report.runs {
            @if let Some(script) = &run.aws_cli {
                details {
                    summary { "The steps of run " (Told(&run.id)) " as AWS CLI commands" }
                    pre tabindex="0" role="group" aria-label={ "AWS CLI commands of run " (Told(&run.id)) } {
                        @for line in script.lines() { (Told(line)) "\n" }
                    }
                }
            }
        }
    }
}

fn digests(report: &Report) -> Markup {
    let rows = report.runs.iter().flat_map(|run| {
        run.parts.iter().map(move |part| {
            let entries =
                part.journal_entries.map_or_else(String::new, |n| format!(", {n} entries"));
            vec![
                html! { (code(&run.id)) br; (who(&part.who)) },
                code(&run.plan_sha256),
                html! {
                    @match &part.journal_head {
                        Some(head) => { (code(head)) (entries) }
                        None => { "the journal could not be read" }
                    }
                },
            ]
        })
    });
    html! {
        (table("Of each run", &["Run", "SHA-256 of the plan", "Head of the journal"], rows.collect()))
        @if let Some(of) = &report.trace {
            p { "Trace " (code(&of.file)) ", SHA-256 " (code(&of.sha256)) }
        }
    }
}
