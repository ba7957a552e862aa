//! One of every format version, as the program of its time wrote it: `tests/golden/v1` and those that follow.
//! They are never edited; how they were made is in `docs/formats.md`.

use crate::schema::{Schema, lines, root};
use ringfence::approval::{Case, SignatureFile, Signers, effect, judge};
use ringfence::config::{Config, Rules};
use ringfence::journal::{Event, Journal};
use ringfence::plan::{Kind, Plan, sha256};
use ringfence::record;
use ringfence::state::{HeldStatus, State};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The folders of golden files, one for each time that a format changed.
pub fn folders() -> Vec<PathBuf> {
    let all = std::fs::read_dir(root().join("tests/golden")).unwrap();
    let mut folders: Vec<PathBuf> =
        all.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    assert!(!folders.is_empty());
    folders
}

/// The files of a folder, by name.
pub fn read(folder: &std::path::Path) -> BTreeMap<String, Vec<u8>> {
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read(path).unwrap())
        })
        .collect()
}

/// The files of the first version of every format.
struct First(BTreeMap<String, Vec<u8>>);

impl First {
    fn new() -> Self {
        Self(read(&root().join("tests/golden/v1")))
    }

    fn bytes(&self, name: &str) -> &[u8] {
        self.0.get(name).unwrap_or_else(|| panic!("no {name}"))
    }

    fn text(&self, name: &str) -> &str {
        std::str::from_utf8(self.bytes(name)).unwrap()
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_slice(self.bytes(name)).unwrap()
    }

    fn plan(&self, name: &str) -> Plan {
        Plan::parse(self.bytes(name), name).unwrap()
    }

    fn state(&self, name: &str) -> State {
        State::parse(self.bytes(name), name).unwrap()
    }

    fn journal(&self, name: &str) -> Journal {
        Journal::parse(self.bytes(name), name).unwrap()
    }
}

/// What a plan does, a line a step.
fn steps(plan: &Plan) -> Vec<String> {
    let steps = plan.steps().into_iter();
    steps
        .map(|(_, step)| {
            let call = step.call().unwrap();
            format!("{} {} {}", step.wave, call.name(), step.resource.kind())
        })
        .collect()
}

/// How resources stand, by kind.
fn standing(state: &State) -> Vec<String> {
    let held = state.resources.iter();
    held.map(|(resource, held)| format!("{} {}", resource.kind(), held.status.words())).collect()
}

#[test]
fn no_golden_file_was_edited() {
    for folder in folders() {
        let mut files = read(&folder);
        let sums = String::from_utf8(files.remove("SHA256SUMS").unwrap()).unwrap();
        let made: BTreeMap<String, String> = sums
            .lines()
            .map(|line| line.split_once("  ").unwrap())
            .map(|(sum, name)| (name.to_owned(), sum.to_owned()))
            .collect();
        let now: BTreeMap<String, String> =
            files.iter().map(|(name, bytes)| (name.clone(), sha256(bytes))).collect();
        assert_eq!(now, made, "{}", folder.display());
    }
}

