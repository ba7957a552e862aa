//! Managed policies.

use super::tagged;
use crate::sandbox::account::{Account, fold};
use crate::sandbox::act::{Act, Done};
use crate::sandbox::dispatch::Table;
use crate::sandbox::evaluate::{Kind, Policy};
use crate::sandbox::fault::Fault;
use crate::sandbox::managed;
use crate::sandbox::page::Page;
use crate::sandbox::policy_store::{Managed, Permissions, Version, size};
use crate::sandbox::quota;
use crate::sandbox::xml::Xml;

pub(super) const ACTIONS: Table = &[
    ("CreatePolicy", create),
    ("GetPolicy", get),
    ("DeletePolicy", delete),
    ("ListPolicies", list),
    ("ListEntitiesForPolicy", entities),
];

fn create(act: &mut Act<'_>) -> Done {
    let name = act.params.name("PolicyName", 128)?.to_owned();
    let path = act.params.path("Path")?.to_owned();
    let document = checked(act)?;
    let description = act.params.maybe_text("Description", 0, 1000)?.map(str::to_owned);
    let tags = act.params.tags()?;
    let arn = act.iam_arn(&format!("policy{path}{name}"));
    act.allow_tagging(&arn, &[], &tags)?;
    fits(&document)?;
    let own = |policy: &&Managed| !managed::is_of_aws(&policy.arn);
    let mut policies = act.account()?.policies.values().filter(own);
    // Names are unique in the account whatever their paths.
    if policies.clone().any(|known| fold(&known.name) == fold(&name)) {
        let message =
            format!("A policy called {name} already exists. Duplicate names are not allowed.");
        return Err(Fault::exists(message));
    }
    if policies.by_ref().count() >= quota::POLICIES {
        return Err(Fault::quota("PoliciesPerAccount", quota::POLICIES));
    }
    let version = Version { number: 1, document, created: act.now };
    let made = Managed {
        id: act.world.ids.unique("ANPA"),
        created: act.now,
        updated: act.now,
        versions: vec![version],
        default: 1,
        next: 2,
        name,
        path,
        arn,
        description,
        tags,
    };
    let mut xml = Xml::new();
    xml.within("Policy", |xml| {
        brief(xml, &made, (0, 0));
        tagged(xml, &made.tags);
    });
    act.account_mut()?.policies.insert(fold(&made.arn), made);
    Ok(Some(xml))
}

/// The document of a request, once it is one.
pub(super) fn checked(act: &Act<'_>) -> Result<String, Fault> {
    let text = act.params.document("PolicyDocument")?;
    Policy::parse(text, Kind::Identity).map_err(|why| Fault::malformed(why.message))?;
    Ok(text.to_owned())
}

/// Whether a document fits a managed policy.
pub(super) fn fits(document: &str) -> Result<(), Fault> {
    if size(document) > quota::MANAGED_SIZE {
        return Err(Fault::quota("PolicySize", quota::MANAGED_SIZE));
    }
    Ok(())
}

/// The policy that a call is about, once the caller may; AWS's own too.
pub(super) fn found(act: &Act<'_>) -> Result<Managed, Fault> {
    let arn = act.params.arn("PolicyArn")?;
    let account = act.account()?;
    let policy = account.policy(arn);
    let mut context = act.context(&[]);
    let tags = policy.as_ref().map_or(&[][..], |policy| &policy.tags);
    crate::sandbox::context::tagged(&mut context, "aws:ResourceTag", tags);
    let resource = policy.as_ref().map_or(arn, |policy| &policy.arn);
    let decision = act.judge(&context, resource, &act.full_action());
    act.denied(decision, resource)?;
    policy.map(std::borrow::Cow::into_owned).ok_or_else(|| missing(arn))
}

/// The same, where it is to be changed: a policy of AWS's cannot be.
pub(super) fn own<'a>(act: &'a mut Act<'_>) -> Result<&'a mut Managed, Fault> {
    let arn = found(act)?.arn;
    if managed::is_of_aws(&arn) {
        return Err(Fault::denied(format!(
            "Policy {arn} is managed by AWS and cannot be changed."
        )));
    }
    act.account_mut()?.policies.get_mut(&fold(&arn)).ok_or_else(|| missing(&arn))
}

pub(super) fn missing(arn: &str) -> Fault {
    Fault::missing(format!("Policy {arn} was not found."))
}

fn get(act: &mut Act<'_>) -> Done {
    let policy = found(act)?;
    let uses = act.account()?.uses(&policy.arn);
    let mut xml = Xml::new();
    xml.within("Policy", |xml| {
        brief(xml, &policy, uses);
        tagged(xml, &policy.tags);
    });
    Ok(Some(xml))
}

/// Writes what a listing tells of a policy.
pub(super) fn brief(xml: &mut Xml, policy: &Managed, (attached, bounding): (usize, usize)) {
    xml.text("PolicyName", &policy.name).text("PolicyId", &policy.id).text("Arn", &policy.arn);
    xml.text("Path", &policy.path).value("DefaultVersionId", format!("v{}", policy.default));
    xml.value("AttachmentCount", attached).value("PermissionsBoundaryUsageCount", bounding);
    xml.value("IsAttachable", true).maybe("Description", policy.description.as_ref());
    xml.time("CreateDate", policy.created).time("UpdateDate", policy.updated);
}

