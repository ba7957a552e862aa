//! Taking the record of a principal from one store to another, whole: what `state push` and `state pull` do.
//!
//! A record only goes forward: what is there must be the beginning of what is to be written.

use super::common::{follows, moved_on};
use super::{Key, Locked, Store};
use crate::error::{Error, Result};
use crate::journal::Journal;
use crate::state::State;

/// What was copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// The serial of the state; `None` if there was none to copy.
    pub serial: Option<u64>,
    /// Whether the state was written; it was there already otherwise.
    pub state: bool,
    /// How many runs there are.
    pub runs: usize,
    /// How many entries of their journals are new.
    pub entries: u64,
}

/// A run to be copied.
struct Run {
    id: String,
    plan: Option<Vec<u8>>,
    lines: Vec<u8>,
}

/// Copies a principal's plans, journals and state, in this order, so that a copy that was cut off is no state
/// whose journals are missing. Everything is compared before anything is written.
///
/// # Errors
/// If the source is not whole, or has nothing of the principal; if what is there is newer, of another lineage
/// that the source does not follow on, or goes on otherwise; if something cannot be read or written.
pub async fn copy(from: &Store, to: &Store, locked: &mut Locked) -> Result<Copied> {
    let key = locked.key().clone();
    let state = from.stored(&key).await?;
    if let Some(state) = &state {
        verify(from, to, &key, state).await?;
    }
    let runs = runs(from, &key).await?;
    if state.is_none() && runs.is_empty() {
        return Err(Error::failed(format!("`{}` has nothing of {key}", from.location()))
            .hint("see what it has: ringfence state list --state LOCATION"));
    }
    let there = locked.stored().await?;
    let place = format!("{}/{key}/state.json", to.location());
    if let (Some(there), Some(state)) = (&there, &state) {
        may_replace(there, state, &place)?;
    }
    if let (Some(there), None) = (&there, &state) {
        return Err(moved_on(
            &place,
            format!("it has serial {}, and the other store has no state", there.serial),
        ));
    }
    let runs_there = to.runs(&key).await?;
    for run in runs.iter().filter(|run| runs_there.contains(&run.id)) {
        let (_, lines) = to.run_bytes(&key, &run.id).await?;
        super::common::new_lines(&run.id, &to.location(), &lines, &run.lines)?;
    }

    let mut copied = Copied {
        serial: state.as_ref().map(|state| state.serial),
        state: false,
        runs: runs.len(),
        entries: 0,
    };
    for run in &runs {
        copied.entries += locked.adopt_run(&run.id, run.plan.as_deref(), &run.lines).await?;
    }
    if let Some(state) = &state
        && there.as_ref() != Some(state)
    {
        locked.save(state).await?;
        copied.state = true;
    }
    Ok(copied)
}

/// What was moved away in mid-run has its own run, and perhaps not the earlier ones: the store that it was moved
/// away from has these.
async fn verify(from: &Store, to: &Store, key: &Key, state: &State) -> Result<()> {
    let (here, there) = (from.runs(key).await?, to.runs(key).await?);
    let (elsewhere, own) = state
        .runs
        .iter()
        .cloned()
        .partition(|run| !here.contains(&run.id) && there.contains(&run.id));
    from.verify_journals(key, &State { runs: own, ..state.clone() }).await?;
    to.verify_journals(key, &State { runs: elsewhere, ..state.clone() }).await?;
    // The plan that bears a state out may be of an earlier run as well.
    if to.consistent(key, state).await.is_ok() { Ok(()) } else { from.consistent(key, state).await }
}

async fn runs(from: &Store, key: &Key) -> Result<Vec<Run>> {
    let mut runs = Vec::new();
    for id in from.runs(key).await? {
        let (plan, lines) = from.run_bytes(key, &id).await?;
        Journal::parse(&lines, &format!("{}/{key}/runs/{id}", from.location()))?;
        runs.push(Run { id, plan, lines });
    }
    Ok(runs)
}

/// Whether a state may take the place of the one in another store: it is the same, or has it as its past.
fn may_replace(there: &State, state: &State, place: &str) -> Result<()> {
    if there == state {
        return Ok(());
    }
    follows(there, state, place)?;
    // Both may have gone on from the same serial, and the one that went further is not the other's future. A new
    // lineage keeps the runs of the one that it follows.
    let same =
        there.runs.iter().zip(&state.runs).all(|(there, ours)| {
            there.id == ours.id && (there.end == ours.end || there.end.is_none())
        });
    if same && there.runs.len() <= state.runs.len() {
        return Ok(());
    }
    let last = there.runs.last().map_or("none", |run| run.id.as_str());
    Err(moved_on(
        place,
        format!(
            "its runs, the last of them {last}, are not those that serial {} was made by",
            state.serial
        ),
    ))
}
