//! The watch after the last wave, case by case.

use crate::cases::*;
use crate::properties::model::{Account, attached, start};
use crate::properties::strategies::document_of;
use jiff::SignedDuration;
use ringfence::journal::{Event, Journal, StepResult};
use ringfence::plan::{Change, NewCredential, PrincipalPlan, Settle, Step};
use ringfence::policy::{FenceTime, fence, hold};
use ringfence::resource::{Resource, Value};
use ringfence::settle::{calm_s, pause, steps, tampering};
use ringfence::snapshot::{InlinePolicy, Observed, Snapshot, Status};
use ringfence::state::{HeldStatus, State};

/// A run over a user, whose journal is written by hand.
struct Case {
    plan: PrincipalPlan,
    journal: Journal,
    state: State,
    /// What was read before the first call, and after the last.
    before: Snapshot,
    now: Snapshot,
}

impl Case {
    fn of(truth: Snapshot, posture: &str) -> Self {
        let mut account = Account::of(vec![truth]);
        let before = account.now_of_first();
        let plan = account.plan(&ask(posture, true)).unwrap();
        let ran = account.apply(&plan, &crate::properties::model::Trouble::none());
        let (state, now) = state_of(&account);
        let journal = ran.journals[0].clone();
        Self { plan: plan.principals[0].clone(), journal, state, before, now }
    }

    fn step(&self, what: &str) -> &Step {
        self.plan.steps.iter().find(|step| step.resource.to_string().starts_with(what)).unwrap()
    }

    /// The same, with a journal of nothing but this of one step.
    fn only(mut self, what: &str, results: &[Option<StepResult>]) -> Self {
        let step = self.step(what).clone();
        self.journal = Journal::default();
        for (attempt, result) in (1..).zip(results) {
            let (id, resource) = (step.id, step.resource.clone());
            let action = "Call".to_owned();
            let intent = Event::Intent { step: id, resource: resource.clone(), action, attempt };
            self.journal.append(start(), intent);
            if let Some(result) = *result {
                let (service_date, request_id, error) = (None, None, None);
                let step = id;
                let outcome =
                    Event::Outcome { step, resource, result, service_date, request_id, error };
                self.journal.append(start(), outcome);
            }
        }
        self
    }

    fn read_back(mut self, what: &str, stored: bool) -> Self {
        let step = self.step(what).id;
        let (yes, no) = if stored { (vec![step], vec![]) } else { (vec![], vec![step]) };
        let read_at = start();
        self.journal.append(read_at, Event::ReadBack { read_at, stored: yes, not_stored: no });
        self
    }

    fn tampering(&self, now: &Snapshot) -> Vec<String> {
        let found = tampering(&self.plan, &self.journal, &self.state, &self.before, now);
        found
            .iter()
            .map(|item| format!("{}: {}", item.resource.clone().unwrap(), item.what))
            .collect()
    }

    fn allowed(&self, clause: &Settle, again: &Step) -> bool {
        self.allowed_at(clause, &self.now, again)
    }

    /// The same by another reading.
    fn allowed_at(&self, clause: &Settle, now: &Snapshot, again: &Step) -> bool {
        let once = std::slice::from_ref(again);
        let found = steps(clause, &self.plan, &self.journal, &self.state, now, once);
        assert!(found.iter().all(|step| step.after == again.after));
        !found.is_empty()
    }
}

fn step(resource: Resource, before: Option<Value>, after: Option<Value>) -> Step {
    let action = match (&before, &after) {
        (None, _) => Change::Create,
        (Some(_), Some(_)) => Change::Update,
        (Some(_), None) => Change::Delete,
    };
    let (reason, cautions) = ("again".to_owned(), Vec::new());
    Step { id: 0, wave: 0, resource, action, before, after, reversible: true, reason, cautions }
}

fn off(credential: &str) -> Step {
    let (before, after) = (status(Status::Active), status(Status::Inactive));
    step(resource(credential), Some(before), Some(after))
}

