//! Every way to contain and to release; below it, what others do meanwhile, what fails, and the record.

mod drift;
mod faults;
mod record;
mod roles;

use crate::support::{Answer, Facts, Fault, Kind, World};
use aws_sdk_iam::types::StatusType;
use insta::assert_snapshot;
use jiff::SignedDuration;

/// What an emulator cannot show of this, and why. Measured in `tests/emulators.md`. The story on both
/// is in `scenario.rs`; each test here is on the emulator that can show it.
const ONLY_ON: &[(&str, Kind, &str)] = &[
    (
        "a deny that denies, a boundary",
        Kind::Ministack,
        "moto evaluates no policy, and answers 500 for a boundary",
    ),
    (
        "SSH keys, signing certificates, and AWSDenyAll as a policy that is there",
        Kind::Moto,
        "ministack has no such credentials, and attaches whatever ARN it is given",
    ),
];

/// Prints why a test is on one emulator only.
fn only(what: &str) -> World {
    let (_, kind, why) = ONLY_ON.iter().find(|(listed, ..)| *listed == what).expect("it is listed");
    println!("only on {kind}: {what}: {why}");
    World::new(*kind)
}

const OK: Answer = Ok(());

fn error(code: &str) -> Answer {
    Err(code.to_owned())
}

/// How far a token of the longest life lives, and the skew that is allowed for.
const UNTIL_LIFT: SignedDuration = SignedDuration::from_secs(129_600 + 300 + 1 + 900);

fn key_of(id: &str) -> String {
    format!("access_key/{id}")
}

