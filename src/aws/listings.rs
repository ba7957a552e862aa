//! A user: its record and its listings, all at once.

use super::details;
use super::failure::Kind;
use super::owner::KeyUse;
use super::page::PAGE;
use super::session::{Senseless, Session, senseless};
use super::words;
use crate::error::Result;
use crate::identity::{PrincipalId, UserName};
use crate::snapshot::{
    AccessKey, AttachedPolicy, Entity, Group, InlinePolicy, LoginProfile, MfaDevice, Observed,
    Quotas, ServiceCredential, Snapshot, Status, Uploaded, User,
};
use aws_sdk_iam::types;
use aws_smithy_types::DateTime;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// What to read of a user or a role, and from which depth on.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// Its name.
    pub(super) name: &'a UserName,
    /// The depth of the first calls.
    pub(super) depth: u32,
    /// Whether the policies of its groups and the documents of attached policies are wanted.
    pub(super) full: bool,
    /// The last uses that are known already.
    pub(super) uses: &'a [KeyUse],
}

/// Reads a user; `None` if there is none. Time and quotas of the snapshot are still to be filled in.
pub(super) async fn user(s: &Session<'_>, wanted: Wanted<'_>) -> Result<Option<Snapshot>> {
    let (record, keys, login, ssh, certificates, services, mfa, groups, attached, inline) = tokio::try_join!(
        record(s, wanted),
        access_keys(s, wanted),
        login_profile(s, wanted),
        ssh_keys(s, wanted),
        signing_certificates(s, wanted),
        service_credentials(s, wanted),
        mfa_devices(s, wanted),
        groups(s, wanted),
        attached_policies(s, wanted),
        inline_policies(s, wanted),
    )?;
    Ok(record.map(|record| Snapshot {
        read_at: Timestamp::UNIX_EPOCH,
        entity: Entity::User(record.user),
        access_keys: keys,
        login_profile: login,
        ssh_keys: ssh,
        signing_certificates: certificates,
        service_credentials: services,
        mfa_devices: mfa,
        groups,
        permissions_boundary: record.boundary,
        attached_policies: attached,
        inline_policies: inline,
        tags: Observed::Read(record.tags),
        managed_policies: Vec::new(),
        quotas: Observed::Read(Quotas::default()),
    }))
}

/// The ID that a user has; `None` if there is none of that name.
pub(super) async fn user_id(s: &Session<'_>, wanted: Wanted<'_>) -> Result<Option<PrincipalId>> {
    Ok(record(s, wanted).await?.map(|record| record.user.id))
}

struct Record {
    user: User,
    boundary: Option<String>,
    tags: BTreeMap<String, String>,
}

async fn record(s: &Session<'_>, wanted: Wanted<'_>) -> Result<Option<Record>> {
    const ACTION: &str = "iam:GetUser";
    let send = s.iam.get_user().user_name(wanted.name.as_str()).send();
    let user = match s.ask(ACTION, wanted.depth, send).await {
        Ok(reply) => reply.user,
        Err(failure) if failure.kind == Kind::NotFound => return Ok(None),
        Err(failure) if failure.kind == Kind::Denied => {
            return Err(words::denied(&format!("user `{}`", wanted.name), &failure));
        }
        Err(failure) => return Err(s.fatal(&failure)),
    };
    let record = user.ok_or(Senseless("it holds no user".to_owned()));
    match record.and_then(|user| taken(&user)) {
        Ok(record) => Ok(Some(record)),
        Err(Senseless(what)) => Err(words::senseless(ACTION, &what)),
    }
}

fn taken(user: &types::User) -> Result<Record, Senseless> {
    let tags = user.tags().iter();
    Ok(Record {
        user: User {
            name: parsed(user.user_name())?,
            id: parsed(user.user_id())?,
            arn: parsed(user.arn())?,
            created_at: time(user.create_date())?,
            password_last_used: user.password_last_used().map(time).transpose()?,
        },
        boundary: user
            .permissions_boundary()
            .and_then(types::AttachedPermissionsBoundary::permissions_boundary_arn)
            .map(str::to_owned),
        tags: tags.map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect(),
    })
}

