//! Policy documents: their canonical form, their size, and the fence and hold that ringfence writes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::fmt;

/// The key under which a plan writes a value that is only known after apply (D2.2).
pub const AFTER_APPLY: &str = "$after_apply";

/// The one such value a policy document may hold.
pub const FENCE_TIME: &str = "fence_time";

/// A policy document as IAM stores it: JSON where it parses, else the text as it came.
///
/// Equality is by meaning: the order of keys and white space do not count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PolicyDocument(Value);

impl PolicyDocument {
    /// Takes the text of a document. What is no JSON object is kept as text, so nothing observed is lost.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match serde_json::from_str::<Value>(text) {
            // Deeper than IAM's grammar goes; a plan that holds it has to be readable again (D2.3). What looks
            // like a note that nothing was read would be taken for one there (D2.12).
            Ok(value @ Value::Object(_))
                if depth(&value) <= DEEPEST && value.get(UNREAD).is_none() =>
            {
                Self(value)
            }
            _ => Self(Value::String(text.to_owned())),
        }
    }

    /// The document as a JSON value.
    #[must_use]
    pub const fn value(&self) -> &Value {
        &self.0
    }

    /// The shortest text, which saves quota (F15).
    #[must_use]
    pub fn minified(&self) -> String {
        match &self.0 {
            Value::String(text) => text.clone(),
            value => value.to_string(),
        }
    }

    /// The text a person reads, one element a line.
    #[must_use]
    pub fn pretty(&self) -> String {
        match &self.0 {
            Value::String(text) => text.clone(),
            value => serde_json::to_string_pretty(value).unwrap_or_default(),
        }
    }

    /// What the document takes of a quota: its non-whitespace characters (F15).
    #[must_use]
    pub fn quota_size(&self) -> usize {
        self.minified().chars().filter(|c| !c.is_whitespace()).count()
    }

    /// Whether a value in it is only known after apply.
    #[must_use]
    pub fn awaits_fence_time(&self) -> bool {
        awaits(&self.0)
    }

    /// The document with the fence's time filled in.
    #[must_use]
    pub fn with_fence_time(&self, fence: Timestamp) -> Self {
        Self(substitute(&self.0, fence))
    }

    /// The fence's time, if this is exactly a fence as ringfence writes it, alone or after `Allow *`.
    #[must_use]
    pub fn fence_time(&self) -> Option<Timestamp> {
        match self.as_fence()? {
            (FenceTime::At(time), _) => Some(time),
            (FenceTime::AfterApply, _) => None,
        }
    }

    /// When the fence stands and for whom (see [`fence_for`]), if this is exactly a fence as ringfence writes it.
    #[must_use]
    pub fn as_fence(&self) -> Option<(FenceTime, Vec<String>)> {
        let condition = self.0.get("Statement")?.as_array()?.last()?.get("Condition")?;
        let time = match condition.pointer("/DateLessThan/aws:TokenIssueTime")? {
            Value::String(text) => FenceTime::At(text.parse().ok()?),
            Value::Object(map) if is_placeholder(map) => FenceTime::AfterApply,
            _ => return None,
        };
        let ids = match condition.pointer("/StringEquals/aws:userid") {
            None => Vec::new(),
            Some(ids) => {
                let text = |id: &Value| id.as_str().map(str::to_owned);
                ids.as_array()?.iter().map(text).collect::<Option<Vec<_>>>()?
            }
        };
        (*self == fence_for(time, &ids) || *self == boundary_fence_for(time, &ids))
            .then_some((time, ids))
    }

    /// Whether the two are alike once the fence time that `self` awaits is taken from `now`.
    #[must_use]
    pub fn fits(&self, now: &Self) -> bool {
        if !self.awaits_fence_time() {
            return self == now;
        }
        now.fence_time().is_some_and(|time| self.with_fence_time(time) == *now)
    }
}

impl fmt::Display for PolicyDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.minified())
    }
}

/// The key of a note that something could not be read: [`crate::snapshot::Missing`].
const UNREAD: &str = "$unread";

/// How deep a document may be nested to be taken for one: JSON is read to a depth of 128, and a document
/// stands some way down in a plan.
const DEEPEST: usize = 64;

fn depth(value: &Value) -> usize {
    match value {
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn awaits(value: &Value) -> bool {
    match value {
        Value::Object(map) => is_placeholder(map) || map.values().any(awaits),
        Value::Array(items) => items.iter().any(awaits),
        _ => false,
    }
}

fn is_placeholder(map: &Map<String, Value>) -> bool {
    map.len() == 1 && map.get(AFTER_APPLY).and_then(Value::as_str) == Some(FENCE_TIME)
}

fn substitute(value: &Value, fence: Timestamp) -> Value {
    match value {
        Value::Object(map) if is_placeholder(map) => Value::String(fence.to_string()),
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (key.clone(), substitute(value, fence)))
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(items) => items.iter().map(|item| substitute(item, fence)).collect(),
        other => other.clone(),
    }
}

/// When a fence stands: a moment, or the one that apply finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FenceTime {
    /// A known moment, in whole seconds (F7).
    At(Timestamp),
    /// Known once the last key is off.
    AfterApply,
}

impl FenceTime {
    fn value(self) -> Value {
        match self {
            Self::At(time) => Value::String(time.to_string()),
            Self::AfterApply => json!({ AFTER_APPLY: FENCE_TIME }),
        }
    }
}

