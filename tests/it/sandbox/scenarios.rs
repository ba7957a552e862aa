//! The scenarios of `examples/scenarios`, each played, and each compared with what it says of itself.

use super::place::{Place, RINGFENCE, held};
use crate::support::{Credentials, tree};
use ringfence::sandbox::scenario::Scenario;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const USER: &str = "deploy-bot";

type Kept = BTreeMap<String, Credentials>;
type Shows = fn(&Place, &Kept);

/// What each leaves behind; a file that is not here fails the test.
const SHOWN: &[(&str, Shows)] = &[
    ("federation", |place, kept| {
        // F5, F28: a federated session shows its own name.
        let who = place.wire().call(&kept["federated"], "sts:GetCallerIdentity", &[]);
        assert_eq!(who.text("Arn"), Some("arn:aws:sts::123456789012:federated-user/ops"));
        assert!(!who.body.contains(USER), "{}", who.body);
    }),
    ("filled-quota", |place, _| {
        // F15: no deny of two hundred characters fits any more.
        let fence = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"DateLessThan":{"aws:TokenIssueTime":"2026-11-22T00:00:00Z"}}}]}"#;
        let with = [("UserName", USER), ("PolicyName", "fence"), ("PolicyDocument", fence)];
        let put = place.wire().call(&place.admin(), "iam:PutUserPolicy", &with);
        assert_eq!(put.code(), "LimitExceeded", "{}", put.body);
    }),
    ("more-rights", |place, kept| {
        let list = place.wire().call(&kept["leaked-key"], "iam:ListUsers", &[]);
        assert_eq!(list.code(), "ok", "{}", list.body);
    }),
    ("password", |place, _| {
        place.make("iam:GetLoginProfile", &[("UserName", USER)]);
    }),
    ("role-chain", |place, kept| {
        // F2, F12: neither session ends with the key.
        let sessions: Vec<&Credentials> =
            kept.values().filter(|held| held.token.is_some()).collect();
        assert_eq!(sessions.len(), 2);
        let key = kept["leaked-key"].id.as_str();
        let off = [("UserName", USER), ("AccessKeyId", key), ("Status", "Inactive")];
        place.make("iam:UpdateAccessKey", &off);
        let mut roles = Vec::new();
        for session in sessions {
            assert_eq!(place.wire().list_buckets(session).code(), "ok");
            let who = place.wire().call(session, "sts:GetCallerIdentity", &[]);
            roles.push(who.text("Arn").unwrap().split('/').nth(1).unwrap().to_owned());
        }
        roles.sort();
        assert_eq!(roles, ["build", "release"]);
    }),
    ("second-user", |place, kept| {
        let who = place.wire().call(&kept["backdoor"], "sts:GetCallerIdentity", &[]);
        assert_eq!(who.text("Arn"), Some("arn:aws:iam::123456789012:user/backup"));
        assert_eq!(place.wire().call(&kept["backdoor"], "iam:ListUsers", &[]).code(), "ok");
    }),
    ("service-credential", |place, _| {
        let list = place.make("iam:ListServiceSpecificCredentials", &[("UserName", USER)]);
        assert_eq!(list.text("Status"), Some("Active"), "{}", list.body);
        assert_eq!(list.text("ServiceName"), Some("codecommit.amazonaws.com"));
    }),
    ("session-token", |place, kept| {
        // F2: the token goes on when the key that minted it is off.
        let key = kept["leaked-key"].id.as_str();
        let off = [("UserName", USER), ("AccessKeyId", key), ("Status", "Inactive")];
        place.make("iam:UpdateAccessKey", &off);
        assert_eq!(place.wire().list_buckets(&kept["stolen-token"]).code(), "ok");
        // F1: for 36 hours, and no longer.
        place.clock.forward(jiff::SignedDuration::from_secs(129_600));
        assert_eq!(place.wire().list_buckets(&kept["stolen-token"]).code(), "ExpiredToken");
    }),
    ("ssh-key", |place, _| {
        let list = place.make("iam:ListSSHPublicKeys", &[("UserName", USER)]);
        assert_eq!(list.text("Status"), Some("Active"), "{}", list.body);
    }),
    ("trust-change", |place, _| {
        let role = place.make("iam:GetRole", &[("RoleName", "release")]);
        assert!(role.body.contains("999999999999"), "{}", role.body);
    }),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/scenarios")
}

