//! What stays able to act after a plan, and since when it was last seen to.

use super::Draft;
use crate::identity::AccessKeyId;
use crate::plan::{Compromised, LeftLive, PrincipalPlan};
use crate::posture::Permissions;
use crate::resource::Resource;
use crate::snapshot::{LastUsed, Observed, Snapshot, Status};
use crate::trust::trusted;
use jiff::Timestamp;

pub(super) fn last_used<'a>(snapshot: &'a Snapshot, id: &AccessKeyId) -> Option<&'a LastUsed> {
    let key = snapshot.access_keys.items().iter().find(|key| key.id == *id)?;
    key.last_used.read()?.as_ref()
}

/// When a compromised key was last used: what makes a principal worse than another.
pub(super) fn last_use_of_compromised(principal: &PrincipalPlan) -> Option<Timestamp> {
    principal
        .compromised
        .iter()
        .filter_map(|item| match &item.resource {
            Resource::AccessKey(id) => last_used(&principal.snapshot, id).map(|used| used.at),
            _ => None,
        })
        .max()
}

/// Everything that the plan leaves able to act.
pub(super) fn left(draft: &Draft, compromised: &[Compromised]) -> Vec<LeftLive> {
    let mut found = Vec::new();
    // Under a hold nothing of the user can act, so only what is outside of it is listed (F24).
    if draft.posture.permissions == Permissions::Keep || !draft.blocked.is_empty() {
        credentials(draft, compromised, &mut found);
    }
    found.extend(new_sessions(draft));
    found.push(way(ASSUMED, "not in this plan: its AssumeRole events in CloudTrail name them"));
    found
}

const ASSUMED: &str = "roles it may have assumed";

/// Some of the roles are in the plan: which ones is told by it, and not what others there are.
pub(super) fn say_which_roles(principals: &mut [PrincipalPlan]) {
    let told = "but for those of this plan: its AssumeRole events in CloudTrail name them";
    let assumed = principals
        .iter_mut()
        .flat_map(|principal| &mut principal.left_live)
        .filter(|live| live.what == ASSUMED);
    for live in assumed {
        live.remedy = Some(told.to_owned());
    }
}

/// What a fence on a role leaves: whoever may assume it can do so again, and a narrowed one ends no others (F12).
fn new_sessions(draft: &Draft) -> Vec<LeftLive> {
    let Some(role) = draft.snapshot.role() else { return Vec::new() };
    if draft.posture.permissions != Permissions::Keep && draft.blocked.is_empty() {
        return Vec::new();
    }
    let may = match &role.trust {
        Observed::Read(trust) => {
            format!("issued after the fence, to whom its trust policy names: {}", trusted(trust))
        }
        Observed::Unread(_) => "issued after the fence, to whom its trust policy names".to_owned(),
    };
    let mut found = vec![way("new sessions of it", &may)];
    if !draft.sessions.is_empty() {
        let others =
            "every session of another name goes on, and whoever may assume the role may choose one";
        found.push(way("its other sessions", others));
    }
    found
}

/// A way to act that is no resource of the principal.
fn way(what: &str, remedy: &str) -> LeftLive {
    LeftLive {
        resource: None,
        what: what.to_owned(),
        created_at: None,
        last_used: None,
        suspect: false,
        remedy: Some(remedy.to_owned()),
    }
}

fn credentials(draft: &Draft, compromised: &[Compromised], found: &mut Vec<LeftLive>) {
    let snapshot = &draft.snapshot;
    let suspect = |resource: &Resource, created| {
        draft.younger(created) || compromised.iter().any(|item| item.resource == *resource)
    };
    let mut add = |resource: Resource, what: &str, created, last_used, remedy: &str| {
        if !draft.plans(&resource) {
            found.push(LeftLive {
                suspect: suspect(&resource, created),
                resource: Some(resource),
                what: what.to_owned(),
                created_at: created,
                last_used,
                remedy: (!remedy.is_empty()).then(|| remedy.to_owned()),
            });
        }
    };
    for key in snapshot.access_keys.items().iter().filter(|key| key.status == Status::Active) {
        let used = key.last_used.read().cloned().flatten();
        add(Resource::AccessKey(key.id.clone()), "Active", Some(key.created_at), used, "");
    }
    if let Observed::Read(Some(profile)) = &snapshot.login_profile {
        let used = snapshot.user().and_then(|user| user.password_last_used).map(|at| LastUsed {
            at,
            service: "console".to_owned(),
            region: String::new(),
        });
        let remedy = "only --posture lockdown stops it, reversibly";
        add(Resource::LoginProfile, "password", Some(profile.created_at), used, remedy);
    }
    let deactivated = "--posture quarantine deactivates it";
    for key in snapshot.ssh_keys.items().iter().filter(|key| key.status == Status::Active) {
        add(Resource::SshKey(key.id.clone()), "Active", key.uploaded_at, None, deactivated);
    }
    for cert in snapshot.signing_certificates.items().iter().filter(|c| c.status == Status::Active)
    {
        add(
            Resource::SigningCertificate(cert.id.clone()),
            "Active",
            cert.uploaded_at,
            None,
            deactivated,
        );
    }
    for cred in snapshot.service_credentials.items().iter().filter(|c| c.status == Status::Active) {
        let what = format!("Active, {}", cred.service);
        add(
            Resource::ServiceCredential(cred.id.clone()),
            &what,
            Some(cred.created_at),
            None,
            deactivated,
        );
    }
}
