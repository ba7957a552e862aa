//! The store of states: `LOCATION/ACCOUNT/user/PRINCIPAL_ID/` with its `state.json`, `lock` and `runs` (D5).
//!
//! Everyone may read. Only a [`Locked`] can write, and the only way to one is [`LocalStore::lock`] (D6).

mod files;
mod local;
mod lock;
mod run;

pub use local::LocalStore;
pub use lock::{Locked, Owner, Unlock};
pub use run::RunLog;

use crate::identity::{AccountId, PrincipalId};
use std::fmt;

/// Whose state it is. The kind of the principal is always `user` for now.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The account.
    pub account: AccountId,
    /// The unique ID, which stays when the name goes to another (F27).
    pub id: PrincipalId,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/user/{}", self.account, self.id))
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests write files as others leave them")]
mod tests;
