//! The settle clause of a plan: what apply may do after the last wave (D2.2).

use crate::resource::Resource;
use serde::{Deserialize, Serialize};

/// What apply may do after the last wave. Nothing is re-asserted where the clause does not say so (D2.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Settle {
    /// How long the principal is watched, in seconds.
    pub for_s: u32,
    /// Whether what was taken away is asserted again.
    pub reassert: bool,
    /// Whether a key found Active moves the fence.
    pub move_fence: bool,
    /// The kinds of new credential that are contained too.
    pub contain_new: Vec<NewCredential>,
}

/// A kind of credential that can be turned off where somebody makes it during a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum NewCredential {
    /// An access key.
    AccessKey,
    /// A service-specific credential.
    ServiceCredential,
    /// A signing certificate.
    SigningCertificate,
    /// An SSH key.
    SshKey,
}

impl NewCredential {
    /// Every kind.
    pub const ALL: [Self; 4] =
        [Self::AccessKey, Self::ServiceCredential, Self::SigningCertificate, Self::SshKey];

    /// The kind of a resource, if it is one.
    #[must_use]
    pub const fn of(resource: &Resource) -> Option<Self> {
        match resource {
            Resource::AccessKey(_) => Some(Self::AccessKey),
            Resource::ServiceCredential(_) => Some(Self::ServiceCredential),
            Resource::SigningCertificate(_) => Some(Self::SigningCertificate),
            Resource::SshKey(_) => Some(Self::SshKey),
            _ => None,
        }
    }

    /// In words, such as `access keys`.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::AccessKey => "access keys",
            Self::ServiceCredential => "service credentials",
            Self::SigningCertificate => "signing certificates",
            Self::SshKey => "SSH keys",
        }
    }
}

/// How long a principal is watched after the last wave where nothing else is said, in seconds (F29).
pub const SETTLE_S: u32 = 30;

impl Settle {
    /// A watch over a containment: what was taken away is asserted again, and a key found Active moves the
    /// fence. For no time at all it is one read-back.
    #[must_use]
    pub fn watch(for_s: u32, contain_new: Vec<NewCredential>) -> Self {
        if for_s == 0 {
            return Self::read_back_only();
        }
        Self { for_s, reassert: true, move_fence: true, contain_new }
    }

    /// One read-back after the last wave, and nothing else.
    #[must_use]
    pub const fn read_back_only() -> Self {
        Self { for_s: 0, reassert: false, move_fence: false, contain_new: Vec::new() }
    }
}
