//! What has to change for a user to be contained: posture over snapshot, minus what already is so.

mod denies;
mod live;
mod reassert;
mod scope;

use crate::error::{Error, Result};
use crate::identity::{AccessKeyId, AccountId, Arn, Caller, CallerKind, UserName};
use crate::lineage::Lineage;
use crate::plan::{
    Change, FORMAT_VERSION, Kind, NewCredential, OnDrift, Plan, PrincipalKind, PrincipalPlan,
    ReadCost, Settle, Step,
};
use crate::posture::{AccessKeys, Credentials, Groups, Password, Posture};
use crate::resource::{Resource, Value};
use crate::snapshot::{Now, Observed, Snapshot, Status};
use crate::state::State;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;

/// What a plan is made for, besides the users themselves.
#[derive(Clone, Debug)]
pub struct Context {
    /// Who plans.
    pub caller: Caller,
    /// The endpoint that was read.
    pub endpoint: String,
    /// Now, by the service's clock.
    pub now: Timestamp,
    /// What reading took.
    pub read: ReadCost,
    /// The incident, if one was named.
    pub incident: Option<String>,
    /// The program's version.
    pub version: String,
    /// What apply does on drift.
    pub on_drift: OnDrift,
}

/// What the person asks for.
#[derive(Clone, Debug)]
pub struct Request {
    /// The posture.
    pub posture: Posture,
    /// The time of exposure, where known.
    pub since: Option<Timestamp>,
    /// Users that are contained only when this is overridden (D2.10).
    pub protected_users: Vec<String>,
    /// Whether protected users are contained all the same.
    pub override_protection: bool,
    /// Whether anything unread refuses the plan (D2.12).
    pub strict: bool,
    /// How long apply watches the principal after the last wave, in seconds.
    pub settle_s: u32,
}

/// One user to contain.
#[derive(Clone, Debug)]
pub struct Subject {
    /// What was read.
    pub snapshot: Snapshot,
    /// What ringfence has done to it before.
    pub state: Option<State>,
    /// The keys of it that were named.
    pub named: Vec<AccessKeyId>,
    /// The lineage to use if this is a new containment.
    pub fresh_lineage: Lineage,
}

/// The order of waves (F31). Numbers only sort; a plan counts the waves it has from 1.
pub(crate) mod wave {
    pub(crate) const HOLD: u32 = 1;
    pub(crate) const ACCESS_KEYS: u32 = 2;
    pub(crate) const OTHERS: u32 = 3;
    pub(crate) const FENCE_POLICY: u32 = 4;
    pub(crate) const FENCE: u32 = 5;
}

/// Margins of D3, in seconds.
const MARGIN_WITH_LIVE: u32 = 60;
const MARGIN_WITHOUT_LIVE: u32 = 900;

/// Makes the plan that contains the users.
///
/// # Errors
/// If a rule refuses it: the caller would lock itself out (D2.10, F28), a user is protected, or something
/// could not be read that the plan cannot do without (D2.12).
pub fn contain(subjects: Vec<Subject>, request: &Request, context: &Context) -> Result<Plan> {
    let mut principals = Vec::new();
    for subject in subjects {
        guard(&subject, request, &context.caller)?;
        principals.push(contain_one(subject, request, context)?);
    }
    principals.sort_by_key(|principal| std::cmp::Reverse(live::last_use_of_compromised(principal)));
    let quiet = principals
        .iter()
        .all(|principal| principal.left_live.iter().all(|live| live.resource.is_none()));
    let margin = request.posture.fence_margin_s.unwrap_or(if quiet {
        MARGIN_WITHOUT_LIVE
    } else {
        MARGIN_WITH_LIVE
    });
    let mut plan = assemble(Kind::Contain, principals, request.posture.clone(), margin, context);
    plan.settle = Settle::watch(request.settle_s, contained_when_new(&plan));
    plan.override_protection = request.override_protection;
    Ok(plan.sealed())
}

