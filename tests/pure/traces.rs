//! What a trace says of events that lack something, and of moments that are past.

use jiff::Timestamp;
use ringfence::render::{self, Screen};
use ringfence::trace::{
    Credential, CredentialKind, Deed, Expiry, Kept, Question, Reading, Sight, Survey, Trace, Which,
    follow,
};
use ringfence::trail::{self, Tally};
use serde_json::{Value, json};
use std::collections::HashSet;

const KEY: &str = "AKIAEXAMPLELEAKED001";
const BOT: &str = "arn:aws:iam::123456789012:user/bot";

/// The events themselves, in the order of time.
struct Events(Vec<Vec<u8>>, Question);

impl Kept for Events {
    fn deeds(
        &self,
        _: Which,
        take: &mut dyn FnMut(&Deed<'_>),
    ) -> Result<(), ringfence::error::Error> {
        for raw in &self.0 {
            take(&Deed::of(&trail::one(raw).unwrap(), raw, &self.1));
        }
        Ok(())
    }

    fn sights(
        &self,
        _: &HashSet<u64>,
        _: &mut dyn FnMut(&Sight),
    ) -> Result<(), ringfence::error::Error> {
        Ok(())
    }
}

fn time(text: &str) -> Timestamp {
    format!("2026-11-{text}Z").parse().unwrap()
}

fn question(keys: &[&str]) -> Question {
    Question {
        keys: keys.iter().map(|key| key.parse().unwrap()).collect(),
        users: Vec::new(),
        account: None,
        since: None,
        at: time("22T12:00:00"),
        own_events_only: false,
        version: "0.0.0".to_owned(),
    }
}

fn event(at: &str, key: &str, call: &str, request: Value, response: Value) -> Value {
    let (service, name) = call.split_once(':').unwrap();
    json!({
        "eventVersion": "1.11", "eventTime": time(at).to_string(), "eventID": format!("{at}-{name}"),
        "eventSource": format!("{service}.amazonaws.com"), "eventName": name, "awsRegion": "us-east-1",
        "userIdentity": {
            "type": "IAMUser", "arn": BOT, "accountId": "123456789012", "accessKeyId": key, "userName": "bot",
        },
        "requestParameters": request, "responseElements": response,
        "recipientAccountId": "123456789012", "sourceIPAddress": "198.51.100.7",
    })
}

fn of(events: &[Value], question: &Question) -> Trace {
    of_bytes(events.iter().map(|event| event.to_string().into_bytes()).collect(), question)
}

fn of_bytes(raw: Vec<Vec<u8>>, question: &Question) -> Trace {
    let mut survey = Survey::default();
    raw.iter().for_each(|raw| survey.add(&trail::one(raw).unwrap()));
    let unique = survey.events;
    let reading = Reading { survey: &survey, tally: &Tally::default(), unique, files: 1 };
    let trace = follow(question, &reading, &Events(raw, question.clone())).unwrap();
    assert_eq!(Trace::parse(&trace.bytes(), "trace").unwrap(), trace);
    trace
}

fn says(trace: &Trace, what: &str) -> bool {
    trace.unknown.iter().any(|unknown| unknown.what.contains(what))
}

fn one<'a>(trace: &'a Trace, id: &str) -> &'a Credential {
    trace.credentials.iter().find(|one| one.id == id).unwrap()
}

fn why<'a>(trace: &'a Trace, name: &str) -> &'a str {
    &trace.targets.iter().find(|target| target.name == name).unwrap().why
}

fn text(trace: &Trace) -> String {
    render::text::trace(trace, Screen { color: false, width: 80 }, None)
}

fn omitted() -> Value {
    json!({"omitted": true, "originalSize": 120_000, "reason": "too large"})
}

