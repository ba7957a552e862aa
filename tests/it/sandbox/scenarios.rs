//! The scenarios of `examples/scenarios`, each played, and each compared with what it says of itself.

use super::place::{Place, RINGFENCE, held, ringfence};
use crate::support::{Credentials, Ran, tree};
use ringfence::sandbox::scenario::Scenario;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const USER: &str = "deploy-bot";

type Kept = BTreeMap<String, Credentials>;
type Shows = fn(&Place, &Kept);

/// What each leaves behind; a file that is not here fails the test.
const SHOWN: &[(&str, Shows)] = &[
    ("boundary-removed", |place, kept| {
        let user = place.make("iam:GetUser", &[("UserName", USER)]);
        assert_eq!(user.text("PermissionsBoundaryArn"), None, "{}", user.body);
        let bounded = "[posture.bounded]\nextends = \"revoke\"\npermissions_boundary = \"arn:aws:iam::123456789012:policy/developers\"\n";
        let plan = contained_by(place, kept, "bounded", bounded);
        plan.line("+ permissions_boundary");
        let denied = place.wire().call(&kept["second-key"], "iam:ListUsers", &[]);
        assert!(denied.body.contains("no permissions boundary allows"), "{}", denied.body);
    }),
    ("federation", |place, kept| {
        // F5, F28: a federated session shows its own name.
        let who = place.wire().call(&kept["federated"], "sts:GetCallerIdentity", &[]);
        assert_eq!(who.text("Arn"), Some("arn:aws:sts::123456789012:federated-user/ops"));
        assert!(!who.body.contains(USER), "{}", who.body);
        // F3: the fence reaches it all the same.
        assert_eq!(place.wire().list_buckets(&kept["federated"]).code(), "ok");
        contained(place, kept, &[]);
        assert_eq!(place.wire().list_buckets(&kept["federated"]).code(), "AccessDenied");
    }),
    ("filled-quota", |place, kept| {
        // F15: no deny of two hundred characters fits any more.
        let fence = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"DateLessThan":{"aws:TokenIssueTime":"2026-11-22T00:00:00Z"}}}]}"#;
        let with = [("UserName", USER), ("PolicyName", "fence"), ("PolicyDocument", fence)];
        let put = place.wire().call(&place.admin(), "iam:PutUserPolicy", &with);
        assert_eq!(put.code(), "LimitExceeded", "{}", put.body);
        contained(place, kept, &[]).line("+ managed_policy/");
    }),
    ("joined-group", |place, kept| {
        let groups = || place.make("iam:ListGroupsForUser", &[("UserName", USER)]);
        assert_eq!(groups().text("GroupName"), Some("administrators"));
        let apart = "[posture.apart]\nextends = \"revoke\"\ngroups = \"remove\"\n";
        contained_by(place, kept, "apart", apart).line("- group/administrators");
        assert_eq!(groups().text("GroupName"), None);
        assert_eq!(lists_users(place, &kept["second-key"]), "AccessDenied");
        // D2.6: a release gives back what was there, so the attacker's own must be named.
        let release = ["rollback", "--user", USER, "--out", "release.json"];
        run(place, &release).exits(0).line("+ group/administrators");
        run(place, &[&release[..], &["--leave", "group/administrators"]].concat()).exits(0);
        run(place, &["apply", "release.json", "--auto-approve"]).exits(0);
        assert_eq!(groups().text("GroupName"), None);
    }),
    ("mfa-device", |place, kept| {
        // F10: with MFA a token of the user may call IAM, as its keys may.
        assert_eq!(lists_users(place, &kept["plain-token"]), "InvalidClientTokenId");
        assert_eq!(lists_users(place, &kept["stolen-token"]), "ok");
        contained(place, kept, &[]);
        assert_eq!(lists_users(place, &kept["stolen-token"]), "AccessDenied");
        // The device stays, and the plan's snapshot names it.
        let devices = place.make("iam:ListMFADevices", &[("UserName", USER)]);
        let serial = devices.text("SerialNumber").unwrap();
        assert_eq!(snapshot(place)["mfa_devices"][0]["serial_number"], serial);
    }),
    ("more-rights", |place, kept| {
        let list = place.wire().call(&kept["leaked-key"], "iam:ListUsers", &[]);
        assert_eq!(list.code(), "ok", "{}", list.body);
        let held = "[posture.held]\nextends = \"revoke\"\npermissions = \"deny\"\n";
        contained_by(place, kept, "held", held);
        assert_eq!(lists_users(place, &kept["second-key"]), "AccessDenied");
    }),
    ("new-key", |place, kept| {
        let (leaked, new) = (&kept["leaked-key"], &kept["new-key"]);
        let resource = format!("access_key/{}", new.id);
        let plan = ["plan", "--access-key", &leaked.id];
        assert!(run(place, &plan).exits(0).line(&resource).contains("Active"));
        contained(place, kept, &[]);
        assert_eq!(lists_users(place, new), "ok");
        // Told when the key leaked, ringfence holds what was made since to be the attacker's.
        let since = (place.clock.now() - jiff::SignedDuration::from_hours(1)).to_string();
        let plan = contained(place, kept, &["--since", &since]);
        plan.line(&format!("~ {resource}"));
        plan.line("compromised: made after the exposure");
        assert_eq!(lists_users(place, new), "InvalidClientTokenId");
    }),
    ("password", |place, kept| {
        place.make("iam:GetLoginProfile", &[("UserName", USER)]);
        says(&contained(place, kept, &[]), "only --posture lockdown stops it, reversibly");
    }),
    ("policy-version", |place, kept| {
        let policy = ("PolicyArn", "arn:aws:iam::123456789012:policy/deploy");
        let default = || {
            let policy = place.make("iam:GetPolicy", &[policy]);
            policy.text("DefaultVersionId").unwrap().to_owned()
        };
        assert_eq!(default(), "v2");
        assert_eq!(lists_users(place, &kept["second-key"]), "ok");
        run(place, &["plan", "--user", USER, "--full", "--out", "plan.json"]).exits(0);
        let rights = &snapshot(place)["attached_policies"][0]["document"]["Statement"][0];
        assert_eq!(rights["Action"], "*");
        // F24: a deny of ringfence's beats whatever the policy allows, and leaves it as it is.
        let held = "[posture.held]\nextends = \"revoke\"\npermissions = \"deny\"\n";
        contained_by(place, kept, "held", held);
        let denied = place.wire().call(&kept["second-key"], "iam:ListUsers", &[]);
        assert!(denied.body.contains("with an explicit deny"), "{}", denied.body);
        assert_eq!(default(), "v2");
    }),
    ("reactivated-key", |place, kept| {
        let leaked = &kept["leaked-key"];
        contained(place, kept, &[]);
        assert_eq!(lists_users(place, leaked), "InvalidClientTokenId");
        // F12: the role session outlives the containment of the user, and does it again.
        let on = [("UserName", USER), ("AccessKeyId", &leaked.id), ("Status", "Active")];
        let again = place.wire().call(&kept["role-session"], "iam:UpdateAccessKey", &on);
        assert_eq!(again.code(), "ok", "{}", again.body);
        let status = run(place, &["status"]).exits(2);
        status.line(&format!("! access_key/{} is Active again", leaked.id));
        status.line("ringfence apply --again --user deploy-bot");
        run(place, &["apply", "--again", "--user", USER, "--auto-approve"]).exits(0);
        assert_eq!(lists_users(place, leaked), "InvalidClientTokenId");
    }),
    ("recreated-user", |place, kept| {
        // The leaked key leads nowhere any more, so the user has to be named.
        let plan = run(place, &["plan", "--access-key", &kept["leaked-key"].id]).exits(1);
        assert!(plan.err.contains("name its user: --user NAME"), "{}", plan.err);
        assert_eq!(lists_users(place, &kept["new-key"]), "ok");
        run(place, &["apply", "--user", USER, "--auto-approve"]).exits(0);
        assert_eq!(lists_users(place, &kept["new-key"]), "InvalidClientTokenId");
        // Done again to a user that is contained, it takes the containment with it (F27).
        recreate(place, kept);
        let status = run(place, &["status"]).exits(2);
        assert!(status.out.contains("deploy-bot  gone"), "{}", status.out);
        says(&status, "another principal");
        let refused = run(place, &["rollback", "--user", USER]).exits(3);
        assert!(refused.err.contains("is not the principal that was contained"), "{}", refused.err);
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
        contained(place, kept, &[]);
        assert_eq!(lists_users(place, &kept["backdoor"]), "ok");
        // It is a user like any other, and its key is enough to find it.
        run(place, &["apply", "--access-key", &kept["backdoor"].id, "--auto-approve"]).exits(0);
        assert_eq!(lists_users(place, &kept["backdoor"]), "InvalidClientTokenId");
    }),
    ("service-credential", |place, kept| {
        let list = place.make("iam:ListServiceSpecificCredentials", &[("UserName", USER)]);
        assert_eq!(list.text("ServiceName"), Some("codecommit.amazonaws.com"));
        goes_with_quarantine(place, kept, "service_credential/", "ServiceSpecificCredentials");
    }),
    ("session-token", |place, kept| {
        // F2: the token goes on when the key that minted it is off.
        let key = kept["leaked-key"].id.as_str();
        let off = [("UserName", USER), ("AccessKeyId", key), ("Status", "Inactive")];
        place.make("iam:UpdateAccessKey", &off);
        assert_eq!(place.wire().list_buckets(&kept["stolen-token"]).code(), "ok");
        contained(place, kept, &[]);
        assert_eq!(place.wire().list_buckets(&kept["stolen-token"]).code(), "AccessDenied");
        // F1: for 36 hours, and no longer.
        place.clock.forward(jiff::SignedDuration::from_secs(129_600));
        assert_eq!(place.wire().list_buckets(&kept["stolen-token"]).code(), "ExpiredToken");
    }),
    ("signing-certificate", |place, kept| {
        goes_with_quarantine(place, kept, "signing_certificate/", "SigningCertificates");
    }),
    ("ssh-key", |place, kept| goes_with_quarantine(place, kept, "ssh_key/", "SSHPublicKeys")),
    ("trust-change", |place, kept| {
        contained(place, kept, &[]).line("roles it may have assumed");
        let role = place.make("iam:GetRole", &[("RoleName", "release")]);
        assert!(role.body.contains("999999999999"), "{}", role.body);
    }),
];

