//! Rollback in calm: before its time, after it, and at last everything.

use super::course::Course;
use super::truth::Meant;
use ringfence::exit::Exit;
use ringfence::plan::{Kind, Plan};
use ringfence::posture::Posture;
use ringfence::release::Request;
use ringfence::resource::Resource;
use ringfence::sandbox::Trouble;
use ringfence::standing::live_credentials;
use ringfence::state::State;
use std::collections::BTreeSet;

/// More than every session that a fence covers can live (F9), in seconds.
const EXPIRED: u64 = 37 * 3_600;
const PAST_LAG: u64 = 12;

impl Course {
    pub async fn give_back(&mut self) {
        for person in 0..self.stage.people.len() {
            if self.stage.replaced(person) || self.random.per_mille(300) {
                continue;
            }
            if self.random.per_mille(500) {
                self.early(person).await;
            }
            if self.fine() {
                self.late(person).await;
            }
        }
    }

    /// Before its time, as the person may try it.
    async fn early(&mut self, person: usize) {
        let Some(state) = self.contained(person).await else { return };
        let trouble = self.random.per_mille(400);
        if trouble {
            self.stage.line.set_trouble(self.drawn.trouble);
        }
        let mut request = Request::default();
        match self.random.below(10) {
            0..=4 => self.coverage.add("rollback before its time"),
            5..=6 => {
                self.coverage.add("rollback that steps down");
                let to = Posture::built_in(["revoke", "quarantine"][self.random.below(2) as usize]);
                request.to = to.filter(|to| state.posture.covers(to) && *to != state.posture);
            }
            7 => {
                self.coverage.add("rollback that lifts the fence");
                request.lift_fence_now = true;
            }
            _ => {
                self.coverage.add("rollback that re-activates");
                let held = state.resources.keys().filter(|r| r.is_credential());
                request.reactivate = held.cloned().collect();
            }
        }
        self.release_through(person, &request, 500).await;
        self.stage.line.set_trouble(Trouble::none());
        self.release_through(person, &request, 0).await;
    }

    /// After every session has expired: what is suspect stays off; then everything, by every flag.
    async fn late(&mut self, person: usize) {
        self.stage.wait(EXPIRED).await;
        if self.contained(person).await.is_none() {
            return;
        }
        self.coverage.add("rollback after its time");
        self.release_through(person, &Request::default(), 300).await;
        if !self.fine() {
            return;
        }
        let Some(state) = self.contained(person).await else { return };
        let unread = state.resources.iter().filter(|(_, held)| held.baseline_unread);
        let take = unread.map(|(resource, _)| resource.clone());
        let request = Request {
            reactivate: self.everything(&state).await,
            take: take.filter(|resource| self.stage.was_made_here(person, resource)).collect(),
            lift_fence_now: true,
            accept_unread: true,
            ..Request::default()
        };
        self.release_through(person, &request, 300).await;
        if self.fine() {
            self.check_restored(person).await;
        }
    }

    /// A release and its resumes, until it is over.
    async fn release_through(&mut self, person: usize, request: &Request, crashes: u16) {
        for crashes in [crashes, crashes / 2, 0] {
            let Some(state) = self.state(person).await else { return };
            if !self.fine() {
                return;
            }
            let over = match state.open_run().map(|run| run.id.clone()) {
                Some(run) => {
                    self.coverage.add("a rollback resumed");
                    self.resume_release(person, &run, &state, request, crashes).await
                }
                None => self.release(person, &state, request, crashes).await,
            };
            if over {
                return;
            }
        }
    }

    async fn check_restored(&mut self, person: usize) {
        if !self.drawn.denied.is_empty() {
            return;
        }
        let left = self.stage.not_restored(person);
        if left.is_empty() {
            self.coverage.add("everything restored");
        } else {
            self.fail(format!("not restored: {left:?}"));
        }
    }

    /// A state of which there is something to give back.
    async fn contained(&mut self, person: usize) -> Option<State> {
        let state = self.state(person).await?;
        (!state.resources.is_empty()).then_some(state)
    }

