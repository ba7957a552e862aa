//! The trace as it is written and printed: `trace --out FILE`, `trace --format json`.

use crate::error::Error;
use crate::identity::PrincipalKind;
use crate::text::shown;
use crate::trail::{Example, Flaw};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The version of the format.
pub const FORMAT_VERSION: u32 = 1;

/// What became of leaked credentials, as far as the events that were read can show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Trace {
    /// The version of this format.
    pub format_version: u32,
    /// The program that wrote it.
    pub ringfence_version: String,
    /// The incident that it belongs to, where one was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
    /// What was asked for.
    pub start: Start,
    /// The events that were read, duplicates too.
    pub events_read: u64,
    /// The events, each once: told apart by their ID and their content.
    pub events_unique: u64,
    /// The events of the lineage, each once; those before `since` by a leaked key are not among them.
    pub events_of_lineage: u64,
    /// The first and the last event that was read; `null` where none has a time.
    pub window: Option<Window>,
    /// The files or objects that were read.
    pub files_read: u64,
    /// What could not be read, or not all of it.
    pub unread: Vec<Unread>,
    /// The credentials: those asked for first, then those made with them, in the order of time.
    pub credentials: Vec<Credential>,
    /// What the credentials did.
    pub activity: Vec<Activity>,
    /// What they made or changed that stays, in the order of time.
    pub persistence: Vec<Persistence>,
    /// Credentials that nothing proves to be of the lineage, and that somebody should look at.
    pub suspects: Vec<Suspect>,
    /// What the data cannot show.
    pub unknown: Vec<Unknown>,
    /// Users and roles to contain.
    pub targets: Vec<Target>,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Start {
    /// The leaked access keys that were named.
    pub access_keys: Vec<String>,
    /// The users that were named: all of their keys are taken for leaked.
    pub users: Vec<String>,
    /// The account that the users were looked for in; `null` where any would do.
    pub account_id: Option<String>,
    /// When the leak was used first, where that was said.
    pub since: Option<Timestamp>,
    /// The moment that `live` is about.
    pub at: Timestamp,
    /// Where delivered events were read from, as it was named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<String>,
    /// Whether CloudTrail's history was asked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lookup: bool,
    /// The Regions that it was asked in, where they were named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<String>,
}

/// A stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Window {
    /// The first event.
    pub from: Timestamp,
    /// The last event.
    pub to: Timestamp,
}

/// Something that could not be read, or not all of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Unread {
    /// Why.
    pub kind: Flaw,
    /// How often.
    pub count: u64,
    /// The first of them.
    pub first: Example,
}

/// What kind of credential it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum CredentialKind {
    /// A long-term access key.
    AccessKey,
    /// Of GetSessionToken.
    SessionToken,
    /// Of GetFederationToken.
    FederationToken,
    /// Of AssumeRole and its variants.
    RoleSession,
    /// Of AssumeRoot.
    RootSession,
    /// Temporary credentials of another kind, or of one that the data does not show.
    Session,
    /// A password, made or changed.
    LoginProfile,
    /// A sign-in to the console, and the keys that the console acts with.
    ConsoleSession,
    /// A credential for one service: CodeCommit, Keyspaces, Bedrock.
    ServiceCredential,
}

/// Where the time that a credential expires is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Expiry {
    /// The response says it.
    Recorded,
    /// The request asks for so many seconds.
    Requested,
    /// The request asks for nothing, so it is the API's default (F1).
    Default,
    /// The event that issued it is not in the data: the longest that such a session can last (F1).
    AtMost,
    /// It does not expire.
    Never,
    /// Nothing says it.
    Unknown,
}

/// A credential of the lineage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Credential {
    /// The access key's ID; `login_profile/ACCOUNT/USER` for a password, `console/PRINCIPAL` for a sign-in.
    pub id: String,
    /// What kind it is.
    pub kind: CredentialKind,
    /// The credential that it was made with; `null` for those that were asked for.
    pub parent: Option<String>,
    /// The call that made it; `null` where that is not in the data.
    pub via: Option<String>,
    /// When it was issued, by the call or by what its own events say.
    pub issued_at: Option<Timestamp>,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
    /// Where that is known from.
    pub expiry: Expiry,
    /// Whom it acts as: an ARN, or `user/NAME` where no event has the ARN.
    pub principal: Option<String>,
    /// The principal's account.
    pub account_id: Option<String>,
    /// The role session's name, or the federated user's.
    pub session_name: Option<String>,
    /// The event that made it.
    pub event_id: Option<String>,
    /// How many events it made; `null` where events do not say that they are its own.
    pub uses: Option<u64>,
    /// How many of them succeeded.
    pub uses_succeeded: Option<u64>,
    /// Its first event.
    pub first_used: Option<Timestamp>,
    /// Its last event.
    pub last_used: Option<Timestamp>,
    /// The addresses that it was used from, the most frequent first.
    pub source_ips: Vec<String>,
    /// The same with how often and when.
    pub sources: Vec<Source>,
    /// With what it was used, the most frequent first.
    pub user_agents: Vec<Source>,
    /// When it was seen to be switched off or deleted.
    pub ended_at: Option<Timestamp>,
    /// Whether it can still act at `start.at`; `null` where the data does not say.
    pub live: Option<bool>,
}

/// A source that a credential was used from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Source {
    /// The address, the service that called, or the user agent.
    pub name: String,
    /// How often.
    pub uses: u64,
    /// First.
    pub first: Option<Timestamp>,
    /// Last.
    pub last: Option<Timestamp>,
}

