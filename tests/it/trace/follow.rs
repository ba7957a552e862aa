//! What the lineage is made of, kind by kind, and what is said of it.

use super::story::{Who, assumes, at, event, makes_key, reads};
use super::{limits, question, traced};
use ringfence::trace::{CredentialKind, Question, Trace};
use serde_json::{Value, json};

const KEY: &str = "AKIAEXAMPLELEAKED001";

fn bot() -> Who {
    Who::user("deploy-bot", KEY)
}

fn of(events: &[Value], question: &Question) -> Trace {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x.json"), json!({"Records": events}).to_string()).unwrap();
    traced(folder.path(), question, &limits())
}

fn ids(trace: &Trace) -> Vec<&str> {
    trace.credentials.iter().map(|one| one.id.as_str()).collect()
}

/// An event of the console: its key, and when its session began.
fn in_console(id: &str, seconds: i64, user: &str, key: &str, began: i64) -> Value {
    let mut one = event(
        id,
        seconds,
        &Who::user(user, key),
        "ec2:DescribeInstances",
        Value::Null,
        Value::Null,
    );
    one["sessionCredentialFromConsole"] = json!("true");
    one["userIdentity"]["sessionContext"] = json!({"attributes": {"creationDate": at(began)}});
    one
}

fn signs_in(id: &str, seconds: i64, user: &str) -> Value {
    let mut one = event(
        id,
        seconds,
        &Who::user(user, ""),
        "signin:ConsoleLogin",
        Value::Null,
        json!({"ConsoleLogin": "Success"}),
    );
    one["userIdentity"].as_object_mut().unwrap().remove("accessKeyId");
    one["eventType"] = json!("AwsConsoleSignIn");
    one
}

#[test]
fn a_password_that_was_set_opens_the_console_from_then_on() {
    let set = event(
        "p",
        100,
        &bot(),
        "iam:UpdateLoginProfile",
        json!({"userName": "Alice"}),
        Value::Null,
    );
    let events = [
        // Her own session, begun before.
        in_console("own", 90, "alice", "ASIAEXAMPLEALICEOWN1", 50),
        in_console("own-later", 300, "alice", "ASIAEXAMPLEALICEOWN1", 50),
        set,
        signs_in("login", 200, "alice"),
        in_console("theirs", 210, "alice", "ASIAEXAMPLEALICE0002", 205),
        // Another user's.
        in_console("bob", 210, "bob", "ASIAEXAMPLEBOB000001", 205),
    ];
    let trace = of(&events, &question(&[KEY]));
    assert_eq!(ids(&trace), [KEY, "login_profile/123456789012/alice", "ASIAEXAMPLEALICE0002"]);
    let uses: Vec<_> = trace.credentials.iter().map(|one| (one.kind, one.uses, one.live)).collect();
    assert_eq!(
        uses,
        [
            (CredentialKind::AccessKey, Some(1), Some(true)),
            (CredentialKind::LoginProfile, Some(1), Some(true)),
            (CredentialKind::ConsoleSession, Some(1), None),
        ]
    );
    let targets: Vec<_> = trace.targets.iter().map(|target| target.name.as_str()).collect();
    assert_eq!(targets, ["alice", "deploy-bot"]);
    assert!(trace.unknown.iter().any(|unknown| unknown.what.contains("renews itself")));
}

#[test]
fn a_session_signs_in_to_the_console() {
    let session = Who::role("Reader", "s", "ASIAEXAMPLESESSION01");
    let mut token = event(
        "t",
        20,
        &session,
        "signin:GetSigninToken",
        Value::Null,
        json!({"GetSigninToken": "Success", "credentials": {"accessKeyId": "ASIAEXAMPLECONSOLE01"}}),
    );
    token["eventType"] = json!("AwsConsoleSignIn");
    let mut later = reads("u", 30, &Who::role("Reader", "s", "ASIAEXAMPLECONSOLE02"), "o");
    later["sessionCredentialFromConsole"] = json!("true");
    later["userIdentity"]["sessionContext"]["attributes"] = json!({"creationDate": at(25)});
    let events = [
        assumes("m", 10, &bot(), "Reader", "s", "ASIAEXAMPLESESSION01"),
        token,
        reads("v", 30, &Who::role("Reader", "s", "ASIAEXAMPLECONSOLE01"), "p"),
        later,
    ];
    let trace = of(&events, &question(&[KEY]));
    let found = ids(&trace);
    for key in ["ASIAEXAMPLECONSOLE01", "ASIAEXAMPLECONSOLE02"] {
        assert!(found.contains(&key), "{found:?}");
    }
}

