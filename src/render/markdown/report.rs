//! The report of an incident for a ticket or a wiki.

use super::escape::{block, code, html, prose, table, text};
use crate::identity::Who;
use crate::incident::Stage;
use crate::render::diff::documents;
use crate::render::is_aws_endpoint;
use crate::render::words::{self, stamp};
use crate::report::{Report, RunRecord, StepRecord};
use jiff::Timestamp;

/// The report.
#[must_use]
pub fn report(report: &Report) -> String {
    let mut out = format!(
        "# {}\n\n**{}**\n\n",
        prose(&words::title(report)),
        prose(&words::headline(report))
    );
    let stages = Stage::ALL.map(|stage| {
        if stage == report.stage {
            format!("**{}**", stage.word())
        } else {
            stage.word().to_owned()
        }
    });
    out.push_str(&format!("Stage: {}\n", stages.join(" · ")));
    out.push_str(&marks(report));
    let sections = [
        ("What happened, and when", course(report)),
        ("What was contained, and how it was verified", contained(report)),
        ("Before and after", changes(report)),
        ("Who planned, approved and applied", people(report)),
        ("What the credentials were used for", traced(report)),
        ("Still open", still_open(report)),
        ("What cannot be known", unknown(report)),
        ("Commands used", commands(report)),
        ("Digests", digests(report)),
    ];
    for (name, content) in sections {
        if !content.is_empty() {
            out.push_str(&format!("\n## {name}\n\n{content}"));
        }
    }
    out.push_str(&format!(
        "\nMade by ringfence {} at {} by this machine's clock. Times are UTC.\n",
        text(&report.ringfence_version),
        stamp(report.made_at)
    ));
    out
}

fn who(who: &Who) -> String {
    format!("{} {}", who.kind(), code(who.name().as_str()))
}

fn time(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "-".to_owned(), stamp)
}

fn look(text: &str) -> String {
    format!("**!** {text}")
}

fn marks(report: &Report) -> String {
    let mut lines: Vec<String> = report.marks.iter().map(|mark| look(&prose(mark))).collect();
    lines.extend(
        report.not_read.iter().map(|why| {
            format!("This is the record alone, nothing was read for it: {}", prose(why))
        }),
    );
    lines.extend(words::left_out(report).map(|left_out| prose(&left_out)));
    let mut others: Vec<&str> = report
        .principals
        .iter()
        .map(|one| one.endpoint.as_str())
        .filter(|endpoint| !is_aws_endpoint(endpoint))
        .collect();
    others.dedup();
    lines.extend(others.iter().map(|endpoint| format!("Endpoint {} (not AWS)", code(endpoint))));
    if lines.is_empty() {
        return String::new();
    }
    format!("\n{}", bullets(lines))
}

fn bullets(lines: impl IntoIterator<Item = String>) -> String {
    lines.into_iter().map(|line| format!("- {line}\n")).collect()
}

fn course(report: &Report) -> String {
    let rows: Vec<Vec<String>> = (1..)
        .zip(&report.timeline)
        .map(|(number, one): (usize, _)| {
            let star = if one.by_this_machine { "\\*" } else { "" };
            let kind = one.kind.words();
            vec![
                number.to_string(),
                format!("{}{star}", stamp(one.at)),
                if one.look { look(kind) } else { kind.to_owned() },
                one.about.as_ref().map(who).unwrap_or_default(),
                prose(&one.what),
            ]
        })
        .collect();
    table(&["no.", "time", "what", "whose", "told"], &rows)
}

fn contained(report: &Report) -> String {
    let mut out = String::new();
    for one in &report.principals {
        let mut lines = vec![
            prose(&words::stands(one)),
            format!("Account {}, ID {}", code(one.account_id.as_str()), code(one.id.as_str())),
            format!("Posture {}, stage {}", text(&one.posture), one.stage.word()),
        ];
        lines.extend(one.since.map(|since| format!("Exposed {}", stamp(since))));
        lines.extend(one.compromised.iter().map(|item| {
            let why = words::compromised(item);
            format!("Compromised: {} ({why})", code(&item.resource.to_string()))
        }));
        lines.extend(one.fence.as_ref().map(|fence| match &fence.void {
            Some(why) => look(&format!("the fence's clock is void: {}", prose(why))),
            None => format!(
                "Fence {}, may be lifted after {}",
                stamp(fence.fence_time),
                stamp(fence.lift_after)
            ),
        }));
        lines.extend(
            one.recoveries.iter().map(|made| format!("New key: {}", text(&words::recovery(made)))),
        );
        lines.extend(one.notes.iter().map(|note| prose(note)));
        out.push_str(&format!("### {}\n\n{}\n", who(&one.who), bullets(lines)));
        for run in &report.runs {
            for part in run.parts.iter().filter(|part| part.id == one.id) {
                let kind = words::run_kind(run.kind);
                let verified = prose(&words::sentence(&words::verified(part)));
                out.push_str(&format!(
                    "Run {}, {kind}, {}. {verified}.\n\n",
                    code(&run.id),
                    run.stands.words()
                ));
                let seen = part.tampering.iter().map(|seen| {
                    look(&format!(
                        "{}, seen at {}",
                        prose(&words::finding(&seen.finding)),
                        stamp(seen.at)
                    ))
                });
                out.push_str(&bullets(seen));
                if !part.tampering.is_empty() {
                    out.push('\n');
                }
                let rows: Vec<_> = part.steps.iter().map(step).collect();
                let headings = ["resource", "before", "after", "done", "read back", "stands"];
                out.push_str(&format!("{}\n", table(&headings, &rows)));
            }
        }
    }
    out
}

