//! What a containment amounts to, judged from what was read (D2.13).

use crate::drift::{created_at, words};
use crate::identity::PrincipalKind;
use crate::plan::Kind;
use crate::posture::{AccessKeys, Credentials, Sessions};
use crate::resource::{Resource, Value, fits};
use crate::snapshot::{Now, Observed, Snapshot, Status};
use crate::state::{HeldStatus, State};
use crate::view::{FenceView, Finding, Standing};
use jiff::Timestamp;

/// A judgement, with what it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// In one word.
    pub standing: Standing,
    /// What ringfence wrote and others took away.
    pub weakened: Vec<Finding>,
    /// Suspect credentials that can still act.
    pub acting: Vec<Finding>,
    /// What could not be read and might act.
    pub unknown: Vec<Finding>,
    /// What a recovery has made, and others have changed: no containment hangs on it.
    pub unrecovered: Vec<Finding>,
    /// Whether sessions may have been issued that the fence does not cover.
    pub outlived: bool,
}

impl Judgement {
    /// Everything found, worst first.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        let all = [&self.weakened, &self.acting, &self.unknown, &self.unrecovered];
        all.into_iter().flatten().cloned().collect()
    }
}

/// Judges a principal by its state and what was read now.
#[must_use]
pub fn judge(state: &State, now: &Snapshot) -> Judgement {
    let mut weakened = taken_away(state, now);
    let held = hold_stands(state, now);
    if !held && !state.is_released() {
        weakened.extend(beyond_posture(state, now));
    }
    let (mut acting, mut unknown, mut outlived) = (Vec::new(), Vec::new(), false);
    if !held && !state.is_released() {
        acting = suspects(state, now)
            .into_iter()
            .filter(|item| weakened.iter().all(|known| known.resource != item.resource))
            .collect();
        acting.extend(unfenced(state, now));
        let early = fenced_too_early(state, now);
        outlived = !early.is_empty();
        acting.extend(early);
        unknown = unread(state, now);
    }
    if !held {
        unknown.extend(ours_unread(state, now));
    }
    if state.was_never_contained() {
        let what = "nobody has contained it: all that is recorded is a recovery";
        acting.push(Finding { resource: None, what: what.to_owned() });
    }
    let partial = last_run_is_open(state);
    let fence_kept = state.held().any(|(resource, held)| state.role(resource, held).is_fence());
    let standing = match () {
        () if !weakened.is_empty() => Standing::Weakened,
        () if state.was_never_contained() => Standing::NotContained,
        () if state.is_released() && fence_kept => Standing::ReleasedFenceUntil,
        () if state.is_released() => Standing::Released,
        () if !acting.is_empty() => Standing::NotContained,
        () if partial => Standing::Partial,
        () if !unknown.is_empty() => Standing::Unknown,
        () => Standing::Contained,
    };
    let unrecovered = unrecovered(state, now);
    Judgement { standing, weakened, acting, unknown, unrecovered, outlived }
}

/// Whether the last run was cut off, or left steps open. A recovery contains nothing, and so leaves nothing of the
/// containment open.
fn last_run_is_open(state: &State) -> bool {
    state
        .runs
        .iter()
        .rev()
        .find(|run| run.kind != Kind::Recover)
        .is_some_and(|run| run.end.as_ref().is_none_or(|end| !end.complete))
}

/// What of the last recovery does not stand any more: its key, and the rights that it has changed.
#[must_use]
pub fn unrecovered(state: &State, now: &Snapshot) -> Vec<Finding> {
    if state.is_released() {
        return Vec::new();
    }
    let mut found = Vec::new();
    if let Some(key) = state.recovered().and_then(|recovery| recovery.access_key.clone()) {
        let resource = Resource::AccessKey(key);
        match now.value(&resource).known() {
            Some(None) => found.push(finding(&resource, "is gone: the recovery made it")),
            Some(Some(Value::Status(status))) if status != Status::Active => {
                found.push(finding(&resource, format!("is {status}: the recovery made it")));
            }
            _ => {}
        }
    }
    for (resource, held) in &state.rights {
        let Some(value) = now.value(resource).known() else { continue };
        if held.status == HeldStatus::Held && !fits(held.ours.as_ref(), value.as_ref()) {
            let what = undone(value.as_ref(), held.ours.as_ref());
            found.push(finding(resource, format!("{what}: the recovery changed it")));
        }
    }
    found
}

