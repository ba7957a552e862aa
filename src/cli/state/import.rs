//! `ringfence state import`

use super::Session;
use crate::aws::{Reading, read_known};
use crate::cli::args::Format;
use crate::cli::session::{name_of, read_file};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::plan::{Plan, PrincipalPlan};
use crate::record;
use crate::render::text;
use crate::store::Key;
use crate::text::{shell, shown};
use std::path::Path;

/// What became of one principal of the plan.
enum Import {
    Done,
    /// There is nothing to import, and why.
    PassedOver(Error),
}

pub(super) async fn run(session: &Session<'_>, path: &Path) -> Result<Exit> {
    let bytes = match session.store.file(&path.to_string_lossy()).await? {
        Some(bytes) => bytes,
        None => read_file(path)?,
    };
    let plan = Plan::parse(&bytes, &name_of(path))?;
    let users: Vec<_> = plan.principals.iter().map(PrincipalPlan::who).collect();
    let managed: Vec<_> = crate::execute::managed(&plan);
    let reading = read_known(&session.aws().await, &users, &managed).await?;
    if reading.caller.account != plan.account_id || reading.endpoint != plan.endpoint {
        return Err(Error::stale("the plan is of another account or endpoint")
            .because(format!(
                "planned for {} on {}, now {} on {}",
                plan.account_id,
                plan.endpoint,
                reading.caller.account,
                shown(&reading.endpoint)
            ))
            .hint("import it with credentials of that account, on that endpoint"));
    }
    let (mut imported, mut failed, mut passed_over) = (false, Vec::new(), Vec::new());
    for principal in &plan.principals {
        match one(session, &plan, principal, &reading).await {
            Ok(Import::Done) => imported = true,
            Ok(Import::PassedOver(why)) => passed_over.push(why),
            // One that cannot be imported keeps no other from it (D2.4).
            Err(error) => failed.push(error),
        }
    }
    if imported {
        for why in &passed_over {
            session.terminal.note(&format!("passed over: {}", why.message()));
        }
    } else {
        failed.append(&mut passed_over);
    }
    for error in &failed {
        session.terminal.error(error);
    }
    Ok(failed.first().map_or(Exit::Done, Error::exit))
}

async fn one(
    session: &Session<'_>,
    plan: &Plan,
    principal: &PrincipalPlan,
    reading: &Reading,
) -> Result<Import> {
    let key = Key::of(plan, principal);
    session.store.check_writable(&key).await?;
    let Some(mut locked) = session.store.lock(&key, &session.owner()).await? else {
        return Err(session.store.locked_error(&key).await);
    };
    if let Some(state) = locked.stored().await? {
        let why = Error::stale(format!(
            "{} has a state already, serial {}",
            principal.who(),
            state.serial
        ))
        .hint(format!("ringfence state rm {} moves it aside first", shell(principal.id.as_str())));
        return Ok(Import::PassedOver(why));
    }
    let Some(now) = reading.snapshots.iter().find(|now| *now.id() == principal.id) else {
        let why = format!("{} ({}) is not there any more", principal.id, principal.who());
        let hint = "there is nothing to hold any more; ringfence show PLAN tells what was planned";
        return Ok(Import::PassedOver(Error::stale(why).hint(hint)));
    };
    let state = record::import(plan, principal, now)?;
    locked.save(&state).await?;
    if session.format == Format::Json {
        session.terminal.print_bytes(&state.bytes());
    } else {
        session.terminal.print(&text::state(
            &state,
            session.terminal.screen(),
            reading.service_time,
        ));
    }
    Ok(Import::Done)
}
