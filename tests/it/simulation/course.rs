//! The course of one run: plan, apply, crashes, resume, settle, calm, judgement, rollback.

use super::coverage::Coverage;
use super::drawn::Drawn;
use super::ledger::Who;
use super::stage::Stage;
use super::tool::{Crash, Ended, Run, Said};
use super::truth::Meant;
use ringfence::error::Error;
use ringfence::exit::Exit;
use ringfence::plan::{Kind, OnDrift, Plan};
use ringfence::resource::Resource;
use ringfence::sandbox::{Moment, Random, Trouble};
use ringfence::state::State;
use ringfence::view::{Ending, Standing};
use std::collections::{BTreeMap, BTreeSet};

/// More than any lag that is drawn, in seconds.
const PAST_LAG: u64 = 12;
/// After these rounds in calm a containment has come to its end (D2.3).
const ROUNDS: usize = 4;

pub struct Course {
    pub stage: Stage,
    pub drawn: Drawn,
    pub random: Random,
    pub story: Vec<String>,
    pub wrong: Vec<String>,
    pub coverage: Coverage,
    /// The keys of each principal that the last plan turns off.
    pub meant_off: BTreeMap<usize, BTreeSet<Resource>>,
    /// What the last plan of each principal says that nothing can do.
    pub excused: BTreeMap<usize, Vec<String>>,
    pub calm: bool,
}

impl Course {
    pub fn new(seed: u64) -> Self {
        let drawn = Drawn::of(seed);
        let stage = Stage::new(&drawn);
        let mut coverage = Coverage::default();
        coverage.add(format!(
            "posture {}",
            drawn.posture.name.replace("-own", " with rules of its own")
        ));
        Self {
            stage,
            random: Random::of(seed, "course"),
            drawn,
            story: Vec::new(),
            wrong: Vec::new(),
            coverage,
            meant_off: BTreeMap::new(),
            excused: BTreeMap::new(),
            calm: false,
        }
    }

    pub fn tell(&mut self, line: impl Into<String>) {
        let (call, now) = (self.stage.line.calls(), self.stage.sandbox.now());
        self.story.push(format!("{call:>5} {now} {}", line.into()));
    }

    pub fn fail(&mut self, what: impl Into<String>) {
        let what = what.into();
        self.tell(format!("WRONG: {what}"));
        self.wrong.push(what);
    }

    /// Whether nothing was wrong so far; later checks would only echo the first.
    pub fn fine(&self) -> bool {
        self.wrong.is_empty()
    }

    pub async fn run(&mut self) {
        self.in_trouble().await;
        if self.fine() {
            self.come_to_calm().await;
        }
        if self.fine() {
            self.in_calm().await;
        }
        if self.fine() {
            self.give_back().await;
        }
        self.tally();
    }

    async fn in_trouble(&mut self) {
        let on_drift = self.drawn.on_drift;
        let Some(plan) = self.planned(on_drift).await else { return };
        if plan.is_empty() {
            self.coverage.add("an empty plan");
            return;
        }
        self.meddle().await;
        let refused = self.apply(&plan, None, 650).await;
        if refused.is_some_and(|error| error.exit() == Exit::Stale) && on_drift == OnDrift::Refuse {
            self.coverage.add("refused on drift");
            if let Some(plan) = self.planned(OnDrift::Tighten).await
                && !plan.is_empty()
            {
                self.apply(&plan, None, 600).await;
            }
        }
        for _ in 0..4 {
            if !self.fine() {
                return;
            }
            self.meddle().await;
            if !self.go_on(400).await {
                break;
            }
        }
    }

