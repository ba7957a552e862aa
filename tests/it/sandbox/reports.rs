//! An incident told as a report, by the real program and while it goes on; and the page in a real browser.

use super::crash::stands;
use super::place::{Place, RINGFENCE, command, ran, ringfence};
use crate::support::schema::Schema;
use crate::support::{Credentials, Ran};
use jiff::SignedDuration;
use ringfence::sandbox::{ACCOUNT, ADMINISTRATOR, World};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Stdio;

const USER: &str = "deploy-bot";
const ALL: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"sts:AssumeRole"}]}"#;
/// What an attacker may call things who wants to be more than text.
const HOSTILE: &str = "</title></style><script>alert(1)</script><img src=http://evil.example/x onerror=alert(2)>\"\u{1b}[2J\u{202e}";

/// A leaked key, what was done with it, and a responder who works in a folder.
struct Incident {
    place: Place,
    leaked: Credentials,
}

impl Incident {
    fn new() -> Self {
        let place = Place::new();
        place.sandbox.edit(World::keep_trail);
        // It has all happened before now, by the machine's clock too.
        place.clock.forward(SignedDuration::from_hours(-2));
        place.make("iam:CreateUser", &[("UserName", USER)]);
        let policy = [("UserName", USER), ("PolicyName", "work"), ("PolicyDocument", ALL)];
        place.make("iam:PutUserPolicy", &policy);
        place.make("iam:CreateRole", &[("RoleName", "build"), ("AssumeRolePolicyDocument", TRUST)]);
        let leaked = place.make("iam:CreateAccessKey", &[("UserName", USER)]).credentials();
        place.make("iam:CreateAccessKey", &[("UserName", USER)]);
        let incident = Self { place, leaked };
        incident.attack();
        incident
    }

    fn attack(&self) {
        let wire = || self.place.wire();
        self.place.clock.forward(SignedDuration::from_mins(10));
        let minted = wire().call(&self.leaked, "sts:GetSessionToken", &[]);
        assert_eq!(minted.code(), "ok", "{}", minted.body);
        self.place.clock.forward(SignedDuration::from_mins(10));
        let role =
            [("RoleArn", "arn:aws:iam::123456789012:role/build"), ("RoleSessionName", "nightly")];
        assert_eq!(wire().call(&minted.credentials(), "sts:AssumeRole", &role).code(), "ok");
        let made = wire().call(&self.leaked, "iam:CreateUser", &[("UserName", "backdoor")]);
        assert_eq!(made.code(), "ok");
        self.place.clock.forward(SignedDuration::from_mins(90));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.directory.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let folder = self.place.directory.path();
        ringfence(folder, &self.place.url(), &self.place.admin(), arguments)
    }

    /// Traces, plans from the trace, and applies it, all for one incident.
    fn contain(&self) {
        let key = self.leaked.id.as_str();
        self.run(&[
            "trace",
            "--access-key",
            key,
            "--lookup",
            "--regions",
            "us-east-1",
            "--incident",
            "INC-2041",
            "--out",
            "trace.json",
        ])
        .exits(0);
        self.run(&["plan", "--from", "trace.json", "--out", "plan.json"]).exits(0);
        self.run(&["apply", "plan.json", "--auto-approve"]).exits(0);
    }

    fn release(&self) {
        for who in [["--user", USER], ["--user", "backdoor"], ["--role", "build"]] {
            let plan = ["rollback", who[0], who[1], "--lift-fence-now", "--out", "release.json"];
            self.run(&plan).exits(0);
            self.run(&["apply", "release.json", "--auto-approve"]).exits(0);
        }
    }

    #[track_caller]
    fn report(&self, arguments: &[&str]) -> Value {
        let ran = self.run(&[&["report", "--format", "json"], arguments].concat()).exits(0);
        let report: Value = serde_json::from_str(&ran.out).unwrap();
        Schema::of("report").holds(&report);
        report
    }

    fn stages(&self) -> Vec<(String, Value, Value)> {
        let listed = self.run(&["state", "list", "--format", "json"]).exits(0);
        let listed: Value = serde_json::from_str(&listed.out).unwrap();
        let line = |line: &Value| {
            let name = line["user"].as_str().or(line["role"].as_str()).unwrap().to_owned();
            (name, line["incident"].clone(), line["incident_stage"].clone())
        };
        listed.as_array().unwrap().iter().map(line).collect()
    }
}

