//! `ringfence plan`

mod start;
mod usage;

use super::args::{Format, OnDrift, PlanArgs, SessionOf, Targets};
use super::containment::Containment;
use super::session::{Session, name_of, read_file, write_plan};
use crate::aws::{Aws, Reading, calling, read, read_known};
use crate::error::{Error, Result};
use crate::execute::managed_of;
use crate::exit::Exit;
use crate::identity::{AccessKeyId, PrincipalId, PrincipalKind, SessionName, UserName, Who};
use crate::lineage::Lineage;
use crate::plan::{self, Plan, sha256};
use crate::planner::{Context, Request, Subject, contain, out_of_reach};
use crate::posture::Posture;
use crate::render::{Saved, markdown, text};
use crate::snapshot::Snapshot;
use crate::state::State;
use crate::text::{option, shell};
use crate::traced::Traced;
use jiff::Timestamp;
use start::Started;
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
    cut_workloads: bool,
    /// What the sessions of roles are narrowed to.
    sessions: Vec<SessionOf>,
    /// The trace that the targets come from, besides those that were named.
    traced: Option<Traced>,
    /// The finding that it starts from.
    started: Option<Started>,
    /// Whether every role's fence is narrowed to the sessions that the trace has seen.
    only_traced_sessions: bool,
    settle_s: u32,
    /// Where the real use of the principals is recorded.
    usage: Vec<String>,
    /// The contained principals that are meant, whoever bears their names now (F27).
    only: Vec<(Who, PrincipalId)>,
}

impl Wanted {
    pub(super) fn from_args(session: &Session<'_>, args: &Targets) -> Result<Self> {
        let mut keys = args.keys.clone();
        if let Some(path) = &args.access_keys_from {
            keys.extend(keys_from(path)?);
        }
        keys.dedup();
        let named = !keys.is_empty() || !args.users.is_empty() || !args.roles.is_empty();
        if !named && args.from.is_none() && args.finding.is_none() {
            return Err(Error::new(Exit::Usage, "nobody was named")
                .hint("--user NAME, --role NAME, --access-key ID, --access-keys-from FILE")
                .hint("or what is known already: --from TRACE.json, --finding FILE"));
        }
        let started = args.finding.as_deref().map(Started::from).transpose()?;
        let traced = args.from.as_deref().map(traced).transpose()?;
        check_sessions(args)?;
        if let Some(since) = args.since
            && since > session.context.now()
        {
            return Err(Error::new(Exit::Usage, format!("`--since {since}` lies ahead"))
                .hint("it is the time of the exposure, in UTC unless it says otherwise"));
        }
        let mut targets = crate::aws::Targets {
            users: args.users.clone(),
            roles: args.roles.clone(),
            keys,
            full: args.full,
            ..crate::aws::Targets::default()
        };
        if let Some(started) = &started {
            started.add_to(&mut targets)?;
        }
        let exposed = traced.as_ref().and_then(|traced| traced.since);
        let first_seen = started.as_ref().and_then(|started| started.start.since);
        Ok(Self {
            targets,
            posture: session.config.posture(args.posture.as_deref().unwrap_or("revoke"))?,
            // No later than it was first seen; when it really began, a person may know better.
            since: args.since.or(first_seen).or(exposed),
            strict: args.strict,
            override_protection: args.override_protection,
            cut_workloads: args.cut_workloads,
            sessions: args.sessions.clone(),
            traced,
            started,
            only_traced_sessions: args.only_traced_sessions,
            settle_s: settle_s(session, args.settle),
            usage: args.usage.clone(),
            only: Vec::new(),
        })
    }

    /// What states of one posture record, to be asserted again.
    pub(super) fn again(session: &Session<'_>, states: &[State], args: &Targets) -> Result<Self> {
        let Some(State { posture, .. }) = states.first() else {
            return Err(Error::new(Exit::Usage, "`--again` needs to know for whom")
                .hint("--user NAME, or --role NAME"));
        };
        let mut targets = crate::aws::Targets::default();
        let (mut sessions, mut protected) = (Vec::new(), false);
        for state in states {
            let name = &state.principal.name;
            let (named, kept) = match state.principal.kind {
                PrincipalKind::User => (&mut targets.users, &session.config.protected_users),
                PrincipalKind::Role => (&mut targets.roles, &session.config.protected_roles),
            };
            named.push(name.clone());
            // Whoever contained a protected user or role has said so once already.
            protected |= kept.iter().any(|other| name.same_user(other));
            let of_role =
                |one: &SessionName| SessionOf { role: name.clone(), session: one.clone() };
            sessions.extend(state.sessions.iter().map(of_role));
        }
        Ok(Self {
            targets,
            posture: posture.clone(),
            since: None,
            strict: args.strict,
            override_protection: protected,
            cut_workloads: args.cut_workloads,
            sessions,
            traced: None,
            started: None,
            only_traced_sessions: false,
            settle_s: settle_s(session, args.settle),
            usage: Vec::new(),
            only: states
                .iter()
                .map(|state| (state.principal.who(), state.principal.id.clone()))
                .collect(),
        })
    }
}

