//! The waves of a run: each step's intent on disk, then its call, then its outcome on disk (D2.5).

use super::active::Active;
use super::verify::{Verdict, verdict};
use super::{Executor, Point, UnderWay};
use crate::aws::{Reply, call};
use crate::drift::words;
use crate::identity::PrincipalKind;
use crate::journal::{Event, StepResult, StepStatus};
use crate::plan::{Action, Kind, Step};
use crate::planner::fence_time;
use crate::resource::{Resource, Value};
use crate::standing::still_active;
use crate::text::clock;
use crate::view::ApplyEvent;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;
use tokio::time::Instant;

/// How many calls may be under way at once.
const IN_FLIGHT: usize = 8;
/// How often a step is tried before the next wave goes on without it: what stays open is tried again after
/// the last wave, so that one step never keeps another waiting for long (D2.4).
const ATTEMPTS: u32 = 4;
/// How long to wait before the second try; it doubles with each.
const PAUSE: Duration = Duration::from_millis(500);

/// How long after its answer a deny is taken not to be enforced yet, in seconds: 4 to 6 were measured (F8).
const ENFORCED_WITHIN_S: i64 = 15;

/// A call that has ended.
struct Ended {
    principal: usize,
    step: Step,
    attempt: u32,
    action: Action,
    reply: Reply,
    took: Duration,
}

