//! Groups and roles.

use super::policy_store::{Permissions, Tag};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A group of users. Who is in it stands with the users.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The name.
    pub name: String,
    /// The path.
    pub path: String,
    /// `AGPA…`.
    pub id: String,
    /// When it was made.
    pub created: Timestamp,
    /// What its users may.
    pub permissions: Permissions,
}

impl Group {
    /// The ARN.
    #[must_use]
    pub fn arn(&self, partition: &str, account: &str) -> String {
        format!("arn:{partition}:iam::{account}:group{}{}", self.path, self.name)
    }
}

/// A role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// The name.
    pub name: String,
    /// The path.
    pub path: String,
    /// `AROA…`.
    pub id: String,
    /// When it was made.
    pub created: Timestamp,
    /// Who may assume it: a policy document.
    pub trust: String,
    /// How long a session may last at most, in seconds (F1).
    pub max_session: i64,
    /// What it is for.
    #[serde(default)]
    pub description: Option<String>,
    /// What its sessions may.
    pub permissions: Permissions,
    /// Its tags.
    #[serde(default)]
    pub tags: Vec<Tag>,
    /// When a session of it last called.
    #[serde(default)]
    pub last_used: Option<super::user::LastUse>,
}

impl Role {
    /// The ARN.
    #[must_use]
    pub fn arn(&self, partition: &str, account: &str) -> String {
        format!("arn:{partition}:iam::{account}:role{}{}", self.path, self.name)
    }
}
