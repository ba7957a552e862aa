//! Who changed what: the responder or the adversary, and whether it was written down before.

use super::stage::kind_of;
use ringfence::lineage::is_our_name;
use ringfence::policy::PolicyDocument;
use ringfence::resource::{Resource, RolePolicy, Value, fits};
use ringfence::sandbox::{ACCOUNT, Fate, Line, Role, Sandbox, Status, User};
use ringfence::snapshot;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What is stored of each principal, and under no principal the managed policies of ringfence's names.
pub type Facts = BTreeMap<(String, Resource), String>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Responder,
    Adversary,
}

/// One resource that somebody changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub who: Who,
    /// The call of the responder that did it, or that came next.
    pub call: u64,
    pub owner: String,
    pub resource: Resource,
    pub before: Option<String>,
    pub after: Option<String>,
    /// How many changes there were when the responder last began to read.
    pub read_from: usize,
}

/// A mutation by the responder that the service did, and what the resource was right after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    pub call: u64,
    pub owner: String,
    pub resource: Resource,
    pub value: Option<String>,
}

/// A mutation as the responder sent it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Sent {
    action: String,
    user: Option<String>,
    resource: Resource,
}

pub struct Ledger {
    names: Vec<&'static str>,
    place: PathBuf,
    facts: Facts,
    /// Every principal that ever bore one of the names.
    bearers: BTreeMap<&'static str, BTreeSet<String>>,
    /// Who bears each name now, and who did when the responder was told last.
    present: BTreeMap<String, String>,
    told: BTreeMap<String, String>,
    /// Mutations for one bearer of a name that came to another: for whom, to whom, of what.
    misled: BTreeSet<(String, String, Resource)>,
    last: Option<u64>,
    reads: bool,
    read_from: usize,
    sends: BTreeMap<Sent, usize>,
    /// Policies whose creation was sent, and whose outcome the responder cannot know without a read.
    unread: BTreeMap<Resource, u64>,
    pub changes: Vec<Change>,
    pub written: Vec<Written>,
    /// The number of the last mutation that was sent.
    pub last_mutation: u64,
    /// How many mutations were sent.
    pub mutations: usize,
    pub wrong: Vec<String>,
}

impl Ledger {
    pub fn new(sandbox: &Sandbox, names: Vec<&'static str>, place: &Path) -> Self {
        let mut ledger = Self {
            facts: Facts::new(),
            bearers: names.iter().map(|name| (*name, BTreeSet::new())).collect(),
            present: BTreeMap::new(),
            told: BTreeMap::new(),
            misled: BTreeSet::new(),
            names,
            place: place.to_owned(),
            last: None,
            reads: false,
            read_from: 0,
            sends: BTreeMap::new(),
            unread: BTreeMap::new(),
            changes: Vec::new(),
            written: Vec::new(),
            last_mutation: 0,
            mutations: 0,
            wrong: Vec::new(),
        };
        ledger.facts = ledger.read(sandbox);
        ledger
    }

    /// Every principal that ever bore one of the names.
    pub fn principals(&self) -> BTreeSet<String> {
        self.bearers.values().flatten().cloned().collect()
    }

    /// The other principals that ever bore a name of this one's.
    pub fn other_bearers(&self, id: &str) -> Vec<String> {
        let with = self.bearers.values().filter(|ids| ids.contains(id));
        with.flatten().filter(|other| *other != id).cloned().collect()
    }

    /// What is stored now, as of the last look.
    pub fn now(&self, owner: &str, resource: &Resource) -> Option<&String> {
        self.facts.get(&owned(owner, resource))
    }

    /// Notes what has changed since the last look, as somebody's doing.
    pub fn look(&mut self, sandbox: &Sandbox, who: Who, line: &Line) {
        let now = self.read(sandbox);
        let before = std::mem::replace(&mut self.facts, now);
        let call = self.last.unwrap_or(0);
        let keys: BTreeSet<_> = before.keys().chain(self.facts.keys()).cloned().collect();
        for key in keys {
            let (was, is) = (before.get(&key).cloned(), self.facts.get(&key).cloned());
            if was != is {
                let (owner, resource) = key;
                let read_from = self.read_from;
                let change =
                    Change { who, call, owner, resource, before: was, after: is, read_from };
                self.changes.push(change);
            }
        }
        if who == Who::Responder {
            self.note_written(line);
        }
    }

