//! What a rollback plans: only what ringfence changed and what still is as ringfence left it (D2.6, D2.7).

mod rearm;

pub(crate) use rearm::hidden;

use crate::drift::{appeared, words};
use crate::error::{Error, Result};
use crate::plan::{Change, Drifted, Kept, Kind, Plan, PrincipalPlan, Step};
use crate::planner::{Context, assemble, check_caller};
use crate::posture::{Groups, Permissions, Posture, Sessions};
use crate::resource::{Resource, Value, fits};
use crate::snapshot::{Snapshot, Status};
use crate::standing::{fence_covers, live_credentials, void};
use crate::state::{Held, HeldStatus, Role, State};
use crate::text::{ago, clock, operand};

/// How a step begins to say that a credential acts again though it may be the attacker's.
pub(crate) const ASKED_FOR_ALL_THE_SAME: &str = "asked for all the same";
/// What a step says that gives rights back to a credential that may be the attacker's, which it names.
pub(crate) const GIVES_RIGHTS_TO: &str = "gives rights to ";
/// What a step says that lifts the deny under which a credential is that may be the attacker's: "lets X act again".
pub(crate) const ACTS_AGAIN: (&str, &str) = ("lets ", " act again: ");
/// Why a deny goes that still stops sessions.
pub(crate) const BEFORE_ITS_TIME: &str = "asked for before its time";
/// How a step begins to say that sessions act again that its deny still stops.
pub(crate) const OLDER_ACT_AGAIN: &str = "lets every session issued before it act again";
/// Why a hold goes.
pub(crate) const LIFTED_LAST: &str = "the hold is lifted last";
/// Why rights go back that ringfence took.
pub(crate) const AS_BEFORE: &str = "as it was before";
/// Why rights go back that a recovery has changed.
pub(crate) const BEFORE_THE_RECOVERY: &str = "as it was before the recovery";

/// What the person asks for.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Credentials that act again whatever rule 7 says.
    pub reactivate: Vec<Resource>,
    /// Whether denies go before their time.
    pub lift_fence_now: bool,
    /// Whether a hold goes, and rights go back, though some of the credentials could not be listed.
    pub accept_unread: bool,
    /// The posture to step down to, instead of a full release.
    pub to: Option<Posture>,
    /// Resources others changed that are restored all the same.
    pub take: Vec<Resource>,
    /// Resources others changed that are given up.
    pub leave: Vec<Resource>,
    /// Whether the rights that a recovery has changed are given back too.
    pub undo_recovery: bool,
}

/// The order of a rollback: the other way around, the deny lifted last (F31).
mod wave {
    pub(super) const OTHERS: u32 = 1;
    pub(super) const CREDENTIALS: u32 = 2;
    pub(super) const FENCE: u32 = 3;
    pub(super) const FENCE_POLICY: u32 = 4;
    pub(super) const HOLD: u32 = 5;
}

/// Plans the release of one principal. `at_apply` is the snapshot that the last containment was planned from.
///
/// # Errors
/// If the request names what ringfence does not hold, or asks for a posture that is no step down.
pub fn release(
    snapshot: Snapshot,
    state: &State,
    at_apply: Option<&Snapshot>,
    request: &Request,
    context: &Context,
) -> Result<Plan> {
    check_caller(&context.caller, &snapshot.who(), snapshot.arn(), snapshot.id())?;
    check(state, &snapshot, request)?;
    let mut draft = Draft {
        state,
        request,
        context,
        at_apply,
        snapshot,
        steps: Vec::new(),
        kept: Vec::new(),
        drift: Vec::new(),
        given_up: left_to_others(state, request),
        warnings: Vec::new(),
    };
    draft.credentials();
    draft.others();
    draft.fence();
    draft.hold();
    draft.rights();
    draft.newcomers(at_apply);
    let posture = request.to.clone().unwrap_or_else(|| state.posture.clone());
    let principal = draft.into_principal();
    Ok(assemble(Kind::Release, vec![principal], posture, 0, context).sealed())
}

