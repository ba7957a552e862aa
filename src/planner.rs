//! What has to change for a user or a role to be contained: posture over snapshot, minus what already is so.

mod denies;
mod draft;
mod guard;
mod live;
mod reassert;
mod scope;
mod workloads;

pub use guard::{check_caller, check_protection, out_of_reach};
pub(crate) use workloads::cuts_workloads;

use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::identity::{AccessKeyId, Caller, PrincipalKind, SessionName, Who};
use crate::lineage::Lineage;
use crate::plan::{
    FORMAT_VERSION, FindingSource, Kind, NewCredential, OnDrift, Plan, PrincipalPlan, ReadCost,
    Settle, Step, TraceSource,
};
use crate::posture::{AccessKeys, Credentials, Permissions, Posture};
use crate::resource::Resource;
use crate::snapshot::Snapshot;
use crate::state::State;
use draft::Draft;
use jiff::{SignedDuration, Timestamp};

/// What a plan is made for, besides the principals themselves.
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
    /// The same for roles.
    pub protected_roles: Vec<String>,
    /// Whether protected users and roles are contained all the same.
    pub override_protection: bool,
    /// Whether roles that services assume are contained, which cuts their workloads (F12).
    pub cut_workloads: bool,
    /// The trace that the targets come from, if they come from one.
    pub trace: Option<TraceSource>,
    /// The finding that the targets come from, if they come from one.
    pub finding: Option<FindingSource>,
    /// Whether anything unread refuses the plan (D2.12).
    pub strict: bool,
    /// How long apply watches the principal after the last wave, in seconds.
    pub settle_s: u32,
}

/// One user or role to contain.
#[derive(Clone, Debug)]
pub struct Subject {
    /// What was read.
    pub snapshot: Snapshot,
    /// What ringfence has done to it before.
    pub state: Option<State>,
    /// The keys of it that were named.
    pub named: Vec<AccessKeyId>,
    /// What a trace has found of it: keys, sessions and other credentials that descend from what was leaked.
    pub traced: Vec<Resource>,
    /// The sessions that a role's fence is to be narrowed to; none for every session.
    pub sessions: Vec<SessionName>,
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

/// Makes the plan that contains the principals.
///
/// # Errors
/// If a rule refuses it: the caller would lock itself out (D2.10, F28), a principal is protected or no one's to
/// change, workloads would be cut that nobody asked for, or something could not be read that the plan cannot do
/// without (D2.12).
pub fn contain(subjects: Vec<Subject>, request: &Request, context: &Context) -> Result<Plan> {
    for subject in &subjects {
        guard::guard(subject, request, &context.caller)?;
    }
    let mut principals = contain_each(subjects, request, context)?;
    for principal in &mut principals {
        workloads::guard(principal, request.cut_workloads, context.now)?;
        let warning = workloads::warning(principal, context.now);
        principal.warnings.extend(warning);
    }
    if principals.iter().any(|principal| principal.kind == PrincipalKind::Role) {
        live::say_which_roles(&mut principals);
    }
    principals.sort_by_key(|principal| std::cmp::Reverse(live::last_use_of_compromised(principal)));
    // A role is there to be assumed: whoever works with it is locked out until the fence is past.
    let quiet = principals.iter().all(|principal| {
        principal.kind == PrincipalKind::User
            && principal.left_live.iter().all(|live| live.resource.is_none())
    });
    let margin = request.posture.fence_margin_s.unwrap_or(if quiet {
        MARGIN_WITHOUT_LIVE
    } else {
        MARGIN_WITH_LIVE
    });
    let mut plan = assemble(Kind::Contain, principals, request.posture.clone(), margin, context);
    plan.settle = Settle::watch(request.settle_s, contained_when_new(&plan));
    plan.override_protection = request.override_protection;
    let cuts = |principal: &PrincipalPlan| principal.kind == PrincipalKind::Role;
    plan.cut_workloads = request.cut_workloads && plan.principals.iter().any(cuts);
    plan.trace.clone_from(&request.trace);
    plan.finding.clone_from(&request.finding);
    Ok(plan.sealed())
}

/// What has to be done again for a contained user, by what was read now: as [`contain`] would plan it for the
/// posture and the keys that the state records. The steps are not numbered, and their waves only sort.
///
/// # Errors
/// If the principal was released, or something could not be read that a plan cannot do without.
pub fn again(state: &State, now: &Snapshot, context: &Context) -> Result<PrincipalPlan> {
    is_to_be_contained_again(state)?;
    let request = Request {
        posture: state.posture.clone(),
        since: state.since,
        protected_users: Vec::new(),
        protected_roles: Vec::new(),
        override_protection: true,
        cut_workloads: true,
        trace: None,
        finding: None,
        strict: false,
        settle_s: 0,
    };
    let subject = Subject {
        snapshot: now.clone(),
        state: Some(state.clone()),
        named: Vec::new(),
        traced: Vec::new(),
        sessions: state.sessions.clone(),
        fresh_lineage: state.lineage.clone(),
    };
    contain_one(subject, &request, context, false)
}

/// Refuses to assert again what was released, also where a fence is left: who is to be contained anew, and for which
/// keys, is for a person to say. With none named all that are Active would be taken for the attacker's.
///
/// # Errors
/// If the principal was released.
pub fn is_to_be_contained_again(state: &State) -> Result<()> {
    if state.is_released() {
        let who = state.principal.who();
        return Err(Error::stale(format!("{who} was released"))
            .hint(format!("a new containment: ringfence plan {}", who.flag())));
    }
    Ok(())
}

/// The kinds of credential that the rules turn off whenever one of them is found: what the posture turns off
/// all of, and with a known exposure whatever is younger.
fn contained_when_new(plan: &Plan) -> Vec<NewCredential> {
    let posture = &plan.posture;
    if plan.principals.iter().all(|principal| principal.kind == PrincipalKind::Role) {
        return Vec::new();
    }
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
        cut_workloads: false,
        trace: None,
        finding: None,
        recover: None,
        approval: None,
        principals,
        content_sha256: String::new(),
    }
}

