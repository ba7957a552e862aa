//! GuardDuty's findings in the AWS Security Finding Format.

use super::shape::{field, path, text, time};
use super::{Finding, Named};
use serde_json::Value;

/// Reads one; `None` if it is not of this format, or not GuardDuty's.
pub(super) fn read(value: &Value) -> Option<Finding> {
    let product = text(value, "productArn")?;
    if !product.contains("/aws/guardduty") && !product.contains(":product/aws/guardduty") {
        return None;
    }
    let more = |name: &str| {
        let name = format!("aws/guardduty/service/{name}");
        let value = field(value, "productFields")?.get(&name)?.as_str()?;
        (!value.is_empty()).then(|| value.to_owned())
    };
    let arn = text(value, "id")?;
    let credentials = credentials(value);
    let sample = more("additionalInfo/sample").as_deref() == Some("true")
        || credentials.iter().any(Named::is_made_up);
    Some(Finding {
        id: arn.rsplit('/').next().unwrap_or(&arn).to_owned(),
        kind: kind(value),
        severity: severity(value),
        title: text(value, "title").unwrap_or_default(),
        account_id: text(value, "awsAccountId"),
        region: text(value, "region").or_else(|| arn.split(':').nth(3).map(str::to_owned)),
        credentials,
        first_seen: more("eventFirstSeen")
            .and_then(|at| at.parse().ok())
            .or_else(|| time(value, "firstObservedAt")),
        last_seen: more("eventLastSeen")
            .and_then(|at| at.parse().ok())
            .or_else(|| time(value, "lastObservedAt")),
        count: more("count").and_then(|count| count.parse().ok()),
        call: more("action/awsApiCallAction/api").map(|api| {
            match more("action/awsApiCallAction/serviceName") {
                Some(service) => format!("{service} {api}"),
                None => api,
            }
        }),
        source_ip: more("action/awsApiCallAction/remoteIpDetails/ipAddressV4"),
        sample,
        archived: text(value, "recordState").as_deref() == Some("ARCHIVED"),
    })
}

/// `TTPs/Discovery/Recon:IAMUser-UserPermissions` is GuardDuty's `Recon:IAMUser/UserPermissions`.
fn kind(value: &Value) -> String {
    let types = field(value, "types").and_then(Value::as_array);
    let first = types.and_then(|types| types.first()).and_then(Value::as_str).unwrap_or_default();
    let last = first.rsplit('/').next().unwrap_or_default();
    match last.split_once(':') {
        Some((purpose, rest)) => format!("{purpose}:{}", rest.replacen('-', "/", 1)),
        None => last.to_owned(),
    }
}

/// GuardDuty's own number where it is there, or else Security Hub's, which goes to a hundred.
fn severity(value: &Value) -> Option<f64> {
    let severity = field(value, "severity")?;
    let own = field(severity, "product").and_then(Value::as_f64);
    own.or_else(|| Some(field(severity, "normalized")?.as_f64()? / 10.0))
}

fn credentials(value: &Value) -> Vec<Named> {
    let resources = field(value, "resources").and_then(Value::as_array);
    let keys = resources
        .into_iter()
        .flatten()
        .filter(|resource| text(resource, "type").as_deref() == Some("AwsIamAccessKey"));
    keys.map(|resource| {
        let details = path(resource, &["details", "awsIamAccessKey"]).unwrap_or(&Value::Null);
        let by_id = text(resource, "id")
            .and_then(|id| id.strip_prefix("AWS::IAM::AccessKey:").map(str::to_owned))
            .filter(|id| id != "null");
        Named {
            access_key_id: text(details, "accessKeyId").or(by_id),
            principal_id: text(details, "principalId"),
            user_name: text(details, "principalName").or_else(|| text(details, "userName")),
            user_type: text(details, "principalType"),
        }
    })
    .collect()
}
