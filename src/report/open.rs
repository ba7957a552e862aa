//! What is still open, and what helps.

use super::principal::status_of;
use super::runs::{can_act, of, of_principal};
use super::{Now, Recorded, Source, Traced};
use crate::identity::{PrincipalKind, Who};
use crate::incident::{self, RunStands, Stage};
use crate::journal::{Journal, StepStatus};
use crate::plan::{Kind, Plan};
use crate::render::words;
use crate::state::{HeldStatus, State};
use crate::text::shell;
use crate::trace::{Persistence, Target};
use crate::view::{Finding, PrincipalStatus, Standing};
use serde::Serialize;
use std::collections::BTreeSet;

/// What is still open about one principal, or about none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Open {
    /// The principal; `null` where it is about none of them.
    pub who: Option<Who>,
    /// What is open.
    pub findings: Vec<Finding>,
    /// What to run, in order.
    pub commands: Vec<String>,
}

/// What is open, of each principal and of none.
pub(super) fn all(source: &Source) -> Vec<Open> {
    let mut found: Vec<Open> =
        source.principals.iter().map(|one| of_one(one, &source.now)).collect();
    found.sort_by(|a, b| a.who.cmp(&b.who));
    found.push(left_out(source));
    found.extend(source.trace.as_ref().map(|traced| left_behind(source, traced)));
    found.retain(|open| !open.findings.is_empty());
    found
}

fn say(what: impl Into<String>) -> Finding {
    Finding { resource: None, what: what.into() }
}

fn of_one(one: &Recorded, now: &Now) -> Open {
    let state = &one.state;
    let mut open =
        Open { who: Some(state.principal.who()), findings: Vec::new(), commands: Vec::new() };
    match status_of(now, state) {
        Some(status) => by_reading(&mut open, status),
        None => by_record(&mut open, one),
    }
    blocked(&mut open, one);
    for (resource, held) in kept(state) {
        let what = match held.is_perhaps() {
            true => "may have been deleted by ringfence, which cannot be undone",
            false => "is left as ringfence set it: it was not given back",
        };
        let what = what.to_owned();
        open.findings.push(Finding { resource: Some(resource.clone()), what });
    }
    open
}

fn kept(state: &State) -> impl Iterator<Item = (&crate::resource::Resource, &crate::state::Held)> {
    state.resources.iter().filter(|(_, held)| held.status == HeldStatus::Kept)
}

/// What was read says it.
fn by_reading(open: &mut Open, status: &PrincipalStatus) {
    open.findings.extend(status.findings.clone());
    open.commands.extend(status.commands.clone());
    let Some(fence) = &status.fence else { return };
    match &fence.void {
        Some(why) => open.findings.push(say(format!("the fence's clock is void: {why}"))),
        None if status.standing == Standing::ReleasedFenceUntil => {
            let until = words::stamp(fence.lift_after);
            open.findings.push(say(format!("the fence was kept, and may be lifted after {until}")));
        }
        None => {}
    }
}

/// What the record alone says: runs that are not over, steps that do not hold, and what a plan left live.
fn by_record(open: &mut Open, one: &Recorded) {
    let flag = one.state.principal.who().flag();
    if let Some((run, recorded, _)) = of(one).pop() {
        let journal = recorded.journal.as_ref().ok();
        match RunStands::of(run, journal, one.holder.is_some()) {
            RunStands::Complete => {}
            RunStands::Going => open.findings.push(say(format!("run {} is still going", run.id))),
            RunStands::CutOff => {
                open.findings.push(say(format!("run {} was cut off before its end", run.id)));
                open.commands.push(format!("ringfence resume {flag}"));
            }
            RunStands::Partial => {
                open.commands.extend(match run.kind {
                    Kind::Contain => Some(format!("ringfence apply --again {flag}")),
                    Kind::Release => Some(format!("ringfence rollback {flag} --out release.json")),
                    // What it takes depends on what of it holds, which is read.
                    Kind::Recover => None,
                });
            }
        }
        if let (Ok(plan), Some(journal)) = (&recorded.plan, journal) {
            open.findings.extend(not_held(plan, one, journal));
        }
    }
    if one.state.is_released() {
        return;
    }
    for key in one.state.clock.iter().flat_map(|clock| &clock.void_while_active) {
        let what = "may have issued sessions after the fence's time".to_owned();
        open.findings.push(Finding { resource: Some(key.clone()), what });
    }
    for live in last_containing(one).iter().flat_map(|part| &part.left_live) {
        if let (Some(resource), true) = (&live.resource, live.suspect) {
            let what = "may be the attacker's, and was left live by the plan".to_owned();
            open.findings.push(Finding { resource: Some(resource.clone()), what });
        }
    }
    open.commands.push(format!("ringfence status {flag}"));
}

