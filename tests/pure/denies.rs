//! Where the hold and the fence go, case by case.

use crate::cases::*;
use crate::properties::model::{Account, attached, start};
use crate::properties::strategies::{built_in, document_of, key_id};
use ringfence::lineage::Lineage;
use ringfence::plan::PrincipalPlan;
use ringfence::planner::{Request, Subject, contain};
use ringfence::policy::{FenceTime, PolicyDocument, boundary_fence, deny_all_arn, fence, hold};
use ringfence::resource::Value;
use ringfence::snapshot::{InlinePolicy, Observed, Quotas, Snapshot};
use ringfence::state::{HeldStatus, State};

const HOLD: &str = "inline_policy/RingfenceHold-01010101";
const FENCE: &str = "inline_policy/RingfenceFence-01010101";

fn planned(snapshot: Snapshot, state: Option<State>, rules: &[(&str, &str)]) -> PrincipalPlan {
    let mut posture = built_in("revoke");
    for (rule, value) in rules {
        posture.set(rule, value).unwrap();
    }
    let request = Request {
        posture,
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
        snapshot,
        state,
        named: vec![key_id(0)],
        traced: Vec::new(),
        sessions: Vec::new(),
        fresh_lineage: Lineage::new([1; 16]),
    };
    let context = Account::of(Vec::new()).context();
    contain(vec![subject], &request, &context).unwrap().principals.remove(0)
}

const DENY: &[(&str, &str)] = &[("permissions", "deny"), ("sessions", "keep")];
const MANAGED: &[(&str, &str)] = &[("permissions", "deny-managed"), ("sessions", "keep")];
const BOTH: &[(&str, &str)] = &[("permissions", "deny")];

/// What the plan writes besides the key's status, with what it says of it.
fn placed(plan: &PrincipalPlan) -> Vec<String> {
    let steps = plan.steps.iter().map(|step| step.resource.to_string());
    steps.filter(|step| step != KEY).collect()
}

fn blocked(plan: &PrincipalPlan) -> Vec<String> {
    plan.blocked.iter().map(|item| format!("{}: {}", item.what, item.why)).collect()
}

fn with(name: &str, document: PolicyDocument) -> Snapshot {
    let mut truth = user();
    add(&mut truth, name, document);
    truth
}

fn add(truth: &mut Snapshot, name: &str, document: PolicyDocument) {
    let (name, document) = (name.to_owned(), Observed::Read(document));
    items(&mut truth.inline_policies).push(InlinePolicy { name, document });
}

fn deny_all() -> String {
    format!("attached_policy/{}", deny_all_arn("aws"))
}

/// What the fence's policy is called, and what brings it to bear.
fn carried() -> [String; 2] {
    let arn = own_arn("RingfenceFence-01010101");
    [format!("managed_policy/{arn}"), format!("attached_policy/{arn}")]
}

fn needed(document: &PolicyDocument) -> usize {
    document.with_fence_time(start()).quota_size()
}

#[test]
fn a_hold_stands_twice_where_it_can() {
    let plan = planned(user(), None, DENY);
    assert_eq!(placed(&plan), [HOLD.to_owned(), deny_all()]);
    assert_eq!((plan.warnings.len(), blocked(&plan).len()), (0, 0));
    let plan = planned(user(), None, MANAGED);
    assert_eq!(placed(&plan), [deny_all()]);
    assert_eq!(plan.warnings, [""; 0]);
    assert_eq!(placed(&planned(user(), None, &[("sessions", "keep")])), [""; 0]);
}

