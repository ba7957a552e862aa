//! CloudTrail files: whatever is in them, what is read does not depend on how they are cut into windows, and
//! nothing is lost in silence.

use super::calm;
use ringfence::trail::{self, Content, Event, Flaw, Reader, Sink, Tally};
use serde_json::Value;

#[derive(Default)]
struct Kept {
    events: Vec<(String, String, u64)>,
    flaws: Vec<(Flaw, u64)>,
    tally: Tally,
}

impl Sink for Kept {
    fn event(&mut self, event: &Event<'_>, raw: &[u8]) {
        let value: Value = serde_json::from_slice(raw).unwrap_or_default();
        if let Some(name) = value.get("eventName").and_then(Value::as_str) {
            assert_eq!(name, event.name);
        }
        for value in [event.request, event.response, event.resources, event.additional] {
            assert!(value.is_none_or(|value| value != "null"));
        }
        // Written another way it is the same event.
        if let Value::Object(_) = &value
            && let Ok(pretty) = serde_json::to_vec_pretty(&value)
            && serde_json::from_slice::<Value>(&pretty).ok().as_ref() == Some(&value)
            && !repeats(raw, &value)
        {
            assert_eq!(Content::of(&pretty), Content::of(raw));
        }
        self.events.push((event.id.to_string(), event.name.to_string(), Content::of(raw).0));
    }

    fn flaw(&mut self, flaw: Flaw, byte: u64, what: &str) {
        self.flaws.push((flaw, byte));
        self.tally.add(flaw, 0, "the-file", byte, what);
    }

    fn inflate(&mut self, packed: &[u8]) -> Option<Vec<u8>> {
        (packed.len() < 64).then(|| packed.to_vec())
    }
}

/// Whether a key stands twice in an object: the one that a reader takes is not the other's.
fn repeats(raw: &[u8], value: &Value) -> bool {
    let keys = |bytes: &[u8]| bytes.windows(2).filter(|two| two == b"\":").count();
    let spaced = raw.windows(2).any(|two| two[0] == b'"' && two[1].is_ascii_whitespace());
    spaced || keys(raw) != keys(value.to_string().as_bytes())
}

/// What holds of any bytes that are taken for a file of events.
pub fn law(bytes: &[u8]) {
    let mut whole = Kept::default();
    trail::read(bytes, &mut whole);
    let blank = |byte: &u8| b" \n\r\t,\x1e\xef\xbb\xbf[]".contains(byte);
    let empty_array = bytes.windows(2).any(|two| two == b"[]") || bytes.contains(&b'[');
    if whole.events.is_empty() && whole.flaws.is_empty() {
        assert!(bytes.iter().all(blank) || empty_array, "lost in silence");
    }
    for size in [1 + bytes.len() / 7, 3 + bytes.len() / 3] {
        let mut kept = Kept::default();
        let mut reader = Reader::default();
        let (mut start, mut end) = (0, 0);
        while end < bytes.len() {
            end = (end + size).min(bytes.len());
            let done = reader.feed(&bytes[start..end], end == bytes.len(), &mut kept);
            assert!(done <= end - start);
            start += done;
        }
        assert_eq!(start, bytes.len());
        assert_eq!(kept.events, whole.events);
        assert_eq!(kept.flaws, whole.flaws);
    }
    for (flaw, count, example) in whole.tally.iter() {
        assert!(count > 0 && example.byte <= bytes.len() as u64, "{flaw:?}");
        calm(&example.what);
    }
}
