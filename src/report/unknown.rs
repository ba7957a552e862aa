//! What cannot be known, each with why.

use super::{Report, Source, plans};
use crate::journal::Event;
use crate::text::number;
use crate::trace::Unknown;

/// What is not known.
pub(super) fn all(source: &Source, report: &Report) -> Vec<Unknown> {
    let mut found = Vec::new();
    let mut add = |what: String, why: String| {
        let one = Unknown { what, why };
        if !found.contains(&one) {
            found.push(one);
        }
    };
    if let Some(why) = &report.not_read {
        add("how the principals stand now".to_owned(), why.clone());
    }
    for (whose, why) in &source.unreadable {
        add(format!("what was done to {whose}, and whether it belongs to this"), why.clone());
    }
    record(source, &mut add);
    readings(source, report, &mut add);
    if report.timeline.iter().any(|moment| moment.kind == super::MomentKind::Step) {
        // F29: what is stored is not what is enforced.
        add(
            "from which second on what was stored was enforced everywhere".to_owned(),
            "AWS usually enforces within seconds and allows minutes, and cannot be asked"
                .to_owned(),
        );
        add(
            "whether the record itself was changed by somebody who may write it".to_owned(),
            "its hashes show accidents; they show tampering only against a journal head that was kept elsewhere"
                .to_owned(),
        );
    }
    if report.timeline.iter().any(|moment| moment.kind == super::MomentKind::Tampering) {
        // F34: reading shows that it was done, and not when.
        add(
            "when others undid, changed or made what is listed as tampering".to_owned(),
            "it is found by reading: the time is when it was seen".to_owned(),
        );
    }
    traced(source, &mut add);
    found
}

/// What of the record is missing.
fn record(source: &Source, add: &mut impl FnMut(String, String)) {
    for one in &source.principals {
        let who = one.state.principal.who();
        for (run, recorded) in one.state.runs.iter().zip(&one.runs) {
            if let Err(why) = &recorded.plan {
                add(format!("what run {} was to do to {who}", run.id), why.clone());
            }
            match &recorded.journal {
                Err(why) => add(format!("what run {} did to {who}", run.id), why.clone()),
                Ok(journal) => {
                    if journal.torn() {
                        add(
                            format!(
                                "what the last line of the journal of run {} was to be",
                                run.id
                            ),
                            "it was torn; its call was never made".to_owned(),
                        );
                    }
                    unanswered(journal.entries().iter().map(|entry| &entry.event), &run.id, add);
                }
            }
        }
    }
}

fn unanswered<'a>(
    events: impl Iterator<Item = &'a Event>,
    run: &str,
    add: &mut impl FnMut(String, String),
) {
    use crate::journal::StepResult;
    for event in events {
        if let Event::Outcome { resource, result: StepResult::InDoubt, .. } = event {
            add(
                format!("when a call of run {run} about {resource} took effect, if it did"),
                "no answer came; what holds was read back afterwards".to_owned(),
            );
        }
    }
}

/// What could not be read, when it was planned and now.
fn readings(source: &Source, report: &Report, add: &mut impl FnMut(String, String)) {
    for part in plans(source).flat_map(|plan| &plan.principals) {
        for unread in &part.unread {
            let what = format!("{} of {}, when the plan was made", unread.what, part.who());
            add(what, format!("{}: {}", unread.action, unread.because));
        }
    }
    for one in &report.principals {
        for note in &one.notes {
            if let Some(unread) = note.strip_prefix("not read: ") {
                let what = format!("what {} had when it was read now", one.who);
                add(what, format!("not read: {unread}"));
            }
        }
    }
}

fn traced(source: &Source, add: &mut impl FnMut(String, String)) {
    let Some(of) = &source.trace else {
        add(
            "what the compromised credentials were used for, which sessions and roles were reached with them, and what was left behind"
                .to_owned(),
            "no trace was given: ringfence trace, then ringfence report --trace FILE".to_owned(),
        );
        return;
    };
    for one in &of.trace.unknown {
        add(one.what.clone(), one.why.clone());
    }
    for unread in &of.trace.unread {
        let (one, many) = unread.kind.words();
        add(
            format!("what {} would have shown", number(unread.count, one, many)),
            format!("the first is in {} at byte {}", unread.first.file, unread.first.byte),
        );
    }
}
