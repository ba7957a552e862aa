//! What an attacker leaves behind: which calls make or change what, which undo it, and the technique that ATT&CK
//! has for it. The techniques of calls are facts of the TrailDiscover catalogue (see `docs/trace.md`).

use super::found::Parameters;
use crate::trail::Event;
use foldhash::fast::FixedState;
use memchr::memchr;
use std::collections::HashMap;
use std::sync::LazyLock;

/// A call that makes or changes something that stays.
pub(super) struct Made {
    pub(super) event: &'static str,
    pub(super) service: &'static str,
    pub(super) kind: &'static str,
    name: &'static [&'static str],
    /// ATT&CK's ID and name; empty where the catalogue has none for this call.
    pub(super) technique: (&'static str, &'static str),
}

/// A call that undoes it.
struct Unmade {
    event: &'static str,
    service: &'static str,
    kind: &'static str,
    name: &'static [&'static str],
}

const MANIPULATION: (&str, &str) = ("T1098", "Account Manipulation");
const CREDENTIALS: (&str, &str) =
    ("T1098.001", "Account Manipulation: Additional Cloud Credentials");
const ROLES: (&str, &str) = ("T1098.003", "Account Manipulation: Additional Cloud Roles");
const ACCOUNT: (&str, &str) = ("T1136.003", "Create Account: Cloud Account");
const CLOUD_ACCOUNTS: (&str, &str) = ("T1078.004", "Valid Accounts: Cloud Accounts");
const TRIGGERED: (&str, &str) = ("T1546", "Event Triggered Execution");
const DEFENSES: (&str, &str) = ("T1562.001", "Impair Defenses: Disable or Modify Tools");
const EXTERNAL: (&str, &str) = ("T1133", "External Remote Services");
const NONE: (&str, &str) = ("", "");

macro_rules! made {
    ($($service:literal $event:literal => $kind:literal $name:expr, $technique:expr;)+) => {
        &[$(Made { event: $event, service: $service, kind: $kind, name: &$name, technique: $technique }),+]
    };
}

macro_rules! unmade {
    ($($service:literal $event:literal => $kind:literal $name:expr;)+) => {
        &[$(Unmade { event: $event, service: $service, kind: $kind, name: &$name }),+]
    };
}

