//! Taking a record from elsewhere into a bucket: what `state push` does there.

use super::objects::{Only, Put};
use super::{Key, Owner, S3Lock, S3Store, entry_path, journal_path, plan_path};
use crate::error::Result;
use crate::store::common::{entries, new_lines, other_plan};

impl S3Store {
    /// A run as another store would take it: its plan, if there is one, and the lines of its journal.
    pub(in crate::store) async fn run_bytes(
        &self,
        key: &Key,
        run: &str,
    ) -> Result<(Option<Vec<u8>>, Vec<u8>)> {
        let lines = self.entries(key, run).await?;
        let plan = self.get(&plan_path(key, run)).await?;
        Ok((plan.map(|object| object.bytes), lines))
    }

    /// Takes over the lock of a holding whose token is known: what it recorded is at hand.
    ///
    /// # Errors
    /// If the lock cannot be read or written.
    pub async fn take_over(&self, key: &Key, token: &str, owner: &Owner) -> Result<Option<S3Lock>> {
        match self.lock_text(key).await? {
            Some((text, object)) if text.token == token => {
                self.relock(key, owner, token, &object).await
            }
            _ => Ok(None),
        }
    }
}

impl S3Lock {
    /// Makes a run what it is elsewhere: its plan, and the entries of its journal, of which a beginning may be
    /// there already. Says how many are new.
    ///
    /// # Errors
    /// If another plan or another entry is there, or one cannot be written.
    pub async fn adopt_run(&mut self, run: &str, plan: Option<&[u8]>, lines: &[u8]) -> Result<u64> {
        let (store, key) = (self.store(), self.key());
        if let Some(plan) = plan {
            let path = plan_path(key, run);
            match store.objects.put(&path, plan, Only::IfAbsent).await {
                Ok(Put::Written(_)) => {}
                Ok(Put::Not(Some(there))) if there.bytes == plan => {}
                Ok(Put::Not(_)) => return Err(other_plan(run, &store.uri(&path))),
                Err(failure) => return Err(failure.error("write", &store.uri(&path))),
            }
        }
        let folder = store.uri(&journal_path(key, run));
        let there = store.entries(key, run).await?;
        let new = new_lines(run, &folder, &there, lines)?;
        let mut n = entries(&there);
        for line in new.split_inclusive(|byte| *byte == b'\n') {
            n += 1;
            let path = entry_path(key, run, n);
            match store.objects.put(&path, line, Only::IfAbsent).await {
                Ok(Put::Written(_)) => {}
                Ok(Put::Not(Some(there))) if there.bytes == line => {}
                Ok(Put::Not(there)) => {
                    let there = there.map(|object| object.bytes).unwrap_or_default();
                    new_lines(run, &folder, &there, line)?;
                }
                Err(failure) => return Err(failure.error("write", &store.uri(&path))),
            }
        }
        Ok(entries(new))
    }
}
