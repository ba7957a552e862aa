//! Goes through the deeds of the lineage in the order of time and adds up what they come to.

use super::deed::Deed;
use super::found::Parameters;
use super::lineage::{Birth, Lineage, at_most, name, some};
use super::link::{Actor, begins_session};
use super::report::{
    Activity, Credential, CredentialKind, Expiry, FORMAT_VERSION, Persistence, Source, Start,
    Technique, Trace, Unread, Window,
};
use super::survey::Survey;
use super::suspect::{Hints, Sight, address, is_address, session};
use super::thing::{self, Does, things};
use super::{Kept, Question, Which, target, unknown};
use crate::error::Error;
use crate::trail::{Event, Tally, node, one, when};
use foldhash::fast::FixedState;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// As many rows of activity are kept by their resource; what comes then is counted without it.
pub(super) const ROWS: usize = 20_000;

/// As many sources of one credential are kept.
pub(super) const SOURCES: usize = 200;

/// What was read, beside the deeds.
#[derive(Clone, Debug)]
pub struct Reading<'a> {
    /// What all the events say of the data.
    pub survey: &'a Survey,
    /// What could not be read.
    pub tally: &'a Tally,
    /// The events, each once.
    pub unique: u64,
    /// The files.
    pub files: u64,
}

/// What one credential did.
#[derive(Clone, Debug, Default)]
pub(super) struct Use {
    pub(super) count: u64,
    pub(super) succeeded: u64,
    pub(super) first: Option<Timestamp>,
    pub(super) last: Option<Timestamp>,
    /// Its last event that was not refused for its age.
    acted: Option<Timestamp>,
    addresses: BTreeMap<String, Source>,
    agents: BTreeMap<String, Source>,
    pub(super) issued: Option<Timestamp>,
    pub(super) arn: String,
    pub(super) account: String,
    pub(super) kind: String,
    pub(super) issuer_arn: String,
    pub(super) user_name: String,
    pub(super) overflow: bool,
}

#[derive(Clone, Debug, Default)]
struct Row {
    of: (String, String, Option<String>),
    count: u64,
    denied: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
}

/// The sums.
#[derive(Debug, Default)]
pub(super) struct Sums {
    pub(super) uses: BTreeMap<Actor, Use>,
    /// By all that a row is of, in bytes: most deeds add to a row that is there.
    rows: HashMap<Vec<u8>, Row, FixedState>,
    pub(super) unnamed: bool,
    pub(super) overfull: bool,
    pub(super) persistence: Vec<Persistence>,
    open: HashMap<String, Vec<usize>>,
    pub(super) hints: Hints,
    /// Calls of STS that succeeded without saying what they issued, and how often.
    pub(super) silent: BTreeMap<String, u64>,
    /// Calls that made something without saying what: the call, by whom, about what, and how often.
    pub(super) nameless: BTreeMap<(String, String, String), u64>,
    /// Users that credentials were made for whose IDs are not recorded, with their accounts.
    pub(super) made_for: BTreeMap<(String, String), usize>,
    /// The credentials that were asked for and used before the exposure.
    pub(super) before: BTreeSet<Actor>,
    pub(super) deeds: u64,
}

