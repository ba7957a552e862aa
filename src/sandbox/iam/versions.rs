//! Versions of managed policies.

use super::policies::{checked, fits, found, own};
use crate::sandbox::act::{Act, Done};
use crate::sandbox::dispatch::Table;
use crate::sandbox::fault::Fault;
use crate::sandbox::page::Page;
use crate::sandbox::policy_store::{Managed, Version};
use crate::sandbox::quota;
use crate::sandbox::rules;
use crate::sandbox::xml::Xml;

pub(super) const ACTIONS: Table = &[
    ("CreatePolicyVersion", create),
    ("GetPolicyVersion", get),
    ("DeletePolicyVersion", delete),
    ("ListPolicyVersions", list),
    ("SetDefaultPolicyVersion", set_default),
];

fn create(act: &mut Act<'_>) -> Done {
    let document = checked(act)?;
    let set_default = act.params.flag("SetAsDefault")?.unwrap_or(false);
    let now = act.now;
    let policy = own(act)?;
    fits(&document)?;
    if policy.versions.len() >= quota::VERSIONS {
        return Err(Fault::limit(format!(
            "A managed policy can have up to {} versions. Before you create a new version, you \
             must delete an existing version.",
            quota::VERSIONS
        )));
    }
    let number = policy.next;
    policy.next = number.saturating_add(1);
    policy.updated = now;
    policy.versions.push(Version { number, document, created: now });
    if set_default {
        policy.default = number;
    }
    let mut xml = Xml::new();
    xml.within("PolicyVersion", |xml| {
        xml.value("VersionId", format!("v{number}")).value("IsDefaultVersion", set_default);
        xml.time("CreateDate", now);
    });
    Ok(Some(xml))
}

fn get(act: &mut Act<'_>) -> Done {
    let number = number(act)?;
    let policy = found(act)?;
    let version = policy.version(number).ok_or_else(|| missing(&policy, number))?;
    let mut xml = Xml::new();
    xml.within("PolicyVersion", |xml| {
        xml.document("Document", &version.document);
        brief(xml, &policy, version);
    });
    Ok(Some(xml))
}

/// Writes a version without its document.
pub(super) fn brief(xml: &mut Xml, policy: &Managed, version: &Version) {
    xml.value("VersionId", format!("v{}", version.number));
    xml.value("IsDefaultVersion", version.number == policy.default);
    xml.time("CreateDate", version.created);
}

fn delete(act: &mut Act<'_>) -> Done {
    let number = number(act)?;
    let policy = own(act)?;
    if policy.version(number).is_none() {
        return Err(missing(policy, number));
    }
    if policy.default == number {
        return Err(Fault::conflict("Cannot delete the default version of a policy."));
    }
    policy.versions.retain(|version| version.number != number);
    Ok(None)
}

fn list(act: &mut Act<'_>) -> Done {
    let policy = found(act)?;
    let newest_first = policy.versions.iter().rev().collect();
    let page =
        Page::of(act.params, newest_first, |version: &&Version| format!("v{}", version.number))?;
    let mut xml = Xml::new();
    xml.list("Versions", &page.items, |xml, version| brief(xml, &policy, version));
    page.end(&mut xml);
    Ok(Some(xml))
}

fn set_default(act: &mut Act<'_>) -> Done {
    let number = number(act)?;
    let now = act.now;
    let policy = own(act)?;
    if policy.version(number).is_none() {
        return Err(missing(policy, number));
    }
    policy.default = number;
    policy.updated = now;
    Ok(None)
}

fn number(act: &Act<'_>) -> Result<u32, Fault> {
    let text = act.params.need("VersionId")?;
    let odd = || rules::pattern("VersionId", text, "v[1-9][0-9]*(\\.[A-Za-z0-9-]*)?");
    text.strip_prefix('v').and_then(|digits| digits.parse().ok()).ok_or_else(odd)
}

fn missing(policy: &Managed, number: u32) -> Fault {
    Fault::missing(format!(
        "Policy {} version v{number} does not exist or is not attachable.",
        policy.arn
    ))
}
