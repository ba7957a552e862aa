//! Where a store's tests happen: a folder, or a bucket of an emulator behind the proxy. And the things that
//! they store.

use crate::support::{Aws, Credentials, Emulator, Kind, Proxy};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_iam::config::{Credentials as SdkCredentials, SharedCredentialsProvider};
use aws_smithy_http_client::Builder;
use aws_smithy_types::retry::RetryConfig;
use jiff::Timestamp;
use ringfence::error::Error;
use ringfence::journal::Event;
use ringfence::lineage::Lineage;
use ringfence::plan::{Kind as RunKind, PrincipalKind};
use ringfence::posture::Posture;
use ringfence::state::{Principal, Run, RunEnd, State};
use ringfence::store::{Key, LocalStore, Location, Locked, Owner, RunLog, S3Store, Spooled, Store};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

pub const RUN: &str = "20261121T031240Z-7c41e09a";
pub const BUCKET: &str = "incidents";
const PREFIX: &str = "prod";
const ID: &str = "AIDA3EXAMPLEUSERID12";

/// A place with an empty store.
pub struct Ground {
    directory: TempDir,
    bucket: Option<Bucket>,
    runtime: tokio::runtime::Runtime,
}

/// What a bucket needs.
pub struct Bucket {
    pub admin: Aws,
    pub proxy: Proxy,
    pub emulator: Emulator,
}

impl Ground {
    pub fn folder() -> Self {
        Self::new(None)
    }

    pub fn ministack() -> Self {
        Self::bucket_on(Kind::Ministack)
    }

    pub fn moto() -> Self {
        Self::bucket_on(Kind::Moto)
    }

    fn bucket_on(kind: Kind) -> Self {
        let emulator = Emulator::start(kind, &[]);
        let proxy = Proxy::start(emulator.port, emulator.clock.clone(), kind.lacks());
        let admin = Aws::new(&emulator.url(), &Credentials::root());
        admin.bucket(BUCKET);
        Self::new(Some(Bucket { admin, proxy, emulator }))
    }

    fn new(bucket: Option<Bucket>) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { directory: TempDir::new().unwrap(), bucket, runtime }
    }

    /// Waits for something. (The clients that set the scene do so by themselves.)
    pub fn go<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Locks the principal, which nobody else holds.
    #[track_caller]
    pub fn locked(&self, store: &Store, who: &str) -> Locked {
        self.go(store.lock(&key(), &owner(who))).unwrap().expect("nobody else holds it")
    }

    /// Gives a lock back.
    #[track_caller]
    pub fn release(&self, locked: Locked) {
        self.go(locked.release()).unwrap();
    }

    /// Begins a run with so many entries.
    #[track_caller]
    pub fn begun(&self, locked: &mut Locked, run: &str, entries: u32) -> RunLog {
        let mut log = self.go(locked.start_run(run, b"the plan")).unwrap();
        for n in 1..=entries {
            self.go(log.append(at(i64::from(n)), going_on(n))).unwrap();
        }
        log
    }

    pub fn dir(&self) -> &Path {
        self.directory.path()
    }

    /// The bucket; these tests have one.
    pub fn bucket(&self) -> &Bucket {
        self.bucket.as_ref().expect("a test about a bucket")
    }

    pub fn proxy(&self) -> &Proxy {
        &self.bucket().proxy
    }

    /// The store, as another process would come to it: with a client of its own.
    pub fn store(&self) -> Store {
        match &self.bucket {
            None => Store::local(&self.directory.path().join("state")),
            Some(bucket) => {
                Store::S3(s3_store(&bucket.proxy.url(), &Credentials::root(), self.dir()))
            }
        }
    }

    /// The store in the bucket, as whoever has these credentials.
    pub fn s3(&self, credentials: &Credentials) -> S3Store {
        s3_store(&self.bucket().proxy.url(), credentials, self.dir())
    }

    /// Everything in the store, by path.
    pub fn content(&self) -> BTreeMap<String, Vec<u8>> {
        match &self.bucket {
            Some(bucket) => bucket
                .admin
                .objects(BUCKET)
                .into_iter()
                .map(|(key, bytes)| (key.strip_prefix("prod/").unwrap().to_owned(), bytes))
                .collect(),
            None => {
                let root = self.directory.path().join("state");
                crate::support::tree(&root)
                    .into_iter()
                    .filter(|(path, _)| path.is_file())
                    .map(|(path, (_, bytes))| {
                        (path.strip_prefix(&root).unwrap().display().to_string(), bytes)
                    })
                    .collect()
            }
        }
    }

    /// Writes into the store what nobody should, past everything.
    pub fn put(&self, path: &str, bytes: &[u8]) {
        match &self.bucket {
            Some(bucket) => {
                let put =
                    bucket.admin.s3.put_object().bucket(BUCKET).key(format!("{PREFIX}/{path}"));
                bucket.admin.make(put.body(bytes.to_vec().into()).send());
            }
            None => {
                let file = self.directory.path().join("state").join(path);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, bytes).unwrap();
            }
        }
    }

    /// Takes something away, past everything.
    pub fn take(&self, path: &str) {
        match &self.bucket {
            Some(bucket) => {
                let s3 = &bucket.admin.s3;
                let call = s3.delete_object().bucket(BUCKET).key(format!("{PREFIX}/{path}"));
                bucket.admin.make(call.send());
            }
            None => fs::remove_file(self.directory.path().join("state").join(path)).unwrap(),
        }
    }

    /// Takes the last entry of a journal away.
    pub fn shorten(&self, run: &str) {
        match &self.bucket {
            Some(_) => {
                let folder = format!("{}/runs/{run}/journal/", folder());
                let last = self.content().into_keys().rfind(|path| path.starts_with(&folder));
                self.take(&last.unwrap());
            }
            None => {
                let path = format!("{}/runs/{run}/journal.jsonl", folder());
                let lines = self.content().remove(&path).unwrap();
                let end = lines[..lines.len() - 1].iter().rposition(|byte| *byte == b'\n');
                self.put(&path, &lines[..end.map_or(0, |end| end + 1)]);
            }
        }
    }
}

