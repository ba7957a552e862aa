//! Which credentials are of the lineage: the leaked ones, and whatever was made with one that is (F13).

use super::deed::Deed;
use super::found::Parameters;
use super::link::{Actor, ends, is_long_term, may_end};
use super::report::{CredentialKind, Expiry};
use super::{Kept, Question, Which};
use crate::error::Error;
use crate::trail::{Event, one, when};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// The longest that a session of a user lasts (F1).
const LONGEST: SignedDuration = SignedDuration::from_secs(129_600);

/// As many links are followed at most: who makes more is a machine, and `since` tells its sessions apart.
pub(super) const LINKS: usize = 30_000;

/// How a credential came to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Birth {
    pub(super) parent: Option<Actor>,
    pub(super) via: Option<String>,
    pub(super) kind: CredentialKind,
    pub(super) time: Option<Timestamp>,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) expiry: Expiry,
    pub(super) event_id: Option<String>,
    pub(super) principal: Option<String>,
    pub(super) account: Option<String>,
    pub(super) session_name: Option<String>,
}

/// A link that an event makes, and what the event says of the child.
struct Link {
    parent: Actor,
    child: Actor,
    birth: Birth,
}

/// The lineage, and what ended its credentials.
#[derive(Debug, Default)]
pub(super) struct Lineage {
    pub(super) credentials: BTreeMap<Actor, Birth>,
    /// The credentials that were asked for, the users' keys too.
    pub(super) starts: Vec<Actor>,
    /// When a credential was last switched off or on until the moment that is asked about, and whether it acts since.
    pub(super) switched: BTreeMap<Actor, (Option<Timestamp>, bool)>,
    /// Credentials that were switched off or on at any time: the data shows that they are there.
    pub(super) shown: BTreeSet<Actor>,
    /// Keys that made one that was asked for.
    pub(super) makers: BTreeMap<String, (String, String)>,
    /// The accounts of each user that was asked for.
    pub(super) accounts: BTreeMap<String, BTreeSet<String>>,
    /// Whether there were more links than are followed.
    pub(super) overflow: bool,
}

impl Lineage {
    /// Decides it.
    pub(super) fn of(question: &Question, kept: &dyn Kept) -> Result<Self, Error> {
        let mut lineage = Self::default();
        let mut links: BTreeMap<(Actor, Actor), Link> = BTreeMap::new();
        // Whose accounts the users are of, any deed says.
        let which = if question.users.is_empty() { Which::Telling } else { Which::All };
        kept.deeds(which, &mut |deed| {
            if may_end(&deed.name)
                && let Some(event) = one(deed.raw.as_bytes())
            {
                lineage.note_end(question, &event);
            }
            lineage.note_user(question, deed);
            for (parent, child) in &deed.makes {
                let pair = (parent.clone(), child.clone());
                if links.len() >= LINKS && !links.contains_key(&pair) {
                    lineage.overflow = true;
                    continue;
                }
                // The first event of a pair is the one that made it: deeds come in the order of time.
                links.entry(pair).or_insert_with(|| Link::of(parent, child, deed));
            }
        })?;
        lineage.begin(question, &links);
        lineage.close(question, links);
        Ok(lineage)
    }

    fn note_end(&mut self, question: &Question, event: &Event<'_>) {
        if let Some((actor, acts)) = ends(event, &Parameters::of(event)) {
            self.shown.insert(actor.clone());
            if event.time().is_none_or(|time| time <= question.at) {
                self.switched.insert(actor, (event.time(), acts));
            }
        }
    }

    fn note_user(&mut self, question: &Question, deed: &Deed<'_>) {
        let asked = |user: &&crate::identity::UserName| user.same_user(&deed.user_name);
        if let Some(user) = question.users.iter().find(asked)
            && question.account.as_ref().is_none_or(|id| id.as_str() == deed.account)
        {
            let name = user.as_str().to_ascii_lowercase();
            self.accounts.entry(name).or_default().insert(deed.account.to_string());
        }
    }

