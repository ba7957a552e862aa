//! Plans that somebody wrote who can compute a digest, and that this program would not make.

use crate::cases::*;
use crate::properties::model::Account;
use ringfence::plan::{Change, Kind, Plan, Step};
use ringfence::policy::PolicyDocument;
use ringfence::release::Request;
use ringfence::resource::Value;
use ringfence::snapshot::Status;

fn planned(posture: &str) -> Plan {
    let mut asked = ask(posture, true);
    asked.posture.set("login_profile", "delete").unwrap();
    Account::of(vec![everything()]).plan(&asked).unwrap()
}

/// What is said of a plan that was changed and sealed again.
fn refused(mut plan: Plan, change: impl FnOnce(&mut Plan)) -> String {
    assert_eq!(Plan::parse(&plan.bytes(), "plan.json").unwrap(), plan, "it is good as it is");
    change(&mut plan);
    let error = Plan::parse(&plan.sealed().bytes(), "plan.json").unwrap_err();
    assert_eq!(error.message(), "`plan.json` is no plan that this program would make");
    error.cause().unwrap().to_owned()
}

/// The same plan with one step more.
fn with(what: &str, before: Option<Value>, after: Option<Value>) -> String {
    refused(planned("quarantine"), |plan| {
        let action = match (&before, &after) {
            (None, _) => Change::Create,
            (_, None) => Change::Delete,
            _ => Change::Update,
        };
        plan.principals[0].steps.push(Step {
            id: 99,
            wave: 1,
            resource: resource(what),
            action,
            before,
            after,
            reversible: true,
            reason: "asked for".to_owned(),
            cautions: Vec::new(),
        });
    })
}

#[test]
fn a_containment_does_nothing_but_take_away() {
    let admin = "attached_policy/arn:aws:iam::aws:policy/AdministratorAccess";
    let allow = || {
        let text = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
        Some(Value::Document(PolicyDocument::parse(text)))
    };
    let deny = || Some(Value::Document(ringfence::policy::hold()));
    let active = || Some(Value::Status(Status::Active));
    let inactive = || Some(Value::Status(Status::Inactive));
    let arn = |name: &str| Some(Value::PolicyArn(format!("arn:aws:iam::aws:policy/{name}")));
    for (what, before, after) in [
        (admin, None, Some(Value::Attached)),
        (admin, Some(Value::Attached), None),
        (
            "attached_policy/arn:aws:iam::999999999999:policy/RingfenceFence-x",
            None,
            Some(Value::Attached),
        ),
        ("group/admins", None, Some(Value::Member)),
        ("inline_policy/work", None, deny()),
        ("inline_policy/work", allow(), None),
        ("inline_policy/RingfenceFence-00000000", None, allow()),
        ("inline_policy/RingfenceHold-00000000", deny(), None),
        ("managed_policy/arn:aws:iam::111122223333:policy/RingfenceFence-x", None, allow()),
        ("managed_policy/arn:aws:iam::111122223333:policy/RingfenceFence-x", deny(), None),
        (BOUNDARY, arn("PowerUserAccess"), None),
        (OTHER_KEY, inactive(), active()),
        (SSH, inactive(), active()),
    ] {
        assert_eq!(
            with(what, before, after),
            format!("step 99 does with {what} what no containment does")
        );
    }
}

#[test]
fn a_fence_without_a_margin_is_none() {
    let said = refused(planned("revoke"), |plan| plan.fence_margin_s = 0);
    assert_eq!(said, "its fences have a margin of 0 s, and 30 are the least");
}

#[test]
fn what_cannot_be_undone_is_said_to_be_so() {
    let said = refused(planned("revoke"), |plan| {
        let steps = &mut plan.principals[0].steps;
        let password = steps.iter_mut().find(|step| step.resource == resource(PASSWORD));
        password.unwrap().reversible = true;
    });
    assert!(said.ends_with("makes no sense"), "{said}");
    let said = refused(planned("revoke"), |plan| plan.principals[0].steps[0].reversible = false);
    assert_eq!(said, "step 1 makes no sense");
}

#[test]
fn a_release_is_no_containment() {
    let mut account = contained(everything(), &ask("quarantine", true));
    account.tick(200_000);
    let release = account.release(&Request::default()).unwrap();
    let said = refused(release, |plan| plan.kind = Kind::Contain);
    assert!(said.ends_with("what no containment does"), "{said}");
}

#[test]
fn a_user_is_the_one_of_the_snapshot() {
    let other = |change: fn(&mut Plan)| refused(planned("revoke"), change);
    let expected = "principal AIDAEXAMPLE1 is not what its snapshot shows";
    assert_eq!(
        other(|plan| plan.principals[0].arn =
            "arn:aws:iam::111122223333:user/x/deploy-bot".parse().unwrap()),
        expected
    );
    assert_eq!(other(|plan| plan.principals[0].name = "other".parse().unwrap()), expected);
}
