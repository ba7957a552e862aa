//! Which workloads a role's fence cuts: services that assume the role hold its credentials (F12).

use crate::error::{Error, Result};
use crate::identity::SessionName;
use crate::plan::PrincipalPlan;
use crate::policy::hold;
use crate::resource::Value;
use crate::snapshot::Role;
use crate::text::{ago, option, shown};
use crate::trust::services;
use jiff::Timestamp;

/// What cutting means, in words: EC2 hands out credentials for up to about six hours (F12).
const UNTIL: &str = "until their credentials are issued anew: EC2 within about 6 h, or when the instance \
    profile is associated again; other services when their task or function starts anew";

/// Refuses a plan that cuts workloads which nobody has asked for.
///
/// # Errors
/// If services assume the role, and the plan's denies reach their sessions.
pub(super) fn guard(plan: &PrincipalPlan, asked: bool, now: Timestamp) -> Result<()> {
    let Some(role) = plan.snapshot.role() else { return Ok(()) };
    let services = cut(plan);
    if services.is_empty() || asked {
        return Ok(());
    }
    let named: Vec<&str> = services.iter().map(String::as_str).collect();
    let mut error = Error::forbidden(format!(
        "role `{}` is assumed by {}",
        role.name,
        shown(&named.join(", "))
    ))
    .because("a deny on it stops their workloads until their credentials are issued anew");
    for line in workloads(role, now) {
        error = error.detail(line);
    }
    let named = option("--role", role.name.as_str());
    error = error.hint(format!("ringfence plan {named} --cut-workloads cuts them"));
    if plan.serial > 0 {
        let again = format!("ringfence apply --again {named} --cut-workloads");
        error = error.hint(format!("{again} asserts the recorded containment all the same"));
    }
    // Where it could be told from theirs: another is refused as well.
    if services.iter().all(|service| names_its_sessions(service)) {
        let session = option("--session", &format!("{}/NAME", role.name));
        error = error.hint(format!("ringfence plan {named} {session} fences one session only"));
    }
    Err(error)
}

/// What the plan says where the person has asked for it, or where a session's name leaves it open.
pub(super) fn warning(plan: &PrincipalPlan, now: Timestamp) -> Option<String> {
    let role = plan.snapshot.role()?;
    let services = cut(plan);
    if services.is_empty() {
        return None;
    }
    let named: Vec<&str> = services.iter().map(String::as_str).collect();
    let details = workloads(role, now);
    let details =
        if details.is_empty() { String::new() } else { format!(" ({})", details.join("; ")) };
    Some(format!("cuts the workloads of {}{details} {UNTIL}", named.join(", ")))
}

/// What is known of the workloads, a line each.
fn workloads(role: &Role, now: Timestamp) -> Vec<String> {
    let mut lines = Vec::new();
    match (&role.instance_profiles.read(), role.instance_profiles.missing()) {
        (Some(profiles), _) => {
            lines.extend(profiles.iter().map(|name| format!("instance profile {}", shown(name))));
        }
        (None, Some(missing)) => {
            lines.push(format!("instance profiles could not be read ({})", missing.action));
        }
        (None, None) => {}
    }
    lines.push(match &role.last_used {
        Some(used) if used.region.is_empty() => format!("last recorded use {}", ago(used.at, now)),
        Some(used) => {
            format!("last recorded use {} in {}", ago(used.at, now), shown(&used.region))
        }
        None => "no recorded use".to_owned(),
    });
    lines
}

/// Whether the plan's denies would stop workloads of services.
pub(crate) fn cuts_workloads(plan: &PrincipalPlan) -> bool {
    !cut(plan).is_empty()
}

/// The services whose workloads the plan's denies would stop. What can't be told counts as one.
fn cut(plan: &PrincipalPlan) -> Vec<String> {
    let Some(role) = plan.snapshot.role() else { return Vec::new() };
    let denies = |value: &Value| match value {
        Value::Document(document) => *document == hold() || document.as_fence().is_some(),
        // AWSDenyAll, or a policy of ours that carries a fence.
        Value::Attached | Value::PolicyArn(_) => true,
        _ => false,
    };
    let held = |value: &Value| match value {
        Value::Document(document) => *document == hold(),
        Value::Attached | Value::PolicyArn(_) => {
            !plan.steps.iter().any(crate::plan::Step::awaits_fence_time)
        }
        _ => false,
    };
    let writes = |is: &dyn Fn(&Value) -> bool| {
        plan.steps.iter().any(|step| step.after.as_ref().is_some_and(is))
    };
    if !writes(&denies) {
        return Vec::new();
    }
    let Some(trust) = role.trust.read() else {
        return vec!["services that could not be read".to_owned()];
    };
    let reached = |service: &String| {
        plan.sessions.is_empty()
            || writes(&held)
            || plan.sessions.iter().any(|session| may_be_of(service, session))
    };
    services(trust).into_iter().filter(reached).collect()
}

/// Whether the names of a service's sessions have a form of their own.
fn names_its_sessions(service: &str) -> bool {
    matches!(service.split('.').next(), Some("ec2" | "ecs-tasks"))
}

/// Whether a session of that name may be one that the service holds: EC2 names it after the instance, ECS after
/// the task, and what others choose has no form that could be told.
fn may_be_of(service: &str, session: &SessionName) -> bool {
    let hex = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit());
    let name = session.as_str();
    match service.split('.').next().unwrap_or_default() {
        "ec2" => name.strip_prefix("i-").is_some_and(|id| matches!(id.len(), 8 | 17) && hex(id)),
        "ecs-tasks" => name.len() == 32 && hex(name),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_told_from_a_services_where_it_can_be() {
        let session = |name: &str| name.parse::<SessionName>().unwrap();
        assert!(may_be_of("ec2.amazonaws.com", &session("i-0123456789abcdef0")));
        assert!(may_be_of("ec2.amazonaws.com", &session("i-01234567")));
        assert!(!may_be_of("ec2.amazonaws.com", &session("mallory")));
        assert!(!may_be_of("ec2.amazonaws.com.cn", &session("i-mallory0")));
        assert!(may_be_of("ecs-tasks.amazonaws.com", &session("0123456789abcdef0123456789abcdef")));
        assert!(!may_be_of("ecs-tasks.amazonaws.com", &session("mallory")));
        assert!(!may_be_of("ecs-tasks.amazonaws.com", &session("0123456789abcdef")));
        assert!(!may_be_of("ecs-tasks.amazonaws.com", &session(&"x".repeat(32))));
        // A function's session is called what the function is.
        assert!(may_be_of("lambda.amazonaws.com", &session("mallory")));
    }
}
