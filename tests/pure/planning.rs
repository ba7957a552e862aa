//! What the planner makes of one user, case by case.

use crate::cases::*;
use crate::properties::model::{Account, attached, start};
use crate::properties::strategies::{QUARANTINE, built_in, document_of, exposure, key_id};
use jiff::{SignedDuration, Timestamp};
use ringfence::error::Result;
use ringfence::identity::{AccessKeyId, Caller};
use ringfence::lineage::Lineage;
use ringfence::plan::{Compromised, NewCredential, Plan, PrincipalPlan, Why};
use ringfence::planner::{
    Context, Request, Subject, again, check_caller, check_protection, contain, fence_time,
};
use ringfence::policy::{deny_all_arn, hold};
use ringfence::resource::Resource;
use ringfence::snapshot::{
    AttachedPolicy, Entity, InlinePolicy, LastUsed, Observed, Quotas, Snapshot, Status,
};
use ringfence::state::{HeldStatus, State};

fn request(posture: &str, since: Option<Timestamp>) -> Request {
    Request {
        posture: built_in(posture),
        since,
        protected_users: Vec::new(),
        protected_roles: Vec::new(),
        override_protection: false,
        cut_workloads: false,
        trace: None,
        finding: None,
        strict: false,
        settle_s: 30,
    }
}

fn context() -> Context {
    Account::of(Vec::new()).context()
}

fn subject(snapshot: Snapshot, state: Option<State>, named: Vec<AccessKeyId>) -> Subject {
    Subject {
        snapshot,
        state,
        named,
        traced: Vec::new(),
        sessions: Vec::new(),
        fresh_lineage: Lineage::new([1; 16]),
    }
}

/// Plans to contain what was read, as it was read.
fn plan(snapshot: Snapshot, request: &Request) -> Plan {
    contain(vec![subject(snapshot, None, Vec::new())], request, &context()).unwrap()
}

fn refused(snapshot: Snapshot, request: &Request) -> String {
    contain(vec![subject(snapshot, None, Vec::new())], request, &context())
        .unwrap_err()
        .message()
        .to_owned()
}

fn only(plan: &Plan) -> &PrincipalPlan {
    &plan.principals[0]
}

/// The resources of the steps, in order.
fn steps(plan: &Plan) -> Vec<String> {
    only(plan).steps.iter().map(|step| step.resource.to_string()).collect()
}

fn cautions(plan: &Plan, what: &str) -> Vec<String> {
    let step = only(plan).steps.iter().find(|step| step.resource.to_string().starts_with(what));
    step.unwrap().cautions.clone()
}

/// A user with a key, and room for nothing inline.
fn cramped() -> Snapshot {
    let mut truth = user();
    truth.quotas = room(50, 10);
    truth
}

fn created(principal: &PrincipalPlan) -> Vec<&str> {
    let steps = principal.steps.iter();
    let policies = steps.filter_map(|step| match &step.resource {
        Resource::ManagedPolicy(arn) => Some(arn.as_str()),
        _ => None,
    });
    policies.collect()
}

fn used(truth: &mut Snapshot, key: usize, at: Timestamp) {
    let found = items(&mut truth.access_keys).iter_mut().find(|found| found.id == key_id(key));
    let (service, region) = ("s3".to_owned(), "eu-central-1".to_owned());
    found.unwrap().last_used = Observed::Read(Some(LastUsed { at, service, region }));
}

#[test]
fn the_name_of_a_policy_that_was_read_is_not_taken_again() {
    let request = request("revoke", None);
    let fresh = plan(cramped(), &request);
    let first = created(only(&fresh))[0];
    let mut snapshot = cramped();
    snapshot.managed_policies =
        vec![AttachedPolicy { document: Some(Observed::Read(hold())), ..attached(first) }];
    let plan = plan(snapshot, &request);
    assert_eq!(Plan::parse(&plan.bytes(), "plan.json").unwrap(), plan);
    assert_eq!(created(only(&plan)), [format!("{first}-1")]);
}

