//! What the real program writes and prints, held against the published schemas by a validator that nobody here
//! wrote. `RINGFENCE_WRITE_GOLDEN=tests/golden/vN` keeps it all in a folder that is not there yet.

use super::place::{Place, RINGFENCE, command, ran};
use crate::support::schema::{Schema, lines, root};
use crate::support::{ALLOW_ALL, Ran};
use jiff::SignedDuration;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};

const USER: &str = "deploy-bot";
const HOUR: SignedDuration = SignedDuration::from_hours(1);

const CONFIGURATION: &str = r#"[state]
location = "state/"

[guard]
protected_users = ["break-glass"]

[limits]
settle = "0s"
deadline = "5m"

[approval]
required = 1

[posture.evidence]
extends = "lockdown"
groups = "remove"
fence_margin = "2m"
"#;

const RULES: &str = r#"[approval]
required = 1
reactivate = 2
max_age = "24h"
separate_applier = false
break_glass = true

[approval.people]
alice = ["arn:aws:sts::*:assumed-role/IncidentResponse/alice"]

[[rule]]
name = "on-call"
then = "warn"
message = "tell whoever is on call for this service"
[rule.when]
effect = "deactivate"
user_tag = { env = "prod*" }

[[rule]]
name = "production"
approvals = 1
message = "the platform team has to agree"
[rule.when]
kind = "contain"
user_path = "/team/*"
"#;

const SSH_KEY: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQD6fz5MydcPJ+W4nsNbuBflkShAVWFQCx2K/kzkw0FYVZ+PaKXrkdjPHVb7RwX59qpRyOughcHC2OHTSS5fPOhcR/BbUCnyOto9raWyp6yI5kr6tgsuN3BBUBmSnqpT2jlx2wV9qdLjOgs2B+NKj+eRXtbl3Kt5Cx9lYj0HK10o72a8fPf4ufd0xy6FJs60M177EuaVgLntq0Nh0T4ILJygS4b4X9QGd1XA6jahE2NJtv1vlG87N2kkiFs0D0pUgJycs8R1zwmss7RRSYk43kdNTecdtd5ZPjBK2IYpsGWKeZ77phOPfAJKrtTgFrpxEKuqgCccmGUcCbwwAuKIIcb1";

/// An incident from the first plan to the release, and what was written and printed in it, by file.
struct Incident {
    place: Place,
    kept: BTreeMap<String, Vec<u8>>,
}

impl Incident {
    fn new() -> Self {
        let place = Place::new();
        let folder = place.directory.path();
        fs::write(folder.join("ringfence.toml"), CONFIGURATION).unwrap();
        fs::create_dir(folder.join("state")).unwrap();
        fs::write(folder.join("state/policy.toml"), RULES).unwrap();
        let mut keygen = Command::new("ssh-keygen");
        keygen.current_dir(folder).env_clear().env("PATH", "/usr/bin:/bin").args([
            "-q",
            "-t",
            "ed25519",
            "-N",
            "",
            "-C",
            "alice",
            "-f",
            "key-alice",
        ]);
        ran(&mut keygen).exits(0);
        let public = fs::read_to_string(folder.join("key-alice.pub")).unwrap();
        let signers = format!("alice namespaces=\"ringfence-plan\" {public}");
        fs::write(folder.join("state/allowed_signers"), signers).unwrap();
        let mut new = Self { place, kept: BTreeMap::new() };
        for file in ["ringfence.toml", "state/policy.toml", "state/allowed_signers"] {
            new.keep_file(file);
        }
        new
    }

    fn make(&self, action: &str, with: &[(&str, &str)]) -> super::wire::Reply {
        self.place.make(action, &[&[("UserName", USER)], with].concat())
    }

    fn ringfence(&self, arguments: &[&str]) -> Ran {
        let (folder, url) = (self.place.directory.path(), self.place.url());
        ran(command(RINGFENCE, folder, &url, &self.place.admin()).args(arguments))
    }

