//! Who holds the lock, what is found before it, and `state rm`.

use super::*;
use crate::exit::Exit;
use crate::store::{LocalStore, Unlock, files};
use std::fs;
use std::path::Path;
use std::time::Duration;

#[test]
fn one_holds_the_lock_and_others_see_who() {
    let (_directory, store) = store();
    assert_eq!(store.holder(&key()).unwrap(), None);
    assert_eq!(store.unlock(&key()).unwrap(), Unlock::NotLocked);
    assert!(!store.location().exists(), "looking made something");

    let lock = locked(&store);
    let other = LocalStore::new(store.location());
    assert!(other.lock(&key(), &owner()).unwrap().is_none());
    assert_eq!(other.holder(&key()).unwrap(), Some(owner()));
    assert_eq!(other.unlock(&key()).unwrap(), Unlock::HeldBy(owner()));
    let error = other.locked_error(&key());
    assert_eq!(error.exit(), Exit::Locked);
    assert_says(
        &error,
        &["user/responder", "ws-7", "4242", RUN, "2026-11-21T", "--lock-timeout", "state unlock"],
    );

    // The log of a run keeps the lock that it was made under.
    let log = lock.start_run(RUN, b"").unwrap();
    drop(lock);
    assert!(other.lock(&key(), &owner()).unwrap().is_none());
    drop(log);
    assert_eq!(other.holder(&key()).unwrap(), None);
    assert_eq!(other.unlock(&key()).unwrap(), Unlock::NotLocked);
    assert!(other.lock(&key(), &owner()).unwrap().is_some());
    assert!(path_of(&store, "lock").exists());
}

#[test]
fn who_looks_keeps_nobody_from_locking() {
    let (_directory, store) = store();
    drop(locked(&store));
    let (ended, end) = std::sync::mpsc::channel::<()>();
    let looking = store.clone();
    let looker = std::thread::spawn(move || {
        while end.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
            // Whoever locks and lets go this fast may not be seen to say who it is; nothing else fails.
            if let Err(error) = looking.holder(&key()) {
                assert_eq!(error.exit(), Exit::Locked);
            }
            std::thread::sleep(Duration::from_micros(200));
        }
    });
    for _ in 0..50 {
        drop(locked(&store));
    }
    drop(ended);
    looker.join().unwrap();
}

#[test]
fn a_lock_that_names_nobody_is_still_a_lock() {
    let (_directory, store) = store();
    let lock = locked(&store);
    fs::write(path_of(&store, "lock"), "").unwrap();
    assert_eq!(store.holder(&key()).unwrap_err().exit(), Exit::Locked);
    assert_says(&store.locked_error(&key()), &["does not say who"]);
    assert_eq!(store.unlock(&key()).unwrap_err().exit(), Exit::Locked);
    drop(lock);
    fs::write(path_of(&store, "lock"), "no owner").unwrap();
    assert_eq!(store.unlock(&key()).unwrap(), Unlock::NotLocked);
    assert_eq!(fs::read(path_of(&store, "lock")).unwrap(), b"");
}

/// Not a test of its own: the process that the next test starts, lets lock, and kills.
#[test]
#[ignore = "run by a_lock_held_by_another_process_goes_when_it_is_killed"]
fn holds_the_lock_until_it_is_killed() {
    if !Path::new("hold-the-lock").exists() {
        return;
    }
    let _lock = locked(&LocalStore::new(Path::new("state")));
    std::thread::sleep(Duration::from_secs(60));
}

#[test]
fn a_lock_held_by_another_process_goes_when_it_is_killed() {
    let (directory, store) = store();
    fs::write(directory.path().join("hold-the-lock"), "").unwrap();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::tests::locks::holds_the_lock_until_it_is_killed", "--ignored"])
        .current_dir(directory.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut waited = 0;
    while store.holder(&key()).unwrap().is_none() && waited < 1000 {
        std::thread::sleep(Duration::from_millis(10));
        waited += 1;
    }
    let seen = store.unlock(&key());
    let tried = store.lock(&key(), &owner()).map(|lock| lock.is_some());
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(seen.unwrap(), Unlock::HeldBy(owner()));
    assert!(!tried.unwrap());
    assert_eq!(store.unlock(&key()).unwrap(), Unlock::StaleRemoved(owner()));
    assert_eq!(store.unlock(&key()).unwrap(), Unlock::NotLocked);
    drop(locked(&store));
}

#[test]
fn a_store_that_cannot_be_written_is_found_before() {
    let (directory, store) = store();
    store.check_writable(&key()).unwrap();
    assert_eq!(store.list().unwrap(), [], "the probe counts as no principal");

    // Root may write to any directory, but not below a file.
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let below = LocalStore::new(&file);
    let error = below.check_writable(&key()).unwrap_err();
    assert_says(&error, &["cannot make the directory", "file", "no directory", "--state DIR"]);
    assert_says(&below.lock(&key(), &owner()).unwrap_err(), &["file", "--state DIR"]);
    assert_says(&below.load(&key()).unwrap_err(), &["file", "Not a directory"]);
    assert_says(&below.list().unwrap_err(), &["file", "Not a directory"]);

    let runs = path_of(&store, "runs");
    fs::remove_dir(&runs).unwrap();
    fs::write(&runs, "").unwrap();
    assert_says(&store.check_writable(&key()).unwrap_err(), &["runs"]);
}

#[test]
fn removing_moves_everything_aside() {
    let (_directory, store) = store();
    for n in 1..=2_u64 {
        let lock = locked(&store);
        lock.start_run(RUN, b"the plan").unwrap().append(at(1), event()).unwrap();
        lock.save(&state(n)).unwrap();
        let to = store.remove(lock).unwrap();
        assert!(
            to.ends_with(format!("123456789012/removed/AIDA3EXAMPLEUSERID12-{n}")),
            "{}",
            to.display()
        );
        assert_eq!(fs::read(to.join("state.json")).unwrap(), state(n).bytes());
        assert_eq!(fs::read(to.join("runs").join(RUN).join("plan.json")).unwrap(), b"the plan");
        assert!(to.join("runs").join(RUN).join("journal.jsonl").exists());
        assert_eq!(store.list().unwrap(), []);
        assert!(store.find_run(RUN).unwrap().is_empty());
    }
}

#[test]
fn a_lock_file_that_was_moved_aside_locks_nothing() {
    let (_directory, store) = store();
    let lock = locked(&store);
    // Another opens the file and waits, while `state rm` moves it away.
    let waiting = files::open_lock(&path_of(&store, "lock")).unwrap();
    store.remove(lock).unwrap();
    waiting.try_lock().unwrap();
    assert!(!files::is_still_at(&waiting, &path_of(&store, "lock")).unwrap());
    let lock = locked(&store);
    assert!(!files::is_still_at(&waiting, &path_of(&store, "lock")).unwrap());
    lock.save(&state(1)).unwrap();
}
