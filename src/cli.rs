//! The command line: one file a verb, each wiring inputs to outputs and deciding nothing.

mod apply;
mod args;
mod plan;
mod rollback;
mod session;
mod show;
mod state;
mod status;
mod terminal;

use crate::error::Error;
use crate::exit::Exit;
use args::{Cli, Verb};
use clap::{CommandFactory, Parser};
use session::Session;
use terminal::Terminal;

/// Parses the command line, runs the verb and says how it ended.
#[must_use]
pub fn main() -> Exit {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // A closed pipe is the only way this fails, and nobody is left to tell.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Done };
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
        _ => run(&cli, &terminal),
    };
    result.unwrap_or_else(|error| {
        terminal.error(&error);
        error.exit()
    })
}

fn man(terminal: &Terminal) -> Result<Exit, Error> {
    let mut bytes = Vec::new();
    clap_mangen::Man::new(Cli::command())
        .render(&mut bytes)
        .map_err(|error| Error::failed("the manual page could not be made").because(error))?;
    terminal.print_bytes(&bytes);
    Ok(Exit::Done)
}

fn run(cli: &Cli, terminal: &Terminal) -> Result<Exit, Error> {
    let session = Session::new(&cli.global, terminal)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::failed("the runtime could not be started").because(error))?;
    runtime.block_on(async {
        match &cli.verb {
            Verb::Plan(args) => plan::run(&session, args).await,
            Verb::Show(args) => show::run(&session, args),
            Verb::Apply(args) => apply::run(&session, args).await,
            Verb::Status(args) => status::run(&session, args).await,
            Verb::Rollback(args) => rollback::run(&session, args).await,
            Verb::State(args) => state::run(&session, args).await,
            Verb::Completions { .. } | Verb::Man => Ok(Exit::Done),
        }
    })
}
