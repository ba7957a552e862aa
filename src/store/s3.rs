//! The store in a bucket: where things are, and reading them. The names are those on disk, but for a
//! journal, which is one object an entry: S3 cannot append (D5).

mod adopt;
mod failure;
mod fetch;
mod lock;
mod objects;
mod probe;
mod remove;
mod run;
mod spool;
mod unlock;

pub(crate) use fetch::{Fetched, Fetcher};
pub use lock::S3Lock;
pub use run::S3Log;
pub use spool::Spooled;
pub use unlock::Broken;

use super::common::{RULES, RuleFile, check_owner, check_run_id, is_run_id, pick, wrong_end};
use super::location::Place;
use super::{Key, Owner};
use crate::aws::Settings;
use crate::error::{Error, Result};
use crate::identity::{AccountId, PrincipalId, PrincipalKind};
use crate::journal::Journal;
use crate::state::State;
use crate::text::{count, shown};
use aws_config::SdkConfig;
use futures_util::stream::{StreamExt, iter};
use lock::LockText;
use objects::{Object, Objects};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// How many objects are read at once.
const IN_FLIGHT: usize = 16;

/// Where the record of a run goes on whose bucket cannot be reached.
pub(super) const SPOOL: &str = "ringfence-spool";

/// A store in a bucket. Reading makes and changes nothing (D2.1). Clones share what they know.
#[derive(Clone, Debug)]
pub struct S3Store {
    objects: Objects,
    spool: PathBuf,
    /// The journals that were read, by their folder: they are needed once more if the record moves.
    read: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    /// The locks that were dropped and not released.
    dropped: Arc<Mutex<Vec<lock::Dropped>>>,
    /// Whether the bucket was seen to honour conditions.
    sound: Arc<std::sync::atomic::AtomicBool>,
}

impl S3Store {
    /// The store at a place, reached as IAM is. Nothing is sent yet.
    #[must_use]
    pub fn connect(place: Place, settings: &Settings) -> Self {
        Self::new(Objects::new(place, settings.clone(), None))
    }

    /// The same, with a configuration as it is.
    #[must_use]
    pub fn from_config(place: Place, config: &SdkConfig) -> Self {
        Self::new(Objects::new(place, Settings::default(), Some(config.clone())))
    }

    fn new(objects: Objects) -> Self {
        Self {
            objects,
            spool: PathBuf::from(SPOOL),
            read: Arc::default(),
            dropped: Arc::default(),
            sound: Arc::default(),
        }
    }

    /// The same, with another folder for the records of runs whose bucket cannot be reached.
    #[must_use]
    pub fn with_spool(mut self, spool: &Path) -> Self {
        spool.clone_into(&mut self.spool);
        self
    }

    /// Where the store is: `s3://BUCKET/PREFIX`.
    #[must_use]
    pub fn location(&self) -> String {
        self.objects.place.uri("")
    }

    /// The objects that rule over the store (D5): `policy.toml` and `allowed_signers`, where they are.
    ///
    /// # Errors
    /// If the bucket cannot be listed, or one is there and cannot be read.
    pub async fn rules(&self) -> Result<[RuleFile; 2]> {
        // Listed first: to a caller who may not list, S3 does not tell an object that is denied from none.
        let listing = self.list_at("").await?;
        let mut found = [None, None];
        for (place, path) in found.iter_mut().zip(RULES) {
            if listing.objects.iter().any(|object| object == path) {
                let object = self.get(path).await?;
                *place = object.map(|object| (self.uri(path), object.bytes));
            }
        }
        Ok(found)
    }

    /// A principal's state; `None` if it has none.
    ///
    /// # Errors
    /// If the object cannot be read, is broken, is of a newer format, or is of another principal.
    pub async fn load(&self, key: &Key) -> Result<Option<State>> {
        Ok(self.load_object(key).await?.map(|(state, _)| state))
    }

    async fn load_object(&self, key: &Key) -> Result<Option<(State, Object)>> {
        let path = state_path(key);
        let Some(object) = self.get(&path).await? else { return Ok(None) };
        let uri = self.uri(&path);
        let state = State::parse(&object.bytes, &uri)?;
        check_owner(key, &state, &uri)?;
        Ok(Some((state, object)))
    }

    /// Every principal with a state, sorted. What is not ours is ignored. One whose state cannot be read, or
    /// that has runs and no state, stands there with its error.
    ///
    /// # Errors
    /// If the bucket cannot be listed.
    pub async fn list(&self) -> Result<Vec<(Key, Result<State>)>> {
        let keys = self.principals().await?;
        let loaded: Vec<_> = iter(keys)
            .map(async |key| {
                let state = match self.load(&key).await {
                    Ok(Some(state)) => Ok(state),
                    Ok(None) => match self.lost(&key).await {
                        Ok(None) => return None,
                        Ok(Some(error)) | Err(error) => Err(error),
                    },
                    Err(error) => Err(error),
                };
                Some((key, state))
            })
            .buffered(IN_FLIGHT)
            .collect()
            .await;
        Ok(loaded.into_iter().flatten().collect())
    }

