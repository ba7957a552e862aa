//! A TOML file that is being read: its values, and errors that say where.

use crate::error::{Error, Result};
use crate::posture::one_of;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub(super) type Table<'a> = DeTable<'a>;
pub(super) type Item<'a> = Spanned<DeValue<'a>>;

/// What is longer was not meant.
const LONGEST: Duration = Duration::from_secs(86_400);

/// The file that is being read, for errors that say where.
pub(super) struct File<'a> {
    pub(super) text: &'a str,
    pub(super) name: &'a str,
}

impl<'a> File<'a> {
    /// The file and its outermost table.
    pub(super) fn open(text: &'a str, name: &'a str) -> Result<(Self, Spanned<Table<'a>>)> {
        let file = Self { text, name };
        let table = DeTable::parse(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            file.error(at, "the TOML is malformed").because(error.message())
        })?;
        Ok((file, table))
    }

    pub(super) fn error(&self, at: usize, message: &str) -> Error {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        Error::failed(format!("{message} (`{}`, line {line})", self.name))
    }

    pub(super) fn unknown(&self, at: usize, key: &str, known: &[&str]) -> Error {
        self.error(
            at,
            &format!("`{}` is unknown here: expected {}", key.escape_debug(), one_of(known)),
        )
    }

    pub(super) fn table<'v, 'i>(&self, value: &'v Item<'i>) -> Result<&'v Table<'i>> {
        value
            .get_ref()
            .as_table()
            .ok_or_else(|| self.error(value.span().start, "a table was expected"))
    }

    /// A duration between a least one and a day.
    pub(super) fn duration(&self, value: &Item<'_>, least: Duration) -> Result<Duration> {
        let text = self.text(value)?;
        crate::posture::duration(text)
            .and_then(|duration| Duration::try_from(duration).ok())
            .filter(|duration| (least..=LONGEST).contains(duration))
            .ok_or_else(|| {
                let what = format!(
                    "`{}` is no duration between {} s and a day",
                    text.escape_debug(),
                    least.as_secs()
                );
                self.error(value.span().start, &what).hint("such as 30s or 5m")
            })
    }

    pub(super) fn text<'v>(&self, value: &'v Item<'_>) -> Result<&'v str> {
        value
            .get_ref()
            .as_str()
            .ok_or_else(|| self.error(value.span().start, "a text in quotes was expected"))
    }

    /// A duration of any length, in seconds.
    pub(super) fn seconds(&self, value: &Item<'_>) -> Result<u64> {
        let text = self.text(value)?;
        crate::posture::duration(text)
            .and_then(|duration| Duration::try_from(duration).ok())
            .map(|duration| duration.as_secs())
            .filter(|seconds| *seconds > 0)
            .ok_or_else(|| {
                let what = format!("`{}` is no duration", text.escape_debug());
                self.error(value.span().start, &what).hint("such as 90m or 24h")
            })
    }

    /// A count of people.
    pub(super) fn number(&self, value: &Item<'_>) -> Result<u32> {
        let wrong = || self.error(value.span().start, "a number from 0 to 99 was expected");
        let integer = value.get_ref().as_integer().ok_or_else(wrong)?;
        let number = u32::from_str_radix(integer.as_str(), integer.radix()).map_err(|_| wrong())?;
        if number > 99 { Err(wrong()) } else { Ok(number) }
    }

    /// `true` or `false`.
    pub(super) fn truth(&self, value: &Item<'_>) -> Result<bool> {
        let wrong = || self.error(value.span().start, "true or false was expected");
        value.get_ref().as_bool().ok_or_else(wrong)
    }

    /// One text, or a list of them.
    pub(super) fn texts(&self, value: &Item<'_>) -> Result<Vec<String>> {
        match value.get_ref().as_array() {
            Some(list) => list.iter().map(|item| Ok(self.text(item)?.to_owned())).collect(),
            None => Ok(vec![self.text(value)?.to_owned()]),
        }
    }
}
