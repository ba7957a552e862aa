//! The lock of a principal's state in a bucket: an object that only one can make, and that names its holder.
//!
//! Nothing takes it from a holder that died: it lasts until it is released, or broken with `state unlock`. A
//! holder that comes back after that finds out at its next write: by the lock's ETag, by the tombstone in its
//! run's journal, or by the state's ETag.

use super::objects::{Deleted, Object, Only, Put};
use super::run::S3Log;
use super::spool::Spool;
use super::{Key, Owner, S3Store, lock_path, plan_path, state_path};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::journal::Journal;
use crate::state::State;
use crate::store::common::{check_owner, check_run_id, follows, moved_on, other_plan, run_exists};
use crate::text::hex;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, PoisonError};
use tokio::sync::Mutex;

/// What a lock's object says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct LockText {
    #[serde(flatten)]
    pub(super) owner: Owner,
    /// Made up for each holding: two of one process are told apart by it, and our own after a lost reply.
    pub(super) token: String,
}

/// A held lock. Only it can write to the principal's state (D6).
#[must_use]
#[derive(Debug)]
pub struct S3Lock {
    hold: Arc<Hold>,
}

/// What a lock and the logs made from it share.
#[derive(Debug)]
pub(super) struct Hold {
    pub(super) store: S3Store,
    pub(super) key: Key,
    pub(super) token: String,
    pub(super) inner: Mutex<Inner>,
    /// The folder to which the record has moved.
    pub(super) moved: OnceLock<PathBuf>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) owner: Owner,
    etag: String,
    /// The state as it was last read or written under this lock; `None` before that.
    pub(super) state: Option<Option<(State, Object)>>,
    pub(super) run: Option<RunSoFar>,
    /// Why this lock is not ours any more.
    lost: Option<Error>,
    pub(super) spool: Option<Spool>,
    released: bool,
    /// Only an outright release gives it back.
    stays: bool,
}

/// A run under this lock, as it has to be written elsewhere if the bucket goes away.
#[derive(Debug)]
pub(super) struct RunSoFar {
    pub(super) id: String,
    pub(super) plan: Vec<u8>,
    pub(super) lines: Vec<u8>,
}

/// A lock that was dropped and not released.
#[derive(Clone, Debug)]
pub(super) struct Dropped {
    key: Key,
    token: String,
    etag: String,
}

impl LockText {
    pub(super) fn parse(bytes: &[u8], uri: &str) -> Result<Self> {
        serde_json::from_slice(bytes).map_err(|_| {
            Error::new(Exit::Locked, format!("`{uri}` is locked"))
                .because("the lock does not say who holds it")
                .hint(format!("if nobody works on this store, delete it: aws s3 rm {uri}"))
        })
    }

    fn bytes(&self) -> Vec<u8> {
        // Serialising to memory fails only for maps with keys that are no text; there are none here.
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }
}

impl S3Store {
    /// Tries once to take the lock: `None` if another holds it.
    ///
    /// # Errors
    /// If the object cannot be made.
    pub async fn lock(&self, key: &Key, owner: &Owner) -> Result<Option<S3Lock>> {
        let path = lock_path(key);
        let text = LockText { owner: owner.clone(), token: token()? };
        let bytes = text.bytes();
        let etag = match self.objects.put(&path, &bytes, Only::IfAbsent).await {
            Ok(Put::Written(etag)) => etag,
            Ok(Put::Not(Some(there))) if there.bytes == bytes => there.etag,
            Ok(Put::Not(_)) => return Ok(None),
            Err(failure) if failure.kind == super::failure::Kind::Conflict => return Ok(None),
            Err(failure) => return Err(failure.error("write", &self.uri(&path))),
        };
        Ok(Some(self.held(key, text, etag)))
    }

    /// Takes the place of the holder of a lock that was looked at, if it is still there. The token stays, and
    /// so does the lock if this is dropped: what could not be finished can be tried again.
    pub(super) async fn relock(
        &self,
        key: &Key,
        owner: &Owner,
        token: &str,
        there: &Object,
    ) -> Result<Option<S3Lock>> {
        let path = lock_path(key);
        let text = LockText { owner: owner.clone(), token: token.to_owned() };
        match self.objects.put(&path, &text.bytes(), Only::IfStill(&there.etag)).await {
            Ok(Put::Written(etag)) => {
                let locked = self.held(key, text, etag);
                locked.hold.inner.lock().await.stays = true;
                Ok(Some(locked))
            }
            Ok(Put::Not(_)) => Ok(None),
            Err(failure) => Err(failure.error("write", &self.uri(&path))),
        }
    }

