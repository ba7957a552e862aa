//! One attack script on the sandbox and on ministack: who may still act, at every phase of every
//! posture. What AWS does is written beside each check; the sandbox must do just that, and where
//! ministack does otherwise it is in [`DISAGREEMENTS`], with what AWS documents.

use super::place::{Place, ringfence};
use super::wire::{Reply, Wire};
use crate::support::{ALLOW_ALL, Aws, Credentials, Ran, World};
use jiff::SignedDuration;
use std::collections::BTreeSet;

const USER: &str = "deploy-bot";
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"sts:AssumeRole"}]}"#;
const SSH_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl nobody";
const ROLE: &str = "arn:aws:iam::123456789012:role/release";

/// How many checks the script has at least.
const AT_LEAST: usize = 40;

/// Where ministack answers otherwise than AWS documents: the end of a check's name, and why.
const DISAGREEMENTS: &[(&str, &str)] = &[
    (
        "/ session token calls IAM",
        "F10: without MFA a GetSessionToken session cannot call IAM; ministack lets it",
    ),
    (
        "/ before / federated token calls IAM",
        "F10: a GetFederationToken session cannot call IAM; ministack lets it",
    ),
    (
        "/ before / federated token assumes the role",
        "F10: of STS a GetFederationToken session may call GetCallerIdentity only; ministack lets it",
    ),
];

/// One check: what was tried, whether AWS allows it, and whether it was allowed.
#[derive(Debug)]
struct Check {
    name: String,
    documented: bool,
    allowed: bool,
    code: String,
}

/// Either of the two.
enum Where {
    Sandbox(Box<Place>),
    Emulator(Box<World>),
}

impl Where {
    fn wire(&self) -> Wire {
        match self {
            Self::Sandbox(place) => place.wire(),
            // It holds no clock against whoever signs; tokens it dates by its own.
            Self::Emulator(world) => {
                Wire { port: world.emulator.port, now: world.emulator.clock.now() }
            }
        }
    }

    fn admin(&self) -> Credentials {
        match self {
            Self::Sandbox(place) => place.admin(),
            Self::Emulator(_) => Credentials::root(),
        }
    }

    fn client(&self) -> Aws {
        let url = format!("http://127.0.0.1:{}", self.wire().port);
        Aws::new(&url, &self.admin())
    }

    fn forward(&self, by: SignedDuration) {
        match self {
            Self::Sandbox(place) => place.clock.forward(by),
            Self::Emulator(world) => world.emulator.clock.forward(by),
        }
    }

    #[track_caller]
    fn make(&self, action: &str, with: &[(&str, &str)]) -> Reply {
        let reply = self.wire().call(&self.admin(), action, with);
        assert_eq!(reply.code(), "ok", "{action}: {}", reply.body);
        reply
    }

    #[track_caller]
    fn ringfence(&self, arguments: &[&str]) -> Ran {
        let ran = match self {
            Self::Sandbox(place) => {
                ringfence(place.directory.path(), &place.url(), &place.admin(), arguments)
            }
            Self::Emulator(world) => world.ringfence(arguments),
        };
        assert_eq!(ran.code, 0, "{arguments:?}\n{}{}", ran.out, ran.err);
        ran
    }
}

/// The attacker's credentials, and production's.
struct Hands {
    leaked: Credentials,
    second: Credentials,
    session: Credentials,
    federated: Credentials,
    role: Credentials,
}

struct Script {
    place: Where,
    posture: &'static str,
    checks: Vec<Check>,
}

impl Script {
    fn note(&mut self, phase: &str, what: &str, documented: bool, reply: &Reply) {
        self.checks.push(Check {
            name: format!("{} / {phase} / {what}", self.posture),
            documented,
            allowed: reply.status == 200,
            code: reply.code().to_owned(),
        });
    }

    fn buckets(&mut self, phase: &str, what: &str, who: &Credentials, documented: bool) {
        let reply = self.place.wire().list_buckets(who);
        self.note(phase, what, documented, &reply);
    }

