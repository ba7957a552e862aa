//! What CloudTrail would have recorded of the calls: events of its own shape, off until somebody asks.
//!
//! A call by somebody whom the sandbox does not believe leaves no event, as on AWS. AssumeRole into
//! another account leaves one in each, paired by `sharedEventID` (F13).

mod delivery;
mod identity;
mod words;

pub use delivery::delivered;

use super::auth::Caller;
use super::dispatch::Service;
use super::fault::Fault;
use super::params::Params;
use super::world::World;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::VecDeque;

/// How many events are kept; the oldest go first.
const MOST: usize = 20_000;

/// The header that a caller says its address in: a loopback port has no other.
pub(super) const SOURCE_HEADER: &str = "x-forwarded-for";

/// The events, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Trail {
    events: VecDeque<Recorded>,
    /// How many there were in all, those that are gone included.
    recorded: u64,
}

/// An event, and what is asked for when one is looked up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// The account whose trail it is in.
    pub account: String,
    /// When, in whole seconds.
    pub time: Timestamp,
    /// The Region whose trail it is in.
    pub region: String,
    /// Whether it is a management event, which LookupEvents gives, or a data event, which only a
    /// trail that was told to has.
    pub management: bool,
    /// The event as CloudTrail writes it.
    pub event: Value,
}

impl Trail {
    /// The events of one account and Region, each with its number among all that were recorded.
    pub(super) fn of<'a>(
        &'a self,
        account: &'a str,
        region: &'a str,
    ) -> impl DoubleEndedIterator<Item = (u64, &'a Recorded)> {
        let gone = self.recorded.saturating_sub(self.events.len() as u64);
        let here = move |one: &&Recorded| one.account == account && one.region == region;
        let numbered = self.events.iter().enumerate();
        numbered.filter(move |(_, one)| here(one)).map(move |(n, one)| (gone + n as u64, one))
    }

    /// The events of one account, in whatever Region.
    pub(super) fn of_account<'a>(&'a self, account: &'a str) -> impl Iterator<Item = &'a Value> {
        let here = self.events.iter().filter(move |one| one.account == account);
        here.map(|one| &one.event)
    }

    /// The events from a number on, and the number to go on from.
    pub(super) fn since(&self, number: u64) -> (Vec<Recorded>, u64) {
        let kept = self.events.len();
        let fresh = usize::try_from(self.recorded.saturating_sub(number)).unwrap_or(usize::MAX);
        let events = self.events.iter().skip(kept.saturating_sub(fresh)).cloned().collect();
        (events, self.recorded)
    }

    fn add(&mut self, event: Recorded) {
        if self.events.len() >= MOST {
            self.events.pop_front();
        }
        self.events.push_back(event);
        self.recorded = self.recorded.saturating_add(1);
    }
}

/// A call that is over.
pub(super) struct Ended<'a> {
    pub(super) caller: &'a Caller,
    pub(super) service: Service,
    /// The action without its service.
    pub(super) action: &'a str,
    pub(super) region: &'a str,
    pub(super) params: &'a Params,
    /// The parameters of a request that is not in the Query protocol.
    pub(super) asked: Option<Value>,
    pub(super) source: &'a str,
    pub(super) agent: &'a str,
    pub(super) request_id: &'a str,
    pub(super) now: Timestamp,
    /// The inside of the reply's result, or the error.
    pub(super) answer: Result<Option<&'a [u8]>, &'a Fault>,
}

/// Records a call, if the world has a trail.
pub(super) fn record(world: &mut World, ended: &Ended<'_>) {
    if world.trail.is_none() {
        return;
    }
    let event = event(world, ended);
    let management = event.get("managementEvent") == Some(&Value::Bool(true));
    let region = ended.region.to_owned();
    let mut own = Recorded {
        account: ended.caller.account.clone(),
        time: ended.now,
        region,
        management,
        event,
    };
    let other = other_account(world, ended).map(|account| shared(&mut own, account, ended));
    let Some(trail) = &mut world.trail else { return };
    trail.add(own);
    if let Some(other) = other {
        trail.add(other);
    }
}

fn event(world: &World, ended: &Ended<'_>) -> Value {
    let mut event = Map::new();
    let mut put = |name: &str, value: Value| {
        event.insert(name.to_owned(), value);
    };
    let read_only = words::is_read(ended.service, ended.action);
    let data = words::is_data(ended.service, ended.action);
    put("eventVersion", json!("1.11"));
    put("userIdentity", identity::of(world, ended.caller));
    put("eventTime", json!(ended.now.to_string()));
    put("eventSource", json!(format!("{}.amazonaws.com", ended.service.name())));
    put("eventName", json!(words::event_name(ended.service, ended.action)));
    put("awsRegion", json!(ended.region));
    put("sourceIPAddress", json!(ended.source));
    put("userAgent", json!(ended.agent));
    if let Err(fault) = &ended.answer {
        put("errorCode", json!(fault.code));
        put("errorMessage", json!(fault.message));
    }
    let asked = ended.asked.clone().unwrap_or_else(|| words::parameters(ended.params));
    put("requestParameters", asked.clone());
    let gives = !read_only || ended.service == Service::Sts;
    let answer = ended.answer.as_ref().ok().copied().flatten().filter(|_| gives);
    put("responseElements", answer.map_or(Value::Null, words::elements));
    put("requestID", json!(ended.request_id));
    put("eventID", json!(id(ended.request_id, &ended.caller.account)));
    put("readOnly", json!(read_only));
    if let Some(resources) = words::resources(ended.service, &asked, &world.partition) {
        put("resources", resources);
    }
    put("eventType", json!("AwsApiCall"));
    put("managementEvent", json!(!data));
    put("recipientAccountId", json!(ended.caller.account));
    put("eventCategory", json!(if data { "Data" } else { "Management" }));
    Value::Object(event)
}

/// The account of the role that was assumed, where it is not the caller's.
fn other_account(world: &World, ended: &Ended<'_>) -> Option<String> {
    let assumes = ended.service == Service::Sts && ended.action == "AssumeRole";
    let account = ended.params.get("RoleArn").filter(|_| assumes)?.split(':').nth(4)?;
    let there = account != ended.caller.account && ended.answer.is_ok();
    (there && world.account(account).is_some()).then(|| account.to_owned())
}

/// The other account's record of one call: another event, with the caller told by ID only.
fn shared(own: &mut Recorded, account: String, ended: &Ended<'_>) -> Recorded {
    let pair = id(ended.request_id, "both");
    let mut other = own.clone();
    for event in [&mut own.event, &mut other.event] {
        if let Some(event) = event.as_object_mut() {
            event.insert("sharedEventID".to_owned(), json!(pair));
        }
    }
    if let Some(event) = other.event.as_object_mut() {
        event.insert("userIdentity".to_owned(), identity::of_another_account(ended.caller));
        event.insert("eventID".to_owned(), json!(id(ended.request_id, &account)));
        event.insert("recipientAccountId".to_owned(), json!(account));
    }
    other.account = account;
    other
}

/// A UUID that follows from a request's.
fn id(request: &str, what: &str) -> String {
    let hash: [u8; 32] = Sha256::digest(format!("{request} {what}").as_bytes()).into();
    let hex: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let part = |from: usize, count: usize| hex.chars().skip(from).take(count).collect::<String>();
    [part(0, 8), part(8, 4), part(12, 4), part(16, 4), part(20, 12)].join("-")
}
