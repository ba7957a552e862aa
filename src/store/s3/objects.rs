//! A bucket's objects: reading, and writing on a condition, so that two who write never both succeed (D5).

use super::failure::{Failure, Kind};
use crate::aws::{Settings, own_endpoint, sdk_config};
use crate::store::location::Place;
use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Builder, Region};
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::service_config::ServiceConfigKey;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;

/// How often a write is tried, and the pause before the second try; each later one is doubled.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(100);

/// How long a write is tried in all: a containment waits for it (D2.4).
const PATIENCE: Duration = Duration::from_secs(8);

/// How long one try of a write may take, and the connection for it.
const ATTEMPT: Duration = Duration::from_secs(4);
const CONNECT: Duration = Duration::from_secs(2);

/// No object of the store is nearly as large.
const LARGEST: i64 = 64 << 20;

/// What answers in place of an error of the SDK.
type Sent<T, E> = Result<T, SdkError<E, HttpResponse>>;

/// An object as it was read.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) bytes: Vec<u8>,
    pub(super) etag: String,
}

/// What must be there for a write to be done.
#[derive(Clone, Copy, Debug)]
pub(super) enum Only<'a> {
    /// Nothing.
    IfAbsent,
    /// The object with this ETag.
    IfStill(&'a str),
}

/// What a conditional write came to.
#[derive(Clone, Debug)]
pub(super) enum Put {
    /// It is there, with this ETag.
    Written(String),
    /// Something else is there, or nothing is where something was to be replaced.
    Not(Option<Object>),
}

/// What a conditional deletion came to.
#[derive(Clone, Debug)]
pub(super) enum Deleted {
    /// It is not there any more.
    Gone,
    /// Something else is there, and was left.
    Not(Object),
}

/// What is directly below a prefix.
#[derive(Clone, Debug, Default)]
pub(super) struct Listing {
    /// Objects, by their path in the store.
    pub(super) objects: Vec<String>,
    /// What looks like folders, by its path with a slash at the end.
    pub(super) folders: Vec<String>,
}

/// The place's objects.
#[derive(Clone, Debug)]
pub(super) struct Objects {
    pub(super) place: Place,
    settings: Settings,
    config: Arc<OnceCell<SdkConfig>>,
    client: Arc<Mutex<Option<Client>>>,
    /// Set once the store could not be reached: from then on a write is tried once.
    down: Arc<AtomicBool>,
}

impl Objects {
    pub(super) fn new(place: Place, settings: Settings, config: Option<SdkConfig>) -> Self {
        Self {
            place,
            settings,
            config: Arc::new(OnceCell::new_with(config)),
            client: Arc::default(),
            down: Arc::default(),
        }
    }

    /// Says that the store was given up, so that the next one to need it does not wait as long.
    pub(super) fn give_up(&self) {
        self.down.store(true, Ordering::SeqCst);
    }

    /// An object; `None` if S3 says that there is none.
    pub(super) async fn get(&self, path: &str) -> Result<Option<Object>, Failure> {
        self.read(path, false).await
    }

    /// The same, asked once and not for long.
    pub(super) async fn look(&self, path: &str) -> Result<Option<Object>, Failure> {
        self.read(path, true).await
    }

    async fn read(&self, path: &str, quick: bool) -> Result<Option<Object>, Failure> {
        const ACTION: &str = "s3:GetObject";
        let key = self.place.object(path);
        let bucket = self.place.bucket();
        let asked = self
            .ask(ACTION, |client| {
                let request = client.get_object().bucket(bucket).key(&key);
                async move {
                    if quick {
                        request.customize().config_override(once()).send().await
                    } else {
                        request.send().await
                    }
                }
            })
            .await;
        let output = match asked {
            Ok(output) => output,
            Err(failure) if failure.kind == Kind::Absent => return Ok(None),
            Err(failure) => return Err(failure),
        };
        if output.content_length().is_some_and(|length| length > LARGEST) {
            return Err(Failure::senseless(ACTION, "it is larger than any file of ringfence's"));
        }
        let Some(etag) = output.e_tag().map(str::to_owned) else {
            return Err(Failure::senseless(ACTION, "the answer has no ETag, so it is not S3's"));
        };
        let bytes = output.body.collect().await.map_err(|error| {
            Failure::senseless(ACTION, &format!("the answer was cut off: {error}"))
        })?;
        Ok(Some(Object { bytes: bytes.to_vec(), etag }))
    }

