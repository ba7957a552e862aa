//! IAM: one file for each noun of its API.

mod advisor;
mod attached;
mod boundary;
mod certificates;
mod details;
mod groups;
mod holder;
mod inline;
mod instance_profiles;
mod keys;
mod login;
mod members;
mod mfa;
mod policies;
mod roles;
mod server_certificates;
mod service_credentials;
mod simulate;
mod ssh_keys;
mod summary;
mod tags;
mod users;
mod versions;

use super::account::Account;
use super::act::Act;
use super::dispatch::Table;
use super::fault::Fault;
use super::policy_store::{Permissions, Tag};
use super::role::{Group, Role};
use super::user::User;
use super::xml::Xml;

/// The actions of IAM.
pub(super) const TABLES: &[Table] = &[
    advisor::ACTIONS,
    attached::ACTIONS,
    boundary::ACTIONS,
    certificates::ACTIONS,
    details::ACTIONS,
    groups::ACTIONS,
    inline::ACTIONS,
    instance_profiles::ACTIONS,
    keys::ACTIONS,
    login::ACTIONS,
    members::ACTIONS,
    mfa::ACTIONS,
    policies::ACTIONS,
    roles::ACTIONS,
    server_certificates::ACTIONS,
    service_credentials::ACTIONS,
    simulate::ACTIONS,
    ssh_keys::ACTIONS,
    summary::ACTIONS,
    tags::ACTIONS,
    users::ACTIONS,
    versions::ACTIONS,
];

/// Writes what a listing tells of a user: not the tags and not the boundary.
fn user(xml: &mut Xml, act: &Act<'_>, account: &Account, user: &User) {
    xml.text("Path", &user.path).text("UserName", &user.name).text("UserId", &user.id);
    xml.text("Arn", user.arn(&act.world.partition, &account.id));
    xml.time("CreateDate", user.created);
}

/// Writes a user.
fn whole_user(xml: &mut Xml, act: &Act<'_>, account: &Account, known: &User) {
    user(xml, act, account, known);
    bound(xml, &known.permissions);
    tagged(xml, &known.tags);
}

/// Writes a group.
fn group(xml: &mut Xml, act: &Act<'_>, account: &Account, group: &Group) {
    xml.text("Path", &group.path).text("GroupName", &group.name).text("GroupId", &group.id);
    xml.text("Arn", group.arn(&act.world.partition, &account.id));
    xml.time("CreateDate", group.created);
}

/// Writes what is told of a role wherever it is met.
fn brief_role(xml: &mut Xml, act: &Act<'_>, account: &Account, role: &Role) {
    xml.text("Path", &role.path).text("RoleName", &role.name).text("RoleId", &role.id);
    xml.text("Arn", role.arn(&act.world.partition, &account.id));
    xml.time("CreateDate", role.created).document("AssumeRolePolicyDocument", &role.trust);
}

/// Writes what a listing tells of a role.
fn role(xml: &mut Xml, act: &Act<'_>, account: &Account, role: &Role) {
    brief_role(xml, act, account, role);
    xml.maybe("Description", role.description.as_ref());
    xml.value("MaxSessionDuration", role.max_session);
}

/// Writes a role.
fn whole_role(xml: &mut Xml, act: &Act<'_>, account: &Account, known: &Role) {
    role(xml, act, account, known);
    bound(xml, &known.permissions);
    tagged(xml, &known.tags);
    last_used(xml, known);
}

fn last_used(xml: &mut Xml, role: &Role) {
    xml.within("RoleLastUsed", |xml| {
        if let Some(used) = &role.last_used {
            xml.time("LastUsedDate", used.at).text("Region", &used.region);
        }
    });
}

fn bound(xml: &mut Xml, permissions: &Permissions) {
    if let Some(arn) = &permissions.boundary {
        xml.within("PermissionsBoundary", |xml| {
            xml.text("PermissionsBoundaryType", "Policy").text("PermissionsBoundaryArn", arn);
        });
    }
}

fn tagged(xml: &mut Xml, tags: &[Tag]) {
    if !tags.is_empty() {
        tag_list(xml, tags);
    }
}

fn tag_list(xml: &mut Xml, tags: &[Tag]) {
    xml.list("Tags", tags, |xml, tag| {
        xml.text("Key", &tag.key).text("Value", &tag.value);
    });
}

/// A policy that exists and can be attached; its ARN as it is written.
fn attachable(account: &Account, arn: &str) -> Result<String, Fault> {
    let missing = || Fault::missing(format!("Policy {arn} does not exist or is not attachable."));
    account.policy(arn).map(|policy| policy.arn.clone()).ok_or_else(missing)
}

/// A policy that can be a boundary.
fn bounding(account: &Account, arn: &str) -> Result<String, Fault> {
    let missing =
        || Fault::missing(format!("Scope ARN: {arn} does not exist or is not attachable."));
    account.policy(arn).map(|policy| policy.arn.clone()).ok_or_else(missing)
}
