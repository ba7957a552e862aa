//! One condition: an operator, a key, and the values that are asked for.

use super::context::Context;
use super::pattern::{Colons, Template};
use super::value;
use std::cmp::Ordering;

/// A condition of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    operator: Operator,
    key: String,
    values: Vec<Template>,
}

/// An operator as it is written, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Operator {
    set: Option<Set>,
    test: Test,
    negated: bool,
    if_exists: bool,
}

/// The prefix for keys with several values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    All,
    Any,
}

/// How one value is compared with one value, before negation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Test {
    Text,
    TextIgnoringCase,
    Like,
    Number(Order),
    Date(Order),
    Bool,
    Binary,
    Address,
    Arn,
    Null,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Order {
    fn holds(self, ordering: Option<Ordering>) -> bool {
        ordering.is_some_and(|ordering| match self {
            Self::Equal => ordering.is_eq(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        })
    }
}

impl Operator {
    /// Takes an operator apart; nothing where the IAM reference does not know it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (set, rest) = match text.split_once(':') {
            Some(("ForAllValues", rest)) => (Some(Set::All), rest),
            Some(("ForAnyValue", rest)) => (Some(Set::Any), rest),
            Some(_) => return None,
            None => (None, text),
        };
        let (name, if_exists) = match rest.strip_suffix("IfExists") {
            Some(name) => (name, true),
            None => (rest, false),
        };
        let (test, negated) = Self::test(name)?;
        // "IfExists" goes with "any condition operator name except the Null condition".
        (test != Test::Null || !if_exists).then_some(Self { set, test, negated, if_exists })
    }

    fn test(name: &str) -> Option<(Test, bool)> {
        let (test, negated) = match name {
            "StringEquals" => (Test::Text, false),
            "StringNotEquals" => (Test::Text, true),
            "StringEqualsIgnoreCase" => (Test::TextIgnoringCase, false),
            "StringNotEqualsIgnoreCase" => (Test::TextIgnoringCase, true),
            "StringLike" => (Test::Like, false),
            "StringNotLike" => (Test::Like, true),
            "Bool" => (Test::Bool, false),
            "BinaryEquals" => (Test::Binary, false),
            "IpAddress" => (Test::Address, false),
            "NotIpAddress" => (Test::Address, true),
            // The two pairs "behave identically" ("ARN condition operators").
            "ArnEquals" | "ArnLike" => (Test::Arn, false),
            "ArnNotEquals" | "ArnNotLike" => (Test::Arn, true),
            "Null" => (Test::Null, false),
            _ => return Self::ordered(name),
        };
        Some((test, negated))
    }

    fn ordered(name: &str) -> Option<(Test, bool)> {
        if let Some(name) = name.strip_prefix("Numeric") {
            Self::order(name).map(|(order, negated)| (Test::Number(order), negated))
        } else {
            let (order, negated) = Self::order(name.strip_prefix("Date")?)?;
            Some((Test::Date(order), negated))
        }
    }

    fn order(name: &str) -> Option<(Order, bool)> {
        Some(match name {
            "Equals" => (Order::Equal, false),
            "NotEquals" => (Order::Equal, true),
            "LessThan" => (Order::Less, false),
            "LessThanEquals" => (Order::LessOrEqual, false),
            "GreaterThan" => (Order::Greater, false),
            "GreaterThanEquals" => (Order::GreaterOrEqual, false),
            _ => return None,
        })
    }

    /// Whether the operator can be asked for this value. IAM refuses a document with a date that is
    /// none; other values that cannot be read are stored, and never match.
    pub(super) fn takes(self, value: &str) -> bool {
        !matches!(self.test, Test::Date(_)) || value::date(value).is_some()
    }

    /// Whether values may hold variables: "in string and ARN operators" only ("Where you can use
    /// policy variables" in the IAM reference).
    pub(super) const fn knows_variables(self) -> bool {
        matches!(self.test, Test::Text | Test::TextIgnoringCase | Test::Like | Test::Arn)
    }
}

impl Condition {
    pub(super) fn new(operator: Operator, key: &str, values: Vec<Template>) -> Self {
        Self { operator, key: key.to_owned(), values }
    }

    /// Whether the request fulfils the condition.
    pub(super) fn holds(&self, context: &Context) -> bool {
        let Operator { set, test, negated, if_exists } = self.operator;
        let present = context.get(&self.key);
        if test == Test::Null {
            return self.values.iter().any(|wanted| {
                let wanted = wanted.resolve(context);
                wanted.is_some_and(|wanted| {
                    value::same_bool(&wanted, if present.is_empty() { "true" } else { "false" })
                })
            });
        }
        // Several values of a negated operator mean "none of these".
        let one = |value: &String| {
            negated != self.values.iter().any(|wanted| self.fits(value, wanted, context))
        };
        // A set operator takes an empty string for "a null data set".
        let mut filled = present.iter().filter(|value| !value.is_empty());
        match set {
            Some(Set::All) => filled.all(one),
            // Absent is false here, with IfExists too: AWS says so in practice
            // (repost.aws/questions/QU9HFmDzP0QGuU-fd7rS6B7w).
            Some(Set::Any) => filled.any(one),
            None if present.is_empty() => if_exists || negated,
            None if negated => present.iter().all(one),
            None => present.iter().any(one),
        }
    }

    fn fits(&self, value: &str, wanted: &Template, context: &Context) -> bool {
        match self.operator.test {
            Test::Like => return wanted.matches(value, context, Colons::Plain),
            Test::Arn => return wanted.matches(value, context, Colons::Arn),
            _ => {}
        }
        let Some(wanted) = wanted.resolve(context) else { return false };
        match self.operator.test {
            Test::Text => value == wanted,
            Test::TextIgnoringCase => value.to_lowercase() == wanted.to_lowercase(),
            Test::Number(order) => order.holds(value::compare_numbers(value, &wanted)),
            Test::Date(order) => order.holds(value::compare_dates(value, &wanted)),
            Test::Bool => value::same_bool(&wanted, value),
            Test::Binary => value::same_bytes(value, &wanted),
            Test::Address => value::in_network(value, &wanted),
            Test::Like | Test::Arn | Test::Null => false,
        }
    }
}
