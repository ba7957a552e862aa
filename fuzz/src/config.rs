//! Configurations: what is read keeps within its limits, and what is wrong is said with its line.

use super::{NAME, calm, in_words};
use ringfence::config::Config;
use ringfence::posture::{BUILT_IN, Posture};
use std::time::Duration;

/// What holds of any text that is taken for a configuration.
pub fn law(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let config = match Config::parse(text, NAME) {
        Ok(config) => config,
        Err(error) => {
            in_words(&error);
            let (_, line) = error.message().rsplit_once("line ").expect("a line");
            let line: usize = line.trim_end_matches(')').parse().expect("the line's number");
            assert!((1..=text.matches('\n').count() + 1).contains(&line), "{error}");
            return;
        }
    };
    assert_eq!(Config::parse(text, NAME).expect("the same text"), config);
    assert!((Duration::from_secs(10)..=Duration::from_secs(86_400)).contains(&config.deadline));
    assert!(config.settle_s <= 86_400);
    let scheme = config.location.as_ref().and_then(|location| location.split_once("://"));
    assert!(scheme.is_none_or(|(scheme, _)| scheme == "s3"));
    // Whatever somebody declares, the built-in ones mean what they always do.
    for name in BUILT_IN {
        assert_eq!(config.posture(name).ok(), Posture::built_in(name));
    }
    let table: toml::Table = text.parse().expect("TOML");
    // Nobody who is to be protected gets lost.
    let guard = table.get("guard").and_then(|guard| guard.get("protected_users"));
    let named = guard.and_then(toml::Value::as_array).into_iter().flatten();
    assert!(named.map(toml::Value::as_str).eq(config.protected_users.iter().map(|n| Some(&**n))));
    let own = table.get("posture").and_then(toml::Value::as_table).into_iter().flatten();
    for (name, rules) in own {
        let posture = config.posture(name).expect("a posture that was declared");
        assert_eq!(posture.name, *name);
        assert!(posture.check().is_ok());
        assert!(posture.fence_margin_s.is_none_or(|margin| margin >= 30));
        // A plan and a state hold it.
        let json = serde_json::to_vec(&posture).expect("JSON");
        assert_eq!(serde_json::from_slice::<Posture>(&json).expect("a posture"), posture);
        // What is not named is as in the one that it extends.
        let base = rules.get("extends").and_then(toml::Value::as_str).expect("what it extends");
        let mut base = Posture::built_in(base).expect("a built-in posture");
        base.name.clone_from(name);
        if rules.as_table().is_some_and(|rules| rules.len() == 1) {
            assert_eq!(posture, base);
        }
        assert!(posture.tightened(&base).covers(&base));
    }
    if let Err(error) = config.posture("\u{1b}[31mnobody's") {
        calm(&error.to_string());
    }
}
