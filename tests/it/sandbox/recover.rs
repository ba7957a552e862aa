//! Phases four and five with the real program: a new key in a secret, no more rights than it needs, and a release
//! that gives nothing back to whoever had the old key.

use super::crash;
use super::place::{Place, RINGFENCE, command, ran, ringfence};
use crate::support::{Credentials, Ran};
use ringfence::sandbox::{Player, Status};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;

const ACCOUNT: &str = "123456789012";
const USER: &str = "deploy-bot";
const SECRET: &str = "prod/deploy-bot";
const READS: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:ListAllMyBuckets","s3:GetObject"],"Resource":"*"}]}"#;
const EVERYTHING: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

/// A user with a leaked key, and a secret that its workload reads its key from.
struct Incident {
    place: Place,
    leaked: Credentials,
}

impl Incident {
    fn new() -> Self {
        let place = Place::new();
        place.make("iam:CreateUser", &[("UserName", USER)]);
        let put = [("UserName", USER), ("PolicyName", "all"), ("PolicyDocument", EVERYTHING)];
        place.make("iam:PutUserPolicy", &put);
        let made = place.make("iam:CreateAccessKey", &[("UserName", USER)]);
        let leaked = Credentials {
            id: made.text("AccessKeyId").unwrap().to_owned(),
            secret: made.text("SecretAccessKey").unwrap().to_owned(),
            token: None,
        };
        let incident = Self { place, leaked };
        let holds = format!(
            r#"{{"AWS_ACCESS_KEY_ID":"{}","AWS_SECRET_ACCESS_KEY":"{}","DATABASE":"orders"}}"#,
            incident.leaked.id, incident.leaked.secret
        );
        incident.secrets("create-secret", &["--name", SECRET, "--secret-string", &holds]);
        incident
    }

    /// Secrets Manager as the AWS CLI calls it.
    fn secrets(&self, verb: &str, arguments: &[&str]) -> Ran {
        let aws = super::place::emulators().join("bin/aws");
        let mut cli = command(aws, self.folder(), &self.place.url(), &self.place.admin());
        ran(cli.arg("secretsmanager").arg(verb).args(arguments)).exits(0)
    }

    fn folder(&self) -> &Path {
        self.place.directory.path()
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        self.run_as(&self.place.admin(), arguments)
    }

    fn run_as(&self, who: &Credentials, arguments: &[&str]) -> Ran {
        ringfence(self.folder(), &self.place.url(), who, arguments)
    }

    fn contain(&self, posture: &str) {
        let named = ["apply", "--access-key", &self.leaked.id, "--posture", posture];
        self.run(&[&named[..], &["--auto-approve"]].concat()).exits(0);
    }

    /// What the secret holds now.
    fn stored(&self) -> serde_json::Value {
        let text = self.place.sandbox.edit(|world| {
            let secret = world.secrets.iter().find(|one| one.name == SECRET).unwrap();
            let current = |v: &&ringfence::sandbox::SecretVersion| {
                v.stages.iter().any(|stage| stage == "AWSCURRENT")
            };
            secret.versions.iter().find(current).unwrap().text.clone()
        });
        serde_json::from_str(&text).unwrap()
    }

    fn stored_key(&self) -> Credentials {
        let stored = self.stored();
        let text = |name: &str| stored[name].as_str().unwrap().to_owned();
        Credentials {
            id: text("AWS_ACCESS_KEY_ID"),
            secret: text("AWS_SECRET_ACCESS_KEY"),
            token: None,
        }
    }

    /// The keys of the user, with their secrets.
    fn keys(&self) -> Vec<(String, String, Status)> {
        self.place.sandbox.edit(|world| {
            let user = world.user_mut(ACCOUNT, USER).unwrap();
            user.keys.iter().map(|k| (k.id.clone(), k.secret.clone(), k.status)).collect()
        })
    }

    fn can(&self, who: &Credentials, action: &str, with: &[(&str, &str)]) -> bool {
        self.place.wire().call(who, action, with).code() == "ok"
    }

    /// A call of S3 by an SDK-less client.
    fn lists_buckets(&self, who: &Credentials) -> bool {
        let credentials = ringfence::sandbox::Credentials {
            access_key_id: who.id.clone(),
            secret_access_key: who.secret.clone(),
            session_token: who.token.clone(),
        };
        Player::new(self.place.sandbox.clone(), credentials).list_buckets().is_ok()
    }
}

