//! Somebody who fights back: who undoes a containment between any two calls of the responder (F30).

mod roles;
mod tampering;

pub use tampering::Tampering;

use super::random::Random;
use super::session::SessionKind;
use super::user::User;
use super::{Answer, Credentials, Player, Sandbox};
use jiff::{SignedDuration, Timestamp};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What it calls the administrator that it has made for itself.
const OWN: &str = "svc-telemetry";
const ADMINISTRATOR_ACCESS: &str = "arn:aws:iam::aws:policy/AdministratorAccess";
/// As long as a token can live (F1).
const LONGEST: SignedDuration = SignedDuration::from_secs(129_600);
/// As long as it asks a role's session to live: what every role allows (F1).
const LONGEST_OF_ROLE: SignedDuration = SignedDuration::from_secs(3_600);
/// How often it goes on in the same pause, in a thousand.
const AGAIN: u16 = 300;

/// An adversary with a stolen key of the target. Clones share everything.
///
/// It sees what is stored, as anybody does who may read (F29). What it may do is decided by the
/// sandbox: each of its acts is a signed call, judged by what is enforced at that moment.
#[derive(Clone)]
pub struct Adversary(Arc<Mutex<Hand>>);

/// What an adversary has, and when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Means {
    /// Whether it has an administrator of its own, whom no containment of the target stops.
    /// Otherwise the target itself is one.
    pub own_principal: bool,
    /// How many acts it makes.
    pub acts: u32,
    /// How often it acts between two calls of the responder, in a thousand.
    pub per_mille: u16,
    /// Whether it may delete the target and make another user of that name (F27).
    pub replaces_user: bool,
    /// Whether it lays hands on the account's roles.
    pub touches_roles: bool,
    /// Whether it may use up the account's quota of managed policies (F15).
    pub fills_account: bool,
    /// The number of the first call before which it does nothing any more.
    pub until_call: Option<u64>,
    /// The time by the sandbox's clock from which it does nothing any more.
    pub until: Option<Timestamp>,
}

impl Means {
    /// Those that a seed gives: seldom the last resorts, often few acts, sometimes many.
    #[must_use]
    pub fn drawn(seed: u64) -> Self {
        let mut random = Random::of(seed, "means");
        let acts = if random.per_mille(150) { 60 } else { 12 };
        let often = if random.per_mille(150) { 1000 } else { 400 };
        Self {
            own_principal: random.per_mille(500),
            acts: u32::try_from(random.below(acts)).unwrap_or(0),
            per_mille: u16::try_from(random.below(often)).unwrap_or(0),
            replaces_user: random.per_mille(50),
            fills_account: random.per_mille(20),
            touches_roles: false,
            until_call: None,
            until: None,
        }
    }
}

/// Credentials that an adversary has got hold of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loot {
    /// What it signs with.
    pub credentials: Credentials,
    /// The ID of the user whose they are (F27).
    pub principal: String,
    /// Since when it has them.
    pub since: Timestamp,
    /// Where it has them from: `stolen`, or the call that gave them.
    pub from: &'static str,
}

impl Loot {
    /// Whether these are temporary credentials.
    #[must_use]
    pub const fn is_session(&self) -> bool {
        self.credentials.session_token.is_some()
    }
}

/// One call of an adversary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    /// The number of the responder's call that came next.
    pub before_call: u64,
    /// When, by the sandbox's clock.
    pub at: Timestamp,
    /// The ID of the access key it was signed with.
    pub key: String,
    /// What it was part of.
    pub tampering: Tampering,
    /// The action and what it was about.
    pub about: String,
    /// `ok`, or the code of the error.
    pub outcome: String,
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { before_call, at, key, about, outcome, .. } = self;
        write!(f, "before {before_call:>4} {at} {key} {about}: {outcome}")
    }
}

struct Hand {
    sandbox: Sandbox,
    random: Random,
    means: Means,
    account: String,
    target: String,
    target_id: String,
    own_id: Option<String>,
    loot: Vec<Loot>,
    log: Vec<Deed>,
    acts: u32,
    over: bool,
    before_call: u64,
    tampering: Tampering,
}

