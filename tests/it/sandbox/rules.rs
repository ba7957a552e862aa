//! What always holds (D2) of the program itself, against a sandbox on a port of this machine.

use super::crash::stands;
use super::place::{Place, RINGFENCE, command, ringfence};
use crate::support::Ran;
use ringfence::sandbox::ACCOUNT;
use serde_json::Value;
use std::io::Write as _;
use std::process::Stdio;

const USER: &str = "deploy-bot";

/// A user with a leaked key.
fn victim() -> (Place, String) {
    let place = Place::new();
    place.make("iam:CreateUser", &[("UserName", USER)]);
    let made = place.make("iam:CreateAccessKey", &[("UserName", USER)]);
    let key = made.text("AccessKeyId").unwrap().to_owned();
    (place, key)
}

fn run(place: &Place, arguments: &[&str]) -> Ran {
    ringfence(place.directory.path(), &place.url(), &place.admin(), arguments)
}

fn json(place: &Place, arguments: &[&str]) -> Value {
    serde_json::from_str(&run(place, arguments).exits(0).out).unwrap()
}

/// How many calls the sandbox has answered that change something.
fn writes(place: &Place) -> usize {
    let calls = place.sandbox.calls();
    let reads = |action: &str| action.starts_with("iam:Get") || action.starts_with("iam:List");
    let asks = |action: &str| reads(action) || action == "sts:GetCallerIdentity";
    calls.iter().filter(|call| !asks(&call.action)).count()
}

/// D2.2: what was verified is what is parsed, so the file is read once. What comes through a pipe can be read
/// no second time.
#[test]
fn a_plan_is_read_once() {
    let (place, key) = victim();
    run(&place, &["plan", "--access-key", &key, "--out", "plan.json"]).exits(0);
    let plan = std::fs::read(place.directory.path().join("plan.json")).unwrap();
    let mut apply = command(RINGFENCE, place.directory.path(), &place.url(), &place.admin());
    apply.args(["apply", "/dev/stdin", "--auto-approve"]).stdin(Stdio::piped());
    let mut child = apply.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&plan).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let runs = json(&place, &["state", "history", USER, "--format", "json"]);
    assert_eq!(runs[0]["plan_sha256"], ringfence::plan::sha256(&plan));
}

/// D2.3: what was looked at is refused once reality differs, and what is planned and applied in one go is not.
#[test]
fn what_was_saved_refuses_on_drift_and_what_was_not_tightens() {
    let (place, key) = victim();
    let planned = json(&place, &["plan", "--access-key", &key, "--format", "json"]);
    assert_eq!(planned["on_drift"], "refuse");
    run(&place, &["apply", "--access-key", &key, "--auto-approve"]).exits(0);
    let runs = json(&place, &["state", "history", USER, "--format", "json"]);
    let applied = json(&place, &["show", runs[0]["id"].as_str().unwrap(), "--format", "json"]);
    assert_eq!(applied["plan"]["on_drift"], "tighten");
}

/// D2.3, D2.6: a release is shown and approved like any other plan, and always refuses on drift.
#[test]
fn a_release_is_shown_approved_and_refused_on_drift() {
    let (place, key) = victim();
    run(&place, &["apply", "--access-key", &key, "--auto-approve"]).exits(0);
    let release = ["rollback", "--user", USER, "--lift-fence-now", "--out", "release.json"];
    let shown = run(&place, &release).exits(0).out;
    let plan: Value = serde_json::from_slice(
        &std::fs::read(place.directory.path().join("release.json")).unwrap(),
    )
    .unwrap();
    assert_eq!(
        (plan["kind"].as_str(), plan["on_drift"].as_str()),
        (Some("release"), Some("refuse"))
    );

    let before = writes(&place);
    let asked = run(&place, &["apply", "release.json"]).exits(1);
    assert!(asked.err.contains("this needs a `yes`"), "{}", asked.err);
    let fence = shown.lines().find(|line| line.contains("RingfenceFence-")).unwrap();
    let digest = shown.lines().find(|line| line.contains("sha256")).unwrap().trim();
    assert!(asked.out.contains(fence) && asked.out.contains(digest), "{}", asked.out);

    let name = fence.split("inline_policy/").nth(1).unwrap().split_whitespace().next().unwrap();
    let theirs = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*"}]}"#;
    let with = [("UserName", USER), ("PolicyName", name), ("PolicyDocument", theirs)];
    place.make("iam:PutUserPolicy", &with);
    let refused = run(&place, &["apply", "release.json", "--auto-approve"]).exits(3);
    assert!(refused.err.contains(&format!("inline_policy/{name}")), "{}", refused.err);
    assert_eq!(writes(&place), before + 1, "the one of somebody else");
}

