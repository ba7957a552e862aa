//! What became of a leaked key: the credentials that were made with it, what they did and what they left behind,
//! as far as the events that were read can show it (F13).
//!
//! Reading comes in two halves. [`Links`] and [`Survey`] look at one event at a time, knowing nothing of the
//! others; whoever reads the files keeps the events that may matter as [`Deed`]s. [`follow`] then decides, in the
//! order of time.

mod deed;
mod fold;
mod found;
mod lineage;
mod link;
mod report;
mod resource;
mod survey;
mod suspect;
mod target;
mod thing;
mod unknown;

pub use deed::Deed;
pub use fold::{Reading, follow};
pub use link::{Actor, Links};
pub use report::{
    Activity, Credential, CredentialKind, Expiry, FORMAT_VERSION, Persistence, Source, Start,
    Suspect, Target, TargetKind, Technique, Trace, Unknown, Unread, Window,
};
pub use survey::Survey;
pub use suspect::{Sight, sighted, sights};

use crate::error::Error;
use crate::identity::{AccessKeyId, AccountId, UserName};
use jiff::Timestamp;
use std::collections::HashSet;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// The leaked keys.
    pub keys: Vec<AccessKeyId>,
    /// Users whose keys are all taken for leaked.
    pub users: Vec<UserName>,
    /// The account of the users, where the name alone does not say.
    pub account: Option<AccountId>,
    /// When the leak was used first: what the leaked keys did before is their owner's.
    pub since: Option<Timestamp>,
    /// The moment that `live` is about.
    pub at: Timestamp,
    /// Whether only the lineage's own events were asked for, so that silence says nothing.
    pub own_events_only: bool,
    /// The program that asks.
    pub version: String,
}

impl Question {
    /// Where it all begins.
    #[must_use]
    pub fn starts(&self) -> Vec<Actor> {
        let keys = self.keys.iter().map(|key| Actor::Key(key.as_str().to_owned()));
        let users = self.users.iter().map(|user| Actor::User(user.as_str().to_ascii_lowercase()));
        keys.chain(users).collect()
    }
}

/// Which deeds are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Every one.
    All,
    /// Those that say more than that they were done: see [`Deed::is_telling`].
    Telling,
}

/// The events that were kept, whoever keeps them.
pub trait Kept {
    /// Hands out every deed, or every telling one at least, each once, in the order of time.
    ///
    /// # Errors
    /// If they cannot be read back.
    fn deeds(&self, which: Which, take: &mut dyn FnMut(&Deed<'_>)) -> Result<(), Error>;

    /// Hands out the keys that were seen under any of these tags, each once for a tag.
    ///
    /// # Errors
    /// If they cannot be read back.
    fn sights(&self, tags: &HashSet<u64>, take: &mut dyn FnMut(&Sight)) -> Result<(), Error>;
}
