//! Whom a containment hits, by the events of real use.

use jiff::{SignedDuration, Timestamp};
use ringfence::impact::{Kind, Meter, Stops, Subject, Usage, stopped, told};
use ringfence::trail::{Event, Flaw, Sink, read};
use serde_json::{Value, json};

const USER: &str = "AIDAEXAMPLE0DEPLOYBT";
const ROLE: &str = "AROAEXAMPLE0RELEASE1";
const KEY: &str = "AKIAEXAMPLE0LEAKED01";

fn at(hours: i64) -> Timestamp {
    "2026-11-01T00:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_hours(hours)
}

fn user() -> Subject {
    Subject {
        id: USER.parse().unwrap(),
        name: "deploy-bot".to_owned(),
        arn: "arn:aws:iam::123456789012:user/deploy-bot".to_owned(),
        keys: vec![KEY.to_owned()],
    }
}

fn role() -> Subject {
    Subject {
        id: ROLE.parse().unwrap(),
        name: "release".to_owned(),
        arn: "arn:aws:iam::123456789012:role/release".to_owned(),
        keys: Vec::new(),
    }
}

/// An event of a user with a key.
fn event(hours: i64, key: &str, source: &str, agent: &str, service: &str) -> Value {
    json!({
        "eventVersion": "1.11",
        "eventID": format!("{hours}-{key}-{source}-{service}"),
        "eventTime": at(hours).to_string(),
        "eventSource": format!("{service}.amazonaws.com"),
        "eventName": "Something",
        "awsRegion": "eu-west-1",
        "sourceIPAddress": source,
        "userAgent": agent,
        "userIdentity": {
            "type": "IAMUser",
            "principalId": USER,
            "arn": "arn:aws:iam::123456789012:user/deploy-bot",
            "accountId": "123456789012",
            "accessKeyId": key,
            "userName": "deploy-bot",
        },
    })
}

struct Counts(Meter);

impl Sink for Counts {
    fn event(&mut self, event: &Event<'_>, _: &[u8]) {
        self.0.see(event);
    }

    fn flaw(&mut self, flaw: Flaw, _: u64, what: &str) {
        panic!("{flaw:?}: {what}");
    }

    fn inflate(&mut self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }
}

fn meter(subjects: &[Subject], events: &[Value]) -> Meter {
    let mut counts = Counts(Meter::new(subjects.to_vec()));
    read(json!({ "Records": events }).to_string().as_bytes(), &mut counts);
    counts.0
}

fn usage(events: &[Value], since: Option<Timestamp>) -> Usage {
    meter(&[user()], events).finish(&[since]).unwrap().remove(0)
}

fn lines(usage: &Usage, stops: &Stops) -> Vec<String> {
    let mark = |look: bool| if look { "! " } else { "" };
    let told = told(usage, stops, Some(at(24 * 8)));
    told.into_iter().map(|line| format!("{}{}", mark(line.look), line.text)).collect()
}

#[test]
fn a_key_that_one_machine_uses_is_said_to_be_that_machines() {
    let java = "aws-sdk-java/2.21 Linux";
    let events: Vec<Value> =
        (0..24 * 7).map(|hour| event(hour, KEY, "10.0.3.7", java, "s3")).collect();
    let usage = usage(&events, None);
    assert_eq!(
        lines(&usage, &Stops::Key(KEY.to_owned())),
        [
            "stops 24 calls a day from 10.0.3.7 (sdk-java) to s3 in eu-west-1, last 25 h ago",
            "nothing else has used it in the events of 2026-11-01 to 2026-11-07",
        ]
    );
    assert_eq!(
        lines(&usage, &Stops::Key("AKIAEXAMPLE0SECOND02".to_owned())),
        ["no use of it in the events of 2026-11-01 to 2026-11-07"]
    );
    assert_eq!(
        lines(&usage, &Stops::Sessions),
        ["no use of it in the events of 2026-11-01 to 2026-11-07"]
    );
}

#[test]
fn a_rate_is_the_nearest_whole_number() {
    let said = |hours: &[i64]| {
        let mut events: Vec<Value> =
            hours.iter().map(|hour| event(*hour, KEY, "10.0.3.7", "Boto3/1", "s3")).collect();
        for (n, event) in events.iter_mut().enumerate() {
            event["eventID"] = json!(n.to_string());
        }
        // It ends an hour later than the sixth day.
        events.push(event(6 * 24 + 1, "AKIAEXAMPLE0SECOND02", "10.0.3.7", "Boto3/1", "s3"));
        lines(&usage(&events, None), &Stops::Key(KEY.to_owned())).remove(0)
    };
    let twice = [0, 0, 24, 24, 48, 48, 72, 72, 96, 96, 120, 120];
    assert!(said(&twice).starts_with("stops 2 calls a day from"), "{}", said(&twice));
    assert!(said(&[0, 48, 96, 120, 140]).starts_with("stops 5 calls in 6 days from"));
}