/// The fence's clock, with why it does not count where it does not (F9).
#[must_use]
pub fn fence_view(state: &State, now: Option<&Snapshot>) -> Option<FenceView> {
    let stands = state.held().any(|(resource, held)| state.role(resource, held).stops_sessions());
    let clock = state.clock.as_ref().filter(|_| stands)?;
    Some(FenceView {
        fence_time: clock.fence_time,
        lift_after: clock.lift_after,
        void: void(state, now),
    })
}

/// Why the clock of the fence does not count, if it does not: a contained key was Active after it (F9).
#[must_use]
pub fn void(state: &State, now: Option<&Snapshot>) -> Option<String> {
    let clock = state.clock.as_ref()?;
    if let Some(why) = clock.void_while_active.first() {
        return Some(match why {
            Resource::AccessKey(_) => format!("{why} was Active when the fence was written"),
            Resource::Session(_) => format!("{why} became known after the fence was written"),
            _ => "sessions may have been issued after its time, before every deny stood".to_owned(),
        });
    }
    let now = now?;
    let live = state.resources.iter().find(|(resource, held)| {
        matches!(resource, Resource::AccessKey(_))
            && matches!(held.status, HeldStatus::Held | HeldStatus::Kept | HeldStatus::InDoubt)
            && now.value(resource) == Now::Is(Value::Status(Status::Active))
    });
    live.map(|(resource, _)| format!("{resource} is Active after the fence")).or_else(|| {
        let used = used_after_fence(state, now).into_iter().next()?;
        Some(format!("{used} was used after the fence"))
    })
}

/// The keys meant to be off whose last recorded use is later than the fence's time: whoever has turned one on and
/// off again unseen may have minted sessions that no fence covers (F9, F21).
#[must_use]
pub fn used_after_fence(state: &State, now: &Snapshot) -> Vec<Resource> {
    let Some(clock) = &state.clock else { return Vec::new() };
    let reach = state.posture.access_keys != AccessKeys::Keep;
    let meant_off = |resource: &Resource| {
        let held = state.resources.get(resource).is_some_and(|held| {
            matches!(held.status, HeldStatus::Held | HeldStatus::Kept | HeldStatus::InDoubt)
        });
        held || (reach && state.is_compromised(resource))
    };
    let keys = now.access_keys.items().iter().filter(|key| {
        let used = key.last_used.read().and_then(Option::as_ref);
        used.is_some_and(|used| used.at > clock.fence_time)
    });
    keys.map(|key| Resource::AccessKey(key.id.clone())).filter(meant_off).collect()
}

fn finding(resource: &Resource, what: impl Into<String>) -> Finding {
    Finding { resource: Some(resource.clone()), what: what.into() }
}

/// What ringfence answers for and is no longer as it left it.
fn taken_away(state: &State, now: &Snapshot) -> Vec<Finding> {
    let mut found = Vec::new();
    for (resource, held) in &state.resources {
        // A release leaves a suspect credential off on purpose; its return is news all the same.
        let kept = held.status == HeldStatus::Kept && state.is_compromised(resource);
        if !kept && !matches!(held.status, HeldStatus::Held | HeldStatus::InDoubt) {
            continue;
        }
        // What could not be read is not known to be gone (D2.13).
        let Some(value) = now.value(resource).known() else { continue };
        // A call that a cut-off run may never have made has taken nothing away.
        let never_made = fits(held.baseline.as_ref(), value.as_ref());
        if held.status == HeldStatus::InDoubt && never_made {
            continue;
        }
        if fits(held.ours.as_ref(), value.as_ref()) || (resource.is_credential() && value.is_none())
        {
            continue;
        }
        found.push(finding(resource, undone(value.as_ref(), held.ours.as_ref())));
    }
    found
}

/// What somebody did to a resource that is not as ringfence wrote it, in words that follow its name.
#[must_use]
pub fn undone(now: Option<&Value>, ours: Option<&Value>) -> String {
    match (now, ours) {
        (Some(Value::Status(Status::Active)), _) => "is Active again".to_owned(),
        (None, Some(_)) => "is gone".to_owned(),
        (Some(_), None) => "is back".to_owned(),
        (Some(Value::Document(_)), _) => "was changed".to_owned(),
        _ => format!("is now {}", words(now)),
    }
}

