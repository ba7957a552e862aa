//! The watch after the last wave, in virtual time: what others undo is done again where the plan's clause
//! says so, and nothing else is (D2.2, F29, F30).

use jiff::{SignedDuration, Timestamp};
use ringfence::aws::{Aws, Targets, read};
use ringfence::context::Context;
use ringfence::error::Result;
use ringfence::execute::{Executor, Stop};
use ringfence::identity::{AccessKeyId, UserName};
use ringfence::lineage::Lineage;
use ringfence::plan::{OnDrift, Plan, Settle};
use ringfence::planner::{self, Request, Subject, contain};
use ringfence::posture::Posture;
use ringfence::sandbox::{ACCOUNT, Credentials, Line, Player, Sandbox, Status, Trouble};
use ringfence::state::State;
use ringfence::store::{Key, Owner, Store};
use ringfence::view::{ApplyEvent, Ending, Standing};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::Instant;

const USER: &str = "deploy-bot";

/// An incident in a sandbox whose clock is tokio's.
struct Scene {
    sandbox: Sandbox,
    line: Line,
    aws: Aws,
    store: Store,
    context: Context,
    leaked: Credentials,
    deadline: Duration,
    settle_at_most: Option<u32>,
    _directory: TempDir,
}

/// What came of a run.
struct Done {
    ending: Ending,
    events: Vec<ApplyEvent>,
    took: Duration,
}

impl Scene {
    fn new() -> Self {
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
            _directory: directory,
        }
    }

    fn admin(&self) -> Player {
        Player::new(self.sandbox.clone(), self.sandbox.admin())
    }

    #[track_caller]
    fn make(&self, action: &str, with: &[(&str, &str)]) {
        let answer = self.admin().call(action, with);
        assert!(answer.is_ok(), "{action}: {}", answer.body);
    }

    async fn plan(&self, posture: &str, settle_s: u32, since: Option<&str>) -> Plan {
        let user: UserName = USER.parse().unwrap();
        let targets = Targets { users: vec![user], ..Targets::default() };
        let reading = read(&self.aws, &targets).await.unwrap();
        let subject = Subject {
            snapshot: reading.snapshots[0].clone(),
            state: None,
            named: vec![self.leaked.access_key_id.parse::<AccessKeyId>().unwrap()],
            fresh_lineage: Lineage::new([7; 16]),
        };
        let request = Request {
            posture: Posture::built_in(posture).unwrap(),
            since: since.map(|time| time.parse().unwrap()),
            protected_users: Vec::new(),
            override_protection: false,
            strict: false,
            settle_s,
        };
        let context = planner::Context {
            caller: reading.caller.clone(),
            endpoint: reading.endpoint.clone(),
            now: reading.service_time,
            read: reading.cost,
            incident: None,
            version: "0.1.0".to_owned(),
            on_drift: OnDrift::Refuse,
        };
        contain(vec![subject], &request, &context).unwrap()
    }

    async fn apply(&self, plan: &Plan) -> Result<Done> {
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
            protected_users: &[],
            stop: Stop::default(),
            emit: &mut emit,
            watcher: None,
        };
        let from = Instant::now();
        let ending = executor.apply(plan, &plan.bytes()).await?;
        Ok(Done { ending, events, took: from.elapsed() })
    }

    async fn state(&self) -> State {
        let id = self
            .sandbox
            .edit(|world| world.account(ACCOUNT).unwrap().user(USER).unwrap().id.clone());
        let key = Key { account: ACCOUNT.parse().unwrap(), id: id.parse().unwrap() };
        let state = self.store.load(&key).await.unwrap().unwrap();
        self.store.verify(&key, &state).await.unwrap();
        state
    }

    fn status_of(&self, key: &str) -> Option<Status> {
        let account = self.sandbox.edit(|world| world.account(ACCOUNT).unwrap().clone());
        account.user(USER)?.keys.iter().find(|one| one.id == key).map(|one| one.status)
    }

    /// Once the fence is written, does this before the next call.
    fn once_fenced(&self, act: impl Fn(&Sandbox) + Send + Sync + 'static) {
        self.once_fenced_for(0, act);
    }

    /// The same, so many seconds later.
    fn once_fenced_for(&self, seconds: u64, act: impl Fn(&Sandbox) + Send + Sync + 'static) {
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
    fn throttle_writes(&self, trouble: Trouble) {
        let (line, planned) = (self.line.clone(), self.line.calls());
        self.line.between(move |call| {
            if call + 1 > 2 * planned {
                line.set_trouble(trouble);
            }
        });
    }

    fn made(&self, action: &str) -> usize {
        let admin = self.sandbox.admin().access_key_id;
        let calls = self.sandbox.calls();
        calls
            .iter()
            .filter(|call| call.action == action && call.access_key_id.as_ref() == Some(&admin))
            .count()
    }
}

