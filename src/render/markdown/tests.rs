//! The plan as a pull request shows it.

use super::*;
use crate::policy::PolicyDocument;
use crate::render::Saved;
use crate::render::sample::{self, DIGEST};
use crate::resource::{Resource, Value};

#[test]
fn the_plan_of_the_screens() {
    let saved = Saved { path: "plan.json", digest: DIGEST };
    insta::assert_snapshot!(plan(&sample::revoke(), Some(&saved)), @r#"
    ## ringfence plan: user `deploy-bot`, posture revoke

    **Plan: 1 to create, 1 to change, 0 to remove. Everything can be undone.**

    - Account `123456789012`, planned by `arn:aws:sts::123456789012:assumed-role/IncidentResponse/alice`
    - User `deploy-bot` (`AIDA3EXAMPLEDEPLOYBT`)
    - `deploy-bot` exposed 2026-11-21T01:40:00Z

    |  | resource | change | wave | can be undone |
    | --- | --- | --- | --- | --- |
    | `~` | `access_key/AKIA3EXAMPLE4LEAKED1` | status Active -> Inactive | 1 | yes |
    | `+` | `inline_policy/RingfenceFence-7c41e09a` | fence | 2 | yes |

    | left live |  |
    | --- | --- |
    | `access_key/AKIA3EXAMPLE5SECOND2` | Active; created 2026-04-21T00:00:00Z |
    | `login_profile` | **!** password; created 2026-11-21T02:32:00Z, after the exposure; only --posture lockdown stops it, reversibly |
    | roles it may have assumed | not in this plan: ringfence trace |

    <details><summary>~ <code>access_key/AKIA3EXAMPLE4LEAKED1</code></summary>

    - **!** a workload may still use this key: it will stop working

    </details>

    <details><summary>+ <code>inline_policy/RingfenceFence-7c41e09a</code></summary>

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

    - Read 2026-11-21T03:10:07Z, 14 calls in 3 round trips
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
    second.read.calls = 99;
    let cut = |text: String| text.split_once("<details><summary>As read").unwrap().0.to_owned();
    assert_eq!(cut(plan(&first, None)), cut(plan(&second, None)));
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
    let text = plan(&model, None);
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
    insta::assert_snapshot!(text, @r#"
    ## ringfence plan: user `deploy-bot`, posture revoke

    **Plan: 1 to create, 1 to change, 0 to remove. Everything can be undone.**

    - Account `123456789012`, planned by `arn:aws:sts::123456789012:assumed-role/IncidentResponse/alice`
    - User `deploy-bot` (`AIDA3EXAMPLEDEPLOYBT`)
    - Incident ````x\u{1b}[2J\u{202e}\|y```\u{a}</details><script>@bob [a](http://e.example)````
    - `deploy-bot` exposed 2026-11-21T01:40:00Z

    |  | resource | change | wave | can be undone |
    | --- | --- | --- | --- | --- |
    | `~` | `access_key/AKIA3EXAMPLE4LEAKED1` | status Active -> Inactive | 1 | yes |
    | `+` | ````inline_policy/x\u{1b}[2J\u{202e}\|y```\u{a}</details><script>@bob [a](http://e.example)```` | absent -> policy of 37 characters | 2 | yes |

    - **!** x\\u{1b}\[2J\\u{202e}\|y\`\`\`\\u{a}&lt;/details&gt;&lt;script&gt;@<!-- -->bob \[a\](http:<!-- -->//e.example)

    | left live |  |
    | --- | --- |
    | `access_key/AKIA3EXAMPLE5SECOND2` | Active; created 2026-04-21T00:00:00Z; x\\u{1b}\[2J\\u{202e}\|y\`\`\`\\u{a}&lt;/details&gt;&lt;script&gt;@<!-- -->bob \[a\](http:<!-- -->//e.example) |
    | `login_profile` | **!** password; created 2026-11-21T02:32:00Z, after the exposure; only --posture lockdown stops it, reversibly |
    | roles it may have assumed | not in this plan: ringfence trace |

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

    - Read 2026-11-21T03:10:07Z, 14 calls in 3 round trips
    - `deploy-bot` `AKIA3EXAMPLE4LEAKED1`: last recorded use 2 min ago, s3 in eu-west-1
    - `deploy-bot` `AKIA3EXAMPLE5SECOND2`: last recorded use 4 min ago, s3 in eu-west-1

    </details>
    "#);
}

#[test]
fn several_users() {
    insta::assert_snapshot!(plan(&sample::lockdown(), None), @r#"
    ## ringfence plan: 2 users, posture lockdown

    **Plan: 4 to create, 2 to change, 1 to remove. 1 step cannot be undone.**

    **!** no key was named for user \`deploy-bot\`: all 2 Active keys will stop working

    - Account `123456789012`, planned by `arn:aws:sts::123456789012:assumed-role/IncidentResponse/alice`
    - **!** Endpoint `http://127.0.0.1:4566` (not AWS)
    - Incident `INC-2041`
    - `ci-runner` exposed 2026-11-21T01:40:00Z

    ### User `deploy-bot` (`AIDA3EXAMPLEDEPLOYBT`)

    |  | resource | change | wave | can be undone |
    | --- | --- | --- | --- | --- |
    | `+` | `inline_policy/RingfenceHold-7c41e09a` | absent -> hold | 1 | yes |
    | `+` | `attached_policy/arn:aws:iam::aws:policy/AWSDenyAll` | absent -> attached | 1 | yes |
    | `~` | `access_key/AKIA3EXAMPLE4LEAKED1` | status Active -> Inactive | 2 | yes |
    | `~` | `access_key/AKIA3EXAMPLE5SECOND2` | status Active -> Inactive | 2 | yes |
    | `+` | `inline_policy/RingfenceFence-7c41e09a` | fence | 4 | yes |

    <details><summary>+ <code>inline_policy/RingfenceHold-7c41e09a</code></summary>

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

    <details><summary>+ <code>inline_policy/RingfenceFence-7c41e09a</code></summary>

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

    <details><summary>As read</summary>

    - Read 2026-11-21T03:10:07Z, 14 calls in 3 round trips
    - `deploy-bot` `AKIA3EXAMPLE4LEAKED1`: last recorded use 2 min ago, s3 in eu-west-1
    - `deploy-bot` `AKIA3EXAMPLE5SECOND2`: last recorded use 4 min ago, s3 in eu-west-1
    - `ci-runner` `AKIA3EXAMPLE4LEAKED1`: last recorded use 2 min ago, s3 in eu-west-1
    - `ci-runner` `AKIA3EXAMPLE5SECOND2`: last recorded use 4 min ago, s3 in eu-west-1

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
