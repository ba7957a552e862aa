//! Goes over bytes from event to event, whatever envelope they are in.

use super::cut::{Cutter, Ends};
use super::event::{Event, Record};
use super::flaw::Flaw;
use super::wrap::{Begins, Wrap, begins, inside_text, packed};
use memchr::{memchr, memmem};
use serde::de::IgnoredAny;
use serde_json::Deserializer;
use serde_json::value::RawValue;

/// Envelopes in envelopes are followed so deep; nobody's are deeper.
const DEPTH: u8 = 8;

/// How much of what could not be read is shown as an example.
const SHOWN: usize = 60;

/// How many places are tried to find the next event behind a broken one.
const TRIED: usize = 10_000;

/// Takes what is read.
pub trait Sink {
    /// One event, with its JSON as it stands in the bytes.
    fn event(&mut self, event: &Event<'_>, raw: &[u8]);

    /// Something that could not be read, or not all of it, at a byte of what was fed.
    fn flaw(&mut self, flaw: Flaw, byte: u64, what: &str);

    /// Decompresses what is inside an envelope; `None` if it cannot.
    fn inflate(&mut self, packed: &[u8]) -> Option<Vec<u8>>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Between values: lines, or objects that follow one another.
    Top,
    /// In an array of events.
    Array {
        /// Whether it is the first field of an object, whose other fields follow it.
        in_object: bool,
    },
    /// Behind such an array, among the other fields.
    Fields,
}

/// Reads bytes that may come in windows, so that a file need not fit into memory.
#[derive(Debug)]
pub struct Reader {
    place: Place,
    /// The bytes before the window.
    before: u64,
    depth: u8,
}

impl Default for Reader {
    fn default() -> Self {
        Self { place: Place::Top, before: 0, depth: 0 }
    }
}

/// Reads bytes that are all there.
pub fn read(bytes: &[u8], sink: &mut dyn Sink) {
    Reader::default().feed(bytes, true, sink);
}

/// The event that some JSON is, if it is one.
#[must_use]
pub fn one(raw: &[u8]) -> Option<Event<'_>> {
    // Of most that are asked about, nothing was kept.
    let raw = Some(raw).filter(|raw| !raw.is_empty())?;
    let record: Record<'_> = serde_json::from_slice(raw).ok()?;
    record.is_event().then_some(record.event)
}

/// What became of a step.
enum Step {
    /// Go on at this place of the window.
    To(usize),
    /// The window ends too early.
    More,
    /// Nothing is left, and that was said.
    End,
}

impl Reader {
    /// Reads the values that are whole in `window` and returns how many bytes of it are done with: the next
    /// window begins with the others. With `last` nothing follows, and all of it is done with.
    pub fn feed(&mut self, window: &[u8], last: bool, sink: &mut dyn Sink) -> usize {
        let mut at = 0;
        let mut cutter = Cutter::new(window, last);
        loop {
            at = skip_blank(window, at);
            let Some(byte) = window.get(at) else { break };
            let step = match (self.place, byte) {
                (Place::Top, b'[') => {
                    self.place = Place::Array { in_object: false };
                    Step::To(at + 1)
                }
                (Place::Top, b'{') => match begins(rest(window, at)) {
                    Begins::At(length) => {
                        self.place = Place::Array { in_object: true };
                        Step::To(at + length)
                    }
                    Begins::Perhaps if !last => Step::More,
                    _ => self.value(&mut cutter, window, at, last, sink),
                },
                (Place::Array { in_object }, b']') => {
                    self.place = if in_object { Place::Fields } else { Place::Top };
                    Step::To(at + 1)
                }
                (Place::Array { .. }, _) => self.value(&mut cutter, window, at, last, sink),
                (Place::Fields, b'}') => {
                    self.place = Place::Top;
                    Step::To(at + 1)
                }
                (Place::Fields, b'"') => self.field(window, at, last, sink),
                (Place::Top | Place::Fields, _) => {
                    self.place = Place::Top;
                    self.skip_line(window, at, last, sink)
                }
            };
            match step {
                Step::To(next) => at = next,
                Step::More => {
                    self.before += at as u64;
                    return at;
                }
                Step::End => {
                    self.place = Place::Top;
                    at = window.len();
                }
            }
        }
        if last && self.place != Place::Top {
            sink.flaw(Flaw::CutOff, self.before + at as u64, "the array of events has no end");
            self.place = Place::Top;
        }
        self.before += at as u64;
        at
    }

