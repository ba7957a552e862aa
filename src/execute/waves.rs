//! The waves of a run: each step's intent on disk, then its call, then its outcome on disk (D2.5).

use super::verify::{Verdict, verdict};
use super::{Active, Executor};
use crate::aws::{Reply, call};
use crate::drift::words;
use crate::journal::{Event, StepResult, StepStatus};
use crate::plan::{Action, Plan, Step};
use crate::planner::fence_time;
use crate::resource::{Resource, Value};
use crate::standing::still_active;
use crate::text::clock;
use crate::view::ApplyEvent;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use jiff::Timestamp;
use std::time::Duration;

/// How many calls may be under way at once.
const IN_FLIGHT: usize = 8;
/// How often a step is tried in all.
const ATTEMPTS: u32 = 4;

/// A call that has ended.
struct Ended<'p> {
    principal: usize,
    step: &'p Step,
    attempt: u32,
    action: Action,
    reply: Reply,
    took: Duration,
}

impl Executor<'_> {
    /// Runs every wave; a wave of all principals runs before the next begins (D3).
    pub(super) async fn waves(&mut self, plan: &Plan, active: &mut [Active<'_>]) {
        let mut waves: Vec<u32> = plan.steps().iter().map(|(_, step)| step.wave).collect();
        waves.dedup();
        for wave in waves {
            for one in active.iter_mut() {
                self.fix_fence_time(plan, one, wave).await;
            }
            self.wave(active, wave).await;
        }
    }

    /// `D + 1 s + margin`, D being the latest Date among the key-offs and the read before them (D3, F8).
    async fn fix_fence_time(&mut self, plan: &Plan, one: &mut Active<'_>, wave: u32) {
        let due = one.plan.steps.iter().any(|step| step.wave == wave && step.awaits_fence_time());
        if !due || one.fence_time.is_some() {
            return;
        }
        let Some(log) = &mut one.log else { return };
        let mut key_off_at = one.now.read_at;
        for entry in log.journal().entries() {
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
        // A key that is gone mints no more than one that is off.
        let gone = |id: u32| {
            log.journal().entries().iter().any(|entry| {
                matches!(&entry.event, Event::Outcome { step, result: StepResult::NotFound, .. } if *step == id)
            })
        };
        let failed: Vec<Resource> = one
            .plan
            .steps
            .iter()
            .filter(|step| step.turns_off() && matches!(step.resource, Resource::AccessKey(_)))
            .filter(|step| log.journal().status(step.id) != StepStatus::Done && !gone(step.id))
            .map(|step| step.resource.clone())
            .collect();
        // What the first read showed Active and no call turned off can still mint (F9).
        let still_active = still_active(&failed, &one.now);
        let fence = fence_time(key_off_at, plan.fence_margin_s);
        let event =
            Event::FenceTime { fence_time: fence, key_off_at, still_active: still_active.clone() };
        match log.append(self.context.now(), event).await {
            Ok(()) => one.fence_time = Some(fence),
            Err(error) => one.broken = Some(error),
        }
        (self.emit)(ApplyEvent::FenceTime {
            user: one.plan.name.clone(),
            fence_time: fence,
            still_active,
        });
    }

    async fn wave(&mut self, active: &mut [Active<'_>], wave: u32) {
        let mut todo = Vec::new();
        for (index, one) in active.iter_mut().enumerate() {
            let plan = one.plan;
            for step in plan.steps.iter().filter(|step| step.wave == wave) {
                if self.may_run(one, step).await {
                    todo.push((index, step));
                }
            }
        }
        let mut todo = todo.into_iter();
        let mut under_way: FuturesUnordered<BoxFuture<'_, Ended<'_>>> = FuturesUnordered::new();
        loop {
            while under_way.len() < IN_FLIGHT && !self.stop.asked() {
                let Some((index, step)) = todo.next() else { break };
                if let Some(future) = self.start(active, index, step, 1, Duration::ZERO).await {
                    under_way.push(future);
                }
            }
            let Some(ended) = under_way.next().await else { break };
            let again = self.ended(active, &ended).await;
            if let Some(pause) = again
                && let Some(future) =
                    self.start(active, ended.principal, ended.step, ended.attempt + 1, pause).await
            {
                under_way.push(future);
            }
        }
    }

    /// Whether the step is to be called at all, on what was read before the first write.
    async fn may_run(&mut self, one: &mut Active<'_>, step: &Step) -> bool {
        let why = match verdict(step, &one.now, one.previous.as_ref()) {
            Verdict::Go => return true,
            Verdict::Already => {
                let event = Event::Skipped {
                    step: step.id,
                    resource: step.resource.clone(),
                    why: "it was so already".to_owned(),
                };
                append(one, self.context.now(), event).await;
                "it was so already: not claimed".to_owned()
            }
            Verdict::Blocked(why) => why,
        };
        (self.emit)(ApplyEvent::StepSkipped {
            user: one.plan.name.clone(),
            wave: step.wave,
            resource: step.resource.clone(),
            why,
        });
        false
    }

    /// Writes the intent down and only then makes the call; without a record there is none (D2.5).
    async fn start<'p>(
        &self,
        active: &mut [Active<'p>],
        principal: usize,
        step: &'p Step,
        attempt: u32,
        pause: Duration,
    ) -> Option<BoxFuture<'p, Ended<'p>>> {
        let one = active.get_mut(principal)?;
        let meant = Step { after: with_fence(step, one.fence_time), ..step.clone() };
        let action = meant.call().filter(|_| !meant.awaits_fence_time())?;
        let event = Event::Intent {
            step: step.id,
            resource: step.resource.clone(),
            action: action.name().to_owned(),
            attempt,
        };
        if !append(one, self.context.now(), event).await {
            return None;
        }
        let (aws, user) = (self.aws.clone(), one.plan.name.clone());
        Some(Box::pin(async move {
            tokio::time::sleep(pause).await;
            let from = tokio::time::Instant::now();
            let reply = call(&aws, &user, &action).await;
            Ended { principal, step, attempt, action, reply, took: from.elapsed() }
        }))
    }

    /// Records an outcome; returns how long to wait where the call may be made again.
    async fn ended(&mut self, active: &mut [Active<'_>], ended: &Ended<'_>) -> Option<Duration> {
        let one = active.get_mut(ended.principal)?;
        let reply = &ended.reply;
        let event = Event::Outcome {
            step: ended.step.id,
            resource: ended.step.resource.clone(),
            result: reply.result,
            service_date: reply.service_date,
            request_id: reply.request_id.clone(),
            error: reply.error.clone(),
        };
        let recorded = append(one, self.context.now(), event).await;
        let again = match reply.result {
            StepResult::Throttled => true,
            StepResult::InDoubt => ended.action.repeatable(),
            _ => false,
        };
        if again && recorded && ended.attempt < ATTEMPTS && !self.stop.asked() {
            return Some(Duration::from_millis(500 << (ended.attempt - 1)));
        }
        (self.emit)(ApplyEvent::Step {
            user: one.plan.name.clone(),
            wave: ended.step.wave,
            resource: ended.step.resource.clone(),
            action: ended.step.action,
            value: value_words(ended.step, one.fence_time),
            result: reply.result,
            at: reply.service_date,
            took_ms: u64::try_from(ended.took.as_millis()).unwrap_or(u64::MAX),
            error: reply.error.clone(),
        });
        None
    }
}

async fn append(one: &mut Active<'_>, at: Timestamp, event: Event) -> bool {
    let Some(log) = one.log.as_mut().filter(|_| one.broken.is_none()) else {
        return false;
    };
    match log.append(at, event).await {
        Ok(()) => true,
        Err(error) => {
            one.broken = Some(error);
            false
        }
    }
}

/// The value a step writes, once the fence's time is known.
pub(super) fn with_fence(step: &Step, fence: Option<Timestamp>) -> Option<Value> {
    match (&step.after, fence) {
        (Some(Value::Document(document)), Some(fence)) => {
            Some(Value::Document(document.with_fence_time(fence)))
        }
        (after, _) => after.clone(),
    }
}

fn value_words(step: &Step, fence: Option<Timestamp>) -> String {
    match (&step.after, fence) {
        (None, _) => "removed".to_owned(),
        (Some(Value::Document(document)), Some(fence)) if document.awaits_fence_time() => {
            format!("fence {}", clock(fence))
        }
        (Some(Value::Document(document)), _) if *document == crate::policy::hold() => {
            "hold".to_owned()
        }
        (Some(Value::Document(_)), _) => "written".to_owned(),
        (Some(Value::PolicyArn(_)), _) => "set".to_owned(),
        (value, _) => words(value.as_ref()),
    }
}
