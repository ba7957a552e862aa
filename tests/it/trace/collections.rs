//! What others recorded (`../shared/fixtures/SOURCES.md`): every collection with the number of events that is
//! stated there, and the answers that are known.

use super::{gathered, limits, question, traced};
use ringfence::trace::{CredentialKind, Expiry, TargetKind};
use std::path::{Path, PathBuf};

fn folder() -> Option<PathBuf> {
    let root = std::env::var_os("RINGFENCE_FIXTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures"),
        PathBuf::from,
    );
    let folder = root.join("cloudtrail");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!(
        "NOT RUN: recorded events: {} is not there (set RINGFENCE_FIXTURES)",
        folder.display()
    );
    None
}

#[test]
fn every_collection_has_the_events_that_its_notes_state() {
    let Some(root) = folder() else { return };
    for (name, events) in [
        ("stratus-red-team", 310),
        ("traildiscover/logExamples", 563),
        ("panther", 486),
        ("aws-docs", 25),
        // Of 204 IDs, two of which stand on two different events each: see below.
        ("umccr-flaws-sample", 206),
        ("umccr-flaws-sample/AWSLogs", 185),
        ("otrf", 103),
        ("streamalert", 54),
    ] {
        let question = question(&["AKIAEXAMPLE000000001"]);
        let gathered = gathered(&[&root.join(name)], &question, &limits()).unwrap();
        assert_eq!(gathered.survey.events, events, "{name}");
        assert!(
            gathered.unique <= events && gathered.unique > events / 3,
            "{name}: {}",
            gathered.unique
        );
    }
}

#[test]
fn a_file_and_its_compressed_twin_are_the_same_events() {
    let Some(root) = folder() else { return };
    let name =
        "trailscraper/111111111111_CloudTrail_eu-central-1_20171211T1505Z_A6kvhMoVeCsc7v8U.json";
    let (plain, packed) = (root.join(name), root.join(format!("{name}.gz")));
    let question = question(&["AKIAEXAMPLE000000001"]);
    let both = gathered(&[&plain, &packed], &question, &limits()).unwrap();
    assert_eq!((both.survey.events, both.unique, both.files), (4, 2, 2));
}

#[test]
fn a_federation_token_and_its_one_use() {
    let Some(root) = folder() else { return };
    let file = root.join("stratus-red-team/aws.initial-access.sts-federation-token.json");
    let file = if file.exists() { file } else { find(&root, "sts-federation-token") };
    let trace = traced(&file, &question(&["AKIA6V1GNZTT65XQH36M"]), &limits());
    let ids: Vec<_> = trace.credentials.iter().map(|one| (one.id.as_str(), one.kind)).collect();
    assert_eq!(
        ids,
        [
            ("AKIA6V1GNZTT65XQH36M", CredentialKind::AccessKey),
            ("ASIASTJKC5GCM7ZE6LUP", CredentialKind::FederationToken),
        ]
    );
    let token = &trace.credentials[1];
    assert_eq!((token.uses, token.expiry, token.live), (Some(1), Expiry::Recorded, Some(false)));
    assert_eq!(token.expires_at, Some("2024-11-30T20:43:17Z".parse().unwrap()));
    assert_eq!(token.parent.as_deref(), Some("AKIA6V1GNZTT65XQH36M"));
}

#[test]
fn two_mints_in_one_second_with_the_same_session_name_are_two() {
    let Some(root) = folder() else { return };
    let file = find(&root, "ec2-get-password-data");
    let trace = traced(&file, &question(&["AKIAWOGXN38MFN92ING5"]), &limits());
    let uses: Vec<_> = trace.credentials.iter().map(|one| (one.id.as_str(), one.uses)).collect();
    assert!(uses.contains(&("ASIA7RQR64ZW9JXKWPUO", Some(0))), "{uses:?}");
    assert!(uses.contains(&("ASIANQQHHS551LWULIWD", Some(30))), "{uses:?}");
    assert_eq!(uses.len(), 3);
    let roles: Vec<_> =
        trace.targets.iter().filter(|target| target.kind == TargetKind::Role).collect();
    assert!(
        roles.iter().any(|role| role.name == "stratus-red-team-ec2-get-password-data-role"),
        "{roles:?}"
    );
}

