//! Everything there is: accounts, sessions, and what was called.

use super::account::{Account, fold};
use super::ids::Ids;
use super::json::Secret;
use super::lag::Lag;
use super::policy_store::Permissions;
use super::session::Session;
use super::trail::{Recorded, Trail};
use super::user::{AccessKey, Status, User};
use super::{Call, Credentials};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// The format of a saved world.
pub(super) const FORMAT: u32 = 1;
/// How many calls are remembered.
const CALLS: usize = 10_000;
/// How many sessions are kept before those that ended long ago go.
const SESSIONS: usize = 4_096;
/// The user that every account begins with.
pub const ADMINISTRATOR: &str = "responder";

/// Everything there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct World {
    /// The format of the saved form.
    pub(super) format: u32,
    /// The partition that all ARNs name (F23).
    pub partition: String,
    /// How long after a change is stored it is enforced (F29).
    #[serde(default)]
    pub lag: SignedDuration,
    /// A delay of its own for every change, in place of `lag`.
    #[serde(default)]
    pub varying_lag: Option<Lag>,
    /// The account made first.
    pub home: String,
    pub(super) accounts: BTreeMap<String, Ledger>,
    #[serde(default)]
    pub(super) sessions: BTreeMap<String, Session>,
    pub(super) ids: Ids,
    #[serde(default)]
    pub(super) calls: VecDeque<Call>,
    /// What CloudTrail would have recorded, once somebody has asked for it.
    #[serde(default)]
    pub(super) trail: Option<Trail>,
    /// When events were looked up last, by account and Region.
    #[serde(default)]
    looked_up: BTreeMap<String, VecDeque<Timestamp>>,
    /// The secrets of every account and Region.
    #[serde(default)]
    pub secrets: Vec<Secret>,
    /// What GuardDuty would have found, as its API gives it.
    #[serde(default)]
    pub findings: Vec<serde_json::Value>,
}

/// An account as it is stored, and how it was before each change that is not enforced yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ledger {
    pub(super) stored: Account,
    /// In the order of the changes.
    #[serde(default)]
    pending: VecDeque<Pending>,
}

/// A change that is stored and not enforced yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Pending {
    stored_at: Timestamp,
    enforced_at: Timestamp,
    /// The account as it was before the change, by which calls are judged until then.
    before: Account,
}

impl World {
    /// A world with one account, which has nothing but its administrator.
    #[must_use]
    pub fn new(seed: u64, account: &str, now: Timestamp) -> Self {
        let mut world = Self {
            format: FORMAT,
            partition: "aws".to_owned(),
            lag: SignedDuration::ZERO,
            varying_lag: None,
            home: account.to_owned(),
            accounts: BTreeMap::new(),
            sessions: BTreeMap::new(),
            ids: Ids::new(seed),
            calls: VecDeque::new(),
            trail: None,
            looked_up: BTreeMap::new(),
            secrets: Vec::new(),
            findings: Vec::new(),
        };
        world.add_account(account, now);
        world
    }

    /// Adds an account with an administrator, whose key is returned. If it is there already, that
    /// administrator's key, or a new one where it has none left.
    pub fn add_account(&mut self, id: &str, now: Timestamp) -> Credentials {
        if let Some(known) = self.admin_of(id) {
            return known;
        }
        let ledger = || Ledger { stored: Account::new(id), pending: VecDeque::new() };
        self.accounts.entry(id.to_owned()).or_insert_with(ledger);
        let everything = format!("arn:{}:iam::aws:policy/AdministratorAccess", self.partition);
        self.add_user(id, ADMINISTRATOR, now);
        if let Some(user) = self.user_mut(id, ADMINISTRATOR)
            && !user.permissions.attached.contains(&everything)
        {
            user.permissions.attached.push(everything);
        }
        self.add_key(id, ADMINISTRATOR, now).unwrap_or_default()
    }

    /// The first Active key of an account's administrator.
    #[must_use]
    pub fn admin_of(&self, account: &str) -> Option<Credentials> {
        let user = self.account(account)?.user(ADMINISTRATOR)?;
        let key = user.keys.iter().find(|key| key.status == Status::Active)?;
        Some(Credentials {
            access_key_id: key.id.clone(),
            secret_access_key: key.secret.clone(),
            session_token: None,
        })
    }

    /// Adds a user without rights, if the account is there and the user is not.
    pub fn add_user(&mut self, account: &str, name: &str, now: Timestamp) {
        let id = self.ids.unique("AIDA");
        let Some(account) = self.account_mut(account) else { return };
        account.users.entry(fold(name)).or_insert_with(|| User {
            name: name.to_owned(),
            path: "/".to_owned(),
            id,
            created: crate::text::whole_seconds(now),
            permissions: Permissions::default(),
            groups: Vec::new(),
            tags: Vec::new(),
            keys: Vec::new(),
            login: None,
            ssh_keys: Vec::new(),
            certificates: Vec::new(),
            service_credentials: Vec::new(),
        });
    }