fn check(state: &State, now: &Snapshot, request: &Request) -> Result<()> {
    let live = live_credentials(now);
    for resource in request.reactivate.iter().chain(&request.take).chain(&request.leave) {
        let live_under_hold = request.reactivate.contains(resource) && live.contains(resource);
        if !state.resources.contains_key(resource) && !live_under_hold {
            return Err(Error::failed(format!(
                "`{resource}` is nothing that ringfence holds for {}",
                state.principal.who()
            ))
            .hint(format!(
                "ringfence state show {} lists what it holds",
                operand(state.principal.name.as_str())
            )));
        }
    }
    if let Some(both) = request.take.iter().find(|resource| request.leave.contains(resource)) {
        return Err(Error::failed(format!("`{both}` is both to be taken and to be left"))
            .hint("--take restores it, --leave gives it up: name it once"));
    }
    if let Some(resource) = request.reactivate.iter().find(|resource| !resource.is_credential()) {
        return Err(Error::failed(format!("`{resource}` is no credential that could be re-activated"))
            .hint("--reactivate takes access_key/ID, ssh_key/ID, signing_certificate/ID, service_credential/ID or login_profile"));
    }
    if let Some(to) = &request.to
        && (!state.posture.covers(to) || *to == state.posture)
    {
        return Err(Error::failed(format!(
            "posture `{}` is no step down from `{}`",
            to.name, state.posture.name
        ))
        .hint("a stricter posture is a plan of its own: ringfence plan --posture NAME"));
    }
    Ok(())
}

/// What the person gives up: whatever it is for, it is nobody's here afterwards.
fn left_to_others(state: &State, request: &Request) -> Vec<Resource> {
    let open = |resource: &&Resource| state.resources.get(resource).is_some_and(is_open);
    let mut all: Vec<Resource> = request.leave.iter().filter(open).cloned().collect();
    all.sort();
    all.dedup();
    all
}

/// Whether a release still has something to say about a resource.
const fn is_open(held: &Held) -> bool {
    matches!(held.status, HeldStatus::Held | HeldStatus::InDoubt | HeldStatus::Kept)
}

struct Draft<'a> {
    state: &'a State,
    request: &'a Request,
    context: &'a Context,
    at_apply: Option<&'a Snapshot>,
    snapshot: Snapshot,
    steps: Vec<Step>,
    kept: Vec<Kept>,
    drift: Vec<Drifted>,
    given_up: Vec<Resource>,
    warnings: Vec<String>,
}

/// What is to be done with a resource, before the rules of its role have their say.
enum Fate {
    /// It is as ringfence left it, or is taken back.
    Restore(Option<Value>),
    /// It is settled, and was said.
    Settled,
}

