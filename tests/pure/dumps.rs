//! Account dumps that others recorded feed the planner (`../shared/fixtures/SOURCES.md`, `gaad`).

use crate::properties::model::{ACCOUNT, Account, Ask, Trouble, attached, member, size};
use crate::properties::strategies::{built_in, empty, old_key};
use ringfence::plan::Plan;
use ringfence::policy::PolicyDocument;
use ringfence::posture::BUILT_IN;
use ringfence::release::Request;
use ringfence::resource::Resource;
use ringfence::snapshot::{Entity, InlinePolicy, Observed, Quotas, Snapshot};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The users of the dumps that are there today: fewer would mean that they are no longer found.
const AT_LEAST: usize = 13;

#[test]
fn every_user_of_every_account_dump_is_planned_applied_and_restored() {
    let Some(folder) = folder() else { return };
    let mut users = 0;
    let (mut inline, mut attached, mut grouped, mut bounded) = (0, 0, 0, 0);
    for file in files(&folder) {
        let text = std::fs::read_to_string(&file).unwrap();
        let dump: Value = serde_json::from_str(&text).unwrap();
        for user in details(&dump) {
            let truth = snapshot(user);
            inline += truth.inline_policies.items().len();
            attached += truth.attached_policies.items().len();
            grouped += truth.groups.items().len();
            bounded += usize::from(truth.permissions_boundary.is_some());
            for posture in BUILT_IN {
                contain_and_restore(&file, truth.clone(), posture);
            }
            users += 1;
        }
    }
    assert!(users >= AT_LEAST, "only {users} users under {}", folder.display());
    let parts = [inline, attached, grouped, bounded];
    assert!(parts.iter().all(|n| *n > 0), "some kind was read nowhere: {parts:?}");
}

/// The fixtures, or a line that says that they are not there.
fn folder() -> Option<PathBuf> {
    let root = std::env::var_os("RINGFENCE_FIXTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures"),
        PathBuf::from,
    );
    let folder = root.join("gaad");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!(
        "NOT RUN: account dumps through the planner: {} is not there (set RINGFENCE_FIXTURES)",
        folder.display()
    );
    None
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "json") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// A member whatever the case of its name: tools write both.
fn get<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let entries = value.as_object()?;
    entries.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    get(value, name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    get(value, name).and_then(Value::as_str).unwrap_or_else(|| panic!("no {name} in {value}"))
}

fn details(dump: &Value) -> &[Value] {
    list(dump, "UserDetailList")
}

/// A document is an object, or text, which F19 has percent-encoded.
fn document(value: &Value) -> PolicyDocument {
    match value {
        Value::String(text) => {
            let decoded = percent_encoding::percent_decode_str(text).decode_utf8().unwrap();
            PolicyDocument::parse(&decoded)
        }
        value => PolicyDocument::parse(&value.to_string()),
    }
}

/// Dumps hold no credentials (F19): one Active key stands for them.
fn snapshot(user: &Value) -> Snapshot {
    let mut truth = empty("somebody", "AIDASOMEBODY");
    let Entity::User(own_user) = &mut truth.entity else { panic!("a role") };
    own_user.name = text(user, "UserName").parse().unwrap();
    // Hand-made dumps repeat a name for an ID, or have one that is none.
    own_user.id = text(user, "UserId").parse().unwrap_or_else(|_| "AIDANONE".parse().unwrap());
    let arn = text(user, "Arn");
    let own = arn.splitn(6, ':').nth(5).unwrap_or_else(|| panic!("no ARN: {arn}"));
    own_user.arn = format!("arn:aws:iam::{ACCOUNT}:{own}").parse().unwrap();
    truth.access_keys = Observed::Read(vec![old_key(0)]);
    let groups = list(user, "GroupList").iter().map(|group| member(group.as_str().unwrap()));
    truth.groups = Observed::Read(groups.collect());
    let policies = list(user, "UserPolicyList").iter().map(|policy| InlinePolicy {
        name: text(policy, "PolicyName").to_owned(),
        document: Observed::Read(document(get(policy, "PolicyDocument").unwrap())),
    });
    let policies: Vec<InlinePolicy> = policies.collect();
    let used: usize = policies.iter().map(|policy| size(&policy.document)).sum();
    truth.inline_policies = Observed::Read(policies);
    let arns = list(user, "AttachedManagedPolicies")
        .iter()
        .map(|policy| attached(text(policy, "PolicyArn")));
    truth.attached_policies = Observed::Read(arns.collect());
    if let Some(boundary) = get(user, "PermissionsBoundary") {
        truth.permissions_boundary = Some(text(boundary, "PermissionsBoundaryArn").to_owned());
    }
    // An account may have a higher quota; what is there has to be allowed to be there.
    let used = u32::try_from(used).unwrap();
    let quotas = Quotas::default();
    truth.quotas = Observed::Read(Quotas {
        inline_policy_size: quotas.inline_policy_size.max(used),
        ..quotas
    });
    truth
}

fn contain_and_restore(file: &Path, truth: Snapshot, posture: &str) {
    let mut account = Account::of(vec![truth]);
    let original = account.user().truth.clone();
    let ask = Ask { posture: built_in(posture), since: None, named: Vec::new() };
    let context = || format!("{} of {} with {posture}", original.name(), file.display());
    let plan = account.plan(&ask).unwrap_or_else(|error| panic!("{}: {error}", context()));
    let read = Plan::parse(&plan.bytes(), "plan.json")
        .unwrap_or_else(|error| panic!("{}: {error}", context()));
    assert_eq!(read, plan, "{}", context());
    assert!(!plan.is_empty(), "{}", context());
    let ran = account.apply(&plan, &Trouble::none());
    assert!(ran.complete && account.plan(&ask).unwrap().is_empty(), "{}", context());
    account.tick(200_000);
    let reactivate = account.state().resources.keys().filter(|r| r.is_credential()).cloned();
    let reactivate: Vec<Resource> = reactivate.collect();
    let rollback = account.release(&Request { reactivate, ..Request::default() }).unwrap();
    account.apply(&rollback, &Trouble::none());
    assert_eq!(account.user().truth, original, "{}", context());
    assert!(!account.state().continues(), "{}", context());
}
