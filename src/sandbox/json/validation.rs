//! Access Analyzer's opinion of a policy, as far as ringfence's own check has one.

use crate::policy::PolicyDocument;
use crate::sandbox::fault::Fault;
use crate::suggest::{Catalog, Check, Level, checked};
use serde_json::{Value, json};

pub(super) fn validate(asked: &Value) -> Result<Value, Fault> {
    let kind = asked.get("policyType").and_then(Value::as_str);
    let text = asked.get("policyDocument").and_then(Value::as_str);
    let (Some(text), Some("IDENTITY_POLICY")) = (text, kind) else {
        let message = "The sandbox validates the policyDocument of an IDENTITY_POLICY";
        return Err(Fault::new(400, "ValidationException", message));
    };
    let found = checked(&Catalog::new(), &PolicyDocument::parse(text));
    let findings: Vec<Value> = found.iter().map(finding).collect();
    Ok(json!({ "findings": findings }))
}

fn finding(check: &Check) -> Value {
    let kind = match check.level {
        Level::Error => "ERROR",
        Level::SecurityWarning => "SECURITY_WARNING",
        Level::Warning => "WARNING",
        Level::Suggestion => "SUGGESTION",
    };
    json!({
        "findingType": kind,
        "issueCode": check.code,
        "findingDetails": check.what,
        "learnMoreLink": "https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html",
        "locations": [],
    })
}
