//! A reading: three calls deep at the most, everything else side by side (D8).

use super::listings::{self, Wanted};
use super::owner::{self, KeyUse};
use super::session::Session;
use super::{Aws, Reading, Targets, caller, details, roles, words};
use crate::error::{Error, Result};
use crate::identity::{AccessKeyId, Caller, PrincipalId, PrincipalKind, UserName, Who};
use crate::snapshot::{AttachedPolicy, Entity, Observed, Quotas, Snapshot};
use futures_util::future::try_join_all;

/// Reads the users, the roles and the owners of the keys. One that is not there is an error.
///
/// # Errors
/// If the caller, a user, a role, a key's owner, or the keys of a user of whom none was named cannot be read.
pub async fn read(aws: &Aws, targets: &Targets) -> Result<Reading> {
    let s = Session::new(aws);
    let reading = everything(&s, targets).await?;
    let named =
        |who: &&Who| !targets.traced.iter().any(|traced| traced.same(who)) || targets.has(who);
    if let Some(who) = reading.gone.iter().find(named) {
        let other = is_other_kind(&s, who).await;
        return Err(words::nobody(who, other, &reading.caller));
    }
    for snapshot in &reading.snapshots {
        let named =
            reading.owners.iter().any(|(_, owner)| snapshot.who().same(&Who::User(owner.clone())));
        let traced = targets.traced.iter().any(|who| who.same(&snapshot.who()));
        if let Some(missing) = snapshot.access_keys.missing()
            && !named
            && !traced
        {
            return Err(words::keys_unread(snapshot.name(), missing));
        }
    }
    Ok(reading)
}

/// Who calls (F28).
///
/// # Errors
/// If that cannot be asked.
pub async fn calling(aws: &Aws) -> Result<Caller> {
    caller::caller(&Session::new(aws)).await
}

impl Targets {
    /// Whether it was named, and not only traced.
    fn has(&self, who: &Who) -> bool {
        let names = match who {
            Who::User(_) => &self.users,
            Who::Role(_) => &self.roles,
        };
        names.iter().any(|name| name.same_user(who.name().as_str()))
    }

    /// The names of one kind, traced or named, each once (F34).
    fn names(&self, kind: PrincipalKind) -> Vec<UserName> {
        let mut names = match kind {
            PrincipalKind::User => self.users.clone(),
            PrincipalKind::Role => self.roles.clone(),
        };
        let traced = self.traced.iter().filter(|who| who.kind() == kind);
        names.extend(traced.map(|who| who.name().clone()));
        distinct(&names)
    }
}

/// Reads users and roles that ringfence knows. One that is not there any more is listed as gone.
///
/// # Errors
/// If the caller, a user or a role cannot be read.
pub async fn read_known(aws: &Aws, known: &[Who], managed: &[(Who, String)]) -> Result<Reading> {
    let of =
        |kind| known.iter().filter(move |who| who.kind() == kind).map(|who| who.name().clone());
    let targets = Targets {
        users: of(PrincipalKind::User).collect(),
        roles: of(PrincipalKind::Role).collect(),
        managed: managed.to_vec(),
        ..Targets::default()
    };
    everything(&Session::new(aws), &targets).await
}

/// The ID of whoever bears a name now; `None` if nobody does.
///
/// # Errors
/// If it cannot be read.
pub async fn principal_id(aws: &Aws, who: &Who) -> Result<Option<PrincipalId>> {
    let session = Session::new(aws);
    let wanted = Wanted { name: who.name(), depth: 1, full: false, uses: &[] };
    match who {
        Who::User(_) => listings::user_id(&session, wanted).await,
        Who::Role(_) => roles::role_id(&session, wanted).await,
    }
}

async fn everything(s: &Session<'_>, targets: &Targets) -> Result<Reading> {
    if let Some(key) = targets.keys.iter().find(|key| key.is_temporary()) {
        return Err(words::temporary_key(key));
    }
    let (users, roles) = (targets.names(PrincipalKind::User), targets.names(PrincipalKind::Role));
    let (caller, quotas, named, roles, (uses, owners), managed) = tokio::try_join!(
        caller::caller(s),
        caller::quotas(s),
        people(s, &users, 1, targets.full, &[]),
        all_roles(s, &roles, targets.full),
        owners(s, targets, &users),
        policies(s, &targets.managed),
    )?;
    if let Some(error) = words::two_places(s.meter) {
        return Err(error);
    }
    let mut found: Vec<KeyUse> = Vec::new();
    for (key, owner) in uses {
        found.push(owner.owner(&key, &caller)?);
    }
    let mut snapshots: Vec<Snapshot> = Vec::new();
    let mut gone = Vec::new();
    for (name, snapshot) in named.into_iter().chain(owners).chain(roles) {
        match snapshot {
            Some(snapshot) => snapshots.push(snapshot),
            None => gone.push(name),
        }
    }
    settle(&mut snapshots, &caller, managed)?;
    let service_time = s.meter.date_since_mark().ok_or_else(words::no_date)?;
    finish(&mut snapshots, service_time, &quotas);
    let endpoint = s.meter.iam();
    Ok(Reading {
        caller,
        snapshots,
        owners: found.into_iter().map(|found| (found.key, found.owner)).collect(),
        gone,
        cost: s.cost(),
        service_time,
        endpoint_is_aws: endpoint.as_ref().is_some_and(|endpoint| endpoint.is_aws()),
        endpoint: endpoint.map(|endpoint| endpoint.as_str().to_owned()).unwrap_or_default(),
    })
}

