use super::*;

#[derive(Default)]
struct Kept {
    events: Vec<(String, String, String)>,
    flaws: Vec<(Flaw, u64)>,
}

impl Sink for Kept {
    fn event(&mut self, event: &Event<'_>, _: &[u8]) {
        let seen = (event.id.to_string(), event.name.to_string(), event.access_key().to_owned());
        self.events.push(seen);
    }
    fn flaw(&mut self, flaw: Flaw, byte: u64, _: &str) {
        self.flaws.push((flaw, byte));
    }
    fn inflate(&mut self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }
}

fn event(id: &str) -> String {
    format!(
        r#"{{"eventVersion":"1.08","eventID":"{id}","eventName":"GetObject","eventSource":"s3.amazonaws.com","eventTime":"2026-11-21T01:40:00Z","userIdentity":{{"type":"IAMUser","accessKeyId":"AKIAEXAMPLE000000001"}},"requestParameters":{{"bucketName":"b"}},"responseElements":null}}"#
    )
}

/// The events and flaws of a text: at once, and in windows of every small size.
fn all(text: &[u8]) -> Kept {
    let mut whole = Kept::default();
    read(text, &mut whole);
    for size in [1, 7, 64, 1000] {
        let mut reader = Reader::default();
        let mut kept = Kept::default();
        let (mut start, mut end) = (0, 0);
        while end < text.len() {
            end = (end + size).min(text.len());
            start += reader.feed(&text[start..end], end == text.len(), &mut kept);
        }
        assert_eq!(kept.events, whole.events, "in windows of {size}");
        assert_eq!(kept.flaws, whole.flaws, "in windows of {size}");
    }
    whole
}

fn ids(text: &str) -> Vec<String> {
    let kept = all(text.as_bytes());
    assert_eq!(kept.flaws, [], "{text}");
    kept.events.into_iter().map(|(id, ..)| id).collect()
}