#[test]
fn what_was_made_without_a_name_is_never_passed_over() {
    let victim = || json!({"userName": "victim"});
    let shell = json!({"accessKey": {"userName": "victim", "status": "Active"}});
    for (call, request, response, what) in [
        ("iam:CreateAccessKey", victim(), Value::Null, "CreateAccessKey by KEY about victim made"),
        ("iam:CreateAccessKey", victim(), omitted(), "CreateAccessKey by KEY about victim made"),
        ("iam:CreateAccessKey", victim(), shell, "CreateAccessKey by KEY about victim made"),
        (
            "iam:CreateServiceSpecificCredential",
            victim(),
            Value::Null,
            "CreateServiceSpecificCredential by KEY about victim made",
        ),
        ("iam:PutUserPolicy", omitted(), Value::Null, "PutUserPolicy by KEY made"),
        ("iam:CreateUser", Value::Null, Value::Null, "CreateUser by KEY made"),
        ("iam:CreateLoginProfile", omitted(), Value::Null, "CreateLoginProfile by KEY made"),
        ("iam:UpdateLoginProfile", omitted(), Value::Null, "UpdateLoginProfile by KEY made"),
        ("iam:UpdateAccessKey", omitted(), Value::Null, "UpdateAccessKey by KEY made"),
        ("ec2:RunInstances", json!({}), omitted(), "RunInstances by KEY made"),
        ("sts:GetSessionToken", Value::Null, Value::Null, "GetSessionToken issued"),
        ("sts:AssumeRole", omitted(), omitted(), "AssumeRole issued"),
    ] {
        let mut made = event("22T10:00:00", KEY, call, request.clone(), response);
        let trace = of(&[made.clone()], &question(&[KEY]));
        let what = what.replace("KEY", KEY);
        assert!(says(&trace, &what), "{call}: {:?}", trace.unknown);
        assert_eq!(trace.credentials.len(), 1, "{call}: {:?}", trace.credentials);
        if request == victim() {
            assert_eq!(why(&trace, "victim"), "1 credential made by the lineage");
        }
        // Twice is counted.
        if !call.starts_with("sts") {
            let mut again = made.clone();
            again["eventID"] = json!("again");
            let twice = of(&[made.clone(), again], &question(&[KEY]));
            assert!(says(&twice, &format!("2 calls of {what}")), "{:?}", twice.unknown);
        }
        // Refused, it has made nothing.
        made["errorCode"] = json!("AccessDenied");
        let refused = of(&[made], &question(&[KEY]));
        assert!(!says(&refused, &what), "{:?}", refused.unknown);
    }
}

#[test]
fn parameters_too_deep_for_a_parser_are_said_to_be_missing() {
    let deep = format!("{}{}", "[".repeat(300), "]".repeat(300));
    let made = event("22T10:00:00", KEY, "iam:CreateUser", json!("DEEP"), Value::Null).to_string();
    let of_request = |request: &str| {
        let raw = made.replace("\"DEEP\"", request);
        of_bytes(vec![raw.into_bytes()], &question(&[KEY]))
    };
    let trace = of_request(&format!("{{\"userName\":{deep}}}"));
    assert!(says(&trace, "1 call of CreateUser"), "{:?}", trace.unknown);
    // What stands beside it is read.
    let trace = of_request(&format!("{{\"userName\":\"x\",\"tags\":{deep}}}"));
    assert_eq!(trace.persistence[0].name, "x");
    assert!(!says(&trace, "1 call of CreateUser"), "{:?}", trace.unknown);
}

#[test]
fn a_long_list_of_nameless_things_is_cut_and_its_rest_counted() {
    let made = |n: i32| {
        let request = json!({"userName": format!("u{n:02}")});
        event(&format!("22T10:{n:02}:00"), KEY, "iam:CreateAccessKey", request, Value::Null)
    };
    let trace = of(&(0..25).map(made).collect::<Vec<_>>(), &question(&[KEY]));
    assert!(says(&trace, "about u09 made") && !says(&trace, "about u10 made"));
    assert!(says(&trace, "what 15 more calls made"), "{:?}", trace.unknown);
}

#[test]
fn a_long_term_key_is_an_access_key_whatever_is_said_of_it() {
    let mut console = event("01T10:00:00", KEY, "ec2:DescribeInstances", Value::Null, Value::Null);
    console["sessionCredentialFromConsole"] = json!("true");
    console["userIdentity"]["sessionContext"] =
        json!({"attributes": {"creationDate": "2026-11-01T09:00:00Z"}});
    // An example of a response has a long-term key's ID in place of a session's.
    let role = "arn:aws:iam::123456789012:role/r";
    let mints = event(
        "01T11:00:00",
        "AKIAEXAMPLEOTHER0001",
        "sts:AssumeRole",
        json!({"roleArn": role, "roleSessionName": "s"}),
        json!({"credentials": {"accessKeyId": KEY, "expiration": "2026-11-01T12:00:00Z"}}),
    );
    for events in [vec![console.clone()], vec![mints.clone()], vec![console, mints]] {
        for asked in [KEY, "AKIAEXAMPLEOTHER0001"] {
            let trace = of(&events, &question(&[asked]));
            for one in trace.credentials.iter().filter(|one| one.id == KEY) {
                assert_eq!(
                    (one.kind, one.expiry, one.expires_at),
                    (CredentialKind::AccessKey, Expiry::Never, None)
                );
                assert_eq!(one.live, Some(true));
            }
        }
    }
}

