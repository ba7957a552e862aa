//! Bytes that grow: in memory up to a limit, then in a temporary file without a name.

use crate::error::{Error, Result};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes, written one behind the other and read at any place.
#[derive(Debug)]
pub(super) struct Spool {
    memory: Vec<u8>,
    limit: usize,
    file: Option<File>,
    /// How much is in the file; the memory follows it.
    written: u64,
}

impl Spool {
    pub(super) fn new(limit: usize) -> Self {
        Self { memory: Vec::new(), limit, file: None, written: 0 }
    }

    pub(super) fn len(&self) -> u64 {
        self.written + self.memory.len() as u64
    }

    /// Appends what `write` writes; returns where it begins.
    pub(super) fn append(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Result<u64> {
        if self.memory.len() >= self.limit {
            self.flush()?;
        }
        let at = self.len();
        write(&mut self.memory);
        Ok(at)
    }

    fn flush(&mut self) -> Result<()> {
        let file = match self.file.take() {
            Some(file) => file,
            None => temporary()?,
        };
        file.write_all_at(&self.memory, self.written).map_err(|error| full(&error))?;
        self.written += self.memory.len() as u64;
        self.memory.clear();
        self.file = Some(file);
        Ok(())
    }

    /// Reads so many bytes.
    pub(super) fn read(&self, at: u64, length: usize, into: &mut Vec<u8>) -> Result<()> {
        into.clear();
        let inside = at.checked_sub(self.written).and_then(|at| usize::try_from(at).ok());
        if let Some(bytes) = inside.and_then(|at| self.memory.get(at..at.checked_add(length)?)) {
            into.extend_from_slice(bytes);
            return Ok(());
        }
        into.resize(length, 0);
        match &self.file {
            Some(file) => file.read_exact_at(into, at).map_err(|error| full(&error)),
            None => Err(full(&io::Error::from(io::ErrorKind::UnexpectedEof))),
        }
    }
}

/// A file that has no name, so that it is gone with the process however that ends.
pub(super) fn temporary() -> Result<File> {
    tempfile::tempfile().map_err(|error| full(&error))
}

pub(super) fn full(error: &io::Error) -> Error {
    Error::failed("what does not fit into memory could not be kept in a temporary file")
        .because(error)
        .hint("TMPDIR=DIR names a folder with more room")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_wherever_it_lies() {
        for limit in [0, 1, 7, 1000] {
            let mut spool = Spool::new(limit);
            let texts: Vec<String> = (0..50).map(|n| "x".repeat(n % 9) + &n.to_string()).collect();
            let places: Vec<u64> = texts
                .iter()
                .map(|text| spool.append(|bytes| bytes.extend(text.as_bytes())).unwrap())
                .collect();
            let mut bytes = Vec::new();
            for (text, at) in texts.iter().zip(places) {
                spool.read(at, text.len(), &mut bytes).unwrap();
                assert_eq!(bytes, text.as_bytes(), "limit {limit}");
            }
            assert!(spool.read(spool.len(), 1, &mut bytes).is_err());
        }
    }
}
