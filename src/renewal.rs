//! What a plan made now would do in place of one that is stale (D2.3).

use crate::error::Error;
use crate::plan::{Kind, Plan, PrincipalPlan, Why};
use crate::planner::{self, Context, Subject};
use crate::release::{self, reactivate_option};
use crate::resource::{Resource, Value, fits};
use crate::snapshot::{Snapshot, Status};
use crate::standing::live_credentials;
use crate::state::{Role, State};
use std::collections::BTreeMap;

/// How a plan made now would compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// It would be the same but for its times.
    Same,
    /// It would do other things, or tell of others: each in words.
    Otherwise(Vec<(String, &'static str)>),
    /// None can be made, and why.
    Impossible(String),
    /// What it would be made from is not at hand: a recovery reads the place that its key goes to.
    NotTried,
}

impl Renewal {
    /// In lines, for the refusal of the stale one.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Same => vec!["a new plan would be the same but for its times".to_owned()],
            Self::Otherwise(differences) => {
                let head = "a new plan would not be the same:".to_owned();
                let each = differences.iter().map(|(what, how)| format!("  {what}  {how}"));
                std::iter::once(head).chain(each).collect()
            }
            Self::NotTried => Vec::new(),
            Self::Impossible(why) => vec![format!("a new plan could not be made: {why}")],
        }
    }
}

/// Plans again for one principal of a plan, by what is there now, and compares.
///
/// A plan of release does not record which options it was asked with: they are told from its steps.
#[must_use]
pub fn renewed(
    plan: &Plan,
    principal: &PrincipalPlan,
    now: &Snapshot,
    state: Option<&State>,
    context: &Context,
) -> Renewal {
    let planned = match (plan.kind, state) {
        (Kind::Contain, _) => contained(plan, principal, now, state, context),
        (Kind::Release, Some(state)) => released(plan, principal, now, state, context),
        (Kind::Recover, _) => return Renewal::NotTried,
        (Kind::Release, None) => {
            return Renewal::Impossible("there is no state to give back from".to_owned());
        }
    };
    match planned {
        Ok(new) => compared(principal, &new),
        Err(error) => Renewal::Impossible(error.message().to_owned()),
    }
}

type Planned = Result<PrincipalPlan, Error>;

fn contained(
    plan: &Plan,
    principal: &PrincipalPlan,
    now: &Snapshot,
    state: Option<&State>,
    context: &Context,
) -> Planned {
    let request = planner::Request {
        posture: plan.posture.clone(),
        since: principal.since,
        protected_users: Vec::new(),
        protected_roles: Vec::new(),
        override_protection: plan.override_protection,
        cut_workloads: plan.cut_workloads,
        trace: plan.trace.clone(),
        finding: plan.finding.clone(),
        strict: false,
        settle_s: 0,
    };
    let named = principal.compromised.iter().filter(|one| one.why.is_named());
    let subject = Subject {
        snapshot: now.clone(),
        state: state.cloned(),
        named: named
            .filter_map(|one| match &one.resource {
                Resource::AccessKey(id) => Some(id.clone()),
                _ => None,
            })
            .collect(),
        traced: principal
            .compromised
            .iter()
            .filter(|one| one.why == Why::Traced)
            .map(|one| one.resource.clone())
            .collect(),
        sessions: principal.sessions.clone(),
        // The names of policies come from it: they are no difference.
        fresh_lineage: principal.lineage.clone(),
    };
    only(planner::contain(vec![subject], &request, context))
}