#[test]
fn the_kinds_that_are_contained_when_new_are_those_that_the_rules_turn_off() {
    use NewCredential as N;
    let kinds = |request: &Request| plan(user(), request).settle.contain_new;
    assert_eq!(kinds(&request("revoke", None)), []);
    assert_eq!(kinds(&request("revoke", Some(exposure()))), N::ALL);
    assert_eq!(kinds(&request("quarantine", None)), N::ALL);
    assert_eq!(kinds(&request("quarantine", Some(exposure()))), N::ALL);
    for (rule, kind) in [
        ("service_credentials", N::ServiceCredential),
        ("signing_certificates", N::SigningCertificate),
        ("ssh_keys", N::SshKey),
    ] {
        let mut one = request("revoke", None);
        one.posture.set(rule, "deactivate").unwrap();
        assert_eq!(kinds(&one), [kind]);
    }
    let mut all = request("revoke", None);
    all.posture.set("access_keys", "all").unwrap();
    assert_eq!(kinds(&all), [N::AccessKey]);
    // What is younger is turned off, but no key where the posture keeps them.
    let mut keep = request("revoke", Some(exposure()));
    keep.posture.set("access_keys", "keep").unwrap();
    assert_eq!(kinds(&keep), [N::ServiceCredential, N::SigningCertificate, N::SshKey]);
    // One read-back does nothing of the kind.
    let brief = Request { settle_s: 0, ..request("quarantine", None) };
    assert_eq!(kinds(&brief), []);
}

#[test]
fn whoever_calls_is_never_contained() {
    let user = user();
    let check = |arn: &str, id: &str| -> Result<()> {
        let arn: ringfence::identity::Arn = arn.parse().unwrap();
        let account = arn.account().parse().unwrap();
        let caller = Caller { account, arn, id: id.to_owned() };
        check_caller(&caller, &user.who(), user.arn(), user.id())
    };
    let iam = "arn:aws:iam::111122223333";
    let sts = "arn:aws:sts::111122223333";
    let said = |arn: &str, id: &str| check(arn, id).unwrap_err().message().to_owned();
    // By its ID, whatever it is called, and by its name in any case (F34).
    let itself = "the caller is `deploy-bot` itself";
    assert_eq!(said(&format!("{iam}:user/renamed"), "AIDAEXAMPLE1"), itself);
    assert_eq!(said(&format!("{iam}:user/team/Deploy-Bot"), "AIDAOTHER"), itself);
    check(&format!("{iam}:user/alice"), "AIDAOTHER").unwrap();
    check(&format!("{sts}:assumed-role/deploy-bot/x"), "AROAEXAMPLE:x").unwrap();
    check(&format!("{iam}:root"), "111122223333").unwrap();
    let federated = "the caller is the federated user `bob`";
    assert_eq!(said(&format!("{sts}:federated-user/bob"), "111122223333:bob"), federated);
    let other = "user `deploy-bot` is in account 111122223333, the caller is in 444455556666";
    assert_eq!(said("arn:aws:iam::444455556666:user/alice", "AIDAOTHER"), other);
}

#[test]
fn whom_a_rule_guards_is_not_planned_for() {
    let mut guarded = request("revoke", None);
    guarded.protected_users = vec!["alice".to_owned(), "Deploy-Bot".to_owned()];
    let protected = "user `deploy-bot` is protected by `guard.protected_users`";
    assert_eq!(refused(user(), &guarded), protected);
    guarded.override_protection = true;
    assert!(plan(user(), &guarded).override_protection);
    let name = user().who();
    assert!(check_protection(&name, &["alice".to_owned()], false).is_ok());
    assert!(check_protection(&name, &["deploy-bot".to_owned()], true).is_ok());
    assert!(check_protection(&name, &["deploy-bot".to_owned()], false).is_err());
    // A caller that would contain itself, and what was not read where everything has to be.
    let mut own = context();
    own.caller.arn = "arn:aws:iam::111122223333:user/deploy-bot".parse().unwrap();
    let one = || vec![subject(user(), None, Vec::new())];
    assert!(contain(one(), &request("revoke", None), &own).is_err());
    let strict = Request { strict: true, ..request("revoke", None) };
    let unread = "tags of user `deploy-bot` could not be read";
    assert_eq!(refused(without(user(), Section::Tags), &strict), unread);
    assert!(!plan(user(), &strict).is_empty());
    assert!(!plan(without(user(), Section::Tags), &request("revoke", None)).is_empty());
}

