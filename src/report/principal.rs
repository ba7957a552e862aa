//! A principal of an incident, and what ringfence changed of it.

use super::{Now, Recorded};
use crate::identity::{AccountId, Arn, PrincipalId, Who};
use crate::incident::{self, Stage};
use crate::lineage::Lineage;
use crate::plan::Compromised;
use crate::resource::{Resource, Value};
use crate::state::{HeldStatus, Recovery, State};
use crate::view::{FenceView, PrincipalStatus, Standing};
use jiff::Timestamp;
use serde::Serialize;

/// One principal of an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Principal {
    /// Its name in the state: `user`, or `role` where it is one.
    #[serde(flatten)]
    pub who: Who,
    /// Its unique ID.
    pub id: PrincipalId,
    /// Its ARN when it was last read by a run.
    pub arn: Arn,
    /// Its account.
    pub account_id: AccountId,
    /// The endpoint that its record is of.
    pub endpoint: String,
    /// The incident that its state names now.
    pub incident: Option<String>,
    /// Its containment.
    pub lineage: Lineage,
    /// The state's serial.
    pub serial: u64,
    /// The strictest posture that was applied.
    pub posture: String,
    /// The time of exposure, where known.
    pub since: Option<Timestamp>,
    /// The credentials known or taken to be the attacker's.
    pub compromised: Vec<Compromised>,
    /// How far it has come.
    pub stage: Stage,
    /// What it amounts to, by what was read now; `null` where it was not read.
    pub standing: Option<Standing>,
    /// When it was read now, by the service's clock.
    pub seen_at: Option<Timestamp>,
    /// When it was last read and found contained.
    pub last_seen_contained: Option<Timestamp>,
    /// When everything was released.
    pub released_at: Option<Timestamp>,
    /// The clock of the fence.
    pub fence: Option<FenceView>,
    /// The keys that recoveries have made, oldest first.
    pub recoveries: Vec<Recovery>,
    /// What ringfence changed of it, and where that stands.
    pub resources: Vec<HeldView>,
    /// What else is worth knowing, by what was read now.
    pub notes: Vec<String>,
}

/// One resource that ringfence changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HeldView {
    /// Which.
    pub resource: Resource,
    /// Where it stands, by the record.
    pub status: HeldStatus,
    /// The value before ringfence's first touch; `null` if it was not there.
    pub before: Option<Value>,
    /// The value last written; `null` if it was removed.
    pub ours: Option<Value>,
    /// When it was last written, by the service's clock.
    pub written_at: Option<Timestamp>,
}

/// What was read now of the principal that a state is of.
pub(super) fn status_of<'a>(now: &'a Now, state: &State) -> Option<&'a PrincipalStatus> {
    let Now::Read(status) = now else { return None };
    let of =
        |one: &&PrincipalStatus| one.id == state.principal.id && one.account_id == state.account_id;
    status.principals.iter().find(of)
}

/// The principal, by its record and by what was read now.
pub(super) fn told(one: &Recorded, now: &Now) -> Principal {
    let state = &one.state;
    // What says nothing of when it was read has read nothing: another account's, another endpoint's.
    let status = status_of(now, state).filter(|status| status.seen_at.is_some());
    let recorded = incident::stage(state);
    Principal {
        who: state.principal.who(),
        id: state.principal.id.clone(),
        arn: state.principal.arn.clone(),
        account_id: state.account_id.clone(),
        endpoint: state.endpoint.clone(),
        incident: state.incident.clone(),
        lineage: state.lineage.clone(),
        serial: state.serial,
        posture: state.posture.name.clone(),
        since: state.since,
        compromised: state.compromised.clone(),
        stage: status.map_or(recorded, |status| {
            // What is found of a principal that is contained is of its recovery.
            incident::once_read(recorded, status.standing, !status.findings.is_empty())
        }),
        standing: status.map(|status| status.standing),
        seen_at: status.and_then(|status| status.seen_at),
        last_seen_contained: status
            .map_or(state.last_seen_contained, |status| status.last_seen_contained),
        released_at: state.released_at,
        fence: status.map_or_else(
            || crate::standing::fence_view(state, None),
            |status| status.fence.clone(),
        ),
        recoveries: state.recoveries.clone(),
        resources: state
            .resources
            .iter()
            .chain(&state.rights)
            .map(|(resource, held)| HeldView {
                resource: resource.clone(),
                status: held.status,
                before: held.baseline.clone(),
                ours: held.ours.clone(),
                written_at: held.written_at,
            })
            .collect(),
        notes: status.map(|status| status.notes.clone()).unwrap_or_default(),
    }
}
