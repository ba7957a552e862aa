//! The ways in which an adversary undoes a containment, and lays hands on more.

use super::{ADMINISTRATOR_ACCESS, Hand, LONGEST, Means};
use crate::lineage::is_our_name;
use crate::sandbox::account::fold;
use crate::sandbox::policy_store::{Managed, Version, size};
use crate::sandbox::random::Random;
use crate::sandbox::user::{Status, User};
use crate::sandbox::{managed, quota};

pub(super) const ALLOW_ALL: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
pub(super) const DENY_ALL_ARN: &str = "arn:aws:iam::aws:policy/AWSDenyAll";
/// What fills a quota is called.
const FILLER: &str = "filler";

/// One way. Each is one or more calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tampering {
    /// Turns a credential of the target on again.
    Reactivate,
    /// Mints a token, as long-lived as there are any (F1, F6).
    MintToken,
    /// Makes an access key for the target.
    MakeKey,
    /// Deletes an access key of the target, and the evidence with it.
    DeleteKey,
    /// Takes a name of ringfence's policies, of the lineage that it sees or of one that it guesses.
    SquatName,
    /// Attaches policies until no more can be (F15).
    FillAttached,
    /// Puts an inline policy that takes all the room there is (F15).
    FillInline,
    /// Makes managed policies until no more can be (F15).
    FillAccount,
    /// Deletes an inline policy of ringfence's.
    DeletePolicy,
    /// Overwrites an inline policy of ringfence's with one that denies nothing (F16).
    OverwritePolicy,
    /// Detaches a policy that denies, and a managed one of ringfence's.
    Detach,
    /// Gives a managed policy of ringfence's another version.
    Replace,
    /// Sets, exchanges or removes the permissions boundary.
    Boundary,
    /// Puts the target into a group of administrators, or takes it out of one of its groups.
    Groups,
    /// Makes the target an administrator again.
    Grant,
    /// Uploads an SSH key.
    UploadSshKey,
    /// Makes credentials for a single service.
    MakeServiceCredential,
    /// Sets a password for the console.
    SetPassword,
    /// Deletes the target and makes another user of that name (F27).
    ReplaceUser,
    /// Assumes a role, with a key or with a session.
    AssumeRole,
    /// Takes away what denies a role's sessions.
    ClearRole,
    /// Overwrites an inline policy of ringfence's in a role.
    OverwriteRolePolicy,
    /// Lets everybody of the account assume a role.
    OpenTrust,
}

impl Tampering {
    /// Every way, and how often it is taken among all of them.
    const ALL: [(u64, Self); 23] = [
        (14, Self::Reactivate),
        (14, Self::MintToken),
        (8, Self::MakeKey),
        (2, Self::DeleteKey),
        (5, Self::SquatName),
        (4, Self::FillAttached),
        (4, Self::FillInline),
        (4, Self::FillAccount),
        (10, Self::DeletePolicy),
        (7, Self::OverwritePolicy),
        (7, Self::Detach),
        (3, Self::Replace),
        (5, Self::Boundary),
        (4, Self::Groups),
        (4, Self::Grant),
        (3, Self::UploadSshKey),
        (3, Self::MakeServiceCredential),
        (4, Self::SetPassword),
        (4, Self::ReplaceUser),
        (14, Self::AssumeRole),
        (10, Self::ClearRole),
        (5, Self::OverwriteRolePolicy),
        (3, Self::OpenTrust),
    ];

    /// Every way.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().map(|(_, how)| how)
    }

    pub(super) fn drawn(random: &mut Random, means: &Means) -> Self {
        let may = |how: Self| match how {
            Self::FillAccount => means.fills_account,
            Self::ReplaceUser => means.replaces_user,
            Self::AssumeRole | Self::ClearRole | Self::OverwriteRolePolicy | Self::OpenTrust => {
                means.touches_roles
            }
            _ => true,
        };
        let ways = || Self::ALL.into_iter().filter(|(_, how)| may(*how));
        let mut drawn = random.below(ways().map(|(weight, _)| weight).sum());
        for (weight, how) in ways() {
            match drawn.checked_sub(weight) {
                Some(rest) => drawn = rest,
                None => return how,
            }
        }
        Self::MintToken
    }
}

