//! What can go wrong between the responder and the service, and how often it does.

use super::random::Random;
use super::{Request, Response};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use std::fmt;
use std::time::Duration;

/// How often what goes wrong, in calls of a thousand. Where they come to more than a thousand, the
/// later ones are cut off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// `Throttling`, and nothing was done (F17).
    pub throttled: u16,
    /// The connection is refused, so nothing was done.
    pub refused: u16,
    /// Nobody answers, and nothing was done.
    pub request_lost: u16,
    /// Nobody answers, and it was done.
    pub reply_lost: u16,
    /// A server's error, and nothing was done.
    pub failed_before: u16,
    /// A server's error, and it was done.
    pub failed_after: u16,
    /// Status 200, the body is cut off, and it was done.
    pub cut: u16,
    /// A listing's page has fewer items than were asked for (F18).
    pub short_page: u16,
    /// How long a call is on its way, at most: waited by tokio's clock.
    pub latency: Duration,
    /// How long the client waits for an answer that does not come: waited by tokio's clock.
    pub patience: Duration,
    /// The number of the first call from which nothing goes wrong any more.
    pub calm_from_call: Option<u64>,
    /// The time by the sandbox's clock from which nothing goes wrong any more.
    pub calm_from: Option<Timestamp>,
}

impl Trouble {
    /// None at all.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// As much as a seed gives: most have a little of a few kinds, some have much of one.
    #[must_use]
    pub fn drawn(seed: u64) -> Self {
        let mut random = Random::of(seed, "trouble");
        let mut rate = || match random.below(10) {
            0..=4 => 0,
            5..=8 => u16::try_from(random.below(40)).unwrap_or(0),
            _ => u16::try_from(random.below(250)).unwrap_or(0),
        };
        Self {
            throttled: rate(),
            refused: rate(),
            request_lost: rate(),
            reply_lost: rate(),
            failed_before: rate(),
            failed_after: rate(),
            cut: rate(),
            short_page: rate(),
            ..Self::none()
        }
    }

    /// The same until a call of this number, and nothing from there on.
    #[must_use]
    pub const fn calm_from_call(mut self, call: u64) -> Self {
        self.calm_from_call = Some(call);
        self
    }

    /// The same until this time by the sandbox's clock, and nothing from there on.
    #[must_use]
    pub const fn calm_from(mut self, time: Timestamp) -> Self {
        self.calm_from = Some(time);
        self
    }

    /// What happens to a call. It depends on the seed and the number of the call alone, so that one
    /// more draw elsewhere does not change the rest of a run.
    pub(super) fn fate(&self, seed: u64, call: u64, now: Timestamp) -> Fate {
        let mut random = Random::at(seed, "fate", call);
        let (chance, detail) = (random.below(1000), random.draw());
        let calm = self.calm_from_call.is_some_and(|first| call >= first)
            || self.calm_from.is_some_and(|time| now >= time);
        if calm {
            return Fate::Passed;
        }
        let page = if detail.is_multiple_of(2) { Page::Fault } else { Page::Html };
        let mut below = 0;
        [
            (self.throttled, Fate::Throttled),
            (self.refused, Fate::Refused),
            (self.request_lost, Fate::RequestLost),
            (self.reply_lost, Fate::ReplyLost),
            (self.failed_before, Fate::FailedBefore(page)),
            (self.failed_after, Fate::FailedAfter(page)),
            (self.cut, Fate::Cut(u16::try_from(detail % 1000).unwrap_or(0))),
            (self.short_page, Fate::ShortPage(u16::try_from(detail % 3).unwrap_or(0) + 1)),
        ]
        .into_iter()
        .find(|(rate, _)| {
            below += u64::from(*rate);
            chance < below
        })
        .map_or(Fate::Passed, |(_, fate)| fate)
    }
}

/// What happened to a call on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing: it was made and answered.
    Passed,
    /// It was answered with `Throttling` and not made.
    Throttled,
    /// There was no connection, and it was not made.
    Refused,
    /// It got lost on the way there.
    RequestLost,
    /// It was made, and the answer got lost.
    ReplyLost,
    /// It was not made, and answered with a server's error.
    FailedBefore(Page),
    /// It was made, and answered with a server's error.
    FailedAfter(Page),
    /// It was made, and of the answer's body only these thousandths came.
    Cut(u16),
    /// It was made, with at most so many items on a page.
    ShortPage(u16),
    /// The world stopped before it was made.
    StoppedBefore,
    /// The world stopped after it was made, before the answer was there.
    StoppedAfter,
}

