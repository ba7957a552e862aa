//! What is suggested, held against an evaluator of policies: never more than today, and all that was used.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use ringfence::evaluate::{Context, Kind, Policies, Policy, Principal, Request, decide};
use ringfence::impact::Subject;
use ringfence::policy::{FenceTime, PolicyDocument, fence, hold};
use ringfence::render::Screen;
use ringfence::suggest::{
    Advice, By, Catalog, Exclusions, Given, Held, Ledger, Mapped, Marks, Placement, Present, Role,
    Room, ServiceUse, Suggestion, suggest,
};
use ringfence::trail::one;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

const ARN: &str = "arn:aws:iam::123456789012:user/deploy-bot";
const ID: &str = "AIDAEXAMPLE0DEPLOYBT";
const KEY: &str = "AKIAEXAMPLE0OWNWORK1";
const STOLEN: &str = "ASIAEXAMPLE0STOLEN01";

const ROOM: Room = Room { inline_quota: 2_048, inline: 0, attached_quota: 10, attached: 0 };

static CATALOG: LazyLock<Arc<Catalog>> = LazyLock::new(|| Arc::new(Catalog::new()));

fn at(hours: i64) -> Timestamp {
    "2026-11-01T00:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_hours(hours)
}

fn subject() -> Subject {
    Subject {
        id: ID.parse().unwrap(),
        name: "deploy-bot".to_owned(),
        arn: ARN.to_owned(),
        keys: vec![KEY.to_owned()],
    }
}

/// A call, as a test writes it.
#[derive(Clone, Debug)]
struct Call {
    id: &'static str,
    hours: i64,
    key: &'static str,
    source: &'static str,
    service: &'static str,
    name: &'static str,
    request: Value,
    error: Option<&'static str>,
}

impl Call {
    fn new(service: &'static str, name: &'static str, request: Value) -> Self {
        Self { id: "", hours: 1, key: KEY, source: "10.0.3.7", service, name, request, error: None }
    }

    fn event(&self) -> String {
        let mut event = json!({
            "eventID": self.id,
            "eventVersion": "1.11",
            "eventTime": at(self.hours).to_string(),
            "eventSource": format!("{}.amazonaws.com", self.service),
            "eventName": self.name,
            "awsRegion": "eu-west-1",
            "sourceIPAddress": self.source,
            "recipientAccountId": "123456789012",
            "userIdentity": {
                "type": "IAMUser", "principalId": ID, "arn": ARN, "accountId": "123456789012",
                "accessKeyId": self.key, "userName": "deploy-bot",
            },
            "requestParameters": self.request,
        });
        if let Some(error) = self.error {
            event["errorCode"] = json!(error);
        }
        event.to_string()
    }
}

fn ledger(calls: &[Call]) -> Ledger {
    marked(calls, Marks { since: Some(at(5)), ..Marks::default() })
}

fn marked(calls: &[Call], marks: Marks) -> Ledger {
    let mut ledger = Ledger::new(Arc::clone(&CATALOG), subject(), marks);
    for call in calls {
        let text = call.event();
        let event = one(text.as_bytes()).unwrap();
        assert!(ledger.means(&event));
        ledger.see(&event);
    }
    ledger
}

fn context() -> Context {
    Context::new()
        .with("aws:username", "deploy-bot")
        .with("aws:userid", ID)
        .with("aws:PrincipalArn", ARN)
}

fn held(place: &str, document: &Value, role: Role) -> Held {
    Held {
        place: place.to_owned(),
        document: Ok(PolicyDocument::parse(&document.to_string())),
        role,
    }
}

fn present(held: Vec<Held>) -> Present {
    Present::new(held, ARN.to_owned(), context())
}

fn suggested(present: &Present, ledger: Ledger, exclusions: &Exclusions) -> Suggestion {
    with_advice(present, ledger, exclusions, None)
}

fn with_advice(
    present: &Present,
    ledger: Ledger,
    exclusions: &Exclusions,
    advice: Option<&Advice>,
) -> Suggestion {
    let used = ledger.finish(exclusions);
    let since = exclusions.since;
    suggest(&Given { catalog: &CATALOG, present, used: &used, advice, since, room: ROOM })
}

fn document(statements: &[Value]) -> Value {
    json!({ "Version": "2012-10-17", "Statement": statements })
}

fn allow(actions: &[&str], resources: &[&str]) -> Value {
    json!({ "Effect": "Allow", "Action": actions, "Resource": resources })
}

fn own(statements: &[Value]) -> Present {
    present(vec![held("inline_policy/work", &document(statements), Role::Own)])
}

fn only_policy(suggestion: &Suggestion) -> String {
    assert_eq!(suggestion.policies.len(), 1, "{suggestion:?}");
    assert!(suggestion.checks.is_empty(), "{:?}", suggestion.checks);
    suggestion.policies[0].minified()
}

/// The decision of an independent reading of the documents.
fn allowed(policies: &[Policy], boundary: Option<&Policy>, ask: &Ask, more: &Context) -> bool {
    let request = Request {
        principal: Principal::User { arn: ARN },
        action: ask.action,
        resource: &ask.resource,
        context: more,
    };
    let policies =
        Policies { identity: policies.iter().collect(), boundary, ..Policies::default() };
    decide(&policies, &request).is_allowed()
}

#[derive(Clone, Debug)]
struct Ask {
    action: &'static str,
    resource: String,
}

