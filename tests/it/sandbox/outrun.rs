//! Who is denied too late can assume a role anew after the time of its fence: then that has to move (F12). In
//! virtual time.

use super::scene::{Scene, USER, turn};
use crate::support::ALLOW_ALL;
use ringfence::sandbox::{ACCOUNT, Credentials, Moment, Player, Sandbox, Status, Trouble};
use ringfence::view::Standing;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"sts:AssumeRole"}]}"#;

fn with_roles(names: &[&str]) -> Scene {
    let scene = Scene::new();
    for name in names {
        let with = [("RoleName", *name), ("AssumeRolePolicyDocument", TRUST)];
        scene.make("iam:CreateRole", &with);
        let work = [("RoleName", *name), ("PolicyName", "work"), ("PolicyDocument", ALLOW_ALL)];
        scene.make("iam:PutRolePolicy", &work);
    }
    scene
}

fn assume(sandbox: &Sandbox, by: &Credentials, role: &str) -> Option<Credentials> {
    let arn = format!("arn:aws:iam::{ACCOUNT}:role/{role}");
    let with = [("RoleArn", arn.as_str()), ("RoleSessionName", "mallory")];
    Player::new(sandbox.clone(), by.clone()).call("sts:AssumeRole", &with).credentials()
}

fn fences(sandbox: &Sandbox) -> usize {
    sandbox.edit(|world| {
        let roles = &world.account(ACCOUNT).unwrap().roles;
        let fenced = |name: &String| name.starts_with("RingfenceFence-");
        roles.values().filter(|role| role.permissions.inline.keys().any(fenced)).count()
    })
}

/// How often the first write of a run is lost: the last try is the one that comes through.
const LOST: u64 = 3;

/// Loses the first write of a run; before the try that comes through the attacker assumes the role.
fn lose_the_first_write(
    scene: &Scene,
    by: Credentials,
    role: &'static str,
) -> Arc<Mutex<Option<Credentials>>> {
    let got = Arc::new(Mutex::new(None));
    let (hand, line, sandbox) = (got.clone(), scene.line.clone(), scene.sandbox.clone());
    let planned = line.calls();
    let lost = Trouble { request_lost: 1000, patience: Duration::from_secs(70), ..Trouble::none() };
    scene.line.between(move |call| {
        // As many calls as planning took, and then the first write: what becomes of a call is settled before this.
        if call == 2 * planned {
            line.set_trouble(lost);
        } else if call == 2 * planned + LOST {
            line.set_trouble(Trouble::none());
        } else if call == 2 * planned + LOST + 1 {
            *hand.lock().unwrap() = assume(&sandbox, &by, role);
        }
    });
    got
}

#[tokio::test(start_paused = true)]
async fn a_fence_that_was_written_too_near_to_its_time_moves() {
    let scene = with_roles(&["ci-deploy"]);
    let stolen = assume(&scene.sandbox, &scene.leaked, "ci-deploy").unwrap();
    let plan = scene.plan_with_roles(&["ci-deploy"], false, 30).await;
    let again = lose_the_first_write(&scene, stolen.clone(), "ci-deploy");
    let done = scene.apply(&plan).await.unwrap();
    let again = again.lock().unwrap().clone().expect("it could assume the role once more");
    assert!(!scene.sandbox.can_act(&stolen) && !scene.sandbox.can_act(&again));
    let moved = done.fences();
    assert_eq!(moved.len(), 2, "{moved:?}");
    assert!(done.ending.complete, "{:?}", done.principal());
    assert_eq!(done.principal().standing, Standing::Contained, "{:?}", done.principal());
    let clock = scene.role_state("ci-deploy").await.clock.unwrap();
    assert_eq!((clock.fence_time, clock.void_while_active.len()), (moved[1], 0));
}

