//! The constraints of the service models, and AWS's words where one is not kept.

use super::fault::Fault;

/// A constraint that a value does not keep.
pub(super) fn constraint(name: &str, value: &str, what: &str) -> Fault {
    Fault::invalid(format!(
        "1 validation error detected: Value '{value}' at '{}' failed to satisfy constraint: {what}",
        lower(name)
    ))
}

/// A parameter that is not there.
pub(super) fn null(name: &str) -> Fault {
    Fault::invalid(format!(
        "1 validation error detected: Value null at '{}' failed to satisfy constraint: \
         Member must not be null",
        lower(name)
    ))
}

/// A pattern that a value does not fit.
pub(super) fn pattern(name: &str, value: &str, pattern: &str) -> Fault {
    constraint(name, value, &format!("Member must satisfy regular expression pattern: {pattern}"))
}

/// A word that is none of those possible.
pub(super) fn choice(name: &str, value: &str, words: &[&str]) -> Fault {
    let words = words.join(", ");
    constraint(name, value, &format!("Member must satisfy enum value set: [{words}]"))
}

/// A text of a length.
pub(super) fn length<'a>(
    name: &str,
    text: &'a str,
    min: usize,
    max: usize,
) -> Result<&'a str, Fault> {
    let count = text.chars().count();
    let what = |word: &str, bound: usize| {
        constraint(name, text, &format!("Member must have length {word} than or equal to {bound}"))
    };
    match count {
        _ if count < min => Err(what("greater", min)),
        _ if count > max => Err(what("less", max)),
        _ => Ok(text),
    }
}

/// A name of letters, digits and `+=,.@_-` (F22).
pub(super) fn name<'a>(param: &str, text: &'a str, max: usize) -> Result<&'a str, Fault> {
    let text = length(param, text, 1, max)?;
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte)) {
        return Ok(text);
    }
    Err(Fault::invalid(format!(
        "The specified value for {} is invalid. It must contain only alphanumeric characters \
         and/or the following: +=,.@_-",
        lower(param)
    )))
}

/// An ARN.
pub(super) fn arn<'a>(name: &str, text: &'a str) -> Result<&'a str, Fault> {
    let text = length(name, text, 20, 2048)?;
    if text.starts_with("arn:") && text.split(':').count() >= 6 {
        Ok(text)
    } else {
        Err(Fault::input(format!("ARN {text} is not valid.")))
    }
}

/// A path: `/`, or between two of them visible characters of ASCII.
pub(super) fn path<'a>(name: &str, text: &'a str) -> Result<&'a str, Fault> {
    let text = length(name, text, 1, 512)?;
    let visible = text.bytes().all(|byte| (0x21..0x7F).contains(&byte));
    if visible && text.starts_with('/') && text.ends_with('/') && !text.contains("//") {
        return Ok(text);
    }
    Err(Fault::invalid(format!(
        "The specified value for {} is invalid. It must begin and end with / and contain only \
         alphanumeric characters and/or / characters.",
        lower(name)
    )))
}

/// A text of Latin-1, such as a policy document.
pub(super) fn latin<'a>(name: &str, text: &'a str, max: usize) -> Result<&'a str, Fault> {
    let text = length(name, text, 1, max)?;
    let plain = |c: char| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{FF}');
    if text.chars().all(plain) {
        Ok(text)
    } else {
        Err(pattern(name, text, "[\\u0009\\u000A\\u000D\\u0020-\\u00FF]+"))
    }
}

/// The key or the value of a tag.
pub(super) fn tag<'a>(name: &str, text: &'a str, min: usize, max: usize) -> Result<&'a str, Fault> {
    let text = length(name, text, min, max)?;
    // The Unicode classes letter, number and separator.
    let fits = |c: char| c.is_alphanumeric() || c == ' ' || "_.:/=+-@\u{A0}\u{3000}".contains(c);
    if text.chars().all(fits) {
        Ok(text)
    } else {
        Err(pattern(name, text, "[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*"))
    }
}

/// A parameter's name as AWS's messages write it: `userName`.
fn lower(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
