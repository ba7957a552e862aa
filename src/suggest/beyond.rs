//! What a policy allows that today's do not.

use super::present::Present;
use super::statement::{Statement, statements};
use super::within::Element;
use crate::policy::PolicyDocument;
use crate::text::shown;
use serde_json::Value;
use std::collections::BTreeSet;

impl Present {
    /// What a policy allows that no statement of today's allows as a whole, as `ACTION on RESOURCE`. It may name
    /// what several statements of today's allow together.
    #[must_use]
    pub fn beyond(&self, policy: &PolicyDocument) -> Vec<String> {
        let Some(all) = statements(policy) else { return Vec::new() };
        let mut found = BTreeSet::new();
        for (_, statement) in all.iter().filter(|(deny, _)| !deny) {
            let actions = statement.list("Action").unwrap_or_else(|| vec!["*".to_owned()]);
            let elements: Vec<Element> = match statement.list("NotResource") {
                Some(excepted) => vec![Element::NotOn(excepted)],
                None => {
                    let on = statement.list("Resource").unwrap_or_default();
                    on.into_iter().map(Element::On).collect()
                }
            };
            for action in &actions {
                for element in &elements {
                    if !self.allows_all(action, element, statement) {
                        found.insert(told(statement, action, element));
                    }
                }
            }
        }
        found.into_iter().collect()
    }

    /// The same in a line for a plan: that the policy allows every action, or more than today's do, or that today's
    /// are not known.
    #[must_use]
    pub fn remark(&self, policy: &PolicyDocument) -> Option<String> {
        let more = self.beyond(policy);
        let every = statements(policy).into_iter().flatten().any(|(deny, one)| {
            let actions = one.list("Action");
            !deny && actions.is_none_or(|all| all.iter().any(|action| action.starts_with('*')))
        });
        let unread = self.held().iter().find(|one| one.document.is_err());
        let first = more.first().map(|first| shown(first).into_owned());
        let others = match more.len().saturating_sub(1) {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        let today = match (first, unread) {
            (None, _) => None,
            (Some(first), None) => Some(format!("more than today's policies: {first}{others}")),
            (Some(first), Some(held)) => Some(format!(
                "{first}{others}, by today's policies without {}, which was not read",
                shown(&held.place)
            )),
        };
        match (every, today) {
            (true, Some(today)) => Some(format!("the policy allows every action, and {today}")),
            (true, None) => Some("the policy allows every action, as today's do".to_owned()),
            (false, Some(today)) => Some(format!("the policy allows {today}")),
            (false, None) => None,
        }
    }

    fn allows_all(&self, action: &str, element: &Element, of: &Statement) -> bool {
        let has = |one: &Statement| {
            one.has_action(action)
                && self.is_about_all(one, element)
                && asks_as_much(of.condition.as_ref(), one.condition.as_ref())
        };
        self.allows.iter().any(has)
            && self.boundary.as_ref().is_none_or(|limits| limits.iter().any(has))
    }
}

/// Whether a condition asks for all that another asks for.
fn asks_as_much(condition: Option<&Value>, other: Option<&Value>) -> bool {
    let Some(other) = other.and_then(Value::as_object) else { return true };
    other.iter().all(|(operator, keys)| {
        let own = condition.and_then(|own| own.get(operator));
        let mut keys = keys.as_object().into_iter().flatten();
        keys.all(|(key, values)| own.and_then(|own| own.get(key)) == Some(values))
    })
}

fn told(statement: &Statement, action: &str, element: &Element) -> String {
    let action = match statement.list("NotAction") {
        Some(excepted) => format!("all actions but {}", excepted.join(", ")),
        None => action.to_owned(),
    };
    match element {
        Element::On(resource) => format!("{action} on {resource}"),
        Element::NotOn(excepted) => format!("{action} on all but {}", excepted.join(", ")),
    }
}