    /// What the trace starts with: the keys that were named, and those of the users that were.
    fn begin(&mut self, question: &Question, links: &BTreeMap<(Actor, Actor), Link>) {
        for key in &question.keys {
            self.start(Actor::Key(key.as_str().to_owned()));
        }
        let made = links.keys().filter(|(maker, _)| matches!(maker, Actor::Key(_)));
        let minted: BTreeSet<&Actor> = made.map(|(_, child)| child).collect();
        for ((parent, child), link) in links {
            match (parent, child) {
                // What one of the user's keys has made has a parent that says more.
                (Actor::User(_), Actor::Key(id))
                    if !(id.starts_with("ASIA") && minted.contains(child)) =>
                {
                    self.start(child.clone());
                }
                (Actor::Key(maker), child)
                    if question.keys.iter().any(|key| is(child, key.as_str())) =>
                {
                    let via = link.birth.via.clone().unwrap_or_default();
                    self.makers.insert(maker.clone(), (name(child), via));
                }
                _ => {}
            }
        }
        // How a credential came to be that was asked for is known, whoever made it.
        for link in links.values() {
            if self.starts.contains(&link.child) {
                self.learn(link);
            }
        }
        for (user, accounts) in &self.accounts.clone() {
            for account in accounts {
                self.start(Actor::Console(super::link::console_of_user(account, user)));
            }
        }
    }

    fn start(&mut self, actor: Actor) {
        if self.credentials.contains_key(&actor) {
            return;
        }
        let kind = match &actor {
            Actor::Console(_) => CredentialKind::LoginProfile,
            Actor::Key(id) if id.starts_with("ASIA") => CredentialKind::Session,
            _ => CredentialKind::AccessKey,
        };
        let long = kind != CredentialKind::Session;
        let birth = Birth {
            parent: None,
            via: None,
            kind,
            time: None,
            expires_at: None,
            expiry: if long { Expiry::Never } else { Expiry::Unknown },
            event_id: None,
            principal: None,
            account: None,
            session_name: None,
        };
        self.credentials.insert(actor.clone(), birth);
        self.starts.push(actor);
    }

    /// Follows the links until there is nothing new. The earliest link to a credential is its parent.
    fn close(&mut self, question: &Question, links: BTreeMap<(Actor, Actor), Link>) {
        let mut waiting: Vec<Link> = links.into_values().collect();
        let order = |link: &Link| {
            (link.birth.time, link.birth.event_id.clone(), link.parent.clone(), link.child.clone())
        };
        waiting.sort_by_cached_key(order);
        loop {
            let before = waiting.len();
            waiting.retain(|link| !self.follow(question, link));
            if waiting.len() == before {
                return;
            }
        }
    }

    /// Takes a link's child in, if its parent is. Whether the link is done with.
    fn follow(&mut self, question: &Question, link: &Link) -> bool {
        let Some(parent) = self.credentials.get(&link.parent) else { return false };
        let is_start = self.starts.contains(&link.parent);
        if self.starts.contains(&link.child) {
            return true;
        }
        if self.credentials.contains_key(&link.child) {
            return true;
        }
        // What the owner made before the exposure is the owner's.
        let early = question.since.is_some_and(|since| link.birth.time.is_some_and(|t| t < since));
        if is_start && early {
            return true;
        }
        // A session of the console that began before the console was opened is somebody else's.
        let opened = parent.time.filter(|_| matches!(link.parent, Actor::Console(_)));
        if opened.is_some_and(|opened| link.birth.time.is_some_and(|time| time < opened)) {
            return true;
        }
        self.credentials.insert(link.child.clone(), link.birth.clone());
        true
    }

    fn learn(&mut self, link: &Link) {
        if let Some(birth) = self.credentials.get_mut(&link.child)
            && birth.event_id.is_none()
            && link.birth.via.is_some()
            && !matches!(link.parent, Actor::User(_))
        {
            let mut known = link.birth.clone();
            known.parent = None;
            *birth = known;
        }
    }

