//! The lineage as far as it is known while the files are read: a list that only grows, which every thread keeps a
//! copy of and catches up with.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Numbers that are hashes already are not hashed again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

/// A set of such numbers.
pub(super) type Nodes = HashSet<u64, BuildHasherDefault<AsIs>>;

/// As many links are remembered whose maker is not known yet. What was made is mostly used to make more soon.
const PENDING: usize = 1 << 16;

/// What all threads know.
#[derive(Debug, Default)]
pub(super) struct Known {
    list: Mutex<Vec<u64>>,
    length: AtomicU64,
    pending: Mutex<Pending>,
}

/// Links of which the maker may become known, the oldest of them forgotten.
#[derive(Debug, Default)]
struct Pending {
    made: HashMap<u64, Vec<u64>, BuildHasherDefault<AsIs>>,
    makers: VecDeque<u64>,
}

impl Pending {
    fn add(&mut self, maker: u64, made: u64) {
        if self.makers.len() >= PENDING
            && let Some(oldest) = self.makers.pop_front()
        {
            self.made.remove(&oldest);
        }
        self.makers.push_back(maker);
        self.made.entry(maker).or_default().push(made);
    }
}

impl Known {
    pub(super) fn new(nodes: impl IntoIterator<Item = u64>) -> Self {
        let list: Vec<u64> = nodes.into_iter().collect();
        let length = AtomicU64::new(list.len() as u64);
        Self { list: Mutex::new(list), length, pending: Mutex::default() }
    }

    /// How much is known.
    pub(super) fn length(&self) -> u64 {
        self.length.load(Ordering::Acquire)
    }

    fn add(&self, node: u64) {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        list.push(node);
        self.length.store(list.len() as u64, Ordering::Release);
    }

    /// What is known, in the order in which it came to be.
    pub(super) fn list(&self) -> Vec<u64> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn since(&self, length: u64, take: impl FnMut(u64)) {
        let list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        let from = usize::try_from(length).unwrap_or(usize::MAX);
        list.get(from..).unwrap_or_default().iter().copied().for_each(take);
    }
}

/// What one thread knows.
#[derive(Debug)]
pub(super) struct Copy<'a> {
    all: &'a Known,
    own: Nodes,
    /// How much of what all know it has.
    pub(super) length: u64,
}

impl<'a> Copy<'a> {
    pub(super) fn of(all: &'a Known) -> Self {
        Self { all, own: Nodes::default(), length: 0 }
    }

    pub(super) fn catch_up(&mut self) {
        let length = self.all.length();
        if length != self.length {
            let own = &mut self.own;
            self.all.since(self.length, |node| {
                own.insert(node);
            });
            self.length = length;
        }
    }

    pub(super) fn has(&self, node: u64) -> bool {
        self.own.contains(&node)
    }

    /// Takes in that one makes another: what is made by one of the lineage is of it, now or once the maker is known
    /// to be, which another thread may be about to find.
    pub(super) fn link(&mut self, maker: u64, made: u64) {
        if !self.has(maker) {
            self.all.pending().add(maker, made);
            // Whoever adds the maker looks for what it has made afterwards, so that one of the two sees the other.
            self.catch_up();
        }
        if self.has(maker) {
            self.add(made);
        }
    }

    fn add(&mut self, node: u64) {
        let mut waiting = vec![node];
        while let Some(node) = waiting.pop() {
            if self.own.insert(node) {
                self.all.add(node);
                waiting.extend(self.all.pending().made.remove(&node).unwrap_or_default());
            }
        }
    }
}
