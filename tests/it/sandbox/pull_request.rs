//! The steps of the workflow in `examples/github`, as it calls them, against a sandbox that enforces; with
//! GitHub's own part, `gh`, is one that tells what it was asked.

use super::place::{Place, RINGFENCE, command, emulators, ran, ringfence, signer};
use crate::support::{Credentials, Ran};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const USER: &str = "deploy-bot";
const ROLE: &str = "release";
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"sts:AssumeRole"}]}"#;
const POLICY: &str = "[approval]\nrequired = 1\n";
const PLANNER: &str = include_str!("../../../examples/planner-policy.json");
const RESPONDER: &str = include_str!("../../../examples/responder-policy.json");

/// Prints the comments that there are, as `--jq` would, and writes down what it was asked.
const GH: &str = r#"#!/usr/bin/env bash
set -euo pipefail
printf '%s\n' "$@" '--' >>gh.log
for argument; do
    case $argument in
        body=@*) cp "${argument#body=@}" posted.md ;;
        --jq) cat comments.tsv ;;
    esac
done
"#;

fn examples(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/github").join(path)
}

/// A repository as the workflow finds it, with an account in the sandbox.
struct Desk {
    place: Place,
    key: String,
    planner: Credentials,
    applier: Credentials,
}

impl Desk {
    fn new() -> Self {
        let place = Place::new();
        let folder = place.directory.path();
        for name in ["requests", "plans", "state", "bin"] {
            fs::create_dir(folder.join(name)).unwrap();
        }
        fs::write(folder.join("ringfence.toml"), "[limits]\nsettle = \"0s\"\n").unwrap();
        fs::write(folder.join("state/policy.toml"), POLICY).unwrap();
        fs::write(folder.join("comments.tsv"), "").unwrap();
        let gh = folder.join("bin/gh");
        fs::write(&gh, GH).unwrap();
        fs::set_permissions(&gh, fs::Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::symlink(RINGFENCE, folder.join("bin/ringfence")).unwrap();
        let key = victim(&place);
        let planner = with_policy(&place, "planner", PLANNER);
        let applier = with_policy(&place, "applier", RESPONDER);
        let desk = Self { place, key, planner, applier };
        let request =
            format!("# leaked\naccess-key = {}\nposture = revoke\nincident = INC-7\n", desk.key);
        fs::write(desk.path("requests/leak-7.txt"), request).unwrap();
        signer(desk.place.directory.path(), "alice");
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.directory.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Runs a step as the workflow does.
    fn step(&self, who: &Credentials, script: &str, arguments: &[&str]) -> Ran {
        let script = examples("scripts").join(script);
        let mut step = command(script, self.place.directory.path(), &self.place.url(), who);
        step.args(arguments)
            .env("PATH", format!("{}:/usr/bin:/bin", self.path("bin").display()))
            .env("RINGFENCE_STORE", "state")
            .env("GITHUB_REPOSITORY", "ORG/REPO")
            .env("GITHUB_RUN_ID", "42")
            .env("GITHUB_STEP_SUMMARY", self.path("summary.md"))
            .env("PULL_REQUEST", "7");
        ran(&mut step)
    }

    /// Whether the leaked key works.
    fn active(&self) -> bool {
        let listed = self.place.make("iam:ListAccessKeys", &[("UserName", USER)]);
        listed.text("Status") == Some("Active")
    }

    fn commit_the_plan(&self) {
        fs::copy(self.path("out/leak-7.json"), self.path("plans/leak-7.json")).unwrap();
    }

    /// An approver has a key and the file, and no rights in AWS at all.
    fn sign(&self) {
        let signed = Command::new("ssh-keygen")
            .args(["-q", "-Y", "sign", "-n", "ringfence-plan", "-f", "key-alice"])
            .arg("plans/leak-7.json")
            .current_dir(self.place.directory.path())
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .status()
            .unwrap();
        assert!(signed.success());
        let sig = self.path("plans/leak-7.json.sig");
        fs::rename(sig, self.path("plans/leak-7.json.alice.sig")).unwrap();
    }
}

/// A user with a leaked key, and something of everything that a plan reads.
fn victim(place: &Place) -> String {
    place.make("iam:CreateUser", &[("UserName", USER), ("Path", "/ci/")]);
    let allow = crate::support::ALLOW_ALL;
    place.make("iam:CreateGroup", &[("GroupName", "devs")]);
    place.make("iam:AddUserToGroup", &[("GroupName", "devs"), ("UserName", USER)]);
    let inline = [("PolicyName", "work"), ("PolicyDocument", allow)];
    place.make("iam:PutUserPolicy", &[&[("UserName", USER)], &inline[..]].concat());
    place.make("iam:PutGroupPolicy", &[&[("GroupName", "devs")], &inline[..]].concat());
    place.make("iam:CreatePolicy", &inline);
    let arn = format!("arn:aws:iam::{}:policy/work", ringfence::sandbox::ACCOUNT);
    place.make("iam:AttachUserPolicy", &[("UserName", USER), ("PolicyArn", &arn)]);
    place.make("iam:CreateLoginProfile", &[("UserName", USER), ("Password", "correct-Horse-1")]);
    place.make("iam:CreateRole", &[("RoleName", ROLE), ("AssumeRolePolicyDocument", TRUST)]);
    place.make("iam:PutRolePolicy", &[&[("RoleName", ROLE)], &inline[..]].concat());
    let made = place.make("iam:CreateAccessKey", &[("UserName", USER)]);
    made.text("AccessKeyId").unwrap().to_owned()
}

/// A user of that name with a policy, attached: it is too long for an inline one.
fn with_policy(place: &Place, name: &str, document: &str) -> Credentials {
    let document: Value = serde_json::from_str(document).unwrap();
    place.make("iam:CreateUser", &[("UserName", name)]);
    let document = document.to_string();
    place.make("iam:CreatePolicy", &[("PolicyName", name), ("PolicyDocument", &document)]);
    let arn = format!("arn:aws:iam::{}:policy/{name}", ringfence::sandbox::ACCOUNT);
    place.make("iam:AttachUserPolicy", &[("UserName", name), ("PolicyArn", &arn)]);
    let made = place.make("iam:CreateAccessKey", &[("UserName", name)]);
    let text = |element: &str| made.text(element).unwrap().to_owned();
    Credentials::new(&text("AccessKeyId"), &text("SecretAccessKey"))
}

#[test]
fn from_the_request_to_the_status() {
    let desk = Desk::new();
    desk.step(&desk.planner, "plan.sh", &["out", "leak-7"]).ok();
    let planned = desk.read("out/leak-7.md");
    let account = ringfence::sandbox::ACCOUNT;
    let marker = format!("<!-- ringfence:plan user={USER} account={account} -->");
    assert_eq!(planned.lines().next(), Some(marker.as_str()));
    assert!(planned.contains("It needs 1 approval (every plan); 1 missing."), "{planned}");
    assert!(planned.contains("gh run download 42 --name plans --dir plans"), "{planned}");

    // The comment: made once, then found again, though somebody else has written the same marker before.
    let comment = || desk.step(&desk.planner, "comment.sh", &["out/leak-7.md"]).ok();
    comment();
    let log = desk.read("gh.log");
    assert!(log.contains("POST\nrepos/ORG/REPO/issues/7/comments\n"), "{log}");
    assert!(log.contains("select(.user.login == \"github-actions[bot]\")"), "{log}");
    assert_eq!(desk.read("posted.md"), planned);
    fs::write(desk.path("comments.tsv"), format!("11\tsomething else\n12\t{marker}\n")).unwrap();
    fs::remove_file(desk.path("gh.log")).unwrap();
    comment();
    let log = desk.read("gh.log");
    assert!(log.contains("PATCH\nrepos/ORG/REPO/issues/comments/12\n"), "{log}");
    assert!(!log.contains("POST"), "{log}");

    // Nothing is applied before it is committed and approved.
    desk.step(&desk.planner, "check.sh", &["leak-7"]).exits(1);
    desk.step(&desk.applier, "apply.sh", &["leak-7"]).exits(0);
    desk.commit_the_plan();
    desk.step(&desk.planner, "check.sh", &["leak-7"]).exits(4);
    let refused = desk.step(&desk.applier, "apply.sh", &["leak-7"]).exits(4);
    assert!(refused.err.contains("has 0 of 1 approval it needs"), "{}", refused.err);
    assert!(desk.active());

    desk.sign();
    desk.step(&desk.planner, "plan.sh", &["out", "leak-7"]).ok();
    let shown = desk.read("out/leak-7.md");
    assert!(shown.starts_with(&marker) && shown.contains("- Approved by alice ("), "{shown}");
    assert!(!shown.contains("not committed yet"), "{shown}");
    desk.step(&desk.planner, "check.sh", &["leak-7"]).ok();
    desk.step(&desk.applier, "apply.sh", &["leak-7"]).exits(0);
    assert!(!desk.active());
    desk.step(&desk.planner, "status.sh", &[]).exits(0);
    // Once only.
    desk.step(&desk.applier, "apply.sh", &["leak-7"]).exits(3);

    let again = [("UserName", USER), ("AccessKeyId", desk.key.as_str()), ("Status", "Active")];
    desk.place.make("iam:UpdateAccessKey", &again);
    let status = desk.step(&desk.planner, "status.sh", &[]).exits(2);
    assert!(status.out.contains("weakened"), "{}", status.out);
    assert!(desk.read("summary.md").ends_with(&status.out));
}

/// Asserts that of two comments for one plan only the lines at the end differ that must.
#[track_caller]
fn only_the_end_differs(one: &str, other: &str) {
    let cut = |text: &str| {
        let (stable, end) = text.split_once("<details><summary>As read").unwrap();
        (stable.to_owned(), end.to_owned())
    };
    let ((first, end), (second, other)) = (cut(one), cut(other));
    assert_eq!(first, second);
    assert_ne!(end, other);
    let differs = end.lines().zip(other.lines()).filter(|(one, other)| one != other);
    for (line, _) in differs {
        let must = ["- Read ", "stands for", "last recorded use", "Saved "];
        assert!(must.iter().any(|word| line.contains(word)), "{line}");
    }
    assert_eq!(end.lines().count(), other.lines().count());
}

#[test]
fn planned_again_only_the_end_of_the_comment_differs() {
    let desk = Desk::new();
    fs::remove_file(desk.path("state/policy.toml")).unwrap();
    fs::write(desk.path("requests/back.txt"), format!("release = {USER}\n")).unwrap();
    let both = |name: &str| {
        let plan = |out: &str| {
            desk.step(&desk.planner, "plan.sh", &[out, name]).ok();
            let text = desk.read(&format!("{out}/{name}.md"));
            fs::remove_dir_all(desk.path(out)).unwrap();
            text
        };
        let one = plan("one");
        // No more: the program's clock is the machine's, and a service takes 15 minutes between the two.
        desk.place.clock.forward(jiff::SignedDuration::from_mins(6));
        only_the_end_differs(&one, &plan("two"));
        one
    };
    both("leak-7");
    desk.step(&desk.planner, "plan.sh", &["out", "leak-7"]).ok();
    desk.commit_the_plan();
    desk.step(&desk.applier, "apply.sh", &["leak-7"]).exits(0);
    let release = both("back");
    assert!(release.contains("sessions it stops may live until then"), "{release}");
}

#[test]
fn a_request_is_read_and_never_run() {
    let desk = Desk::new();
    for bad in [
        "user = $(touch broken)",
        "user = a; touch broken",
        "user = `touch broken`",
        "--profile = x",
        "user=-",
        "endpoint-url = http://127.0.0.1:1",
        "user\n= x",
        "posture = a b",
    ] {
        fs::write(desk.path("requests/bad.txt"), bad).unwrap();
        let refused = desk.step(&desk.planner, "plan.sh", &["out", "bad"]);
        assert_ne!(refused.code, 0, "{bad}");
        assert!(!desk.path("broken").exists(), "{bad}");
    }
    // One that is wrong keeps no other from its comment.
    desk.step(&desk.planner, "plan.sh", &["out", "bad", "leak-7"]).exits(1);
    assert!(desk.read("out/leak-7.md").starts_with("<!-- ringfence:plan "));
    fs::write(desk.path("forged.md"), "no marker\n").unwrap();
    desk.step(&desk.planner, "comment.sh", &["forged.md"]).exits(1);
    assert!(!desk.path("gh.log").exists());
}

#[test]
fn a_comment_that_is_too_long_is_cut_to_its_summary() {
    let desk = Desk::new();
    let marker = "<!-- ringfence:plan user=x account=111122223333 -->";
    let long = format!("{marker}\n\nsummary\n\n<details>\n{}\n</details>\n", "x".repeat(70_000));
    fs::write(desk.path("long.md"), long).unwrap();
    desk.step(&desk.planner, "comment.sh", &["long.md"]).ok();
    let posted = desk.read("posted.md");
    assert!(posted.starts_with(&format!("{marker}\n\nsummary\n\n")), "{posted}");
    assert!(posted.len() < 300 && posted.contains("too long"), "{posted}");
}

#[test]
fn a_change_is_about_what_its_files_name() {
    let desk = Desk::new();
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.args([
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@t.invalid",
            "-c",
            "commit.gpgsign=false",
        ]);
        git.args(arguments).current_dir(desk.place.directory.path()).env_clear();
        git.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", desk.path("."));
        assert!(ran(&mut git).code == 0, "{arguments:?}");
    };
    let commit = || {
        git(&["add", "-f", "requests", "plans"]);
        git(&["commit", "-q", "--allow-empty", "-m", "change"]);
    };
    let names = || {
        let mut names = command(
            examples("scripts/names.sh"),
            desk.place.directory.path(),
            &desk.place.url(),
            &desk.planner,
        );
        names.args(["HEAD^1", "HEAD"]).env("PATH", "/usr/local/bin:/usr/bin:/bin");
        ran(&mut names)
    };
    git(&["init", "-q"]);
    commit();
    fs::write(desk.path("plans/leak-7.json"), "{}").unwrap();
    fs::write(desk.path("plans/leak-7.json.alice.sig"), "").unwrap();
    fs::write(desk.path("requests/other.txt"), "user = x\n").unwrap();
    commit();
    assert_eq!(names().ok().out, "leak-7\nother\n");
    commit();
    assert_eq!(names().ok().out, "");
    fs::write(desk.path("plans/leak-7.json"), "{ }").unwrap();
    commit();
    let refused = names().exits(1);
    assert!(refused.err.contains("is there already"), "{}", refused.err);
    for bad in ["requests/a b.txt", "requests/$(x).txt", "plans/x.sh", "requests/-x.txt"] {
        fs::write(desk.path(bad), "x").unwrap();
        commit();
        names().exits(1);
        fs::remove_file(desk.path(bad)).unwrap();
        commit();
    }
}

/// The planner's policy without an action.
fn without(policy: &str, action: &str) -> String {
    let mut policy: Value = serde_json::from_str(policy).unwrap();
    for statement in policy["Statement"].as_array_mut().unwrap() {
        if let Some(actions) = statement["Action"].as_array_mut() {
            actions.retain(|one| one != action);
        }
    }
    policy.to_string()
}

#[test]
fn the_planner_can_plan_and_nothing_else() {
    let desk = Desk::new();
    let folder = desk.place.directory.path();
    let run = |who: &Credentials, arguments: &[&str]| {
        ringfence(folder, &desk.place.url(), who, arguments)
    };
    let plan = ["plan", "--access-key", &desk.key, "--role", ROLE, "--full", "--strict"];
    run(&desk.planner, &plan).ok();
    fs::remove_file(desk.path("state/policy.toml")).unwrap();
    // The applier's policy is what makes the difference, not the plan.
    let applied =
        run(&desk.planner, &["apply", "--access-key", &desk.key, "--auto-approve"]).exits(6);
    assert!(applied.out.contains("AccessDenied"), "{}", applied.out);
    assert!(desk.active());
    run(&desk.applier, &["resume"]);
    run(&desk.applier, &["apply", "--again", "--user", USER, "--auto-approve"]).exits(0);
    assert!(!desk.active());
}

/// What needs no permission, or is asked only where something else is missing.
const NOT_MISSED: [(&str, &str); 3] = [
    ("iam:ListUserTags", "GetUser tells the tags as well"),
    ("sts:GetCallerIdentity", "no policy can deny it"),
    ("sts:GetAccessKeyInfo", "asked only for a key of another account"),
];

#[test]
fn whatever_the_planner_lacks_is_missed() {
    let desk = Desk::new();
    let policy: Value = serde_json::from_str(PLANNER).unwrap();
    let actions = policy["Statement"].as_array().unwrap().iter().flat_map(|statement| {
        statement["Action"].as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned())
    });
    for (n, action) in actions.enumerate() {
        let who = with_policy(&desk.place, &format!("without-{n}"), &without(PLANNER, &action));
        let plan =
            ["plan", "--access-key", &desk.key, "--role", ROLE, "--full", "--format", "json"];
        let ran = ringfence(desk.place.directory.path(), &desk.place.url(), &who, &plan);
        let said = format!("{}{}", ran.out, ran.err).contains(&action);
        let missed = !NOT_MISSED.iter().any(|(other, _)| *other == action);
        assert_eq!(said, missed, "{action}: exit {}\n{}", ran.code, ran.err);
    }
}

