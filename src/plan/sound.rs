//! What every plan is that this program makes. A plan's digest is no secret: whoever writes the file can write
//! that as well, so that what a plan says of itself is held against what it does.

use super::{Change, Destination, Kind, Plan, PrincipalPlan, Step};
use crate::lineage::is_our_name;
use crate::planner::cuts_workloads;
use crate::policy::{PolicyDocument, deny_all_arn, hold};
use crate::posture::LEAST_MARGIN_S;
use crate::recover::RIGHTS_NAME;
use crate::resource::{Known, Resource, Value};
use crate::snapshot::Status;
use std::collections::BTreeSet;

/// Why a plan is none that this program would make, if it is none.
pub(super) fn flaw(plan: &Plan) -> Option<String> {
    let (mut ids, mut principals) = (BTreeSet::new(), BTreeSet::new());
    for principal in &plan.principals {
        if !is_its_snapshots(principal) || !principals.insert(&principal.id) {
            return Some(format!("principal {} is not what its snapshot shows", principal.id));
        }
        if plan.kind == Kind::Contain && !plan.cut_workloads && cuts_workloads(principal) {
            return Some(format!("it cuts the workloads of role {} unasked", principal.name));
        }
        for step in &principal.steps {
            if !is_sound(principal, step) || !ids.insert(step.id) {
                return Some(format!("step {} makes no sense", step.id));
            }
            if (plan.kind == Kind::Recover) != is_of_recovery(plan, step) {
                return Some(format!(
                    "step {} does with {} what no plan of its kind does",
                    step.id, step.resource
                ));
            }
            if plan.kind == Kind::Contain && !takes_away(plan, principal, step) {
                return Some(format!(
                    "step {} does with {} what no containment does",
                    step.id, step.resource
                ));
            }
        }
    }
    if plan.kind == Kind::Recover && !is_one_recovery(plan) {
        return Some("its steps are not what its destination says".to_owned());
    }
    // What is issued before the fence is enforced would be let through (F8).
    if plan.kind == Kind::Contain && plan.fence_margin_s < LEAST_MARGIN_S {
        let margin = plan.fence_margin_s;
        return Some(format!(
            "its fences have a margin of {margin} s, and {LEAST_MARGIN_S} are the least"
        ));
    }
    None
}

fn is_its_snapshots(principal: &PrincipalPlan) -> bool {
    let read = &principal.snapshot;
    *read.id() == principal.id && *read.arn() == principal.arn && read.who() == principal.who()
}

/// Whether a step is one that only a recovery takes, or takes as other plans do not. What of a release would
/// look the same is told by the record.
fn is_of_recovery(plan: &Plan, step: &Step) -> bool {
    let recovers = plan.kind == Kind::Recover;
    match (&step.resource, &step.after) {
        (Resource::NewAccessKey | Resource::Profile(_) | Resource::Secret(_), after) => {
            after.as_ref().is_some_and(awaits_apply) && plan.recover.is_some()
        }
        // A key that is on is never deleted.
        (Resource::AccessKey(_), None) => step.before == Some(Value::Status(Status::Inactive)),
        // What the user may do; a deny is for a containment.
        (Resource::InlinePolicy(name), None) => recovers && !is_our_name(name),
        (Resource::InlinePolicy(name), Some(_)) => recovers && name.starts_with(RIGHTS_NAME),
        (Resource::AttachedPolicy(arn), None) => {
            recovers && *arn != deny_all_arn(&plan.partition) && !is_our_path(arn)
        }
        (Resource::Group(_), None) => recovers,
        _ => false,
    }
}

/// Whether there is one user, and a key is made exactly where the plan says where it goes, once and to there alone.
fn is_one_recovery(plan: &Plan) -> bool {
    let [principal] = plan.principals.as_slice() else { return false };
    let steps = || principal.steps.iter().map(|step| &step.resource);
    let makes = steps().filter(|one| **one == Resource::NewAccessKey).count();
    let stores: Vec<&Resource> =
        steps().filter(|one| matches!(one, Resource::Secret(_) | Resource::Profile(_))).collect();
    match plan.recover.as_ref().map(|recover| &recover.to) {
        None => makes == 0 && stores.is_empty(),
        Some(Destination::Stdout) => makes == 1 && stores.is_empty(),
        Some(Destination::Secret { id, fields, .. }) => {
            makes == 1
                && stores == [&Resource::Secret(id.clone())]
                && fields.access_key_id != fields.secret_access_key
        }
        Some(Destination::Profile { profile, .. }) => {
            makes == 1 && stores == [&Resource::Profile(profile.clone())]
        }
    }
}