impl Hand {
    /// Does it, if there is anything to do.
    pub(super) fn tamper(&mut self, how: Tampering) -> bool {
        self.tampering = how;
        let done = match (how, self.user()) {
            (Tampering::MintToken, _) => self.mint_token(),
            (Tampering::FillAccount, _) => self.fill_account(),
            (Tampering::Replace, _) => self.replace_version(),
            (Tampering::AssumeRole, _) => self.assume_role(),
            (Tampering::ClearRole, _) => self.clear_role(),
            (Tampering::OverwriteRolePolicy, _) => self.overwrite_role_policy(),
            (Tampering::OpenTrust, _) => self.open_trust(),
            (_, None) => None,
            (Tampering::Reactivate, Some(user)) => self.reactivate(&user),
            (Tampering::MakeKey, Some(_)) => self.make_key(),
            (Tampering::DeleteKey, Some(user)) => self.delete_key(&user),
            (Tampering::SquatName, Some(_)) => self.squat_name(),
            (Tampering::FillAttached, Some(user)) => self.fill_attached(&user),
            (Tampering::FillInline, Some(user)) => self.fill_inline(&user),
            (Tampering::DeletePolicy, Some(user)) => self.delete_policy(&user),
            (Tampering::OverwritePolicy, Some(user)) => self.overwrite_policy(&user),
            (Tampering::Detach, Some(user)) => self.detach(&user),
            (Tampering::Boundary, Some(user)) => self.boundary(&user),
            (Tampering::Groups, Some(user)) => self.groups(&user),
            (Tampering::Grant, Some(_)) => self.grant(),
            (Tampering::UploadSshKey, Some(_)) => self.upload_ssh_key(),
            (Tampering::MakeServiceCredential, Some(_)) => self.make_service_credential(),
            (Tampering::SetPassword, Some(user)) => self.set_password(&user),
            (Tampering::ReplaceUser, Some(user)) => self.replace_user(&user),
        };
        done.is_some()
    }

    /// A call about the target.
    fn on_target(&mut self, action: &str, parameters: &[(&str, &str)]) -> crate::sandbox::Answer {
        let target = self.target.clone();
        let mut all = vec![("UserName", target.as_str())];
        all.extend_from_slice(parameters);
        self.call(action, &all)
    }

    fn reactivate(&mut self, user: &User) -> Option<()> {
        let off = |status: Status| status == Status::Inactive;
        let keys = user.keys.iter().filter(|key| off(key.status));
        let ssh = user.ssh_keys.iter().filter(|key| off(key.status));
        let certificates = user.certificates.iter().filter(|known| off(known.status));
        let services = user.service_credentials.iter().filter(|made| off(made.status));
        let found: Vec<(&str, &str, &str)> =
            keys.map(|key| ("iam:UpdateAccessKey", "AccessKeyId", key.id.as_str()))
                .chain(ssh.map(|key| ("iam:UpdateSSHPublicKey", "SSHPublicKeyId", key.id.as_str())))
                .chain(certificates.map(|known| {
                    ("iam:UpdateSigningCertificate", "CertificateId", known.id.as_str())
                }))
                .chain(services.map(|made| {
                    let action = "iam:UpdateServiceSpecificCredential";
                    (action, "ServiceSpecificCredentialId", made.id.as_str())
                }))
                .collect();
        let (action, name, id) = *self.random.pick(&found)?;
        self.on_target(action, &[(name, id), ("Status", "Active")]);
        Some(())
    }

    fn mint_token(&mut self) -> Option<()> {
        let keys: Vec<_> = self.loot.iter().filter(|loot| !loot.is_session()).cloned().collect();
        let key = self.random.pick(&keys)?.credentials.clone();
        let seconds = LONGEST.as_secs().to_string();
        let seconds = ("DurationSeconds", seconds.as_str());
        let federated = self.random.per_mille(200);
        let (from, answer) = if federated {
            let with = [("Name", "support"), ("Policy", ALLOW_ALL), seconds];
            ("sts:GetFederationToken", self.call_with(&key, "sts:GetFederationToken", &with))
        } else {
            ("sts:GetSessionToken", self.call_with(&key, "sts:GetSessionToken", &[seconds]))
        };
        if let Some(token) = answer.credentials().filter(|_| answer.is_ok()) {
            self.keep(token, from);
        }
        Some(())
    }

