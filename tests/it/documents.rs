//! The tests that the documents name are there: what they say is shown can be run.

use std::collections::BTreeSet;
use std::path::Path;

/// The documents, and how many tests each names at least.
const NAMING: [(&str, usize); 3] =
    [("docs/promises.md", 11), ("docs/rules.md", 11), ("docs/formats.md", 10)];

/// Every test of a tree of sources, by the path that the test runner knows it under.
fn tests(folder: &Path, module: &str, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let inner = match name {
            "main" | "lib" | "mod" => module.to_owned(),
            _ => format!("{module}{name}::"),
        };
        if path.is_dir() {
            tests(&path, &inner, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let (mut within, mut is_test) = (inner, false);
            for line in std::fs::read_to_string(&path).unwrap().lines() {
                if line == "mod tests {" {
                    within.push_str("tests::");
                }
                is_test |= line.contains("#[test]") || line.contains("#[tokio::test");
                if let Some((_, rest)) = line.split_once("fn ")
                    && std::mem::take(&mut is_test)
                {
                    found.insert(format!("{within}{}", rest.split('(').next().unwrap()));
                }
            }
        }
    }
}

/// What stands between single backquotes and can only be a test, or a module of them.
fn named(text: &str) -> Vec<&str> {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_:".contains(c);
    let spans = text.split('`').skip(1).step_by(2);
    spans
        .filter(|span| span.chars().all(word))
        .filter(|span| span.contains("::") || span.matches('_').count() > 1)
        .collect()
}

#[test]
fn the_tests_that_documents_name_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeSet::new();
    tests(&root.join("src"), "", &mut found);
    for binary in std::fs::read_dir(root.join("tests")).unwrap() {
        let binary = binary.unwrap().path();
        if binary.join("main.rs").exists() {
            tests(&binary, "", &mut found);
        }
    }
    for (document, least) in NAMING {
        let text = std::fs::read_to_string(root.join(document)).unwrap();
        let names = named(&text);
        assert!(names.len() >= least, "{document} names {names:?}");
        for name in names {
            assert!(found.iter().any(|test| test.contains(name)), "{document}: `{name}`");
        }
    }
}