    /// Whether a deed counts: by a credential of the lineage, and not the owner's from before the exposure.
    pub(super) fn counts(&self, question: &Question, deed: &Deed<'_>) -> Option<Actor> {
        let actor = deed.by()?;
        if !self.credentials.contains_key(&actor) {
            return None;
        }
        let before = question.since.is_some_and(|since| deed.time.is_some_and(|time| time < since));
        (!(before && self.starts.contains(&actor))).then_some(actor)
    }
}

fn is(actor: &Actor, key: &str) -> bool {
    matches!(actor, Actor::Key(id) if id == key)
}

/// A credential's ID in the report.
pub(super) fn name(actor: &Actor) -> String {
    match actor {
        Actor::Key(id) => id.clone(),
        Actor::Console(principal) => match principal.split_once("/user/") {
            Some((account, user)) => format!("login_profile/{account}/{user}"),
            None => format!("console/{principal}"),
        },
        Actor::User(user) => format!("user/{user}"),
        Actor::Keyless(caller) => caller.clone(),
    }
}

impl Link {
    fn of(parent: &Actor, child: &Actor, deed: &Deed<'_>) -> Self {
        let event = one(deed.raw.as_bytes()).unwrap_or_default();
        let parameters = Parameters::of(&event);
        let birth = match (parent, child) {
            (Actor::Console(_), Actor::Key(id))
                if parameters_name(&parameters).is_none() && !is_long_term(id) =>
            {
                console_key(parent, deed)
            }
            (_, Actor::Console(_)) => opening(parent, deed),
            _ => minting(parent, child, deed, &event, &parameters),
        };
        Self { parent: parent.clone(), child: child.clone(), birth }
    }
}

/// The key in a response.
fn parameters_name(parameters: &Parameters<'_>) -> Option<String> {
    parameters.one(&["<credentials.accessKeyId", "<accessKey.accessKeyId"])
}

/// A key that the console acts with: its own events say when its session began.
fn console_key(parent: &Actor, deed: &Deed<'_>) -> Birth {
    Birth {
        parent: Some(parent.clone()),
        via: Some("console".to_owned()),
        kind: CredentialKind::ConsoleSession,
        time: when(&deed.issued).or(deed.time),
        // A session of the console lasts as long as the role's, or twelve hours; F11 renews itself.
        expires_at: when(&deed.issued).and_then(|issued| issued.checked_add(LONGEST).ok()),
        expiry: if when(&deed.issued).is_some() { Expiry::AtMost } else { Expiry::Unknown },
        event_id: None,
        principal: some(&deed.arn),
        account: some(&deed.account),
        session_name: None,
    }
}

/// A console that was opened: by signing in with a key, or by a password that was set.
fn opening(parent: &Actor, deed: &Deed<'_>) -> Birth {
    let password = deed.service == "iam";
    Birth {
        parent: Some(parent.clone()),
        via: some(&deed.name),
        kind: if password { CredentialKind::LoginProfile } else { CredentialKind::ConsoleSession },
        time: deed.time,
        expires_at: None,
        expiry: if password { Expiry::Never } else { Expiry::Unknown },
        event_id: some(&deed.id),
        principal: if password {
            deed.resources.first().map(|user| format!("user/{user}"))
        } else {
            some(&deed.arn)
        },
        account: some(&deed.account),
        session_name: None,
    }
}

