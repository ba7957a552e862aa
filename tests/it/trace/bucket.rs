//! Logs in a bucket.

use super::story::{Who, gzip, reads};
use crate::support::World;
use insta::assert_snapshot;
use serde_json::{Value, json};

const KEY: &str = "AKIAEXAMPLELEAKED001";

fn in_a_bucket(world: &World) {
    world.admin.bucket("trail-logs");
    let who = Who::user("deploy-bot", KEY);
    for file in 0..23 {
        let events: Vec<Value> = (0..3)
            .map(|n| reads(&format!("e{file}-{n}"), file * 60, &who, &format!("{file}/{n}")))
            .collect();
        let name =
            format!("org/AWSLogs/123456789012/CloudTrail/eu-west-1/2026/11/21/{file:04}.json.gz");
        world.admin.object(
            "trail-logs",
            &name,
            gzip(json!({"Records": events}).to_string().as_bytes()),
        );
    }
    world.admin.object("trail-logs", "organisation/other.json", b"not below the prefix".to_vec());
    // Larger than what is kept in memory while it is fetched.
    let large: Vec<Value> = (0..3)
        .map(|n| {
            let mut event = reads(&format!("large-{n}"), 0, &who, "large");
            event["requestParameters"]["x"] = json!("x".repeat(2 << 20));
            event
        })
        .collect();
    world.admin.object(
        "trail-logs",
        "org/large.json",
        json!({"Records": large}).to_string().into_bytes(),
    );
}

fn traced(world: &World) {
    in_a_bucket(world);
    let trace = world.json(&[
        "trace",
        "--access-key",
        KEY,
        "--logs",
        "s3://trail-logs/org",
        "--format",
        "json",
    ]);
    assert_eq!(trace["events_read"], 72);
    assert_eq!(trace["files_read"], 24);
    assert_eq!(trace["credentials"][0]["uses"], 72);
    assert_eq!(trace["unread"], json!([]));
    let one = "s3://trail-logs/org/large.json";
    let trace = world.json(&["trace", "--access-key", KEY, "--logs", one, "--format", "json"]);
    assert_eq!((&trace["events_read"], &trace["files_read"]), (&json!(3), &json!(1)));
}

#[test]
fn a_bucket_is_read_ministack() {
    let world = World::ministack();
    traced(&world);
    assert_snapshot!(world.refused(1, &["trace", "--access-key", KEY, "--logs", "s3://no-such-bucket-here/x"]), @"
    error: cannot read `s3://no-such-bucket-here/x`
      cause: NoSuchBucket: The specified bucket does not exist
    hint: name the bucket that the trail delivers to: --logs s3://BUCKET/PREFIX
    ");
    assert_snapshot!(world.refused(1, &["trace", "--access-key", KEY, "--logs", "s3://trail-logs/nothing"]), @"
    error: there is no CloudTrail event in `s3://trail-logs/nothing`
    hint: give the folder that the trail delivers to: --logs AWSLogs, or --logs s3://BUCKET/AWSLogs
    ");
}

#[test]
fn a_bucket_is_read_moto() {
    traced(&World::moto());
}
