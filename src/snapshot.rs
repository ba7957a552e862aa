//! What was observed about a principal at one time: sorted, without secrets.

mod credentials;
mod entity;
mod quotas;

pub use credentials::{AccessKey, LastUsed, LoginProfile, MfaDevice, ServiceCredential, Uploaded};
pub use entity::{Entity, Role, RoleUse, User};
pub use quotas::{Quotas, RoleQuotas};

use crate::identity::{AccountId, Arn, Malformed, PrincipalId, UserName, Who};
use crate::policy::PolicyDocument;
use crate::resource::{Resource, Value};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A thing that was read, or the action whose denial kept it from being read (D2.12).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
#[cfg_attr(test, schemars(inline))]
pub enum Observed<T> {
    // First, because a policy document takes any JSON; and with a `$`, which no tag key can have.
    /// It could not be read.
    Unread(Missing),
    /// What was there.
    Read(T),
}

/// The permission that a read lacked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Missing {
    /// The IAM action, such as `iam:ListAccessKeys`.
    #[serde(rename = "$unread")]
    pub action: String,
    /// What the service said, in one line.
    pub because: String,
    /// What kind of obstacle that is.
    pub obstacle: Obstacle,
}

/// What kept a read from being answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Obstacle {
    /// The caller lacks the permission.
    Denied,
    /// It was throttled, lost, or overtaken by a change: the same read may be answered a little later.
    Passing,
    /// The endpoint has no such action, so that what it lists cannot be there either.
    Unimplemented,
    /// The answer made no sense.
    Senseless,
}

impl<T> Observed<T> {
    /// What was read, if it was.
    pub const fn read(&self) -> Option<&T> {
        match self {
            Self::Read(value) => Some(value),
            Self::Unread(_) => None,
        }
    }

    /// The permission that was missing, if one was.
    pub const fn missing(&self) -> Option<&Missing> {
        match self {
            Self::Read(_) => None,
            Self::Unread(missing) => Some(missing),
        }
    }
}

impl<T> Observed<Vec<T>> {
    /// The items that were read; none where the listing was denied, so ask [`Observed::missing`] too.
    #[must_use]
    pub fn items(&self) -> &[T] {
        self.read().map(Vec::as_slice).unwrap_or_default()
    }
}

/// Whether a credential works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Status {
    /// It works.
    Active,
    /// It was turned off, and can be turned on again.
    Inactive,
    /// Its time has run out.
    Expired,
}

impl Status {
    /// The word that IAM uses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::Inactive => "Inactive",
            Self::Expired => "Expired",
        }
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// A managed policy that is attached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AttachedPolicy {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// Its default version's document; read with `--full` only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub document: Option<Observed<PolicyDocument>>,
}

/// A policy written into the user, the role or a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct InlinePolicy {
    /// Its name.
    pub name: String,
    /// Its document.
    pub document: Observed<PolicyDocument>,
}

/// A group that the user is in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its managed policies; read with `--full` only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub attached_policies: Option<Observed<Vec<AttachedPolicy>>>,
    /// Its inline policies; read with `--full` only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub inline_policies: Option<Observed<Vec<InlinePolicy>>>,
}

/// Everything observed about a user or a role. A role has no credentials and no groups of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// When, by the service's clock: the Date of the last reply.
    pub read_at: Timestamp,
    /// The user or the role.
    #[serde(flatten)]
    pub entity: Entity,
    /// Its access keys, by ID.
    pub access_keys: Observed<Vec<AccessKey>>,
    /// Its password, if it has one.
    pub login_profile: Observed<Option<LoginProfile>>,
    /// Its SSH public keys.
    pub ssh_keys: Observed<Vec<Uploaded>>,
    /// Its signing certificates.
    pub signing_certificates: Observed<Vec<Uploaded>>,
    /// Its service-specific credentials.
    pub service_credentials: Observed<Vec<ServiceCredential>>,
    /// Its MFA devices.
    pub mfa_devices: Observed<Vec<MfaDevice>>,
    /// Its groups.
    pub groups: Observed<Vec<Group>>,
    /// Its permissions boundary, as the policy's ARN.
    pub permissions_boundary: Option<String>,
    /// Its managed policies.
    pub attached_policies: Observed<Vec<AttachedPolicy>>,
    /// Its inline policies.
    pub inline_policies: Observed<Vec<InlinePolicy>>,
    /// Its tags.
    pub tags: Observed<BTreeMap<String, String>>,
    /// The customer-managed policies that bear a name of ours, by ARN; read only when one is looked for.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub managed_policies: Vec<AttachedPolicy>,
    /// The account's quotas.
    pub quotas: Observed<Quotas>,
}

impl Snapshot {
    /// The friendly name.
    #[must_use]
    pub const fn name(&self) -> &UserName {
        match &self.entity {
            Entity::User(user) => &user.name,
            Entity::Role(role) => &role.name,
        }
    }

