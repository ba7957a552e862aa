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