impl Adversary {
    /// Puts a stolen key of a user into somebody's hands. What the means ask for, an administrator
    /// of its own or the target as one, has been there before and is enforced.
    #[must_use]
    pub fn new(
        sandbox: &Sandbox,
        seed: u64,
        target: &str,
        stolen: &Credentials,
        means: Means,
    ) -> Self {
        let account = sandbox.edit(|world| world.home.clone());
        let mut hand = Hand {
            sandbox: sandbox.clone(),
            random: Random::of(seed, "adversary"),
            means,
            account,
            target: target.to_owned(),
            target_id: String::new(),
            own_id: None,
            loot: Vec::new(),
            log: Vec::new(),
            acts: 0,
            over: false,
            before_call: 0,
            tampering: Tampering::MintToken,
        };
        hand.target_id = hand.user().map(|user| user.id).unwrap_or_default();
        hand.keep(stolen.clone(), "stolen");
        hand.become_administrator();
        Self(Arc::new(Mutex::new(hand)))
    }

    /// Acts, or not, before a call of the responder.
    pub fn step(&self, before_call: u64) {
        let mut hand = self.hand();
        hand.before_call = before_call;
        let mut often = hand.means.per_mille;
        while !hand.is_over() && hand.random.per_mille(often) {
            hand.act();
            often = AGAIN;
        }
    }

    /// Does one thing now, whatever its means say. Returns whether there was anything to do.
    pub fn tamper(&self, how: Tampering) -> bool {
        self.hand().tamper(how)
    }

    /// Makes it stop for good.
    pub fn stop(&self) {
        self.hand().over = true;
    }

    /// Whether it acts no more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.hand().is_over()
    }

    /// The ID of the user whose key was stolen: what a containment is about.
    #[must_use]
    pub fn target_id(&self) -> String {
        self.hand().target_id.clone()
    }

    /// The ID of its own administrator, where it has one.
    #[must_use]
    pub fn own_id(&self) -> Option<String> {
        self.hand().own_id.clone()
    }

    /// Every credential that it has ever had, in that order.
    #[must_use]
    pub fn loot(&self) -> Vec<Loot> {
        self.hand().loot.clone()
    }

    /// The temporary ones among them.
    #[must_use]
    pub fn tokens(&self) -> Vec<Loot> {
        self.loot().into_iter().filter(Loot::is_session).collect()
    }

    /// What it has that can act at this moment ([`Sandbox::can_act`]), its own administrator's too.
    #[must_use]
    pub fn live(&self) -> Vec<Loot> {
        let hand = self.hand();
        let copy = hand.sandbox.fork();
        let live = |loot: &&Loot| acts(&copy, &loot.credentials);
        hand.loot.iter().filter(live).cloned().collect()
    }

    /// What of it is the target's: what a containment of the target has to have stopped.
    #[must_use]
    pub fn live_of_target(&self) -> Vec<Loot> {
        let target = self.target_id();
        self.live().into_iter().filter(|loot| loot.principal == target).collect()
    }

    /// What it did, in order, denied calls included.
    #[must_use]
    pub fn log(&self) -> Vec<Deed> {
        self.hand().log.clone()
    }

    fn hand(&self) -> MutexGuard<'_, Hand> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Adversary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an adversary")
    }
}

impl Sandbox {
    /// Whether credentials can do anything at this moment that a policy could deny: list buckets,
    /// read IAM or write to it. Asked of a copy, so that it leaves no trace.
    #[must_use]
    pub fn can_act(&self, credentials: &Credentials) -> bool {
        acts(&self.fork(), credentials)
    }
}

fn acts(copy: &Sandbox, credentials: &Credentials) -> bool {
    let player = Player::new(copy.clone(), credentials.clone());
    player.list_buckets().is_ok()
        || player.call("iam:ListUsers", &[]).is_ok()
        || player.call("iam:CreateGroup", &[("GroupName", "can-it-act")]).is_ok()
}

