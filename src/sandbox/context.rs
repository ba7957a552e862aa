//! What is known about a request besides who asks for what: the context keys of AWS.

use super::auth::Caller;
use super::evaluate::Context;
use super::policy_store::Tag;
use super::session::SessionKind;
use super::world::World;
use jiff::Timestamp;

/// Where all requests are said to come from: this machine.
const SOURCE: &str = "127.0.0.1";

/// The keys of every request.
pub(super) fn of_request(world: &World, caller: &Caller, region: &str, now: Timestamp) -> Context {
    let mut context = of_principal(world, caller, now);
    context.set("aws:CurrentTime", now.to_string());
    context.set("aws:EpochTime", now.as_second().to_string());
    context.set("aws:RequestedRegion", region);
    context.set("aws:SourceIp", SOURCE);
    // As on AWS, though a loopback port has no TLS: a policy that asks for it shall mean the same.
    context.set("aws:SecureTransport", "true");
    context
}

fn of_principal(world: &World, caller: &Caller, now: Timestamp) -> Context {
    let account = world.enforced(&caller.account, now);
    let mut context = Context::new();
    context.set("aws:PrincipalAccount", &caller.account);
    context.set("aws:userid", &caller.id);
    let mut tags: Vec<Tag> = Vec::new();
    if caller.is_role() {
        context.set("aws:PrincipalType", "AssumedRole");
        context.set("aws:PrincipalArn", &caller.entity);
        let role = account.and_then(|account| account.role_of_id(&caller.entity_id));
        tags.extend(role.into_iter().flat_map(|role| role.tags.clone()));
    } else if caller.is_federated() {
        // No aws:username, and not the user's ARN (F5).
        context.set("aws:PrincipalType", "FederatedUser");
        context.set("aws:PrincipalArn", &caller.arn);
    } else {
        context.set("aws:PrincipalType", "User");
        context.set("aws:PrincipalArn", &caller.entity);
        if let Some(user) = account.and_then(|account| account.user_of_id(&caller.entity_id)) {
            context.set("aws:username", &user.name);
            tags.extend(user.tags.clone());
        }
    }
    if let Some(session) = &caller.session {
        // Only temporary credentials have these two (F4).
        context.set("aws:TokenIssueTime", session.issued.to_string());
        context.set("aws:MultiFactorAuthPresent", session.mfa.is_some().to_string());
        if let Some(shown) = session.mfa {
            let age = now.as_second().saturating_sub(shown.as_second());
            context.set("aws:MultiFactorAuthAge", age.to_string());
        }
        if let SessionKind::Role { source: Some(source), .. } = &session.kind {
            context.set("aws:SourceIdentity", source);
        }
        tags.extend(session.tags.clone());
    }
    tagged(&mut context, "aws:PrincipalTag", &tags);
    context
}

/// Sets one key for each tag.
pub(super) fn tagged(context: &mut Context, prefix: &str, tags: &[Tag]) {
    for tag in tags {
        context.set(&format!("{prefix}/{}", tag.key), &tag.value);
    }
}
