//! LookupEvents, with its bounds: management events of one account and Region, 90 days, fifty on a
//! page, one attribute, two requests a second (F14).

use crate::sandbox::act::Act;
use crate::sandbox::fault::Fault;
use crate::sandbox::trail::Recorded;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const KEPT: SignedDuration = SignedDuration::from_hours(24 * 90);
const PAGE: usize = 50;

/// What events are looked up by.
struct Query {
    attribute: Option<(String, String)>,
    from: Timestamp,
    to: Timestamp,
    page: usize,
    /// Only events before this one, by number.
    before: u64,
    /// What a token is good for.
    mark: String,
}

pub(super) fn look_up(act: &mut Act<'_>, asked: &Value) -> Result<Value, Fault> {
    let account = act.caller.account.clone();
    if !act.world.may_look_up(&account, act.region, act.clock) {
        return Err(Fault::new(400, "ThrottlingException", "Rate exceeded"));
    }
    let query = query(asked, act.now)?;
    let Some(trail) = &act.world.trail else { return Ok(json!({ "Events": [] })) };
    let mut found = trail.of(&account, act.region).rev().filter(|(number, one)| {
        *number < query.before
            && one.management
            && (query.from..=query.to).contains(&one.time)
            && query.attribute.as_ref().is_none_or(|(key, value)| has(one, key, value))
    });
    let page: Vec<(u64, &Recorded)> = found.by_ref().take(query.page).collect();
    let mut answer =
        json!({ "Events": page.iter().map(|(_, one)| shown(one)).collect::<Vec<_>>() });
    if let (Some((last, _)), Some(_)) = (page.last(), found.next())
        && let Some(answer) = answer.as_object_mut()
    {
        answer.insert("NextToken".to_owned(), json!(format!("{}.{last}", query.mark)));
    }
    Ok(answer)
}

fn query(asked: &Value, now: Timestamp) -> Result<Query, Fault> {
    let oldest = now.saturating_sub(KEPT).unwrap_or(Timestamp::MIN);
    let from = time(asked, "StartTime")?.map_or(oldest, |from| from.max(oldest));
    let to = time(asked, "EndTime")?.unwrap_or(now);
    if from > to {
        let message = "The start time must be before the end time.";
        return Err(Fault::new(400, "InvalidTimeRangeException", message));
    }
    let page = match asked.get("MaxResults") {
        None | Some(Value::Null) => PAGE,
        Some(number) => number
            .as_u64()
            .and_then(|number| usize::try_from(number).ok())
            .filter(|number| (1..=PAGE).contains(number))
            .ok_or_else(|| {
                Fault::new(400, "InvalidMaxResultsException", "MaxResults must be 1 to 50.")
            })?,
    };
    let attribute = attribute(asked)?;
    // Without the time it was asked at, which moves while pages are turned.
    let given = ["StartTime", "EndTime"].map(|name| asked.get(name).map(Value::to_string));
    let mark: [u8; 32] = Sha256::digest(format!("{attribute:?} {given:?}").as_bytes()).into();
    let mark: String = mark.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let before = match asked.get("NextToken").and_then(Value::as_str) {
        None => u64::MAX,
        Some(token) => token
            .split_once('.')
            .filter(|(of, _)| *of == mark)
            .and_then(|(_, number)| number.parse().ok())
            .ok_or_else(|| {
                Fault::new(400, "InvalidNextTokenException", "The token is not of this query.")
            })?,
    };
    Ok(Query { attribute, from, to, page, before, mark })
}

fn time(asked: &Value, name: &str) -> Result<Option<Timestamp>, Fault> {
    let Some(value) = asked.get(name).filter(|value| !value.is_null()) else { return Ok(None) };
    let seconds = value.as_f64().filter(|seconds| seconds.is_finite());
    #[expect(clippy::cast_possible_truncation, reason = "whole seconds are what is asked for")]
    let at = seconds.and_then(|seconds| Timestamp::from_second(seconds as i64).ok());
    let wrong = || Fault::new(400, "InvalidTimeRangeException", format!("{name} is no time."));
    at.map(Some).ok_or_else(wrong)
}

