//! The store in a directory of this machine: where things are, and reading them.

use super::common::{
    RULES, RuleFile, check_owner, check_run_id, is_run_id, no_file, pick, wrong_end,
};
use super::{Key, files};
use crate::error::{Error, Result};
use crate::identity::{AccountId, PrincipalId, PrincipalKind};
use crate::journal::Journal;
use crate::state::State;
use crate::text::shell;
use std::path::{Path, PathBuf};

/// A store in a directory. Reading makes and changes nothing (D2.1).
#[derive(Clone, Debug)]
pub struct LocalStore {
    location: PathBuf,
}

impl LocalStore {
    /// The store at a location, which need not exist. Touches nothing.
    #[must_use]
    pub fn new(location: &Path) -> Self {
        // An empty path names no directory to the operating system.
        let location = if location.as_os_str().is_empty() { Path::new(".") } else { location };
        Self { location: location.to_owned() }
    }

    /// Where the store is.
    #[must_use]
    pub fn location(&self) -> &Path {
        &self.location
    }

    /// The files that rule over the store (D5): `policy.toml` and `allowed_signers`, where they are.
    ///
    /// # Errors
    /// If one is there and cannot be read.
    pub fn rules(&self) -> Result<[RuleFile; 2]> {
        let read = |file: &str| -> Result<RuleFile> {
            let path = self.location.join(file);
            // A link that leads nowhere counts too: somebody meant a rule to stand there.
            if files::stat(&path)?.is_none() {
                return Ok(None);
            }
            let name = files::name(&path);
            let missing =
                || Error::forbidden(format!("`{name}` cannot be read")).because("it leads nowhere");
            Ok(Some((name.clone(), files::read(&path)?.ok_or_else(missing)?)))
        };
        let [policy, signers] = RULES;
        Ok([read(policy)?, read(signers)?])
    }

    /// A principal's state; `None` if it has none.
    ///
    /// # Errors
    /// If the file cannot be read, is broken or cut, is of a newer format, or is of another principal.
    pub fn load(&self, key: &Key) -> Result<Option<State>> {
        let path = self.state_path(key);
        self.no_links(&path)?;
        let Some(bytes) = files::read(&path)? else {
            return Ok(None);
        };
        let state = State::parse(&bytes, &files::name(&path))?;
        check_owner(key, &state, &files::name(&path))?;
        Ok(Some(state))
    }

    /// Every principal with a state, sorted. Files that are not ours are ignored. One whose state cannot be read,
    /// or that has runs and no state, stands there with its error.
    ///
    /// # Errors
    /// If a directory cannot be read.
    pub fn list(&self) -> Result<Vec<(Key, Result<State>)>> {
        let mut found = Vec::new();
        for key in self.principals()? {
            match self.load(&key) {
                Ok(Some(state)) => found.push((key, Ok(state))),
                Ok(None) => {
                    if let Some(error) = self.lost(&key)? {
                        found.push((key, Err(error)));
                    }
                }
                Err(error) => found.push((key, Err(error))),
            }
        }
        Ok(found)
    }

    /// The states of a user or role, by name in any letter case (F34) or by principal ID, the latest run first. A name
    /// can have belonged to several principals (F27).
    ///
    /// # Errors
    /// If the store cannot be read; if a state that may be the one meant cannot be: that of the principal ID, or,
    /// where no other has the name, any.
    pub fn find(&self, user: &str) -> Result<Vec<(Key, State)>> {
        pick(self.list()?, user)
    }

    /// Finds out, before anything is changed in IAM, whether the principal's state and runs can be written.
    ///
    /// # Errors
    /// If they cannot, with the directory and the cause.
    pub fn check_writable(&self, key: &Key) -> Result<()> {
        let directory = self.directory(key);
        let runs = directory.join("runs");
        self.no_links(&self.state_path(key))?;
        self.no_links(&runs)?;
        files::make_directory(&runs)?;
        let unique = std::process::id().to_string();
        files::probe(&directory, &unique)?;
        files::probe(&runs, &unique)
    }