    /// The unique ID, which is the principal (F27).
    #[must_use]
    pub const fn id(&self) -> &PrincipalId {
        match &self.entity {
            Entity::User(user) => &user.id,
            Entity::Role(role) => &role.id,
        }
    }

    /// The ARN, path included.
    #[must_use]
    pub const fn arn(&self) -> &Arn {
        match &self.entity {
            Entity::User(user) => &user.arn,
            Entity::Role(role) => &role.arn,
        }
    }

    /// The principal by its name.
    #[must_use]
    pub fn who(&self) -> Who {
        match &self.entity {
            Entity::User(user) => Who::User(user.name.clone()),
            Entity::Role(role) => Who::Role(role.name.clone()),
        }
    }

    /// The user, if it is one.
    #[must_use]
    pub const fn user(&self) -> Option<&User> {
        match &self.entity {
            Entity::User(user) => Some(user),
            Entity::Role(_) => None,
        }
    }

    /// The role, if it is one.
    #[must_use]
    pub const fn role(&self) -> Option<&Role> {
        match &self.entity {
            Entity::User(_) => None,
            Entity::Role(role) => Some(role),
        }
    }

    /// The account, out of the ARN.
    ///
    /// # Errors
    /// If the ARN holds no account ID.
    pub fn account(&self) -> Result<AccountId, Malformed> {
        self.arn().account().parse()
    }

    fn inline(&self, name: &str) -> Now {
        find(&self.inline_policies, |policy| {
            (policy.name == *name).then(|| document(&policy.document))
        })
    }

    /// Brings every list into its one order, so that two snapshots of the same state are equal.
    pub fn sort(&mut self) {
        fn by<T, K: Ord>(list: &mut Observed<Vec<T>>, key: impl Fn(&T) -> K) {
            if let Observed::Read(items) = list {
                items.sort_by_key(key);
            }
        }
        by(&mut self.access_keys, |key| key.id.clone());
        by(&mut self.ssh_keys, |key| key.id.clone());
        by(&mut self.signing_certificates, |cert| cert.id.clone());
        by(&mut self.service_credentials, |cred| cred.id.clone());
        by(&mut self.mfa_devices, |mfa| mfa.serial_number.clone());
        by(&mut self.groups, |group| group.name.clone());
        by(&mut self.attached_policies, |policy| policy.arn.clone());
        by(&mut self.inline_policies, |policy| policy.name.clone());
        if let Entity::Role(role) = &mut self.entity {
            by(&mut role.instance_profiles, Clone::clone);
        }
    }

    /// What this snapshot says of one resource.
    #[must_use]
    pub fn value(&self, resource: &Resource) -> Now {
        match resource {
            Resource::AccessKey(id) => {
                status(&self.access_keys, |key| (key.id == *id).then_some(key.status))
            }
            Resource::SshKey(id) => {
                status(&self.ssh_keys, |key| (key.id == *id).then_some(key.status))
            }
            Resource::SigningCertificate(id) => {
                status(&self.signing_certificates, |cert| (cert.id == *id).then_some(cert.status))
            }
            Resource::ServiceCredential(id) => {
                status(&self.service_credentials, |cred| (cred.id == *id).then_some(cred.status))
            }
            Resource::InlinePolicy(name) => match &self.entity {
                Entity::User(_) => self.inline(name),
                Entity::Role(_) => Now::Absent,
            },
            Resource::RolePolicy(policy) => match &self.entity {
                Entity::Role(role) if role.name.same_user(policy.role()) => {
                    self.inline(policy.policy())
                }
                _ => Now::Absent,
            },
            Resource::TrustPolicy => self.role().map_or(Now::Absent, |role| document(&role.trust)),
            // Nothing lists them.
            Resource::Session(_)
            | Resource::NewAccessKey
            | Resource::Profile(_)
            | Resource::Secret(_) => Now::Unknown,
            Resource::AttachedPolicy(arn) => find(&self.attached_policies, |policy| {
                (policy.arn == *arn).then_some(Now::Is(Value::Attached))
            }),
            Resource::ManagedPolicy(arn) => self
                .managed_policies
                .iter()
                .find(|policy| policy.arn == *arn)
                .map_or(Now::Absent, |policy| {
                    policy.document.as_ref().map_or(Now::Unknown, document)
                }),
            Resource::Group(name) => {
                find(&self.groups, |group| (group.name == *name).then_some(Now::Is(Value::Member)))
            }
            Resource::LoginProfile => match &self.login_profile {
                Observed::Unread(_) => Now::Unknown,
                Observed::Read(None) => Now::Absent,
                Observed::Read(Some(_)) => Now::Is(Value::Password),
            },
            Resource::PermissionsBoundary => self
                .permissions_boundary
                .as_ref()
                .map_or(Now::Absent, |arn| Now::Is(Value::PolicyArn(arn.clone()))),
        }
    }

