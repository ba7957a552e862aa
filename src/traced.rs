//! What a trace asks to be contained: the few fields of its JSON that a plan is made from. Pure.
//!
//! A trace is somebody's file about what an attacker did: every name in it is the attacker's to choose (D2.14), so
//! that what is no user, role, key or session by its form is left open and said, and never passed on.

use crate::error::{Error, Result};
use crate::identity::{AccessKeyId, AccountId, Arn, PrincipalKind, SessionName, UserName, Who};
use crate::plan::{LeftOpen, TraceSource, plain, sha256};
use crate::resource::Resource;
use crate::text::shown;
use serde::Deserialize;

/// The file, as far as it matters here.
#[derive(Deserialize)]
struct File {
    start: serde_json::Value,
    targets: Vec<Target>,
    credentials: Vec<Credential>,
}

#[derive(Deserialize)]
struct Target {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    account_id: Option<String>,
    why: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Credential {
    id: Option<String>,
    kind: String,
    parent: Option<String>,
    principal: Option<String>,
    session_name: Option<String>,
}

/// A user or role that a trace names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Who it is.
    pub who: Who,
    /// Its account; `None` where the trace does not say.
    pub account: Option<AccountId>,
}

/// A credential that a trace has found, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Whose.
    pub owner: Wanted,
    /// Which.
    pub resource: Resource,
    /// The name of the role's session, if it is one.
    pub session: Option<SessionName>,
}

/// What a trace asks to be contained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traced {
    /// Where it comes from, and what in it can be no target.
    pub source: TraceSource,
    /// The users and roles, each once.
    pub targets: Vec<Wanted>,
    /// What is compromised of them.
    pub found: Vec<Found>,
}

impl Traced {
    /// Reads a trace's JSON. `name` is what the file is called in an error.
    ///
    /// # Errors
    /// If the bytes are no trace.
    pub fn parse(bytes: &[u8], name: &str) -> Result<Self> {
        let file: File = serde_json::from_slice(bytes).map_err(|error| {
            Error::failed(format!("`{name}` is no trace"))
                .because(format!("line {}: {}", error.line(), plain(&error)))
                .hint("ringfence trace … --format json > trace.json makes one")
        })?;
        let mut traced = Self {
            source: TraceSource {
                start: words(&file.start),
                sha256: sha256(bytes),
                left_open: Vec::new(),
            },
            targets: Vec::new(),
            found: Vec::new(),
        };
        for target in &file.targets {
            traced.target(target);
        }
        for credential in &file.credentials {
            traced.credential(credential, &file.credentials);
        }
        if traced.targets.is_empty() && traced.source.left_open.is_empty() {
            return Err(Error::failed(format!("`{name}` names nobody to contain"))
                .because("it has no user and no role among its `targets`")
                .hint("name the user or role: ringfence plan --user NAME, or --role NAME"));
        }
        Ok(traced)
    }

    /// Keeps what is of one account, and leaves the rest open.
    #[must_use]
    pub fn within(mut self, account: &AccountId) -> Self {
        let own = |wanted: &Wanted| wanted.account.as_ref().is_none_or(|of| of == account);
        for wanted in self.targets.iter().filter(|wanted| !own(wanted)) {
            let of = wanted.account.as_ref().map(ToString::to_string).unwrap_or_default();
            self.source.left_open.push(LeftOpen {
                what: wanted.who.to_string(),
                why: format!("it is in account {of}, the caller is in {account}"),
            });
        }
        self.targets.retain(own);
        self.found.retain(|found| own(&found.owner));
        self
    }

    /// Leaves a target open that cannot be contained from here.
    pub fn leave(&mut self, who: &Who, why: &str) {
        self.source.left_open.push(LeftOpen { what: who.to_string(), why: why.to_owned() });
        self.targets.retain(|wanted| !wanted.who.same(who));
        self.found.retain(|found| !found.owner.who.same(who));
    }

    /// What is compromised of one principal.
    #[must_use]
    pub fn of(&self, who: &Who) -> Vec<Resource> {
        let mut all: Vec<Resource> = self
            .found
            .iter()
            .filter(|found| found.owner.who.same(who))
            .map(|found| found.resource.clone())
            .collect();
        all.sort();
        all.dedup();
        all
    }

