//! A bucket behind a bad line: replies and requests that get lost, conflicts, pages that are not S3's.

use super::ground::{Ground, RUN, at, event, folder, going_on, key, owner, says, state};
use crate::support::Fault;
use ringfence::store::Store;

fn code(status: u16, code: &str) -> Fault {
    Fault::Answer(
        status,
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>said so</Message></Error>"
        ),
    )
}

/// Everything that a run writes, in the order of an apply.
fn a_run(g: &Ground, store: &Store) {
    let mut lock = g.locked(store, "responder");
    assert_eq!(g.go(lock.stored()).unwrap(), None);
    g.go(lock.name_run(RUN)).unwrap();
    let mut log = g.go(lock.start_run(RUN, b"the plan")).unwrap();
    g.go(lock.save(&state(1))).unwrap();
    g.go(log.append(at(1), going_on(1))).unwrap();
    g.go(log.append(at(2), event())).unwrap();
    g.go(lock.save(&state(2))).unwrap();
    drop(log);
    assert_eq!(lock.moved(), None);
    g.release(lock);
}

/// Each write once with each fault: the run goes on, and everything is there once.
#[test]
fn a_write_whose_reply_or_request_is_lost_is_done_once() {
    let g = &Ground::ministack();
    a_run(g, &g.store());
    let expected = g.content();
    assert_eq!(expected.len(), 4, "{:?}", expected.keys());
    let writes = [
        ("PutObject", "/lock"),
        ("PutObject", "/plan.json"),
        ("PutObject", "/state.json"),
        ("PutObject", "/journal/00000001"),
        ("PutObject", "/journal/00000002"),
        ("DeleteObject", "/lock"),
    ];
    let faults = [
        ("reply lost", Fault::LoseReply),
        ("request lost", Fault::LoseRequest),
        ("conflict", code(409, "ConditionalRequestConflict")),
        ("server error", code(500, "InternalError")),
        ("too busy", code(503, "SlowDown")),
    ];
    for (action, path) in writes {
        for (name, fault) in &faults {
            for object in expected.keys() {
                g.take(object);
            }
            g.proxy().take_calls();
            g.proxy().next_on(1, action, path, fault.clone());
            a_run(g, &g.store());
            g.proxy().heal();
            assert_eq!(g.content(), expected, "{action} {path}: {name}");
            let tries = g
                .proxy()
                .take_calls()
                .iter()
                .filter(|call| call.action == action && call.get("Path").ends_with(path))
                .count();
            let plain = match (action, path) {
                // Taken and then named; saved at both ends of the run.
                ("PutObject", "/lock" | "/state.json") => 2,
                _ => 1,
            };
            // A write that was done is not sent again.
            let again = usize::from(*name != "reply lost" && !path.contains("journal"));
            assert!(
                path.contains("journal") || tries == plain + again,
                "{action} {path}: {name}: {tries}"
            );
        }
    }
}

/// The reply was lost, and the request too: somebody else was first.
#[test]
fn a_lock_that_another_took_meanwhile_is_not_ours() {
    let g = &Ground::ministack();
    let other = g.store();
    let held = g.locked(&other, "other");
    for fault in [Fault::LoseReply, Fault::LoseRequest, code(500, "InternalError")] {
        g.proxy().next_on(1, "PutObject", "/lock", fault);
        assert!(g.go(g.store().lock(&key(), &owner("responder"))).unwrap().is_none());
    }
    // A conflict without end is somebody else's writing.
    g.proxy().always_on("PutObject", "/lock", code(409, "ConditionalRequestConflict"));
    assert!(g.go(g.store().lock(&key(), &owner("responder"))).unwrap().is_none());
    g.proxy().heal();
    assert_eq!(g.go(other.holder(&key())).unwrap(), Some(owner("other")));
    g.release(held);
}

/// Its run is written into it, and nobody heard that it was: it is ours all the same, and is given back.
#[test]
fn a_lock_that_was_written_unheard_is_given_back() {
    let g = &Ground::ministack();
    let store = g.store();
    let mut lock = g.locked(&store, "responder");
    g.proxy().always_on("PutObject", "/lock", Fault::LoseReply);
    g.proxy().always_on("GetObject", "/lock", Fault::LoseRequest);
    assert!(g.go(lock.name_run(RUN)).is_err());
    g.proxy().heal();
    assert_eq!(g.go(store.holder(&key())).unwrap().unwrap().run.as_deref(), Some(RUN));
    g.release(lock);
    assert_eq!(g.go(store.holder(&key())).unwrap(), None);
}

/// A release that fails is tried once more at the end, and said if that fails too.
#[test]
fn a_lock_that_cannot_be_given_back_is_said() {
    let g = &Ground::ministack();
    let store = g.store();
    let lock = g.locked(&store, "responder");
    g.proxy().always("DeleteObject", Fault::LoseRequest);
    for error in [g.go(lock.release()).unwrap_err(), g.go(store.close()).unwrap_err()] {
        says(
            &error,
            &[
                "cannot release the lock `s3://",
                "only the lock is still there",
                "ringfence state unlock",
            ],
        );
    }
    g.proxy().heal();
    assert_eq!(g.go(store.holder(&key())).unwrap(), Some(owner("responder")));
}

