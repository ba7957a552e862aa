//! Quotas, names, and what has to go before what (F15, F18, F22, F34).

use super::*;

#[test]
fn a_user_has_two_keys_ten_policies_and_ten_groups() {
    let stage = Stage::new();
    stage.user("bot");
    stage.key("bot");
    let third = stage.admin().call("iam:CreateAccessKey", &[("UserName", "bot")]);
    assert_eq!((third.status, third.code()), (409, "LimitExceeded"));
    assert_eq!(third.text("Message"), Some("Cannot exceed quota for AccessKeysPerUser: 2"));
    for number in 0..11 {
        let name = format!("p{number}");
        let made = [("PolicyName", name.as_str()), ("PolicyDocument", ALLOW_ALL)];
        let arn = stage.ok("iam:CreatePolicy", &made).text("Arn").unwrap().to_owned();
        let code = stage.code("iam:AttachUserPolicy", &[("UserName", "bot"), ("PolicyArn", &arn)]);
        assert_eq!(code, if number < 10 { "ok" } else { "LimitExceeded" });
        stage.ok("iam:CreateGroup", &[("GroupName", &name)]);
        let code = stage.code("iam:AddUserToGroup", &[("UserName", "bot"), ("GroupName", &name)]);
        assert_eq!(code, if number < 10 { "ok" } else { "LimitExceeded" });
    }
    let again = "arn:aws:iam::123456789012:policy/p0";
    stage.ok("iam:AttachUserPolicy", &[("UserName", "bot"), ("PolicyArn", again)]);
}

#[test]
fn inline_policies_have_2048_characters_in_all() {
    let stage = Stage::new();
    stage.ok("iam:CreateUser", &[("UserName", "bot")]);
    let document = |length: usize| {
        let base = ALLOW_ALL.replace("\"Resource\":\"*\"", "\"Resource\":\"arn:aws:s3:::PAD\"");
        let pad = "x".repeat(length - (base.len() - 3));
        // White space does not count.
        format!("{}\n   ", base.replace("PAD", &pad))
    };
    let put = |name: &str, length: usize| {
        let document = document(length);
        let all =
            [("UserName", "bot"), ("PolicyName", name), ("PolicyDocument", document.as_str())];
        stage.admin().call("iam:PutUserPolicy", &all)
    };
    assert!(put("a", 1_500).is_ok());
    assert!(put("b", 548).is_ok());
    let full = put("c", 200);
    assert_eq!((full.status, full.code()), (409, "LimitExceeded"));
    assert_eq!(
        full.text("Message"),
        Some("Maximum policy size of 2048 bytes exceeded for user bot")
    );
    assert_eq!(put("b", 549).code(), "LimitExceeded");
    // Put again, the old one does not count.
    assert!(put("a", 1_400).is_ok());
    let document = document(6_145);
    let managed = [("PolicyName", "big"), ("PolicyDocument", document.as_str())];
    assert_eq!(stage.code("iam:CreatePolicy", &managed), "LimitExceeded");
}

#[test]
fn a_policy_has_five_versions_and_its_default_stays() {
    let stage = Stage::new();
    let made = [("PolicyName", "p"), ("PolicyDocument", ALLOW_ALL)];
    let arn = stage.ok("iam:CreatePolicy", &made).text("Arn").unwrap().to_owned();
    let version =
        [("PolicyArn", arn.as_str()), ("PolicyDocument", DENY_ALL), ("SetAsDefault", "true")];
    for _ in 0..4 {
        stage.ok("iam:CreatePolicyVersion", &version);
    }
    assert_eq!(stage.code("iam:CreatePolicyVersion", &version), "LimitExceeded");
    assert_eq!(stage.code("iam:DeletePolicy", &[("PolicyArn", &arn)]), "DeleteConflict");
    let delete =
        |id: &str| stage.code("iam:DeletePolicyVersion", &[("PolicyArn", &arn), ("VersionId", id)]);
    assert_eq!(delete("v5"), "DeleteConflict");
    assert_eq!(delete("v9"), "NoSuchEntity");
    for id in ["v1", "v2", "v3", "v4"] {
        assert_eq!(delete(id), "ok");
    }
    // Numbers are not used again.
    stage.ok("iam:CreatePolicyVersion", &version);
    assert_eq!(delete("v6"), "DeleteConflict");
}

