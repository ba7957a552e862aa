//! What is recorded of a containment and of a release, whatever became of their calls.

use crate::cases::*;
use crate::properties::model::{Account, attached};
use crate::written::Case;
use jiff::{SignedDuration, Timestamp};
use ringfence::journal::{Event, StepResult};
use ringfence::lineage::Lineage;
use ringfence::plan::{Compromised, Step, Why};
use ringfence::planner::fence_time;
use ringfence::policy::{FenceTime, deny_all_arn, fence, hold};
use ringfence::record::import;
use ringfence::release::{Request, release};
use ringfence::resource::{Resource, Value};
use ringfence::snapshot::{InlinePolicy, Observed, Snapshot, Status};
use ringfence::state::{HeldStatus, State};

const FENCE: &str = "inline_policy/RingfenceFence-";
const HOLD: &str = "inline_policy/RingfenceHold-";
const OLDER: &str = "inline_policy/RingfenceFence-older";

fn containing(previous: Option<State>, truth: Snapshot, posture: &str) -> Case {
    let mut account = Account::of(vec![truth]);
    let before = account.now_of_first();
    let mut plan = account.plan(&ask(posture, true)).unwrap();
    if let Some(state) = &previous {
        plan.principals[0].lineage = state.lineage.clone();
    }
    Case::begin(previous, before, plan, account.now)
}

fn revoking() -> Case {
    containing(None, user(), "revoke")
}

/// What is read long enough before this time is covered by a fence of it.
fn late(case: &Case) -> Timestamp {
    fence_time(case.at + SignedDuration::from_secs(60), 60)
}

impl Case {
    fn fixed(mut self, fence_time: Timestamp, still_active: &[&str]) -> Self {
        let still_active = still_active.iter().map(|key| resource(key)).collect();
        let event = Event::FenceTime { fence_time, key_off_at: self.at, still_active };
        self.journal.append(self.at, event);
        self
    }

    fn fenced(self) -> Self {
        let time = late(&self);
        self.fixed(time, &[]).did(FENCE, StepResult::Done)
    }

    /// The user with the key off and the fence in force.
    fn contained_now(&self) -> Snapshot {
        let mut now = self.before.clone();
        now.read_at = self.at;
        give(&mut now, KEY, Status::Inactive, before());
        let step = self.step(FENCE);
        let Some(Value::Document(document)) = &step.after else { panic!("no document") };
        put(&mut now, step.resource.id(), document.with_fence_time(late(self)));
        now
    }

    fn held(&self, now: Option<&Snapshot>, what: &Resource) -> Option<HeldStatus> {
        self.finish(now).0.resources.get(what).map(|held| held.status)
    }
}

fn put(now: &mut Snapshot, name: &str, document: ringfence::policy::PolicyDocument) {
    let document = Observed::Read(document);
    items(&mut now.inline_policies).retain(|policy| policy.name != name);
    items(&mut now.inline_policies).push(InlinePolicy { name: name.to_owned(), document });
    now.sort();
}

#[test]
fn a_run_is_complete_where_every_call_was_answered_or_read() {
    let done = || revoking().did(KEY, StepResult::Done).fenced();
    assert!(done().finish(None).1);
    // Where the user could be read, an answer alone is not enough.
    let now = done().contained_now();
    assert!(!done().finish(Some(&now)).1);
    let read = done().read(KEY, true).read(FENCE, true);
    let (state, complete) = read.finish(Some(&now));
    assert!(complete);
    assert_eq!(state.last_seen_contained, Some(now.read_at));
    let mut active = now;
    give(&mut active, KEY, Status::Active, before());
    let (state, complete) = done().read(KEY, false).read(FENCE, true).finish(Some(&active));
    assert_eq!((complete, state.last_seen_contained), (false, None));
}

#[test]
fn what_a_run_that_was_cut_off_wrote_is_of_its_last_answer() {
    let mut case = revoking();
    case.at += SignedDuration::from_secs(90);
    let case = case.did(KEY, StepResult::Done);
    assert_eq!(case.replay().resources[&resource(KEY)].written_at, Some(case.at));
}

