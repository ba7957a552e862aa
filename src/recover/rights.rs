//! A policy in place of what a user may do now.

use super::{RIGHTS_NAME, wave};
use crate::error::{Error, Result};
use crate::lineage::{Lineage, is_our_name};
use crate::plan::{Change, Step};
use crate::policy::{PolicyDocument, deny_all_arn, is_aws_quarantine};
use crate::resource::{Resource, Value};
use crate::snapshot::{Observed, Quotas, Snapshot};

/// The steps, and what the person has to know of them.
pub(super) struct Narrowed {
    pub(super) steps: Vec<Step>,
    pub(super) warnings: Vec<String>,
}

/// Grants the policy, and takes away every other grant; a deny stays, whoever wrote it (D2.9).
pub(super) fn narrow(
    snapshot: &Snapshot,
    lineage: &Lineage,
    policy: &PolicyDocument,
) -> Result<Narrowed> {
    let Observed::Read(inline) = &snapshot.inline_policies else {
        return Err(unread(snapshot, "inline policies"));
    };
    let Observed::Read(attached) = &snapshot.attached_policies else {
        return Err(unread(snapshot, "attached policies"));
    };
    let Observed::Read(groups) = &snapshot.groups else {
        return Err(unread(snapshot, "groups"));
    };
    let name = format!("{RIGHTS_NAME}{}", lineage.short());
    let mut steps = Vec::new();
    let mut warnings = Vec::new();
    let mut there = None;
    let mut taken = 0;
    for one in inline {
        let Observed::Read(document) = &one.document else {
            return Err(unread(snapshot, &format!("inline policy `{}`", one.name)));
        };
        if one.name == name {
            there = Some(document);
            continue;
        }
        taken += document.quota_size();
        if is_our_name(&one.name) || only_denies(document) {
            continue;
        }
        if denies_something(document) {
            let name = crate::text::shown(&one.name);
            warnings.push(format!("what inline_policy/{name} denies goes with what it grants"));
        }
        let resource = Resource::InlinePolicy(one.name.clone());
        steps.push(removal(resource, Value::Document(document.clone())));
    }
    fits(snapshot, policy, taken)?;
    let deny_all = deny_all_arn(snapshot.arn().partition());
    for one in attached {
        let ours = is_our_name(one.arn.rsplit('/').next().unwrap_or_default());
        if !ours && one.arn != deny_all && !is_aws_quarantine(&one.arn) {
            steps.push(removal(Resource::AttachedPolicy(one.arn.clone()), Value::Attached));
        }
    }
    for group in groups {
        steps.push(removal(Resource::Group(group.name.clone()), Value::Member));
    }
    if !groups.is_empty() {
        warnings.push("what its groups deny goes with what they grant".to_owned());
    }
    if there != Some(policy) {
        steps.insert(0, grant(&name, there, policy));
    }
    Ok(Narrowed { steps, warnings })
}

fn grant(name: &str, before: Option<&PolicyDocument>, policy: &PolicyDocument) -> Step {
    Step {
        id: 0,
        wave: wave::GRANT,
        resource: Resource::InlinePolicy(name.to_owned()),
        action: if before.is_some() { Change::Update } else { Change::Create },
        before: before.cloned().map(Value::Document),
        after: Some(Value::Document(policy.clone())),
        reversible: true,
        reason: "what the workload may do from now on".to_owned(),
        cautions: Vec::new(),
    }
}

fn removal(resource: Resource, before: Value) -> Step {
    Step {
        id: 0,
        wave: wave::NARROW,
        resource,
        action: Change::Delete,
        before: Some(before),
        after: None,
        reversible: true,
        reason: "the new policy takes its place".to_owned(),
        cautions: Vec::new(),
    }
}

fn denies(statement: &serde_json::Value) -> bool {
    statement.get("Effect").and_then(serde_json::Value::as_str) == Some("Deny")
}

/// Whether any statement is a deny.
fn denies_something(document: &PolicyDocument) -> bool {
    match document.value().get("Statement") {
        Some(serde_json::Value::Array(all)) => all.iter().any(denies),
        Some(one) => denies(one),
        None => false,
    }
}

/// Whether every statement is a deny.
fn only_denies(document: &PolicyDocument) -> bool {
    match document.value().get("Statement") {
        Some(serde_json::Value::Array(all)) => !all.is_empty() && all.iter().all(denies),
        Some(one) => denies(one),
        None => false,
    }
}

/// The new policy stands beside the old ones until these are gone: nothing is to stop in between (F15).
fn fits(snapshot: &Snapshot, policy: &PolicyDocument, taken: usize) -> Result<()> {
    let quotas = snapshot.quotas.read().copied().unwrap_or_else(Quotas::default);
    let (room, size) = (quotas.inline_size() as usize, policy.quota_size());
    if taken + size <= room {
        return Ok(());
    }
    Err(Error::failed(format!(
        "the policy does not fit beside the inline policies of {}",
        snapshot.who()
    ))
    .because(format!("it has {size} characters, {taken} are taken, {room} is the most in all"))
    .hint("make it shorter: fewer resources, or wildcards in actions"))
}

fn unread(snapshot: &Snapshot, what: &str) -> Error {
    Error::failed(format!("the {what} of {} could not be read", snapshot.who()))
        .because("what is not read could not be given back")
        .hint("grant what examples/responder-policy.json grants, then plan again")
}
