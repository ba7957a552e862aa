//! `ringfence resume`

use super::apply::{Run, execute};
use super::args::ResumeArgs;
use super::session::Session;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::plan::Plan;
use crate::state::State;
use crate::store::Key;
use crate::text::shell;

pub(super) async fn run(session: &Session<'_>, args: &ResumeArgs) -> Result<Exit> {
    session.refuse_commands()?;
    let mut runs: Vec<(Key, String)> = Vec::new();
    for (key, state) in states(session, args).await? {
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
        return Ok(Exit::Done);
    }
    let aws = session.aws().await;
    let mut worst = Exit::Done;
    for (key, id) in runs {
        let bytes = session.store.plan_bytes(&key, &id).await?;
        let plan = Plan::parse(&bytes, &format!("plan of {id}"))?;
        let run =
            Run { plan: &plan, bytes: &bytes, settle: args.settle, resumed: Some(id.as_str()) };
        let exit = match execute(session, &aws, &run).await {
            Ok(exit) => exit,
            Err(error) => {
                // One run that can't be finished keeps no other from it (D2.4).
                let error = closed(error, &plan);
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

async fn states(session: &Session<'_>, args: &ResumeArgs) -> Result<Vec<(Key, State)>> {
    if args.users.is_empty() {
        let mut states = Vec::new();
        for (key, state) in session.store.list().await? {
            match state {
                Ok(state) => states.push((key, state)),
                Err(error) => session.terminal.error(&error),
            }
        }
        return Ok(states);
    }
    let mut states = Vec::new();
    for user in &args.users {
        states.push(session.find(user.as_str()).await?);
    }
    Ok(states)
}

/// What else there is to do where a run cannot be resumed.
fn closed(error: Error, plan: &Plan) -> Error {
    plan.principals.iter().fold(error, |error, principal| {
        let user = shell(principal.name.as_str()).into_owned();
        error.hint(format!("ringfence status --user {user} tells what holds now"))
    })
}