#[test]
fn a_bucket_that_ignores_conditions_is_found_before() {
    let g = &Ground::ministack();
    for (action, what) in [("PutObject", "If-None-Match"), ("DeleteObject", "If-Match")] {
        g.proxy().always(action, Fault::Unconditional);
        let error = g.go(g.store().check_writable(&key())).unwrap_err();
        says(
            &error,
            &["s3://incidents/prod", "does not honour conditional writes", what, "--state DIR"],
        );
        g.proxy().heal();
    }
    g.go(g.store().check_writable(&key())).unwrap();
}

/// A proxy's page must not pass for an empty store: a containment would begin as if there were none.
#[test]
fn a_page_that_is_not_s3s_does_not_say_that_nothing_is_there() {
    let g = &Ground::ministack();
    let mut lock = g.locked(&g.store(), "responder");
    g.go(lock.save(&state(1))).unwrap();
    let page = "<!doctype html><html><body>Log in</body></html>";
    for status in [200, 302, 401, 404, 407, 502] {
        g.proxy().always("GetObject", Fault::Answer(status, page.to_owned()));
        let error = g.go(g.store().load(&key())).unwrap_err();
        says(&error, &["cannot read `s3://incidents/prod/123456789012/user/", "--state DIR"]);
        g.proxy().heal();
    }
    for status in [200, 404] {
        g.proxy().always("ListObjectsV2", Fault::Answer(status, page.to_owned()));
        let error = g.go(g.store().list()).unwrap_err();
        says(&error, &["cannot list `s3://incidents/prod`"]);
        g.proxy().heal();
    }
    // And a write that it answers was not done.
    let before = g.content();
    for status in [200, 404] {
        g.proxy().always("PutObject", Fault::Answer(status, page.to_owned()));
        assert!(g.go(lock.save(&state(2))).is_err(), "{status}");
        g.proxy().heal();
    }
    assert_eq!(g.content(), before);
    g.go(lock.save(&state(2))).unwrap();
    g.release(lock);
}

#[test]
fn what_stands_in_the_way_is_said_with_the_object_and_what_helps() {
    let g = &Ground::ministack();
    let cases = [
        (code(404, "NoSuchBucket"), ["NoSuchBucket", "make the bucket"]),
        (code(403, "ExpiredToken"), ["ExpiredToken", "--profile NAME"]),
        (code(403, "InvalidAccessKeyId"), ["InvalidAccessKeyId", "--profile NAME"]),
        (code(301, "PermanentRedirect"), ["PermanentRedirect", "--region NAME"]),
        (code(503, "SlowDown"), ["could not be reached", "ringfence state push DIR"]),
        (Fault::LoseRequest, ["could not be reached", "--state DIR"]),
        (code(400, "InvalidRequest"), ["InvalidRequest", "--state DIR"]),
    ];
    for (fault, words) in cases {
        g.proxy().always("PutObject", fault.clone());
        g.proxy().always("GetObject", fault);
        for error in [
            g.go(g.store().lock(&key(), &owner("responder"))).err().unwrap(),
            g.go(g.store().load(&key())).unwrap_err(),
        ] {
            says(&error, &["s3://incidents/prod/123456789012/user/AIDA3EXAMPLEUSERID12/"]);
            says(&error, &words);
        }
        g.proxy().heal();
    }
    assert_eq!(g.content().len(), 0);
}

#[test]
fn a_journal_with_a_gap_or_a_stranger_in_it_is_broken() {
    let g = &Ground::ministack();
    let store = g.store();
    let mut lock = g.locked(&store, "responder");
    let log = g.begun(&mut lock, RUN, 3);
    let entry = |n: u32| format!("{}/runs/{RUN}/journal/{n:08}.json", folder());
    let second = g.content().remove(&entry(2)).unwrap();
    g.take(&entry(2));
    says(
        &g.go(store.journal(&key(), RUN)).unwrap_err(),
        &["broken", "00000002.json", "00000003.json"],
    );
    g.put(&entry(2), &[&second[..], &second[..]].concat());
    says(&g.go(store.journal(&key(), RUN)).unwrap_err(), &["00000002.json", "not one line"]);
    g.put(&entry(2), second.strip_suffix(b"\n").unwrap());
    says(&g.go(store.journal(&key(), RUN)).unwrap_err(), &["00000002.json", "not one line"]);
    let edited =
        String::from_utf8(second.clone()).unwrap().replace("UpdateAccessKey", "UpdateAccessKez");
    g.put(&entry(2), edited.as_bytes());
    says(&g.go(store.journal(&key(), RUN)).unwrap_err(), &["line 3", "hash of the line before"]);
    g.put(&entry(2), &second);
    g.go(store.journal(&key(), RUN)).unwrap();
    drop(log);
    g.release(lock);
}

/// More entries than S3 lists on one page.
#[test]
fn a_listing_is_read_to_its_end() {
    let g = &Ground::ministack();
    for n in 0..1_050 {
        g.put(&format!("{}/runs/r{n:04}/plan.json", folder()), b"x");
    }
    let runs = g.go(g.store().runs(&key())).unwrap();
    assert_eq!((runs.len(), runs[1_049].as_str()), (1_050, "r1049"));
}