#[test]
fn a_source_that_came_with_the_exposure_is_told_apart() {
    let mut events: Vec<Value> =
        (0..30).map(|hour| event(hour, KEY, "10.0.3.7", "Boto3/1", "sqs")).collect();
    events.push(event(26, KEY, "198.51.100.7", "aws-cli/2", "iam"));
    events.push(event(27, KEY, "198.51.100.7", "aws-cli/2", "s3"));
    let said = lines(&usage(&events, Some(at(25))), &Stops::Key(KEY.to_owned()));
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said[0].starts_with("stops 25 calls a day from 10.0.3.7 (boto3) to sqs"), "{said:?}");
    assert!(
        said[2].starts_with(
            "! first seen after the exposure: 2 calls from 198.51.100.7 (aws-cli) to iam and s3 in eu-west-1"
        ),
        "{said:?}"
    );
    // A source that was there before does not become new by what it uses now.
    let usage = usage(&events, Some(at(10)));
    assert!(usage.uses.iter().filter(|one| one.source == "10.0.3.7").all(|one| !one.new));
}

#[test]
fn each_step_stops_what_it_is_about() {
    let mut token = event(1, "ASIAEXAMPLE0TOKEN001", "a", "x", "s3");
    token["userIdentity"]["sessionContext"] =
        json!({ "attributes": { "creationDate": at(0).to_string() } });
    let mut console = event(1, "ASIAEXAMPLE0CONSOLE1", "b", "Mozilla/5.0", "s3");
    console["sessionCredentialFromConsole"] = "true".into();
    let federated = {
        let mut one = event(1, "ASIAEXAMPLE0FEDERAT1", "c", "x", "s3");
        one["userIdentity"] = json!({
            "type": "FederatedUser",
            "principalId": "123456789012:partner",
            "arn": "arn:aws:sts::123456789012:federated-user/partner",
            "accessKeyId": "ASIAEXAMPLE0FEDERAT1",
            "sessionContext": { "sessionIssuer": {
                "type": "IAMUser",
                "arn": "arn:aws:iam::123456789012:user/deploy-bot",
                "userName": "deploy-bot",
            } },
        });
        one
    };
    let session = |name: &str, id: &str| {
        let mut one = event(1, "ASIAEXAMPLE0ROLE0001", "d", "x", "s3");
        one["userIdentity"] = json!({
            "type": "AssumedRole",
            "principalId": format!("{id}:{name}"),
            "arn": format!("arn:aws:sts::123456789012:assumed-role/release/{name}"),
            "accessKeyId": "ASIAEXAMPLE0ROLE0001",
        });
        one
    };
    let events = [
        event(1, KEY, "e", "x", "s3"),
        token,
        console,
        federated,
        session("nightly", ROLE),
        session("i-0123456789abcdef0", ROLE),
        // The same names, borne by others (F27).
        session("nightly", "AROAEXAMPLE0OTHER001"),
        {
            let mut other = event(1, "AKIAEXAMPLE0OTHER001", "f", "x", "s3");
            other["userIdentity"]["principalId"] = "AIDAEXAMPLE0OTHER001".into();
            other
        },
    ];
    let all = meter(&[user(), role()], &events).finish(&[]).unwrap();
    let kinds = |usage: &Usage, stops: Stops| -> Vec<Kind> {
        let mut kinds: Vec<Kind> = stopped(usage, &stops).iter().map(|one| one.kind).collect();
        kinds.sort();
        kinds
    };
    let sessions = [Kind::Session, Kind::Federated, Kind::Console];
    assert_eq!(kinds(&all[0], Stops::Key(KEY.to_owned())), [Kind::AccessKey]);
    assert_eq!(kinds(&all[0], Stops::Sessions), sessions);
    assert_eq!(kinds(&all[0], Stops::All).len(), 4);
    assert_eq!(kinds(&all[1], Stops::Sessions).len(), 2);
    let named = stopped(&all[1], &Stops::Named(vec!["nightly".to_owned()]));
    assert_eq!(named.iter().map(|one| one.calls).collect::<Vec<_>>(), [1]);
}

#[test]
fn counting_in_parts_gives_the_same() {
    let events: Vec<Value> = (0..97)
        .map(|n| {
            event(n % 31, KEY, &format!("10.0.0.{}", n % 5), "x/1", ["s3", "sqs"][n as usize % 2])
        })
        .collect();
    let whole = usage(&events, Some(at(7)));
    for parts in [1, 2, 7, 97] {
        let mut merged = Meter::new(vec![user()]);
        for part in events.chunks(parts) {
            merged.merge(meter(&[user()], part));
        }
        assert_eq!(merged.finish(&[Some(at(7))]).unwrap(), std::slice::from_ref(&whole), "{parts}");
    }
    assert_eq!(Meter::new(vec![user()]).finish(&[]), None);
    assert_eq!(whole.uses.iter().map(|one| one.calls).sum::<u64>(), 97);
}
