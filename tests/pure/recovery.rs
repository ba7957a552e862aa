//! What is recorded of a recovery, whatever became of its calls.

use crate::cases::*;
use crate::properties::model::{Account, member};
use crate::properties::strategies::{built_in, document_of};
use crate::written::Case;
use jiff::SignedDuration;
use ringfence::approval::effect::{Effect, of_plan};
use ringfence::identity::AccessKeyId;
use ringfence::journal::{Event, Probed, StepResult};
use ringfence::lineage::Lineage;
use ringfence::plan::{Fields, Plan, Step};
use ringfence::policy::PolicyDocument;
use ringfence::record;
use ringfence::recover::{Place, Request, recover};
use ringfence::release;
use ringfence::resource::{Resource, Value};
use ringfence::snapshot::{InlinePolicy, Observed, Snapshot, Status};
use ringfence::standing::{judge, remedies, stage, unrecovered};
use ringfence::state::{Held, HeldStatus, KeyStatus, State};
use ringfence::view::Standing;

const NEW_KEY: &str = "access_key/AKIAEXAMPLENEWKEY000";
const SECRET: &str = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/bot-AbCdEf";
const MAKING: &str = "new_access_key";
const STORING: &str = "secret/";
const GRANT: &str = "inline_policy/LeastPrivilege-";
const TAKEN: &str = "inline_policy/deploy";
const LEFT: &str = "group/devs";

fn policy() -> PolicyDocument {
    document_of(120)
}

fn inline(name: &str, document: PolicyDocument) -> InlinePolicy {
    InlinePolicy { name: name.to_owned(), document: Observed::Read(document) }
}

/// Whoever works with a leaked key, a policy of its own and one of a group.
fn worker() -> Snapshot {
    let mut truth = user();
    items(&mut truth.inline_policies).push(inline("deploy", document_of(100)));
    items(&mut truth.groups).push(member("devs"));
    truth
}

fn to_secret() -> Place {
    let version = "11111111-1111-1111-1111-111111111111".to_owned();
    let fields = Fields::default();
    Place::Secret { arn: SECRET.to_owned(), version, fields, holds: None }
}

fn whole() -> Request {
    let to = Some(to_secret());
    Request { to, policy: Some(policy()), probes: vec!["s3:GetObject".to_owned()], ..rights() }
}

fn rights() -> Request {
    Request { policy: Some(policy()), override_containment: true, ..Request::default() }
}

fn deleting() -> Request {
    let delete_key = Some(resource(KEY).id().parse().unwrap());
    Request { delete_key, override_containment: true, ..Request::default() }
}

impl Case {
    fn of(previous: Option<State>, before: Snapshot, request: &Request) -> Self {
        let context = Account::of(Vec::new()).context();
        let at = context.now;
        let lineage = Lineage::new([7; 16]);
        let posture = built_in("revoke");
        let plan = recover(before.clone(), previous.as_ref(), &posture, lineage, request, &context)
            .unwrap();
        Self::begin(previous, before, plan, at)
    }

    /// Of a user that was contained before.
    fn contained(request: &Request) -> Self {
        let (state, now) = state_of(&contained(worker(), &ask("revoke", true)));
        Self::of(Some(state), now, request)
    }

    fn checked(mut self, authenticates: bool, allowed: Option<bool>, under_hold: bool) -> Self {
        self.at += SignedDuration::from_secs(10);
        let probe = |allowed| Probed { action: "s3:GetObject".to_owned(), allowed, called: false };
        let event = Event::KeyChecked {
            access_key: new_key(),
            authenticates,
            probes: vec![probe(Some(true)), probe(allowed)],
            under_hold,
            checked_at: self.at,
            error: None,
        };
        self.journal.append(self.at, event);
        self
    }

    /// The new key is made and stored.
    fn keyed(self) -> Self {
        self.did(MAKING, StepResult::Done)
            .made(MAKING, resource(NEW_KEY).id())
            .did(STORING, StepResult::Done)
            .made(STORING, "a-version")
    }

