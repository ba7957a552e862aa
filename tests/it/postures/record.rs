//! The record and its verbs, what reads, what prints, and the room it all runs in.

use super::{UNTIL_LIFT, key_of};
use crate::support::{Call, Facts, Ran, World};
use aws_sdk_iam::types::StatusType;
use insta::assert_snapshot;
use std::fs;
use std::process::Command;

#[test]
fn the_state_and_its_verbs() {
    let world = World::ministack();
    let leaked = world.victim("deploy-bot");
    assert_snapshot!(world.ringfence(&["state", "list"]).ok().out, @"No state in `state`.");
    assert_snapshot!(world.ringfence(&["status"]).ok().out, @"Nobody is contained in `state`.");
    world.ringfence(&["apply", "--access-key", &leaked.id, "--auto-approve"]).ok();
    world.ringfence(&["state", "list"]).ok();
    let id = world.admin.id("deploy-bot");
    assert_eq!(
        world.ringfence(&["state", "show", &id]).ok().out,
        world.ringfence(&["state", "show", "DEPLOY-BOT"]).ok().out
    );
    let history = world.ringfence(&["state", "history", "deploy-bot", "--verify"]).ok();
    assert_snapshot!(world.redact(&history.out), @"
    20241121T031000Z-LINEAGE8  contain  complete
        2024-11-21T03:10:00Z, by arn:aws:iam::123456789012:user/responder
        from HOST
        planned by arn:aws:iam::123456789012:user/responder
        plan SHA256, journal head SHA256, 8 entries
    Every journal is whole: its hashes are a chain, its length and head as recorded.
    ");
    let run = history.out.split_whitespace().next().unwrap().to_owned();
    let shown = world.ringfence(&["show", &run]).ok();
    assert!(shown.out.contains(&format!("step 1 access_key/{}", leaked.id)), "{}", shown.out);
    for path in world.record().keys().filter(|path| path.starts_with(world.path("state"))) {
        assert_eq!(fs::metadata(path).unwrap().permissions(), private(0o600), "{}", path.display());
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions(), private(0o700));
    }

    // A journal that was cut or edited is not believed.
    let journal = format!("state/123456789012/user/{id}/runs/{run}/journal.jsonl");
    let whole = world.read(&journal);
    let lines: Vec<&str> = whole.lines().collect();
    world.write(&journal, format!("{}\n", lines[..lines.len() - 1].join("\n")));
    assert_snapshot!(world.refused(1, &["state", "history", "deploy-bot", "--verify"]), @"
    error: the journal `state/123456789012/user/ID-OF-DEPLOY-BOT_____/runs/20241121T031000Z-LINEAGE8/journal.jsonl` is not the one that the run ended with
      cause: the state records 8 entries, the journal has 7
    hint: keep it and the state, and compare with the head that the run printed at its end
    ");
    assert_snapshot!(world.refused(1, &["apply", "--again", "--user", "deploy-bot", "--auto-approve"]), @"
    error: the journal `state/123456789012/user/ID-OF-DEPLOY-BOT_____/runs/20241121T031000Z-LINEAGE8/journal.jsonl` is not the one that the run ended with
      cause: the state records 8 entries, the journal has 7
    hint: keep it and the state, and compare with the head that the run printed at its end
    ");
    world.write(
        &journal,
        whole.replacen("Inactive", "Active", 1).replacen("UpdateAccessKey", "UpdateAccessKex", 1),
    );
    assert_snapshot!(world.refused(1, &["state", "history", "deploy-bot", "--verify"]), @"
    error: the journal `state/123456789012/user/ID-OF-DEPLOY-BOT_____/runs/20241121T031000Z-LINEAGE8/journal.jsonl` is broken at line 3
      cause: it does not carry the hash of the line before
    hint: compare its head with the one that the run printed; keep the file
    ");
    world.write(&journal, &whole);
    world.ringfence(&["state", "history", "deploy-bot", "--verify"]).ok();

    // Lost, and rebuilt from the plan and what can be read back.
    let before: serde_json::Value =
        world.json(&["state", "show", "deploy-bot", "--format", "json"]);
    let removed = world.ringfence(&["state", "rm", "deploy-bot", "--auto-approve"]).ok();
    assert_snapshot!(world.redact(&removed.out), @"
    Forgotten. The files are in state/123456789012/removed/ID-OF-DEPLOY-BOT_____-1; IAM was not touched.
    ringfence state import state/123456789012/removed/ID-OF-DEPLOY-BOT_____-1/runs/RUN/plan.json takes it back.
    ");
    assert_eq!(world.proxy.writes(), [""; 0], "IAM was not touched");
    world.ringfence(&["status"]).ok();
    let plan = format!("state/123456789012/removed/{id}-1/runs/{run}/plan.json");
    world.ringfence(&["state", "import", &plan]).ok();
    let after = world.json(&["state", "show", "deploy-bot", "--format", "json"]);
    for field in
        ["lineage", "principal", "posture", "compromised", "clock", "account_id", "endpoint"]
    {
        assert_eq!(after[field], before[field], "{field}");
    }
    let baselines = |state: &serde_json::Value| {
        let resources = state["resources"].as_object().unwrap().iter();
        resources
            .map(|(name, held)| (name.clone(), held["baseline"].clone(), held["ours"].clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(baselines(&after), baselines(&before));
    world.ringfence(&["status"]).ok();
    world.emulator.clock.forward(UNTIL_LIFT);
    world.ringfence(&["rollback", "--user", "deploy-bot", "--out", "release.json"]).ok();
    world.ringfence(&["apply", "release.json", "--auto-approve"]).ok();
    assert!(!world.facts("deploy-bot").keys().any(|fact| fact.contains("Ringfence")));
}

fn private(mode: u32) -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt as _;
    let kind = if mode == 0o700 { 0o040_000 } else { 0o100_000 };
    fs::Permissions::from_mode(kind | mode)
}

/// D2.1: what reads makes read calls only.
#[test]
fn reading_never_writes() {
    let world = World::ministack();
    let leaked = world.victim("deploy-bot");
    world.ringfence(&["plan", "--access-key", &leaked.id, "--out", "plan.json"]).ok();
    world.ringfence(&["apply", "plan.json", "--auto-approve"]).ok();
    let run = world
        .ringfence(&["state", "history", "deploy-bot"])
        .ok()
        .out
        .split_whitespace()
        .next()
        .unwrap()
        .to_owned();
    world.proxy.take_calls();
    let before = (world.record(), world.facts("deploy-bot"));
    let offline: [&[&str]; 9] = [
        &["show", "plan.json"],
        &["show", "plan.json", "--format", "json"],
        &["show", "plan.json", "--format", "markdown"],
        &["show", "plan.json", "--format", "commands"],
        &["show", &run],
        &["state", "list"],
        &["state", "show", "deploy-bot"],
        &["state", "history", "deploy-bot", "--verify"],
        &["state", "unlock", "deploy-bot"],
    ];
    for arguments in offline {
        world.ringfence(arguments).ok();
        assert!(world.proxy.take_calls().is_empty(), "{arguments:?} works offline");
    }
    let reading: [&[&str]; 6] = [
        &["plan", "--user", "deploy-bot", "--posture", "lockdown"],
        &["plan", "--access-key", &leaked.id, "--full"],
        &["status"],
        &["status", "--user", "deploy-bot", "--format", "json"],
        &["rollback", "--user", "deploy-bot"],
        &["rollback", "--user", "deploy-bot", "--lift-fence-now", "--reactivate-key", &leaked.id],
    ];
    for arguments in reading {
        world.ringfence(arguments).ok();
        let calls = world.proxy.take_calls();
        assert!(calls.iter().all(Call::reads), "{arguments:?}: {calls:?}");
        assert!(calls.len() >= 13, "{arguments:?} asked {} times only", calls.len());
    }
    assert_eq!((world.record(), world.facts("deploy-bot")), before);
}

/// The commands that `show` prints do what apply does.
#[test]
fn the_same_by_hand() {
    let world = World::ministack();
    let leaked = world.victim("deploy-bot");
    world.admin.group("developers", "deploy-bot");
    world.write("ringfence.toml", "[posture.alone]\nextends = \"lockdown\"\ngroups = \"remove\"\n");
    world
        .ringfence(&[
            "plan",
            "--access-key",
            &leaked.id,
            "--posture",
            "alone",
            "--out",
            "plan.json",
        ])
        .ok();
    let before = world.facts("deploy-bot");
    let script = world.ringfence(&["show", "plan.json", "--format", "commands"]).ok().out;
    world.write("contain.sh", script);
    world.shell("contain.sh").exits(0);
    let by_hand = world.facts("deploy-bot");
    let restore = |world: &World| {
        for policy in by_hand.keys().filter_map(|fact| fact.strip_prefix("inline_policy/Ringfence"))
        {
            world.admin.delete_policy("deploy-bot", &format!("Ringfence{policy}"));
        }
        let iam = &world.admin.iam;
        world.admin.make(
            iam.detach_user_policy()
                .user_name("deploy-bot")
                .policy_arn("arn:aws:iam::aws:policy/AWSDenyAll")
                .send(),
        );
        world
            .admin
            .make(iam.add_user_to_group().user_name("deploy-bot").group_name("developers").send());
        world.admin.set_key("deploy-bot", &leaked.id, StatusType::Active);
    };
    restore(&world);
    assert_eq!(world.facts("deploy-bot"), before);
    world.ringfence(&["apply", "plan.json", "--auto-approve"]).ok();
    let without_time = |facts: Facts| {
        let cut = |text: String| {
            text.split("\"aws:TokenIssueTime\"").next().unwrap_or_default().to_owned()
        };
        facts.into_iter().map(|(fact, value)| (fact, cut(value))).collect::<Vec<_>>()
    };
    assert_eq!(without_time(world.facts("deploy-bot")), without_time(by_hand.clone()));
}

#[test]
fn for_a_program_and_for_a_person() {
    let world = World::ministack();
    let leaked = world.victim("deploy-bot");
    // One event a line, and the plan for whoever answers on the other stream.
    world.ringfence(&["plan", "--access-key", &leaked.id, "--detailed-exitcode"]).exits(2);
    let ran = world
        .ringfence(&["apply", "--access-key", &leaked.id, "--auto-approve", "--format", "json"])
        .exits(0);
    let events: Vec<serde_json::Value> =
        ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<&str> =
        events.iter().map(|event| event["type"].as_str().unwrap_or("?")).collect();
    assert_snapshot!(kinds.join(" "), @"verified run_started step fence_time step finished");
    world.ringfence(&["plan", "--access-key", &leaked.id, "--detailed-exitcode"]).exits(0);
    let status = world.json(&["status", "--format", "json"]);
    assert_eq!(status["principals"][0]["standing"], "contained", "{status:#}");

    // On a terminal it asks, and only `yes` goes on.
    let other = world.victim("ci-runner");
    let apply = ["apply", "--access-key", &other.id];
    let no = world.on_a_terminal(&apply, "y\n").exits(1);
    assert!(
        no.out.contains("Only `yes` goes on:") && no.out.contains("the answer was not `yes`"),
        "{}",
        no.out
    );
    assert_eq!(world.facts("ci-runner")[&key_of(&other.id)], "Active");
    let yes = world.on_a_terminal(&apply, "yes\n").exits(0);
    assert!(
        yes.out.contains("Contain `ci-runner` in account 123456789012 with 2 steps?"),
        "{}",
        yes.out
    );
    assert_eq!(world.facts("ci-runner")[&key_of(&other.id)], "Inactive");
    let quiet = world.on_a_terminal(&["status", "--no-color"], "").exits(0);
    assert!(!quiet.out.contains('\u{1b}'), "{}", quiet.out);
}

/// Whoever runs the tests may have a profile, a proxy and credentials of a real account.
#[test]
fn nothing_of_the_surroundings_is_used() {
    let trap = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let url = format!("http://{}", trap.local_addr().unwrap());
    let home = tempfile::TempDir::new().unwrap();
    fs::create_dir(home.path().join(".aws")).unwrap();
    let config = format!(
        "[default]\nendpoint_url = {url}\nregion = eu-west-1\n[profile real]\nendpoint_url = {url}\ncredential_process = /bin/false\n"
    );
    fs::write(home.path().join(".aws/config"), config).unwrap();
    fs::write(
        home.path().join(".aws/credentials"),
        "[default]\naws_access_key_id = AKIAREALREALREALREAL\naws_secret_access_key = real\n",
    )
    .unwrap();
    let hostile = [
        ("AWS_PROFILE", "real"),
        ("AWS_DEFAULT_PROFILE", "real"),
        ("AWS_ACCESS_KEY_ID", "AKIAREALREALREALREAL"),
        ("AWS_SECRET_ACCESS_KEY", "real"),
        ("AWS_SESSION_TOKEN", "real"),
        ("AWS_ENDPOINT_URL", &url),
        ("AWS_ENDPOINT_URL_IAM", &url),
        ("AWS_ENDPOINT_URL_STS", &url),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url),
        ("HTTP_PROXY", &url),
        ("http_proxy", &url),
        ("https_proxy", &url),
        ("ALL_PROXY", &url),
        ("RINGFENCE_STATE", "/nowhere"),
    ];
    // The tests themselves, run by somebody with all of that: they pass, and nobody comes to the trap.
    let ran = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "postures::record::reading_never_writes",
            "bad_input::a_key_that_nobody_has",
        ])
        .env("HOME", home.path())
        .envs(hostile)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(
        ran.status.success() && said.contains("2 passed"),
        "{said}{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    assert!(trap.accept().is_err(), "somebody called an endpoint of the surroundings");

    // And what leads away from this machine is not started at all.
    let world = World::ministack();
    let away: [&dyn Fn() -> Ran; 3] = [
        &|| world.command(&["status"]).endpoint("https://iam.amazonaws.com").run(),
        &|| world.ringfence(&["status", "--endpoint-url", "https://iam.amazonaws.com"]),
        &|| world.command(&["status"]).env("HTTPS_PROXY", "http://proxy.example:3128").run(),
    ];
    for run in away {
        let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
        assert!(refused.is_err(), "it was started");
    }
    assert!(world.proxy.calls().is_empty());
}
