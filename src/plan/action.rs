//! The one call that a step makes.

use super::{PrincipalKind, Step, WAS_UNREAD};
use crate::resource::{Resource, Value};
use crate::snapshot::Status;

/// One mutation of IAM, or of the place that a new key goes to. No other call that changes anything leaves the
/// program.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "each variant is the action of its name, the last a change of a file"
)]
pub enum Action {
    UpdateAccessKey { id: String, status: Status },
    UpdateSshPublicKey { id: String, status: Status },
    UpdateSigningCertificate { id: String, status: Status },
    UpdateServiceSpecificCredential { id: String, status: Status },
    PutUserPolicy { name: String, document: crate::policy::PolicyDocument },
    DeleteUserPolicy { name: String },
    AttachUserPolicy { arn: String },
    DetachUserPolicy { arn: String },
    CreatePolicy { arn: String, name: String, document: crate::policy::PolicyDocument },
    DeletePolicy { arn: String },
    PutUserPermissionsBoundary { arn: String },
    DeleteUserPermissionsBoundary,
    DeleteLoginProfile,
    AddUserToGroup { group: String },
    RemoveUserFromGroup { group: String },
    PutRolePolicy { name: String, document: crate::policy::PolicyDocument },
    DeleteRolePolicy { name: String },
    AttachRolePolicy { arn: String },
    DetachRolePolicy { arn: String },
    PutRolePermissionsBoundary { arn: String },
    DeleteRolePermissionsBoundary,
    CreateAccessKey,
    DeleteAccessKey { id: String },
    CreateSecret { secret: String },
    PutSecretValue { secret: String },
    WriteProfile { profile: String },
}

impl Action {
    /// The name of the action.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::UpdateAccessKey { .. } => "UpdateAccessKey",
            Self::UpdateSshPublicKey { .. } => "UpdateSSHPublicKey",
            Self::UpdateSigningCertificate { .. } => "UpdateSigningCertificate",
            Self::UpdateServiceSpecificCredential { .. } => "UpdateServiceSpecificCredential",
            Self::PutUserPolicy { .. } => "PutUserPolicy",
            Self::DeleteUserPolicy { .. } => "DeleteUserPolicy",
            Self::AttachUserPolicy { .. } => "AttachUserPolicy",
            Self::DetachUserPolicy { .. } => "DetachUserPolicy",
            Self::CreatePolicy { .. } => "CreatePolicy",
            Self::DeletePolicy { .. } => "DeletePolicy",
            Self::PutUserPermissionsBoundary { .. } => "PutUserPermissionsBoundary",
            Self::DeleteUserPermissionsBoundary => "DeleteUserPermissionsBoundary",
            Self::DeleteLoginProfile => "DeleteLoginProfile",
            Self::AddUserToGroup { .. } => "AddUserToGroup",
            Self::RemoveUserFromGroup { .. } => "RemoveUserFromGroup",
            Self::PutRolePolicy { .. } => "PutRolePolicy",
            Self::DeleteRolePolicy { .. } => "DeleteRolePolicy",
            Self::AttachRolePolicy { .. } => "AttachRolePolicy",
            Self::DetachRolePolicy { .. } => "DetachRolePolicy",
            Self::PutRolePermissionsBoundary { .. } => "PutRolePermissionsBoundary",
            Self::DeleteRolePermissionsBoundary => "DeleteRolePermissionsBoundary",
            Self::CreateAccessKey => "CreateAccessKey",
            Self::DeleteAccessKey { .. } => "DeleteAccessKey",
            Self::CreateSecret { .. } => "CreateSecret",
            Self::PutSecretValue { .. } => "PutSecretValue",
            Self::WriteProfile { .. } => "WriteProfile",
        }
    }

    /// Whether it brings a new key to where its workload finds it, and not to IAM.
    #[must_use]
    pub const fn stores_key(&self) -> bool {
        matches!(
            self,
            Self::CreateSecret { .. } | Self::PutSecretValue { .. } | Self::WriteProfile { .. }
        )
    }

    /// Whether the same call may be sent twice under one intent (D2.5).
    #[must_use]
    pub const fn repeatable(&self) -> bool {
        !matches!(self, Self::CreatePolicy { .. } | Self::CreateAccessKey) && !self.stores_key()
    }
}

impl Step {
    /// The one call that the step makes on a principal of that kind; `None` if its values do not belong to its
    /// resource, or the resource to no such principal.
    #[must_use]
    pub fn call(&self, kind: PrincipalKind) -> Option<Action> {
        match kind {
            PrincipalKind::User => self.call_on_user(),
            PrincipalKind::Role => self.call_on_role(),
        }
    }

