//! The state of a principal: what ringfence did to it and how to undo it. No I/O.

use crate::approval::Approval;
use crate::error::{Error, Result};
use crate::identity::{AccessKeyId, AccountId, Arn, PrincipalId, SessionName, UserName, Who};
use crate::lineage::Lineage;
use crate::plan::{Compromised, Kind, PrincipalKind, plain};
use crate::posture::Posture;
use crate::resource::{Resource, Value};
use crate::text::shown;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The newest state format that this program reads and the one it writes.
pub const FORMAT_VERSION: u32 = 1;

/// How long after a fence every session it covers has expired: 36 h and 5 min for skew (F9).
pub const LIFT_AFTER: SignedDuration = SignedDuration::from_secs(129_900);

/// What ringfence did to one principal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct State {
    /// The format of the file.
    #[cfg_attr(test, schemars(extend("const" = FORMAT_VERSION)))]
    pub format_version: u32,
    /// The program that wrote it.
    pub ringfence_version: String,
    /// The account.
    pub account_id: AccountId,
    /// The account's partition.
    pub partition: String,
    /// The endpoint it was written for.
    pub endpoint: String,
    /// The principal.
    pub principal: Principal,
    /// The incident that the containment belongs to.
    pub incident: Option<String>,
    /// Which containment this is.
    pub lineage: Lineage,
    /// The one before.
    pub previous_lineage: Option<Lineage>,
    /// Counts every change of this file.
    pub serial: u64,
    /// The strictest rules that were applied.
    pub posture: Posture,
    /// The time of exposure, where known.
    pub since: Option<Timestamp>,
    /// The credentials known or taken to be the attacker's.
    pub compromised: Vec<Compromised>,
    /// The sessions of a role that the fence is narrowed to; left out where it is for every session.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sessions: Vec<SessionName>,
    /// What was changed, and how to undo it.
    pub resources: BTreeMap<Resource, Held>,
    /// From when the denies of this containment may be lifted (F9).
    pub clock: Option<Clock>,
    /// When the principal was last read and found contained.
    pub last_seen_contained: Option<Timestamp>,
    /// When everything was released.
    pub released_at: Option<Timestamp>,
    /// The keys that recoveries have made, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recoveries: Vec<Recovery>,
    /// What recoveries have changed of what the user may do, and how to undo it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rights: BTreeMap<Resource, Held>,
    /// The runs, oldest first.
    pub runs: Vec<Run>,
}

/// Whom a state is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Principal {
    /// What kind of principal it is.
    #[serde(rename = "type")]
    pub kind: PrincipalKind,
    /// The friendly name when it was last read.
    pub name: UserName,
    /// The unique ID (F27).
    pub id: PrincipalId,
    /// The ARN when it was last read.
    pub arn: Arn,
}

/// One resource that ringfence touched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// The value before ringfence's first touch; `None` if it was not there.
    pub baseline: Option<Value>,
    /// The value last written; `None` if it was removed.
    pub ours: Option<Value>,
    /// Where it stands.
    pub status: HeldStatus,
    /// Whether the baseline can be restored.
    pub reversible: bool,
    /// When it was last written, by the service's clock.
    pub written_at: Option<Timestamp>,
    /// Whether nobody could read if it was there before ringfence's first touch: then it may be somebody else's,
    /// whatever the baseline says.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub baseline_unread: bool,
}

/// Where a resource stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum HeldStatus {
    /// As ringfence wrote it.
    Held,
    /// Released with the rest, but left as ringfence wrote it (D2.7).
    Kept,
    /// Given back.
    Released,
    /// Written, and not known whether it took.
    InDoubt,
    /// A person left it to whoever changed it.
    GivenUp,
}

impl Held {
    /// Whether it was left as ringfence meant it, and nobody knows that ringfence made it so: a password that was
    /// perhaps deleted, and is not there.
    #[must_use]
    pub fn is_perhaps(&self) -> bool {
        self.status == HeldStatus::Kept && !self.reversible && self.written_at.is_none()
    }

    /// Whether the call that is in doubt could only make it what it was before: made or not, it has changed nothing.
    #[must_use]
    pub fn changes_nothing(&self) -> bool {
        self.status == HeldStatus::InDoubt && self.reversible && self.baseline == self.ours
    }

    /// Where it stands, in words.
    #[must_use]
    pub fn words(&self) -> &'static str {
        if self.is_perhaps() { "kept, perhaps" } else { self.status.words() }
    }
}

impl HeldStatus {
    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Kept => "kept",
            Self::Released => "released",
            Self::InDoubt => "in doubt",
            Self::GivenUp => "given up",
        }
    }
}

/// What a resource that ringfence wrote is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It denies everything (F24).
    Hold,
    /// It is the policy that denies older sessions (F3).
    FenceDocument,
    /// It brings a fence that stands in a managed policy to bear.
    FenceCarrier,
    /// It is a credential that was turned off.
    Credential,
    /// A group, or a boundary that a posture asked for.
    Other,
}

