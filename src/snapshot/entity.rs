//! Whose record it is: a user's or a role's own.

use super::Observed;
use crate::identity::{Arn, PrincipalId, UserName};
use crate::policy::PolicyDocument;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The user's own record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The friendly name.
    pub name: UserName,
    /// The unique ID, which is the principal (F27).
    pub id: PrincipalId,
    /// The ARN, path included.
    pub arn: Arn,
    /// When the user was created.
    pub created_at: Timestamp,
    /// When the password was last used, as far as recorded.
    pub password_last_used: Option<Timestamp>,
}

/// The role's own record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// The friendly name.
    pub name: UserName,
    /// The unique ID, which is the principal (F27).
    pub id: PrincipalId,
    /// The ARN, path included.
    pub arn: Arn,
    /// When the role was created.
    pub created_at: Timestamp,
    /// Who may assume it. It is read, and never changed.
    pub trust: Observed<PolicyDocument>,
    /// How long a session of it lasts at most, in seconds (F1).
    pub max_session_s: u32,
    /// Its last recorded use; `None` if there is none.
    pub last_used: Option<RoleUse>,
    /// The instance profiles that hand it to EC2 instances, by name.
    pub instance_profiles: Observed<Vec<String>>,
}

/// The last use of a role that AWS has recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RoleUse {
    /// When it was used.
    pub at: Timestamp,
    /// The Region called; empty where none is recorded.
    pub region: String,
}

/// Whose snapshot it is: the record of a user or of a role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Entity {
    /// The user.
    User(User),
    /// The role.
    Role(Role),
}
