//! Values out of an event's parameters, by paths.
//!
//! A path is `userName`, `instancesSet.items.*.instanceId` (each item of an array), `<user.arn` (in the response),
//! `@user` or `@key` (the caller's), or several of them joined: `userName + policyName`.

use crate::trail::Event;
use serde_json::Value;
use std::cell::OnceCell;

/// The parameters of one event, each half parsed once somebody asks for it.
pub(super) struct Parameters<'e> {
    event: &'e Event<'e>,
    request: OnceCell<Value>,
    response: OnceCell<Value>,
}

impl<'e> Parameters<'e> {
    pub(super) fn of(event: &'e Event<'e>) -> Self {
        Self { event, request: OnceCell::new(), response: OnceCell::new() }
    }

    fn request(&self) -> &Value {
        self.request.get_or_init(|| value(self.event.request))
    }

    fn response(&self) -> &Value {
        self.response.get_or_init(|| value(self.event.response))
    }

    /// Whether there were parameters that are not in the data: too large for a record, or too deep for a parser.
    fn are_lost(&self) -> bool {
        let request = self.request();
        self.event.request.is_some() && request.is_null()
            || request.get("omitted").is_some_and(|omitted| *omitted == Value::Bool(true))
    }

    /// The texts at the first of the paths that leads anywhere.
    pub(super) fn first(&self, paths: &[&str]) -> Vec<String> {
        // The caller is meant where the request names nobody; of a request that is lost, nothing says so.
        let known = |path: &&&str| !(paths.len() > 1 && path.starts_with('@') && self.are_lost());
        let mut found = paths.iter().filter(known).map(|path| self.all(path));
        found.find(|found| !found.is_empty()).unwrap_or_default()
    }

    /// The one text at the first of the paths that leads anywhere.
    pub(super) fn one(&self, paths: &[&str]) -> Option<String> {
        self.first(paths).into_iter().next()
    }

    fn all(&self, path: &str) -> Vec<String> {
        let mut parts = path.split(" + ").map(|part| self.each(part));
        let first = parts.next().unwrap_or_default();
        parts.fold(first, |before, after| {
            let join =
                |a: &String| after.iter().map(move |b| format!("{a}/{b}")).collect::<Vec<_>>();
            before.iter().flat_map(join).collect()
        })
    }

    fn each(&self, path: &str) -> Vec<String> {
        if let Some(caller) = path.strip_prefix('@') {
            let text = match caller {
                "user" => user_name(self.event).map(str::to_owned),
                _ => Some(self.event.access_key().to_owned()),
            };
            return text.into_iter().filter(|text| !text.is_empty()).collect();
        }
        let (value, path) = match path.strip_prefix('<') {
            Some(path) => (self.response(), path),
            None => (self.request(), path),
        };
        let mut found = Vec::new();
        collect(value, path, &mut found);
        found
    }
}

/// What is too deep for a parser has no place that is looked for.
fn value(raw: Option<&str>) -> Value {
    raw.and_then(|raw| serde_json::from_str(raw).ok()).unwrap_or_default()
}

fn collect(value: &Value, path: &str, found: &mut Vec<String>) {
    let (step, rest) = path.split_once('.').unwrap_or((path, ""));
    match (step, value) {
        ("", Value::String(text)) if !text.is_empty() => found.push(text.clone()),
        ("", Value::Number(number)) => found.push(number.to_string()),
        ("*", Value::Array(items)) => items.iter().for_each(|item| collect(item, rest, found)),
        (_, Value::Object(map)) => {
            if let Some(inner) = map.get(step) {
                collect(inner, rest, found);
            }
        }
        _ => {}
    }
}

/// The name of the IAM user that called.
pub(super) fn user_name<'e>(event: &'e Event<'_>) -> Option<&'e str> {
    let identity = event.identity.as_ref()?;
    if identity.kind != "IAMUser" {
        return None;
    }
    if !identity.user_name.is_empty() {
        return Some(&identity.user_name);
    }
    identity.arn.contains(":user/").then(|| identity.arn.rsplit('/').next()).flatten()
}