#[test]
fn every_scenario_shows_what_it_says() {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with(&format!(
            "# ringfence sandbox --scenario examples/scenarios/{name}.toml\n"
        )));
        let scenario = Scenario::parse(&text, &name).unwrap();
        assert!(scenario.about.contains("leaked key"), "{name}: {}", scenario.about);
        let place = Place::new();
        let kept = scenario.play(&place.sandbox).unwrap_or_else(|error| panic!("{name}: {error}"));
        let kept: Kept = kept.iter().map(|(name, who)| (name.clone(), held(who))).collect();
        for key in ["leaked-key", "second-key"] {
            let who = place.wire().call(&kept[key], "sts:GetCallerIdentity", &[]);
            assert_eq!(
                who.text("Arn"),
                Some("arn:aws:iam::123456789012:user/deploy-bot"),
                "{name}"
            );
        }
        let shown = SHOWN.iter().find(|(known, _)| *known == name);
        shown.unwrap_or_else(|| panic!("nothing says what {name} shows")).1(&place, &kept);
        names.push(name);
    }
    assert_eq!(names.len(), SHOWN.len(), "{names:?}");
}

/// What is wrong, and what is said of it.
const MALFORMED: &[(&str, &str)] = &[
    ("about = \"x\"\nsurprise = 1\ncall = []\n", "line 2"),
    (
        "about = \"x\"\n\n[[call]]\nby = \"admin\"\naction = \"iam:ListUsers\"\nwiht = { A = \"b\" }\n",
        "line 6",
    ),
    ("about = \"x\"\n\n[[call]]\nby = 7\naction = \"iam:ListUsers\"\n", "line 4"),
    ("about = \"x\n", "line 1"),
    (
        "about = \"x\"\n\n[[call]]\nby = \"nobody\"\naction = \"iam:ListUsers\"\n",
        "call 1 of the scenario: nobody is called `nobody`",
    ),
    (
        "about = \"x\"\n\n[[call]]\nby = \"admin\"\naction = \"iam:DeleteAccessKey\"\nid_of = { AccessKeyId = \"gone\" }\n",
        "call 1 of the scenario: nobody is called `gone`",
    ),
    (
        "about = \"x\"\n\n[[call]]\nby = \"admin\"\naction = \"iam:GetUser\"\nwith = { UserName = \"x\" }\n",
        "call 1 of the scenario: iam:GetUser by admin was answered NoSuchEntity, expected ok",
    ),
    (
        "about = \"x\"\n\n[[call]]\nby = \"admin\"\naction = \"iam:ListUsers\"\nexpect = \"AccessDenied\"\n",
        "was answered ok, expected AccessDenied",
    ),
    (
        "about = \"x\"\n\n[[call]]\nby = \"admin\"\naction = \"iam:ListUsers\"\nkeep = \"x\"\n",
        "no credentials to keep as `x`",
    ),
];

#[test]
fn a_scenario_that_is_wrong_is_refused_with_its_place() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("wrong.toml");
    for (text, said) in MALFORMED {
        std::fs::write(&file, text).unwrap();
        let output = Command::new(RINGFENCE)
            .env_clear()
            .current_dir(folder.path())
            .args(["sandbox", "--port", "0", "--scenario", "wrong.toml"])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}\n{err}");
        assert!(err.starts_with("error: ") && err.contains(said), "{text}\n{err}");
        assert!(output.stdout.is_empty(), "it opened all the same");
        assert_eq!(tree(folder.path()).len(), 2);
    }
}
