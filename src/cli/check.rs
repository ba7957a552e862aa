//! `ringfence check`

use super::approvals::beside;
use super::args::{CheckArgs, Format};
use super::session::{Session, name_of, read_file};
use crate::approval::effect;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::plan::{Plan, sha256};
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
    let now = session.context.now();
    let steps = plan
        .principals
        .iter()
        .zip(&states)
        .flat_map(|(principal, state)| {
            principal.steps.iter().map(|step| view::CheckedStep {
                user: principal.name.clone(),
                step: step.id,
                resource: step.resource.clone(),
                effects: effect::of_step(plan.kind, step, state.as_ref(), now),
            })
        })
        .collect();
    let denied = examination.denial().is_some();
    let checked = view::Checked {
        format_version: view::FORMAT_VERSION,
        file: name,
        sha256: sha256(&bytes),
        allowed: !denied,
        approved: examination.verdict.is_met(),
        steps,
        findings: examination.findings,
        verdict: examination.verdict,
        plan: &plan,
    };
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
