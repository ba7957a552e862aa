//! The corpora of the fuzz targets, tried as they lie in the repository: what once broke a law is tried for
//! ever, and the laws compile with everything else.

use crate::fuzz;
use std::path::Path;

fn every(target: &str, law: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut tried = 0;
    for file in std::fs::read_dir(&folder).unwrap() {
        let path = file.unwrap().path();
        // What a failing law prints does not say whose bytes they were.
        eprintln!("{}", path.display());
        law(&std::fs::read(&path).unwrap());
        tried += 1;
    }
    assert!(tried >= 10, "only {tried} files in {}", folder.display());
}

#[test]
fn plans() {
    every("plan", fuzz::plan::law);
}

#[test]
fn states() {
    every("state", fuzz::state::law);
}

#[test]
fn journals() {
    every("journal", fuzz::journal::law);
}

#[test]
fn configurations() {
    every("config", fuzz::config::law);
}

#[test]
fn policy_documents() {
    every("policy", fuzz::policy::law);
}

#[test]
fn cloudtrail_files() {
    every("trail", fuzz::trail::law);
}
