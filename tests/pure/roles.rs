//! Roles: what a plan for one does and says, and what it is refused for.

use crate::cases::ask;
use crate::properties::model::{ACCOUNT, Account};
use crate::properties::strategies::{built_in, role};
use ringfence::error::Result;
use ringfence::exit::Exit;
use ringfence::identity::{Caller, SessionName};
use ringfence::lineage::Lineage;
use ringfence::plan::{Change, Plan, PrincipalPlan, Step, Why};
use ringfence::planner::{Request, Subject, contain};
use ringfence::policy::{FenceTime, PolicyDocument, fence, fence_for, hold};
use ringfence::resource::{Resource, RolePolicy, Value};
use ringfence::snapshot::{Entity, Observed, RoleUse, Snapshot};
use ringfence::state::State;

const NAME: &str = "ci-deploy";
const ID: &str = "AROAEXAMPLE1";

fn request(posture: &str) -> Request {
    Request {
        posture: built_in(posture),
        since: None,
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

fn subject(snapshot: Snapshot, sessions: &[&str]) -> Subject {
    Subject {
        snapshot,
        state: None,
        named: Vec::new(),
        traced: Vec::new(),
        sessions: sessions.iter().map(|name| name.parse::<SessionName>().unwrap()).collect(),
        fresh_lineage: Lineage::new([1; 16]),
    }
}

fn planned(subject: Subject, request: &Request) -> Result<Plan> {
    contain(vec![subject], request, &Account::of(Vec::new()).context())
}

fn only(plan: Plan) -> PrincipalPlan {
    plan.principals.into_iter().next().unwrap()
}

fn served_by(services: &str) -> Snapshot {
    let mut snapshot = role(NAME, ID);
    let Entity::Role(one) = &mut snapshot.entity else { panic!("a user") };
    let trust = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"Service":{services}}},"Action":"sts:AssumeRole"}}}}"#
    );
    one.trust = Observed::Read(PolicyDocument::parse(&trust));
    one.instance_profiles = Observed::Read(vec!["web-1".to_owned()]);
    let at = "2026-11-21T02:50:00Z".parse().unwrap();
    one.last_used = Some(RoleUse { at, region: "eu-west-1".to_owned() });
    snapshot
}

#[test]
fn a_role_is_fenced_and_what_a_fence_leaves_is_said() {
    let plan = planned(subject(role(NAME, ID), &[]), &request("revoke")).unwrap();
    // Whoever works with the role is locked out until the fence is past, so the margin is short.
    assert_eq!((plan.fence_margin_s, plan.settle.contain_new.len()), (60, 0));
    let one = only(plan);
    let step = &one.steps[0];
    assert_eq!(step.resource.to_string(), "role_policy/ci-deploy/RingfenceFence-01010101");
    assert_eq!(step.after, Some(Value::Document(fence(FenceTime::AfterApply))));
    assert_eq!(step.call(one.kind).unwrap().name(), "PutRolePolicy");
    assert_eq!(one.steps.len(), 1);
    let left: Vec<&str> = one.left_live.iter().map(|live| live.what.as_str()).collect();
    assert_eq!(left, ["new sessions of it", "roles it may have assumed"]);
    let may = one.left_live[0].remedy.as_deref().unwrap();
    assert!(may.ends_with(&format!("arn:aws:iam::{ACCOUNT}:root")), "{may}");
    // Under a hold nothing of it is left.
    let held = only(planned(subject(role(NAME, ID), &[]), &request("lockdown")).unwrap());
    let left: Vec<&str> = held.left_live.iter().map(|live| live.what.as_str()).collect();
    assert_eq!(left, ["roles it may have assumed"]);
    assert_eq!(held.steps[0].after, Some(Value::Document(hold())));
}