    /// The states of a user or role, by name in any letter case (F34) or by principal ID, the latest run first.
    ///
    /// # Errors
    /// If the store cannot be read, or a state that may be the one meant cannot be.
    pub async fn find(&self, user: &str) -> Result<Vec<(Key, State)>> {
        pick(self.list().await?, user)
    }

    /// The IDs of a principal's runs, sorted.
    ///
    /// # Errors
    /// If the bucket cannot be listed.
    pub async fn runs(&self, key: &Key) -> Result<Vec<String>> {
        let listing = self.list_at(&format!("{}/runs/", directory(key))).await?;
        let names = listing.folders.iter().filter_map(|folder| last_part(folder));
        Ok(names.filter(|name| is_run_id(name)).map(str::to_owned).collect())
    }

    /// The journal of a run.
    ///
    /// # Errors
    /// If there is none, or it is broken.
    pub async fn journal(&self, key: &Key, run: &str) -> Result<Journal> {
        let lines = self.journal_bytes(key, run).await?;
        Journal::parse(&lines, &self.uri(&journal_path(key, run)))
    }

    /// The lines of a journal, one object each, which must be numbered without a gap.
    async fn journal_bytes(&self, key: &Key, run: &str) -> Result<Vec<u8>> {
        let lines = self.entries(key, run).await?;
        if lines.is_empty() {
            // A run that was cut off as it began has a plan and no entry yet.
            self.plan_bytes(key, run).await?;
        }
        Ok(lines)
    }

    /// The same; empty where there are none.
    async fn entries(&self, key: &Key, run: &str) -> Result<Vec<u8>> {
        check_run_id(run)?;
        let folder = journal_path(key, run);
        let listing = self.list_at(&format!("{folder}/")).await?;
        let mut paths = Vec::new();
        for (path, n) in listing.objects.into_iter().zip(1_u64..) {
            let expected = entry_path(key, run, n);
            if path != expected {
                return Err(Error::failed(format!(
                    "the journal `{}` is broken",
                    self.uri(&folder)
                ))
                .because(format!(
                    "entry {n} would be `{}`, and `{}` is next",
                    self.uri(&expected),
                    self.uri(&path)
                ))
                .hint("compare its head with the one that the run printed; keep the objects"));
            }
            paths.push(path);
        }
        let objects: Vec<_> = iter(paths)
            .map(async |path| self.entry(&path).await)
            .buffered(IN_FLIGHT)
            .collect()
            .await;
        let lines = objects.into_iter().collect::<Result<Vec<_>>>()?.concat();
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.insert(folder, lines.clone());
        Ok(lines)
    }

    /// One entry of a journal: exactly one line.
    async fn entry(&self, path: &str) -> Result<Vec<u8>> {
        let broken = |why: &str| {
            Error::failed(format!("the journal's entry `{}` is broken", self.uri(path)))
                .because(why)
                .hint("compare the journal's head with the one that the run printed")
        };
        let object = self.get(path).await?.ok_or_else(|| broken("it went as it was read"))?;
        let ends = object.bytes.iter().filter(|byte| **byte == b'\n').count();
        if ends != 1 || !object.bytes.ends_with(b"\n") {
            return Err(broken("it is not one line"));
        }
        Ok(object.bytes)
    }

    /// The plan of a run, as it was approved and applied.
    ///
    /// # Errors
    /// If there is none.
    pub async fn plan_bytes(&self, key: &Key, run: &str) -> Result<Vec<u8>> {
        check_run_id(run)?;
        let path = plan_path(key, run);
        match self.get(&path).await? {
            Some(object) => Ok(object.bytes),
            None => Err(super::common::no_file(&self.uri(&path), run)),
        }
    }

    /// An object below the location, by its URI; `None` where the name is of something else.
    ///
    /// # Errors
    /// If there is none of that name, or it cannot be read.
    pub async fn file(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let Some(path) = self.objects.place.inside(name) else { return Ok(None) };
        match self.get(path).await? {
            Some(object) => Ok(Some(object.bytes)),
            None => Err(Error::failed(format!("there is no `{}`", self.uri(path)))
                .hint("ringfence state rm says where it has moved a record")),
        }
    }

