//! `plan --usage`: the real use of what a plan stops, out of log files or CloudTrail's history.

use crate::aws::Query;
use crate::cli::history::Asking;
use crate::cli::progress::shown_while;
use crate::cli::session::Session;
use crate::error::Result;
use crate::identity::PrincipalKind;
use crate::impact::{Meter, Subject, Usage};
use crate::logs::{Limits, Place, Progress, measure};
use crate::plan::{Plan, PrincipalPlan};
use crate::resource::Resource;
use crate::text::count;
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;

/// What `--usage` takes in place of a path.
const LOOKUP: &str = "lookup";

/// What the history cannot show.
const DATA: &str = "objects and other data: CloudTrail's history has management events only";
const ROLES: &str = "what the role's sessions are really used for is not known: CloudTrail's history cannot be \
                     asked by role; --usage PATH reads delivered files";

/// How far back the history is asked: a busy key has thousands of events a day, at a hundred a second (F14).
const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The plan, with the use of its principals.
pub(super) async fn measured(
    session: &Session<'_>,
    mut plan: Plan,
    usage: &[String],
) -> Result<Plan> {
    if usage.is_empty() {
        return Ok(plan);
    }
    let mut places = Vec::new();
    let mut fetched = None;
    for place in usage {
        if place != LOOKUP {
            places.push(Place::parse(place)?);
        } else if fetched.is_none() {
            let window = (past(plan.created_at), plan.created_at);
            let asking = Asking::open(session, None, &[], window).await?;
            for gap in asking.fetch(session, &queries(&plan)).await? {
                session
                    .terminal
                    .note(&format!("warning: not looked up in {}: {}", gap.region, gap.why));
            }
            if !asking.is_empty() {
                places.push(Place::Path(asking.folder()));
            }
            fetched = Some(asking);
        }
    }
    let subjects: Vec<Subject> = plan.principals.iter().map(subject).collect();
    let progress = Arc::new(Progress::default());
    let access = session.access();
    let limits = Limits::of_this_machine();
    let work = measure(&places, Meter::new(subjects), &limits, &access, &progress);
    // The history of somebody who has done nothing holds no event: then nothing is stopped that is in it.
    let result = shown_while(session, &progress, work).await;
    let only_looked_up = fetched.is_some() && places.len() == 1;
    let measured = match result {
        Err(_) if only_looked_up => None,
        other => Some(other?),
    };
    let since: Vec<Option<Timestamp>> =
        plan.principals.iter().map(|principal| principal.since).collect();
    let usages = match measured {
        Some(measured) => {
            for (flaw, times, first) in measured.tally.iter() {
                let (one, many) = flaw.words();
                let times = count(usize::try_from(times).unwrap_or(usize::MAX), one, many);
                session
                    .terminal
                    .note(&format!("warning: {times}, first in {}: {}", first.file, first.what));
            }
            if measured.repeats {
                session.terminal.note(
                    "warning: so many events are theirs that one delivered twice may be counted twice",
                );
            }
            measured.counter.finish(&since).unwrap_or_default()
        }
        None => plan.principals.iter().map(|_| none(plan.created_at)).collect(),
    };
    for (principal, mut usage) in plan.principals.iter_mut().zip(usages) {
        if fetched.is_some() && principal.kind == PrincipalKind::Role && only_looked_up {
            principal.warnings.push(ROLES.to_owned());
            continue;
        }
        if fetched.is_some() {
            usage.unseen.push(DATA.to_owned());
        }
        principal.usage = Some(usage);
    }
    Ok(plan.sealed())
}

fn past(now: Timestamp) -> Timestamp {
    now.saturating_sub(WEEK).unwrap_or(Timestamp::MIN)
}

/// What the history says of somebody who has done nothing in it.
fn none(now: Timestamp) -> Usage {
    Usage { from: past(now), to: now, uses: Vec::new(), others: 0, unseen: Vec::new() }
}

fn subject(principal: &PrincipalPlan) -> Subject {
    Subject {
        id: principal.id.clone(),
        name: principal.name.to_string(),
        arn: principal.arn.to_string(),
        keys: principal.snapshot.access_keys.items().iter().map(|key| key.id.to_string()).collect(),
    }
}

/// What is looked up of a plan: its users by name, and the keys that are turned off.
fn queries(plan: &Plan) -> Vec<Query> {
    let mut queries = Vec::new();
    for principal in plan.principals.iter().filter(|one| one.kind == PrincipalKind::User) {
        queries.push(Query::UserName(principal.name.to_string()));
        let keys = principal.steps.iter().filter_map(|step| match &step.resource {
            Resource::AccessKey(id) => Some(Query::AccessKey(id.to_string())),
            _ => None,
        });
        queries.extend(keys);
    }
    queries
}
