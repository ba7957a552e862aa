//! One incident in one process, in virtual time: a sandbox whose clock is tokio's, and the tool on top of it.

use jiff::{SignedDuration, Timestamp};
use ringfence::aws::{Aws, Reading, Targets, read};
use ringfence::context::Context;
use ringfence::error::Result;
use ringfence::execute::{Executor, Stop};
use ringfence::identity::{AccessKeyId, Caller, PrincipalKind, UserName};
use ringfence::lineage::Lineage;
use ringfence::plan::{OnDrift, Plan, Step};
use ringfence::planner::{self, Request, Subject, contain};
use ringfence::posture::Posture;
use ringfence::recover;
use ringfence::release;
use ringfence::sandbox::{
    ACCOUNT, ADMINISTRATOR, Credentials, Line, Player, Sandbox, Status, Trouble, User,
};
use ringfence::snapshot::Snapshot;
use ringfence::state::State;
use ringfence::store::{Key, Owner, Store};
use ringfence::view::{ApplyEvent, Ending, PrincipalEnding};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::Instant;

pub const USER: &str = "deploy-bot";

/// An incident in a sandbox whose clock is tokio's.
pub struct Scene {
    pub sandbox: Sandbox,
    pub line: Line,
    pub aws: Aws,
    store: Store,
    context: Context,
    pub leaked: Credentials,
    pub deadline: Duration,
    pub settle_at_most: Option<u32>,
    pub protected: Vec<String>,
    /// Who plans, where it is not who reads.
    pub caller: Option<Caller>,
    _directory: TempDir,
}

/// What came of a run.
pub struct Done {
    pub ending: Ending,
    pub events: Vec<ApplyEvent>,
    pub took: Duration,
}

impl Scene {
    pub fn new() -> Self {
        let began = Instant::now();
        let first: Timestamp = "2026-11-21T03:10:00Z".parse().unwrap();
        let clock = move || {
            let passed = SignedDuration::try_from(began.elapsed()).unwrap();
            first.saturating_add(SignedDuration::from_secs(passed.as_secs())).unwrap()
        };
        let sandbox = Sandbox::new(clock);
        let leaked = sandbox.edit(|world| {
            world.add_user(ACCOUNT, USER, first);
            let user = world.user_mut(ACCOUNT, USER).unwrap();
            let everything = "arn:aws:iam::aws:policy/AdministratorAccess";
            user.permissions.attached.push(everything.to_owned());
            world.add_key(ACCOUNT, USER, first).unwrap()
        });
        let line = Line::new(&sandbox, 1);
        let directory = TempDir::new().unwrap();
        let drawn = AtomicU64::new(7);
        let random = move || u128::from(drawn.fetch_add(1, Ordering::Relaxed)).to_be_bytes();
        Self {
            aws: Aws::from_config(&line.sdk_config(&sandbox.admin())),
            store: Store::local(directory.path()),
            context: Context::new(clock, random),
            sandbox,
            line,
            leaked,
            deadline: Duration::from_secs(300),
            settle_at_most: None,
            protected: Vec::new(),
            caller: None,
            _directory: directory,
        }
    }

    pub fn admin(&self) -> Player {
        Player::new(self.sandbox.clone(), self.sandbox.admin())
    }

    #[track_caller]
    pub fn make(&self, action: &str, with: &[(&str, &str)]) {
        let answer = self.admin().call(action, with);
        assert!(answer.is_ok(), "{action}: {}", answer.body);
    }

    pub async fn reading(&self) -> Reading {
        let users = vec![USER.parse::<UserName>().unwrap()];
        let keys = vec![self.leaked.access_key_id.parse::<AccessKeyId>().unwrap()];
        read(&self.aws, &Targets { users, keys, ..Targets::default() }).await.unwrap()
    }

    fn planner(&self, reading: &Reading) -> planner::Context {
        planner::Context {
            caller: self.caller.clone().unwrap_or_else(|| reading.caller.clone()),
            endpoint: reading.endpoint.clone(),
            now: reading.service_time,
            read: reading.cost,
            incident: None,
            version: "0.1.0".to_owned(),
            on_drift: OnDrift::Refuse,
        }
    }

    /// The plan by what is read now, of a user that nothing has been done to.
    pub async fn plan(&self, posture: &str, settle_s: u32, since: Option<&str>) -> Plan {
        let since = since.map(|time| time.parse().unwrap());
        let plan = self.planned(posture, |_, request, _| {
            request.settle_s = settle_s;
            request.since = since;
        });
        plan.await.unwrap()
    }