#[test]
fn a_key_that_was_switched_off_cannot_act_and_its_sessions_can() {
    let mut exercise = vec![makes_key("k", 10, &bot(), "backup", "AKIAEXAMPLEBACKUP001")];
    let backup = Who::user("backup", "AKIAEXAMPLEBACKUP001");
    let minted = json!({"credentials": {"accessKeyId": "ASIAEXAMPLETOKEN0001", "expiration": "2026-11-22T13:40:00Z"}});
    exercise.push(event("t", 20, &backup, "sts:GetSessionToken", Value::Null, minted));
    let responder = Who::user("responder", "AKIAEXAMPLERESPOND01");
    let off =
        json!({"userName": "backup", "accessKeyId": "AKIAEXAMPLEBACKUP001", "status": "Inactive"});
    exercise.push(event("off", 500, &responder, "iam:UpdateAccessKey", off.clone(), Value::Null));
    let live = |trace: &Trace| trace.credentials.iter().map(|one| one.live).collect::<Vec<_>>();
    let trace = of(&exercise, &question(&[KEY]));
    assert_eq!(live(&trace), [Some(true), Some(false), Some(true)]);
    assert_eq!(trace.credentials[1].ended_at, Some(at(500).parse().unwrap()));
    // What the responder did is none of it.
    assert_eq!(trace.events_of_lineage, 2);
    let mut on = off;
    on["status"] = json!("Active");
    exercise.push(event("on", 600, &bot(), "iam:UpdateAccessKey", on, Value::Null));
    let trace = of(&exercise, &question(&[KEY]));
    assert_eq!(live(&trace), [Some(true), Some(true), Some(true)]);
    assert!(trace.persistence.iter().any(|made| made.kind == "access_key_status" && made.live));
}

#[test]
fn what_is_undone_is_closed_by_whomever_and_what_is_made_again_stands() {
    let attach = |id: &str, t: i64| {
        event(
            id,
            t,
            &bot(),
            "iam:AttachUserPolicy",
            json!({"userName": "x", "policyArn": "arn:aws:iam::aws:policy/A"}),
            Value::Null,
        )
    };
    let responder = Who::user("responder", "AKIAEXAMPLERESPOND01");
    let detach = event(
        "d",
        20,
        &responder,
        "iam:DetachUserPolicy",
        json!({"userName": "X", "policyArn": "arn:aws:iam::aws:policy/A"}),
        Value::Null,
    );
    let refused = super::story::denied(event(
        "r",
        25,
        &bot(),
        "iam:CreateUser",
        json!({"userName": "y"}),
        Value::Null,
    ));
    let trace = of(&[attach("a", 10), detach, refused, attach("b", 30)], &question(&[KEY]));
    let made: Vec<_> = trace
        .persistence
        .iter()
        .map(|made| (made.event_id.as_str(), made.live, made.closed_at))
        .collect();
    assert_eq!(made, [("a", false, Some(at(20).parse().unwrap())), ("b", true, None)]);
}

#[test]
fn what_the_owner_did_before_the_exposure_is_the_owners() {
    let events = [
        assumes("old", 0, &bot(), "Deployer", "ci", "ASIAEXAMPLEOWNERS001"),
        reads("ci", 5, &Who::role("Deployer", "ci", "ASIAEXAMPLEOWNERS001"), "o"),
        assumes("new", 100, &bot(), "Reader", "s", "ASIAEXAMPLETHEIRS001"),
    ];
    let since = Question { since: Some(at(50).parse().unwrap()), ..question(&[KEY]) };
    let trace = of(&events, &since);
    assert_eq!(ids(&trace), [KEY, "ASIAEXAMPLETHEIRS001"]);
    assert_eq!(trace.credentials[0].uses, Some(1));
    assert_eq!(of(&events, &question(&[KEY])).credentials.len(), 3);
}

