//! As much of S3 as it takes to be denied something: buckets listed, objects put and read.

use super::Request;
use super::account::Bucket;
use super::act::Act;
use super::evaluate;
use super::fault::Fault;
use super::xml::Xml;
use percent_encoding::percent_decode_str;
use std::collections::BTreeMap;

/// The actions, in a policy's words.
pub(super) const ACTIONS: [&str; 5] =
    ["CreateBucket", "GetObject", "ListAllMyBuckets", "ListBucket", "PutObject"];

/// What a request asks for, by its method and path.
struct Asked {
    bucket: String,
    key: String,
}

fn asked(request: &Request) -> Asked {
    let path = percent_decode_str(&request.path).decode_utf8_lossy().into_owned();
    let path = path.trim_start_matches('/');
    let host = request.header("host").unwrap_or(&request.host);
    // The bucket stands in front of the host, or first in the path.
    if let Some((bucket, _)) = host.split_once(".s3.") {
        return Asked { bucket: bucket.to_owned(), key: path.to_owned() };
    }
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    Asked { bucket: bucket.to_owned(), key: key.to_owned() }
}

/// The action that a request is.
pub(super) fn name(request: &Request) -> &'static str {
    let asked = asked(request);
    match (request.method.as_str(), asked.bucket.is_empty(), asked.key.is_empty()) {
        ("GET", true, _) => "ListAllMyBuckets",
        ("GET" | "HEAD", false, true) => "ListBucket",
        ("GET" | "HEAD", false, false) => "GetObject",
        ("PUT", false, true) => "CreateBucket",
        ("PUT", false, false) => "PutObject",
        _ => "Unknown",
    }
}

/// What a request is about, as CloudTrail tells it.
pub(super) fn parameters(request: &Request) -> serde_json::Value {
    let asked = asked(request);
    let mut told = serde_json::Map::new();
    for (name, value) in [("bucketName", asked.bucket), ("key", asked.key)] {
        if !value.is_empty() {
            told.insert(name.to_owned(), value.into());
        }
    }
    if told.is_empty() { serde_json::Value::Null } else { told.into() }
}

/// Serves a request.
pub(super) fn serve(mut act: Act<'_>, request: &Request) -> Result<(u16, Vec<u8>), Fault> {
    let asked = asked(request);
    act.action = name(request);
    let resource = match act.action {
        "ListAllMyBuckets" => "*".to_owned(),
        "Unknown" => {
            let message = "A header you provided implies functionality that is not implemented";
            return Err(Fault::new(501, "NotImplemented", message));
        }
        _ if asked.key.is_empty() => format!("arn:aws:s3:::{}", asked.bucket),
        _ => format!("arn:aws:s3:::{}/{}", asked.bucket, asked.key),
    };
    allow(&act, &asked, &resource)?;
    match act.action {
        "ListAllMyBuckets" => buckets(&act),
        "ListBucket" => objects(&act, &asked.bucket),
        "GetObject" => {
            let found = bucket(&act, &asked.bucket)?.objects.get(&asked.key);
            let missing = || Fault::new(404, "NoSuchKey", "The specified key does not exist.");
            found.map(|body| (200, body.clone())).ok_or_else(missing)
        }
        "CreateBucket" => create(&mut act, asked.bucket),
        _ => {
            let owner = bucket_owner(&act, &asked.bucket)?;
            let account = act.world.account_mut(&owner);
            let bucket = account.and_then(|account| account.buckets.get_mut(&asked.bucket));
            if let Some(bucket) = bucket {
                bucket.objects.insert(asked.key, request.body.clone());
            }
            Ok((200, Vec::new()))
        }
    }
}

fn allow(act: &Act<'_>, asked: &Asked, resource: &str) -> Result<(), Fault> {
    let owner = bucket_owner(act, &asked.bucket).ok();
    let more: Vec<(&str, &str)> =
        owner.iter().map(|owner| ("aws:ResourceAccount", owner.as_str())).collect();
    let context = act.context(&more);
    let decision: evaluate::Decision = act.judge(&context, resource, &act.full_action());
    act.denied(decision, resource)
}

/// The account that a bucket is in: their names are unique among all accounts.
fn bucket_owner(act: &Act<'_>, name: &str) -> Result<String, Fault> {
    let ids = act.world.account_ids();
    let mut owners =
        ids.filter(|id| act.world.account(id).is_some_and(|a| a.buckets.contains_key(name)));
    let missing = || Fault::new(404, "NoSuchBucket", "The specified bucket does not exist");
    owners.next().map(str::to_owned).ok_or_else(missing)
}

fn bucket<'a>(act: &'a Act<'_>, name: &str) -> Result<&'a Bucket, Fault> {
    let owner = bucket_owner(act, name)?;
    let account = act.world.account(&owner);
    let missing = || Fault::new(404, "NoSuchBucket", "The specified bucket does not exist");
    account.and_then(|account| account.buckets.get(name)).ok_or_else(missing)
}

fn create(act: &mut Act<'_>, name: String) -> Result<(u16, Vec<u8>), Fault> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
    if !(3..=63).contains(&name.len()) || !name.chars().all(fits) {
        let message = "The specified bucket is not valid.";
        return Err(Fault::new(400, "InvalidBucketName", message));
    }
    if bucket_owner(act, &name).is_ok() {
        let message = "The requested bucket name is not available.";
        return Err(Fault::new(409, "BucketAlreadyExists", message));
    }
    let created = act.now;
    act.account_mut()?.buckets.insert(name, Bucket { created, objects: BTreeMap::new() });
    Ok((200, Vec::new()))
}

fn buckets(act: &Act<'_>) -> Result<(u16, Vec<u8>), Fault> {
    let account = act.account()?;
    let mut xml = Xml::new();
    xml.root("ListAllMyBucketsResult", "http://s3.amazonaws.com/doc/2006-03-01/", |xml| {
        xml.within("Owner", |xml| {
            xml.text("ID", &account.id);
        });
        xml.within("Buckets", |xml| {
            for (name, bucket) in &account.buckets {
                xml.within("Bucket", |xml| {
                    xml.text("Name", name).time("CreationDate", bucket.created);
                });
            }
        });
    });
    Ok((200, xml.into_bytes()))
}

fn objects(act: &Act<'_>, name: &str) -> Result<(u16, Vec<u8>), Fault> {
    let bucket = bucket(act, name)?;
    let mut xml = Xml::new();
    xml.root("ListBucketResult", "http://s3.amazonaws.com/doc/2006-03-01/", |xml| {
        xml.text("Name", name).value("KeyCount", bucket.objects.len());
        xml.value("IsTruncated", false);
        for (key, body) in &bucket.objects {
            xml.within("Contents", |xml| {
                xml.text("Key", key).value("Size", body.len()).time("LastModified", bucket.created);
            });
        }
    });
    Ok((200, xml.into_bytes()))
}