#[test]
fn an_incident_is_told_from_the_trace_to_the_release() {
    let incident = Incident::new();
    incident.contain();
    let id = json!("INC-2041");

    let told = incident.report(&["--incident", "INC-2041", "--trace", "trace.json"]);
    assert_eq!((&told["incident"], &told["stage"]), (&id, &json!("contained")));
    let names: Vec<&Value> = told["principals"].as_array().unwrap().iter().collect();
    assert_eq!(names.len(), 3, "{names:?}");
    assert!(names.iter().all(|one| one["standing"] == "contained"), "{names:?}");
    assert_eq!(told["trace"]["planned_from"], true);
    let kinds: Vec<&str> = told["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["kind"].as_str().unwrap())
        .collect();
    for kind in ["issued", "planned", "began", "step", "fence", "ended", "read", "fence_may_go"] {
        assert!(kinds.contains(&kind), "{kind}: {kinds:?}");
    }
    // A user was made with the leaked key: it is contained, and still there.
    let open = told["open"].to_string();
    assert!(open.contains("user backdoor, made or changed by CreateUser"), "{open}");
    let mut stages = incident.stages();
    stages.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(
        stages,
        ["backdoor", "build", USER].map(|name| (name.to_owned(), id.clone(), json!("contained")))
    );
    // The trace names the incident, and another is not it.
    assert_eq!(incident.report(&["--trace", "trace.json"])["incident"], id);
    let other = incident.run(&["report", "--trace", "trace.json", "--incident", "INC-1"]).exits(64);
    assert!(other.err.contains("the trace is of incident `INC-2041`, and not of `INC-1`"));

    // Somebody turns the key on again: it is no more contained than `status` says.
    let key = incident.leaked.id.as_str();
    let on = [("UserName", USER), ("AccessKeyId", key), ("Status", "Active")];
    incident.place.make("iam:UpdateAccessKey", &on);
    let told = incident.report(&["--user", USER]);
    assert_eq!(told["stage"], "assessed");
    assert_eq!(told["principals"][0]["standing"], "weakened");
    assert!(told["open"].to_string().contains("ringfence apply --again --user deploy-bot"));
    // The record alone does not know it, and does not claim to.
    let ran = incident.run(&["report", "--user", USER, "--offline"]).exits(0);
    assert!(ran.out.contains("By the record alone, user `deploy-bot` was last seen contained"));
    incident.run(&["apply", "--again", "--user", USER, "--auto-approve"]).exits(0);
    let told = incident.report(&["--user", USER]);
    let seen = told["timeline"].as_array().unwrap().iter().find(|one| one["kind"] == "tampering");
    let seen = seen.unwrap()["what"].as_str().unwrap();
    assert!(seen.ends_with("was found Active, and had been left Inactive"), "{seen}");

    incident.release();
    let told = incident.report(&["--incident", "INC-2041"]);
    assert_eq!(told["stage"], "released");
    assert_eq!(told["runs"].as_array().unwrap().len(), 5);
    assert!(incident.stages().iter().all(|(_, _, stage)| stage == "released"));
    let shown = incident.run(&["state", "list"]).exits(0).out;
    assert!(shown.starts_with("Incident INC-2041: released by record\n"), "{shown}");
}

#[test]
fn a_report_changes_nothing_and_its_file_is_its_owners() {
    let incident = Incident::new();
    incident.contain();
    let before = crate::support::tree(&incident.path("state"));
    let calls = incident.place.sandbox.calls().len();
    for name in ["report.html", "report.md", "report.json"] {
        let ran = incident.run(&["report", "--incident", "INC-2041", "--out", name]).exits(0);
        assert!(ran.out.ends_with(&format!("Saved {name}\n")), "{}", ran.out);
        let mode = fs::metadata(incident.path(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
    }
    assert_eq!(crate::support::tree(&incident.path("state")), before);
    let made = incident.place.sandbox.calls().split_off(calls);
    assert!(!made.is_empty());
    let reads = ["iam:Get", "iam:List", "sts:Get"];
    assert!(made.iter().all(|call| reads.iter().any(|read| call.action.starts_with(read))));

    let calls = incident.place.sandbox.calls().len();
    incident.run(&["report", "--offline", "--out", "again.html"]).exits(0);
    assert_eq!(incident.place.sandbox.calls().len(), calls, "the record alone");
    let page = fs::read_to_string(incident.path("report.html")).unwrap();
    assert!(page.contains("<h1>Incident INC-2041</h1>"));
}

#[test]
fn a_run_that_was_cut_off_is_marked_and_the_rest_is_told() {
    let incident = Incident::new();
    let key = incident.leaked.id.as_str();
    incident.run(&["plan", "--access-key", key, "--out", "plan.json"]).exits(0);
    let folder = incident.place.directory.path();
    let mut run = command(RINGFENCE, folder, &incident.place.url(), &incident.place.admin());
    let mut run = run
        .args(["apply", "plan.json", "--auto-approve"])
        .env("RINGFENCE_HALT_AT", "fence-fixed")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    assert!(stands(&mut run, "fence-fixed"));
    // It stands still and holds its lock: it is still going.
    let told = incident.report(&["--user", USER]);
    assert_eq!(told["runs"][0]["stands"], "going");
    assert!(told["marks"][0].as_str().unwrap().contains("is still going"), "{}", told["marks"]);
    run.kill().unwrap();
    run.wait().unwrap();

    let told = incident.report(&["--user", USER]);
    assert_eq!(told["runs"][0]["stands"], "cut_off");
    assert_eq!(told["stage"], "assessed");
    let mark = told["marks"][0].as_str().unwrap();
    assert!(mark.contains("was cut off: its end is not in the record"), "{mark}");
    assert!(told["open"].to_string().contains("ringfence resume --user deploy-bot"));
    incident.run(&["report", "--user", USER, "--out", "report.html"]).exits(0);
    let page = fs::read_to_string(incident.path("report.html")).unwrap();
    let (top, _) = page.split_once("<main>").unwrap();
    assert!(top.contains("was cut off"));
    incident.run(&["resume"]).exits(0);
    assert_eq!(incident.report(&["--user", USER])["marks"], json!([]));
}

#[test]
fn what_cannot_be_told_is_refused_or_said() {
    let incident = Incident::new();
    let nobody = incident.run(&["report"]).exits(1);
    assert!(nobody.err.starts_with("error: there is no record in `state`"), "{}", nobody.err);
    let unknown = incident.run(&["report", "--out", "report.pdf"]).exits(64);
    assert!(unknown.err.contains("`report.pdf` does not say what to write"), "{}", unknown.err);
    incident.contain();
    let other = incident.run(&["report", "--incident", "INC-1"]).exits(1);
    assert!(other.err.contains("there is no record of incident `INC-1`"), "{}", other.err);
    let no_trace = incident.run(&["report", "--trace", "plan.json"]).exits(1);
    assert!(no_trace.err.contains("`plan.json` is no trace"), "{}", no_trace.err);
    assert!(!incident.path("report.html").exists());

    // Without credentials it is the record alone, and says so.
    let folder = incident.place.directory.path();
    let mut without = command(RINGFENCE, folder, &incident.place.url(), &incident.place.admin());
    without.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    let said = ran(without.args(["report"])).exits(0);
    assert!(said.err.contains("warning: nothing was read for the report"), "{}", said.err);
    assert!(said.out.contains("By the record alone"), "{}", said.out);

    // A journal that is broken is told as such, with the rest.
    let state = fs::read_dir(incident.path("state/123456789012/user")).unwrap().next().unwrap();
    let runs = fs::read_dir(state.unwrap().path().join("runs")).unwrap().next().unwrap();
    let journal = runs.unwrap().path().join("journal.jsonl");
    let text = fs::read_to_string(&journal).unwrap();
    fs::write(&journal, text.replacen("run_started", "run_begun", 1)).unwrap();
    let told = incident.report(&[]);
    assert!(told["marks"].to_string().contains("the record of user"), "{}", told["marks"]);
    assert!(told["unknown"].to_string().contains("what run"), "{}", told["unknown"]);
}

#[test]
fn what_is_left_out_of_a_report_has_records_of_its_own() {
    let incident = Incident::new();
    incident.contain();
    let told = incident.report(&["--user", USER, "--trace", "trace.json"]);
    let left_out = told["left_out"].as_array().unwrap();
    let names: Vec<&str> = left_out.iter().filter_map(|one| one["user"].as_str()).collect();
    assert_eq!((left_out.len(), names.as_slice()), (2, &["backdoor"][..]), "{left_out:?}");
    assert!(left_out.iter().all(|one| one["stage"] == "contained"), "{left_out:?}");
    let open = told["open"].to_string();
    assert!(!open.contains("is not contained in this record"), "{open}");
    assert!(open.contains("has a record of its own, which this report leaves out"), "{open}");
    let ran = incident.run(&["report", "--user", USER, "--offline"]).exits(0);
    let said = "This report leaves out user `backdoor` (contained by its own record), role\n\
                `build` (contained by its own record).";
    assert!(ran.out.contains(said), "{}", ran.out);
    assert!(ran.out.starts_with("Containment of user `deploy-bot`"), "{}", ran.out);
    assert_eq!(incident.report(&["--incident", "INC-2041"])["left_out"], json!([]));

    // What the trace has found is not theirs where it is another account's.
    let text = fs::read_to_string(incident.path("trace.json")).unwrap();
    let foreign = text.replace("123456789012", "210987654321");
    fs::write(incident.path("other.json"), &foreign).unwrap();
    let told = incident.report(&["--trace", "other.json"]);
    let mark = "the trace is of account 210987654321: nobody in this record is of it";
    assert_eq!(told["marks"], json!([mark]));
    let foreign = foreign.replacen("\"incident\": \"INC-2041\",", "", 1);
    fs::write(incident.path("other.json"), foreign).unwrap();
    let refused = incident.run(&["report", "--trace", "other.json"]).exits(64);
    assert!(refused.err.contains("the trace is of account 210987654321"), "{}", refused.err);
}

#[test]
fn an_incident_is_assessed_before_anything_is_contained() {
    let incident = Incident::new();
    let key = incident.leaked.id.as_str();
    let trace = ["trace", "--access-key", key, "--lookup", "--incident", "INC-2041"];
    incident.run(&[&trace[..], &["--out", "trace.json"]].concat()).exits(0);
    let assessed = |incident: &Incident| {
        let stages = incident.stages();
        assert_eq!(stages.len(), 3, "{stages:?}");
        let of = (json!("INC-2041"), json!("assessed"));
        assert!(stages.into_iter().all(|(_, id, stage)| (id, stage) == of));
    };
    assessed(&incident);
    incident.run(&["plan", "--from", "trace.json", "--out", "plan.json"]).exits(0);
    assessed(&incident);
    let shown = incident.run(&["state", "list"]).exits(0).out;
    assert!(shown.starts_with("Incident INC-2041: assessed, no record in the store\n"), "{shown}");
    assert!(shown.contains("by plan.json") && !shown.contains("by trace.json"), "{shown}");
    // Named, they are read wherever they lie; what is neither is refused, and what only lies there is not.
    fs::create_dir(incident.path("case")).unwrap();
    fs::rename(incident.path("trace.json"), incident.path("case/trace.json")).unwrap();
    fs::rename(incident.path("plan.json"), incident.path("case/plan.json")).unwrap();
    fs::write(
        incident.path("odd.json"),
        "{\"format_version\": 1, \"ringfence_version\": 1, \"incident\": \"X\"}",
    )
    .unwrap();
    assert_eq!(incident.run(&["state", "list"]).exits(0).out, "No state in `state`.\n");
    let shown = incident.run(&["state", "list", "case/trace.json"]).exits(0).out;
    assert!(shown.contains("by case/trace.json"), "{shown}");
    let odd = incident.run(&["state", "list", "odd.json"]).exits(1).err;
    assert!(odd.contains("`odd.json` is no plan and no trace"), "{odd}");
    let other =
        incident.run(&["state", "list", "case/plan.json", "--incident", "INC-1"]).exits(0).out;
    assert_eq!(other, "No state in `state`.\n");
    incident.run(&["apply", "case/plan.json", "--auto-approve"]).exits(0);
    let stages = incident.stages();
    assert!(stages.iter().all(|(_, _, stage)| stage == "contained"), "{stages:?}");
}

#[test]
fn a_report_takes_the_place_of_nothing_that_it_is_made_of() {
    let incident = Incident::new();
    incident.contain();
    let trace = fs::read(incident.path("trace.json")).unwrap();
    fs::hard_link(incident.path("trace.json"), incident.path("linked.json")).unwrap();
    std::os::unix::fs::symlink("trace.json", incident.path("pointed.json")).unwrap();
    for out in ["trace.json", "./trace.json", "linked.json", "pointed.json"] {
        let ran = incident.run(&["report", "--trace", "trace.json", "--out", out]).exits(64);
        let said = format!("`{out}` is the trace that the report is made of");
        assert!(ran.err.contains(&said), "{}", ran.err);
    }
    assert_eq!(fs::read(incident.path("trace.json")).unwrap(), trace);
    assert!(incident.path("pointed.json").is_symlink());

    let before = crate::support::tree(&incident.path("state"));
    let user = fs::read_dir(incident.path("state/123456789012/user")).unwrap().next().unwrap();
    let state = user.unwrap().path().join("state.json");
    std::os::unix::fs::symlink(state.parent().unwrap(), incident.path("there")).unwrap();
    for out in [state.to_str().unwrap(), "there/state.json", "there/report.html"] {
        let ran = incident.run(&["report", "--out", out]).exits(64);
        assert!(ran.err.contains("is a file of the store"), "{}", ran.err);
    }
    assert_eq!(crate::support::tree(&incident.path("state")), before);
    // Whatever else is there goes, as with every `--out`.
    for _ in 0..2 {
        incident.run(&["report", "--out", "report.html"]).exits(0);
    }
    incident.run(&["report", "--out", "state/report.html"]).exits(0);
}

#[test]
fn markdown_and_the_commands_say_what_was_used() {
    let incident = Incident::new();
    incident.contain();
    incident.release();
    incident.run(&["report", "--trace", "trace.json", "--out", "report.md"]).exits(0);
    let page = fs::read_to_string(incident.path("report.md")).unwrap();
    let (told, _) = page.split_once("```sh").unwrap();
    assert!(!told.contains("\\`"), "{told}");
    let told = incident.report(&["--trace", "trace.json"]);
    let commands: Vec<&str> = told["commands"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|one| one["command"].as_str())
        .collect();
    assert!(
        told["commands"].as_array().unwrap().iter().all(|one| one["placeholders"] == json!([]))
    );
    let key = incident.leaked.id.as_str();
    let trace = format!(
        "ringfence trace --access-key {key} --lookup --regions us-east-1 --incident INC-2041 --out trace.json"
    );
    assert!(commands.contains(&trace.as_str()), "{commands:?}");
    let lifted = "ringfence rollback --user deploy-bot --lift-fence-now --out release.json";
    assert!(commands.contains(&lifted), "{commands:?}");
}

/// What was asked for beyond a plain rollback is told with it.
#[test]
fn the_commands_of_a_step_down_say_where_to_and_what_was_accepted() {
    let incident = Incident::new();
    let contain = ["--user", USER, "--posture", "lockdown", "--out", "plan.json"];
    incident.run(&[&["plan"][..], &contain].concat()).exits(0);
    incident.run(&["apply", "plan.json", "--auto-approve"]).exits(0);
    let deny = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"iam:ListSSHPublicKeys","Resource":"*"}]}"#;
    incident.place.sandbox.edit(|world| {
        let admin = world.user_mut(ACCOUNT, ADMINISTRATOR).unwrap();
        admin.permissions.inline.insert("deny".to_owned(), deny.to_owned());
    });
    let down = ["rollback", "--user", USER, "--to", "revoke", "--accept-unread"];
    let mut down: Vec<String> = down.map(str::to_owned).into();
    down.extend(["--out".to_owned(), "release.json".to_owned()]);
    let planned = incident.run(&down.iter().map(String::as_str).collect::<Vec<_>>()).exits(0);
    assert!(planned.out.contains("RingfenceHold-"), "{}", planned.out);
    incident.run(&["apply", "release.json", "--auto-approve"]).exits(0);
    let told = incident.report(&["--user", USER]);
    let commands = told["commands"].to_string();
    let same =
        format!("ringfence rollback --user {USER} --to revoke --accept-unread --out release.json");
    assert!(commands.contains(&same), "{commands}");
}

