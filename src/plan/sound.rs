//! What every plan is that this program makes. A plan's digest is no secret: whoever writes the file can write
//! that as well, so that what a plan says of itself is held against what it does.

use super::{Change, Kind, Plan, PrincipalPlan, Step};
use crate::lineage::is_our_name;
use crate::policy::{FenceTime, PolicyDocument, boundary_fence, deny_all_arn, fence, hold};
use crate::resource::{Resource, Value};
use crate::snapshot::Status;
use std::collections::BTreeSet;

/// Why a plan is none that this program would make, if it is none.
pub(super) fn flaw(plan: &Plan) -> Option<String> {
    let (mut ids, mut principals) = (BTreeSet::new(), BTreeSet::new());
    for principal in &plan.principals {
        if !is_its_snapshots(principal) || !principals.insert(&principal.id) {
            return Some(format!("principal {} is not what its snapshot shows", principal.id));
        }
        for step in &principal.steps {
            if !is_sound(step) || !ids.insert(step.id) {
                return Some(format!("step {} makes no sense", step.id));
            }
            if plan.kind == Kind::Contain && !takes_away(plan, step) {
                return Some(format!(
                    "step {} does with {} what no containment does",
                    step.id, step.resource
                ));
            }
        }
    }
    None
}

fn is_its_snapshots(principal: &PrincipalPlan) -> bool {
    let user = &principal.snapshot.user;
    user.id == principal.id && user.arn == principal.arn && user.name == principal.name
}

/// Whether the values are of the resource's own kind, and the rest of the step is what they say.
fn is_sound(step: &Step) -> bool {
    let belongs = |value: &Value| match step.resource {
        Resource::AccessKey(_)
        | Resource::SshKey(_)
        | Resource::SigningCertificate(_)
        | Resource::ServiceCredential(_) => matches!(value, Value::Status(_)),
        Resource::InlinePolicy(_) | Resource::ManagedPolicy(_) => {
            matches!(value, Value::Document(_))
        }
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
    let forever = step.resource == Resource::LoginProfile && step.after.is_none();
    change == Some(step.action)
        && step.reversible != forever
        && step.before.iter().chain(&step.after).all(belongs)
        && step.call().is_some()
}

/// Whether a step takes power away, as every step of a containment does: it turns off, denies, or takes out.
fn takes_away(plan: &Plan, step: &Step) -> bool {
    let ours = |arn: &str| {
        let own = format!("arn:{}:iam::{}:policy/", plan.partition, plan.account_id);
        arn == deny_all_arn(&plan.partition) || arn.strip_prefix(&own).is_some_and(is_our_path)
    };
    match (&step.resource, &step.after) {
        (Resource::LoginProfile | Resource::Group(_), None) => true,
        (Resource::AttachedPolicy(arn), Some(_)) => ours(arn),
        (Resource::InlinePolicy(name), Some(Value::Document(document))) => {
            is_our_name(name) && denies(document)
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

fn denies(document: &PolicyDocument) -> bool {
    *document == hold()
        || *document == fence(FenceTime::AfterApply)
        || *document == boundary_fence(FenceTime::AfterApply)
        || document.fence_time().is_some()
}
