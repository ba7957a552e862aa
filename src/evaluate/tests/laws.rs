//! What holds of every policy and request.

use super::super::pattern::{Colons, Template};
use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::{Config, TestRunner};

/// Runs a property. No file of regressions: a failure prints its smallest case, which then becomes
/// a test of its own. `PROPTEST_CASES` runs that many cases in place of `cases`.
pub(super) fn property<S: Strategy>(cases: u32, strategy: &S, test: impl Fn(S::Value)) {
    let default = Config::default();
    let cases = if default.cases == 256 { cases } else { default.cases };
    let config = Config { cases, failure_persistence: None, ..default };
    let outcome = TestRunner::new(config).run(strategy, |case| {
        test(case);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

const ACTIONS: [&str; 4] = ["s3:GetObject", "iam:GetUser", "sts:AssumeRole", "s3:ListBucket"];
const RESOURCES: [&str; 4] =
    [EVE, "arn:aws:s3:::bucket/key", "arn:aws:iam::210987654321:role/r", "*"];
const TIMES: [&str; 3] = ["2026-11-21T11:59:59Z", "2026-11-21T12:00:00Z", "2026-11-22T00:00:00Z"];

/// A few operators of each kind with values that sometimes match [`context`].
fn condition() -> impl Strategy<Value = Value> {
    let set = select(vec!["", "", "ForAllValues:", "ForAnyValue:"]);
    let texts = select(vec!["StringEquals", "StringNotEquals", "StringLike", "StringNotLike"]);
    let values = subsequence(vec!["eve", "bob", "e*", "${aws:username}"], 1..=3);
    let text = (set, texts, values).prop_map(
        |(set, name, values)| json!({ format!("{set}{name}"): { "aws:username": values } }),
    );
    let dates = select(vec!["DateLessThan", "DateLessThanIfExists", "DateNotEquals"]);
    let date = (dates, subsequence(TIMES.to_vec(), 1..=2))
        .prop_map(|(name, values)| json!({ name: { "aws:TokenIssueTime": values } }));
    let null = any::<bool>().prop_map(|absent| json!({ "Null": { "aws:TokenIssueTime": absent } }));
    prop_oneof![Just(json!({})), text, date, null]
}

pub(super) fn statement(effect: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let actions = subsequence(vec!["s3:*", "S3:get*", "iam:GetUser", "sts:?ssumeRole", "*"], 1..=2);
    let resources = subsequence(
        vec!["*", "arn:aws:s3:::*", "arn:aws:iam::*:user/${aws:username}", "arn:aws:iam::*", EVE],
        1..=2,
    );
    let twins = (any::<bool>(), any::<bool>());
    (select(effect), twins, actions, resources, condition()).prop_map(
        |(effect, (not_action, not_resource), actions, resources, condition)| {
            json!({
                "Effect": effect,
                (if not_action { "NotAction" } else { "Action" }): actions,
                (if not_resource { "NotResource" } else { "Resource" }): resources,
                "Condition": condition,
            })
        },
    )
}

fn some_policy() -> impl Strategy<Value = Policy> {
    vec(statement(&["Allow", "Allow", "Deny"]), 1..4)
        .prop_map(|statements| policy(&json!(statements)))
}

fn resource_policy() -> impl Strategy<Value = Policy> {
    let named = select(vec![json!("*"), json!({ "AWS": EVE }), json!({ "AWS": "123456789012" })]);
    let element = select(vec!["Principal", "Principal", "NotPrincipal"]);
    (statement(&["Allow", "Allow", "Deny"]), element, named).prop_map(
        |(statement, element, named)| {
            let mut statement = statement;
            statement[element] = named;
            Policy::parse(&document(&statement).to_string(), Kind::Resource).unwrap()
        },
    )
}

fn context() -> impl Strategy<Value = Context> {
    let names = proptest::option::of(select(vec!["eve", "bob", "*"]));
    let times = proptest::option::of(select(TIMES.to_vec()));
    (names, times).prop_map(|(name, time)| {
        let keys = [("aws:username", name), ("AWS:tokenissueTIME", time)];
        let present = keys.into_iter().filter_map(|(key, value)| Some((key, value?)));
        present.map(|(key, value)| (key.to_owned(), vec![value.to_owned()])).collect()
    })
}

#[derive(Clone, Debug)]
struct World {
    identity: Vec<Policy>,
    boundary: Option<Policy>,
    session: Option<Vec<Policy>>,
    resource: Option<Policy>,
    principal: Principal<'static>,
    action: &'static str,
    asked: &'static str,
    context: Context,
}

impl World {
    fn decide(&self) -> Decision {
        let policies = Policies {
            identity: self.identity.iter().collect(),
            boundary: self.boundary.as_ref(),
            session: self.session.as_ref().map(|session| session.iter().collect()),
            resource: self.resource.as_ref(),
        };
        let World { principal, action, asked: resource, context, .. } = self;
        decide(&policies, &Request { principal: *principal, action, resource, context })
    }
}

fn world() -> impl Strategy<Value = World> {
    let bob = "arn:aws:sts::123456789012:federated-user/bob";
    let principals = vec![
        Principal::User { arn: EVE },
        Principal::FederatedUser { arn: bob, user: EVE },
        Principal::Root { arn: "arn:aws:iam::123456789012:root" },
        Principal::Service { name: "ec2.amazonaws.com" },
    ];
    let policies = (
        vec(some_policy(), 0..3),
        proptest::option::of(some_policy()),
        proptest::option::of(vec(some_policy(), 0..3)),
        proptest::option::of(resource_policy()),
    );
    let request = (select(principals), select(&ACTIONS[..]), select(&RESOURCES[..]), context());
    (policies, request).prop_map(
        |((identity, boundary, session, resource), (principal, action, asked, context))| World {
            identity,
            boundary,
            session,
            resource,
            principal,
            action,
            asked,
            context,
        },
    )
}

#[test]
fn an_unconditional_deny_always_wins() {
    let hold = policy(&json!({ "Effect": "Deny", "Action": "*", "Resource": "*" }));
    property(300, &world(), |world| {
        let mut held = world.clone();
        held.identity.push(hold.clone());
        assert_eq!(held.decide(), Decision::ExplicitlyDenied(Source::Identity));
        let held = World { boundary: Some(hold.clone()), ..world.clone() };
        assert!(matches!(held.decide(), Decision::ExplicitlyDenied(_)));
        let held = World { session: Some(vec![allow_all(), hold.clone()]), ..world };
        assert!(matches!(held.decide(), Decision::ExplicitlyDenied(_)));
    });
}

#[test]
fn no_deny_ever_allows() {
    property(400, &(world(), statement(&["Deny"]), 0..3_usize), |(world, deny, place)| {
        let deny = policy(&deny);
        let mut more = world.clone();
        match place {
            0 if more.boundary.is_none() => more.boundary = Some(deny),
            0 | 1 => more.identity.push(deny),
            _ => more.session.get_or_insert_default().push(deny),
        }
        assert!(world.decide().is_allowed() || !more.decide().is_allowed());
        let explicit = |decision| matches!(decision, Decision::ExplicitlyDenied(_));
        assert!(!explicit(world.decide()) || explicit(more.decide()));
    });
}

#[test]
fn a_boundary_or_session_policy_never_widens() {
    property(400, &(world(), some_policy()), |(world, limit)| {
        let free = World { boundary: None, ..world.clone() };
        let bounded = World { boundary: Some(limit.clone()), ..world.clone() };
        assert!(free.decide().is_allowed() || !bounded.decide().is_allowed());
        let free = World { session: None, ..world.clone() };
        let limited = World { session: Some(vec![limit]), ..world };
        assert!(free.decide().is_allowed() || !limited.decide().is_allowed());
    });
}

#[test]
fn an_allow_never_takes_away() {
    property(400, &(world(), statement(&["Allow"])), |(world, allow)| {
        let mut more = world.clone();
        more.identity.push(policy(&allow));
        assert!(!world.decide().is_allowed() || more.decide().is_allowed());
    });
}

#[test]
fn statements_may_stand_in_one_document_or_in_many() {
    let statements = vec(statement(&["Allow", "Deny"]), 1..5);
    property(300, &(world(), statements), |(world, statements)| {
        let one = World { identity: vec![policy(&json!(statements))], ..world.clone() };
        let many = World { identity: statements.iter().rev().map(policy).collect(), ..world };
        assert_eq!(one.decide(), many.decide());
    });
}

#[test]
fn nothing_that_is_read_as_a_policy_breaks_the_evaluator() {
    let noise = prop_oneof![
        "[ -~]{0,40}",
        (statement(&["Allow"]), "[*?:a${},']{0,12}").prop_map(|(mut statement, text)| {
            statement["Resource"] = json!(format!("arn:aws:{text}"));
            statement["Condition"] = json!({ "StringLike": { text.as_str(): [text.as_str()] } });
            statement.as_object_mut().unwrap().remove("NotResource");
            document(&statement).to_string()
        }),
    ];
    property(400, &(world(), noise, 0..400_usize), |(mut world, text, cut)| {
        let cut = text.get(..text.len().saturating_sub(cut / 20)).unwrap_or(&text);
        for text in [text.as_str(), cut] {
            if let Ok(policy) = Policy::parse(text, Kind::Identity) {
                world.identity.push(policy);
            }
        }
        world.decide();
    });
}

/// What a pattern means, as plainly as it can be said.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => {
            glob(rest, text) || (!text.is_empty() && glob(pattern, &text[1..]))
        }
        ([b'?', pattern @ ..], [_, text @ ..]) => glob(pattern, text),
        ([one, pattern @ ..], [other, text @ ..]) => one == other && glob(pattern, text),
        _ => false,
    }
}

