//! One kind of error for the whole crate: a line, its cause, details and a hint.

use crate::exit::Exit;
use std::fmt;

/// Something that stops a command. It carries what a person needs to act on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    exit: Exit,
    message: String,
    cause: Option<String>,
    details: Vec<String>,
    hints: Vec<String>,
}

/// The crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error that ends the program with `exit`; `message` is one lower-case line with the input in backticks.
    #[must_use]
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), cause: None, details: Vec::new(), hints: Vec::new() }
    }

    /// An ordinary failure, exit status 1.
    #[must_use]
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message)
    }

    /// A refusal because reality or the record has moved on, exit status 3.
    #[must_use]
    pub fn stale(message: impl Into<String>) -> Self {
        Self::new(Exit::Stale, message)
    }

    /// A refusal by a rule, exit status 4.
    #[must_use]
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(Exit::Forbidden, message)
    }

    /// Adds why it happened.
    #[must_use]
    pub fn because(mut self, cause: impl fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// Adds a line of detail below the message.
    #[must_use]
    pub fn detail(mut self, line: impl Into<String>) -> Self {
        self.details.push(line.into());
        self
    }

    /// Adds what to do about it, best with the command that helps.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The same with another exit status.
    #[must_use]
    pub const fn with_exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// The exit status that this error asks for.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        self.exit
    }

    /// The first line, without the word `error`.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Why it happened, where that is known.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// Further lines, in order.
    #[must_use]
    pub fn details(&self) -> &[String] {
        &self.details
    }

    /// What to do about it.
    #[must_use]
    pub fn hints(&self) -> &[String] {
        &self.hints
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        if let Some(cause) = &self.cause {
            write!(f, "\n  cause: {cause}")?;
        }
        for line in &self.details {
            write!(f, "\n  {line}")?;
        }
        for hint in &self.hints {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}
