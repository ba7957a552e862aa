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
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many seeds the test command runs.
const SEEDS: u64 = 500;

/// Without optimisation, futures within futures take more than a thread has otherwise.
const STACK: usize = 32 << 20;

/// What a seed came to.
struct Outcome {
    wrong: Vec<String>,
    report: String,
    coverage: Coverage,
}

#[test]
fn every_incident_from_a_seed_keeps_the_rules() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let only = number("RINGFENCE_SEED");
    let from = only.or(number("RINGFENCE_SEEDS_FROM")).unwrap_or(0);
    let count = if only.is_some() { 1 } else { number("RINGFENCE_SEEDS").unwrap_or(SEEDS) };
    let (next, failed) = (AtomicU64::new(from), Mutex::new(Vec::new()));
    let coverage = Mutex::new(Coverage::default());
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let thread = std::thread::Builder::new().stack_size(STACK);
            let work = || {
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= from + count {
                        return;
                    }
                    let outcome = simulated(seed);
                    coverage.lock().unwrap().merge(outcome.coverage);
                    if !outcome.wrong.is_empty() {
                        failed.lock().unwrap().push((seed, outcome.wrong, outcome.report));
                    } else if only.is_some() {
                        println!("{}", outcome.report);
                    }
                }
            };
            thread.spawn_scoped(scope, work).unwrap();
        }
    });
    println!("{}", coverage.lock().unwrap().table());
    let mut failed = failed.into_inner().unwrap();
    failed.sort();
    if let Some((_, _, report)) = failed.first() {
        println!("{report}");
    }
    let all: Vec<String> =
        failed.iter().map(|(seed, wrong, _)| format!("seed {seed}: {}", wrong[0])).collect();
    assert!(all.is_empty(), "{} of {count} seeds:\n{}", all.len(), all.join("\n"));
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
            let report = report(&course).await;
            Outcome { wrong: course.wrong.clone(), report, coverage: course.coverage.clone() }
        })
    };
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or(panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let wrong = format!("it panics: {}", text.unwrap_or_default());
        let report =
            format!("seed {seed}: {wrong}\n{:#?}\n{}", drawn::Drawn::of(seed), replay(seed));
        Outcome { wrong: vec![wrong], report, coverage: Coverage::default() }
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
    format!(
        "---- seed {}\n{:#?}\n---- the line\n{}---- the adversary\n{}---- the journals\n{}---- what happened\n{}\n{}",
        course.drawn.seed,
        course.drawn,
        lines(line),
        lines(deeds),
        course.journals().await,
        lines(course.story.clone()),
        replay(course.drawn.seed),
    )
}
