//! The rules of `examples/rego` under the engine that they are written for, over what `check` really prints.

use super::place::{Place, command, emulators, ran, ringfence, signer};
use crate::support::Ran;
use serde_json::{Value, json};
use std::fs;

const USER: &str = "deploy-bot";

/// Evaluates `main` over each document of a list, with every rule of a folder.
const ENGINE: &str = r#"
import json, pathlib, sys
sys.path.insert(0, sys.argv[1])
from opa_bindings import OpaEngine
with OpaEngine() as engine:
    for rule in sorted(pathlib.Path(sys.argv[2]).glob("*.rego")):
        engine.add_policy(rule.name, rule.read_text())
    found = [engine.eval_document("main", one) for one in json.load(open(sys.argv[3]))]
    print(json.dumps([{"deny": one["deny"], "warn": one["warn"]} for one in found]))
"#;

fn run(place: &Place, arguments: &[&str]) -> Ran {
    ringfence(place.directory.path(), &place.url(), &place.admin(), arguments)
}

/// What `check` prints of a plan.
#[track_caller]
fn checked(place: &Place, plan: &str) -> Value {
    let ran = run(place, &["check", plan, "--format", "json"]).exits(0);
    serde_json::from_str(&ran.out).unwrap()
}

/// A user with an active key, made with these parameters.
fn user(place: &Place, name: &str, with: &[(&str, &str)]) -> String {
    place.make("iam:CreateUser", &[&[("UserName", name)], with].concat());
    let made = place.make("iam:CreateAccessKey", &[("UserName", name)]);
    made.text("AccessKeyId").unwrap().to_owned()
}

/// What the rules say of each document; `None` where there is no engine for this machine.
fn rules(place: &Place, documents: &[&Value]) -> Option<Vec<Value>> {
    let engine = emulators().join("rego");
    if !engine.is_dir() {
        eprintln!("NOT RUN: the rules of examples/rego: {} is not there", engine.display());
        return None;
    }
    let folder = place.directory.path();
    fs::write(folder.join("documents.json"), serde_json::to_vec(documents).unwrap()).unwrap();
    let mut python = command(emulators().join("bin/python"), folder, &place.url(), &place.admin());
    python.args(["-c", ENGINE]).arg(engine);
    python.args([concat!(env!("CARGO_MANIFEST_DIR"), "/examples/rego"), "documents.json"]);
    let said = ran(&mut python).exits(0).out;
    Some(serde_json::from_str(&said).unwrap())
}

/// Asserts what the rules say: of each document what is denied, and what is warned of.
#[track_caller]
fn say(place: &Place, documents: &[(&Value, &[&str], &[&str])]) {
    let inputs: Vec<&Value> = documents.iter().map(|(input, ..)| *input).collect();
    let Some(found) = rules(place, &inputs) else { return };
    for (n, (said, (_, deny, warn))) in found.iter().zip(documents).enumerate() {
        assert_eq!(*said, json!({ "deny": deny, "warn": warn }), "document {n}");
    }
}