#[test]
fn a_fence_is_narrowed_to_the_sessions_of_this_very_role() {
    let narrow = subject(role(NAME, ID), &["mallory", "build-7", "mallory"]);
    let one = only(planned(narrow, &request("revoke")).unwrap());
    let ids = ["AROAEXAMPLE1:build-7", "AROAEXAMPLE1:mallory"].map(str::to_owned);
    assert_eq!(one.user_ids(), ids);
    assert_eq!(one.steps[0].after, Some(Value::Document(fence_for(FenceTime::AfterApply, &ids))));
    let text = fence_for(FenceTime::AfterApply, &ids).minified();
    assert!(text.contains(r#""StringEquals":{"aws:userid":["AROAEXAMPLE1:build-7""#), "{text}");
    assert!(one.left_live.iter().any(|live| live.what == "its other sessions"));
    let error = planned(subject(role(NAME, ID), &["mallory"]), &request("lockdown")).unwrap_err();
    assert_eq!(error.exit(), Exit::Usage);
    // What could mean more than itself is no session's name.
    for bad in ["*", "a*", "a?", "${aws:username}", "a b", "a/b", "x", ""] {
        assert!(bad.parse::<SessionName>().is_err(), "{bad:?}");
    }
}

#[test]
fn a_fence_that_stands_gets_wider_and_never_narrower() {
    let narrow = |state: Option<State>, truth: &Snapshot, sessions: &[&str]| {
        let subject = Subject { state, ..subject(truth.clone(), sessions) };
        planned(subject, &request("revoke")).unwrap()
    };
    let mut account = Account::of(vec![role(NAME, ID)]);
    let first = narrow(None, &account.user().truth.clone(), &["mallory"]);
    account.apply(&first, &crate::properties::model::Trouble::none());
    let again = |account: &Account, sessions: &[&str]| {
        only(narrow(Some(account.state().clone()), &account.user().truth, sessions))
    };
    assert!(again(&account, &["mallory"]).steps.is_empty());
    let wider = again(&account, &["build-7"]);
    assert_eq!(wider.sessions.len(), 2);
    assert_eq!(wider.steps.len(), 1);
    let all = narrow(Some(account.state().clone()), &account.user().truth.clone(), &[]);
    assert!(all.principals[0].sessions.is_empty());
    account.apply(&all, &crate::properties::model::Trouble::none());
    let narrower = again(&account, &["mallory"]);
    assert!(narrower.steps.is_empty() && narrower.sessions.is_empty());
    assert!(account.state().sessions.is_empty());
}

#[test]
fn a_session_that_was_found_later_moves_the_fence() {
    let mut account = Account::of(vec![role(NAME, ID)]);
    let plan = account.plan(&ask("revoke", false)).unwrap();
    account.apply(&plan, &crate::properties::model::Trouble::none());
    let traced = Resource::Session("ASIA3EXAMPLESESSION1".to_owned());
    let later = |account: &Account| Subject {
        state: Some(account.state().clone()),
        traced: vec![traced.clone()],
        ..subject(account.user().truth.clone(), &[])
    };
    let plan = planned(later(&account), &request("revoke")).unwrap();
    let one = &plan.principals[0];
    assert_eq!(one.compromised.len(), 1);
    assert_eq!((&one.compromised[0].resource, one.compromised[0].why), (&traced, Why::Traced));
    assert_eq!(one.steps.len(), 1);
    account.apply(&plan, &crate::properties::model::Trouble::none());
    assert!(only(planned(later(&account), &request("revoke")).unwrap()).steps.is_empty());
}

#[test]
fn workloads_are_cut_only_where_that_is_asked_for() {
    let refused = |snapshot: Snapshot, sessions: &[&str], posture: &str| {
        planned(subject(snapshot, sessions), &request(posture)).err().map(|error| error.exit())
    };
    let (ec2, lambda) = (r#""ec2.amazonaws.com""#, r#"["lambda.amazonaws.com"]"#);
    assert_eq!(refused(served_by(ec2), &[], "revoke"), Some(Exit::Forbidden));
    assert_eq!(refused(served_by(ec2), &[], "lockdown"), Some(Exit::Forbidden));
    assert_eq!(refused(served_by(ec2), &["mallory"], "revoke"), None);
    assert_eq!(refused(served_by(ec2), &["i-0123456789abcdef0"], "revoke"), Some(Exit::Forbidden));
    assert_eq!(refused(served_by(lambda), &["mallory"], "revoke"), Some(Exit::Forbidden));
    let asked = Request { cut_workloads: true, ..request("revoke") };
    let plan = planned(subject(served_by(ec2), &[]), &asked).unwrap();
    assert!(plan.cut_workloads);
    let warning = &plan.principals[0].warnings[0];
    for said in ["ec2.amazonaws.com", "instance profile web-1", "last recorded use", "eu-west-1"] {
        assert!(warning.contains(said), "{warning}");
    }
    // Nothing is cut where nothing is denied.
    let mut keep = request("revoke");
    keep.posture.set("sessions", "keep").unwrap();
    assert!(only(planned(subject(served_by(ec2), &[]), &keep).unwrap()).steps.is_empty());
}

#[test]
fn the_callers_own_role_is_refused_by_its_name_and_by_its_id() {
    let refused = |arn: &str, id: &str| {
        let mut context = Account::of(Vec::new()).context();
        context.caller = Caller {
            account: ACCOUNT.parse().unwrap(),
            arn: arn.parse().unwrap(),
            id: id.to_owned(),
        };
        contain(vec![subject(role(NAME, ID), &[])], &request("revoke"), &context).err()
    };
    let sts = format!("arn:aws:sts::{ACCOUNT}");
    for (arn, id) in [
        (format!("{sts}:assumed-role/CI-Deploy/alice"), "AROAOTHER:alice"),
        (format!("{sts}:assumed-role/renamed/alice"), "AROAEXAMPLE1:alice"),
    ] {
        let error = refused(&arn, id).unwrap_or_else(|| panic!("{arn} may"));
        assert_eq!(error.message(), "the caller is a session of `ci-deploy` itself");
    }
    assert!(refused(&format!("{sts}:assumed-role/other/alice"), "AROAOTHER:alice").is_none());
    // Neither a user of that name nor a federated one is touched by a role's fence.
    assert!(refused(&format!("arn:aws:iam::{ACCOUNT}:user/ci-deploy"), "AIDA1").is_none());
    assert!(refused(&format!("{sts}:federated-user/bob"), "1:bob").is_none());
}

#[test]
fn a_plan_for_a_role_says_what_it_does() {
    let good = || planned(subject(role(NAME, ID), &["mallory"]), &request("revoke")).unwrap();
    let refused = |change: &dyn Fn(&mut Plan)| {
        let mut plan = good();
        assert_eq!(Plan::parse(&plan.bytes(), "plan.json").unwrap(), plan);
        change(&mut plan);
        let error = Plan::parse(&plan.sealed().bytes(), "plan.json").unwrap_err();
        error.cause().unwrap().to_owned()
    };
    let step = |resource: Resource, after: Value| Step {
        id: 99,
        wave: 1,
        resource,
        action: Change::Create,
        before: None,
        after: Some(after),
        reversible: true,
        reason: String::new(),
        cautions: Vec::new(),
    };
    let (name, other) = ("RingfenceHold-01010101", "other".parse().unwrap());
    for (resource, after) in [
        (Resource::InlinePolicy(name.to_owned()), Value::Document(hold())),
        (Resource::RolePolicy(RolePolicy::of(&other, name)), Value::Document(hold())),
        (Resource::TrustPolicy, Value::Document(hold())),
        (Resource::Group("devs".to_owned()), Value::Member),
        (Resource::Session("ASIA".to_owned()), Value::Attached),
    ] {
        let said =
            refused(&|plan| plan.principals[0].steps.push(step(resource.clone(), after.clone())));
        assert_eq!(said, "step 99 makes no sense");
    }
    // A fence for others than the plan says is narrower, or of another role.
    let said = refused(&|plan| plan.principals[0].sessions.clear());
    assert!(said.ends_with("what no containment does"), "{said}");
    let said = refused(&|plan| {
        let of_another = fence_for(FenceTime::AfterApply, &["AROAOTHER:mallory".to_owned()]);
        plan.principals[0].steps[0].after = Some(Value::Document(of_another));
    });
    assert!(said.ends_with("what no containment does"), "{said}");
    let said = refused(&|plan| {
        plan.principals[0].snapshot = served_by(r#""lambda.amazonaws.com""#);
    });
    assert_eq!(said, "it cuts the workloads of role ci-deploy unasked");
    assert_eq!(
        refused(&|plan| plan.principals[0].kind = ringfence::plan::PrincipalKind::User),
        "principal AROAEXAMPLE1 is not what its snapshot shows"
    );
}
