//! The signatures beside a plan, and what this machine asks of them.

use super::session::{Session, name_of, read_file};
use crate::approval::{
    Examination, LARGEST, Local, SignatureFile, Signers, Subject, TrustRoot, examine,
};
use crate::error::{Error, Result};
use crate::plan::Plan;
use crate::state::State;
use crate::store::Key;
use std::fs;
use std::path::{Path, PathBuf};

/// The signatures of a plan: `FILE.sig`, and every `FILE.NAME.sig`, sorted by name.
pub(super) fn beside(plan: &Path) -> Result<Vec<SignatureFile>> {
    let Some(file) = plan.file_name().and_then(|name| name.to_str()) else { return Ok(Vec::new()) };
    let folder = plan.parent().unwrap_or(Path::new(""));
    let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let unread = |error: &std::io::Error| {
        Error::failed(format!("the signatures beside `{}` cannot be read", name_of(plan)))
            .because(error)
    };
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(listed).map_err(|error| unread(&error))? {
        let path = folder.join(entry.map_err(|error| unread(&error))?.file_name());
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let middle = name.strip_prefix(file).and_then(|rest| rest.strip_suffix(".sig"));
        if middle.is_some_and(|middle| middle.is_empty() || middle.starts_with('.')) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths.iter().map(|path| signature(path)).collect())
}

/// One file; of one that is too large to be a signature no more than it takes to say so.
fn signature(path: &Path) -> SignatureFile {
    // Whatever else bears such a name is no signature, and blocks none that is.
    let regular = fs::metadata(path).is_ok_and(|found| found.is_file());
    let mut bytes = if regular { read_file(path).unwrap_or_default() } else { Vec::new() };
    bytes.truncate(LARGEST + 1);
    SignatureFile { name: name_of(path), bytes }
}

impl Session<'_> {
    /// What the configuration asks for besides the store.
    pub(super) fn local_approval(&self) -> Result<Local> {
        let signers = match &self.config.allowed_signers {
            None => None,
            Some(file) => Some(Signers::parse(&read_file(Path::new(file))?, file)?),
        };
        Ok(Local { requirement: self.config.approval.clone(), signers })
    }

    /// A plan with the approval that the store and this machine require for it.
    pub(super) async fn requiring(&self, plan: Plan) -> Result<Plan> {
        let trust = self.store.trust_root().await?;
        Ok(plan.requiring(trust.in_force(&self.local_approval()?)))
    }

    /// The records of a plan's principals, in their order.
    pub(super) async fn states_of(&self, plan: &Plan) -> Result<Vec<Option<State>>> {
        let mut states = Vec::new();
        for principal in &plan.principals {
            let key = Key::of(plan, principal);
            states.push(self.store.load(&key).await?);
        }
        Ok(states)
    }

    /// What stands for and against a plan, as far as this machine can tell without AWS: the executor has the
    /// last word, with the caller and the service's time.
    pub(super) async fn examined(
        &self,
        plan: &Plan,
        bytes: &[u8],
        signatures: &[SignatureFile],
    ) -> Result<(Examination, TrustRoot)> {
        let trust = self.store.trust_root().await?;
        let states = self.states_of(plan).await?;
        let now = self.context.now();
        let subject = Subject { plan, bytes, states: &states, signatures, caller: None, now };
        let examination = examine(&subject, &trust, &self.local_approval()?);
        Ok((examination, trust))
    }
}
