//! What stands against a plan before its first write (D2.3, D2.15).

use crate::aws::{Aws, Reading};
use crate::drift::{Standing, hidden_since_plan, since_plan, standing};
use crate::error::{Error, Result};
use crate::identity::{PrincipalId, PrincipalKind};
use crate::lineage::is_our_name;
use crate::plan::{Drifted, Kind, OnDrift, Plan, PrincipalPlan, Step, Why};
use crate::planner::{Context, check_caller};
use crate::policy::deny_all_arn;
use crate::renewal::renewed;
use crate::resource::{Resource, Value};
use crate::snapshot::{Obstacle, Snapshot};
use crate::standing::used_after_fence;
use crate::state::{Held, State};
use crate::text::{option, shell, shown};
use crate::view::Finding;

/// Whether the plan was made from the state as it is. `now` is the principal as it was read, if it is there.
pub(super) fn state(
    plan: &Plan,
    principal: &PrincipalPlan,
    state: Option<&State>,
    digest: &str,
    now: Option<(&Snapshot, &Context)>,
) -> Result<()> {
    let stale = |why: String| {
        let error = Error::stale(format!("the plan for {} is stale", principal.who()))
            .because(why)
            .hint("plan again: something was applied since");
        Err(match now {
            Some((now, context)) => with_renewal(error, plan, principal, now, state, context),
            None => error,
        })
    };
    let Some(state) = state else {
        return if let Some(step) = not_by_the_record(plan, principal, None) {
            Err(no_such_step(principal, step))
        } else if principal.serial == 0 {
            Ok(())
        } else {
            stale(format!(
                "it was made from serial {}, and there is no state now",
                principal.serial
            ))
        };
    };
    if let Some(run) = state.runs.iter().find(|run| run.plan_sha256 == digest) {
        return Err(Error::stale(format!("this plan was applied before, at {}", run.started_at))
            .because(format!("run {} of {}", run.id, principal.who()))
            .hint(format!("ringfence status {} tells what holds now", principal.who().flag())));
    }
    if state.serial != principal.serial {
        return stale(format!(
            "it was made from serial {}, the state is at {}",
            principal.serial, state.serial
        ));
    }
    if let Some(step) = not_by_the_record(plan, principal, Some(state)) {
        return Err(no_such_step(principal, step));
    }
    if state.endpoint != plan.endpoint {
        return Err(Error::stale(format!(
            "the state of {} was written for another endpoint",
            principal.who()
        ))
        .because(format!(
            "the state is of {}, the plan of {}",
            shown(&state.endpoint),
            shown(&plan.endpoint)
        ))
        .hint("--state DIR keeps the records of a test endpoint apart"));
    }
    Ok(())
}

/// A step that the record does not bear out: a release gives back what was before or keeps what ringfence
/// wrote (D2.6); a time that stands in a plan of containment, and a boundary that its posture does not ask for,
/// are such as ringfence has written before (D2.4).
fn not_by_the_record<'p>(
    plan: &Plan,
    principal: &'p PrincipalPlan,
    state: Option<&State>,
) -> Option<&'p Step> {
    principal.steps.iter().find(|step| {
        let held = state.and_then(|state| state.resources.get(&step.resource));
        match plan.kind {
            Kind::Release => {
                let rights = state.and_then(|state| state.rights.get(&step.resource));
                let by = |held: &Held| step.after == held.baseline || step.after == held.ours;
                !held.or(rights).is_some_and(by)
            }
            // It takes nothing from the record.
            Kind::Recover => false,
            Kind::Contain => {
                let given = match &step.after {
                    Some(Value::Document(document)) => document.fence_time().is_none(),
                    Some(Value::PolicyArn(arn)) => bounds(plan, arn),
                    _ => true,
                };
                !given && held.is_none_or(|held| step.after != held.ours)
            }
        }
    })
}

/// Whether a boundary is the posture's, or one that denies.
fn bounds(plan: &Plan, arn: &str) -> bool {
    let posture = plan.posture.permissions_boundary.policy();
    let name = arn.rsplit('/').next().unwrap_or_default();
    let own = arn.contains(&format!(":iam::{}:policy/", plan.account_id)) && is_our_name(name);
    own || arn == deny_all_arn(&plan.partition)
        || posture.is_some_and(|posture| posture.as_str() == arn)
}

fn no_such_step(principal: &PrincipalPlan, step: &Step) -> Error {
    Error::stale(format!("the plan for {} is not by its record", principal.who()))
        .because(format!(
            "step {} makes of {} what the state does not know",
            step.id,
            shown(&step.resource.to_string())
        ))
        .detail("nothing was changed")
        .hint("plan again; whoever wrote this plan, it was not ringfence on this state")
}

