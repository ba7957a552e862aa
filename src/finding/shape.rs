//! Fields by name, whichever letter case a shape begins them with.

use jiff::Timestamp;
use serde_json::Value;

/// A field of an object: `accountId`, or `AccountId` as the AWS CLI writes it.
pub(super) fn field<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    let object = value.as_object()?;
    let found = object.get(name).or_else(|| {
        let mut letters = name.chars();
        let first = letters.next()?.to_ascii_uppercase();
        object.get(&std::iter::once(first).chain(letters).collect::<String>())
    });
    found.filter(|value| !value.is_null())
}

/// A field of a field.
pub(super) fn path<'v>(value: &'v Value, names: &[&str]) -> Option<&'v Value> {
    names.iter().try_fold(value, |at, name| field(at, name))
}

/// A text that says something.
pub(super) fn text(value: &Value, name: &str) -> Option<String> {
    field(value, name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// A whole number.
pub(super) fn number(value: &Value, name: &str) -> Option<u64> {
    match field(value, name)? {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    }
}

/// A time.
pub(super) fn time(value: &Value, name: &str) -> Option<Timestamp> {
    text(value, name)?.parse().ok()
}
