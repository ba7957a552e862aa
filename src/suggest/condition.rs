//! Two conditions in the words of one.

use serde_json::{Map, Value, json};

/// What holds where both conditions hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Joined {
    /// As a statement says it; no text where there is no condition.
    Text(String),
    /// They never hold together.
    Never,
    /// One statement cannot say it.
    Unsaid,
}

/// A statement has each operator once, and in it each key once: what is said twice of a key has to become one.
pub(super) fn joined(one: Option<&Value>, other: Option<&Value>) -> Joined {
    let (Some(one), Some(other)) = (one, other) else {
        return Joined::Text(one.or(other).map(Value::to_string).unwrap_or_default());
    };
    if one == other {
        return Joined::Text(one.to_string());
    }
    let (Some(one), Some(other)) = (one.as_object(), other.as_object()) else {
        return Joined::Unsaid;
    };
    let mut all = one.clone();
    for (operator, keys) in other {
        for (key, values) in keys.as_object().into_iter().flatten() {
            match add(&mut all, operator, key, values) {
                Joined::Text(_) => {}
                other => return other,
            }
        }
    }
    Joined::Text(Value::Object(all).to_string())
}

/// Adds what is asked of one key.
fn add(all: &mut Map<String, Value>, operator: &str, key: &str, values: &Value) -> Joined {
    let done = || Joined::Text(String::new());
    let known = place(all, operator, key).cloned();
    let Some(known) = known else {
        set(all, operator, key, values.clone());
        return done();
    };
    let (left, right) = (texts(&known), texts(values));
    if left.iter().all(|text| right.contains(text)) && right.iter().all(|text| left.contains(text))
    {
        return done();
    }
    let plain = operator.rsplit(':').next().unwrap_or_default();
    let if_exists = plain.ends_with("IfExists");
    // None of these and none of those.
    if plain.contains("Not") && !operator.starts_with("ForAnyValue") {
        let more = right.into_iter().filter(|text| !left.contains(text));
        let both: Vec<String> = left.iter().cloned().chain(more).collect();
        set(all, operator, key, json!(both));
        return done();
    }
    if plain == "Null" {
        let apart = !left.iter().any(|text| right.contains(text));
        return if apart { Joined::Never } else { Joined::Unsaid };
    }
    // That the key is there is asked once already, so that the twin asks for the same.
    let twin = format!("{operator}IfExists");
    if !if_exists && place(all, &twin, key).is_none() {
        set(all, &twin, key, values.clone());
        return done();
    }
    Joined::Unsaid
}

/// The names of keys have no letter case (F7).
fn place<'a>(all: &'a mut Map<String, Value>, operator: &str, key: &str) -> Option<&'a mut Value> {
    let keys = all.get_mut(operator)?.as_object_mut()?;
    keys.iter_mut().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, values)| values)
}

fn set(all: &mut Map<String, Value>, operator: &str, key: &str, values: Value) {
    if let Some(known) = place(all, operator, key) {
        *known = values;
        return;
    }
    let keys = all.entry(operator.to_owned()).or_insert_with(|| json!({}));
    if let Some(keys) = keys.as_object_mut() {
        keys.insert(key.to_owned(), values);
    }
}

fn texts(values: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match values {
        Value::Array(items) => items.iter().map(text).collect(),
        one => vec![text(one)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_one_key_twice_becomes_one() {
        let network = |text: &str| json!({"IpAddress": {"aws:SourceIp": text}});
        for (one, other, expected) in [
            (
                json!({"Bool": {"a": "true"}}),
                json!({"Bool": {"b": "true"}}),
                r#"{"Bool":{"a":"true","b":"true"}}"#,
            ),
            (
                json!({"StringNotEquals": {"k": ["x", "y"]}}),
                json!({"StringNotEquals": {"K": "z"}}),
                r#"{"StringNotEquals":{"k":["x","y","z"]}}"#,
            ),
            (
                json!({"Bool": {"a": "true"}}),
                json!({"Bool": {"A": true}}),
                r#"{"Bool":{"a":"true"}}"#,
            ),
            (
                network("10.0.0.0/8"),
                network("10.1.0.0/16"),
                r#"{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"},"IpAddressIfExists":{"aws:SourceIp":"10.1.0.0/16"}}"#,
            ),
        ] {
            assert_eq!(joined(Some(&one), Some(&other)), Joined::Text(expected.to_owned()));
        }
        let null = |text: &str| json!({"Null": {"aws:TokenIssueTime": text}});
        assert_eq!(joined(Some(&null("true")), Some(&null("false"))), Joined::Never);
        let maybe = |text: &str| json!({"StringLikeIfExists": {"k": text}});
        assert_eq!(joined(Some(&maybe("a*")), Some(&maybe("*b"))), Joined::Unsaid);
        assert_eq!(joined(None, None), Joined::Text(String::new()));
    }
}
