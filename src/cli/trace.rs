//! `ringfence trace`

use super::args::{Format, TraceArgs};
use super::session::{Session, name_of, write_private};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::logs::{Limits, Place, Progress, gather};
use crate::render::{drawing, markdown, text};
use crate::trace::{Question, follow};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How often the progress is shown.
const TICK: Duration = Duration::from_millis(250);

/// Reads log files and says what became of the keys. Nothing else is read, and nothing is changed (D2.1).
pub(super) async fn run(session: &Session<'_>, args: &TraceArgs) -> Result<Exit> {
    session.refuse_commands()?;
    let question = Question {
        keys: args.keys.clone(),
        users: args.users.clone(),
        account: args.account_id.clone(),
        since: args.since,
        at: args.at.unwrap_or_else(|| session.context.now()),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    if question.since.is_some_and(|since| since > question.at) {
        return Err(Error::new(Exit::Usage, "`--since` lies after the moment that is asked about")
            .hint("--at TIME names that moment; it is now where none is named"));
    }
    let places = args.logs.iter().map(|text| Place::parse(text)).collect::<Result<Vec<_>>>()?;
    let progress = Arc::new(Progress::default());
    let access = session.access();
    let limits = Limits::of_this_machine();
    let gathering = gather(&places, &question, &limits, &access, &progress);
    let gathered = shown_while(session, &progress, gathering).await?;
    let trace = follow(&question, &gathered.reading(), &gathered)?;
    if let Some(path) = &args.out {
        write_private(path, &trace.bytes())?;
    }
    if let Some(path) = &args.svg {
        write_private(path, drawing::trace(&trace).as_bytes())?;
    }
    let saved = args.out.as_deref().map(name_of);
    match session.format {
        Format::Json => session.terminal.print_bytes(&trace.bytes()),
        Format::Markdown => session.terminal.print(&markdown::trace(&trace)),
        Format::Text | Format::Commands => {
            let screen = session.terminal.screen();
            session.terminal.print(&text::trace(&trace, screen, saved.as_deref()));
        }
    }
    Ok(Exit::Done)
}

/// Shows how far the reading is, until it has ended.
async fn shown_while<T>(
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