/// Scenarios in which keys of the user are gone at the end, and which.
const ENDED: &[(&str, &[&str])] = &[
    // There is room for two, and the second is the attacker's.
    ("new-key", &["second-key"]),
    ("recreated-user", &["leaked-key", "second-key"]),
];

/// A credential that a key-off leaves, and `revoke` names, goes with `quarantine`.
#[track_caller]
fn goes_with_quarantine(place: &Place, kept: &Kept, kind: &str, listed: &str) {
    let status = || {
        let list = place.make(&format!("iam:List{listed}"), &[("UserName", USER)]);
        list.text("Status").unwrap().to_owned()
    };
    says(&contained(place, kept, &[]), "--posture quarantine deactivates it");
    assert_eq!(status(), "Active");
    contained(place, kept, &["--posture", "quarantine"]).line(&format!("~ {kind}"));
    assert_eq!(status(), "Inactive");
}

fn run(place: &Place, arguments: &[&str]) -> Ran {
    ringfence(place.directory.path(), &place.url(), &place.admin(), arguments)
}

/// Plans the containment of the leaked key, applies that plan, and returns what it said.
#[track_caller]
fn contained(place: &Place, kept: &Kept, more: &[&str]) -> Ran {
    let plan = ["plan", "--access-key", &kept["leaked-key"].id, "--out", "plan.json"];
    let said = run(place, &[&plan[..], more].concat()).exits(0);
    run(place, &["apply", "plan.json", "--auto-approve"]).exits(0);
    said
}

