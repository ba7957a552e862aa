//! The journal of a run: its entries, their chain of hashes, and what they make of each step.

use crate::error::{Error, Result};
use crate::identity::Arn;
use crate::lineage::Lineage;
use crate::plan::{Kind, plain, sha256};
use crate::resource::Resource;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The hash that the first entry carries in place of a predecessor's.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// One line of a journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its number, from 1.
    pub n: u64,
    /// The SHA-256 of the line before, without its line end.
    pub prev: String,
    /// When it was written, by this machine's clock.
    pub at: Timestamp,
    /// What happened.
    pub event: Event,
}

/// What a journal records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// A run begins; its plan is stored beside the journal.
    RunStarted {
        /// The run.
        run: String,
        /// What it is for.
        kind: Kind,
        /// The SHA-256 of the plan's bytes.
        plan_sha256: String,
        /// The principal's lineage.
        lineage: Lineage,
        /// The state's serial while the run goes on.
        serial: u64,
        /// Who applies.
        applied_by: Arn,
        /// Against which endpoint.
        endpoint: String,
        /// The program.
        ringfence_version: String,
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
    /// The principal was read again.
    ReadBack {
        /// When, by the service's clock.
        read_at: Timestamp,
        /// The steps whose resource is as the step wrote it.
        stored: Vec<u32>,
        /// The steps whose resource is not.
        not_stored: Vec<u32>,
    },
    /// The run is over.
    RunFinished {
        /// Whether every step holds.
        complete: bool,
    },
}

/// How a call ended (D2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepResult {
    /// The service did it.
    Done,
    /// The service refused it, and nothing was changed.
    Refused,
    /// What it is about is not there.
    NotFound,
    /// Too many calls, and nothing was changed.
    Throttled,
    /// No answer says whether it was done.
    InDoubt,
}

/// Where a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// Nothing was tried.
    Planned,
    /// A call is under way, or its outcome was lost.
    Intended,
    /// It was found done already.
    Skipped,
    /// The service did it.
    Done,
    /// It was not done, and may be tried again.
    Open,
    /// Nobody knows until it is read back.
    InDoubt,
    /// Read back: it is as the step wrote it.
    Stored,
    /// Read back: it is not.
    NotStored,
}

/// An event that cannot follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Illegal;

/// What an event makes of a step. The one rule, used live and on replay.
///
/// # Errors
/// If the event cannot follow on the status.
pub const fn next_status(now: StepStatus, event: &Event) -> Result<StepStatus, Illegal> {
    use StepStatus as S;
    match (now, event) {
        (S::Planned, Event::Skipped { .. }) => Ok(S::Skipped),
        (S::Planned | S::Open | S::InDoubt | S::NotStored, Event::Intent { .. }) => Ok(S::Intended),
        (S::Intended, Event::Outcome { result, .. }) => Ok(match result {
            StepResult::Done => S::Done,
            StepResult::Refused | StepResult::NotFound | StepResult::Throttled => S::Open,
            StepResult::InDoubt => S::InDoubt,
        }),
        _ => Err(Illegal),
    }
}

/// What a read-back makes of a step that was tried.
#[must_use]
pub const fn read_back(now: StepStatus, stored: bool) -> StepStatus {
    match (now, stored) {
        (StepStatus::Planned, _) => StepStatus::Planned,
        (StepStatus::Skipped, _) => StepStatus::Skipped,
        (_, true) => StepStatus::Stored,
        (StepStatus::Open, false) => StepStatus::Open,
        (_, false) => StepStatus::NotStored,
    }
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
        let mut status = StepStatus::Planned;
        // Whether a try may have been done whose answer was lost, and nothing was read since.
        let mut doubted = false;
        for entry in &self.entries {
            match &entry.event {
                Event::Skipped { step: id, .. }
                | Event::Intent { step: id, .. }
                | Event::Outcome { step: id, .. }
                    if *id == step =>
                {
                    // An entry that cannot follow tells nothing certain: the step has to be read.
                    status = next_status(status, &entry.event).unwrap_or(StepStatus::InDoubt);
                    doubted |= status == StepStatus::InDoubt;
                    if doubted && status == StepStatus::Open {
                        status = StepStatus::InDoubt;
                    }
                }
                Event::ReadBack { stored, not_stored, .. } => {
                    if stored.contains(&step) {
                        status = read_back(status, true);
                        doubted = false;
                    } else if not_stored.contains(&step) {
                        status = read_back(status, false);
                        doubted = false;
                    }
                }
                _ => {}
            }
        }
        status
    }

    /// Whether the run was brought to its end.
    #[must_use]
    pub fn finished(&self) -> bool {
        matches!(self.entries.last().map(|entry| &entry.event), Some(Event::RunFinished { .. }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (Journal, Vec<u8>) {
        let mut journal = Journal::default();
        let mut bytes = Vec::new();
        let resource: Resource = "access_key/AKIA3EXAMPLE4LEAKED1".parse().unwrap();
        let at: Timestamp = "2026-11-21T03:12:40Z".parse().unwrap();
        bytes.extend(journal.append(
            at,
            Event::Intent {
                step: 1,
                resource: resource.clone(),
                action: "UpdateAccessKey".into(),
                attempt: 1,
            },
        ));
        bytes.extend(journal.append(
            at,
            Event::Outcome {
                step: 1,
                resource,
                result: StepResult::Done,
                service_date: Some(at),
                request_id: None,
                error: None,
            },
        ));
        bytes.extend(journal.append(at, Event::RunFinished { complete: true }));
        (journal, bytes)
    }

    #[test]
    fn a_journal_cut_at_any_byte_is_read_up_to_its_last_whole_line() {
        let (whole, bytes) = sample();
        for cut in 0..bytes.len() {
            let journal = Journal::parse(&bytes[..cut], "j").unwrap();
            let lines = bytes[..cut].iter().filter(|b| **b == b'\n').count();
            assert_eq!(journal.entries(), &whole.entries()[..lines]);
            assert_eq!(journal.torn(), cut > 0 && bytes[cut - 1] != b'\n');
        }
        assert_eq!(Journal::parse(&bytes, "j").unwrap(), whole);
    }

    #[test]
    fn an_edited_line_is_found_with_its_number() {
        let (_, bytes) = sample();
        let text = String::from_utf8(bytes).unwrap().replacen("\"done\"", "\"refused\"", 1);
        let error = Journal::parse(text.as_bytes(), "j").unwrap_err();
        assert!(error.message().contains("line 3"), "{error}");
    }

    #[test]
    fn a_lost_outcome_leaves_the_step_intended() {
        let (_, bytes) = sample();
        let first = bytes.iter().position(|b| *b == b'\n').unwrap() + 1;
        let journal = Journal::parse(&bytes[..first], "j").unwrap();
        assert_eq!(journal.status(1), StepStatus::Intended);
        assert!(!journal.finished());
    }
}
