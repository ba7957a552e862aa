//! The journal of a run on disk: every entry is durable before it counts (D2.5).

use super::files;
use super::lock::Hold;
use crate::error::{Error, Result};
use crate::journal::{Event, Journal};
use jiff::Timestamp;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

/// A run's journal, open for appending. It keeps the lock for as long as it lives.
#[derive(Debug)]
pub struct LocalLog {
    path: PathBuf,
    file: File,
    journal: Journal,
    /// Set by a failed write: what stands at the end of the file is no longer known.
    broken: bool,
    _hold: Arc<Hold>,
}

impl LocalLog {
    pub(super) fn new(path: PathBuf, file: File, journal: Journal, hold: Arc<Hold>) -> Self {
        Self { path, file, journal, broken: false, _hold: hold }
    }

    /// Records an event. It is on disk when this returns; after a failure nothing more can be recorded.
    ///
    /// # Errors
    /// If the line could not be written and synced, or an earlier one could not.
    pub fn append(&mut self, at: Timestamp, event: Event) -> Result<()> {
        if self.broken {
            return Err(Error::failed(format!(
                "cannot write the journal `{}`",
                files::name(&self.path)
            ))
            .because("an earlier entry could not be written, so that no later one can be trusted")
            .hint("see what was done before it: ringfence status"));
        }
        // The journal in memory must not run ahead of the file: it takes the entry when the disk has it.
        let mut next = self.journal.clone();
        let line = next.append(at, event);
        let written = self.file.write_all(&line).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            self.broken = true;
            return Err(files::unwritable(&self.path, &error));
        }
        self.journal = next;
        Ok(())
    }

    /// What is recorded, all of it on disk.
    #[must_use]
    pub const fn journal(&self) -> &Journal {
        &self.journal
    }
}

#[cfg(test)]
mod tests {
    use crate::journal::Event;
    use crate::store::tests::{at, key, locked, store};
    use std::fs::File;

    #[test]
    fn a_failed_write_ends_the_log() {
        let (_directory, store) = store();
        let lock = locked(&store);
        let mut log = lock.start_run("r1", b"").unwrap();
        let event = || Event::RunFinished { complete: false };
        log.append(at(1), event()).unwrap();
        let before = log.journal().clone();

        let good = std::mem::replace(&mut log.file, File::open(&log.path).unwrap());
        let error = log.append(at(2), event()).unwrap_err();
        assert!(error.message().contains("journal.jsonl"), "{error}");
        assert_eq!(*log.journal(), before);

        // A later write that would succeed is refused: the end of the file is not known.
        log.file = good;
        let error = log.append(at(3), event()).unwrap_err();
        assert!(error.to_string().contains("earlier entry"), "{error}");
        assert_eq!(store.journal(&key(), "r1").unwrap(), before);
    }
}
