//! A bucket that goes away in the middle of a run: the record goes on in a folder, whole, and is taken back.

use super::ground::{
    Ground, RUN, at, dies, event, going_on, key, locked_else, owner, run, says, state,
};
use crate::support::{Credentials, Fault};
use ringfence::identity::PrincipalKind;
use ringfence::state::State;
use ringfence::store::{Key, LocalStore, Locked, RunLog, Spooled, Store, copy};
use std::fs;

const EVERYTHING: [&str; 4] = ["PutObject", "GetObject", "DeleteObject", "ListObjectsV2"];

fn down(g: &Ground, fault: &Fault) {
    for action in EVERYTHING {
        g.proxy().always(action, fault.clone());
    }
}

/// A run that has begun: its state says so, and its journal has two entries.
fn begun(g: &Ground, store: &Store) -> (Locked, RunLog) {
    let mut lock = g.locked(store, "responder");
    g.go(lock.stored()).unwrap();
    let mut log = g.go(lock.start_run(RUN, b"the plan")).unwrap();
    let mut begun = state(1);
    begun.runs = vec![run(RUN, None)];
    g.go(lock.save(&begun)).unwrap();
    for n in 1..=2 {
        g.go(log.append(at(i64::from(n)), going_on(n))).unwrap();
    }
    (lock, log)
}

#[test]
fn the_record_goes_on_in_a_folder() {
    let busy =
        Fault::Answer(503, "<Error><Code>SlowDown</Code><Message>m</Message></Error>".into());
    for fault in [Fault::LoseRequest, Fault::Fail, busy] {
        let g = &Ground::ministack();
        let store = g.store();
        let (mut lock, mut log) = begun(g, &store);
        down(g, &fault);
        assert_eq!(lock.moved(), None);
        g.go(log.append(at(3), going_on(3))).unwrap();
        let folder = lock.moved().unwrap().to_owned();
        assert_eq!(folder, g.dir().join("spool").join(RUN));

        // It is durable at once, with all that was before it.
        let local = Store::local(&folder);
        let journal = g.go(local.journal(&key(), RUN)).unwrap();
        assert_eq!(journal, *log.journal());
        assert_eq!(journal.len(), 3);
        assert_eq!(g.go(local.plan_bytes(&key(), RUN)).unwrap(), b"the plan");
        assert_eq!(g.go(local.load(&key())).unwrap().unwrap().serial, 1);
        assert!(g.go(local.holder(&key())).unwrap().is_some(), "its process still runs");

        // It stays there, also when the bucket is back.
        g.proxy().heal();
        g.go(log.append(at(4), event())).unwrap();
        let mut ended = state(2);
        ended.runs = vec![run(RUN, Some(&log))];
        g.go(lock.save(&ended)).unwrap();
        assert_eq!(g.go(lock.stored()).unwrap(), Some(ended.clone()));
        drop(log);
        g.release(lock);
        g.go(store.close()).unwrap();
        g.go(local.verify(&key(), &ended)).unwrap();
        let there = g.store();
        assert_eq!(g.go(there.journal(&key(), RUN)).unwrap().len(), 2);
        assert_eq!(g.go(there.load(&key())).unwrap().unwrap().serial, 1);
        let holder = g.go(there.holder(&key())).unwrap().expect("nobody may go on from there");
        assert_eq!(holder.run.as_deref(), Some(RUN));
        assert!(g.go(there.lock(&key(), &owner("other"))).unwrap().is_none());
        let push = format!("ringfence state push {} --state s3://incidents/prod", folder.display());
        let locked = g.go(there.locked_error(&key()));
        says(&locked, &["goes on in", &push]);
        assert!(!locked.to_string().contains("unlock"), "{locked}");

        // And is taken back, under the lock that the run has left.
        let mark = Spooled::find(&LocalStore::new(&folder), &key()).unwrap().unwrap();
        assert_eq!((mark.store.as_str(), mark.run.as_str()), ("s3://incidents/prod", RUN));
        let s3 = g.s3(&Credentials::root());
        assert!(g.go(s3.take_over(&key(), "another token", &owner("other"))).unwrap().is_none());
        let taken = g.go(s3.take_over(&key(), &mark.token, &owner("other"))).unwrap().unwrap();
        let mut taken = Locked::S3(taken);
        let copied = g.go(copy(&local, &there, &mut taken)).unwrap();
        assert_eq!((copied.serial, copied.runs, copied.entries), (Some(2), 1, 2));
        g.release(taken);
        assert_eq!(g.go(there.load(&key())).unwrap(), Some(ended.clone()));
        g.go(there.verify(&key(), &ended)).unwrap();
        assert_eq!(g.go(there.holder(&key())).unwrap(), None);
    }
}

