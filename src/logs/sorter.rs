//! Sorts more than fits into memory: entries of one size, in runs in a temporary file, merged when read.

use super::spool::{full, temporary};
use crate::error::Result;
use std::cmp::Ordering;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// What all runs together are read through.
const BUFFERS: usize = 8 << 20;

/// Entries that are sorted; equal ones are kept once.
#[derive(Debug)]
pub(super) struct Sorter<const N: usize> {
    entries: Vec<[u8; N]>,
    limit: usize,
    file: Option<File>,
    /// Where each run begins in the file, and its entries.
    runs: Vec<(u64, usize)>,
    end: u64,
}

impl<const N: usize> Sorter<N> {
    pub(super) fn new(limit: usize) -> Self {
        Self { entries: Vec::new(), limit: limit.max(2), file: None, runs: Vec::new(), end: 0 }
    }

    pub(super) fn push(&mut self, entry: [u8; N]) -> Result<()> {
        if self.entries.len() >= self.limit {
            self.settle();
            // Where much is alike, sorting alone makes room.
            if self.entries.len() > self.limit / 2 {
                self.spill()?;
            }
        }
        self.entries.push(entry);
        Ok(())
    }

    fn settle(&mut self) {
        self.entries.sort_unstable_by(|a, b| first(a).cmp(&first(b)).then_with(|| a.cmp(b)));
        self.entries.dedup();
    }

    fn spill(&mut self) -> Result<()> {
        let file = match self.file.take() {
            Some(file) => file,
            None => temporary()?,
        };
        let bytes = self.entries.as_flattened();
        file.write_all_at(bytes, self.end).map_err(|error| full(&error))?;
        self.runs.push((self.end, self.entries.len()));
        self.end += bytes.len() as u64;
        self.entries.clear();
        self.file = Some(file);
        Ok(())
    }

    /// Nothing more is pushed.
    pub(super) fn close(&mut self) {
        self.settle();
    }

    fn runs(&self, buffer: usize) -> Vec<Run<'_, N>> {
        let mut runs: Vec<_> = self
            .runs
            .iter()
            .filter_map(|(at, entries)| {
                let file = self.file.as_ref()?;
                Some(Run::File {
                    file,
                    at: *at,
                    left: *entries,
                    buffer: Vec::new(),
                    next: 0,
                    size: buffer,
                })
            })
            .collect();
        runs.push(Run::Memory(self.entries.iter()));
        runs
    }
}

/// An entry's first sixteen bytes as a number, which is compared sooner than bytes are; the order is theirs.
fn first<const N: usize>(entry: &[u8; N]) -> u128 {
    entry.first_chunk().map_or(0, |bytes| u128::from_be_bytes(*bytes))
}

/// Every entry of several sorters, in order, each once and with the place of its sorter, until `take` says stop.
pub(super) fn merge<const N: usize>(
    sorters: &[Sorter<N>],
    take: impl FnMut(&[u8; N], usize) -> Result<bool>,
) -> Result<()> {
    merge_where(sorters, |_| true, take)
}

/// The same, of the entries that are wanted.
pub(super) fn merge_where<const N: usize>(
    sorters: &[Sorter<N>],
    mut wanted: impl FnMut(&[u8; N]) -> bool,
    mut take: impl FnMut(&[u8; N], usize) -> Result<bool>,
) -> Result<()> {
    let count: usize = sorters.iter().map(|sorter| sorter.runs.len()).sum();
    let buffer = (BUFFERS / count.max(1) / N).clamp(16, 1 << 16);
    let mut heads = Vec::new();
    for (owner, sorter) in sorters.iter().enumerate() {
        for run in sorter.runs(buffer) {
            heads.extend(Head::of(run, owner, &mut wanted)?);
        }
    }
    // The least is the last. Of a few runs, putting one back in its place is less than keeping a heap.
    heads.sort_unstable_by(|a, b| b.order(a));
    let mut last = None;
    while let Some((head, others)) = heads.split_last_mut() {
        let (entry, owner) = (head.entry, head.owner);
        if !head.next(&mut wanted)? {
            heads.pop();
        } else if others.last().is_some_and(|other| other.order(head).is_lt()) {
            let place = others.partition_point(|other| other.order(head).is_gt());
            heads.get_mut(place..).unwrap_or_default().rotate_right(1);
        }
        if last != Some(entry) {
            last = Some(entry);
            if !take(&entry, owner)? {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The next entry of a run.
struct Head<'a, const N: usize> {
    first: u128,
    entry: [u8; N],
    owner: usize,
    run: Box<Run<'a, N>>,
}

impl<'a, const N: usize> Head<'a, N> {
    fn of(
        run: Run<'a, N>,
        owner: usize,
        wanted: &mut impl FnMut(&[u8; N]) -> bool,
    ) -> Result<Option<Self>> {
        let mut head = Self { first: 0, entry: [0; N], owner, run: Box::new(run) };
        Ok(head.next(wanted)?.then_some(head))
    }

    /// Goes on to the next entry that is wanted; whether there is one.
    fn next(&mut self, wanted: &mut impl FnMut(&[u8; N]) -> bool) -> Result<bool> {
        while let Some(entry) = self.run.next()? {
            if wanted(&entry) {
                (self.first, self.entry) = (first(&entry), entry);
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn order(&self, other: &Self) -> Ordering {
        let whole = || self.entry.cmp(&other.entry).then_with(|| self.owner.cmp(&other.owner));
        self.first.cmp(&other.first).then_with(whole)
    }
}

enum Run<'a, const N: usize> {
    Memory(std::slice::Iter<'a, [u8; N]>),
    File { file: &'a File, at: u64, left: usize, buffer: Vec<[u8; N]>, next: usize, size: usize },
}

impl<const N: usize> Run<'_, N> {
    fn next(&mut self) -> Result<Option<[u8; N]>> {
        match self {
            Self::Memory(entries) => Ok(entries.next().copied()),
            Self::File { file, at, left, buffer, next, size } => {
                if *next >= buffer.len() {
                    let entries = (*left).min(*size);
                    buffer.resize(entries, [0; N]);
                    file.read_exact_at(buffer.as_flattened_mut(), *at)
                        .map_err(|error| full(&error))?;
                    *at += (entries * N) as u64;
                    *left -= entries;
                    *next = 0;
                }
                let entry = buffer.get(*next).copied();
                *next += 1;
                Ok(entry)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(limit: usize, numbers: &[u32]) -> Vec<u32> {
        let (mut a, mut b) = (Sorter::<4>::new(limit), Sorter::<4>::new(limit * 3));
        for (place, number) in numbers.iter().enumerate() {
            let sorter = if place % 3 == 0 { &mut b } else { &mut a };
            sorter.push(number.to_be_bytes()).unwrap();
        }
        a.close();
        b.close();
        let mut found = Vec::new();
        merge(&[a, b], |entry, _| {
            found.push(u32::from_be_bytes(*entry));
            Ok(true)
        })
        .unwrap();
        found
    }

    #[test]
    fn whatever_the_limit_the_order_is_the_same_and_nothing_is_there_twice() {
        let numbers: Vec<u32> =
            (0..3000_u32).map(|n| n.wrapping_mul(2_654_435_761) >> 20).collect();
        let mut expected = numbers.clone();
        expected.sort_unstable();
        expected.dedup();
        for limit in [1, 2, 50, 100_000] {
            assert_eq!(sorted(limit, &numbers), expected, "limit {limit}");
        }
        assert_eq!(sorted(2, &[]), [0; 0]);
        assert_eq!(sorted(2, &[7; 100]), [7]);
    }
}