    /// The kinds of credentials that could not be listed, each with what kept it from being read.
    #[must_use]
    pub fn unread_credentials(&self) -> Vec<(&'static str, &Missing)> {
        let kinds = [
            ("access keys", self.access_keys.missing()),
            ("login profile", self.login_profile.missing()),
            ("ssh keys", self.ssh_keys.missing()),
            ("signing certificates", self.signing_certificates.missing()),
            ("service credentials", self.service_credentials.missing()),
        ];
        kinds.into_iter().filter_map(|(kind, missing)| Some((kind, missing?))).collect()
    }

    /// The same, with the policies and groups that give rights.
    #[must_use]
    pub fn unread_means(&self) -> Vec<(&'static str, &Missing)> {
        let rights = [
            ("groups", self.groups.missing()),
            ("attached policies", self.attached_policies.missing()),
            ("inline policies", self.inline_policies.missing()),
        ];
        let rights = rights.into_iter().filter_map(|(kind, missing)| Some((kind, missing?)));
        self.unread_credentials().into_iter().chain(rights).collect()
    }

    /// Everything that could not be read, by what it is of (D2.12).
    #[must_use]
    pub fn unread(&self) -> Vec<Unread> {
        let mut all = vec![
            ("access keys".to_owned(), self.access_keys.missing()),
            ("login profile".to_owned(), self.login_profile.missing()),
            ("ssh keys".to_owned(), self.ssh_keys.missing()),
            ("signing certificates".to_owned(), self.signing_certificates.missing()),
            ("service credentials".to_owned(), self.service_credentials.missing()),
            ("mfa devices".to_owned(), self.mfa_devices.missing()),
            ("groups".to_owned(), self.groups.missing()),
            ("attached policies".to_owned(), self.attached_policies.missing()),
            ("inline policies".to_owned(), self.inline_policies.missing()),
            ("tags".to_owned(), self.tags.missing()),
            ("quotas".to_owned(), self.quotas.missing()),
        ];
        let who = self.who();
        if let Entity::Role(role) = &self.entity {
            all.push(("trust policy".to_owned(), role.trust.missing()));
            all.push(("instance profiles".to_owned(), role.instance_profiles.missing()));
        }
        for key in self.access_keys.items() {
            all.push((format!("last use of access_key/{}", key.id), key.last_used.missing()));
        }
        for policy in self.inline_policies.items() {
            let resource = Resource::inline(&who, &policy.name).to_string();
            all.push((resource, policy.document.missing()));
        }
        for policy in self.attached_policies.items() {
            let missing = policy.document.as_ref().and_then(Observed::missing);
            all.push((format!("document of attached_policy/{}", policy.arn), missing));
        }
        for policy in &self.managed_policies {
            let missing = policy.document.as_ref().and_then(Observed::missing);
            all.push((format!("document of managed_policy/{}", policy.arn), missing));
        }
        for group in self.groups.items() {
            let attached = group.attached_policies.as_ref().and_then(Observed::missing);
            let inline = group.inline_policies.as_ref().and_then(Observed::missing);
            all.push((format!("attached policies of group/{}", group.name), attached));
            all.push((format!("inline policies of group/{}", group.name), inline));
        }
        all.into_iter()
            .filter_map(|(what, missing)| {
                let Missing { action, because, .. } = missing?.clone();
                Some(Unread { what, action, because })
            })
            .collect()
    }
}

/// Something that could not be read, and what would allow it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Unread {
    /// What was not read.
    pub what: String,
    /// The IAM action that is missing.
    pub action: String,
    /// What the service said, in one line.
    pub because: String,
}

/// What a snapshot says of one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Now {
    /// It is not there.
    Absent,
    /// It is there, like this.
    Is(Value),
    /// It could not be read.
    Unknown,
}

impl Now {
    /// The value in the form a step has it; `None` for what is not there. Unknown has no value.
    #[must_use]
    pub fn known(self) -> Option<Option<Value>> {
        match self {
            Self::Absent => Some(None),
            Self::Is(value) => Some(Some(value)),
            Self::Unknown => None,
        }
    }
}

fn find<T>(list: &Observed<Vec<T>>, pick: impl Fn(&T) -> Option<Now>) -> Now {
    match list {
        Observed::Unread(_) => Now::Unknown,
        Observed::Read(items) => items.iter().find_map(pick).unwrap_or(Now::Absent),
    }
}

fn status<T>(list: &Observed<Vec<T>>, pick: impl Fn(&T) -> Option<Status>) -> Now {
    find(list, |item| pick(item).map(|status| Now::Is(Value::Status(status))))
}

fn document(document: &Observed<PolicyDocument>) -> Now {
    match document {
        Observed::Unread(_) => Now::Unknown,
        Observed::Read(document) => Now::Is(Value::Document(document.clone())),
    }
}
