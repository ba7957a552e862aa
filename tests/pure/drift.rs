//! Planned, ours, now: case by case.

use crate::cases::*;
use crate::properties::model::{Account, attached, member};
use crate::properties::strategies::document_of;
use ringfence::drift::{
    Standing, appeared, created_at, hidden_since_plan, since_plan, standing, words,
};
use ringfence::plan::{PrincipalPlan, Step};
use ringfence::policy::{FenceTime, fence, hold};
use ringfence::resource::Value;
use ringfence::snapshot::{InlinePolicy, Observed, Obstacle, Snapshot, Status};

fn inline(name: &str, size: usize) -> InlinePolicy {
    InlinePolicy { name: name.to_owned(), document: Observed::Read(document_of(size)) }
}

fn planned(truth: Snapshot, posture: &str) -> PrincipalPlan {
    Account::of(vec![truth]).plan(&ask(posture, true)).unwrap().principals.remove(0)
}

fn said(found: &[(ringfence::resource::Resource, String)]) -> Vec<String> {
    found.iter().map(|(resource, what)| format!("{resource}: {what}")).collect()
}

#[test]
fn a_step_stands_between_what_it_expects_and_what_it_makes() {
    let plan = planned(user(), "revoke");
    let step = |what: &str| -> &Step {
        plan.steps.iter().find(|step| step.resource.to_string().starts_with(what)).unwrap()
    };
    let (key, fencing) = (step(KEY), step("inline_policy/RingfenceFence-"));
    let mut now = user();
    assert_eq!(standing(key, &now), Standing::AsPlanned);
    give(&mut now, KEY, Status::Inactive, before());
    assert_eq!(standing(key, &now), Standing::Already);
    give(&mut now, KEY, Status::Expired, before());
    assert_eq!(standing(key, &now), Standing::Moved);
    take(&mut now, KEY);
    assert_eq!(standing(key, &now), Standing::Moved);
    assert_eq!(standing(key, &without(user(), Section::AccessKeys)), Standing::Unknown);
    // Any fence would fit, and the one that is to be written is still to be written.
    assert_eq!(standing(fencing, &user()), Standing::AsPlanned);
    let document = Observed::Read(fence(FenceTime::At(after())));
    let name = fencing.resource.id().to_owned();
    items(&mut now.inline_policies).push(InlinePolicy { name, document });
    assert_eq!(standing(fencing, &now), Standing::Moved);
}

#[test]
fn a_plan_has_moved_where_a_step_or_the_principal_has() {
    let mut truth = user();
    give(&mut truth, OTHER_KEY, Status::Inactive, before());
    let plan = planned(truth.clone(), "revoke");
    let drift = |now: &Snapshot| -> Vec<String> {
        let found = since_plan(&plan, now);
        found.iter().map(|item| format!("{}: {}", item.resource, item.what)).collect()
    };
    assert_eq!(drift(&truth), [""; 0]);
    let mut now = truth.clone();
    give(&mut now, KEY, Status::Inactive, before());
    let made = "(created 00:00:00Z)";
    assert_eq!(drift(&now), [format!("{KEY}: planned Active, now Inactive {made}")]);
    give(&mut now, KEY, Status::Expired, before());
    assert_eq!(drift(&now), [format!("{KEY}: planned Active, now Expired {made}")]);
    take(&mut now, KEY);
    assert_eq!(drift(&now), [format!("{KEY}: planned Active, now absent")]);
    let mut now = truth.clone();
    give(&mut now, OTHER_KEY, Status::Active, before());
    assert_eq!(drift(&now), [format!("{OTHER_KEY}: planned Inactive, now Active")]);
    assert_eq!(drift(&without(truth, Section::AccessKeys)), [""; 0]);
}

#[test]
fn what_is_new_or_can_act_now_has_appeared() {
    let old = user();
    let mut now = everything();
    items(&mut now.inline_policies).push(inline("work", 100));
    items(&mut now.attached_policies).push(attached(&own_arn("work")));
    items(&mut now.groups).push(member("devs"));
    now.permissions_boundary = Some(own_arn("team"));
    let new = [
        format!("attached_policy/{}: planned absent, now attached", own_arn("work")),
        "group/devs: planned absent, now a member".to_owned(),
        "inline_policy/work: planned absent, now another document".to_owned(),
        "login_profile: planned absent, now a password is set (created 00:00:00Z)".to_owned(),
        format!("{BOUNDARY}: planned absent, now {}", own_arn("team")),
        format!("{SERVICE}: planned absent, now Active (created 00:00:00Z)"),
        format!("{CERTIFICATE}: planned absent, now Active (created 00:00:00Z)"),
        format!("{SSH}: planned absent, now Active (created 00:00:00Z)"),
    ];
    assert_eq!(said(&appeared(&old, &now)), new);
    // What is gone, or was there before, has not.
    assert_eq!(appeared(&now, &now), []);
    assert_eq!(appeared(&now, &old), []);
    // And where nobody could tell before, nobody can tell now.
    for section in [
        Section::SshKeys,
        Section::Certificates,
        Section::ServiceCredentials,
        Section::LoginProfile,
        Section::Groups,
        Section::Attached,
        Section::Inline,
    ] {
        let blind = without(old.clone(), section);
        assert_eq!(appeared(&blind, &now).len(), new.len() - 1, "{section:?}");
        assert_eq!(appeared(&old, &without(now.clone(), section)).len(), new.len() - 1);
    }
}