#[test]
fn a_step_says_what_to_be_careful_of() {
    let revoke = request("revoke", None);
    let workload = "a workload may still use this key: it will stop working";
    let unread = "what is there now could not be read";
    assert_eq!(cautions(&plan(user(), &revoke), KEY), [""; 0]);
    let mut busy = user();
    used(&mut busy, 0, after());
    assert_eq!(cautions(&plan(busy, &revoke), KEY), [workload]);
    let blind = without(user(), Section::AccessKeys);
    let named = contain(vec![subject(blind, None, vec![key_id(0)])], &revoke, &context()).unwrap();
    assert_eq!(cautions(&named, KEY), [unread]);
    let fence = "inline_policy/RingfenceFence-";
    let renews = "sessions that renew themselves (console) are not ended for certain";
    let narrow = "it may not fit: the other inline policies could not be read";
    assert_eq!(cautions(&plan(user(), &revoke), fence), [""; 0]);
    let mut console = user();
    give(&mut console, PASSWORD, Status::Active, before());
    assert_eq!(cautions(&plan(console, &revoke), fence), [renews]);
    let perhaps = without(user(), Section::LoginProfile);
    assert_eq!(cautions(&plan(perhaps, &revoke), fence), [renews]);
    let blind = without(user(), Section::Inline);
    assert_eq!(cautions(&plan(blind, &revoke), fence), [unread, narrow]);
    let mut work = user();
    let document = Observed::Read(document_of(100));
    items(&mut work.inline_policies).push(InlinePolicy { name: "work".to_owned(), document });
    assert_eq!(cautions(&plan(work.clone(), &revoke), fence), [""; 0]);
    let blind = without(work, Section::InlineDocuments);
    assert_eq!(cautions(&plan(blind, &revoke), fence), [narrow]);
}

#[test]
fn what_is_younger_than_the_exposure_is_turned_off_whatever_the_posture_says() {
    for credential in [SSH, CERTIFICATE, SERVICE] {
        let reason = |made, status, posture: &str, since: bool| {
            let mut truth = user();
            give(&mut truth, credential, status, made);
            let plan = plan(truth, &request(posture, since.then(exposure)));
            let step = only(&plan).steps.iter().find(|step| step.resource == resource(credential));
            step.map(|step| step.reason.clone())
        };
        let (on, off) = (Status::Active, Status::Inactive);
        let young = Some("made after the exposure".to_owned());
        let all = Some("the posture turns all of its kind off".to_owned());
        assert_eq!(reason(exposure(), on, "revoke", true), young);
        assert_eq!(reason(after(), on, "quarantine", true), young);
        assert_eq!(reason(before(), on, "quarantine", true), all);
        assert_eq!(reason(after(), on, "quarantine", false), all);
        assert_eq!(reason(before(), on, "revoke", true), None);
        assert_eq!(reason(after(), on, "revoke", false), None);
        assert_eq!(reason(after(), off, "revoke", true), None);
        assert_eq!(reason(after(), off, "quarantine", false), None);
    }
}

#[test]
fn the_key_that_was_used_last_goes_first() {
    let mut truth = user();
    give(&mut truth, OTHER_KEY, Status::Active, before());
    let quarantine = request("quarantine", None);
    let keys = |truth: &Snapshot| -> Vec<String> {
        let all = steps(&plan(truth.clone(), &quarantine));
        all.into_iter().filter(|step| step.starts_with("access_key/")).collect()
    };
    assert_eq!(keys(&truth), [KEY, OTHER_KEY]);
    used(&mut truth, 1, before());
    assert_eq!(keys(&truth), [OTHER_KEY, KEY]);
    used(&mut truth, 0, after());
    assert_eq!(keys(&truth), [KEY, OTHER_KEY]);
}

