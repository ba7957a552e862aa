//! The commands, as the record tells them: what a person would type to do the same.

use super::{Source, runs};
use crate::identity::Arn;
use crate::journal::Event;
use crate::plan::{Destination, Kind, OnDrift, Plan, PrincipalPlan, Step, Why};
use crate::posture::Posture;
use crate::release::{
    ACTS_AGAIN, AS_BEFORE, ASKED_FOR_ALL_THE_SAME, BEFORE_ITS_TIME, BEFORE_THE_RECOVERY,
    GIVES_RIGHTS_TO, LIFTED_LAST, OLDER_ACT_AGAIN, hidden,
};
use crate::resource::Resource;
use crate::text::option;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeSet;

/// A command, as the record tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Used {
    /// When, by the service's clock.
    pub at: Option<Timestamp>,
    /// By whom.
    pub by: Option<Arn>,
    /// What does the same.
    pub command: String,
    /// The words of it that stand in the place of what is not recorded: it cannot be run as it is.
    pub placeholders: Vec<String>,
    /// The run that it is of.
    pub run: Option<String>,
}

/// What is not recorded, in the place of the paths that were given.
const LOGS: &str = "LOGS";
const TRACE: &str = "TRACE";
const FINDING: &str = "FINDING";
const POLICY: &str = "POLICY";

/// The commands, in the order of time.
pub(super) fn all(source: &Source) -> Vec<Used> {
    let mut found = Vec::new();
    found.extend(source.trace.as_ref().map(trace));
    let mut told = BTreeSet::new();
    for one in &source.principals {
        let mut in_force = None;
        for (run, recorded, _) in runs::told(source, one) {
            let id = Some(run.id.clone());
            let stepped_down = recorded.plan.as_ref().ok().and_then(|plan| down(plan, in_force));
            if told.insert(run.id.clone()) {
                if let Ok(plan) = &recorded.plan {
                    let (at, by) = (Some(plan.created_at), Some(plan.planned_by.clone()));
                    found.push(Used {
                        at,
                        by,
                        run: id.clone(),
                        ..planned(plan, source, stepped_down).used()
                    });
                }
                let mut line = Line::of(&["apply", file(run.kind)]);
                if let Some(why) = &run.break_glass {
                    line.flag("--break-glass", why);
                }
                let (at, by) = (Some(run.started_at), Some(run.applied_by.clone()));
                found.push(Used { at, by, run: id.clone(), ..line.used() });
            }
            let ended = run.end.as_ref().is_some_and(|end| end.complete);
            let plan = recorded.plan.as_ref().ok();
            let stands = |plan: &&Plan| plan.kind == Kind::Contain || ended;
            in_force = plan.filter(stands).map(|plan| &plan.posture).or(in_force);
            let resumed = recorded.journal.iter().flat_map(|journal| journal.entries());
            found.extend(resumed.filter_map(|entry| match &entry.event {
                Event::RunResumed { by, read_at, .. } => {
                    let line = Line::of(&["resume", &one.state.principal.who().flag()]);
                    let (at, by) = (Some(*read_at), Some(by.clone()));
                    Some(Used { at, by, run: id.clone(), ..line.used() })
                }
                _ => None,
            }));
        }
    }
    found.sort_by_key(|used| used.at);
    found.dedup();
    found
}

/// A command that is put together.
struct Line {
    words: Vec<String>,
    placeholders: Vec<String>,
}

impl Line {
    fn of(words: &[&str]) -> Self {
        let program = ["ringfence"].iter().chain(words);
        Self { words: program.map(|word| (*word).to_owned()).collect(), placeholders: Vec::new() }
    }

    fn word(&mut self, word: impl Into<String>) {
        self.words.push(word.into());
    }

    fn flag(&mut self, flag: &str, value: &str) {
        self.word(option(flag, value));
    }

    /// A flag whose value is not recorded.
    fn unrecorded(&mut self, flag: &str, placeholder: &str) {
        self.word(format!("{flag} {placeholder}"));
        self.placeholders.push(placeholder.to_owned());
    }

    fn used(self) -> Used {
        let command = self.words.join(" ");
        Used { at: None, by: None, command, placeholders: self.placeholders, run: None }
    }
}

/// The file that a plan is written to and applied from: its name is not recorded, and any does.
const fn file(kind: Kind) -> &'static str {
    match kind {
        Kind::Contain => "plan.json",
        Kind::Release => "release.json",
        Kind::Recover => "recover.json",
    }
}

/// The posture that a release steps down to from the one in force.
fn down<'p>(plan: &'p Plan, in_force: Option<&Posture>) -> Option<&'p str> {
    let steps = plan.kind == Kind::Release && in_force.is_some_and(|it| *it != plan.posture);
    steps.then_some(plan.posture.name.as_str())
}

fn planned(plan: &Plan, source: &Source, stepped_down: Option<&str>) -> Line {
    let verb = match plan.kind {
        Kind::Contain => "plan",
        Kind::Release => "rollback",
        Kind::Recover => "recover",
    };
    let mut line = Line::of(&[verb]);
    if plan.trace.is_none() {
        plan.principals.iter().for_each(|part| line.word(part.who().flag()));
    }
    match plan.kind {
        Kind::Contain => contain(plan, source, &mut line),
        Kind::Release => {
            stepped_down.iter().for_each(|posture| line.flag("--to", posture));
            release(plan, &mut line);
        }
        Kind::Recover => recover(plan, &mut line),
    }
    if let Some(incident) = &plan.incident {
        line.flag("--incident", incident);
    }
    line.flag("--out", file(plan.kind));
    line
}