    fn held(&self, key: &Key, text: LockText, etag: String) -> S3Lock {
        let inner = Inner {
            owner: text.owner,
            etag,
            state: None,
            run: None,
            lost: None,
            spool: None,
            released: false,
            stays: false,
        };
        S3Lock {
            hold: Arc::new(Hold {
                store: self.clone(),
                key: key.clone(),
                token: text.token,
                inner: Mutex::new(inner),
                moved: OnceLock::new(),
            }),
        }
    }

    /// Releases the locks that were dropped on the way to an error.
    ///
    /// # Errors
    /// If one could not be: it stays until `state unlock`.
    pub async fn release_dropped(&self) -> Result<()> {
        let dropped =
            std::mem::take(&mut *self.dropped.lock().unwrap_or_else(PoisonError::into_inner));
        let mut result = Ok(());
        for one in dropped {
            result = result.and(self.give_back(&one.key, &one.token, &one.etag).await);
        }
        result
    }

    async fn give_back(&self, key: &Key, token: &str, etag: &str) -> Result<()> {
        let path = lock_path(key);
        let refused = |failure: super::failure::Failure| {
            failure
                .error("release the lock", &self.uri(&path))
                .detail("what was done is recorded; only the lock is still there")
                .hint(format!("ringfence state unlock {}", key.id))
        };
        let Deleted::Not(there) = self.objects.delete(&path, etag).await.map_err(refused)? else {
            return Ok(());
        };
        // Our own, written by a call whose reply was lost; anybody else's stays.
        if LockText::parse(&there.bytes, "").is_ok_and(|text| text.token == token) {
            self.objects.delete(&path, &there.etag).await.map_err(refused)?;
        }
        Ok(())
    }
}

