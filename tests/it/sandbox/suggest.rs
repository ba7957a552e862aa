//! `suggest-policy` end to end: a user with broad rights works, the policy is put in place, and what was used
//! goes on working while nothing else does.

use super::place::{Place, command, emulators, ran, ringfence};
use super::wire::exchange;
use crate::support::schema::Schema;
use crate::support::{Credentials, Ran};
use jiff::SignedDuration;
use ringfence::sandbox::{World, delivered};
use serde_json::Value;
use std::fs;

const BROAD: &str = r#"{"Version":"2012-10-17","Statement":[
    {"Effect":"Allow","Action":["s3:*","iam:*","sts:*"],"Resource":"*"},
    {"Effect":"Deny","Action":"s3:DeleteBucket","Resource":"*"}]}"#;

/// A user who works from 10.0.3.7, and an attacker with the same key.
struct Desk {
    place: Place,
    key: Credentials,
    since: String,
}

impl Desk {
    fn new() -> Self {
        let place = Place::new();
        place.sandbox.edit(World::keep_trail);
        // It has all happened before now, by the machine's clock too.
        place.clock.forward(SignedDuration::from_hours(-2));
        place.make("iam:CreateUser", &[("UserName", "deploy-bot")]);
        let policy =
            [("UserName", "deploy-bot"), ("PolicyName", "work"), ("PolicyDocument", BROAD)];
        place.make("iam:PutUserPolicy", &policy);
        let key = place.make("iam:CreateAccessKey", &[("UserName", "deploy-bot")]).credentials();
        let desk = Self { place, key, since: String::new() };
        desk.works();
        desk.place.clock.forward(SignedDuration::from_hours(1));
        let since = ringfence::text::whole_seconds(desk.place.clock.now()).to_string();
        // The attacker's calls, and the work that goes on.
        for action in ["iam:ListUsers", "iam:GetAccountSummary"] {
            assert_eq!(desk.from("203.0.113.50", action, &[]), "ok", "{action}");
        }
        desk.works();
        // The AWS CLI and the SDK have the machine's clock.
        desk.place.clock.forward(SignedDuration::from_hours(1));
        Self { since, ..desk }
    }

    /// What the user really does.
    fn works(&self) {
        assert_eq!(self.from("10.0.3.7", "iam:GetUser", &[("UserName", "deploy-bot")]), "ok");
        assert_eq!(
            self.from("10.0.3.7", "iam:ListAccessKeys", &[("UserName", "deploy-bot")]),
            "ok"
        );
        assert_eq!(self.from("10.0.3.7", "sts:GetCallerIdentity", &[]), "ok");
    }

    /// Calls with the key, from an address.
    fn from(&self, address: &str, action: &str, with: &[(&str, &str)]) -> String {
        let (service, name) = action.split_once(':').unwrap();
        let version = if service == "sts" { "2011-06-15" } else { "2010-05-08" };
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("Action", name)
            .append_pair("Version", version)
            .extend_pairs(with)
            .finish();
        let request = self.place.wire().signed(&self.key, service, "POST", body.as_bytes());
        let text = String::from_utf8(request).unwrap();
        let told = text.replacen("\r\n", &format!("\r\nx-forwarded-for: {address}\r\n"), 1);
        exchange(self.place.port, told.as_bytes()).code().to_owned()
    }

    fn aws(&self, arguments: &[&str]) -> Ran {
        let program = emulators().join("cli/aws");
        let (folder, url) = (self.place.directory.path(), self.place.url());
        ran(command(program, folder, &url, &self.key).args(arguments))
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        ringfence(self.place.directory.path(), &self.place.url(), &self.place.admin(), arguments)
    }

    fn file(&self, name: &str) -> String {
        fs::read_to_string(self.place.directory.path().join(name)).unwrap()
    }