/// Every byte that a command has printed or left behind.
fn written(incident: &Incident, said: &[&Ran]) -> String {
    let mut all: String = said.iter().map(|ran| format!("{}{}", ran.out, ran.err)).collect();
    let mut folders = vec![incident.folder().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                all.push_str(&String::from_utf8_lossy(&std::fs::read(path).unwrap()));
            }
        }
    }
    all
}

#[test]
fn a_new_key_takes_the_place_of_the_leaked_one_and_nobody_sees_its_secret() {
    let incident = Incident::new();
    incident.contain("revoke");
    let recover = ["recover", "--user", USER, "--secret", SECRET, "--out", "recover.json"];
    let probe = ["--probe", "s3:ListAllMyBuckets", "--probe", "dynamodb:GetItem"];
    let planned = incident.run(&[&recover[..], &probe].concat()).exits(0);
    assert!(planned.out.contains("new_access_key"), "{}", planned.out);
    assert!(planned.out.contains("-> (known after apply)"), "{}", planned.out);
    let applied = incident.run(&["apply", "recover.json", "--auto-approve"]).exits(0);
    let new = incident.stored_key();
    assert_ne!(new.id, incident.leaked.id);
    assert_eq!(incident.stored()["DATABASE"], "orders");
    for said in [
        format!("access_key/{} authenticates", new.id),
        "s3:ListAllMyBuckets is allowed (called)".to_owned(),
        "dynamodb:GetItem is allowed (simulated)".to_owned(),
        "User `deploy-bot` is contained.".to_owned(),
    ] {
        assert!(applied.out.contains(&said), "{said}\n{}", applied.out);
    }
    assert!(incident.lists_buckets(&new));
    assert!(!incident.lists_buckets(&incident.leaked));
    let status = incident.run(&["status", "--format", "json"]).exits(0);
    let shown = incident.run(&["state", "show", USER]).exits(0);
    let history = incident.run(&["state", "history", USER]).exits(0);
    let run = incident.run(&["state", "show", USER, "--format", "json"]).exits(0);
    let all = written(&incident, &[&planned, &applied, &status, &shown, &history, &run]);
    assert!(all.contains(&new.id));
    for (id, secret, _) in incident.keys() {
        assert!(!all.contains(&secret), "the secret of {id} was written down");
    }
    // A new key is younger than any exposure, and the workload's.
    incident.run(&["apply", "--again", "--user", USER, "--auto-approve"]).exits(0);
    assert!(incident.lists_buckets(&new));
}

#[test]
fn a_key_is_in_the_way_until_it_is_named_and_never_goes_while_it_is_on() {
    let incident = Incident::new();
    incident.place.make("iam:CreateAccessKey", &[("UserName", USER)]);
    incident.contain("revoke");
    let recover = ["recover", "--user", USER, "--secret", SECRET, "--out", "recover.json"];
    let refused = incident.run(&recover).exits(1);
    assert!(refused.err.contains("has 2 access keys"), "{}", refused.err);
    let hint = format!("--delete-key {} makes room", incident.leaked.id);
    assert!(refused.err.contains(&hint), "{}", refused.err);
    let second = incident.keys().into_iter().find(|(id, ..)| *id != incident.leaked.id).unwrap().0;
    let on = incident.run(&[&recover[..], &["--delete-key", &second]].concat()).exits(4);
    assert!(on.err.contains("is Active"), "{}", on.err);
    assert!(!incident.folder().join("recover.json").exists());
    let planned =
        incident.run(&[&recover[..], &["--delete-key", &incident.leaked.id]].concat()).exits(0);
    assert!(planned.out.contains("cannot be undone"), "{}", planned.out);
    incident.run(&["apply", "recover.json", "--auto-approve"]).exits(0);
    let keys: BTreeSet<String> = incident.keys().into_iter().map(|(id, ..)| id).collect();
    assert_eq!(keys, [second, incident.stored_key().id].into());
    incident.run(&["status"]).exits(0);
    // Released, with nothing left to keep off.
    let plan = ["rollback", "--user", USER, "--lift-fence-now", "--out", "release.json"];
    incident.run(&plan).exits(0);
    let released = incident.run(&["apply", "release.json", "--auto-approve"]).exits(0);
    assert!(released.out.contains("is released"), "{}", released.out);
}

