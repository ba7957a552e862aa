//! The world that a seed gives, the line to it, and the machine of the responder.

use super::drawn::{Credential, Drawn, Person, ROLE, start};
use super::ledger::{Ledger, Who};
use jiff::{SignedDuration, Timestamp};
use ringfence::aws::Aws;
use ringfence::context::Context;
use ringfence::identity::{PrincipalId, PrincipalKind};
use ringfence::sandbox::{
    ACCOUNT, ADMINISTRATOR, Adversary, Credentials, Group, Lag, Line, Login, Permissions, Player,
    Random, Sandbox, ServiceCredential, Status, Uploaded, User, World,
};
use ringfence::store::{Key, Store};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Somebody's work: may list buckets, and nothing of IAM.
const WORK: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;

/// Everything a run takes place in.
pub struct Stage {
    pub sandbox: Sandbox,
    pub line: Line,
    pub aws: Aws,
    pub store: Store,
    pub context: Context,
    pub ledger: Arc<Mutex<Ledger>>,
    pub adversary: Option<Adversary>,
    /// The users, and last the role, by name, and the principals that they were at the start (F27).
    pub people: Vec<(&'static str, PrincipalId)>,
    /// The keys that they had at the start, the leaked one of each first.
    pub keys: Vec<Vec<Credentials>>,
    _directory: tempfile::TempDir,
}

impl Stage {
    /// Sets it up. To be called in a runtime: the sandbox goes by tokio's clock.
    pub fn new(drawn: &Drawn) -> Self {
        let from = tokio::time::Instant::now();
        let clock = move || {
            let passed = SignedDuration::try_from(from.elapsed()).unwrap();
            start() + passed
        };
        let sandbox = Sandbox::of(World::new(drawn.seed, ACCOUNT, start()), clock);
        let mut keys = Vec::new();
        for person in &drawn.people {
            keys.push(sandbox.edit(|world| add(world, person)));
            if person.session {
                let key = Player::new(sandbox.clone(), keys.last().unwrap()[0].clone());
                let _ = key.call("sts:GetSessionToken", &[("DurationSeconds", "129600")]);
            }
        }
        if drawn.role {
            add_role(&sandbox, &keys);
        }
        deny(&sandbox, &drawn.denied);
        let adversary = drawn.adversary.map(|means| {
            Adversary::new(&sandbox, drawn.seed, drawn.people[0].name, &keys[0][0], means)
        });
        if drawn.lag_s > 0 {
            let lag = Lag::up_to(SignedDuration::from_secs(drawn.lag_s), drawn.seed);
            sandbox.edit(|world| world.varying_lag = Some(lag));
        }
        let people = drawn.people.iter().map(|person| (person.name, id_of(&sandbox, person.name)));
        let mut people: Vec<_> = people.collect();
        if drawn.role {
            people.push((ROLE, id_of_role(&sandbox)));
        }
        let directory = directory();
        let names = people.iter().map(|(name, _)| *name).collect();
        let ledger = Arc::new(Mutex::new(Ledger::new(&sandbox, names, directory.path())));
        let line = Line::new(&sandbox, drawn.seed);
        line.set_clock_ahead(drawn.ahead);
        line.set_trouble(drawn.trouble);
        watch(&line, &sandbox, &ledger, adversary.as_ref());
        Self {
            aws: Aws::from_config(&line.sdk_config(&sandbox.admin())),
            store: Store::local(directory.path()),
            context: context(drawn, &sandbox),
            sandbox,
            line,
            ledger,
            adversary,
            people,
            keys,
            _directory: directory,
        }
    }

    /// Where the state of a user lies that was there at the start.
    pub fn key(&self, person: usize) -> Key {
        Key {
            account: ACCOUNT.parse().unwrap(),
            kind: kind_of(self.people[person].1.as_str()),
            id: self.people[person].1.clone(),
        }
    }

