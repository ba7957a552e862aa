//! What a reading has kept, for the trace to go through.

use super::known::Nodes;
use super::pass::KEY;
use super::sorter::{Sorter, merge_where};
use super::spool::Spool;
use crate::error::{Error, Result};
use crate::trace::{self, Deed, Sight, Survey, Which};
use crate::trail::Tally;
use std::collections::HashSet;

/// Everything that was gathered.
#[derive(Debug)]
pub struct Gathered {
    /// What all the events say of the data.
    pub survey: Survey,
    /// What could not be read.
    pub tally: Tally,
    /// The events, each once.
    pub unique: u64,
    /// The files.
    pub files: u64,
    pub(super) kept: Kept,
}

/// The deeds and sights, sorted, partly on disk.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) deeds: Vec<Sorter<36>>,
    pub(super) spools: Vec<Spool>,
    pub(super) sights: Vec<Sorter<64>>,
}

impl Gathered {
    /// What was read, beside the deeds.
    #[must_use]
    pub fn reading(&self) -> trace::Reading<'_> {
        trace::Reading {
            survey: &self.survey,
            tally: &self.tally,
            unique: self.unique,
            files: self.files,
        }
    }
}

impl trace::Kept for Gathered {
    fn deeds(&self, which: Which, take: &mut dyn FnMut(&Deed<'_>)) -> Result<()> {
        let mut bytes = Vec::new();
        let mut last = None;
        let wanted = |entry: &[u8; 36]| which == Which::All || is_telling(entry);
        merge_where(&self.kept.deeds, wanted, |entry, owner| {
            let (mark, place) = entry.split_at(24);
            let mark = mark.first_chunk::<24>().copied();
            if last == mark {
                return Ok(true);
            }
            last = mark;
            let (at, length) = place.split_at(8);
            let at = u64::from_be_bytes(at.try_into().unwrap_or_default());
            let length = u32::from_be_bytes(length.try_into().unwrap_or_default()) & !TELLING;
            let damaged =
                || Error::failed("what was kept in a temporary file is not there any more");
            let spool = self.kept.spools.get(owner).ok_or_else(damaged)?;
            spool.read(at, length as usize, &mut bytes)?;
            take(&Deed::decode(&bytes).ok_or_else(damaged)?);
            Ok(true)
        })
    }

    fn sights(&self, tags: &HashSet<u64>, take: &mut dyn FnMut(&Sight)) -> Result<()> {
        if tags.is_empty() {
            return Ok(());
        }
        let tags: Nodes = tags.iter().copied().collect();
        let wanted = |entry: &[u8; 64]| tags.contains(&tag(entry));
        merge_where(&self.kept.sights, wanted, |entry, _| {
            let (numbers, key) = entry.split_at(64 - KEY);
            let (_, owner) = numbers.split_at(8);
            let owner = u64::from_be_bytes(owner.try_into().unwrap_or_default());
            let key = String::from_utf8_lossy(key);
            take(&Sight { tag: tag(entry), key: key.trim_end_matches('\0').to_owned(), owner });
            Ok(true)
        })
    }
}

/// The bit of a length, in the entry of a deed, that says whether the deed is telling.
pub(super) const TELLING: u32 = 1 << 31;

fn is_telling(entry: &[u8; 36]) -> bool {
    entry.last_chunk().is_some_and(|length| u32::from_be_bytes(*length) & TELLING != 0)
}

/// The tag that a sight's entry begins with.
fn tag(entry: &[u8; 64]) -> u64 {
    entry.first_chunk().map_or(0, |tag| u64::from_be_bytes(*tag))
}