#[test]
fn a_second_containment_keeps_the_baseline_of_what_is_still_kept_up() {
    let (mut state, now) = state_of(&contained(user(), &ask("revoke", true)));
    let key = resource(KEY);
    let mut active = now.clone();
    give(&mut active, KEY, Status::Active, before());
    let expired = Some(status(Status::Expired));
    state.resources.get_mut(&key).unwrap().baseline.clone_from(&expired);
    for (known, kept_up) in [
        (HeldStatus::Held, true),
        (HeldStatus::InDoubt, true),
        (HeldStatus::Kept, true),
        (HeldStatus::Released, false),
        (HeldStatus::GivenUp, false),
    ] {
        mark(&mut state, KEY, known);
        let begun = containing(Some(state.clone()), active.clone(), "revoke").begun;
        let met = if kept_up { expired.clone() } else { Some(status(Status::Active)) };
        assert_eq!(begun.resources[&key].baseline, met, "{known:?}");
        assert_eq!(begun.resources[&key].status, HeldStatus::InDoubt);
    }
    // What one of two cannot restore cannot be restored.
    mark(&mut state, KEY, HeldStatus::Held);
    for (before, now) in [(true, false), (false, true), (true, true)] {
        state.resources.get_mut(&key).unwrap().reversible = before;
        let mut plan = containing(Some(state.clone()), active.clone(), "revoke").plan;
        let step = plan.principals[0].steps.iter_mut().find(|step| step.resource == key);
        step.unwrap().reversible = now;
        let begun = Case::begin(Some(state.clone()), active.clone(), plan, active.read_at).begun;
        assert_eq!(begun.resources[&key].reversible, before && now);
    }
}

#[test]
fn a_new_containment_goes_on_with_what_the_one_before_left_off() {
    let (mut state, now) = state_of(&contained(everything(), &ask("quarantine", true)));
    mark(&mut state, SSH, HeldStatus::Kept);
    for given in [KEY, CERTIFICATE, SERVICE] {
        mark(&mut state, given, HeldStatus::Released);
    }
    let mut plan = containing(None, user(), "revoke").plan;
    plan.principals[0].lineage = Lineage::new([9; 16]);
    let begun = Case::begin(Some(state.clone()), now, plan, after()).begun;
    assert_eq!(begun.resources[&resource(SSH)], state.resources[&resource(SSH)]);
    for given in [CERTIFICATE, SERVICE] {
        assert!(!begun.resources.contains_key(&resource(given)), "{given}");
    }
    assert_eq!(begun.resources[&resource(KEY)].status, HeldStatus::InDoubt);
}

/// It would void the clock for ever, and nobody here answers for it (D2.6, F9).
#[test]
fn what_a_release_kept_off_and_a_person_turned_on_is_given_up_by_the_next_containment() {
    let mut truth = everything();
    give(&mut truth, OTHER_KEY, Status::Active, before());
    let (mut state, now) = state_of(&contained(truth, &ask("quarantine", true)));
    mark(&mut state, OTHER_KEY, HeldStatus::Kept);
    mark(&mut state, SSH, HeldStatus::Kept);
    let begun = |lineage: &Lineage, now: &Snapshot, compromised: bool, step: bool| {
        let mut plan = containing(None, user(), "revoke").plan;
        let principal = &mut plan.principals[0];
        principal.lineage = lineage.clone();
        principal.snapshot = now.clone();
        if compromised {
            let why = Why::Named;
            principal.compromised.push(Compromised { resource: resource(OTHER_KEY), why });
        }
        if step {
            let off = principal.steps.iter().find(|step| step.turns_off()).unwrap().clone();
            principal.steps.push(Step { id: 9, resource: resource(OTHER_KEY), ..off });
        }
        let begun = Case::begin(Some(state.clone()), now.clone(), plan, after()).begun;
        (begun.resources[&resource(OTHER_KEY)].status, begun.resources[&resource(SSH)].status)
    };
    let mut on = now.clone();
    give(&mut on, OTHER_KEY, Status::Active, before());
    let unread = without(on.clone(), Section::AccessKeys);
    use HeldStatus::{GivenUp, InDoubt, Kept};
    for lineage in [Lineage::new([9; 16]), state.lineage.clone()] {
        assert_eq!(begun(&lineage, &on, false, false), (GivenUp, Kept));
        assert_eq!(begun(&lineage, &now, false, false), (Kept, Kept));
        assert_eq!(begun(&lineage, &unread, false, false), (Kept, Kept));
        assert_eq!(begun(&lineage, &on, true, false), (Kept, Kept));
        assert_eq!(begun(&lineage, &on, false, true), (InDoubt, Kept));
    }
}

