//! The commands, as the record tells them: what a person would type to do the same.

use super::{Source, runs};
use crate::identity::Arn;
use crate::journal::Event;
use crate::plan::{Destination, Kind, Plan, PrincipalPlan, Why};
use crate::resource::Resource;
use crate::text::shell;
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
    /// The run that it is of.
    pub run: Option<String>,
}

/// The commands, in the order of time.
pub(super) fn all(source: &Source) -> Vec<Used> {
    let mut found = Vec::new();
    found.extend(source.trace.as_ref().map(trace));
    let mut told = BTreeSet::new();
    for one in &source.principals {
        for (run, recorded, _) in runs::told(source, one) {
            if told.insert(run.id.clone()) {
                if let Ok(plan) = &recorded.plan {
                    found.push(Used {
                        at: Some(plan.created_at),
                        by: Some(plan.planned_by.clone()),
                        command: planned(plan, source),
                        run: Some(run.id.clone()),
                    });
                }
                let glass = run.break_glass.as_ref();
                let glass = glass.map(|why| format!(" --break-glass {}", shell(why)));
                found.push(Used {
                    at: Some(run.started_at),
                    by: Some(run.applied_by.clone()),
                    command: format!(
                        "ringfence apply {}{}",
                        file(run.kind),
                        glass.unwrap_or_default()
                    ),
                    run: Some(run.id.clone()),
                });
            }
            let resumed = recorded.journal.iter().flat_map(|journal| journal.entries());
            found.extend(resumed.filter_map(|entry| match &entry.event {
                Event::RunResumed { by, read_at, .. } => Some(Used {
                    at: Some(*read_at),
                    by: Some(by.clone()),
                    command: format!("ringfence resume {}", one.state.principal.who().flag()),
                    run: Some(run.id.clone()),
                }),
                _ => None,
            }));
        }
    }
    found.sort_by_key(|used| used.at);
    found.dedup();
    found
}

const fn file(kind: Kind) -> &'static str {
    match kind {
        Kind::Contain => "plan.json",
        Kind::Release => "release.json",
        Kind::Recover => "recover.json",
    }
}

fn planned(plan: &Plan, source: &Source) -> String {
    let mut words = vec!["ringfence".to_owned()];
    match plan.kind {
        Kind::Contain => {
            words.push("plan".to_owned());
            contain(plan, source, &mut words);
        }
        Kind::Release => {
            words.push("rollback".to_owned());
            words.extend(plan.principals.iter().map(|part| part.who().flag()));
        }
        Kind::Recover => {
            words.push("recover".to_owned());
            words.extend(plan.principals.iter().map(|part| part.who().flag()));
            recover(plan, &mut words);
        }
    }
    if let Some(incident) = &plan.incident {
        words.push(format!("--incident {}", shell(incident)));
    }
    words.push(format!("--out {}", file(plan.kind)));
    words.join(" ")
}

fn contain(plan: &Plan, source: &Source, words: &mut Vec<String>) {
    match &plan.trace {
        Some(from) => {
            let same = source.trace.as_ref().filter(|traced| traced.sha256 == from.sha256);
            let file = same.map_or("trace.json", |traced| traced.file.as_str());
            words.push(format!("--from {}", shell(file)));
        }
        None => words.extend(plan.principals.iter().map(|part| part.who().flag())),
    }
    for part in &plan.principals {
        words.extend(keys(part).map(|key| format!("--access-key {key}")));
        let role = part.sessions.iter();
        words.extend(
            role.map(|session| format!("--session {}", shell(&format!("{}/{session}", part.name)))),
        );
    }
    if plan.finding.is_some() {
        words.push("--finding finding.json".to_owned());
    }
    words.push(format!("--posture {}", shell(&plan.posture.name)));
    if let Some(since) = plan.principals.iter().find_map(|part| part.since) {
        words.push(format!("--since {since}"));
    }
    if plan.override_protection {
        words.push("--override-protection".to_owned());
    }
    if plan.cut_workloads {
        words.push("--cut-workloads".to_owned());
    }
}

fn recover(plan: &Plan, words: &mut Vec<String>) {
    if let Some(recover) = &plan.recover {
        match &recover.to {
            Destination::Secret { id, .. } => words.push(format!("--secret {}", shell(id))),
            Destination::Profile { file, profile } => words.push(format!(
                "--to-profile {} --credentials-file {}",
                shell(profile),
                shell(file)
            )),
            Destination::Stdout => words.push("--secret-to-stdout".to_owned()),
        }
        words.extend(recover.probes.iter().map(|probe| format!("--probe {}", shell(probe))));
    }
    for (_, step) in plan.steps() {
        match &step.resource {
            Resource::Secret(_) if step.before.is_none() => {
                words.push("--create-secret".to_owned());
            }
            Resource::AccessKey(id) if step.after.is_none() => {
                words.push(format!("--delete-key {id}"));
            }
            Resource::InlinePolicy(_) if step.after.is_some() => {
                words.push("--policy policy.json".to_owned());
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
    let mut words = vec!["ringfence trace".to_owned()];
    words.extend(start.access_keys.iter().map(|key| format!("--access-key {}", shell(key))));
    words.extend(start.users.iter().map(|user| format!("--user {}", shell(user))));
    words.extend(start.account_id.iter().map(|id| format!("--account-id {}", shell(id))));
    words.extend(start.since.map(|since| format!("--since {since}")));
    words.extend(traced.trace.incident.iter().map(|id| format!("--incident {}", shell(id))));
    words.push(format!("--out {}", shell(&traced.file)));
    Used { at: Some(start.at), by: None, command: words.join(" "), run: None }
}
