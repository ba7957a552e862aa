//! Whether a containment can start from a finding, and with whom.

use super::{Finding, Named};
use crate::error::Error;
use crate::identity::{AccessKeyId, AccountId, UserName};
use crate::text::{option, shell, shown};
use jiff::Timestamp;

/// Whom a finding is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// The account.
    pub account: Option<AccountId>,
    /// Long-term keys, whose owners are to be found (F21).
    pub keys: Vec<AccessKeyId>,
    /// Users of whom it names temporary credentials only: which of their keys has minted those, it
    /// does not say.
    pub users: Vec<UserName>,
    /// Roles of whom it names a session.
    pub roles: Vec<String>,
    /// When it was seen first: no later than that was the exposure.
    pub since: Option<Timestamp>,
}

/// Why a finding starts no containment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// Why, as one line.
    pub why: String,
    /// What to do in its place.
    pub hint: String,
}

impl Unusable {
    fn new(why: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { why: why.into(), hint: hint.into() }
    }

    /// As an error about a finding.
    #[must_use]
    pub fn error(self, finding: &Finding) -> Error {
        Error::failed(format!("finding `{}` starts no containment", shown(&finding.id)))
            .because(self.why)
            .hint(self.hint)
    }
}

impl Finding {
    /// Whom it is about.
    ///
    /// # Errors
    /// If it names nobody in an account who can be contained, with the reason.
    pub fn start(&self) -> Result<Start, Unusable> {
        if self.sample {
            return Err(Unusable::new(
                "GuardDuty made it up for a test: it names nobody",
                "ringfence drill is a test that names somebody",
            ));
        }
        if self.credentials.is_empty() {
            return Err(Unusable::new(
                format!("a {} names no access key", shown(&self.kind)),
                "name whom you mean: ringfence plan --user NAME, or --access-key ID",
            ));
        }
        let account =
            self.account_id.as_deref().map(str::parse).transpose().map_err(|_| {
                Unusable::new("it names no account", "ringfence plan --access-key ID")
            })?;
        let mut start = Start { account, since: self.first_seen, ..Start::default() };
        let mut refused = None;
        for named in &self.credentials {
            match named.whom() {
                Ok(Whom::Key(key)) => push(&mut start.keys, key),
                Ok(Whom::User(user)) => push(&mut start.users, user),
                Ok(Whom::Role(role)) => push(&mut start.roles, role),
                Err(why) => refused = refused.or(Some(why)),
            }
        }
        // A user whose key is named is found by it.
        let names = |user: &UserName| {
            self.credentials.iter().any(|one| {
                let long_term = one.key().is_some_and(|key| !key.is_temporary());
                long_term && one.user_name.as_deref().is_some_and(|name| user.same_user(name))
            })
        };
        start.users.retain(|user| !names(user));
        let nobody = start.keys.is_empty() && start.users.is_empty() && start.roles.is_empty();
        match refused {
            Some(why) if nobody => Err(why),
            _ => Ok(start),
        }
    }
}

fn push<T: PartialEq>(all: &mut Vec<T>, one: T) {
    if !all.contains(&one) {
        all.push(one);
    }
}

enum Whom {
    Key(AccessKeyId),
    User(UserName),
    Role(String),
}

impl Named {
    fn key(&self) -> Option<AccessKeyId> {
        self.access_key_id.as_deref().and_then(|id| id.parse().ok())
    }

    fn whom(&self) -> Result<Whom, Unusable> {
        let name = self.user_name.as_deref().unwrap_or_default();
        let key = self.access_key_id.as_deref().unwrap_or_default();
        match self.user_type.as_deref().unwrap_or("IAMUser") {
            "IAMUser" => self.user(name, key),
            "Root" => Err(Unusable::new(
                "it is about the root user, which no IAM policy can stop",
                "sign in as root, delete its access keys, and change its password and MFA",
            )),
            "AssumedRole" | "Role" => self.role(name),
            "FederatedUser" => Err(Unusable::new(
                "it is about a session of GetFederationToken, and does not say whose (F28)",
                format!("ringfence trace --access-key {} --logs PATH finds the user", shell(key)),
            )),
            other => Err(Unusable::new(
                format!(
                    "it is about a caller of type {}, which is no user of this account",
                    shown(other)
                ),
                "name whom you mean: ringfence plan --user NAME, or --access-key ID",
            )),
        }
    }

    fn user(&self, name: &str, key: &str) -> Result<Whom, Unusable> {
        let Some(id) = self.key() else {
            return Err(Unusable::new(
                if key.is_empty() {
                    "it names no access key".to_owned()
                } else {
                    format!("`{}` is no access key ID", shown(key))
                },
                match name.parse::<UserName>() {
                    Ok(user) => format!("ringfence plan {}", option("--user", user.as_str())),
                    Err(_) => "ringfence plan --user NAME".to_owned(),
                },
            ));
        };
        if !id.is_temporary() {
            return Ok(Whom::Key(id));
        }
        name.parse().map(Whom::User).map_err(|_| {
            Unusable::new(
                format!("{id} is a temporary key, and it does not say whose"),
                format!("ringfence trace --access-key {id} --logs PATH finds the user"),
            )
        })
    }

    /// The session of an instance is its ID (F12): there is no key in anybody's hands to turn off.
    fn role(&self, name: &str) -> Result<Whom, Unusable> {
        let session = self.principal_id.as_deref().and_then(|id| id.split_once(':'));
        if let Some((_, session)) = session.filter(|(_, session)| session.starts_with("i-")) {
            return Err(Unusable::new(
                format!(
                    "it is about the role of EC2 instance {}, whose credentials are the instance's own",
                    shown(session)
                ),
                format!(
                    "isolate the instance, then fence the role: ringfence plan {} --cut-workloads",
                    option("--role", if name.is_empty() { "NAME" } else { name })
                ),
            ));
        }
        if name.is_empty() {
            return Err(Unusable::new(
                "it is about a role's session, and does not say which role's",
                "ringfence plan --role NAME",
            ));
        }
        Ok(Whom::Role(name.to_owned()))
    }
}
