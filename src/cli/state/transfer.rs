//! `ringfence state pull` and `push`

use super::{Session, whose};
use crate::cli::args::Format;
use crate::cli::session::name_of;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::store::{Copied, Key, LocalStore, Locked, Store, copy};
use crate::text::{count, shell, shown};
use std::path::Path;

pub(super) async fn pull(session: &Session<'_>, user: &str, out: &Path) -> Result<Exit> {
    let to = Store::local(out);
    other_place(session, &to)?;
    let (key, name) = whose(session, user).await?;
    if let Some(owner) = session.store.holder(&key).await? {
        session
            .terminal
            .note(&format!("A run goes on, and this is its record so far: {}.", owner.words()));
    }
    let Some(mut locked) = to.lock(&key, &session.owner()).await? else {
        return Err(to.locked_error(&key).await);
    };
    let copied = copy(&session.store, &to, &mut locked).await?;
    locked.release().await?;
    let folder = name_of(out);
    said(session, &key, &copied, || {
        format!(
            "{} `{name}`: {}, from {} to {folder}.\nEvery journal is whole. It is a copy: what is done with --state {} is not known there.",
            key.kind.title(),
            words(&copied),
            shown(&session.store.location()),
            shell(&folder)
        )
    });
    Ok(Exit::Done)
}

pub(super) async fn push(session: &Session<'_>, from: &Path, users: &[String]) -> Result<Exit> {
    if !from.is_dir() {
        return Err(Error::failed(format!("`{}` is no folder of states", name_of(from)))
            .hint("give the folder in which ACCOUNT/user/PRINCIPAL_ID or ACCOUNT/role/PRINCIPAL_ID stands"));
    }
    let local = LocalStore::new(from);
    let source = Store::Local(local.clone());
    other_place(session, &source)?;
    let (keys, mut worst) = wanted(session, &source, users).await?;
    for key in &keys {
        match one(session, &local, &source, key).await {
            Ok(()) => {}
            Err(error) => {
                // One that cannot be taken over keeps no other from it.
                session.terminal.error(&error);
                worst = error.exit();
            }
        }
    }
    Ok(worst)
}

/// The principals that are meant: all of the folder, or those that were named.
async fn wanted(
    session: &Session<'_>,
    source: &Store,
    users: &[String],
) -> Result<(Vec<Key>, Exit)> {
    let nothing = |what: String| {
        Error::failed(what).hint(format!(
            "ringfence state list --state {} shows what there is",
            shell(&source.location())
        ))
    };
    let (mut keys, mut worst) = (Vec::new(), Exit::Done);
    if users.is_empty() {
        for (key, state) in source.list().await? {
            match state {
                Ok(_) => keys.push(key),
                Err(error) => {
                    session.terminal.error(&error);
                    worst = error.exit();
                }
            }
        }
    }
    for user in users {
        let found = match source.find(user).await {
            Ok(found) if found.is_empty() => Err(nothing(format!(
                "there is no state for user or role `{}` in `{}`",
                shown(user),
                shown(&source.location())
            ))),
            found => found,
        };
        match found {
            Ok(found) => keys.extend(found.into_iter().map(|(key, _)| key)),
            Err(error) => {
                session.terminal.error(&error);
                worst = error.exit();
            }
        }
    }
    if keys.is_empty() && worst == Exit::Done {
        return Err(nothing(format!("there is no state in `{}`", shown(&source.location()))));
    }
    Ok((keys, worst))
}

async fn one(session: &Session<'_>, local: &LocalStore, source: &Store, key: &Key) -> Result<()> {
    // Its process still writes here.
    if source.holder(key).await?.is_some() {
        return Err(source.locked_error(key).await);
    }
    session.store.check_writable(key).await?;
    let Some((mut locked, taken)) = lock(session, local, key).await? else {
        return Err(session.store.locked_error(key).await);
    };
    let copied = copy(source, &session.store, &mut locked).await?;
    locked.release().await?;
    // The folder is a record like any other from now on.
    #[cfg(feature = "s3")]
    crate::store::Spooled::forget(local, key)?;
    let name = match session.store.load(key).await? {
        Some(state) => state.principal.name.to_string(),
        None => key.id.to_string(),
    };
    said(session, key, &copied, || {
        let lock = if taken { "\nThe lock that its run had left there is released." } else { "" };
        format!(
            "{} `{name}`: {}, from {} to {}.{lock}",
            key.kind.title(),
            words(&copied),
            shown(&source.location()),
            shown(&session.store.location())
        )
    });
    Ok(())
}

/// The lock of the store, or the one that the record's own run still has there; and which of the two.
async fn lock(
    session: &Session<'_>,
    local: &LocalStore,
    key: &Key,
) -> Result<Option<(Locked, bool)>> {
    if let Some(locked) = session.store.lock(key, &session.owner()).await? {
        return Ok(Some((locked, false)));
    }
    match &session.store {
        Store::Local(_) => {
            let _ = local;
            Ok(None)
        }
        #[cfg(feature = "s3")]
        Store::S3(store) => {
            let Some(mark) = crate::store::Spooled::find(local, key)? else { return Ok(None) };
            let taken = store.take_over(key, &mark.token, &session.owner()).await?;
            Ok(taken.map(|locked| (Locked::S3(locked), true)))
        }
    }
}

fn other_place(session: &Session<'_>, other: &Store) -> Result<()> {
    let same = |a: &str, b: &str| match (Path::new(a).canonicalize(), Path::new(b).canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    };
    if same(&session.store.location(), &other.location()) {
        return Err(Error::new(
            Exit::Usage,
            format!("`{}` is both the one place and the other", shown(&other.location())),
        )
        .hint("name the store with --state: ringfence state push DIR --state s3://BUCKET/PREFIX"));
    }
    Ok(())
}

fn words(copied: &Copied) -> String {
    let what = match copied.serial {
        Some(serial) => format!("serial {serial}, {}", count(copied.runs, "run", "runs")),
        None => format!("{} and no state", count(copied.runs, "run", "runs")),
    };
    let entries = usize::try_from(copied.entries).unwrap_or(usize::MAX);
    match (copied.state, copied.entries) {
        (false, 0) => format!("{what}, all of it there already"),
        _ => format!("{what}, {} new", count(entries, "entry", "entries")),
    }
}

fn said(session: &Session<'_>, key: &Key, copied: &Copied, text: impl FnOnce() -> String) {
    if session.format != Format::Json {
        return session.terminal.print(&text());
    }
    let line = serde_json::json!({
        "account_id": key.account,
        "id": key.id,
        "serial": copied.serial,
        "runs": copied.runs,
        "new_entries": copied.entries,
        "state_written": copied.state,
    });
    session.terminal.print(&line.to_string());
}
