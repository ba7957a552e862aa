//! What stories are made of: users of many shapes, postures, requests, and what others do meanwhile.

use super::model::{ACCOUNT, Ask, Fate, Section, Trouble, attached, member, start};
use jiff::{SignedDuration, Timestamp};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use ringfence::identity::AccessKeyId;
use ringfence::policy::{FenceTime, PolicyDocument, deny_all_arn, fence, hold};
use ringfence::posture::{BUILT_IN, Posture};
use ringfence::snapshot::{
    AccessKey, Entity, InlinePolicy, LastUsed, LoginProfile, MfaDevice, Missing, Observed, Quotas,
    Role, RoleQuotas, ServiceCredential, Snapshot, Status, Uploaded, User,
};

pub const QUARANTINE: &str = "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3";
pub const BOUNDARY: &str = "arn:aws:iam::111122223333:policy/team-boundary";
pub const POSTURE_BOUNDARY: &str = "arn:aws:iam::111122223333:policy/contained";

/// When the key leaked, in every story that knows.
pub fn exposure() -> Timestamp {
    start().saturating_sub(SignedDuration::from_hours(27)).unwrap()
}

/// The time a credential was made: before the exposure, at it, or after.
fn made() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        3 => (1i64..400 * 86_400).prop_map(|s| exposure() - SignedDuration::from_secs(s)),
        1 => Just(exposure()),
        1 => (1i64..26 * 3600).prop_map(|s| exposure() + SignedDuration::from_secs(s)),
    ]
}

fn status() -> impl Strategy<Value = Status> {
    prop_oneof![3 => Just(Status::Active), 1 => Just(Status::Inactive)]
}

pub fn key_id(n: usize) -> AccessKeyId {
    format!("AKIAEXAMPLEKEY{n:06}").parse().unwrap()
}

fn access_key(n: usize) -> impl Strategy<Value = AccessKey> {
    let used = prop_oneof![
        Just(Observed::Read(None)),
        (0i64..30 * 86_400).prop_map(|ago| Observed::Read(Some(LastUsed {
            at: start() - SignedDuration::from_secs(ago),
            service: "s3".to_owned(),
            region: "eu-central-1".to_owned(),
        }))),
        Just(Observed::Unread(Missing {
            action: "iam:GetAccessKeyLastUsed".to_owned(),
            because: "AccessDenied".to_owned(),
            obstacle: ringfence::snapshot::Obstacle::Denied,
        })),
    ];
    (status(), made(), used).prop_map(move |(status, created_at, last_used)| AccessKey {
        id: key_id(n),
        status,
        created_at,
        last_used,
    })
}

fn uploaded(prefix: &'static str) -> impl Strategy<Value = Vec<Uploaded>> {
    vec((status(), option::weighted(0.9, made())), 0..3).prop_map(move |items| {
        let named = |(n, (status, uploaded_at))| Uploaded {
            id: format!("{prefix}{n}"),
            status,
            uploaded_at,
        };
        items.into_iter().enumerate().map(named).collect()
    })
}

fn service_credentials() -> impl Strategy<Value = Vec<ServiceCredential>> {
    let status = prop_oneof![status(), Just(Status::Expired)];
    vec((status, made()), 0..3).prop_map(|items| {
        let named = |(n, (status, created_at))| ServiceCredential {
            id: format!("ACCA{n}"),
            service: "codecommit.amazonaws.com".to_owned(),
            status,
            created_at,
            expires_at: None,
        };
        items.into_iter().enumerate().map(named).collect()
    })
}

/// A document that takes this many characters of the quota.
pub fn document_of(size: usize) -> PolicyDocument {
    let with = |pad: usize| {
        PolicyDocument::parse(&format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"s3:*","Resource":"{}"}}]}}"#,
            "x".repeat(pad)
        ))
    };
    with(size.saturating_sub(with(0).quota_size()))
}

fn document() -> impl Strategy<Value = PolicyDocument> {
    prop_oneof![
        8 => (90usize..900).prop_map(document_of),
        1 => Just(hold()),
        // Somebody else's fence, and a document that IAM would not parse either.
        1 => Just(fence(FenceTime::At(start() - SignedDuration::from_hours(90)))),
        1 => Just(PolicyDocument::parse("no json")),
    ]
}

fn inline_policies(quota: u32) -> impl Strategy<Value = Vec<InlinePolicy>> {
    let name =
        select(vec!["deploy", "logs", "zz", "RingfenceFence-0badcafe", "RingfenceHold-0badcafe"]);
    (vec((name, document()), 0..4), any::<bool>()).prop_map(move |(policies, fill)| {
        let mut used = 0;
        let mut kept: Vec<InlinePolicy> = Vec::new();
        for (name, document) in policies {
            let fits = used + document.quota_size() <= quota as usize;
            if fits && kept.iter().all(|policy| policy.name != name) {
                used += document.quota_size();
                kept.push(InlinePolicy {
                    name: name.to_owned(),
                    document: Observed::Read(document),
                });
            }
        }
        let rest = quota as usize - used;
        if fill && rest >= 100 {
            let document = Observed::Read(document_of(rest));
            kept.push(InlinePolicy { name: "filler".to_owned(), document });
        }
        kept
    })
}

