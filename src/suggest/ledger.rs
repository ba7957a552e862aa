//! Counts what a user's credentials did: by credential and source, so that what is the attacker's can be set apart.

use super::catalog::Catalog;
use super::data_events::is_data;
use super::named::{ActionId, Taken, taken};
use super::source::LeftOutSource;
use super::target::{Target, escaped};
use crate::impact::{Kind, Subject};
use crate::trail::Event;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
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

/// No event of CloudTrail is older than the service, which began in November 2013.
const OLDEST: Timestamp = Timestamp::constant(1_383_264_000, 0);

/// What has to be known of a call when it is seen.
#[derive(Clone, Debug, Default)]
pub struct Marks {
    /// The time of the exposure: what came before and what came since is counted apart.
    pub since: Option<Timestamp>,
    /// The events by which the lineage of a trace has made credentials: whoever called there is the attacker.
    pub mints: BTreeSet<String>,
    /// No event can be later.
    pub latest: Option<Timestamp>,
}

impl Marks {
    fn can_be(&self, at: Timestamp) -> bool {
        at >= OLDEST && self.latest.is_none_or(|latest| at <= latest)
    }
}

/// Events of the user's at times that cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// How many.
    pub events: u64,
    /// The earliest of them: its time, its source and its name.
    pub first: (Timestamp, String, String),
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
    marks: Arc<Marks>,
    /// The addresses that the lineage's credentials were made from.
    minted_from: BTreeSet<String>,
    unusable: Option<Unusable>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Call {
    source: String,
    name: String,
    refused: bool,
    /// Whether it came after the exposure.
    after: bool,
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
    /// The leaked keys themselves: what they did since the exposure from where the lineage was used or made is the
    /// attacker's.
    pub leaked: BTreeSet<String>,
    /// Addresses, networks and services that a person has excluded.
    pub sources: Vec<LeftOutSource>,
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
    /// Sources that are the lineage's, and may be the user's own as well.
    pub shared: BTreeMap<String, Shared>,
    /// What a person has excluded and no call came from.
    pub idle: Vec<String>,
    /// Events of the user's that are not counted, since their times cannot be.
    pub unusable: Option<Unusable>,
}

