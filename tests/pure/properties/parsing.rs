//! Files: what is written is read back, and what was cut, edited or made up is refused in words.

use super::model::{Account, Trouble};
use super::property;
use super::strategies::{ask, document_of, empty, hidden, old_key, trouble, truth};
use proptest::collection::vec;
use proptest::prelude::*;
use ringfence::error::Error;
use ringfence::journal::Journal;
use ringfence::plan::Plan;
use ringfence::policy::PolicyDocument;
use ringfence::resource::Resource;
use ringfence::snapshot::{InlinePolicy, Observed};
use ringfence::state::State;

/// One line of message that names the file, and the line or what is wrong with the whole.
fn in_words(error: &Error, whole_is_wrong: bool) {
    let text = error.to_string();
    assert!(text.contains("the-file.json"), "{text}");
    assert!(!error.message().contains('\n'), "{text}");
    assert!(whole_is_wrong || text.contains("line "), "{text}");
    assert!(!error.hints().is_empty(), "{text}");
}

fn sample() -> (Plan, State, Vec<u8>) {
    let mut truth = empty("deploy-bot", "AIDAEXAMPLE1");
    truth.access_keys = Observed::Read(vec![old_key(0), old_key(1)]);
    let document = Observed::Read(document_of(150));
    truth.inline_policies =
        Observed::Read(vec![InlinePolicy { name: "deploy".to_owned(), document }]);
    let mut account = Account::of(vec![truth]);
    let ask = super::model::Ask {
        posture: super::strategies::built_in("lockdown"),
        since: Some(super::strategies::exposure()),
        named: vec![super::strategies::key_id(0)],
    };
    let plan = account.plan(&ask).unwrap();
    let ran = account.apply(&plan, &Trouble::none());
    let mut again = Journal::default();
    let mut bytes = Vec::new();
    for entry in ran.journals[0].entries() {
        bytes.extend(again.append(entry.at, entry.event.clone()));
    }
    assert_eq!(again, ran.journals[0]);
    (plan, account.state().clone(), bytes)
}

#[test]
fn every_plan_and_state_is_read_as_it_was_written() {
    property(150, &(truth(), hidden(), ask(), trouble()), |(truth, hidden, ask, trouble)| {
        let mut account = Account::of(vec![truth]);
        account.users[0].hidden = hidden.into_iter().collect();
        let Ok(plan) = account.plan(&ask) else { return };
        let bytes = plan.bytes();
        let read = Plan::parse(&bytes, "the-file.json").unwrap();
        assert_eq!(read, plan);
        assert_eq!(read.bytes(), bytes);
        account.apply(&plan, &trouble);
        let state = account.state();
        let read = State::parse(&state.bytes(), "the-file.json").unwrap();
        assert_eq!(read, *state);
        assert_eq!(read.bytes(), state.bytes());
    });
}

#[test]
fn a_plan_cut_at_any_byte_is_refused() {
    let (plan, _, _) = sample();
    let bytes = plan.bytes();
    for cut in 0..bytes.len() {
        let error = Plan::parse(&bytes[..cut], "the-file.json").unwrap_err();
        // Without its last line end it is whole JSON, and its digest is another.
        in_words(&error, cut == bytes.len() - 1);
    }
}

#[test]
fn a_plan_with_any_one_byte_changed_is_refused() {
    let (plan, _, _) = sample();
    let bytes = plan.bytes();
    let refuse = |at: usize, flip: u8| {
        let mut edited = bytes.clone();
        edited[at] ^= flip;
        let error = Plan::parse(&edited, "the-file.json").unwrap_err();
        in_words(&error, true);
    };
    property(150, &(0..bytes.len(), 1u8..=255), |(at, flip)| refuse(at, flip));
    // All along the file: a letter's case is the edit most easily overlooked.
    for at in (0..bytes.len()).step_by(7) {
        refuse(at, 0x20);
    }
}

