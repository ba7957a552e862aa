//! Policy documents as lines, and the difference of two.

use super::style::Style;
use crate::policy::{AFTER_APPLY, FENCE_TIME, PolicyDocument};
use crate::resource::Value;
use similar::{ChangeTag, TextDiff};

/// How many unchanged lines stay around a change.
const CONTEXT: usize = 3;

/// One line of a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DiffLine {
    /// It comes.
    Added(String),
    /// It goes.
    Removed(String),
    /// It stays.
    Same(String),
    /// So many lines stay, this one first, and are not shown; a single one is.
    Hidden(usize, String),
}

impl DiffLine {
    /// The line with its symbol, and its colour.
    pub(super) fn shown(&self) -> (String, Style) {
        match self {
            Self::Added(line) => (format!("+ {line}"), Style::Green),
            Self::Removed(line) => (format!("- {line}"), Style::Red),
            Self::Same(line) => (format!("  {line}"), Style::Plain),
            Self::Hidden(1, line) => (format!("  {line}"), Style::Plain),
            Self::Hidden(n, _) => (format!("  … {n} unchanged lines"), Style::Dim),
        }
    }
}

/// What changes between two values that are policy documents; nothing for any other. `counted` says what the time of a
/// fence is counted from, where only apply knows it.
pub(super) fn documents(
    before: Option<&Value>,
    after: Option<&Value>,
    counted: &str,
) -> Vec<DiffLine> {
    let old = document(before).map(plain_lines).unwrap_or_default();
    let new = document(after).map(|document| planned_lines(document, counted)).unwrap_or_default();
    let old: Vec<&str> = old.iter().map(String::as_str).collect();
    let new: Vec<&str> = new.iter().map(String::as_str).collect();
    let changes: Vec<_> = TextDiff::from_slices(&old, &new)
        .iter_all_changes()
        .map(|change| (change.tag(), change.value().to_owned()))
        .collect();
    with_context(&changes)
}

const fn document(value: Option<&Value>) -> Option<&PolicyDocument> {
    match value {
        Some(Value::Document(document)) => Some(document),
        _ => None,
    }
}

fn plain_lines(document: &PolicyDocument) -> Vec<String> {
    document.pretty().lines().map(str::to_owned).collect()
}

/// The lines of a document, in which a value that only apply can know is said in words.
fn planned_lines(document: &PolicyDocument, counted: &str) -> Vec<String> {
    let lines = plain_lines(document);
    if !document.awaits_fence_time() {
        return lines;
    }
    // A JSON string cannot hold a line end, so nothing inside one can look like this line.
    let placeholder = format!("\"{AFTER_APPLY}\": \"{FENCE_TIME}\"");
    let words = format!("(known after apply: {counted})");
    let mut out: Vec<String> = Vec::new();
    let mut lines = lines.into_iter();
    while let Some(line) = lines.next() {
        let opening = out.last().and_then(|last| last.strip_suffix('{')).map(str::to_owned);
        match opening {
            Some(opening) if line.trim() == placeholder => {
                let closing = lines.next().unwrap_or_default();
                let rest = closing.trim_start().trim_start_matches('}').to_owned();
                out.pop();
                out.push(format!("{opening}{words}{rest}"));
            }
            _ => out.push(line),
        }
    }
    out
}

fn with_context(changes: &[(ChangeTag, String)]) -> Vec<DiffLine> {
    let mut out = Vec::new();
    for (index, (tag, line)) in changes.iter().enumerate() {
        let line = line.clone();
        let next = match tag {
            ChangeTag::Insert => DiffLine::Added(line),
            ChangeTag::Delete => DiffLine::Removed(line),
            ChangeTag::Equal if near_change(changes, index) => DiffLine::Same(line),
            ChangeTag::Equal => match out.pop() {
                Some(DiffLine::Hidden(n, first)) => DiffLine::Hidden(n + 1, first),
                last => {
                    out.extend(last);
                    DiffLine::Hidden(1, line)
                }
            },
        };
        out.push(next);
    }
    out
}

fn near_change(changes: &[(ChangeTag, String)], index: usize) -> bool {
    let from = index.saturating_sub(CONTEXT);
    changes
        .iter()
        .skip(from)
        .take(index - from + CONTEXT + 1)
        .any(|(tag, _)| *tag != ChangeTag::Equal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{FenceTime, fence};

    fn text(lines: &[DiffLine]) -> String {
        lines.iter().map(|line| line.shown().0 + "\n").collect()
    }

    #[test]
    fn a_moved_fence_shows_the_old_time_and_how_the_new_one_is_found() {
        let old = fence(FenceTime::At("2026-11-21T03:13:42Z".parse().unwrap()));
        let (old, new) = (Value::Document(old), Value::Document(fence(FenceTime::AfterApply)));
        insta::assert_snapshot!(text(&documents(Some(&old), Some(&new), "key-off + 61 s")), @r#"
          … 6 unchanged lines
                "Resource": "*",
                "Condition": {
                  "DateLessThan": {
        -           "aws:TokenIssueTime": "2026-11-21T03:13:42Z"
        +           "aws:TokenIssueTime": (known after apply: key-off + 61 s)
                  }
                }
              }
          … 2 unchanged lines
        "#);
    }

    #[test]
    fn what_looks_like_a_placeholder_inside_a_text_stays() {
        let text =
            r#"{"Sid":"{\n\"$after_apply\": \"fence_time\"\n}","T":{"$after_apply":"fence_time"}}"#;
        let lines = planned_lines(&PolicyDocument::parse(text), "key-off + 31 s");
        assert_eq!(lines.len(), 4);
        assert!(lines[1].contains("$after_apply"));
        assert_eq!(lines[2], "  \"T\": (known after apply: key-off + 31 s)");
    }

    #[test]
    fn what_is_no_policy_has_no_difference() {
        assert!(documents(Some(&Value::Attached), None, "").is_empty());
    }
}
