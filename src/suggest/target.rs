//! What an action was used on, in the words of a policy; and whether one such word says as much as another.

use crate::evaluate::{Context, Kind, Policy, Principal, Request};
use serde_json::json;

/// What an action was used on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// The action knows no resources: `*` is all that can be said.
    NoResource,
    /// The event does not name it.
    Unnamed,
    /// A resource that an event names: an ARN without wildcards, in two pieces.
    Named {
        /// Up to the last part that the service names.
        head: String,
        /// That part.
        tail: String,
        /// Whether that part lies in something else that has a name, as an object does in a bucket.
        nested: bool,
    },
    /// What an event names, with wildcards for what it leaves open; as policies write it.
    Pattern(String),
}

impl Target {
    /// A resource with the place at which its last part begins.
    #[must_use]
    pub fn named(head: &str, tail: &str, nested: bool) -> Self {
        Self::Named { head: head.to_owned(), tail: tail.to_owned(), nested }
    }

    /// As a policy writes it.
    #[must_use]
    pub fn element(&self) -> String {
        match self {
            Self::NoResource | Self::Unnamed => "*".to_owned(),
            Self::Named { head, tail, .. } => format!("{}{}", escaped(head), escaped(tail)),
            Self::Pattern(pattern) => pattern.clone(),
        }
    }

    /// The resource of a request that asks for exactly this.
    #[must_use]
    pub fn literal(&self) -> Option<String> {
        match self {
            Self::NoResource => Some("*".to_owned()),
            Self::Named { head, tail, .. } => Some(format!("{head}{tail}")),
            Self::Unnamed | Self::Pattern(_) => None,
        }
    }
}

/// A text as a policy of version 2012-10-17 has to write it for it to stand for itself: names are others' to
/// choose (D2.14), and one may hold what a policy takes for a wildcard or a variable.
#[must_use]
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '*' => out.push_str("${*}"),
            '?' => out.push_str("${?}"),
            '$' if chars.peek() == Some(&'{') => out.push_str("${$}"),
            other => out.push(other),
        }
    }
    out
}

/// A resource of a policy that knows no variables, for one that does.
#[must_use]
pub(super) fn modern(resource: &str) -> String {
    resource.replace("${", "${$}{")
}

/// A step of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Token {
    Char(char),
    One,
    Many,
    /// Whatever a variable stands for.
    Unknown,
}

impl Token {
    const fn is_wild(self) -> bool {
        matches!(self, Self::Many | Self::Unknown)
    }
}

/// Tokens as a policy writes them.
pub(super) fn written(tokens: &[Token]) -> String {
    let mut out = String::new();
    let mut plain = String::new();
    for token in tokens {
        match token {
            Token::Char(c) => plain.push(*c),
            Token::One | Token::Many | Token::Unknown => {
                out.push_str(&escaped(&std::mem::take(&mut plain)));
                out.push(if *token == Token::One { '?' } else { '*' });
            }
        }
    }
    out.push_str(&escaped(&plain));
    out
}

pub(super) fn tokens(pattern: &str) -> Vec<Token> {
    let mut all = Vec::new();
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        let variable = rest.strip_prefix("${").and_then(|opened| opened.split_once('}'));
        if let Some((inner, after)) = variable {
            let mut name = inner.chars();
            all.push(match (name.next(), name.next()) {
                (Some(c @ ('*' | '?' | '$')), None) => Token::Char(c),
                _ => Token::Unknown,
            });
            rest = after;
            continue;
        }
        all.push(match c {
            '*' => Token::Many,
            '?' => Token::One,
            other => Token::Char(other),
        });
        rest = rest.strip_prefix(c).unwrap_or_default();
    }
    all
}

/// What a wildcard is tried with: nothing, some characters that no policy has, more of them than a resource has
/// `?`, and what looks like fields of an ARN.
const FILLS: [&str; 5] = [
    "",
    "\u{f8f0}",
    "\u{f8f0}\u{f8f1}",
    "\u{f8f0}:\u{f8f0}/\u{f8f0}",
    "\u{f8f0}\u{f8f0}\u{f8f0}\u{f8f0}\u{f8f0}\u{f8f0}\u{f8f0}\u{f8f0}\u{f8f0}\u{f8f0}\u{f8f0}\u{f8f0}\u{f8f0}\u{f8f0}\
     \u{f8f0}\u{f8f0}\u{f8f0}\u{f8f0}\u{f8f0}\u{f8f0}\u{f8f0}\u{f8f0}\u{f8f0}\u{f8f0}\u{f8f0}\u{f8f0}\u{f8f0}\u{f8f0}",
];

/// Texts that a pattern fits: every wildcard filled alike, and each in turn filled otherwise.
fn samples(pattern: &str) -> Vec<String> {
    let tokens = tokens(pattern);
    let wild = tokens.iter().filter(|token| token.is_wild()).count();
    let filled = |fill: &dyn Fn(usize) -> &'static str| {
        let mut nth = 0;
        let mut text = String::new();
        for token in &tokens {
            match token {
                Token::Char(c) => text.push(*c),
                Token::One => text.push('\u{f8f0}'),
                Token::Many | Token::Unknown => {
                    text.push_str(fill(nth));
                    nth += 1;
                }
            }
        }
        text
    };
    let [none, .., long] = FILLS;
    let mut all: Vec<String> = FILLS.iter().map(|fill| filled(&|_| fill)).collect();
    for one in 0..wild.min(8) {
        all.push(filled(&|nth| if nth == one { none } else { long }));
        all.push(filled(&|nth| if nth == one { long } else { none }));
    }
    all.sort();
    all.dedup();
    all
}