    fn call(&mut self, phase: &str, what: &str, who: &Credentials, action: &str, documented: bool) {
        let with: &[(&str, &str)] = match action {
            "sts:AssumeRole" => &[("RoleArn", ROLE), ("RoleSessionName", "again")],
            "sts:GetFederationToken" => &[("Name", "again")],
            _ => &[],
        };
        let reply = self.place.wire().call(who, action, with);
        self.note(phase, what, documented, &reply);
    }

    fn set_up(&self) -> Hands {
        let user = ("UserName", USER);
        let wire = || self.place.wire();
        self.place.make("iam:CreateUser", &[user]);
        let policy = [user, ("PolicyName", "work"), ("PolicyDocument", ALLOW_ALL)];
        self.place.make("iam:PutUserPolicy", &policy);
        self.place.make(
            "iam:CreateRole",
            &[("RoleName", "release"), ("AssumeRolePolicyDocument", TRUST)],
        );
        let policy =
            [("RoleName", "release"), ("PolicyName", "work"), ("PolicyDocument", ALLOW_ALL)];
        self.place.make("iam:PutRolePolicy", &policy);
        let leaked = self.place.make("iam:CreateAccessKey", &[user]).credentials();
        let second = self.place.make("iam:CreateAccessKey", &[user]).credentials();
        let long = ("DurationSeconds", "129600");
        let session = wire().call(&leaked, "sts:GetSessionToken", &[long]).credentials();
        let with = [("Name", "ops"), long, ("Policy", ALLOW_ALL)];
        let federated = wire().call(&leaked, "sts:GetFederationToken", &with).credentials();
        let with = [("RoleArn", ROLE), ("RoleSessionName", "nightly")];
        let role = wire().call(&leaked, "sts:AssumeRole", &with).credentials();
        Hands { leaked, second, session, federated, role }
    }