#[test]
fn keys_of_a_machine_that_were_stolen() {
    let Some(root) = folder() else { return };
    let trace = traced(&root.join("otrf"), &question(&["ASIA5FLZVX4OPVKKVBMX"]), &limits());
    assert_eq!(trace.credentials.len(), 1);
    let one = &trace.credentials[0];
    assert_eq!((one.uses, one.parent.as_deref()), (Some(11), None));
    // EC2 made it for the machine: no credential is behind it, and how long it lasted is known.
    assert_eq!((one.via.as_deref(), one.expiry), (Some("AssumeRole"), Expiry::Recorded));
    assert_eq!(one.expires_at, Some("2020-09-14T07:10:27Z".parse().unwrap()));
    let other = traced(&root.join("otrf"), &question(&["ASIA5FLZVX4OI4ZDQJOL"]), &limits());
    // Of this one nothing says how it was made.
    let made = |what: &str| what.contains("which credential ASIA5FLZVX4OI4ZDQJOL");
    assert!(other.unknown.iter().any(|unknown| made(&unknown.what)), "{:?}", other.unknown);
    assert_eq!(other.credentials[0].expiry, Expiry::AtMost);
}

#[test]
fn a_key_that_mints_itself_and_a_call_that_two_accounts_record() {
    let Some(root) = folder() else { return };
    let file = root.join("aws-docs");
    let gathered = gathered(&[&file], &question(&["AKIAI44QH8DHBEXAMPLE"]), &limits()).unwrap();
    assert_eq!(gathered.survey.events, 25);
    for key in ["AKIAI44QH8DHBEXAMPLE", "ASIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"] {
        let trace = traced(&file, &question(&[key]), &limits());
        let ids: std::collections::BTreeSet<_> =
            trace.credentials.iter().map(|one| &one.id).collect();
        assert_eq!(ids.len(), trace.credentials.len(), "{key}");
        assert!(trace.credentials.iter().all(|one| one.parent.as_deref() != Some(one.id.as_str())));
    }
}

#[test]
fn what_an_attacker_leaves_behind_is_named_with_its_technique() {
    let Some(root) = folder() else { return };
    let file = find(&root, "iam-create-admin-user");
    let text = std::fs::read_to_string(&file).unwrap();
    let events: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    let made = events.iter().find(|event| event["eventName"] == "CreateUser").unwrap();
    let key = made["userIdentity"]["accessKeyId"].as_str().unwrap();
    let trace = traced(&file, &question(&[key]), &limits());
    let kinds: Vec<_> = trace
        .persistence
        .iter()
        .map(|made| {
            (made.kind.as_str(), made.technique.as_ref().map(|technique| technique.id.as_str()))
        })
        .collect();
    assert!(kinds.contains(&("user", Some("T1136.003"))), "{kinds:?}");
    assert!(kinds.contains(&("attached_user_policy", Some("T1098.003"))), "{kinds:?}");
    assert!(
        trace.targets.iter().any(|target| target.name == "malicious-iam-user"),
        "{:?}",
        trace.targets
    );
}

/// The file of a technique.
fn find(root: &Path, technique: &str) -> PathBuf {
    let files = std::fs::read_dir(root.join("stratus-red-team")).unwrap();
    let mut files = files.map(|file| file.unwrap().path());
    files.find(|path| path.to_str().unwrap().contains(technique)).unwrap()
}

/// The IDs of the events below a folder.
#[derive(Default)]
struct Ids(std::collections::BTreeSet<String>);

impl ringfence::trail::Sink for Ids {
    fn event(&mut self, event: &ringfence::trail::Event<'_>, _: &[u8]) {
        self.0.insert(event.id.to_string());
    }
    fn flaw(&mut self, _: ringfence::trail::Flaw, _: u64, _: &str) {}
    fn inflate(&mut self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }
}

#[test]
fn the_ids_are_as_many_as_the_notes_state() {
    let Some(root) = folder() else { return };
    let mut ids = Ids::default();
    let mut waiting = vec![root.join("umccr-flaws-sample")];
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let mut bytes = std::fs::read(&path).unwrap();
        if path.extension().is_some_and(|end| end == "gz") {
            let mut plain = Vec::new();
            let mut decoder = flate2::read::GzDecoder::new(&bytes[..]);
            std::io::Read::read_to_end(&mut decoder, &mut plain).unwrap();
            bytes = plain;
        }
        ringfence::trail::read(&bytes, &mut ids);
    }
    assert_eq!(ids.0.len(), 204);
}
