//! Every account dump that others recorded and that holds users: loaded, and each user of it planned,
//! applied and rolled back by the real program.

use super::place::{Place, held, ringfence};
use ringfence::sandbox::{ADMINISTRATOR, Account};
use serde_json::Value;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// What there is today: fewer would mean that they are no longer found.
const AT_LEAST_DUMPS: usize = 8;
const AT_LEAST_USERS: usize = 13;

#[test]
fn every_user_of_every_dump_is_contained_and_given_back() {
    let root = std::env::var_os("RINGFENCE_FIXTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures"),
        PathBuf::from,
    );
    let folder = root.join("gaad");
    if !folder.is_dir() {
        eprintln!(
            "NOT RUN: account dumps in the sandbox: {} is not there (set RINGFENCE_FIXTURES)",
            folder.display()
        );
        return;
    }
    let (mut dumps, mut contained) = (0, 0);
    for file in files(&folder) {
        let dump: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let users = dump.get("UserDetailList").and_then(Value::as_array);
        if users.is_none_or(Vec::is_empty) {
            continue;
        }
        let place = Place::new();
        let home = place.sandbox.edit(|world| world.home.clone());
        let loaded =
            place.sandbox.load_dump(&dump).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let account = place
            .sandbox
            .edit(|world| world.account_ids().find(|id| *id != home).unwrap_or(&home).to_owned());
        let names: Vec<String> =
            snapshot(&place, &account).users.values().map(|u| u.name.clone()).collect();
        let names: Vec<String> = names.into_iter().filter(|name| name != ADMINISTRATOR).collect();
        // Some dumps name a user twice.
        assert!(!names.is_empty() && names.len() <= loaded, "{}", file.display());
        for name in &names {
            for posture in ["revoke", "lockdown"] {
                there_and_back(&place, &account, name, posture, &file);
            }
        }
        contained += names.len();
        dumps += 1;
    }
    println!("{dumps} dumps, {contained} users");
    assert!(dumps >= AT_LEAST_DUMPS, "only {dumps} dumps with users");
    assert!(contained >= AT_LEAST_USERS, "only {contained} users");
}

fn there_and_back(place: &Place, account: &str, user: &str, posture: &str, file: &Path) {
    let about = format!("{user} of {} with {posture}", file.display());
    let before = snapshot(place, account);
    let who = held(&place.sandbox.admin_of(account).unwrap());
    let folder = TempDir::new().unwrap();
    let run = |arguments: &[&str]| {
        let ran = ringfence(folder.path(), &place.url(), &who, arguments);
        assert_eq!(ran.code, 0, "{about}: {arguments:?}\n{}{}", ran.out, ran.err);
    };
    run(&["plan", "--user", user, "--posture", posture, "--out", "plan.json"]);
    assert_eq!(snapshot(place, account), before, "{about}: the plan changed something");
    run(&["apply", "plan.json", "--auto-approve"]);
    let contained = snapshot(place, account);
    assert_ne!(contained, before, "{about}: the apply changed nothing");
    let key = contained.user(user).unwrap().keys[0].clone();
    assert_eq!(format!("{:?}", key.status), "Inactive", "{about}");
    run(&[
        "rollback",
        "--user",
        user,
        "--lift-fence-now",
        "--reactivate-key",
        &key.id,
        "--out",
        "release.json",
    ]);
    run(&["apply", "release.json", "--auto-approve"]);
    assert_eq!(snapshot(place, account), before, "{about}: not as it was");
}

/// The account, without the use of the key that looks.
fn snapshot(place: &Place, account: &str) -> Account {
    let mut found = place.sandbox.edit(|world| world.account(account).unwrap().clone());
    if let Some(user) = found.user_mut(ADMINISTRATOR) {
        user.keys.iter_mut().for_each(|key| key.last_used = None);
    }
    found
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "json") {
            found.push(path);
        }
    }
    found.sort();
    found
}
