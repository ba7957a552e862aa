//! From a chain that no public log holds to its end: made in the sandbox, traced, planned, applied, dead.

use super::place::{Place, ringfence};
use crate::support::{Credentials, Ran};
use insta::assert_snapshot;
use ringfence::sandbox::{ACCOUNT, World, delivered};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

const ALL: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"sts:AssumeRole"}]}"#;
const WORKLOAD: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root","Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

/// What an attacker has made of a leaked key, by name.
struct Chain {
    place: Place,
    held: BTreeMap<&'static str, Credentials>,
    since: String,
}

impl Chain {
    fn new() -> Self {
        let place = Place::new();
        place.sandbox.edit(World::keep_trail);
        // It has all happened before now, by the machine's clock too.
        place.clock.forward(jiff::SignedDuration::from_hours(-2));
        let user = |name: &str| {
            place.make("iam:CreateUser", &[("UserName", name)]);
            let policy = [("UserName", name), ("PolicyName", "work"), ("PolicyDocument", ALL)];
            place.make("iam:PutUserPolicy", &policy);
            place.make("iam:CreateAccessKey", &[("UserName", name)]).credentials()
        };
        let role = |name: &str, trust: &str| {
            place
                .make("iam:CreateRole", &[("RoleName", name), ("AssumeRolePolicyDocument", trust)]);
            let policy = [("RoleName", name), ("PolicyName", "work"), ("PolicyDocument", ALL)];
            place.make("iam:PutRolePolicy", &policy);
        };
        let (leaked, innocent) = (user("deploy-bot"), user("innocent"));
        role("build", TRUST);
        role("release", WORKLOAD);
        place.clock.forward(jiff::SignedDuration::from_hours(1));
        let since = ringfence::text::whole_seconds(place.clock.now()).to_string();
        let mut chain = Self { place, held: BTreeMap::new(), since };
        chain.held.insert("leaked", leaked);
        chain.held.insert("innocent", innocent);
        chain.attack();
        chain
    }

    /// Key to token, token to role, role to role, role to a new user's key, and that to a federated token.
    fn attack(&mut self) {
        self.mint("token", "leaked", "sts:GetSessionToken", &[("DurationSeconds", "129600")]);
        self.assume("build", "token", "build", "nightly");
        self.assume("release", "build", "release", "hop");
        self.call("release", "iam:CreateUser", &[("UserName", "backdoor")]);
        let policy = [("UserName", "backdoor"), ("PolicyName", "all"), ("PolicyDocument", ALL)];
        self.call("release", "iam:PutUserPolicy", &policy);
        self.mint("backdoor", "release", "iam:CreateAccessKey", &[("UserName", "backdoor")]);
        let federated = [("Name", "partner"), ("Policy", ALL)];
        self.mint("federated", "backdoor", "sts:GetFederationToken", &federated);
        // A denied mint makes no edge; what others do is not of the lineage.
        let nobody =
            [("RoleArn", "arn:aws:iam::123456789012:role/nobody"), ("RoleSessionName", "no")];
        let denied = self.place.wire().call(&self.held["leaked"], "sts:AssumeRole", &nobody);
        assert_eq!(denied.code(), "AccessDenied");
        self.mint("innocent-token", "innocent", "sts:GetSessionToken", &[]);
        for who in ["token", "build", "release", "backdoor", "federated", "innocent-token"] {
            assert!(self.acts(who), "{who}");
        }
    }

    fn call(&self, by: &str, action: &str, with: &[(&str, &str)]) -> super::wire::Reply {
        let reply = self.place.wire().call(&self.held[by], action, with);
        assert_eq!(reply.code(), "ok", "{action} by {by}: {}", reply.body);
        reply
    }

    fn mint(&mut self, name: &'static str, by: &str, action: &str, with: &[(&str, &str)]) {
        let made = self.call(by, action, with).credentials();
        self.held.insert(name, made);
    }

    fn assume(&mut self, name: &'static str, by: &str, role: &str, session: &str) {
        let arn = format!("arn:aws:iam::{ACCOUNT}:role/{role}");
        self.mint(name, by, "sts:AssumeRole", &[("RoleArn", &arn), ("RoleSessionName", session)]);
    }

