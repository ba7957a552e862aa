//! Values out of an event's parameters, by paths.
//!
//! A path is `userName`, `instancesSet.items.*.instanceId` (each item of an array), `<user.arn` (in the response),
//! `@user` or `@key` (the caller's), or several of them joined: `userName + policyName`.

use crate::trail::Event;
use memchr::{memchr, memmem};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};
use std::cell::OnceCell;
use std::fmt;

/// The parameters of one event.
pub(super) struct Parameters<'e> {
    event: &'e Event<'e>,
    lost: OnceCell<bool>,
}

impl<'e> Parameters<'e> {
    pub(super) fn of(event: &'e Event<'e>) -> Self {
        Self { event, lost: OnceCell::new() }
    }

    /// Whether there were parameters that are not in the data: too large for a record, or too deep for a parser.
    fn are_lost(&self) -> bool {
        *self.lost.get_or_init(|| {
            let Some(raw) = self.event.request else { return false };
            let request: Value = serde_json::from_str(raw).unwrap_or_default();
            request.is_null()
                || request.get("omitted").is_some_and(|omitted| *omitted == Value::Bool(true))
        })
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
        if memchr(b'+', path.as_bytes()).is_none() {
            return self.each(path);
        }
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
        match path.strip_prefix('<') {
            Some(path) => at(self.event.response, path),
            None => at(self.event.request, path),
        }
    }
}

/// The texts where a path leads; none where what stands there is no JSON.
fn at(raw: Option<&str>, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    let Some(raw) = raw.filter(|raw| may_lead(raw.as_bytes(), path)) else { return found };
    let mut deserializer = serde_json::Deserializer::from_str(raw);
    let read = Along { path, found: &mut found }.deserialize(&mut deserializer);
    if read.and_then(|()| deserializer.end()).is_err() {
        found.clear();
    }
    found
}

/// Whether the first step of a path stands in a text. Most paths lead nowhere, and this is soon told.
fn may_lead(raw: &[u8], path: &str) -> bool {
    let step = path.split_once('.').map_or(path, |(step, _)| step);
    step == "*" || memmem::find(raw, step.as_bytes()).is_some() || memchr(b'\\', raw).is_some()
}

/// Goes along a path, and passes over the rest.
struct Along<'p, 'f> {
    path: &'p str,
    found: &'f mut Vec<String>,
}

impl<'p> Along<'p, '_> {
    fn step(&self) -> (&'p str, &'p str) {
        self.path.split_once('.').unwrap_or((self.path, ""))
    }

    fn leaf(self, text: impl FnOnce() -> String) {
        if self.path.is_empty() {
            self.found.push(text());
        }
    }
}

impl<'de> DeserializeSeed<'de> for Along<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Along<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        if !text.is_empty() {
            self.leaf(|| text.to_owned());
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        self.leaf(|| number.to_string());
        Ok(())
    }

    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        self.leaf(|| number.to_string());
        Ok(())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        let number = Number::from_f64(number).ok_or_else(|| E::custom("a number"))?;
        self.leaf(|| number.to_string());
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let (step, path) = self.step();
        if step != "*" {
            while items.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(());
        }
        while items.next_element_seed(Along { path, found: &mut *self.found })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (step, path) = self.step();
        let before = self.found.len();
        while let Some(Is(is)) = map.next_key_seed(Key(step))? {
            if is {
                // Of what is there twice, the last counts.
                self.found.truncate(before);
                map.next_value_seed(Along { path, found: &mut *self.found })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// Whether a key is the one that is looked for.
struct Key<'p>(&'p str);

struct Is(bool);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Is;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Is, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Is;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }
    fn visit_str<E>(self, name: &str) -> Result<Is, E> {
        Ok(Is(name == self.0))
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::sample::select;

    const PATHS: &[&str] = &["a", "b", "a.b", "a.*", "a.*.b", "a.b.a", "*.a", "b.*.*"];

    const LEAVES: &[&str] =
        &["null", "true", "7", "-3", "1.50", "\"\"", "\"x\"", "\"\\u00e9\"", "\"a\""];
    const KEYS: &[&str] = &["\"a\"", "\"b\"", "\"\\u0061\"", "\"*\"", "\"c\""];

    /// The same on a value that was parsed whole.
    fn within(value: &Value, path: &str, found: &mut Vec<String>) {
        let (step, rest) = path.split_once('.').unwrap_or((path, ""));
        match (step, value) {
            ("", Value::String(text)) if !text.is_empty() => found.push(text.clone()),
            ("", Value::Number(number)) => found.push(number.to_string()),
            ("*", Value::Array(items)) => items.iter().for_each(|item| within(item, rest, found)),
            (_, Value::Object(map)) => {
                if let Some(inner) = map.get(step) {
                    within(inner, rest, found);
                }
            }
            _ => {}
        }
    }

    /// JSON with keys that come twice and keys that are escaped.
    fn json() -> impl Strategy<Value = String> {
        let leaf = select(LEAVES).prop_map(str::to_owned);
        leaf.prop_recursive(4, 24, 4, |inner| {
            let field =
                (select(KEYS), inner.clone()).prop_map(|(key, value)| format!("{key}:{value}"));
            prop_oneof![
                prop::collection::vec(inner, 0..4).prop_map(|all| format!("[{}]", all.join(","))),
                prop::collection::vec(field, 0..4).prop_map(|all| format!("{{{}}}", all.join(","))),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_path_leads_where_it_leads_in_the_whole_value(
            raw in json(), cut in 0..40_usize, path in select(PATHS),
        ) {
            // Most are whole; of what is cut short, nothing is found.
            let raw = if cut < 4 { raw.get(..raw.len().saturating_sub(cut)).unwrap_or("") } else { &raw };
            let mut expected = Vec::new();
            if let Ok(value) = serde_json::from_str::<Value>(raw) {
                within(&value, path, &mut expected);
            }
            prop_assert_eq!(at(Some(raw), path), expected, "{} in {}", path, raw);
        }
    }
}
