//! The local store against a real directory: what its tests have in common.

mod locks;
mod runs;
mod states;

use super::*;
use crate::error::Error;
use crate::journal::Event;
use crate::lineage::Lineage;
use crate::plan::{Kind, PrincipalKind};
use crate::posture::Posture;
use crate::state::{Principal, Run, RunEnd, State};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::TempDir;

pub(super) const RUN: &str = "20261121T031240Z-7c41e09a";

pub(super) fn key() -> Key {
    Key {
        account: "123456789012".parse().unwrap(),
        kind: PrincipalKind::User,
        id: "AIDA3EXAMPLEUSERID12".parse().unwrap(),
    }
}

pub(super) fn owner() -> Owner {
    Owner {
        run: Some(RUN.to_owned()),
        who: "arn:aws:iam::123456789012:user/responder".to_owned(),
        host: "ws-7".to_owned(),
        pid: 4242,
        since: at(0),
    }
}

pub(super) fn at(seconds: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(1_795_230_760 + seconds).unwrap()
}

pub(super) fn store() -> (TempDir, LocalStore) {
    let directory = TempDir::new().unwrap();
    let store = LocalStore::new(&directory.path().join("state"));
    (directory, store)
}

pub(super) fn locked(store: &LocalStore) -> LocalLock {
    store.lock(&key(), &owner()).unwrap().expect("nobody else holds it")
}

pub(super) fn state(serial: u64) -> State {
    let arn = "arn:aws:iam::123456789012:user/Deploy-Bot";
    State {
        format_version: 1,
        ringfence_version: "0.1.0".to_owned(),
        account_id: key().account,
        partition: "aws".to_owned(),
        endpoint: "https://iam.amazonaws.com".to_owned(),
        principal: Principal {
            kind: PrincipalKind::User,
            name: "Deploy-Bot".parse().unwrap(),
            id: key().id,
            arn: arn.parse().unwrap(),
        },
        incident: None,
        lineage: Lineage::new([7; 16]),
        previous_lineage: None,
        serial,
        posture: Posture::built_in("revoke").unwrap(),
        since: None,
        compromised: Vec::new(),
        sessions: Vec::new(),
        resources: BTreeMap::new(),
        clock: None,
        last_seen_contained: None,
        released_at: None,
        recoveries: Vec::new(),
        rights: std::collections::BTreeMap::new(),
        runs: Vec::new(),
    }
}

pub(super) fn run(id: &str, started: i64, end: Option<RunEnd>) -> Run {
    Run {
        id: id.to_owned(),
        kind: Kind::Contain,
        plan_sha256: "0".repeat(64),
        planned_by: None,
        applied_by: "arn:aws:iam::123456789012:user/responder".parse().unwrap(),
        applied_from: None,
        started_at: at(started),
        approvals: Vec::new(),
        break_glass: None,
        end,
    }
}

pub(super) fn event() -> Event {
    Event::RunFinished { complete: true }
}

pub(super) fn path_of(store: &LocalStore, rest: &str) -> std::path::PathBuf {
    store.location().join("123456789012/user/AIDA3EXAMPLEUSERID12").join(rest)
}

pub(super) fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

#[track_caller]
pub(super) fn assert_says(error: &Error, words: &[&str]) {
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "no `{word}` in:\n{text}");
    }
    assert!(!error.hints().is_empty(), "no hint in:\n{text}");
    assert!(!error.message().contains('\n'), "{text}");
}