#[test]
fn a_hold_that_stands_once_says_why() {
    let mut full = user();
    full.quotas = room(2048, 0);
    let plan = planned(full, None, DENY);
    assert_eq!(placed(&plan), [HOLD]);
    let slots = "AWSDenyAll is not attached: 0 of 0 managed policies are attached";
    assert_eq!(plan.warnings, [slots]);
    // If it was there before, a release would detach what is not ours.
    let plan = planned(without(user(), Section::Attached), None, DENY);
    assert_eq!(placed(&plan), [HOLD]);
    let unread = "AWSDenyAll is not attached: whether it is attached already could not be read";
    assert_eq!(plan.warnings, [unread]);
    // But for want of anything else it is attached all the same.
    let plan = planned(without(user(), Section::Attached), None, MANAGED);
    assert_eq!(placed(&plan), [deny_all()]);
    let size = needed(&hold());
    let mut cramped = user();
    cramped.quotas = room(50, 10);
    let plan = planned(cramped.clone(), None, DENY);
    assert_eq!(placed(&plan), [deny_all()]);
    let alone = format!(
        "the hold is AWSDenyAll alone: {size} characters are needed, 50 of the user's 50 are free"
    );
    assert_eq!(plan.warnings, [alone]);
    assert_eq!(planned(cramped, None, MANAGED).warnings, [""; 0]);
}

#[test]
fn a_deny_that_is_there_is_used_and_not_claimed() {
    let mut denied = user();
    items(&mut denied.attached_policies).push(attached(&deny_all_arn("aws")));
    let plan = planned(denied.clone(), None, MANAGED);
    assert_eq!(placed(&plan), [""; 0]);
    let before = "AWSDenyAll was attached before: it is not claimed, and stays";
    assert_eq!(plan.warnings, [before]);
    // What an earlier run attached is its own.
    let (mut state, now) = state_of(&contained(user(), &ask("lockdown", false)));
    let said = |state: &State| {
        let plan = planned(now.clone(), Some(state.clone()), BOTH);
        plan.warnings.contains(&before.to_owned())
    };
    assert!(!said(&state));
    mark(&mut state, &deny_all(), HeldStatus::Released);
    assert!(said(&state));
    // A policy of the name that a hold would bear is left alone, unless it is the very hold.
    let squatted = planned(with("RingfenceHold-01010101", document_of(100)), None, DENY);
    assert_eq!(placed(&squatted), [deny_all()]);
    let not_ours = format!("the hold is AWSDenyAll alone: {HOLD} is there and is not ours");
    assert!(squatted.warnings.contains(&not_ours));
    let same = planned(with("RingfenceHold-01010101", hold()), None, DENY);
    assert_eq!(placed(&same), [deny_all()]);
    assert!(same.warnings.iter().all(|line| !line.starts_with("the hold")));
}

#[test]
fn a_hold_that_fits_nowhere_else_is_the_boundary() {
    let mut full = user();
    full.quotas = room(0, 0);
    let plan = planned(full.clone(), None, DENY);
    assert_eq!(placed(&plan), [BOUNDARY]);
    assert_eq!(plan.steps[0].after, Some(Value::PolicyArn(deny_all_arn("aws"))));
    assert_eq!(blocked(&plan), [""; 0]);
    full.permissions_boundary = Some(deny_all_arn("aws"));
    let there = planned(full.clone(), None, DENY);
    assert_eq!((placed(&there), blocked(&there)), (Vec::new(), Vec::new()));
    full.permissions_boundary = Some(own_arn("team"));
    let taken = planned(full, None, DENY);
    assert_eq!(placed(&taken), [""; 0]);
    let size = needed(&hold());
    let why = format!(
        "hold: inline: {size} characters are needed, 0 of the user's 0 are free; attached: 0 of 0 managed policies are attached; the permissions boundary is taken"
    );
    assert_eq!(blocked(&taken), [why]);
}

