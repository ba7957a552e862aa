//! Approvals: who has to sign a plan, who did, and whether that is enough. No I/O.
//!
//! A signature is over the bytes of the plan's file, in OpenSSH's own format (namespace [`NAMESPACE`]), and is
//! checked against an `allowed_signers` file. What an approval does not do: whoever holds credentials for IAM
//! can go around ringfence altogether.

pub mod effect;
mod examine;
mod record;
mod requirement;
mod signature;
mod signers;
#[cfg(test)]
mod tests;

pub use examine::{Examination, Local, Subject, TrustRoot, examine};
pub use record::contradiction;
pub use requirement::{InForce, Requirement, Source};
pub use signature::LARGEST;
pub use signers::Signers;

use crate::error::Error;
use crate::identity::Arn;
use crate::resource::Resource;
use crate::text::{count, shell, shown, span};
use effect::Effect;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the signatures are for: `ssh-keygen -Y sign -n ringfence-plan`.
pub const NAMESPACE: &str = "ringfence-plan";

/// How far a plan's time may lie ahead of the service's before its age counts as unknown.
const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// A file that may hold a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureFile {
    /// What it is called.
    pub name: String,
    /// What stands in it.
    pub bytes: Vec<u8>,
}

/// One person's approval of one plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// Who: the first of the person's names in `allowed_signers`.
    pub person: String,
    /// The key, as `ssh-keygen -l` prints it.
    pub fingerprint: String,
    /// The file that the signature stands in.
    pub file: String,
    /// When it was verified, by the service's clock. A signature itself carries no time.
    pub verified_at: Timestamp,
}

/// An approval with the signature that it is, as the journal keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// Whose it is.
    pub approval: Approval,
    /// The signature's file, as it lay beside the plan.
    pub signature: String,
}

/// A signature that does not count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Rejected {
    /// The file that it stands in.
    pub file: String,
    /// The key, where it could be read.
    pub fingerprint: Option<String>,
    /// Why it does not count.
    pub why: String,
}

/// What is known when approvals are judged.
#[derive(Debug)]
pub struct Case<'a> {
    /// The bytes of the plan's file: what the signatures have to be over.
    pub plan: &'a [u8],
    /// When it was made.
    pub created_at: Timestamp,
    /// What it does.
    pub effects: &'a BTreeMap<Effect, Resource>,
    /// What is asked for.
    pub requirement: &'a Requirement,
    /// The files that lie beside it.
    pub signatures: &'a [SignatureFile],
    /// The files that a key has to stand in, each of them.
    pub signers: &'a [Signers],
    /// Who applies; `None` while nobody does.
    pub caller: Option<&'a Arn>,
    /// The service's time.
    pub now: Timestamp,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// How many people have to approve.
    pub needed: u32,
    /// What asks for as many.
    pub because: String,
    /// Who did, each person once.
    pub approvals: Vec<Approval>,
    /// The signatures that do not count.
    pub rejected: Vec<Rejected>,
    /// Why the plan is too old, if it is.
    pub too_old: Option<String>,
}

impl Verdict {
    /// Whether the plan may be applied.
    #[must_use]
    pub fn is_met(&self) -> bool {
        self.too_old.is_none() && self.missing() == 0
    }

    /// How many people are missing.
    #[must_use]
    pub fn missing(&self) -> u32 {
        self.needed.saturating_sub(u32::try_from(self.approvals.len()).unwrap_or(u32::MAX))
    }

