//! Roles.

use super::{bounding, instance_profiles, role, whole_role};
use crate::sandbox::account::fold;
use crate::sandbox::act::{Act, Done};
use crate::sandbox::dispatch::Table;
use crate::sandbox::evaluate::{Kind, Policy};
use crate::sandbox::fault::Fault;
use crate::sandbox::page::Page;
use crate::sandbox::policy_store::{Permissions, size};
use crate::sandbox::quota;
use crate::sandbox::role::Role;
use crate::sandbox::xml::Xml;

pub(super) const ACTIONS: Table = &[
    ("CreateRole", create),
    ("GetRole", get),
    ("ListRoles", list),
    ("DeleteRole", delete),
    ("UpdateRole", update),
    ("UpdateRoleDescription", describe),
    ("UpdateAssumeRolePolicy", trust),
];

const HOUR: i64 = 3_600;
const TWELVE_HOURS: i64 = 43_200;

fn create(act: &mut Act<'_>) -> Done {
    let name = act.params.name("RoleName", 64)?.to_owned();
    let path = act.params.path("Path")?.to_owned();
    let trust = act.params.document("AssumeRolePolicyDocument")?.to_owned();
    let max_session = act.params.number("MaxSessionDuration", HOUR, TWELVE_HOURS)?.unwrap_or(HOUR);
    let description = act.params.maybe_text("Description", 0, 1000)?.map(str::to_owned);
    let boundary = act.params.maybe_arn("PermissionsBoundary")?;
    let tags = act.params.tags()?;
    let arn = act.iam_arn(&format!("role{path}{name}"));
    let bound: Vec<_> = boundary.iter().map(|arn| ("iam:PermissionsBoundary", *arn)).collect();
    act.allow_tagging(&arn, &bound, &tags)?;
    trusting(act, &trust)?;
    let account = act.account()?;
    if account.roles.contains_key(&fold(&name)) {
        return Err(Fault::exists(format!("Role with name {name} already exists.")));
    }
    if account.roles.len() >= quota::ROLES {
        return Err(Fault::quota("RolesPerAccount", quota::ROLES));
    }
    let boundary = boundary.map(|arn| bounding(account, arn)).transpose()?;
    let made = Role {
        id: act.world.ids.unique("AROA"),
        created: act.now,
        permissions: Permissions { boundary, ..Permissions::default() },
        last_used: None,
        name,
        path,
        trust,
        max_session,
        description,
        tags,
    };
    let mut xml = Xml::new();
    let account = act.account()?;
    xml.within("Role", |xml| {
        role(xml, act, account, &made);
        super::bound(xml, &made.permissions);
        super::tagged(xml, &made.tags);
    });
    act.account_mut()?.roles.insert(fold(&made.name), made);
    Ok(Some(xml))
}

/// Whether a text can be a role's trust: IAM also refuses principals that it does not find.
fn trusting(act: &Act<'_>, text: &str) -> Result<(), Fault> {
    let policy = Policy::parse(text, Kind::Trust).map_err(|why| Fault::malformed(why.message))?;
    if size(text) > quota::TRUST_SIZE {
        return Err(Fault::quota("ACLSizePerRole", quota::TRUST_SIZE));
    }
    match policy.principals().find(|principal| !is_there(act, principal)) {
        None => Ok(()),
        Some(stranger) => {
            Err(Fault::malformed(format!("Invalid principal in policy: \"AWS\":\"{stranger}\"")))
        }
    }
}

/// Whether a principal exists; those of accounts that the sandbox does not have count as there.
fn is_there(act: &Act<'_>, principal: &str) -> bool {
    let mut fields = principal.splitn(6, ':');
    let (service, id) = (fields.nth(2), fields.nth(1));
    let (Some("iam"), Some(id), Some(rest)) = (service, id, fields.next()) else {
        return principal.starts_with("arn:")
            || act.world.account_ids().any(|id| {
                act.world.account(id).is_some_and(|account| {
                    account.user_of_id(principal).is_some()
                        || account.role_of_id(principal).is_some()
                })
            });
    };
    let Some(account) = act.world.account(id) else { return true };
    let name = fold(rest.rsplit('/').next().unwrap_or_default());
    let partition = &act.world.partition;
    let user = account.users.get(&name).map(|user| user.arn(partition, id));
    let role = account.roles.get(&name).map(|role| role.arn(partition, id));
    [user, role].into_iter().flatten().any(|arn| arn == principal)
}

fn get(act: &mut Act<'_>) -> Done {
    let key = act.on_role(&[])?;
    let mut xml = Xml::new();
    let (account, found) = (act.account()?, act.role(&key)?);
    xml.within("Role", |xml| whole_role(xml, act, account, found));
    Ok(Some(xml))
}

fn list(act: &mut Act<'_>) -> Done {
    let prefix = act.params.prefix()?;
    act.allow(&act.iam_arn(&format!("role{prefix}")))?;
    let account = act.account()?;
    let roles = account.roles.values().filter(|role| role.path.starts_with(prefix)).collect();
    let page = Page::of(act.params, roles, |role: &&Role| fold(&role.name))?;
    let mut xml = Xml::new();
    xml.list("Roles", &page.items, |xml, known| role(xml, act, account, known));
    page.end(&mut xml);
    Ok(Some(xml))
}

fn delete(act: &mut Act<'_>) -> Done {
    let key = act.on_role(&[])?;
    let held = &act.role(&key)?.permissions;
    if !held.attached.is_empty() {
        return Err(Fault::conflict("Cannot delete entity, must detach all policies first."));
    }
    if !held.inline.is_empty() {
        return Err(Fault::conflict("Cannot delete entity, must delete policies first."));
    }
    if act.account()?.profiles_of(act.role(&key)?).next().is_some() {
        return Err(Fault::conflict(instance_profiles::HELD));
    }
    act.account_mut()?.roles.remove(&key);
    Ok(None)
}

fn update(act: &mut Act<'_>) -> Done {
    let max_session = act.params.number("MaxSessionDuration", HOUR, TWELVE_HOURS)?;
    let description = act.params.maybe_text("Description", 0, 1000)?.map(str::to_owned);
    let key = act.on_role(&[])?;
    let role = act.role_mut(&key)?;
    // Left out, AWS sets the default again.
    role.max_session = max_session.unwrap_or(HOUR);
    role.description = description.or_else(|| role.description.take());
    Ok(Some(Xml::new()))
}

fn describe(act: &mut Act<'_>) -> Done {
    let description = act.params.text("Description", 0, 1000)?.to_owned();
    let key = act.on_role(&[])?;
    act.role_mut(&key)?.description = Some(description);
    let mut xml = Xml::new();
    let (account, found) = (act.account()?, act.role(&key)?);
    xml.within("Role", |xml| whole_role(xml, act, account, found));
    Ok(Some(xml))
}

fn trust(act: &mut Act<'_>) -> Done {
    let text = act.params.document("PolicyDocument")?.to_owned();
    let key = act.on_role(&[])?;
    trusting(act, &text)?;
    act.role_mut(&key)?.trust = text;
    Ok(None)
}
