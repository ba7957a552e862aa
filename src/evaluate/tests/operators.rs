//! Every condition operator, with the cases that are easily got wrong.

use super::*;

const KEY: &str = "aws:Test";

/// Whether a statement with one condition applies, the key having these values; none is absent.
fn holds(operator: &str, wanted: Value, present: &[&str]) -> bool {
    let context = Context::from_iter([
        (KEY.to_owned(), present.iter().map(|value| (*value).to_owned()).collect()),
        ("aws:username".to_owned(), vec!["eve".to_owned()]),
    ]);
    let statement = json!({
        "Effect": "Allow", "Action": "*", "Resource": "*",
        "Condition": { operator: { KEY: wanted } },
    });
    let request = Request {
        principal: Principal::User { arn: EVE },
        action: "iam:GetUser",
        resource: "*",
        context: &context,
    };
    policy(&statement).allows(&request)
}

#[track_caller]
fn check(operator: &str, cases: &[(Value, &[&str], bool)]) {
    for (wanted, present, expected) in cases {
        assert_eq!(
            holds(operator, wanted.clone(), present),
            *expected,
            "{operator} {wanted} for {present:?}"
        );
    }
}

#[test]
fn texts() {
    check(
        "StringEquals",
        &[
            (json!("a"), &["a"], true),
            (json!("a"), &["A"], false),
            (json!(["a", "b"]), &["b"], true),
            (json!("a*"), &["ab"], false),
            (json!("a*"), &["a*"], true),
            (json!("a"), &[], false),
            (json!([]), &["a"], false),
            (json!(5), &["5"], true),
            // Several values without a set operator: one is enough.
            (json!("a"), &["b", "a"], true),
        ],
    );
    check(
        "StringNotEquals",
        &[
            (json!("a"), &["b"], true),
            (json!("a"), &["a"], false),
            (json!(["a", "b"]), &["b"], false),
            (json!(["a", "b"]), &["c"], true),
            (json!("a"), &[], true),
            (json!("a"), &["b", "a"], false),
        ],
    );
    check(
        "StringEqualsIgnoreCase",
        &[(json!("Éve"), &["éVE"], true), (json!("eve"), &["bob"], false)],
    );
    check(
        "StringNotEqualsIgnoreCase",
        &[
            (json!("EVE"), &["eve"], false),
            (json!(["x", "y"]), &["z"], true),
            (json!("x"), &[], true),
        ],
    );
    check(
        "StringLike",
        &[
            (json!("a*c"), &["abbc"], true),
            (json!("a*c"), &["ac"], true),
            (json!("a?c"), &["ac"], false),
            (json!("a?c"), &["abc"], true),
            (json!("*a*b*"), &["xaybz"], true),
            (json!("*a*b*"), &["xbyaz"], false),
            (json!("a:*"), &["a:b:c"], true),
            (json!("A*"), &["abc"], false),
            (json!("*"), &[""], true),
            (json!("a*"), &[], false),
        ],
    );
    check(
        "StringNotLike",
        &[
            (json!(["a*", "b*"]), &["bc"], false),
            (json!(["a*", "b*"]), &["c"], true),
            (json!("*"), &[], true),
        ],
    );
}

#[test]
fn numbers() {
    for (operator, five, six, seven) in [
        ("NumericEquals", false, true, false),
        ("NumericNotEquals", true, false, true),
        ("NumericLessThan", true, false, false),
        ("NumericLessThanEquals", true, true, false),
        ("NumericGreaterThan", false, false, true),
        ("NumericGreaterThanEquals", false, true, true),
    ] {
        check(
            operator,
            &[
                (json!("6"), &["5"], five),
                (json!(6), &["6.0"], six),
                (json!("6"), &["7"], seven),
                (json!("6"), &[], operator == "NumericNotEquals"),
                (json!("6"), &["six"], operator == "NumericNotEquals"),
            ],
        );
    }
    // Several values of a negated operator mean none of these, not some other than these.
    check(
        "NumericNotEquals",
        &[(json!(["5", "6"]), &["5"], false), (json!(["5", "6"]), &["7"], true)],
    );
    check("NumericEquals", &[(json!(["5", "6"]), &["6"], true)]);
}

