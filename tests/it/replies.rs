//! The corpus of the fuzz target that answers in the service's place, tried as it lies in the repository.

#[path = "../../fuzz/src/replies.rs"]
mod law;

#[test]
fn whatever_a_service_answers_is_read_for_no_more_than_it_says() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/replies");
    let mut tried = 0;
    for file in std::fs::read_dir(&folder).unwrap() {
        let path = file.unwrap().path();
        // What a failing law prints does not say whose bytes they were.
        eprintln!("{}", path.display());
        law::law(&std::fs::read(&path).unwrap());
        tried += 1;
    }
    assert!(tried >= 10, "only {tried} files in {}", folder.display());
}
