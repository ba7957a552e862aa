//! Comparing what a condition asks for with what a request brings, one value with one value.

use jiff::{Timestamp, civil, tz::TimeZone};
use std::cmp::Ordering;
use std::net::IpAddr;

/// Compares two numbers: whole ones and decimals, nothing else.
pub(super) fn compare_numbers(left: &str, right: &str) -> Option<Ordering> {
    number(left)?.partial_cmp(&number(right)?)
}

fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    // `f64` would also read `inf` and `nan`.
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    if plain { text.parse().ok() } else { None }
}

/// Compares two points in time.
pub(super) fn compare_dates(left: &str, right: &str) -> Option<Ordering> {
    Some(date(left)?.cmp(&date(right)?))
}

/// Reads a point in time: a W3C profile of ISO 8601, or seconds since 1970 ("Date condition
/// operators" in the IAM reference).
///
/// A date without time is its first moment, and a time without offset is UTC. Four digits alone are
/// a year, as in the W3C profile; more are seconds.
pub(super) fn date(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if text.len() != 4
        && let Ok(seconds) = text.parse()
    {
        return Timestamp::from_second(seconds).ok();
    }
    let first_moment = match text.len() {
        4 => format!("{text}-01-01"),
        7 => format!("{text}-01"),
        _ => text.to_owned(),
    };
    first_moment.parse().ok().or_else(|| {
        let time: civil::DateTime = first_moment.parse().ok()?;
        TimeZone::UTC.to_timestamp(time).ok()
    })
}

/// Whether a policy's boolean, in any letter case, is the request's.
pub(super) fn same_bool(left: &str, right: &str) -> bool {
    ["true", "false"].iter().any(|known| left.eq_ignore_ascii_case(known))
        && left.eq_ignore_ascii_case(right)
}

/// Whether two texts of base64 stand for the same bytes, padded or not.
pub(super) fn same_bytes(left: &str, right: &str) -> bool {
    let left = bytes(left);
    left.is_some() && left == bytes(right)
}

fn bytes(base64: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let (mut held, mut bits) = (0_u32, 0_u32);
    for symbol in base64.trim_end_matches('=').bytes() {
        let value = match symbol {
            b'A'..=b'Z' => symbol - b'A',
            b'a'..=b'z' => symbol - b'a' + 26,
            b'0'..=b'9' => symbol - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        held = (held << 6 | u32::from(value)) & 0xffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push(u8::try_from(held >> bits & 0xff).ok()?);
        }
    }
    Some(out)
}

/// Whether an address lies in a network: `203.0.113.0/24`, `2001:db8::/32`, or one address.
pub(super) fn in_network(address: &str, network: &str) -> bool {
    let (base, length) = match network.split_once('/') {
        Some((base, length)) => (base, length.parse::<u32>().ok()),
        None => (network, Some(u32::MAX)),
    };
    let (Ok(address), Ok(base), Some(length)) = (address.parse(), base.parse(), length) else {
        return false;
    };
    let (left, right, width) = match (address, base) {
        (IpAddr::V4(left), IpAddr::V4(right)) => {
            (u128::from(u32::from(left)), u128::from(u32::from(right)), 32)
        }
        (IpAddr::V6(left), IpAddr::V6(right)) => (u128::from(left), u128::from(right), 128),
        _ => return false,
    };
    let length = if length == u32::MAX { width } else { length };
    // A shift by all 128 bits leaves nothing to compare: the network is everything.
    let prefix = |bits: u128| bits.checked_shr(width - length).unwrap_or(0);
    length <= width && prefix(left) == prefix(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same_date(left: &str, right: &str) -> bool {
        compare_dates(left, right) == Some(Ordering::Equal)
    }

    #[test]
    fn dates_come_in_many_shapes() {
        for shape in [
            "2026-11-21T00:00:00Z",
            "2026-11-21",
            "2026-11-21T00:00Z",
            "2026-11-21T00:00:00",
            "2026-11-21T00:00:00.000Z",
            "2026-11-21T01:30:00+01:30",
            "2026-11-20T19:00:00-05:00",
            "2026-11-21t00:00:00z",
            "1795219200",
        ] {
            assert!(same_date(shape, "2026-11-21T00:00:00Z"), "{shape}: {:?}", date(shape));
        }
        assert!(same_date("2026", "2026-01-01T00:00:00Z"));
        assert!(same_date("2026-11", "2026-11-01"));
        assert!(same_date("0", "1970-01-01"));
        assert_eq!(
            compare_dates("2026-11-21T00:00:00.5Z", "2026-11-21T00:00:00Z"),
            Some(Ordering::Greater)
        );
        for no_date in ["", "yesterday", "2026-13-01", "2026-02-30", "99999999999999999999", "1.5"]
        {
            assert_eq!(date(no_date), None, "{no_date}");
        }
    }

    #[test]
    fn numbers_are_compared_by_value() {
        assert_eq!(compare_numbers("10", "9"), Some(Ordering::Greater));
        assert_eq!(compare_numbers("1.50", "1.5"), Some(Ordering::Equal));
        assert_eq!(compare_numbers("-1", "0"), Some(Ordering::Less));
        for no_number in ["", "inf", "nan", "ten", "0x10", "1,5"] {
            assert_eq!(compare_numbers(no_number, "1"), None, "{no_number}");
        }
    }

    #[test]
    fn addresses_lie_in_networks_of_their_own_family() {
        for (address, network, expected) in [
            ("203.0.113.7", "203.0.113.0/24", true),
            ("203.0.114.7", "203.0.113.0/24", false),
            ("203.0.113.7", "203.0.113.7", true),
            ("203.0.113.8", "203.0.113.7", false),
            ("203.0.113.7", "203.0.113.99/24", true),
            ("8.8.8.8", "0.0.0.0/0", true),
            ("203.0.113.7", "203.0.113.0/33", false),
            ("203.0.113.7", "203.0.113.0/x", false),
            ("2001:db8::1", "2001:db8::/32", true),
            ("2001:DB8:0:0::1", "2001:db8::1", true),
            ("2001:db9::1", "2001:db8::/32", false),
            ("2001:db8::1", "::/0", true),
            ("203.0.113.7", "::/0", false),
            ("2001:db8::1", "0.0.0.0/0", false),
            ("elsewhere", "0.0.0.0/0", false),
        ] {
            assert_eq!(in_network(address, network), expected, "{address} in {network}");
        }
    }

    #[test]
    fn bytes_and_booleans() {
        assert!(same_bytes("QmluYXJ5", "QmluYXJ5"));
        assert!(same_bytes("QQ==", "QQ"));
        assert!(!same_bytes("QQ==", "Qg=="));
        assert!(!same_bytes("%", "%"));
        assert_eq!(bytes("QmluYXJ5VmFsdWVJbkJhc2U2NA==").unwrap(), b"BinaryValueInBase64");
        assert!(same_bool("True", "true"));
        assert!(!same_bool("true", "false"));
        assert!(!same_bool("yes", "yes"));
    }
}
