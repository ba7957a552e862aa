//! Reads log files: finds them, decompresses them on every core, and keeps of their events what a trace may
//! need, in bounded memory.
//!
//! One pass is enough for almost everything. The lineage is followed while the files are read, in the order of the
//! times in their names. For each few files a small filter remembers which keys were passed over; only where one
//! of those turns out to be of the lineage are they read again.

mod filter;
mod inflate;
mod known;
mod names;
mod pass;
mod result;
mod sorter;
mod spool;
mod supply;
mod usage;
mod walk;

#[cfg(feature = "s3")]
mod bucket;

pub use result::Gathered;
pub use usage::{Counter, Measured, measure};

use crate::error::{Error, Result};
use crate::text::shown;
use crate::trace::Question;
use names::{Name, Names};
use pass::Pass;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use supply::Piece;

/// Where logs are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A file, or a folder with files at any depth.
    Path(PathBuf),
    /// `s3://BUCKET/PREFIX`.
    Bucket(crate::store::Place),
}

/// How much is kept in memory before it goes to a temporary file, which nobody but this process can open and
/// which is gone with it.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Threads that read.
    pub threads: usize,
    /// Fixed-size entries of each kind and thread.
    pub entries: usize,
    /// Bytes of texts of each thread.
    pub bytes: usize,
    /// The largest file that is decompressed in one go.
    pub whole: usize,
    /// The largest single value that is read.
    pub value: usize,
    /// As many filters at most; each is of 16 KiB.
    pub filters: usize,
    /// Events with the same ID and other bytes that are compared in one more reading.
    pub contested: usize,
}

/// More threads than this would take more memory, and not be faster: the disk is the limit then.
const THREADS: usize = 6;

impl Limits {
    /// For this machine: under 250 MB in all.
    #[must_use]
    pub fn of_this_machine() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = cores.min(THREADS);
        Self {
            threads,
            entries: 1_000_000 / threads,
            bytes: (24 << 20) / threads,
            whole: 8 << 20,
            value: 16 << 20,
            filters: 1024,
            contested: 1_000_000,
        }
    }
}

/// How far a reading is.
#[derive(Debug, Default)]
pub struct Progress {
    /// The files, and their bytes as they lie.
    pub files: AtomicU64,
    /// See `files`.
    pub bytes: AtomicU64,
    /// What has been read of them.
    pub files_done: AtomicU64,
    /// See `files_done`.
    pub bytes_done: AtomicU64,
}

/// Connects to a bucket: as IAM is reached, or with a configuration as it is.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Flags and their like.
    pub settings: crate::aws::Settings,
    /// In their place.
    pub sdk: Option<aws_config::SdkConfig>,
}

/// Reads all logs and keeps what the question may need.
///
/// # Errors
/// If a place is not there or cannot be listed, if there are no events at all, or if the temporary files cannot
/// be written.
pub async fn gather(
    places: &[Place],
    question: &Question,
    limits: &Limits,
    access: &Access,
    progress: &Arc<Progress>,
) -> Result<Gathered> {
    let (names, sources, tally) = list(places, limits, access).await?;
    let names = Arc::new(names);
    progress.files.store(names.len() as u64, Ordering::Relaxed);
    progress.bytes.store(names.bytes(), Ordering::Relaxed);
    let mut reading = Reading { names, sources, progress: Arc::clone(progress) };
    let first = Arc::new(Pass::first(question.clone(), *limits, reading.names.len()));
    reading.run(&first, None).await?;
    let mut first = Pass::take(first)?;
    if let Some(again) = first.missed()? {
        let second = Arc::new(first.again(question.clone(), *limits, reading.names.len()));
        reading.run(&second, Some(&again)).await?;
        first.join(Pass::take(second)?);
    }
    loop {
        let contested = first.contested(limits.contested)?;
        if contested.is_empty() {
            break;
        }
        let third = Arc::new(first.comparing(question.clone(), *limits, contested));
        reading.run(&third, None).await?;
        first.compared(Pass::take(third)?)?;
    }
    let gathered = first.finish(tally, reading.names.len() as u64)?;
    if gathered.survey.events == 0 {
        return Err(nothing(places, &gathered.tally));
    }
    Ok(gathered)
}

fn nothing(places: &[Place], tally: &crate::trail::Tally) -> Error {
    let names: Vec<_> = places.iter().map(Place::name).collect();
    let mut error = Error::failed(format!(
        "there is no CloudTrail event in `{}`",
        names.join("`, `")
    ))
    .hint(
        "give the folder that the trail delivers to: --logs AWSLogs, or --logs s3://BUCKET/AWSLogs",
    );
    for (flaw, count, first) in tally.iter() {
        let (one, many) = flaw.words();
        let n = usize::try_from(count).unwrap_or(usize::MAX);
        error = error.detail(format!(
            "{}, first {} at byte {}: {}",
            crate::text::count(n, one, many),
            first.file,
            first.byte,
            first.what
        ));
    }
    error
}