    /// Gives a user an Active key.
    pub fn add_key(&mut self, account: &str, user: &str, now: Timestamp) -> Option<Credentials> {
        let id = self.ids.key("AKIA", account);
        let secret = self.ids.secret(40);
        let user = self.user_mut(account, user)?;
        user.keys.push(AccessKey {
            id: id.clone(),
            secret: secret.clone(),
            status: Status::Active,
            created: crate::text::whole_seconds(now),
            last_used: None,
        });
        Some(Credentials { access_key_id: id, secret_access_key: secret, session_token: None })
    }

    /// The IDs of the accounts.
    pub fn account_ids(&self) -> impl Iterator<Item = &str> {
        self.accounts.keys().map(String::as_str)
    }

    /// An account as it is stored, which is what reads show (F29).
    #[must_use]
    pub fn account(&self, id: &str) -> Option<&Account> {
        self.accounts.get(id).map(|ledger| &ledger.stored)
    }

    /// The same, to be changed. Such a change is enforced at once, unless an older one is not yet.
    pub fn account_mut(&mut self, id: &str) -> Option<&mut Account> {
        self.accounts.get_mut(id).map(|ledger| &mut ledger.stored)
    }

    /// A user, to be changed.
    pub fn user_mut(&mut self, account: &str, name: &str) -> Option<&mut User> {
        self.account_mut(account)?.user_mut(name)
    }

    /// An account as calls are judged by it at a moment: as it was before the first change that is
    /// not enforced yet.
    #[must_use]
    pub fn enforced(&self, id: &str, now: Timestamp) -> Option<&Account> {
        let ledger = self.accounts.get(id)?;
        let waiting = ledger.pending.iter().find(|change| change.enforced_at > now);
        Some(waiting.map_or(&ledger.stored, |change| &change.before))
    }

    /// A session by its key.
    #[must_use]
    pub fn session(&self, key: &str) -> Option<&Session> {
        self.sessions.get(key)
    }

    /// The sessions, by key.
    pub fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.sessions.values()
    }

    /// What an account is before a call that may change it, if a change would not count at once.
    pub(super) fn before(&self, account: &str) -> Option<Account> {
        let lags = self.lag.is_positive() || self.varying_lag.is_some();
        if lags { self.account(account).cloned() } else { None }
    }

    /// Notes that a call has changed an account, if it has: the change counts after the lag, and
    /// never before one made earlier. So what is enforced is at each moment the account as it was
    /// stored at some earlier one, and that moment never moves back.
    pub(super) fn changed(&mut self, account: &str, before: Account, now: Timestamp) {
        let Some(ledger) = self.accounts.get_mut(account) else { return };
        ledger.pending.retain(|change| change.enforced_at > now);
        if ledger.stored == before {
            return;
        }
        let lag = self.varying_lag.as_mut().map_or(self.lag, Lag::draw);
        let own = now.checked_add(lag).unwrap_or(Timestamp::MAX);
        let earlier = ledger.pending.back().map(|change| change.enforced_at);
        let enforced_at = earlier.map_or(own, |earlier| earlier.max(own));
        if enforced_at > now {
            ledger.pending.push_back(Pending { stored_at: now, enforced_at, before });
        }
    }

    /// From now on, keeps what CloudTrail would record.
    pub fn keep_trail(&mut self) {
        self.trail.get_or_insert_default();
    }

    /// Whether events may be looked up once more: twice a second in an account and Region (F14).
    pub(super) fn may_look_up(&mut self, account: &str, region: &str, now: Timestamp) -> bool {
        let times = self.looked_up.entry(format!("{account} {region}")).or_default();
        times.retain(|at| now.duration_since(*at).abs() < SignedDuration::from_secs(1));
        let may = times.len() < 2;
        if may {
            times.push_back(now);
        }
        may
    }

    /// What was recorded from a number on, and the number to go on from.
    #[must_use]
    pub fn recorded(&self, since: u64) -> (Vec<Recorded>, u64) {
        self.trail.as_ref().map_or((Vec::new(), 0), |trail| trail.since(since))
    }

    pub(super) fn remember(&mut self, call: Call) {
        if self.calls.len() >= CALLS {
            self.calls.pop_front();
        }
        self.calls.push_back(call);
    }

    pub(super) fn add_session(&mut self, session: Session, now: Timestamp) {
        if self.sessions.len() >= SESSIONS {
            self.sessions.retain(|_, session| !session.forgotten(now));
        }
        self.sessions.insert(session.access_key_id.clone(), session);
    }
}
