//! Roles: what a plan for one does and says, and what it is refused for.

use crate::cases::{Section, ask, everything, items, room, state_of, without};
use crate::properties::model::{ACCOUNT, Account};
use crate::properties::strategies::{built_in, document_of, role};
use ringfence::error::Result;
use ringfence::exit::Exit;
use ringfence::identity::{Caller, SessionName};
use ringfence::lineage::Lineage;
use ringfence::plan::{Change, Plan, PrincipalPlan, Step, Why};
use ringfence::planner::{Request, Subject, contain, out_of_reach};
use ringfence::policy::{FenceTime, PolicyDocument, deny_all_arn, fence, fence_for, hold};
use ringfence::resource::{Resource, RolePolicy, Value};
use ringfence::snapshot::{Entity, InlinePolicy, Observed, Quotas, RoleQuotas, RoleUse, Snapshot};
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

/// Whoever is stopped only now could assume the role until now (F12).
#[test]
fn a_fence_from_before_moves_only_past_what_could_issue_sessions() {
    let contained = |posture: &str| {
        let mut account = Account::of(vec![role(NAME, ID)]);
        let plan = account.plan(&ask(posture, false)).unwrap();
        account.apply(&plan, &crate::properties::model::Trouble::none());
        let state = Some(account.state().clone());
        Subject { state, ..subject(account.user().truth.clone(), &[]) }
    };
    let steps = |subjects: Vec<Subject>, rules: &[(&str, &str)]| {
        let mut request = request("revoke");
        for (rule, value) in [("access_keys", "keep"), ("sessions", "keep")].iter().chain(rules) {
            request.posture.set(rule, value).unwrap();
        }
        let context = Account::of(Vec::new()).context();
        let plan = contain(subjects, &request, &context).unwrap();
        let of = |one: &PrincipalPlan| one.id.to_string() == ID;
        let role = plan.principals.iter().find(|one| of(one)).unwrap().steps.clone();
        let beside = plan.principals.iter().filter(|one| !of(one));
        (role, beside.map(|one| one.steps.len()).sum::<usize>())
    };
    let user = || subject(everything(), &[]);
    for stops in [("access_keys", "all"), ("login_profile", "delete"), ("sessions", "fence")] {
        let (role, beside) = steps(vec![user(), contained("revoke")], &[stops]);
        assert!(beside > 0 && role.len() == 1, "{stops:?}: {role:?}");
        assert!(role[0].awaits_fence_time());
        // A hold denies them all, until it is released.
        let (role, _) = steps(vec![user(), contained("lockdown")], &[stops]);
        assert!(role.len() == 1 && role[0].awaits_fence_time(), "{stops:?}: {role:?}");
    }
    for other in [("ssh_keys", "deactivate"), ("service_credentials", "deactivate")] {
        let (role, beside) = steps(vec![user(), contained("revoke")], &[other]);
        assert!(beside > 0 && role.is_empty(), "{other:?}: {role:?}");
    }
    assert_eq!(steps(vec![user(), contained("revoke")], &[]), (vec![], 0));
    // Also beside another step about the role.
    let mut undone = contained("lockdown");
    items(&mut undone.snapshot.inline_policies)
        .retain(|policy| policy.name.starts_with("RingfenceFence-"));
    let (of_role, _) = steps(vec![user(), undone], &[("access_keys", "all")]);
    let fences = of_role.iter().filter(|step| step.awaits_fence_time()).count();
    assert!(fences == 1 && of_role.len() > 1, "{of_role:?}");
    // Another role that is fenced only now could assume it as well.
    let next = || subject(role("next", "AROAEXAMPLE2"), &[]);
    let (moved, beside) = steps(vec![next(), contained("revoke")], &[("sessions", "fence")]);
    assert_eq!((moved.len(), beside), (1, 1));
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
    // A deny on everything cuts them wherever it stands.
    let mut denied = request("revoke");
    denied.posture.set("sessions", "keep").unwrap();
    for (permissions, slots) in [("deny", 0), ("deny", 10), ("deny-managed", 10)] {
        denied.posture.set("permissions", permissions).unwrap();
        let mut snapshot = served_by(ec2);
        snapshot.quotas = roomy(10_240, slots);
        let error = planned(subject(snapshot, &[]), &denied).unwrap_err();
        assert_eq!(error.exit(), Exit::Forbidden, "{permissions} {slots}");
    }
    // A narrowed fence reaches only its own sessions, also where an attached policy carries it.
    let mut carried = served_by(ec2);
    carried.quotas = roomy(100, 1);
    let plan = planned(subject(carried, &["mallory"]), &request("revoke")).unwrap();
    assert_eq!(only(plan).steps.len(), 2);
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
    // A deny on everything reaches every session, whomever the plan names.
    let hold_name = "RingfenceHold-01010101";
    let deny_all = Resource::AttachedPolicy(deny_all_arn("aws"));
    let held = RolePolicy::of(&NAME.parse().unwrap(), hold_name);
    for (more, after) in
        [(Resource::RolePolicy(held), Value::Document(hold())), (deny_all, Value::Attached)]
    {
        let said = refused(&|plan| {
            let one = &mut plan.principals[0];
            one.snapshot = served_by(r#""ec2.amazonaws.com""#);
            one.steps = vec![step(more.clone(), after.clone())];
        });
        assert_eq!(said, "it cuts the workloads of role ci-deploy unasked");
    }
    assert_eq!(
        refused(&|plan| plan.principals[0].kind = ringfence::plan::PrincipalKind::User),
        "principal AROAEXAMPLE1 is not what its snapshot shows"
    );
}

#[test]
fn whose_sessions_a_fence_ends_is_said() {
    let reason = |sessions: &[&str]| {
        let plan = planned(subject(role(NAME, ID), sessions), &request("revoke")).unwrap();
        only(plan).steps.remove(0).reason
    };
    let all = "ends every session of this role issued until then, legitimate ones too";
    assert_eq!(reason(&[]), all);
    let one = "ends the sessions named mallory issued until then; others go on";
    assert_eq!(reason(&["mallory"]), one);
    let two = "ends the sessions of 2 names issued until then; others go on";
    assert_eq!(reason(&["mallory", "build-7"]), two);
}

#[test]
fn a_role_that_only_aws_can_change_is_out_of_reach() {
    let context = Account::of(Vec::new()).context();
    let of = |path: &str| {
        let mut snapshot = role(NAME, ID);
        let Entity::Role(one) = &mut snapshot.entity else { panic!("a user") };
        one.arn = format!("arn:aws:iam::{ACCOUNT}:role{path}{NAME}").parse().unwrap();
        let reach = out_of_reach(&snapshot, &context.caller).map(|e| e.message().to_owned());
        let plan = planned(subject(snapshot, &[]), &request("revoke")).err();
        assert_eq!(plan.map(|error| error.message().to_owned()), reach);
        reach
    };
    assert_eq!((of("/"), of("/team/")), (None, None));
    let linked = "role `ci-deploy` is linked to a service";
    assert_eq!(of("/aws-service-role/x.amazonaws.com/").as_deref(), Some(linked));
    let reserved = "role `ci-deploy` belongs to IAM Identity Center";
    assert_eq!(of("/aws-reserved/sso.amazonaws.com/").as_deref(), Some(reserved));
    // A user's path says nothing of whose it is.
    let mut user = crate::cases::user();
    let Entity::User(one) = &mut user.entity else { panic!("a role") };
    one.arn = format!("arn:aws:iam::{ACCOUNT}:user/aws-reserved/deploy-bot").parse().unwrap();
    assert!(out_of_reach(&user, &context.caller).is_none());
}

#[test]
fn of_several_principals_the_roles_that_may_have_been_assumed_are_told_by_the_plan() {
    let remedies = |subjects: Vec<Subject>| -> Vec<String> {
        let context = Account::of(Vec::new()).context();
        let plan = contain(subjects, &request("revoke"), &context).unwrap();
        let live = plan.principals.iter().flat_map(|one| &one.left_live);
        live.filter(|live| live.what == "roles it may have assumed")
            .map(|live| live.remedy.clone().unwrap())
            .collect()
    };
    let alone = "not in this plan: its AssumeRole events in CloudTrail name them";
    assert_eq!(remedies(vec![subject(everything(), &[])]), [alone]);
    let told = "but for those of this plan: its AssumeRole events in CloudTrail name them";
    let both = vec![subject(everything(), &[]), subject(role(NAME, ID), &[])];
    assert_eq!(remedies(both), [told, told]);
}

#[test]
fn how_to_go_on_with_a_role_that_services_assume_is_said() {
    let hints = |snapshot: Snapshot, state: Option<State>| {
        let subject = Subject { state, ..subject(snapshot, &[]) };
        planned(subject, &request("revoke")).unwrap_err().hints().to_vec()
    };
    let cut = "ringfence plan --role ci-deploy --cut-workloads cuts them";
    let one = "ringfence plan --role ci-deploy --session ci-deploy/NAME fences one session only";
    let (ec2, lambda) = (r#""ec2.amazonaws.com""#, r#""lambda.amazonaws.com""#);
    let both = r#"["ec2.amazonaws.com","lambda.amazonaws.com"]"#;
    assert_eq!(hints(served_by(ec2), None), [cut, one]);
    assert_eq!(hints(served_by(lambda), None), [cut]);
    assert_eq!(hints(served_by(both), None), [cut]);
    // What is recorded of it can be asserted all the same.
    let mut account = Account::of(vec![role(NAME, ID)]);
    let plan = account.plan(&ask("revoke", false)).unwrap();
    account.apply(&plan, &crate::properties::model::Trouble::none());
    let (state, mut now) = state_of(&account);
    items(&mut now.inline_policies).clear();
    let served = served_by(ec2);
    now.entity = served.entity;
    let again = "ringfence apply --again --role ci-deploy --cut-workloads asserts the recorded containment all the same";
    assert_eq!(hints(now, Some(state)), [cut, again, one]);
}

#[test]
fn a_last_use_without_a_region_is_told_without_one() {
    let warned = |region: &str| {
        let mut snapshot = served_by(r#""ec2.amazonaws.com""#);
        let Entity::Role(one) = &mut snapshot.entity else { panic!("a user") };
        one.last_used.as_mut().unwrap().region = region.to_owned();
        let asked = Request { cut_workloads: true, ..request("revoke") };
        only(planned(subject(snapshot, &[]), &asked).unwrap()).warnings.remove(0)
    };
    assert!(warned("eu-west-1").contains("ago in eu-west-1)"), "{}", warned("eu-west-1"));
    assert!(warned("").contains("ago)"), "{}", warned(""));
}

fn roomy(inline_policy_size: u32, attached_policies: u32) -> Observed<Quotas> {
    let role = Some(RoleQuotas { attached_policies, inline_policy_size });
    Observed::Read(Quotas { role, ..Quotas::default() })
}

#[test]
fn a_role_whose_quotas_could_not_be_read_has_those_of_a_role() {
    let mut snapshot = role(NAME, ID);
    let document = Observed::Read(document_of(3_000));
    items(&mut snapshot.inline_policies).push(InlinePolicy { name: "work".to_owned(), document });
    let fence = "role_policy/ci-deploy/RingfenceFence-01010101";
    let first = |snapshot: Snapshot| {
        let plan = only(planned(subject(snapshot, &[]), &request("revoke")).unwrap());
        plan.steps[0].resource.to_string()
    };
    assert_eq!(first(snapshot.clone()), fence);
    assert_eq!(first(without(snapshot, Section::Quotas)), fence);
    // A user has less room.
    let mut user = crate::cases::user();
    let document = Observed::Read(document_of(2_000));
    items(&mut user.inline_policies).push(InlinePolicy { name: "work".to_owned(), document });
    user.quotas = room(2_048, 10);
    let read = only(planned(subject(user.clone(), &[]), &request("revoke")).unwrap());
    let unread = without(user, Section::Quotas);
    let unread = only(planned(subject(unread, &[]), &request("revoke")).unwrap());
    assert_eq!(unread.steps, read.steps);
    assert!(read.steps.iter().all(|step| step.resource.inline_name().is_none()));
}

/// Names of sessions whose fence takes exactly so many characters.
fn names_for(size: usize) -> Vec<String> {
    let at = FenceTime::At("2026-11-21T03:00:00Z".parse().unwrap());
    let needed = |names: &[String]| {
        let mut ids: Vec<String> = names.iter().map(|name| format!("{ID}:{name}")).collect();
        ids.sort();
        fence_for(at, &ids).quota_size()
    };
    let mut names: Vec<String> = Vec::new();
    loop {
        let mut last = format!("z{:03}", names.len());
        names.push(last.clone());
        let least = needed(&names);
        assert!(least <= size, "{least}");
        if size - least <= 60 {
            last.push_str(&"x".repeat(size - least));
            names.pop();
            names.push(last);
            assert_eq!(needed(&names), size);
            return names;
        }
        names.pop();
        names.push(format!("{last}{}", "x".repeat(30)));
    }
}

#[test]
fn a_fence_for_many_sessions_is_a_policy_as_long_as_it_fits_one() {
    let plan = |size: usize| {
        let names = names_for(size);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut snapshot = role(NAME, ID);
        snapshot.quotas = roomy(100, 1);
        only(planned(subject(snapshot, &names), &request("revoke")).unwrap())
    };
    let fits = plan(6_144);
    assert_eq!((fits.steps.len(), fits.blocked.len()), (2, 0));
    let large = plan(6_145);
    assert_eq!((large.steps.len(), large.blocked.len()), (0, 1));
    let needed = "6145 characters are needed, a managed policy has 6144";
    assert!(large.blocked[0].why.contains(needed), "{}", large.blocked[0].why);
    let shorter = "a fence for every session takes fewer characters: ringfence plan --role ci-deploy, without --session";
    assert!(large.warnings.iter().any(|line| line == shorter), "{:?}", large.warnings);
    let mut full = role(NAME, ID);
    full.quotas = roomy(0, 0);
    full.permissions_boundary = Some("arn:aws:iam::aws:policy/ReadOnlyAccess".to_owned());
    let blocked = only(planned(subject(full, &[]), &request("revoke")).unwrap());
    assert_eq!(blocked.blocked.len(), 1);
    assert!(blocked.warnings.iter().all(|line| line != shorter));
}