#[test]
fn the_user_whose_leaked_key_was_used_last_goes_first() {
    let mut quiet = user();
    used(&mut quiet, 0, before());
    let mut loud = user();
    let Entity::User(zoe) = &mut loud.entity else { panic!("a role") };
    zoe.name = "zoe".parse().unwrap();
    zoe.id = "AIDAEXAMPLE2".parse().unwrap();
    zoe.arn = "arn:aws:iam::111122223333:user/zoe".parse().unwrap();
    used(&mut loud, 0, after());
    // The use of a key that nobody suspects does not count.
    give(&mut quiet, OTHER_KEY, Status::Active, before());
    used(&mut quiet, 1, start());
    let subjects = [quiet, loud].map(|truth| subject(truth, None, vec![key_id(0)]));
    let plan = contain(subjects.to_vec(), &request("revoke", None), &context()).unwrap();
    let names: Vec<&str> = plan.principals.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["zoe", "deploy-bot"]);
}

#[test]
fn the_margin_is_small_where_something_goes_on_working() {
    let margin = |truth: Snapshot, request: &Request| {
        contain(vec![subject(truth, None, vec![key_id(0)])], request, &context())
            .unwrap()
            .fence_margin_s
    };
    let mut two = user();
    give(&mut two, OTHER_KEY, Status::Active, before());
    let mut request = request("revoke", None);
    assert_eq!(margin(user(), &request), 900);
    assert_eq!(margin(two.clone(), &request), 60);
    request.posture.set("fence_margin", "5m").unwrap();
    assert_eq!(margin(user(), &request), 300);
    assert_eq!(margin(two, &request), 300);
    let at = start();
    assert_eq!(fence_time(at, 300), at + SignedDuration::from_secs(301));
    assert_eq!(fence_time(Timestamp::MAX, 300), Timestamp::MAX);
}

#[test]
fn what_was_there_before_is_reported() {
    let warnings = |truth: Snapshot| only(&plan(truth, &request("revoke", None))).warnings.clone();
    assert_eq!(warnings(user()), [""; 0]);
    let mut truth = user();
    items(&mut truth.attached_policies).push(attached(QUARANTINE));
    items(&mut truth.attached_policies).push(attached(&own_arn("work")));
    let by_aws =
        "AWSCompromisedKeyQuarantineV3 is attached by AWS: it is no containment, and stays";
    assert_eq!(warnings(truth), [by_aws]);
    let mut truth = user();
    for name in ["RingfenceFence-0badcafe", "work"] {
        let (name, document) = (name.to_owned(), Observed::Read(document_of(100)));
        items(&mut truth.inline_policies).push(InlinePolicy { name, document });
    }
    let odd = "inline_policy/RingfenceFence-0badcafe bears a name of ringfence's and is in no state here: left alone";
    assert_eq!(warnings(truth), [odd]);
    let mut truth = user();
    give(&mut truth, OTHER_KEY, Status::Inactive, before());
    let off = format!("{OTHER_KEY} was Inactive before: not claimed, and never re-activated");
    assert_eq!(warnings(truth), [off]);
    let assumed = "quotas could not be read: AWS's defaults are assumed";
    assert_eq!(warnings(without(user(), Section::Quotas)), [assumed]);
}

#[test]
fn what_ringfence_did_before_is_not_reported_as_somebody_elses() {
    let (mut state, now) = state_of(&contained(user(), &ask("revoke", true)));
    let plan_with = |state: &State, now: &Snapshot, posture: &str| {
        let subject = subject(now.clone(), Some(state.clone()), Vec::new());
        contain(vec![subject], &request(posture, Some(exposure())), &context()).unwrap()
    };
    let warnings =
        |plan: Plan| -> Vec<String> { plan.principals.into_iter().next().unwrap().warnings };
    assert_eq!(warnings(plan_with(&state, &now, "revoke")), [""; 0]);
    // A laxer posture loosens nothing, and says how that would be done.
    let (strict, held) = state_of(&contained(user(), &ask("lockdown", true)));
    let laxer = "already contained as lockdown: nothing is loosened here; ringfence rollback --user deploy-bot --to revoke plans that";
    assert_eq!(warnings(plan_with(&strict, &held, "revoke")), [laxer]);
    assert_eq!(warnings(plan_with(&strict, &held, "lockdown")), [""; 0]);
    // What is newly known changes what a release may give back, though no call has to be made.
    let news = "nothing has to change in IAM; apply records what is new about the exposure";
    let mut unknowing = state.clone();
    unknowing.since = None;
    assert_eq!(warnings(plan_with(&unknowing, &now, "revoke")), [news]);
    let mut young = now.clone();
    give(&mut young, SSH, Status::Inactive, after());
    assert_eq!(warnings(plan_with(&state, &young, "revoke")), [news]);
    give(&mut young, SSH, Status::Active, after());
    assert_eq!(warnings(plan_with(&state, &young, "revoke")), [""; 0]);
    // A run that was cut off is told.
    state.runs.last_mut().unwrap().end = None;
    let cut = "run run-1 has no end in its record: what it left in doubt was read again";
    assert_eq!(warnings(plan_with(&state, &now, "revoke")), [cut]);
    // After a release nothing of this is a matter any more.
    let mut released = strict;
    released.released_at = Some(start());
    released.since = None;
    let plan = plan_with(&released, &held, "revoke");
    assert!(warnings(plan).iter().all(|line| line != news && line != laxer));
}

