//! Users.

use super::{bounding, user, whole_user};
use crate::sandbox::account::{Account, fold};
use crate::sandbox::act::{Act, Done};
use crate::sandbox::dispatch::Table;
use crate::sandbox::fault::Fault;
use crate::sandbox::page::Page;
use crate::sandbox::policy_store::Permissions;
use crate::sandbox::quota;
use crate::sandbox::user::User;
use crate::sandbox::xml::Xml;

pub(super) const ACTIONS: Table = &[
    ("CreateUser", create),
    ("GetUser", get),
    ("UpdateUser", update),
    ("DeleteUser", delete),
    ("ListUsers", list),
];

fn create(act: &mut Act<'_>) -> Done {
    let name = act.params.name("UserName", 64)?.to_owned();
    let path = act.params.path("Path")?.to_owned();
    let tags = act.params.tags()?;
    let boundary = act.params.maybe_arn("PermissionsBoundary")?;
    let arn = act.iam_arn(&format!("user{path}{name}"));
    let bound: Vec<_> = boundary.iter().map(|arn| ("iam:PermissionsBoundary", *arn)).collect();
    act.allow_tagging(&arn, &bound, &tags)?;
    let account = act.account()?;
    if let Some(known) = account.user(&name) {
        return Err(Fault::exists(format!("User with name {} already exists.", known.name)));
    }
    if account.users.len() >= quota::USERS {
        return Err(Fault::quota("UsersPerAccount", quota::USERS));
    }
    let boundary = boundary.map(|arn| bounding(account, arn)).transpose()?;
    let made = User {
        id: act.world.ids.unique("AIDA"),
        created: act.now,
        permissions: Permissions { boundary, ..Permissions::default() },
        groups: Vec::new(),
        keys: Vec::new(),
        login: None,
        ssh_keys: Vec::new(),
        certificates: Vec::new(),
        service_credentials: Vec::new(),
        name,
        path,
        tags,
    };
    let mut xml = Xml::new();
    let account = act.account()?;
    xml.within("User", |xml| whole_user(xml, act, account, &made));
    act.account_mut()?.users.insert(fold(&made.name), made);
    Ok(Some(xml))
}

fn get(act: &mut Act<'_>) -> Done {
    let key = act.on_user(128, &[])?;
    let mut xml = Xml::new();
    let (account, found) = (act.account()?, act.user(&key)?);
    xml.within("User", |xml| whole_user(xml, act, account, found));
    Ok(Some(xml))
}

fn update(act: &mut Act<'_>) -> Done {
    let name = act.params.maybe_name("NewUserName", 64)?.map(str::to_owned);
    let path = act.params.get("NewPath").map(|_| act.params.path("NewPath")).transpose()?;
    let path = path.map(str::to_owned);
    let key = act.on_named_user(128, &[])?;
    let known = act.user(&key)?;
    let name = name.unwrap_or_else(|| known.name.clone());
    let path = path.unwrap_or_else(|| known.path.clone());
    act.allow(&act.iam_arn(&format!("user{path}{name}")))?;
    let new_key = fold(&name);
    if new_key != key && act.account()?.users.contains_key(&new_key) {
        return Err(Fault::exists(format!("User with name {name} already exists.")));
    }
    let account = act.account_mut()?;
    if let Some(mut user) = account.users.remove(&key) {
        (user.name, user.path) = (name, path);
        account.users.insert(new_key, user);
    }
    Ok(None)
}

fn delete(act: &mut Act<'_>) -> Done {
    let key = act.on_named_user(128, &[])?;
    if let Some(first) = holds(act.account()?, act.user(&key)?) {
        return Err(Fault::conflict(format!("Cannot delete entity, must {first} first.")));
    }
    act.account_mut()?.users.remove(&key);
    Ok(None)
}

/// What has to go before a user can.
fn holds(account: &Account, user: &User) -> Option<&'static str> {
    let held = [
        (!user.permissions.attached.is_empty(), "detach all policies"),
        (!user.permissions.inline.is_empty(), "delete policies"),
        (user.login.is_some(), "delete login profile"),
        (!user.keys.is_empty(), "delete access keys"),
        (!user.certificates.is_empty(), "delete signing certificates"),
        (!user.ssh_keys.is_empty(), "delete SSH public keys"),
        (!user.service_credentials.is_empty(), "delete service specific credentials"),
        (account.mfa_of(user).next().is_some(), "delete MFA device"),
        (!user.groups.is_empty(), "remove users from group"),
    ];
    held.into_iter().find(|(there, _)| *there).map(|(_, what)| what)
}

fn list(act: &mut Act<'_>) -> Done {
    let prefix = act.params.prefix()?;
    act.allow(&act.iam_arn(&format!("user{prefix}")))?;
    let account = act.account()?;
    let users = account.users.values().filter(|user| user.path.starts_with(prefix)).collect();
    let page = Page::of(act.params, users, |user: &&User| fold(&user.name))?;
    let mut xml = Xml::new();
    xml.list("Users", &page.items, |xml, known| user(xml, act, account, known));
    page.end(&mut xml);
    Ok(Some(xml))
}