    /// Passes over the value at the beginning of `window`, which is larger than what is taken into memory, as far
    /// as the next event that begins in it.
    pub fn give_up(&mut self, window: &[u8], sink: &mut dyn Sink) -> usize {
        sink.flaw(Flaw::TooLarge, self.before, &example(window));
        let next = self.next_event(window, 1).unwrap_or(window.len());
        self.before += next as u64;
        next
    }

    /// Reads a value in an array, or an object between others.
    fn value(
        &self,
        cutter: &mut Cutter<'_>,
        window: &[u8],
        at: usize,
        last: bool,
        sink: &mut dyn Sink,
    ) -> Step {
        let bytes = rest(window, at);
        if bytes.first() != Some(&b'{') {
            return self.other(window, at, last, sink);
        }
        let ends = if self.place == Place::Top { Ends::Line } else { Ends::Next };
        if let Some((event, raw)) = cutter.event(at, ends) {
            self.event(event, raw.as_bytes(), at, sink);
            return Step::To(at + raw.len());
        }
        let mut stream = Deserializer::from_slice(bytes).into_iter::<Record<'_>>();
        match stream.next() {
            Some(Ok(record)) => {
                let length = stream.byte_offset();
                let raw = bytes.get(..length).unwrap_or_default();
                self.record(&record, raw, at, sink);
                Step::To(at + length)
            }
            Some(Err(error)) if error.is_eof() && !last => Step::More,
            Some(Err(error)) => match extent(bytes) {
                // Whole, and yet not read: bytes that are no UTF-8, most of all.
                Extent::Whole(length) => {
                    let raw = bytes.get(..length).unwrap_or_default();
                    self.mended(raw, at, sink);
                    Step::To(at + length)
                }
                Extent::Cut if !last => Step::More,
                _ => self.broken(window, at, &error, last, sink),
            },
            None => Step::To(window.len()),
        }
    }

    /// Passes over a value in an array that is no object.
    fn other(&self, window: &[u8], at: usize, last: bool, sink: &mut dyn Sink) -> Step {
        let bytes = rest(window, at);
        match extent(bytes) {
            // A number, `true` or `null` at the very end of a window may go on in the next.
            Extent::Whole(length) if !last && at + length == window.len() => Step::More,
            Extent::Whole(length) => {
                let raw = bytes.get(..length).unwrap_or_default();
                let inside = serde_json::from_slice::<&RawValue>(raw).ok();
                match inside {
                    Some(inside) if self.unwrap(&[(Wrap::Plain, inside)], at, sink) => {}
                    _ => self.flaw(sink, Flaw::NotAnEvent, at, &example(raw)),
                }
                Step::To(at + length)
            }
            Extent::Cut if !last => Step::More,
            _ => self.resume(Flaw::NotJson, window, at, last, sink),
        }
    }

    fn record(&self, record: &Record<'_>, raw: &[u8], at: usize, sink: &mut dyn Sink) {
        if record.is_event() {
            self.event(&record.event, raw, at, sink);
        } else if !self.unwrap(&record.wraps, at, sink) {
            self.flaw(sink, Flaw::NotAnEvent, at, &example(raw));
        }
    }

