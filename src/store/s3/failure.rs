//! What S3's answers mean for the store, and how a person is told.

use crate::aws::failure::{Failure as Sorted, Kind as Sort};
use crate::error::Error;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// What a failed call means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// There is no such object. Only S3's own code says so: a page that is not S3's must not pass for it.
    Absent,
    /// There is no such bucket.
    NoBucket,
    /// The caller lacks a permission.
    Denied,
    /// The credentials are none, are wrong, or have expired.
    Credentials,
    /// What is there is not what the condition asked for.
    Precondition,
    /// Another call was under way on the same object: nothing was done, and it is to be tried again.
    Conflict,
    /// The bucket is in another Region.
    Elsewhere,
    /// No connection was made, so nothing was done.
    Unsent,
    /// It may have been done: no answer, or one that does not say.
    Lost,
    /// The service answered no, for another reason.
    Refused,
}

/// A failed call.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) kind: Kind,
    /// The action in a policy's words.
    action: &'static str,
    /// What was said, in one line without control characters.
    text: String,
    /// Where the bucket is, if the answer said so.
    pub(super) region: Option<String>,
}

impl Failure {
    /// Sorts an error of the SDK.
    pub(super) fn of<E>(action: &'static str, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        let sorted = Sorted::of(action, error);
        let raw = error.raw_response();
        let status = raw.map(|raw| raw.status().as_u16());
        let region =
            raw.and_then(|raw| raw.headers().get("x-amz-bucket-region")).map(str::to_owned);
        let kind = match (error, sorted.kind) {
            (SdkError::ServiceError(reply), _) => {
                by_code(reply.err().code(), status.unwrap_or_default(), region.is_some())
            }
            (SdkError::ResponseError(_), _) => {
                by_code(None, status.unwrap_or_default(), region.is_some())
            }
            (_, Sort::NoCredentials) => Kind::Credentials,
            (_, Sort::Unsent) => Kind::Unsent,
            _ => Kind::Lost,
        };
        Self { kind, action, text: sorted.text, region }
    }

    /// An answer that is no answer of S3's: whether anything was done is not known.
    pub(super) fn senseless(action: &'static str, what: &str) -> Self {
        Self { kind: Kind::Lost, action, text: what.to_owned(), region: None }
    }

    /// Whether the store could not be reached, or is too busy, rather than said no.
    pub(super) const fn is_unreachable(&self) -> bool {
        matches!(self.kind, Kind::Unsent | Kind::Lost | Kind::Conflict)
    }

    /// The error for a person: what was meant, on which object, why not, and what helps.
    pub(super) fn error(&self, verb: &str, uri: &str) -> Error {
        let error = Error::failed(format!("cannot {verb} `{uri}`")).because(self.cause());
        match self.kind {
            Kind::Denied => {
                let error = error.hint(format!(
                    "it takes {} there: examples/store-policy.json has all that the store needs",
                    self.action
                ));
                if self.action == "s3:GetObject" {
                    error.detail("without s3:ListBucket, S3 answers so for what is not there, too")
                } else {
                    error
                }
            }
            Kind::NoBucket => {
                error.hint("make the bucket, or name another: --state s3://BUCKET/PREFIX")
            }
            Kind::Credentials => {
                error.hint("log in again, or name other credentials: --profile NAME")
            }
            Kind::Elsewhere => error.hint(match &self.region {
                Some(region) => format!("--region {}", crate::text::shell(region)),
                None => "name the Region that the bucket is in: --region NAME".to_owned(),
            }),
            _ => error.hint(ELSEWHERE),
        }
    }

    /// The error of one who reads logs, and keeps no state there.
    pub(super) fn of_logs(&self, uri: &str) -> Error {
        let error = Error::failed(format!("cannot read `{uri}`")).because(self.cause());
        match self.kind {
            Kind::Denied => error.hint(format!("it takes {} there", self.action)),
            Kind::NoBucket => {
                error.hint("name the bucket that the trail delivers to: --logs s3://BUCKET/PREFIX")
            }
            Kind::Credentials => {
                error.hint("log in again, or name other credentials: --profile NAME")
            }
            Kind::Elsewhere => error.hint("name the Region that the bucket is in: --region NAME"),
            _ => error.hint("copy the logs first, then --logs DIR"),
        }
    }