#[test]
fn what_is_free_is_what_others_and_the_plan_itself_leave() {
    let size = needed(&fence(FenceTime::AfterApply));
    let fits = |mut truth: Snapshot, quota: usize, rules: &[(&str, &str)]| {
        truth.quotas = room(u32::try_from(quota).unwrap(), 10);
        placed(&planned(truth, None, rules)).contains(&FENCE.to_owned())
    };
    assert!(fits(user(), size, &[]) && !fits(user(), size - 1, &[]));
    let work = || with("work", document_of(100));
    assert!(fits(work(), size + 100, &[]) && !fits(work(), size + 99, &[]));
    // The hold comes first, and both have to fit.
    let both = size + needed(&hold());
    assert!(fits(user(), both, BOTH) && !fits(user(), both - 1, BOTH));
    // What cannot be read may leave room, and what is over the quota leaves none.
    assert!(fits(without(work(), Section::Inline), size, &[]));
    assert!(fits(without(work(), Section::InlineDocuments), size, &[]));
    assert!(!fits(with("work", document_of(size + 100)), size, &[]));
    // What a fence takes already is its own room.
    let (state, now) = state_of(&contained(user(), &ask("revoke", false)));
    let mut undone = now;
    give(&mut undone, KEY, ringfence::snapshot::Status::Active, before());
    undone.quotas = room(u32::try_from(size).unwrap(), 10);
    let resource = fence_of(&state).to_string();
    assert_eq!(placed(&planned(undone, Some(state), &[])), [resource]);
}

#[test]
fn a_fence_goes_where_there_is_room() {
    let mut cramped = user();
    cramped.quotas = room(50, 1);
    let plan = planned(cramped.clone(), None, &[]);
    assert_eq!(placed(&plan), carried());
    let size = needed(&fence(FenceTime::AfterApply));
    let numbers = format!("{size} characters are needed, 50 of the user's 50 are free");
    let document = &plan.steps[1];
    assert_eq!(document.reason, format!("the fence does not fit inline: {numbers}"));
    assert_eq!(document.after, Some(Value::Document(fence(FenceTime::AfterApply))));
    // No slot: the boundary, which has to allow everything else.
    cramped.quotas = room(50, 0);
    let plan = planned(cramped.clone(), None, &[]);
    assert_eq!(placed(&plan), [carried()[0].as_str(), BOUNDARY]);
    assert_eq!(plan.steps[1].after, Some(Value::Document(boundary_fence(FenceTime::AfterApply))));
    assert_eq!(plan.steps[1].reason, "the fence fits neither inline nor as an attached policy");
    // No boundary either: it is open, and the numbers are told.
    cramped.permissions_boundary = Some(own_arn("team"));
    let plan = planned(cramped.clone(), None, &[]);
    assert_eq!(placed(&plan), [""; 0]);
    let slots = "0 of 0 managed policies are attached";
    let open = |bounded: &str| format!("fence: inline: {numbers}; attached: {slots}; {bounded}");
    assert_eq!(blocked(&plan), [open("the permissions boundary is taken")]);
    // An account that is full of policies takes none more, attached or as the boundary.
    let policies = |slots, used| {
        let size = Quotas { inline_policy_size: 50, ..Quotas::default() };
        let mut full = user();
        full.quotas = Observed::Read(Quotas {
            attached_policies_per_user: slots,
            customer_policies: Some((used, 1500)),
            ..size
        });
        planned(full, None, &[])
    };
    let full = "1500 of the account's 1500 policies are there";
    assert_eq!(blocked(&policies(0, 1500)), [open(full)]);
    assert_eq!(blocked(&policies(1, 1500)).len(), 1);
    assert_eq!(placed(&policies(1, 1499)), carried());
    assert_eq!(placed(&policies(0, 1499)), [carried()[0].as_str(), BOUNDARY]);
}

#[test]
fn a_slot_is_taken_by_what_is_attached_and_what_will_be() {
    let attaching = |there: usize, slots: u32| {
        let mut truth = user();
        truth.quotas = room(50, slots);
        for n in 0..there {
            items(&mut truth.attached_policies).push(attached(&own_arn(&format!("p{n}"))));
        }
        placed(&planned(truth, None, BOTH))
    };
    let [document, attachment] = carried();
    assert_eq!(attaching(0, 2), [deny_all(), document.clone(), attachment.clone()]);
    assert_eq!(attaching(1, 3), [deny_all(), document.clone(), attachment]);
    assert_eq!(attaching(0, 1), [deny_all(), document, BOUNDARY.to_owned()]);
    assert_eq!(attaching(1, 1)[0], BOUNDARY);
}

