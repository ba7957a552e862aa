//! Findings of GuardDuty in every shape, and what can be begun with them.

use ringfence::finding::{Finding, Findings, read};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const KEY: &str = "AKIAEXAMPLE0LEAKED01";

/// One finding as GuardDuty writes it to EventBridge and S3.
fn plain() -> Value {
    json!({
        "schemaVersion": "2.0",
        "accountId": "123456789012",
        "region": "eu-west-1",
        "id": "60aa11bb22cc33dd44ee55ff66778899",
        "type": "UnauthorizedAccess:IAMUser/TorIPCaller",
        "severity": 5,
        "title": "API ListBuckets was invoked from a Tor exit node.",
        "createdAt": "2026-11-21T02:10:00.000Z",
        "updatedAt": "2026-11-21T03:00:00.000Z",
        "resource": {
            "resourceType": "AccessKey",
            "accessKeyDetails": {
                "accessKeyId": KEY,
                "principalId": "AIDAEXAMPLE0DEPLOYBT",
                "userName": "deploy-bot",
                "userType": "IAMUser",
            },
        },
        "service": {
            "serviceName": "guardduty",
            "count": 7,
            "archived": false,
            "eventFirstSeen": "2026-11-21T01:40:00Z",
            "eventLastSeen": "2026-11-21T02:55:00Z",
            "additionalInfo": { "value": "{\"threatListName\":\"x\"}", "type": "default" },
            "action": {
                "actionType": "AWS_API_CALL",
                "awsApiCallAction": {
                    "api": "ListBuckets",
                    "serviceName": "s3.amazonaws.com",
                    "remoteIpDetails": { "ipAddressV4": "198.51.100.7" },
                },
            },
        },
    })
}

/// The same in the AWS CLI's words: names begin large.
fn large(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .map(|(name, value)| {
                let mut letters = name.chars();
                let first = letters.next().unwrap().to_ascii_uppercase();
                (std::iter::once(first).chain(letters).collect::<String>(), large(value))
            })
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Array(items) => items.iter().map(large).collect::<Vec<_>>().into(),
        other => other.clone(),
    }
}

/// The same as Security Hub passes it on.
fn hub() -> Value {
    json!({
        "SchemaVersion": "2018-10-08",
        "Id": "arn:aws:guardduty:eu-west-1:123456789012:detector/d/finding/60aa11bb22cc33dd44ee55ff66778899",
        "ProductArn": "arn:aws:securityhub:eu-west-1::product/aws/guardduty",
        "AwsAccountId": "123456789012",
        "Types": ["TTPs/UnauthorizedAccess/UnauthorizedAccess:IAMUser-TorIPCaller"],
        "FirstObservedAt": "2026-11-21T01:40:00Z",
        "LastObservedAt": "2026-11-21T02:55:00Z",
        "Severity": { "Product": 5, "Normalized": 50 },
        "Title": "API ListBuckets was invoked from a Tor exit node.",
        "RecordState": "ACTIVE",
        "ProductFields": {
            "aws/guardduty/service/count": "7",
            "aws/guardduty/service/eventFirstSeen": "2026-11-21T01:40:00Z",
            "aws/guardduty/service/eventLastSeen": "2026-11-21T02:55:00Z",
            "aws/guardduty/service/action/awsApiCallAction/api": "ListBuckets",
            "aws/guardduty/service/action/awsApiCallAction/serviceName": "s3.amazonaws.com",
            "aws/guardduty/service/action/awsApiCallAction/remoteIpDetails/ipAddressV4": "198.51.100.7",
        },
        "Resources": [{
            "Type": "AwsIamAccessKey",
            "Id": format!("AWS::IAM::AccessKey:{KEY}"),
            "Details": { "AwsIamAccessKey": {
                "PrincipalId": "AIDAEXAMPLE0DEPLOYBT",
                "PrincipalName": "deploy-bot",
                "PrincipalType": "IAMUser",
            } },
        }],
    })
}

fn one(text: &str) -> Finding {
    let Findings { mut findings, skipped } = read(text.as_bytes());
    assert_eq!((findings.len(), skipped), (1, None), "{text}");
    findings.pop().unwrap()
}