fn step(step: &StepRecord) -> Vec<String> {
    let (before, after) = words::before_after(step);
    let mut stands = words::step_status(step.status).to_owned();
    if words::step_looks(step) {
        stands = look(&stands);
        stands.extend(step.error.as_ref().map(|error| format!(": {}", prose(error))));
    }
    vec![
        code(&step.resource.to_string()),
        text(&before),
        text(&after),
        time(step.done_at),
        time(step.read_back_at),
        stands,
    ]
}

fn changes(report: &Report) -> String {
    let mut out = String::new();
    for run in &report.runs {
        for part in &run.parts {
            for step in &part.steps {
                let (before, after) = words::before_after(step);
                let lines: Vec<String> = if words::has_document(step) {
                    documents(step.before.as_ref(), step.after.as_ref(), "the last key-off")
                        .iter()
                        .map(|line| line.shown().0)
                        .collect()
                } else {
                    vec![format!("- {before}"), format!("+ {after}")]
                };
                out.push_str(&format!(
                    "{} in run {}:\n\n{}\n",
                    code(&step.resource.to_string()),
                    code(&run.id),
                    block("diff", &lines)
                ));
            }
        }
    }
    out
}

fn people(report: &Report) -> String {
    let rows: Vec<Vec<String>> = report
        .runs
        .iter()
        .map(|run| {
            let approved: Vec<String> =
                words::approved(run).iter().map(|line| text(line)).collect();
            let mark = if run.break_glass.is_some() { "**!** " } else { "" };
            let planned = run.planned_by.as_ref().map(|by| code(by.as_str()));
            vec![
                format!("{} {}", code(&run.id), words::run_kind(run.kind)),
                format!("{} {}", planned.unwrap_or_default(), time(run.planned_at)),
                format!("{mark}{}", approved.join("<br>")),
                applied(run),
                format!("{} {}", run.stands.words(), time(run.ended_at)),
            ]
        })
        .collect();
    table(&["run", "planned by", "approved by", "applied by", "end"], &rows)
}

/// Who applied a run, from where and when, and who went on with it.
fn applied(run: &RunRecord) -> String {
    let by = code(run.applied_by.as_str());
    let mut said = format!("{by} {} {}", text(&words::applied_from(run)), stamp(run.started_at));
    for one in &run.resumed {
        let by = code(one.by.as_str());
        said.push_str(&format!("<br>**!** resumed by {by} {}", stamp(one.at)));
    }
    said
}

fn traced(report: &Report) -> String {
    let Some(of) = &report.trace else { return String::new() };
    // The trace's own headings go two levels down: it is a section here.
    let told = super::trace(&of.trace);
    let told = told.lines().map(|line| {
        if line.starts_with("##") { format!("#{line}\n") } else { format!("{line}\n") }
    });
    told.collect()
}

fn still_open(report: &Report) -> String {
    if report.open.is_empty() {
        return match report.read_at {
            Some(_) => "Nothing was found open.\n".to_owned(),
            None => "The record names nothing that is open; nothing was read for this report.\n"
                .to_owned(),
        };
    }
    let mut lines = Vec::new();
    for open in &report.open {
        let whose = open.who.as_ref().map(|one| format!("{}: ", who(one))).unwrap_or_default();
        lines.extend(
            open.findings
                .iter()
                .map(|one| look(&format!("{whose}{}", prose(&words::finding(one))))),
        );
        lines.extend(open.commands.iter().map(|command| code(command)));
    }
    bullets(lines)
}

fn unknown(report: &Report) -> String {
    bullets(report.unknown.iter().map(|one| format!("{}: {}", prose(&one.what), prose(&one.why))))
}

fn commands(report: &Report) -> String {
    let rows: Vec<Vec<String>> = report
        .commands
        .iter()
        .map(|used| {
            let by = used.by.as_ref().map(|by| code(by.as_str()));
            vec![time(used.at), code(&used.command), by.unwrap_or_default()]
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let mut out = format!("{}\n\n", text(&words::on_commands(report)));
    out.push_str(&table(&["time", "command", "by"], &rows));
    for run in &report.runs {
        if let Some(script) = &run.aws_cli {
            let lines: Vec<String> = script.lines().map(str::to_owned).collect();
            out.push_str(&format!(
                "\n<details><summary>The steps of run {} as AWS CLI commands</summary>\n\n{}\n</details>\n",
                html(&run.id),
                block("sh", &lines)
            ));
        }
    }
    out
}

fn digests(report: &Report) -> String {
    let parts = report.runs.iter().flat_map(|run| run.parts.iter().map(move |part| (run, part)));
    let rows: Vec<Vec<String>> = parts
        .map(|(run, part)| {
            let head = part.journal_head.as_ref().map(|head| code(head));
            vec![
                format!("{} {}", code(&run.id), who(&part.who)),
                code(&run.plan_sha256),
                head.unwrap_or_else(|| "the journal could not be read".to_owned()),
            ]
        })
        .collect();
    let mut out = table(&["run", "SHA-256 of the plan", "head of the journal"], &rows);
    if let Some(of) = &report.trace {
        out.push_str(&format!("\nTrace {}, SHA-256 {}\n", code(&of.file), code(&of.sha256)));
    }
    out
}
