//! What IAM knows by itself of when a user's permissions were last used.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Service-last-accessed data. It says when, and not from where: what was last used after the exposure may have
/// been used by the attacker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advice {
    /// The services that the user may call, or has called.
    pub services: Vec<ServiceUse>,
}

/// The last use of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceUse {
    /// The prefix of its actions.
    pub service: String,
    /// When it was last used; `None` if it was not in the period that is tracked.
    pub last: Option<Timestamp>,
    /// The actions that are tracked, by name, with their last use. Few services have any.
    pub actions: Vec<(String, Option<Timestamp>)>,
}
