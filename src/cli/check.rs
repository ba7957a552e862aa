//! `ringfence check`

use super::approvals::beside;
use super::args::{CheckArgs, Format};
use super::session::{Session, name_of, read_file};
use crate::approval::Subject;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::plan::Plan;
use crate::render::text;
use crate::view;

/// Runs the rules over a plan, and judges its approvals. Nothing is read but files.
pub(super) async fn run(session: &Session<'_>, args: &CheckArgs) -> Result<Exit> {
    session.refuse_commands()?;
    let name = name_of(&args.file);
    let bytes = read_file(&args.file)?;
    let plan = Plan::parse(&bytes, &name)?;
    let signatures = beside(&args.file)?;
    let (examination, _) = session.examined(&plan, &bytes, &signatures).await?;
    let states = session.states_of(&plan).await?;
    let denied = examination.denial().is_some();
    let subject = Subject {
        plan: &plan,
        bytes: &bytes,
        states: &states,
        signatures: &signatures,
        caller: None,
        now: session.context.now(),
    };
    let checked = view::Checked::of(&subject, name, examination);
    match session.format {
        Format::Json => {
            // Serialising to memory fails only for maps with keys that are no text; there are none here.
            let json = serde_json::to_vec_pretty(&checked).unwrap_or_default();
            session.terminal.print_bytes(&json);
            session.terminal.print_bytes(b"\n");
        }
        _ => session.terminal.print(&text::checked(&checked, session.terminal.screen())),
    }
    if args.approved && !checked.approved {
        return Err(checked
            .verdict
            .refusal(&checked.file)
            .unwrap_or_else(|| Error::forbidden("it is not approved")));
    }
    Ok(if denied { Exit::Forbidden } else { Exit::Done })
}
