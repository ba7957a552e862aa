//! What a person sees, and that nothing but the files is read.

use crate::support::World;
use crate::support::schema::Schema;
use insta::assert_snapshot;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const KEY: &str = "AKIAEXAMPLELEAKED001";
const AT: [&str; 2] = ["--at", "2026-11-21T03:10:07Z"];
const SINCE: [&str; 2] = ["--since", "2026-11-21T01:40Z"];

fn logs() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/cloudtrail").display().to_string()
}

/// Runs `trace` over the example; whatever it would call is counted.
fn run(world: &World, more: &[&str]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let logs = logs();
    let arguments = [&["trace", "--logs", logs.as_str()], &AT[..], more].concat();
    let ran = world.command(&arguments).endpoint(&url).without_credentials().run().ok();
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "something was called");
    ran.out.replace(&logs, "examples/cloudtrail")
}

#[test]
fn a_leaked_key_and_what_became_of_it() {
    let world = World::ministack();
    let text = run(
        &world,
        &["--access-key", KEY, SINCE[0], SINCE[1], "--out", "trace.json", "--svg", "trace.svg"],
    );
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    crate::support::golden("trace", &text);
    let json: serde_json::Value = serde_json::from_str(&world.read("trace.json")).unwrap();
    Schema::of("trace").holds(&json);
    for file in ["trace.json", "trace.svg"] {
        let mode = world.path(file).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    let printed = run(&world, &["--access-key", KEY, SINCE[0], SINCE[1], "--format", "json"]);
    assert_eq!(printed, world.read("trace.json").replace(&logs(), "examples/cloudtrail"));
    assert_eq!(json["start"]["logs"], serde_json::json!([logs()]));
    let markdown = run(&world, &["--access-key", KEY, SINCE[0], SINCE[1], "--format", "markdown"]);
    crate::support::golden("trace-markdown", &markdown);
    let svg = world.read("trace.svg");
    assert!(svg.contains("ASIAEXAMPLECHAINED01") && !svg.contains("href"), "{svg}");
    assert_eq!(world.proxy.calls().len(), 0);
}

#[test]
fn without_a_time_of_exposure_the_owners_use_is_in_it() {
    let world = World::ministack();
    let with: serde_json::Value = serde_json::from_str(&run(
        &world,
        &["--access-key", KEY, SINCE[0], SINCE[1], "--format", "json"],
    ))
    .unwrap();
    let without: serde_json::Value =
        serde_json::from_str(&run(&world, &["--user", "Deploy-Bot", "--format", "json"])).unwrap();
    let uses = |trace: &serde_json::Value| {
        trace["credentials"].as_array().unwrap().iter().find(|one| one["id"] == KEY).unwrap()["uses"].clone()
    };
    assert_eq!((uses(&with), uses(&without)), (5.into(), 6.into()));
    // A user that is asked for has the same lineage as its one key.
    let ids = |trace: &serde_json::Value| {
        let list = trace["credentials"].as_array().unwrap();
        list.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&with), ids(&without));
}

#[test]
fn what_cannot_be_asked_is_refused() {
    let world = World::ministack();
    let logs = logs();
    assert_snapshot!(world.refused(1, &["trace", "--access-key", KEY, "--logs", "nowhere"]), @"
    error: `nowhere` could not be read
      cause: No such file or directory (os error 2)
    hint: give a file, a folder or s3://BUCKET/PREFIX: --logs PATH
    ");
    world.write("empty.json", "{\"Records\":[]}");
    world.write("words.txt", "these are no logs\n");
    assert_snapshot!(world.refused(1, &["trace", "--access-key", KEY, "--logs", "empty.json", "words.txt"]), @"
    error: there is no CloudTrail event in `empty.json`, `words.txt`
      1 piece that is no JSON, first words.txt at byte 0: these are no logs
    hint: give the folder that the trail delivers to: --logs AWSLogs, or --logs s3://BUCKET/AWSLogs
    ");
    assert_snapshot!(world.refused(1, &["trace", "--access-key", KEY, "--logs", "gs://bucket/x"]), @"
    error: `gs://bucket/x` is no place for logs
      cause: logs are read from files or from S3, and not from `gs`
    hint: --logs PATH, or --logs s3://BUCKET/PREFIX
    ");
    assert_snapshot!(world.refused(64, &["trace", "--access-key", KEY, "--logs", &logs, "--since", "2026-11-22T00:00Z", "--at", "2026-11-21T00:00Z"]), @"
    error: `--since` lies after the moment that is asked about
    hint: --at TIME names that moment; it is now where none is named
    ");
    let other = std::fs::read_to_string(format!("{logs}/AWSLogs/123456789012/CloudTrail/us-east-1/2026/11/21/123456789012_CloudTrail_us-east-1_20261121T0310Z_EXAMPLE00000000.json")).unwrap();
    world.write("a.json", &other);
    world.write("b.json", other.replace("123456789012", "210987654321"));
    assert_snapshot!(world.refused(1, &["trace", "--user", "deploy-bot", "--logs", "a.json", "b.json"]), @"
    error: there is a user `deploy-bot` in 2 accounts
      cause: the events are of 123456789012, 210987654321
    hint: name the account: --account-id ID
    ");
    world
        .ringfence(&[
            "trace",
            "--user",
            "deploy-bot",
            "--account-id",
            "210987654321",
            "--logs",
            "a.json",
            "b.json",
        ])
        .exits(0);
    assert_eq!(world.proxy.calls().len(), 0);
}
