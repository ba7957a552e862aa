//! Saving and reading states.

use super::*;
use crate::exit::Exit;
use crate::lineage::Lineage;
use crate::store::{Key, LocalStore};
use std::fs;
use std::os::unix::fs::symlink;

#[test]
fn a_state_is_read_as_it_was_saved_and_everything_is_private() {
    let (_directory, store) = store();
    assert_eq!(store.load(&key()).unwrap(), None);
    assert_eq!(store.list().unwrap(), []);
    assert!(store.runs(&key()).unwrap().is_empty());
    assert!(!store.location().exists(), "reading made something");

    let lock = locked(&store);
    let mut log = lock.start_run(RUN, b"the plan").unwrap();
    log.append(at(1), event()).unwrap();
    lock.save(&state(1)).unwrap();
    lock.save(&state(2)).unwrap();
    assert_eq!(lock.load().unwrap(), Some(state(2)));
    assert_eq!(store.list().unwrap(), [(key(), Ok(state(2)))]);
    assert_eq!(store.runs(&key()).unwrap(), [RUN]);
    assert_eq!(store.find_run(RUN).unwrap(), [key()]);
    assert!(store.find_run("another").unwrap().is_empty());
    assert_eq!(store.plan_bytes(&key(), RUN).unwrap(), b"the plan");
    assert_eq!(store.journal(&key(), RUN).unwrap(), *log.journal());
    assert_eq!(log.journal().len(), 1);

    for file in [
        "state.json",
        "lock",
        &format!("runs/{RUN}/plan.json"),
        &format!("runs/{RUN}/journal.jsonl"),
    ] {
        assert_eq!(mode(&path_of(&store, file)), 0o600, "{file}");
    }
    for directory in ["", "..", "../..", "../../..", "runs", &format!("runs/{RUN}")] {
        assert_eq!(mode(&path_of(&store, directory).canonicalize().unwrap()), 0o700, "{directory}");
    }
}

#[test]
fn directories_that_were_there_keep_their_mode() {
    let (_directory, store) = store();
    fs::create_dir(store.location()).unwrap();
    fs::set_permissions(store.location(), fs::Permissions::from_mode(0o755)).unwrap();
    locked(&store).save(&state(1)).unwrap();
    assert_eq!(mode(store.location()), 0o755);
    assert_eq!(mode(&path_of(&store, "")), 0o700);
}

#[test]
fn a_state_cut_at_any_byte_is_an_error_and_never_absent() {
    let (_directory, store) = store();
    let lock = locked(&store);
    lock.save(&state(1)).unwrap();
    let path = path_of(&store, "state.json");
    let whole = fs::read(&path).unwrap();
    // Without its last line end nothing is lost.
    for cut in 0..whole.len() - 1 {
        fs::write(&path, &whole[..cut]).unwrap();
        let error = store.load(&key()).unwrap_err();
        assert_says(&error, &["state.json", "broken at line "]);
        assert!(matches!(store.list().unwrap().as_slice(), [(_, Err(_))]), "cut at {cut}");
        assert!(store.find("deploy-bot").is_err(), "cut at {cut}");
        assert_says(&lock.save(&state(2)).unwrap_err(), &["was not overwritten"]);
        assert_eq!(fs::read(&path).unwrap(), &whole[..cut]);
    }
}

#[test]
fn what_a_crash_leaves_behind_is_harmless() {
    let (_directory, store) = store();
    let lock = locked(&store);
    lock.save(&state(1)).unwrap();
    fs::write(path_of(&store, "state.json.tmp"), "{ half").unwrap();
    let pid = std::process::id();
    fs::write(path_of(&store, &format!(".probe-{pid}")), "").unwrap();
    assert_eq!(store.list().unwrap(), [(key(), Ok(state(1)))]);
    store.check_writable(&key()).unwrap();
    lock.save(&state(2)).unwrap();
    assert_eq!(store.load(&key()).unwrap(), Some(state(2)));
    let mut names: Vec<_> =
        fs::read_dir(path_of(&store, "")).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["lock", "runs", "state.json"]);
}

#[test]
fn a_temporary_file_that_is_a_link_is_not_written_through() {
    let (directory, store) = store();
    let lock = locked(&store);
    let victim = directory.path().join("victim");
    fs::write(&victim, "untouched").unwrap();
    symlink(&victim, path_of(&store, "state.json.tmp")).unwrap();
    lock.save(&state(1)).unwrap();
    assert_eq!(fs::read(&victim).unwrap(), b"untouched");
    assert!(fs::symlink_metadata(path_of(&store, "state.json")).unwrap().is_file());
}

#[test]
fn a_state_only_goes_forward() {
    let (_directory, store) = store();
    let lock = locked(&store);
    lock.save(&state(3)).unwrap();
    lock.save(&state(3)).expect("the same bytes once more");
    let mut other = state(3);
    other.incident = Some("INC-1".to_owned());
    for refused in [state(2), other] {
        let error = lock.save(&refused).unwrap_err();
        assert_eq!(error.exit(), Exit::Stale);
        assert_says(&error, &["state.json", "serial 3", "not overwritten"]);
    }

    let mut next = state(1);
    next.lineage = Lineage::new([8; 16]);
    assert_says(&lock.save(&next).unwrap_err(), &["lineage", "does not follow"]);
    next.previous_lineage = Some(state(3).lineage);
    lock.save(&next).unwrap();
    assert_eq!(lock.load().unwrap(), Some(next));
}