fn attribute(asked: &Value) -> Result<Option<(String, String)>, Fault> {
    const KEYS: [&str; 8] = [
        "AccessKeyId",
        "EventId",
        "EventName",
        "EventSource",
        "ReadOnly",
        "ResourceName",
        "ResourceType",
        "Username",
    ];
    let wrong = |message: &str| Fault::new(400, "InvalidLookupAttributesException", message);
    let all = asked.get("LookupAttributes").and_then(Value::as_array);
    let Some(first) = all.and_then(|all| all.first()) else { return Ok(None) };
    if all.is_some_and(|all| all.len() > 1) {
        return Err(wrong("Only one lookup attribute may be given."));
    }
    let text = |name: &str| first.get(name).and_then(Value::as_str).map(str::to_owned);
    let (key, value) = text("AttributeKey")
        .zip(text("AttributeValue"))
        .ok_or_else(|| wrong("An attribute has a key and a value."))?;
    if KEYS.contains(&key.as_str()) { Ok(Some((key, value))) } else { Err(wrong("No such key.")) }
}

fn has(one: &Recorded, key: &str, value: &str) -> bool {
    let text = |pointer: &str| one.event.pointer(pointer).and_then(Value::as_str);
    match key {
        "AccessKeyId" => text("/userIdentity/accessKeyId") == Some(value),
        "EventId" => text("/eventID") == Some(value),
        "EventName" => text("/eventName") == Some(value),
        "EventSource" => text("/eventSource") == Some(value),
        "ReadOnly" => read_only(one) == value,
        "Username" => user_name(one) == Some(value),
        "ResourceName" => resources(one).iter().any(|(_, name)| name == value),
        _ => resources(one).iter().any(|(kind, _)| *kind == value),
    }
}

fn read_only(one: &Recorded) -> String {
    one.event.get("readOnly").map(Value::to_string).unwrap_or_default()
}

/// The user's name, or that of the session.
fn user_name(one: &Recorded) -> Option<&str> {
    let text = |pointer: &str| one.event.pointer(pointer).and_then(Value::as_str);
    text("/userIdentity/userName")
        .or_else(|| text("/userIdentity/principalId").and_then(|id| id.split(':').nth(1)))
}

/// What an event is about, by type and name.
fn resources(one: &Recorded) -> Vec<(&'static str, String)> {
    const WHERE: [(&str, &str); 7] = [
        ("/requestParameters/userName", "AWS::IAM::User"),
        ("/requestParameters/roleName", "AWS::IAM::Role"),
        ("/requestParameters/roleArn", "AWS::IAM::Role"),
        ("/requestParameters/policyArn", "AWS::IAM::Policy"),
        ("/requestParameters/accessKeyId", "AWS::IAM::AccessKey"),
        ("/responseElements/credentials/accessKeyId", "AWS::IAM::AccessKey"),
        ("/responseElements/accessKey/accessKeyId", "AWS::IAM::AccessKey"),
    ];
    let named = WHERE.iter().filter_map(|(pointer, kind)| {
        let name = one.event.pointer(pointer).and_then(Value::as_str)?;
        Some((*kind, name.to_owned()))
    });
    named.collect()
}

fn shown(one: &Recorded) -> Value {
    let text = |pointer: &str| one.event.pointer(pointer).cloned().unwrap_or(Value::Null);
    let resources: Vec<Value> = resources(one)
        .into_iter()
        .map(|(kind, name)| json!({ "ResourceType": kind, "ResourceName": name }))
        .collect();
    json!({
        "EventId": text("/eventID"),
        "EventName": text("/eventName"),
        "ReadOnly": read_only(one),
        "AccessKeyId": text("/userIdentity/accessKeyId"),
        "EventTime": one.time.as_second(),
        "EventSource": text("/eventSource"),
        "Username": user_name(one),
        "Resources": resources,
        "CloudTrailEvent": one.event.to_string(),
    })
}