#[test]
fn a_state_cut_at_any_byte_is_refused() {
    let (_, state, _) = sample();
    let bytes = state.bytes();
    for cut in 0..bytes.len() - 1 {
        in_words(&State::parse(&bytes[..cut], "the-file.json").unwrap_err(), false);
    }
    // Only the line end is gone: all of it is there.
    assert_eq!(State::parse(&bytes[..bytes.len() - 1], "the-file.json").unwrap(), state);
}

#[test]
fn a_journal_cut_at_any_byte_is_read_to_its_last_whole_line() {
    let (_, _, bytes) = sample();
    let whole = Journal::parse(&bytes, "the-file.json").unwrap();
    for cut in 0..bytes.len() {
        let lines = bytes[..cut].iter().filter(|byte| **byte == b'\n').count();
        let read = Journal::parse(&bytes[..cut], "the-file.json").unwrap();
        assert_eq!(read.entries(), &whole.entries()[..lines]);
        let torn = cut > 0 && bytes[cut - 1] != b'\n';
        assert_eq!(read.torn(), torn);
    }
}

#[test]
fn a_journal_with_any_one_byte_changed_is_refused_or_torn() {
    let (_, _, bytes) = sample();
    let whole = Journal::parse(&bytes, "the-file.json").unwrap();
    property(200, &(0..bytes.len(), 1u8..=255), |(at, flip)| {
        let mut edited = bytes.clone();
        edited[at] ^= flip;
        match Journal::parse(&edited, "the-file.json") {
            Err(error) => in_words(&error, false),
            // Its last line has no successor to vouch for it; the head that was printed does.
            Ok(read) => assert_ne!(read.head(), whole.head()),
        }
    });
}

/// What nobody wrote.
fn garbage() -> Vec<Vec<u8>> {
    let (plan, state, journal) = sample();
    let deep = |open: &str, close: &str| {
        [open.repeat(100_000), close.repeat(100_000)].concat().into_bytes()
    };
    let mut all = vec![
        Vec::new(),
        b"\0".to_vec(),
        b"\n".to_vec(),
        b"null\n".to_vec(),
        b"[]\n".to_vec(),
        b"{}\n".to_vec(),
        b"{\"format_version\":1}\n".to_vec(),
        b"{\"format_version\":-1}\n".to_vec(),
        b"{\"format_version\":1e400}\n".to_vec(),
        b"{\"format_version\":99999999999999999999999}\n".to_vec(),
        b"{\"format_version\":\"1\"}\n".to_vec(),
        b"{\"format_version\":1,\"format_version\":1}\n".to_vec(),
        b"\xff\xfe{\0}\0".to_vec(),
        deep("[", "]"),
        deep("{\"format_version\":", "}"),
        b"{\"format_version\":\"".iter().copied().chain(vec![b'a'; 1 << 20]).collect(),
    ];
    for good in [plan.bytes(), state.bytes(), journal] {
        all.push([b"\xef\xbb\xbf".as_slice(), &good].concat());
        all.push([good.as_slice(), &good].concat());
        all.push([good.as_slice(), b"\0"].concat());
        let text = String::from_utf8(good).unwrap();
        all.push(
            text.replacen(
                "\"format_version\": 1",
                "\"format_version\": 1,\n  \"format_version\": 1",
                1,
            )
            .into_bytes(),
        );
        all.push(
            text.replacen("\"serial\": 0", "\"serial\": 18446744073709551616", 1).into_bytes(),
        );
        all.push(text.replacen("\"before\"", "\"\\u0062efore\"", 1).into_bytes());
        all.push(text.replace("Active", "active").into_bytes());
        all.push(text.replace('\n', "\r\n").into_bytes());
        all.push(text.replacen("deploy-bot", "../../deploy-bot", 1).into_bytes());
    }
    all
}

