//! Credentials that nothing proves to be of the lineage, and that somebody should look at.

use super::link::Actor;
use super::report::Suspect;
use crate::text::shown;
use crate::trail::{Event, node, number};
use std::collections::{BTreeMap, BTreeSet};

/// A key that was seen under a tag: an address it was used from, or the session that it is of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sight {
    /// The tag's number.
    pub tag: u64,
    /// The key.
    pub key: String,
    /// The number of the principal's ARN, so that the keys of one user are told from those of others.
    pub owner: u64,
}

/// The number of an address.
pub(super) fn address(ip: &str) -> u64 {
    node("ip", ip)
}

/// The number of a session's ARN.
pub(super) fn session(arn: &str) -> u64 {
    node("session", arn)
}

/// Whether this is an address, and not the name of a service that calls for somebody.
pub(super) fn is_address(ip: &str) -> bool {
    ip.parse::<std::net::IpAddr>().is_ok()
}

/// The number of all that [`sights`] goes by: with the same, an event has the same sights.
#[must_use]
pub fn sighted(event: &Event<'_>) -> u64 {
    event.identity.as_ref().map_or(0, |who| {
        number(
            &[&who.access_key, &event.source_ip, &who.arn, &who.kind].map(|text| text.as_bytes()),
        )
    })
}

/// Under which tags an event's key is seen: the key, the number of its owner, and the tags.
#[must_use]
pub fn sights<'e>(event: &'e Event<'_>) -> Option<(&'e str, u64, impl Iterator<Item = u64>)> {
    let identity = event.identity.as_ref().filter(|who| !who.access_key.is_empty())?;
    let at = is_address(&event.source_ip).then(|| address(&event.source_ip));
    let of = (identity.kind == "AssumedRole").then(|| session(&identity.arn));
    Some((&identity.access_key, node("owner", &identity.arn), at.into_iter().chain(of)))
}

/// As many are named; more would not be looked at one by one.
const NAMED: usize = 100;

/// What makes keys suspect, gathered while the lineage is gone through.
#[derive(Debug, Default)]
pub(super) struct Hints {
    /// The lineage's addresses, by their number, each with the credential that was seen there.
    pub(super) addresses: BTreeMap<u64, (String, String)>,
    /// Sessions that were begun, without the record saying with which key: number, ARN, by whom.
    pub(super) begun: BTreeMap<u64, (String, String)>,
    /// Keys that made a credential with which the trace starts: the key, what it made, how.
    pub(super) makers: BTreeMap<String, (String, String)>,
    /// The numbers of the lineage's users.
    pub(super) owners: BTreeSet<u64>,
}

impl Hints {
    /// The suspects among the keys that were seen, and how many more there are.
    pub(super) fn suspects(
        &self,
        seen: &BTreeSet<Sight>,
        is_lineage: impl Fn(&Actor) -> bool,
    ) -> (Vec<Suspect>, usize) {
        let mut found: BTreeMap<String, (u8, String)> = BTreeMap::new();
        let mut hint = |key: &str, rank: u8, why: String| {
            let known = found.get(key).is_some_and(|(before, _)| *before <= rank);
            if !known && !is_lineage(&Actor::Key(key.to_owned())) && !key.contains('*') {
                found.insert(key.to_owned(), (rank, why));
            }
        };
        for (key, (made, via)) in &self.makers {
            hint(
                key,
                0,
                format!("made {} with {}, so it may have leaked itself", shown(made), shown(via)),
            );
        }
        for sight in seen {
            if let Some((arn, by)) = self.begun.get(&sight.tag) {
                let why = format!(
                    "acts as {}, which {} has begun; the record does not say with which key",
                    shown(arn),
                    shown(by)
                );
                hint(&sight.key, 1, why);
            }
            if let Some((ip, by)) = self.addresses.get(&sight.tag) {
                let same = self.owners.contains(&sight.owner);
                let whose = if same { "of a user of the lineage, " } else { "" };
                let why = format!("{whose}used from {}, as {} was", shown(ip), shown(by));
                hint(&sight.key, if same { 2 } else { 3 }, why);
            }
        }
        let mut list: Vec<_> = found.into_iter().collect();
        list.sort_by(|a, b| (a.1.0, &a.0).cmp(&(b.1.0, &b.0)));
        let more = list.len().saturating_sub(NAMED);
        list.truncate(NAMED);
        let suspects = list
            .into_iter()
            .map(|(id, (_, why))| Suspect { id: shown(&id).into_owned(), why })
            .collect();
        (suspects, more)
    }
}
