//! From a GetAccountAuthorizationDetails dump (F19) to an account.

use super::account::{Account, fold};
use super::ids::{self, Ids};
use super::instance_profile::InstanceProfile;
use super::managed;
use super::policy_store::{Managed, Permissions, Tag, Version};
use super::role::{Group, Role};
use super::user::{AccessKey, Status, User};
use super::world::World;
use crate::error::{Error, Result};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::Value;

/// Loads a dump into the account that its ARNs name.
pub(super) fn load(world: &mut World, dump: &Value, now: Timestamp) -> Result<usize> {
    let lists = ["UserDetailList", "GroupDetailList", "RoleDetailList"];
    if !lists.iter().any(|list| dump.get(list).is_some_and(Value::is_array)) {
        return Err(Error::failed("this is no dump of GetAccountAuthorizationDetails")
            .hint("aws iam get-account-authorization-details > dump.json writes one"));
    }
    let id = lists
        .iter()
        .find_map(|list| account_of(dump.get(list)?))
        .unwrap_or_else(|| world.home.clone());
    world.add_account(&id, now);
    let mut ids = world.ids.clone();
    let mut count: usize = 0;
    if let Some(account) = world.account_mut(&id) {
        let mut dumped = Dump { account, ids: &mut ids, now };
        items(dump, "Policies").for_each(|entry| dumped.policy(entry));
        items(dump, "GroupDetailList").for_each(|entry| dumped.group(entry));
        items(dump, "RoleDetailList").for_each(|entry| dumped.role(entry));
        for entry in items(dump, "UserDetailList") {
            dumped.user(entry);
            count = count.saturating_add(1);
        }
    }
    world.ids = ids;
    // If the dump has a user of the administrator's name, that one is it from now on.
    world.add_account(&id, now);
    Ok(count)
}

struct Dump<'a> {
    account: &'a mut Account,
    ids: &'a mut Ids,
    now: Timestamp,
}

impl Dump<'_> {
    fn user(&mut self, entry: &Value) {
        let name = text(entry, "UserName");
        let groups = strings(entry, "GroupList");
        let known = &self.account.groups;
        let groups = groups.filter_map(|group| Some(known.get(&fold(group))?.id.clone())).collect();
        let user = User {
            path: path(entry),
            id: self.id(entry, "UserId", "AIDA"),
            created: self.created(entry),
            permissions: permissions(entry, "UserPolicyList"),
            groups,
            tags: tags(entry),
            keys: vec![AccessKey {
                id: self.ids.key("AKIA", &self.account.id),
                secret: self.ids.secret(40),
                status: Status::Active,
                created: self.now,
                last_used: None,
            }],
            login: None,
            ssh_keys: Vec::new(),
            certificates: Vec::new(),
            service_credentials: Vec::new(),
            name: name.clone(),
        };
        self.account.users.insert(fold(&name), user);
    }

    fn group(&mut self, entry: &Value) {
        let name = text(entry, "GroupName");
        let group = Group {
            path: path(entry),
            id: self.id(entry, "GroupId", "AGPA"),
            created: self.created(entry),
            permissions: permissions(entry, "GroupPolicyList"),
            name: name.clone(),
        };
        self.account.groups.insert(fold(&name), group);
    }

    fn role(&mut self, entry: &Value) {
        let name = text(entry, "RoleName");
        let role = Role {
            path: path(entry),
            id: self.id(entry, "RoleId", "AROA"),
            created: self.created(entry),
            trust: entry.get("AssumeRolePolicyDocument").map(document).unwrap_or_default(),
            max_session: 3_600,
            description: None,
            permissions: permissions(entry, "RolePolicyList"),
            tags: tags(entry),
            last_used: None,
            name: name.clone(),
        };
        let id = role.id.clone();
        self.account.roles.insert(fold(&name), role);
        items(entry, "InstanceProfileList").for_each(|profile| self.profile(profile, &id));
    }

    /// An instance profile, which a dump has with the role in it.
    fn profile(&mut self, entry: &Value, role: &str) {
        let name = text(entry, "InstanceProfileName");
        let profile = InstanceProfile {
            path: path(entry),
            id: self.id(entry, "InstanceProfileId", "AIPA"),
            created: self.created(entry),
            role: Some(role.to_owned()),
            tags: tags(entry),
            name: name.clone(),
        };
        self.account.instance_profiles.insert(fold(&name), profile);
    }

    fn policy(&mut self, entry: &Value) {
        let arn = text(entry, "Arn");
        // What the sandbox knows of AWS's own is whole, and the dump's may be old.
        if arn.is_empty() || managed::find(&arn).is_some() {
            return;
        }
        let mut versions: Vec<Version> = items(entry, "PolicyVersionList")
            .map(|version| Version {
                number: number(&text(version, "VersionId")),
                document: version.get("Document").map(document).unwrap_or_default(),
                created: self.created(version),
            })
            .collect();
        versions.sort_by_key(|version| version.number);
        let created = self.created(entry);
        let policy = Managed {
            name: text(entry, "PolicyName"),
            path: path(entry),
            id: self.id(entry, "PolicyId", "ANPA"),
            created,
            updated: time(entry, "UpdateDate").unwrap_or(created),
            description: entry.get("Description").and_then(Value::as_str).map(str::to_owned),
            tags: Vec::new(),
            default: number(&text(entry, "DefaultVersionId")),
            next: versions.last().map_or(1, |last| last.number.saturating_add(1)),
            versions,
            arn: arn.clone(),
        };
        self.account.policies.insert(fold(&arn), policy);
    }

    /// The entry's unique ID; one that another entry has too, as in edited dumps, is replaced.
    fn id(&mut self, entry: &Value, field: &str, prefix: &str) -> String {
        let id = text(entry, field);
        let known = self.account.user_of_id(&id).is_some()
            || self.account.role_of_id(&id).is_some()
            || self.account.group_of_id(&id).is_some();
        match id.is_empty() {
            false if !known => id,
            false => ids::from_text(prefix, &format!("{id} {}", text(entry, "Arn"))),
            true => self.ids.unique(prefix),
        }
    }

    fn created(&self, entry: &Value) -> Timestamp {
        time(entry, "CreateDate").unwrap_or(self.now)
    }
}

