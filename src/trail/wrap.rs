//! The envelopes that events come in, by the field that holds what is inside.

use serde_json::value::RawValue;
use std::borrow::Cow;

/// How what is inside is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrap {
    /// As JSON, or as a text of JSON.
    Plain,
    /// Below another field: `awslogs.data`, `kinesis.data`, in Base64 and most often compressed.
    Packed,
}

/// Fields whose value holds events. Which service or tool writes so stands beside each.
const WRAPS: &[(&str, Wrap)] = &[
    // CloudTrail's own delivery; SQS and Kinesis records.
    ("Records", Wrap::Plain),
    ("records", Wrap::Plain),
    // LookupEvents, and `aws logs filter-log-events`.
    ("Events", Wrap::Plain),
    ("events", Wrap::Plain),
    ("CloudTrailEvent", Wrap::Plain),
    // EventBridge.
    ("detail", Wrap::Plain),
    // CloudWatch Logs: subscriptions, queries, exports; logstash.
    ("logEvents", Wrap::Plain),
    ("message", Wrap::Plain),
    ("@message", Wrap::Plain),
    ("awslogs", Wrap::Packed),
    ("kinesis", Wrap::Packed),
    // SNS and SQS.
    ("Message", Wrap::Plain),
    ("body", Wrap::Plain),
    // Collections of tests, HTTP collectors.
    ("data", Wrap::Plain),
    ("event", Wrap::Plain),
    // Splunk and Elasticsearch.
    ("result", Wrap::Plain),
    ("_raw", Wrap::Plain),
    ("hits", Wrap::Plain),
    ("_source", Wrap::Plain),
];

/// Those whose array may be larger than memory, so that it is read element by element. It has to come first.
const LARGE: &[&str] = &["Records", "Events", "events", "records", "logEvents"];

impl Wrap {
    pub(super) fn of(field: &str) -> Option<Self> {
        WRAPS.iter().find(|(name, _)| *name == field).map(|(_, wrap)| *wrap)
    }
}

/// How far into an object its array of events begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begins {
    /// After so many bytes.
    At(usize),
    /// This object does not begin with one.
    No,
    /// The bytes end too early to say.
    Perhaps,
}

/// Whether the object that starts here begins with a large array of events.
pub(super) fn begins(bytes: &[u8]) -> Begins {
    let mut rest = Rest { bytes, at: 0 };
    let found = rest.token(b"{").and_then(|()| {
        rest.blank();
        let mut answer = Err(Begins::No);
        for name in LARGE {
            let mut ahead = Rest { bytes, at: rest.at };
            match ahead.quoted(name) {
                Ok(()) => {
                    rest.at = ahead.at;
                    return Ok(());
                }
                Err(Begins::Perhaps) => answer = Err(Begins::Perhaps),
                Err(_) => {}
            }
        }
        answer
    });
    match found.and_then(|()| rest.token(b":")).and_then(|()| rest.token(b"[")) {
        Ok(()) => Begins::At(rest.at),
        Err(why) => why,
    }
}

struct Rest<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Rest<'_> {
    fn blank(&mut self) {
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }

    fn token(&mut self, token: &[u8]) -> Result<(), Begins> {
        self.blank();
        self.exactly(token)
    }

    fn quoted(&mut self, name: &str) -> Result<(), Begins> {
        self.exactly(b"\"")
            .and_then(|()| self.exactly(name.as_bytes()))
            .and_then(|()| self.exactly(b"\""))
    }

    fn exactly(&mut self, text: &[u8]) -> Result<(), Begins> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if rest.starts_with(text) {
            self.at += text.len();
            Ok(())
        } else if text.starts_with(rest) {
            Err(Begins::Perhaps)
        } else {
            Err(Begins::No)
        }
    }
}

/// What is inside a text.
pub(super) fn inside_text(value: &RawValue) -> Option<Cow<'_, str>> {
    if !value.get().starts_with('"') {
        return None;
    }
    let text = serde_json::from_str::<super::text::Text<'_>>(value.get()).ok()?.0;
    let begins = text.trim_start().starts_with(['{', '[']);
    begins.then_some(text)
}

/// The bytes behind `{"data": "…"}`, in Base64.
pub(super) fn packed(value: &RawValue) -> Option<Vec<u8>> {
    use base64ct::Encoding as _;
    #[derive(serde::Deserialize)]
    struct Data<'a> {
        #[serde(borrow)]
        data: super::text::Text<'a>,
    }
    let data: Data<'_> = serde_json::from_str(value.get()).ok()?;
    base64ct::Base64::decode_vec(&data.data.0).ok()
}
