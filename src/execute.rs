//! Applies a plan: verifies, locks, journals each intent, calls, reads back, and records.

mod ending;
mod verify;
mod waves;

use crate::aws::{Aws, Reading};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::identity::UserName;
use crate::journal::Event;
use crate::plan::{Kind, Plan, PrincipalPlan, sha256};
use crate::planner::check_protection;
use crate::record::{self, Outcome};
use crate::resource::Resource;
use crate::snapshot::Snapshot;
use crate::state::{Run, State};
use crate::store::{Key, Locked, Owner, RunLog, Store};
use crate::view::{ApplyEvent, Ending};
use jiff::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Set once a person asks the run to stop: the calls under way end and are recorded, no other begins (D4).
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks the run to stop.
    pub fn ask(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether it was asked to.
    #[must_use]
    pub fn asked(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// What an apply needs.
pub struct Executor<'a> {
    /// The connection to AWS.
    pub aws: &'a Aws,
    /// Where states are kept.
    pub store: &'a Store,
    /// Local time and randomness.
    pub context: &'a Context,
    /// How long to wait for another run's lock.
    pub lock_timeout: Duration,
    /// Who runs this, on which machine: for the lock file.
    pub owner: Owner,
    /// The users that need an override (D2.10), by this machine's configuration.
    pub protected_users: &'a [String],
    /// Set to stop.
    pub stop: Stop,
    /// Hears what happens.
    pub emit: &'a mut dyn FnMut(ApplyEvent),
}

/// One principal while its plan is applied.
struct Active<'a> {
    plan: &'a PrincipalPlan,
    locked: Locked,
    previous: Option<State>,
    now: Snapshot,
    begun: Option<State>,
    log: Option<RunLog>,
    fence_time: Option<Timestamp>,
    /// The record can no longer be written, so nothing more may be done (D2.5).
    broken: Option<Error>,
}

