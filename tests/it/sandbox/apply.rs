//! What an apply makes, refuses and leaves open (D2.2, D2.3, D2.4): in one process, in virtual time.

use super::scene::{Done, Scene, USER, fence_name};
use ringfence::error::{Error, Result};
use ringfence::exit::Exit;
use ringfence::identity::PrincipalKind;
use ringfence::plan::{OnDrift, Plan, Settle};
use ringfence::resource::Resource;
use ringfence::sandbox::{ACCOUNT, AccessKey, Login, ServiceCredential, Status, Uploaded, User};
use ringfence::view::{ApplyEvent, Standing};
use std::collections::BTreeSet;

const BEFORE: &str = "2026-01-01T00:00:00Z";
const OWN: &str = r#"{"Version":"2012-10-17","Statement":[]}"#;
const THEIRS: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
const POWER: &str = "arn:aws:iam::aws:policy/PowerUserAccess";
const READ_ONLY: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";

fn before() -> jiff::Timestamp {
    BEFORE.parse().unwrap()
}

fn uploaded(id: &str, status: Status) -> Uploaded {
    Uploaded { id: id.to_owned(), body: String::new(), status, created: before() }
}

fn for_a_service(id: &str) -> ServiceCredential {
    ServiceCredential {
        id: id.to_owned(),
        service: "codecommit.amazonaws.com".to_owned(),
        user_name: id.to_lowercase(),
        secret: "secret".to_owned(),
        status: Status::Active,
        created: before(),
        expires: None,
    }
}

/// The plan with one read-back at its end.
async fn planned(scene: &Scene, posture: &str, on_drift: OnDrift) -> Plan {
    let plan = scene.plan(posture, 30, None).await;
    Plan { on_drift, settle: Settle::read_back_only(), ..plan }.sealed()
}

fn refused(done: Result<Done>) -> Error {
    done.err().expect("it is refused")
}

#[tokio::test(start_paused = true)]
async fn the_steps_of_the_plan_are_made_and_no_others() {
    let scene = Scene::new();
    scene.edit(|user| {
        user.ssh_keys.push(uploaded("APKAEXAMPLE000000001", Status::Active));
        user.certificates.push(uploaded("CERTEXAMPLE0000000000001", Status::Active));
        user.service_credentials.push(for_a_service("ACCAEXAMPLE000000001"));
    });
    let plan = planned(&scene, "lockdown", OnDrift::Refuse).await;
    let done = scene.apply(&plan).await.unwrap();
    assert!(done.ending.complete, "{:?}", done.principal());
    let steps = &plan.principals[0].steps;
    let meant: BTreeSet<&Resource> = steps.iter().map(|step| &step.resource).collect();
    let mut calls: Vec<String> = steps
        .iter()
        .map(|step| format!("iam:{}", step.call(PrincipalKind::User).unwrap().name()))
        .collect();
    let mut made = scene.writes();
    calls.sort();
    made.sort();
    assert_eq!((made.len(), made), (7, calls));
    assert_eq!(scene.state().await.resources.keys().collect::<BTreeSet<_>>(), meant);
}

