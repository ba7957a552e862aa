//! Standing still at a named point of a run, so that a test can kill the process exactly there.

use crate::cli::terminal::Terminal;
use crate::execute::Watcher;
#[cfg(debug_assertions)]
use futures_util::FutureExt;

/// Names the point to stand still at, as [`crate::execute::Point`] prints it, or its beginning before a `*`; or
/// lists every point: `list`.
#[cfg(debug_assertions)]
const HALT_AT: &str = "RINGFENCE_HALT_AT";

/// What is called at every point; nothing in a program that was built to be used.
#[cfg(debug_assertions)]
pub(super) fn watcher(terminal: &Terminal) -> Option<Box<Watcher>> {
    #[allow(clippy::disallowed_methods, reason = "only a program built for tests looks at it")]
    let at = std::env::var(HALT_AT).ok()?;
    let terminal = terminal.clone();
    Some(Box::new(move |point| {
        let name = point.to_string();
        if at == "list" {
            terminal.note(&format!("at {name}"));
        } else if at == name || at.strip_suffix('*').is_some_and(|from| name.starts_with(from)) {
            terminal.note(&format!("halted at {name}"));
            return futures_util::future::pending().boxed();
        }
        futures_util::future::ready(()).boxed()
    }))
}

#[cfg(not(debug_assertions))]
pub(super) fn watcher(_terminal: &Terminal) -> Option<Box<Watcher>> {
    None
}
