//! What the listings only name: last uses, and the documents of policies.

use super::document::decode;
use super::failure::Kind;
use super::listings::{attached, time};
use super::owner::KeyUse;
use super::page::PAGE;
use super::session::{Asked, Session, senseless};
use crate::error::Result;
use crate::identity::{AccessKeyId, UserName};
use crate::policy::PolicyDocument;
use crate::snapshot::{
    AccessKey, AttachedPolicy, Group, InlinePolicy, LastUsed, Missing, Observed,
};
use aws_sdk_iam::operation::get_access_key_last_used::GetAccessKeyLastUsedOutput;
use futures_util::future::try_join_all;

/// Fills in each key's last recorded use (F21), but for those that are known already.
pub(super) async fn last_uses(
    s: &Session<'_>,
    keys: &mut [AccessKey],
    known: &[KeyUse],
    depth: u32,
) -> Result<()> {
    try_join_all(keys.iter_mut().map(async |key| {
        let read = known.iter().find(|known| known.key == key.id);
        key.last_used = match read {
            Some(known) => known.last_used.clone(),
            None => last_used(s, &key.id, depth).await?,
        };
        Ok(())
    }))
    .await
    .map(|_| ())
}

async fn last_used(
    s: &Session<'_>,
    key: &AccessKeyId,
    depth: u32,
) -> Result<Observed<Option<LastUsed>>> {
    const ACTION: &str = "iam:GetAccessKeyLastUsed";
    let send = s.iam.get_access_key_last_used().access_key_id(key.as_str()).send();
    Ok(match s.observed(s.ask(ACTION, depth, send).await)? {
        Observed::Read(reply) => Observed::Read(use_of(&reply)),
        Observed::Unread(missing) => Observed::Unread(missing),
    })
}

/// The last recorded use in a reply; a key that was never used has no date.
pub(super) fn use_of(reply: &GetAccessKeyLastUsedOutput) -> Option<LastUsed> {
    let last = reply.access_key_last_used()?;
    let at = last.last_used_date().filter(|at| at.secs() > 0)?;
    Some(LastUsed {
        at: time(at).ok()?,
        service: last.service_name().to_owned(),
        region: last.region().to_owned(),
    })
}

/// Reads a user's inline policies.
pub(super) async fn user_policies(
    s: &Session<'_>,
    user: &UserName,
    names: Vec<String>,
    depth: u32,
) -> Result<Vec<InlinePolicy>> {
    let read = try_join_all(names.into_iter().map(async |name| {
        let request = s.iam.get_user_policy().user_name(user.as_str()).policy_name(&name);
        let reply = s.ask("iam:GetUserPolicy", depth, request.send()).await;
        inline(s, name, reply.map(|reply| reply.policy_document))
    }));
    Ok(read.await?.into_iter().flatten().collect())
}

/// Reads a role's inline policies.
pub(super) async fn role_policies(
    s: &Session<'_>,
    role: &UserName,
    names: Vec<String>,
    depth: u32,
) -> Result<Vec<InlinePolicy>> {
    let read = try_join_all(names.into_iter().map(async |name| {
        let request = s.iam.get_role_policy().role_name(role.as_str()).policy_name(&name);
        let reply = s.ask("iam:GetRolePolicy", depth, request.send()).await;
        inline(s, name, reply.map(|reply| reply.policy_document))
    }));
    Ok(read.await?.into_iter().flatten().collect())
}

/// A policy deleted between the listing and this call is not there any more.
fn inline(s: &Session<'_>, name: String, text: Asked<String>) -> Result<Option<InlinePolicy>> {
    if matches!(&text, Err(failure) if failure.kind == Kind::NotFound) {
        return Ok(None);
    }
    let document = s.observed(text.map(|text| decode(&text)))?;
    Ok(Some(InlinePolicy { name, document }))
}

/// Reads what the groups grant.
pub(super) async fn group_policies(
    s: &Session<'_>,
    groups: &mut [Group],
    depth: u32,
) -> Result<()> {
    try_join_all(groups.iter_mut().map(async |group| {
        let (attached, inline) = tokio::try_join!(
            group_attached(s, &group.name, depth),
            group_inline(s, &group.name, depth),
        )?;
        group.attached_policies = Some(attached);
        group.inline_policies = Some(inline);
        Ok(())
    }))
    .await
    .map(|_| ())
}

