//! The plan as a pull request shows it.

use super::*;
use crate::approval::Examination;
use crate::guardrail::{Finding, Outcome};
use crate::plan::Plan;
use crate::policy::PolicyDocument;
use crate::render::sample::{self, DIGEST};
use crate::render::{Saved, words};
use crate::resource::{Resource, Value};
use crate::snapshot::{InlinePolicy, Observed};

#[test]
fn the_plan_of_the_screens() {
    let saved = Saved { path: "plan.json", digest: DIGEST, unapproved: false };
    insta::assert_snapshot!(plan(&sample::revoke(), Some(&saved), None), @r#"
    <!-- ringfence:plan user=deploy-bot account=123456789012 -->

    ## ringfence plan: user `deploy-bot`, posture revoke

    **Plan: 1 to create, 1 to change, 0 to remove. Everything can be undone.**

    - **!** Not done: 3 left live, 1 of them suspect
    - Account `123456789012`, user `deploy-bot` (`AIDA3EXAMPLEDEPLOYBT`)
    - `deploy-bot` exposed 2026-11-21T01:40:00Z

    |  | resource | change | wave | can be undone |
    | --- | --- | --- | --- | --- |
    | `~` | `access_key/AKIA3EXAMPLE4LEAKED1` | status Active -> Inactive | 1 | yes |
    | `+` | `inline_policy/RingfenceFence-…` | fence | 2 | yes |

    - **!** Left live: `login_profile`: password; created 2026-11-21T02:32:00Z, after the exposure; only --posture lockdown stops it, reversibly

    <details><summary>Left live: 3</summary>

    |  |  |
    | --- | --- |
    | `access_key/AKIA3EXAMPLE5SECOND2` | Active; created 2026-04-21T00:00:00Z |
    | `login_profile` | **!** password; created 2026-11-21T02:32:00Z, after the exposure; only --posture lockdown stops it, reversibly |
    | roles it may have assumed | not in this plan: ringfence trace |

    </details>

    <details><summary>~ <code>access_key/AKIA3EXAMPLE4LEAKED1</code></summary>

    - **!** a workload may still use this key: it will stop working

    </details>

    <details><summary>+ <code>inline_policy/RingfenceFence-…</code></summary>

    ends every session of this user issued until then, legitimate ones too

    - **!** sessions that renew themselves (console) are not ended for certain

    ```diff
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
    ```

    </details>

    <details><summary>As read</summary>

    - Read 2026-11-21T03:10:07Z, 14 calls in 3 round trips, by `arn:aws:sts::123456789012:assumed-role/IncidentResponse/alice`
    - `deploy-bot`: … stands for `7c41e09a` in the names of policies
    - `deploy-bot` `AKIA3EXAMPLE4LEAKED1`: last recorded use 2 min ago, s3 in eu-west-1
    - `deploy-bot` `AKIA3EXAMPLE5SECOND2`: last recorded use 4 min ago, s3 in eu-west-1

    </details>

    Saved `plan.json`, sha256 `9f2c6a0000000000000000000000000000000000000000000000000000000001`
    "#);
}

#[test]
fn made_again_only_the_end_differs() {
    let first = sample::revoke();
    let mut second = first.clone();
    second.created_at = sample::at("2026-11-21T09:10:07Z");
    second.planned_by = "arn:aws:sts::123456789012:assumed-role/Plan/run-2".parse().unwrap();
    second.read.calls = 99;
    // A containment that is yet to be has another lineage, and so other names, in every plan.
    let one = &mut second.principals[0];
    one.lineage = "ffffffffffffffffffffffffffffffff".to_owned().try_into().unwrap();
    one.steps[1].resource = Resource::InlinePolicy(one.lineage.fence_name());
    let mut judged = [Examination::default(), Examination::default()];
    for (judged, plan) in judged.iter_mut().zip([&first, &second]) {
        judged.verdict.needed = 1;
        judged.verdict.because = format!("deny ({})", plan.principals[0].steps[1].resource);
    }
    let cut = |plan_: &Plan, judged: &Examination| {
        let text = plan(plan_, None, Some(judged));
        text.split_once("<details><summary>As read").unwrap().0.to_owned()
    };
    let text = cut(&first, &judged[0]);
    assert_eq!(text, cut(&second, &judged[1]));
    assert!(
        text.contains("It needs 1 approval (deny (inline\\_policy/RingfenceFence-…)); 1 missing.")
    );
}

#[test]
fn a_lineage_that_is_there_is_named() {
    let mut model = sample::revoke();
    let one = &mut model.principals[0];
    let name = one.lineage.fence_name();
    let there =
        InlinePolicy { name: name.clone(), document: Observed::Read(PolicyDocument::parse("{}")) };
    one.snapshot.inline_policies = Observed::Read(vec![there]);
    let text = plan(&model, None, None);
    assert!(text.contains(&name) && !text.contains('…'), "{text}");
}

#[test]
fn users_stand_in_the_order_of_their_names() {
    let model = sample::lockdown();
    let mut turned = model.clone();
    turned.principals.reverse();
    assert_eq!(plan(&model, None, None), plan(&turned, None, None));
}

#[test]
fn how_long_it_is_until_a_time_is_left_out() {
    for (text, expected) in [
        (
            "stays until 2026-11-23T18:21:39Z (in 36 h): sessions may live until then",
            "stays until 2026-11-23T18:21:39Z: sessions may live until then",
        ),
        ("has expired (fence + 36 h passed 3 min ago)", "has expired (fence + 36 h passed)"),
        ("a rule (in place) for 36 h", "a rule (in place) for 36 h"),
    ] {
        assert_eq!(words::without_age(text), expected);
    }
}

#[test]
fn hostile_names_stay_names() {
    let mut model = sample::revoke();
    let bad = "x\u{1b}[2J\u{202e}|y```\n</details><script>@bob [a](http://e.example)";
    let one = &mut model.principals[0];
    one.steps[1].resource = Resource::InlinePolicy(bad.into());
    let document = format!("{{\"Sid\":\"{}\",\"a\":\"````\"}}", "</details> `` @bob");
    one.steps[1].after = Some(Value::Document(PolicyDocument::parse(&document)));
    one.steps[1].reason = bad.into();
    one.left_live[0].remedy = Some(bad.into());
    one.warnings.push(bad.into());
    model.incident = Some(bad.into());
    let judged = Examination {
        findings: vec![Finding {
            rule: bad.into(),
            outcome: Outcome::Deny,
            message: bad.into(),
            who: model.principals[0].who(),
            step: 2,
            resource: Resource::InlinePolicy(bad.into()),
            unread: None,
        }],
        ..Examination::default()
    };
    let text = plan(&model, None, Some(&judged));
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
    insta::assert_snapshot!(text, @r#"
    <!-- ringfence:plan user=deploy-bot account=123456789012 -->

    ## ringfence plan: user `deploy-bot`, posture revoke

    **Plan: 1 to create, 1 to change, 0 to remove. Everything can be undone.**

    - **!** Not done: 3 left live, 1 of them suspect
    - **!** Rule ````x\u{1b}[2J\u{202e}|y```\u{a}</details><script>@bob [a](http://e.example)```` denies it: x\\u{1b}\[2J\\u{202e}\|y\`\`\`\\u{a}&lt;/details&gt;&lt;script&gt;@<!-- -->bob \[a\](http:<!-- -->//e.example) (`deploy-bot`, ````inline_policy/x\u{1b}[2J\u{202e}|y```\u{a}</details><script>@bob [a](http://e.example)````)
    - It needs no approval.
    - Account `123456789012`, user `deploy-bot` (`AIDA3EXAMPLEDEPLOYBT`)
    - Incident ````x\u{1b}[2J\u{202e}|y```\u{a}</details><script>@bob [a](http://e.example)````
    - `deploy-bot` exposed 2026-11-21T01:40:00Z

    |  | resource | change | wave | can be undone |
    | --- | --- | --- | --- | --- |
    | `~` | `access_key/AKIA3EXAMPLE4LEAKED1` | status Active -> Inactive | 1 | yes |
    | `+` | ````inline_policy/x\u{1b}[2J\u{202e}\|y```\u{a}</details><script>@bob [a](http://e.example)```` | absent -> policy of 37 characters | 2 | yes |

    - **!** Left live: `login_profile`: password; created 2026-11-21T02:32:00Z, after the exposure; only --posture lockdown stops it, reversibly
    - **!** x\\u{1b}\[2J\\u{202e}\|y\`\`\`\\u{a}&lt;/details&gt;&lt;script&gt;@<!-- -->bob \[a\](http:<!-- -->//e.example)

    <details><summary>Left live: 3</summary>

    |  |  |
    | --- | --- |
    | `access_key/AKIA3EXAMPLE5SECOND2` | Active; created 2026-04-21T00:00:00Z; x\\u{1b}\[2J\\u{202e}\|y\`\`\`\\u{a}&lt;/details&gt;&lt;script&gt;@<!-- -->bob \[a\](http:<!-- -->//e.example) |
    | `login_profile` | **!** password; created 2026-11-21T02:32:00Z, after the exposure; only --posture lockdown stops it, reversibly |
    | roles it may have assumed | not in this plan: ringfence trace |

    </details>

    <details><summary>~ <code>access_key/AKIA3EXAMPLE4LEAKED1</code></summary>

    - **!** a workload may still use this key: it will stop working

    </details>

    <details><summary>+ <code>inline_policy/x\u{1b}[2J\u{202e}|y```\u{a}&lt;/details&gt;&lt;script&gt;@bob [a](http://e.example)</code></summary>

    x\\u{1b}\[2J\\u{202e}\|y\`\`\`\\u{a}&lt;/details&gt;&lt;script&gt;@<!-- -->bob \[a\](http:<!-- -->//e.example)

    - **!** sessions that renew themselves (console) are not ended for certain

    `````diff
    + {
    +   "Sid": "</details> `` @bob",
    +   "a": "````"
    + }
    `````

    </details>

    <details><summary>As read</summary>

    - Read 2026-11-21T03:10:07Z, 14 calls in 3 round trips, by `arn:aws:sts::123456789012:assumed-role/IncidentResponse/alice`
    - `deploy-bot` `AKIA3EXAMPLE4LEAKED1`: last recorded use 2 min ago, s3 in eu-west-1
    - `deploy-bot` `AKIA3EXAMPLE5SECOND2`: last recorded use 4 min ago, s3 in eu-west-1

    </details>
    "#);
}

#[test]
fn several_users() {
    insta::assert_snapshot!(plan(&sample::lockdown(), None, None), @r#"
    <!-- ringfence:plan user=ci-runner user=deploy-bot account=123456789012 -->

    ## ringfence plan: 2 users, posture lockdown

    **Plan: 4 to create, 2 to change, 1 to remove. 1 step cannot be undone.**

    - **!** no key was named for user \`deploy-bot\`: all 2 Active keys will stop working
    - **!** Not done: 1 not read
    - Account `123456789012`
    - **!** Endpoint `http://127.0.0.1:4566` (not AWS)
    - Incident `INC-2041`
    - `ci-runner` exposed 2026-11-21T01:40:00Z

    ### User `ci-runner` (`AIDA3EXAMPLECIRUNNER`)

    |  | resource | change | wave | can be undone |
    | --- | --- | --- | --- | --- |
    | `+` | `attached_policy/arn:aws:iam::aws:policy/AWSDenyAll` | absent -> attached | 1 | yes |
    | `-` | `login_profile` | set -> absent | 3 | **no** |

    - **!** AWS itself has attached AWSCompromisedKeyQuarantineV3: it is left alone, and contains little
    - **!** Not read: ssh keys, `iam:ListSSHPublicKeys` is missing: AccessDenied: not authorized to perform iam:ListSSHPublicKeys

    <details><summary>- <code>login_profile</code></summary>

    posture asks for it

    </details>

    ### User `deploy-bot` (`AIDA3EXAMPLEDEPLOYBT`)

    |  | resource | change | wave | can be undone |
    | --- | --- | --- | --- | --- |
    | `+` | `inline_policy/RingfenceHold-…` | absent -> hold | 1 | yes |
    | `+` | `attached_policy/arn:aws:iam::aws:policy/AWSDenyAll` | absent -> attached | 1 | yes |
    | `~` | `access_key/AKIA3EXAMPLE4LEAKED1` | status Active -> Inactive | 2 | yes |
    | `~` | `access_key/AKIA3EXAMPLE5SECOND2` | status Active -> Inactive | 2 | yes |
    | `+` | `inline_policy/RingfenceFence-…` | fence | 4 | yes |

    <details><summary>+ <code>inline_policy/RingfenceHold-…</code></summary>

    ```diff
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
    ```

    </details>

    <details><summary>~ <code>access_key/AKIA3EXAMPLE4LEAKED1</code></summary>

    - **!** a workload may still use this key: it will stop working

    </details>

    <details><summary>~ <code>access_key/AKIA3EXAMPLE5SECOND2</code></summary>

    - **!** a workload may still use this key: it will stop working

    </details>

    <details><summary>+ <code>inline_policy/RingfenceFence-…</code></summary>

    ends every session of this user issued until then, legitimate ones too

    - **!** sessions that renew themselves (console) are not ended for certain

    ```diff
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
    ```

    </details>

    <details><summary>As read</summary>

    - Read 2026-11-21T03:10:07Z, 14 calls in 3 round trips, by `arn:aws:sts::123456789012:assumed-role/IncidentResponse/alice`
    - `ci-runner`: … stands for `7c41e09a` in the names of policies
    - `ci-runner` `AKIA3EXAMPLE4LEAKED1`: last recorded use 2 min ago, s3 in eu-west-1
    - `ci-runner` `AKIA3EXAMPLE5SECOND2`: last recorded use 4 min ago, s3 in eu-west-1
    - `deploy-bot` `AKIA3EXAMPLE4LEAKED1`: last recorded use 2 min ago, s3 in eu-west-1
    - `deploy-bot` `AKIA3EXAMPLE5SECOND2`: last recorded use 4 min ago, s3 in eu-west-1

    </details>
    "#);
}

#[test]
fn an_ending_and_a_state() {
    insta::assert_snapshot!(ending(&sample::ending()), @r"
    ## ringfence run `20261121T031240Z-7c41e09a`

    ### User `deploy-bot`

    - Leaked key off and fenced at 03:12:41Z: stored, and read back once at 03:12:42Z (usually enforced within seconds; AWS allows minutes).
    - **!** NOT contained: login\_profile, created after the exposure, can still sign in
    - The fence may be lifted after 2026-11-22T15:18:42Z (in 36 h).
    - `ringfence plan --user deploy-bot --posture lockdown --out lockdown.json`
    - Serial 2
    - Journal head `41ab770000000000000000000000000000000000000000000000000000000002`
    ");
    insta::assert_snapshot!(state(&crate::render::sample::recorded()), @"
    ## ringfence state: user `deploy-bot`, posture revoke

    - Account `123456789012`, user ID `AIDA3EXAMPLEDEPLOYBT`
    - Lineage `7c41e09a7c41e09a7c41e09a7c41e09a`, serial 3
    - Incident `INC-2041`
    - Exposed 2026-11-21T01:40:00Z
    - Fence 2026-11-21T03:13:42Z, may be lifted after 2026-11-22T15:18:42Z
    - **!** the fence does not count: `access_key/AKIA3EXAMPLE4LEAKED1` could still mint
    - Seen contained 2026-11-21T03:13:12Z

    | compromised | why |
    | --- | --- |
    | `access_key/AKIA3EXAMPLE4LEAKED1` | named |

    | resource | status | before | as left |
    | --- | --- | --- | --- |
    | `access_key/AKIA3EXAMPLE4LEAKED1` | held | Active | Inactive |
    | `inline_policy/RingfenceFence-7c41e09a` | in doubt | absent | fence 2026-11-21T03:13:42Z |

    | run | started | by | approved by | end |
    | --- | --- | --- | --- | --- |
    | `20261121T031240Z-7c41e09a` | 2026-11-21T03:12:40Z | `arn:aws:sts::123456789012:assumed-role/IncidentResponse/alice` | alice@<!-- -->example.com | complete |
    | `20261121T034802Z-7c41e09a` | 2026-11-21T03:48:02Z | `arn:aws:sts::123456789012:assumed-role/IncidentResponse/alice` | alice@<!-- -->example.com | **!** cut off |
    ");
}