    /// Every principal whose state may be there: those of the start, and who took their names.
    pub fn store_keys(&self) -> Vec<Key> {
        let ids = self.ledger.lock().unwrap().principals();
        let key = |id: String| Key {
            account: ACCOUNT.parse().unwrap(),
            kind: kind_of(&id),
            id: id.parse().unwrap(),
        };
        ids.into_iter().map(key).collect()
    }

    /// Notes what the last call has changed.
    pub fn note(&self) {
        self.ledger.lock().unwrap().look(&self.sandbox, Who::Responder, &self.line);
    }

    /// Lets time pass; nobody calls anything.
    pub async fn wait(&self, seconds: u64) {
        tokio::time::sleep(std::time::Duration::from_secs(seconds)).await;
    }

    /// Whether another principal bears the name of the first user, or nobody (F27).
    pub fn replaced(&self, person: usize) -> bool {
        let (name, id) = &self.people[person];
        if kind_of(id.as_str()) == PrincipalKind::Role {
            return id_of_role(&self.sandbox) != *id;
        }
        self.user(name).is_none_or(|user| user.id != id.as_str())
    }

    pub fn user(&self, name: &str) -> Option<User> {
        self.sandbox.edit(|world| world.account(ACCOUNT)?.user(name).cloned())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // What happens in between knows the line, which knows it.
        self.line.between(|_| ());
    }
}

/// Before each call, what the one before has changed is the responder's doing, and what the
/// adversary changes then is its own.
fn watch(
    line: &Line,
    sandbox: &Sandbox,
    ledger: &Arc<Mutex<Ledger>>,
    adversary: Option<&Adversary>,
) {
    let (seen, world, ledger, adversary) =
        (line.clone(), sandbox.clone(), ledger.clone(), adversary.cloned());
    line.between(move |number| {
        let line = &seen;
        let mut ledger = ledger.lock().unwrap();
        ledger.look(&world, Who::Responder, line);
        if let Some(adversary) = &adversary {
            adversary.step(number);
            ledger.look(&world, Who::Adversary, line);
        }
        ledger.sent(line, number);
    });
}

fn context(drawn: &Drawn, sandbox: &Sandbox) -> Context {
    let (ahead, clock) = (drawn.ahead, sandbox.clone());
    let random = Mutex::new(Random::of(drawn.seed, "context"));
    Context::new(
        move || {
            let now = clock.now() + ahead;
            Timestamp::from_second(now.as_second()).unwrap()
        },
        move || {
            let mut random = random.lock().unwrap();
            let (high, low) = (random.draw().to_be_bytes(), random.draw().to_be_bytes());
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&high);
            bytes[8..].copy_from_slice(&low);
            bytes
        },
    )
}

/// In memory where that is possible: the store syncs every entry.
fn directory() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = memory.is_dir().then(|| tempfile::tempdir_in(memory)).and_then(Result::ok);
    made.unwrap_or_else(|| tempfile::tempdir().unwrap())
}

/// What kind of principal has such an ID (F27).
pub fn kind_of(id: &str) -> PrincipalKind {
    if id.starts_with("AROA") { PrincipalKind::Role } else { PrincipalKind::User }
}

fn id_of_role(sandbox: &Sandbox) -> PrincipalId {
    let id = sandbox.edit(|world| world.account(ACCOUNT).unwrap().roles[ROLE].id.clone());
    id.parse().unwrap()
}

/// A role that every user may assume; the first has done so.
fn add_role(sandbox: &Sandbox, keys: &[Vec<Credentials>]) {
    let admin = Player::new(sandbox.clone(), sandbox.admin());
    let trust = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":["arn:aws:iam::{ACCOUNT}:root","arn:aws:iam::{ACCOUNT}:user/bot"]}},"Action":"sts:AssumeRole"}}]}}"#
    );
    let role = ("RoleName", ROLE);
    let made = admin.call("iam:CreateRole", &[role, ("AssumeRolePolicyDocument", &trust)]);
    assert!(made.is_ok(), "{}", made.body);
    let work = [role, ("PolicyName", "work"), ("PolicyDocument", WORK)];
    assert!(admin.call("iam:PutRolePolicy", &work).is_ok());
    let arn = format!("arn:aws:iam::{ACCOUNT}:role/{ROLE}");
    let bot = Player::new(sandbox.clone(), keys[0][0].clone());
    let _ = bot.call("sts:AssumeRole", &[("RoleArn", &arn), ("RoleSessionName", "mallory")]);
}

