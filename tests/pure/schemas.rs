//! The published schemas against the readers: what can be written is valid, and what a reader refuses for its
//! form is refused by the schema.

use crate::golden::{folders, read};
use crate::properties::model::Account;
use crate::properties::property;
use crate::properties::strategies::{ask, hidden, trouble, truth};
use crate::schema::{Schema, lines, root};
use ringfence::journal::{Entry, Journal};
use ringfence::plan::Plan;
use ringfence::release::Request;
use ringfence::state::State;
use ringfence::trace::Trace;
use serde_json::{Value, json};

fn value(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

struct Files {
    plan: Schema,
    state: Schema,
    journal: Schema,
}

impl Files {
    fn new() -> Self {
        let [plan, state, journal] = ["plan", "state", "journal"].map(Schema::of);
        Self { plan, state, journal }
    }

    fn hold(&self, plan: &Plan, state: &State, journals: &[Journal]) {
        self.plan.holds(&value(&plan.bytes()));
        self.state.holds(&value(&state.bytes()));
        for entry in journals.iter().flat_map(Journal::entries) {
            self.journal.holds(&serde_json::to_value(entry).unwrap());
        }
    }
}

#[test]
fn what_any_incident_writes_is_as_the_schemas_say() {
    let files = Files::new();
    property(100, &(truth(), hidden(), ask(), trouble()), |(truth, hidden, ask, trouble)| {
        let mut account = Account::of(vec![truth]);
        account.users[0].hidden = hidden.into_iter().collect();
        let Ok(plan) = account.plan(&ask) else { return };
        let ran = account.apply(&plan, &trouble);
        files.hold(&plan, account.state(), &ran.journals);
        account.tick(60);
        let Ok(release) = account.release(&Request::default()) else { return };
        let ran = account.apply(&release, &trouble);
        files.hold(&release, account.state(), &ran.journals);
    });
}

#[test]
fn what_the_corpora_hold_is_as_the_schemas_say() {
    let files = Files::new();
    let corpus = |target: &str| {
        let folder = root().join("fuzz/corpus").join(target);
        std::fs::read_dir(folder).unwrap().map(|file| std::fs::read(file.unwrap().path()).unwrap())
    };
    let plans = corpus("plan").filter_map(|bytes| Plan::parse(&bytes, "plan").ok());
    let plans = plans.map(|plan| files.plan.holds(&value(&plan.bytes()))).count();
    let states = corpus("state").filter_map(|bytes| State::parse(&bytes, "state").ok());
    let states = states.map(|state| files.state.holds(&value(&state.bytes()))).count();
    let journals = corpus("journal").filter_map(|bytes| Journal::parse(&bytes, "journal").ok());
    let entries: usize = journals
        .map(|journal| {
            let entries = journal.entries().iter();
            entries.map(|entry| files.journal.holds(&serde_json::to_value(entry).unwrap())).count()
        })
        .sum();
    assert!(plans > 3 && states > 0 && entries > 10, "{plans} {states} {entries}");
}

/// Every pointer to a value in a document, but into policy documents, which hold what their authors want.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    if at.ends_with("/document") {
        return;
    }
    found.push(at.to_owned());
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            let key = key.replace('~', "~0").replace('/', "~1");
            places(value, &format!("{at}/{key}"), found);
        }),
        Value::Array(items) => items.iter().enumerate().for_each(|(index, value)| {
            places(value, &format!("{at}/{index}"), found);
        }),
        _ => {}
    }
}