#[tokio::test(start_paused = true)]
async fn without_a_watch_a_fence_that_came_late_is_said_not_to_contain() {
    let scene = with_roles(&["ci-deploy"]);
    let stolen = assume(&scene.sandbox, &scene.leaked, "ci-deploy").unwrap();
    let plan = scene.plan_with_roles(&["ci-deploy"], false, 0).await;
    lose_the_first_write(&scene, stolen, "ci-deploy");
    let done = scene.apply(&plan).await.unwrap();
    assert_eq!(done.principal().standing, Standing::NotContained, "{:?}", done.principal());
    let open = &done.principal().open[0].what;
    assert!(open.contains("the fence has to move"), "{open}");
    let commands = &done.principal().commands;
    assert_eq!(commands, &["ringfence apply --again --role ci-deploy"]);
    let clock = scene.role_state("ci-deploy").await.clock.unwrap();
    assert_eq!(clock.void_while_active.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn every_role_is_fenced_past_the_last_deny_of_the_run() {
    let scene = with_roles(&["ci-deploy", "next"]);
    let first = assume(&scene.sandbox, &scene.leaked, "ci-deploy").unwrap();
    let second = assume(&scene.sandbox, &first, "next").unwrap();
    // Calls take their time, so that each deny is later than the one before.
    scene.line.set_trouble(Trouble { latency: Duration::from_secs(4), ..Trouble::none() });
    let plan = scene.plan_with_roles(&["ci-deploy", "next"], true, 30).await;
    assert_eq!(plan.principals.len(), 3);
    let (sandbox, by) = (scene.sandbox.clone(), first.clone());
    let third = Arc::new(Mutex::new(None));
    let hand = third.clone();
    scene.line.between(move |_| {
        // With whatever still acts, until the last role is fenced.
        if fences(&sandbox) < 2
            && let Some(session) = assume(&sandbox, &by, "next")
        {
            *hand.lock().unwrap() = Some(session);
        }
    });
    let done = scene.apply(&plan).await.unwrap();
    assert!(done.ending.complete, "{:?}", done.ending);
    let third = third.lock().unwrap().clone().unwrap();
    for dead in [&first, &second, &third] {
        assert!(!scene.sandbox.can_act(dead));
    }
    let user = scene.state().await.clock.unwrap().fence_time;
    for role in ["ci-deploy", "next"] {
        let clock = scene.role_state(role).await.clock.unwrap();
        assert!(clock.fence_time >= user, "{role}");
    }
    assert!(done.ending.principals.iter().all(|one| one.standing == Standing::Contained));
}

#[tokio::test(start_paused = true)]
async fn what_is_undone_on_a_role_is_done_again_and_its_trust_is_only_told() {
    let scene = with_roles(&["ci-deploy"]);
    let stolen = assume(&scene.sandbox, &scene.leaked, "ci-deploy").unwrap();
    let plan = scene.plan_with_roles(&["ci-deploy"], false, 30).await;
    let (sandbox, done) = (scene.sandbox.clone(), Mutex::new(false));
    scene.line.between(move |_| {
        let mut done = done.lock().unwrap();
        if fences(&sandbox) == 1 && !*done {
            *done = true;
            sandbox.edit(|world| {
                let role = world.account_mut(ACCOUNT).unwrap().roles.get_mut("ci-deploy").unwrap();
                role.permissions.inline.retain(|name, _| !name.starts_with("RingfenceFence-"));
                role.trust = TRUST.replace(":root", ":user/deploy-bot");
            });
        }
    });
    let ran = scene.apply(&plan).await.unwrap();
    let mut seen = ran.tampering();
    seen.sort();
    assert_eq!(seen, ["role_policy is gone", "trust_policy was changed"]);
    assert!(!scene.sandbox.can_act(&stolen));
    assert!(ran.ending.complete, "{:?}", ran.principal());
    let account = scene.sandbox.edit(|world| world.account(ACCOUNT).unwrap().clone());
    assert!(account.roles["ci-deploy"].trust.contains(":user/deploy-bot"), "it is not ours");
    assert!(scene.writes().iter().all(|action| !action.contains("AssumeRolePolicy")));
}

/// Whoever is contained later could assume a role until then, also one that was fenced before (F12).
#[tokio::test(start_paused = true)]
async fn a_fence_from_before_moves_past_whoever_is_stopped_with_it() {
    let scene = with_roles(&["ci-deploy"]);
    scene.apply(&scene.plan_with_roles(&["ci-deploy"], true, 0).await).await.unwrap();
    tokio::time::advance(Duration::from_secs(600)).await;
    // Nothing has changed: nothing is cut.
    let same = scene.plan_with_roles(&["ci-deploy"], true, 0).await;
    assert!(same.principals.iter().all(|one| one.steps.is_empty()), "{:?}", same.principals);
    let leaked = scene.leaked.clone();
    let assumed_anew = || {
        turn(&scene.sandbox, &leaked.access_key_id, Status::Active);
        assume(&scene.sandbox, &leaked, "ci-deploy").unwrap()
    };
    let session = assumed_anew();
    let mut plan = scene.plan_with_roles(&["ci-deploy"], true, 0).await;
    let role = plan.principals.iter().find(|one| one.name.as_str() == "ci-deploy").unwrap();
    assert_eq!(role.steps.len(), 1, "{:?}", role.steps);
    assert!(role.steps[0].awaits_fence_time());
    let done = scene.apply(&plan).await.unwrap();
    assert!(done.ending.complete, "{:?}", done.ending);
    assert!(done.ending.principals.iter().all(|one| one.standing == Standing::Contained));
    tokio::time::advance(Duration::from_secs(60)).await;
    assert!(!scene.sandbox.can_act(&session));
    // Where it cannot move, the role is not contained.
    assumed_anew();
    plan = scene.plan_with_roles(&["ci-deploy"], true, 0).await;
    scene.forbid("iam:PutRolePolicy");
    let done = scene.apply(&plan).await.unwrap();
    let standing = |name: &str| {
        let one = done.ending.principals.iter().find(|one| one.who.name().as_str() == name);
        one.unwrap().standing
    };
    assert_eq!(standing("ci-deploy"), Standing::NotContained);
    assert_eq!(standing(USER), Standing::Contained);
}

/// What the plan does not know of yet, the watch finds: somebody else was stopped, and the fence from before is late.
#[tokio::test(start_paused = true)]
async fn a_fence_from_before_moves_past_whoever_the_watch_stops() {
    for standing in [Standing::Contained, Standing::NotContained] {
        let scene = with_roles(&["ci-deploy"]);
        scene.apply(&scene.plan_with_roles(&["ci-deploy"], true, 0).await).await.unwrap();
        tokio::time::advance(Duration::from_secs(600)).await;
        let before = scene.line.calls();
        let plan = scene.plan_with_roles(&["ci-deploy"], true, 30).await;
        assert!(plan.principals.iter().all(|one| one.steps.is_empty()), "{:?}", plan.principals);
        if standing == Standing::NotContained {
            scene.forbid("iam:PutRolePolicy");
        }
        // After what the run reads before it begins.
        let watched = 2 * scene.line.calls() - before + 1;
        let (sandbox, leaked) = (scene.sandbox.clone(), scene.leaked.clone());
        let session = Arc::new(Mutex::new(None));
        let hand = session.clone();
        scene.line.between(move |call| {
            let mut hand = hand.lock().unwrap();
            if call >= watched && hand.is_none() {
                turn(&sandbox, &leaked.access_key_id, Status::Active);
                *hand = assume(&sandbox, &leaked, "ci-deploy");
            }
        });
        let done = scene.apply(&plan).await.unwrap();
        tokio::time::advance(Duration::from_secs(60)).await;
        let session = session.lock().unwrap().clone().unwrap();
        let role = done.ending.principals.iter().find(|one| one.who.name().as_str() == "ci-deploy");
        assert_eq!(role.unwrap().standing, standing, "{:?}", role.unwrap());
        assert_eq!(scene.sandbox.can_act(&session), standing != Standing::Contained);
    }
}

/// A run that ends between a key-off of its watch and the fences that follow leaves clocks that do not count, the
/// user's (F9) and that of the role that was fenced before (F12).
#[tokio::test(start_paused = true)]
async fn a_key_that_the_watch_turned_off_moves_the_fences_also_where_the_run_was_cut_off() {
    let roles = ["ci-deploy"];
    let woken = async || {
        let scene = with_roles(&roles);
        scene.apply(&scene.plan_with_roles(&roles, true, 0).await).await.unwrap();
        tokio::time::advance(Duration::from_secs(600)).await;
        let before = scene.line.calls();
        let plan = scene.plan_with_roles(&roles, true, 30).await;
        assert!(plan.principals.iter().all(|one| one.steps.is_empty()), "{:?}", plan.principals);
        let watched = 2 * scene.line.calls() - before + 1;
        let (sandbox, key) = (scene.sandbox.clone(), scene.leaked.access_key_id.clone());
        let done = Mutex::new(false);
        scene.line.between(move |call| {
            let mut done = done.lock().unwrap();
            if call >= watched && !*done {
                *done = true;
                turn(&sandbox, &key, Status::Active);
            }
        });
        (scene, plan)
    };
    let (rehearsal, plan) = woken().await;
    let first = rehearsal.line.calls();
    rehearsal.apply(&plan).await.unwrap();
    let log = rehearsal.line.log();
    let number = |about: &str| {
        let mut calls = log.iter().filter(|call| call.number >= first);
        calls.find(|call| call.about.starts_with(about)).unwrap().number
    };
    let (off, fence, of_role) =
        (number("UpdateAccessKey"), number("PutUserPolicy"), number("PutRolePolicy"));
    assert!(off < fence && fence < of_role);
    let cuts = [
        (off, Moment::After, true),
        (fence, Moment::Before, true),
        (of_role, Moment::Before, false),
    ];
    for (cut, moment, of_user) in cuts {
        let (scene, plan) = woken().await;
        scene.line.stop_at(cut, moment);
        tokio::select! {
            biased;
            () = scene.line.stopped() => scene.line.go_on(),
            _ = scene.apply(&plan) => panic!("the run was not cut off"),
        }
        let moves = async |roles: &[&str], user: bool| {
            let anew = scene.plan_with_roles(roles, user, 0).await;
            anew.principals[0].steps.iter().any(|step| step.awaits_fence_time())
        };
        assert_eq!(moves(&[], true).await, of_user, "{cut}");
        assert!(moves(&roles, false).await, "{cut}");
    }
}
