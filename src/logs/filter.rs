//! Which credentials were passed over in some files: a Bloom filter for each few of them. It may say yes where it
//! is no, which costs a reading; it never says no where it is yes.

use std::sync::atomic::{AtomicU64, Ordering};

/// Words of a filter: 16 KiB.
const WORDS: usize = 2048;

/// One filter for the files that follow one another.
#[derive(Debug)]
pub(super) struct Filter {
    words: Box<[AtomicU64]>,
    /// How much of the lineage was known when its first file was begun.
    pub(super) known: AtomicU64,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            words: (0..WORDS).map(|_| AtomicU64::new(0)).collect(),
            known: AtomicU64::new(u64::MAX),
        }
    }
}

impl Filter {
    /// The four bits of a number that is a hash already: with five thousand keys in its files, one in two
    /// thousand others seems to be there.
    fn bits(&self, node: u64) -> [(Option<&AtomicU64>, u64); 4] {
        [0, 17, 34, 51].map(|turn| {
            let hash = node.rotate_left(turn);
            let place = usize::try_from(hash >> 6).unwrap_or(usize::MAX) % WORDS;
            (self.words.get(place), 1 << (hash & 63))
        })
    }

    pub(super) fn add(&self, node: u64) {
        for (word, bit) in self.bits(node) {
            if let Some(word) = word
                && word.load(Ordering::Relaxed) & bit == 0
            {
                word.fetch_or(bit, Ordering::Relaxed);
            }
        }
    }

    pub(super) fn may_have(&self, node: u64) -> bool {
        self.bits(node)
            .iter()
            .all(|(word, bit)| word.is_some_and(|word| word.load(Ordering::Relaxed) & bit != 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_there() {
        let filter = Filter::default();
        let nodes: Vec<u64> =
            (0..1000).map(|n| crate::trail::node("key", &format!("{n}"))).collect();
        nodes.iter().for_each(|node| filter.add(*node));
        assert!(nodes.iter().all(|node| filter.may_have(*node)));
        let others = (1000..3000).map(|n| crate::trail::node("key", &format!("{n}")));
        assert!(others.filter(|node| filter.may_have(*node)).count() < 20);
    }
}
