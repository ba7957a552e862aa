//! What a recovery plans: a new key for the workload of a contained user, in the place where it looks for one,
//! and no more rights than it needs.

mod rights;

use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::identity::AccessKeyId;
use crate::lineage::Lineage;
use crate::plan::{Change, Destination, Fields, Kind, Plan, PrincipalPlan, Recover, Step};
use crate::planner::{Context, assemble, check_caller};
use crate::policy::PolicyDocument;
use crate::posture::Posture;
use crate::resource::{Known, Later, Resource, Value};
use crate::snapshot::{AccessKey, Observed, Snapshot, Status};
use crate::standing::{fence_covers, fence_stands, hold_stands, judge};
use crate::state::{Role, State};
use crate::text::shown;
use crate::view::Standing;

/// How the names of policies begin that a recovery writes; the lineage follows.
pub(crate) const RIGHTS_NAME: &str = "LeastPrivilege-";
/// The most access keys that a user may have (F15).
const KEYS: usize = 2;
/// For how long a new key may take until it authenticates, in seconds: changes reach every endpoint within
/// seconds, and AWS allows itself minutes (F29).
pub const CHECK_FOR_S: u32 = 120;

/// What the person asks for.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Where a new key goes; `None` where none is wanted.
    pub to: Option<Place>,
    /// A key that is deleted for good.
    pub delete_key: Option<AccessKeyId>,
    /// The policy that takes the place of what the user may do now.
    pub policy: Option<PolicyDocument>,
    /// What the person has to know of that policy.
    pub remark: Option<String>,
    /// The actions that the user has to be allowed, as `SERVICE:ACTION`.
    pub probes: Vec<String>,
    /// Whether a user that is not contained gets a new key all the same.
    pub override_containment: bool,
}

/// Where a new key goes, as it was found there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A secret that is there.
    Secret {
        /// Its ARN.
        arn: String,
        /// Its current version.
        version: String,
        /// The fields that take the key.
        fields: Fields,
        /// The key that it holds now, where it holds one.
        holds: Option<String>,
    },
    /// A secret that is to be made.
    NewSecret {
        /// Its name.
        name: String,
        /// The Region that it is made in.
        region: String,
        /// The fields that take the key.
        fields: Fields,
    },
    /// A profile of the AWS credentials file.
    Profile {
        /// The file.
        file: String,
        /// The profile.
        profile: String,
        /// The key that it holds now, where it is there.
        holds: Option<String>,
    },
    /// Standard output.
    Stdout,
}

/// The order of a recovery: room is made, the key is made, then stored; what the user may do changes last, so that
/// nothing of it has changed where the key could not be stored.
mod wave {
    pub(super) const DELETE: u32 = 1;
    pub(super) const KEY: u32 = 2;
    pub(super) const STORE: u32 = 3;
    pub(super) const GRANT: u32 = 4;
    pub(super) const NARROW: u32 = 5;
}

/// Plans the recovery of one user.
///
/// # Errors
/// If the user is not contained and that is not overridden, there is no room for a key, a key that is to be deleted
/// is on, or what would be replaced could not be read.
pub fn recover(
    snapshot: Snapshot,
    state: Option<&State>,
    posture: &Posture,
    fresh_lineage: Lineage,
    request: &Request,
    context: &Context,
) -> Result<Plan> {
    check_caller(&context.caller, &snapshot.who(), snapshot.arn(), snapshot.id())?;
    if request.to.is_some() && !request.override_containment {
        contained(&snapshot, state)?;
    }
    let keys = keys(&snapshot)?;
    let mut steps = Vec::new();
    let mut warnings = Vec::new();
    if request.override_containment {
        warnings.push("--override was given: whoever still acts can read the new key".to_owned());
    }
    if let Some(id) = &request.delete_key {
        steps.push(deletion(keys, state, id)?);
    }
    if let Some(place) = &request.to {
        room(keys, state, &snapshot, request)?;
        steps.push(making());
        steps.extend(storing(place));
        warnings.extend(said_of(place, keys));
    }
    let lineage = state.map_or(fresh_lineage, |state| state.lineage.clone());
    if let Some(policy) = &request.policy {
        let narrowed = rights::narrow(&snapshot, &lineage, policy)?;
        steps.extend(narrowed.steps);
        warnings.extend(request.remark.clone());
        warnings.extend(narrowed.warnings);
        let on = keys.iter().filter(|key| key.status == Status::Active);
        warnings.extend(on.map(|key| {
            format!("access_key/{} is on as well, and may do no more than that either", key.id)
        }));
    }
    warnings.extend(state.and_then(|state| under_hold(state, &snapshot, request)));
    warnings.extend(state.and_then(|state| under_fence(state, &snapshot, request)));
    let posture = state.map_or_else(|| posture.clone(), |state| state.posture.clone());
    let principal = principal(snapshot, state, lineage, steps, warnings);
    let mut plan = assemble(Kind::Recover, vec![principal], posture, 0, context);
    plan.recover = request.to.as_ref().map(|place| Recover {
        to: destination(place),
        check_for_s: CHECK_FOR_S,
        probes: request.probes.clone(),
        override_containment: request.override_containment,
    });
    Ok(plan.sealed())
}

