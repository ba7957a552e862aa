//! The plan: an immutable list of steps, with the snapshots they were made from.

mod action;
mod recover;
mod settle;
mod sound;
mod syntax;

pub use crate::identity::PrincipalKind;
pub use action::Action;
pub use recover::{Destination, Fields, Recover};
pub use settle::{NewCredential, SETTLE_S, Settle};

use crate::approval::InForce;
use crate::error::{Error, Result};
use crate::identity::{AccessKeyId, AccountId, Arn, SessionName, Who};
use crate::impact::Usage;
use crate::lineage::Lineage;
use crate::posture::Posture;
use crate::resource::{Resource, Value};
use crate::snapshot::{LastUsed, Snapshot, Unread};
use crate::text::{hex, shown};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The newest plan format that this program reads and the one it writes.
pub const FORMAT_VERSION: u32 = 1;

/// What a step says whose resource could not be read.
pub(crate) const WAS_UNREAD: &str = "what is there now could not be read";

/// What a plan is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It contains.
    Contain,
    /// It rolls a containment back.
    Release,
    /// It gives a contained user's workload a new key, or takes an old one away.
    Recover,
}

/// What apply does when reality has moved since the plan (D2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OnDrift {
    /// It stops before the first write.
    Refuse,
    /// It goes on with the steps that still apply.
    Tighten,
}

/// What reading cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ReadCost {
    /// How many calls were made.
    pub calls: u32,
    /// How many of them, at most, had to wait for one another.
    pub round_trips: u32,
}

/// Steps for one or more principals; immutable once written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The format of the file.
    #[cfg_attr(test, schemars(extend("const" = FORMAT_VERSION)))]
    pub format_version: u32,
    /// The program that wrote it.
    pub ringfence_version: String,
    /// What it is for.
    pub kind: Kind,
    /// When it was made, by the service's clock.
    pub created_at: Timestamp,
    /// Who made it.
    pub planned_by: Arn,
    /// The account it is for.
    pub account_id: AccountId,
    /// The account's partition.
    pub partition: String,
    /// The endpoint that was read, and the only one it may be applied to (D2.15).
    pub endpoint: String,
    /// The incident that it belongs to.
    pub incident: Option<String>,
    /// What reading took.
    pub read: ReadCost,
    /// The resolved rules.
    pub posture: Posture,
    /// What apply does on drift.
    pub on_drift: OnDrift,
    /// What apply does after the last wave.
    pub settle: Settle,
    /// Seconds between the last key-off and the fence.
    pub fence_margin_s: u32,
    /// Whether users that a rule protects were asked for all the same (D2.10).
    pub override_protection: bool,
    /// Whether roles that services assume were asked for all the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut_workloads: bool,
    /// The trace that it was made from, if it was made from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceSource>,
    /// The finding that it was made from, if it was made from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<FindingSource>,
    /// Where a new key goes and how it is checked, in a plan that makes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recover: Option<Recover>,
    /// The approval that was required when it was made.
    pub approval: Option<InForce>,
    /// The principals, worst first.
    pub principals: Vec<PrincipalPlan>,
    /// SHA-256 over everything above: shows an edit by hand. A signature shows an edit by an adversary.
    #[cfg_attr(test, schemars(regex(pattern = crate::schema::SHA256)))]
    pub content_sha256: String,
}

/// The trace that a plan was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TraceSource {
    /// What the trace began with, in its own words.
    pub start: String,
    /// The SHA-256 of its file.
    #[cfg_attr(test, schemars(regex(pattern = crate::schema::SHA256)))]
    pub sha256: String,
    /// What it found and the plan does nothing about.
    pub left_open: Vec<LeftOpen>,
}

/// The finding of GuardDuty that a plan was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FindingSource {
    /// GuardDuty's ID of it.
    pub id: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The access keys that it names.
    pub access_keys: Vec<AccessKeyId>,
    /// The SHA-256 of its file.
    #[cfg_attr(test, schemars(regex(pattern = crate::schema::SHA256)))]
    pub sha256: String,
}

/// A target of a trace that the plan is not about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LeftOpen {
    /// What it is: a user or a role of some account.
    pub what: String,
    /// Why it is left open.
    pub why: String,
}

