//! Replies in XML, with the nesting of the service models.

use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use quick_xml::Writer;
use quick_xml::events::{BytesEnd, BytesStart, BytesText, Event};

/// What RFC 3986 leaves as it is stands unencoded.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// XML being written. Writing to memory cannot fail, so its results are not looked at.
pub(super) struct Xml(Writer<Vec<u8>>);

impl Xml {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        Self(Writer::new(Vec::new()))
    }

    /// What was written.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0.into_inner()
    }

    /// An element with text.
    pub(super) fn text(&mut self, name: &str, text: impl AsRef<str>) -> &mut Self {
        let text: String = text.as_ref().chars().map(writable).collect();
        self.event(Event::Start(BytesStart::new(name)));
        self.event(Event::Text(BytesText::new(&text)));
        self.event(Event::End(BytesEnd::new(name)));
        self
    }

    /// An element with text, where there is some.
    pub(super) fn maybe(&mut self, name: &str, text: Option<impl AsRef<str>>) -> &mut Self {
        if let Some(text) = text {
            self.text(name, text);
        }
        self
    }

    /// An element with a number, or with `true` or `false`.
    pub(super) fn value(&mut self, name: &str, value: impl std::fmt::Display) -> &mut Self {
        self.text(name, value.to_string())
    }

    /// An element with a time in whole seconds.
    pub(super) fn time(&mut self, name: &str, at: Timestamp) -> &mut Self {
        self.text(name, crate::text::whole_seconds(at).to_string())
    }

    /// An element with a policy document, percent-encoded as IAM sends it (F19).
    pub(super) fn document(&mut self, name: &str, text: &str) -> &mut Self {
        self.text(name, utf8_percent_encode(text, RESERVED).to_string())
    }

    /// An element with elements.
    pub(super) fn within(&mut self, name: &str, write: impl FnOnce(&mut Self)) -> &mut Self {
        self.opened(BytesStart::new(name), write)
    }

    /// An element in a namespace.
    pub(super) fn root(&mut self, name: &str, space: &str, write: impl FnOnce(&mut Self)) {
        let mut start = BytesStart::new(name);
        start.push_attribute(("xmlns", space));
        self.opened(start, write);
    }

    /// A list: one `member` an item.
    pub(super) fn list<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        write: impl Fn(&mut Self, T),
    ) -> &mut Self {
        self.within(name, |xml| {
            for item in items {
                xml.within("member", |xml| write(xml, item));
            }
        })
    }

    /// A list of texts.
    pub(super) fn texts<T: AsRef<str>>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
    ) -> &mut Self {
        self.within(name, |xml| {
            for item in items {
                xml.text("member", item);
            }
        })
    }

    /// Writes what was written elsewhere.
    pub(super) fn raw(&mut self, written: &[u8]) -> &mut Self {
        self.0.get_mut().extend_from_slice(written);
        self
    }

    fn opened(&mut self, start: BytesStart<'_>, write: impl FnOnce(&mut Self)) -> &mut Self {
        let end = start.to_end().into_owned();
        self.event(Event::Start(start));
        write(self);
        self.event(Event::End(end));
        self
    }

    fn event(&mut self, event: Event<'_>) {
        let _infallible = self.0.write_event(event);
    }
}

/// Characters that XML 1.0 cannot hold are shown as unknown ones.
const fn writable(c: char) -> char {
    match c {
        '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'.. => c,
        _ => '\u{FFFD}',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_a_document_percent_encoded() {
        let mut xml = Xml::new();
        xml.text("A", "<&>\u{0}").document("B", "{\"a\": \"b~é\"}").list(
            "L",
            ["x"],
            |xml, item| {
                xml.text("V", item);
            },
        );
        let text = String::from_utf8(xml.into_bytes()).unwrap();
        assert_eq!(
            text,
            "<A>&lt;&amp;&gt;\u{FFFD}</A><B>%7B%22a%22%3A%20%22b~%C3%A9%22%7D</B>\
             <L><member><V>x</V></member></L>"
        );
    }
}