    /// Every credential that a flag can name.
    async fn everything(&mut self, state: &State) -> Vec<Resource> {
        let held = state.resources.keys().filter(|resource| resource.is_credential());
        let mut all: BTreeSet<Resource> = held.cloned().collect();
        if let Ok(Some((_, now))) = self.stage.status(state).await {
            all.extend(live_credentials(&now));
        }
        all.into_iter().collect()
    }

    async fn resume_release(
        &mut self,
        person: usize,
        run: &str,
        state: &State,
        request: &Request,
        crashes: u16,
    ) -> bool {
        let bytes = self.stage.store.plan_bytes(&self.stage.key(person), run).await.unwrap();
        let plan = Plan::parse(&bytes, run).unwrap();
        self.carry_out(person, &plan, Some(run), state, request, crashes).await
    }

    /// Plans a release and applies it, and checks what it did; whether it came to its end.
    pub async fn release(
        &mut self,
        person: usize,
        state: &State,
        request: &Request,
        crashes: u16,
    ) -> bool {
        let plan = self.stage.rollback(&self.stage.key(person), state, request).await;
        self.stage.note();
        match plan {
            Ok(plan) => {
                self.told_of_plan(&plan);
                self.coverage.add("a rollback");
                self.carry_out(person, &plan, None, state, request, crashes).await
            }
            Err(error) => {
                self.refused("rollback", &error);
                false
            }
        }
    }

    async fn carry_out(
        &mut self,
        person: usize,
        plan: &Plan,
        resumed: Option<&str>,
        state: &State,
        request: &Request,
        crashes: u16,
    ) -> bool {
        let meant = Meant::of(state);
        self.stage.wait(PAST_LAG).await;
        let before = self.stage.acting(person, &meant);
        let from = self.stage.changes();
        let refused = self.apply(plan, resumed, crashes).await;
        if plan.kind == Kind::Release {
            for wrong in self.stage.released_wrongly(person, from, state) {
                self.fail(wrong);
            }
            self.check_rearmed(person, from, state, request);
            self.stage.wait(PAST_LAG).await;
            let after = self.stage.acting(person, &meant);
            let unread: Vec<String> = plan
                .principals
                .iter()
                .flat_map(|principal| principal.snapshot.unread_credentials())
                .map(|(kind, _)| kind.trim_end_matches('s').replace(' ', "_"))
                .collect();
            self.check_let_in(&before, &after, request, &unread);
        }
        let now = self.state(person).await;
        if resumed.is_some()
            && plan.kind == Kind::Release
            && refused.is_some_and(|error| error.exit() == Exit::Stale)
            && let Some(now) = &now
        {
            // As it says: what is left is planned anew.
            self.coverage.add("a rollback planned anew");
            return Box::pin(self.release(person, now, request, crashes)).await;
        }
        now.is_some_and(|now| now.serial > state.serial && now.open_run().is_none())
    }

    /// Nothing that is meant acts again but what was asked for (D2.7).
    fn check_let_in(
        &mut self,
        before: &BTreeSet<String>,
        after: &BTreeSet<String>,
        request: &Request,
        unread: &[String],
    ) {
        let asked = |one: &String| {
            request.reactivate.iter().any(|resource| *one == resource.to_string())
                || (request.accept_unread && unread.iter().any(|kind| one.starts_with(kind)))
                || (request.lift_fence_now && one.starts_with("session"))
        };
        let again: Vec<_> = after.difference(before).filter(|one| !asked(one)).collect();
        if !again.is_empty() && self.calm {
            self.fail(format!("the rollback lets act again what nobody asked for: {again:?}"));
        }
    }

    /// Nothing was turned on but what was asked for, or made before a known exposure (D2.7).
    fn check_rearmed(&mut self, person: usize, from: usize, state: &State, request: &Request) {
        for resource in self.stage.turned_on(person, from) {
            let made = self.stage.made(person, &resource);
            let safe = matches!((made, state.since), (Some(made), Some(since)) if made < since)
                && !state.is_compromised(&resource);
            if !safe && !request.reactivate.contains(&resource) {
                self.fail(format!(
                    "the rollback turned on {resource}, which may be the attacker's"
                ));
            }
        }
    }
}
