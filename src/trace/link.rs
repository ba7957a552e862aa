//! Which credential an event is of, and which it makes another out of (F13). Here nothing is known of the others
//! yet: what is decided is only what an event is worth keeping for.

use super::Question;
use super::found::{Parameters, user_name};
use super::thing::{self, account, is_telling};
use crate::trail::{Event, Identity, node};
use memchr::memmem::Finder;
use std::sync::LazyLock;

/// Something that acts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Actor {
    /// Whoever signs with this key, or holds this credential.
    Key(String),
    /// A user's or a session's principal in the console, which signs in before it has a key.
    Console(String),
    /// A user that was asked for, with whatever key.
    User(String),
    /// A caller without a key: a service, or somebody whom an identity provider vouches for.
    Keyless(String),
}

impl Actor {
    /// Its number, for what is kept of millions.
    #[must_use]
    pub fn node(&self) -> u64 {
        match self {
            Self::Key(id) => node("key", id),
            Self::Console(principal) => node("console", principal),
            Self::User(name) => node("user", name),
            Self::Keyless(name) => node("keyless", name),
        }
    }
}

/// What one event links.
#[derive(Clone, Debug, Default)]
pub struct Links {
    /// Whose event it is.
    pub by: Vec<u64>,
    /// What it is about, where another's event on it must not be missed: a key set to Inactive, a user deleted.
    pub about: Vec<u64>,
    /// What it makes of what.
    pub makes: Vec<(u64, u64)>,
}

impl Links {
    /// Reads them from an event, in place of those of the one before: of millions, each has some.
    pub fn read(&mut self, event: &Event<'_>, question: &Question) {
        self.by.clear();
        self.about.clear();
        self.makes.clear();
        let key = event.access_key();
        if !key.is_empty() {
            self.by.push(node("key", key));
        } else if event.service() == "signin" {
            let principal = event.identity.as_ref().and_then(console);
            self.by.extend(principal.map(|principal| Actor::Console(principal).node()));
        }
        self.by.extend(asked_for(event, question).map(|user| Actor::User(user).node()));
        for (parent, child) in user_keys(event, question).into_iter().chain(opened(event)) {
            self.makes.push((parent.node(), child.node()));
        }
        if event.is_denied()
            || !(is_telling(event) || event.response.is_some_and(issues) || switches(event))
        {
            return;
        }
        let parameters = Parameters::of(event);
        for (parent, child) in minted(event, &parameters) {
            self.about.push(child.node());
            self.makes.push((parent.node(), child.node()));
        }
        for (does, thing) in thing::things(event, &parameters) {
            let node = node("thing", &thing.key());
            match does {
                thing::Does::Makes(_) => self.makes.extend(self.by.iter().map(|by| (*by, node))),
                thing::Does::Unmakes => self.about.push(node),
            }
        }
        self.about.extend(ends(event, &parameters).map(|(actor, _)| actor.node()));
    }
}

