//! Whom a plan may not be about: the caller itself, whom a rule protects, and what nobody can contain.

use super::{Request, Subject};
use crate::error::{Error, Result};
use crate::identity::{Arn, Caller, CallerKind, PrincipalId, Who};
use crate::snapshot::Snapshot;

/// Refuses what would lock the caller out, contain whom a rule protects (D2.10), or cannot be done.
pub(super) fn guard(subject: &Subject, request: &Request, caller: &Caller) -> Result<()> {
    let snapshot = &subject.snapshot;
    let who = snapshot.who();
    check_caller(caller, &who, snapshot.arn(), snapshot.id())?;
    check_is_ours_to_change(&who, snapshot.arn())?;
    let protected = match &who {
        Who::User(_) => &request.protected_users,
        Who::Role(_) => &request.protected_roles,
    };
    check_protection(&who, protected, request.override_protection)?;
    if request.strict
        && let Some(unread) = snapshot.unread().first()
    {
        return Err(Error::forbidden(format!("{} of {who} could not be read", unread.what))
            .because(format!("{}: {}", unread.action, unread.because))
            .hint(
                "grant the action (examples/responder-policy.json has them all), or leave --strict out",
            ));
    }
    Ok(())
}

/// Why nobody can contain the principal from here, if so: it is the caller's own, of another account, or only
/// AWS's to change.
#[must_use]
pub fn out_of_reach(snapshot: &Snapshot, caller: &Caller) -> Option<Error> {
    let who = snapshot.who();
    check_caller(caller, &who, snapshot.arn(), snapshot.id())
        .and_then(|()| check_is_ours_to_change(&who, snapshot.arn()))
        .err()
}

/// Refuses a principal that a rule protects, unless that was overridden (D2.10).
///
/// # Errors
/// If it is protected; names are compared without letter case (F34).
pub fn check_protection(who: &Who, protected: &[String], overridden: bool) -> Result<()> {
    if overridden || !protected.iter().any(|other| who.name().same_user(other)) {
        return Ok(());
    }
    Err(Error::forbidden(format!("{who} is protected by `guard.protected_{}s`", who.kind())).hint(
        format!("ringfence plan {} --override-protection contains it all the same", who.flag()),
    ))
}

/// Refuses a role that only AWS can change (F12).
fn check_is_ours_to_change(who: &Who, arn: &Arn) -> Result<()> {
    if who.kind() == crate::identity::PrincipalKind::User {
        return Ok(());
    }
    let path = arn.path();
    if path.starts_with("/aws-service-role/") {
        return Err(Error::forbidden(format!("{who} is linked to a service"))
            .because("only the service can change such a role, so no fence can be written into it")
            .hint(format!(
                "look at who calls as it in CloudTrail: aws cloudtrail lookup-events --lookup-attributes AttributeKey=ResourceName,AttributeValue={}",
                who.name()
            )));
    }
    if path.starts_with("/aws-reserved/") {
        return Err(Error::forbidden(format!("{who} belongs to IAM Identity Center"))
            .because("only Identity Center can change the roles of its permission sets")
            .hint("end the person's sessions there, and take the permission set away: aws sso-admin list-account-assignments"));
    }
    Ok(())
}

/// Refuses a caller that is the target, a session of it, or one whose parent cannot be seen (F28).
///
/// # Errors
/// If the caller would, or might, contain itself.
pub fn check_caller(caller: &Caller, who: &Who, target: &Arn, id: &PrincipalId) -> Result<()> {
    if target.account() != caller.account.as_str() {
        return Err(Error::forbidden(format!(
            "{who} is in account {}, the caller is in {}",
            target.account(),
            caller.account
        ))
        .hint(format!("use credentials of the {}'s own account: --profile NAME", who.kind())));
    }
    let itself = |why: &str| {
        Err(Error::forbidden(format!("the caller is {why}"))
            .because("containing it would take the caller's own access away")
            .hint("call as a role or another user: --profile NAME"))
    };
    match (caller.kind(), who) {
        (CallerKind::User(name), Who::User(target))
            if caller.id == id.as_str() || target.same_user(name) =>
        {
            itself(&format!("`{target}` itself"))
        }
        // The ARN of a session has no path, and the ID begins with the role's own.
        (CallerKind::Role(name), Who::Role(target))
            if target.same_user(name)
                || caller.id.split(':').next().is_some_and(|own| own == id.as_str()) =>
        {
            itself(&format!("a session of `{target}` itself"))
        }
        // A fence of a role is no matter of any user's.
        (CallerKind::Federated(name), Who::User(_)) => Err(Error::forbidden(format!(
            "the caller is the federated user `{}`",
            name.escape_debug()
        ))
        .because("the user behind a federated session cannot be seen, and may be the target")
        .hint("call as a role or a user: --profile NAME")),
        _ => Ok(()),
    }
}