/// The principals' parts of a plan. Whoever is stopped only now could assume a role until now: a fence of it that
/// stands from before moves, too (F12).
fn contain_each(
    subjects: Vec<Subject>,
    request: &Request,
    context: &Context,
) -> Result<Vec<PrincipalPlan>> {
    let parts =
        subjects.iter().map(|subject| contain_one(subject.clone(), request, context, false));
    let parts = parts.collect::<Result<Vec<_>>>()?;
    let stops: Vec<bool> = parts.iter().map(PrincipalPlan::stops_sessions).collect();
    let moved = subjects.into_iter().zip(parts).enumerate().map(|(index, (subject, part))| {
        let fenced = part.steps.iter().any(Step::awaits_fence_time);
        let others = || stops.iter().enumerate().any(|(other, stops)| *stops && other != index);
        if part.kind == PrincipalKind::Role && !fenced && others() {
            contain_one(subject, request, context, true)
        } else {
            Ok(part)
        }
    });
    moved.collect()
}

fn contain_one(
    subject: Subject,
    request: &Request,
    context: &Context,
    moves_fence: bool,
) -> Result<PrincipalPlan> {
    let Subject { snapshot, state, named, traced, sessions, fresh_lineage } = subject;
    let active = state.as_ref().filter(|state| state.continues());
    let posture = active
        .filter(|state| !state.is_released())
        .map_or_else(|| request.posture.clone(), |state| state.posture.tightened(&request.posture));
    let since = earliest(request.since, active.and_then(|state| state.since));
    let by_finding = request.finding.iter().flat_map(|finding| finding.access_keys.clone());
    let by_finding: Vec<AccessKeyId> = by_finding.collect();
    let found = scope::Found { named: &named, by_finding: &by_finding, traced: &traced, since };
    let scope = scope::of(&snapshot, state.as_ref(), &found, posture.access_keys)?;
    let sessions = narrowed(active, &snapshot.who(), &posture, sessions)?;
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
        sessions,
        moves_fence,
        who: snapshot.who(),
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
        kind: draft.who.kind(),
        name: draft.snapshot.name().clone(),
        id: draft.snapshot.id().clone(),
        arn: draft.snapshot.arn().clone(),
        lineage: draft.lineage,
        previous_lineage: match (&state, draft.state) {
            (_, Some(active)) => active.previous_lineage,
            (released, None) => released.as_ref().map(|state| state.lineage.clone()),
        },
        serial: state.as_ref().map_or(0, |state| state.serial),
        since,
        compromised: scope.compromised,
        sessions: draft.sessions,
        usage: None,
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

/// The sessions that the fence is for: never fewer than a fence that stands is for (D5).
fn narrowed(
    active: Option<&State>,
    who: &Who,
    posture: &Posture,
    mut asked: Vec<SessionName>,
) -> Result<Vec<SessionName>> {
    if asked.is_empty() {
        return Ok(asked);
    }
    if who.kind() == PrincipalKind::User || posture.permissions != Permissions::Keep {
        return Err(Error::new(
            Exit::Usage,
            format!("posture `{}` denies everything to every session of {who}", posture.name),
        )
        .hint("sessions narrow a fence, and no hold: leave them out, or name another --posture"));
    }
    if let Some(state) = active.filter(|state| state.fence().is_some()) {
        if state.sessions.is_empty() {
            return Ok(Vec::new());
        }
        asked.extend(state.sessions.iter().cloned());
    }
    asked.sort();
    asked.dedup();
    Ok(asked)
}

fn earliest(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
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
