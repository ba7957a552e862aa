//! One reading of the files by all threads.

use super::Limits;
use super::Progress;
use super::filter::Filter;
use super::inflate::{Inflater, inside};
use super::known::{Copy, Known, Nodes};
use super::names::Names;
use super::result::{Gathered, Kept, TELLING};
use super::sorter::{Sorter, merge};
use super::spool::Spool;
use super::supply::{Piece, Supply};
use crate::error::{Error, Result};
use crate::trace::{Deed, Links, Question, Survey, sighted, sights};
use crate::trail::{self, Event, Flaw, Mark, Sink, Tally, quick};
use jiff::Timestamp;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc::Receiver;

/// A sight's key in an entry; longer ones are no keys of AWS.
pub(super) const KEY: usize = 48;

/// As many of the sights that it has kept a thread remembers, so as not to keep them again at once.
const RECENT: usize = 1 << 17;

/// What a reading is for.
enum Mode {
    /// Everything.
    First,
    /// The deeds that the first one passed over.
    Again,
    /// The contents of events that share their ID.
    Comparing {
        ids: Nodes,
        /// Whether the deeds are taken anew, told apart by their contents.
        deeds: bool,
    },
}

/// A reading, shared by the threads.
pub(super) struct Pass {
    question: Question,
    limits: Limits,
    mode: Mode,
    known: Known,
    filters: Vec<Filter>,
    /// The files that share a filter.
    together: usize,
    threads: Mutex<Vec<Thread>>,
    stop: AtomicBool,
}

/// What one thread has kept.
pub(super) struct Thread {
    survey: Survey,
    tally: Tally,
    marks: Sorter<16>,
    makes: Sorter<16>,
    sights: Sorter<64>,
    deeds: Sorter<36>,
    contents: Sorter<16>,
    spool: Spool,
    recent: Recent,
    links: Links,
    error: Option<Error>,
}

/// Numbers that were seen lately, each in the one place that it has; another with the same place takes it.
struct Recent(Vec<u64>);

impl Recent {
    /// Whether a number is not among them, and it is from now on.
    fn is_new(&mut self, number: u64) -> bool {
        let place = usize::try_from(number).unwrap_or(usize::MAX) % RECENT;
        self.0.get_mut(place).is_none_or(|known| std::mem::replace(known, number) != number)
    }
}

impl Thread {
    /// Sorts what it has kept: each thread its own, at the same time.
    fn close(&mut self) {
        self.marks.close();
        self.makes.close();
        self.sights.close();
        self.deeds.close();
        self.contents.close();
    }
}

/// Which files are read again.
#[derive(Clone, Debug)]
pub(super) struct Again {
    filters: Arc<HashSet<usize>>,
}

impl Again {
    /// Whether a file is one of them.
    pub(super) fn has(&self, pass: &Pass, order: usize) -> bool {
        self.filters.contains(&(order / pass.together))
    }
}

impl Pass {
    fn new(question: Question, limits: Limits, mode: Mode, known: Known, files: usize) -> Self {
        let together = files.div_ceil(limits.filters.max(1)).max(1);
        let filters = if matches!(mode, Mode::First) { files.div_ceil(together) } else { 0 };
        Self {
            question,
            limits,
            mode,
            known,
            filters: (0..filters).map(|_| Filter::default()).collect(),
            together,
            threads: Mutex::default(),
            stop: AtomicBool::new(false),
        }
    }

    /// The first reading.
    pub(super) fn first(question: Question, limits: Limits, files: usize) -> Self {
        let known = Known::new(question.starts().iter().map(crate::trace::Actor::node));
        Self::new(question, limits, Mode::First, known, files)
    }

    /// What the threads have kept.
    pub(super) fn take(pass: Arc<Self>) -> Result<Done> {
        let pass =
            Arc::into_inner(pass).ok_or_else(|| Error::failed("reading the logs was not ended"))?;
        let mut threads = pass.threads.into_inner().unwrap_or_else(PoisonError::into_inner);
        for thread in &mut threads {
            if let Some(error) = thread.error.take() {
                return Err(error);
            }
        }
        Ok(Done {
            threads,
            known: pass.known,
            filters: pass.filters,
            lineage: Arc::default(),
            unique: 0,
            compared: false,
            counted: Some(None),
        })
    }