fn principal(
    snapshot: Snapshot,
    state: Option<&State>,
    lineage: Lineage,
    steps: Vec<Step>,
    warnings: Vec<String>,
) -> PrincipalPlan {
    PrincipalPlan {
        kind: snapshot.who().kind(),
        name: snapshot.name().clone(),
        id: snapshot.id().clone(),
        arn: snapshot.arn().clone(),
        lineage,
        previous_lineage: state.and_then(|state| state.previous_lineage.clone()),
        serial: state.map_or(0, |state| state.serial),
        since: state.and_then(|state| state.since),
        compromised: state.map(|state| state.compromised.clone()).unwrap_or_default(),
        usage: None,
        sessions: Vec::new(),
        unread: snapshot.unread(),
        snapshot,
        steps,
        left_live: Vec::new(),
        kept: Vec::new(),
        drift: Vec::new(),
        given_up: Vec::new(),
        warnings,
        blocked: Vec::new(),
    }
}

/// A new key beside an attacker who still acts would be theirs as soon as it is stored.
///
/// # Errors
/// If the user is not contained, by what was read.
pub fn contained(snapshot: &Snapshot, state: Option<&State>) -> Result<()> {
    let who = snapshot.who();
    let contain = format!("ringfence plan {} --out plan.json", who.flag());
    let Some(state) = state else {
        return Err(Error::new(Exit::Forbidden, format!("{who} is not contained"))
            .because("there is no state of it")
            .hint(format!("{contain} contains it first; --override makes a key all the same")));
    };
    let judged = judge(state, snapshot);
    if matches!(
        judged.standing,
        Standing::Contained | Standing::Released | Standing::ReleasedFenceUntil
    ) {
        return Ok(());
    }
    let mut error = Error::new(Exit::Forbidden, format!("{who} is not contained"));
    for finding in judged.findings() {
        let resource = finding.resource.map(|one| format!("{one} ")).unwrap_or_default();
        error = error.detail(shown(&format!("{resource}{}", finding.what)));
    }
    Err(error.hint(format!(
        "ringfence status {} tells what helps; --override makes a key all the same",
        who.flag()
    )))
}

fn keys(snapshot: &Snapshot) -> Result<&[AccessKey]> {
    match &snapshot.access_keys {
        Observed::Read(keys) => Ok(keys),
        Observed::Unread(missing) => {
            Err(Error::failed(format!("the access keys of {} could not be read", snapshot.who()))
                .because(format!("{}: {}", missing.action, missing.because))
                .hint("grant the action, as examples/responder-policy.json does"))
        }
    }
}

fn is_compromised(state: Option<&State>, id: &AccessKeyId) -> bool {
    state.is_some_and(|state| state.is_compromised(&Resource::AccessKey(id.clone())))
}

fn deletion(keys: &[AccessKey], state: Option<&State>, id: &AccessKeyId) -> Result<Step> {
    let Some(key) = keys.iter().find(|key| key.id == *id) else {
        let mut error = Error::failed(format!("there is no access key `{id}` to delete"));
        for key in keys {
            error = error.detail(format!("access_key/{} is {}", key.id, key.status));
        }
        return Err(error.hint("--delete-key takes the ID of a key of the user"));
    };
    if key.status == Status::Active {
        return Err(Error::new(Exit::Forbidden, format!("access key `{id}` is Active"))
            .because("a key that is on is never deleted: who uses it would find out too late")
            .hint(format!("ringfence plan --access-key {id} turns it off, which can be undone")));
    }
    let reason = match is_compromised(state, id) {
        true => "asked for; it is compromised, and off",
        false => "asked for; it is off",
    };
    Ok(Step {
        id: 0,
        wave: wave::DELETE,
        resource: Resource::AccessKey(id.clone()),
        action: Change::Delete,
        before: Some(Value::Status(Status::Inactive)),
        after: None,
        reversible: false,
        reason: reason.to_owned(),
        cautions: vec![
            "its last recorded use goes with it; what it did stays in CloudTrail".to_owned(),
        ],
    })
}

/// Refuses a key for which there is no room, and says which one has to go (F15).
fn room(
    keys: &[AccessKey],
    state: Option<&State>,
    snapshot: &Snapshot,
    request: &Request,
) -> Result<()> {
    let stay = keys.iter().filter(|key| request.delete_key.as_ref() != Some(&key.id));
    if stay.count() < KEYS {
        return Ok(());
    }
    let who = snapshot.who();
    let mut error =
        Error::failed(format!("{who} has {KEYS} access keys, the most that a user may have"));
    for key in keys {
        let mark = if is_compromised(state, &key.id) { ", compromised" } else { "" };
        error = error.detail(format!("access_key/{} is {}{mark}", key.id, key.status));
    }
    let off = |key: &&AccessKey| key.status == Status::Inactive;
    let worst = keys
        .iter()
        .filter(off)
        .find(|key| is_compromised(state, &key.id))
        .or_else(|| keys.iter().find(off));
    Err(match worst {
        Some(key) => {
            error.hint(format!("--delete-key {} makes room, and cannot be undone", key.id))
        }
        None => error.hint("both are on: turn off the one that nobody needs, then --delete-key ID"),
    })
}

