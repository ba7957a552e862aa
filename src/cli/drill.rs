//! `ringfence drill`: a whole incident in the sandbox, through the same code as the real thing.

mod stage;
mod story;

use super::args::DrillArgs;
use super::terminal::Terminal;
use crate::error::{Error, Result};
use crate::exit::Exit;
use stage::{Pace, Stage};

pub(super) async fn run(terminal: &Terminal, args: &DrillArgs) -> Result<Exit> {
    let pace = match (args.step, args.fast || !terminal.is_watched()) {
        (true, _) => Pace::Asking,
        (false, true) => Pace::Straight,
        (false, false) => Pace::Pausing,
    };
    let keep = args.report.as_deref().map(std::path::absolute).transpose();
    let keep = keep.map_err(|error| Error::failed("the report has no place").because(error))?;
    let stage = Stage::set_up(terminal, pace)?;
    let told = story::tell(&stage, keep.as_deref()).await;
    stage.clear_away();
    told.map(|()| Exit::Done)
}