    fn make_key(&mut self) -> Option<()> {
        let answer = self.on_target("iam:CreateAccessKey", &[]);
        if let Some(key) = answer.credentials().filter(|_| answer.is_ok()) {
            self.keep(key, "iam:CreateAccessKey");
        }
        Some(())
    }

    fn delete_key(&mut self, user: &User) -> Option<()> {
        let id = &self.random.pick(&user.keys)?.id;
        self.on_target("iam:DeleteAccessKey", &[("AccessKeyId", id)]);
        Some(())
    }

    fn squat_name(&mut self) -> Option<()> {
        let seen: Vec<String> = self.names_of_ours();
        let lineage = match self.random.pick(&seen).and_then(|name| name.rsplit('-').next()) {
            Some(lineage) => lineage.to_owned(),
            None => format!("{:08x}", self.random.below(1 << 32)),
        };
        let kind = if self.random.per_mille(500) { "Fence" } else { "Hold" };
        let name = format!("Ringfence{kind}-{lineage}");
        let with = [("PolicyName", name.as_str()), ("PolicyDocument", ALLOW_ALL)];
        if self.random.per_mille(500) {
            self.on_target("iam:PutUserPolicy", &with);
        } else {
            self.call("iam:CreatePolicy", &with);
        }
        Some(())
    }

    fn fill_attached(&mut self, user: &User) -> Option<()> {
        let attached = &user.permissions.attached;
        let room = quota::ATTACHED.checked_sub(attached.len()).filter(|room| *room > 0)?;
        // None that denies: it would contain itself.
        let harmless = managed::all().iter().filter(|policy| {
            !policy.name.contains("Deny")
                && !policy.name.contains("Quarantine")
                && !attached.contains(&policy.arn)
        });
        for policy in harmless.take(room) {
            self.on_target("iam:AttachUserPolicy", &[("PolicyArn", &policy.arn)]);
        }
        Some(())
    }

    fn fill_inline(&mut self, user: &User) -> Option<()> {
        let document = |padding: &str| {
            format!(
                "{{\"Version\":\"2012-10-17\",\"Statement\":{{\"Effect\":\"Allow\",\
                 \"Action\":\"s3:Get{padding}\",\"Resource\":\"*\"}}}}"
            )
        };
        let others = user.permissions.inline.iter().filter(|(name, _)| *name != FILLER);
        let taken: usize = others.map(|(_, document)| size(document)).sum();
        let room = quota::USER_POLICY_SIZE.checked_sub(taken)?;
        let padding = room.checked_sub(size(&document("")))?;
        let with =
            [("PolicyName", FILLER), ("PolicyDocument", &document(&"x".repeat(padding)) as &str)];
        self.on_target("iam:PutUserPolicy", &with);
        Some(())
    }

    /// The first of them by a call, which decides whether it may. The others come as if by fifteen
    /// hundred more, which would take longer than all the rest of a run.
    fn fill_account(&mut self) -> Option<()> {
        let with = [("PolicyName", FILLER), ("PolicyDocument", ALLOW_ALL)];
        if !self.call("iam:CreatePolicy", &with).is_ok() {
            return Some(());
        }
        let (account, now) = (self.account.clone(), self.sandbox.now());
        self.sandbox.edit(|world| {
            let policies = &mut world.account_mut(&account)?.policies;
            for number in policies.len()..quota::POLICIES {
                let name = format!("{FILLER}-{number}");
                let arn = format!("arn:aws:iam::{account}:policy/{name}");
                let document = ALLOW_ALL.to_owned();
                let made = Managed {
                    id: crate::sandbox::ids::from_text("ANPA", &arn),
                    path: "/".to_owned(),
                    created: now,
                    updated: now,
                    description: None,
                    tags: Vec::new(),
                    versions: vec![Version { number: 1, document, created: now }],
                    default: 1,
                    next: 2,
                    name,
                    arn,
                };
                policies.insert(fold(&made.arn), made);
            }
            Some(())
        })
    }

