//! What the replies and requests say besides their content: the service's Date and the endpoint.

use super::endpoint::Endpoint;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    AfterDeserializationInterceptorContextRef, BeforeDeserializationInterceptorContextRef,
    BeforeTransmitInterceptorContextRef,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::DateTime;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::date_time::Format;
use jiff::Timestamp;
use std::sync::{Arc, Mutex, PoisonError};

/// What has been seen so far; clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Meter(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    iam: Option<Endpoint>,
    sts: Option<Endpoint>,
    latest: Option<Timestamp>,
    since_mark: Option<Timestamp>,
    sent: bool,
    root: Option<String>,
}

impl Meter {
    /// The interceptor that watches calls of IAM.
    pub(super) fn of_iam(&self) -> Watch {
        Watch { meter: self.clone(), of: Service::Iam }
    }

    /// The interceptor that watches calls of STS.
    pub(super) fn of_sts(&self) -> Watch {
        Watch { meter: self.clone(), of: Service::Sts }
    }

    /// The latest Date seen.
    pub(super) fn latest_date(&self) -> Option<Timestamp> {
        self.seen(|seen| seen.latest)
    }

    /// Begins a reading: [`Meter::date_since_mark`] is about what comes after.
    pub(super) fn mark(&self) {
        self.seen(|seen| seen.since_mark = None);
    }

    /// The latest Date seen since the mark.
    pub(super) fn date_since_mark(&self) -> Option<Timestamp> {
        self.seen(|seen| seen.since_mark)
    }

    /// Where IAM was called.
    pub(super) fn iam(&self) -> Option<Endpoint> {
        self.seen(|seen| seen.iam.clone())
    }

    /// Where STS was called.
    pub(super) fn sts(&self) -> Option<Endpoint> {
        self.seen(|seen| seen.sts.clone())
    }

    /// Whether any request was handed to the HTTP client.
    pub(super) fn sent(&self) -> bool {
        self.seen(|seen| seen.sent)
    }

    /// The name of the last reply's root element, such as `GetUserResponse`.
    pub(super) fn root(&self) -> Option<String> {
        self.seen(|seen| seen.root.clone())
    }

    fn seen<T>(&self, use_it: impl FnOnce(&mut Seen) -> T) -> T {
        // A poisoned lock still holds whole values: each is written in one assignment.
        use_it(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[derive(Clone, Copy, Debug)]
enum Service {
    Iam,
    Sts,
}

/// Writes what it sees into its meter.
#[derive(Debug)]
pub(super) struct Watch {
    meter: Meter,
    of: Service,
}

#[dyn_dispatch_hint]
impl Intercept for Watch {
    fn name(&self) -> &'static str {
        "RingfenceMeter"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let endpoint = Endpoint::of(context.request().uri());
        self.meter.seen(|seen| {
            seen.sent = true;
            match self.of {
                Service::Iam => seen.iam = endpoint,
                Service::Sts => seen.sts = endpoint,
            }
        });
        Ok(())
    }

    // Before the reply is parsed, so that errors and unreadable replies count too.
    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(date) = context.response().headers().get("date").and_then(http_date) {
            self.meter.seen(|seen| {
                seen.latest = seen.latest.max(Some(date));
                seen.since_mark = seen.since_mark.max(Some(date));
            });
        }
        Ok(())
    }

    // Only now has the body been read.
    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response().body().bytes().unwrap_or_default();
        let root = root_element(body);
        let cut = context.response().status().is_success()
            && root.as_deref().is_some_and(|root| is_cut_off(body, root));
        self.meter.seen(|seen| seen.root = root);
        // The SDK takes a listing that breaks off after an item for a shorter one, and what was cut
        // off would be left out silently (D2.12).
        if cut { Err("the answer breaks off".into()) } else { Ok(()) }
    }
}

/// The name of the first element of an XML document.
fn root_element(body: &[u8]) -> Option<String> {
    let mut rest = std::str::from_utf8(body).ok()?.trim_start_matches('\u{feff}').trim_start();
    while rest.starts_with("<?") || rest.starts_with("<!") {
        rest = rest.split_once('>')?.1.trim_start();
    }
    let name = rest
        .strip_prefix('<')?
        .split(|c: char| c.is_whitespace() || matches!(c, '>' | '/'))
        .next()?;
    Some(name.to_owned())
}

/// Whether an answer of IAM or STS ends before its root element does.
fn is_cut_off(body: &[u8], root: &str) -> bool {
    let text = body.trim_ascii_end();
    let end = text.strip_suffix(b">").map_or(text, <[u8]>::trim_ascii_end);
    let closed = end.strip_suffix(root.as_bytes()).is_some_and(|rest| rest.ends_with(b"</"));
    let empty = end.ends_with(b"/") && !text.windows(2).any(|pair| pair == b"</");
    root.ends_with("Response") && !closed && !empty
}

fn http_date(text: &str) -> Option<Timestamp> {
    let date = DateTime::from_str(text, Format::HttpDate).ok()?;
    Timestamp::from_second(date.secs()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_element_tells_an_answer_from_a_web_page() {
        let answer = "<?xml version=\"1.0\"?>\n<DeleteUserPolicyResponse xmlns=\"x\">";
        assert_eq!(root_element(answer.as_bytes()).as_deref(), Some("DeleteUserPolicyResponse"));
        assert_eq!(root_element(b"<!doctype html><html>").as_deref(), Some("html"));
        for none in ["", "{}", "<?xml", "text <a>"] {
            assert_eq!(root_element(none.as_bytes()), None, "{none}");
        }
    }

    #[test]
    fn an_answer_is_whole_or_breaks_off() {
        let whole = "<?xml version=\"1.0\"?><AResponse><B>1</B></AResponse>\n";
        assert!(!is_cut_off(whole.as_bytes(), "AResponse"));
        assert!(!is_cut_off(b"<AResponse/>", "AResponse"));
        assert!(!is_cut_off(b"<html><p>", "html"), "that is no answer, whole or not");
        let length = whole.trim_end().len();
        for end in 30..length - 1 {
            assert!(is_cut_off(&whole.as_bytes()[..end], "AResponse"), "{end} of {length}");
        }
    }

    #[test]
    fn a_date_header_is_read_in_whole_seconds() {
        let time = http_date("Sat, 21 Nov 2026 03:12:41 GMT").unwrap();
        assert_eq!(time.to_string(), "2026-11-21T03:12:41Z");
        assert_eq!(http_date("yesterday"), None);
    }
}