#[test]
fn a_policy_is_written_from_what_was_used() {
    let present = own(&[allow(&["*"], &["*"])]);
    let object =
        |key: &str| Call::new("s3", "GetObject", json!({"bucketName": "data", "key": key}));
    let calls = [
        object("exports/1.csv"),
        object("exports/2.csv"),
        object("exports/3.csv"),
        Call::new("s3", "ListObjects", json!({"bucketName": "data"})),
        Call::new("sts", "GetCallerIdentity", json!(null)),
        Call::new("ec2", "DescribeInstances", json!({})),
        Call::new("dynamodb", "PutItem", json!({"tableName": "orders"})),
        Call::new("newservice", "DoThing", json!({})),
        Call { error: Some("AccessDenied"), ..Call::new("iam", "ListUsers", json!(null)) },
        Call { error: Some("NoSuchEntityException"), ..Call::new("iam", "ListRoles", json!(null)) },
    ];
    let suggestion = suggested(&present, ledger(&calls), &Exclusions::default());
    insta::assert_snapshot!(suggestion.policies[0].pretty(), @r#"
    {
      "Version": "2012-10-17",
      "Statement": [
        {
          "Effect": "Allow",
          "Action": "dynamodb:PutItem",
          "Resource": "arn:aws:dynamodb:eu-west-1:123456789012:table/orders"
        },
        {
          "Effect": "Allow",
          "Action": "ec2:DescribeInstances",
          "Resource": "*"
        },
        {
          "Effect": "Allow",
          "Action": "iam:ListRoles",
          "Resource": "*"
        },
        {
          "Effect": "Allow",
          "Action": "s3:ListBucket",
          "Resource": "arn:aws:s3:::data"
        },
        {
          "Effect": "Allow",
          "Action": "s3:GetObject",
          "Resource": "arn:aws:s3:::data/exports/*"
        }
      ]
    }
    "#);
    assert_eq!(suggestion.placement, Placement::Inline);
    assert_eq!(suggestion.unmapped[0].name, "DoThing");
    assert_eq!(suggestion.refused[0].name, "ListUsers");
    assert_eq!(suggestion.counts.used, 5);
    assert!(suggestion.counts.may_do > 20_000);
}

#[test]
fn what_is_not_allowed_today_is_left_out_and_told() {
    let deny =
        json!({"Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::data/secret/*"});
    let present = own(&[allow(&["s3:*"], &["arn:aws:s3:::data", "arn:aws:s3:::data/*"]), deny]);
    let calls = [
        Call::new("s3", "GetObject", json!({"bucketName": "data", "key": "a"})),
        Call::new("s3", "GetObject", json!({"bucketName": "data", "key": "secret/a"})),
        Call::new("s3", "GetObject", json!({"bucketName": "other", "key": "a"})),
        Call::new("s3", "ListBuckets", json!(null)),
        Call::new("sqs", "ReceiveMessage", json!({"queueUrl": "https://q/123456789012/jobs"})),
    ];
    let suggestion = suggested(&present, ledger(&calls), &Exclusions::default());
    let left: Vec<String> = suggestion
        .not_allowed
        .iter()
        .map(|one| {
            format!("{} {}: {}", one.action, one.resource.as_deref().unwrap_or("-"), one.why)
        })
        .collect();
    insta::assert_snapshot!(format!("{}\n{}", only_policy(&suggestion), left.join("\n")), @r#"
    {"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::data/a"},{"Effect":"Deny","Action":"s3:*","Resource":"arn:aws:s3:::data/secret/*"}]}
    s3:GetObject arn:aws:s3:::data/secret/a: a policy of today denies it
    s3:GetObject arn:aws:s3:::other/a: no policy of the user's allows it today; a resource's own policy may
    s3:ListAllMyBuckets -: no policy of the user's allows it today; a resource's own policy may
    sqs:ReceiveMessage arn:aws:sqs:eu-west-1:123456789012:jobs: no policy of the user's allows it today; a resource's own policy may
    "#);
}

#[test]
fn the_boundary_limits_and_conditions_stay() {
    let condition = json!({"Bool": {"aws:SecureTransport": "true"}});
    let mut statement = allow(&["s3:Get*"], &["*"]);
    statement["Condition"] = condition.clone();
    let boundary = document(&[allow(&["s3:*"], &["arn:aws:s3:::data/*"])]);
    let present = present(vec![
        held("inline_policy/work", &document(&[statement]), Role::Own),
        held("permissions_boundary/b", &boundary, Role::Boundary),
    ]);
    let get =
        |bucket: &str| Call::new("s3", "GetObject", json!({"bucketName": bucket, "key": "a"}));
    let suggestion =
        suggested(&present, ledger(&[get("data"), get("other")]), &Exclusions::default());
    let statement = &suggestion.policies[0].value()["Statement"][0];
    assert_eq!(statement["Resource"], "arn:aws:s3:::data/a");
    assert_eq!(statement["Condition"], condition);
    assert_eq!(suggestion.not_allowed[0].why, "the permissions boundary does not allow it");
}

#[test]
fn of_several_kinds_of_resource_only_what_is_allowed_today_stays() {
    let deny = json!({
        "Effect": "Deny", "Action": "ec2:RunInstances", "Resource": "arn:aws:ec2:*:*:spot-instances-request/*"
    });
    let launch = Call::new(
        "ec2",
        "RunInstances",
        json!({"instancesSet": {"items": [{"imageId": "ami-1"}]}, "subnetId": "subnet-1"}),
    );
    let boundary = document(&[
        allow(
            &["ec2:*"],
            &["arn:aws:ec2:eu-west-1:123456789012:*", "arn:aws:ec2:eu-west-1::image/*"],
        ),
        json!({"Effect": "Deny", "Action": "ec2:*", "Resource": "arn:aws:ec2:*:*:volume/*"}),
        json!({"Effect": "Deny", "Action": "s3:*", "Resource": "*"}),
    ]);
    let present = present(vec![
        held(
            "inline_policy/work",
            &document(&[allow(&["ec2:*", "s3:*"], &["*"]), deny]),
            Role::Own,
        ),
        held("permissions_boundary/b", &boundary, Role::Boundary),
    ]);
    let suggestion = suggested(&present, ledger(&[launch]), &Exclusions::default());
    let statements = suggestion.policies[0].value()["Statement"].clone();
    let first = &statements[0];
    assert_eq!(first["Action"], "ec2:RunInstances");
    let resources = first["Resource"].to_string();
    assert!(
        resources.contains("arn:aws:ec2:eu-west-1:123456789012:subnet/subnet-1"),
        "{resources}"
    );
    assert!(
        resources.contains("arn:aws:ec2:eu-west-1:123456789012:network-interface/*"),
        "{resources}"
    );
    assert!(!resources.contains("volume") && !resources.contains("spot-instances"), "{resources}");
    let left: Vec<(&str, &str)> = suggestion
        .not_allowed
        .iter()
        .map(|one| (one.resource.as_deref().unwrap_or("-"), one.why.as_str()))
        .collect();
    assert!(
        left.contains(&("arn:aws:ec2:eu-west-1:*:volume/*", "a policy of today denies it")),
        "{left:?}"
    );
}

