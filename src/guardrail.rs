//! Rules over what a plan does: deny it, warn, or ask for more approvals. No I/O.

#[cfg(test)]
mod tests;

use crate::approval::effect::{self, Effect};
use crate::identity::{PrincipalKind, Who};
use crate::pattern::matches;
use crate::plan::{Kind, Plan, PrincipalPlan, Step};
use crate::resource::Resource;
use crate::state::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// One rule of a `policy.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guardrail {
    /// What it is called.
    pub name: String,
    /// What it says to the person.
    pub message: String,
    /// What it does.
    pub outcome: Outcome,
    /// When it does.
    pub when: When,
}

/// What a rule does to a plan that it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The plan is refused.
    Deny,
    /// The person is told.
    Warn,
    /// So many people have to approve.
    Approvals(u32),
}

/// What a rule is about: every condition that is given has to hold, for one principal and one of its steps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct When {
    /// What the plan is for.
    pub kind: Option<Kind>,
    /// What the step does: any of these.
    pub effects: BTreeSet<Effect>,
    /// The step's resource: any of these patterns.
    pub resources: Vec<String>,
    /// Which users; a rule that says something of users is about no role.
    pub users: Named,
    /// Which roles; a rule that says something of roles is about no user.
    pub roles: Named,
    /// The account: any of these patterns.
    pub accounts: Vec<String>,
    /// Whether the fence is younger than so many seconds. With no fence on record nothing is.
    pub fence_younger_than_s: Option<u64>,
}

/// What a rule says of the users, or of the roles, that it is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// The name: any of these patterns.
    pub names: Vec<String>,
    /// The path: any of these patterns.
    pub paths: Vec<String>,
    /// The tags: each has to be there, with a value that any of its patterns matches.
    pub tags: BTreeMap<String, Vec<String>>,
}

impl Named {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A rule that a plan meets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// The rule.
    pub rule: String,
    /// What it does.
    pub outcome: Outcome,
    /// Its own message.
    pub message: String,
    /// Whom it is about: `user`, or `role` where it is one.
    #[serde(flatten)]
    pub who: Who,
    /// The step that it is about.
    pub step: u32,
    /// That step's resource.
    pub resource: Resource,
    /// What could not be read, and is taken as the rule has it (D2.12).
    pub unread: Option<String>,
}

/// Every rule that a plan meets, each once for a principal. `states` are the records of its principals, in
/// their order.
#[must_use]
pub fn check(
    rules: &[Guardrail],
    plan: &Plan,
    states: &[Option<State>],
    now: Timestamp,
) -> Vec<Finding> {
    let mut found = Vec::new();
    for (index, principal) in plan.principals.iter().enumerate() {
        let state = states.get(index).and_then(Option::as_ref);
        for rule in rules {
            let case = About { when: &rule.when, plan, principal, state, now };
            let Some(tags) = case.principal() else { continue };
            let Some(step) = principal.steps.iter().find(|step| case.step(step)) else { continue };
            found.push(Finding {
                rule: rule.name.clone(),
                outcome: rule.outcome,
                message: rule.message.clone(),
                who: principal.who(),
                step: step.id,
                resource: step.resource.clone(),
                unread: (tags == Tags::Unread).then(|| format!("the {}'s tags", principal.kind)),
            });
        }
    }
    found
}

/// The most approvals that any rule asks for, and the rule.
#[must_use]
pub fn approvals(findings: &[Finding]) -> Option<(u32, &Finding)> {
    findings
        .iter()
        .filter_map(|finding| match finding.outcome {
            Outcome::Approvals(number) => Some((number, finding)),
            _ => None,
        })
        .max_by_key(|(number, _)| *number)
}

/// What is known of the tags that a rule asks for.
#[derive(PartialEq)]
enum Tags {
    Match,
    Unread,
}

struct About<'a> {
    when: &'a When,
    plan: &'a Plan,
    principal: &'a PrincipalPlan,
    state: Option<&'a State>,
    now: Timestamp,
}

impl About<'_> {
    /// Whether the rule is about this principal.
    fn principal(&self) -> Option<Tags> {
        let when = self.when;
        let (said, of_others) = match self.principal.kind {
            PrincipalKind::User => (&when.users, &when.roles),
            PrincipalKind::Role => (&when.roles, &when.users),
        };
        let holds = when.kind.is_none_or(|kind| kind == self.plan.kind)
            && of_others.is_empty()
            && self.is_named(said)
            && any(&said.paths, self.principal.arn.path())
            && any(&when.accounts, self.plan.account_id.as_str())
            && when.fence_younger_than_s.is_none_or(|seconds| self.fence_is_younger(seconds));
        if holds { self.tags(said) } else { None }
    }

    /// Names are compared without letter case, as IAM has them (F34).
    fn is_named(&self, said: &Named) -> bool {
        let patterns: Vec<String> = said.names.iter().map(|one| one.to_lowercase()).collect();
        any(&patterns, &self.principal.name.as_str().to_lowercase())
    }

    fn tags(&self, said: &Named) -> Option<Tags> {
        if said.tags.is_empty() {
            return Some(Tags::Match);
        }
        let Some(tags) = self.principal.snapshot.tags.read() else { return Some(Tags::Unread) };
        let holds = said
            .tags
            .iter()
            .all(|(key, patterns)| tags.get(key).is_some_and(|value| any(patterns, value)));
        holds.then_some(Tags::Match)
    }

    fn fence_is_younger(&self, seconds: u64) -> bool {
        let clock = self.state.and_then(|state| state.clock.as_ref());
        clock.is_some_and(|clock| {
            let age = self.now.duration_since(clock.fence_time).as_secs();
            u64::try_from(age).map_or(true, |age| age < seconds)
        })
    }

    fn step(&self, step: &Step) -> bool {
        let effects = effect::of_step(self.plan.kind, step, self.state, self.now);
        let does = self.when.effects.is_empty() || !self.when.effects.is_disjoint(&effects);
        does && any(&self.when.resources, &step.resource.to_string())
    }
}

/// Whether a text matches any of the patterns; with none given, anything does.
fn any(patterns: &[String], text: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| matches(pattern, text))
}
