//! Users made by hand, and what becomes of them.

use crate::properties::model::{ACCOUNT, Account, Ask, Trouble, hide};
use crate::properties::strategies::{built_in, empty, exposure, old_key};
use jiff::{SignedDuration, Timestamp};
use ringfence::resource::{Resource, Value};
use ringfence::snapshot::{
    AccessKey, LoginProfile, Observed, Quotas, ServiceCredential, Snapshot, Status, Uploaded,
};
use ringfence::state::{HeldStatus, State};

pub use crate::properties::model::Section;

pub const KEY: &str = "access_key/AKIAEXAMPLEKEY000000";
pub const OTHER_KEY: &str = "access_key/AKIAEXAMPLEKEY000001";
pub const SSH: &str = "ssh_key/APKA0";
pub const CERTIFICATE: &str = "signing_certificate/CERT0";
pub const SERVICE: &str = "service_credential/ACCA0";
pub const PASSWORD: &str = "login_profile";
pub const BOUNDARY: &str = "permissions_boundary";

pub fn resource(text: &str) -> Resource {
    text.parse().unwrap()
}

/// Long before any exposure.
pub fn before() -> Timestamp {
    exposure() - SignedDuration::from_hours(24 * 200)
}

/// After the exposure, and before anything was contained.
pub fn after() -> Timestamp {
    exposure() + SignedDuration::from_hours(2)
}

/// A user with one key.
pub fn user() -> Snapshot {
    let mut truth = empty("deploy-bot", "AIDAEXAMPLE1");
    truth.access_keys = Observed::Read(vec![old_key(0)]);
    truth
}

pub fn items<T>(list: &mut Observed<Vec<T>>) -> &mut Vec<T> {
    match list {
        Observed::Read(items) => items,
        Observed::Unread(_) => panic!("it was read"),
    }
}

/// Gives the user a credential, or another status to one that is there.
pub fn give(truth: &mut Snapshot, credential: &str, status: Status, made: Timestamp) {
    let resource = resource(credential);
    let id = resource.id().to_owned();
    take(truth, credential);
    let uploaded = Uploaded { id: id.clone(), status, uploaded_at: Some(made) };
    match resource {
        Resource::AccessKey(id) => items(&mut truth.access_keys).push(AccessKey {
            id,
            status,
            created_at: made,
            last_used: Observed::Read(None),
        }),
        Resource::SshKey(_) => items(&mut truth.ssh_keys).push(uploaded),
        Resource::SigningCertificate(_) => items(&mut truth.signing_certificates).push(uploaded),
        Resource::ServiceCredential(_) => {
            items(&mut truth.service_credentials).push(ServiceCredential {
                id,
                service: "codecommit.amazonaws.com".to_owned(),
                status,
                created_at: made,
                expires_at: None,
            });
        }
        Resource::LoginProfile => {
            let profile = LoginProfile { created_at: made, reset_required: false };
            truth.login_profile = Observed::Read(Some(profile));
        }
        other => panic!("{other} is no credential"),
    }
    truth.sort();
}

/// Takes a credential away.
pub fn take(truth: &mut Snapshot, credential: &str) {
    let id = resource(credential).id().to_owned();
    items(&mut truth.access_keys).retain(|key| key.id.as_str() != id);
    items(&mut truth.ssh_keys).retain(|key| key.id != id);
    items(&mut truth.signing_certificates).retain(|key| key.id != id);
    items(&mut truth.service_credentials).retain(|key| key.id != id);
    if credential == PASSWORD {
        truth.login_profile = Observed::Read(None);
    }
}

/// Every kind of credential, each Active and from before.
pub fn everything() -> Snapshot {
    let mut truth = user();
    for credential in [SSH, CERTIFICATE, SERVICE, PASSWORD] {
        give(&mut truth, credential, Status::Active, before());
    }
    truth
}

/// What somebody may not list.
pub fn without(mut truth: Snapshot, section: Section) -> Snapshot {
    hide(&mut truth, section);
    truth
}

/// Asks for a posture, with the time of exposure known or not.
pub fn ask(posture: &str, since: bool) -> Ask {
    Ask { posture: built_in(posture), since: since.then(exposure), named: Vec::new() }
}

/// Contains a user, and nothing goes wrong.
pub fn contained(truth: Snapshot, ask: &Ask) -> Account {
    let mut account = Account::of(vec![truth]);
    let plan = account.plan(ask).unwrap();
    assert!(account.apply(&plan, &Trouble::none()).complete);
    account
}

/// The state of a contained user, and what is read of the user then.
pub fn state_of(account: &Account) -> (State, Snapshot) {
    (account.state().clone(), account.now_of_first())
}

/// Gives a resource of the state another status.
pub fn mark(state: &mut State, what: &str, status: HeldStatus) {
    state.resources.get_mut(&resource(what)).unwrap().status = status;
}

/// The fence of a state, where it is inline.
pub fn fence_of(state: &State) -> Resource {
    state.fence().unwrap().0.clone()
}

pub fn own_arn(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:policy/{name}")
}

/// Room for so many characters inline, and for so many attached policies.
pub fn room(inline_policy_size: u32, attached_policies_per_user: u32) -> Observed<Quotas> {
    let rest = Quotas::default();
    Observed::Read(Quotas { attached_policies_per_user, inline_policy_size, ..rest })
}

pub fn status(status: Status) -> Value {
    Value::Status(status)
}