    /// What can be done to the user's rights is done.
    fn narrowed(self) -> Self {
        let done = [GRANT, TAKEN, LEFT];
        done.into_iter().fold(self, |case, what| case.did(what, StepResult::Done).read(what, true))
    }

    /// The user as such a recovery leaves it.
    fn after(&self) -> Snapshot {
        let mut now = self.before.clone();
        give(&mut now, NEW_KEY, Status::Active, self.at);
        let name = self.step(GRANT).resource.id().to_owned();
        let policies = items(&mut now.inline_policies);
        policies.retain(|policy| policy.name != "deploy");
        policies.push(inline(&name, policy()));
        items(&mut now.groups).clear();
        now.sort();
        now
    }

    fn ended(&self) -> (State, Snapshot) {
        let now = self.after();
        let (mut state, complete) = self.finish(Some(&now));
        record::end_run(&mut state, &self.journal, complete, self.at);
        (state, now)
    }
}

fn new_key() -> AccessKeyId {
    resource(NEW_KEY).id().parse().unwrap()
}

fn recovered(request: &Request) -> (State, Snapshot) {
    Case::contained(request).keyed().narrowed().checked(true, Some(true), false).ended()
}

#[test]
fn before_the_first_call_all_that_may_be_made_is_in_doubt() {
    let case = Case::contained(&whole());
    let made = &case.begun.recoveries[0];
    assert_eq!(made.run, "20261122T031000Z-07070707");
    assert_eq!((made.access_key.as_ref(), made.status), (None, KeyStatus::InDoubt));
    assert_eq!(made.stored_in, Some(Resource::Secret(SECRET.to_owned())));
    assert_eq!((made.version.as_ref(), made.checked_at), (None, None));
    let in_doubt = |what: &str| {
        let step = case.step(what);
        let held = &case.begun.rights[&step.resource];
        assert_eq!((held.status, held.written_at), (HeldStatus::InDoubt, None));
        assert_eq!((&held.baseline, &held.ours), (&step.before, &step.after));
    };
    [GRANT, TAKEN, LEFT].into_iter().for_each(in_doubt);
    assert_eq!(case.begun.rights.len(), 3);
    // What was contained stays as it is.
    assert_eq!(case.begun.resources, case.previous.clone().unwrap().resources);
    let attaching = Step {
        resource: Resource::AttachedPolicy(own_arn("team")),
        before: Some(Value::Attached),
        after: None,
        ..case.step(LEFT)
    };
    let mut plan = case.plan.clone();
    plan.principals[0].steps = vec![attaching.clone()];
    let begun = Case::begin(case.previous.clone(), case.before.clone(), plan, case.at).begun;
    assert!(begun.rights.contains_key(&attaching.resource));
    // No key is asked for: none is in doubt.
    assert_eq!(Case::contained(&rights()).begun.recoveries, []);
}

#[test]
fn a_recovery_of_whom_nobody_has_contained_says_so() {
    let case = Case::of(None, worker(), &whole()).keyed().narrowed();
    let (state, now) = case.checked(true, Some(true), false).ended();
    assert!(state.was_never_contained() && state.is_released());
    let judged = judge(&state, &now);
    assert_eq!(judged.standing, Standing::NotContained);
    let what = "nobody has contained it: all that is recorded is a recovery";
    assert_eq!(judged.acting.last().map(|item| item.what.as_str()), Some(what));
    let contain = "ringfence plan --user deploy-bot --out plan.json";
    assert_eq!(remedies(&state, &judged), [contain]);
    assert_eq!(stage(&state, now.read_at), "never contained");
}

