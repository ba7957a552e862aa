//! What fails on the way: denied, lost, throttled, cut off, and what an emulator has not.

use super::{error, key_of};
use crate::support::{Fault, Kind, Running, World};
use aws_sdk_iam::types::StatusType;
use insta::assert_snapshot;
use jiff::SignedDuration;
use std::process::Command;
use std::sync::mpsc;

#[test]
fn a_write_that_is_denied() {
    let world = World::ministack();
    // For real: this responder may turn keys off, and may not write policies.
    world.admin.make(world.admin.iam.create_user().user_name("junior").send());
    let may = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:Get*","iam:List*","iam:UpdateAccessKey"],"Resource":"*"}]}"#;
    world.admin.put_policy("junior", "some", may);
    let junior = world.admin.key("junior");
    let leaked = world.victim("deploy-bot");
    let ran = world
        .command(&["apply", "--access-key", &leaked.id, "--auto-approve"])
        .credentials(&junior)
        .run()
        .exits(6);
    let (_, ending) = ran.out.split_once("Reality is as planned").unwrap();
    assert_snapshot!(world.redact(ending), @"
     (14 calls, 2 round trips)

      wave 1  access_key/KEY-OF-DEPLOY-BOT___       Inactive        03:10:00Z N.N s
    ! wave 2  inline_policy/RingfenceFence-LINEAGE8 refused         03:10:00Z N.N s
              AccessDenied: User: arn:aws:iam::123456789012:user/junior is not
              authorized to perform: iam:PutUserPolicy because no identity-based
              policy allows the iam:PutUserPolicy action
    Leaked key off: stored, and read back once at 03:10:00Z
    (usually enforced within seconds; AWS allows minutes).
    NOT contained:
      ! inline_policy/RingfenceFence-LINEAGE8 was not done: AccessDenied: User:
        arn:aws:iam::123456789012:user/junior is not authorized to perform:
        iam:PutUserPolicy because no identity-based policy allows the
        iam:PutUserPolicy action
      ! sessions that a compromised key has minted are not fenced
          ringfence apply --again --user deploy-bot
    Run 20241121T031000Z-LINEAGE8, serial 2,
    journal head SHA256
    ! The run is not complete: some of its steps did not hold.
    ");
    assert_eq!(world.facts("deploy-bot")[&key_of(&leaked.id)], "Inactive");
    let status = world.ringfence(&["status"]).exits(2);
    assert!(status.line("deploy-bot").contains("NOT contained"), "{}", status.out);
    let state = world.json(&["state", "show", "deploy-bot", "--format", "json"]);
    assert_eq!(
        state["resources"].as_object().unwrap().len(),
        1,
        "what was denied is not held: {state:#}"
    );
    world.as_printed(ran.line("ringfence apply"), &["--auto-approve"]).ok();
    world.ringfence(&["status"]).ok();

    // The key-off is denied: the fence is written all the same, and does not count.
    let leaked = world.victim("ci-runner");
    world.proxy.always("UpdateAccessKey", Fault::Deny);
    let ran = world.ringfence(&["apply", "--access-key", &leaked.id, "--auto-approve"]).exits(6);
    let (_, ending) = ran.out.split_once("Reality is as planned").unwrap();
    assert_snapshot!(world.redact(ending), @"
     (14 calls, 2 round trips)

    ! wave 1  access_key/KEY-OF-CI-RUNNER____       refused         03:10:00Z N.N s
              AccessDenied: User: arn:aws:iam::123456789012:user/responder is not
              authorized to perform: iam:UpdateAccessKey on resource: user ci-runner
              because no identity-based policy allows the iam:UpdateAccessKey action
    ! fence 03:25:01Z does not count while access_key/KEY-OF-CI-RUNNER____ is Active
      wave 2  inline_policy/RingfenceFence-LINEAGE8 fence 03:25:01Z 03:10:00Z N.N s
    Fenced: stored, and read back once at 03:10:00Z
    (usually enforced within seconds; AWS allows minutes).
    NOT contained: access_key/KEY-OF-CI-RUNNER____ was not done: AccessDenied: User:
    arn:aws:iam::123456789012:user/responder is not authorized to perform:
    iam:UpdateAccessKey on resource: user ci-runner because no identity-based policy
    allows the iam:UpdateAccessKey action.
          ringfence apply --again --user ci-runner
    The fence at 03:25:01Z does not count while access_key/KEY-OF-CI-RUNNER____ is
    Active.
    The fence's clock is void: access_key/KEY-OF-CI-RUNNER____ was Active when the
    fence was written.
    Run 20241121T031000Z-LINEAGE8, serial 2,
    journal head SHA256
    ! The run is not complete: some of its steps did not hold.
    ");
    world.proxy.heal();
    world.emulator.clock.forward(SignedDuration::from_mins(7));
    let status = world.ringfence(&["status", "--user", "ci-runner"]).exits(2);
    assert_snapshot!(world.redact(&status.out), @"
    Endpoint http://127.0.0.1:PORT (not AWS)
    USER       STATE          SEEN       LAST SEEN CONTAINED  FENCE MAY GO
    ci-runner  NOT contained  03:17:00Z  never                clock void until it is
                                                              contained again
               ! access_key/KEY-OF-CI-RUNNER____, compromised, can still act
               ! access_key/KEY-OF-CI-RUNNER____ was not known to be off when the
                 fence was written: the fence has to move
               not read: ssh keys (iam:ListSSHPublicKeys)
               not read: signing certificates (iam:ListSigningCertificates)
               not read: service credentials (iam:ListServiceSpecificCredentials)
               ringfence apply --again --user ci-runner
    ");
    world.ringfence(&["apply", "--again", "--user", "ci-runner", "--auto-approve"]).ok();
    let token = world.client(&leaked);
    assert_eq!(token.act(), error("InvalidClientTokenId"));
    world.ringfence(&["status"]).ok();
}

#[test]
fn answers_that_are_lost() {
    let world = World::ministack();
    let cases: [(&'static str, &'static str, Fault); 6] = [
        ("lost-key-request", "UpdateAccessKey", Fault::LoseRequest),
        ("lost-key-reply", "UpdateAccessKey", Fault::LoseReply),
        ("throttled-key", "UpdateAccessKey", Fault::Throttle),
        ("lost-fence-request", "PutUserPolicy", Fault::LoseRequest),
        ("lost-fence-reply", "PutUserPolicy", Fault::LoseReply),
        ("failed-fence", "PutUserPolicy", Fault::Fail),
    ];
    for (user, action, fault) in cases {
        let leaked = world.victim(user);
        world.ringfence(&["plan", "--access-key", &leaked.id, "--out", "plan.json"]).ok();
        world.proxy.take_calls();
        world.proxy.next(1, action, fault);
        world.ringfence(&["apply", "plan.json", "--auto-approve"]).ok();
        let writes = world.proxy.writes();
        assert_eq!(writes.len(), 3, "{user}: one is sent twice, {writes:?}");
        assert_eq!(writes.iter().filter(|&write| write == action).count(), 2, "{user}: {writes:?}");
        let now = world.facts(user);
        assert_eq!(now[&key_of(&leaked.id)], "Inactive", "{user}");
        assert!(now.keys().any(|fact| fact.contains("RingfenceFence-")), "{user}");
    }
    world.ringfence(&["status"]).ok();
}

#[test]
fn a_run_that_is_cut_off() {
    let world = World::ministack();
    let leaked = world.victim("deploy-bot");
    world.ringfence(&["plan", "--access-key", &leaked.id, "--out", "plan.json"]).ok();

    // The first signal lets the call under way end, and no other begins.
    let apply = ["apply", "plan.json", "--auto-approve"];
    let (run, go_on) = stopped_in(&world, "UpdateAccessKey", &apply);
    signal("-INT", run.id());
    // It hears of the signal at once, and of the answer after the emulator has given it.
    go_on.send(()).unwrap();
    let ran = run.wait().exits(6);
    let (_, ending) = ran.out.split_once("\n\n").unwrap();
    assert_snapshot!(world.redact(ending), @"
      wave 1  access_key/KEY-OF-DEPLOY-BOT___       Inactive        03:10:00Z N.N s
    Leaked key off: stored, and read back once at 03:10:00Z
    (usually enforced within seconds; AWS allows minutes).
    NOT contained:
      ! inline_policy/RingfenceFence-LINEAGE8 was not tried
      ! sessions that a compromised key has minted are not fenced
          ringfence apply --again --user deploy-bot
    Run 20241121T031000Z-LINEAGE8, serial 2,
    journal head SHA256
    ! The run was stopped before its end.
    ");
    assert_eq!(world.proxy.writes(), ["UpdateAccessKey"]);
    world.ringfence(&["apply", "--again", "--user", "deploy-bot", "--auto-approve"]).ok();
    world.ringfence(&["status"]).ok();

    // Killed in the middle of a call: nothing is lost, the lock is free, and again finishes it.
    let killed = world.victim("ci-runner");
    let apply = ["apply", "--access-key", &killed.id, "--auto-approve"];
    let (run, go_on) = stopped_in(&world, "PutUserPolicy", &apply);
    signal("-KILL", run.id());
    run.killed();
    go_on.send(()).unwrap();
    // The call was on its way, and is done by nobody's order.
    world.proxy.settle();
    let status = world.ringfence(&["status", "--user", "ci-runner"]).exits(2);
    assert_snapshot!(world.redact(&status.out), @"
    Endpoint http://127.0.0.1:PORT (not AWS)
    USER       STATE    SEEN       LAST SEEN CONTAINED  FENCE MAY GO
    ci-runner  partial  03:10:00Z  never                -
               ! run 20241121T031000Z-LINEAGE8 was cut off before its end
               not read: ssh keys (iam:ListSSHPublicKeys)
               not read: signing certificates (iam:ListSigningCertificates)
               not read: service credentials (iam:ListServiceSpecificCredentials)
               ringfence resume --user ci-runner
    ");
    let unlocked = world.ringfence(&["state", "unlock", "ci-runner"]).ok();
    assert!(
        unlocked.out.starts_with("Cleared what a run that died had left: responder on "),
        "{}",
        unlocked.out
    );
    world.as_printed(status.line("ringfence resume"), &[]).ok();
    world.ringfence(&["status"]).ok();
}

/// Ctrl-C is for the command, and not for the one user whose run is under way.
#[test]
fn an_interruption_ends_the_runs_for_other_users_too() {
    let world = World::ministack();
    let users = ["ant", "bee"];
    let keys = users.map(|user| world.victim(user));
    for key in &keys {
        world.ringfence(&["apply", "--access-key", &key.id, "--auto-approve"]).ok();
    }
    world.emulator.clock.forward(SignedDuration::from_mins(7));
    for (user, key) in users.iter().zip(&keys) {
        world.admin.set_key(user, &key.id, StatusType::Active);
    }
    world.proxy.take_calls();
    let again = ["apply", "--again", "--user", "ant", "--user", "bee", "--auto-approve"];
    let (run, go_on) = stopped_in(&world, "UpdateAccessKey", &again);
    signal("-INT", run.id());
    go_on.send(()).unwrap();
    let ran = run.wait().exits(6);
    assert!(ran.err.contains("error: stopped"), "{}", ran.err);
    assert!(ran.err.contains("user `bee`"), "{}", ran.err);
    assert_eq!(world.facts("ant")[&key_of(&keys[0].id)], "Inactive");
    assert_eq!(world.facts("bee")[&key_of(&keys[1].id)], "Active");

    // The same for runs that are taken up again.
    world.ringfence(&[&again[..5], &["bee", "--auto-approve"]].concat()).exits(0);
    let late = ["cat", "dog"].map(|user| (user, world.victim(user)));
    for (_, key) in &late {
        let apply = ["apply", "--access-key", &key.id, "--auto-approve"];
        let (run, go_on) = stopped_in(&world, "UpdateAccessKey", &apply);
        signal("-KILL", run.id());
        run.killed();
        go_on.send(()).unwrap();
        world.proxy.settle();
    }
    let (run, go_on) = stopped_in(&world, "PutUserPolicy", &["resume"]);
    signal("-INT", run.id());
    go_on.send(()).unwrap();
    let ran = run.wait().exits(6);
    assert!(ran.err.contains("error: stopped"), "{}", ran.err);
    // Either may come first: runs stand in the order of their principals' IDs.
    assert_eq!(ran.out.matches("` is contained.").count(), 1, "{}", ran.out);
    assert_eq!(ran.err.matches("nothing was done for run 2024").count(), 1, "{}", ran.err);
    world.ringfence(&["resume"]).exits(0);
}

/// Starts a run that stops before it has the answer to this call.
fn stopped_in(
    world: &World,
    action: &'static str,
    arguments: &[&str],
) -> (Running, mpsc::Sender<()>) {
    let (reached, has_reached) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel();
    world.proxy.before(action, move |_| {
        reached.send(()).unwrap();
        may_go_on.recv().unwrap();
    });
    let run = world.command(arguments).start();
    has_reached.recv().unwrap();
    (run, go_on)
}

fn signal(name: &str, process: u32) {
    assert!(Command::new("kill").args([name, &process.to_string()]).status().unwrap().success());
    // A busy machine may let the answer of the call under way come first. Where nothing tells, it has to do so.
    while has_interruption_pending(process).unwrap_or(false) {
        std::thread::yield_now();
    }
}

/// Whether a process has not yet taken a SIGINT (Linux tells).
fn has_interruption_pending(process: u32) -> Option<bool> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let shared = status.lines().find_map(|line| line.strip_prefix("ShdPnd:"))?;
    Some(u64::from_str_radix(shared.trim(), 16).ok()? & (1 << 1) != 0)
}

/// What an emulator answers for an action that it lacks is not taken for an empty list.
#[test]
fn actions_that_an_emulator_lacks() {
    for (kind, unread) in [
        (Kind::Ministack, vec!["ssh keys", "signing certificates", "service credentials"]),
        (Kind::Moto, vec!["service credentials"]),
    ] {
        let world = World::new(kind);
        let leaked = world.victim("deploy-bot");
        let direct = world.emulator.url();
        let plan = world
            .command(&["plan", "--access-key", &leaked.id, "--format", "json"])
            .endpoint(&direct)
            .run()
            .ok();
        let plan: serde_json::Value = serde_json::from_str(&plan.out).unwrap();
        let listed = plan["principals"][0]["unread"].as_array().unwrap();
        let listed: Vec<&str> = listed.iter().map(|item| item["what"].as_str().unwrap()).collect();
        assert_eq!(listed, unread, "{kind}");
    }
}

/// A laptop whose clock is wrong: the fence goes by the service's.
#[test]
fn a_clock_that_is_wrong() {
    let world = World::with(Kind::Ministack, &[("RINGFENCE_TEST_ANY_SKEW", "")]);
    let leaked = world.victim("deploy-bot");
    let ran = world.ringfence(&["apply", "--access-key", &leaked.id, "--auto-approve"]).ok();
    let fence = world.emulator.clock.now() + SignedDuration::from_secs(901);
    let now = world.facts("deploy-bot");
    let document = now.iter().find(|(fact, _)| fact.contains("RingfenceFence-")).unwrap().1;
    assert!(document.contains(&fence.to_string()), "{document}\n{}", ran.out);
}
