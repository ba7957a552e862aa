//! A held lock, and the journal of a run under it, wherever the store is.

use super::{Key, LocalLock, LocalLog};
#[cfg(feature = "s3")]
use super::{S3Lock, S3Log};
use crate::error::Result;
use crate::journal::{Event, Journal};
use crate::state::State;
use jiff::Timestamp;
use std::path::Path;

/// A held lock. Only it can write to the principal's state (D6).
#[must_use]
#[derive(Debug)]
pub enum Locked {
    /// Of a directory of this machine.
    Local(LocalLock),
    /// Of a place in a bucket.
    #[cfg(feature = "s3")]
    S3(S3Lock),
}

impl Locked {
    /// Whose state it is.
    #[must_use]
    pub fn key(&self) -> &Key {
        match self {
            Self::Local(locked) => locked.key(),
            #[cfg(feature = "s3")]
            Self::S3(locked) => locked.key(),
        }
    }

    /// Says in the lock for which run it is held.
    ///
    /// # Errors
    /// If that cannot be written, or the lock is not ours any more.
    pub async fn name_run(&mut self, run: &str) -> Result<()> {
        match self {
            Self::Local(locked) => locked.name_run(run),
            #[cfg(feature = "s3")]
            Self::S3(locked) => Box::pin(locked.name_run(run)).await,
        }
    }

    /// The state as it is stored, without what the journal of a run that was cut off adds; `None` if there is
    /// none.
    ///
    /// # Errors
    /// As [`Store::load`].
    pub async fn stored(&mut self) -> Result<Option<State>> {
        match self {
            Self::Local(locked) => locked.load(),
            #[cfg(feature = "s3")]
            Self::S3(locked) => Box::pin(locked.load()).await,
        }
    }

    /// Replaces the state, durably and all at once.
    ///
    /// # Errors
    /// If it cannot be written, or does not follow on the one that is there.
    pub async fn save(&mut self, state: &State) -> Result<()> {
        match self {
            Self::Local(locked) => locked.save(state),
            #[cfg(feature = "s3")]
            Self::S3(locked) => Box::pin(locked.save(state)).await,
        }
    }

    /// Makes the record of a run that does not exist yet, with its plan and an empty journal, all durable.
    ///
    /// # Errors
    /// If the run exists, its ID is none, or it cannot be written.
    pub async fn start_run(&mut self, run: &str, plan: &[u8]) -> Result<RunLog> {
        match self {
            Self::Local(locked) => locked.start_run(run, plan).map(RunLog::Local),
            #[cfg(feature = "s3")]
            Self::S3(locked) => Box::pin(locked.start_run(run, plan)).await.map(RunLog::S3),
        }
    }

    /// Says that a run that is to be started has begun for others already: where the store cannot be reached from
    /// here on, the record of this principal begins elsewhere, as theirs goes on there (D2.4).
    pub async fn join_run(&mut self, run: &str, plan: &[u8]) {
        match self {
            Self::Local(_) => {
                let _ = (run, plan);
            }
            #[cfg(feature = "s3")]
            Self::S3(locked) => locked.join_run(run, plan).await,
        }
    }

    /// Makes the record of a run that is resumed, or opens what there is of it: it may have been cut off in the
    /// middle of beginning.
    ///
    /// # Errors
    /// If another plan is there, its journal is broken, or it cannot be written.
    pub async fn begin_again(&mut self, run: &str, plan: &[u8]) -> Result<RunLog> {
        match self {
            Self::Local(locked) => locked.begin_again(run, plan).map(RunLog::Local),
            #[cfg(feature = "s3")]
            Self::S3(locked) => Box::pin(locked.begin_again(run, plan)).await.map(RunLog::S3),
        }
    }

    /// Opens the journal of a run that was cut off, to go on with it.
    ///
    /// # Errors
    /// If there is none, or it is broken before its last line.
    pub async fn reopen_run(&mut self, run: &str) -> Result<RunLog> {
        match self {
            Self::Local(locked) => locked.reopen_run(run).map(RunLog::Local),
            #[cfg(feature = "s3")]
            Self::S3(locked) => Box::pin(locked.reopen_run(run)).await.map(RunLog::S3),
        }
    }

    /// Makes a run what it is in another store: its plan, and the lines of its journal, of which a beginning may
    /// be here already. Says how many entries are new.
    ///
    /// # Errors
    /// If another plan or other lines are here, or it cannot be written.
    pub async fn adopt_run(&mut self, run: &str, plan: Option<&[u8]>, lines: &[u8]) -> Result<u64> {
        match self {
            Self::Local(locked) => locked.adopt_run(run, plan, lines),
            #[cfg(feature = "s3")]
            Self::S3(locked) => Box::pin(locked.adopt_run(run, plan, lines)).await,
        }
    }

    /// Where the store is that it is a lock of.
    #[must_use]
    pub fn location(&self) -> String {
        match self {
            Self::Local(locked) => locked.location().display().to_string(),
            #[cfg(feature = "s3")]
            Self::S3(locked) => locked.location(),
        }
    }

    /// The folder to which the record has moved, where its store could not be reached in mid-run.
    #[must_use]
    pub fn moved(&self) -> Option<&Path> {
        match self {
            Self::Local(_) => None,
            #[cfg(feature = "s3")]
            Self::S3(locked) => locked.moved(),
        }
    }

    /// Gives the lock back. A local one goes with the process all the same.
    ///
    /// # Errors
    /// If that fails: the lock stays, and `state unlock` clears it.
    pub async fn release(self) -> Result<()> {
        match self {
            Self::Local(_) => Ok(()),
            #[cfg(feature = "s3")]
            Self::S3(locked) => Box::pin(locked.release()).await,
        }
    }
}

/// A run's journal, open for appending. It keeps the lock for as long as it lives.
#[derive(Debug)]
pub enum RunLog {
    /// In a directory of this machine.
    Local(LocalLog),
    /// In a bucket.
    #[cfg(feature = "s3")]
    S3(S3Log),
}

impl RunLog {
    /// Records an event. It is durable when this returns; after a failure nothing more can be recorded.
    ///
    /// # Errors
    /// If the entry could not be stored, or an earlier one could not.
    pub async fn append(&mut self, at: Timestamp, event: Event) -> Result<()> {
        match self {
            Self::Local(log) => log.append(at, event),
            #[cfg(feature = "s3")]
            Self::S3(log) => Box::pin(log.append(at, event)).await,
        }
    }

    /// What is recorded, all of it durable.
    #[must_use]
    pub const fn journal(&self) -> &Journal {
        match self {
            Self::Local(log) => log.journal(),
            #[cfg(feature = "s3")]
            Self::S3(log) => log.journal(),
        }
    }
}
