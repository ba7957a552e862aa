//! Models made by hand for the tests of this module: the incident of the screens.

use crate::approval::Approval;
use crate::identity::{UserName, Who};
use crate::lineage::Lineage;
use crate::plan::{
    Change, Compromised, Drifted, FORMAT_VERSION, Kept, Kind, LeftLive, OnDrift, Plan,
    PrincipalKind, PrincipalPlan, ReadCost, Settle, Step, Why,
};
use crate::policy::{FenceTime, fence, hold};
use crate::posture::Posture;
use crate::resource::{Resource, Value};
use crate::snapshot::{AccessKey, Entity, LastUsed, Observed, Quotas, Snapshot, Status, User};
use crate::state::{Clock, Held, HeldStatus, Principal, Run, RunEnd, State};
use crate::view::{Ending, FenceView, Finding, PrincipalEnding, Standing};
use jiff::Timestamp;

pub(super) const LEAKED: &str = "AKIA3EXAMPLE4LEAKED1";
pub(super) const SECOND: &str = "AKIA3EXAMPLE5SECOND2";
pub(super) const FENCE: &str = "inline_policy/RingfenceFence-7c41e09a";
pub(super) const DIGEST: &str = "9f2c6a0000000000000000000000000000000000000000000000000000000001";
pub(super) const HEAD: &str = "41ab770000000000000000000000000000000000000000000000000000000002";
pub(super) const RUN: &str = "20261121T031240Z-7c41e09a";

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(super) fn resource(text: &str) -> Resource {
    text.parse().unwrap()
}

pub(super) fn key(id: &str) -> Resource {
    resource(&format!("access_key/{id}"))
}

pub(super) fn lineage() -> Lineage {
    "7c41e09a7c41e09a7c41e09a7c41e09a".to_owned().try_into().unwrap()
}

fn used(time: &str) -> LastUsed {
    LastUsed { at: at(time), service: "s3".into(), region: "eu-west-1".into() }
}

pub(super) fn snapshot(name: &str, id: &str) -> Snapshot {
    let key = |id: &str, created: &str, time: &str| AccessKey {
        id: id.parse().unwrap(),
        status: Status::Active,
        created_at: at(created),
        last_used: Observed::Read(Some(used(time))),
    };
    Snapshot {
        read_at: at("2026-11-21T03:10:07Z"),
        entity: Entity::User(User {
            name: name.parse().unwrap(),
            id: id.parse().unwrap(),
            arn: format!("arn:aws:iam::123456789012:user/{name}").parse().unwrap(),
            created_at: at("2025-01-01T00:00:00Z"),
            password_last_used: None,
        }),
        access_keys: Observed::Read(vec![
            key(LEAKED, "2026-01-01T00:00:00Z", "2026-11-21T03:08:00Z"),
            key(SECOND, "2026-04-21T00:00:00Z", "2026-11-21T03:06:00Z"),
        ]),
        login_profile: Observed::Read(None),
        ssh_keys: Observed::Read(Vec::new()),
        signing_certificates: Observed::Read(Vec::new()),
        service_credentials: Observed::Read(Vec::new()),
        mfa_devices: Observed::Read(Vec::new()),
        groups: Observed::Read(Vec::new()),
        permissions_boundary: None,
        attached_policies: Observed::Read(Vec::new()),
        inline_policies: Observed::Read(Vec::new()),
        tags: Observed::Read(std::collections::BTreeMap::new()),
        managed_policies: Vec::new(),
        quotas: Observed::Read(Quotas::default()),
    }
}

/// A step whose action follows from its values.
pub(crate) fn step(
    id: u32,
    wave: u32,
    of: &str,
    before: Option<Value>,
    after: Option<Value>,
) -> Step {
    Step {
        id,
        wave,
        resource: resource(of),
        action: match (&before, &after) {
            (None, _) => Change::Create,
            (_, None) => Change::Delete,
            _ => Change::Update,
        },
        before,
        after,
        reversible: true,
        reason: String::new(),
        cautions: Vec::new(),
    }
}

