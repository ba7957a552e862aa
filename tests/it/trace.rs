//! `trace`: files of events in, credentials and what they did out.

mod bad_input;
mod bucket;
mod collections;
mod follow;
mod forest;
mod screen;
mod story;

use ringfence::error::Result;
use ringfence::logs::{Access, Gathered, Limits, Place, Progress, gather};
use ringfence::trace::{Question, Trace, follow};
use std::path::Path;
use std::sync::Arc;

/// The question about some keys.
pub fn question(keys: &[&str]) -> Question {
    Question {
        keys: keys.iter().map(|key| key.parse().unwrap()).collect(),
        users: Vec::new(),
        account: None,
        since: None,
        at: "2026-11-21T12:00:00Z".parse().unwrap(),
        own_events_only: false,
        version: "0.0.0".to_owned(),
    }
}

/// Limits as on any machine, with two threads.
pub fn limits() -> Limits {
    Limits { threads: 2, ..Limits::of_this_machine() }
}

/// Reads paths as the program does.
pub fn gathered(paths: &[&Path], question: &Question, limits: &Limits) -> Result<Gathered> {
    let places: Vec<Place> = paths.iter().map(|path| Place::Path(path.to_path_buf())).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let progress = Arc::new(Progress::default());
    runtime.block_on(gather(&places, question, limits, &Access::default(), &progress))
}

/// Reads and follows.
pub fn traced(path: &Path, question: &Question, limits: &Limits) -> Trace {
    let gathered = gathered(&[path], question, limits).unwrap();
    let trace = follow(question, &gathered.reading(), &gathered).unwrap();
    // What is written is read.
    assert_eq!(Trace::parse(&trace.bytes(), "trace").unwrap(), trace);
    trace
}
