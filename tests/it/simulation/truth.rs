//! What is so, asked of the sandbox and the ledger, and never of ringfence.

use super::ledger::{Who, value};
use super::stage::{Stage, kind_of};
use jiff::Timestamp;
use ringfence::identity::PrincipalKind;
use ringfence::resource::{Resource, fits};
use ringfence::sandbox::{ACCOUNT, Credentials, Session, SessionKind, Status};
use ringfence::state::{HeldStatus, State};
use std::collections::{BTreeMap, BTreeSet};

/// What a containment is about (D2.13): what is compromised, and what is younger than the exposure.
pub struct Meant {
    pub compromised: BTreeSet<Resource>,
    pub since: Option<Timestamp>,
    /// Of a role: the time until which every session of it is meant (F12).
    pub until: Option<Timestamp>,
}

impl Meant {
    pub fn of(state: &State) -> Self {
        let compromised = state.compromised.iter().map(|item| item.resource.clone()).collect();
        let until = state.clock.as_ref().map(|clock| clock.fence_time);
        Self { compromised, since: state.since, until }
    }

    fn covers(&self, resource: &Resource, made: Option<Timestamp>) -> bool {
        let younger = matches!((made, self.since), (Some(made), Some(since)) if made >= since);
        younger || self.compromised.contains(resource)
    }
}

impl Stage {
    /// Every meant credential of a principal that can act at this moment, sessions included.
    pub fn acting(&self, person: usize, meant: &Meant) -> BTreeSet<String> {
        let id = self.people[person].1.as_str();
        if kind_of(id) == PrincipalKind::Role {
            let until = meant.until.unwrap_or(Timestamp::MIN);
            return self.acting_in_role(id, |session| session.issued < until);
        }
        let mut found = self.acting_sessions(person, meant);
        let Some(user) = self.sandbox.edit(|world| {
            world.account(ACCOUNT).and_then(|account| account.user_of_id(id).cloned())
        }) else {
            return found;
        };
        for key in &user.keys {
            let resource = Resource::AccessKey(key.id.parse().unwrap());
            let credentials = Credentials {
                access_key_id: key.id.clone(),
                secret_access_key: key.secret.clone(),
                session_token: None,
            };
            if meant.covers(&resource, Some(key.created)) && self.sandbox.can_act(&credentials) {
                found.insert(resource.to_string());
            }
        }
        if !self.may_act(&user.name) {
            return found;
        }
        let mut add = |resource: Resource, status: Status, made: Timestamp| {
            if status == Status::Active && meant.covers(&resource, Some(made)) {
                found.insert(resource.to_string());
            }
        };
        for key in &user.ssh_keys {
            add(Resource::SshKey(key.id.clone()), key.status, key.created);
        }
        for known in &user.certificates {
            add(Resource::SigningCertificate(known.id.clone()), known.status, known.created);
        }
        for made in &user.service_credentials {
            add(Resource::ServiceCredential(made.id.clone()), made.status, made.created);
        }
        if let Some(login) = &user.login {
            add(Resource::LoginProfile, Status::Active, login.created);
        }
        found
    }

    /// Sessions that a meant key has minted, and that can act. Roles assumed before are not the user's (F3).
    fn acting_sessions(&self, person: usize, meant: &Meant) -> BTreeSet<String> {
        let id = self.people[person].1.as_str();
        let made = self.made_keys(id);
        let sessions: Vec<_> = self.sandbox.edit(|world| world.sessions().cloned().collect());
        let mut found = BTreeSet::new();
        for session in sessions {
            let of_user = match &session.kind {
                SessionKind::User { user } | SessionKind::Federated { user, .. } => user == id,
                SessionKind::Role { .. } => false,
            };
            let key = Resource::AccessKey(session.minted_with.parse().unwrap());
            if !of_user || !meant.covers(&key, made.get(&session.minted_with).copied()) {
                continue;
            }
            let credentials = Credentials {
                access_key_id: session.access_key_id.clone(),
                secret_access_key: session.secret.clone(),
                session_token: Some(session.token.clone()),
            };
            if self.sandbox.can_act(&credentials) {
                let (key, issued) = (&session.minted_with, session.issued);
                found.insert(format!("session {} of {key}, {issued}", session.access_key_id));
            }
        }
        found
    }

    /// Sessions of a role that can act, of those that are meant.
    fn acting_in_role(&self, id: &str, meant: impl Fn(&Session) -> bool) -> BTreeSet<String> {
        let sessions: Vec<_> = self.sandbox.edit(|world| world.sessions().cloned().collect());
        let of_role = |session: &&Session| matches!(&session.kind, SessionKind::Role { role, .. } if role == id);
        let mut found = BTreeSet::new();
        for session in sessions.iter().filter(of_role).filter(|session| meant(session)) {
            let credentials = Credentials {
                access_key_id: session.access_key_id.clone(),
                secret_access_key: session.secret.clone(),
                session_token: Some(session.token.clone()),
            };
            if self.sandbox.can_act(&credentials) {
                let (id, issued) = (&session.access_key_id, session.issued);
                found.insert(format!("session {id} of the role, {issued}"));
            }
        }
        found
    }

