//! Gives a file's bytes to a reader, decompressed where they are compressed: in one go where they are small, in
//! windows where they are not.

use super::Limits;
use crate::trail::{Flaw, Reader, Sink};
use flate2::read::MultiGzDecoder;
use memchr::memmem;
use std::fs::File;
use std::io::Read;

const GZIP: &[u8] = &[0x1f, 0x8b];
/// A member begins like this; deflate is the only method there is.
const MEMBER: &[u8] = &[0x1f, 0x8b, 0x08];
/// Bits behind it that are none of a member's.
const RESERVED: u8 = 0xe0;

/// Forms that are told by their first bytes, and not read.
const OTHERS: &[(&[u8], &str)] = &[
    (&[0x28, 0xb5, 0x2f, 0xfd], "compressed with zstd, which is not read"),
    (&[0x50, 0x4b, 0x03, 0x04], "a ZIP archive, which is not read"),
    (b"BZh", "compressed with bzip2, which is not read"),
    (&[0xfd, b'7', b'z', b'X', b'Z'], "compressed with xz, which is not read"),
    (b"PAR1", "a Parquet file, which is not read"),
];

/// A window to begin with.
const WINDOW: usize = 1 << 20;

/// What an envelope inside may inflate to.
const INSIDE: u64 = 16 << 20;

/// What one thread reads with, used again for every file.
pub(super) struct Inflater {
    limits: Limits,
    packed: Vec<u8>,
    plain: Vec<u8>,
    decompressor: libdeflater::Decompressor,
}

impl Inflater {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            packed: Vec::new(),
            plain: Vec::new(),
            decompressor: libdeflater::Decompressor::new(),
        }
    }

    /// Reads an open file.
    pub(super) fn file(&mut self, mut file: File, size: u64, sink: &mut dyn Sink) {
        let whole = usize::try_from(size).is_ok_and(|size| size <= self.limits.whole);
        let mut packed = std::mem::take(&mut self.packed);
        packed.clear();
        let first = if whole { self.limits.whole as u64 + 1 } else { 8 };
        let read = file.by_ref().take(first).read_to_end(&mut packed);
        match read {
            Err(error) => sink.flaw(Flaw::Unreadable, 0, &error.to_string()),
            // A file may grow while it is read.
            Ok(length) if whole && length <= self.limits.whole => self.bytes(&packed, sink),
            Ok(_) => {
                let rest = packed.as_slice().chain(file);
                self.streamed(packed.starts_with(GZIP), rest, &packed, sink);
            }
        }
        self.packed = packed;
    }

    /// Reads bytes that are all there.
    pub(super) fn bytes(&mut self, bytes: &[u8], sink: &mut dyn Sink) {
        if !bytes.starts_with(GZIP) {
            if unread(bytes, sink) {
                return;
            }
            Reader::default().feed(bytes, true, sink);
            return;
        }
        let mut plain = std::mem::take(&mut self.plain);
        match self.at_once(bytes, &mut plain) {
            Some(length) => {
                Reader::default().feed(plain.get(..length).unwrap_or_default(), true, sink);
                self.plain = plain;
            }
            None => {
                self.plain = plain;
                self.streamed(true, bytes, bytes, sink);
            }
        }
    }

    /// Decompresses the only member of a small file, if it is one and whole.
    fn at_once(&mut self, bytes: &[u8], plain: &mut Vec<u8>) -> Option<usize> {
        // The last four bytes say how much it is, unless somebody wrote them to mislead.
        let size = bytes.last_chunk::<4>().map(|size| u32::from_le_bytes(*size))?;
        let size = usize::try_from(size).ok().filter(|size| *size <= self.limits.whole)?;
        if bytes.len() > self.limits.whole || has_second(bytes) {
            return None;
        }
        if plain.len() < size {
            plain.resize(size, 0);
        }
        let target = plain.get_mut(..size)?;
        let length = self.decompressor.gzip_decompress(bytes, target).ok()?;
        (length == size).then_some(length)
    }

    /// Reads in windows, as far as it goes.
    fn streamed(&mut self, gzip: bool, from: impl Read, head: &[u8], sink: &mut dyn Sink) {
        if gzip {
            self.windows(MultiGzDecoder::new(from), Flaw::Compression, sink);
        } else if !unread(head, sink) {
            self.windows(from, Flaw::Unreadable, sink);
        }
    }

    fn windows(&mut self, mut from: impl Read, flaw: Flaw, sink: &mut dyn Sink) {
        let mut reader = Reader::default();
        let mut window = std::mem::take(&mut self.plain);
        window.resize(WINDOW.min(self.limits.value), 0);
        let (mut filled, mut position) = (0, 0_u64);
        loop {
            let (count, error) = fill(&mut from, window.get_mut(filled..).unwrap_or_default());
            let end = count == 0 || error.is_some();
            if let Some(error) = error {
                sink.flaw(flaw, position + count as u64, &error.to_string());
            }
            filled += count;
            position += count as u64;
            let done = reader.feed(window.get(..filled).unwrap_or_default(), end, sink);
            window.copy_within(done.min(filled)..filled, 0);
            filled -= done.min(filled);
            if end {
                break;
            }
            if filled == window.len() {
                // One value that does not fit.
                if window.len() >= self.limits.value {
                    let given = reader.give_up(window.get(..filled).unwrap_or_default(), sink);
                    window.copy_within(given.min(filled)..filled, 0);
                    filled -= given.min(filled);
                } else {
                    window.resize((window.len() * 2).min(self.limits.value), 0);
                }
            }
        }
        // What one large value took is not kept for the small ones.
        if window.len() > self.limits.whole {
            window = Vec::new();
        }
        self.plain = window;
    }
}

/// Whether a second member may begin inside.
fn has_second(bytes: &[u8]) -> bool {
    let behind = bytes.get(MEMBER.len()..).unwrap_or_default();
    memmem::find_iter(behind, MEMBER).any(|at| {
        // In ten megabytes the same three bytes stand somewhere by chance.
        behind.get(at + MEMBER.len()).is_none_or(|flags| flags & RESERVED == 0)
    })
}

/// Reads until the buffer is full, nothing follows, or it goes wrong.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> (usize, Option<std::io::Error>) {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return (filled, Some(error)),
        }
    }
    (filled, None)
}

/// Whether this is a form that is not read; said, if so.
fn unread(bytes: &[u8], sink: &mut dyn Sink) -> bool {
    let other = OTHERS.iter().find(|(magic, _)| bytes.starts_with(magic));
    if let Some((_, why)) = other {
        sink.flaw(Flaw::Unreadable, 0, why);
    }
    other.is_some()
}

/// Decompresses what is inside an envelope.
pub(super) fn inside(packed: &[u8]) -> Option<Vec<u8>> {
    if !packed.starts_with(GZIP) {
        return None;
    }
    let mut plain = Vec::new();
    MultiGzDecoder::new(packed).take(INSIDE).read_to_end(&mut plain).ok()?;
    Some(plain)
}
