//! Progress, endings, status, state and the record of a run.

use super::*;
use crate::journal::{Event, Journal, StepResult};
use crate::plan::{Change, Kind};
use crate::render::Screen;
use crate::render::sample::{self, DIGEST, FENCE, LEAKED, RUN, at, key, resource, stripped, user};
use crate::view::{
    ApplyEvent, Ending, FenceView, Finding, Named, PrincipalStatus, Standing, StateLine,
    StatusReport,
};
use jiff::Timestamp;

const PLAIN: Screen = Screen { color: false, width: 80 };

fn call(wave: u32, of: &str, value: &str, result: StepResult, error: Option<&str>) -> ApplyEvent {
    ApplyEvent::Step {
        settling: false,
        who: sample::who("deploy-bot"),
        wave,
        resource: resource(of),
        action: Change::Update,
        value: value.into(),
        result,
        at: Some(at("2026-11-21T03:12:41Z")),
        took_ms: 212,
        error: error.map(str::to_owned),
    }
}

fn progress(events: &[ApplyEvent], screen: Screen, widths: &Widths) -> String {
    let lines: Vec<String> =
        events.iter().filter_map(|event| apply_event(event, screen, widths)).collect();
    lines.join("\n") + "\n"
}

fn run_of_the_screens() -> Vec<ApplyEvent> {
    let leaked = key(LEAKED).to_string();
    vec![
        ApplyEvent::Verified { calls: 14, round_trips: 3, moved: Vec::new() },
        ApplyEvent::RunStarted { run: RUN.into(), kind: Kind::Contain, steps: 2 },
        call(1, &leaked, "Inactive", StepResult::Done, None),
        ApplyEvent::FenceTime {
            who: sample::who("deploy-bot"),
            fence_time: at("2026-11-21T03:13:42Z"),
            still_active: Vec::new(),
        },
        call(2, FENCE, "fence 03:13:42Z", StepResult::Done, None),
        ApplyEvent::Finished(sample::ending()),
    ]
}

