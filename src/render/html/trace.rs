//! What a trace has found, within a page.

use super::{code, look, picture, plain, table};
use crate::render::drawing;
use crate::render::text::trace::{life, summary};
use crate::render::words::stamp;
use crate::report::TraceOf;
use crate::text::{grouped, number};
use crate::trace::{Activity, Credential, Persistence, Trace};
use maud::{Markup, html};

/// So many rows of what was done are read; the rest is in the trace's own file.
const ACTIVITY: usize = 60;

/// The lineage, drawn and in tables.
pub(super) fn trace(of: &TraceOf) -> Markup {
    let trace = &of.trace;
    html! {
        p { (plain(&format!("As of {}: {}", stamp(trace.start.at), summary(trace)))) }
        p .quiet {
            "By its events alone: what was done since is not in it."
            @if let Some(window) = trace.window {
                " " (plain(&format!(
                    "They are {}, from {} to {}.",
                    number(trace.events_read, "event", "events"),
                    stamp(window.from),
                    stamp(window.to),
                )))
            }
            @if of.planned_from { " A plan above was made from this trace." }
        }
        (picture(
            "Which credential was made with which, and when each could act and did: red can act, dashed may, blue is use.",
            drawing::within_page(trace),
        ))
        (table(
            "Credentials",
            &["Credential", "Made with", "By", "Uses", "Last from", "Life, by the trace"],
            trace.credentials.iter().map(|one| credential(trace, one)).collect(),
        ))
        (table(
            "Left behind",
            &["What", "Name", "Call", "When", "Undone", "Technique"],
            trace.persistence.iter().map(left_behind).collect(),
        ))
        (table(
            "What they did",
            &["Service", "Call", "On", "Count", "Failed"],
            trace.activity.iter().take(ACTIVITY).map(activity).collect(),
        ))
        @if trace.activity.len() > ACTIVITY {
            p .quiet { (trace.activity.len() - ACTIVITY) " more rows are in the trace." }
        }
        (table(
            "Suspects, proved by nothing",
            &["Credential", "Why"],
            trace.suspects.iter().map(|one| vec![code(&one.id), plain(&one.why)]).collect(),
        ))
    }
}

fn credential(trace: &Trace, one: &Credential) -> Vec<Markup> {
    let life = life(one, trace.start.at);
    vec![
        code(&one.id),
        plain(one.via.as_deref().unwrap_or_default()),
        one.parent.as_deref().map_or_else(|| html! {}, code),
        html! { @match one.uses { Some(uses) => { (grouped(uses)) } None => { "not known" } } },
        one.source_ips.first().map_or_else(|| html! {}, |ip| code(ip)),
        html! { @if one.live == Some(false) { (plain(&life)) } @else { (look(&life)) } },
    ]
}

fn left_behind(made: &Persistence) -> Vec<Markup> {
    let kind = made.kind.replace('_', " ");
    let time = |time: Option<jiff::Timestamp>| time.map(stamp).unwrap_or_default();
    vec![
        html! { @if made.live { (look(&kind)) } @else { (plain(&kind)) } },
        code(&made.name),
        plain(&made.action),
        html! { span .time { (time(made.time)) } },
        html! { span .time { (time(made.closed_at)) } },
        html! {
            @if let Some(technique) = &made.technique {
                (plain(&technique.id)) " " (plain(&technique.name))
            }
        },
    ]
}

fn activity(row: &Activity) -> Vec<Markup> {
    vec![
        plain(&row.service),
        plain(&row.action),
        row.resource.as_deref().map_or_else(|| html! {}, code),
        html! { (grouped(row.count)) },
        html! { (grouped(row.denied)) },
    ]
}
