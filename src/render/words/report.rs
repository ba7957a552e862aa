//! The sentences of a report.

use super::{stamp, value};
use crate::incident::Stage;
use crate::journal::StepStatus;
use crate::plan::Kind;
use crate::report::{Part, Principal, Report, RunRecord, StepRecord, Was};
use crate::resource::Value;
use crate::state::{KeyStatus, Recovery};
use crate::text::{count, shown};
use crate::view::Standing;

/// A part of a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said<'a> {
    /// Words.
    Plain(&'a str),
    /// A name, which stood between backquotes.
    Name(&'a str),
}

/// A sentence, taken apart into words and the names between backquotes. A backquote within a word is one of
/// somebody's own, and stays.
pub(crate) fn said(sentence: &str) -> Vec<Said<'_>> {
    let mut found = Vec::new();
    let mut rest = sentence;
    let mut from = 0;
    while let Some(begin) = rest.get(from..).and_then(|ahead| ahead.find('`')).map(|at| from + at) {
        let (before, after) = rest.split_at(begin);
        match after.get(1..).and_then(name) {
            Some((name, after)) if !before.ends_with(char::is_alphanumeric) => {
                found.push(Said::Plain(before));
                found.push(Said::Name(name));
                (rest, from) = (after, 0);
            }
            _ => from = begin + 1,
        }
    }
    found.push(Said::Plain(rest));
    found.retain(|part| !matches!(part, Said::Plain("")));
    found
}

/// The name that a text begins with, up to the backquote that ends it, and what follows.
fn name(text: &str) -> Option<(&str, &str)> {
    let (name, after) = text.split_once('`')?;
    (!name.is_empty() && !after.starts_with(char::is_alphanumeric)).then_some((name, after))
}

/// The principals that the report leaves out, each with where it stands by its own record.
pub(crate) fn left_out(report: &Report) -> Option<String> {
    let each: Vec<String> = report
        .left_out
        .iter()
        .map(|one| {
            let stage = match one.stage {
                Stage::Assessed => "not known to be contained",
                stage => stage.word(),
            };
            format!("{} ({stage} by its own record)", one.who)
        })
        .collect();
    (!each.is_empty()).then(|| format!("This report leaves out {}.", each.join(", ")))
}

/// What a person has to know of the commands.
pub(crate) fn on_commands(report: &Report) -> String {
    let mut names: Vec<&str> =
        report.commands.iter().flat_map(|one| &one.placeholders).map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    let mut said = "As the record tells them: these do the same. The names of the plans' files, flags that changed \
                    nothing, and those that say how AWS and the store are reached are not recorded."
        .to_owned();
    if !names.is_empty() {
        let (is, path) = if names.len() == 1 { ("stands", "a path") } else { ("stand", "paths") };
        said.push_str(&format!(
            " {} {is} for {path} that the record does not have.",
            names.join(", ")
        ));
    }
    said
}

/// What a run is for, in a word.
pub(crate) const fn run_kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Contain => "contain",
        Kind::Release => "release",
        Kind::Recover => "recover",
    }
}

/// Where a step stands, after everything recorded.
pub(crate) const fn step_status(status: StepStatus) -> &'static str {
    match status {
        StepStatus::Planned => "not tried",
        StepStatus::Intended => "tried, and the outcome is not recorded",
        StepStatus::Repeated => "tried again, and the outcome is not recorded",
        StepStatus::Skipped => "skipped: it was so already",
        StepStatus::Done => "done, not read back",
        StepStatus::Open => "open",
        StepStatus::InDoubt => "in doubt",
        StepStatus::Stored => "stored",
        StepStatus::NotStored => "not stored",
    }
}

/// A resource with the value that a step gave it.
pub(crate) fn step_done(step: &StepRecord) -> String {
    let after = match &step.after {
        None => "removed".to_owned(),
        after => value(after.as_ref()),
    };
    format!("{}: {after}", shown(&step.resource.to_string()))
}

