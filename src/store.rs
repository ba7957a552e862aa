//! The store of states: `LOCATION/ACCOUNT/user/PRINCIPAL_ID/`, or `role` in the place of `user`, with its `state.json`, `lock` and `runs` (D5).
//!
//! Everyone may read. Only a [`Locked`] can write, and the only way to one is [`Store::lock`] (D6).

mod common;
mod copy;
mod files;
mod local;
mod location;
mod lock;
mod locked;
mod run;
#[cfg(feature = "s3")]
mod s3;

pub use common::RuleFile;
pub use copy::{Copied, copy};
pub use local::LocalStore;
pub use location::{Location, Place};
pub use lock::{LocalLock, Owner, Unlock};
pub use locked::{Locked, RunLog};
pub use run::LocalLog;
#[cfg(feature = "s3")]
pub use s3::{Broken, S3Lock, S3Log, S3Store, Spooled};
#[cfg(feature = "s3")]
pub(crate) use s3::{Fetched, Fetcher};

use crate::approval::TrustRoot;
use crate::error::Result;
use crate::identity::{AccountId, PrincipalId, PrincipalKind};
use crate::journal::Journal;
use crate::plan::{Kind, Plan, PrincipalPlan};
use crate::record;
use crate::state::State;
use common::contradicts_itself;
use std::fmt;
use std::path::{Path, PathBuf};

/// Whose state it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The account.
    pub account: AccountId,
    /// What kind of principal it is.
    pub kind: PrincipalKind,
    /// The unique ID, which stays when the name goes to another (F27).
    pub id: PrincipalId,
}

impl Key {
    /// Whose state a plan is about.
    #[must_use]
    pub fn of(plan: &Plan, principal: &PrincipalPlan) -> Self {
        Self { account: plan.account_id.clone(), kind: principal.kind, id: principal.id.clone() }
    }

    /// Whose state it is.
    #[must_use]
    pub fn of_state(state: &State) -> Self {
        let principal = &state.principal;
        Self { account: state.account_id.clone(), kind: principal.kind, id: principal.id.clone() }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/{}/{}", self.account, self.kind, self.id))
    }
}

// What waits for a bucket is large, and stands on the heap: a folder's answer waits for nothing.

/// Where states are kept. Reading makes and changes nothing (D2.1).
#[derive(Clone, Debug)]
pub enum Store {
    /// A directory of this machine.
    Local(LocalStore),
    /// A place in a bucket.
    #[cfg(feature = "s3")]
    S3(S3Store),
}

impl Store {
    /// The store in a directory, which need not exist. Touches nothing.
    #[must_use]
    pub fn local(location: &Path) -> Self {
        Self::Local(LocalStore::new(location))
    }

    /// Where the store is, as a person names it.
    #[must_use]
    pub fn location(&self) -> String {
        match self {
            Self::Local(store) => store.location().display().to_string(),
            #[cfg(feature = "s3")]
            Self::S3(store) => store.location(),
        }
    }

    /// What rules over the store: its `policy.toml` and its `allowed_signers` (D5).
    ///
    /// # Errors
    /// If one is there and cannot be read, or is malformed: it is not taken for none.
    pub async fn trust_root(&self) -> Result<TrustRoot> {
        let [policy, signers] = match self {
            Self::Local(store) => store.rules()?,
            #[cfg(feature = "s3")]
            Self::S3(store) => Box::pin(store.rules()).await?,
        };
        TrustRoot::parse(
            policy.as_ref().map(|(name, bytes)| (name.as_str(), bytes.as_slice())),
            signers.as_ref().map(|(name, bytes)| (name.as_str(), bytes.as_slice())),
        )
    }

    /// A principal's state as it is stored; `None` if it has none.
    ///
    /// # Errors
    /// If it cannot be read, is broken or cut, is of a newer format, or is of another principal.
    async fn stored(&self, key: &Key) -> Result<Option<State>> {
        match self {
            Self::Local(store) => store.load(key),
            #[cfg(feature = "s3")]
            Self::S3(store) => Box::pin(store.load(key)).await,
        }
    }

    /// A principal's state; `None` if it has none. Where its last run was cut off, with all that the run's
    /// journal tells.
    ///
    /// # Errors
    /// If it cannot be read, is broken or cut, is of a newer format, or is of another principal.
    pub async fn load(&self, key: &Key) -> Result<Option<State>> {
        Ok(match self.stored(key).await? {
            Some(state) => Some(self.replayed(key, state).await),
            None => None,
        })
    }

    /// What a state amounts to once the journal of a run that was cut off is taken into account. Where that
    /// cannot be read, the state stands as it is: whatever the run wrote is in doubt there (D2.13).
    async fn replayed(&self, key: &Key, state: State) -> State {
        let Some(run) = state.open_run().map(|run| run.id.clone()) else { return state };
        let (Ok(bytes), Ok(journal)) =
            (self.plan_bytes(key, &run).await, self.journal(key, &run).await)
        else {
            return state;
        };
        let Ok(plan) = Plan::parse(&bytes, &run) else { return state };
        match plan.principals.iter().find(|principal| principal.id == key.id) {
            Some(principal) => record::replay(&state, &plan, principal, &journal),
            None => state,
        }
    }

