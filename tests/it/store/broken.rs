//! Locks in a bucket that were broken: who did it is recorded, and a holder that comes back stops.

use super::ground::{Ground, RUN, at, dies, event, folder, going_on, key, owner, run, says, state};
use crate::support::{Aws, Credentials};
use ringfence::exit::Exit;
use ringfence::journal::{Event, StepStatus};
use ringfence::store::{Broken, Owner, S3Store, Store, Unlock};

fn colleague() -> Owner {
    Owner { host: "ws-9".to_owned(), pid: 77, ..owner("colleague") }
}

/// Breaks the lock as `state unlock` does, after its holder was looked at.
fn break_it(g: &Ground) -> Broken {
    let store = g.s3(&Credentials::root());
    let seen = g.go(store.holder(&key())).unwrap().expect("it is locked");
    g.go(store.break_lock(&key(), &seen, &colleague(), at(60))).unwrap()
}

fn s3(store: &Store) -> &S3Store {
    let Store::S3(store) = store else { panic!("no bucket") };
    store
}

#[test]
fn an_abandoned_lock_stays_until_it_is_broken_ministack() {
    abandoned(&Ground::ministack());
}

#[test]
fn an_abandoned_lock_stays_until_it_is_broken_moto() {
    abandoned(&Ground::moto());
}

fn abandoned(g: &Ground) {
    let store = g.store();
    let mut lock = g.locked(&store, "responder");
    let log = g.begun(&mut lock, RUN, 2);
    dies((lock, log));

    let other = g.store();
    assert!(g.go(other.lock(&key(), &colleague())).unwrap().is_none());
    g.go(other.close()).unwrap();
    let held = Owner { run: Some(RUN.to_owned()), ..owner("responder") };
    assert_eq!(g.go(other.unlock(&key())).unwrap(), Unlock::HeldBy(held));
    assert_eq!(break_it(g), Broken::Gone { tombstone: Some(3) });
    assert_eq!(g.go(other.unlock(&key())).unwrap(), Unlock::NotLocked);
    let none = g.go(s3(&other).break_lock(&key(), &owner("responder"), &colleague(), at(61)));
    assert_eq!(none.unwrap(), Broken::NotLocked);

    let journal = g.go(other.journal(&key(), RUN)).unwrap();
    let last = journal.entries().last().unwrap();
    assert_eq!(last.at, at(60));
    assert_eq!(last.event, Event::LockBroken { by: "colleague on ws-9 (process 77)".to_owned() });
    assert!(!journal.finished());
    assert_eq!(journal.status(2), StepStatus::Intended, "it says nothing of a step");

    // The next one goes on with the run, after the tombstone.
    let mut lock = g.locked(&other, "colleague");
    let mut log = g.go(lock.reopen_run(RUN)).unwrap();
    g.go(log.append(at(70), event())).unwrap();
    assert_eq!(g.go(other.journal(&key(), RUN)).unwrap().len(), 4);
    drop(log);
    g.release(lock);
}

#[test]
fn a_holder_that_wakes_after_its_lock_was_broken_stops() {
    let g = &Ground::ministack();
    let store = g.store();
    let mut lock = g.locked(&store, "responder");
    g.go(lock.stored()).unwrap();
    let mut log = g.begun(&mut lock, RUN, 2);
    g.go(lock.save(&state(1))).unwrap();
    break_it(g);
    let other = g.store();
    let mut next = g.locked(&other, "colleague");
    g.go(next.stored()).unwrap();
    let before = g.content();

    let who = ["broken", "colleague on ws-9 (process 77)", &at(60).to_string(), "ringfence status"];
    for _ in 0..2 {
        let error = g.go(log.append(at(61), going_on(3))).unwrap_err();
        assert_eq!(error.exit(), Exit::Locked);
        says(&error, &who);
    }
    assert_eq!(log.journal().len(), 2, "what was not recorded is not in the journal");
    says(&g.go(lock.save(&state(2))).unwrap_err(), &who);
    says(&g.go(lock.stored()).unwrap_err(), &who);
    says(&g.go(lock.start_run("another", b"")).err().unwrap(), &who);
    drop(log);
    g.release(lock);
    g.go(store.close()).unwrap();
    assert_eq!(g.content(), before, "the old holder has written or deleted something");
    g.go(next.save(&state(2))).unwrap();
    g.release(next);
}

