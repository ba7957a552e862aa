//! A new key in AWS Secrets Manager, on emulators that are not ours, with the AWS CLI beside.

use crate::support::{Credentials, Fault, Kind, World};
use serde_json::Value;

const SECRET: &str = "prod/deploy-bot";

struct Incident {
    world: World,
    leaked: Credentials,
}

impl Incident {
    fn new(kind: Kind) -> Self {
        let world = World::new(kind);
        let leaked = world.victim("deploy-bot");
        let keys = world.ringfence(&["plan", "--access-key", &leaked.id, "--out", "plan.json"]);
        keys.ok();
        world.ringfence(&["apply", "plan.json", "--auto-approve"]).ok();
        Self { world, leaked }
    }

    fn aws(&self, arguments: &[&str]) -> Value {
        let said = self.world.aws(&self.world.responder, arguments).ok();
        serde_json::from_str(&said.out).unwrap_or_default()
    }

    fn stored(&self) -> Value {
        let get = ["secretsmanager", "get-secret-value", "--secret-id", SECRET];
        let stage = ["--version-stage", "AWSCURRENT"];
        let shown = self.aws(&[&get[..], &stage].concat());
        serde_json::from_str(shown["SecretString"].as_str().unwrap()).unwrap()
    }

    /// The keys of the user, oldest first, with their status.
    fn keys(&self) -> Vec<(String, String)> {
        let listed = self.aws(&["iam", "list-access-keys", "--user-name", "deploy-bot"]);
        let text = |key: &Value, name: &str| key[name].as_str().unwrap().to_owned();
        let keys = listed["AccessKeyMetadata"].as_array().unwrap().iter();
        keys.map(|key| (text(key, "AccessKeyId"), text(key, "Status"))).collect()
    }

    fn make_room(&self) -> Vec<String> {
        match self.keys().len() {
            2 => vec!["--delete-key".to_owned(), self.leaked.id.clone()],
            _ => Vec::new(),
        }
    }

    fn plan(&self, more: &[&str]) {
        let room = self.make_room();
        let recover =
            ["recover", "--user", "deploy-bot", "--secret", SECRET, "--out", "recover.json"];
        let room: Vec<&str> = room.iter().map(String::as_str).collect();
        self.world.ringfence(&[&recover[..], &room, more].concat()).ok();
    }
}

