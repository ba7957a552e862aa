//! What every store promises: the same tests on a folder, on ministack's S3 and on moto's.

use super::ground::{Ground, RUN, at, event, folder, key, owner, run, says, state};
use ringfence::error::Error;
use ringfence::exit::Exit;
use ringfence::identity::PrincipalKind;
use ringfence::lineage::Lineage;
use ringfence::store::{Key, Unlock};

/// Makes a test of each law for each kind of store.
macro_rules! laws {
    ($($name:ident),* $(,)?) => {
        mod a_folder {
            $(#[test] fn $name() { super::$name(&super::Ground::folder()); })*
        }
        mod ministack {
            $(#[test] fn $name() { super::$name(&super::Ground::ministack()); })*
        }
        mod moto {
            $(#[test] fn $name() { super::$name(&super::Ground::moto()); })*
        }
    };
}

laws!(
    a_state_is_read_as_it_was_saved,
    a_state_only_goes_forward,
    a_state_that_makes_no_sense_is_never_absent,
    a_run_is_started_once,
    a_run_id_leads_nowhere_else,
    a_run_is_gone_on_with,
    a_journal_that_is_not_what_the_state_records_is_an_error,
    one_holds_the_lock_and_others_see_who,
    a_lock_that_is_dropped_goes_at_the_end,
    what_can_be_written_is_found_out_before_and_leaves_nothing,
    removing_moves_everything_aside,
    what_is_not_ours_is_ignored_and_runs_without_a_state_are_not,
    what_rules_over_the_store_is_read_or_refused,
    a_user_is_found_by_name_in_any_case_and_by_id,
);

fn a_state_is_read_as_it_was_saved(g: &Ground) {
    let store = g.store();
    assert_eq!(g.go(store.load(&key())).unwrap(), None);
    assert_eq!(g.go(store.list()).unwrap(), []);
    assert!(g.go(store.runs(&key())).unwrap().is_empty());
    assert_eq!(g.content().len(), 0, "reading made something");

    let mut lock = g.locked(&store, "responder");
    assert_eq!(g.go(lock.stored()).unwrap(), None);
    let mut log = g.go(lock.start_run(RUN, b"the plan")).unwrap();
    g.go(log.append(at(1), event())).unwrap();
    g.go(lock.save(&state(1))).unwrap();
    g.go(lock.save(&state(2))).unwrap();
    assert_eq!(g.go(lock.stored()).unwrap(), Some(state(2)));

    // As another process sees it.
    let other = g.store();
    assert_eq!(g.go(other.list()).unwrap(), [(key(), Ok(state(2)))]);
    assert_eq!(g.go(other.runs(&key())).unwrap(), [RUN]);
    assert_eq!(g.go(other.find_run(RUN)).unwrap(), [key()]);
    assert!(g.go(other.find_run("another")).unwrap().is_empty());
    assert_eq!(g.go(other.plan_bytes(&key(), RUN)).unwrap(), b"the plan");
    assert_eq!(g.go(other.journal(&key(), RUN)).unwrap(), *log.journal());
    assert_eq!(g.go(other.keys(key().id.as_str())).unwrap(), [key()]);
    assert_eq!(log.journal().len(), 1);
    let state_file = format!("{}/state.json", folder());
    assert_eq!(g.content()[&state_file], state(2).bytes());
    drop(log);
    g.release(lock);
}

fn a_state_only_goes_forward(g: &Ground) {
    let store = g.store();
    let mut lock = g.locked(&store, "responder");
    // Without its having been read under this lock, too.
    g.go(lock.save(&state(3))).unwrap();
    g.go(lock.save(&state(3))).expect("the same bytes once more");
    let mut other = state(3);
    other.incident = Some("INC-1".to_owned());
    for refused in [state(2), other] {
        let error = g.go(lock.save(&refused)).unwrap_err();
        assert_eq!(error.exit(), Exit::Stale);
        says(&error, &["state.json", "serial 3", "not overwritten"]);
    }
    let mut next = state(1);
    next.lineage = Lineage::new([8; 16]);
    says(&g.go(lock.save(&next)).unwrap_err(), &["lineage", "does not follow"]);
    next.previous_lineage = Some(state(3).lineage);
    g.go(lock.save(&next)).unwrap();
    assert_eq!(g.go(lock.stored()).unwrap(), Some(next));

    let mut foreign = state(9);
    foreign.principal.id = "AIDA3ANOTHER".parse().unwrap();
    says(&g.go(lock.save(&foreign)).unwrap_err(), &["another principal", "AIDA3ANOTHER"]);
    g.release(lock);
}

fn a_state_that_makes_no_sense_is_never_absent(g: &Ground) {
    let store = g.store();
    let mut lock = g.locked(&store, "responder");
    g.go(lock.save(&state(1))).unwrap();
    let path = format!("{}/state.json", folder());
    let whole = state(1).bytes();
    let newer: &[u8] = br#"{ "format_version": 99, "unheard_of": true }"#;
    for bytes in [&whole[..whole.len() / 2], b"", b"<html>no", newer] {
        g.put(&path, bytes);
        let error = g.go(store.load(&key())).unwrap_err();
        says(&error, &["state.json"]);
        assert!(matches!(g.go(store.list()).unwrap().as_slice(), [(_, Err(_))]));
        assert!(g.go(store.find("deploy-bot")).is_err());
        assert!(g.go(lock.save(&state(2))).is_err());
        assert_eq!(g.content()[&path], bytes, "it was overwritten");
    }
    let mut foreign = state(1);
    foreign.principal.id = "AIDA3ANOTHER".parse().unwrap();
    g.put(&path, &foreign.bytes());
    says(&g.go(store.load(&key())).unwrap_err(), &["another principal", "AIDA3ANOTHER"]);
    drop(lock);
    g.go(store.close()).unwrap();
}

fn a_run_is_started_once(g: &Ground) {
    let store = g.store();
    let mut lock = g.locked(&store, "responder");
    let log = g.go(lock.start_run(RUN, b"first")).unwrap();
    drop(log);
    for again in [b"second".as_slice(), b"first"] {
        let error = g.go(lock.start_run(RUN, again)).unwrap_err();
        assert_eq!(error.exit(), Exit::Stale);
        says(&error, &[RUN, "exists already"]);
    }
    assert_eq!(g.go(store.plan_bytes(&key(), RUN)).unwrap(), b"first");
    assert!(g.go(store.journal(&key(), RUN)).unwrap().is_empty());
    says(&g.go(store.journal(&key(), "another")).unwrap_err(), &["there is no", "another"]);
    g.release(lock);
}

fn a_run_id_leads_nowhere_else(g: &Ground) {
    let store = g.store();
    let mut lock = g.locked(&store, "responder");
    let long = "a".repeat(65);
    for bad in ["", ".", "..", "../x", "a/b", "/etc", "a\0b", "a\nb", "a_b", "ü", &long] {
        says(&g.go(lock.start_run(bad, b"")).err().unwrap(), &["no run ID"]);
        assert!(g.go(store.journal(&key(), bad)).is_err(), "{bad:?}");
        assert!(g.go(store.plan_bytes(&key(), bad)).is_err(), "{bad:?}");
        assert!(g.go(store.find_run(bad)).is_err(), "{bad:?}");
    }
    assert!(!g.content().keys().any(|path| path.contains("runs")));
    g.go(lock.start_run(&"a".repeat(64), b"")).unwrap();
    g.release(lock);
}

fn a_run_is_gone_on_with(g: &Ground) {
    let store = g.store();
    let mut lock = g.locked(&store, "responder");
    let mut log = g.begun(&mut lock, RUN, 2);
    let before = log.journal().clone();
    assert_eq!(before.len(), 2);
    drop(log);
    g.release(lock);

    let store = g.store();
    let mut lock = g.locked(&store, "colleague");
    log = g.go(lock.reopen_run(RUN)).unwrap();
    assert_eq!(*log.journal(), before);
    g.go(log.append(at(3), event())).unwrap();
    assert_eq!(log.journal().len(), 3);
    assert_eq!(g.go(store.journal(&key(), RUN)).unwrap(), *log.journal());
    let holder = g.go(store.holder(&key())).unwrap().unwrap();
    drop(log);
    says(&g.go(lock.reopen_run("another")).err().unwrap(), &["there is no", "another"]);
    g.release(lock);
    assert_eq!(holder.who, "colleague");
}

fn a_journal_that_is_not_what_the_state_records_is_an_error(g: &Ground) {
    let store = g.store();
    let mut lock = g.locked(&store, "responder");
    let log = g.begun(&mut lock, RUN, 3);
    let mut finished = state(1);
    finished.runs = vec![run(RUN, Some(&log)), run("cut-off", None)];
    g.go(store.verify(&key(), &finished)).unwrap();

    let mut other = finished.clone();
    other.runs[0].end.as_mut().unwrap().journal_head = "f".repeat(64);
    says(&g.go(store.verify(&key(), &other)).unwrap_err(), &["records the head ffff"]);
    drop(log);
    for _ in 0..2 {
        g.shorten(RUN);
        let error = g.go(store.verify(&key(), &finished)).unwrap_err();
        says(&error, &["journal", "records 3 entries"]);
    }
    g.release(lock);
}

fn one_holds_the_lock_and_others_see_who(g: &Ground) {
    let (store, other) = (g.store(), g.store());
    assert_eq!(g.go(store.holder(&key())).unwrap(), None);
    assert_eq!(g.go(store.unlock(&key())).unwrap(), Unlock::NotLocked);
    assert_eq!(g.content().len(), 0, "looking made something");

    let mut lock = g.locked(&store, "arn:aws:iam::123456789012:user/responder");
    assert!(g.go(other.lock(&key(), &owner("other"))).unwrap().is_none());
    let mut holder = owner("arn:aws:iam::123456789012:user/responder");
    assert_eq!(g.go(other.holder(&key())).unwrap(), Some(holder.clone()));
    assert_eq!(g.go(other.unlock(&key())).unwrap(), Unlock::HeldBy(holder.clone()));

    g.go(lock.name_run(RUN)).unwrap();
    holder.run = Some(RUN.to_owned());
    assert_eq!(g.go(other.holder(&key())).unwrap(), Some(holder));
    let error: Error = g.go(other.locked_error(&key()));
    assert_eq!(error.exit(), Exit::Locked);
    says(
        &error,
        &["user/responder", "ws-7", "4242", RUN, "2026-11-21T", "--lock-timeout", "state unlock"],
    );

    g.release(lock);
    assert_eq!(g.go(other.holder(&key())).unwrap(), None);
    assert_eq!(g.go(other.unlock(&key())).unwrap(), Unlock::NotLocked);
    let lock = g.locked(&other, "other");
    g.release(lock);
}

/// An error on the way must not leave a lock behind.
fn a_lock_that_is_dropped_goes_at_the_end(g: &Ground) {
    let store = g.store();
    drop(g.locked(&store, "responder"));
    g.go(store.close()).unwrap();
    assert_eq!(g.go(store.holder(&key())).unwrap(), None);
    let lock = g.locked(&g.store(), "other");
    // What was given back is not taken from the next.
    g.go(store.close()).unwrap();
    assert_eq!(g.go(store.holder(&key())).unwrap(), Some(owner("other")));
    g.release(lock);
}

fn what_can_be_written_is_found_out_before_and_leaves_nothing(g: &Ground) {
    let store = g.store();
    g.go(store.check_writable(&key())).unwrap();
    g.go(store.check_writable(&key())).unwrap();
    assert_eq!(g.content().len(), 0);
    assert_eq!(g.go(store.list()).unwrap(), [], "the probe counts as no principal");
}

fn removing_moves_everything_aside(g: &Ground) {
    let store = g.store();
    for n in 1..=2_u64 {
        let mut lock = g.locked(&store, "responder");
        drop(g.begun(&mut lock, RUN, 2));
        g.go(lock.save(&state(n))).unwrap();
        let before = g.content();
        let to = g.go(store.remove(lock)).unwrap();
        let aside = format!("123456789012/removed/AIDA3EXAMPLEUSERID12-{n}");
        assert!(to.ends_with(&aside), "{to}");
        let after = g.content();
        for (path, bytes) in before.iter().filter(|(path, _)| path.starts_with(&folder())) {
            if !path.ends_with("/lock") {
                assert_eq!(after[&path.replace(&folder(), &aside)], *bytes, "{path}");
            }
            assert!(!after.contains_key(path), "{path} is still there");
        }
        assert_eq!(g.go(store.list()).unwrap(), []);
        assert!(g.go(store.find_run(RUN)).unwrap().is_empty());
        assert_eq!(g.go(store.holder(&key())).unwrap(), None);
    }
}

fn what_is_not_ours_is_ignored_and_runs_without_a_state_are_not(g: &Ground) {
    for path in [
        "123456789012/user/not-an-id/x",
        "123456789012/group/AGPA1/state.json",
        "12345/user/AIDA1/state.json",
        "README.md",
        "999999999999",
        "123456789012/user/AIDAFILE",
    ] {
        g.put(path, b"");
    }
    let store = g.store();
    assert_eq!(g.go(store.list()).unwrap(), []);
    let mut lock = g.locked(&store, "responder");
    // Cut off before its first call.
    drop(g.begun(&mut lock, "20261121T031200Z-7c41e09a", 0));
    assert_eq!(g.go(store.list()).unwrap(), []);
    drop(g.begun(&mut lock, RUN, 1));
    g.release(lock);
    let list = g.go(store.list()).unwrap();
    let [(found, Err(error))] = list.as_slice() else { panic!("{list:?}") };
    assert_eq!(*found, key());
    says(error, &["no state", "ringfence state import", "plan.json"]);
}

fn what_rules_over_the_store_is_read_or_refused(g: &Ground) {
    let store = g.store();
    assert!(!g.go(store.trust_root()).unwrap().is_there());
    g.put("policy.toml", b"[approval]\nrequired = 2\nbreak_glass = true\n");
    let trust = g.go(store.trust_root()).unwrap();
    assert!(trust.is_there() && trust.allows_break_glass());
    let force = trust.in_force(&ringfence::approval::Local::default()).unwrap();
    assert_eq!((force.requirement.required, force.sources.len()), (2, 1));
    assert_eq!(force.sources[0].file, "policy.toml");
    g.put("allowed_signers", b"alice\n");
    let error = g.go(store.trust_root()).unwrap_err();
    says(&error, &["allowed_signers", "broken line 1", "there is no key"]);
}

fn a_user_is_found_by_name_in_any_case_and_by_id(g: &Ground) {
    let store = g.store();
    let mut first = state(1);
    first.runs = vec![run("a", None)];
    let mut lock = g.locked(&store, "responder");
    g.go(lock.save(&first)).unwrap();
    g.release(lock);
    // The same name, created again later.
    let again = Key {
        account: key().account,
        kind: PrincipalKind::User,
        id: "AIDA3AGAIN".parse().unwrap(),
    };
    let mut second = state(1);
    second.principal.id = again.id.clone();
    second.runs = vec![run("b", None)];
    second.runs[0].started_at = at(60);
    let mut lock = g.go(store.lock(&again, &owner("responder"))).unwrap().unwrap();
    g.go(lock.save(&second)).unwrap();
    g.release(lock);

    let found = g.go(store.find("dePLOY-bot")).unwrap();
    assert_eq!(found, [(again, second), (key(), first.clone())]);
    assert_eq!(g.go(store.find("AIDA3EXAMPLEUSERID12")).unwrap(), [(key(), first.clone())]);
    assert!(g.go(store.find("nobody")).unwrap().is_empty());

    // A broken state may be the one that was asked for, unless another is.
    g.put("123456789012/user/AIDA3AGAIN/state.json", b"{");
    assert_eq!(g.go(store.find("deploy-bot")).unwrap(), [(key(), first)]);
    says(&g.go(store.find("nobody")).unwrap_err(), &["AIDA3AGAIN", "`nobody`"]);
    says(&g.go(store.find("AIDA3AGAIN")).unwrap_err(), &["broken at line 1"]);
}