    fn run(mut self) -> Vec<Check> {
        let hands = self.set_up();
        let revoke = self.posture == "revoke";
        let denies = self.posture == "lockdown";

        let phase = "before";
        self.buckets(phase, "leaked key", &hands.leaked, true);
        self.buckets(phase, "second key", &hands.second, true);
        self.buckets(phase, "session token", &hands.session, true);
        self.buckets(phase, "federated token", &hands.federated, true);
        self.buckets(phase, "role session", &hands.role, true);
        // F10: without MFA neither may call IAM.
        self.call(phase, "session token calls IAM", &hands.session, "iam:ListUsers", false);
        self.call(phase, "federated token calls IAM", &hands.federated, "iam:ListUsers", false);
        self.call(phase, "session token assumes the role", &hands.session, "sts:AssumeRole", true);
        self.call(phase, "session token mints", &hands.session, "sts:GetSessionToken", false);
        self.call(
            phase,
            "federated token assumes the role",
            &hands.federated,
            "sts:AssumeRole",
            false,
        );
        self.call(
            phase,
            "federated token asks who it is",
            &hands.federated,
            "sts:GetCallerIdentity",
            true,
        );

        let plan = ["plan", "--access-key", &hands.leaked.id, "--posture", self.posture];
        self.place.ringfence(&[&plan[..], &["--out", "plan.json"]].concat());
        self.place.ringfence(&["apply", "plan.json", "--auto-approve"]);

        let phase = "contained";
        self.buckets(phase, "leaked key", &hands.leaked, false);
        self.call(
            phase,
            "leaked key asks who it is",
            &hands.leaked,
            "sts:GetCallerIdentity",
            false,
        );
        self.call(phase, "leaked key mints", &hands.leaked, "sts:GetSessionToken", false);
        // Revoke leaves the key that was not named (F4: no fence touches a long-term key).
        self.buckets(phase, "second key", &hands.second, revoke);
        self.call(phase, "second key calls IAM", &hands.second, "iam:ListUsers", revoke);
        self.call(phase, "second key assumes the role", &hands.second, "sts:AssumeRole", revoke);
        // F3: the user's policies count for both, at each request.
        self.buckets(phase, "session token", &hands.session, false);
        self.buckets(phase, "federated token", &hands.federated, false);
        self.call(phase, "session token assumes the role", &hands.session, "sts:AssumeRole", false);
        // F6: it cannot be denied, and F2: the token is still one.
        self.call(
            phase,
            "session token asks who it is",
            &hands.session,
            "sts:GetCallerIdentity",
            true,
        );
        // F3, F12.
        self.buckets(phase, "role session", &hands.role, true);
        self.call(phase, "role session calls IAM", &hands.role, "iam:ListUsers", true);

        // Somebody turns the second key on behind ringfence's back where it is off, and mints.
        let on = |script: &Self, status: &str| {
            let with = [("UserName", USER), ("AccessKeyId", &hands.second.id), ("Status", status)];
            script.place.make("iam:UpdateAccessKey", &with);
        };
        if !revoke {
            on(&self, "Active");
        }
        let phase = "minted again";
        self.buckets(phase, "second key on", &hands.second, !denies);
        // F6: minting cannot be denied.
        let inside = self.place.wire().call(&hands.second, "sts:GetSessionToken", &[]);
        self.note(phase, "second key mints a session token", true, &inside);
        let inside = inside.credentials();
        self.call(
            phase,
            "second key mints a federated token",
            &hands.second,
            "sts:GetFederationToken",
            !denies,
        );
        // F8: the fence lies ahead of the key-off, so that this one is covered too.
        self.buckets(phase, "session token inside the margin", &inside, false);
        self.place.forward(SignedDuration::from_mins(17));
        let phase = "after the margin";
        let after = self.place.wire().call(&hands.second, "sts:GetSessionToken", &[]);
        self.note(phase, "second key mints a session token", true, &after);
        let after = after.credentials();
        // F7: not older than the fence; only an unconditional deny stops it (F24).
        self.buckets(phase, "new session token", &after, !denies);
        self.buckets(phase, "session token inside the margin", &inside, false);
        self.buckets(phase, "old session token", &hands.session, false);
        self.buckets(phase, "old federated token", &hands.federated, false);
        self.buckets(phase, "role session", &hands.role, true);
        if !revoke {
            on(&self, "Inactive");
        }

        let mut release = vec!["rollback", "--user", USER, "--lift-fence-now"];
        for key in [&hands.leaked.id, &hands.second.id] {
            if !revoke || *key == hands.leaked.id {
                release.extend(["--reactivate-key", key]);
            }
        }
        release.extend(["--out", "release.json"]);
        self.place.ringfence(&release);
        self.place.ringfence(&["apply", "release.json", "--auto-approve"]);

        let phase = "released";
        self.buckets(phase, "leaked key, wanted back", &hands.leaked, true);
        self.buckets(phase, "second key", &hands.second, true);
        // F2, F9: they were stopped, not ended.
        self.buckets(phase, "old session token", &hands.session, true);
        self.buckets(phase, "old federated token", &hands.federated, true);
        self.buckets(phase, "role session", &hands.role, true);
        self.call(phase, "session token calls IAM", &hands.session, "iam:ListUsers", false);
        self.checks
    }
}

fn in_sandbox(posture: &'static str) -> Vec<Check> {
    let place = Place::new();
    // The program signs with the machine's clock, which is never more than 15 minutes away.
    place.clock.forward(SignedDuration::from_mins(-8));
    Script { place: Where::Sandbox(Box::new(place)), posture, checks: Vec::new() }.run()
}

fn on_ministack(posture: &'static str) -> Vec<Check> {
    let place = Where::Emulator(Box::new(World::ministack()));
    Script { place, posture, checks: Vec::new() }.run()
}

