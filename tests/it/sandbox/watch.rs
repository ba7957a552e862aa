//! `status --watch`, as a person and as a program read it.

use super::place::{Place, RINGFENCE, command, ringfence};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::Duration;

const USER: &str = "deploy-bot";

/// A user whose leaked key is off.
fn contained() -> (Place, String) {
    let place = Place::new();
    place.make("iam:CreateUser", &[("UserName", USER)]);
    let made = place.make("iam:CreateAccessKey", &[("UserName", USER)]);
    let key = made.text("AccessKeyId").unwrap().to_owned();
    let apply = ["apply", "--access-key", &key, "--auto-approve"];
    ringfence(place.directory.path(), &place.url(), &place.admin(), &apply).exits(0);
    (place, key)
}

fn turn_on(place: &Place, key: &str) {
    let on = [("UserName", USER), ("AccessKeyId", key), ("Status", "Active")];
    place.make("iam:UpdateAccessKey", &on);
}

/// A watch under way, and the lines that it prints.
struct Watch {
    child: Child,
    lines: Receiver<String>,
    /// What it says beside them.
    notes: Receiver<String>,
}

fn lines_of(out: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (tell, lines) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            if tell.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// The next line that has these words: one that never comes is a failure, and no test that never ends.
fn next(lines: &Receiver<String>, words: &str) -> String {
    loop {
        let line = lines.recv_timeout(Duration::from_mins(2));
        let line = line.unwrap_or_else(|_| panic!("`{words}` was never said"));
        if line.contains(words) {
            return line;
        }
    }
}

impl Watch {
    fn start(place: &Place, more: &[&str]) -> Self {
        let mut child = command(RINGFENCE, place.directory.path(), &place.url(), &place.admin())
            .args(["status", "--watch", "1s"])
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = lines_of(child.stdout.take().unwrap());
        let notes = lines_of(child.stderr.take().unwrap());
        Self { child, lines, notes }
    }

    /// The next line that has these words.
    fn line(&self, words: &str) -> String {
        next(&self.lines, words)
    }

    /// Interrupts it, as Ctrl-C does, and says how it ended and what it had still printed.
    fn interrupted(mut self) -> (i32, Vec<String>) {
        let process = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &process]).status().unwrap().success());
        let status = self.child.wait().unwrap();
        (status.code().unwrap(), self.lines.iter().collect())
    }
}

/// It would watch for ever where a test has failed.
impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_watch_tells_what_changes_and_ends_as_it_looked_last() {
    let (place, key) = contained();
    let watch = Watch::start(&place, &[]);
    let first = watch.line(USER);
    assert_eq!(first.split_whitespace().nth(1), Some("contained"), "{first}");
    turn_on(&place, &key);
    // What did not change was not said again: the next line about the user is news.
    let next = watch.line(USER);
    assert_eq!(next.split_whitespace().nth(1), Some("weakened"), "{next}");
    watch.line("is Active again");
    watch.line(&format!("ringfence apply --again --user {USER}"));
    assert_eq!(watch.interrupted().0, 2);
}

#[test]
fn a_watch_over_what_holds_ends_well() {
    let (place, _) = contained();
    let watch = Watch::start(&place, &["--user", USER]);
    watch.line("contained");
    assert_eq!(watch.interrupted().0, 0);
}

/// What was told before is not true any more, and that is news.
#[test]
fn a_watch_whose_record_is_gone_says_so() {
    let (place, _) = contained();
    let watch = Watch::start(&place, &[]);
    watch.line("contained");
    let state = place.directory.path().join("state");
    std::fs::rename(&state, place.directory.path().join("away")).unwrap();
    next(&watch.notes, "Nobody is contained");
    // And back again.
    std::fs::rename(place.directory.path().join("away"), state).unwrap();
    watch.line("contained");
    assert_eq!(watch.interrupted().0, 0);
}

#[test]
fn as_json_every_look_is_a_line() {
    let (place, key) = contained();
    let watch = Watch::start(&place, &["--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(&watch.line("{")).unwrap();
    assert_eq!(report["principals"][0]["standing"], "contained");
    turn_on(&place, &key);
    let line = watch.line("\"weakened\"");
    let report: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(report["principals"][0]["findings"][0]["what"], "is Active again");
    assert_eq!(watch.interrupted().0, 2);
}

#[test]
fn as_json_every_look_at_nobody_is_a_line_too() {
    let place = Place::new();
    let none = ringfence(
        place.directory.path(),
        &place.url(),
        &place.admin(),
        &["status", "--format", "json"],
    );
    let watch = Watch::start(&place, &["--format", "json"]);
    for _ in 0..2 {
        assert_eq!(watch.line("{"), none.out.trim_end());
    }
    assert_eq!(watch.interrupted().0, 0);
}

/// What is wrong with a record is news once, and again when something else is wrong with it.
#[test]
fn a_broken_record_is_told_when_it_changes() {
    let (place, _) = contained();
    let users = place.directory.path().join("state/123456789012/user");
    let broken = users.join("AIDABROKENBROKEN00000");
    std::fs::create_dir_all(&broken).unwrap();
    std::fs::write(broken.join("state.json"), "{").unwrap();
    let mut watch = Watch::start(&place, &["--format", "json"]);
    for _ in 0..3 {
        watch.line("{");
    }
    std::fs::write(broken.join("state.json"), "{}").unwrap();
    for _ in 0..3 {
        watch.line("{");
    }
    let notes = std::mem::replace(&mut watch.notes, std::sync::mpsc::channel().1);
    assert_eq!(watch.interrupted().0, 1);
    let errors: Vec<String> = notes.iter().filter(|line| line.starts_with("error:")).collect();
    assert_eq!(errors.len(), 2, "{errors:?}");
}
