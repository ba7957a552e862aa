//! A statement of today's policies, taken apart.

use super::both::meeting;
use super::catalog::Catalog;
use super::target::modern;
use crate::evaluate::{Kind, Policy};
use crate::policy::PolicyDocument;
use serde_json::{Map, Value, json};

/// One statement, with what decides about it apart from its condition.
#[derive(Debug)]
pub(super) struct Statement {
    /// The element as it stands, for a policy of version 2012-10-17.
    pub(super) value: Map<String, Value>,
    /// The statement alone, without its condition.
    pub(super) bare: Policy,
    /// The same for any resource: whether the action is meant.
    pub(super) anywhere: Policy,
    pub(super) condition: Option<Value>,
}

/// Which actions of one service a statement means.
pub(super) struct Meant {
    except: bool,
    names: Vec<String>,
}

impl Meant {
    pub(super) fn has(&self, name: &str) -> bool {
        self.except != self.names.iter().any(|pattern| crate::pattern::matches(pattern, name))
    }
}

/// The statements of a document, each with whether it denies; `None` if IAM would not take it.
pub(super) fn statements(document: &PolicyDocument) -> Option<Vec<(bool, Statement)>> {
    let value = document.value();
    Policy::parse(&document.minified(), Kind::Identity).ok()?;
    let variables = value.get("Version").and_then(Value::as_str) == Some("2012-10-17");
    let all = match value.get("Statement")? {
        Value::Array(items) => items.iter().collect(),
        one => vec![one],
    };
    all.into_iter().map(|one| Statement::of(one, variables)).collect()
}

impl Statement {
    fn of(value: &Value, variables: bool) -> Option<(bool, Self)> {
        let mut value = value.as_object()?.clone();
        if !variables {
            for key in ["Resource", "NotResource"] {
                if let Some(list) = value.get_mut(key) {
                    rewrite(list);
                }
            }
            if let Some(condition) = value.get_mut("Condition") {
                rewrite_values(condition);
            }
        }
        let deny = value.get("Effect").and_then(Value::as_str) == Some("Deny");
        let mut bare = value.clone();
        bare.shift_remove("Condition");
        bare.shift_remove("Sid");
        let mut anywhere = bare.clone();
        anywhere.shift_remove("NotResource");
        anywhere.insert("Resource".to_owned(), json!("*"));
        let alone = |statement: Map<String, Value>| {
            let document = json!({ "Version": "2012-10-17", "Statement": statement });
            Policy::parse(&document.to_string(), Kind::Identity).ok()
        };
        let condition = value.get("Condition").filter(|one| **one != json!({})).cloned();
        let statement = Self { bare: alone(bare)?, anywhere: alone(anywhere)?, condition, value };
        Some((deny, statement))
    }

    pub(super) fn list(&self, key: &str) -> Option<Vec<String>> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        match self.value.get(key)? {
            Value::Array(items) => Some(items.iter().filter_map(text).collect()),
            one => Some(text(one).into_iter().collect()),
        }
    }

    pub(super) fn is_everywhere(&self) -> bool {
        self.list("Resource").is_some_and(|all| all.iter().any(|one| one == "*"))
    }

    /// Whether it is about what is asked for without a resource.
    pub(super) fn is_of_none(&self) -> bool {
        match self.list("NotResource") {
            Some(excepted) => !excepted.iter().any(|one| one == "*"),
            None => self.is_everywhere(),
        }
    }

    /// The statement as it stands, without a name, which is only good where it came from.
    pub(super) fn unnamed(&self) -> Value {
        let mut value = self.value.clone();
        value.shift_remove("Sid");
        Value::Object(value)
    }

    /// Whether all that a pattern of actions means is meant.
    pub(super) fn has_action(&self, action: &str) -> bool {
        let action = action.to_ascii_lowercase();
        match self.lower("NotAction") {
            Some(excepted) => excepted.iter().all(|one| !may_meet(one, &action)),
            None => self.lower("Action").iter().flatten().any(|one| says(one, &action)),
        }
    }

    /// Whether any of what a pattern of actions means may be meant.
    pub(super) fn may_mean(&self, action: &str) -> bool {
        let action = action.to_ascii_lowercase();
        match self.lower("NotAction") {
            Some(excepted) => !excepted.iter().any(|one| says(one, &action)),
            None => self.lower("Action").iter().flatten().any(|one| may_meet(one, &action)),
        }
    }

    fn lower(&self, key: &str) -> Option<Vec<String>> {
        Some(self.list(key)?.iter().map(|one| one.to_ascii_lowercase()).collect())
    }

    /// What the statement says of a service's actions; `None` where it says nothing of them.
    pub(super) fn meant(&self, prefix: &str) -> Option<Meant> {
        let (except, all) = match self.list("NotAction") {
            Some(all) => (true, all),
            None => (false, self.list("Action").unwrap_or_default()),
        };
        let of = |action: &String| match action.split_once(':') {
            None => Some("*".to_owned()),
            Some((service, name)) => {
                let service = service.to_ascii_lowercase();
                crate::pattern::matches(&service, prefix).then(|| name.to_ascii_lowercase())
            }
        };
        let names: Vec<String> = all.iter().filter_map(of).collect();
        (except || !names.is_empty()).then_some(Meant { except, names })
    }

    /// What the statement says of a service's actions, as patterns that are that service's alone.
    pub(super) fn actions_of(&self, catalog: &Catalog, prefix: &str) -> Vec<String> {
        if let Some(excepted) = self.list("NotAction") {
            let Some(service) = catalog.service(prefix) else { return Vec::new() };
            let meant = |name: &str| {
                let whole = format!("{prefix}:{name}").to_ascii_lowercase();
                !excepted
                    .iter()
                    .any(|one| crate::pattern::matches(&one.to_ascii_lowercase(), &whole))
            };
            let all: Vec<&str> = service.names().collect();
            let kept: Vec<&&str> = all.iter().filter(|name| meant(name)).collect();
            return match kept.len() == all.len() {
                true => vec![format!("{prefix}:*")],
                false => kept.into_iter().map(|name| format!("{prefix}:{name}")).collect(),
            };
        }
        let actions = self.list("Action").unwrap_or_default();
        let of = |action: &String| match action.split_once(':') {
            None => Some(format!("{prefix}:*")),
            Some((service, name)) => {
                let service = service.to_ascii_lowercase();
                crate::pattern::matches(&service, prefix).then(|| format!("{prefix}:{name}"))
            }
        };
        actions.iter().filter_map(of).collect()
    }
}

/// Whether a pattern of actions says all that another does, both in lower case.
pub(super) fn says(wide: &str, narrow: &str) -> bool {
    // No action has such a character, and no pattern as many `?`.
    let long = "\u{f8f0}".repeat(wide.len() + 1);
    let filled = |many: &str| narrow.replace('*', many).replace('?', "\u{f8f0}");
    ["", &long].iter().all(|many| crate::pattern::matches(wide, &filled(many)))
}

/// Whether there may be an action that both patterns mean.
fn may_meet(one: &str, other: &str) -> bool {
    meeting(one, other).is_none_or(|all| !all.is_empty())
}

/// A resource of an old document keeps its meaning where `${` begins a variable.
fn rewrite(list: &mut Value) {
    match list {
        Value::Array(items) => items.iter_mut().for_each(rewrite),
        Value::String(text) => *text = modern(text),
        _ => {}
    }
}

fn rewrite_values(condition: &mut Value) {
    match condition {
        Value::Object(map) => map.values_mut().for_each(rewrite_values),
        other => rewrite(other),
    }
}