pub(super) fn key_off(id: u32, wave: u32, key: &str) -> Step {
    let of = format!("access_key/{key}");
    let [before, after] = [Status::Active, Status::Inactive].map(Value::Status);
    Step {
        cautions: vec!["a workload may still use this key: it will stop working".into()],
        ..step(id, wave, &of, Some(before), Some(after))
    }
}

pub(super) fn fence_on(id: u32, wave: u32) -> Step {
    Step {
        reason: "ends every session of this user issued until then, legitimate ones too".into(),
        cautions: vec!["sessions that renew themselves (console) are not ended for certain".into()],
        ..step(id, wave, FENCE, None, Some(Value::Document(fence(FenceTime::AfterApply))))
    }
}

pub(super) fn principal(name: &str, id: &str) -> PrincipalPlan {
    let snapshot = snapshot(name, id);
    PrincipalPlan {
        kind: PrincipalKind::User,
        name: name.parse().unwrap(),
        id: id.parse().unwrap(),
        arn: snapshot.arn().clone(),
        lineage: lineage(),
        previous_lineage: None,
        serial: 0,
        since: None,
        compromised: Vec::new(),
        sessions: Vec::new(),
        usage: None,
        snapshot,
        steps: Vec::new(),
        left_live: Vec::new(),
        kept: Vec::new(),
        drift: Vec::new(),
        given_up: Vec::new(),
        blocked: Vec::new(),
        warnings: Vec::new(),
        unread: Vec::new(),
    }
}

pub(super) fn who(name: &str) -> Who {
    Who::User(user(name))
}

pub(crate) fn deploy_bot() -> PrincipalPlan {
    principal("deploy-bot", "AIDA3EXAMPLEDEPLOYBT")
}

pub(crate) fn plan_of(kind: Kind, posture: &str, principals: Vec<PrincipalPlan>) -> Plan {
    Plan {
        format_version: FORMAT_VERSION,
        ringfence_version: "0.1.0".into(),
        kind,
        created_at: at("2026-11-21T03:10:07Z"),
        planned_by: "arn:aws:sts::123456789012:assumed-role/IncidentResponse/alice"
            .parse()
            .unwrap(),
        account_id: "123456789012".parse().unwrap(),
        partition: "aws".into(),
        endpoint: "https://iam.amazonaws.com".into(),
        incident: None,
        read: ReadCost { calls: 14, round_trips: 3 },
        posture: Posture::built_in(posture).unwrap(),
        on_drift: OnDrift::Refuse,
        settle: Settle::read_back_only(),
        fence_margin_s: 60,
        override_protection: false,
        cut_workloads: false,
        trace: None,
        finding: None,
        recover: None,
        approval: None,
        principals,
        content_sha256: String::new(),
    }
}

/// The plan of `screens.md`.
pub(crate) fn revoke() -> Plan {
    let live = |resource: Option<Resource>, what: &str| LeftLive {
        resource,
        what: what.into(),
        created_at: None,
        last_used: None,
        suspect: false,
        remedy: None,
    };
    let bot = PrincipalPlan {
        since: Some(at("2026-11-21T01:40:00Z")),
        compromised: vec![Compromised { resource: key(LEAKED), why: Why::Named }],
        steps: vec![key_off(1, 1, LEAKED), fence_on(2, 2)],
        left_live: vec![
            LeftLive {
                created_at: Some(at("2026-04-21T00:00:00Z")),
                last_used: Some(used("2026-11-21T03:06:00Z")),
                ..live(Some(key(SECOND)), "Active")
            },
            LeftLive {
                created_at: Some(at("2026-11-21T02:32:00Z")),
                suspect: true,
                remedy: Some("only --posture lockdown stops it, reversibly".into()),
                ..live(Some(Resource::LoginProfile), "password")
            },
            LeftLive {
                remedy: Some("not in this plan: ringfence trace".into()),
                ..live(None, "roles it may have assumed")
            },
        ],
        ..deploy_bot()
    };
    plan_of(Kind::Contain, "revoke", vec![bot])
}