#[test]
fn lockdown_denies_everything() {
    let world = only("a deny that denies, a boundary");
    world.write(
        "ringfence.toml",
        "[limits]\nsettle = \"0s\"\n[posture.freeze]\nextends = \"lockdown\"\naccess_keys = \"keep\"\n",
    );
    let leaked = world.victim("deploy-bot");
    let second = world.admin.second_key("deploy-bot");
    world.alias(&second.id, "SECOND-KEY");
    let second = world.client(&second);
    let token = world.client(&second.token(3600));
    let before = world.facts("deploy-bot");

    // With its keys on, the hold alone stops it.
    world
        .ringfence(&["apply", "--access-key", &leaked.id, "--posture", "freeze", "--auto-approve"])
        .ok();
    assert_eq!(
        (world.client(&leaked).act(), second.act(), token.act()),
        (error("AccessDenied"), error("AccessDenied"), error("AccessDenied"))
    );
    assert!(second.identity().is_ok(), "nothing denies GetCallerIdentity, and the key is on");
    let minted = world.client(&second.token(3600));
    world.emulator.clock.forward(SignedDuration::from_mins(20));
    assert_eq!(
        (minted.act(), world.client(&second.token(3600)).act()),
        (error("AccessDenied"), error("AccessDenied"))
    );
    world.ringfence(&["status"]).ok();

    // Tighter: now the keys go off as well.
    let plan = world
        .ringfence(&[
            "plan",
            "--user",
            "deploy-bot",
            "--posture",
            "lockdown",
            "--out",
            "lockdown.json",
        ])
        .ok();
    assert!(
        plan.out.contains("Plan: 0 to create, 3 to change, 0 to remove. Everything can be undone."),
        "{}",
        plan.out
    );
    world.ringfence(&["apply", "lockdown.json", "--auto-approve"]).ok();
    assert_eq!(
        (world.client(&leaked).act(), second.act()),
        (error("InvalidClientTokenId"), error("InvalidClientTokenId"))
    );

    // Everything is given back that is asked for, and the rest stays off.
    world.emulator.clock.forward(UNTIL_LIFT);
    let release =
        world.ringfence(&["rollback", "--user", "deploy-bot", "--out", "release.json"]).ok();
    assert_snapshot!(world.redact(&release.out), @"
    Account  123456789012 · user deploy-bot (ID-OF-DEPLOY-BOT_____) · release
    Caller   arn:aws:iam::123456789012:user/responder
    Read     2024-11-22T15:50:01Z, 17 calls in 2 round trips
    Endpoint http://127.0.0.1:PORT (not AWS)

    ringfence will:

      - inline_policy/RingfenceFence-LINEAGE8                                 wave 1
          every session older than 03:45:01Z has expired (fence + 36 h passed 0 s
          ago)

      - attached_policy/arn:aws:iam::aws:policy/AWSDenyAll                    wave 2
          the hold is lifted last

      - inline_policy/RingfenceHold-LINEAGE8                                  wave 2
          the hold is lifted last

    ! ssh keys, signing certificates, service credentials could not be read: one
      that is live acts again without the hold

    Kept:
        access_key/KEY-OF-DEPLOY-BOT___   stays Inactive: compromised (named)
                                          --reactivate-key KEY-OF-DEPLOY-BOT___
                                          overrides
        access_key/SECOND-KEY__________   stays Inactive: when the exposure began is
                                          not known
                                          --reactivate-key SECOND-KEY__________
                                          overrides
    Not read:
      ! ssh keys                          iam:ListSSHPublicKeys:
                                          the endpoint does not implement it
      ! signing certificates              iam:ListSigningCertificates:
                                          the endpoint does not implement it
      ! service credentials               iam:ListServiceSpecificCredentials:
                                          the endpoint does not implement it

    Plan: 0 to create, 0 to change, 3 to remove.
    Saved release.json
          sha256 SHA256
    Next: ringfence apply release.json
    ");
    world.ringfence(&["apply", "release.json", "--auto-approve"]).ok();
    let mut expected = before;
    for (fact, value) in &mut expected {
        if fact.starts_with("access_key/") {
            "Inactive".clone_into(value);
        }
    }
    assert_eq!(world.facts("deploy-bot"), expected);
}

#[test]
fn every_kind_of_credential() {
    let world = only("SSH keys, signing certificates, and AWSDenyAll as a policy that is there");
    let clock = &world.emulator.clock;
    let leaked = world.victim("deploy-bot");
    let user = "deploy-bot";
    let (ssh, certificate) = (world.admin.ssh_key(user), world.admin.certificate(user));
    clock.forward(SignedDuration::from_hours(1));
    let since = clock.now();
    clock.forward(SignedDuration::from_mins(5));
    let younger = world.admin.second_ssh_key(user);
    for (id, name) in
        [(&ssh, "OLDER-SSH"), (&certificate, "CERTIFICATE"), (&younger, "YOUNGER-SSH")]
    {
        world.alias(id, name);
    }
    let before = world.facts(user);

    let plan = [
        "plan",
        "--access-key",
        &leaked.id,
        "--posture",
        "lockdown",
        "--since",
        &since.to_string(),
        "--out",
        "plan.json",
    ];
    let shown = world.ringfence(&plan).ok();
    assert_snapshot!(world.redact(&shown.out), @r#"
    Account  123456789012 · user deploy-bot (ID-OF-DEPLOY-BOT____)
             · posture lockdown
    Caller   arn:aws:iam::123456789012:user/responder
    Read     2024-11-21T04:15:00Z, 14 calls in 3 round trips
    Endpoint http://127.0.0.1:PORT (not AWS)
    Exposed  2024-11-21T04:10:00Z (5 min ago)

    ringfence will:

      + inline_policy/RingfenceHold-LINEAGE8                                  wave 1
          + {
          +   "Version": "2012-10-17",
          +   "Statement": [
          +     {
          +       "Effect": "Deny",
          +       "Action": "*",
          +       "Resource": "*"
          +     }
          +   ]
          + }
          stops everything the user may do

      + attached_policy/arn:aws:iam::aws:policy/AWSDenyAll                    wave 1
          a deny on everything that nobody in the account can edit

      ~ access_key/KEY-OF-DEPLOY-BOT___                                       wave 2
          status  Active -> Inactive
          no recorded use
          compromised: named

      ~ ssh_key/OLDER-SSH___________                                          wave 3
          status  Active -> Inactive
          the posture turns all of its kind off

      ~ ssh_key/YOUNGER-SSH_________                                          wave 3
          status  Active -> Inactive
          made after the exposure

      ~ signing_certificate/CERTIFICATE_____________________                  wave 3
          status  Active -> Inactive
          the posture turns all of its kind off

      + inline_policy/RingfenceFence-LINEAGE8                                 wave 4
          + {
          +   "Version": "2012-10-17",
          +   "Statement": [
          +     {
          +       "Effect": "Deny",
          +       "Action": "*",
          +       "Resource": "*",
          +       "Condition": {
          +         "DateLessThan": {
          +           "aws:TokenIssueTime": (known after apply: key-off + 901 s)
          +         }
          +       }
          +     }
          +   ]
          + }
          ends every session of this user issued until then, legitimate ones too

    Left live:
        roles it may have assumed   not in this plan: its AssumeRole events in
                                    CloudTrail name them
    Not read:
      ! service credentials         iam:ListServiceSpecificCredentials:
                                    the endpoint does not implement it

    Plan: 3 to create, 4 to change, 0 to remove. Everything can be undone.
    Saved plan.json
          sha256 SHA256
    Next: ringfence apply plan.json
    "#);
    let applied = world.ringfence(&["apply", "plan.json", "--auto-approve"]).ok();
    assert_snapshot!(world.redact(&applied.out), @"
    Reality is as planned (14 calls, 2 round trips)

      wave 1  attached_policy/arn:aws:iam::aws:policy/AWSDenyAll
                                                    attached        04:15:00Z N.N s
      wave 1  inline_policy/RingfenceHold-LINEAGE8  hold            04:15:00Z N.N s
      wave 2  access_key/KEY-OF-DEPLOY-BOT___       Inactive        04:15:00Z N.N s
      wave 3  signing_certificate/CERTIFICATE_____________________
                                                    Inactive        04:15:00Z N.N s
      wave 3  ssh_key/OLDER-SSH___________          Inactive        04:15:00Z N.N s
      wave 3  ssh_key/YOUNGER-SSH_________          Inactive        04:15:00Z N.N s
      wave 4  inline_policy/RingfenceFence-LINEAGE8 fence 04:30:01Z 04:15:00Z N.N s
    Leaked key off, 3 other credentials off, fenced and held by a deny on
    everything: stored, and read back once at 04:15:00Z
    (usually enforced within seconds; AWS allows minutes).
    User `deploy-bot` is contained.
    The fence may be lifted after 2024-11-22T16:35:01Z (in 36 h).
    Run 20241121T041500Z-LINEAGE8, serial 2,
    journal head SHA256
    ");
    let now = world.facts(user);
    assert_eq!(now["attached_policy/arn:aws:iam::aws:policy/AWSDenyAll"], "attached");
    for credential in [
        key_of(&leaked.id),
        format!("ssh_key/{ssh}"),
        format!("ssh_key/{younger}"),
        format!("signing_certificate/{certificate}"),
    ] {
        assert_eq!(now[&credential], "Inactive", "{credential}");
    }
    // Quarantine is laxer: there is nothing to do, and that is said.
    let laxer = world
        .ringfence(&["plan", "--user", user, "--posture", "quarantine", "--detailed-exitcode"])
        .exits(0);
    assert!(laxer.out.contains("already contained as lockdown"), "{}", laxer.out);

    // What is older than the exposure comes back by itself; the thief's needs its name.
    clock.forward(UNTIL_LIFT);
    let release = world.ringfence(&["rollback", "--user", user, "--out", "release.json"]).ok();
    assert_snapshot!(world.redact(&release.out), @"
    Account  123456789012 · user deploy-bot (ID-OF-DEPLOY-BOT____) · release
    Caller   arn:aws:iam::123456789012:user/responder
    Read     2024-11-22T16:35:01Z, 16 calls in 2 round trips
    Endpoint http://127.0.0.1:PORT (not AWS)
    Exposed  2024-11-21T04:10:00Z (36 h ago)

    ringfence will:

      ~ signing_certificate/CERTIFICATE_____________________                  wave 1
          status  Inactive -> Active
          turned off by ringfence

      ~ ssh_key/OLDER-SSH___________                                          wave 1
          status  Inactive -> Active
          turned off by ringfence

      - inline_policy/RingfenceFence-LINEAGE8                                 wave 2
          every session older than 04:30:01Z has expired (fence + 36 h passed 0 s
          ago)

      - attached_policy/arn:aws:iam::aws:policy/AWSDenyAll                    wave 3
          the hold is lifted last

      - inline_policy/RingfenceHold-LINEAGE8                                  wave 3
          the hold is lifted last

    ! service credentials could not be read: one that is live acts again without the
      hold

    Kept:
        access_key/KEY-OF-DEPLOY-BOT___   stays Inactive: compromised (named)
                                          --reactivate-key KEY-OF-DEPLOY-BOT___
                                          overrides
        ssh_key/YOUNGER-SSH_________      stays Inactive: compromised (made after
                                          the exposure)
                                          --reactivate ssh_key/YOUNGER-SSH_________
                                          overrides
    Not read:
      ! service credentials               iam:ListServiceSpecificCredentials:
                                          the endpoint does not implement it

    Plan: 0 to create, 2 to change, 3 to remove.
    Saved release.json
          sha256 SHA256
    Next: ringfence apply release.json
    ");
    world.ringfence(&["apply", "release.json", "--auto-approve"]).ok();
    let mut expected = before.clone();
    for suspect in [key_of(&leaked.id), format!("ssh_key/{younger}")] {
        expected.insert(suspect, "Inactive".to_owned());
    }
    assert_eq!(world.facts(user), expected);
    // And then it gets it.
    let younger = format!("ssh_key/{younger}");
    let named = [
        "rollback",
        "--user",
        user,
        "--reactivate",
        &younger,
        "--reactivate-key",
        &leaked.id,
        "--out",
        "all.json",
    ];
    let named = world.ringfence(&named).ok();
    assert_snapshot!(world.redact(&named.out), @"
    Account  123456789012 · user deploy-bot (ID-OF-DEPLOY-BOT____) · release
    Caller   arn:aws:iam::123456789012:user/responder
    Read     2024-11-22T16:35:01Z, 14 calls in 2 round trips
    Endpoint http://127.0.0.1:PORT (not AWS)
    Exposed  2024-11-21T04:10:00Z (36 h ago)

    ringfence will:

      ~ access_key/KEY-OF-DEPLOY-BOT___                                       wave 1
          status  Inactive -> Active
          no recorded use
          turned off by ringfence
          ! asked for all the same; compromised (named)
          ! presigned URLs signed with it, up to 7 days old, may work again

      ~ ssh_key/YOUNGER-SSH_________                                          wave 1
          status  Inactive -> Active
          turned off by ringfence
          ! asked for all the same; compromised (made after the exposure)

    Not read:
      ! service credentials   iam:ListServiceSpecificCredentials:
                              the endpoint does not implement it

    Plan: 0 to create, 2 to change, 0 to remove.
    Saved all.json
          sha256 SHA256
    Next: ringfence apply all.json
    ");
    world.ringfence(&["apply", "all.json", "--auto-approve"]).ok();
    assert_eq!(world.facts(user), before);
}

#[test]
fn younger_than_the_exposure() {
    let world = World::ministack();
    let clock = &world.emulator.clock;
    let leaked = world.victim("deploy-bot");
    let older = world.admin.second_key("deploy-bot");
    clock.forward(SignedDuration::from_hours(3));
    let since = clock.now().to_string();
    clock.forward(SignedDuration::from_mins(1));
    let younger = world.admin.second_key("deploy-bot");
    world.admin.password("deploy-bot");
    world.alias(&older.id, "OLDER-KEY");
    world.alias(&younger.id, "YOUNGER-KEY");

    let plan = ["plan", "--access-key", &leaked.id, "--since", &since, "--out", "plan.json"];
    let shown = world.ringfence(&plan).ok();
    let (_, left) = shown.out.split_once("Left live:").unwrap();
    let (left, _) = left.split_once("Not read:").unwrap();
    assert_snapshot!(world.redact(left), @"
      access_key/OLDER-KEY___________   Active, 3 h old, no recorded use
    ! login_profile                     created 0 s ago, after the exposure: only
                                        --posture lockdown stops it, reversibly
      roles it may have assumed         not in this plan: its AssumeRole events in
                                        CloudTrail name them
    ");
    let applied = world.ringfence(&["apply", "plan.json", "--auto-approve"]).exits(6);
    let (_, ending) = applied.out.split_once("\n\n").unwrap();
    assert_snapshot!(world.redact(ending), @"
      wave 1  access_key/KEY-OF-DEPLOY-BOT___       Inactive        06:11:00Z N.N s
      wave 1  access_key/YOUNGER-KEY_________       Inactive        06:11:00Z N.N s
      wave 2  inline_policy/RingfenceFence-LINEAGE8 fence 06:12:01Z 06:11:00Z N.N s
    2 access keys off and fenced: stored, and read back once at 06:11:00Z
    (usually enforced within seconds; AWS allows minutes).
    NOT contained:
      ! login_profile, created after the exposure, can still sign in
      ! ssh keys could not be read (iam:ListSSHPublicKeys)
      ! signing certificates could not be read (iam:ListSigningCertificates)
      ! service credentials could not be read (iam:ListServiceSpecificCredentials)
          ringfence plan --user deploy-bot --posture lockdown --out lockdown.json
    The fence may be lifted after 2024-11-22T18:17:01Z (in 36 h).
    Run 20241121T061100Z-LINEAGE8, serial 2,
    journal head SHA256
    ");
    let now = world.facts("deploy-bot");
    assert_eq!(
        (
            now[&key_of(&leaked.id)].as_str(),
            now[&key_of(&younger.id)].as_str(),
            now[&key_of(&older.id)].as_str()
        ),
        ("Inactive", "Inactive", "Active")
    );
    let status = world.ringfence(&["status"]).exits(2);
    assert_snapshot!(world.redact(&status.out), @"
    Endpoint http://127.0.0.1:PORT (not AWS)
    USER        STATE          SEEN       LAST SEEN CONTAINED  FENCE MAY GO
    deploy-bot  NOT contained  06:11:00Z  never                in 36 h
                ! login_profile, created after the exposure, can still sign in
                ! ssh keys could not be read (iam:ListSSHPublicKeys)
                ! signing certificates could not be read
                  (iam:ListSigningCertificates)
                ! service credentials could not be read
                  (iam:ListServiceSpecificCredentials)
                not read: ssh keys (iam:ListSSHPublicKeys)
                not read: signing certificates (iam:ListSigningCertificates)
                not read: service credentials (iam:ListServiceSpecificCredentials)
                ringfence plan --user deploy-bot --posture lockdown --out lockdown.json
    ");

    // The password is the thief's: the command that was printed stops it.
    let said = world.as_printed(applied.line("ringfence plan"), &[]).ok();
    world.as_printed(said.line("Next:").trim_start_matches("Next: "), &["--auto-approve"]).ok();
    let status = world.ringfence(&["status"]).ok();
    assert!(status.line("deploy-bot").contains("contained"), "{}", status.out);

    // With no key named all of them go off, and the first line says so.
    world.victim("ci-runner");
    let plan = world.ringfence(&["plan", "--user", "ci-runner"]).ok();
    assert!(plan.out.contains("no key was named"), "{}", plan.out);
}

#[test]
fn a_posture_of_ones_own() {
    let world = only("a deny that denies, a boundary");
    let leaked = world.victim("deploy-bot");
    world.admin.group("developers", "deploy-bot");
    world.admin.group("on-call", "deploy-bot");
    world.admin.password("deploy-bot");
    let nothing = world.admin.policy(
        "nothing",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#,
    );
    world.write(
        "ringfence.toml",
        format!(
            "[limits]\nsettle = \"0s\"\n[state]\nlocation = \"incidents\"\n[guard]\nprotected_users = [\"Break-Glass\"]\n[posture.departed]\nextends = \"revoke\"\n\
             groups = \"remove\"\npermissions_boundary = \"{nothing}\"\nlogin_profile = \"delete\"\nfence_margin = \"5m\"\n"
        ),
    );
    let before = world.facts("deploy-bot");
    let plan = world
        .ringfence(&[
            "plan",
            "--access-key",
            &leaked.id,
            "--posture",
            "departed",
            "--incident",
            "IR-7",
            "--out",
            "plan.json",
        ])
        .ok();
    assert_snapshot!(world.redact(&plan.out), @r#"
    Account  123456789012 · user deploy-bot (ID-OF-DEPLOY-BOT_____)
             · posture departed
    Caller   arn:aws:iam::123456789012:user/responder
    Read     2024-11-21T03:10:00Z, 14 calls in 3 round trips
    Endpoint http://127.0.0.1:PORT (not AWS)
    Incident IR-7

    ringfence will:

      ~ access_key/KEY-OF-DEPLOY-BOT___                                       wave 1
          status  Active -> Inactive
          no recorded use
          compromised: named

      - group/developers                                                      wave 2
          the posture removes the user from every group

      - group/on-call                                                         wave 2
          the posture removes the user from every group

      + permissions_boundary                                                  wave 2
          policy  absent -> arn:aws:iam::123456789012:policy/nothing
          the posture sets this boundary

      - login_profile                                                         wave 2
          the posture deletes the password
          ! cannot be undone

      + inline_policy/RingfenceFence-LINEAGE8                                 wave 3
          + {
          +   "Version": "2012-10-17",
          +   "Statement": [
          +     {
          +       "Effect": "Deny",
          +       "Action": "*",
          +       "Resource": "*",
          +       "Condition": {
          +         "DateLessThan": {
          +           "aws:TokenIssueTime": (known after apply: key-off + 301 s)
          +         }
          +       }
          +     }
          +   ]
          + }
          ends every session of this user issued until then, legitimate ones too
          ! sessions that renew themselves (console) are not ended for certain

    Left live:
        roles it may have assumed   not in this plan: its AssumeRole events in
                                    CloudTrail name them
    Not read:
      ! ssh keys                    iam:ListSSHPublicKeys:
                                    the endpoint does not implement it
      ! signing certificates        iam:ListSigningCertificates:
                                    the endpoint does not implement it
      ! service credentials         iam:ListServiceSpecificCredentials:
                                    the endpoint does not implement it

    Plan: 2 to create, 1 to change, 3 to remove. 1 step cannot be undone.
    Saved plan.json
          sha256 SHA256
    Next: ringfence apply plan.json
    "#);
    world.ringfence(&["apply", "plan.json", "--auto-approve"]).ok();
    let now = world.facts("deploy-bot");
    assert_eq!(
        (now["permissions_boundary"].as_str(), now["login_profile"].as_str()),
        (nothing.as_str(), "none")
    );
    assert!(!now.keys().any(|fact| fact.starts_with("group/")));
    assert!(world.path("incidents/123456789012").is_dir() && !world.path("state").exists());
    let list = world.ringfence(&["state", "list", "--incident", "IR-7"]).ok();
    assert!(list.out.contains("deploy-bot"), "{}", list.out);

    world.emulator.clock.forward(UNTIL_LIFT);
    let release =
        world.ringfence(&["rollback", "--user", "deploy-bot", "--out", "release.json"]).ok();
    assert_snapshot!(world.redact(&release.out), @"
    Account  123456789012 · user deploy-bot (ID-OF-DEPLOY-BOT_____) · release
    Caller   arn:aws:iam::123456789012:user/responder
    Read     2024-11-22T15:30:01Z, 15 calls in 2 round trips
    Endpoint http://127.0.0.1:PORT (not AWS)

    ringfence will:

      + group/developers                                                      wave 1
          as it was before

      + group/on-call                                                         wave 1
          as it was before

      - permissions_boundary                                                  wave 1
          policy  arn:aws:iam::123456789012:policy/nothing -> absent
          as it was before

      - inline_policy/RingfenceFence-LINEAGE8                                 wave 2
          every session older than 03:15:01Z has expired (fence + 36 h passed 10 min
          ago)

    Kept:
        access_key/KEY-OF-DEPLOY-BOT___   stays Inactive: compromised (named)
                                          --reactivate-key KEY-OF-DEPLOY-BOT___
                                          overrides
        login_profile                     was deleted, which cannot be undone
    Not read:
      ! ssh keys                          iam:ListSSHPublicKeys:
                                          the endpoint does not implement it
      ! signing certificates              iam:ListSigningCertificates:
                                          the endpoint does not implement it
      ! service credentials               iam:ListServiceSpecificCredentials:
                                          the endpoint does not implement it

    Plan: 2 to create, 0 to change, 2 to remove.
    Saved release.json
          sha256 SHA256
    Next: ringfence apply release.json
    ");
    world.ringfence(&["apply", "release.json", "--auto-approve"]).ok();
    let mut expected = before;
    expected.insert(key_of(&leaked.id), "Inactive".to_owned());
    expected.insert("login_profile".to_owned(), "none".to_owned());
    assert_eq!(world.facts("deploy-bot"), expected);

    // A protected user is contained only on purpose.
    world.victim("break-glass");
    assert_snapshot!(world.refused(4, &["plan", "--user", "break-glass"]), @"
    error: user `break-glass` is protected by `guard.protected_users`
    hint: ringfence plan --user break-glass --override-protection contains it all the same
    ");
    let plan = world
        .ringfence(&[
            "plan",
            "--user",
            "break-glass",
            "--override-protection",
            "--out",
            "plan.json",
        ])
        .ok();
    assert!(plan.out.contains("Plan: "), "{}", plan.out);
}

#[test]
fn one_containment_upon_another() {
    let world = World::ministack();
    let clock = &world.emulator.clock;
    let leaked = world.victim("deploy-bot");
    let second = world.admin.second_key("deploy-bot");
    world.alias(&second.id, "SECOND-KEY");
    let before = world.facts("deploy-bot");
    let state = || world.json(&["state", "show", "deploy-bot", "--format", "json"]);

    // revoke, then lockdown, then down to revoke again.
    world.ringfence(&["apply", "--access-key", &leaked.id, "--auto-approve"]).ok();
    let revoked = (world.facts("deploy-bot"), state());
    clock.forward(SignedDuration::from_hours(1));
    world
        .ringfence(&["apply", "--user", "deploy-bot", "--posture", "lockdown", "--auto-approve"])
        .ok();
    assert_eq!(state()["lineage"], revoked.1["lineage"], "it is the same containment");
    let down = world
        .ringfence(&["rollback", "--user", "deploy-bot", "--to", "revoke", "--out", "down.json"])
        .ok();
    assert_snapshot!(world.redact(&down.out), @"
    Account  123456789012 · user deploy-bot (ID-OF-DEPLOY-BOT_____) · release
    Caller   arn:aws:iam::123456789012:user/responder
    Read     2024-11-21T04:10:00Z, 17 calls in 2 round trips
    Endpoint http://127.0.0.1:PORT (not AWS)

    ringfence will:

      - attached_policy/arn:aws:iam::aws:policy/AWSDenyAll                    wave 1
          the hold is lifted last

      - inline_policy/RingfenceHold-LINEAGE8                                  wave 1
          the hold is lifted last

    ! ssh keys, signing certificates, service credentials could not be read: one
      that is live acts again without the hold

    Kept:
        access_key/SECOND-KEY__________   stays Inactive: when the exposure began is
                                          not known
                                          --reactivate-key SECOND-KEY__________
                                          overrides
    Not read:
      ! ssh keys                          iam:ListSSHPublicKeys:
                                          the endpoint does not implement it
      ! signing certificates              iam:ListSigningCertificates:
                                          the endpoint does not implement it
      ! service credentials               iam:ListServiceSpecificCredentials:
                                          the endpoint does not implement it

    Plan: 0 to create, 0 to change, 2 to remove.
    Saved down.json
          sha256 SHA256
    Next: ringfence apply down.json
    ");
    let down = [
        "rollback",
        "--user",
        "deploy-bot",
        "--to",
        "revoke",
        "--reactivate-key",
        &second.id,
        "--out",
        "down.json",
    ];
    world.ringfence(&down).ok();
    world.ringfence(&["apply", "down.json", "--auto-approve"]).ok();
    let now = world.facts("deploy-bot");
    let fence = |facts: &Facts| {
        facts.keys().find(|fact| fact.contains("RingfenceFence-")).cloned().unwrap()
    };
    let (was, is) = (&revoked.0[&fence(&revoked.0)], &now[&fence(&now)]);
    assert!(is > was, "a key that was on has gone off, so the fence is a later one: {was} {is}");
    let mut expected = revoked.0;
    expected.insert(fence(&expected), is.clone());
    assert_eq!(now, expected);
    world.ringfence(&["status"]).ok();

    // The fence goes at once if that is asked for, and the plan says what it lets in.
    let now = world
        .ringfence(&["rollback", "--user", "deploy-bot", "--lift-fence-now", "--out", "now.json"])
        .ok();
    assert_snapshot!(world.redact(&now.out), @"
    Account  123456789012 · user deploy-bot (ID-OF-DEPLOY-BOT_____) · release
    Caller   arn:aws:iam::123456789012:user/responder
    Read     2024-11-21T04:10:00Z, 16 calls in 2 round trips
    Endpoint http://127.0.0.1:PORT (not AWS)

    ringfence will:

      - inline_policy/RingfenceFence-LINEAGE8                                 wave 1
          asked for before its time
          ! lets every session issued before it act again, the attacker's too, until
            2024-11-22T16:30:01Z at the latest

    Kept:
        access_key/KEY-OF-DEPLOY-BOT___   stays Inactive: compromised (named)
                                          --reactivate-key KEY-OF-DEPLOY-BOT___
                                          overrides
    Not read:
      ! ssh keys                          iam:ListSSHPublicKeys:
                                          the endpoint does not implement it
      ! signing certificates              iam:ListSigningCertificates:
                                          the endpoint does not implement it
      ! service credentials               iam:ListServiceSpecificCredentials:
                                          the endpoint does not implement it

    Plan: 0 to create, 0 to change, 1 to remove.
    Saved now.json
          sha256 SHA256
    Next: ringfence apply now.json
    ");
    world.ringfence(&["apply", "now.json", "--auto-approve"]).ok();
    let mut expected = before;
    expected.insert(key_of(&leaked.id), "Inactive".to_owned());
    assert_eq!(world.facts("deploy-bot"), expected);
    let released = state();

    // The next containment is another one, and names the one before.
    clock.forward(SignedDuration::from_hours(1));
    world.ringfence(&["apply", "--access-key", &second.id, "--auto-approve"]).ok();
    let next = state();
    assert_ne!(next["lineage"], released["lineage"]);
    assert_eq!(next["previous_lineage"], released["lineage"]);
    assert!(next["serial"].as_u64() > released["serial"].as_u64());

    // Released but for the fence, and contained again: still the same one.
    world.ringfence(&["rollback", "--user", "deploy-bot", "--out", "early.json"]).ok();
    world.ringfence(&["apply", "early.json", "--auto-approve"]).ok();
    let status = world.ringfence(&["status"]).ok();
    assert!(status.line("deploy-bot").contains("released, fence"), "{}", status.out);
    clock.forward(SignedDuration::from_hours(1));
    world.admin.set_key("deploy-bot", &second.id, StatusType::Active);
    world.ringfence(&["status"]).exits(2);
    world.ringfence(&["apply", "--access-key", &second.id, "--auto-approve"]).ok();
    assert_eq!(state()["lineage"], next["lineage"]);
    world.ringfence(&["state", "history", "deploy-bot", "--verify"]).ok();
}

#[test]
fn many_users_in_one_plan() {
    let world = World::ministack();
    let users = ["ana", "ben", "cleo"];
    let keys = users.map(|user| world.victim(user).id);
    world.write(
        "leaked.txt",
        format!("# found in a paste\n{}\n\n{}\r\n{}\n{}\n", keys[0], keys[1], keys[2], keys[0]),
    );
    let before = users.map(|user| world.facts(user));
    world.ringfence(&["plan", "--access-keys-from", "leaked.txt", "--out", "plan.json"]).ok();
    world.proxy.take_calls();
    let ran = world.ringfence(&["apply", "plan.json", "--auto-approve"]).ok();
    assert_eq!(
        world.proxy.writes(),
        [["UpdateAccessKey"; 3], ["PutUserPolicy"; 3]].concat(),
        "keys of all go off before the first fence"
    );
    for user in users {
        assert!(ran.out.contains(&format!("User `{user}` is contained.")), "{}", ran.out);
    }
    world.ringfence(&["status"]).ok();

    // One that is denied does not keep the others: it is open, and again does the rest.
    world.proxy.next(1, "UpdateAccessKey", Fault::Deny);
    for (user, key) in users.iter().zip(&keys) {
        world.admin.set_key(user, key, StatusType::Active);
    }
    world.emulator.clock.forward(SignedDuration::from_mins(1));
    let again =
        ["apply", "--again", "--user", "ana", "--user", "ben", "--user", "cleo", "--auto-approve"];
    world.ringfence(&again).exits(6);
    let on = |world: &World| {
        users
            .iter()
            .zip(&keys)
            .filter(|(user, key)| world.facts(user)[&key_of(key)] == "Active")
            .count()
    };
    assert_eq!(on(&world), 1);
    world.ringfence(&again).ok();
    assert_eq!(on(&world), 0);

    world.emulator.clock.forward(UNTIL_LIFT);
    for ((user, key), before) in users.iter().zip(&keys).zip(before) {
        world.ringfence(&["rollback", "--user", user, "--out", "release.json"]).ok();
        world.ringfence(&["apply", "release.json", "--auto-approve"]).ok();
        let mut expected = before;
        expected.insert(key_of(key), "Inactive".to_owned());
        assert_eq!(world.facts(user), expected);
    }
}

#[test]
fn a_fence_that_does_not_fit() {
    let world = World::ministack();
    let long = |n: usize| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"*","Resource":"*","Sid":"{}"}}]}}"#,
            "x".repeat(n)
        )
    };
    let full = |user: &str| {
        let leaked = world.victim(user);
        world.admin.put_policy(user, "long", &long(1_850));
        leaked
    };
    // It becomes a policy of its own, and goes again as it came.
    let leaked = full("deploy-bot");
    let second = world.client(&world.admin.second_key("deploy-bot"));
    let token = world.client(&second.token(3600));
    let before = world.facts("deploy-bot");
    let ran = world.ringfence(&["apply", "--access-key", &leaked.id, "--auto-approve"]).ok();
    let (_, ending) = ran.out.split_once("Reality is as planned").unwrap();
    assert_snapshot!(world.redact(ending), @"
     (17 calls, 2 round trips)

      wave 1  access_key/KEY-OF-DEPLOY-BOT___  Inactive         03:10:00Z  N.N s
      wave 2  managed_policy/arn:aws:iam::123456789012:policy/RingfenceFence-LINEAGE8
                                               fence 03:11:01Z  03:10:00Z  N.N s
      wave 3  attached_policy/arn:aws:iam::123456789012:policy/RingfenceFence-LINEAGE8
                                               attached         03:10:00Z  N.N s
    Leaked key off and fenced: stored, and read back once at 03:10:00Z
    (usually enforced within seconds; AWS allows minutes).
    User `deploy-bot` is contained.
    The fence may be lifted after 2024-11-22T15:16:01Z (in 36 h).
    Run 20241121T031000Z-LINEAGE8, serial 2,
    journal head SHA256
    ");
    assert_eq!((second.act(), token.act()), (OK, error("AccessDenied")));
    world.ringfence(&["status"]).ok();
    world.emulator.clock.forward(UNTIL_LIFT);
    world.ringfence(&["rollback", "--user", "deploy-bot", "--out", "release.json"]).ok();
    world.ringfence(&["apply", "release.json", "--auto-approve"]).ok();
    let mut expected = before;
    expected.insert(key_of(&leaked.id), "Inactive".to_owned());
    assert_eq!(world.facts("deploy-bot"), expected);

    // CreatePolicy is sent once; where its answer is lost, it is read back before it is sent again (D2.5).
    for (user, fault, calls) in
        [("lost-reply", Fault::LoseReply, 1), ("lost-request", Fault::LoseRequest, 2)]
    {
        let leaked = full(user);
        world.proxy.take_calls();
        world.proxy.next(1, "CreatePolicy", fault);
        let ran = world.ringfence(&["apply", "--access-key", &leaked.id, "--auto-approve"]);
        println!("{user}: {:?} {}{}", world.proxy.writes(), ran.out, ran.err);
        let sent = world.proxy.writes().iter().filter(|&write| write == "CreatePolicy").count();
        assert_eq!((sent, ran.code), (calls, 0), "{user}");
        world.ringfence(&["status", "--user", user]).ok();
    }
}