#[test]
fn a_key_that_is_made_stored_and_checked_is_what_was_asked_for() {
    let case = Case::contained(&whole()).keyed().narrowed().checked(true, Some(true), false);
    let (state, complete) = case.finish(Some(&case.after()));
    assert!(complete);
    let made = &state.recoveries[0];
    assert_eq!((made.access_key.clone(), made.status), (Some(new_key()), KeyStatus::Stored));
    assert_eq!((made.version.as_deref(), made.checked_at), (Some("a-version"), Some(case.at)));
    for what in [GRANT, TAKEN, LEFT] {
        let held = &state.rights[&case.step(what).resource];
        assert_eq!((held.status, held.written_at), (HeldStatus::Held, Some(case.at)), "{what}");
    }
    assert_eq!(state.resources, case.begun.resources);
}

#[test]
fn the_last_check_of_a_key_counts_and_all_that_it_was_tried_for() {
    let after = |checks: &[(bool, Option<bool>, bool)]| {
        let mut case = Case::contained(&whole()).keyed().narrowed();
        for (authenticates, allowed, under_hold) in checks {
            case = case.checked(*authenticates, *allowed, *under_hold);
        }
        let (state, complete) = case.finish(Some(&case.after()));
        let made = &state.recoveries[0];
        assert_eq!(made.status, KeyStatus::Stored);
        assert_eq!(made.checked_at, complete.then_some(case.at));
        complete
    };
    let (yes, no, unknown) = (Some(true), Some(false), None);
    assert!(!after(&[]));
    assert!(after(&[(true, yes, false)]) && after(&[(true, yes, true)]));
    assert!(!after(&[(true, no, false)]) && !after(&[(true, unknown, false)]));
    assert!(!after(&[(false, yes, false)]) && !after(&[(false, yes, true)]));
    // Under a hold it may do nothing, which its plan has said.
    assert!(after(&[(true, no, true)]));
    assert!(after(&[(true, no, false), (true, yes, false)]));
    assert!(!after(&[(true, yes, false), (true, no, false)]));
}

#[test]
fn what_became_of_a_new_key_is_told_by_the_answers() {
    let became = |case: Case, now: Option<Snapshot>| {
        let (state, complete) = case.finish(now.as_ref());
        let made = state.recoveries[0].clone();
        (made.status, made.access_key.is_some(), complete)
    };
    let case = || Case::contained(&Request { policy: None, ..whole() });
    let id = resource(NEW_KEY).id().to_owned();
    let checked = |case: Case| case.checked(true, Some(true), false);
    assert_eq!(became(checked(case().keyed()), None), (KeyStatus::Stored, true, true));
    assert_eq!(became(case(), None), (KeyStatus::NotMade, false, false));
    let refused = case().did(MAKING, StepResult::Refused);
    assert_eq!(became(refused, None), (KeyStatus::NotMade, false, false));
    let lost = case().did(MAKING, StepResult::InDoubt);
    assert_eq!(became(lost, None), (KeyStatus::InDoubt, false, false));
    let making = || case().did(MAKING, StepResult::Done).made(MAKING, &id);
    for result in [StepResult::Refused, StepResult::InDoubt, StepResult::Throttled] {
        let unstored = checked(making().did(STORING, result));
        assert_eq!(became(unstored, None), (KeyStatus::Made, true, false), "{result:?}");
    }
    assert_eq!(became(checked(making()), None), (KeyStatus::Made, true, false));
    // What is stored was made, also where the answer that tells its version is lost.
    let told = making().did(STORING, StepResult::Done);
    assert_eq!(told.finish(None).0.recoveries[0].version, None);
    // Of several keys that a run has made, the last is the one that it goes on with.
    let second = making().made(MAKING, "AKIAEXAMPLENEWKEY111");
    let (state, _) = second.finish(None);
    let last = state.recoveries[0].access_key.as_ref().map(ToString::to_string);
    assert_eq!(last.as_deref(), Some("AKIAEXAMPLENEWKEY111"));
}

