//! `ringfence state list`

use crate::cli::session::{Session, name_of, read_file};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::incident;
use crate::plan::Plan;
use crate::render::text;
use crate::standing::stage;
use crate::state::State;
use crate::text::shown;
use crate::trace::Trace;
use crate::view::{Named, StateLine};
use std::io::Read;
use std::path::{Path, PathBuf};

/// So many bytes of a file say whether it is a trace or a plan of an incident.
const HEAD: u64 = 2048;

pub(super) async fn run(session: &Session<'_>, files: &[PathBuf]) -> Result<Exit> {
    let mut exit = Exit::Done;
    let mut lines = Vec::new();
    for (key, state) in session.store.list().await? {
        let state = match state {
            Ok(state) => state,
            Err(error) => {
                session.terminal.error(&error);
                exit = error.exit();
                lines.push(StateLine {
                    account_id: Some(key.account),
                    id: Some(key.id),
                    name: Named::of(key.kind, None),
                    stage: "cannot be read".to_owned(),
                    posture: None,
                    serial: None,
                    reached: None,
                    incident: None,
                    incident_stage: None,
                    last_run: None,
                    known_from: None,
                    break_glass: Vec::new(),
                });
                continue;
            }
        };
        lines.push(StateLine {
            account_id: Some(key.account),
            id: Some(key.id),
            name: Named::of(state.principal.kind, Some(state.principal.name.clone())),
            stage: stage(&state, session.context.now()),
            posture: Some(state.posture.name.clone()),
            serial: Some(state.serial),
            reached: Some(incident::stage(&state)),
            incident: state.incident.clone(),
            incident_stage: None,
            last_run: state.runs.last().map(|run| run.id.clone()),
            known_from: None,
            break_glass: without_approval(&state),
        });
    }
    incident::join(&mut lines, assessed(session, files)?);
    if let Some(incident) = &session.incident {
        lines.retain(|line| line.incident.as_ref() == Some(incident));
    }
    incident::group(&mut lines);
    // Serialising to memory fails only for maps with keys that are no text; there are none here.
    let mut json = serde_json::to_vec_pretty(&lines).unwrap_or_default();
    json.push(b'\n');
    let shown = if lines.is_empty() {
        format!("No state in `{}`.\n", shown(&session.store.location()))
    } else {
        text::state_list(&lines, session.terminal.screen())
    };
    session.print(&shown, &json, || shown.clone());
    Ok(exit)
}

fn without_approval(state: &State) -> Vec<String> {
    let runs = state.runs.iter().filter(|run| run.break_glass.is_some());
    runs.map(|run| run.id.clone()).collect()
}

/// What traces and plans say of incidents. Those of the working directory are looked for where none is named: they
/// lie there as the store and the configuration do.
fn assessed(session: &Session<'_>, files: &[PathBuf]) -> Result<Vec<StateLine>> {
    if !files.is_empty() {
        let lines = files.iter().map(|path| {
            let lines = lines_of(path)?;
            let none = lines.iter().all(|line| line.incident.is_none());
            if none { Err(of_none(path)) } else { Ok(lines) }
        });
        return Ok(lines.collect::<Result<Vec<_>>>()?.concat());
    }
    // A rehearsal finds nothing that it was not given.
    if session.sdk().is_some() {
        return Ok(Vec::new());
    }
    let Ok(folder) = std::fs::read_dir(".") else { return Ok(Vec::new()) };
    let mut paths: Vec<PathBuf> =
        folder.filter_map(|entry| Some(PathBuf::from(entry.ok()?.file_name()))).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "json") && names_incident(path));
    paths.sort();
    // What only looks like one is somebody else's file.
    Ok(paths.iter().filter_map(|path| lines_of(path).ok()).flatten().collect())
}

/// Whether a file begins as a trace or a plan does that names an incident.
fn names_incident(path: &Path) -> bool {
    if !std::fs::metadata(path).is_ok_and(|meta| meta.is_file()) {
        return false;
    }
    let mut head = Vec::new();
    let read = std::fs::File::open(path).map(|file| file.take(HEAD).read_to_end(&mut head));
    let head = String::from_utf8_lossy(&head);
    let names = ["\"format_version\"", "\"ringfence_version\"", "\"incident\": \""];
    read.is_ok() && names.iter().all(|name| head.contains(name))
}

fn of_none(path: &Path) -> Error {
    Error::failed(format!("`{}` belongs to no incident", name_of(path)))
        .hint("plan and trace record one: --incident ID")
}

fn lines_of(path: &Path) -> Result<Vec<StateLine>> {
    let (bytes, name) = (read_file(path)?, name_of(path));
    match (Plan::parse(&bytes, &name), Trace::parse(&bytes, &name)) {
        (Ok(plan), _) => Ok(incident::planned(&plan, &name)),
        (_, Ok(trace)) => Ok(incident::traced(&trace, &name)),
        (Err(plan), Err(trace)) => Err(Error::failed(format!("`{name}` is no plan and no trace"))
            .detail(plan.message().to_owned())
            .detail(trace.message().to_owned())
            .hint("give what plan --out or trace --out has written")),
    }
}
