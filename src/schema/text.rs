//! Descriptions for whoever does not have the sources, out of the comments of those who do.

use serde_json::Value;

/// How a time is written: RFC 3339, in UTC.
const TIME: &str =
    r"^([0-9]{4}|-[0-9]{6})-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z$";

/// Brings a generated schema into the form in which it is published.
pub(super) fn outsiders(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(outsiders),
        Value::Object(map) => {
            if let Some(Value::String(text)) = map.get_mut("description") {
                *text = plain(text);
            }
            let format = map.get("format").and_then(Value::as_str).map(str::to_owned);
            match format.as_deref() {
                Some("date-time") => {
                    map.insert("pattern".to_owned(), TIME.into());
                }
                // They are formats of OpenAPI, which a validator of JSON Schema passes over.
                Some("uint32") => {
                    map.remove("format");
                    map.insert("maximum".to_owned(), u32::MAX.into());
                }
                Some("uint64" | "uint") => {
                    map.remove("format");
                }
                _ => {}
            }
            map.values_mut().for_each(outsiders);
        }
        _ => {}
    }
}

/// A comment on one line, in the words of JSON, without the numbers of facts and rules that it cites.
fn plain(comment: &str) -> String {
    let mut text = String::new();
    let mut rest = comment;
    while let Some((before, after)) = rest.split_once(" (") {
        text.push_str(before);
        match after.split_once(')') {
            Some((within, behind)) if within.split(", ").all(is_cited) => rest = behind,
            _ => {
                text.push_str(" (");
                rest = after;
            }
        }
    }
    text.push_str(rest);
    let text = text.replace("`None`", "`null`");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a word is the number of a fact or a rule, such as `F27` or `D2.3`.
fn is_cited(word: &str) -> bool {
    let number = word.strip_prefix(['D', 'F']).unwrap_or_default();
    number.starts_with(|c: char| c.is_ascii_digit())
        && number.chars().all(|c| c.is_ascii_digit() || c == '.')
}

#[test]
fn what_a_comment_cites_is_left_out() {
    let comment =
        "The unique ID, which\nis the principal (F27); `None` (or less) of those (F3, F4, D2.13).";
    assert_eq!(plain(comment), "The unique ID, which is the principal; `null` (or less) of those.");
}
