//! A principal's plan in the making: a step for whatever is not as the posture means it.

use super::{live, scope, wave};
use crate::identity::{AccountId, PrincipalKind, SessionName, Who};
use crate::lineage::Lineage;
use crate::plan::{Blocked, Change, Compromised, Step, WAS_UNREAD, Why};
use crate::posture::{AccessKeys, Credentials, Groups, Password, Posture};
use crate::resource::{Resource, Value};
use crate::snapshot::{Now, Observed, Snapshot, Status};
use crate::state::State;
use jiff::Timestamp;
use std::collections::BTreeSet;

pub(super) struct Draft {
    pub(super) account: AccountId,
    pub(super) partition: String,
    pub(super) now: Timestamp,
    pub(super) lineage: Lineage,
    pub(super) state: Option<State>,
    /// Everything that a state knows of, released or not.
    pub(super) recorded: BTreeSet<Resource>,
    pub(super) posture: Posture,
    pub(super) since: Option<Timestamp>,
    pub(super) compromised: Vec<Compromised>,
    /// The sessions that a role's fence is narrowed to; empty where it is for every session.
    pub(super) sessions: Vec<SessionName>,
    /// Whether a fence that stands is to move all the same, but where a hold stops what it would.
    pub(super) moves_fence: bool,
    pub(super) who: Who,
    pub(super) snapshot: Snapshot,
    pub(super) steps: Vec<Step>,
    pub(super) warnings: Vec<String>,
    pub(super) blocked: Vec<Blocked>,
}

impl Draft {
    /// Adds a step unless the resource already is as meant.
    pub(super) fn step(
        &mut self,
        wave: u32,
        resource: Resource,
        after: Option<Value>,
        reason: &str,
    ) {
        let (before, unknown) = match self.snapshot.value(&resource) {
            Now::Absent => (None, false),
            Now::Is(value) => (Some(value), false),
            // What cannot be read is taken to be there and live, so that it is acted on (D2.12).
            Now::Unknown => (assumed(&resource, after.as_ref()), true),
        };
        let action = match (&before, &after) {
            (None, _) => Change::Create,
            (Some(_), Some(_)) => Change::Update,
            (Some(_), None) => Change::Delete,
        };
        let mut cautions = Vec::new();
        if unknown {
            cautions.push(WAS_UNREAD.to_owned());
        }
        let reversible = !(resource == Resource::LoginProfile && after.is_none());
        self.steps.push(Step {
            id: 0,
            wave,
            resource,
            action,
            before,
            after,
            reversible,
            reason: reason.to_owned(),
            cautions,
        });
    }

    /// Adds a caution to the step added last.
    pub(super) fn caution(&mut self, text: &str) {
        if let Some(step) = self.steps.last_mut() {
            step.cautions.push(text.to_owned());
        }
    }

    pub(super) fn plans(&self, resource: &Resource) -> bool {
        self.steps.iter().any(|step| step.resource == *resource)
    }

    pub(super) fn younger(&self, created_at: Option<Timestamp>) -> bool {
        matches!((created_at, self.since), (Some(created), Some(since)) if created >= since)
    }

    pub(super) fn warn_of_laxer_posture(&mut self, asked: &Posture) {
        let Some(state) = self.state.as_ref().filter(|state| !state.is_released()) else { return };
        if !asked.covers(&state.posture) {
            self.warnings.push(format!(
                "already contained as {}: nothing is loosened here; ringfence rollback {} --to {} plans that",
                state.posture.name, self.who.flag(), asked.name
            ));
        }
    }

    /// Where nothing has to change, what is newly known still decides what a release may give back (D2.7).
    pub(super) fn say_what_is_new(&mut self, compromised: &[Compromised]) {
        let Some(state) = self.state.as_ref().filter(|state| !state.is_released()) else { return };
        if self.steps.is_empty() && (state.compromised != compromised || state.since != self.since)
        {
            let what = "nothing has to change in IAM; apply records what is new about the exposure";
            self.warnings.push(what.to_owned());
        }
    }

    /// What was there before is somebody else's: said, never claimed (D2.9).
    pub(super) fn report_what_was_there(&mut self) {
        let ours = |resource: &Resource| self.recorded.contains(resource);
        let mut found = Vec::new();
        if let Some(run) = self.state.as_ref().and_then(State::open_run) {
            found.push(format!(
                "run {} has no end in its record: what it left in doubt was read again",
                run.id
            ));
        }
        for policy in self.snapshot.attached_policies.items() {
            if crate::policy::is_aws_quarantine(&policy.arn) {
                found.push(format!(
                    "{} is attached by AWS: it is no containment, and stays",
                    policy.name
                ));
            }
        }
        for policy in self.snapshot.inline_policies.items() {
            let resource = Resource::inline(&self.who, &policy.name);
            if crate::lineage::is_our_name(&policy.name) && !ours(&resource) {
                found.push(format!(
                    "{resource} bears a name of ringfence's and is in no state here: left alone"
                ));
            }
        }
        for key in self.snapshot.access_keys.items() {
            let resource = Resource::AccessKey(key.id.clone());
            if key.status == Status::Inactive && !ours(&resource) {
                found.push(format!(
                    "{resource} was Inactive before: not claimed, and never re-activated"
                ));
            }
        }
        if self.snapshot.quotas.missing().is_some() {
            found.push("quotas could not be read: AWS's defaults are assumed".to_owned());
        }
        self.warnings.extend(found);
    }