#[test]
fn every_shape_says_the_same() {
    let plain = plain();
    let expected = one(&plain.to_string());
    assert_eq!(expected.credentials[0].access_key_id.as_deref(), Some(KEY));
    assert_eq!(expected.call.as_deref(), Some("s3.amazonaws.com ListBuckets"));
    let event =
        json!({ "source": "aws.guardduty", "detail-type": "GuardDuty Finding", "detail": plain });
    let hub_event = json!({ "source": "aws.securityhub", "detail": { "findings": [hub()] } });
    for (name, text) in [
        ("the API, by an SDK", json!({ "findings": [plain] }).to_string()),
        ("the API, by the CLI", json!({ "Findings": [large(&plain)] }).to_string()),
        ("EventBridge", event.to_string()),
        ("an export: one a line", format!("{plain}\n{plain}\n")),
        ("a list", json!([plain]).to_string()),
        ("with a byte-order mark", format!("\u{feff}{plain}")),
        ("Security Hub", json!({ "Findings": [hub()] }).to_string()),
        ("Security Hub by EventBridge", hub_event.to_string()),
    ] {
        assert_eq!(one(&text), expected, "{name}");
    }
}

#[test]
fn a_containment_starts_from_the_key_and_the_time() {
    let start = one(&plain().to_string()).start().unwrap();
    assert_eq!(start.keys.iter().map(|key| key.as_str()).collect::<Vec<_>>(), [KEY]);
    assert_eq!(start.since, Some("2026-11-21T01:40:00Z".parse().unwrap()));
    assert!(start.users.is_empty() && start.roles.is_empty());
    // A temporary key has no status and no owner to look up: its user is meant.
    let mut finding = plain();
    finding["resource"]["accessKeyDetails"]["accessKeyId"] = "ASIAEXAMPLE0TOKEN001".into();
    let start = one(&finding.to_string()).start().unwrap();
    assert!(start.keys.is_empty());
    assert_eq!(start.users.iter().map(|user| user.as_str()).collect::<Vec<_>>(), ["deploy-bot"]);
    finding["resource"]["accessKeyDetails"]["userType"] = "AssumedRole".into();
    finding["resource"]["accessKeyDetails"]["userName"] = "release".into();
    assert_eq!(one(&finding.to_string()).start().unwrap().roles, ["release"]);
}

#[test]
fn what_names_nobody_is_refused_with_the_reason() {
    let details = |changes: Value| {
        let mut finding = plain();
        let all = finding["resource"]["accessKeyDetails"].as_object_mut().unwrap();
        all.extend(changes.as_object().unwrap().clone());
        let unusable = one(&finding.to_string()).start().unwrap_err();
        format!("{}; {}", unusable.why, unusable.hint)
    };
    for (changes, reason) in [
        (json!({ "userType": "Root" }), "the root user"),
        (json!({ "userType": "FederatedUser" }), "GetFederationToken"),
        (json!({ "userType": "AWSService" }), "a caller of type AWSService"),
        (json!({ "accessKeyId": null }), "names no access key; ringfence plan --user deploy-bot"),
        (json!({ "accessKeyId": "\u{1b}[31m" }), "is no access key ID"),
        (json!({ "accessKeyId": "GeneratedFindingAccessKeyId" }), "made it up for a test"),
        (
            json!({
                "userType": "AssumedRole",
                "userName": "web",
                "principalId": "AROAEXAMPLE0WEBROLE1:i-0123456789abcdef0",
            }),
            "EC2 instance i-0123456789abcdef0",
        ),
    ] {
        let said = details(changes);
        assert!(said.contains(reason), "{said}");
    }
    let mut finding = plain();
    finding["resource"] = json!({ "resourceType": "Instance" });
    let unusable = one(&finding.to_string()).start().unwrap_err();
    assert!(unusable.why.ends_with("names no access key"), "{}", unusable.why);
    for sample in [json!({ "sample": true }), json!({ "value": "{\"sample\":true}" })] {
        let mut finding = plain();
        finding["service"]["additionalInfo"] = sample;
        assert!(one(&finding.to_string()).start().unwrap_err().why.contains("made it up"));
    }
}

