//! An event of the lineage, as much of it as the trace is made of, in a form that is small on disk.

use super::Question;
use super::found::Parameters;
use super::link::{Actor, begins_session, in_console, minted, opened, user_keys};
use super::resource::resources;
use super::thing::is_telling;
use crate::trail::{Event, Identity};
use jiff::Timestamp;
use std::borrow::Cow;

/// The texts that every deed has.
const TEXTS: usize = 15;

/// An event that a credential of the lineage made, or that is about one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deed<'a> {
    /// When.
    pub time: Option<Timestamp>,
    /// The event's ID.
    pub id: Cow<'a, str>,
    /// The service.
    pub service: Cow<'a, str>,
    /// What was called.
    pub name: Cow<'a, str>,
    /// Why it failed; empty where it succeeded.
    pub error: Cow<'a, str>,
    /// From where.
    pub source_ip: Cow<'a, str>,
    /// With what.
    pub user_agent: Cow<'a, str>,
    /// The key that signed; empty where none is recorded.
    pub key: Cow<'a, str>,
    /// What kind of principal called.
    pub kind: Cow<'a, str>,
    /// Its account.
    pub account: Cow<'a, str>,
    /// Its ARN.
    pub arn: Cow<'a, str>,
    /// Its name, for a user.
    pub user_name: Cow<'a, str>,
    /// Its role, for a role session.
    pub issuer_arn: Cow<'a, str>,
    /// When its session began, as written.
    pub issued: Cow<'a, str>,
    /// The console that it signs in as, where no key is recorded.
    pub console: Cow<'a, str>,
    /// Whether it was made in the console.
    pub in_console: bool,
    /// What it was about.
    pub resources: Vec<Cow<'a, str>>,
    /// What it makes of what.
    pub makes: Vec<(Actor, Actor)>,
    /// The event itself, where its parameters are needed.
    pub raw: Cow<'a, str>,
}

