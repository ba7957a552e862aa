//! The account: its quotas and counts, and its alias.

use crate::sandbox::account::Account;
use crate::sandbox::act::{Act, Done};
use crate::sandbox::dispatch::Table;
use crate::sandbox::fault::Fault;
use crate::sandbox::managed;
use crate::sandbox::page::Page;
use crate::sandbox::quota;
use crate::sandbox::rules;
use crate::sandbox::xml::Xml;

pub(super) const ACTIONS: Table = &[
    ("GetAccountSummary", summary),
    ("ListAccountAliases", aliases),
    ("CreateAccountAlias", create_alias),
    ("DeleteAccountAlias", delete_alias),
];

fn summary(act: &mut Act<'_>) -> Done {
    act.allow("*")?;
    let mut xml = Xml::new();
    let numbers = numbers(act.account()?);
    xml.within("SummaryMap", |xml| {
        for (key, value) in numbers {
            xml.within("entry", |xml| {
                xml.text("key", key).value("value", value);
            });
        }
    });
    Ok(Some(xml))
}

fn numbers(account: &Account) -> Vec<(&'static str, usize)> {
    let own = account.policies.values().filter(|policy| !managed::is_of_aws(&policy.arn));
    let in_use = account.mfa_devices.values().filter(|device| device.user.is_some()).count();
    vec![
        ("Users", account.users.len()),
        ("UsersQuota", quota::USERS),
        ("Groups", account.groups.len()),
        ("GroupsQuota", quota::GROUPS),
        ("Roles", account.roles.len()),
        ("RolesQuota", quota::ROLES),
        ("Policies", own.clone().count()),
        ("PoliciesQuota", quota::POLICIES),
        ("PolicyVersionsInUse", own.map(|policy| policy.versions.len()).sum()),
        ("PolicyVersionsInUseQuota", 10_000),
        ("PolicySizeQuota", quota::MANAGED_SIZE),
        ("VersionsPerPolicyQuota", quota::VERSIONS),
        ("AttachedPoliciesPerUserQuota", quota::ATTACHED),
        ("AttachedPoliciesPerGroupQuota", quota::ATTACHED),
        ("AttachedPoliciesPerRoleQuota", quota::ATTACHED),
        ("UserPolicySizeQuota", quota::USER_POLICY_SIZE),
        ("GroupPolicySizeQuota", quota::GROUP_POLICY_SIZE),
        ("RolePolicySizeQuota", quota::ROLE_POLICY_SIZE),
        ("AssumeRolePolicySizeQuota", quota::TRUST_SIZE),
        ("GroupsPerUserQuota", quota::GROUPS_PER_USER),
        ("AccessKeysPerUserQuota", quota::KEYS_PER_USER),
        ("SigningCertificatesPerUserQuota", quota::CERTIFICATES_PER_USER),
        ("MFADevices", account.mfa_devices.len()),
        ("MFADevicesInUse", in_use),
        ("AccountMFAEnabled", 0),
        ("AccountAccessKeysPresent", 0),
        ("AccountSigningCertificatesPresent", 0),
        ("AccountPasswordPresent", 1),
        ("InstanceProfiles", account.instance_profiles.len()),
        ("InstanceProfilesQuota", quota::INSTANCE_PROFILES),
        ("ServerCertificates", account.server_certificates.len()),
        ("ServerCertificatesQuota", quota::SERVER_CERTIFICATES),
        ("Providers", 0),
        ("GlobalEndpointTokenVersion", 1),
    ]
}

fn aliases(act: &mut Act<'_>) -> Done {
    act.allow("*")?;
    let all = act.account()?.alias.iter().collect();
    let page = Page::of(act.params, all, |alias: &&String| (*alias).clone())?;
    let mut xml = Xml::new();
    xml.texts("AccountAliases", &page.items);
    page.end(&mut xml);
    Ok(Some(xml))
}

fn alias<'a>(act: &'a Act<'_>) -> Result<&'a str, Fault> {
    let text = act.params.text("AccountAlias", 3, 63)?;
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let edges = text.starts_with('-') || text.ends_with('-') || text.contains("--");
    if text.chars().all(fits) && !edges {
        Ok(text)
    } else {
        Err(rules::pattern("AccountAlias", text, "^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$"))
    }
}

fn create_alias(act: &mut Act<'_>) -> Done {
    let alias = alias(act)?.to_owned();
    act.allow("*")?;
    let taken = act.world.account_ids().any(|id| {
        let other = act.world.account(id).and_then(|account| account.alias.as_ref());
        id != act.caller.account && other == Some(&alias)
    });
    if taken {
        return Err(Fault::exists(format!("The account alias {alias} already exists.")));
    }
    act.account_mut()?.alias = Some(alias);
    Ok(None)
}

fn delete_alias(act: &mut Act<'_>) -> Done {
    let alias = alias(act)?.to_owned();
    act.allow("*")?;
    let account = act.account_mut()?;
    if account.alias.as_ref() != Some(&alias) {
        return Err(Fault::missing(format!("The Account Alias {alias} cannot be found.")));
    }
    account.alias = None;
    Ok(None)
}
