//! Whom a containment hits: the real use of what a plan stops, as CloudTrail recorded it.
//!
//! A [`Meter`] counts the events of the principals that are planned for, by credential, source, client,
//! service and Region; [`stopped`] says which of those uses a step ends.

mod agent;
mod stop;
mod words;

pub use agent::family;
pub use stop::{Rate, Stops, stopped};
pub use words::{Line, told};

use crate::identity::PrincipalId;
use crate::trail::{Event, Identity};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How many distinct uses are told apart; what comes beyond is counted together. No principal that a
/// person could look through has as many.
const MOST: usize = 20_000;

/// What counts the use of one principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Its unique ID: `AIDA…` or `AROA…` (F27).
    pub id: PrincipalId,
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Its access keys, which are nobody else's whatever an event says of the caller.
    pub keys: Vec<String>,
}

/// The kind of credential that was used, as far as steps tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A long-term access key.
    AccessKey,
    /// A session of GetSessionToken.
    Session,
    /// A session of GetFederationToken.
    Federated,
    /// A session of the console.
    Console,
    /// A session of a role.
    RoleSession,
}

/// One kind of use: who, from where, with what, of what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Use {
    /// What kind of credential was used.
    pub kind: Kind,
    /// The access key, or the name of the session.
    pub credential: String,
    /// The address or the service that called.
    pub source: String,
    /// The client, in a word: `sdk-java`, `aws-cli`, `boto3`.
    pub agent: String,
    /// The service called, such as `s3`.
    pub service: String,
    /// The Region called.
    pub region: String,
    /// How often.
    pub calls: u64,
    /// How many of those were refused or failed.
    pub denied: u64,
    /// The first time.
    pub first: Timestamp,
    /// The last time.
    pub last: Timestamp,
    /// Whether this source was first seen after the exposure: then it may be the attacker's.
    pub new: bool,
}

/// The use of one principal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// When the first event of what was read happened, whoever's.
    pub from: Timestamp,
    /// When the last one did.
    pub to: Timestamp,
    /// The uses, the most frequent first.
    pub uses: Vec<Use>,
    /// Calls that are of too many kinds to be told apart.
    #[serde(default, skip_serializing_if = "is_none")]
    pub others: u64,
    /// What the record of it cannot show, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unseen: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
const fn is_none(count: &u64) -> bool {
    *count == 0
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    kind: Kind,
    credential: String,
    source: String,
    agent: String,
    service: String,
    region: String,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    calls: u64,
    denied: u64,
    first: Timestamp,
    last: Timestamp,
}

#[derive(Clone, Debug, Default)]
struct Counted {
    rows: BTreeMap<Key, Count>,
    others: u64,
}

/// Counts.
#[derive(Clone, Debug)]
pub struct Meter {
    subjects: Vec<Subject>,
    counted: Vec<Counted>,
    window: Option<(Timestamp, Timestamp)>,
}

impl Meter {
    /// Counts nothing yet.
    #[must_use]
    pub fn new(subjects: Vec<Subject>) -> Self {
        let counted = subjects.iter().map(|_| Counted::default()).collect();
        Self { subjects, counted, window: None }
    }

    /// Whether an event is of one of the principals.
    #[must_use]
    pub fn means(&self, event: &Event<'_>) -> bool {
        let of = |identity| self.subjects.iter().any(|one| one.uses(event, identity).is_some());
        event.identity.as_ref().is_some_and(of)
    }

    /// Notes when an event was that is not counted: what was read goes from the first to the last.
    pub fn pass_over(&mut self, event: &Event<'_>) {
        if let Some(at) = event.time() {
            let (from, to) = self.window.unwrap_or((at, at));
            self.window = Some((from.min(at), to.max(at)));
        }
    }

    /// Takes an event. One without a time is not counted: it could be from whenever.
    pub fn see(&mut self, event: &Event<'_>) {
        let Some(at) = event.time() else { return };
        self.pass_over(event);
        let Some(identity) = &event.identity else { return };
        let found = self
            .subjects
            .iter()
            .zip(&mut self.counted)
            .find_map(|(subject, counted)| Some((subject.uses(event, identity)?, counted)));
        let Some(((kind, credential), counted)) = found else { return };
        let key = Key {
            kind,
            credential,
            source: event.source_ip.clone().into_owned(),
            agent: family(&event.user_agent),
            service: event.service().to_owned(),
            region: event.region.clone().into_owned(),
        };
        counted.add(
            key,
            Count { calls: 1, denied: u64::from(event.is_denied()), first: at, last: at },
        );
    }

