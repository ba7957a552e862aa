//! The short way to an event that is written as nearly all are: it ends where the next one opens with the same key,
//! or with its line, and sonic-rs reads it. What the short way does not take is read the long way, with the same
//! outcome for whatever it takes.

use super::event::{Event, Record};
use memchr::memmem::Finder;
use memchr::{memchr, memmem};

/// Events are mostly of one or two thousand bytes; larger ones go the long way.
const LONGEST: usize = 1 << 16;

/// As far in, an event's first key ends.
const KEY: usize = 64;

/// As many objects and arrays in one event go the short way at most: each that is inside another takes some hundred
/// bytes of the stack.
const OPENINGS: usize = 1 << 11;

/// Of so many bytes they need not be counted.
const SHORT: usize = OPENINGS;

/// After so many misses in a row, a file is not of this kind.
const MISSES: u32 = 16;

/// Where an event ends at the latest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    /// Before the next one of its array.
    Next,
    /// With the line.
    Line,
}

/// Cuts events out of a window.
pub(super) struct Cutter<'w> {
    window: &'w [u8],
    last: bool,
    /// The event's beginning, up to its first value.
    opening: Option<Finder<'static>>,
    misses: u32,
    record: Record<'w>,
}

impl<'w> Cutter<'w> {
    pub(super) fn new(window: &'w [u8], last: bool) -> Self {
        Self { window, last, opening: None, misses: 0, record: Record::default() }
    }

    /// The event that begins here, with its JSON.
    pub(super) fn event(&mut self, at: usize, ends: Ends) -> Option<(&Event<'w>, &'w str)> {
        if self.misses >= MISSES {
            return None;
        }
        let raw = self.cut(at, ends).filter(|raw| is_plain(raw) && self.record.reads(raw));
        self.misses = if raw.is_some() { 0 } else { self.misses + 1 };
        raw.map(|raw| (&self.record.event, raw))
    }

    fn cut(&mut self, at: usize, ends: Ends) -> Option<&'w str> {
        let rest = self.window.get(at..)?;
        let near = rest.get(..LONGEST).unwrap_or(rest);
        let end = match ends {
            Ends::Line => match memchr(b'\n', near) {
                Some(end) => end,
                None if self.last && near.len() == rest.len() => rest.len(),
                None => return None,
            },
            Ends::Next => 1 + self.opening(near)?.find(near.get(1..)?)?,
        };
        let raw = near.get(..end)?;
        let blank = |byte: &u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t' | b',');
        let length = raw.iter().rposition(|byte| !blank(byte))? + 1;
        simdutf8::basic::from_utf8(raw.get(..length)?).ok()
    }

    fn opening(&mut self, near: &[u8]) -> Option<&Finder<'static>> {
        let same = self.opening.as_ref().is_some_and(|opening| near.starts_with(opening.needle()));
        if !same {
            let colon = memchr(b':', near.get(..KEY).unwrap_or(near))?;
            self.opening = Some(Finder::new(near.get(..=colon)?).into_owned());
        }
        self.opening.as_ref()
    }
}

/// Whether sonic-rs reads a text as serde_json does. It passes over `\u` in what it skips without looking at the
/// digits, and calls itself for each object in another.
fn is_plain(raw: &str) -> bool {
    let bytes = raw.as_bytes();
    let escaped = memchr(b'\\', bytes).is_some();
    let coded = |at: usize| is_character(bytes.get(at + 2..).unwrap_or_default());
    (!escaped || memmem::find_iter(bytes, b"\\u").all(coded))
        && (bytes.len() <= SHORT || openings(bytes) <= OPENINGS)
}

/// Whether these are the digits of a character that is no half of another.
fn is_character(digits: &[u8]) -> bool {
    match digits.first_chunk::<4>() {
        Some([b'd' | b'D', b'8' | b'9' | b'a'..=b'f' | b'A'..=b'F', ..]) | None => false,
        Some(digits) => digits.iter().all(u8::is_ascii_hexdigit),
    }
}

/// How many objects and arrays there are at most.
fn openings(bytes: &[u8]) -> usize {
    // `{` and `[` differ in one bit. A sum that fits into a byte is counted sixteen at a time.
    let opens = |byte: &u8| u8::from(byte | 0x20 == b'{');
    bytes.chunks(255).map(|chunk| usize::from(chunk.iter().map(opens).sum::<u8>())).sum()
}

