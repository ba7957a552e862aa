//! Instance profiles: what hands a role to the instances of EC2.

use super::policy_store::Tag;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// An instance profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceProfile {
    /// The name.
    pub name: String,
    /// The path.
    pub path: String,
    /// `AIPA…`.
    pub id: String,
    /// When it was made.
    pub created: Timestamp,
    /// The role in it, by ID: one at most.
    #[serde(default)]
    pub role: Option<String>,
    /// Its tags.
    #[serde(default)]
    pub tags: Vec<Tag>,
}

impl InstanceProfile {
    /// The ARN.
    #[must_use]
    pub fn arn(&self, partition: &str, account: &str) -> String {
        format!("arn:{partition}:iam::{account}:instance-profile{}{}", self.path, self.name)
    }
}
