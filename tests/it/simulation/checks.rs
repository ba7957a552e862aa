//! What has to hold after every stage, and at the end.

use super::course::Course;
use super::truth::Meant;
use ringfence::journal::Event;
use ringfence::posture::{AccessKeys, Password, Sessions};
use ringfence::resource::Resource;
use ringfence::state::State;
use ringfence::view::{Ending, PrincipalEnding, Standing};
use std::collections::BTreeMap;

impl Course {
    /// Files always parse and verify, and tell the truth (D2.5).
    pub async fn check_store(&mut self) {
        let wrong = std::mem::take(&mut self.stage.ledger.lock().unwrap().wrong);
        for wrong in wrong {
            self.fail(wrong);
        }
        let mut states = BTreeMap::new();
        for key in self.stage.store_keys() {
            let state = match self.stage.store.load(&key).await {
                Ok(state) => state,
                Err(error) => {
                    self.fail(format!("the state of {key} cannot be read: {error}"));
                    continue;
                }
            };
            if let Some(state) = &state
                && let Err(error) = self.stage.store.verify(&key, state).await
            {
                self.fail(format!("the state of {key} does not verify: {error}"));
            }
            for run in self.stage.store.runs(&key).await.unwrap() {
                if let Err(error) = self.stage.store.journal(&key, &run).await {
                    self.fail(format!("the journal of {run} cannot be read: {error}"));
                }
            }
            states.extend(state.map(|state| (key.id.as_str().to_owned(), state)));
        }
        for key in self.stage.store_keys() {
            for untruth in self.stage.untruths(key.id.as_str(), &states) {
                self.fail(untruth);
            }
        }
    }

    /// `contained` at the end of a run, where the adversary did nothing since it was read.
    pub async fn check_ending(&mut self, ending: &Ending, from: u64) {
        let mutation = self.stage.ledger.lock().unwrap().last_mutation;
        let quiet = self.stage.adversary.as_ref().is_none_or(|adversary| {
            let last = adversary.log().last().map_or(0, |deed| deed.before_call);
            last <= mutation.max(from)
        });
        for one in &ending.principals {
            let name = one.who.name().as_str();
            let Some(person) = self.stage.people.iter().position(|(known, _)| *known == name)
            else {
                continue;
            };
            self.coverage.add(format!("a run ends {}", one.standing.words()));
            if one.standing == Standing::Contained
                && quiet
                && !self.stage.replaced(person)
                && let Some(state) = self.state(person).await
            {
                self.check_contained(person, &state).await;
            }
        }
        let contained = |one: &PrincipalEnding| one.standing == Standing::Contained;
        if quiet && ending.principals.len() > 1 && ending.principals.iter().all(contained) {
            self.check_descendants().await;
        }
    }

    /// Where a user and a role are contained in one run, nothing that descends from the user acts in the role.
    async fn check_descendants(&mut self) {
        let role = self.stage.people.len() - 1;
        if !self.drawn.role || self.stage.replaced(0) {
            return;
        }
        let Some(state) = self.state(0).await else { return };
        self.coverage.add("a user and a role contained in one run");
        let acting = self.stage.descendants(role, &Meant::of(&state));
        if !acting.is_empty() {
            self.fail(format!("both are contained, and there act {acting:?}"));
        }
    }

    /// After the last round: contained, or an excuse that is said.
    pub async fn check_end(&mut self, person: usize, standing: Option<Standing>) {
        let Some(state) = self.state(person).await else {
            self.coverage.add("no state in the end");
            return;
        };
        if state.is_released() {
            return;
        }
        if standing != Some(Standing::Contained) {
            let excuse = self.excuse(person, &state).await;
            match excuse {
                Some(excuse) => self.coverage.add(format!("not contained: {excuse}")),
                None => self.fail(format!("it does not come to contained in calm: {standing:?}")),
            }
        }
        let on: Vec<Resource> = self
            .meant_off
            .get(&person)
            .into_iter()
            .flatten()
            .filter(|key| self.stage.is_on(person, key))
            .cloned()
            .collect();
        if !on.is_empty() {
            self.fail(format!("the plan turns off {on:?}, and they are on in the end"));
        }
    }

    /// Why a principal cannot be contained by its posture, as it is.
    async fn excuse(&mut self, person: usize, state: &State) -> Option<String> {
        if let Some(why) = self.excused.get(&person).and_then(|all| all.first()) {
            let said = why.split(':').next().unwrap_or_default();
            return Some(format!(
                "said in the plan: {}",
                said.split('/').next().unwrap_or_default()
            ));
        }
        if !self.drawn.denied.is_empty() {
            return Some("the responder lacks permissions".to_owned());
        }
        let posture = &state.posture;
        if posture.sessions == Sessions::Keep && state.fence().is_none() {
            return Some("the posture keeps sessions".to_owned());
        }
        if posture.access_keys == AccessKeys::Keep {
            return Some("the posture keeps keys".to_owned());
        }
        let made = self.stage.made(person, &Resource::LoginProfile);
        let younger = made.is_some_and(|made| state.since.is_some_and(|since| made >= since));
        if posture.login_profile == Password::Keep && younger {
            return Some("the posture keeps a password younger than the exposure".to_owned());
        }
        None
    }

    /// What went wrong on the line, and what the adversary achieved.
    pub fn tally(&mut self) {
        for carried in self.stage.line.log() {
            let fate = format!("{:?}", carried.fate);
            let fate = fate.split('(').next().unwrap_or_default();
            self.coverage.add(format!("fate {fate}"));
        }
        let deeds = self.stage.adversary.as_ref().map(|adversary| adversary.log());
        for deed in deeds.into_iter().flatten().filter(|deed| deed.outcome == "ok") {
            self.coverage.add(format!("tampering {:?}", deed.tampering));
        }
    }

    /// What the journals say, for the report of a failure and the trace.
    pub async fn journals(&self) -> String {
        let mut text = String::new();
        for key in self.stage.store_keys() {
            for run in self.stage.store.runs(&key).await.unwrap_or_default() {
                text.push_str(&format!("run {run} of {}\n", key.id));
                let Ok(journal) = self.stage.store.journal(&key, &run).await else { continue };
                for entry in journal.entries() {
                    let event = match &entry.event {
                        Event::RunStarted { prior, .. } => {
                            format!("RunStarted, prior {:?}", prior.keys().collect::<Vec<_>>())
                        }
                        other => format!("{other:?}"),
                    };
                    text.push_str(&format!("  {:>3} {} {event}\n", entry.n, entry.at));
                }
                text.push_str(&format!("  head {}\n", journal.head()));
            }
        }
        text
    }
}