    /// What the person does next, with the adversary still there; whether there was anything to do.
    async fn go_on(&mut self, crashes: u16) -> bool {
        let Some(state) = self.state(0).await else {
            if let Some(plan) = self.planned(OnDrift::Tighten).await
                && !plan.is_empty()
            {
                self.apply(&plan, None, crashes).await;
            }
            return true;
        };
        if state.is_released() {
            if let Some(plan) = self.planned(OnDrift::Tighten).await
                && !plan.is_empty()
            {
                self.coverage.add("contained once more after a release");
                self.apply(&plan, None, crashes).await;
            }
            return false;
        }
        let choice = self.random.below(100);
        match state.open_run().map(|run| run.id.clone()) {
            Some(run) if choice < 65 => self.resume(&run, crashes).await,
            Some(_) if choice < 75 => self.roll_back_cut(&state, crashes).await,
            Some(_) => self.assert_again(0, &state, crashes).await,
            None if choice < 35 => self.assert_again(0, &state, crashes).await,
            None => return false,
        }
        true
    }

    async fn roll_back_cut(&mut self, state: &State, crashes: u16) {
        self.coverage.add("rollback of a run that was cut off");
        let request = ringfence::release::Request::default();
        self.release(0, state, &request, crashes).await;
        // What the run had not done by then is no longer asked for.
        self.meant_off.clear();
    }

    /// Plans as the person would: by the key, then by the names, then once the line is well.
    pub async fn planned(&mut self, on_drift: OnDrift) -> Option<Plan> {
        for attempt in 0..6 {
            if attempt == 3 {
                self.drawn.named = false;
            }
            let plan = self.stage.plan(&self.drawn, on_drift).await;
            self.stage.note();
            match plan {
                Ok(plan) => {
                    self.told_of_plan(&plan);
                    return Some(plan);
                }
                Err(error) => self.refused("plan", &error),
            }
            self.stage.wait(10).await;
        }
        None
    }

    pub fn told_of_plan(&mut self, plan: &Plan) {
        let mut lines = Vec::new();
        for principal in &plan.principals {
            for step in &principal.steps {
                lines.push(format!("  {} {:?} -> {:?}", step.resource, step.before, step.after));
            }
            lines.extend(
                principal.blocked.iter().map(|b| format!("  blocked: {} {}", b.what, b.why)),
            );
            lines
                .extend(principal.kept.iter().map(|k| format!("  kept: {} {}", k.resource, k.why)));
            lines.extend(
                principal.drift.iter().map(|d| format!("  drift: {} {}", d.resource, d.what)),
            );
            lines.extend(principal.warnings.iter().map(|w| format!("  warning: {w}")));
        }
        let what = if plan.kind == Kind::Contain { "plan" } else { "release plan" };
        self.tell(format!("{what}\n{}", lines.join("\n")));
    }

    pub fn refused(&mut self, what: &str, error: &Error) {
        self.tell(format!("{what} refused: {error}"));
        self.coverage.add(format!("{what} refused: {:?}", error.exit()));
        if error.message().trim().is_empty() {
            self.fail(format!("{what} was refused without a word"));
        }
    }

    /// What the adversary does while nobody calls.
    async fn meddle(&mut self) {
        let (acts, pause) = (self.random.below(4), self.random.below(90));
        self.stage.wait(pause).await;
        self.stage.note();
        let Some(adversary) = &self.stage.adversary else { return };
        for _ in 0..acts {
            adversary.step(self.stage.line.calls() + 1);
        }
        self.stage.ledger.lock().unwrap().look(
            &self.stage.sandbox,
            Who::Adversary,
            &self.stage.line,
        );
    }

    fn crash(&mut self, often: u16) -> Option<Crash> {
        if !self.random.per_mille(often) {
            return None;
        }
        Some(if self.random.per_mille(450) {
            let moment = if self.random.per_mille(500) { Moment::Before } else { Moment::After };
            Crash::Line(1 + self.random.below(90), moment)
        } else {
            Crash::Point(1 + self.random.below(30))
        })
    }