/// A deletion whose answer was lost, and that then found nothing: perhaps there never was anything.
#[test]
fn what_nobody_saw_and_nobody_answered_for_was_perhaps_deleted() {
    let mut ask = ask("revoke", true);
    ask.posture.set("login_profile", "delete").unwrap();
    let mut truth = everything();
    take(&mut truth, PASSWORD);
    let status = |unread: bool, results: &[StepResult]| {
        let mut account = Account::of(vec![if unread { truth.clone() } else { everything() }]);
        if unread {
            account.users[0].hidden.insert(Section::LoginProfile);
        }
        let plan = account.plan(&ask).unwrap();
        let before = plan.principals[0].snapshot.clone();
        let mut case = Case::begin(None, before, plan, account.now);
        let step = case.step(PASSWORD);
        assert_eq!(step.was_unread(), unread);
        results.iter().for_each(|result| case.calls(&step, *result));
        let (state, complete) = case.read(PASSWORD, true).finish(Some(&truth));
        assert!(!complete, "nothing else was done");
        state.resources[&resource(PASSWORD)].status
    };
    let lost = [StepResult::InDoubt, StepResult::NotFound];
    assert_eq!(status(true, &lost), HeldStatus::InDoubt);
    assert_eq!(status(true, &[StepResult::InDoubt, StepResult::Done]), HeldStatus::Held);
    assert_eq!(status(true, &[StepResult::Done]), HeldStatus::Held);
    // What was seen before and is gone after the call counts as ringfence's, whose intent was recorded.
    assert_eq!(status(false, &lost), HeldStatus::Held);
}

/// A call whose answer was lost, about what an earlier one of the same run has made.
#[test]
fn what_was_written_is_held_whatever_became_of_a_later_call() {
    let case = || containing(None, user(), "revoke").did(FENCE, StepResult::Done).read(FENCE, true);
    let now = case().contained_now();
    let fence = case().step(FENCE);
    let standing = now.value(&fence.resource).known().unwrap();
    let moved = ringfence::plan::Step { before: standing.clone(), ..fence.clone() };
    let status = |case: Case, now: &Snapshot| {
        let held = case.finish(Some(now)).0.resources.remove(&fence.resource);
        held.map(|held| held.status)
    };
    // The fence that was to be moved still stands, or is gone.
    let lost = case().adds_step(moved, StepResult::InDoubt);
    assert_eq!(status(lost, &now), Some(HeldStatus::Held));
    let mut gone = now.clone();
    items(&mut gone.inline_policies).clear();
    let again = ringfence::plan::Step { before: None, ..fence.clone() };
    let lost = case().adds_step(again, StepResult::InDoubt);
    assert_eq!(status(lost, &gone), Some(HeldStatus::Held));
    // What was deleted once is deleted, also where a second call went nowhere.
    let mut ask = ask("revoke", true);
    ask.posture.set("login_profile", "delete").unwrap();
    let plan = Account::of(vec![everything()]).plan(&ask).unwrap();
    let before = plan.principals[0].snapshot.clone();
    let case = Case::begin(None, before, plan, after()).did(PASSWORD, StepResult::Done);
    let step = case.step(PASSWORD);
    let state = case.adds_step(step, StepResult::InDoubt).finish(None).0;
    assert_eq!(state.resources[&resource(PASSWORD)].status, HeldStatus::Held);
}

/// A call that was recorded and never made, about what was so before.
#[test]
fn what_a_call_could_not_have_changed_is_not_claimed() {
    let inactive = Some(status(Status::Inactive));
    let claimed = |before: Option<Value>, baseline: Option<Option<Value>>| {
        let mut case = containing(None, user(), "revoke");
        let key = case.step(KEY);
        let step = ringfence::plan::Step {
            id: 77,
            resource: resource(OTHER_KEY),
            before,
            after: inactive.clone(),
            ..key
        };
        // What a run that was cut off has left in doubt.
        if let Some(baseline) = baseline {
            let mut held = case.begun.resources[&resource(KEY)].clone();
            (held.baseline, held.ours) = (baseline, inactive.clone());
            case.begun.resources.insert(resource(OTHER_KEY), held);
        }
        case.journal.append(case.at, Event::StepAdded { step: Box::new(step.clone()) });
        case.calls(&step, StepResult::InDoubt);
        let (stored, not_stored) = (vec![77], Vec::new());
        case.journal.append(case.at, Event::ReadBack { read_at: case.at, stored, not_stored });
        let mut now = case.before.clone();
        give(&mut now, OTHER_KEY, Status::Inactive, crate::cases::before());
        case.finish(Some(&now)).0.resources.contains_key(&resource(OTHER_KEY))
    };
    let active = Some(status(Status::Active));
    assert!(!claimed(inactive.clone(), None));
    assert!(claimed(active.clone(), None));
    assert!(!claimed(inactive.clone(), Some(inactive.clone())));
    assert!(claimed(inactive.clone(), Some(active)));
}

