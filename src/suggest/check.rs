//! What is said of a policy before anybody puts it in place: by its grammar, by the data set, by its size.

use super::catalog::Catalog;
use crate::evaluate::{Kind, Policy};
use crate::policy::PolicyDocument;
use serde::Serialize;
use serde_json::Value;

/// How much weight a finding has, in the words of Access Analyzer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// IAM would not take it, or it does not do what it says.
    Error,
    /// It grants more than it seems to.
    SecurityWarning,
    /// It is not as AWS advises.
    Warning,
    /// It can be said better.
    Suggestion,
}

/// A finding about a policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Check {
    /// Its weight.
    pub level: Level,
    /// What kind of finding it is.
    pub code: String,
    /// What is found.
    pub what: String,
}

/// What the grammar, the data set and the quotas say of a policy.
#[must_use]
pub fn checked(catalog: &Catalog, document: &PolicyDocument) -> Vec<Check> {
    let mut found = Vec::new();
    let mut add = |level, code: &str, what: String| {
        found.push(Check { level, code: code.to_owned(), what });
    };
    if let Err(malformed) = Policy::parse(&document.minified(), Kind::Identity) {
        add(Level::Error, "MALFORMED", malformed.to_string());
        return found;
    }
    let statements = document.value().get("Statement");
    let all: Vec<&Value> = match statements {
        Some(Value::Array(items)) => items.iter().collect(),
        other => other.into_iter().collect(),
    };
    for statement in all {
        let allows = statement.get("Effect").and_then(Value::as_str) == Some("Allow");
        for action in texts(statement.get("Action")) {
            if !is_known(catalog, action) {
                let what = format!("no action of the data set fits `{action}`");
                add(Level::Warning, "UNKNOWN_ACTION", what);
            }
        }
        let everything = texts(statement.get("Action")).contains(&"*");
        if allows && everything && texts(statement.get("Resource")).contains(&"*") {
            add(
                Level::SecurityWarning,
                "ALLOW_EVERYTHING",
                "a statement allows everything".to_owned(),
            );
        }
    }
    found.sort();
    found.dedup();
    found
}

fn texts(value: Option<&Value>) -> Vec<&str> {
    match value {
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
        other => other.and_then(Value::as_str).into_iter().collect(),
    }
}

/// Whether there is an action that a pattern means.
fn is_known(catalog: &Catalog, pattern: &str) -> bool {
    let Some((service, name)) = pattern.split_once(':') else { return pattern == "*" };
    let (service, name) = (service.to_ascii_lowercase(), name.to_ascii_lowercase());
    let services = catalog.services().filter(|one| crate::pattern::matches(&service, one.prefix));
    let mut names = services.flat_map(super::catalog::Service::names);
    names.any(|one| crate::pattern::matches(&name, &one.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_iam_would_not_take_and_what_nobody_knows_is_found() {
        let catalog = Catalog::new();
        let codes = |text: &str| -> Vec<String> {
            let all = checked(&catalog, &PolicyDocument::parse(text));
            all.into_iter().map(|check| check.code).collect()
        };
        let with = |action: &str| {
            format!(
                r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"{action}","Resource":"*"}}}}"#
            )
        };
        assert!(codes(&with("s3:Get*")).is_empty());
        assert_eq!(codes(&with("s3:Gett*")), ["UNKNOWN_ACTION"]);
        assert_eq!(codes(&with("*")), ["ALLOW_EVERYTHING"]);
        assert_eq!(codes("{}"), ["MALFORMED"]);
    }
}