impl<'a> Deed<'a> {
    /// Takes from an event what is needed of it.
    #[must_use]
    pub fn of(event: &'a Event<'a>, raw: &'a [u8], question: &Question) -> Self {
        let parameters = Parameters::of(event);
        let mut makes = user_keys(event, question);
        makes.extend(opened(event));
        if !event.is_denied() {
            makes.extend(minted(event, &parameters));
        }
        let telling = is_telling(event) || begins_session(event) || !makes.is_empty();
        let identity = event.identity.as_ref();
        let session = identity.map(Identity::session).unwrap_or_default();
        let of = |text: fn(&'a crate::trail::Identity<'a>) -> &'a str| {
            Cow::Borrowed(identity.map_or("", text))
        };
        let console = match identity.filter(|who| who.access_key.is_empty()) {
            Some(who) if event.service() == "signin" => super::link::console(who),
            _ => None,
        };
        Self {
            time: event.time(),
            id: Cow::Borrowed(&event.id),
            service: Cow::Borrowed(event.service()),
            name: Cow::Borrowed(&event.name),
            error: Cow::Borrowed(&event.error_code),
            source_ip: Cow::Borrowed(&event.source_ip),
            user_agent: Cow::Borrowed(&event.user_agent),
            key: of(|who| &who.access_key),
            kind: of(|who| &who.kind),
            account: of(|who| &who.account),
            arn: of(|who| &who.arn),
            user_name: Cow::Borrowed(super::found::user_name(event).unwrap_or_default()),
            issuer_arn: session.issuer_arn,
            issued: session.issued,
            console: console.unwrap_or_default().into(),
            in_console: in_console(event),
            resources: resources(event, &parameters).into_iter().map(Cow::Owned).collect(),
            makes,
            raw: if telling { String::from_utf8_lossy(raw) } else { Cow::Borrowed("") },
        }
    }

    /// Who did it.
    #[must_use]
    pub fn by(&self) -> Option<Actor> {
        if !self.key.is_empty() {
            Some(Actor::Key(self.key.to_string()))
        } else if !self.console.is_empty() {
            Some(Actor::Console(self.console.to_string()))
        } else {
            None
        }
    }

    /// Whether it was refused or failed.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        !self.error.is_empty()
    }

    /// Whether it says more than that it was done: what it makes, or in its parameters.
    #[must_use]
    pub fn is_telling(&self) -> bool {
        !self.raw.is_empty() || !self.makes.is_empty()
    }

    /// Writes it behind what is there: the lengths first, so that all texts are checked at once when they are read.
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        let time = self.time.map_or(i64::MIN, Timestamp::as_microsecond);
        bytes.extend(time.to_be_bytes());
        bytes.push(u8::from(self.in_console));
        put_length(bytes, self.resources.len());
        put_length(bytes, self.makes.len());
        let actors = || self.makes.iter().flat_map(|(parent, child)| [parent, child]).map(parts);
        bytes.extend(actors().map(|(tag, _)| tag));
        let texts = || self.texts().into_iter().chain(&self.resources).map(|text| &**text);
        let all = || texts().chain(actors().map(|(_, name)| name));
        all().for_each(|text| put_length(bytes, text.len()));
        all().for_each(|text| bytes.extend(text.as_bytes()));
    }

    const fn texts(&self) -> [&Cow<'a, str>; TEXTS] {
        [
            &self.id,
            &self.service,
            &self.name,
            &self.error,
            &self.source_ip,
            &self.user_agent,
            &self.key,
            &self.kind,
            &self.account,
            &self.arn,
            &self.user_name,
            &self.issuer_arn,
            &self.issued,
            &self.console,
            &self.raw,
        ]
    }

    /// Reads what [`Self::encode`] has written; `None` if it is something else.
    #[must_use]
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (time, bytes) = bytes.split_first_chunk::<8>()?;
        let time = i64::from_be_bytes(*time);
        let (in_console, bytes) = bytes.split_first()?;
        let (resources, bytes) = length(bytes)?;
        let (makes, bytes) = length(bytes)?;
        let (tags, bytes) = bytes.split_at_checked(makes.checked_mul(2)?)?;
        let texts = TEXTS.checked_add(resources)?.checked_add(tags.len())?;
        let (lengths, text) = bytes.split_at_checked(texts.checked_mul(4)?)?;
        let mut rest = Rest { lengths, text: simdutf8::basic::from_utf8(text).ok()? };
        let mut deed = Self {
            time: Timestamp::from_microsecond(time).ok().filter(|_| time != i64::MIN),
            in_console: *in_console == 1,
            id: rest.text()?,
            service: rest.text()?,
            name: rest.text()?,
            error: rest.text()?,
            source_ip: rest.text()?,
            user_agent: rest.text()?,
            key: rest.text()?,
            kind: rest.text()?,
            account: rest.text()?,
            arn: rest.text()?,
            user_name: rest.text()?,
            issuer_arn: rest.text()?,
            issued: rest.text()?,
            console: rest.text()?,
            raw: rest.text()?,
            ..Self::default()
        };
        for _ in 0..resources {
            deed.resources.push(rest.text()?);
        }
        for tags in tags.chunks_exact(2) {
            let [parent, child] = tags else { return None };
            deed.makes.push((rest.actor(*parent)?, rest.actor(*child)?));
        }
        (rest.lengths.is_empty() && rest.text.is_empty()).then_some(deed)
    }
}

/// What an actor is written as.
fn parts(actor: &Actor) -> (u8, &str) {
    match actor {
        Actor::Key(name) => (0, name),
        Actor::Console(name) => (1, name),
        Actor::User(name) => (2, name),
        Actor::Keyless(name) => (3, name),
    }
}

fn put_length(bytes: &mut Vec<u8>, length: usize) {
    // Nothing of an event is as large as that; what would be is cut where it is put.
    bytes.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
}

fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    Some((usize::try_from(u32::from_be_bytes(*length)).ok()?, rest))
}

/// The texts that are not read yet.
struct Rest<'a> {
    lengths: &'a [u8],
    text: &'a str,
}

impl<'a> Rest<'a> {
    fn text(&mut self) -> Option<Cow<'a, str>> {
        let (length, lengths) = length(self.lengths)?;
        let (text, rest) = self.text.split_at_checked(length)?;
        (self.lengths, self.text) = (lengths, rest);
        Some(Cow::Borrowed(text))
    }

    fn actor(&mut self, tag: u8) -> Option<Actor> {
        let name = self.text()?.into_owned();
        Some(match tag {
            0 => Actor::Key(name),
            1 => Actor::Console(name),
            2 => Actor::User(name),
            _ => Actor::Keyless(name),
        })
    }
}
