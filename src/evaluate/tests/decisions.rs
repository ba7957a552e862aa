//! How the kinds of policy work together, on the cases that containment rests on.

use super::super::trust_allows;
use super::*;

const ACCOUNT: &str = "123456789012";
const FEDERATED: &str = "arn:aws:sts::123456789012:federated-user/bob";
const SESSION: &str = "arn:aws:sts::123456789012:assumed-role/ops/alice";
const ROLE: &str = "arn:aws:iam::123456789012:role/team/ops";
const OBJECT: &str = "arn:aws:s3:::bucket/key";
const ELSEWHERE: &str = "arn:aws:iam::210987654321:role/target";

const USER_EVE: Principal<'_> = Principal::User { arn: EVE };
const BOB: Principal<'_> = Principal::FederatedUser { arn: FEDERATED, user: EVE };
const OPS: Principal<'_> = Principal::RoleSession { arn: SESSION, role: ROLE };
const ROOT: Principal<'_> = Principal::Root { arn: "arn:aws:iam::123456789012:root" };
const EC2: Principal<'_> = Principal::Service { name: "ec2.amazonaws.com" };

fn ask(
    policies: &Policies<'_>,
    principal: Principal<'_>,
    action: &str,
    resource: &str,
) -> Decision {
    ask_with(policies, principal, action, resource, &Context::new())
}

fn ask_with(
    policies: &Policies<'_>,
    principal: Principal<'_>,
    action: &str,
    resource: &str,
    context: &Context,
) -> Decision {
    decide(policies, &Request { principal, action, resource, context })
}

fn only(policy: &Policy) -> Policies<'_> {
    Policies { identity: vec![policy], ..Policies::default() }
}

fn allows(statement: Value, action: &str, resource: &str, context: &Context) -> bool {
    let policy = policy(&statement);
    ask_with(&only(&policy), USER_EVE, action, resource, context).is_allowed()
}

fn bucket(effect: &str, element: &str, principal: Value) -> Policy {
    let statement = json!({ "Effect": effect, element: principal, "Action": "*", "Resource": "*" });
    Policy::parse(&document(&statement).to_string(), Kind::Resource).unwrap()
}

fn trust(effect: &str, element: &str, principal: Value) -> Policy {
    let statement = json!({ "Effect": effect, element: principal, "Action": "sts:AssumeRole" });
    Policy::parse(&document(&statement).to_string(), Kind::Trust).unwrap()
}

#[test]
fn actions_have_no_letter_case_and_resources_have() {
    let none = Context::new();
    let one = |action: &str, resource: &str| json!({ "Effect": "Allow", "Action": action, "Resource": resource });
    for (pattern, action, expected) in [
        ("iam:GetUser", "iam:getuser", true),
        ("IAM:get*", "iam:GetUser", true),
        ("iam:Get???r", "iam:GetUser", true),
        ("iam:*", "iamx:GetUser", false),
        ("*", "iam:GetUser", true),
        ("s3:*", "iam:GetUser", false),
        ("iam:Get", "iam:GetUser", false),
    ] {
        assert_eq!(allows(one(pattern, "*"), action, "*", &none), expected, "{pattern} {action}");
    }
    for (pattern, resource, expected) in [
        (EVE, EVE, true),
        ("arn:aws:iam::123456789012:user/Eve", EVE, false),
        ("arn:aws:iam::*:user/*", EVE, true),
        ("arn:aws:iam::123456789012:user/e?e", EVE, true),
        ("arn:aws:iam::123456789012:*", EVE, true),
        ("arn:aws:iam::123456789012:user/*", "arn:aws:iam::123456789012:user/a/b/c:d", true),
        // Only a `*` that ends its field goes on over the colon.
        ("arn:aws:iam*", EVE, true),
        ("arn:aws:*:user/eve", EVE, true),
        ("arn:aws:s*c:::x", "arn:aws:s3:r:c:::x", false),
        ("arn:aws:iam?:123456789012:user/eve", EVE, false),
        ("arn:aws:x:r:a*b:c", "arn:aws:x:r:a1:2b:c", false),
        ("arn:aws:x:r:a:b?c*d", "arn:aws:x:r:a:b:c:d", true),
        ("arn:aws:s3:::bucket", OBJECT, false),
        ("arn:aws:s3:::b*/*/x", "arn:aws:s3:::bucket/a/b/x", true),
        ("*", "*", true),
        (EVE, "*", false),
    ] {
        assert_eq!(
            allows(one("*", pattern), "iam:GetUser", resource, &none),
            expected,
            "{pattern} {resource}"
        );
    }
}

