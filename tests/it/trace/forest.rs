//! Lineages that are drawn, written in drawn forms and order, twice here and there, over drawn files: exactly the
//! lineage comes out, whatever the order and however little memory there is.

use super::story::{Who, assumes, denied, event, makes_key, reads, shaped};
use super::{limits, question, traced};
use proptest::prelude::*;
use ringfence::logs::Limits;
use ringfence::trace::Trace;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What is drawn: for each credential, the one that it is made with and how; then how it is all written.
#[derive(Clone, Debug)]
struct Drawn {
    parents: Vec<(u8, Kind, u8)>,
    order: Vec<(u16, u8, bool)>,
    files: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Role,
    Key,
    Token,
    /// Refused, so that nothing comes of it.
    Denied,
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![3 => Just(Kind::Role), 1 => Just(Kind::Key), 1 => Just(Kind::Token), 1 => Just(Kind::Denied)]
}

fn drawn() -> impl Strategy<Value = Drawn> {
    (1..14_usize).prop_flat_map(|count| {
        (
            prop::collection::vec((any::<u8>(), kind(), 0..4_u8), count),
            prop::collection::vec((any::<u16>(), any::<u8>(), prop::bool::weighted(0.2)), 120),
            prop::collection::vec(any::<u8>(), 1..9),
        )
            .prop_map(|(parents, order, files)| Drawn { parents, order, files })
    })
}

/// Where two lineages begin: one that is asked for, and one that is not.
const LEAKED: &str = "AKIAEXAMPLELEAKED001";
const OTHER: &str = "AKIAEXAMPLEOTHER0001";

/// What the lineage has to be: parent and uses by key.
type Expected = BTreeMap<String, (Option<String>, u64)>;

/// The events, and what has to come out.
fn told(drawn: &Drawn) -> (Vec<Value>, Expected) {
    let mut everybody = vec![Who::user("deploy-bot", LEAKED), Who::user("alice", OTHER)];
    let mut ours: Expected = BTreeMap::new();
    ours.insert(LEAKED.to_owned(), (None, 0));
    let mut events = Vec::new();
    for (place, (parent, kind, uses)) in drawn.parents.iter().enumerate() {
        let maker = everybody[usize::from(*parent) % everybody.len()].clone();
        let seconds = 10 * i64::try_from(place).unwrap();
        let id = format!("mint-{place}");
        let key = match kind {
            Kind::Key => format!("AKIAEXAMPLE{place:09}"),
            _ => format!("ASIAEXAMPLE{place:09}"),
        };
        let (mint, child) = match kind {
            Kind::Role | Kind::Denied => {
                let (role, session) = (format!("r{place}"), format!("s{place}"));
                (
                    assumes(&id, seconds, &maker, &role, &session, &key),
                    Who::role(&role, &session, &key),
                )
            }
            Kind::Key => {
                let user = format!("u{place}");
                (makes_key(&id, seconds, &maker, &user, &key), Who::user(&user, &key))
            }
            Kind::Token => {
                let response = json!({"credentials": {"accessKeyId": key, "expiration": "Nov 22, 2026, 1:40:00 PM"}});
                let mint = event(&id, seconds, &maker, "sts:GetSessionToken", json!({}), response);
                let child = Who { key: key.clone(), ..maker.clone() };
                (mint, child)
            }
        };
        if let Some((_, uses)) = ours.get_mut(&maker.key) {
            *uses += 1;
        }
        if *kind == Kind::Denied {
            events.push(denied(mint));
            continue;
        }
        events.push(mint);
        let mine = ours.contains_key(&maker.key);
        for n in 0..*uses {
            events.push(reads(
                &format!("use-{place}-{n}"),
                seconds + 1 + i64::from(n),
                &child,
                &format!("{place}/{n}"),
            ));
        }
        if mine {
            ours.insert(key.clone(), (Some(maker.key.clone()), u64::from(*uses)));
        }
        everybody.push(child);
    }
    // One that only looks alike.
    let alike = Who::user("mallory", &LEAKED.to_lowercase());
    events.push(reads("alike", 5, &alike, "x"));
    (events, ours)
}

/// Writes the events, some of them twice, in the drawn order.
fn written(drawn: &Drawn, events: &[Value]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut placed: Vec<(u16, usize, Value)> = Vec::new();
    for (event, (order, file, twice)) in events.iter().zip(drawn.order.iter().cycle()) {
        let file = usize::from(*file) % drawn.files.len();
        placed.push((*order, file, event.clone()));
        if *twice {
            // In another file it comes in another form.
            placed.push((order.wrapping_mul(31), (file + 1) % drawn.files.len(), event.clone()));
        }
    }
    placed.sort_by_key(|(order, ..)| *order);
    for (file, shape) in drawn.files.iter().enumerate() {
        let events: Vec<Value> = placed
            .iter()
            .filter(|(_, at, _)| *at == file)
            .map(|(.., event)| event.clone())
            .collect();
        let (bytes, end) = shaped(usize::from(*shape), &events);
        let below = folder.path().join(format!("AWSLogs/{}", file % 3));
        std::fs::create_dir_all(&below).unwrap();
        std::fs::write(below.join(format!("f{file}.{end}")), bytes).unwrap();
    }
    folder
}

fn found(trace: &Trace) -> Expected {
    let each = trace
        .credentials
        .iter()
        .map(|one| (one.id.clone(), (one.parent.clone(), one.uses.unwrap())));
    each.collect()
}

/// So little that everything is on disk, read in windows, and read again.
fn tiny() -> Limits {
    Limits { threads: 3, entries: 4, bytes: 1, whole: 40, value: 1 << 20, filters: 2, contested: 1 }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_lineage_comes_out_whatever_the_order_the_form_and_the_memory(drawn in drawn()) {
        let (events, expected) = told(&drawn);
        let folder = written(&drawn, &events);
        let question = question(&[LEAKED]);
        let trace = traced(folder.path(), &question, &limits());
        prop_assert_eq!(found(&trace), expected.clone());
        prop_assert_eq!(trace.events_unique, events.len() as u64);
        prop_assert_eq!(trace.events_of_lineage, expected.values().map(|(_, uses)| uses).sum::<u64>());
        let objects: BTreeSet<_> = trace.activity.iter().filter(|row| row.action == "GetObject").map(|row| row.resource.clone()).collect();
        prop_assert!(!objects.contains(&Some("data/x".to_owned())));
        prop_assert!(trace.unread.is_empty(), "{:?}", trace.unread);
        let again = traced(folder.path(), &question, &tiny());
        prop_assert_eq!(again, trace);
    }
}
