//! `ringfence status`

mod watch;

use super::args::{StatusArgs, whos};
use super::containment::Containment;
use super::session::Session;
use crate::aws::{Reading, read_known};
use crate::error::{Error, Result};
use crate::execute::managed_of;
use crate::exit::Exit;
use crate::identity::{PrincipalKind, Who};
use crate::render::{markdown, text};
use crate::snapshot::Snapshot;
use crate::standing::{fence_view, judge, limits, newer_credentials, remedies};
use crate::state::State;
use crate::store::{Key, Owner};
use crate::text::{shell, shown};
use crate::view::{FORMAT_VERSION, Finding, PrincipalStatus, Standing, StatusReport};
use std::path::Path;
use watch::{LEAST_WATCH, watch};

pub(super) async fn run(session: &Session<'_>, args: &StatusArgs) -> Result<Exit> {
    session.refuse_commands()?;
    match args.watch {
        None => once(session, args).await,
        Some(every) => watch(session, args, every.max(LEAST_WATCH)).await,
    }
}

async fn once(session: &Session<'_>, args: &StatusArgs) -> Result<Exit> {
    let Look { looked, broken, exit } = look(session, args).await?;
    for error in &broken {
        session.terminal.error(error);
    }
    match looked {
        Looked::Nobody(_) if exit != Exit::Done => {}
        Looked::Nobody(text) => {
            session.print(&text, format!("{NOBODY}\n").as_bytes(), || text.clone());
        }
        Looked::At(report) => {
            // Serialising to memory fails only for maps with keys that are no text; there are none here.
            let mut json = serde_json::to_vec_pretty(&report).unwrap_or_default();
            json.push(b'\n');
            session.print(&text::status(&report, session.terminal.screen()), &json, || {
                markdown::status(&report)
            });
        }
    }
    Ok(exit)
}

/// What is said of nobody, as JSON.
const NOBODY: &str = r#"{"format_version":1,"principals":[]}"#;

/// A look.
struct Look {
    looked: Looked,
    /// What is wrong with the states that could not be read, or are not there.
    broken: Vec<Error>,
    /// How `status` ends for it.
    exit: Exit,
}

/// What a look found.
enum Looked {
    /// Nobody has a state; said in words.
    Nobody(String),
    /// Reality against state.
    At(StatusReport),
}

/// Reads reality and compares it with the states.
async fn look(session: &Session<'_>, args: &StatusArgs) -> Result<Look> {
    let (states, broken) = states(session, &whos(&args.users, &args.roles)).await?;
    if states.is_empty() {
        let (text, exit) = match broken.first() {
            Some(error) => ("No state could be read.".to_owned(), error.exit()),
            None => {
                let location = session.store.location();
                let location = crate::text::shown(&location);
                let of = session.incident.as_ref().map(|id| format!(" for incident {id}"));
                let of = of.unwrap_or_default();
                (format!("Nobody is contained{of} in `{location}`."), Exit::Done)
            }
        };
        return Ok(Look { looked: Looked::Nobody(text), broken, exit });
    }
    let report = reading(session, &states).await?;
    let weak = report.principals.iter().any(|principal| principal.standing.is_weak());
    let exit = match (broken.first(), weak) {
        (_, true) => Exit::Changes,
        (Some(error), false) => error.exit(),
        (None, false) => Exit::Done,
    };
    Ok(Look { looked: Looked::At(report), broken, exit })
}

/// Reads reality and compares it with these states.
pub(super) async fn reading(session: &Session<'_>, states: &[State]) -> Result<StatusReport> {
    let aws = session.aws().await;
    let users: Vec<Who> = states.iter().map(|state| state.principal.who()).collect();
    let managed: Vec<_> = states.iter().flat_map(managed_of).collect();
    let reading = read_known(&aws, &users, &managed).await?;
    let mut principals = Vec::new();
    for state in states {
        let key = Key::of_state(state);
        // Who holds the lock is told where it can be told; the judgement does not rest on it.
        let holder = session.store.holder(&key).await.ok().flatten();
        let mut status = one(state, &reading, holder.as_ref());
        if let Some(now) = reading.snapshots.iter().find(|now| *now.id() == key.id) {
            trust(session, state, now, &mut status).await;
        }
        if holder.is_some()
            && let Some(folder) = session.store.record_elsewhere(&key).await
        {
            elsewhere(&folder, &session.store.location(), &mut status);
        }
        principals.push(status);
    }
    principals.sort_by(|a, b| (&a.who, &a.id).cmp(&(&b.who, &b.id)));
    Ok(StatusReport {
        format_version: FORMAT_VERSION,
        at: reading.service_time,
        endpoint: reading.endpoint.clone(),
        principals,
    })
}

/// The states asked for, and what is wrong with those that cannot be read.
async fn states(session: &Session<'_>, whos: &[Who]) -> Result<(Vec<State>, Vec<Error>)> {
    let (mut states, mut broken) = (Vec::new(), Vec::new());
    if !whos.is_empty() {
        for who in whos {
            match named(session, who).await {
                Ok(state) => states.push(state),
                Err(error) => broken.push(error),
            }
        }
        return Ok((states, broken));
    }
    for (key, state) in session.store.list().await? {
        let verified = match &state {
            Ok(state) => session.store.verify(&key, state).await,
            Err(error) => Err(error.clone()),
        };
        match verified.and(state) {
            Ok(state) => states.push(state),
            Err(error) => broken.push(error),
        }
    }
    if session.incident.is_some() {
        states.retain(|state| state.incident == session.incident);
    }
    Ok((states, broken))
}

