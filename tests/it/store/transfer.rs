//! Records taken from one store to another: they only go forward, and arrive whole.

use super::ground::{Ground, RUN, at, event, folder, going_on, key, owner, run, says, state};
use ringfence::error::Error;
use ringfence::exit::Exit;
use ringfence::lineage::Lineage;
use ringfence::state::State;
use ringfence::store::{Copied, Store, copy};
use std::path::Path;

const LATER: &str = "20261122T081500Z-7c41e09a";

/// A record of its own in a folder: a state of this serial, whose runs are these, each with so many entries.
fn record(g: &Ground, folder: &str, serial: u64, runs: &[(&str, u32)]) -> (Store, State) {
    let store = Store::local(&g.dir().join(folder));
    let mut lock = g.locked(&store, "responder");
    let mut made = state(serial);
    for (id, entries) in runs {
        let mut log = g.begun(&mut lock, id, *entries);
        g.go(log.append(at(9), event())).unwrap();
        made.runs.push(run(id, Some(&log)));
    }
    g.go(lock.save(&made)).unwrap();
    g.release(lock);
    (store, made)
}

fn taken(g: &Ground, from: &Store, to: &Store) -> Result<Copied, Error> {
    let mut lock = g.locked(to, "responder");
    let copied = g.go(copy(from, to, &mut lock));
    g.release(lock);
    copied
}

/// Refused, and nothing is written.
#[track_caller]
fn refused(g: &Ground, from: &Store, to: &Store, words: &[&str]) {
    let before = g.content();
    let error = taken(g, from, to).unwrap_err();
    assert_eq!(error.exit(), Exit::Stale, "{error}");
    says(&error, words);
    assert_eq!(g.content(), before);
}

#[test]
fn a_record_arrives_whole_and_once() {
    for g in [&Ground::ministack(), &Ground::moto()] {
        let (local, made) = record(g, "one", 2, &[(RUN, 3)]);
        let bucket = g.store();
        let copied = taken(g, &local, &bucket).unwrap();
        assert_eq!(copied, Copied { serial: Some(2), state: true, runs: 1, entries: 4 });
        assert_eq!(g.go(bucket.load(&key())).unwrap(), Some(made.clone()));
        g.go(bucket.verify(&key(), &made)).unwrap();
        assert_eq!(g.go(bucket.plan_bytes(&key(), RUN)).unwrap(), b"the plan");
        let again = taken(g, &local, &bucket).unwrap();
        assert_eq!(again, Copied { serial: Some(2), state: false, runs: 1, entries: 0 });

        // And back, byte for byte.
        let back = Store::local(&g.dir().join("back"));
        taken(g, &bucket, &back).unwrap();
        let files = |folder: &str| -> Vec<(String, Vec<u8>)> {
            let root = g.dir().join(folder);
            crate::support::tree(&root)
                .into_iter()
                .filter(|(path, _)| path.is_file())
                .map(|(path, (_, bytes))| (relative(&path, &root), bytes))
                .collect()
        };
        assert_eq!(files("one"), files("back"));
        assert_eq!(taken(g, &bucket, &back).unwrap().entries, 0);
    }
}

fn relative(path: &Path, root: &Path) -> String {
    path.strip_prefix(root).unwrap().display().to_string()
}

#[test]
fn a_record_only_goes_forward() {
    let g = &Ground::ministack();
    let bucket = g.store();
    let (first, _) = record(g, "first", 2, &[(RUN, 1)]);
    taken(g, &first, &bucket).unwrap();
    let (later, made) = record(g, "later", 4, &[(RUN, 1), (LATER, 2)]);
    assert_eq!(taken(g, &later, &bucket).unwrap().entries, 3);
    refused(g, &first, &bucket, &["serial 4", "has 2", "not overwritten"]);

    // Both went on from the same serial, and this one further.
    let (fork, _) = record(g, "fork", 9, &[(RUN, 1), ("20261123T000000Z-7c41e09a", 1)]);
    refused(g, &fork, &bucket, &["its runs", LATER, "serial 9", "not overwritten"]);
    // Fewer runs, and a higher serial.
    let (fewer, _) = record(g, "fewer", 9, &[(RUN, 1)]);
    refused(g, &fewer, &bucket, &["its runs", "not overwritten"]);

    // Of another lineage: only where it says that it follows, and has the runs of the one before.
    let another = |folder: &str, runs: &[(&str, u32)]| {
        let (other, mut state) = record(g, folder, 9, runs);
        let mut lock = g.locked(&other, "responder");
        state.previous_lineage = Some(state.lineage.clone());
        state.lineage = Lineage::new([8; 16]);
        g.go(lock.save(&state)).unwrap();
        g.release(lock);
        (other, state)
    };
    let (fork, _) = another("new fork", &[(RUN, 1), ("20261123T000000Z-7c41e09a", 1)]);
    refused(g, &fork, &bucket, &["its runs", LATER, "serial 9", "not overwritten"]);
    let (other, state) =
        another("other", &[(RUN, 1), (LATER, 2), ("20261123T000000Z-7c41e09a", 1)]);
    taken(g, &other, &bucket).unwrap();
    assert_eq!(g.go(bucket.load(&key())).unwrap(), Some(state));
    refused(g, &later, &bucket, &["lineage", &made.lineage.to_string(), "does not follow"]);
}

