//! What an earlier run wrote and others have changed since, case by case.

use crate::cases::*;
use crate::properties::model::Account;
use crate::properties::strategies::built_in;
use ringfence::lineage::Lineage;
use ringfence::plan::PrincipalPlan;
use ringfence::planner::{self, Request, Subject, contain};
use ringfence::policy::{FenceTime, deny_all_arn, fence, hold};
use ringfence::resource::{Resource, Value};
use ringfence::snapshot::{Observed, Quotas, Snapshot, Status};
use ringfence::state::{Held, HeldStatus, State};

const OLDER: &str = "inline_policy/RingfenceFence-older";

/// A contained user whose posture asks for nothing any more, so that what is written is written again.
fn left(truth: Snapshot, posture: &str) -> (State, Snapshot) {
    let (mut state, mut now) = state_of(&contained(truth, &ask(posture, true)));
    state.posture = built_in("revoke");
    state.posture.set("sessions", "keep").unwrap();
    state.posture.set("access_keys", "keep").unwrap();
    state.compromised.clear();
    now.quotas = Observed::Read(Quotas::default());
    (state, now)
}

fn again(state: &State, now: &Snapshot) -> PrincipalPlan {
    let request = Request {
        posture: state.posture.clone(),
        since: None,
        protected_users: Vec::new(),
        protected_roles: Vec::new(),
        override_protection: false,
        cut_workloads: false,
        trace: None,
        finding: None,
        strict: false,
        settle_s: 30,
    };
    let subject = Subject {
        snapshot: now.clone(),
        state: Some(state.clone()),
        named: Vec::new(),
        traced: Vec::new(),
        sessions: Vec::new(),
        fresh_lineage: Lineage::new([1; 16]),
    };
    let context = Account::of(Vec::new()).context();
    contain(vec![subject], &request, &context).unwrap().principals.remove(0)
}

/// The resources of the steps in their order, and why others are not written again.
fn said(state: &State, now: &Snapshot) -> (Vec<String>, Vec<String>) {
    let plan = again(state, now);
    for step in &plan.steps {
        assert_eq!(step.after, state.resources[&step.resource].ours, "{}", step.resource);
    }
    let middle = " was changed by others, and is not written again: ";
    let warned = plan
        .warnings
        .iter()
        .filter_map(|line| line.split_once(middle).map(|(what, why)| format!("{what}: {why}")));
    (plan.steps.iter().map(|step| step.resource.to_string()).collect(), warned.collect())
}

fn nothing() -> (Vec<String>, Vec<String>) {
    (Vec::new(), Vec::new())
}

fn writes(what: &[&str]) -> (Vec<String>, Vec<String>) {
    (what.iter().map(|one| (*one).to_owned()).collect(), Vec::new())
}

fn leaves(why: &[String]) -> (Vec<String>, Vec<String>) {
    (Vec::new(), why.to_vec())
}

#[test]
fn what_others_took_away_is_written_again_as_it_was() {
    let (state, now) = left(user(), "revoke");
    let own = fence_of(&state).to_string();
    assert_eq!(said(&state, &now), nothing());
    let mut gone = now.clone();
    items(&mut gone.inline_policies).clear();
    assert_eq!(said(&state, &gone), writes(&[&own]));
    // The key is turned off before the fence is written, and a deny on everything comes before both.
    give(&mut gone, KEY, Status::Active, before());
    assert_eq!(said(&state, &gone), writes(&[KEY, &own]));
    let (held, mut now) = left(user(), "lockdown");
    items(&mut now.inline_policies).clear();
    items(&mut now.attached_policies).clear();
    give(&mut now, KEY, Status::Active, before());
    let hold = format!("inline_policy/{}", held.lineage.hold_name());
    let deny_all = format!("attached_policy/{}", deny_all_arn("aws"));
    let own = fence_of(&held).to_string();
    let (steps, warned) = said(&held, &now);
    assert_eq!(warned, [""; 0]);
    let at = |what: &str| steps.iter().position(|step| step == what).unwrap();
    assert!(at(&hold) < at(KEY) && at(&deny_all) < at(KEY) && at(KEY) < at(&own), "{steps:?}");
    // A deleted credential can do nothing, and what is not read is not known to be gone.
    let mut deleted = now.clone();
    take(&mut deleted, KEY);
    assert!(!said(&held, &deleted).0.contains(&KEY.to_owned()));
    let (every, mut on) = left(everything(), "quarantine");
    for credential in [KEY, SSH, SERVICE] {
        give(&mut on, credential, Status::Active, before());
    }
    let plan = again(&every, &on);
    let wave =
        |what: &str| plan.steps.iter().find(|step| step.resource == resource(what)).unwrap().wave;
    assert!(wave(KEY) < wave(SSH) && wave(SSH) == wave(SERVICE));
    let unread = without(without(now, Section::Inline), Section::AccessKeys);
    assert_eq!(said(&held, &unread), writes(&[&deny_all]));
}

