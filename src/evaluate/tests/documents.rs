//! Which documents are read, and what is said of the others.

use super::*;

const OK: &str = r#""Effect":"Allow","Action":"s3:*","Resource":"*""#;

fn message(text: &str, kind: Kind) -> String {
    Policy::parse(text, kind).expect_err(text).message
}

fn with(statement: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{{{statement}}}]}}"#)
}

#[test]
fn what_is_read() {
    for text in [
        with(OK),
        format!(r#"{{"Statement":{{{OK}}}}}"#),
        format!(r#"{{"Version":"2008-10-17","Id":"x","Statement":[{{{OK}}},{{{OK}}}]}}"#),
        with(
            r#""Sid":"A1","Effect":"Deny","NotAction":["iam:*","*"],"NotResource":["arn:aws:s3:::b"]"#,
        ),
        with(&format!(r#"{OK},"Condition":{{}}"#)),
        with(&format!(r#"{OK},"Condition":{{"Bool":{{"aws:MultiFactorAuthPresent":true}}}}"#)),
        with(&format!(r#"{OK},"Condition":{{"Null":{{"aws:TokenIssueTime":["true",false]}}}}"#)),
    ] {
        Policy::parse(&text, Kind::Identity).expect(&text);
    }
}

#[test]
fn what_is_no_syntax() {
    for text in [
        String::new(),
        "[]".into(),
        "{}".into(),
        r#"{"Version":"2012-10-17"}"#.into(),
        r#"{"Version":"2012-10-17","Statement":[]}"#.into(),
        r#"{"Version":"2012-10-17","Statement":"Allow"}"#.into(),
        r#"{"Version":"2012-10-17","Statement":[null]}"#.into(),
        format!(r#"{{"Version":"2012-10-17","Statement":[{{{OK}}}]}} x"#),
        format!(r#"{{"Version":"2030-01-01","Statement":[{{{OK}}}]}}"#),
        format!(r#"{{"Version":2012,"Statement":[{{{OK}}}]}}"#),
        format!(r#"{{"Owner":"x","Statement":[{{{OK}}}]}}"#),
        format!(r#"{{"statement":[{{{OK}}}]}}"#),
        format!(r#"{{"Statement":[{{{OK}}}],"Statement":[{{{OK}}}]}}"#),
        with(&format!(r#"{OK},"Effect":"Deny""#)),
        with(&format!(r#"{OK},"NotAction":"iam:*""#)),
        with(&format!(r#"{OK},"NotResource":"*""#)),
        with(&format!(r#"{OK},"Comment":"x""#)),
        with(&format!(r#"{OK},"Sid":1"#)),
        with(&format!(r#"{OK},"Condition":[]"#)),
        with(&format!(r#"{OK},"Condition":{{"StringSame":{{"a:b":"c"}}}}"#)),
        with(&format!(r#"{OK},"Condition":{{"NullIfExists":{{"a:b":"true"}}}}"#)),
        with(&format!(r#"{OK},"Condition":{{"ForSome:StringLike":{{"a:b":"c"}}}}"#)),
        with(&format!(r#"{OK},"Condition":{{"NumericNumericEquals":{{"a:b":"1"}}}}"#)),
        with(&format!(r#"{OK},"Condition":{{"Equals":{{"a:b":"1"}}}}"#)),
        with(&format!(r#"{OK},"Condition":{{"StringLike":"c"}}"#)),
        with(&format!(r#"{OK},"Condition":{{"StringLike":{{"a:b":{{"c":"d"}}}}}}"#)),
        with(&format!(r#"{OK},"Condition":{{"StringLike":{{"a:b":null}}}}"#)),
        with(&format!(r#"{OK},"Condition":{{"StringLike":{{"a:b":"c","a:b":"d"}}}}"#)),
        with(r#""Effect":"Maybe","Action":"s3:*","Resource":"*""#),
        with(r#""Effect":"allow","Action":"s3:*","Resource":"*""#),
        with(r#""Action":"s3:*","Resource":"*""#),
        with(r#""Effect":"Allow","Action":{"a":"b"},"Resource":"*""#),
        with(r#""Effect":"Allow","Action":"s3:*","Resource":[1]"#),
        "[".repeat(100_000),
    ] {
        let short = text.get(..200).unwrap_or(&text);
        assert_eq!(message(&text, Kind::Identity), "Syntax errors in policy.", "{short}");
    }
}

#[test]
fn what_iam_refuses_by_name() {
    for (statement, expected) in [
        (r#""Effect":"Allow","Resource":"*""#, "Policy statement must contain actions."),
        (
            r#""Effect":"Allow","Action":[],"Resource":"*""#,
            "Policy statement must contain actions.",
        ),
        (r#""Effect":"Allow","Action":"s3:*""#, "Policy statement must contain resources."),
        (
            r#""Effect":"Allow","Action":"Get","Resource":"*""#,
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
        ),
        (
            r#""Effect":"Allow","Action":"a:b:c","Resource":"*""#,
            "Actions/Condition can contain only one colon.",
        ),
        (r#""Effect":"Allow","Action":"a b:c","Resource":"*""#, "Vendor a b is not valid"),
        (
            r#""Effect":"Allow","Action":"a:b","Resource":"bucket""#,
            "Resource bucket must be in ARN format or \"*\".",
        ),
        (
            r#""Effect":"Allow","Action":"a:b","Resource":"arn:ws:s3:::b""#,
            "Partition \"ws\" is not valid for resource \"arn:ws:s3:::b\".",
        ),
        (
            r#""Effect":"Allow","Action":"a:b","Resource":"arn:aws""#,
            "Resource vendor must be fully qualified and cannot contain regexes.",
        ),
        (
            r#""Effect":"Allow","Action":"a:b","Resource":"*","Principal":"*""#,
            "Policy document should not specify a principal.",
        ),
        (
            r#""Effect":"Allow","Action":"a:b","Resource":"*","Condition":{"DateLessThan":{"a:b":"soon"}}"#,
            "The policy failed legacy parsing",
        ),
    ] {
        assert_eq!(message(&with(statement), Kind::Identity), expected, "{statement}");
    }
    let sid = |sid: &str| format!(r#"{{"Sid":"{sid}",{OK}}}"#);
    let two = format!(r#"{{"Statement":[{},{}]}}"#, sid("A"), sid("A"));
    assert_eq!(
        message(&two, Kind::Identity),
        "Statement IDs (SID) in a single policy must be unique."
    );
    let odd = format!(r#"{{"Statement":[{}]}}"#, sid("a b"));
    assert!(
        message(&odd, Kind::Identity).starts_with("Statement IDs (SID) must be alpha-numeric.")
    );
}

#[test]
fn trust_policies_have_principals_and_no_resources() {
    let trust = |rest: &str| with(&format!(r#""Effect":"Allow","Action":"sts:AssumeRole"{rest}"#));
    for principal in [
        r#""*""#,
        r#"{"AWS":"*"}"#,
        r#"{"AWS":"123456789012"}"#,
        r#"{"AWS":["arn:aws:iam::123456789012:root","arn:aws-cn:iam::123456789012:user/a/b"]}"#,
        r#"{"AWS":"arn:aws:sts::123456789012:assumed-role/r/s","Service":["ec2.amazonaws.com"]}"#,
        r#"{"AWS":"AIDACKCEVSQ6C2EXAMPLE"}"#,
        r#"{"Federated":"cognito-identity.amazonaws.com"}"#,
        r#"{"CanonicalUser":"79a59df900b949e5"}"#,
    ] {
        let text = trust(&format!(r#","Principal":{principal}"#));
        Policy::parse(&text, Kind::Trust).expect(&text);
    }
    for (rest, expected) in [
        ("", "Missing required field Principal"),
        (r#","Principal":{}"#, "Syntax errors in policy."),
        (r#","Principal":"eve""#, "Syntax errors in policy."),
        (r#","Principal":"*","NotPrincipal":"*""#, "Syntax errors in policy."),
        (r#","Principal":"*","Resource":"*""#, "Has prohibited field Resource"),
        (r#","Principal":{"AWS":"eve"}"#, "Invalid principal in policy: \"AWS\":\"eve\""),
        (
            r#","Principal":{"AWS":"arn:aws:iam::123456789012:user/*"}"#,
            "Invalid principal in policy: \"AWS\":\"arn:aws:iam::123456789012:user/*\"",
        ),
        (r#","Principal":{"User":"eve"}"#, "Invalid principal in policy: \"User\":\"eve\""),
    ] {
        assert_eq!(message(&trust(rest), Kind::Trust), expected, "{rest}");
    }
    let other = with(r#""Effect":"Allow","Action":"s3:*","Principal":"*""#);
    assert_eq!(
        message(&other, Kind::Trust),
        "AssumeRole policy may only specify STS AssumeRole actions."
    );
    assert_eq!(message(&other, Kind::Resource), "Policy statement must contain resources.");
    let upper = with(r#""Effect":"Allow","Action":"STS:assumerole","Principal":"*""#);
    Policy::parse(&upper, Kind::Trust).unwrap();
    let named =
        trust(r#","Principal":{"AWS":["123456789012","arn:aws:iam::123456789012:role/r"]}"#);
    let policy = Policy::parse(&named, Kind::Trust).unwrap();
    assert_eq!(policy.principals().collect::<Vec<_>>(), ["arn:aws:iam::123456789012:role/r"]);
}

#[test]
fn an_error_says_what_aws_says_and_then_what_is_wrong() {
    let error = Policy::parse(&with(&format!(r#"{OK},"Efect":"x""#)), Kind::Identity).unwrap_err();
    assert_eq!(error.to_string(), "Syntax errors in policy. (unknown element `Efect`)");
    let twice = Policy::parse(&with(&format!("{OK},{OK}")), Kind::Identity).unwrap_err();
    assert!(twice.detail.unwrap().contains("`Effect` comes twice"));
}