/// The same by a posture of one's own.
#[track_caller]
fn contained_by(place: &Place, kept: &Kept, posture: &str, configuration: &str) -> Ran {
    let configuration = format!("[limits]\nsettle = \"0s\"\n{configuration}");
    std::fs::write(place.directory.path().join("ringfence.toml"), configuration).unwrap();
    contained(place, kept, &["--posture", posture])
}

/// Wherever the screen breaks the line.
#[track_caller]
fn says(ran: &Ran, text: &str) {
    let words: Vec<&str> = ran.out.split_whitespace().collect();
    assert!(words.join(" ").contains(text), "{}", ran.screen());
}

/// What the last plan has read.
fn snapshot(place: &Place) -> Value {
    let text = std::fs::read(place.directory.path().join("plan.json")).unwrap();
    let plan: Value = serde_json::from_slice(&text).unwrap();
    plan["principals"][0]["snapshot"].clone()
}

/// What somebody is answered who wants something of IAM.
fn lists_users(place: &Place, who: &Credentials) -> String {
    place.wire().call(who, "iam:ListUsers", &[]).code().to_owned()
}

/// Deletes the user with all that it has, and makes it again.
fn recreate(place: &Place, kept: &Kept) {
    let user = ("UserName", USER);
    let policy = place.make("iam:ListUserPolicies", &[user]);
    let admin = "arn:aws:iam::aws:policy/AdministratorAccess";
    let calls: [(&str, &[(&str, &str)]); 5] = [
        ("iam:DetachUserPolicy", &[user, ("PolicyArn", admin)]),
        ("iam:DeleteUserPolicy", &[user, ("PolicyName", policy.text("member").unwrap())]),
        ("iam:DeleteAccessKey", &[user, ("AccessKeyId", &kept["new-key"].id)]),
        ("iam:DeleteUser", &[user]),
        ("iam:CreateUser", &[user]),
    ];
    for (action, with) in calls {
        let reply = place.wire().call(&kept["backdoor"], action, with);
        assert_eq!(reply.code(), "ok", "{action}: {}", reply.body);
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/scenarios")
}

#[test]
fn every_scenario_shows_what_it_says() {
    let mut names = Vec::new();
    let listed = std::fs::read_to_string(folder().join("../README.md")).unwrap();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with(&format!(
            "# ringfence sandbox --scenario examples/scenarios/{name}.toml\n"
        )));
        assert!(listed.contains(&format!("\n| `{name}` | ")), "examples/README.md lacks {name}");
        let scenario = Scenario::parse(&text, &name).unwrap();
        assert!(scenario.about.contains("leaked key"), "{name}: {}", scenario.about);
        let place = Place::new();
        let kept = scenario.play(&place.sandbox).unwrap_or_else(|error| panic!("{name}: {error}"));
        let kept: Kept = kept.iter().map(|(name, who)| (name.clone(), held(who))).collect();
        let ended =
            ENDED.iter().find(|(known, _)| *known == name).map_or(&[][..], |(_, keys)| keys);
        for key in ["leaked-key", "second-key"] {
            let Some(held) = kept.get(key) else {
                assert!(ended.contains(&key), "{name} has no {key}");
                continue;
            };
            let who = place.wire().call(held, "sts:GetCallerIdentity", &[]);
            if ended.contains(&key) {
                assert_eq!(who.code(), "InvalidClientTokenId", "{name}");
                continue;
            }
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
