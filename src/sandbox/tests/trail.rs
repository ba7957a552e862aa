//! What CloudTrail would have recorded, and what can be asked of it: F13, F14.

use super::*;
use crate::sandbox::World;
use crate::sandbox::in_process::sdk_config;
use aws_sdk_cloudtrail::error::ProvideErrorMetadata;
use aws_sdk_cloudtrail::types::{LookupAttribute, LookupAttributeKey};
use serde_json::Value;
use std::collections::BTreeSet;

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}"#;

fn role(stage: &Stage, name: &str) -> String {
    stage.ok("iam:CreateRole", &[("RoleName", name), ("AssumeRolePolicyDocument", TRUST)]);
    let all = [("RoleName", name), ("PolicyName", "all"), ("PolicyDocument", ALLOW_ALL)];
    stage.ok("iam:PutRolePolicy", &all);
    format!("arn:aws:iam::{ACCOUNT}:role/{name}")
}

fn assume(stage: &Stage, by: &Player, arn: &str, session: &str) -> Player {
    stage.mint(by, "sts:AssumeRole", &[("RoleArn", arn), ("RoleSessionName", session)])
}

fn events(stage: &Stage) -> Vec<Value> {
    let (events, _) = stage.sandbox.edit(|world| world.recorded(0));
    events.into_iter().map(|one| one.event).collect()
}

fn recording() -> Stage {
    let stage = Stage::new();
    stage.sandbox.edit(World::keep_trail);
    stage
}

#[test]
fn nothing_is_recorded_before_somebody_asks_for_it() {
    let stage = Stage::new();
    stage.user("bot");
    assert_eq!(stage.sandbox.edit(|world| world.recorded(0)), (Vec::new(), 0));
}

/// The chains that no public log holds: token to role, role to role.
#[test]
fn each_link_of_a_chain_stands_in_the_event_that_made_it() {
    let stage = recording();
    let key = stage.user("bot").from("198.51.100.7", "aws-cli/2.31");
    let (first, second) = (role(&stage, "first"), role(&stage, "second"));
    let token = stage.mint(&key, "sts:GetSessionToken", &[("DurationSeconds", "129600")]);
    let one = assume(&stage, &token, &first, "nightly");
    let two = assume(&stage, &one, &second, "hop");
    assert!(alive(&two));
    let all = events(&stage);
    let minted = |by: &Player| -> Vec<&Value> {
        let id = by.credentials().access_key_id.as_str();
        all.iter().filter(|event| event["userIdentity"]["accessKeyId"] == id).collect()
    };
    for (parent, child, name) in [
        (&key, &token, "GetSessionToken"),
        (&token, &one, "AssumeRole"),
        (&one, &two, "AssumeRole"),
    ] {
        let event = minted(parent).into_iter().find(|event| event["eventName"] == name).unwrap();
        let child = child.credentials().access_key_id.as_str();
        assert_eq!(event["responseElements"]["credentials"]["accessKeyId"], child);
        assert!(event["responseElements"]["credentials"]["expiration"].is_string());
    }
    let of_key = minted(&key)[0];
    assert_eq!(of_key["sourceIPAddress"], "198.51.100.7");
    assert_eq!(of_key["userAgent"], "aws-cli/2.31");
    assert_eq!(of_key["userIdentity"]["type"], "IAMUser");
    assert_eq!(of_key["requestParameters"]["durationSeconds"], 129_600);
    let hop = minted(&one)[0];
    assert_eq!(hop["userIdentity"]["type"], "AssumedRole");
    assert_eq!(hop["userIdentity"]["sessionContext"]["sessionIssuer"]["userName"], "first");
    let issued = &hop["userIdentity"]["sessionContext"]["attributes"]["creationDate"];
    assert_eq!(*issued, Timestamp::from_second(START).unwrap().to_string().as_str());
    let last = minted(&two)[0];
    assert_eq!(
        (&last["eventName"], &last["eventSource"]),
        (&"ListBuckets".into(), &"s3.amazonaws.com".into())
    );
    let ids: BTreeSet<String> = all.iter().map(|event| event["eventID"].to_string()).collect();
    assert_eq!(ids.len(), all.len());
}

#[test]
fn no_event_holds_a_secret() {
    let stage = recording();
    let key = stage.user("bot");
    let token = stage.mint(&key, "sts:GetSessionToken", &[]);
    stage.ok("iam:CreateLoginProfile", &[("UserName", "bot"), ("Password", "Correct-Horse-7")]);
    let service = [("UserName", "bot"), ("ServiceName", "codecommit.amazonaws.com")];
    let answer = stage.ok("iam:CreateServiceSpecificCredential", &service);
    let text = Value::Array(events(&stage)).to_string();
    let mut secrets = vec!["Correct-Horse-7".to_owned()];
    secrets.extend(answer.text("ServicePassword").map(str::to_owned));
    for player in [&key, &token] {
        secrets.push(player.credentials().secret_access_key.clone());
        secrets.extend(player.credentials().session_token.clone());
    }
    assert_eq!(secrets.len(), 5);
    for secret in secrets {
        assert!(!text.contains(&secret), "{secret}");
    }
    assert!(text.contains("CreateServiceSpecificCredential"));
}