    /// The names of a role's sessions that the trace has seen.
    #[must_use]
    pub fn sessions(&self, who: &Who) -> Vec<SessionName> {
        let of = self.found.iter().filter(|found| found.owner.who.same(who));
        let mut names: Vec<SessionName> = of.filter_map(|found| found.session.clone()).collect();
        names.sort();
        names.dedup();
        names
    }

    fn target(&mut self, target: &Target) {
        let what = || format!("{} `{}`", shown(&target.kind), shown(&target.name));
        let open = |why: &str| LeftOpen { what: what(), why: why.to_owned() };
        let kind = PrincipalKind::ALL.into_iter().find(|kind| kind.word() == target.kind);
        let name = target.name.parse::<UserName>();
        let account = target.account_id.as_ref().map(|id| id.parse::<AccountId>()).transpose();
        match (kind, name, account) {
            (Some(kind), Ok(name), Ok(account)) => {
                self.add(Wanted { who: Who::of(kind, name), account });
            }
            (None, _, _) => {
                let why = target.why.as_ref().map(words).unwrap_or_default();
                let because = if why.is_empty() { String::new() } else { format!(" ({why})") };
                self.source.left_open.push(open(&format!("it is no user and no role{because}")));
            }
            (_, Err(malformed), _) => {
                self.source.left_open.push(open(&format!("its name is none: {malformed}")));
            }
            (_, _, Err(malformed)) => {
                self.source.left_open.push(open(&format!("its account is none: {malformed}")));
            }
        }
    }

    fn add(&mut self, wanted: Wanted) {
        let known = |one: &Wanted| one.who.same(&wanted.who) && one.account == wanted.account;
        if !self.targets.iter().any(known) {
            self.targets.push(wanted);
        }
    }

    fn credential(&mut self, credential: &Credential, all: &[Credential]) {
        let Some(owner) = owner(credential, all) else { return };
        let Some(resource) = resource(credential) else { return };
        let role = owner.who.kind() == PrincipalKind::Role;
        let session = credential.session_name.as_deref().and_then(|name| name.parse().ok());
        // A long-term key belongs to its user, also where the trace has not made a target of that one.
        if matches!(resource, Resource::AccessKey(_)) {
            self.add(owner.clone());
        }
        self.found.push(Found { owner, resource, session: session.filter(|_| role) });
    }
}

/// Text of the trace in a line.
fn words(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => shown(text).into_owned(),
        other => shown(&other.to_string()).into_owned(),
    }
}

/// Whose a credential is: a federated session is its parent's, whose key has minted it (F3).
fn owner(credential: &Credential, all: &[Credential]) -> Option<Wanted> {
    let mut one = credential;
    // A chain cannot be longer than there are credentials: one that is leads in a circle.
    for _ in 0..=all.len() {
        if let Some(wanted) = one.principal.as_deref().and_then(principal) {
            return Some(wanted);
        }
        let parent = one.parent.as_deref()?;
        one = all.iter().find(|other| other.id.as_deref() == Some(parent))?;
    }
    None
}

/// The user or role of an ARN (F28).
fn principal(text: &str) -> Option<Wanted> {
    let arn: Arn = text.parse().ok()?;
    let (kind, rest) = arn.resource().split_once('/')?;
    let last = rest.rsplit('/').next()?;
    let who = match (arn.service(), kind) {
        ("iam", "user") => Who::User(last.parse().ok()?),
        ("iam", "role") => Who::Role(last.parse().ok()?),
        ("sts", "assumed-role") => Who::Role(rest.split('/').next()?.parse().ok()?),
        _ => return None,
    };
    Some(Wanted { who, account: arn.account().parse().ok() })
}

