//! Where the record of a run goes on when its bucket cannot be reached: a local store of its own for each run,
//! which holds all that is known so far. A containment does not stop for its record's sake (D2.4), and is
//! never without one (D2.5).

use super::lock::{Hold, Inner};
use super::{S3Store, journal_path};
use crate::error::{Error, Result};
use crate::store::files;
use crate::store::{Key, LocalLock, LocalStore};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

/// The file that says what the folder is the rest of.
const MARK: &str = "spooled.json";

/// How many folders of one run there may be: a run that is gone on with can lose its bucket again.
const MOST: u32 = 100;

/// A record that goes on in a folder.
#[derive(Debug)]
pub(super) struct Spool {
    pub(super) lock: LocalLock,
}

/// What a spooled record is the rest of.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spooled {
    /// The store that could not be reached.
    pub store: String,
    /// The run.
    pub run: String,
    /// What the lock in that store carries, which still stands for this run.
    pub token: String,
}

impl Spooled {
    /// What the record of a principal in a local store is the rest of; `None` if it is a record like any other.
    ///
    /// # Errors
    /// If the file cannot be read or makes no sense.
    pub fn find(store: &LocalStore, key: &Key) -> Result<Option<Self>> {
        let path = store.directory(key).join(MARK);
        store.no_links(&path)?;
        let Some(bytes) = files::read(&path)? else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            Error::failed(format!("`{}` makes no sense", files::name(&path)))
                .because(error)
                .hint("move it away to push the folder like any other")
        })
    }

    /// Forgets it, once the store has everything.
    ///
    /// # Errors
    /// If the file cannot be removed.
    pub fn forget(store: &LocalStore, key: &Key) -> Result<()> {
        let path = store.directory(key).join(MARK);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(files::unwritable(&path, &error))
            }
            _ => Ok(()),
        }
    }
}

impl Hold {
    /// Moves the record to a folder, whole: state, plan and journal so far.
    pub(super) fn move_away(&self, inner: &mut Inner) -> Result<()> {
        self.store.objects.give_up();
        let unmoved = |error: Error| {
            error.detail(format!(
                "`{}` cannot be reached, and its record could not go on here",
                self.store.location()
            ))
        };
        let (spool, folder) = self.spool(inner).map_err(unmoved)?;
        inner.spool = Some(spool);
        // It is moved once: a folder that is there already is the same one.
        let _ = self.moved.set(folder);
        Ok(())
    }

    fn spool(&self, inner: &Inner) -> Result<(Spool, PathBuf)> {
        let Some(run) = &inner.run else {
            return Err(Error::failed("no run is under way, so there is no record to move"));
        };
        let folder = free_folder(&self.store.spool, &run.id, &self.key)?;
        let local = LocalStore::new(&folder);
        let lock =
            local.lock(&self.key, &inner.owner)?.ok_or_else(|| local.locked_error(&self.key))?;
        if let Some(Some((state, _))) = &inner.state {
            for earlier in state.runs.iter().filter(|earlier| earlier.id != run.id) {
                if let Some(lines) = self.store.remembered(&self.key, &earlier.id) {
                    lock.adopt_run(&earlier.id, None, &lines)?;
                }
            }
            lock.save(state)?;
        }
        lock.adopt_run(&run.id, Some(&run.plan), &run.lines)?;
        let mark = Spooled {
            store: self.store.location(),
            run: run.id.clone(),
            token: self.token.clone(),
        };
        // Serialising to memory fails only for maps with keys that are no text; there are none here.
        let mut bytes = serde_json::to_vec(&mark).unwrap_or_default();
        bytes.push(b'\n');
        files::write_atomically(&local.directory(&self.key).join(MARK), &bytes)?;
        Ok((Spool { lock }, folder))
    }
}

impl S3Store {
    /// The folder of this machine in which the record goes on that the lock of a principal stands for; `None` where
    /// there is none, or nobody can tell.
    pub async fn record_elsewhere(&self, key: &Key) -> Option<PathBuf> {
        let (text, _) = self.lock_text(key).await.ok().flatten()?;
        let folders = files::names(&self.spool).ok()?.into_iter().map(|name| self.spool.join(name));
        folders.into_iter().find(|folder| {
            let mark = Spooled::find(&LocalStore::new(folder), key).ok().flatten();
            mark.is_some_and(|mark| mark.token == text.token)
        })
    }

    /// The lines of a journal that was read before.
    fn remembered(&self, key: &Key, run: &str) -> Option<Vec<u8>> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.get(&journal_path(key, run)).cloned()
    }
}

/// `SPOOL/RUN`, or with a number where that has a record of the principal already.
fn free_folder(spool: &Path, run: &str, key: &Key) -> Result<PathBuf> {
    for n in 1..=MOST {
        let name = if n == 1 { run.to_owned() } else { format!("{run}-{n}") };
        let folder = spool.join(name);
        if files::stat(&LocalStore::new(&folder).directory(key))?.is_none() {
            return Ok(folder);
        }
    }
    Err(Error::failed(format!("`{}` is full of records of run {run}", files::name(spool)))
        .hint("take them to the store: ringfence state push"))
}
