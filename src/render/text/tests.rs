//! The plan, as the screens show it.

use super::*;
use crate::plan::{Kind, Plan};
use crate::policy::PolicyDocument;
use crate::render::sample::{self, DIGEST, stripped};
use crate::render::{Saved, Screen};
use crate::resource::{Resource, Value};

const SAVED: Saved<'static> = Saved { path: "plan.json", digest: DIGEST, unapproved: false };

fn text(model: &Plan) -> String {
    plan(model, Screen::default(), None)
}

/// Identifiers never wrap, so a line may be too long only if it holds nothing but one.
fn keeps_width(text: &str, width: usize) {
    for line in text.lines() {
        let long = line.chars().count() > width;
        let words = line.split_whitespace().filter(|w| !"+-~!{}:".contains(*w)).count();
        assert!(!long || words <= 1, "{line}");
    }
}

#[test]
fn the_plan_of_the_screens() {
    let text = plan(&sample::revoke(), Screen::default(), Some(&SAVED));
    keeps_width(&text, 80);
    insta::assert_snapshot!(text, @r#"
    Account 123456789012 · user deploy-bot (AIDA3EXAMPLEDEPLOYBT) · posture revoke
    Caller  arn:aws:sts::123456789012:assumed-role/IncidentResponse/alice
    Read    2026-11-21T03:10:07Z, 14 calls in 3 round trips
    Exposed 2026-11-21T01:40:00Z (90 min ago)

    ringfence will:

      ~ access_key/AKIA3EXAMPLE4LEAKED1                                       wave 1
          status  Active -> Inactive
          last recorded use 2 min ago, s3 in eu-west-1
          ! a workload may still use this key: it will stop working

      + inline_policy/RingfenceFence-7c41e09a                                 wave 2
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
          ! sessions that renew themselves (console) are not ended for certain

    Left live:
        access_key/AKIA3EXAMPLE5SECOND2   Active, 214 days old,
                                          last recorded use 4 min ago
      ! login_profile                     created 38 min ago, after the exposure:
                                          only --posture lockdown stops it,
                                          reversibly
        roles it may have assumed         not in this plan: ringfence trace

    Plan: 1 to create, 1 to change, 0 to remove. Everything can be undone.
    Saved plan.json
          sha256 9f2c6a0000000000000000000000000000000000000000000000000000000001
    Next: ringfence apply plan.json
    "#);
}

#[test]
fn several_users_on_another_endpoint() {
    let text = plan(&sample::lockdown(), Screen::default(), Some(&SAVED));
    keeps_width(&text, 80);
    insta::assert_snapshot!(text, @r#"
    ! no key was named for user `deploy-bot`: all 2 Active keys will stop working

    Account  123456789012 · 2 users · posture lockdown
    Caller   arn:aws:sts::123456789012:assumed-role/IncidentResponse/alice
    Read     2026-11-21T03:10:07Z, 14 calls in 3 round trips
    Endpoint http://127.0.0.1:4566 (not AWS)
    Incident INC-2041

    User deploy-bot (AIDA3EXAMPLEDEPLOYBT)

    ringfence will:

      + inline_policy/RingfenceHold-7c41e09a                                  wave 1
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

      + attached_policy/arn:aws:iam::aws:policy/AWSDenyAll                    wave 1

      ~ access_key/AKIA3EXAMPLE4LEAKED1                                       wave 2
          status  Active -> Inactive
          last recorded use 2 min ago, s3 in eu-west-1
          ! a workload may still use this key: it will stop working

      ~ access_key/AKIA3EXAMPLE5SECOND2                                       wave 2
          status  Active -> Inactive
          last recorded use 4 min ago, s3 in eu-west-1
          ! a workload may still use this key: it will stop working

      + inline_policy/RingfenceFence-7c41e09a                                 wave 4
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
          ! sessions that renew themselves (console) are not ended for certain

    User ci-runner (AIDA3EXAMPLECIRUNNER)
    Exposed 2026-11-21T01:40:00Z (90 min ago)

    ringfence will:

      + attached_policy/arn:aws:iam::aws:policy/AWSDenyAll                    wave 1

      - login_profile                                                         wave 3
          posture asks for it
          ! cannot be undone

    ! AWS itself has attached AWSCompromisedKeyQuarantineV3: it is left alone, and
      contains little

    Not read:
      ! ssh keys   iam:ListSSHPublicKeys is missing:
                   AccessDenied: not authorized to perform iam:ListSSHPublicKeys

    Plan: 4 to create, 2 to change, 1 to remove. 1 step cannot be undone.
    Saved plan.json
          sha256 9f2c6a0000000000000000000000000000000000000000000000000000000001
    Next: ringfence apply plan.json
    "#);
}

#[test]
fn a_release() {
    let text = text(&sample::release());
    keeps_width(&text, 80);
    insta::assert_snapshot!(text, @"
    Account 123456789012 · user deploy-bot (AIDA3EXAMPLEDEPLOYBT) · release
    Caller  arn:aws:sts::123456789012:assumed-role/IncidentResponse/alice
    Read    2026-11-21T03:10:07Z, 14 calls in 3 round trips

    ringfence will:

      - inline_policy/RingfenceFence-7c41e09a                                 wave 1
          every session older than 03:13:42Z has expired (fence + 36 h passed 2 h
          ago)

    Kept:
        access_key/AKIA3EXAMPLE4LEAKED1   stays Inactive: compromised (named)
                                          --reactivate-key AKIA3EXAMPLE4LEAKED1
                                          overrides
    Changed by others since the apply, left alone:
      ! inline_policy/s3-all              created; not ours

    Plan: 0 to create, 0 to change, 1 to remove.
    ");
}

#[test]
fn nothing_to_do() {
    let mut model = sample::plan_of(Kind::Contain, "revoke", vec![sample::deploy_bot()]);
    insta::assert_snapshot!(text(&model), @"
    Account 123456789012 · user deploy-bot (AIDA3EXAMPLEDEPLOYBT) · posture revoke
    Caller  arn:aws:sts::123456789012:assumed-role/IncidentResponse/alice
    Read    2026-11-21T03:10:07Z, 14 calls in 3 round trips

    No changes. User `deploy-bot` is already as posture revoke asks.
    ");
    model.principals[0]
        .warnings
        .push("already contained as lockdown: nothing is loosened here".into());
    insta::assert_snapshot!(summary(&model), @"No changes to user `deploy-bot`: see what is marked with !.");
    model.principals[0].warnings.clear();
    model.principals.push(sample::principal("ci-runner", "AIDA3EXAMPLECIRUNNER"));
    insta::assert_snapshot!(summary(&model), @"No changes. Users `deploy-bot` and `ci-runner` are already as posture revoke asks.");
    model.kind = Kind::Release;
    insta::assert_snapshot!(summary(&model), @"No changes. There is nothing to release of users `deploy-bot` and `ci-runner` now.");
}

#[test]
fn what_nothing_can_do_is_open_in_the_last_line_too() {
    let mut model = sample::revoke();
    model.principals[0].steps.pop();
    model.principals[0].left_live.clear();
    model.principals[0].blocked.push(crate::plan::Blocked {
        what: "fence".into(),
        why: "inline: 1990 of 2048 characters are used, 152 are needed; attached: 10 of 10".into(),
    });
    insta::assert_snapshot!(text(&model), @"
    Account 123456789012 · user deploy-bot (AIDA3EXAMPLEDEPLOYBT) · posture revoke
    Caller  arn:aws:sts::123456789012:assumed-role/IncidentResponse/alice
    Read    2026-11-21T03:10:07Z, 14 calls in 3 round trips
    Exposed 2026-11-21T01:40:00Z (90 min ago)

    ringfence will:

      ~ access_key/AKIA3EXAMPLE4LEAKED1                                       wave 1
          status  Active -> Inactive
          last recorded use 2 min ago, s3 in eu-west-1
          ! a workload may still use this key: it will stop working

    Open, since nothing can be done now:
      ! fence   inline: 1990 of 2048 characters are used, 152 are needed; attached:
                10 of 10

    Plan: 0 to create, 1 to change, 0 to remove. Everything can be undone.
    Stays open: fence.
    ");
    model.principals.push(sample::principal("ci-runner", "AIDA3EXAMPLECIRUNNER"));
    assert!(text(&model).contains("Stays open: fence of user `deploy-bot`."));
}

#[test]
fn a_changed_document_and_a_long_boundary() {
    let document = |text: &str| Some(Value::Document(PolicyDocument::parse(text)));
    let arn =
        |name: &str| Some(Value::PolicyArn(format!("arn:aws:iam::123456789012:policy/{name}")));
    let mut bot = sample::deploy_bot();
    bot.steps = vec![
        sample::step(
            1,
            1,
            "inline_policy/s3-all",
            document(
                r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#,
            ),
            document(
                r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#,
            ),
        ),
        sample::step(2, 1, "permissions_boundary", arn("developers"), arn("quarantine-boundary")),
        sample::step(3, 1, "permissions_boundary", arn("developers"), None),
    ];
    let text = text(&sample::plan_of(Kind::Contain, "revoke", vec![bot]));
    keeps_width(&text, 80);
    insta::assert_snapshot!(text, @r#"
    Account 123456789012 · user deploy-bot (AIDA3EXAMPLEDEPLOYBT) · posture revoke
    Caller  arn:aws:sts::123456789012:assumed-role/IncidentResponse/alice
    Read    2026-11-21T03:10:07Z, 14 calls in 3 round trips

    ringfence will:

      ~ inline_policy/s3-all                                                  wave 1
            … 2 unchanged lines
              "Statement": [
                {
                  "Effect": "Allow",
          -       "Action": "*",
          +       "Action": "s3:*",
                  "Resource": "*"
                }
              ]
            }

      ~ permissions_boundary                                                  wave 1
          policy  arn:aws:iam::123456789012:policy/developers ->
                  arn:aws:iam::123456789012:policy/quarantine-boundary

      - permissions_boundary                                                  wave 1
          policy  arn:aws:iam::123456789012:policy/developers -> absent

    Plan: 0 to create, 2 to change, 1 to remove. Everything can be undone.
    "#);
}

/// A plan in which everything that AWS or an attacker chooses is hostile.
fn hostile() -> Plan {
    let mut model = sample::revoke();
    let bad = "x\u{1b}[2J\u{202e}y\r\n! `z` | </details>".to_owned();
    let one = &mut model.principals[0];
    let document = PolicyDocument::parse(&format!("not json {bad}"));
    one.steps[1].resource = Resource::InlinePolicy(bad.clone());
    one.steps[1].after = Some(Value::Document(document));
    one.steps[1].reason.clone_from(&bad);
    one.steps[1].cautions = vec![bad.clone()];
    one.left_live[0].resource = Some(Resource::Group(bad.clone()));
    one.left_live[0].what.clone_from(&bad);
    one.left_live[0].remedy = Some(bad.clone());
    one.warnings.push(bad.clone());
    one.unread.push(crate::snapshot::Unread {
        what: bad.clone(),
        action: bad.clone(),
        because: bad.clone(),
    });
    model.posture.name.clone_from(&bad);
    model.endpoint.clone_from(&bad);
    model.incident = Some(bad);
    model
}

#[test]
fn hostile_names_only_ever_show() {
    let text = text(&hostile());
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
    assert!(!text.contains('\u{202e}'));
    insta::assert_snapshot!(text, @r"
    Account  123456789012 · user deploy-bot (AIDA3EXAMPLEDEPLOYBT)
             · posture x\u{1b}[2J\u{202e}y\u{d}\u{a}! `z` | </details>
    Caller   arn:aws:sts::123456789012:assumed-role/IncidentResponse/alice
    Read     2026-11-21T03:10:07Z, 14 calls in 3 round trips
    Endpoint x\u{1b}[2J\u{202e}y\u{d}\u{a}! `z` | </details> (not AWS)
    Incident x\u{1b}[2J\u{202e}y\u{d}\u{a}! `z` | </details>
    Exposed  2026-11-21T01:40:00Z (90 min ago)

    ringfence will:

      ~ access_key/AKIA3EXAMPLE4LEAKED1                                       wave 1
          status  Active -> Inactive
          last recorded use 2 min ago, s3 in eu-west-1
          ! a workload may still use this key: it will stop working

      + inline_policy/x\u{1b}[2J\u{202e}y\u{d}\u{a}! `z` | </details>         wave 2
          + not json x\u{1b}[2J\u{202e}y
          + ! `z` | </details>
          x\u{1b}[2J\u{202e}y\u{d}\u{a}! `z` | </details>
          ! x\u{1b}[2J\u{202e}y\u{d}\u{a}! `z` | </details>

    ! x\u{1b}[2J\u{202e}y\u{d}\u{a}! `z` | </details>

    Left live:
        group/x\u{1b}[2J\u{202e}y\u{d}\u{a}! `z` | </details>
                                    x\u{1b}[2J\u{202e}y\u{d}\u{a}! `z` | </details>,
                                    214 days old, last recorded use 4 min ago:
                                    x\u{1b}[2J\u{202e}y\u{d}\u{a}! `z` | </details>
      ! login_profile               created 38 min ago, after the exposure:
                                    only --posture lockdown stops it, reversibly
        roles it may have assumed   not in this plan: ringfence trace
    Not read:
      ! x\u{1b}[2J\u{202e}y\u{d}\u{a}! `z` | </details>
                                    x\u{1b}[2J\u{202e}y\u{d}\u{a}! `z` | </details>:
                                    x\u{1b}[2J\u{202e}y\u{d}\u{a}! `z` | </details>

    Plan: 1 to create, 1 to change, 0 to remove. Everything can be undone.
    ");
}

#[test]
fn colour_only_repeats() {
    let screen = Screen { color: true, width: 80 };
    for model in [sample::revoke(), sample::lockdown(), sample::release(), hostile()] {
        let colored = plan(&model, screen, None);
        assert!(colored.contains("\u{1b}[3"));
        assert_eq!(stripped(&colored), text(&model));
    }
}

#[test]
fn a_narrow_screen_is_kept_to() {
    for model in [sample::revoke(), sample::release()] {
        let text = plan(&model, Screen { color: false, width: 50 }, None);
        for line in text.lines().filter(|line| !line.contains(['"', '/'])) {
            assert!(line.chars().count() <= 50, "{line}");
        }
    }
}

#[test]
fn a_path_is_quoted_for_the_shell() {
    let saved = Saved { path: "my plan.json", digest: DIGEST, unapproved: false };
    let text = plan(&sample::revoke(), Screen::default(), Some(&saved));
    assert!(text.ends_with("Next: ringfence apply 'my plan.json'\n"));
}