/// What has to be done again for a contained user, by what was read now: as [`contain`] would plan it for the
/// posture and the keys that the state records. The steps are not numbered, and their waves only sort.
///
/// # Errors
/// If something could not be read that a plan cannot do without.
pub fn again(state: &State, now: &Snapshot, context: &Context) -> Result<PrincipalPlan> {
    let request = Request {
        posture: state.posture.clone(),
        since: state.since,
        protected_users: Vec::new(),
        override_protection: true,
        strict: false,
        settle_s: 0,
    };
    let subject = Subject {
        snapshot: now.clone(),
        state: Some(state.clone()),
        named: Vec::new(),
        fresh_lineage: state.lineage.clone(),
    };
    contain_one(subject, &request, context)
}

/// The kinds of credential that the rules turn off whenever one of them is found: what the posture turns off
/// all of, and with a known exposure whatever is younger.
fn contained_when_new(plan: &Plan) -> Vec<NewCredential> {
    let posture = &plan.posture;
    let younger = plan.principals.iter().any(|principal| principal.since.is_some());
    let off = |rule: Credentials| rule == Credentials::Deactivate || younger;
    NewCredential::ALL
        .into_iter()
        .filter(|kind| match kind {
            NewCredential::AccessKey => {
                posture.access_keys == AccessKeys::All
                    || (younger && posture.access_keys != AccessKeys::Keep)
            }
            NewCredential::ServiceCredential => off(posture.service_credentials),
            NewCredential::SigningCertificate => off(posture.signing_certificates),
            NewCredential::SshKey => off(posture.ssh_keys),
        })
        .collect()
}

/// Puts the principals' steps into one plan: numbers them and counts the waves.
pub(crate) fn assemble(
    kind: Kind,
    mut principals: Vec<PrincipalPlan>,
    posture: Posture,
    fence_margin_s: u32,
    context: &Context,
) -> Plan {
    let mut waves: Vec<u32> = principals
        .iter()
        .flat_map(|principal| principal.steps.iter().map(|step| step.wave))
        .collect();
    waves.sort_unstable();
    waves.dedup();
    let mut id = 0;
    for principal in &mut principals {
        principal.steps.sort_by_key(|step| step.wave);
        for step in &mut principal.steps {
            id += 1;
            step.id = id;
            step.wave = waves.iter().zip(1..).find(|(w, _)| **w == step.wave).map_or(1, |(_, n)| n);
        }
    }
    let arn = &context.caller.arn;
    Plan {
        format_version: FORMAT_VERSION,
        ringfence_version: context.version.clone(),
        kind,
        created_at: context.now,
        planned_by: arn.clone(),
        account_id: context.caller.account.clone(),
        partition: arn.partition().to_owned(),
        endpoint: context.endpoint.clone(),
        incident: context.incident.clone(),
        read: context.read,
        posture,
        on_drift: context.on_drift,
        settle: Settle::read_back_only(),
        fence_margin_s,
        override_protection: false,
        approval: None,
        principals,
        content_sha256: String::new(),
    }
}

/// Refuses what would lock the caller out, or contain whom a rule protects (D2.10).
fn guard(subject: &Subject, request: &Request, caller: &Caller) -> Result<()> {
    let user = &subject.snapshot.user;
    check_caller(caller, &user.arn, user.id.as_str(), user.name.as_str())?;
    check_protection(&user.name, &request.protected_users, request.override_protection)?;
    if request.strict
        && let Some(unread) = subject.snapshot.unread().first()
    {
        return Err(Error::forbidden(format!(
            "{} of user `{}` could not be read",
            unread.what, user.name
        ))
        .because(format!("{}: {}", unread.action, unread.because))
        .hint(
            "grant the action (examples/responder-policy.json has them all), or leave --strict out",
        ));
    }
    Ok(())
}

/// Refuses a user that a rule protects, unless that was overridden (D2.10).
///
/// # Errors
/// If the user is protected; names are compared without letter case (F34).
pub fn check_protection(name: &UserName, protected: &[String], overridden: bool) -> Result<()> {
    if overridden || !protected.iter().any(|other| name.same_user(other)) {
        return Ok(());
    }
    Err(Error::forbidden(format!("user `{name}` is protected by `guard.protected_users`"))
        .hint("ringfence plan --override-protection contains it all the same"))
}