#[test]
fn a_response_without_its_key_is_unknown_and_whoever_acts_so_is_suspect() {
    let mut silent = assumes("m", 10, &bot(), "Reader", "audit", "ASIAEXAMPLESILENT001");
    silent["responseElements"] = Value::Null;
    let mut acts = reads("u", 20, &Who::role("Reader", "audit", "ASIAEXAMPLESILENT001"), "o");
    acts["sourceIPAddress"] = json!("203.0.113.9");
    let trace = of(&[silent, acts], &question(&[KEY]));
    assert_eq!(ids(&trace), [KEY]);
    assert!(
        trace.unknown.iter().any(|unknown| unknown.what.contains("AssumeRole issued")),
        "{:?}",
        trace.unknown
    );
    let suspects: Vec<_> = trace.suspects.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(suspects, ["ASIAEXAMPLESILENT001"]);
    assert!(trace.suspects[0].why.contains("has begun"), "{}", trace.suspects[0].why);
}

#[test]
fn whoever_made_the_leaked_session_is_suspect_and_no_part_of_the_lineage() {
    let events = [
        assumes("m", 10, &bot(), "Reader", "s", "ASIAEXAMPLESESSION01"),
        reads("o", 15, &bot(), "own"),
        reads("u", 20, &Who::role("Reader", "s", "ASIAEXAMPLESESSION01"), "o"),
    ];
    let trace = of(&events, &question(&["ASIAEXAMPLESESSION01"]));
    assert_eq!(ids(&trace), ["ASIAEXAMPLESESSION01"]);
    assert_eq!(trace.credentials[0].via.as_deref(), Some("AssumeRole"));
    assert_eq!(trace.suspects[0].id, KEY);
    assert!(!trace.activity.iter().any(|row| row.resource.as_deref() == Some("data/own")));
}

#[test]
fn credentials_in_a_circle_end_where_they_began() {
    let (a, b) = ("ASIAEXAMPLECIRCLE001", "ASIAEXAMPLECIRCLE002");
    let events = [
        assumes("1", 10, &bot(), "R", "a", a),
        assumes("2", 20, &Who::role("R", "a", a), "R", "b", b),
        assumes("3", 30, &Who::role("R", "b", b), "R", "a", a),
        // As in AWS's own example.
        assumes("4", 40, &Who::role("R", "b", b), "R", "b", b),
    ];
    let trace = of(&events, &question(&[KEY]));
    let parents: Vec<_> = trace.credentials.iter().map(|one| one.parent.as_deref()).collect();
    assert_eq!(parents, [None, Some(KEY), Some(a)]);
}

#[test]
fn the_data_says_what_it_cannot_show() {
    let one = reads("u", 0, &bot(), "o");
    let what = |events: &[Value]| {
        let trace = of(events, &question(&[KEY]));
        trace.unknown.into_iter().map(|unknown| unknown.what).collect::<Vec<_>>().join("\n")
    };
    let only = what(std::slice::from_ref(&one));
    assert!(
        only.contains("credentials that were made") && only.contains("other Regions"),
        "{only}"
    );
    assert!(!only.contains("objects, functions"), "{only}");
    let gap = [one, event("g", 90_000, &bot(), "sts:GetCallerIdentity", Value::Null, Value::Null)];
    assert!(what(&gap).contains("24 hours from"), "{}", what(&gap));
    let masked = [event(
        "m",
        0,
        &Who::user("x", "AKIA****************"),
        "iam:ListUsers",
        Value::Null,
        Value::Null,
    )];
    let masked = what(&masked);
    assert!(masked.contains("masked") && masked.contains("objects, functions"), "{masked}");
    assert!(masked.contains(&format!("what {KEY} did")), "{masked}");
}
