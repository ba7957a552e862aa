//! Applies a plan: verifies, locks, journals each intent, calls, settles, and records.

mod active;
mod approve;
mod ending;
mod finish;
mod point;
mod recover;
mod resume;
mod settle;
mod verify;
mod waves;

pub use approve::Approvals;
pub use point::{Point, Watcher};

use recover::Issue;

use crate::aws::{Aws, Reading};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::identity::{PrincipalKind, Who};
use crate::journal::Event;
use crate::plan::{Kind, Plan, PrincipalPlan, sha256};
use crate::planner::check_protection;
use crate::record;
use crate::resource::Resource;
use crate::snapshot::Snapshot;
use crate::state::{Run, State};
use crate::store::{Key, Locked, Owner, Store};
use crate::view::{ApplyEvent, Ending};
use active::Active;
use approve::Granted;
use jiff::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;

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
    /// How long a run may go on trying after its first write.
    pub deadline: Duration,
    /// The longest watch after the last wave, where it is to be shorter than the plan says (D5).
    pub settle_at_most: Option<u32>,
    /// Who runs this, on which machine: for the lock file.
    pub owner: Owner,
    /// The users that need an override (D2.10), by this machine's configuration.
    pub protected_users: &'a [String],
    /// The roles that need one.
    pub protected_roles: &'a [String],
    /// What allows the plan to be applied, where something has to.
    pub approvals: Approvals,
    /// Set to stop.
    pub stop: Stop,
    /// Hears what happens.
    pub emit: &'a mut dyn FnMut(ApplyEvent),
    /// Whether something that was emitted has not arrived where it is shown.
    pub output_lost: &'a dyn Fn() -> bool,
    /// Is called at every [`Point`].
    pub watcher: Option<&'a Watcher>,
}

/// A run under way: what all its principals have in common.
struct UnderWay<'p> {
    plan: &'p Plan,
    id: String,
    /// Whether it was cut off before, and goes on.
    resumed: bool,
    /// Why principals of the plan take no part: they are not there any more.
    left_out: Vec<String>,
    before: Reading,
    granted: Granted,
    managed: Vec<(Who, String)>,
    /// Until when calls may be tried again.
    until: Instant,
    /// The number that the next added step gets.
    next_step: u32,
    /// The number that the next added wave gets.
    next_wave: u32,
    /// For how long the principals were watched.
    watched_s: u32,
}

