//! Plans: what is read is sound, is written as it was read, and can be shown.

use super::{NAME, calm, in_words, plan_shows, screens};
use jiff::Timestamp;
use ringfence::drift;
use ringfence::plan::{Change, FORMAT_VERSION, Kind, Plan, Step};
use ringfence::policy::{PolicyDocument, deny_all_arn, hold};
use ringfence::render::text;
use ringfence::resource::{Resource, Value};
use ringfence::snapshot::Status;
use std::collections::BTreeSet;

/// What holds of any bytes that are taken for a plan.
pub fn law(bytes: &[u8]) {
    match Plan::parse(bytes, NAME) {
        Ok(plan) => {
            assert_eq!(plan.bytes(), bytes);
            holds(&plan);
        }
        Err(error) => in_words(&error),
    }
    // The digest stops nearly everything: what somebody seals anew comes past it.
    let Ok(open) = serde_json::from_slice::<Plan>(bytes) else { return };
    let sealed = open.sealed();
    match Plan::parse(&sealed.bytes(), NAME) {
        Ok(plan) => {
            assert_eq!(plan, sealed);
            holds(&plan);
        }
        Err(error) => {
            in_words(&error);
            assert!(sealed.format_version > FORMAT_VERSION || !is_sound(&sealed), "{error}");
        }
    }
}

fn holds(plan: &Plan) {
    assert!(plan.format_version <= FORMAT_VERSION);
    assert!(is_sound(plan));
    plan_shows(plan);
    for screen in screens() {
        calm(&text::plan(plan, screen, None));
    }
    let steps = plan.steps();
    assert!(steps.is_sorted_by_key(|(_, step)| step.wave));
    assert_eq!(steps.is_empty(), plan.is_empty());
    for principal in &plan.principals {
        // Against the snapshot that it was made from, nothing has moved, but for what a step misstates.
        for item in drift::since_plan(principal, &principal.snapshot) {
            assert!(principal.steps.iter().any(|step| step.resource == item.resource), "{item:?}");
        }
        let last: Vec<_> = principal.last_steps().map(|step| &step.resource).collect();
        let all: BTreeSet<_> = principal.steps.iter().map(|step| &step.resource).collect();
        assert_eq!(last.len(), all.len());
    }
}

/// Every principal is one, once, and every step is one call.
fn is_sound(plan: &Plan) -> bool {
    let mut ids = BTreeSet::new();
    let mut users = BTreeSet::new();
    plan.principals.iter().all(|principal| {
        let read = &principal.snapshot;
        (&principal.id, &principal.arn) == (read.id(), read.arn())
            && principal.who() == read.who()
            && users.insert(&principal.id)
            && principal.steps.iter().all(|step| {
                let there = (step.before.is_some(), step.after.is_some());
                let change = match step.action {
                    Change::Create => there == (false, true),
                    Change::Update => there == (true, true),
                    Change::Delete => there == (true, false),
                };
                ids.insert(step.id)
                    && change
                    && step.before.iter().chain(&step.after).all(|value| {
                        matches!(
                            (step.resource.kind(), value),
                            (
                                "access_key"
                                    | "ssh_key"
                                    | "signing_certificate"
                                    | "service_credential",
                                Value::Status(_)
                            ) | (
                                "inline_policy" | "role_policy" | "managed_policy",
                                Value::Document(_)
                            ) | ("attached_policy", Value::Attached)
                                | ("group", Value::Member)
                                | ("login_profile", Value::Password)
                                | ("permissions_boundary", Value::PolicyArn(_))
                                | ("new_access_key" | "profile", Value::AccessKeyId(_))
                                | ("secret", Value::SecretVersion(_))
                        )
                    })
                    && step.call(principal.kind).is_some()
                    && step.reversible != forever(step)
                    && match plan.kind {
                        Kind::Contain => takes_away(plan, step),
                        Kind::Release => !forever(step) || step.resource.kind() == "login_profile",
                        Kind::Recover => recovers(step),
                    }
            })
    })
}

/// Whether a step takes away what cannot come back.
fn forever(step: &Step) -> bool {
    step.after.is_none() && matches!(step.resource.kind(), "login_profile" | "access_key")
}

/// Whether a step makes a key, stores it, deletes one that is off, or changes what the user may do; a deny of
/// ringfence's is none of these.
fn recovers(step: &Step) -> bool {
    let off = step.before == Some(Value::Status(Status::Inactive));
    match (step.resource.kind(), &step.after) {
        ("access_key", None) => off,
        ("new_access_key" | "profile" | "secret", Some(_)) | ("group", None) => true,
        ("inline_policy" | "attached_policy", _) => {
            let name = step.resource.id().rsplit('/').next().unwrap_or_default();
            !name.starts_with("RingfenceFence-") && !name.starts_with("RingfenceHold-")
        }
        _ => false,
    }
}

/// Whether a step leaves the user with less than before, in the way of a containment.
fn takes_away(plan: &Plan, step: &Step) -> bool {
    let id = step.resource.id();
    let ours =
        |name: &str| name.starts_with("RingfenceFence-") || name.starts_with("RingfenceHold-");
    let own = format!("arn:{}:iam::{}:policy/", plan.partition, plan.account_id);
    let policy = id == deny_all_arn(&plan.partition)
        || (id.starts_with(&own) && id.rsplit('/').next().is_some_and(ours));
    match &step.after {
        Some(Value::Status(status)) => *status == Status::Inactive,
        Some(Value::Document(document)) => {
            let time = |document: &PolicyDocument| document.fence_time().is_some();
            let later = document.with_fence_time(Timestamp::UNIX_EPOCH);
            let denies = *document == hold() || time(document) || time(&later);
            denies
                && match &step.resource {
                    Resource::InlinePolicy(name) => ours(name),
                    Resource::RolePolicy(one) => ours(one.policy()),
                    _ => policy,
                }
        }
        Some(Value::Attached) => policy,
        Some(Value::PolicyArn(_)) => true,
        Some(Value::Member | Value::Password | Value::AccessKeyId(_) | Value::SecretVersion(_)) => {
            false
        }
        None => matches!(step.resource.kind(), "group" | "login_profile"),
    }
}
