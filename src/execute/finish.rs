//! The end of a run: what the last read-back found goes into the state, and the lock is given back.

use super::active::Active;
use super::{Executor, Point, UnderWay, ending};
use crate::error::Result;
use crate::journal::Event;
use crate::record;
use crate::view::{ApplyEvent, Ending, PrincipalEnding};

impl Executor<'_> {
    /// Records, for every principal, how the run ended.
    pub(super) async fn finish(
        &mut self,
        run: &UnderWay<'_>,
        active: Vec<Active>,
    ) -> Result<Ending> {
        let mut principals = Vec::new();
        let mut complete = true;
        let stopped = self.stop.asked();
        for one in active {
            let (end, holds) = self.record(run, one).await;
            complete &= holds;
            principals.push(end);
        }
        self.at(Point::Released).await;
        let ending = Ending {
            run: run.id.clone(),
            kind: run.plan.kind,
            complete: complete && !stopped && run.left_out.is_empty(),
            stopped,
            left_out: run.left_out.clone(),
            applied_by: run.before.caller.arn.clone(),
            watched_s: run.watched_s,
            principals,
        };
        (self.emit)(ApplyEvent::Finished(ending.clone()));
        Ok(ending)
    }

    async fn record(&mut self, run: &UnderWay<'_>, mut one: Active) -> (PrincipalEnding, bool) {
        let at = one.now.read_at.max(run.before.service_time);
        let (mut state, mut complete) = one.so_far(run.plan, at);
        complete &= one.unread.is_none() && one.broken.is_none();
        if self.note(&mut one, Event::RunFinished { complete }).await {
            self.at(Point::JournalFinished).await;
            record::end_run(&mut state, one.journal(), complete, at);
        }
        state.serial += 1;
        if let Err(error) = one.locked.save(&state).await {
            one.broken.get_or_insert(error);
        }
        self.at(Point::StateFinished).await;
        let complete = complete && one.broken.is_none();
        let end = ending::of(run.plan, &one, Some(&state), complete);
        // A lock that stays is no reason to call the run anything else; whoever comes next is told of it.
        let _ = one.locked.release().await;
        (end, complete)
    }
}