    /// The same with what a person or a service may say otherwise.
    pub async fn planned(
        &self,
        posture: &str,
        change: impl FnOnce(&mut Subject, &mut Request, &mut planner::Context),
    ) -> Result<Plan> {
        let reading = self.reading().await;
        let mut subject = Subject {
            snapshot: reading.snapshots[0].clone(),
            state: None,
            named: vec![self.leaked.access_key_id.parse::<AccessKeyId>().unwrap()],
            traced: Vec::new(),
            sessions: Vec::new(),
            fresh_lineage: Lineage::new([7; 16]),
        };
        let mut request = Request {
            posture: Posture::built_in(posture).unwrap(),
            since: None,
            protected_users: Vec::new(),
            protected_roles: Vec::new(),
            override_protection: false,
            cut_workloads: false,
            trace: None,
            finding: None,
            strict: false,
            settle_s: 0,
        };
        let mut context = self.planner(&reading);
        change(&mut subject, &mut request, &mut context);
        contain(vec![subject], &request, &context)
    }

    /// The plan for these roles together with the user, by what is read now.
    pub async fn plan_with_roles(&self, roles: &[&str], user: bool, settle_s: u32) -> Plan {
        let targets = Targets {
            users: if user { vec![USER.parse().unwrap()] } else { Vec::new() },
            roles: roles.iter().map(|role| role.parse().unwrap()).collect(),
            ..Targets::default()
        };
        let reading = read(&self.aws, &targets).await.unwrap();
        let mut subjects = Vec::new();
        for (snapshot, n) in reading.snapshots.iter().zip(7..) {
            let kind = snapshot.who().kind();
            let key = Key { account: ACCOUNT.parse().unwrap(), kind, id: snapshot.id().clone() };
            subjects.push(Subject {
                snapshot: snapshot.clone(),
                state: self.store.load(&key).await.unwrap(),
                named: Vec::new(),
                traced: Vec::new(),
                sessions: Vec::new(),
                fresh_lineage: Lineage::new([n; 16]),
            });
        }
        let mut posture = Posture::built_in("revoke").unwrap();
        posture.set("fence_margin", "30s").unwrap();
        let request = Request {
            posture,
            since: None,
            protected_users: Vec::new(),
            protected_roles: Vec::new(),
            override_protection: false,
            cut_workloads: false,
            trace: None,
            finding: None,
            strict: false,
            settle_s,
        };
        contain(subjects, &request, &self.planner(&reading)).unwrap()
    }

    /// The state of a role.
    pub async fn role_state(&self, role: &str) -> State {
        let id = self
            .sandbox
            .edit(|world| world.account(ACCOUNT).unwrap().roles.get(role).unwrap().id.clone());
        let key = Key {
            account: ACCOUNT.parse().unwrap(),
            kind: PrincipalKind::Role,
            id: id.parse().unwrap(),
        };
        let state = self.store.load(&key).await.unwrap().unwrap();
        self.store.verify(&key, &state).await.unwrap();
        state
    }

    /// The release of what the state holds, by what is read now.
    pub async fn release(
        &self,
        request: &release::Request,
        at_apply: Option<&Snapshot>,
    ) -> Result<Plan> {
        let reading = self.reading().await;
        let context = self.planner(&reading);
        let state = self.state().await;
        release::release(reading.snapshots[0].clone(), &state, at_apply, request, &context)
    }

    /// The steps that would contain the user again, by what is read now.
    pub async fn again(&self) -> Vec<Step> {
        let reading = self.reading().await;
        let context = self.planner(&reading);
        planner::again(&self.state().await, &reading.snapshots[0], &context).unwrap().steps
    }

    /// The recovery of the user, by what is read now.
    pub async fn recovery(&self, request: &recover::Request) -> Result<Plan> {
        let reading = self.reading().await;
        let (snapshot, state) = (reading.snapshots[0].clone(), self.state().await);
        let posture = state.posture.clone();
        let lineage = Lineage::new([9; 16]);
        let context = self.planner(&reading);
        recover::recover(snapshot, Some(&state), &posture, lineage, request, &context)
    }

    pub async fn apply(&self, plan: &Plan) -> Result<Done> {
        self.execute(plan, None).await
    }

    /// Goes on with a run that was cut off.
    pub async fn resume(&self, plan: &Plan, run: &str) -> Result<Done> {
        self.execute(plan, Some(run)).await
    }

    async fn execute(&self, plan: &Plan, resumed: Option<&str>) -> Result<Done> {
        let mut events = Vec::new();
        let mut emit = |event| events.push(event);
        let mut executor = Executor {
            aws: &self.aws,
            store: &self.store,
            context: &self.context,
            lock_timeout: Duration::ZERO,
            deadline: self.deadline,
            settle_at_most: self.settle_at_most,
            owner: Owner {
                run: None,
                who: "responder".to_owned(),
                host: "here".to_owned(),
                pid: 1,
                since: self.sandbox.now(),
            },
            protected_users: &self.protected,
            protected_roles: &[],
            approvals: ringfence::execute::Approvals::default(),
            stop: Stop::default(),
            emit: &mut emit,
            output_lost: &|| false,
            watcher: None,
        };
        let from = Instant::now();
        let ending = match resumed {
            Some(run) => executor.resume(plan, &plan.bytes(), run).await?,
            None => executor.apply(plan, &plan.bytes()).await?,
        };
        Ok(Done { ending, events, took: from.elapsed() })
    }