#[test]
fn the_actions_that_a_user_may_call_are_those_with_a_resource_left() {
    let may_do = |statements: &[Value], boundary: Option<Value>| {
        let mut all = vec![held("inline_policy/work", &document(statements), Role::Own)];
        all.extend(boundary.map(|one| held("permissions_boundary/b", &one, Role::Boundary)));
        let calls = ledger(&[]);
        suggested(&present(all), calls, &Exclusions::default()).counts.may_do
    };
    let object = "arn:aws:s3:::data/*";
    assert_eq!(may_do(&[allow(&["s3:GetObject", "s3:ListBucket"], &["*"])], None), 2);
    // A bucket's action on objects is none, and neither is EC2's on a bucket.
    assert_eq!(may_do(&[allow(&["s3:GetObject", "s3:ListBucket"], &[object])], None), 1);
    assert_eq!(may_do(&[allow(&["ec2:*"], &[object])], None), 0);
    // What knows no resources is allowed with `*` alone.
    assert_eq!(may_do(&[allow(&["s3:ListAllMyBuckets"], &[object])], None), 0);
    let deny =
        |resource: &str| json!({"Effect": "Deny", "Action": "s3:Get*", "Resource": resource});
    assert_eq!(may_do(&[allow(&["s3:GetObject"], &["*"]), deny("arn:aws:s3:*:*:*")], None), 0);
    assert_eq!(may_do(&[allow(&["s3:GetObject"], &["*"]), deny(object)], None), 1);
    let bounded = |resource: &str| Some(document(&[allow(&["*"], &[resource])]));
    assert_eq!(may_do(&[allow(&["s3:GetObject"], &[object])], bounded("arn:aws:s3:::*/x/*")), 1);
    assert_eq!(may_do(&[allow(&["s3:GetObject"], &[object])], bounded("arn:aws:s3:::other/*")), 0);
    // All of the kinds that an action has to have.
    let but_volumes = json!({
        "Effect": "Allow", "Action": "ec2:RunInstances", "NotResource": "arn:aws:ec2:*:*:instance/*"
    });
    assert_eq!(may_do(&[but_volumes], None), 0);
    assert_eq!(may_do(&[allow(&["ec2:RunInstances"], &["*"])], None), 1);
}

#[test]
fn containment_is_not_what_a_user_may_do() {
    let denies = [hold(), fence(FenceTime::At(at(0)))];
    let mut all: Vec<Held> = denies
        .iter()
        .map(|one| held("inline_policy/RingfenceHold-1", one.value(), Role::Own))
        .collect();
    all.push(held("attached_policy/arn:aws:iam::aws:policy/AWSDenyAll", hold().value(), Role::Own));
    all.push(held("inline_policy/work", &document(&[allow(&["s3:*"], &["*"])]), Role::Own));
    let get = Call::new("s3", "GetObject", json!({"bucketName": "data", "key": "a"}));
    let suggestion = suggested(&present(all), ledger(&[get]), &Exclusions::default());
    assert!(!only_policy(&suggestion).contains("Deny"));
}

#[test]
fn what_the_lineage_did_is_no_use() {
    let present = own(&[allow(&["*"], &["*"])]);
    let get = |hours, key, source, bucket: &str| Call {
        hours,
        key,
        source,
        ..Call::new("s3", "GetObject", json!({"bucketName": bucket, "key": "a"}))
    };
    let calls = [
        get(1, KEY, "10.0.3.7", "own"),
        get(9, KEY, "10.0.3.7", "own-later"),
        get(9, KEY, "203.0.113.50", "taken"),
        get(9, STOLEN, "10.0.3.7", "minted"),
        get(2, KEY, "198.51.100.9", "scanned"),
        get(9, KEY, "192.0.2.1", "new-place"),
        get(9, KEY, "cloudformation.amazonaws.com", "service"),
    ];
    let exclusions = Exclusions {
        credentials: [(STOLEN.to_owned(), "the trace's lineage has made it".to_owned())].into(),
        lineage_sources: ["203.0.113.50".to_owned(), "10.0.3.7".to_owned()].into(),
        sources: vec!["198.51.100.0/24".parse().unwrap()],
        since: Some(at(5)),
        ..Exclusions::default()
    };
    let suggestion = suggested(&present, ledger(&calls), &exclusions);
    let policy = only_policy(&suggestion);
    for (bucket, counted) in [
        ("own", true),
        ("own-later", true),
        ("taken", false),
        ("minted", false),
        ("scanned", false),
        ("new-place", false),
        ("service", false),
    ] {
        assert_eq!(policy.contains(&format!(":::{bucket}/a")), counted, "{bucket}");
    }
    assert_eq!(suggestion.excluded.len(), 5);
    // It is the user's own since before the exposure, and the lineage's as well: that is said.
    assert!(suggestion.unknown.iter().any(|gap| gap.what.contains("10.0.3.7")));
}