fn quotas() -> impl Strategy<Value = Quotas> {
    (
        select(vec![0u32, 1, 2, 3, 10]),
        select(vec![0u32, 120, 200, 300, 2048]),
        select(vec![None, Some((3, 1500)), Some((1499, 1500)), Some((1500, 1500))]),
    )
        .prop_map(|(attached_policies_per_user, inline_policy_size, customer_policies)| {
            Quotas { attached_policies_per_user, inline_policy_size, customer_policies, role: None }
        })
}

fn boundary() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        3 => Just(None),
        2 => Just(Some(BOUNDARY.to_owned())),
        1 => Just(Some(deny_all_arn("aws"))),
    ]
}

/// A user, or now and then a role, of any shape that IAM allows.
pub fn truth() -> impl Strategy<Value = Snapshot> {
    prop_oneof![
        4 => named_truth("deploy-bot", "AIDAEXAMPLE1", 0),
        1 => role_truth("deploy-bot", "AROAEXAMPLE1"),
    ]
}

/// A role of any shape that IAM allows: it has the policies of a user, and no credentials.
pub fn role_truth(name: &'static str, id: &'static str) -> impl Strategy<Value = Snapshot> {
    (named_truth(name, id, 0), any::<bool>()).prop_map(move |(user, served)| {
        let mut truth = role(name, id);
        truth.permissions_boundary = user.permissions_boundary;
        truth.attached_policies = user.attached_policies;
        truth.inline_policies = user.inline_policies;
        let quotas = *user.quotas.read().unwrap();
        let role = RoleQuotas {
            attached_policies: quotas.attached_policies_per_user,
            inline_policy_size: quotas.inline_policy_size,
        };
        truth.quotas = Observed::Read(Quotas { role: Some(role), ..quotas });
        if served && let Entity::Role(role) = &mut truth.entity {
            role.instance_profiles = Observed::Read(vec!["web".to_owned()]);
        }
        truth
    })
}

/// A role that whoever is in the account may assume, and that has nothing.
pub fn role(name: &str, id: &str) -> Snapshot {
    let trust = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{ACCOUNT}:root"}},"Action":"sts:AssumeRole"}}]}}"#
    );
    let quotas = Quotas { role: Some(RoleQuotas::default()), ..Quotas::default() };
    Snapshot {
        entity: Entity::Role(Role {
            name: name.parse().unwrap(),
            id: id.parse().unwrap(),
            arn: format!("arn:aws:iam::{ACCOUNT}:role/{name}").parse().unwrap(),
            created_at: exposure() - SignedDuration::from_hours(24 * 400),
            trust: Observed::Read(PolicyDocument::parse(&trust)),
            max_session_s: 3_600,
            last_used: None,
            instance_profiles: Observed::Read(Vec::new()),
        }),
        quotas: Observed::Read(quotas),
        ..empty(name, id)
    }
}

pub fn named_truth(
    name: &'static str,
    id: &'static str,
    first_key: usize,
) -> impl Strategy<Value = Snapshot> {
    let credentials = (
        (access_key(first_key), access_key(first_key + 1), 0usize..3),
        option::of((made(), any::<bool>())),
        uploaded("APKA"),
        uploaded("CERT"),
        service_credentials(),
    );
    let rest = quotas().prop_flat_map(|quotas| {
        let arns = vec![
            deny_all_arn("aws"),
            QUARANTINE.to_owned(),
            "arn:aws:iam::aws:policy/ReadOnlyAccess".to_owned(),
            "arn:aws:iam::111122223333:policy/deploy".to_owned(),
        ];
        let most = arns.len().min(quotas.attached_policies_per_user as usize);
        (
            Just(quotas),
            subsequence(arns, 0..=most),
            inline_policies(quotas.inline_policy_size),
            subsequence(vec!["devs", "ops", "readers"], 0..=3),
            boundary(),
            any::<bool>(),
        )
    });
    (credentials, rest).prop_map(move |(credentials, rest)| {
        let ((one, two, keys), password, ssh, certs, creds) = credentials;
        let (quotas, arns, inline, groups, boundary, mfa) = rest;
        let mut truth = empty(name, id);
        truth.access_keys = Observed::Read([one, two].into_iter().take(keys).collect());
        truth.login_profile = Observed::Read(
            password
                .map(|(created_at, reset_required)| LoginProfile { created_at, reset_required }),
        );
        truth.ssh_keys = Observed::Read(ssh);
        truth.signing_certificates = Observed::Read(certs);
        truth.service_credentials = Observed::Read(creds);
        if mfa {
            truth.mfa_devices = Observed::Read(vec![MfaDevice {
                serial_number: format!("arn:aws:iam::{ACCOUNT}:mfa/{name}"),
                enabled_at: exposure(),
            }]);
        }
        truth.groups = Observed::Read(groups.into_iter().map(member).collect());
        truth.permissions_boundary = boundary;
        truth.attached_policies = Observed::Read(arns.iter().map(|arn| attached(arn)).collect());
        truth.inline_policies = Observed::Read(inline);
        truth.quotas = Observed::Read(quotas);
        truth.sort();
        truth
    })
}