#[test]
fn what_settling_adds_is_held_as_well() {
    let off = || Some(status(Status::Inactive));
    let case = revoking().adds(resource(OTHER_KEY), off(), StepResult::Done);
    let held = case.finish(None).0.resources[&resource(OTHER_KEY)].clone();
    assert_eq!((held.status, held.ours), (HeldStatus::Held, off()));
    assert_eq!(held.baseline, Some(status(Status::Active)));
    let refused = revoking().adds(resource(OTHER_KEY), off(), StepResult::Refused);
    assert_eq!(refused.held(None, &resource(OTHER_KEY)), None);
}

/// It is the attacker's in a later incident too, whose exposure began after it was made (D2.7).
#[test]
fn what_settling_turns_off_and_was_made_after_the_exposure_is_compromised() {
    let young = |made: Timestamp, result: StepResult, since: bool| {
        let mut case = revoking();
        if !since {
            case.begun.since = None;
        }
        let off = Some(status(Status::Inactive));
        let case = case.adds(resource(OTHER_KEY), off, result);
        let mut now = case.contained_now();
        give(&mut now, OTHER_KEY, Status::Inactive, made);
        let found = case.finish(Some(&now)).0.compromised.into_iter();
        let found = found.filter(|item| item.resource == resource(OTHER_KEY));
        found.map(|item| item.why).collect::<Vec<_>>()
    };
    assert_eq!(young(after(), StepResult::Done, true), [Why::YoungerThanSince]);
    assert_eq!(young(before(), StepResult::Done, true), []);
    assert_eq!(young(after(), StepResult::Refused, true), []);
    assert_eq!(young(after(), StepResult::Done, false), []);
}

/// What it can have minted is older than the fence, which has not to move for it (F9).
#[test]
fn a_young_key_that_its_maker_turned_off_is_known_once_a_fence_covers_it() {
    let fenced = || revoking().did(KEY, StepResult::Done).fenced();
    let known = |case: &Case, made: Timestamp, is: Status| {
        let mut now = case.contained_now();
        give(&mut now, OTHER_KEY, is, made);
        case.finish(Some(&now)).0.is_compromised(&resource(OTHER_KEY))
    };
    let off = |case: &Case| known(case, after(), Status::Inactive);
    // Nobody was seen to change it since before the first call.
    assert!(off(&fenced()));
    assert!(!known(&fenced(), before(), Status::Inactive));
    assert!(!known(&fenced(), after(), Status::Active));
    let mut unknown = fenced();
    unknown.begun.since = None;
    assert!(!off(&unknown));
    assert!(!off(&revoking().did(KEY, StepResult::Done)));
    assert!(!off(&revoking().did(KEY, StepResult::Done).did(FENCE, StepResult::Refused)));
    let seen = |mut case: Case, what: &str, seconds: i64| {
        let seen_at = case.at + SignedDuration::from_secs(seconds);
        let (resource, what) = (Some(resource(what)), "was made".to_owned());
        case.journal.append(case.at, Event::Tampering { resource, what, seen_at });
        case
    };
    // The fence's time is two minutes on, and the lag half a minute.
    assert!(off(&seen(fenced(), OTHER_KEY, 90)) && !off(&seen(fenced(), OTHER_KEY, 91)));
    assert!(off(&seen(fenced(), KEY, 91)));
    assert!(!off(&seen(seen(fenced(), OTHER_KEY, 10), OTHER_KEY, 91)));
    for (seconds, known) in [(90, true), (91, false)] {
        let mut resumed = seen(fenced(), OTHER_KEY, 10);
        let event = Event::RunResumed {
            by: resumed.plan.planned_by.clone(),
            from: None,
            read_at: resumed.at + SignedDuration::from_secs(seconds),
            ringfence_version: "0.1.0".to_owned(),
        };
        resumed.journal.append(resumed.at, event);
        assert_eq!(off(&resumed), known, "{seconds}");
    }
    let mut outrun = fenced();
    let (fence_time, stopped_at) = (late(&outrun), outrun.at);
    outrun.journal.append(outrun.at, Event::FenceOutrun { fence_time, stopped_at });
    assert!(!off(&outrun));
}