    /// The refusal, where it is one.
    #[must_use]
    pub fn refusal(&self, name: &str) -> Option<Error> {
        if self.is_met() {
            return None;
        }
        let quoted = shown(name).into_owned();
        if let Some(why) = &self.too_old {
            return Some(
                Error::forbidden(format!("`{quoted}` is too old to be applied"))
                    .because(why)
                    .detail("nothing was changed")
                    .hint("plan again, and have the new plan approved"),
            );
        }
        let mut error = Error::forbidden(format!(
            "`{quoted}` has {} of {} it needs",
            self.approvals.len(),
            count(self.needed as usize, "approval", "approvals"),
        ))
        .because(format!("{} asks for {}", self.because, self.needed));
        for one in &self.approvals {
            error =
                error.detail(format!("approved by {}  {}", shown(&one.person), one.fingerprint));
        }
        for one in &self.rejected {
            let key = one.fingerprint.as_deref().unwrap_or("no key");
            error = error
                .detail(format!("{}  {key}", shown(&one.file)))
                .detail(format!("  {}", one.why));
        }
        Some(
            error
                .detail("nothing was changed")
                .hint(format!("ringfence approve {} --identity KEY", shell(&quoted))),
        )
    }
}

/// Judges the approvals of a plan.
#[must_use]
pub fn judge(case: &Case<'_>) -> Verdict {
    let (needed, because) = case.requirement.needed(case.effects);
    let mut verdict = Verdict { needed, because, too_old: too_old(case), ..Verdict::default() };
    let mut counted: Vec<String> = Vec::new();
    for file in case.signatures {
        match one(case, file) {
            Ok((names, fingerprint)) => {
                let person = names.first().cloned().unwrap_or_default();
                let same = |name: &String| counted.iter().any(|one| one.eq_ignore_ascii_case(name));
                if names.iter().any(same) {
                    verdict.rejected.push(Rejected {
                        file: file.name.clone(),
                        fingerprint: Some(fingerprint),
                        why: format!("{} has approved already, and counts once", shown(&person)),
                    });
                    continue;
                }
                counted.extend(names);
                verdict.approvals.push(Approval {
                    person,
                    fingerprint,
                    file: file.name.clone(),
                    verified_at: case.now,
                });
            }
            Err(rejected) => verdict.rejected.push(rejected),
        }
    }
    verdict
}

/// Who has made a signature that counts, by every name, and with which key.
fn one(case: &Case<'_>, file: &SignatureFile) -> Result<(Vec<String>, String), Rejected> {
    let rejected = |fingerprint: Option<String>, why: String| Rejected {
        file: file.name.clone(),
        fingerprint,
        why,
    };
    let good = signature::check(&file.bytes, case.plan)
        .map_err(|bad| rejected(bad.fingerprint, bad.why))?;
    let mine = |why: String| rejected(Some(good.fingerprint.clone()), why);
    let Some((first, others)) = case.signers.split_first() else {
        return Err(mine(
            "nothing says whose keys may approve: there is no allowed_signers".to_owned(),
        ));
    };
    let names = first.person(&good.key, case.now).map_err(mine)?;
    for signers in others {
        let also = signers.person(&good.key, case.now).map_err(mine)?;
        if !also.iter().any(|name| names.contains(name)) {
            return Err(mine(format!("its key is another person's in `{}`", shown(&signers.name))));
        }
    }
    if let (true, Some(caller)) = (case.requirement.separate_applier, case.caller) {
        let person = names.first().map(|name| shown(name).into_owned()).unwrap_or_default();
        match case.requirement.is_caller(&names, caller) {
            Some(false) => {}
            Some(true) => return Err(mine(format!("{person} is {caller}, who applies it"))),
            None => {
                return Err(mine(format!(
                    "whether {person} is {caller}, who applies it, is not known: [approval.people] does not name {person}"
                )));
            }
        }
    }
    Ok((names, good.fingerprint.clone()))
}

fn too_old(case: &Case<'_>) -> Option<String> {
    let most = case.requirement.max_age_s?;
    let age = case.now.duration_since(case.created_at);
    if age < -SKEW {
        return Some(format!("it was made at {}, which is still to come", case.created_at));
    }
    let most = SignedDuration::from_secs(i64::try_from(most).unwrap_or(i64::MAX));
    (age > most).then(|| {
        format!(
            "it was made at {}, {} ago, and max_age is {}",
            case.created_at,
            span(age),
            span(most)
        )
    })
}
