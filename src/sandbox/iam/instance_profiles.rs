//! Instance profiles.

use super::{brief_role, tagged};
use crate::sandbox::account::{Account, fold};
use crate::sandbox::act::{Act, Done, no_role};
use crate::sandbox::dispatch::Table;
use crate::sandbox::fault::Fault;
use crate::sandbox::instance_profile::InstanceProfile;
use crate::sandbox::page::Page;
use crate::sandbox::quota;
use crate::sandbox::xml::Xml;

pub(super) const ACTIONS: Table = &[
    ("CreateInstanceProfile", create),
    ("GetInstanceProfile", get),
    ("ListInstanceProfiles", list),
    ("ListInstanceProfilesForRole", list_for_role),
    ("DeleteInstanceProfile", delete),
    ("AddRoleToInstanceProfile", add_role),
    ("RemoveRoleFromInstanceProfile", remove_role),
];

/// Why neither an instance profile nor a role can go while one is in the other.
pub(super) const HELD: &str =
    "Cannot delete entity, must remove roles from instance profile first.";

fn create(act: &mut Act<'_>) -> Done {
    let name = act.params.name("InstanceProfileName", 128)?.to_owned();
    let path = act.params.path("Path")?.to_owned();
    let tags = act.params.tags()?;
    act.allow_tagging(&act.iam_arn(&format!("instance-profile{path}{name}")), &[], &tags)?;
    let known = &act.account()?.instance_profiles;
    if known.contains_key(&fold(&name)) {
        return Err(Fault::exists(format!("Instance Profile {name} already exists.")));
    }
    if known.len() >= quota::INSTANCE_PROFILES {
        return Err(Fault::quota("InstanceProfilesPerAccount", quota::INSTANCE_PROFILES));
    }
    let id = act.world.ids.unique("AIPA");
    let made = InstanceProfile { id, created: act.now, role: None, name, path, tags };
    let xml = whole(act, &made)?;
    act.account_mut()?.instance_profiles.insert(fold(&made.name), made);
    Ok(Some(xml))
}

fn get(act: &mut Act<'_>) -> Done {
    let key = on_profile(act)?;
    Ok(Some(whole(act, profile(act, &key)?)?))
}

fn list(act: &mut Act<'_>) -> Done {
    let prefix = act.params.prefix()?;
    act.allow(&act.iam_arn(&format!("instance-profile{prefix}")))?;
    let profiles = act.account()?.instance_profiles.values();
    listed(act, profiles.filter(|profile| profile.path.starts_with(prefix)).collect())
}

fn list_for_role(act: &mut Act<'_>) -> Done {
    let key = act.on_role(&[])?;
    listed(act, act.account()?.profiles_of(act.role(&key)?).collect())
}

fn listed(act: &Act<'_>, profiles: Vec<&InstanceProfile>) -> Done {
    let account = act.account()?;
    let page = Page::of(act.params, profiles, |profile| fold(&profile.name))?;
    let mut xml = Xml::new();
    xml.list("InstanceProfiles", &page.items, |xml, known| brief(xml, act, account, known));
    page.end(&mut xml);
    Ok(Some(xml))
}

fn delete(act: &mut Act<'_>) -> Done {
    let key = on_profile(act)?;
    if profile(act, &key)?.role.is_some() {
        return Err(Fault::conflict(HELD));
    }
    act.account_mut()?.instance_profiles.remove(&key);
    Ok(None)
}

fn add_role(act: &mut Act<'_>) -> Done {
    let name = act.params.name("RoleName", 64)?;
    let key = on_profile(act)?;
    let account = act.account()?;
    let role = account.roles.get(&fold(name)).ok_or_else(|| no_role(name))?;
    if role.path.starts_with("/aws-service-role/") {
        return Err(Fault::new(
            400,
            "UnmodifiableEntity",
            format!("Cannot perform the operation on the protected role '{}'", role.name),
        ));
    }
    act.allow_passing(&role.arn(&act.world.partition, &account.id))?;
    if profile(act, &key)?.role.is_some() {
        return Err(Fault::quota("InstanceSessionsPerInstanceProfile", 1));
    }
    let id = role.id.clone();
    profile_mut(act, &key)?.role = Some(id);
    Ok(None)
}

fn remove_role(act: &mut Act<'_>) -> Done {
    let name = act.params.name("RoleName", 64)?.to_owned();
    let key = on_profile(act)?;
    let role = act.account()?.roles.get(&fold(&name)).map(|role| role.id.clone());
    let profile = profile_mut(act, &key)?;
    if role.is_none() || profile.role != role {
        return Err(no_role(&name));
    }
    profile.role = None;
    Ok(None)
}

/// The instance profile that a call is about, once the caller may: as it is looked up.
fn on_profile(act: &Act<'_>) -> Result<String, Fault> {
    let name = act.params.name("InstanceProfileName", 128)?;
    let account = act.account()?;
    let found = account.instance_profiles.get(&fold(name));
    let arn = match found {
        Some(profile) => profile.arn(&act.world.partition, &account.id),
        None => act.iam_arn(&format!("instance-profile/{name}")),
    };
    act.allow_on(&arn, None, found.map_or(&[][..], |profile| &profile.tags), &[])?;
    found.map(|profile| fold(&profile.name)).ok_or_else(|| missing(name))
}

fn profile<'a>(act: &'a Act<'_>, key: &str) -> Result<&'a InstanceProfile, Fault> {
    act.account()?.instance_profiles.get(key).ok_or_else(|| missing(key))
}

fn profile_mut<'a>(act: &'a mut Act<'_>, key: &str) -> Result<&'a mut InstanceProfile, Fault> {
    act.account_mut()?.instance_profiles.get_mut(key).ok_or_else(|| missing(key))
}

fn missing(name: &str) -> Fault {
    Fault::missing(format!("Instance Profile {name} cannot be found."))
}

/// Writes what a listing tells of an instance profile.
pub(super) fn brief(xml: &mut Xml, act: &Act<'_>, account: &Account, profile: &InstanceProfile) {
    xml.text("Path", &profile.path).text("InstanceProfileName", &profile.name);
    xml.text("InstanceProfileId", &profile.id);
    xml.text("Arn", profile.arn(&act.world.partition, &account.id));
    xml.time("CreateDate", profile.created);
    let role = profile.role.as_ref().and_then(|id| account.role_of_id(id));
    xml.list("Roles", role, |xml, role| brief_role(xml, act, account, role));
}

fn whole(act: &Act<'_>, profile: &InstanceProfile) -> Result<Xml, Fault> {
    let account = act.account()?;
    let mut xml = Xml::new();
    xml.within("InstanceProfile", |xml| {
        brief(xml, act, account, profile);
        tagged(xml, &profile.tags);
    });
    Ok(xml)
}