/// Nothing is planned, and the watch finds something on: so it stands wherever the run is cut off.
#[test]
fn a_fence_from_before_counts_no_more_where_the_run_had_to_stop_something() {
    let (state, now) = state_of(&contained(user(), &ask("revoke", true)));
    let (fence, time) = (state.fence().unwrap().0.clone(), state.counted_fence().unwrap());
    let watching = || {
        let mut account = Account::of(vec![now.clone()]);
        let mut plan = account.plan(&ask("revoke", true)).unwrap();
        plan.principals[0].lineage = state.lineage.clone();
        plan.principals[0].steps.clear();
        Case::begin(Some(state.clone()), now.clone(), plan, account.now)
    };
    let key = resource(KEY);
    let turned_off = |result| watching().adds(key.clone(), Some(status(Status::Inactive)), result);
    let outran = |mut case: Case, fence_time: Timestamp| {
        let stopped_at = case.at;
        case.journal.append(case.at, Event::FenceOutrun { fence_time, stopped_at });
        case
    };
    let later = time + SignedDuration::from_secs(1);
    for (case, void) in [
        (watching(), vec![]),
        (turned_off(StepResult::Done), vec![key.clone()]),
        (turned_off(StepResult::InDoubt), vec![key.clone()]),
        (outran(watching(), time), vec![fence.clone()]),
        (outran(watching(), later), vec![]),
        (outran(turned_off(StepResult::Done), time), vec![key.clone(), fence.clone()]),
    ] {
        for read in [None, Some(&now)] {
            let clock = case.finish(read).0.clock.unwrap();
            assert_eq!((clock.fence_time, clock.void_while_active), (time, void.clone()));
        }
    }
    // Until a later one is written.
    let awaiting = Some(Value::Document(ringfence::policy::fence(FenceTime::AfterApply)));
    let moved = turned_off(StepResult::Done).fixed(later, &[]);
    let moved = moved.adds(fence, awaiting, StepResult::Done);
    let clock = moved.finish(None).0.clock.unwrap();
    assert_eq!((clock.fence_time, clock.void_while_active), (later, vec![]));
}

#[test]
fn what_was_written_once_is_answered_for_whatever_came_of_it_since() {
    let fence = revoking().step(FENCE);
    let written = || revoking().fenced();
    for result in [StepResult::Refused, StepResult::Throttled] {
        let again = written().adds(fence.resource.clone(), fence.after.clone(), result);
        let (state, _) = again.finish(None);
        let held = &state.resources[&fence.resource];
        assert_eq!(held.status, HeldStatus::Held, "{result:?}");
        let Some(Value::Document(document)) = &held.ours else { panic!("no document") };
        assert_eq!(document.fence_time(), Some(late(&again)));
    }
    assert_eq!(written().read(FENCE, false).held(None, &fence.resource), Some(HeldStatus::Held));
    // A call without an answer is settled by a reading that shows everything as before.
    let lost = || revoking().did(KEY, StepResult::InDoubt);
    let key = resource(KEY);
    assert_eq!(lost().held(Some(&lost().before), &key), None);
    assert_eq!(lost().held(None, &key), Some(HeldStatus::InDoubt));
    let now = lost().contained_now();
    assert_eq!(lost().held(Some(&now), &key), Some(HeldStatus::InDoubt));
}

#[test]
fn what_an_earlier_run_left_in_doubt_is_as_it_was_read() {
    let (mut state, now) = state_of(&contained(everything(), &ask("quarantine", true)));
    let mut truth = now.clone();
    give(&mut truth, KEY, Status::Active, before());
    let ssh = resource(SSH);
    let became = |state: &State, change: &dyn Fn(&mut Snapshot)| {
        let mut plan = containing(Some(state.clone()), truth.clone(), "revoke").plan;
        plan.principals[0].steps.retain(|step| step.resource != ssh);
        let case = Case::begin(Some(state.clone()), truth.clone(), plan, now.read_at);
        let mut now = now.clone();
        change(&mut now);
        case.did(KEY, StepResult::Done).read(KEY, true).held(Some(&now), &ssh)
    };
    let on = |now: &mut Snapshot| give(now, SSH, Status::Active, before());
    let unread = |now: &mut Snapshot| *now = without(now.clone(), Section::SshKeys);
    mark(&mut state, SSH, HeldStatus::InDoubt);
    assert_eq!(became(&state, &|_| {}), Some(HeldStatus::Held));
    assert_eq!(became(&state, &on), Some(HeldStatus::InDoubt));
    assert_eq!(became(&state, &unread), Some(HeldStatus::InDoubt));
    // Where it was so before, nothing was changed, whether the call was made or not: not claimed (D2.9).
    let mut unchanged = state.clone();
    unchanged.resources.get_mut(&ssh).unwrap().baseline = Some(status(Status::Inactive));
    assert_eq!(became(&unchanged, &|_| {}), None);
    assert_eq!(became(&unchanged, &on), Some(HeldStatus::InDoubt));
    assert_eq!(became(&unchanged, &unread), Some(HeldStatus::InDoubt));
    // What was given back is nobody's, also where it is as ringfence had left it.
    for given in [HeldStatus::Released, HeldStatus::GivenUp, HeldStatus::Kept] {
        for state in [&mut state, &mut unchanged] {
            mark(state, SSH, given);
            assert_eq!(became(state, &|_| {}), Some(given));
        }
    }
}