#[test]
fn a_use_after_a_computed_expiry_voids_it_and_not_one_that_is_recorded() {
    let session = "ASIAEXAMPLESESSION01";
    let mint = |response: Value| {
        let request = json!({"durationSeconds": 900});
        event("20T10:00:00", KEY, "sts:GetSessionToken", request, response)
    };
    let computed = mint(json!({"credentials": {"accessKeyId": session}}));
    let late = event("20T12:00:00", session, "ec2:DescribeRegions", Value::Null, Value::Null);
    let trace = of(&[computed.clone(), late.clone()], &question(&[KEY]));
    let found = one(&trace, session);
    assert_eq!((found.live, found.expiry, found.expires_at), (None, Expiry::Unknown, None));
    assert!(says(&trace, &format!("when {session} expires")), "{:?}", trace.unknown);
    // A call that is refused for the token's age says the opposite.
    let mut expired = late.clone();
    expired["errorCode"] = json!("ExpiredTokenException");
    let trace = of(&[computed, expired], &question(&[KEY]));
    let found = one(&trace, session);
    assert_eq!((found.live, found.expiry), (Some(false), Expiry::Requested));
    let recorded =
        json!({"credentials": {"accessKeyId": session, "expiration": "2026-11-20T10:15:00Z"}});
    let trace = of(&[mint(recorded), late], &question(&[KEY]));
    assert_eq!(
        (one(&trace, session).live, one(&trace, session).expiry),
        (Some(false), Expiry::Recorded)
    );
    // Of a session that was asked for only the longest time is known.
    let mut own = event("20T10:00:00", session, "ec2:DescribeRegions", Value::Null, Value::Null);
    own["userIdentity"]["sessionContext"] =
        json!({"attributes": {"creationDate": "2026-11-01T09:00:00Z"}});
    assert_eq!(one(&of(&[own], &question(&[session])), session).live, None);
}

#[test]
fn of_a_key_that_no_event_shows_nothing_is_claimed() {
    let unseen = "AKIAEXAMPLEUNSEEN001";
    let other = event("22T10:00:00", KEY, "iam:ListUsers", Value::Null, Value::Null);
    let trace = of(&[other], &question(&[unseen]));
    assert_eq!(one(&trace, unseen).live, None);
    assert!(says(&trace, &format!("whether {unseen} can act")), "{:?}", trace.unknown);
    let shown = text(&trace);
    assert!(shown.contains("1 credential: not known whether it can act."), "{shown}");
    // A key that somebody's call is about is there, and so is one that was used before the exposure.
    let on = json!({"userName": "bot", "accessKeyId": unseen, "status": "Active"});
    let on = event("22T10:00:00", KEY, "iam:UpdateAccessKey", on, Value::Null);
    assert_eq!(one(&of(&[on], &question(&[unseen])), unseen).live, Some(true));
    let early = event("20T10:00:00", unseen, "iam:ListUsers", Value::Null, Value::Null);
    let since = Question { since: Some(time("21T00:00:00")), ..question(&[unseen]) };
    assert_eq!(one(&of(&[early], &since), unseen).live, Some(true));
}

#[test]
fn what_came_after_the_moment_that_is_asked_about_does_not_count() {
    let session = "ASIAEXAMPLESESSION01";
    let off = json!({"userName": "bot", "accessKeyId": KEY, "status": "Inactive"});
    let issued =
        json!({"credentials": {"accessKeyId": session, "expiration": "2026-11-22T22:00:00Z"}});
    let events = [
        event("22T08:00:00", KEY, "iam:ListUsers", Value::Null, Value::Null),
        event("22T10:01:00", KEY, "sts:GetSessionToken", Value::Null, issued),
        event("22T10:02:00", "AKIAEXAMPLERESPOND01", "iam:UpdateAccessKey", off, Value::Null),
    ];
    let at = |text: &str| Question { at: time(text), ..question(&[KEY]) };
    let live = |trace: &Trace| (one(trace, KEY).live, one(trace, session).live);
    let before = of(&events, &at("22T09:00:00"));
    assert_eq!(live(&before), (Some(true), Some(false)));
    assert_eq!(one(&before, KEY).ended_at, None);
    assert!(text(&before).contains("not yet made"), "{}", text(&before));
    assert_eq!(live(&of(&events, &at("22T10:01:30"))), (Some(true), Some(true)));
    let after = of(&events, &at("22T12:00:00"));
    assert_eq!(live(&after), (Some(false), Some(true)));
    assert_eq!(one(&after, KEY).ended_at, Some(time("22T10:02:00")));
    // Only that it is turned off later shows the key: it was there before.
    let later = of(&events[2..], &at("22T09:00:00"));
    assert_eq!(one(&later, KEY).live, Some(true));
}