/// The attacker mints from an address, and goes on with the leaked key itself from there.
#[test]
fn a_leaked_key_is_the_attackers_where_credentials_were_made_with_it() {
    let present = own(&[allow(&["*"], &["*"])]);
    let get = |hours, source, bucket: &str| Call {
        hours,
        source,
        ..Call::new("s3", "GetObject", json!({"bucketName": bucket, "key": "a"}))
    };
    let mint = |hours, source| Call {
        id: "mint-1",
        hours,
        source,
        ..Call::new("sts", "GetSessionToken", json!({}))
    };
    let leaked = |calls: &[Call], since: Option<i64>| {
        let since = since.map(at);
        let marks = Marks { since, mints: ["mint-1".to_owned()].into(), latest: None };
        let exclusions =
            Exclusions { leaked: [KEY.to_owned()].into(), since, ..Exclusions::default() };
        suggested(&present, marked(calls, marks), &exclusions)
    };
    let told = |suggestion: &Suggestion, source: &str| {
        let mut gaps = suggestion.unknown.iter();
        gaps.find(|gap| gap.what.contains(source)).map(|gap| gap.why.clone())
    };
    // The workload shares the address: what came before the exposure is its own, and that is said.
    let shared =
        [get(1, "10.0.3.7", "own"), mint(9, "::ffff:10.0.3.7"), get(9, "10.0.3.7", "theirs")];
    let suggestion = leaked(&shared, Some(5));
    let policy = only_policy(&suggestion);
    assert!(policy.contains(":::own/") && !policy.contains("theirs"), "{policy}");
    let why = told(&suggestion, "10.0.3.7").unwrap();
    assert!(why.contains("2 calls of a leaked key since then are left out"), "{why}");
    // Theirs alone.
    let theirs =
        [get(1, "10.0.3.7", "own"), mint(9, "203.0.113.50"), get(9, "203.0.113.50", "theirs")];
    let suggestion = leaked(&theirs, Some(5));
    let policy = only_policy(&suggestion);
    assert!(policy.contains(":::own/") && !policy.contains("theirs"), "{policy}");
    assert_eq!(told(&suggestion, "203.0.113.50"), None);
    // With no time of exposure nobody can tell.
    let undated = leaked(&shared, None);
    assert!(undated.policies.is_empty());
    assert!(told(&undated, "10.0.3.7").unwrap().contains("--since TIME"));
    // Where nothing was made, the workload's own address stays its own.
    let quiet = [get(1, "10.0.3.7", "own"), get(9, "10.0.3.7", "later")];
    assert!(only_policy(&leaked(&quiet, Some(5))).contains("later"));
}

#[test]
fn times_that_cannot_be_are_no_use() {
    let present = own(&[allow(&["*"], &["*"])]);
    let get = |hours, bucket: &str| Call {
        hours,
        ..Call::new("s3", "GetObject", json!({"bucketName": bucket, "key": "a"}))
    };
    let long_ago = get(-24 * 365 * 56, "old");
    let calls = [get(1, "own"), get(24 * 400, "future"), long_ago, get(48, "ahead")];
    let marks = Marks { latest: Some(at(30)), ..Marks::default() };
    let suggestion = suggested(&present, marked(&calls, marks), &Exclusions::default());
    let policy = only_policy(&suggestion);
    assert!(policy.contains(":::own/a"), "{policy}");
    assert!(!["old", "future", "ahead"].iter().any(|one| policy.contains(one)), "{policy}");
    assert_eq!((suggestion.evidence.from, suggestion.evidence.to), (Some(at(1)), Some(at(1))));
    let gap = suggestion.unknown.iter().find(|gap| gap.what == "when 3 events happened").unwrap();
    assert!(gap.why.ends_with("first s3 GetObject at 1970-11-15T00:00:00Z"), "{}", gap.why);
}

#[test]
fn an_exclusion_that_nothing_came_from_is_told() {
    let present = own(&[allow(&["*"], &["*"])]);
    let get = Call {
        source: "::ffff:203.0.113.9",
        ..Call::new("s3", "GetObject", json!({"bucketName": "data", "key": "a"}))
    };
    let sources = ["203.0.113.0/24", "198.51.100.0/24"].map(|text| text.parse().unwrap());
    let exclusions = Exclusions { sources: sources.into(), ..Exclusions::default() };
    let suggestion = suggested(&present, ledger(&[get]), &exclusions);
    assert_eq!(suggestion.excluded[0].origin.source, "203.0.113.9");
    let told: Vec<&str> = suggestion
        .unknown
        .iter()
        .filter(|gap| gap.what.contains("--exclude-source"))
        .map(|gap| gap.what.as_str())
        .collect();
    assert_eq!(told, ["what --exclude-source 198.51.100.0/24 was to leave out"]);
}

#[test]
fn what_has_no_room_beside_todays_policies_is_told() {
    let present = own(&[allow(&["*"], &["*"])]);
    let get = |n: usize| {
        let table = format!("a-table-with-a-rather-long-name-that-takes-room-{n}");
        Call::new("dynamodb", "GetItem", json!({ "tableName": table }))
    };
    let of = |calls: usize, room: Room| {
        let calls: Vec<Call> = (0..calls).map(get).collect();
        let used = ledger(&calls).finish(&Exclusions::default());
        let given = Given {
            catalog: &CATALOG,
            present: &present,
            used: &used,
            advice: None,
            since: None,
            room,
        };
        let suggestion = suggest(&given);
        (suggestion.placement, suggestion.policies.len(), suggestion.room)
    };
    assert_eq!(of(1, ROOM).2.lacking, None);
    let (placement, _, room) = of(1, Room { inline: 1_900, ..ROOM });
    assert_eq!(placement, Placement::Inline);
    assert_eq!(
        room.lacking.unwrap(),
        "1,900 characters of inline policies are there, of 2,048: it has no room beside them"
    );
    let (placement, pieces, room) = of(200, Room { attached: 8, ..ROOM });
    assert_eq!((placement, pieces), (Placement::SeveralManaged, 4));
    assert_eq!(
        room.lacking.unwrap(),
        "4 managed policies to attach beside 8 that are attached: a user may have 10"
    );
    assert!(room.hint.unwrap().starts_with("detach 2 that the suggestion replaces first"));
    assert_eq!(of(200, Room { attached: 6, ..ROOM }).2.lacking, None);
    let alone = of(800, ROOM).2.hint.unwrap();
    assert!(alone.starts_with("ask for a higher quota"), "{alone}");
}

#[test]
fn a_broad_policy_is_told_from_one_that_lies_within_todays() {
    let boundary = document(&[allow(&["s3:*", "sqs:*"], &["*"])]);
    let present = present(vec![
        held(
            "inline_policy/work",
            &document(&[allow(&["s3:*"], &["arn:aws:s3:::data/*"])]),
            Role::Own,
        ),
        held("inline_policy/more", &document(&[allow(&["iam:*"], &["*"])]), Role::Own),
        held("permissions_boundary/b", &boundary, Role::Boundary),
    ]);
    let remark = |statement: Value| {
        present.remark(&PolicyDocument::parse(&document(&[statement]).to_string()))
    };
    assert_eq!(remark(allow(&["s3:GetObject", "s3:Put*"], &["arn:aws:s3:::data/a/*"])), None);
    for (statement, expected) in [
        (
            allow(&["*"], &["*"]),
            "the policy allows every action, and more than today's policies: * on *",
        ),
        (
            allow(&["s3:GetObject", "sqs:SendMessage"], &["arn:aws:s3:::other/*"]),
            "the policy allows more than today's policies: s3:GetObject on arn:aws:s3:::other/* and 1 more",
        ),
        // The boundary does not allow it.
        (
            allow(&["iam:GetUser"], &["*"]),
            "the policy allows more than today's policies: iam:GetUser on *",
        ),
        (
            json!({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}),
            "the policy allows every action, and more than today's policies: all actions but iam:* on *",
        ),
    ] {
        assert_eq!(remark(statement).as_deref(), Some(expected));
    }
}