/// Whether everything that fits the second is covered by the first, which may have the variables that the context
/// fills in. It may say no where it is yes, never the other way around.
#[must_use]
pub(super) fn covers(
    wide: &Policy,
    context: &Context,
    principal: Principal<'_>,
    narrow: &str,
) -> bool {
    // A resource with as many `?` as the longest sample has characters would be taken for a `*`.
    samples(narrow)
        .iter()
        .all(|resource| wide.allows(&Request { principal, action: "x:x", resource, context }))
}

/// A policy that covers one resource, whatever the action.
#[must_use]
pub(super) fn cover(resource: &str, variables: bool) -> Option<Policy> {
    if resource.matches('?').count() > 8 {
        return None;
    }
    let version = if variables { "2012-10-17" } else { "2008-10-17" };
    let statement = json!({ "Effect": "Allow", "Action": "*", "Resource": resource });
    Policy::parse(
        &json!({ "Version": version, "Statement": statement }).to_string(),
        Kind::Identity,
    )
    .ok()
}

/// Whether there may be a resource that both patterns fit, each field of an ARN with its own. It may say yes where
/// it is no.
#[must_use]
pub(super) fn overlap(one: &str, other: &str) -> bool {
    let fields = |text: &str| -> Vec<String> { text.splitn(6, ':').map(str::to_owned).collect() };
    let (left, right) = (fields(one), fields(other));
    // A variable may have a colon in its name, and stand for some.
    let plain =
        |all: &[String]| all.len() == 6 && !all.iter().take(5).any(|field| field.contains("${"));
    if plain(&left) && plain(&right) {
        return left.iter().zip(&right).all(|(a, b)| meet(a, b));
    }
    meet(one, other)
}

/// Whether there is a text that both patterns fit.
fn meet(one: &str, other: &str) -> bool {
    let (one, other) = (tokens(one), tokens(other));
    // `reached[j]`: what the tokens of `one` so far fit, the first j of `other` fit, too.
    let mut reached = vec![true];
    reached.extend(other.iter().scan(true, |open, token| {
        *open &= token.is_wild();
        Some(*open)
    }));
    for token in &one {
        let mut next = Vec::with_capacity(reached.len());
        next.push(token.is_wild() && reached.first() == Some(&true));
        for (pair, there) in reached.windows(2).zip(&other) {
            let [before, here] = pair else { continue };
            let left = next.last() == Some(&true);
            let both = match (token, there) {
                (Token::Many | Token::Unknown, _) => *here || left,
                (_, Token::Many | Token::Unknown) => *here || left || *before,
                (Token::Char(a), Token::Char(b)) => *before && a == b,
                (Token::One, _) | (_, Token::One) => *before,
            };
            next.push(both);
        }
        reached = next;
    }
    reached.last() == Some(&true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: Principal<'_> = Principal::User { arn: "arn:aws:iam::123456789012:user/u" };

    fn covered(wide: &str, narrow: &str) -> bool {
        let context = Context::new().with("aws:username", "u");
        covers(&cover(wide, true).unwrap(), &context, USER, narrow)
    }

    #[test]
    fn what_covers_what() {
        for (wide, narrow, expected) in [
            ("*", "*", true),
            ("*", "arn:aws:s3:::b/*", true),
            ("arn:aws:s3:::b/*", "arn:aws:s3:::b/a/*", true),
            ("arn:aws:s3:::b/a/*", "arn:aws:s3:::b/*", false),
            ("arn:aws:s3:::b/a?", "arn:aws:s3:::b/a*", false),
            ("arn:aws:s3:::b/a?*", "arn:aws:s3:::b/a*", false),
            ("arn:aws:s3:::b/${aws:username}/*", "arn:aws:s3:::b/u/*", true),
            ("arn:aws:s3:::b/*.csv", "arn:aws:s3:::b/*", false),
            ("arn:aws:ec2:*:*:subnet/*", "arn:aws:ec2:eu-west-1:*:subnet/s-1", true),
            ("arn:aws:s3:::b/${*}", "arn:aws:s3:::b/*", false),
            ("arn:aws:s3:::b/*", "arn:aws:s3:::b/${*}", true),
        ] {
            assert_eq!(covered(wide, narrow), expected, "{wide} {narrow}");
        }
    }

    #[test]
    fn what_overlaps() {
        for (one, other, expected) in [
            ("*", "a", true),
            ("a*", "*b", true),
            ("a*", "b*", false),
            ("arn:aws:ec2:*:*:volume/*", "arn:aws:ec2:*:*:instance/*", false),
            ("a?c", "ab*", true),
            ("a?c", "abd", false),
            ("", "*", true),
            ("", "a", false),
            ("a${aws:username}c", "abbc", true),
        ] {
            assert_eq!(overlap(one, other), expected, "{one} {other}");
            assert_eq!(overlap(other, one), expected, "{other} {one}");
        }
    }

    #[test]
    fn what_looks_like_a_wildcard_in_a_name_is_none() {
        let name = "arn:aws:s3:::b/a*?${aws:username}$";
        let element = Target::named(name, "", false).element();
        assert_eq!(element, "arn:aws:s3:::b/a${*}${?}${$}{aws:username}$");
        let policy = cover(&element, true).unwrap();
        let context = Context::new().with("aws:username", "u");
        let ask = |resource| {
            policy.allows(&Request { principal: USER, action: "x:x", resource, context: &context })
        };
        assert!(ask(name));
        assert!(!ask("arn:aws:s3:::b/axyu$"));
    }
}