const MADE: &[Made] = made! {
    "iam" "CreateUser" => "user" ["<user.userName", "userName"], ACCOUNT;
    "iam" "CreateAccessKey" => "access_key" ["<accessKey.accessKeyId"], ACCOUNT;
    "iam" "UpdateAccessKey" => "access_key_status" ["accessKeyId"], MANIPULATION;
    "iam" "CreateLoginProfile" => "login_profile" ["userName", "<loginProfile.userName"], CREDENTIALS;
    "iam" "UpdateLoginProfile" => "login_profile" ["userName", "@user"], MANIPULATION;
    "iam" "ChangePassword" => "login_profile" ["@user"], CLOUD_ACCOUNTS;
    "iam" "CreateServiceSpecificCredential" => "service_credential"
        ["<serviceSpecificCredential.serviceSpecificCredentialId"], NONE;
    "iam" "ResetServiceSpecificCredential" => "service_credential" ["serviceSpecificCredentialId"], NONE;
    "iam" "UploadSSHPublicKey" => "ssh_key" ["<sSHPublicKey.sSHPublicKeyId"], NONE;
    "iam" "UploadSigningCertificate" => "signing_certificate" ["<certificate.certificateId"], NONE;
    "iam" "AttachUserPolicy" => "attached_user_policy" ["userName + policyArn"], ROLES;
    "iam" "AttachRolePolicy" => "attached_role_policy" ["roleName + policyArn"], MANIPULATION;
    "iam" "AttachGroupPolicy" => "attached_group_policy" ["groupName + policyArn"], ROLES;
    "iam" "PutUserPolicy" => "inline_user_policy" ["userName + policyName"], ROLES;
    "iam" "PutRolePolicy" => "inline_role_policy" ["roleName + policyName"], MANIPULATION;
    "iam" "PutGroupPolicy" => "inline_group_policy" ["groupName + policyName"], MANIPULATION;
    "iam" "CreatePolicy" => "policy" ["<policy.arn"], ROLES;
    "iam" "CreatePolicyVersion" => "policy_version" ["policyArn + <policyVersion.versionId", "policyArn"], ROLES;
    "iam" "SetDefaultPolicyVersion" => "policy_default" ["policyArn + versionId"], MANIPULATION;
    "iam" "AddUserToGroup" => "group_member" ["groupName + userName"], MANIPULATION;
    "iam" "CreateGroup" => "group" ["groupName"], ROLES;
    "iam" "CreateRole" => "role" ["roleName", "<role.roleName"], ACCOUNT;
    "iam" "UpdateAssumeRolePolicy" => "role_trust" ["roleName"], MANIPULATION;
    "iam" "CreateServiceLinkedRole" => "role" ["<role.roleName"], MANIPULATION;
    "iam" "PutUserPermissionsBoundary" => "user_boundary" ["userName"], MANIPULATION;
    "iam" "PutRolePermissionsBoundary" => "role_boundary" ["roleName"], MANIPULATION;
    "iam" "DeleteUserPermissionsBoundary" => "user_boundary_removed" ["userName"], MANIPULATION;
    "iam" "DeleteRolePermissionsBoundary" => "role_boundary_removed" ["roleName"], MANIPULATION;
    "iam" "CreateInstanceProfile" => "instance_profile" ["instanceProfileName"], NONE;
    "iam" "AddRoleToInstanceProfile" => "instance_profile_role" ["instanceProfileName + roleName"], CREDENTIALS;
    "iam" "CreateOpenIDConnectProvider" => "oidc_provider" ["<openIDConnectProviderArn"], ACCOUNT;
    "iam" "CreateSAMLProvider" => "saml_provider" ["<sAMLProviderArn"], ACCOUNT;
    "iam" "UpdateSAMLProvider" => "saml_provider" ["sAMLProviderArn"], MANIPULATION;
    "iam" "CreateVirtualMFADevice" => "mfa_device" ["<virtualMFADevice.serialNumber"], NONE;
    "iam" "EnableMFADevice" => "mfa_device_enabled" ["userName + serialNumber", "serialNumber"], NONE;
    "iam" "DeactivateMFADevice" => "mfa_device_removed" ["userName + serialNumber", "serialNumber"], DEFENSES;
    "rolesanywhere" "CreateTrustAnchor" => "trust_anchor" ["<trustAnchor.trustAnchorId"], NONE;
    "rolesanywhere" "CreateProfile" => "roles_anywhere_profile" ["<profile.profileId"], NONE;
    "sso" "CreateAccountAssignment" => "sso_assignment" ["permissionSetArn + principalId + targetId"], MANIPULATION;
    "sso-directory" "CreateUser" => "sso_user" ["<user.userId"], CREDENTIALS;
    "sso-directory" "AddMemberToGroup" => "sso_group_member" ["groupId + memberId.userId"], CREDENTIALS;
    "ec2" "RunInstances" => "instance" ["<instancesSet.items.*.instanceId"], MANIPULATION;
    "ec2" "StartInstances" => "instance_running" ["instancesSet.items.*.instanceId"], MANIPULATION;
    "ec2" "CreateKeyPair" => "key_pair" ["keyName"], CREDENTIALS;
    "ec2" "ImportKeyPair" => "key_pair" ["keyName"], CREDENTIALS;
    "ec2" "CreateSecurityGroup" => "security_group" ["<groupId"], MANIPULATION;
    "ec2" "AuthorizeSecurityGroupIngress" => "security_group_ingress" ["groupId"], MANIPULATION;
    "ec2" "CreateNetworkAclEntry" => "network_acl_entry" ["networkAclId"], EXTERNAL;
    "ec2" "ModifySnapshotAttribute" => "snapshot_sharing" ["snapshotId"], NONE;
    "ec2" "ModifyImageAttribute" => "image_sharing" ["imageId"], NONE;
    "lambda" "CreateFunction" => "function" ["functionName"], MANIPULATION;
    "lambda" "UpdateFunctionCode" => "function_code" ["functionName"], MANIPULATION;
    "lambda" "UpdateFunctionConfiguration" => "function_configuration" ["functionName"], MANIPULATION;
    "lambda" "AddPermission" => "function_permission" ["functionName + statementId"], MANIPULATION;
    "lambda" "CreateFunctionUrlConfig" => "function_url" ["functionName"], EXTERNAL;
    "lambda" "CreateEventSourceMapping" => "event_source_mapping" ["<uUID"], NONE;
    "events" "PutRule" => "event_rule" ["name"], TRIGGERED;
    "events" "PutTargets" => "event_targets" ["rule"], TRIGGERED;
    "scheduler" "CreateSchedule" => "schedule" ["name"], NONE;
    "apigateway" "CreateApi" => "api" ["<apiId"], ACCOUNT;
    "appsync" "CreateApiKey" => "api_key" ["apiId"], NONE;
    "cloudformation" "CreateStack" => "stack" ["stackName"], NONE;
    "ecs" "CreateService" => "ecs_service" ["cluster + serviceName", "serviceName"], NONE;
    "codebuild" "CreateProject" => "build_project" ["name"], NONE;
    "sagemaker" "CreateNotebookInstance" => "notebook" ["notebookInstanceName"], NONE;
    "lightsail" "CreateInstances" => "lightsail_instance" ["instanceNames.*"], NONE;
    "s3" "PutBucketPolicy" => "bucket_policy" ["bucketName"], NONE;
    "kms" "CreateGrant" => "key_grant" ["keyId + <grantId"], NONE;
};

