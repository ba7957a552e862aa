//! GetAccountAuthorizationDetails (F19).

use super::attached;
use super::{bound, brief_role, instance_profiles, last_used, policies, tag_list, versions};
use crate::sandbox::account::{Account, fold};
use crate::sandbox::act::{Act, Done};
use crate::sandbox::dispatch::Table;
use crate::sandbox::fault::Fault;
use crate::sandbox::managed;
use crate::sandbox::page::Page;
use crate::sandbox::policy_store::{Managed, Permissions};
use crate::sandbox::role::{Group, Role};
use crate::sandbox::rules;
use crate::sandbox::user::User;
use crate::sandbox::xml::Xml;

pub(super) const ACTIONS: Table = &[("GetAccountAuthorizationDetails", details)];

/// One entry; a page goes over all four lists.
enum Detail<'a> {
    User(&'a User),
    Group(&'a Group),
    Role(&'a Role),
    Policy(Managed),
}

impl Detail<'_> {
    fn key(&self) -> String {
        match self {
            Self::User(user) => format!("1 {}", fold(&user.name)),
            Self::Group(group) => format!("2 {}", fold(&group.name)),
            Self::Role(role) => format!("3 {}", fold(&role.name)),
            Self::Policy(policy) => format!("4 {}", fold(&policy.arn)),
        }
    }
}

const KINDS: [&str; 5] = ["User", "Group", "Role", "LocalManagedPolicy", "AWSManagedPolicy"];

fn details(act: &mut Act<'_>) -> Done {
    let filter = act.params.list("Filter");
    if let Some(odd) = filter.iter().find(|word| !KINDS.contains(word)) {
        return Err(rules::choice("Filter", odd, &KINDS));
    }
    act.allow("*")?;
    let wanted = |kind: &str| filter.is_empty() || filter.contains(&kind);
    let page = Page::of(act.params, all(act, &wanted)?, Detail::key)?;
    let mut xml = Xml::new();
    write(&mut xml, act, act.account()?, &page.items);
    page.end(&mut xml);
    Ok(Some(xml))
}

/// Of AWS's own policies only those in use are told, as AWS does.
fn all<'a>(act: &'a Act<'_>, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<Detail<'a>>, Fault> {
    let account = act.account()?;
    let mut all: Vec<Detail<'a>> = Vec::new();
    if wanted("User") {
        all.extend(account.users.values().map(Detail::User));
    }
    if wanted("Group") {
        all.extend(account.groups.values().map(Detail::Group));
    }
    if wanted("Role") {
        all.extend(account.roles.values().map(Detail::Role));
    }
    let mut policies = policies::visible(account, &act.world.partition);
    policies.sort_by_key(|policy| fold(&policy.arn));
    all.extend(policies.into_iter().filter_map(|policy| {
        let of_aws = managed::is_of_aws(&policy.arn);
        let kind = if of_aws { "AWSManagedPolicy" } else { "LocalManagedPolicy" };
        let used = account.uses(&policy.arn) != (0, 0);
        (wanted(kind) && (used || !of_aws)).then_some(Detail::Policy(policy))
    }));
    Ok(all)
}

fn write(xml: &mut Xml, act: &Act<'_>, account: &Account, items: &[Detail<'_>]) {
    let users = items.iter().filter_map(|item| match item {
        Detail::User(user) => Some(*user),
        _ => None,
    });
    xml.list("UserDetailList", users, |xml, user| {
        super::user(xml, act, account, user);
        inline(xml, "UserPolicyList", &user.permissions);
        xml.texts("GroupList", account.groups_of(user).map(|group| &group.name));
        attachments(xml, &user.permissions);
        bound(xml, &user.permissions);
        tag_list(xml, &user.tags);
    });
    let groups = items.iter().filter_map(|item| match item {
        Detail::Group(group) => Some(*group),
        _ => None,
    });
    xml.list("GroupDetailList", groups, |xml, group| {
        super::group(xml, act, account, group);
        inline(xml, "GroupPolicyList", &group.permissions);
        attachments(xml, &group.permissions);
    });
    let roles = items.iter().filter_map(|item| match item {
        Detail::Role(role) => Some(*role),
        _ => None,
    });
    xml.list("RoleDetailList", roles, |xml, role| {
        brief_role(xml, act, account, role);
        xml.list("InstanceProfileList", account.profiles_of(role), |xml, profile| {
            instance_profiles::brief(xml, act, account, profile);
        });
        inline(xml, "RolePolicyList", &role.permissions);
        attachments(xml, &role.permissions);
        bound(xml, &role.permissions);
        tag_list(xml, &role.tags);
        last_used(xml, role);
    });
    let policies = items.iter().filter_map(|item| match item {
        Detail::Policy(policy) => Some(policy),
        _ => None,
    });
    xml.list("Policies", policies, |xml, policy| {
        policies::brief(xml, policy, account.uses(&policy.arn));
        xml.list("PolicyVersionList", policy.versions.iter().rev(), |xml, version| {
            xml.document("Document", &version.document);
            versions::brief(xml, policy, version);
        });
    });
}

fn inline(xml: &mut Xml, name: &str, permissions: &Permissions) {
    xml.list(name, &permissions.inline, |xml, (name, document)| {
        xml.text("PolicyName", name).document("PolicyDocument", document);
    });
}

fn attachments(xml: &mut Xml, permissions: &Permissions) {
    xml.list("AttachedManagedPolicies", &permissions.attached, |xml, arn| {
        attached::policy(xml, arn);
    });
}