    fn event(&self, event: &Event<'_>, raw: &[u8], at: usize, sink: &mut dyn Sink) {
        if event.time().is_none() {
            self.flaw(sink, Flaw::NoTime, at, &example(raw));
        }
        match &event.identity {
            None => self.flaw(sink, Flaw::NoIdentity, at, &example(raw)),
            Some(identity) if identity.access_key.is_empty() && signs(&identity.kind) => {
                // A sign-in has no key yet.
                if event.kind != "AwsConsoleSignIn" && identity.invoked_by.is_empty() {
                    self.flaw(sink, Flaw::NoKey, at, &example(raw));
                }
            }
            Some(_) => {}
        }
        sink.event(event, raw);
    }

    /// Reads a value again whose bytes are not all UTF-8.
    fn mended(&self, raw: &[u8], at: usize, sink: &mut dyn Sink) {
        let text = String::from_utf8_lossy(raw);
        match serde_json::from_str::<Record<'_>>(&text) {
            Ok(record) => {
                if text.as_bytes() != raw {
                    self.flaw(sink, Flaw::NotUtf8, at, &example(raw));
                }
                self.record(&record, text.as_bytes(), at, sink);
            }
            Err(error) => self.flaw(sink, Flaw::NotJson, at, &error.to_string()),
        }
    }

    /// Goes on behind a value that is broken.
    fn broken(
        &self,
        window: &[u8],
        at: usize,
        error: &serde_json::Error,
        last: bool,
        sink: &mut dyn Sink,
    ) -> Step {
        if error.is_eof() {
            return self.resume(Flaw::CutOff, window, at, last, sink);
        }
        if self.place == Place::Top {
            return self.skip_line(window, at, last, sink);
        }
        self.resume(Flaw::NotJson, window, at, last, sink)
    }

    /// Goes on where the next event begins.
    fn resume(
        &self,
        flaw: Flaw,
        window: &[u8],
        at: usize,
        last: bool,
        sink: &mut dyn Sink,
    ) -> Step {
        let next = self.next_event(window, at + 1);
        if next.is_none() && !last {
            return Step::More;
        }
        self.flaw(sink, flaw, at, &example(rest(window, at)));
        next.map_or(Step::End, Step::To)
    }

    /// Passes over what is no JSON, to the next line that begins like an object or an array.
    fn skip_line(&self, window: &[u8], at: usize, last: bool, sink: &mut dyn Sink) -> Step {
        let mut next = at;
        while let Some(end) = memchr(b'\n', rest(window, next)) {
            next = skip_blank(window, next + end + 1);
            match window.get(next) {
                Some(b'{' | b'[') => {
                    self.flaw(sink, Flaw::NotJson, at, &example(rest(window, at)));
                    return Step::To(next);
                }
                Some(_) => {}
                None => break,
            }
        }
        if !last {
            return Step::More;
        }
        // Without a line's end there may still be events behind it.
        self.resume(Flaw::NotJson, window, at, last, sink)
    }

    /// Passes over a field beside an array of events.
    fn field(&self, window: &[u8], at: usize, last: bool, sink: &mut dyn Sink) -> Step {
        let Extent::Whole(name) = extent(rest(window, at)) else {
            return self.resume(Flaw::CutOff, window, at, last, sink);
        };
        let colon = skip_blank(window, at + name);
        let value = skip_blank(window, colon + 1);
        match (window.get(colon), extent(rest(window, value))) {
            (Some(b':'), Extent::Whole(length)) if last || value + length < window.len() => {
                Step::To(value + length)
            }
            (None, _) | (Some(b':'), Extent::Whole(_) | Extent::Cut) if !last => Step::More,
            _ => self.resume(Flaw::CutOff, window, at, last, sink),
        }
    }

    /// Reads what is inside envelopes. Whether one held anything that looks like JSON.
    fn unwrap(&self, wraps: &[(Wrap, &RawValue)], at: usize, sink: &mut dyn Sink) -> bool {
        let mut any = false;
        for (wrap, value) in wraps {
            any |= match wrap {
                Wrap::Plain if value.get().starts_with(['{', '[']) => {
                    self.inside(value.get().as_bytes(), at, sink)
                }
                Wrap::Plain => {
                    inside_text(value).is_some_and(|text| self.inside(text.as_bytes(), at, sink))
                }
                Wrap::Packed => packed(value)
                    .map(|bytes| sink.inflate(&bytes).unwrap_or(bytes))
                    .is_some_and(|bytes| self.inside(&bytes, at, sink)),
            };
        }
        any
    }

    fn inside(&self, bytes: &[u8], at: usize, sink: &mut dyn Sink) -> bool {
        if self.depth >= DEPTH {
            return false;
        }
        let mut inner = Self { place: Place::Top, before: 0, depth: self.depth + 1 };
        inner.feed(bytes, true, &mut Inside { sink, at: self.before + at as u64 });
        true
    }

    /// Where the next event begins, at `from` or behind it.
    fn next_event(&self, window: &[u8], from: usize) -> Option<usize> {
        let mut at = from;
        // As CloudTrail writes them, events begin with their version.
        if let Some(found) = memmem::find(rest(window, at), b"\"eventVersion\"") {
            let before = window.get(..at + found)?;
            let open = memchr::memrchr(b'{', before)?;
            if open >= from && skip_blank(window, open + 1) == at + found {
                return Some(open);
            }
        }
        for _ in 0..TRIED {
            at += memchr(b'{', rest(window, at))?;
            let mut stream = Deserializer::from_slice(rest(window, at)).into_iter::<Record<'_>>();
            if let Some(Ok(record)) = stream.next()
                && record.is_event()
            {
                return Some(at);
            }
            at += 1;
        }
        None
    }

    fn flaw(&self, sink: &mut dyn Sink, flaw: Flaw, at: usize, what: &str) {
        sink.flaw(flaw, self.before + at as u64, what);
    }
}