impl Draft<'_> {
    fn held(&self) -> Vec<(Resource, Held, Role)> {
        self.state
            .resources
            .iter()
            .filter(|(resource, held)| is_open(held) && !self.request.leave.contains(resource))
            .map(|(resource, held)| {
                (resource.clone(), held.clone(), self.state.role(resource, held))
            })
            .collect()
    }

    /// Sorts out drift: what others changed is left alone unless the person says otherwise (D2.6).
    fn fate(&mut self, resource: &Resource, held: &Held) -> Fate {
        let Some(now) = self.snapshot.value(resource).known() else {
            self.warnings.push(format!("{resource} could not be read: left as it is"));
            return Fate::Settled;
        };
        if fits(held.baseline.as_ref(), now.as_ref()) {
            return Fate::Settled;
        }
        if resource.is_credential() && now.is_none() && *resource != Resource::LoginProfile {
            self.drifted(resource, "is gone: it cannot be restored");
            return Fate::Settled;
        }
        // A run that was cut off while it moved the fence leaves the one before in force, ours as well.
        let before = Held { ours: now.clone(), ..held.clone() };
        let earlier = held.status == HeldStatus::InDoubt
            && *resource == Resource::PermissionsBoundary
            && self.state.role(resource, &before).is_fence();
        let ours = earlier || fits(held.ours.as_ref(), now.as_ref());
        if !ours && !self.request.take.contains(resource) {
            let what = format!(
                "is now {}: --take {resource} restores it, --leave {resource} gives it up",
                words(now.as_ref())
            );
            self.drifted(resource, &what);
            return Fate::Settled;
        }
        Fate::Restore(now)
    }

    fn drifted(&mut self, resource: &Resource, what: &str) {
        self.drift.push(Drifted { resource: resource.clone(), what: what.to_owned() });
    }

    fn keep(&mut self, resource: &Resource, why: String, flag: Option<String>) {
        self.kept.push(Kept { resource: resource.clone(), why, flag });
    }

    /// A deny whose time has not come stays; one that others changed and the person takes is ours again.
    fn keep_or_retake(
        &mut self,
        wave: u32,
        resource: &Resource,
        held: &Held,
        now: Option<Value>,
        why: &str,
    ) {
        if fits(held.ours.as_ref(), now.as_ref()) {
            let flag = Some("--lift-fence-now lifts it".to_owned());
            self.keep(resource, why.to_owned(), flag);
            return;
        }
        let ours = Held { baseline: held.ours.clone(), ..held.clone() };
        self.restore(wave, resource, &ours, now, format!("as ringfence left it; it {why}"));
    }

    fn restore(
        &mut self,
        wave: u32,
        resource: &Resource,
        held: &Held,
        now: Option<Value>,
        reason: String,
    ) {
        let action = match (&now, &held.baseline) {
            (None, _) => Change::Create,
            (Some(_), Some(_)) => Change::Update,
            (Some(_), None) => Change::Delete,
        };
        self.steps.push(Step {
            id: 0,
            wave,
            resource: resource.clone(),
            action,
            before: now,
            after: held.baseline.clone(),
            reversible: true,
            reason,
            cautions: Vec::new(),
        });
    }

    fn caution(&mut self, text: String) {
        if let Some(step) = self.steps.last_mut() {
            step.cautions.push(text);
        }
    }

    fn credentials(&mut self) {
        for (resource, held, role) in self.held() {
            if role != Role::Credential {
                continue;
            }
            if resource == Resource::LoginProfile {
                self.password(&resource, &held);
                continue;
            }
            if self.needed_by_target(&resource) {
                continue;
            }
            let Fate::Restore(now) = self.fate(&resource, &held) else { continue };
            let asked = self.request.reactivate.contains(&resource);
            match self.why_suspect(&resource) {
                Some(why) if !asked => {
                    let flag = format!("{} overrides", reactivate_option(&resource));
                    self.keep(&resource, format!("stays Inactive: {why}"), Some(flag));
                }
                suspect => {
                    let reason = "turned off by ringfence".to_owned();
                    self.restore(wave::CREDENTIALS, &resource, &held, now, reason);
                    if let Some(why) = suspect {
                        self.caution(format!("{ASKED_FOR_ALL_THE_SAME}; {why}"));
                        if matches!(resource, Resource::AccessKey(_)) {
                            // F33
                            self.caution(
                                "presigned URLs signed with it, up to 7 days old, may work again"
                                    .to_owned(),
                            );
                        }
                    }
                }
            }
        }
    }

    /// A password cannot be given back; one that was perhaps never deleted may be there as it was.
    fn password(&mut self, resource: &Resource, held: &Held) {
        let in_doubt = held.status == HeldStatus::InDoubt || held.is_perhaps();
        let now = self.snapshot.value(resource).known();
        if in_doubt && now.is_some_and(|now| fits(held.baseline.as_ref(), now.as_ref())) {
            return;
        }
        let was = if in_doubt { "may have been" } else { "was" };
        self.keep(resource, format!("{was} deleted, which cannot be undone"), None);
    }

    fn others(&mut self) {
        let gain = self.gain();
        for (resource, held, role) in self.held() {
            if role != Role::Other {
                continue;
            }
            let needed = self.request.to.as_ref().is_some_and(|to| match resource {
                Resource::Group(_) => to.groups == Groups::Remove,
                Resource::PermissionsBoundary => {
                    to.permissions_boundary == self.state.posture.permissions_boundary
                        && to.permissions_boundary.policy().is_some()
                }
                _ => false,
            });
            if needed {
                continue;
            }
            let Fate::Restore(now) = self.fate(&resource, &held) else { continue };
            if let Some((why, flag)) = gain.refusal(self.request) {
                self.keep(&resource, why, Some(flag));
                continue;
            }
            self.restore(wave::OTHERS, &resource, &held, now, AS_BEFORE.to_owned());
            gain.cautions().for_each(|text| self.caution(text));
        }
    }

    /// Why the denies that stop older sessions must stay; `None` once their time has come (D2.7, F9).
    fn too_early(&self) -> Option<String> {
        let Some(clock) = &self.state.clock else {
            return Some("when its time comes is not known".to_owned());
        };
        if let Some(why) = void(self.state, Some(&self.snapshot)) {
            return Some(format!("its clock is void: {why}"));
        }
        let now = self.context.now;
        (now < clock.lift_after).then(|| {
            format!(
                "stays until {} ({}): sessions it stops may live until then",
                clock.lift_after,
                ago(clock.lift_after, now)
            )
        })
    }

    /// What a recovery has made of the user's rights stays unless that is asked for: the workload lives with it.
    fn rights(&mut self) {
        let gain = self.gain();
        let held = self.state.rights.iter().filter(|(_, held)| is_open(held));
        for (resource, held) in held.map(|(r, h)| (r.clone(), h.clone())).collect::<Vec<_>>() {
            let Fate::Restore(now) = self.fate(&resource, &held) else { continue };
            if self.request.undo_recovery {
                let grants = held.baseline.is_some();
                if let Some((why, flag)) = gain.refusal(self.request).filter(|_| grants) {
                    self.keep(&resource, why, Some(flag));
                    continue;
                }
                let wave = if grants { wave::OTHERS } else { wave::CREDENTIALS };
                self.restore(wave, &resource, &held, now, BEFORE_THE_RECOVERY.to_owned());
                gain.cautions().filter(|_| grants).for_each(|text| self.caution(text));
            } else {
                let flag = Some("--undo-recovery gives it back".to_owned());
                let what = if held.ours.is_some() { "granted" } else { "taken away" };
                self.keep(&resource, format!("stays {what}: by the recovery"), flag);
            }
        }
    }

    fn fence(&mut self) {
        if self.request.to.as_ref().is_some_and(|to| to.sessions == Sessions::Fence) {
            return;
        }
        let too_early = self.too_early();
        let mut held = self.held();
        // A policy goes after whatever makes use of it.
        held.sort_by_key(|(resource, ..)| matches!(resource, Resource::ManagedPolicy(_)));
        for (resource, held, role) in held {
            if !role.is_fence() {
                continue;
            }
            self.say_if_taken_away(&resource, &held, too_early.is_some());
            let Fate::Restore(now) = self.fate(&resource, &held) else { continue };
            if let Some(why) = &too_early
                && !self.request.lift_fence_now
            {
                self.keep_or_retake(wave::FENCE, &resource, &held, now, why);
                continue;
            }
            if let Some(why) = self.in_use(&resource) {
                let flag = Some(format!("--leave {resource} gives it up"));
                self.keep(&resource, why.to_owned(), flag);
                continue;
            }
            let order = match resource {
                Resource::ManagedPolicy(_) => wave::FENCE_POLICY,
                _ => wave::FENCE,
            };
            self.restore(order, &resource, &held, now, self.why_lifted());
            self.warn_of_early_lift(too_early.as_deref());
        }
    }

    /// Why a policy stays that IAM would refuse to delete: a principal makes use of it.
    fn in_use(&self, resource: &Resource) -> Option<&'static str> {
        let Resource::ManagedPolicy(arn) = resource else { return None };
        let uses = [
            (Resource::AttachedPolicy(arn.clone()), Value::Attached),
            (Resource::PermissionsBoundary, Value::PolicyArn(arn.clone())),
        ];
        uses.iter().find_map(|(by, value)| {
            let ends = |step: &Step| step.resource == *by && step.after.as_ref() != Some(value);
            match self.snapshot.value(by).known() {
                _ if self.steps.iter().any(ends) => None,
                None => Some("stays while it may be attached: that could not be read"),
                Some(now) => (now.as_ref() == Some(value)).then_some("stays while it is in use"),
            }
        })
    }

    fn why_lifted(&self) -> String {
        match &self.state.clock {
            Some(at) if self.context.now >= at.lift_after => format!(
                "every session older than {} has expired (fence + 36 h passed {})",
                clock(at.fence_time),
                ago(at.lift_after, self.context.now)
            ),
            _ => BEFORE_ITS_TIME.to_owned(),
        }
    }

    fn warn_of_early_lift(&mut self, too_early: Option<&str>) {
        if too_early.is_some() {
            let until = self.state.clock.as_ref().map_or_else(
                || "for up to 36 h".to_owned(),
                |clock| format!("until {} at the latest", clock.lift_after),
            );
            self.caution(format!("{OLDER_ACT_AGAIN}, the attacker's too, {until}"));
        }
    }

    /// A deny that others removed before its time has let in what it stopped: said, not passed over (D2.6).
    fn say_if_taken_away(&mut self, resource: &Resource, held: &Held, early: bool) {
        let gone = self.snapshot.value(resource) == crate::snapshot::Now::Absent;
        if early && gone && held.baseline.is_none() && held.status == HeldStatus::Held {
            self.drifted(resource, "was removed before its time: what it stopped can act again");
        }
    }

    /// Whether a fence stays that covers every session a contained key may have minted.
    fn fence_stays(&self) -> bool {
        let lifted = |step: &Step| {
            let held = self.state.resources.get(&step.resource);
            held.is_some_and(|held| self.state.role(&step.resource, held).is_fence())
        };
        fence_covers(self.state, &self.snapshot)
            && void(self.state, Some(&self.snapshot)).is_none()
            && !self.steps.iter().any(lifted)
    }

    fn hold(&mut self) {
        if self.request.to.as_ref().is_some_and(|to| to.permissions != Permissions::Keep) {
            return;
        }
        let early = self.too_early().filter(|_| !self.fence_stays());
        let (hidden, rearmed) = (self.hidden(), self.rearmed_by_lifting());
        for (resource, held, role) in self.held() {
            if role != Role::Hold {
                continue;
            }
            self.say_if_taken_away(&resource, &held, early.is_some());
            let Fate::Restore(now) = self.fate(&resource, &held) else { continue };
            if held.baseline_unread && !self.request.take.contains(&resource) {
                let why = "stays: whether it was attached before could not be read";
                let flag = format!("--take {resource} detaches it, --leave {resource} gives it up");
                self.keep(&resource, why.to_owned(), Some(flag));
                continue;
            }
            if let Some(why) = &early
                && !self.request.lift_fence_now
            {
                self.keep_or_retake(wave::HOLD, &resource, &held, now, why);
                continue;
            }
            if let Some((kind, remedy)) = &hidden
                && !self.request.accept_unread
            {
                let why = format!("without it {kind}, which could not be read, can act: {remedy}");
                self.keep(&resource, why, Some("--accept-unread lifts it".to_owned()));
                continue;
            }
            if let Some((credential, why)) = rearmed.first() {
                let flag = format!("{} accepts that", reactivate_option(credential));
                self.keep(
                    &resource,
                    format!("without it {credential} can act again: {why}"),
                    Some(flag),
                );
                continue;
            }
            self.restore(wave::HOLD, &resource, &held, now, LIFTED_LAST.to_owned());
            for (credential, why) in self.asked_under_hold() {
                let (lets, act) = ACTS_AGAIN;
                self.caution(format!("{lets}{credential}{act}{why}"));
            }
            self.warn_of_early_lift(early.as_deref());
        }
        if self.steps.iter().any(|step| step.wave == wave::HOLD) {
            self.warn_of_unread_credentials();
        }
    }

    /// What others have made since the containment: said, left alone.
    fn newcomers(&mut self, at_apply: Option<&Snapshot>) {
        let Some(before) = at_apply else { return };
        for (resource, _) in appeared(before, &self.snapshot) {
            let known = self.state.resources.contains_key(&resource)
                || self.state.rights.contains_key(&resource)
                || self.state.is_recovered(&resource)
                || self.drift.iter().any(|item| item.resource == resource);
            if !known {
                let what = if before.value(&resource) == crate::snapshot::Now::Absent {
                    "created; not ours"
                } else {
                    "changed; not ours"
                };
                self.drifted(&resource, what);
            }
        }
    }

    fn into_principal(self) -> PrincipalPlan {
        let state = self.state;
        PrincipalPlan {
            kind: state.principal.kind,
            name: self.snapshot.name().clone(),
            id: state.principal.id.clone(),
            arn: self.snapshot.arn().clone(),
            lineage: state.lineage.clone(),
            previous_lineage: state.previous_lineage.clone(),
            serial: state.serial,
            since: state.since,
            compromised: state.compromised.clone(),
            usage: None,
            sessions: state.sessions.clone(),
            unread: self.snapshot.unread(),
            snapshot: self.snapshot,
            steps: self.steps,
            left_live: Vec::new(),
            kept: self.kept,
            drift: self.drift,
            given_up: self.given_up,
            warnings: self.warnings,
            blocked: Vec::new(),
        }
    }
}

/// The option that asks for a credential to act again.
pub(crate) fn reactivate_option(credential: &Resource) -> String {
    match credential {
        Resource::AccessKey(id) => format!("--reactivate-key {id}"),
        other => format!("--reactivate {other}"),
    }
}

/// Whether a step gives a credential its power back.
#[must_use]
pub fn rearms(step: &Step) -> bool {
    step.resource.is_credential() && step.after == Some(Value::Status(Status::Active))
}
