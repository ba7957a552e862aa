//! One test's world: an empty account on an emulator, the proxy before it, and a folder to work in.

use super::emulator::emulators;
use super::redact::{alias, redact};
use super::{Aws, Credentials, Emulator, Facts, Invocation, Kind, Proxy, Ran, tree};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The program under test.
const RINGFENCE: &str = env!("CARGO_BIN_EXE_ringfence");

pub struct World {
    /// The emulator's root, past the proxy.
    pub admin: Aws,
    /// The user that ringfence is run as, an ordinary one with an administrator's permissions.
    pub responder: Credentials,
    pub proxy: Proxy,
    pub emulator: Emulator,
    directory: TempDir,
    host: String,
    aliases: RefCell<Vec<(String, String)>>,
}

impl World {
    pub fn ministack() -> Self {
        Self::new(Kind::Ministack)
    }

    pub fn moto() -> Self {
        Self::new(Kind::Moto)
    }

    pub fn new(kind: Kind) -> Self {
        Self::with(kind, &[])
    }

    /// With further settings of the emulator.
    pub fn with(kind: Kind, settings: &[(&str, &str)]) -> Self {
        let emulator = Emulator::start(kind, settings);
        let proxy = Proxy::start(emulator.port, emulator.clock.clone(), kind.lacks());
        let admin = Aws::new(&emulator.url(), &Credentials::root());
        admin.user("responder");
        let responder = admin.key("responder");
        let directory = TempDir::new().unwrap();
        // An emulator's time does not move by itself: what settling does is tested where it is asked for.
        let configuration = directory.path().join("ringfence.toml");
        std::fs::write(&configuration, "[limits]\nsettle = \"0s\"\n").unwrap();
        std::fs::set_permissions(&configuration, std::fs::Permissions::from_mode(0o600)).unwrap();
        Self {
            admin,
            responder,
            proxy,
            emulator,
            directory,
            host: gethostname::gethostname().to_string_lossy().into_owned(),
            aliases: RefCell::default(),
        }
    }

    /// Where the program runs, and its HOME.
    pub fn dir(&self) -> &Path {
        self.directory.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    /// What `sha256sum` says of a file.
    pub fn sha256sum(&self, name: &str) -> String {
        let ran = Command::new("sha256sum").arg(self.path(name)).output().unwrap();
        let text = String::from_utf8(ran.stdout).unwrap();
        text.split_whitespace().next().unwrap_or_default().to_owned()
    }

    /// The name of the fence that a plan writes.
    pub fn fence_of(&self, plan: &str) -> String {
        let text = self.read(plan);
        let start = text.find("RingfenceFence-").expect("the plan has a fence");
        text[start..start + "RingfenceFence-".len() + 8].to_owned()
    }

    /// What this machine is called.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// A user with a key, named in what is shown as `USER` and `KEY`; both may be called otherwise.
    pub fn victim(&self, user: &str) -> Credentials {
        let id = self.admin.user(user);
        self.alias(&id, &format!("ID-OF-{}", user.to_ascii_uppercase()));
        let key = self.admin.key(user);
        self.alias(&key.id, &format!("KEY-OF-{}", user.to_ascii_uppercase()));
        key
    }

    /// From now on what is shown calls this by that name.
    pub fn alias(&self, id: &str, name: &str) {
        self.aliases.borrow_mut().push((id.to_owned(), alias(id, name)));
    }

    /// A text without what differs at every run.
    pub fn redact(&self, text: &str) -> String {
        let text = text.replace(&self.dir().display().to_string(), "DIR");
        let text = text.replace(&format!("from {}", self.host), "from HOST");
        let mut text = text.replace(&self.proxy.url(), "http://127.0.0.1:PORT");
        for (id, name) in self.aliases.borrow().iter() {
            text = text.replace(id, name);
        }
        redact(&text)
    }

    /// The program, as the responder, through the proxy.
    pub fn command(&self, arguments: &[&str]) -> Invocation<'_> {
        Invocation::new(self, RINGFENCE.into(), arguments, &self.responder, &self.proxy.url())
    }