    fn delete_policy(&mut self, user: &User) -> Option<()> {
        let name = self.inline_of_ours(user)?;
        self.on_target("iam:DeleteUserPolicy", &[("PolicyName", &name)]);
        Some(())
    }

    fn overwrite_policy(&mut self, user: &User) -> Option<()> {
        let name = self.inline_of_ours(user)?;
        let old = user.permissions.inline.get(&name)?;
        // At times it looks the same from afar: the same document, and it allows.
        let document = if self.random.per_mille(500) {
            old.replace("\"Deny\"", "\"Allow\"")
        } else {
            ALLOW_ALL.to_owned()
        };
        let with = [("PolicyName", name.as_str()), ("PolicyDocument", document.as_str())];
        self.on_target("iam:PutUserPolicy", &with);
        Some(())
    }

    fn detach(&mut self, user: &User) -> Option<()> {
        let attached = &user.permissions.attached;
        let found: Vec<&String> =
            attached.iter().filter(|arn| *arn == DENY_ALL_ARN || is_arn_of_ours(arn)).collect();
        let arn = (*self.random.pick(&found)?).clone();
        self.on_target("iam:DetachUserPolicy", &[("PolicyArn", &arn)]);
        Some(())
    }

    fn replace_version(&mut self) -> Option<()> {
        let arns: Vec<String> = self.sandbox.edit(|world| {
            let policies = world.account(&self.account).map(|account| account.policies.values());
            let ours = policies.into_iter().flatten().filter(|policy| is_our_name(&policy.name));
            ours.map(|policy| policy.arn.clone()).collect()
        });
        let arn = self.random.pick(&arns)?.clone();
        let with =
            [("PolicyArn", arn.as_str()), ("PolicyDocument", ALLOW_ALL), ("SetAsDefault", "true")];
        self.call("iam:CreatePolicyVersion", &with);
        Some(())
    }

    fn boundary(&mut self, user: &User) -> Option<()> {
        if user.permissions.boundary.is_some() && self.random.per_mille(500) {
            self.on_target("iam:DeleteUserPermissionsBoundary", &[]);
            return Some(());
        }
        let allows = [ADMINISTRATOR_ACCESS, "arn:aws:iam::aws:policy/PowerUserAccess"];
        let arn = self.random.pick(&allows)?;
        self.on_target("iam:PutUserPermissionsBoundary", &[("PermissionsBoundary", arn)]);
        Some(())
    }

    fn groups(&mut self, user: &User) -> Option<()> {
        let names: Vec<String> = self.sandbox.edit(|world| {
            let account = world.account(&self.account);
            let groups = account.map(|account| account.groups_of(user).map(|g| g.name.clone()));
            groups.map(Iterator::collect).unwrap_or_default()
        });
        if let Some(name) = self.random.pick(&names).cloned()
            && self.random.per_mille(500)
        {
            self.on_target("iam:RemoveUserFromGroup", &[("GroupName", &name)]);
            return Some(());
        }
        let group = ("GroupName", "telemetry-admins");
        self.call("iam:CreateGroup", &[group]);
        self.call("iam:AttachGroupPolicy", &[group, ("PolicyArn", ADMINISTRATOR_ACCESS)]);
        self.on_target("iam:AddUserToGroup", &[group]);
        Some(())
    }

    fn grant(&mut self) -> Option<()> {
        if self.random.per_mille(500) {
            self.on_target("iam:AttachUserPolicy", &[("PolicyArn", ADMINISTRATOR_ACCESS)]);
        } else {
            let with = [("PolicyName", "telemetry"), ("PolicyDocument", ALLOW_ALL)];
            self.on_target("iam:PutUserPolicy", &with);
        }
        Some(())
    }

