//! `ringfence plan`

use super::args::{Format, OnDrift, PlanArgs, Targets};
use super::session::{Session, name_of, read_file, write_plan};
use crate::aws::{Aws, Reading, read, read_known};
use crate::error::{Error, Result};
use crate::execute::managed_of;
use crate::exit::Exit;
use crate::identity::AccessKeyId;
use crate::lineage::Lineage;
use crate::plan::{self, Plan, sha256};
use crate::planner::{Context, Request, Subject, contain};
use crate::posture::Posture;
use crate::render::{Saved, markdown, text};
use crate::snapshot::Snapshot;
use crate::state::State;
use crate::text::shell;
use jiff::Timestamp;
use std::path::Path;

pub(super) async fn run(session: &Session<'_>, args: &PlanArgs) -> Result<Exit> {
    session.refuse_commands()?;
    let wanted = Wanted::from_args(session, &args.targets)?;
    let on_drift = args.targets.on_drift.unwrap_or(OnDrift::Refuse);
    let plan = make(session, &session.aws().await, &wanted, on_drift).await?;
    deliver(session, &plan, args.out.as_deref(), args.detailed_exitcode).await
}

/// Writes and prints a plan; the exit status of `plan` and `rollback`.
///
/// A plan that a rule denies is shown and not written: there is nothing to apply (exit 4).
pub(super) async fn deliver(
    session: &Session<'_>,
    plan: &Plan,
    out: Option<&Path>,
    detailed: bool,
) -> Result<Exit> {
    let bytes = plan.bytes();
    let (examination, _) = session.examined(plan, &bytes, &[]).await?;
    if let Some(denial) = examination.denial() {
        session.terminal.print(&match session.format {
            Format::Markdown => markdown::plan(plan, None, Some(&examination)),
            _ => text::plan(plan, session.terminal.screen(), None),
        });
        return Err(denial);
    }
    for warning in examination.warnings() {
        session.terminal.note(&format!("warning: {warning}"));
    }
    let digest = sha256(&bytes);
    let path = out.map(|path| path.display().to_string());
    if let Some(path) = out {
        write_plan(path, plan)?;
    }
    let saved = path.as_deref().map(|path| Saved {
        path,
        digest: &digest,
        unapproved: !examination.verdict.is_met(),
    });
    session.print(&text::plan(plan, session.terminal.screen(), saved.as_ref()), &bytes, || {
        markdown::plan(plan, saved.as_ref(), Some(&examination))
    });
    if session.format == Format::Text && examination.verdict.needed > 0 {
        let shown = text::approvals(&examination.verdict, session.terminal.screen());
        session.terminal.print(&format!("\n{shown}"));
    }
    let blocked = plan.principals.iter().any(|principal| !principal.blocked.is_empty());
    Ok(if detailed && (blocked || !plan.is_empty()) { Exit::Changes } else { Exit::Done })
}

/// What to contain, and how.
pub(super) struct Wanted {
    targets: crate::aws::Targets,
    posture: Posture,
    since: Option<Timestamp>,
    strict: bool,
    override_protection: bool,
    settle_s: u32,
    /// The one principal that is meant, whoever bears the name now (F27).
    only: Option<crate::identity::PrincipalId>,
}

impl Wanted {
    pub(super) fn from_args(session: &Session<'_>, args: &Targets) -> Result<Self> {
        let mut keys = args.keys.clone();
        if let Some(path) = &args.access_keys_from {
            keys.extend(keys_from(path)?);
        }
        keys.dedup();
        if keys.is_empty() && args.users.is_empty() {
            return Err(Error::new(Exit::Usage, "nobody was named")
                .hint("--user NAME, --access-key ID, or --access-keys-from FILE"));
        }
        if let Some(since) = args.since
            && since > session.context.now()
        {
            return Err(Error::new(Exit::Usage, format!("`--since {since}` lies ahead"))
                .hint("it is the time of the exposure, in UTC unless it says otherwise"));
        }
        Ok(Self {
            targets: crate::aws::Targets {
                users: args.users.clone(),
                keys,
                full: args.full,
                managed: Vec::new(),
            },
            posture: session.config.posture(args.posture.as_deref().unwrap_or("revoke"))?,
            since: args.since,
            strict: args.strict,
            override_protection: args.override_protection,
            settle_s: settle_s(session, args.settle),
            only: None,
        })
    }

    /// What a state records, to be asserted again.
    pub(super) fn again(session: &Session<'_>, state: &State, args: &Targets) -> Self {
        // Whoever contained a protected user has said so once already.
        let name = &state.principal.name;
        let protected = session.config.protected_users.iter().any(|other| name.same_user(other));
        Self {
            targets: crate::aws::Targets {
                users: vec![state.principal.name.clone()],
                ..crate::aws::Targets::default()
            },
            posture: state.posture.clone(),
            since: state.since,
            strict: args.strict,
            override_protection: protected,
            settle_s: settle_s(session, args.settle),
            only: Some(state.principal.id.clone()),
        }
    }
}

/// How long apply is to watch: by the command line, the configuration, or the design.
fn settle_s(session: &Session<'_>, asked: Option<std::time::Duration>) -> u32 {
    asked.map_or(session.config.settle_s, whole_seconds_of)
}

