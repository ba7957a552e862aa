//! A sandbox on a port of this machine whose clock a test can move, and the program that calls it.

use super::wire::{Reply, Wire};
use crate::support::{Credentials, Ran};
use jiff::{SignedDuration, Timestamp};
use ringfence::sandbox::Sandbox;
use ringfence::sandbox::serve::Door;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tempfile::TempDir;

pub const RINGFENCE: &str = env!("CARGO_BIN_EXE_ringfence");

/// A clock as far from the machine's as a test says.
#[derive(Clone, Default)]
pub struct Offset(Arc<AtomicI64>);

impl Offset {
    pub fn now(&self) -> Timestamp {
        Timestamp::now() + SignedDuration::from_secs(self.0.load(Ordering::SeqCst))
    }

    pub fn forward(&self, by: SignedDuration) {
        self.0.fetch_add(by.as_secs(), Ordering::SeqCst);
    }
}

pub struct Place {
    pub sandbox: Sandbox,
    pub clock: Offset,
    pub port: u16,
    pub directory: TempDir,
}

impl Place {
    pub fn new() -> Self {
        let clock = Offset::default();
        let sandbox = {
            let clock = clock.clone();
            Sandbox::new(move || clock.now())
        };
        let port = serve(sandbox.clone());
        Self { sandbox, clock, port, directory: TempDir::new().unwrap() }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The same sandbox behind another endpoint.
    pub fn other_door(&self) -> String {
        format!("http://127.0.0.1:{}", serve(self.sandbox.clone()))
    }

    pub fn wire(&self) -> Wire {
        Wire { port: self.port, now: self.clock.now() }
    }

    pub fn admin(&self) -> Credentials {
        held(&self.sandbox.admin())
    }

    /// Calls as the administrator what must succeed.
    #[track_caller]
    pub fn make(&self, action: &str, with: &[(&str, &str)]) -> Reply {
        let reply = self.wire().call(&self.admin(), action, with);
        assert_eq!(reply.code(), "ok", "{action}: {}", reply.body);
        reply
    }
}

/// The sandbox's credentials, as the test's client takes them.
pub fn held(credentials: &ringfence::sandbox::Credentials) -> Credentials {
    Credentials {
        id: credentials.access_key_id.clone(),
        secret: credentials.secret_access_key.clone(),
        token: credentials.session_token.clone(),
    }
}

/// Serves until the test ends.
fn serve(sandbox: Sandbox) -> u16 {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let door = Door::open(0).await.unwrap();
            tell.send(door.port()).unwrap();
            door.serve(&sandbox).await;
        });
    });
    told.recv().unwrap()
}

/// A command in a clean room, which can call nothing but this machine.
pub fn command(program: impl AsRef<Path>, folder: &Path, url: &str, who: &Credentials) -> Command {
    assert!(url.starts_with("http://127.0.0.1:"), "{url} leads away from this machine");
    let mut command = Command::new(program.as_ref());
    command
        .env_clear()
        .current_dir(folder)
        .stdin(Stdio::null())
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", folder)
        .env("TMPDIR", folder)
        .env("LANG", "C.UTF-8")
        .env("AWS_ENDPOINT_URL", url)
        .env("AWS_REGION", "us-east-1")
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_PAGER", "")
        .env("NO_PROXY", "127.0.0.1")
        .env("AWS_ACCESS_KEY_ID", &who.id)
        .env("AWS_SECRET_ACCESS_KEY", &who.secret);
    if let Some(token) = &who.token {
        command.env("AWS_SESSION_TOKEN", token);
    }
    command
}

/// Runs a command to its end.
pub fn ran(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    Ran {
        command: format!("{command:?}").split_whitespace().last().unwrap_or_default().to_owned(),
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The folder that `tests/run` prepared.
pub fn emulators() -> PathBuf {
    std::env::var_os("RINGFENCE_EMULATORS").expect("run these tests with tests/run").into()
}

/// A new key of somebody who may approve, `key-PERSON`, listed in the store.
pub fn signer(folder: &Path, person: &str) {
    let key = format!("key-{person}");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", person, "-f", &key])
        .current_dir(folder)
        .env("HOME", folder)
        .status()
        .expect("these tests need ssh-keygen: install OpenSSH's client");
    assert!(made.success());
    let public = std::fs::read_to_string(folder.join(format!("{key}.pub"))).unwrap();
    let store = folder.join("state");
    std::fs::create_dir_all(&store).unwrap();
    let list = store.join("allowed_signers");
    let before = std::fs::read_to_string(&list).unwrap_or_default();
    std::fs::write(list, format!("{before}{person} {public}")).unwrap();
}

/// Runs ringfence.
pub fn ringfence(folder: &Path, url: &str, who: &Credentials, arguments: &[&str]) -> Ran {
    // Time goes by only where a test moves it: what settling does is tested where it is asked for.
    let configuration = folder.join("ringfence.toml");
    if !configuration.exists() {
        std::fs::write(&configuration, "[limits]\nsettle = \"0s\"\n").unwrap();
    }

    ran(command(RINGFENCE, folder, url, who).args(arguments))
}
