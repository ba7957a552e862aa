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
        assert!(applied.out.contains("Role `ci-deploy` is contained."), "{kind}: {}", applied.out);
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
    assert_snapshot!(world.redact(&planned.out), @r#"
    Account  123456789012 · 1 user and 1 role · posture revoke
    Caller   arn:aws:iam::123456789012:user/responder
    Read     2024-11-21T03:10:00Z, 19 calls in 3 round trips
    Endpoint http://127.0.0.1:PORT (not AWS)

    User deploy-bot (ID-OF-DEPLOY-BOT_____)

    ringfence will:

      ~ access_key/KEY-OF-DEPLOY-BOT___                                       wave 1
          status  Active -> Inactive
          no recorded use
          compromised: named

      + inline_policy/RingfenceFence-LINEAGE8                                 wave 2
          + {
          +   "Version": "2012-10-17",
          +   "Statement": [
          +     {
          +       "Effect": "Deny",
          +       "Action": "*",
          +       "Resource": "*",
          +       "Condition": {
          +         "DateLessThan": {
          +           "aws:TokenIssueTime": (known after apply: key-off + 61 s)
          +         }
          +       }
          +     }
          +   ]
          + }
          ends every session of this user issued until then, legitimate ones too

    Left live:
        roles it may have assumed   but for those of this plan: its AssumeRole
                                    events in CloudTrail name them
    Not read:
      ! ssh keys                    iam:ListSSHPublicKeys:
                                    the endpoint does not implement it
      ! signing certificates        iam:ListSigningCertificates:
                                    the endpoint does not implement it
      ! service credentials         iam:ListServiceSpecificCredentials:
                                    the endpoint does not implement it

    Role ci-deploy (ID-OF-CI-DEPLOY______)

    ringfence will:

      + role_policy/ci-deploy/RingfenceFence-LINEAGE8                         wave 2
          + {
          +   "Version": "2012-10-17",
          +   "Statement": [
          +     {
          +       "Effect": "Deny",
          +       "Action": "*",
          +       "Resource": "*",
          +       "Condition": {
          +         "DateLessThan": {
          +           "aws:TokenIssueTime": (known after apply: apply + 61 s)
          +         }
          +       }
          +     }
          +   ]
          + }
          ends every session of this role issued until then, legitimate ones too

    Left live:
        new sessions of it          issued after the fence, to whom its trust policy
                                    names: arn:aws:iam::123456789012:root
        roles it may have assumed   but for those of this plan: its AssumeRole
                                    events in CloudTrail name them

    Plan: 2 to create, 1 to change, 0 to remove. Everything can be undone.
    Saved plan.json
          sha256 SHA256
    Next: ringfence apply plan.json
    "#);
    let applied = world.ringfence(&["apply", "plan.json", "--auto-approve"]).ok();
    assert_snapshot!(world.redact(&applied.out), @"
    Reality is as planned (19 calls, 2 round trips)

      wave 1  deploy-bot     access_key/KEY-OF-DEPLOY-BOT___
                                                  Inactive         03:10:00Z  N.N s
      wave 2  deploy-bot     inline_policy/RingfenceFence-LINEAGE8
                                                  fence 03:11:01Z  03:10:00Z  N.N s
      wave 2  role ci-deploy role_policy/ci-deploy/RingfenceFence-LINEAGE8
                                                  fence 03:11:01Z  03:10:00Z  N.N s
    User deploy-bot
    Leaked key off and fenced: stored, and read back once at 03:10:00Z
    (usually enforced within seconds; AWS allows minutes).
    User `deploy-bot` is contained.
    The fence may be lifted after 2024-11-22T15:16:01Z (in 36 h).
    Run 20241121T031000Z-LINEAGE8, serial 2,
    journal head SHA256

    Role ci-deploy
    Fenced: stored, and read back once at 03:10:00Z
    (usually enforced within seconds; AWS allows minutes).
    Role `ci-deploy` is contained.
    Whoever may assume the role can have a new session of it.
    The fence may be lifted after 2024-11-22T15:16:01Z (in 36 h).
    Run 20241121T031000Z-LINEAGE8, serial 2,
    journal head SHA256
    ");
    let status = world.ringfence(&["status"]).ok();
    assert_snapshot!(world.redact(&status.out), @"
    Endpoint http://127.0.0.1:PORT (not AWS)
    PRINCIPAL       STATE      SEEN       LAST SEEN CONTAINED  FENCE MAY GO
    deploy-bot      contained  03:10:00Z  03:10:00Z            in 36 h
                    not read: ssh keys (iam:ListSSHPublicKeys)
                    not read: signing certificates (iam:ListSigningCertificates)
                    not read: service credentials
                      (iam:ListServiceSpecificCredentials)
    role ci-deploy  contained  03:10:00Z  03:10:00Z            in 36 h
                    whoever may assume the role can have a new session of it
    ");
    let shown = world.ringfence(&["state", "show", "ci-deploy"]).ok();
    let first = shown.out.lines().next().unwrap();
    assert!(first.starts_with("Account  123456789012 · role ci-deploy ("), "{}", shown.out);
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
