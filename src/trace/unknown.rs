//! What the data cannot show, each with the reason: `none seen` would be a claim that nothing here can make (D2.12).

use super::Question;
use super::fold::{ROWS, Reading, SOURCES, Sums};
use super::lineage::{LINKS, Lineage};
use super::link::Actor;
use super::report::{Credential, CredentialKind, Target, Unknown};
use crate::text::{count, shown};
use crate::trail::Flaw;

/// Shorter silences are ordinary in a small account.
const GAP: i64 = 6;

/// What there is to judge.
pub(super) struct Seen<'a> {
    pub(super) question: &'a Question,
    pub(super) reading: &'a Reading<'a>,
    pub(super) lineage: &'a Lineage,
    pub(super) sums: &'a Sums,
    pub(super) credentials: &'a [Credential],
    pub(super) more_suspects: usize,
    pub(super) seen_too_many: bool,
    pub(super) targets: &'a [Target],
}

/// Everything that is not known.
pub(super) fn unknown(seen: &Seen<'_>) -> Vec<Unknown> {
    let mut list = Vec::new();
    data(seen, &mut list);
    start(seen, &mut list);
    credentials(seen, &mut list);
    limits(seen, &mut list);
    list
}

fn say(list: &mut Vec<Unknown>, what: impl Into<String>, why: impl Into<String>) {
    list.push(Unknown { what: what.into(), why: why.into() });
}

/// What the data as a whole leaves open.
fn data(seen: &Seen<'_>, list: &mut Vec<Unknown>) {
    let survey = seen.reading.survey;
    if !seen.question.own_events_only {
        coverage(seen, list);
    }
    if survey.data == 0 {
        say(
            list,
            "objects, functions and tables that were read or written",
            if seen.question.own_events_only {
                "CloudTrail's history has management events only"
            } else {
                "no data event is in the data: trails record them only where they are switched on"
            },
        );
    }
    if survey.masked > 0 {
        let masked = usize::try_from(survey.masked).unwrap_or(usize::MAX);
        say(
            list,
            "what the keys did that are masked",
            format!(
                "{} a key with asterisks in place of its letters",
                count(masked, "event has", "events have")
            ),
        );
    }
    let lost: u64 = seen
        .reading
        .tally
        .iter()
        .filter(|(flaw, ..)| !flaw.is_read() && *flaw != Flaw::NotAnEvent)
        .map(|(_, n, _)| n)
        .sum();
    if lost > 0 {
        let lost = usize::try_from(lost).unwrap_or(usize::MAX);
        say(
            list,
            "what stands where the data is broken",
            format!("{} could not be read: see `unread`", count(lost, "piece", "pieces")),
        );
    }
}

/// Which Regions and which times the data is of, where everybody's events were to be in it.
fn coverage(seen: &Seen<'_>, list: &mut Vec<Unknown>) {
    let survey = seen.reading.survey;
    if survey.global == 0 {
        say(
            list,
            "credentials that were made",
            "no event of IAM, STS or the sign-in service is in the data: those of global services are recorded in us-east-1 only",
        );
    }
    if let Some((region, _)) = survey.regions.first_key_value()
        && survey.regions.len() == 1
    {
        let region = shown(region);
        say(list, "what happened in other Regions", format!("every event is of {region}"));
    } else if !survey.regions.contains_key("us-east-1") && !survey.regions.is_empty() {
        say(
            list,
            "changes to IAM",
            "no event is of us-east-1, where those of global services are recorded",
        );
    }
    if let Some((from, hours)) = survey.gap().filter(|(_, hours)| *hours >= GAP) {
        let hours = usize::try_from(hours).unwrap_or(usize::MAX);
        say(
            list,
            format!("what happened in the {} from {from}", count(hours, "hour", "hours")),
            "no event at all is in the data for that time",
        );
    }
    if let Some((_, to)) = survey.window
        && seen.question.at > to
    {
        say(list, format!("what happened after {to}"), "the data ends there");
    }
}

