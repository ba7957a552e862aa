//! The real process, killed at every point that a run can name, and taken up again (D2.5).

use super::place::{Place, RINGFENCE, command, ringfence};
use crate::support::{Credentials, Ran};
use ringfence::sandbox::{ADMINISTRATOR, Account, Status};
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Stdio};

const ACCOUNT: &str = "123456789012";
const USER: &str = "deploy-bot";
const ROLE: &str = "release";
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"sts:AssumeRole"}]}"#;
/// The calls that do something else when they are made twice.
const ONCE: [&str; 1] = ["iam:CreatePolicy"];

/// A user with a leaked key, and a responder who works in a folder.
struct Stage {
    place: Place,
    leaked: String,
    posture: &'static str,
}

impl Stage {
    fn new(posture: &'static str) -> Self {
        let place = Place::new();
        place.make("iam:CreateUser", &[("UserName", USER)]);
        let made = place.make("iam:CreateAccessKey", &[("UserName", USER)]);
        let leaked = made.text("AccessKeyId").unwrap().to_owned();
        place.make("iam:CreateAccessKey", &[("UserName", USER)]);
        place.make("iam:CreateGroup", &[("GroupName", "devs")]);
        place.make("iam:AddUserToGroup", &[("UserName", USER), ("GroupName", "devs")]);
        let service = [("UserName", USER), ("ServiceName", "codecommit.amazonaws.com")];
        place.make("iam:CreateServiceSpecificCredential", &service);
        if posture == "joined" {
            let trust = [("RoleName", ROLE), ("AssumeRolePolicyDocument", TRUST)];
            place.make("iam:CreateRole", &trust);
        }
        if posture == "squeezed" {
            // No room inline, so that the fence has to be a policy of its own.
            let filler = format!(
                r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"s3:Get*","Resource":"arn:aws:s3:::{}/*"}}]}}"#,
                "a".repeat(1900)
            );
            let put = [("UserName", USER), ("PolicyName", "big"), ("PolicyDocument", &filler)];
            place.make("iam:PutUserPolicy", &put);
        }
        let configuration = "[limits]\nsettle = \"0s\"\n\
            [posture.squeezed]\nextends = \"revoke\"\n\
            [posture.joined]\nextends = \"revoke\"\n\
            [posture.everything]\nextends = \"lockdown\"\ngroups = \"remove\"\n";
        std::fs::write(place.directory.path().join("ringfence.toml"), configuration).unwrap();
        Self { place, leaked, posture }
    }

    fn who(&self) -> Credentials {
        self.place.admin()
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        ringfence(self.place.directory.path(), &self.place.url(), &self.who(), arguments)
    }

    fn plan(&self) {
        let named = ["--access-key", &self.leaked, "--posture", self.posture];
        let role = if self.joined() { &["--role", ROLE][..] } else { &[] };
        self.run(&[&["plan", "--out", "plan.json"], &named[..], role].concat()).exits(0);
    }

    /// Whether a role is contained together with the user.
    fn joined(&self) -> bool {
        self.posture == "joined"
    }

    /// Gives the role back, where there is one that was contained.
    fn release_role(&self) {
        if !self.joined() {
            return;
        }
        let plan = ["rollback", "--role", ROLE, "--lift-fence-now", "--out", "role.json"];
        self.run(&plan).exits(0);
        self.run(&["apply", "role.json", "--auto-approve"]).exits(0);
    }

    /// Plans a release that gives everything back, as a person does who follows what the plan says.
    fn plan_release(&self) {
        let mut plan: Vec<String> =
            ["rollback", "--user", USER, "--lift-fence-now", "--out", "release.json"]
                .map(str::to_owned)
                .into();
        loop {
            let planned = self.run(&plan.iter().map(String::as_str).collect::<Vec<_>>()).exits(0);
            let words: Vec<&str> = planned.out.split_whitespace().collect();
            let before = plan.len();
            for pair in words.windows(2) {
                let id = pair[1].trim_end_matches([',', '.']).to_owned();
                if pair[0].starts_with("--reactivate") && !plan.contains(&id) {
                    plan.extend([pair[0].to_owned(), id]);
                }
            }
            if plan.len() == before {
                return;
            }
        }
    }

    /// The account as it is stored, without the uses of keys.
    fn account(&self) -> Account {
        let mut account = self.place.sandbox.edit(|world| world.account(ACCOUNT).unwrap().clone());
        if let Some(user) = account.user_mut(ADMINISTRATOR) {
            user.keys.iter_mut().for_each(|key| key.last_used = None);
        }
        account
    }

    /// Every point that applying this file passes.
    fn points(&self, file: &str) -> Vec<String> {
        let mut apply =
            command(RINGFENCE, self.place.directory.path(), &self.place.url(), &self.who());
        let output = apply
            .args(["apply", file, "--auto-approve"])
            .env("RINGFENCE_HALT_AT", "list")
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{said}");
        let mut seen = BTreeSet::new();
        let points = said.lines().filter_map(|line| line.strip_prefix("at "));
        points.map(str::to_owned).filter(|point| seen.insert(point.clone())).collect()
    }

    /// Runs a command until it stands at a point, and kills it there. `None` if it did not come there.
    fn killed_at(&self, point: &str, arguments: &[&str]) -> Option<()> {
        killed_at(&self.place, point, arguments).then_some(())
    }

    /// How often each call that must be made once was made and did something.
    fn made_once(&self, about: &str) {
        for action in ONCE {
            let calls = self.place.sandbox.calls();
            let made = calls.iter().filter(|call| call.action == action && call.outcome == "ok");
            assert!(made.count() <= 1, "{about}: {action} was made twice");
        }
    }

    /// Everything that is recorded can be read and is whole.
    fn whole(&self, about: &str) {
        let listed = self.run(&["state", "list", "--format", "json"]);
        assert!(matches!(listed.code, 0), "{about}: {}{}", listed.out, listed.err);
        if listed.out.contains(USER) {
            self.run(&["state", "history", USER, "--verify"]).exits(0);
        }
    }
}