    fn call_on_role(&self) -> Option<Action> {
        Some(match (&self.resource, &self.after) {
            (Resource::RolePolicy(policy), Some(Value::Document(document))) => {
                let name = policy.policy().to_owned();
                Action::PutRolePolicy { name, document: document.clone() }
            }
            (Resource::RolePolicy(policy), None) => {
                Action::DeleteRolePolicy { name: policy.policy().to_owned() }
            }
            (Resource::AttachedPolicy(arn), Some(Value::Attached)) => {
                Action::AttachRolePolicy { arn: arn.clone() }
            }
            (Resource::AttachedPolicy(arn), None) => Action::DetachRolePolicy { arn: arn.clone() },
            (Resource::PermissionsBoundary, Some(Value::PolicyArn(arn))) => {
                Action::PutRolePermissionsBoundary { arn: arn.clone() }
            }
            (Resource::PermissionsBoundary, None) => Action::DeleteRolePermissionsBoundary,
            (Resource::ManagedPolicy(_), _) => return self.call_on_policy(),
            _ => return None,
        })
    }

    fn call_on_policy(&self) -> Option<Action> {
        match (&self.resource, &self.after) {
            (Resource::ManagedPolicy(arn), Some(Value::Document(document)))
                if self.before.is_none() =>
            {
                Some(Action::CreatePolicy {
                    name: arn.rsplit('/').next()?.to_owned(),
                    arn: arn.clone(),
                    document: document.clone(),
                })
            }
            (Resource::ManagedPolicy(arn), None) => Some(Action::DeletePolicy { arn: arn.clone() }),
            _ => None,
        }
    }

    fn call_on_user(&self) -> Option<Action> {
        let id = self.resource.id().to_owned();
        Some(match (&self.resource, &self.after) {
            (Resource::AccessKey(_), Some(Value::Status(status))) => {
                Action::UpdateAccessKey { id, status: *status }
            }
            (Resource::AccessKey(_), None) => Action::DeleteAccessKey { id },
            (Resource::NewAccessKey, Some(Value::AccessKeyId(_))) => Action::CreateAccessKey,
            (Resource::Secret(_), Some(Value::SecretVersion(_))) if self.before.is_none() => {
                Action::CreateSecret { secret: id }
            }
            (Resource::Secret(_), Some(Value::SecretVersion(_))) => {
                Action::PutSecretValue { secret: id }
            }
            (Resource::Profile(_), Some(Value::AccessKeyId(_))) => {
                Action::WriteProfile { profile: id }
            }
            (Resource::SshKey(_), Some(Value::Status(status))) => {
                Action::UpdateSshPublicKey { id, status: *status }
            }
            (Resource::SigningCertificate(_), Some(Value::Status(status))) => {
                Action::UpdateSigningCertificate { id, status: *status }
            }
            (Resource::ServiceCredential(_), Some(Value::Status(status))) => {
                Action::UpdateServiceSpecificCredential { id, status: *status }
            }
            (Resource::InlinePolicy(_), Some(Value::Document(document))) => {
                Action::PutUserPolicy { name: id, document: document.clone() }
            }
            (Resource::InlinePolicy(_), None) => Action::DeleteUserPolicy { name: id },
            (Resource::AttachedPolicy(_), Some(Value::Attached)) => {
                Action::AttachUserPolicy { arn: id }
            }
            (Resource::AttachedPolicy(_), None) => Action::DetachUserPolicy { arn: id },
            (Resource::ManagedPolicy(_), _) => return self.call_on_policy(),
            (Resource::PermissionsBoundary, Some(Value::PolicyArn(arn))) => {
                Action::PutUserPermissionsBoundary { arn: arn.clone() }
            }
            (Resource::PermissionsBoundary, None) => Action::DeleteUserPermissionsBoundary,
            (Resource::LoginProfile, None) => Action::DeleteLoginProfile,
            (Resource::Group(_), Some(Value::Member)) => Action::AddUserToGroup { group: id },
            (Resource::Group(_), None) => Action::RemoveUserFromGroup { group: id },
            _ => return None,
        })
    }

    /// Whether what stood there was assumed when the step was planned, since it could not be read.
    #[must_use]
    pub fn was_unread(&self) -> bool {
        self.cautions.iter().any(|caution| caution == WAS_UNREAD)
    }

    /// Whether the step takes a credential's power away.
    #[must_use]
    pub fn turns_off(&self) -> bool {
        self.resource.is_credential() && !matches!(self.after, Some(Value::Status(Status::Active)))
    }

    /// Whether the step takes from credentials that could issue sessions, or from sessions, what they could do.
    #[must_use]
    pub fn stops_sessions(&self) -> bool {
        match &self.resource {
            Resource::AccessKey(_) | Resource::LoginProfile => self.turns_off(),
            Resource::InlinePolicy(_)
            | Resource::RolePolicy(_)
            | Resource::AttachedPolicy(_)
            | Resource::PermissionsBoundary => self.after.is_some(),
            _ => false,
        }
    }

    /// Whether the step writes a fence whose time is only known after apply.
    #[must_use]
    pub fn awaits_fence_time(&self) -> bool {
        matches!(&self.after, Some(Value::Document(document)) if document.awaits_fence_time())
    }
}
