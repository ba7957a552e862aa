//! The watch after the last wave, in virtual time: what others undo is done again where the plan's clause
//! says so, and nothing else is (D2.2, F29, F30).

use super::scene::{Done, Scene, USER, fence_name, is_fenced, turn};
use jiff::SignedDuration;
use ringfence::error::Result;
use ringfence::plan::{OnDrift, Settle};
use ringfence::sandbox::{ACCOUNT, Managed, Moment, Player, Status, Trouble, World};
use ringfence::state::HeldStatus;
use ringfence::view::Standing;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

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
async fn a_fence_is_not_moved_where_the_plan_does_not_say_so() {
    for move_fence in [true, false] {
        let scene = Scene::new();
        scene.line.set_trouble(Trouble { latency: Duration::from_secs(2), ..Trouble::none() });
        let key = scene.leaked.access_key_id.clone();
        scene.once_fenced(move |sandbox| turn(sandbox, &key, Status::Active));
        let mut plan = scene.plan("revoke", 30, None).await;
        plan.settle = Settle { move_fence, ..plan.settle };
        let done = scene.apply(&plan.sealed()).await.unwrap();
        assert_eq!(scene.status_of(&scene.leaked.access_key_id), Some(Status::Inactive));
        let written = if move_fence { 2 } else { 1 };
        assert_eq!((scene.made("iam:PutUserPolicy"), done.fences().len()), (written, written));
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_key_is_left_alone_where_the_plan_does_not_say_so() {
    let scene = Scene::new();
    scene.once_fenced(|sandbox| {
        let now = sandbox.now();
        sandbox.edit(|world| world.add_key(ACCOUNT, USER, now)).unwrap();
    });
    let mut plan = scene.plan("quarantine", 30, None).await;
    plan.settle = Settle { contain_new: Vec::new(), ..plan.settle };
    let done = scene.apply(&plan.sealed()).await.unwrap();
    assert_eq!(done.tampering(), ["access_key was made, and is Active"]);
    assert_eq!(scene.made("iam:UpdateAccessKey"), 1, "the one that the plan names");
    assert_eq!(done.principal().standing, Standing::Weakened, "{:?}", done.principal());
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

/// A look that comes at once after what was done again never meets one who polls.
#[tokio::test(start_paused = true)]
async fn what_is_undone_every_second_is_never_called_contained() {
    let scene = Scene::new();
    let sandbox = scene.sandbox.clone();
    let last = std::sync::Mutex::new(sandbox.now());
    scene.line.between(move |_| {
        let (now, mut last) = (sandbox.now(), last.lock().unwrap());
        if is_fenced(&sandbox) && now.duration_since(*last) >= SignedDuration::from_secs(1) {
            *last = now;
            sandbox.edit(|world| {
                let user = world.user_mut(ACCOUNT, USER).unwrap();
                user.permissions.inline.remove(&fence_name());
            });
        }
    });
    let done = scene.apply(&scene.plan("revoke", 30, None).await).await.unwrap();
    assert!(done.took < Duration::from_secs(60), "{:?}", done.took);
    let ending = done.principal();
    assert_eq!(ending.standing, Standing::Weakened, "{ending:?}");
    assert!(ending.open.iter().any(|one| one.what.contains("was undone")), "{ending:?}");
    assert!(ending.commands.iter().any(|one| one.contains("apply --again")), "{ending:?}");
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

/// No room inline, so that the fence has to be a policy of its own.
fn crowded() -> Scene {
    let scene = Scene::new();
    scene.edit(|user| {
        let big =
            format!(r#"{{"Version":"2012-10-17","Statement":[],"Id":"{}"}}"#, "a".repeat(1980));
        user.permissions.inline.insert("big".to_owned(), big);
    });
    scene
}

/// A creation that arrives after it was read as not made, and before it is sent again (F17).
#[tokio::test(start_paused = true)]
async fn a_policy_that_arrives_late_is_known_again() {
    let rehearsal = crowded();
    rehearsal.apply(&rehearsal.plan("revoke", 0, None).await).await.unwrap();
    let log = rehearsal.line.log();
    let creation = log.iter().find(|call| call.about.starts_with("CreatePolicy")).unwrap().number;

    let scene = crowded();
    let plan = scene.plan("revoke", 0, None).await;
    scene.line.stop_at(creation, Moment::After);
    tokio::select! {
        biased;
        () = scene.line.stopped() => scene.line.go_on(),
        _ = scene.apply(&plan) => panic!("the run was not cut off"),
    }
    let run = scene.state().await.open_run().unwrap().id.clone();
    let ours = |world: &mut World| -> BTreeMap<String, Managed> {
        let all = &mut world.account_mut(ACCOUNT).unwrap().policies;
        let (ours, others) =
            std::mem::take(all).into_iter().partition(|(arn, _)| arn.contains("ringfencefence"));
        *all = others;
        ours
    };
    let late = Mutex::new(scene.sandbox.edit(ours));
    assert_eq!(late.lock().unwrap().len(), 1);
    let (sandbox, line) = (scene.sandbox.clone(), scene.line.clone());
    scene.line.between(move |number| {
        if line.carried(number).is_some_and(|call| call.about.starts_with("CreatePolicy")) {
            let mut late = late.lock().unwrap();
            sandbox.edit(|world| world.account_mut(ACCOUNT).unwrap().policies.append(&mut late));
        }
    });
    let done = scene.resume(&plan, &run).await.unwrap();
    assert!(done.ending.complete, "{:?}", done.principal());
    assert_eq!(done.principal().standing, Standing::Contained);
    assert_eq!(scene.made("iam:CreatePolicy"), 2);
    let attached = format!("{:?}", scene.user().permissions.attached);
    assert_eq!(attached.to_lowercase().matches("ringfencefence").count(), 1, "{attached}");
    let held = scene.state().await.resources;
    let policy = held.iter().find(|(resource, _)| resource.kind() == "managed_policy").unwrap();
    assert_eq!(policy.1.status, HeldStatus::Held);
}

#[tokio::test(start_paused = true)]
async fn another_user_of_the_same_name_is_not_touched() {
    // Between any two calls of a reading: the first of them may have told of the user that was there before.
    for call in 0..20 {
        let scene = Scene::new();
        let (sandbox, calls) = (scene.sandbox.clone(), AtomicUsize::new(0));
        scene.line.between(move |_| {
            if is_fenced(&sandbox) && calls.fetch_add(1, Ordering::SeqCst) == call {
                let now = sandbox.now();
                sandbox.edit(|world| {
                    world.account_mut(ACCOUNT).unwrap().users.remove(USER);
                    world.add_user(ACCOUNT, USER, now);
                    world.add_key(ACCOUNT, USER, now);
                });
            }
        });
        let done = scene.apply(&scene.plan("quarantine", 30, None).await).await.unwrap();
        let seen = done.tampering();
        assert!(seen.iter().any(|what| what.contains("another principal")), "{call}: {seen:?}");
        assert_eq!(seen.len(), 1, "{call}: {seen:?}");
        assert!(!done.ending.complete, "{call}");
        assert_eq!(done.principal().standing, Standing::Unknown, "{call}");
        let user = scene.user();
        assert!(user.keys.iter().all(|key| key.status == Status::Active), "{call}: {user:?}");
        assert!(user.permissions.inline.is_empty(), "{call}");
    }
}

/// The user is deleted and made again before the first call of which that is to be so.
fn is_replaced_before(scene: &Scene, so: impl Fn(&str) -> bool + Send + Sync + 'static) {
    let (sandbox, line) = (scene.sandbox.clone(), scene.line.clone());
    let done = std::sync::atomic::AtomicBool::new(false);
    scene.line.between(move |number| {
        let now = line.carried(number).is_some_and(|call| so(&call.about));
        if now && !done.swap(true, Ordering::SeqCst) {
            let now = sandbox.now();
            sandbox.edit(|world| {
                world.account_mut(ACCOUNT).unwrap().users.remove(USER);
                world.add_user(ACCOUNT, USER, now);
                world.add_key(ACCOUNT, USER, now);
            });
        }
    });
}

fn is_untouched(scene: &Scene) {
    let user = scene.user();
    assert!(user.keys.iter().all(|key| key.status == Status::Active), "{user:?}");
    assert!(user.permissions.inline.is_empty(), "{user:?}");
    assert_eq!(scene.made("iam:PutUserPolicy"), 0, "nothing is written to another user");
}

/// The other user of the name is not touched, and it is said that it is another.
fn is_left_alone(scene: &Scene, ended: Result<Done>, about: &str) {
    match ended {
        Err(error) => {
            assert!(error.message().contains("another principal"), "{about}: {}", error.message());
        }
        Ok(done) => assert!(!done.ending.complete, "{about}"),
    }
    is_untouched(scene);
}

/// What the call did may have been done to the other, and that is recorded also where a look failed before.
#[tokio::test(start_paused = true)]
async fn another_user_is_told_also_after_a_look_that_failed() {
    let scene = Scene::new();
    let (sandbox, since) = (scene.sandbox.clone(), std::sync::OnceLock::new());
    let stage = AtomicUsize::new(0);
    scene.line.between(move |_| {
        if !is_fenced(&sandbox) {
            return;
        }
        let fenced: &tokio::time::Instant = since.get_or_init(tokio::time::Instant::now);
        if stage.load(Ordering::SeqCst) == 0 {
            stage.store(1, Ordering::SeqCst);
            may_read(&sandbox, false);
        } else if fenced.elapsed().as_secs() >= 12 && stage.swap(2, Ordering::SeqCst) == 1 {
            may_read(&sandbox, true);
            let now = sandbox.now();
            sandbox.edit(|world| {
                world.account_mut(ACCOUNT).unwrap().users.remove(USER);
                world.add_user(ACCOUNT, USER, now);
            });
        }
    });
    let done = scene.apply(&scene.plan("revoke", 30, None).await).await.unwrap();
    let seen = done.tampering();
    assert!(seen.iter().any(|what| what.contains("another principal")), "{seen:?}");
    assert_eq!(seen.len(), 1, "{seen:?}");
}

fn may_read(sandbox: &ringfence::sandbox::Sandbox, may: bool) {
    let deny = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"iam:GetUser","Resource":"*"}]}"#;
    sandbox.edit(|world| {
        let admin = world.user_mut(ACCOUNT, ringfence::sandbox::ADMINISTRATOR).unwrap();
        match may {
            true => admin.permissions.inline.remove("deny"),
            false => admin.permissions.inline.insert("deny".to_owned(), deny.to_owned()),
        };
    });
}

#[tokio::test(start_paused = true)]
async fn a_reading_that_differs_asks_whose_the_name_is() {
    // Of a hold nothing says that it finds another user: a wave with one is the first.
    for (posture, calls) in [("quarantine", 0..14), ("lockdown", 0..8)] {
        for call in calls {
            let scene = Scene::new();
            let mut plan = scene.plan(posture, 0, None).await;
            plan.on_drift = OnDrift::Tighten;
            let reads = AtomicUsize::new(0);
            is_replaced_before(&scene, move |about| {
                let read = about.starts_with("Get") || about.starts_with("List");
                !read || reads.fetch_add(1, Ordering::SeqCst) == call
            });
            let ended = scene.apply(&plan.sealed()).await;
            is_left_alone(&scene, ended, &format!("{posture} {call}"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_goes_on_asks_whose_the_name_is() {
    for call in 0.. {
        let scene = Scene::new();
        let plan = scene.plan("quarantine", 0, None).await;
        let reading = scene.line.calls();
        // Before every call of the resumed run's reading, which is one shorter, and before the question itself.
        if call == reading {
            break;
        }
        scene.line.stop_at(2 * reading + 1, Moment::Before);
        tokio::select! {
            biased;
            () = scene.line.stopped() => scene.line.go_on(),
            _ = scene.apply(&plan) => panic!("the run was not cut off"),
        }
        assert_eq!(scene.status_of(&scene.leaked.access_key_id), Some(Status::Inactive));
        let run = scene.state().await.open_run().unwrap().id.clone();
        let reads = AtomicUsize::new(0);
        is_replaced_before(&scene, move |_| reads.fetch_add(1, Ordering::SeqCst) as u64 == call);
        let ended = scene.resume(&plan, &run).await;
        is_left_alone(&scene, ended, &call.to_string());
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_not_found_asks_whose_the_name_is() {
    for posture in ["revoke", "quarantine"] {
        let scene = Scene::new();
        let plan = scene.plan(posture, 30, None).await;
        is_replaced_before(&scene, |about| about.starts_with("Update"));
        let done = scene.apply(&plan).await.unwrap();
        let seen = done.tampering();
        assert!(seen.iter().any(|what| what.contains("another principal")), "{seen:?}");
        assert_eq!(seen.len(), 1, "{seen:?}");
        assert!(!done.ending.complete);
        assert_eq!(done.principal().standing, Standing::Unknown);
        is_untouched(&scene);
    }
}

/// Somebody's policies leave no room inline, so that the fence is one that is attached.
fn fill_up_inline(scene: &Scene) {
    let big = format!(r#"{{"Version":"2012-10-17","Statement":[],"Id":"{}"}}"#, "a".repeat(1980));
    scene.edit(|user| {
        user.permissions.inline.insert("big".to_owned(), big);
    });
}

/// Once a fence is attached, does this before the next call.
fn once_attached(
    scene: &Scene,
    act: impl Fn(&ringfence::sandbox::Sandbox) + Send + Sync + 'static,
) {
    let (sandbox, done) = (scene.sandbox.clone(), std::sync::atomic::AtomicBool::new(false));
    scene.line.between(move |_| {
        let attached = sandbox.edit(|world| {
            let user = world.account(ACCOUNT).unwrap().user(USER).unwrap().clone();
            user.permissions.attached.iter().any(|arn| arn.contains("/RingfenceFence-"))
        });
        if attached && !done.swap(true, Ordering::SeqCst) {
            act(&sandbox);
        }
    });
}

fn forbid(sandbox: &ringfence::sandbox::Sandbox, actions: &[&str]) {
    let actions = actions.join("\",\"");
    let deny = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Deny","Action":["{actions}"],"Resource":"*"}}]}}"#
    );
    sandbox.edit(|world| {
        let admin = world.user_mut(ACCOUNT, ringfence::sandbox::ADMINISTRATOR).unwrap();
        admin.permissions.inline.insert("deny".to_owned(), deny);
    });
}

/// The one before stands as it was written, and nobody has taken it away (D2.13).
#[tokio::test(start_paused = true)]
async fn an_attached_fence_that_moves_is_not_called_taken_away() {
    let scene = Scene::new();
    scene.line.set_trouble(Trouble { latency: Duration::from_secs(2), ..Trouble::none() });
    fill_up_inline(&scene);
    let key = scene.leaked.access_key_id.clone();
    once_attached(&scene, move |sandbox| turn(sandbox, &key, Status::Active));
    let done = scene.apply(&scene.plan("revoke", 30, None).await).await.unwrap();
    assert_eq!(done.tampering(), ["access_key is Active again"]);
    assert_eq!(scene.made("iam:CreatePolicy"), 2, "the fence has moved");
    assert_eq!(done.principal().open, []);
    assert!(done.ending.complete, "{:?}", done.principal());
    assert_eq!(done.principal().standing, Standing::Contained);
}

#[tokio::test(start_paused = true)]
async fn an_attached_fence_that_cannot_be_read_is_not_written_at_every_look() {
    let scene = Scene::new();
    fill_up_inline(&scene);
    once_attached(&scene, |sandbox| forbid(sandbox, &["iam:ListAttachedUserPolicies"]));
    let done = scene.apply(&scene.plan("revoke", 30, None).await).await.unwrap();
    assert_eq!(scene.made("iam:CreatePolicy"), 1);
    assert_eq!(scene.made("iam:AttachUserPolicy"), 1);
    assert_eq!(done.tampering(), [""; 0]);
    assert_ne!(done.principal().standing, Standing::Contained, "{:?}", done.principal());
    let said = format!("{:?}", done.principal());
    assert!(!said.contains("taken away"), "{said}");
    assert!(said.contains("could not be read"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn an_attachment_that_is_refused_draws_no_new_policy_at_every_look() {
    for blind in [false, true] {
        let scene = Scene::new();
        fill_up_inline(&scene);
        let mut denied = vec!["iam:AttachUserPolicy", "iam:PutUserPermissionsBoundary"];
        if blind {
            denied.push("iam:ListAttachedUserPolicies");
        }
        let plan = scene.plan("revoke", 30, None).await;
        forbid(&scene.sandbox, &denied);
        let done = scene.apply(&plan).await.unwrap();
        assert_eq!(scene.made("iam:CreatePolicy"), 1, "{blind}");
        assert_eq!(scene.made("iam:AttachUserPolicy"), 1, "{blind}");
        assert_eq!(done.principal().standing, Standing::NotContained, "{:?}", done.principal());
    }
}

#[tokio::test(start_paused = true)]
async fn a_young_key_that_its_maker_has_turned_off_does_not_move_the_fence_at_every_look() {
    for (after_s, fences) in [(None, 1), (Some(0), 1), (Some(45), 2)] {
        let scene = Scene::new();
        let make = |sandbox: &ringfence::sandbox::Sandbox| {
            let now = sandbox.now();
            let key = sandbox.edit(|world| world.add_key(ACCOUNT, USER, now)).unwrap();
            turn(sandbox, &key.access_key_id, Status::Inactive);
        };
        let mut plan = scene.plan("revoke", 120, Some("2026-11-21T01:00:00Z")).await;
        plan.fence_margin_s = 60;
        plan.on_drift = OnDrift::Tighten;
        match after_s {
            None => make(&scene.sandbox),
            Some(seconds) => scene.once_fenced_for(seconds, make),
        }
        let done = scene.apply(&plan).await.unwrap();
        let times = done.fences();
        assert_eq!(times.len(), fences, "{after_s:?}: {times:?}");
        assert_eq!(done.principal().standing, Standing::Contained, "{:?}", done.principal());
        let state = scene.state().await;
        assert_eq!(state.compromised.len(), 2, "{after_s:?}: {:?}", state.compromised);
        // What is known, and covered, moves no later fence either.
        assert_eq!(scene.again().await, [], "{after_s:?}");
    }
}

/// What settling has written again takes the place of what the plan wrote, also where the run was cut off after it.
#[tokio::test(start_paused = true)]
async fn a_run_that_goes_on_does_not_write_what_was_written_again() {
    let undone = || {
        let scene = Scene::new();
        scene.once_fenced(|sandbox| {
            sandbox.edit(|world| {
                let user = world.user_mut(ACCOUNT, USER).unwrap();
                user.permissions.inline.remove(&fence_name());
            });
        });
        scene
    };
    let rehearsal = undone();
    rehearsal.apply(&rehearsal.plan("revoke", 30, None).await).await.unwrap();
    let log = rehearsal.line.log();
    let written = log.iter().filter(|call| call.about.starts_with("PutUserPolicy"));
    let written: Vec<_> = written.map(|call| call.number).collect();
    assert_eq!(written.len(), 2);

    let scene = undone();
    let plan = scene.plan("revoke", 30, None).await;
    scene.line.stop_at(written[1] + 1, Moment::After);
    tokio::select! {
        biased;
        () = scene.line.stopped() => scene.line.go_on(),
        _ = scene.apply(&plan) => panic!("the run was not cut off"),
    }
    let run = scene.state().await.open_run().unwrap().id.clone();
    let done = scene.resume(&plan, &run).await.unwrap();
    assert!(done.ending.complete, "{:?}", done.principal());
    assert_eq!(scene.made("iam:PutUserPolicy"), 2);
    let state = scene.state().await;
    let (_, fence) = state.fence().unwrap();
    let Some(ringfence::resource::Value::Document(document)) = &fence.ours else { panic!() };
    assert_eq!(document.fence_time(), state.clock.as_ref().map(|clock| clock.fence_time));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_not_written_at_every_look() {
    let scene = Scene::new();
    let sandbox = scene.sandbox.clone();
    let blind = ["iam:ListUserPolicies", "iam:ListAccessKeys"];
    scene.once_fenced(move |_| forbid(&sandbox, &blind));
    let done = scene.apply(&scene.plan("revoke", 30, None).await).await.unwrap();
    assert_eq!(scene.made("iam:UpdateAccessKey"), 1);
    assert_eq!(scene.made("iam:PutUserPolicy"), 1);
    assert_eq!(done.tampering(), [""; 0]);
    assert_ne!(done.principal().standing, Standing::Contained, "{:?}", done.principal());
}

#[tokio::test(start_paused = true)]
async fn a_release_is_read_back_and_nothing_of_it_is_asserted_again() {
    let scene = Scene::new();
    scene.make("iam:CreateGroup", &[("GroupName", "devs")]);
    let done = scene.apply(&scene.plan("revoke", 0, None).await).await.unwrap();
    assert!(done.ending.complete);
    let request = ringfence::release::Request { lift_fence_now: true, ..Default::default() };
    let plan = scene.release(&request, None).await.unwrap();
    assert_eq!(plan.settle, Settle::read_back_only());
    let done = scene.apply(&plan).await.unwrap();
    assert!(done.ending.complete);
    assert_eq!(done.principal().standing, Standing::Released);
}
