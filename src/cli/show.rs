//! `ringfence show`

use super::approvals::beside;
use super::args::{Format, ShowArgs};
use super::session::{Session, read_file};
use crate::approval::{Examination, Verdict};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::journal::{Entry, Journal};
use crate::plan::{Plan, sha256};
use crate::render::{Saved, commands, markdown, text};
use crate::state::State;
use crate::store::Key;
use crate::text::shown;
use std::collections::BTreeMap;
use std::path::Path;

pub(super) async fn run(session: &Session<'_>, args: &ShowArgs) -> Result<Exit> {
    let path = Path::new(&args.what);
    if path.is_file() {
        return file(session, &args.what, &read_file(path)?).await;
    }
    let runs = session.store.find_run(&args.what).await.unwrap_or_default();
    let Some(key) = runs.first() else {
        return Err(Error::failed(format!("`{}` is neither a file nor a run", shown(&args.what)))
            .hint("ringfence state history USER lists the runs there are"));
    };
    let bytes = session.store.plan_bytes(key, &args.what).await?;
    let plan = Plan::parse(&bytes, &format!("plan of {}", args.what))?;
    if session.format == Format::Commands {
        return show_plan(session, &plan, &bytes, None, None);
    }
    let mut journals = Vec::new();
    for key in &runs {
        journals.push((key, session.store.journal(key, &args.what).await?));
    }
    match session.format {
        Format::Markdown => {
            session.terminal.print(&markdown::plan(&plan, None, None));
            for (_, journal) in &journals {
                session.terminal.print(&markdown::run(journal));
            }
            return Ok(Exit::Done);
        }
        Format::Json => {
            let of =
                |(key, journal): &(&Key, Journal)| (key.id.to_string(), journal.entries().to_vec());
            let journals: BTreeMap<String, Vec<Entry>> = journals.iter().map(of).collect();
            let run = serde_json::json!({ "run": args.what, "plan": plan, "journals": journals });
            session.terminal.print(&format!("{run:#}"));
            return Ok(Exit::Done);
        }
        Format::Text | Format::Commands => {}
    }
    let digest = sha256(&bytes);
    for (_, journal) in &journals {
        let saved = Saved { path: &args.what, digest: &digest, unapproved: false };
        session.terminal.print(&text::run(&plan, journal, session.terminal.screen(), Some(&saved)));
    }
    Ok(Exit::Done)
}

async fn file(session: &Session<'_>, name: &str, bytes: &[u8]) -> Result<Exit> {
    let is_state = serde_json::from_slice::<serde_json::Value>(bytes)
        .is_ok_and(|value| value.get("resources").is_some() && value.get("serial").is_some());
    if is_state {
        let state = State::parse(bytes, name)?;
        if session.format == Format::Commands {
            return Err(Error::new(Exit::Usage, "a state has no commands")
                .hint("show its plan: ringfence state history USER"));
        }
        let shown = text::state(&state, session.terminal.screen(), session.context.now());
        session.print(&shown, &state.bytes(), || markdown::state(&state));
        return Ok(Exit::Done);
    }
    let plan = Plan::parse(bytes, name)?;
    // JSON and commands are the plan's own, and need no store.
    if !matches!(session.format, Format::Text | Format::Markdown) {
        return show_plan(session, &plan, bytes, Some(name), None);
    }
    let signatures = beside(Path::new(name))?;
    let (examination, _) = session.examined(&plan, bytes, &signatures).await?;
    let exit = show_plan(session, &plan, bytes, Some(name), Some(&examination))?;
    if session.format == Format::Text {
        show_approvals(session, &examination.verdict, signatures.is_empty());
    }
    Ok(exit)
}

/// Who has approved the plan, where anything is asked for or was signed.
fn show_approvals(session: &Session<'_>, verdict: &Verdict, unsigned: bool) {
    if !unsigned || verdict.needed > 0 || verdict.too_old.is_some() {
        let shown = text::approvals(verdict, session.terminal.screen());
        session.terminal.print(&format!("\n{shown}"));
    }
}

fn show_plan(
    session: &Session<'_>,
    plan: &Plan,
    bytes: &[u8],
    name: Option<&str>,
    judged: Option<&Examination>,
) -> Result<Exit> {
    if session.format == Format::Commands {
        session.terminal.print(&commands::plan(plan));
        return Ok(Exit::Done);
    }
    let digest = sha256(bytes);
    let unapproved = judged.is_some_and(|judged| !judged.verdict.is_met());
    let saved = name.map(|path| Saved { path, digest: &digest, unapproved });
    let shown = text::plan(plan, session.terminal.screen(), saved.as_ref());
    session.print(&shown, bytes, || markdown::plan(plan, saved.as_ref(), judged));
    Ok(Exit::Done)
}