async fn named(session: &Session<'_>, who: &Who) -> Result<State> {
    let (key, state) = session.find_who(who).await?;
    session.store.verify(&key, &state).await?;
    Ok(state)
}

/// What this store has of a run is not all that there is of it.
fn elsewhere(folder: &Path, store: &str, status: &mut PrincipalStatus) {
    let folder = folder.display().to_string();
    let what = format!("the record of its run goes on in {}", shown(&folder));
    status.findings.push(Finding { resource: None, what });
    let push = format!("ringfence state push {} --state {}", shell(&folder), shell(store));
    status.commands.insert(0, push);
}

/// Reality against one state.
fn one(state: &State, reading: &Reading, holder: Option<&Owner>) -> PrincipalStatus {
    let mut status = PrincipalStatus {
        id: state.principal.id.clone(),
        account_id: state.account_id.clone(),
        lineage: state.lineage.clone(),
        serial: state.serial,
        incident: state.incident.clone(),
        standing: Standing::Unknown,
        seen_at: None,
        last_seen_contained: state.last_seen_contained,
        fence: fence_view(state, None),
        findings: Vec::new(),
        notes: Vec::new(),
        commands: Vec::new(),
        who: state.principal.who(),
    };
    let say = |what: String| Finding { resource: None, what };
    if state.account_id != reading.caller.account {
        let what = format!(
            "is in account {}, the caller is in {}",
            state.account_id, reading.caller.account
        );
        status.findings.push(say(what));
        return status;
    }
    if state.endpoint != reading.endpoint {
        status
            .findings
            .push(say(format!("is recorded on {}, this is {}", state.endpoint, reading.endpoint)));
        return status;
    }
    let Some(now) = reading.snapshots.iter().find(|now| *now.id() == state.principal.id) else {
        return gone(status, state, reading);
    };
    let judged = judge(state, now);
    status.seen_at = Some(now.read_at);
    status.standing = judged.standing;
    status.fence = fence_view(state, Some(now));
    if judged.standing == Standing::Contained {
        status.last_seen_contained = Some(now.read_at);
    }
    status.findings = judged.findings();
    if let Some(run) = state.open_run() {
        let what = match holder {
            Some(owner) => format!("run {} is under way: {}", run.id, owner.words()),
            None => format!("run {} was cut off before its end", run.id),
        };
        status.findings.push(say(what));
    }
    for resource in newer_credentials(state, now) {
        let known = status.findings.iter().any(|item| item.resource.as_ref() == Some(&resource));
        if !known {
            status.notes.push(format!("{resource} was made after the containment, and is live"));
        }
    }
    status.notes.extend(limits(state, now));
    for run in &state.runs {
        if let Some(reason) = &run.break_glass {
            let why = shown(reason);
            status.notes.push(format!("run {} was applied by break-glass: {why}", run.id));
        }
    }
    for unread in now.unread() {
        status.notes.push(format!("not read: {} ({})", unread.what, unread.action));
    }
    status.commands = remedies(state, &judged);
    status.commands.extend(fence_may_go(state, &status));
    status
}

/// Says where the trust policy of a contained role is not what it was. That undoes nothing of the fence, so it is
/// for a person to judge; nothing else would tell them.
async fn trust(session: &Session<'_>, state: &State, now: &Snapshot, status: &mut PrincipalStatus) {
    if state.principal.kind != PrincipalKind::Role || !state.continues() {
        return;
    }
    let first = match Containment::of(session, state).await {
        Ok(plans) => plans.first().map(|part| part.snapshot.clone()),
        Err(_) => None,
    };
    match first.filter(|first| first.role().is_some_and(|role| role.trust.read().is_some())) {
        Some(first) => status.findings.extend(crate::trust::changed(&first, now)),
        None => status.notes.push(
            "whether its trust_policy was changed is not known: no plan here has read it"
                .to_owned(),
        ),
    }
}

fn gone(mut status: PrincipalStatus, state: &State, reading: &Reading) -> PrincipalStatus {
    status.standing = Standing::Gone;
    status.seen_at = Some(reading.service_time);
    let who = state.principal.who();
    let other = reading.snapshots.iter().find(|now| now.who().same(&who));
    let what = match other {
        Some(other) => {
            status.commands.push(format!("ringfence plan {}", who.flag()));
            format!(
                "was {}, the name now belongs to {}: another principal",
                state.principal.id,
                other.id()
            )
        }
        None => format!("{} is not there under this name: deleted or renamed", state.principal.id),
    };
    status.findings.push(Finding { resource: None, what });
    status
}

/// A fence that a release kept is lifted by the same command again, once its time has come.
fn fence_may_go(state: &State, status: &PrincipalStatus) -> Option<String> {
    let fence = status.fence.as_ref()?;
    let due = fence.void.is_none() && status.seen_at? >= fence.lift_after;
    (due && status.standing == Standing::ReleasedFenceUntil)
        .then(|| format!("ringfence rollback {} --out release.json", state.principal.who().flag()))
}