#[test]
fn a_key_that_was_deleted_again_is_discarded() {
    let case = || {
        let case = Case::contained(&Request { policy: None, ..whole() });
        let id = resource(NEW_KEY).id().to_owned();
        case.did(MAKING, StepResult::Done).made(MAKING, &id).did(STORING, StepResult::Refused)
    };
    let key = || resource(NEW_KEY);
    let status_of = |case: &Case, now: Option<&Snapshot>| {
        let (state, complete) = case.finish(now);
        assert!(!complete);
        state.recoveries[0].status
    };
    let mut there = case().before;
    give(&mut there, NEW_KEY, Status::Active, before());
    let mut gone = there.clone();
    take(&mut gone, NEW_KEY);
    let deleted = case().adds(key(), None, StepResult::Done);
    for now in [None, Some(&there), Some(&gone)] {
        assert_eq!(status_of(&deleted, now), KeyStatus::Discarded);
    }
    // A call of which nobody knows is settled by what is read.
    let lost = case().adds(key(), None, StepResult::InDoubt);
    assert_eq!(status_of(&lost, None), KeyStatus::Made);
    assert_eq!(status_of(&lost, Some(&there)), KeyStatus::Made);
    assert_eq!(status_of(&lost, Some(&gone)), KeyStatus::Discarded);
    // Nobody has meant to delete it, or it was another key that was deleted, or it was only turned off.
    assert_eq!(status_of(&case(), Some(&gone)), KeyStatus::Made);
    let other = case().adds(resource(KEY), None, StepResult::Done);
    assert_eq!(status_of(&other, Some(&gone)), KeyStatus::Made);
    let off = case().adds(key(), Some(status(Status::Inactive)), StepResult::Done);
    assert_eq!(status_of(&off, Some(&there)), KeyStatus::Made);
}

#[test]
fn a_key_that_goes_to_standard_output_is_stored_by_whoever_reads_it() {
    let request = Request { to: Some(Place::Stdout), policy: None, ..whole() };
    let case = Case::contained(&request);
    assert_eq!(case.begun.recoveries[0].stored_in, None);
    let made = case.did(MAKING, StepResult::Done).made(MAKING, resource(NEW_KEY).id());
    let (state, complete) = made.checked(true, Some(true), false).finish(None);
    assert_eq!((state.recoveries[0].status, complete), (KeyStatus::Stored, true));
}

#[test]
fn rights_are_held_as_far_as_they_were_changed() {
    let request = rights();
    let now_as = |case: &Case, changed: bool| {
        if changed { case.after() } else { case.before.clone() }
    };
    // The status of a right after a run, and whether the run is complete.
    let right = |what: &str, changed: Option<bool>, run: &dyn Fn(Case) -> Case| {
        let case = run(Case::contained(&request));
        let now = changed.map(|changed| now_as(&case, changed));
        let (state, complete) = case.finish(now.as_ref());
        assert!(!complete);
        let held = state.rights.get(&case.step(what).resource).cloned();
        held.map(|held| (held.status, held.written_at.is_some()))
    };
    use StepResult::{Done, InDoubt, Refused};
    for what in [GRANT, TAKEN, LEFT] {
        let did = |result| move |case: Case| case.did(what, result);
        let held = Some((HeldStatus::Held, true));
        let doubt = Some((HeldStatus::InDoubt, false));
        assert_eq!(right(what, Some(true), &did(Done)), held, "{what}");
        assert_eq!(right(what, None, &did(Done)), held);
        // Never tried, or refused: it is as if nobody had meant to.
        assert_eq!(right(what, Some(false), &|case| case), None);
        assert_eq!(right(what, None, &did(Refused)), None);
        assert_eq!(right(what, Some(false), &did(Refused)), None);
        // Of a call without an answer a reading tells, if there is one.
        assert_eq!(right(what, None, &did(InDoubt)), doubt);
        assert_eq!(right(what, Some(true), &did(InDoubt)), doubt);
        assert_eq!(right(what, Some(false), &did(InDoubt)), None);
        // Done, and undone by others: ringfence answers for it unless it is as before.
        let undone = |case: Case| case.did(what, Done).read(what, false);
        assert_eq!(right(what, None, &undone), Some((HeldStatus::Held, false)));
        assert_eq!(right(what, Some(true), &undone), Some((HeldStatus::Held, false)));
        assert_eq!(right(what, Some(false), &undone), None);
        let never = |case: Case| case.did(what, InDoubt).read(what, false);
        assert_eq!(right(what, Some(true), &never), None);
    }
    // All of them are asked for, and no key is.
    let case = Case::contained(&request).narrowed();
    assert!(case.finish(Some(&case.after())).1);
    let partly = Case::contained(&whole()).keyed().checked(true, Some(true), false);
    let partly = partly.did(GRANT, Refused).did(TAKEN, Done).read(TAKEN, true).did(LEFT, Done);
    assert!(!partly.read(LEFT, true).finish(Some(&partly_after(&whole()))).1);
}