impl Executor<'_> {
    /// Applies the plan whose file has these bytes.
    ///
    /// # Errors
    /// If anything stands against it before the first write: another run holds the lock, the state cannot
    /// be written, the plan is stale or was applied before, or reality has moved (D2.3). Nothing is changed
    /// then. After the first write there is always an [`Ending`].
    pub async fn apply(&mut self, plan: &Plan, bytes: &[u8]) -> Result<Ending> {
        for principal in plan.principals.iter().filter(|_| plan.kind == Kind::Contain) {
            let protected = match principal.kind {
                PrincipalKind::User => self.protected_users,
                PrincipalKind::Role => self.protected_roles,
            };
            check_protection(&principal.who(), protected, plan.override_protection)?;
        }
        let mut locks = Vec::new();
        let refused = match Box::pin(self.apply_locked(plan, bytes, &mut locks)).await {
            Ok(ending) => return Ok(ending),
            Err(error) => error,
        };
        for locked in locks {
            // What is wrong was said already; a lock that stays is shown to whoever comes next.
            let _ = locked.release().await;
        }
        Err(refused)
    }

    async fn apply_locked(
        &mut self,
        plan: &Plan,
        bytes: &[u8],
        locks: &mut Vec<Locked>,
    ) -> Result<Ending> {
        let digest = sha256(bytes);
        let mut states = Vec::new();
        for principal in &plan.principals {
            let mut locked = self.lock(&self.key(plan, principal)).await?;
            let mut state = locked.stored().await?;
            if state.as_ref().is_some_and(|state| state.open_run().is_some()) {
                state = self.store.load(locked.key()).await?;
            }
            locks.push(locked);
            states.push(state);
        }
        self.at(Point::Locked).await;
        let managed = managed_with_states(plan, &states);
        let reading = self.read(plan, &managed).await?;
        let mut now = Vec::new();
        let context = verify::context(plan, &reading);
        for (principal, previous) in plan.principals.iter().zip(&states) {
            let current = verify::reality(plan, principal, &reading);
            let is = current.as_ref().ok().map(|now| (now, &context));
            verify::state(plan, principal, previous.as_ref(), &digest, is)?;
            now.push(current?);
        }
        self.recovery_stands(plan, &states, &now).await?;
        let granted = self.granted(plan, bytes, &states, &reading).await?;
        for (principal, now) in plan.principals.iter().zip(&now) {
            self.still_bears_the_name(principal, now).await?;
        }
        let moved = verify::drift(plan, &now, &states, &context)?;
        (self.emit)(ApplyEvent::Verified {
            calls: reading.cost.calls,
            round_trips: reading.cost.round_trips,
            moved,
        });
        self.refuse_stopped()?;
        self.at(Point::Verified).await;
        let id = self.run_id(reading.service_time, plan).await?;
        let mut run = self.under_way(plan, id, reading, managed);
        run.granted = granted;
        self.tell_approvals(&run);
        (self.emit)(run.started());
        let mut active = Vec::new();
        for ((principal, previous), now) in plan.principals.iter().zip(states).zip(now) {
            if locks.is_empty() {
                break;
            }
            let mut locked = locks.remove(0);
            if !active.is_empty() {
                locked.join_run(&run.id, bytes).await;
            }
            match Box::pin(self.begin(&run, bytes, principal, previous, now, locked)).await {
                Ok(mut one) => {
                    self.tell_moved(&mut one);
                    active.push(one);
                }
                Err(error) => {
                    locks.extend(active.into_iter().map(|one: Active| one.locked));
                    return Err(error);
                }
            }
        }
        self.at(Point::StateBegun).await;
        Box::pin(self.go_on(&mut run, active)).await
    }

    /// The waves, the watch, and the end.
    async fn go_on(&mut self, run: &mut UnderWay<'_>, mut active: Vec<Active>) -> Result<Ending> {
        // Each is large, and none is called often: on the heap they do not add up on the stack.
        Box::pin(self.waves(run, &mut active)).await;
        if run.plan.kind == Kind::Recover {
            Box::pin(self.conclude(run, &mut active)).await;
        }
        Box::pin(self.settle(run, &mut active)).await;
        Box::pin(self.finish(run, active)).await
    }

    /// Says who approved what is applied, or why it goes without.
    fn tell_approvals(&mut self, run: &UnderWay<'_>) {
        let granted = &run.granted;
        let something = !granted.approvals.is_empty()
            || granted.break_glass.is_some()
            || !granted.warnings.is_empty();
        if something {
            (self.emit)(ApplyEvent::Approved {
                approvals: granted.approvals.iter().map(|one| one.approval.clone()).collect(),
                break_glass: granted.break_glass.clone(),
                warnings: granted.warnings.clone(),
            });
        }
    }

    fn refuse_stopped(&self) -> Result<()> {
        if self.stop.asked() {
            return Err(Error::new(Exit::Interrupted, "stopped before anything was changed"));
        }
        Ok(())
    }

    /// Records an event, and says at once where its store has gone away: where the process is killed later, nothing
    /// in that store tells where its record went on.
    async fn note(&mut self, one: &mut Active, event: Event) -> bool {
        let written = one.append(self.context.now(), event).await;
        self.tell_moved(one);
        written
    }

    fn tell_moved(&mut self, one: &mut Active) {
        let Some(folder) = one.locked.moved().filter(|_| !one.told_moved) else { return };
        (self.emit)(ApplyEvent::RecordMoved {
            who: one.plan.who(),
            folder: folder.display().to_string(),
            store: one.locked.location(),
        });
        one.told_moved = true;
    }

    /// Tells whoever watches where the run is.
    async fn at(&self, point: Point) {
        if let Some(watcher) = self.watcher {
            watcher(&point).await;
        }
    }

    fn key(&self, plan: &Plan, principal: &PrincipalPlan) -> Key {
        Key::of(plan, principal)
    }

    /// Waits for the lock of a principal, and makes sure that its folder can be written (D2, exit 5).
    async fn lock(&self, key: &Key) -> Result<Locked> {
        self.store.check_writable(key).await?;
        let pause = Duration::from_millis(200);
        let mut waited = Duration::ZERO;
        loop {
            if let Some(locked) = self.store.lock(key, &self.owner).await? {
                return Ok(locked);
            }
            if waited >= self.lock_timeout || self.stop.asked() {
                return Err(self.store.locked_error(key).await);
            }
            self.context.sleep(pause).await;
            waited += pause;
        }
    }

    async fn read(&self, plan: &Plan, managed: &[(Who, String)]) -> Result<Reading> {
        let users: Vec<Who> = plan.principals.iter().map(PrincipalPlan::who).collect();
        Box::pin(crate::aws::read_known(self.aws, &users, managed)).await
    }

    /// A reading takes several calls. Where it is not of what was planned for, the first of them may have told of
    /// the principal, and the others of whoever was made under its name in between (F27). Where that cannot be
    /// asked, the reading stands: nothing else vetoes a key-off (D2.4).
    async fn still_bears_the_name(&self, principal: &PrincipalPlan, now: &Snapshot) -> Result<()> {
        let as_planned =
            Snapshot { read_at: principal.snapshot.read_at, ..now.clone() } == principal.snapshot;
        if as_planned {
            return Ok(());
        }
        match Box::pin(verify::bearer(self.aws, principal)).await {
            Ok(Some(other)) => Err(other),
            Ok(None) | Err(_) => Ok(()),
        }
    }

    fn under_way<'p>(
        &self,
        plan: &'p Plan,
        id: String,
        before: Reading,
        managed: Vec<(Who, String)>,
    ) -> UnderWay<'p> {
        let steps = plan.steps();
        UnderWay {
            plan,
            id,
            resumed: false,
            left_out: Vec::new(),
            before,
            granted: Granted::default(),
            managed,
            until: Instant::now() + self.deadline,
            next_step: steps.iter().map(|(_, step)| step.id).max().unwrap_or(0) + 1,
            next_wave: steps.iter().map(|(_, step)| step.wave).max().unwrap_or(0) + 1,
            watched_s: 0,
        }
    }

    /// Writes down what is about to be done to a principal. From here on something may change.
    async fn begin(
        &mut self,
        run: &UnderWay<'_>,
        bytes: &[u8],
        principal: &PrincipalPlan,
        previous: Option<State>,
        now: Snapshot,
        mut locked: Locked,
    ) -> Result<Active> {
        let record = Run {
            id: run.id.clone(),
            kind: run.plan.kind,
            plan_sha256: sha256(bytes),
            planned_by: Some(run.plan.planned_by.clone()),
            applied_by: run.before.caller.arn.clone(),
            applied_from: Some(self.owner.host.clone()),
            started_at: run.before.service_time,
            approvals: run.granted.approvals.iter().map(|one| one.approval.clone()).collect(),
            break_glass: run.granted.break_glass.clone(),
            end: None,
        };
        let (begun, prior) = record::begin(previous.as_ref(), run.plan, principal, record);
        locked.name_run(&run.id).await?;
        let mut log = match run.resumed {
            true => locked.begin_again(&run.id, bytes).await?,
            false => locked.start_run(&run.id, bytes).await?,
        };
        let event = Event::RunStarted {
            run: run.id.clone(),
            kind: run.plan.kind,
            plan_sha256: sha256(bytes),
            lineage: begun.lineage.clone(),
            serial: begun.serial,
            applied_by: run.before.caller.arn.clone(),
            applied_from: Some(self.owner.host.clone()),
            endpoint: run.before.endpoint.clone(),
            ringfence_version: run.plan.ringfence_version.clone(),
            approvals: run.granted.approvals.clone(),
            break_glass: run.granted.break_glass.clone(),
            prior,
        };
        if log.journal().started().is_none() {
            log.append(self.context.now(), event).await?;
        }
        self.at(Point::RunStored).await;
        locked.save(&begun).await?;
        let known = previous.iter().flat_map(|state| state.resources.keys().cloned());
        let issue = Issue::of(run.plan.recover.as_ref(), &run.id, principal.id.as_str());
        Ok(Active {
            issue,
            plan: principal.clone(),
            locked,
            ours: known.collect(),
            now,
            unread: None,
            replaced: false,
            begun,
            log,
            fence_time: None,
            held_for_s: 0,
            tampering: Vec::new(),
            restless: false,
            told_moved: false,
            broken: None,
        })
    }

    /// `20261121T031240Z-7c41e09a`: the service's time and the lineage, so that runs sort by time.
    async fn run_id(&self, at: Timestamp, plan: &Plan) -> Result<String> {
        let stamp: String = at.to_string().chars().filter(|c| !matches!(c, '-' | ':')).collect();
        let lineage = plan.principals.first().map_or("none", |one| one.lineage.short());
        let base = format!("{stamp}-{lineage}");
        let mut taken = Vec::new();
        for principal in &plan.principals {
            taken.extend(self.store.runs(&self.key(plan, principal)).await?);
        }
        let mut id = base.clone();
        let mut n = 1;
        while taken.contains(&id) {
            n += 1;
            id = format!("{base}-{n}");
        }
        Ok(id)
    }
}