fn delete(act: &mut Act<'_>) -> Done {
    let policy = own(act)?.clone();
    match act.account()?.uses(&policy.arn) {
        (0, 0) => {}
        (0, _) => {
            let message = "Cannot delete a policy that is in use as a permissions boundary.";
            return Err(Fault::conflict(message));
        }
        _ => return Err(Fault::conflict("Cannot delete a policy attached to entities.")),
    }
    if policy.versions.len() > 1 {
        return Err(Fault::conflict(
            "This policy has more than one version. Before you delete a policy, you must delete \
             the policy's versions. The default version is deleted with the policy.",
        ));
    }
    act.account_mut()?.policies.remove(&fold(&policy.arn));
    Ok(None)
}

/// Every policy that an account sees: its own, then AWS's.
pub(super) fn visible(account: &Account, partition: &str) -> Vec<Managed> {
    let of_aws = managed::all().iter().filter_map(|policy| {
        let rest = policy.arn.strip_prefix("arn:aws:")?;
        managed::find(&format!("arn:{partition}:{rest}"))
    });
    let of_aws = of_aws.filter(|policy| !account.policies.contains_key(&fold(&policy.arn)));
    account.policies.values().cloned().chain(of_aws).collect()
}

fn list(act: &mut Act<'_>) -> Done {
    let scope = match act.params.get("Scope") {
        Some(_) => act.params.word("Scope", &["All", "AWS", "Local"])?,
        None => "All",
    };
    let only_attached = act.params.flag("OnlyAttached")?.unwrap_or(false);
    let usage = usage(act)?;
    let prefix = act.params.prefix()?;
    act.allow(&act.iam_arn(&format!("policy{prefix}")))?;
    let account = act.account()?;
    let mut policies = visible(account, &act.world.partition);
    policies.retain(|policy| {
        let uses = account.uses(&policy.arn);
        let used = match usage {
            Some("PermissionsBoundary") => uses.1 > 0,
            Some(_) => uses.0 > 0,
            None => uses != (0, 0),
        };
        let in_scope = match scope {
            "AWS" => managed::is_of_aws(&policy.arn),
            "Local" => !managed::is_of_aws(&policy.arn),
            _ => true,
        };
        let asked_for_use = only_attached || usage.is_some();
        in_scope && policy.path.starts_with(prefix) && (used || !asked_for_use)
    });
    policies.sort_by_key(|policy| fold(&policy.arn));
    let page = Page::of(act.params, policies, |policy| fold(&policy.arn))?;
    let mut xml = Xml::new();
    xml.list("Policies", &page.items, |xml, policy| brief(xml, policy, account.uses(&policy.arn)));
    page.end(&mut xml);
    Ok(Some(xml))
}

fn usage<'a>(act: &'a Act<'_>) -> Result<Option<&'a str>, Fault> {
    let words = ["PermissionsPolicy", "PermissionsBoundary"];
    let name = "PolicyUsageFilter";
    act.params.get(name).map(|_| act.params.word(name, &words)).transpose()
}

/// One that a policy is attached to, or bounds: its kind, name and ID.
type Entity = (&'static str, String, String);

fn entities(act: &mut Act<'_>) -> Done {
    let filter = act.params.get("EntityFilter");
    let usage = usage(act)?;
    let prefix = act.params.prefix()?;
    let arn = found(act)?.arn;
    let account = act.account()?;
    let uses = |held: &Permissions| {
        let attached = held.attached.iter().any(|known| fold(known) == fold(&arn));
        let bounds = held.boundary.as_ref().is_some_and(|known| fold(known) == fold(&arn));
        match usage {
            Some("PermissionsPolicy") => attached,
            Some(_) => bounds,
            None => attached || bounds,
        }
    };
    let mut all: Vec<Entity> = Vec::new();
    let mut add = |kind, path: &str, name: &str, id: &str, held: &Permissions| {
        if filter.is_none_or(|filter| filter == kind) && path.starts_with(prefix) && uses(held) {
            all.push((kind, name.to_owned(), id.to_owned()));
        }
    };
    account.groups.values().for_each(|g| add("Group", &g.path, &g.name, &g.id, &g.permissions));
    account.roles.values().for_each(|r| add("Role", &r.path, &r.name, &r.id, &r.permissions));
    account.users.values().for_each(|u| add("User", &u.path, &u.name, &u.id, &u.permissions));
    let page = Page::of(act.params, all, |(kind, name, _)| format!("{kind} {}", fold(name)))?;
    let mut xml = Xml::new();
    for kind in ["Group", "User", "Role"] {
        let of_kind = page.items.iter().filter(|(known, _, _)| *known == kind);
        xml.list(&format!("Policy{kind}s"), of_kind, |xml, (_, name, id)| {
            xml.text(&format!("{kind}Name"), name).text(&format!("{kind}Id"), id);
        });
    }
    page.end(&mut xml);
    Ok(Some(xml))
}
