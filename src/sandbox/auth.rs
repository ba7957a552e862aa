//! Who calls: from a signed request to a caller, or to the error of one that is none.

use super::account::Account;
use super::evaluate::Principal;
use super::fault::Fault;
use super::session::{Session, SessionKind};
use super::signature::Claim;
use super::user::{LastUse, Status, User};
use super::world::World;
use super::{Request, dispatch::Service};
use jiff::Timestamp;

/// Somebody whose signature was right.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// The account.
    pub(super) account: String,
    /// The ARN as GetCallerIdentity tells it (F28).
    pub(super) arn: String,
    /// The ID as GetCallerIdentity tells it.
    pub(super) id: String,
    /// The ARN of the user or role behind it.
    pub(super) entity: String,
    /// The ID of the user or role behind it.
    pub(super) entity_id: String,
    /// The key that signed.
    pub(super) key: String,
    /// The session, for temporary credentials.
    pub(super) session: Option<Session>,
}

impl Caller {
    /// The caller as the evaluator takes it.
    pub(super) fn principal(&self) -> Principal<'_> {
        match self.session.as_ref().map(|session| &session.kind) {
            None | Some(SessionKind::User { .. }) => Principal::User { arn: &self.arn },
            Some(SessionKind::Federated { .. }) => {
                Principal::FederatedUser { arn: &self.arn, user: &self.entity }
            }
            Some(SessionKind::Role { .. }) => {
                Principal::RoleSession { arn: &self.arn, role: &self.entity }
            }
        }
    }

    /// The user that calls under its own name: with a long-term key or GetSessionToken's.
    pub(super) fn user<'a>(&self, account: &'a Account) -> Option<&'a User> {
        if self.is_role() || self.is_federated() {
            return None;
        }
        account.user_of_id(&self.entity_id)
    }

    /// Whether it is a session of GetSessionToken.
    pub(super) fn is_session_of_user(&self) -> bool {
        matches!(self.kind(), Some(SessionKind::User { .. }))
    }

    /// Whether it is a session of GetFederationToken.
    pub(super) fn is_federated(&self) -> bool {
        matches!(self.kind(), Some(SessionKind::Federated { .. }))
    }

    /// Whether it is a session of a role.
    pub(super) fn is_role(&self) -> bool {
        matches!(self.kind(), Some(SessionKind::Role { .. }))
    }

    /// When MFA was shown.
    pub(super) fn mfa(&self) -> Option<Timestamp> {
        self.session.as_ref()?.mfa
    }

    fn kind(&self) -> Option<&SessionKind> {
        self.session.as_ref().map(|session| &session.kind)
    }
}

/// Finds out who signed a request.
pub(super) fn authenticate(
    world: &mut World,
    request: &Request,
    claim: Option<&Claim>,
    service: Service,
    now: Timestamp,
) -> Result<Caller, Fault> {
    let Some(claim) = claim else {
        let message = "Request is missing Authentication Token";
        return Err(Fault::new(403, "MissingAuthenticationToken", message));
    };
    let (caller, secret) = identify(world, request, claim, now).ok_or_else(|| unknown(service))?;
    claim.verify(request, &secret, now)?;
    if caller.session.as_ref().is_some_and(|session| session.expired(now)) {
        let status = if service == Service::S3 { 400 } else { 403 };
        let message = "The security token included in the request is expired";
        return Err(Fault::new(status, "ExpiredToken", message));
    }
    note_use(world, &caller, claim, now);
    Ok(caller)
}

fn unknown(service: Service) -> Fault {
    if service == Service::S3 {
        let message = "The AWS Access Key Id you provided does not exist in our records.";
        Fault::new(403, "InvalidAccessKeyId", message)
    } else {
        Fault::unknown_key()
    }
}

/// The caller of a key, and the secret that has to have signed.
fn identify(
    world: &World,
    request: &Request,
    claim: &Claim,
    now: Timestamp,
) -> Option<(Caller, String)> {
    let token = request.header("x-amz-security-token");
    if let Some(session) = world.sessions.get(&claim.key) {
        // The token must be the very one that was given out with the key.
        return (token == Some(session.token.as_str()))
            .then(|| of_session(world, session, now).map(|caller| (caller, session.secret.clone())))
            .flatten();
    }
    if token.is_some() {
        return None;
    }
    world.account_ids().find_map(|id| {
        let account = world.enforced(id, now)?;
        let (user, key) = account.key(&claim.key)?;
        let arn = user.arn(&world.partition, id);
        let caller = Caller {
            account: id.to_owned(),
            entity: arn.clone(),
            arn,
            id: user.id.clone(),
            entity_id: user.id.clone(),
            key: key.id.clone(),
            session: None,
        };
        (key.status == Status::Active).then(|| (caller, key.secret.clone()))
    })
}

/// The caller of a session; nobody once the user or role behind it is gone (F2).
fn of_session(world: &World, session: &Session, now: Timestamp) -> Option<Caller> {
    let account = world.enforced(&session.account, now)?;
    let (partition, id) = (&world.partition, &account.id);
    let sts = format!("arn:{partition}:sts::{id}");
    let (arn, unique, entity, entity_id) = match &session.kind {
        SessionKind::User { user } => {
            let user = account.user_of_id(user)?;
            let arn = user.arn(partition, id);
            (arn.clone(), user.id.clone(), arn, user.id.clone())
        }
        SessionKind::Federated { user, name } => {
            let user = account.user_of_id(user)?;
            let arn = format!("{sts}:federated-user/{name}");
            (arn, format!("{id}:{name}"), user.arn(partition, id), user.id.clone())
        }
        SessionKind::Role { role, name, .. } => {
            let role = account.role_of_id(role)?;
            let arn = format!("{sts}:assumed-role/{}/{name}", role.name);
            (arn, format!("{}:{name}", role.id), role.arn(partition, id), role.id.clone())
        }
    };
    Some(Caller {
        account: id.clone(),
        arn,
        id: unique,
        entity,
        entity_id,
        key: session.access_key_id.clone(),
        session: Some(session.clone()),
    })
}

/// Notes the last use of a key or a role. AWS's own note comes some minutes late (F21).
fn note_use(world: &mut World, caller: &Caller, claim: &Claim, now: Timestamp) {
    let at = crate::text::whole_seconds(now);
    let used = LastUse { at, service: claim.service.clone(), region: claim.region.clone() };
    let Some(account) = world.account_mut(&caller.account) else { return };
    if caller.session.is_none() {
        let mut keys = account.users.values_mut().flat_map(|user| &mut user.keys);
        if let Some(key) = keys.find(|key| key.id == caller.key) {
            key.last_used = Some(used);
        }
    } else if caller.is_role()
        && let Some(role) = account.roles.values_mut().find(|role| role.id == caller.entity_id)
    {
        role.last_used = Some(used);
    }
}
