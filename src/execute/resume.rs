//! A run that was cut off goes on from what its journal tells and from what is read now (D2.5).

use super::active::Active;
use super::approve::Granted;
use super::recover::Issue;
use super::{Executor, Point, UnderWay, managed_with_states, verify};
use crate::aws::Reading;
use crate::error::{Error, Result};
use crate::identity::Who;
use crate::journal::{Event, Journal};
use crate::plan::{Kind, Plan, PrincipalPlan, sha256};
use crate::planner::check_caller;
use crate::resource::Resource;
use crate::settle::tampering;
use crate::snapshot::Snapshot;
use crate::state::State;
use crate::store::Locked;
use crate::view::{ApplyEvent, Ending};

impl Executor<'_> {
    /// Goes on with a run that was cut off, whose stored plan has these bytes. Principals for which the run is
    /// over are left alone; those for which it had not begun take part from the beginning. One that is not there
    /// any more keeps no other from being contained (D2.4): it is left out, and the run is not complete.
    ///
    /// # Errors
    /// If another run holds a lock, the account or endpoint is another, or no principal is there any more:
    /// nothing is changed then.
    pub async fn resume(&mut self, plan: &Plan, bytes: &[u8], run: &str) -> Result<Ending> {
        let mut locks = Vec::new();
        let refused = match Box::pin(self.resume_locked(plan, bytes, run, &mut locks)).await {
            Ok(ending) => return Ok(ending),
            Err(error) => error,
        };
        for locked in locks {
            // What is wrong was said already; a lock that stays is shown to whoever comes next.
            let _ = locked.release().await;
        }
        Err(refused)
    }

    async fn resume_locked(
        &mut self,
        plan: &Plan,
        bytes: &[u8],
        id: &str,
        locks: &mut Vec<Locked>,
    ) -> Result<Ending> {
        let mut states = Vec::new();
        let mut open = Plan { principals: Vec::new(), ..plan.clone() };
        let mut unknown: Vec<Error> = Vec::new();
        for principal in &plan.principals {
            let mut locked = self.lock(&self.key(plan, principal)).await?;
            match self.open(plan, principal, bytes, id, &mut locked).await {
                Ok(Some(state)) => {
                    locks.push(locked);
                    states.push(state);
                    open.principals.push(principal.clone());
                    continue;
                }
                Ok(None) => {}
                Err(error) => unknown.push(error),
            }
            // A lock that stays is shown to whoever comes next.
            let _ = locked.release().await;
        }
        if let (true, Some(error)) = (locks.is_empty(), unknown.last()) {
            return Err(error.clone());
        }
        self.at(Point::Locked).await;
        let mut managed = managed_with_states(&open, &states);
        managed.extend(self.managed_by_settling(&open, id).await);
        let reading = self.read(&open, &managed).await?;
        verify::same_place(plan, &reading)?;
        let (there, gone) = self.there(open.principals, states, locks, &reading).await?;
        let left_out: Vec<String> =
            unknown.iter().chain(&gone).map(|why| why.message().to_owned()).collect();
        managed.retain(|(who, _)| there.iter().any(|one| one.principal.who() == *who));
        for one in &there {
            let state = one.state.as_ref();
            verify::release_may_go_on(plan, &one.principal, state, &one.now)?;
            self.recovery_may_go_on(plan, &one.principal, state, &one.now, id).await?;
        }
        (self.emit)(ApplyEvent::Resumed {
            run: id.to_owned(),
            calls: reading.cost.calls,
            round_trips: reading.cost.round_trips,
            left_out: left_out.clone(),
        });
        self.refuse_stopped()?;
        self.at(Point::Verified).await;
        let mut run = self.under_way(plan, id.to_owned(), reading, managed);
        run.resumed = true;
        run.left_out = left_out;
        run.granted = self.granted_before(plan, id).await;
        (self.emit)(run.started());
        let mut active = Vec::new();
        for There { principal, state, now } in there {
            if locks.is_empty() {
                break;
            }
            let locked = locks.remove(0);
            let taken_up = match state {
                Some(state) if state.open_run().is_some_and(|open| open.id == id) => {
                    self.take_up(&mut run, &principal, state, now, locked).await
                }
                state => self.begin(&run, bytes, &principal, state, now, locked).await,
            };
            match taken_up {
                Ok(one) => active.push(one),
                Err(error) => {
                    locks.extend(active.into_iter().map(|one: Active| one.locked));
                    return Err(error);
                }
            }
        }
        self.at(Point::StateBegun).await;
        Box::pin(self.go_on(&mut run, active)).await
    }

    /// The state from which a run goes on for a principal; `None` where the run is over for it.
    async fn open(
        &self,
        plan: &Plan,
        principal: &PrincipalPlan,
        bytes: &[u8],
        run: &str,
        locked: &mut Locked,
    ) -> Result<Option<Option<State>>> {
        let state = locked.stored().await?;
        if stage(principal, state.as_ref(), run, bytes)? == Stage::Over {
            return Ok(None);
        }
        let open = state.as_ref().and_then(State::open_run);
        if open.is_none_or(|open| open.id != run) {
            self.is_here(plan, principal, run).await?;
        }
        // What an earlier run did to it that was cut off too is in that run's journal alone (D2.5).
        match open.is_some_and(|open| open.id != run) {
            true => Ok(Some(self.store.load(locked.key()).await?)),
            false => Ok(Some(state)),
        }
    }

    /// All begin before any call is meant. Where the run has gone on for another, and there is no record of it for
    /// this one, that is kept elsewhere: to begin here would be a second one, that knows nothing of what was done.
    async fn is_here(&self, plan: &Plan, principal: &PrincipalPlan, run: &str) -> Result<()> {
        let own = self.store.journal(&self.key(plan, principal), run).await;
        if own.is_ok_and(|journal| journal.started().is_some()) {
            return Ok(());
        }
        for other in plan.principals.iter().filter(|other| other.id != principal.id) {
            let journal = self.store.journal(&self.key(plan, other), run).await;
            if journal.is_ok_and(|journal| journal.has_intents()) {
                return Err(Error::failed(format!(
                    "there is no record of the run for {} here, and it has gone on for {}",
                    principal.who(),
                    other.who()
                ))
                .hint("where it has begun its record is: ringfence resume --state LOCATION"));
            }
        }
        Ok(())
    }

    /// What allowed the run when it began: one that was cut off needs no new approval.
    async fn granted_before(&self, plan: &Plan, run: &str) -> Granted {
        for principal in &plan.principals {
            let Ok(journal) = self.store.journal(&self.key(plan, principal), run).await else {
                continue;
            };
            if let Some(Event::RunStarted { approvals, break_glass, .. }) = journal.started() {
                let (approvals, break_glass) = (approvals.clone(), break_glass.clone());
                return Granted { approvals, break_glass, warnings: Vec::new() };
            }
        }
        Granted::default()
    }

    /// The customer-managed policies that only steps of settling are about: what became of their creation has
    /// to be read before it may be sent again (D2.5).
    async fn managed_by_settling(&self, plan: &Plan, run: &str) -> Vec<(Who, String)> {
        let mut all = Vec::new();
        for principal in &plan.principals {
            // A journal that cannot be read stops the run when it is opened.
            let journal = self.store.journal(&self.key(plan, principal), run).await;
            for step in journal.iter().flat_map(Journal::added) {
                if let Resource::ManagedPolicy(arn) = &step.resource {
                    all.push((principal.who(), arn.clone()));
                }
            }
        }
        all
    }

    /// The principals that are there still, in the order of their locks, and why the others are not; the locks of
    /// these are given back.
    async fn there(
        &self,
        principals: Vec<PrincipalPlan>,
        states: Vec<Option<State>>,
        locks: &mut Vec<Locked>,
        reading: &Reading,
    ) -> Result<(Vec<There>, Vec<Error>)> {
        let (mut there, mut gone, mut kept) = (Vec::new(), Vec::new(), Vec::new());
        let all = principals.into_iter().zip(states).zip(std::mem::take(locks));
        for ((principal, state), locked) in all {
            let now = match verify::same_principal(&principal, reading) {
                Ok(now) => self.still_bears_the_name(&principal, now).await.map(|()| now.clone()),
                Err(why) => Err(why),
            };
            match now {
                Ok(now) => {
                    kept.push(locked);
                    there.push(There { principal, state, now });
                }
                Err(why) => {
                    // A lock that stays is shown to whoever comes next.
                    let _ = locked.release().await;
                    gone.push(why);
                }
            }
        }
        *locks = kept;
        for one in &there {
            let principal = &one.principal;
            check_caller(&reading.caller, &principal.who(), &principal.arn, &principal.id)?;
        }
        match gone.last() {
            Some(why) if there.is_empty() => Err(why.clone()),
            _ => Ok((there, gone)),
        }
    }

    /// Opens the journal of a principal again, and reads back what the calls before have come to.
    async fn take_up(
        &mut self,
        run: &mut UnderWay<'_>,
        principal: &PrincipalPlan,
        begun: State,
        now: Snapshot,
        mut locked: Locked,
    ) -> Result<Active> {
        locked.name_run(&run.id).await?;
        let mut log = locked.reopen_run(&run.id).await?;
        let event = Event::RunResumed {
            by: run.before.caller.arn.clone(),
            from: Some(self.owner.host.clone()),
            read_at: now.read_at,
            ringfence_version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        log.append(self.context.now(), event).await?;
        let plan = principal.with_added(log.journal().added());
        for step in &plan.steps {
            run.next_step = run.next_step.max(step.id + 1);
            run.next_wave = run.next_wave.max(step.wave + 1);
        }
        let fence_time =
            log.journal().entries().iter().rev().find_map(|entry| match &entry.event {
                Event::FenceTime { fence_time, .. } => Some(*fence_time),
                _ => None,
            });
        // What was held when the run began is in its journal; what was only kept is in the state.
        let known = log.journal().prior().into_keys();
        let known = known.chain(
            begun
                .resources
                .iter()
                .filter(|(_, held)| held.written_at.is_some())
                .map(|(resource, _)| resource.clone()),
        );
        let ours = known.collect();
        let mut one = Active {
            issue: Issue::of(run.plan.recover.as_ref(), &run.id, plan.id.as_str()),
            plan,
            locked,
            ours,
            now,
            unread: None,
            replaced: false,
            begun,
            log,
            fence_time,
            held_for_s: 0,
            tampering: Vec::new(),
            restless: false,
            told_moved: false,
            broken: None,
        };
        if run.plan.kind == Kind::Contain {
            // What was undone while nobody was looking; what is new since the plan is told at the end.
            let (state, _) = one.so_far(run.plan, one.now.read_at);
            let seen = tampering(&one.plan, one.journal(), &state, &one.now, &one.now);
            for finding in seen {
                self.saw(&mut one, run.before.service_time, finding).await;
            }
        }
        let event = one.read_back();
        self.note(&mut one, event).await;
        self.at(Point::ReadBack).await;
        Ok(one)
    }
}