/// What a plan does to one principal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PrincipalPlan {
    /// What kind of principal it is.
    #[serde(rename = "type")]
    pub kind: PrincipalKind,
    /// Its friendly name.
    pub name: crate::identity::UserName,
    /// Its unique ID, which is what counts (F27).
    pub id: crate::identity::PrincipalId,
    /// Its ARN.
    pub arn: Arn,
    /// The lineage of its state.
    pub lineage: Lineage,
    /// The lineage of the containment before, if there was one.
    pub previous_lineage: Option<Lineage>,
    /// The serial of the state that the plan was made from; 0 for none.
    pub serial: u64,
    /// The time of exposure, where known.
    pub since: Option<Timestamp>,
    /// The credentials known or taken to be the attacker's.
    pub compromised: Vec<Compromised>,
    /// The sessions of a role that the fence is narrowed to; left out where it is for every session.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sessions: Vec<SessionName>,
    /// The real use of its credentials, where the plan was made with a record of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// What was there.
    pub snapshot: Snapshot,
    /// What will be done, in order.
    pub steps: Vec<Step>,
    /// What stays able to act.
    pub left_live: Vec<LeftLive>,
    /// What a release does not give back.
    pub kept: Vec<Kept>,
    /// What others have changed since, and the release leaves alone.
    pub drift: Vec<Drifted>,
    /// What a person leaves to whoever changed it, for good.
    pub given_up: Vec<Resource>,
    /// What the person has to know.
    pub warnings: Vec<String>,
    /// What the posture asks for and nothing can do now: with any, the run ends as partial (D2.4).
    pub blocked: Vec<Blocked>,
    /// What could not be read.
    pub unread: Vec<Unread>,
}

/// A rule that cannot be met now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Blocked {
    /// What is open: `fence`, `hold`.
    pub what: String,
    /// Why, with the numbers.
    pub why: String,
}

/// A credential that is named as compromised, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Compromised {
    /// Which one.
    pub resource: Resource,
    /// Why.
    pub why: Why,
}

/// Why a credential counts as compromised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// A person named it.
    Named,
    /// Nobody named a key, so every Active one is taken to be.
    NoKeyNamed,
    /// It was made after the exposure.
    YoungerThanSince,
    /// A trace has found it to descend from what was leaked.
    Traced,
    /// A finding of GuardDuty names it.
    Finding,
}

impl Why {
    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Named => "named",
            Self::NoKeyNamed => "no key was named",
            Self::YoungerThanSince => "made after the exposure",
            Self::Traced => "found by the trace",
            Self::Finding => "named by a finding of GuardDuty",
        }
    }

    /// Whether it was named, by a person or by a finding or a trace that a person gave.
    #[must_use]
    pub const fn is_named(self) -> bool {
        matches!(self, Self::Named | Self::Finding | Self::Traced)
    }
}

/// How a step changes its resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It was not there.
    Create,
    /// It was there and is another afterwards.
    Update,
    /// It is gone afterwards.
    Delete,
}

/// One resource before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Its number in the plan, from 1.
    pub id: u32,
    /// Steps of one wave may run side by side; the next wave waits.
    pub wave: u32,
    /// What it changes.
    pub resource: Resource,
    /// How it is changed.
    pub action: Change,
    /// The value before; `None` if it was not there.
    pub before: Option<Value>,
    /// The value after; `None` if it is gone.
    pub after: Option<Value>,
    /// Whether `before` can be restored.
    pub reversible: bool,
    /// Why, in one line.
    pub reason: String,
    /// What the person has to know about it.
    pub cautions: Vec<String>,
}

/// A credential, or another way to act, that the plan leaves as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LeftLive {
    /// Which one; `None` for ways to act that are no resource of the principal.
    pub resource: Option<Resource>,
    /// What it is, in words.
    pub what: String,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// Its last recorded use (F21).
    pub last_used: Option<LastUsed>,
    /// Whether it may be the attacker's: made after the exposure, or compromised.
    pub suspect: bool,
    /// What stops it.
    pub remedy: Option<String>,
}

/// Something that a release keeps as ringfence left it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// Which resource.
    pub resource: Resource,
    /// Why.
    pub why: String,
    /// The flag that overrides it, if one does.
    pub flag: Option<String>,
}

/// A resource that is no longer as ringfence left it, or that others made since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Drifted {
    /// Which resource.
    pub resource: Resource,
    /// What happened to it, in words.
    pub what: String,
}

impl PrincipalPlan {
    /// The last step about each resource: what the resource is meant to be once all are done.
    pub fn last_steps(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().enumerate().filter_map(|(index, step)| {
            let later = self.steps.iter().skip(index + 1);
            let last = later.into_iter().all(|other| other.resource != step.resource);
            last.then_some(step)
        })
    }