fn partly_after(request: &Request) -> Snapshot {
    Case::contained(request).after()
}

/// The policy of a second recovery.
fn another() -> Request {
    Request { policy: Some(document_of(130)), ..rights() }
}

#[test]
fn a_second_recovery_keeps_what_was_there_before_the_first() {
    let (state, now) = recovered(&whole());
    let grant = Case::contained(&rights()).step(GRANT).resource;
    let case = Case::of(Some(state.clone()), now.clone(), &another());
    let begun = &case.begun.rights[&grant];
    assert_eq!((begun.status, &begun.baseline), (HeldStatus::InDoubt, &None));
    assert_eq!(begun.ours, Some(Value::Document(document_of(130))));
    // What it did not change goes back to what the first had made of it.
    let (after, _) = case.did(GRANT, StepResult::Refused).finish(Some(&now));
    assert_eq!(after.rights[&grant], state.rights[&grant]);
    // What was given back in between begins anew.
    for status in [HeldStatus::Released, HeldStatus::GivenUp] {
        let mut over = state.clone();
        over.rights.get_mut(&grant).unwrap().status = status;
        let case = Case::of(Some(over), now.clone(), &another());
        let step = case.step(GRANT);
        assert_eq!(case.begun.rights[&grant].baseline, step.before);
    }
}

#[test]
fn a_key_that_is_deleted_for_good_is_answered_for_no_more() {
    for (result, left) in [
        (StepResult::Done, HeldStatus::GivenUp),
        (StepResult::Refused, HeldStatus::Held),
        (StepResult::InDoubt, HeldStatus::Held),
    ] {
        let case = Case::contained(&deleting()).did(KEY, result);
        let (state, _) = case.finish(None);
        assert_eq!(state.resources[&resource(KEY)].status, left, "{result:?}");
    }
}

#[test]
fn a_key_that_a_recovery_has_turned_off_is_held() {
    let off = || Some(status(Status::Inactive));
    let held = |key: &str, result| -> Option<Held> {
        let case = Case::contained(&whole()).keyed().adds(resource(key), off(), result);
        case.finish(None).0.resources.get(&resource(key)).cloned()
    };
    let found = held(OTHER_KEY, StepResult::Done).unwrap();
    assert_eq!((found.status, found.ours), (HeldStatus::Held, off()));
    assert_eq!(found.baseline, Some(status(Status::Active)));
    assert!(found.written_at.is_some() && found.reversible);
    assert_eq!(held(OTHER_KEY, StepResult::Refused), None);
    assert_eq!(held(OTHER_KEY, StepResult::InDoubt), None);
    // Of the run's own, too, nobody may know who has it.
    assert_eq!(held(NEW_KEY, StepResult::Done).unwrap().status, HeldStatus::Held);
    assert_eq!(held(NEW_KEY, StepResult::Refused), None);
}