    /// Why, in words.
    pub(super) fn cause(&self) -> String {
        match (self.kind, &self.region) {
            (Kind::Elsewhere, Some(region)) => {
                format!("the bucket is in {}: {}", crate::text::shown(region), self.text)
            }
            (Kind::Unsent | Kind::Lost, _) => format!("S3 could not be reached: {}", self.text),
            _ => self.text.clone(),
        }
    }
}

/// What works without the bucket.
pub(super) const ELSEWHERE: &str = "a local store works now: --state DIR; ringfence state push DIR takes a new record to the bucket later";

/// Sorts a reply by S3's code, and where it has none by the HTTP status.
fn by_code(code: Option<&str>, status: u16, region: bool) -> Kind {
    match (code.unwrap_or_default(), status) {
        ("NoSuchKey", _) => Kind::Absent,
        ("NoSuchBucket", _) => Kind::NoBucket,
        ("PreconditionFailed", _) | (_, 412) => Kind::Precondition,
        ("ConditionalRequestConflict" | "OperationAborted", _) | (_, 409) => Kind::Conflict,
        ("PermanentRedirect" | "TemporaryRedirect" | "Redirect", _) | (_, 301 | 307) => {
            Kind::Elsewhere
        }
        ("AuthorizationHeaderMalformed" | "IllegalLocationConstraintException", 400) if region => {
            Kind::Elsewhere
        }
        (
            "ExpiredToken"
            | "TokenRefreshRequired"
            | "InvalidToken"
            | "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "RequestTimeTooSkewed"
            | "AccessKeyDisabled"
            | "InvalidClientTokenId",
            _,
        ) => Kind::Credentials,
        ("RequestTimeout" | "SlowDown" | "InternalError" | "ServiceUnavailable", _) => Kind::Lost,
        (_, 403) => Kind::Denied,
        // It is tried again later, and nothing in the store says when: as good as unreachable.
        (_, 429) => Kind::Unsent,
        (_, 501) => Kind::Refused,
        // A success that could not be parsed may be one; a crash may come after the deed.
        (_, status) if !(400..500).contains(&status) => Kind::Lost,
        _ => Kind::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_mean_what_s3_says_they_mean() {
        for (code, status, kind) in [
            (Some("NoSuchKey"), 404, Kind::Absent),
            (Some("NoSuchBucket"), 404, Kind::NoBucket),
            (Some("PreconditionFailed"), 412, Kind::Precondition),
            (Some("ConditionalRequestConflict"), 409, Kind::Conflict),
            (Some("AccessDenied"), 403, Kind::Denied),
            (Some("ExpiredToken"), 400, Kind::Credentials),
            (Some("InvalidAccessKeyId"), 403, Kind::Credentials),
            (Some("SlowDown"), 503, Kind::Lost),
            (Some("InternalError"), 500, Kind::Lost),
            (Some("NotImplemented"), 501, Kind::Refused),
            (Some("PermanentRedirect"), 301, Kind::Elsewhere),
            (Some("InvalidRequest"), 400, Kind::Refused),
            (None, 200, Kind::Lost),
            (None, 403, Kind::Denied),
            (None, 502, Kind::Lost),
        ] {
            assert_eq!(by_code(code, status, false), kind, "{code:?} {status}");
        }
        let malformed = Some("AuthorizationHeaderMalformed");
        assert_eq!(by_code(malformed, 400, true), Kind::Elsewhere);
        assert_eq!(by_code(malformed, 400, false), Kind::Refused);
    }

    #[test]
    fn a_404_that_is_not_s3s_does_not_say_that_nothing_is_there() {
        assert_eq!(by_code(None, 404, false), Kind::Refused);
        assert_eq!(by_code(Some("NotFound"), 404, false), Kind::Refused);
    }
}
