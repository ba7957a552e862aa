//! Names and identifiers of AWS, parsed once at the edge.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a text is not the identifier it was taken for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// What was expected, in words.
    pub expected: &'static str,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}", self.expected)
    }
}

impl std::error::Error for Malformed {}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $expected:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text as AWS writes it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = Malformed;
            fn try_from(text: String) -> Result<Self, Malformed> {
                let valid: fn(&str) -> bool = $valid;
                if valid(&text) {
                    Ok(Self(text))
                } else {
                    Err(Malformed { expected: $expected })
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = Malformed;
            fn from_str(text: &str) -> Result<Self, Malformed> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

fn word(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn name(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b))
}

identifier!(
    /// An account's twelve digits.
    AccountId,
    "an account ID of 12 digits",
    |text| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
);

identifier!(
    /// A user's or a role's friendly name, unique among its kind in its account without regard to letter
    /// case (F22, F34).
    UserName,
    "a name of 1 to 128 letters, digits or any of _+=,.@-",
    |text| (1..=128).contains(&text.len()) && name(text)
);

identifier!(
    /// A role's friendly name: of the same letters as a user's, and shorter (F22).
    RoleName,
    "a role name of 1 to 64 letters, digits or any of _+=,.@-",
    |text| (1..=64).contains(&text.len()) && name(text)
);

identifier!(
    /// The unique ID that stays with a principal for life (F27), such as `AIDA…`.
    PrincipalId,
    "a principal ID of 1 to 128 letters and digits",
    |text| (1..=128).contains(&text.len()) && word(text)
);

identifier!(
    /// An access key's ID (F22). Emulators do not always begin it with `AKIA`.
    AccessKeyId,
    "an access key ID of 16 to 128 letters and digits",
    |text| (16..=128).contains(&text.len()) && word(text)
);

identifier!(
    /// What a session of a role is called: whoever assumes the role chooses it. Its alphabet has no `*`, `?` or
    /// `$`, so that a policy's condition takes it for nothing but itself.
    SessionName,
    "a session name of 2 to 64 letters, digits or any of _+=,.@-",
    |text| (2..=64).contains(&text.len()) && name(text)
);

identifier!(
    /// An Amazon Resource Name.
    Arn,
    "an ARN: arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE",
    |text| {
        let mut parts = text.splitn(6, ':');
        parts.next() == Some("arn")
            && parts.next().is_some_and(|p| !p.is_empty())
            && parts.count() == 4
            && !text.chars().any(char::is_control)
    }
);

/// The kind of a principal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PrincipalKind {
    /// An IAM user.
    User,
    /// An IAM role.
    Role,
}

impl PrincipalKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::User, Self::Role];

    /// The word for it: `user`, `role`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Role => "role",
        }
    }
}

impl PrincipalKind {
    /// The word with a capital, as a sentence or a heading begins with it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Role => "Role",
        }
    }
}

impl fmt::Display for PrincipalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// A principal by its name: a user and a role may bear the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// The user's name.
    User(UserName),
    /// The role's name.
    Role(UserName),
}

impl Who {
    /// The principal of that kind and name.
    #[must_use]
    pub const fn of(kind: PrincipalKind, name: UserName) -> Self {
        match kind {
            PrincipalKind::User => Self::User(name),
            PrincipalKind::Role => Self::Role(name),
        }
    }

    /// What kind of principal it is.
    #[must_use]
    pub const fn kind(&self) -> PrincipalKind {
        match self {
            Self::User(_) => PrincipalKind::User,
            Self::Role(_) => PrincipalKind::Role,
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &UserName {
        match self {
            Self::User(name) | Self::Role(name) => name,
        }
    }

    /// Whether both are the same principal's: IAM compares names without letter case (F34).
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        self.kind() == other.kind() && self.name().same_user(other.name().as_str())
    }

    /// How a command names it: `--user deploy-bot`, or `--user=-x`.
    #[must_use]
    pub fn flag(&self) -> String {
        crate::text::option(&format!("--{}", self.kind()), self.name().as_str())
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{} `{}`", self.kind(), self.name()))
    }
}

impl UserName {
    /// Whether both name the same user or role: IAM compares names without letter case (F34).
    #[must_use]
    pub fn same_user(&self, other: &str) -> bool {
        self.0.eq_ignore_ascii_case(other)
    }
}

impl From<RoleName> for UserName {
    fn from(name: RoleName) -> Self {
        Self(name.0)
    }
}

impl AccessKeyId {
    /// Whether the ID is of temporary credentials, which have no status and no owner to look up.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        self.0.starts_with("ASIA")
    }
}