#[test]
fn a_hold_alone_stops_older_sessions_where_a_fence_has_no_room() {
    let mut full = user();
    full.quotas = room(0, 0);
    let plan = planned(full.clone(), None, BOTH);
    assert_eq!((placed(&plan), blocked(&plan)), (vec![BOUNDARY.to_owned()], Vec::new()));
    let alone = "no room for a fence: the hold alone stops older sessions";
    assert!(plan.warnings.iter().any(|line| line.starts_with(alone)));
    // Where the hold has no room either, both are open.
    full.permissions_boundary = Some(own_arn("team"));
    let plan = planned(full, None, BOTH);
    let what: Vec<&str> = plan.blocked.iter().map(|item| item.what.as_str()).collect();
    assert_eq!(what, ["hold", "fence"]);
    assert_eq!(plan.warnings, [""; 0]);
}

#[test]
fn a_fence_that_stands_is_written_anew_only_for_what_it_does_not_cover() {
    let (state, now) = state_of(&contained(user(), &ask("revoke", false)));
    let again =
        |state: &State, now: &Snapshot| placed(&planned(now.clone(), Some(state.clone()), &[]));
    let fence = fence_of(&state).to_string();
    assert_eq!(again(&state, &now), [""; 0]);
    let mut active = now.clone();
    give(&mut active, KEY, ringfence::snapshot::Status::Active, before());
    assert_eq!(again(&state, &active), [fence.as_str()]);
    // A key that nobody knew to be the attacker's may have minted all the while.
    let mut unknowing = state.clone();
    unknowing.compromised.clear();
    unknowing.resources.remove(&resource(KEY));
    assert_eq!(again(&unknowing, &now), [fence.as_str()]);
    let mut void = state.clone();
    void.clock.as_mut().unwrap().void_while_active = vec![resource(KEY)];
    assert_eq!(again(&void, &now), [fence.as_str()]);
    assert_eq!(placed(&planned(now, Some(void), &[("sessions", "keep")])), [fence]);
}

#[test]
fn a_fence_that_moves_goes_inline_where_there_is_room_by_then() {
    let mut truth = user();
    truth.quotas = room(0, 1);
    let (state, mut now) = state_of(&contained(truth, &ask("revoke", false)));
    now.quotas = Observed::Read(Quotas::default());
    give(&mut now, KEY, ringfence::snapshot::Status::Active, before());
    assert_eq!(placed(&planned(now, Some(state), &[])), [FENCE]);
}

#[test]
fn a_boundary_of_somebody_elses_makes_no_room_for_a_fence_that_moves() {
    let (state, mut now) = state_of(&contained(user(), &ask("revoke", false)));
    items(&mut now.inline_policies).clear();
    now.quotas = room(0, 0);
    give(&mut now, KEY, ringfence::snapshot::Status::Active, before());
    now.permissions_boundary = Some(own_arn("team"));
    let taken = planned(now.clone(), Some(state.clone()), &[]);
    assert!(blocked(&taken)[0].ends_with("the permissions boundary is taken"));
    assert!(!placed(&taken).contains(&BOUNDARY.to_owned()));
    // Where the fence itself is the boundary, the later one takes its place.
    let mut truth = user();
    truth.quotas = room(0, 0);
    let (bound, mut active) = state_of(&contained(truth, &ask("revoke", false)));
    give(&mut active, KEY, ringfence::snapshot::Status::Active, before());
    let moved = planned(active, Some(bound), &[]);
    assert_eq!(blocked(&moved), [""; 0]);
    assert_eq!(placed(&moved).last().map(String::as_str), Some(BOUNDARY));
    now.permissions_boundary = None;
    let free = planned(now, Some(state), &[]);
    assert_eq!(
        (blocked(&free).len(), placed(&free).last().map(String::as_str)),
        (0, Some(BOUNDARY))
    );
}