    pub(super) fn access_keys(&mut self, scope: &scope::Scope) {
        if self.posture.access_keys == AccessKeys::Keep {
            return;
        }
        let mut keys = scope.access_keys.clone();
        // Worst first: the one used last is the one in the attacker's hands, or in production's.
        keys.sort_by_key(|key| {
            std::cmp::Reverse(live::last_used(&self.snapshot, &key.id).map(|used| used.at))
        });
        for key in keys {
            let used = live::last_used(&self.snapshot, &key.id).cloned();
            self.step(
                wave::ACCESS_KEYS,
                Resource::AccessKey(key.id.clone()),
                Some(Value::Status(Status::Inactive)),
                &key.reason,
            );
            if used.is_some() {
                self.caution("a workload may still use this key: it will stop working");
            }
        }
    }

    pub(super) fn other_credentials(&mut self) {
        let posture = &self.posture;
        let mut off: Vec<(Resource, &str)> = Vec::new();
        let traced = |resource: &Resource| {
            let found = |item: &&Compromised| item.resource == *resource;
            self.compromised.iter().find(found).is_some_and(|item| item.why == Why::Traced)
        };
        let mut add = |resource: Resource, status, created, rule| {
            let reason = if self.younger(created) {
                "made after the exposure"
            } else if traced(&resource) {
                "compromised: found by the trace"
            } else if rule == Credentials::Deactivate {
                "the posture turns all of its kind off"
            } else {
                return;
            };
            if status == Status::Active {
                off.push((resource, reason));
            }
        };
        for key in self.snapshot.ssh_keys.items() {
            add(Resource::SshKey(key.id.clone()), key.status, key.uploaded_at, posture.ssh_keys);
        }
        for cert in self.snapshot.signing_certificates.items() {
            let resource = Resource::SigningCertificate(cert.id.clone());
            add(resource, cert.status, cert.uploaded_at, posture.signing_certificates);
        }
        for cred in self.snapshot.service_credentials.items() {
            let resource = Resource::ServiceCredential(cred.id.clone());
            add(resource, cred.status, Some(cred.created_at), posture.service_credentials);
        }
        for (resource, reason) in off {
            self.step(wave::OTHERS, resource, Some(Value::Status(Status::Inactive)), reason);
        }
    }

    pub(super) fn groups_and_boundary(&mut self) {
        if self.posture.groups == Groups::Remove {
            let groups: Vec<_> =
                self.snapshot.groups.items().iter().map(|g| g.name.clone()).collect();
            for name in groups {
                self.step(
                    wave::OTHERS,
                    Resource::Group(name),
                    None,
                    "the posture removes the user from every group",
                );
            }
        }
        self.boundary();
    }

    /// The boundary that the posture asks for, unless a deny of ours, which is stricter, needs the slot.
    fn boundary(&mut self) {
        let Some(arn) = self.posture.permissions_boundary.policy().cloned() else { return };
        let there = self.snapshot.permissions_boundary.as_deref();
        let deny_all = crate::policy::deny_all_arn(&self.partition);
        if there == Some(arn.as_str()) {
            return;
        }
        if there == Some(deny_all.as_str()) || self.plans(&Resource::PermissionsBoundary) {
            self.warnings.push(format!("the boundary is AWSDenyAll, which is stricter than {arn}"));
            return;
        }
        if self.boundary_carries_fence() {
            self.blocked.push(Blocked {
                what: "permissions_boundary".to_owned(),
                why: "the fence stands there, and fitted nowhere else".to_owned(),
            });
            return;
        }
        self.step(
            wave::OTHERS,
            Resource::PermissionsBoundary,
            Some(Value::PolicyArn(arn.into())),
            "the posture sets this boundary",
        );
    }

    pub(super) fn password(&mut self) {
        let there = self.who.kind() == PrincipalKind::User
            && !matches!(self.snapshot.login_profile, Observed::Read(None));
        if self.posture.login_profile == Password::Delete && there {
            self.step(
                wave::OTHERS,
                Resource::LoginProfile,
                None,
                "the posture deletes the password",
            );
        }
    }

    pub(super) fn turns_off_an_access_key(&self) -> bool {
        self.steps
            .iter()
            .any(|step| matches!(step.resource, Resource::AccessKey(_)) && step.turns_off())
    }
}

fn assumed(resource: &Resource, after: Option<&Value>) -> Option<Value> {
    match (resource, after) {
        (_, Some(Value::Status(_))) => Some(Value::Status(Status::Active)),
        (Resource::LoginProfile, _) => Some(Value::Password),
        (Resource::Group(_), None) => Some(Value::Member),
        _ => None,
    }
}
