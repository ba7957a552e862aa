//! The lineage of a containment: which policies and runs belong together.

use crate::identity::Malformed;
use crate::text::hex;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A random identifier, 32 hex digits, that stays with a containment from its first plan to its release.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Lineage(String);

impl Lineage {
    /// From 16 random bytes.
    #[must_use]
    pub fn new(random: [u8; 16]) -> Self {
        Self(hex(&random))
    }

    /// The eight digits that stand in policy names and run IDs (D2.14).
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..8).unwrap_or(&self.0)
    }

    /// The whole lineage.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of this containment's fence policy.
    #[must_use]
    pub fn fence_name(&self) -> String {
        format!("RingfenceFence-{}", self.short())
    }

    /// The name of this containment's hold policy.
    #[must_use]
    pub fn hold_name(&self) -> String {
        format!("RingfenceHold-{}", self.short())
    }
}

/// Whether a policy's name is one that some ringfence gives.
#[must_use]
pub fn is_our_name(name: &str) -> bool {
    ["RingfenceFence-", "RingfenceHold-"].iter().any(|prefix| name.starts_with(prefix))
}

impl TryFrom<String> for Lineage {
    type Error = Malformed;
    fn try_from(text: String) -> Result<Self, Malformed> {
        let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() == 32 && text.bytes().all(digit) {
            Ok(Self(text))
        } else {
            Err(Malformed { expected: "a lineage of 32 hex digits" })
        }
    }
}

impl From<Lineage> for String {
    fn from(lineage: Lineage) -> Self {
        lineage.0
    }
}

impl fmt::Display for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// D2.14: two containments never write the same policy.
    #[test]
    fn our_policies_carry_the_lineage_in_their_names() {
        let (one, other) = (Lineage::new([7; 16]), Lineage::new([9; 16]));
        for name in [Lineage::fence_name, Lineage::hold_name] {
            assert!(name(&one).ends_with("-07070707") && is_our_name(&name(&one)));
            assert_ne!(name(&one), name(&other));
        }
        assert_ne!(one.fence_name(), one.hold_name());
    }
}