fn awaits_apply(value: &Value) -> bool {
    matches!(value, Value::AccessKeyId(Known::Later(_)) | Value::SecretVersion(Known::Later(_)))
}

/// Whether the values are of the resource's own kind, and the rest of the step is what they say.
fn is_sound(principal: &PrincipalPlan, step: &Step) -> bool {
    let belongs = |value: &Value| match step.resource {
        Resource::AccessKey(_)
        | Resource::SshKey(_)
        | Resource::SigningCertificate(_)
        | Resource::ServiceCredential(_) => matches!(value, Value::Status(_)),
        Resource::InlinePolicy(_) | Resource::ManagedPolicy(_) | Resource::RolePolicy(_) => {
            matches!(value, Value::Document(_))
        }
        // What is only told of is changed by no step.
        Resource::Session(_) | Resource::TrustPolicy => false,
        Resource::NewAccessKey | Resource::Profile(_) => matches!(value, Value::AccessKeyId(_)),
        Resource::Secret(_) => matches!(value, Value::SecretVersion(_)),
        Resource::AttachedPolicy(_) => *value == Value::Attached,
        Resource::Group(_) => *value == Value::Member,
        Resource::LoginProfile => *value == Value::Password,
        Resource::PermissionsBoundary => matches!(value, Value::PolicyArn(_)),
    };
    let change = match (&step.before, &step.after) {
        (None, Some(_)) => Some(Change::Create),
        (Some(_), Some(_)) => Some(Change::Update),
        (Some(_), None) => Some(Change::Delete),
        (None, None) => None,
    };
    let forever = step.after.is_none()
        && matches!(step.resource, Resource::LoginProfile | Resource::AccessKey(_));
    change == Some(step.action)
        && step.reversible != forever
        && step.before.iter().chain(&step.after).all(belongs)
        && belongs_to(principal, step)
        && step.call(principal.kind).is_some()
}

/// Whether the step is about this very principal.
fn belongs_to(principal: &PrincipalPlan, step: &Step) -> bool {
    match &step.resource {
        Resource::RolePolicy(policy) => principal.name.same_user(policy.role()),
        _ => true,
    }
}

/// Whether a step takes power away, as every step of a containment does: it turns off, denies, or takes out.
fn takes_away(plan: &Plan, principal: &PrincipalPlan, step: &Step) -> bool {
    let denies = |document: &PolicyDocument| denies(principal, document);
    let ours = |arn: &str| {
        let own = format!("arn:{}:iam::{}:policy/", plan.partition, plan.account_id);
        arn == deny_all_arn(&plan.partition) || arn.strip_prefix(&own).is_some_and(is_our_path)
    };
    match (&step.resource, &step.after) {
        (Resource::LoginProfile | Resource::Group(_), None) => true,
        (Resource::AttachedPolicy(arn), Some(_)) => ours(arn),
        (Resource::InlinePolicy(_) | Resource::RolePolicy(_), Some(Value::Document(document))) => {
            step.resource.inline_name().is_some_and(is_our_name) && denies(document)
        }
        (Resource::ManagedPolicy(arn), Some(Value::Document(document))) => {
            ours(arn) && denies(document)
        }
        // One may bound more than another: which is meant is told by the posture, or the record.
        (Resource::PermissionsBoundary, Some(_)) => true,
        (resource, after) => {
            resource.is_credential() && *after == Some(Value::Status(Status::Inactive))
        }
    }
}

/// The name of a policy under a path, or without one.
fn is_our_path(path: &str) -> bool {
    path.rsplit('/').next().is_some_and(is_our_name)
}

/// A hold, or a fence for the sessions that the plan says it is narrowed to: one written before may be for others
/// of the same principal.
fn denies(principal: &PrincipalPlan, document: &PolicyDocument) -> bool {
    let own =
        |id: &String| id.split_once(':').is_some_and(|(role, _)| role == principal.id.as_str());
    *document == hold()
        || document.as_fence().is_some_and(|(_, ids)| {
            ids.iter().all(own) && (document.fence_time().is_some() || ids == principal.user_ids())
        })
}
