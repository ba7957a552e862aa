//! The lock of a principal's state: the operating system's own, gone with the process that holds it.

use super::common::{self, check_owner, follows};
use super::files;
use super::run::LocalLog;
use super::{Key, LocalStore};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::journal::Journal;
use crate::state::State;
use crate::text::shown;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Seek, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How often, and how far apart, a lock is tried before it counts as held by another: who only looks
/// whether it is held has it too, for a moment, and a new holder needs one to write its name.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(5);

/// Who holds a lock.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The run, where one is under way.
    pub run: Option<String>,
    /// The caller's ARN, or the name of the person.
    pub who: String,
    /// The machine.
    pub host: String,
    /// The process on it.
    pub pid: u32,
    /// Since when, by that machine's clock.
    pub since: Timestamp,
}

impl Owner {
    /// In words: who, where, since when, and for which run.
    #[must_use]
    pub fn words(&self) -> String {
        let run = self.run.as_ref().map_or_else(String::new, |run| format!(", run {}", shown(run)));
        format!(
            "{} on {} (process {}) has held it since {}{run}",
            shown(&self.who),
            shown(&self.host),
            self.pid,
            self.since
        )
    }
}

/// What `state unlock` found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unlock {
    /// Nobody holds the lock.
    NotLocked,
    /// Nobody holds it, but the text of a holder that died was there. It is cleared.
    StaleRemoved(Owner),
    /// A live process holds it. The operating system releases it when that process ends; it cannot be broken here.
    HeldBy(Owner),
}

/// A held lock. Only it can write to the principal's state (D6); it is released when it and the [`LocalLog`]s made
/// from it are dropped, or when the process ends.
#[must_use]
#[derive(Debug)]
pub struct LocalLock {
    store: LocalStore,
    key: Key,
    owner: Owner,
    hold: Arc<Hold>,
}

/// The open lock file.
#[derive(Debug)]
pub(super) struct Hold(File);

impl Drop for Hold {
    fn drop(&mut self) {
        // Text in a lock that nobody holds means that its holder died. Closing the file releases the lock.
        let _ = self.0.set_len(0);
    }
}

impl LocalStore {
    /// Tries once to take the lock: `None` if another holds it. `owner` is written into it for others to read.
    ///
    /// # Errors
    /// If the lock file cannot be made, locked or written.
    pub fn lock(&self, key: &Key, owner: &Owner) -> Result<Option<LocalLock>> {
        let path = self.lock_path(key);
        self.no_links(&path)?;
        for attempt in 0..TRIES {
            if attempt > 0 {
                std::thread::sleep(PAUSE);
            }
            files::make_directory(&self.directory(key))?;
            let file = files::open_lock(&path).map_err(|error| files::unwritable(&path, &error))?;
            match file.try_lock() {
                // `state rm` may have moved the directory aside between opening and locking.
                Ok(()) if files::is_still_at(&file, &path)? => {
                    let hold = Hold(file);
                    hold.sign(owner).map_err(|error| files::unwritable(&path, &error))?;
                    return Ok(Some(LocalLock {
                        store: self.clone(),
                        key: key.clone(),
                        owner: owner.clone(),
                        hold: Arc::new(hold),
                    }));
                }
                Ok(()) | Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(unlockable(&path, &error)),
            }
        }
        Ok(None)
    }

    /// Who holds the lock now; `None` if nobody does.
    ///
    /// # Errors
    /// If the lock file cannot be read, or is held and does not say by whom.
    pub fn holder(&self, key: &Key) -> Result<Option<Owner>> {
        let path = self.lock_path(key);
        self.no_links(&path)?;
        for attempt in 0..TRIES {
            if attempt > 0 {
                std::thread::sleep(PAUSE);
            }
            // Also refuses to open what is no regular file.
            if files::read(&path)?.is_none() {
                return Ok(None);
            }
            let file = File::open(&path).map_err(|error| files::unreadable(&path, &error))?;
            // Shared, so that two who only look do not take each other for a holder.
            match file.try_lock_shared() {
                Ok(()) => return Ok(None),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(unlockable(&path, &error)),
            }
            // Read now that it is held: what stood there before may be another's.
            let bytes = files::read(&path)?.unwrap_or_default();
            if let Ok(owner) = serde_json::from_slice(&bytes) {
                return Ok(Some(owner));
            }
        }
        Err(Error::new(Exit::Locked, format!("`{}` is locked", files::name(&path)))
            .because("the lock does not say who holds it")
            .hint("look for another ringfence on this store, or wait for it: --lock-timeout 5m"))
    }