#[test]
fn not_action_and_not_resource_take_all_the_rest() {
    let none = Context::new();
    let statement = json!({ "Effect": "Allow", "NotAction": ["iam:*", "sts:*"], "Resource": "*" });
    assert!(allows(statement.clone(), "s3:GetObject", OBJECT, &none));
    assert!(!allows(statement, "IAM:GetUser", EVE, &none));
    let statement =
        json!({ "Effect": "Allow", "Action": "*", "NotResource": ["arn:aws:s3:::bucket/*", EVE] });
    assert!(!allows(statement.clone(), "s3:GetObject", OBJECT, &none));
    assert!(allows(statement, "s3:GetObject", "arn:aws:s3:::other/key", &none));
}

#[test]
fn a_variable_in_a_resource() {
    let own = json!({
        "Effect": "Allow", "Action": "iam:*",
        "Resource": "arn:aws:iam::*:user/${aws:username}",
    });
    let eve = Context::new().with("AWS:UserName", "eve");
    assert!(allows(own.clone(), "iam:GetUser", EVE, &eve));
    assert!(!allows(own.clone(), "iam:GetUser", "arn:aws:iam::123456789012:user/bob", &eve));
    // A federated session has no user name (F5).
    assert!(!allows(own.clone(), "iam:GetUser", EVE, &Context::new()));
    // Before 2012-10-17 it is text.
    let old = identity(&json!({ "Version": "2008-10-17", "Statement": own }));
    assert!(!ask_with(&only(&old), USER_EVE, "iam:GetUser", EVE, &eve).is_allowed());
    let literal = "arn:aws:iam::123456789012:user/${aws:username}";
    assert!(ask_with(&only(&old), USER_EVE, "iam:GetUser", literal, &eve).is_allowed());
}

#[test]
fn a_fence_cuts_old_sessions_and_no_long_term_key() {
    let all = allow_all();
    let at = |time: &str| Context::new().with("aws:tokenissuetime", time);
    let fenced = |operator: &str, context: &Context| {
        let fence = policy(&json!({
            "Effect": "Deny", "Action": "*", "Resource": "*",
            "Condition": { operator: { "AWS:TokenIssueTime": "2026-11-21T12:00:00Z" } },
        }));
        let policies = Policies { identity: vec![&all, &fence], ..Policies::default() };
        !ask_with(&policies, USER_EVE, "s3:GetObject", OBJECT, context).is_allowed()
    };
    assert!(fenced("DateLessThan", &at("2026-11-21T11:59:59Z")));
    assert!(!fenced("DateLessThan", &at("2026-11-21T12:00:00Z")), "strict (F7)");
    assert!(!fenced("DateLessThan", &Context::new()), "a long-term key has no issue time (F4)");
    assert!(fenced("DateLessThanIfExists", &Context::new()), "IfExists cuts it too (F4)");
}

