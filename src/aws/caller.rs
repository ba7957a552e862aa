//! The caller and its account: who reads, and which quotas hold.

use super::failure::Kind;
use super::session::Session;
use super::words;
use crate::error::Result;
use crate::identity::Caller;
use crate::snapshot::{Observed, Quotas, RoleQuotas};
use aws_sdk_iam::types::SummaryKeyType;

/// Asks who calls (F28). No policy can deny it (F6).
pub(super) async fn caller(s: &Session<'_>) -> Result<Caller> {
    const ACTION: &str = "sts:GetCallerIdentity";
    let reply =
        s.ask(ACTION, 1, s.sts.get_caller_identity().send()).await.map_err(
            |failure| match failure.kind {
                Kind::Denied => words::denied("who calls", &failure),
                _ => s.fatal(&failure),
            },
        )?;
    let senseless = |what| words::senseless(ACTION, what);
    let (account, arn) = (reply.account().unwrap_or_default(), reply.arn().unwrap_or_default());
    Ok(Caller {
        account: account.parse().map_err(|_| senseless("no account"))?,
        arn: arn.parse().map_err(|_| senseless("no ARN"))?,
        id: reply.user_id().unwrap_or_default().to_owned(),
    })
}

/// Asks for the quotas that decide where a deny fits; what the service leaves out has AWS's default (F15).
pub(super) async fn quotas(s: &Session<'_>) -> Result<Observed<Quotas>> {
    const ACTION: &str = "iam:GetAccountSummary";
    let reply = s.ask(ACTION, 1, s.iam.get_account_summary().send()).await;
    let reply = match s.observed(reply)? {
        Observed::Read(reply) => reply,
        Observed::Unread(missing) => return Ok(Observed::Unread(missing)),
    };
    let said = |key: &SummaryKeyType| {
        let number = reply.summary_map().and_then(|map| map.get(key));
        number.and_then(|number| u32::try_from(*number).ok())
    };
    let quota = |key: &SummaryKeyType, default: u32| said(key).unwrap_or(default);
    let (default, role) = (Quotas::default(), RoleQuotas::default());
    Ok(Observed::Read(Quotas {
        attached_policies_per_user: quota(
            &SummaryKeyType::AttachedPoliciesPerUserQuota,
            default.attached_policies_per_user,
        ),
        inline_policy_size: quota(&SummaryKeyType::UserPolicySizeQuota, default.inline_policy_size),
        customer_policies: said(&SummaryKeyType::Policies)
            .zip(said(&SummaryKeyType::PoliciesQuota)),
        role: Some(RoleQuotas {
            attached_policies: quota(
                &SummaryKeyType::AttachedPoliciesPerRoleQuota,
                role.attached_policies,
            ),
            inline_policy_size: quota(
                &SummaryKeyType::RolePolicySizeQuota,
                role.inline_policy_size,
            ),
        }),
    }))
}