/// The items of a list; dumps that were edited have a lone object in place of a list of one.
fn items<'a>(entry: &'a Value, list: &str) -> impl Iterator<Item = &'a Value> {
    let (many, one) = match entry.get(list) {
        Some(Value::Array(items)) => (Some(items), None),
        Some(object @ Value::Object(_)) => (None, Some(object)),
        _ => (None, None),
    };
    many.into_iter().flatten().chain(one)
}

fn text(entry: &Value, field: &str) -> String {
    entry.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn strings<'a>(entry: &'a Value, list: &str) -> impl Iterator<Item = &'a str> {
    items(entry, list).filter_map(Value::as_str)
}

fn path(entry: &Value) -> String {
    let path = text(entry, "Path");
    if path.is_empty() { "/".to_owned() } else { path }
}

fn time(entry: &Value, field: &str) -> Option<Timestamp> {
    let at: Timestamp = entry.get(field)?.as_str()?.parse().ok()?;
    Some(crate::text::whole_seconds(at))
}

fn number(version: &str) -> u32 {
    version.strip_prefix('v').and_then(|digits| digits.parse().ok()).unwrap_or(1)
}

fn tags(entry: &Value) -> Vec<Tag> {
    items(entry, "Tags")
        .map(|tag| Tag { key: text(tag, "Key"), value: text(tag, "Value") })
        .collect()
}

fn permissions(entry: &Value, inline: &str) -> Permissions {
    let inline = items(entry, inline).map(|policy| {
        let document = policy.get("PolicyDocument").map(document).unwrap_or_default();
        (text(policy, "PolicyName"), document)
    });
    let bound = entry.pointer("/PermissionsBoundary/PermissionsBoundaryArn");
    let attached = items(entry, "AttachedManagedPolicies").map(|policy| text(policy, "PolicyArn"));
    Permissions {
        inline: inline.collect(),
        attached: attached.filter(|arn| !arn.is_empty()).collect(),
        boundary: bound.and_then(Value::as_str).map(str::to_owned),
    }
}

/// A document: JSON, or its text, percent-encoded or plain.
fn document(value: &Value) -> String {
    match value {
        Value::String(text) if text.trim_start().starts_with('{') => text.clone(),
        Value::String(text) => percent_decode_str(text).decode_utf8_lossy().into_owned(),
        other => other.to_string(),
    }
}

/// The account that a list's ARNs name; in dumps that were made anonymous some name none.
fn account_of(list: &Value) -> Option<String> {
    let arns = list.as_array()?.iter().filter_map(|entry| entry.get("Arn")?.as_str());
    let mut ids = arns.filter_map(|arn| arn.split(':').nth(4));
    let id = ids.find(|id| id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_digit()))?;
    Some(id.to_owned())
}