fn making() -> Step {
    Step {
        id: 0,
        wave: wave::KEY,
        resource: Resource::NewAccessKey,
        action: Change::Create,
        before: None,
        after: Some(Value::AccessKeyId(Known::later(Later::NewAccessKeyId))),
        reversible: true,
        reason:
            "the workload's new key, its ID known after apply; it is deleted again if it cannot \
                 be stored"
                .to_owned(),
        cautions: Vec::new(),
    }
}

fn storing(place: &Place) -> Option<Step> {
    let key = || Some(Value::AccessKeyId(Known::later(Later::NewAccessKeyId)));
    let version = || Some(Value::SecretVersion(Known::later(Later::SecretVersionId)));
    let fields = |fields: &Fields| {
        format!(
            "{} and {} take the key",
            shown(&fields.access_key_id),
            shown(&fields.secret_access_key)
        )
    };
    let (resource, before, after, reason) = match place {
        Place::Secret { arn, version: now, fields: names, .. } => {
            let before = Some(Value::SecretVersion(Known::Is(now.clone())));
            let reason = format!("a new version; {}, every other field stays", fields(names));
            (Resource::Secret(arn.clone()), before, version(), reason)
        }
        Place::NewSecret { name, region, fields: names } => {
            let reason = format!("made in {}; {}", shown(region), fields(names));
            (Resource::Secret(name.clone()), None, version(), reason)
        }
        Place::Profile { file, profile, holds } => {
            let before = holds.clone().map(|id| Value::AccessKeyId(Known::Is(id)));
            let reason = format!("in {}; every other profile stays", shown(file));
            (Resource::Profile(profile.clone()), before, key(), reason)
        }
        Place::Stdout => return None,
    };
    let action = if before.is_some() { Change::Update } else { Change::Create };
    let (id, wave, reversible, cautions) = (0, wave::STORE, true, Vec::new());
    Some(Step { id, wave, resource, action, before, after, reversible, reason, cautions })
}

/// What the person has to know of the place.
fn said_of(place: &Place, keys: &[AccessKey]) -> Option<String> {
    match place {
        Place::Secret { holds: Some(held), .. } | Place::Profile { holds: Some(held), .. } => {
            let known = keys.iter().any(|key| key.id.as_str() == held);
            (!known).then(|| format!("it holds {} now, which is no key of this user", shown(held)))
        }
        Place::Stdout => Some(
            "the secret goes to standard output, once: see that nothing keeps it that should not"
                .to_owned(),
        ),
        _ => None,
    }
}

/// Which step lifts the hold for a new key, and when: under it the key can do nothing (F24).
fn under_hold(state: &State, snapshot: &Snapshot, request: &Request) -> Option<String> {
    if request.to.is_none() || !hold_stands(state, snapshot) {
        return None;
    }
    let stands = "a deny on everything stands: the new key can do nothing until it is lifted";
    let ours = state.held().any(|(resource, held)| state.role(resource, held) == Role::Hold);
    if !ours {
        return Some(format!("{stands}, and it is not ringfence's"));
    }
    let rollback = format!("ringfence rollback {} --to revoke", snapshot.who().flag());
    let when = match &state.clock {
        _ if fence_covers(state, snapshot) => "now: the fence keeps older sessions out".to_owned(),
        Some(clock) => format!("from {} on", clock.lift_after),
        None => "once its time is known".to_owned(),
    };
    Some(format!("{stands}: {rollback}, {when}"))
}

/// What a fence with a margin does to a new key: until its time sessions are denied whoever issues them (F8).
fn under_fence(state: &State, snapshot: &Snapshot, request: &Request) -> Option<String> {
    let clock = state.clock.as_ref().filter(|clock| clock.fence_time > snapshot.read_at)?;
    (request.to.is_some() && fence_stands(state, snapshot)).then(|| {
        format!(
            "until {} the fence denies sessions that the new key issues (GetSessionToken); the key \
             itself works",
            clock.fence_time
        )
    })
}

fn destination(place: &Place) -> Destination {
    match place {
        Place::Secret { arn: id, fields, .. } => {
            Destination::Secret { id: id.clone(), region: None, fields: fields.clone() }
        }
        Place::NewSecret { name, region, fields } => Destination::Secret {
            id: name.clone(),
            region: Some(region.clone()),
            fields: fields.clone(),
        },
        Place::Profile { file, profile, .. } => {
            Destination::Profile { file: file.clone(), profile: profile.clone() }
        }
        Place::Stdout => Destination::Stdout,
    }
}
