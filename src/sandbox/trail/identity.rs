//! `userIdentity`: who called, as CloudTrail tells it.

use crate::sandbox::auth::Caller;
use crate::sandbox::session::{Session, SessionKind};
use crate::sandbox::world::World;
use serde_json::{Value, json};

/// The caller in its own account's record.
pub(super) fn of(world: &World, caller: &Caller) -> Value {
    let kind = caller.session.as_ref().map(|session| &session.kind);
    let (type_name, issuer) = match kind {
        None | Some(SessionKind::User { .. }) => ("IAMUser", None),
        Some(SessionKind::Federated { .. }) => ("FederatedUser", Some("IAMUser")),
        Some(SessionKind::Role { .. }) => ("AssumedRole", Some("Role")),
    };
    let mut identity = json!({
        "type": type_name,
        "principalId": caller.id,
        "arn": caller.arn,
        "accountId": caller.account,
        "accessKeyId": caller.key,
    });
    if let Some(object) = identity.as_object_mut() {
        if issuer.is_none() {
            object.insert("userName".to_owned(), json!(last(&caller.entity)));
        }
        if let Some(session) = &caller.session {
            let context = session_context(world, caller, session, issuer);
            object.insert("sessionContext".to_owned(), context);
        }
    }
    identity
}

/// The caller in the record of the account whose role it assumed.
pub(super) fn of_another_account(caller: &Caller) -> Value {
    json!({ "type": "AWSAccount", "principalId": caller.id, "accountId": caller.account })
}

fn session_context(
    world: &World,
    caller: &Caller,
    session: &Session,
    issuer: Option<&str>,
) -> Value {
    let mut context = json!({
        "attributes": {
            "creationDate": session.issued.to_string(),
            "mfaAuthenticated": session.mfa.is_some().to_string(),
        },
    });
    let Some(object) = context.as_object_mut() else { return context };
    if let Some(kind) = issuer {
        let issuer = json!({
            "type": kind,
            "principalId": caller.entity_id,
            "arn": caller.entity,
            "accountId": world.account(&caller.account).map(|account| account.id.clone()),
            "userName": last(&caller.entity),
        });
        object.insert("sessionIssuer".to_owned(), issuer);
    }
    if let SessionKind::Role { source: Some(source), .. } = &session.kind {
        object.insert("sourceIdentity".to_owned(), json!(source));
    }
    context
}

/// The name at the end of an ARN, after its path.
fn last(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or_default()
}
