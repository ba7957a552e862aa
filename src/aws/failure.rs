//! The SDK's errors, sorted by what they mean for containment.

use crate::snapshot::{Missing, Obstacle};
use crate::text::shown;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use std::error::Error as StdError;

/// How much of an error's text is kept: some services quote the whole request.
const LONGEST: usize = 400;

/// What a failed call means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What it is about is not there.
    NotFound,
    /// The caller lacks a permission.
    Denied,
    /// The endpoint does not know the action; AWS itself does.
    Unimplemented,
    /// Too many calls, or the entity is being changed: nothing was done, and it may be tried again (F17).
    Throttled,
    /// The session's time is over.
    Expired,
    /// The service does not accept the credentials or their signature.
    BadCredentials,
    /// There are no credentials to sign with.
    NoCredentials,
    /// The request never left, or no connection was made: nothing was done.
    Unsent,
    /// It may have been done: no answer, or none that says (D2.5).
    Lost,
    /// The same, and the answer is none of IAM's: so answers an emulator that lacks the action.
    Garbled,
    /// The service answered no, for another reason.
    Refused,
    /// It answered, and the answer contradicts itself.
    Senseless,
}

/// A failed call.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// The action in a policy's words, such as `iam:GetUser`.
    pub(super) action: &'static str,
    /// What it means.
    pub(crate) kind: Kind,
    /// What was said, `CODE: message`, in one line without control characters.
    pub(crate) text: String,
}

impl Failure {
    /// Whether something of the name is there already (F17).
    pub(crate) fn is_already_there(&self) -> bool {
        self.kind == Kind::Refused && self.text.starts_with("EntityAlreadyExists")
    }

    /// Sorts an error of the SDK.
    pub(crate) fn of<E>(action: &'static str, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: StdError + ProvideErrorMetadata + 'static,
    {
        let (kind, text) = match error {
            SdkError::ConstructionFailure(_) => (Kind::Unsent, chain(error)),
            SdkError::DispatchFailure(failure) => {
                let text = chain(error);
                // Only what fails before the connector, such as signing, is `other` here.
                let kind = if failure.is_other() && text.contains("credential") {
                    Kind::NoCredentials
                } else if never_connected(error) {
                    Kind::Unsent
                } else {
                    Kind::Lost
                };
                (kind, text)
            }
            SdkError::ServiceError(reply) => {
                let status = reply.raw().status().as_u16();
                let (code, message) = (reply.err().code(), reply.err().message());
                (sort(code, message, status), said(code, message, status))
            }
            SdkError::ResponseError(reply) => {
                let status = reply.raw().status().as_u16();
                (sort(None, None, status), said(None, None, status))
            }
            _ => (Kind::Lost, chain(error)),
        };
        Self { action, kind, text: one_line(&text) }
    }

    /// An answer that contradicts itself or the protocol.
    pub(super) fn senseless(action: &'static str, what: &str) -> Self {
        let text = one_line(&format!("the answer makes no sense: {what}"));
        Self { action, kind: Kind::Senseless, text }
    }

    /// Whether it is about this one read only, which then counts as unread (D2.12). What is throttled, or not
    /// answered, after every repeat is too: who can throttle a listing must not be able to veto a containment.
    pub(super) const fn is_local(&self) -> bool {
        matches!(
            self.kind,
            Kind::NotFound
                | Kind::Denied
                | Kind::Unimplemented
                | Kind::Senseless
                | Kind::Throttled
                | Kind::Lost
        )
    }

    /// What an unread thing carries.
    pub(super) fn missing(&self) -> Missing {
        let because = match self.kind {
            Kind::Unimplemented | Kind::Garbled => {
                format!("the endpoint does not implement it ({})", self.text)
            }
            _ => self.text.clone(),
        };
        let obstacle = match self.kind {
            Kind::Throttled | Kind::Lost | Kind::NotFound => Obstacle::Passing,
            Kind::Unimplemented | Kind::Garbled => Obstacle::Unimplemented,
            Kind::Senseless => Obstacle::Senseless,
            _ => Obstacle::Denied,
        };
        Missing { action: self.action.to_owned(), because, obstacle }
    }
}

/// Sorts an error reply by its code, and where it has none by the HTTP status.
pub(super) fn sort(code: Option<&str>, message: Option<&str>, status: u16) -> Kind {
    match code.unwrap_or_default() {
        "NoSuchEntity" | "NoSuchEntityException" => Kind::NotFound,
        "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" => Kind::Denied,
        "Throttling"
        | "ThrottlingException"
        | "RequestLimitExceeded"
        | "RequestThrottled"
        | "TooManyRequestsException"
        | "SlowDown" => Kind::Throttled,
        "ConcurrentModification" | "EntityTemporarilyUnmodifiable" => Kind::Throttled,
        "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" => Kind::Expired,
        "InvalidClientTokenId"
        | "SignatureDoesNotMatch"
        | "UnrecognizedClientException"
        | "IncompleteSignature"
        | "InvalidAccessKeyId"
        | "MissingAuthenticationToken"
        | "InvalidToken"
        | "RequestExpired"
        | "RequestTimeTooSkewed" => Kind::BadCredentials,
        "InvalidAction"
        | "NotImplemented"
        | "NotImplementedException"
        | "UnknownOperationException"
        | "UnsupportedOperation" => Kind::Unimplemented,
        _ if message.is_some_and(|text| text.starts_with("Rate exceeded")) => Kind::Throttled,
        // IAM's own 404 is NoSuchEntity; any other comes from something that is not IAM.
        _ if matches!(status, 404 | 405 | 501) => Kind::Unimplemented,
        _ if status == 429 => Kind::Throttled,
        // A success that could not be parsed may be one, and tells of no lack.
        "" if status < 400 => Kind::Lost,
        // A crash may come after the deed.
        "" if status == 500 => Kind::Garbled,
        _ if (400..500).contains(&status) => Kind::Refused,
        _ => Kind::Lost,
    }
}

fn said(code: Option<&str>, message: Option<&str>, status: u16) -> String {
    match (code, message) {
        (Some(code), Some(message)) if !message.is_empty() => format!("{code}: {message}"),
        (Some(code), _) => code.to_owned(),
        (None, Some(message)) if !message.is_empty() => format!("HTTP {status}: {message}"),
        _ => format!("HTTP {status} with a body that is no answer of this service"),
    }
}

/// The SDK's own words for its layers, which tell a person nothing.
const LAYERS: [&str; 6] =
    ["dispatch failure", "request has timed out", "io error", "timeout", "other", CONNECT];

/// The causes in a row, each said once.
fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    for cause in causes(error) {
        let text = cause.to_string();
        if !LAYERS.contains(&text.as_str()) && !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
    }
    if parts.is_empty() { error.to_string() } else { shortened(parts.join(": ")) }
}

