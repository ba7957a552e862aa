//! Identifiers and secrets: they look random, and the same seed gives the same ones again.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What IAM's unique IDs and key IDs are spelled with.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// What secrets are spelled with.
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The source of identifiers and secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ids {
    seed: u64,
    drawn: u64,
    requests: u64,
}

impl Ids {
    /// A source that gives the same for the same seed.
    #[must_use]
    pub(super) const fn new(seed: u64) -> Self {
        Self { seed, drawn: 0, requests: 0 }
    }

    /// A unique ID, such as `AIDA…` for a user.
    pub(super) fn unique(&mut self, prefix: &str) -> String {
        let letters = self.bytes().into_iter().take(17).map(|byte| letter(BASE32, byte));
        prefix.chars().chain(letters).collect()
    }

    /// The ID of an access key, with the account in it as AWS writes it.
    pub(super) fn key(&mut self, prefix: &str, account: &str) -> String {
        let low =
            self.bytes().into_iter().take(5).fold(0, |sum, byte| (sum << 8) | u128::from(byte));
        let account = account.parse::<u128>().unwrap_or_default() & 0xFF_FFFF_FFFF;
        let number = (1 << 79) | (account << 39) | (low & 0x7F_FFFF_FFFF);
        let digit = |place: u32| letter(BASE32, ((number >> (place * 5)) & 31) as u8);
        prefix.chars().chain((0..16).rev().map(digit)).collect()
    }

    /// A secret of a length.
    pub(super) fn secret(&mut self, length: usize) -> String {
        let mut text = String::with_capacity(length);
        while text.len() < length {
            let room = length - text.len();
            text.extend(self.bytes().into_iter().take(room).map(|byte| letter(BASE64, byte)));
        }
        text
    }

    /// Base32 of a length, as the seed of an MFA device is written.
    pub(super) fn base32(&mut self, length: usize) -> String {
        let mut text = String::with_capacity(length);
        while text.len() < length {
            let room = length - text.len();
            text.extend(self.bytes().into_iter().take(room).map(|byte| letter(BASE32, byte)));
        }
        text
    }

    /// The ID of the next request.
    pub(super) fn request(&mut self) -> String {
        self.requests = self.requests.wrapping_add(1);
        let hash = self.hash("request", self.requests);
        let hex: Vec<String> = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let part = |from: usize, count: usize| {
            hex.iter().skip(from).take(count).map(String::as_str).collect::<String>()
        };
        [part(0, 4), part(4, 2), part(6, 2), part(8, 2), part(10, 6)].join("-")
    }

    fn bytes(&mut self) -> [u8; 32] {
        self.drawn = self.drawn.wrapping_add(1);
        self.hash("drawn", self.drawn)
    }

    fn hash(&self, what: &str, number: u64) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.seed.to_be_bytes());
        hash.update(what.as_bytes());
        hash.update(number.to_be_bytes());
        hash.finalize().into()
    }
}

/// An ID that follows from a text, such as a policy of AWS's from its name.
#[must_use]
pub(super) fn from_text(prefix: &str, text: &str) -> String {
    let hash: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    prefix.chars().chain(hash.into_iter().take(17).map(|byte| letter(BASE32, byte))).collect()
}

/// The account that an access key's ID carries, as anybody can read it from one of AWS's.
#[must_use]
pub(super) fn account_of_key(id: &str) -> Option<String> {
    let number = id.get(4..12)?.bytes().try_fold(0_u64, |sum, byte| {
        let digit = BASE32.iter().position(|letter| *letter == byte)?;
        Some((sum << 5) | u64::try_from(digit).ok()?)
    })?;
    // Forty bits: one that is always set, and those of the account but for its last, which the
    // next digit begins with.
    let last = id.as_bytes().get(12).copied()?;
    let last = BASE32.iter().position(|letter| *letter == last)? >> 4;
    let account = ((number & 0x7F_FFFF_FFFF) << 1) | u64::try_from(last).ok()?;
    Some(format!("{account:012}")).filter(|text| text.len() == 12)
}

fn letter(alphabet: &[u8], byte: u8) -> char {
    alphabet.get(usize::from(byte) % alphabet.len().max(1)).copied().map_or('A', char::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_itself() {
        let (mut one, mut two) = (Ids::new(7), Ids::new(7));
        assert_eq!(one.unique("AIDA"), two.unique("AIDA"));
        assert_eq!(one.secret(40), two.secret(40));
        assert_ne!(one.secret(40), one.secret(40));
        assert_ne!(Ids::new(8).unique("AIDA"), Ids::new(7).unique("AIDA"));
    }

    #[test]
    fn a_key_tells_its_account() {
        for account in ["123456789012", "000000000001", "999999999999"] {
            let key = Ids::new(1).key("AKIA", account);
            assert_eq!((key.len(), account_of_key(&key).as_deref()), (20, Some(account)), "{key}");
        }
        // From AWS's documentation of its own.
        assert_eq!(account_of_key("ASIAQNZGKIQY56JQ7WML").as_deref(), Some("029608264753"));
        assert_eq!(account_of_key("short"), None);
    }

    #[test]
    fn a_request_has_a_uuid() {
        let id = Ids::new(1).request();
        assert_eq!(id.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
    }
}