#[test]
fn every_gap_is_told_or_counted() {
    let calls = |hours: &[i64]| -> Vec<Value> {
        let start = time("01T00:30:00");
        let each = |hour: &i64| {
            let mut call = event("01T00:30:00", KEY, "iam:ListUsers", Value::Null, Value::Null);
            let at = start + jiff::SignedDuration::from_hours(*hour);
            call["eventTime"] = json!(at.to_string());
            call
        };
        hours.iter().map(each).collect()
    };
    let gaps = |trace: &Trace| -> Vec<String> {
        let all = trace.unknown.iter().map(|unknown| unknown.what.clone());
        all.filter(|what| what.contains("hours from") || what.contains("of 6 hours")).collect()
    };
    // Five hours are ordinary; six are not.
    let few = of(&calls(&[0, 6, 13, 26, 49]), &question(&[KEY]));
    assert_eq!(
        gaps(&few),
        [
            "what happened in the 6 hours from 2026-11-01T07:00:00Z",
            "what happened in the 12 hours from 2026-11-01T14:00:00Z",
            "what happened in the 22 hours from 2026-11-02T03:00:00Z",
        ]
    );
    // The shortest are those that are only counted.
    let mut hours = vec![0];
    for gap in 6..20 {
        hours.push(hours[hours.len() - 1] + gap + 1);
    }
    let many = gaps(&of(&calls(&hours), &question(&[KEY])));
    assert_eq!(many.len(), 11, "{many:?}");
    assert!(many[0].contains("the 10 hours from") && many[9].contains("the 19 hours from"));
    assert_eq!(many[10], "what happened in 4 more times of 6 hours or more, 30 hours in all");
}

#[test]
fn sessions_of_every_kind_are_counted_for_whom_they_end_with() {
    let token = |id: &str| json!({"credentials": {"accessKeyId": id}});
    let mut federated = token("ASIAEXAMPLEFEDERATED");
    federated["federatedUser"] = json!({"arn": "arn:aws:sts::123456789012:federated-user/f", "federatedUserId": "123456789012:f"});
    let events = [
        event(
            "22T10:00:00",
            KEY,
            "sts:GetSessionToken",
            Value::Null,
            token("ASIAEXAMPLETOKEN0001"),
        ),
        event("22T10:01:00", KEY, "sts:GetFederationToken", json!({"name": "f"}), federated),
    ];
    let trace = of(&events, &question(&[KEY]));
    assert_eq!(trace.targets.len(), 1, "{:?}", trace.targets);
    assert_eq!(why(&trace, "bot"), "1 leaked credential, 2 sessions");
}

#[test]
fn names_that_iam_cannot_have_are_no_targets_and_are_told() {
    let name = "evil name\u{202e}; rm";
    let made = event("22T10:00:00", KEY, "iam:CreateUser", json!({"userName": name}), Value::Null);
    let trace = of(&[made], &question(&[KEY]));
    assert_eq!(trace.targets.len(), 1, "{:?}", trace.targets);
    assert!(says(&trace, "who user evil name\\u{202e}; rm is"), "{:?}", trace.unknown);
}

#[test]
fn a_user_that_is_in_no_event_is_said_to_be_in_none() {
    let other = event("22T10:00:00", KEY, "iam:ListUsers", Value::Null, Value::Null);
    let nobody = Question { users: vec!["nosuch".parse().unwrap()], ..question(&[]) };
    let trace = of(&[other], &nobody);
    assert!(trace.credentials.is_empty());
    assert!(says(&trace, "what user nosuch did"), "{:?}", trace.unknown);
    let shown = text(&trace);
    assert!(!shown.contains("0 can act") && !shown.contains("Credentials:"), "{shown}");
    assert!(shown.contains("No credential is in the data"), "{shown}");
}
