//! Who asks, and whom the policy of a resource names.

/// Who makes a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Principal<'a> {
    /// The root of an account.
    Root {
        /// `arn:aws:iam::A:root`.
        arn: &'a str,
    },
    /// A user, with a long-term key or with GetSessionToken's credentials.
    User {
        /// `arn:aws:iam::A:user/PATH/NAME`.
        arn: &'a str,
    },
    /// A session of GetFederationToken (F5).
    FederatedUser {
        /// `arn:aws:sts::A:federated-user/NAME`.
        arn: &'a str,
        /// The ARN of the user who made it.
        user: &'a str,
    },
    /// A session of a role.
    RoleSession {
        /// `arn:aws:sts::A:assumed-role/ROLE/SESSION`.
        arn: &'a str,
        /// The role's ARN, with its path, which the session's does not have.
        role: &'a str,
    },
    /// A service of AWS.
    Service {
        /// Such as `ec2.amazonaws.com`.
        name: &'a str,
    },
    /// Somebody whom an identity provider vouches for, before there is a session.
    Federated {
        /// The provider's ARN or domain.
        provider: &'a str,
    },
}

/// How closely a resource's policy names the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    /// Its account: that only lets the account give rights to its own.
    Account,
    /// The role or user behind the session.
    Entity,
    /// The very caller, or everybody.
    Direct,
}

impl<'a> Principal<'a> {
    /// The principal's ARN; a service's or provider's name.
    #[must_use]
    pub const fn arn(self) -> &'a str {
        match self {
            Self::Root { arn }
            | Self::User { arn }
            | Self::FederatedUser { arn, .. }
            | Self::RoleSession { arn, .. } => arn,
            Self::Service { name } => name,
            Self::Federated { provider } => provider,
        }
    }

    /// The principal's account; services and providers have none.
    #[must_use]
    pub fn account(self) -> Option<&'a str> {
        if self.has_policies() { self.arn().split(':').nth(4) } else { None }
    }

    /// Whether it is of an account, which has policies for it.
    pub(super) const fn has_policies(self) -> bool {
        !matches!(self, Self::Service { .. } | Self::Federated { .. })
    }

    /// The user or role behind a session.
    const fn entity(self) -> Option<&'a str> {
        match self {
            Self::FederatedUser { user, .. } => Some(user),
            Self::RoleSession { role, .. } => Some(role),
            _ => None,
        }
    }
}

/// One entry of `Principal` or `NotPrincipal`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Everyone,
    Account(String),
    /// An ARN, or the unique ID that IAM shows for a principal that is gone, which names nobody.
    Arn(String),
    Service(String),
    Federated(String),
    /// S3's canonical user IDs: read, and never matched.
    CanonicalUser,
}

impl Named {
    /// Reads an entry of the kind `AWS`; nothing where IAM would refuse it.
    pub(super) fn aws(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Everyone);
        }
        if is_account(text) {
            return Some(Self::Account(text.to_owned()));
        }
        let mut fields = text.splitn(6, ':');
        match (fields.next(), fields.nth(1), fields.nth(1), fields.next()) {
            (Some("arn"), Some("iam"), Some(account), Some("root")) if is_account(account) => {
                Some(Self::Account(account.to_owned()))
            }
            // A wildcard is possible as the whole principal only ("Principal" in the IAM reference).
            (Some("arn"), Some("iam" | "sts"), Some(account), Some(_))
                if is_account(account) && !text.contains(['*', '?']) =>
            {
                Some(Self::Arn(text.to_owned()))
            }
            (Some(id), None, None, None) if is_unique_id(id) => Some(Self::Arn(id.to_owned())),
            _ => None,
        }
    }

    /// How closely this entry names the caller, if it does.
    fn reach(&self, principal: Principal<'_>) -> Option<Reach> {
        match self {
            Self::Everyone => Some(Reach::Direct),
            Self::Account(account) if principal.account() == Some(account) => match principal {
                Principal::Root { .. } => Some(Reach::Direct),
                _ => Some(Reach::Account),
            },
            Self::Arn(arn) if principal.has_policies() => {
                if arn == principal.arn() {
                    Some(Reach::Direct)
                } else {
                    (principal.entity() == Some(arn)).then_some(Reach::Entity)
                }
            }
            Self::Service(name) => {
                (principal == Principal::Service { name }).then_some(Reach::Direct)
            }
            Self::Federated(provider) => {
                (principal == Principal::Federated { provider }).then_some(Reach::Direct)
            }
            _ => None,
        }
    }
}

/// `Principal` or `NotPrincipal` of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Principals {
    pub(super) except: bool,
    pub(super) named: Vec<Named>,
}

impl Principals {
    /// How closely an Allow statement with this element reaches the caller, if it does.
    pub(super) fn allowed(&self, principal: Principal<'_>) -> Option<Reach> {
        let reach = self.named.iter().filter_map(|named| named.reach(principal)).max();
        match (self.except, reach) {
            (false, reach) => reach,
            // Everybody but those named, in whatever way they are named.
            (true, None) => Some(Reach::Direct),
            (true, Some(_)) => None,
        }
    }

    /// Whether a Deny statement with this element hits the caller.
    ///
    /// NotPrincipal with Deny spares a caller only where *all* its names are listed: session, role
    /// or user, and account; and it spares none that has a permissions boundary ("NotPrincipal"
    /// and "Permissions boundaries" in the IAM User Guide).
    pub(super) fn denied(&self, principal: Principal<'_>, bounded: bool) -> bool {
        if !self.except {
            return self.named.iter().any(|named| named.reach(principal).is_some());
        }
        let listed = |reach| self.named.iter().any(|named| named.reach(principal) == Some(reach));
        let needs_account =
            principal.has_policies() && !matches!(principal, Principal::Root { .. });
        let spared = self.named.contains(&Named::Everyone)
            || listed(Reach::Direct)
                && (principal.entity().is_none() || listed(Reach::Entity))
                && (!needs_account || listed(Reach::Account));
        bounded || !spared
    }
}

/// Whether a text is an account's twelve digits.
pub(super) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a text may be a principal's unique ID (F27), such as `AIDA…` or `AROA…`.
fn is_unique_id(text: &str) -> bool {
    text.len() >= 16
        && text.starts_with('A')
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}
