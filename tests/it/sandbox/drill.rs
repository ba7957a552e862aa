//! `ringfence drill`, on a machine whose environment would lead it astray.

use super::place::{RINGFENCE, command, ran};
use crate::support::{Credentials, tree};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;
use tempfile::TempDir;

/// What a person has to have read at the end.
const TOLD: &[&str] = &[
    "Nothing in it is AWS, and nothing can reach AWS.",
    "== 1. The leak",
    "$ aws sts get-session-token --duration-seconds 129600    # the attacker",
    "== 2. The trace: what was made with the key, and what it did",
    "$ ringfence trace --access-key ",
    "== 3. The plan: what would change, whom it hits, and what stays open",
    "$ ringfence plan --from trace.json ",
    "stops 2 calls a day from 10.0.3.7 (sdk-java) to s3 in us-east-1",
    "first seen after the exposure: ",
    "198.51.100.7 (aws-cli)",
    "== 4. The apply: exactly that plan",
    "$ ringfence apply plan.json --auto-approve",
    "== 5. Is the attacker out?",
    "the role's session     denied",
    "production goes on",
    "== 6. What the workload needs: a policy from what it has really used",
    "s3:ListAllMyBuckets",
    "== 7. The recovery: a new key in the workload's secret, and no more rights",
    "cannot be undone",
    "s3:ListAllMyBuckets is allowed (called)",
    "the new key            allowed                       production, from the secret",
    "the new key            denied",
    "== 8. Ten minutes later",
    "== 9. 37 hours later: every token the key could have minted has expired",
    "$ ringfence rollback --role release",
    "== 10. Before and after",
    "The leaked key is gone, since the new one needed its place",
    "== 11. The report",
    "Saved report.html",
];

/// A phase fits on a screen or two.
const LONGEST_PHASE: usize = 100;

/// The program where every setting of the SDK leads to a listener that must hear nothing.
fn misled(folder: &TempDir, trap: &TcpListener) -> Command {
    let url = format!("http://{}", trap.local_addr().unwrap());
    let garbage = Credentials::new("AKIAGARBAGEGARBAGE00", "garbage");
    let mut command = command(RINGFENCE, folder.path(), &url, &garbage);
    command
        .env("AWS_SESSION_TOKEN", "garbage")
        .env("AWS_PROFILE", "nobody-has-this")
        .env("AWS_ENDPOINT_URL_IAM", &url)
        .env("AWS_ENDPOINT_URL_STS", &url)
        .env("HTTP_PROXY", &url)
        .env("HTTPS_PROXY", &url)
        .env("ALL_PROXY", &url)
        .env_remove("NO_PROXY")
        .env("AWS_REGION", "nowhere-1");
    command
}

fn trap() -> TcpListener {
    let trap = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    trap.set_nonblocking(true).unwrap();
    trap
}

#[track_caller]
fn heard_nothing(trap: &TcpListener) {
    match trap.accept() {
        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
        other => panic!("the drill called somebody: {other:?}"),
    }
}

#[test]
fn the_drill_tells_the_story_without_a_network_and_leaves_nothing_behind() {
    let (folder, trap) = (TempDir::new().unwrap(), trap());
    let before = tree(folder.path());
    let told = ran(misled(&folder, &trap).args(["drill", "--fast"])).exits(0);
    heard_nothing(&trap);
    assert_eq!(tree(folder.path()), before, "the drill left something behind");
    let mut rest = told.out.as_str();
    for line in TOLD {
        let Some((_, after)) = rest.split_once(line) else {
            panic!("the story does not go on with `{line}`:\n{}", told.out)
        };
        rest = after;
    }
    for phase in told.out.split("\n== ") {
        let lines = phase.lines().count();
        assert!(lines <= LONGEST_PHASE, "{lines} lines are too long a phase:\n{phase}");
    }
    assert!(!told.out.contains("garbage"), "{}", told.out);
    assert!(!told.out.contains('\u{1b}'), "colour where there is no terminal");
}

#[test]
fn a_drill_that_works_without_settings_too() {
    let folder = TempDir::new().unwrap();
    let mut bare = Command::new(RINGFENCE);
    bare.env_clear().current_dir(folder.path()).env("TMPDIR", folder.path());
    ran(bare.args(["drill", "--fast"])).exits(0);
    assert_eq!(tree(folder.path()).len(), 1);
}

#[test]
fn step_by_step_takes_somebody_at_a_terminal() {
    let (folder, trap) = (TempDir::new().unwrap(), trap());
    let refused = ran(misled(&folder, &trap).args(["drill", "--step"])).exits(1);
    assert!(refused.err.starts_with("error: "), "{}", refused.err);
    assert_eq!(tree(folder.path()).len(), 1, "a drill that ends early left something behind");
    heard_nothing(&trap);
    ran(misled(&folder, &trap).args(["drill", "--step", "--fast"])).exits(64);
}