/// Finds what became of what was asked for.
///
/// # Errors
/// If the deeds cannot be read back, or a user's name alone does not say which user is meant.
pub fn follow(question: &Question, reading: &Reading<'_>, kept: &dyn Kept) -> Result<Trace, Error> {
    let lineage = Lineage::of(question, kept)?;
    unambiguous(&lineage)?;
    let mut sums = Sums::default();
    kept.deeds(Which::All, &mut |deed| sums.take(question, &lineage, deed))?;
    sums.hints.makers.clone_from(&lineage.makers);
    let credentials = credentials(question, &lineage, &sums);
    let tags = sums.hints.addresses.keys().chain(sums.hints.begun.keys()).copied().collect();
    let mut seen = BTreeSet::new();
    let mut seen_too_many = false;
    kept.sights(&tags, &mut |sight: &Sight| {
        let actor = Actor::Key(sight.key.clone());
        seen_too_many |= seen.len() >= ROWS;
        if seen.len() < ROWS && !lineage.credentials.contains_key(&actor) {
            seen.insert(sight.clone());
        }
    })?;
    let is_lineage = |actor: &Actor| lineage.credentials.contains_key(actor);
    let (suspects, more) = sums.hints.suspects(&seen, is_lineage);
    let (targets, misnamed) = target::targets(&lineage, &sums, &credentials);
    let unknown = unknown::unknown(&unknown::Seen {
        question,
        reading,
        lineage: &lineage,
        sums: &sums,
        credentials: &credentials,
        more_suspects: more,
        seen_too_many,
        targets: &targets,
        misnamed: &misnamed,
    });
    Ok(Trace {
        format_version: FORMAT_VERSION,
        ringfence_version: question.version.clone(),
        incident: None,
        start: Start {
            access_keys: question.keys.iter().map(ToString::to_string).collect(),
            users: question.users.iter().map(ToString::to_string).collect(),
            account_id: question.account.as_ref().map(ToString::to_string),
            since: question.since,
            at: question.at,
            // Where the events come from is known to whoever has fetched them.
            logs: Vec::new(),
            lookup: false,
            regions: Vec::new(),
        },
        events_read: reading.survey.events,
        events_unique: reading.unique,
        events_of_lineage: sums.deeds,
        window: reading.survey.window.map(|(from, to)| Window { from, to }),
        files_read: reading.files,
        unread: reading
            .tally
            .iter()
            .map(|(kind, count, first)| Unread { kind, count, first: first.clone() })
            .collect(),
        credentials,
        activity: sums.activity(),
        persistence: sums.persistence,
        suspects,
        unknown,
        targets,
    })
}

/// A name may be of a user in each of several accounts.
fn unambiguous(lineage: &Lineage) -> Result<(), Error> {
    for (user, accounts) in &lineage.accounts {
        if accounts.len() > 1 {
            let list: Vec<_> = accounts.iter().map(String::as_str).collect();
            return Err(Error::failed(format!(
                "there is a user `{user}` in {} accounts",
                list.len()
            ))
            .because(format!("the events are of {}", crate::text::shown(&list.join(", "))))
            .hint("name the account: --account-id ID"));
        }
    }
    Ok(())
}

impl Sums {
    fn take(&mut self, question: &Question, lineage: &Lineage, deed: &Deed<'_>) {
        let by = lineage.counts(question, deed);
        if let Some(event) = one(deed.raw.as_bytes()) {
            let parameters = Parameters::of(&event);
            for (does, thing) in things(&event, &parameters) {
                match (does, &by) {
                    (Does::Unmakes, _) => self.close(&thing.key(), deed),
                    (Does::Makes(made), Some(by)) => self.made(made, &thing, by, deed),
                    (Does::Makes(_), None) => {}
                }
            }
            if let Some(by) = &by {
                self.nameless(&event, &parameters, deed, by);
            }
            if let Some(by) = by.as_ref().filter(|_| begins_session(&event)) {
                self.begun(&parameters, deed, by);
            }
        }
        let Some(by) = by else {
            self.before.extend(deed.by().filter(|by| lineage.starts.contains(by)));
            return;
        };
        self.deeds += 1;
        self.used(&by, deed);
        self.active(deed);
    }

