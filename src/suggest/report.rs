//! What is suggested, as it is printed: the policy, what it rests on, and what it leaves out.

use super::check::Check;
use super::ledger::{Origin, Seen};
use crate::policy::PolicyDocument;
use jiff::Timestamp;
use serde::Serialize;

/// The version of the format.
pub const FORMAT_VERSION: u32 = 1;

/// A policy from what was really used, and how it was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Suggestion {
    /// The version of this format.
    pub format_version: u32,
    /// The program that wrote it.
    pub ringfence_version: String,
    /// The user's name.
    pub user: String,
    /// Its unique ID.
    pub user_id: String,
    /// Its ARN.
    pub arn: String,
    /// The account.
    pub account_id: String,
    /// When the user was read, by the service's clock.
    pub at: Timestamp,
    /// The endpoint, where it is not AWS's own.
    pub endpoint: Option<String>,
    /// The time of the exposure, where it is known.
    pub since: Option<Timestamp>,
    /// Where it is known from.
    pub since_from: Option<KnownFrom>,
    /// The leaked keys, where they are known.
    pub leaked: Vec<Leaked>,
    /// What was looked at.
    pub evidence: Evidence,
    /// What is suggested: one document, or several that hold together; none where nothing was used.
    pub policies: Vec<PolicyDocument>,
    /// How they can be put on the user.
    pub placement: Placement,
    /// Non-whitespace characters of each document, which is what the quotas count.
    pub sizes: Vec<usize>,
    /// Non-whitespace characters that the user's inline policies may have in all.
    pub inline_quota: usize,
    /// What other policies of the user's take up, and why that leaves no room, if it does not.
    pub room: Taken,
    /// What applies to the user today.
    pub present: Vec<PresentPolicy>,
    /// How many of the data set's actions the user may call today, and how many are suggested.
    pub counts: Counts,
    /// The actions that are suggested, with their use.
    pub used: Vec<UsedLine>,
    /// What was used and is left out, since the user's policies do not allow it today.
    pub not_allowed: Vec<LeftOut>,
    /// Events that the data set has no action for.
    pub unmapped: Vec<EventLine>,
    /// Events of calls that were refused, which count as no use.
    pub refused: Vec<EventLine>,
    /// What is not counted as the user's own use.
    pub excluded: Vec<Excluded>,
    /// What of the service-last-accessed data is left out, and why.
    pub set_aside: Vec<SetAside>,
    /// What our own check found.
    pub checks: Vec<Check>,
    /// What Access Analyzer found; `null` where it was not asked.
    pub validation: Option<Validation>,
    /// What is not known.
    pub unknown: Vec<Gap>,
}

/// What was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Evidence {
    /// The first event that was read, whoever's.
    pub from: Option<Timestamp>,
    /// The last event that was read.
    pub to: Option<Timestamp>,
    /// Events that were read, whoever's.
    pub events: u64,
    /// Calls that count as the user's own use.
    pub calls: u64,
    /// Where those came from.
    pub origins: Vec<OriginLine>,
    /// Whether service-last-accessed data was read.
    pub advisor: bool,
}

/// A credential and a source whose use counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct OriginLine {
    /// Which.
    #[serde(flatten)]
    pub origin: Origin,
    /// How often.
    #[serde(flatten)]
    pub seen: Seen,
}

/// Where something is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum KnownFrom {
    /// It was given.
    Given,
    /// The trace says it.
    Trace,
    /// The record of the user's containment says it.
    Record,
}

/// A leaked key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Leaked {
    /// The access key.
    pub access_key: String,
    /// Where that is known from.
    pub from: KnownFrom,
}

/// What is there beside the suggestion until the old policies are gone (F15).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Taken {
    /// Non-whitespace characters of the inline policies that are there.
    pub inline: usize,
    /// Managed policies that are attached.
    pub attached: usize,
    /// How many may be.
    pub attached_quota: usize,
    /// Why the suggestion has no room beside them; `null` where it has.
    pub lacking: Option<String>,
    /// What helps.
    pub hint: Option<String>,
}

/// How the suggested documents can be put on the user (F15).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Placement {
    /// Nothing is suggested.
    Nothing,
    /// One inline policy, once the other inline policies are gone.
    Inline,
    /// One managed policy: it is too large to be inline.
    Managed,
    /// Several managed policies, which have to be attached together.
    SeveralManaged,
    /// A statement that cannot be divided is larger than a managed policy.
    TooLarge,
}

/// A policy that applies to the user today.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PresentPolicy {
    /// Where it is.
    pub place: String,
    /// Its document; `null` where it is not known.
    pub document: Option<PolicyDocument>,
    /// Why it is not known.
    pub unread: Option<String>,
    /// What it is to the suggestion.
    pub role: PresentRole,
}

/// What a present policy is to the suggestion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PresentRole {
    /// On the user itself: the suggestion would take its place.
    Own,
    /// A group's.
    Group,
    /// The permissions boundary, which goes on limiting.
    Boundary,
    /// A fence, a hold, AWSDenyAll or AWS's quarantine, which says nothing of what the user is to be allowed.
    Containment,
}

/// How many actions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Counts {
    /// That the user may call today, on anything at all.
    pub may_do: usize,
    /// That were seen to be used and are suggested.
    pub used: usize,
}

/// What a line of the policy rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// Events of CloudTrail.
    Events,
    /// The last use of the action, which says nothing of resources.
    Action,
    /// The last use of the service, which says nothing of actions.
    Service,
}

/// An action that is suggested.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct UsedLine {
    /// Such as `s3:GetObject`; for a whole service the patterns of today's policies.
    pub action: String,
    /// What it rests on.
    pub by: By,
    /// How many calls; `null` where only the last use is known.
    pub calls: Option<u64>,
    /// The last one.
    pub last: Timestamp,
    /// The resources, as the policy has them.
    pub resources: Vec<String>,
    /// Whether the resources are as wide as today, since no event names them.
    pub wide: bool,
}

/// A use that is not suggested.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LeftOut {
    /// The action.
    pub action: String,
    /// What it was used on, where events name that.
    pub resource: Option<String>,
    /// How many calls of this action there were in all; `null` where only the last use is known.
    pub calls: Option<u64>,
    /// Why.
    pub why: String,
}

/// Events of one name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EventLine {
    /// `eventSource`.
    pub source: String,
    /// `eventName`.
    pub name: String,
    /// How often.
    #[serde(flatten)]
    pub seen: Seen,
}

/// Use that is not the user's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Excluded {
    /// Which credential, from where.
    #[serde(flatten)]
    pub origin: Origin,
    /// How often.
    #[serde(flatten)]
    pub seen: Seen,
    /// Why.
    pub why: String,
}

/// A service of the service-last-accessed data that is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SetAside {
    /// The service, or the action.
    pub what: String,
    /// Its last use.
    pub last: Timestamp,
    /// Why.
    pub why: String,
}

/// What Access Analyzer said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Validation {
    /// What it found; empty where it found nothing.
    pub findings: Vec<Check>,
    /// Why it could not be asked.
    pub unread: Option<String>,
}

/// What is not known, and why: never to be taken for none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Gap {
    /// What.
    pub what: String,
    /// Why.
    pub why: String,
}

impl Suggestion {
    /// The suggestion as JSON, with a line end.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        // Serialising to memory fails only for maps with keys that are no text; there are none here.
        let mut json = serde_json::to_vec_pretty(self).unwrap_or_default();
        json.push(b'\n');
        json
    }
}
