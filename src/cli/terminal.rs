//! What stands between the program and the person: three streams, colour, and a question.

use crate::error::{Error, Result};
use crate::render::Screen;
use std::io::{BufRead, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Set when standard output could not be written: half an answer must not look like a whole one.
static OUTPUT_LOST: AtomicBool = AtomicBool::new(false);

/// The same, also where its reader went away.
static OUTPUT_MISSED: AtomicBool = AtomicBool::new(false);

/// Set while a line of progress stands on the terminal.
static PROGRESS: AtomicBool = AtomicBool::new(false);

/// Set while a question waits for its answer.
static ASKING: AtomicBool = AtomicBool::new(false);

/// The width that everything is laid out for.
const WIDTH: usize = 80;

/// The three standard streams.
#[derive(Clone, Debug)]
pub(super) struct Terminal {
    color: bool,
    can_ask: bool,
}

impl Terminal {
    pub(super) fn new(no_color: bool, no_input: bool) -> Self {
        #[allow(clippy::disallowed_methods, reason = "NO_COLOR is a convention of the environment")]
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self {
            color: !no_color && wanted && std::io::stdout().is_terminal(),
            can_ask: !no_input && std::io::stdin().is_terminal(),
        }
    }

    /// Whether a person watches.
    pub(super) fn is_watched(&self) -> bool {
        self.can_ask && std::io::stdout().is_terminal()
    }

    /// Waits for Enter.
    ///
    /// # Errors
    /// If nobody is there to press it.
    pub(super) fn wait_for_enter(&self) -> Result<()> {
        if !self.can_ask {
            return Err(
                Error::failed("nobody is there to press Enter").hint("--fast goes on without")
            );
        }
        self.print_bytes(b"\n(Enter) ");
        let mut line = String::new();
        let _ = std::io::stdin().lock().read_line(&mut line);
        Ok(())
    }

    pub(super) const fn screen(&self) -> Screen {
        Screen { color: self.color, width: WIDTH }
    }

    /// Prints a result. A reader that went away (a closed pipe) is no error of ours.
    pub(super) fn print(&self, text: &str) {
        self.print_bytes(text.as_bytes());
        if !text.ends_with('\n') {
            self.print_bytes(b"\n");
        }
    }

    #[allow(clippy::unused_self, reason = "all output goes through the terminal")]
    pub(super) fn print_bytes(&self, bytes: &[u8]) {
        let mut out = std::io::stdout().lock();
        let written = out.write_all(bytes).and_then(|()| out.flush());
        OUTPUT_MISSED.fetch_or(written.is_err(), Ordering::SeqCst);
        if written.is_err_and(|error| error.kind() != std::io::ErrorKind::BrokenPipe) {
            OUTPUT_LOST.store(true, Ordering::SeqCst);
        }
    }

    /// Whether something that was printed did not arrive, for another reason than a closed pipe.
    #[allow(clippy::unused_self, reason = "all output goes through the terminal")]
    pub(super) fn lost_output(&self) -> bool {
        OUTPUT_LOST.load(Ordering::SeqCst)
    }

    /// Whether something that was printed did not arrive, for whatever reason.
    pub(super) fn missed_output() -> bool {
        OUTPUT_MISSED.load(Ordering::SeqCst)
    }

    /// Says something beside the result.
    #[allow(clippy::unused_self, reason = "all output goes through the terminal")]
    pub(super) fn note(&self, text: &str) {
        let mut out = std::io::stderr().lock();
        let _ = writeln!(out, "{text}").and_then(|()| out.flush());
    }

    /// Shows how far something is, in the place of what was shown before: for a person at a terminal only (D4).
    pub(super) fn progress(&self, line: &str) {
        if std::io::stderr().is_terminal() && std::io::stdout().is_terminal() {
            let mut out = std::io::stderr().lock();
            let _ = write!(out, "\r{line}\u{1b}[K").and_then(|()| out.flush());
            PROGRESS.store(true, Ordering::SeqCst);
        }
    }

    /// Clears what [`Self::progress`] showed, before something else is printed.
    pub(super) fn end_progress(&self) {
        if PROGRESS.swap(false, Ordering::SeqCst) {
            let mut out = std::io::stderr().lock();
            let _ = write!(out, "\r\u{1b}[K").and_then(|()| out.flush());
        }
    }

    pub(super) fn error(&self, error: &Error) {
        if ASKING.swap(false, Ordering::SeqCst) {
            self.note("");
        }
        self.note(&error.to_string());
    }

    /// Asks for a passphrase, which is not shown.
    ///
    /// # Errors
    /// If nobody is there to give it.
    pub(super) fn secret(&self, question: &str) -> Result<String> {
        if !self.can_ask {
            return Err(Error::failed("this needs a passphrase, and nobody is there to give it")
                .because("standard input is no terminal, or --no-input was given"));
        }
        rpassword::prompt_password(question)
            .map_err(|error| Error::failed("the passphrase could not be read").because(error))
    }

    /// Asks for `yes`.
    ///
    /// # Errors
    /// If nobody is there to answer, or the answer is another.
    pub(super) async fn confirm(&self, question: &str) -> Result<()> {
        if !self.can_ask {
            return Err(Error::failed("this needs a `yes`, and nobody is there to answer")
                .because("standard input is no terminal, or --no-input was given")
                .hint("--auto-approve goes on without asking"));
        }
        self.print_bytes(format!("\n{question}\nOnly `yes` goes on: ").as_bytes());
        ASKING.store(true, Ordering::SeqCst);
        let answer = line().await;
        ASKING.store(false, Ordering::SeqCst);
        match answer {
            Some(answer) if answer.trim() == "yes" => Ok(()),
            _ => Err(Error::failed("the answer was not `yes`").detail("nothing was changed")),
        }
    }
}

/// Reads a line, and lets signals be heard meanwhile. In a thread of its own: for one of its own the runtime would
/// wait at its end, also where nobody waits for the answer any more.
async fn line() -> Option<String> {
    let (tell, told) = tokio::sync::oneshot::channel();
    let read = move || {
        let mut line = String::new();
        if std::io::stdin().lock().read_line(&mut line).is_ok() {
            // Whoever has asked may be gone.
            let _ = tell.send(line);
        }
    };
    std::thread::Builder::new().spawn(read).ok()?;
    told.await.ok()
}