/// Credentials that the posture turns off, all of their kind, and that are on: made or turned on since.
fn beyond_posture(state: &State, now: &Snapshot) -> Vec<Finding> {
    let posture = &state.posture;
    live_credentials(now)
        .into_iter()
        .filter(|resource| {
            // What a release has kept off nobody has given back.
            let known = state.resources.get(resource);
            known.is_none_or(|held| held.status == HeldStatus::Kept)
                && !state.is_compromised(resource)
                && !state.is_recovered(resource)
        })
        .filter(|resource| match resource {
            Resource::AccessKey(_) => posture.access_keys == AccessKeys::All,
            Resource::SshKey(_) => posture.ssh_keys == Credentials::Deactivate,
            Resource::SigningCertificate(_) => {
                posture.signing_certificates == Credentials::Deactivate
            }
            Resource::ServiceCredential(_) => {
                posture.service_credentials == Credentials::Deactivate
            }
            _ => false,
        })
        .map(|resource| finding(&resource, "is Active, and the posture turns all of its kind off"))
        .collect()
}

/// Credentials that were made after the containment and can act: perhaps a replacement, perhaps the attacker's.
#[must_use]
pub fn newer_credentials(state: &State, now: &Snapshot) -> Vec<Resource> {
    let Some(began) = began(state) else { return Vec::new() };
    live_credentials(now)
        .into_iter()
        .filter(|resource| created_at(resource, now).is_some_and(|created| created >= began))
        .filter(|resource| !state.resources.contains_key(resource) && !state.is_recovered(resource))
        .collect()
}

/// When the containment began.
pub(crate) fn began(state: &State) -> Option<Timestamp> {
    // A run of several principals bears the lineage of the first of them.
    let own = state.runs.iter().find(|run| run.id.ends_with(state.lineage.short()));
    let written = state.resources.values().filter_map(|held| held.written_at).min();
    own.map(|run| run.started_at).or(written)
}

/// Whether an unconditional deny stands, by whomever (F24).
#[must_use]
pub fn hold_stands(state: &State, now: &Snapshot) -> bool {
    let deny_all = crate::policy::deny_all_arn(&state.partition);
    let attached =
        now.value(&Resource::AttachedPolicy(deny_all.clone())) == Now::Is(Value::Attached);
    let bounded = now.permissions_boundary.as_ref() == Some(&deny_all);
    let inline = now
        .inline_policies
        .items()
        .iter()
        .any(|policy| policy.document.read() == Some(&crate::policy::hold()));
    attached || bounded || inline
}

/// Credentials that are compromised, or younger than the exposure, and can act.
pub(crate) fn suspects(state: &State, now: &Snapshot) -> Vec<Finding> {
    let mut found = Vec::new();
    for resource in live_credentials(now) {
        if state.is_recovered(&resource) {
            continue;
        }
        let created = created_at(&resource, now);
        let younger =
            matches!((created, state.since), (Some(created), Some(since)) if created >= since);
        if !younger && !state.is_compromised(&resource) {
            continue;
        }
        let why = if younger { "created after the exposure" } else { "compromised" };
        found.push(finding(&resource, format!("{why}, {}", can_still(&resource))));
    }
    found
}

/// What whoever has a live credential can do with it.
pub(crate) fn can_still(credential: &Resource) -> &'static str {
    match credential {
        Resource::LoginProfile => "can still sign in",
        _ => "can still act",
    }
}

/// What a fence on a role does not stop, in words: nobody is to take it for more than it is (D2.13).
#[must_use]
pub fn limits(state: &State, now: &Snapshot) -> Vec<String> {
    if state.principal.kind != PrincipalKind::Role || !fence_stands(state, now) {
        return Vec::new();
    }
    if hold_stands(state, now) {
        return Vec::new();
    }
    let mut limits = Vec::new();
    if !state.sessions.is_empty() {
        let names: Vec<&str> = state.sessions.iter().map(|name| name.as_str()).collect();
        limits
            .push(format!("only sessions named {} are fenced, the others go on", names.join(", ")));
    }
    limits.push("whoever may assume the role can have a new session of it".to_owned());
    limits
}

