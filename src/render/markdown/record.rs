//! What stands: status, state and the end of a run.

use super::escape::{code, table, text};
use crate::approval::Signed;
use crate::identity::Who;
use crate::journal::{Event, Journal};
use crate::render::is_aws_endpoint;
use crate::render::words::{self, stamp};
use crate::state::State;
use crate::view::{Ending, StatusReport};
use jiff::Timestamp;

fn bullets<I: IntoIterator<Item = String>>(lines: I) -> String {
    lines.into_iter().map(|line| format!("- {line}\n")).collect()
}

fn join(mut parts: Vec<String>) -> String {
    parts.retain(|part| !part.is_empty());
    parts.join("\n")
}

/// Reality against state.
#[must_use]
pub fn status(report: &StatusReport) -> String {
    let time = |time: Option<Timestamp>| time.map_or_else(|| "never".to_owned(), stamp);
    let rows: Vec<Vec<String>> = report
        .principals
        .iter()
        .map(|one| {
            let fence = match &one.fence {
                None => "-".to_owned(),
                Some(fence) if fence.void.is_some() => {
                    "clock void until it is contained again".to_owned()
                }
                Some(fence) => stamp(fence.lift_after),
            };
            let look = if one.standing.is_weak() { "**!** " } else { "" };
            vec![
                named(&one.who),
                code(one.account_id.as_str()),
                format!("{look}{}", one.standing.words()),
                time(one.seen_at),
                time(one.last_seen_contained),
                fence,
            ]
        })
        .collect();
    let mut parts = vec![format!("## ringfence status, {}\n", stamp(report.at))];
    if !is_aws_endpoint(&report.endpoint) {
        parts.push(format!("**!** Endpoint {} (not AWS)\n", code(&report.endpoint)));
    }
    if rows.is_empty() {
        parts.push("No principal is in the state: nothing was contained from here.\n".to_owned());
    }
    let headings = ["user", "account", "state", "seen", "last seen contained", "fence may go"];
    parts.push(table(&headings, &rows));
    for one in &report.principals {
        let void = one.fence.as_ref().and_then(|fence| fence.void.as_ref());
        let user = named(&one.who);
        let findings = one.findings.iter().map(words::finding);
        let void = void.map(|why| format!("the fence's clock is void: {why}"));
        let looks = findings.chain(void).map(|line| format!("{user} **!** {}", text(&line)));
        let notes = one.notes.iter().map(|note| format!("{user} {}", text(note)));
        let commands = one.commands.iter().map(|command| code(command));
        parts.push(bullets(looks.chain(notes).chain(commands)));
    }
    join(parts)
}

/// A principal in a table whose column is headed `user`.
fn named(who: &Who) -> String {
    match who {
        Who::User(name) => code(name.as_str()),
        Who::Role(name) => format!("role {}", code(name.as_str())),
    }
}

