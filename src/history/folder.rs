//! The folder of a fetch.

use crate::aws::Query;
use crate::error::{Error, Result};
use crate::text::shown;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const FORMAT: u32 = 1;
const EVENTS: &str = "jsonl";

/// What a folder is about: pages of one question fit together only if it stays the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Window {
    format_version: u32,
    /// Where events were looked up, where that is not AWS itself (D2.15).
    endpoint: Option<String>,
    from: Timestamp,
    to: Timestamp,
}

/// A folder of events.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
    window: Window,
}

impl Folder {
    /// Takes a folder, new or with what was fetched before: then its window stays.
    ///
    /// # Errors
    /// If it cannot be made or read, holds something else, or was filled from another endpoint.
    pub fn open(
        path: &Path,
        endpoint: Option<&str>,
        window: (Timestamp, Timestamp),
    ) -> Result<Self> {
        let wanted = Window {
            format_version: FORMAT,
            endpoint: endpoint.map(str::to_owned),
            from: window.0,
            to: window.1,
        };
        let failed = |error: std::io::Error| unusable(path, &error.to_string());
        let file = path.join("window.json");
        let window = match fs::read(&file) {
            Ok(bytes) => serde_json::from_slice::<Window>(&bytes)
                .map_err(|error| unusable(path, &format!("window.json: {error}")))?,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                folder(path).map_err(failed)?;
                if fs::read_dir(path).map_err(failed)?.next().is_some() {
                    return Err(unusable(path, "it holds something else"));
                }
                let text = serde_json::to_vec_pretty(&wanted).unwrap_or_default();
                write(&file, &text)?;
                wanted.clone()
            }
            Err(error) => return Err(failed(error)),
        };
        if window.format_version != FORMAT || window.endpoint != wanted.endpoint {
            let of = window.endpoint.as_deref().unwrap_or("AWS");
            let why =
                format!("it was filled from {} by format {}", shown(of), window.format_version);
            return Err(unusable(path, &why));
        }
        Ok(Self { path: path.to_owned(), window })
    }

    /// From when to when.
    #[must_use]
    pub const fn window(&self) -> (Timestamp, Timestamp) {
        (self.window.from, self.window.to)
    }

    /// Where the events are.
    #[must_use]
    pub fn events(&self) -> PathBuf {
        self.path.join("events")
    }

    /// Whether nothing was found yet: what holds no event has no file.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.events().exists()
    }

    /// The place of one question's answer. What is asked for are IDs and names that were parsed: none
    /// has a slash (F22).
    pub(super) fn place(&self, region: &str, query: &Query) -> Place {
        let kind = match query {
            Query::AccessKey(_) => "access_key",
            Query::UserName(_) => "user",
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
        let part = |text: &str| text.chars().filter(|c| plain(*c)).collect::<String>();
        let name = format!("{kind}-{}", part(query.value()));
        let region = part(region);
        Place {
            events: self.events().join(&region),
            asked: self.path.join("asked").join(region),
            name,
        }
    }
}

/// Where one question's answer lies.
pub(super) struct Place {
    events: PathBuf,
    /// How far the question is answered.
    asked: PathBuf,
    name: String,
}

impl Place {
    fn file(&self, kind: &str) -> PathBuf {
        let folder = if kind == EVENTS { &self.events } else { &self.asked };
        folder.join(format!("{}.{kind}", self.name))
    }

    /// Whether all pages are there: as many events as there were when the last one came.
    pub(super) fn is_done(&self) -> bool {
        let told = fs::read_to_string(self.file("done")).ok().and_then(|text| text.parse().ok());
        told.is_some_and(|events: usize| self.events_kept() >= events)
    }

    /// Whether it was done once, and what was fetched is not all there any more.
    pub(super) fn lacks_events(&self) -> bool {
        self.file("done").exists() && !self.is_done()
    }

    fn events_kept(&self) -> usize {
        let bytes = fs::read(self.file(EVENTS)).unwrap_or_default();
        bytes.iter().filter(|byte| **byte == b'\n').count()
    }

    /// Where the next page begins; nowhere yet for the first.
    pub(super) fn next(&self) -> Result<Option<String>> {
        let file = self.file("next");
        match fs::read_to_string(&file) {
            Ok(token) => Ok(Some(token).filter(|token| !token.is_empty())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unusable(&file, &error.to_string())),
        }
    }

    /// Adds a page.
    pub(super) fn add(&self, events: &[String]) -> Result<()> {
        if events.is_empty() {
            return Ok(());
        }
        let file = self.file(EVENTS);
        let text: String = events.iter().map(|event| format!("{}\n", event.trim())).collect();
        folder(&self.events)
            .and_then(|()| OpenOptions::new().create(true).append(true).mode(0o600).open(&file))
            .and_then(|mut open| {
                open.write_all(text.as_bytes())?;
                open.sync_all()
            })
            .map_err(|error| unusable(&file, &error.to_string()))
    }

    pub(super) fn go_on_from(&self, next: &str) -> Result<()> {
        self.note("next", next.as_bytes())
    }

    pub(super) fn done(&self) -> Result<()> {
        self.note("done", self.events_kept().to_string().as_bytes())?;
        self.remove("next")
    }

    fn note(&self, kind: &str, bytes: &[u8]) -> Result<()> {
        let file = self.file(kind);
        folder(&self.asked).map_err(|error| unusable(&file, &error.to_string()))?;
        write(&file, bytes)
    }

    pub(super) fn begin_again(&self) -> Result<()> {
        self.remove("done")?;
        self.remove("next")?;
        self.remove(EVENTS)
    }

    fn remove(&self, kind: &str) -> Result<()> {
        let file = self.file(kind);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(unusable(&file, &error.to_string()))
            }
            _ => Ok(()),
        }
    }
}

fn folder(path: &Path) -> std::io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Whole or not at all.
#[allow(clippy::disallowed_methods, reason = "what was fetched is kept, to go on from")]
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let beside = path.with_extension("tmp");
    OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&beside)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&beside, path))
        .map_err(|error| unusable(path, &error.to_string()))
}

fn unusable(path: &Path, why: &str) -> Error {
    let path = path.display().to_string();
    Error::failed(format!("`{}` cannot keep what is looked up", shown(&path)))
        .because(why)
        .hint("--keep DIR takes a new folder, or one that `trace --lookup` has filled")
}