/// What a server's error looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// `ServiceFailure`, as IAM writes it, with status 500.
    Fault,
    /// A web page of something in front of IAM, with status 503.
    Html,
}

impl Fate {
    /// Whether the call was made.
    #[must_use]
    pub const fn is_made(self) -> bool {
        match self {
            Self::Passed
            | Self::ReplyLost
            | Self::FailedAfter(_)
            | Self::Cut(_)
            | Self::ShortPage(_)
            | Self::StoppedAfter => true,
            Self::Throttled
            | Self::Refused
            | Self::RequestLost
            | Self::FailedBefore(_)
            | Self::StoppedBefore => false,
        }
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => f.write_str("passed"),
            Self::Throttled => f.write_str("throttled, not made"),
            Self::Refused => f.write_str("connection refused, not made"),
            Self::RequestLost => f.write_str("request lost, not made"),
            Self::ReplyLost => f.write_str("made, reply lost"),
            Self::FailedBefore(page) => write!(f, "answered {}, not made", page.status()),
            Self::FailedAfter(page) => write!(f, "made, answered {}", page.status()),
            Self::Cut(kept) => write!(f, "made, reply cut at {kept} of 1000"),
            Self::ShortPage(items) => write!(f, "made, at most {items} items on the page"),
            Self::StoppedBefore => f.write_str("the world stopped before it was made"),
            Self::StoppedAfter => f.write_str("the world stopped after it was made"),
        }
    }
}

impl Page {
    const fn status(self) -> u16 {
        match self {
            Self::Fault => 500,
            Self::Html => 503,
        }
    }

    /// The reply.
    pub(super) fn response(self, now: Timestamp) -> Response {
        match self {
            Self::Fault => {
                let message = "The request processing has failed because of an unknown error, exception or \
                     failure.";
                fault(500, "Receiver", "ServiceFailure", message, now)
            }
            Self::Html => {
                let body = "<html><head><title>503 Service Unavailable</title></head>\
                            <body><h1>Service Unavailable</h1></body></html>";
                reply(503, "text/html", body, now)
            }
        }
    }
}

/// What IAM answers where too much is asked (F17).
pub(super) fn throttling(now: Timestamp) -> Response {
    fault(400, "Sender", "Throttling", "Rate exceeded", now)
}

/// A reply of which only the beginning came.
pub(super) fn cut(mut response: Response, kept: u16) -> Response {
    let kept = response.body.len() * usize::from(kept) / 1000;
    response.body.truncate(kept);
    response
}

/// Whether an action lists, so that its page can be short.
pub(super) fn is_listing(request: &Request) -> bool {
    action(request)
        .is_some_and(|name| name.starts_with("List") || name == "GetAccountAuthorizationDetails")
}

/// The action of a request, and what it is about, for a log. No secret of IAM stands in these.
pub(super) fn about(request: &Request) -> String {
    let told = ["Name", "Id", "Arn", "Status", "Marker", "Boundary"];
    let told = |name: &str| told.iter().any(|end| name.ends_with(end));
    let mut text = action(request).unwrap_or_else(|| "no action".to_owned());
    for (name, value) in form_urlencoded::parse(&request.body) {
        if told(&name) {
            text.push(' ');
            text.extend(value.chars().take(60));
        }
    }
    crate::text::shown(&text).into_owned()
}

fn action(request: &Request) -> Option<String> {
    let mut pairs = form_urlencoded::parse(&request.body);
    pairs.find(|(name, _)| name == "Action").map(|(_, value)| value.into_owned())
}

fn fault(status: u16, side: &str, code: &str, message: &str, now: Timestamp) -> Response {
    let body = format!(
        "<ErrorResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><Error>\
         <Type>{side}</Type><Code>{code}</Code><Message>{message}</Message></Error>\
         <RequestId>00000000-0000-4000-8000-000000000000</RequestId></ErrorResponse>"
    );
    reply(status, "text/xml", &body, now)
}

fn reply(status: u16, kind: &str, body: &str, now: Timestamp) -> Response {
    let now = crate::text::whole_seconds(now);
    let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&now).unwrap_or_default();
    let headers = [("Content-Type", kind), ("Date", date.as_str())];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    Response { status, headers, body: body.as_bytes().to_vec() }
}