/// What the applier may not do stays open, and everything else is done; with all of it nothing is open.
#[test]
fn whatever_the_applier_lacks_stays_open() {
    const POSTURE: &str = "[limits]\nsettle = \"0s\"\n[posture.departed]\nextends = \"lockdown\"\n\
                           groups = \"remove\"\nlogin_profile = \"delete\"\n";
    let padding = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/{}"}}}}"#,
        "x".repeat(1_700)
    );
    for (lacks, full_quota) in [
        ("nothing", false),
        ("nothing", true),
        ("TurnKeysOffAndOn", false),
        ("WriteFenceAndHoldInline", false),
        ("AttachOnlyDenies", false),
        ("LeaveAndRejoinGroups", false),
        ("DeletePasswords", false),
        ("WriteFenceAndHoldAsPolicies", true),
        ("WriteFenceAndHoldIntoRoles", false),
        ("AttachOnlyDeniesToRoles", false),
    ] {
        let place = Place::new();
        victim(&place);
        if full_quota {
            let with =
                [("UserName", USER), ("PolicyName", "padding"), ("PolicyDocument", &*padding)];
            place.make("iam:PutUserPolicy", &with);
        }
        let mut policy: Value = serde_json::from_str(RESPONDER).unwrap();
        policy["Statement"].as_array_mut().unwrap().retain(|one| one["Sid"] != lacks);
        let who = with_policy(&place, "applier", &policy.to_string());
        let folder = place.directory.path();
        fs::write(folder.join("ringfence.toml"), POSTURE).unwrap();
        let apply =
            ["apply", "--user", USER, "--role", ROLE, "--posture", "departed", "--auto-approve"];
        let ran = ringfence(folder, &place.url(), &who, &apply);
        let expected = if lacks == "nothing" { 0 } else { 6 };
        assert_eq!(ran.code, expected, "{lacks}: {}{}", ran.out, ran.err);
    }
}