/// A secret is made, then gets another key; everything else in it stays.
fn a_key_goes_into_a_secret(kind: Kind) {
    let incident = Incident::new(kind);
    incident.plan(&["--create-secret", "--secret-fields", "id,secret"]);
    let applied = incident.world.ringfence(&["apply", "recover.json", "--auto-approve"]).ok();
    let first = incident.stored();
    let id = first["id"].as_str().unwrap().to_owned();
    assert!(applied.out.contains(&format!("access_key/{id} authenticates")), "{}", applied.out);
    assert!(!applied.out.contains(first["secret"].as_str().unwrap()));
    assert!(incident.keys().iter().any(|(key, status)| *key == id && status == "Active"));
    let new = Credentials::new(&id, first["secret"].as_str().unwrap());
    incident.world.client(&new).identity().unwrap();

    let holds = format!(r#"{{"id":"{id}","secret":"old","other":[1,{{"deep":true}}]}}"#);
    let put = ["secretsmanager", "put-secret-value", "--secret-id", SECRET, "--secret-string"];
    incident.aws(&[&put[..], &[holds.as_str()]].concat());
    let off = ["iam", "update-access-key", "--user-name", "deploy-bot", "--status", "Inactive"];
    incident.aws(&[&off[..], &["--access-key-id", &id]].concat());
    let (world, leaked) = (&incident.world, &incident.leaked.id);
    let gone = incident.keys().iter().all(|(key, _)| key != leaked);
    let room = if gone { &id } else { leaked };
    let recover = ["recover", "--user", "deploy-bot", "--secret", SECRET, "--out", "recover.json"];
    let more = ["--secret-fields", "id,secret", "--delete-key", room, "--override"];
    world.ringfence(&[&recover[..], &more].concat()).ok();
    world.ringfence(&["apply", "recover.json", "--auto-approve"]).ok();
    let second = incident.stored();
    assert_ne!(second["id"], first["id"]);
    assert_eq!(second["other"], serde_json::json!([1, { "deep": true }]));
}

#[test]
fn a_key_goes_into_a_secret_ministack() {
    a_key_goes_into_a_secret(Kind::Ministack);
}

#[test]
fn a_key_goes_into_a_secret_moto() {
    a_key_goes_into_a_secret(Kind::Moto);
}

/// Every answer to a call that makes or stores something is lost: at the end there is one key that works, in the
/// secret, or none.
fn nothing_is_done_twice(kind: Kind, action: &'static str, stores: bool) {
    let incident = Incident::new(kind);
    let holds = format!(r#"{{"id":"{}","secret":"old"}}"#, incident.leaked.id);
    let make = ["secretsmanager", "create-secret", "--name", SECRET, "--secret-string"];
    incident.aws(&[&make[..], &[holds.as_str()]].concat());
    incident.plan(&["--secret-fields", "id,secret"]);
    let before = incident.keys();
    incident.world.proxy.next(1, action, Fault::LoseReply);
    let code = if stores { 0 } else { 6 };
    let applied =
        incident.world.ringfence(&["apply", "recover.json", "--auto-approve"]).exits(code);
    let calls = incident.world.proxy.calls();
    for once in ["CreateAccessKey", "PutSecretValue"] {
        assert!(calls.iter().filter(|call| call.action == once).count() <= 1, "{once}");
    }
    let stored = incident.stored()["id"].as_str().unwrap().to_owned();
    let new: Vec<_> = incident.keys().into_iter().filter(|key| !before.contains(key)).collect();
    if stores {
        assert_eq!(new, [(stored, "Active".to_owned())]);
        assert!(applied.out.contains("authenticates"), "{}", applied.out);
        return;
    }
    // Whose it is nobody knows: it is off, told of, and there.
    assert_eq!(stored, incident.leaked.id);
    let [(id, status)] = new.as_slice() else { panic!("{new:?}") };
    assert_eq!(status, "Inactive");
    assert!(applied.out.contains(id.as_str()), "{}", applied.out);
    let leaked = incident.world.ringfence(&["status"]).ok();
    assert!(leaked.out.contains("contained"), "{}", leaked.out);
}

#[test]
fn a_lost_answer_to_the_making_leaves_no_key_on() {
    nothing_is_done_twice(Kind::Ministack, "CreateAccessKey", false);
    nothing_is_done_twice(Kind::Moto, "CreateAccessKey", false);
}

#[test]
fn a_lost_answer_to_the_storing_is_read_back() {
    nothing_is_done_twice(Kind::Ministack, "PutSecretValue", true);
    nothing_is_done_twice(Kind::Moto, "PutSecretValue", true);
}

#[test]
fn a_denied_store_leaves_no_orphan() {
    let incident = Incident::new(Kind::Ministack);
    let holds = format!(r#"{{"id":"{}","secret":"old"}}"#, incident.leaked.id);
    let make = ["secretsmanager", "create-secret", "--name", SECRET, "--secret-string"];
    incident.aws(&[&make[..], &[holds.as_str()]].concat());
    incident.plan(&["--secret-fields", "id,secret", "--probe", "iam:GetUser"]);
    let before = incident.keys();
    let denied = r#"{"__type":"AccessDeniedException","Message":"not authorized to perform: secretsmanager:PutSecretValue"}"#;
    incident.world.proxy.next(1, "PutSecretValue", Fault::Answer(400, denied.to_owned()));
    let applied = incident.world.ringfence(&["apply", "recover.json", "--auto-approve"]).exits(6);
    assert!(applied.out.contains("was deleted again"), "{}", applied.out);
    assert!(applied.out.contains("secretsmanager:PutSecretValue"), "{}", applied.out);
    assert_eq!(incident.keys(), before);
    // What to run next asks for the same once more.
    let next = applied.out.lines().find(|line| line.contains("ringfence recover")).unwrap();
    assert!(next.contains("--secret-fields id,secret --probe iam:GetUser"), "{next}");
}