#[test]
fn rights_are_narrowed_stay_so_at_a_release_and_come_back_when_asked() {
    let incident = Incident::new();
    incident.contain("revoke");
    std::fs::write(incident.folder().join("least.json"), READS).unwrap();
    let recover = ["recover", "--user", USER, "--secret", SECRET, "--policy", "least.json"];
    incident.run(&[&recover[..], &["--out", "recover.json"]].concat()).exits(0);
    incident.run(&["apply", "recover.json", "--auto-approve"]).exits(0);
    let new = incident.stored_key();
    assert!(incident.lists_buckets(&new));
    assert!(!incident.can(&new, "iam:ListUsers", &[]));
    let release = ["rollback", "--user", USER, "--lift-fence-now", "--out", "release.json"];
    let kept = incident.run(&release).exits(0);
    assert!(kept.out.contains("--undo-recovery gives it back"), "{}", kept.out);
    let released = incident.run(&["apply", "release.json", "--auto-approve"]).exits(0);
    assert!(released.out.contains("is released"), "{}", released.out);
    assert!(!incident.can(&new, "iam:ListUsers", &[]));
    assert!(!incident.lists_buckets(&incident.leaked), "the leaked key stays off");
    incident.run(&[&release[..], &["--undo-recovery"]].concat()).exits(0);
    incident.run(&["apply", "release.json", "--auto-approve"]).exits(0);
    assert!(incident.can(&new, "iam:ListUsers", &[]));
}

#[test]
fn a_broad_policy_is_told_and_pieces_of_an_earlier_one_go() {
    let incident = Incident::new();
    for piece in ["least", "least-2", "least-3"] {
        let arn = format!("arn:aws:iam::{ACCOUNT}:policy/{piece}");
        let made = [("PolicyName", piece), ("PolicyDocument", READS)];
        incident.place.make("iam:CreatePolicy", &made);
        incident.place.make("iam:AttachUserPolicy", &[("UserName", USER), ("PolicyArn", &arn)]);
    }
    incident.contain("revoke");
    std::fs::write(incident.folder().join("least.json"), READS).unwrap();
    std::fs::write(incident.folder().join("broad.json"), EVERYTHING).unwrap();
    let plan = |policy: &str| {
        let recover = ["recover", "--user", USER, "--policy", policy, "--out", "recover.json"];
        incident.run(&recover).exits(0)
    };
    let broad = plan("broad.json");
    assert!(broad.out.contains("! the policy allows every action, as today's do"), "{}", broad.out);
    let least = plan("least.json");
    assert!(!least.out.contains("the policy allows"), "{}", least.out);
    for piece in ["least", "least-2", "least-3"] {
        let gone = format!("attached_policy/arn:aws:iam::{ACCOUNT}:policy/{piece}");
        assert!(least.out.contains(&gone), "{}", least.out);
    }
    incident.run(&["apply", "recover.json", "--auto-approve"]).exits(0);
    let broad = plan("broad.json");
    let line = "! the policy allows every action, and more than today's policies: * on *";
    assert!(broad.out.contains(line), "{}", broad.out);
}

#[test]
fn under_a_hold_it_is_not_called_recovered() {
    let incident = Incident::new();
    incident.contain("lockdown");
    let recover = ["recover", "--user", USER, "--secret", SECRET, "--out", "recover.json"];
    let planned = incident.run(&recover).exits(0);
    assert!(planned.out.contains("rollback --user deploy-bot --to revoke"), "{}", planned.out);
    let applied = incident.run(&["apply", "recover.json", "--auto-approve"]).exits(0);
    assert!(applied.out.contains("a deny on everything keeps it"), "{}", applied.out);
    let new = incident.stored_key();
    assert!(!incident.lists_buckets(&new));
    let lift = ["rollback", "--user", USER, "--to", "revoke", "--out", "lift.json"];
    incident.run(&lift).exits(0);
    incident.run(&["apply", "lift.json", "--auto-approve"]).exits(0);
    assert!(incident.lists_buckets(&new));
    assert!(!incident.lists_buckets(&incident.leaked));
}