async fn access_keys(s: &Session<'_>, wanted: Wanted<'_>) -> Result<Observed<Vec<AccessKey>>> {
    const ACTION: &str = "iam:ListAccessKeys";
    let request = s.iam.list_access_keys().user_name(wanted.name.as_str()).max_items(PAGE);
    let send = |marker| request.clone().set_marker(marker).send();
    let (pages, depth) = s.list(ACTION, wanted.depth, send).await;
    let mut keys =
        s.items(ACTION, pages, |page| page.access_key_metadata().iter().map(access_key).collect())?;
    if let Observed::Read(keys) = &mut keys {
        details::last_uses(s, keys, wanted.uses, depth + 1).await?;
    }
    Ok(keys)
}

fn access_key(key: &types::AccessKeyMetadata) -> Result<AccessKey, Senseless> {
    Ok(AccessKey {
        id: parsed(key.access_key_id().unwrap_or_default())?,
        status: status(key.status())?,
        created_at: key.create_date().map_or_else(|| Err(absent("CreateDate")), time)?,
        // Filled in by the next call.
        last_used: Observed::Read(None),
    })
}

async fn login_profile(
    s: &Session<'_>,
    wanted: Wanted<'_>,
) -> Result<Observed<Option<LoginProfile>>> {
    const ACTION: &str = "iam:GetLoginProfile";
    let send = s.iam.get_login_profile().user_name(wanted.name.as_str()).send();
    let reply = match s.ask(ACTION, wanted.depth, send).await {
        // A user without a password has no login profile.
        Err(failure) if failure.kind == Kind::NotFound => return Ok(Observed::Read(None)),
        reply => s.observed(reply)?,
    };
    let reply = match reply {
        Observed::Read(reply) => reply,
        Observed::Unread(missing) => return Ok(Observed::Unread(missing)),
    };
    let profile = reply.login_profile.ok_or_else(|| absent("LoginProfile"));
    let profile = profile.and_then(|profile| {
        Ok(LoginProfile {
            created_at: time(profile.create_date())?,
            reset_required: profile.password_reset_required(),
        })
    });
    Ok(match profile {
        Ok(profile) => Observed::Read(Some(profile)),
        Err(Senseless(what)) => Observed::Unread(senseless(ACTION, &what)),
    })
}

async fn ssh_keys(s: &Session<'_>, wanted: Wanted<'_>) -> Result<Observed<Vec<Uploaded>>> {
    const ACTION: &str = "iam:ListSSHPublicKeys";
    let request = s.iam.list_ssh_public_keys().user_name(wanted.name.as_str()).max_items(PAGE);
    let send = |marker| request.clone().set_marker(marker).send();
    let (pages, _) = s.list(ACTION, wanted.depth, send).await;
    s.items(ACTION, pages, |page| {
        let key = |key: &types::SshPublicKeyMetadata| {
            uploaded(key.ssh_public_key_id(), key.status(), Some(key.upload_date()))
        };
        page.ssh_public_keys().iter().map(key).collect()
    })
}

async fn signing_certificates(
    s: &Session<'_>,
    wanted: Wanted<'_>,
) -> Result<Observed<Vec<Uploaded>>> {
    const ACTION: &str = "iam:ListSigningCertificates";
    let request = s.iam.list_signing_certificates().user_name(wanted.name.as_str()).max_items(PAGE);
    let send = |marker| request.clone().set_marker(marker).send();
    let (pages, _) = s.list(ACTION, wanted.depth, send).await;
    s.items(ACTION, pages, |page| {
        let certificate = |certificate: &types::SigningCertificate| {
            let uploaded_at = certificate.upload_date();
            uploaded(certificate.certificate_id(), certificate.status(), uploaded_at)
        };
        page.certificates().iter().map(certificate).collect()
    })
}

fn uploaded(
    id: &str,
    state: &types::StatusType,
    at: Option<&DateTime>,
) -> Result<Uploaded, Senseless> {
    Ok(Uploaded {
        id: named(id)?,
        status: status(Some(state))?,
        uploaded_at: at.filter(|at| at.secs() != 0).map(time).transpose()?,
    })
}

async fn service_credentials(
    s: &Session<'_>,
    wanted: Wanted<'_>,
) -> Result<Observed<Vec<ServiceCredential>>> {
    const ACTION: &str = "iam:ListServiceSpecificCredentials";
    // Without a service's name, so that credentials of every service are listed.
    let request =
        s.iam.list_service_specific_credentials().user_name(wanted.name.as_str()).max_items(PAGE);
    let send = |marker| request.clone().set_marker(marker).send();
    let (pages, _) = s.list(ACTION, wanted.depth, send).await;
    s.items(ACTION, pages, |page| {
        let credential = |credential: &types::ServiceSpecificCredentialMetadata| {
            Ok(ServiceCredential {
                id: named(credential.service_specific_credential_id())?,
                service: credential.service_name().to_owned(),
                status: status(Some(credential.status()))?,
                created_at: time(credential.create_date())?,
                expires_at: credential.expiration_date().map(time).transpose()?,
            })
        };
        page.service_specific_credentials().iter().map(credential).collect()
    })
}