/// Every credential that can act by itself.
#[must_use]
pub fn live_credentials(now: &Snapshot) -> Vec<Resource> {
    let mut live = Vec::new();
    let active = |status| status == Status::Active;
    live.extend(
        now.access_keys
            .items()
            .iter()
            .filter(|k| active(k.status))
            .map(|k| Resource::AccessKey(k.id.clone())),
    );
    live.extend(
        now.ssh_keys
            .items()
            .iter()
            .filter(|k| active(k.status))
            .map(|k| Resource::SshKey(k.id.clone())),
    );
    live.extend(
        now.signing_certificates
            .items()
            .iter()
            .filter(|c| active(c.status))
            .map(|c| Resource::SigningCertificate(c.id.clone())),
    );
    live.extend(
        now.service_credentials
            .items()
            .iter()
            .filter(|c| active(c.status))
            .map(|c| Resource::ServiceCredential(c.id.clone())),
    );
    if matches!(now.login_profile, Observed::Read(Some(_))) {
        live.push(Resource::LoginProfile);
    }
    live
}

/// Sessions that a compromised key may have minted and nothing denies (F2).
fn unfenced(state: &State, now: &Snapshot) -> Vec<Finding> {
    if state.principal.kind == PrincipalKind::Role {
        return unfenced_role(state, now);
    }
    let mints = |one: &Resource| matches!(one, Resource::AccessKey(_) | Resource::Session(_));
    let keys = state.compromised.iter().any(|item| mints(&item.resource));
    let unread = state.fence().is_some_and(|(fence, _)| now.value(fence) == Now::Unknown);
    if !keys || unread || fence_stands(state, now) {
        return Vec::new();
    }
    let what = match state.posture.sessions {
        Sessions::Keep => {
            "sessions that a compromised key has minted are not fenced: the posture keeps them"
        }
        Sessions::Fence => "sessions that a compromised key has minted are not fenced",
    };
    vec![Finding { resource: None, what: what.to_owned() }]
}

/// Whoever holds a session of a role can act unless a fence stops it, whether its credentials are known or not.
fn unfenced_role(state: &State, now: &Snapshot) -> Vec<Finding> {
    let unread = state.fence().is_some_and(|(fence, _)| now.value(fence) == Now::Unknown);
    if unread || fence_stands(state, now) {
        return Vec::new();
    }
    let what = match state.posture.sessions {
        Sessions::Keep => "sessions issued before are not fenced: the posture keeps them",
        Sessions::Fence => "sessions issued before are not fenced",
    };
    vec![Finding { resource: None, what: what.to_owned() }]
}

/// A key that was not known to be off when the fence was written may have minted sessions after it (F9).
fn fenced_too_early(state: &State, now: &Snapshot) -> Vec<Finding> {
    let unsure = state.clock.as_ref().filter(|_| fence_stands(state, now));
    let keys = unsure.map(|clock| clock.void_while_active.as_slice()).unwrap_or_default();
    let used = unsure.map(|_| used_after_fence(state, now)).unwrap_or_default();
    let used = used
        .into_iter()
        .filter(|key| !keys.contains(key))
        .map(|key| finding(&key, "was used after the fence: the fence has to move"));
    keys.iter()
        .map(|key| {
            let what = match key {
                Resource::AccessKey(_) => "was not known to be off when the fence was written",
                Resource::Session(_) => "became known after the fence was written",
                _ => "does not cover what was issued before every deny stood",
            };
            finding(key, format!("{what}: the fence has to move"))
        })
        .chain(used)
        .collect()
}

/// What to run for what a judgement found, in order.
#[must_use]
pub fn remedies(state: &State, judged: &Judgement) -> Vec<String> {
    let who = state.principal.who().flag();
    let again = || match state.is_released() {
        // Who is to be contained anew, and for which keys, is for a person to say.
        true => vec![format!("ringfence plan {who}")],
        false => vec![format!("ringfence apply --again {who}")],
    };
    if state.open_run().is_some() && judged.standing != Standing::Contained {
        return vec![format!("ringfence resume {who}")];
    }
    let void = state.clock.as_ref().is_some_and(|clock| !clock.void_while_active.is_empty());
    let partial = last_run_is_open(state);
    match judged.standing {
        Standing::Weakened | Standing::Partial => again(),
        Standing::NotContained if state.was_never_contained() => {
            vec![format!("ringfence plan {who} --out plan.json")]
        }
        Standing::NotContained if judged.outlived || void || partial => again(),
        Standing::NotContained => {
            vec![format!("ringfence plan {who} --posture lockdown --out lockdown.json")]
        }
        _ => Vec::new(),
    }
}