    /// The error for a lock that another holds: who, where, since when, which run.
    #[must_use]
    pub fn locked_error(&self, key: &Key) -> Error {
        let state = self.load(key).ok().flatten();
        let error = common::locked(key, state.as_ref(), self.holder(key));
        common::wait_or_unlock(error, key, state.as_ref())
    }

    /// What `state unlock` does: clears what a dead holder left, and breaks no lock that is held.
    ///
    /// # Errors
    /// If the lock file cannot be read or written.
    pub fn unlock(&self, key: &Key) -> Result<Unlock> {
        if let Some(owner) = self.holder(key)? {
            return Ok(Unlock::HeldBy(owner));
        }
        let path = self.lock_path(key);
        if files::read(&path)?.is_none_or(|bytes| bytes.is_empty()) {
            return Ok(Unlock::NotLocked);
        }
        let file = OpenOptions::new()
            .write(true)
            .open(&path)
            .map_err(|error| files::unwritable(&path, &error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                // Somebody took it since.
                return Ok(self.holder(key)?.map_or(Unlock::NotLocked, Unlock::HeldBy));
            }
            Err(TryLockError::Error(error)) => return Err(unlockable(&path, &error)),
        }
        // Read again, now that nobody else writes.
        let bytes = files::read(&path)?.unwrap_or_default();
        file.set_len(0).map_err(|error| files::unwritable(&path, &error))?;
        Ok(serde_json::from_slice(&bytes).map_or(Unlock::NotLocked, Unlock::StaleRemoved))
    }

    /// What `state rm` does: moves the principal's directory to `LOCATION/ACCOUNT/removed/PRINCIPAL_ID-N` and
    /// says where. Nothing is deleted: it is evidence.
    ///
    /// # Errors
    /// If it cannot be moved.
    pub fn remove(&self, locked: LocalLock) -> Result<PathBuf> {
        let from = locked.store.directory(&locked.key);
        let removed = locked.store.account(&locked.key.account).join("removed");
        locked.store.no_links(&from)?;
        locked.store.no_links(&removed)?;
        files::make_directory(&removed)?;
        // A principal's ID has no hyphen, and its lock is held: nobody else makes this name.
        let mut n = 1_u32;
        let to = loop {
            let to = removed.join(format!("{}-{n}", locked.key.id));
            if files::stat(&to)?.is_none() {
                break to;
            }
            n += 1;
        };
        fs::rename(&from, &to).map_err(|error| files::unwritable(&to, &error))?;
        files::sync_directory(&removed)?;
        files::sync_directory(&files::parent(&from))?;
        Ok(to)
    }
}

impl Hold {
    fn sign(&self, owner: &Owner) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(owner)?;
        line.push(b'\n');
        self.0.set_len(0)?;
        (&self.0).rewind()?;
        (&self.0).write_all(&line)?;
        self.0.sync_data()
    }
}

impl LocalLock {
    /// Whose state it is.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Where its store is.
    #[must_use]
    pub fn location(&self) -> &Path {
        self.store.location()
    }

    /// Says in the lock for which run it is held.
    ///
    /// # Errors
    /// If that cannot be written.
    pub fn name_run(&mut self, run: &str) -> Result<()> {
        self.owner.run = Some(run.to_owned());
        let path = self.store.lock_path(&self.key);
        self.hold.sign(&self.owner).map_err(|error| files::unwritable(&path, &error))
    }

    /// The state as it stands; `None` if there is none.
    ///
    /// # Errors
    /// As [`LocalStore::load`].
    pub fn load(&self) -> Result<Option<State>> {
        self.store.load(&self.key)
    }

    /// Replaces the state's file, durably and all at once.
    ///
    /// # Errors
    /// If it cannot be written; if the file there is broken or of a newer format; or if the new state does not
    /// follow on it: another principal, a serial that does not go forward, or a lineage that does not name the
    /// one before.
    pub fn save(&self, state: &State) -> Result<()> {
        let path = self.store.state_path(&self.key);
        self.store.no_links(&path)?;
        check_owner(&self.key, state, &files::name(&path))?;
        let bytes = state.bytes();
        if let Some(there) = files::read(&path)? {
            if there == bytes {
                return files::sync_directory(&files::parent(&path));
            }
            let there = State::parse(&there, &files::name(&path))
                .map_err(|error| error.detail("it was not overwritten"))?;
            follows(&there, state, &files::name(&path))?;
        }
        files::write_atomically(&path, &bytes)
    }

