//! Whom a plan refuses to touch, what it deletes, and what it leaves to others (D2.4, D2.8, D2.9, D2.10).

use super::scene::{Scene, USER, fence_name};
use ringfence::aws::Aws;
use ringfence::exit::Exit;
use ringfence::identity::Caller;
use ringfence::lineage::Lineage;
use ringfence::posture::{BUILT_IN, Password};
use ringfence::release::Request;
use ringfence::resource::Resource;
use ringfence::sandbox::{ACCOUNT, AccessKey, Login, Status, Uploaded};
use ringfence::view::Standing;

const AWS_QUARANTINE: &str = "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3";
const DENY_ALL: &str = "arn:aws:iam::aws:policy/AWSDenyAll";
const DENY: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*"}]}"#;

fn early() -> jiff::Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

/// Who would cut off their own access, and who only bears a name like the user's.
#[tokio::test(start_paused = true)]
async fn who_is_or_may_be_the_user_can_neither_contain_nor_release_it() {
    let mut scene = Scene::new();
    scene.apply(&scene.plan("revoke", 0, None).await).await.unwrap();
    let (own, other) = (scene.user().id, "AIDAEXAMPLE0000000001".to_owned());
    for (resource, id, refused) in [
        ("iam::ACCOUNT:user/renamed", own, true),
        ("iam::ACCOUNT:user/team/Deploy-Bot", other.clone(), true),
        ("sts::ACCOUNT:federated-user/anybody", format!("{ACCOUNT}:anybody"), true),
        ("sts::ACCOUNT:assumed-role/deploy-bot/deploy-bot", "AROAEXAMPLE:deploy-bot".into(), false),
        ("iam::ACCOUNT:user/deploy-bot/another", other, false),
        ("iam::ACCOUNT:root", ACCOUNT.to_owned(), false),
    ] {
        let arn = format!("arn:aws:{}", resource.replace("ACCOUNT", ACCOUNT)).parse().unwrap();
        scene.caller = Some(Caller { account: ACCOUNT.parse().unwrap(), arn, id });
        let containing = scene.planned("revoke", |_, _, _| {}).await;
        let releasing = scene.release(&Request::default(), None).await;
        for planned in [containing, releasing] {
            match planned {
                Err(error) => assert_eq!((error.exit(), refused), (Exit::Forbidden, true)),
                Ok(_) => assert!(!refused, "{resource}"),
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_plan_of_somebody_else_is_not_applied_by_the_user_itself() {
    let mut scene = Scene::new();
    let plan = scene.plan("revoke", 0, None).await;
    scene.aws = Aws::from_config(&scene.line.sdk_config(&scene.leaked));
    let error = scene.apply(&plan).await.err().expect("it is refused");
    assert_eq!(error.exit(), Exit::Forbidden, "{error}");
    assert_eq!(scene.writes(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_protected_user_is_contained_only_where_that_is_overridden() {
    // IAM knows no letter case in names (F34).
    let protected = vec!["somebody".to_owned(), "Deploy-BOT".to_owned()];
    let mut scene = Scene::new();
    let refused = scene.planned("revoke", |_, request, _| {
        request.protected_users = protected.clone();
    });
    let error = refused.await.unwrap_err();
    assert_eq!(error.exit(), Exit::Forbidden, "{error}");

    let unaware = scene.plan("revoke", 0, None).await;
    let overridden = scene.planned("revoke", |_, request, _| {
        request.protected_users = protected.clone();
        request.override_protection = true;
    });
    let overridden = overridden.await.unwrap();
    scene.protected = protected.clone();
    let error = scene.apply(&unaware).await.err().expect("it is refused");
    assert_eq!(error.exit(), Exit::Forbidden, "{error}");
    assert_eq!(scene.writes(), [""; 0]);
    assert!(scene.apply(&overridden).await.unwrap().ending.complete);
}

#[tokio::test(start_paused = true)]
async fn nothing_but_a_password_is_deleted_and_only_where_the_posture_says_so() {
    for (posture, deletes) in
        BUILT_IN.into_iter().flat_map(|posture| [(posture, false), (posture, true)])
    {
        let scene = Scene::new();
        scene.edit(|user| {
            let password = "secret".to_owned();
            user.login = Some(Login { password, created: early(), reset_required: false });
        });
        let plan = scene.planned(posture, |_, request, _| {
            if deletes {
                request.posture.login_profile = Password::Delete;
            }
        });
        let plan = plan.await.unwrap();
        let steps = plan.principals[0].steps.iter();
        let for_good: Vec<_> =
            steps.filter(|step| !step.reversible).map(|step| &step.resource).collect();
        assert_eq!(for_good, vec![&Resource::LoginProfile; usize::from(deletes)], "{posture}");
        scene.apply(&plan).await.unwrap();
        assert_eq!(scene.user().login.is_none(), deletes, "{posture}");
        let deleted: Vec<String> =
            scene.writes().into_iter().filter(|call| call.contains("Delete")).collect();
        assert_eq!(deleted, vec!["iam:DeleteLoginProfile"; usize::from(deletes)], "{posture}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_there_before_is_told_never_claimed_and_never_removed() {
    for posture in BUILT_IN {
        let scene = Scene::new();
        let other_fence = Lineage::new([9; 16]).fence_name();
        scene.edit(|user| {
            user.permissions.attached.extend([AWS_QUARANTINE.to_owned(), DENY_ALL.to_owned()]);
            user.permissions.inline.insert(other_fence.clone(), DENY.to_owned());
            let id = "AKIAEXAMPLE000000009".to_owned();
            user.keys.push(AccessKey { id, status: Status::Inactive, ..user.keys[0].clone() });
            let id = "APKAEXAMPLE000000009".to_owned();
            let status = Status::Inactive;
            user.ssh_keys.push(Uploaded { id, body: String::new(), status, created: early() });
        });
        let before = scene.user();
        let plan = scene.plan(posture, 0, None).await;
        let mut others = vec![
            format!("inline_policy/{other_fence}"),
            "access_key/AKIAEXAMPLE000000009".to_owned(),
            "AWSCompromisedKeyQuarantineV3".to_owned(),
        ];
        if posture == "lockdown" {
            others.push("AWSDenyAll".to_owned());
        }
        for other in &others {
            let told = plan.principals[0].warnings.iter().filter(|told| told.contains(other));
            assert_eq!(told.count(), 1, "{posture}: {other}: {:?}", plan.principals[0].warnings);
        }
        let done = scene.apply(&plan).await.unwrap();
        assert_eq!(done.principal().standing, Standing::Contained, "{posture}");
        let held = scene.state().await.resources;
        let ours = |resource: &&Resource| match resource {
            Resource::AccessKey(id) => id.as_str() == scene.leaked.access_key_id,
            Resource::InlinePolicy(name) => *name != other_fence,
            _ => false,
        };
        let claimed: Vec<_> = held.keys().filter(|resource| !ours(resource)).collect();
        assert_eq!(claimed, [&Resource::LoginProfile; 0], "{posture}");
        assert!(held.contains_key(&Resource::InlinePolicy(fence_name())), "{held:?}");

        let reactivate = held.into_keys().filter(Resource::is_credential).collect();
        let request = Request { reactivate, lift_fence_now: true, ..Request::default() };
        let release = scene.release(&request, None).await.unwrap();
        assert!(scene.apply(&release).await.unwrap().ending.complete);
        assert_eq!(scene.user(), before, "{posture}: {USER} is as it was");
    }
}

/// F16: a put would overwrite it silently.
#[tokio::test(start_paused = true)]
async fn a_name_that_somebody_has_taken_is_not_overwritten_and_the_key_goes_off() {
    let scene = Scene::new();
    scene.edit(|user| {
        user.permissions.inline.insert(fence_name(), DENY.to_owned());
    });
    let plan = scene.plan("revoke", 0, None).await;
    let done = scene.apply(&plan).await.unwrap();
    assert_eq!(done.principal().standing, Standing::Contained, "{:?}", done.principal());
    assert_eq!(scene.user().permissions.inline[&fence_name()], DENY);
    assert_eq!(scene.status_of(&scene.leaked.access_key_id), Some(Status::Inactive));
}
