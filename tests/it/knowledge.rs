//! What becomes known after a containment decides what its release gives back (D2.7), also where nothing
//! has to change in IAM for it.

use crate::support::World;

#[test]
fn a_key_named_later_stays_off_in_a_release() {
    let world = World::ministack();
    let first = world.victim("deploy-bot");
    let second = world.admin.key("deploy-bot");
    world.alias(&second.id, "SECOND");
    let since = "2024-11-22T00:00:00Z";
    world.emulator.clock.forward(jiff::SignedDuration::from_hours(48));
    let apply = [
        "apply",
        "--access-key",
        &first.id,
        "--posture",
        "lockdown",
        "--since",
        since,
        "--auto-approve",
    ];
    world.ringfence(&apply).exits(0);

    let before = world.json(&["rollback", "--user", "deploy-bot", "--format", "json"]);
    assert!(
        gives_back(&before, &second.id),
        "made before the exposure, and nobody's but its owner's"
    );

    let again = world.ringfence(&["apply", "--access-key", &second.id, "--auto-approve"]).exits(0);
    assert!(again.out.contains("apply records what is new about the exposure"), "{}", again.out);
    let after = world.json(&["rollback", "--user", "deploy-bot", "--format", "json"]);
    assert!(!gives_back(&after, &second.id), "a key that is named as leaked stays off");
    let twice = world.ringfence(&["apply", "--access-key", &second.id, "--auto-approve"]).exits(0);
    assert!(!twice.out.contains("Run "), "nothing is new any more:\n{}", twice.out);
}

#[test]
fn a_fence_that_others_removed_before_its_time_is_said_in_a_release() {
    let world = World::ministack();
    let leaked = world.victim("deploy-bot");
    world.ringfence(&["plan", "--access-key", &leaked.id, "--out", "plan.json"]).exits(0);
    world.ringfence(&["apply", "plan.json", "--auto-approve"]).exits(0);
    world.admin.delete_policy("deploy-bot", &world.fence_of("plan.json"));
    let plan = world.ringfence(&["rollback", "--user", "deploy-bot"]).exits(0);
    assert!(plan.out.contains("was removed before its time"), "{}", plan.out);
}

fn gives_back(plan: &serde_json::Value, key: &str) -> bool {
    let steps = plan["principals"][0]["steps"].as_array().unwrap();
    let resource = format!("access_key/{key}");
    steps.iter().any(|step| step["resource"] == *resource && step["after"]["status"] == "Active")
}

#[test]
fn a_key_made_after_a_quarantine_is_no_containment() {
    let world = World::ministack();
    world.victim("deploy-bot");
    world
        .ringfence(&["apply", "--user", "deploy-bot", "--posture", "quarantine", "--auto-approve"])
        .exits(0);
    world.ringfence(&["status"]).exits(0);
    let newer = world.admin.key("deploy-bot");
    let status = world.ringfence(&["status"]).exits(2);
    assert!(status.out.contains("weakened"), "{}", status.out);
    assert!(status.out.contains(&newer.id), "{}", status.out);
    world.ringfence(&["apply", "--again", "--user", "deploy-bot", "--auto-approve"]).exits(0);
    world.ringfence(&["status"]).exits(0);
}

#[test]
fn a_key_made_after_a_revoke_is_named() {
    let world = World::ministack();
    let leaked = world.victim("deploy-bot");
    world.ringfence(&["apply", "--access-key", &leaked.id, "--auto-approve"]).exits(0);
    let newer = world.admin.key("deploy-bot");
    let status = world.ringfence(&["status"]).exits(0);
    assert!(status.out.contains(&newer.id) && status.out.contains("made after"), "{}", status.out);
}

#[test]
fn asserting_again_is_about_the_principal_that_was_contained() {
    let world = World::ministack();
    let leaked = world.victim("deploy-bot");
    world.ringfence(&["apply", "--access-key", &leaked.id, "--auto-approve"]).exits(0);
    world.admin.delete_user("deploy-bot");
    world.admin.user("deploy-bot");
    world.admin.key("deploy-bot");
    let said = world.refused(3, &["apply", "--again", "--user", "deploy-bot", "--auto-approve"]);
    assert!(said.contains("is another principal than the contained one"), "{said}");
}

#[test]
fn a_fence_that_others_replaced_is_taken_back_before_its_time() {
    let world = World::ministack();
    let leaked = world.victim("deploy-bot");
    world.ringfence(&["plan", "--access-key", &leaked.id, "--out", "plan.json"]).exits(0);
    world.ringfence(&["apply", "plan.json", "--auto-approve"]).exits(0);
    let fence = world.fence_of("plan.json");
    world.admin.put_policy("deploy-bot", &fence, crate::support::ALLOW_ALL);
    let resource = format!("inline_policy/{fence}");
    let take = ["rollback", "--user", "deploy-bot", "--take", &resource];
    world.ringfence(&[&take[..], &["--out", "take.json"]].concat()).exits(0);
    world.ringfence(&["apply", "take.json", "--auto-approve"]).exits(0);
    let status = world.ringfence(&["status"]).exits(0);
    assert!(!status.out.contains("weakened"), "{}", status.out);
    let both = [&take[..], &["--leave", &resource]].concat();
    world.refused(1, &both);
}