    /// Makes the directory of a run that does not exist yet, with its plan and an empty journal, all durable. One
    /// that was cut off in the middle of this is taken up.
    ///
    /// # Errors
    /// If the run exists, its ID is none, or the files cannot be written.
    pub fn start_run(&self, run: &str, plan: &[u8]) -> Result<LocalLog> {
        let directory = self.store.run_directory(&self.key, run)?;
        self.store.no_links(&directory)?;
        let runs = files::parent(&directory);
        files::make_directory(&runs)?;
        match DirBuilder::new().mode(files::DIRECTORY_MODE).create(&directory) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let there = files::read(&directory.join("plan.json"))?;
                let another = there.is_some_and(|there| there != plan);
                if another || self.store.has_journal(&self.key, run)? {
                    return Err(common::run_exists(run, &files::name(&directory)));
                }
            }
            Err(error) => return Err(files::unwritable(&directory, &error)),
        }
        files::write_atomically(&directory.join("plan.json"), plan)?;
        let path = directory.join("journal.jsonl");
        let file = files::create_new(&path)
            .and_then(|file| file.sync_all().map(|()| file))
            .map_err(|error| files::unwritable(&path, &error))?;
        files::sync_directory(&directory)?;
        files::sync_directory(&runs)?;
        Ok(LocalLog::new(path, file, Journal::default(), Arc::clone(&self.hold)))
    }

    /// As [`Self::start_run`] or [`Self::reopen_run`], by what is there.
    pub(super) fn begin_again(&self, run: &str, plan: &[u8]) -> Result<LocalLog> {
        match self.store.has_journal(&self.key, run)? {
            true => self.reopen_run(run),
            false => self.start_run(run, plan),
        }
    }

    /// Opens the journal of a run that was cut off, to go on with it. A torn last line goes: its call was
    /// never made (D5).
    ///
    /// # Errors
    /// If there is none, it is broken before its last line, or it cannot be written.
    pub fn reopen_run(&self, run: &str) -> Result<LocalLog> {
        let path = self.store.run_directory(&self.key, run)?.join("journal.jsonl");
        let journal = self.store.journal(&self.key, run)?;
        let file = files::open_append(&path, journal.bytes_len())
            .map_err(|error| files::unwritable(&path, &error))?;
        Ok(LocalLog::new(path, file, journal, Arc::clone(&self.hold)))
    }

    /// Makes a run what it is elsewhere: its plan, and the lines of its journal, of which a beginning may be
    /// there already. Says how many entries are new.
    ///
    /// # Errors
    /// If another plan or other lines are there, or it cannot be written.
    pub fn adopt_run(&self, run: &str, plan: Option<&[u8]>, lines: &[u8]) -> Result<u64> {
        let directory = self.store.run_directory(&self.key, run)?;
        self.store.no_links(&directory)?;
        let runs = files::parent(&directory);
        files::make_directory(&directory)?;
        if let Some(plan) = plan {
            let path = directory.join("plan.json");
            match files::read(&path)? {
                Some(there) if there == plan => {}
                Some(_) => return Err(common::other_plan(run, &files::name(&path))),
                None => files::write_atomically(&path, plan)?,
            }
        }
        let path = directory.join("journal.jsonl");
        let there = files::read(&path)?.unwrap_or_default();
        // The call of a torn last line was never made (D5), here neither.
        let whole = Journal::parse(&there, &files::name(&path))?.bytes_len();
        let whole = usize::try_from(whole).unwrap_or(usize::MAX);
        let there = there.get(..whole).unwrap_or_default();
        let new = common::new_lines(run, &files::name(&path), there, lines)?;
        if !new.is_empty() || there.is_empty() {
            files::write_atomically(&path, lines)?;
        }
        files::sync_directory(&directory)?;
        files::sync_directory(&runs)?;
        Ok(common::entries(new))
    }
}

fn unlockable(path: &Path, error: &std::io::Error) -> Error {
    Error::failed(format!("cannot lock `{}`", files::name(path)))
        .because(error)
        .hint("the file system has to support locks; a store on a local disk works: --state DIR")
}