#[test]
fn a_fence_that_others_took_away_is_not_held_once_a_later_one_is_written() {
    let (mut state, now) = state_of(&contained(user(), &ask("revoke", true)));
    let own = fence_of(&state);
    let older = ringfence::state::Held {
        ours: Some(Value::Document(fence(FenceTime::At(after())))),
        ..state.resources[&own].clone()
    };
    state.resources.insert(resource(OLDER), older);
    let mut truth = now.clone();
    items(&mut truth.inline_policies).clear();
    give(&mut truth, KEY, Status::Active, before());
    let case = || containing(Some(state.clone()), truth.clone(), "revoke");
    let done = || case().did(KEY, StepResult::Done).read(KEY, true);
    let time = late(&case());
    let refused = || done().fixed(time, &[]).did(FENCE, StepResult::Refused);
    let written = || done().fenced().read(FENCE, true);
    let gone = written().contained_now();
    let mut there = gone.clone();
    put(&mut there, "RingfenceFence-older", fence(FenceTime::At(after())));
    let became = |case: Case, now: &Snapshot| case.held(Some(now), &resource(OLDER)).unwrap();
    assert_eq!(became(written(), &gone), HeldStatus::Released);
    assert_eq!(became(written(), &there), HeldStatus::Held);
    assert_eq!(became(written(), &without(gone.clone(), Section::Inline)), HeldStatus::Held);
    assert_eq!(became(refused(), &gone), HeldStatus::Held);
    // The one that was written just now is held, whatever becomes of it.
    assert_eq!(written().held(Some(&truth), &own), Some(HeldStatus::Held));
}

fn void(case: &Case, now: Option<&Snapshot>) -> Vec<String> {
    let clock = case.finish(now).0.clock.unwrap();
    clock.void_while_active.iter().map(ToString::to_string).collect()
}

#[test]
fn a_clock_counts_where_every_key_was_off_long_enough_before_the_fence() {
    let key = [KEY.to_owned()];
    let none: [String; 0] = [];
    let at = |fence: Timestamp| {
        revoking().fixed(fence, &[KEY]).did(KEY, StepResult::Done).did(FENCE, StepResult::Done)
    };
    let now = revoking().contained_now();
    let in_time = at(late(&revoking()));
    assert_eq!(void(&in_time, Some(&now)), none);
    let mut gone = now.clone();
    take(&mut gone, KEY);
    assert_eq!(void(&in_time, Some(&gone)), none);
    assert_eq!(void(&at(now.read_at), Some(&now)), key);
    assert_eq!(void(&in_time, None), key);
    let mut active = now.clone();
    give(&mut active, KEY, Status::Active, before());
    assert_eq!(void(&in_time, Some(&active)), key);
}

#[test]
fn a_key_that_is_not_known_to_be_off_voids_the_clock() {
    let key = [KEY.to_owned()];
    let none: [String; 0] = [];
    let case = |result| containing(None, everything(), "quarantine").did(KEY, result);
    let fenced = |result| case(result).did(SSH, StepResult::Refused).fenced();
    let now = fenced(StepResult::Done).contained_now();
    let unread = without(now.clone(), Section::AccessKeys);
    let mut active = now.clone();
    give(&mut active, KEY, Status::Active, before());
    // What another credential was refused says nothing of the key.
    for read in [None, Some(&now), Some(&unread)] {
        assert_eq!(void(&fenced(StepResult::Done), read), none);
    }
    assert_eq!(void(&fenced(StepResult::Done), Some(&active)), key);
    for read in [None, Some(&unread), Some(&active)] {
        assert_eq!(void(&fenced(StepResult::Refused), read), key);
    }
    assert_eq!(void(&fenced(StepResult::Refused), Some(&now)), none);
}

#[test]
fn where_no_fence_covers_a_hold_of_ours_that_stands_starts_the_clock() {
    let case = || {
        let case = containing(None, user(), "lockdown").did(KEY, StepResult::Done);
        case.read(KEY, true).did(FENCE, StepResult::Refused)
    };
    let mut now = case().contained_now();
    items(&mut now.inline_policies).clear();
    let mut held = now.clone();
    put(&mut held, case().step(HOLD).resource.id(), hold());
    let done = || case().did(HOLD, StepResult::Done);
    let started = |case: Case, now: &Snapshot| case.finish(Some(now)).0.clock;
    let clock = started(done().read(HOLD, true), &held).unwrap();
    assert_eq!(clock.fence_time, case().at);
    // One that does not stand stops nothing, and of somebody else's nobody knows for how long it has.
    assert_eq!(started(done().read(HOLD, false), &now), None);
    let mut denied = now;
    items(&mut denied.attached_policies).push(attached(&deny_all_arn("aws")));
    let refused = case().did(HOLD, StepResult::Refused);
    assert_eq!(started(refused, &denied), None);
}

