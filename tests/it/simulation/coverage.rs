//! What has occurred in all runs together.

use std::collections::BTreeMap;

/// What has to occur, and how often in a thousand runs at the least.
const WANTED: [(&str, u64); 63] = [
    ("posture revoke", 120),
    ("posture quarantine", 80),
    ("posture lockdown", 70),
    ("crash at a call", 200),
    ("crash at point ended", 40),
    ("crash at point fence-fixed", 6),
    ("crash at point intended", 40),
    ("crash at point journal-finished", 15),
    ("crash at point locked", 15),
    ("crash at point read-back", 25),
    ("crash at point recorded", 40),
    ("crash at point released", 10),
    ("crash at point run-stored", 12),
    ("crash at point state-begun", 10),
    ("crash at point state-finished", 12),
    ("crash at point verified", 6),
    ("a resume", 250),
    ("a moved fence", 100),
    ("an added step", 250),
    ("a step skipped", 18),
    ("asserted again", 500),
    ("refused on drift", 30),
    ("tampering seen by a run", 100),
    ("contained", 1000),
    ("contained once more after a release", 6),
    ("not contained: said in the plan", 15),
    ("a rollback", 700),
    ("a rollback resumed", 60),
    ("rollback of a run that was cut off", 25),
    ("rollback before its time", 60),
    ("rollback that lifts the fence", 12),
    ("rollback that re-activates", 20),
    ("rollback that steps down", 30),
    ("everything restored", 250),
    ("fate Cut", 1000),
    ("fate FailedAfter", 1000),
    ("fate FailedBefore", 1000),
    ("fate Refused", 1000),
    ("fate ReplyLost", 1000),
    ("fate RequestLost", 1000),
    ("fate ShortPage", 500),
    ("fate StoppedAfter", 80),
    ("fate StoppedBefore", 300),
    ("fate Throttled", 1000),
    ("tampering Boundary", 100),
    ("tampering DeleteKey", 40),
    ("tampering DeletePolicy", 20),
    ("tampering Detach", 2),
    ("tampering FillAccount", 1),
    ("tampering FillAttached", 300),
    ("tampering FillInline", 70),
    ("tampering Grant", 60),
    ("tampering Groups", 200),
    ("tampering MakeKey", 70),
    ("tampering MakeServiceCredential", 60),
    ("tampering MintToken", 300),
    ("tampering OverwritePolicy", 12),
    ("tampering Reactivate", 40),
    ("tampering Replace", 10),
    ("tampering ReplaceUser", 6),
    ("tampering SetPassword", 90),
    ("tampering SquatName", 90),
    ("tampering UploadSshKey", 60),
];

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

    /// What did not occur nearly as often as it should, with as many runs: the fewer, the more is left to chance.
    pub fn missing(&self, runs: u64) -> Vec<String> {
        let short = |(what, least): &&(&str, u64)| {
            let times: u64 =
                self.0.iter().filter(|(name, _)| name.starts_with(what)).map(|(_, n)| n).sum();
            let wanted = least * runs / 1000;
            // Of few runs chance makes more or less.
            times + wanted.isqrt() < wanted
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