/// What was done to one resource, or without one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Activity {
    /// The service, such as `s3`.
    pub service: String,
    /// The call, such as `GetObject`.
    pub action: String,
    /// What it was about; `null` where its parameters name nothing, or too many were named to keep them all.
    pub resource: Option<String>,
    /// How often.
    pub count: u64,
    /// How often it was refused or failed.
    pub denied: u64,
    /// First.
    pub first: Option<Timestamp>,
    /// Last.
    pub last: Option<Timestamp>,
}

/// Something that was made or changed and stays when the credentials are gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Persistence {
    /// What kind of thing.
    pub kind: String,
    /// Its name; two that belong together are joined by a slash.
    pub name: String,
    /// The account that it is in.
    pub account_id: Option<String>,
    /// The credential that did it.
    pub by: String,
    /// The call.
    pub action: String,
    /// The event.
    pub event_id: String,
    /// When.
    pub time: Option<Timestamp>,
    /// When it was undone, by whomever.
    pub closed_at: Option<Timestamp>,
    /// Whether it still stands at the end of the data.
    pub live: bool,
    /// The technique, where the call has one.
    pub technique: Option<Technique>,
}

/// A technique of MITRE ATT&CK.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Technique {
    /// Such as `T1136.003`.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// A credential that somebody should look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Suspect {
    /// Its ID.
    pub id: String,
    /// Why.
    pub why: String,
}

/// Something that the data cannot show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Unknown {
    /// What is not known.
    pub what: String,
    /// Why.
    pub why: String,
}

/// What kind of principal can be contained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum TargetKind {
    /// An IAM user.
    User,
    /// An IAM role.
    Role,
}

impl From<TargetKind> for PrincipalKind {
    fn from(kind: TargetKind) -> Self {
        match kind {
            TargetKind::User => Self::User,
            TargetKind::Role => Self::Role,
        }
    }
}

/// A principal to contain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Target {
    /// What it is.
    #[serde(rename = "type")]
    pub kind: TargetKind,
    /// Its name.
    pub name: String,
    /// Its account; `null` where no event says.
    pub account_id: Option<String>,
    /// Why.
    pub why: String,
}

impl Trace {
    /// The file's bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        // Serialising to memory fails only for maps with keys that are no text; there are none here.
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// Reads a file that [`Self::bytes`] made. What it does not know it refuses: targets of a plan come from here.
    ///
    /// # Errors
    /// If it is of another format or a newer version, or says something that no trace says.
    pub fn parse(bytes: &[u8], name: &str) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Version {
            format_version: u32,
        }
        let refuse = |why: String| {
            Error::failed(format!("`{}` is no trace", shown(name)))
                .because(why)
                .hint("ringfence trace --access-key ID --logs PATH --out FILE writes one")
        };
        let version: Version =
            serde_json::from_slice(bytes).map_err(|error| refuse(plain(&error)))?;
        if version.format_version > FORMAT_VERSION {
            return Err(Error::failed(format!("`{}` is of a newer ringfence", shown(name)))
                .because(format!(
                    "its format is {}, and this one knows {FORMAT_VERSION}",
                    version.format_version
                ))
                .hint("read it with the version that wrote it, or a later one"));
        }
        let trace: Self = serde_json::from_slice(bytes).map_err(|error| refuse(plain(&error)))?;
        trace.check().map_err(|why| refuse(why.to_owned()))?;
        Ok(trace)
    }

    /// What holds of every trace.
    fn check(&self) -> Result<(), &'static str> {
        let ids: BTreeSet<_> =
            self.credentials.iter().map(|credential| credential.id.as_str()).collect();
        if self.format_version != FORMAT_VERSION {
            return Err("there is no such version of the format");
        }
        if ids.len() != self.credentials.len() {
            return Err("a credential stands in it twice");
        }
        let parents = self.credentials.iter().filter_map(|credential| credential.parent.as_deref());
        if !parents
            .chain(self.persistence.iter().map(|made| made.by.as_str()))
            .all(|id| ids.contains(id))
        {
            return Err("it names a credential that it does not hold");
        }
        if self.incident.as_deref().is_some_and(|id| !crate::incident::is_id(id)) {
            return Err("its incident is none");
        }
        if self.window.is_some_and(|window| window.to < window.from) {
            return Err("its window ends before it begins");
        }
        for target in &self.targets {
            let account = target.account_id.as_deref();
            if account.is_some_and(|id| id.parse::<crate::identity::AccountId>().is_err()) {
                return Err("a target's account is none");
            }
            if target.name.parse::<crate::identity::UserName>().is_err() {
                return Err("a target's name is none");
            }
        }
        Ok(())
    }

    /// The accounts that it is about, as far as its events say.
    #[must_use]
    pub fn accounts(&self) -> BTreeSet<&str> {
        let targets = self.targets.iter().filter_map(|one| one.account_id.as_deref());
        let credentials = self.credentials.iter().filter_map(|one| one.account_id.as_deref());
        self.start.account_id.as_deref().into_iter().chain(targets).chain(credentials).collect()
    }

    /// The credentials that can act, or may.
    pub fn acting(&self) -> impl Iterator<Item = &Credential> {
        self.credentials.iter().filter(|credential| credential.live != Some(false))
    }
}

/// An error of the JSON reader in one line.
fn plain(error: &serde_json::Error) -> String {
    shown(&error.to_string()).into_owned()
}
