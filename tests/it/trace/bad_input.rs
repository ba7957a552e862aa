//! What is broken is counted, with its first example, and costs nothing but itself.

use super::story::{Who, event, gzip, reads};
use super::{gathered, limits, question, traced};
use ringfence::logs::Limits;
use ringfence::trail::Flaw;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

const KEY: &str = "AKIAEXAMPLELEAKED001";

fn some(count: usize) -> Vec<Value> {
    let who = Who::user("deploy-bot", KEY);
    (0..count).map(|n| reads(&format!("e{n}"), 10, &who, &format!("o{n}"))).collect()
}

/// The events that were read of a file, and what could not be.
fn read(folder: &Path, name: &str, bytes: &[u8], limits: &Limits) -> (u64, Vec<(Flaw, u64)>) {
    fs::write(folder.join(name), bytes).unwrap();
    let result = gathered(&[&folder.join(name)], &question(&[KEY]), limits);
    let gathered = result.unwrap();
    let flaws = gathered.tally.iter().map(|(flaw, count, first)| {
        assert!(first.file.ends_with(name));
        (flaw, count)
    });
    (gathered.survey.events, flaws.collect())
}

#[test]
fn compressed_files_that_are_broken_are_read_as_far_as_they_go() {
    let folder = tempfile::tempdir().unwrap();
    let events = some(4000);
    let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
    let whole = gzip(lines.as_bytes());
    for limits in [limits(), Limits { whole: 1000, value: 1 << 16, ..limits() }] {
        assert_eq!(read(folder.path(), "whole", &whole, &limits), (4000, vec![]));
        // Two members, of which a reader of one would lose the second.
        let both = [whole.clone(), whole.clone()].concat();
        assert_eq!(read(folder.path(), "both", &both, &limits), (8000, vec![]));
        // The size at the end is a lie.
        let mut liar = whole.clone();
        let end = liar.len() - 4;
        liar[end..].copy_from_slice(&7_u32.to_le_bytes());
        let (count, flaws) = read(folder.path(), "liar", &liar, &limits);
        assert!(count >= 3990, "{count}");
        assert!(flaws.iter().any(|(flaw, _)| *flaw == Flaw::Compression), "{flaws:?}");
        let (count, flaws) = read(folder.path(), "cut", &whole[..whole.len() / 2], &limits);
        assert!((500..3999).contains(&count), "{count}");
        assert!(flaws.contains(&(Flaw::Compression, 1)), "{flaws:?}");
        let mut broken = whole.clone();
        broken[whole.len() / 2] ^= 0xff;
        let (count, flaws) = read(folder.path(), "broken", &broken, &limits);
        assert!((100..4000).contains(&count), "{count}");
        assert!(flaws.iter().any(|(flaw, _)| *flaw == Flaw::Compression), "{flaws:?}");
    }
}

#[test]
fn an_event_of_five_megabytes_is_read_and_a_larger_value_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut events = some(3);
    events[1]["requestParameters"]["policyDocument"] = json!("x".repeat(5 << 20));
    let text = json!({"Records": events}).to_string();
    for limits in [limits(), Limits { whole: 1 << 16, ..limits() }] {
        assert_eq!(read(folder.path(), "large", text.as_bytes(), &limits), (3, vec![]));
    }
    let small = Limits { whole: 1 << 16, value: 1 << 20, ..limits() };
    let (count, flaws) = read(folder.path(), "large", text.as_bytes(), &small);
    assert_eq!(count, 2, "{flaws:?}");
    assert_eq!(flaws.first().map(|(flaw, _)| *flaw), Some(Flaw::NotJson).or(Some(Flaw::TooLarge)));
}

#[test]
fn files_that_are_none_of_ours_are_named_and_the_others_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir_all(path("a/b/c")).unwrap();
    fs::write(path("a/b/c/events.json"), json!({"Records": some(2)}).to_string()).unwrap();
    fs::write(path("README.md"), "# Logs\n").unwrap();
    fs::write(path("packed.zst"), [0x28, 0xb5, 0x2f, 0xfd, 0, 0]).unwrap();
    fs::write(path("empty"), "").unwrap();
    fs::write(path("digest.json"), r#"{"awsAccountId":"123456789012","logFiles":[]}"#).unwrap();
    std::os::unix::fs::symlink(path("a"), path("link")).unwrap();
    let gathered = gathered(&[folder.path()], &question(&[KEY]), &limits()).unwrap();
    assert_eq!(gathered.survey.events, 2);
    let count = |flaw| gathered.tally.count(flaw);
    // The link is not followed, and what is compressed in another way is not read.
    assert_eq!((count(Flaw::Unreadable), count(Flaw::NotJson), count(Flaw::NotAnEvent)), (2, 1, 1));
}

#[test]
fn an_event_that_lacks_something_counts() {
    let folder = tempfile::tempdir().unwrap();
    let who = Who::user("deploy-bot", KEY);
    let mut events = some(1);
    let mut timeless = event("t", 0, &who, "s3:ListBuckets", Value::Null, Value::Null);
    timeless["eventTime"] = json!("yesterday");
    let mut nobody = event("n", 0, &who, "s3:ListBuckets", Value::Null, Value::Null);
    nobody.as_object_mut().unwrap().remove("userIdentity");
    let mut keyless = event("k", 0, &who, "s3:ListBuckets", Value::Null, Value::Null);
    keyless["userIdentity"].as_object_mut().unwrap().remove("accessKeyId");
    events.extend([timeless, nobody, keyless]);
    let text = json!({"Records": events}).to_string();
    fs::write(folder.path().join("x.json"), text).unwrap();
    let trace = traced(folder.path(), &question(&[KEY]), &limits());
    let unread: Vec<_> = trace.unread.iter().map(|unread| (unread.kind, unread.count)).collect();
    assert_eq!(unread, [(Flaw::NoTime, 1), (Flaw::NoIdentity, 1), (Flaw::NoKey, 1)]);
    assert_eq!((trace.events_read, trace.credentials[0].uses), (4, Some(2)));
}

#[test]
fn events_that_share_their_id_are_told_apart_by_their_content() {
    let folder = tempfile::tempdir().unwrap();
    let who = Who::user("deploy-bot", KEY);
    let alike: Vec<Value> = (0..5).map(|n| reads("1", 0, &who, &format!("o{}", n / 2))).collect();
    fs::write(folder.path().join("a.json"), json!({"Records": alike}).to_string()).unwrap();
    fs::write(folder.path().join("b.json"), serde_json::to_vec_pretty(&alike).unwrap()).unwrap();
    let trace = traced(folder.path(), &question(&[KEY]), &limits());
    assert_eq!((trace.events_read, trace.events_unique), (10, 3));
    assert_eq!(trace.credentials[0].uses, Some(3));
}