    pub async fn state(&self) -> State {
        let id = self
            .sandbox
            .edit(|world| world.account(ACCOUNT).unwrap().user(USER).unwrap().id.clone());
        let key = Key {
            account: ACCOUNT.parse().unwrap(),
            kind: PrincipalKind::User,
            id: id.parse().unwrap(),
        };
        let state = self.store.load(&key).await.unwrap().unwrap();
        self.store.verify(&key, &state).await.unwrap();
        state
    }

    pub fn status_of(&self, key: &str) -> Option<Status> {
        let account = self.sandbox.edit(|world| world.account(ACCOUNT).unwrap().clone());
        account.user(USER)?.keys.iter().find(|one| one.id == key).map(|one| one.status)
    }

    /// Once the fence is written, does this before the next call.
    pub fn once_fenced(&self, act: impl Fn(&Sandbox) + Send + Sync + 'static) {
        self.once_fenced_for(0, act);
    }

    /// The same, so many seconds later.
    pub fn once_fenced_for(&self, seconds: u64, act: impl Fn(&Sandbox) + Send + Sync + 'static) {
        let (sandbox, done) = (self.sandbox.clone(), AtomicBool::new(false));
        let since = std::sync::OnceLock::new();
        self.line.between(move |_| {
            if !is_fenced(&sandbox) {
                return;
            }
            let fenced: &Instant = since.get_or_init(Instant::now);
            if fenced.elapsed().as_secs() >= seconds && !done.swap(true, Ordering::SeqCst) {
                act(&sandbox);
            }
        });
    }

    /// The readings of the plan and of the apply get through, and what comes after them meets this.
    pub fn throttle_writes(&self, trouble: Trouble) {
        let (line, planned) = (self.line.clone(), self.line.calls());
        self.line.between(move |call| {
            if call + 1 > 2 * planned {
                line.set_trouble(trouble);
            }
        });
    }

    /// Somebody changes the user by other means.
    pub fn edit(&self, change: impl FnOnce(&mut User)) {
        self.sandbox.edit(|world| change(world.user_mut(ACCOUNT, USER).unwrap()));
    }

    pub fn user(&self) -> User {
        self.sandbox.edit(|world| world.account(ACCOUNT).unwrap().user(USER).unwrap().clone())
    }

    /// The calls that change something, in their order.
    pub fn writes(&self) -> Vec<String> {
        let reads = ["iam:Get", "iam:List", "sts:Get"];
        let calls = self.sandbox.calls().into_iter().map(|call| call.action);
        calls.filter(|action| !reads.iter().any(|read| action.starts_with(read))).collect()
    }

    /// The administrator may no longer do this.
    pub fn forbid(&self, action: &str) {
        let deny = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Deny","Action":"{action}","Resource":"*"}}]}}"#
        );
        self.sandbox.edit(|world| {
            let admin = world.user_mut(ACCOUNT, ADMINISTRATOR).unwrap();
            admin.permissions.inline.insert("deny".to_owned(), deny);
        });
    }

    /// How often the administrator has made a call.
    pub fn made(&self, action: &str) -> usize {
        let admin = self.sandbox.admin().access_key_id;
        let calls = self.sandbox.calls();
        calls
            .iter()
            .filter(|call| call.action == action && call.access_key_id.as_ref() == Some(&admin))
            .count()
    }
}

pub fn is_fenced(sandbox: &Sandbox) -> bool {
    sandbox.edit(|world| {
        let user = world.account(ACCOUNT).unwrap().user(USER);
        user.is_some_and(|user| user.permissions.inline.contains_key(&fence_name()))
    })
}

impl Done {
    pub fn principal(&self) -> &PrincipalEnding {
        &self.ending.principals[0]
    }

    pub fn tampering(&self) -> Vec<String> {
        let events = self.events.iter();
        events
            .filter_map(|event| match event {
                ApplyEvent::Tampering { finding, .. } => {
                    let kind = finding.resource.as_ref().map_or("user", |one| one.kind());
                    Some(format!("{kind} {}", finding.what))
                }
                _ => None,
            })
            .collect()
    }

    pub fn fences(&self) -> Vec<Timestamp> {
        let events = self.events.iter();
        events
            .filter_map(|event| match event {
                ApplyEvent::FenceTime { fence_time, .. } => Some(*fence_time),
                _ => None,
            })
            .collect()
    }
}

pub fn turn(sandbox: &Sandbox, key: &str, status: Status) {
    sandbox.edit(|world| {
        let user = world.user_mut(ACCOUNT, USER).unwrap();
        user.keys.iter_mut().find(|one| one.id == key).unwrap().status = status;
    });
}

pub fn fence_name() -> String {
    Lineage::new([7; 16]).fence_name()
}
