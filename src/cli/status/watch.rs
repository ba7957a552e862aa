//! `ringfence status --watch`: look again and again, and say what has changed.

use super::{Look, Looked, NOBODY, look};
use crate::cli::args::{Format, StatusArgs};
use crate::cli::interrupt::Interrupt;
use crate::cli::session::Session;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::render::{markdown, text};
use crate::text::clock;
use crate::view::{PrincipalStatus, StatusReport};
use std::time::Duration;

/// Looking more often would only throttle the containment that it watches (F17).
pub(super) const LEAST_WATCH: Duration = Duration::from_secs(1);

/// Looks until it is interrupted. It ends as the last look did: a look that failed is one that found nothing
/// out, and does not end the watch.
pub(super) async fn watch(
    session: &Session<'_>,
    args: &StatusArgs,
    every: Duration,
) -> Result<Exit> {
    let interrupt = Interrupt::default();
    interrupt.listen();
    let (mut shown, mut complained) = (None, Vec::new());
    let mut last;
    loop {
        last = match look(session, args).await {
            Ok(Look { looked, broken, exit }) => {
                complain(session, broken, &mut complained);
                tell(session, &looked, exit, &mut shown);
                exit
            }
            Err(error) => {
                complain(session, vec![error.clone()], &mut complained);
                // What stood there before is not known to stand any more (D2.13).
                shown = None;
                error.exit()
            }
        };
        if !wait(session, &interrupt, every).await {
            session.terminal.end_progress();
            return Ok(last);
        }
    }
}

/// What was told last.
#[derive(PartialEq, Eq)]
enum Shown {
    Nobody(String),
    At(Vec<Said>),
}

/// Says what is wrong where it is not what was said at the last look.
fn complain(session: &Session<'_>, errors: Vec<Error>, said: &mut Vec<String>) {
    let texts: Vec<_> = errors.iter().map(Error::to_string).collect();
    if texts != *said {
        session.terminal.end_progress();
        errors.iter().for_each(|error| session.terminal.error(error));
    }
    *said = texts;
}

/// Prints a report where it says something new; as JSON every one, on a line of its own.
fn tell(session: &Session<'_>, looked: &Looked, exit: Exit, shown: &mut Option<Shown>) {
    let (now, report) = match looked {
        Looked::Nobody(text) => {
            let now = Some(Shown::Nobody(text.clone()));
            if session.format == Format::Json {
                // Where there are states that cannot be read, nobody knows whether it is nobody.
                if exit == Exit::Done {
                    session.terminal.print(NOBODY);
                }
            } else if *shown != now {
                session.terminal.end_progress();
                session.terminal.note(text);
            }
            *shown = now;
            return;
        }
        Looked::At(report) => (Some(Shown::At(said(report))), report),
    };
    let before = std::mem::replace(shown, now);
    if session.format == Format::Json {
        // Serialising to memory fails only for maps with keys that are no text; there are none here.
        session.terminal.print(&serde_json::to_string(report).unwrap_or_default());
        return;
    }
    if before == *shown {
        session.terminal.progress(&format!("  seen {}, unchanged", clock(report.at)));
        return;
    }
    session.terminal.end_progress();
    if before.is_some() {
        session.terminal.print("");
    }
    session.terminal.print(&match session.format {
        Format::Markdown => markdown::status(report),
        _ => text::status(report, session.terminal.screen()),
    });
}

/// What of a principal's status is news when it changes: not the time at which it was seen.
type Said = PrincipalStatus;

fn said(report: &StatusReport) -> Vec<Said> {
    let still = |status: &PrincipalStatus| PrincipalStatus {
        seen_at: None,
        last_seen_contained: None,
        ..status.clone()
    };
    report.principals.iter().map(still).collect()
}

/// Waits for the next look; `false` if the person has asked to stop.
async fn wait(session: &Session<'_>, interrupt: &Interrupt, every: Duration) -> bool {
    let step = Duration::from_millis(200);
    let mut waited = Duration::ZERO;
    while waited < every && !interrupt.asked() {
        session.context.sleep(step).await;
        waited += step;
    }
    !interrupt.asked()
}
