//! What holds in every store, wherever it is.

use super::{Key, Owner};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::journal::{Entry, Event, Journal};
use crate::state::{RunEnd, State};
use crate::text::{count, operand, shell, shown};
use std::cmp::Reverse;

/// A file that rules over a store: its name and its bytes; `None` where it is not there.
pub type RuleFile = Option<(String, Vec<u8>)>;

/// The files in the location that rule over it (D5).
pub(super) const RULES: [&str; 2] = ["policy.toml", "allowed_signers"];

/// Whether it has no character that leads out of a run's folder (D2.14).
pub(super) fn is_run_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

pub(super) fn check_run_id(run: &str) -> Result<()> {
    if is_run_id(run) {
        return Ok(());
    }
    Err(Error::failed(format!("`{}` is no run ID", shown(run)))
        .because("expected 1 to 64 letters, digits or hyphens, such as 20261121T031240Z-7c41e09a")
        .hint("see which runs there are: ringfence state history"))
}

/// The error for a run that is there already.
pub(super) fn run_exists(run: &str, place: &str) -> Error {
    Error::stale(format!("the run `{run}` exists already"))
        .because(format!("`{place}` is there"))
        .hint(format!("see what it did: ringfence show {run}"))
}

/// The error for a run's file that is not there.
pub(super) fn no_file(place: &str, run: &str) -> Error {
    Error::failed(format!("there is no `{place}`"))
        .because(format!(
            "the run `{run}` was never there, was cut off as it began, or was removed"
        ))
        .hint("see which runs there are: ringfence state history")
}

/// Checks that a state is of the principal in whose place it stands.
pub(super) fn check_owner(key: &Key, state: &State, place: &str) -> Result<()> {
    let principal = &state.principal;
    if state.account_id == key.account && principal.kind == key.kind && principal.id == key.id {
        return Ok(());
    }
    Err(Error::failed(format!("the state `{place}` is of another principal"))
        .because(format!(
            "it is of {} {} in account {}, its place is for {} {} in account {}",
            principal.kind, principal.id, state.account_id, key.kind, key.id, key.account
        ))
        .hint(
            "put it back where it belongs: ACCOUNT/user/PRINCIPAL_ID/state.json, or ACCOUNT/role/…",
        ))
}

/// The error for a state of which one part denies another.
pub(super) fn contradicts_itself(state: &State, why: &str) -> Error {
    let id = shell(state.principal.id.as_str()).into_owned();
    let error = Error::failed(format!("the state of {} contradicts itself", state.principal.who()))
        .because(why)
        .detail("it is not as ringfence has written it");
    let error = match state.runs.last() {
        Some(run) => {
            error.hint(format!("ringfence show {} shows what was contained", shell(&run.id)))
        }
        None => error,
    };
    error.hint(format!(
        "ringfence state rm {id} --auto-approve moves it aside, then ringfence state import PLAN rebuilds it from the run's plan and what can be read back"
    ))
}

/// Whether a state may take the place of the one that is there.
pub(super) fn follows(there: &State, state: &State, place: &str) -> Result<()> {
    if state.lineage == there.lineage && state.serial <= there.serial {
        return Err(moved_on(
            place,
            format!("it has serial {}, what was to be written has {}", there.serial, state.serial),
        ));
    }
    // A baseline may only go with a containment that its successor names (D5).
    if state.lineage != there.lineage && state.previous_lineage.as_ref() != Some(&there.lineage) {
        return Err(moved_on(
            place,
            format!(
                "it is of lineage {}, and what was to be written, of lineage {}, does not follow on it",
                there.lineage, state.lineage
            ),
        ));
    }
    Ok(())
}

/// The error for a state that is not the one that was to be replaced.
pub(super) fn moved_on(place: &str, cause: String) -> Error {
    Error::stale(format!("the state `{place}` has moved on"))
        .because(cause)
        .detail("it was not overwritten")
        .hint("see what it says now: ringfence state show; then plan again")
}

/// The error for a journal that is not the one that the run ended with (D5).
pub(super) fn wrong_end(journal: &Journal, end: &RunEnd, place: &str) -> Option<Error> {
    let wrong = if journal.len() != end.journal_entries {
        let recorded = usize::try_from(end.journal_entries).unwrap_or(usize::MAX);
        format!(
            "the state records {}, the journal has {}",
            count(recorded, "entry", "entries"),
            journal.len()
        )
    } else if journal.head() != end.journal_head {
        format!(
            "the state records the head {}, the journal has {}",
            end.journal_head,
            journal.head()
        )
    } else {
        return None;
    };
    Some(
        Error::failed(format!("the journal `{place}` is not the one that the run ended with"))
            .because(wrong)
            .hint(
                "keep it and the state, and compare with the head that the run printed at its end",
            ),
    )
}

