//! What can hold policies: users, groups and roles, behind one face.

use crate::sandbox::act::Act;
use crate::sandbox::fault::Fault;
use crate::sandbox::policy_store::Permissions;
use crate::sandbox::quota;

/// A kind of holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// A user.
    User,
    /// A group.
    Group,
    /// A role.
    Role,
}

impl Holder {
    /// The holder that a call is about, once the caller may.
    pub(super) fn find(self, act: &Act<'_>, more: &[(&str, &str)]) -> Result<String, Fault> {
        match self {
            Self::User => act.on_named_user(128, more),
            Self::Group => act.on_group(more),
            Self::Role => act.on_role(more),
        }
    }

    /// Its policies.
    pub(super) fn permissions<'a>(
        self,
        act: &'a Act<'_>,
        key: &str,
    ) -> Result<&'a Permissions, Fault> {
        Ok(match self {
            Self::User => &act.user(key)?.permissions,
            Self::Group => &act.group(key)?.permissions,
            Self::Role => &act.role(key)?.permissions,
        })
    }

    /// Its policies, to be changed.
    pub(super) fn permissions_mut<'a>(
        self,
        act: &'a mut Act<'_>,
        key: &str,
    ) -> Result<&'a mut Permissions, Fault> {
        Ok(match self {
            Self::User => &mut act.user_mut(key)?.permissions,
            Self::Group => &mut act.group_mut(key)?.permissions,
            Self::Role => &mut act.role_mut(key)?.permissions,
        })
    }

    /// Its name, as it was made.
    pub(super) fn name(self, act: &Act<'_>, key: &str) -> Result<String, Fault> {
        Ok(match self {
            Self::User => act.user(key)?.name.clone(),
            Self::Group => act.group(key)?.name.clone(),
            Self::Role => act.role(key)?.name.clone(),
        })
    }

    /// The word for it, as in `UserName` and `PoliciesPerUser`.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Group => "Group",
            Self::Role => "Role",
        }
    }

    /// How much its inline policies may take (F15).
    pub(super) const fn inline_quota(self) -> usize {
        match self {
            Self::User => quota::USER_POLICY_SIZE,
            Self::Group => quota::GROUP_POLICY_SIZE,
            Self::Role => quota::ROLE_POLICY_SIZE,
        }
    }
}