#[test]
fn the_examples_grant_what_a_recovery_needs() {
    const RESPONDER: &str = include_str!("../../../examples/responder-policy.json");
    const RECOVERER: &str = include_str!("../../../examples/recoverer-policy.json");
    let incident = Incident::new();
    incident.contain("revoke");
    incident.place.make("iam:CreateUser", &[("UserName", "recoverer")]);
    for (name, document) in [("Responder", RESPONDER), ("Recoverer", RECOVERER)] {
        let arn = format!("arn:aws:iam::{ACCOUNT}:policy/{name}");
        let made = [("PolicyName", name), ("PolicyDocument", document)];
        incident.place.make("iam:CreatePolicy", &made);
        let attach = [("UserName", "recoverer"), ("PolicyArn", &arn)];
        incident.place.make("iam:AttachUserPolicy", &attach);
    }
    let made = incident.place.make("iam:CreateAccessKey", &[("UserName", "recoverer")]);
    let recoverer = made.credentials();
    std::fs::write(incident.folder().join("least.json"), READS).unwrap();
    let recover = ["recover", "--user", USER, "--secret", SECRET, "--policy", "least.json"];
    let more = ["--probe", "s3:GetObject", "--out", "recover.json"];
    incident.run_as(&recoverer, &[&recover[..], &more].concat()).exits(0);
    let applied =
        incident.run_as(&recoverer, &["apply", "recover.json", "--auto-approve"]).exits(0);
    assert!(applied.out.contains("s3:GetObject is allowed (simulated)"), "{}", applied.out);
    // Without the rights to store there is no plan: nothing is made that could not be.
    let attach = format!("arn:aws:iam::{ACCOUNT}:policy/Recoverer");
    let detach = [("UserName", "recoverer"), ("PolicyArn", attach.as_str())];
    incident.place.make("iam:DetachUserPolicy", &detach);
    let denied = incident
        .run_as(&recoverer, &[&recover[..], &["--delete-key", &incident.leaked.id]].concat());
    assert_eq!(denied.code, 1, "{}{}", denied.out, denied.err);
    assert!(denied.err.contains("secretsmanager:DescribeSecret"), "{}", denied.err);
}