fn released(
    plan: &Plan,
    principal: &PrincipalPlan,
    now: &Snapshot,
    state: &State,
    context: &Context,
) -> Planned {
    let steps = || principal.steps.iter().map(|step| (&step.resource, step));
    let held = |resource: &Resource| state.resources.get(resource);
    let active = Some(Value::Status(Status::Active));
    let lifts = |roles: &[Role]| {
        steps().any(|(resource, step)| {
            let role = held(resource).map(|held| state.role(resource, held));
            step.after.is_none() && role.is_some_and(|role| roles.contains(&role))
        })
    };
    let gives_rights = steps().any(|(resource, _)| {
        held(resource).is_some_and(|held| state.role(resource, held) == Role::Other)
    });
    // Lifting a hold, or giving rights back, lets act what is Active: that was asked for as well.
    let let_act = if gives_rights || lifts(&[Role::Hold]) {
        let still = live_credentials(now);
        let mut then = live_credentials(&principal.snapshot);
        then.retain(|resource| held(resource).is_some() || still.contains(resource));
        then.retain(|resource| !refused(principal, resource));
        then
    } else {
        Vec::new()
    };
    let turned_on: Vec<Resource> = steps()
        .filter(|(resource, step)| resource.is_credential() && step.after == active)
        .map(|(resource, _)| resource.clone())
        .collect();
    let asked = release::Request {
        reactivate: turned_on.iter().cloned().chain(let_act).collect(),
        lift_fence_now: lifts(&[Role::Hold, Role::FenceDocument, Role::FenceCarrier]),
        accept_unread: gives_rights || lifts(&[Role::Hold]),
        undo_recovery: steps().any(|(resource, _)| state.rights.contains_key(resource)),
        to: (plan.posture != state.posture).then(|| plan.posture.clone()),
        take: steps()
            .filter(|(resource, step)| {
                held(resource).is_some_and(|held| !fits(held.ours.as_ref(), step.before.as_ref()))
            })
            .map(|(resource, _)| resource.clone())
            .collect(),
        leave: principal.given_up.clone(),
    };
    let of = |request: &release::Request| {
        only(release::release(now.clone(), state, None, request, context))
    };
    // With options that it was not asked with, it might do more than it would.
    let credentials = [Vec::new(), turned_on, asked.reactivate.clone()];
    let times = if asked.lift_fence_now { vec![false, true] } else { vec![false] };
    let fewer: Vec<release::Request> = credentials
        .iter()
        .flat_map(|reactivate| {
            times.iter().map(move |lift_fence_now| (reactivate, *lift_fence_now))
        })
        .map(|(reactivate, lift_fence_now)| {
            let reactivate = reactivate.clone();
            release::Request { reactivate, lift_fence_now, ..asked.clone() }
        })
        .collect();
    let same = |new: &PrincipalPlan| compared(principal, new) == Renewal::Same;
    let found = fewer.iter().find_map(|request| of(request).ok().filter(same));
    found.map_or_else(|| of(&asked), Ok)
}

/// Whether something stays since nobody asked that a credential may act again.
fn refused(principal: &PrincipalPlan, credential: &Resource) -> bool {
    let asks = reactivate_option(credential);
    let mut flags = principal.kept.iter().filter_map(|kept| kept.flag.as_ref());
    flags.any(|flag| flag.strip_prefix(&asks).is_some_and(|rest| rest.starts_with(' ')))
}

fn only(plan: Result<Plan, Error>) -> Planned {
    let principal = plan?.principals.into_iter().next();
    principal.ok_or_else(|| Error::failed("it is about nobody"))
}

fn compared(old: &PrincipalPlan, new: &PrincipalPlan) -> Renewal {
    let mut found = steps(old, new);
    let live = |plan: &PrincipalPlan| -> Vec<String> {
        plan.left_live
            .iter()
            .map(|one| one.resource.as_ref().map_or_else(|| one.what.clone(), ToString::to_string))
            .collect()
    };
    told(&mut found, &live(old), &live(new), ["would stay live", "would not stay live"]);
    let kept = |plan: &PrincipalPlan| -> Vec<String> {
        plan.kept.iter().map(|one| one.resource.to_string()).collect()
    };
    told(&mut found, &kept(old), &kept(new), ["would be kept", "would not be kept"]);
    let open = |plan: &PrincipalPlan| -> Vec<String> {
        plan.blocked.iter().map(|one| one.what.clone()).collect()
    };
    told(&mut found, &open(old), &open(new), ["would be open", "would not be open"]);
    if found.is_empty() { Renewal::Same } else { Renewal::Otherwise(found) }
}

fn steps(old: &PrincipalPlan, new: &PrincipalPlan) -> Vec<(String, &'static str)> {
    let of = |plan: &PrincipalPlan| -> BTreeMap<Resource, (Option<Value>, Option<Value>)> {
        let each = plan.steps.iter();
        each.map(|step| (step.resource.clone(), (step.before.clone(), step.after.clone())))
            .collect()
    };
    let (old, new) = (of(old), of(new));
    let added = new.keys().filter(|resource| !old.contains_key(resource));
    let mut found: Vec<_> =
        added.map(|resource| (resource.to_string(), "would be changed as well")).collect();
    for (resource, change) in &old {
        match new.get(resource) {
            None => found.push((resource.to_string(), "would not be changed")),
            Some(other) if other != change => {
                found.push((resource.to_string(), "would be changed otherwise"));
            }
            Some(_) => {}
        }
    }
    found
}

fn told(
    found: &mut Vec<(String, &'static str)>,
    old: &[String],
    new: &[String],
    [more, less]: [&'static str; 2],
) {
    let added = new.iter().filter(|one| !old.contains(one));
    found.extend(added.map(|one| (one.clone(), more)));
    let gone = old.iter().filter(|one| !new.contains(one));
    found.extend(gone.map(|one| (one.clone(), less)));
}
