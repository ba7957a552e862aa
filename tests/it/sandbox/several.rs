//! Several users in one command: what is wrong with one keeps no other from it, and Ctrl-C ends it for all.

use super::crash::{killed_at, stands};
use super::dialogue::{CTRL_C, Dialogue, QUESTION};
use super::place::{Place, RINGFENCE, command, ringfence};
use crate::support::Ran;
use std::path::PathBuf;
use std::process::Stdio;

const ACCOUNT: &str = "123456789012";

/// Users with a leaked key each, whose keys are off.
struct Stage {
    place: Place,
    keys: Vec<(&'static str, String)>,
}

impl Stage {
    fn new(users: &[&'static str]) -> Self {
        let place = Place::new();
        let mut keys = Vec::new();
        for user in users {
            place.make("iam:CreateUser", &[("UserName", user)]);
            let made = place.make("iam:CreateAccessKey", &[("UserName", user)]);
            keys.push((*user, made.text("AccessKeyId").unwrap().to_owned()));
        }
        Self { place, keys }
    }

    /// Contains them all in one run, or each in its own.
    fn contained(users: &[&'static str], together: bool) -> Self {
        let stage = Self::new(users);
        let named: Vec<String> = users.iter().map(|user| format!("--user={user}")).collect();
        let runs: Vec<Vec<&str>> = match together {
            true => vec![named.iter().map(String::as_str).collect()],
            false => named.iter().map(|one| vec![one.as_str()]).collect(),
        };
        for run in runs {
            let out = [&["plan", "--out", "plan.json"], &run[..]].concat();
            stage.run(&out).exits(0);
            stage.run(&["apply", "plan.json", "--auto-approve"]).exits(0);
        }
        stage
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        ringfence(self.place.directory.path(), &self.place.url(), &self.place.admin(), arguments)
    }

    fn key(&self, user: &str) -> &str {
        &self.keys.iter().find(|(name, _)| *name == user).unwrap().1
    }

    fn turn_on(&self, user: &str) {
        let on = [("UserName", user), ("AccessKeyId", self.key(user)), ("Status", "Active")];
        self.place.make("iam:UpdateAccessKey", &on);
    }

    fn is_on(&self, user: &str) -> bool {
        let listed = self.place.make("iam:ListAccessKeys", &[("UserName", user)]);
        listed.text("Status") == Some("Active")
    }

    /// The folder of a user's record.
    fn folder(&self, user: &str) -> PathBuf {
        let made = self.place.make("iam:GetUser", &[("UserName", user)]);
        let users = self.place.directory.path().join("state").join(ACCOUNT).join("user");
        users.join(made.text("UserId").unwrap())
    }

    fn lose_state(&self, user: &str) {
        std::fs::remove_file(self.folder(user).join("state.json")).unwrap();
    }

    /// A run over this user that is killed in its middle.
    fn cut_off(&self, user: &str) {
        let apply = ["apply", "--user", user, "--auto-approve"];
        assert!(killed_at(&self.place, "read-back", &apply));
    }
}

#[test]
fn ctrl_c_at_the_question_for_another_user_ends_the_command() {
    let stage = Stage::contained(&["ant", "bee", "cat"], false);
    ["ant", "bee", "cat"].iter().for_each(|user| stage.turn_on(user));
    let again = ["apply", "--again", "--user", "ant", "--user", "bee", "--user", "cat"];
    let mut talk = Dialogue::start(&stage.place, &again);
    talk.until(QUESTION);
    talk.types("yes\n");
    talk.until(QUESTION);
    talk.types(CTRL_C);
    let (code, said) = talk.ends();
    assert_eq!(code, 6, "{said}");
    assert!(said.contains("error: stopped"), "{said}");
    assert!(said.contains("user `bee`, user `cat`"), "{said}");
    assert!(!said.contains("before anything was changed"), "{said}");
    assert!(!stage.is_on("ant") && stage.is_on("bee") && stage.is_on("cat"));
    // As the hint says.
    stage.run(&["apply", "--again", "--user", "bee", "--user", "cat", "--auto-approve"]).exits(0);
    stage.run(&["status"]).exits(0);
}

#[test]
fn what_of_a_plan_has_a_state_or_is_gone_keeps_no_other_from_being_imported() {
    let stage = Stage::contained(&["ant", "bee", "cat"], true);
    stage.lose_state("bee");
    stage.lose_state("cat");
    stage.place.sandbox.edit(|world| {
        world.account_mut(ACCOUNT).unwrap().users.retain(|name, _| name != "cat");
    });
    let hint = stage.run(&["status"]).exits(1).err;
    let import = hint.lines().find_map(|line| line.split_once("ringfence state import ")).unwrap();
    let imported = stage.run(&["state", "import", import.1]).exits(0);
    assert!(imported.out.contains("bee") && !imported.out.contains("ant"), "{}", imported.out);
    assert!(imported.err.contains("user `ant` has a state already, serial "), "{}", imported.err);
    assert!(imported.err.contains("(user `cat`) is not there any more"), "{}", imported.err);
    assert!(!imported.err.contains("error:"), "{}", imported.err);
    stage.run(&["status", "--user", "ant", "--user", "bee"]).exits(0);
    // Where nobody is left it is refused, as for one alone.
    let none = stage.run(&["state", "import", import.1]).exits(3);
    assert!(none.err.contains("error: user `bee` has a state already"), "{}", none.err);
    assert!(none.err.contains("hint: ringfence state rm AIDA"), "{}", none.err);
    assert_eq!(none.out, "");
}

#[test]
fn one_that_has_no_record_keeps_no_other_from_its_status() {
    let stage = Stage::contained(&["ant", "bee"], false);
    let told = stage.run(&["status", "--user", "nobody", "--user", "bee"]).exits(1);
    assert!(told.err.contains("there is no state for user `nobody`"), "{}", told.err);
    assert!(told.out.contains("bee") && !told.out.contains("ant"), "{}", told.out);
    std::fs::write(stage.folder("ant").join("state.json"), "{").unwrap();
    let told = stage.run(&["status", "--user", "ant", "--user", "bee"]).exits(1);
    assert!(told.out.contains("bee"), "{}", told.out);
    // What is weak is what matters most.
    stage.turn_on("bee");
    stage.run(&["status", "--user", "nobody", "--user", "bee"]).exits(2);
    let alone = stage.run(&["status", "--user", "nobody"]).exits(1);
    assert_eq!((alone.out.as_str(), alone.err.matches("error:").count()), ("", 1));
}

#[test]
fn one_that_has_no_record_keeps_no_other_run_from_going_on() {
    let stage = Stage::new(&["ant"]);
    stage.run(&["status"]).exits(0);
    stage.cut_off("ant");
    let resumed = stage.run(&["resume", "--user", "nobody", "--user", "ant"]).exits(1);
    assert!(resumed.err.contains("there is no state for user `nobody`"), "{}", resumed.err);
    stage.run(&["status", "--user", "ant"]).exits(0);
    let alone = stage.run(&["resume", "--user", "nobody"]).exits(1);
    assert_eq!((alone.out.as_str(), alone.err.matches("error:").count()), ("", 1));
}

#[test]
fn one_that_has_no_record_keeps_no_other_from_being_pushed() {
    let stage = Stage::contained(&["ant"], false);
    let push = ["state", "push", "state", "--state", "other", "--user", "nobody", "--user", "ant"];
    let pushed = stage.run(&push).exits(1);
    assert!(pushed.err.contains("there is no state for user or role `nobody`"), "{}", pushed.err);
    stage.run(&["state", "show", "ant", "--state", "other"]).exits(0);
}

/// In a folder the lock goes with its process, and what is written in it tells that one died; in a bucket it stays.
#[test]
fn ctrl_c_at_the_question_of_state_rm_leaves_no_lock() {
    let stage = Stage::contained(&["ant"], false);
    let mut talk = Dialogue::start(&stage.place, &["state", "rm", "ant"]);
    talk.until(QUESTION);
    talk.types(CTRL_C);
    talk.ends();
    let unlocked = stage.run(&["state", "unlock", "ant"]).exits(0);
    assert!(unlocked.out.contains("User `ant` is not locked."), "{}", unlocked.out);
}

#[test]
fn what_has_moved_on_since_the_question_is_not_forgotten() {
    let stage = Stage::contained(&["ant"], false);
    let mut talk = Dialogue::start(&stage.place, &["state", "rm", "ant"]);
    talk.until(QUESTION);
    stage.run(&["apply", "--again", "--user", "ant", "--auto-approve"]).exits(0);
    talk.types("yes\n");
    let (code, said) = talk.ends();
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("has moved on since it was read"), "{said}");
    stage.run(&["state", "show", "ant"]).exits(0);
    let unlocked = stage.run(&["state", "unlock", "ant"]).exits(0);
    assert!(unlocked.out.contains("is not locked"), "{}", unlocked.out);
    stage.run(&["state", "rm", "ant", "--auto-approve"]).exits(0);
}

/// IAM lets a name begin with what an option begins with.
#[test]
fn what_is_printed_for_a_user_whose_name_looks_like_an_option_can_be_typed() {
    for name in ["-x", "--auto-approve"] {
        let stage = Stage::new(&[name]);
        let user = format!("--user={name}");
        let printed = |ran: &Ran, line: &str| {
            let said = format!("{}{}", ran.out, ran.err);
            let line = line.replace("NAME", name);
            assert!(said.contains(&line), "no `{line}`:\n{said}");
            let words: Vec<&str> = line.split_whitespace().skip(1).collect();
            stage.run(&words)
        };
        stage.run(&["plan", &user, "--out", "plan.json"]).exits(0);
        stage.run(&["apply", "plan.json", "--auto-approve"]).exits(0);
        let changed = stage.run(&["apply", "plan.json", "--auto-approve"]).exits(3);
        printed(&changed, "ringfence status --user=NAME").exits(0);
        stage.turn_on(name);
        let weak = stage.run(&["status", &user]).exits(2);
        printed(&weak, "ringfence apply --again --user=NAME").exits(1);
        stage.run(&["apply", "--again", &user, "--auto-approve"]).exits(0);
        stage.run(&["state", "show", "--", name]).exits(0);
        stage.run(&["state", "history", "--verify", "--", name]).exits(0);
        let held = stage.run(&["rollback", &user, "--take", "ssh_key/APKAEXAMPLE12345"]).exits(1);
        printed(&held, "ringfence state show -- NAME").exits(0);
        let kept = stage.run(&["rollback", &user, "--out", "release.json"]).exits(0);
        assert!(!kept.out.contains(&format!("--user {name}")), "{}", kept.out);

        stage.turn_on(name);
        let mut run = command(
            RINGFENCE,
            stage.place.directory.path(),
            &stage.place.url(),
            &stage.place.admin(),
        )
        .args(["apply", "--again", &user, "--auto-approve"])
        .env("RINGFENCE_HALT_AT", "read-back")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
        let reached = stands(&mut run, "read-back");
        let locked = stage.run(&["apply", "--again", &user, "--auto-approve"]).exits(5);
        run.kill().unwrap();
        run.wait().unwrap();
        assert!(reached);
        let unlocked = printed(&locked, "ringfence state unlock -- NAME").exits(0);
        let cut = printed(&unlocked, "ringfence status --user=NAME").exits(2);
        printed(&cut, "ringfence resume --user=NAME").exits(0);
        stage.run(&["state", "rm", "--auto-approve", "--", name]).exits(0);
    }
    // What was mistyped is still no name.
    let stage = Stage::new(&["ant"]);
    let mistyped = stage.run(&["state", "rm", "ant", "--auto-aprove"]).exits(64);
    assert!(mistyped.err.contains("--auto-approve"), "{}", mistyped.err);
    stage.run(&["apply", "--user", "--auto-approve"]).exits(64);
}
