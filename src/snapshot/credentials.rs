//! What a user signs in and signs with, without its secrets.

use super::{Observed, Status};
use crate::identity::AccessKeyId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The last use that AWS has recorded, which may lag by some 15 minutes (F21).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LastUsed {
    /// When it was used.
    pub at: Timestamp,
    /// The service called.
    pub service: String,
    /// The Region called.
    pub region: String,
}

/// An access key, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AccessKey {
    /// The key's ID.
    pub id: AccessKeyId,
    /// Whether it works.
    pub status: Status,
    /// When it was made.
    pub created_at: Timestamp,
    /// Its last recorded use; `None` if there is none.
    pub last_used: Observed<Option<LastUsed>>,
}

/// A console password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LoginProfile {
    /// When the password was set up.
    pub created_at: Timestamp,
    /// Whether the next sign-in has to change it.
    pub reset_required: bool,
}

/// An SSH public key or a signing certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Uploaded {
    /// Its ID.
    pub id: String,
    /// Whether it works.
    pub status: Status,
    /// When it was uploaded, where the service says.
    pub uploaded_at: Option<Timestamp>,
}

/// A credential of one service: CodeCommit, Keyspaces, Bedrock, CloudWatch Logs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ServiceCredential {
    /// Its ID.
    pub id: String,
    /// The service it is for, such as `codecommit.amazonaws.com`.
    pub service: String,
    /// Whether it works.
    pub status: Status,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it runs out, if ever.
    pub expires_at: Option<Timestamp>,
}

/// A device for multi-factor authentication.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MfaDevice {
    /// Its serial number or ARN.
    pub serial_number: String,
    /// Since when it is enrolled.
    pub enabled_at: Timestamp,
}
