//! The public, versioned model of what the commands say. Text and Markdown are rendered from it, so they
//! cannot disagree with the JSON. Plans and states are public formats of their own.

mod checked;
mod found;

pub use checked::{Checked, CheckedPrincipal, CheckedStep};
pub use found::{FindingsReport, Judged, Skipped, Unknown};

use crate::approval::Approval;
use crate::identity::{AccountId, Arn, PrincipalId, PrincipalKind, UserName, Who};
use crate::incident::Stage;
use crate::journal::{Event, StepResult};
use crate::lineage::Lineage;
use crate::plan::{Change, Kind};
use crate::resource::Resource;
use jiff::Timestamp;
use serde::Serialize;

/// The format of the views below.
pub const FORMAT_VERSION: u32 = 1;

/// What a containment amounts to, judged from what was read (D2.13).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// No credential that is compromised, or younger than the exposure, can still act.
    Contained,
    /// Everything ringfence wrote stands, and a suspect credential can still act.
    NotContained,
    /// Something ringfence wrote was taken away.
    Weakened,
    /// A run left steps open.
    Partial,
    /// Given back.
    Released,
    /// Given back, but for the fence, whose time has not come.
    ReleasedFenceUntil,
    /// The principal is not there any more, or is another under the same name (F27).
    Gone,
    /// It could not be read.
    Unknown,
}

impl Standing {
    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Contained => "contained",
            Self::NotContained => "NOT contained",
            Self::Weakened => "weakened",
            Self::Partial => "partial",
            Self::Released => "released",
            Self::ReleasedFenceUntil => "released, fence kept",
            Self::Gone => "gone",
            Self::Unknown => "unknown",
        }
    }

    /// Whether `status` ends with 2 because of it.
    #[must_use]
    pub const fn is_weak(self) -> bool {
        matches!(
            self,
            Self::NotContained | Self::Weakened | Self::Partial | Self::Gone | Self::Unknown
        )
    }
}

/// One thing that a person should look at, about one resource or about the principal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Finding {
    /// The resource, if it is about one.
    pub resource: Option<Resource>,
    /// What there is to say, in words that follow the resource's name: `is Active again`.
    pub what: String,
}

/// When the denies may be lifted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FenceView {
    /// The fence's time, or the hold's.
    pub fence_time: Timestamp,
    /// From when it may be lifted (F9).
    pub lift_after: Timestamp,
    /// Why the clock does not count, if it does not.
    pub void: Option<String>,
}

/// Reality against state, for one principal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PrincipalStatus {
    /// Its name in the state: `user`, or `role` where it is one.
    #[serde(flatten)]
    pub who: Who,
    /// Its unique ID.
    pub id: PrincipalId,
    /// Its account.
    pub account_id: AccountId,
    /// Its containment.
    pub lineage: Lineage,
    /// The state's serial.
    pub serial: u64,
    /// The incident.
    pub incident: Option<String>,
    /// What it amounts to.
    pub standing: Standing,
    /// When it was read, by the service's clock.
    pub seen_at: Option<Timestamp>,
    /// When it was last read and found contained.
    pub last_seen_contained: Option<Timestamp>,
    /// The clock of the fence.
    pub fence: Option<FenceView>,
    /// What was taken away, can still act, or could not be read.
    pub findings: Vec<Finding>,
    /// What else is worth knowing.
    pub notes: Vec<String>,
    /// What to run, in order.
    pub commands: Vec<String>,
}

/// What `status` found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(transform = crate::schema::read_where_there_is_a_state))]
pub struct StatusReport {
    /// The format of this report.
    #[cfg_attr(test, schemars(extend("const" = FORMAT_VERSION)))]
    pub format_version: u32,
    /// When it was read, by the service's clock. Left out, as the endpoint is, where nobody has a state.
    pub at: Timestamp,
    /// The endpoint that was read.
    pub endpoint: String,
    /// The principals, by name.
    pub principals: Vec<PrincipalStatus>,
}