/// Tries a document with one thing changed, at every place, on a reader and on its schema.
fn agree(schema: &Schema, document: &Value, reads: impl Fn(&Value) -> bool) -> (usize, usize) {
    let (mut taken, mut refused) = (0, 0);
    let mut both = |damaged: &Value, what: &str, at: &str| {
        let (read, valid) = (reads(damaged), schema.takes(damaged));
        assert_eq!(valid, read, "{what} at {at}: the schema says {valid}, the reader {read}");
        *(if read { &mut taken } else { &mut refused }) += 1;
    };
    both(document, "nothing", "all");
    let mut all = Vec::new();
    places(document, "", &mut all);
    for at in &all {
        for other in [json!(-1.5), json!(null), json!({}), json!(["x"]), json!("no such word")] {
            let mut damaged = document.clone();
            *damaged.pointer_mut(at).unwrap() = other.clone();
            // Hashes are checked against what they are of, not by their form.
            let hash = at.ends_with("sha256") || at.ends_with("/prev") || at.ends_with("_head");
            // Its reader takes a list for an object's fields in their order, which nobody writes.
            let list = other.is_array() && document.pointer(at).unwrap().is_object();
            if !(list || hash && other.is_string()) {
                both(&damaged, &other.to_string(), at);
            }
        }
        let mut damaged = document.clone();
        if let Some(Value::Object(map)) = damaged.pointer_mut(at) {
            map.insert("unheard_of".to_owned(), json!(1));
            both(&damaged, "one field more", at);
        }
    }
    for at in &all {
        let Some((parent, key)) = at.rsplit_once('/') else { continue };
        let mut damaged = document.clone();
        let Some(Value::Object(map)) = damaged.pointer_mut(parent) else { continue };
        let gone = map.remove(&key.replace("~1", "/").replace("~0", "~"));
        // What is there and empty is always written; a reader takes its absence for `null`.
        if gone.is_some_and(|gone| !gone.is_null()) {
            let (read, valid) = (reads(&damaged), schema.takes(&damaged));
            assert!(read || !valid, "without {at} the reader refuses it and the schema does not");
        }
    }
    (taken, refused)
}

#[test]
fn a_schema_is_as_strict_as_the_reader() {
    let files = Files::new();
    for folder in folders() {
        for (name, bytes) in read(&folder) {
            let kind = name.split(['-', '.']).next().unwrap();
            let (taken, refused) = match kind {
                "contain" | "release" if name.ends_with(".json") => {
                    // The bytes of a plan are held to its digest besides.
                    agree(&files.plan, &value(&bytes), |damaged| {
                        serde_json::from_value::<Plan>(damaged.clone()).is_ok()
                            && damaged["format_version"] == 1
                    })
                }
                "state" => agree(&files.state, &value(&bytes), |damaged| {
                    State::parse(&serde_json::to_vec(damaged).unwrap(), "state").is_ok()
                }),
                "trace" => agree(&Schema::of("trace"), &value(&bytes), |damaged| {
                    serde_json::from_value::<Trace>(damaged.clone()).is_ok()
                }),
                "journal" => {
                    let entries = lines(std::str::from_utf8(&bytes).unwrap());
                    let tried = entries.iter().map(|entry| {
                        agree(&files.journal, entry, |damaged| {
                            serde_json::from_value::<Entry>(damaged.clone()).is_ok()
                        })
                    });
                    tried.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
                }
                _ => continue,
            };
            eprintln!("{name}: {taken} taken by both, {refused} refused by both");
            assert!(taken > 5 && refused > 100, "{name}: {taken}, {refused}");
        }
    }
}

/// What a person who has only the schema reads.
#[test]
fn every_part_of_a_schema_is_described_for_outsiders() {
    fn described(value: &Value, at: &str) {
        if let Some(Value::Object(properties)) = value.get("properties") {
            for (name, property) in properties {
                let text = property["description"].as_str().unwrap_or_default();
                let tag = property.get("const").is_some();
                // The one field of an object that is described itself.
                let only = properties.len() == 1 && value.get("description").is_some();
                assert!(tag || only || text.ends_with('.'), "{at}/{name} is described as `{text}`");
            }
        }
        if let Some(text) = value.get("description").and_then(Value::as_str) {
            let mut words = text.split(|c: char| !c.is_ascii_alphanumeric());
            let cites = |word: &str| {
                let number = word.strip_prefix(['D', 'F']).unwrap_or_default();
                number.starts_with(|c: char| c.is_ascii_digit())
            };
            assert!(!words.any(cites), "{at} cites what outsiders do not have: {text}");
            assert!(!text.contains("::") && !text.contains("`None`"), "{at} speaks Rust: {text}");
        }
        match value {
            Value::Object(map) => {
                map.iter().for_each(|(key, value)| described(value, &format!("{at}/{key}")));
            }
            Value::Array(items) => items.iter().for_each(|value| described(value, at)),
            _ => {}
        }
    }
    let folder = std::fs::read_dir(root().join("schemas")).unwrap();
    let mut files: Vec<_> = folder.map(|file| file.unwrap().path()).collect();
    files.sort();
    assert_eq!(files.len(), 10, "{files:?}");
    for file in files {
        let schema = value(&std::fs::read(&file).unwrap());
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        for key in ["$id", "title", "description"] {
            assert!(schema[key].is_string(), "{}: {key}", file.display());
        }
        described(&schema, file.file_name().unwrap().to_str().unwrap());
    }
}
