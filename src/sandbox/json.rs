//! The services that speak JSON, as much of them as an incident asks: the events of CloudTrail, the
//! Regions of an account, the findings of GuardDuty, the secrets of Secrets Manager, Access Analyzer's
//! opinion of a policy.

mod events;
mod findings;
mod secrets;
mod validation;

pub use secrets::{Secret, SecretVersion};

use super::Request;
use super::act::Act;
use super::dispatch::Service;
use super::fault::Fault;
use serde_json::{Value, json};

/// The actions, in a policy's words.
pub(super) const ACTIONS: [&str; 13] = [
    "access-analyzer:ValidatePolicy",
    "account:ListRegions",
    "cloudtrail:LookupEvents",
    "guardduty:GetFindings",
    "guardduty:ListDetectors",
    "guardduty:ListFindings",
    "secretsmanager:CreateSecret",
    "secretsmanager:DeleteSecret",
    "secretsmanager:DescribeSecret",
    "secretsmanager:GetSecretValue",
    "secretsmanager:ListSecrets",
    "secretsmanager:PutSecretValue",
    "secretsmanager:RestoreSecret",
];

/// The actions of Secrets Manager.
const OF_SECRETS: [&str; 7] = [
    "CreateSecret",
    "DeleteSecret",
    "DescribeSecret",
    "GetSecretValue",
    "ListSecrets",
    "PutSecretValue",
    "RestoreSecret",
];

/// The Regions that every account has.
const REGIONS: [&str; 17] = [
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

/// The action that a request is, without its service.
pub(super) fn name(service: Service, request: &Request) -> &'static str {
    let path: Vec<&str> = request.path.trim_matches('/').split('/').collect();
    match (service, request.method.as_str(), path.as_slice()) {
        (Service::CloudTrail, "POST", _) => {
            let target = request.header("x-amz-target").unwrap_or_default();
            if target.rsplit('.').next() == Some("LookupEvents") { "LookupEvents" } else { "" }
        }
        (Service::Secrets, "POST", _) => {
            let target = request.header("x-amz-target").unwrap_or_default();
            let action = target.strip_prefix("secretsmanager.").unwrap_or_default();
            OF_SECRETS.into_iter().find(|name| *name == action).unwrap_or_default()
        }
        (Service::Account, "POST", ["listRegions"]) => "ListRegions",
        (Service::GuardDuty, "GET", ["detector"]) => "ListDetectors",
        (Service::GuardDuty, "POST", ["detector", _, "findings"]) => "ListFindings",
        (Service::GuardDuty, "POST", ["detector", _, "findings", "get"]) => "GetFindings",
        (Service::AccessAnalyzer, "POST", ["policy", "validation"]) => "ValidatePolicy",
        _ => "",
    }
}

/// What a request asks for.
pub(super) fn asked(request: &Request) -> Result<Value, Fault> {
    if request.body.iter().all(u8::is_ascii_whitespace) {
        return Ok(json!({}));
    }
    let asked = serde_json::from_slice(&request.body).ok().filter(Value::is_object);
    asked.ok_or_else(|| Fault::new(400, "SerializationException", "The request is no JSON object."))
}

/// What of a request stands in its event: CloudTrail hides what a secret holds.
pub(super) fn recorded(service: Service, asked: &Value) -> Value {
    let mut asked = asked.clone();
    if let (Service::Secrets, Some(fields)) = (service, asked.as_object_mut()) {
        fields.remove("SecretString");
        fields.remove("SecretBinary");
    }
    asked
}

/// Serves a request.
pub(super) fn serve(act: &mut Act<'_>, request: &Request, asked: &Value) -> Result<Value, Fault> {
    if act.action.is_empty() {
        let service = act.service.name();
        let message = format!("The sandbox has of {service} only what ringfence asks for");
        return Err(Fault::new(400, "UnknownOperationException", message));
    }
    if act.service == Service::Secrets {
        return secrets::serve(act, asked);
    }
    act.allow("*")?;
    match act.action {
        "LookupEvents" => events::look_up(act, asked),
        "ListRegions" => Ok(regions(asked)),
        "ListDetectors" => Ok(json!({ "detectorIds": [findings::DETECTOR] })),
        "ListFindings" => findings::list(act, request, asked),
        "ValidatePolicy" => validation::validate(asked),
        _ => findings::get(act, request, asked),
    }
}

fn regions(asked: &Value) -> Value {
    let wanted = asked.get("RegionOptStatusContains").and_then(Value::as_array);
    let by_default = "ENABLED_BY_DEFAULT";
    let listed = wanted.is_none_or(|all| all.iter().any(|one| one == by_default));
    let regions: Vec<Value> = REGIONS
        .iter()
        .filter(|_| listed)
        .map(|name| json!({ "RegionName": name, "RegionOptStatus": by_default }))
        .collect();
    json!({ "Regions": regions })
}