/// A run that was cut off in the middle of a line, and went on elsewhere from a copy of what was whole.
#[test]
fn a_torn_line_is_not_in_the_way_of_what_went_on() {
    let g = &Ground::folder();
    let here = g.store();
    let mut lock = g.locked(&here, "responder");
    drop(g.begun(&mut lock, RUN, 2));
    g.release(lock);
    let journal = g.dir().join("state").join(folder()).join(format!("runs/{RUN}/journal.jsonl"));
    let mut lines = std::fs::read(&journal).unwrap();
    lines.extend(b"{\"n\":3,\"at\":\"2026");
    std::fs::write(&journal, lines).unwrap();
    let (elsewhere, made) = record(g, "elsewhere", 2, &[(RUN, 2)]);
    assert_eq!(taken(g, &elsewhere, &here).unwrap().entries, 1);
    g.go(here.verify(&key(), &made)).unwrap();
}

#[test]
fn journals_that_go_on_otherwise_are_not_overwritten() {
    let g = &Ground::ministack();
    let bucket = g.store();
    // The bucket's run goes on; the folder has its beginning, and a state that says that it ended.
    let mut lock = g.locked(&bucket, "responder");
    let mut log = g.begun(&mut lock, RUN, 3);
    let mut open = state(1);
    open.runs = vec![run(RUN, None)];
    g.go(lock.save(&open)).unwrap();
    g.release(lock);
    let (short, _) = record(g, "short", 5, &[]);
    let mut lock = g.locked(&short, "responder");
    drop(g.begun(&mut lock, RUN, 2));
    let mut longer = open.clone();
    longer.serial = 6;
    g.go(lock.save(&longer)).unwrap();
    g.release(lock);
    refused(g, &short, &bucket, &["has 3 entries, the other 2", "ringfence show"]);
    let (other, _) = record(g, "diverged", 6, &[(RUN, 2)]);
    refused(g, &other, &bucket, &["go on otherwise"]);
    // The released lock writes no more.
    says(&g.go(log.append(at(9), going_on(9))).unwrap_err(), &["released"]);
}

#[test]
fn a_source_that_is_not_whole_is_not_taken() {
    let g = &Ground::ministack();
    let bucket = g.store();
    let (cut, _) = record(g, "cut", 2, &[(RUN, 3)]);
    let journal = g.dir().join("cut").join(folder()).join(format!("runs/{RUN}/journal.jsonl"));
    let whole = std::fs::read(&journal).unwrap();
    std::fs::write(&journal, &whole[..whole.len() - 10]).unwrap();
    for edited in [
        whole[..whole.len() - 10].to_vec(),
        String::from_utf8_lossy(&whole).replace("UpdateAccessKey", "UpdateAccessKez").into_bytes(),
    ] {
        std::fs::write(&journal, edited).unwrap();
        let error = taken(g, &cut, &bucket).unwrap_err();
        says(&error, &["journal"]);
        assert_eq!(g.content().len(), 0);
    }
    let error = taken(g, &Store::local(&g.dir().join("nothing")), &bucket).unwrap_err();
    says(&error, &["has nothing of 123456789012/user/"]);
}

/// Cut off at any write: what is there is a beginning, and the same command goes on.
#[test]
fn a_copy_that_was_cut_off_is_gone_on_with() {
    let g = &Ground::ministack();
    let (local, made) = record(g, "one", 2, &[(RUN, 2), (LATER, 2)]);
    let no = "<Error><Code>AccessDenied</Code><Message>m</Message></Error>";
    for path in [
        "/state.json",
        "7c41e09a/plan.json",
        "20261122T081500Z-7c41e09a/journal/00000001",
        "20261121T031240Z-7c41e09a/journal/00000003",
    ] {
        for object in g.content().keys() {
            g.take(object);
        }
        let bucket = g.store();
        g.proxy().always_on("PutObject", path, crate::support::Fault::Answer(403, no.to_owned()));
        says(&taken(g, &local, &bucket).unwrap_err(), &["s3:PutObject"]);
        g.proxy().heal();
        assert_eq!(g.go(bucket.load(&key())).unwrap(), None, "{path}: a state before its journals");
        taken(g, &local, &bucket).unwrap();
        assert_eq!(g.go(bucket.load(&key())).unwrap(), Some(made.clone()));
        g.go(bucket.verify(&key(), &made)).unwrap();
    }
}

/// What `state import` needs where the state was lost.
#[test]
fn runs_without_a_state_are_taken_too() {
    let g = &Ground::ministack();
    let bucket = g.store();
    let mut lock = g.locked(&bucket, "responder");
    drop(g.begun(&mut lock, RUN, 2));
    g.release(lock);
    let back = Store::local(&g.dir().join("back"));
    let copied = taken(g, &bucket, &back).unwrap();
    assert_eq!(copied, Copied { serial: None, state: false, runs: 1, entries: 2 });
    assert_eq!(g.go(back.plan_bytes(&key(), RUN)).unwrap(), b"the plan");
    let held = g.locked(&back, "another");
    assert!(g.go(back.lock(&key(), &owner("other"))).unwrap().is_none());
    g.release(held);
}