/// What `apply` says while it works: one JSON object a line with `--format json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ApplyEvent {
    /// Reality was read again and may be written to (D2.3).
    Verified {
        /// How many calls it took.
        calls: u32,
        /// How many of them had to wait for one another.
        round_trips: u32,
        /// What has moved, where the plan goes on all the same.
        moved: Vec<Finding>,
    },
    /// The plan is approved, or goes on without; or a rule has something to say.
    Approved {
        /// Who approved it.
        approvals: Vec<Approval>,
        /// Why it is applied without the approvals that it needs.
        break_glass: Option<String>,
        /// What rules warn of.
        warnings: Vec<String>,
    },
    /// A run that was cut off goes on.
    Resumed {
        /// The run.
        run: String,
        /// How many calls it took to read reality again.
        calls: u32,
        /// How many of them had to wait for one another.
        round_trips: u32,
        /// The principals that take no part any more, each with why: deleted, or made again under the same name.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        left_out: Vec<String>,
    },
    /// The first intent is about to be recorded.
    RunStarted {
        /// The run.
        run: String,
        /// What it is for.
        kind: Kind,
        /// How many steps there are.
        steps: usize,
    },
    /// The store cannot be reached any more: the record goes on in a folder of this machine.
    RecordMoved {
        /// The principal: `user`, or `role` where it is one.
        #[serde(flatten)]
        who: Who,
        /// The folder.
        folder: String,
        /// The store.
        store: String,
    },
    /// The new key was tried.
    KeyChecked {
        /// The principal: `user`, or `role` where it is one.
        #[serde(flatten)]
        who: Who,
        /// What came of it, as the journal has it.
        check: Event,
    },
    /// The new key, where it was to go to standard output (D2.11).
    NewKey {
        /// The principal: `user`, or `role` where it is one.
        #[serde(flatten)]
        who: Who,
        /// Its ID.
        access_key_id: String,
        /// Its secret.
        secret_access_key: String,
    },
    /// A step was found done already.
    StepSkipped {
        /// The principal: `user`, or `role` where it is one.
        #[serde(flatten)]
        who: Who,
        /// The wave.
        wave: u32,
        /// The resource.
        resource: Resource,
        /// Why.
        why: String,
    },
    /// The fence's time is known.
    FenceTime {
        /// The principal: `user`, or `role` where it is one.
        #[serde(flatten)]
        who: Who,
        /// The time.
        fence_time: Timestamp,
        /// The keys while whose activity it does not count.
        still_active: Vec<Resource>,
    },
    /// A call ended.
    Step {
        /// The principal: `user`, or `role` where it is one.
        #[serde(flatten)]
        who: Who,
        /// The wave.
        wave: u32,
        /// Whether it comes after the plan's own waves, by its settle clause.
        settling: bool,
        /// The resource.
        resource: Resource,
        /// What it did.
        action: Change,
        /// The new value in a few words: `Inactive`, `fence 03:13:42Z`, `attached`, `removed`.
        value: String,
        /// How it ended.
        result: StepResult,
        /// The service's Date.
        at: Option<Timestamp>,
        /// How long the call took, in milliseconds.
        took_ms: u64,
        /// The error, if it was one.
        error: Option<String>,
    },
    /// The principals are watched after the last wave. Shown as progress on a terminal only.
    #[cfg_attr(test, schemars(skip))]
    Settling {
        /// For how long they have been, in seconds.
        watched_s: u32,
        /// Of how many.
        for_s: u32,
        /// How many acts of tampering were seen.
        tampering: usize,
    },
    /// Somebody else has undone, changed or made something since the first call.
    Tampering {
        /// The principal: `user`, or `role` where it is one.
        #[serde(flatten)]
        who: Who,
        /// What happened.
        finding: Finding,
        /// When it was seen, by the service's clock.
        seen_at: Timestamp,
    },
    /// The run is over.
    Finished(Ending),
}

/// The end of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Ending {
    /// The run.
    pub run: String,
    /// What it was for.
    pub kind: Kind,
    /// Whether every step holds.
    pub complete: bool,
    /// Whether a person stopped it (D4).
    pub stopped: bool,
    /// The principals that take no part any more, each with why: deleted, or made again under the same name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// By whom.
    pub applied_by: Arn,
    /// For how long the principals were watched after the last wave, in seconds.
    pub watched_s: u32,
    /// The principals.
    pub principals: Vec<PrincipalEnding>,
}

/// The end of a run for one principal: everything in it was read back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PrincipalEnding {
    /// The principal: `user`, or `role` where it is one.
    #[serde(flatten)]
    pub who: Who,
    /// What it amounts to.
    pub standing: Standing,
    /// One sentence that says what holds: `leaked key off and fenced at 03:12:41Z`.
    pub holds: String,
    /// When it was read back last, by the service's clock.
    pub read_back_at: Option<Timestamp>,
    /// For how long it was watched and nobody undid anything, in seconds.
    pub held_for_s: u32,
    /// What is open: steps that did not hold, and credentials that can still act.
    pub open: Vec<Finding>,
    /// What others were seen to undo, change or make during the run, in the order it was seen.
    pub tampering: Vec<Finding>,
    /// What was already so and is not claimed, or was kept.
    pub notes: Vec<String>,
    /// The clock of the fence.
    pub fence: Option<FenceView>,
    /// What to run next.
    pub commands: Vec<String>,
    /// The state's serial now.
    pub serial: u64,
    /// The hash of the journal's last line.
    #[cfg_attr(test, schemars(regex(pattern = crate::schema::SHA256)))]
    pub journal_head: String,
}

/// What a principal is called in its state; `None` where the state can't be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Named {
    /// A user.
    User(Option<UserName>),
    /// A role.
    Role(Option<UserName>),
}

impl Named {
    /// What a principal of that kind is called.
    #[must_use]
    pub const fn of(kind: PrincipalKind, name: Option<UserName>) -> Self {
        match kind {
            PrincipalKind::User => Self::User(name),
            PrincipalKind::Role => Self::Role(name),
        }
    }

    /// The principal, where its name is known.
    #[must_use]
    pub fn who(&self) -> Option<Who> {
        match self {
            Self::User(name) => name.clone().map(Who::User),
            Self::Role(name) => name.clone().map(Who::Role),
        }
    }
}

/// One line of `state list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StateLine {
    /// The account; `null` where only a trace knows of the principal, and not of its account.
    pub account_id: Option<AccountId>,
    /// The principal's ID; `null` where only a trace knows of it.
    pub id: Option<PrincipalId>,
    /// The principal's name in the state: `user`, or `role` where it is one.
    #[serde(flatten)]
    pub name: Named,
    /// `contained`, `released`, …, by the state alone; or why it can't be read.
    pub stage: String,
    /// The posture.
    pub posture: Option<String>,
    /// The serial.
    pub serial: Option<u64>,
    /// How far the principal has come, by the record; `None` where it cannot be read.
    pub reached: Option<Stage>,
    /// The incident.
    pub incident: Option<String>,
    /// How far the incident has come: as far as the principal that has come least far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incident_stage: Option<Stage>,
    /// The trace or plan that alone knows of the incident; the store has no record of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known_from: Option<String>,
    /// The last run's ID.
    pub last_run: Option<String>,
    /// The runs that went without the approvals that they needed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub break_glass: Vec<String>,
}
