//! Which uses a step ends.

use super::{Kind, Usage, Use};
use crate::plan::{Change, PrincipalPlan, Step};
use crate::resource::{Resource, Value};
use crate::text::number;
use jiff::{SignedDuration, Timestamp};

/// What a step ends, as far as use is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stops {
    /// Calls with one long-term key.
    Key(String),
    /// Sessions that were issued before it: all of a user's, or of a role's.
    Sessions,
    /// The sessions of a role that bear one of these names.
    Named(Vec<String>),
    /// Everything.
    All,
}

impl Stops {
    /// What a step of a principal's plan ends; `None` where it ends nothing that is recorded.
    #[must_use]
    pub fn by(principal: &PrincipalPlan, step: &Step) -> Option<Self> {
        let written = step.action != Change::Delete;
        match &step.resource {
            Resource::AccessKey(id) => step.turns_off().then(|| Self::Key(id.to_string())),
            // The policy alone denies nothing: what it is attached to does.
            Resource::ManagedPolicy(_) => None,
            Resource::InlinePolicy(name) => Self::named(principal, name).filter(|_| written),
            Resource::RolePolicy(policy) => {
                Self::named(principal, policy.policy()).filter(|_| written)
            }
            Resource::AttachedPolicy(arn) => Self::named(principal, last(arn)).filter(|_| written),
            Resource::PermissionsBoundary => match &step.after {
                Some(Value::PolicyArn(arn)) => Self::named(principal, last(arn)),
                _ => None,
            },
            _ => None,
        }
    }

    fn named(principal: &PrincipalPlan, policy: &str) -> Option<Self> {
        let (fence, hold) = (principal.lineage.fence_name(), principal.lineage.hold_name());
        if policy == hold || policy == "AWSDenyAll" {
            Some(Self::All)
        } else if policy != fence {
            None
        } else if principal.sessions.is_empty() {
            Some(Self::Sessions)
        } else {
            Some(Self::Named(principal.sessions.iter().map(ToString::to_string).collect()))
        }
    }
}

fn last(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or_default()
}

/// The uses that a step ends, the most frequent first.
#[must_use]
pub fn stopped<'u>(usage: &'u Usage, stops: &Stops) -> Vec<&'u Use> {
    let ends = |one: &&Use| match stops {
        Stops::Key(key) => one.kind == Kind::AccessKey && one.credential == *key,
        Stops::Sessions => one.kind != Kind::AccessKey,
        Stops::Named(names) => one.kind == Kind::RoleSession && names.contains(&one.credential),
        Stops::All => true,
    };
    usage.uses.iter().filter(ends).collect()
}

/// How often something is done: `1,204 calls a day`, or the bare number where less than a day was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// The calls.
    pub calls: u64,
    /// From when to when events were read.
    pub window: (Timestamp, Timestamp),
}

impl Rate {
    /// The bare number.
    #[must_use]
    pub fn in_all(&self) -> String {
        calls(self.calls)
    }
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.window.1.duration_since(self.window.0).as_secs();
        let day = SignedDuration::from_hours(24).as_secs();
        let Some(daily) = u64::try_from(seconds)
            .ok()
            .filter(|_| seconds >= day)
            .map(|seconds| a_day(self.calls, seconds.max(1)))
        else {
            return f.write_str(&calls(self.calls));
        };
        if daily == 0 {
            write!(f, "{} in {} days", calls(self.calls), seconds / day)
        } else {
            write!(f, "{} a day", calls(daily))
        }
    }
}

/// To the nearest whole number, and 0 for less than one: what is done twice a day is seen a little less often in a window that ends later
/// than the last of it.
fn a_day(calls: u64, seconds: u64) -> u64 {
    let seconds = u128::from(seconds);
    let all = u128::from(calls) * 86_400;
    let daily = if all < seconds { 0 } else { (all + seconds / 2) / seconds };
    u64::try_from(daily).unwrap_or(u64::MAX)
}

fn calls(n: u64) -> String {
    number(n, "call", "calls")
}
