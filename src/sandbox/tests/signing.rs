//! Signatures: right, and bent in every part.

use super::*;
use crate::sandbox::{Request, Response};
use aws_credential_types::Credentials as Signing;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use std::time::SystemTime;

const BODY: &str = "Action=GetCallerIdentity&Version=2011-06-15";

fn signed(credentials: &Credentials, time: Timestamp, service: &str, body: &str) -> Request {
    let mut headers = vec![
        ("Host".to_owned(), "127.0.0.1:4566".to_owned()),
        ("Content-Type".to_owned(), "application/x-www-form-urlencoded; charset=utf-8".to_owned()),
    ];
    let Credentials { access_key_id, secret_access_key, session_token } = credentials;
    let identity =
        Signing::new(access_key_id, secret_access_key, session_token.clone(), None, "test").into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region("eu-west-1")
        .name(service)
        .time(SystemTime::from(time))
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    let pairs: Vec<(String, String)> = headers.clone();
    let pairs = pairs.iter().map(|(k, v)| (k.as_str(), v.as_str()));
    let uri = "http://127.0.0.1:4566/";
    let request =
        SignableRequest::new("POST", uri, pairs, SignableBody::Bytes(body.as_bytes())).unwrap();
    let (instructions, _) = sign(request, &params).unwrap().into_parts();
    let (added, _) = instructions.into_parts();
    headers.extend(added.iter().map(|h| (h.name().to_owned(), h.value().to_owned())));
    let (host, path) = ("127.0.0.1:4566".to_owned(), "/".to_owned());
    let body = body.as_bytes().to_vec();
    Request { method: "POST".to_owned(), host, path, query: String::new(), headers, body }
}

fn said(response: &Response) -> (u16, String) {
    let body = String::from_utf8(response.body.clone()).unwrap();
    let code = body.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
    (response.status, code.map_or("ok".to_owned(), |(code, _)| code.to_owned()))
}

fn header<'a>(request: &'a mut Request, name: &str) -> &'a mut String {
    let named = |h: &&mut (String, String)| h.0.eq_ignore_ascii_case(name);
    &mut request.headers.iter_mut().find(named).unwrap().1
}

/// What a request is answered once it was bent.
fn bent(bend: impl FnOnce(&mut Request)) -> (u16, String) {
    let stage = Stage::new();
    let mut request = signed(&stage.sandbox.admin(), stage.sandbox.now(), "sts", BODY);
    bend(&mut request);
    said(&stage.sandbox.answer(&request))
}

#[test]
fn a_right_signature_is_taken_and_a_bent_one_is_not() {
    assert_eq!(bent(|_| {}), (200, "ok".to_owned()));
    let mismatch = (403, "SignatureDoesNotMatch".to_owned());
    assert_eq!(bent(|r| r.body = format!("{BODY}&a=b").into_bytes()), mismatch);
    assert_eq!(bent(|r| r.method = "GET".to_owned()), mismatch);
    assert_eq!(bent(|r| r.path = "/other".to_owned()), mismatch);
    assert_eq!(bent(|r| r.query = "a=b".to_owned()), mismatch);
    assert_eq!(bent(|r| *header(r, "host") = "evil.example".to_owned()), mismatch);
    let version = |r: &mut Request| r.body = BODY.replace("2011", "1999").into_bytes();
    assert_eq!(bent(version), (400, "InvalidAction".to_owned()));
    let region = |r: &mut Request| {
        let text = header(r, "authorization");
        *text = text.replace("eu-west-1", "us-east-1");
    };
    assert_eq!(bent(region), mismatch);
    let last = |r: &mut Request| {
        let text = header(r, "authorization");
        let end = if text.ends_with('0') { "1" } else { "0" };
        text.pop();
        text.push_str(end);
    };
    assert_eq!(bent(last), mismatch);
    let no_host = |r: &mut Request| {
        let text = header(r, "authorization");
        *text = text.replace(";host;", ";");
    };
    assert_eq!(bent(no_host), mismatch);
    let token = ("x-amz-security-token".to_owned(), "odd".to_owned());
    assert_eq!(bent(|r| r.headers.push(token)), (403, "InvalidClientTokenId".to_owned()));
}