#[test]
fn a_policy_is_not_beyond_itself() {
    for resource in [
        "arn:aws:s3:::data/${aws:username}/*",
        // Nobody knows what the variable stands for; it is the same on both sides.
        "arn:aws:s3:::data/${aws:PrincipalTag/team}/*",
        // More `?` than are tried out.
        "arn:aws:s3:::data/??????????",
    ] {
        let statement = allow(&["s3:PutObject"], &[resource]);
        let present = own(std::slice::from_ref(&statement));
        let policy = PolicyDocument::parse(&document(&[statement]).to_string());
        assert_eq!(present.beyond(&policy), Vec::<String>::new(), "{resource}");
    }
    // What a variable stands for is the same as saying it, for this user.
    let today = own(&[allow(&["s3:PutObject"], &["arn:aws:s3:::data/deploy-bot/*"])]);
    for (resource, expected) in [
        ("arn:aws:s3:::data/${aws:username}/*", vec![]),
        (
            "arn:aws:s3:::data/${aws:PrincipalTag/team}/*",
            vec!["s3:PutObject on arn:aws:s3:::data/${aws:PrincipalTag/team}/*"],
        ),
    ] {
        let policy = document(&[allow(&["s3:PutObject"], &[resource])]);
        let policy = PolicyDocument::parse(&policy.to_string());
        assert_eq!(today.beyond(&policy), expected);
    }
}

#[test]
fn what_only_the_last_use_is_known_of_stays_as_it_is_allowed() {
    let present = own(&[
        allow(&["dynamodb:*"], &["arn:aws:dynamodb:eu-west-1:123456789012:table/orders"]),
        allow(&["s3:Get*", "ec2:*"], &["*"]),
        allow(&["kms:*"], &["*"]),
    ]);
    let service = |service: &str, last: Option<i64>, actions: &[(&str, i64)]| ServiceUse {
        service: service.to_owned(),
        last: last.map(at),
        actions: actions
            .iter()
            .map(|(name, hours)| ((*name).to_owned(), Some(at(*hours))))
            .collect(),
    };
    let advice = Advice {
        services: vec![
            service("dynamodb", Some(3), &[]),
            service("ec2", Some(2), &[("DescribeInstances", 2), ("RunInstances", 8)]),
            service("s3", None, &[]),
            service("kms", Some(9), &[]),
            service("sqs", Some(1), &[]),
        ],
    };
    let exclusions = Exclusions { since: Some(at(5)), ..Exclusions::default() };
    let suggestion = with_advice(&present, ledger(&[]), &exclusions, Some(&advice));
    let lines: Vec<String> = suggestion
        .used
        .iter()
        .map(|line| format!("{} {:?} {}", line.action, line.by, line.resources.join(" ")))
        .collect();
    assert_eq!(
        lines,
        [
            "dynamodb:* Service arn:aws:dynamodb:eu-west-1:123456789012:table/orders",
            "ec2:DescribeInstances Action *",
        ]
    );
    assert!(suggestion.used.iter().all(|line| line.by != By::Events));
    let aside: Vec<&str> = suggestion.set_aside.iter().map(|one| one.what.as_str()).collect();
    assert_eq!(aside, ["ec2:RunInstances", "kms"]);
    assert_eq!(suggestion.not_allowed[0].action, "sqs:*");
}

#[test]
fn what_is_unread_is_said_and_grants_nothing() {
    let unread = Held {
        place: "attached_policy/arn:aws:iam::123456789012:policy/x".to_owned(),
        document: Err("iam:GetPolicyVersion: AccessDenied".to_owned()),
        role: Role::Own,
    };
    let get = Call::new("s3", "GetObject", json!({"bucketName": "data", "key": "a"}));
    let suggestion = suggested(&present(vec![unread]), ledger(&[get]), &Exclusions::default());
    assert!(suggestion.policies.is_empty());
    assert_eq!(suggestion.placement, Placement::Nothing);
    assert!(suggestion.unknown[0].what.contains("policy/x"));
}