/// Two users locked down, on an endpoint that is not AWS's, nobody having named a key of the first.
pub(crate) fn lockdown() -> Plan {
    let deny_all = "attached_policy/arn:aws:iam::aws:policy/AWSDenyAll";
    let mut delete = step(7, 3, "login_profile", Some(Value::Password), None);
    delete.reversible = false;
    delete.reason = "posture asks for it".into();
    let bot = PrincipalPlan {
        compromised: vec![
            Compromised { resource: key(LEAKED), why: Why::NoKeyNamed },
            Compromised { resource: key(SECOND), why: Why::NoKeyNamed },
        ],
        steps: vec![
            step(1, 1, "inline_policy/RingfenceHold-7c41e09a", None, Some(Value::Document(hold()))),
            step(2, 1, deny_all, None, Some(Value::Attached)),
            key_off(4, 2, LEAKED),
            key_off(5, 2, SECOND),
            fence_on(8, 4),
        ],
        ..deploy_bot()
    };
    let runner = PrincipalPlan {
        since: Some(at("2026-11-21T01:40:00Z")),
        steps: vec![step(3, 1, deny_all, None, Some(Value::Attached)), delete],
        warnings: vec!["AWS itself has attached AWSCompromisedKeyQuarantineV3: it is left alone, and contains little".into()],
        unread: vec![crate::snapshot::Unread {
            what: "ssh keys".into(),
            action: "iam:ListSSHPublicKeys".into(),
            because: "AccessDenied: not authorized to perform iam:ListSSHPublicKeys".into(),
        }],
        ..principal("ci-runner", "AIDA3EXAMPLECIRUNNER")
    };
    let mut plan = plan_of(Kind::Contain, "lockdown", vec![bot, runner]);
    plan.endpoint = "http://127.0.0.1:4566".into();
    plan.incident = Some("INC-2041".into());
    plan
}

/// The release of `screens.md`.
pub(crate) fn release() -> Plan {
    let fence = Value::Document(fence(FenceTime::At(at("2026-11-21T03:13:42Z"))));
    let mut lift = step(1, 1, FENCE, Some(fence), None);
    lift.reason =
        "every session older than 03:13:42Z has expired (fence + 36 h passed 2 h ago)".into();
    let bot = PrincipalPlan {
        steps: vec![lift],
        kept: vec![Kept {
            resource: key(LEAKED),
            why: "stays Inactive: compromised (named)".into(),
            flag: Some(format!("--reactivate-key {LEAKED} overrides")),
        }],
        drift: vec![Drifted {
            resource: resource("inline_policy/s3-all"),
            what: "created; not ours".into(),
        }],
        ..deploy_bot()
    };
    plan_of(Kind::Release, "revoke", vec![bot])
}

/// The end of the run of `screens.md`.
pub(super) fn ending() -> Ending {
    let clock = Clock::of(at("2026-11-21T03:13:42Z"), Vec::new());
    Ending {
        run: RUN.into(),
        kind: Kind::Contain,
        complete: true,
        applied_by: "arn:aws:sts::123456789012:assumed-role/IncidentResponse/alice"
            .parse()
            .unwrap(),
        stopped: false,
        left_out: Vec::new(),
        watched_s: 0,
        principals: vec![PrincipalEnding {
            held_for_s: 0,
            tampering: Vec::new(),
            who: who("deploy-bot"),
            standing: Standing::NotContained,
            holds: "leaked key off and fenced at 03:12:41Z".into(),
            read_back_at: Some(at("2026-11-21T03:12:42Z")),
            open: vec![Finding {
                resource: Some(Resource::LoginProfile),
                what: "created after the exposure, can still sign in".into(),
            }],
            notes: Vec::new(),
            fence: Some(FenceView {
                fence_time: clock.fence_time,
                lift_after: clock.lift_after,
                void: None,
            }),
            commands: vec![
                "ringfence plan --user deploy-bot --posture lockdown --out lockdown.json".into(),
            ],
            serial: 2,
            journal_head: HEAD.into(),
        }],
    }
}

