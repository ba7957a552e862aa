//! What a seed gives: users, a posture, a line, an adversary.

use jiff::{SignedDuration, Timestamp};
use ringfence::plan::OnDrift;
use ringfence::posture::Posture;
use ringfence::sandbox::adversary::Means;
use ringfence::sandbox::{Random, Trouble};
use std::time::Duration;

/// When every run begins.
const START: i64 = 1_790_000_000;
/// When what is not young was made.
const OLD: SignedDuration = SignedDuration::from_hours(-100 * 24);
/// When what is younger than any exposure was made.
const YOUNG: SignedDuration = SignedDuration::from_mins(-40);
/// When the exposure began, where that is known.
const SINCE: SignedDuration = SignedDuration::from_hours(-26);

const ATTACHABLE: [&str; 10] = [
    "AmazonS3FullAccess",
    "IAMReadOnlyAccess",
    "AmazonEC2ReadOnlyAccess",
    "AmazonS3ReadOnlyAccess",
    "IAMFullAccess",
    "IAMSelfManageServiceSpecificCredentials",
    "IAMUserChangePassword",
    "IAMUserSSHKeys",
    "PowerUserAccess",
    "SignInLocalDevelopmentAccess",
];

/// What the role is called.
pub const ROLE: &str = "release";

/// Actions whose denial to the responder leaves something unread, or a step open.
const DENIABLE: [&str; 7] = [
    "iam:ListSSHPublicKeys",
    "iam:GetLoginProfile",
    "iam:ListServiceSpecificCredentials",
    "iam:GetAccountSummary",
    "iam:PutUserPolicy",
    "iam:AttachUserPolicy",
    "iam:UpdateSSHPublicKey",
];

#[must_use]
pub fn start() -> Timestamp {
    Timestamp::from_second(START).unwrap()
}

#[must_use]
pub fn managed(name: &str) -> String {
    format!("arn:aws:iam::aws:policy/{name}")
}

/// A credential that a user begins with.
#[derive(Clone, Copy, Debug)]
pub struct Credential {
    pub made: Timestamp,
    pub active: bool,
}

/// A user as the run finds it.
#[derive(Clone, Debug)]
pub struct Person {
    pub name: &'static str,
    pub keys: Vec<Credential>,
    pub ssh_keys: Vec<Credential>,
    pub certificates: Vec<Credential>,
    pub service_credentials: Vec<Credential>,
    pub password: Option<Credential>,
    pub groups: usize,
    pub attached: Vec<String>,
    /// How many characters of the quota of inline policies somebody else's takes (F15).
    pub inline: usize,
    pub boundary: Option<String>,
    /// Whether a session was minted with the first key before.
    pub session: bool,
}

/// Everything that a seed gives but the course of the run.
#[derive(Clone, Debug)]
pub struct Drawn {
    pub seed: u64,
    pub people: Vec<Person>,
    /// Whether a role that the users may assume is contained with them.
    pub role: bool,
    pub posture: Posture,
    pub since: Option<Timestamp>,
    /// Whether the leaked key of the first user is named.
    pub named: bool,
    pub on_drift: OnDrift,
    pub settle_s: u32,
    pub trouble: Trouble,
    /// The longest delay between storing and enforcing, in seconds.
    pub lag_s: i64,
    /// By how much the responder's clock is ahead.
    pub ahead: SignedDuration,
    pub adversary: Option<Means>,
    /// What the responder may not do.
    pub denied: Vec<&'static str>,
}

