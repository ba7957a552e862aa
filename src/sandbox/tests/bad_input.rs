//! Whatever comes, there is an answer.

use super::*;
use crate::sandbox::{Request, actions};
use proptest::prelude::*;

fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("Action".to_owned()),
        Just("UserName".to_owned()),
        Just("Tags.member.1.Key".to_owned()),
        Just("PolicyDocument".to_owned()),
        Just("authorization".to_owned()),
        Just("x-amz-date".to_owned()),
        Just("x-amz-security-token".to_owned()),
        Just("content-type".to_owned()),
        Just("AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/iam/aws4_request, SignedHeaders=host;\u{e9}, Signature=0".to_owned()),
        ".{0,40}",
    ]
}

proptest! {
    #[test]
    fn any_request_is_answered(
        method in ".{0,6}", host in words(), path in ".{0,60}", query in ".{0,60}",
        headers in proptest::collection::vec((words(), words()), 0..6),
        body in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let stage = Stage::new();
        let request = Request { method, host, path, query, headers, body };
        let response = stage.sandbox.answer(&request);
        prop_assert!((400..600).contains(&response.status));
        prop_assert!(response.body.starts_with(b"<"));
    }

    #[test]
    fn any_signed_headers_are_survived(
        signed in "[a-z;\u{0}-\u{ff}-]{0,30}", query in "[ -~]{0,40}", path in "/[ -~]{0,40}",
        region in ".{0,10}", host in ".{0,20}",
    ) {
        let stage = Stage::new();
        let key = stage.sandbox.admin().access_key_id;
        let credential = format!("{key}/20260921/{region}/iam/aws4_request");
        let authorization =
            format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host;{signed}, Signature=0");
        let headers = vec![
            ("authorization".to_owned(), authorization),
            ("x-amz-date".to_owned(), "20260921T141320Z".to_owned()),
        ];
        let body = b"Action=GetUser".to_vec();
        let request = Request { method: "POST".to_owned(), host, path, query, headers, body };
        prop_assert!(stage.sandbox.answer(&request).status >= 400);
    }

    #[test]
    fn any_parameters_are_survived(
        index in 0..200_usize,
        pairs in proptest::collection::vec((parameter(), ".{0,30}"), 0..8),
    ) {
        let stage = Stage::new();
        let all: Vec<String> = actions().into_iter().filter(|a| !a.starts_with("s3:")).collect();
        let action = &all[index % all.len()];
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let answer = stage.admin().call(action, &pairs);
        prop_assert!(answer.status == 200 || (400..500).contains(&answer.status), "{}", answer.body);
    }
}

fn parameter() -> impl Strategy<Value = String> {
    let names = [
        "UserName",
        "GroupName",
        "RoleName",
        "PolicyName",
        "PolicyArn",
        "PolicyDocument",
        "Path",
        "AccessKeyId",
        "Status",
        "MaxItems",
        "Marker",
        "Tags.member.1.Key",
        "Tags.member.1.Value",
        "DurationSeconds",
        "RoleArn",
        "RoleSessionName",
        "Name",
        "Policy",
        "SerialNumber",
        "ActionNames.member.1",
        "PolicySourceArn",
        "VersionId",
        "PermissionsBoundary",
        "InstanceProfileName",
        "ServerCertificateName",
        "NewPath",
    ];
    proptest::sample::select(names.to_vec()).prop_map(str::to_owned)
}

#[test]
fn what_is_too_large_is_refused() {
    let stage = Stage::new();
    let large = Request { body: vec![b'a'; (1 << 20) + 1], ..Request::default() };
    assert_eq!(stage.sandbox.answer(&large).status, 413);
    // Beyond this the signing code has limits of its own, and panics.
    let long = Request { query: "\u{e9}".repeat(30_000), ..Request::default() };
    assert_eq!(stage.sandbox.answer(&long).status, 413);
    let headers = vec![("a".to_owned(), "b".to_owned()); 40_000];
    assert_eq!(stage.sandbox.answer(&Request { headers, ..Request::default() }).status, 413);
}

#[test]
fn every_action_answers_an_empty_call() {
    let stage = Stage::new();
    for action in actions().iter().filter(|action| !action.starts_with("s3:")) {
        let answer = stage.admin().call(action, &[]);
        assert!(answer.status < 500, "{action}: {}", answer.body);
        let nobody = stage.player(Credentials::default()).call(action, &[]);
        assert_eq!(nobody.status, 403, "{action}: {}", nobody.body);
    }
    let unknown = stage.admin().call("iam:MakeTea", &[]);
    assert_eq!((unknown.status, unknown.code()), (400, "InvalidAction"));
}