    fn used(&mut self, by: &Actor, deed: &Deed<'_>) {
        if !self.uses.contains_key(by) {
            self.uses.insert(by.clone(), Use::default());
        }
        let Some(used) = self.uses.get_mut(by) else { return };
        used.count += 1;
        used.succeeded += u64::from(!deed.is_denied());
        stretch(&mut used.first, &mut used.last, deed.time);
        if !deed.error.contains("Expired") {
            used.acted = used.acted.max(deed.time);
        }
        used.overflow |= source(&mut used.addresses, &deed.source_ip, deed.time);
        used.overflow |= source(&mut used.agents, &deed.user_agent, deed.time);
        used.issued = used.issued.or_else(|| when(&deed.issued));
        for (known, said) in [
            (&mut used.arn, &deed.arn),
            (&mut used.account, &deed.account),
            (&mut used.kind, &deed.kind),
            (&mut used.issuer_arn, &deed.issuer_arn),
            (&mut used.user_name, &deed.user_name),
        ] {
            if known.is_empty() {
                known.push_str(said);
            }
        }
        if is_address(&deed.source_ip) && self.hints.addresses.len() < ROWS {
            let seen = || (deed.source_ip.to_string(), name(by));
            self.hints.addresses.entry(address(&deed.source_ip)).or_insert_with(seen);
        }
        if !deed.user_name.is_empty() {
            self.hints.owners.insert(node("owner", &deed.arn));
        }
    }

    fn active(&mut self, deed: &Deed<'_>) {
        let mut bytes = Vec::new();
        let mut before = None;
        for resource in deed.resources.iter().map(|text| &**text) {
            if before.replace(resource) != Some(resource) {
                self.add_to_row(deed, Some(resource), &mut bytes);
            }
        }
        if deed.resources.is_empty() {
            self.add_to_row(deed, None, &mut bytes);
        }
    }

    fn add_to_row(&mut self, deed: &Deed<'_>, resource: Option<&str>, bytes: &mut Vec<u8>) {
        let full = self.rows.len() >= ROWS;
        let mut resource = resource;
        row_key(deed, resource, bytes);
        if full && resource.is_some() && !self.rows.contains_key(bytes.as_slice()) {
            resource = None;
            row_key(deed, None, bytes);
            self.unnamed = true;
        }
        if !self.rows.contains_key(bytes.as_slice()) {
            let of = (deed.service.to_string(), deed.name.to_string(), resource.map(str::to_owned));
            self.rows.insert(bytes.clone(), Row { of, ..Row::default() });
        }
        let Some(row) = self.rows.get_mut(bytes.as_slice()) else { return };
        row.count += 1;
        row.denied += u64::from(deed.is_denied());
        stretch(&mut row.first, &mut row.last, deed.time);
    }

    fn made(
        &mut self,
        made: &super::thing::Made,
        thing: &super::thing::Thing,
        by: &Actor,
        deed: &Deed<'_>,
    ) {
        let (id, title) = made.technique;
        if self.persistence.len() >= ROWS {
            self.overfull = true;
            return;
        }
        self.open.entry(thing.key()).or_default().push(self.persistence.len());
        self.persistence.push(Persistence {
            kind: thing.kind.to_owned(),
            name: thing.name.clone(),
            account_id: some(&thing.account),
            by: name(by),
            action: deed.name.to_string(),
            event_id: deed.id.to_string(),
            time: deed.time,
            closed_at: None,
            live: true,
            technique: (!id.is_empty())
                .then(|| Technique { id: id.to_owned(), name: title.to_owned() }),
        });
    }

    fn close(&mut self, key: &str, deed: &Deed<'_>) {
        for place in self.open.remove(key).unwrap_or_default() {
            if let Some(made) = self.persistence.get_mut(place) {
                made.live = false;
                made.closed_at = deed.time;
            }
        }
    }

    /// What was made without the record saying what it is: nobody may take it for nothing.
    fn nameless(
        &mut self,
        event: &Event<'_>,
        parameters: &Parameters<'_>,
        deed: &Deed<'_>,
        by: &Actor,
    ) {
        for made in thing::nameless(event, parameters) {
            let about = deed.resources.first().map(ToString::to_string).unwrap_or_default();
            let key = (deed.name.to_string(), name(by), about);
            if self.nameless.len() >= ROWS && !self.nameless.contains_key(&key) {
                self.overfull = true;
                continue;
            }
            *self.nameless.entry(key).or_default() += 1;
            let for_a_user = matches!(
                made.kind,
                "access_key" | "service_credential" | "ssh_key" | "signing_certificate"
            );
            let user = parameters.one(&["userName", "<accessKey.userName"]);
            if let Some(user) = user.filter(|_| for_a_user) {
                *self.made_for.entry((user, thing::account(event))).or_default() += 1;
            }
        }
    }

