//! `findings` over files and over GuardDuty, and CloudTrail's history as the AWS CLI sees it.

use super::place::{Place, command, emulators, ran, ringfence};
use crate::support::Ran;
use crate::support::schema::Schema;
use insta::assert_snapshot;
use serde_json::{Value, json};
use std::io::Write as _;

const KEY: &str = "AKIAEXAMPLE0LEAKED01";

fn finding(id: &str, region: &str, user_type: &str) -> Value {
    json!({
        "schemaVersion": "2.0",
        "accountId": "123456789012",
        "region": region,
        "partition": "aws",
        "id": id,
        "arn": format!("arn:aws:guardduty:{region}:123456789012:detector/d/finding/{id}"),
        "type": "UnauthorizedAccess:IAMUser/TorIPCaller",
        "severity": 5.0,
        "title": "API ListBuckets was invoked from a Tor exit node.",
        "createdAt": "2026-11-21T02:10:00.000Z",
        "updatedAt": "2026-11-21T03:00:00.000Z",
        "resource": { "resourceType": "AccessKey", "accessKeyDetails": {
            "accessKeyId": KEY,
            "principalId": "AIDAEXAMPLE0DEPLOYBT",
            "userName": "deploy-bot",
            "userType": user_type,
        } },
        "service": {
            "serviceName": "guardduty",
            "count": 7,
            "archived": false,
            "eventFirstSeen": "2026-11-21T01:40:00Z",
            "eventLastSeen": "2026-11-21T02:55:00Z",
            "action": { "actionType": "AWS_API_CALL", "awsApiCallAction": {
                "api": "ListBuckets",
                "serviceName": "s3.amazonaws.com",
                "remoteIpDetails": { "ipAddressV4": "198.51.100.7" },
            } },
        },
    })
}

fn run(place: &Place, arguments: &[&str]) -> Ran {
    ringfence(place.directory.path(), &place.url(), &place.admin(), arguments)
}

fn write(place: &Place, name: &str, text: &str) {
    std::fs::write(place.directory.path().join(name), text).unwrap();
}

