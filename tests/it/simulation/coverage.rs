//! What has occurred in all runs together.

use std::collections::BTreeMap;

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

    pub fn table(&self) -> String {
        self.0.iter().map(|(what, times)| format!("{times:>8} {what}\n")).collect()
    }
}
