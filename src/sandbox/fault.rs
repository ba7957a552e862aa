//! The errors that the sandbox answers with: AWS's codes, statuses and words.

/// An error reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// The HTTP status.
    pub(super) status: u16,
    /// The code, such as `NoSuchEntity`.
    pub(super) code: &'static str,
    /// The message.
    pub(super) message: String,
}

impl Fault {
    /// Any error.
    pub(super) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    /// A parameter that cannot be.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "ValidationError", message)
    }

    /// Something unlike what the API takes.
    pub(super) fn input(message: impl Into<String>) -> Self {
        Self::new(400, "InvalidInput", message)
    }

    /// A policy document that is none.
    pub(super) fn malformed(message: impl Into<String>) -> Self {
        Self::new(400, "MalformedPolicyDocument", message)
    }

    /// What is not there.
    pub(super) fn missing(message: impl Into<String>) -> Self {
        Self::new(404, "NoSuchEntity", message)
    }

    /// What is there already.
    pub(super) fn exists(message: impl Into<String>) -> Self {
        Self::new(409, "EntityAlreadyExists", message)
    }

    /// What still holds something.
    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self::new(409, "DeleteConflict", message)
    }

    /// A full quota.
    pub(super) fn limit(message: impl Into<String>) -> Self {
        Self::new(409, "LimitExceeded", message)
    }

    /// A full quota, by its name and number.
    pub(super) fn quota(name: &str, number: usize) -> Self {
        Self::limit(format!("Cannot exceed quota for {name}: {number}"))
    }

    /// What a policy does not allow.
    pub(super) fn denied(message: impl Into<String>) -> Self {
        Self::new(403, "AccessDenied", message)
    }

    /// A key or a token that nobody has.
    pub(super) fn unknown_key() -> Self {
        let message = "The security token included in the request is invalid.";
        Self::new(403, "InvalidClientTokenId", message)
    }

    /// Whose fault it is, in the words of the protocol.
    pub(super) const fn side(&self) -> &'static str {
        if self.status < 500 { "Sender" } else { "Receiver" }
    }
}
