//! The quotas of an account, at AWS's defaults (F15).

pub(super) const USERS: usize = 5_000;
pub(super) const GROUPS: usize = 300;
pub(super) const ROLES: usize = 1_000;
pub(super) const POLICIES: usize = 1_500;
pub(super) const INSTANCE_PROFILES: usize = 1_000;
pub(super) const SERVER_CERTIFICATES: usize = 20;
pub(super) const KEYS_PER_USER: usize = 2;
pub(super) const SSH_KEYS_PER_USER: usize = 5;
pub(super) const CERTIFICATES_PER_USER: usize = 2;
pub(super) const SERVICE_CREDENTIALS_PER_USER: usize = 2;
pub(super) const MFA_PER_USER: usize = 8;
pub(super) const GROUPS_PER_USER: usize = 10;
pub(super) const ATTACHED: usize = 10;
pub(super) const TAGS: usize = 50;
pub(super) const VERSIONS: usize = 5;
pub(super) const USER_POLICY_SIZE: usize = 2_048;
pub(super) const GROUP_POLICY_SIZE: usize = 5_120;
pub(super) const ROLE_POLICY_SIZE: usize = 10_240;
pub(super) const TRUST_SIZE: usize = 2_048;
pub(super) const MANAGED_SIZE: usize = 6_144;
