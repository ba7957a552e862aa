//! What became of a leaked key, for a ticket.

use super::escape::{code, table, text};
use crate::render::text::trace::{life, summary};
use crate::render::words::stamp;
use crate::text::{grouped, number};
use crate::trace::{TargetKind, Trace};

/// The trace.
#[must_use]
pub fn trace(trace: &Trace) -> String {
    let start = &trace.start;
    let asked = start.access_keys.iter().chain(&start.users).map(|name| code(name));
    let asked = asked.collect::<Vec<_>>().join(", ");
    let mut out = format!(
        "## ringfence trace of {asked}, {}\n\n**{}**\n\n",
        stamp(start.at),
        text(&summary(trace))
    );
    out.push_str(&format!(
        "{} in {}{}\n",
        number(trace.events_read, "event", "events"),
        number(trace.files_read, "file", "files"),
        trace.window.map(|w| format!(", {} to {}", stamp(w.from), stamp(w.to))).unwrap_or_default()
    ));
    for unread in &trace.unread {
        let (one, many) = unread.kind.words();
        out.push_str(&format!(
            "- **!** {}, first {} at byte {}\n",
            number(unread.count, one, many),
            code(&unread.first.file),
            unread.first.byte
        ));
    }
    section(
        &mut out,
        "Credentials",
        &["credential", "made with", "by", "uses", "life"],
        trace.credentials.iter().map(|one| {
            vec![
                code(&one.id),
                one.via.as_deref().map(text).unwrap_or_default(),
                one.parent.as_deref().map(code).unwrap_or_default(),
                one.uses.map_or_else(|| "not known".to_owned(), grouped),
                format!(
                    "{}{}",
                    if one.live == Some(false) { "" } else { "**!** " },
                    life(one, start.at)
                ),
            ]
        }),
    );
    section(
        &mut out,
        "Left behind",
        &["what", "name", "call", "when", "undone", "technique"],
        trace.persistence.iter().map(|made| {
            vec![
                format!("{}{}", if made.live { "**!** " } else { "" }, text(&made.kind)),
                code(&made.name),
                text(&made.action),
                made.time.map(stamp).unwrap_or_default(),
                made.closed_at.map(stamp).unwrap_or_default(),
                made.technique.as_ref().map(|technique| text(&technique.id)).unwrap_or_default(),
            ]
        }),
    );
    section(
        &mut out,
        "What they did",
        &["service", "call", "on", "count", "failed"],
        trace.activity.iter().take(200).map(|row| {
            vec![
                text(&row.service),
                text(&row.action),
                row.resource.as_deref().map(code).unwrap_or_default(),
                grouped(row.count),
                grouped(row.denied),
            ]
        }),
    );
    if trace.activity.len() > 200 {
        out.push_str(&format!("\n{} more rows are in the JSON.\n", trace.activity.len() - 200));
    }
    section(
        &mut out,
        "Suspects, proved by nothing",
        &["credential", "why"],
        trace.suspects.iter().map(|one| vec![code(&one.id), text(&one.why)]),
    );
    section(
        &mut out,
        "To contain",
        &["what", "name", "account", "why"],
        trace.targets.iter().map(|target| {
            let kind = match target.kind {
                TargetKind::User => "user",
                TargetKind::Role => "role",
            };
            vec![
                kind.to_owned(),
                code(&target.name),
                target.account_id.as_deref().map(code).unwrap_or_default(),
                text(&target.why),
            ]
        }),
    );
    if !trace.unknown.is_empty() {
        out.push_str("\n### Not known\n\n");
        for one in &trace.unknown {
            out.push_str(&format!("- {}: {}\n", text(&one.what), text(&one.why)));
        }
    }
    out
}

fn section(
    out: &mut String,
    heading: &str,
    columns: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
) {
    let rows: Vec<_> = rows.collect();
    if !rows.is_empty() {
        out.push_str(&format!("\n### {heading}\n\n{}", table(columns, &rows)));
    }
}