impl Role {
    /// Whether it stops sessions that were issued before.
    #[must_use]
    pub const fn stops_sessions(self) -> bool {
        matches!(self, Self::Hold | Self::FenceDocument | Self::FenceCarrier)
    }

    /// Whether it is a fence, or part of one.
    #[must_use]
    pub const fn is_fence(self) -> bool {
        matches!(self, Self::FenceDocument | Self::FenceCarrier)
    }
}

/// The clock that a deny waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Clock {
    /// The fence's time, or the hold's where there is no fence.
    pub fence_time: Timestamp,
    /// From when it may be lifted.
    pub lift_after: Timestamp,
    /// The keys that could still mint when it was written; of a role the fence itself, where sessions may have
    /// been issued after its time by one that was not stopped yet. With any, the clock does not count (F9).
    pub void_while_active: Vec<Resource>,
}

impl Clock {
    /// The clock of a fence.
    #[must_use]
    pub fn of(fence_time: Timestamp, void_while_active: Vec<Resource>) -> Self {
        Self {
            fence_time,
            lift_after: fence_time.saturating_add(LIFT_AFTER).unwrap_or(Timestamp::MAX),
            void_while_active,
        }
    }
}

/// A key that a recovery has made, and where it went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Recovery {
    /// The run that made it.
    pub run: String,
    /// The key; `None` while no answer has told its ID.
    pub access_key: Option<AccessKeyId>,
    /// Where it is stored: a secret or a profile; `None` for standard output.
    pub stored_in: Option<Resource>,
    /// The version of the secret.
    pub version: Option<String>,
    /// Where it stands.
    pub status: KeyStatus,
    /// When it was seen to authenticate, and to be allowed what it was asked for where no hold stands, by the
    /// service's clock.
    pub checked_at: Option<Timestamp>,
}

/// Where a new key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum KeyStatus {
    /// It may have been made, and nobody knows.
    InDoubt,
    /// It was not made.
    NotMade,
    /// It was made, and is not known to be stored.
    Made,
    /// It was made and stored.
    Stored,
    /// It was made, could not be stored, and was deleted again.
    Discarded,
}

/// One run, as the state remembers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Its ID.
    pub id: String,
    /// What it was for.
    pub kind: Kind,
    /// The SHA-256 of its plan.
    #[cfg_attr(test, schemars(regex(pattern = crate::schema::SHA256)))]
    pub plan_sha256: String,
    /// Who planned it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned_by: Option<Arn>,
    /// Who applied it.
    pub applied_by: Arn,
    /// The machine that it was applied from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_from: Option<String>,
    /// When it began, by the service's clock.
    pub started_at: Timestamp,
    /// Who approved it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<Approval>,
    /// Why it was run without the approvals that it needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<String>,
    /// How it ended; `None` while it goes on, or if it was cut off.
    pub end: Option<RunEnd>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RunEnd {
    /// When, by the service's clock.
    pub at: Timestamp,
    /// Whether every step holds.
    pub complete: bool,
    /// How many entries its journal has. A shorter one was cut.
    pub journal_entries: u64,
    /// The hash of the journal's last line.
    #[cfg_attr(test, schemars(regex(pattern = crate::schema::SHA256)))]
    pub journal_head: String,
}

impl Principal {
    /// The principal by its name.
    #[must_use]
    pub fn who(&self) -> Who {
        Who::of(self.kind, self.name.clone())
    }
}

impl State {
    /// What `aws:userid` is in the sessions that a role's fence is narrowed to; empty where it is for all.
    #[must_use]
    pub fn user_ids(&self) -> Vec<String> {
        crate::plan::user_ids(&self.principal.id, &self.sessions)
    }

    /// Where the sessions that the state names are not those of the fence that it records, both in words.
    #[must_use]
    pub fn sessions_contradicted(&self) -> Option<String> {
        let (_, held) = self.fence()?;
        let Some(Value::Document(document)) = &held.ours else { return None };
        let (_, fenced) = document.as_fence()?;
        let (fenced, named) = (BTreeSet::from_iter(fenced), BTreeSet::from_iter(self.user_ids()));
        let own = format!("{}:", self.principal.id);
        let words = |ids: &BTreeSet<String>| {
            let names: Vec<_> =
                ids.iter().map(|id| shown(id.strip_prefix(&own).unwrap_or(id))).collect();
            if names.is_empty() { "all sessions".to_owned() } else { names.join(", ") }
        };
        (fenced != named).then(|| {
            format!("its `sessions` are {}, its fence is for {}", words(&named), words(&fenced))
        })
    }

    /// Whether everything was given back that could be, but for a fence whose time has not come.
    #[must_use]
    pub const fn is_released(&self) -> bool {
        self.released_at.is_some()
    }