/// What others do between a plan and its apply, and the resource that it is about.
type Drift = (&'static str, fn(&mut User));

const DRIFTS: &[Drift] = &[
    ("access_key/LEAKED", |user| user.keys[0].status = Status::Inactive),
    ("access_key/AKIAEXAMPLE000000009", |user| {
        let id = "AKIAEXAMPLE000000009".to_owned();
        user.keys.push(AccessKey { id, ..user.keys[0].clone() });
    }),
    ("ssh_key/APKAEXAMPLE000000009", |user| {
        user.ssh_keys.push(uploaded("APKAEXAMPLE000000009", Status::Active));
    }),
    ("ssh_key/APKAEXAMPLE00000OFF", |user| user.ssh_keys[0].status = Status::Active),
    ("signing_certificate/CERTEXAMPLE0000000000009", |user| {
        user.certificates.push(uploaded("CERTEXAMPLE0000000000009", Status::Active));
    }),
    ("service_credential/ACCAEXAMPLE000000009", |user| {
        user.service_credentials.push(for_a_service("ACCAEXAMPLE000000009"));
    }),
    ("login_profile", |user| {
        let password = "secret".to_owned();
        user.login = Some(Login { password, created: before(), reset_required: false });
    }),
    ("inline_policy/theirs", |user| {
        user.permissions.inline.insert("theirs".to_owned(), THEIRS.to_owned());
    }),
    ("inline_policy/own", |user| {
        user.permissions.inline.insert("own".to_owned(), THEIRS.to_owned());
    }),
    ("inline_policy/FENCE", |user| {
        let fence = fence_name();
        user.permissions.inline.insert(fence, THEIRS.to_owned());
    }),
    ("attached_policy/arn:aws:iam::aws:policy/PowerUserAccess", |user| {
        user.permissions.attached.push(POWER.to_owned());
    }),
    ("permissions_boundary", |user| user.permissions.boundary = Some(POWER.to_owned())),
];

/// A user who has a little of everything that may differ later.
fn of_every_kind() -> Scene {
    let scene = Scene::new();
    scene.edit(|user| {
        user.ssh_keys.push(uploaded("APKAEXAMPLE00000OFF", Status::Inactive));
        user.permissions.inline.insert("own".to_owned(), OWN.to_owned());
        user.permissions.boundary = Some(READ_ONLY.to_owned());
    });
    scene
}

#[tokio::test(start_paused = true)]
async fn every_difference_in_a_step_or_a_new_means_refuses_before_the_first_write() {
    for (resource, change) in DRIFTS {
        let scene = of_every_kind();
        let plan = planned(&scene, "revoke", OnDrift::Refuse).await;
        scene.edit(change);
        let error = refused(scene.apply(&plan).await);
        assert_eq!(error.exit(), Exit::Stale, "{resource}: {error}");
        let named =
            resource.replace("LEAKED", &scene.leaked.access_key_id).replace("FENCE", &fence_name());
        let said = error.details().iter().filter(|line| line.starts_with(&format!("{named}  ")));
        assert_eq!(said.count(), 1, "{named}: {error}");
        let command = format!("ringfence apply --user {USER} --access-key ");
        assert!(error.hints().iter().any(|hint| hint.contains(&command)), "{error}");
        assert_eq!(scene.writes(), [""; 0], "{resource}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_group_refuses_before_the_first_write() {
    let scene = Scene::new();
    let plan = planned(&scene, "revoke", OnDrift::Refuse).await;
    scene.make("iam:CreateGroup", &[("GroupName", "administrators")]);
    scene.make("iam:AddUserToGroup", &[("GroupName", "administrators"), ("UserName", USER)]);
    let error = refused(scene.apply(&plan).await);
    assert!(
        error.details().iter().any(|line| line.starts_with("group/administrators ")),
        "{error}"
    );
    assert_eq!(scene.writes().len(), 2, "those of somebody else");
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_tightens_goes_on_whatever_moved_and_claims_nothing_of_it() {
    for (resource, change) in DRIFTS {
        let scene = of_every_kind();
        let plan = planned(&scene, "revoke", OnDrift::Tighten).await;
        scene.edit(change);
        let done = scene.apply(&plan).await.unwrap();
        let moved = done.events.iter().find_map(|event| match event {
            ApplyEvent::Verified { moved, .. } => Some(moved.len()),
            _ => None,
        });
        assert_eq!(moved, Some(1), "{resource}");
        assert_eq!(scene.status_of(&scene.leaked.access_key_id), Some(Status::Inactive));
        let already = *resource == "access_key/LEAKED";
        assert_eq!(scene.made("iam:UpdateAccessKey"), usize::from(!already), "{resource}");
        let (state, fence) = (scene.state().await, *resource == "inline_policy/FENCE");
        let claimed = state.resources.len();
        assert_eq!(claimed, if already || fence { 1 } else { 2 }, "{resource}: {state:?}");
        // What is new is told, where it is no step.
        let told = done.principal().notes.iter().any(|note| note.contains(resource));
        assert_eq!(told, !already && !fence, "{resource}: {:?}", done.principal().notes);
    }
}

#[tokio::test(start_paused = true)]
async fn only_another_principal_or_account_refuses_a_plan_that_tightens() {
    let scene = Scene::new();
    let plan = planned(&scene, "revoke", OnDrift::Tighten).await;
    let elsewhere = Plan { account_id: "210987654321".parse().unwrap(), ..plan.clone() }.sealed();
    let error = refused(scene.apply(&elsewhere).await);
    assert_eq!(error.exit(), Exit::Stale, "{error}");
    scene.sandbox.edit(|world| {
        world.account_mut(ACCOUNT).unwrap().users.remove(USER);
        world.add_user(ACCOUNT, USER, before());
        world.add_key(ACCOUNT, USER, before());
    });
    let error = refused(scene.apply(&plan).await);
    assert_eq!(error.exit(), Exit::Stale, "{error}");
    assert_eq!(scene.writes(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_bears_the_planned_name_is_not_overwritten() {
    let scene = Scene::new();
    let plan = planned(&scene, "revoke", OnDrift::Tighten).await;
    let fence = fence_name();
    scene.edit(|user| {
        user.permissions.inline.insert(fence.clone(), THEIRS.to_owned());
    });
    let done = scene.apply(&plan).await.unwrap();
    assert_eq!(scene.user().permissions.inline[&fence], THEIRS);
    assert_eq!(scene.status_of(&scene.leaked.access_key_id), Some(Status::Inactive));
    assert!(!done.ending.complete);
    assert_eq!(done.principal().standing, Standing::NotContained, "{:?}", done.principal());
}

/// One kind of call is denied, and one step more than may be under way at once is of that kind.
#[tokio::test(start_paused = true)]
async fn a_step_that_is_refused_stops_no_other_and_undoes_none() {
    let scene = Scene::new();
    scene.edit(|user| {
        for n in 0..9 {
            user.ssh_keys.push(uploaded(&format!("APKAEXAMPLE00000000{n}"), Status::Active));
        }
        user.service_credentials.push(for_a_service("ACCAEXAMPLE000000001"));
    });
    let plan = planned(&scene, "quarantine", OnDrift::Refuse).await;
    scene.forbid("iam:UpdateSSHPublicKey");
    let done = scene.apply(&plan).await.unwrap();
    let after = scene.user();
    assert_eq!(scene.made("iam:UpdateSSHPublicKey"), 9, "each is tried once");
    assert_eq!(after.keys[0].status, Status::Inactive, "no step is taken back");
    assert_eq!(after.service_credentials[0].status, Status::Inactive);
    assert!(after.permissions.inline.contains_key(&plan.principals[0].lineage.fence_name()));
    // What holds, what is open, and the command that goes on.
    assert!(!done.ending.complete);
    let principal = done.principal();
    assert_eq!(principal.holds, "leaked key off, 1 other credential off and fenced");
    let open: Vec<&str> = principal
        .open
        .iter()
        .filter(|open| open.what.starts_with("was not done: AccessDenied"))
        .filter_map(|open| open.resource.as_ref().map(Resource::kind))
        .collect();
    assert_eq!(open, ["ssh_key"; 9], "{principal:?}");
    assert_eq!(principal.commands, [format!("ringfence apply --again --user {USER}")]);
}
