//! What the data cannot show, each with the reason: `none seen` would be a claim that nothing here can make (D2.12).

use super::Question;
use super::fold::{ROWS, Reading, SOURCES, Sums, is_unseen};
use super::lineage::{LINKS, Lineage};
use super::link::Actor;
use super::report::{Credential, CredentialKind, Target, Unknown};
use crate::text::{count, shown};
use crate::trail::Flaw;

/// Shorter silences are ordinary in a small account.
const GAP: i64 = 6;

/// As many of a kind are named one by one.
const NAMED: usize = 10;

/// As many letters are shown of what others have named.
const LETTERS: usize = 80;

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
    pub(super) misnamed: &'a [String],
}

/// Everything that is not known.
pub(super) fn unknown(seen: &Seen<'_>) -> Vec<Unknown> {
    let mut list = Vec::new();
    data(seen, &mut list);
    start(seen, &mut list);
    made(seen, &mut list);
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
    gaps(seen, list);
    if let Some((_, to)) = survey.window
        && seen.question.at > to
    {
        say(list, format!("what happened after {to}"), "the data ends there");
    }
}

/// The times without any event: the longest of them, in the order of time, and how many there are besides.
fn gaps(seen: &Seen<'_>, list: &mut Vec<Unknown>) {
    let mut gaps = seen.reading.survey.gaps(GAP);
    gaps.sort_by_key(|(from, hours)| (std::cmp::Reverse(*hours), *from));
    let more = gaps.split_off(gaps.len().min(NAMED));
    gaps.sort_unstable();
    let hours = |hours: i64| count(usize::try_from(hours).unwrap_or(usize::MAX), "hour", "hours");
    for (from, length) in gaps {
        say(
            list,
            format!("what happened in the {} from {from}", hours(length)),
            "no event at all is in the data for that time",
        );
    }
    if !more.is_empty() {
        let times = count(more.len(), "more time", "more times");
        let all = hours(more.iter().map(|(_, length)| length).sum());
        say(
            list,
            format!("what happened in {times} of {GAP} hours or more, {all} in all"),
            "no event at all is in the data for them",
        );
    }
}

/// What was made without the record saying what it is, and what nothing can be called by.
fn made(seen: &Seen<'_>, list: &mut Vec<Unknown>) {
    let nameless = &seen.sums.nameless;
    for ((action, by, about), times) in nameless.iter().take(NAMED) {
        let calls = count(usize::try_from(*times).unwrap_or(usize::MAX), "call", "calls");
        let about =
            if about.is_empty() { String::new() } else { format!(" about {}", brief(about)) };
        say(
            list,
            format!("what {calls} of {} by {}{about} made", brief(action), brief(by)),
            "the call succeeded, and its details are not in the data",
        );
    }
    let more: u64 = nameless.values().skip(NAMED).sum();
    if more > 0 {
        let calls = count(usize::try_from(more).unwrap_or(usize::MAX), "more call", "more calls");
        say(list, format!("what {calls} made"), "their details are not in the data");
    }
    for name in seen.misnamed.iter().take(NAMED) {
        say(list, format!("who {} is", brief(name)), "IAM has no such name, so it is no target");
    }
    let more = seen.misnamed.len().saturating_sub(NAMED);
    if more > 0 {
        let names = count(more, "more name stands", "more names stand");
        say(list, format!("for whom {names}"), "IAM has no such names, so they are no targets");
    }
}

/// What others have named, cut where it is long.
fn brief(text: &str) -> String {
    let text = shown(text);
    if text.chars().count() <= LETTERS {
        return text.into_owned();
    }
    text.chars().take(LETTERS).chain(['…']).collect()
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
            let why = if seen.sums.before.contains(actor) {
                "it made no event after `since`"
            } else {
                "no event of it is in the data, in the letters that were given"
            };
            say(list, format!("what {id} did"), why);
        }
        if is_unseen(seen.lineage, seen.sums, actor, birth)
            && birth.kind == CredentialKind::AccessKey
        {
            say(
                list,
                format!("whether {id} can act"),
                "no event shows that there is such a key, or that it is active",
            );
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
    let unclear = seen.credentials.iter().filter(|credential| {
        credential.live.is_none() && credential.kind != CredentialKind::AccessKey
    });
    for credential in unclear.take(20) {
        let why = match credential.expires_at {
            Some(time) => format!(
                "the event that issued it is not in the data; it ends at {time} at the latest"
            ),
            None if credential.issued_at.is_some() && credential.last_used.is_some() => {
                "nothing recorded says it, and what the request or its age comes to does not hold"
                    .to_owned()
            }
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
