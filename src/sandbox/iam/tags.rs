//! Tags of users, roles and policies.

use super::policies::{found, own};
use super::tag_list;
use crate::sandbox::act::{Act, Done};
use crate::sandbox::dispatch::Table;
use crate::sandbox::fault::Fault;
use crate::sandbox::page::Page;
use crate::sandbox::policy_store::Tag;
use crate::sandbox::quota;
use crate::sandbox::xml::Xml;

pub(super) const ACTIONS: Table = &[
    ("TagUser", |act| {
        let (key, new) = (act.on_named_user(128, &[])?, act.params.tags()?);
        tag(&mut act.user_mut(&key)?.tags, new)
    }),
    ("UntagUser", |act| {
        let (key, old) = (act.on_named_user(128, &[])?, keys(act));
        untag(&mut act.user_mut(&key)?.tags, &old)
    }),
    ("ListUserTags", |act| {
        let key = act.on_named_user(128, &[])?;
        list(act, &act.user(&key)?.tags)
    }),
    ("TagRole", |act| {
        let (key, new) = (act.on_role(&[])?, act.params.tags()?);
        tag(&mut act.role_mut(&key)?.tags, new)
    }),
    ("UntagRole", |act| {
        let (key, old) = (act.on_role(&[])?, keys(act));
        untag(&mut act.role_mut(&key)?.tags, &old)
    }),
    ("ListRoleTags", |act| {
        let key = act.on_role(&[])?;
        list(act, &act.role(&key)?.tags)
    }),
    ("TagPolicy", |act| {
        let new = act.params.tags()?;
        tag(&mut own(act)?.tags, new)
    }),
    ("UntagPolicy", |act| {
        let old = keys(act);
        untag(&mut own(act)?.tags, &old)
    }),
    ("ListPolicyTags", |act| {
        let policy = found(act)?;
        list(act, &policy.tags)
    }),
];

fn keys(act: &Act<'_>) -> Vec<String> {
    act.params.list("TagKeys").into_iter().map(str::to_owned).collect()
}

fn tag(tags: &mut Vec<Tag>, new: Vec<Tag>) -> Done {
    let mut after: Vec<Tag> = tags.clone();
    for tag in new {
        match after.iter_mut().find(|known| known.key.eq_ignore_ascii_case(&tag.key)) {
            Some(known) => *known = tag,
            None => after.push(tag),
        }
    }
    if after.len() > quota::TAGS {
        return Err(Fault::limit("The number of tags has reached the maximum limit."));
    }
    *tags = after;
    Ok(None)
}

fn untag(tags: &mut Vec<Tag>, keys: &[String]) -> Done {
    tags.retain(|tag| !keys.iter().any(|key| key.eq_ignore_ascii_case(&tag.key)));
    Ok(None)
}

fn list(act: &Act<'_>, tags: &[Tag]) -> Done {
    let page = Page::of(act.params, tags.to_vec(), |tag| tag.key.clone())?;
    let mut xml = Xml::new();
    tag_list(&mut xml, &page.items);
    page.end(&mut xml);
    Ok(Some(xml))
}
