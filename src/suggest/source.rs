//! Where a call came from: an address, or a service's name.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A source that a person leaves out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOutSource {
    /// As it was typed.
    text: String,
    meant: Meant,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Meant {
    /// An address, and how many of its bits count.
    Network(IpAddr, u32),
    Name,
}

impl LeftOutSource {
    /// A source in the one form that its address has; a name as it is.
    #[must_use]
    pub fn canonical(source: &str) -> String {
        match source.parse::<IpAddr>() {
            Ok(address) => address.to_canonical().to_string(),
            Err(_) => source.to_owned(),
        }
    }

    /// Whether it is a source's.
    #[must_use]
    pub fn has(&self, source: &str) -> bool {
        match (&self.meant, source.parse::<IpAddr>()) {
            (Meant::Network(base, length), Ok(address)) => {
                lies_in(address.to_canonical(), *base, *length)
            }
            (Meant::Name, _) => self.text.eq_ignore_ascii_case(source),
            _ => false,
        }
    }
}

fn lies_in(address: IpAddr, base: IpAddr, length: u32) -> bool {
    let (left, right, width) = match (address, base) {
        (IpAddr::V4(left), IpAddr::V4(right)) => {
            (u128::from(u32::from(left)), u128::from(u32::from(right)), 32)
        }
        (IpAddr::V6(left), IpAddr::V6(right)) => (u128::from(left), u128::from(right), 128_u32),
        _ => return false,
    };
    // A shift by all 128 bits leaves nothing to compare: the network is everything.
    let prefix = |bits: u128| bits.checked_shr(width.saturating_sub(length)).unwrap_or(0);
    prefix(left) == prefix(right)
}

impl fmt::Display for LeftOutSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for LeftOutSource {
    type Err = String;

    /// What looks like an address has to be one: taken for a name it would leave nothing out.
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim().to_owned();
        let odd = || {
            "expected an address, a network such as 203.0.113.0/24, or a service such as \
             cloudformation.amazonaws.com"
                .to_owned()
        };
        let numeric = text.chars().all(|c| c.is_ascii_digit() || c == '.');
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err(odd());
        }
        if !numeric && !text.contains([':', '/']) {
            return Ok(Self { text, meant: Meant::Name });
        }
        let (base, length) = match text.split_once('/') {
            None => (text.as_str(), None),
            Some((base, length)) => (base, Some(length.parse::<u32>().map_err(|_| odd())?)),
        };
        let typed: IpAddr = base.parse().map_err(|_| odd())?;
        let base = typed.to_canonical();
        let width = if typed.is_ipv4() { 32 } else { 128 };
        let length = length.unwrap_or(width);
        if length > width {
            return Err(format!(
                "a network of IPv{} has at most {width} bits",
                if width == 32 { 4 } else { 6 }
            ));
        }
        // The last 32 bits of a mapped address are the ones of IPv4.
        let meant = match typed.is_ipv6() && base.is_ipv4() {
            true if length < 96 => Meant::Network(typed, length),
            true => Meant::Network(base, length - 96),
            false => Meant::Network(base, length),
        };
        Ok(Self { text, meant })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_an_address_has_to_be_one() {
        for bad in [
            "",
            " ",
            "10.0.0.0/99",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/x",
            "300.1.1.1",
            "10.0.0",
            "10",
            "2001:db8::/129",
            "2001:db8:::1",
            "example.com/24",
            "a\u{1b}b",
        ] {
            assert!(bad.parse::<LeftOutSource>().is_err(), "{bad:?}");
        }
        assert_eq!(
            "10.0.0.0/99".parse::<LeftOutSource>().unwrap_err(),
            "a network of IPv4 has at most 32 bits"
        );
    }

    #[test]
    fn an_address_is_the_same_in_every_form() {
        for (typed, source, expected) in [
            ("1.2.3.0/24", "1.2.3.4", true),
            ("1.2.3.0/24", "::ffff:1.2.3.4", true),
            ("1.2.3.0/24", "::ffff:1.2.4.4", false),
            ("::ffff:1.2.3.4", "1.2.3.4", true),
            ("::ffff:1.2.3.0/120", "1.2.3.9", true),
            ("2001:DB8:0::1", "2001:db8::1", true),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            ("cloudformation.amazonaws.com", "cloudformation.amazonaws.com", true),
            ("AWS Internal", "aws internal", true),
            ("AWS Internal", "10.0.0.1", false),
        ] {
            assert_eq!(
                typed.parse::<LeftOutSource>().unwrap().has(source),
                expected,
                "{typed} {source}"
            );
        }
    }
}