#[test]
fn the_attack_script_comes_out_as_aws_documents_it_and_ministack_agrees() {
    let (mut count, mut met, mut wrong) = (0, BTreeSet::new(), Vec::new());
    for posture in ["revoke", "quarantine", "lockdown"] {
        let (ours, theirs) = (in_sandbox(posture), on_ministack(posture));
        assert_eq!(ours.len(), theirs.len());
        for (ours, theirs) in ours.iter().zip(&theirs) {
            count += 1;
            assert_eq!(ours.name, theirs.name);
            if ours.allowed != ours.documented {
                wrong.push(format!(
                    "{}: the sandbox says {}, documented otherwise",
                    ours.name, ours.code
                ));
            }
            let known = DISAGREEMENTS.iter().find(|(end, _)| ours.name.ends_with(end));
            match (known, ours.allowed == theirs.allowed) {
                (None, true) => {}
                (Some((end, why)), false) => {
                    println!("{}: ministack says {}; {why}", ours.name, theirs.code);
                    met.insert(*end);
                }
                (None, false) => wrong.push(format!(
                    "{}: the sandbox says {}, ministack {}",
                    ours.name, ours.code, theirs.code
                )),
                (Some(_), true) => {
                    wrong.push(format!("{}: listed as a disagreement, and is none", ours.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= AT_LEAST, "only {count} checks");
    assert_eq!(met.len(), DISAGREEMENTS.len(), "a disagreement has gone: {met:?}");
}

/// What moto can show: it enforces nothing, so what is stored is compared, phase by phase.
#[test]
fn moto_stores_what_the_sandbox_stores() {
    for posture in ["revoke", "quarantine", "lockdown"] {
        let stored =
            [Where::Sandbox(Box::new(Place::new())), Where::Emulator(Box::new(World::moto()))]
                .map(|place| phases(&place, posture));
        assert_eq!(stored[0], stored[1], "{posture}");
        let contained = stored[0].iter().find(|line| line.starts_with("contained")).unwrap();
        assert!(contained.contains("Inactive"), "{contained}");
        assert_eq!(
            stored[0][0].trim_start_matches("before"),
            stored[0][2].trim_start_matches("released")
        );
    }
}

fn phases(place: &Where, posture: &str) -> Vec<String> {
    let client = place.client();
    client.user(USER);
    let user = ("UserName", USER);
    let leaked = place.make("iam:CreateAccessKey", &[user]).credentials();
    let second = place.make("iam:CreateAccessKey", &[user]).credentials();
    client.password(USER);
    place.make("iam:UploadSSHPublicKey", &[user, ("SSHPublicKeyBody", SSH_KEY)]);
    client.certificate(USER);
    client.group("builders", USER);
    let look = |phase: &str| {
        let facts = client.facts(USER).into_iter().filter_map(|(key, value)| {
            let (kind, name) = key.split_once('/').unwrap_or((&key, ""));
            let name = match kind {
                "access_key" if name == leaked.id => "leaked",
                "access_key" if name == second.id => "second",
                "ssh_key" | "signing_certificate" => "",
                // Its name and its document hold the lineage of the run.
                "inline_policy" if name.starts_with("Ringfence") => {
                    let denies = value.contains(r#""Effect":"Deny""#);
                    let dated = value.contains("TokenIssueTime");
                    return Some(format!("{kind}/ringfence's: denies {denies}, by time {dated}"));
                }
                "tag" | "attached_policy" if name.to_lowercase().contains("ringfence") => {
                    return Some(format!("{kind}/ringfence's"));
                }
                "id" => return None,
                _ => name,
            };
            Some(format!("{kind}/{name} = {value}"))
        });
        let mut facts: Vec<String> = facts.collect();
        facts.sort();
        format!("{phase}\n{}", facts.join("\n"))
    };
    let mut seen = vec![look("before")];
    let plan = ["plan", "--access-key", &leaked.id, "--posture", posture, "--out", "plan.json"];
    place.ringfence(&plan);
    place.ringfence(&["apply", "plan.json", "--auto-approve"]);
    seen.push(look("contained"));
    let mut release: Vec<String> =
        ["rollback", "--user", USER, "--lift-fence-now", "--out", "release.json"]
            .map(str::to_owned)
            .into();
    release.extend(["--reactivate-key".to_owned(), leaked.id.clone()]);
    if posture != "revoke" {
        release.extend(["--reactivate-key".to_owned(), second.id.clone()]);
        let others = client.facts(USER).into_keys();
        let others = others
            .filter(|key| key.starts_with("ssh_key/") || key.starts_with("signing_certificate/"));
        release.extend(others.flat_map(|key| ["--reactivate".to_owned(), key]));
    }
    // The deny of a lockdown stays while a password may be the attacker's.
    if posture == "lockdown" {
        release.extend(["--reactivate", "login_profile"].map(str::to_owned));
    }
    let release: Vec<&str> = release.iter().map(String::as_str).collect();
    place.ringfence(&release);
    place.ringfence(&["apply", "release.json", "--auto-approve"]);
    seen.push(look("released"));
    seen
}
