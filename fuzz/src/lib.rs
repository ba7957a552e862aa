//! What holds of whatever bytes the program is given, one law a target. A law panics where it is broken.
//!
//! `tests/pure` includes these files, and tries the laws on the corpora.

pub mod config;
pub mod journal;
pub mod plan;
pub mod policy;
pub mod state;
pub mod trail;

use jiff::Timestamp;
use ringfence::error::Error;
use ringfence::identity::Caller;
use ringfence::journal::{Entry, Event};
use ringfence::lineage::Lineage;
use ringfence::plan::{OnDrift, Plan, ReadCost};
use ringfence::planner;
use ringfence::render::{Saved, Screen, commands, markdown, text};
use ringfence::snapshot::Snapshot;
use ringfence::state::State;
use ringfence::text::shown;
use serde::de::DeserializeOwned;

/// What the file is called in an error.
pub(crate) const NAME: &str = "the-file";

/// Nothing in a text moves the cursor, or turns the direction in which it is read (D2.14).
pub(crate) fn calm(text: &str) {
    for line in text.split('\n') {
        assert_eq!(shown(line), line);
    }
}

/// An error says what is wrong in one line, names the file, and can be shown.
pub(crate) fn in_words(error: &Error) {
    calm(&error.to_string());
    assert!(error.to_string().contains(NAME), "{error}");
    for line in [error.message()].into_iter().chain(error.cause()) {
        assert!(!line.is_empty() && !line.contains('\n'), "{error}");
    }
}

/// What a file of lines holds: each line is taken for whatever it is. A run is a plan, a state, the
/// snapshots that were read, and the journal; their laws are about all of them.
#[derive(Default)]
pub(crate) struct Bag {
    pub(crate) plan: Option<Plan>,
    pub(crate) state: Option<State>,
    pub(crate) snapshots: Vec<Snapshot>,
    pub(crate) events: Vec<(Timestamp, Event)>,
}

impl Bag {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        fn take<T: DeserializeOwned>(line: &[u8]) -> Option<T> {
            serde_json::from_slice(line).ok()
        }
        let mut bag = Self::default();
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| line.first() == Some(&b'{')) {
            if let Some(entry) = take::<Entry>(line) {
                bag.events.push((entry.at, entry.event));
            } else if let Some(snapshot) = take(line) {
                bag.snapshots.push(snapshot);
            } else if let Some(state) = take(line) {
                bag.state = Some(state);
            } else if let Some(plan) = take::<Plan>(line) {
                bag.plan = Some(plan.sealed());
            }
        }
        // Plans and states that no program reads are not worked with.
        bag.plan = bag.plan.filter(|plan| Plan::parse(&plan.bytes(), NAME).is_ok());
        bag.state = bag.state.filter(|state| State::parse(&state.bytes(), NAME).is_ok());
        bag
    }
}

/// Screens from too narrow to wide.
pub(crate) fn screens() -> impl Iterator<Item = Screen> {
    [0, 80, 200].into_iter().map(|width| Screen { color: false, width })
}

/// Every way to show a plan shows nothing but calm text.
pub(crate) fn plan_shows(plan: &Plan) {
    let digest = ringfence::plan::sha256(&plan.bytes());
    let saved = Saved { path: NAME, digest: &digest, unapproved: false };
    calm(&text::plan(plan, Screen::default(), Some(&saved)));
    calm(&text::summary(plan));
    calm(&markdown::plan(plan, Some(&saved), None));
    calm(&commands::plan(plan));
}

/// A plan that the program makes can be read again: else whoever wrote what it holds could veto it (D2.3).
pub(crate) fn plan_is_readable(plan: &Plan) {
    match Plan::parse(&plan.bytes(), NAME) {
        Ok(read) => assert_eq!(read, *plan),
        Err(error) => panic!("{error}"),
    }
}

/// A state that the program writes can be read again.
pub(crate) fn state_is_readable(state: &State) {
    match State::parse(&state.bytes(), NAME) {
        Ok(read) => assert_eq!(read, *state),
        Err(error) => panic!("{error}"),
    }
}

/// Who plans in a law, and when.
pub(crate) fn context(now: Timestamp) -> planner::Context {
    planner::Context {
        caller: Caller {
            account: "123456789012".parse().expect("an account"),
            arn: "arn:aws:sts::123456789012:assumed-role/responder/alice".parse().expect("an ARN"),
            id: "AROAEXAMPLE:alice".to_owned(),
        },
        endpoint: "https://iam.amazonaws.com".to_owned(),
        now,
        read: ReadCost { calls: 18, round_trips: 3 },
        incident: None,
        version: "0.1.0".to_owned(),
        on_drift: OnDrift::Tighten,
    }
}

/// Containing whoever was read gives a plan that can be read again, or an error in words.
pub(crate) fn containing(
    snapshot: &Snapshot,
    state: Option<&State>,
    posture: &str,
) -> Option<Plan> {
    let mut request = planner::Request {
        posture: ringfence::posture::Posture::built_in(posture).expect("a built-in posture"),
        since: state.and_then(|state| state.since),
        protected_users: Vec::new(),
        protected_roles: Vec::new(),
        override_protection: false,
        cut_workloads: false,
        trace: None,
        finding: None,
        strict: false,
        settle_s: 30,
    };
    if request.since.is_none() {
        request.since = snapshot.access_keys.items().first().map(|key| key.created_at);
    }
    let subject = planner::Subject {
        snapshot: snapshot.clone(),
        state: state.cloned(),
        named: snapshot.access_keys.items().iter().take(1).map(|key| key.id.clone()).collect(),
        traced: Vec::new(),
        sessions: Vec::new(),
        fresh_lineage: Lineage::new([7; 16]),
    };
    match planner::contain(vec![subject], &request, &context(snapshot.read_at)) {
        Ok(plan) => {
            plan_is_readable(&plan);
            Some(plan)
        }
        Err(error) => {
            calm(&error.to_string());
            None
        }
    }
}
