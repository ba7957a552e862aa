//! Times, in the forms in which CloudTrail and those who keep its events write them.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// A time out of an event: ISO 8601, the same with a space and without a zone (UTC is meant), seconds or
/// milliseconds since 1970, or `Jul 30, 2024, 9:46:15 PM` as the responses of IAM and STS have it.
#[must_use]
pub fn when(text: &str) -> Option<Timestamp> {
    // As nearly every event has it, in a fraction of what any form takes.
    if let Some(time) = recorded(text) {
        return Some(time);
    }
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    if let Ok(time) = text.parse::<DateTime>() {
        return Offset::UTC.to_timestamp(time).ok();
    }
    if let Ok(number) = text.parse::<i64>() {
        // No event is older than 2001, and in seconds none is younger than the year 3000.
        return match number {
            1_000_000_000..=32_503_680_000 => Timestamp::from_second(number).ok(),
            1_000_000_000_000..=32_503_680_000_000 => Timestamp::from_millisecond(number).ok(),
            _ => None,
        };
    }
    worded(text)
}

/// `2026-11-21T01:40:00Z`, as CloudTrail records it.
fn recorded(text: &str) -> Option<Timestamp> {
    let [y, e, a, r, b'-', m, o, b'-', d, t, b'T', h, u, b':', i, n, b':', s, c, b'Z'] =
        *text.as_bytes().first_chunk::<20>().filter(|_| text.len() == 20)?
    else {
        return None;
    };
    let digit = |byte: u8| byte.is_ascii_digit().then(|| byte - b'0');
    let two = |a: u8, b: u8| i8::try_from(digit(a)? * 10 + digit(b)?).ok();
    let year = i16::from(two(y, e)?) * 100 + i16::from(two(a, r)?);
    let date = Date::new(year, two(m, o)?, two(d, t)?).ok()?;
    let time = Time::new(two(h, u)?, two(i, n)?, two(s, c)?, 0).ok()?;
    Offset::UTC.to_timestamp(date.to_datetime(time)).ok()
}

/// `Jul 30, 2024, 9:46:15 PM`, with and without the second comma, with a narrow space before `PM`.
fn worded(text: &str) -> Option<Timestamp> {
    let mut words = text.split([' ', ',', '\u{202f}', '\u{a0}']).filter(|word| !word.is_empty());
    let month = words.next()?.get(..3)?.to_ascii_lowercase();
    let month = MONTHS.iter().position(|name| *name == month)?;
    let day: i8 = words.next()?.parse().ok()?;
    let year: i16 = words.next()?.parse().ok()?;
    let mut clock = words.next()?.split(':').map(str::parse::<i8>);
    let (hour, minute) = (clock.next()?.ok()?, clock.next()?.ok()?);
    let second = clock.next().transpose().ok()?.unwrap_or(0);
    let hour = match words.next().map(str::to_ascii_uppercase).as_deref() {
        None => hour,
        Some("AM") => hour % 12,
        Some("PM") => hour % 12 + 12,
        Some(_) => return None,
    };
    if clock.next().is_some() || words.next().is_some_and(|zone| zone != "UTC" && zone != "GMT") {
        return None;
    }
    let date = Date::new(year, i8::try_from(month).ok()? + 1, day).ok()?;
    let time = Time::new(hour, minute, second, 0).ok()?;
    Offset::UTC.to_timestamp(DateTime::from_parts(date, time)).ok()
}

#[cfg(test)]
mod tests {
    use super::when;

    #[test]
    fn every_form_in_the_data_is_read() {
        for (text, expected) in [
            ("2019-06-19T00:18:31Z", "2019-06-19T00:18:31Z"),
            ("2020-09-14T00:50:17.000Z", "2020-09-14T00:50:17Z"),
            ("2024-01-01T02:00:00+02:00", "2024-01-01T00:00:00Z"),
            ("2024-06-02 20:27:12", "2024-06-02T20:27:12Z"),
            ("2024-11-26 19:29:38.000000000", "2024-11-26T19:29:38Z"),
            ("2024-01-01 00:00:00.000", "2024-01-01T00:00:00Z"),
            ("2021-05-20 15:53:47Z", "2021-05-20T15:53:47Z"),
            ("1732649378", "2024-11-26T19:29:38Z"),
            ("1732649378000", "2024-11-26T19:29:38Z"),
            ("Jul 30, 2024, 9:46:15 PM", "2024-07-30T21:46:15Z"),
            ("Jul 30, 2024, 9:46:15\u{202f}PM", "2024-07-30T21:46:15Z"),
            ("Sep 14, 2020 12:00:00 AM", "2020-09-14T00:00:00Z"),
            ("Sep 14, 2020 12:00:00 PM", "2020-09-14T12:00:00Z"),
            ("Jan 01, 2019 0:00:00 PM", "2019-01-01T12:00:00Z"),
        ] {
            assert_eq!(
                when(text).map(|time| time.to_string()).as_deref(),
                Some(expected),
                "{text:?}"
            );
        }
    }

    #[test]
    fn the_short_way_is_what_the_long_way_reads() {
        let long = |text: &str| text.parse::<jiff::Timestamp>().ok();
        for text in [
            "2026-11-21T01:40:00Z",
            "2024-02-29T23:59:59Z",
            "2023-02-29T00:00:00Z",
            "0000-01-01T00:00:00Z",
            "9999-12-30T22:00:00Z",
            "9999-12-31T23:59:59Z",
            "2026-00-10T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
        ] {
            assert_eq!(super::recorded(text), long(text), "{text:?}");
        }
        // A leap second is the long way's to read.
        assert_eq!(super::recorded("2016-12-31T23:59:60Z"), None);
        assert_eq!(when("2016-12-31T23:59:60Z"), long("2016-12-31T23:59:60Z"));
        for text in ["2026-11-21t01:40:00Z", "2026-11-21T01:40:0:Z", "2026-11-2/T01:40:00Z"] {
            assert_eq!(super::recorded(text), None, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "...",
            "null",
            "7",
            "Foo 1, 2024, 1:00:00 AM",
            "Jul 32, 2024, 1:00:00 AM",
            "Jul 1, 2024, 1:00:00 XM",
            "Jül 1, 2024",
            "2024-13-01T00:00:00Z",
            "Jul 1, 2024, 1:2:3:4 AM",
        ] {
            assert_eq!(when(text), None, "{text:?}");
        }
    }
}
