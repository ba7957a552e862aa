//! What is written to disk: whose it is, what is in it, and what never is (D2.11, D5).

use crate::support::World;
use serde_json::Value;

/// A user with two keys is contained; returns what must never be written down.
fn contained(world: &World) -> Vec<String> {
    let leaked = world.victim("deploy-bot");
    let second = world.admin.key("deploy-bot");
    world.ringfence(&["plan", "--access-key", &leaked.id, "--out", "plan.json"]).exits(0);
    world.ringfence(&["apply", "plan.json", "--auto-approve"]).exits(0);
    world.ringfence(&["rollback", "--user", "deploy-bot", "--out", "release.json"]).exits(0);
    world.ringfence(&["apply", "release.json", "--auto-approve"]).exits(0);
    vec![leaked.secret, second.secret, world.responder.secret.clone()]
}

#[test]
fn every_file_is_the_owners_alone_and_holds_no_secret() {
    let world = World::ministack();
    let secrets = contained(&world);
    let files = crate::support::tree(world.dir());
    let ours: Vec<_> = files.iter().filter(|(path, _)| *path != world.dir()).collect();
    assert!(ours.len() >= 10, "too few files to mean anything: {ours:?}");
    for (path, (mode, content)) in ours {
        let expected = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(*mode, expected, "{}", path.display());
        for secret in &secrets {
            let found = content.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!found, "a secret stands in {}", path.display());
        }
    }
}

#[test]
fn nothing_that_is_printed_holds_a_secret() {
    let world = World::ministack();
    let secrets = contained(&world);
    let runs = world.json(&["state", "history", "deploy-bot", "--format", "json"]);
    let run = runs[0]["id"].as_str().unwrap();
    for arguments in [
        vec!["status", "--format", "json"],
        vec!["show", "plan.json"],
        vec!["show", "plan.json", "--format", "json"],
        vec!["show", "plan.json", "--format", "markdown"],
        vec!["show", "plan.json", "--format", "commands"],
        vec!["show", run],
        vec!["state", "show", "deploy-bot", "--format", "json"],
        vec!["state", "list", "--format", "json"],
    ] {
        let ran = world.ringfence(&arguments).exits(0);
        assert!(!ran.out.is_empty(), "{arguments:?}");
        for secret in &secrets {
            assert!(!ran.out.contains(secret) && !ran.err.contains(secret), "{arguments:?}");
        }
    }
}

#[test]
fn a_plan_is_its_file_to_the_byte() {
    let world = World::ministack();
    let leaked = world.victim("deploy-bot");
    let planned =
        world.ringfence(&["plan", "--access-key", &leaked.id, "--out", "plan.json"]).exits(0);
    assert_eq!(planned.line("sha256"), format!("sha256 {}", world.sha256sum("plan.json")));
    let shown = world.ringfence(&["show", "plan.json", "--format", "json"]).exits(0);
    assert_eq!(shown.out, world.read("plan.json"));
    world.ringfence(&["apply", "plan.json", "--auto-approve"]).exits(0);
    let runs = world.json(&["state", "history", "deploy-bot", "--format", "json"]);
    assert_eq!(runs[0]["plan_sha256"], world.sha256sum("plan.json"));
    let run = runs[0]["id"].as_str().unwrap();
    let stored = world.json(&["show", run, "--format", "json"]);
    assert_eq!(format!("{:#}\n", stored["plan"]), world.read("plan.json"));
    let id = world.admin.id("deploy-bot");
    let kept = format!("state/123456789012/user/{id}/runs/{run}/plan.json");
    assert_eq!(world.read(&kept), world.read("plan.json"));
}

#[test]
fn each_line_of_an_apply_in_json_is_an_event() {
    let world = World::ministack();
    let leaked = world.victim("deploy-bot");
    let ran = world
        .ringfence(&["apply", "--access-key", &leaked.id, "--auto-approve", "--format", "json"])
        .exits(0);
    let events: Vec<Value> =
        ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let types: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["verified", "run_started", "step", "fence_time", "step", "finished"]);
    let last = events.last().unwrap();
    assert_eq!(last["principals"][0]["standing"], "contained");
    assert_eq!(last["complete"], true);
}
