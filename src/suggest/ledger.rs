//! Counts what a user's credentials did: by credential and source, so that what is the attacker's can be set apart.

use super::catalog::Catalog;
use super::named::{ActionId, Taken, taken};
use super::target::{Target, escaped};
use crate::evaluate::in_network;
use crate::impact::{Kind, Subject};
use crate::trail::Event;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How many distinct calls are told apart; what comes beyond is counted together.
const MOST: usize = 50_000;

/// How many resources of one action and source are kept by name.
const RESOURCES: usize = 2_000;

/// A credential, and where it was used from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Origin {
    /// What kind of credential it is.
    pub kind: Kind,
    /// The access key, or the name of the session.
    pub credential: String,
    /// The address or the service that called.
    pub source: String,
}

/// What counts.
#[derive(Clone, Debug)]
pub struct Ledger {
    catalog: Arc<Catalog>,
    subject: Subject,
    rows: BTreeMap<(Origin, Call), Row>,
    /// Calls beyond what is told apart.
    beyond: u64,
    window: Option<(Timestamp, Timestamp)>,
    data: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Call {
    source: String,
    name: String,
    refused: bool,
}

#[derive(Clone, Debug)]
struct Row {
    calls: u64,
    first: Timestamp,
    last: Timestamp,
    /// `None` where the data set does not have it.
    needs: Option<BTreeMap<ActionId, BTreeSet<Target>>>,
}

/// What is not the user's own use.
#[derive(Clone, Debug, Default)]
pub struct Exclusions {
    /// Credentials that the lineage of a trace has made, or others that are named, and why.
    pub credentials: BTreeMap<String, String>,
    /// Addresses that credentials of the lineage were used from. One that the user's own keys were used from
    /// before `since` is not excluded for that.
    pub lineage_sources: BTreeSet<String>,
    /// Addresses, networks and services that a person has excluded.
    pub sources: Vec<String>,
    /// The time of the exposure: a source that was first seen after it may be the attacker's.
    pub since: Option<Timestamp>,
}

/// What the events come to.
#[derive(Clone, Debug, Default)]
pub struct Used {
    /// The first and the last event that was read, whoever's.
    pub window: Option<(Timestamp, Timestamp)>,
    /// The actions, with what they were used on.
    pub actions: BTreeMap<ActionId, UsedAction>,
    /// Whose use that is.
    pub origins: BTreeMap<Origin, Seen>,
    /// What was set apart, and why.
    pub excluded: BTreeMap<Origin, (Seen, String)>,
    /// Events that the data set does not have: their source and name.
    pub unmapped: BTreeMap<(String, String), Seen>,
    /// Events of calls that were refused, which is no use: their source and name.
    pub refused: BTreeMap<(String, String), Seen>,
    /// Calls that are of too many kinds to be told apart.
    pub beyond: u64,
    /// Whether any event of the user's is one of data: of objects, items, messages.
    pub data: bool,
    /// Sources that are the lineage's, and were the user's own before the exposure.
    pub shared: BTreeSet<String>,
}

/// How an action was used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsedAction {
    /// How often, and when.
    pub seen: Seen,
    /// On what.
    pub targets: BTreeSet<Target>,
}

/// How often, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Seen {
    /// How often.
    pub calls: u64,
    /// The first time.
    pub first: Timestamp,
    /// The last time.
    pub last: Timestamp,
}

impl Seen {
    fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }
}

fn note<K: Ord>(map: &mut BTreeMap<K, Seen>, key: K, seen: Seen) {
    map.entry(key).and_modify(|known| known.add(seen)).or_insert(seen);
}

impl Ledger {
    /// Counts nothing yet.
    #[must_use]
    pub fn new(catalog: Arc<Catalog>, subject: Subject) -> Self {
        Self { catalog, subject, rows: BTreeMap::new(), beyond: 0, window: None, data: false }
    }

    /// Whether an event is the user's.
    #[must_use]
    pub fn means(&self, event: &Event<'_>) -> bool {
        let of = |identity| self.subject.uses(event, identity).is_some();
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
        let Some((kind, credential)) = self.subject.uses(event, identity) else { return };
        self.data |= event.management == "false" || event.category == "Data";
        let origin = Origin { kind, credential, source: event.source_ip.clone().into_owned() };
        let call = Call {
            source: event.source.clone().into_owned(),
            name: event.name.clone().into_owned(),
            refused: is_refused(&event.error_code),
        };
        let needs = match taken(&self.catalog, event) {
            _ if call.refused => Some(BTreeMap::new()),
            Taken::Needs(needs) => Some(needs),
            Taken::Nothing => Some(BTreeMap::new()),
            Taken::Unmapped => None,
        };
        self.add((origin, call), Row { calls: 1, first: at, last: at, needs });
    }

    fn add(&mut self, key: (Origin, Call), row: Row) {
        if self.rows.len() >= MOST && !self.rows.contains_key(&key) {
            self.beyond += row.calls;
            return;
        }
        match self.rows.get_mut(&key) {
            None => {
                self.rows.insert(key, row);
            }
            Some(known) => known.join(row),
        }
    }

