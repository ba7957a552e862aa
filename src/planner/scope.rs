//! Which credentials a plan is about: the compromised ones, and those in the posture's reach.

use crate::error::{Error, Result};
use crate::identity::AccessKeyId;
use crate::plan::{Compromised, Why};
use crate::posture::AccessKeys;
use crate::resource::Resource;
use crate::snapshot::{Observed, Snapshot, Status};
use crate::state::State;
use jiff::Timestamp;

/// What the plan turns off, and what it holds to be the attacker's.
pub(super) struct Scope {
    pub(super) compromised: Vec<Compromised>,
    pub(super) access_keys: Vec<InScope>,
}

/// An access key that will be turned off.
#[derive(Clone)]
pub(super) struct InScope {
    pub(super) id: AccessKeyId,
    pub(super) reason: String,
}

/// What is known to be the attacker's, by whom.
pub(super) struct Found<'a> {
    pub(super) named: &'a [AccessKeyId],
    pub(super) by_finding: &'a [AccessKeyId],
    pub(super) traced: &'a [Resource],
    pub(super) since: Option<Timestamp>,
}

pub(super) fn of(
    snapshot: &Snapshot,
    state: Option<&State>,
    found: &Found<'_>,
    rule: AccessKeys,
) -> Result<Scope> {
    let Found { named, by_finding, traced, since } = *found;
    let mut compromised = recorded(state);
    let mut add = |resource: Resource, why| {
        if !compromised.iter().any(|item: &Compromised| item.resource == resource) {
            compromised.push(Compromised { resource, why });
        }
    };
    for key in named {
        let why = if by_finding.contains(key) { Why::Finding } else { Why::Named };
        add(Resource::AccessKey(key.clone()), why);
    }
    for resource in traced {
        add(resource.clone(), Why::Traced);
    }
    let recovered = |resource: &Resource| state.is_some_and(|state| state.is_recovered(resource));
    for resource in younger(snapshot, since).into_iter().filter(|one| !recovered(one)) {
        add(resource, Why::YoungerThanSince);
    }
    let contained_before = state.is_some_and(|state| !state.is_released());
    let keys = named.len() + traced.iter().filter(|one| is_key(one)).count();
    if keys == 0 && !contained_before {
        if let Observed::Unread(missing) = &snapshot.access_keys {
            return Err(Error::failed(format!("the access keys of {} could not be read", snapshot.who()))
                .because(format!("{}: {}", missing.action, missing.because))
                .hint("name the leaked key: --access-key ID; or grant the action, as examples/responder-policy.json does"));
        }
        for key in snapshot.access_keys.items() {
            if key.status == Status::Active {
                add(Resource::AccessKey(key.id.clone()), Why::NoKeyNamed);
            }
        }
    }
    // What was named is in the scope of any posture; what a recovery has made for the workload is not.
    let mut access_keys = in_scope(snapshot, &compromised, rule);
    let named = |id: &AccessKeyId| {
        let resource = Resource::AccessKey(id.clone());
        compromised.iter().any(|item| item.resource == resource)
    };
    access_keys.retain(|key| named(&key.id) || !recovered(&Resource::AccessKey(key.id.clone())));
    Ok(Scope { compromised, access_keys })
}

const fn is_key(resource: &Resource) -> bool {
    matches!(resource, Resource::AccessKey(_))
}

/// What an earlier containment held to be the attacker's stays so.
fn recorded(state: Option<&State>) -> Vec<Compromised> {
    state.map(|state| state.compromised.clone()).unwrap_or_default()
}

/// The credentials that were made at or after the exposure.
fn younger(snapshot: &Snapshot, since: Option<Timestamp>) -> Vec<Resource> {
    let Some(since) = since else { return Vec::new() };
    let mut found = Vec::new();
    let mut add = |resource, created: Option<Timestamp>| {
        if created.is_some_and(|created| created >= since) {
            found.push(resource);
        }
    };
    for key in snapshot.access_keys.items() {
        add(Resource::AccessKey(key.id.clone()), Some(key.created_at));
    }
    for key in snapshot.ssh_keys.items() {
        add(Resource::SshKey(key.id.clone()), key.uploaded_at);
    }
    for cert in snapshot.signing_certificates.items() {
        add(Resource::SigningCertificate(cert.id.clone()), cert.uploaded_at);
    }
    for cred in snapshot.service_credentials.items() {
        add(Resource::ServiceCredential(cred.id.clone()), Some(cred.created_at));
    }
    if let Observed::Read(Some(profile)) = &snapshot.login_profile {
        add(Resource::LoginProfile, Some(profile.created_at));
    }
    found
}

fn in_scope(snapshot: &Snapshot, compromised: &[Compromised], rule: AccessKeys) -> Vec<InScope> {
    let why = |id: &AccessKeyId| {
        compromised
            .iter()
            .find(|item| matches!(&item.resource, Resource::AccessKey(key) if key == id))
            .map(|item| item.why)
    };
    if rule == AccessKeys::Keep {
        return Vec::new();
    }
    if snapshot.access_keys.missing().is_some() {
        // The listing was denied: act on what was named, whatever its status (D2.12).
        return compromised
            .iter()
            .filter_map(|item| match &item.resource {
                Resource::AccessKey(id) => Some(InScope {
                    id: id.clone(),
                    reason: format!("compromised: {}", item.why.words()),
                }),
                _ => None,
            })
            .collect();
    }
    snapshot
        .access_keys
        .items()
        .iter()
        .filter(|key| key.status == Status::Active)
        .filter_map(|key| match (why(&key.id), rule) {
            (Some(why), _) => Some(InScope {
                id: key.id.clone(),
                reason: format!("compromised: {}", why.words()),
            }),
            (None, AccessKeys::All) => Some(InScope {
                id: key.id.clone(),
                reason: "the posture turns all access keys off".to_owned(),
            }),
            _ => None,
        })
        .collect()
}