#[test]
fn what_was_there_has_appeared_where_it_does_more() {
    let mut old = everything();
    items(&mut old.inline_policies).push(inline("work", 100));
    old.permissions_boundary = Some(own_arn("team"));
    for credential in [KEY, SSH, CERTIFICATE, SERVICE] {
        let (mut off, mut gone) = (old.clone(), old.clone());
        give(&mut off, credential, Status::Inactive, before());
        take(&mut gone, credential);
        let on = [format!("{credential}: planned Inactive, now Active")];
        assert_eq!(said(&appeared(&off, &old)), on);
        assert_eq!(appeared(&old, &off), []);
        assert_eq!(appeared(&old, &gone), []);
    }
    let mut now = old.clone();
    items(&mut now.inline_policies)[0] = inline("work", 101);
    assert_eq!(said(&appeared(&old, &now)), ["inline_policy/work: its document was changed"]);
    let mut now = old.clone();
    now.permissions_boundary = Some(own_arn("lax"));
    let other = format!("{BOUNDARY}: planned {}, now {}", own_arn("team"), own_arn("lax"));
    assert_eq!(said(&appeared(&old, &now)), [other]);
}

#[test]
fn a_value_is_said_in_a_word_or_two() {
    assert_eq!(words(None), "absent");
    assert_eq!(words(Some(&status(Status::Expired))), "Expired");
    assert_eq!(words(Some(&Value::Document(hold()))), "another document");
    let fenced = Value::Document(fence(FenceTime::At(after())));
    assert_eq!(words(Some(&fenced)), format!("a fence at {}", after()));
    assert_eq!(words(Some(&Value::PolicyArn("a\u{1b}b".to_owned()))), "a\\u{1b}b");
    assert_eq!(words(Some(&Value::Attached)), "attached");
    assert_eq!(words(Some(&Value::Member)), "a member");
    assert_eq!(words(Some(&Value::Password)), "a password is set");
}

#[test]
fn a_credential_is_as_old_as_its_own_record_says() {
    let mut now = everything();
    give(&mut now, OTHER_KEY, Status::Active, after());
    for (credential, other) in [
        (KEY, "access_key/AKIAEXAMPLEKEY000002"),
        (SSH, "ssh_key/APKA1"),
        (CERTIFICATE, "signing_certificate/CERT1"),
        (SERVICE, "service_credential/ACCA1"),
    ] {
        assert_eq!(created_at(&resource(credential), &now), Some(before()));
        assert_eq!(created_at(&resource(other), &now), None);
        give(&mut now, other, Status::Active, after());
        assert_eq!(created_at(&resource(other), &now), Some(after()));
        assert_eq!(created_at(&resource(credential), &now), Some(before()));
    }
    assert_eq!(created_at(&resource(PASSWORD), &now), Some(before()));
    take(&mut now, PASSWORD);
    assert_eq!(created_at(&resource(PASSWORD), &now), None);
    assert_eq!(created_at(&resource("group/devs"), &now), None);
}

#[test]
fn a_listing_that_is_not_read_now_and_was_read_for_the_plan_hides_what_is_new() {
    let plan = planned(user(), "revoke");
    let hidden = |obstacle| {
        let mut now = without(user(), Section::SshKeys);
        let Observed::Unread(missing) = &mut now.ssh_keys else { panic!("it was hidden") };
        missing.obstacle = obstacle;
        now
    };
    let throttled = hidden(Obstacle::Passing);
    let (kind, missing) = hidden_since_plan(&plan, &throttled).unwrap();
    assert_eq!((kind, missing.action.as_str()), ("ssh keys", "iam:ListSSHPublicKeys"));
    for obstacle in [Obstacle::Denied, Obstacle::Senseless] {
        assert!(hidden_since_plan(&plan, &hidden(obstacle)).is_some());
    }
    // Where nothing can be listed, there is nothing to list.
    assert_eq!(hidden_since_plan(&plan, &hidden(Obstacle::Unimplemented)), None);
    for (section, kind) in [
        (Section::Groups, "groups"),
        (Section::Attached, "attached policies"),
        (Section::Inline, "inline policies"),
    ] {
        let now = without(user(), section);
        assert_eq!(hidden_since_plan(&plan, &now).map(|(kind, _)| kind), Some(kind));
    }
    assert_eq!(hidden_since_plan(&plan, &user()), None);
    let mut knowing = plan;
    knowing.snapshot = throttled.clone();
    assert_eq!(hidden_since_plan(&knowing, &throttled), None);
    let elsewhere = {
        let mut now = throttled;
        now.access_keys = Observed::Unread(now.ssh_keys.missing().unwrap().clone());
        now
    };
    assert_eq!(hidden_since_plan(&knowing, &elsewhere).map(|(kind, _)| kind), Some("access keys"));
}
