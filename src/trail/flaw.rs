//! What could not be read: how often, and the first example. Nothing is passed over in silence.

use crate::text::shown;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Why something could not be read, or not all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Flaw {
    /// A file or object that could not be opened or read.
    Unreadable,
    /// Compressed bytes that are broken; what comes before is read.
    Compression,
    /// A file that ends in the middle of a value; what comes before is read.
    CutOff,
    /// Text that is no JSON; reading goes on behind it.
    NotJson,
    /// One value that is larger than is taken into memory.
    TooLarge,
    /// JSON that is no event, and no envelope of one.
    NotAnEvent,
    /// An event with bytes that are no UTF-8; they are replaced.
    NotUtf8,
    /// An event without a time, or with one in no form that is known; it counts, at no time.
    NoTime,
    /// An event that does not say who called; it counts, and nobody is charged with it.
    NoIdentity,
    /// An event of a principal of the account that does not say which key signed it.
    NoKey,
}

impl Flaw {
    /// Whether an event was read all the same.
    #[must_use]
    pub const fn is_read(self) -> bool {
        matches!(self, Self::NotUtf8 | Self::NoTime | Self::NoIdentity | Self::NoKey)
    }

    /// What it is, in the words of a report: one, or many.
    #[must_use]
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Unreadable => ("file that could not be read", "files that could not be read"),
            Self::Compression => ("file with broken compression", "files with broken compression"),
            Self::CutOff => ("file that is cut off", "files that are cut off"),
            Self::NotJson => ("piece that is no JSON", "pieces that are no JSON"),
            Self::TooLarge => ("value too large to read", "values too large to read"),
            Self::NotAnEvent => {
                ("value that is no CloudTrail event", "values that are no CloudTrail events")
            }
            Self::NotUtf8 => {
                ("event with bytes that are no UTF-8", "events with bytes that are no UTF-8")
            }
            Self::NoTime => ("event without a readable time", "events without a readable time"),
            Self::NoIdentity => ("event without an identity", "events without an identity"),
            Self::NoKey => ("event without an access key", "events without an access key"),
        }
    }
}

/// The first of a kind, in the order of the files and of the bytes in them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Example {
    /// The file or object.
    pub file: String,
    /// The byte in it, once decompressed.
    pub byte: u64,
    /// What is there, or why it could not be read.
    pub what: String,
}

/// The counts, by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// The count, the place of the first one's file among all, and the first.
    kinds: BTreeMap<Flaw, (u64, u64, Example)>,
}

impl Tally {
    /// Counts one, in the file that has this place among all.
    pub fn add(&mut self, flaw: Flaw, order: u64, file: &str, byte: u64, what: &str) {
        let example =
            || Example { file: shown(file).into_owned(), byte, what: shown(what).into_owned() };
        match self.kinds.get_mut(&flaw) {
            None => drop(self.kinds.insert(flaw, (1, order, example()))),
            Some((count, at, first)) => {
                *count += 1;
                if (order, byte) < (*at, first.byte) {
                    (*at, *first) = (order, example());
                }
            }
        }
    }

    /// Adds what another has counted.
    pub fn merge(&mut self, other: Self) {
        for (flaw, (count, order, example)) in other.kinds {
            match self.kinds.get_mut(&flaw) {
                None => drop(self.kinds.insert(flaw, (count, order, example))),
                Some((sum, at, first)) => {
                    *sum += count;
                    if (order, example.byte) < (*at, first.byte) {
                        (*at, *first) = (order, example);
                    }
                }
            }
        }
    }

    /// How often a kind was seen.
    #[must_use]
    pub fn count(&self, flaw: Flaw) -> u64 {
        self.kinds.get(&flaw).map_or(0, |(count, ..)| *count)
    }

    /// Every kind that was seen, with its count and first example.
    pub fn iter(&self) -> impl Iterator<Item = (Flaw, u64, &Example)> {
        self.kinds.iter().map(|(flaw, (count, _, example))| (*flaw, *count, example))
    }
}