impl Executor<'_> {
    /// Runs every wave; a wave of all principals runs before the next begins (D3).
    pub(super) async fn waves(&mut self, run: &mut UnderWay<'_>, active: &mut [Active]) {
        let mut waves: Vec<u32> = active
            .iter()
            .flat_map(|one| &one.plan.steps)
            .filter(|step| step.wave < run.next_wave)
            .map(|step| step.wave)
            .collect();
        waves.sort_unstable();
        waves.dedup();
        for wave in waves {
            self.one_wave(run, active, wave).await;
        }
    }

    /// One wave, and then, where a call that may not be repeated blindly was lost, a look at what it did.
    pub(super) async fn one_wave(&mut self, run: &UnderWay<'_>, active: &mut [Active], wave: u32) {
        let answered = last_answer(active);
        for one in active.iter_mut() {
            self.fix_fence_time(run, one, wave, answered).await;
        }
        Box::pin(self.wave(run, active, wave)).await;
        let lost = |one: &Active| {
            one.plan.steps.iter().any(|step| {
                step.wave == wave
                    && one.journal().status(step.id) == StepStatus::InDoubt
                    && step.call(one.plan.kind).is_some_and(|action| !action.repeatable())
            })
        };
        if active.iter().any(lost) {
            Box::pin(self.look(run, active)).await;
            Box::pin(self.wave(run, active, wave)).await;
        }
    }

    /// `D + 1 s + margin`, D being the latest Date among the key-offs and the last read (D3, F8). Of a role it is
    /// the latest of the whole run: whatever is contained with it could have issued sessions of it until then
    /// (F12).
    async fn fix_fence_time(
        &mut self,
        run: &UnderWay<'_>,
        one: &mut Active,
        wave: u32,
        answered: Option<Timestamp>,
    ) {
        let due = one.plan.last_steps().any(|step| {
            step.wave == wave
                && !one.replaced
                && step.awaits_fence_time()
                && !matches!(one.journal().status(step.id), StepStatus::Done | StepStatus::Stored)
        });
        if !due {
            return;
        }
        let mut key_off_at = one.now.read_at;
        if one.plan.kind == PrincipalKind::Role {
            key_off_at = key_off_at.max(answered.unwrap_or(key_off_at));
        }
        for entry in one.journal().entries() {
            if let Event::Outcome {
                resource: Resource::AccessKey(_),
                result: StepResult::Done | StepResult::NotFound,
                service_date: Some(date),
                ..
            } = &entry.event
            {
                key_off_at = key_off_at.max(*date);
            }
        }
        let failed: Vec<Resource> = one
            .plan
            .last_steps()
            .filter(|step| step.turns_off() && matches!(step.resource, Resource::AccessKey(_)))
            .filter(|step| {
                let status = one.journal().status(step.id);
                !matches!(status, StepStatus::Done | StepStatus::Stored) && !gone(one, step.id)
            })
            .map(|step| step.resource.clone())
            .collect();
        // What the last read showed Active and no call turned off can still mint (F9).
        let still_active = still_active(&failed, &one.now);
        let fence = fence_time(key_off_at, run.plan.fence_margin_s);
        let event =
            Event::FenceTime { fence_time: fence, key_off_at, still_active: still_active.clone() };
        if self.note(one, event).await {
            one.fence_time = Some(fence);
        }
        self.at(Point::FenceFixed).await;
        (self.emit)(ApplyEvent::FenceTime { who: one.plan.who(), fence_time: fence, still_active });
    }

    /// A session of one role can assume another until it is denied itself (F12). Where the last deny or key-off of
    /// the run was answered later than the margin allows, the fence of a role does not cover what was issued in
    /// between: recorded, so that it moves. A fence from before moves past whoever else the run has stopped.
    pub(super) async fn tell_outrun(&mut self, run: &UnderWay<'_>, active: &mut [Active]) {
        let Some(answered) = last_answer(active) else { return };
        let stops: Vec<Option<Timestamp>> = active.iter().map(last_stop).collect();
        for (index, one) in active.iter_mut().enumerate() {
            let others = stops.iter().enumerate().filter(|(other, _)| *other != index);
            let others = others.filter_map(|(_, stopped_at)| *stopped_at).max();
            self.tell_if_outrun(run, one, answered, others).await;
        }
    }

    /// A fence that whoever is about to be stopped outruns is known to before they are: a run that is cut off in
    /// between is not to leave it as one that counts.
    pub(super) async fn tell_about_to_stop(
        &mut self,
        run: &UnderWay<'_>,
        active: &mut [Active],
        added: &[(usize, Step)],
    ) {
        let stops = added.iter().filter(|(_, step)| step.stops_sessions());
        let stopped: Vec<usize> = stops.map(|(index, _)| *index).collect();
        for (index, one) in active.iter_mut().enumerate() {
            if stopped.iter().any(|other| *other != index) {
                let now = one.now.read_at;
                self.tell_if_outrun(run, one, now, Some(now)).await;
            }
        }
    }

    async fn tell_if_outrun(
        &mut self,
        run: &UnderWay<'_>,
        one: &mut Active,
        answered: Timestamp,
        others: Option<Timestamp>,
    ) {
        let fence = one.fence_to_outrun(run.plan, answered, others);
        let Some((fence_time, stopped_at)) = fence else { return };
        let margin = SignedDuration::from_secs(ENFORCED_WITHIN_S);
        let in_time = fence_time.saturating_sub(margin).is_ok_and(|by| stopped_at <= by);
        if !in_time {
            self.note(one, Event::FenceOutrun { fence_time, stopped_at }).await;
        }
    }

    async fn wave(&mut self, run: &UnderWay<'_>, active: &mut [Active], wave: u32) {
        let mut todo = Vec::new();
        for (index, one) in active.iter_mut().enumerate() {
            // What settling has added about a resource takes the place of what was planned about it.
            let steps = one.plan.last_steps().filter(|step| step.wave == wave);
            for step in steps.cloned().collect::<Vec<_>>() {
                if self.may_run(run.plan.kind, one, &step).await {
                    todo.push((index, step));
                }
            }
        }
        let mut todo = todo.into_iter();
        let mut under_way: FuturesUnordered<BoxFuture<'_, Ended>> = FuturesUnordered::new();
        loop {
            while under_way.len() < IN_FLIGHT && !self.stop.asked() {
                let Some((index, step)) = todo.next() else { break };
                if let Some(future) = self.start(active, index, step, 1, Duration::ZERO).await {
                    under_way.push(future);
                }
            }
            let Some(ended) = under_way.next().await else { break };
            let again = self.ended(run, active, &ended).await;
            if let Some(pause) = again
                && let Some(future) =
                    self.start(active, ended.principal, ended.step, ended.attempt + 1, pause).await
            {
                under_way.push(future);
            }
        }
    }

    /// Whether the step is to be called at all, on what was read last.
    async fn may_run(&mut self, kind: Kind, one: &mut Active, step: &Step) -> bool {
        if one.replaced {
            return false;
        }
        match one.journal().status(step.id) {
            StepStatus::Done | StepStatus::Stored | StepStatus::Skipped => return false,
            // It may have been done, and doing it twice is something else (D2.5).
            StepStatus::InDoubt | StepStatus::Intended | StepStatus::Repeated
                if !step.call(one.plan.kind).is_some_and(|action| action.repeatable()) =>
            {
                return false;
            }
            _ => {}
        }
        let tried = one.journal().status(step.id) != StepStatus::Planned;
        let lacks_key = one.lacks_key(step).filter(|_| kind == Kind::Recover);
        let found = match (one.lacks_policy(step), lacks_key) {
            (true, _) => {
                Verdict::Blocked("the policy that it brings to bear was not made".to_owned())
            }
            (_, Some(why)) => Verdict::Blocked(why.to_owned()),
            _ => verdict(kind, step, &one.now, &one.ours),
        };
        let why = match found {
            Verdict::Blocked(why) if one.lacks_policy(step) => why,
            Verdict::Go => return true,
            Verdict::Already if tried => return false,
            Verdict::Already => {
                let event = Event::Skipped {
                    step: step.id,
                    resource: step.resource.clone(),
                    why: "it was so already".to_owned(),
                };
                self.note(one, event).await;
                "it was so already: not claimed".to_owned()
            }
            // What this run wrote is its own to write again.
            Verdict::Blocked(_) if kind == Kind::Contain && tried => return true,
            Verdict::Blocked(why) => why,
        };
        (self.emit)(ApplyEvent::StepSkipped {
            who: one.plan.who(),
            wave: step.wave,
            resource: step.resource.clone(),
            why,
        });
        false
    }

    /// Writes the intent down and only then makes the call; without a record there is none (D2.5).
    async fn start<'f>(
        &mut self,
        active: &mut [Active],
        principal: usize,
        step: Step,
        attempt: u32,
        pause: Duration,
    ) -> Option<BoxFuture<'f, Ended>> {
        let one = active.get_mut(principal).filter(|one| !one.replaced)?;
        let meant = Step { after: one.meant(&step), ..step.clone() };
        let action = meant.call(one.plan.kind).filter(|_| !meant.awaits_fence_time())?;
        let event = Event::Intent {
            step: step.id,
            resource: step.resource.clone(),
            action: action.name().to_owned(),
            attempt,
        };
        if !self.note(one, event).await {
            return None;
        }
        self.at(Point::Intended(step.resource.clone())).await;
        let issue = one.issue.clone().filter(|_| action.stores_key());
        let (aws, name, context) = (self.aws.clone(), one.plan.name.clone(), self.context.clone());
        Some(Box::pin(async move {
            if !pause.is_zero() {
                context.sleep(pause).await;
            }
            let from = Instant::now();
            let reply = match issue {
                Some(issue) => issue.store(&aws, &action, step.before.as_ref()).await,
                None => call(&aws, &name, &action).await,
            };
            Ended { principal, step, attempt, action, reply, took: from.elapsed() }
        }))
    }

    /// Records an outcome; returns how long to wait where the call may be made again.
    async fn ended(
        &mut self,
        run: &UnderWay<'_>,
        active: &mut [Active],
        ended: &Ended,
    ) -> Option<Duration> {
        self.at(Point::Ended(ended.step.resource.clone())).await;
        let one = active.get_mut(ended.principal)?;
        let reply = &ended.reply;
        if let Some(id) = &reply.made {
            let (step, resource) = (ended.step.id, ended.step.resource.clone());
            let event = Event::Made { step, resource, id: id.clone() };
            self.note(one, event).await;
        }
        if let (Some(issue), Some(key)) = (&mut one.issue, &reply.new_key) {
            issue.key = Some(key.clone());
        }
        // What was under way when the name became another's may have been done to the other (F27).
        let result = match reply.result {
            StepResult::Done if one.replaced => StepResult::InDoubt,
            // An earlier call may have arrived after it was read as not made: what is there may be ours (D2.5).
            StepResult::Refused
                if reply.already_there && one.journal().was_in_doubt(ended.step.id) =>
            {
                StepResult::InDoubt
            }
            result => result,
        };
        let event = Event::Outcome {
            step: ended.step.id,
            resource: ended.step.resource.clone(),
            result,
            service_date: reply.service_date,
            request_id: reply.request_id.clone(),
            error: reply.error.clone(),
        };
        let recorded = self.note(one, event).await;
        self.at(Point::Recorded(ended.step.resource.clone())).await;
        if reply.result == StepResult::NotFound {
            self.was_not_found(one, reply.service_date).await;
        }
        let again = match reply.result {
            StepResult::Throttled => true,
            StepResult::InDoubt => ended.action.repeatable(),
            _ => false,
        };
        let pause = self.context.jittered(PAUSE * (1 << (ended.attempt.min(8) - 1)));
        let in_time = Instant::now() + pause < run.until;
        if again && recorded && in_time && ended.attempt < ATTEMPTS && !self.stop.asked() {
            return Some(pause);
        }
        (self.emit)(ApplyEvent::Step {
            who: one.plan.who(),
            wave: ended.step.wave,
            settling: ended.step.wave >= run.next_wave_of_plan(),
            resource: ended.step.resource.clone(),
            action: ended.step.action,
            value: value_words(&ended.step, one),
            result,
            at: reply.service_date,
            took_ms: u64::try_from(ended.took.as_millis()).unwrap_or(u64::MAX),
            error: reply.error.clone(),
        });
        None
    }
}