#[test]
fn bad_input_makes_no_key() {
    let incident = Incident::new();
    let recover = ["recover", "--user", USER, "--out", "recover.json", "--secret"];
    let with = |more: &[&str]| incident.run(&[&recover[..], more].concat());
    let not_contained = with(&[SECRET]).exits(4);
    assert!(not_contained.err.contains("is not contained"), "{}", not_contained.err);
    assert!(not_contained.err.contains("--override"), "{}", not_contained.err);
    incident.contain("revoke");
    let none = with(&["prod/other"]).exits(1);
    assert!(none.err.contains("there is no secret `prod/other`"), "{}", none.err);
    let odd = with(&[SECRET, "--secret-fields", "only-one"]).exits(64);
    assert!(odd.err.contains("two fields"), "{}", odd.err);
    incident.secrets("create-secret", &["--name", "text", "--secret-string", "plain words"]);
    let text = with(&["text"]).exits(1);
    assert!(text.err.contains("holds no JSON object"), "{}", text.err);
    assert!(!text.err.contains("plain words"), "{}", text.err);
    incident
        .secrets("create-secret", &["--name", "other", "--secret-string", r#"{"a":"1","b":"2"}"#]);
    let which = with(&["other"]).exits(1);
    assert!(which.err.contains("it has a, b"), "{}", which.err);
    incident.secrets("delete-secret", &["--secret-id", "text"]);
    let deleted = with(&["text"]).exits(1);
    assert!(deleted.err.contains("on its way to be deleted"), "{}", deleted.err);
    assert!(deleted.err.contains("its deletion is scheduled for"), "{}", deleted.err);
    let named = with(&["prod deploy-bot", "--create-secret"]).exits(64);
    assert!(named.err.contains("is no name of a secret"), "{}", named.err);
    for policy in
        ["{}", "nothing", r#"{"Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#]
    {
        std::fs::write(incident.folder().join("bad.json"), policy).unwrap();
        with(&[SECRET, "--policy", "bad.json"]).exits(1);
    }
    assert!(!incident.folder().join("recover.json").exists());
    assert_eq!(incident.keys().len(), 1);
}

#[test]
fn what_has_moved_since_the_plan_is_refused_before_the_first_write() {
    let incident = Incident::new();
    incident.contain("revoke");
    let leaked = &incident.leaked.id;
    let recover = ["recover", "--user", USER, "--secret", SECRET, "--out", "recover.json"];
    let recover = [&recover[..], &["--delete-key", leaked]].concat();
    incident.run(&recover).exits(0);
    let before = incident.keys();
    // The secret has another version.
    let other = r#"{"AWS_ACCESS_KEY_ID":"x","AWS_SECRET_ACCESS_KEY":"y"}"#;
    incident.secrets("put-secret-value", &["--secret-id", SECRET, "--secret-string", other]);
    let moved = incident.run(&["apply", "recover.json", "--auto-approve"]).exits(3);
    assert!(moved.err.contains("nothing was changed"), "{}", moved.err);
    assert_eq!(incident.keys(), before);
    // The fence is gone.
    incident.run(&recover).exits(0);
    let fence = incident.place.sandbox.edit(|world| {
        let inline = &world.user_mut(ACCOUNT, USER).unwrap().permissions.inline;
        inline.keys().find(|name| name.starts_with("RingfenceFence-")).unwrap().clone()
    });
    let delete = [("UserName", USER), ("PolicyName", fence.as_str())];
    incident.place.make("iam:DeleteUserPolicy", &delete);
    let refused = incident.run(&["apply", "recover.json", "--auto-approve"]).exits(4);
    assert!(refused.err.contains("is not contained"), "{}", refused.err);
    assert_eq!(incident.keys(), before);
    incident.run(&["apply", "--again", "--user", USER, "--auto-approve"]).exits(0);
    incident.run(&recover).exits(0);
    incident.run(&["apply", "recover.json", "--auto-approve"]).exits(0);
    assert!(incident.lists_buckets(&incident.stored_key()));
    // What is undone of it afterwards is told.
    let off = [
        ("UserName", USER),
        ("AccessKeyId", incident.stored_key().id.as_str()),
        ("Status", "Inactive"),
    ]
    .map(|(name, value)| (name, value.to_owned()));
    let off: Vec<(&str, &str)> = off.iter().map(|(name, value)| (*name, value.as_str())).collect();
    incident.place.make("iam:UpdateAccessKey", &off);
    let status = incident.run(&["status"]).exits(0);
    assert!(status.out.contains("is Inactive: the recovery made it"), "{}", status.out);
}

#[test]
fn a_policy_that_is_refused_takes_no_right_away() {
    let incident = Incident::new();
    incident.contain("revoke");
    let bad = READS.replace("\"*\"", "\"no-arn/*\"");
    std::fs::write(incident.folder().join("bad.json"), bad).unwrap();
    let recover = ["recover", "--user", USER, "--secret", SECRET, "--policy", "bad.json"];
    incident.run(&[&recover[..], &["--out", "recover.json"]].concat()).exits(0);
    let applied = incident.run(&["apply", "recover.json", "--auto-approve"]).exits(6);
    assert!(applied.out.contains("skipped: the new policy is not"), "{}", applied.out);
    assert!(incident.can(&incident.stored_key(), "iam:ListUsers", &[]), "its old rights are gone");
}

#[test]
fn a_device_is_no_place_for_a_key_or_a_plan() {
    let incident = Incident::new();
    incident.contain("revoke");
    let null = "/dev/null";
    let to = ["recover", "--user", USER, "--to-profile", "p", "--credentials-file", null];
    let refused = incident.run(&to).exits(1);
    assert!(refused.err.contains("is no regular file"), "{}", refused.err);
    let out =
        incident.run(&["recover", "--user", USER, "--secret", SECRET, "--out", null]).exits(1);
    assert!(out.err.contains("is no regular file"), "{}", out.err);
}

#[test]
fn a_profile_and_standard_output_take_the_key_as_well() {
    let incident = Incident::new();
    incident.contain("revoke");
    let file = incident.folder().join(".aws/credentials");
    let recover =
        ["recover", "--user", USER, "--to-profile", "production", "--out", "recover.json"];
    incident.run(&recover).exits(0);
    incident.run(&["apply", "recover.json", "--auto-approve"]).exits(0);
    let text = std::fs::read_to_string(&file).unwrap();
    let (id, secret, _) = incident.keys().pop().unwrap();
    assert!(text.contains(&id) && text.contains(&secret), "{text}");
    let leaked = &incident.leaked.id;
    let recover = ["recover", "--user", USER, "--secret-to-stdout", "--delete-key", leaked];
    incident.run(&[&recover[..], &["--out", "shown.json"]].concat()).exits(0);
    let refused = incident.run(&["apply", "shown.json", "--auto-approve"]).exits(4);
    assert!(refused.err.contains("--secret-to-stdout"), "{}", refused.err);
    let shown =
        incident.run(&["apply", "shown.json", "--auto-approve", "--secret-to-stdout"]).exits(0);
    let (id, secret, _) = incident.keys().pop().unwrap();
    assert!(shown.out.contains(&format!("AWS_ACCESS_KEY_ID={id}\n")), "{}", shown.out);
    assert!(shown.out.contains(&format!("AWS_SECRET_ACCESS_KEY={secret}\n")), "{}", shown.out);
    let all = written(&incident, &[]);
    assert!(!all.contains(&secret), "it was written down as well");
}

/// Every point that applying a plan of recovery passes.
fn points() -> Vec<String> {
    let incident = ready();
    let mut apply =
        command(RINGFENCE, incident.folder(), &incident.place.url(), &incident.place.admin());
    let output = apply
        .args(["apply", "recover.json", "--auto-approve"])
        .env("RINGFENCE_HALT_AT", "list")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let mut seen = BTreeSet::new();
    let points = said.lines().filter_map(|line| line.strip_prefix("at "));
    // Names of secrets and policies differ from run to run.
    let named = |point: &str| match point.split_once(['/', '-']) {
        Some((kind, _)) if point.contains('/') => format!("{kind}*"),
        _ => point.to_owned(),
    };
    points.map(named).filter(|point| seen.insert(point.clone())).collect()
}

/// Contained, and the recovery planned with new rights.
fn ready() -> Incident {
    let incident = Incident::new();
    incident.contain("revoke");
    std::fs::write(incident.folder().join("least.json"), READS).unwrap();
    let recover = ["recover", "--user", USER, "--secret", SECRET, "--policy", "least.json"];
    incident.run(&[&recover[..], &["--out", "recover.json"]].concat()).exits(0);
    incident
}

#[test]
fn a_recovery_that_is_killed_anywhere_leaves_no_key_that_nobody_holds() {
    let points = points();
    assert!(points.len() > 12, "{points:?}");
    for point in points {
        let incident = ready();
        killed_at(&incident, &point);
        let resumed = incident.run(&["resume"]);
        assert!([0, 6].contains(&resumed.code), "{point}: {}{}", resumed.out, resumed.err);
        let holds = incident.stored_key();
        for (id, secret, status) in incident.keys() {
            let known = id == incident.leaked.id || id == holds.id;
            assert!(known || status == Status::Inactive, "{point}: {id} is on and nobody's");
            let all = written(&incident, &[&resumed]);
            assert!(!all.contains(&secret), "{point}: the secret of {id} was written down");
        }
        let leaked = incident
            .keys()
            .iter()
            .any(|(id, _, status)| *id == incident.leaked.id && *status == Status::Active);
        assert!(!leaked, "{point}");
        if holds.id != incident.leaked.id {
            assert!(incident.lists_buckets(&holds), "{point}");
            assert!(!incident.can(&holds, "iam:ListUsers", &[]), "{point}");
        } else {
            // Nothing of the rights has changed for the workload either.
            let all = incident.place.sandbox.edit(|world| {
                world.user_mut(ACCOUNT, USER).unwrap().permissions.inline.contains_key("all")
            });
            assert!(all, "{point}: its rights were narrowed without a key");
        }
        incident.run(&["status"]).exits(0);
    }
}

fn killed_at(incident: &Incident, point: &str) {
    killed_at_with(incident, point, &[]);
}

fn killed_at_with(incident: &Incident, point: &str, flags: &[&str]) {
    let apply = ["apply", "recover.json", "--auto-approve"];
    assert!(crash::killed_at(&incident.place, point, &[&apply[..], flags].concat()), "{point}");
}

#[test]
fn a_key_for_a_user_that_was_never_contained_makes_nobody_contained() {
    let incident = Incident::new();
    let recover = ["recover", "--user", USER, "--secret", SECRET, "--override"];
    let planned = incident.run(&[&recover[..], &["--out", "recover.json"]].concat()).exits(0);
    assert!(planned.out.contains("--override was given"), "{}", planned.out);
    let applied = incident.run(&["apply", "recover.json", "--auto-approve"]);
    assert!(applied.out.contains("NOT contained"), "{}", applied.out);
    let status = incident.run(&["status", "--format", "json"]);
    assert!(!status.out.contains(r#""standing": "contained""#), "{}", status.out);
    assert!(!status.out.contains(r#""standing": "released""#), "{}", status.out);
    let listed = incident.run(&["state", "list"]).exits(0);
    assert!(!listed.out.contains("contained by record"), "{}", listed.out);
    let report = incident.run(&["report", "--user", USER, "--format", "json"]).exits(0);
    assert!(report.out.contains(r#""stage": "assessed""#), "{}", report.out);
    // Nothing of it keeps a containment from being one from the beginning: every Active key counts as leaked.
    incident.run(&["apply", "--user", USER, "--auto-approve"]).exits(0);
    assert!(!incident.lists_buckets(&incident.leaked));
    assert!(!incident.lists_buckets(&incident.stored_key()));
}

#[test]
fn a_run_that_goes_on_makes_no_key_where_the_containment_was_broken_meanwhile() {
    let incident = ready();
    killed_at(&incident, "state-begun");
    let fence = incident.place.sandbox.edit(|world| {
        let inline = &world.user_mut(ACCOUNT, USER).unwrap().permissions.inline;
        inline.keys().find(|name| name.starts_with("RingfenceFence-")).unwrap().clone()
    });
    let delete = [("UserName", USER), ("PolicyName", fence.as_str())];
    incident.place.make("iam:DeleteUserPolicy", &delete);
    let refused = incident.run(&["resume"]).exits(4);
    assert!(refused.err.contains("is not contained"), "{}", refused.err);
    assert_eq!(incident.keys().len(), 1);
    incident.run(&["apply", "--again", "--user", USER, "--auto-approve"]).exits(0);
    incident.run(&["status"]).exits(0);
}

#[test]
fn a_key_that_was_on_for_a_while_and_minted_has_outlived_the_fence() {
    let incident = Incident::new();
    incident.contain("revoke");
    let status = incident.run(&["status"]).exits(0);
    assert!(status.out.contains("contained"), "{}", status.out);
    incident.place.clock.forward(jiff::SignedDuration::from_mins(30));
    let turn = |status: &str| {
        let id = incident.leaked.id.as_str();
        let with = [("UserName", USER), ("AccessKeyId", id), ("Status", status)];
        incident.place.make("iam:UpdateAccessKey", &with);
    };
    turn("Active");
    let minted = incident.place.wire().call(&incident.leaked, "sts:GetSessionToken", &[]);
    let token = minted.credentials();
    turn("Inactive");
    assert!(incident.lists_buckets(&token));
    // Nobody has looked in between.
    let status = incident.run(&["status"]);
    assert_ne!(status.code, 0, "{}", status.out);
    assert!(status.out.contains("was used after the fence"), "{}", status.out);
    assert!(status.out.contains("ringfence apply --again --user deploy-bot"), "{}", status.out);
    let report = incident.run(&["report", "--user", USER, "--format", "json"]).exits(0);
    assert!(report.out.contains(r#""stage": "assessed""#), "{}", report.out);
    incident.run(&["apply", "--again", "--user", USER, "--auto-approve"]).exits(0);
    incident.place.clock.forward(jiff::SignedDuration::from_mins(30));
    assert!(!incident.lists_buckets(&token));
    incident.run(&["status"]).exits(0);
}

/// Whoever has read the secret may use it by now: a run that goes on takes nothing from them that works.
#[test]
fn a_key_that_was_handed_out_is_not_deleted_by_a_run_that_goes_on() {
    for (point, acts) in [("checked", true), ("recorded new_access_key", false)] {
        let incident = Incident::new();
        incident.contain("revoke");
        let recover = ["recover", "--user", USER, "--secret-to-stdout", "--out", "recover.json"];
        incident.run(&recover).exits(0);
        killed_at_with(&incident, point, &["--secret-to-stdout"]);
        let resumed = incident.run(&["resume"]);
        let (id, _, status) = incident.keys().pop().unwrap();
        assert_ne!(id, incident.leaked.id, "{point}: the key is gone: {}", resumed.out);
        assert_eq!(status == Status::Active, acts, "{point}: {}", resumed.out);
        assert_eq!(resumed.code == 0, acts, "{point}: {}{}", resumed.out, resumed.err);
        let shown = incident.run(&["state", "show", USER, "--format", "json"]).exits(0);
        let shown: serde_json::Value = serde_json::from_str(&shown.out).unwrap();
        let last = shown["recoveries"].as_array().unwrap().last().unwrap().clone();
        let stored = if acts { "stored" } else { "made" };
        assert_eq!(last["status"], stored, "{point}: {last}");
        assert_eq!(
            resumed.out.contains("is made and handed out"),
            acts,
            "{point}: {}",
            resumed.out
        );
        if !acts {
            // Whoever has it turns it on: it is nobody's that ringfence knows.
            incident.place.sandbox.edit(|world| {
                let user = world.user_mut(ACCOUNT, USER).unwrap();
                user.keys.iter_mut().filter(|key| key.id == id).for_each(|key| {
                    key.status = Status::Active;
                });
            });
            let status = incident.run(&["status", "--user", USER]);
            assert_ne!(status.code, 0, "{}", status.out);
            assert!(status.out.contains(&id), "{}", status.out);
        }
    }
}

#[test]
fn a_secret_that_does_not_arrive_on_standard_output_leaves_no_key() {
    let incident = Incident::new();
    incident.contain("revoke");
    let recover = ["recover", "--user", USER, "--secret-to-stdout", "--out", "shown.json"];
    incident.run(&recover).exits(0);
    let mut apply =
        command(RINGFENCE, incident.folder(), &incident.place.url(), &incident.place.admin());
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let ended = apply
        .args(["apply", "shown.json", "--auto-approve", "--secret-to-stdout"])
        .stdout(Stdio::from(full))
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(!ended.success());
    assert_eq!(incident.keys().len(), 1, "a key is there that nobody has the secret of");
}

#[test]
fn a_secret_is_made_in_the_region_that_was_planned() {
    let incident = Incident::new();
    incident.contain("revoke");
    let recover = ["recover", "--user", USER, "--secret", "prod/new", "--create-secret"];
    let more = ["--region", "eu-west-1", "--out", "recover.json"];
    let planned = incident.run(&[&recover[..], &more].concat()).exits(0);
    assert!(planned.out.contains("made in eu-west-1"), "{}", planned.out);
    let elsewhere = incident.run(&["apply", "recover.json", "--auto-approve"]).exits(3);
    assert!(elsewhere.err.contains("hint: --region eu-west-1"), "{}", elsewhere.err);
    assert_eq!(incident.keys().len(), 1);
    let apply = ["apply", "recover.json", "--auto-approve", "--region", "eu-west-1"];
    incident.run(&apply).exits(0);
    let arns = incident
        .place
        .sandbox
        .edit(|world| world.secrets.iter().map(|one| one.arn.clone()).collect::<Vec<_>>());
    assert!(arns.iter().any(|arn| arn.contains(":eu-west-1:")), "{arns:?}");
}

/// A laptop whose clock is wrong, before and behind: the key is made, stored and tried by the service's clock.
#[test]
fn a_clock_that_is_wrong_leaves_no_half_made_key() {
    for (ahead, probe) in [(40, "iam:GetUser"), (-40, "s3:ListAllMyBuckets")] {
        let incident = Incident::new();
        incident.place.clock.forward(jiff::SignedDuration::from_mins(ahead));
        incident.contain("revoke");
        let recover = ["recover", "--user", USER, "--secret", SECRET, "--probe", probe];
        incident.run(&[&recover[..], &["--out", "recover.json"]].concat()).exits(0);
        let applied = incident.run(&["apply", "recover.json", "--auto-approve"]).exits(0);
        assert!(applied.out.contains(" authenticates"), "{}", applied.out);
        assert!(applied.out.contains(&format!("{probe} is allowed (called)")), "{}", applied.out);
        assert_eq!(incident.keys().len(), 2);
        let stored = incident.stored_key().id;
        let new = incident.keys().into_iter().find(|(id, ..)| *id == stored).unwrap();
        assert_eq!(new.2, Status::Active);
    }
}

#[test]
fn what_a_fence_with_a_margin_does_to_a_new_key_is_said() {
    let incident = Incident::new();
    incident.contain("revoke");
    let recover = ["recover", "--user", USER, "--secret", SECRET, "--out", "recover.json"];
    let planned = incident.run(&recover).exits(0);
    assert!(planned.out.contains("the fence denies sessions that the new key issues"));
    incident.run(&["apply", "recover.json", "--auto-approve"]).exits(0);
    let new = incident.stored_key();
    let minted = || incident.place.wire().call(&new, "sts:GetSessionToken", &[]).credentials();
    assert!(incident.lists_buckets(&new));
    assert!(!incident.lists_buckets(&minted()));
    incident.place.clock.forward(jiff::SignedDuration::from_mins(16));
    assert!(incident.lists_buckets(&minted()));
    // A later plan says nothing of it, and what it leaves live are the new key and its sessions.
    let again = incident.run(&[&recover[..5], &["--delete-key", &incident.leaked.id]].concat());
    assert!(!again.exits(0).out.contains("the fence denies sessions"));
    let stricter = ["plan", "--user", USER, "--posture", "quarantine", "--format", "json"];
    let planned: serde_json::Value =
        serde_json::from_str(&incident.run(&stricter).exits(0).out).unwrap();
    let live = planned["principals"][0]["left_live"].as_array().unwrap();
    let key = format!("access_key/{}", new.id);
    assert!(live.iter().any(|one| one["resource"] == key.as_str()), "{live:?}");
}