#[test]
fn what_others_undo_of_a_recovery_is_told() {
    let (state, now) = recovered(&whole());
    let told = |state: &State, change: &dyn Fn(&mut Snapshot)| -> Vec<String> {
        let mut now = now.clone();
        change(&mut now);
        let found = unrecovered(state, &now);
        assert_eq!(judge(state, &now).unrecovered, found);
        let line = |item: &ringfence::view::Finding| {
            format!("{} {}", item.resource.clone().unwrap(), item.what)
        };
        found.iter().map(line).collect()
    };
    assert_eq!(told(&state, &|_| {}), [""; 0]);
    let gone = format!("{NEW_KEY} is gone: the recovery made it");
    assert_eq!(told(&state, &|now| take(now, NEW_KEY)), [gone]);
    let off = format!("{NEW_KEY} is Inactive: the recovery made it");
    let turn_off = |now: &mut Snapshot| give(now, NEW_KEY, Status::Inactive, before());
    assert_eq!(told(&state, &turn_off), [off]);
    let again = |now: &mut Snapshot| {
        items(&mut now.groups).push(member("devs"));
    };
    assert_eq!(told(&state, &again), ["group/devs is back: the recovery changed it"]);
    let unread = |now: &mut Snapshot| *now = without(now.clone(), Section::Groups);
    assert_eq!(told(&state, &unread), [""; 0]);
    // What is not held any more is not answered for, and nor is anything after a release.
    let mut given = state.clone();
    given.rights.get_mut(&resource(LEFT)).unwrap().status = HeldStatus::Released;
    assert_eq!(told(&given, &again), [""; 0]);
    let mut released = state.clone();
    released.released_at = Some(now.read_at);
    assert_eq!(told(&released, &again), [""; 0]);
}

fn releasing(state: &State, now: &Snapshot, undo_recovery: bool) -> Plan {
    let mut context = Account::of(Vec::new()).context();
    context.now = state.clock.as_ref().unwrap().lift_after;
    let request = release::Request { undo_recovery, ..release::Request::default() };
    let before = Case::contained(&rights()).before;
    release::release(now.clone(), state, Some(&before), &request, &context).unwrap()
}

/// What a recovery took goes back no more easily than what a containment took (D2.7).
#[test]
fn rights_that_a_recovery_took_do_not_go_back_while_the_attacker_can_use_them() {
    let (mut state, mut now) = recovered(&whole());
    state.since = Some(crate::properties::strategies::exposure());
    let grants = |plan: &Plan| {
        let steps = &plan.principals[0].steps;
        steps.iter().filter(|step| [TAKEN, LEFT].contains(&&*step.resource.to_string())).count()
    };
    assert_eq!(grants(&releasing(&state, &now, true)), 2);
    let unread = without(now.clone(), Section::SshKeys);
    let plan = releasing(&state, &unread, true);
    assert_eq!(grants(&plan), 0);
    let kept = &plan.principals[0].kept;
    let left = kept.iter().find(|kept| kept.resource == resource(LEFT)).unwrap();
    assert_eq!(left.flag.as_deref(), Some("--accept-unread gives it back"));
    give(&mut now, PASSWORD, Status::Active, after());
    let plan = releasing(&state, &now, true);
    assert_eq!(grants(&plan), 0);
    let kept = &plan.principals[0].kept;
    let left = kept.iter().find(|kept| kept.resource == resource(LEFT)).unwrap();
    assert!(left.why.starts_with(&format!("stays while {PASSWORD}")), "{}", left.why);
    // What was granted goes whoever is there.
    let grant = Case::contained(&rights()).step(GRANT).resource;
    assert!(plan.principals[0].steps.iter().any(|step| step.resource == grant));
}