/// Everything, or nothing but what is asked for.
fn everything_allowed() -> Settle {
    Settle::watch(30, NewCredential::ALL.to_vec())
}

fn nothing() -> Settle {
    Settle { for_s: 30, reassert: false, move_fence: false, contain_new: Vec::new() }
}

fn reasserting() -> Settle {
    Settle { reassert: true, ..nothing() }
}

fn moving() -> Settle {
    Settle { move_fence: true, ..nothing() }
}

#[test]
fn the_next_read_comes_soon_and_never_after_the_end() {
    let clause = Settle { for_s: 30, ..nothing() };
    assert_eq!(pause(&clause, 0, false), Some(5));
    assert_eq!(pause(&clause, 0, true), Some(1));
    assert_eq!(pause(&clause, 25, false), Some(5));
    assert_eq!(pause(&clause, 27, false), Some(3));
    assert_eq!(pause(&clause, 29, true), Some(1));
    assert_eq!(pause(&clause, 30, false), None);
    assert_eq!(pause(&clause, 31, true), None);
}

#[test]
fn what_a_run_has_done_and_is_not_so_any_more_was_undone() {
    let case = Case::of(user(), "revoke");
    assert_eq!(case.tampering(&case.now), [""; 0]);
    let mut now = case.now.clone();
    give(&mut now, KEY, Status::Active, before());
    let fence = fence_of(&case.state);
    assert_eq!(case.tampering(&now), [format!("{KEY}: is Active again")]);
    items(&mut now.inline_policies).clear();
    assert_eq!(
        case.tampering(&now),
        [format!("{KEY}: is Active again"), format!("{fence}: is gone")]
    );
    // A credential that is deleted can do nothing, and what is not read is not known.
    take(&mut now, KEY);
    assert_eq!(case.tampering(&now), [format!("{fence}: is gone")]);
    assert_eq!(case.tampering(&without(now.clone(), Section::Inline)), [""; 0]);
    // A fence at another time is not the one that was written.
    let (name, document) = (fence.id().to_owned(), Observed::Read(earlier()));
    items(&mut now.inline_policies).push(InlinePolicy { name, document });
    assert_eq!(case.tampering(&now), [format!("{fence}: was changed")]);
}

fn earlier() -> ringfence::policy::PolicyDocument {
    fence(FenceTime::At(after()))
}

#[test]
fn what_was_not_done_was_not_undone() {
    let mut now = user();
    give(&mut now, KEY, Status::Active, before());
    let undone = [format!("{KEY}: is Active again")];
    for (result, found) in [
        (StepResult::Done, &undone[..]),
        (StepResult::Refused, &[]),
        (StepResult::Throttled, &[]),
        (StepResult::InDoubt, &[]),
    ] {
        let case = Case::of(user(), "revoke").only(KEY, &[Some(result)]);
        assert_eq!(case.tampering(&now), found, "{result:?}");
    }
    let doubt = || Case::of(user(), "revoke").only(KEY, &[Some(StepResult::InDoubt)]);
    assert_eq!(doubt().read_back(KEY, true).tampering(&now), undone);
    assert_eq!(doubt().read_back(KEY, false).tampering(&now), [""; 0]);
    let skipped = || {
        let mut case = Case::of(user(), "revoke").only(KEY, &[]);
        let (step, why) = (case.step(KEY).id, "it was so already".to_owned());
        case.journal.append(start(), Event::Skipped { step, resource: resource(KEY), why });
        case
    };
    assert_eq!(skipped().tampering(&now), undone);
}