#[test]
fn the_screen_says_what_goes_what_comes_and_what_is_left_out() {
    let present = present(vec![
        held("inline_policy/work", &document(&[allow(&["s3:*", "sqs:*"], &["*"])]), Role::Own),
        held("attached_policy/arn:aws:iam::aws:policy/AWSDenyAll", hold().value(), Role::Own),
        held(
            "group/devs/inline_policy/read",
            &document(&[allow(&["iam:Get*"], &["*"])]),
            Role::Group,
        ),
    ]);
    let object = |key: &str, source| Call {
        source,
        ..Call::new("s3", "GetObject", json!({"bucketName": "data", "key": key}))
    };
    let mut calls: Vec<Call> = ["in/1", "in/2", "in/3"].map(|key| object(key, "10.0.3.7")).into();
    calls.extend([
        object("secret", "203.0.113.50"),
        Call::new("sqs", "ReceiveMessage", json!({})),
        Call::new("kms", "Decrypt", json!({})),
        Call::new("new\u{1b}[2J", "Thing", json!({})),
        Call { error: Some("AccessDenied"), ..Call::new("iam", "ListUsers", json!(null)) },
    ]);
    let exclusions =
        Exclusions { sources: vec!["203.0.113.0/24".parse().unwrap()], ..Exclusions::default() };
    let mut suggestion = suggested(&present, ledger(&calls), &exclusions);
    suggestion.user = "deploy-bot".to_owned();
    suggestion.user_id = ID.to_owned();
    suggestion.account_id = "123456789012".to_owned();
    suggestion.at = at(3);
    suggestion.evidence.events = 1_204;
    let saved = ["policy.json".to_owned()];
    let text = ringfence::render::text::suggestion(&suggestion, Screen::default(), &saved);
    insta::assert_snapshot!(text, @r#"
    Account 123456789012 · user deploy-bot (AIDAEXAMPLE0DEPLOYBT) · least privilege
    Read    2026-11-01T03:00:00Z
    Events  7 calls of its own in 1,204 events, 2026-11-01T01:00:00Z to
            2026-11-01T01:00:00Z

    In place of today's policies:

      ~ inline_policy/work
            … 2 unchanged lines
              "Statement": [
                {
                  "Effect": "Allow",
          -       "Action": [
          -         "s3:*",
          -         "sqs:*"
          -       ],
          -       "Resource": [
          -         "*"
          -       ]
          +       "Action": "s3:GetObject",
          +       "Resource": "arn:aws:s3:::data/in/*"
          +     },
          +     {
          +       "Effect": "Allow",
          +       "Action": "sqs:ReceiveMessage",
          +       "Resource": "*"
                }
              ]
            }

    Stays beside it:
        group/devs/inline_policy/read   a group's: it goes on granting what it
                                        grants
        attached_policy/arn:aws:iam::aws:policy/AWSDenyAll
                                        containment: not counted as what the user
                                        may do, and not touched

    Counted as its own use:
        AKIAEXAMPLE0OWNWORK1 from 10.0.3.7   7 calls, last 2 h ago

    Not counted:
      ! AKIAEXAMPLE0OWNWORK1 from 203.0.113.50
           1 call, last 2 h ago: --exclude-source 203.0.113.0/24

    Not narrowed:
        sqs:ReceiveMessage   as wide as today: its events name no resource

    Used, and left out:
      ! kms:Decrypt   no policy of the user's allows it today; a resource's own
                      policy may

    Not mapped to an action:
      ! new\u{1b}[2J Thing   1 call, last 2 h ago

    Refused, which is no use:
      ! iam ListUsers   1 call, last 2 h ago

    Not known:
      ! which calls of its own keys an attacker made: no time of exposure is known,
        so that every one counts as the workload's; --since TIME sets apart what
        came from sources first seen after it

    2 of 220 actions that it may call today were used in 1 day.
    181 of 2,048 characters: it fits as the inline policy.
    Saved policy.json
    Next: ringfence recover --user deploy-bot --policy policy.json
    "#);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

/// What recorded collections hold, which nobody here has chosen.
#[derive(Default)]
struct Names {
    calls: usize,
    unmapped: std::collections::BTreeSet<String>,
}

impl ringfence::trail::Sink for Names {
    fn event(&mut self, event: &ringfence::trail::Event<'_>, _: &[u8]) {
        // Collections that were made up for rules have sources of no service.
        let is_call = event.kind == "AwsApiCall" && event.source.ends_with(".amazonaws.com");
        if !is_call || event.service() == "signin" {
            return;
        }
        self.calls += 1;
        let service = CATALOG.of_source(&event.source);
        let mapped = service.map_or(Mapped::Unknown, |service| service.mapped(&event.name));
        if mapped == Mapped::Unknown {
            self.unmapped.insert(format!("{} {}", event.service(), event.name));
        }
    }

    fn flaw(&mut self, _: ringfence::trail::Flaw, _: u64, _: &str) {}

    fn inflate(&mut self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }
}

#[test]
fn what_others_recorded_is_mapped() {
    let root = std::env::var_os("RINGFENCE_FIXTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures"),
        PathBuf::from,
    );
    let mut folders = vec![root.join("cloudtrail")];
    if !folders[0].is_dir() {
        eprintln!(
            "NOT RUN: recorded events: {} is not there (set RINGFENCE_FIXTURES)",
            root.display()
        );
        return;
    }
    let mut names = Names::default();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "json") {
                ringfence::trail::read(&std::fs::read(&path).unwrap(), &mut names);
            }
        }
    }
    let (calls, unmapped) = (names.calls, &names.unmapped);
    eprintln!("{calls} calls, {} names unmapped: {unmapped:?}", unmapped.len());
    // What is left are examples with a source that does not have such a call, and services that are gone.
    assert!(calls > 1_000, "{calls}");
    assert!(unmapped.len() < 30, "{unmapped:?}");
}

// What is drawn: policies over a small world, and calls in it.

const RESOURCES: [&str; 21] = [
    "*",
    "arn:aws:s3:::*",
    "arn:aws:s3:::data",
    "arn:aws:s3:::data/*",
    "arn:aws:s3:::data/a/*",
    "arn:aws:s3:::data/${aws:username}/*",
    "arn:aws:s3:::data/a/?",
    "arn:aws:s3:::dat?/*",
    "arn:aws:dynamodb:*:123456789012:table/*",
    "arn:aws:dynamodb:eu-west-1:*:table/orders",
    "arn:aws:sqs:*:*:jobs",
    "arn:aws:iam::123456789012:user/*",
    "arn:aws:ec2:*:*:instance/*",
    "arn:aws:ec2:*:*:*/i-1",
    "arn:aws:ec2:*:*:volume/*",
    "arn:aws:ec2:*:*:subnet/subnet-1",
    "arn:aws:ec2:*::image/*",
    "arn:aws:ec2:eu-west-1:123456789012:*",
    "arn:aws:s3:::*/a/*",
    "arn:aws:s3:::data/*1",
    "arn:aws:dynamodb:eu-west-1:*:table/*",
];

const PATTERNS: [&str; 18] = [
    "*",
    "s3:*",
    "s3:Get*",
    "S3:getobject",
    "s3:List*",
    "s3:PutObject",
    "dynamodb:*",
    "*:Get*",
    "dynamodb:GetItem",
    "sqs:*",
    "iam:*",
    "iam:GetUser",
    "ec2:*",
    "ec2:TerminateInstances",
    "s3:?etObject",
    "ec2:RunInstances",
    "ec2:*Instances",
    "s3:*Object",
];

