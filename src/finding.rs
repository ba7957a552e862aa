//! GuardDuty's findings about IAM: read in the shapes in which they arrive, and whether a
//! containment can start from one.
//!
//! The shapes are the API's reply, as SDKs and the AWS CLI write it; the event that EventBridge
//! carries; the lines of an export to S3; and Security Hub's format around the same finding.

mod security_hub;
mod shape;
mod usable;

pub use usable::{Start, Unusable};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shape::{field, number, text, time};

/// The format of a list of findings.
pub const FORMAT_VERSION: u32 = 1;

/// A finding, as far as a containment is concerned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Finding {
    /// GuardDuty's ID of it.
    pub id: String,
    /// Its type, such as `UnauthorizedAccess:IAMUser/TorIPCaller`.
    #[serde(rename = "type")]
    pub kind: String,
    /// From 1 to 10; above 7 is high, above 9 critical.
    pub severity: Option<f64>,
    /// What it says, in one line.
    pub title: String,
    /// The account it is about.
    pub account_id: Option<String>,
    /// The Region it was raised in.
    pub region: Option<String>,
    /// The credentials that it names: one, or those of a sequence.
    pub credentials: Vec<Named>,
    /// When it was seen first.
    pub first_seen: Option<Timestamp>,
    /// When it was seen last.
    pub last_seen: Option<Timestamp>,
    /// How often.
    pub count: Option<u64>,
    /// The call it is about, such as `iam.amazonaws.com ListPolicyVersions`.
    pub call: Option<String>,
    /// Where that came from.
    pub source_ip: Option<String>,
    /// Whether GuardDuty made it up for a test.
    pub sample: bool,
    /// Whether somebody has put it away.
    pub archived: bool,
}

/// Whose credential a finding names.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Named {
    /// The access key.
    pub access_key_id: Option<String>,
    /// The unique ID of the principal; for a role's session with its name.
    pub principal_id: Option<String>,
    /// The name of the user, or of the role.
    pub user_name: Option<String>,
    /// The type of the caller, such as `IAMUser`, `Root`, `AssumedRole` or `FederatedUser`.
    pub user_type: Option<String>,
}

/// What a text held.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Findings {
    /// The findings, each once, in the order they came.
    pub findings: Vec<Finding>,
    /// Parts that are no findings: how many, and why the first is none.
    pub skipped: Option<(usize, String)>,
}

/// Reads findings: one JSON value, or one on each line.
#[must_use]
pub fn read(bytes: &[u8]) -> Findings {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let mut found = Findings::default();
    match serde_json::from_slice::<Value>(bytes) {
        Ok(value) => take(&value, &mut found),
        Err(whole) => lines(bytes, &whole, &mut found),
    }
    found
}

fn lines(bytes: &[u8], whole: &serde_json::Error, found: &mut Findings) {
    let lines: Vec<&[u8]> =
        bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).collect();
    if lines.len() < 2 {
        return skip(found, format!("it is no JSON: {whole}"));
    }
    for (number, line) in (1..).zip(lines) {
        match serde_json::from_slice::<Value>(line) {
            Ok(value) => take(&value, found),
            Err(error) => skip(found, format!("line {number} is no JSON: {error}")),
        }
    }
}

fn skip(found: &mut Findings, why: String) {
    match &mut found.skipped {
        Some((times, _)) => *times += 1,
        None => found.skipped = Some((1, why)),
    }
}

/// Takes the findings out of whatever is around them.
fn take(value: &Value, found: &mut Findings) {
    if let Some(items) = value.as_array() {
        return items.iter().for_each(|item| take(item, found));
    }
    if let Some(inside) = field(value, "findings").filter(|inside| inside.is_array()) {
        return take(inside, found);
    }
    if let Some(detail) = field(value, "detail").filter(|detail| detail.is_object()) {
        return take(detail, found);
    }
    match security_hub::read(value).or_else(|| of_guardduty(value)) {
        Some(finding) => {
            let known = |one: &Finding| one.id == finding.id && one.region == finding.region;
            // The same finding comes again as it grows: the last one knows most.
            match found.findings.iter_mut().find(|one| known(one)) {
                Some(before) => *before = finding,
                None => found.findings.push(finding),
            }
        }
        None => skip(found, "it has no `id` and `type` of a finding of GuardDuty".to_owned()),
    }
}

