//! `ringfence report`

use super::args::{Format, ReportArgs, whos};
use super::session::{Session, name_of, read_file, write_private};
use super::status;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::identity::{AccountId, Who};
use crate::incident::of_runs;
use crate::plan::{Plan, sha256};
use crate::render::{html, markdown, text};
use crate::report::{Now, Recorded, RecordedRun, Report, Source, Traced, foreign, report};
use crate::state::State;
use crate::store::{Key, Store};
use crate::text::shown;
use crate::trace::Trace;
use std::path::Path;

/// Tells an incident from the record, a trace, and what is read now. Nothing is changed (D2.1).
pub(super) async fn run(session: &Session<'_>, args: &ReportArgs) -> Result<Exit> {
    session.refuse_commands()?;
    let form = args.out.as_deref().map(Form::of).transpose()?;
    if let Some(out) = &args.out {
        spare(session, out, args.trace.as_deref())?;
    }
    let traced = args.trace.as_deref().map(trace).transpose()?;
    let incident = incident(session, traced.as_ref())?;
    let named = whos(&args.users, &args.roles);
    let found = found(session, &named, incident.as_deref(), traced.is_some()).await?;
    for error in &found.broken {
        session.terminal.error(error);
    }
    if found.principals.is_empty() && traced.is_none() {
        return Err(nobody(session, incident.as_deref(), found.broken.into_iter().next()));
    }
    let states: Vec<State> = found.principals.iter().map(|one| one.state.clone()).collect();
    let mut source = Source {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        made_at: session.context.now(),
        incident,
        principals: found.principals,
        others: found.others,
        unreadable: found.unreadable,
        trace: traced,
        now: Now::NotRead("--offline was given".to_owned()),
    };
    same_account(&source)?;
    if !args.offline {
        source.now = now(session, &states).await;
    }
    deliver(session, &report(&source), args.out.as_deref().zip(form))?;
    Ok(found.broken.first().map_or(Exit::Done, Error::exit))
}

/// What a file is to hold.
#[derive(Clone, Copy, Debug)]
enum Form {
    Page,
    Markdown,
    Json,
}

impl Form {
    /// By the end of its name.
    fn of(path: &Path) -> Result<Self> {
        let end = path.extension().and_then(|end| end.to_str()).map(str::to_ascii_lowercase);
        match end.as_deref() {
            Some("html" | "htm") => Ok(Self::Page),
            Some("md" | "markdown") => Ok(Self::Markdown),
            Some("json") => Ok(Self::Json),
            _ => Err(Error::new(
                Exit::Usage,
                format!("`{}` does not say what to write", name_of(path)),
            )
            .hint("--out report.html, report.md or report.json")),
        }
    }
}

fn deliver(session: &Session<'_>, report: &Report, out: Option<(&Path, Form)>) -> Result<()> {
    // Serialising to memory fails only for maps with keys that are no text; there are none here.
    let mut json = serde_json::to_vec_pretty(report).unwrap_or_default();
    json.push(b'\n');
    if let Some((path, form)) = out {
        match form {
            Form::Page => write_private(path, html::report(report).as_bytes())?,
            Form::Markdown => write_private(path, markdown::report(report).as_bytes())?,
            Form::Json => write_private(path, &json)?,
        }
    }
    let saved = out.map(|(path, _)| name_of(path));
    match session.format {
        Format::Json => session.terminal.print_bytes(&json),
        Format::Markdown => session.terminal.print(&markdown::report(report)),
        Format::Text | Format::Commands => {
            let screen = session.terminal.screen();
            session.terminal.print(&text::report(report, screen, saved.as_deref()));
        }
    }
    Ok(())
}

fn trace(path: &Path) -> Result<Traced> {
    let bytes = read_file(path)?;
    let trace = Trace::parse(&bytes, &name_of(path))?;
    Ok(Traced { file: path.display().to_string(), sha256: sha256(&bytes), trace })
}

/// The incident that is asked for: the one that was named, or the trace's.
fn incident(session: &Session<'_>, traced: Option<&Traced>) -> Result<Option<String>> {
    let of_trace = traced.and_then(|traced| traced.trace.incident.clone());
    match (&session.incident, of_trace) {
        (Some(named), Some(other)) if *named != other => Err(Error::new(
            Exit::Usage,
            format!("the trace is of incident `{other}`, and not of `{named}`"),
        )
        .hint("leave out --incident, or give the trace of that incident")),
        (named, of_trace) => Ok(named.clone().or(of_trace)),
    }
}

fn nobody(session: &Session<'_>, incident: Option<&str>, broken: Option<Error>) -> Error {
    let place = session.store.location();
    let of = incident.map(|id| format!(" of incident `{id}`")).unwrap_or_default();
    broken.unwrap_or_else(|| {
        Error::failed(format!("there is no record{of} in `{}`", shown(&place)))
            .hint("ringfence state list shows what there is; --state names another place")
            .hint("a trace can be told alone: --trace TRACE.json")
    })
}

