//! `ringfence resume`

use super::apply::{Run, execute};
use super::args::{ResumeArgs, whos};
use super::interrupt::{Interrupt, each};
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
    let States { states, unread, missing } = states(session, args).await?;
    let mut runs: Vec<(Key, String)> = Vec::new();
    for (key, state) in states {
        // A run over several users is one: resuming it for one of them resumes it for all.
        if let Some(open) = state.open_run()
            && !runs.iter().any(|(_, known)| *known == open.id)
        {
            runs.push((key, open.id.clone()));
        }
    }
    if runs.is_empty() && missing != Exit::Done {
        return Ok(missing);
    }
    if runs.is_empty() {
        session.terminal.print(&format!(
            "No run was cut off in `{}`.",
            crate::text::shown(&session.store.location())
        ));
        return if unread { tell_unread(session).await } else { Ok(Exit::Done) };
    }
    let aws = session.aws().await;
    let interrupt = Interrupt::default();
    let ended = each(
        session,
        &interrupt,
        &runs,
        async |(key, id)| one(session, &aws, &interrupt, key, id, args).await,
        |(_, id)| format!("run {id}"),
        |_| "ringfence resume goes on with the rest".to_owned(),
    );
    let ended = ended.await?;
    let worst = if ended == Exit::Done { missing } else { ended };
    let told = if unread { tell_unread(session).await? } else { Exit::Done };
    Ok(if worst == Exit::Done { told } else { worst })
}

async fn one(
    session: &Session<'_>,
    aws: &Aws,
    interrupt: &Interrupt,
    key: &Key,
    id: &str,
    args: &ResumeArgs,
) -> Result<Exit> {
    let bytes = interrupt.unless_asked(session.store.plan_bytes(key, id)).await?;
    let plan = Plan::parse(&bytes, &format!("plan of {id}"))?;
    // What was approved when it began needs no new approval.
    let approvals = Approvals::default();
    let run = Run { plan: &plan, bytes: &bytes, settle: args.settle, resumed: Some(id), approvals };
    execute(session, aws, interrupt, run).await.map_err(|error| closed(error, &plan))
}

/// What is asked for.
struct States {
    states: Vec<(Key, State)>,
    /// Whether one of the store cannot be read: that keeps no other from being resumed.
    unread: bool,
    /// How it ends for those who were named and not found, which was said.
    missing: Exit,
}

async fn states(session: &Session<'_>, args: &ResumeArgs) -> Result<States> {
    let whos = whos(&args.users, &args.roles);
    let mut states = Vec::new();
    if whos.is_empty() {
        let listed = session.store.list().await?;
        let all = listed.len();
        states.extend(listed.into_iter().filter_map(|(key, state)| Some((key, state.ok()?))));
        let unread = states.len() < all;
        return Ok(States { states, unread, missing: Exit::Done });
    }
    let mut missing = Exit::Done;
    for who in &whos {
        match session.find_who(who).await {
            Ok(found) => states.push(found),
            Err(error) => {
                session.terminal.error(&error);
                missing = error.exit();
            }
        }
    }
    Ok(States { states, unread: false, missing })
}

/// Says which states cannot be read, after the runs: one that went on may have written what was missing.
async fn tell_unread(session: &Session<'_>) -> Result<Exit> {
    let mut exit = Exit::Done;
    for error in session.store.list().await?.into_iter().filter_map(|(_, state)| state.err()) {
        session.terminal.error(&error);
        exit = error.exit();
    }
    Ok(exit)
}

/// What else there is to do where a run cannot be resumed.
fn closed(error: Error, plan: &Plan) -> Error {
    plan.principals.iter().fold(error, |error, principal| {
        let who = principal.who().flag();
        error.hint(format!("ringfence status {who} tells what holds now"))
    })
}