impl Place {
    /// Reads a place as it was typed.
    ///
    /// # Errors
    /// If it is a URL of another scheme than `s3`, or names no bucket.
    pub fn parse(text: &str) -> Result<Self> {
        match text.split_once("://") {
            None => Ok(Self::Path(PathBuf::from(text))),
            Some(("s3", _)) => match crate::store::Location::parse(text) {
                Ok(crate::store::Location::Bucket(place)) => Ok(Self::Bucket(place)),
                Ok(crate::store::Location::Directory(path)) => Ok(Self::Path(path)),
                Err(error) => {
                    let again = Error::failed(error.message());
                    let again = error.cause().map_or(again.clone(), |cause| again.because(cause));
                    Err(again.hint("--logs s3://BUCKET/PREFIX"))
                }
            },
            Some((scheme, _)) => {
                Err(Error::failed(format!("`{}` is no place for logs", shown(text)))
                    .because(format!(
                        "logs are read from files or from S3, and not from `{}`",
                        shown(scheme)
                    ))
                    .hint("--logs PATH, or --logs s3://BUCKET/PREFIX"))
            }
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Path(path) => shown(&path.display().to_string()).into_owned(),
            Self::Bucket(place) => place.uri(""),
        }
    }
}

/// The files of all places, in the order in which they are read.
async fn list(
    places: &[Place],
    limits: &Limits,
    access: &Access,
) -> Result<(Names, Vec<Source>, crate::trail::Tally)> {
    let mut names = Names::new(limits.bytes);
    let mut tally = crate::trail::Tally::default();
    let mut sources = Vec::new();
    for place in places {
        let source = u16::try_from(sources.len()).map_err(|_| {
            Error::failed("there are too many places").hint("name a folder above them: --logs DIR")
        })?;
        match place {
            Place::Path(path) => {
                walk::walk(path, source, &mut names, &mut tally)?;
                sources.push(Source::Files);
            }
            #[cfg(feature = "s3")]
            Place::Bucket(place) => {
                let bucket = bucket::Bucket::new(place.clone(), access);
                bucket.list(source, &mut names).await?;
                sources.push(Source::Bucket(Arc::new(bucket)));
            }
            #[cfg(not(feature = "s3"))]
            Place::Bucket(place) => {
                let _ = access;
                return Err(Error::failed(format!("`{}` is in S3", place.uri("")))
                    .because("this ringfence was built without the feature `s3`")
                    .hint("copy it first, then --logs DIR"));
            }
        }
    }
    names.sort();
    Ok((names, sources, tally))
}

/// Where the content of a name comes from.
#[derive(Clone, Debug)]
enum Source {
    Files,
    #[cfg(feature = "s3")]
    Bucket(Arc<bucket::Bucket>),
}

/// The files, to be read once or more.
struct Reading {
    names: Arc<Names>,
    sources: Vec<Source>,
    progress: Arc<Progress>,
}

/// How many objects are fetched ahead of the threads that read them.
#[cfg(feature = "s3")]
const AHEAD: usize = 8;

impl Reading {
    /// Lets a pass read the files, or those of some filters.
    async fn run(&mut self, pass: &Arc<Pass>, only: Option<&pass::Again>) -> Result<()> {
        self.progress.files_done.store(0, Ordering::Relaxed);
        self.progress.bytes_done.store(0, Ordering::Relaxed);
        // What is in a bucket is fetched here, while the threads read; files are opened by the threads.
        let (send, receive) = tokio::sync::mpsc::channel::<Piece>(self.fetched_ahead());
        let threads = {
            let (pass, names) = (Arc::clone(pass), Arc::clone(&self.names));
            let progress = Arc::clone(&self.progress);
            let only = only.cloned();
            let local: Vec<bool> =
                self.sources.iter().map(|source| matches!(source, Source::Files)).collect();
            tokio::task::spawn_blocking(move || {
                pass::threads(&pass, &names, &local, only.as_ref(), receive, &progress)
            })
        };
        let wanted = |order: usize| only.is_none_or(|only| only.has(pass, order));
        let fed = self.feed(&wanted, send).await;
        let ended = threads
            .await
            .map_err(|error| Error::failed("reading the logs was cut off").because(error));
        fed?;
        ended?
    }

    #[cfg(feature = "s3")]
    fn fetched_ahead(&self) -> usize {
        let _ = self;
        AHEAD
    }

    #[cfg(not(feature = "s3"))]
    fn fetched_ahead(&self) -> usize {
        let _ = self;
        1
    }

    #[cfg(feature = "s3")]
    async fn feed(
        &self,
        wanted: &(dyn Fn(usize) -> bool + Sync),
        send: tokio::sync::mpsc::Sender<Piece>,
    ) -> Result<()> {
        use futures_util::stream::{StreamExt, iter};
        let orders = (0..self.names.len()).filter(|order| wanted(*order));
        let objects = orders.filter_map(|order| {
            let name = self.names.get(order)?;
            match self.sources.get(usize::from(name.source))? {
                Source::Bucket(bucket) => Some((order, name, Arc::clone(bucket))),
                Source::Files => None,
            }
        });
        let mut fetched = iter(objects.map(|(order, name, bucket): (usize, Name, _)| async move {
            let content = bucket.fetch(&name).await;
            Piece { order, name: bucket.uri(&name), content }
        }))
        .buffered(AHEAD);
        while let Some(piece) = fetched.next().await {
            if send.send(piece).await.is_err() {
                // The threads have ended, and say why.
                break;
            }
        }
        Ok(())
    }

    #[cfg(not(feature = "s3"))]
    async fn feed(
        &self,
        _: &(dyn Fn(usize) -> bool + Sync),
        send: tokio::sync::mpsc::Sender<Piece>,
    ) -> Result<()> {
        drop(send);
        Ok(())
    }
}
