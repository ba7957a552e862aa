//! Colour, which only repeats what a symbol says.

use crate::plan::Change;

/// How a piece of a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// As it comes.
    Plain,
    /// A heading.
    Bold,
    /// What matters less.
    Dim,
    /// Something that comes, `+`.
    Green,
    /// Something that goes, `-`.
    Red,
    /// Something that changes, `~`, or that a person has to look at, `!`.
    Yellow,
}

impl Style {
    const fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Bold => Some("1"),
            Self::Dim => Some("2"),
            Self::Red => Some("31"),
            Self::Green => Some("32"),
            Self::Yellow => Some("33"),
        }
    }

    /// The text between the codes that switch this style on and off.
    pub(super) fn paint(self, text: &str, color: bool) -> String {
        match self.code() {
            Some(code) if color && !text.is_empty() => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            _ => text.to_owned(),
        }
    }
}

/// The symbol of a change and its colour.
pub(super) const fn symbol(change: Change) -> (&'static str, Style) {
    match change {
        Change::Create => ("+", Style::Green),
        Change::Update => ("~", Style::Yellow),
        Change::Delete => ("-", Style::Red),
    }
}