#[test]
fn dates() {
    const T: &str = "2026-11-21T12:00:00Z";
    for (operator, before, at, after) in [
        ("DateEquals", false, true, false),
        ("DateNotEquals", true, false, true),
        // Strict (F7).
        ("DateLessThan", true, false, false),
        ("DateLessThanEquals", true, true, false),
        ("DateGreaterThan", false, false, true),
        ("DateGreaterThanEquals", false, true, true),
    ] {
        check(
            operator,
            &[
                (json!(T), &["2026-11-21T11:59:59Z"], before),
                (json!(T), &[T], at),
                (json!(T), &["2026-11-21T14:00:00+02:00"], at),
                (json!(T), &["1795262400"], at),
                (json!(1_795_262_400), &[T], at),
                (json!(T), &["2026-11-21T12:00:01Z"], after),
                (json!(T), &["2026-11-21T12:00:00.001Z"], after),
                (json!(T), &["2026-11-21"], before),
                (json!("2026-11-22"), &[T], before),
                (json!(T), &[], operator == "DateNotEquals"),
                (json!(T), &["soon"], operator == "DateNotEquals"),
            ],
        );
    }
    let two = json!(["2026-11-21", "2026-11-22"]);
    check(
        "DateNotEquals",
        &[
            (two.clone(), &["2026-11-21T00:00:00Z"], false),
            (two.clone(), &["2026-11-22T00:00:00Z"], false),
            (two, &["2026-11-23T00:00:00Z"], true),
        ],
    );
}

#[test]
fn booleans_bytes_and_addresses() {
    check(
        "Bool",
        &[
            (json!("true"), &["true"], true),
            (json!(true), &["true"], true),
            (json!("True"), &["true"], true),
            (json!("false"), &["true"], false),
            (json!("false"), &[], false),
            (json!("1"), &["true"], false),
        ],
    );
    check("BoolIfExists", &[(json!("true"), &[], true), (json!("true"), &["false"], false)]);
    check("BinaryEquals", &[(json!("QQ=="), &["QQ=="], true), (json!("QQ=="), &["Qg=="], false)]);
    check(
        "IpAddress",
        &[
            (json!(["203.0.113.0/24", "2001:db8::/32"]), &["203.0.113.7"], true),
            (json!(["203.0.113.0/24", "2001:db8::/32"]), &["2001:db8::7"], true),
            (json!(["203.0.113.0/24", "2001:db8::/32"]), &["198.51.100.1"], false),
            (json!("0.0.0.0/0"), &[], false),
        ],
    );
    check(
        "NotIpAddress",
        &[
            (json!(["203.0.113.0/24", "2001:db8::/32"]), &["2001:db8::7"], false),
            (json!(["203.0.113.0/24", "2001:db8::/32"]), &["198.51.100.1"], true),
            (json!("203.0.113.0/24"), &[], true),
        ],
    );
}

#[test]
fn arns_are_compared_field_by_field() {
    for operator in ["ArnEquals", "ArnLike"] {
        check(
            operator,
            &[
                (json!(EVE), &[EVE], true),
                (json!("arn:aws:iam::*:user/e*"), &[EVE], true),
                (json!("arn:*:iam::123456789012:user/ev?"), &[EVE], true),
                // No field takes another's part.
                (json!("arn:aws:iam:*:user/eve"), &[EVE], false),
                (json!("arn:aws:*:user/eve"), &[EVE], false),
                (json!("arn:aws:iam?:123456789012:user/eve"), &[EVE], false),
                (json!("arn:aws:iam::123456789012:USER/eve"), &[EVE], false),
                (json!("arn:aws:logs:*:*:group:*:x"), &["arn:aws:logs:r:a:group:b:c:x"], true),
                (json!("*"), &[EVE], true),
                (json!("*"), &[], false),
            ],
        );
    }
    for operator in ["ArnNotEquals", "ArnNotLike"] {
        check(
            operator,
            &[
                (json!(["arn:aws:iam::*:role/*", "arn:aws:iam::*:user/*"]), &[EVE], false),
                (json!(["arn:aws:iam::*:role/*", "arn:aws:iam::*:group/*"]), &[EVE], true),
                (json!("arn:aws:iam::*:user/*"), &[], true),
            ],
        );
    }
}

