//! Folders that cannot take a record: a full disk, one that is read-only, a limit on files.

use crate::support::{Ran, World};
use std::process::Command;

/// Keys that every run of the program finds in the account, one a user.
fn leaked(world: &World, n: usize) -> (String, String) {
    let user = format!("user-{n}");
    let key = world.victim(&user);
    (user, key.id)
}

/// A script that runs before the program does, in a shell that then becomes it.
fn behind(world: &World, script: &str, arguments: &[&str]) -> Ran {
    let quoted: Vec<String> = arguments.iter().map(|word| format!("'{word}'")).collect();
    let program = env!("CARGO_BIN_EXE_ringfence");
    world.write("behind.sh", format!("set -e\n{script}\nexec {program} {}\n", quoted.join(" ")));
    world.shell("behind.sh")
}

/// Whether this machine lets an ordinary process mount what only it sees.
fn can_mount() -> bool {
    let tried = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"])
        .output();
    let can = tried.is_ok_and(|ran| ran.status.success());
    if !can {
        eprintln!(
            "!! NOT RUN: this machine lets nobody mount a small disk (unshare --user --mount)"
        );
    }
    can
}

/// The same script, in a place of its own where `/mnt` is a disk with so much room.
fn mounted(world: &World, options: &str, script: &str) -> Ran {
    world.write("inside.sh", script);
    let outside = format!(
        "exec unshare --user --map-root-user --mount /bin/sh -ec 'mount -t tmpfs -o {options} none /mnt; exec /bin/sh -e inside.sh'\n"
    );
    world.write("outside.sh", outside);
    world.shell("outside.sh")
}

/// What must hold however full the disk is: what was called has an intent on record, and what is on record
/// can be read.
fn nothing_without_its_record(world: &World, said: &str) {
    let writes = world.proxy.writes();
    let intents = world.read("copy/journal");
    for action in writes {
        assert!(
            intents.contains(&format!("\"action\":\"{action}\"")),
            "{action} has no intent\n{said}"
        );
    }
}

/// From a disk that takes nothing to one that takes it all.
#[test]
fn a_disk_that_is_full_stops_the_run_and_nothing_is_called_without_its_record() {
    if !can_mount() {
        return;
    }
    let world = World::ministack();
    let program = env!("CARGO_BIN_EXE_ringfence");
    let mut codes = Vec::new();
    for (n, pages) in [1, 2, 3, 4, 5, 6, 64].into_iter().enumerate() {
        let (user, key) = leaked(&world, n);
        let before = world.facts(&user);
        world.proxy.take_calls();
        // The record is looked at from within: the disk goes with the last process on it. An empty journal
        // is one line in the copy.
        let script = format!(
            "set +e\n{program} apply --access-key {key} --auto-approve --state /mnt/state\ncode=$?\n\
             rm -rf copy; mkdir copy; cat /mnt/state/*/user/*/runs/*/journal.jsonl >copy/journal 2>/dev/null || : >copy/journal\n\
             {program} state list --state /mnt/state >copy/list 2>&1\nexit $code\n"
        );
        let ran = mounted(&world, &format!("size={}k", pages * 4), &script);
        let said = format!("{pages} pages, exit {}\n{}{}", ran.code, ran.out, ran.err);
        nothing_without_its_record(&world, &said);
        let now = world.facts(&user);
        match ran.code {
            0 => assert_ne!(now, before, "{said}"),
            1 => {
                assert_eq!(now, before, "{said}");
                assert!(ran.err.contains("No space left on device"), "{said}");
                assert!(
                    ran.err.contains("hint: a store elsewhere works now: --state DIR"),
                    "{said}"
                );
            }
            6 => assert!(
                ran.out.contains("No space left")
                    || ran.out.contains("the record could not be written"),
                "{said}"
            ),
            _ => panic!("{said}"),
        }
        assert!(
            !ran.err.contains("panicked") && !world.read("copy/list").contains("panicked"),
            "{said}"
        );
        codes.push(ran.code);
    }
    assert_eq!((codes.first(), codes.last()), (Some(&1), Some(&0)), "{codes:?}");
    eprintln!("exit statuses: {codes:?}");
}

/// The disk fills up while the first call is under way: the run stops at the first entry for which there is
/// no room, and what was done before is on record.
#[test]
fn a_disk_that_fills_up_in_the_middle_stops_the_run() {
    if !can_mount() {
        return;
    }
    let world = World::ministack();
    let key = world.victim("deploy-bot");
    world.admin.second_key("deploy-bot");
    let (pid, full) = (world.path("pid"), world.path("full"));
    world.proxy.before("UpdateAccessKey", move |_| {
        // From outside, into the disk that only that process sees.
        let pid = std::fs::read_to_string(&pid).unwrap();
        let inside = std::path::Path::new("/proc").join(pid.trim()).join("root");
        let filler = inside.join("mnt/filler").display().to_string();
        let mut filler = std::fs::File::create(filler).unwrap();
        while std::io::Write::write_all(&mut filler, &[0; 4096]).is_ok() {}
        std::fs::write(&full, "").unwrap();
    });
    let program = env!("CARGO_BIN_EXE_ringfence");
    let script = format!(
        "set +e\n{program} apply --user deploy-bot --posture lockdown --auto-approve --state /mnt/state &\n\
         echo $! >pid\nwait $!\ncode=$?\nrm /mnt/filler\ncp -r /mnt/state copy\n\
         cat copy/*/user/*/runs/*/journal.jsonl >copy/journal\nexit $code\n"
    );
    let ran = mounted(&world, "size=1m", &script).exits(6);
    assert!(world.path("full").exists());
    let said = format!("{}{}", ran.out, ran.err);
    let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("the record could not be written"), "{said}");
    assert!(words.contains("No space left on device"), "{said}");
    nothing_without_its_record(&world, &said);
    world.ringfence(&["status", "--state", "copy"]).exits(2);
    let again = ["apply", "--again", "--user", "deploy-bot", "--auto-approve", "--state", "copy"];
    world.ringfence(&again).exits(0);
    world.ringfence(&["status", "--state", "copy"]).exits(0);
    assert_eq!(world.facts("deploy-bot")[&format!("access_key/{}", key.id)], "Inactive");
}