/// Refuses to write over what a report is made of: the trace, and the store's own files.
fn spare(session: &Session<'_>, out: &Path, trace: Option<&Path>) -> Result<()> {
    let refuse = |what: &str| {
        Err(Error::new(Exit::Usage, format!("`{}` is {what}", name_of(out)))
            .because("the report would take its place")
            .hint("give the report a name of its own: --out report.html"))
    };
    if trace.is_some_and(|trace| is_same(out, trace)) {
        return refuse("the trace that the report is made of");
    }
    let Store::Local(store) = &session.store else { return Ok(()) };
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).canonicalize();
    let (Ok(folder), Ok(store)) = (folder, store.location().canonicalize()) else { return Ok(()) };
    // What lies beside the folders of the accounts is no record.
    let account = folder.strip_prefix(&store).ok().and_then(|inside| inside.iter().next());
    let account = account.and_then(|name| name.to_str()).map(str::parse::<AccountId>);
    if matches!(account, Some(Ok(_))) { refuse("a file of the store") } else { Ok(()) }
}

/// Whether two paths lead to one file.
fn is_same(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let place = |path: &Path| std::fs::metadata(path).map(|meta| (meta.dev(), meta.ino()));
    matches!((place(one), place(other)), (Ok(one), Ok(other)) if one == other)
}

/// Refuses a trace of another account. One of the same incident is told: an incident may have several accounts.
fn same_account(source: &Source) -> Result<()> {
    let traced = source.trace.as_ref().and_then(|traced| traced.trace.incident.as_ref());
    let (Some(accounts), None) = (foreign(source), traced) else { return Ok(()) };
    let mut own: Vec<&str> =
        source.principals.iter().map(|one| one.state.account_id.as_str()).collect();
    own.sort_unstable();
    own.dedup();
    Err(Error::new(Exit::Usage, format!("the trace is of account {accounts}"))
        .because(format!("the report would be of account {}", own.join(", ")))
        .hint("give the trace of that account, or leave out --trace"))
}

/// What the store has of those that are asked for, and of the others.
#[derive(Default)]
struct Found {
    principals: Vec<Recorded>,
    others: Vec<Recorded>,
    unreadable: Vec<(String, String)>,
    broken: Vec<Error>,
}

async fn found(
    session: &Session<'_>,
    named: &[Who],
    incident: Option<&str>,
    traced: bool,
) -> Result<Found> {
    let mut found = Found::default();
    for who in named {
        let (key, state) = session.find_who(who).await?;
        found.principals.push(recorded(session, &key, state).await);
    }
    // Whose record belongs to none is told alone.
    let alone = |one: &Recorded| one.state.incident.is_none();
    if !named.is_empty() && incident.is_none() && !traced && found.principals.iter().all(alone) {
        return Ok(found);
    }
    let told: Vec<Key> = found.principals.iter().map(|one| Key::of_state(&one.state)).collect();
    for (key, state) in session.store.list().await? {
        match state {
            Ok(_) if told.contains(&key) => {}
            Ok(state) => {
                let one = recorded(session, &key, state).await;
                if named.is_empty() && incident.is_none_or(|id| is_of(&one, id)) {
                    found.principals.push(one);
                } else {
                    found.others.push(one);
                }
            }
            Err(error) => {
                found.unreadable.push((key.to_string(), in_words(&error)));
                if named.is_empty() {
                    found.broken.push(error);
                }
            }
        }
    }
    Ok(found)
}

/// Whether a principal is, or was, part of an incident.
fn is_of(one: &Recorded, incident: &str) -> bool {
    let plans = of_runs(one.runs.iter().map(|run| run.plan.as_ref().ok()));
    one.state.incident.as_deref() == Some(incident)
        || plans.iter().any(|of| of.as_deref() == Some(incident))
}

/// Everything that the store has of a principal; what cannot be read of it is part of what is told.
async fn recorded(session: &Session<'_>, key: &Key, state: State) -> Recorded {
    let mut runs = Vec::new();
    for run in &state.runs {
        let plan = session.store.plan_bytes(key, &run.id).await;
        let plan = plan.and_then(|bytes| Plan::parse(&bytes, &format!("plan of {}", run.id)));
        let journal = session.store.journal(key, &run.id).await;
        runs.push(RecordedRun {
            plan: plan.map_err(|error| in_words(&error)),
            journal: journal.map_err(|error| in_words(&error)),
        });
    }
    let contradiction = session.store.verify(key, &state).await.err();
    Recorded {
        runs,
        // Who holds the lock is told where it can be told.
        holder: session.store.holder(key).await.ok().flatten().map(|owner| owner.words()),
        contradiction: contradiction.map(|error| in_words(&error)),
        state,
    }
}

fn in_words(error: &Error) -> String {
    let cause = error.cause().map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{}{cause}", error.message())
}

/// How the principals stand now. A report does not wait for credentials: what was not read is said (D2.12).
async fn now(session: &Session<'_>, states: &[State]) -> Now {
    if states.is_empty() {
        return Now::NotRead("nobody in it was contained from here".to_owned());
    }
    match status::reading(session, states).await {
        Ok(report) => Now::Read(report),
        Err(error) => {
            let why = in_words(&error);
            session.terminal.note(&format!("warning: nothing was read for the report: {why}"));
            Now::NotRead(why)
        }
    }
}
