//! Roles on both emulators: ministack evaluates their policies, moto stores them.

use super::{OK, error};
use crate::support::{Kind, World};
use insta::assert_snapshot;
use jiff::SignedDuration;

const PAST_FENCE: SignedDuration = SignedDuration::from_secs(120);
const UNTIL_LIFT: SignedDuration = SignedDuration::from_hours(37);

fn world(kind: Kind) -> World {
    let world = World::new(kind);
    let id = world.admin.open_role("ci-deploy");
    world.alias(&id, "ID-OF-CI-DEPLOY");
    world
}

#[test]
fn a_role_is_contained_and_given_back_on_both() {
    for kind in [Kind::Ministack, Kind::Moto] {
        let world = world(kind);
        let leaked = world.victim("deploy-bot");
        let before = world.admin.role_facts("ci-deploy");
        let stolen = world.client(&world.client(&leaked).assume("ci-deploy", "mallory"));
        assert_eq!(stolen.act(), OK, "{kind}");
        let plan = ["plan", "--role", "ci-deploy", "--out", "plan.json"];
        world.ringfence(&plan).ok();
        assert_eq!(world.admin.role_facts("ci-deploy"), before, "{kind}: reading has written");
        let applied = world.ringfence(&["apply", "plan.json", "--auto-approve"]).ok();
        assert!(applied.out.contains("Role ci-deploy"), "{kind}: {}", applied.out);
        let fence = format!("role_policy/{}", world.fence_of("plan.json"));
        let held = world.admin.role_facts("ci-deploy");
        assert!(held[&fence].contains("aws:TokenIssueTime"), "{kind}: {held:?}");
        world.ringfence(&["status", "--role", "ci-deploy"]).ok();
        if kind == Kind::Ministack {
            assert_eq!(stolen.act(), error("AccessDenied"));
            world.emulator.clock.forward(PAST_FENCE);
            let fresh = world.client(&world.client(&leaked).assume("ci-deploy", "fresh"));
            assert_eq!((fresh.act(), stolen.act()), (OK, error("AccessDenied")));
            assert_eq!(world.client(&leaked).act(), OK);
        }
        world.emulator.clock.forward(UNTIL_LIFT);
        world.ringfence(&["rollback", "--role", "ci-deploy", "--out", "release.json"]).ok();
        world.ringfence(&["apply", "release.json", "--auto-approve"]).ok();
        assert_eq!(world.admin.role_facts("ci-deploy"), before, "{kind}");
    }
}

#[test]
fn a_narrowed_fence_of_a_role() {
    let world = world(Kind::Ministack);
    let leaked = world.client(&world.victim("deploy-bot"));
    let stolen = world.client(&leaked.assume("ci-deploy", "mallory"));
    let build = world.client(&leaked.assume("ci-deploy", "build-7"));
    let only = ["--role", "ci-deploy", "--session", "ci-deploy/mallory"];
    world.ringfence(&[&["apply", "--auto-approve"], &only[..]].concat()).ok();
    assert_eq!((stolen.act(), build.act()), (error("AccessDenied"), OK));
}

#[test]
fn what_a_plan_for_a_user_and_a_role_says() {
    let world = world(Kind::Ministack);
    let leaked = world.victim("deploy-bot");
    let plan = ["plan", "--access-key", &leaked.id, "--role", "ci-deploy", "--out", "plan.json"];
    let planned = world.ringfence(&plan).ok();
    assert_snapshot!(world.redact(&planned.out), @"");
    let applied = world.ringfence(&["apply", "plan.json", "--auto-approve"]).ok();
    assert_snapshot!(world.redact(&applied.out), @"");
    let status = world.ringfence(&["status"]).ok();
    assert_snapshot!(world.redact(&status.out), @"");
    let shown = world.ringfence(&["state", "show", "ci-deploy"]).ok();
    assert_snapshot!(world.redact(&shown.out), @"");
}

#[test]
fn lockdown_of_a_role() {
    for kind in [Kind::Ministack, Kind::Moto] {
        let world = world(kind);
        let leaked = world.client(&world.victim("deploy-bot"));
        let before = world.admin.role_facts("ci-deploy");
        let stolen = world.client(&leaked.assume("ci-deploy", "mallory"));
        let lockdown = ["apply", "--role", "ci-deploy", "--posture", "lockdown", "--auto-approve"];
        world.ringfence(&lockdown).ok();
        let held = world.admin.role_facts("ci-deploy");
        assert_eq!(held["attached_policy/arn:aws:iam::aws:policy/AWSDenyAll"], "attached");
        if kind == Kind::Ministack {
            assert_eq!(stolen.act(), error("AccessDenied"));
        }
        let rollback = ["rollback", "--role", "ci-deploy", "--lift-fence-now", "--out", "r.json"];
        world.ringfence(&rollback).ok();
        world.ringfence(&["apply", "r.json", "--auto-approve"]).ok();
        assert_eq!(world.admin.role_facts("ci-deploy"), before, "{kind}");
    }
}

#[test]
fn what_may_not_be_read_of_a_role_is_said() {
    let world = world(Kind::Ministack);
    for (lacks, listed) in [
        ("ListRolePolicies", true),
        ("GetRolePolicy", true),
        ("ListAttachedRolePolicies", true),
        ("ListInstanceProfilesForRole", true),
        ("GetRole", false),
    ] {
        world.proxy.always(lacks, crate::support::Fault::Deny);
        let ran = world.ringfence(&["plan", "--role", "ci-deploy"]);
        assert_eq!(ran.code, if listed { 0 } else { 1 }, "{lacks}: {}{}", ran.out, ran.err);
        assert!(format!("{}{}", ran.out, ran.err).contains(lacks), "{lacks}: {}", ran.out);
        world.proxy.heal();
    }
}