/// A store in the bucket, through this endpoint, as whoever has these credentials.
pub fn s3_store(url: &str, credentials: &Credentials, spool: &Path) -> S3Store {
    let Location::Bucket(place) = Location::parse(&format!("s3://{BUCKET}/{PREFIX}")).unwrap()
    else {
        panic!("no bucket")
    };
    S3Store::from_config(place, &config(url, credentials)).with_spool(&spool.join("spool"))
}

pub fn config(url: &str, credentials: &Credentials) -> SdkConfig {
    let keys = SdkCredentials::new(
        &credentials.id,
        &credentials.secret,
        credentials.token.clone(),
        None,
        "test",
    );
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(Builder::new().build_http())
        .retry_config(RetryConfig::disabled())
        .region(Region::new("us-east-1"))
        .endpoint_url(url)
        .credentials_provider(SharedCredentialsProvider::new(keys))
        .build()
}

/// The principal's folder in the store.
pub fn folder() -> String {
    format!("123456789012/user/{ID}")
}

pub fn key() -> Key {
    Key {
        account: "123456789012".parse().unwrap(),
        kind: PrincipalKind::User,
        id: ID.parse().unwrap(),
    }
}

pub fn owner(who: &str) -> Owner {
    Owner { run: None, who: who.to_owned(), host: "ws-7".to_owned(), pid: 4242, since: at(0) }
}

pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_230_760 + seconds).unwrap()
}

pub fn event() -> Event {
    Event::RunFinished { complete: true }
}

pub fn going_on(n: u32) -> Event {
    Event::Intent {
        step: n,
        resource: "access_key/AKIA3EXAMPLE4LEAKED1".parse().unwrap(),
        action: "UpdateAccessKey".to_owned(),
        attempt: 1,
    }
}

pub fn state(serial: u64) -> State {
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
            arn: "arn:aws:iam::123456789012:user/Deploy-Bot".parse().unwrap(),
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

/// A run as a state remembers it; with its log it has ended.
pub fn run(id: &str, log: Option<&RunLog>) -> Run {
    Run {
        id: id.to_owned(),
        kind: RunKind::Contain,
        plan_sha256: "0".repeat(64),
        planned_by: None,
        applied_by: "arn:aws:iam::123456789012:user/responder".parse().unwrap(),
        applied_from: None,
        started_at: at(0),
        approvals: Vec::new(),
        break_glass: None,
        end: log.map(|log| RunEnd {
            at: at(9),
            complete: true,
            journal_entries: log.journal().len(),
            journal_head: log.journal().head().to_owned(),
        }),
    }
}

/// Ends the life of a lock as the death of its process does: nothing is given back.
pub fn dies<T>(held: T) {
    std::mem::forget(held);
}

/// The lock that a run whose record has moved to this folder has left in the bucket.
#[track_caller]
pub fn locked_else(g: &Ground, folder: &Path) -> Locked {
    let mark = Spooled::find(&LocalStore::new(folder), &key()).unwrap().unwrap();
    let store = g.s3(&Credentials::root());
    let taken = g.go(store.take_over(&key(), &mark.token, &owner("responder"))).unwrap();
    Locked::S3(taken.expect("the lock is there"))
}

#[track_caller]
pub fn says(error: &Error, words: &[&str]) {
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "no `{word}` in:\n{text}");
    }
    assert!(!error.hints().is_empty(), "no hint in:\n{text}");
    assert!(!error.message().contains('\n'), "{text}");
}
