//! `ringfence state unlock`

use super::{Session, whose};
use crate::error::Result;
use crate::exit::Exit;
#[cfg(feature = "s3")]
use crate::store::Broken;
use crate::store::{Key, Owner, Store, Unlock};
use crate::text::option;
#[cfg(feature = "s3")]
use crate::text::shown;

pub(super) async fn run(session: &Session<'_>, user: &str, auto_approve: bool) -> Result<Exit> {
    let (key, name) = whose(session, user).await?;
    match session.store.unlock(&key).await? {
        Unlock::NotLocked => {
            session.terminal.print(&format!("{} `{name}` is not locked.", key.kind.title()))
        }
        Unlock::StaleRemoved(owner) => session.terminal.print(&format!(
            "Cleared what a run that died had left: {}.\nringfence status {} tells what holds.",
            owner.words(),
            option(&format!("--{}", key.kind), &name)
        )),
        Unlock::HeldBy(owner) => {
            return break_lock(session, &key, &name, &owner, auto_approve).await;
        }
    }
    Ok(Exit::Done)
}

/// A lock of the operating system's is held by a live process, and cannot be broken; one in a bucket stays when
/// its holder dies, so a person has to say that it is to go.
async fn break_lock(
    session: &Session<'_>,
    key: &Key,
    name: &str,
    owner: &Owner,
    auto_approve: bool,
) -> Result<Exit> {
    match &session.store {
        Store::Local(_) => {
            let _ = (name, auto_approve);
            Err(session.store.locked_error(key).await.detail(format!(
                "the operating system releases it when process {} ends",
                owner.pid
            )))
        }
        #[cfg(feature = "s3")]
        Store::S3(store) => {
            if let Some(folder) = store.record_elsewhere(key).await {
                let folder = folder.display().to_string();
                return Err(session.store.locked_error(key).await.detail(format!(
                    "it was not broken: that record could not be taken back then; to give it up, move `{}` away",
                    shown(&folder)
                )));
            }
            if !auto_approve {
                session
                    .terminal
                    .confirm(&format!(
                        "The state of {} `{name}` is locked: {}.\n\
                     If that process still runs, it stops at its next write. Break the lock?",
                        key.kind,
                        owner.words()
                    ))
                    .await?;
            }
            let by = session.owner();
            let broken = store.break_lock(key, owner, &by, session.context.now()).await?;
            tell(session, key, name, owner, broken).await
        }
    }
}

/// What became of the lock.
#[cfg(feature = "s3")]
async fn tell(
    session: &Session<'_>,
    key: &Key,
    name: &str,
    owner: &Owner,
    broken: Broken,
) -> Result<Exit> {
    let entry = match broken {
        Broken::NotLocked => {
            session
                .terminal
                .print(&format!("{} `{name}` is not locked any more.", key.kind.title()));
            return Ok(Exit::Done);
        }
        Broken::HeldBy(other) => {
            return Err(session.store.locked_error(key).await.detail(format!(
                "it has changed hands since you were asked, and was not broken: {}",
                other.words()
            )));
        }
        Broken::Gone { tombstone } => tombstone,
    };
    let noted = entry.map_or_else(String::new, |n| {
        let run = owner.run.as_deref().unwrap_or_default();
        format!("Entry {n} of the journal of run {} says so, and stops that run.\n", shown(run))
    });
    session.terminal.print(&format!(
        "The lock is broken: {}.\n{noted}ringfence status {} tells what holds.",
        owner.words(),
        option(&format!("--{}", key.kind), name)
    ));
    Ok(Exit::Done)
}
