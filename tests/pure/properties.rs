//! What always holds of the pure modules, whatever the user, the posture, and what others do meanwhile.

pub mod model;
pub mod strategies;

mod containing;
mod parsing;
mod partial;
mod releasing;
mod renewing;
mod twice;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

/// Runs a property. `PROPTEST_CASES` runs that many cases in place of `cases`, and
/// `PROPTEST_MAX_SHRINK_ITERS` bounds the search for the smallest case.
///
/// No file of regressions: a failure prints its smallest case, which then becomes a test of its own.
pub fn property<S: Strategy>(cases: u32, strategy: &S, test: impl Fn(S::Value)) {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(cases);
    let config = Config::default();
    let max_shrink_iters = config.max_shrink_iters.min(4000);
    let config = Config { cases, failure_persistence: None, max_shrink_iters, ..config };
    let outcome = TestRunner::new(config).run(strategy, |case| {
        test(case);
        Ok::<(), TestCaseError>(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