fn of_guardduty(value: &Value) -> Option<Finding> {
    let service = field(value, "service").unwrap_or(&Value::Null);
    let call = shape::path(service, &["action", "awsApiCallAction"]).unwrap_or(&Value::Null);
    let credentials = credentials(value, service);
    let sample = is_sample(service) || credentials.iter().any(Named::is_made_up);
    Some(Finding {
        id: text(value, "id")?,
        kind: text(value, "type")?,
        severity: field(value, "severity").and_then(Value::as_f64),
        title: text(value, "title").unwrap_or_default(),
        account_id: text(value, "accountId"),
        region: text(value, "region"),
        credentials,
        first_seen: time(service, "eventFirstSeen").or_else(|| time(value, "createdAt")),
        last_seen: time(service, "eventLastSeen").or_else(|| time(value, "updatedAt")),
        count: number(service, "count"),
        call: text(call, "api").map(|api| match text(call, "serviceName") {
            Some(service) => format!("{service} {api}"),
            None => api,
        }),
        source_ip: field(call, "remoteIpDetails").and_then(|at| text(at, "ipAddressV4")),
        sample,
        archived: field(service, "archived").and_then(Value::as_bool).unwrap_or(false),
    })
}

/// The credentials: of the resource, or of the actors and resources of a sequence.
fn credentials(value: &Value, service: &Value) -> Vec<Named> {
    let mut all: Vec<Named> = shape::path(value, &["resource", "accessKeyDetails"])
        .map(|details| Named::of(details, text(details, "accessKeyId")))
        .into_iter()
        .collect();
    let sequence = shape::path(service, &["detection", "sequence"]).unwrap_or(&Value::Null);
    let items = |name: &str| {
        field(sequence, name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    };
    for actor in items("actors") {
        let Some(user) = field(actor, "user") else { continue };
        all.push(Named {
            access_key_id: text(user, "credentialUid"),
            principal_id: text(user, "uid"),
            user_name: text(user, "name"),
            user_type: text(user, "type"),
        });
    }
    for resource in items("resources") {
        if text(resource, "resourceType").as_deref() == Some("ACCESS_KEY") {
            let details = shape::path(resource, &["data", "accessKey"]).unwrap_or(&Value::Null);
            all.push(Named::of(details, text(resource, "uid").or_else(|| text(resource, "name"))));
        }
    }
    all.retain(|one| *one != Named::default());
    let mut once: Vec<Named> = Vec::new();
    for one in all {
        let same = |known: &Named| known.access_key_id == one.access_key_id;
        if !once.iter().any(same) {
            once.push(one);
        }
    }
    once
}

impl Named {
    fn of(details: &Value, access_key_id: Option<String>) -> Self {
        Self {
            access_key_id,
            principal_id: text(details, "principalId"),
            user_name: text(details, "userName"),
            user_type: text(details, "userType"),
        }
    }

    /// Whether it is one of the names that GuardDuty gives to samples.
    fn is_made_up(&self) -> bool {
        [&self.access_key_id, &self.user_name, &self.principal_id]
            .into_iter()
            .flatten()
            .any(|name| name.starts_with("GeneratedFinding"))
    }
}

/// The API has what an export has as fields in one text of JSON.
fn is_sample(service: &Value) -> bool {
    let info = field(service, "additionalInfo").unwrap_or(&Value::Null);
    let is = |value: &Value| match field(value, "sample") {
        Some(Value::Bool(sample)) => *sample,
        Some(Value::String(sample)) => sample == "true",
        _ => false,
    };
    let inside = text(info, "value").and_then(|text| serde_json::from_str(&text).ok());
    is(info) || inside.is_some_and(|value: Value| is(&value))
}