#[test]
fn an_event_is_found_in_every_envelope() {
    let (a, b) = (event("a"), event("b"));
    let text = |json: &str| serde_json::to_string(json).unwrap();
    let shapes = [
        format!(r#"{{"Records":[{a},{b}]}}"#),
        format!(" {{ \"Records\" : [\n {a} ,\n{b} ] , \"more\": [1,{{\"x\":2}}] }} "),
        format!(r#"{{"nextToken":"x","Records":[{a},{b}]}}"#),
        format!("[{a},{b}]"),
        format!("{a}\n{b}\n"),
        format!("{a}\r\n\r\n{b}"),
        format!("{a}{b}"),
        format!(
            r#"{{"version":"0","detail-type":"AWS API Call via CloudTrail","detail":{a}}}{{"detail":{b}}}"#
        ),
        format!(
            r#"{{"messageType":"DATA_MESSAGE","logEvents":[{{"id":"1","message":{}}},{{"id":"2","message":{}}}]}}"#,
            text(&a),
            text(&b)
        ),
        format!(
            r#"{{"Events":[{{"EventId":"a","CloudTrailEvent":{}}},{{"EventId":"b","CloudTrailEvent":{}}}],"NextToken":"t"}}"#,
            text(&a),
            text(&b)
        ),
        format!(r#"[{{"data":{{"Records":[{a}]}},"log":"x"}},{{"data":{{"detail":{b}}}}}]"#),
        format!(
            r#"{{"Records":[{{"body":{}}}]}}"#,
            text(&format!(r#"{{"Message":{}}}"#, text(&format!(r#"{{"Records":[{a},{b}]}}"#))))
        ),
        format!("[[{a}],[{b}]]"),
    ];
    for shape in shapes {
        assert_eq!(ids(&shape), ["a", "b"], "{shape}");
    }
    assert_eq!(ids(&a), ["a"]);
    assert_eq!(
        ids(&serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(&a).unwrap())
            .unwrap()),
        ["a"]
    );
    assert_eq!(ids(&format!(r#"{{"awslogs":{{"data":"{}"}}}}"#, base64(&a))), ["a"]);
    assert_eq!(ids(""), [""; 0]);
}

fn base64(text: &str) -> String {
    use base64ct::Encoding as _;
    base64ct::Base64::encode_string(text.as_bytes())
}

#[test]
fn what_is_broken_costs_itself_only() {
    let (a, b, c) = (event("a"), event("b"), event("c"));
    let half = b.get(..b.len() / 2).unwrap();
    let found = |text: &str| {
        let kept = all(text.as_bytes());
        let ids: Vec<_> = kept.events.into_iter().map(|(id, ..)| id).collect();
        let flaws: Vec<_> = kept.flaws.into_iter().map(|(flaw, _)| flaw).collect();
        (ids.concat(), flaws)
    };
    let cases = [
        (format!("{a}\nnot json\n{c}\n"), "ac", Flaw::NotJson),
        (format!("{a}\n{half}\n{c}\n"), "ac", Flaw::NotJson),
        (format!("{a}\n{c}\n{half}"), "ac", Flaw::CutOff),
        (format!("{{\"Records\":[{a},{c},{half}"), "ac", Flaw::CutOff),
        (format!("{{\"Records\":[{a},{c}"), "ac", Flaw::CutOff),
        (format!("{{\"Records\":[{a},{half},{c}]}}"), "ac", Flaw::NotJson),
        (format!("[{a},7,{c}]"), "ac", Flaw::NotAnEvent),
        (
            format!("[{a},{{\"eventName\":\"X\",\"eventSource\":\"y\"}},{c}]"),
            "ac",
            Flaw::NotAnEvent,
        ),
        (format!("[{a},{{\"x\":\u{7}}},{c}]"), "ac", Flaw::NotJson),
        ("plain text".to_owned(), "", Flaw::NotJson),
    ];
    for (text, ids, flaw) in cases {
        assert_eq!(found(&text), (ids.to_owned(), vec![flaw]), "{text}");
    }
}

#[test]
fn bytes_that_are_no_text_and_fields_of_another_type_do_not_cost_the_event() {
    let mut bytes = event("a").replace("GetObject", "Get?").into_bytes();
    let place = bytes.iter().position(|byte| *byte == b'?').unwrap();
    bytes[place] = 0xff;
    let kept = all(&bytes);
    assert_eq!(kept.events[0].1, "Get\u{fffd}");
    assert_eq!(kept.flaws[0].0, Flaw::NotUtf8);

    let odd = r#"{"eventName":"X","eventID":7,"eventTime":["2026-11-21T01:40:00Z"],"userIdentity":"bob","userAgent":{"a":[1]},"sourceIPAddress":null,"eventID":8}"#;
    let kept = all(odd.as_bytes());
    assert_eq!(kept.events, [("8".to_owned(), "X".to_owned(), String::new())]);
    assert_eq!(kept.flaws, [(Flaw::NoIdentity, 0)]);
}

#[test]
fn an_event_without_time_identity_or_key_counts() {
    let kept = all(br#"{"eventName":"X","eventVersion":"1","userIdentity":{"type":"IAMUser"}}"#);
    assert_eq!(kept.events.len(), 1);
    let flaws: Vec<_> = kept.flaws.into_iter().map(|(flaw, _)| flaw).collect();
    assert_eq!(flaws, [Flaw::NoTime, Flaw::NoKey]);
}

#[test]
fn content_is_the_same_whatever_its_order_and_white_space() {
    let one = Content::of(br#"{"a":[1,{"b":null,"c":"x"}],"d":true}"#);
    assert_eq!(one, Content::of(b"{ \"d\":true,\n\"a\":[1, {\"c\":\"\\u0078\",\"b\":null}] }"));
    for other in [
        r#"{"a":[{"b":null,"c":"x"},1],"d":true}"#,
        r#"{"a":[1,{"b":null,"c":"y"}],"d":true}"#,
        r#"{"a":[1,{"b":null,"c":"x"}],"d":"true"}"#,
        r#"{"a":[1,{"b":null,"c":"x"}]}"#,
        r#"{"a":[1,{"b":"c","null":"x"}],"d":true}"#,
    ] {
        assert_ne!(one, Content::of(other.as_bytes()), "{other}");
    }
}

#[test]
fn the_first_example_is_the_first_whoever_counts_it() {
    let mut one = Tally::default();
    one.add(Flaw::NotJson, 5, "e", 9, "later");
    one.add(Flaw::NotJson, 5, "e", 3, "earlier");
    let mut two = Tally::default();
    two.add(Flaw::NotJson, 2, "b", 70, "first\u{1b}");
    one.merge(two);
    let (flaw, count, first) = one.iter().next().unwrap();
    assert_eq!(
        (flaw, count, &*first.file, first.byte, &*first.what),
        (Flaw::NotJson, 3, "b", 70, "first\\u{1b}")
    );
}