/// What the report is of.
pub(crate) fn title(report: &Report) -> String {
    match (&report.incident, report.principals.as_slice(), &report.trace) {
        // What is left out of it may have come less far.
        (Some(incident), [one], _) if !report.left_out.is_empty() => {
            format!("Containment of {}, of incident {}", one.who, shown(incident))
        }
        (Some(incident), many @ [_, ..], _) if !report.left_out.is_empty() => {
            format!(
                "Containment of {}, of incident {}",
                count(many.len(), "principal", "principals"),
                shown(incident)
            )
        }
        (Some(incident), ..) => format!("Incident {}", shown(incident)),
        (None, [one], _) => format!("Containment of {}", one.who),
        (None, [], Some(of)) => format!("Trace of {}", shown(&start(of))),
        (None, many, _) => {
            format!("Containment of {}", count(many.len(), "principal", "principals"))
        }
    }
}

/// What a trace began with.
pub(crate) fn start(of: &crate::report::TraceOf) -> String {
    let start = &of.trace.start;
    let all: Vec<&str> = start.access_keys.iter().chain(&start.users).map(String::as_str).collect();
    all.join(", ")
}

/// How it stands, in one sentence: what was read, or that it is the record alone (D2.13).
pub(crate) fn headline(report: &Report) -> String {
    match report.principals.as_slice() {
        [] => "Nothing was contained: there is no record of a run.".to_owned(),
        [one] => stands(one),
        many => {
            let n = many.len();
            let is =
                |wanted: Standing| many.iter().filter(|one| one.standing == Some(wanted)).count();
            let read = report.read_at.map(|at| format!(", as read at {}", stamp(at)));
            let read = read.unwrap_or_default();
            if is(Standing::Contained) == n {
                return format!("All {n} principals are contained{read}.");
            }
            if is(Standing::Released) == n {
                return format!("All {n} principals are released{read}.");
            }
            let each: Vec<String> =
                many.iter().map(|one| format!("{}: {}", one.who, standing_word(one))).collect();
            if report.read_at.is_none() {
                return format!("By the record alone, {}.", each.join("; "));
            }
            let one = is(Standing::Contained);
            format!("{one} of {n} principals {} contained{read}. {}.", are(one), each.join("; "))
        }
    }
}

const fn are(n: usize) -> &'static str {
    if n == 1 { "is" } else { "are" }
}

/// How a principal stands, in a few words.
pub(crate) fn standing_word(one: &Principal) -> String {
    match (one.standing, one.stage) {
        (Some(standing), _) => standing.words().to_owned(),
        (None, Stage::Released) => "released by the record".to_owned(),
        (None, Stage::Contained | Stage::Recovered) => "contained by the record".to_owned(),
        (None, Stage::Assessed) => "not known to be contained".to_owned(),
    }
}

/// How a principal stands, in one sentence.
pub(crate) fn stands(one: &Principal) -> String {
    let who = super::sentence(&one.who.to_string());
    let read = one.seen_at.map(|at| format!(", as read at {}", stamp(at))).unwrap_or_default();
    match one.standing {
        Some(Standing::Contained) => format!("{who} is contained{read}."),
        Some(Standing::NotContained) => format!("{who} is NOT contained{read}."),
        Some(Standing::Weakened) => {
            format!("The containment of {} is weakened{read}.", one.who)
        }
        Some(Standing::Partial) => format!("{who} is NOT contained completely{read}."),
        Some(Standing::Released) => format!("{who} is released{read}."),
        Some(Standing::ReleasedFenceUntil) => format!("{who} is released but for the fence{read}."),
        Some(Standing::Gone) => {
            format!("{who} is gone, or is another under the same name{read}.")
        }
        Some(Standing::Unknown) => {
            format!("How {} stands is not known: not all of it could be read{read}.", one.who)
        }
        None => recorded(one),
    }
}