    /// Whether a step takes from credentials that could issue sessions, or from sessions, what they could do.
    #[must_use]
    pub fn stops_sessions(&self) -> bool {
        self.steps.iter().any(Step::stops_sessions)
    }

    /// The same plan with the steps that settling has added.
    #[must_use]
    pub fn with_added<'s>(&self, added: impl Iterator<Item = &'s Step>) -> Self {
        let mut plan = self.clone();
        plan.steps.extend(added.cloned());
        plan
    }

    /// The principal by its name.
    #[must_use]
    pub fn who(&self) -> Who {
        Who::of(self.kind, self.name.clone())
    }

    /// What `aws:userid` is in the sessions that a role's fence is narrowed to; empty where it is for all.
    #[must_use]
    pub fn user_ids(&self) -> Vec<String> {
        user_ids(&self.id, &self.sessions)
    }
}

/// What `aws:userid` is in sessions of a role with that unique ID (F12).
#[must_use]
pub fn user_ids(role: &crate::identity::PrincipalId, sessions: &[SessionName]) -> Vec<String> {
    sessions.iter().map(|session| format!("{role}:{session}")).collect()
}

impl Plan {
    /// Every step of every principal, in the order of waves.
    #[must_use]
    pub fn steps(&self) -> Vec<(&PrincipalPlan, &Step)> {
        let mut steps: Vec<_> = self
            .principals
            .iter()
            .flat_map(|principal| principal.steps.iter().map(move |step| (principal, step)))
            .collect();
        steps.sort_by_key(|(_, step)| (step.wave, step.id));
        steps
    }

    /// Whether it would change nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.principals.iter().all(|principal| principal.steps.is_empty())
    }

    /// The same plan with the approval that is required for it.
    #[must_use]
    pub fn requiring(self, approval: Option<InForce>) -> Self {
        Self { approval, ..self }.sealed()
    }

    /// Fills in the digest of the content. To be called once, when the plan is complete.
    #[must_use]
    pub fn sealed(mut self) -> Self {
        self.content_sha256 = self.content_digest();
        self
    }

    fn content_digest(&self) -> String {
        let open = Self { content_sha256: String::new(), ..self.clone() };
        sha256(&open.bytes())
    }

    /// The bytes of the plan's file.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        // Serialising to memory fails only for maps with keys that are no text; there are none here.
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// Reads a plan's file. `name` is what the file is called in an error.
    ///
    /// # Errors
    /// If the bytes are no plan, are cut or edited, or of a newer format.
    pub fn parse(bytes: &[u8], name: &str) -> Result<Self> {
        let malformed = |why: String| {
            Error::failed(format!("`{name}` is no plan"))
                .because(why)
                .hint("make a new one: ringfence plan --out FILE")
        };
        if let Some(flaw) = syntax::flaw(bytes) {
            return Err(malformed(flaw));
        }
        let version: FormatVersion =
            serde_json::from_slice(bytes).map_err(|e| malformed(located(&e)))?;
        if version.format_version > FORMAT_VERSION {
            return Err(Error::failed(format!(
                "`{name}` has plan format {}, this program knows up to {FORMAT_VERSION}",
                version.format_version
            ))
            .hint("use the ringfence that wrote it, or plan again with this one"));
        }
        let plan: Self = serde_json::from_slice(bytes).map_err(|e| malformed(located(&e)))?;
        if plan.bytes() != bytes || plan.content_digest() != plan.content_sha256 {
            return Err(Error::failed(format!("`{name}` was edited after it was planned"))
                .because("its content does not match its own digest")
                .hint("make a new one: ringfence plan --out FILE"));
        }
        match sound::flaw(&plan) {
            None => Ok(plan),
            Some(flaw) => {
                Err(Error::failed(format!("`{name}` is no plan that this program would make"))
                    .because(flaw)
                    .hint("make a new one: ringfence plan --out FILE"))
            }
        }
    }
}

#[derive(Deserialize)]
struct FormatVersion {
    format_version: u32,
}

fn located(error: &serde_json::Error) -> String {
    format!("line {}, column {}: {}", error.line(), error.column(), plain(error))
}

/// The message of a JSON error without its own position, which is said apart. It quotes the file, so that a
/// line break in a key would begin a line that looks like the program's own (D2.14).
pub(crate) fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    shown(text.split(" at line ").next().unwrap_or(&text)).into_owned()
}

/// The SHA-256 of some bytes, as `sha256sum` prints it.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}