const UNMADE: &[Unmade] = unmade! {
    "iam" "DeleteUser" => "user" ["userName"];
    "iam" "DeleteAccessKey" => "access_key" ["accessKeyId"];
    "iam" "DeleteAccessKey" => "access_key_status" ["accessKeyId"];
    "iam" "DeleteLoginProfile" => "login_profile" ["userName", "@user"];
    "iam" "DeleteServiceSpecificCredential" => "service_credential" ["serviceSpecificCredentialId"];
    "iam" "DeleteSSHPublicKey" => "ssh_key" ["sSHPublicKeyId"];
    "iam" "DeleteSigningCertificate" => "signing_certificate" ["certificateId"];
    "iam" "DetachUserPolicy" => "attached_user_policy" ["userName + policyArn"];
    "iam" "DetachRolePolicy" => "attached_role_policy" ["roleName + policyArn"];
    "iam" "DetachGroupPolicy" => "attached_group_policy" ["groupName + policyArn"];
    "iam" "DeleteUserPolicy" => "inline_user_policy" ["userName + policyName"];
    "iam" "DeleteRolePolicy" => "inline_role_policy" ["roleName + policyName"];
    "iam" "DeleteGroupPolicy" => "inline_group_policy" ["groupName + policyName"];
    "iam" "DeletePolicy" => "policy" ["policyArn"];
    "iam" "DeletePolicyVersion" => "policy_version" ["policyArn + versionId"];
    "iam" "RemoveUserFromGroup" => "group_member" ["groupName + userName"];
    "iam" "DeleteGroup" => "group" ["groupName"];
    "iam" "DeleteRole" => "role" ["roleName"];
    "iam" "DeleteRole" => "role_trust" ["roleName"];
    "iam" "DeleteUserPermissionsBoundary" => "user_boundary" ["userName"];
    "iam" "DeleteRolePermissionsBoundary" => "role_boundary" ["roleName"];
    "iam" "PutUserPermissionsBoundary" => "user_boundary_removed" ["userName"];
    "iam" "PutRolePermissionsBoundary" => "role_boundary_removed" ["roleName"];
    "iam" "DeleteInstanceProfile" => "instance_profile" ["instanceProfileName"];
    "iam" "RemoveRoleFromInstanceProfile" => "instance_profile_role" ["instanceProfileName + roleName"];
    "iam" "DeleteOpenIDConnectProvider" => "oidc_provider" ["openIDConnectProviderArn"];
    "iam" "DeleteSAMLProvider" => "saml_provider" ["sAMLProviderArn"];
    "iam" "DeleteVirtualMFADevice" => "mfa_device" ["serialNumber"];
    "iam" "DeactivateMFADevice" => "mfa_device_enabled" ["userName + serialNumber", "serialNumber"];
    "iam" "EnableMFADevice" => "mfa_device_removed" ["userName + serialNumber", "serialNumber"];
    "rolesanywhere" "DeleteTrustAnchor" => "trust_anchor" ["trustAnchorId"];
    "rolesanywhere" "DeleteProfile" => "roles_anywhere_profile" ["profileId"];
    "sso" "DeleteAccountAssignment" => "sso_assignment" ["permissionSetArn + principalId + targetId"];
    "sso-directory" "DeleteUser" => "sso_user" ["userId"];
    "sso-directory" "RemoveMemberFromGroup" => "sso_group_member" ["groupId + memberId.userId"];
    "ec2" "TerminateInstances" => "instance" ["instancesSet.items.*.instanceId"];
    "ec2" "TerminateInstances" => "instance_running" ["instancesSet.items.*.instanceId"];
    "ec2" "StopInstances" => "instance_running" ["instancesSet.items.*.instanceId"];
    "ec2" "DeleteKeyPair" => "key_pair" ["keyName"];
    "ec2" "DeleteSecurityGroup" => "security_group" ["groupId"];
    "ec2" "DeleteSecurityGroup" => "security_group_ingress" ["groupId"];
    "ec2" "DeleteSnapshot" => "snapshot_sharing" ["snapshotId"];
    "ec2" "DeregisterImage" => "image_sharing" ["imageId"];
    "lambda" "DeleteFunction" => "function" ["functionName"];
    "lambda" "DeleteFunction" => "function_code" ["functionName"];
    "lambda" "DeleteFunction" => "function_configuration" ["functionName"];
    "lambda" "RemovePermission" => "function_permission" ["functionName + statementId"];
    "lambda" "DeleteFunctionUrlConfig" => "function_url" ["functionName"];
    "lambda" "DeleteEventSourceMapping" => "event_source_mapping" ["uUID"];
    "events" "DeleteRule" => "event_rule" ["name"];
    "events" "RemoveTargets" => "event_targets" ["rule"];
    "scheduler" "DeleteSchedule" => "schedule" ["name"];
    "apigateway" "DeleteApi" => "api" ["apiId"];
    "appsync" "DeleteApiKey" => "api_key" ["apiId"];
    "cloudformation" "DeleteStack" => "stack" ["stackName"];
    "ecs" "DeleteService" => "ecs_service" ["cluster + service", "service"];
    "codebuild" "DeleteProject" => "build_project" ["name"];
    "sagemaker" "DeleteNotebookInstance" => "notebook" ["notebookInstanceName"];
    "lightsail" "DeleteInstance" => "lightsail_instance" ["instanceName"];
    "s3" "DeleteBucketPolicy" => "bucket_policy" ["bucketName"];
    "kms" "RevokeGrant" => "key_grant" ["keyId + grantId"];
    "kms" "RetireGrant" => "key_grant" ["keyId + grantId"];
};