#[test]
fn what_an_earlier_run_wrote_is_undone_where_it_stood_when_this_one_began() {
    let mut case = Case::of(user(), "revoke");
    case.before = case.now.clone();
    case.plan.steps.clear();
    let mut now = case.now.clone();
    give(&mut now, KEY, Status::Active, before());
    assert_eq!(case.tampering(&now), [format!("{KEY}: is Active again")]);
    items(&mut now.inline_policies).clear();
    let fence = fence_of(&case.state);
    assert_eq!(
        case.tampering(&now),
        [format!("{KEY}: is Active again"), format!("{fence}: is gone")]
    );
    take(&mut now, KEY);
    assert_eq!(case.tampering(&now), [format!("{fence}: is gone")]);
    assert_eq!(case.tampering(&without(now.clone(), Section::Inline)), [""; 0]);
    // It was gone when the run began, or could not be read then: nobody has undone it since.
    items(&mut case.before.inline_policies).clear();
    assert_eq!(case.tampering(&now), [""; 0]);
    case.before = without(case.now.clone(), Section::Inline);
    assert_eq!(case.tampering(&now), [""; 0]);
    // And what is not held is not answered for.
    case.before = case.now.clone();
    mark(&mut case.state, &fence.to_string(), HeldStatus::Released);
    assert_eq!(case.tampering(&now), [""; 0]);
}

#[test]
fn what_others_make_is_told_with_what_it_is() {
    let mut truth = user();
    for credential in [SSH, CERTIFICATE] {
        give(&mut truth, credential, Status::Inactive, before());
    }
    items(&mut truth.inline_policies)
        .push(InlinePolicy { name: "work".to_owned(), document: Observed::Read(document_of(100)) });
    let case = Case::of(truth, "revoke");
    let found = |change: &dyn Fn(&mut Snapshot)| {
        let mut now = case.now.clone();
        change(&mut now);
        case.tampering(&now)
    };
    assert_eq!(
        found(&|now| give(now, OTHER_KEY, Status::Active, after())),
        [format!("{OTHER_KEY}: was made, and is Active")]
    );
    assert_eq!(
        found(&|now| give(now, OTHER_KEY, Status::Inactive, after())),
        [format!("{OTHER_KEY}: was made, and is Inactive")]
    );
    assert_eq!(
        found(&|now| give(now, PASSWORD, Status::Active, after())),
        ["login_profile: was made"]
    );
    assert_eq!(
        found(&|now| give(now, SSH, Status::Active, before())),
        [format!("{SSH}: was turned on")]
    );
    assert_eq!(
        found(&|now| items(&mut now.attached_policies).push(attached(&own_arn("more")))),
        [format!("attached_policy/{}: was made", own_arn("more"))]
    );
    let changed = |now: &mut Snapshot| {
        let work = items(&mut now.inline_policies).iter_mut().find(|policy| policy.name == "work");
        work.unwrap().document = Observed::Read(document_of(101));
    };
    assert_eq!(found(&changed), ["inline_policy/work: was changed"]);
    assert_eq!(found(&|now| take(now, SSH)), [""; 0]);
}

#[test]
fn what_is_ours_is_not_told_as_somebody_elses() {
    // The fence that the run made was not there before it.
    let mut case = Case::of(user(), "revoke");
    assert_eq!(case.tampering(&case.now), [""; 0]);
    // Nor is one that an earlier run made and nobody had read before.
    case.plan.steps.clear();
    assert_eq!(case.tampering(&case.now), [""; 0]);
    case.state.resources.clear();
    assert_eq!(case.tampering(&case.now).len(), 1);
}

#[test]
fn what_was_written_is_written_again_only_where_the_clause_says_so() {
    let case = Case::of(user(), "revoke");
    assert!(case.allowed(&reasserting(), &off(KEY)));
    assert!(!case.allowed(&nothing(), &off(KEY)) && !case.allowed(&moving(), &off(KEY)));
    // So it is where it was found done.
    let mut skipped = Case::of(user(), "revoke").only(KEY, &[]);
    let (step, why) = (skipped.step(KEY).id, "it was so already".to_owned());
    skipped.journal.append(start(), Event::Skipped { step, resource: resource(KEY), why });
    assert!(skipped.allowed(&reasserting(), &off(KEY)));
    assert!(skipped.allowed(&nothing(), &off(KEY)));
    // And where an earlier run wrote it.
    let mut earlier = Case::of(user(), "revoke");
    earlier.plan.steps.clear();
    assert!(earlier.allowed(&reasserting(), &off(KEY)));
    assert!(!earlier.allowed(&nothing(), &off(KEY)));
    earlier.state.resources.clear();
    assert!(!earlier.allowed(&reasserting(), &off(KEY)));
}