#[test]
fn an_exposure_is_the_earliest_that_is_known() {
    let (state, now) = state_of(&contained(user(), &ask("revoke", true)));
    let since = |state: &State, since| {
        let subject = subject(now.clone(), Some(state.clone()), Vec::new());
        let plan = contain(vec![subject], &request("revoke", since), &context()).unwrap();
        only(&plan).since
    };
    let mut unknown = state.clone();
    unknown.since = None;
    assert_eq!(since(&state, Some(before())), Some(before()));
    assert_eq!(since(&state, Some(after())), Some(exposure()));
    assert_eq!(since(&state, None), Some(exposure()));
    assert_eq!(since(&unknown, Some(after())), Some(after()));
    assert_eq!(since(&unknown, None), None);
}

#[test]
fn whose_keys_they_are_is_told_with_why() {
    let compromised = |snapshot: &Snapshot, named: Vec<AccessKeyId>, since| {
        let subject = subject(snapshot.clone(), None, named);
        let plan = contain(vec![subject], &request("revoke", since), &context()).unwrap();
        only(&plan).compromised.clone()
    };
    let found = |key: &str, why| Compromised { resource: resource(key), why };
    let mut truth = everything();
    give(&mut truth, OTHER_KEY, Status::Inactive, before());
    // Nobody named one: every one that is Active is taken to be.
    let none = compromised(&truth, Vec::new(), None);
    assert_eq!(none, [found(KEY, Why::NoKeyNamed)]);
    let named = compromised(&truth, vec![key_id(1)], None);
    assert_eq!(named, [found(OTHER_KEY, Why::Named)]);
    // What is younger is as well, from the very moment on, and each for one reason.
    for credential in [KEY, SSH, CERTIFICATE, SERVICE, PASSWORD] {
        let mut young = truth.clone();
        give(&mut young, credential, Status::Active, exposure());
        let mut all = compromised(&young, vec![key_id(1)], Some(exposure()));
        assert_eq!(all.remove(0), found(OTHER_KEY, Why::Named));
        assert_eq!(all, [found(credential, Why::YoungerThanSince)]);
        let second = SignedDuration::from_secs(1);
        assert_eq!(compromised(&young, vec![key_id(1)], Some(exposure() + second)).len(), 1);
    }
    let mut young = truth;
    give(&mut young, OTHER_KEY, Status::Active, after());
    let once = compromised(&young, vec![key_id(1)], Some(exposure()));
    assert_eq!(once, [found(OTHER_KEY, Why::Named)]);
}

#[test]
fn keys_that_cannot_be_listed_have_to_be_named() {
    let blind = without(user(), Section::AccessKeys);
    let unread = "the access keys of user `deploy-bot` could not be read";
    assert_eq!(refused(blind.clone(), &request("revoke", None)), unread);
    let named = |posture: &str| {
        let subject = subject(blind.clone(), None, vec![key_id(1)]);
        contain(vec![subject], &request(posture, None), &context()).unwrap()
    };
    assert_eq!(steps(&named("revoke"))[0], OTHER_KEY);
    assert_eq!(only(&named("revoke")).steps[0].reason, "compromised: named");
    // Of a contained user those that are recorded are known.
    let (state, _) = state_of(&contained(user(), &ask("revoke", true)));
    let again = subject(blind.clone(), Some(state.clone()), Vec::new());
    let plan = contain(vec![again], &request("revoke", None), &context()).unwrap();
    assert_eq!(steps(&plan)[0], KEY);
    let mut released = state;
    released.released_at = Some(start());
    let after = subject(blind, Some(released), Vec::new());
    assert!(contain(vec![after], &request("revoke", None), &context()).is_err());
}