/// Its journal was not touched since, so only the lock and the state can tell it.
#[test]
fn a_holder_that_wakes_to_save_its_state_stops() {
    let g = &Ground::ministack();
    let mut lock = g.locked(&g.store(), "responder");
    g.go(lock.stored()).unwrap();
    let log = g.begun(&mut lock, RUN, 1);
    break_it(g);
    let before = g.content();
    let error = g.go(lock.save(&state(1))).unwrap_err();
    says(&error, &["broken", "colleague on ws-9", &at(60).to_string()]);
    assert_eq!(g.content(), before);
    dies((lock, log));
}

#[test]
fn a_holder_whose_lock_was_broken_before_its_run_does_not_begin() {
    let g = &Ground::ministack();
    let mut lock = g.locked(&g.store(), "responder");
    assert_eq!(break_it(g), Broken::Gone { tombstone: None });
    let next = g.locked(&g.store(), "colleague");
    let before = g.content();
    let error = g.go(lock.start_run(RUN, b"the plan")).err().unwrap();
    assert_eq!(error.exit(), Exit::Locked);
    says(&error, &["broken", "colleague on ws-7 (process 4242) has held it"]);
    says(&g.go(lock.name_run(RUN)).unwrap_err(), &["broken"]);
    g.release(lock);
    assert_eq!(g.content(), before);
    g.release(next);

    // Nobody has it now: then nothing says who took it.
    let mut lock = g.locked(&g.store(), "responder");
    break_it(g);
    says(&g.go(lock.name_run(RUN)).unwrap_err(), &["broken", "nothing says who"]);
    assert_eq!(g.content().len(), 0);
}

/// Whoever goes on with a run whose lock was broken before, and is stopped in the same way.
#[test]
fn a_second_tombstone_stops_whoever_goes_on_after_the_first() {
    let g = &Ground::ministack();
    let mut lock = g.locked(&g.store(), "responder");
    let log = g.begun(&mut lock, RUN, 2);
    dies((lock, log));
    assert_eq!(break_it(g), Broken::Gone { tombstone: Some(3) });
    let mut lock = g.locked(&g.store(), "responder");
    let mut log = g.go(lock.reopen_run(RUN)).unwrap();
    assert_eq!(break_it(g), Broken::Gone { tombstone: Some(4) });
    says(&g.go(log.append(at(61), going_on(1))).unwrap_err(), &["broken", "colleague on ws-9"]);
}

/// The process died between its lock and its plan, and its lock was broken: the run can be gone on with.
#[test]
fn a_run_with_a_tombstone_and_no_plan_is_begun_again() {
    let g = &Ground::ministack();
    let mut lock = g.locked(&g.store(), "responder");
    g.go(lock.name_run(RUN)).unwrap();
    dies(lock);
    assert_eq!(break_it(g), Broken::Gone { tombstone: Some(1) });
    let store = g.store();
    assert_eq!(g.go(store.list()).unwrap(), [], "nothing was done, so nothing is lost");
    let mut lock = g.locked(&store, "colleague");
    let mut log = g.go(lock.begin_again(RUN, b"the plan")).unwrap();
    assert!(log.journal().started().is_none());
    g.go(log.append(at(62), going_on(1))).unwrap();
    assert_eq!(g.go(store.plan_bytes(&key(), RUN)).unwrap(), b"the plan");
    assert_eq!(g.go(store.journal(&key(), RUN)).unwrap().len(), 2);
    drop(log);
    // The same once more, and not with another plan.
    g.go(lock.begin_again(RUN, b"the plan")).unwrap();
    says(&g.go(lock.begin_again(RUN, b"another")).unwrap_err(), &[RUN, "plan"]);
    g.release(lock);
}

#[test]
fn a_tombstone_can_be_the_first_entry() {
    let g = &Ground::ministack();
    let mut lock = g.locked(&g.store(), "responder");
    g.go(lock.name_run(RUN)).unwrap();
    assert_eq!(break_it(g), Broken::Gone { tombstone: Some(1) });
    let error = g
        .go(lock.start_run(RUN, b"the plan"))
        .and_then(|mut log| g.go(log.append(at(61), going_on(1))));
    says(&error.unwrap_err(), &["broken", "colleague on ws-9", &at(60).to_string()]);
}

#[test]
fn a_run_that_has_ended_needs_no_tombstone() {
    let g = &Ground::ministack();
    let store = g.store();
    let mut lock = g.locked(&store, "responder");
    let mut log = g.begun(&mut lock, RUN, 1);
    g.go(log.append(at(2), event())).unwrap();
    let mut ended = state(1);
    ended.runs = vec![run(RUN, Some(&log))];
    g.go(lock.save(&ended)).unwrap();
    dies((lock, log));
    assert_eq!(break_it(g), Broken::Gone { tombstone: None });
    g.go(store.verify(&key(), &ended)).unwrap();
}