fn is_fenced(sandbox: &Sandbox) -> bool {
    sandbox.edit(|world| {
        let user = world.account(ACCOUNT).unwrap().user(USER);
        user.is_some_and(|user| user.permissions.inline.contains_key(&fence_name()))
    })
}

impl Done {
    fn principal(&self) -> &ringfence::view::PrincipalEnding {
        &self.ending.principals[0]
    }

    fn tampering(&self) -> Vec<String> {
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

    fn fences(&self) -> Vec<Timestamp> {
        let events = self.events.iter();
        events
            .filter_map(|event| match event {
                ApplyEvent::FenceTime { fence_time, .. } => Some(*fence_time),
                _ => None,
            })
            .collect()
    }
}

fn turn(sandbox: &Sandbox, key: &str, status: Status) {
    sandbox.edit(|world| {
        let user = world.user_mut(ACCOUNT, USER).unwrap();
        user.keys.iter_mut().find(|one| one.id == key).unwrap().status = status;
    });
}

fn fence_name() -> String {
    Lineage::new([7; 16]).fence_name()
}

#[tokio::test(start_paused = true)]
async fn a_quiet_principal_is_watched_for_as_long_as_the_plan_says() {
    let scene = Scene::new();
    let plan = scene.plan("revoke", 30, None).await;
    assert_eq!(
        plan.settle,
        Settle { for_s: 30, reassert: true, move_fence: true, contain_new: Vec::new() }
    );
    let done = scene.apply(&plan).await.unwrap();
    assert_eq!(
        (done.principal().held_for_s, done.ending.watched_s, done.ending.complete),
        (30, 30, true)
    );
    assert_eq!(done.principal().standing, Standing::Contained);
    assert_eq!(done.took.as_secs(), 30);
    assert_eq!(done.tampering(), [""; 0]);
    // Before the first write, and then every five seconds from the last wave to the end.
    assert_eq!(scene.made("iam:GetUser"), 1 + 1 + 7);
}

#[tokio::test(start_paused = true)]
async fn the_watch_can_only_be_shortened() {
    for (asked, watched) in [(5, 5), (600, 30), (0, 0)] {
        let mut scene = Scene::new();
        scene.settle_at_most = Some(asked);
        let done = scene.apply(&scene.plan("revoke", 30, None).await).await.unwrap();
        assert_eq!(done.ending.watched_s, watched);
        assert!(done.ending.complete);
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_comes_back_is_turned_off_again_and_moves_the_fence() {
    let scene = Scene::new();
    // Calls take their time, so that the second key-off is later than the first.
    scene.line.set_trouble(Trouble { latency: Duration::from_secs(2), ..Trouble::none() });
    let (leaked, stolen) = (scene.leaked.clone(), Arc::new(std::sync::Mutex::new(None)));
    let hand = stolen.clone();
    scene.once_fenced(move |sandbox| {
        turn(sandbox, &leaked.access_key_id, Status::Active);
        let token = Player::new(sandbox.clone(), leaked.clone()).call("sts:GetSessionToken", &[]);
        *hand.lock().unwrap() = token.credentials();
    });
    let done = scene.apply(&scene.plan("revoke", 30, None).await).await.unwrap();
    assert_eq!(done.tampering(), ["access_key is Active again"]);
    assert_eq!(scene.status_of(&scene.leaked.access_key_id), Some(Status::Inactive));
    let fences = done.fences();
    assert_eq!(fences.len(), 2, "the fence has moved: {fences:?}");
    assert!(fences[1] > fences[0]);
    let state = scene.state().await;
    let clock = state.clock.as_ref().unwrap();
    assert_eq!((clock.fence_time, clock.void_while_active.len()), (fences[1], 0));
    assert_eq!(done.principal().standing, Standing::Contained);
    assert!(done.ending.complete);
    // What was minted in between is as dead as the rest.
    let token = stolen.lock().unwrap().clone().unwrap();
    assert!(!scene.sandbox.can_act(&token));
}

#[tokio::test(start_paused = true)]
async fn a_fence_that_is_taken_away_or_changed_is_written_again() {
    for changed in [false, true] {
        let scene = Scene::new();
        scene.once_fenced_for(8, move |sandbox| {
            sandbox.edit(|world| {
                let user = world.user_mut(ACCOUNT, USER).unwrap();
                if changed {
                    let allowed = user.permissions.inline.get_mut(&fence_name()).unwrap();
                    *allowed = allowed.replace("Deny", "Allow");
                } else {
                    user.permissions.inline.remove(&fence_name());
                }
            });
        });
        let done = scene.apply(&scene.plan("revoke", 30, None).await).await.unwrap();
        let what = if changed { "was changed" } else { "is gone" };
        assert_eq!(done.tampering(), [format!("inline_policy {what}")]);
        assert_eq!(done.principal().held_for_s, 20, "since it was undone, ten seconds in");
        assert_eq!(done.principal().standing, Standing::Contained, "{:?}", done.principal());
        let account = scene.sandbox.edit(|world| world.account(ACCOUNT).unwrap().clone());
        assert!(account.user(USER).unwrap().permissions.inline[&fence_name()].contains("Deny"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_hold_that_is_detached_is_attached_again() {
    let scene = Scene::new();
    scene.once_fenced(|sandbox| {
        sandbox.edit(|world| {
            let user = world.user_mut(ACCOUNT, USER).unwrap();
            user.permissions.attached.retain(|arn| !arn.ends_with("/AWSDenyAll"));
        });
    });
    let done = scene.apply(&scene.plan("lockdown", 30, None).await).await.unwrap();
    assert_eq!(done.tampering(), ["attached_policy is gone"]);
    let account = scene.sandbox.edit(|world| world.account(ACCOUNT).unwrap().clone());
    let attached = &account.user(USER).unwrap().permissions.attached;
    assert!(attached.iter().any(|arn| arn.ends_with("/AWSDenyAll")), "{attached:?}");
    assert!(done.ending.complete);
}

#[tokio::test(start_paused = true)]
async fn a_new_key_is_contained_where_the_clause_allows_and_told_otherwise() {
    let exposure = Some("2026-11-21T01:00:00Z");
    for (posture, since, off) in
        [("quarantine", None, true), ("revoke", exposure, true), ("revoke", None, false)]
    {
        let scene = Scene::new();
        let made = Arc::new(std::sync::Mutex::new(String::new()));
        let hand = made.clone();
        scene.once_fenced(move |sandbox| {
            let now = sandbox.now();
            let key = sandbox.edit(|world| world.add_key(ACCOUNT, USER, now)).unwrap();
            *hand.lock().unwrap() = key.access_key_id;
        });
        let plan = scene.plan(posture, 30, since).await;
        let done = scene.apply(&plan).await.unwrap();
        let new = made.lock().unwrap().clone();
        let expected = if off { Status::Inactive } else { Status::Active };
        assert_eq!(scene.status_of(&new), Some(expected), "{posture} {since:?}");
        assert_eq!(done.tampering(), ["access_key was made, and is Active"]);
        let state = scene.state().await;
        let resource = format!("access_key/{new}").parse().unwrap();
        assert_eq!(state.resources.contains_key(&resource), off);
        assert_eq!(done.principal().standing, Standing::Contained, "{:?}", done.principal());
        let told = done.principal().notes.iter().any(|note| note.contains(&new));
        assert_eq!(told, !off, "{:?}", done.principal().notes);
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_off_before_and_is_turned_on_stays_off_after_a_release() {
    let scene = Scene::new();
    let old = scene.sandbox.edit(|world| {
        let key = world.add_key(ACCOUNT, USER, "2026-01-01T00:00:00Z".parse().unwrap()).unwrap();
        key.access_key_id
    });
    turn(&scene.sandbox, &old, Status::Inactive);
    let key = old.clone();
    scene.once_fenced(move |sandbox| turn(sandbox, &key, Status::Active));
    let done = scene.apply(&scene.plan("quarantine", 30, None).await).await.unwrap();
    assert_eq!(done.tampering(), ["access_key was turned on"]);
    assert_eq!(scene.status_of(&old), Some(Status::Inactive));
    let state = scene.state().await;
    let held = &state.resources[&format!("access_key/{old}").parse().unwrap()];
    assert_eq!(held.baseline, held.ours, "a release has nothing to give back");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_asserted_again_where_the_plan_does_not_say_so() {
    for clause in [
        Settle::read_back_only(),
        Settle { for_s: 20, reassert: false, move_fence: false, contain_new: Vec::new() },
    ] {
        let scene = Scene::new();
        let key = scene.leaked.access_key_id.clone();
        scene.once_fenced(move |sandbox| turn(sandbox, &key, Status::Active));
        let mut plan = scene.plan("revoke", 30, None).await;
        plan.settle = clause;
        let done = scene.apply(&plan.sealed()).await.unwrap();
        assert_eq!(done.tampering(), ["access_key is Active again"]);
        assert_eq!(scene.status_of(&scene.leaked.access_key_id), Some(Status::Active));
        assert!(!done.ending.complete);
        assert_ne!(done.principal().standing, Standing::Contained);
        let again = format!("ringfence apply --again --user {USER}");
        assert_eq!(done.principal().commands, [again]);
        assert_eq!(scene.made("iam:UpdateAccessKey"), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_attacker_who_never_stops_does_not_keep_the_run_from_ending() {
    let scene = Scene::new();
    let (sandbox, key) = (scene.sandbox.clone(), scene.leaked.access_key_id.clone());
    scene.line.between(move |_| {
        if is_fenced(&sandbox) {
            turn(&sandbox, &key, Status::Active);
        }
    });
    let done = scene.apply(&scene.plan("revoke", 30, None).await).await.unwrap();
    assert!(done.took < Duration::from_secs(60), "{:?}", done.took);
    assert!(!done.ending.complete);
    assert_eq!(done.principal().standing, Standing::Weakened, "{:?}", done.principal());
    assert_eq!(done.principal().held_for_s, 0);
    assert!(done.tampering().len() > 5, "{:?}", done.tampering());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_throttled_for_long_is_made_in_the_end() {
    let scene = Scene::new();
    let plan = scene.plan("revoke", 0, None).await;
    let calm = scene.sandbox.now().saturating_add(SignedDuration::from_secs(60)).unwrap();
    scene.throttle_writes(Trouble { throttled: 1000, ..Trouble::none() }.calm_from(calm));
    let done = scene.apply(&plan).await.unwrap();
    assert!(done.ending.complete, "{:?}", done.principal());
    assert_eq!(done.principal().standing, Standing::Contained);
    assert_eq!(scene.status_of(&scene.leaked.access_key_id), Some(Status::Inactive));
    // The fence was fixed while the key was on, and has moved since.
    assert_eq!(scene.state().await.clock.unwrap().void_while_active, []);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_throttles_for_ever_ends_the_run_at_its_deadline() {
    let mut scene = Scene::new();
    scene.deadline = Duration::from_secs(40);
    let plan = scene.plan("revoke", 0, None).await;
    scene.throttle_writes(Trouble { throttled: 1000, ..Trouble::none() });
    let done = scene.apply(&plan).await.unwrap();
    assert!(!done.ending.complete);
    assert_eq!(done.principal().standing, Standing::Unknown);
    assert!(done.took < Duration::from_secs(60), "{:?}", done.took);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_not_asked_for_again() {
    let scene = Scene::new();
    let plan = scene.plan("revoke", 30, None).await;
    // A quota that is full by the time of the call (F17), and not when the plan was made.
    scene.sandbox.edit(|world| {
        let user = world.user_mut(ACCOUNT, USER).unwrap();
        let big =
            format!(r#"{{"Version":"2012-10-17","Statement":[],"Id":"{}"}}"#, "a".repeat(1980));
        user.permissions.inline.insert("big".to_owned(), big);
    });
    let mut plan = plan;
    plan.on_drift = OnDrift::Tighten;
    let done = scene.apply(&plan.sealed()).await.unwrap();
    assert_eq!(scene.made("iam:PutUserPolicy"), 1);
    assert_eq!(scene.made("iam:CreatePolicy"), 0, "another place was not approved (D2.2)");
    assert!(!done.ending.complete);
    assert_eq!(done.principal().standing, Standing::NotContained);
    assert_eq!(scene.status_of(&scene.leaked.access_key_id), Some(Status::Inactive));
}

#[tokio::test(start_paused = true)]
async fn another_user_of_the_same_name_is_not_touched() {
    let scene = Scene::new();
    scene.once_fenced(|sandbox| {
        let now = sandbox.now();
        sandbox.edit(|world| {
            world.account_mut(ACCOUNT).unwrap().users.remove(USER);
            world.add_user(ACCOUNT, USER, now);
            world.add_key(ACCOUNT, USER, now);
        });
    });
    let before = scene.sandbox.clone();
    let done = scene.apply(&scene.plan("quarantine", 30, None).await).await.unwrap();
    assert!(done.tampering()[0].contains("another principal"), "{:?}", done.tampering());
    assert!(!done.ending.complete);
    assert_eq!(done.principal().standing, Standing::Unknown);
    let user = before.edit(|world| world.account(ACCOUNT).unwrap().user(USER).unwrap().clone());
    assert!(user.keys.iter().all(|key| key.status == Status::Active), "{user:?}");
    assert!(user.permissions.inline.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_release_is_read_back_and_nothing_of_it_is_asserted_again() {
    let scene = Scene::new();
    scene.make("iam:CreateGroup", &[("GroupName", "devs")]);
    let done = scene.apply(&scene.plan("revoke", 0, None).await).await.unwrap();
    assert!(done.ending.complete);
    let state = scene.state().await;
    let user: UserName = USER.parse().unwrap();
    let reading =
        read(&scene.aws, &Targets { users: vec![user], ..Targets::default() }).await.unwrap();
    let context = planner::Context {
        caller: reading.caller.clone(),
        endpoint: reading.endpoint.clone(),
        now: reading.service_time,
        read: reading.cost,
        incident: None,
        version: "0.1.0".to_owned(),
        on_drift: OnDrift::Refuse,
    };
    let request = ringfence::release::Request { lift_fence_now: true, ..Default::default() };
    let plan =
        ringfence::release::release(reading.snapshots[0].clone(), &state, None, &request, &context)
            .unwrap();
    assert_eq!(plan.settle, Settle::read_back_only());
    let done = scene.apply(&plan).await.unwrap();
    assert!(done.ending.complete);
    assert_eq!(done.principal().standing, Standing::Released);
}
