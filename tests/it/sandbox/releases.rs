//! What a release gives back, keeps and leaves to others, and what it says of each (D2.6, D2.7).

use super::scene::{Scene, USER, fence_name, turn};
use ringfence::plan::{Plan, PrincipalPlan};
use ringfence::release::Request;
use ringfence::resource::Resource;
use ringfence::sandbox::{ACCOUNT, Player, Status, Uploaded};
use ringfence::state::HeldStatus;
use ringfence::view::Standing;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const DENY: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*"}]}"#;
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

async fn contained(scene: &Scene, posture: &str) -> Plan {
    let plan = scene.plan(posture, 0, None).await;
    let done = scene.apply(&plan).await.unwrap();
    assert_eq!(done.principal().standing, Standing::Contained, "{:?}", done.principal());
    plan
}

fn fence() -> Resource {
    Resource::InlinePolicy(fence_name())
}

fn leaked(scene: &Scene) -> Resource {
    format!("access_key/{}", scene.leaked.access_key_id).parse().unwrap()
}

/// The attacker makes a key while the watch goes on.
fn makes_a_key_once_fenced(scene: &Scene) -> Arc<Mutex<String>> {
    let made = Arc::new(Mutex::new(String::new()));
    let hand = made.clone();
    scene.once_fenced(move |sandbox| {
        let now = sandbox.now();
        let key = sandbox.edit(|world| world.add_key(ACCOUNT, USER, now)).unwrap();
        *hand.lock().unwrap() = key.access_key_id;
    });
    made
}

fn touched(principal: &PrincipalPlan) -> Vec<&Resource> {
    principal.steps.iter().map(|step| &step.resource).collect()
}

/// What is kept, by its flag.
fn kept<'a>(principal: &'a PrincipalPlan, resource: &Resource) -> (&'a str, &'a str) {
    let kept = principal.kept.iter().find(|kept| kept.resource == *resource).unwrap();
    (&kept.why, kept.flag.as_deref().unwrap_or_default())
}