#[test]
fn a_lock_that_has_changed_hands_is_left() {
    let g = &Ground::ministack();
    let store = g.s3(&Credentials::root());
    let lock = g.locked(&g.store(), "responder");
    let seen = g.go(store.holder(&key())).unwrap().unwrap();
    g.release(lock);
    let lock = g.locked(&g.store(), "other");
    let broken = g.go(store.break_lock(&key(), &seen, &colleague(), at(60))).unwrap();
    assert_eq!(broken, Broken::HeldBy(owner("other")));
    g.release(lock);

    // In the moment between looking and breaking, too.
    let lock = g.locked(&g.store(), "responder");
    let url = g.bucket().emulator.url();
    g.proxy().before_on("DeleteObject", "/lock", move |_| {
        let admin = Aws::new(&url, &Credentials::root());
        let mut other = serde_json::to_value(owner("third")).unwrap();
        other["token"] = "another".into();
        let path = format!("prod/{}/lock", folder());
        let put = admin.s3.put_object().bucket("incidents").key(path);
        admin.make(put.body(other.to_string().into_bytes().into()).send());
    });
    assert_eq!(break_it(g), Broken::HeldBy(owner("third")));
    dies(lock);
}

#[test]
fn a_holder_that_writes_at_the_same_moment_stops_one_entry_later() {
    let g = &Ground::ministack();
    let mut lock = g.locked(&g.store(), "responder");
    let mut log = g.begun(&mut lock, RUN, 2);
    let url = g.bucket().emulator.url();
    let mut ahead = log.journal().clone();
    g.proxy().before_on("PutObject", "journal/00000003", move |_| {
        let line = ahead.append(at(3), going_on(3));
        let admin = Aws::new(&url, &Credentials::root());
        let path = format!("prod/{}/runs/{RUN}/journal/00000003.json", folder());
        let put = admin.s3.put_object().bucket("incidents").key(path);
        admin.make(put.body(line.into()).send());
    });
    assert_eq!(break_it(g), Broken::Gone { tombstone: Some(4) });
    g.go(log.append(at(3), going_on(3))).expect("its own entry is there");
    says(&g.go(log.append(at(4), going_on(4))).unwrap_err(), &["broken", "colleague on ws-9"]);
    dies((lock, log));
}

/// The lock says that all is well, and the state is another's before the write comes.
#[test]
fn a_stale_writer_is_refused() {
    let g = &Ground::ministack();
    let mut lock = g.locked(&g.store(), "responder");
    g.go(lock.save(&state(1))).unwrap();
    let url = g.bucket().emulator.url();
    g.proxy().before_on("PutObject", "state.json", move |_| {
        let admin = Aws::new(&url, &Credentials::root());
        let path = format!("prod/{}/state.json", folder());
        let put = admin.s3.put_object().bucket("incidents").key(path);
        admin.make(put.body(state(5).bytes().into()).send());
    });
    let error = g.go(lock.save(&state(2))).unwrap_err();
    assert_eq!(error.exit(), Exit::Stale);
    says(&error, &["state.json", "somebody else has written serial 5", "not overwritten"]);
    assert_eq!(g.go(g.store().load(&key())).unwrap(), Some(state(5)));

    let mut lock = {
        g.release(lock);
        g.locked(&g.store(), "responder")
    };
    g.go(lock.stored()).unwrap();
    g.take(&format!("{}/state.json", folder()));
    says(&g.go(lock.save(&state(6))).unwrap_err(), &["it was removed", "not overwritten"]);
    g.release(lock);
}

#[test]
fn a_lock_that_names_nobody_is_still_a_lock() {
    let g = &Ground::ministack();
    g.put(&format!("{}/lock", folder()), b"no owner");
    let store = g.store();
    assert!(g.go(store.lock(&key(), &owner("responder"))).unwrap().is_none());
    for error in [g.go(store.holder(&key())).unwrap_err(), g.go(store.unlock(&key())).unwrap_err()]
    {
        assert_eq!(error.exit(), Exit::Locked);
        says(&error, &["does not say who", "aws s3 rm s3://incidents/prod/", "/lock"]);
    }
    says(&g.go(store.locked_error(&key())), &["does not say who"]);
}
