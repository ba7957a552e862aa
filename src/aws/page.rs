//! Pages of a listing.

use aws_sdk_iam::operation as op;

/// How many items to ask for on a page: the most that IAM gives (F18).
pub(super) const PAGE: i32 = 1000;

/// A reply that may not be the last. Only IsTruncated says so: a page may be short (F18).
pub(super) trait Page {
    /// Whether more follows.
    fn more(&self) -> bool;
    /// What to ask the next page with.
    fn marker(&self) -> Option<&str>;
}

macro_rules! pages {
    ($($output:ty),+ $(,)?) => {
        $(impl Page for $output {
            fn more(&self) -> bool {
                self.is_truncated()
            }
            fn marker(&self) -> Option<&str> {
                <$output>::marker(self)
            }
        })+
    };
}

pages!(
    op::list_access_keys::ListAccessKeysOutput,
    op::list_attached_group_policies::ListAttachedGroupPoliciesOutput,
    op::list_attached_user_policies::ListAttachedUserPoliciesOutput,
    op::list_group_policies::ListGroupPoliciesOutput,
    op::list_attached_role_policies::ListAttachedRolePoliciesOutput,
    op::list_instance_profiles_for_role::ListInstanceProfilesForRoleOutput,
    op::list_role_policies::ListRolePoliciesOutput,
    op::list_groups_for_user::ListGroupsForUserOutput,
    op::list_mfa_devices::ListMfaDevicesOutput,
    op::list_service_specific_credentials::ListServiceSpecificCredentialsOutput,
    op::list_signing_certificates::ListSigningCertificatesOutput,
    op::list_ssh_public_keys::ListSshPublicKeysOutput,
    op::list_user_policies::ListUserPoliciesOutput,
);
