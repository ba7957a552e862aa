//! What the store's policy in `examples` allows, and what it is like without one of its actions. ministack
//! enforces policies on S3.

use super::ground::{Ground, RUN, at, event, folder, key, owner, says, state};
use crate::support::Credentials;
use ringfence::store::Store;

const POLICY: &str = include_str!("../../../examples/store-policy.json");

const PLANNER: &str = include_str!("../../../examples/github/planner-store-policy.json");
const APPLIER: &str = include_str!("../../../examples/github/applier-store-policy.json");

/// A user with these policies of the examples.
fn user_with(g: &Ground, name: &str, policies: &[&str]) -> Credentials {
    let admin = &g.bucket().admin;
    admin.make(admin.iam.create_user().user_name(name).send());
    for (n, policy) in policies.iter().enumerate() {
        let policy = policy.replace("BUCKET", "incidents").replace("PREFIX", "prod");
        admin.put_policy(name, &format!("store-{n}"), &policy);
    }
    admin.key(name)
}

/// A user with the policy of the examples, without one action.
fn user_without(g: &Ground, action: &str) -> Credentials {
    let admin = &g.bucket().admin;
    let name = format!("without-{}", action.replace(':', "-"));
    admin.make(admin.iam.create_user().user_name(&name).send());
    let policy = POLICY.replace("BUCKET", "incidents").replace("PREFIX", "prod");
    let mut policy: serde_json::Value = serde_json::from_str(&policy).unwrap();
    for statement in policy["Statement"].as_array_mut().unwrap() {
        if statement["Action"] == action {
            statement["Action"] = "s3:GetBucketLocation".into();
        }
        if let Some(actions) = statement["Action"].as_array_mut() {
            actions.retain(|other| other != action);
        }
    }
    admin.put_policy(&name, "store", &policy.to_string());
    admin.key(&name)
}

fn store(g: &Ground, credentials: &Credentials) -> Store {
    Store::S3(g.s3(credentials))
}

#[test]
fn the_policy_of_the_examples_is_enough_for_everything() {
    let g = &Ground::ministack();
    let store = store(g, &user_without(g, "nothing"));
    assert!(!g.go(store.trust_root()).unwrap().is_there());
    g.go(store.check_writable(&key())).unwrap();
    let mut lock = g.locked(&store, "responder");
    assert_eq!(g.go(lock.stored()).unwrap(), None);
    let mut log = g.go(lock.start_run(RUN, b"the plan")).unwrap();
    g.go(lock.save(&state(1))).unwrap();
    g.go(log.append(at(1), event())).unwrap();
    g.go(lock.save(&state(2))).unwrap();
    drop(log);
    g.release(lock);
    assert_eq!(g.go(store.list()).unwrap().len(), 1);
    assert_eq!(g.go(store.journal(&key(), RUN)).unwrap().len(), 1);
    let lock = g.locked(&store, "responder");
    g.go(store.remove(lock)).unwrap();
}

/// And for nothing else.
#[test]
fn the_policy_of_the_examples_ends_at_the_prefix() {
    let g = &Ground::ministack();
    let admin = &g.bucket().admin;
    let put = admin.s3.put_object().bucket("incidents").key("production/secret");
    admin.make(put.body(b"x".to_vec().into()).send());
    let user = crate::support::Aws::new(&g.bucket().emulator.url(), &user_without(g, "nothing"));
    let s3 = &user.s3;
    let denied = Err("AccessDenied".to_owned());
    let get = s3.get_object().bucket("incidents").key("production/secret").send();
    assert_eq!(user.ask(get).map(|_| ()), denied);
    let put = s3.put_object().bucket("incidents").key("production/x").send();
    assert_eq!(user.ask(put).map(|_| ()), denied);
    let delete = s3.delete_object().bucket("incidents").key("production/secret").send();
    assert_eq!(user.ask(delete).map(|_| ()), denied);
    for prefix in ["", "production/", "prod"] {
        let list = s3.list_objects_v2().bucket("incidents").prefix(prefix).send();
        assert_eq!(user.ask(list).map(|_| ()), denied, "{prefix}");
    }
}