#[test]
fn a_federated_session_has_what_user_and_session_policy_share() {
    let user = policy(&json!({ "Effect": "Allow", "Action": ["s3:*", "ec2:*"], "Resource": "*" }));
    let session =
        policy(&json!({ "Effect": "Allow", "Action": ["s3:*", "sqs:*"], "Resource": "*" }));
    let mut policies = Policies { session: Some(vec![&session]), ..only(&user) };
    let say = |policies: &Policies<'_>, action| ask(policies, BOB, action, "*");
    assert_eq!(say(&policies, "s3:GetObject"), Decision::Allowed);
    assert_eq!(say(&policies, "ec2:RunInstances"), Decision::ImplicitlyDenied(Source::Session));
    assert_eq!(say(&policies, "sqs:SendMessage"), Decision::ImplicitlyDenied(Source::Identity));
    policies.session = Some(Vec::new());
    assert_eq!(say(&policies, "s3:GetObject"), Decision::ImplicitlyDenied(Source::Session));
    // A condition on the user's name or ARN misses the session (F5); one without does not (F3).
    let by_name = policy(&json!({
        "Effect": "Deny", "Action": "*", "Resource": "*",
        "Condition": { "StringEquals": { "aws:username": "eve" } },
    }));
    let hold = policy(&json!({ "Effect": "Deny", "Action": "*", "Resource": "*" }));
    policies.session = Some(vec![&session]);
    policies.identity = vec![&user, &by_name];
    assert_eq!(say(&policies, "s3:GetObject"), Decision::Allowed);
    policies.identity = vec![&user, &hold];
    assert_eq!(say(&policies, "s3:GetObject"), Decision::ExplicitlyDenied(Source::Identity));
}

#[test]
fn a_boundary_limits_and_never_gives() {
    let all = allow_all();
    let s3 = policy(&json!({ "Effect": "Allow", "Action": "s3:*", "Resource": "*" }));
    let hold = policy(&json!({ "Effect": "Deny", "Action": "*", "Resource": "*" }));
    let bounded =
        |identity, boundary| Policies { identity, boundary: Some(boundary), ..Policies::default() };
    let say = |policies: &Policies<'_>| ask(policies, USER_EVE, "ec2:RunInstances", "*");
    assert_eq!(say(&bounded(vec![&all], &s3)), Decision::ImplicitlyDenied(Source::Boundary));
    assert_eq!(say(&bounded(vec![&s3], &all)), Decision::ImplicitlyDenied(Source::Identity));
    assert_eq!(say(&bounded(vec![&all], &hold)), Decision::ExplicitlyDenied(Source::Boundary));
    assert_eq!(say(&bounded(vec![&all], &all)), Decision::Allowed);
    assert_eq!(say(&Policies::default()), Decision::ImplicitlyDenied(Source::Identity));
}

#[test]
fn root_needs_nobodys_leave() {
    assert_eq!(ask(&Policies::default(), ROOT, "iam:GetUser", EVE), Decision::Allowed);
    let deny = bucket("Deny", "Principal", json!("*"));
    let policies = Policies { resource: Some(&deny), ..Policies::default() };
    assert_eq!(
        ask(&policies, ROOT, "s3:GetObject", OBJECT),
        Decision::ExplicitlyDenied(Source::Resource)
    );
}

/// The table in "Policy evaluation for requests within a single account".
#[test]
fn what_a_resource_grants_depends_on_whom_it_names() {
    let nothing = policy(&json!({ "Effect": "Allow", "Action": "sqs:*", "Resource": "*" }));
    let all = allow_all();
    for (named, principal, bare, silent_boundary, silent_session) in [
        (json!({ "AWS": EVE }), USER_EVE, true, true, true),
        (json!("*"), USER_EVE, true, true, true),
        (json!({ "AWS": ACCOUNT }), USER_EVE, false, false, false),
        (json!({ "AWS": FEDERATED }), BOB, true, true, true),
        (json!({ "AWS": EVE }), BOB, true, false, false),
        (json!({ "AWS": SESSION }), OPS, true, true, true),
        (json!({ "AWS": ROLE }), OPS, true, false, false),
        (json!({ "AWS": ACCOUNT }), OPS, false, false, false),
        (json!({ "AWS": ROLE }), USER_EVE, false, false, false),
        (json!({ "Service": "ec2.amazonaws.com" }), EC2, true, true, true),
        (json!({ "Service": "ec2.amazonaws.com" }), USER_EVE, false, false, false),
        (json!({ "AWS": ACCOUNT }), ROOT, true, true, true),
    ] {
        let resource = bucket("Allow", "Principal", named.clone());
        let mut policies = Policies { resource: Some(&resource), ..Policies::default() };
        let say =
            |policies: &Policies<'_>| ask(policies, principal, "s3:GetObject", OBJECT).is_allowed();
        assert_eq!(say(&policies), bare, "{named} {principal:?}");
        policies.boundary = Some(&nothing);
        assert_eq!(say(&policies), silent_boundary, "boundary: {named} {principal:?}");
        policies.boundary = None;
        if principal != ROOT {
            policies.session = Some(vec![&nothing]);
            assert_eq!(say(&policies), silent_session, "session: {named} {principal:?}");
            policies.session = None;
        }
        // With the identity's own leave, no grant is needed.
        policies.identity = vec![&all];
        assert!(say(&policies) || principal == EC2, "{named} {principal:?}");
    }
}

