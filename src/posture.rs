//! Postures: the declared contained state, as rules.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The least margin between the last key-off and the fence (F8).
pub const LEAST_MARGIN_S: u32 = 30;

macro_rules! rule {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(test, derive(schemars::JsonSchema))]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $text)] $variant),+
        }

        impl $name {
            /// The values that the rule can take, as they are written.
            pub const VALUES: &'static [&'static str] = &[$($text),+];

            /// The value as it is written.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

rule! {
    /// What happens to access keys. Ordered from lax to strict, as all rules are.
    AccessKeys {
        /// Nothing.
        Keep = "keep",
        /// The compromised ones, and those younger than `since`, are deactivated.
        Named = "named",
        /// All are deactivated.
        All = "all",
    }
}
rule! {
    /// What happens to sessions that the user's keys have minted.
    Sessions {
        /// Nothing.
        Keep = "keep",
        /// Those issued before the fence are denied (F3).
        Fence = "fence",
    }
}
rule! {
    /// What happens to everything the user may do.
    Permissions {
        /// Nothing.
        Keep = "keep",
        /// AWSDenyAll alone, for responders who may not write inline policies (F32).
        DenyManaged = "deny-managed",
        /// An inline deny and AWSDenyAll.
        Deny = "deny",
    }
}
rule! {
    /// What happens to the console password.
    Password {
        /// Nothing.
        Keep = "keep",
        /// It is deleted, which cannot be undone.
        Delete = "delete",
    }
}
rule! {
    /// What happens to a kind of credential that can be deactivated.
    Credentials {
        /// Nothing.
        Keep = "keep",
        /// All are deactivated.
        Deactivate = "deactivate",
    }
}
rule! {
    /// What happens to the user's memberships.
    Groups {
        /// Nothing.
        Keep = "keep",
        /// The user is removed from every group.
        Remove = "remove",
    }
}

/// The permissions boundary that the posture asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Boundary {
    /// Whatever is there stays.
    Keep(Keep),
    /// This policy becomes the boundary.
    Policy(crate::identity::Arn),
}

/// The word `keep`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Keep {
    /// The word `keep`.
    #[serde(rename = "keep")]
    Keep,
}

impl Boundary {
    /// The policy asked for, if one is.
    #[must_use]
    pub const fn policy(&self) -> Option<&crate::identity::Arn> {
        match self {
            Self::Keep(_) => None,
            Self::Policy(arn) => Some(arn),
        }
    }
}

/// The resolved rules of a posture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Posture {
    /// What it is called.
    pub name: String,
    /// Access keys.
    pub access_keys: AccessKeys,
    /// Sessions.
    pub sessions: Sessions,
    /// Permissions.
    pub permissions: Permissions,
    /// The console password.
    pub login_profile: Password,
    /// SSH public keys.
    pub ssh_keys: Credentials,
    /// Signing certificates.
    pub signing_certificates: Credentials,
    /// Service-specific credentials.
    pub service_credentials: Credentials,
    /// Group memberships.
    pub groups: Groups,
    /// The permissions boundary.
    pub permissions_boundary: Boundary,
    /// Seconds between the last key-off and the fence; `None` lets the planner choose (D3).
    pub fence_margin_s: Option<u32>,
}

/// A rule that was not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRule {
    /// What is wrong, with what was expected.
    pub message: String,
}

impl fmt::Display for BadRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for BadRule {}

/// The names of the rules, in the order they are shown.
pub const RULES: [&str; 10] = [
    "access_keys",
    "sessions",
    "permissions",
    "login_profile",
    "ssh_keys",
    "signing_certificates",
    "service_credentials",
    "groups",
    "permissions_boundary",
    "fence_margin",
];

/// The names of the built-in postures.
pub const BUILT_IN: [&str; 3] = ["revoke", "quarantine", "lockdown"];

impl Posture {
    /// A built-in posture by name (D3).
    #[must_use]
    pub fn built_in(name: &str) -> Option<Self> {
        let revoke = Self {
            name: name.to_owned(),
            access_keys: AccessKeys::Named,
            sessions: Sessions::Fence,
            permissions: Permissions::Keep,
            login_profile: Password::Keep,
            ssh_keys: Credentials::Keep,
            signing_certificates: Credentials::Keep,
            service_credentials: Credentials::Keep,
            groups: Groups::Keep,
            permissions_boundary: Boundary::Keep(Keep::Keep),
            fence_margin_s: None,
        };
        let quarantine = Self {
            access_keys: AccessKeys::All,
            ssh_keys: Credentials::Deactivate,
            signing_certificates: Credentials::Deactivate,
            service_credentials: Credentials::Deactivate,
            ..revoke.clone()
        };
        match name {
            "revoke" => Some(revoke),
            "quarantine" => Some(quarantine),
            "lockdown" => Some(Self { permissions: Permissions::Deny, ..quarantine }),
            _ => None,
        }
    }