#[test]
fn what_was_denied_says_so_and_gives_nothing() {
    let stage = recording();
    let key = stage.user("bot");
    stage.put("bot", "hold", DENY_ALL);
    let arn = role(&stage, "first");
    let answer = key.call("sts:AssumeRole", &[("RoleArn", &arn), ("RoleSessionName", "xx")]);
    assert_eq!(answer.code(), "AccessDenied");
    let all = events(&stage);
    let denied = all.iter().find(|event| event["eventName"] == "AssumeRole").unwrap();
    assert_eq!(denied["errorCode"], "AccessDenied");
    assert_eq!(denied["responseElements"], Value::Null);
    // Nobody is believed with a key that is off, so that nobody is recorded.
    let before = all.len();
    let id = key.credentials().access_key_id.clone();
    stage.ok(
        "iam:UpdateAccessKey",
        &[("UserName", "bot"), ("AccessKeyId", &id), ("Status", "Inactive")],
    );
    let _ = key.list_buckets();
    assert_eq!(events(&stage).len(), before + 1);
}

#[test]
fn a_call_into_another_account_is_in_both_trails() {
    let stage = recording();
    let other = "210987654321";
    let admin = stage
        .sandbox
        .edit(|world| world.add_account(other, Timestamp::from_second(START).unwrap()));
    let admin = stage.player(admin);
    ok(&admin, "iam:CreateRole", &[("RoleName", "away"), ("AssumeRolePolicyDocument", TRUST)]);
    let key = stage.user("bot");
    assume(&stage, &key, &format!("arn:aws:iam::{other}:role/away"), "nightly");
    let both: Vec<Value> =
        events(&stage).into_iter().filter(|event| event["eventName"] == "AssumeRole").collect();
    assert_eq!(both.len(), 2);
    assert_eq!(both[0]["sharedEventID"], both[1]["sharedEventID"]);
    assert_ne!(both[0]["eventID"], both[1]["eventID"]);
    assert_eq!(both[0]["recipientAccountId"], ACCOUNT);
    assert_eq!(both[1]["recipientAccountId"], other);
    assert_eq!(both[1]["userIdentity"]["type"], "AWSAccount");
    assert_eq!(both[1]["userIdentity"].get("accessKeyId"), None);
}

fn by_key(id: &str) -> LookupAttribute {
    LookupAttribute::builder()
        .attribute_key(LookupAttributeKey::AccessKeyId)
        .attribute_value(id)
        .build()
        .unwrap()
}

#[tokio::test]
async fn events_are_looked_up_by_key_page_by_page_at_the_rate_of_the_service() {
    let stage = recording();
    let key = stage.user("bot");
    for _ in 0..7 {
        let _ = key.call("iam:GetUser", &[("UserName", "bot")]);
    }
    let _ = key.get_object("a-bucket", "data");
    let client = aws_sdk_cloudtrail::Client::from_conf(
        aws_sdk_cloudtrail::config::Builder::from(&sdk_config(
            &stage.sandbox,
            &stage.sandbox.admin(),
        ))
        .retry_config(aws_sdk_cloudtrail::config::retry::RetryConfig::disabled())
        .build(),
    );
    let id = key.credentials().access_key_id.clone();
    let request = client.lookup_events().lookup_attributes(by_key(&id)).max_results(5);
    let first = request.clone().send().await.unwrap();
    assert_eq!(first.events().len(), 5);
    let next = first.next_token().unwrap();
    let second = request.clone().next_token(next).send().await.unwrap();
    // The object is a data event, which the history does not have.
    assert_eq!((second.events().len(), second.next_token()), (2, None));
    let ids =
        |reply: &aws_sdk_cloudtrail::operation::lookup_events::LookupEventsOutput| -> Vec<String> {
            reply.events().iter().map(|event| event.event_id().unwrap().to_owned()).collect()
        };
    let all: BTreeSet<String> = ids(&first).into_iter().chain(ids(&second)).collect();
    assert_eq!(all.len(), 7);
    let event: Value =
        serde_json::from_str(first.events()[0].cloud_trail_event().unwrap()).unwrap();
    assert_eq!(event["userIdentity"]["accessKeyId"], id.as_str());
    // The third within a second is one too many (F14), in this Region; another has a rate of its own.
    let code = |error: aws_sdk_cloudtrail::error::SdkError<_, _>| {
        aws_sdk_cloudtrail::operation::lookup_events::LookupEventsError::code(
            &error.into_service_error(),
        )
        .map(str::to_owned)
    };
    let refused = request.clone().send().await.unwrap_err();
    assert_eq!(code(refused).as_deref(), Some("ThrottlingException"));
    stage.wait(1);
    let other = request.clone().next_token("somebody.7").send().await.unwrap_err();
    assert_eq!(code(other).as_deref(), Some("InvalidNextTokenException"));
    stage.wait(91 * 24 * 3600);
    let late = request.send().await.unwrap();
    assert!(late.events().is_empty());
}

