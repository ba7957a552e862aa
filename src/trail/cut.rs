//! The short way to an event that is written as nearly all are: it ends where the next one opens with the same key,
//! or with its line, and sonic-rs reads it. What the short way does not take is read the long way, with the same
//! outcome for whatever it takes.

use super::event::{Event, Record};
use memchr::memmem::Finder;
use memchr::{memchr, memmem};

/// Events are mostly of one or two thousand bytes; larger ones go the long way.
const LONGEST: usize = 1 << 16;

/// As far in, an event's first key ends.
const KEY: usize = 64;

/// As many objects and arrays in one event go the short way at most: each that is inside another takes some hundred
/// bytes of the stack.
const OPENINGS: usize = 1 << 11;

/// Of so many bytes they need not be counted.
const SHORT: usize = OPENINGS;

/// After so many misses in a row, a file is not of this kind.
const MISSES: u32 = 16;

/// Where an event ends at the latest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    /// Before the next one of its array.
    Next,
    /// With the line.
    Line,
}

/// Cuts events out of a window.
pub(super) struct Cutter<'w> {
    window: &'w [u8],
    last: bool,
    /// The event's beginning, up to its first value.
    opening: Option<Finder<'static>>,
    misses: u32,
    record: Record<'w>,
}

impl<'w> Cutter<'w> {
    pub(super) fn new(window: &'w [u8], last: bool) -> Self {
        Self { window, last, opening: None, misses: 0, record: Record::default() }
    }

    /// The event that begins here, with its JSON.
    pub(super) fn event(&mut self, at: usize, ends: Ends) -> Option<(&Event<'w>, &'w str)> {
        if self.misses >= MISSES {
            return None;
        }
        let raw = self.cut(at, ends).filter(|raw| is_plain(raw) && self.record.reads(raw));
        self.misses = if raw.is_some() { 0 } else { self.misses + 1 };
        raw.map(|raw| (&self.record.event, raw))
    }

    fn cut(&mut self, at: usize, ends: Ends) -> Option<&'w str> {
        let rest = self.window.get(at..)?;
        let near = rest.get(..LONGEST).unwrap_or(rest);
        let end = match ends {
            Ends::Line => match memchr(b'\n', near) {
                Some(end) => end,
                None if self.last && near.len() == rest.len() => rest.len(),
                None => return None,
            },
            Ends::Next => 1 + self.opening(near)?.find(near.get(1..)?)?,
        };
        let raw = near.get(..end)?;
        let blank = |byte: &u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t' | b',');
        let length = raw.iter().rposition(|byte| !blank(byte))? + 1;
        std::str::from_utf8(raw.get(..length)?).ok()
    }

    fn opening(&mut self, near: &[u8]) -> Option<&Finder<'static>> {
        let same = self.opening.as_ref().is_some_and(|opening| near.starts_with(opening.needle()));
        if !same {
            let colon = memchr(b':', near.get(..KEY).unwrap_or(near))?;
            self.opening = Some(Finder::new(near.get(..=colon)?).into_owned());
        }
        self.opening.as_ref()
    }
}

/// Whether sonic-rs reads a text as serde_json does. It passes over `\u` in what it skips without looking at the
/// digits, and calls itself for each object in another.
fn is_plain(raw: &str) -> bool {
    let bytes = raw.as_bytes();
    let coded = memchr(b'\\', bytes).is_some() && memmem::find(bytes, b"\\u").is_some();
    !coded && (bytes.len() <= SHORT || openings(bytes) <= OPENINGS)
}

/// How many objects and arrays there are at most.
fn openings(bytes: &[u8]) -> usize {
    // `{` and `[` differ in one bit. A sum that fits into a byte is counted sixteen at a time.
    let opens = |byte: &u8| u8::from(byte | 0x20 == b'{');
    bytes.chunks(255).map(|chunk| usize::from(chunk.iter().map(opens).sum::<u8>())).sum()
}