    /// Sets one rule from its text.
    ///
    /// # Errors
    /// If the rule or the value is unknown; the message names what was expected.
    pub fn set(&mut self, rule: &str, value: &str) -> Result<(), BadRule> {
        fn pick<T>(
            rule: &str,
            value: &str,
            parsed: Option<T>,
            values: &[&str],
        ) -> Result<T, BadRule> {
            parsed.ok_or_else(|| BadRule {
                message: format!(
                    "`{}` is no value of `{rule}`: expected {}",
                    value.escape_debug(),
                    one_of(values)
                ),
            })
        }
        macro_rules! set {
            ($field:ident, $kind:ident) => {
                self.$field = pick(rule, value, $kind::parse(value), $kind::VALUES)?
            };
        }
        match rule {
            "access_keys" => set!(access_keys, AccessKeys),
            "sessions" => set!(sessions, Sessions),
            "permissions" => {
                set!(permissions, Permissions);
                if self.permissions == Permissions::DenyManaged {
                    self.sessions = Sessions::Keep;
                }
            }
            "login_profile" => set!(login_profile, Password),
            "ssh_keys" => set!(ssh_keys, Credentials),
            "signing_certificates" => set!(signing_certificates, Credentials),
            "service_credentials" => set!(service_credentials, Credentials),
            "groups" => set!(groups, Groups),
            "permissions_boundary" => {
                self.permissions_boundary = if value == "keep" {
                    Boundary::Keep(Keep::Keep)
                } else {
                    let arn = pick(rule, value, value.parse().ok(), &["keep", "a policy ARN"])?;
                    Boundary::Policy(arn)
                };
            }
            "fence_margin" => self.fence_margin_s = Some(margin(value)?),
            _ => {
                return Err(BadRule {
                    message: format!(
                        "`{}` is no rule of a posture: expected {}",
                        rule.escape_debug(),
                        one_of(&RULES)
                    ),
                });
            }
        }
        Ok(())
    }

    /// What contradicts itself in the rules, once all are set.
    ///
    /// # Errors
    /// If `permissions = "deny-managed"` is paired with a fence, which needs an inline policy (D3).
    pub fn check(&self) -> Result<(), BadRule> {
        if self.permissions == Permissions::DenyManaged && self.sessions == Sessions::Fence {
            return Err(BadRule {
                message: "`permissions = \"deny-managed\"` implies `sessions = \"keep\"`"
                    .to_owned(),
            });
        }
        Ok(())
    }

    /// Whether every rule of `self` is at least as strict as the same rule of `other`.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let denies = |posture: &Self| posture.permissions != Permissions::Keep;
        self.access_keys >= other.access_keys
            && (self.sessions >= other.sessions || denies(self))
            && self.permissions >= other.permissions
            && self.login_profile >= other.login_profile
            && self.ssh_keys >= other.ssh_keys
            && self.signing_certificates >= other.signing_certificates
            && self.service_credentials >= other.service_credentials
            && self.groups >= other.groups
            && (other.permissions_boundary.policy().is_none()
                || self.permissions_boundary == other.permissions_boundary)
    }

    /// The strictest of both, rule by rule: what a second containment records (D5).
    #[must_use]
    pub fn tightened(&self, other: &Self) -> Self {
        let name = if self.covers(other) {
            self.name.clone()
        } else if other.covers(self) {
            other.name.clone()
        } else {
            format!("{}+{}", self.name, other.name)
        };
        // A posture that denies everything covers a fence without one: `max` would add it (D3).
        let sessions =
            if self.covers(other) { self.sessions } else { self.sessions.max(other.sessions) };
        Self {
            name,
            access_keys: self.access_keys.max(other.access_keys),
            sessions,
            permissions: self.permissions.max(other.permissions),
            login_profile: self.login_profile.max(other.login_profile),
            ssh_keys: self.ssh_keys.max(other.ssh_keys),
            signing_certificates: self.signing_certificates.max(other.signing_certificates),
            service_credentials: self.service_credentials.max(other.service_credentials),
            groups: self.groups.max(other.groups),
            permissions_boundary: match &other.permissions_boundary {
                Boundary::Keep(_) => self.permissions_boundary.clone(),
                policy => policy.clone(),
            },
            fence_margin_s: other.fence_margin_s.or(self.fence_margin_s),
        }
    }
}

fn margin(text: &str) -> Result<u32, BadRule> {
    let seconds = duration(text).map(|d| d.as_secs());
    match seconds.map(u32::try_from) {
        Some(Ok(seconds)) if seconds >= LEAST_MARGIN_S => Ok(seconds),
        _ => Err(BadRule {
            message: format!(
                "`{}` is no `fence_margin`: expected a duration of at least 30s, such as 90s or 5m",
                text.escape_debug()
            ),
        }),
    }
}

/// Reads a duration such as `30s`, `5m`, `2h` or `1h30m`.
///
/// ```
/// use ringfence::posture::duration;
/// assert_eq!(duration("1h30m").map(|d| d.as_secs()), Some(5400));
/// assert_eq!(duration("-5m"), None);
/// ```
#[must_use]
pub fn duration(text: &str) -> Option<SignedDuration> {
    let duration: SignedDuration = text.parse().ok()?;
    (!duration.is_negative()).then_some(duration)
}

/// `a, b or c`
#[must_use]
pub fn one_of(values: &[&str]) -> String {
    match values.split_last() {
        None => String::new(),
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_postures_are_ordered() {
        let [revoke, quarantine, lockdown] = BUILT_IN.map(|name| Posture::built_in(name).unwrap());
        assert!(lockdown.covers(&quarantine) && quarantine.covers(&revoke));
        assert!(!revoke.covers(&quarantine) && !quarantine.covers(&lockdown));
        assert_eq!(revoke.tightened(&lockdown), lockdown);
    }

    #[test]
    fn a_margin_is_at_least_half_a_minute() {
        let mut posture = Posture::built_in("revoke").unwrap();
        posture.set("fence_margin", "5m").unwrap();
        assert_eq!(posture.fence_margin_s, Some(300));
        for bad in ["29s", "-1m", "5", "soon", ""] {
            assert!(posture.set("fence_margin", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_unknown_value_is_refused_with_what_was_expected() {
        let mut posture = Posture::built_in("revoke").unwrap();
        let message = posture.set("access_keys", "some").unwrap_err().message;
        assert_eq!(message, "`some` is no value of `access_keys`: expected keep, named or all");
        assert!(posture.set("keys", "all").unwrap_err().message.contains("is no rule"));
    }
}
