//! What an adversary does with roles: it assumes them, and takes away what denies their sessions (F12).

use super::tampering::{ALLOW_ALL, DENY_ALL_ARN, is_arn_of_ours};
use super::{Hand, LONGEST_OF_ROLE};
use crate::lineage::is_our_name;
use crate::sandbox::Answer;
use crate::sandbox::role::Role;

impl Hand {
    /// A role of the account, as it is stored now.
    fn a_role(&mut self) -> Option<Role> {
        let account = &self.account;
        let roles: Vec<Role> = self.sandbox.edit(|world| {
            world.account(account).map(|known| known.roles.values().cloned().collect())
        })?;
        self.random.pick(&roles).cloned()
    }

    fn on_role(&mut self, role: &Role, action: &str, parameters: &[(&str, &str)]) -> Answer {
        let mut all = vec![("RoleName", role.name.as_str())];
        all.extend_from_slice(parameters);
        self.call(action, &all)
    }

    /// With whatever it has: a session of another role does as well as a key.
    pub(super) fn assume_role(&mut self) -> Option<()> {
        let role = self.a_role()?;
        let arn = role.arn("aws", &self.account);
        let seconds = LONGEST_OF_ROLE.as_secs().to_string();
        let with = [
            ("RoleArn", arn.as_str()),
            ("RoleSessionName", "telemetry"),
            ("DurationSeconds", seconds.as_str()),
        ];
        let by = self.random.pick(&self.loot)?.credentials.clone();
        let answer = self.call_with(&by, "sts:AssumeRole", &with);
        if let Some(session) = answer.credentials().filter(|_| answer.is_ok()) {
            self.keep(session, "sts:AssumeRole");
        }
        Some(())
    }

    /// Takes away one thing that denies a role's sessions.
    pub(super) fn clear_role(&mut self) -> Option<()> {
        let role = self.a_role()?;
        let held = &role.permissions;
        let inline = held.inline.keys().filter(|name| is_our_name(name));
        let denies = |arn: &&String| *arn == DENY_ALL_ARN || is_arn_of_ours(arn);
        let attached = held.attached.iter().filter(denies);
        let mut ways: Vec<(&str, Option<(&str, String)>)> = inline
            .map(|name| ("iam:DeleteRolePolicy", Some(("PolicyName", name.clone()))))
            .chain(attached.map(|arn| ("iam:DetachRolePolicy", Some(("PolicyArn", arn.clone())))))
            .collect();
        if held.boundary.as_ref().is_some_and(|arn| denies(&arn)) {
            ways.push(("iam:DeleteRolePermissionsBoundary", None));
        }
        let (action, with) = self.random.pick(&ways)?.clone();
        let with: Vec<(&str, &str)> =
            with.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.on_role(&role, action, &with);
        Some(())
    }

    /// Puts a policy that allows everything in the place of one of ringfence's.
    pub(super) fn overwrite_role_policy(&mut self) -> Option<()> {
        let role = self.a_role()?;
        let names: Vec<&String> =
            role.permissions.inline.keys().filter(|name| is_our_name(name)).collect();
        let name = (*self.random.pick(&names)?).clone();
        let with = [("PolicyName", name.as_str()), ("PolicyDocument", ALLOW_ALL)];
        self.on_role(&role, "iam:PutRolePolicy", &with);
        Some(())
    }

    /// Lets everybody of the account assume a role.
    pub(super) fn open_trust(&mut self) -> Option<()> {
        let role = self.a_role()?;
        let trust = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{}:root"}},"Action":"sts:AssumeRole"}}]}}"#,
            self.account
        );
        self.on_role(&role, "iam:UpdateAssumeRolePolicy", &[("PolicyDocument", &trust)]);
        Some(())
    }
}