/// D2.3: the command that a refusal prints contains as the plan would have, and what is new as well.
#[test]
fn a_refusal_prints_the_command_that_contains_now() {
    let (place, key) = victim();
    let since = "2026-11-01T00:00:00Z";
    let since =
        if place.clock.now().to_string().as_str() < since { "2020-01-01T00:00:00Z" } else { since };
    let plan = [
        "plan",
        "--access-key",
        &key,
        "--posture",
        "quarantine",
        "--since",
        since,
        "--out",
        "plan.json",
    ];
    run(&place, &plan).exits(0);
    let made = place.make("iam:CreateAccessKey", &[("UserName", USER)]);
    let newer = made.text("AccessKeyId").unwrap();
    let refused = run(&place, &["apply", "plan.json", "--auto-approve"]).exits(3);
    let line = refused.err.lines().find(|line| line.trim().starts_with("ringfence apply")).unwrap();
    let words: Vec<&str> = line.split_whitespace().skip(1).collect();
    for part in [
        &["--user", USER][..],
        &["--access-key", &key],
        &["--access-key", newer],
        &["--posture", "quarantine"],
        &["--since", since],
    ] {
        assert!(words.windows(part.len()).any(|window| window == part), "{part:?}: {line}");
    }
    run(&place, &words).exits(0);
    let keys = place.make("iam:ListAccessKeys", &[("UserName", USER)]);
    assert!(!keys.body.contains("<Status>Active</Status>"), "{}", keys.body);
}

/// Applies the plan that lies there, and kills the process before it reads anything back.
fn cut_off(place: &Place) {
    let mut apply = command(RINGFENCE, place.directory.path(), &place.url(), &place.admin());
    apply.args(["apply", "plan.json", "--auto-approve"]).env("RINGFENCE_HALT_AT", "read-back");
    let mut child = apply.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    assert!(stands(&mut child, "read-back"));
    child.kill().unwrap();
    child.wait().unwrap();
}

/// D2.2: a run that was cut off goes on with the plan that was approved, and with no other.
#[test]
fn a_run_goes_on_only_with_the_plan_that_it_began_with() {
    let (place, key) = victim();
    let folder = place.directory.path();
    let other = ["plan", "--access-key", &key, "--posture", "lockdown", "--out", "other.json"];
    run(&place, &other).exits(0);
    run(&place, &["plan", "--access-key", &key, "--out", "plan.json"]).exits(0);
    cut_off(&place);
    let files = crate::support::tree(folder);
    let stored = files.keys().find(|path| {
        path.ends_with("plan.json") && path.parent() != Some(folder) && path.is_file()
    });
    std::fs::copy(folder.join("other.json"), stored.unwrap()).unwrap();
    let before = writes(&place);
    let resumed = run(&place, &["resume"]);
    assert!(resumed.code != 0, "{}", resumed.out);
    assert_eq!(writes(&place), before, "{}", resumed.err);
}

/// What somebody does to one of two users, or to its record.
type Harm<'a> = &'a dyn Fn(&Place, &str);

