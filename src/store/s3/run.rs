//! The journal of a run in a bucket: one object an entry, each made only if nobody else has made it (D5).

use super::lock::{Hold, RunSoFar};
use super::objects::{Object, Only, Put};
use super::{entry_path, journal_path};
use crate::error::{Error, Result};
use crate::journal::{Event, Journal};
use crate::store::common::tombstone_words;
use crate::store::run::LocalLog;
use jiff::Timestamp;
use std::sync::Arc;

/// A run's journal, open for appending.
#[derive(Debug)]
pub struct S3Log {
    hold: Arc<Hold>,
    run: String,
    journal: Journal,
    /// What a write failed with: whether the entry is there is no longer known.
    broken: bool,
    /// The journal in the folder to which the record has moved.
    spooled: Option<LocalLog>,
}

impl S3Log {
    pub(super) fn new(hold: Arc<Hold>, run: &str, journal: Journal) -> Self {
        Self { hold, run: run.to_owned(), journal, broken: false, spooled: None }
    }

    /// What is recorded, all of it durable.
    #[must_use]
    pub const fn journal(&self) -> &Journal {
        match &self.spooled {
            Some(log) => log.journal(),
            None => &self.journal,
        }
    }

    /// The folder to which the record has moved, because the bucket could not be reached.
    #[must_use]
    pub fn moved(&self) -> Option<&std::path::Path> {
        self.hold.moved.get().map(std::path::PathBuf::as_path)
    }

    /// Records an event. It is in the bucket when this returns; where that cannot be reached, it and all that
    /// was recorded before it are in a folder of this machine, and so is all that follows (D2.4, D2.5).
    ///
    /// # Errors
    /// If it could not be written, or an earlier one could not; if the lock was broken.
    pub async fn append(&mut self, at: Timestamp, event: Event) -> Result<()> {
        let hold = Arc::clone(&self.hold);
        let mut inner = hold.inner.lock().await;
        inner.check()?;
        let folder = hold.store.uri(&journal_path(&hold.key, &self.run));
        if self.broken {
            return Err(Error::failed(format!("cannot write the journal `{folder}`"))
                .because(
                    "an earlier entry could not be written, so that no later one can be trusted",
                )
                .hint("see what was done before it: ringfence status"));
        }
        if inner.spool.is_none() {
            let mut next = self.journal.clone();
            let line = next.append(at, event.clone());
            let path = entry_path(&hold.key, &self.run, next.len());
            match hold.store.objects.put(&path, &line, Only::IfAbsent).await {
                Ok(Put::Written(_)) => return self.wrote(next, &line, inner.run.as_mut()),
                Ok(Put::Not(Some(there))) if there.bytes == line => {
                    return self.wrote(next, &line, inner.run.as_mut());
                }
                Ok(Put::Not(there)) => {
                    self.broken = true;
                    return Err(inner.lose(&hold.key, foreign(there)));
                }
                Err(failure) if failure.is_unreachable() => hold.move_away(&mut inner)?,
                Err(failure) => {
                    self.broken = true;
                    return Err(failure.error("write", &hold.store.uri(&path)));
                }
            }
        }
        if let (None, Some(spool)) = (&self.spooled, &inner.spool) {
            self.spooled = Some(spool.lock.reopen_run(&self.run)?);
        }
        match &mut self.spooled {
            Some(log) => log.append(at, event),
            None => Err(Error::failed(format!("cannot write the journal `{folder}`"))),
        }
    }

    fn wrote(&mut self, next: Journal, line: &[u8], so_far: Option<&mut RunSoFar>) -> Result<()> {
        self.journal = next;
        if let Some(run) = so_far.filter(|run| run.id == self.run) {
            run.lines.extend_from_slice(line);
        }
        Ok(())
    }
}

/// Who has written in our place.
fn foreign(there: Option<Object>) -> String {
    let words = there.and_then(|there| tombstone_words(&there.bytes));
    words.unwrap_or_else(|| "somebody else has written the next entry of its journal".to_owned())
}
