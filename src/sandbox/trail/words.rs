//! Requests and replies in CloudTrail's words: JSON, with names that begin small.

use crate::sandbox::dispatch::Service;
use crate::sandbox::params::Params;
use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::{Map, Value, json};

/// What CloudTrail leaves out of requests and replies.
const HIDDEN: [&str; 6] =
    ["Password", "NewPassword", "OldPassword", "PrivateKey", "SecretAccessKey", "SessionToken"];
const NUMBERS: [&str; 5] =
    ["DurationSeconds", "MaxItems", "MaxSessionDuration", "PackedPolicySize", "SessionDuration"];
/// Elements of replies that hold secrets under names of their own.
const HIDDEN_IN_REPLIES: [&str; 4] =
    ["ServicePassword", "ServiceCredentialSecret", "Base32StringSeed", "QRCodePNG"];
/// No reply of the sandbox nests nearly as deep.
const DEEPEST: usize = 16;

/// Whether a call changes nothing.
pub(super) fn is_read(service: Service, action: &str) -> bool {
    match service {
        Service::Sts => !action.starts_with("Assume"),
        _ => ["Get", "List", "Lookup", "Simulate"].iter().any(|verb| action.starts_with(verb)),
    }
}

/// Whether it is about an object in a bucket.
pub(super) fn is_data(service: Service, action: &str) -> bool {
    service == Service::S3 && matches!(action, "GetObject" | "PutObject" | "ListBucket")
}

/// The name of an event, which for S3 is not that of the action in policies.
pub(super) fn event_name(service: Service, action: &str) -> &str {
    match (service, action) {
        (Service::S3, "ListAllMyBuckets") => "ListBuckets",
        (Service::S3, "ListBucket") => "ListObjects",
        _ => action,
    }
}

/// The parameters of a Query request.
pub(super) fn parameters(params: &Params) -> Value {
    let mut all = Value::Null;
    for (name, value) in params.pairs() {
        let hidden = HIDDEN.iter().any(|hidden| name.ends_with(hidden));
        if matches!(name, "Action" | "Version") || hidden {
            continue;
        }
        let path: Vec<&str> = name.split('.').collect();
        put(&mut all, &path, value);
    }
    all
}

/// Puts a value where its name says: `Tags.member.1.Key` is the key of the first of the tags.
fn put(at: &mut Value, path: &[&str], value: &str) {
    let Some((first, rest)) = path.split_first() else { return };
    if let ("member" | "entry", Some((_number, below))) = (*first, rest.split_first()) {
        if !at.is_array() {
            *at = Value::Array(Vec::new());
        }
        let Some(items) = at.as_array_mut() else { return };
        let number: usize = rest.first().and_then(|n| n.parse().ok()).unwrap_or(1);
        // Items come in order; whoever leaves numbers out gets them moved up.
        if items.len() < number.min(items.len() + 1) {
            items.push(Value::Null);
        }
        let Some(item) = items.last_mut() else { return };
        if below.is_empty() {
            *item = json!(value);
        } else {
            put(item, below, value);
        }
        return;
    }
    if !at.is_object() {
        *at = Value::Object(Map::new());
    }
    let Some(object) = at.as_object_mut() else { return };
    let below = object.entry(small(first)).or_insert(Value::Null);
    if rest.is_empty() {
        *below = leaf(first, value);
    } else {
        put(below, rest, value);
    }
}

/// The elements of a reply's result.
pub(super) fn elements(result: &[u8]) -> Value {
    let mut reader = Reader::from_reader(result);
    match children(&mut reader, 0) {
        Value::Object(map) if map.is_empty() => Value::Null,
        value => value,
    }
}

fn children(reader: &mut Reader<&[u8]>, depth: usize) -> Value {
    let (mut object, mut list, mut text) = (Map::new(), Vec::new(), String::new());
    loop {
        match reader.read_event() {
            Ok(Event::Start(start)) => {
                let name = String::from_utf8_lossy(start.name().as_ref()).into_owned();
                if depth >= DEEPEST {
                    return Value::Null;
                }
                let value = children(reader, depth + 1);
                if name == "member" {
                    list.push(value);
                } else if !HIDDEN.contains(&name.as_str())
                    && !HIDDEN_IN_REPLIES.contains(&name.as_str())
                {
                    let value = match value {
                        Value::String(text) => leaf(&name, &text),
                        other => other,
                    };
                    object.insert(small(&name), value);
                }
            }
            Ok(Event::Text(piece)) => text.push_str(&piece.decode().unwrap_or_default()),
            Ok(Event::GeneralRef(reference)) => text.push_str(entity(&reference)),
            Ok(Event::End(_) | Event::Eof) | Err(_) => break,
            Ok(_) => {}
        }
    }
    match (object.is_empty(), list.is_empty()) {
        (false, _) => Value::Object(object),
        (true, false) => Value::Array(list),
        (true, true) if depth == 0 => Value::Object(object),
        (true, true) => Value::String(text),
    }
}

/// The five that XML has by itself: the sandbox writes no others.
fn entity(name: &[u8]) -> &'static str {
    match name {
        b"lt" => "<",
        b"gt" => ">",
        b"amp" => "&",
        b"apos" => "'",
        b"quot" => "\"",
        _ => "",
    }
}

fn leaf(name: &str, text: &str) -> Value {
    match text {
        "true" => json!(true),
        "false" => json!(false),
        _ if NUMBERS.contains(&name) => {
            text.parse::<i64>().map_or_else(|_| json!(text), |number| json!(number))
        }
        _ => json!(text),
    }
}

/// `RoleArn` as `roleArn`, `SSHPublicKeyId` as `sSHPublicKeyId`.
fn small(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(letters).collect()
}

/// What an event is about, where CloudTrail lists it.
pub(super) fn resources(service: Service, asked: &Value, partition: &str) -> Option<Value> {
    let text = |name: &str| asked.get(name).and_then(Value::as_str);
    match service {
        Service::Sts => {
            let arn = text("roleArn")?;
            let account = arn.split(':').nth(4)?;
            Some(json!([{ "accountId": account, "type": "AWS::IAM::Role", "ARN": arn }]))
        }
        Service::S3 => {
            let bucket = format!("arn:{partition}:s3:::{}", text("bucketName")?);
            let whole = json!({ "type": "AWS::S3::Bucket", "ARN": bucket });
            Some(match text("key") {
                Some(key) => {
                    json!([{ "type": "AWS::S3::Object", "ARN": format!("{bucket}/{key}") }, whole])
                }
                None => json!([whole]),
            })
        }
        _ => None,
    }
}