/// The calls by their names.
static BY_NAME: LazyLock<HashMap<&'static str, Vec<Row>, FixedState>> = LazyLock::new(|| {
    let mut rows: HashMap<_, Vec<Row>, FixedState> = HashMap::default();
    for made in MADE {
        rows.entry(made.event).or_default().push(Row::Made(made));
    }
    for unmade in UNMADE {
        rows.entry(unmade.event).or_default().push(Row::Unmade(unmade));
    }
    rows
});

enum Row {
    Made(&'static Made),
    Unmade(&'static Unmade),
}

/// One thing of an account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Thing {
    pub(super) kind: &'static str,
    pub(super) account: String,
    pub(super) name: String,
}

impl Thing {
    /// What both the call that makes it and the one that undoes it come to. Names are unique without regard to
    /// letter case (F34); IDs of keys are not names.
    pub(super) fn key(&self) -> String {
        let name = if self.kind.starts_with("access_key") {
            self.name.clone()
        } else {
            self.name.to_ascii_lowercase()
        };
        format!("{}/{}/{name}", self.kind, self.account)
    }
}

/// What a call does to a thing.
pub(super) enum Does {
    Makes(&'static Made),
    Unmakes,
}

/// Lambda's calls carry the version of their API: `CreateFunction20150331`.
fn plain_name(name: &str) -> &str {
    // Every event is asked, and hardly one has a version.
    if memchr(b'2', name.as_bytes()).is_none() {
        return name;
    }
    match name.find("20") {
        Some(at) if at > 0 => name.get(..at).unwrap_or(name),
        _ => name,
    }
}

/// Whether a call makes, changes or undoes something that stays.
pub(super) fn is_telling(event: &Event<'_>) -> bool {
    BY_NAME.contains_key(plain_name(&event.name))
}

/// The things that a call makes or undoes. A call that failed does neither.
pub(super) fn things(event: &Event<'_>, parameters: &Parameters<'_>) -> Vec<(Does, Thing)> {
    let mut found = Vec::new();
    if event.is_denied() {
        return found;
    }
    for row in BY_NAME.get(plain_name(&event.name)).into_iter().flatten() {
        let (does, service, kind, paths) = match row {
            Row::Made(made) => (Some(*made), made.service, made.kind, made.name),
            Row::Unmade(unmade) => (None, unmade.service, unmade.kind, unmade.name),
        };
        if service != event.service() || status_is_off(event, kind, parameters) {
            continue;
        }
        for name in parameters.first(paths) {
            let name = short(kind, name);
            let account = account(event);
            let does = does.map_or(Does::Unmakes, Does::Makes);
            found.push((does, Thing { kind, account, name }));
        }
    }
    found
}

/// What a call that succeeded makes without the record saying its name.
pub(super) fn nameless(event: &Event<'_>, parameters: &Parameters<'_>) -> Vec<&'static Made> {
    if event.is_denied() {
        return Vec::new();
    }
    let made = |row: &Row| match row {
        Row::Made(made) => Some(*made),
        Row::Unmade(_) => None,
    };
    let rows = BY_NAME.get(plain_name(&event.name)).into_iter().flatten().filter_map(made);
    rows.filter(|made| made.service == event.service())
        .filter(|made| !status_is_off(event, made.kind, parameters))
        .filter(|made| parameters.first(made.name).is_empty())
        .collect()
}

/// Whether this sets a key to Inactive: that leaves nothing that could act.
fn status_is_off(event: &Event<'_>, kind: &str, parameters: &Parameters<'_>) -> bool {
    kind == "access_key_status"
        && event.name == "UpdateAccessKey"
        && parameters.one(&["status"]).is_some_and(|status| status != "Active")
}

/// Functions go by name and by ARN.
fn short(kind: &str, name: String) -> String {
    match name.split_once(":function:") {
        Some((_, name)) if kind.starts_with("function") => {
            let mut parts = name.splitn(2, '/');
            let function = parts.next().and_then(|name| name.split(':').next()).unwrap_or_default();
            parts.next().map_or_else(|| function.to_owned(), |rest| format!("{function}/{rest}"))
        }
        _ => name,
    }
}

/// The account that something happened in.
pub(super) fn account(event: &Event<'_>) -> String {
    if !event.recipient.is_empty() {
        return event.recipient.to_string();
    }
    event.identity.as_ref().map(|identity| identity.account.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_undone_can_be_made_and_each_call_stands_once() {
        for unmade in UNMADE {
            let kind = |made: &&Made| made.kind == unmade.kind && made.service == unmade.service;
            assert!(MADE.iter().any(|made| kind(&made)), "{} {}", unmade.event, unmade.kind);
        }
        let mut names: Vec<_> = MADE.iter().map(|made| (made.service, made.event)).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), MADE.len());
    }

    #[test]
    fn a_call_of_lambda_goes_without_its_version() {
        for (name, plain) in [
            ("CreateFunction20150331", "CreateFunction"),
            ("UpdateFunctionCode20150331v2", "UpdateFunctionCode"),
            ("CreateUser", "CreateUser"),
        ] {
            assert_eq!(plain_name(name), plain);
        }
        let arn = "arn:aws:lambda:eu-west-1:123456789012:function:f:1";
        assert_eq!(short("function_code", arn.to_owned()), "f");
        assert_eq!(short("function_permission", format!("{arn}/s")), "f/s");
    }
}