#[test]
fn a_first_plan_is_read_as_it_was_meant() {
    let first = First::new();
    let plan = first.plan("contain.json");
    assert_eq!(plan.bytes(), first.bytes("contain.json"));
    assert_eq!(serde_json::to_value(&plan).unwrap(), first.json("contain.json"));
    assert_eq!((plan.kind, plan.format_version), (Kind::Contain, 1));
    assert_eq!(plan.posture.name, "evidence");
    assert_eq!(plan.incident.as_deref(), Some("INC-7"));
    assert_eq!(plan.approval.as_ref().unwrap().requirement.required, 1);
    let [principal] = &plan.principals[..] else { panic!("{}", plan.principals.len()) };
    assert_eq!(principal.name.as_str(), "deploy-bot");
    assert_eq!(principal.snapshot.access_keys.items().len(), 2);
    assert!(principal.snapshot.groups.items()[0].inline_policies.is_some(), "read with --full");
    insta::assert_snapshot!(steps(&plan).join("\n"), @"
    1 PutUserPolicy inline_policy
    1 AttachUserPolicy attached_policy
    2 UpdateAccessKey access_key
    2 UpdateAccessKey access_key
    3 UpdateSSHPublicKey ssh_key
    3 UpdateServiceSpecificCredential service_credential
    3 RemoveUserFromGroup group
    4 PutUserPolicy inline_policy
    ");

    let release = first.plan("release.json");
    assert_eq!(release.bytes(), first.bytes("release.json"));
    assert_eq!(release.kind, Kind::Release);
    insta::assert_snapshot!(steps(&release).join("\n"), @"
    1 AddUserToGroup group
    2 UpdateAccessKey access_key
    2 UpdateServiceSpecificCredential service_credential
    2 UpdateSSHPublicKey ssh_key
    3 DeleteUserPolicy inline_policy
    4 DetachUserPolicy attached_policy
    4 DeleteUserPolicy inline_policy
    ");
}

#[test]
fn a_first_state_is_read_as_it_was_meant() {
    let first = First::new();
    for name in ["state-contained.json", "state-released.json"] {
        let state = first.state(name);
        assert_eq!(state.bytes(), first.bytes(name));
        assert_eq!(serde_json::to_value(&state).unwrap(), first.json(name));
    }
    let contained = first.state("state-contained.json");
    assert!(contained.continues() && contained.fence().is_some());
    let [run] = &contained.runs[..] else { panic!("{}", contained.runs.len()) };
    assert_eq!(run.approvals[0].person, "alice");
    insta::assert_snapshot!(standing(&contained).join("\n"), @"
    access_key held
    access_key held
    attached_policy held
    group held
    inline_policy held
    inline_policy held
    service_credential held
    ssh_key held
    ");

    let released = first.state("state-released.json");
    assert_eq!((released.lineage.clone(), released.runs.len()), (contained.lineage.clone(), 3));
    assert!(released.is_released());
    assert_eq!(released.runs[2].break_glass.as_deref(), Some("nobody else is awake"));
    insta::assert_snapshot!(standing(&released).join("\n"), @"
    access_key kept
    access_key released
    attached_policy released
    group released
    inline_policy released
    inline_policy released
    service_credential released
    ssh_key released
    ");
}

#[test]
fn a_first_journal_is_read_as_it_was_meant() {
    let first = First::new();
    let released = first.state("state-released.json");
    for (run, name) in released.runs.iter().zip(["contain", "again", "release"]) {
        let name = format!("journal-{name}.jsonl");
        let journal = first.journal(&name);
        let end = run.end.as_ref().unwrap();
        assert_eq!((journal.head(), journal.len()), (&*end.journal_head, end.journal_entries));
        assert!(journal.finished() && !journal.torn(), "{name}");
        // Written again it is the same, to the byte.
        let mut again = Journal::default();
        let entries = journal.entries().iter();
        let bytes: Vec<u8> =
            entries.flat_map(|entry| again.append(entry.at, entry.event.clone())).collect();
        assert_eq!(bytes, first.bytes(&name), "{name}");
    }
    // The state is what the journal tells, today as then.
    let contained = first.state("state-contained.json");
    let (plan, journal) = (first.plan("contain.json"), first.journal("journal-contain.jsonl"));
    let started = journal.entries().first().map(|entry| &entry.event);
    let Some(Event::RunStarted { plan_sha256, approvals, prior, .. }) = started else { panic!() };
    assert_eq!(*plan_sha256, sha256(first.bytes("contain.json")));
    assert_eq!(approvals[0].signature.as_bytes(), first.bytes("contain.json.alice.sig"));
    assert!(prior.is_empty());
    let mut begun = contained.clone();
    begun.runs[0].end = None;
    for held in begun.resources.values_mut() {
        (held.status, held.written_at) = (HeldStatus::InDoubt, None);
    }
    let told = record::replay(&begun, &plan, &plan.principals[0], &journal);
    assert_eq!(told.resources, contained.resources);
    assert_eq!(told.clock, contained.clock);
}

#[test]
fn a_first_configuration_is_read_as_it_was_meant() {
    let first = First::new();
    let config = Config::parse(first.text("ringfence.toml"), "ringfence.toml").unwrap();
    assert_eq!(config.location.as_deref(), Some("state/"));
    assert_eq!(config.protected_users, ["break-glass"]);
    assert_eq!((config.settle_s, config.deadline.as_secs()), (0, 300));
    assert_eq!(config.approval.required, 1);
    let plan = first.plan("contain.json");
    assert_eq!(config.posture("evidence").unwrap(), plan.posture);

    let rules = Rules::parse(first.bytes("policy.toml"), "policy.toml").unwrap();
    assert!(rules.break_glass);
    assert_eq!((rules.approval.required, rules.approval.max_age_s), (1, Some(86_400)));
    let names: Vec<&str> = rules.guardrails.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(names, ["on-call", "production"]);
}

#[test]
fn a_first_approval_is_still_one() {
    let first = First::new();
    let plan = first.plan("contain.json");
    let name = "contain.json.alice.sig".to_owned();
    let signature = SignatureFile { bytes: first.bytes(&name).to_vec(), name };
    let signers = Signers::parse(first.bytes("allowed_signers"), "allowed_signers").unwrap();
    let mut case = Case {
        plan: first.bytes("contain.json"),
        created_at: plan.created_at,
        effects: &effect::of_plan(&plan, &[None], plan.created_at),
        requirement: &plan.approval.as_ref().unwrap().requirement,
        signatures: &[signature],
        signers: &[signers],
        caller: None,
        now: plan.created_at,
    };
    let verdict = judge(&case);
    assert!(verdict.is_met(), "{verdict:?}");
    assert_eq!(verdict.approvals[0].person, "alice");
    case.plan = first.bytes("release.json");
    assert!(!judge(&case).is_met());
}

#[test]
fn what_was_written_and_printed_first_is_as_todays_schemas_say() {
    let first = First::new();
    let mut tried = 0;
    for (name, bytes) in &first.0 {
        let format = match name.split(['-', '.']).next().unwrap() {
            "contain" | "release" if name.ends_with(".json") => "plan",
            format @ ("state" | "status" | "check" | "journal" | "events") => format,
            _ => continue,
        };
        let schema = Schema::of(format);
        let text = std::str::from_utf8(bytes).unwrap();
        if name.ends_with(".jsonl") {
            lines(text).iter().for_each(|line| schema.holds(line));
        } else {
            schema.holds(&serde_json::from_str(text).unwrap());
        }
        tried += 1;
    }
    assert_eq!(tried, 17);
}

#[test]
fn a_version_from_the_future_is_refused_in_words() {
    let first = First::new();
    let later = |name: &str| {
        let text = first.text(name).replacen("\"format_version\": 1", "\"format_version\": 2", 1);
        // What a later version has that this one does not know comes second to that.
        text.replacen("\"ringfence_version\"", "\"unheard_of\": true,\n  \"ringfence_version\"", 1)
    };
    let plan = Plan::parse(later("contain.json").as_bytes(), "contain.json").unwrap_err();
    insta::assert_snapshot!(plan, @"
    error: `contain.json` has plan format 2, this program knows up to 1
    hint: use the ringfence that wrote it, or plan again with this one
    ");
    let state = State::parse(later("state-contained.json").as_bytes(), "state.json").unwrap_err();
    insta::assert_snapshot!(state, @"
    error: the state file `state.json` has format 2, this program knows up to 1
    hint: use the ringfence that wrote it
    ");
    let journal = first.text("journal-contain.jsonl").replacen(
        "\"type\":\"run_started\"",
        "\"type\":\"begun\",\"format_version\":2,\"unheard_of\":true",
        1,
    );
    let journal = Journal::parse(journal.as_bytes(), "journal.jsonl").unwrap_err();
    insta::assert_snapshot!(journal, @"
    error: the journal `journal.jsonl` has format 2, this program knows up to 1
    hint: use the ringfence that wrote it
    ");
}

#[test]
fn a_first_trace_is_read_as_it_was_meant() {
    let bytes = std::fs::read(root().join("tests/golden/v1-trace/trace.json")).unwrap();
    let trace = ringfence::trace::Trace::parse(&bytes, "trace.json").unwrap();
    assert_eq!(trace.bytes(), bytes);
    let ids: Vec<_> = trace.credentials.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids.first(), Some(&"AKIAEXAMPLELEAKED001"));
    assert!(trace.credentials.iter().any(|one| one.live == Some(false)));
    assert!(trace.persistence.iter().any(|made| made.live && made.technique.is_some()));
    let targets: Vec<_> = trace.targets.iter().map(|target| target.name.as_str()).collect();
    assert_eq!(targets, ["backup", "deploy-bot", "Admin", "DataReader"]);
}
