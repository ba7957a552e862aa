//! How far a reading of logs is, on a terminal.

use super::session::Session;
use crate::error::Result;
use crate::logs::Progress;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How often it is shown.
const TICK: Duration = Duration::from_millis(250);

/// Shows how far the reading is, until it has ended.
pub(super) async fn shown_while<T>(
    session: &Session<'_>,
    progress: &Progress,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let mut work = std::pin::pin!(work);
    let begun = tokio::time::Instant::now();
    let mut tick = tokio::time::interval(TICK);
    let result = loop {
        tokio::select! {
            result = &mut work => break result,
            _ = tick.tick() => session.terminal.progress(&line(progress, begun.elapsed())),
        }
    };
    session.terminal.end_progress();
    result
}

/// `2.1 of 9.8 GB, 310 MB/s, 25 s left`: as the files lie, compressed.
fn line(progress: &Progress, elapsed: Duration) -> String {
    let (all, done) =
        (progress.bytes.load(Ordering::Relaxed), progress.bytes_done.load(Ordering::Relaxed));
    let files = progress.files_done.load(Ordering::Relaxed);
    let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
    let rate = done.saturating_mul(1000) / millis;
    let left = match (all.saturating_sub(done)).checked_div(rate) {
        Some(seconds) if done > 0 => format!(", {seconds} s left"),
        _ => String::new(),
    };
    format!("{files} files, {} of {}, {}/s{left}", size(done), size(all), size(rate))
}

fn size(bytes: u64) -> String {
    match bytes {
        0..10_000_000 => format!("{} KB", bytes / 1000),
        10_000_000..10_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{} GB", bytes / 1_000_000_000),
    }
}