impl S3Lock {
    /// Whose state it is.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.hold.key
    }

    /// Where its store is.
    #[must_use]
    pub fn location(&self) -> String {
        self.hold.store.location()
    }

    /// The folder to which the record has moved, because the bucket could not be reached.
    #[must_use]
    pub fn moved(&self) -> Option<&Path> {
        self.hold.moved.get().map(PathBuf::as_path)
    }

    /// Says in the lock for which run it is held: from then on who breaks it leaves a tombstone in that run.
    ///
    /// # Errors
    /// If the lock was broken, or cannot be written.
    pub async fn name_run(&mut self, run: &str) -> Result<()> {
        let mut inner = self.hold.inner.lock().await;
        self.hold.name_run(&mut inner, run).await
    }

    /// The state as it stands; `None` if there is none.
    ///
    /// # Errors
    /// As [`S3Store::load`].
    pub async fn load(&mut self) -> Result<Option<State>> {
        let mut inner = self.hold.inner.lock().await;
        inner.check()?;
        if let Some(spool) = &inner.spool {
            return spool.lock.load();
        }
        let loaded = self.hold.store.load_object(&self.hold.key).await?;
        let state = loaded.as_ref().map(|(state, _)| state.clone());
        inner.state = Some(loaded);
        Ok(state)
    }

    /// Replaces the state, if it still is the one that was read under this lock.
    ///
    /// # Errors
    /// If it cannot be written; if the lock was broken; if somebody else has written; or if the new state does
    /// not follow on the one that is there.
    pub async fn save(&mut self, state: &State) -> Result<()> {
        let hold = Arc::clone(&self.hold);
        let mut inner = hold.inner.lock().await;
        inner.check()?;
        let path = state_path(&hold.key);
        let uri = hold.store.uri(&path);
        check_owner(&hold.key, state, &uri)?;
        if let Some(spool) = &inner.spool {
            return spool.lock.save(state);
        }
        if inner.state.is_none() {
            let not_overwritten = |error: Error| error.detail("it was not overwritten");
            let loaded = hold.store.load_object(&hold.key).await.map_err(not_overwritten)?;
            inner.state = Some(loaded);
        }
        let there = inner.state.clone().flatten();
        let bytes = state.bytes();
        if let Some((there, object)) = &there {
            if object.bytes == bytes {
                return Ok(());
            }
            follows(there, state, &uri)?;
        }
        let only = there.as_ref().map_or(Only::IfAbsent, |(_, object)| Only::IfStill(&object.etag));
        hold.check_held(&mut inner).await?;
        let written = hold.store.objects.put(&path, &bytes, only).await;
        let etag = match written {
            Ok(Put::Written(etag)) => etag,
            Ok(Put::Not(Some(there))) if there.bytes == bytes => there.etag,
            Ok(Put::Not(there)) => return Err(somebody_wrote(&uri, there)),
            Err(failure) if failure.is_unreachable() && inner.run.is_some() => {
                hold.move_away(&mut inner)?;
                return match &inner.spool {
                    Some(spool) => spool.lock.save(state),
                    None => Err(failure.error("write", &uri)),
                };
            }
            Err(failure) => return Err(failure.error("write", &uri)),
        };
        inner.state = Some(Some((state.clone(), Object { bytes, etag })));
        Ok(())
    }

    /// Makes the record of a run that does not exist yet, with its plan and an empty journal.
    ///
    /// # Errors
    /// If the run exists, its ID is none, the lock was broken, or the plan cannot be written.
    pub async fn start_run(&mut self, run: &str, plan: &[u8]) -> Result<S3Log> {
        let mut inner = self.hold.inner.lock().await;
        match self.hold.put_plan(&mut inner, run, plan).await? {
            (Put::Written(_), _) => {}
            (Put::Not(_), uri) => return Err(run_exists(run, &uri)),
        }
        inner.run = Some(RunSoFar { id: run.to_owned(), plan: plan.to_owned(), lines: Vec::new() });
        Ok(S3Log::new(Arc::clone(&self.hold), run, Journal::default()))
    }

    /// Says that a run that is to be started has begun for others already: where the bucket cannot be reached from
    /// here on, the record moves away.
    pub async fn join_run(&mut self, run: &str, plan: &[u8]) {
        self.hold.inner.lock().await.run =
            Some(RunSoFar { id: run.to_owned(), plan: plan.to_owned(), lines: Vec::new() });
    }

    /// Makes the plan of a run that is resumed where it was cut off before that, and opens its journal: there may be
    /// the tombstone of whoever broke its lock.
    pub(in crate::store) async fn begin_again(&mut self, run: &str, plan: &[u8]) -> Result<S3Log> {
        let put = self.hold.put_plan(&mut *self.hold.inner.lock().await, run, plan).await?;
        match put {
            (Put::Not(there), uri) if there.as_ref().is_none_or(|it| it.bytes != plan) => {
                Err(other_plan(run, &uri))
            }
            _ => self.reopen_run(run).await,
        }
    }

    /// Opens the journal of a run that was cut off, to go on with it.
    ///
    /// # Errors
    /// If there is none, it is broken, or the lock was.
    pub async fn reopen_run(&mut self, run: &str) -> Result<S3Log> {
        check_run_id(run)?;
        let mut inner = self.hold.inner.lock().await;
        self.hold.name_run(&mut inner, run).await?;
        let (store, key) = (&self.hold.store, &self.hold.key);
        let plan = store.plan_bytes(key, run).await?;
        let lines = store.journal_bytes(key, run).await?;
        let journal = Journal::parse(&lines, &store.uri(&super::journal_path(key, run)))?;
        inner.run = Some(RunSoFar { id: run.to_owned(), plan, lines });
        Ok(S3Log::new(Arc::clone(&self.hold), run, journal))
    }

    /// Gives the lock back. One whose record has moved away stays: nobody is to go on from what the bucket
    /// has, until `state push` has brought the rest.
    ///
    /// # Errors
    /// If that fails. It is tried once more when the store is closed; after that, `state unlock` clears it.
    pub async fn release(self) -> Result<()> {
        let mut inner = self.hold.inner.lock().await;
        if !inner.gives_back() {
            return Ok(());
        }
        let given = self.hold.store.give_back(&self.hold.key, &self.hold.token, &inner.etag).await;
        if given.is_err() {
            self.hold.remember(&inner);
        }
        given
    }

    pub(super) fn store(&self) -> &S3Store {
        &self.hold.store
    }
}

impl Drop for S3Lock {
    fn drop(&mut self) {
        // Nobody else waits for it: whoever used it is done.
        let Ok(mut inner) = self.hold.inner.try_lock() else { return };
        if !inner.stays && inner.gives_back() {
            self.hold.remember(&inner);
        }
    }
}

impl Hold {
    /// Leaves the lock to be released when the store is closed.
    fn remember(&self, inner: &Inner) {
        let dropped =
            Dropped { key: self.key.clone(), token: self.token.clone(), etag: inner.etag.clone() };
        self.store.dropped.lock().unwrap_or_else(PoisonError::into_inner).push(dropped);
    }