/// A duration in whole seconds, rounded up: `--settle 500ms` is a watch all the same.
pub(super) fn whole_seconds_of(duration: std::time::Duration) -> u32 {
    let rounded = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    u32::try_from(rounded).unwrap_or(u32::MAX)
}

fn keys_from(path: &Path) -> Result<Vec<AccessKeyId>> {
    let bytes = read_file(path)?;
    let mut keys = Vec::new();
    for (line, text) in String::from_utf8_lossy(&bytes).lines().enumerate() {
        let text = text.trim().trim_start_matches('\u{feff}');
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let key = text.parse().map_err(|error| {
            Error::failed(format!(
                "`{}` is no access key ID (`{}`, line {})",
                text.escape_debug(),
                name_of(path),
                line + 1
            ))
            .because(error)
            .hint("one ID a line; lines that begin with # are left out")
        })?;
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    if keys.is_empty() {
        return Err(Error::failed(format!("`{}` names no access key", name_of(path)))
            .hint("one ID a line; lines that begin with # are left out"));
    }
    Ok(keys)
}

/// Reads, loads the states, and plans.
pub(super) async fn make(
    session: &Session<'_>,
    aws: &Aws,
    wanted: &Wanted,
    on_drift: OnDrift,
) -> Result<Plan> {
    let reading = read(aws, &wanted.targets).await?;
    let mut subjects = Vec::new();
    let mut recreated = Vec::new();
    for snapshot in &reading.snapshots {
        let user = &snapshot.user;
        if let Some(meant) = wanted.only.as_ref().filter(|meant| **meant != user.id) {
            return Err(Error::stale(format!(
                "user `{}` is another principal than the contained one",
                user.name
            ))
            .because(format!("the state is of {meant}, the name now belongs to {}", user.id))
            .hint(format!(
                "plan for whoever bears the name now: ringfence plan --user {}",
                user.name
            )));
        }
        let state = session.state_of(&reading, &snapshot.user.id).await?;
        recreated.extend(other_principal(session, snapshot).await?);
        let snapshot = with_managed(aws, snapshot, state.as_ref()).await?;
        let named = reading
            .owners
            .iter()
            .filter(|(_, owner)| snapshot.user.name.same_user(owner.as_str()))
            .map(|(key, _)| key.clone())
            .collect();
        subjects.push(Subject {
            fresh_lineage: fresh_lineage(session, &snapshot)?,
            snapshot,
            state,
            named,
        });
    }
    let request = Request {
        posture: wanted.posture.clone(),
        since: wanted.since,
        protected_users: session.config.protected_users.clone(),
        override_protection: wanted.override_protection,
        strict: wanted.strict,
        settle_s: wanted.settle_s,
    };
    for note in recreated {
        session.terminal.note(&note);
    }
    session.requiring(contain(subjects, &request, &context(session, &reading, on_drift))?).await
}

/// The planner's context: everything in it was read.
pub(super) fn context(session: &Session<'_>, reading: &Reading, on_drift: OnDrift) -> Context {
    Context {
        caller: reading.caller.clone(),
        endpoint: reading.endpoint.clone(),
        now: reading.service_time,
        read: reading.cost,
        incident: session.incident.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        on_drift: match on_drift {
            OnDrift::Refuse => plan::OnDrift::Refuse,
            OnDrift::Tighten => plan::OnDrift::Tighten,
        },
    }
}

/// Says where a state of the same name is of a principal that is gone (F27).
async fn other_principal(session: &Session<'_>, snapshot: &Snapshot) -> Result<Vec<String>> {
    let name = snapshot.user.name.as_str();
    // A state that cannot be read is of some other principal; its own is loaded by its ID.
    let others = session.store.find(name).await.unwrap_or_default();
    Ok(others
        .into_iter()
        .filter(|(key, state)| {
            key.id != snapshot.user.id
                && key.account.as_str() == snapshot.user.arn.account()
                && state.continues()
        })
        .map(|(key, _)| {
            format!(
                "warning: user `{name}` is now {}; the state here is of {}, which was deleted or renamed\n  \
                 the plan is about the user that bears the name now; ringfence state show {} shows the other",
                snapshot.user.id,
                key.id,
                shell(key.id.as_str())
            )
        })
        .collect())
}

/// A state that keeps a fence in a managed policy needs that policy read as well.
pub(super) async fn with_managed(
    aws: &Aws,
    snapshot: &Snapshot,
    state: Option<&State>,
) -> Result<Snapshot> {
    let managed = state.map(managed_of).unwrap_or_default();
    if managed.is_empty() {
        return Ok(snapshot.clone());
    }
    let name = snapshot.user.name.clone();
    let managed: Vec<_> = managed.into_iter().map(|(_, arn)| (name.clone(), arn)).collect();
    let reading = read_known(aws, &[name], &managed).await?;
    let again = reading.snapshots.into_iter().find(|s| s.user.id == snapshot.user.id);
    Ok(again.unwrap_or_else(|| snapshot.clone()))
}

/// A lineage whose policy names nobody has taken.
fn fresh_lineage(session: &Session<'_>, snapshot: &Snapshot) -> Result<Lineage> {
    loop {
        let lineage = session.context.lineage()?;
        let names = [lineage.fence_name(), lineage.hold_name()];
        if !snapshot.inline_policies.items().iter().any(|policy| names.contains(&policy.name)) {
            return Ok(lineage);
        }
    }
}