    fn keep(&mut self, name: &str, bytes: impl Into<Vec<u8>>) {
        assert!(self.kept.insert(name.to_owned(), bytes.into()).is_none(), "{name} twice");
    }

    fn read(&self, file: &str) -> Vec<u8> {
        fs::read(self.place.directory.path().join(file)).unwrap()
    }

    fn keep_file(&mut self, file: &str) {
        let name = file.rsplit('/').next().unwrap();
        self.keep(name, self.read(file));
    }

    /// Runs what prints JSON, and keeps it.
    #[track_caller]
    fn printed(&mut self, name: &str, code: i32, arguments: &[&str]) -> String {
        let ran = self.ringfence(&[arguments, &["--format", "json"]].concat()).exits(code);
        self.keep(name, ran.out.clone());
        ran.out
    }

    /// The files of the one record, below its folder.
    fn record(&self, below: &str) -> BTreeMap<String, Vec<u8>> {
        let folder = self.place.directory.path().join(below);
        let files = crate::support::tree(&folder).into_iter();
        files
            .filter(|(path, _)| path.is_file())
            .map(|(path, (_, bytes))| (path.display().to_string(), bytes))
            .collect()
    }

    fn state(&self, below: &str) -> Vec<u8> {
        let record = self.record(below).into_iter();
        record.into_iter().find(|(path, _)| path.ends_with("/state.json")).unwrap().1
    }

    /// A user with all that a snapshot can hold, of whom one key leaks an hour before another appears.
    fn begin(&self) -> (String, String, String) {
        let clock = &self.place.clock;
        clock.forward(HOUR * -3);
        let tags = [("Tags.member.1.Key", "env"), ("Tags.member.1.Value", "production")];
        self.make("iam:CreateUser", &[&[("Path", "/team/")], &tags[..]].concat());
        let document = ("PolicyDocument", ALLOW_ALL);
        self.make("iam:PutUserPolicy", &[("PolicyName", "work"), document]);
        let everything = ("PolicyArn", "arn:aws:iam::aws:policy/AdministratorAccess");
        self.make("iam:AttachUserPolicy", &[everything]);
        let group = ("GroupName", "developers");
        self.place.make("iam:CreateGroup", &[group]);
        self.place.make("iam:PutGroupPolicy", &[group, ("PolicyName", "deploy"), document]);
        self.place.make("iam:AttachGroupPolicy", &[group, everything]);
        self.make("iam:AddUserToGroup", &[group]);
        let leaked = self.make("iam:CreateAccessKey", &[]).text("AccessKeyId").unwrap().to_owned();
        self.make("iam:UploadSSHPublicKey", &[("SSHPublicKeyBody", SSH_KEY)]);
        let service = ("ServiceName", "codecommit.amazonaws.com");
        self.make("iam:CreateServiceSpecificCredential", &[service]);
        clock.forward(HOUR);
        let since = clock.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        clock.forward(HOUR);
        let second = self.make("iam:CreateAccessKey", &[]).text("AccessKeyId").unwrap().to_owned();
        self.make("iam:CreateLoginProfile", &[("Password", "Not-So-Secret-1")]);
        clock.forward(HOUR);
        (leaked, second, since)
    }