#[test]
fn a_newer_format_is_neither_read_nor_written() {
    let (_directory, store) = store();
    let lock = locked(&store);
    let newer = br#"{ "format_version": 99, "unheard_of": true }"#;
    fs::write(path_of(&store, "state.json"), newer).unwrap();
    assert_says(&store.load(&key()).unwrap_err(), &["format 99"]);
    assert_says(&lock.save(&state(1)).unwrap_err(), &["format 99", "not overwritten"]);
    assert_eq!(fs::read(path_of(&store, "state.json")).unwrap(), newer);
}

#[test]
fn a_state_in_anothers_place_is_refused() {
    let (_directory, store) = store();
    let lock = locked(&store);
    let mut foreign = state(1);
    foreign.principal.id = "AIDA3ANOTHER".parse().unwrap();
    assert_says(&lock.save(&foreign).unwrap_err(), &["another principal", "AIDA3ANOTHER"]);
    fs::write(path_of(&store, "state.json"), foreign.bytes()).unwrap();
    assert_says(&store.load(&key()).unwrap_err(), &["another principal", "AIDA3ANOTHER"]);
}

#[test]
fn links_are_followed_nowhere_below_the_location() {
    let (directory, store) = store();
    let lock = locked(&store);
    let victim = directory.path().join("victim");
    fs::write(&victim, state(1).bytes()).unwrap();
    symlink(&victim, path_of(&store, "state.json")).unwrap();
    for error in [
        lock.save(&state(2)).unwrap_err(),
        store.load(&key()).unwrap_err(),
        store.check_writable(&key()).unwrap_err(),
    ] {
        assert_says(&error, &["state.json", "symbolic link"]);
    }
    assert_eq!(fs::read(&victim).unwrap(), state(1).bytes());
    fs::remove_file(path_of(&store, "state.json")).unwrap();

    let elsewhere = directory.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, path_of(&store, "runs")).unwrap();
    assert_says(&lock.start_run(RUN, b"").unwrap_err(), &["runs", "symbolic link"]);
    drop(lock);

    fs::rename(path_of(&store, ""), directory.path().join("moved")).unwrap();
    symlink(directory.path().join("moved"), path_of(&store, "").components().as_path()).unwrap();
    assert_says(&store.lock(&key(), &owner()).unwrap_err(), &["symbolic link"]);
    assert!(matches!(store.list().unwrap().as_slice(), [(_, Err(_))]));
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);

    // The location itself is its owner's choice.
    let linked = directory.path().join("linked");
    fs::create_dir(directory.path().join("real")).unwrap();
    symlink(directory.path().join("real"), &linked).unwrap();
    locked(&LocalStore::new(&linked)).save(&state(1)).unwrap();
}

#[test]
fn what_is_no_file_is_not_opened() {
    let (_directory, store) = store();
    let _lock = locked(&store);
    fs::create_dir(path_of(&store, "state.json")).unwrap();
    assert_says(&store.load(&key()).unwrap_err(), &["no regular file"]);
}

#[test]
fn a_user_is_found_by_name_in_any_case_and_by_id() {
    let (_directory, store) = store();
    let mut first = state(1);
    first.runs = vec![run("a", 0, None)];
    locked(&store).save(&first).unwrap();
    // The same name, created again later.
    let again = Key {
        account: key().account,
        kind: PrincipalKind::User,
        id: "AIDA3AGAIN".parse().unwrap(),
    };
    let mut second = state(1);
    second.principal.id = again.id.clone();
    second.runs = vec![run("b", 60, None)];
    store.lock(&again, &owner()).unwrap().unwrap().save(&second).unwrap();

    let found = store.find("dePLOY-bot").unwrap();
    assert_eq!(found, [(again.clone(), second), (key(), first.clone())]);
    assert_eq!(store.find("AIDA3EXAMPLEUSERID12").unwrap(), [(key(), first.clone())]);
    assert!(store.find("nobody").unwrap().is_empty());

    // A broken state may be the one that was asked for, unless another is.
    let broken = store.location().join("123456789012/user/AIDA3AGAIN/state.json");
    fs::write(broken, "{").unwrap();
    assert_eq!(store.find("deploy-bot").unwrap(), [(key(), first)]);
    assert_says(&store.find("nobody").unwrap_err(), &["AIDA3AGAIN", "`nobody`"]);
    assert_says(&store.find("AIDA3AGAIN").unwrap_err(), &["broken at line 1"]);
}

#[test]
fn rules_that_cannot_be_read_are_not_taken_for_none() {
    let (_directory, store) = store();
    assert_eq!(store.rules().unwrap(), [None, None]);
    fs::create_dir(store.location()).unwrap();
    fs::write(store.location().join("policy.toml"), "").unwrap();
    symlink("nowhere", store.location().join("allowed_signers")).unwrap();
    assert_says(&store.rules().unwrap_err(), &["allowed_signers", "no regular file"]);
}
