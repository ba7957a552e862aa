//! Ctrl-C and SIGTERM: the first lets the calls under way end, the second stops at once (D4).

use super::session::Session;
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
        Err(stopped_early())
    }
}

/// Does the same for each, and says how it ends: one that fails keeps no other from it (D2.4), and a signal is for
/// all. What is left then is named, with the command that goes on with it.
pub(super) async fn each<T>(
    session: &Session<'_>,
    interrupt: &Interrupt,
    all: &[T],
    work: impl AsyncFn(&T) -> Result<Exit>,
    name: impl Fn(&T) -> String,
    go_on: impl Fn(&[T]) -> String,
) -> Result<Exit> {
    let (mut worst, mut begun) = (Exit::Done, false);
    let mut left = all;
    while let [one, rest @ ..] = left {
        let exit = match work(one).await {
            Ok(exit) => {
                begun = true;
                left = rest;
                exit
            }
            Err(error) if error.exit() == Exit::Interrupted => Exit::Interrupted,
            Err(error) => {
                session.terminal.error(&error);
                left = rest;
                error.exit()
            }
        };
        if (interrupt.asked() || exit == Exit::Interrupted) && !left.is_empty() {
            let names: Vec<_> = left.iter().map(&name).collect();
            return Err(stopped(&names, begun).hint(go_on(left)));
        }
        if exit != Exit::Done {
            worst = exit;
        }
    }
    Ok(worst)
}

/// The error for a verb that was stopped with these left; `begun` where it has done something for others.
fn stopped(left: &[String], begun: bool) -> Error {
    match begun {
        true => {
            let left = left.join(", ");
            Error::new(Exit::Partial, format!("stopped: nothing was done for {left}"))
        }
        false => stopped_early(),
    }
}

fn stopped_early() -> Error {
    Error::new(Exit::Interrupted, "stopped before anything was changed")
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
