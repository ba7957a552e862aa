//! Grants to statements, and statements to documents that IAM takes (F15).

use super::report::{Placement, Taken};
use super::settle::Room;
use super::target;
use super::within::{Element, Grant};
use crate::evaluate::{Context, Principal};
use crate::policy::PolicyDocument;
use crate::text::{grouped, number};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Non-whitespace characters of a managed policy (F15).
const MANAGED: usize = 6_144;

/// What is granted, by service, condition and resources.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    grants: BTreeMap<(String, String, String), BTreeSet<Element>>,
}

impl Draft {
    /// Grants an action, such as `s3:GetObject` or `dynamodb:*`.
    pub(super) fn add(&mut self, action: &str, grant: Grant) {
        let service = action.split(':').next().unwrap_or_default().to_owned();
        let key = (service, grant.condition, action.to_owned());
        self.grants.entry(key).or_default().insert(grant.element);
    }

    /// What is granted, whatever its condition.
    pub(super) fn grants(&self) -> impl Iterator<Item = (&str, &Element)> {
        self.grants
            .iter()
            .flat_map(|((_, _, action), all)| all.iter().map(move |one| (action.as_str(), one)))
    }

    /// The statements: those of a service together, and actions with the same resources in one.
    pub(super) fn statements(&self) -> Vec<Value> {
        let mut grouped: BTreeMap<(&str, &str, Vec<Element>), BTreeSet<&str>> = BTreeMap::new();
        for ((service, condition, action), elements) in &self.grants {
            let (on, not): (BTreeSet<_>, BTreeSet<_>) =
                elements.iter().cloned().partition(|element| matches!(element, Element::On(_)));
            let on = without_covered(on);
            let lists = std::iter::once(on).chain(not.into_iter().map(|one| vec![one]));
            for list in lists.filter(|list| !list.is_empty()) {
                grouped.entry((service, condition, list)).or_default().insert(action);
            }
        }
        let grouped = grouped.into_iter();
        grouped
            .map(|((_, condition, list), actions)| statement(condition, &list, &actions))
            .collect()
    }
}

/// Without the resources that another one covers.
fn without_covered(elements: BTreeSet<Element>) -> Vec<Element> {
    let nobody = Principal::User { arn: "" };
    let context = Context::new();
    let text = |element: &Element| match element {
        Element::On(text) => text.clone(),
        Element::NotOn(_) => String::new(),
    };
    let wide: Vec<(String, _)> = elements
        .iter()
        .map(text)
        // What has a variable is somebody's own, and none is filled in here.
        .filter(|one| one.contains('*'))
        .filter_map(|one| Some((one.clone(), target::cover(&one, true)?)))
        .collect();
    let covered = |element: &Element| {
        let own = text(element);
        wide.iter().any(|(other, wide)| {
            *other != own
                && (other == "*" || !own.contains("${"))
                && target::covers(wide, &context, nobody, &own)
        })
    };
    elements.into_iter().filter(|element| !covered(element)).collect()
}

fn statement(condition: &str, elements: &[Element], actions: &BTreeSet<&str>) -> Value {
    let mut statement = Map::new();
    statement.insert("Effect".to_owned(), json!("Allow"));
    statement.insert(
        "Action".to_owned(),
        one_or_more(&actions.iter().map(|a| json!(a)).collect::<Vec<_>>()),
    );
    let mut on = Vec::new();
    for element in elements {
        match element {
            Element::On(resource) => on.push(json!(resource)),
            Element::NotOn(all) => {
                let all: Vec<Value> = all.iter().map(|one| json!(one)).collect();
                statement.insert("NotResource".to_owned(), one_or_more(&all));
            }
        }
    }
    if !on.is_empty() {
        statement.insert("Resource".to_owned(), one_or_more(&on));
    }
    if let Ok(condition) = serde_json::from_str::<Value>(condition) {
        statement.insert("Condition".to_owned(), condition);
    }
    Value::Object(statement)
}

fn one_or_more(values: &[Value]) -> Value {
    match values {
        [one] => one.clone(),
        many => Value::Array(many.to_vec()),
    }
}

fn document(statements: &[Value]) -> PolicyDocument {
    PolicyDocument::parse(&json!({ "Version": "2012-10-17", "Statement": statements }).to_string())
}

/// The documents that the statements take: one where it fits inline or as a managed policy, else as few managed
/// ones as hold them in their order.
pub(super) fn documents(statements: &[Value], inline: usize) -> Vec<PolicyDocument> {
    if statements.is_empty() {
        return Vec::new();
    }
    let whole = document(statements);
    if whole.quota_size() <= inline.max(MANAGED) {
        return vec![whole];
    }
    let mut all = Vec::new();
    let mut held: Vec<Value> = Vec::new();
    for statement in statements.iter().flat_map(pieces) {
        held.push(statement);
        if held.len() > 1 && document(&held).quota_size() > MANAGED {
            let last = held.pop();
            all.push(document(&held));
            held = last.into_iter().collect();
        }
    }
    all.push(document(&held));
    all
}