    /// A session that began without the record saying with which key.
    fn begun(&mut self, parameters: &Parameters<'_>, deed: &Deed<'_>, by: &Actor) {
        if !deed.makes.is_empty() || parameters.one(&["<credentials.accessKeyId"]).is_some() {
            return;
        }
        *self.silent.entry(deed.name.to_string()).or_default() += 1;
        let role = parameters.one(&["roleArn"]);
        if let Some((role, session_name)) = role.zip(parameters.one(&["roleSessionName"])) {
            let arn = session_arn(&role, &session_name);
            if self.hints.begun.len() >= ROWS {
                return;
            }
            self.hints.begun.insert(session(&arn), (arn, name(by)));
        }
    }

    fn activity(&self) -> Vec<Activity> {
        let mut rows: Vec<&Row> = self.rows.values().collect();
        rows.sort_unstable_by_key(|row| &row.of);
        let told = |row: &Row| {
            let (service, action, resource) = row.of.clone();
            Activity {
                service,
                action,
                resource,
                count: row.count,
                denied: row.denied,
                first: row.first,
                last: row.last,
            }
        };
        rows.into_iter().map(told).collect()
    }
}

/// All that a row is of, so that no two rows come to the same bytes.
fn row_key(deed: &Deed<'_>, resource: Option<&str>, bytes: &mut Vec<u8>) {
    bytes.clear();
    for part in [&*deed.service, &*deed.name] {
        bytes.extend(part.len().to_be_bytes());
        bytes.extend(part.as_bytes());
    }
    if let Some(resource) = resource {
        bytes.push(1);
        bytes.extend(resource.as_bytes());
    }
}

/// The ARN of a role's session.
fn session_arn(role: &str, session_name: &str) -> String {
    let role_name = role.rsplit('/').next().unwrap_or_default();
    let mut parts = role.split(':');
    let (partition, account) = (parts.nth(1).unwrap_or("aws"), parts.nth(2).unwrap_or_default());
    format!("arn:{partition}:sts::{account}:assumed-role/{role_name}/{session_name}")
}

fn stretch(first: &mut Option<Timestamp>, last: &mut Option<Timestamp>, time: Option<Timestamp>) {
    if let Some(time) = time {
        *first = Some(first.map_or(time, |first| first.min(time)));
        *last = Some(last.map_or(time, |last| last.max(time)));
    }
}

/// Counts a source. Whether there are too many to keep this one.
fn source(sources: &mut BTreeMap<String, Source>, text: &str, time: Option<Timestamp>) -> bool {
    if text.is_empty() {
        return false;
    }
    if let Some(source) = sources.get_mut(text) {
        source.uses += 1;
        stretch(&mut source.first, &mut source.last, time);
        return false;
    }
    if sources.len() >= SOURCES {
        return true;
    }
    let new = Source { name: text.to_owned(), uses: 1, first: time, last: time };
    sources.insert(text.to_owned(), new);
    false
}

fn by_use(sources: &BTreeMap<String, Source>) -> Vec<Source> {
    let mut list: Vec<Source> = sources.values().cloned().collect();
    list.sort_by(|a, b| b.uses.cmp(&a.uses).then_with(|| a.name.cmp(&b.name)));
    list
}

