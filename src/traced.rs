//! What a trace asks to be contained: its users and roles, and what is compromised of them. Pure.
//!
//! Every name in a trace is the attacker's to choose (D2.14): what is no session's name by its form is passed over,
//! and whose a credential is that nothing says is left open and told.

use crate::error::{Error, Result};
use crate::identity::{AccessKeyId, AccountId, Arn, PrincipalKind, SessionName, Who};
use crate::plan::{LeftOpen, TraceSource, sha256};
use crate::resource::Resource;
use crate::text::shown;
use crate::trace::{Credential, CredentialKind, Start, Trace};

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
    /// Which; `None` for a session that is known to have ended.
    pub resource: Option<Resource>,
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
    /// The incident that it belongs to.
    pub incident: Option<String>,
    /// The time of exposure that it was told.
    pub since: Option<jiff::Timestamp>,
}

impl Traced {
    /// Reads a trace's file. `name` is what the file is called in an error.
    ///
    /// # Errors
    /// If the bytes are no trace, or name nobody.
    pub fn parse(bytes: &[u8], name: &str) -> Result<Self> {
        let trace = Trace::parse(bytes, name)?;
        let mut traced = Self {
            source: TraceSource {
                start: start(&trace.start),
                sha256: sha256(bytes),
                left_open: Vec::new(),
            },
            targets: Vec::new(),
            found: Vec::new(),
            incident: trace.incident.clone(),
            since: trace.start.since,
        };
        for target in &trace.targets {
            // Both were looked at when the file was read.
            let Ok(name) = target.name.parse() else { continue };
            let account = target.account_id.as_ref().and_then(|id| id.parse().ok());
            traced.add(Wanted { who: Who::of(target.kind.into(), name), account });
        }
        for credential in &trace.credentials {
            traced.credential(credential, &trace.credentials);
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
        let of = self.found.iter().filter(|found| found.owner.who.same(who));
        let mut all: Vec<Resource> = of.filter_map(|found| found.resource.clone()).collect();
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

    fn add(&mut self, wanted: Wanted) {
        let known = |one: &Wanted| one.who.same(&wanted.who) && one.account == wanted.account;
        if !self.targets.iter().any(known) {
            self.targets.push(wanted);
        }
    }

    fn credential(&mut self, credential: &Credential, all: &[Credential]) {
        let live = credential.live != Some(false);
        let Some(owner) = owner(credential, all) else {
            if live {
                self.source.left_open.push(LeftOpen {
                    what: format!("credential {}", shown(&credential.id)),
                    why: match credential.kind {
                        CredentialKind::RootSession => {
                            "it is root's, which no policy contains".to_owned()
                        }
                        _ => "the trace does not say which user or role it is of".to_owned(),
                    },
                });
            }
            return;
        };
        let resource = resource(credential);
        let role = owner.who.kind() == PrincipalKind::Role;
        let session = credential.session_name.as_deref().and_then(|name| name.parse().ok());
        // A long-term key belongs to its user, also where the trace has not made a target of that one.
        if live && matches!(resource, Resource::AccessKey(_)) {
            self.add(owner.clone());
        }
        // A session that has ended can do nothing; a key that is off can be turned on again.
        let ended = !live && matches!(resource, Resource::Session(_));
        self.found.push(Found {
            owner,
            resource: (!ended).then_some(resource),
            session: session.filter(|_| role),
        });
    }
}

/// What a trace began with, in a line.
fn start(start: &Start) -> String {
    let users = start.users.iter().map(|user| format!("user {user}"));
    let all: Vec<String> = start.access_keys.iter().cloned().chain(users).collect();
    shown(&all.join(", ")).into_owned()
}

/// Whose a credential is: a federated session is its parent's, whose key has minted it (F3).
fn owner(credential: &Credential, all: &[Credential]) -> Option<Wanted> {
    let mut one = credential;
    // A chain cannot be longer than there are credentials: one that is leads in a circle.
    for _ in 0..=all.len() {
        if let Some(wanted) = principal(one) {
            return Some(wanted);
        }
        // Root and whoever else is neither: its parent is somebody else.
        if one.kind != CredentialKind::FederationToken && one.principal.is_some() {
            return None;
        }
        let parent = one.parent.as_deref()?;
        one = all.iter().find(|other| other.id == parent)?;
    }
    None
}

/// The user or role that a credential acts as (F28).
fn principal(credential: &Credential) -> Option<Wanted> {
    let text = credential.principal.as_deref()?;
    let said = credential.account_id.as_deref().and_then(|id| id.parse().ok());
    if let Some(name) = text.strip_prefix("user/") {
        return Some(Wanted { who: Who::User(name.parse().ok()?), account: said });
    }
    let arn: Arn = text.parse().ok()?;
    let (kind, rest) = arn.resource().split_once('/')?;
    let last = rest.rsplit('/').next()?;
    let who = match (arn.service(), kind) {
        ("iam", "user") => Who::User(last.parse().ok()?),
        ("iam", "role") => Who::Role(last.parse().ok()?),
        ("sts", "assumed-role") => Who::Role(rest.split('/').next()?.parse().ok()?),
        _ => return None,
    };
    Some(Wanted { who, account: arn.account().parse().ok().or(said) })
}

fn resource(credential: &Credential) -> Resource {
    let id = credential.id.as_str();
    let long_term = id.parse::<AccessKeyId>().ok().filter(|key| !key.is_temporary());
    match (credential.kind, long_term) {
        (CredentialKind::AccessKey, Some(key)) => Resource::AccessKey(key),
        (CredentialKind::LoginProfile, _) => Resource::LoginProfile,
        (CredentialKind::ServiceCredential, _) => Resource::ServiceCredential(id.to_owned()),
        _ => Resource::Session(id.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const ACCOUNT: &str = "123456789012";

    fn credential(id: &str, kind: &str, parent: Option<&str>, principal: Option<&str>) -> Value {
        json!({
            "id": id, "kind": kind, "parent": parent, "via": null, "issued_at": null,
            "expires_at": null, "expiry": "unknown", "principal": principal,
            "account_id": ACCOUNT, "session_name": null, "event_id": null, "uses": null,
            "uses_succeeded": null, "first_used": null, "last_used": null, "source_ips": [], "sources": [],
            "user_agents": [], "ended_at": null, "live": null,
        })
    }

    fn trace(targets: &Value, credentials: &[Value]) -> Vec<u8> {
        let trace = json!({
            "format_version": 1, "ringfence_version": "0.1.0",
            "start": {
                "access_keys": ["AKIA3EXAMPLE4LEAKED1"], "users": ["deploy-bot"],
                "account_id": null, "since": null, "at": "2026-11-21T03:00:00Z",
            },
            "events_read": 9, "events_unique": 9, "events_of_lineage": 4, "window": null,
            "files_read": 1, "unread": [], "credentials": credentials, "activity": [],
            "persistence": [], "suspects": [], "unknown": [], "targets": targets,
        });
        trace.to_string().into_bytes()
    }

    fn targets() -> Value {
        json!([
            {"type": "user", "name": "deploy-bot", "account_id": ACCOUNT, "why": "x"},
            {"type": "role", "name": "ci-deploy", "account_id": ACCOUNT, "why": "x"},
            {"type": "role", "name": "far", "account_id": "210987654321", "why": "x"},
        ])
    }

    #[test]
    fn targets_and_what_is_compromised_of_them_are_read() {
        let leaked = Some("AKIA3EXAMPLE4LEAKED1");
        let role = "arn:aws:sts::123456789012:assumed-role/ci-deploy/mallory";
        let mut session = credential("ASIA3EXAMPLEROLESES1", "role_session", leaked, Some(role));
        session["session_name"] = json!("mallory");
        let mut ended = credential("ASIA3EXAMPLEROLESES2", "role_session", leaked, Some(role));
        ended["live"] = json!(false);
        let root = Some("arn:aws:iam::123456789012:root");
        let federated = Some("arn:aws:sts::123456789012:federated-user/x");
        let user = Some("arn:aws:iam::123456789012:user/ci/deploy-bot");
        let credentials = [
            credential("AKIA3EXAMPLE4LEAKED1", "access_key", None, user),
            credential("ASIA3EXAMPLEFEDERAT1", "federation_token", leaked, federated),
            session,
            ended,
            credential("AKIA3EXAMPLEBACKDOR1", "access_key", leaked, Some("user/backdoor")),
            credential(
                "login_profile/123456789012/backdoor",
                "login_profile",
                leaked,
                Some("user/backdoor"),
            ),
            credential("ASIA3EXAMPLEROOTSES1", "root_session", leaked, root),
            credential("ASIA3EXAMPLECIRCLE01", "session", Some("ASIA3EXAMPLECIRCLE01"), None),
        ];
        let traced = Traced::parse(&trace(&targets(), &credentials), "t").unwrap();
        let traced = traced.within(&ACCOUNT.parse().unwrap());
        assert_eq!(traced.source.start, "AKIA3EXAMPLE4LEAKED1, user deploy-bot");
        let who: Vec<String> = traced.targets.iter().map(|one| one.who.to_string()).collect();
        assert_eq!(who, ["user `deploy-bot`", "role `ci-deploy`", "user `backdoor`"]);
        let of =
            |who: Who| -> Vec<String> { traced.of(&who).iter().map(ToString::to_string).collect() };
        let role = || Who::Role("ci-deploy".parse().unwrap());
        assert_eq!(of(role()), ["session/ASIA3EXAMPLEROLESES1"]);
        assert_eq!(traced.sessions(&role()), ["mallory".parse().unwrap()]);
        assert_eq!(
            of(Who::User("Deploy-Bot".parse().unwrap())),
            ["access_key/AKIA3EXAMPLE4LEAKED1", "session/ASIA3EXAMPLEFEDERAT1"]
        );
        assert_eq!(
            of(Who::User("backdoor".parse().unwrap())),
            ["access_key/AKIA3EXAMPLEBACKDOR1", "login_profile"]
        );
        let open: Vec<String> = traced
            .source
            .left_open
            .iter()
            .map(|open| format!("{}: {}", open.what, open.why))
            .collect();
        assert_eq!(
            open,
            [
                "credential ASIA3EXAMPLEROOTSES1: it is root's, which no policy contains",
                "credential ASIA3EXAMPLECIRCLE01: the trace does not say which user or role it is of",
                "role `far`: it is in account 210987654321, the caller is in 123456789012",
            ]
        );
    }

    #[test]
    fn what_is_no_trace_or_names_nobody_is_refused() {
        for bad in [&b""[..], b"[]", b"{}", b"not json"] {
            assert!(Traced::parse(bad, "t").is_err());
        }
        let nobody = Traced::parse(&trace(&json!([]), &[]), "t").unwrap_err();
        assert_eq!(nobody.message(), "`t` names nobody to contain");
        let odd = json!([{"type": "role", "name": "../x", "account_id": null, "why": "x"}]);
        assert!(Traced::parse(&trace(&odd, &[]), "t").is_err());
    }
}