const KEYS: [&str; 9] =
    ["a/1", "a/2", "a/3", "b/1", "deploy-bot/x", "a*b", "a/?", "${aws:username}/y", "c"];

fn statement() -> impl Strategy<Value = Value> {
    let conditions = [
        json!(null),
        json!(null),
        json!({"Bool": {"aws:SecureTransport": "true"}}),
        json!({"StringEquals": {"aws:username": "deploy-bot"}}),
        json!({"StringEquals": {"aws:username": ["deploy-bot", "other"]}}),
        json!({"StringNotEquals": {"aws:SecureTransport": "true"}}),
        json!({"Bool": {"aws:SecureTransport": ["false"]}}),
    ];
    let parts = (
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.15),
        prop::bool::weighted(0.15),
        subsequence(PATTERNS.to_vec(), 1..3),
        subsequence(RESOURCES.to_vec(), 1..4),
        select(conditions.to_vec()),
    );
    parts.prop_map(|(deny, not_action, not_resource, actions, resources, condition)| {
        let mut statement = json!({ "Effect": if deny { "Deny" } else { "Allow" } });
        statement[if not_action { "NotAction" } else { "Action" }] = json!(actions);
        statement[if not_resource { "NotResource" } else { "Resource" }] = json!(resources);
        if !condition.is_null() {
            statement["Condition"] = condition;
        }
        statement
    })
}

fn policy() -> impl Strategy<Value = Value> {
    let version = select(vec!["2012-10-17", "2012-10-17", "2008-10-17"]);
    (version, prop::collection::vec(statement(), 1..4))
        .prop_map(|(version, statements)| json!({ "Version": version, "Statement": statements }))
}

fn call() -> impl Strategy<Value = Call> {
    let object = (
        select(vec!["GetObject", "PutObject", "HeadObject"]),
        select(vec!["data", "date", "other"]),
        select(KEYS.to_vec()),
    )
        .prop_map(|(name, bucket, key)| {
            Call::new("s3", name, json!({"bucketName": bucket, "key": key}))
        });
    let table = select(vec!["orders", "users"])
        .prop_map(|table| Call::new("dynamodb", "GetItem", json!({ "tableName": table })));
    let others = select(vec![
        Call::new("s3", "ListObjects", json!({"bucketName": "data"})),
        Call::new("s3", "ListBuckets", json!(null)),
        Call::new(
            "sqs",
            "SendMessage",
            json!({"queueUrl": "https://sqs.eu-west-1.amazonaws.com/123456789012/jobs"}),
        ),
        Call::new("sqs", "SendMessage", json!({})),
        Call::new("iam", "GetUser", json!({"userName": "deploy-bot"})),
        Call::new(
            "ec2",
            "TerminateInstances",
            json!({"instancesSet": {"items": [{"instanceId": "i-1"}]}}),
        ),
        Call::new(
            "ec2",
            "RunInstances",
            json!({"instancesSet": {"items": [{"imageId": "ami-1"}]}, "subnetId": "subnet-1"}),
        ),
    ]);
    let who = select(vec![
        (KEY, "10.0.3.7", 1),
        (KEY, "10.0.3.7", 9),
        (KEY, "203.0.113.50", 9),
        (STOLEN, "10.0.3.7", 9),
    ]);
    (prop_oneof![4 => object, 1 => table, 2 => others], who)
        .prop_map(|(call, (key, source, hours))| Call { key, source, hours, ..call })
}

/// What a call asks for, told apart from how the code finds it.
fn asks(call: &Call) -> Option<Ask> {
    let text = |key: &str| call.request[key].as_str().unwrap_or_default().to_owned();
    let (action, resource) = match (call.service, call.name) {
        ("s3", "GetObject" | "HeadObject") => {
            ("s3:GetObject", format!("arn:aws:s3:::{}/{}", text("bucketName"), text("key")))
        }
        ("s3", "PutObject") => {
            ("s3:PutObject", format!("arn:aws:s3:::{}/{}", text("bucketName"), text("key")))
        }
        ("s3", "ListObjects") => ("s3:ListBucket", "arn:aws:s3:::data".to_owned()),
        ("s3", "ListBuckets") => ("s3:ListAllMyBuckets", "*".to_owned()),
        ("dynamodb", _) => (
            "dynamodb:GetItem",
            format!("arn:aws:dynamodb:eu-west-1:123456789012:table/{}", text("tableName")),
        ),
        // One that names no queue was one of these, as far as the test knows.
        ("sqs", _) => ("sqs:SendMessage", "arn:aws:sqs:eu-west-1:123456789012:jobs".to_owned()),
        ("iam", _) => ("iam:GetUser", ARN.to_owned()),
        ("ec2", "RunInstances") => {
            ("ec2:RunInstances", "arn:aws:ec2:eu-west-1::image/ami-1".to_owned())
        }
        ("ec2", _) => {
            ("ec2:TerminateInstances", "arn:aws:ec2:eu-west-1:123456789012:instance/i-1".to_owned())
        }
        _ => return None,
    };
    Some(Ask { action, resource })
}