/// Refuses a caller that is the target, a session of it, or one whose parent cannot be seen (F28).
///
/// # Errors
/// If the caller would, or might, contain itself.
pub fn check_caller(
    caller: &Caller,
    target: &Arn,
    target_id: &str,
    target_name: &str,
) -> Result<()> {
    if target.account() != caller.account.as_str() {
        return Err(Error::forbidden(format!(
            "user `{target_name}` is in account {}, the caller is in {}",
            target.account(),
            caller.account
        ))
        .hint("use credentials of the user's own account: --profile NAME"));
    }
    match caller.kind() {
        CallerKind::User(name)
            if caller.id == target_id || name.eq_ignore_ascii_case(target_name) =>
        {
            Err(Error::forbidden(format!("the caller is `{target_name}` itself"))
                .because("containing it would take the caller's own access away")
                .hint("call as a role or another user: --profile NAME"))
        }
        CallerKind::Federated(name) => Err(Error::forbidden(format!(
            "the caller is the federated user `{}`",
            name.escape_debug()
        ))
        .because("the user behind a federated session cannot be seen, and may be the target")
        .hint("call as a role or a user: --profile NAME")),
        _ => Ok(()),
    }
}

fn contain_one(subject: Subject, request: &Request, context: &Context) -> Result<PrincipalPlan> {
    let Subject { snapshot, state, named, fresh_lineage } = subject;
    let active = state.as_ref().filter(|state| state.continues());
    let posture = active
        .filter(|state| !state.is_released())
        .map_or_else(|| request.posture.clone(), |state| state.posture.tightened(&request.posture));
    let since = earliest(request.since, active.and_then(|state| state.since));
    let scope = scope::of(&snapshot, state.as_ref(), &named, since, posture.access_keys)?;
    let mut draft = Draft {
        recorded: state.iter().flat_map(|state| state.resources.keys().cloned()).collect(),
        account: context.caller.account.clone(),
        partition: context.caller.arn.partition().to_owned(),
        now: context.now,
        lineage: active.map_or_else(|| fresh_lineage.clone(), |state| state.lineage.clone()),
        state: active.cloned(),
        posture,
        since,
        compromised: scope.compromised.clone(),
        snapshot,
        steps: Vec::new(),
        warnings: Vec::new(),
        blocked: Vec::new(),
    };
    draft.warn_of_laxer_posture(&request.posture);
    draft.report_what_was_there();
    draft.hold();
    draft.access_keys(&scope);
    draft.other_credentials();
    draft.groups_and_boundary();
    draft.password();
    draft.fence();
    draft.reassert();
    draft.say_what_is_new(&scope.compromised);
    let left_live = live::left(&draft, &scope.compromised);
    Ok(PrincipalPlan {
        kind: PrincipalKind::User,
        name: draft.snapshot.user.name.clone(),
        id: draft.snapshot.user.id.clone(),
        arn: draft.snapshot.user.arn.clone(),
        lineage: draft.lineage,
        previous_lineage: match (&state, draft.state) {
            (_, Some(active)) => active.previous_lineage,
            (released, None) => released.as_ref().map(|state| state.lineage.clone()),
        },
        serial: state.as_ref().map_or(0, |state| state.serial),
        since,
        compromised: scope.compromised,
        unread: draft.snapshot.unread(),
        snapshot: draft.snapshot,
        steps: draft.steps,
        left_live,
        kept: Vec::new(),
        drift: Vec::new(),
        given_up: Vec::new(),
        warnings: draft.warnings,
        blocked: draft.blocked,
    })
}

