//! Events of our own, and the files that they come in.

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::io::Write;

pub const ACCOUNT: &str = "123456789012";

/// When a story begins.
pub fn at(seconds: i64) -> String {
    let start: jiff::Timestamp = "2026-11-21T01:40:00Z".parse().unwrap();
    (start + jiff::SignedDuration::from_secs(seconds)).to_string()
}

/// Who calls.
#[derive(Clone, Debug)]
pub struct Who {
    pub key: String,
    pub user: Option<String>,
    /// The role and the session's name.
    pub role: Option<(String, String)>,
}

impl Who {
    pub fn user(name: &str, key: &str) -> Self {
        Self { key: key.to_owned(), user: Some(name.to_owned()), role: None }
    }

    pub fn role(role: &str, session: &str, key: &str) -> Self {
        Self { key: key.to_owned(), user: None, role: Some((role.to_owned(), session.to_owned())) }
    }

    fn identity(&self) -> Value {
        match (&self.user, &self.role) {
            (Some(user), _) => json!({
                "type": "IAMUser", "principalId": format!("AIDAEXAMPLE{}", user.to_uppercase()),
                "arn": format!("arn:aws:iam::{ACCOUNT}:user/{user}"), "accountId": ACCOUNT,
                "accessKeyId": self.key, "userName": user,
            }),
            (None, Some((role, session))) => json!({
                "type": "AssumedRole", "principalId": format!("AROAEXAMPLE{}:{session}", role.to_uppercase()),
                "arn": format!("arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{session}"), "accountId": ACCOUNT,
                "accessKeyId": self.key,
                "sessionContext": {"sessionIssuer": {"type": "Role", "arn": format!("arn:aws:iam::{ACCOUNT}:role/{role}"), "userName": role}},
            }),
            (None, None) => json!({"type": "AWSService", "invokedBy": "ec2.amazonaws.com"}),
        }
    }
}

/// One event.
pub fn event(
    id: &str,
    seconds: i64,
    who: &Who,
    call: &str,
    request: Value,
    response: Value,
) -> Value {
    let (service, name) = call.split_once(':').unwrap();
    json!({
        "eventVersion": "1.11", "userIdentity": who.identity(), "eventTime": at(seconds),
        "eventSource": format!("{service}.amazonaws.com"), "eventName": name, "awsRegion": "us-east-1",
        "sourceIPAddress": "198.51.100.7", "userAgent": "aws-cli/2.15.0", "requestParameters": request,
        "responseElements": response, "requestID": format!("r-{id}"), "eventID": id, "readOnly": false,
        "eventType": "AwsApiCall", "managementEvent": true, "recipientAccountId": ACCOUNT,
        "eventCategory": "Management",
    })
}

/// One that was refused.
pub fn denied(mut event: Value) -> Value {
    event["errorCode"] = json!("AccessDenied");
    event
}

pub fn assumes(id: &str, seconds: i64, who: &Who, role: &str, session: &str, key: &str) -> Value {
    let request = json!({
        "roleArn": format!("arn:aws:iam::{ACCOUNT}:role/{role}"), "roleSessionName": session, "durationSeconds": 3600,
    });
    let response = json!({
        "credentials": {"accessKeyId": key, "sessionToken": "EXAMPLE", "expiration": "Nov 21, 2026, 2:40:00 AM"},
        "assumedRoleUser": {
            "assumedRoleId": format!("AROAEXAMPLE:{session}"),
            "arn": format!("arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{session}"),
        },
    });
    event(id, seconds, who, "sts:AssumeRole", request, response)
}

pub fn makes_key(id: &str, seconds: i64, who: &Who, user: &str, key: &str) -> Value {
    let response = json!({"accessKey": {
        "accessKeyId": key, "status": "Active", "userName": user, "createDate": "Nov 21, 2026 1:41:00 AM",
    }});
    event(id, seconds, who, "iam:CreateAccessKey", json!({"userName": user}), response)
}

pub fn reads(id: &str, seconds: i64, who: &Who, object: &str) -> Value {
    let mut event = event(
        id,
        seconds,
        who,
        "s3:GetObject",
        json!({"bucketName": "data", "key": object}),
        Value::Null,
    );
    event["eventCategory"] = json!("Data");
    event["managementEvent"] = json!(false);
    event
}

/// The forms that events are kept in.
pub const SHAPES: usize = 8;

/// Events in one of the forms, and the file name's end that goes with it.
pub fn shaped(shape: usize, events: &[Value]) -> (Vec<u8>, &'static str) {
    let lines =
        |each: &dyn Fn(&Value) -> String| events.iter().map(each).collect::<Vec<_>>().join("\n");
    match shape % SHAPES {
        0 => (json!({"Records": events}).to_string().into_bytes(), "json"),
        1 => (gzip(json!({"Records": events}).to_string().as_bytes()), "json.gz"),
        2 => (serde_json::to_vec_pretty(events).unwrap(), "json"),
        3 => (lines(&|event| event.to_string()).into_bytes(), "ndjson"),
        4 => (
            lines(&|event| json!({"version": "0", "detail": event}).to_string()).into_bytes(),
            "log",
        ),
        5 => {
            let list: Vec<_> = events
                .iter()
                .map(|event| json!({"id": "1", "message": event.to_string()}))
                .collect();
            (
                json!({"messageType": "DATA_MESSAGE", "logEvents": list}).to_string().into_bytes(),
                "json",
            )
        }
        6 => {
            let list: Vec<_> = events
                .iter()
                .map(|event| json!({"EventId": event["eventID"], "CloudTrailEvent": event.to_string()}))
                .collect();
            (serde_json::to_vec_pretty(&json!({"Events": list, "NextToken": "t"})).unwrap(), "json")
        }
        _ => {
            // Several members, one behind the other.
            let members = events.iter().flat_map(|event| gzip(format!("{event}\n").as_bytes()));
            (members.collect(), "gz")
        }
    }
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