/// A limit on files that is reached by the journal alone, after the first call: nothing is called after that.
#[test]
fn a_journal_that_may_not_grow_stops_the_run() {
    journal_may_not_grow("revoke", &["UpdateAccessKey"]);
    // Both of the first wave are under way at once.
    journal_may_not_grow("lockdown", &["AttachUserPolicy", "PutUserPolicy"]);
}

fn journal_may_not_grow(posture: &str, first: &[&'static str]) {
    let world = World::ministack();
    let key = world.victim("deploy-bot");
    let (pid, dir) = (world.path("pid"), world.dir().to_owned());
    world.proxy.before(first[0], move |_| {
        let pid = std::fs::read_to_string(&pid).unwrap();
        let journal = crate::support::tree(&dir.join("state"))
            .into_iter()
            .find(|(path, _)| path.ends_with("journal.jsonl"));
        let room = journal.unwrap().1.1.len() + 50;
        let limit = Command::new("prlimit")
            .args(["--pid", pid.trim(), &format!("--fsize={room}:unlimited")])
            .status();
        assert!(limit.unwrap().success());
    });
    // Without the signal's being ignored the process would be killed by it.
    let ran = behind(
        &world,
        "trap '' XFSZ\necho $$ >pid",
        &["apply", "--access-key", &key.id, "--posture", posture, "--auto-approve"],
    );
    let said = format!("exit {}\n{}{}", ran.code, ran.out, ran.err);
    assert_eq!(ran.code, 6, "{said}");
    let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("the record could not be written"), "{said}");
    assert!(words.contains("journal.jsonl`: File too large"), "{said}");
    let mut writes = world.proxy.writes();
    writes.sort();
    assert_eq!(writes, first, "{said}");
    // The torn line is dropped, and the run can be gone on with.
    world.ringfence(&["status"]).exits(2);
    world.ringfence(&["apply", "--again", "--user", "deploy-bot", "--auto-approve"]).exits(0);
    world.ringfence(&["status"]).ok();
}

#[test]
fn a_disk_that_is_read_only_is_found_before_anything_is_done() {
    let world = World::ministack();
    let (user, key) = leaked(&world, 0);
    let before = world.facts(&user);
    let apply = ["apply", "--access-key", &key, "--auto-approve", "--state"];
    // /proc takes no folder, from root neither.
    let said = world.refused(1, &[&apply[..], &["/proc/ringfence"]].concat());
    assert!(
        said.contains("cannot make the directory `/proc/ringfence") && said.contains("--state DIR"),
        "{said}"
    );
    assert_eq!(world.facts(&user), before);
    if can_mount() {
        let program = env!("CARGO_BIN_EXE_ringfence");
        let script = format!(
            "mkdir /mnt/state; mount -o remount,ro /mnt\nexec {program} {} /mnt/state\n",
            apply.join(" ")
        );
        let ran = mounted(&world, "size=1m", &script).exits(1);
        assert!(
            ran.err.contains("Read-only file system") && ran.err.contains("--state DIR"),
            "{}",
            ran.err
        );
        assert_eq!(world.facts(&user), before);
    }
}

/// A limit on the size of files, as a quota: the journal's lines are the first to reach it, or the plan.
#[test]
fn a_file_that_may_not_grow_stops_the_run() {
    let world = World::ministack();
    for (n, blocks) in [0, 1, 2, 4, 8, 200].into_iter().enumerate() {
        let (user, key) = leaked(&world, n);
        let before = world.facts(&user);
        world.proxy.take_calls();
        let state = format!("state-{n}");
        // Without the signal's being ignored the process would be killed by it.
        let ran = behind(
            &world,
            &format!("trap '' XFSZ\nulimit -f {blocks}"),
            &["apply", "--access-key", &key, "--auto-approve", "--state", &state],
        );
        let said = format!("{blocks} blocks, exit {}\n{}{}", ran.code, ran.out, ran.err);
        match ran.code {
            0 => assert_ne!(world.facts(&user), before, "{said}"),
            1 => {
                assert_eq!(world.facts(&user), before, "{said}");
                assert!(ran.err.contains("File too large"), "{said}");
            }
            6 => assert!(ran.out.contains("the record could not be written"), "{said}"),
            _ => panic!("{said}"),
        }
        let list = world.ringfence(&["state", "list", "--state", &state]);
        assert!(!list.err.contains("broken at line"), "{said}\n{}", list.err);
    }
}
