//! Ctrl-C and SIGTERM: the first lets the calls under way end, the second stops at once (D4).

use crate::error::{Error, Result};
use crate::execute::Stop;
use crate::exit::Exit;
use std::cell::Cell;
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

/// What a verb hears of signals: one for all that it runs, since a signal is for the verb. Until it listens, a
/// signal ends the process.
#[derive(Debug, Default)]
pub(super) struct Interrupt {
    stop: Stop,
    heard: Arc<Notify>,
    listens: Cell<bool>,
}

impl Interrupt {
    /// Listens from now on: a signal does not end the process any more, the second excepted.
    pub(super) fn listen(&self) {
        if self.listens.replace(true) {
            return;
        }
        let Some(mut signals) = Signals::new() else { return };
        let (stop, heard) = (self.stop.clone(), Arc::clone(&self.heard));
        tokio::spawn(async move {
            signals.next().await;
            stop.ask();
            heard.notify_one();
            signals.next().await;
            #[allow(clippy::disallowed_methods, reason = "the second signal stops at once")]
            std::process::exit(i32::from(Exit::Interrupted.code()));
        });
    }

    /// What a run looks at.
    pub(super) fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// Whether the person has asked to stop.
    pub(super) fn asked(&self) -> bool {
        self.stop.asked()
    }

    /// Does what changes nothing, such as reading and asking, and breaks it off at a signal.
    pub(super) async fn unless_asked<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        if !self.asked() {
            tokio::select! {
                biased;
                () = self.heard.notified() => {}
                result = work => return result,
            }
        }
        Err(Error::new(Exit::Interrupted, "stopped before anything was changed"))
    }
}

/// The error for a verb that was stopped with these left; `begun` where it has done something for others.
pub(super) fn stopped(left: &[String], begun: bool) -> Error {
    if begun {
        let left = left.join(", ");
        Error::new(Exit::Partial, format!("stopped: nothing was done for {left}"))
    } else {
        Error::new(Exit::Interrupted, "stopped before anything was changed")
    }
}

/// Waits for a signal that asks the program to end.
pub(super) async fn interrupted() {
    match Signals::new() {
        Some(mut signals) => signals.next().await,
        None => std::future::pending().await,
    }
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> Option<Self> {
        let interrupt = signal(SignalKind::interrupt()).ok()?;
        let terminate = signal(SignalKind::terminate()).ok()?;
        Some(Self { interrupt, terminate })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