#[test]
fn other_accounts_need_both_sides() {
    let all = allow_all();
    let named = trust("Allow", "Principal", json!({ "AWS": EVE }));
    let account =
        trust("Allow", "Principal", json!({ "AWS": format!("arn:aws:iam::{ACCOUNT}:root") }));
    let others = trust("Allow", "Principal", json!({ "AWS": "210987654321" }));
    let say = |identity: Vec<&Policy>, resource: Option<&Policy>| {
        let policies = Policies { identity, resource, ..Policies::default() };
        ask(&policies, USER_EVE, "sts:AssumeRole", ELSEWHERE)
    };
    assert_eq!(say(vec![&all], Some(&named)), Decision::Allowed);
    assert_eq!(say(vec![&all], Some(&account)), Decision::Allowed);
    assert_eq!(say(vec![], Some(&named)), Decision::ImplicitlyDenied(Source::Identity));
    assert_eq!(say(vec![&all], Some(&others)), Decision::ImplicitlyDenied(Source::Trust));
    assert_eq!(say(vec![&all], None), Decision::ImplicitlyDenied(Source::Resource));
    let role = trust("Allow", "Principal", json!({ "AWS": ROLE }));
    let policies = Policies { resource: Some(&role), ..Policies::default() };
    assert!(!ask(&policies, OPS, "sts:AssumeRole", ELSEWHERE).is_allowed());
    // Where the ARN names no account, the context may.
    let away = Context::new().with("aws:ResourceAccount", "210987654321");
    let policies = only(&all);
    assert!(!ask_with(&policies, USER_EVE, "s3:GetObject", OBJECT, &away).is_allowed());
    assert!(ask(&policies, USER_EVE, "s3:GetObject", OBJECT).is_allowed());
    // AWS's own policies are everybody's.
    let aws = "arn:aws:iam::aws:policy/AWSDenyAll";
    assert!(ask(&policies, USER_EVE, "iam:GetPolicy", aws).is_allowed());
}

#[test]
fn a_role_is_assumed_only_where_its_trust_policy_says_so() {
    let all = allow_all();
    let say = |identity: Vec<&Policy>, trust: &Policy| {
        let policies = Policies { identity, resource: Some(trust), ..Policies::default() };
        ask(&policies, USER_EVE, "sts:AssumeRole", ROLE)
    };
    let by_name = trust("Allow", "Principal", json!({ "AWS": EVE }));
    let by_account = trust("Allow", "Principal", json!({ "AWS": ACCOUNT }));
    let service = trust("Allow", "Principal", json!({ "Service": "ec2.amazonaws.com" }));
    let refused = trust("Deny", "Principal", json!({ "AWS": EVE }));
    assert_eq!(say(vec![], &by_name), Decision::Allowed);
    assert_eq!(say(vec![], &by_account), Decision::ImplicitlyDenied(Source::Identity));
    assert_eq!(say(vec![&all], &by_account), Decision::Allowed);
    assert_eq!(say(vec![&all], &service), Decision::ImplicitlyDenied(Source::Trust));
    assert_eq!(say(vec![&all], &refused), Decision::ExplicitlyDenied(Source::Trust));
    let ec2 = Request {
        principal: EC2,
        action: "sts:AssumeRole",
        resource: ROLE,
        context: &Context::new(),
    };
    assert_eq!(trust_allows(&service, &ec2), Decision::Allowed);
    assert_eq!(trust_allows(&by_account, &ec2), Decision::ImplicitlyDenied(Source::Trust));
    let provider = "arn:aws:iam::123456789012:saml-provider/idp";
    let saml = trust("Allow", "Principal", json!({ "Federated": provider }));
    let federated = Request { principal: Principal::Federated { provider }, ..ec2 };
    assert_eq!(trust_allows(&saml, &federated), Decision::Allowed);
    let with_id = Policy::parse(
        &document(&json!({
            "Effect": "Allow", "Principal": { "AWS": ACCOUNT }, "Action": "sts:AssumeRole",
            "Condition": { "StringEquals": { "sts:ExternalId": "42" } },
        }))
        .to_string(),
        Kind::Trust,
    )
    .unwrap();
    let context = Context::new().with("sts:externalid", "42");
    let eve = Request { principal: USER_EVE, context: &context, ..ec2 };
    assert_eq!(trust_allows(&with_id, &eve), Decision::Allowed);
    assert!(!trust_allows(&with_id, &Request { principal: USER_EVE, ..ec2 }).is_allowed());
}

