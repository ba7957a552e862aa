//! `ringfence rollback`

use super::args::{OnDrift, RollbackArgs};
use super::plan::{context, deliver};
use super::session::Session;
use crate::aws::read_known;
use crate::error::{Error, Result};
use crate::execute::managed_of;
use crate::exit::Exit;
use crate::identity::Who;
use crate::plan::{Kind, Plan};
use crate::release::{Request, release};
use crate::resource::Resource;
use crate::snapshot::Snapshot;
use crate::state::State;
use crate::store::Key;

pub(super) async fn run(session: &Session<'_>, args: &RollbackArgs) -> Result<Exit> {
    session.refuse_commands()?;
    let (user, role) = (args.user.clone().map(Who::User), args.role.clone().map(Who::Role));
    let Some(who) = user.or(role) else {
        return Err(Error::new(Exit::Usage, "nobody was named").hint("--user NAME, or --role NAME"));
    };
    let (key, state) = session.find_who(&who).await?;
    session.store.verify(&key, &state).await?;
    let reading =
        read_known(&session.aws().await, &[state.principal.who()], &managed_of(&state)).await?;
    if session.state_of(&reading, key.kind, &state.principal.id).await?.is_none() {
        return Err(Error::stale(format!(
            "{who} is in account {}, the caller is in {}",
            state.account_id, reading.caller.account
        ))
        .hint("use credentials of that account: --profile NAME"));
    }
    let Some(now) = reading.snapshots.iter().find(|now| *now.id() == state.principal.id) else {
        return Err(Error::stale(format!("{who} is not the principal that was contained"))
            .because(format!("{} was deleted or renamed", state.principal.id))
            .hint(format!("ringfence status {}", who.flag())));
    };
    let mut reactivate = args.reactivate.clone();
    reactivate.extend(args.reactivate_key.iter().cloned().map(Resource::AccessKey));
    let request = Request {
        reactivate,
        lift_fence_now: args.lift_fence_now,
        accept_unread: args.accept_unread,
        to: args.to.as_deref().map(|name| session.config.posture(name)).transpose()?,
        take: args.take.clone(),
        leave: args.leave.clone(),
        undo_recovery: args.undo_recovery,
    };
    let before = at_apply(session, &key, &state).await;
    let context = context(session, &reading, OnDrift::Refuse);
    let plan = release(now.clone(), &state, before.as_ref(), &request, &context)?;
    let plan = session.requiring(plan).await?;
    deliver(session, &plan, args.out.as_deref(), args.detailed_exitcode).await
}

/// What the last containment was planned from, to tell what others have made since.
async fn at_apply(session: &Session<'_>, key: &Key, state: &State) -> Option<Snapshot> {
    let run = state.runs.iter().rev().find(|run| run.kind == Kind::Contain)?;
    let bytes = session.store.plan_bytes(key, &run.id).await.ok()?;
    let plan = Plan::parse(&bytes, &run.id).ok()?;
    let principal = plan.principals.into_iter().find(|principal| principal.id == key.id)?;
    Some(principal.snapshot)
}
