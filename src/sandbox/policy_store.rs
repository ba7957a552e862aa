//! Policies where they are kept: inline, attached, and managed with their versions.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
}

/// The policies of a user, a group or a role.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permissions {
    /// Documents by name, byte for byte as they were put.
    #[serde(default)]
    pub inline: BTreeMap<String, String>,
    /// The ARNs of managed policies, in the order in which they were attached.
    #[serde(default)]
    pub attached: Vec<String>,
    /// The ARN of the permissions boundary.
    #[serde(default)]
    pub boundary: Option<String>,
}

impl Permissions {
    /// What the inline policies take of their quota: characters that are no white space (F15).
    #[must_use]
    pub fn inline_size(&self) -> usize {
        self.inline.values().map(|document| size(document)).sum()
    }
}

/// What a document takes of a quota.
#[must_use]
pub(super) fn size(document: &str) -> usize {
    document.chars().filter(|c| !c.is_whitespace()).count()
}

/// A managed policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Managed {
    /// The name.
    pub name: String,
    /// The path.
    pub path: String,
    /// `ANPA…`.
    pub id: String,
    /// The ARN.
    pub arn: String,
    /// When it was made.
    pub created: Timestamp,
    /// When a version was last made or chosen.
    pub updated: Timestamp,
    /// What it is for.
    #[serde(default)]
    pub description: Option<String>,
    /// Its tags.
    #[serde(default)]
    pub tags: Vec<Tag>,
    /// Its versions, the oldest first.
    pub versions: Vec<Version>,
    /// The number of the version that is in force.
    pub default: u32,
    /// The number that the next version gets.
    pub next: u32,
}

/// A version of a managed policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Its number: 3 for `v3`.
    pub number: u32,
    /// The document.
    pub document: String,
    /// When it was made.
    pub created: Timestamp,
}

impl Managed {
    /// The document in force.
    #[must_use]
    pub fn document(&self) -> Option<&str> {
        self.version(self.default).map(|version| version.document.as_str())
    }

    /// A version by its number.
    #[must_use]
    pub fn version(&self, number: u32) -> Option<&Version> {
        self.versions.iter().find(|version| version.number == number)
    }
}