/// Said before anything is changed, with the action that is missing.
#[test]
fn without_one_action_it_is_named_before_anything_is_done() {
    let g = &Ground::ministack();
    for action in ["s3:PutObject", "s3:DeleteObject"] {
        let store = store(g, &user_without(g, action));
        let error = g.go(store.check_writable(&key())).unwrap_err();
        says(
            &error,
            &[
                "cannot write `s3://incidents/prod/",
                "AccessDenied",
                action,
                "examples/store-policy.json",
            ],
        );
        assert_eq!(g.content().len(), 0, "{action}: something stayed behind");
    }
    let put = store(g, &user_without(g, "s3:PutObject/again"));
    let lock = g.locked(&put, "responder");
    let get = store(g, &{
        let admin = &g.bucket().admin;
        admin.make(admin.iam.create_user().user_name("no-get").send());
        let policy = POLICY.replace("BUCKET", "incidents").replace("PREFIX", "prod");
        admin.put_policy("no-get", "store", &policy.replace("\"s3:GetObject\",", ""));
        admin.key("no-get")
    });
    let words = ["s3:GetObject", "without s3:ListBucket", "examples/store-policy.json"];
    says(&g.go(get.load(&key())).unwrap_err(), &words);
    says(&g.go(get.holder(&key())).unwrap_err(), &words);
    // Held by another, or not to be told: no lock either way.
    assert!(!matches!(g.go(get.lock(&key(), &owner("other"))), Ok(Some(_))));
    let list = store(g, &user_without(g, "s3:ListBucket"));
    for error in [g.go(list.list()).unwrap_err(), g.go(list.runs(&key())).unwrap_err()] {
        says(&error, &["cannot list `s3://incidents/prod", "AccessDenied", "s3:ListBucket"]);
    }
    g.release(lock);
    assert!(!g.content().contains_key(&format!("{}/lock", folder())));
}

/// What a pull request is planned and watched with reads all that there is, and writes nothing.
#[test]
fn a_planner_reads_the_store_and_cannot_write_to_it() {
    let g = &Ground::ministack();
    let admin = &g.bucket().admin;
    let rules = admin.s3.put_object().bucket("incidents").key("prod/policy.toml");
    admin.make(rules.body(b"[approval]\nrequired = 1\n".to_vec().into()).send());
    let owner = store(g, &user_without(g, "nothing"));
    let mut lock = g.locked(&owner, "responder");
    let mut log = g.go(lock.start_run(RUN, b"the plan")).unwrap();
    g.go(lock.save(&state(1))).unwrap();
    g.go(log.append(at(1), event())).unwrap();
    drop(log);
    g.release(lock);
    let planner = store(g, &user_with(g, "planner", &[PLANNER]));
    assert!(g.go(planner.trust_root()).unwrap().is_there());
    assert!(g.go(planner.load(&key())).unwrap().is_some());
    assert_eq!(g.go(planner.list()).unwrap().len(), 1);
    assert_eq!(g.go(planner.journal(&key(), RUN)).unwrap().len(), 1);
    g.go(planner.holder(&key())).unwrap();
    let before = g.content();
    says(&g.go(planner.check_writable(&key())).unwrap_err(), &["cannot write `", "AccessDenied"]);
    assert!(!matches!(g.go(planner.lock(&key(), &self::owner("planner"))), Ok(Some(_))));
    assert_eq!(g.content(), before);
}

/// Whoever applies keeps the record, and cannot change who has to approve.
#[test]
fn an_applier_cannot_change_the_rules_of_the_store() {
    let g = &Ground::ministack();
    let credentials = user_with(g, "applier", &[POLICY, APPLIER]);
    let applier = store(g, &credentials);
    g.go(applier.check_writable(&key())).unwrap();
    let mut lock = g.locked(&applier, "applier");
    g.go(lock.start_run(RUN, b"the plan")).unwrap();
    g.go(lock.save(&state(1))).unwrap();
    g.release(lock);
    let user = crate::support::Aws::new(&g.bucket().emulator.url(), &credentials);
    let denied = Err("AccessDenied".to_owned());
    for rules in ["prod/policy.toml", "prod/allowed_signers"] {
        let put = user.s3.put_object().bucket("incidents").key(rules);
        assert_eq!(user.ask(put.body(b"x".to_vec().into()).send()).map(|_| ()), denied, "{rules}");
        let delete = user.s3.delete_object().bucket("incidents").key(rules).send();
        assert_eq!(user.ask(delete).map(|_| ()), denied, "{rules}");
    }
}
