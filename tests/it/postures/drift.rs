//! Others act at the same time: between plan and apply, and between apply and rollback.

use super::{UNTIL_LIFT, key_of};
use crate::support::{ALLOW_ALL, Credentials, World};
use aws_sdk_iam::types::StatusType;
use insta::assert_snapshot;

#[test]
fn what_others_changed_since() {
    let world = World::ministack();
    world.write("ringfence.toml", "[posture.alone]\nextends = \"revoke\"\ngroups = \"remove\"\n");
    let other = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:*","Resource":"*"}]}"#;
    // Contained, and then somebody writes over the fence, and beside it.
    let written_over = |user: &str| {
        let leaked = world.victim(user);
        world.admin.group(&format!("friends-of-{user}"), user);
        world
            .ringfence(&[
                "apply",
                "--access-key",
                &leaked.id,
                "--posture",
                "alone",
                "--auto-approve",
            ])
            .ok();
        let contained = world.facts(user);
        let fence = contained
            .keys()
            .find(|fact| fact.starts_with("inline_policy/RingfenceFence-"))
            .unwrap();
        world.admin.put_policy(user, fence.trim_start_matches("inline_policy/"), other);
        world.admin.put_policy(user, "theirs", other);
        fence.clone()
    };
    let (resource, taken_back) = (written_over("deploy-bot"), written_over("ci-runner"));
    world.emulator.clock.forward(UNTIL_LIFT);

    let status = world.ringfence(&["status"]).exits(2);
    assert!(status.out.contains(&format!("{resource} was changed")), "{}", status.out);
    // Left alone, taken back, or given up.
    let plan = world.ringfence(&["rollback", "--user", "deploy-bot"]).ok();
    assert_snapshot!(world.redact(&plan.out), @"
    Account  123456789012 · user deploy-bot (ID-OF-DEPLOY-BOT_____) · release
    Caller   arn:aws:iam::123456789012:user/responder
    Read     2024-11-22T15:30:01Z, 16 calls in 2 round trips
    Endpoint http://127.0.0.1:PORT (not AWS)

    ringfence will:

      + group/friends-of-deploy-bot                                           wave 1
          as it was before

    Kept:
        access_key/KEY-OF-DEPLOY-BOT___   stays Inactive: compromised (named)
                                          --reactivate-key KEY-OF-DEPLOY-BOT___
                                          overrides
    Changed by others since the apply, left alone:
      ! inline_policy/RingfenceFence-LINEAGE8
                                          is now another document: --take
                                          inline_policy/RingfenceFence-LINEAGE8
                                          restores it, --leave
                                          inline_policy/RingfenceFence-LINEAGE8
                                          gives it up
      ! inline_policy/theirs              created; not ours
    Not read:
      ! ssh keys                          iam:ListSSHPublicKeys:
                                          the endpoint does not implement it
      ! signing certificates              iam:ListSigningCertificates:
                                          the endpoint does not implement it
      ! service credentials               iam:ListServiceSpecificCredentials:
                                          the endpoint does not implement it

    Plan: 1 to create, 0 to change, 0 to remove.
    ");
    let taken = world.ringfence(&["rollback", "--user", "deploy-bot", "--take", &resource]).ok();
    assert!(taken.out.contains(&format!("- {resource}")), "{}", taken.out);
    let left = world
        .ringfence(&[
            "rollback",
            "--user",
            "deploy-bot",
            "--leave",
            &resource,
            "--out",
            "leave.json",
        ])
        .ok();
    assert!(!left.out.contains(&format!("- {resource}")), "{}", left.out);
    assert_snapshot!(world.refused(1, &["rollback", "--user", "deploy-bot", "--take", "inline_policy/theirs"]), @"
    error: `inline_policy/theirs` is nothing that ringfence holds for user `deploy-bot`
    hint: ringfence state show deploy-bot lists what it holds
    ");
    assert_snapshot!(world.refused(1, &["rollback", "--user", "deploy-bot", "--to", "lockdown"]), @"
    error: posture `lockdown` is no step down from `alone`
    hint: a stricter posture is a plan of its own: ringfence plan --posture NAME
    ");
    world.ringfence(&["apply", "leave.json", "--auto-approve"]).ok();
    let now = world.facts("deploy-bot");
    assert!(
        now.contains_key(&resource)
            && now.contains_key("inline_policy/theirs")
            && now.contains_key("group/friends-of-deploy-bot"),
        "{now:#?}"
    );
    world
        .ringfence(&[
            "rollback",
            "--user",
            "ci-runner",
            "--take",
            &taken_back,
            "--out",
            "take.json",
        ])
        .ok();
    world.ringfence(&["apply", "take.json", "--auto-approve"]).ok();
    let now = world.facts("ci-runner");
    assert!(!now.contains_key(&taken_back) && now.contains_key("inline_policy/theirs"), "{now:#?}");
    let status = world.ringfence(&["status"]).ok();
    for user in ["deploy-bot", "ci-runner"] {
        assert!(status.line(user).contains("released"), "{}", status.out);
    }
}

#[test]
fn reality_moves_while_it_is_planned() {
    let world = World::ministack();
    let leaked = world.victim("deploy-bot");
    let plan = |out: &str, more: &[&str]| {
        let arguments = [&["plan", "--access-key", &leaked.id, "--out", out], more].concat();
        world.ringfence(&arguments).ok();
    };
    plan("refuse.json", &[]);
    plan("tighten.json", &["--on-drift", "tighten"]);
    let newcomer = world.admin.second_key("deploy-bot");
    world.alias(&newcomer.id, "NEWCOMER");
    world.admin.set_key("deploy-bot", &leaked.id, StatusType::Inactive);
    world.admin.put_policy("deploy-bot", "theirs", ALLOW_ALL);

    // Refused, with the one command that contains all the same.
    let said = world.refused(3, &["apply", "refuse.json", "--auto-approve"]);
    assert_snapshot!(said, @"
    error: the plan no longer matches user `deploy-bot`
      access_key/KEY-OF-DEPLOY-BOT___  planned Active, now Inactive (created 03:10:00Z)
      access_key/NEWCOMER____________  planned absent, now Active (created 03:10:00Z)
      inline_policy/theirs  planned absent, now another document
      a new plan would not be the same:
        access_key/KEY-OF-DEPLOY-BOT___  would not be changed
        access_key/NEWCOMER____________  would stay live
      nothing was changed
    hint: someone acts while you read; to contain what is there now, whatever moved:
          ringfence apply --user deploy-bot --access-key KEY-OF-DEPLOY-BOT___ --access-key NEWCOMER____________ --auto-approve
    ");
    // Tightened: what is done already is not claimed, what is new is said.
    let ran = world.ringfence(&["apply", "tighten.json", "--auto-approve"]).exits(0);
    assert_snapshot!(world.redact(&ran.out), @"
    Reality has moved since the plan (16 calls, 2 round trips):
      ! access_key/KEY-OF-DEPLOY-BOT___ planned Active, now Inactive (created
        03:10:00Z)
      ! access_key/NEWCOMER____________ planned absent, now Active (created
        03:10:00Z)
      ! inline_policy/theirs planned absent, now another document

      wave 1  access_key/KEY-OF-DEPLOY-BOT___       skipped: it was so already: not
                                                    claimed
      wave 2  inline_policy/RingfenceFence-LINEAGE8 fence 03:25:01Z 03:10:00Z N.N s
    Fenced: stored, and read back once at 03:10:00Z
    (usually enforced within seconds; AWS allows minutes).
    User `deploy-bot` is contained.
    access_key/NEWCOMER____________ is left as it is: planned absent, now Active
    (created 03:10:00Z).
    inline_policy/theirs is left as it is: planned absent, now another document.
    access_key/KEY-OF-DEPLOY-BOT___ was so already: not claimed.
    The fence may be lifted after 2024-11-22T15:30:01Z (in 36 h).
    Run 20241121T031000Z-LINEAGE8, serial 2,
    journal head SHA256
    ");
    assert_eq!(world.proxy.writes(), ["PutUserPolicy"]);
    let state = world.json(&["state", "show", "deploy-bot", "--format", "json"]);
    assert!(
        state["resources"].get(key_of(&leaked.id)).is_none(),
        "what was so already is not ours: {state:#}"
    );

    // Between the plan and the write of one command: it goes on with what there is.
    let victim = world.victim("ci-runner");
    let (admin, key) = (world.client(&Credentials::root()), victim.id.clone());
    world.proxy.before("ListAccessKeys", |_| {});
    world
        .proxy
        .before("ListAccessKeys", move |_| admin.set_key("ci-runner", &key, StatusType::Inactive));
    world.proxy.take_calls();
    let ran = world.ringfence(&["apply", "--access-key", &victim.id, "--auto-approve"]).exits(0);
    assert!(ran.out.contains("skipped: it was so already"), "{}", ran.out);
    assert_eq!(world.proxy.writes(), ["PutUserPolicy"]);
    assert!(world.facts("ci-runner").keys().any(|fact| fact.contains("RingfenceFence-")));
}