/// One principal's state.
#[must_use]
pub fn state(state: &State) -> String {
    let mut about = vec![
        format!(
            "Account {}, {} ID {}",
            code(state.account_id.as_str()),
            state.principal.kind,
            code(state.principal.id.as_str())
        ),
        format!("Lineage {}, serial {}", code(state.lineage.as_str()), state.serial),
    ];
    if !is_aws_endpoint(&state.endpoint) {
        about.push(format!("**!** Endpoint {} (not AWS)", code(&state.endpoint)));
    }
    about.extend(state.incident.as_ref().map(|incident| format!("Incident {}", code(incident))));
    about.extend(state.since.map(|since| format!("Exposed {}", stamp(since))));
    about.extend(state.clock.as_ref().map(|clock| {
        format!(
            "Fence {}, may be lifted after {}",
            stamp(clock.fence_time),
            stamp(clock.lift_after)
        )
    }));
    about.extend(state.clock.iter().flat_map(|clock| &clock.void_while_active).map(|key| {
        format!("**!** the fence does not count: {} could still mint", code(&key.to_string()))
    }));
    about.extend(state.last_seen_contained.map(|seen| format!("Seen contained {}", stamp(seen))));
    about.extend(state.released_at.map(|at| format!("Released {}", stamp(at))));
    let compromised: Vec<Vec<String>> = state
        .compromised
        .iter()
        .map(|item| vec![code(&item.resource.to_string()), words::compromised(item).to_owned()])
        .collect();
    let resources: Vec<Vec<String>> = state
        .resources
        .iter()
        .map(|(resource, held)| {
            let [baseline, ours] =
                [&held.baseline, &held.ours].map(|v| text(&words::value(v.as_ref())));
            vec![code(&resource.to_string()), held.words().to_owned(), baseline, ours]
        })
        .collect();
    let runs: Vec<Vec<String>> = state
        .runs
        .iter()
        .map(|run| {
            let how = match &run.end {
                Some(end) if end.complete => "complete",
                Some(_) => "**!** partial",
                None => "**!** cut off",
            };
            let mut approved: Vec<String> =
                run.approvals.iter().map(|one| text(&one.person)).collect();
            approved.extend(
                run.break_glass.iter().map(|why| format!("**!** break-glass: {}", text(why))),
            );
            vec![
                code(&run.id),
                stamp(run.started_at),
                code(run.applied_by.as_str()),
                approved.join(", "),
                how.to_owned(),
            ]
        })
        .collect();
    join(vec![
        format!(
            "## ringfence state: {} {}, posture {}\n",
            state.principal.kind,
            code(state.principal.name.as_str()),
            text(&state.posture.name)
        ),
        bullets(about),
        table(&["compromised", "why"], &compromised),
        table(&["resource", "status", "before", "as left"], &resources),
        table(&["run", "started", "by", "approved by", "end"], &runs),
    ])
}

/// How a run ended.
#[must_use]
pub fn ending(ending: &Ending) -> String {
    let mut parts = vec![format!("## ringfence run {}\n", code(&ending.run))];
    parts.extend(words::incomplete(ending).map(|note| format!("**!** {note}\n")));
    for one in &ending.principals {
        let heading = words::open_heading(one.standing);
        let mut lines = vec![text(&words::holds(ending.kind, one).join(" "))];
        lines.extend(words::standing(one).map(|standing| text(&standing)));
        lines.extend(
            one.open.iter().map(|open| format!("**!** {heading}: {}", text(&words::finding(open)))),
        );
        lines.extend(one.notes.iter().map(|note| text(note)));
        lines.extend(words::fence(one).map(|fence| text(&fence)));
        lines.extend(one.commands.iter().map(|command| code(command)));
        let (serial, head) = words::record(one);
        lines.push(words::sentence(&serial));
        lines.extend(head.map(|head| format!("Journal head {}", code(&head))));
        parts.push(format!("### {} {}\n", one.who.kind().title(), code(one.who.name().as_str())));
        parts.push(bullets(lines));
    }
    join(parts)
}

/// How a run was begun and ended, to stand after its plan.
#[must_use]
pub fn run(journal: &Journal) -> String {
    let mut lines = Vec::new();
    for entry in journal.entries() {
        match &entry.event {
            Event::RunStarted { applied_by, applied_from, approvals, break_glass, .. } => {
                let from = applied_from.as_ref().map(|host| format!(" from {}", code(host)));
                let by = format!("{}{}", code(applied_by.as_str()), from.unwrap_or_default());
                lines.push(format!("Begun {} by {by}", stamp(entry.at)));
                lines.extend(approvals.iter().map(|Signed { approval, .. }| {
                    format!(
                        "Approved by {} with {}, verified at {}",
                        text(&approval.person),
                        code(&approval.fingerprint),
                        stamp(approval.verified_at)
                    )
                }));
                let glass = break_glass.as_ref();
                lines.extend(
                    glass.map(|why| format!("**!** {}", text(&words::without_approval(why)))),
                );
            }
            Event::RunResumed { by, .. } => {
                lines.push(format!(
                    "**!** Cut off, resumed {} by {}",
                    stamp(entry.at),
                    code(by.as_str())
                ));
            }
            Event::RunFinished { complete } => {
                let how = if *complete { "Complete" } else { "**!** Partial" };
                lines.push(format!("{how}, {}", stamp(entry.at)));
            }
            _ => {}
        }
    }
    if !journal.finished() {
        lines.push("**!** Cut off: its end is not in the journal".to_owned());
    }
    format!("\n### The run\n\n{}", bullets(lines))
}
