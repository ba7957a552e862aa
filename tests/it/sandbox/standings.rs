//! What a containment is called, by what was read of it (D2.12, D2.13).

use super::scene::{Scene, fence_name, turn};
use ringfence::posture::Sessions;
use ringfence::render::{Screen, markdown, text};
use ringfence::sandbox::{ACCOUNT, ADMINISTRATOR, Login, Status, User};
use ringfence::standing::{Judgement, judge};
use ringfence::view::Standing;

const EXPOSURE: &str = "2026-11-21T03:00:00Z";
const DENY_ALL: &str = "arn:aws:iam::aws:policy/AWSDenyAll";

async fn judged(scene: &Scene) -> Judgement {
    judge(&scene.state().await, &scene.reading().await.snapshots[0])
}

fn findings(judged: &Judgement) -> Vec<String> {
    let line = |finding: &ringfence::view::Finding| match &finding.resource {
        Some(resource) => format!("{resource} {}", finding.what),
        None => finding.what.clone(),
    };
    judged.findings().iter().map(line).collect()
}

/// A user that is contained, and what it is called after somebody else's change.
async fn after(
    posture: &str,
    since: Option<&str>,
    change: impl FnOnce(&mut User),
) -> (Standing, Vec<String>) {
    let scene = Scene::new();
    scene.apply(&scene.plan(posture, 0, since).await).await.unwrap();
    assert_eq!(judged(&scene).await.standing, Standing::Contained);
    tokio::time::advance(std::time::Duration::from_secs(60)).await;
    scene.edit(change);
    let judged = judged(&scene).await;
    (judged.standing, findings(&judged))
}

fn password(user: &mut User) {
    let created = "2026-11-21T03:11:00Z".parse().unwrap();
    user.login = Some(Login { password: "secret".to_owned(), created, reset_required: false });
}

#[tokio::test(start_paused = true)]
async fn a_password_made_after_the_exposure_is_no_containment() {
    let made = "login_profile created after the exposure, can still sign in";
    let (standing, found) = after("revoke", Some(EXPOSURE), password).await;
    assert_eq!((standing, found), (Standing::NotContained, vec![made.to_owned()]));
    // When nobody knows when the exposure began, it may be anybody's.
    let (standing, found) = after("revoke", None, password).await;
    assert_eq!((standing, found), (Standing::Contained, Vec::new()));
}

/// Under a hold nothing can act, and once it is gone everything that can is told.
#[tokio::test(start_paused = true)]
async fn a_hold_counts_only_while_it_stands() {
    let (standing, found) = after("lockdown", Some(EXPOSURE), password).await;
    assert_eq!((standing, found), (Standing::Contained, Vec::new()));
    let (standing, found) = after("lockdown", Some(EXPOSURE), |user| {
        user.permissions.attached.retain(|arn| arn != DENY_ALL);
        user.permissions.inline.retain(|name, _| !name.starts_with("RingfenceHold-"));
        password(user);
    })
    .await;
    assert_eq!(standing, Standing::Weakened);
    assert!(found.iter().any(|line| line.ends_with("is gone")), "{found:?}");
    assert!(found.iter().any(|line| line.starts_with("login_profile created after")), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn a_leaked_key_that_could_not_be_turned_off_is_no_containment() {
    let scene = Scene::new();
    let plan = scene.plan("revoke", 0, None).await;
    scene.forbid("iam:UpdateAccessKey");
    let done = scene.apply(&plan).await.unwrap();
    assert_eq!(done.principal().standing, Standing::NotContained, "{:?}", done.principal());
    let key = &scene.leaked.access_key_id;
    let acts = format!("access_key/{key} compromised, can still act");
    let now = judged(&scene).await;
    assert!(findings(&now).contains(&acts), "{now:?}");
    assert_eq!(scene.state().await.last_seen_contained, None);

    // Once somebody else has turned it off: the fence is older than that, and sessions may be younger.
    turn(&scene.sandbox, key, Status::Inactive);
    let now = judged(&scene).await;
    assert_eq!(now.standing, Standing::NotContained, "{now:?}");
    assert!(findings(&now).iter().any(|line| line.ends_with("the fence has to move")), "{now:?}");
}

#[tokio::test(start_paused = true)]
async fn sessions_that_are_not_fenced_are_no_containment() {
    let scene = Scene::new();
    let plan = scene.planned("revoke", |_, request, _| request.posture.sessions = Sessions::Keep);
    let done = scene.apply(&plan.await.unwrap()).await.unwrap();
    assert_eq!(done.principal().standing, Standing::NotContained, "{:?}", done.principal());
    let now = judged(&scene).await;
    let line = "sessions that a compromised key has minted are not fenced: the posture keeps them";
    assert_eq!(findings(&now), [line]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_not_called_contained() {
    let fence = format!("inline_policy/{}", fence_name());
    for (since, action, unread) in [
        (None, "iam:ListAccessKeys", "access keys could not be read (iam:ListAccessKeys)"),
        (
            Some(EXPOSURE),
            "iam:GetLoginProfile",
            "the login profile could not be read (iam:GetLoginProfile)",
        ),
        (
            Some(EXPOSURE),
            "iam:ListSSHPublicKeys",
            "ssh keys could not be read (iam:ListSSHPublicKeys)",
        ),
        (None, "iam:ListUserPolicies", &format!("{fence} could not be read")),
        (None, "iam:GetUserPolicy", &format!("{fence} could not be read")),
    ] {
        let scene = Scene::new();
        scene.apply(&scene.plan("revoke", 0, since).await).await.unwrap();
        scene.forbid(action);
        let now = judged(&scene).await;
        assert_eq!(now.standing, Standing::Unknown, "{action}: {now:?}");
        assert!(findings(&now).iter().any(|line| line == unread), "{action}: {now:?}");
    }
}

/// What was asked for and accepted is no proof of what stands.
#[tokio::test(start_paused = true)]
async fn a_run_that_could_read_nothing_back_has_seen_nothing() {
    let scene = Scene::new();
    let plan = scene.plan("revoke", 0, None).await;
    scene.once_fenced(|sandbox| {
        sandbox.edit(|world| world.user_mut(ACCOUNT, ADMINISTRATOR).unwrap().keys.clear());
    });
    let done = scene.apply(&plan).await.unwrap();
    assert_eq!(scene.writes().len(), 2);
    assert_eq!(done.principal().standing, Standing::Unknown, "{:?}", done.principal());
    assert_eq!((done.principal().read_back_at, done.ending.complete), (None, false));
    assert_eq!(scene.state().await.last_seen_contained, None);
}

#[tokio::test(start_paused = true)]
async fn stored_and_held_are_told_apart_and_enforced_is_never_claimed() {
    let caveat = "(usually enforced within seconds; AWS allows minutes)";
    for (settle_s, words) in [
        (0, "fenced: stored, and read back once at"),
        (30, "fenced: stored, and held for 30 s until"),
    ] {
        let scene = Scene::new();
        let done = scene.apply(&scene.plan("revoke", settle_s, None).await).await.unwrap();
        let seen = scene.state().await.last_seen_contained;
        assert_eq!((seen, seen.is_some()), (done.principal().read_back_at, true));
        for said in [text::ending(&done.ending, Screen::default()), markdown::ending(&done.ending)]
        {
            let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(said.contains(words), "{said}");
            assert_eq!(said.matches("enforced").count(), said.matches(caveat).count(), "{said}");
        }
    }
}
