//! What CloudTrail's history has about credentials, fetched into a folder from which it is read like
//! any other log: page by page, at the service's rate (F14), and taken up again where it was cut off.
//!
//! In the folder: `window.json`, what is asked for; for each Region and question `events/…/NAME.jsonl`,
//! the events, and `asked/…/NAME.next` while pages are missing, `asked/…/NAME.done` once none is.

mod folder;
#[cfg(test)]
#[cfg(feature = "sandbox")]
mod tests;

pub use folder::Folder;

use crate::aws::{History, Query, Refused};
use crate::context::Context;
use crate::error::{Error, Result};
use futures_util::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use std::cell::Cell;
use std::time::Duration;

/// How far back the history goes.
pub const KEPT: SignedDuration = SignedDuration::from_hours(24 * 90);

/// Two requests a second are taken in an account and Region: a little slower, so that none is refused.
const PACE: Duration = Duration::from_millis(550);
/// How long to wait where somebody else takes part of the rate, and how often.
const THROTTLED: Duration = Duration::from_secs(2);
const PATIENCE: u32 = 6;

/// What could not be asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// The Region.
    pub region: String,
    /// Why.
    pub why: String,
    /// Whether a permission is missing.
    pub denied: bool,
}

/// How far a fetch has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Questions that are answered whole, of all Regions.
    pub answered: usize,
    /// Questions in all.
    pub questions: usize,
    /// Pages that were read.
    pub pages: usize,
    /// Events that were read.
    pub events: usize,
}

/// Fetches what is not in the folder yet.
///
/// # Errors
/// If the folder cannot be written, or no Region at all gave an answer: the error names the action.
pub async fn fetch(
    history: &History,
    folder: &Folder,
    regions: &[String],
    queries: &[Query],
    context: &Context,
    tell: &dyn Fn(Progress),
) -> Result<Vec<Gap>> {
    let progress = Cell::new(Progress {
        questions: regions.len().saturating_mul(queries.len()),
        ..Progress::default()
    });
    let each = regions.iter().map(async |region| {
        let one = Fetch { history, folder, region, context, progress: &progress, tell };
        for query in queries {
            if let Some(gap) = one.query(query).await? {
                return Ok::<_, Error>(Some(gap));
            }
        }
        Ok(None)
    });
    let gaps: Vec<Gap> = try_join_all(each).await?.into_iter().flatten().collect();
    match gaps.first() {
        Some(first) if gaps.len() == regions.len() => Err(nowhere(first)),
        _ => Ok(gaps),
    }
}

fn nowhere(gap: &Gap) -> Error {
    let error = if gap.denied {
        Error::failed("may not look up events: `cloudtrail:LookupEvents` is missing")
            .hint("examples/responder-policy.json grants what ringfence needs")
    } else {
        Error::failed(format!("events could not be looked up in `{}`", gap.region))
            .hint("check --endpoint-url, AWS_ENDPOINT_URL, the proxy and the network")
    };
    error
        .because(&gap.why)
        .hint("delivered log files need no such call: ringfence trace --logs PATH")
}

struct Fetch<'a> {
    history: &'a History,
    folder: &'a Folder,
    region: &'a str,
    context: &'a Context,
    progress: &'a Cell<Progress>,
    tell: &'a dyn Fn(Progress),
}

impl Fetch<'_> {
    /// Answers one question, or says why not.
    async fn query(&self, query: &Query) -> Result<Option<Gap>> {
        let place = self.folder.place(self.region, query);
        if place.lacks_events() {
            place.begin_again()?;
        }
        let mut restarted = false;
        while !place.is_done() {
            let next = place.next()?;
            match self.patiently(query, next.as_deref()).await {
                Ok(page) => {
                    // The page first: cut off between the two, it comes twice and is counted once.
                    place.add(&page.events)?;
                    match &page.next {
                        Some(next) => place.go_on_from(next)?,
                        None => place.done()?,
                    }
                    self.count(page.events.len());
                }
                Err(Refused::BadToken) if !restarted => {
                    restarted = true;
                    place.begin_again()?;
                }
                Err(refused) => return Ok(Some(self.gap(refused))),
            }
            self.context.sleep(PACE).await;
        }
        let mut progress = self.progress.get();
        progress.answered += 1;
        self.progress.set(progress);
        (self.tell)(progress);
        Ok(None)
    }

    async fn patiently(
        &self,
        query: &Query,
        next: Option<&str>,
    ) -> std::result::Result<crate::aws::Page, Refused> {
        let mut waited = 0;
        loop {
            let page = self.history.page(self.region, query, self.folder.window(), next).await;
            match page {
                Err(Refused::Throttled(_)) if waited < PATIENCE => {
                    waited += 1;
                    self.context.sleep(self.context.jittered(THROTTLED * waited)).await;
                }
                page => return page,
            }
        }
    }

    fn count(&self, events: usize) {
        let mut progress = self.progress.get();
        progress.pages += 1;
        progress.events += events;
        self.progress.set(progress);
        (self.tell)(progress);
    }

    fn gap(&self, refused: Refused) -> Gap {
        let (why, denied) = match refused {
            Refused::Denied(why) => (format!("cloudtrail:LookupEvents: {why}"), true),
            Refused::Throttled(why) | Refused::Failed(why) => (why, false),
            Refused::BadToken => ("its pages lead nowhere".to_owned(), false),
        };
        Gap { region: self.region.to_owned(), why, denied }
    }
}

/// The window of a new folder: as far back as the history goes, to now.
#[must_use]
pub fn window(now: Timestamp) -> (Timestamp, Timestamp) {
    (now.saturating_sub(KEPT).unwrap_or(Timestamp::MIN), now)
}