#[test]
fn what_the_plan_asks_for_and_no_call_has_done_is_done_whatever_the_clause_says() {
    for results in [
        &[Some(StepResult::Throttled)][..],
        &[Some(StepResult::InDoubt)],
        &[Some(StepResult::Refused), Some(StepResult::Throttled)],
        &[Some(StepResult::Refused), None],
        &[None],
    ] {
        let case = Case::of(user(), "revoke").only(KEY, results);
        assert!(case.allowed(&nothing(), &off(KEY)) || results[0] == Some(StepResult::Refused));
    }
    // Never tried, because the way to it was blocked: as with what was taken away.
    let case = Case::of(user(), "revoke").only(KEY, &[]);
    assert!(!case.allowed(&nothing(), &off(KEY)) && case.allowed(&reasserting(), &off(KEY)));
}

#[test]
fn what_was_refused_is_not_asked_for_again() {
    for result in [StepResult::Refused, StepResult::NotFound] {
        let case = Case::of(user(), "revoke").only(KEY, &[Some(result)]);
        assert!(!case.allowed(&everything_allowed(), &off(KEY)));
        // Something else about the same thing may be.
        let key = case.step(KEY).clone();
        let other = step(key.resource, key.before, Some(status(Status::Expired)));
        assert!(case.allowed(&everything_allowed(), &other));
        // And what was refused after it was throttled was refused.
        let results = [Some(StepResult::Throttled), Some(result)];
        let case = Case::of(user(), "revoke").only(KEY, &results);
        assert!(!case.allowed(&everything_allowed(), &off(KEY)));
        // What another step was refused has nothing to do with it.
        let case = Case::of(user(), "revoke").only("inline_policy/", &[Some(result)]);
        assert!(case.allowed(&reasserting(), &off(KEY)));
    }
    let results = [Some(StepResult::Refused), Some(StepResult::Throttled)];
    let case = Case::of(user(), "revoke").only(KEY, &results);
    assert!(case.allowed(&everything_allowed(), &off(KEY)));
}

#[test]
fn a_credential_that_somebody_makes_is_turned_off_where_its_kind_is_named() {
    let case = Case::of(user(), "revoke");
    for (credential, kind) in [
        (OTHER_KEY, NewCredential::AccessKey),
        (SSH, NewCredential::SshKey),
        (CERTIFICATE, NewCredential::SigningCertificate),
        (SERVICE, NewCredential::ServiceCredential),
    ] {
        for named in NewCredential::ALL {
            let clause = Settle { contain_new: vec![named], ..nothing() };
            assert_eq!(case.allowed(&clause, &off(credential)), named == kind);
        }
        let clause = Settle { contain_new: vec![kind], ..nothing() };
        let on = step(resource(credential), None, Some(status(Status::Active)));
        assert!(!case.allowed(&clause, &on));
    }
    let password = step(Resource::LoginProfile, Some(Value::Password), None);
    assert!(!case.allowed(&everything_allowed(), &password));
    assert!(!case.allowed(&reasserting(), &off(OTHER_KEY)));
}