impl Wanted {
    /// Whether a person has named it, and not only a trace.
    fn names(&self, who: &Who) -> bool {
        let named = match who {
            Who::User(_) => &self.targets.users,
            Who::Role(_) => &self.targets.roles,
        };
        named.iter().any(|name| name.same_user(who.name().as_str()))
    }

    /// The sessions that a role's fence is narrowed to; none for every session.
    fn sessions_of(&self, who: &Who, traced: Option<&Traced>) -> Result<Vec<SessionName>> {
        let Who::Role(role) = who else { return Ok(Vec::new()) };
        let of = self.sessions.iter().filter(|one| one.role.same_user(role.as_str()));
        let mut sessions: Vec<SessionName> = of.map(|one| one.session.clone()).collect();
        if let (true, Some(traced)) = (self.only_traced_sessions, traced) {
            sessions.extend(traced.sessions(who));
            if sessions.is_empty() {
                return Err(Error::failed(format!("the trace has seen no session of {who}"))
                    .because("a fence that is narrowed to none would be one for all of them")
                    .hint(format!(
                        "name one: --session {role}/NAME, or leave --only-traced-sessions out"
                    )));
            }
        }
        Ok(sessions)
    }
}

/// A session of a role that is no target narrows nothing; which roles a trace names is known once it was read.
fn check_sessions(args: &Targets) -> Result<()> {
    match args.from {
        None => only_of(&args.sessions, &args.roles),
        Some(_) => Ok(()),
    }
}

fn only_of(sessions: &[SessionOf], roles: &[UserName]) -> Result<()> {
    let meant = |one: &&SessionOf| roles.iter().any(|role| role.same_user(one.role.as_str()));
    match sessions.iter().find(|one| !meant(one)) {
        None => Ok(()),
        Some(one) => Err(Error::new(
            Exit::Usage,
            format!("`--session {}/{}` is of a role that is not named", one.role, one.session),
        )
        .hint(option("--role", one.role.as_str()))),
    }
}

/// The trace at a path.
fn traced(path: &Path) -> Result<Traced> {
    Traced::parse(&read_file(path)?, &name_of(path))
}

/// What of a trace is of the caller's account; added to what is to be read. One that is gone is no error.
async fn reachable(
    aws: &Aws,
    traced: &Traced,
    targets: &mut crate::aws::Targets,
) -> Result<Traced> {
    let traced = traced.clone().within(&calling(aws).await?.account);
    targets.traced = traced.targets.iter().map(|wanted| wanted.who.clone()).collect();
    Ok(traced)
}

/// An error in one line.
fn said(error: &Error) -> String {
    let cause = error.cause().map_or_else(String::new, |cause| format!(": {cause}"));
    format!("{}{cause}", error.message())
}

