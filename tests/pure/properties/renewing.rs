//! What is said of a new plan where one is stale, held against the plan that is then made.

use super::model::{Account, Ask, Trouble};
use super::property;
use super::releasing::{all_credentials, wish};
use super::strategies::{ask, built_in, truth};
use super::twice::{edit, edits};
use ringfence::plan::{Plan, PrincipalPlan};
use ringfence::release::Request;
use ringfence::renewal::{Renewal, renewed};
use ringfence::resource::{Resource, Value};
use std::collections::BTreeMap;

fn renewal(account: &Account, plan: &Plan) -> Renewal {
    let (now, state) = (account.now_of_first(), account.user().state.as_ref());
    renewed(plan, &plan.principals[0], &now, state, &account.context())
}

/// What a plan does, and what it says stays, but for the names that its lineage gives.
fn meaning(one: &PrincipalPlan) -> (BTreeMap<String, [String; 2]>, Vec<Vec<String>>) {
    let plain = |text: String| text.replace(one.lineage.short(), "LINEAGE");
    let name = |resource: &Resource| plain(resource.to_string());
    let steps = one.steps.iter();
    let value = |value: &Option<Value>| plain(serde_json::to_string(value).unwrap());
    let steps = steps.map(|step| (name(&step.resource), [value(&step.before), value(&step.after)]));
    let live = one.left_live.iter();
    let live = live.map(|live| live.resource.as_ref().map_or_else(|| live.what.clone(), name));
    let kept = one.kept.iter().map(|kept| name(&kept.resource)).collect();
    let blocked = one.blocked.iter().map(|blocked| blocked.what.clone()).collect();
    (steps.collect(), vec![live.collect(), kept, blocked])
}

#[test]
fn whether_a_new_containment_would_be_the_same_is_told_truly() {
    let cases = (truth(), ask(), proptest::collection::vec(edit(), 0..3));
    property(200, &cases, |(truth, ask, moved)| {
        let mut account = Account::of(vec![truth]);
        let plan = account.plan(&ask).unwrap();
        account.tick(600);
        for edit in &moved {
            edits(&mut account, edit);
        }
        let told = renewal(&account, &plan);
        let new = account.plan(&ask).unwrap();
        let same = meaning(&plan.principals[0]) == meaning(&new.principals[0]);
        // A key that was named and is gone can be named no more.
        let named = ask.named.iter().all(|key| {
            let keys = account.user().truth.access_keys.items();
            keys.iter().any(|there| there.id == *key)
        });
        if named {
            assert_eq!(told == Renewal::Same, same, "{told:?}");
        }
        if moved.is_empty() {
            assert_eq!(told, Renewal::Same);
        }
    });
}

#[test]
fn a_new_release_of_what_did_not_move_is_the_same() {
    property(200, &(truth(), ask(), wish()), |(truth, ask, wish)| {
        let mut account = Account::of(vec![truth]);
        let plan = account.plan(&ask).unwrap();
        account.apply(&plan, &Trouble::none());
        account.tick(wish.after);
        account.users[0].hidden = wish.hidden.iter().copied().collect();
        let mut chosen = wish.reactivate.iter().cycle();
        let asked = all_credentials(&account).into_iter().filter(|_| *chosen.next().unwrap());
        let request = Request {
            reactivate: asked.collect(),
            lift_fence_now: wish.lift_fence_now,
            to: wish.to.map(built_in),
            accept_unread: wish.accept_unread,
            ..Request::default()
        };
        let Ok(plan) = account.release(&request) else { return };
        assert_eq!(renewal(&account, &plan), Renewal::Same);
        account.tick(60);
        account.apply(&plan, &Trouble::none());
        if !plan.is_empty() {
            assert_ne!(renewal(&account, &plan), Renewal::Same, "it has been done since");
        }
    });
}

#[test]
fn what_a_new_plan_would_do_is_said_for_each_resource() {
    use crate::cases::*;
    use ringfence::snapshot::Status;
    let mut account = Account::of(vec![user()]);
    let ask = Ask { named: Vec::new(), ..ask_for("quarantine") };
    let plan = account.plan(&ask).unwrap();
    let truth = &mut account.users[0].truth;
    take(truth, KEY);
    give(truth, OTHER_KEY, Status::Active, after());
    assert_eq!(
        renewal(&account, &plan).lines(),
        [
            "a new plan would not be the same:".to_owned(),
            format!("  {OTHER_KEY}  would be changed as well"),
            format!("  {KEY}  would not be changed"),
        ]
    );
    assert_eq!(Renewal::Same.lines(), ["a new plan would be the same but for its times"]);
    let mut account = contained(user(), &ask);
    account.tick(200_000);
    let release = account.release(&Request::default()).unwrap();
    account.users[0].state = None;
    assert_eq!(
        renewal(&account, &release).lines(),
        ["a new plan could not be made: there is no state to give back from"]
    );
}

fn ask_for(posture: &str) -> Ask {
    crate::cases::ask(posture, false)
}