impl Executor<'_> {
    /// Applies the plan whose file has these bytes.
    ///
    /// # Errors
    /// If anything stands against it before the first write: another run holds the lock, the state cannot
    /// be written, the plan is stale or was applied before, or reality has moved (D2.3). Nothing is changed
    /// then. After the first write there is always an [`Ending`].
    pub async fn apply(&mut self, plan: &Plan, bytes: &[u8]) -> Result<Ending> {
        if let Some(rules) = self.store.rules().await?.first() {
            return Err(Error::forbidden(format!(
                "the state's `{}` asks for approvals",
                crate::text::shown(rules)
            ))
            .because("this version cannot check them")
            .hint("use a ringfence that can"));
        }
        for principal in plan.principals.iter().filter(|_| plan.kind == Kind::Contain) {
            check_protection(&principal.name, self.protected_users, plan.override_protection)?;
        }
        let digest = sha256(bytes);
        let mut principals = Vec::new();
        for principal in &plan.principals {
            principals.push((principal, self.lock(plan, principal).await?));
        }
        let managed = managed_with_states(plan, &mut principals).await?;
        let reading = self.read(plan, &managed).await?;
        let mut active = Vec::new();
        for (principal, mut locked) in principals {
            let previous = locked.load().await?;
            verify::state(plan, principal, previous.as_ref(), &digest)?;
            let now = verify::reality(plan, principal, &reading)?;
            active.push(Active {
                plan: principal,
                locked,
                previous,
                now,
                begun: None,
                log: None,
                fence_time: None,
                broken: None,
            });
        }
        let moved = verify::drift(plan, &active)?;
        (self.emit)(ApplyEvent::Verified {
            calls: reading.cost.calls,
            round_trips: reading.cost.round_trips,
            moved,
        });
        if self.stop.asked() {
            return Err(Error::new(
                crate::exit::Exit::Interrupted,
                "stopped before anything was changed",
            ));
        }
        let run = self.begin(plan, bytes, &reading, &mut active).await?;
        self.waves(plan, &mut active).await;
        self.finish(plan, &run, &reading, active, &managed).await
    }

    /// Waits for the lock of a principal, and makes sure that its folder can be written (D2, exit 5).
    async fn lock(&self, plan: &Plan, principal: &PrincipalPlan) -> Result<Locked> {
        let key = Key { account: plan.account_id.clone(), id: principal.id.clone() };
        self.store.check_writable(&key).await?;
        let pause = Duration::from_millis(200);
        let mut waited = Duration::ZERO;
        loop {
            if let Some(locked) = self.store.lock(&key, &self.owner).await? {
                return Ok(locked);
            }
            if waited >= self.lock_timeout {
                return Err(self.store.locked_error(&key).await);
            }
            tokio::time::sleep(pause).await;
            waited += pause;
        }
    }

    async fn read(&self, plan: &Plan, managed: &[(UserName, String)]) -> Result<Reading> {
        let users: Vec<UserName> = plan.principals.iter().map(|p| p.name.clone()).collect();
        crate::aws::read_known(self.aws, &users, managed).await
    }

    /// Writes down, for every principal, what is about to be done. From here on something may change.
    async fn begin(
        &mut self,
        plan: &Plan,
        bytes: &[u8],
        reading: &Reading,
        active: &mut [Active<'_>],
    ) -> Result<String> {
        let run = self.run_id(reading.service_time, active).await?;
        for one in active.iter_mut() {
            let mut log = one.locked.start_run(&run, bytes).await?;
            let record = Run {
                id: run.clone(),
                kind: plan.kind,
                plan_sha256: sha256(bytes),
                applied_by: reading.caller.arn.clone(),
                started_at: reading.service_time,
                end: None,
            };
            let begun = record::begin(one.previous.as_ref(), plan, one.plan, record);
            one.locked.save(&begun).await?;
            log.append(
                self.context.now(),
                Event::RunStarted {
                    run: run.clone(),
                    kind: plan.kind,
                    plan_sha256: sha256(bytes),
                    lineage: begun.lineage.clone(),
                    serial: begun.serial,
                    applied_by: reading.caller.arn.clone(),
                    endpoint: reading.endpoint.clone(),
                    ringfence_version: plan.ringfence_version.clone(),
                },
            )
            .await?;
            one.begun = Some(begun);
            one.log = Some(log);
        }
        (self.emit)(ApplyEvent::RunStarted {
            run: run.clone(),
            kind: plan.kind,
            steps: plan.steps().len(),
        });
        Ok(run)
    }

    /// `20261121T031240Z-7c41e09a`: the service's time and the lineage, so that runs sort by time.
    async fn run_id(&self, at: Timestamp, active: &[Active<'_>]) -> Result<String> {
        let stamp: String = at.to_string().chars().filter(|c| !matches!(c, '-' | ':')).collect();
        let lineage = active.first().map_or("none", |one| one.plan.lineage.short());
        let base = format!("{stamp}-{lineage}");
        let mut taken = Vec::new();
        for one in active {
            taken.extend(self.store.runs(one.locked.key()).await?);
        }
        let mut id = base.clone();
        let mut n = 1;
        while taken.contains(&id) {
            n += 1;
            id = format!("{base}-{n}");
        }
        Ok(id)
    }

    /// Reads everything back once, and records what is.
    async fn finish(
        &mut self,
        plan: &Plan,
        run: &str,
        before: &Reading,
        active: Vec<Active<'_>>,
        managed: &[(UserName, String)],
    ) -> Result<Ending> {
        let users: Vec<UserName> = active.iter().map(|one| one.plan.name.clone()).collect();
        let read = crate::aws::read_known(self.aws, &users, managed).await;
        let mut principals = Vec::new();
        let mut complete = true;
        let stopped = self.stop.asked();
        for one in active {
            let now = read
                .as_ref()
                .map_err(Clone::clone)
                .and_then(|reading| verify::same_principal(one.plan, reading).cloned());
            let at = read.as_ref().map_or(before.service_time, |reading| reading.service_time);
            let (end, holds) = self.record(plan, one, now, at).await;
            complete &= holds;
            principals.push(end);
        }
        let ending = Ending {
            run: run.to_owned(),
            kind: plan.kind,
            complete: complete && !stopped,
            applied_by: before.caller.arn.clone(),
            principals,
        };
        (self.emit)(ApplyEvent::Finished(ending.clone()));
        Ok(ending)
    }

    async fn record(
        &self,
        plan: &Plan,
        mut one: Active<'_>,
        now: Result<Snapshot>,
        at: Timestamp,
    ) -> (crate::view::PrincipalEnding, bool) {
        let read_back = now.as_ref().ok();
        if let (Some(log), Some(now)) = (&mut one.log, read_back) {
            let event = read_back_event(one.plan, now, one.fence_time, log);
            if let Err(error) = log.append(self.context.now(), event).await {
                one.broken.get_or_insert(error);
            }
        }
        let (Some(begun), Some(log)) = (&one.begun, &mut one.log) else {
            return (ending::of(plan, &one, None, &now, false), false);
        };
        let outcome = Outcome {
            journal: &log.journal().clone(),
            read_back,
            fence_time: one.fence_time,
            unconfirmed: unconfirmed(log.journal()),
            now: at,
        };
        let (mut state, mut complete) =
            record::finish(begun, one.previous.as_ref(), plan, one.plan, &outcome);
        complete &= read_back.is_some() && one.broken.is_none();
        if let Err(error) = log.append(self.context.now(), Event::RunFinished { complete }).await {
            one.broken.get_or_insert(error);
        } else {
            record::end_run(&mut state, log.journal(), complete, at);
        }
        state.serial += 1;
        if let Err(error) = one.locked.save(&state).await {
            one.broken.get_or_insert(error);
        }
        let complete = complete && one.broken.is_none();
        (ending::of(plan, &one, Some(&state), &now, complete), complete)
    }
}

/// The keys that were not known to be off when the fence's time was fixed.
fn unconfirmed(journal: &crate::journal::Journal) -> Vec<Resource> {
    journal
        .entries()
        .iter()
        .filter_map(|entry| match &entry.event {
            Event::FenceTime { still_active, .. } => Some(still_active.clone()),
            _ => None,
        })
        .flatten()
        .collect()
}

/// Which steps are stored, by what was read back; a step whose call was never made is left out.
fn read_back_event(
    plan: &PrincipalPlan,
    now: &Snapshot,
    fence: Option<Timestamp>,
    log: &RunLog,
) -> Event {
    let (mut stored, mut not_stored) = (Vec::new(), Vec::new());
    for step in &plan.steps {
        if log.journal().status(step.id) == crate::journal::StepStatus::Planned {
            continue;
        }
        let meant = waves::with_fence(step, fence);
        match now.value(&step.resource).known() {
            Some(value) if crate::resource::fits(meant.as_ref(), value.as_ref()) => {
                stored.push(step.id)
            }
            Some(_) => not_stored.push(step.id),
            // What cannot be read is neither; the outcome of its call stands.
            None => {}
        }
    }
    Event::ReadBack { read_at: now.read_at, stored, not_stored }
}

/// The customer-managed policies of the plan, and those that earlier runs have left.
async fn managed_with_states(
    plan: &Plan,
    principals: &mut [(&PrincipalPlan, Locked)],
) -> Result<Vec<(UserName, String)>> {
    let mut all = managed(plan);
    for (principal, locked) in principals {
        let held = locked.load().await?.as_ref().map(managed_of).unwrap_or_default();
        all.extend(held.into_iter().map(|(_, arn)| (principal.name.clone(), arn)));
    }
    all.sort();
    all.dedup();
    Ok(all)
}

/// The customer-managed policies that the plan is about: they have to be read apart.
#[must_use]
pub fn managed(plan: &Plan) -> Vec<(UserName, String)> {
    plan.steps()
        .into_iter()
        .filter_map(|(principal, step)| match &step.resource {
            Resource::ManagedPolicy(arn) => Some((principal.name.clone(), arn.clone())),
            _ => None,
        })
        .collect()
}

/// The same, for a state.
#[must_use]
pub fn managed_of(state: &State) -> Vec<(UserName, String)> {
    state
        .resources
        .keys()
        .filter_map(|resource| match resource {
            Resource::ManagedPolicy(arn) => Some((state.principal.name.clone(), arn.clone())),
            _ => None,
        })
        .collect()
}

/// Whether the plan is a release.
const fn is_release(plan: &Plan) -> bool {
    matches!(plan.kind, Kind::Release)
}