#[test]
fn a_key_is_turned_off_for_what_it_is() {
    let mut truth = user();
    give(&mut truth, OTHER_KEY, Status::Active, before());
    let reasons = |truth: &Snapshot, posture: &str, keep: bool| {
        let mut request = request(posture, None);
        if keep {
            request.posture.set("access_keys", "keep").unwrap();
        }
        let subject = subject(truth.clone(), None, vec![key_id(1)]);
        let plan = contain(vec![subject], &request, &context()).unwrap();
        let keys = only(&plan).steps.iter();
        let keys = keys.filter(|step| matches!(step.resource, Resource::AccessKey(_)));
        keys.map(|step| format!("{}: {}", step.resource, step.reason)).collect::<Vec<_>>()
    };
    let named = format!("{OTHER_KEY}: compromised: named");
    let all = format!("{KEY}: the posture turns all access keys off");
    assert_eq!(reasons(&truth, "revoke", false), [named.as_str()]);
    assert_eq!(reasons(&truth, "quarantine", false), [all.clone(), named]);
    assert_eq!(reasons(&truth, "revoke", true), [""; 0]);
    give(&mut truth, OTHER_KEY, Status::Inactive, before());
    assert_eq!(reasons(&truth, "revoke", false), [""; 0]);
    assert_eq!(reasons(&truth, "quarantine", false), [all]);
}

#[test]
fn what_is_left_live_is_listed_with_what_stops_it() {
    let mut truth = everything();
    give(&mut truth, OTHER_KEY, Status::Active, before());
    used(&mut truth, 1, after());
    let Entity::User(somebody) = &mut truth.entity else { panic!("a role") };
    somebody.password_last_used = Some(after());
    let left = |truth: &Snapshot, posture: &str, since| {
        let subject = subject(truth.clone(), None, vec![key_id(0)]);
        let plan = contain(vec![subject], &request(posture, since), &context()).unwrap();
        only(&plan).left_live.clone()
    };
    let line = |live: &ringfence::plan::LeftLive| {
        let resource = live.resource.as_ref().map(ToString::to_string).unwrap_or_default();
        let used = live.last_used.as_ref().map(|used| used.service.as_str()).unwrap_or_default();
        let remedy = live.remedy.as_deref().unwrap_or_default();
        format!("{resource}|{}|{used}|{}|{remedy}", live.what, live.suspect)
    };
    let lines = |truth: &Snapshot, posture: &str, since| {
        left(truth, posture, since).iter().map(line).collect::<Vec<_>>()
    };
    let roles = "|roles it may have assumed||false|not in this plan: its AssumeRole events in CloudTrail name them";
    let off = "--posture quarantine deactivates it";
    let password =
        "login_profile|password|console|false|only --posture lockdown stops it, reversibly";
    assert_eq!(
        lines(&truth, "revoke", None),
        [
            format!("{OTHER_KEY}|Active|s3|false|"),
            password.to_owned(),
            format!("{SSH}|Active||false|{off}"),
            format!("{CERTIFICATE}|Active||false|{off}"),
            format!("{SERVICE}|Active, codecommit.amazonaws.com||false|{off}"),
            roles.to_owned(),
        ]
    );
    assert_eq!(left(&truth, "revoke", None)[0].created_at, Some(before()));
    assert_eq!(lines(&truth, "quarantine", None), [password, roles]);
    // Under a hold nothing acts; where the hold has no room, everything that is on does.
    assert_eq!(lines(&truth, "lockdown", None), [roles]);
    let mut full = truth.clone();
    full.quotas = room(0, 0);
    full.permissions_boundary = Some(own_arn("team"));
    assert_eq!(lines(&full, "lockdown", None), [password, roles]);
    // What is off is not live, and what is younger than the exposure is suspect.
    let mut quiet = user();
    for credential in [OTHER_KEY, SSH, CERTIFICATE, SERVICE] {
        give(&mut quiet, credential, Status::Inactive, before());
    }
    assert_eq!(lines(&quiet, "revoke", None), [roles]);
    give(&mut quiet, PASSWORD, Status::Active, after());
    let suspect = left(&quiet, "revoke", Some(exposure()));
    assert!(suspect[0].suspect && !suspect[1].suspect);
    // So is a key that is known to be the attacker's, where the posture keeps it.
    let mut keep = request("revoke", None);
    keep.posture.set("access_keys", "keep").unwrap();
    let kept = contain(vec![subject(user(), None, vec![key_id(0)])], &keep, &context()).unwrap();
    assert_eq!(line(&only(&kept).left_live[0]), format!("{KEY}|Active||true|"));
}

