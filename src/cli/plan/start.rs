//! What a plan begins with: a finding of GuardDuty.

use crate::aws::{Reading, Targets};
use crate::cli::findings::findings_file;
use crate::cli::session::name_of;
use crate::error::{Error, Result};
use crate::finding::{Findings, Start, read};
use crate::plan::{FindingSource, sha256};
use crate::text::{count, shell};
use std::path::Path;

/// A finding, and whom it is about.
#[derive(Clone, Debug)]
pub(super) struct Started {
    pub(super) source: FindingSource,
    pub(super) start: Start,
}

impl Started {
    /// Reads the one finding of a file.
    pub(super) fn from(path: &Path) -> Result<Self> {
        let bytes = findings_file(path)?;
        let name = name_of(path);
        let Findings { findings, skipped } = read(&bytes);
        let [finding] = findings.as_slice() else {
            let all = format!("ringfence findings {} has the command for each", shell(&name));
            return Err(match (findings.len(), skipped) {
                (0, Some((_, why))) => {
                    Error::failed(format!("`{name}` holds no finding")).because(why)
                }
                (0, None) => Error::failed(format!("`{name}` holds no finding")),
                (many, _) => Error::failed(format!(
                    "`{name}` holds {}, and a plan starts from one",
                    count(many, "finding", "findings")
                ))
                .hint(all),
            });
        };
        let start = finding.start().map_err(|unusable| unusable.error(finding))?;
        let source = FindingSource {
            id: finding.id.clone(),
            kind: finding.kind.clone(),
            access_keys: start.keys.clone(),
            sha256: sha256(&bytes),
        };
        Ok(Self { source, start })
    }

    /// Adds whom it is about to what is to be read.
    pub(super) fn add_to(&self, targets: &mut Targets) -> Result<()> {
        for key in &self.start.keys {
            if !targets.keys.contains(key) {
                targets.keys.push(key.clone());
            }
        }
        for user in &self.start.users {
            if !targets.users.iter().any(|other| other.same_user(user.as_str())) {
                targets.users.push(user.clone());
            }
        }
        for role in &self.start.roles {
            let role = role.parse().map_err(|error| {
                Error::failed(format!("the finding names no role: `{}`", crate::text::shown(role)))
                    .because(error)
            })?;
            if !targets.roles.contains(&role) {
                targets.roles.push(role);
            }
        }
        Ok(())
    }

    /// Refuses a finding about another account than the caller's: a user of the same name there is
    /// somebody else (F27).
    pub(super) fn check(&self, reading: &Reading) -> Result<()> {
        let own = &reading.caller.account;
        match &self.start.account {
            Some(account) if account != own => Err(Error::stale(format!(
                "the finding is about account {account}, the caller is in {own}"
            ))
            .hint("use credentials of that account: --profile NAME")),
            _ => Ok(()),
        }
    }
}
