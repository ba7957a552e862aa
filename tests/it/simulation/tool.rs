//! ringfence as its command line puts it together, and crashes of it.

use super::drawn::{Drawn, ROLE};
use super::stage::Stage;
use futures_util::future::BoxFuture;
use ringfence::aws::{Reading, Targets, read, read_known};
use ringfence::error::{Error, Result};
use ringfence::execute::{Executor, Point, Stop, managed_of};
use ringfence::identity::PrincipalKind;
use ringfence::lineage::Lineage;
use ringfence::plan::{Kind, OnDrift, Plan};
use ringfence::planner::{self, Subject, contain};
use ringfence::release::{self, release};
use ringfence::sandbox::Moment;
use ringfence::snapshot::Snapshot;
use ringfence::standing::{Judgement, judge};
use ringfence::state::State;
use ringfence::store::{Key, Owner};
use ringfence::view::{ApplyEvent, Ending};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

/// Where a process is cut off.
#[derive(Clone, Copy, Debug)]
pub enum Crash {
    /// At a call, counted from the process's first.
    Line(u64, Moment),
    /// At a point of the executor, counted from its first.
    Point(u64),
}

/// How an apply or resume came out.
#[derive(Debug)]
pub enum Ended {
    /// It was cut off.
    Cut(String),
    /// It refused.
    Refused(Error),
    /// It came to its end.
    Ending(Box<Ending>),
}

/// What a process said on its way.
#[derive(Clone, Debug, Default)]
pub struct Said {
    pub events: Vec<ApplyEvent>,
    pub points: Vec<String>,
}

/// What is to be executed.
pub struct Run<'a> {
    pub plan: &'a Plan,
    pub resumed: Option<&'a str>,
    pub crash: Option<Crash>,
}

impl Stage {
    /// As `ringfence plan` makes it.
    pub async fn plan(&self, drawn: &Drawn, on_drift: OnDrift) -> Result<Plan> {
        let mut targets = Targets::default();
        for (person, (name, _)) in drawn.people.iter().zip(&self.people) {
            if person.name == self.people[0].0 && drawn.named {
                targets.keys.push(self.keys[0][0].access_key_id.parse().unwrap());
            } else {
                targets.users.push((*name).to_owned().try_into().unwrap());
            }
        }
        if drawn.role {
            targets.roles.push(ROLE.to_owned().try_into().unwrap());
        }
        let request = planner::Request {
            posture: drawn.posture.clone(),
            since: drawn.since,
            protected_users: Vec::new(),
            protected_roles: Vec::new(),
            override_protection: false,
            cut_workloads: false,
            trace: None,
            finding: None,
            strict: false,
            settle_s: drawn.settle_s,
        };
        self.make(&targets, &request, None, on_drift).await
    }

    /// As `ringfence apply --again` makes it.
    pub async fn again(&self, state: &State, settle_s: u32) -> Result<Plan> {
        let name = vec![state.principal.name.clone()];
        let request = planner::Request {
            posture: state.posture.clone(),
            since: state.since,
            protected_users: Vec::new(),
            protected_roles: Vec::new(),
            override_protection: false,
            cut_workloads: false,
            trace: None,
            finding: None,
            strict: false,
            settle_s,
        };
        let targets = match state.principal.kind {
            PrincipalKind::User => Targets { users: name, ..Targets::default() },
            PrincipalKind::Role => Targets { roles: name, ..Targets::default() },
        };
        self.make(&targets, &request, Some(state), OnDrift::Tighten).await
    }

    async fn make(
        &self,
        targets: &Targets,
        request: &planner::Request,
        only: Option<&State>,
        on_drift: OnDrift,
    ) -> Result<Plan> {
        let reading = read(&self.aws, targets).await?;
        let mut subjects = Vec::new();
        for snapshot in &reading.snapshots {
            if only.is_some_and(|state| state.principal.id != *snapshot.id()) {
                return Err(Error::stale("another principal than the contained one"));
            }
            let state = self.state_of(&reading, snapshot).await?;
            let snapshot = self.with_managed(snapshot, state.as_ref()).await?;
            let owned =
                |owner: &str| snapshot.user().is_some_and(|user| user.name.same_user(owner));
            let named = reading.owners.iter().filter(|(_, owner)| owned(owner.as_str()));
            subjects.push(Subject {
                named: named.map(|(key, _)| key.clone()).collect(),
                traced: Vec::new(),
                sessions: Vec::new(),
                fresh_lineage: self.fresh_lineage(&snapshot)?,
                snapshot,
                state,
            });
        }
        contain(subjects, request, &planner_context(&reading, on_drift))
    }

    async fn state_of(&self, reading: &Reading, snapshot: &Snapshot) -> Result<Option<State>> {
        let (account, id) = (reading.caller.account.clone(), snapshot.id().clone());
        let key = Key { account, kind: snapshot.who().kind(), id };
        let Some(state) = self.store.load(&key).await? else { return Ok(None) };
        assert_eq!(state.endpoint, reading.endpoint);
        self.store.verify(&key, &state).await?;
        Ok(Some(state))
    }

    async fn with_managed(&self, snapshot: &Snapshot, state: Option<&State>) -> Result<Snapshot> {
        let managed = state.map(managed_of).unwrap_or_default();
        if managed.is_empty() {
            return Ok(snapshot.clone());
        }
        let name = snapshot.who();
        let managed: Vec<_> = managed.into_iter().map(|(_, arn)| (name.clone(), arn)).collect();
        let reading = read_known(&self.aws, &[name], &managed).await?;
        let again = reading.snapshots.into_iter().find(|s| s.id() == snapshot.id());
        Ok(again.unwrap_or_else(|| snapshot.clone()))
    }