/// Whoever has to review again wants to know whether anything will be different.
fn with_renewal(
    mut error: Error,
    plan: &Plan,
    principal: &PrincipalPlan,
    now: &Snapshot,
    state: Option<&State>,
    context: &Context,
) -> Error {
    for line in renewed(plan, principal, now, state, context).lines() {
        error = error.detail(shown(&line));
    }
    error
}

/// The planner's context for a plan made now in place of this one.
pub(super) fn context(plan: &Plan, reading: &Reading) -> Context {
    Context {
        caller: reading.caller.clone(),
        endpoint: reading.endpoint.clone(),
        now: reading.service_time,
        read: reading.cost,
        incident: plan.incident.clone(),
        version: plan.ringfence_version.clone(),
        on_drift: plan.on_drift,
    }
}

/// Finds the principal in what was read, and refuses another account, endpoint, principal or a forbidden caller.
pub(super) fn reality(
    plan: &Plan,
    principal: &PrincipalPlan,
    reading: &Reading,
) -> Result<Snapshot> {
    same_place(plan, reading)?;
    check_caller(&reading.caller, &principal.who(), &principal.arn, &principal.id)?;
    same_principal(principal, reading).cloned()
}

/// Refuses another account or endpoint than the plan's.
pub(super) fn same_place(plan: &Plan, reading: &Reading) -> Result<()> {
    if reading.caller.account != plan.account_id {
        return Err(Error::stale(format!(
            "the plan is for account {}, the caller is in {}",
            plan.account_id, reading.caller.account
        ))
        .hint("use credentials of that account: --profile NAME"));
    }
    if reading.endpoint != plan.endpoint {
        return Err(Error::stale("the plan was made on another endpoint")
            .because(format!(
                "planned on {}, now {}",
                shown(&plan.endpoint),
                shown(&reading.endpoint)
            ))
            .hint("set the same endpoint, or plan again on this one"));
    }
    Ok(())
}

/// The snapshot of the very principal that was planned for (F27).
pub(super) fn same_principal<'r>(
    principal: &PrincipalPlan,
    reading: &'r Reading,
) -> Result<&'r Snapshot> {
    if let Some(snapshot) = reading.snapshots.iter().find(|s| *s.id() == principal.id) {
        return Ok(snapshot);
    }
    let who = principal.who();
    let other = reading.snapshots.iter().find(|s| s.who().same(&who));
    Err(replaced(principal, other.map(Snapshot::id)))
}

/// Asks whose the name of a principal is now: what to say where it is another's, or nobody's.
pub(super) async fn bearer(aws: &Aws, principal: &PrincipalPlan) -> Result<Option<Error>> {
    let id = crate::aws::principal_id(aws, &principal.who()).await?;
    let same = id.as_ref() == Some(&principal.id);
    Ok((!same).then(|| replaced(principal, id.as_ref())))
}

/// What to say where the name of a principal belongs to another, or to nobody.
fn replaced(principal: &PrincipalPlan, other: Option<&PrincipalId>) -> Error {
    let (who, kind) = (principal.who(), principal.kind);
    match other {
        Some(other) => Error::stale(format!("{who} is another principal than the one planned for"))
            .because(format!("planned for {}, the name now belongs to {other}", principal.id))
            .detail(format!("the {kind} was deleted and made again under the same name"))
            .hint(format!("plan for whoever bears the name now: ringfence plan {}", who.flag())),
        None => {
            let (list, id) = match kind {
                PrincipalKind::User => ("Users", "UserId"),
                PrincipalKind::Role => ("Roles", "RoleId"),
            };
            Error::stale(format!("{who} is not there any more"))
                .because("it was deleted or renamed since the plan")
                .hint(format!(
                    "aws iam list-{kind}s --query \"{list}[?{id}=='{}']\" finds it under a new name",
                    principal.id
                ))
        }
    }
}