    /// What became of the call before.
    fn note_written(&mut self, line: &Line) {
        let Some(call) = self.last.take() else { return };
        let carried = line.carried(call).unwrap();
        if carried.status.is_some() {
            self.note_read(&carried.about, carried.fate, carried.status);
        }
        let Some(sent) = self.parse(&carried.about) else { return };
        // A refusal that has come through tells that nothing was made: that call is in no doubt (D2.5).
        let refused = carried.status.is_some_and(|status| (400..500).contains(&status));
        if sent.action == "CreatePolicy" && refused && carried.fate == Fate::Passed {
            self.unread.remove(&sent.resource);
        }
        if carried.status != Some(200) {
            return;
        }
        let owner =
            sent.user.as_ref().and_then(|name| sandbox_owner(&self.facts, &self.bearers, name));
        let owner = owner.unwrap_or_default();
        let value = self.now(&owner, &sent.resource).cloned();
        self.written.push(Written { call, owner, resource: sent.resource, value });
    }

    /// A read that finds nothing tells as much, also where only its status and its code came through.
    fn note_read(&mut self, about: &str, fate: Fate, status: Option<u16>) {
        let told = match fate {
            Fate::Passed | Fate::ShortPage(_) => true,
            Fate::Cut(_) => status == Some(404),
            _ => false,
        };
        if let Some(arn) = about.strip_prefix("GetPolicy ")
            && told
        {
            self.unread.remove(&Resource::ManagedPolicy(arn.to_owned()));
        }
    }

    /// A call of the responder is about to be made, or lost: a mutation has to be in a journal by now.
    pub fn sent(&mut self, line: &Line, number: u64) {
        self.last = Some(number);
        let carried = line.carried(number).unwrap();
        let read = ["Get", "List"].iter().any(|verb| carried.about.starts_with(verb));
        if read && !self.reads {
            self.read_from = self.changes.len();
        }
        self.reads = read;
        if read {
            self.note_told(&carried.about, carried.fate);
            return;
        }
        self.last_mutation = number;
        self.mutations += 1;
        let Some(sent) = self.parse(&carried.about) else {
            self.wrong.push(format!("call {number} is no mutation of a plan: {}", carried.about));
            return;
        };
        self.note_misled(&sent);
        let times = self.sends.entry(sent.clone()).or_insert(0);
        *times += 1;
        let times = *times;
        let meant = self.intents(&sent);
        if meant < times {
            self.wrong.push(format!(
                "call {number} has no intent of its own: {} was sent {times} times, meant {meant}",
                carried.about
            ));
        }
        if sent.action == "CreatePolicy" {
            if let Some(earlier) = self.unread.get(&sent.resource) {
                self.wrong.push(format!(
                    "call {number} makes {} again, and nobody has read what became of call {earlier}",
                    sent.resource
                ));
            }
            if !matches!(carried.fate, Fate::Throttled | Fate::Refused) {
                self.unread.insert(sent.resource, number);
            }
        }
    }

    /// Who bears a name, as the responder is told now.
    fn note_told(&mut self, about: &str, fate: Fate) {
        let name = about.strip_prefix("GetUser ").or_else(|| about.strip_prefix("GetRole "));
        if let Some((name, id)) = name.and_then(|name| self.present.get_key_value(name))
            && fate == Fate::Passed
        {
            self.told.insert(name.clone(), id.clone());
        }
    }

    /// IAM takes names: between the answer that told whose one is and the call, nobody can see that it became
    /// another's (F27).
    fn note_misled(&mut self, sent: &Sent) {
        let Some(name) = &sent.user else { return };
        if let (Some(told), Some(present)) = (self.told.get(name), self.present.get(name))
            && told != present
        {
            self.misled.insert((told.clone(), present.clone(), sent.resource.clone()));
        }
    }

    /// Whether a mutation for this principal came to another one.
    pub fn was_meant_for(&self, id: &str, resource: &Resource) -> bool {
        self.misled.iter().any(|(told, _, of)| told == id && of == resource)
    }

    /// Whether a mutation for another principal came to this one.
    pub fn came_to(&self, id: &str, resource: &Resource) -> bool {
        self.misled.iter().any(|(_, present, of)| present == id && of == resource)
    }

    /// How often a mutation is recorded as meant in the journals of the user's principals, read without
    /// ringfence's own reader.
    fn intents(&self, sent: &Sent) -> usize {
        let bearers = self.bearers.iter().filter(|(name, _)| match &sent.user {
            Some(user) => user == *name,
            None => true,
        });
        let ids = bearers.flat_map(|(_, ids)| ids);
        let mut count = 0;
        for id in ids {
            for text in self.journals(id) {
                let lines = text.lines().filter(|line| line.contains("\"intent\""));
                count += lines.filter(|line| is_intent(line, sent)).count();
            }
        }
        count
    }

    /// The journals of a principal's runs, as they lie in the folder.
    fn journals(&self, id: &str) -> Vec<String> {
        let runs = self.place.join(ACCOUNT).join(kind_of(id).word()).join(id).join("runs");
        let runs = std::fs::read_dir(runs).into_iter().flatten().flatten();
        runs.map(|run| {
            std::fs::read_to_string(run.path().join("journal.jsonl")).unwrap_or_default()
        })
        .collect()
    }

