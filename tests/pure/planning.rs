//! What the planner makes of one user, case by case.

use crate::properties::model::{Account, attached};
use crate::properties::strategies::{built_in, empty, old_key};
use ringfence::lineage::Lineage;
use ringfence::plan::{Plan, PrincipalPlan};
use ringfence::planner::{Request, Subject, contain};
use ringfence::policy::hold;
use ringfence::resource::Resource;
use ringfence::snapshot::{AttachedPolicy, Observed, Quotas, Snapshot};

/// A user with a key, and room for nothing inline.
fn cramped() -> Snapshot {
    let mut truth = empty("deploy-bot", "AIDAEXAMPLE1");
    truth.access_keys = Observed::Read(vec![old_key(0)]);
    truth.quotas = Observed::Read(Quotas { inline_policy_size: 50, ..Quotas::default() });
    truth
}

/// Plans to revoke what was read, as it was read.
fn revoke(snapshot: Snapshot) -> Plan {
    let request = Request {
        posture: built_in("revoke"),
        since: None,
        protected_users: Vec::new(),
        override_protection: false,
        strict: false,
        settle_s: 0,
    };
    let context = Account::of(Vec::new()).context();
    let fresh_lineage = Lineage::new([1; 16]);
    let subject = Subject { snapshot, state: None, named: Vec::new(), fresh_lineage };
    contain(vec![subject], &request, &context).unwrap()
}

fn created(principal: &PrincipalPlan) -> Vec<&str> {
    let steps = principal.steps.iter();
    let policies = steps.filter_map(|step| match &step.resource {
        Resource::ManagedPolicy(arn) => Some(arn.as_str()),
        _ => None,
    });
    policies.collect()
}

#[test]
fn the_name_of_a_policy_that_was_read_is_not_taken_again() {
    let plan = revoke(cramped());
    let first = created(&plan.principals[0])[0];
    let mut snapshot = cramped();
    snapshot.managed_policies =
        vec![AttachedPolicy { document: Some(Observed::Read(hold())), ..attached(first) }];
    let plan = revoke(snapshot);
    assert_eq!(Plan::parse(&plan.bytes(), "plan.json").unwrap(), plan);
    assert_eq!(created(&plan.principals[0]), [format!("{first}-1")]);
}