#[test]
fn what_nobody_wrote_is_refused_in_words() {
    let (plan, state, journal) = sample();
    for bytes in garbage() {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        if bytes != plan.bytes() {
            let error = Plan::parse(&bytes, "the-file.json").expect_err(&shown);
            assert!(error.to_string().contains("the-file.json"));
        }
        if let Err(error) = State::parse(&bytes, "the-file.json") {
            assert!(error.to_string().contains("the-file.json"));
        } else {
            // A state has no digest: what was only re-spelt says the same.
            assert_eq!(State::parse(&bytes, "the-file.json").unwrap(), state, "{shown}");
        }
        match Journal::parse(&bytes, "the-file.json") {
            Err(error) => in_words(&error, false),
            Ok(read) => assert!(read.is_empty() || bytes.starts_with(&journal), "{shown}"),
        }
    }
}

#[test]
fn what_an_error_quotes_of_a_file_begins_no_line_of_its_own() {
    let forged = "{\"format_version\":1,\"\\nhint: sh evil.sh\\u001b[2J\":1}\n";
    let journal = forged.replace("format_version", "n");
    for error in [
        Plan::parse(forged.as_bytes(), "the-file.json").unwrap_err(),
        State::parse(forged.as_bytes(), "the-file.json").unwrap_err(),
        Journal::parse(journal.as_bytes(), "the-file.json").unwrap_err(),
    ] {
        let text = error.to_string();
        assert!(text.contains("unknown field"), "{text}");
        assert!(!text.lines().any(|line| line.starts_with("hint: sh")), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }
}

#[test]
fn random_bytes_are_refused() {
    property(250, &vec(any::<u8>(), 0..200), |bytes| {
        assert!(Plan::parse(&bytes, "the-file.json").is_err());
        assert!(State::parse(&bytes, "the-file.json").is_err());
        if let Ok(journal) = Journal::parse(&bytes, "the-file.json") {
            assert!(journal.is_empty());
        }
    });
}

#[test]
fn random_text_is_no_resource_or_comes_back_as_it_was() {
    property(500, &"(access_key|ssh_key|group|login_profile|[a-z_]{0,9})(/.{0,40})?", |text| {
        if let Ok(resource) = text.parse::<Resource>() {
            assert_eq!(resource.to_string(), text);
            assert!(!text.chars().any(char::is_control));
        }
    });
}

/// Any JSON that a document could hold.
fn json() -> impl Strategy<Value = serde_json::Value> {
    let number = prop_oneof![
        any::<i64>().prop_map(serde_json::Value::from),
        any::<u64>().prop_map(serde_json::Value::from),
        any::<f64>().prop_map(serde_json::Value::from),
    ];
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        number,
        ".{0,20}".prop_map(serde_json::Value::from),
        Just(serde_json::json!({ "$after_apply": "fence_time" })),
    ];
    leaf.prop_recursive(4, 20, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            vec(("[$a-zA-Z:]{1,12}", inner), 0..4)
                .prop_map(|entries| entries.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

#[test]
fn no_document_that_an_attacker_writes_spoils_the_plan() {
    // D2.3, D2.14: a saved plan that cannot be read again would be a veto on containment.
    let text = prop_oneof![
        vec(("[A-Za-z$]{1,12}", json()), 0..4).prop_map(|entries| {
            let object: serde_json::Map<_, _> = entries.into_iter().collect();
            serde_json::Value::from(object).to_string()
        }),
        ".{0,80}",
        (1usize..140).prop_map(|depth| {
            format!("{}{}{}", "{\"a\":".repeat(depth), "1", "}".repeat(depth))
        }),
    ];
    property(200, &(text, ask()), |(text, ask)| {
        let mut truth = empty("deploy-bot", "AIDAEXAMPLE1");
        truth.access_keys = Observed::Read(vec![old_key(0)]);
        let document = Observed::Read(PolicyDocument::parse(&text));
        truth.inline_policies =
            Observed::Read(vec![InlinePolicy { name: "theirs".to_owned(), document }]);
        let mut account = Account::of(vec![truth]);
        let plan = account.plan(&ask).unwrap();
        let read =
            Plan::parse(&plan.bytes(), "the-file.json").unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(read, plan);
    });
}
