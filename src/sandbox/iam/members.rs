//! Who is in which group.

use super::group;
use crate::sandbox::account::fold;
use crate::sandbox::act::{Act, Done, no_user};
use crate::sandbox::dispatch::Table;
use crate::sandbox::fault::Fault;
use crate::sandbox::page::Page;
use crate::sandbox::quota;
use crate::sandbox::role::Group;
use crate::sandbox::xml::Xml;

pub(super) const ACTIONS: Table =
    &[("AddUserToGroup", add), ("RemoveUserFromGroup", remove), ("ListGroupsForUser", list)];

/// Judged on the group, not on the user.
fn found(act: &Act<'_>) -> Result<(String, String), Fault> {
    let name = act.params.name("UserName", 128)?;
    let group = act.on_group(&[])?;
    let user = act.account()?.user(name).ok_or_else(|| no_user(name))?;
    Ok((fold(&user.name), act.group(&group)?.id.clone()))
}

fn add(act: &mut Act<'_>) -> Done {
    let (user, group) = found(act)?;
    let groups = &mut act.user_mut(&user)?.groups;
    if groups.contains(&group) {
        return Ok(None);
    }
    if groups.len() >= quota::GROUPS_PER_USER {
        return Err(Fault::quota("GroupsPerUser", quota::GROUPS_PER_USER));
    }
    groups.push(group);
    Ok(None)
}

/// AWS's words for somebody who is not in the group.
fn remove(act: &mut Act<'_>) -> Done {
    let (user, group) = found(act)?;
    let groups = &mut act.user_mut(&user)?.groups;
    if !groups.contains(&group) {
        let name = &act.user(&user)?.name;
        return Err(Fault::missing(format!("User {name} is not in the group.")));
    }
    groups.retain(|known| *known != group);
    Ok(None)
}

fn list(act: &mut Act<'_>) -> Done {
    let key = act.on_named_user(128, &[])?;
    let (account, user) = (act.account()?, act.user(&key)?);
    let groups = account.groups_of(user).collect();
    let page = Page::of(act.params, groups, |group: &&Group| fold(&group.name))?;
    let mut xml = Xml::new();
    xml.list("Groups", &page.items, |xml, known| group(xml, act, account, known));
    page.end(&mut xml);
    Ok(Some(xml))
}