    /// What is directly below a path, which ends with a slash or is empty.
    pub(super) async fn list(&self, below: &str) -> Result<Listing, Failure> {
        self.list_by(below, Some("/")).await
    }

    /// Every object below a path, however deep.
    pub(super) async fn list_deep(&self, below: &str) -> Result<Vec<String>, Failure> {
        Ok(self.list_by(below, None).await?.objects)
    }

    async fn list_by(&self, below: &str, delimiter: Option<&str>) -> Result<Listing, Failure> {
        const ACTION: &str = "s3:ListBucket";
        let prefix = self.place.object(below);
        let mut found = Listing::default();
        let mut next: Option<String> = None;
        loop {
            let page = self
                .ask(ACTION, |client| {
                    client
                        .list_objects_v2()
                        .bucket(self.place.bucket())
                        .prefix(&prefix)
                        .set_delimiter(delimiter.map(str::to_owned))
                        .set_continuation_token(next.clone())
                        .send()
                })
                .await?;
            let ours = |key: Option<&str>| Some(self.place.path(key?)?.to_owned());
            found.objects.extend(page.contents().iter().filter_map(|object| ours(object.key())));
            found
                .folders
                .extend(page.common_prefixes().iter().filter_map(|common| ours(common.prefix())));
            if !page.is_truncated().unwrap_or(false) {
                found.objects.sort_unstable();
                found.folders.sort_unstable();
                return Ok(found);
            }
            let token = page.next_continuation_token().map(str::to_owned);
            // To stop here would leave out silently what follows (D2.12).
            if token.is_none() || token == next {
                let why = "the listing says that more follows, and not where";
                return Err(Failure::senseless(ACTION, why));
            }
            next = token;
        }
    }

    /// Writes an object if what is there is as expected. Whatever became of the replies, the answer is what
    /// the bucket says: after a lost one it is read.
    pub(super) async fn put(
        &self,
        path: &str,
        bytes: &[u8],
        only: Only<'_>,
    ) -> Result<Put, Failure> {
        let mut doubt = false;
        let mut tries = Tries::new(self);
        loop {
            let failure = match self.put_once(path, bytes, only).await {
                Ok(etag) => return Ok(Put::Written(etag)),
                Err(failure) => failure,
            };
            match failure.kind {
                // A reply that was lost before may have been the one that did it.
                Kind::Precondition | Kind::Absent => {
                    let there = self.read(path, false).await?;
                    return Ok(match there {
                        Some(there) if doubt && there.bytes == bytes => Put::Written(there.etag),
                        there => Put::Not(there),
                    });
                }
                Kind::Lost => {
                    doubt = true;
                    match self.read(path, true).await {
                        Ok(Some(there)) if there.bytes == bytes => {
                            return Ok(Put::Written(there.etag));
                        }
                        Ok(there) if !only.holds(there.as_ref()) => return Ok(Put::Not(there)),
                        // It was not done, or nobody knows: the condition keeps a second try from doing it twice.
                        Ok(_) | Err(_) => {}
                    }
                }
                Kind::Conflict | Kind::Unsent => {}
                _ => return Err(failure),
            }
            if !tries.more().await {
                return Err(failure);
            }
        }
    }

    /// Deletes an object if it still is the one with this ETag.
    pub(super) async fn delete(&self, path: &str, etag: &str) -> Result<Deleted, Failure> {
        let mut tries = Tries::new(self);
        loop {
            let failure = match self.delete_once(path, etag).await {
                Ok(()) => return Ok(Deleted::Gone),
                Err(failure) => failure,
            };
            match failure.kind {
                Kind::Absent => return Ok(Deleted::Gone),
                Kind::Precondition | Kind::Lost => match self.read(path, true).await {
                    Ok(None) => return Ok(Deleted::Gone),
                    Ok(Some(there)) if there.etag != etag => return Ok(Deleted::Not(there)),
                    Ok(Some(_)) | Err(_) => {}
                },
                Kind::Conflict | Kind::Unsent => {}
                _ => return Err(failure),
            }
            if !tries.more().await {
                return Err(failure);
            }
        }
    }