/// Whether a principal of this kind signs its calls with a key.
fn signs(kind: &str) -> bool {
    matches!(kind, "IAMUser" | "AssumedRole" | "FederatedUser" | "Root" | "Role")
}

/// A sink for what is inside an envelope: its places are the envelope's.
struct Inside<'a> {
    sink: &'a mut dyn Sink,
    at: u64,
}

impl Sink for Inside<'_> {
    fn event(&mut self, event: &Event<'_>, raw: &[u8]) {
        self.sink.event(event, raw);
    }

    fn flaw(&mut self, flaw: Flaw, _: u64, what: &str) {
        self.sink.flaw(flaw, self.at, what);
    }

    fn inflate(&mut self, packed: &[u8]) -> Option<Vec<u8>> {
        self.sink.inflate(packed)
    }
}

/// How far a value goes.
enum Extent {
    Whole(usize),
    Cut,
    Broken,
}

fn extent(bytes: &[u8]) -> Extent {
    let mut stream = Deserializer::from_slice(bytes).into_iter::<IgnoredAny>();
    match stream.next() {
        Some(Ok(_)) => Extent::Whole(stream.byte_offset()),
        Some(Err(error)) if !error.is_eof() => Extent::Broken,
        _ => Extent::Cut,
    }
}

fn rest(window: &[u8], at: usize) -> &[u8] {
    window.get(at..).unwrap_or_default()
}

/// Passes over white space, commas between values, and a byte-order mark.
fn skip_blank(window: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t' | b',' | 0xef | 0xbb | 0xbf | 0x1e) = window.get(at)
    {
        at += 1;
    }
    at
}

/// The beginning of what is there, in one line, as an example.
fn example(bytes: &[u8]) -> String {
    let start = String::from_utf8_lossy(bytes.get(..SHOWN * 4).unwrap_or(bytes));
    let line = start.split_whitespace().collect::<Vec<_>>().join(" ");
    let shown: String = line.chars().take(SHOWN).collect();
    let more = if shown.len() < line.len() || bytes.len() > SHOWN * 4 { "…" } else { "" };
    format!("{shown}{more}")
}