/// With none named a containment takes every key that is on for the attacker's: nobody asked for one here.
#[test]
fn what_was_released_is_contained_anew_and_not_again() {
    let mut truth = user();
    give(&mut truth, OTHER_KEY, Status::Active, before());
    let mut ask = ask("revoke", true);
    ask.named = vec!["AKIAEXAMPLEKEY000000".parse().unwrap()];
    let (mut state, now) = state_of(&contained(truth, &ask));
    let context = Account::of(Vec::new()).context();
    assert!(planner::again(&state, &now, &context).unwrap().steps.is_empty());
    state.released_at = Some(after());
    mark(&mut state, KEY, HeldStatus::Kept);
    assert!(state.continues());
    let refused = planner::again(&state, &now, &context).unwrap_err();
    assert_eq!(refused.message(), "user `deploy-bot` was released");
    assert_eq!(refused.exit(), ringfence::exit::Exit::Stale);
    assert_eq!(refused.hints(), ["a new containment: ringfence plan --user deploy-bot"]);
}

#[test]
fn what_has_no_room_is_not_written_again_and_that_is_said() {
    let (state, mut now) = left(user(), "revoke");
    let own = fence_of(&state);
    items(&mut now.inline_policies).clear();
    now.quotas = room(10, 10);
    let Some(Value::Document(document)) = &state.resources[&own].ours else {
        panic!("no document")
    };
    let size = document.quota_size();
    let why = format!("{own}: {size} characters are needed, 10 of the user's 10 are free");
    assert_eq!(said(&state, &now), leaves(&[why]));
}

#[test]
fn an_older_fence_gives_way_to_one_that_covers() {
    let (mut state, mut now) = left(user(), "revoke");
    let own = fence_of(&state);
    let older = Held {
        ours: Some(Value::Document(fence(FenceTime::At(after())))),
        written_at: Some(after()),
        ..state.resources[&own].clone()
    };
    state.resources.insert(resource(OLDER), older);
    let why = "a later fence takes its place".to_owned();
    assert_eq!(said(&state, &now), leaves(&[format!("{OLDER}: {why}")]));
    // What is no fence is written again all the same.
    give(&mut now, KEY, Status::Active, before());
    assert_eq!(said(&state, &now).0, [KEY]);
    items(&mut now.inline_policies).clear();
    give(&mut now, KEY, Status::Inactive, before());
    let (mut steps, _) = said(&state, &now);
    steps.sort();
    assert_eq!(steps, [own.to_string(), OLDER.to_owned()]);
}

/// A user whose fence went into a policy, by way of an attachment or the boundary.
fn carried(slots: u32) -> (State, Snapshot, String) {
    let mut truth = user();
    truth.quotas = room(0, slots);
    let (state, now) = left(truth, "revoke");
    let arn = fence_of(&state).id().to_owned();
    (state, now, arn)
}

/// A fence's policy that was taken away, changed, or made anew by others.
fn loosened(now: &Snapshot) -> Snapshot {
    let mut now = now.clone();
    items(&mut now.attached_policies).clear();
    now.permissions_boundary = None;
    now
}

#[test]
fn a_fence_in_a_policy_is_brought_to_bear_again_only_as_it_was_written() {
    for slots in [0, 1] {
        let (state, now, arn) = carried(slots);
        let policy = format!("managed_policy/{arn}");
        let carrier =
            if slots == 0 { BOUNDARY.to_owned() } else { format!("attached_policy/{arn}") };
        assert_eq!(said(&state, &now), nothing());
        let loose = loosened(&now);
        assert_eq!(said(&state, &loose), writes(&[&carrier]));
        // A policy has to be there before it can be attached.
        let mut gone = loose.clone();
        gone.managed_policies.clear();
        assert_eq!(said(&state, &gone), writes(&[&policy, &carrier]));
        let steps = again(&state, &gone).steps;
        assert!(steps[0].wave < steps[1].wave);
        // Under its name there may stand a policy that allows everything.
        let mut other = loose.clone();
        other.managed_policies[0].document = Some(Observed::Read(hold()));
        let (document, brought) = (
            format!("{policy}: its document is another"),
            format!("{carrier}: its policy is another"),
        );
        let (steps, mut warned) = said(&state, &other);
        warned.sort();
        let mut both = vec![document, brought];
        both.sort();
        assert_eq!((steps, warned), (Vec::new(), both));
        // One that ringfence does not hold any more is not made again.
        let mut given = state.clone();
        mark(&mut given, &policy, HeldStatus::GivenUp);
        assert_eq!(said(&given, &gone), leaves(&[format!("{carrier}: its policy is gone")]));
        assert_eq!(said(&given, &loose), writes(&[&carrier]));
    }
}

#[test]
fn what_denies_more_or_has_no_slot_is_left_as_it_is() {
    let (state, now, _) = carried(0);
    let mut denied = loosened(&now);
    denied.permissions_boundary = Some(deny_all_arn("aws"));
    assert_eq!(said(&state, &denied), leaves(&[format!("{BOUNDARY}: the boundary is AWSDenyAll")]));
    denied.permissions_boundary = Some(own_arn("team"));
    assert_eq!(said(&state, &denied), writes(&[BOUNDARY]));
    let (state, now, arn) = carried(1);
    let mut full = loosened(&now);
    full.quotas = room(0, 0);
    let slots = "0 of 0 managed policies are attached";
    assert_eq!(said(&state, &full), leaves(&[format!("attached_policy/{arn}: {slots}")]));
    assert!(state.resources.contains_key(&Resource::ManagedPolicy(arn)));
}