#[test]
fn what_is_no_signature_is_said_to_be_none() {
    let none = (403, "MissingAuthenticationToken".to_owned());
    assert_eq!(bent(|r| r.headers.retain(|h| h.0 != "authorization")), none);
    let incomplete = (400, "IncompleteSignature".to_owned());
    for text in [
        "",
        "Basic abc",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=1",
        "AWS4-HMAC-SHA256 Credential=a/b/c/sts/aws4_request, SignedHeaders=host",
    ] {
        assert_eq!(bent(|r| *header(r, "authorization") = text.to_owned()), incomplete, "{text}");
    }
    assert_eq!(bent(|r| *header(r, "x-amz-date") = "yesterday".to_owned()), incomplete);
    let unknown = |r: &mut Request| {
        let text = header(r, "authorization");
        *text = text.replace("/sts/", "/ec2/");
    };
    assert_eq!(bent(unknown), (400, "InvalidAction".to_owned()));
}

#[test]
fn a_signature_holds_for_fifteen_minutes_either_way() {
    let stage = Stage::new();
    for (ahead, code) in
        [(-901, "SignatureDoesNotMatch"), (-900, "ok"), (900, "ok"), (901, "SignatureDoesNotMatch")]
    {
        let time = stage.sandbox.now() + SignedDuration::from_secs(ahead);
        let request = signed(&stage.sandbox.admin(), time, "sts", BODY);
        assert_eq!(said(&stage.sandbox.answer(&request)).1, code, "{ahead}");
    }
}

#[test]
fn keys_and_tokens_must_be_known() {
    let stage = Stage::new();
    let code = |credentials: &Credentials| {
        let request = signed(credentials, stage.sandbox.now(), "sts", BODY);
        said(&stage.sandbox.answer(&request))
    };
    let unknown = (403, "InvalidClientTokenId".to_owned());
    let mut stranger = stage.sandbox.admin();
    stranger.access_key_id = "AKIAIOSFODNN7EXAMPLE".to_owned();
    assert_eq!(code(&stranger), unknown);
    let mut wrong = stage.sandbox.admin();
    wrong.secret_access_key.push('x');
    assert_eq!(code(&wrong), (403, "SignatureDoesNotMatch".to_owned()));
    let session = stage.mint(&stage.user("bot"), "sts:GetSessionToken", &[]);
    assert_eq!(code(session.credentials()).1, "ok");
    let mut without = session.credentials().clone();
    without.session_token = None;
    assert_eq!(code(&without), unknown);
    without.session_token = Some("other".to_owned());
    assert_eq!(code(&without), unknown);
}

#[test]
fn the_service_of_the_scope_decides_which_actions_there_are() {
    let stage = Stage::new();
    let request = signed(&stage.sandbox.admin(), stage.sandbox.now(), "iam", BODY);
    assert_eq!(said(&stage.sandbox.answer(&request)), (400, "InvalidAction".to_owned()));
    let nothing = signed(&stage.sandbox.admin(), stage.sandbox.now(), "iam", "");
    assert_eq!(said(&stage.sandbox.answer(&nothing)), (400, "MissingAction".to_owned()));
    let mut json = signed(&stage.sandbox.admin(), stage.sandbox.now(), "iam", "{}");
    *header(&mut json, "content-type") = "application/json".to_owned();
    assert_eq!(said(&stage.sandbox.answer(&json)).0, 400);
}

#[test]
fn every_reply_has_a_date_and_a_request_id() {
    let stage = Stage::new();
    let response = stage.sandbox.answer(&Request::default());
    let of = |name: &str| response.headers.iter().find(|h| h.0 == name).map(|h| h.1.as_str());
    assert_eq!(of("Date"), Some("Mon, 21 Sep 2026 14:13:20 GMT"));
    assert_eq!(of("Content-Type"), Some("text/xml"));
    assert_eq!(of("x-amzn-RequestId").map(str::len), Some(36));
}