    /// Sessions of the role that descend from what is compromised of the first user, whenever they were issued, and
    /// that can act: with both contained at once there are none (F12).
    pub fn descendants(&self, role: usize, user: &Meant) -> BTreeSet<String> {
        let made = self.made_keys(self.people[0].1.as_str());
        let minted: BTreeMap<String, String> = self.sandbox.edit(|world| {
            let of =
                |session: &Session| (session.access_key_id.clone(), session.minted_with.clone());
            world.sessions().map(of).collect()
        });
        let descends = |session: &Session| {
            let mut key = &session.minted_with;
            while let Some(parent) = minted.get(key) {
                key = parent;
            }
            let root = Resource::AccessKey(key.parse().unwrap());
            user.covers(&root, made.get(key).copied())
        };
        self.acting_in_role(self.people[role].1.as_str(), descends)
    }

    /// When each key of a user was made, those that are gone included.
    fn made_keys(&self, id: &str) -> BTreeMap<String, Timestamp> {
        let mut made = BTreeMap::new();
        if let Some(adversary) = &self.adversary {
            let own = adversary.loot().into_iter().filter(|loot| loot.from != "stolen");
            let own = own.filter(|loot| loot.principal == id);
            made.extend(own.map(|loot| (loot.credentials.access_key_id, loot.since)));
        }
        self.sandbox.edit(|world| {
            let users = world.account(ACCOUNT).unwrap().users.values();
            for key in users.filter(|user| user.id == id).flat_map(|user| &user.keys) {
                made.insert(key.id.clone(), key.created);
            }
        });
        made
    }

    /// Whether anything denies a user everything: asked with a key that it does not have.
    fn may_act(&self, name: &str) -> bool {
        let fork = self.sandbox.fork();
        let now = fork.now();
        let key = fork.edit(|world| world.add_key(ACCOUNT, name, now));
        key.is_some_and(|key| fork.can_act(&key))
    }

    /// What the state of a principal tells of IAM that is not so. What was done to a name that had become
    /// this principal's is in doubt in the state of the one who bore it before (F27).
    pub fn untruths(&self, id: &str, states: &BTreeMap<String, State>) -> Vec<String> {
        let ledger = self.ledger.lock().unwrap();
        let mut found = Vec::new();
        let state = states.get(id);
        let claimed = |held: &ringfence::state::Held| {
            matches!(held.status, HeldStatus::Held | HeldStatus::Kept) && !held.is_perhaps()
        };
        for (resource, held) in state.iter().flat_map(|state| &state.resources) {
            let really = ledger.written.iter().any(|written| {
                let now = written.value.as_ref().map(|text| value(resource, text));
                written.resource == *resource
                    && (written.owner == id || written.owner.is_empty())
                    && fits(held.ours.as_ref(), now.as_ref())
            });
            let undecidable = || {
                ledger.whose_is_unknown(id, resource, held.ours.as_ref())
                    || ledger.was_meant_for(id, resource)
            };
            if claimed(held) && !really && !undecidable() {
                let what = held.status.words();
                found.push(format!(
                    "the state says that {resource} is {what}, and it was never written"
                ));
            }
        }
        let earlier = ledger.other_bearers(id);
        let known = |resource: &Resource| {
            let of = |id: &str| states.get(id).and_then(|state| state.resources.get(resource));
            let in_doubt = |held: &ringfence::state::Held| {
                held.status == HeldStatus::InDoubt || held.is_perhaps()
            };
            of(id).is_some_and(|held| claimed(held) || in_doubt(held))
                || earlier.iter().any(|id| of(id).is_some_and(in_doubt))
        };
        for ((owner, resource), left) in self.left_changed(&ledger.changes) {
            if owner == id && !known(&resource) && !ledger.came_to(id, &resource) {
                found.push(format!("the state forgets {resource}, which ringfence left {left:?}"));
            }
        }
        found
    }

    /// What the responder changed last, and is as it never was before its first touch: which of the
    /// adversary's values it had read before that, nobody can tell (F16).
    fn left_changed(
        &self,
        changes: &[super::ledger::Change],
    ) -> BTreeMap<(String, Resource), Option<String>> {
        let mut left: BTreeMap<(String, Resource), Option<String>> = BTreeMap::new();
        let mut before: BTreeMap<(String, Resource), BTreeSet<Option<String>>> = BTreeMap::new();
        let mut touched: BTreeSet<(String, Resource)> = BTreeSet::new();
        for change in changes {
            let key = (change.owner.clone(), change.resource.clone());
            if !touched.contains(&key) {
                before.entry(key.clone()).or_default().insert(change.before.clone());
            }
            if change.who == Who::Responder {
                touched.insert(key.clone());
                left.insert(key, change.after.clone());
            } else {
                left.remove(&key);
                // Whoever gives it back later gives back what others have made of it.
                before.entry(key).or_default().insert(change.after.clone());
            }
        }
        left.retain(|key, after| !before[key].contains(after));
        left
    }