/// The folder that `tests/run` prepared, with the browser; `None`, and said, where there is none.
fn browser() -> Option<(PathBuf, PathBuf)> {
    // What is named and not there is a mistake of whoever named it, and no reason to pass.
    let variable = |name: &str| {
        let path = PathBuf::from(std::env::var_os(name)?);
        assert!(path.exists(), "{name} is `{}`, which is not there", path.display());
        Some(path)
    };
    let both = variable("RINGFENCE_BROWSER").zip(variable("RINGFENCE_CHROMIUM"));
    if both.is_none() {
        eprintln!("NOT RUN: the report in a browser: tests/run says what is missing");
    }
    both
}

/// A trace in which everything that an attacker could name is named to break out of a page.
fn spoilt(incident: &Incident) {
    let bytes = fs::read(incident.path("trace.json")).unwrap();
    let mut trace: Value = serde_json::from_slice(&bytes).unwrap();
    for one in trace["credentials"].as_array_mut().unwrap() {
        one["via"] = json!(HOSTILE);
        one["source_ips"] = json!([HOSTILE]);
    }
    for one in trace["persistence"].as_array_mut().unwrap() {
        one["name"] = json!(HOSTILE);
        one["action"] = json!(HOSTILE);
    }
    for one in trace["activity"].as_array_mut().unwrap() {
        one["action"] = json!(HOSTILE);
        one["resource"] = json!(HOSTILE);
    }
    fs::write(incident.path("spoilt.json"), serde_json::to_vec(&trace).unwrap()).unwrap();
}