    fn thread(&self) -> Thread {
        let entries = match self.mode {
            Mode::First => self.limits.entries,
            _ => self.limits.entries / 2,
        };
        Thread {
            survey: Survey::default(),
            tally: Tally::default(),
            marks: Sorter::new(entries),
            makes: Sorter::new(entries / 4),
            sights: Sorter::new(entries / 8),
            deeds: Sorter::new(entries / 4),
            contents: Sorter::new(entries),
            spool: Spool::new(self.limits.bytes),
            recent: Recent(vec![0; RECENT]),
            links: Links::default(),
            error: None,
        }
    }
}

/// What a reading has come to.
pub(super) struct Done {
    threads: Vec<Thread>,
    known: Known,
    filters: Vec<Filter>,
    /// All of it, once the links are followed.
    lineage: Arc<Vec<u64>>,
    unique: u64,
    /// Whether the deeds are told apart by their contents.
    compared: bool,
    /// Up to which ID the events are counted; `None` once all are.
    counted: Option<Option<u64>>,
}

impl Done {
    /// Which files have to be read again, because what turned out to be of the lineage was passed over there.
    pub(super) fn missed(&mut self) -> Result<Option<Again>> {
        let makes: Vec<Sorter<16>> = self
            .threads
            .iter_mut()
            .map(|thread| std::mem::replace(&mut thread.makes, Sorter::new(2)))
            .collect();
        let mut list = self.known.list();
        let mut all: Nodes = list.iter().copied().collect();
        loop {
            let before = list.len();
            merge(&makes, |entry, _| {
                let (parent, child) = numbers(entry);
                if all.contains(&parent) && all.insert(child) {
                    list.push(child);
                }
                Ok(true)
            })?;
            if list.len() == before {
                break;
            }
        }
        let late = |filter: &Filter| {
            let known = usize::try_from(filter.known.load(Ordering::Relaxed)).unwrap_or(usize::MAX);
            list.get(known.min(list.len())..)
                .unwrap_or_default()
                .iter()
                .any(|node| filter.may_have(*node))
        };
        let filters: HashSet<usize> = self
            .filters
            .iter()
            .enumerate()
            .filter(|(_, filter)| late(filter))
            .map(|(n, _)| n)
            .collect();
        self.lineage = Arc::new(list);
        Ok((!filters.is_empty()).then(|| Again { filters: Arc::new(filters) }))
    }

    /// The reading of those files.
    pub(super) fn again(&self, question: Question, limits: Limits, files: usize) -> Pass {
        Pass::new(question, limits, Mode::Again, self.whole_lineage(), files)
    }

    fn whole_lineage(&self) -> Known {
        Known::new(self.lineage.iter().copied())
    }

    /// Takes in the deeds of another reading.
    pub(super) fn join(&mut self, other: Self) {
        self.threads.extend(other.threads);
    }

    /// Counts the events, as far as that can be told by their bytes, and names the IDs that come with more than
    /// one content: at most so many at a time, empty once all are counted.
    pub(super) fn contested(&mut self, limit: usize) -> Result<Nodes> {
        let mut contested = Nodes::default();
        let Some(from) = self.counted else { return Ok(contested) };
        let marks: Vec<Sorter<16>> = self
            .threads
            .iter_mut()
            .map(|thread| std::mem::replace(&mut thread.marks, Sorter::new(2)))
            .collect();
        let (mut current, mut contents, mut unique) = (None, 0_u64, 0);
        let mut stopped = None;
        let mut end = |id: Option<u64>, contents: u64, unique: &mut u64| {
            match id {
                Some(id) if contents > 1 => {
                    contested.insert(id);
                }
                Some(_) => *unique += 1,
                None => {}
            }
            contested.len() >= limit
        };
        merge(&marks, |entry, _| {
            let (id, _) = numbers(entry);
            if from.is_some_and(|from| id <= from) {
                return Ok(true);
            }
            if current == Some(id) {
                contents += 1;
                return Ok(true);
            }
            if end(current, contents, &mut unique) {
                stopped = current;
                return Ok(false);
            }
            (current, contents) = (Some(id), 1);
            Ok(true)
        })?;
        if stopped.is_none() {
            end(current, contents, &mut unique);
        }
        self.unique += unique;
        self.counted = stopped.map(Some);
        for (thread, sorter) in self.threads.iter_mut().zip(marks) {
            thread.marks = sorter;
        }
        Ok(contested)
    }

