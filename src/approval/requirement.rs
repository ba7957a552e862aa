//! How many people have to approve what, and which of them count.

use super::effect::Effect;
use crate::identity::Arn;
use crate::pattern::matches;
use crate::resource::Resource;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What has to be fulfilled before a plan is applied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// How many people have to approve any plan.
    pub required: u32,
    /// How many have to approve a plan that does this.
    #[cfg_attr(test, schemars(extend("propertyNames" = crate::schema::effects())))]
    pub effects: BTreeMap<Effect, u32>,
    /// How old a plan may be, from its `created_at`, in seconds.
    pub max_age_s: Option<u64>,
    /// Whether nobody who approved may apply.
    pub separate_applier: bool,
    /// The caller ARNs, with `*` and `?`, that are the same person as a signer.
    pub people: BTreeMap<String, BTreeSet<String>>,
}

impl Requirement {
    /// Both at once: whatever is stricter in either.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        self.required = self.required.max(other.required);
        for (effect, number) in &other.effects {
            let mine = self.effects.entry(*effect).or_default();
            *mine = (*mine).max(*number);
        }
        self.max_age_s = match (self.max_age_s, other.max_age_s) {
            (Some(mine), Some(other)) => Some(mine.min(other)),
            (mine, other) => mine.or(other),
        };
        self.separate_applier |= other.separate_applier;
        for (person, arns) in &other.people {
            self.people.entry(person.clone()).or_default().extend(arns.iter().cloned());
        }
        self
    }

    /// Whether it asks for nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.required == 0 && self.max_age_s.is_none() && self.effects.values().all(|n| *n == 0)
    }

    /// Whether it asks anybody to approve anything.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.required > 0 || self.effects.values().any(|number| *number > 0)
    }

    /// How many people have to approve a plan that does this, and what asks for as many.
    #[must_use]
    pub fn needed(&self, effects: &BTreeMap<Effect, Resource>) -> (u32, String) {
        let mut needed = (self.required, "every plan".to_owned());
        for (effect, resource) in effects {
            let number = self.effects.get(effect).copied().unwrap_or_default();
            if number > needed.0 {
                needed = (number, format!("{effect} ({resource})"));
            }
        }
        needed
    }

    /// Whether a person is the caller; `None` where nothing says who they are as a caller.
    #[must_use]
    pub fn is_caller(&self, names: &[String], caller: &Arn) -> Option<bool> {
        let mut known = names.iter().filter_map(|name| self.people.get(name)).peekable();
        known.peek()?;
        Some(known.flatten().any(|pattern| matches(pattern, caller.as_str())))
    }
}

/// The requirement that was in force when a plan was made, and the files it came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct InForce {
    /// What it is.
    pub requirement: Requirement,
    /// Where it stands.
    pub sources: Vec<Source>,
}

/// A file that a requirement came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Which one: `policy.toml` and `allowed_signers` are the store's.
    pub file: String,
    /// The SHA-256 of its bytes.
    #[cfg_attr(test, schemars(regex(pattern = crate::schema::SHA256)))]
    pub sha256: String,
}