    /// Runs the program.
    pub fn ringfence(&self, arguments: &[&str]) -> Ran {
        self.command(arguments).run()
    }

    /// Runs it and reads what it printed as JSON.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let ran = self.ringfence(arguments).exits(0);
        serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}", ran.out))
    }

    /// Runs it on a terminal of its own, where somebody types this.
    pub fn on_a_terminal(&self, arguments: &[&str], typed: &str) -> Ran {
        const TERMINAL: &str =
            "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
        let python = emulators().join("bin/python");
        let arguments = [&["-c", TERMINAL, RINGFENCE], arguments].concat();
        let invocation =
            Invocation::new(self, python, &arguments, &self.responder, &self.proxy.url());
        invocation.typed(typed).run()
    }

    /// Runs a script of commands for the AWS CLI.
    pub fn shell(&self, script: &str) -> Ran {
        let path = format!("{}:/usr/bin:/bin", emulators().join("cli").display());
        let invocation =
            Invocation::new(self, "/bin/sh".into(), &[script], &self.responder, &self.proxy.url());
        invocation.env("PATH", path).run()
    }

    /// Runs a command that the program has printed.
    #[track_caller]
    pub fn as_printed(&self, line: &str, more: &[&str]) -> Ran {
        let mut words = line.split_whitespace();
        assert_eq!(words.next(), Some("ringfence"), "{line}");
        let mut arguments: Vec<&str> = words.collect();
        arguments.extend(more);
        self.ringfence(&arguments)
    }

    /// Runs the AWS CLI, a client that nobody here wrote, past the proxy.
    pub fn aws(&self, credentials: &Credentials, arguments: &[&str]) -> Ran {
        let program = emulators().join("cli/aws");
        Invocation::new(self, program, arguments, credentials, &self.emulator.url()).run()
    }

    /// A client of the emulator with these credentials.
    pub fn client(&self, credentials: &Credentials) -> Aws {
        Aws::new(&self.emulator.url(), credentials)
    }

    pub fn facts(&self, user: &str) -> Facts {
        self.admin.facts(user)
    }

    /// Every file in the folder. An empty lock is no record, and neither is a folder.
    pub fn record(&self) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
        let mut files = tree(self.dir());
        files.retain(|path, (_, content)| {
            path.is_file() && !(path.ends_with("lock") && content.is_empty())
        });
        files
    }

    /// Runs what must be refused: with this status, an error of one line and a hint, and without any
    /// write, neither to IAM nor to the folder. Returns what was said.
    #[track_caller]
    pub fn refused(&self, code: i32, arguments: &[&str]) -> String {
        self.refuses(code, self.command(arguments))
    }

    /// The same, for a command that is special otherwise.
    #[track_caller]
    pub fn refuses(&self, code: i32, command: Invocation<'_>) -> String {
        let before = self.record();
        self.proxy.take_calls();
        let ran = command.run().exits(code);
        assert_eq!(self.proxy.writes(), [""; 0], "something was written to IAM\n{}", ran.err);
        assert_eq!(self.record(), before, "something was written to the folder\n{}", ran.err);
        let first = ran.err.lines().next().unwrap_or_default();
        assert!(first.starts_with("error: "), "{}", ran.err);
        assert!(ran.err.lines().any(|line| line.starts_with("hint: ")), "no hint:\n{}", ran.err);
        let control = |c: char| c.is_control() && c != '\n';
        assert!(!ran.err.contains(control), "not escaped: {:?}", ran.err);
        self.redact(&ran.err)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let calls: Vec<String> =
                self.proxy.calls().into_iter().map(|call| call.action).collect();
            eprintln!("calls of the program: {}", calls.join(" "));
            eprintln!("the end of the log of {}:\n{}", self.emulator.kind, self.emulator.log());
        }
    }
}