#[test]
fn absence() {
    check(
        "Null",
        &[
            (json!("true"), &[], true),
            (json!("true"), &["x"], false),
            (json!("false"), &[], false),
            (json!(false), &["x"], true),
        ],
    );
    for operator in ["StringEquals", "NumericLessThan", "DateLessThan", "IpAddress", "ArnLike"] {
        let wanted = if operator.starts_with("Date") { json!("2026-11-21") } else { json!("1") };
        check(operator, &[(wanted.clone(), &[], false)]);
        check(&format!("{operator}IfExists"), &[(wanted.clone(), &[], true)]);
        check(&format!("ForAllValues:{operator}"), &[(wanted.clone(), &[], true)]);
        check(&format!("ForAnyValue:{operator}"), &[(wanted.clone(), &[], false)]);
        check(&format!("ForAnyValue:{operator}IfExists"), &[(wanted, &[], false)]);
    }
    check("StringEqualsIfExists", &[(json!("a"), &["b"], false), (json!("a"), &["a"], true)]);
}

#[test]
fn sets() {
    let two = json!(["a", "b"]);
    check(
        "ForAllValues:StringEquals",
        &[
            (two.clone(), &["a"], true),
            (two.clone(), &["b", "a"], true),
            (two.clone(), &["a", "c"], false),
            (two.clone(), &[""], true),
        ],
    );
    check(
        "ForAnyValue:StringEquals",
        &[
            (two.clone(), &["c", "a"], true),
            (two.clone(), &["c", "d"], false),
            (json!(""), &[""], false),
        ],
    );
    check(
        "ForAllValues:StringNotEquals",
        &[(two.clone(), &["c", "d"], true), (two.clone(), &["c", "a"], false)],
    );
    check(
        "ForAnyValue:StringNotEquals",
        &[
            (two.clone(), &["c", "a"], true),
            (two.clone(), &["b", "a"], false),
            (two.clone(), &[], false),
        ],
    );
    check("ForAnyValue:StringLike", &[(json!("e*"), &["x", "env"], true)]);
    check("ForAllValues:StringLike", &[(json!("e*"), &["x", "env"], false)]);
}

#[test]
fn variables_in_conditions() {
    check(
        "StringEquals",
        &[
            (json!("${aws:username}"), &["eve"], true),
            (json!("${AWS:UserName}"), &["eve"], true),
            (json!("x-${aws:username}-y"), &["x-eve-y"], true),
            (json!("${aws:absent}"), &["${aws:absent}"], false),
            (json!("${aws:absent, 'nobody'}"), &["nobody"], true),
            (json!("${aws:username, 'nobody'}"), &["eve"], true),
            (json!("${*}${?}${$}"), &["*?$"], true),
            (json!("${unclosed"), &["${unclosed"], true),
        ],
    );
    check(
        "StringLike",
        &[
            (json!("${aws:username}*"), &["eve2"], true),
            (json!("a${*}b*"), &["a*bc"], true),
            (json!("a${*}b*"), &["axbc"], false),
            (json!("a${?}b"), &["axb"], false),
        ],
    );
    // A variable without value is equal to nothing, which is what "not equal" asks for.
    check("StringNotEquals", &[(json!("${aws:absent}"), &["x"], true)]);
    check("StringNotLike", &[(json!("${aws:absent}*"), &["x"], true)]);
    check("ArnLike", &[(json!("arn:aws:iam::*:user/${aws:username}"), &[EVE], true)]);
    // Only strings and ARNs know variables.
    check("NumericEquals", &[(json!("${aws:Test}"), &["5"], false)]);
    check("Bool", &[(json!("${aws:Test}"), &["true"], false)]);
    // What a variable brings is never a wildcard.
    let context = Context::new().with("aws:username", "*").with(KEY, "anything");
    let statement = json!({
        "Effect": "Allow", "Action": "*", "Resource": "*",
        "Condition": { "StringLike": { KEY: "${aws:username}" } },
    });
    let request = Request {
        principal: Principal::User { arn: EVE },
        action: "iam:GetUser",
        resource: "*",
        context: &context,
    };
    assert!(!policy(&statement).allows(&request));
}