fn fence_statement(time: FenceTime, ids: &[String]) -> Value {
    // DateLessThan, never DateLessThanIfExists, which would also cut long-term keys (F4).
    let mut condition = json!({ "DateLessThan": { "aws:TokenIssueTime": time.value() } });
    if let (Value::Object(map), false) = (&mut condition, ids.is_empty()) {
        map.insert("StringEquals".to_owned(), json!({ "aws:userid": ids }));
    }
    json!({ "Effect": "Deny", "Action": "*", "Resource": "*", "Condition": condition })
}

fn document(statements: Vec<Value>) -> PolicyDocument {
    PolicyDocument(json!({ "Version": "2012-10-17", "Statement": statements }))
}

/// The deny for sessions issued before a moment (F3, F4).
#[must_use]
pub fn fence(time: FenceTime) -> PolicyDocument {
    fence_for(time, &[])
}

/// The same, for no other sessions of a role than those with one of these `aws:userid` (F12); with none given,
/// for all.
#[must_use]
pub fn fence_for(time: FenceTime, ids: &[String]) -> PolicyDocument {
    document(vec![fence_statement(time, ids)])
}

/// The same as a permissions boundary, which has to allow what it does not deny.
#[must_use]
pub fn boundary_fence(time: FenceTime) -> PolicyDocument {
    boundary_fence_for(time, &[])
}

/// The same, for no other sessions of a role than those with one of these `aws:userid`.
#[must_use]
pub fn boundary_fence_for(time: FenceTime, ids: &[String]) -> PolicyDocument {
    let allow = json!({ "Effect": "Allow", "Action": "*", "Resource": "*" });
    document(vec![allow, fence_statement(time, ids)])
}

/// The unconditional deny (F24).
#[must_use]
pub fn hold() -> PolicyDocument {
    document(vec![json!({ "Effect": "Deny", "Action": "*", "Resource": "*" })])
}

/// The managed policy that is one `Deny *` (F25), in a partition (F23).
#[must_use]
pub fn deny_all_arn(partition: &str) -> String {
    format!("arn:{partition}:iam::aws:policy/AWSDenyAll")
}

/// Whether AWS attaches this policy by itself when a key is exposed (F26).
#[must_use]
pub fn is_aws_quarantine(arn: &str) -> bool {
    arn.contains(":iam::aws:policy/AWSCompromisedKeyQuarantine")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_is_recognised_only_when_it_is_exactly_ours() {
        let time: Timestamp = "2026-11-21T03:13:42Z".parse().unwrap();
        let ours = fence(FenceTime::AfterApply);
        assert!(ours.awaits_fence_time());
        let written = ours.with_fence_time(time);
        assert_eq!(written.fence_time(), Some(time));
        assert!(ours.fits(&written));
        let bent = PolicyDocument::parse(
            &written.minified().replace("\"Action\":\"*\"", "\"Action\":\"s3:*\""),
        );
        assert_eq!(bent.fence_time(), None);
        assert!(!ours.fits(&bent));
        assert!(!ours.fits(&hold()));
    }

    #[test]
    fn the_order_of_keys_and_white_space_do_not_count() {
        let one = PolicyDocument::parse(r#"{"Version":"2012-10-17","Statement":[]}"#);
        let two = PolicyDocument::parse("{ \"Statement\": [],\n \"Version\": \"2012-10-17\" }");
        assert_eq!(one, two);
        assert_eq!(PolicyDocument::parse("not json").minified(), "not json");
    }

    #[test]
    fn a_document_that_says_it_was_not_read_was_read() {
        use crate::snapshot::Observed;
        let text = r#"{"$unread":"iam:GetUserPolicy","because":"AccessDenied"}"#;
        let read = Observed::Read(PolicyDocument::parse(text));
        let json = serde_json::to_string(&read).unwrap();
        assert_eq!(serde_json::from_str::<Observed<PolicyDocument>>(&json).unwrap(), read);
    }

    #[test]
    fn a_fence_is_small_enough_to_leave_room() {
        assert!(boundary_fence(FenceTime::AfterApply).quota_size() < 300);
        assert!(fence(FenceTime::At(Timestamp::UNIX_EPOCH)).quota_size() < 160);
    }

    /// D2.2: a plan's unknown values come from a closed list, and nothing else is substituted.
    #[test]
    fn only_the_fence_time_is_filled_in() {
        let time: Timestamp = "2026-11-21T03:13:42Z".parse().unwrap();
        assert_eq!(json!({ AFTER_APPLY: FENCE_TIME }), json!({ "$after_apply": "fence_time" }));
        for other in [
            r#"{"Id":{"$after_apply":"another"}}"#,
            r#"{"Id":{"$after_apply":1}}"#,
            r#"{"Id":{"$after_apply":["fence_time"]}}"#,
            r#"{"Id":{"$after_apply":"fence_time","and":"more"}}"#,
            r#"{"Id":{"$AFTER_APPLY":"fence_time"}}"#,
            r#"{"Id":"fence_time","Sid":["fence_time","$after_apply"]}"#,
        ] {
            let document = PolicyDocument::parse(other);
            assert!(!document.awaits_fence_time(), "{other}");
            assert_eq!(document.with_fence_time(time), document, "{other}");
        }
    }
}