fn contain(plan: &Plan, source: &Source, line: &mut Line) {
    if let Some(from) = &plan.trace {
        match source.trace.as_ref().filter(|traced| traced.sha256 == from.sha256) {
            Some(same) => line.flag("--from", &same.file),
            None => line.unrecorded("--from", TRACE),
        }
    }
    for part in &plan.principals {
        keys(part).for_each(|key| line.flag("--access-key", &key));
        for session in &part.sessions {
            line.flag("--session", &format!("{}/{session}", part.name));
        }
    }
    if plan.finding.is_some() {
        line.unrecorded("--finding", FINDING);
    }
    line.flag("--posture", &plan.posture.name);
    if let Some(since) = plan.principals.iter().find_map(|part| part.since) {
        line.flag("--since", &since.to_string());
    }
    if plan.on_drift == OnDrift::Tighten {
        line.flag("--on-drift", "tighten");
    }
    if plan.override_protection {
        line.word("--override-protection");
    }
    if plan.cut_workloads {
        line.word("--cut-workloads");
    }
}

/// What a release does that it does only where it is asked for.
fn release(plan: &Plan, line: &mut Line) {
    let asked = |text: &str| plan.steps().iter().any(|(_, step)| step.reason.starts_with(text));
    let mut credentials = BTreeSet::new();
    for (_, step) in plan.steps() {
        for caution in &step.cautions {
            if caution.starts_with(ASKED_FOR_ALL_THE_SAME) {
                credentials.insert(step.resource.to_string());
            }
            let (lets, act) = ACTS_AGAIN;
            let named =
                [(GIVES_RIGHTS_TO, ": "), (lets, act)].into_iter().find_map(|(to, what)| {
                    caution.strip_prefix(to).and_then(|rest| rest.split_once(what))
                });
            credentials.extend(named.map(|(credential, _)| credential.to_owned()));
        }
    }
    credentials.iter().for_each(|credential| line.flag("--reactivate", credential));
    let unread = plan.principals.iter().any(|principal| {
        let back = [LIFTED_LAST, AS_BEFORE, BEFORE_THE_RECOVERY];
        let gives = |step: &Step| back.contains(&step.reason.as_str());
        hidden(&principal.snapshot).is_some() && principal.steps.iter().any(gives)
    });
    if unread {
        line.word("--accept-unread");
    }
    for resource in plan.principals.iter().flat_map(|principal| &principal.given_up) {
        line.flag("--leave", &resource.to_string());
    }
    let early = |text: &String| text.starts_with(OLDER_ACT_AGAIN);
    let early = plan.steps().iter().any(|(_, step)| step.cautions.iter().any(early));
    if early || asked(BEFORE_ITS_TIME) {
        line.word("--lift-fence-now");
    }
    if asked(BEFORE_THE_RECOVERY) {
        line.word("--undo-recovery");
    }
}

fn recover(plan: &Plan, line: &mut Line) {
    if let Some(recover) = &plan.recover {
        match &recover.to {
            Destination::Secret { id, .. } => line.flag("--secret", id),
            Destination::Profile { file, profile } => {
                line.flag("--to-profile", profile);
                line.flag("--credentials-file", file);
            }
            Destination::Stdout => line.word("--secret-to-stdout"),
        }
        recover.probes.iter().for_each(|probe| line.flag("--probe", probe));
    }
    for (_, step) in plan.steps() {
        match &step.resource {
            Resource::Secret(_) if step.before.is_none() => line.word("--create-secret"),
            Resource::AccessKey(id) if step.after.is_none() => {
                line.flag("--delete-key", id.as_str());
            }
            Resource::InlinePolicy(_) if step.after.is_some() => {
                line.unrecorded("--policy", POLICY);
            }
            _ => {}
        }
    }
}

fn keys(part: &PrincipalPlan) -> impl Iterator<Item = String> {
    part.compromised.iter().filter(|item| item.why == Why::Named).filter_map(|item| {
        match &item.resource {
            Resource::AccessKey(id) => Some(id.to_string()),
            _ => None,
        }
    })
}

/// The trace that the report was given.
fn trace(traced: &super::Traced) -> Used {
    let start = &traced.trace.start;
    let mut line = Line::of(&["trace"]);
    start.access_keys.iter().for_each(|key| line.flag("--access-key", key));
    start.users.iter().for_each(|user| line.flag("--user", user));
    start.account_id.iter().for_each(|id| line.flag("--account-id", id));
    start.since.iter().for_each(|since| line.flag("--since", &since.to_string()));
    start.logs.iter().for_each(|place| line.flag("--logs", place));
    if start.lookup {
        line.word("--lookup");
    } else if start.logs.is_empty() {
        line.unrecorded("--logs", LOGS);
    }
    if !start.regions.is_empty() {
        line.flag("--regions", &start.regions.join(","));
    }
    traced.trace.incident.iter().for_each(|id| line.flag("--incident", id));
    line.flag("--out", &traced.file);
    Used { at: Some(start.at), ..line.used() }
}
