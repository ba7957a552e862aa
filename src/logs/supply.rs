//! What the threads read: files, which each thread opens itself, then what is fetched from a bucket for them.

use super::Progress;
use super::inflate::Inflater;
use super::names::Names;
use crate::trail::{Flaw, Sink};
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use tokio::sync::mpsc::Receiver;

/// What a file or an object holds.
pub(super) enum Content {
    /// Small ones.
    Bytes(Vec<u8>),
    /// Large ones, and all that lie in a folder, with their size.
    File(File, u64),
}

/// A file that was opened, or an object that was fetched.
pub(super) struct Piece {
    pub(super) order: usize,
    pub(super) name: String,
    pub(super) content: Result<Content, String>,
}

/// Hands out one after the other, to all threads.
pub(super) struct Supply<'a> {
    names: &'a Names,
    /// Which sources are files.
    local: &'a [bool],
    next: AtomicUsize,
    fetched: Mutex<Receiver<Piece>>,
    progress: &'a Progress,
}

impl<'a> Supply<'a> {
    pub(super) fn new(
        names: &'a Names,
        local: &'a [bool],
        fetched: Receiver<Piece>,
        progress: &'a Progress,
    ) -> Self {
        Self { names, local, next: AtomicUsize::new(0), fetched: Mutex::new(fetched), progress }
    }

    /// The next of those that are wanted; of what is fetched, only what is wanted was asked for.
    pub(super) fn next(&self, wanted: impl Fn(usize) -> bool) -> Option<Piece> {
        loop {
            let order = self.next.fetch_add(1, Ordering::Relaxed);
            if order >= self.names.len() {
                return self.fetched().blocking_recv();
            }
            let Some(name) = self.names.get(order).filter(|_| wanted(order)) else { continue };
            if self.local.get(usize::from(name.source)) == Some(&true) {
                let path = Path::new(OsStr::from_bytes(&name.bytes));
                let content = open(path).map_err(|error| error.to_string());
                return Some(Piece { order, name: path.display().to_string(), content });
            }
        }
    }

    /// Nothing more is read, and whoever fetches must not wait for a reader.
    pub(super) fn close(&self) {
        self.fetched().close();
    }

    fn fetched(&self) -> std::sync::MutexGuard<'_, Receiver<Piece>> {
        self.fetched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what a piece holds.
    pub(super) fn read(
        &self,
        content: Result<Content, String>,
        inflater: &mut Inflater,
        sink: &mut dyn Sink,
    ) {
        let size = match content {
            Ok(Content::Bytes(bytes)) => {
                inflater.bytes(&bytes, sink);
                bytes.len() as u64
            }
            Ok(Content::File(file, size)) => {
                inflater.file(file, size, sink);
                size
            }
            Err(why) => {
                sink.flaw(Flaw::Unreadable, 0, &why);
                0
            }
        };
        self.progress.files_done.fetch_add(1, Ordering::Relaxed);
        self.progress.bytes_done.fetch_add(size, Ordering::Relaxed);
    }
}

fn open(path: &Path) -> io::Result<Content> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    Ok(Content::File(file, size))
}