    /// Whether somebody else changed a resource after the responder had begun to read it and before it wrote: no
    /// call of IAM's asks for what it overwrites, so that nobody can tell.
    pub fn was_outrun(&self, place: usize) -> bool {
        let Some(change) = self.changes.get(place) else { return false };
        let since = self.changes.get(change.read_from..place).unwrap_or_default();
        let same =
            |other: &&Change| other.owner == change.owner && other.resource == change.resource;
        let last = since.iter().rfind(same);
        last.is_some_and(|other| other.who == Who::Adversary)
    }

    /// Whether somebody else made a resource what ringfence meant it to be, and a call of ringfence's about it was
    /// cut off, or its answer lost: no read tells whose that is (F16).
    pub fn whose_is_unknown(&self, id: &str, resource: &Resource, ours: Option<&Value>) -> bool {
        let same = self.changes.iter().any(|change| {
            let after = change.after.as_ref().map(|text| value(resource, text));
            change.who == Who::Adversary
                && change.resource == *resource
                && (change.owner == id || change.owner.is_empty())
                && fits(ours, after.as_ref())
        });
        same && (self.meant_and_unsent(id, resource)
            || self.meant_and_unanswered(id, resource)
            || self.was_in_doubt(id, resource))
    }

    /// Whether a mutation of the principal's resource is recorded as meant, and was never sent.
    fn meant_and_unsent(&self, id: &str, resource: &Resource) -> bool {
        let sent = self.sends.iter().filter(|(sent, _)| sent.resource == *resource);
        self.recorded(id, resource, "intent") > sent.map(|(_, times)| times).sum()
    }

    /// Whether the run died at a call about the principal's resource, whatever the answer was that nobody received.
    fn meant_and_unanswered(&self, id: &str, resource: &Resource) -> bool {
        self.recorded(id, resource, "intent") > self.recorded(id, resource, "outcome")
    }

    /// How many entries of a kind the principal's journals have about a resource.
    fn recorded(&self, id: &str, resource: &Resource, kind: &str) -> usize {
        let (kind, about) = (format!("\"{kind}\""), format!("\"{resource}\""));
        let is_one = |line: &&str| line.contains(&kind) && line.contains(&about);
        self.journals(id).iter().map(|text| text.lines().filter(is_one).count()).sum()
    }

    /// Whether the answer to a mutation of the principal's resource was lost.
    fn was_in_doubt(&self, id: &str, resource: &Resource) -> bool {
        let about = format!("\"{resource}\"");
        let lost = |line: &str| {
            line.contains("\"outcome\"") && line.contains("\"in_doubt\"") && line.contains(&about)
        };
        self.journals(id).iter().any(|text| text.lines().any(lost))
    }

    /// Which mutation a line of the log is about.
    fn parse(&self, about: &str) -> Option<Sent> {
        let mut words = about.split(' ');
        let action = words.next()?.to_owned();
        let mut rest: Vec<&str> = words.collect();
        let user = rest.iter().position(|word| self.names.contains(word));
        let user = user.map(|place| rest.remove(place).to_owned());
        rest.retain(|word| !matches!(*word, "Active" | "Inactive"));
        let id = rest.first().copied().unwrap_or_default().to_owned();
        let resource = match action.as_str() {
            "UpdateAccessKey" => Resource::AccessKey(id.parse().ok()?),
            "UpdateSSHPublicKey" => Resource::SshKey(id),
            "UpdateSigningCertificate" => Resource::SigningCertificate(id),
            "UpdateServiceSpecificCredential" => Resource::ServiceCredential(id),
            "PutUserPolicy" | "DeleteUserPolicy" => Resource::InlinePolicy(id),
            "PutRolePolicy" | "DeleteRolePolicy" => {
                Resource::RolePolicy(RolePolicy::of(&user.as_ref()?.parse().ok()?, &id))
            }
            "AttachUserPolicy" | "DetachUserPolicy" | "AttachRolePolicy" | "DetachRolePolicy" => {
                Resource::AttachedPolicy(id)
            }
            "CreatePolicy" => {
                Resource::ManagedPolicy(format!("arn:aws:iam::{ACCOUNT}:policy/{id}"))
            }
            "DeletePolicy" => Resource::ManagedPolicy(id),
            "PutUserPermissionsBoundary"
            | "DeleteUserPermissionsBoundary"
            | "PutRolePermissionsBoundary"
            | "DeleteRolePermissionsBoundary" => Resource::PermissionsBoundary,
            "DeleteLoginProfile" => Resource::LoginProfile,
            "AddUserToGroup" | "RemoveUserFromGroup" => Resource::Group(id),
            _ => return None,
        };
        Some(Sent { action, user, resource })
    }

