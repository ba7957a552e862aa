//! Tests of the sandbox as a whole.

mod adversary;
mod bad_input;
mod dumps;
mod instance_profiles;
mod lag;
mod nouns;
mod quotas;
mod roles;
mod server_certificates;
mod sessions;
mod signing;
mod trail;
mod trouble;
mod wire;

use super::{ACCOUNT, ADMINISTRATOR, Answer, Credentials, Lag, Player, Random, Sandbox};
use jiff::{SignedDuration, Timestamp};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// When every test begins.
const START: i64 = 1_790_000_000;

const DENY_ALL: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#;
const ALLOW_ALL: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

/// A sandbox whose clock stands still until it is moved.
struct Stage {
    sandbox: Sandbox,
    clock: Arc<AtomicI64>,
}

impl Stage {
    fn new() -> Self {
        let clock = Arc::new(AtomicI64::new(START));
        let hand = clock.clone();
        let time = move || Timestamp::from_second(hand.load(Ordering::SeqCst)).unwrap();
        Self { sandbox: Sandbox::new(time), clock }
    }

    fn wait(&self, seconds: i64) {
        self.clock.fetch_add(seconds, Ordering::SeqCst);
    }

    fn lag(&self, seconds: i64) {
        self.sandbox.edit(|world| world.lag = SignedDuration::from_secs(seconds));
    }

    fn player(&self, credentials: Credentials) -> Player {
        Player::new(self.sandbox.clone(), credentials)
    }

    fn admin(&self) -> Player {
        self.player(self.sandbox.admin())
    }

    /// Calls as the administrator, and must succeed.
    fn ok(&self, action: &str, parameters: &[(&str, &str)]) -> Answer {
        ok(&self.admin(), action, parameters)
    }

    /// Calls as the administrator; the code of what comes.
    fn code(&self, action: &str, parameters: &[(&str, &str)]) -> String {
        self.admin().call(action, parameters).code().to_owned()
    }

    /// A user with a key, who may do everything.
    fn user(&self, name: &str) -> Player {
        self.ok("iam:CreateUser", &[("UserName", name)]);
        let all = [("UserName", name), ("PolicyName", "all"), ("PolicyDocument", ALLOW_ALL)];
        self.ok("iam:PutUserPolicy", &all);
        self.key(name)
    }

    /// A further key of a user.
    fn key(&self, name: &str) -> Player {
        let answer = self.ok("iam:CreateAccessKey", &[("UserName", name)]);
        self.player(answer.credentials().unwrap())
    }

    /// What a caller mints.
    fn mint(&self, by: &Player, action: &str, parameters: &[(&str, &str)]) -> Player {
        self.player(ok(by, action, parameters).credentials().unwrap())
    }

    fn put(&self, user: &str, policy: &str, document: &str) {
        let all = [("UserName", user), ("PolicyName", policy), ("PolicyDocument", document)];
        self.ok("iam:PutUserPolicy", &all);
    }
}

fn ok(by: &Player, action: &str, parameters: &[(&str, &str)]) -> Answer {
    let answer = by.call(action, parameters);
    assert!(answer.is_ok(), "{action} {parameters:?}: {}", answer.body);
    answer
}

/// Whether a caller can do something that a policy can deny.
fn alive(player: &Player) -> bool {
    let answer = player.list_buckets();
    assert!(answer.is_ok() || answer.status == 403, "{}", answer.body);
    answer.is_ok()
}

/// A file of the fixtures; none where they are not there, which is said loudly.
pub(super) fn fixture(name: &str) -> Option<String> {
    let path = fixtures().join(name);
    let text = std::fs::read_to_string(&path).ok();
    if text.is_none() {
        eprintln!("NOT RUN: {} is not there", path.display());
    }
    text
}

#[allow(clippy::disallowed_methods, reason = "where the fixtures are is told by the environment")]
fn fixtures() -> PathBuf {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/fixtures");
    std::env::var_os("RINGFENCE_FIXTURES").map_or_else(|| PathBuf::from(default), PathBuf::from)
}
