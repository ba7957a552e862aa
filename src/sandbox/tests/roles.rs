//! Who can assume what, in an account and across two.

use super::*;

const OTHER: &str = "210987654321";

fn trust(principal: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"{principal}"}},"Action":"sts:AssumeRole"}}]}}"#
    )
}

fn role(by: &Player, name: &str, trust: &str) {
    ok(by, "iam:CreateRole", &[("RoleName", name), ("AssumeRolePolicyDocument", trust)]);
}

fn assume(by: &Player, account: &str, name: &str) -> String {
    let arn = format!("arn:aws:iam::{account}:role/{name}");
    let all = [("RoleArn", arn.as_str()), ("RoleSessionName", "test")];
    by.call("sts:AssumeRole", &all).code().to_owned()
}

fn plain_user(stage: &Stage, name: &str) -> Player {
    stage.ok("iam:CreateUser", &[("UserName", name)]);
    stage.key(name)
}

#[test]
fn in_an_account_the_trust_is_enough_where_it_names_the_user() {
    let stage = Stage::new();
    let (plain, strong) = (plain_user(&stage, "plain"), stage.user("strong"));
    role(&stage.admin(), "named", &trust("arn:aws:iam::123456789012:user/plain"));
    role(&stage.admin(), "account", &trust("arn:aws:iam::123456789012:root"));
    assert_eq!(assume(&plain, "123456789012", "named"), "ok");
    assert_eq!(assume(&plain, "123456789012", "account"), "AccessDenied");
    assert_eq!(assume(&strong, "123456789012", "account"), "ok");
    assert_eq!(assume(&strong, "123456789012", "named"), "AccessDenied");
    assert_eq!(assume(&strong, "123456789012", "nowhere"), "AccessDenied");
    stage.put("plain", "hold", DENY_ALL);
    assert_eq!(assume(&plain, "123456789012", "named"), "AccessDenied");
}

#[test]
fn across_accounts_both_sides_must_allow() {
    let stage = Stage::new();
    let now = stage.sandbox.now();
    let admin = stage.player(stage.sandbox.edit(|world| world.add_account(OTHER, now)));
    let (plain, strong) = (plain_user(&stage, "plain"), stage.user("strong"));
    role(&admin, "open", &trust("123456789012"));
    role(&admin, "named", &trust("arn:aws:iam::123456789012:user/plain"));
    role(&admin, "own", &trust(OTHER));
    assert_eq!(assume(&strong, OTHER, "open"), "ok");
    assert_eq!(assume(&plain, OTHER, "open"), "AccessDenied");
    assert_eq!(assume(&plain, OTHER, "named"), "AccessDenied");
    assert_eq!(assume(&strong, OTHER, "own"), "AccessDenied");
    let all = [("RoleArn", "arn:aws:iam::210987654321:role/open"), ("RoleSessionName", "test")];
    let session = stage.mint(&strong, "sts:AssumeRole", &all);
    let who = ok(&session, "sts:GetCallerIdentity", &[]);
    assert_eq!(who.text("Account"), Some(OTHER));
}

#[test]
fn an_external_id_is_asked_for() {
    let stage = Stage::new();
    let strong = stage.user("strong");
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"secret"}}}]}"#;
    role(&stage.admin(), "partner", trust);
    assert_eq!(assume(&strong, "123456789012", "partner"), "AccessDenied");
    let mut all = vec![("RoleArn", "arn:aws:iam::123456789012:role/partner")];
    all.extend([("RoleSessionName", "test"), ("ExternalId", "secret")]);
    assert_eq!(strong.call("sts:AssumeRole", &all).code(), "ok");
}

#[test]
fn a_trust_names_only_what_is_there() {
    let stage = Stage::new();
    let create = |trust: &str| {
        stage.code("iam:CreateRole", &[("RoleName", "r"), ("AssumeRolePolicyDocument", trust)])
    };
    assert_eq!(create(&trust("arn:aws:iam::123456789012:user/nobody")), "MalformedPolicyDocument");
    assert_eq!(create(ALLOW_ALL), "MalformedPolicyDocument");
    assert_eq!(create(&trust("arn:aws:iam::999999999999:user/nobody")), "ok");
}

#[test]
fn a_session_policy_narrows_a_role() {
    let stage = Stage::new();
    let strong = stage.user("strong");
    role(&stage.admin(), "deploy", &trust("123456789012"));
    let put = [("RoleName", "deploy"), ("PolicyName", "all"), ("PolicyDocument", ALLOW_ALL)];
    stage.ok("iam:PutRolePolicy", &put);
    let narrow = r#"{"Statement":{"Effect":"Allow","Action":"iam:*","Resource":"*"}}"#;
    let mut all = vec![("RoleArn", "arn:aws:iam::123456789012:role/deploy")];
    all.extend([("RoleSessionName", "test"), ("Policy", narrow)]);
    let session = stage.mint(&strong, "sts:AssumeRole", &all);
    assert!(session.call("iam:ListUsers", &[]).is_ok());
    let denied = session.list_buckets();
    assert!(denied.body.contains("because no session policy allows"), "{}", denied.body);
}

#[test]
fn a_key_of_another_account_is_nobody_s_business() {
    let stage = Stage::new();
    let now = stage.sandbox.now();
    let foreign = stage.sandbox.edit(|world| world.add_account(OTHER, now)).access_key_id;
    let look = |key: &str| stage.code("iam:GetAccessKeyLastUsed", &[("AccessKeyId", key)]);
    assert_eq!(look(&foreign), "AccessDenied");
    assert_eq!(look("AKIAIOSFODNN7EXAMPLE"), "NoSuchEntity");
    let info = stage.ok("sts:GetAccessKeyInfo", &[("AccessKeyId", &foreign)]);
    assert_eq!(info.text("Account"), Some(OTHER));
}
