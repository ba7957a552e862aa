//! When a rule is about a plan, and when it is not.

use super::*;
use crate::render::sample;
use crate::snapshot::{Missing, Observed, Obstacle};

fn rule(when: When) -> Guardrail {
    Guardrail { name: "r".to_owned(), message: "m".to_owned(), outcome: Outcome::Deny, when }
}

fn now() -> Timestamp {
    sample::at("2026-11-21T03:30:00Z")
}

fn meets(when: When, plan: &Plan, state: Option<&State>) -> bool {
    let states = vec![state.cloned(); plan.principals.len()];
    !check(&[rule(when)], plan, &states, now()).is_empty()
}

fn texts(text: &str) -> Vec<String> {
    vec![text.to_owned()]
}

fn tagged(tags: Observed<BTreeMap<String, String>>) -> Plan {
    let mut plan = sample::revoke();
    plan.principals[0].snapshot.tags = tags;
    plan
}

fn names(pattern: &str) -> Named {
    Named { names: texts(pattern), ..Named::default() }
}

fn env(pattern: &str) -> Named {
    Named { tags: BTreeMap::from([("env".to_owned(), texts(pattern))]), ..Named::default() }
}

#[test]
fn every_condition_has_to_hold() {
    let plan = sample::revoke();
    let deactivate = BTreeSet::from([Effect::Deactivate]);
    let all = When {
        kind: Some(Kind::Contain),
        effects: deactivate.clone(),
        resources: texts("access_key/*"),
        users: Named { names: texts("DEPLOY-*"), paths: texts("/"), ..Named::default() },
        accounts: texts("123456789012"),
        ..When::default()
    };
    assert!(meets(When::default(), &plan, None));
    assert!(meets(all.clone(), &plan, None));
    for other in [
        When { kind: Some(Kind::Release), ..all.clone() },
        When { effects: BTreeSet::from([Effect::Reactivate]), ..all.clone() },
        When { resources: texts("ssh_key/*"), ..all.clone() },
        When { users: names("other"), ..all.clone() },
        When { users: Named::default(), roles: names("deploy-*"), ..all.clone() },
        When { users: Named { paths: texts("/ci/*"), ..Named::default() }, ..all.clone() },
        When { accounts: texts("2*"), ..all.clone() },
        When { fence_younger_than_s: Some(3_600), ..all.clone() },
        When { users: env("*"), ..all.clone() },
        // Of one step, not of two.
        When { effects: deactivate, resources: texts("inline_policy/*"), ..all },
    ] {
        assert!(!meets(other.clone(), &plan, None), "{other:?}");
    }
}

#[test]
fn tags_that_could_not_be_read_count_as_the_rule_has_it() {
    let prod = || When { users: env("prod*"), ..When::default() };
    let tags = |value: &str| Observed::Read(BTreeMap::from([("env".to_owned(), value.to_owned())]));
    assert!(meets(prod(), &tagged(tags("production")), None));
    assert!(!meets(prod(), &tagged(tags("test")), None));
    let unread = Observed::Unread(Missing {
        action: "iam:GetUser".to_owned(),
        because: "AccessDenied".to_owned(),
        obstacle: Obstacle::Denied,
    });
    let found = check(&[rule(prod())], &tagged(unread), &[None], now());
    assert_eq!(found[0].unread.as_deref(), Some("the user's tags"));
}

#[test]
fn how_old_the_fence_is_stands_in_the_record() {
    let plan = sample::release();
    let mut state = sample::recorded();
    let younger = |seconds| When { fence_younger_than_s: Some(seconds), ..When::default() };
    let clock = state.clock.clone().unwrap();
    let age = now().duration_since(clock.fence_time).as_secs().unsigned_abs();
    assert!(meets(younger(age + 1), &plan, Some(&state)));
    assert!(!meets(younger(age), &plan, Some(&state)));
    state.clock = None;
    assert!(!meets(younger(age + 1), &plan, Some(&state)));
}

#[test]
fn the_most_approvals_that_a_rule_asks_for() {
    let asks = |number| Guardrail { outcome: Outcome::Approvals(number), ..rule(When::default()) };
    let found = check(
        &[asks(1), asks(3), asks(2), rule(When::default())],
        &sample::revoke(),
        &[None],
        now(),
    );
    assert_eq!(found.len(), 4);
    assert_eq!(approvals(&found).unwrap().0, 3);
}
