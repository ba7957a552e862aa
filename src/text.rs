//! Small things about text: hex, counts, ages, and showing what an attacker may have named.

use jiff::{SignedDuration, Timestamp};
use std::borrow::Cow;
use std::fmt::Write;

/// Lower-case hex digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Shows a text with control and direction-changing characters escaped (D2.14).
#[must_use]
pub fn shown(text: &str) -> Cow<'_, str> {
    let risky = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{feff}' | '\u{61c}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
    };
    if !text.chars().any(risky) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().fold(String::new(), |mut out, c| {
        if risky(c) {
            let _ = write!(out, "{}", c.escape_unicode());
        } else {
            out.push(c);
        }
        out
    }))
}

/// Quotes a word for a POSIX shell, if it needs it.
#[must_use]
pub fn shell(word: &str) -> Cow<'_, str> {
    let safe = |b: u8| b.is_ascii_alphanumeric() || b"_-+=,.@/:%".contains(&b);
    if !word.is_empty() && word.bytes().all(safe) {
        return Cow::Borrowed(word);
    }
    Cow::Owned(format!("'{}'", word.replace('\'', "'\\''")))
}

/// An option of a command with its value, also where the value looks like an option.
#[must_use]
pub fn option(name: &str, value: &str) -> String {
    let between = if value.starts_with('-') { '=' } else { ' ' };
    format!("{name}{between}{}", shell(value))
}

/// A word of a command that is no option, also where it looks like one.
#[must_use]
pub fn operand(word: &str) -> String {
    let before = if word.starts_with('-') { "-- " } else { "" };
    format!("{before}{}", shell(word))
}

/// `1 key`, `2 keys`.
#[must_use]
pub fn count(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// A number with its thousands apart: `1,204`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 event`, `1,204 events`.
#[must_use]
pub fn number(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(count), if count == 1 { one } else { many })
}

/// A duration in the largest unit that says enough: `40 s`, `38 min`, `20 h`, `214 days`.
#[must_use]
pub fn span(duration: SignedDuration) -> String {
    let s = duration.as_secs().abs();
    match s {
        0..=119 => format!("{s} s"),
        120..=7199 => format!("{} min", s / 60),
        7200..=172_799 => format!("{} h", s / 3600),
        _ => format!("{} days", s / 86_400),
    }
}

/// How long before `now` something was: `4 min ago`, or `in 2 h` where it lies ahead.
#[must_use]
pub fn ago(then: Timestamp, now: Timestamp) -> String {
    let duration = now.duration_since(then);
    if duration.is_negative() {
        format!("in {}", span(duration))
    } else {
        format!("{} ago", span(duration))
    }
}

/// How old something made at `then` is: `214 days old`.
#[must_use]
pub fn age(then: Timestamp, now: Timestamp) -> String {
    format!("{} old", span(now.duration_since(then)))
}

/// The clock part of a time, `03:12:41Z`.
#[must_use]
pub fn clock(time: Timestamp) -> String {
    let text = time.to_string();
    let clock = text.split_once('T').map_or(text.as_str(), |(_, clock)| clock);
    let whole = clock.split('.').next().unwrap_or(clock);
    format!("{}Z", whole.trim_end_matches('Z'))
}

/// A time cut to whole seconds, as AWS's own clocks are.
#[must_use]
pub fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_direction_characters_are_escaped() {
        assert_eq!(shown("plain ü"), "plain ü");
        assert_eq!(shown("a\u{1b}[31mb"), "a\\u{1b}[31mb");
        assert_eq!(shown("a\u{202e}b"), "a\\u{202e}b");
    }

    #[test]
    fn what_looks_like_an_option_is_none() {
        assert_eq!(option("--user", "deploy-bot"), "--user deploy-bot");
        assert_eq!(option("--user", "-x"), "--user=-x");
        assert_eq!(option("--posture", "- x"), "--posture='- x'");
        assert_eq!(operand("deploy-bot"), "deploy-bot");
        assert_eq!(operand("--all"), "-- --all");
    }

    #[test]
    fn a_word_for_the_shell_is_quoted() {
        assert_eq!(shell("deploy-bot"), "deploy-bot");
        assert_eq!(shell("a b'; rm"), "'a b'\\''; rm'");
        assert_eq!(shell(""), "''");
    }

    #[test]
    fn spans_are_short_and_true() {
        assert_eq!(span(SignedDuration::from_secs(119)), "119 s");
        assert_eq!(span(SignedDuration::from_mins(38)), "38 min");
        assert_eq!(span(SignedDuration::from_hours(36)), "36 h");
        assert_eq!(span(SignedDuration::from_hours(24 * 214)), "214 days");
    }
}