#[tokio::test(start_paused = true)]
async fn what_others_have_made_since_is_told_and_left_alone() {
    let scene = Scene::new();
    let plan = contained(&scene, "revoke").await;
    scene.edit(|user| {
        user.permissions.inline.insert("theirs".to_owned(), DENY.to_owned());
        let (id, status) = ("APKAEXAMPLE000000009".to_owned(), Status::Active);
        let created = "2026-11-21T03:11:00Z".parse().unwrap();
        user.ssh_keys.push(Uploaded { id, body: String::new(), status, created });
    });
    let request = Request { lift_fence_now: true, ..Request::default() };
    let at_apply = &plan.principals[0].snapshot;
    let release = scene.release(&request, Some(at_apply)).await.unwrap();
    let principal = &release.principals[0];
    assert_eq!(touched(principal), [&fence()]);
    let told: Vec<String> =
        principal.drift.iter().map(|item| format!("{} {}", item.resource, item.what)).collect();
    for other in ["inline_policy/theirs", "ssh_key/APKAEXAMPLE000000009"] {
        assert!(told.contains(&format!("{other} created; not ours")), "{told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_given_up_is_touched_no_more() {
    let scene = Scene::new();
    contained(&scene, "revoke").await;
    let request = Request {
        leave: vec![fence()],
        reactivate: vec![leaked(&scene)],
        lift_fence_now: true,
        ..Request::default()
    };
    let release = scene.release(&request, None).await.unwrap();
    let principal = &release.principals[0];
    assert_eq!((touched(principal), &principal.given_up), (vec![&leaked(&scene)], &vec![fence()]));
    scene.apply(&release).await.unwrap();
    assert!(scene.user().permissions.inline.contains_key(&fence_name()));
    assert_eq!(scene.state().await.resources[&fence()].status, HeldStatus::GivenUp);
    assert!(scene.release(&Request::default(), None).await.unwrap().is_empty());
}

/// The settling turned it off, and it was made after the exposure, so it is the attacker's.
#[tokio::test(start_paused = true)]
async fn a_key_that_was_made_after_the_exposure_stays_off() {
    let scene = Scene::new();
    let made = makes_a_key_once_fenced(&scene);
    let plan = scene.plan("quarantine", 30, Some("2026-11-21T03:10:00Z")).await;
    scene.apply(&plan).await.unwrap();
    let key = made.lock().unwrap().clone();
    let resource: Resource = format!("access_key/{key}").parse().unwrap();
    assert!(scene.state().await.resources.contains_key(&resource));
    let request = Request { lift_fence_now: true, ..Request::default() };
    let release = scene.release(&request, None).await.unwrap();
    let (why, flag) = kept(&release.principals[0], &resource);
    assert!(why.contains("made after the exposure"), "{why}");
    assert!(flag.starts_with(&format!("--reactivate-key {key}")), "{flag}");
    scene.apply(&release).await.unwrap();
    assert_eq!(scene.status_of(&key), Some(Status::Inactive));
}

/// A later incident, whose exposure began after the attacker had made a key, is no reason to turn that key on.
#[tokio::test(start_paused = true)]
async fn a_key_that_a_release_kept_off_stays_off_after_a_later_incident() {
    for since in [Some("2026-11-21T03:10:00Z"), None] {
        let scene = Scene::new();
        let made = makes_a_key_once_fenced(&scene);
        scene.apply(&scene.plan("quarantine", 30, since).await).await.unwrap();
        let key = made.lock().unwrap().clone();
        assert_eq!(scene.status_of(&key), Some(Status::Inactive));
        let request = Request { lift_fence_now: true, ..Request::default() };
        let release = scene.release(&request, None).await.unwrap();
        scene.apply(&release).await.unwrap();
        assert!(!scene.state().await.continues());

        tokio::time::advance(HOUR).await;
        let (state, now) = (scene.state().await, scene.sandbox.now());
        let plan = scene.planned("revoke", |subject, request, _| {
            subject.state = Some(state);
            subject.fresh_lineage = ringfence::lineage::Lineage::new([8; 16]);
            request.since = Some(now);
        });
        let plan = plan.await.unwrap();
        scene.apply(&plan).await.unwrap();
        assert_ne!(scene.state().await.previous_lineage, None);
        let release = scene.release(&request, None).await.unwrap();
        let resource: Resource = format!("access_key/{key}").parse().unwrap();
        let (why, flag) = kept(&release.principals[0], &resource);
        let known = if since.is_some() { "compromised" } else { "kept off by an earlier release" };
        assert!(why.contains(known), "{why}");
        assert!(flag.starts_with(&format!("--reactivate-key {key}")), "{flag}");
        scene.apply(&release).await.unwrap();
        assert_eq!(scene.status_of(&key), Some(Status::Inactive));
    }
}

/// Whoever applies sees less than whoever planned: a new credential could hide there (D2.3).
#[tokio::test(start_paused = true)]
async fn a_release_is_refused_to_whoever_sees_less_than_its_plan() {
    for (action, kind) in [
        ("iam:ListSSHPublicKeys", "ssh keys"),
        ("iam:ListAttachedUserPolicies", "attached policies"),
    ] {
        let scene = Scene::new();
        contained(&scene, "lockdown").await;
        let request = Request { lift_fence_now: true, ..Request::default() };
        let release = scene.release(&request, None).await.unwrap();
        assert!(!release.is_empty());
        scene.forbid(action);
        let before = scene.writes();
        let Err(refused) = scene.apply(&release).await else { panic!("it was applied") };
        let said = refused.message();
        assert!(
            said.contains(&format!("{kind} of user `{USER}` could not be read again")),
            "{said}"
        );
        assert_eq!(scene.writes(), before);
    }
}

#[tokio::test(start_paused = true)]
async fn a_leaked_key_acts_again_only_where_it_is_named_and_that_is_marked() {
    let scene = Scene::new();
    contained(&scene, "revoke").await;
    let key = &scene.leaked.access_key_id;
    let release = scene.release(&Request::default(), None).await.unwrap();
    assert!(release.is_empty(), "{:?}", release.principals);
    let (why, flag) = kept(&release.principals[0], &leaked(&scene));
    assert!(why.starts_with("stays Inactive: compromised"), "{why}");
    assert_eq!(flag, format!("--reactivate-key {key} overrides"));

    let request = Request { reactivate: vec![leaked(&scene)], ..Request::default() };
    let release = scene.release(&request, None).await.unwrap();
    let step = &release.principals[0].steps[0];
    assert_eq!(step.resource, leaked(&scene));
    let marked = |words: &str| step.cautions.iter().any(|caution| caution.contains(words));
    assert!(marked("asked for all the same; compromised"), "{:?}", step.cautions);
    assert!(marked("presigned URLs"), "{:?}", step.cautions);
}

/// F9: 36 h and 5 min after the fence.
#[tokio::test(start_paused = true)]
async fn a_deny_goes_before_its_time_only_where_that_is_asked_and_it_says_what_it_lets_in() {
    for (posture, deny) in [
        ("revoke", fence()),
        ("lockdown", "attached_policy/arn:aws:iam::aws:policy/AWSDenyAll".parse().unwrap()),
    ] {
        let scene = Scene::new();
        contained(&scene, posture).await;
        let clock = scene.state().await.clock.unwrap();
        let lift_after = clock.fence_time.saturating_add(36 * HOUR + 5 * MINUTE).unwrap();
        assert_eq!(clock.lift_after, lift_after);
        let now = Request { lift_fence_now: true, ..Request::default() };
        let early = scene.release(&now, None).await.unwrap();
        let lifted = early.principals[0].steps.iter().find(|step| step.resource == fence());
        let cautions = &lifted.unwrap().cautions;
        let words = "lets every session issued before it act again, the attacker's too, until";
        assert!(cautions.iter().any(|caution| caution.starts_with(words)), "{cautions:?}");

        let left = Duration::try_from(scene.sandbox.now().duration_until(lift_after)).unwrap();
        tokio::time::advance(left - Duration::from_secs(1)).await;
        let release = scene.release(&Request::default(), None).await.unwrap();
        let (why, flag) = kept(&release.principals[0], &fence());
        assert!(why.starts_with("stays until"), "{why}");
        assert_eq!(flag, "--lift-fence-now lifts it");
        assert!(!touched(&release.principals[0]).contains(&&fence()));
        tokio::time::advance(Duration::from_secs(1)).await;
        let release = scene.release(&Request::default(), None).await.unwrap();
        assert!(touched(&release.principals[0]).contains(&&fence()), "{posture}");
        assert!(touched(&release.principals[0]).contains(&&deny), "{posture}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_acted_after_the_fence_keeps_it_whatever_the_time() {
    let scene = Scene::new();
    contained(&scene, "revoke").await;
    tokio::time::advance(40 * HOUR).await;
    turn(&scene.sandbox, &scene.leaked.access_key_id, Status::Active);
    let release = scene.release(&Request::default(), None).await.unwrap();
    assert!(release.is_empty(), "{:?}", release.principals);
    let (why, _) = kept(&release.principals[0], &fence());
    assert!(why.starts_with("its clock is void: access_key/"), "{why}");
}

/// The release was planned once the fence's time had come, and waits for its approval: a session that was issued
/// since is younger than the fence (F9).
#[tokio::test(start_paused = true)]
async fn a_key_that_acted_since_the_release_was_planned_keeps_the_fence() {
    for posture in ["revoke", "lockdown"] {
        let scene = Scene::new();
        contained(&scene, posture).await;
        tokio::time::advance(40 * HOUR).await;
        let release = scene.release(&Request::default(), None).await.unwrap();
        assert!(touched(&release.principals[0]).contains(&&fence()), "{posture}");
        let key = &scene.leaked.access_key_id;
        turn(&scene.sandbox, key, Status::Active);
        let asked = Player::new(scene.sandbox.clone(), scene.leaked.clone())
            .call("sts:GetCallerIdentity", &[]);
        assert!(asked.is_ok(), "{}", asked.body);
        turn(&scene.sandbox, key, Status::Inactive);
        let before = scene.writes();
        let Err(refused) = scene.apply(&release).await else { panic!("it was applied") };
        let said = (refused.message(), refused.cause().unwrap());
        assert!(said.0.contains("has become void since the plan"), "{said:?}");
        assert!(said.1.contains("was used after the fence"), "{said:?}");
        assert_eq!(scene.writes(), before);
    }
}