#[test]
fn a_fence_moves_only_where_the_clause_says_so() {
    let case = Case::of(user(), "revoke");
    let fenced = case.step("inline_policy/RingfenceFence-").clone();
    assert!(fenced.awaits_fence_time());
    // This run's own is one that it has written, of another one only that it is a fence is known.
    let other = Step { resource: resource("inline_policy/RingfenceFence-later"), ..fenced.clone() };
    for again in [&fenced, &other] {
        assert!(case.allowed(&moving(), again));
        assert!(!case.allowed(&reasserting(), again));
    }
    // Without a fence that stands there is none to move.
    let mut none = Case::of(user(), "revoke");
    none.state.resources.remove(&fenced.resource);
    assert!(!none.allowed(&moving(), &fenced) && none.allowed(&reasserting(), &fenced));
    assert!(!none.allowed(&everything_allowed(), &other));
    // What brings a fence to bear moves with it; another attachment or boundary does not.
    let name = case.state.lineage.fence_name();
    let carried = own_arn(&format!("{name}-2"));
    let attach =
        |arn: &str| step(Resource::AttachedPolicy(arn.to_owned()), None, Some(Value::Attached));
    let bound = |arn: &str| {
        step(Resource::PermissionsBoundary, None, Some(Value::PolicyArn(arn.to_owned())))
    };
    for again in [attach(&carried), bound(&carried)] {
        assert!(case.allowed(&moving(), &again) && !case.allowed(&reasserting(), &again));
    }
    for again in [attach(&own_arn("team")), bound(&own_arn("team"))] {
        assert!(!case.allowed(&everything_allowed(), &again));
    }
    // The fence that stands, written again as it was, and one that is no fence any more.
    let written = case.state.resources[&fenced.resource].ours.clone();
    let same = step(fenced.resource.clone(), None, written);
    assert!(case.allowed(&moving(), &same) && !case.allowed(&reasserting(), &same));
    let mut held = Case::of(user(), "lockdown");
    let hold_step = held.step("inline_policy/RingfenceHold-").clone();
    assert!(held.allowed(&reasserting(), &hold_step) && !held.allowed(&moving(), &hold_step));
    held.plan.steps.clear();
    assert!(held.allowed(&reasserting(), &hold_step) && !held.allowed(&moving(), &hold_step));
}

#[test]
fn a_key_that_was_off_when_the_run_began_is_off_again_after_a_release() {
    let mut truth = user();
    give(&mut truth, OTHER_KEY, Status::Inactive, before());
    let case = Case::of(truth, "quarantine");
    let found = |again: &Step| {
        let once = std::slice::from_ref(again);
        let (plan, journal, state) = (&case.plan, &case.journal, &case.state);
        steps(&everything_allowed(), plan, journal, state, &case.now, once).remove(0).before
    };
    assert_eq!(found(&off(OTHER_KEY)), Some(status(Status::Inactive)));
    assert_eq!(found(&off(KEY)), Some(status(Status::Active)));
    assert_eq!(found(&off(SSH)), Some(status(Status::Active)));
    let hold = step(
        resource("inline_policy/RingfenceFence-x"),
        Some(Value::Document(hold())),
        Some(Value::Document(fence(FenceTime::AfterApply))),
    );
    assert_eq!(found(&hold), hold.before);
}

#[test]
fn time_alone_undoes_nothing() {
    let case = Case::of(everything(), "lockdown");
    let mut now = case.now.clone();
    now.read_at += SignedDuration::from_hours(1);
    assert_eq!(case.tampering(&now), [""; 0]);
}

#[test]
fn what_was_done_again_has_to_hold_for_as_long_as_between_two_reads() {
    for (watched, calm) in [(0, 0), (1, 1), (4, 4), (5, 5), (6, 5), (30, 5)] {
        assert_eq!(calm_s(&Settle { for_s: watched, ..nothing() }), calm, "{watched}");
    }
}

#[test]
fn what_another_step_has_done_says_nothing_of_this_one() {
    let mut case = Case::of(user(), "revoke").only(KEY, &[Some(StepResult::Throttled)]);
    let fenced = case.step("inline_policy/").clone();
    let (action, attempt) = ("PutUserPolicy".to_owned(), 1);
    let (step, resource) = (fenced.id, fenced.resource);
    case.journal
        .append(start(), Event::Intent { step, resource: resource.clone(), action, attempt });
    let (result, service_date, request_id, error) = (StepResult::Done, None, None, None);
    let done = Event::Outcome { step, resource, result, service_date, request_id, error };
    case.journal.append(start(), done);
    assert!(case.allowed(&nothing(), &off(KEY)));
}