#[test]
fn findings_of_files_say_how_to_start_and_why_not() {
    let place = Place::new();
    let (good, root) = (finding("f1", "eu-west-1", "IAMUser"), finding("f2", "eu-west-1", "Root"));
    write(&place, "event.json", &json!({ "source": "aws.guardduty", "detail": good }).to_string());
    write(&place, "export.jsonl", &format!("{root}\n{{\"nothing\": 1}}\n"));
    let said = run(&place, &["findings", "event.json", "export.jsonl"]).exits(0);
    assert_snapshot!(said.out, @"
    UnauthorizedAccess:IAMUser/TorIPCaller
        severity 5, medium · 123456789012 · eu-west-1
        API ListBuckets was invoked from a Tor exit node.
        IAMUser  deploy-bot  AKIAEXAMPLE0LEAKED01
        7 times from 2026-11-21T01:40:00Z to 2026-11-21T02:55:00Z (75 min), from
            198.51.100.7, s3.amazonaws.com ListBuckets
        ringfence plan --access-key AKIAEXAMPLE0LEAKED01 --since 2026-11-21T01:40:00Z

    UnauthorizedAccess:IAMUser/TorIPCaller
        severity 5, medium · 123456789012 · eu-west-1
        API ListBuckets was invoked from a Tor exit node.
        Root  deploy-bot  AKIAEXAMPLE0LEAKED01
        7 times from 2026-11-21T01:40:00Z to 2026-11-21T02:55:00Z (75 min), from
            198.51.100.7, s3.amazonaws.com ListBuckets
      ! starts no containment: it is about the root user, which no IAM policy can
        stop

    2 findings, 1 to start from.
    ! 1 part of the input is no finding; the first: export.jsonl: it has no `id` and
      `type` of a finding of GuardDuty
    ");
    // GuardDuty's export is compressed.
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(format!("{good}\n").as_bytes()).unwrap();
    std::fs::write(place.directory.path().join("export.jsonl.gz"), packed.finish().unwrap())
        .unwrap();
    let packed = run(&place, &["findings", "export.jsonl.gz", "--format", "json"]).exits(0);
    let printed = run(&place, &["findings", "event.json", "--format", "json"]).exits(0);
    assert_eq!(packed.out, printed.out);
    let report: Value = serde_json::from_str(&printed.out).unwrap();
    assert_eq!(report["findings"][0]["type"], "UnauthorizedAccess:IAMUser/TorIPCaller");
    Schema::of("findings").holds(&report);
    write(&place, "none.json", "{}");
    assert_snapshot!(run(&place, &["findings", "none.json"]).exits(1).err, @"
    error: there is no finding in what was given
      cause: none.json: it has no `id` and `type` of a finding of GuardDuty
    hint: aws guardduty get-findings --output json writes one that can be read
    ");
    assert_snapshot!(run(&place, &["findings"]).exits(64).err, @"
    error: nothing says which findings are meant
    hint: a file: ringfence findings FILE
    hint: or whom they are about: --access-key ID, --user NAME
    ");
    run(&place, &["findings", "event.json", "--user", "deploy-bot"]).exits(64);
}

/// By the SDK from every Region, and the same finding as the AWS CLI prints it.
#[test]
fn guardduty_is_asked_in_every_region() {
    let place = Place::new();
    place.sandbox.edit(|world| {
        world.findings.push(finding("f1", "eu-west-1", "IAMUser"));
        world.findings.push(finding("f2", "us-east-1", "IAMUser"));
        let mut other = finding("f3", "us-east-1", "IAMUser");
        other["resource"]["accessKeyDetails"]["accessKeyId"] = "AKIAEXAMPLE0SECOND02".into();
        world.findings.push(other);
    });
    let ids = |arguments: &[&str]| -> Vec<String> {
        let printed = run(&place, &[arguments, &["--format", "json"]].concat()).exits(0);
        let report: Value = serde_json::from_str(&printed.out).unwrap();
        assert_eq!(report["unknown"], json!([]), "{}", printed.out);
        let all = report["findings"].as_array().unwrap().iter();
        all.map(|one| one["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&["findings", "--access-key", KEY]), ["f1", "f2"]);
    assert_eq!(ids(&["findings", "--user", "deploy-bot"]), ["f1", "f2", "f3"]);
    assert_eq!(ids(&["findings", "--access-key", KEY, "--regions", "us-east-1"]), ["f2"]);
    let aws = |arguments: &[&str]| {
        let program = emulators().join("bin/aws");
        let mut aws = command(program, place.directory.path(), &place.url(), &place.admin());
        ran(aws.args(arguments)).exits(0).out
    };
    let detector =
        aws(&["guardduty", "list-detectors", "--query", "DetectorIds[0]", "--output", "text"]);
    let by_cli = aws(&[
        "guardduty",
        "get-findings",
        "--detector-id",
        detector.trim(),
        "--finding-ids",
        "f2",
        "--output",
        "json",
    ]);
    write(&place, "cli.json", &by_cli);
    let text = |arguments: &[&str]| {
        let printed = run(&place, &[arguments, &["--format", "json"]].concat()).exits(0);
        serde_json::from_str::<Value>(&printed.out).unwrap()["findings"][0].clone()
    };
    let asked = text(&["findings", "--access-key", KEY, "--regions", "us-east-1"]);
    assert_eq!(text(&["findings", "cli.json"]), asked);
}

#[test]
fn what_cannot_be_asked_is_never_none() {
    let place = Place::new();
    place.make("iam:CreateUser", &[("UserName", "eye")]);
    let made = place.make("iam:CreateAccessKey", &[("UserName", "eye")]);
    let eye = made.credentials();
    let as_eye =
        |arguments: &[&str]| ringfence(place.directory.path(), &place.url(), &eye, arguments);
    assert_snapshot!(redacted(&place, &as_eye(&["findings", "--access-key", KEY]).exits(1).err), @"
    Endpoint http://127.0.0.1:PORT (not AWS)
    error: the Regions of the account could not be listed: `account:ListRegions` is missing
      cause: AccessDeniedException: User: arn:aws:iam::123456789012:user/eye is not authorized to perform: account:ListRegions on resource: * because no identity-based policy allows the account:ListRegions action
    hint: examples/responder-policy.json grants what ringfence needs
    hint: --regions us-east-1,eu-west-1 asks there and in no other
    ");
    let named = as_eye(&["findings", "--access-key", KEY, "--regions", "us-east-1"]).exits(1);
    assert_snapshot!(redacted(&place, &named.err), @"
    Endpoint http://127.0.0.1:PORT (not AWS)
    error: no Region gave its findings
      cause: us-east-1: guardduty:ListDetectors: AccessDeniedException: User: arn:aws:iam::123456789012:user/eye is not authorized to perform: guardduty:ListDetectors on resource: * because no identity-based policy allows the guardduty:ListDetectors action
    hint: examples/responder-policy.json grants what ringfence needs
    hint: a finding in a file needs no such call: ringfence findings FILE
    ");
}

fn redacted(place: &Place, text: &str) -> String {
    text.replace(&place.url(), "http://127.0.0.1:PORT")
}

/// LookupEvents as the AWS CLI asks for it.
#[test]
fn the_aws_cli_looks_up_what_was_done() {
    let place = Place::new();
    place.sandbox.edit(ringfence::sandbox::World::keep_trail);
    place.make("iam:CreateUser", &[("UserName", "deploy-bot")]);
    let program = emulators().join("bin/aws");
    let mut aws = command(program, place.directory.path(), &place.url(), &place.admin());
    let arguments = [
        "cloudtrail",
        "lookup-events",
        "--lookup-attributes",
        "AttributeKey=ResourceName,AttributeValue=deploy-bot",
        "--output",
        "json",
    ];
    let found: Value = serde_json::from_str(&ran(aws.args(arguments)).exits(0).out).unwrap();
    let events = found["Events"].as_array().unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["EventName"], "CreateUser");
    let event: Value =
        serde_json::from_str(events[0]["CloudTrailEvent"].as_str().unwrap()).unwrap();
    assert_eq!(event["requestParameters"]["userName"], "deploy-bot");
}
