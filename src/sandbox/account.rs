//! An account: what is in it, and how it is found.

use super::instance_profile::InstanceProfile;
use super::managed;
use super::policy_store::{Managed, Permissions, Tag};
use super::role::{Group, Role};
use super::server_certificate::ServerCertificate;
use super::user::{AccessKey, User};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// An account. What has a name stands under it in lower case, because names are unique without
/// regard to letter case (F34).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The twelve digits.
    pub id: String,
    /// The alias.
    #[serde(default)]
    pub alias: Option<String>,
    /// The users, by name in lower case.
    #[serde(default)]
    pub users: BTreeMap<String, User>,
    /// The groups, by name in lower case.
    #[serde(default)]
    pub groups: BTreeMap<String, Group>,
    /// The roles, by name in lower case.
    #[serde(default)]
    pub roles: BTreeMap<String, Role>,
    /// The instance profiles, by name in lower case.
    #[serde(default)]
    pub instance_profiles: BTreeMap<String, InstanceProfile>,
    /// The server certificates, by name in lower case.
    #[serde(default)]
    pub server_certificates: BTreeMap<String, ServerCertificate>,
    /// The policies, by ARN in lower case: its own, and those of AWS's that a dump brought along.
    #[serde(default)]
    pub policies: BTreeMap<String, Managed>,
    /// The virtual MFA devices, by serial number.
    #[serde(default)]
    pub mfa_devices: BTreeMap<String, MfaDevice>,
    /// The buckets, and in each its objects.
    #[serde(default)]
    pub buckets: BTreeMap<String, Bucket>,
}

/// A virtual MFA device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MfaDevice {
    /// The serial number, which is an ARN.
    pub serial: String,
    /// What it was made for: the ID of the user that has it.
    #[serde(default)]
    pub user: Option<String>,
    /// When it was given to the user.
    #[serde(default)]
    pub enabled: Option<Timestamp>,
    /// Its tags.
    #[serde(default)]
    pub tags: Vec<Tag>,
}

/// A bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// When it was made.
    pub created: Timestamp,
    /// The objects, by key.
    #[serde(default)]
    pub objects: BTreeMap<String, Vec<u8>>,
}

/// A name as it is compared (F34).
#[must_use]
pub(super) fn fold(name: &str) -> String {
    name.to_ascii_lowercase()
}

impl Account {
    /// An account with nothing in it.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            alias: None,
            users: BTreeMap::new(),
            groups: BTreeMap::new(),
            roles: BTreeMap::new(),
            instance_profiles: BTreeMap::new(),
            server_certificates: BTreeMap::new(),
            policies: BTreeMap::new(),
            mfa_devices: BTreeMap::new(),
            buckets: BTreeMap::new(),
        }
    }

    /// A user by name.
    #[must_use]
    pub fn user(&self, name: &str) -> Option<&User> {
        self.users.get(&fold(name))
    }

    /// A user by name, to be changed.
    pub fn user_mut(&mut self, name: &str) -> Option<&mut User> {
        self.users.get_mut(&fold(name))
    }

    /// A user by its ID.
    #[must_use]
    pub fn user_of_id(&self, id: &str) -> Option<&User> {
        self.users.values().find(|user| user.id == id)
    }

    /// A role by its ID.
    #[must_use]
    pub fn role_of_id(&self, id: &str) -> Option<&Role> {
        self.roles.values().find(|role| role.id == id)
    }

    /// A group by its ID.
    #[must_use]
    pub fn group_of_id(&self, id: &str) -> Option<&Group> {
        self.groups.values().find(|group| group.id == id)
    }

    /// A key and whose it is.
    #[must_use]
    pub fn key(&self, id: &str) -> Option<(&User, &AccessKey)> {
        self.users.values().find_map(|user| Some((user, user.key(id)?)))
    }

    /// A managed policy, of the account or of AWS.
    #[must_use]
    pub fn policy(&self, arn: &str) -> Option<Cow<'_, Managed>> {
        match self.policies.get(&fold(arn)) {
            Some(own) => Some(Cow::Borrowed(own)),
            None => managed::find(arn).map(Cow::Owned),
        }
    }

    /// The groups of a user.
    pub fn groups_of<'a>(&'a self, user: &'a User) -> impl Iterator<Item = &'a Group> {
        self.groups.values().filter(|group| user.groups.contains(&group.id))
    }

    /// The instance profiles that a role is in.
    pub fn profiles_of<'a>(&'a self, role: &'a Role) -> impl Iterator<Item = &'a InstanceProfile> {
        self.instance_profiles.values().filter(|profile| profile.role.as_ref() == Some(&role.id))
    }

    /// The MFA devices of a user.
    pub fn mfa_of<'a>(&'a self, user: &'a User) -> impl Iterator<Item = &'a MfaDevice> {
        self.mfa_devices.values().filter(|device| device.user.as_ref() == Some(&user.id))
    }

    /// Everything that can hold policies.
    pub fn holders(&self) -> impl Iterator<Item = &Permissions> {
        let users = self.users.values().map(|user| &user.permissions);
        let groups = self.groups.values().map(|group| &group.permissions);
        users.chain(groups).chain(self.roles.values().map(|role| &role.permissions))
    }

    /// How often a policy is attached, and how often it is a boundary.
    #[must_use]
    pub fn uses(&self, arn: &str) -> (usize, usize) {
        let attached = |held: &&Permissions| held.attached.iter().any(|a| fold(a) == fold(arn));
        let bounding =
            |held: &&Permissions| held.boundary.as_ref().is_some_and(|b| fold(b) == fold(arn));
        (self.holders().filter(attached).count(), self.holders().filter(bounding).count())
    }
}