    fn upload_ssh_key(&mut self) -> Option<()> {
        let body = format!("ssh-ed25519 AAAA{:016x} telemetry", self.random.draw());
        self.on_target("iam:UploadSSHPublicKey", &[("SSHPublicKeyBody", &body)]);
        Some(())
    }

    fn make_service_credential(&mut self) -> Option<()> {
        let service = ("ServiceName", "codecommit.amazonaws.com");
        self.on_target("iam:CreateServiceSpecificCredential", &[service]);
        Some(())
    }

    fn set_password(&mut self, user: &User) -> Option<()> {
        let password = format!("Telemetry-{:08x}", self.random.below(1 << 32));
        let action = match user.login {
            None => "iam:CreateLoginProfile",
            Some(_) => "iam:UpdateLoginProfile",
        };
        self.on_target(action, &[("Password", &password)]);
        Some(())
    }

    /// Everything has to go before the user can; what is denied on the way is left, and then the
    /// user stays, stripped.
    fn replace_user(&mut self, user: &User) -> Option<()> {
        let groups: Vec<String> = self.sandbox.edit(|world| {
            let account = world.account(&self.account)?;
            Some(account.groups_of(user).map(|group| group.name.clone()).collect())
        })?;
        let held = &user.permissions;
        let mut held: Vec<(&str, &str, &str)> = held
            .attached
            .iter()
            .map(|arn| ("iam:DetachUserPolicy", "PolicyArn", arn.as_str()))
            .chain(held.inline.keys().map(|n| ("iam:DeleteUserPolicy", "PolicyName", n.as_str())))
            .collect();
        let ids = |ids: &[crate::sandbox::Uploaded]| -> Vec<String> {
            ids.iter().map(|known| known.id.clone()).collect()
        };
        let (ssh, certificates) = (ids(&user.ssh_keys), ids(&user.certificates));
        held.extend(ssh.iter().map(|id| ("iam:DeleteSSHPublicKey", "SSHPublicKeyId", id.as_str())));
        let certificates = certificates.iter();
        held.extend(
            certificates.map(|id| ("iam:DeleteSigningCertificate", "CertificateId", id.as_str())),
        );
        held.extend(user.service_credentials.iter().map(|made| {
            let action = "iam:DeleteServiceSpecificCredential";
            (action, "ServiceSpecificCredentialId", made.id.as_str())
        }));
        held.extend(groups.iter().map(|g| ("iam:RemoveUserFromGroup", "GroupName", g.as_str())));
        // Its own keys last: it may be signing with one.
        held.extend(
            user.keys.iter().map(|key| ("iam:DeleteAccessKey", "AccessKeyId", key.id.as_str())),
        );
        for (action, name, id) in held {
            self.on_target(action, &[(name, id)]);
        }
        if user.login.is_some() {
            self.on_target("iam:DeleteLoginProfile", &[]);
        }
        if self.on_target("iam:DeleteUser", &[]).is_ok() {
            self.on_target("iam:CreateUser", &[]);
            self.on_target("iam:AttachUserPolicy", &[("PolicyArn", ADMINISTRATOR_ACCESS)]);
            self.make_key();
        }
        Some(())
    }

    /// The name of an inline policy of ringfence's on the target.
    fn inline_of_ours(&mut self, user: &User) -> Option<String> {
        let names: Vec<&String> =
            user.permissions.inline.keys().filter(|name| is_our_name(name)).collect();
        self.random.pick(&names).map(|name| (*name).clone())
    }

    /// The names of ringfence's policies wherever it sees one.
    fn names_of_ours(&self) -> Vec<String> {
        let inline = self.user().into_iter().flat_map(|user| user.permissions.inline.into_keys());
        let managed: Vec<String> = self.sandbox.edit(|world| {
            let policies = world.account(&self.account).map(|account| account.policies.values());
            policies.into_iter().flatten().map(|policy| policy.name.clone()).collect()
        });
        inline.chain(managed).filter(|name| is_our_name(name)).collect()
    }
}

pub(super) fn is_arn_of_ours(arn: &str) -> bool {
    arn.rsplit('/').next().is_some_and(is_our_name)
}