/// What a source is that the lineage was used from, or made at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shared {
    /// Whether the user came from there before the exposure.
    pub before: bool,
    /// Calls with a leaked key that are left out.
    pub left_out: u64,
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
    pub fn new(catalog: Arc<Catalog>, subject: Subject, marks: Marks) -> Self {
        Self {
            catalog,
            subject,
            rows: BTreeMap::new(),
            beyond: 0,
            window: None,
            data: false,
            marks: Arc::new(marks),
            minted_from: BTreeSet::new(),
            unusable: None,
        }
    }

    /// Whether an event is the user's.
    #[must_use]
    pub fn means(&self, event: &Event<'_>) -> bool {
        let of = |identity| self.subject.uses(event, identity).is_some();
        event.identity.as_ref().is_some_and(of)
    }

    /// Notes when an event was that is not counted: what was read goes from the first to the last.
    pub fn pass_over(&mut self, event: &Event<'_>) {
        if let Some(at) = event.time().filter(|at| self.marks.can_be(*at)) {
            let (from, to) = self.window.unwrap_or((at, at));
            self.window = Some((from.min(at), to.max(at)));
        }
    }

    /// Takes an event. One without a time is not counted, and neither is one whose time cannot be: it could be from
    /// whenever.
    pub fn see(&mut self, event: &Event<'_>) {
        let Some(at) = event.time() else { return };
        if !self.marks.can_be(at) {
            let first = (at, event.source.clone().into_owned(), event.name.clone().into_owned());
            self.set_aside(Unusable { events: 1, first });
            return;
        }
        self.pass_over(event);
        let Some(identity) = &event.identity else { return };
        let Some((kind, credential)) = self.subject.uses(event, identity) else { return };
        self.data |= is_data(event);
        let source = LeftOutSource::canonical(&event.source_ip);
        let minted = self.marks.mints.contains(&*event.id) && event.error_code.is_empty();
        // A service that called in somebody's name is nobody's own address.
        if minted && source.parse::<IpAddr>().is_ok() {
            self.minted_from.insert(source.clone());
        }
        let origin = Origin { kind, credential, source };
        let call = Call {
            source: event.source.clone().into_owned(),
            name: event.name.clone().into_owned(),
            refused: is_refused(&event.error_code),
            after: self.marks.since.is_some_and(|since| at >= since),
        };
        let needs = match taken(&self.catalog, event) {
            _ if call.refused => Some(BTreeMap::new()),
            Taken::Needs(needs) => Some(needs),
            Taken::Nothing => Some(BTreeMap::new()),
            Taken::Unmapped => None,
        };
        self.add((origin, call), Row { calls: 1, first: at, last: at, needs });
    }

    fn set_aside(&mut self, other: Unusable) {
        match &mut self.unusable {
            None => self.unusable = Some(other),
            Some(known) => {
                known.events += other.events;
                if other.first < known.first {
                    known.first = other.first;
                }
            }
        }
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
        self.minted_from.extend(other.minted_from);
        if let Some(unusable) = other.unusable {
            self.set_aside(unusable);
        }
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
        let lineage: BTreeSet<&str> = exclusions
            .lineage_sources
            .iter()
            .map(String::as_str)
            .chain(self.minted_from.iter().map(String::as_str))
            .collect();
        let from =
            |one: &LeftOutSource| self.rows.keys().any(|(origin, _)| one.has(&origin.source));
        let mut used = Used {
            window: self.window,
            beyond: self.beyond,
            data: self.data,
            unusable: self.unusable.clone(),
            idle: exclusions
                .sources
                .iter()
                .filter(|one| !from(one))
                .map(ToString::to_string)
                .collect(),
            ..Used::default()
        };
        for ((origin, call), row) in &self.rows {
            let seen = Seen { calls: row.calls, first: row.first, last: row.last };
            let own = first.get(origin.source.as_str()).copied();
            let of_lineage = lineage.contains(origin.source.as_str());
            let why = exclusions.why(origin, call, own, of_lineage);
            if of_lineage && !exclusions.is_named(origin) {
                let leaked = why.is_some() && exclusions.leaked.contains(&origin.credential);
                let before = exclusions.was_before(own);
                if before || leaked && exclusions.since.is_none() {
                    let shared = used.shared.entry(origin.source.clone()).or_default();
                    shared.before |= before;
                    shared.left_out += if leaked { row.calls } else { 0 };
                }
            }
            if let Some(why) = why {
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
    /// Whether an origin is left out by its name, whatever else it is.
    fn is_named(&self, origin: &Origin) -> bool {
        self.credentials.contains_key(&origin.credential)
            || self.sources.iter().any(|one| one.has(&origin.source))
    }

    fn was_before(&self, first: Option<Timestamp>) -> bool {
        matches!((self.since, first), (Some(since), Some(first)) if first < since)
    }

    fn why(
        &self,
        origin: &Origin,
        call: &Call,
        first: Option<Timestamp>,
        of_lineage: bool,
    ) -> Option<String> {
        if let Some(why) = self.credentials.get(&origin.credential) {
            return Some(why.clone());
        }
        if let Some(source) = self.sources.iter().find(|one| one.has(&origin.source)) {
            return Some(format!("--exclude-source {source}"));
        }
        if of_lineage && !self.was_before(first) {
            return Some("the trace's lineage was used or made from there".to_owned());
        }
        if of_lineage && call.after && self.leaked.contains(&origin.credential) {
            return Some(
                "a leaked key, after the exposure, from where the trace's lineage was used or made"
                    .to_owned(),
            );
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