    /// The IDs of a principal's runs, sorted.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn runs(&self, key: &Key) -> Result<Vec<String>> {
        let runs = self.directory(key).join("runs");
        self.no_links(&runs)?;
        let mut found = Vec::new();
        for name in files::names(&runs)? {
            if is_run_id(&name) && files::stat(&runs.join(&name))?.is_some_and(|m| m.is_dir()) {
                found.push(name);
            }
        }
        Ok(found)
    }

    /// Whether a run has a journal: the last file that its beginning makes.
    pub(super) fn has_journal(&self, key: &Key, run: &str) -> Result<bool> {
        let directory = self.run_directory(key, run)?;
        self.no_links(&directory)?;
        Ok(files::stat(&directory.join("journal.jsonl"))?.is_some())
    }

    /// The journal of a run.
    ///
    /// # Errors
    /// If there is none, or it is broken before its last line.
    pub fn journal(&self, key: &Key, run: &str) -> Result<Journal> {
        let (path, bytes) = self.run_file(key, run, "journal.jsonl")?;
        Journal::parse(&bytes, &files::name(&path))
    }

    /// The plan of a run, as it was approved and applied.
    ///
    /// # Errors
    /// If there is none.
    pub fn plan_bytes(&self, key: &Key, run: &str) -> Result<Vec<u8>> {
        self.run_file(key, run, "plan.json").map(|(_, bytes)| bytes)
    }

    /// A run as another store would take it: its plan, if there is one, and the whole lines of its journal.
    pub(super) fn run_bytes(&self, key: &Key, run: &str) -> Result<(Option<Vec<u8>>, Vec<u8>)> {
        let directory = self.run_directory(key, run)?;
        self.no_links(&directory)?;
        let plan = files::read(&directory.join("plan.json"))?;
        let path = directory.join("journal.jsonl");
        let mut lines = files::read(&path)?.unwrap_or_default();
        let whole = Journal::parse(&lines, &files::name(&path))?.bytes_len();
        lines.truncate(usize::try_from(whole).unwrap_or(lines.len()));
        Ok((plan, lines))
    }

    /// The principals that took part in a run, sorted.
    ///
    /// # Errors
    /// If the store cannot be read or the run's ID is none.
    pub fn find_run(&self, run: &str) -> Result<Vec<Key>> {
        check_run_id(run)?;
        let mut found = Vec::new();
        for key in self.principals()? {
            let directory = self.run_directory(&key, run)?;
            if files::stat(&directory)?.is_some_and(|metadata| metadata.is_dir()) {
                found.push(key);
            }
        }
        Ok(found)
    }

    /// Checks that the journal of every finished run is whole: as many entries, and the head, as the state says (D5).
    ///
    /// # Errors
    /// If one is missing, shorter, longer or another.
    pub fn verify(&self, key: &Key, state: &State) -> Result<()> {
        for run in &state.runs {
            let Some(end) = &run.end else { continue };
            let journal = self.journal(key, &run.id)?;
            let path = files::name(&self.run_directory(key, &run.id)?.join("journal.jsonl"));
            if let Some(error) = wrong_end(&journal, end, &path) {
                return Err(error);
            }
        }
        Ok(())
    }

    pub(super) fn account(&self, account: &AccountId) -> PathBuf {
        self.location.join(account.as_str())
    }

    pub(super) fn directory(&self, key: &Key) -> PathBuf {
        self.account(&key.account).join(key.kind.word()).join(key.id.as_str())
    }

    pub(super) fn state_path(&self, key: &Key) -> PathBuf {
        self.directory(key).join("state.json")
    }

    pub(super) fn lock_path(&self, key: &Key) -> PathBuf {
        self.directory(key).join("lock")
    }

    /// The directory of a run, whose ID has no character that leads out of it (D2.14).
    pub(super) fn run_directory(&self, key: &Key, run: &str) -> Result<PathBuf> {
        check_run_id(run)?;
        Ok(self.directory(key).join("runs").join(run))
    }

    pub(super) fn no_links(&self, path: &Path) -> Result<()> {
        files::no_links(&self.location, path)
    }

    /// Every principal that has a directory, sorted.
    pub(super) fn principals(&self) -> Result<Vec<Key>> {
        let mut keys = Vec::new();
        for account in files::names(&self.location)? {
            let Ok(account) = account.parse::<AccountId>() else {
                continue;
            };
            // A file that happens to have such a name is not ours.
            if files::stat(&self.account(&account))?.is_none_or(|m| m.is_file()) {
                continue;
            }
            for kind in PrincipalKind::ALL {
                let folder = self.account(&account).join(kind.word());
                for id in files::names(&folder)? {
                    let Ok(id) = id.parse::<PrincipalId>() else {
                        continue;
                    };
                    // A link is reported when it is read; any other file is not ours.
                    let ours = |m: std::fs::Metadata| m.is_dir() || m.is_symlink();
                    if files::stat(&folder.join(id.as_str()))?.is_some_and(ours) {
                        keys.push(Key { account: account.clone(), kind, id });
                    }
                }
            }
        }
        keys.sort_unstable();
        Ok(keys)
    }

    /// The error for a principal with runs and no state; `None` where there are no runs either.
    fn lost(&self, key: &Key) -> Result<Option<Error>> {
        let runs = self.runs(key)?;
        // A run that was cut off before its state was stored has meant no call, and has made none (D2.5).
        let meant =
            |run: &String| self.journal(key, run).map_or(true, |journal| journal.has_intents());
        if !runs.iter().any(meant) {
            return Ok(None);
        }
        let directory = self.directory(key);
        let error = Error::failed(format!("`{}` has runs and no state", files::name(&directory)))
            .because("the state was lost or removed");
        let plan = runs.iter().rev().map(|run| directory.join("runs").join(run).join("plan.json"));
        Ok(Some(match plan.into_iter().find(|path| path.is_file()) {
            Some(plan) => {
                let plan = files::name(&plan);
                error.hint(format!("rebuild it: ringfence state import {}", shell(&plan)))
            }
            None => error.hint(format!(
                "no plan was stored, so nothing was done: ringfence state rm {}",
                key.id
            )),
        }))
    }

    fn run_file(&self, key: &Key, run: &str, file: &str) -> Result<(PathBuf, Vec<u8>)> {
        let path = self.run_directory(key, run)?.join(file);
        self.no_links(&path)?;
        match files::read(&path)? {
            Some(bytes) => Ok((path, bytes)),
            None => Err(no_file(&files::name(&path), run)),
        }
    }
}