    /// Takes what was counted elsewhere, of the same principals.
    pub fn merge(&mut self, other: Self) {
        if let Some((from, to)) = other.window {
            let (own_from, own_to) = self.window.unwrap_or((from, to));
            self.window = Some((own_from.min(from), own_to.max(to)));
        }
        for (own, others) in self.counted.iter_mut().zip(other.counted) {
            own.others += others.others;
            for (key, count) in others.rows {
                own.add(key, count);
            }
        }
    }

    /// What was counted, in the order of the principals; `None` where no event was read. Sources count
    /// as new by the time of exposure of each.
    #[must_use]
    pub fn finish(self, since: &[Option<Timestamp>]) -> Option<Vec<Usage>> {
        let (from, to) = self.window?;
        let since = since.iter().copied().chain(std::iter::repeat(None));
        let usage = |(counted, since): (Counted, Option<Timestamp>)| Usage {
            from,
            to,
            uses: counted.uses(since),
            others: counted.others,
            unseen: Vec::new(),
        };
        Some(self.counted.into_iter().zip(since).map(usage).collect())
    }
}

impl Counted {
    fn add(&mut self, key: Key, count: Count) {
        if self.rows.len() >= MOST && !self.rows.contains_key(&key) {
            self.others += count.calls;
            return;
        }
        self.rows
            .entry(key)
            .and_modify(|known| {
                known.calls += count.calls;
                known.denied += count.denied;
                known.first = known.first.min(count.first);
                known.last = known.last.max(count.last);
            })
            .or_insert(count);
    }

    /// A source is new if nothing of it is older than the exposure, whatever it used.
    fn uses(&self, since: Option<Timestamp>) -> Vec<Use> {
        let mut first: BTreeMap<&str, Timestamp> = BTreeMap::new();
        for (key, count) in &self.rows {
            let seen = first.entry(&key.source).or_insert(count.first);
            *seen = (*seen).min(count.first);
        }
        let is_new = |source: &str| match (since, first.get(source)) {
            (Some(since), Some(first)) => *first >= since,
            _ => false,
        };
        let mut uses: Vec<Use> = self
            .rows
            .iter()
            .map(|(key, count)| Use {
                new: is_new(&key.source),
                kind: key.kind,
                credential: key.credential.clone(),
                source: key.source.clone(),
                agent: key.agent.clone(),
                service: key.service.clone(),
                region: key.region.clone(),
                calls: count.calls,
                denied: count.denied,
                first: count.first,
                last: count.last,
            })
            .collect();
        uses.sort_by(|a, b| b.calls.cmp(&a.calls).then_with(|| a.cmp(b)));
        uses
    }
}

impl Subject {
    /// With which of its credentials the event was, if it is this principal's.
    pub(crate) fn uses(
        &self,
        event: &Event<'_>,
        identity: &Identity<'_>,
    ) -> Option<(Kind, String)> {
        let (unique, session) = match identity.principal_id.split_once(':') {
            Some((unique, session)) => (unique, session),
            None => (&*identity.principal_id, ""),
        };
        match &*identity.kind {
            "AssumedRole" if unique == self.id.as_str() => {
                Some((Kind::RoleSession, session.to_owned()))
            }
            "FederatedUser" if identity.session().issuer_arn == self.arn => {
                Some((Kind::Federated, session.to_owned()))
            }
            "IAMUser"
                if self.is(identity) || self.keys.iter().any(|key| *key == identity.access_key) =>
            {
                let key = identity.access_key.clone().into_owned();
                let temporary = key.starts_with("ASIA") || !identity.session().issued.is_empty();
                let kind = match (key.starts_with("AKIA"), temporary) {
                    (true, _) => Kind::AccessKey,
                    _ if key.is_empty() || event.is_from_console() => Kind::Console,
                    (false, true) => Kind::Session,
                    (false, false) => Kind::AccessKey,
                };
                Some((kind, key))
            }
            _ => None,
        }
    }

    /// Names can be borne by others (F27): the ID decides, where the event has one.
    fn is(&self, identity: &Identity<'_>) -> bool {
        if identity.principal_id.is_empty() {
            identity.arn == self.arn
        } else {
            identity.principal_id == self.id.as_str()
        }
    }
}