/// A statement in as many as each fit into a document of their own. Only lists of what is meant can be divided: half
/// of what is excepted would except less.
fn pieces(statement: &Value) -> Vec<Value> {
    if document(std::slice::from_ref(statement)).quota_size() <= MANAGED {
        return vec![statement.clone()];
    }
    let longest = ["Resource", "Action"]
        .into_iter()
        .filter_map(|key| Some((key, statement.get(key)?.as_array()?)))
        .filter(|(_, list)| list.len() > 1)
        .max_by_key(|(_, list)| list.iter().map(|one| one.to_string().len()).sum::<usize>());
    let Some((key, list)) = longest else { return vec![statement.clone()] };
    let (front, back) = list.split_at(list.len() / 2);
    let with = |half: &[Value]| {
        let mut one = statement.clone();
        if let Some(fields) = one.as_object_mut() {
            fields.insert(key.to_owned(), one_or_more(half));
        }
        one
    };
    [with(front), with(back)].iter().flat_map(pieces).collect()
}

/// How the documents can be put on the user.
pub(super) fn placement(documents: &[PolicyDocument], inline: usize) -> Placement {
    let sizes: Vec<usize> = documents.iter().map(PolicyDocument::quota_size).collect();
    match sizes.as_slice() {
        [] => Placement::Nothing,
        [one] if *one <= inline => Placement::Inline,
        sizes if sizes.iter().all(|size| *size <= MANAGED) => match sizes.len() {
            1 => Placement::Managed,
            _ => Placement::SeveralManaged,
        },
        _ => Placement::TooLarge,
    }
}

/// Whether there is room for the documents until the old policies are gone: nothing is to stop in between (F15).
pub(super) fn taken(documents: &[PolicyDocument], room: Room) -> Taken {
    let Room { inline_quota, inline, attached_quota, attached } = room;
    let mut taken = Taken { inline, attached, attached_quota, lacking: None, hint: None };
    let size = documents.iter().map(PolicyDocument::quota_size).sum::<usize>();
    let count = documents.len();
    match placement(documents, inline_quota) {
        Placement::Inline if inline + size > inline_quota => {
            taken.lacking = Some(format!(
                "{} characters of inline policies are there, of {}: it has no room beside them",
                grouped(inline as u64),
                grouped(inline_quota as u64)
            ));
            taken.hint = Some(match attached < attached_quota {
                true => {
                    "attach it as a managed policy, and delete the inline policies then".to_owned()
                }
                false => {
                    "make an inline policy shorter, or detach a managed policy first".to_owned()
                }
            });
        }
        Placement::Managed | Placement::SeveralManaged if attached + count > attached_quota => {
            taken.lacking = Some(format!(
                "{} to attach beside {attached} that are attached: a user may have {attached_quota}",
                number(count as u64, "managed policy", "managed policies")
            ));
            taken.hint = Some(match count > attached_quota {
                true => "ask for a higher quota (20 at the most), or give a part of it to a group"
                    .to_owned(),
                false => format!(
                    "detach {} that the suggestion replaces first, or ask for a higher quota (20 at the most)",
                    attached + count - attached_quota
                ),
            });
        }
        _ => {}
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(resource: &str) -> Grant {
        Grant { element: Element::On(resource.to_owned()), condition: String::new() }
    }

    #[test]
    fn actions_with_the_same_resources_are_one_statement() {
        let mut draft = Draft::default();
        for action in ["s3:PutObject", "s3:GetObject"] {
            draft.add(action, grant("arn:aws:s3:::b/a/*"));
            draft.add(action, grant("arn:aws:s3:::b/a/1"));
        }
        draft.add("s3:ListBucket", grant("arn:aws:s3:::b"));
        draft.add("sqs:SendMessage", grant("*"));
        draft.add("sqs:SendMessage", grant("arn:aws:sqs:r:1:q"));
        insta::assert_snapshot!(Value::from(draft.statements()), @r#"[{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::b"},{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::b/a/*"},{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"*"}]"#);
    }

    #[test]
    fn what_is_too_large_becomes_several_documents_that_say_the_same() {
        let resource =
            |n: u32| json!(format!("arn:aws:dynamodb:eu-west-1:123456789012:table/table-{n}"));
        let all: Vec<Value> = (0..400).map(resource).collect();
        let one = json!({ "Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": all });
        let documents = documents(&[one], 2_048);
        assert!(documents.len() > 3);
        assert!(documents.iter().all(|document| document.quota_size() <= MANAGED));
        let said: Vec<Value> = documents
            .iter()
            .flat_map(|document| document.value()["Statement"].as_array().unwrap().clone())
            .flat_map(|statement| statement["Resource"].as_array().unwrap().clone())
            .collect();
        assert_eq!(said, all);
        assert_eq!(placement(&documents, 2_048), Placement::SeveralManaged);
        let except = json!({ "Effect": "Deny", "NotAction": all, "Resource": "*" });
        assert_eq!(pieces(&except), [except]);
    }
}