#[test]
fn the_record_of_a_containment_goes_on_until_it_is_over() {
    let (state, now) = state_of(&contained(user(), &ask("revoke", true)));
    let planned = |state: Option<&State>| {
        let subject = subject(now.clone(), state.cloned(), Vec::new());
        contain(vec![subject], &request("revoke", None), &context()).unwrap().principals.remove(0)
    };
    let fresh = planned(None);
    assert_eq!((fresh.serial, fresh.previous_lineage), (0, None));
    assert_eq!(fresh.lineage, Lineage::new([1; 16]));
    let mut later = state.clone();
    later.previous_lineage = Some(Lineage::new([9; 16]));
    let again = planned(Some(&later));
    assert_eq!(again.lineage, state.lineage);
    assert_eq!((again.serial, again.previous_lineage), (state.serial, later.previous_lineage));
    // With nothing held any more it is over, and the next names it as the one before.
    let mut over = state.clone();
    over.released_at = Some(start());
    for held in over.resources.values_mut() {
        held.status = HeldStatus::Released;
    }
    let next = planned(Some(&over));
    assert_eq!(next.lineage, Lineage::new([1; 16]));
    assert_eq!((next.serial, next.previous_lineage), (state.serial, Some(state.lineage)));
}

#[test]
fn what_has_to_be_done_again_is_by_the_record() {
    let (state, now) = state_of(&contained(user(), &ask("revoke", true)));
    assert_eq!(again(&state, &now, &context()).unwrap().steps, []);
    let mut undone = now.clone();
    give(&mut undone, KEY, Status::Active, before());
    give(&mut undone, OTHER_KEY, Status::Active, after());
    give(&mut undone, SSH, Status::Active, before());
    let resources = |now: &Snapshot| -> Vec<String> {
        let plan = again(&state, now, &context()).unwrap();
        plan.steps.iter().map(|step| step.resource.to_string()).collect()
    };
    // The key, the younger one, and a fence that covers what they minted meanwhile.
    let fence = fence_of(&state).to_string();
    assert_eq!(resources(&undone), [KEY.to_owned(), OTHER_KEY.to_owned(), fence]);
    assert!(again(&state, &without(now, Section::AccessKeys), &context()).is_ok());
}

#[test]
fn a_boundary_of_the_posture_gives_way_to_a_deny() {
    let ask = |truth: Snapshot, permissions: &str, quotas: Option<Observed<Quotas>>| {
        let mut truth = truth;
        if let Some(quotas) = quotas {
            truth.quotas = quotas;
        }
        let mut request = request("revoke", None);
        request.posture.set("permissions_boundary", &own_arn("contained")).unwrap();
        request.posture.set("permissions", permissions).unwrap();
        plan(truth, &request)
    };
    let sets = |plan: &Plan| {
        let found = only(plan).steps.iter().find(|step| step.resource == resource(BOUNDARY));
        found.map(|step| (step.before.clone(), step.after.clone()))
    };
    let to = |arn: &str| Some(ringfence::resource::Value::PolicyArn(arn.to_owned()));
    let contained = own_arn("contained");
    assert_eq!(sets(&ask(user(), "keep", None)), Some((None, to(&contained))));
    let mut team = user();
    team.permissions_boundary = Some(own_arn("team"));
    assert_eq!(
        sets(&ask(team.clone(), "keep", None)),
        Some((to(&own_arn("team")), to(&contained)))
    );
    team.permissions_boundary = Some(contained.clone());
    assert_eq!(sets(&ask(team.clone(), "keep", None)), None);
    let stricter = format!("the boundary is AWSDenyAll, which is stricter than {contained}");
    team.permissions_boundary = Some(deny_all_arn("aws"));
    let denied = ask(team, "keep", None);
    assert_eq!(sets(&denied), None);
    assert_eq!(only(&denied).warnings, [stricter.as_str()]);
    // A hold that fits nowhere else takes the slot.
    let full = ask(user(), "deny", Some(room(0, 0)));
    assert_eq!(sets(&full), Some((None, to(&deny_all_arn("aws")))));
    assert!(only(&full).warnings.contains(&stricter));
}