fn id_of(sandbox: &Sandbox, name: &str) -> PrincipalId {
    let id = sandbox.edit(|world| world.account(ACCOUNT).unwrap().user(name).unwrap().id.clone());
    id.parse().unwrap()
}

/// Takes permissions from the responder.
fn deny(sandbox: &Sandbox, actions: &[&str]) {
    if actions.is_empty() {
        return;
    }
    let document = serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Deny", "Action": actions, "Resource": "*" }]
    });
    sandbox.edit(|world| {
        let responder = world.user_mut(ACCOUNT, ADMINISTRATOR).unwrap();
        responder.permissions.inline.insert("limits".to_owned(), document.to_string());
    });
}

fn add(world: &mut World, person: &Person) -> Vec<Credentials> {
    let name = person.name;
    world.add_user(ACCOUNT, name, person.keys[0].made);
    let mut keys = Vec::new();
    for key in &person.keys {
        keys.push(world.add_key(ACCOUNT, name, key.made).unwrap());
    }
    let groups: Vec<String> = (0..person.groups)
        .map(|number| {
            let group = format!("{name}-group-{number}");
            let id = format!("AGPA{:0>16}", format!("{}{number}", name.to_uppercase()));
            let made = Group {
                name: group.clone(),
                path: "/".to_owned(),
                id: id.clone(),
                created: start(),
                permissions: Permissions::default(),
            };
            world.account_mut(ACCOUNT).unwrap().groups.insert(group, made);
            id
        })
        .collect();
    let user = world.user_mut(ACCOUNT, name).unwrap();
    for (key, drawn) in user.keys.iter_mut().zip(&person.keys) {
        key.status = status(*drawn);
    }
    user.ssh_keys = uploaded("APKA", person, &person.ssh_keys);
    user.certificates = uploaded("CERT", person, &person.certificates);
    let services = person.service_credentials.iter().enumerate();
    user.service_credentials = services
        .map(|(number, drawn)| ServiceCredential {
            id: unique("ACCA", name, number),
            service: "codecommit.amazonaws.com".to_owned(),
            user_name: format!("{name}-{number}-at-{ACCOUNT}"),
            secret: "not-looked-at".to_owned(),
            status: status(*drawn),
            created: drawn.made,
            expires: None,
        })
        .collect();
    user.login = person.password.map(|drawn| Login {
        password: "not-looked-at".to_owned(),
        created: drawn.made,
        reset_required: false,
    });
    user.groups = groups;
    user.permissions.attached.clone_from(&person.attached);
    user.permissions.boundary.clone_from(&person.boundary);
    user.permissions.inline.insert("work".to_owned(), WORK.to_owned());
    if person.inline > 0 {
        let padding = "x".repeat(person.inline.saturating_sub(WORK.len() * 2));
        let document = WORK.replace("s3:*", &format!("s3:Get{padding}"));
        user.permissions.inline.insert("more-work".to_owned(), document);
    }
    keys
}

fn uploaded(prefix: &str, person: &Person, drawn: &[Credential]) -> Vec<Uploaded> {
    let one = |(number, drawn): (usize, &Credential)| Uploaded {
        id: unique(prefix, person.name, number),
        body: format!("ssh-ed25519 AAAA{number}"),
        status: status(*drawn),
        created: drawn.made,
    };
    drawn.iter().enumerate().map(one).collect()
}

fn unique(prefix: &str, name: &str, number: usize) -> String {
    format!("{prefix}{:0>20}", format!("{}{number}", name.to_uppercase()))
}

const fn status(drawn: Credential) -> Status {
    if drawn.active { Status::Active } else { Status::Inactive }
}
