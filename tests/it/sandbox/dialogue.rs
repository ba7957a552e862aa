//! The program at a terminal, and somebody who reads what it asks before they answer.

use super::place::{Place, RINGFENCE, command, emulators};
use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

/// What every question ends with.
pub const QUESTION: &str = "goes on: ";
/// What Ctrl-C sends.
pub const CTRL_C: &str = "\u{3}";

pub struct Dialogue {
    child: Child,
    keys: ChildStdin,
    out: Receiver<Vec<u8>>,
    said: String,
}

impl Dialogue {
    pub fn start(place: &Place, arguments: &[&str]) -> Self {
        const TERMINAL: &str =
            "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
        let python = emulators().join("bin/python");
        let mut child = command(python, place.directory.path(), &place.url(), &place.admin())
            .args(["-c", TERMINAL, RINGFENCE, "--no-color"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (tell, out) = std::sync::mpsc::channel();
        let mut from = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            let mut part = [0; 4096];
            while let Ok(read @ 1..) = from.read(&mut part) {
                if tell.send(part[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        let keys = child.stdin.take().unwrap();
        Self { child, keys, out, said: String::new() }
    }

    /// Waits for these words; what was said up to them is done with.
    #[track_caller]
    pub fn until(&mut self, words: &str) {
        loop {
            if let Some((_, rest)) = self.said.split_once(words) {
                self.said = rest.to_owned();
                return;
            }
            assert!(self.hears(), "`{words}` was never said:\n{}", self.said);
        }
    }

    pub fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// How it ended, and what it had still said.
    #[track_caller]
    pub fn ends(mut self) -> (i32, String) {
        while self.hears() {}
        (self.child.wait().unwrap().code().unwrap(), std::mem::take(&mut self.said))
    }

    /// Hears more; `false` where it has ended.
    #[track_caller]
    fn hears(&mut self) -> bool {
        match self.out.recv_timeout(Duration::from_mins(1)) {
            Ok(more) => {
                self.said.push_str(&String::from_utf8_lossy(&more));
                true
            }
            Err(RecvTimeoutError::Disconnected) => false,
            Err(RecvTimeoutError::Timeout) => panic!("it says nothing more:\n{}", self.said),
        }
    }
}

/// It would ask for ever where a test has failed.
impl Drop for Dialogue {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
