//! What options are parsed from.

use crate::identity::{Arn, RoleName, SessionName, UserName};
use crate::plan::Fields;
use crate::text::option;
use jiff::Timestamp;
use std::time::Duration;

/// A session of a role, as it is typed: `ROLE/SESSION`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct SessionOf {
    pub(in crate::cli) role: UserName,
    pub(in crate::cli) session: SessionName,
}

impl std::str::FromStr for SessionOf {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (role, session) = text.split_once('/').ok_or("expected ROLE/SESSION")?;
        Ok(Self {
            role: self::role(role).map_err(|malformed| format!("of the role: {malformed}"))?,
            session: session.parse().map_err(|malformed| format!("of the session: {malformed}"))?,
        })
    }
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    crate::posture::duration(text)
        .and_then(|duration| Duration::try_from(duration).ok())
        .ok_or_else(|| "expected a duration, such as 30s or 5m".to_owned())
}

pub(super) fn region(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if (1..=32).contains(&text.len()) && text.chars().all(fits) {
        Ok(text.to_owned())
    } else {
        Err("expected a Region, such as eu-west-1".to_owned())
    }
}

pub(super) fn timestamp(text: &str) -> Result<Timestamp, String> {
    text.parse()
        .map(crate::text::whole_seconds)
        .map_err(|_| "expected a time with its zone, such as 2026-11-21T01:40Z".to_owned())
}

/// A role by its name: an ARN says more than that, of which the account may be another than the caller's.
pub(super) fn role(text: &str) -> Result<UserName, String> {
    let arn = text.parse::<Arn>().ok().filter(|arn| arn.resource().starts_with("role/"));
    match arn.and_then(|arn| Some((arn.account().to_owned(), arn.name().parse::<RoleName>().ok()?)))
    {
        Some((account, name)) => Err(format!(
            "the name alone is wanted: {}, with credentials of account {account}",
            option("--role", name.as_str())
        )),
        None => {
            text.parse::<RoleName>().map(UserName::from).map_err(|malformed| malformed.to_string())
        }
    }
}

pub(super) fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    match text.chars().count() {
        0 => Err("say why, for whoever reads the record".to_owned()),
        1..=500 => Ok(text.to_owned()),
        _ => Err("in 500 characters".to_owned()),
    }
}

pub(super) fn incident(text: &str) -> Result<String, String> {
    if crate::incident::is_id(text) {
        Ok(text.to_owned())
    } else {
        Err("expected 1 to 128 letters, digits or any of . _ : / -".to_owned())
    }
}

pub(super) fn fields(text: &str) -> Result<Fields, String> {
    Fields::parse(text).ok_or_else(|| "expected the names of two fields, as ID,SECRET".to_owned())
}

pub(super) fn profile(text: &str) -> Result<String, String> {
    let named = !text.trim().is_empty() && text.trim() == text;
    let harmless = !text.chars().any(|c| c.is_control() || c == '[' || c == ']');
    (named && harmless).then(|| text.to_owned()).ok_or_else(|| "no name of a profile".to_owned())
}

pub(super) fn probe(text: &str) -> Result<String, String> {
    let part = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let whole = text.split_once(':').is_some_and(|(service, action)| part(service) && part(action));
    whole.then(|| text.to_owned()).ok_or_else(|| "expected SERVICE:ACTION, without *".to_owned())
}