    /// Applies or resumes, and checks what there is to check; returns why it refused.
    pub async fn apply(
        &mut self,
        plan: &Plan,
        resumed: Option<&str>,
        crashes: u16,
    ) -> Option<Error> {
        let crash = self.crash(crashes);
        let (calls, mutations) = (self.stage.line.calls(), self.mutations());
        let (ended, said) = self.stage.execute(&Run { plan, resumed, crash }).await;
        self.heard(&said);
        let verb = if resumed.is_some() { "resume" } else { "apply" };
        let mut refused = None;
        // A run that was cut off before it was written down is none.
        let begun = match &ended {
            Ended::Cut(_) => said.points.iter().any(|point| point.starts_with("state-begun")),
            Ended::Refused(_) => false,
            Ended::Ending(_) => true,
        };
        if plan.kind == Kind::Contain && resumed.is_none() && begun {
            self.note_meant(plan);
        }
        match ended {
            Ended::Cut(place) => {
                self.tell(format!("{verb} was cut off {place}"));
                let kind = place.split(' ').take(3).collect::<Vec<_>>().join(" ");
                self.coverage.add(format!("crash {kind}"));
            }
            Ended::Refused(error) => {
                self.refused(verb, &error);
                if self.mutations() != mutations {
                    self.fail(format!("{verb} refused after it had called"));
                }
                self.vetoed(plan, resumed, &error);
                refused = Some(error);
            }
            Ended::Ending(ending) => {
                self.tell(format!("{verb} ended: {}", words(&ending)));
                self.coverage.add(format!("{verb} to its end"));
                self.check_ending(&ending, calls).await;
            }
        }
        self.check_store().await;
        refused
    }

    fn note_meant(&mut self, plan: &Plan) {
        for principal in &plan.principals {
            let Some(person) = self.stage.people.iter().position(|(_, id)| *id == principal.id)
            else {
                continue;
            };
            let keys = principal.steps.iter().filter(|step| step.turns_off());
            let keys = keys.map(|step| step.resource.clone());
            let keys = keys.filter(|resource| matches!(resource, Resource::AccessKey(_)));
            self.meant_off.entry(person).or_default().extend(keys);
            let blocked = principal.blocked.iter().map(|blocked| blocked.why.clone());
            let warned = principal.warnings.iter().filter(|w| w.contains("not written again"));
            self.excused.insert(person, blocked.chain(warned.cloned()).collect());
        }
    }

    /// D2.3: nobody who goes on changing things keeps a containment from beginning.
    fn vetoed(&mut self, plan: &Plan, resumed: Option<&str>, error: &Error) {
        let replaced = (0..self.stage.people.len()).any(|person| self.stage.replaced(person));
        let may_refuse =
            plan.kind == Kind::Release || (resumed.is_none() && plan.on_drift == OnDrift::Refuse);
        if error.exit() == Exit::Stale && !may_refuse && !replaced {
            self.fail(format!("a containment that tightens was refused: {error}"));
        }
    }

    fn heard(&mut self, said: &Said) {
        use ringfence::view::ApplyEvent as E;
        let mut fences = 0;
        for event in &said.events {
            match event {
                E::Step { settling: true, .. } => self.coverage.add("an added step"),
                E::FenceTime { .. } => fences += 1,
                E::Tampering { .. } => self.coverage.add("tampering seen by a run"),
                E::StepSkipped { .. } => self.coverage.add("a step skipped"),
                E::Resumed { .. } => self.coverage.add("a resume"),
                _ => {}
            }
        }
        if fences > 1 {
            self.coverage.add("a moved fence");
        }
        for point in &said.points {
            let kind = point.split(' ').next().unwrap_or_default();
            self.coverage.add(format!("point {kind}"));
        }
    }

    pub fn mutations(&self) -> usize {
        self.stage.ledger.lock().unwrap().mutations
    }

    async fn resume(&mut self, run: &str, crashes: u16) {
        let key = self.stage.store.find_run(run).await.unwrap().remove(0);
        let bytes = self.stage.store.plan_bytes(&key, run).await.unwrap();
        let plan = Plan::parse(&bytes, run).unwrap();
        self.apply(&plan, Some(run), crashes).await;
    }

