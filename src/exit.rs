//! Exit statuses, as the command line documents them.

/// Why the program ends, as the shell sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything asked for was done.
    Done,
    /// An error, or a question that nobody was there to answer.
    Failed,
    /// `plan --detailed-exitcode` found changes, or `status` found a weakened containment.
    Changes,
    /// Refused: drifted, stale, applied before, another principal or another endpoint.
    Stale,
    /// Refused by a rule: a guard, a protected user, the caller itself.
    Forbidden,
    /// Another run holds the state's lock.
    Locked,
    /// Some steps hold and some are open.
    Partial,
    /// The command line could not be understood.
    Usage,
    /// Stopped by a signal before anything was written.
    Interrupted,
}

impl Exit {
    /// The number that the process ends with.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Changes => 2,
            Self::Stale => 3,
            Self::Forbidden => 4,
            Self::Locked => 5,
            Self::Partial => 6,
            Self::Usage => 64,
            Self::Interrupted => 130,
        }
    }
}