/// Whether a fence of ours stands as it was written and is in force.
#[must_use]
pub fn fence_stands(state: &State, now: &Snapshot) -> bool {
    let Some((resource, held)) = state.fence() else { return false };
    let as_ours =
        now.value(resource).known().is_some_and(|value| fits(held.ours.as_ref(), value.as_ref()));
    as_ours
        && match resource {
            Resource::ManagedPolicy(arn) => {
                now.value(&Resource::AttachedPolicy(arn.clone())) == Now::Is(Value::Attached)
                    || now.permissions_boundary.as_ref() == Some(arn)
            }
            _ => true,
        }
}

/// Whether a fence of ours stands that covers every session a contained key may have minted: the clock of F9
/// counts, and is its own and not that of a hold written after it.
#[must_use]
pub fn fence_covers(state: &State, now: &Snapshot) -> bool {
    let document = state.fence().and_then(|(resource, _)| now.value(resource).known().flatten());
    let Some(Value::Document(document)) = document else { return false };
    fence_stands(state, now)
        && state.clock.as_ref().is_some_and(|clock| {
            clock.void_while_active.is_empty() && document.fence_time() >= Some(clock.fence_time)
        })
        && used_after_fence(state, now).is_empty()
}

/// What ringfence answers for and could not be read.
fn ours_unread(state: &State, now: &Snapshot) -> Vec<Finding> {
    state
        .held()
        .filter(|(resource, _)| now.value(resource) == Now::Unknown)
        .map(|(resource, _)| finding(resource, "could not be read"))
        .collect()
}

/// What could not be read and might hide a suspect credential.
fn unread(state: &State, now: &Snapshot) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut add = |what: &str, missing: Option<&crate::snapshot::Missing>| {
        if let Some(missing) = missing {
            found.push(Finding {
                resource: None,
                what: format!("{what} could not be read ({})", missing.action),
            });
        }
    };
    add("access keys", now.access_keys.missing());
    // With no time of exposure only what was named or traced is suspect.
    let suspect = |kind: fn(&Resource) -> bool| {
        state.since.is_some() || state.compromised.iter().any(|one| kind(&one.resource))
    };
    let mut add_suspect = |what: &str, missing, kind| {
        if suspect(kind) {
            add(what, missing);
        }
    };
    add_suspect("the login profile", now.login_profile.missing(), |one| {
        *one == Resource::LoginProfile
    });
    add_suspect("ssh keys", now.ssh_keys.missing(), |one| matches!(one, Resource::SshKey(_)));
    add_suspect("signing certificates", now.signing_certificates.missing(), |one| {
        matches!(one, Resource::SigningCertificate(_))
    });
    add_suspect("service credentials", now.service_credentials.missing(), |one| {
        matches!(one, Resource::ServiceCredential(_))
    });
    found
}

/// How many of the keys that must be off are Active, by what was read.
#[must_use]
pub fn still_active(keys: &[Resource], now: &Snapshot) -> Vec<Resource> {
    keys.iter()
        .filter(|key| now.value(key) == Now::Is(Value::Status(Status::Active)))
        .cloned()
        .collect()
}

/// The stage of a containment by its state alone, without reading anything.
#[must_use]
pub fn stage(state: &State, now: Timestamp) -> String {
    let fence = fence_view(state, None);
    match (state.is_released(), state.open_run(), fence) {
        (_, Some(_), _) => "a run was cut off".to_owned(),
        _ if state.was_never_contained() => "never contained".to_owned(),
        (true, _, Some(fence)) if fence.void.is_some() => "released, fence stays".to_owned(),
        (true, _, Some(fence)) if now < fence.lift_after => {
            format!("released, fence until {}", fence.lift_after)
        }
        (true, _, Some(_)) => "released, fence may go".to_owned(),
        (true, _, None) => "released".to_owned(),
        (false, _, _)
            if state
                .runs
                .last()
                .and_then(|run| run.end.as_ref())
                .is_some_and(|end| !end.complete) =>
        {
            "partial".to_owned()
        }
        (false, _, _) => "contained by record".to_owned(),
    }
}