#[tokio::test]
async fn whoever_may_not_look_up_is_told_the_action() {
    let stage = recording();
    let key = stage.user("bot");
    stage.put("bot", "hold", DENY_ALL);
    let client = aws_sdk_cloudtrail::Client::new(&sdk_config(&stage.sandbox, key.credentials()));
    let error = client.lookup_events().send().await.unwrap_err().into_service_error();
    assert_eq!(error.code(), Some("AccessDeniedException"));
    assert!(error.message().unwrap().contains("cloudtrail:LookupEvents"), "{error:?}");
}

/// The paths of all fields, items of lists under `[]`.
fn paths(value: &Value, at: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                let path = format!("{at}.{name}");
                paths(value, &path, found);
                found.insert(path);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| paths(item, &format!("{at}[]"), found)),
        _ => {}
    }
}

/// What was recorded of AWS has these fields and no others, but for those that are named here.
#[test]
fn its_events_are_shaped_as_the_recorded_ones() {
    const FILES: [&str; 7] = [
        "execution.ec2-launch-unusual-instances",
        "persistence.iam-backdoor-role",
        "persistence.iam-create-admin-user",
        "persistence.iam-create-backdoor-role",
        "persistence.iam-create-user-login-profile",
        "persistence.sts-federation-token",
        "privilege-escalation.iam-update-user-login-profile",
    ];
    let stage = recording();
    let boundary = "arn:aws:iam::aws:policy/AWSDenyAll";
    let user = [("UserName", "mallory"), ("Tags.member.1.Key", "a"), ("Tags.member.1.Value", "b")];
    stage.ok("iam:CreateUser", &user);
    let user = ("UserName", "mallory");
    stage.ok("iam:AttachUserPolicy", &[user, ("PolicyArn", boundary)]);
    stage.ok("iam:CreateAccessKey", &[user]);
    let reset = ("PasswordResetRequired", "false");
    stage.ok("iam:CreateLoginProfile", &[user, ("Password", "Correct-Horse-7"), reset]);
    stage.ok("iam:UpdateLoginProfile", &[user, ("Password", "Correct-Horse-8")]);
    stage.ok("iam:DeleteLoginProfile", &[user]);
    let trust = ("AssumeRolePolicyDocument", TRUST);
    stage.ok("iam:CreateRole", &[("RoleName", "back"), trust, ("PermissionsBoundary", boundary)]);
    stage.ok("iam:AttachRolePolicy", &[("RoleName", "back"), ("PolicyArn", boundary)]);
    stage.ok("iam:UpdateAssumeRolePolicy", &[("RoleName", "back"), ("PolicyDocument", TRUST)]);
    let key = stage.user("bot");
    let seconds = ("DurationSeconds", "900");
    let arn = ("RoleArn", "arn:aws:iam::123456789012:role/back");
    stage.mint(&key, "sts:AssumeRole", &[arn, ("RoleSessionName", "nightly"), seconds]);
    stage.mint(&key, "sts:GetFederationToken", &[("Name", "fed"), ("Policy", ALLOW_ALL)]);
    let ours = events(&stage);
    let mut compared = BTreeSet::new();
    for file in FILES {
        let Some(text) = fixture(&format!("cloudtrail/stratus-red-team/aws.{file}.json")) else {
            return;
        };
        let recorded: Vec<Value> = serde_json::from_str(&text).unwrap();
        for theirs in recorded.iter().filter(|event| event.get("errorCode").is_none()) {
            let same = |event: &&Value| event["eventName"] == theirs["eventName"];
            let Some(own) = ours.iter().rev().find(same) else { continue };
            if theirs["userIdentity"]["type"] != own["userIdentity"]["type"] {
                continue;
            }
            let (mut own_paths, mut their_paths) = (BTreeSet::new(), BTreeSet::new());
            paths(own, "", &mut own_paths);
            paths(theirs, "", &mut their_paths);
            let name = theirs["eventName"].as_str().unwrap();
            // A loopback port has no TLS; nobody needs the token; whom tags were given and which client it
            // was are that call's own.
            let theirs_alone = [".tlsDetails", ".responseElements.credentials.sessionToken", "ags"];
            let ours_alone =
                [".packedPolicySize", ".maxSessionDuration", ".resources", "ags", "userAgent"];
            for path in their_paths.difference(&own_paths) {
                assert!(
                    theirs_alone.iter().any(|known| path.contains(known)),
                    "{name} lacks {path}"
                );
            }
            for path in own_paths.difference(&their_paths) {
                assert!(ours_alone.iter().any(|known| path.contains(known)), "{name} adds {path}");
            }
            compared.insert(name.to_owned());
        }
    }
    assert!(compared.len() >= 10, "{compared:?}");
}