async fn group_attached(
    s: &Session<'_>,
    group: &str,
    depth: u32,
) -> Result<Observed<Vec<AttachedPolicy>>> {
    const ACTION: &str = "iam:ListAttachedGroupPolicies";
    let request = s.iam.list_attached_group_policies().group_name(group).max_items(PAGE);
    let send = |marker| request.clone().set_marker(marker).send();
    let (pages, depth) = s.list(ACTION, depth, send).await;
    let mut policies =
        s.items(ACTION, pages, |page| page.attached_policies().iter().map(attached).collect())?;
    if let Observed::Read(policies) = &mut policies {
        documents(s, policies, depth + 1).await?;
        policies.sort_by(|a, b| a.arn.cmp(&b.arn));
    }
    Ok(policies)
}

async fn group_inline(
    s: &Session<'_>,
    group: &str,
    depth: u32,
) -> Result<Observed<Vec<InlinePolicy>>> {
    const ACTION: &str = "iam:ListGroupPolicies";
    let request = s.iam.list_group_policies().group_name(group).max_items(PAGE);
    let send = |marker| request.clone().set_marker(marker).send();
    let (pages, depth) = s.list(ACTION, depth, send).await;
    let names = match s.items(ACTION, pages, |page| Ok(page.policy_names().to_vec()))? {
        Observed::Read(names) => names,
        Observed::Unread(missing) => return Ok(Observed::Unread(missing)),
    };
    let read = try_join_all(names.into_iter().map(async |name| {
        let request = s.iam.get_group_policy().group_name(group).policy_name(&name);
        let reply = s.ask("iam:GetGroupPolicy", depth + 1, request.send()).await;
        inline(s, name, reply.map(|reply| reply.policy_document))
    }));
    let mut policies: Vec<InlinePolicy> = read.await?.into_iter().flatten().collect();
    policies.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Observed::Read(policies))
}

/// Fills in the documents of attached policies, each of which is read once.
pub(super) async fn documents(
    s: &Session<'_>,
    policies: &mut [AttachedPolicy],
    depth: u32,
) -> Result<()> {
    try_join_all(policies.iter_mut().map(async |policy| {
        let place = s.document(&policy.arn);
        let document = place.get_or_try_init(|| attached_document(s, &policy.arn, depth)).await?;
        policy.document = Some(document.clone());
        Ok(())
    }))
    .await
    .map(|_| ())
}

async fn attached_document(
    s: &Session<'_>,
    arn: &str,
    depth: u32,
) -> Result<Observed<PolicyDocument>> {
    let policy = managed(s, arn, depth).await?;
    // Detached and deleted since it was listed: said, because the listing still shows it.
    Ok(policy.and_then(|policy| policy.document).unwrap_or_else(|| {
        Observed::Unread(Missing {
            action: "iam:GetPolicy".to_owned(),
            because: "it was deleted while it was read".to_owned(),
            obstacle: crate::snapshot::Obstacle::Passing,
        })
    }))
}

/// Reads a managed policy and its default version; `None` if there is none.
pub(super) async fn managed(
    s: &Session<'_>,
    arn: &str,
    depth: u32,
) -> Result<Option<AttachedPolicy>> {
    const ACTION: &str = "iam:GetPolicy";
    let reply = s.ask(ACTION, depth, s.iam.get_policy().policy_arn(arn).send()).await;
    if matches!(&reply, Err(failure) if failure.kind == Kind::NotFound) {
        return Ok(None);
    }
    let (name, document) = match s.observed(reply)? {
        Observed::Unread(missing) => (None, Observed::Unread(missing)),
        Observed::Read(reply) => {
            let policy =
                reply.policy.unwrap_or_else(|| aws_sdk_iam::types::Policy::builder().build());
            let document = match &policy.default_version_id {
                Some(version) => version_document(s, arn, version, depth + 1).await?,
                None => Observed::Unread(senseless(ACTION, "it names no default version")),
            };
            (policy.policy_name, document)
        }
    };
    let name = name.unwrap_or_else(|| arn.rsplit('/').next().unwrap_or_default().to_owned());
    Ok(Some(AttachedPolicy { arn: arn.to_owned(), name, document: Some(document) }))
}

async fn version_document(
    s: &Session<'_>,
    arn: &str,
    version: &str,
    depth: u32,
) -> Result<Observed<PolicyDocument>> {
    const ACTION: &str = "iam:GetPolicyVersion";
    let send = s.iam.get_policy_version().policy_arn(arn).version_id(version).send();
    Ok(match s.observed(s.ask(ACTION, depth, send).await)? {
        Observed::Unread(missing) => Observed::Unread(missing),
        Observed::Read(reply) => {
            match reply.policy_version.as_ref().and_then(|version| version.document()) {
                Some(text) => Observed::Read(decode(text)),
                None => Observed::Unread(senseless(ACTION, "it holds no document")),
            }
        }
    })
}