/// The same where only the record is known.
fn recorded(one: &Principal) -> String {
    match (one.stage, one.released_at, one.last_seen_contained) {
        (Stage::Released, Some(at), _) => {
            format!("By the record alone, {} was released at {}.", one.who, stamp(at))
        }
        (Stage::Contained | Stage::Recovered, _, Some(at)) => {
            format!("By the record alone, {} was last seen contained at {}.", one.who, stamp(at))
        }
        (_, _, Some(at)) => format!(
            "By the record alone, {} is not known to be contained; it was last seen so at {}.",
            one.who,
            stamp(at)
        ),
        (_, _, None) => {
            format!("By the record alone, {} is not known to be contained.", one.who)
        }
    }
}

/// How what a run did to a principal was verified.
pub(crate) fn verified(part: &Part) -> String {
    let stored = |step: &&StepRecord| step.status == StepStatus::Stored;
    let (n, of) = (part.steps.iter().filter(stored).count(), part.steps.len());
    let Some(at) = part.read_back_at else {
        return "nothing was read back: what holds is not known from this run".to_owned();
    };
    let mut said =
        format!("{n} of {} read back as written at {}", count(of, "step", "steps"), stamp(at));
    if part.watched_s > 0 {
        said.push_str(&format!(", watched for {} s", part.watched_s));
        match (part.held_for_s, part.tampering.len()) {
            (0, 0) => {}
            (s, 0) => said.push_str(&format!(" and held for {s} s")),
            (s, n) => said.push_str(&format!(
                ", undone {} meanwhile, held for the last {s} s",
                count(n, "time", "times")
            )),
        }
    }
    said
}

/// The value before and after a step, where both fit on a line.
pub(crate) fn before_after(step: &StepRecord) -> (String, String) {
    (value(step.before.as_ref()), value(step.after.as_ref()))
}

/// Whether a step is about a policy document, whose change is shown line by line.
pub(crate) const fn has_document(step: &StepRecord) -> bool {
    matches!(
        (&step.before, &step.after),
        (Some(Value::Document(_)), _) | (_, Some(Value::Document(_)))
    )
}

/// Whether somebody should look at what became of a step.
pub(crate) const fn step_looks(step: &StepRecord) -> bool {
    !matches!(step.status, StepStatus::Stored | StepStatus::Done | StepStatus::Skipped)
}

/// Who approved a run, or that nobody had to.
pub(crate) fn approved(run: &RunRecord) -> Vec<String> {
    let mut said: Vec<String> = run
        .approvals
        .iter()
        .map(|one| format!("{}, {}", shown(&one.person), one.fingerprint))
        .collect();
    said.extend(run.break_glass.as_ref().map(|why| super::without_approval(why)));
    if said.is_empty() {
        said.push("no approval is recorded".to_owned());
    }
    said
}

/// The machine that a run was applied from.
pub(crate) fn applied_from(run: &RunRecord) -> String {
    let from = run.applied_from.as_ref().map(|host| format!("from {}", shown(host)));
    from.unwrap_or_default()
}

/// What a stretch of a lane says.
pub(crate) const fn was(was: Was) -> &'static str {
    match was {
        Was::Acting => "could act",
        Was::Stood => "as ringfence wrote it",
        Was::NotReadSince => "not read since",
    }
}

/// A key that a recovery has made, and where it went.
pub(crate) fn recovery(one: &Recovery) -> String {
    let key = one.access_key.as_ref().map_or_else(|| "not known".to_owned(), ToString::to_string);
    let stored = one.stored_in.as_ref().map(|place| format!(" in {}", shown(&place.to_string())));
    let status = match one.status {
        KeyStatus::InDoubt => "in doubt",
        KeyStatus::NotMade => "not made",
        KeyStatus::Made => "made, not known to be stored",
        KeyStatus::Stored => "stored",
        KeyStatus::Discarded => "deleted again, since it could not be stored",
    };
    let checked = match one.checked_at {
        Some(at) => format!(", checked {}", stamp(at)),
        None => ", not checked".to_owned(),
    };
    format!("{key}, {status}{}{checked}", stored.unwrap_or_default())
}
