//! Inline policies of users, groups and roles.

use super::holder::Holder;
use crate::sandbox::act::{Act, Done};
use crate::sandbox::dispatch::Table;
use crate::sandbox::evaluate::{Kind, Policy};
use crate::sandbox::fault::Fault;
use crate::sandbox::page::Page;
use crate::sandbox::policy_store::size;
use crate::sandbox::xml::Xml;

pub(super) const ACTIONS: Table = &[
    ("PutUserPolicy", |act| put(act, Holder::User)),
    ("PutGroupPolicy", |act| put(act, Holder::Group)),
    ("PutRolePolicy", |act| put(act, Holder::Role)),
    ("GetUserPolicy", |act| get(act, Holder::User)),
    ("GetGroupPolicy", |act| get(act, Holder::Group)),
    ("GetRolePolicy", |act| get(act, Holder::Role)),
    ("DeleteUserPolicy", |act| delete(act, Holder::User)),
    ("DeleteGroupPolicy", |act| delete(act, Holder::Group)),
    ("DeleteRolePolicy", |act| delete(act, Holder::Role)),
    ("ListUserPolicies", |act| list(act, Holder::User)),
    ("ListGroupPolicies", |act| list(act, Holder::Group)),
    ("ListRolePolicies", |act| list(act, Holder::Role)),
];

/// Overwrites silently (F16).
fn put(act: &mut Act<'_>, holder: Holder) -> Done {
    let name = act.params.name("PolicyName", 128)?;
    let document = act.params.document("PolicyDocument")?;
    let key = holder.find(act, &[])?;
    Policy::parse(document, Kind::Identity).map_err(|why| Fault::malformed(why.message))?;
    let held = holder.permissions(act, &key)?;
    let replaced = held.inline.get(name).map_or(0, |old| size(old));
    let after = held.inline_size().saturating_sub(replaced).saturating_add(size(document));
    let quota = holder.inline_quota();
    if after > quota {
        let (word, name) = (holder.word().to_lowercase(), holder.name(act, &key)?);
        return Err(Fault::limit(format!(
            "Maximum policy size of {quota} bytes exceeded for {word} {name}"
        )));
    }
    let (name, document) = (name.to_owned(), document.to_owned());
    holder.permissions_mut(act, &key)?.inline.insert(name, document);
    Ok(None)
}

fn get(act: &mut Act<'_>, holder: Holder) -> Done {
    let name = act.params.name("PolicyName", 128)?;
    let key = holder.find(act, &[])?;
    let held = holder.permissions(act, &key)?;
    let document = held.inline.get(name).ok_or_else(|| missing(holder, name))?;
    let mut xml = Xml::new();
    xml.text(&format!("{}Name", holder.word()), holder.name(act, &key)?);
    xml.text("PolicyName", name).document("PolicyDocument", document);
    Ok(Some(xml))
}

fn delete(act: &mut Act<'_>, holder: Holder) -> Done {
    let name = act.params.name("PolicyName", 128)?;
    let key = holder.find(act, &[])?;
    let held = holder.permissions_mut(act, &key)?;
    held.inline.remove(name).map(|_| None).ok_or_else(|| missing(holder, name))
}

fn list(act: &mut Act<'_>, holder: Holder) -> Done {
    let key = holder.find(act, &[])?;
    let names = holder.permissions(act, &key)?.inline.keys().collect();
    let page = Page::of(act.params, names, |name| (*name).clone())?;
    let mut xml = Xml::new();
    xml.texts("PolicyNames", &page.items);
    page.end(&mut xml);
    Ok(Some(xml))
}

fn missing(holder: Holder, name: &str) -> Fault {
    let word = holder.word().to_lowercase();
    Fault::missing(format!("The {word} policy with name {name} cannot be found."))
}
