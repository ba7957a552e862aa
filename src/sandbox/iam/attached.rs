//! Managed policies attached to users, groups and roles.

use super::attachable;
use super::holder::Holder;
use crate::sandbox::account::fold;
use crate::sandbox::act::{Act, Done};
use crate::sandbox::dispatch::Table;
use crate::sandbox::fault::Fault;
use crate::sandbox::page::Page;
use crate::sandbox::quota;
use crate::sandbox::xml::Xml;

pub(super) const ACTIONS: Table = &[
    ("AttachUserPolicy", |act| attach(act, Holder::User)),
    ("AttachGroupPolicy", |act| attach(act, Holder::Group)),
    ("AttachRolePolicy", |act| attach(act, Holder::Role)),
    ("DetachUserPolicy", |act| detach(act, Holder::User)),
    ("DetachGroupPolicy", |act| detach(act, Holder::Group)),
    ("DetachRolePolicy", |act| detach(act, Holder::Role)),
    ("ListAttachedUserPolicies", |act| list(act, Holder::User)),
    ("ListAttachedGroupPolicies", |act| list(act, Holder::Group)),
    ("ListAttachedRolePolicies", |act| list(act, Holder::Role)),
];

fn attach(act: &mut Act<'_>, holder: Holder) -> Done {
    let arn = act.params.arn("PolicyArn")?;
    let key = holder.find(act, &[("iam:PolicyARN", arn)])?;
    let arn = attachable(act.account()?, arn)?;
    let held = holder.permissions_mut(act, &key)?;
    if held.attached.contains(&arn) {
        return Ok(None);
    }
    if held.attached.len() >= quota::ATTACHED {
        return Err(Fault::quota(&format!("PoliciesPer{}", holder.word()), quota::ATTACHED));
    }
    held.attached.push(arn);
    Ok(None)
}

fn detach(act: &mut Act<'_>, holder: Holder) -> Done {
    let arn = act.params.arn("PolicyArn")?;
    let key = holder.find(act, &[("iam:PolicyARN", arn)])?;
    let held = holder.permissions_mut(act, &key)?;
    let before = held.attached.len();
    held.attached.retain(|attached| fold(attached) != fold(arn));
    if held.attached.len() == before {
        return Err(Fault::missing(format!("Policy {arn} was not found.")));
    }
    Ok(None)
}

fn list(act: &mut Act<'_>, holder: Holder) -> Done {
    let prefix = act.params.prefix()?;
    let key = holder.find(act, &[])?;
    let held = holder.permissions(act, &key)?;
    let account = act.account()?;
    let path = |arn: &str| {
        account.policy(arn).map_or_else(|| "/".to_owned(), |policy| policy.path.clone())
    };
    let arns: Vec<&String> =
        held.attached.iter().filter(|arn| path(arn).starts_with(prefix)).collect();
    let page = Page::of(act.params, arns, |arn| (*arn).clone())?;
    let mut xml = Xml::new();
    xml.list("AttachedPolicies", &page.items, |xml, arn| policy(xml, arn));
    page.end(&mut xml);
    Ok(Some(xml))
}

/// Writes a policy as lists of attached ones have it.
pub(super) fn policy(xml: &mut Xml, arn: &str) {
    let name = arn.rsplit('/').next().unwrap_or_default();
    xml.text("PolicyName", name).text("PolicyArn", arn);
}