/// D2.4: a run that cannot go on keeps no other from it, whichever comes first.
#[test]
fn a_run_that_cannot_go_on_keeps_no_other_from_it() {
    let damage = |place: &Place, user: &str, name: &str| {
        let files = crate::support::tree(place.directory.path());
        let is_it = |path: &std::path::Path, content: &[u8]| {
            path.ends_with(name) && String::from_utf8_lossy(content).contains(user)
        };
        let file = files.iter().find(|(path, (_, content))| is_it(path, content));
        std::fs::write(file.unwrap().0, b"{}").unwrap();
    };
    let plan = |place: &Place, user: &str| damage(place, user, "plan.json");
    let state = |place: &Place, user: &str| damage(place, user, "state.json");
    let remove = |place: &Place, user: &str| {
        place.sandbox.edit(|world| world.account_mut(ACCOUNT).unwrap().users.remove(user));
    };
    let harms: [Harm<'_>; 3] = [&plan, &state, &remove];
    for (harm, hurt) in harms.into_iter().flat_map(|harm| [(harm, 0), (harm, 1)]) {
        let (place, key) = victim();
        place.make("iam:CreateUser", &[("UserName", "ci-runner")]);
        let made = place.make("iam:CreateAccessKey", &[("UserName", "ci-runner")]);
        let users = [(USER, key), ("ci-runner", made.text("AccessKeyId").unwrap().to_owned())];
        for (_, key) in &users {
            run(&place, &["plan", "--access-key", key, "--out", "plan.json"]).exits(0);
            cut_off(&place);
            std::fs::remove_file(place.directory.path().join("plan.json")).unwrap();
        }
        harm(&place, users[hurt].0);
        let resumed = run(&place, &["resume"]);
        assert!(resumed.code != 0 && resumed.err.contains("error: "), "{}", resumed.err);
        let other = users[1 - hurt].0;
        let status = run(&place, &["status", "--user", other, "--format", "json"]).exits(0).out;
        assert!(status.contains(r#""contained""#), "{status}");
    }
}

/// D2.15: an endpoint that is not AWS's own stands in every header and in every record, and what was made on one
/// is refused on another, even where the same account answers.
#[test]
fn an_endpoint_is_shown_recorded_and_held_to() {
    let (place, key) = victim();
    let (url, folder) = (place.url(), place.directory.path());
    run(&place, &["plan", "--access-key", &key, "--out", "plan.json"]).exits(0);
    let door = place.other_door();
    let elsewhere = |arguments: &[&str]| ringfence(folder, &door, &place.admin(), arguments);
    let refused = elsewhere(&["apply", "plan.json", "--auto-approve"]).exits(3);
    assert!(refused.err.contains("endpoint"), "{}", refused.err);
    let before = writes(&place);
    run(&place, &["apply", "plan.json", "--auto-approve"]).exits(0);
    for arguments in [
        &["show", "plan.json"][..],
        &["plan", "--user", USER],
        &["status"],
        &["state", "show", USER],
        &["rollback", "--user", USER],
    ] {
        for format in ["text", "markdown"] {
            let shown = run(&place, &[arguments, &["--format", format]].concat()).exits(0).out;
            let header = shown.lines().find(|line| line.contains("Endpoint")).unwrap_or_default();
            assert!(
                header.contains(&url) && header.contains("(not AWS)"),
                "{arguments:?}: {shown}"
            );
        }
    }

    assert_eq!(json(&place, &["show", "plan.json", "--format", "json"])["endpoint"], url);
    assert_eq!(json(&place, &["state", "show", USER, "--format", "json"])["endpoint"], url);
    let files = crate::support::tree(folder);
    let journals: Vec<_> = files
        .iter()
        .filter(|(path, _)| path.extension().is_some_and(|extension| extension == "jsonl"))
        .collect();
    assert_eq!(journals.len(), 1, "{:?}", files.keys());
    let (_, (_, journal)) = journals[0];
    let entry: Value =
        serde_json::from_slice(journal.split(|b| *b == b'\n').next().unwrap()).unwrap();
    assert_eq!(entry["event"]["endpoint"], url, "{entry}");

    let after = writes(&place);
    assert!(after > before);
    for arguments in [
        &["plan", "--access-key", &key][..],
        &["rollback", "--user", USER],
        &["apply", "--again", "--user", USER, "--auto-approve"],
    ] {
        let refused = elsewhere(arguments).exits(3);
        assert!(refused.err.contains("was written for another endpoint"), "{}", refused.err);
    }
    let status = elsewhere(&["status", "--format", "json"]);
    let status: Value = serde_json::from_str(&status.out).unwrap();
    let one = &status["principals"][0];
    let said = format!("is recorded on {url}, this is {door}");
    assert_eq!((&one["seen_at"], &one["findings"][0]["what"]), (&Value::Null, &Value::from(said)));
    assert_eq!(writes(&place), after);
}

/// D2.13: a time is said only where something was read at it.
#[test]
fn a_status_tells_when_it_last_saw_the_user_contained() {
    let (place, key) = victim();
    run(&place, &["apply", "--access-key", &key, "--auto-approve"]).exits(0);
    place.clock.forward(jiff::SignedDuration::from_mins(10));
    let times = || {
        let status = run(&place, &["status", "--format", "json"]).out;
        let status: Value = serde_json::from_str(&status).unwrap();
        let one = &status["principals"][0];
        let time = |name: &str| one[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        (time("last_seen_contained"), time("seen_at"))
    };
    let (last, seen) = times();
    assert_eq!(last, seen);
    let with = [("UserName", USER), ("AccessKeyId", &key), ("Status", "Active")];
    place.make("iam:UpdateAccessKey", &with);
    let (last, seen) = times();
    assert!(last.duration_until(seen) >= jiff::SignedDuration::from_mins(9), "{last} {seen}");
}

/// D2.12: what a status could not read stands in it, with the action that is missing.
#[test]
fn what_a_status_could_not_read_is_listed_with_its_action() {
    let (place, key) = victim();
    run(&place, &["apply", "--access-key", &key, "--auto-approve"]).exits(0);
    let deny = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"iam:ListSSHPublicKeys","Resource":"*"}]}"#;
    let with = [
        ("UserName", ringfence::sandbox::ADMINISTRATOR),
        ("PolicyName", "deny"),
        ("PolicyDocument", deny),
    ];
    place.make("iam:PutUserPolicy", &with);
    let status = run(&place, &["status"]);
    assert!(status.out.contains("not read: ssh keys (iam:ListSSHPublicKeys)"), "{}", status.out);
}

/// D2.11: what is said beside the output, of a failure too, holds no secret.
#[test]
fn no_failure_tells_a_secret() {
    let (place, key) = victim();
    let secret = place.admin().secret;
    run(&place, &["plan", "--access-key", &key, "--out", "plan.json"]).exits(0);
    place.make("iam:CreateAccessKey", &[("UserName", USER)]);
    for (arguments, exit) in [
        (&["apply", "plan.json"][..], 1),
        (&["apply", "plan.json", "--auto-approve"], 3),
        (&["plan", "--user", "nobody"], 1),
        (&["status", "--user", USER], 1),
        (&["rollback", "--user", USER], 1),
        (&["show", "nothing.json"], 1),
    ] {
        let ran = run(&place, arguments).exits(exit);
        assert!(!ran.err.is_empty(), "{arguments:?}");
        assert!(!ran.err.contains(&secret) && !ran.out.contains(&secret), "{arguments:?}");
    }
}
