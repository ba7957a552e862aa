//! The report of an incident as a ticket shows it.

use super::report;
use crate::report::tests::{read, source};
use crate::report::{Now, report as told};
use crate::view::Standing;

#[test]
fn the_incident_of_the_screens_as_it_was_found_weakened() {
    insta::assert_snapshot!(report(&told(&source(true, read(Standing::Weakened)))), @r#"
    # Incident INC-2041

    **The containment of user `deploy-bot` is weakened, as read at 2026-11-21T04:00:00Z.**

    Stage: **assessed** · contained · recovered · released

    ## What happened, and when

    | no. | time | what | whose | told |
    | --- | --- | --- | --- | --- |
    | 1 | 2026-11-21T01:40:00Z | exposed | user `deploy-bot` | the time of exposure, as it was named |
    | 2 | 2026-11-21T03:10:07Z | planned |  | contain by arn:aws:iam::123456789012:user/bob |
    | 3 | 2026-11-21T03:12:40Z | approved |  | alice@<!-- -->example.com with SHA256:Yxk0pGoVQtK7cJ8p7bJ1d2p3Qw5Yt9n0m2r4s6u8v0w |
    | 4 | 2026-11-21T03:12:40Z | run begins |  | contain by arn:aws:sts::123456789012:assumed-role/IncidentResponse/alice |
    | 5 | 2026-11-21T03:12:41Z | step | user `deploy-bot` | access\_key/AKIA3EXAMPLE4LEAKED1: Inactive |
    | 6 | 2026-11-21T03:12:42Z | step | user `deploy-bot` | inline\_policy/RingfenceFence-7c41e09a: fence 2026-11-21T03:13:42Z |
    | 7 | 2026-11-21T03:12:53Z | **!** tampering seen | user `deploy-bot` | access\_key/AKIA3EXAMPLE4LEAKED1 is Active again |
    | 8 | 2026-11-21T03:12:54Z | step | user `deploy-bot` | access\_key/AKIA3EXAMPLE4LEAKED1: Inactive |
    | 9 | 2026-11-21T03:13:12Z | read back | user `deploy-bot` | 3 of 3 steps read back as written at 2026-11-21T03:13:12Z, watched for 30 s, undone 1 time meanwhile, held for the last 18 s |
    | 10 | 2026-11-21T03:13:12Z | run ends |  | contain, complete |
    | 11 | 2026-11-21T03:13:42Z | fence time | user `deploy-bot` | sessions issued before are denied |
    | 12 | 2026-11-21T04:00:00Z | read again |  | for this report |
    | 13 | 2026-11-22T15:18:42Z | fence may go | user `deploy-bot` | every session that it stops has expired by then |

    ## What was contained, and how it was verified

    ### user `deploy-bot`

    - The containment of user `deploy-bot` is weakened, as read at 2026-11-21T04:00:00Z.
    - Account `123456789012`, ID `AIDA3EXAMPLEDEPLOYBT`
    - Posture revoke, stage assessed
    - Exposed 2026-11-21T01:40:00Z
    - Compromised: `access_key/AKIA3EXAMPLE4LEAKED1` (named)
    - Fence 2026-11-21T03:13:42Z, may be lifted after 2026-11-22T15:18:42Z
    - not read: ssh keys (iam:ListSSHPublicKeys)

    Run `20261121T031240Z-7c41e09a`, contain, complete. 3 of 3 steps read back as written at 2026-11-21T03:13:12Z, watched for 30 s, undone 1 time meanwhile, held for the last 18 s.

    - **!** access\_key/AKIA3EXAMPLE4LEAKED1 is Active again, seen at 2026-11-21T03:12:53Z

    | resource | before | after | done | read back | stands |
    | --- | --- | --- | --- | --- | --- |
    | `access_key/AKIA3EXAMPLE4LEAKED1` | Active | Inactive | 2026-11-21T03:12:41Z | 2026-11-21T03:13:12Z | stored |
    | `inline_policy/RingfenceFence-7c41e09a` | absent | fence 2026-11-21T03:13:42Z | 2026-11-21T03:12:42Z | 2026-11-21T03:13:12Z | stored |
    | `access_key/AKIA3EXAMPLE4LEAKED1` | Active | Inactive | 2026-11-21T03:12:54Z | 2026-11-21T03:13:12Z | stored |


    ## Before and after

    `access_key/AKIA3EXAMPLE4LEAKED1` in run `20261121T031240Z-7c41e09a`:

    ```diff
    - Active
    + Inactive
    ```

    `inline_policy/RingfenceFence-7c41e09a` in run `20261121T031240Z-7c41e09a`:

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
    +           "aws:TokenIssueTime": "2026-11-21T03:13:42Z"
    +         }
    +       }
    +     }
    +   ]
    + }
    ```

    `access_key/AKIA3EXAMPLE4LEAKED1` in run `20261121T031240Z-7c41e09a`:

    ```diff
    - Active
    + Inactive
    ```


    ## Who planned, approved and applied

    | run | planned by | approved by | applied by | end |
    | --- | --- | --- | --- | --- |
    | `20261121T031240Z-7c41e09a` contain | `arn:aws:iam::123456789012:user/bob` 2026-11-21T03:10:07Z | alice@<!-- -->example.com, SHA256:Yxk0pGoVQtK7cJ8p7bJ1d2p3Qw5Yt9n0m2r4s6u8v0w | `arn:aws:sts::123456789012:assumed-role/IncidentResponse/alice` from desk 2026-11-21T03:12:40Z | complete 2026-11-21T03:13:12Z |

    ## Still open

    - **!** user `deploy-bot`: access\_key/AKIA3EXAMPLE4LEAKED1 is Active again
    - `ringfence apply --again --user deploy-bot`

    ## What cannot be known

    - what user `deploy-bot` had when it was read now: not read: ssh keys (iam:ListSSHPublicKeys)
    - from which second on what was stored was enforced everywhere: AWS usually enforces within seconds and allows minutes, and cannot be asked
    - whether the record itself was changed by somebody who may write it: its hashes show accidents; they show tampering only against a journal head that was kept elsewhere
    - when others undid, changed or made what is listed as tampering: it is found by reading: the time is when it was seen
    - what the compromised credentials were used for, which sessions and roles were reached with them, and what was left behind: no trace was given: ringfence trace, then ringfence report --trace FILE

    ## Commands used

    As the record tells them: these do the same. The names of the plans' files, flags that changed nothing, and those that say how AWS and the store are reached are not recorded.

    | time | command | by |
    | --- | --- | --- |
    | 2026-11-21T03:10:07Z | `ringfence plan --user deploy-bot --access-key AKIA3EXAMPLE4LEAKED1 --posture revoke --since 2026-11-21T01:40:00Z --incident INC-2041 --out plan.json` | `arn:aws:sts::123456789012:assumed-role/IncidentResponse/alice` |
    | 2026-11-21T03:12:40Z | `ringfence apply plan.json` | `arn:aws:sts::123456789012:assumed-role/IncidentResponse/alice` |

    <details><summary>The steps of run 20261121T031240Z-7c41e09a as AWS CLI commands</summary>

    ```sh
    #!/bin/sh
    # ringfence plan: user deploy-bot, account 123456789012
    # Plan: 1 to create, 1 to change, 0 to remove. Everything can be undone.
    # These commands do the same steps by hand. They do not look for drift, and write no state:
    # ringfence will not know of them. Review them, save them to a file, and run it with sh,
    # with credentials of the account in the environment. A command that fails does not stop the next.
    AWS_PAGER=; export AWS_PAGER

    # The user must still be the one that was planned for, by its ID and not its name.
    user_1=$(aws iam get-user --user-name deploy-bot --query User.UserId --output text)
    [ "$user_1" = AIDA3EXAMPLEDEPLOYBT ] || echo 'user deploy-bot is not the one planned for: left out' >&2

    # wave 1
    if [ "$user_1" = AIDA3EXAMPLEDEPLOYBT ]; then
      # step 1, access_key/AKIA3EXAMPLE4LEAKED1
      aws iam update-access-key --user-name deploy-bot --access-key-id AKIA3EXAMPLE4LEAKED1 --status Inactive
    fi

    # wave 2
    # The fence: the clock of this machine, now that the keys are off, and 61 s. ringfence takes
    # the clock of AWS instead, so see that this one is right. A clock that is behind lets sessions
    # through. The fence does not count while a key that was to be turned off is Active.
    fence_s=$(( $(date +%s) + 61 ))
    fence=$(date -u -d "@$fence_s" +%Y-%m-%dT%H:%M:%SZ 2>/dev/null || date -u -r "$fence_s" +%Y-%m-%dT%H:%M:%SZ)
    if [ "$user_1" = AIDA3EXAMPLEDEPLOYBT ]; then
      # step 2, inline_policy/RingfenceFence-7c41e09a: ends every session of this user issued until then, legitimate ones too
      [ -n "$fence" ] && aws iam put-user-policy --user-name deploy-bot --policy-name RingfenceFence-7c41e09a --policy-document "$(printf '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"DateLessThan":{"aws:TokenIssueTime":"%s"}}}]}' "$fence")"
    fi

    # Look at what is stored now. AWS enforces it within seconds, and allows itself minutes.
    aws iam list-access-keys --user-name deploy-bot --output text
    aws iam list-user-policies --user-name deploy-bot --output text
    aws iam list-attached-user-policies --user-name deploy-bot --output text
    ```

    </details>

    ## Digests

    | run | SHA-256 of the plan | head of the journal |
    | --- | --- | --- |
    | `20261121T031240Z-7c41e09a` user `deploy-bot` | `9f2c6a0000000000000000000000000000000000000000000000000000000001` | `bfa068122ea3dfe5161447d6674ffac41527812cac7f0a0455f822bbadc4a497` |

    Made by ringfence 0.1.0 at 2026-11-21T04:00:01Z by this machine's clock. Times are UTC.
    "#);
}

#[test]
fn a_run_that_was_cut_off_is_marked_at_the_top() {
    let told = told(&source(false, Now::NotRead("--offline was given".into())));
    let page = report(&told);
    let top: String = page.lines().take(9).map(|line| format!("{line}\n")).collect();
    insta::assert_snapshot!(top, @r"
    # Incident INC-2041

    **By the record alone, user `deploy-bot` is not known to be contained.**

    Stage: **assessed** · contained · recovered · released

    - **!** run 20261121T031240Z-7c41e09a was cut off: its end is not in the record
    - This is the record alone, nothing was read for it: \--offline was given
    ");
}