impl UnderWay<'_> {
    fn started(&self) -> ApplyEvent {
        ApplyEvent::RunStarted {
            run: self.id.clone(),
            kind: self.plan.kind,
            steps: self.plan.steps().len(),
        }
    }

    /// The customer-managed policies to read, with those that settling has made.
    fn managed(&self, active: &[Active]) -> Vec<(Who, String)> {
        let mut all = self.managed.clone();
        for one in active {
            all.extend(one.plan.steps.iter().filter_map(|step| match &step.resource {
                Resource::ManagedPolicy(arn) => Some((one.plan.who(), arn.clone())),
                _ => None,
            }));
        }
        all.sort();
        all.dedup();
        all
    }
}

/// The customer-managed policies of the plan, and those that earlier runs have left.
fn managed_with_states(plan: &Plan, states: &[Option<State>]) -> Vec<(Who, String)> {
    let mut all = managed(plan);
    for (principal, state) in plan.principals.iter().zip(states) {
        let held = state.as_ref().map(managed_of).unwrap_or_default();
        all.extend(held.into_iter().map(|(_, arn)| (principal.who(), arn)));
    }
    all.sort();
    all.dedup();
    all
}

/// The customer-managed policies that the plan is about: they have to be read apart.
#[must_use]
pub fn managed(plan: &Plan) -> Vec<(Who, String)> {
    plan.steps()
        .into_iter()
        .filter_map(|(principal, step)| match &step.resource {
            Resource::ManagedPolicy(arn) => Some((principal.who(), arn.clone())),
            _ => None,
        })
        .collect()
}

/// The same, for a state.
#[must_use]
pub fn managed_of(state: &State) -> Vec<(Who, String)> {
    state
        .resources
        .keys()
        .filter_map(|resource| match resource {
            Resource::ManagedPolicy(arn) => Some((state.principal.who(), arn.clone())),
            _ => None,
        })
        .collect()
}

/// Whether the plan is a release.
const fn is_release(plan: &Plan) -> bool {
    matches!(plan.kind, Kind::Release)
}
