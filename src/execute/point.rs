//! The moments of a run between which it can be cut off: tests cut it at each of them (D2.5).

use crate::resource::Resource;
use futures_util::future::BoxFuture;
use std::fmt;

/// A moment of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Point {
    /// The locks are held; nothing is recorded.
    Locked,
    /// Reality was read again, and nothing stands against the plan.
    Verified,
    /// The run's plan is stored and its journal begun; the state does not know of it.
    RunStored,
    /// The state says that the run is under way.
    StateBegun,
    /// The fence's time is recorded.
    FenceFixed,
    /// A call is about to be made, and recorded as meant.
    Intended(Resource),
    /// A call has ended; its outcome is not recorded.
    Ended(Resource),
    /// The outcome is recorded.
    Recorded(Resource),
    /// What was read back is recorded.
    ReadBack,
    /// A step that settling adds is recorded.
    Added(Resource),
    /// The new key was tried, and what came of it is recorded.
    Checked,
    /// The journal has its last entry; the state still says that the run is under way.
    JournalFinished,
    /// The state says how the run ended.
    StateFinished,
    /// The locks are released.
    Released,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked => f.write_str("locked"),
            Self::Verified => f.write_str("verified"),
            Self::RunStored => f.write_str("run-stored"),
            Self::StateBegun => f.write_str("state-begun"),
            Self::FenceFixed => f.write_str("fence-fixed"),
            Self::Intended(resource) => write!(f, "intended {resource}"),
            Self::Ended(resource) => write!(f, "ended {resource}"),
            Self::Recorded(resource) => write!(f, "recorded {resource}"),
            Self::ReadBack => f.write_str("read-back"),
            Self::Added(resource) => write!(f, "added {resource}"),
            Self::Checked => f.write_str("checked"),
            Self::JournalFinished => f.write_str("journal-finished"),
            Self::StateFinished => f.write_str("state-finished"),
            Self::Released => f.write_str("released"),
        }
    }
}

/// Called at every point, and awaited: a run whose watcher never returns stands still there.
pub type Watcher = dyn Fn(&Point) -> BoxFuture<'static, ()> + Send + Sync;
