//! What has occurred in all runs together.

use std::collections::BTreeMap;

/// What has to occur, and how often in a thousand runs at the least.
const WANTED: [(&str, u64); 0] = [];

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage(pub BTreeMap<String, u64>);

impl Coverage {
    pub fn add(&mut self, what: impl Into<String>) {
        *self.0.entry(what.into()).or_insert(0) += 1;
    }

    pub fn merge(&mut self, other: Self) {
        for (what, times) in other.0 {
            *self.0.entry(what).or_insert(0) += times;
        }
    }

    /// What did not occur nearly as often as it should, with as many runs.
    pub fn missing(&self, runs: u64) -> Vec<String> {
        let short = |(what, least): &&(&str, u64)| {
            let times: u64 =
                self.0.iter().filter(|(name, _)| name.starts_with(what)).map(|(_, n)| n).sum();
            times < (least * runs).div_ceil(1000)
        };
        WANTED
            .iter()
            .filter(short)
            .map(|(what, least)| format!("{what}: {least} in 1000 runs"))
            .collect()
    }

    pub fn table(&self) -> String {
        self.0.iter().map(|(what, times)| format!("{times:>8} {what}\n")).collect()
    }
}
