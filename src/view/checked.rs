//! What `check` says: all that rules of one's own need, without knowing how a plan is built.

use super::{FORMAT_VERSION, FenceView};
use crate::approval::effect::{self, Effect};
use crate::approval::{Examination, Subject, Verdict};
use crate::guardrail::Finding;
use crate::identity::{AccountId, Arn, PrincipalId, Who};
use crate::plan::{Blocked, Change, Compromised, Plan, PrincipalPlan, Step, sha256};
use crate::resource::{Resource, Value};
use crate::snapshot::Unread;
use crate::standing::void;
use crate::state::State;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What `check` says of a plan, with the plan itself.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Checked<'a> {
    /// The format of this view.
    #[cfg_attr(test, schemars(extend("const" = FORMAT_VERSION)))]
    pub format_version: u32,
    /// The plan's file.
    pub file: String,
    /// The SHA-256 of its bytes.
    #[cfg_attr(test, schemars(regex(pattern = crate::schema::SHA256)))]
    pub sha256: String,
    /// When it was checked, by this machine's clock.
    pub now: Timestamp,
    /// Whether no rule of the store denies it.
    pub allowed: bool,
    /// Whether it has the approvals that it needs, by this machine's clock and without a caller.
    pub approved: bool,
    /// How many approvals are missing.
    pub missing: u32,
    /// The principals.
    pub principals: Vec<CheckedPrincipal<'a>>,
    /// What each step does.
    pub steps: Vec<CheckedStep<'a>>,
    /// The rules of the store that it meets.
    pub findings: Vec<Finding>,
    /// What became of its approvals.
    pub verdict: Verdict,
    /// The plan, as its file has it.
    pub plan: &'a Plan,
}

/// Whom a plan is about.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CheckedPrincipal<'a> {
    /// The name: `user`, or `role` where it is one.
    #[serde(flatten)]
    pub who: Who,
    /// The unique ID.
    pub id: &'a PrincipalId,
    /// The ARN.
    pub arn: &'a Arn,
    /// The path, `/` where there is none.
    pub path: &'a str,
    /// The account.
    pub account_id: &'a AccountId,
    /// The tags; `None` where they could not be read.
    pub tags: Option<&'a BTreeMap<String, String>>,
    /// The time of exposure, where known.
    pub since: Option<Timestamp>,
    /// The credentials known or taken to be the attacker's.
    pub compromised: &'a [Compromised],
    /// The newest fence on record, one that was lifted too.
    pub fence: Option<FenceView>,
    /// What the person has to know.
    pub warnings: &'a [String],
    /// What the posture asks for and nothing can do now.
    pub blocked: &'a [Blocked],
    /// What could not be read.
    pub unread: &'a [Unread],
}

/// What one step does.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CheckedStep<'a> {
    /// To whom: `user`, or `role` where it is one.
    #[serde(flatten)]
    pub who: Who,
    /// Its number in the plan.
    pub step: u32,
    /// Its wave.
    pub wave: u32,
    /// Its resource.
    pub resource: &'a Resource,
    /// The resource's part before the slash: `access_key`, `inline_policy`.
    pub kind: &'static str,
    /// How it changes the resource.
    pub action: Change,
    /// What it does, in the words of guardrails.
    pub effects: BTreeSet<Effect>,
    /// The value before; `None` if it was not there.
    pub before: Option<&'a Value>,
    /// The value after; `None` if it is gone.
    pub after: Option<&'a Value>,
    /// Whether `before` can be restored.
    pub reversible: bool,
    /// Why, in one line.
    pub reason: &'a str,
    /// What the person has to know about it.
    pub cautions: &'a [String],
}

impl<'a> Checked<'a> {
    /// What there is to say of a plan that was examined.
    #[must_use]
    pub fn of(subject: &Subject<'a>, file: String, examination: Examination) -> Self {
        let Subject { plan, bytes, states, now, .. } = *subject;
        let state = |index: usize| states.get(index).and_then(Option::as_ref);
        let about = plan.principals.iter().enumerate();
        Self {
            format_version: FORMAT_VERSION,
            file,
            sha256: sha256(bytes),
            now,
            allowed: examination.denial().is_none(),
            approved: examination.verdict.is_met(),
            missing: examination.verdict.missing(),
            principals: about.clone().map(|(n, one)| principal(plan, one, state(n))).collect(),
            steps: about
                .flat_map(|(n, one)| {
                    let state = state(n);
                    one.steps.iter().map(move |step| {
                        let effects = effect::of_step(plan.kind, step, state, now);
                        checked_step(one.who(), step, effects)
                    })
                })
                .collect(),
            findings: examination.findings,
            verdict: examination.verdict,
            plan,
        }
    }
}

fn principal<'a>(
    plan: &'a Plan,
    one: &'a PrincipalPlan,
    state: Option<&State>,
) -> CheckedPrincipal<'a> {
    let fence = state.and_then(|state| {
        state.clock.as_ref().map(|clock| FenceView {
            fence_time: clock.fence_time,
            lift_after: clock.lift_after,
            void: void(state, Some(&one.snapshot)),
        })
    });
    CheckedPrincipal {
        who: one.who(),
        id: &one.id,
        arn: &one.arn,
        path: one.arn.path(),
        account_id: &plan.account_id,
        tags: one.snapshot.tags.read(),
        since: one.since,
        compromised: &one.compromised,
        fence,
        warnings: &one.warnings,
        blocked: &one.blocked,
        unread: &one.unread,
    }
}

fn checked_step<'a>(who: Who, step: &'a Step, effects: BTreeSet<Effect>) -> CheckedStep<'a> {
    CheckedStep {
        who,
        step: step.id,
        wave: step.wave,
        resource: &step.resource,
        kind: step.resource.kind(),
        action: step.action,
        effects,
        before: step.before.as_ref(),
        after: step.after.as_ref(),
        reversible: step.reversible,
        reason: &step.reason,
        cautions: &step.cautions,
    }
}