    fn acts(&self, who: &str) -> bool {
        self.place.wire().list_buckets(&self.held[who]).code() == "ok"
    }

    fn id(&self, who: &str) -> &str {
        &self.held[who].id
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        ringfence(self.place.directory.path(), &self.place.url(), &self.place.admin(), arguments)
    }

    /// What was recorded so far, as CloudTrail delivers it.
    fn deliver(&self, folder: &str) {
        let (events, _) = self.place.sandbox.edit(|world| world.recorded(0));
        for (path, text) in delivered(&events) {
            let path = self.place.directory.path().join(folder).join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    fn trace(&self, from: &[&str]) -> Value {
        let arguments = [&["trace", "--access-key", self.id("leaked"), "--format", "json"], from];
        serde_json::from_str(&self.run(&arguments.concat()).exits(0).out).unwrap()
    }

    /// The edges of a trace, by the names here.
    fn edges(&self, trace: &Value) -> BTreeSet<(String, Option<String>, Option<String>)> {
        let name = |id: &str| {
            let known = self.held.iter().find(|(_, one)| one.id == id);
            known.map_or_else(|| id.to_owned(), |(name, _)| (*name).to_owned())
        };
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let all = trace["credentials"].as_array().unwrap().iter();
        all.map(|one| {
            // What made the leaked key itself is in the files, and not among what it did.
            let parent = one["parent"].as_str().map(name);
            let via = parent.as_ref().and_then(|_| text(&one["via"]));
            (name(one["id"].as_str().unwrap()), parent, via)
        })
        .collect()
    }

    fn redacted(&self, text: &str) -> String {
        let mut text = text.replace(&self.place.url(), "http://127.0.0.1:PORT");
        for (name, one) in &self.held {
            let alias = format!("{}-{}", &one.id[..4], name.to_ascii_uppercase());
            text = text.replace(&one.id, &format!("{alias:_<20}"));
        }
        text
    }
}

fn expected() -> BTreeSet<(String, Option<String>, Option<String>)> {
    [
        ("leaked", None, None),
        ("token", Some("leaked"), Some("GetSessionToken")),
        ("build", Some("token"), Some("AssumeRole")),
        ("release", Some("build"), Some("AssumeRole")),
        ("backdoor", Some("release"), Some("CreateAccessKey")),
        ("federated", Some("backdoor"), Some("GetFederationToken")),
    ]
    .into_iter()
    .map(|(id, parent, via)| (id.to_owned(), parent.map(str::to_owned), via.map(str::to_owned)))
    .collect()
}

#[test]
fn a_chain_is_traced_completely_from_files_and_from_the_history() {
    let chain = Chain::new();
    chain.deliver("logs");
    let from_files = chain.trace(&["--logs", "logs"]);
    assert_eq!(chain.edges(&from_files), expected());
    let before = chain.place.sandbox.calls().len();
    let looked_up = chain.trace(&["--lookup", "--regions", "us-east-1", "--keep", "history"]);
    assert_eq!(chain.edges(&looked_up), expected());
    // D2.1: it has only asked.
    let asked = chain.place.sandbox.calls().split_off(before);
    assert!(!asked.is_empty());
    assert!(asked.iter().all(|call| call.action == "cloudtrail:LookupEvents"), "{asked:?}");
    // Again from what was kept: nothing is asked twice.
    let calls = chain.place.sandbox.calls().len();
    let again = chain.trace(&["--lookup", "--regions", "us-east-1", "--keep", "history"]);
    assert_eq!((chain.edges(&again), chain.place.sandbox.calls().len()), (expected(), calls));
    let unknown = looked_up["unknown"].to_string();
    assert!(unknown.contains("management events only"), "{unknown}");
    let targets: BTreeSet<&str> = from_files["targets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|target| target["name"].as_str().unwrap())
        .collect();
    assert_eq!(targets, BTreeSet::from(["backdoor", "build", "deploy-bot", "release"]));
    let left: Vec<&str> = from_files["persistence"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["live"] == true)
        .map(|one| one["kind"].as_str().unwrap())
        .collect();
    assert!(left.len() >= 3, "a user, its policy and its key: {left:?}");
}

/// Everything that the trace has found is planned together, and none of it acts afterwards.
#[test]
fn what_was_traced_is_contained_and_nothing_else() {
    let chain = Chain::new();
    chain.deliver("logs");
    let leaked = chain.id("leaked").to_owned();
    chain
        .run(&["trace", "--access-key", &leaked, "--logs", "logs", "--out", "trace.json"])
        .exits(0);
    // EC2 may assume one of the roles: whoever cuts its workloads has to say so.
    let refused = chain.run(&["plan", "--from", "trace.json", "--out", "plan.json"]).exits(4);
    assert!(refused.err.contains("--cut-workloads"), "{}", refused.err);
    let plan = [
        "plan",
        "--from",
        "trace.json",
        "--cut-workloads",
        "--since",
        &chain.since,
        "--out",
        "plan.json",
    ];
    chain.run(&plan).exits(0);
    chain.run(&["apply", "plan.json", "--auto-approve", "--settle", "0s"]);
    for who in ["leaked", "token", "build", "release", "backdoor", "federated"] {
        assert!(!chain.acts(who), "{who} still acts");
    }
    assert!(chain.acts("innocent") && chain.acts("innocent-token"));
    // What is assumed once the fence is past works.
    chain.place.clock.forward(jiff::SignedDuration::from_hours(1));
    let arn = format!("arn:aws:iam::{ACCOUNT}:role/build");
    let with = [("RoleArn", arn.as_str()), ("RoleSessionName", "later")];
    let later = chain.call("innocent", "sts:AssumeRole", &with).credentials();
    assert_eq!(chain.place.wire().list_buckets(&later).code(), "ok");
    chain.place.clock.forward(jiff::SignedDuration::from_hours(48));
    for (flag, name) in [("--user", "deploy-bot"), ("--role", "build"), ("--role", "release")] {
        chain.run(&["rollback", flag, name, "--out", "release.json"]).exits(0);
        chain.run(&["apply", "release.json", "--auto-approve"]).exits(0);
    }
    for who in ["leaked", "token", "build", "release", "backdoor"] {
        assert!(!chain.acts(who), "{who} acts again");
    }
}

/// Whoever keeps changing one of several is met by a command that contains them all.
#[test]
fn the_refusal_of_a_plan_for_many_names_them_all() {
    let chain = Chain::new();
    chain.deliver("logs");
    let leaked = chain.id("leaked").to_owned();
    let trace = ["trace", "--access-key", &leaked, "--logs", "logs", "--out", "trace.json"];
    chain.run(&trace).exits(0);
    let plan = ["plan", "--from", "trace.json", "--cut-workloads", "--out", "plan.json"];
    chain.run(&plan).exits(0);
    let trust = [("RoleName", "build"), ("PolicyDocument", WORKLOAD)];
    chain.place.make("iam:UpdateAssumeRolePolicy", &trust);
    let said = chain.run(&["apply", "plan.json", "--auto-approve"]).exits(3).err;
    let backdoor = chain.id("backdoor");
    for part in [
        "--role build",
        "--role release",
        &format!("--user deploy-bot --access-key {leaked}"),
        &format!("--user backdoor --access-key {backdoor}"),
        "--cut-workloads",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let command = said.lines().find_map(|line| line.trim().strip_prefix("ringfence ")).unwrap();
    let words: Vec<&str> = command.split(' ').chain(["--settle", "0s"]).collect();
    chain.run(&words);
    for who in ["leaked", "token", "build", "release", "backdoor", "federated"] {
        assert!(!chain.acts(who), "{who} still acts");
    }
}

/// A Region that refuses may hold everything: that is no silence.
#[test]
fn a_region_that_refuses_is_named_where_the_others_have_nothing() {
    let chain = Chain::new();
    let place = &chain.place;
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"cloudtrail:LookupEvents","Resource":"*","Condition":{"StringEquals":{"aws:RequestedRegion":"eu-west-1"}}}]}"#;
    place.make("iam:CreateUser", &[("UserName", "eye")]);
    let put = [("UserName", "eye"), ("PolicyName", "p"), ("PolicyDocument", policy)];
    place.make("iam:PutUserPolicy", &put);
    let eye = place.make("iam:CreateAccessKey", &[("UserName", "eye")]).credentials();
    let ask = ["trace", "--access-key", chain.id("leaked"), "--lookup", "--regions"];
    let ask = [&ask[..], &["eu-west-1,us-east-1"]].concat();
    let said = ringfence(place.directory.path(), &place.url(), &eye, &ask).exits(1).err;
    for part in ["has shown no event of", "us-east-1 was not read: cloudtrail:LookupEvents"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn a_plan_says_whose_work_it_stops() {
    let place = Place::new();
    place.sandbox.edit(World::keep_trail);
    place.clock.forward(jiff::SignedDuration::from_hours(-73));
    place.make("iam:CreateUser", &[("UserName", "deploy-bot")]);
    let policy = [("UserName", "deploy-bot"), ("PolicyName", "work"), ("PolicyDocument", ALL)];
    place.make("iam:PutUserPolicy", &policy);
    let key = place.make("iam:CreateAccessKey", &[("UserName", "deploy-bot")]).credentials();
    let sandbox_key = ringfence::sandbox::Credentials {
        access_key_id: key.id.clone(),
        secret_access_key: key.secret.clone(),
        session_token: None,
    };
    let player = ringfence::sandbox::Player::new(place.sandbox.clone(), sandbox_key);
    let worker = player.clone().from("10.0.3.7", "aws-sdk-java/2.21.1");
    for _ in 0..3 {
        for _ in 0..48 {
            assert!(worker.list_buckets().is_ok());
        }
        place.clock.forward(jiff::SignedDuration::from_hours(24));
    }
    let since = ringfence::text::whole_seconds(place.clock.now()).to_string();
    let thief = player.from("198.51.100.7", "aws-cli/2.31.0");
    assert!(thief.list_buckets().is_ok());
    place.clock.forward(jiff::SignedDuration::from_mins(5));
    let (events, _) = place.sandbox.edit(|world| world.recorded(0));
    // Delivered twice, by the account's trail and the organisation's: counted once.
    for folder in ["one", "two"] {
        for (path, text) in delivered(&events) {
            let path = place.directory.path().join("logs").join(folder).join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }
    let run = |usage: &str, more: &[&str]| {
        let plan = ["plan", "--access-key", &key.id, "--since", &since, "--usage", usage];
        let arguments = [&plan[..], more].concat();
        ringfence(place.directory.path(), &place.url(), &place.admin(), &arguments)
    };
    let stops = |text: &str| -> String {
        let lines = text.lines().map(str::trim);
        let wanted = |line: &&str| {
            ["stops", "nothing else", "! first seen", "no use", "! real use"]
                .iter()
                .any(|start| line.starts_with(start))
        };
        // The days are those of the test's own.
        let dated = |word: &str| word.starts_with("20") && word.matches('-').count() == 2;
        let undated = |line: &str| {
            let words = line.split(' ').map(|word| if dated(word) { "DAY" } else { word });
            words.collect::<Vec<_>>().join(" ")
        };
        lines.filter(wanted).map(undated).collect::<Vec<_>>().join("\n")
    };
    assert_snapshot!(stops(&run("logs", &[]).exits(0).out), @"
    stops 48 calls a day from 10.0.3.7 (sdk-java) to s3 in us-east-1, last 24
    nothing else had used it before the exposure
    ! first seen after the exposure: 1 call from 198.51.100.7 (aws-cli) to s3
    no use of it in the events of DAY to DAY
    ");
    assert_snapshot!(stops(&run("lookup", &[]).exits(0).out), @"
    stops 48 calls a day from 10.0.3.7 (sdk-java) to s3 in us-east-1, last 24
    nothing else had used it before the exposure
    ! first seen after the exposure: 1 call from 198.51.100.7 (aws-cli) to s3
    no use of it in the events of DAY to DAY
    ! real use that is not known: objects and other data: CloudTrail's history has
    ");
    let plan: Value =
        serde_json::from_str(&run("logs", &["--format", "json"]).exits(0).out).unwrap();
    let uses = plan["principals"][0]["usage"]["uses"].as_array().unwrap();
    assert_eq!(uses[0]["calls"], 144);
    assert_eq!((&uses[1]["calls"], &uses[1]["new"]), (&1.into(), &true.into()));
    // A plan with what it stops is applied like any other.
    run("logs", &["--out", "plan.json"]).exits(0);
    let apply = ["apply", "plan.json", "--auto-approve", "--settle", "0s"];
    ringfence(place.directory.path(), &place.url(), &place.admin(), &apply).exits(0);
    assert!(!worker.list_buckets().is_ok());
    let nothing = ringfence(
        place.directory.path(),
        &place.url(),
        &place.admin(),
        &["plan", "--user", "deploy-bot", "--usage", "nowhere"],
    );
    assert_eq!(nothing.code, 1, "{}", nothing.err);
}

#[test]
fn a_plan_starts_from_a_finding() {
    let chain = Chain::new();
    let finding = |account: &str, user_type: &str| {
        serde_json::json!({
            "id": "60aa11bb22cc33dd44ee55ff66778899",
            "accountId": account,
            "region": "us-east-1",
            "type": "UnauthorizedAccess:IAMUser/TorIPCaller",
            "severity": 5,
            "title": "API ListBuckets was invoked from a Tor exit node.",
            "resource": { "accessKeyDetails": {
                "accessKeyId": chain.id("leaked"),
                "principalId": "AIDAEXAMPLE0DEPLOYBT",
                "userName": "deploy-bot",
                "userType": user_type,
            } },
            "service": { "eventFirstSeen": chain.since, "count": 1 },
        })
    };
    let write = |name: &str, value: Value| {
        fs::write(chain.place.directory.path().join(name), value.to_string()).unwrap();
    };
    write("finding.json", finding(ACCOUNT, "IAMUser"));
    let planned = chain.run(&["plan", "--finding", "finding.json", "--format", "json"]).exits(0);
    let plan: Value = serde_json::from_str(&planned.out).unwrap();
    assert_eq!(plan["finding"]["id"], "60aa11bb22cc33dd44ee55ff66778899");
    let principal = &plan["principals"][0];
    assert_eq!(principal["since"], chain.since.as_str());
    assert_eq!(principal["compromised"][0]["why"], "finding");
    let text = chain.run(&["plan", "--finding", "finding.json"]).exits(0).out;
    assert!(text.contains("Finding  UnauthorizedAccess:IAMUser/TorIPCaller"), "{text}");
    assert!(text.contains("compromised: named by a finding of GuardDuty"), "{text}");
    write("foreign.json", finding("210987654321", "IAMUser"));
    assert_snapshot!(chain.redacted(&chain.run(&["plan", "--finding", "foreign.json"]).exits(3).err), @"
    error: the finding is about account 210987654321, the caller is in 123456789012
    hint: use credentials of that account: --profile NAME
    ");
    write("root.json", finding(ACCOUNT, "Root"));
    assert_snapshot!(chain.redacted(&chain.run(&["plan", "--finding", "root.json"]).exits(1).err), @"
    error: finding `60aa11bb22cc33dd44ee55ff66778899` starts no containment
      cause: it is about the root user, which no IAM policy can stop
    hint: sign in as root, delete its access keys, and change its password and MFA
    ");
    write(
        "two.json",
        serde_json::json!([finding(ACCOUNT, "IAMUser"), {
            "id": "other", "type": "Recon:IAMUser/UserPermissions", "accountId": ACCOUNT,
        }]),
    );
    assert_snapshot!(chain.run(&["plan", "--finding", "two.json"]).exits(1).err, @"
    error: `two.json` holds 2 findings, and a plan starts from one
    hint: ringfence findings two.json has the command for each
    ");
    write("none.json", serde_json::json!({}));
    assert_snapshot!(chain.run(&["plan", "--finding", "none.json"]).exits(1).err, @"
    error: `none.json` holds no finding
      cause: it has no `id` and `type` of a finding of GuardDuty
    ");
}
