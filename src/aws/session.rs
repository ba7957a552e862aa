//! One reading: its calls, at most so many side by side, and how deep they go.

use super::Aws;
use super::failure::{Failure, Kind};
use super::meter::Meter;
use super::page::Page;
use super::words;
use crate::error::Error;
use crate::plan::ReadCost;
use crate::policy::PolicyDocument;
use crate::snapshot::{Missing, Observed};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OnceCell, Semaphore};

/// How many calls may be under way at once.
const IN_FLIGHT: usize = 16;

/// A policy's document, or why there is none.
type Document = Observed<PolicyDocument>;

/// What a call gives.
pub(super) type Asked<T> = Result<T, Failure>;

/// The clients, and the count of what they were asked.
///
/// Every call says how deep it is: one that waits for no other is 1 deep, one that needs its answer 2.
pub(super) struct Session<'a> {
    /// IAM.
    pub(super) iam: &'a aws_sdk_iam::Client,
    /// STS.
    pub(super) sts: &'a aws_sdk_sts::Client,
    /// Dates and endpoints.
    pub(super) meter: &'a Meter,
    profile: Option<&'a str>,
    documents: Mutex<BTreeMap<String, Arc<OnceCell<Document>>>>,
    gate: Semaphore,
    calls: AtomicU32,
    deepest: AtomicU32,
}

impl<'a> Session<'a> {
    /// Begins a reading.
    pub(super) fn new(aws: &'a Aws) -> Self {
        aws.meter.mark();
        Self {
            iam: &aws.iam,
            sts: &aws.sts,
            meter: &aws.meter,
            profile: aws.profile.as_deref(),
            documents: Mutex::default(),
            gate: Semaphore::new(IN_FLIGHT),
            calls: AtomicU32::new(0),
            deepest: AtomicU32::new(0),
        }
    }

