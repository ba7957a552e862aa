//! The journal of a run: its entries, their chain of hashes, and what they make of each step.

mod status;
#[cfg(test)]
mod tests;

pub use status::{Illegal, StepStatus, next_status, read_back};

use crate::approval::Signed;
use crate::error::{Error, Result};
use crate::identity::{AccessKeyId, Arn};
use crate::lineage::Lineage;
use crate::plan::{Kind, Step, plain, sha256};
use crate::resource::Resource;
use crate::state::Held;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The newest journal format that this program reads and the one it writes. A journal of the first one does not
/// say so; the first entry of a later one has to, as `format_version` in its event.
pub const FORMAT_VERSION: u32 = 1;

/// The hash that the first entry carries in place of a predecessor's.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// One line of a journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its number, from 1.
    pub n: u64,
    /// The SHA-256 of the line before, without its line end.
    #[cfg_attr(test, schemars(regex(pattern = crate::schema::SHA256)))]
    pub prev: String,
    /// When it was written, by this machine's clock.
    pub at: Timestamp,
    /// What happened.
    pub event: Event,
}

/// What a journal records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// A run begins; its plan is stored beside the journal.
    RunStarted {
        /// The run.
        run: String,
        /// What it is for.
        kind: Kind,
        /// The SHA-256 of the plan's bytes.
        #[cfg_attr(test, schemars(regex(pattern = crate::schema::SHA256)))]
        plan_sha256: String,
        /// The principal's lineage.
        lineage: Lineage,
        /// The state's serial while the run goes on.
        serial: u64,
        /// Who applies.
        applied_by: Arn,
        /// The machine it is applied from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        applied_from: Option<String>,
        /// Against which endpoint.
        endpoint: String,
        /// The program.
        ringfence_version: String,
        /// Who approved it, each with the signature itself.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        approvals: Vec<Signed>,
        /// Why it is run without the approvals that it needs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        break_glass: Option<String>,
        /// What was held before of the resources that this run writes: what a step that comes to nothing
        /// goes back to.
        prior: BTreeMap<Resource, Held>,
    },
    /// A run that was cut off goes on. What was under way then is in doubt.
    RunResumed {
        /// Who resumes.
        by: Arn,
        /// The machine it is resumed from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<String>,
        /// When the principal was read again, by the service's clock.
        read_at: Timestamp,
        /// The program.
        ringfence_version: String,
    },
    /// The plan's settle clause asks for a step more.
    StepAdded {
        /// The step, numbered after the plan's own.
        step: Box<Step>,
    },
    /// Somebody else has undone, changed or made something since the first call.
    Tampering {
        /// What it is about; `None` for the principal itself.
        resource: Option<Resource>,
        /// What happened to it, in words that follow its name.
        what: String,
        /// When it was seen, by the service's clock. When it happened is not known (F34).
        seen_at: Timestamp,
    },
    /// The watch after the last wave is over.
    Settled {
        /// How long it took, in seconds.
        watched_s: u32,
        /// How often the principal was read.
        reads: u32,
    },
    /// A step was found done already and is not claimed.
    Skipped {
        /// The step.
        step: u32,
        /// Its resource.
        resource: Resource,
        /// Why.
        why: String,
    },
    /// The fence's time is known (D3).
    FenceTime {
        /// The time that will stand in the policy.
        fence_time: Timestamp,
        /// The Date of the last successful key-off, or of the read that showed the keys Inactive.
        key_off_at: Timestamp,
        /// The keys that may still mint, while which the fence does not count.
        still_active: Vec<Resource>,
    },
    /// Something that could issue sessions of the role was stopped too short a time before the fence's, or after
    /// it: the fence, which may be one from before the run, does not cover all of them, and has to move (F12).
    FenceOutrun {
        /// The time of the fence.
        fence_time: Timestamp,
        /// When the last deny or key-off of the run was answered, by the service's clock.
        stopped_at: Timestamp,
    },
    /// A call is about to be made. Synced to disk before it is.
    Intent {
        /// The step.
        step: u32,
        /// Its resource.
        resource: Resource,
        /// The IAM action.
        action: String,
        /// Which try of this step, from 1.
        attempt: u32,
    },
    /// How the call ended.
    Outcome {
        /// The step.
        step: u32,
        /// Its resource.
        resource: Resource,
        /// The result.
        result: StepResult,
        /// The service's Date, where there was an answer.
        service_date: Option<Timestamp>,
        /// The service's request ID, where there was an answer.
        request_id: Option<String>,
        /// The error's code and message, if it was one.
        error: Option<String>,
    },
    /// What a call has made, by its answer: recorded before the outcome, so that a run that is cut off in between
    /// knows its own (D2.5).
    Made {
        /// The step.
        step: u32,
        /// Its resource.
        resource: Resource,
        /// The ID of the new key, or the version of the secret.
        id: String,
    },
    /// The new key was tried.
    KeyChecked {
        /// The key.
        access_key: AccessKeyId,
        /// Whether it authenticates.
        authenticates: bool,
        /// What the user was asked to be allowed.
        probes: Vec<Probed>,
        /// Whether a deny on everything stands, so that it can do nothing yet.
        under_hold: bool,
        /// When, by the service's clock.
        checked_at: Timestamp,
        /// Why it does not authenticate, or a probe was not answered.
        error: Option<String>,
    },
    /// The principal was read again.
    ReadBack {
        /// When, by the service's clock.
        read_at: Timestamp,
        /// The steps whose resource is as the step wrote it.
        stored: Vec<u32>,
        /// The steps whose resource is not.
        not_stored: Vec<u32>,
    },
    /// Somebody broke the lock that the run held, so that it writes nothing more (D5).
    LockBroken {
        /// Who, on which machine.
        by: String,
    },
    /// The run is over.
    RunFinished {
        /// Whether every step holds.
        complete: bool,
    },
}

