//! Runs, their journals, and what is found of them later.

use super::*;
use crate::exit::Exit;
use crate::state::RunEnd;
use std::fs;

#[test]
fn a_run_id_leads_nowhere_else() {
    let (_directory, store) = store();
    let lock = locked(&store);
    let long = "a".repeat(65);
    for bad in ["", ".", "..", "../x", "a/b", "/etc", "a\0b", "a\nb", "a_b", "ü", &long] {
        assert_says(&lock.start_run(bad, b"").unwrap_err(), &["no run ID"]);
        assert!(store.journal(&key(), bad).is_err(), "{bad:?}");
        assert!(store.plan_bytes(&key(), bad).is_err(), "{bad:?}");
        assert!(store.find_run(bad).is_err(), "{bad:?}");
    }
    assert!(!path_of(&store, "runs").exists());
    lock.start_run(&"a".repeat(64), b"").unwrap();
}

#[test]
fn a_run_is_started_once() {
    let (_directory, store) = store();
    let lock = locked(&store);
    let _log = lock.start_run(RUN, b"first").unwrap();
    let error = lock.start_run(RUN, b"second").unwrap_err();
    assert_eq!(error.exit(), Exit::Stale);
    assert_says(&error, &[RUN, "exists already"]);
    assert_eq!(store.plan_bytes(&key(), RUN).unwrap(), b"first");
    assert_says(&store.journal(&key(), "another").unwrap_err(), &["there is no", "another"]);
}

/// What was cut off between the directory and the journal, at every file.
#[test]
fn a_run_that_was_cut_off_as_it_began_is_started_again() {
    let (_directory, store) = store();
    let lock = locked(&store);
    for plan in [None, Some(&b"the plan"[..])] {
        let run = if plan.is_some() { "cut-later" } else { "cut-first" };
        let folder = path_of(&store, &format!("runs/{run}"));
        fs::create_dir_all(&folder).unwrap();
        plan.iter().for_each(|plan| fs::write(folder.join("plan.json"), plan).unwrap());
        if plan.is_some() {
            let error = lock.start_run(run, b"another").unwrap_err();
            assert_says(&error, &[run, "exists already"]);
        }
        lock.start_run(run, b"the plan").unwrap();
        assert_eq!(store.plan_bytes(&key(), run).unwrap(), b"the plan");
        assert_says(&lock.start_run(run, b"the plan").unwrap_err(), &["exists already"]);
    }
}

#[test]
fn a_journal_that_is_not_what_the_state_records_is_an_error() {
    let (_directory, store) = store();
    let lock = locked(&store);
    let mut log = lock.start_run(RUN, b"").unwrap();
    for n in 0..3 {
        log.append(at(n), event()).unwrap();
    }
    let mut finished = state(1);
    let end = RunEnd {
        at: at(3),
        complete: true,
        journal_entries: 3,
        journal_head: log.journal().head().to_owned(),
    };
    finished.runs = vec![run(RUN, 0, Some(end)), run("cut-off", 9, None)];
    store.verify(&key(), &finished).unwrap();

    let path = path_of(&store, &format!("runs/{RUN}/journal.jsonl"));
    let whole = fs::read(&path).unwrap();
    for cut in 0..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let error = store.verify(&key(), &finished).unwrap_err();
        assert_says(&error, &["journal.jsonl", "records 3 entries"]);
    }
    fs::write(&path, [&whole[..], &whole[..]].concat()).unwrap();
    assert_says(&store.verify(&key(), &finished).unwrap_err(), &["line 4"]);
    fs::write(&path, &whole).unwrap();
    finished.runs[0].end.as_mut().unwrap().journal_head = "f".repeat(64);
    assert_says(&store.verify(&key(), &finished).unwrap_err(), &["records the head ffff"]);
    fs::remove_file(&path).unwrap();
    assert_says(&store.verify(&key(), &finished).unwrap_err(), &["there is no"]);
}

#[test]
fn what_is_not_ours_is_ignored_and_runs_without_a_state_are_not() {
    let (_directory, store) = store();
    let root = store.location();
    fs::create_dir_all(root.join("123456789012/user/not-an-id")).unwrap();
    fs::create_dir_all(root.join("123456789012/role/AROA1")).unwrap();
    fs::create_dir_all(root.join("12345/user/AIDA1")).unwrap();
    fs::write(root.join("README.md"), "").unwrap();
    fs::write(root.join("999999999999"), "").unwrap();
    fs::write(root.join("123456789012/user/AIDAFILE"), "").unwrap();
    assert_eq!(store.list().unwrap(), []);

    let mut log = locked(&store).start_run(RUN, b"the plan").unwrap();
    log.append(at(1), event()).unwrap();
    assert_eq!(store.list().unwrap(), [], "a run that has meant no call has made none");
    let intent = Event::Intent {
        step: 1,
        resource: "group/devs".parse().unwrap(),
        action: "RemoveUserFromGroup".to_owned(),
        attempt: 1,
    };
    log.append(at(2), intent).unwrap();
    let list = store.list().unwrap();
    let [(found, Err(error))] = list.as_slice() else { panic!("{list:?}") };
    assert_eq!(*found, key());
    assert_says(error, &["runs and no state", "ringfence state import", RUN, "plan.json"]);
    fs::remove_file(path_of(&store, &format!("runs/{RUN}/plan.json"))).unwrap();
    let list = store.list().unwrap();
    let [(_, Err(error))] = list.as_slice() else { panic!("{list:?}") };
    assert_says(error, &["runs and no state", "state rm"]);
}

#[test]
fn a_run_that_was_cut_off_goes_on_after_its_last_whole_line() {
    let (_directory, store) = store();
    let mut lock = locked(&store);
    let mut log = lock.start_run(RUN, b"").unwrap();
    for n in 0..3 {
        log.append(at(n), event()).unwrap();
    }
    drop(log);
    let path = path_of(&store, &format!("runs/{RUN}/journal.jsonl"));
    let whole = fs::read(&path).unwrap();
    for cut in 0..=whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let kept = store.journal(&key(), RUN).unwrap().len();
        let mut log = lock.reopen_run(RUN).unwrap();
        log.append(at(9), event()).unwrap();
        let read = store.journal(&key(), RUN).unwrap();
        assert_eq!((read.len(), read.torn()), (kept + 1, false));
        assert_eq!(read, *log.journal());
    }
    lock.name_run(RUN).unwrap();
    assert_eq!(store.holder(&key()).unwrap().and_then(|owner| owner.run).as_deref(), Some(RUN));
    assert_says(&lock.reopen_run("another").unwrap_err(), &["there is no", "another"]);
}
