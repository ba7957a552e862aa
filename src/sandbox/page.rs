//! Pages of a listing (F18).

use super::fault::Fault;
use super::params::Params;
use super::rules;
use super::xml::Xml;
use sha2::{Digest, Sha256};

/// The header of a request whose pages shall be shorter than it asks for: IAM does so of its own
/// accord. It is not signed, so that whoever carries a request can add it.
pub(super) const SHORT: &str = "x-sandbox-page";

/// One page.
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    marker: Option<String>,
}

impl<T> Page<T> {
    /// Takes the page that a request asks for. `key` names each item, in the order of the listing;
    /// a marker holds the name of the last item before, so that it stays right while others go.
    pub(super) fn of(
        params: &Params,
        items: Vec<T>,
        key: impl Fn(&T) -> String,
    ) -> Result<Self, Fault> {
        let size = params.number("MaxItems", 1, 1000)?.unwrap_or(100);
        let size = usize::try_from(size).unwrap_or(100).min(params.most_items());
        let mut rest: Vec<T> = match params.get("Marker") {
            None => items,
            Some(marker) => {
                let last = after(rules::length("Marker", marker, 1, 320)?)?;
                let place = items.iter().position(|item| short(&key(item)) == last);
                // What the marker names may be gone: then on with what would follow it.
                let start = place.map_or_else(
                    || items.iter().take_while(|item| short(&key(item)) <= last).count(),
                    |place| place.saturating_add(1),
                );
                items.into_iter().skip(start).collect()
            }
        };
        let more = rest.len() > size;
        rest.truncate(size);
        let last = rest.last().filter(|_| more);
        Ok(Self { marker: last.map(|last| marker(&key(last))), items: rest })
    }

    /// Writes whether more follows, and where.
    pub(super) fn end(&self, xml: &mut Xml) {
        xml.value("IsTruncated", self.marker.is_some());
        xml.maybe("Marker", self.marker.as_deref());
    }
}

/// A name as it fits into a marker: a long one by its beginning and its hash.
fn short(key: &str) -> String {
    if key.len() <= 150 {
        return key.to_owned();
    }
    let hash: [u8; 32] = Sha256::digest(key.as_bytes()).into();
    let hash: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let start: String = key.chars().take(25).collect();
    format!("{start}~{hash}")
}

fn marker(key: &str) -> String {
    short(key).bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn after(marker: &str) -> Result<String, Fault> {
    let invalid = || Fault::invalid("Invalid Marker.");
    let digits: Option<Vec<u8>> =
        marker.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let bytes: Option<Vec<u8>> = digits.filter(|digits| digits.len() % 2 == 0).map(|digits| {
        digits.chunks(2).map(|pair| pair.iter().fold(0, |sum, d| (sum << 4) | d)).collect()
    });
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(query: &str, items: &[&str]) -> Page<String> {
        let items = items.iter().map(|item| (*item).to_owned()).collect();
        Page::of(&Params::read(query, b""), items, Clone::clone).unwrap()
    }

    #[test]
    fn pages_follow_each_other_even_when_items_go() {
        let first = page("MaxItems=2", &["a", "b", "c"]);
        assert_eq!(first.items, ["a", "b"]);
        let marker = first.marker.unwrap();
        assert_eq!(page(&format!("Marker={marker}"), &["a", "b", "c"]).items, ["c"]);
        assert_eq!(page(&format!("Marker={marker}"), &["a", "c"]).items, ["c"]);
        assert_eq!(page("MaxItems=3", &["a", "b", "c"]).marker, None);
        let long = format!("{}1", "é".repeat(200));
        let other = format!("{}2", "é".repeat(200));
        let marker = page("MaxItems=1", &[&long, &other]).marker.unwrap();
        assert_eq!(page(&format!("Marker={marker}"), &[&long, &other]).items, [other]);
        let items = vec![String::new()];
        assert!(Page::of(&Params::read("Marker=zz", b""), items, Clone::clone).is_err());
    }
}
