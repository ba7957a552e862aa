//! What `findings` says: each finding, and how a containment starts from it.

use crate::finding::{Finding, Start};
use crate::text::option;
use serde::Serialize;

/// The findings about a key or a user, or those of a file.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FindingsReport {
    /// The format of this report.
    pub format_version: u32,
    /// The findings, the oldest first.
    pub findings: Vec<Judged>,
    /// What of the input was no finding.
    pub skipped: Option<Skipped>,
    /// What could not be asked or is not known.
    pub unknown: Vec<Unknown>,
}

/// A finding, and what can be done from it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Judged {
    /// The finding.
    #[serde(flatten)]
    pub finding: Finding,
    /// The command that plans a containment of whom it names.
    pub command: Option<String>,
    /// Why no containment starts from it.
    pub unusable: Option<String>,
}

/// Parts of the input that were no findings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Skipped {
    /// How many.
    pub count: usize,
    /// Why the first is none.
    pub first: String,
}

/// What is not known, and why: never to be taken for none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Unknown {
    /// What.
    pub what: String,
    /// Why.
    pub why: String,
}

impl FindingsReport {
    /// Judges findings.
    #[must_use]
    pub fn of(
        mut findings: Vec<Finding>,
        skipped: Option<(usize, String)>,
        unknown: Vec<Unknown>,
    ) -> Self {
        findings.sort_by(|a, b| (a.first_seen, &a.id).cmp(&(b.first_seen, &b.id)));
        let judged = |finding: Finding| {
            let start = finding.start();
            Judged {
                command: start.as_ref().ok().map(command),
                unusable: start.err().map(|unusable| unusable.why),
                finding,
            }
        };
        Self {
            format_version: crate::finding::FORMAT_VERSION,
            findings: findings.into_iter().map(judged).collect(),
            skipped: skipped.map(|(count, first)| Skipped { count, first }),
            unknown,
        }
    }
}

fn command(start: &Start) -> String {
    let mut words = vec!["ringfence plan".to_owned()];
    words.extend(start.keys.iter().map(|key| format!("--access-key {key}")));
    words.extend(start.users.iter().map(|user| option("--user", user.as_str())));
    words.extend(start.roles.iter().map(|role| option("--role", role)));
    words.extend(start.since.map(|since| format!("--since {since}")));
    // A name may be somebody else's in another account.
    let named = !start.users.is_empty() || !start.roles.is_empty();
    let account = start.account.as_ref().filter(|_| named);
    words.extend(account.map(|account| format!("  # with credentials of account {account}")));
    words.join(" ")
}