    /// The principals that took part in a run, sorted.
    ///
    /// # Errors
    /// If the bucket cannot be listed or the run's ID is none.
    pub async fn find_run(&self, run: &str) -> Result<Vec<Key>> {
        check_run_id(run)?;
        let keys = self.principals().await?;
        let found: Vec<Result<Option<Key>>> = iter(keys)
            .map(async |key| {
                let listing = self.list_at(&format!("{}/runs/{run}/", directory(&key))).await?;
                let there = !listing.objects.is_empty() || !listing.folders.is_empty();
                Ok(there.then_some(key))
            })
            .buffered(IN_FLIGHT)
            .collect()
            .await;
        Ok(found.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    /// Checks that the journal of every finished run is whole: as many entries, and the head, as the state says (D5).
    ///
    /// # Errors
    /// If one is missing, shorter, longer or another.
    pub async fn verify(&self, key: &Key, state: &State) -> Result<()> {
        let ended = state.runs.iter().filter_map(|run| Some((run.id.as_str(), run.end.as_ref()?)));
        let checked: Vec<Result<()>> = iter(ended)
            .map(async |(run, end)| {
                let journal = self.journal(key, run).await?;
                wrong_end(&journal, end, &self.uri(&journal_path(key, run))).map_or(Ok(()), Err)
            })
            // Each reads so many entries at once itself.
            .buffered(4)
            .collect()
            .await;
        checked.into_iter().collect()
    }

    /// Who holds the lock now; `None` if nobody does. A lock in a bucket lasts until it is released or broken,
    /// also when its holder is dead.
    ///
    /// # Errors
    /// If it cannot be read, or does not say by whom it is held.
    pub async fn holder(&self, key: &Key) -> Result<Option<Owner>> {
        Ok(self.lock_text(key).await?.map(|(text, _)| text.owner))
    }

    async fn lock_text(&self, key: &Key) -> Result<Option<(LockText, Object)>> {
        let path = lock_path(key);
        match self.get(&path).await? {
            None => Ok(None),
            Some(object) => Ok(Some((LockText::parse(&object.bytes, &self.uri(&path))?, object))),
        }
    }

    /// The error for a lock that another holds: who, where, since when, which run.
    pub async fn locked_error(&self, key: &Key) -> Error {
        let state = self.load(key).await.ok().flatten();
        let error = super::common::locked(key, state.as_ref(), self.holder(key).await);
        match self.record_elsewhere(key).await {
            Some(folder) => super::common::taken_back(error, &folder, &self.location()),
            None => super::common::wait_or_unlock(error, key, state.as_ref()),
        }
    }

    async fn get(&self, path: &str) -> Result<Option<Object>> {
        self.objects.get(path).await.map_err(|failure| failure.error("read", &self.uri(path)))
    }

    async fn list_at(&self, below: &str) -> Result<objects::Listing> {
        self.objects.list(below).await.map_err(|failure| failure.error("list", &self.uri(below)))
    }

    fn uri(&self, path: &str) -> String {
        self.objects.place.uri(path)
    }

    /// Every principal that has something below it, sorted.
    pub(super) async fn principals(&self) -> Result<Vec<Key>> {
        let accounts = self.list_at("").await?.folders;
        let accounts = accounts.iter().filter_map(|folder| last_part(folder)?.parse().ok());
        let keys: Vec<Result<Vec<Key>>> = iter(accounts)
            .map(async |account: AccountId| {
                let mut keys = Vec::new();
                for kind in PrincipalKind::ALL {
                    let listing = self.list_at(&format!("{account}/{kind}/")).await?;
                    let ids = listing.folders.iter().filter_map(|folder| last_part(folder));
                    let ids = ids.filter_map(|id| id.parse::<PrincipalId>().ok());
                    keys.extend(ids.map(|id| Key { account: account.clone(), kind, id }));
                }
                Ok(keys)
            })
            .buffered(IN_FLIGHT)
            .collect()
            .await;
        let mut keys = keys.into_iter().collect::<Result<Vec<_>>>()?.concat();
        keys.sort_unstable();
        Ok(keys)
    }

    /// The error for a principal with runs and no state; `None` where there are no runs either.
    async fn lost(&self, key: &Key) -> Result<Option<Error>> {
        let runs = self.runs(key).await?;
        let mut meant = false;
        for run in &runs {
            // A run that was cut off before its state was stored has meant no call, and has made none (D2.5).
            meant |= self.journal(key, run).await.map_or(true, |journal| journal.has_intents());
        }
        if !meant {
            return Ok(None);
        }
        let what = count(runs.len(), "run", "runs");
        let error =
            Error::failed(format!("`{}` has {what} and no state", self.uri(&directory(key))))
                .because("the state was lost or removed");
        let mut plan = false;
        for run in &runs {
            plan |= self.get(&plan_path(key, run)).await?.is_some();
        }
        let id = shown(key.id.as_str());
        Ok(Some(match plan {
            true => error.hint(format!(
                "rebuild it: ringfence state pull {id} --out DIR, then ringfence state import with the run's plan.json"
            )),
            false => error.hint(format!(
                "no plan was stored, so nothing was done: ringfence state rm {id}"
            )),
        }))
    }
}

/// The folder of a principal.
fn directory(key: &Key) -> String {
    key.to_string()
}

fn state_path(key: &Key) -> String {
    format!("{}/state.json", directory(key))
}

fn lock_path(key: &Key) -> String {
    format!("{}/lock", directory(key))
}

fn plan_path(key: &Key, run: &str) -> String {
    format!("{}/runs/{run}/plan.json", directory(key))
}

fn journal_path(key: &Key, run: &str) -> String {
    format!("{}/runs/{run}/journal", directory(key))
}

/// Eight digits, so that entries sort by their names.
fn entry_path(key: &Key, run: &str, n: u64) -> String {
    format!("{}/{n:08}.json", journal_path(key, run))
}

fn last_part(folder: &str) -> Option<&str> {
    folder.trim_end_matches('/').rsplit('/').next()
}

#[cfg(test)]
mod tests;