fn not_held(plan: &Plan, one: &Recorded, journal: &Journal) -> Vec<Finding> {
    let Some(part) = of_principal(plan, one) else { return Vec::new() };
    let whole = part.with_added(journal.added());
    let open = whole.last_steps().filter_map(|step| {
        let status = journal.status(step.id);
        let holds = matches!(status, StepStatus::Stored | StepStatus::Skipped | StepStatus::Done);
        (!holds).then(|| Finding {
            resource: Some(step.resource.clone()),
            what: format!("does not hold by the record: {}", words::step_status(status)),
        })
    });
    open.collect()
}

/// The principal's part of the newest plan that contained it.
fn last_containing(one: &Recorded) -> Option<&crate::plan::PrincipalPlan> {
    let last = of(one).into_iter().rev().find(|(run, ..)| run.kind == Kind::Contain);
    let (_, last, _) = last?;
    last.plan.as_ref().ok().and_then(|plan| of_principal(plan, one))
}

fn blocked(open: &mut Open, one: &Recorded) {
    if one.state.is_released() {
        return;
    }
    for blocked in last_containing(one).iter().flat_map(|part| &part.blocked) {
        open.findings.push(say(format!("{}: {}", blocked.what, blocked.why)));
    }
}

/// What plans that were made from a trace do nothing about.
fn left_out(source: &Source) -> Open {
    let mut seen = BTreeSet::new();
    let mut findings = Vec::new();
    for plan in super::plans(source) {
        for left in plan.trace.iter().flat_map(|trace| &trace.left_open) {
            if seen.insert((left.what.clone(), left.why.clone())) {
                findings.push(say(format!("{}, found by the trace: {}", left.what, left.why)));
            }
        }
    }
    Open { who: None, findings, commands: Vec::new() }
}

/// What a trace has found, and no record here is about.
fn left_behind(source: &Source, traced: &Traced) -> Open {
    let mut open = Open { who: None, findings: Vec::new(), commands: Vec::new() };
    for target in &traced.trace.targets {
        let is = |one: &&Recorded| is_target(target, traced, &one.state);
        if source.principals.iter().any(|one| is(&one)) {
            continue;
        }
        let other = source.others.iter().find(is);
        let stands = match other.map(|other| incident::stage(&other.state)) {
            None => "is not contained in this record",
            Some(Stage::Assessed) => {
                "is left out of this report, and not known to be contained by its own record"
            }
            // That it is left out is said at the top; nothing of it is open by its record.
            Some(Stage::Contained | Stage::Recovered | Stage::Released) => continue,
        };
        let kind = PrincipalKind::from(target.kind);
        let account = target.account_id.as_ref().map(|id| format!(" of account {id}"));
        open.findings.push(say(format!(
            "{kind} `{}`{}, found by the trace, {stands}: {}",
            target.name,
            account.unwrap_or_default(),
            target.why
        )));
    }
    if !open.findings.is_empty() {
        let file = shell(&traced.file);
        open.commands.push(format!("ringfence plan --from {file} --out plan.json"));
    }
    for made in traced.trace.persistence.iter().filter(|made| made.live) {
        if !is_stopped(source, made) {
            let is = |one: &Recorded| is_what_was_made(made, &one.state);
            let known = if source.principals.iter().any(is) {
                ", and is in this record"
            } else if source.others.iter().any(is) {
                ", and has a record of its own, which this report leaves out"
            } else {
                ""
            };
            open.findings.push(say(format!(
                "{} {}, made or changed by {}, stands at the end of the trace{known}",
                made.kind, made.name, made.action,
            )));
        }
    }
    open
}

/// Whether what was left behind is a credential that the record has turned off.
fn is_stopped(source: &Source, made: &Persistence) -> bool {
    let all = source.principals.iter().chain(&source.others);
    let own = all.filter(|one| is_of_account(made.account_id.as_deref(), &one.state));
    own.flat_map(|one| one.state.held()).any(|(resource, held)| {
        let same = made.name.rsplit('/').next() == Some(resource.id());
        let off = !can_act(resource, held.ours.as_ref());
        let kind = resource.kind().replace('_', " ");
        held.status == HeldStatus::Held && same && off && made.kind == kind
    })
}

/// Whether what was left behind is the principal itself.
fn is_what_was_made(made: &Persistence, state: &State) -> bool {
    let principal = &state.principal;
    made.kind == principal.kind.word()
        && principal.name.same_user(&made.name)
        && is_of_account(made.account_id.as_deref(), state)
}

/// Whether a trace's target is the principal that a state is of. A trace has no unique IDs: a name counts within its
/// account (F27).
pub(super) fn is_target(target: &Target, traced: &Traced, state: &State) -> bool {
    let who = target.name.parse().map(|name| Who::of(target.kind.into(), name));
    let accounts = traced.trace.accounts();
    let account = target.account_id.as_deref();
    let own = match account {
        Some(_) => is_of_account(account, state),
        None => accounts.is_empty() || accounts.contains(state.account_id.as_str()),
    };
    own && who.is_ok_and(|who| who.same(&state.principal.who()))
}

/// Whether an account is a state's, where it is known.
fn is_of_account(account: Option<&str>, state: &State) -> bool {
    account.is_none_or(|account| account == state.account_id.as_str())
}
