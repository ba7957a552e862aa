//! The `ringfence` program: parse, run, exit code.

use ringfence::cli;
use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(cli::main().code())
}