#[test]
fn a_sequence_names_the_credentials_of_its_actors_and_resources() {
    let mut finding = plain();
    finding["type"] = "AttackSequence:IAM/CompromisedCredentials".into();
    finding["resource"] = json!({ "resourceType": "AttackSequence" });
    finding["service"]["detection"] = json!({ "sequence": {
        "actors": [{ "id": "a", "user": {
            "name": "deploy-bot", "uid": "AIDAEXAMPLE0DEPLOYBT", "type": "IAMUser",
            "credentialUid": KEY,
        } }, { "id": "b", "user": {
            "name": "root", "uid": "123456789012", "type": "Root", "credentialUid": "ASIAEXAMPLE0ROOT0001",
        } }],
        "resources": [
            { "uid": KEY, "resourceType": "ACCESS_KEY", "data": { "accessKey": { "userName": "deploy-bot" } } },
            { "uid": "arn:aws:s3:::b", "resourceType": "S3_BUCKET" },
            { "uid": "AKIAEXAMPLE0SECOND02", "resourceType": "ACCESS_KEY",
              "data": { "accessKey": { "userName": "backdoor", "userType": "IAMUser" } } },
        ],
    } });
    let start = one(&finding.to_string()).start().unwrap();
    let keys: Vec<&str> = start.keys.iter().map(|key| key.as_str()).collect();
    assert_eq!(keys, [KEY, "AKIAEXAMPLE0SECOND02"]);
}

#[test]
fn what_is_no_finding_is_counted_and_the_first_is_told() {
    let text = format!("{}\nno json\n{{\"a\":1}}\n{}\n", plain(), plain());
    let Findings { findings, skipped } = read(text.as_bytes());
    assert_eq!(findings.len(), 1);
    let (times, first) = skipped.unwrap();
    assert_eq!(times, 2);
    assert!(first.starts_with("line 2 is no JSON"), "{first}");
    for text in ["", "nothing", "{}", "[]", "[[[[1]]]]", "{\"detail\":{\"findings\":[null]}}"] {
        assert!(read(text.as_bytes()).findings.is_empty(), "{text}");
    }
    assert!(read(&[0xff, 0xfe, 0x00]).skipped.is_some());
}

#[test]
fn what_others_have_recorded_is_read() {
    let Some(root) = fixtures() else { return };
    let text = |name: &str| std::fs::read_to_string(root.join(name)).unwrap();
    let tor = one(&text("guardduty/cloud-custodian_iam-duty-event.json"));
    assert_eq!(tor.kind, "UnauthorizedAccess:IAMUser/TorIPCaller");
    assert!(tor.sample && tor.start().is_err());
    let panther: Vec<Value> =
        serde_json::from_str(&text("guardduty/panther_iamuser_findings.json")).unwrap();
    assert_eq!(panther.len(), 6);
    for test in &panther {
        let finding = one(&test["finding"].to_string());
        assert_eq!(finding.kind, "PrivilegeEscalation:IAMUser/AdministrativePermissions");
        let why = finding.start().unwrap_err().why;
        assert!(finding.sample || why.ends_with("names no access key"), "{why}");
    }
    let example = text("aws-cli-examples/guardduty/get-findings.rst");
    let (_, output) = example.split_once("Output::").unwrap();
    let (output, _) = output.split_once("\nFor more").unwrap();
    let recon = one(output);
    assert_eq!(recon.kind, "Recon:IAMUser/UserPermissions");
    assert_eq!(recon.source_ip.as_deref(), Some("52.94.36.7"));
    let users: Vec<String> = recon.start().unwrap().users.iter().map(ToString::to_string).collect();
    assert_eq!(users, ["testuser"]);
}

/// The fixtures, or a line that says that they are not there.
fn fixtures() -> Option<PathBuf> {
    let root = std::env::var_os("RINGFENCE_FIXTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures"),
        PathBuf::from,
    );
    if root.join("guardduty").is_dir() {
        return Some(root);
    }
    eprintln!(
        "NOT RUN: recorded findings: {} is not there (set RINGFENCE_FIXTURES)",
        root.display()
    );
    None
}