#[test]
fn a_state_that_cannot_be_saved_moves_the_record_too() {
    let g = &Ground::ministack();
    let (mut lock, mut log) = begun(g, &g.store());
    down(g, &Fault::LoseRequest);
    g.go(lock.save(&state(2))).unwrap();
    let local = Store::local(lock.moved().unwrap());
    assert_eq!(g.go(local.load(&key())).unwrap(), Some(state(2)));
    assert_eq!(g.go(local.journal(&key(), RUN)).unwrap(), *log.journal());
    g.go(log.append(at(3), event())).unwrap();
    assert_eq!(g.go(local.journal(&key(), RUN)).unwrap().len(), 3);
    dies((lock, log));
}

/// What was never begun has nothing to go on with: the person is told what works now.
#[test]
fn before_the_run_it_is_an_error() {
    let g = &Ground::ministack();
    let mut lock = g.locked(&g.store(), "responder");
    g.go(lock.stored()).unwrap();
    down(g, &Fault::LoseRequest);
    let works = ["could not be reached", "--state DIR", "ringfence state push"];
    says(&g.go(lock.save(&state(1))).unwrap_err(), &works);
    says(&g.go(lock.start_run(RUN, b"the plan")).err().unwrap(), &works);
    assert_eq!(lock.moved(), None);
    assert!(!g.dir().join("spool").exists());
    dies(lock);
}

/// It has begun for others, who may be contained by now: for this one it begins where theirs goes on.
#[test]
fn what_has_begun_for_others_begins_in_the_folder() {
    for (named, earlier) in [(true, false), (false, false), (false, true)] {
        let g = &Ground::ministack();
        let store = g.store();
        let serial = if earlier { 4 } else { 0 };
        if earlier {
            let mut lock = g.locked(&store, "responder");
            g.go(lock.save(&state(serial))).unwrap();
            g.release(lock);
        }
        let mut lock = g.locked(&store, "responder");
        g.go(lock.stored()).unwrap();
        if named {
            g.go(lock.name_run(RUN)).unwrap();
        }
        g.go(lock.join_run(RUN, b"the plan"));
        down(g, &Fault::LoseRequest);
        g.go(lock.name_run(RUN)).unwrap();
        let mut log = g.go(lock.start_run(RUN, b"the plan")).unwrap();
        g.go(log.append(at(1), going_on(1))).unwrap();
        let mut begun = state(serial + 1);
        begun.runs = vec![run(RUN, None)];
        g.go(lock.save(&begun)).unwrap();
        let folder = lock.moved().unwrap().to_owned();
        g.proxy().heal();
        g.go(log.append(at(2), event())).unwrap();
        let mut ended = state(serial + 2);
        ended.runs = vec![run(RUN, Some(&log))];
        g.go(lock.save(&ended)).unwrap();
        drop(log);
        g.release(lock);

        let (local, there) = (Store::local(&folder), g.store());
        assert_eq!(
            g.go(there.load(&key())).unwrap().map(|state| state.serial),
            earlier.then_some(4)
        );
        let mut taken = locked_else(g, &folder);
        g.go(copy(&local, &there, &mut taken)).unwrap();
        g.release(taken);
        assert_eq!(g.go(there.load(&key())).unwrap(), Some(ended.clone()));
        g.go(there.verify(&key(), &ended)).unwrap();
    }
}

/// Who says no is there: the record does not move, and the run stops.
#[test]
fn a_bucket_that_refuses_is_not_one_that_is_away() {
    let g = &Ground::ministack();
    let (mut lock, mut log) = begun(g, &g.store());
    let no = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
    g.proxy().always("PutObject", Fault::Answer(403, no.to_owned()));
    let error = g.go(log.append(at(3), going_on(3))).unwrap_err();
    says(&error, &["00000003.json", "AccessDenied", "s3:PutObject"]);
    says(&g.go(lock.save(&state(2))).unwrap_err(), &["state.json", "s3:PutObject"]);
    g.proxy().heal();
    says(&g.go(log.append(at(4), going_on(4))).unwrap_err(), &["earlier entry"]);
    assert_eq!(lock.moved(), None);
    drop(log);
    g.release(lock);
}

#[test]
fn a_second_principal_does_not_wait_as_long() {
    let g = &Ground::ministack();
    let store = g.store();
    let (lock, mut log) = begun(g, &store);
    let other = Key {
        account: key().account,
        kind: PrincipalKind::User,
        id: "AIDA3ANOTHER".parse().unwrap(),
    };
    let mut other_lock = g.go(store.lock(&other, &owner("responder"))).unwrap().unwrap();
    let mut other_log = g.go(other_lock.start_run(RUN, b"the plan")).unwrap();
    down(g, &Fault::LoseRequest);
    g.go(log.append(at(3), going_on(3))).unwrap();
    let first = puts(g);
    g.go(other_log.append(at(3), going_on(3))).unwrap();
    let second = puts(g);
    assert!(first > 1 && second == 1, "{first} {second}");
    assert_eq!(lock.moved(), other_lock.moved(), "one run, one folder");
    let local = Store::local(lock.moved().unwrap());
    assert_eq!(g.go(local.find_run(RUN)).unwrap().len(), 2);
    dies((lock, log, other_lock, other_log));
}

