//! One reading of all files that only counts: what principals were really used for.

use super::inflate::{Inflater, inside};
use super::supply::{Piece, Supply};
use super::{Access, Limits, Place, Progress, Reading, Source, list, nothing};
use crate::error::{Error, Result};
use crate::impact::Meter;
use crate::suggest::Ledger;
use crate::trail::{Event, Flaw, Sink, Tally, quick};
use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

/// How many events are remembered, so that a second delivery of one is not counted: some 64 MB. What comes
/// beyond is counted as often as it was delivered.
const REMEMBERED: usize = 4_000_000;

/// What counts the events of some principals.
pub trait Counter: Clone + Send {
    /// Whether an event is theirs.
    fn means(&self, event: &Event<'_>) -> bool;
    /// Notes when an event was that is not counted.
    fn pass_over(&mut self, event: &Event<'_>);
    /// Takes an event of theirs.
    fn see(&mut self, event: &Event<'_>);
    /// Takes what was counted elsewhere.
    fn merge(&mut self, other: Self);
}

/// A type counts by the methods that it has itself.
macro_rules! counts {
    ($($name:ident)+) => {$(
        impl Counter for $name {
            fn means(&self, event: &Event<'_>) -> bool {
                Self::means(self, event)
            }
            fn pass_over(&mut self, event: &Event<'_>) {
                Self::pass_over(self, event);
            }
            fn see(&mut self, event: &Event<'_>) {
                Self::see(self, event);
            }
            fn merge(&mut self, other: Self) {
                Self::merge(self, other);
            }
        }
    )+};
}

counts!(Meter Ledger);

/// What was counted.
#[derive(Debug)]
pub struct Measured<C> {
    /// The uses.
    pub counter: C,
    /// What could not be read.
    pub tally: Tally,
    /// The events that were read, whoever's.
    pub events: u64,
    /// Whether so many were the principals' that what was delivered twice may be counted twice.
    pub repeats: bool,
}

/// Reads all logs and counts what `empty` counts.
///
/// # Errors
/// If a place is not there or cannot be listed, or if there are no events at all.
pub async fn measure<C: Counter + 'static>(
    places: &[Place],
    empty: C,
    limits: &Limits,
    access: &Access,
    progress: &Arc<Progress>,
) -> Result<Measured<C>> {
    let (names, sources, mut tally) = list(places, limits, access).await?;
    let names = Arc::new(names);
    progress.files.store(names.len() as u64, Ordering::Relaxed);
    progress.bytes.store(names.bytes(), Ordering::Relaxed);
    let local: Vec<bool> = sources.iter().map(|source| matches!(source, Source::Files)).collect();
    let reading = Reading { names: Arc::clone(&names), sources, progress: Arc::clone(progress) };
    let (send, receive) = tokio::sync::mpsc::channel::<Piece>(reading.fetched_ahead());
    let (limits, progress) = (*limits, Arc::clone(progress));
    let threads = tokio::task::spawn_blocking(move || {
        read(&Supply::new(&names, &local, receive, &progress), &limits, &empty)
    });
    reading.feed(&|_| true, send).await?;
    let parts = threads
        .await
        .map_err(|error| Error::failed("reading the logs was cut off").because(error))?;
    let mut parts = parts.into_iter();
    let Some(mut whole) = parts.next() else { return Err(nothing(places, &tally)) };
    for part in parts {
        whole.counter.merge(part.counter);
        whole.tally.merge(part.tally);
        whole.events += part.events;
        whole.repeats |= part.repeats;
    }
    tally.merge(whole.tally);
    if whole.events == 0 {
        return Err(nothing(places, &tally));
    }
    Ok(Measured { tally, ..whole })
}

/// The marks of the events that were counted.
type Seen = Mutex<HashSet<(u64, u64)>>;

fn read<C: Counter>(supply: &Supply<'_>, limits: &Limits, empty: &C) -> Vec<Measured<C>> {
    let seen = Seen::default();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..limits.threads.max(1))
            .map(|_| {
                let (own, seen) = (empty.clone(), &seen);
                scope.spawn(|| Counting::new(seen, own).run(supply, Inflater::new(*limits)))
            })
            .collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    })
}

/// One thread at work.
struct Counting<'a, C> {
    seen: &'a Seen,
    counted: Measured<C>,
    order: u64,
    name: String,
}

impl<'a, C: Counter> Counting<'a, C> {
    fn new(seen: &'a Seen, counter: C) -> Self {
        let counted = Measured { counter, tally: Tally::default(), events: 0, repeats: false };
        Self { seen, counted, order: 0, name: String::new() }
    }

    fn run(mut self, supply: &Supply<'_>, mut inflater: Inflater) -> Measured<C> {
        while let Some(piece) = supply.next(|_| true) {
            (self.order, self.name) = (piece.order as u64, piece.name);
            supply.read(piece.content, &mut inflater, &mut self);
        }
        self.counted
    }

    /// Whether an event was counted before: some trails deliver each twice.
    fn is_repeated(&mut self, event: &Event<'_>, raw: &[u8]) -> bool {
        let mark = quick(event, raw);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= REMEMBERED {
            self.counted.repeats = true;
            return seen.contains(&(mark.id, mark.bytes));
        }
        !seen.insert((mark.id, mark.bytes))
    }
}

impl<C: Counter> Sink for Counting<'_, C> {
    fn event(&mut self, event: &Event<'_>, raw: &[u8]) {
        self.counted.events += 1;
        if !self.counted.counter.means(event) {
            self.counted.counter.pass_over(event);
        } else if !self.is_repeated(event, raw) {
            self.counted.counter.see(event);
        }
    }

    fn flaw(&mut self, flaw: Flaw, byte: u64, what: &str) {
        self.counted.tally.add(flaw, self.order, &self.name, byte, what);
    }

    fn inflate(&mut self, packed: &[u8]) -> Option<Vec<u8>> {
        inside(packed)
    }
}
