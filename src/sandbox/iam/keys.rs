//! Access keys.

use crate::sandbox::act::{Act, Done};
use crate::sandbox::dispatch::Table;
use crate::sandbox::fault::Fault;
use crate::sandbox::page::Page;
use crate::sandbox::quota;
use crate::sandbox::user::AccessKey;
use crate::sandbox::xml::Xml;

pub(super) const ACTIONS: Table = &[
    ("CreateAccessKey", create),
    ("ListAccessKeys", list),
    ("UpdateAccessKey", update),
    ("DeleteAccessKey", delete),
    ("GetAccessKeyLastUsed", last_used),
];

fn create(act: &mut Act<'_>) -> Done {
    let key = act.on_user(128, &[])?;
    if act.user(&key)?.keys.len() >= quota::KEYS_PER_USER {
        return Err(Fault::quota("AccessKeysPerUser", quota::KEYS_PER_USER));
    }
    let (account, name) = (act.caller.account.clone(), act.user(&key)?.name.clone());
    let made = act.world.add_key(&account, &key, act.now).unwrap_or_default();
    let mut xml = Xml::new();
    xml.within("AccessKey", |xml| {
        xml.text("UserName", name).text("AccessKeyId", made.access_key_id);
        xml.text("Status", "Active").text("SecretAccessKey", made.secret_access_key);
        xml.time("CreateDate", act.now);
    });
    Ok(Some(xml))
}

fn list(act: &mut Act<'_>) -> Done {
    let key = act.on_user(128, &[])?;
    let user = act.user(&key)?;
    let page = Page::of(act.params, user.keys.iter().collect(), |key| key.id.clone())?;
    let mut xml = Xml::new();
    // Not in the service model, but AWS sends it.
    xml.text("UserName", &user.name);
    xml.list("AccessKeyMetadata", &page.items, |xml, key: &&AccessKey| {
        xml.text("UserName", &user.name).text("AccessKeyId", &key.id);
        xml.text("Status", key.status.as_str()).time("CreateDate", key.created);
    });
    page.end(&mut xml);
    Ok(Some(xml))
}

fn update(act: &mut Act<'_>) -> Done {
    let id = act.params.id("AccessKeyId", 16)?;
    let status = act.params.status()?;
    let key = act.on_user(128, &[])?;
    let mut keys = act.user_mut(&key)?.keys.iter_mut();
    let found = keys.find(|key| key.id == id).ok_or_else(|| missing(id))?;
    found.status = status;
    Ok(None)
}

fn delete(act: &mut Act<'_>) -> Done {
    let id = act.params.id("AccessKeyId", 16)?;
    let key = act.on_user(128, &[])?;
    let keys = &mut act.user_mut(&key)?.keys;
    let place = keys.iter().position(|key| key.id == id).ok_or_else(|| missing(id))?;
    keys.remove(place);
    Ok(None)
}

/// The owner of any key of the account (F21). Of another account's key AWS says nothing but that it
/// is not allowed.
fn last_used(act: &mut Act<'_>) -> Done {
    let id = act.params.id("AccessKeyId", 16)?;
    let account = act.account()?;
    let found = account.key(id);
    let owner = found.map(|(user, _)| user.arn(&act.world.partition, &account.id));
    act.allow(owner.as_deref().unwrap_or("*"))?;
    let Some((user, key)) = found else {
        let mut accounts = act.world.account_ids();
        let foreign =
            accounts.any(|other| act.world.account(other).is_some_and(|a| a.key(id).is_some()));
        return Err(if foreign {
            let (arn, action) = (&act.caller.arn, act.full_action());
            Fault::denied(format!(
                "User: {arn} is not authorized to perform: {action} on resource: access key {id}"
            ))
        } else {
            missing(id)
        });
    };
    let mut xml = Xml::new();
    xml.text("UserName", &user.name);
    xml.within("AccessKeyLastUsed", |xml| {
        let used = key.last_used.as_ref();
        if let Some(used) = used {
            xml.time("LastUsedDate", used.at);
        }
        xml.text("ServiceName", used.map_or("N/A", |used| &used.service));
        xml.text("Region", used.map_or("N/A", |used| &used.region));
    });
    Ok(Some(xml))
}

fn missing(id: &str) -> Fault {
    Fault::missing(format!("The Access Key with id {id} cannot be found."))
}
