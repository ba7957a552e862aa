//! How much a principal and its account may have (F15).

use serde::{Deserialize, Serialize};

/// The quotas that decide where a deny fits (F15).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Quotas {
    /// How many managed policies a user may have attached.
    pub attached_policies_per_user: u32,
    /// How many non-whitespace characters a user's inline policies may have in all.
    pub inline_policy_size: u32,
    /// How many customer-managed policies the account has, and how many it may have; `None` if the service
    /// does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_policies: Option<(u32, u32)>,
    /// What holds for a role in their place; left out for a user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<RoleQuotas>,
}

impl Quotas {
    /// How many managed policies the principal may have attached.
    #[must_use]
    pub const fn attached_policies(&self) -> u32 {
        match self.role {
            Some(role) => role.attached_policies,
            None => self.attached_policies_per_user,
        }
    }

    /// How many non-whitespace characters the principal's inline policies may have in all.
    #[must_use]
    pub const fn inline_size(&self) -> u32 {
        match self.role {
            Some(role) => role.inline_policy_size,
            None => self.inline_policy_size,
        }
    }
}

impl Default for Quotas {
    /// AWS's defaults (F15), for a service that does not say.
    fn default() -> Self {
        Self {
            attached_policies_per_user: 10,
            inline_policy_size: 2048,
            customer_policies: None,
            role: None,
        }
    }
}

/// The quotas of a role, which differ from a user's (F15).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RoleQuotas {
    /// How many managed policies a role may have attached.
    pub attached_policies: u32,
    /// How many non-whitespace characters a role's inline policies may have in all.
    pub inline_policy_size: u32,
}

impl Default for RoleQuotas {
    /// AWS's defaults (F15), for a service that does not say.
    fn default() -> Self {
        Self { attached_policies: 10, inline_policy_size: 10_240 }
    }
}