    /// Makes one call.
    pub(super) async fn ask<T, E>(
        &self,
        action: &'static str,
        depth: u32,
        send: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Asked<T>
    where
        E: StdError + ProvideErrorMetadata + 'static,
    {
        // The gate is never closed, so this only fails by a fault of our own: then without a gate.
        let _permit = self.gate.acquire().await.ok();
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.deepest.fetch_max(depth, Ordering::Relaxed);
        // On the heap: the SDK's futures are large, and many are joined.
        Box::pin(send).await.map_err(|error| Failure::of(action, &error))
    }

    /// Reads every page of a listing, and says how deep the last one was.
    pub(super) async fn list<P, E, F>(
        &self,
        action: &'static str,
        depth: u32,
        page: impl Fn(Option<String>) -> F,
    ) -> (Asked<Vec<P>>, u32)
    where
        P: Page,
        E: StdError + ProvideErrorMetadata + 'static,
        F: Future<Output = Result<P, SdkError<E, HttpResponse>>>,
    {
        let mut pages: Vec<P> = Vec::new();
        let mut depth = depth;
        loop {
            let before = pages.last().and_then(Page::marker).map(str::to_owned);
            let next = match self.ask(action, depth, page(before.clone())).await {
                Ok(next) => next,
                Err(failure) => return (Err(failure), depth),
            };
            let more = next.more();
            let known = |page: &P| page.marker() == next.marker();
            let stuck = more && (next.marker().is_none() || pages.iter().any(known));
            pages.push(next);
            if stuck {
                // To stop here would leave out silently what follows (D2.12).
                let why = "it says that more follows, and not where";
                return (Err(Failure::senseless(action, why)), depth);
            }
            if !more {
                return (Ok(pages), depth);
            }
            depth += 1;
        }
    }

    /// Takes what was read, or notes what was not; a failure of everything is an error.
    pub(super) fn observed<T>(&self, asked: Asked<T>) -> Result<Observed<T>, Error> {
        match asked {
            Ok(value) => Ok(Observed::Read(value)),
            Err(failure) if failure.is_local() || self.lacks(&failure) => {
                Ok(Observed::Unread(failure.missing()))
            }
            Err(failure) => Err(self.fatal(&failure)),
        }
    }

    /// Whether an emulator answered as one that does not have the action. AWS has them all.
    fn lacks(&self, failure: &Failure) -> bool {
        failure.kind == Kind::Garbled && self.meter.iam().is_some_and(|endpoint| !endpoint.is_aws())
    }

    /// Takes the items out of a listing's pages. One that makes no sense makes the listing unread.
    pub(super) fn items<P, T>(
        &self,
        action: &'static str,
        pages: Asked<Vec<P>>,
        take: impl Fn(&P) -> Result<Vec<T>, Senseless>,
    ) -> Result<Observed<Vec<T>>, Error> {
        let pages = match self.observed(pages)? {
            Observed::Read(pages) => pages,
            Observed::Unread(missing) => return Ok(Observed::Unread(missing)),
        };
        let items: Result<Vec<Vec<T>>, Senseless> = pages.iter().map(take).collect();
        Ok(match items {
            Ok(items) => Observed::Read(items.into_iter().flatten().collect()),
            Err(Senseless(what)) => Observed::Unread(senseless(action, &what)),
        })
    }

    /// The error for a failure that leaves nothing to go on with.
    pub(super) fn fatal(&self, failure: &Failure) -> Error {
        match words::two_places(self.meter) {
            Some(error) => error.because(&failure.text),
            None => words::failed(failure, self.meter, self.profile),
        }
    }

    /// The place of a managed policy's document, so that each is read once however often it is attached.
    pub(super) fn document(&self, arn: &str) -> Arc<OnceCell<Document>> {
        let mut documents = self.documents.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(documents.entry(arn.to_owned()).or_default())
    }

    /// What it took so far.
    pub(super) fn cost(&self) -> ReadCost {
        ReadCost {
            calls: self.calls.load(Ordering::Relaxed),
            round_trips: self.deepest.load(Ordering::Relaxed),
        }
    }
}

/// An item that cannot be what it was sent as, in words.
pub(super) struct Senseless(pub(super) String);

/// What an answer carries that could not be understood.
pub(super) fn senseless(action: &'static str, what: &str) -> Missing {
    Failure::senseless(action, what).missing()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_iam::config::http::HttpResponse as Response;
    use aws_sdk_iam::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
    use aws_smithy_runtime_api::client::http::{
        HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
    };
    use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
    use aws_smithy_types::body::SdkBody;

    /// Answers ListAccessKeys with the marker that the request's own marker leads to.
    #[derive(Debug)]
    struct Pages(&'static [(&'static str, Option<&'static str>)]);

    impl HttpConnector for Pages {
        fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
            let body = String::from_utf8_lossy(request.body().bytes().unwrap()).into_owned();
            let asked = body.split('&').find_map(|pair| pair.strip_prefix("Marker=")).unwrap_or("");
            let next = self.0.iter().find(|(marker, _)| *marker == asked).unwrap().1;
            let rest = next.map_or("<IsTruncated>false</IsTruncated>".to_owned(), |marker| {
                format!("<IsTruncated>true</IsTruncated><Marker>{marker}</Marker>")
            });
            let text = format!(
                "<ListAccessKeysResponse><ListAccessKeysResult><AccessKeyMetadata/>{rest}\
                 </ListAccessKeysResult></ListAccessKeysResponse>"
            );
            HttpConnectorFuture::ready(Ok(Response::new(
                200.try_into().unwrap(),
                SdkBody::from(text),
            )))
        }
    }

    fn aws(pages: &'static [(&'static str, Option<&'static str>)]) -> Aws {
        let http = http_client_fn(move |_, _| SharedHttpConnector::new(Pages(pages)));
        let config = aws_config::SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                "a", "b", None, None, "test",
            )))
            .http_client(http)
            .build();
        Aws::from_config(&config)
    }

    async fn listed(aws: &Aws) -> (Asked<usize>, ReadCost) {
        let s = Session::new(aws);
        let request = s.iam.list_access_keys().user_name("u");
        let (pages, _) =
            s.list("iam:ListAccessKeys", 2, |m| request.clone().set_marker(m).send()).await;
        (pages.map(|pages| pages.len()), s.cost())
    }

    #[tokio::test]
    async fn a_listing_ends_where_the_service_says_so_and_each_page_is_a_call_deeper() {
        let aws = aws(&[("", Some("m1")), ("m1", Some("m2")), ("m2", None)]);
        let (pages, cost) = listed(&aws).await;
        assert_eq!(pages.unwrap(), 3);
        assert_eq!(cost, ReadCost { calls: 3, round_trips: 4 });
        assert_eq!(aws.meter.iam().unwrap().as_str(), "https://iam.amazonaws.com");
    }

    #[tokio::test]
    async fn a_listing_that_leads_nowhere_is_no_listing() {
        let (pages, cost) = listed(&aws(&[("", Some("m1")), ("m1", Some("m1"))])).await;
        assert_eq!(pages.unwrap_err().kind, Kind::Senseless);
        assert_eq!(cost.calls, 2);
    }
}
