//! After the last wave: the principals are read again on a schedule, and what the plan's clause allows is done.

use super::active::Active;
use super::{Executor, Point, UnderWay, verify};
use crate::aws::Reading;
use crate::error::{Error, Result};
use crate::journal::{Event, StepResult, StepStatus};
use crate::plan::{Kind, Settle, Step};
use crate::planner;
use crate::settle::{LAST_ROUNDS, calm_s, pause, steps, tampering};
use crate::view::{ApplyEvent, Finding};
use std::time::Duration;
use tokio::time::Instant;

/// How long to wait before what is still open is tried again, where nothing else asks for a wait.
const RETRY_S: u32 = 2;

impl Executor<'_> {
    /// Reads, asserts again, and reads again, until the watch is over and nothing is left to do; at the least
    /// one read-back.
    pub(super) async fn settle(&mut self, run: &mut UnderWay<'_>, active: &mut [Active]) {
        let clause = self.clause(run);
        let mut reads = 0;
        let mut late_rounds = 0;
        loop {
            let disturbed = Box::pin(self.look(run, active)).await;
            reads += 1;
            if run.plan.kind == Kind::Contain {
                self.tell_outrun(run, active).await;
            }
            self.progress(run, &clause, active);
            let late = run.watched_s >= clause.for_s;
            let pending = active.iter().any(may_try_again) && Instant::now() < run.until;
            let may_add = !self.stop.asked() && (!late || late_rounds < LAST_ROUNDS || pending);
            let added = if may_add { self.add_steps(run, &clause, active).await } else { 0 };
            if added > 0 {
                late_rounds += u32::from(late);
                Box::pin(self.added_waves(run, active)).await;
            }
            let next = self.next_pause(run, &clause, active, disturbed, added);
            // An attacker who polls is seen only where what was done again is looked at a little later.
            let restless = active.iter().any(|one| one.is_restless(&clause));
            let once_more = restless && !self.stop.asked() && late_rounds < LAST_ROUNDS;
            match next.or_else(|| once_more.then(|| calm_s(&clause))) {
                Some(pause) => self.wait(run, &clause, active, pause).await,
                None => break,
            }
        }
        for one in active.iter_mut() {
            one.restless = one.is_restless(&clause);
        }
        let event = || Event::Settled { watched_s: run.watched_s, reads };
        if reads == 1 && run.watched_s == 0 {
            return;
        }
        for one in active.iter_mut() {
            self.note(one, event()).await;
        }
    }

    /// The plan's clause, shortened where the command line says so.
    fn clause(&self, run: &UnderWay<'_>) -> Settle {
        let clause = &run.plan.settle;
        let for_s = clause.for_s.min(self.settle_at_most.unwrap_or(u32::MAX));
        Settle { for_s, ..clause.clone() }
    }

    fn next_pause(
        &self,
        run: &UnderWay<'_>,
        clause: &Settle,
        active: &[Active],
        disturbed: bool,
        added: usize,
    ) -> Option<u32> {
        if self.stop.asked() || active.iter().all(|one| one.broken.is_some()) {
            // What was just written is read once more; nothing else is waited for.
            return (added > 0).then_some(0);
        }
        if let Some(pause) = pause(clause, run.watched_s, disturbed || added > 0) {
            return Some(pause);
        }
        let unread = active.iter().any(|one| one.unread.is_some() && one.broken.is_none());
        let open = active.iter().any(may_try_again);
        ((added > 0 || open || unread) && Instant::now() < run.until).then_some(match added {
            0 => RETRY_S,
            _ => 0,
        })
    }

    async fn wait(
        &mut self,
        run: &mut UnderWay<'_>,
        clause: &Settle,
        active: &mut [Active],
        seconds: u32,
    ) {
        for _ in 0..seconds {
            if self.stop.asked() {
                return;
            }
            self.context.sleep(Duration::from_secs(1)).await;
            let late = run.watched_s >= clause.for_s;
            for one in active.iter_mut() {
                one.held_for_s += u32::from(!late || one.is_restless(clause));
            }
            if !late {
                run.watched_s += 1;
                self.progress(run, clause, active);
            }
        }
    }

    fn progress(&mut self, run: &UnderWay<'_>, clause: &Settle, active: &[Active]) {
        if clause.for_s > 0 {
            (self.emit)(ApplyEvent::Settling {
                watched_s: run.watched_s,
                for_s: clause.for_s,
                tampering: active.iter().map(|one| one.tampering.len()).sum(),
            });
        }
    }

    /// Reads every principal and records what is stored. Returns whether somebody has undone something.
    pub(super) async fn look(&mut self, run: &UnderWay<'_>, active: &mut [Active]) -> bool {
        let users: Vec<_> = active.iter().map(|one| one.plan.who()).collect();
        let managed = run.managed(active);
        let read = Box::pin(crate::aws::read_known(self.aws, &users, &managed)).await;
        let mut disturbed = false;
        for one in active.iter_mut() {
            disturbed |= self.look_at(run, one, &read).await;
        }
        self.at(Point::ReadBack).await;
        disturbed
    }

    async fn look_at(
        &mut self,
        run: &UnderWay<'_>,
        one: &mut Active,
        read: &Result<Reading>,
    ) -> bool {
        let now = read
            .as_ref()
            .map_err(Clone::clone)
            .and_then(|reading| verify::same_principal(&one.plan, reading).cloned());
        let now = match now {
            Ok(now) => now,
            Err(error) => {
                let read_at = read.as_ref().ok().map(|read| read.service_time);
                return self.lost_sight(one, error, read_at).await;
            }
        };
        let seen = match run.plan.kind {
            Kind::Contain => {
                let (state, _) = one.so_far(run.plan, now.read_at);
                tampering(&one.plan, one.journal(), &state, &one.now, &now)
            }
            Kind::Release | Kind::Recover => Vec::new(),
        };
        // A reading takes several calls. What is found changed may be of a principal that was made in between under
        // the same name: nothing of it is this one's (F27).
        if !seen.is_empty() {
            match Box::pin(verify::bearer(self.aws, &one.plan)).await {
                Ok(None) => {}
                Ok(Some(error)) => return self.lost_sight(one, error, Some(now.read_at)).await,
                Err(error) => return self.lost_sight(one, error, None).await,
            }
        }
        one.now = now;
        one.unread = None;
        one.replaced = false;
        if !seen.is_empty() {
            one.held_for_s = 0;
        }
        for what in &seen {
            self.saw(one, one.now.read_at, what.clone()).await;
        }
        let event = one.read_back();
        self.note(one, event).await;
        !seen.is_empty()
    }

    /// After a call that found nothing: the principal itself may be what is gone, and the next call would find
    /// whoever has its name now (F27). Where that cannot be asked, the last reading stands.
    pub(super) async fn was_not_found(&mut self, one: &mut Active, at: Option<jiff::Timestamp>) {
        if let Ok(Some(error)) = Box::pin(verify::bearer(self.aws, &one.plan)).await {
            let at = at.unwrap_or(one.now.read_at);
            self.lost_sight(one, error, Some(at)).await;
        }
    }

    /// Records that a principal could not be read, or is not there any more; returns whether the latter is news.
    async fn lost_sight(
        &mut self,
        one: &mut Active,
        error: Error,
        read_at: Option<jiff::Timestamp>,
    ) -> bool {
        let lost = read_at.is_some() && !one.replaced;
        let what = Finding { resource: None, what: error.message().to_owned() };
        one.unread = Some(error);
        one.replaced |= read_at.is_some();
        if lost {
            self.saw(one, read_at.unwrap_or(one.now.read_at), what).await;
        }
        lost
    }

    /// Records and tells that somebody else has done something.
    pub(super) async fn saw(
        &mut self,
        one: &mut Active,
        seen_at: jiff::Timestamp,
        finding: Finding,
    ) {
        let Finding { resource, what } = finding.clone();
        self.note(one, Event::Tampering { resource, what, seen_at }).await;
        (self.emit)(ApplyEvent::Tampering {
            who: one.plan.who(),
            finding: finding.clone(),
            seen_at,
        });
        one.tampering.push(finding);
    }

    /// Adds the steps that the clause allows for what was read; returns how many.
    async fn add_steps(
        &mut self,
        run: &mut UnderWay<'_>,
        clause: &Settle,
        active: &mut [Active],
    ) -> usize {
        if run.plan.kind != Kind::Contain {
            return 0;
        }
        let mut added = Vec::new();
        for (index, one) in active.iter().enumerate() {
            if one.unread.is_none() && one.broken.is_none() {
                let steps = self.wanted(run, clause, one);
                added.extend(steps.into_iter().map(|step| (index, step)));
            }
        }
        let mut waves: Vec<u32> = added.iter().map(|(_, step)| step.wave).collect();
        waves.sort_unstable();
        waves.dedup();
        let count = added.len();
        self.tell_about_to_stop(run, active, &added).await;
        for (index, mut step) in added {
            let order = waves.iter().position(|wave| *wave == step.wave).unwrap_or_default();
            step.wave = run.next_wave + u32::try_from(order).unwrap_or_default();
            step.id = run.next_step;
            run.next_step += 1;
            let Some(one) = active.get_mut(index) else { continue };
            let event = Event::StepAdded { step: Box::new(step.clone()) };
            if self.note(one, event).await {
                let point = Point::Added(step.resource.clone());
                one.plan.steps.push(step);
                self.at(point).await;
            }
        }
        count
    }

    fn wanted(&self, run: &UnderWay<'_>, clause: &Settle, one: &Active) -> Vec<Step> {
        let (state, _) = one.so_far(run.plan, one.now.read_at);
        let context = planner::Context {
            caller: run.before.caller.clone(),
            endpoint: run.before.endpoint.clone(),
            now: one.now.read_at,
            read: run.before.cost,
            incident: None,
            version: run.plan.ringfence_version.clone(),
            on_drift: run.plan.on_drift,
        };
        // What cannot be planned is told by the judgement at the end.
        let Ok(again) = planner::again(&state, &one.now, &context) else { return Vec::new() };
        steps(clause, &one.plan, one.journal(), &state, &one.now, &again.steps)
    }

    /// Runs the waves that were added last.
    pub(super) async fn added_waves(&mut self, run: &mut UnderWay<'_>, active: &mut [Active]) {
        let from = run.next_wave;
        let last = active.iter().flat_map(|one| &one.plan.steps).map(|step| step.wave).max();
        run.next_wave = last.unwrap_or(from) + 1;
        for wave in from..run.next_wave {
            self.one_wave(run, active, wave).await;
        }
    }
}

/// Whether something of the plan is open that may yet succeed: it was throttled, or its answer was lost.
fn may_try_again(one: &Active) -> bool {
    if one.broken.is_some() {
        return false;
    }
    one.plan.last_steps().any(|step| match one.journal().status(step.id) {
        StepStatus::Open => throttled(one, step),
        StepStatus::InDoubt => step.call(one.plan.kind).is_some_and(|action| action.repeatable()),
        _ => false,
    })
}

fn throttled(one: &Active, step: &Step) -> bool {
    let last = one.journal().entries().iter().rev().find_map(|entry| match &entry.event {
        Event::Outcome { step: id, result, .. } if *id == step.id => Some(*result),
        _ => None,
    });
    last == Some(StepResult::Throttled)
}
