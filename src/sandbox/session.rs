//! Temporary credentials.

use super::policy_store::Tag;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// A session: a temporary key, its token, and what it was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// `ASIA…`.
    pub access_key_id: String,
    /// The secret.
    pub secret: String,
    /// The token.
    pub token: String,
    /// The account it acts in.
    pub account: String,
    /// Whose it is.
    pub kind: SessionKind,
    /// When it was issued, in whole seconds (F7).
    pub issued: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
    /// When MFA was shown, where it was.
    #[serde(default)]
    pub mfa: Option<Timestamp>,
    /// Its session policies: documents.
    #[serde(default)]
    pub policies: Vec<String>,
    /// Its session policies: ARNs of managed ones.
    #[serde(default)]
    pub policy_arns: Vec<String>,
    /// Its session tags.
    #[serde(default)]
    pub tags: Vec<Tag>,
    /// The access key that minted it.
    pub minted_with: String,
}

/// Whose a session is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionKind {
    /// GetSessionToken: a user's own.
    User {
        /// The user's ID.
        user: String,
    },
    /// GetFederationToken: in a user's name.
    Federated {
        /// The user's ID.
        user: String,
        /// The name given.
        name: String,
    },
    /// AssumeRole.
    Role {
        /// The role's ID.
        role: String,
        /// The session's name.
        name: String,
        /// The source identity, where one was set.
        source: Option<String>,
    },
}

/// How long an ended session is remembered, so that it is called expired and not unknown.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(30 * 24);

impl Session {
    /// Whether it has ended.
    #[must_use]
    pub fn expired(&self, now: Timestamp) -> bool {
        now >= self.expires
    }

    /// Whether it ended so long ago that it need not be kept.
    #[must_use]
    pub fn forgotten(&self, now: Timestamp) -> bool {
        self.expires.checked_add(REMEMBERED).is_ok_and(|end| now > end)
    }
}