async fn mfa_devices(s: &Session<'_>, wanted: Wanted<'_>) -> Result<Observed<Vec<MfaDevice>>> {
    const ACTION: &str = "iam:ListMFADevices";
    let request = s.iam.list_mfa_devices().user_name(wanted.name.as_str()).max_items(PAGE);
    let send = |marker| request.clone().set_marker(marker).send();
    let (pages, _) = s.list(ACTION, wanted.depth, send).await;
    s.items(ACTION, pages, |page| {
        let device = |device: &types::MfaDevice| {
            Ok(MfaDevice {
                serial_number: named(device.serial_number())?,
                enabled_at: time(device.enable_date())?,
            })
        };
        page.mfa_devices().iter().map(device).collect()
    })
}

async fn groups(s: &Session<'_>, wanted: Wanted<'_>) -> Result<Observed<Vec<Group>>> {
    const ACTION: &str = "iam:ListGroupsForUser";
    let request = s.iam.list_groups_for_user().user_name(wanted.name.as_str()).max_items(PAGE);
    let send = |marker| request.clone().set_marker(marker).send();
    let (pages, depth) = s.list(ACTION, wanted.depth, send).await;
    let mut groups = s.items(ACTION, pages, |page| {
        let group = |group: &types::Group| {
            Ok(Group {
                name: named(group.group_name())?,
                attached_policies: None,
                inline_policies: None,
            })
        };
        page.groups().iter().map(group).collect()
    })?;
    if let Observed::Read(groups) = &mut groups
        && wanted.full
    {
        details::group_policies(s, groups, depth + 1).await?;
    }
    Ok(groups)
}

async fn attached_policies(
    s: &Session<'_>,
    wanted: Wanted<'_>,
) -> Result<Observed<Vec<AttachedPolicy>>> {
    const ACTION: &str = "iam:ListAttachedUserPolicies";
    let request =
        s.iam.list_attached_user_policies().user_name(wanted.name.as_str()).max_items(PAGE);
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
    const ACTION: &str = "iam:ListUserPolicies";
    let request = s.iam.list_user_policies().user_name(wanted.name.as_str()).max_items(PAGE);
    let send = |marker| request.clone().set_marker(marker).send();
    let (pages, depth) = s.list(ACTION, wanted.depth, send).await;
    let names = s.items(ACTION, pages, |page| Ok(page.policy_names().to_vec()))?;
    match names {
        Observed::Unread(missing) => Ok(Observed::Unread(missing)),
        Observed::Read(names) => {
            let read = details::user_policies(s, wanted.name, names, depth + 1).await?;
            Ok(Observed::Read(read))
        }
    }
}

/// A managed policy as a listing has it, without its document.
pub(super) fn attached(policy: &types::AttachedPolicy) -> Result<AttachedPolicy, Senseless> {
    Ok(AttachedPolicy {
        arn: named(policy.policy_arn().unwrap_or_default())?,
        name: policy.policy_name().unwrap_or_default().to_owned(),
        document: None,
    })
}

/// A time in whole seconds.
pub(super) fn time(at: &DateTime) -> Result<Timestamp, Senseless> {
    Timestamp::from_second(at.secs()).map_err(|_| Senseless(format!("the time {}", at.secs())))
}

fn status(status: Option<&types::StatusType>) -> Result<Status, Senseless> {
    match status.map(types::StatusType::as_str) {
        Some("Active") => Ok(Status::Active),
        Some("Inactive") => Ok(Status::Inactive),
        Some("Expired") => Ok(Status::Expired),
        other => Err(Senseless(format!("the status `{}`", other.unwrap_or_default()))),
    }
}

pub(super) fn parsed<T: std::str::FromStr<Err = crate::identity::Malformed>>(
    text: &str,
) -> Result<T, Senseless> {
    text.parse().map_err(|malformed| Senseless(format!("`{text}`: {malformed}")))
}

pub(super) fn named(text: &str) -> Result<String, Senseless> {
    if text.is_empty() { Err(absent("a name")) } else { Ok(text.to_owned()) }
}

fn absent(what: &str) -> Senseless {
    Senseless(format!("{what} is absent"))
}