fn puts(g: &Ground) -> usize {
    g.proxy()
        .take_calls()
        .iter()
        .filter(|call| call.action == "PutObject" && call.get("Path").contains("journal/"))
        .count()
}

/// D2.5: without a record of the intent there is no call.
#[test]
fn where_the_folder_cannot_be_written_either_the_run_stops() {
    let g = &Ground::ministack();
    let (lock, mut log) = begun(g, &g.store());
    fs::write(g.dir().join("spool"), "a file").unwrap();
    down(g, &Fault::LoseRequest);
    let error = g.go(log.append(at(3), going_on(3))).unwrap_err();
    says(&error, &["spool", "s3://incidents/prod", "cannot be reached"]);
    assert_eq!(log.journal().len(), 2);
    dies((lock, log));
}

/// The first try of an entry reached the bucket after all.
#[test]
fn an_entry_that_is_in_both_places_is_the_same() {
    let g = &Ground::ministack();
    let (lock, mut log) = begun(g, &g.store());
    g.proxy().always("PutObject", Fault::LoseReply);
    g.proxy().always("GetObject", Fault::LoseRequest);
    g.go(log.append(at(3), going_on(3))).unwrap();
    let folder = lock.moved().unwrap().to_owned();
    g.proxy().heal();
    drop(log);
    dies(lock);
    let there = g.store();
    assert_eq!(g.go(there.journal(&key(), RUN)).unwrap().len(), 3);
    let local = Store::local(&folder);
    let mut taken = locked_else(g, &folder);
    let copied = g.go(copy(&local, &there, &mut taken)).unwrap();
    assert_eq!(copied.entries, 0);
    g.release(taken);
}

/// The run before it was read by another process: its journal is in the bucket alone.
#[test]
fn a_later_run_comes_back_to_the_earlier_ones() {
    let g = &Ground::ministack();
    let earlier = {
        let store = g.store();
        let (mut lock, log) = begun(g, &store);
        let mut ended = state(2);
        ended.runs = vec![run(RUN, Some(&log))];
        g.go(lock.save(&ended)).unwrap();
        drop(log);
        g.release(lock);
        g.go(store.close()).unwrap();
        ended
    };
    let store = g.store();
    let mut lock = g.locked(&store, "responder");
    g.go(lock.stored()).unwrap();
    let mut log = g.go(lock.start_run("later", b"the other plan")).unwrap();
    let mut begun = State { serial: 3, ..earlier };
    begun.runs.push(run("later", None));
    g.go(lock.save(&begun)).unwrap();
    g.go(log.append(at(1), going_on(1))).unwrap();
    down(g, &Fault::LoseRequest);
    g.go(log.append(at(2), event())).unwrap();
    let folder = lock.moved().unwrap().to_owned();
    g.proxy().heal();
    drop(log);
    dies(lock);
    let local = Store::local(&folder);
    let there = g.store();
    let mut taken = locked_else(g, &folder);
    let copied = g.go(copy(&local, &there, &mut taken)).unwrap();
    assert_eq!(copied.entries, 1);
    g.release(taken);
    g.go(there.verify(&key(), &begun)).unwrap();
    // One that is in neither place is missing all the same.
    let mut lacking = begun;
    lacking.serial = 4;
    lacking.runs[0].id = "nowhere".to_owned();
    let own = local.location();
    fs::write(format!("{own}/{}/state.json", key()), lacking.bytes()).unwrap();
    let mut lock = g.locked(&there, "responder");
    let error = g.go(copy(&local, &there, &mut lock)).unwrap_err();
    says(&error, &["there is no", "nowhere"]);
    g.release(lock);
}

/// Somebody has broken the lock of the run that could not be told.
#[test]
fn a_tombstone_in_the_bucket_is_said_when_the_record_comes_back() {
    let g = &Ground::ministack();
    let (lock, mut log) = begun(g, &g.store());
    down(g, &Fault::LoseRequest);
    g.go(log.append(at(3), going_on(3))).unwrap();
    let folder = lock.moved().unwrap().to_owned();
    g.proxy().heal();
    drop(log);
    dies(lock);
    let s3 = g.s3(&Credentials::root());
    let seen = g.go(s3.holder(&key())).unwrap().unwrap();
    g.go(s3.break_lock(&key(), &seen, &owner("colleague"), at(60))).unwrap();
    let there = g.store();
    let mut lock = g.locked(&there, "responder");
    let before = g.content();
    let error = g.go(copy(&Store::local(&folder), &there, &mut lock)).unwrap_err();
    says(&error, &[RUN, "broken", "colleague on ws-7", &at(60).to_string()]);
    assert_eq!(g.content(), before);
    g.release(lock);
}