/// Who each trust policy lets in, asked of an evaluator that nobody here wrote.
#[test]
fn only_the_environment_gets_the_applier() {
    use awsim_iam_policy::{AuthzRequest, ContextValue, Decision, EvalContext, evaluate};
    use std::collections::HashMap;
    let lets_in = |file: &str, audience: &str, subject: &str| {
        let mut policy: Value = serde_json::from_slice(&fs::read(examples(file)).unwrap()).unwrap();
        let statement = &mut policy["Statement"][0];
        assert_eq!(statement["Action"], "sts:AssumeRoleWithWebIdentity");
        // As a policy of the caller's, so that only the conditions decide.
        statement.as_object_mut().unwrap().remove("Principal").unwrap();
        statement["Resource"] = json!("*");
        let policies = [awsim_iam_policy::parse_value(&policy).unwrap()];
        let claim = |name: &str, value: &str| {
            let key = format!("token.actions.githubusercontent.com:{name}");
            (key, ContextValue::StringList(vec![value.to_owned()]))
        };
        let context: HashMap<_, _> = [claim("aud", audience), claim("sub", subject)].into();
        let request = AuthzRequest {
            principal_arn: "arn:aws:iam::111122223333:user/any",
            principal_account: "111122223333",
            action: "sts:AssumeRoleWithWebIdentity",
            resource_arn: "arn:aws:iam::111122223333:role/any",
            context: &context,
        };
        let policies = EvalContext {
            identity_policies: &policies,
            permissions_boundary: None,
            resource_policy: None,
            scps: &[],
            session_policy: None,
        };
        matches!(evaluate(&request, &policies), Decision::Allow)
    };
    let aws = "sts.amazonaws.com";
    let repository = "repo:ORG@ORG_ID/REPO@REPO_ID";
    for (subject, planner, applier) in [
        (format!("{repository}:pull_request"), true, false),
        (format!("{repository}:ref:refs/heads/main"), true, false),
        (format!("{repository}:environment:containment"), false, true),
        (format!("{repository}:ref:refs/heads/other"), false, false),
        (format!("{repository}:environment:other"), false, false),
        (format!("{repository}-2:environment:containment"), false, false),
        ("repo:OTHER@1/REPO@2:environment:containment".to_owned(), false, false),
    ] {
        assert_eq!(lets_in("planner-trust.json", aws, &subject), planner, "{subject}");
        assert_eq!(lets_in("applier-trust.json", aws, &subject), applier, "{subject}");
        assert!(!lets_in("applier-trust.json", "another", &subject), "{subject}");
    }
}