/// Runs a command until it stands at a point, and kills it there; whether it came there.
pub fn killed_at(place: &Place, point: &str, arguments: &[&str]) -> bool {
    let mut run = command(RINGFENCE, place.directory.path(), &place.url(), &place.admin())
        .args(arguments)
        .env("RINGFENCE_HALT_AT", point)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let reached = stands(&mut run, point);
    // SIGKILL: nothing of the process runs any more.
    run.kill().unwrap();
    let status = run.wait().unwrap();
    assert!(!reached || status.code().is_none(), "it ended by itself at {point}");
    reached
}

/// Whether a process came to stand at a point, or at one that begins with what is before a `*`.
pub fn stands(run: &mut Child, point: &str) -> bool {
    let said = BufReader::new(run.stderr.take().unwrap());
    let there = |at: &str| match point.strip_suffix('*') {
        Some(from) => at.starts_with(from),
        None => at == point,
    };
    said.lines()
        .map_while(Result::ok)
        .any(|line| line.strip_prefix("halted at ").is_some_and(there))
}

fn resumed_from_every_point(posture: &'static str, at_least: usize) {
    let rehearsal = Stage::new(posture);
    rehearsal.plan();
    let points = rehearsal.points("plan.json");
    assert!(points.len() >= at_least, "only {points:?}");
    for index in 0..points.len() {
        let stage = Stage::new(posture);
        let before = stage.account();
        stage.plan();
        let point = stage.points_of("plan.json", &points)[index].clone();
        let about = format!("{posture}: contained, killed at {point}");
        stage.killed_at(&point, &["apply", "plan.json", "--auto-approve"]).expect(&about);
        stage.whole(&about);
        let status = stage.run(&["status"]);
        let over = matches!(point.as_str(), "state-finished" | "released");
        assert!(over || !status.line_says("contained"), "{about}:\n{}", status.out);
        let resumed = stage.run(&["resume"]);
        assert_eq!(resumed.code, 0, "{about}: {}{}", resumed.out, resumed.err);
        if resumed.out.starts_with("No run was cut off") && !over {
            // Nothing was begun, so the plan still is one.
            stage.run(&["apply", "plan.json", "--auto-approve"]).exits(0);
        }
        stage.made_once(&about);
        stage.whole(&about);
        stage.run(&["status"]).exits(0);
        stage.plan_release();
        stage.run(&["apply", "release.json", "--auto-approve"]).exits(0);
        stage.release_role();
        assert_eq!(stage.account(), before, "{about}: not as it was");
    }
}