#[test]
fn a_release_leaves_what_a_recovery_made_unless_it_is_asked_for() {
    let (state, now) = recovered(&whole());
    let plan = releasing(&state, &now, false).principals.remove(0);
    let kept: Vec<String> =
        plan.kept.iter().map(|kept| format!("{} {}", kept.resource, kept.why)).collect();
    let grant = Case::contained(&rights()).step(GRANT).resource;
    for line in [
        format!("{grant} stays granted: by the recovery"),
        format!("{TAKEN} stays taken away: by the recovery"),
        format!("{LEFT} stays taken away: by the recovery"),
    ] {
        assert!(kept.contains(&line), "{kept:?}");
    }
    assert!(plan.steps.iter().all(|step| !state.rights.contains_key(&step.resource)));
    assert_eq!(plan.drift, []);
    let undone = releasing(&state, &now, true).principals.remove(0);
    for right in state.rights.keys() {
        let step = undone.steps.iter().find(|step| step.resource == *right).unwrap();
        assert_eq!(step.after, state.rights[right].baseline, "{right}");
    }
}

#[test]
fn a_release_of_rights_that_was_cut_off_has_given_back_what_was_answered() {
    let (state, now) = recovered(&whole());
    let plan = releasing(&state, &now, true);
    let case = || Case::begin(Some(state.clone()), now.clone(), plan.clone(), now.read_at);
    let replayed = |case: &Case, what: &str| {
        let state = case.replay();
        let resource = case.step(what).resource;
        assert!(!state.resources.contains_key(&resource));
        state.rights[&resource].clone()
    };
    let begun = case();
    let held = |what: &str| state.rights[&begun.step(what).resource].clone();
    for what in [GRANT, TAKEN, LEFT] {
        let doubt = &begun.begun.rights[&begun.step(what).resource];
        assert_eq!(doubt.status, HeldStatus::InDoubt);
        assert!(!begun.begun.resources.contains_key(&begun.step(what).resource));
        // Never tried, or refused: held as before.
        assert_eq!(replayed(&case(), what), held(what));
        assert_eq!(replayed(&case().did(what, StepResult::Refused), what), held(what));
        for result in [StepResult::Done, StepResult::InDoubt] {
            let status = replayed(&case().did(what, result), what).status;
            assert_eq!(status, HeldStatus::InDoubt, "{what} {result:?}");
        }
    }
}

#[test]
fn a_recovery_issues_a_key_and_changes_rights() {
    let effects = |request: &Request| -> Vec<Effect> {
        let case = Case::contained(request);
        of_plan(&case.plan, std::slice::from_ref(&case.previous), case.at).into_keys().collect()
    };
    assert_eq!(effects(&Request { policy: None, ..whole() }), [Effect::IssueKey]);
    assert_eq!(effects(&rights()), [Effect::ChangeRights]);
    let case = Case::contained(&whole());
    let of = of_plan(&case.plan, &[None], case.at);
    assert_eq!(of[&Effect::IssueKey], case.step(MAKING).resource);
    assert_eq!(of[&Effect::ChangeRights], case.step(GRANT).resource);
}

#[test]
fn a_new_key_is_not_turned_off_with_the_others_of_a_user() {
    let (state, mut now) = recovered(&whole());
    give(&mut now, OTHER_KEY, Status::Active, before());
    let off = |state: &State| -> Vec<String> {
        let mut account = Account::of(vec![now.clone()]);
        account.users[0].state = Some(state.clone());
        let plan = account.plan(&ask("quarantine", false)).unwrap();
        let off = plan.principals[0].steps.iter().filter(|step| step.turns_off());
        off.map(|step| step.resource.to_string()).collect()
    };
    assert_eq!(off(&state), [OTHER_KEY]);
    let mut leaked = state;
    let why = ringfence::plan::Why::Named;
    leaked.compromised.push(ringfence::plan::Compromised { resource: resource(NEW_KEY), why });
    assert_eq!(off(&leaked), [OTHER_KEY, NEW_KEY]);
}
