//! Who has approved what is about to be applied (D2.2), and the rules that it meets.

use super::Executor;
use crate::approval::{Examination, Local, SignatureFile, Signed, Subject, TrustRoot, examine};
use crate::aws::Reading;
use crate::error::Result;
use crate::plan::Plan;
use crate::state::State;

/// What a person brings to be allowed to apply a plan.
#[derive(Clone, Debug, Default)]
pub struct Approvals {
    /// What the plan's file is called; `None` for a plan that is made and applied in one go.
    pub file: Option<String>,
    /// The signatures that lie beside it.
    pub signatures: Vec<SignatureFile>,
    /// What this machine's configuration asks for besides.
    pub local: Local,
    /// Why the plan is applied without the approvals that it needs.
    pub break_glass: Option<String>,
}

/// That a plan may be applied, and why.
#[derive(Clone, Debug, Default)]
pub(super) struct Granted {
    pub(super) approvals: Vec<Signed>,
    /// Why it goes without the approvals that it needs.
    pub(super) break_glass: Option<String>,
    pub(super) warnings: Vec<String>,
}

impl Executor<'_> {
    /// Whether the plan may be applied, by the store's files as they are now.
    pub(super) async fn granted(
        &self,
        plan: &Plan,
        bytes: &[u8],
        states: &[Option<State>],
        reading: &Reading,
    ) -> Result<Granted> {
        let trust = self.store.trust_root().await?;
        let brought = &self.approvals;
        let subject = Subject {
            plan,
            bytes,
            states,
            signatures: &brought.signatures,
            caller: Some(&reading.caller.arn),
            now: reading.service_time,
        };
        let allow = |examined: &Examination| {
            examined.allow(brought.file.as_deref(), brought.break_glass.as_deref(), &trust)
        };
        let examined = examine(&subject, &trust, &brought.local);
        allow(&examined)?;
        // Paths and tags may have moved since, and what a plan says of them anybody can have written.
        let read = as_read(plan, reading);
        let examined = match read == *plan {
            true => examined,
            false => examine(&Subject { plan: &read, ..subject }, &trust, &brought.local),
        };
        allow(&examined)?;
        Ok(self.grant(examined, &trust))
    }

    fn grant(&self, examined: Examination, trust: &TrustRoot) -> Granted {
        let warnings = examined.warnings();
        let met = examined.verdict.is_met();
        let text = |name: &str| {
            let file = self.approvals.signatures.iter().find(|file| file.name == name);
            file.map(|file| String::from_utf8_lossy(&file.bytes).into_owned()).unwrap_or_default()
        };
        let approvals = examined.verdict.approvals.into_iter();
        let approvals = approvals
            .map(|approval| Signed { signature: text(&approval.file), approval })
            .collect();
        let allowed = !met && trust.allows_break_glass();
        let break_glass = self.approvals.break_glass.clone().filter(|_| allowed);
        Granted { approvals, break_glass, warnings }
    }
}

/// The plan with its principals as they were read just now.
fn as_read(plan: &Plan, reading: &Reading) -> Plan {
    let mut plan = plan.clone();
    for principal in &mut plan.principals {
        if let Some(now) = reading.snapshots.iter().find(|now| *now.id() == principal.id) {
            principal.arn = now.arn().clone();
            principal.snapshot.entity = now.entity.clone();
            principal.snapshot.tags = now.tags.clone();
        }
    }
    plan
}