/// A user who has nothing.
pub fn empty(name: &str, id: &str) -> Snapshot {
    Snapshot {
        read_at: start(),
        entity: Entity::User(User {
            name: name.parse().unwrap(),
            id: id.parse().unwrap(),
            arn: format!("arn:aws:iam::{ACCOUNT}:user/{name}").parse().unwrap(),
            created_at: exposure() - SignedDuration::from_hours(24 * 400),
            password_last_used: None,
        }),
        access_keys: Observed::Read(Vec::new()),
        login_profile: Observed::Read(None),
        ssh_keys: Observed::Read(Vec::new()),
        signing_certificates: Observed::Read(Vec::new()),
        service_credentials: Observed::Read(Vec::new()),
        mfa_devices: Observed::Read(Vec::new()),
        groups: Observed::Read(Vec::new()),
        permissions_boundary: None,
        attached_policies: Observed::Read(Vec::new()),
        inline_policies: Observed::Read(Vec::new()),
        tags: Observed::Read([("team".to_owned(), "web".to_owned())].into()),
        managed_policies: Vec::new(),
        quotas: Observed::Read(Quotas::default()),
    }
}

/// An Active key made before the exposure.
pub fn old_key(n: usize) -> AccessKey {
    AccessKey {
        id: key_id(n),
        status: Status::Active,
        created_at: exposure() - SignedDuration::from_hours(24 * 200),
        last_used: Observed::Read(None),
    }
}

pub fn built_in(name: &str) -> Posture {
    Posture::built_in(name).unwrap()
}

/// Every posture that a configuration can declare.
pub fn posture() -> impl Strategy<Value = Posture> {
    let rules = (
        select(vec!["keep", "named", "all"]),
        select(vec!["keep", "fence"]),
        select(vec!["keep", "deny-managed", "deny"]),
        select(vec!["keep", "keep", "keep", "delete"]),
        vec(select(vec!["keep", "deactivate"]), 3),
        select(vec!["keep", "remove"]),
        select(vec!["keep", "keep", "keep", POSTURE_BOUNDARY]),
        option::of(select(vec!["30s", "5m"])),
    );
    let any_rules = rules.prop_map(
        |(keys, sessions, permissions, password, rest, groups, boundary, margin)| {
            let mut posture = built_in("revoke");
            let mut set = |rule: &str, value: &str| posture.set(rule, value).unwrap();
            set("access_keys", keys);
            set("sessions", sessions);
            set("permissions", permissions);
            set("login_profile", password);
            set("ssh_keys", rest[0]);
            set("signing_certificates", rest[1]);
            set("service_credentials", rest[2]);
            set("groups", groups);
            set("permissions_boundary", boundary);
            if let Some(margin) = margin {
                set("fence_margin", margin);
            }
            posture.name = "custom".to_owned();
            posture.check().unwrap();
            posture
        },
    );
    prop_oneof![select(BUILT_IN.to_vec()).prop_map(built_in), any_rules]
}

pub fn ask() -> impl Strategy<Value = Ask> {
    let named = subsequence(vec![key_id(0), key_id(1)], 0..=2);
    (posture(), option::of(Just(exposure())), named).prop_map(|(posture, since, named)| Ask {
        posture,
        since,
        named,
    })
}

/// Sections whose absence a plan can do without.
pub fn hidden() -> impl Strategy<Value = Vec<Section>> {
    use Section as S;
    let all = vec![
        S::AccessKeys,
        S::LoginProfile,
        S::SshKeys,
        S::Certificates,
        S::ServiceCredentials,
        S::MfaDevices,
        S::Groups,
        S::Attached,
        S::Inline,
        S::InlineDocuments,
        S::Tags,
        S::Quotas,
    ];
    subsequence(all, 0..=4)
}

pub fn trouble() -> impl Strategy<Value = Trouble> {
    let fate = prop_oneof![
        4 => Just(Fate::Normal),
        2 => Just(Fate::Refused),
        1 => Just(Fate::Throttled),
        1 => Just(Fate::AnswerLost),
        1 => Just(Fate::CallLost),
        1 => Just(Fate::TooLate),
    ];
    (vec(fate, 0..10), any::<bool>(), option::weighted(0.3, 0usize..20)).prop_map(
        |(fates, read_back, killed_after)| Trouble {
            fates,
            read_back,
            killed_after,
            strict: false,
        },
    )
}