    async fn put_once(&self, path: &str, bytes: &[u8], only: Only<'_>) -> Result<String, Failure> {
        const ACTION: &str = "s3:PutObject";
        let key = self.place.object(path);
        let output = self
            .ask(ACTION, |client| {
                let request = client
                    .put_object()
                    .bucket(self.place.bucket())
                    .key(&key)
                    .content_type("application/json")
                    .body(ByteStream::new(SdkBody::from(bytes)));
                let request = match only {
                    Only::IfAbsent => request.if_none_match("*"),
                    Only::IfStill(etag) => request.if_match(etag),
                };
                request.customize().config_override(once()).send()
            })
            .await?;
        output
            .e_tag()
            .map(str::to_owned)
            .ok_or_else(|| Failure::senseless(ACTION, "the answer has no ETag, so it is not S3's"))
    }

    async fn delete_once(&self, path: &str, etag: &str) -> Result<(), Failure> {
        let key = self.place.object(path);
        self.ask("s3:DeleteObject", |client| {
            let request = client.delete_object().bucket(self.place.bucket()).key(&key);
            request.if_match(etag).customize().config_override(once()).send()
        })
        .await
        .map(|_| ())
    }

    /// Makes a call; once more where the bucket turns out to be in another Region: nothing was done then.
    pub(super) async fn ask<T, E, F>(
        &self,
        action: &'static str,
        call: impl Fn(Client) -> F,
    ) -> Result<T, Failure>
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
        F: Future<Output = Sent<T, E>>,
    {
        let mut followed = false;
        loop {
            let client = self.client().await;
            // On the heap: the SDK's futures are large.
            let failure = match Box::pin(call(client)).await {
                Ok(output) => return Ok(output),
                Err(error) => Failure::of(action, &error),
            };
            match &failure.region {
                Some(region) if failure.kind == Kind::Elsewhere && !followed => {
                    self.move_to(region).await;
                    followed = true;
                }
                _ => return Err(failure),
            }
        }
    }

    async fn client(&self) -> Client {
        let config = self.config().await;
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        client.get_or_insert_with(|| Client::from_conf(builder(config).build())).clone()
    }

    async fn move_to(&self, region: &str) {
        let config = self.config().await;
        let moved = builder(config).region(Region::new(region.to_owned()));
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        *client = Some(Client::from_conf(moved.build()));
    }

    /// Whether the bucket is AWS's, which honours conditions.
    pub(super) async fn is_aws(&self) -> bool {
        is_aws(self.config().await)
    }

    async fn config(&self) -> &SdkConfig {
        self.config.get_or_init(|| sdk_config(&self.settings)).await
    }
}

impl Only<'_> {
    /// Whether what is there is what the condition asks for.
    fn holds(self, there: Option<&Object>) -> bool {
        match (self, there) {
            (Self::IfAbsent, None) => true,
            (Self::IfStill(etag), Some(there)) => there.etag == etag,
            _ => false,
        }
    }
}

/// How often, and for how long, a write is tried.
struct Tries<'a> {
    objects: &'a Objects,
    made: u32,
    from: tokio::time::Instant,
}

impl<'a> Tries<'a> {
    fn new(objects: &'a Objects) -> Self {
        Self { objects, made: 1, from: tokio::time::Instant::now() }
    }

    /// Waits, and says whether there is to be another try.
    async fn more(&mut self) -> bool {
        let down = self.objects.down.load(Ordering::SeqCst);
        if down || self.made >= TRIES || self.from.elapsed() >= PATIENCE {
            return false;
        }
        tokio::time::sleep(PAUSE * 2_u32.pow(self.made - 1)).await;
        self.made += 1;
        true
    }
}

/// One attempt, and a short one: the SDK would repeat a write whose reply was lost, and hide what came of it.
fn once() -> Builder {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(ATTEMPT)
        .operation_timeout(ATTEMPT)
        .build();
    Builder::new().retry_config(RetryConfig::disabled()).timeout_config(timeouts)
}

/// The configuration of IAM's clients. Only AWS's own endpoints have a host name for each bucket.
fn builder(config: &SdkConfig) -> Builder {
    Builder::from(config).force_path_style(!is_aws(config))
}

/// Whether the endpoint is AWS's own: none is set for every service, nor for S3 alone.
fn is_aws(config: &SdkConfig) -> bool {
    let key = ServiceConfigKey::builder()
        .service_id("S3")
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build();
    let for_s3 = || config.service_config()?.load_config(key.ok()?);
    config.endpoint_url().map(str::to_owned).or_else(for_s3).is_none_or(|url| own_endpoint(&url))
}
