//! A reading: three calls deep at the most, everything else side by side (D8).

use super::listings::{self, Wanted};
use super::owner::{self, KeyUse};
use super::session::Session;
use super::{Aws, Reading, Targets, caller, details, words};
use crate::error::{Error, Result};
use crate::identity::{AccessKeyId, Caller, UserName};
use crate::snapshot::{AttachedPolicy, Observed, Quotas, Snapshot};
use futures_util::future::try_join_all;

/// Reads the users and the owners of the keys. A user or key that is not there is an error.
///
/// # Errors
/// If the caller, a user, a key's owner, or the keys of a user of whom none was named cannot be read.
pub async fn read(aws: &Aws, targets: &Targets) -> Result<Reading> {
    let s = Session::new(aws);
    let reading = everything(&s, targets).await?;
    if let Some(name) = reading.gone.first() {
        let is_role = name_of_role(&s, name).await;
        return Err(words::no_user(name, is_role, &reading.caller));
    }
    for snapshot in &reading.snapshots {
        let named =
            reading.owners.iter().any(|(_, owner)| snapshot.user.name.same_user(owner.as_str()));
        if let Some(missing) = snapshot.access_keys.missing()
            && !named
        {
            return Err(words::keys_unread(&snapshot.user.name, missing));
        }
    }
    Ok(reading)
}

/// Reads users that ringfence knows. One that is not there any more is listed as gone.
///
/// # Errors
/// If the caller or a user cannot be read.
pub async fn read_known(
    aws: &Aws,
    users: &[UserName],
    managed: &[(UserName, String)],
) -> Result<Reading> {
    let targets =
        Targets { users: users.to_vec(), managed: managed.to_vec(), ..Targets::default() };
    everything(&Session::new(aws), &targets).await
}

async fn everything(s: &Session<'_>, targets: &Targets) -> Result<Reading> {
    if let Some(key) = targets.keys.iter().find(|key| key.is_temporary()) {
        return Err(words::temporary_key(key));
    }
    let users = distinct(&targets.users);
    let (caller, quotas, named, (uses, owners), managed) = tokio::try_join!(
        caller::caller(s),
        caller::quotas(s),
        people(s, &users, 1, targets.full, &[]),
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
    for (name, snapshot) in named.into_iter().chain(owners) {
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

/// Names without those that are the same user (F34).
fn distinct(names: &[UserName]) -> Vec<UserName> {
    let mut users: Vec<UserName> = Vec::new();
    for name in names {
        if !users.iter().any(|user| user.same_user(name.as_str())) {
            users.push(name.clone());
        }
    }
    users
}

type Person = (UserName, Option<Snapshot>);

async fn people(
    s: &Session<'_>,
    names: &[UserName],
    depth: u32,
    full: bool,
    uses: &[KeyUse],
) -> Result<Vec<Person>> {
    try_join_all(names.iter().map(async |name| {
        let wanted = Wanted { name, depth, full, uses };
        Ok((name.clone(), listings::user(s, wanted).await?))
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

type Managed = Vec<(UserName, AttachedPolicy)>;

/// Looks for customer-managed policies. One that is not there is left out.
async fn policies(s: &Session<'_>, wanted: &[(UserName, String)]) -> Result<Managed> {
    let read = try_join_all(wanted.iter().map(async |(user, arn)| {
        let policy = details::managed(s, arn, 1).await?;
        Ok::<_, Error>(policy.map(|policy| (user.clone(), policy)))
    }));
    Ok(read.await?.into_iter().flatten().collect())
}

/// One snapshot for each principal, in the caller's account, with the policies looked for.
fn settle(snapshots: &mut Vec<Snapshot>, caller: &Caller, managed: Managed) -> Result<()> {
    snapshots.sort_by(|a, b| (&a.user.name, &a.user.id).cmp(&(&b.user.name, &b.user.id)));
    let mut seen = std::collections::BTreeSet::new();
    snapshots.retain(|snapshot| seen.insert(snapshot.user.id.clone()));
    for snapshot in &*snapshots {
        let account = snapshot.user.arn.account();
        if account != caller.account.as_str() {
            return Err(words::two_accounts(&snapshot.user.name, account, caller));
        }
    }
    for (user, policy) in managed {
        let owner =
            snapshots.iter_mut().find(|snapshot| snapshot.user.name.same_user(user.as_str()));
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
        snapshot.sort();
        snapshot.managed_policies.sort_by(|a, b| a.arn.cmp(&b.arn));
    }
}

/// Whether a name that is no user's is a role's. What cannot be asked is not claimed.
async fn name_of_role(s: &Session<'_>, name: &UserName) -> bool {
    let depth = s.cost().round_trips + 1;
    let send = s.iam.get_role().role_name(name.as_str()).send();
    s.ask("iam:GetRole", depth, send).await.is_ok()
}