fn earliest(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// A user's plan in the making.
struct Draft {
    account: AccountId,
    partition: String,
    now: Timestamp,
    lineage: Lineage,
    state: Option<State>,
    /// Everything that a state knows of, released or not.
    recorded: BTreeSet<Resource>,
    posture: Posture,
    since: Option<Timestamp>,
    compromised: Vec<crate::plan::Compromised>,
    snapshot: Snapshot,
    steps: Vec<Step>,
    warnings: Vec<String>,
    blocked: Vec<crate::plan::Blocked>,
}

impl Draft {
    /// Adds a step unless the resource already is as meant.
    fn step(&mut self, wave: u32, resource: Resource, after: Option<Value>, reason: &str) {
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
            cautions.push("what is there now could not be read".to_owned());
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
    fn caution(&mut self, text: &str) {
        if let Some(step) = self.steps.last_mut() {
            step.cautions.push(text.to_owned());
        }
    }

    fn plans(&self, resource: &Resource) -> bool {
        self.steps.iter().any(|step| step.resource == *resource)
    }

    fn younger(&self, created_at: Option<Timestamp>) -> bool {
        matches!((created_at, self.since), (Some(created), Some(since)) if created >= since)
    }

    fn warn_of_laxer_posture(&mut self, asked: &Posture) {
        let Some(state) = self.state.as_ref().filter(|state| !state.is_released()) else { return };
        if !asked.covers(&state.posture) {
            self.warnings.push(format!(
                "already contained as {}: nothing is loosened here; ringfence rollback --user {} --to {} plans that",
                state.posture.name, self.snapshot.user.name, asked.name
            ));
        }
    }

    /// Where nothing has to change, what is newly known still decides what a release may give back (D2.7).
    fn say_what_is_new(&mut self, compromised: &[crate::plan::Compromised]) {
        let Some(state) = self.state.as_ref().filter(|state| !state.is_released()) else { return };
        if self.steps.is_empty() && (state.compromised != compromised || state.since != self.since)
        {
            let what = "nothing has to change in IAM; apply records what is new about the exposure";
            self.warnings.push(what.to_owned());
        }
    }

    /// What was there before is somebody else's: said, never claimed (D2.9).
    fn report_what_was_there(&mut self) {
        let ours = |resource: &Resource| self.recorded.contains(resource);
        let mut found = Vec::new();
        if let Some(run) = self.state.as_ref().and_then(State::open_run) {
            found.push(format!("run {} was cut off: what it left in doubt was read again", run.id));
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
            let resource = Resource::InlinePolicy(policy.name.clone());
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

    fn access_keys(&mut self, scope: &scope::Scope) {
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

    fn other_credentials(&mut self) {
        let posture = &self.posture;
        let mut off: Vec<(Resource, bool)> = Vec::new();
        let mut add = |resource, status, created, rule| {
            let younger = self.younger(created);
            if status == Status::Active && (rule == Credentials::Deactivate || younger) {
                off.push((resource, younger));
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
        for (resource, younger) in off {
            let reason = if younger {
                "made after the exposure"
            } else {
                "the posture turns all of its kind off"
            };
            self.step(wave::OTHERS, resource, Some(Value::Status(Status::Inactive)), reason);
        }
    }

    fn groups_and_boundary(&mut self) {
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
            self.blocked.push(crate::plan::Blocked {
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

    fn password(&mut self) {
        let there = !matches!(self.snapshot.login_profile, Observed::Read(None));
        if self.posture.login_profile == Password::Delete && there {
            self.step(
                wave::OTHERS,
                Resource::LoginProfile,
                None,
                "the posture deletes the password",
            );
        }
    }

    fn turns_off_an_access_key(&self) -> bool {
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

/// How long after a key-off the fence lies, beyond the margin: F8 rounds the key-off's second up.
pub const FENCE_ROUNDING: SignedDuration = SignedDuration::from_secs(1);

/// The fence's time: the last key-off, rounded up, and the margin (D3).
#[must_use]
pub fn fence_time(key_off_at: Timestamp, margin_s: u32) -> Timestamp {
    key_off_at
        .saturating_add(FENCE_ROUNDING)
        .and_then(|time| time.saturating_add(SignedDuration::from_secs(i64::from(margin_s))))
        .unwrap_or(Timestamp::MAX)
}