impl Hand {
    fn become_administrator(&mut self) {
        let now = self.sandbox.now();
        let (account, target) = (self.account.clone(), self.target.clone());
        let own = self.means.own_principal;
        let key = self.sandbox.edit(|world| {
            if own {
                world.add_user(&account, OWN, now);
            }
            let user = world.user_mut(&account, if own { OWN } else { &target })?;
            let attached = &mut user.permissions.attached;
            if !attached.iter().any(|arn| arn == ADMINISTRATOR_ACCESS) {
                attached.push(ADMINISTRATOR_ACCESS.to_owned());
            }
            if own { world.add_key(&account, OWN, now) } else { None }
        });
        if let Some(key) = key {
            self.keep(key, "iam:CreateAccessKey");
            self.own_id = self.loot.last().map(|loot| loot.principal.clone());
        }
    }

    fn is_over(&self) -> bool {
        let means = &self.means;
        self.over
            || self.acts >= means.acts
            || means.until_call.is_some_and(|call| self.before_call >= call)
            || means.until.is_some_and(|time| self.sandbox.now() >= time)
    }

    /// One act; where there is nothing to do of the kind drawn, of another.
    fn act(&mut self) {
        self.acts += 1;
        for _ in 0..5 {
            let how = Tampering::drawn(&mut self.random, &self.means);
            if self.tamper(how) {
                return;
            }
        }
    }

    /// Makes a call about IAM with what it has, and where that is refused with its own
    /// administrator's key, or else with the newest of the target's.
    fn call(&mut self, action: &str, parameters: &[(&str, &str)]) -> Answer {
        let drawn = self.draw_credentials();
        let answer = self.call_with(&drawn, action, parameters);
        if answer.status != 403 {
            return answer;
        }
        let own = |loot: &&Loot| self.own_id.as_ref().is_none_or(|own| loot.principal == *own);
        let next = self.loot.iter().rev().filter(|loot| !loot.is_session()).find(own);
        match next.map(|loot| loot.credentials.clone()).filter(|next| *next != drawn) {
            Some(next) => self.call_with(&next, action, parameters),
            None => answer,
        }
    }

    /// Mostly its own administrator's key, where it has one. A token cannot call IAM (F10), and it
    /// tries that too.
    fn draw_credentials(&mut self) -> Credentials {
        let own = self.own_id.clone().filter(|_| self.random.per_mille(700));
        let a_token = self.random.per_mille(30);
        let fits = |loot: &&Loot| {
            own.as_ref().is_none_or(|own| loot.principal == *own) && loot.is_session() == a_token
        };
        let fitting: Vec<&Loot> = self.loot.iter().filter(fits).collect();
        let drawn = self.random.pick(&fitting).copied().or(self.loot.first());
        drawn.map(|loot| loot.credentials.clone()).unwrap_or_default()
    }

    fn call_with(
        &mut self,
        credentials: &Credentials,
        action: &str,
        parameters: &[(&str, &str)],
    ) -> Answer {
        let player = Player::new(self.sandbox.clone(), credentials.clone());
        let answer = player.call(action, parameters);
        let secret = ["PolicyDocument", "Password", "SSHPublicKeyBody", "Policy"];
        let told = parameters.iter().filter(|(name, _)| !secret.contains(name));
        let about = told.fold(action.to_owned(), |text, (_, value)| format!("{text} {value}"));
        self.log.push(Deed {
            before_call: self.before_call,
            at: self.sandbox.now(),
            key: credentials.access_key_id.clone(),
            tampering: self.tampering,
            about,
            outcome: answer.code().to_owned(),
        });
        answer
    }

    /// Remembers credentials, and whose they are.
    fn keep(&mut self, credentials: Credentials, from: &'static str) {
        let (account, id) = (&self.account, &credentials.access_key_id);
        let principal = self.sandbox.edit(|world| {
            if let Some(session) = world.session(id) {
                return match &session.kind {
                    SessionKind::User { user } | SessionKind::Federated { user, .. } => {
                        Some(user.clone())
                    }
                    SessionKind::Role { role, .. } => Some(role.clone()),
                };
            }
            world.account(account)?.key(id).map(|(user, _)| user.id.clone())
        });
        let (principal, since) = (principal.unwrap_or_default(), self.sandbox.now());
        self.loot.push(Loot { credentials, principal, since, from });
    }

    /// The user of the target's name as it is stored now; it may be another one.
    fn user(&self) -> Option<User> {
        self.sandbox.edit(|world| world.account(&self.account)?.user(&self.target).cloned())
    }
}
