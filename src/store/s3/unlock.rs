//! What `state unlock` does in a bucket: a tombstone in the run's journal first, so that the old holder's next
//! entry fails and it stops; then the lock goes (D5).

use super::objects::{Deleted, Only, Put};
use super::{Key, LockText, Owner, S3Store, entry_path, journal_path, lock_path};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::journal::{Event, Journal};
use crate::store::common::tombstone_words;
use jiff::Timestamp;

/// How often a tombstone is tried against a holder that goes on writing.
const TRIES: u32 = 10;

/// What became of a lock that was to be broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// Nobody held it any more.
    NotLocked,
    /// Another holds it than the one that was looked at: it was left.
    HeldBy(Owner),
    /// It is gone.
    Gone {
        /// The number of the tombstone in the run's journal. Without a run under way there is none.
        tombstone: Option<u64>,
    },
}

impl S3Store {
    /// Breaks the lock of a holder that was looked at, and of nobody else.
    ///
    /// # Errors
    /// If the tombstone cannot be written, or the lock not be deleted.
    pub async fn break_lock(
        &self,
        key: &Key,
        seen: &Owner,
        by: &Owner,
        at: Timestamp,
    ) -> Result<Broken> {
        let Some((text, object)) = self.lock_text(key).await? else { return Ok(Broken::NotLocked) };
        if text.owner != *seen {
            return Ok(Broken::HeldBy(text.owner));
        }
        let tombstone = match &text.owner.run {
            Some(run) => self.bury(key, run, by, at).await?,
            None => None,
        };
        let path = lock_path(key);
        match self.objects.delete(&path, &object.etag).await {
            Ok(Deleted::Gone) => Ok(Broken::Gone { tombstone }),
            Ok(Deleted::Not(there)) => {
                Ok(Broken::HeldBy(LockText::parse(&there.bytes, &self.uri(&path))?.owner))
            }
            Err(failure) => Err(failure.error("delete", &self.uri(&path))),
        }
    }

    /// Writes the tombstone; `None` if the run has ended, which writes nothing more.
    async fn bury(&self, key: &Key, run: &str, by: &Owner, at: Timestamp) -> Result<Option<u64>> {
        let by = format!("{} on {} (process {})", by.who, by.host, by.pid);
        for _ in 0..TRIES {
            let uri = self.uri(&journal_path(key, run));
            let mut journal = Journal::parse(&self.entries(key, run).await?, &uri)?;
            if journal.finished() {
                return Ok(None);
            }
            // Also where the last entry is one already: whoever resumed after that has to meet another.
            let line = journal.append(at, Event::LockBroken { by: by.clone() });
            let path = entry_path(key, run, journal.len());
            match self.objects.put(&path, &line, Only::IfAbsent).await {
                Ok(Put::Written(_)) => return Ok(Some(journal.len())),
                // The holder has written in between: it is alive, and stops at the next number.
                Ok(Put::Not(_)) => {}
                Err(failure) => return Err(failure.error("write", &self.uri(&path))),
            }
        }
        Err(Error::new(Exit::Locked, format!("run {run} goes on and cannot be stopped from here"))
            .because("it has written its next entry first, each time")
            .hint("wait for its end, or stop its process; then ringfence state unlock once more"))
    }

    /// Who has broken the lock of a run, in words, if its journal says so.
    pub(super) async fn tombstone(&self, key: &Key, run: &str) -> Option<String> {
        let lines = self.entries(key, run).await.ok()?;
        lines.split_inclusive(|byte| *byte == b'\n').rev().find_map(tombstone_words)
    }
}
