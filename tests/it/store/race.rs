//! Two processes that want the same lock, a hundred times: each time exactly one gets it.

use super::ground::{Ground, key, owner, s3_store};
use crate::support::Credentials;
use ringfence::store::Store;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

const ROUNDS: usize = 100;

/// Says to a racer where the race is.
const WHERE: &str = "RINGFENCE_TEST_RACE";

/// Not a test of its own: the processes that the others start. Each line that it is sent is a round: it tries,
/// says whether it won, and at the next line lets go.
#[test]
#[ignore = "a process of the tests in this file"]
fn racer() {
    let Ok(place) = std::env::var(WHERE) else { return };
    let store = if place.starts_with("http") {
        Store::S3(s3_store(&place, &Credentials::root(), Path::new(".")))
    } else {
        Store::local(Path::new(&place))
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut held = None;
    for line in std::io::stdin().lines() {
        let said = match line.unwrap().as_str() {
            "try" => {
                held = runtime.block_on(store.lock(&key(), &owner("racer"))).unwrap();
                if held.is_some() { "won" } else { "lost" }
            }
            _ => {
                if let Some(lock) = held.take() {
                    runtime.block_on(ringfence::store::Locked::release(lock)).unwrap();
                }
                "free"
            }
        };
        // Past the test harness, which keeps what a test prints to itself.
        writeln!(std::io::stderr(), "{said}").unwrap();
    }
}

struct Racer {
    child: Child,
    orders: ChildStdin,
    words: BufReader<std::process::ChildStderr>,
    _out: ChildStdout,
}

impl Racer {
    fn start(place: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::race::racer", "--ignored", "--nocapture"])
            .env_clear()
            .env(WHERE, place)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            orders: child.stdin.take().unwrap(),
            words: BufReader::new(child.stderr.take().unwrap()),
            _out: child.stdout.take().unwrap(),
            child,
        }
    }

    fn tell(&mut self, order: &str) {
        writeln!(self.orders, "{order}").unwrap();
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.words.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }
}

impl Drop for Racer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn race(g: &Ground, place: &str) {
    let mut racers = [Racer::start(place), Racer::start(place)];
    let mut wins = [0, 0];
    for round in 0..ROUNDS {
        // Who is told first does not always win, and does not always lose.
        let first = round % 2;
        racers[first].tell("try");
        racers[1 - first].tell("try");
        let said: Vec<String> = racers.iter_mut().map(Racer::hear).collect();
        let won: Vec<usize> = (0..2).filter(|n| said[*n] == "won").collect();
        assert_eq!(won.len(), 1, "round {round}: {said:?}");
        wins[won[0]] += 1;
        assert_eq!(g.go(g.store().holder(&key())).unwrap().unwrap().who, "racer");
        for racer in &mut racers {
            racer.tell("release");
        }
        for racer in &mut racers {
            assert_eq!(racer.hear(), "free");
        }
        assert_eq!(g.go(g.store().holder(&key())).unwrap(), None);
    }
    assert_eq!(wins[0] + wins[1], ROUNDS);
    eprintln!("won: {wins:?}");
}

#[test]
fn for_a_lock_in_a_folder() {
    let g = &Ground::folder();
    race(g, &g.dir().join("state").display().to_string());
}

#[test]
fn for_a_lock_in_a_bucket() {
    let g = &Ground::ministack();
    race(g, &g.bucket().emulator.url());
}
