//! Users, and the credentials they have.

use super::policy_store::{Permissions, Tag};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The name, in the letter case that it was made with.
    pub name: String,
    /// The path, `/` or `/…/`.
    pub path: String,
    /// The unique ID, `AIDA…` (F27).
    pub id: String,
    /// When it was made.
    pub created: Timestamp,
    /// What it may.
    pub permissions: Permissions,
    /// The groups it is in, by ID.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Its tags.
    #[serde(default)]
    pub tags: Vec<Tag>,
    /// Its access keys.
    #[serde(default)]
    pub keys: Vec<AccessKey>,
    /// Its password.
    #[serde(default)]
    pub login: Option<Login>,
    /// Its SSH keys.
    #[serde(default)]
    pub ssh_keys: Vec<Uploaded>,
    /// Its signing certificates.
    #[serde(default)]
    pub certificates: Vec<Uploaded>,
    /// Its credentials for single services.
    #[serde(default)]
    pub service_credentials: Vec<ServiceCredential>,
}

/// Whether a credential works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// It works.
    Active,
    /// It was turned off.
    Inactive,
}

impl Status {
    /// The word that the API uses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::Inactive => "Inactive",
        }
    }
}

/// A long-term access key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessKey {
    /// `AKIA…`.
    pub id: String,
    /// The secret.
    pub secret: String,
    /// Whether it works.
    pub status: Status,
    /// When it was made.
    pub created: Timestamp,
    /// The last call signed with it.
    #[serde(default)]
    pub last_used: Option<LastUse>,
}

/// A recorded use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastUse {
    /// When.
    pub at: Timestamp,
    /// The service that was called.
    pub service: String,
    /// The Region.
    pub region: String,
}

/// A password for the console.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// The password.
    pub password: String,
    /// When it was made.
    pub created: Timestamp,
    /// Whether the next sign-in asks for a new one.
    pub reset_required: bool,
}

/// An SSH key or a signing certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uploaded {
    /// `APKA…`, or a certificate's ID.
    pub id: String,
    /// What was uploaded.
    pub body: String,
    /// Whether it works.
    pub status: Status,
    /// When it was uploaded.
    pub created: Timestamp,
}

/// A credential for one service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceCredential {
    /// `ACCA…`.
    pub id: String,
    /// The service, such as `codecommit.amazonaws.com`.
    pub service: String,
    /// The user name at the service, or the alias of an API key.
    pub user_name: String,
    /// The password or the API key.
    pub secret: String,
    /// Whether it works.
    pub status: Status,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends.
    #[serde(default)]
    pub expires: Option<Timestamp>,
}

impl User {
    /// The ARN.
    #[must_use]
    pub fn arn(&self, partition: &str, account: &str) -> String {
        format!("arn:{partition}:iam::{account}:user{}{}", self.path, self.name)
    }

    /// A key of this user.
    #[must_use]
    pub fn key(&self, id: &str) -> Option<&AccessKey> {
        self.keys.iter().find(|key| key.id == id)
    }
}
