//! Groups.

use super::{group, user};
use crate::sandbox::account::fold;
use crate::sandbox::act::{Act, Done};
use crate::sandbox::dispatch::Table;
use crate::sandbox::fault::Fault;
use crate::sandbox::page::Page;
use crate::sandbox::policy_store::Permissions;
use crate::sandbox::quota;
use crate::sandbox::role::Group;
use crate::sandbox::user::User;
use crate::sandbox::xml::Xml;

pub(super) const ACTIONS: Table = &[
    ("CreateGroup", create),
    ("GetGroup", get),
    ("UpdateGroup", update),
    ("DeleteGroup", delete),
    ("ListGroups", list),
];

fn create(act: &mut Act<'_>) -> Done {
    let name = act.params.name("GroupName", 128)?.to_owned();
    let path = act.params.path("Path")?.to_owned();
    act.allow(&act.iam_arn(&format!("group{path}{name}")))?;
    let account = act.account()?;
    if account.groups.contains_key(&fold(&name)) {
        return Err(Fault::exists(format!("Group with name {name} already exists.")));
    }
    if account.groups.len() >= quota::GROUPS {
        return Err(Fault::quota("GroupsPerAccount", quota::GROUPS));
    }
    let id = act.world.ids.unique("AGPA");
    let made = Group { name, path, id, created: act.now, permissions: Permissions::default() };
    let mut xml = Xml::new();
    let account = act.account()?;
    xml.within("Group", |xml| group(xml, act, account, &made));
    act.account_mut()?.groups.insert(fold(&made.name), made);
    Ok(Some(xml))
}

fn get(act: &mut Act<'_>) -> Done {
    let key = act.on_group(&[])?;
    let (account, found) = (act.account()?, act.group(&key)?);
    let users = account.users.values().filter(|user| user.groups.contains(&found.id)).collect();
    let page = Page::of(act.params, users, |user: &&User| fold(&user.name))?;
    let mut xml = Xml::new();
    xml.within("Group", |xml| group(xml, act, account, found));
    xml.list("Users", &page.items, |xml, known| user(xml, act, account, known));
    page.end(&mut xml);
    Ok(Some(xml))
}

fn update(act: &mut Act<'_>) -> Done {
    let name = act.params.maybe_name("NewGroupName", 128)?.map(str::to_owned);
    let path = act.params.get("NewPath").map(|_| act.params.path("NewPath")).transpose()?;
    let path = path.map(str::to_owned);
    let key = act.on_group(&[])?;
    let known = act.group(&key)?;
    let name = name.unwrap_or_else(|| known.name.clone());
    let path = path.unwrap_or_else(|| known.path.clone());
    act.allow(&act.iam_arn(&format!("group{path}{name}")))?;
    let new_key = fold(&name);
    if new_key != key && act.account()?.groups.contains_key(&new_key) {
        return Err(Fault::exists(format!("Group with name {name} already exists.")));
    }
    let account = act.account_mut()?;
    if let Some(mut group) = account.groups.remove(&key) {
        (group.name, group.path) = (name, path);
        account.groups.insert(new_key, group);
    }
    Ok(None)
}

fn delete(act: &mut Act<'_>) -> Done {
    let key = act.on_group(&[])?;
    let (account, group) = (act.account()?, act.group(&key)?);
    let held = [
        (!group.permissions.attached.is_empty(), "detach all policies"),
        (!group.permissions.inline.is_empty(), "delete policies"),
        (
            account.users.values().any(|user| user.groups.contains(&group.id)),
            "remove users from group",
        ),
    ];
    if let Some((_, what)) = held.into_iter().find(|(there, _)| *there) {
        return Err(Fault::conflict(format!("Cannot delete entity, must {what} first.")));
    }
    act.account_mut()?.groups.remove(&key);
    Ok(None)
}

fn list(act: &mut Act<'_>) -> Done {
    let prefix = act.params.prefix()?;
    act.allow(&act.iam_arn(&format!("group{prefix}")))?;
    let account = act.account()?;
    let groups = account.groups.values().filter(|group| group.path.starts_with(prefix)).collect();
    let page = Page::of(act.params, groups, |group: &&Group| fold(&group.name))?;
    let mut xml = Xml::new();
    xml.list("Groups", &page.items, |xml, known| group(xml, act, account, known));
    page.end(&mut xml);
    Ok(Some(xml))
}