#[test]
fn names_are_compared_without_letter_case_and_have_their_rules() {
    let stage = Stage::new();
    stage.ok("iam:CreateUser", &[("UserName", "Deploy-Bot")]);
    assert_eq!(stage.code("iam:CreateUser", &[("UserName", "deploy-bot")]), "EntityAlreadyExists");
    let found = stage.ok("iam:GetUser", &[("UserName", "DEPLOY-BOT")]);
    assert_eq!(found.text("UserName"), Some("Deploy-Bot"));
    for name in ["", "a/b", "a b", "a\n", "é", &"x".repeat(65)] {
        let code = stage.code("iam:CreateUser", &[("UserName", name)]);
        assert_eq!(code, "ValidationError", "{name:?}");
    }
    let missing = stage.admin().call("iam:GetUser", &[("UserName", "nobody")]);
    assert_eq!((missing.status, missing.code()), (404, "NoSuchEntity"));
    assert_eq!(missing.text("Message"), Some("The user with name nobody cannot be found."));
    for document in
        ["{", "[]", "{}", "{\"Statement\":[]}", "{\"Statement\":{\"Effect\":\"Allow\"}}"]
    {
        let all = [("UserName", "deploy-bot"), ("PolicyName", "p"), ("PolicyDocument", document)];
        assert_eq!(stage.code("iam:PutUserPolicy", &all), "MalformedPolicyDocument", "{document}");
    }
}

#[test]
fn a_user_goes_only_when_it_has_nothing() {
    let stage = Stage::new();
    let bot = stage.user("bot");
    let delete = || stage.code("iam:DeleteUser", &[("UserName", "bot")]);
    assert_eq!(delete(), "DeleteConflict");
    stage.ok("iam:DeleteUserPolicy", &[("UserName", "bot"), ("PolicyName", "all")]);
    assert_eq!(delete(), "DeleteConflict");
    let id = &bot.credentials().access_key_id;
    stage.ok("iam:DeleteAccessKey", &[("UserName", "bot"), ("AccessKeyId", id)]);
    stage.ok("iam:CreateLoginProfile", &[("UserName", "bot"), ("Password", "long enough")]);
    assert_eq!(delete(), "DeleteConflict");
    stage.ok("iam:DeleteLoginProfile", &[("UserName", "bot")]);
    assert_eq!(delete(), "ok");
    assert_eq!(delete(), "NoSuchEntity");
}

#[test]
fn listings_come_in_pages() {
    let stage = Stage::new();
    for number in 0..5 {
        stage.ok("iam:CreateUser", &[("UserName", &format!("u{number}")), ("Path", "/x/")]);
    }
    let first = stage.ok("iam:ListUsers", &[("PathPrefix", "/x/"), ("MaxItems", "2")]);
    assert_eq!(first.text("IsTruncated"), Some("true"));
    assert_eq!(first.body.matches("<member>").count(), 2);
    let mut marker = first.text("Marker").unwrap().to_owned();
    let mut seen = 2;
    loop {
        let all = [("PathPrefix", "/x/"), ("MaxItems", "2"), ("Marker", marker.as_str())];
        let page = stage.ok("iam:ListUsers", &all);
        seen += page.body.matches("<member>").count();
        match page.text("Marker") {
            Some(next) => marker = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, 5);
    for bad in ["0", "1001", "x"] {
        assert!(!stage.admin().call("iam:ListUsers", &[("MaxItems", bad)]).is_ok());
    }
}

#[test]
fn a_call_without_a_name_is_about_the_caller() {
    let stage = Stage::new();
    let bot = stage.user("bot");
    let id = bot.credentials().access_key_id.clone();
    assert_eq!(ok(&bot, "iam:GetUser", &[]).text("UserName"), Some("bot"));
    ok(&bot, "iam:UpdateAccessKey", &[("AccessKeyId", &id), ("Status", "Inactive")]);
    assert_eq!(bot.call("iam:GetUser", &[]).code(), "InvalidClientTokenId");
    let other = [("AccessKeyId", id.as_str()), ("Status", "Active")];
    assert_eq!(stage.code("iam:UpdateAccessKey", &other), "NoSuchEntity");
}