/// Refuses on drift, or says what has moved where the plan tightens.
pub(super) fn drift(
    plan: &Plan,
    now: &[Snapshot],
    states: &[Option<State>],
    context: &Context,
) -> Result<Vec<Finding>> {
    let mut moved = Vec::new();
    let mut refused: Vec<Refused<'_>> = Vec::new();
    for ((principal, now), state) in plan.principals.iter().zip(now).zip(states) {
        if plan.kind != Kind::Contain {
            hidden(principal, now, "apply the same plan again")?;
        }
        if let (Kind::Release, Some(state)) = (plan.kind, state) {
            clock_counts(principal, state, now, &[])?;
        }
        let differences = since_plan(principal, now);
        if differences.is_empty() {
            continue;
        }
        if plan.on_drift == OnDrift::Refuse {
            refused.push(Refused { principal, now, state: state.as_ref(), differences });
            continue;
        }
        moved.extend(
            differences
                .into_iter()
                .map(|item| Finding { resource: Some(item.resource), what: item.what }),
        );
    }
    if refused.is_empty() { Ok(moved) } else { Err(no_longer_matches(plan, &refused, context)) }
}

/// A principal that has moved since the plan.
struct Refused<'a> {
    principal: &'a PrincipalPlan,
    now: &'a Snapshot,
    state: Option<&'a State>,
    differences: Vec<Drifted>,
}