/// Whether the user is allowed an action, by the key itself or by the simulator of policies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Probed {
    /// The action.
    pub action: String,
    /// Whether it is allowed; `None` if no answer tells.
    pub allowed: Option<bool>,
    /// Whether the new key has made the call itself.
    pub called: bool,
}

/// How a call ended (D2.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum StepResult {
    /// The service did it.
    Done,
    /// The service refused it, and nothing was changed.
    #[default]
    Refused,
    /// What it is about is not there.
    NotFound,
    /// Too many calls, and nothing was changed.
    Throttled,
    /// No answer says whether it was done.
    InDoubt,
}

/// The fence, and where its time was fixed, that a call was about to write, and the one that the call before it was.
#[derive(Debug, Default)]
struct Intended {
    now: Option<(usize, WrittenFence)>,
    before: Option<(usize, WrittenFence)>,
}

/// A fence as a run wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenFence {
    /// The time that stands in the policy.
    pub fence_time: Timestamp,
    /// The keys that were not known to be off when that time was fixed, or had to be turned off after it.
    pub unconfirmed: Vec<Resource>,
    /// Whether sessions may have been issued after it by what was not stopped yet.
    pub outrun: bool,
}

/// A journal as it stands on disk, or as it is being written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journal {
    entries: Vec<Entry>,
    head: String,
    torn: bool,
    bytes: u64,
}

impl Default for Journal {
    fn default() -> Self {
        Self { entries: Vec::new(), head: GENESIS.to_owned(), torn: false, bytes: 0 }
    }
}

impl Journal {
    /// The entries.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The hash of the last line: what is printed at the end of a run.
    #[must_use]
    pub fn head(&self) -> &str {
        &self.head
    }

    /// Whether a torn last line was dropped: its call was never made.
    #[must_use]
    pub const fn torn(&self) -> bool {
        self.torn
    }

