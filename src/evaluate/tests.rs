//! The evaluator against recorded decisions and documents, and against its own rules.

mod decisions;
mod documents;
mod laws;
mod operators;
mod peer;

use super::{Context, Decision, Kind, Policies, Policy, Principal, Request, Source, decide};
use serde_json::{Value, json};
use std::path::PathBuf;

const EVE: &str = "arn:aws:iam::123456789012:user/eve";

fn identity(document: &Value) -> Policy {
    Policy::parse(&document.to_string(), Kind::Identity).unwrap()
}

fn document(statement: &Value) -> Value {
    json!({ "Version": "2012-10-17", "Statement": statement })
}

fn policy(statement: &Value) -> Policy {
    identity(&document(statement))
}

fn allow_all() -> Policy {
    policy(&json!({ "Effect": "Allow", "Action": "*", "Resource": "*" }))
}

/// A file of recorded data; without it a test says so, loudly, and is not run.
fn fixture(path: &str) -> Option<String> {
    #[allow(clippy::disallowed_methods)]
    let folder = std::env::var_os("RINGFENCE_FIXTURES").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures"),
        PathBuf::from,
    );
    let file = folder.join(path);
    let text = std::fs::read_to_string(&file);
    if let Err(error) = &text {
        eprintln!("!! NOT RUN: {}: {error}. Set RINGFENCE_FIXTURES.", file.display());
    }
    text.ok()
}

#[test]
fn all_recorded_decisions_agree() {
    let Some(text) = fixture("policy-evaluation/vectors.json") else { return };
    let vectors: Vec<Value> = serde_json::from_str(&text).unwrap();
    let mut wrong = Vec::new();
    for (index, vector) in vectors.iter().enumerate() {
        let text = |name: &str| vector[name].as_str().unwrap();
        let context: Context = vector["context"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(key, value)| (key.clone(), vec![value.as_str().unwrap().to_owned()]))
            .collect();
        let attached: Vec<Policy> =
            vector["identity_policies"].as_array().unwrap().iter().map(identity).collect();
        let boundary = vector.get("permissions_boundary").map(identity);
        let policies = Policies {
            identity: attached.iter().collect(),
            boundary: boundary.as_ref(),
            ..Policies::default()
        };
        let request = Request {
            principal: Principal::User { arn: text("principal") },
            action: text("action"),
            resource: text("resource"),
            context: &context,
        };
        let decided = match decide(&policies, &request) {
            Decision::Allowed => "Allowed",
            Decision::ExplicitlyDenied(_) => "ExplicitlyDenied",
            Decision::ImplicitlyDenied(_) => "ImplicitlyDenied",
        };
        if decided != text("decision") {
            wrong.push(format!("{index}: {decided}, recorded {}", text("decision")));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(vectors.len(), 400);
}

#[test]
fn every_managed_policy_of_aws_is_read() {
    let Some(text) = fixture("managed-policies/latest.jsonl") else { return };
    let mut refused = Vec::new();
    let mut seen = 0;
    for line in text.lines() {
        let entry: Value = serde_json::from_str(line).unwrap();
        seen += 1;
        if let Err(error) = Policy::parse(&entry["document"].to_string(), Kind::Identity) {
            refused.push(format!("{}: {error}", entry["name"]));
        }
    }
    assert_eq!(refused, Vec::<String>::new());
    assert_eq!(seen, 1_594);
}