#[test]
fn an_older_fence_is_asserted_and_not_moved() {
    let mut case = Case::of(user(), "revoke");
    let own = fence_of(&case.state);
    let mut held = case.state.resources[&own].clone();
    (held.ours, held.written_at) = (Some(Value::Document(earlier())), Some(after()));
    let older = resource("inline_policy/RingfenceFence-older");
    case.state.resources.insert(older.clone(), held);
    let again = step(older, None, Some(Value::Document(earlier())));
    assert!(case.allowed(&reasserting(), &again) && !case.allowed(&moving(), &again));
    let newest = step(own, None, Some(Value::Document(earlier())));
    assert!(case.allowed(&moving(), &newest) && !case.allowed(&reasserting(), &newest));
}

/// An answer stands until something else is read (D2.9, D2.12).
#[test]
fn what_was_done_and_cannot_be_read_is_not_done_again() {
    for result in [StepResult::Done, StepResult::Throttled, StepResult::InDoubt] {
        let case = Case::of(user(), "revoke").only(KEY, &[Some(result)]);
        let unread = without(case.now.clone(), Section::AccessKeys);
        let again = case.allowed_at(&everything_allowed(), &unread, &off(KEY));
        assert_eq!(again, result != StepResult::Done, "{result:?}");
    }
    let stored = Case::of(user(), "revoke").only(KEY, &[Some(StepResult::InDoubt)]);
    let stored = stored.read_back(KEY, true);
    let unread = without(stored.now.clone(), Section::AccessKeys);
    assert!(!stored.allowed_at(&everything_allowed(), &unread, &off(KEY)));
    // What nobody has written yet is taken for live.
    assert!(stored.allowed_at(&everything_allowed(), &unread, &off(OTHER_KEY)));
}

#[test]
fn a_fence_that_cannot_be_read_moves_only_for_what_was_read() {
    let mut cramped = user();
    cramped.quotas = room(0, 3);
    for (truth, hidden) in [(user(), Section::Inline), (cramped, Section::Attached)] {
        let case = Case::of(truth, "revoke");
        let unread = without(case.now.clone(), hidden);
        let fence = case.plan.steps.iter().find(|step| step.awaits_fence_time()).unwrap();
        let policy = own_arn(&format!("{}-2", case.state.lineage.fence_name()));
        let moves = if hidden == Section::Inline {
            vec![fence.clone()]
        } else {
            let later = Resource::ManagedPolicy(policy.clone());
            let attach = step(Resource::AttachedPolicy(policy), None, Some(Value::Attached));
            vec![Step { resource: later, ..fence.clone() }, attach]
        };
        let allowed = |case: &Case, now: &Snapshot, with: &[Step]| {
            let again: Vec<Step> = with.iter().chain(&moves).cloned().collect();
            let clause = everything_allowed();
            steps(&clause, &case.plan, &case.journal, &case.state, now, &again).len()
        };
        assert_eq!(allowed(&case, &case.now, &[]), moves.len(), "{hidden:?}");
        assert_eq!(allowed(&case, &unread, &[]), 0, "{hidden:?}");
        // A key that was read to be on has minted; so has one that only turned out to have been.
        let mut active = unread.clone();
        give(&mut active, KEY, Status::Active, before());
        assert_eq!(allowed(&case, &active, &[off(KEY)]), 1 + moves.len(), "{hidden:?}");
        let blind = without(unread.clone(), Section::AccessKeys);
        assert_eq!(allowed(&case, &blind, &[off(KEY)]), 0, "{hidden:?}");
        let mut void = Case { state: case.state.clone(), ..Case::of(user(), "revoke") };
        (void.plan, void.journal) = (case.plan.clone(), case.journal.clone());
        void.state.clock.as_mut().unwrap().void_while_active = vec![resource(KEY)];
        assert_eq!(allowed(&void, &unread, &[]), moves.len(), "{hidden:?}");
        // What the plan itself asks for, and no call has done yet, is done.
        let mut own = Case { state: case.state.clone(), ..Case::of(user(), "revoke") };
        own.plan = case.plan.clone();
        own = own.only(&fence.resource.to_string(), &[Some(StepResult::Throttled)]);
        let again = [fence.clone()];
        let (plan, journal, state) = (&own.plan, &own.journal, &own.state);
        let clause = everything_allowed();
        assert_eq!(steps(&clause, plan, journal, state, &unread, &again).len(), 1, "{hidden:?}");
        // While that one may be on, a later fence would not count either.
        void = void.only(KEY, &[Some(StepResult::Refused)]);
        let fence = fence.id;
        let resource = case.plan.steps.iter().find(|step| step.id == fence).unwrap();
        let event =
            Event::FenceTime { fence_time: start(), key_off_at: start(), still_active: vec![] };
        void.journal.append(start(), event);
        let (action, attempt) = ("PutUserPolicy".to_owned(), 1);
        let (step, about) = (fence, resource.resource.clone());
        void.journal
            .append(start(), Event::Intent { step, resource: about.clone(), action, attempt });
        let (result, service_date, request_id, error) = (StepResult::Done, None, None, None);
        let resource = about;
        void.journal.append(
            start(),
            Event::Outcome { step, resource, result, service_date, request_id, error },
        );
        assert_eq!(allowed(&void, &blind, &[]), 0, "{hidden:?}");
    }
}