fn minting(
    parent: &Actor,
    child: &Actor,
    deed: &Deed<'_>,
    event: &Event<'_>,
    parameters: &Parameters<'_>,
) -> Birth {
    let kind = kind_of(deed, child);
    let (expires_at, expiry) = expires(kind, deed, parameters);
    let principal = match kind {
        CredentialKind::AccessKey if deed.name == "CreateAccessKey" => owner(deed, parameters),
        CredentialKind::AccessKey => None,
        CredentialKind::SessionToken => some(&deed.arn),
        _ => parameters.one(&["<assumedRoleUser.arn", "<federatedUser.arn"]),
    };
    let session_name = match kind {
        CredentialKind::RoleSession => parameters.one(&["roleSessionName"]).or_else(|| {
            principal.as_deref().and_then(|arn| arn.rsplit('/').next()).map(str::to_owned)
        }),
        CredentialKind::FederationToken => parameters.one(&["name"]),
        _ => None,
    };
    let account = principal
        .as_deref()
        .and_then(|arn| arn.split(':').nth(4))
        .filter(|account| !account.is_empty())
        .map(str::to_owned)
        .or_else(|| some(&super::thing::account(event)));
    Birth {
        parent: Some(parent.clone()),
        via: some(&deed.name),
        kind,
        time: deed.time,
        expires_at,
        expiry,
        event_id: some(&deed.id),
        principal,
        account,
        session_name,
    }
}

fn kind_of(deed: &Deed<'_>, child: &Actor) -> CredentialKind {
    match &*deed.name {
        "CreateAccessKey" => CredentialKind::AccessKey,
        // An example in place of a session's key makes no session of a key that does not expire.
        _ if matches!(child, Actor::Key(id) if is_long_term(id)) => CredentialKind::AccessKey,
        "GetSessionToken" => CredentialKind::SessionToken,
        "GetFederationToken" => CredentialKind::FederationToken,
        "AssumeRoot" => CredentialKind::RootSession,
        "CreateServiceSpecificCredential" | "ResetServiceSpecificCredential" => {
            CredentialKind::ServiceCredential
        }
        name if name.starts_with("AssumeRole") => CredentialKind::RoleSession,
        _ if deed.service == "signin" => CredentialKind::ConsoleSession,
        _ if matches!(child, Actor::Console(_)) => CredentialKind::LoginProfile,
        _ => CredentialKind::Session,
    }
}

/// The user that an access key was made for.
fn owner(deed: &Deed<'_>, parameters: &Parameters<'_>) -> Option<String> {
    let user = parameters.one(&["userName", "<accessKey.userName", "@user"])?;
    // A path is in no event but the user's own.
    if deed.user_name.eq_ignore_ascii_case(&user) {
        some(&deed.arn)
    } else {
        Some(format!("user/{user}"))
    }
}

/// When a new credential expires (F1).
fn expires(
    kind: CredentialKind,
    deed: &Deed<'_>,
    parameters: &Parameters<'_>,
) -> (Option<Timestamp>, Expiry) {
    let default = match kind {
        CredentialKind::AccessKey | CredentialKind::LoginProfile => return (None, Expiry::Never),
        CredentialKind::ServiceCredential => {
            let time = parameters.one(&["<serviceSpecificCredential.expirationDate"]);
            return match time.as_deref().and_then(when) {
                Some(time) => (Some(time), Expiry::Recorded),
                None => (None, Expiry::Never),
            };
        }
        CredentialKind::SessionToken | CredentialKind::FederationToken if deed.kind != "Root" => {
            43_200
        }
        CredentialKind::RootSession => 900,
        CredentialKind::Session | CredentialKind::ConsoleSession => 0,
        _ => 3_600,
    };
    let recorded =
        parameters.one(&["<credentials.expiration", "<credentialSet.*.credentials.expiration"]);
    if let Some(time) = recorded.as_deref().and_then(when) {
        return (Some(time), Expiry::Recorded);
    }
    let after = |seconds: i64| {
        deed.time.and_then(|time| time.checked_add(SignedDuration::from_secs(seconds)).ok())
    };
    let asked = parameters.one(&["durationSeconds"]).and_then(|text| text.parse::<i64>().ok());
    match asked {
        Some(seconds) if (0..=129_600).contains(&seconds) => (after(seconds), Expiry::Requested),
        _ if default > 0 => (after(default), Expiry::Default),
        _ => (None, Expiry::Unknown),
    }
}

/// The longest that a session can last of which only its own events are known.
pub(super) fn at_most(issued: Timestamp) -> Option<Timestamp> {
    issued.checked_add(LONGEST).ok()
}

pub(super) fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