/// Alice's approval of the plan.
pub(super) fn approval() -> Approval {
    Approval {
        person: "alice@example.com".into(),
        fingerprint: "SHA256:Yxk0pGoVQtK7cJ8p7bJ1d2p3Qw5Yt9n0m2r4s6u8v0w".into(),
        file: "plan.json.alice@example.com.sig".into(),
        verified_at: at("2026-11-21T03:12:40Z"),
    }
}

/// The state after the run of `screens.md`, with a later run that was cut off.
pub(crate) fn recorded() -> State {
    let written = Some(at("2026-11-21T03:12:41Z"));
    let held = |baseline, ours, status| Held {
        baseline,
        ours,
        status,
        reversible: true,
        written_at: written,
        baseline_unread: false,
    };
    let written_fence = Value::Document(fence(FenceTime::At(at("2026-11-21T03:13:42Z"))));
    let [active, inactive] = [Status::Active, Status::Inactive].map(Value::Status);
    let run = |id: &str, started: &str, end| Run {
        id: id.into(),
        kind: Kind::Contain,
        plan_sha256: DIGEST.into(),
        planned_by: Some("arn:aws:iam::123456789012:user/bob".parse().unwrap()),
        applied_by: "arn:aws:sts::123456789012:assumed-role/IncidentResponse/alice"
            .parse()
            .unwrap(),
        applied_from: Some("desk".into()),
        started_at: at(started),
        approvals: vec![approval()],
        break_glass: None,
        end,
    };
    let end = RunEnd {
        at: at("2026-11-21T03:12:42Z"),
        complete: true,
        journal_entries: 8,
        journal_head: HEAD.into(),
    };
    State {
        format_version: 1,
        ringfence_version: "0.1.0".into(),
        account_id: "123456789012".parse().unwrap(),
        partition: "aws".into(),
        endpoint: "https://iam.amazonaws.com".into(),
        principal: Principal {
            kind: PrincipalKind::User,
            name: user("deploy-bot"),
            id: "AIDA3EXAMPLEDEPLOYBT".parse().unwrap(),
            arn: "arn:aws:iam::123456789012:user/deploy-bot".parse().unwrap(),
        },
        incident: Some("INC-2041".into()),
        lineage: lineage(),
        previous_lineage: None,
        serial: 3,
        posture: Posture::built_in("revoke").unwrap(),
        since: Some(at("2026-11-21T01:40:00Z")),
        compromised: vec![Compromised { resource: key(LEAKED), why: Why::Named }],
        sessions: Vec::new(),
        resources: [
            (key(LEAKED), held(Some(active), Some(inactive), HeldStatus::Held)),
            (resource(FENCE), held(None, Some(written_fence), HeldStatus::InDoubt)),
        ]
        .into(),
        clock: Some(Clock::of(at("2026-11-21T03:13:42Z"), vec![key(LEAKED)])),
        last_seen_contained: Some(at("2026-11-21T03:13:12Z")),
        released_at: None,
        recoveries: Vec::new(),
        rights: std::collections::BTreeMap::new(),
        runs: vec![
            run(RUN, "2026-11-21T03:12:40Z", Some(end)),
            run("20261121T034802Z-7c41e09a", "2026-11-21T03:48:02Z", None),
        ],
    }
}

pub(super) fn user(name: &str) -> UserName {
    name.parse().unwrap()
}

/// A text without its colours.
pub(super) fn stripped(text: &str) -> String {
    let mut out = String::new();
    let mut parts = text.split('\u{1b}');
    out.push_str(parts.next().unwrap());
    for part in parts {
        out.push_str(part.split_once('m').unwrap().1);
    }
    out
}