/// A trace of which nobody can be contained from here is no plan.
fn refuse_empty(traced: &Traced, subjects: &[Subject]) -> Result<()> {
    if !subjects.is_empty() {
        return Ok(());
    }
    let error = Error::failed("nobody that the trace names can be contained from here");
    let open = traced.source.left_open.iter();
    Err(open
        .fold(error, |error, one| error.detail(format!("{}: {}", one.what, one.why)))
        .hint("use credentials of the account that they are in: --profile NAME"))
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
    let mut targets = wanted.targets.clone();
    let mut traced = match &wanted.traced {
        Some(traced) => Some(reachable(aws, traced, &mut targets).await?),
        None => None,
    };
    let reading = read(aws, &targets).await?;
    if let Some(started) = &wanted.started {
        started.check(&reading)?;
    }
    let mut subjects = Vec::new();
    let mut recreated = Vec::new();
    let mut agreed = Vec::new();
    for snapshot in &reading.snapshots {
        let (who, id) = (snapshot.who(), snapshot.id());
        let meant = wanted.only.iter().find(|(other, _)| other.same(&who));
        if let Some((_, meant)) = meant.filter(|(_, meant)| meant != id) {
            return Err(Error::stale(format!("{who} is another principal than the contained one"))
                .because(format!("the state is of {meant}, the name now belongs to {id}"))
                .hint(format!(
                    "plan for whoever bears the name now: ringfence plan {}",
                    who.flag()
                )));
        }
        if let Some(traced) = traced.as_mut().filter(|_| !wanted.names(&who))
            && let Some(why) = out_of_reach(snapshot, &reading.caller)
        {
            traced.leave(&who, &said(&why));
            continue;
        }
        let state = session.state_of(&reading, who.kind(), id).await?;
        if let (Some(_), Some(state), Who::Role(_)) = (meant, &state, &who) {
            agreed.push(may_cut_workloads(session, state).await);
        }
        recreated.extend(other_principal(session, snapshot).await?);
        let snapshot = with_managed(aws, snapshot, state.as_ref()).await?;
        let named = reading
            .owners
            .iter()
            .filter(|(_, owner)| who.same(&Who::User(owner.clone())))
            .map(|(key, _)| key.clone())
            .collect();
        let sessions = wanted.sessions_of(&who, traced.as_ref())?;
        subjects.push(Subject {
            fresh_lineage: fresh_lineage(session, &snapshot)?,
            snapshot,
            state,
            named,
            traced: traced.as_ref().map(|traced| traced.of(&who)).unwrap_or_default(),
            sessions,
        });
    }
    let roles = subjects.iter().filter_map(|one| one.snapshot.role());
    let roles: Vec<_> = roles.map(|role| role.name.clone()).collect();
    only_of(&wanted.sessions, &roles)?;
    if let Some(traced) = &mut traced {
        for who in &reading.gone {
            traced.leave(who, "it is not there: deleted or renamed");
        }
        refuse_empty(traced, &subjects)?;
    }
    let request = Request {
        posture: wanted.posture.clone(),
        since: wanted.since,
        protected_users: session.config.protected_users.clone(),
        protected_roles: session.config.protected_roles.clone(),
        // For all of the roles or for none: a plan does not say it of each.
        cut_workloads: wanted.cut_workloads
            || (!agreed.is_empty() && agreed.iter().all(|agreed| *agreed)),
        trace: traced.map(|traced| traced.source),
        finding: wanted.started.as_ref().map(|started| started.source.clone()),
        override_protection: wanted.override_protection,
        strict: wanted.strict,
        settle_s: wanted.settle_s,
    };
    for note in recreated {
        session.terminal.note(&note);
    }
    let mut context = context(session, &reading, on_drift);
    // What a trace was made for is what its plan is for, unless a person says otherwise.
    let traced = wanted.traced.as_ref().and_then(|traced| traced.incident.clone());
    context.incident = context.incident.or(traced);
    let plan = contain(subjects, &request, &context)?;
    session.requiring(usage::measured(session, plan, &wanted.usage).await?).await
}

/// Whether the containment of a role was agreed to cut its workloads. Where its plans cannot be read, nobody is
/// known to have agreed (D2.13).
async fn may_cut_workloads(session: &Session<'_>, state: &State) -> bool {
    Containment::of(session, state).await.is_ok_and(|plans| plans.may_cut_workloads())
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
    let (who, id) = (snapshot.who(), snapshot.id());
    // A state that cannot be read is of some other principal; its own is loaded by its ID.
    let others = session.store.find(who.name().as_str()).await.unwrap_or_default();
    Ok(others
        .into_iter()
        .filter(|(key, state)| {
            key.id != *id
                && key.kind == who.kind()
                && key.account.as_str() == snapshot.arn().account()
                && state.continues()
        })
        .map(|(key, _)| {
            format!(
                "warning: {who} is now {id}; the state here is of {}, which was deleted or renamed\n  \
                 the plan is about the {} that bears the name now; ringfence state show {} shows the other",
                key.id,
                key.kind,
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
    let who = snapshot.who();
    let managed: Vec<_> = managed.into_iter().map(|(_, arn)| (who.clone(), arn)).collect();
    let reading = read_known(aws, &[who], &managed).await?;
    let again = reading.snapshots.into_iter().find(|s| s.id() == snapshot.id());
    Ok(again.unwrap_or_else(|| snapshot.clone()))
}

/// A lineage whose policy names nobody has taken.
pub(super) fn fresh_lineage(session: &Session<'_>, snapshot: &Snapshot) -> Result<Lineage> {
    loop {
        let lineage = session.context.lineage()?;
        let names = [lineage.fence_name(), lineage.hold_name()];
        if !snapshot.inline_policies.items().iter().any(|policy| names.contains(&policy.name)) {
            return Ok(lineage);
        }
    }
}