    /// Writes the plan of a run where there is none; says where.
    async fn put_plan(&self, inner: &mut Inner, run: &str, plan: &[u8]) -> Result<(Put, String)> {
        check_run_id(run)?;
        self.name_run(inner, run).await?;
        let path = plan_path(&self.key, run);
        let uri = self.store.uri(&path);
        if inner.spool.is_some() {
            return Ok((Put::Written(String::new()), uri));
        }
        match self.store.objects.put(&path, plan, Only::IfAbsent).await {
            Ok(put) => Ok((put, uri)),
            Err(failure) if failure.is_unreachable() && inner.run.is_some() => {
                self.move_away(inner)?;
                Ok((Put::Written(String::new()), uri))
            }
            Err(failure) => Err(failure.error("write", &uri)),
        }
    }

    async fn name_run(&self, inner: &mut Inner, run: &str) -> Result<()> {
        inner.check()?;
        if inner.owner.run.as_deref() == Some(run) || inner.spool.is_some() {
            return Ok(());
        }
        let path = lock_path(&self.key);
        let owner = Owner { run: Some(run.to_owned()), ..inner.owner.clone() };
        let bytes = LockText { owner: owner.clone(), token: self.token.clone() }.bytes();
        match self.store.objects.put(&path, &bytes, Only::IfStill(&inner.etag)).await {
            Ok(Put::Written(etag)) => inner.etag = etag,
            Ok(Put::Not(Some(there))) if there.bytes == bytes => inner.etag = there.etag,
            Ok(Put::Not(there)) => return Err(self.lose(inner, there).await),
            Err(failure) if failure.is_unreachable() && inner.run.is_some() => {
                return self.move_away(inner);
            }
            Err(failure) => return Err(failure.error("write", &self.store.uri(&path))),
        }
        inner.owner = owner;
        Ok(())
    }

    /// Looks whether the lock is still ours. Where nobody can tell, the state's own ETag has to do.
    async fn check_held(&self, inner: &mut Inner) -> Result<()> {
        let path = lock_path(&self.key);
        let there = match self.store.objects.look(&path).await {
            Ok(there) => there,
            Err(failure) if failure.is_unreachable() => return Ok(()),
            Err(failure) => return Err(failure.error("read", &self.store.uri(&path))),
        };
        let text = there.as_ref().and_then(|there| LockText::parse(&there.bytes, "").ok());
        if text.is_some_and(|text| text.token == self.token) {
            return Ok(());
        }
        Err(self.lose(inner, there).await)
    }

    /// Notes that the lock is another's or gone, and says whose doing that was.
    async fn lose(&self, inner: &mut Inner, there: Option<Object>) -> Error {
        let tombstone = match &inner.owner.run {
            Some(run) => self.store.tombstone(&self.key, run).await,
            None => None,
        };
        let now = there.and_then(|there| LockText::parse(&there.bytes, "").ok());
        let cause = match (tombstone, now) {
            (Some(words), _) => words,
            (None, Some(text)) => format!("{} now", text.owner.words()),
            (None, None) => {
                "the lock is not there any more, and nothing says who took it".to_owned()
            }
        };
        inner.lose(&self.key, cause)
    }
}

impl Inner {
    /// Notes that nothing more is written under the lock, and says whether it is there to be given back.
    fn gives_back(&mut self) -> bool {
        let released = std::mem::replace(&mut self.released, true);
        !released && self.lost.is_none() && self.spool.is_none()
    }

    /// Whether the lock is still ours, as far as is known.
    pub(super) fn check(&self) -> Result<()> {
        match &self.lost {
            Some(error) => Err(error.clone()),
            None if self.released => Err(Error::failed("the lock of the state was released")
                .hint("nothing more can be written under it; run the command again")),
            None => Ok(()),
        }
    }

    pub(super) fn lose(&mut self, key: &Key, cause: String) -> Error {
        let error = Error::new(Exit::Locked, format!("the lock of {} was broken", key.id))
            .because(cause)
            .detail("this run has stopped: somebody else may work on it now")
            .hint("see what holds: ringfence status; what this run did: ringfence state history");
        self.lost.get_or_insert(error).clone()
    }
}

fn somebody_wrote(uri: &str, there: Option<Object>) -> Error {
    let cause = match there.map(|there| State::parse(&there.bytes, uri)) {
        None => "it was removed since it was read".to_owned(),
        Some(Ok(state)) => format!("somebody else has written serial {}", state.serial),
        Some(Err(error)) => error.to_string(),
    };
    moved_on(uri, cause)
}

/// Something that nobody else has.
pub(super) fn token() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|_| Error::failed("the operating system gives no random bytes"))?;
    Ok(hex(&bytes))
}
