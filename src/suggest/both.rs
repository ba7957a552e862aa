//! What two patterns of resources have in common, as patterns again.

use super::target::{Token, tokens, written};
use std::collections::BTreeSet;

/// As many patterns are made of two at the most.
const MOST: usize = 64;

/// As many steps are taken for them: two patterns with many `*` have a great many ways to meet.
const STEPS: usize = 20_000;

/// Patterns that fit what both fit, each field of an ARN for itself; `None` where they would be too many, or where a
/// variable stands for nobody knows what.
pub(super) fn both(one: &str, other: &str) -> Option<BTreeSet<String>> {
    let (left, right) = (fields(one), fields(other));
    if left.len() != 6 || right.len() != 6 {
        return meeting(one, other);
    }
    let mut all = BTreeSet::from([String::new()]);
    for (at, (a, b)) in left.iter().zip(&right).enumerate() {
        let some = meeting(a, b)?;
        let colon = if at == 0 { "" } else { ":" };
        let with = |before: &String| -> Vec<String> {
            some.iter().map(|field| format!("{before}{colon}{field}")).collect()
        };
        all = all.iter().flat_map(with).collect();
        if all.len() > MOST {
            return None;
        }
    }
    Some(all)
}

fn fields(text: &str) -> Vec<&str> {
    text.splitn(6, ':').collect()
}

/// The same for texts without fields.
pub(super) fn meeting(one: &str, other: &str) -> Option<BTreeSet<String>> {
    let (one, other) = (tokens(one), tokens(other));
    if one.contains(&Token::Unknown) || other.contains(&Token::Unknown) {
        return (one == other && !one.contains(&Token::Unknown)).then(|| [written(&one)].into());
    }
    let mut found = Found { all: BTreeSet::new(), steps: 0 };
    found.walk(&one, &other, &mut Vec::new());
    (found.steps <= STEPS && found.all.len() <= MOST)
        .then(|| found.all.iter().map(|all| written(all)).collect())
}

struct Found {
    all: BTreeSet<Vec<Token>>,
    steps: usize,
}

impl Found {
    /// Goes along both at once: of two `*` one ends first, and one alone takes what the other has there, or nothing.
    fn walk(&mut self, one: &[Token], other: &[Token], before: &mut Vec<Token>) {
        self.steps += 1;
        if self.steps > STEPS || self.all.len() > MOST {
            return;
        }
        match (one.split_first(), other.split_first()) {
            (None, None) => {
                let mut whole = before.clone();
                whole.dedup_by(|a, b| *a == Token::Many && *b == Token::Many);
                self.all.insert(whole);
            }
            (Some((Token::Many, left)), Some((Token::Many, right))) => {
                before.push(Token::Many);
                self.walk(left, other, before);
                self.walk(one, right, before);
                before.pop();
            }
            (Some((Token::Many, left)), next) => {
                self.walk(left, other, before);
                if let Some((token, right)) = next {
                    self.with(*token, one, right, before);
                }
            }
            (next, Some((Token::Many, right))) => {
                self.walk(one, right, before);
                if let Some((token, left)) = next {
                    self.with(*token, left, other, before);
                }
            }
            (Some((a, left)), Some((b, right))) => match (a, b) {
                (Token::One, token) | (token, Token::One) => self.with(*token, left, right, before),
                _ if a == b => self.with(*a, left, right, before),
                _ => {}
            },
            _ => {}
        }
    }

    fn with(&mut self, token: Token, one: &[Token], other: &[Token], before: &mut Vec<Token>) {
        before.push(token);
        self.walk(one, other, before);
        before.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn common(one: &str, other: &str) -> Vec<String> {
        both(one, other).unwrap().into_iter().collect()
    }

    #[test]
    fn what_two_patterns_share() {
        for (one, other, expected) in [
            ("arn:aws:s3:::a/*", "arn:aws:s3:::a/b", vec!["arn:aws:s3:::a/b"]),
            (
                "arn:aws:dynamodb:*:1:table/*",
                "arn:aws:dynamodb:eu-west-1:*:table/o",
                vec!["arn:aws:dynamodb:eu-west-1:1:table/o"],
            ),
            ("arn:aws:s3:::b/a*", "arn:aws:s3:::b/*z", vec!["arn:aws:s3:::b/a*z"]),
            ("arn:aws:s3:::a*", "arn:aws:s3:::b*", vec![]),
            ("arn:aws:s3:::a?", "arn:aws:s3:::?b", vec!["arn:aws:s3:::ab"]),
            ("arn:aws:s3:::b/${*}*", "arn:aws:s3:::b/*c", vec!["arn:aws:s3:::b/${*}*c"]),
        ] {
            assert_eq!(common(one, other), expected, "{one} {other}");
            assert_eq!(common(other, one), expected, "{other} {one}");
        }
        assert_eq!(both("arn:aws:s3:::${aws:username}/*", "arn:aws:s3:::*x"), None);
        assert_eq!(both("arn:aws:s3:::*a*b*c*d*e*f*g*", "arn:aws:s3:::*g*f*e*d*c*b*a*"), None);
    }
}