    /// A reading that compares contents. The first of them takes the deeds anew: until then they are told apart by
    /// their bytes, which is as good while no two events share an ID.
    pub(super) fn comparing(&mut self, question: Question, limits: Limits, ids: Nodes) -> Pass {
        let deeds = !std::mem::replace(&mut self.compared, true);
        if deeds {
            for thread in &mut self.threads {
                (thread.deeds, thread.spool) = (Sorter::new(2), Spool::new(0));
            }
        }
        Pass::new(question, limits, Mode::Comparing { ids, deeds }, self.whole_lineage(), 0)
    }

    /// Counts the contents that another reading has told apart.
    pub(super) fn compared(&mut self, mut other: Self) -> Result<()> {
        let take = |thread: &mut Thread| std::mem::replace(&mut thread.contents, Sorter::new(2));
        let contents: Vec<_> = other.threads.iter_mut().map(take).collect();
        self.join(other);
        merge(&contents, |_, _| {
            self.unique += 1;
            Ok(true)
        })
    }

    /// Everything that was kept.
    pub(super) fn finish(self, mut tally: Tally, files: u64) -> Result<Gathered> {
        let mut survey = Survey::default();
        let mut kept = Kept::default();
        for thread in self.threads {
            survey.merge(thread.survey);
            tally.merge(thread.tally);
            kept.sights.push(thread.sights);
            kept.deeds.push(thread.deeds);
            kept.spools.push(thread.spool);
        }
        Ok(Gathered { survey, tally, unique: self.unique, files, kept })
    }
}

/// The two numbers of an entry.
fn numbers(entry: &[u8; 16]) -> (u64, u64) {
    let both = u128::from_be_bytes(*entry);
    let low = u64::try_from(both & u128::from(u64::MAX)).unwrap_or(u64::MAX);
    (u64::try_from(both >> 64).unwrap_or(u64::MAX), low)
}

/// Two numbers as an entry, in the order of the first.
fn entry(first: u64, second: u64) -> [u8; 16] {
    (u128::from(first) << 64 | u128::from(second)).to_be_bytes()
}

/// Lets all threads read until nothing is left.
pub(super) fn threads(
    pass: &Pass,
    names: &Names,
    local: &[bool],
    only: Option<&Again>,
    fetched: Receiver<Piece>,
    progress: &Progress,
) -> Result<()> {
    let supply = Supply::new(names, local, fetched, progress);
    std::thread::scope(|scope| {
        for _ in 0..pass.limits.threads.max(1) {
            let supply = &supply;
            scope.spawn(move || {
                let mut worker = Worker::new(pass);
                worker.run(supply, only);
                if worker.thread.error.is_some() {
                    pass.stop.store(true, Ordering::Relaxed);
                    supply.close();
                }
                worker.thread.close();
                pass.threads.lock().unwrap_or_else(PoisonError::into_inner).push(worker.thread);
            });
        }
    });
    Ok(())
}

/// One thread at work.
struct Worker<'a> {
    pass: &'a Pass,
    thread: Thread,
    known: Copy<'a>,
    inflater: Inflater,
}

impl<'a> Worker<'a> {
    fn new(pass: &'a Pass) -> Self {
        Self {
            pass,
            thread: pass.thread(),
            known: Copy::of(&pass.known),
            inflater: Inflater::new(pass.limits),
        }
    }

    fn goes_on(&self) -> bool {
        self.thread.error.is_none() && !self.pass.stop.load(Ordering::Relaxed)
    }

    fn run(&mut self, supply: &Supply<'_>, only: Option<&Again>) {
        let pass = self.pass;
        let wanted = |order| only.is_none_or(|only| only.has(pass, order));
        while self.goes_on()
            && let Some(piece) = supply.next(wanted)
        {
            self.known.catch_up();
            let filter = self.pass.filters.get(piece.order / self.pass.together);
            if let Some(filter) = filter {
                filter.known.fetch_min(self.known.length, Ordering::Relaxed);
            }
            let mut events = Events {
                pass: self.pass,
                thread: &mut self.thread,
                known: &mut self.known,
                filter,
                order: piece.order as u64,
                name: &piece.name,
            };
            supply.read(piece.content, &mut self.inflater, &mut events);
        }
    }
}