impl Ran {
    /// Whether a line of `status` says so of the user.
    fn line_says(&self, standing: &str) -> bool {
        self.out.lines().any(|line| {
            let mut words = line.split_whitespace();
            words.next() == Some(USER) && words.next() == Some(standing)
        })
    }
}

#[test]
fn a_containment_goes_on_from_every_point() {
    resumed_from_every_point("revoke", 14);
}

#[test]
fn a_containment_of_everything_goes_on_from_every_point() {
    resumed_from_every_point("everything", 26);
}

#[test]
fn a_fence_that_is_a_policy_of_its_own_goes_on_from_every_point() {
    resumed_from_every_point("squeezed", 17);
}

#[test]
fn a_user_and_a_role_in_one_run_go_on_from_every_point() {
    resumed_from_every_point("joined", 18);
}

#[test]
fn a_containment_is_rolled_back_from_every_point() {
    let rehearsal = Stage::new("everything");
    rehearsal.plan();
    let points = rehearsal.points("plan.json");
    for index in 0..points.len() {
        let stage = Stage::new("everything");
        let before = stage.account();
        stage.plan();
        let point = stage.points_of("plan.json", &points)[index].clone();
        let about = format!("rolled back, killed at {point}");
        stage.killed_at(&point, &["apply", "plan.json", "--auto-approve"]).expect(&about);
        let listed = stage.run(&["state", "list", "--format", "json"]);
        if listed.out.contains(USER) {
            stage.plan_release();
            let ran = stage.run(&["apply", "release.json", "--auto-approve"]);
            assert_eq!(ran.code, 0, "{about}: {}{}", ran.out, ran.err);
        }
        assert_eq!(stage.account(), before, "{about}: not as it was");
        stage.whole(&about);
    }
}

#[test]
fn a_release_goes_on_from_every_point() {
    let rehearsal = Stage::new("everything");
    rehearsal.plan();
    rehearsal.run(&["apply", "plan.json", "--auto-approve"]).exits(0);
    rehearsal.plan_release();
    let points = rehearsal.points("release.json");
    assert!(points.len() >= 24, "only {points:?}");
    for index in 0..points.len() {
        let stage = Stage::new("everything");
        let before = stage.account();
        stage.plan();
        stage.run(&["apply", "plan.json", "--auto-approve"]).exits(0);
        stage.plan_release();
        let point = stage.points_of("release.json", &points)[index].clone();
        let about = format!("released, killed at {point}");
        stage.killed_at(&point, &["apply", "release.json", "--auto-approve"]).expect(&about);
        stage.whole(&about);
        let resumed = stage.run(&["resume"]);
        assert_eq!(resumed.code, 0, "{about}: {}{}", resumed.out, resumed.err);
        let over = matches!(point.as_str(), "state-finished" | "released");
        if resumed.out.starts_with("No run was cut off") && !over {
            stage.run(&["apply", "release.json", "--auto-approve"]).exits(0);
        }
        assert_eq!(stage.account(), before, "{about}: not as it was");
        stage.whole(&about);
        let status = stage.run(&["status"]).exits(0);
        assert!(status.line_says("released"), "{about}: {}", status.out);
    }
}