    /// Every principal with a state, sorted; one whose state cannot be read, or that has runs and no state,
    /// stands there with its error.
    ///
    /// # Errors
    /// If the store cannot be listed.
    pub async fn list(&self) -> Result<Vec<(Key, Result<State>)>> {
        let stored = match self {
            Self::Local(store) => store.list()?,
            #[cfg(feature = "s3")]
            Self::S3(store) => Box::pin(store.list()).await?,
        };
        let mut found = Vec::new();
        for (key, state) in stored {
            let state = match state {
                Ok(state) => Ok(self.replayed(&key, state).await),
                Err(error) => Err(error),
            };
            found.push((key, state));
        }
        Ok(found)
    }

    /// The states of a user or role, by name in any letter case (F34) or by principal ID, the latest run first.
    ///
    /// # Errors
    /// If the store cannot be read, or a state that may be the one meant cannot be.
    pub async fn find(&self, user: &str) -> Result<Vec<(Key, State)>> {
        let stored = match self {
            Self::Local(store) => store.find(user)?,
            #[cfg(feature = "s3")]
            Self::S3(store) => Box::pin(store.find(user)).await?,
        };
        let mut found = Vec::new();
        for (key, state) in stored {
            let state = self.replayed(&key, state).await;
            found.push((key, state));
        }
        Ok(found)
    }

    /// The principals of this ID that have anything in the store, a state or not.
    ///
    /// # Errors
    /// If the store cannot be listed.
    pub async fn keys(&self, id: &str) -> Result<Vec<Key>> {
        let mut keys = match self {
            Self::Local(store) => store.principals()?,
            #[cfg(feature = "s3")]
            Self::S3(store) => Box::pin(store.principals()).await?,
        };
        keys.retain(|key| key.id.as_str() == id);
        Ok(keys)
    }

    /// A file of the store that is no file of this machine, by its name; `None` where the name is of another.
    ///
    /// # Errors
    /// If there is none of that name, or it cannot be read.
    pub async fn file(&self, name: &str) -> Result<Option<Vec<u8>>> {
        match self {
            Self::Local(_) => {
                let _ = name;
                Ok(None)
            }
            #[cfg(feature = "s3")]
            Self::S3(store) => Box::pin(store.file(name)).await,
        }
    }

    /// Finds out, before anything is changed in IAM, whether the principal's state and runs can be written.
    ///
    /// # Errors
    /// If they cannot, with the place and the cause.
    pub async fn check_writable(&self, key: &Key) -> Result<()> {
        match self {
            Self::Local(store) => store.check_writable(key),
            #[cfg(feature = "s3")]
            Self::S3(store) => Box::pin(store.check_writable(key)).await,
        }
    }

    /// The IDs of a principal's runs, sorted.
    ///
    /// # Errors
    /// If they cannot be listed.
    pub async fn runs(&self, key: &Key) -> Result<Vec<String>> {
        match self {
            Self::Local(store) => store.runs(key),
            #[cfg(feature = "s3")]
            Self::S3(store) => Box::pin(store.runs(key)).await,
        }
    }

    /// The journal of a run.
    ///
    /// # Errors
    /// If there is none, or it is broken before its last line.
    pub async fn journal(&self, key: &Key, run: &str) -> Result<Journal> {
        match self {
            Self::Local(store) => store.journal(key, run),
            #[cfg(feature = "s3")]
            Self::S3(store) => Box::pin(store.journal(key, run)).await,
        }
    }

    /// The plan of a run, as it was approved and applied.
    ///
    /// # Errors
    /// If there is none.
    pub async fn plan_bytes(&self, key: &Key, run: &str) -> Result<Vec<u8>> {
        match self {
            Self::Local(store) => store.plan_bytes(key, run),
            #[cfg(feature = "s3")]
            Self::S3(store) => Box::pin(store.plan_bytes(key, run)).await,
        }
    }

    /// The principals that took part in a run, sorted.
    ///
    /// # Errors
    /// If the store cannot be read or the run's ID is none.
    pub async fn find_run(&self, run: &str) -> Result<Vec<Key>> {
        match self {
            Self::Local(store) => store.find_run(run),
            #[cfg(feature = "s3")]
            Self::S3(store) => Box::pin(store.find_run(run)).await,
        }
    }

    /// Checks that the journal of every finished run is whole: as many entries, and the head, as the state says
    /// (D5); and that the state names the sessions that its fence is for.
    ///
    /// # Errors
    /// If a journal is missing, shorter, longer or another, or the state contradicts itself.
    pub async fn verify(&self, key: &Key, state: &State) -> Result<()> {
        self.verify_journals(key, state).await?;
        self.consistent(key, state).await
    }