/// What a response has that issues a credential.
static ISSUED: LazyLock<[Finder<'static>; 2]> =
    LazyLock::new(|| [Finder::new("accessKeyId"), Finder::new("SpecificCredential")]);

/// Whether a response may issue a credential.
fn issues(response: &str) -> bool {
    ISSUED.iter().any(|issued| issued.find(response.as_bytes()).is_some())
}

/// The user that was asked for, if this event is of it.
pub(super) fn asked_for(event: &Event<'_>, question: &Question) -> Option<String> {
    if question.users.is_empty() {
        return None;
    }
    let name = user_name(event)?;
    let asked = question.users.iter().find(|user| user.same_user(name))?;
    let identity = event.identity.as_ref()?;
    let elsewhere = question.account.as_ref().is_some_and(|id| id.as_str() != identity.account);
    (!elsewhere).then(|| asked.as_str().to_ascii_lowercase())
}

/// A user that was asked for, and the key that it signs with.
pub(super) fn user_keys(event: &Event<'_>, question: &Question) -> Vec<(Actor, Actor)> {
    let key = event.access_key();
    match asked_for(event, question) {
        Some(name) if !key.is_empty() => vec![(Actor::User(name), Actor::Key(key.to_owned()))],
        _ => Vec::new(),
    }
}

/// Whether this event was made in the console. Older records say so in the user agent only.
pub(super) fn in_console(event: &Event<'_>) -> bool {
    event.is_from_console()
        || (event.access_key().starts_with("ASIA")
            && (event.user_agent.starts_with("console.")
                || event.user_agent == "signin.amazonaws.com"))
}

/// Whether this is the ID of a long-term access key.
pub(super) fn is_long_term(id: &str) -> bool {
    id.starts_with("AKIA")
}

/// What signing in opens: a console for whoever has the key, and keys for the console.
pub(super) fn opened(event: &Event<'_>) -> Vec<(Actor, Actor)> {
    let key = event.access_key();
    let signs_in = event.service() == "signin" && !event.is_denied();
    if event.name == "SwitchRole" {
        return switched(event);
    }
    // Consoles act with temporary keys (F11): whatever a record says, a long-term key is none of theirs.
    let acts = || in_console(event) && !is_long_term(key);
    if key.is_empty() || !(signs_in || acts()) {
        return Vec::new();
    }
    let Some(principal) = event.identity.as_ref().and_then(console) else { return Vec::new() };
    let (key, console) = (Actor::Key(key.to_owned()), Actor::Console(principal));
    vec![if signs_in { (key, console) } else { (console, key) }]
}

/// A console that goes on as a role.
fn switched(event: &Event<'_>) -> Vec<(Actor, Actor)> {
    if event.is_denied() {
        return Vec::new();
    }
    #[derive(serde::Deserialize)]
    struct Additional {
        #[serde(rename = "SwitchFrom")]
        from: String,
    }
    let additional = event.additional.and_then(|raw| serde_json::from_str::<Additional>(raw).ok());
    let from = additional.and_then(|additional| of_arn(&additional.from));
    let to = event.identity.as_ref().and_then(console);
    from.zip(to).map(|(from, to)| (Actor::Console(from), Actor::Console(to))).into_iter().collect()
}

/// The console of a principal: an IAM user by its account and name, a session by its ID.
pub(super) fn console(identity: &Identity<'_>) -> Option<String> {
    match &*identity.kind {
        "IAMUser" if !identity.user_name.is_empty() => {
            Some(console_of_user(&identity.account, &identity.user_name))
        }
        "IAMUser" | "Root" => of_arn(&identity.arn),
        _ if !identity.principal_id.is_empty() => Some(identity.principal_id.to_string()),
        _ => None,
    }
}

/// What a caller without a key is called.
fn keyless<'e>(identity: &'e Identity<'_>) -> &'e str {
    let names = [&identity.invoked_by, &identity.arn, &identity.principal_id, &identity.kind];
    names.into_iter().find(|name| !name.is_empty()).map_or("", |name| name)
}

/// The console of an IAM user.
pub(super) fn console_of_user(account: &str, name: &str) -> String {
    format!("{account}/user/{}", name.to_ascii_lowercase())
}

fn of_arn(arn: &str) -> Option<String> {
    let mut parts = arn.splitn(6, ':');
    let account = parts.nth(4)?;
    let resource = parts.next()?;
    let name = resource.rsplit('/').next()?;
    match resource.split('/').next()? {
        "user" => Some(console_of_user(account, name)),
        "root" => Some(format!("{account}/root")),
        _ => None,
    }
}

/// Whether a call of STS that succeeded begins a session, which its record may not name.
pub(super) fn begins_session(event: &Event<'_>) -> bool {
    let mints = event.name.starts_with("AssumeRo")
        || event.name.starts_with("Get") && event.name.ends_with("Token");
    mints && event.service() == "sts" && !event.is_denied()
}

/// Whether a call may switch a credential off or on.
fn switches(event: &Event<'_>) -> bool {
    event.service() == "iam" && matches!(&*event.name, "UpdateServiceSpecificCredential")
}

/// Whether [`ends`] may tell something of a call of this name.
pub(super) fn may_end(name: &str) -> bool {
    ["AccessKey", "ServiceSpecificCredential", "LoginProfile"].iter().any(|kind| {
        let verb = name.strip_suffix(kind);
        verb.is_some_and(|verb| matches!(verb, "Update" | "Delete"))
    })
}

/// The credential that a call switches off or on, and whether it acts from then on.
pub(super) fn ends(event: &Event<'_>, parameters: &Parameters<'_>) -> Option<(Actor, bool)> {
    if event.is_denied() || event.service() != "iam" || !may_end(&event.name) {
        return None;
    }
    // Of a call whose status is lost, nothing is known.
    let active = || parameters.one(&["status"]).map(|status| status == "Active");
    let key = |path: &str| parameters.one(&[path]).map(Actor::Key);
    match &*event.name {
        "UpdateAccessKey" => key("accessKeyId").zip(active()),
        "DeleteAccessKey" => key("accessKeyId").map(|key| (key, false)),
        "UpdateServiceSpecificCredential" => key("serviceSpecificCredentialId").zip(active()),
        "DeleteServiceSpecificCredential" => {
            key("serviceSpecificCredentialId").map(|key| (key, false))
        }
        "DeleteLoginProfile" => {
            let user = parameters.one(&["userName", "@user"])?;
            Some((Actor::Console(console_of_user(&account(event), &user)), false))
        }
        _ => None,
    }
}

/// What a call that succeeded makes: out of which credential, and which (F13).
pub(super) fn minted(event: &Event<'_>, parameters: &Parameters<'_>) -> Vec<(Actor, Actor)> {
    let own = event.access_key();
    let identity = event.identity.as_ref();
    let parent = if !own.is_empty() {
        Some(Actor::Key(own.to_owned()))
    } else if event.service() == "signin" || event.service() == "iam" {
        identity.and_then(console).map(Actor::Console)
    } else {
        identity.map(|who| Actor::Keyless(keyless(who).to_owned()))
    };
    let Some(parent) = parent else { return Vec::new() };
    let child = if event.service() == "iam" {
        match &*event.name {
            "CreateAccessKey" => parameters.one(&["<accessKey.accessKeyId"]).map(Actor::Key),
            "CreateServiceSpecificCredential" | "ResetServiceSpecificCredential" => parameters
                .one(&["<serviceSpecificCredential.serviceSpecificCredentialId"])
                .map(Actor::Key),
            "CreateLoginProfile" | "UpdateLoginProfile" | "ChangePassword" => {
                let account = account(event);
                let user = parameters.one(&["userName", "<loginProfile.userName", "@user"]);
                user.map(|user| Actor::Console(console_of_user(&account, &user)))
            }
            _ => None,
        }
    } else {
        parameters
            .one(&["<credentials.accessKeyId", "<credentialSet.*.credentials.accessKeyId"])
            .map(Actor::Key)
    };
    // An example of AWS's own has a key that mints itself.
    child.filter(|child| *child != parent).map(|child| (parent, child)).into_iter().collect()
}