    /// How many bytes its lines are, without a torn one.
    #[must_use]
    pub const fn bytes_len(&self) -> u64 {
        self.bytes
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.entries.len() as u64
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Takes an event as the next entry and returns its line, with the line end, to be stored before it counts.
    pub fn append(&mut self, at: Timestamp, event: Event) -> Vec<u8> {
        let entry = Entry { n: self.len() + 1, prev: self.head.clone(), at, event };
        // Serialising to memory fails only for maps with keys that are no text; there are none here.
        let mut line = serde_json::to_vec(&entry).unwrap_or_default();
        self.head = sha256(&line);
        self.entries.push(entry);
        line.push(b'\n');
        self.bytes += line.len() as u64;
        self.torn = false;
        line
    }

    /// Reads a journal's bytes. A last line without its end is dropped; `name` is the file in an error.
    ///
    /// # Errors
    /// If a line before the last is broken or does not carry the hash of the one before it.
    pub fn parse(bytes: &[u8], name: &str) -> Result<Self> {
        let mut journal = Self::default();
        let mut lines: Vec<&[u8]> = bytes.split(|b| *b == b'\n').collect();
        // What follows the last line end is empty, or a line that was being written.
        journal.torn = lines.pop().is_some_and(|rest| !rest.is_empty());
        for (index, line) in lines.into_iter().enumerate() {
            let broken = |why: String| {
                Error::failed(format!("the journal `{name}` is broken at line {}", index + 1))
                    .because(why)
                    .hint("compare its head with the one that the run printed; keep the file")
            };
            if index == 0 {
                refuse_newer(line, name)?;
            }
            let entry: Entry = serde_json::from_slice(line).map_err(|e| broken(plain(&e)))?;
            if entry.prev != journal.head {
                return Err(broken("it does not carry the hash of the line before".to_owned()));
            }
            if entry.n != index as u64 + 1 {
                return Err(broken(format!("it is numbered {}", entry.n)));
            }
            journal.head = sha256(line);
            journal.bytes += line.len() as u64 + 1;
            journal.entries.push(entry);
        }
        Ok(journal)
    }

    /// Where a step stands after everything recorded.
    #[must_use]
    pub fn status(&self, step: u32) -> StepStatus {
        self.entries.iter().fold(StepStatus::Planned, |status, entry| {
            // An entry that cannot follow tells nothing certain: the step has to be read.
            next_status(status, step, &entry.event).unwrap_or(StepStatus::InDoubt)
        })
    }

    /// Whether a call of the step was made, or may have been.
    #[must_use]
    pub fn was_tried(&self, step: u32) -> bool {
        let about = |event: &Event| matches!(event, Event::Intent { step: id, .. } if *id == step);
        self.entries.iter().any(|entry| about(&entry.event))
    }

    /// Whether the service is known to have made the step's change at some time of the run, whatever others
    /// have made of it since.
    #[must_use]
    pub fn was_written(&self, step: u32) -> bool {
        let mut status = StepStatus::Planned;
        self.entries.iter().any(|entry| {
            status = next_status(status, step, &entry.event).unwrap_or(StepStatus::InDoubt);
            matches!(status, StepStatus::Done | StepStatus::Stored)
        })
    }

    /// Whether nobody knew at some time of the run what became of a call of the step.
    #[must_use]
    pub fn was_in_doubt(&self, step: u32) -> bool {
        let mut status = StepStatus::Planned;
        self.entries.iter().any(|entry| {
            status = next_status(status, step, &entry.event).unwrap_or(StepStatus::InDoubt);
            status == StepStatus::InDoubt
        })
    }

    /// Whether the service has answered that it made the step's change.
    #[must_use]
    pub fn was_answered(&self, step: u32) -> bool {
        self.entries.iter().any(|entry| {
            matches!(&entry.event, Event::Outcome { step: id, result: StepResult::Done, .. } if *id == step)
        })
    }

    /// The steps that settling added.
    pub fn added(&self) -> impl Iterator<Item = &Step> {
        self.entries.iter().filter_map(|entry| match &entry.event {
            Event::StepAdded { step } => Some(step.as_ref()),
            _ => None,
        })
    }

    /// What was held before the run of the resources that it writes.
    #[must_use]
    pub fn prior(&self) -> BTreeMap<Resource, Held> {
        match self.started() {
            Some(Event::RunStarted { prior, .. }) => prior.clone(),
            _ => BTreeMap::new(),
        }
    }

    /// The event with which the run began. One whose lock was broken in between has the breaking before it.
    #[must_use]
    pub fn started(&self) -> Option<&Event> {
        let mut events = self.entries.iter().map(|entry| &entry.event);
        events.find(|event| matches!(event, Event::RunStarted { .. }))
    }

    /// The fence that was last written by one of these steps.
    #[must_use]
    pub fn fence(&self, steps: &[u32]) -> Option<WrittenFence> {
        let mut fixed: Option<(usize, WrittenFence)> = None;
        let mut intended: BTreeMap<u32, Intended> = BTreeMap::new();
        let mut written = None;
        for (index, entry) in self.entries.iter().enumerate() {
            match &entry.event {
                Event::FenceTime { fence_time, still_active, .. } => {
                    let unconfirmed = still_active.clone();
                    let fence_time = *fence_time;
                    let fence = WrittenFence { fence_time, unconfirmed, outrun: false };
                    fixed = Some((index, fence));
                }
                Event::Intent { step, .. } if steps.contains(step) => {
                    let before = intended.remove(step).and_then(|before| before.now);
                    intended.insert(*step, Intended { now: fixed.clone(), before });
                }
                Event::Outcome { step, result, .. } if steps.contains(step) => {
                    let Some(call) = intended.get_mut(step) else { continue };
                    match result {
                        StepResult::Done => written.clone_from(&call.now),
                        StepResult::InDoubt => {}
                        // Nothing was changed: what may stand is of the call before.
                        _ => call.now.clone_from(&call.before),
                    }
                }
                Event::ReadBack { stored, .. } => {
                    let stands = stored.iter().filter_map(|step| intended.get(step)?.now.as_ref());
                    if let Some(stands) = stands.max_by_key(|(fixed, _)| *fixed) {
                        written = Some(stands.clone());
                    }
                }
                _ => {}
            }
        }
        let (from, mut fence) = written?;
        // A key that had to be turned off after the fence's time was fixed could mint until then (F9).
        for entry in self.entries.iter().skip(from) {
            if let Event::Intent { resource: key @ Resource::AccessKey(_), .. } = &entry.event
                && !fence.unconfirmed.contains(key)
            {
                fence.unconfirmed.push(key.clone());
            }
            if let Event::FenceOutrun { fence_time, .. } = &entry.event {
                fence.outrun |= *fence_time == fence.fence_time;
            }
        }
        Some(fence)
    }

    /// The access keys that a call was made about.
    pub fn keys_called(&self) -> impl Iterator<Item = &Resource> {
        self.entries.iter().filter_map(|entry| match &entry.event {
            Event::Intent { resource: key @ Resource::AccessKey(_), .. } => Some(key),
            _ => None,
        })
    }

    /// Whether a fence of this time was seen not to cover what was issued until the run stopped it.
    #[must_use]
    pub fn outran(&self, fence: Timestamp) -> bool {
        self.entries.iter().any(|entry| {
            matches!(&entry.event, Event::FenceOutrun { fence_time, .. } if *fence_time == fence)
        })
    }

    /// When others were last seen to change a resource, or a run that was cut off went on over whatever they had done;
    /// `None` where it has stood so since before the first call.
    #[must_use]
    pub fn last_seen_to_change(&self, resource: &Resource) -> Option<Timestamp> {
        self.entries.iter().rev().find_map(|entry| match &entry.event {
            Event::Tampering { resource: Some(changed), seen_at, .. } if changed == resource => {
                Some(*seen_at)
            }
            Event::RunResumed { read_at, .. } => Some(*read_at),
            _ => None,
        })
    }

    /// What a step has made, by the service's answer.
    #[must_use]
    pub fn made(&self, step: u32) -> Option<&str> {
        self.entries.iter().rev().find_map(|entry| match &entry.event {
            Event::Made { step: id, id: made, .. } if *id == step => Some(made.as_str()),
            _ => None,
        })
    }

    /// Whether a call was meant.
    #[must_use]
    pub fn has_intents(&self) -> bool {
        self.entries.iter().any(|entry| matches!(entry.event, Event::Intent { .. }))
    }

    /// Whether the run was brought to its end.
    #[must_use]
    pub fn finished(&self) -> bool {
        matches!(self.entries.last().map(|entry| &entry.event), Some(Event::RunFinished { .. }))
    }
}

/// Refuses a journal whose first line says that it is of a later format, whatever else stands there.
fn refuse_newer(line: &[u8], name: &str) -> Result<()> {
    #[derive(Deserialize)]
    struct First {
        event: Version,
    }
    #[derive(Deserialize)]
    struct Version {
        format_version: u32,
    }
    match serde_json::from_slice::<First>(line) {
        Ok(first) if first.event.format_version > FORMAT_VERSION => Err(Error::failed(format!(
            "the journal `{name}` has format {}, this program knows up to {FORMAT_VERSION}",
            first.event.format_version
        ))
        .hint("use the ringfence that wrote it")),
        _ => Ok(()),
    }
}
