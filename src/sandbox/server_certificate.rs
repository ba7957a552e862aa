//! Server certificates: what load balancers prove themselves with.

use super::policy_store::Tag;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A server certificate. Its private key is not kept: no call gives it back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerCertificate {
    /// The name.
    pub name: String,
    /// The path.
    pub path: String,
    /// `ASCA…`.
    pub id: String,
    /// When it was uploaded.
    pub uploaded: Timestamp,
    /// The certificate, as it was uploaded.
    pub body: String,
    /// The certificates of those who vouch for it.
    #[serde(default)]
    pub chain: Option<String>,
    /// Its tags.
    #[serde(default)]
    pub tags: Vec<Tag>,
}

impl ServerCertificate {
    /// The ARN.
    #[must_use]
    pub fn arn(&self, partition: &str, account: &str) -> String {
        format!("arn:{partition}:iam::{account}:server-certificate{}{}", self.path, self.name)
    }
}
