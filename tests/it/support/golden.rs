//! Screens that are too long to stand in a test lie in `tests/golden`.

/// Asserts that a text is the one in `tests/golden/NAME.snap`; `INSTA_UPDATE=always` rewrites it.
#[track_caller]
pub fn golden(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../golden");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}