impl Arn {
    fn part(&self, index: usize) -> &str {
        self.0.splitn(6, ':').nth(index).unwrap_or_default()
    }

    /// The partition: `aws`, `aws-cn`, `aws-us-gov` (F23).
    #[must_use]
    pub fn partition(&self) -> &str {
        self.part(1)
    }

    /// The service, such as `iam` or `sts`.
    #[must_use]
    pub fn service(&self) -> &str {
        self.part(2)
    }

    /// The account; `aws` for what AWS manages.
    #[must_use]
    pub fn account(&self) -> &str {
        self.part(4)
    }

    /// Everything after the account.
    #[must_use]
    pub fn resource(&self) -> &str {
        self.part(5)
    }

    /// The path of a user or a role, `/` where it has none: `/ci/` of `arn:aws:iam::123456789012:user/ci/deploy-bot`.
    #[must_use]
    pub fn path(&self) -> &str {
        let resource = self.resource();
        let ends = resource.find('/').zip(resource.rfind('/'));
        ends.and_then(|(first, last)| resource.get(first..=last)).unwrap_or("/")
    }

    /// The last segment of the resource's path: the name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.resource().rsplit('/').next().unwrap_or_default()
    }
}

/// Who calls: the answer of GetCallerIdentity (F28).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// The account called from.
    pub account: AccountId,
    /// The caller's ARN.
    pub arn: Arn,
    /// The caller's unique ID; for a role session `AROA…:session`.
    pub id: String,
}

/// What kind of principal a caller's ARN names (F28).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallerKind<'a> {
    /// An IAM user, with a long-term key or a GetSessionToken session of it.
    User(&'a str),
    /// A session of the named role.
    Role(&'a str),
    /// A GetFederationToken session, whose parent user cannot be seen.
    Federated(&'a str),
    /// The account's root user.
    Root,
    /// Anything else.
    Other,
}

impl Caller {
    /// Reads the kind out of the ARN.
    #[must_use]
    pub fn kind(&self) -> CallerKind<'_> {
        let resource = self.arn.resource();
        match self.arn.service() {
            _ if resource == "root" => CallerKind::Root,
            "iam" if resource.starts_with("user/") => CallerKind::User(self.arn.name()),
            "sts" => match resource.split_once('/') {
                Some(("federated-user", name)) => CallerKind::Federated(name),
                Some(("assumed-role", rest)) => {
                    CallerKind::Role(rest.split('/').next().unwrap_or_default())
                }
                _ => CallerKind::Other,
            },
            _ => CallerKind::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_like_paths_or_carry_control_characters_are_refused() {
        for bad in ["", "../x", "a/b", "a\nb", "a b", "ü", "a\0"] {
            assert!(bad.parse::<UserName>().is_err(), "{bad:?}");
        }
        // IDs are parts of paths: of the store's folders and of what is called.
        for bad in
            ["", "../AIDAEXAMPLE0000000001", "AIDA/EXAMPLE0000000001", "AIDAEXAMPLE000000001\n"]
        {
            assert!(bad.parse::<PrincipalId>().is_err(), "{bad:?}");
            assert!(bad.parse::<AccessKeyId>().is_err(), "{bad:?}");
        }
        assert!("a".repeat(128).parse::<UserName>().is_ok());
        assert!("a".repeat(129).parse::<UserName>().is_err());
        assert!("deploy-bot+x=1,2.3@4_5".parse::<UserName>().is_ok());
    }

    #[test]
    fn the_path_of_a_user() {
        for (arn, expected) in [
            ("arn:aws:iam::123456789012:user/bot", "/"),
            ("arn:aws:iam::123456789012:user/ci/bot", "/ci/"),
            ("arn:aws:iam::123456789012:user/a/b/bot", "/a/b/"),
        ] {
            assert_eq!(arn.parse::<Arn>().unwrap().path(), expected);
        }
    }

    #[test]
    fn a_caller_is_known_by_its_arn() {
        let caller = |arn: &str| Caller {
            account: "123456789012".parse().unwrap(),
            arn: arn.parse().unwrap(),
            id: "X".into(),
        };
        let user = caller("arn:aws:iam::123456789012:user/team/ops/alice");
        assert_eq!(user.kind(), CallerKind::User("alice"));
        let role = caller("arn:aws:sts::123456789012:assumed-role/IR/alice");
        assert_eq!(role.kind(), CallerKind::Role("IR"));
        let federated = caller("arn:aws-cn:sts::123456789012:federated-user/bob");
        assert_eq!(federated.kind(), CallerKind::Federated("bob"));
        assert_eq!(caller("arn:aws:iam::123456789012:root").kind(), CallerKind::Root);
    }
}