    fn read(&mut self, sandbox: &Sandbox) -> Facts {
        let mut facts = Facts::new();
        self.present.clear();
        sandbox.edit(|world| {
            let account = world.account(ACCOUNT).unwrap();
            for name in &self.names {
                if let Some(role) = account.roles.get(*name) {
                    self.bearers.get_mut(name).unwrap().insert(role.id.clone());
                    self.present.insert((*name).to_owned(), role.id.clone());
                    of_role(role, &mut facts);
                }
                let Some(user) = account.user(name) else { continue };
                self.bearers.get_mut(name).unwrap().insert(user.id.clone());
                self.present.insert((*name).to_owned(), user.id.clone());
                of_user(user, &mut facts);
                for group in account.groups_of(user) {
                    let resource = Resource::Group(group.name.clone());
                    facts.insert((user.id.clone(), resource), "member".to_owned());
                }
            }
            for policy in account.policies.values().filter(|policy| is_our_name(&policy.name)) {
                let resource = Resource::ManagedPolicy(policy.arn.clone());
                let document = policy.document().unwrap_or_default().to_owned();
                facts.insert((String::new(), resource), document);
            }
        });
        facts
    }
}

/// Under whom a resource stands.
fn owned(owner: &str, resource: &Resource) -> (String, Resource) {
    let owner = if matches!(resource, Resource::ManagedPolicy(_)) { "" } else { owner };
    (owner.to_owned(), resource.clone())
}

/// Who bears a name: only the present bearer has facts.
fn sandbox_owner(
    facts: &Facts,
    bearers: &BTreeMap<&'static str, BTreeSet<String>>,
    name: &str,
) -> Option<String> {
    let ids = bearers.get(name)?;
    let now = facts.keys().map(|(owner, _)| owner).find(|owner| ids.contains(*owner));
    now.or(ids.iter().next()).cloned()
}

fn is_intent(line: &str, sent: &Sent) -> bool {
    let Ok(entry) = serde_json::from_str::<serde_json::Value>(line) else { return false };
    let event = &entry["event"];
    event["type"] == "intent"
        && event["action"] == sent.action.as_str()
        && event["resource"] == sent.resource.to_string().as_str()
}

fn of_user(user: &User, facts: &mut Facts) {
    let mut add = |resource: Resource, value: &str| {
        facts.insert((user.id.clone(), resource), value.to_owned());
    };
    for key in &user.keys {
        add(Resource::AccessKey(key.id.parse().unwrap()), words(key.status));
    }
    for key in &user.ssh_keys {
        add(Resource::SshKey(key.id.clone()), words(key.status));
    }
    for known in &user.certificates {
        add(Resource::SigningCertificate(known.id.clone()), words(known.status));
    }
    for made in &user.service_credentials {
        add(Resource::ServiceCredential(made.id.clone()), words(made.status));
    }
    if let Some(login) = &user.login {
        add(Resource::LoginProfile, &login.password);
    }
    for (name, document) in &user.permissions.inline {
        add(Resource::InlinePolicy(name.clone()), document);
    }
    for arn in &user.permissions.attached {
        add(Resource::AttachedPolicy(arn.clone()), "attached");
    }
    if let Some(arn) = &user.permissions.boundary {
        add(Resource::PermissionsBoundary, arn);
    }
}

fn of_role(role: &Role, facts: &mut Facts) {
    let mut add = |resource: Resource, value: &str| {
        facts.insert((role.id.clone(), resource), value.to_owned());
    };
    let name = role.name.parse().unwrap();
    for (policy, document) in &role.permissions.inline {
        add(Resource::RolePolicy(RolePolicy::of(&name, policy)), document);
    }
    for arn in &role.permissions.attached {
        add(Resource::AttachedPolicy(arn.clone()), "attached");
    }
    if let Some(arn) = &role.permissions.boundary {
        add(Resource::PermissionsBoundary, arn);
    }
}

const fn words(status: Status) -> &'static str {
    status.as_str()
}

/// A stored value as a state writes it.
pub fn value(resource: &Resource, stored: &str) -> Value {
    match resource {
        Resource::InlinePolicy(_) | Resource::ManagedPolicy(_) | Resource::RolePolicy(_) => {
            Value::Document(PolicyDocument::parse(stored))
        }
        Resource::AttachedPolicy(_) => Value::Attached,
        Resource::Group(_) => Value::Member,
        Resource::LoginProfile => Value::Password,
        Resource::PermissionsBoundary => Value::PolicyArn(stored.to_owned()),
        _ if stored == "Active" => Value::Status(snapshot::Status::Active),
        _ => Value::Status(snapshot::Status::Inactive),
    }
}
