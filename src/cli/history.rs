//! Asking CloudTrail's history, for `trace --lookup` and `plan --usage lookup`.

use super::session::Session;
use crate::aws::{History, Query};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::history::{Folder, Gap, Progress, fetch};
use crate::text::{count, shown};
use jiff::Timestamp;
use std::path::{Path, PathBuf};

/// A folder that is filled from the history, and removed afterwards unless a person named it.
pub(super) struct Asking {
    history: History,
    folder: Folder,
    regions: Vec<String>,
    /// The folder, where nobody named one.
    temporary: Option<PathBuf>,
}

impl Asking {
    /// Gets ready: the Regions, and a folder to fill or to go on with.
    pub(super) async fn open(
        session: &Session<'_>,
        keep: Option<&Path>,
        regions: &[String],
        window: (Timestamp, Timestamp),
    ) -> Result<Self> {
        let mut history = match session.sdk() {
            Some(sdk) => History::from_config(sdk),
            None => History::connect(session.settings()).await,
        };
        let endpoint = history.endpoint().map(str::to_owned);
        if let Some(endpoint) = &endpoint {
            session.terminal.note(&format!("Endpoint {} (not AWS)", shown(endpoint)));
        }
        let regions = match regions {
            [] => history.regions().await?,
            named => named.to_vec(),
        };
        history.ask_in(&regions);
        let (path, temporary) = match keep {
            Some(path) => (path.to_owned(), None),
            None => {
                let path = temporary(session)?;
                (path.clone(), Some(path))
            }
        };
        let folder = Folder::open(&path, endpoint.as_deref(), window)?;
        Ok(Self { history, folder, regions, temporary })
    }

    /// Where the events are.
    pub(super) fn folder(&self) -> PathBuf {
        self.folder.events()
    }

    /// Whether nothing was found yet.
    pub(super) fn is_empty(&self) -> bool {
        self.folder.is_empty()
    }

    /// From when to when it is asked.
    pub(super) const fn window(&self) -> (Timestamp, Timestamp) {
        self.folder.window()
    }

    /// The Regions that are asked.
    pub(super) fn regions(&self) -> &[String] {
        &self.regions
    }

    /// Fetches what is not there yet; where it could not be asked, the Region and why.
    pub(super) async fn fetch(&self, session: &Session<'_>, queries: &[Query]) -> Result<Vec<Gap>> {
        let tell = |now: Progress| session.terminal.progress(&line(now, queries.len()));
        let fetched =
            fetch(&self.history, &self.folder, &self.regions, queries, &session.context, &tell);
        // What is left of a temporary folder goes with this value, also where somebody breaks off.
        let result = tokio::select! {
            result = fetched => result,
            () = super::interrupt::interrupted() => {
                Err(Error::new(Exit::Interrupted, "the history was not read to its end"))
            }
        };
        session.terminal.end_progress();
        result.map_err(|error| match &self.temporary {
            None => error,
            Some(_) => error.hint("--keep DIR keeps what was read, and goes on from there"),
        })
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if let Some(path) = &self.temporary {
            // What cannot be removed is left to the system's own cleaning of temporary files.
            let _ = std::fs::remove_dir_all(path);
        }
    }
}

fn temporary(session: &Session<'_>) -> Result<PathBuf> {
    let name = format!("ringfence-history-{}", session.context.lineage()?.short());
    Ok(std::env::temp_dir().join(name))
}

fn line(now: Progress, queries: usize) -> String {
    format!(
        "{} of {} answered for {}: {}, {}",
        now.answered,
        now.questions,
        count(queries, "credential", "credentials"),
        count(now.pages, "page", "pages"),
        count(now.events, "event", "events")
    )
}

/// An error for whoever asks for neither.
pub(super) fn nowhere() -> Error {
    Error::new(Exit::Usage, "nothing says where the events are")
        .hint("--logs PATH reads delivered files, from a folder or s3://BUCKET/PREFIX")
        .hint("--lookup asks CloudTrail's history of 90 days")
}
