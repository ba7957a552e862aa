//! An emulator of IAM and STS on a free loopback port, whose clock stands still until a test moves it.

use jiff::{SignedDuration, Timestamp};
use std::fmt;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// The two emulators; what each does is measured in `tests/emulators.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Ministack,
    Moto,
}

impl Kind {
    /// The reads that it answers with a 500 and a page of HTML, for want of them.
    pub const fn lacks(self) -> &'static [&'static str] {
        match self {
            Self::Ministack => &[],
            Self::Moto => &["ListServiceSpecificCredentials"],
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ministack => "ministack",
            Self::Moto => "moto",
        })
    }
}

/// The folder that `tests/run` prepares.
pub const EMULATORS: &str = "RINGFENCE_EMULATORS";

/// When every emulator's clock begins: long ago, so that no machine that runs the tests is behind it.
const BEGINNING: &str = "2024-11-21T03:10:00Z";

/// How often a port is lost to somebody else before a test gives up.
const PORTS: usize = 5;

/// Asked this often, and this far apart, whether an emulator answers: a minute on a slow machine.
const TRIES: usize = 3_000;
const PAUSE: Duration = Duration::from_millis(20);

/// The clock of an emulator, in whole seconds. It stands still.
#[derive(Clone, Debug)]
pub struct Clock {
    file: Arc<PathBuf>,
    second: Arc<AtomicI64>,
}

impl Clock {
    fn new(file: PathBuf) -> Self {
        let clock = Self { file: Arc::new(file), second: Arc::default() };
        clock.set(BEGINNING.parse().unwrap());
        clock
    }

    pub fn now(&self) -> Timestamp {
        Timestamp::from_second(self.second.load(Ordering::SeqCst)).unwrap()
    }

    pub fn set(&self, time: Timestamp) {
        let new = self.file.with_extension("new");
        fs::write(&new, time.as_second().to_string()).unwrap();
        fs::rename(&new, &*self.file).unwrap();
        self.second.store(time.as_second(), Ordering::SeqCst);
    }

    pub fn forward(&self, by: SignedDuration) {
        self.set(self.now() + by);
    }
}

/// A running emulator. It is killed when this is dropped, and ends by itself if the test is killed.
pub struct Emulator {
    pub kind: Kind,
    pub port: u16,
    pub clock: Clock,
    process: Process,
    directory: TempDir,
}

/// The folder that `tests/run` prepared.
///
/// # Panics
/// If it is not known.
pub fn emulators() -> PathBuf {
    let folder = std::env::var_os(EMULATORS);
    PathBuf::from(
        folder.unwrap_or_else(|| panic!("{EMULATORS} is not set: run these tests with tests/run")),
    )
}

impl Emulator {
    /// Starts one, empty, with further settings in its environment.
    ///
    /// # Panics
    /// If it does not come up; then its log is shown.
    pub fn start(kind: Kind, settings: &[(&str, &str)]) -> Self {
        let directory = TempDir::new().unwrap();
        fs::write(directory.path().join("sitecustomize.py"), include_str!("clock.py")).unwrap();
        let clock = Clock::new(directory.path().join("clock"));
        for _ in 0..PORTS {
            let port = free_port();
            let mut process = spawn(kind, port, directory.path(), settings);
            if is_ready(&mut process, kind, port, directory.path()) {
                return Self { kind, port, clock, process, directory };
            }
            // Another process took the port between its being found free and its being used.
        }
        panic!("{kind} could not be started on {PORTS} ports, its log:\n{}", log(directory.path()));
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The end of what it logged.
    pub fn log(&self) -> String {
        log(self.directory.path())
    }

    /// Ends it before the test does: then nobody answers.
    pub fn kill(&mut self) {
        self.process.kill();
    }
}

struct Process(Child);

impl Process {
    fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn free_port() -> u16 {
    let probe = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    probe.local_addr().unwrap().port()
}

fn spawn(kind: Kind, port: u16, directory: &Path, settings: &[(&str, &str)]) -> Process {
    let bin = emulators().join("bin");
    let port = port.to_string();
    let mut command = match kind {
        Kind::Ministack => {
            let mut command = Command::new(bin.join("ministack"));
            command.env_clear().envs([
                ("BIND_HOST", "127.0.0.1"),
                ("GATEWAY_PORT", &port),
                ("AUTH", "true"),
                ("IOT_MTLS_ENABLED", "0"),
                ("SFTP_ENABLED", "0"),
                ("MINISTACK_ACCOUNT_ID", "123456789012"),
                ("RINGFENCE_TEST_ANY_SKEW", "1"),
            ]);
            command
        }
        Kind::Moto => {
            let mut command = Command::new(bin.join("moto_server"));
            command.env_clear().env("MOTO_IAM_LOAD_MANAGED_POLICIES", "true");
            command.args(["-H", "127.0.0.1", "-p", &port]);
            command
        }
    };
    let log = File::create(directory.join("log")).unwrap();
    command
        .env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", bin.display()))
        .env("HOME", directory)
        .env("TMPDIR", directory)
        .env("LANG", "C.UTF-8")
        .env("PYTHONPATH", directory)
        .env("PYTHONUNBUFFERED", "1")
        .env("RINGFENCE_TEST_CLOCK", directory.join("clock"))
        .envs(settings.iter().copied())
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(log.try_clone().unwrap())
        .stderr(log);
    Process(command.spawn().unwrap_or_else(|error| {
        panic!("{kind} could not be started, is {EMULATORS} right? {error}")
    }))
}

/// Asks until it answers; `false` if it has ended.
fn is_ready(process: &mut Process, kind: Kind, port: u16, directory: &Path) -> bool {
    for _ in 0..TRIES {
        if process.0.try_wait().unwrap().is_some() {
            return false;
        }
        // Its own word that it has the port: another test's emulator would answer as well.
        if log(directory).contains(&format!("Running on http://127.0.0.1:{port}"))
            && answers(kind, port)
        {
            return true;
        }
        std::thread::sleep(PAUSE);
    }
    false
}

fn answers(kind: Kind, port: u16) -> bool {
    let path = match kind {
        Kind::Ministack => "/_ministack/ready",
        Kind::Moto => "/moto-api/",
    };
    let Ok(mut stream) = TcpStream::connect(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)) else {
        return false;
    };
    let asked = write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
    );
    let mut status = [0; 12];
    asked.is_ok() && stream.read_exact(&mut status).is_ok() && status.ends_with(b" 200")
}

fn log(directory: &Path) -> String {
    let log = fs::read(directory.join("log")).unwrap_or_default();
    let text = String::from_utf8_lossy(&log);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