/// Takes the events of one file.
struct Events<'w, 'a> {
    pass: &'a Pass,
    thread: &'w mut Thread,
    known: &'w mut Copy<'a>,
    filter: Option<&'a Filter>,
    order: u64,
    name: &'w str,
}

impl Sink for Events<'_, '_> {
    fn event(&mut self, event: &Event<'_>, raw: &[u8]) {
        if self.thread.error.is_some() {
            return;
        }
        if let Err(error) = self.take(event, raw) {
            self.thread.error = Some(error);
        }
    }

    fn flaw(&mut self, flaw: Flaw, byte: u64, what: &str) {
        // Told once: another reading finds the same.
        if matches!(self.pass.mode, Mode::First) {
            self.thread.tally.add(flaw, self.order, self.name, byte, what);
        }
    }

    fn inflate(&mut self, packed: &[u8]) -> Option<Vec<u8>> {
        inside(packed)
    }
}

impl Events<'_, '_> {
    fn take(&mut self, event: &Event<'_>, raw: &[u8]) -> Result<()> {
        let mark = quick(event, raw);
        match &self.pass.mode {
            Mode::Comparing { ids, deeds } => {
                if ids.contains(&mark.id) {
                    self.thread.contents.push(entry(mark.id, trail::Content::of(raw).0))?;
                }
                if !deeds {
                    return Ok(());
                }
            }
            Mode::First => {
                self.thread.survey.add(event);
                self.thread.marks.push(entry(mark.id, mark.bytes))?;
                self.sights(event)?;
            }
            Mode::Again => {}
        }
        self.thread.links.read(event, &self.pass.question);
        let links = &self.thread.links;
        self.known.catch_up();
        for (parent, child) in &links.makes {
            if matches!(self.pass.mode, Mode::First) {
                self.thread.makes.push(entry(*parent, *child))?;
                self.known.link(*parent, *child);
            }
        }
        let mut wanted = false;
        for node in links.by.iter().chain(&links.about) {
            if self.known.has(*node) {
                wanted = true;
            } else if let Some(filter) = self.filter {
                filter.add(*node);
            }
        }
        if wanted { self.keep(event, raw, mark) } else { Ok(()) }
    }

    fn sights(&mut self, event: &Event<'_>) -> Result<()> {
        if !self.thread.recent.is_new(sighted(event)) {
            return Ok(());
        }
        let Some((key, owner, tags)) = sights(event).filter(|(key, ..)| key.len() <= KEY) else {
            return Ok(());
        };
        for tag in tags {
            let mut bytes = [0; 64];
            let (numbers, place) = bytes.split_at_mut(64 - KEY);
            numbers.copy_from_slice(&entry(tag, owner));
            if let Some(place) = place.get_mut(..key.len()) {
                place.copy_from_slice(key.as_bytes());
            }
            self.thread.sights.push(bytes)?;
        }
        Ok(())
    }

    fn keep(&mut self, event: &Event<'_>, raw: &[u8], mark: Mark) -> Result<()> {
        let deed = Deed::of(event, raw, &self.pass.question);
        let mut length = 0;
        let at = self.thread.spool.append(|bytes| {
            let before = bytes.len();
            deed.encode(bytes);
            length = bytes.len() - before;
        })?;
        let time = deed.time.map_or(i64::MIN, Timestamp::as_microsecond);
        let mut key = [0; 36];
        let (first, place) = key.split_at_mut(24);
        let (when, what) = first.split_at_mut(8);
        // The sign is turned so that the order of the bytes is that of the times.
        when.copy_from_slice(&(time.cast_unsigned() ^ (1 << 63)).to_be_bytes());
        let content = match self.pass.mode {
            Mode::Comparing { .. } => trail::Content::of(raw).0,
            Mode::First | Mode::Again => mark.bytes,
        };
        what.copy_from_slice(&entry(mark.id, content));
        let (offset, size) = place.split_at_mut(8);
        offset.copy_from_slice(&at.to_be_bytes());
        let length = u32::try_from(length).unwrap_or(u32::MAX) & !TELLING;
        let telling = if deed.is_telling() { TELLING } else { 0 };
        size.copy_from_slice(&(length | telling).to_be_bytes());
        self.thread.deeds.push(key)
    }
}
