//! Planned, ours, now: the one comparison behind apply, status and rollback.

use crate::plan::{Drifted, PrincipalPlan, Step};
use crate::resource::{Resource, Value, fits};
use crate::snapshot::{AccessKey, Missing, Now, Observed, Obstacle, Snapshot, Status};
use crate::text::clock;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Where a resource stands between what a step expects and what it makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// As the step expects it.
    AsPlanned,
    /// As the step would make it.
    Already,
    /// Neither.
    Moved,
    /// It could not be read.
    Unknown,
}

/// Compares a step's resource with what was read now.
#[must_use]
pub fn standing(step: &Step, now: &Snapshot) -> Standing {
    let Some(value) = now.value(&step.resource).known() else {
        return Standing::Unknown;
    };
    // Another fence fits the `after` of a step that writes one, and that one is still to be written.
    if step.before == value {
        Standing::AsPlanned
    } else if !step.awaits_fence_time() && fits(step.after.as_ref(), value.as_ref()) {
        Standing::Already
    } else {
        Standing::Moved
    }
}

/// Every difference that a plan with `on_drift = refuse` stops at (D2.3): in a step's resource, and any
/// credential or policy that is new on the principal.
#[must_use]
pub fn since_plan(principal: &PrincipalPlan, now: &Snapshot) -> Vec<Drifted> {
    let mut found = Vec::new();
    for step in &principal.steps {
        if matches!(standing(step, now), Standing::Moved | Standing::Already) {
            found.push(Drifted {
                resource: step.resource.clone(),
                what: format!(
                    "planned {}, now {}",
                    words(step.before.as_ref()),
                    with_age(&step.resource, now)
                ),
            });
        }
    }
    for (resource, what) in appeared(&principal.snapshot, now) {
        if !principal.steps.iter().any(|step| step.resource == resource) {
            found.push(Drifted { resource, what });
        }
    }
    found
}

/// The listing that a new credential, policy or group could hide behind, and that the plan was made with.
#[must_use]
pub fn hidden_since_plan<'s>(
    principal: &PrincipalPlan,
    now: &'s Snapshot,
) -> Option<(&'static str, &'s Missing)> {
    let planned = principal.snapshot.unread_means();
    now.unread_means().into_iter().find(|(kind, missing)| {
        missing.obstacle != Obstacle::Unimplemented
            && !planned.iter().any(|(before, _)| before == kind)
    })
}

/// What is on the principal now and was not before, or can act now and could not: in words.
#[must_use]
pub fn appeared(before: &Snapshot, now: &Snapshot) -> Vec<(Resource, String)> {
    let old = means(before);
    let mut found = Vec::new();
    for (resource, value) in means(now) {
        match old.get(&resource) {
            None if could_not_tell(before, &resource) => {}
            None => {
                let what = format!("planned absent, now {}", with_age(&resource, now));
                found.push((resource, what));
            }
            Some(before) if value == Value::Status(Status::Active) && *before != value => {
                let what = format!("planned {}, now Active", words(Some(before)));
                found.push((resource, what));
            }
            Some(before @ Value::Document(_)) if *before != value => {
                found.push((resource, "its document was changed".to_owned()));
            }
            Some(Value::PolicyArn(before)) if Value::PolicyArn(before.clone()) != value => {
                found.push((resource, format!("planned {before}, now {}", words(Some(&value)))));
            }
            Some(_) => {}
        }
    }
    found
}

fn could_not_tell(before: &Snapshot, resource: &Resource) -> bool {
    before.value(resource) == Now::Unknown
}

/// Every credential and policy of a snapshot.
fn means(snapshot: &Snapshot) -> BTreeMap<Resource, Value> {
    let mut all: Vec<Resource> = Vec::new();
    let who = snapshot.who();
    all.extend(snapshot.access_keys.items().iter().map(|k| Resource::AccessKey(k.id.clone())));
    all.extend(snapshot.ssh_keys.items().iter().map(|k| Resource::SshKey(k.id.clone())));
    all.extend(
        snapshot
            .signing_certificates
            .items()
            .iter()
            .map(|c| Resource::SigningCertificate(c.id.clone())),
    );
    all.extend(
        snapshot
            .service_credentials
            .items()
            .iter()
            .map(|c| Resource::ServiceCredential(c.id.clone())),
    );
    all.extend(snapshot.inline_policies.items().iter().map(|p| Resource::inline(&who, &p.name)));
    all.extend(
        snapshot.attached_policies.items().iter().map(|p| Resource::AttachedPolicy(p.arn.clone())),
    );
    all.extend(snapshot.groups.items().iter().map(|g| Resource::Group(g.name.clone())));
    all.extend([Resource::LoginProfile, Resource::PermissionsBoundary, Resource::TrustPolicy]);
    all.into_iter()
        .filter_map(|resource| match snapshot.value(&resource) {
            Now::Is(value) => Some((resource, value)),
            _ => None,
        })
        .collect()
}

/// A value in a word or two.
#[must_use]
pub fn words(value: Option<&Value>) -> String {
    match value {
        None => "absent".to_owned(),
        Some(Value::Status(status)) => status.to_string(),
        Some(Value::Document(document)) => match document.fence_time() {
            Some(time) => format!("a fence at {time}"),
            None => "another document".to_owned(),
        },
        Some(Value::PolicyArn(arn)) => crate::text::shown(arn).into_owned(),
        Some(Value::Attached) => "attached".to_owned(),
        Some(Value::Member) => "a member".to_owned(),
        Some(Value::Password) => "a password is set".to_owned(),
        Some(Value::AccessKeyId(known) | Value::SecretVersion(known)) => known.words(),
    }
}

fn with_age(resource: &Resource, now: &Snapshot) -> String {
    let value = now.value(resource).known().flatten();
    let said = words(value.as_ref());
    match (value, created_at(resource, now)) {
        (Some(_), Some(created)) => format!("{said} (created {})", clock(created)),
        _ => said,
    }
}

/// When a credential was made.
#[must_use]
pub fn created_at(resource: &Resource, now: &Snapshot) -> Option<Timestamp> {
    match resource {
        Resource::AccessKey(id) => access_key(now, id.as_str()).map(|key| key.created_at),
        Resource::SshKey(id) => now.ssh_keys.items().iter().find(|k| k.id == *id)?.uploaded_at,
        Resource::SigningCertificate(id) => {
            now.signing_certificates.items().iter().find(|c| c.id == *id)?.uploaded_at
        }
        Resource::ServiceCredential(id) => {
            let creds = now.service_credentials.items();
            creds.iter().find(|c| c.id == *id).map(|c| c.created_at)
        }
        Resource::LoginProfile => match &now.login_profile {
            Observed::Read(Some(profile)) => Some(profile.created_at),
            _ => None,
        },
        _ => None,
    }
}

fn access_key<'a>(snapshot: &'a Snapshot, id: &str) -> Option<&'a AccessKey> {
    snapshot.access_keys.items().iter().find(|key| key.id.as_str() == id)
}
