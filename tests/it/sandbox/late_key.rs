//! A new key that reaches the endpoints late (F29): one incident in one process, in virtual time.

use super::scene::{Scene, USER};
use jiff::SignedDuration;
use ringfence::journal::Event;
use ringfence::plan::{Plan, Settle};
use ringfence::recover::{Place, Request};
use ringfence::view::{ApplyEvent, Standing};
use std::path::Path;

/// The user is contained, and the plan to give its workload a new key is made.
async fn planned(scene: &Scene, file: &Path) -> Plan {
    let contain = scene.plan("revoke", 0, None).await;
    let contain = Plan { settle: Settle::read_back_only(), ..contain }.sealed();
    assert!(scene.apply(&contain).await.unwrap().ending.complete);
    let place = Place::Profile {
        file: file.to_str().unwrap().to_owned(),
        profile: "production".to_owned(),
        holds: None,
    };
    let probes = vec!["iam:GetUser".to_owned()];
    let request = Request { to: Some(place), probes, ..Request::default() };
    scene.recovery(&request).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_new_key_is_tried_until_it_has_reached_the_service() {
    for lag in [0, 10, 60] {
        let scene = Scene::new();
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("credentials");
        let plan = planned(&scene, &file).await;
        scene.sandbox.edit(|world| world.lag = SignedDuration::from_secs(lag));
        let done = scene.apply(&plan).await.unwrap();
        assert!(done.ending.complete, "{lag}: {:?}", done.principal());
        let check = done.events.iter().find_map(|event| match event {
            ApplyEvent::KeyChecked { check: Event::KeyChecked { authenticates, .. }, .. } => {
                Some(*authenticates)
            }
            _ => None,
        });
        assert_eq!(check, Some(true), "{lag}");
        assert!(done.took.as_secs() >= lag.unsigned_abs(), "{lag}: {:?}", done.took);
        assert_eq!(scene.user().keys.len(), 2, "{lag}: {USER}");
        assert!(std::fs::read_to_string(&file).unwrap().contains("[production]"));
    }
}

/// The key is stored and kept: whoever has it may still see it work. What is not known is said.
#[tokio::test(start_paused = true)]
async fn a_key_that_does_not_authenticate_in_time_is_not_called_recovered() {
    let scene = Scene::new();
    let folder = tempfile::TempDir::new().unwrap();
    let plan = planned(&scene, &folder.path().join("credentials")).await;
    scene.sandbox.edit(|world| world.lag = SignedDuration::from_mins(30));
    let done = scene.apply(&plan).await.unwrap();
    assert!(!done.ending.complete, "{:?}", done.principal());
    assert_ne!(done.principal().standing, Standing::NotContained);
    assert_eq!(scene.user().keys.len(), 2);
    assert!(!scene.writes().iter().any(|call| call == "iam:DeleteAccessKey"));
}