/// The release of a user whose key stays off, and whose other credentials come back.
fn releasing(change: &dyn Fn(&mut State)) -> Case {
    let (mut state, now) = state_of(&contained(everything(), &ask("quarantine", true)));
    let mut context = Account::of(Vec::new()).context();
    context.now = state.clock.as_ref().unwrap().lift_after;
    let plan = release(now.clone(), &state, None, &Request::default(), &context).unwrap();
    change(&mut state);
    Case::begin(Some(state), now, plan, context.now)
}

#[test]
fn what_is_answered_was_given_back_also_where_nobody_could_read_it() {
    let given = |result: Option<StepResult>| {
        let case = releasing(&|_| {});
        let at = case.previous.as_ref().unwrap().resources[&resource(SSH)].written_at;
        let case = match result {
            Some(result) => case.did(SSH, result),
            None => case,
        };
        let held = case.finish(None).0.resources[&resource(SSH)].clone();
        assert_eq!(held.written_at == at, held.status != HeldStatus::Released);
        (held.status, held.written_at == Some(case.at))
    };
    assert_eq!(given(Some(StepResult::Done)), (HeldStatus::Released, true));
    // Of a call whose answer was lost nothing tells.
    assert_eq!(given(Some(StepResult::InDoubt)), (HeldStatus::InDoubt, false));
    let others = [StepResult::Refused, StepResult::NotFound];
    for result in others.map(Some).into_iter().chain([None]) {
        assert_eq!(given(result), (HeldStatus::Held, false), "{result:?}");
    }
}

#[test]
fn what_was_answered_and_could_not_be_read_among_the_rest_is_in_doubt() {
    let case = releasing(&|_| {}).did(SSH, StepResult::Done);
    let mut now = case.before.clone();
    take(&mut now, SSH);
    let hidden = without(now, Section::SshKeys);
    let held = case.finish(Some(&hidden)).0.resources[&resource(SSH)].clone();
    assert_eq!(held.status, HeldStatus::InDoubt);
}

/// What a step down did not do can be asked for again.
#[test]
fn a_step_down_that_is_not_whole_leaves_the_posture() {
    let posture = |result: StepResult, hidden: bool| {
        let (state, mut now) = state_of(&contained(user(), &ask("lockdown", true)));
        if hidden {
            now = without(now, Section::SshKeys);
        }
        let mut context = Account::of(Vec::new()).context();
        context.now = state.clock.as_ref().unwrap().lift_after;
        let request = Request {
            to: Some(crate::properties::strategies::built_in("revoke")),
            ..Request::default()
        };
        let plan = release(now.clone(), &state, None, &request, &context).unwrap();
        let steps = plan.principals[0].steps.clone();
        assert_eq!(steps.is_empty(), hidden);
        let mut case = Case::begin(Some(state), now, plan, context.now);
        for step in &steps {
            case = case.did(&step.resource.to_string(), result);
        }
        case.finish(None).0.posture.name
    };
    assert_eq!(posture(StepResult::Done, false), "revoke");
    assert_eq!(posture(StepResult::Refused, false), "lockdown");
    // What is kept, because it could not be seen what it stops, is still to be given back.
    assert_eq!(posture(StepResult::Done, true), "lockdown");
}

#[test]
fn what_is_taken_back_before_its_time_is_held_again() {
    let (on, off) = (Some(status(Status::Active)), Some(status(Status::Inactive)));
    let retaking = |baseline: &Option<Value>| {
        let state = |state: &mut State| {
            let held = state.resources.get_mut(&resource(SSH)).unwrap();
            held.baseline.clone_from(baseline);
        };
        let mut case = releasing(&state);
        let steps = &mut case.plan.principals[0].steps;
        let step = steps.iter_mut().find(|step| step.resource == resource(SSH)).unwrap();
        (step.before, step.after) = (on.clone(), off.clone());
        let case = case.did(SSH, StepResult::Done);
        let held = case.finish(None).0.resources[&resource(SSH)].clone();
        assert_eq!(held.written_at, Some(case.at));
        held.status
    };
    assert_eq!(retaking(&on), HeldStatus::Held);
    // What was off before ringfence turned it off is given back by being off.
    assert_eq!(retaking(&off), HeldStatus::Released);
}

