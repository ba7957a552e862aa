//! Where a drill plays: a sandbox, a clock that can be moved, an empty folder, and a narrator.

use crate::cli::args::Cli;
use crate::cli::session::Surroundings;
use crate::cli::terminal::Terminal;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::sandbox::in_process::sdk_config;
use crate::sandbox::{Answer, Player, Sandbox, World};
use clap::Parser;
use jiff::{SignedDuration, Timestamp};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// How fast the story goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// It waits for Enter before each phase.
    Asking,
    /// It pauses between phases.
    Pausing,
    /// It does neither.
    Straight,
}

/// How long production has run before the leak.
pub(super) const SINCE: SignedDuration = SignedDuration::from_hours(24 * 40);

const PAUSE: Duration = Duration::from_millis(1500);

pub(super) struct Stage<'a> {
    pub(super) sandbox: Sandbox,
    terminal: &'a Terminal,
    pace: Pace,
    ahead: Arc<AtomicI64>,
    around: Surroundings,
    folder: PathBuf,
    home: PathBuf,
}

impl<'a> Stage<'a> {
    pub(super) fn set_up(terminal: &'a Terminal, pace: Pace) -> Result<Self> {
        // The story begins before today, so that it has reached today when the alarm comes.
        let ahead = Arc::new(AtomicI64::new(-SINCE.as_secs()));
        let machine = Context::system();
        let clock = {
            let (ahead, machine) = (ahead.clone(), machine.clone());
            move || {
                let seconds = SignedDuration::from_secs(ahead.load(Ordering::SeqCst));
                machine.now().saturating_add(seconds).unwrap_or(Timestamp::MAX)
            }
        };
        let skip = {
            let ahead = ahead.clone();
            move |duration: Duration| {
                let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
                ahead.fetch_add(seconds, Ordering::SeqCst);
            }
        };
        let sandbox = Sandbox::new(clock.clone());
        sandbox.edit(World::keep_trail);
        let folder = folder(&machine)?;
        let around = Surroundings {
            context: machine.with_clock(clock, skip),
            sdk: Some(sdk_config(&sandbox, &sandbox.admin())),
        };
        // The commands of the story name files as a responder does, without a path.
        let home = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        std::env::set_current_dir(&folder).map_err(|error| {
            Error::failed(format!("`{}` could not be entered", folder.display())).because(error)
        })?;
        Ok(Self { sandbox, terminal, pace, ahead, around, folder, home })
    }

    /// The files of a drill are of no use to anybody afterwards.
    pub(super) fn clear_away(&self) {
        // What cannot be removed is left to the system's own cleaning of temporary files.
        let _ = std::env::set_current_dir(&self.home);
        let _ = std::fs::remove_dir_all(&self.folder);
    }

    /// Moves the clock ahead.
    pub(super) fn wait(&self, duration: SignedDuration) {
        self.ahead.fetch_add(duration.as_secs(), Ordering::SeqCst);
    }

    /// Begins a phase.
    pub(super) fn phase(&self, title: &str) -> Result<()> {
        match self.pace {
            Pace::Straight => {}
            Pace::Pausing => std::thread::sleep(PAUSE),
            Pace::Asking => self.terminal.wait_for_enter()?,
        }
        self.terminal.print(&format!("\n== {title}\n"));
        Ok(())
    }

    /// Says something to the person.
    pub(super) fn say(&self, text: &str) {
        self.terminal.print(text);
    }

    /// A command of ringfence as a responder types it, which really runs.
    pub(super) async fn ringfence(&self, line: &str, expected: Exit) -> Result<()> {
        self.terminal.print(&format!("\n$ ringfence {line}"));
        let words = std::iter::once("ringfence").chain(line.split_whitespace());
        let cli = Cli::try_parse_from(words)
            .map_err(|error| Error::failed("a command of the drill is wrong").because(error))?;
        let exit = match Box::pin(crate::cli::run(&cli, self.terminal, &self.around)).await {
            Ok(exit) => exit,
            Err(error) => {
                self.terminal.print(&error.to_string());
                error.exit()
            }
        };
        if exit == expected {
            return Ok(());
        }
        Err(Error::failed("the drill did not go as it should").because(format!(
            "`ringfence {line}` ended with {}, not {}",
            exit.code(),
            expected.code()
        )))
    }

    /// A call that somebody makes with the AWS CLI.
    pub(super) fn aws(&self, who: &str, line: &str, answer: Answer) -> Result<Answer> {
        self.terminal.print(&format!("$ aws {line}    # {who}"));
        if answer.is_ok() {
            return Ok(answer);
        }
        Err(Error::failed("the drill did not go as it should")
            .because(format!("`aws {line}` was answered {}", answer.code())))
    }

    /// Whether somebody can still act: asked, shown, and compared with what ought to be.
    pub(super) fn can_act(
        &self,
        who: &str,
        player: &Player,
        ought: bool,
        remark: &str,
    ) -> Result<()> {
        let answer = player.list_buckets();
        let verdict = if answer.is_ok() { "allowed" } else { "denied " };
        let why = if answer.is_ok() { String::new() } else { answer.code().to_owned() };
        let line = format!("    {who:22} {verdict}  {why:20} {remark}");
        self.terminal.print(line.trim_end());
        if answer.is_ok() == ought {
            return Ok(());
        }
        Err(Error::failed("the drill did not go as it should")
            .because(format!("{who} was {verdict}")))
    }

    /// A connection of the responder's, to look for oneself.
    pub(super) fn connection(&self) -> crate::aws::Aws {
        crate::aws::Aws::from_config(&sdk_config(&self.sandbox, &self.sandbox.admin()))
    }
}

fn folder(machine: &Context) -> Result<PathBuf> {
    use std::os::unix::fs::DirBuilderExt;
    let name = format!("ringfence-drill-{}", machine.lineage()?.short());
    let folder = std::env::temp_dir().join(name);
    std::fs::DirBuilder::new().mode(0o700).create(&folder).map_err(|error| {
        Error::failed(format!("`{}` could not be made", folder.display()))
            .because(error)
            .hint("TMPDIR names another place")
    })?;
    Ok(folder)
}
