//! The command line: one file a verb, each wiring inputs to outputs and deciding nothing.

mod apply;
mod approvals;
mod approve;
mod args;
mod check;
mod containment;
#[cfg(feature = "sandbox")]
mod drill;
mod findings;
mod history;
mod interrupt;
mod plan;
mod progress;
mod recover;
mod report;
mod resume;
mod rollback;
#[cfg(feature = "sandbox")]
mod sandbox;
mod session;
mod show;
mod state;
mod status;
mod suggest_policy;
mod terminal;
mod trace;

use crate::error::Error;
use crate::exit::Exit;
use args::{Cli, Verb};
use clap::{CommandFactory, Parser};
use session::{Session, Surroundings};
use terminal::Terminal;

/// Parses the command line, runs the verb and says how it ended.
#[must_use]
pub fn main() -> Exit {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            // It quotes what was typed or pasted, with whatever control characters that has (D2.14).
            let text = error.render().to_string();
            let lines: Vec<_> = text.lines().map(crate::text::shown).collect();
            Terminal::new(true, true).note(&lines.join("\n"));
            return Exit::Usage;
        }
        Err(help) => {
            // A closed pipe is the only way this fails, and nobody is left to tell.
            let _ = help.print();
            return Exit::Done;
        }
    };
    let terminal = Terminal::new(cli.global.no_color, cli.global.no_input);
    let result = match &cli.verb {
        Verb::Completions { shell } => {
            let mut bytes = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "ringfence", &mut bytes);
            terminal.print_bytes(&bytes);
            Ok(Exit::Done)
        }
        Verb::Man => man(&terminal),
        #[cfg(feature = "sandbox")]
        Verb::Drill(args) => in_runtime(drill::run(&terminal, args)),
        #[cfg(feature = "sandbox")]
        Verb::Sandbox(args) => in_runtime(sandbox::run(&terminal, args)),
        _ => in_runtime(run(&cli, &terminal, &Surroundings::of_this_machine())),
    };
    let exit = result.unwrap_or_else(|error| {
        terminal.error(&error);
        error.exit()
    });
    if exit == Exit::Done && terminal.lost_output() {
        let lost = Error::failed("standard output could not be written")
            .hint("what was asked for was done; ringfence status and ringfence show tell it again");
        terminal.error(&lost);
        return Exit::Failed;
    }
    exit
}

fn man(terminal: &Terminal) -> Result<Exit, Error> {
    let mut bytes = Vec::new();
    clap_mangen::Man::new(Cli::command())
        .render(&mut bytes)
        .map_err(|error| Error::failed("the manual page could not be made").because(error))?;
    terminal.print_bytes(&bytes);
    Ok(Exit::Done)
}

/// Runs a future to its end, on this thread.
fn in_runtime(verb: impl Future<Output = Result<Exit, Error>>) -> Result<Exit, Error> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::failed("the runtime could not be started").because(error))?
        .block_on(verb)
}

/// Runs a verb that works on an account.
async fn run(cli: &Cli, terminal: &Terminal, around: &Surroundings) -> Result<Exit, Error> {
    let session = Session::new(&cli.global, terminal, around)?;
    let result = verb(cli, &session).await;
    // What was asked for is done or not; a lock that could not be given back is said besides.
    if let Err(error) = session.store.close().await {
        terminal.error(&error);
    }
    result
}

async fn verb(cli: &Cli, session: &Session<'_>) -> Result<Exit, Error> {
    match &cli.verb {
        Verb::Plan(args) => plan::run(session, args).await,
        Verb::Show(args) => show::run(session, args).await,
        Verb::Approve(args) => approve::run(session, args).await,
        Verb::Check(args) => check::run(session, args).await,
        Verb::Apply(args) => apply::run(session, args).await,
        Verb::Resume(args) => resume::run(session, args).await,
        Verb::Status(args) => status::run(session, args).await,
        Verb::Rollback(args) => rollback::run(session, args).await,
        Verb::Recover(args) => recover::run(session, args).await,
        Verb::Trace(args) => trace::run(session, args).await,
        Verb::SuggestPolicy(args) => suggest_policy::run(session, args).await,
        Verb::Report(args) => report::run(session, args).await,
        Verb::State(args) => state::run(session, args).await,
        Verb::Findings(args) => findings::run(session, args).await,
        // These work on no account, and never come here.
        #[cfg(feature = "sandbox")]
        Verb::Drill(_) | Verb::Sandbox(_) => Ok(Exit::Usage),
        Verb::Completions { .. } | Verb::Man => Ok(Exit::Usage),
    }
}
