//! The things of a principal that a step can change, and the values they take.

use crate::identity::{AccessKeyId, UserName, Who};
use crate::policy::PolicyDocument;
use crate::snapshot::Status;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// One resource of a user or a role, written `KIND/ID`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Resource {
    /// `access_key/ID`
    AccessKey(AccessKeyId),
    /// `attached_policy/ARN`
    AttachedPolicy(String),
    /// `group/NAME`
    Group(String),
    /// `inline_policy/NAME`
    InlinePolicy(String),
    /// `login_profile`
    LoginProfile,
    /// `managed_policy/ARN`
    ManagedPolicy(String),
    /// `new_access_key`: the one that a recovery makes, whose ID is only known after apply.
    NewAccessKey,
    /// `permissions_boundary`
    PermissionsBoundary,
    /// `profile/NAME`: a profile of the AWS credentials file.
    Profile(String),
    /// `role_policy/ROLE/NAME`: an inline policy of a role.
    RolePolicy(RolePolicy),
    /// `secret/ID`: a secret of AWS Secrets Manager, by its ARN, or its name while it is still to be made.
    Secret(String),
    /// `service_credential/ID`
    ServiceCredential(String),
    /// `session/ID`: temporary credentials, which nothing can read and only a deny stops.
    Session(String),
    /// `signing_certificate/ID`
    SigningCertificate(String),
    /// `ssh_key/ID`
    SshKey(String),
    /// `trust_policy`: who may assume a role. It is read, and never written.
    TrustPolicy,
}

/// An inline policy of a role: the role's name and the policy's. A role's name has no slash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RolePolicy {
    /// `ROLE/NAME`
    path: String,
    /// Where the policy's name begins.
    name: usize,
}

impl RolePolicy {
    /// The policy of that name of a role.
    #[must_use]
    pub fn of(role: &UserName, policy: &str) -> Self {
        Self { path: format!("{role}/{policy}"), name: role.as_str().len() + 1 }
    }

    fn read(path: String) -> Option<Self> {
        let (role, policy) = path.split_once('/')?;
        role.parse::<UserName>().ok()?;
        let name = role.len() + 1;
        (!policy.is_empty()).then_some(Self { path, name })
    }

    /// The role's name.
    #[must_use]
    pub fn role(&self) -> &str {
        self.path.get(..self.name.saturating_sub(1)).unwrap_or_default()
    }

    /// The policy's name.
    #[must_use]
    pub fn policy(&self) -> &str {
        self.path.get(self.name..).unwrap_or_default()
    }
}

impl Resource {
    /// The inline policy of that name of a principal.
    #[must_use]
    pub fn inline(who: &Who, policy: &str) -> Self {
        match who {
            Who::User(_) => Self::InlinePolicy(policy.to_owned()),
            Who::Role(role) => Self::RolePolicy(RolePolicy::of(role, policy)),
        }
    }

    /// The name of the inline policy that it is, if it is one.
    #[must_use]
    pub fn inline_name(&self) -> Option<&str> {
        match self {
            Self::InlinePolicy(name) => Some(name),
            Self::RolePolicy(policy) => Some(policy.policy()),
            _ => None,
        }
    }

    /// The part before the slash.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::AccessKey(_) => "access_key",
            Self::AttachedPolicy(_) => "attached_policy",
            Self::Group(_) => "group",
            Self::InlinePolicy(_) => "inline_policy",
            Self::LoginProfile => "login_profile",
            Self::ManagedPolicy(_) => "managed_policy",
            Self::NewAccessKey => "new_access_key",
            Self::PermissionsBoundary => "permissions_boundary",
            Self::Profile(_) => "profile",
            Self::RolePolicy(_) => "role_policy",
            Self::Secret(_) => "secret",
            Self::ServiceCredential(_) => "service_credential",
            Self::Session(_) => "session",
            Self::SigningCertificate(_) => "signing_certificate",
            Self::SshKey(_) => "ssh_key",
            Self::TrustPolicy => "trust_policy",
        }
    }

    /// The part after the slash; empty for those that a principal has only one of.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::AccessKey(id) => id.as_str(),
            Self::RolePolicy(policy) => &policy.path,
            Self::AttachedPolicy(id)
            | Self::Group(id)
            | Self::InlinePolicy(id)
            | Self::ManagedPolicy(id)
            | Self::Profile(id)
            | Self::Secret(id)
            | Self::ServiceCredential(id)
            | Self::Session(id)
            | Self::SigningCertificate(id)
            | Self::SshKey(id) => id,
            Self::LoginProfile
            | Self::NewAccessKey
            | Self::PermissionsBoundary
            | Self::TrustPolicy => "",
        }
    }

    /// Whether it is a key that is being made, or where that is stored.
    #[must_use]
    pub const fn is_of_new_key(&self) -> bool {
        matches!(self, Self::NewAccessKey | Self::Profile(_) | Self::Secret(_))
    }

    /// Whether it is something that a person or program signs in with, and that IAM lists.
    #[must_use]
    pub const fn is_credential(&self) -> bool {
        matches!(
            self,
            Self::AccessKey(_)
                | Self::LoginProfile
                | Self::ServiceCredential(_)
                | Self::SigningCertificate(_)
                | Self::SshKey(_)
        )
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LoginProfile
            | Self::NewAccessKey
            | Self::PermissionsBoundary
            | Self::TrustPolicy => f.pad(self.kind()),
            _ => f.pad(&format!("{}/{}", self.kind(), self.id())),
        }
    }
}