    /// Contains, is undone, contains again, and releases.
    fn play(&mut self) {
        let (leaked, second, since) = self.begin();
        self.printed("status-of-nobody.json", 0, &["status"]);
        let mut plan = vec!["plan", "--access-key", &leaked, "--since", &since, "--full"];
        plan.extend(["--posture", "evidence", "--incident", "INC-7", "--out", "contain.json"]);
        self.ringfence(&plan).exits(0);
        self.keep_file("contain.json");
        self.printed("check-unapproved.json", 0, &["check", "contain.json"]);
        let approve = ["approve", "contain.json", "--identity", "key-alice", "--auto-approve"];
        self.ringfence(&approve).exits(0);
        self.keep_file("contain.json.alice.sig");
        self.printed("check.json", 0, &["check", "contain.json", "--approved"]);
        self.printed("events-contain.jsonl", 0, &["apply", "contain.json", "--auto-approve"]);
        let state = self.state("state");
        self.keep("state-contained.json", state);
        self.printed("status-contained.json", 0, &["status"]);

        self.make("iam:UpdateAccessKey", &[("AccessKeyId", &leaked), ("Status", "Active")]);
        self.printed("status-weakened.json", 2, &["status"]);
        let glass = ["--auto-approve", "--break-glass", "nobody else is awake"];
        let again = [&["apply", "--again", "--user", USER], &glass[..]].concat();
        self.printed("events-again.jsonl", 0, &again);
        let mut rollback = vec!["rollback", "--user", USER, "--reactivate-key", &second];
        rollback.extend(["--reactivate", "login_profile", "--lift-fence-now"]);
        rollback.extend(["--out", "release.json"]);
        self.ringfence(&rollback).exits(0);
        self.keep_file("release.json");
        self.printed("check-release.json", 0, &["check", "release.json"]);
        let release = [&["apply", "release.json"], &glass[..]].concat();
        self.printed("events-release.jsonl", 0, &release);
        self.printed("status-released.json", 0, &["status"]);

        let state = self.state("state");
        let runs: Value = serde_json::from_slice(&state).unwrap();
        self.keep("state-released.json", state);
        let record = self.record("state");
        for (run, name) in ["contain", "again", "release"].into_iter().enumerate() {
            let id = runs["runs"][run]["id"].as_str().unwrap();
            let journal = format!("/runs/{id}/journal.jsonl");
            let (_, bytes) = record.iter().find(|(path, _)| path.ends_with(&journal)).unwrap();
            self.keep(&format!("journal-{name}.jsonl"), bytes.clone());
        }
    }

    /// Every document that was kept, with the format that it is of.
    fn documents(&self) -> Vec<(&'static str, String, Value)> {
        let mut documents = Vec::new();
        for (name, bytes) in &self.kept {
            let text = std::str::from_utf8(bytes).unwrap();
            let format = match name.split(['-', '.']).next().unwrap() {
                "contain" | "release" if name.ends_with(".json") => "plan",
                "state" => "state",
                "status" => "status",
                "check" => "check",
                "journal" => "journal",
                "events" => "events",
                _ => continue,
            };
            let values = if name.ends_with(".jsonl") {
                lines(text)
            } else {
                vec![serde_json::from_str(text).unwrap()]
            };
            documents.extend(values.into_iter().map(|value| (format, name.clone(), value)));
        }
        documents
    }

    /// Keeps everything in a folder, if a person asks for it.
    fn write(&self) {
        let Some(folder) = std::env::var_os("RINGFENCE_WRITE_GOLDEN") else { return };
        let folder = root().join(folder);
        fs::create_dir_all(folder.parent().unwrap()).unwrap();
        // Golden files are made once.
        fs::create_dir(&folder).unwrap();
        let mut sums = String::new();
        for (name, bytes) in &self.kept {
            fs::write(folder.join(name), bytes).unwrap();
            sums.push_str(&format!("{}  {name}\n", ringfence::plan::sha256(bytes)));
        }
        fs::write(folder.join("SHA256SUMS"), sums).unwrap();
    }
}

/// Every pointer to a value in a document, and what stands there.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Object(map) => {
            map.iter()
                .for_each(|(key, value)| places(value, &format!("{at}/{}", escaped(key)), found));
        }
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items.for_each(|(index, value)| places(value, &format!("{at}/{index}"), found));
        }
        _ => {}
    }
}