/// The refusal: everything that moved, of every principal.
fn no_longer_matches(plan: &Plan, refused: &[Refused<'_>], context: &Context) -> Error {
    let whom: Vec<String> = refused.iter().map(|one| one.principal.who().to_string()).collect();
    let mut error = Error::stale(format!("the plan no longer matches {}", whom.join(" and ")));
    for one in refused {
        let of = match refused {
            [_] => String::new(),
            _ => format!("{}: ", one.principal.who()),
        };
        for item in &one.differences {
            let resource = item.resource.to_string();
            error = error.detail(format!("{of}{}  {}", shown(&resource), item.what));
        }
        error = with_renewal(error, plan, one.principal, one.now, one.state, context);
    }
    error.detail("nothing was changed").hint(hint(plan, refused))
}

/// What stands against going on with a release that was cut off: whatever would stop it before its first write,
/// but for what its own steps are about (D2.3).
pub(super) fn release_may_go_on(
    plan: &Plan,
    principal: &PrincipalPlan,
    state: Option<&State>,
    now: &Snapshot,
) -> Result<()> {
    if plan.kind != Kind::Release {
        return Ok(());
    }
    hidden(principal, now, "resume the run")?;
    let own: Vec<Resource> = principal.steps.iter().map(|step| step.resource.clone()).collect();
    if let Some(state) = state {
        clock_counts(principal, state, now, &own)?;
    }
    let since = since_plan(principal, now).into_iter();
    let mut moved = since.filter(|item| !own.contains(&item.resource)).peekable();
    if moved.peek().is_none() {
        return Ok(());
    }
    let who = principal.who();
    let mut error = Error::stale(format!("{who} has changed since the release was planned"));
    for item in moved {
        error = error.detail(format!("{}  {}", shown(&item.resource.to_string()), item.what));
    }
    Err(error.detail("the run does not go on, and nothing more was changed").hint(format!(
        "look at what moved, then plan what is left: ringfence rollback {}",
        who.flag()
    )))
}

/// A deny that goes because its time has come stays where a key was used since that was meant to be off: sessions
/// that are younger than the fence may have come of it (F9, F21). The keys in `given_back` may be used.
fn clock_counts(
    principal: &PrincipalPlan,
    state: &State,
    now: &Snapshot,
    given_back: &[Resource],
) -> Result<()> {
    let lifts = principal.steps.iter().any(|step| {
        let held = state.resources.get(&step.resource);
        held.is_some_and(|held| state.role(&step.resource, held).stops_sessions())
    });
    let before = used_after_fence(state, &principal.snapshot);
    let mut used = used_after_fence(state, now).into_iter();
    let Some(key) = used.find(|key| !before.contains(key) && !given_back.contains(key)) else {
        return Ok(());
    };
    if !lifts {
        return Ok(());
    }
    let who = principal.who();
    Err(Error::stale(format!("the clock of the fence of {who} has become void since the plan"))
        .because(format!("{key} was used after the fence"))
        .detail("sessions that are younger than the fence may have been issued; it was not lifted")
        .hint(format!("plan again: ringfence rollback {}", who.flag())))
}

/// A release changes nothing where a new credential, policy or group could hide (D2.3).
fn hidden(principal: &PrincipalPlan, now: &Snapshot, again: &str) -> Result<()> {
    let Some((kind, missing)) = hidden_since_plan(principal, now) else { return Ok(()) };
    let remedy = match missing.obstacle {
        Obstacle::Passing => format!("{again} in a while"),
        _ => format!("{again} as somebody who may read that, or plan anew as who you are"),
    };
    Err(Error::stale(format!("{kind} of {} could not be read again", principal.who()))
        .because(format!("{}: {}", missing.action, missing.because))
        .detail("no step was made")
        .hint(format!("{remedy}: a release changes nothing where it sees less than its plan")))
}

/// A refusal prints the one command that contains now, whatever moved (D2.3): everybody whom the plan is about, also
/// those who have not moved.
fn hint(plan: &Plan, refused: &[Refused<'_>]) -> String {
    if plan.kind == Kind::Recover {
        return "look at what moved, then plan the recovery again".to_owned();
    }
    if plan.kind == Kind::Release {
        let whom: Vec<String> = refused
            .iter()
            .map(|one| format!("ringfence rollback {}", one.principal.who().flag()))
            .collect();
        return format!("look at what moved, then plan again: {}", whom.join("; "));
    }
    let none: &[Drifted] = &[];
    let each = plan.principals.iter().map(|principal| {
        let moved = refused.iter().find(|one| one.principal.id == principal.id);
        named(principal, moved.map_or(none, |one| &one.differences))
    });
    let mut targets = each.collect::<Vec<_>>().join(" ");
    if plan.cut_workloads {
        targets = format!("{targets} --cut-workloads");
    }
    if plan.posture.name != "revoke" {
        targets = format!("{targets} --posture {}", shell(&plan.posture.name));
    }
    if let Some(since) = plan.principals.iter().find_map(|principal| principal.since) {
        targets = format!("{targets} --since {since}");
    }
    // What needs approvals goes by a file; it tightens, so that what moves until then does not stop it.
    let asks = |rule: &crate::approval::InForce| !rule.requirement.is_empty();
    let commands = if plan.approval.as_ref().is_some_and(asks) {
        format!(
            "ringfence plan {targets} --on-drift tighten --out contain.json\n      \
             ringfence approve contain.json --identity KEY\n      ringfence apply contain.json"
        )
    } else {
        format!("ringfence apply {targets} --auto-approve")
    };
    format!(
        "someone acts while you read; to contain what is there now, whatever moved:\n      {commands}"
    )
}

/// How a command names a principal of a plan, with the keys that are known to be the attacker's.
fn named(principal: &PrincipalPlan, moved: &[Drifted]) -> String {
    let mut target = principal.who().flag();
    let known = |why: Why| why.is_named() || why == Why::Traced;
    let named = principal.compromised.iter().any(|item| known(item.why));
    for item in &principal.compromised {
        if let Resource::AccessKey(id) = &item.resource
            && known(item.why)
        {
            target = format!("{target} --access-key {id}");
        }
    }
    for item in moved {
        // What has appeared is part of what is there now.
        // Where no key was named, every Active one is meant, and naming one would leave the others.
        if let (Resource::AccessKey(id), true) = (&item.resource, item.what.contains("now Active"))
            && named
            && !target.contains(id.as_str())
        {
            target = format!("{target} --access-key {id}");
        }
    }
    for session in &principal.sessions {
        let session = option("--session", &format!("{}/{session}", principal.name));
        target = format!("{target} {session}");
    }
    target
}

/// What a step meets right before its call.
pub(super) enum Verdict {
    /// It may be made.
    Go,
    /// It is done already, and not claimed (D2.3).
    Already,
    /// Its resource has become something that must not be overwritten.
    Blocked(String),
}

/// Whether a step may be made on what was read last. `ours` is what ringfence answered for before the run.
pub(super) fn verdict(kind: Kind, step: &Step, now: &Snapshot, ours: &[Resource]) -> Verdict {
    match standing(step, now) {
        Standing::AsPlanned | Standing::Unknown => Verdict::Go,
        Standing::Already => Verdict::Already,
        Standing::Moved => {
            let gone = step.resource.is_credential()
                && now.value(&step.resource) == crate::snapshot::Now::Absent;
            let ours = ours.contains(&step.resource);
            match &step.resource {
                _ if gone => Verdict::Already,
                // D2.6: it is no longer as ringfence left it, so it is left alone.
                _ if kind != Kind::Contain => {
                    Verdict::Blocked("it was changed by others since the plan".to_owned())
                }
                // F16: a put would overwrite what somebody else wrote under our name.
                Resource::InlinePolicy(_) | Resource::RolePolicy(_) if !ours => {
                    Verdict::Blocked("a policy of that name is there and is not ours".to_owned())
                }
                Resource::PermissionsBoundary => {
                    Verdict::Blocked("another boundary was set since the plan".to_owned())
                }
                _ => Verdict::Go,
            }
        }
    }
}