#[test]
fn a_page_is_sound_in_a_real_browser() {
    let Some((tools, chromium)) = browser() else { return };
    let incident = Incident::new();
    incident.contain();
    spoilt(&incident);
    incident.run(&["report", "--trace", "trace.json", "--out", "contained.html"]).exits(0);
    incident.run(&["report", "--trace", "spoilt.json", "--out", "spoilt.html"]).exits(0);
    incident.run(&["report", "--user", USER, "--offline", "--out", "offline.html"]).exits(0);
    incident.release();
    incident.run(&["report", "--out", "released.html"]).exits(0);

    let folder = incident.place.directory.path();
    let pictures = std::env::var_os("RINGFENCE_PICTURES").unwrap_or_default();
    let mut look =
        command(tools.join("bin/python"), folder, &incident.place.url(), &incident.place.admin());
    look.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/sandbox/browser.py"))
        .arg(chromium)
        .arg(pictures);
    look.args(["contained.html", "spoilt.html", "offline.html", "released.html"]);
    let found: Value = serde_json::from_str(&ran(&mut look).exits(0).out).unwrap();
    let views = found.as_array().unwrap();
    // One page light and dark, wide and narrow; three as a person by day and a telephone by night see them.
    assert_eq!(views.len(), 4 + 3 * 2);
    for view in views {
        let none = json!([]);
        for about in ["console", "requests", "violations"] {
            assert_eq!(view[about], none, "{about} of {}: {:#}", view["view"], view[about]);
        }
        assert_eq!(view["overflow"], 0, "{} is wider than its window", view["view"]);
        assert_eq!(view["paper"], 0, "{} is wider than its sheet", view["view"]);
        if view["view"].as_str().unwrap().ends_with("-375") {
            assert_eq!(view["tables"], 0, "a table of {} is wider than a telephone", view["view"]);
        }
        assert!(view["checked"].as_u64().unwrap() > 15, "axe-core has looked at {view:#}");
        assert!(view["text"].as_u64().unwrap() > 2000 && view["pages"].as_u64().unwrap() >= 1);
    }
}