    async fn verify_journals(&self, key: &Key, state: &State) -> Result<()> {
        match self {
            Self::Local(store) => store.verify(key, state),
            #[cfg(feature = "s3")]
            Self::S3(store) => Box::pin(store.verify(key, state)).await,
        }
    }

    async fn consistent(&self, key: &Key, state: &State) -> Result<()> {
        match state.sessions_contradicted() {
            Some(why) if !self.asked_for(key, state).await => Err(contradicts_itself(state, &why)),
            _ => Ok(()),
        }
    }

    /// Whether the last containment asked for the sessions that the state names: one that could write no fence
    /// leaves an earlier and narrower one standing (D2.4).
    async fn asked_for(&self, key: &Key, state: &State) -> bool {
        let Some(run) = state.runs.iter().rev().find(|run| run.kind == Kind::Contain) else {
            return false;
        };
        let Ok(bytes) = self.plan_bytes(key, &run.id).await else { return false };
        Plan::parse(&bytes, &run.id).is_ok_and(|plan| {
            plan.principals.iter().any(|one| one.id == key.id && one.sessions == state.sessions)
        })
    }

    /// Tries once to take the lock: `None` if another holds it. `owner` is written into it for others to read.
    ///
    /// # Errors
    /// If the lock cannot be made or written.
    pub async fn lock(&self, key: &Key, owner: &Owner) -> Result<Option<Locked>> {
        match self {
            Self::Local(store) => Ok(store.lock(key, owner)?.map(Locked::Local)),
            #[cfg(feature = "s3")]
            Self::S3(store) => Ok(Box::pin(store.lock(key, owner)).await?.map(Locked::S3)),
        }
    }

    /// Who holds the lock now; `None` if nobody does.
    ///
    /// # Errors
    /// If the lock cannot be read, or is held and does not say by whom.
    pub async fn holder(&self, key: &Key) -> Result<Option<Owner>> {
        match self {
            Self::Local(store) => store.holder(key),
            #[cfg(feature = "s3")]
            Self::S3(store) => Box::pin(store.holder(key)).await,
        }
    }

    /// The folder of this machine in which the record goes on that the lock of a principal stands for, where its
    /// store could not be reached in mid-run.
    pub async fn record_elsewhere(&self, key: &Key) -> Option<PathBuf> {
        match self {
            Self::Local(_) => {
                let _ = key;
                None
            }
            #[cfg(feature = "s3")]
            Self::S3(store) => Box::pin(store.record_elsewhere(key)).await,
        }
    }

    /// The error for a lock that another holds: who, where, since when, which run.
    pub async fn locked_error(&self, key: &Key) -> crate::error::Error {
        match self {
            Self::Local(store) => store.locked_error(key),
            #[cfg(feature = "s3")]
            Self::S3(store) => Box::pin(store.locked_error(key)).await,
        }
    }

    /// What `state unlock` does.
    ///
    /// # Errors
    /// If the lock cannot be read or written.
    pub async fn unlock(&self, key: &Key) -> Result<Unlock> {
        match self {
            Self::Local(store) => store.unlock(key),
            #[cfg(feature = "s3")]
            Self::S3(store) => {
                Ok(store.holder(key).await?.map_or(Unlock::NotLocked, Unlock::HeldBy))
            }
        }
    }

    /// What `state rm` does: moves the principal's record aside and says where. Nothing is deleted: it is evidence.
    ///
    /// # Errors
    /// If it cannot be moved.
    pub async fn remove(&self, locked: Locked) -> Result<String> {
        match (self, locked) {
            (Self::Local(store), Locked::Local(locked)) => {
                Ok(store.remove(locked)?.display().to_string())
            }
            #[cfg(feature = "s3")]
            (Self::S3(store), Locked::S3(locked)) => Box::pin(store.remove(locked)).await,
            #[cfg(feature = "s3")]
            (_, locked) => Err(crate::error::Error::failed(format!(
                "the lock of {} is of another store",
                locked.key()
            ))
            .hint("remove a state from the store that it was locked in")),
        }
    }

    /// A run as another store would take it: its plan, if there is one, and the whole lines of its journal.
    async fn run_bytes(&self, key: &Key, run: &str) -> Result<(Option<Vec<u8>>, Vec<u8>)> {
        match self {
            Self::Local(store) => store.run_bytes(key, run),
            #[cfg(feature = "s3")]
            Self::S3(store) => Box::pin(store.run_bytes(key, run)).await,
        }
    }

    /// Gives back every lock that was dropped on the way to an error. A local one goes by itself.
    ///
    /// # Errors
    /// If one could not be: it stays, and `state unlock` clears it.
    pub async fn close(&self) -> Result<()> {
        match self {
            Self::Local(_) => Ok(()),
            #[cfg(feature = "s3")]
            Self::S3(store) => Box::pin(store.release_dropped()).await,
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests write files as others leave them")]
mod tests;