/// Names without those that are the same user or role (F34).
fn distinct(names: &[UserName]) -> Vec<UserName> {
    let mut users: Vec<UserName> = Vec::new();
    for name in names {
        if !users.iter().any(|user| user.same_user(name.as_str())) {
            users.push(name.clone());
        }
    }
    users
}

type Person = (Who, Option<Snapshot>);

async fn people(
    s: &Session<'_>,
    names: &[UserName],
    depth: u32,
    full: bool,
    uses: &[KeyUse],
) -> Result<Vec<Person>> {
    try_join_all(names.iter().map(async |name| {
        let wanted = Wanted { name, depth, full, uses };
        Ok((Who::User(name.clone()), listings::user(s, wanted).await?))
    }))
    .await
}

async fn all_roles(s: &Session<'_>, names: &[UserName], full: bool) -> Result<Vec<Person>> {
    try_join_all(names.iter().map(async |name| {
        let wanted = Wanted { name, depth: 1, full, uses: &[] };
        Ok((Who::Role(name.clone()), roles::role(s, wanted).await?))
    }))
    .await
}

type Looked = Vec<(AccessKeyId, owner::Found)>;

/// Finds the owners of the keys, and reads those that are not being read by name.
async fn owners(
    s: &Session<'_>,
    targets: &Targets,
    named: &[UserName],
) -> Result<(Looked, Vec<Person>)> {
    let mut keys: Vec<&AccessKeyId> = Vec::new();
    for key in &targets.keys {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let found = try_join_all(
        keys.into_iter().map(async |key| Ok::<_, Error>((key.clone(), owner::find(s, key).await?))),
    )
    .await?;
    let uses: Vec<KeyUse> = found.iter().filter_map(|(_, found)| found.known().cloned()).collect();
    let all: Vec<UserName> = uses.iter().map(|known| known.owner.clone()).collect();
    let rest: Vec<UserName> = distinct(&all)
        .into_iter()
        .filter(|owner| !named.iter().any(|name| name.same_user(owner.as_str())))
        .collect();
    // Not begun if a key has no owner: then the reading ends with an error anyway.
    let people = if uses.len() == found.len() {
        people(s, &rest, 2, targets.full, &uses).await?
    } else {
        Vec::new()
    };
    Ok((found, people))
}

type Managed = Vec<(Who, AttachedPolicy)>;

/// Looks for customer-managed policies. One that is not there is left out.
async fn policies(s: &Session<'_>, wanted: &[(Who, String)]) -> Result<Managed> {
    let read = try_join_all(wanted.iter().map(async |(who, arn)| {
        let policy = details::managed(s, arn, 1).await?;
        Ok::<_, Error>(policy.map(|policy| (who.clone(), policy)))
    }));
    Ok(read.await?.into_iter().flatten().collect())
}

/// One snapshot for each principal, in the caller's account, with the policies looked for.
fn settle(snapshots: &mut Vec<Snapshot>, caller: &Caller, managed: Managed) -> Result<()> {
    snapshots.sort_by(|a, b| (a.who(), a.id()).cmp(&(b.who(), b.id())));
    let mut seen = std::collections::BTreeSet::new();
    snapshots.retain(|snapshot| seen.insert(snapshot.id().clone()));
    for snapshot in &*snapshots {
        let account = snapshot.arn().account();
        if account != caller.account.as_str() {
            return Err(words::two_accounts(&snapshot.who(), account, caller));
        }
    }
    for (who, policy) in managed {
        let owner = snapshots.iter_mut().find(|snapshot| snapshot.who().same(&who));
        if let Some(owner) = owner {
            owner.managed_policies.push(policy);
        }
    }
    Ok(())
}

fn finish(snapshots: &mut [Snapshot], time: jiff::Timestamp, quotas: &Observed<Quotas>) {
    for snapshot in snapshots {
        snapshot.read_at = time;
        snapshot.quotas = quotas.clone();
        if let (Observed::Read(quotas), Entity::User(_)) = (&mut snapshot.quotas, &snapshot.entity)
        {
            quotas.role = None;
        }
        snapshot.sort();
        snapshot.managed_policies.sort_by(|a, b| a.arn.cmp(&b.arn));
    }
}

/// Whether a name that is no user's is a role's, or the other way around. What cannot be asked is not claimed.
async fn is_other_kind(s: &Session<'_>, who: &Who) -> bool {
    let depth = s.cost().round_trips + 1;
    let name = who.name().as_str();
    match who {
        Who::User(_) => {
            let send = s.iam.get_role().role_name(name).send();
            s.ask("iam:GetRole", depth, send).await.is_ok()
        }
        Who::Role(_) => {
            let send = s.iam.get_user().user_name(name).send();
            s.ask("iam:GetUser", depth, send).await.is_ok()
        }
    }
}