impl From<Resource> for String {
    fn from(resource: Resource) -> Self {
        resource.to_string()
    }
}

/// Why a text names no resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownResource(String);

impl fmt::Display for UnknownResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no resource: expected KIND/ID, such as access_key/AKIA… or inline_policy/NAME",
            self.0.escape_debug()
        )
    }
}

impl std::error::Error for UnknownResource {}

impl FromStr for Resource {
    type Err = UnknownResource;

    /// Reads what a person has typed.
    fn from_str(text: &str) -> Result<Self, UnknownResource> {
        if text.chars().any(char::is_control) {
            return Err(UnknownResource(text.to_owned()));
        }
        Self::read(text)
    }
}

impl Resource {
    /// Reads what was written down, whatever name the service has let somebody choose (D2.14).
    fn read(text: &str) -> Result<Self, UnknownResource> {
        let unknown = || UnknownResource(text.to_owned());
        match text {
            "login_profile" => return Ok(Self::LoginProfile),
            "new_access_key" => return Ok(Self::NewAccessKey),
            "permissions_boundary" => return Ok(Self::PermissionsBoundary),
            "trust_policy" => return Ok(Self::TrustPolicy),
            _ => {}
        }
        let (kind, id) = text.split_once('/').ok_or_else(unknown)?;
        if id.is_empty() {
            return Err(unknown());
        }
        let id = id.to_owned();
        Ok(match kind {
            "access_key" => Self::AccessKey(id.parse().map_err(|_| unknown())?),
            "attached_policy" => Self::AttachedPolicy(id),
            "group" => Self::Group(id),
            "inline_policy" => Self::InlinePolicy(id),
            "managed_policy" => Self::ManagedPolicy(id),
            "profile" => Self::Profile(id),
            "role_policy" => Self::RolePolicy(RolePolicy::read(id).ok_or_else(unknown)?),
            "secret" => Self::Secret(id),
            "service_credential" => Self::ServiceCredential(id),
            "session" => Self::Session(id),
            "signing_certificate" => Self::SigningCertificate(id),
            "ssh_key" => Self::SshKey(id),
            _ => return Err(unknown()),
        })
    }
}

impl TryFrom<String> for Resource {
    type Error = UnknownResource;
    fn try_from(text: String) -> Result<Self, UnknownResource> {
        Self::read(&text)
    }
}

/// The value of a resource that is there. What is not there has none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Value {
    /// A credential's status.
    Status(Status),
    /// A policy's document.
    Document(PolicyDocument),
    /// The ARN of the policy that is the permissions boundary.
    PolicyArn(String),
    /// A managed policy is attached.
    Attached,
    /// The user is a member of the group.
    Member,
    /// A password is set.
    Password,
    /// The ID of an access key.
    AccessKeyId(Known),
    /// The current version of a secret.
    SecretVersion(Known),
}

/// A value that is known, or one of those that are only known after apply (D2.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Known {
    /// It is this.
    Is(String),
    /// It is made by apply.
    Later(AfterApply),
}

/// `{"$after_apply": …}`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AfterApply {
    /// Which value it is.
    #[serde(rename = "$after_apply")]
    pub value: Later,
}

/// The values of a recovery that are only known after apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Later {
    /// The ID of the key that is made.
    NewAccessKeyId,
    /// The version of the secret that the key is stored as.
    SecretVersionId,
}

impl Known {
    /// In words.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Is(text) => crate::text::shown(text).into_owned(),
            Self::Later(_) => "(known after apply)".to_owned(),
        }
    }

    /// What is only known after apply.
    #[must_use]
    pub const fn later(value: Later) -> Self {
        Self::Later(AfterApply { value })
    }
}

impl Value {
    /// Whether `now` is this value, once a fence time that is only known after apply is taken from it.
    #[must_use]
    pub fn fits(&self, now: &Self) -> bool {
        match (self, now) {
            (Self::Document(ours), Self::Document(now)) => ours.fits(now),
            _ => self == now,
        }
    }
}

/// Whether a resource's value is the one meant; what is not there fits only what is not meant to be there.
#[must_use]
pub fn fits(meant: Option<&Value>, now: Option<&Value>) -> bool {
    match (meant, now) {
        (None, None) => true,
        (Some(meant), Some(now)) => meant.fits(now),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_read_as_it_is_written() {
        for text in [
            "access_key/AKIA3EXAMPLE4LEAKED1",
            "attached_policy/arn:aws:iam::aws:policy/AWSDenyAll",
            "group/devs",
            "inline_policy/a+b=c,.@-",
            "login_profile",
            "new_access_key",
            "permissions_boundary",
            "profile/production",
            "secret/arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/deploy-bot-Ab12Cd",
            "role_policy/ci-deploy/RingfenceFence-7c41e09a",
            "session/ASIA3EXAMPLESESSION1",
            "ssh_key/APKA1",
            "trust_policy",
        ] {
            assert_eq!(text.parse::<Resource>().unwrap().to_string(), text);
        }
        for bad in [
            "",
            "access_key",
            "access_key/",
            "access_key/../x",
            "user/x",
            "group/a\nb",
            "role_policy/x",
            "role_policy/x/",
            "role_policy//y",
        ] {
            assert!(bad.parse::<Resource>().is_err(), "{bad:?}");
        }
        let odd = Resource::Group("line\nbreak".to_owned());
        assert_eq!(Resource::try_from(odd.to_string()), Ok(odd));
    }
}