    /// What was recorded so far, as CloudTrail delivers it.
    fn deliver(&self) {
        let (events, _) = self.place.sandbox.edit(|world| world.recorded(0));
        for (path, text) in delivered(&events) {
            let path = self.place.directory.path().join("logs").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    /// Puts a file in the place of the user's policy.
    fn put(&self, file: &str) {
        let document = self.file(file);
        let policy = [
            ("UserName", "deploy-bot"),
            ("PolicyName", "work"),
            ("PolicyDocument", document.as_str()),
        ];
        self.place.make("iam:PutUserPolicy", &policy);
    }

    fn suggest(&self, more: &[&str]) -> Ran {
        let arguments = [&["suggest-policy", "--user", "deploy-bot"], more].concat();
        self.run(&arguments).exits(0)
    }
}

#[test]
fn what_was_used_goes_on_working_and_nothing_else_does() {
    let desk = Desk::new();
    desk.aws(&["s3api", "create-bucket", "--bucket", "app-data"]).exits(0);
    fs::write(desk.place.directory.path().join("body"), "hello").unwrap();
    for key in ["exports/1.csv", "exports/2.csv", "exports/3.csv"] {
        desk.aws(&["s3api", "put-object", "--bucket", "app-data", "--key", key, "--body", "body"])
            .exits(0);
    }
    desk.deliver();
    let said = desk.suggest(&["--logs", "logs", "--out", "policy.json", "--validate"]);
    assert!(said.out.contains("Access Analyzer finds nothing."), "{}", said.out);
    assert!(said.out.ends_with("Next: ringfence recover --user deploy-bot --policy policy.json\n"));
    desk.put("policy.json");
    desk.works();
    let put = ["s3api", "put-object", "--bucket", "app-data", "--body", "body", "--key"];
    desk.aws(&[&put[..], &["exports/4.csv"]].concat()).exits(0);
    let denied = |ran: Ran| {
        assert_ne!(ran.code, 0);
        assert!(ran.err.contains("(AccessDenied)"), "{}", ran.err);
    };
    denied(desk.aws(&[&put[..], &["secrets/1.csv"]].concat()));
    denied(desk.aws(&[
        "s3api",
        "get-object",
        "--bucket",
        "app-data",
        "--key",
        "exports/1.csv",
        "got",
    ]));
    for action in ["iam:ListRoles", "iam:ListGroups"] {
        assert_eq!(desk.from("10.0.3.7", action, &[]), "AccessDenied", "{action}");
    }
}

#[test]
fn what_the_attacker_did_is_set_apart_and_told() {
    let desk = Desk::new();
    desk.deliver();
    let said = desk.suggest(&["--logs", "logs", "--since", &desk.since, "--out", "policy.json"]);
    assert!(!desk.file("policy.json").contains("ListUsers"));
    let told: Vec<&str> = said.out.lines().filter(|line| line.contains("203.0.113.50")).collect();
    assert_eq!(told, [format!("  ! {} from 203.0.113.50", desk.key.id)], "{}", said.out);
    let without =
        desk.suggest(&["--logs", "logs", "--exclude-source", "203.0.113.0/24", "--format", "json"]);
    let report: Value = serde_json::from_str(&without.out).unwrap();
    Schema::of("suggest-policy").holds(&report);
    assert_eq!(report["excluded"][0]["why"], "--exclude-source 203.0.113.0/24");
    assert_eq!(report["counts"]["used"], 2);
    // With nothing said of the attacker, its calls are the user's.
    let naive = desk.suggest(&["--logs", "logs", "--format", "json"]);
    let report: Value = serde_json::from_str(&naive.out).unwrap();
    assert_eq!(report["counts"]["used"], 4);
}

#[test]
fn what_looks_like_an_address_and_is_none_is_refused() {
    let desk = Desk::new();
    desk.deliver();
    for bad in ["10.0.0.0/99", "300.1.1.1", "10.0.0", "2001:db8:::1", ""] {
        let run = ["suggest-policy", "--user", "deploy-bot", "--logs", "logs", "--exclude-source"];
        let refused = desk.run(&[&run[..], &[bad]].concat()).exits(64);
        assert!(refused.err.starts_with("error: "), "{bad}: {}", refused.err);
        assert!(refused.err.contains("--exclude-source"), "{bad}: {}", refused.err);
        assert!(refused.out.is_empty());
    }
    let idle = desk.suggest(&["--logs", "logs", "--exclude-source", "198.51.100.0/24"]);
    let told = idle.out.lines().filter(|line| line.contains("198.51.100.0/24")).count();
    assert_eq!(told, 1, "{}", idle.out);
}

#[test]
fn the_record_of_a_containment_tells_the_exposure_and_the_key() {
    let desk = Desk::new();
    desk.deliver();
    let contain = ["apply", "--access-key", &desk.key.id, "--since", &desk.since, "--auto-approve"];
    desk.run(&contain).exits(0);
    let said = desk.suggest(&["--logs", "logs", "--out", "policy.json"]);
    assert!(!desk.file("policy.json").contains("ListUsers"), "{}", said.out);
    let told = said.out.lines().filter(|line| line.contains("by the record of its")).count();
    assert_eq!(told, 2, "{}", said.out);
    let report: Value =
        serde_json::from_str(&desk.suggest(&["--logs", "logs", "--format", "json"]).out).unwrap();
    Schema::of("suggest-policy").holds(&report);
    assert_eq!(report["since_from"], "record");
    assert_eq!(report["leaked"][0]["access_key"], desk.key.id.as_str());
    // What is given counts before it.
    let given =
        desk.suggest(&["--logs", "logs", "--since", "2030-01-01T00:00Z", "--format", "json"]);
    let report: Value = serde_json::from_str(&given.out).unwrap();
    assert_eq!(report["since_from"], "given");
    assert_eq!(report["counts"]["used"], 4);
}

#[test]
fn what_an_earlier_suggestion_has_left_is_told() {
    let desk = Desk::new();
    desk.deliver();
    fs::write(desk.place.directory.path().join("policy-2.json"), "{}").unwrap();
    let said = desk.suggest(&["--logs", "logs", "--out", "policy.json"]);
    assert!(said.out.contains("! what policy-2.json is for:"), "{}", said.out);
    assert_eq!(desk.file("policy-2.json"), "{}");
}

#[test]
fn iam_knows_when_permissions_were_last_used() {
    let desk = Desk::new();
    let report = |more: &[&str]| -> Value {
        let arguments = [&["--advisor", "--format", "json"], more].concat();
        serde_json::from_str(&desk.suggest(&arguments).out).unwrap()
    };
    let all = report(&[]);
    Schema::of("suggest-policy").holds(&all);
    let used: Vec<String> = all["used"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| {
            format!("{} {}", line["action"].as_str().unwrap(), line["by"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        used,
        [
            "iam:GetAccountSummary action",
            "iam:GetUser action",
            "iam:ListAccessKeys action",
            "iam:ListUsers action",
            "sts:* service",
        ]
    );
    // Where from is not recorded: what was last used after the exposure is set aside.
    let after = report(&["--since", &desk.since]);
    assert!(after["used"].as_array().unwrap().is_empty());
    assert_eq!(after["set_aside"].as_array().unwrap().len(), 5);
}

#[test]
fn what_cannot_be_asked_is_said() {
    let desk = Desk::new();
    desk.deliver();
    let place = &desk.place;
    place.make("iam:CreateUser", &[("UserName", "reader")]);
    let policy = r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Action":["iam:Get*","iam:List*"],"Resource":"*"},
        {"Effect":"Deny","Action":"iam:GetServiceLastAccessedDetails","Resource":"*"}]}"#;
    let put = [("UserName", "reader"), ("PolicyName", "p"), ("PolicyDocument", policy)];
    place.make("iam:PutUserPolicy", &put);
    let reader = place.make("iam:CreateAccessKey", &[("UserName", "reader")]).credentials();
    let run = |more: &[&str]| {
        let arguments = [&["suggest-policy", "--user", "deploy-bot"], more].concat();
        ringfence(place.directory.path(), &place.url(), &reader, &arguments)
    };
    let said = run(&["--logs", "logs", "--validate", "--advisor"]).exits(0);
    assert!(
        said.out.contains("Access Analyzer was not asked: access-analyzer:ValidatePolicy"),
        "{}",
        said.out
    );
    assert!(said.out.contains("when permissions were last used"), "{}", said.out);
    let refused = run(&["--advisor"]).exits(1);
    assert!(
        refused.err.starts_with("error: there is nothing to suggest a policy from\n"),
        "{}",
        refused.err
    );
    let nowhere = run(&[]).exits(64);
    assert!(nowhere.err.contains("nothing says where the events are"), "{}", nowhere.err);
    let nobody = desk.run(&["suggest-policy", "--user", "nobody", "--logs", "logs"]).exits(1);
    assert!(nobody.err.contains("nobody"), "{}", nobody.err);
}

/// What the examples grant is enough, and each action of the one that is for this verb is needed.
#[test]
fn the_examples_grant_what_it_takes() {
    const PLANNER: &str = include_str!("../../../examples/planner-policy.json");
    const SUGGESTER: &str = include_str!("../../../examples/suggester-policy.json");
    let desk = Desk::new();
    let place = &desk.place;
    let with = |name: &str, suggester: &str| {
        place.make("iam:CreateUser", &[("UserName", name)]);
        for (policy, document) in [("planner", PLANNER), ("suggester", suggester)] {
            let put = [("UserName", name), ("PolicyName", policy), ("PolicyDocument", document)];
            place.make("iam:PutUserPolicy", &put);
        }
        place.make("iam:CreateAccessKey", &[("UserName", name)]).credentials()
    };
    let run = |who: &Credentials, more: &[&str]| {
        let arguments =
            ["suggest-policy", "--user", "deploy-bot", "--lookup", "--advisor", "--validate"];
        let arguments = [&arguments[..], more].concat();
        ringfence(place.directory.path(), &place.url(), who, &arguments)
    };
    let one_region = ["--regions", "us-east-1"];
    let all = run(&with("suggester", SUGGESTER), &one_region).exits(0);
    assert!(!all.out.contains("AccessDenied"), "{}", all.out);
    let policy: Value = serde_json::from_str(SUGGESTER).unwrap();
    for (n, action) in policy["Statement"][0]["Action"].as_array().unwrap().iter().enumerate() {
        let action = action.as_str().unwrap();
        let lacking = SUGGESTER.replace(action, "iam:GetUser");
        let more = if action == "account:ListRegions" { &[][..] } else { &one_region };
        let ran = run(&with(&format!("without-{n}"), &lacking), more);
        let said = format!("{}{}", ran.out, ran.err);
        assert!(
            said.contains(action) || said.replace("\n    ", " ").contains(action),
            "{action}: {said}"
        );
    }
}

/// D2.1: it reads, and the account is as before.
#[test]
fn nothing_is_changed() {
    let desk = Desk::new();
    desk.deliver();
    let policies = || {
        desk.place.make("iam:GetUserPolicy", &[("UserName", "deploy-bot"), ("PolicyName", "work")])
    };
    let before = policies().text("PolicyDocument").unwrap().to_owned();
    desk.suggest(&["--logs", "logs", "--advisor", "--validate"]);
    assert_eq!(policies().text("PolicyDocument").unwrap(), before);
    let changing = ["Put", "Create", "Delete", "Attach", "Detach", "Update"];
    let calls = desk.place.sandbox.edit(|world| world.recorded(0)).0;
    let by_admin = calls
        .iter()
        .filter(|one| one.event["userAgent"].as_str().unwrap_or_default().contains("aws-sdk-rust"));
    for one in by_admin {
        let name = one.event["eventName"].as_str().unwrap();
        assert!(!changing.iter().any(|verb| name.starts_with(verb)), "{name}");
    }
}