/// The credentials for the report: those that were asked for first, then by the time that they were issued.
fn credentials(question: &Question, lineage: &Lineage, sums: &Sums) -> Vec<Credential> {
    let mut list: Vec<(bool, Credential)> = lineage
        .credentials
        .iter()
        .filter(|(actor, _)| {
            // A user that was asked for has a password only if something shows it.
            !(lineage.starts.contains(actor) && matches!(actor, Actor::Console(_)))
                || sums.uses.contains_key(actor)
                || lineage.credentials.values().any(|birth| birth.parent.as_ref() == Some(*actor))
        })
        .map(|(actor, birth)| {
            (!lineage.starts.contains(actor), credential(question, lineage, sums, actor, birth))
        })
        .collect();
    list.sort_by(|a, b| {
        let order =
            |one: &(bool, Credential)| (one.0, one.1.issued_at.filter(|_| one.0), one.1.id.clone());
        order(a).cmp(&order(b))
    });
    list.into_iter().map(|(_, credential)| credential).collect()
}

fn credential(
    question: &Question,
    lineage: &Lineage,
    sums: &Sums,
    actor: &Actor,
    birth: &Birth,
) -> Credential {
    let none = Use::default();
    let used = sums.uses.get(actor).unwrap_or(&none);
    // A session of the console that a long-term key is named in says nothing of the key.
    let issued_at = birth.time.or(used.issued.filter(|_| birth.expiry != Expiry::Never));
    let (expires_at, expiry) = expires(birth, used);
    let ended = lineage.switched.get(actor).filter(|(_, acts)| !acts);
    let live = match (expiry, expires_at) {
        _ if ended.is_some() => Some(false),
        _ if issued_at.is_some_and(|issued| issued > question.at) => Some(false),
        _ if is_unseen(lineage, sums, actor, birth) => None,
        (Expiry::Never, _) => Some(true),
        (Expiry::AtMost, Some(time)) if question.at < time => None,
        (_, time) => time.map(|time| question.at < time),
    };
    // Bearer tokens and passwords of services are in no event by their ID.
    let counted = birth.kind != CredentialKind::ServiceCredential;
    Credential {
        id: name(actor),
        kind: birth.kind,
        parent: birth.parent.as_ref().map(name),
        via: birth.via.clone(),
        issued_at,
        expires_at,
        expiry,
        principal: some(&used.arn).or_else(|| birth.principal.clone()),
        account_id: some(&used.account).or_else(|| birth.account.clone()),
        session_name: birth.session_name.clone(),
        event_id: birth.event_id.clone(),
        uses: counted.then_some(used.count),
        uses_succeeded: counted.then_some(used.succeeded),
        first_used: used.first,
        last_used: used.last,
        source_ips: by_use(&used.addresses).into_iter().map(|one| one.name).collect(),
        sources: by_use(&used.addresses),
        user_agents: by_use(&used.agents),
        ended_at: ended.and_then(|(time, _)| *time),
        live,
    }
}

/// When a credential expires, and where that is known from. What is only computed is wrong where the credential
/// has acted since.
fn expires(birth: &Birth, used: &Use) -> (Option<Timestamp>, Expiry) {
    let (time, expiry) = match (birth.expiry, used.issued) {
        (Expiry::Unknown, Some(issued)) => (at_most(issued), Expiry::AtMost),
        known => (birth.expires_at, known.0),
    };
    let computed = matches!(expiry, Expiry::Requested | Expiry::Default | Expiry::AtMost);
    let acted_since = used.acted.zip(time).is_some_and(|(acted, time)| acted > time);
    if computed && acted_since { (None, Expiry::Unknown) } else { (time, expiry) }
}

/// Whether nothing in the data shows that a credential which was asked for is there.
pub(super) fn is_unseen(lineage: &Lineage, sums: &Sums, actor: &Actor, birth: &Birth) -> bool {
    birth.parent.is_none()
        && birth.event_id.is_none()
        && lineage.starts.contains(actor)
        && !sums.uses.contains_key(actor)
        && !sums.before.contains(actor)
        && !lineage.shown.contains(actor)
}