fn resource(credential: &Credential) -> Option<Resource> {
    if credential.kind.contains("login") || credential.kind.contains("password") {
        return Some(Resource::LoginProfile);
    }
    let id = credential.id.as_deref().filter(|id| !id.is_empty() && id.len() <= 128)?;
    if id.chars().any(char::is_control) {
        return None;
    }
    let key = id.parse::<AccessKeyId>().ok();
    Some(match credential.kind.as_str() {
        kind if kind.contains("service") => Resource::ServiceCredential(id.to_owned()),
        kind if kind.contains("ssh") => Resource::SshKey(id.to_owned()),
        kind if kind.contains("certificate") => Resource::SigningCertificate(id.to_owned()),
        kind => match key {
            // The prefix tells a long-term key, whatever the kind is called.
            Some(key) if key.as_str().starts_with("AKIA") || kind == "access_key" => {
                match key.is_temporary() {
                    true => Resource::Session(id.to_owned()),
                    false => Resource::AccessKey(key),
                }
            }
            _ => Resource::Session(id.to_owned()),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = r#"{
      "format_version": 1, "start": "AKIA3EXAMPLE4LEAKED1", "events_read": 9,
      "targets": [
        {"type": "user", "name": "deploy-bot", "account_id": "123456789012", "why": "owns the key"},
        {"type": "role", "name": "ci-deploy", "account_id": "123456789012", "why": "assumed"},
        {"type": "role", "name": "far", "account_id": "210987654321", "why": "assumed"},
        {"type": "identity_provider", "name": "x", "account_id": "123456789012", "why": "made"},
        {"type": "role", "name": "../x\n", "account_id": "123456789012", "why": "made"}
      ],
      "credentials": [
        {"id": "AKIA3EXAMPLE4LEAKED1", "kind": "access_key", "parent": null, "live": true,
         "principal": "arn:aws:iam::123456789012:user/ci/deploy-bot"},
        {"id": "ASIA3EXAMPLEFEDERAT1", "kind": "federation_token", "parent": "AKIA3EXAMPLE4LEAKED1",
         "principal": "arn:aws:sts::123456789012:federated-user/x"},
        {"id": "ASIA3EXAMPLEROLESES1", "kind": "role_session", "parent": "AKIA3EXAMPLE4LEAKED1",
         "principal": "arn:aws:sts::123456789012:assumed-role/ci-deploy/mallory", "session_name": "mallory"},
        {"id": "AKIA3EXAMPLEBACKDOR1", "kind": "access_key", "parent": "ASIA3EXAMPLEROLESES1",
         "principal": "arn:aws:iam::123456789012:user/backdoor"},
        {"id": "ASIA3EXAMPLECIRCLE01", "kind": "x", "parent": "ASIA3EXAMPLECIRCLE01"}
      ]}"#;

    fn user(name: &str) -> Who {
        Who::User(name.parse().unwrap())
    }

    #[test]
    fn targets_and_what_is_compromised_of_them_are_read() {
        let traced = Traced::parse(TRACE.as_bytes(), "t").unwrap();
        let traced = traced.within(&"123456789012".parse().unwrap());
        let who: Vec<String> = traced.targets.iter().map(|one| one.who.to_string()).collect();
        assert_eq!(who, ["user `deploy-bot`", "role `ci-deploy`", "user `backdoor`"]);
        let role = Who::Role("ci-deploy".parse().unwrap());
        assert_eq!(traced.of(&role), [Resource::Session("ASIA3EXAMPLEROLESES1".to_owned())]);
        assert_eq!(traced.sessions(&role)[0].as_str(), "mallory");
        let of: Vec<String> =
            traced.of(&user("deploy-bot")).iter().map(ToString::to_string).collect();
        assert_eq!(of, ["access_key/AKIA3EXAMPLE4LEAKED1", "session/ASIA3EXAMPLEFEDERAT1"]);
        let open: Vec<String> = traced
            .source
            .left_open
            .iter()
            .map(|open| format!("{}: {}", open.what, open.why))
            .collect();
        assert_eq!(
            open,
            [
                "identity_provider `x`: it is no user and no role (made)",
                "role `../x\\u{a}`: its name is none: expected a name of 1 to 128 letters, digits or any of _+=,.@-",
                "role `far`: it is in account 210987654321, the caller is in 123456789012",
            ]
        );
    }

    #[test]
    fn what_is_no_trace_is_refused() {
        for bad in ["", "[]", "{}", r#"{"start":"x","targets":[],"credentials":[]}"#] {
            assert!(Traced::parse(bad.as_bytes(), "t").is_err(), "{bad}");
        }
    }
}