impl Drawn {
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut random = Random::of(seed, "request");
        let posture = posture(&mut random);
        let since = random.per_mille(500).then(|| start() + SINCE);
        let named = random.per_mille(650);
        let refuse = random.per_mille(350);
        let settle_s = *random.pick(&[0, 5, 30]).unwrap();
        let mut people = vec![person(seed, "bot", true)];
        if random.per_mille(300) {
            people.push(person(seed, "ci", false));
        }
        let mut random = Random::of(seed, "surroundings");
        let calm = random.per_mille(150);
        let trouble = Trouble {
            latency: Duration::from_millis(*random.pick(&[0, 50, 400, 2_000]).unwrap()),
            patience: Duration::from_secs(*random.pick(&[1, 5, 20]).unwrap()),
            ..if calm { Trouble::none() } else { Trouble::drawn(seed) }
        };
        let lag_s = *random.pick(&[0, 0, 1, 5, 10]).unwrap();
        let ahead = match random.below(4) {
            0 => SignedDuration::from_secs(i64::try_from(random.below(7_200)).unwrap() - 3_600),
            _ => SignedDuration::ZERO,
        };
        let mut means = Means::drawn(seed);
        means.acts = means.acts.min(25);
        // Of its own, so that a seed is otherwise the incident that it was without a role.
        let mut of_role = Random::of(seed, "role");
        let role = of_role.per_mille(300);
        means.touches_roles = role && of_role.per_mille(700);
        let adversary = random.per_mille(700).then_some(means);
        let mut denied = Vec::new();
        while random.per_mille(90) {
            denied.push(*random.pick(&DENIABLE).unwrap());
        }
        Self {
            seed,
            people,
            role,
            posture,
            since,
            named,
            on_drift: if refuse { OnDrift::Refuse } else { OnDrift::Tighten },
            settle_s,
            trouble,
            lag_s,
            ahead,
            adversary,
            denied,
        }
    }
}

/// One of the built-in postures, or one with rules of its own (D3).
fn posture(random: &mut Random) -> Posture {
    let name = *random
        .pick(&["revoke", "revoke", "revoke", "quarantine", "quarantine", "lockdown", "lockdown"])
        .unwrap();
    let mut posture = Posture::built_in(name).unwrap();
    if !random.per_mille(300) {
        return posture;
    }
    posture.name = format!("{name}-own");
    let rules: [(&str, &str); 12] = [
        ("access_keys", "all"),
        ("access_keys", "named"),
        ("sessions", "keep"),
        ("permissions", "deny-managed"),
        ("permissions", "deny"),
        ("login_profile", "delete"),
        ("ssh_keys", "deactivate"),
        ("groups", "remove"),
        ("groups", "remove"),
        ("permissions_boundary", "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"),
        ("fence_margin", "30s"),
        ("fence_margin", "5m"),
    ];
    for _ in 0..=random.below(3) {
        let (rule, value) = random.pick(&rules).unwrap();
        let mut tried = posture.clone();
        tried.set(rule, value).unwrap();
        if tried.check().is_ok() {
            posture = tried;
        }
    }
    posture
}

fn person(seed: u64, name: &'static str, leaked: bool) -> Person {
    let mut random = Random::of(seed, name);
    let mut some = |most: u64, rarely: u16| -> Vec<Credential> {
        let count = if random.per_mille(rarely) { random.below(most + 1) } else { 0 };
        (0..count)
            .map(|_| Credential {
                made: start() + if random.per_mille(200) { YOUNG } else { OLD },
                active: random.per_mille(850),
            })
            .collect()
    };
    let (ssh_keys, certificates, service_credentials) = (some(3, 500), some(2, 300), some(2, 300));
    let password = some(1, 700).pop();
    let mut keys = some(1, 1000);
    let first = Credential {
        made: start() + if random.per_mille(150) { YOUNG } else { OLD },
        active: leaked || random.per_mille(900),
    };
    keys.insert(0, first);
    let full = random.per_mille(150);
    let count = if full { 8 + random.below(3) } else { random.below(3) };
    let mut attached: Vec<String> =
        ATTACHABLE.iter().take(usize::try_from(count).unwrap()).map(|name| managed(name)).collect();
    if random.per_mille(30) {
        attached.truncate(9);
        attached.push(managed("AWSDenyAll"));
    } else if random.per_mille(80) {
        attached.truncate(9);
        attached.push(managed("AWSCompromisedKeyQuarantineV2"));
    }
    let inline = if random.per_mille(200) { 1_500 + random.below(500) } else { 0 };
    let boundaries = ["AdministratorAccess", "PowerUserAccess"];
    Person {
        name,
        keys,
        ssh_keys,
        certificates,
        service_credentials,
        password,
        groups: usize::try_from(random.below(3)).unwrap(),
        attached,
        inline: usize::try_from(inline).unwrap(),
        boundary: random.per_mille(150).then(|| managed(random.pick(&boundaries).unwrap())),
        session: random.per_mille(600),
    }
}
