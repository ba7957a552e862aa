//! The collections of recorded events (`../shared/fixtures/SOURCES.md`, `cloudtrail`), read with the number of
//! events that is stated there.

use ringfence::trail::{self, Event, Flaw, Sink};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Default)]
struct Counts {
    events: usize,
    keyed: usize,
    flaws: BTreeMap<Flaw, usize>,
    accounts: BTreeMap<String, usize>,
}

impl Sink for Counts {
    fn event(&mut self, event: &Event<'_>, raw: &[u8]) {
        self.events += 1;
        self.keyed += usize::from(!event.access_key().is_empty());
        *self.accounts.entry(event.recipient.to_string()).or_default() += 1;
        assert!(serde_json::from_slice::<serde_json::Map<_, _>>(raw).is_ok());
    }

    fn flaw(&mut self, flaw: Flaw, _: u64, _: &str) {
        *self.flaws.entry(flaw).or_default() += 1;
    }

    fn inflate(&mut self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.to_str().unwrap().contains(".json") && path.extension().unwrap() != "gz" {
            found.push(path);
        }
    }
    found.sort();
}

fn counts(folder: &Path) -> Counts {
    let mut found = Vec::new();
    files(folder, &mut found);
    let mut counts = Counts::default();
    for file in found {
        trail::read(&std::fs::read(&file).unwrap(), &mut counts);
    }
    counts
}

fn lost(counts: &Counts) -> Vec<(Flaw, usize)> {
    counts.flaws.iter().filter(|(flaw, _)| !flaw.is_read()).map(|(f, n)| (*f, *n)).collect()
}

#[test]
fn every_collection_is_read_whole() {
    let root = std::env::var_os("RINGFENCE_FIXTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures"),
        PathBuf::from,
    );
    let root = root.join("cloudtrail");
    if !root.is_dir() {
        eprintln!(
            "NOT RUN: recorded events: {} is not there (set RINGFENCE_FIXTURES)",
            root.display()
        );
        return;
    }
    for (folder, events, other) in [
        ("stratus-red-team", 310, vec![]),
        ("traildiscover/logExamples", 563, vec![]),
        ("panther", 486, vec![]),
        ("aws-docs", 25, vec![]),
        // One of its 204 files' worth is compressed: see `tests/it/trace`.
        ("umccr-flaws-sample", 201, vec![]),
        ("otrf", 103, vec![]),
        ("streamalert", 54, vec![]),
        // A policy lies among the files.
        ("trailscraper", 5, vec![(Flaw::NotAnEvent, 1)]),
    ] {
        let read = counts(&root.join(folder));
        assert_eq!(read.events, events, "{folder}: {:?}", read.flaws);
        assert_eq!(lost(&read), other, "{folder}");
        assert!(read.keyed > 0, "{folder}");
    }
    // A catalogue of API calls is none of events, though it names them.
    let catalogue = std::fs::read(root.join("traildiscover/events.json")).unwrap();
    let mut counts = Counts::default();
    trail::read(&catalogue, &mut counts);
    assert_eq!((counts.events, lost(&counts)), (0, vec![(Flaw::NotAnEvent, 381)]));
}