/// What the SDK says at length: it quotes the request, or lists every place without credentials.
fn shortened(text: String) -> String {
    let url =
        text.split_once("failed to apply endpoint `").and_then(|(_, rest)| rest.split_once('`'));
    match url {
        Some((url, _)) => format!("{NO_URL}{url}"),
        None if text.contains("no credentials found in chain") => NO_SOURCE.to_owned(),
        None => text,
    }
}

/// How the text begins where the endpoint given is no URL; the rest is what was given.
pub(super) const NO_URL: &str = "no endpoint URL: ";

/// The text where no place that may hold credentials has any.
const NO_SOURCE: &str =
    "no credentials in the environment, the shared configuration or the machine";

fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| {
        let error: &'a (dyn StdError + 'static) = *error;
        error.source()
    })
}

/// What hyper-util says where TCP, TLS or a proxy failed; the kind itself is private to it.
const CONNECT: &str = "client error (Connect)";

/// Whether no connection was made, so that nothing can have been done. When in doubt, no.
fn never_connected(error: &(dyn StdError + 'static)) -> bool {
    use std::io::ErrorKind as Io;
    causes(error).any(|cause| {
        cause.to_string() == CONNECT
            || cause.downcast_ref::<std::io::Error>().is_some_and(|io| {
                matches!(
                    io.kind(),
                    Io::ConnectionRefused | Io::HostUnreachable | Io::NetworkUnreachable
                )
            })
    })
}

fn one_line(text: &str) -> String {
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let cut = match flat.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", flat.get(..end).unwrap_or(&flat)),
        None => flat,
    };
    shown(&cut).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_mean_what_the_facts_say() {
        for (code, status, kind) in [
            ("NoSuchEntity", 404, Kind::NotFound),
            ("AccessDenied", 403, Kind::Denied),
            ("Throttling", 400, Kind::Throttled),
            ("RequestLimitExceeded", 503, Kind::Throttled),
            ("ConcurrentModification", 409, Kind::Throttled),
            ("LimitExceeded", 409, Kind::Refused),
            ("EntityAlreadyExists", 409, Kind::Refused),
            ("MalformedPolicyDocument", 400, Kind::Refused),
            ("ServiceFailure", 500, Kind::Lost),
            ("InternalFailure", 500, Kind::Lost),
            ("ExpiredToken", 403, Kind::Expired),
            ("InvalidClientTokenId", 403, Kind::BadCredentials),
            ("SignatureDoesNotMatch", 403, Kind::BadCredentials),
            ("InvalidAction", 400, Kind::Unimplemented),
            ("SomethingNew", 400, Kind::Refused),
        ] {
            assert_eq!(sort(Some(code), None, status), kind, "{code}");
        }
        assert_eq!(sort(Some("Odd"), Some("Rate exceeded"), 400), Kind::Throttled);
    }

    #[test]
    fn a_reply_without_a_code_is_sorted_by_its_status() {
        assert_eq!(sort(None, None, 404), Kind::Unimplemented);
        assert_eq!(sort(None, None, 501), Kind::Unimplemented);
        assert_eq!(sort(None, None, 500), Kind::Garbled);
        assert_eq!(sort(None, None, 200), Kind::Lost);
        assert_eq!(sort(None, None, 503), Kind::Lost);
        assert_eq!(sort(None, None, 400), Kind::Refused);
    }

    #[test]
    fn a_refused_connection_changed_nothing_and_a_reset_one_may_have() {
        use std::io::{Error, ErrorKind};
        assert!(never_connected(&Error::from(ErrorKind::ConnectionRefused)));
        assert!(!never_connected(&Error::from(ErrorKind::ConnectionReset)));
    }

    #[test]
    fn what_a_service_says_is_one_line_without_control_characters() {
        assert_eq!(one_line("a\n  b\u{1b}[31m"), "a b\\u{1b}[31m");
        assert_eq!(one_line(&"x".repeat(1000)).chars().count(), LONGEST + 1);
    }
}
