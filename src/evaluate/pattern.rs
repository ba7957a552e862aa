//! Texts of a policy: with variables, and with wildcards.

use super::context::Context;

/// A text of a policy, with the variables that the request fills in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// Text as it stands; its `*` and `?` are wildcards where the element knows wildcards.
    Text(String),
    /// `${*}`, `${?}` and `${$}`: the character itself.
    Escaped(char),
    /// `${key}` or `${key, 'default'}`.
    Variable { key: String, default: Option<String> },
}

/// One step of a pattern. In the first five fields of an ARN, `?` and most `*` stop at a colon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Char(char),
    /// `?`; the flag says whether it may be a colon.
    One(bool),
    /// `*`; the flag says whether it may run over colons.
    Many(bool),
}

/// How the wildcards of a pattern treat colons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colons {
    /// Like any other character: StringLike and actions.
    Plain,
    /// The `Resource` element: wildcards stay inside a field of the ARN, but a `*` that ends a
    /// field "can expand to match beyond the colon boundaries" ("Resource" in the IAM reference).
    Resource,
    /// ArnLike: "each of the six colon-delimited components of the ARN is checked separately". A
    /// `*` that ends the whole pattern covers the rest, so that `*` alone is every ARN.
    Arn,
}

impl Template {
    /// Reads a text. Only documents of version 2012-10-17 have variables ("Version" in the IAM
    /// reference); in older ones `${` is text. So is a `${` that nothing closes.
    pub(super) fn parse(text: &str, variables: bool) -> Self {
        let mut parts = Vec::new();
        let mut rest = text;
        while variables && let Some((before, inner, after)) = next_variable(rest) {
            parts.push(Part::Text(before.to_owned()));
            parts.push(variable(inner));
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        parts.retain(|part| *part != Part::Text(String::new()));
        Self(parts)
    }

    /// The text with its variables filled in, wildcards being plain characters.
    ///
    /// Nothing where a variable has no value: that "is effectively null", to which nothing is
    /// equal or alike ("Policy variables with no value" in the IAM reference). A key with several
    /// values is no variable.
    pub(super) fn resolve(&self, context: &Context) -> Option<String> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Escaped(c) => text.push(*c),
                Part::Variable { key, default } => text.push_str(value(key, default, context)?),
            }
        }
        Some(text)
    }

    /// Whether a text fits the pattern, its variables filled in. What a variable brings is never a
    /// wildcard.
    pub(super) fn matches(&self, text: &str, context: &Context, colons: Colons) -> bool {
        self.steps(context, colons).is_some_and(|steps| fits(&steps, text))
    }

    fn steps(&self, context: &Context, colons: Colons) -> Option<Vec<Step>> {
        let mut steps = Vec::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => steps.extend(text.chars().map(wildcard)),
                Part::Escaped(c) => steps.push(Step::Char(*c)),
                Part::Variable { key, default } => {
                    steps.extend(value(key, default, context)?.chars().map(Step::Char));
                }
            }
        }
        Some(match colons {
            Colons::Plain => steps,
            Colons::Resource => fielded(&steps, true),
            Colons::Arn => fielded(&steps, false),
        })
    }
}

/// Whether an action fits a pattern, both in lower case: actions have no letter case ("Action" in
/// the IAM reference), and no variables.
pub(super) fn action_matches(pattern: &str, action: &str) -> bool {
    let steps: Vec<Step> = pattern.chars().map(wildcard).collect();
    fits(&steps, action)
}

/// What stands before the next variable, in it, and after it.
fn next_variable(text: &str) -> Option<(&str, &str, &str)> {
    let (before, opened) = text.split_once("${")?;
    let (inner, after) = opened.split_once('}')?;
    Some((before, inner, after))
}

fn variable(inner: &str) -> Part {
    let mut chars = inner.chars();
    if let (Some(c @ ('*' | '?' | '$')), None) = (chars.next(), chars.next()) {
        return Part::Escaped(c);
    }
    let (key, default) = match inner.split_once(',') {
        Some((key, default)) => (key, Some(default.trim().trim_matches('\'').to_owned())),
        None => (inner, None),
    };
    Part::Variable { key: key.trim().to_owned(), default }
}

fn value<'a>(key: &str, default: &'a Option<String>, context: &'a Context) -> Option<&'a str> {
    context.only(key).or(default.as_deref())
}

const fn wildcard(c: char) -> Step {
    match c {
        '*' => Step::Many(true),
        '?' => Step::One(true),
        c => Step::Char(c),
    }
}

/// Makes the wildcards of an ARN's first five fields stop at colons, as [`Colons`] says.
fn fielded(steps: &[Step], expand: bool) -> Vec<Step> {
    let next = steps.iter().skip(1).map(Some).chain([None]);
    let mut colons = 0;
    let mut bounded = Vec::with_capacity(steps.len());
    for (step, next) in steps.iter().zip(next) {
        let in_resource = colons >= 5;
        bounded.push(match step {
            Step::Char(c) => {
                colons += usize::from(*c == ':');
                Step::Char(*c)
            }
            Step::One(_) => Step::One(in_resource),
            Step::Many(_) => {
                let ends_field = expand && next == Some(&Step::Char(':'));
                Step::Many(in_resource || next.is_none() || ends_field)
            }
        });
    }
    bounded
}

/// Matches by carrying, from step to step, the places of the text that can be reached: no pattern
/// takes longer than its length times the text's.
fn fits(steps: &[Step], text: &str) -> bool {
    if steps == [Step::Many(true)] {
        return true;
    }
    let chars: Vec<char> = text.chars().collect();
    let mut reached = vec![false; chars.len() + 1];
    if let Some(start) = reached.first_mut() {
        *start = true;
    }
    for step in steps {
        reached = match *step {
            Step::Char(wanted) => advance(&reached, &chars, |c| c == wanted),
            Step::One(over_colons) => advance(&reached, &chars, |c| over_colons || c != ':'),
            Step::Many(over_colons) => spread(&reached, &chars, over_colons),
        };
        if !reached.contains(&true) {
            return false;
        }
    }
    reached.last() == Some(&true)
}

fn advance(reached: &[bool], chars: &[char], fits: impl Fn(char) -> bool) -> Vec<bool> {
    let ahead = reached.iter().zip(chars).map(|(here, c)| *here && fits(*c));
    std::iter::once(false).chain(ahead).collect()
}

fn spread(reached: &[bool], chars: &[char], over_colons: bool) -> Vec<bool> {
    let mut inside = false;
    let passed = std::iter::once(None).chain(chars.iter().map(Some));
    let place = |(here, passed): (&bool, Option<&char>)| {
        let goes_on = passed.is_some_and(|c| over_colons || *c != ':');
        inside = *here || (inside && goes_on);
        inside
    };
    reached.iter().zip(passed).map(place).collect()
}