#[test]
fn the_apply_of_the_screens() {
    let text = progress(&run_of_the_screens(), PLAIN, &widths(&sample::revoke()));
    assert!(text.lines().all(|line| line.chars().count() <= 80));
    insta::assert_snapshot!(text, @"
    Reality is as planned (14 calls, 3 round trips)

      wave 1  access_key/AKIA3EXAMPLE4LEAKED1       Inactive        03:12:41Z 0.2 s
      wave 2  inline_policy/RingfenceFence-7c41e09a fence 03:13:42Z 03:12:41Z 0.2 s
    ");
}

#[test]
fn an_apply_with_trouble() {
    let leaked = key(LEAKED).to_string();
    let because = "AccessDenied: User is not authorized to perform iam:UpdateAccessKey on resource \
                   user deploy-bot because no identity-based policy allows it";
    let events = [
        ApplyEvent::Verified {
            calls: 14,
            round_trips: 3,
            moved: vec![Finding {
                resource: Some(key(LEAKED)),
                what: "planned Active, now Inactive".into(),
            }],
        },
        ApplyEvent::StepSkipped {
            who: sample::who("deploy-bot"),
            wave: 1,
            resource: key(LEAKED),
            why: "it is Inactive already".into(),
        },
        call(1, &leaked, "Inactive", StepResult::Refused, Some(because)),
        ApplyEvent::FenceTime {
            who: sample::who("deploy-bot"),
            fence_time: at("2026-11-21T03:13:42Z"),
            still_active: vec![key(LEAKED)],
        },
        call(2, FENCE, "fence 03:13:42Z", StepResult::InDoubt, None),
    ];
    insta::assert_snapshot!(progress(&events, PLAIN, &widths(&sample::revoke())), @"
    Reality has moved since the plan (14 calls, 3 round trips):
      ! access_key/AKIA3EXAMPLE4LEAKED1 planned Active, now Inactive
      wave 1  access_key/AKIA3EXAMPLE4LEAKED1       skipped: it is Inactive already
    ! wave 1  access_key/AKIA3EXAMPLE4LEAKED1       refused         03:12:41Z 0.2 s
              AccessDenied: User is not authorized to perform iam:UpdateAccessKey on
              resource user deploy-bot because no identity-based policy allows it
    ! fence 03:13:42Z does not count while access_key/AKIA3EXAMPLE4LEAKED1 is Active
    ! wave 2  inline_policy/RingfenceFence-7c41e09a in doubt        03:12:41Z 0.2 s
    ");
}

#[test]
fn several_users_share_the_columns() {
    let leaked = key(LEAKED).to_string();
    let deny_all = "attached_policy/arn:aws:iam::aws:policy/AWSDenyAll";
    let events = [
        call(1, deny_all, "attached", StepResult::Done, None),
        call(2, &leaked, "Inactive", StepResult::Done, None),
        call(4, FENCE, "fence 03:13:42Z", StepResult::Done, None),
    ];
    let widths = widths(&sample::lockdown());
    let text = progress(&events, PLAIN, &widths);
    assert!(text.lines().all(|line| line.chars().count() <= 80));
    insta::assert_snapshot!(text, @"
    wave 1  deploy-bot attached_policy/arn:aws:iam::aws:policy/AWSDenyAll
                                                       attached        03:12:41Z
    wave 2  deploy-bot access_key/AKIA3EXAMPLE4LEAKED1 Inactive        03:12:41Z
    wave 4  deploy-bot inline_policy/RingfenceFence-7c41e09a
                                                       fence 03:13:42Z 03:12:41Z
    ");
    insta::assert_snapshot!(progress(&events, Screen { color: false, width: 120 }, &widths), @"
    wave 1  deploy-bot attached_policy/arn:aws:iam::aws:policy/AWSDenyAll  attached         03:12:41Z  0.2 s
    wave 2  deploy-bot access_key/AKIA3EXAMPLE4LEAKED1                     Inactive         03:12:41Z  0.2 s
    wave 4  deploy-bot inline_policy/RingfenceFence-7c41e09a               fence 03:13:42Z  03:12:41Z  0.2 s
    ");
}

#[test]
fn the_ending_of_the_screens() {
    insta::assert_snapshot!(ending(&sample::ending(), PLAIN), @"
    Leaked key off and fenced at 03:12:41Z: stored, and read back once at 03:12:42Z
    (usually enforced within seconds; AWS allows minutes).
    NOT contained: login_profile, created after the exposure, can still sign in.
          ringfence plan --user deploy-bot --posture lockdown --out lockdown.json
    The fence may be lifted after 2026-11-22T15:18:42Z (in 36 h).
    Run 20261121T031240Z-7c41e09a, serial 2,
    journal head 41ab770000000000000000000000000000000000000000000000000000000002
    ");
}

fn ended(standing: Standing, complete: bool, open: &[(&str, &str)]) -> Ending {
    let mut end = sample::ending();
    end.complete = complete;
    let one = &mut end.principals[0];
    one.standing = standing;
    one.commands.clear();
    one.open = open
        .iter()
        .map(|(of, what)| Finding { resource: of.parse().ok(), what: (*what).to_owned() })
        .collect();
    end
}

#[test]
fn the_other_endings() {
    insta::assert_snapshot!(ending(&ended(Standing::Contained, true, &[]), PLAIN), @"
    Leaked key off and fenced at 03:12:41Z: stored, and read back once at 03:12:42Z
    (usually enforced within seconds; AWS allows minutes).
    User `deploy-bot` is contained.
    The fence may be lifted after 2026-11-22T15:18:42Z (in 36 h).
    Run 20261121T031240Z-7c41e09a, serial 2,
    journal head 41ab770000000000000000000000000000000000000000000000000000000002
    ");

    let leaked = key(LEAKED).to_string();
    let open = [
        (
            leaked.as_str(),
            "was refused: AccessDenied: not authorized to perform iam:UpdateAccessKey",
        ),
        ("", "sessions that a compromised key has minted are not fenced"),
    ];
    let mut partial = ended(Standing::Partial, false, &open);
    partial.principals[0].commands.push("ringfence resume".into());
    if let Some(fence) = &mut partial.principals[0].fence {
        fence.void = Some(format!("{leaked} was Active when the fence was written"));
    }
    insta::assert_snapshot!(ending(&partial, PLAIN), @"
    Leaked key off and fenced at 03:12:41Z: stored, and read back once at 03:12:42Z
    (usually enforced within seconds; AWS allows minutes).
    NOT complete:
      ! access_key/AKIA3EXAMPLE4LEAKED1 was refused: AccessDenied: not authorized to
        perform iam:UpdateAccessKey
      ! sessions that a compromised key has minted are not fenced
          ringfence resume
    The fence's clock is void: access_key/AKIA3EXAMPLE4LEAKED1 was Active when the
    fence was written.
    Run 20261121T031240Z-7c41e09a, serial 2,
    journal head 41ab770000000000000000000000000000000000000000000000000000000002
    ");

    let mut unread = ended(Standing::Unknown, false, &[]);
    unread.principals[0].read_back_at = None;
    unread.principals[0].fence = None;
    let mut second = unread.principals[0].clone();
    second.who = sample::who("ci-runner");
    second.holds.clear();
    unread.principals.push(second);
    insta::assert_snapshot!(ending(&unread, PLAIN), @"
    User deploy-bot
    Leaked key off and fenced at 03:12:41Z: nothing was read back.
    NOT known: how user `deploy-bot` stands could not be read.
    Run 20261121T031240Z-7c41e09a, serial 2,
    journal head 41ab770000000000000000000000000000000000000000000000000000000002

    User ci-runner
    What holds is not known: nothing was read back.
    NOT known: how user `ci-runner` stands could not be read.
    Run 20261121T031240Z-7c41e09a, serial 2,
    journal head 41ab770000000000000000000000000000000000000000000000000000000002
    ! The run is not complete: some of its steps did not hold.
    ");
}

fn reported() -> StatusReport {
    let one =
        |name: &str, standing, contained: &str, void: Option<&str>, lift: &str| PrincipalStatus {
            who: sample::who(name),
            id: "AIDA3EXAMPLEDEPLOYBT".parse().unwrap(),
            account_id: "123456789012".parse().unwrap(),
            lineage: sample::lineage(),
            serial: 2,
            incident: None,
            standing,
            seen_at: Some(at("2026-11-21T03:47:02Z")),
            last_seen_contained: Some(at(contained)),
            fence: Some(FenceView {
                fence_time: at("2026-11-21T03:13:42Z"),
                lift_after: at(lift),
                void: void.map(str::to_owned),
            }),
            findings: Vec::new(),
            notes: Vec::new(),
            commands: Vec::new(),
        };
    let leaked = key(LEAKED);
    let void = format!("{leaked} is Active after the fence");
    let lift = "2026-11-22T15:18:42Z";
    let mut weak = one("deploy-bot", Standing::Weakened, "2026-11-21T03:13:12Z", Some(&void), lift);
    weak.findings.push(Finding { resource: Some(leaked), what: "is Active again".into() });
    weak.commands.push("ringfence apply --again --user deploy-bot".into());
    let fine =
        one("ci-runner", Standing::Contained, "2026-11-21T03:47:02Z", None, "2026-11-21T23:47:02Z");
    let mut old = one("ops", Standing::Gone, "2026-11-19T03:47:02Z", None, "2026-11-21T01:47:02Z");
    old.seen_at = None;
    old.notes.push("the user was deleted, or is another under the same name".into());
    let long = "a-user-with-a-name-that-is-very-long";
    let long = one(long, Standing::Contained, "2026-11-21T03:47:02Z", None, lift);
    StatusReport {
        format_version: 1,
        at: at("2026-11-21T03:47:02Z"),
        endpoint: "https://iam.amazonaws.com".into(),
        principals: vec![weak, fine, old, long],
    }
}

#[test]
fn the_status_of_the_screens() {
    let text = status(&reported(), PLAIN);
    assert!(text.lines().all(|line| line.chars().count() <= 80));
    insta::assert_snapshot!(text, @"
    USER        STATE      SEEN       LAST SEEN CONTAINED   FENCE MAY GO
    deploy-bot  weakened   03:47:02Z  03:13:12Z             clock void until it is
                                                            contained again
                ! access_key/AKIA3EXAMPLE4LEAKED1 is Active again
                ringfence apply --again --user deploy-bot
    ci-runner   contained  03:47:02Z  03:47:02Z             in 20 h
    ops         gone       never      2026-11-19T03:47:02Z  now, since 2 h ago
                the user was deleted, or is another under the same name
    a-user-with-a-name-that-is-very-long
                contained  03:47:02Z  03:47:02Z             in 35 h
    ");
    let colored = status(&reported(), Screen { color: true, ..PLAIN });
    assert_eq!(stripped(&colored), text);
    let mut none = reported();
    none.principals.clear();
    none.endpoint = "http://127.0.0.1:4566".into();
    insta::assert_snapshot!(status(&none, PLAIN), @"
    Endpoint http://127.0.0.1:4566 (not AWS)
    No principal is in the state: nothing was contained from here.
    ");
}

#[test]
fn a_state_its_history_and_its_list() {
    let now: Timestamp = at("2026-11-21T03:47:02Z");
    let text = state(&sample::recorded(), PLAIN, now);
    assert!(text.lines().all(|line| line.chars().count() <= 80));
    insta::assert_snapshot!(text, @"
    Account  123456789012 · user deploy-bot (AIDA3EXAMPLEDEPLOYBT) · posture revoke
    Incident INC-2041
    Lineage  7c41e09a7c41e09a7c41e09a7c41e09a, serial 3
    Exposed  2026-11-21T01:40:00Z (2 h ago)
    Fence    2026-11-21T03:13:42Z,
             may be lifted after 2026-11-22T15:18:42Z (in 35 h)
    Seen     contained 2026-11-21T03:13:12Z (33 min ago)
    ! the fence does not count: could still mint: access_key/AKIA3EXAMPLE4LEAKED1

    Compromised:
        access_key/AKIA3EXAMPLE4LEAKED1   named
    Resources, before ringfence -> as it left them:
        access_key/AKIA3EXAMPLE4LEAKED1   held, Active -> Inactive,
                                          written 34 min ago
      ! inline_policy/RingfenceFence-7c41e09a
                                          in doubt, absent ->
                                          fence 2026-11-21T03:13:42Z,
                                          written 34 min ago
    Runs:
        20261121T031240Z-7c41e09a  contain  complete
            2026-11-21T03:12:40Z,
            by arn:aws:sts::123456789012:assumed-role/IncidentResponse/alice
            from desk
            planned by arn:aws:iam::123456789012:user/bob
            plan 9f2c6a000000, journal head 41ab77000000, 8 entries
            approved by alice@example.com with
            SHA256:Yxk0pGoVQtK7cJ8p7bJ1d2p3Qw5Yt9n0m2r4s6u8v0w,
            verified at 2026-11-21T03:12:40Z
        20261121T034802Z-7c41e09a  contain  cut off
            2026-11-21T03:48:02Z,
            by arn:aws:sts::123456789012:assumed-role/IncidentResponse/alice
            from desk
            planned by arn:aws:iam::123456789012:user/bob
            plan 9f2c6a000000
            approved by alice@example.com with
            SHA256:Yxk0pGoVQtK7cJ8p7bJ1d2p3Qw5Yt9n0m2r4s6u8v0w,
            verified at 2026-11-21T03:12:40Z
    ");
    insta::assert_snapshot!(history(&sample::recorded(), PLAIN), @"
    20261121T031240Z-7c41e09a  contain  complete
        2026-11-21T03:12:40Z,
        by arn:aws:sts::123456789012:assumed-role/IncidentResponse/alice
        from desk
        planned by arn:aws:iam::123456789012:user/bob
        plan 9f2c6a000000, journal head 41ab77000000, 8 entries
        approved by alice@example.com with
        SHA256:Yxk0pGoVQtK7cJ8p7bJ1d2p3Qw5Yt9n0m2r4s6u8v0w,
        verified at 2026-11-21T03:12:40Z
    20261121T034802Z-7c41e09a  contain  cut off
        2026-11-21T03:48:02Z,
        by arn:aws:sts::123456789012:assumed-role/IncidentResponse/alice
        from desk
        planned by arn:aws:iam::123456789012:user/bob
        plan 9f2c6a000000
        approved by alice@example.com with
        SHA256:Yxk0pGoVQtK7cJ8p7bJ1d2p3Qw5Yt9n0m2r4s6u8v0w,
        verified at 2026-11-21T03:12:40Z
    ");
    let line = StateLine {
        account_id: Some("123456789012".parse().unwrap()),
        id: Some("AIDA3EXAMPLEDEPLOYBT".parse().unwrap()),
        name: Named::User(Some(user("deploy-bot"))),
        stage: "contained by record".into(),
        posture: Some("revoke".into()),
        serial: Some(3),
        reached: Some(crate::incident::Stage::Contained),
        incident: Some("INC-2041".into()),
        incident_stage: Some(crate::incident::Stage::Assessed),
        known_from: None,
        last_run: Some(RUN.into()),
        break_glass: vec![RUN.into()],
    };
    let broken = StateLine {
        name: Named::User(None),
        stage: "the state file is no state: line 3, column 1".into(),
        posture: None,
        serial: None,
        reached: None,
        incident: None,
        incident_stage: None,
        last_run: None,
        break_glass: Vec::new(),
        ..line.clone()
    };
    insta::assert_snapshot!(state_list(&[broken, line], PLAIN), @"
    USER        STATE                POSTURE  SERIAL  LAST RUN
    -           unreadable           -        -       -
                ! the state file is no state: line 3, column 1
                123456789012/AIDA3EXAMPLEDEPLOYBT

    Incident INC-2041: assessed by record
    USER        STATE                POSTURE  SERIAL  LAST RUN
    deploy-bot  contained by record  revoke   3       20261121T031240Z-7c41e09a
                123456789012/AIDA3EXAMPLEDEPLOYBT
                ! run 20261121T031240Z-7c41e09a was applied by break-glass
    ");
}

#[test]
fn incidents_that_only_files_know_of_stand_in_the_list() {
    use crate::incident::{group, join, planned, traced};
    let plan = crate::plan::Plan { incident: Some("INC-7".into()), ..sample::revoke() };
    let mut trace = crate::report::tests::trace();
    trace.incident = Some("INC-7".into());
    let mut lines = Vec::new();
    join(&mut lines, [planned(&plan, "plan.json"), traced(&trace, "trace.json")].concat());
    trace.incident = Some("INC-8".into());
    trace.targets.clear();
    join(&mut lines, traced(&trace, "other.json"));
    group(&mut lines);
    insta::assert_snapshot!(state_list(&lines, PLAIN), @"
    Incident INC-7: assessed, no record in the store
    PRINCIPAL        STATE    POSTURE  SERIAL  LAST RUN
    deploy-bot       planned  revoke   -       -
                     123456789012/AIDA3EXAMPLEDEPLOYBT · by plan.json
    backup           traced   -        -       -
                     123456789012 · by trace.json
    role Admin       traced   -        -       -
                     123456789012 · by trace.json
    role DataReader  traced   -        -       -
                     123456789012 · by trace.json

    Incident INC-8: assessed, no record in the store
    PRINCIPAL        STATE    POSTURE  SERIAL  LAST RUN
    -                traced   -        -       -
                     by other.json
    ");
}

fn journal() -> Journal {
    let mut journal = Journal::default();
    let time = at("2026-11-21T03:12:40Z");
    let of = || key(LEAKED);
    let outcome = |step, result, error: Option<&str>| Event::Outcome {
        step,
        resource: of(),
        result,
        service_date: Some(at("2026-11-21T03:12:41Z")),
        request_id: Some("7a62c49f-347e-4fc4-9331-6e8eEXAMPLE".into()),
        error: error.map(str::to_owned),
    };
    let intent = |step, action: &str, attempt| Event::Intent {
        step,
        resource: of(),
        action: action.into(),
        attempt,
    };
    for event in [
        Event::RunStarted {
            prior: std::collections::BTreeMap::new(),
            run: RUN.into(),
            kind: Kind::Contain,
            plan_sha256: DIGEST.into(),
            lineage: sample::lineage(),
            serial: 1,
            applied_by: "arn:aws:iam::123456789012:user/alice".parse().unwrap(),
            applied_from: Some("desk".into()),
            endpoint: "https://iam.amazonaws.com".into(),
            ringfence_version: "0.1.0".into(),
            approvals: vec![crate::approval::Signed {
                approval: sample::approval(),
                signature: String::new(),
            }],
            break_glass: None,
        },
        intent(1, "UpdateAccessKey", 1),
        outcome(1, StepResult::Throttled, Some("Throttling: Rate exceeded")),
        intent(1, "UpdateAccessKey", 2),
        outcome(1, StepResult::Done, None),
        Event::FenceTime {
            fence_time: at("2026-11-21T03:13:42Z"),
            key_off_at: at("2026-11-21T03:12:41Z"),
            still_active: Vec::new(),
        },
        intent(2, "PutUserPolicy", 1),
        Event::ReadBack {
            read_at: at("2026-11-21T03:12:42Z"),
            stored: vec![1],
            not_stored: vec![2],
        },
    ] {
        journal.append(time, event);
    }
    journal
}

#[test]
fn a_run_that_was_cut_off() {
    let saved = crate::render::Saved { path: "plan.json", digest: DIGEST, unapproved: false };
    let text = run(&sample::revoke(), &journal(), PLAIN, Some(&saved));
    assert!(text.lines().all(|line| line.chars().count() <= 80));
    insta::assert_snapshot!(text, @"
    Account 123456789012 · user deploy-bot (AIDA3EXAMPLEDEPLOYBT) · posture revoke
    Planner arn:aws:sts::123456789012:assumed-role/IncidentResponse/alice
    Read    2026-11-21T03:10:07Z, 14 calls in 3 round trips
    Exposed 2026-11-21T01:40:00Z (90 min ago)

      1  2026-11-21T03:12:40Z  run 20261121T031240Z-7c41e09a begins: contain,
                               lineage 7c41e09a7c41e09a7c41e09a7c41e09a, serial 1,
                               by arn:aws:iam::123456789012:user/alice, from desk,
                               at https://iam.amazonaws.com, plan 9f2c6a000000,
                               approved by alice@example.com with
                               SHA256:Yxk0pGoVQtK7cJ8p7bJ1d2p3Qw5Yt9n0m2r4s6u8v0w
                               (verified at 2026-11-21T03:12:40Z)
      2  2026-11-21T03:12:40Z  step 1 access_key/AKIA3EXAMPLE4LEAKED1:
                               UpdateAccessKey
    ! 3  2026-11-21T03:12:40Z  step 1 throttled at 03:12:41Z, request
                               7a62c49f-347e-4fc4-9331-6e8eEXAMPLE: Throttling: Rate
                               exceeded
      4  2026-11-21T03:12:40Z  step 1 access_key/AKIA3EXAMPLE4LEAKED1:
                               UpdateAccessKey, try 2
      5  2026-11-21T03:12:40Z  step 1 done at 03:12:41Z, request
                               7a62c49f-347e-4fc4-9331-6e8eEXAMPLE
      6  2026-11-21T03:12:40Z  fence 2026-11-21T03:13:42Z, keys off at 03:12:41Z
      7  2026-11-21T03:12:40Z  step 2 access_key/AKIA3EXAMPLE4LEAKED1: PutUserPolicy
    ! 8  2026-11-21T03:12:40Z  read back at 03:12:42Z: stored step 1, not stored
                               step 2
    ! the run was cut off: its end is not in the journal

    Steps, after everything recorded:
        access_key/AKIA3EXAMPLE4LEAKED1   stored
      ! inline_policy/RingfenceFence-7c41e09a
                                          not stored

    Saved plan.json
          sha256 9f2c6a0000000000000000000000000000000000000000000000000000000001
    Journal 8 entries,
    head 3dbf28dea4399e3d7332d4ad58ee513752b79233fbdf7e0d1e26332adc9c3b8d
    ");
}

#[test]
fn a_run_of_several_names_the_principal_of_each_journal() {
    let mut model = sample::revoke();
    assert!(!run(&model, &journal(), PLAIN, None).contains("Journal of"));
    model.principals.push(sample::principal("ci-runner", "AIDA3EXAMPLECIRUNNER"));
    model.principals[1].lineage = crate::lineage::Lineage::new([1; 16]);
    // Also where nothing was to be done.
    model.principals[0].steps.clear();
    let text = run(&model, &journal(), PLAIN, None);
    let whose = "\nJournal of user `deploy-bot` (AIDA3EXAMPLEDEPLOYBT):\n";
    assert!(text.contains(whose) && !text.contains("Journal of user `ci-runner`"), "{text}");
    // No key is turned off any more.
    assert!(text.contains("counted from 03:12:41Z") && !text.contains("keys off"), "{text}");
}
