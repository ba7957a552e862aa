//! Where a step of a run stands, and what each event makes of it: the one rule, used live and on replay.

use super::{Event, StepResult};
use serde::{Deserialize, Serialize};

/// Where a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// Nothing was tried.
    Planned,
    /// A call is under way, or its outcome was lost.
    Intended,
    /// A call is under way again, and an earlier one may have done it.
    Repeated,
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

/// What an event makes of a step. What is about other steps changes nothing.
///
/// # Errors
/// If the event cannot follow on the status.
pub fn next_status(now: StepStatus, step: u32, event: &Event) -> Result<StepStatus, Illegal> {
    use StepStatus as S;
    match event {
        Event::Skipped { step: id, .. } if *id == step => match now {
            S::Planned => Ok(S::Skipped),
            _ => Err(Illegal),
        },
        Event::Intent { step: id, .. } if *id == step => match now {
            S::Planned | S::Skipped | S::Open | S::NotStored => Ok(S::Intended),
            // D2.5: the same call under the same intent, while nobody knows of the first.
            S::Intended | S::Repeated | S::InDoubt => Ok(S::Repeated),
            S::Done | S::Stored => Err(Illegal),
        },
        Event::Outcome { step: id, result, .. } if *id == step => match (now, result) {
            (S::Intended | S::Repeated, StepResult::Done) => Ok(S::Done),
            (S::Intended | S::Repeated, StepResult::InDoubt) | (S::Repeated, _) => Ok(S::InDoubt),
            (S::Intended, _) => Ok(S::Open),
            _ => Err(Illegal),
        },
        Event::ReadBack { stored, .. } if stored.contains(&step) => Ok(read_back(now, true)),
        Event::ReadBack { not_stored, .. } if not_stored.contains(&step) => {
            Ok(read_back(now, false))
        }
        // Whoever resumes knows no more of a call under way than that it was meant.
        Event::RunResumed { .. } if matches!(now, S::Intended | S::Repeated) => Ok(S::InDoubt),
        // Calls go by the user's name. Once that is another principal's, or nobody's, what was not read back
        // may have been done to the other (F27).
        Event::Tampering { resource: None, .. } if now == S::Done => Ok(S::InDoubt),
        _ => Ok(now),
    }
}

/// What a read-back makes of a step that was tried.
#[must_use]
pub const fn read_back(now: StepStatus, stored: bool) -> StepStatus {
    match (now, stored) {
        (StepStatus::Planned, _) => StepStatus::Planned,
        // The service did not do it, and it is so all the same: somebody else has, and it is not claimed (D2.9).
        (StepStatus::Skipped | StepStatus::Open, true) => StepStatus::Skipped,
        (_, true) => StepStatus::Stored,
        (StepStatus::Open, false) => StepStatus::Open,
        (_, false) => StepStatus::NotStored,
    }
}