/// A principal with which a run goes on.
struct There {
    principal: PrincipalPlan,
    state: Option<State>,
    now: Snapshot,
}

/// Where a run stands for one of its principals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It was never begun, or was cut off.
    Open,
    /// It came to its end.
    Over,
}

fn stage(
    principal: &PrincipalPlan,
    state: Option<&State>,
    run: &str,
    bytes: &[u8],
) -> Result<Stage> {
    let known = state.and_then(|state| state.runs.iter().find(|known| known.id == run));
    let Some(known) = known else {
        let serial = state.map_or(0, |state| state.serial);
        // Its state was not written yet, so nothing was done to it; it may take part where nothing came after.
        return if serial == principal.serial { Ok(Stage::Open) } else { Ok(Stage::Over) };
    };
    if known.plan_sha256 != sha256(bytes) {
        return Err(Error::failed(format!(
            "the stored plan of run {run} is not the one it was begun with"
        ))
        .because(format!("the state records sha256 {}", known.plan_sha256))
        .hint(format!(
            "keep both; ringfence apply --again {} contains by what the state records",
            principal.who().flag()
        )));
    }
    let last = state.and_then(|state| state.runs.last()).is_some_and(|last| last.id == run);
    Ok(if known.end.is_none() && last { Stage::Open } else { Stage::Over })
}
