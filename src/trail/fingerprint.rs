//! What two events are held to be the same by: the event's ID *and* its content. Some collections give every
//! event the same ID, and a record that comes in two envelopes is still one.

use super::Event;
use foldhash::quality::FixedState;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::hash::{BuildHasher, Hasher};

/// A fixed seed: what is counted must not depend on the run.
const SEED: u64 = 0x7269_6e67_6665_6e63;

/// A number for some bytes.
pub(crate) fn number(parts: &[&[u8]]) -> u64 {
    let mut hasher = FixedState::with_seed(SEED).build_hasher();
    for part in parts {
        hasher.write(part);
        hasher.write_u8(0xff);
    }
    hasher.finish()
}

/// A name of something that can act, shortened to a number: an access key, a user's console session.
#[must_use]
pub fn node(kind: &str, name: &str) -> u64 {
    number(&[kind.as_bytes(), name.as_bytes()])
}

/// An event's ID and its bytes. Where they differ in the bytes alone, [`Content`] decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark {
    /// Of the event's ID.
    pub id: u64,
    /// Of the bytes as they stand in the file.
    pub bytes: u64,
}

/// The mark of an event, for what is read once only.
#[must_use]
pub fn quick(event: &Event<'_>, raw: &[u8]) -> Mark {
    Mark { id: number(&[event.id.as_bytes()]), bytes: number(&[raw]) }
}

/// The content of an event, whatever its white space and the order of its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Content(pub u64);

impl Content {
    /// Reads it out of an event's JSON.
    #[must_use]
    pub fn of(raw: &[u8]) -> Self {
        // What is no JSON to this reader is its bytes.
        let text = std::str::from_utf8(raw).ok();
        let node = text.and_then(|text| serde_json::from_str::<Node>(text).ok());
        Self(node.map_or_else(|| leaf(b"x", raw), |node| node.0))
    }
}

/// A hash over a value and what is in it.
struct Node(u64);

fn leaf(tag: &[u8], bytes: &[u8]) -> u64 {
    number(&[tag, bytes])
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Walk)
    }
}

struct Walk;

impl<'de> Visitor<'de> for Walk {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node(leaf(b"s", text.as_bytes())))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node(leaf(b"b", &[u8::from(value)])))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node(leaf(b"n", &value.to_be_bytes())))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node(leaf(b"i", &value.to_be_bytes())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node(leaf(b"f", &value.to_bits().to_be_bytes())))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node(leaf(b"0", b"")))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut sum = leaf(b"a", b"");
        while let Some(item) = items.next_element::<Node>()? {
            sum = number(&[&sum.to_be_bytes(), &item.0.to_be_bytes()]);
        }
        Ok(Node(sum))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut sum = leaf(b"o", b"");
        while let Some((key, value)) = map.next_entry::<Node, Node>()? {
            // A sum does not ask for the order.
            sum = sum.wrapping_add(number(&[&key.0.to_be_bytes(), &value.0.to_be_bytes()]));
        }
        Ok(Node(number(&[b"o", &sum.to_be_bytes()])))
    }
}