    /// Whether something is still held, so that a next containment continues this lineage (D5).
    #[must_use]
    pub fn continues(&self) -> bool {
        !self.is_released() || self.held().next().is_some()
    }

    /// Whether it records recoveries and nothing else: nobody has contained the principal.
    #[must_use]
    pub fn was_never_contained(&self) -> bool {
        !self.runs.is_empty() && self.runs.iter().all(|run| run.kind == Kind::Recover)
    }

    /// The resources that ringfence still answers for.
    pub fn held(&self) -> impl Iterator<Item = (&Resource, &Held)> {
        self.resources
            .iter()
            .filter(|(_, held)| matches!(held.status, HeldStatus::Held | HeldStatus::InDoubt))
    }

    /// The newest fence that is held.
    #[must_use]
    pub fn fence(&self) -> Option<(&Resource, &Held)> {
        self.held()
            .filter(|(resource, held)| self.role(resource, held) == Role::FenceDocument)
            .max_by_key(|(_, held)| held.written_at)
    }

    /// The time of the fence that is held, where it counts.
    #[must_use]
    pub fn counted_fence(&self) -> Option<Timestamp> {
        let clock = self.clock.as_ref().filter(|clock| clock.void_while_active.is_empty());
        clock.filter(|_| self.fence().is_some()).map(|clock| clock.fence_time)
    }

    /// What a resource that ringfence wrote is for.
    #[must_use]
    pub fn role(&self, resource: &Resource, held: &Held) -> Role {
        let deny_all = crate::policy::deny_all_arn(&self.partition);
        let carries_fence = |arn: &str| {
            let name = arn.rsplit('/').next().unwrap_or_default();
            self.resources.contains_key(&Resource::ManagedPolicy(arn.to_owned()))
                || name.starts_with(&self.lineage.fence_name())
        };
        match (resource, &held.ours) {
            (_, Some(Value::Document(document))) => {
                if *document == crate::policy::hold() {
                    Role::Hold
                } else {
                    Role::FenceDocument
                }
            }
            (Resource::AttachedPolicy(arn), _) if *arn == deny_all => Role::Hold,
            (Resource::AttachedPolicy(arn), _) if carries_fence(arn) => Role::FenceCarrier,
            (_, Some(Value::PolicyArn(arn))) if *arn == deny_all => Role::Hold,
            (_, Some(Value::PolicyArn(arn))) if carries_fence(arn) => Role::FenceCarrier,
            (resource, _) if resource.is_credential() => Role::Credential,
            _ => Role::Other,
        }
    }

    /// Whether it is a key that a recovery has made and stored, and that nobody has found compromised since.
    #[must_use]
    pub fn is_recovered(&self, resource: &Resource) -> bool {
        let Resource::AccessKey(id) = resource else { return false };
        let made =
            |one: &Recovery| one.access_key.as_ref() == Some(id) && one.status == KeyStatus::Stored;
        self.recoveries.iter().any(made) && !self.is_compromised(resource)
    }

    /// The last recovery whose key was stored and checked, unless a deny of ringfence's on everything keeps the
    /// key from doing anything (F24).
    #[must_use]
    pub fn recovered(&self) -> Option<&Recovery> {
        let hold = self.held().any(|(resource, held)| self.role(resource, held) == Role::Hold);
        let done = |one: &&Recovery| one.status == KeyStatus::Stored && one.checked_at.is_some();
        self.recoveries.iter().rev().filter(|_| !hold).find(done)
    }

    /// Whether a credential is known or taken to be the attacker's.
    #[must_use]
    pub fn is_compromised(&self, resource: &Resource) -> bool {
        self.compromised.iter().any(|item| item.resource == *resource)
    }

    /// The run that was cut off, if the last one was.
    #[must_use]
    pub fn open_run(&self) -> Option<&Run> {
        self.runs.last().filter(|run| run.end.is_none())
    }

    /// The bytes of the state's file.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        // Serialising to memory fails only for maps with keys that are no text; there are none here.
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// Reads a state's file. `name` is what the file is called in an error.
    ///
    /// # Errors
    /// If the bytes are no state, are cut, or of a newer format.
    pub fn parse(bytes: &[u8], name: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct Version {
            format_version: u32,
        }
        let broken = |error: &serde_json::Error| {
            Error::failed(format!("the state file `{name}` is broken at line {}", error.line()))
                .because(plain(error))
                .hint("ringfence state rm PRINCIPAL_ID --auto-approve moves it aside, then ringfence state import PLAN rebuilds it from the run's plan and what can be read back")
        };
        let version: Version = serde_json::from_slice(bytes).map_err(|e| broken(&e))?;
        if version.format_version > FORMAT_VERSION {
            return Err(Error::failed(format!(
                "the state file `{name}` has format {}, this program knows up to {FORMAT_VERSION}",
                version.format_version
            ))
            .hint("use the ringfence that wrote it"));
        }
        serde_json::from_slice(bytes).map_err(|e| broken(&e))
    }
}
