//! `ringfence state …`

mod import;
mod list;
mod transfer;
mod unlock;

use super::args::{StateArgs, StateVerb};
use super::session::Session;
use crate::approval::contradiction;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::render::{markdown, text};
use crate::state::{Run, State};
use crate::store::Key;
use crate::text::{shell, shown};

pub(super) async fn run(session: &Session<'_>, args: &StateArgs) -> Result<Exit> {
    session.refuse_commands()?;
    match &args.verb {
        StateVerb::List { files } => list::run(session, files).await,
        StateVerb::Show { user } => show(session, user).await,
        StateVerb::History { user, verify } => history(session, user, *verify).await,
        StateVerb::Rm { user, auto_approve } => remove(session, user, *auto_approve).await,
        StateVerb::Unlock { user, auto_approve } => unlock::run(session, user, *auto_approve).await,
        StateVerb::Pull { user, out } => transfer::pull(session, user, out).await,
        StateVerb::Push { from, users } => transfer::push(session, from, users).await,
        StateVerb::Import { plan } => import::run(session, plan).await,
    }
}

async fn show(session: &Session<'_>, user: &str) -> Result<Exit> {
    let (_, state) = session.find(user).await?;
    let shown = text::state(&state, session.terminal.screen(), session.context.now());
    session.print(&shown, &state.bytes(), || markdown::state(&state));
    Ok(Exit::Done)
}

async fn history(session: &Session<'_>, user: &str, verify: bool) -> Result<Exit> {
    let (key, state) = session.find(user).await?;
    if verify {
        session.store.verify(&key, &state).await?;
        for run in session.store.runs(&key).await? {
            session.store.journal(&key, &run).await?;
        }
        for run in &state.runs {
            bears_out(session, &key, run).await?;
        }
    }
    // Serialising to memory fails only for maps with keys that are no text; there are none here.
    let mut json = serde_json::to_vec_pretty(&state.runs).unwrap_or_default();
    json.push(b'\n');
    let mut shown = text::history(&state, session.terminal.screen());
    if verify {
        shown.push_str(
            "Every journal is whole: its hashes are a chain, its length and head as recorded.\n",
        );
        if state.runs.iter().any(|run| !run.approvals.is_empty()) {
            shown.push_str("Every approval is a good signature over the plan that was applied.\n");
        }
    }
    session.print(&shown, &json, || shown.clone());
    Ok(Exit::Done)
}

/// Refuses a run of which the state tells what its journal and its plan do not.
async fn bears_out(session: &Session<'_>, key: &Key, run: &Run) -> Result<()> {
    let journal = session.store.journal(key, &run.id).await?;
    let plan = session.store.plan_bytes(key, &run.id).await?;
    match contradiction(run, &journal, &plan) {
        None => Ok(()),
        Some(why) => {
            Err(Error::failed(format!("the record of run `{}` contradicts itself", shown(&run.id)))
                .because(why)
                .hint(format!("ringfence show {} shows its journal", shell(&run.id))))
        }
    }
}

async fn remove(session: &Session<'_>, user: &str, auto_approve: bool) -> Result<Exit> {
    // A state that cannot be read is moved aside by its ID: that is the way to import it again.
    let broken = session
        .store
        .list()
        .await?
        .into_iter()
        .find(|(key, state)| key.id.as_str() == user && state.is_err());
    let (key, state, whose) = match broken {
        Some((key, _)) => (key, None, "which cannot be read".to_owned()),
        None => {
            let (key, state) = session.find(user).await?;
            let whose =
                format!("of {}, {} resources held", state.principal.who(), state.held().count());
            (key, Some(state), whose)
        }
    };
    // A lock in a bucket would outlive whoever breaks off at the question.
    if !auto_approve {
        if session.store.holder(&key).await?.is_some() {
            return Err(session.store.locked_error(&key).await);
        }
        session.terminal.confirm(&format!(
            "Forget the state of {}, {whose}? IAM is not touched; rollback will not know what to undo.",
            key.id
        )).await?;
    }
    let Some(locked) = session.store.lock(&key, &session.owner()).await? else {
        return Err(session.store.locked_error(&key).await);
    };
    let at = |state: &State| (state.lineage.clone(), state.serial);
    let now = match session.store.load(&key).await {
        Err(error) if state.is_some() => return Err(error),
        now => now.unwrap_or_default(),
    };
    if now.as_ref().map(at) != state.as_ref().map(at) {
        return Err(Error::stale(format!(
            "the state of {} has moved on since it was read",
            key.id
        ))
        .detail("it was not forgotten")
        .hint(format!("ringfence state show {} shows what it says now", key.id)));
    }
    let moved = session.store.remove(locked).await?;
    session.terminal.print(&format!(
        "Forgotten. The files are in {}; IAM was not touched.\nringfence state import {} takes it back.",
        shown(&moved),
        shell(&format!("{moved}/runs/RUN/plan.json"))
    ));
    Ok(Exit::Done)
}

/// The principal that is meant, and what to call it: by its ID it is found also where its state cannot be read,
/// or where there is none yet.
async fn whose(session: &Session<'_>, user: &str) -> Result<(Key, String)> {
    match session.store.keys(user).await?.pop() {
        Some(key) => {
            let state = session.store.load(&key).await.ok().flatten();
            let name = state.map_or_else(|| key.id.to_string(), |s| s.principal.name.to_string());
            Ok((key, name))
        }
        None => {
            session.find(user).await.map(|(key, state)| (key, state.principal.name.to_string()))
        }
    }
}