    fn fresh_lineage(&self, snapshot: &Snapshot) -> Result<Lineage> {
        loop {
            let lineage = self.context.lineage()?;
            let names = [lineage.fence_name(), lineage.hold_name()];
            if !snapshot.inline_policies.items().iter().any(|policy| names.contains(&policy.name)) {
                return Ok(lineage);
            }
        }
    }

    /// As `ringfence rollback` makes it.
    pub async fn rollback(
        &self,
        key: &Key,
        state: &State,
        request: &release::Request,
    ) -> Result<Plan> {
        self.store.verify(key, state).await?;
        let reading = read_known(&self.aws, &[state.principal.who()], &managed_of(state)).await?;
        let Some(now) = reading.snapshots.iter().find(|now| *now.id() == key.id) else {
            return Err(Error::stale("not the principal that was contained"));
        };
        let before = self.at_apply(key, state).await;
        let context = planner_context(&reading, OnDrift::Refuse);
        release(now.clone(), state, before.as_ref(), request, &context)
    }

    async fn at_apply(&self, key: &Key, state: &State) -> Option<Snapshot> {
        let run = state.runs.iter().rev().find(|run| run.kind == Kind::Contain)?;
        let bytes = self.store.plan_bytes(key, &run.id).await.ok()?;
        let plan = Plan::parse(&bytes, &run.id).unwrap();
        let principal = plan.principals.into_iter().find(|principal| principal.id == key.id)?;
        Some(principal.snapshot)
    }

    /// As `ringfence status` judges; none where it is another principal by now.
    pub async fn status(&self, state: &State) -> Result<Option<(Judgement, Snapshot)>> {
        let reading = read_known(&self.aws, &[state.principal.who()], &managed_of(state)).await?;
        let now = reading.snapshots.into_iter().find(|now| *now.id() == state.principal.id);
        Ok(now.map(|now| (judge(state, &now), now)))
    }

    /// As `ringfence apply` and `ringfence resume` execute, unless the process is cut off.
    pub async fn execute(&self, run: &Run<'_>) -> (Ended, Said) {
        let bytes = run.plan.bytes();
        let plan = Plan::parse(&bytes, "the plan").unwrap();
        assert_eq!(plan, *run.plan);
        let said = Arc::new(Mutex::new(Said::default()));
        let halt = Arc::new(Halt::default());
        let watcher = watcher(run.crash, halt.clone(), said.clone());
        if let Some(Crash::Line(call, moment)) = run.crash {
            self.line.stop_at(self.line.calls() + call, moment);
        }
        let heard = said.clone();
        let mut emit = move |event: ApplyEvent| heard.lock().unwrap().events.push(event);
        let mut executor = Executor {
            aws: &self.aws,
            store: &self.store,
            context: &self.context,
            lock_timeout: Duration::ZERO,
            deadline: Duration::from_secs(300),
            settle_at_most: None,
            owner: Owner {
                run: None,
                who: "simulation".to_owned(),
                host: "nowhere".to_owned(),
                pid: 1,
                since: self.context.now(),
            },
            protected_users: &[],
            protected_roles: &[],
            approvals: ringfence::execute::Approvals::default(),
            stop: Stop::default(),
            emit: &mut emit,
            output_lost: &|| false,
            watcher: Some(watcher.as_ref()),
        };
        let work = async {
            match run.resumed {
                Some(id) => executor.resume(&plan, &bytes, id).await,
                None => executor.apply(&plan, &bytes).await,
            }
        };
        let ended = tokio::select! {
            biased;
            () = self.line.stopped() => Ended::Cut("at a call".to_owned()),
            () = halt.stopped() => Ended::Cut(format!("at point {}", halt.place())),
            ended = work => match ended {
                Ok(ending) => Ended::Ending(Box::new(ending)),
                Err(error) => Ended::Refused(error),
            },
        };
        self.line.go_on();
        self.note();
        let said = said.lock().unwrap().clone();
        (ended, said)
    }
}

type Watching = dyn Fn(&Point) -> BoxFuture<'static, ()> + Send + Sync;

fn watcher(crash: Option<Crash>, halt: Arc<Halt>, said: Arc<Mutex<Said>>) -> Box<Watching> {
    let seen = AtomicU64::new(0);
    Box::new(move |point: &Point| {
        let number = seen.fetch_add(1, Ordering::SeqCst) + 1;
        said.lock().unwrap().points.push(point.to_string());
        if matches!(crash, Some(Crash::Point(at)) if at == number) {
            halt.stop(point);
            return Box::pin(std::future::pending());
        }
        Box::pin(std::future::ready(()))
    })
}

/// Where a process stands still for good.
#[derive(Default)]
struct Halt {
    stopped: AtomicBool,
    place: Mutex<String>,
    notice: Notify,
}

impl Halt {
    fn stop(&self, point: &Point) {
        *self.place.lock().unwrap() = point.to_string();
        self.stopped.store(true, Ordering::SeqCst);
        self.notice.notify_waiters();
    }

    async fn stopped(&self) {
        loop {
            let notice = self.notice.notified();
            if self.stopped.load(Ordering::SeqCst) {
                return;
            }
            notice.await;
        }
    }

    fn place(&self) -> String {
        self.place.lock().unwrap().clone()
    }
}

fn planner_context(reading: &Reading, on_drift: OnDrift) -> planner::Context {
    planner::Context {
        caller: reading.caller.clone(),
        endpoint: reading.endpoint.clone(),
        now: reading.service_time,
        read: reading.cost,
        incident: None,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        on_drift,
    }
}