impl Stage {
    /// The points of another stage with this one's names, in the order of the plan's steps.
    fn points_of(&self, file: &str, points: &[String]) -> Vec<String> {
        let plan = std::fs::read_to_string(self.place.directory.path().join(file)).unwrap();
        let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
        let principals = plan["principals"].as_array().unwrap().iter();
        let mut steps: Vec<&serde_json::Value> =
            principals.flat_map(|one| one["steps"].as_array().unwrap()).collect();
        steps.sort_by_key(|step| (step["wave"].as_u64(), step["id"].as_u64()));
        let mut seen: Vec<&str> = Vec::new();
        let mut own = Vec::new();
        for point in points {
            let Some((moment, resource)) = point.split_once(' ') else {
                own.push(point.clone());
                continue;
            };
            if !seen.contains(&resource) {
                seen.push(resource);
            }
            let place = seen.iter().position(|other| *other == resource).unwrap();
            own.push(format!("{moment} {}", steps[place]["resource"].as_str().unwrap()));
        }
        own
    }
}

#[test]
fn what_was_undone_while_nobody_looked_is_told_when_the_run_goes_on() {
    let stage = Stage::new("revoke");
    stage.plan();
    stage.killed_at("read-back", &["apply", "plan.json", "--auto-approve"]).unwrap();
    let on = [("UserName", USER), ("AccessKeyId", &stage.leaked), ("Status", "Active")];
    stage.place.make("iam:UpdateAccessKey", &on);
    let status = stage.run(&["status"]).exits(2);
    assert!(status.out.contains("is Active again"), "{}", status.out);
    let resumed = stage.run(&["resume", "--format", "json"]).exits(0);
    let told = resumed
        .out
        .lines()
        .any(|line| line.contains(r#""type":"tampering""#) && line.contains("is Active again"));
    assert!(told, "{}", resumed.out);
    let status = stage.run(&["status"]).exits(0);
    assert!(status.line_says("contained"), "{}", status.out);
}

#[test]
fn a_user_that_is_gone_does_not_keep_a_run_from_going_on_with_a_role() {
    let stage = Stage::new("joined");
    stage.plan();
    stage.killed_at("fence-fixed", &["apply", "plan.json", "--auto-approve"]).unwrap();
    stage.place.sandbox.edit(|world| {
        world.user_mut(ACCOUNT, USER).unwrap().id = "AIDAANOTHERONE0000000".into();
    });
    let resumed = stage.run(&["resume"]).exits(6);
    assert!(
        resumed.out.contains("left out: user `deploy-bot` is another principal"),
        "{}",
        resumed.out
    );
    let role = stage.run(&["status", "--role", ROLE]).exits(0);
    assert!(role.out.contains("role release  contained"), "{}", role.out);
    // Nothing is left to go on with: the run stays open for the user alone.
    let again = stage.run(&["resume"]).exits(3);
    assert!(again.err.contains("is another principal"), "{}", again.err);
    assert!(!again.err.contains("locked"), "{}", again.err);
}

/// A name stands for whoever bears it now, and one of whom nothing is known keeps no other from being contained again.
#[test]
fn who_was_made_again_is_named_by_name_and_keeps_no_other_waiting() {
    let stage = Stage::new("revoke");
    stage.plan();
    stage.run(&["apply", "plan.json", "--auto-approve"]).exits(0);
    // First in any order, also where both runs begin in one second.
    let id = "AIDA22222222222222222";
    stage.place.sandbox.edit(|world| {
        let user = world.user_mut(ACCOUNT, USER).unwrap();
        user.id = id.into();
        user.keys.iter_mut().for_each(|key| key.status = Status::Active);
        user.permissions.inline.clear();
    });
    stage.run(&["plan", "--user", USER, "--out", "again.json"]).exits(0);
    stage.run(&["apply", "again.json", "--auto-approve"]).exits(0);
    let status = stage.run(&["status", "--user", USER]).exits(0);
    assert!(status.err.contains(&format!("made more than once: {id} is meant")), "{}", status.err);
    stage.place.sandbox.edit(|world| {
        let user = world.user_mut(ACCOUNT, USER).unwrap();
        user.keys.iter_mut().for_each(|key| key.status = Status::Active);
    });
    let again = ["apply", "--again", "--user", "nobody", "--user", USER, "--auto-approve"];
    let again = stage.run(&again).exits(1);
    assert!(again.err.contains("there is no state for user `nobody`"), "{}", again.err);
    stage.run(&["status", "--user", USER]).exits(0);
    let keys = stage.account().user(USER).unwrap().keys.clone();
    assert!(keys.iter().all(|key| key.status == Status::Inactive), "{keys:?}");
}

/// What a stage's store has of the role.
fn role_folder(stage: &Stage) -> PathBuf {
    let roles = stage.place.directory.path().join("state").join(ACCOUNT).join("role");
    let mut found = std::fs::read_dir(roles).unwrap();
    found.next().unwrap().unwrap().path()
}

/// Of a run over two, the record of one is kept elsewhere, or cannot be read: the other is gone on with.
#[test]
fn a_record_that_is_elsewhere_or_broken_keeps_no_other_from_being_gone_on_with() {
    for broken in [false, true] {
        let stage = Stage::new("joined");
        stage.plan();
        stage.killed_at("fence-fixed", &["apply", "plan.json", "--auto-approve"]).unwrap();
        let folder = role_folder(&stage);
        let (state, away) = (folder.join("state.json"), stage.place.directory.path().join("away"));
        let record = std::fs::read(&state).unwrap();
        match broken {
            true => std::fs::write(&state, &record[..record.len() / 2]).unwrap(),
            false => std::fs::rename(&folder, &away).unwrap(),
        }
        let resumed = stage.run(&["resume", "--user", USER]).exits(6);
        let why = match broken {
            true => "left out: the state file",
            false => {
                "left out: there is no record of the run for role `release` here, and it has gone on for user `deploy-bot`"
            }
        };
        let said = resumed.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(why), "{}", resumed.out);
        stage.run(&["status", "--user", USER]).exits(0);
        match broken {
            true => std::fs::write(&state, &record).unwrap(),
            false => {
                assert!(!state.exists(), "it was begun once more");
                // The lock that was looked into is all that is there.
                let _ = std::fs::remove_dir_all(&folder);
                std::fs::rename(&away, &folder).unwrap();
            }
        }
        stage.run(&["resume"]).exits(0);
        stage.run(&["status"]).exits(0);
        stage.whole("a record that was not at hand");
    }
}

/// Somebody was awake while the release lay there: what stops one before its first write stops one that goes on.
#[test]
fn a_release_that_was_cut_off_gives_nothing_to_what_is_new_since() {
    let stage = Stage::new("everything");
    stage.plan();
    stage.run(&["apply", "plan.json", "--auto-approve"]).exits(0);
    stage.plan_release();
    stage.killed_at("state-begun", &["apply", "release.json", "--auto-approve"]).unwrap();
    let service = [("UserName", USER), ("ServiceName", "cassandra.amazonaws.com")];
    stage.place.make("iam:CreateServiceSpecificCredential", &service);
    let before = stage.account();
    let refused = stage.run(&["resume"]).exits(3);
    assert!(refused.err.contains("has changed since the release was planned"), "{}", refused.err);
    assert!(refused.err.contains("service_credential/"), "{}", refused.err);
    assert!(refused.err.contains(&format!("ringfence rollback --user {USER}")), "{}", refused.err);
    assert_eq!(stage.account(), before);
    // As it says: what is left is planned anew, and lifts no hold over what is new.
    let planned = stage.run(&["rollback", "--user", USER, "--lift-fence-now"]).exits(0);
    assert!(planned.out.contains("stays"), "{}", planned.out);
    stage.whole("a release that did not go on");
}

/// The process dies between the files of a second principal's record: one is there, the others are not.
#[test]
fn a_record_that_was_cut_off_as_it_began_keeps_no_run_from_going_on() {
    for plan_is_there in [false, true] {
        let stage = Stage::new("joined");
        stage.plan();
        stage.killed_at("state-begun", &["apply", "plan.json", "--auto-approve"]).unwrap();
        let folder = role_folder(&stage);
        std::fs::remove_file(folder.join("state.json")).unwrap();
        let run = std::fs::read_dir(folder.join("runs")).unwrap().next().unwrap().unwrap().path();
        std::fs::remove_file(run.join("journal.jsonl")).unwrap();
        if !plan_is_there {
            std::fs::remove_file(run.join("plan.json")).unwrap();
        }
        stage.run(&["resume"]).exits(0);
        stage.run(&["status"]).exits(0);
        stage.whole("a record of which a part was there");
    }
}

/// Two runs in a row are cut off, the second before it has come to the role: what the first did is in its journal.
#[test]
fn a_run_that_goes_on_knows_what_an_earlier_one_did_that_was_cut_off_too() {
    let stage = Stage::new("joined");
    stage.run(&["plan", "--role", ROLE, "--posture", "joined", "--out", "role.json"]).exits(0);
    stage.killed_at("read-back", &["apply", "role.json", "--auto-approve"]).unwrap();
    let state = role_folder(&stage).join("state.json");
    let begun = std::fs::read(&state).unwrap();
    let clock = |stage: &Stage| {
        let shown = stage.run(&["state", "show", ROLE, "--format", "json"]).exits(0);
        let shown: serde_json::Value = serde_json::from_str(&shown.out).unwrap();
        shown["clock"]["fence_time"].clone()
    };
    let fence = clock(&stage);
    assert!(fence.is_string(), "{fence}");
    let runs = |stage: &Stage| -> BTreeSet<PathBuf> {
        let all = std::fs::read_dir(role_folder(stage).join("runs")).unwrap();
        all.map(|run| run.unwrap().path()).collect()
    };
    let before = runs(&stage);
    stage.plan();
    stage.killed_at("state-begun", &["apply", "plan.json", "--auto-approve"]).unwrap();
    std::fs::write(&state, begun).unwrap();
    for run in runs(&stage).into_iter().filter(|run| !before.contains(run)) {
        std::fs::remove_dir_all(run).unwrap();
    }
    assert_eq!(runs(&stage), before);
    stage.run(&["resume", "--user", USER]).exits(0);
    // Its fence moves past whoever the second run stops (F12), and is no other one.
    assert!(clock(&stage).as_str() >= fence.as_str(), "{} {fence}", clock(&stage));
    let fences = stage.place.sandbox.edit(|world| {
        let role = world.account(ACCOUNT).unwrap().roles.get(ROLE).unwrap().clone();
        let fence = |name: &&String| name.starts_with("RingfenceFence-");
        role.permissions.inline.keys().filter(fence).count()
    });
    assert_eq!(fences, 1);
    stage.run(&["status"]).exits(0);
    stage.whole("after two runs that were cut off");
}

/// All is written, and the run that wrote it still looks: another apply finds nothing to do, and that is no end.
#[test]
fn nothing_to_do_beside_a_run_that_goes_on_is_no_end() {
    let stage = Stage::new("revoke");
    stage.plan();
    let mut first =
        command(RINGFENCE, stage.place.directory.path(), &stage.place.url(), &stage.who())
            .args(["apply", "plan.json", "--auto-approve"])
            .env("RINGFENCE_HALT_AT", "read-back")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
    let reached = stands(&mut first, "read-back");
    let second = stage.run(&["apply", "--user", USER, "--auto-approve"]);
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(reached);
    assert_eq!(second.code, 5, "{}{}", second.out, second.err);
    assert!(second.err.contains("is locked"), "{}", second.err);
    assert!(!second.out.contains("was cut off"), "{}", second.out);
    stage.run(&["resume"]).exits(0);
    stage.run(&["apply", "--user", USER, "--auto-approve"]).exits(0);
}