/// A missing permission does not go away by asking again, and each policy takes of the account's quota (F17).
#[test]
fn what_was_refused_in_one_way_is_not_tried_that_way_with_another_policy() {
    let allowed = |case: &Case| {
        let fence = case.plan.steps.iter().find(|step| step.awaits_fence_time()).unwrap();
        let name = case.state.lineage.fence_name();
        let (one, other) = (own_arn(&format!("{name}-2")), own_arn(&format!("{name}-3")));
        let made =
            |arn: &str| Step { resource: Resource::ManagedPolicy(arn.to_owned()), ..fence.clone() };
        let again = [
            made(&one),
            step(Resource::AttachedPolicy(one), None, Some(Value::Attached)),
            made(&other),
            step(Resource::PermissionsBoundary, None, Some(Value::PolicyArn(other))),
        ];
        let (plan, journal, state) = (&case.plan, &case.journal, &case.state);
        let found = steps(&everything_allowed(), plan, journal, state, &case.now, &again);
        let found: Vec<_> = found.into_iter().map(|step| step.resource).collect();
        again.map(|step| found.contains(&step.resource))
    };
    let tried = |step: Step, results: &[StepResult]| {
        let mut case = Case::of(user(), "revoke");
        let what = step.resource.to_string();
        case.plan.steps.push(Step { id: 90, ..step });
        let results: Vec<_> = results.iter().copied().map(Some).collect();
        allowed(&case.only(&what, &results))
    };
    let name = |case: &Case| own_arn(&case.state.lineage.fence_name());
    let ours = name(&Case::of(user(), "revoke"));
    let attach =
        |arn: &str| step(Resource::AttachedPolicy(arn.to_owned()), None, Some(Value::Attached));
    let bound = |arn: &str| {
        step(Resource::PermissionsBoundary, None, Some(Value::PolicyArn(arn.to_owned())))
    };
    let (throttled, refused) = (StepResult::Throttled, StepResult::Refused);
    for results in [&[refused][..], &[throttled, refused]] {
        assert_eq!(tried(attach(&ours), results), [false, false, true, true]);
        assert_eq!(tried(bound(&ours), results), [true, true, false, false]);
    }
    // Whoever deletes a policy before it is attached brings about the next one.
    for result in [StepResult::NotFound, throttled, StepResult::InDoubt, StepResult::Done] {
        assert_eq!(tried(attach(&ours), &[result]), [true; 4], "{result:?}");
        assert_eq!(tried(bound(&ours), &[result]), [true; 4], "{result:?}");
    }
    // What was refused to another policy says nothing of a fence.
    assert_eq!(tried(attach(&own_arn("team")), &[refused]), [true; 4]);
}