#[test]
fn what_check_prints_has_all_that_a_rule_needs() {
    let place = Place::new();
    let with = [("Path", "/ci/"), ("Tags.member.1.Key", "env"), ("Tags.member.1.Value", "prod")];
    let key = user(&place, USER, &with);
    let since = "2026-01-01T00:00:00Z";
    run(&place, &["plan", "--access-key", &key, "--since", since, "--out", "plan.json"]).exits(0);
    let before = checked(&place, "plan.json");
    let one = &before["principals"][0];
    assert_eq!(
        (&one["user"], &one["path"], &one["tags"], &one["since"], &one["fence"]),
        (&json!(USER), &json!("/ci/"), &json!({ "env": "prod" }), &json!(since), &Value::Null)
    );
    assert_eq!(one["account_id"], before["plan"]["account_id"]);
    assert_eq!(one["compromised"][0]["resource"], format!("access_key/{key}"));
    let step = &before["steps"][0];
    assert_eq!((&step["kind"], &step["action"]), (&json!("access_key"), &json!("update")));
    assert_eq!(
        (&step["effects"], &step["before"], &step["after"]),
        (&json!(["deactivate"]), &json!({ "status": "Active" }), &json!({ "status": "Inactive" }))
    );
    assert_eq!((&before["allowed"], &before["missing"]), (&json!(true), &json!(0)));
    run(&place, &["apply", "plan.json", "--auto-approve"]).exits(0);
    let after = checked(&place, "plan.json");
    let time = |name: &str| {
        after["principals"][0]["fence"][name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap()
    };
    assert_eq!(time("fence_time").duration_until(time("lift_after")), ringfence::state::LIFT_AFTER);
}

#[test]
fn a_release_too_early_takes_two() {
    let place = Place::new();
    let key = user(&place, USER, &[]);
    run(&place, &["apply", "--access-key", &key, "--auto-approve"]).exits(0);
    let rollback = ["rollback", "--user", USER, "--reactivate-key", &key, "--lift-fence-now"];
    run(&place, &[&rollback[..], &["--out", "release.json"]].concat()).exits(0);
    for person in ["alice", "bob"] {
        signer(place.directory.path(), person);
    }
    let approve = |person: &str| {
        let key = format!("key-{person}");
        run(&place, &["approve", "release.json", "--identity", &key, "--auto-approve"]).exits(0);
        checked(&place, "release.json")
    };
    let none = checked(&place, "release.json");
    let one = approve("alice");
    let two = approve("bob");
    let now: jiff::Timestamp = none["now"].as_str().unwrap().parse().unwrap();
    let mut later = none.clone();
    later["now"] = json!(now + jiff::SignedDuration::from_hours(37));
    let denied = |has: u32| {
        format!(
            "user {USER}: access_key/{key} would act again, and no fence on record is older than 36 h: \
             that takes 2 approvals, it has {has}"
        )
    };
    say(
        &place,
        &[
            (&none, &[&denied(0)], &[]),
            (&one, &[&denied(1)], &[]),
            (&two, &[], &[]),
            (&later, &[], &[]),
        ],
    );
}

#[test]
fn an_emergency_user_is_never_touched() {
    let place = Place::new();
    user(&place, USER, &[]);
    user(&place, "by-path", &[("Path", "/break-glass/eu/")]);
    let tag = [("Tags.member.1.Key", "break-glass"), ("Tags.member.1.Value", "")];
    user(&place, "by-tag", &tag);
    let plan = |name: &str| {
        run(&place, &["plan", "--user", name, "--out", "plan.json"]).exits(0);
        checked(&place, "plan.json")
    };
    let (neither, path, tag) = (plan(USER), plan("by-path"), plan("by-tag"));
    // AWS tells the tags with the user; but a rule must not rest on that.
    let mut unread = neither.clone();
    unread["principals"][0]["tags"] = Value::Null;
    say(
        &place,
        &[
            (&neither, &[], &[]),
            (&path, &["user by-path is an emergency user: its path is /break-glass/eu/"], &[]),
            (&tag, &["user by-tag is an emergency user: it has the tag break-glass"], &[]),
            (
                &unread,
                &["user deploy-bot may be an emergency user: its tags could not be read"],
                &[],
            ),
        ],
    );
}

#[test]
fn what_cannot_be_restored_takes_an_incident() {
    let place = Place::new();
    let posture = "[posture.departed]\nextends = \"lockdown\"\nlogin_profile = \"delete\"\n";
    fs::write(place.directory.path().join("ringfence.toml"), posture).unwrap();
    user(&place, USER, &[]);
    place.make("iam:CreateLoginProfile", &[("UserName", USER), ("Password", "correct-Horse-1")]);
    let plan = |more: &[&str]| {
        let plan = ["plan", "--user", USER, "--out", "plan.json"];
        run(&place, &[&plan[..], more].concat()).exits(0);
        checked(&place, "plan.json")
    };
    let bare = plan(&["--posture", "departed"]);
    let named = plan(&["--posture", "departed", "--incident", "INC-2041"]);
    let kept = plan(&["--posture", "lockdown"]);
    let denied = "user deploy-bot: login_profile cannot be restored, and the plan names no incident (--incident ID)";
    say(&place, &[(&bare, &[denied], &[]), (&named, &[], &[]), (&kept, &[], &[])]);
}

#[test]
fn a_deny_that_goes_elsewhere_is_warned_of() {
    let place = Place::new();
    user(&place, USER, &[]);
    let plan = || {
        run(&place, &["plan", "--user", USER, "--out", "plan.json"]).exits(0);
        checked(&place, "plan.json")
    };
    let inline = plan();
    let allow = |resource: &str| {
        json!({ "Version": "2012-10-17",
                "Statement": [{ "Effect": "Allow", "Action": "s3:GetObject", "Resource": resource }] })
        .to_string()
    };
    let padding = allow(&format!("arn:aws:s3:::b/{}", "x".repeat(1_850)));
    let with = [("UserName", USER), ("PolicyName", "padding"), ("PolicyDocument", &padding)];
    place.make("iam:PutUserPolicy", &with);
    let elsewhere = plan();
    let policy = elsewhere["steps"].as_array().unwrap().iter().find_map(|step| {
        (step["kind"] == "managed_policy").then(|| step["resource"].as_str().unwrap().to_owned())
    });
    for n in 0..10 {
        let (name, document) = (format!("p{n}"), allow("*"));
        place.make("iam:CreatePolicy", &[("PolicyName", &name), ("PolicyDocument", &document)]);
        let arn = format!("arn:aws:iam::{}:policy/{name}", ringfence::sandbox::ACCOUNT);
        place.make("iam:AttachUserPolicy", &[("UserName", USER), ("PolicyArn", &arn)]);
        if n == 0 {
            let with = [("UserName", USER), ("PermissionsBoundary", arn.as_str())];
            place.make("iam:PutUserPermissionsBoundary", &with);
        }
    }
    let nowhere = plan();
    let blocked = &nowhere["principals"][0]["blocked"][0];
    let [what, why] = ["what", "why"].map(|name| blocked[name].as_str().unwrap());
    say(
        &place,
        &[
            (&inline, &[], &[]),
            (
                &elsewhere,
                &[],
                &[&format!("user {USER}: no room inline, the deny goes to {}", policy.unwrap())],
            ),
            (&nowhere, &[], &[&format!("user {USER}: {what} stays open: {why}")]),
        ],
    );
}
