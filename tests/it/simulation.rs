//! Whole incidents from a seed: users, a bad line, an adversary, crashes; and what has to hold in each.
//!
//! `RINGFENCE_SEEDS=20000` runs more of them, `RINGFENCE_SEEDS_FROM=7000` others, and `RINGFENCE_SEED=1234`
//! exactly one.

mod checks;
mod course;
mod coverage;
mod drawn;
mod giving_back;
mod ledger;
mod stage;
mod tool;
mod truth;

use course::Course;
use coverage::Coverage;
use ringfence::plan::sha256;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many seeds the test command runs: about a minute and a half of two cores.
const SEEDS: u64 = 500;

/// Without optimisation, futures within futures take more than a thread has otherwise.
const STACK: usize = 32 << 20;

/// What a seed came to.
struct Outcome {
    wrong: Vec<String>,
    /// All about it, where something is wrong or one seed alone was asked for.
    report: String,
    /// Of all about it.
    digest: String,
    coverage: Coverage,
}

#[test]
fn every_incident_from_a_seed_keeps_the_rules() {
    let only = number("RINGFENCE_SEED");
    let from = only.or(number("RINGFENCE_SEEDS_FROM")).unwrap_or(0);
    let count = if only.is_some() { 1 } else { number("RINGFENCE_SEEDS").unwrap_or(SEEDS) };
    let mut coverage = Coverage::default();
    let mut failed = Vec::new();
    for (seed, outcome) in all((from..from + count).collect()) {
        if !outcome.wrong.is_empty() {
            failed.push((seed, outcome.wrong, outcome.report));
        } else if only.is_some() {
            println!("{}", outcome.report);
        }
        coverage.merge(outcome.coverage);
    }
    println!("{}", coverage.table());
    if let Some((_, _, report)) = failed.first() {
        println!("{report}");
    }
    let lines: Vec<String> =
        failed.iter().map(|(seed, wrong, _)| format!("seed {seed}: {}", wrong[0])).collect();
    assert!(lines.is_empty(), "{} of {count} seeds:\n{}", lines.len(), lines.join("\n"));
    let missing = if count < SEEDS { Vec::new() } else { coverage.missing(count) };
    assert!(missing.is_empty(), "it hardly ever happens: {missing:?}");
}

#[test]
fn a_seed_is_the_same_incident_whoever_runs_it() {
    let twice: Vec<u64> = (0..5).flat_map(|seed| [seed, seed]).collect();
    let outcomes = all(twice);
    for pair in outcomes.chunks(2) {
        assert_eq!(pair[0].1.digest, pair[1].1.digest, "seed {}", pair[0].0);
    }
    assert_ne!(outcomes[0].1.digest, outcomes[2].1.digest);
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Runs seeds on every core, and gives what they came to in the order of the seeds.
fn all(seeds: Vec<u64>) -> Vec<(u64, Outcome)> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    let work = || {
        while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::SeqCst)) {
            let outcome = simulated(*seed);
            if let Some(wrong) = outcome.wrong.first() {
                eprintln!("seed {seed}: {wrong}");
            }
            done.lock().unwrap().push((*seed, outcome));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let thread = std::thread::Builder::new().stack_size(STACK);
            thread.spawn_scoped(scope, work).unwrap();
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|(seed, _)| *seed);
    done
}

/// Runs one seed in a runtime of its own, whose clock moves when everything waits.
fn simulated(seed: u64) -> Outcome {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut course = Course::new(seed);
            course.run().await;
            let mut report = report(&course).await;
            let digest = sha256(report.as_bytes());
            if course.fine() && number("RINGFENCE_SEED").is_none() {
                report.clear();
            }
            let (wrong, coverage) = (course.wrong.clone(), course.coverage.clone());
            Outcome { wrong, report, digest, coverage }
        })
    };
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or(panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let wrong = format!("it panics: {}", text.unwrap_or_default());
        let report =
            format!("seed {seed}: {wrong}\n{:#?}\n{}", drawn::Drawn::of(seed), replay(seed));
        Outcome {
            wrong: vec![wrong],
            digest: sha256(report.as_bytes()),
            report,
            coverage: Coverage::default(),
        }
    })
}

fn replay(seed: u64) -> String {
    format!("RINGFENCE_SEED={seed} tests/run every_incident_from_a_seed --no-capture\n")
}

/// Everything about a run, in the order in which it is asked.
async fn report(course: &Course) -> String {
    let lines =
        |items: Vec<String>| items.iter().map(|item| format!("{item}\n")).collect::<String>();
    let line = course.stage.line.log().iter().map(ToString::to_string).collect();
    let deeds =
        course.stage.adversary.as_ref().map(|adversary| adversary.log()).unwrap_or_default();
    let deeds = deeds.iter().map(ToString::to_string).collect();
    let told = format!(
        "---- seed {}\n{:#?}\n---- the line\n{}---- the adversary\n{}---- the journals\n{}---- what happened\n{}\n{}",
        course.drawn.seed,
        course.drawn,
        lines(line),
        lines(deeds),
        course.journals().await,
        lines(course.story.clone()),
        replay(course.drawn.seed),
    );
    told.replace(&course.stage.store.location(), "STORE")
}