/// What the workflow's YAML holds, read by a parser: nothing that others write gets into a shell.
#[test]
fn the_workflow_hands_nothing_of_others_to_a_shell() {
    const READ: &str =
        "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))";
    let place = Place::new();
    let python = emulators().join("bin/python");
    let mut read = command(python, place.directory.path(), &place.url(), &place.admin());
    let workflow: Value =
        serde_json::from_str(&ran(read.args(["-c", READ]).arg(examples("ringfence.yml"))).ok().out)
            .unwrap();
    assert_eq!(workflow["permissions"], json!({}));
    let jobs = workflow["jobs"].as_object().unwrap();
    assert_eq!(jobs.len(), 4);
    let mut scripts = 0;
    for (name, job) in jobs {
        let writes: Vec<_> = job["permissions"].as_object().unwrap().iter().collect();
        let token = writes.iter().any(|(what, how)| *what == "id-token" && **how == "write");
        let comments = writes.iter().any(|(what, _)| *what == "pull-requests");
        assert_ne!(token, comments, "{name}: one or the other");
        assert_eq!(job["environment"] == "containment", name == "apply");
        for step in job["steps"].as_array().unwrap() {
            if let Some(uses) = step["uses"].as_str() {
                let (_, version) = uses.split_once('@').unwrap();
                let major = version.strip_prefix('v').is_some_and(|n| n.parse::<u32>().is_ok());
                assert!(major || version.len() == 40, "{uses}");
            }
            if let Some(run) = step["run"].as_str() {
                assert!(!run.contains("${{"), "{name}: {run}");
                for script in run.split_whitespace().filter(|word| word.starts_with("scripts/")) {
                    scripts += 1;
                    let mode = fs::metadata(examples(script)).unwrap().permissions().mode();
                    assert_eq!(mode & 0o111, 0o111, "{script}");
                }
            }
        }
    }
    assert_eq!(scripts, 7);
}