#[test]
fn patterns_mean_what_they_plainly_say() {
    let fields = |field: &'static str| vec(field, 6).prop_map(|fields| fields.join(":"));
    let patterns = prop_oneof!["[ab:*?]{0,8}", fields("[a*?]{0,2}")];
    let texts = prop_oneof!["[ab:]{0,10}", fields("[a]{0,2}"), fields("a?(:a)?")];
    property(2_000, &(patterns, texts), |(pattern, text)| {
        let template = Template::parse(&pattern, true);
        let matches = |colons| template.matches(&text, &Context::new(), colons);
        let plain = glob(pattern.as_bytes(), text.as_bytes());
        assert_eq!(matches(Colons::Plain), plain, "{pattern} {text}");
        // Fields only ever narrow, ArnLike's more than those of a resource.
        assert!(plain || !matches(Colons::Resource), "{pattern} {text}");
        assert!(matches(Colons::Resource) || !matches(Colons::Arn), "{pattern} {text}");
        let fields = |text: &str| text.splitn(6, ':').map(str::to_owned).collect::<Vec<_>>();
        let (wanted, given) = (fields(&pattern), fields(&text));
        if wanted.len() == 6 {
            let each = wanted.iter().zip(&given).all(|(p, t)| glob(p.as_bytes(), t.as_bytes()));
            assert_eq!(matches(Colons::Arn), given.len() == 6 && each, "{pattern} {text}");
        }
    });
}

#[test]
fn no_pattern_takes_long() {
    let pattern = Template::parse(&format!("arn:aws:s3:::{}b", "*a".repeat(400)), true);
    let text = format!("arn:aws:s3:::{}", "a".repeat(1_000));
    assert!(!pattern.matches(&text, &Context::new(), Colons::Resource));
}