    /// Whether a resource was not there before the responder first touched it, and nobody had touched it before.
    pub fn was_made_here(&self, person: usize, resource: &Resource) -> bool {
        let ledger = self.ledger.lock().unwrap();
        let id = self.people[person].1.as_str();
        let mut changes = ledger.changes.iter();
        let first = changes.find(|change| change.owner == id && change.resource == *resource);
        first.is_some_and(|first| first.who == Who::Responder && first.before.is_none())
    }

    /// How many changes there are so far.
    pub fn changes(&self) -> usize {
        self.ledger.lock().unwrap().changes.len()
    }

    /// What of a resource the responder has left changed, though nobody else ever touched it.
    pub fn not_restored(&self, person: usize) -> Vec<String> {
        let ledger = self.ledger.lock().unwrap();
        let id = self.people[person].1.as_str();
        let mut first: BTreeMap<&Resource, Option<&String>> = BTreeMap::new();
        let mut others: BTreeSet<&Resource> = BTreeSet::new();
        for change in ledger.changes.iter().filter(|change| change.owner == id) {
            match change.who {
                Who::Responder => {
                    first.entry(&change.resource).or_insert(change.before.as_ref());
                }
                // Also before the first touch: between the last read and the call nobody can tell (F16).
                Who::Adversary => {
                    others.insert(&change.resource);
                }
            }
        }
        first.retain(|resource, _| {
            !others.contains(resource) && **resource != Resource::LoginProfile
        });
        let wrong = first.into_iter().filter(|(resource, was)| ledger.now(id, resource) != *was);
        wrong
            .map(|(resource, was)| {
                format!("{resource} was {was:?} and is {:?}", ledger.now(id, resource))
            })
            .collect()
    }

    /// What a release has changed and should not have: anything that ringfence had not written before, or
    /// that is not as it left it (D2.6), or that was not given back as it was.
    pub fn released_wrongly(&self, person: usize, from: usize, state: &State) -> Vec<String> {
        let ledger = self.ledger.lock().unwrap();
        let id = self.people[person].1.as_str();
        let mut found = Vec::new();
        let news = ledger.changes.iter().enumerate().skip(from);
        for (place, change) in news.filter(|(_, change)| change.who == Who::Responder) {
            let resource = &change.resource;
            let Some(held) = state.resources.get(resource) else {
                found
                    .push(format!("the release changed {resource}, which the state does not know"));
                continue;
            };
            let of = |text: &Option<String>| text.as_ref().map(|text| value(resource, text));
            let (before, after) = (of(&change.before), of(&change.after));
            let ours = ledger.written.iter().any(|written| {
                written.call < change.call
                    && written.resource == *resource
                    && (written.owner == id || written.owner.is_empty())
                    && of(&written.value) == before
            });
            let unknown = || {
                ledger.whose_is_unknown(id, resource, before.as_ref()) || ledger.was_outrun(place)
            };
            if !ours && !unknown() {
                found.push(format!(
                    "the release changed {resource} from {before:?}, which is not ringfence's"
                ));
            }
            if after != held.baseline && !fits(held.ours.as_ref(), after.as_ref()) {
                found.push(format!(
                    "the release made {resource} {after:?}, and it was {:?}",
                    held.baseline
                ));
            }
        }
        found
    }

    /// The credentials that the responder has turned on since.
    pub fn turned_on(&self, person: usize, from: usize) -> Vec<Resource> {
        let ledger = self.ledger.lock().unwrap();
        let id = self.people[person].1.as_str();
        let news = ledger.changes.iter().skip(from);
        news.filter(|change| change.who == Who::Responder && change.owner == id)
            .filter(|change| change.resource.is_credential())
            .filter(|change| change.after.as_deref() == Some("Active"))
            .map(|change| change.resource.clone())
            .collect()
    }

    /// When a credential was made, by what is stored.
    pub fn made(&self, person: usize, resource: &Resource) -> Option<Timestamp> {
        let id = self.people[person].1.as_str();
        self.sandbox.edit(|world| {
            let user = world.account(ACCOUNT)?.user_of_id(id)?;
            let uploaded = |all: &[ringfence::sandbox::Uploaded]| {
                all.iter().find(|one| one.id == resource.id()).map(|one| one.created)
            };
            match resource {
                Resource::AccessKey(key) => user.key(key.as_str()).map(|key| key.created),
                Resource::SshKey(_) => uploaded(&user.ssh_keys),
                Resource::SigningCertificate(_) => uploaded(&user.certificates),
                Resource::ServiceCredential(one) => user
                    .service_credentials
                    .iter()
                    .find(|made| made.id == *one)
                    .map(|made| made.created),
                Resource::LoginProfile => user.login.as_ref().map(|login| login.created),
                _ => None,
            }
        })
    }

    /// Whether a key of a principal is there and Active.
    pub fn is_on(&self, person: usize, key: &Resource) -> bool {
        let id = self.people[person].1.as_str();
        let ledger = self.ledger.lock().unwrap();
        ledger.now(id, key).is_some_and(|status| status == "Active")
    }
}