/// Everything in the small world, and some things beside it.
fn everything() -> Vec<Ask> {
    let actions = [
        "s3:GetObject",
        "s3:PutObject",
        "s3:DeleteObject",
        "s3:ListBucket",
        "s3:ListAllMyBuckets",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "sqs:SendMessage",
        "sqs:DeleteQueue",
        "iam:GetUser",
        "iam:CreateUser",
        "ec2:TerminateInstances",
        "ec2:RunInstances",
        "kms:Decrypt",
    ];
    let mut resources: Vec<String> = [
        "*",
        "arn:aws:s3:::data",
        "arn:aws:s3:::other",
        "arn:aws:s3:::data/a/4",
        "arn:aws:s3:::data/a",
        "arn:aws:s3:::data/axb",
        "arn:aws:s3:::data/a/xx",
        "arn:aws:s3:::date/zz",
        "arn:aws:dynamodb:eu-west-1:123456789012:table/orders",
        "arn:aws:dynamodb:eu-west-1:123456789012:table/other",
        "arn:aws:dynamodb:us-east-1:210987654321:table/orders",
        "arn:aws:sqs:eu-west-1:123456789012:jobs",
        "arn:aws:sqs:eu-west-1:123456789012:more",
        ARN,
        "arn:aws:iam::123456789012:user/a/deploy-bot",
        "arn:aws:iam::123456789012:user/x",
        "arn:aws:ec2:eu-west-1:123456789012:instance/i-1",
        "arn:aws:ec2:eu-west-1:123456789012:instance/i-2",
        "arn:aws:ec2:eu-west-1:123456789012:volume/i-1",
        "arn:aws:ec2:eu-west-1:123456789012:volume/vol-1",
        "arn:aws:ec2:eu-west-1:123456789012:subnet/subnet-1",
        "arn:aws:ec2:eu-west-1:123456789012:subnet/subnet-2",
        "arn:aws:ec2:eu-west-1:123456789012:security-group/sg-1",
        "arn:aws:ec2:us-east-1:123456789012:volume/vol-1",
        "arn:aws:ec2:eu-west-1::image/ami-1",
        "arn:aws:ec2:eu-west-1::image/ami-2",
    ]
    .map(str::to_owned)
    .to_vec();
    resources.extend(KEYS.iter().map(|key| format!("arn:aws:s3:::data/{key}")));
    resources.extend(KEYS.iter().map(|key| format!("arn:aws:s3:::other/{key}")));
    // What knows no resources is always asked for with `*`.
    let fits = |action: &str, resource: &str| resource == "*" || action != "s3:ListAllMyBuckets";
    actions
        .into_iter()
        .flat_map(|action| {
            resources.iter().map(move |resource| Ask { action, resource: resource.clone() })
        })
        .filter(|ask| fits(ask.action, &ask.resource))
        .collect()
}

fn parsed(documents: &[PolicyDocument]) -> Vec<Policy> {
    let parse = |one: &PolicyDocument| Policy::parse(&one.minified(), Kind::Identity).unwrap();
    documents.iter().map(parse).collect()
}

fn of_values(values: &[Value]) -> Vec<Policy> {
    let parse = |value: &Value| Policy::parse(&value.to_string(), Kind::Identity).unwrap();
    values.iter().map(parse).collect()
}

fn exclusions() -> Exclusions {
    Exclusions {
        credentials: [(STOLEN.to_owned(), "made".to_owned())].into(),
        since: Some(at(5)),
        ..Exclusions::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn never_more_than_today_and_all_that_was_used(
        policies in prop::collection::vec(policy(), 1..3),
        boundary in prop::option::weighted(0.6, policy()),
        calls in prop::collection::vec(call(), 0..30),
        tracked in prop::option::of(subsequence(vec!["s3", "dynamodb", "sqs", "iam", "ec2"], 0..4)),
    ) {
        let mut all: Vec<Held> = policies.iter().map(|one| held("inline_policy/p", one, Role::Own)).collect();
        all.extend(boundary.iter().map(|one| held("permissions_boundary/b", one, Role::Boundary)));
        let present = present(all);
        let advice = tracked.map(|services| Advice {
            services: services.into_iter().map(|service| ServiceUse {
                service: service.to_owned(), last: Some(at(2)), actions: Vec::new(),
            }).collect(),
        });
        let suggestion = with_advice(&present, ledger(&calls), &exclusions(), advice.as_ref());
        let (new, old) = (parsed(&suggestion.policies), of_values(&policies));
        let limit = boundary.as_ref().map(|one| Policy::parse(&one.to_string(), Kind::Identity).unwrap());
        let contexts = [context(), context().with("aws:SecureTransport", "true")];
        for more in &contexts {
            for ask in everything() {
                // Alone it says no more than today's policies and the boundary together: the boundary may go.
                prop_assert!(
                    !allowed(&new, None, &ask, more) || allowed(&old, limit.as_ref(), &ask, more),
                    "{ask:?} is allowed by {} only", suggestion.policies.iter().map(ToString::to_string).collect::<String>()
                );
            }
            let own = calls.iter().filter(|call| call.key == KEY);
            let seen_before = calls.iter().any(|call| call.key == KEY && call.source == "10.0.3.7" && call.hours < 5);
            let counted = own.filter(|call| call.source == "10.0.3.7" && seen_before);
            for ask in counted.filter_map(asks) {
                prop_assert!(
                    !allowed(&old, limit.as_ref(), &ask, more) || allowed(&new, limit.as_ref(), &ask, more),
                    "{ask:?} was used, and is not allowed by {}", suggestion.policies.iter().map(ToString::to_string).collect::<String>()
                );
            }
        }
        for document in &suggestion.policies {
            prop_assert!(document.quota_size() <= 6_144);
            // Where each statement has resources of its own, a plan has nothing to say against it.
            let plain = policies.iter().all(|one| !one.to_string().contains("NotResource"));
            if plain && boundary.is_none() {
                prop_assert_eq!(present.beyond(document), Vec::<String>::new());
            }
        }
    }

    #[test]
    fn the_order_and_the_number_of_readers_do_not_count(
        calls in prop::collection::vec(call(), 0..40).prop_shuffle(),
        cut in 0..40_usize,
    ) {
        let present = own(&[allow(&["*"], &["*"])]);
        let mut sorted = calls.clone();
        sorted.sort_by_key(|call| (call.hours, call.name, call.event()));
        let (front, back) = calls.split_at(cut.min(calls.len()));
        let mut merged = ledger(front);
        merged.merge(ledger(back));
        let one = suggested(&present, merged, &exclusions());
        let two = suggested(&present, ledger(&sorted), &exclusions());
        prop_assert_eq!(one.bytes(), two.bytes());
    }

    #[test]
    fn what_is_excluded_never_appears(calls in prop::collection::vec(call(), 0..20)) {
        let present = own(&[allow(&["*"], &["*"])]);
        let theirs = |call: Call| Call {
            key: STOLEN,
            request: json!({"bucketName": "theirs", "key": "x"}),
            ..Call::new("s3", "GetObject", call.request)
        };
        let mut all = calls.clone();
        all.extend(calls.into_iter().map(theirs));
        let suggestion = suggested(&present, ledger(&all), &exclusions());
        let text: String = suggestion.policies.iter().map(ToString::to_string).collect();
        prop_assert!(!text.contains("theirs"));
    }
}