/// The states of a user or role, by name in any letter case (F34) or by principal ID, the latest run first. A name
/// can have belonged to several principals (F27).
///
/// # Errors
/// If a state that may be the one meant cannot be read: that of the principal ID, or, where no other has the
/// name, any.
pub(super) fn pick(states: Vec<(Key, Result<State>)>, user: &str) -> Result<Vec<(Key, State)>> {
    let mut found = Vec::new();
    let mut unread = None;
    for (key, state) in states {
        let named = key.id.as_str() == user;
        match state {
            Ok(state) if named || state.principal.name.same_user(user) => found.push((key, state)),
            Ok(_) => {}
            Err(error) if named => return Err(error),
            Err(error) => unread = unread.or(Some(error)),
        }
    }
    if let (true, Some(error)) = (found.is_empty(), unread) {
        return Err(
            error.detail(format!("no other state is of `{}`; this one may be", shown(user)))
        );
    }
    found.sort_by_key(|(_, state)| Reverse(state.runs.last().map(|run| run.started_at)));
    Ok(found)
}

/// The error for a lock that another holds. The principal's name is for the reader only; without a readable state
/// the ID has to do.
pub(super) fn locked(key: &Key, state: Option<&State>, holder: Result<Option<Owner>>) -> Error {
    let user = name(key, state);
    let error = Error::new(Exit::Locked, format!("the state of {} `{user}` is locked", key.kind));
    match holder {
        Ok(Some(owner)) => error.because(owner.words()),
        Ok(None) => error.because("another run held it a moment ago"),
        Err(unknown) => error.because(unknown.cause().unwrap_or(unknown.message())),
    }
}

fn name(key: &Key, state: Option<&State>) -> String {
    state.map_or_else(|| key.id.to_string(), |state| state.principal.name.to_string())
}

pub(super) fn wait_or_unlock(error: Error, key: &Key, state: Option<&State>) -> Error {
    let user = name(key, state);
    error.hint("wait for it: --lock-timeout 5m").hint(format!(
        "see whether its process still lives: ringfence state unlock {}",
        operand(&user)
    ))
}

/// Whoever goes on from what the store has, or breaks the lock, knows nothing of what is in the folder.
#[cfg(feature = "s3")]
pub(super) fn taken_back(error: Error, folder: &std::path::Path, store: &str) -> Error {
    let folder = folder.display().to_string();
    error.detail(format!("the record of its run goes on in `{}`", shown(&folder))).hint(format!(
        "take it back: ringfence state push {} --state {}",
        shell(&folder),
        shell(store)
    ))
}

/// The error for a run whose plan is another one in each of two stores.
pub(super) fn other_plan(run: &str, place: &str) -> Error {
    Error::stale(format!("run {run} has another plan in each store"))
        .because(format!("`{place}` is not the one that was to be written"))
        .hint("keep both stores: one of the two is not the record of what was done")
}

/// What has to follow on the lines of a journal that are there.
pub(super) fn new_lines<'l>(
    run: &str,
    place: &str,
    there: &[u8],
    lines: &'l [u8],
) -> Result<&'l [u8]> {
    lines.strip_prefix(there).ok_or_else(|| {
        let (ours, theirs) = (entries(lines), entries(there));
        let last = there.split_inclusive(|byte| *byte == b'\n').next_back();
        let cause = match last.and_then(tombstone_words) {
            Some(words) => format!("the lock of that run was broken: {words}"),
            None if there.starts_with(lines) => {
                format!("it has {theirs} entries, the other {ours}: it would be cut short")
            }
            None => format!("both go on otherwise; it has {theirs} entries, the other {ours}"),
        };
        Error::stale(format!("the journal `{place}` does not begin the one to be written"))
            .because(cause)
            .detail(format!("run {run} is not the same in both stores; nothing of it was written"))
            .hint(format!("compare them: ringfence show {run} --state LOCATION, for each store"))
    })
}

/// Who has broken the lock of a run, and when, if this line of its journal says so.
pub(super) fn tombstone_words(line: &[u8]) -> Option<String> {
    let entry: Entry = serde_json::from_slice(line).ok()?;
    match entry.event {
        Event::LockBroken { by } => Some(format!("{} broke it at {}", shown(&by), entry.at)),
        _ => None,
    }
}

/// How many lines there are.
pub(super) fn entries(lines: &[u8]) -> u64 {
    lines.iter().filter(|byte| **byte == b'\n').count() as u64
}