#[cfg(test)]
mod tests {
    use super::super::one;
    use super::*;
    use proptest::prelude::*;
    use proptest::sample::{Index, select};

    const EVENT: &str = r#"{"eventVersion":"1.08","userIdentity":{"type":"AssumedRole","principalId":"AROA:s","arn":"arn:aws:sts::123456789012:assumed-role/R/s","accountId":123456789012,"accessKeyId":"ASIAEXAMPLE000000001","sessionContext":{"sessionIssuer":{"arn":"arn:aws:iam::123456789012:role/R","userName":"R"},"attributes":{"creationDate":"2026-11-21T01:40:00Z"}}},"eventTime":"2026-11-21T01:40:00Z","eventName":"GetObject","eventSource":"s3.amazonaws.com","userAgent":"a \"b\" \\ é \u2019","errorCode":null,"requestParameters":{"n":[1,-2.5,0.10e+7,true,{"x":"y\/z\u003c"}]},"responseElements":{"say":"\"no\""},"resources":[],"tlsDetails":{"v":-0.0,"w":18446744073709551616},"readOnly":true,"managementEvent":false,"eventID":-0.0,"detail":{"eventName":"Inner"}}"#;

    /// What is put anywhere: what JSON is made of, and what it must not have.
    const PIECES: &[&str] = &[
        "\"",
        "\\",
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\\u",
        "\\ud800",
        "\\u00e9",
        "\\n",
        "\\x",
        "0",
        "-",
        "1",
        ".",
        "e",
        "E+",
        "-0",
        "1e999",
        "00",
        "t",
        "true",
        "nul",
        "null",
        " ",
        "\n",
        "\t",
        "\u{0}",
        "\u{1f}",
        "\u{7f}",
        "é",
        "\u{feff}",
        "\"eventName\":\"Z\",",
        "\"message\":[",
        "{}",
        "[]",
        "/",
    ];

    fn long(raw: &str) -> Option<String> {
        one(raw.as_bytes()).map(|event| format!("{event:?}"))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_goes_the_short_way_is_what_the_long_way_reads(
            changes in proptest::collection::vec((any::<Index>(), 0..3_usize, select(PIECES)), 0..4),
        ) {
            let mut text: Vec<char> = EVENT.chars().collect();
            for (place, gone, piece) in &changes {
                let at = place.index(text.len());
                let end = (at + gone).min(text.len());
                text.splice(at..end, piece.chars());
            }
            let text: String = text.into_iter().collect();
            let mut cutter = Cutter::new(text.as_bytes(), true);
            if let Some((event, raw)) = cutter.event(0, Ends::Line) {
                prop_assert_eq!(Some(format!("{event:?}")), long(raw), "{}", raw);
            } else if changes.is_empty() {
                prop_assert!(false, "the event itself goes the short way");
            }
        }
    }

    #[test]
    fn an_event_ends_where_the_next_one_begins() {
        let array = format!("{EVENT} ,\n{EVENT}]}}");
        let mut cutter = Cutter::new(array.as_bytes(), false);
        let (found, raw) = cutter.event(0, Ends::Next).unwrap();
        assert_eq!((Some(format!("{found:?}")), raw), (long(EVENT), EVENT));
        // Of the last one, nothing says where it ends.
        assert!(cutter.event(EVENT.len() + 3, Ends::Next).is_none());
        assert!(
            cutter.event(EVENT.len() + 3, Ends::Line).is_none(),
            "nor whether the line ends here"
        );
    }

    #[test]
    fn what_is_deep_does_not_go_the_short_way_and_costs_no_stack() {
        for (deep, taken) in [(500, true), (OPENINGS, false), (30_000, false)] {
            let value = format!("{}{}", "[".repeat(deep), "]".repeat(deep));
            let text = EVENT.replace("\"readOnly\":true", &format!("\"readOnly\":{value}"));
            let mut cutter = Cutter::new(text.as_bytes(), true);
            assert_eq!(cutter.event(0, Ends::Line).is_some(), taken, "{deep}");
        }
        let open = format!("{{\"eventVersion\":{}", "[".repeat(OPENINGS - 20));
        assert!(Cutter::new(open.as_bytes(), true).event(0, Ends::Line).is_none());
    }
}