    async fn assert_again(&mut self, person: usize, state: &State, crashes: u16) {
        let settle_s = self.drawn.settle_s;
        let plan = self.stage.again(state, settle_s).await;
        self.stage.note();
        match plan {
            Ok(plan) => {
                self.told_of_plan(&plan);
                self.coverage.add("asserted again");
                self.apply(&plan, None, crashes).await;
            }
            Err(error) => {
                let replaced = self.stage.replaced(person);
                self.refused("again", &error);
                if self.calm && !replaced {
                    self.fail("nothing goes wrong any more, and `apply --again` refuses to plan");
                }
            }
        }
    }

    /// The state of a principal as `Store::load` gives it.
    pub async fn state(&mut self, person: usize) -> Option<State> {
        match self.stage.store.load(&self.stage.key(person)).await {
            Ok(state) => state,
            Err(error) => {
                self.fail(format!("the state cannot be read: {error}"));
                None
            }
        }
    }

    async fn come_to_calm(&mut self) {
        if let Some(adversary) = &self.stage.adversary {
            adversary.stop();
        }
        self.stage.line.set_trouble(Trouble::none());
        self.stage.wait(PAST_LAG).await;
        self.calm = true;
        self.tell("calm");
    }

    /// A few rounds without disturbance contain, or it is said why not (D2.13).
    async fn in_calm(&mut self) {
        for person in 0..self.stage.people.len() {
            if self.stage.replaced(person) {
                self.coverage.add("another principal under the name");
                continue;
            }
            let mut standing = self.judged(person).await;
            for _ in 0..ROUNDS {
                if standing == Some(Standing::Contained) || !self.fine() {
                    break;
                }
                self.round(person).await;
                standing = self.judged(person).await;
            }
            if self.fine() {
                self.check_end(person, standing).await;
            }
        }
    }

    async fn round(&mut self, person: usize) {
        let state = self.state(person).await;
        match state.as_ref().map(|state| (state, state.open_run().map(|run| run.id.clone()))) {
            Some((_, Some(run))) if self.random.per_mille(600) => self.resume(&run, 0).await,
            Some((state, _)) if !state.is_released() => self.assert_again(person, state, 0).await,
            _ => {
                if let Some(plan) = self.planned(OnDrift::Tighten).await
                    && !plan.is_empty()
                {
                    self.apply(&plan, None, 0).await;
                }
            }
        }
    }

    /// What `status` says, which is checked.
    pub async fn judged(&mut self, person: usize) -> Option<Standing> {
        let state = self.state(person).await?;
        match self.stage.status(&state).await {
            Ok(Some((judgement, _))) => {
                let found: Vec<String> = judgement
                    .findings()
                    .iter()
                    .map(|f| format!("{:?} {}", f.resource, f.what))
                    .collect();
                self.tell(format!("status: {:?} {found:?}", judgement.standing));
                if judgement.standing == Standing::Contained {
                    self.check_contained(person, &state).await;
                }
                if judgement.standing.is_weak()
                    && found.is_empty()
                    && judgement.standing != Standing::Partial
                {
                    self.fail(format!("{:?}, and nothing says why", judgement.standing));
                }
                Some(judgement.standing)
            }
            Ok(None) => Some(Standing::Gone),
            Err(error) => {
                self.refused("status", &error);
                None
            }
        }
    }

    /// D2.13: nothing that is meant can act.
    pub async fn check_contained(&mut self, person: usize, state: &State) {
        self.coverage.add("contained");
        self.stage.wait(PAST_LAG).await;
        let acting = self.stage.acting(person, &Meant::of(state));
        if !acting.is_empty() {
            self.fail(format!("contained is said, and there act {acting:?}"));
        }
    }
}

pub fn words(ending: &Ending) -> String {
    let one = |one: &ringfence::view::PrincipalEnding| {
        let open: Vec<String> =
            one.open.iter().map(|f| format!("{:?} {}", f.resource, f.what)).collect();
        format!("{} {:?} {} open {open:?}", one.who, one.standing, one.holds)
    };
    let all: Vec<String> = ending.principals.iter().map(one).collect();
    format!("complete {} {}", ending.complete, all.join("; "))
}
