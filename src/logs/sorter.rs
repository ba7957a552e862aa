//! Sorts more than fits into memory: entries of one size, in runs in a temporary file, merged when read.

use super::spool::{full, temporary};
use crate::error::Result;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
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
    mut take: impl FnMut(&[u8; N], usize) -> Result<bool>,
) -> Result<()> {
    let count: usize = sorters.iter().map(|sorter| sorter.runs.len()).sum();
    let buffer = (BUFFERS / count.max(1) / N).clamp(16, 1 << 16);
    let numbered = sorters.iter().enumerate();
    let (owners, mut runs): (Vec<usize>, Vec<Run<'_, N>>) = numbered
        .flat_map(|(owner, sorter)| sorter.runs(buffer).into_iter().map(move |run| (owner, run)))
        .unzip();
    let mut heap = BinaryHeap::with_capacity(runs.len());
    for (place, run) in runs.iter_mut().enumerate() {
        if let Some(entry) = run.next()? {
            heap.push(Reverse((first(&entry), entry, place)));
        }
    }
    let mut last = None;
    while let Some(mut top) = heap.peek_mut() {
        let Reverse((_, entry, place)) = *top;
        match runs.get_mut(place).map(Run::next).transpose()?.flatten() {
            Some(next) => *top = Reverse((first(&next), next, place)),
            None => drop(std::collections::binary_heap::PeekMut::pop(top)),
        }
        if last.is_none_or(|last| first(&last) != first(&entry) || last != entry) {
            last = Some(entry);
            if !take(&entry, owners.get(place).copied().unwrap_or_default())? {
                return Ok(());
            }
        }
    }
    Ok(())
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
