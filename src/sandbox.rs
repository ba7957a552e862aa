//! An IAM and STS that enforces: signatures, key status, sessions, policies. Nothing in it is AWS.
//!
//! It speaks the Query protocol of IAM and STS, as much of S3 as it takes to be denied something,
//! and what an investigation asks of CloudTrail and GuardDuty about what happened in it. [`Sandbox::answer`] is the only way in for requests, [`Sandbox::edit`] for scenarios
//! and tests. Reads show what is stored; calls are judged by what is enforced, which follows after
//! [`World::lag`] (F29). A [`Line`] between the SDK and the sandbox loses, delays and spoils calls,
//! and an [`Adversary`] can act between any two of them; from one seed a run repeats exactly.

mod account;
mod act;
pub mod adversary;
mod auth;
mod context;
mod dispatch;
mod dump;
mod fault;
mod iam;
mod ids;
pub mod in_process;
mod instance_profile;
mod json;
mod lag;
mod line;
mod managed;
mod page;
mod params;
mod player;
mod policy_store;
mod quota;
mod random;
mod role;
mod rules;
mod s3;
pub mod scenario;
pub mod serve;
mod server_certificate;
mod session;
mod signature;
mod sts;
#[cfg(test)]
mod tests;
mod trail;
mod trouble;
mod user;
mod world;
mod xml;

pub use crate::evaluate;
pub use account::{Account, Bucket, MfaDevice};
pub use adversary::Adversary;
pub use dispatch::actions;
pub use instance_profile::InstanceProfile;
pub use json::{Secret, SecretVersion};
pub use lag::Lag;
pub use line::{Carried, Line, Moment};
pub use player::{Answer, Player};
pub use policy_store::{Managed, Permissions, Tag, Version};
pub use random::Random;
pub use role::{Group, Role};
pub use server_certificate::ServerCertificate;
pub use session::{Session, SessionKind};
pub use trail::{Recorded, delivered};
pub use trouble::{Fate, Page, Trouble};
pub use user::{AccessKey, LastUse, Login, ServiceCredential, Status, Uploaded, User};
pub use world::{ADMINISTRATOR, World};

use crate::error::{Error, Result};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The account that a new sandbox has.
pub const ACCOUNT: &str = "123456789012";

/// A request as it came over the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The HTTP method.
    pub method: String,
    /// The host, where no header names it.
    pub host: String,
    /// The path, percent-encoded as it came.
    pub path: String,
    /// What follows the `?`, as it came.
    pub query: String,
    /// The headers, in any letter case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The headers; a Content-Length is for the door to add.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What requests are signed with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// `AKIA…` or `ASIA…`.
    pub access_key_id: String,
    /// The secret.
    pub secret_access_key: String,
    /// The token of temporary credentials.
    #[serde(default)]
    pub session_token: Option<String>,
}

/// A call that was made, as CloudTrail would record it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// When.
    pub time: Timestamp,
    /// The access key it was signed with, as the request names it.
    pub access_key_id: Option<String>,
    /// The ARN of the caller, if the sandbox believed it.
    pub principal: Option<String>,
    /// The action in a policy's words, such as `iam:GetUser`; or as it was asked for.
    pub action: String,
    /// `ok`, or the code of the error.
    pub outcome: String,
}

/// An IAM and STS of our own. Clones share everything.
#[derive(Clone)]
pub struct Sandbox {
    world: Arc<Mutex<World>>,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

impl Sandbox {
    /// A sandbox with one account, [`ACCOUNT`], which has nothing but its administrator.
    pub fn new(clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        let world = World::new(0, ACCOUNT, clock());
        Self::of(world, clock)
    }

    /// A sandbox of a world that is there already.
    pub fn of(world: World, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self { world: Arc::new(Mutex::new(world)), clock: Arc::new(clock) }
    }

    /// Answers a request, whatever it is.
    #[must_use]
    pub fn answer(&self, request: &Request) -> Response {
        let now = self.now();
        dispatch::answer(&mut self.world(), request, now)
    }

    /// The time by the sandbox's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// The key of the first account's administrator.
    #[must_use]
    pub fn admin(&self) -> Credentials {
        let world = self.world();
        world.admin_of(&world.home).unwrap_or_default()
    }

    /// The key of an account's administrator.
    #[must_use]
    pub fn admin_of(&self, account: &str) -> Option<Credentials> {
        self.world().admin_of(account)
    }

    /// Everything as JSON, secrets included.
    #[must_use]
    pub fn save(&self) -> String {
        serde_json::to_string(&*self.world()).unwrap_or_default()
    }

    /// A sandbox as it was saved.
    ///
    /// # Errors
    /// If the text is no saved sandbox, or one of another format.
    pub fn load(json: &str, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Result<Self> {
        let unfit = || {
            Error::failed("this is no saved sandbox").hint("`ringfence sandbox --save` writes one")
        };
        let world: World = serde_json::from_str(json).map_err(|error| unfit().because(error))?;
        if world.format != world::FORMAT {
            let other =
                format!("its format is {}, this ringfence knows {}", world.format, world::FORMAT);
            return Err(unfit().because(other));
        }
        Ok(Self::of(world, clock))
    }

    /// Takes a GetAccountAuthorizationDetails dump (F19): its users, groups, roles with their
    /// instance profiles, and policies come into the account that its ARNs name, which is added
    /// where it is not there, with an administrator of its own ([`Self::admin_of`]). Every user gets
    /// an Active key, because dumps have none. Returns how many users came.
    ///
    /// # Errors
    /// If it is no such dump.
    pub fn load_dump(&self, dump: &serde_json::Value) -> Result<usize> {
        let now = self.now();
        dump::load(&mut self.world(), dump, now)
    }

    /// Looks at the world or changes it, around all rules.
    pub fn edit<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        change(&mut self.world())
    }

    /// A copy of its own: what happens in it does not happen here. Both go by one clock.
    #[must_use]
    pub fn fork(&self) -> Self {
        let world = self.world().clone();
        Self { world: Arc::new(Mutex::new(world)), clock: Arc::clone(&self.clock) }
    }

    /// The calls that were made, the oldest first; only the last ten thousand are kept.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.world().calls.iter().cloned().collect()
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a sandbox")
    }
}