    /// Takes what was counted elsewhere, of the same user.
    pub fn merge(&mut self, other: Self) {
        if let Some((from, to)) = other.window {
            let (own_from, own_to) = self.window.unwrap_or((from, to));
            self.window = Some((own_from.min(from), own_to.max(to)));
        }
        self.data |= other.data;
        self.beyond += other.beyond;
        for (key, row) in other.rows {
            self.add(key, row);
        }
    }

    /// What the user's own use comes to.
    #[must_use]
    pub fn finish(self, exclusions: &Exclusions) -> Used {
        let mut first: BTreeMap<&str, Timestamp> = BTreeMap::new();
        for ((origin, _), row) in &self.rows {
            // A credential that the lineage has made does not make an address the user's own.
            if exclusions.credentials.contains_key(&origin.credential) {
                continue;
            }
            let seen = first.entry(&origin.source).or_insert(row.first);
            *seen = (*seen).min(row.first);
        }
        let mut used =
            Used { window: self.window, beyond: self.beyond, data: self.data, ..Used::default() };
        for ((origin, call), row) in &self.rows {
            let seen = Seen { calls: row.calls, first: row.first, last: row.last };
            let own = first.get(origin.source.as_str()).copied();
            if exclusions.is_shared(origin, own) {
                used.shared.insert(origin.source.clone());
            }
            if let Some(why) = exclusions.why(origin, own) {
                let entry = used.excluded.entry(origin.clone());
                entry.and_modify(|(known, _)| known.add(seen)).or_insert((seen, why));
                continue;
            }
            let name = || (call.source.clone(), call.name.clone());
            note(&mut used.origins, origin.clone(), seen);
            match &row.needs {
                _ if call.refused => note(&mut used.refused, name(), seen),
                None => note(&mut used.unmapped, name(), seen),
                Some(needs) => {
                    for (action, targets) in needs {
                        used.take(action, seen, targets);
                    }
                }
            }
        }
        used
    }
}

impl Row {
    fn join(&mut self, other: Self) {
        self.calls += other.calls;
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        let (Some(own), Some(others)) = (&mut self.needs, other.needs) else { return };
        for (action, targets) in others {
            let known = own.entry(action).or_default();
            for target in targets {
                keep(known, target);
            }
        }
    }
}

/// Keeps a target; beyond what is kept by name, with whatever else lies beside it.
fn keep(known: &mut BTreeSet<Target>, target: Target) {
    match target {
        Target::Named { head, .. }
            if known.len() >= RESOURCES && !known.contains(&Target::Unnamed) =>
        {
            known.retain(|one| !matches!(one, Target::Named { head: other, .. } if *other == head));
            known.insert(Target::Pattern(format!("{}*", escaped(&head))));
        }
        other => {
            known.insert(other);
        }
    }
}

impl Used {
    fn take(&mut self, action: &ActionId, seen: Seen, targets: &BTreeSet<Target>) {
        let fresh = || UsedAction { seen, targets: BTreeSet::new() };
        let known = self.actions.entry(action.clone());
        let known = known.and_modify(|known| known.seen.add(seen)).or_insert_with(fresh);
        known.targets.extend(targets.iter().cloned());
    }
}

impl Exclusions {
    /// Whether a source is the lineage's as well as the user's own.
    fn is_shared(&self, origin: &Origin, first: Option<Timestamp>) -> bool {
        self.lineage_sources.contains(&origin.source) && self.was_before(first)
    }

    fn was_before(&self, first: Option<Timestamp>) -> bool {
        matches!((self.since, first), (Some(since), Some(first)) if first < since)
    }

    fn why(&self, origin: &Origin, first: Option<Timestamp>) -> Option<String> {
        if let Some(why) = self.credentials.get(&origin.credential) {
            return Some(why.clone());
        }
        let named =
            |source: &&String| **source == origin.source || in_network(&origin.source, source);
        if let Some(source) = self.sources.iter().find(named) {
            return Some(format!("--exclude-source {source}"));
        }
        if self.lineage_sources.contains(&origin.source) && !self.was_before(first) {
            return Some("the trace's lineage was used from there".to_owned());
        }
        match (self.since, first) {
            (Some(since), Some(first)) if first >= since => {
                Some("first seen after the exposure".to_owned())
            }
            _ => None,
        }
    }
}

/// Whether an error says that the call was not allowed, or that nobody was believed. A call that failed for another
/// reason was allowed, and is use.
fn is_refused(code: &str) -> bool {
    let code = code.rsplit('.').next().unwrap_or(code);
    const CODES: [&str; 16] = [
        "AccessDenied",
        "AccessDeniedException",
        "AuthFailure",
        "AuthorizationError",
        "AuthorizationErrorException",
        "ExpiredToken",
        "ExpiredTokenException",
        "Forbidden",
        "ForbiddenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "NotAuthorized",
        "SignatureDoesNotMatch",
        "UnauthorizedException",
        "UnauthorizedOperation",
        "UnrecognizedClientException",
    ];
    CODES.contains(&code)
}