/// What is open about the credentials that were asked for.
fn start(seen: &Seen<'_>, list: &mut Vec<Unknown>) {
    let from = seen.reading.survey.window.map(|(from, _)| from);
    for actor in &seen.lineage.starts {
        let Some(birth) = seen.lineage.credentials.get(actor) else { continue };
        let id = super::lineage::name(actor);
        let unused = !seen.sums.uses.contains_key(actor);
        if let Actor::Key(_) = actor
            && unused
            && birth.event_id.is_none()
        {
            let why = if seen.sums.before > 0 {
                "it made no event after `since`"
            } else {
                "no event of it is in the data, in the letters that were given"
            };
            say(list, format!("what {id} did"), why);
        }
        match (actor, birth.event_id.is_some(), from) {
            (Actor::Key(_), false, Some(from)) if is_temporary(birth.kind) => say(
                list,
                format!("which credential {id} was made with"),
                format!("the event that issued it is not in the data, which begins at {from}"),
            ),
            (Actor::Key(_), false, Some(from))
                if seen.question.since.is_none_or(|since| since < from) =>
            {
                say(
                    list,
                    format!("what {id} did before {from}"),
                    "the data begins there, and does not hold the event that made the key",
                );
            }
            _ => {}
        }
    }
    for user in &seen.question.users {
        if !seen.lineage.accounts.contains_key(&user.as_str().to_ascii_lowercase()) {
            say(
                list,
                format!("what user {user} did"),
                "no event of a user of that name is in the data",
            );
        }
    }
}

/// Whether it is the key of a session, which another credential has made.
const fn is_temporary(kind: CredentialKind) -> bool {
    matches!(kind, CredentialKind::Session | CredentialKind::ConsoleSession)
}

/// What is open about what was made.
fn credentials(seen: &Seen<'_>, list: &mut Vec<Unknown>) {
    for (name, times) in &seen.sums.silent {
        let times = usize::try_from(*times).unwrap_or(usize::MAX);
        say(
            list,
            format!("which credentials {} issued", shown(name)),
            format!(
                "{} without the ID of the key",
                count(times, "response is recorded", "responses are recorded")
            ),
        );
    }
    let any =
        |kind: CredentialKind| seen.credentials.iter().any(|credential| credential.kind == kind);
    if any(CredentialKind::ServiceCredential) {
        say(
            list,
            "what the service-specific credentials did",
            "no event names the credential that it was made with",
        );
    }
    if any(CredentialKind::LoginProfile) || any(CredentialKind::ConsoleSession) {
        say(
            list,
            "whether a session of the console still renews itself",
            "its keys are issued anew without an event that names the one before",
        );
    }
    let unclear = seen.credentials.iter().filter(|credential| credential.live.is_none());
    for credential in unclear.take(20) {
        let why = match credential.expires_at {
            Some(time) => format!(
                "the event that issued it is not in the data; it ends at {time} at the latest"
            ),
            None => "nothing in the data says when it was issued".to_owned(),
        };
        say(list, format!("when {} expires", shown(&credential.id)), why);
    }
    if seen.sums.uses.values().any(|used| used.kind == "Root") {
        say(list, "how to contain root", "a deny in a policy of the account does not bind it");
    }
    if seen.targets.iter().any(|target| target.account_id.is_none()) {
        say(list, "the account of some targets", "no event says it");
    }
}

/// Where something was too much to keep.
fn limits(seen: &Seen<'_>, list: &mut Vec<Unknown>) {
    if seen.lineage.overflow {
        say(
            list,
            "credentials beyond the first, and what they did",
            format!("more than {LINKS} were made; --since names the exposure"),
        );
    }
    if seen.sums.overfull {
        say(
            list,
            "what else was left behind",
            format!("more than {ROWS} things were made or changed"),
        );
    }
    if seen.sums.unnamed {
        say(
            list,
            "some of the resources",
            format!("more than {ROWS} were touched; what comes then is counted without its name"),
        );
    }
    if seen.sums.uses.values().any(|used| used.overflow) {
        say(
            list,
            "some of the sources",
            format!("a credential was used from more than {SOURCES} addresses or programs"),
        );
    }
    if seen.more_suspects > 0 || seen.seen_too_many {
        say(
            list,
            "other keys that were used from the lineage's addresses",
            format!(
                "there are {} more than are listed; --since names the exposure",
                seen.more_suspects
            ),
        );
    }
}