impl UnderWay<'_> {
    /// The number after the plan's last wave.
    fn next_wave_of_plan(&self) -> u32 {
        self.plan.steps().iter().map(|(_, step)| step.wave).max().unwrap_or(0) + 1
    }
}

/// The latest Date of an answer to a call of the run that took something away.
fn last_answer(active: &[Active]) -> Option<Timestamp> {
    active.iter().filter_map(|one| last_date(one, |_| true)).max()
}

fn last_date(one: &Active, counts: impl Fn(u32) -> bool) -> Option<Timestamp> {
    let dates = one.journal().entries().iter().filter_map(|entry| match &entry.event {
        Event::Outcome {
            step,
            result: StepResult::Done | StepResult::NotFound,
            service_date,
            ..
        } if counts(*step) => *service_date,
        _ => None,
    });
    dates.max()
}

/// The latest Date of an answer to a call that stopped sessions of a principal, or what could issue some.
fn last_stop(one: &Active) -> Option<Timestamp> {
    let stops: Vec<u32> =
        one.plan.steps.iter().filter(|step| step.stops_sessions()).map(|step| step.id).collect();
    last_date(one, |step| stops.contains(&step))
}

/// Whether a step's resource was not there: a key that is gone mints no more than one that is off.
fn gone(one: &Active, id: u32) -> bool {
    one.journal().entries().iter().any(|entry| {
        matches!(&entry.event, Event::Outcome { step, result: StepResult::NotFound, .. } if *step == id)
    })
}

fn value_words(step: &Step, one: &Active) -> String {
    match (&step.after, one.fence_time) {
        (None, _) => "removed".to_owned(),
        (Some(Value::Document(document)), Some(fence)) if document.awaits_fence_time() => {
            format!("fence {}", clock(fence))
        }
        (Some(Value::Document(document)), _) if *document == crate::policy::hold() => {
            "hold".to_owned()
        }
        (Some(Value::Document(_)), _) => "written".to_owned(),
        (Some(Value::PolicyArn(_)), _) => "set".to_owned(),
        (Some(Value::AccessKeyId(_) | Value::SecretVersion(_)), _) => {
            let made = one.journal().made(step.id).map(|id| crate::text::shown(id).into_owned());
            made.unwrap_or_else(|| "stored".to_owned())
        }
        (value, _) => words(value.as_ref()),
    }
}
