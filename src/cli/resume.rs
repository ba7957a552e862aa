//! `ringfence resume`

use super::apply::{Run, execute};
use super::args::{ResumeArgs, whos};
use super::session::Session;
use crate::aws::Aws;
use crate::error::{Error, Result};
use crate::execute::Approvals;
use crate::exit::Exit;
use crate::plan::Plan;
use crate::state::State;
use crate::store::Key;

pub(super) async fn run(session: &Session<'_>, args: &ResumeArgs) -> Result<Exit> {
    session.refuse_commands()?;
    let (states, mut worst) = states(session, args).await?;
    let mut runs: Vec<(Key, String)> = Vec::new();
    for (key, state) in states {
        // A run over several users is one: resuming it for one of them resumes it for all.
        if let Some(open) = state.open_run()
            && !runs.iter().any(|(_, known)| *known == open.id)
        {
            runs.push((key, open.id.clone()));
        }
    }
    if runs.is_empty() {
        session.terminal.print(&format!(
            "No run was cut off in `{}`.",
            crate::text::shown(&session.store.location())
        ));
        return Ok(worst);
    }
    let aws = session.aws().await;
    for (key, id) in runs {
        let exit = match one(session, &aws, &key, &id, args).await {
            Ok(exit) => exit,
            Err(error) => {
                // One run that can't be finished keeps no other from it (D2.4).
                session.terminal.error(&error);
                error.exit()
            }
        };
        if exit != Exit::Done {
            worst = exit;
        }
    }
    Ok(worst)
}

async fn one(
    session: &Session<'_>,
    aws: &Aws,
    key: &Key,
    id: &str,
    args: &ResumeArgs,
) -> Result<Exit> {
    let bytes = session.store.plan_bytes(key, id).await?;
    let plan = Plan::parse(&bytes, &format!("plan of {id}"))?;
    // What was approved when it began needs no new approval.
    let approvals = Approvals::default();
    let run = Run { plan: &plan, bytes: &bytes, settle: args.settle, resumed: Some(id), approvals };
    execute(session, aws, run).await.map_err(|error| closed(error, &plan))
}

/// The states asked for. One that cannot be read is said, and keeps no other from being resumed.
async fn states(session: &Session<'_>, args: &ResumeArgs) -> Result<(Vec<(Key, State)>, Exit)> {
    let (mut states, mut worst) = (Vec::new(), Exit::Done);
    let whos = whos(&args.users, &args.roles);
    if whos.is_empty() {
        for (key, state) in session.store.list().await? {
            match state {
                Ok(state) => states.push((key, state)),
                Err(error) => {
                    session.terminal.error(&error);
                    worst = error.exit();
                }
            }
        }
        return Ok((states, worst));
    }
    for who in &whos {
        states.push(session.find_who(who).await?);
    }
    Ok((states, worst))
}

/// What else there is to do where a run cannot be resumed.
fn closed(error: Error, plan: &Plan) -> Error {
    plan.principals.iter().fold(error, |error, principal| {
        let who = principal.who().flag();
        error.hint(format!("ringfence status {who} tells what holds now"))
    })
}