#[test]
fn not_principal_spares_only_whom_it_names_in_full() {
    let all = allow_all();
    let root = format!("arn:aws:iam::{ACCOUNT}:root");
    for (named, principal, spared) in [
        (json!([EVE, root]), USER_EVE, true),
        (json!([EVE]), USER_EVE, false),
        (json!([root]), USER_EVE, false),
        (json!([root]), ROOT, true),
        (json!([SESSION, ROLE, ACCOUNT]), OPS, true),
        (json!([ROLE, ACCOUNT]), OPS, false),
        (json!([FEDERATED, EVE, ACCOUNT]), BOB, true),
    ] {
        let resource = bucket("Deny", "NotPrincipal", json!({ "AWS": named }));
        let mut policies = Policies { resource: Some(&resource), ..only(&all) };
        let say =
            |policies: &Policies<'_>| ask(policies, principal, "s3:GetObject", OBJECT).is_allowed();
        assert_eq!(say(&policies), spared, "{named} {principal:?}");
        // "Will always deny any IAM principal that has a permissions boundary policy attached".
        policies.boundary = Some(&all);
        assert!(!say(&policies), "boundary: {named} {principal:?}");
    }
    let others = trust("Allow", "NotPrincipal", json!({ "AWS": EVE }));
    let request = |principal| Request {
        principal,
        action: "sts:AssumeRole",
        resource: ROLE,
        context: const { &Context::new() },
    };
    assert!(!trust_allows(&others, &request(USER_EVE)).is_allowed());
    assert!(trust_allows(&others, &request(OPS)).is_allowed());
}

#[test]
fn denials_are_told_as_aws_tells_them() {
    let explicit = |source| Decision::ExplicitlyDenied(source).denial("iam:GetUser").unwrap();
    let implicit = |source| Decision::ImplicitlyDenied(source).denial("iam:GetUser").unwrap();
    assert_eq!(explicit(Source::Identity), "with an explicit deny in an identity-based policy");
    assert_eq!(explicit(Source::Boundary), "with an explicit deny in a permissions boundary");
    assert_eq!(explicit(Source::Session), "with an explicit deny in a session policy");
    assert_eq!(explicit(Source::Resource), "with an explicit deny in a resource-based policy");
    assert_eq!(explicit(Source::Trust), "with an explicit deny in the role trust policy");
    assert_eq!(
        implicit(Source::Identity),
        "because no identity-based policy allows the iam:GetUser action"
    );
    assert_eq!(
        implicit(Source::Boundary),
        "because no permissions boundary allows the iam:GetUser action"
    );
    assert_eq!(
        implicit(Source::Session),
        "because no session policy allows the iam:GetUser action"
    );
    assert_eq!(Decision::Allowed.denial("iam:GetUser"), None);
    assert_eq!(Decision::ExplicitlyDenied(Source::Session).simulated(), "explicitDeny");
}
