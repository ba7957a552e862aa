//! The principals with records of their own that belong to what is told, and that the report leaves out.

use super::open::is_target;
use super::runs::incidents;
use super::{Recorded, Source};
use crate::identity::{AccountId, PrincipalId, Who};
use crate::incident::{self, Stage};
use serde::Serialize;
use std::collections::BTreeSet;

/// A principal that has a record of its own, and is left out of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LeftOut {
    /// Its name in the state: `user`, or `role` where it is one.
    #[serde(flatten)]
    pub who: Who,
    /// Its unique ID.
    pub id: PrincipalId,
    /// Its account.
    pub account_id: AccountId,
    /// The incident that its state names now.
    pub incident: Option<String>,
    /// How far it has come, by its own record alone.
    pub stage: Stage,
}

/// Those of the same incident, and those that the trace has found, by name.
pub(super) fn told(source: &Source) -> Vec<LeftOut> {
    let told = source.principals.iter().flat_map(incidents);
    let wanted: BTreeSet<String> = match &source.incident {
        Some(incident) => [incident.clone()].into(),
        None => told.collect(),
    };
    let belongs = |one: &&Recorded| {
        incidents(one).any(|incident| wanted.contains(&incident))
            || source.trace.iter().any(|traced| {
                traced.trace.targets.iter().any(|target| is_target(target, traced, &one.state))
            })
    };
    let mut found: Vec<LeftOut> = source.others.iter().filter(belongs).map(left_out).collect();
    found.sort_by(|a, b| (&a.who, &a.id).cmp(&(&b.who, &b.id)));
    found
}

fn left_out(one: &Recorded) -> LeftOut {
    let state = &one.state;
    LeftOut {
        who: state.principal.who(),
        id: state.principal.id.clone(),
        account_id: state.account_id.clone(),
        incident: state.incident.clone(),
        stage: incident::stage(state),
    }
}