#[test]
fn what_stays_off_is_kept_unless_nobody_did_it_and_nobody_can_undo_it() {
    let key = resource(KEY);
    for (known, reversible, stands, left) in [
        (HeldStatus::InDoubt, false, false, HeldStatus::GivenUp),
        (HeldStatus::InDoubt, false, true, HeldStatus::Kept),
        (HeldStatus::InDoubt, true, false, HeldStatus::Kept),
        (HeldStatus::InDoubt, true, true, HeldStatus::Kept),
        (HeldStatus::Held, false, false, HeldStatus::Kept),
        (HeldStatus::Held, true, true, HeldStatus::Kept),
    ] {
        let case = releasing(&|state: &mut State| {
            mark(state, KEY, known);
            state.resources.get_mut(&key).unwrap().reversible = reversible;
        });
        assert!(case.principal().kept.iter().any(|kept| kept.resource == key));
        let mut now = case.before.clone();
        // Neither as it was before nor as ringfence meant it.
        let seen = if stands { Status::Inactive } else { Status::Expired };
        give(&mut now, KEY, seen, before());
        assert_eq!(case.held(Some(&now), &key), Some(left), "{known:?} {reversible} {stands}");
    }
}

#[test]
fn a_release_that_was_cut_off_has_given_back_what_was_answered() {
    let replayed = |case: Case| case.replay().resources[&resource(SSH)].clone();
    let begun = releasing(&|_| {});
    let held = begun.previous.clone().unwrap().resources[&resource(SSH)].clone();
    assert_eq!(begun.begun.resources[&resource(SSH)].status, HeldStatus::InDoubt);
    assert_eq!(replayed(releasing(&|_| {})), held);
    for result in [StepResult::Refused, StepResult::Throttled] {
        assert_eq!(replayed(releasing(&|_| {}).did(SSH, result)), held);
    }
    for result in [StepResult::Done, StepResult::InDoubt] {
        let status = replayed(releasing(&|_| {}).did(SSH, result)).status;
        assert_eq!(status, HeldStatus::InDoubt, "{result:?}");
    }
}

#[test]
fn a_state_that_was_lost_is_rebuilt_from_the_plan_and_what_stands() {
    let case = revoking();
    let now = case.contained_now();
    let fence = case.step(FENCE).resource;
    let state = import(&case.plan, case.principal(), &now).unwrap();
    assert_eq!(state.serial, case.principal().serial + 1);
    assert_eq!(state.last_seen_contained, Some(now.read_at));
    let clock = state.clock.unwrap();
    assert_eq!((clock.fence_time, clock.void_while_active), (late(&case), Vec::new()));
    for (what, step) in [(resource(KEY), case.step(KEY)), (fence.clone(), case.step(FENCE))] {
        let held = &state.resources[&what];
        assert_eq!((held.status, &held.baseline), (HeldStatus::Held, &step.before));
        assert_eq!(held.ours, now.value(&what).known().flatten());
    }
    // What does not stand was not done, and a clock that nobody can tell begins now.
    let mut bare = now.clone();
    items(&mut bare.inline_policies).clear();
    let state = import(&case.plan, case.principal(), &bare).unwrap();
    assert_eq!(state.resources.keys().cloned().collect::<Vec<_>>(), [resource(KEY)]);
    assert_eq!(state.clock.unwrap().fence_time, bare.read_at);
    assert_eq!(state.last_seen_contained, None);
    let mut active = now;
    give(&mut active, KEY, Status::Active, before());
    let state = import(&case.plan, case.principal(), &active).unwrap();
    assert_eq!(state.clock.unwrap().void_while_active, [resource(KEY)]);
    assert_eq!(state.resources.keys().cloned().collect::<Vec<_>>(), [fence]);
}

#[test]
fn only_the_first_plan_of_this_containment_can_be_imported() {
    let case = revoking();
    let now = case.contained_now();
    let refused = |case: &Case, now: &Snapshot| {
        import(&case.plan, case.principal(), now).unwrap_err().message().to_owned()
    };
    let mut other = revoking();
    other.plan.principals[0].id = "AIDAEXAMPLE2".parse().unwrap();
    assert_eq!(refused(&other, &now), "user `deploy-bot` is another principal than the plan's");
    let mut released = revoking();
    released.plan.kind = ringfence::plan::Kind::Release;
    assert_eq!(refused(&released, &now), "only the plan of a containment can be imported");
    let none = "nothing of this plan stands on user `deploy-bot`";
    assert_eq!(refused(&case, &case.before), none);
    let mut later = revoking();
    let steps = &mut later.plan.principals[0].steps;
    let moved = steps.iter_mut().find(|step| step.awaits_fence_time()).unwrap();
    moved.before = Some(Value::Document(fence(FenceTime::At(after()))));
    let first = "this is not the plan of the containment's first run";
    assert_eq!(refused(&later, &now), first);
}
