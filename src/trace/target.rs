//! Whom to contain: the principals that the credentials of the lineage act as, or that were made by them.

use super::fold::Sums;
use super::lineage::Lineage;
use super::link::Actor;
use super::report::{Credential, CredentialKind, Target, TargetKind};
use crate::identity::UserName;
use crate::text::count;
use std::collections::BTreeMap;

/// Why one is a target; in this order of weight.
#[derive(Clone, Debug, Default)]
struct Reasons {
    leaked: usize,
    credentials: usize,
    sessions: usize,
    made: bool,
}

type Key = (TargetKind, String, Option<String>);

/// The targets, users first, and the names that no target can have.
pub(super) fn targets(
    lineage: &Lineage,
    sums: &Sums,
    credentials: &[Credential],
) -> (Vec<Target>, Vec<String>) {
    let mut found: BTreeMap<Key, Reasons> = BTreeMap::new();
    for (actor, birth) in &lineage.credentials {
        let id = super::lineage::name(actor);
        let Some(credential) = credentials.iter().find(|credential| credential.id == id) else {
            continue;
        };
        let whose = |actor: &Actor, credential| {
            let used = sums.uses.get(actor);
            principal(credential, used.map(|used| (&*used.issuer_arn, &*used.kind)))
        };
        // A federated user is none of IAM's: it ends with the user that has made its token (F3).
        let makers = || {
            let maker = birth
                .parent
                .as_ref()
                .filter(|_| credential.kind == CredentialKind::FederationToken)?;
            let id = super::lineage::name(maker);
            whose(maker, credentials.iter().find(|credential| credential.id == id)?)
        };
        let Some(key) = whose(actor, credential).or_else(makers) else { continue };
        let reasons = found.entry(key).or_default();
        if lineage.starts.contains(actor) && !matches!(actor, Actor::Console(_)) {
            reasons.leaked += 1;
        } else if matches!(
            birth.kind,
            CredentialKind::RoleSession
                | CredentialKind::SessionToken
                | CredentialKind::FederationToken
                | CredentialKind::RootSession
                | CredentialKind::Session
                | CredentialKind::ConsoleSession
        ) {
            reasons.sessions += 1;
        } else {
            reasons.credentials += 1;
        }
    }
    for made in sums.persistence.iter().filter(|made| made.live) {
        let kind = match made.kind.as_str() {
            "user" => TargetKind::User,
            "role" => TargetKind::Role,
            _ => continue,
        };
        found.entry((kind, made.name.clone(), made.account_id.clone())).or_default().made = true;
    }
    for ((user, account), times) in &sums.made_for {
        let account = Some(account.clone()).filter(|account| !account.is_empty());
        found.entry((TargetKind::User, user.clone(), account)).or_default().credentials += times;
    }
    // What is no name is none of IAM's, and nothing that could be called by it.
    let is_name = |((_, name, _), _): &(Key, Reasons)| name.parse::<UserName>().is_ok();
    let (named, misnamed): (Vec<_>, Vec<_>) = same_names(found).into_iter().partition(is_name);
    let targets = named
        .into_iter()
        .map(|((kind, name, account), reasons)| {
            let account_id = account.filter(|id| id.parse::<crate::identity::AccountId>().is_ok());
            Target { kind, name, account_id, why: reasons.words(kind) }
        })
        .collect();
    let kind = |kind| if kind == TargetKind::User { "user" } else { "role" };
    let misnamed = misnamed.into_iter().map(|((of, name, _), _)| format!("{} {name}", kind(of)));
    (targets, misnamed.collect())
}

/// Names that differ in letter case alone are of one principal (F34).
fn same_names(found: BTreeMap<Key, Reasons>) -> Vec<(Key, Reasons)> {
    let mut list: Vec<(Key, Reasons)> = Vec::new();
    for ((kind, name, account), reasons) in found {
        let same = |(known, _): &&mut (Key, Reasons)| {
            known.0 == kind && known.1.eq_ignore_ascii_case(&name) && known.2 == account
        };
        match list.iter_mut().find(same) {
            Some((_, known)) => known.add(&reasons),
            None => list.push(((kind, name, account), reasons)),
        }
    }
    list
}

impl Reasons {
    fn add(&mut self, other: &Self) {
        self.leaked += other.leaked;
        self.credentials += other.credentials;
        self.sessions += other.sessions;
        self.made |= other.made;
    }

    fn words(&self, kind: TargetKind) -> String {
        let mut parts = Vec::new();
        if self.leaked > 0 {
            parts.push(count(self.leaked, "leaked credential", "leaked credentials"));
        }
        if self.made {
            parts.push("made by the lineage".to_owned());
        }
        if self.credentials > 0 {
            parts.push(count(
                self.credentials,
                "credential made by the lineage",
                "credentials made by the lineage",
            ));
        }
        if self.sessions > 0 {
            let verb = if kind == TargetKind::Role { "assumed: " } else { "" };
            parts.push(format!("{verb}{}", count(self.sessions, "session", "sessions")));
        }
        parts.join(", ")
    }
}

/// The principal that a credential acts as; none for root.
fn principal(credential: &Credential, used: Option<(&str, &str)>) -> Option<Key> {
    let arn = credential.principal.as_deref()?;
    let account = |arn: &str| {
        let own = arn.split(':').nth(4).filter(|account| !account.is_empty()).map(str::to_owned);
        own.or_else(|| credential.account_id.clone())
    };
    if let Some((issuer, "AssumedRole")) = used
        && issuer.contains(":role/")
    {
        return Some((TargetKind::Role, last(issuer), account(issuer)));
    }
    if let Some((issuer, "FederatedUser")) = used
        && issuer.contains(":user/")
    {
        return Some((TargetKind::User, last(issuer), account(issuer)));
    }
    if let Some(user) = arn.strip_prefix("user/") {
        return Some((TargetKind::User, user.to_owned(), credential.account_id.clone()));
    }
    let resource = arn.splitn(6, ':').nth(5)?;
    match resource.split_once('/')? {
        ("user", _) => Some((TargetKind::User, last(arn), account(arn))),
        ("assumed-role", rest) => {
            Some((TargetKind::Role, rest.split('/').next()?.to_owned(), account(arn)))
        }
        _ => None,
    }
}

fn last(arn: &str) -> String {
    arn.rsplit('/').next().unwrap_or_default().to_owned()
}
