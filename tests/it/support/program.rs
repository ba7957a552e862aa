//! The program in a clean room: nothing of the environment of whoever runs the tests reaches it, and
//! it is not started at all if it could reach anything but this machine.

use super::{Credentials, World};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A command about to be run.
pub struct Invocation<'w> {
    world: &'w World,
    program: PathBuf,
    arguments: Vec<String>,
    environment: BTreeMap<String, OsString>,
    typed: Option<String>,
}

/// A command that has ended.
#[derive(Clone, Debug)]
pub struct Ran {
    pub command: String,
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// A command under way.
pub struct Running {
    command: String,
    child: Child,
}

impl<'w> Invocation<'w> {
    pub(super) fn new(
        world: &'w World,
        program: PathBuf,
        arguments: &[&str],
        credentials: &Credentials,
        endpoint: &str,
    ) -> Self {
        let home = world.dir().as_os_str().to_owned();
        let text = |text: &str| OsString::from(text);
        let environment = [
            ("PATH", text("/usr/bin:/bin")),
            ("HOME", home.clone()),
            ("TMPDIR", home),
            ("USER", text("responder")),
            ("LANG", text("C.UTF-8")),
            ("AWS_ENDPOINT_URL", text(endpoint)),
            ("AWS_REGION", text("us-east-1")),
            ("AWS_DEFAULT_REGION", text("us-east-1")),
            ("AWS_EC2_METADATA_DISABLED", text("true")),
            ("AWS_PAGER", text("")),
            ("NO_PROXY", text("127.0.0.1")),
        ];
        let new = Self {
            world,
            program,
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            environment: environment.map(|(key, value)| (key.to_owned(), value)).into(),
            typed: None,
        };
        new.credentials(credentials)
    }

    pub fn env(mut self, key: &str, value: impl Into<OsString>) -> Self {
        self.environment.insert(key.to_owned(), value.into());
        self
    }

    pub fn without(mut self, key: &str) -> Self {
        self.environment.remove(key);
        self
    }

    pub fn credentials(mut self, credentials: &Credentials) -> Self {
        self = self
            .env("AWS_ACCESS_KEY_ID", &credentials.id)
            .env("AWS_SECRET_ACCESS_KEY", &credentials.secret);
        match &credentials.token {
            Some(token) => self.env("AWS_SESSION_TOKEN", token),
            None => self.without("AWS_SESSION_TOKEN"),
        }
    }

    pub fn without_credentials(self) -> Self {
        self.without("AWS_ACCESS_KEY_ID")
            .without("AWS_SECRET_ACCESS_KEY")
            .without("AWS_SESSION_TOKEN")
    }

    /// Calls through another address of this machine.
    pub fn endpoint(self, url: &str) -> Self {
        self.env("AWS_ENDPOINT_URL", url)
    }

    /// What stands on its standard input, which is empty otherwise.
    pub fn typed(mut self, text: &str) -> Self {
        self.typed = Some(text.to_owned());
        self
    }

    /// Runs it to its end.
    pub fn run(self) -> Ran {
        self.start().wait()
    }

    /// Starts it.
    ///
    /// # Panics
    /// If it could reach anything but this machine.
    pub fn start(self) -> Running {
        self.guard();
        let name = self.program.file_name().unwrap().to_string_lossy().into_owned();
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .env_clear()
            .envs(&self.environment)
            .current_dir(self.world.dir())
            .stdin(if self.typed.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        if let (Some(text), Some(mut input)) = (self.typed, child.stdin.take()) {
            // It may end without reading it.
            let _ = input.write_all(text.as_bytes());
        }
        Running { command: format!("{name} {}", self.arguments.join(" ")), child }
    }

    /// Refuses to start a program that could call AWS, or a proxy on the way to it.
    fn guard(&self) {
        let endpoint = self
            .environment
            .get("AWS_ENDPOINT_URL")
            .and_then(|url| url.to_str())
            .unwrap_or_default();
        assert!(
            is_loopback(endpoint),
            "AWS_ENDPOINT_URL is `{endpoint}`: these tests call this machine only"
        );
        assert_eq!(
            self.environment.get("AWS_EC2_METADATA_DISABLED").and_then(|value| value.to_str()),
            Some("true"),
            "the metadata service of a cloud's machine must not be asked for credentials"
        );
        let mut arguments = self.arguments.iter();
        while let Some(argument) = arguments.next() {
            let url = match argument.strip_prefix("--endpoint-url") {
                Some("") => arguments.next().map_or("", String::as_str),
                Some(rest) => rest.trim_start_matches('='),
                None => continue,
            };
            assert!(
                is_loopback(url) || !url.contains("://"),
                "--endpoint-url is `{url}`: these tests call this machine only"
            );
        }
        for (key, value) in &self.environment {
            let upper = key.to_ascii_uppercase();
            let leads = upper.starts_with("AWS_ENDPOINT_URL")
                || (upper.ends_with("_PROXY") && upper != "NO_PROXY");
            assert!(
                !leads || value.to_str().is_some_and(is_loopback),
                "{key} leads away from this machine"
            );
        }
        for key in ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "HOME"] {
            if let Some(path) = self.environment.get(key) {
                assert!(
                    Path::new(path).starts_with(self.world.dir()),
                    "{key} lies outside the test's own folder"
                );
            }
        }
    }
}

fn is_loopback(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://127.0.0.1:") else { return false };
    rest.trim_end_matches('/').parse::<u16>().is_ok()
}

impl Running {
    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end by a signal.
    pub fn killed(mut self) {
        assert_eq!(self.child.wait().unwrap().code(), None, "it ended by itself");
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Ran {
        let mut err = self.child.stderr.take().unwrap();
        let errors = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            err.read_to_end(&mut bytes).map(|_| bytes)
        });
        let mut out = Vec::new();
        self.child.stdout.take().unwrap().read_to_end(&mut out).unwrap();
        let err = errors.join().unwrap().unwrap();
        let status = self.child.wait().unwrap();
        Ran {
            command: self.command,
            code: status.code().unwrap_or_else(|| panic!("ended by a signal: {status}")),
            out: String::from_utf8(out).unwrap(),
            err: String::from_utf8(err).unwrap(),
        }
    }
}

impl Ran {
    /// Asserts how it ended.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "$ {}\n{}{}", self.command, self.out, self.err);
        self
    }

    /// Asserts that it ended well and had nothing to complain of.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.err, "", "$ {}\n{}", self.command, self.out);
        self.exits(0)
    }

    /// The command and what it printed, as a person sees it.
    pub fn screen(&self) -> String {
        let end = if self.code == 0 { String::new() } else { format!("[exit {}]\n", self.code) };
        format!("$ {}\n{}{}{end}\n", self.command, self.out, self.err)
    }

    /// The line of what it printed that begins so, after white space.
    #[track_caller]
    pub fn line(&self, begins: &str) -> &str {
        let line = self.out.lines().map(str::trim).find(|line| line.starts_with(begins));
        line.unwrap_or_else(|| {
            panic!("no line begins with `{begins}`:\n$ {}\n{}{}", self.command, self.out, self.err)
        })
    }
}

/// Everything below a folder: the mode of each, and the content of the files.
pub fn tree(folder: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let Ok(metadata) = fs::symlink_metadata(folder) else { return found };
    let content = if metadata.is_file() { fs::read(folder).unwrap() } else { Vec::new() };
    found.insert(folder.to_owned(), (metadata.permissions().mode() & 0o7777, content));
    if metadata.is_dir() {
        for entry in fs::read_dir(folder).unwrap() {
            found.extend(tree(&entry.unwrap().path()));
        }
    }
    found
}
