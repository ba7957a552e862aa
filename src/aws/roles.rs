//! A role: its record and its listings, all at once. It has no credentials and no groups of its own.

use super::details;
use super::document::decode;
use super::failure::Kind;
use super::listings::{Wanted, attached, named, parsed, time};
use super::page::PAGE;
use super::session::{Senseless, Session, senseless};
use super::words;
use crate::error::Result;
use crate::identity::PrincipalId;
use crate::snapshot::{
    AttachedPolicy, Entity, InlinePolicy, Observed, Quotas, Role, RoleUse, Snapshot,
};
use aws_sdk_iam::types;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Reads a role; `None` if there is none. Time and quotas of the snapshot are still to be filled in.
pub(super) async fn role(s: &Session<'_>, wanted: Wanted<'_>) -> Result<Option<Snapshot>> {
    let (record, attached, inline, profiles) = tokio::try_join!(
        record(s, wanted),
        attached_policies(s, wanted),
        inline_policies(s, wanted),
        instance_profiles(s, wanted),
    )?;
    Ok(record.map(|record| Snapshot {
        read_at: Timestamp::UNIX_EPOCH,
        entity: Entity::Role(Role { instance_profiles: profiles, ..record.role }),
        access_keys: Observed::Read(Vec::new()),
        login_profile: Observed::Read(None),
        ssh_keys: Observed::Read(Vec::new()),
        signing_certificates: Observed::Read(Vec::new()),
        service_credentials: Observed::Read(Vec::new()),
        mfa_devices: Observed::Read(Vec::new()),
        groups: Observed::Read(Vec::new()),
        permissions_boundary: record.boundary,
        attached_policies: attached,
        inline_policies: inline,
        tags: Observed::Read(record.tags),
        managed_policies: Vec::new(),
        quotas: Observed::Read(Quotas::default()),
    }))
}

/// The ID that a role has; `None` if there is none of that name.
pub(super) async fn role_id(s: &Session<'_>, wanted: Wanted<'_>) -> Result<Option<PrincipalId>> {
    Ok(record(s, wanted).await?.map(|record| record.role.id))
}

struct Record {
    role: Role,
    boundary: Option<String>,
    tags: BTreeMap<String, String>,
}

async fn record(s: &Session<'_>, wanted: Wanted<'_>) -> Result<Option<Record>> {
    const ACTION: &str = "iam:GetRole";
    let send = s.iam.get_role().role_name(wanted.name.as_str()).send();
    let role = match s.ask(ACTION, wanted.depth, send).await {
        Ok(reply) => reply.role,
        Err(failure) if failure.kind == Kind::NotFound => return Ok(None),
        Err(failure) if failure.kind == Kind::Denied => {
            return Err(words::denied(&format!("role `{}`", wanted.name), &failure));
        }
        Err(failure) => return Err(s.fatal(&failure)),
    };
    let record = role.ok_or(Senseless("it holds no role".to_owned()));
    match record.and_then(|role| taken(&role)) {
        Ok(record) => Ok(Some(record)),
        Err(Senseless(what)) => Err(words::senseless(ACTION, &what)),
    }
}

fn taken(role: &types::Role) -> Result<Record, Senseless> {
    /// What a session of a role lasts where nothing else is set (F1).
    const HOUR: u32 = 3_600;
    let used = role.role_last_used().and_then(|used| Some((used.last_used_date()?, used.region())));
    let last_used = used
        .filter(|(at, _)| at.secs() > 0)
        .map(|(at, region)| {
            Ok(RoleUse { at: time(at)?, region: region.unwrap_or_default().to_owned() })
        })
        .transpose()?;
    Ok(Record {
        role: Role {
            name: parsed(role.role_name())?,
            id: parsed(role.role_id())?,
            arn: parsed(role.arn())?,
            created_at: time(role.create_date())?,
            trust: match role.assume_role_policy_document() {
                Some(text) => Observed::Read(decode(text)),
                None => Observed::Unread(senseless("iam:GetRole", "it holds no trust policy")),
            },
            max_session_s: role
                .max_session_duration()
                .and_then(|seconds| u32::try_from(seconds).ok())
                .filter(|seconds| *seconds > 0)
                .unwrap_or(HOUR),
            last_used,
            // Filled in by another call.
            instance_profiles: Observed::Read(Vec::new()),
        },
        boundary: role
            .permissions_boundary()
            .and_then(types::AttachedPermissionsBoundary::permissions_boundary_arn)
            .map(str::to_owned),
        tags: role
            .tags()
            .iter()
            .map(|tag| (tag.key().to_owned(), tag.value().to_owned()))
            .collect(),
    })
}

async fn instance_profiles(s: &Session<'_>, wanted: Wanted<'_>) -> Result<Observed<Vec<String>>> {
    const ACTION: &str = "iam:ListInstanceProfilesForRole";
    let request =
        s.iam.list_instance_profiles_for_role().role_name(wanted.name.as_str()).max_items(PAGE);
    let send = |marker| request.clone().set_marker(marker).send();
    let (pages, _) = s.list(ACTION, wanted.depth, send).await;
    s.items(ACTION, pages, |page| {
        page.instance_profiles().iter().map(|one| named(one.instance_profile_name())).collect()
    })
}

async fn attached_policies(
    s: &Session<'_>,
    wanted: Wanted<'_>,
) -> Result<Observed<Vec<AttachedPolicy>>> {
    const ACTION: &str = "iam:ListAttachedRolePolicies";
    let request =
        s.iam.list_attached_role_policies().role_name(wanted.name.as_str()).max_items(PAGE);
    let send = |marker| request.clone().set_marker(marker).send();
    let (pages, depth) = s.list(ACTION, wanted.depth, send).await;
    let mut policies =
        s.items(ACTION, pages, |page| page.attached_policies().iter().map(attached).collect())?;
    if let Observed::Read(policies) = &mut policies
        && wanted.full
    {
        details::documents(s, policies, depth + 1).await?;
    }
    Ok(policies)
}

async fn inline_policies(
    s: &Session<'_>,
    wanted: Wanted<'_>,
) -> Result<Observed<Vec<InlinePolicy>>> {
    const ACTION: &str = "iam:ListRolePolicies";
    let request = s.iam.list_role_policies().role_name(wanted.name.as_str()).max_items(PAGE);
    let send = |marker| request.clone().set_marker(marker).send();
    let (pages, depth) = s.list(ACTION, wanted.depth, send).await;
    let names = s.items(ACTION, pages, |page| Ok(page.policy_names().to_vec()))?;
    match names {
        Observed::Unread(missing) => Ok(Observed::Unread(missing)),
        Observed::Read(names) => {
            let read = details::role_policies(s, wanted.name, names, depth + 1).await?;
            Ok(Observed::Read(read))
        }
    }
}