#[test]
fn what_is_written_and_printed_is_as_the_schemas_say() {
    let mut incident = Incident::new();
    incident.play();
    let documents = incident.documents();
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for (format, name, document) in &documents {
        eprintln!("{name}");
        Schema::of(format).holds(document);
        *count.entry(format).or_default() += 1;
    }
    assert_eq!((count["plan"], count["state"], count["status"], count["check"]), (2, 2, 4, 3));
    assert!(count["journal"] > 20 && count["events"] > 15, "{count:?}");

    // A record that is pulled, and a plan that is printed, are the same formats.
    incident.ringfence(&["state", "pull", USER, "--out", "copy"]).exits(0);
    assert_eq!(incident.state("copy"), incident.kept["state-released.json"]);
    let shown = incident.ringfence(&["show", "contain.json", "--format", "json"]).ok().out;
    assert_eq!(shown.as_bytes(), incident.kept["contain.json"]);
    let shown = incident.ringfence(&["state", "show", USER, "--format", "json"]).ok().out;
    assert_eq!(shown.as_bytes(), incident.kept["state-released.json"]);
    incident.write();
}

#[test]
fn what_a_run_that_was_cut_off_leaves_and_tells_is_as_the_schemas_say() {
    let mut incident = Incident::new();
    let (leaked, ..) = incident.begin();
    let glass = ["--auto-approve", "--break-glass", "nobody else is awake"];
    let mut apply = command(
        RINGFENCE,
        incident.place.directory.path(),
        &incident.place.url(),
        &incident.place.admin(),
    );
    apply.args(["apply", "--access-key", &leaked]).args(glass);
    apply.env("RINGFENCE_HALT_AT", "read-back").stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = apply.spawn().unwrap();
    assert!(super::crash::stands(&mut child, "read-back"));
    child.kill().unwrap();
    child.wait().unwrap();
    incident.printed("status-cut-off.json", 2, &["status"]);
    let state = incident.state("state");
    incident.keep("state-cut-off.json", state);
    let told = incident.printed("events-resumed.jsonl", 0, &["resume"]);
    assert!(told.starts_with(r#"{"type":"resumed","#), "{told}");
    let (_, journal) = incident
        .record("state")
        .into_iter()
        .find(|(path, _)| path.ends_with("/journal.jsonl"))
        .unwrap();
    assert!(String::from_utf8(journal.clone()).unwrap().contains("run_resumed"));
    incident.keep("journal-resumed.jsonl", journal);
    for (format, name, document) in incident.documents() {
        eprintln!("{name}");
        Schema::of(format).holds(&document);
    }
}

#[test]
fn what_is_damaged_is_refused_by_its_schema() {
    let mut incident = Incident::new();
    incident.play();
    let documents = incident.documents();
    for format in ["plan", "state", "journal", "events", "status", "check"] {
        let schema = Schema::of(format);
        let (mut kept, mut refused) = (0, 0);
        for (_, name, document) in documents.iter().filter(|(of, ..)| *of == format) {
            let mut all = Vec::new();
            places(document, "", &mut all);
            // What a policy document holds is its author's.
            all.retain(|at| !at.contains("/document/"));
            for at in all {
                let mut damaged = document.clone();
                // Nothing that is written or printed is such a number.
                *damaged.pointer_mut(&at).unwrap() = serde_json::json!(-1.5);
                assert!(!schema.takes(&damaged), "{name}: a number at {at}");
                let mut damaged = document.clone();
                let (parent, key) = at.rsplit_once('/').unwrap_or_default();
                let Some(Value::Object(map)) = damaged.pointer_mut(parent) else { continue };
                if map.remove(&key.replace("~1", "/").replace("~0", "~")).is_some() {
                    let taken = schema.takes(&damaged);
                    *(if taken { &mut kept } else { &mut refused }) += 1;
                }
            }
        }
        // Some fields are there only where there is something to say, and maps have fewer entries.
        assert!(refused > 6 * kept && refused > 5, "{format}: {kept} of {refused} taken");
    }
}