#[test]
fn a_key_that_was_traced_is_named_by_that_and_another_credential_is_not() {
    let mut truth = user();
    give(&mut truth, OTHER_KEY, Status::Active, before());
    give(&mut truth, SSH, Status::Active, before());
    give(&mut truth, CERTIFICATE, Status::Active, before());
    let traced = |named: &[usize], what: &[&str]| {
        let named = named.iter().map(|n| key_id(*n)).collect();
        let traced = what.iter().map(|one| resource(one)).collect();
        let subject = Subject { traced, ..subject(truth.clone(), None, named) };
        let plan = contain(vec![subject], &request("revoke", None), &context()).unwrap();
        let off = only(&plan).steps.iter().filter(|step| step.turns_off());
        off.map(|step| step.resource.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(traced(&[], &[]), [KEY, OTHER_KEY]);
    assert_eq!(traced(&[0], &[]), [KEY]);
    assert_eq!(traced(&[], &[KEY]), [KEY]);
    assert_eq!(traced(&[0], &[KEY]), [KEY]);
    // No key was named by what else was found, so that every one may be the attacker's.
    assert_eq!(traced(&[], &[SSH]), [KEY, OTHER_KEY, SSH]);
    assert_eq!(traced(&[0], &[SSH]), [KEY, SSH]);
}

#[test]
fn what_is_compromised_for_another_reason_than_a_trace_is_as_the_posture_says() {
    let mut account = Account::of(vec![everything()]);
    let first = account.plan(&ask("revoke", false)).unwrap();
    account.apply(&first, &crate::properties::model::Trouble::none());
    let (mut state, now) = state_of(&account);
    let fence = fence_of(&state).to_string();
    let again = |state: &State, now: &Snapshot| {
        let subject = subject(now.clone(), Some(state.clone()), Vec::new());
        steps(&contain(vec![subject], &request("revoke", None), &context()).unwrap())
    };
    state.compromised.push(Compromised { resource: resource(SSH), why: Why::Named });
    assert_eq!(again(&state, &now), [""; 0]);
    // And turning off what mints no session is no reason to move the fence.
    state.compromised.last_mut().unwrap().why = Why::Traced;
    assert_eq!(again(&state, &now), [SSH]);
    let mut active = now;
    give(&mut active, KEY, Status::Active, before());
    assert_eq!(again(&state, &active), [KEY.to_owned(), SSH.to_owned(), fence]);
}

#[test]
fn what_could_not_be_read_is_taken_to_be_there_and_on() {
    let mut delete = request("revoke", None);
    delete.posture.set("login_profile", "delete").unwrap();
    let unread = plan(without(user(), Section::LoginProfile), &delete);
    let step = only(&unread).steps.iter().find(|step| step.resource == resource(PASSWORD)).unwrap();
    assert_eq!((&step.before, &step.after), (&Some(ringfence::resource::Value::Password), &None));
    let unread = without(user(), Section::AccessKeys);
    let subject = subject(unread, None, vec![key_id(0)]);
    let plan = contain(vec![subject], &request("revoke", None), &context()).unwrap();
    let step = only(&plan).steps.iter().find(|step| step.resource == resource(KEY)).unwrap();
    assert_eq!(step.before, Some(status(Status::Active)));
    assert_eq!(step.after, Some(status(Status::Inactive)));
}
