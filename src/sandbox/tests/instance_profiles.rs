//! Instance profiles: made, given a role, told of it, and in the way of its end.

use super::*;

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
const WEB: [(&str, &str); 2] = [("InstanceProfileName", "web"), ("RoleName", "server")];

/// A stage with the role `server`.
fn stage() -> Stage {
    let stage = Stage::new();
    role(&stage, "server");
    stage
}

fn role(stage: &Stage, name: &str) {
    stage.ok("iam:CreateRole", &[("RoleName", name), ("AssumeRolePolicyDocument", TRUST)]);
}

fn profile(stage: &Stage, name: &str) -> Answer {
    stage.ok("iam:CreateInstanceProfile", &[("InstanceProfileName", name), ("Path", "/x/")])
}

#[test]
fn a_role_is_in_its_profiles_and_a_profile_has_one() {
    let stage = stage();
    role(&stage, "other");
    let made = profile(&stage, "web");
    assert_eq!(made.text("Arn"), Some("arn:aws:iam::123456789012:instance-profile/x/web"));
    assert!(made.text("InstanceProfileId").unwrap().starts_with("AIPA"));
    assert_eq!(made.text("Roles"), Some(""));
    profile(&stage, "batch");
    stage.ok("iam:AddRoleToInstanceProfile", &WEB);
    stage.ok(
        "iam:AddRoleToInstanceProfile",
        &[("InstanceProfileName", "Batch"), ("RoleName", "SERVER")],
    );
    let second = [("InstanceProfileName", "web"), ("RoleName", "other")];
    let full = stage.admin().call("iam:AddRoleToInstanceProfile", &second);
    assert_eq!((full.status, full.code()), (409, "LimitExceeded"));
    let found = stage.ok("iam:GetInstanceProfile", &[("InstanceProfileName", "WEB")]);
    assert_eq!(found.text("RoleName"), Some("server"));
    assert!(found.text("AssumeRolePolicyDocument").unwrap().contains("ec2.amazonaws.com"));
    let of_role = |name: &str| stage.ok("iam:ListInstanceProfilesForRole", &[("RoleName", name)]);
    assert_eq!(of_role("server").body.matches("<InstanceProfileName>").count(), 2);
    assert_eq!(of_role("other").body.matches("<InstanceProfileName>").count(), 0);
    assert_eq!(stage.code("iam:ListInstanceProfilesForRole", &WEB[..1]), "ValidationError");
    let details = stage.ok("iam:GetAccountAuthorizationDetails", &[("Filter.member.1", "Role")]);
    let lists: Vec<&str> = details.body.split("<InstanceProfileList>").skip(1).collect();
    let counts = lists.iter().map(|list| {
        let (list, _) = list.split_once("</InstanceProfileList>").unwrap();
        list.matches("<InstanceProfileName>").count()
    });
    // In the order of the roles: other, server.
    assert_eq!(counts.collect::<Vec<_>>(), [0, 2]);
}

#[test]
fn neither_goes_while_one_is_in_the_other() {
    let stage = stage();
    profile(&stage, "web");
    stage.ok("iam:AddRoleToInstanceProfile", &WEB);
    let role = stage.admin().call("iam:DeleteRole", &[("RoleName", "server")]);
    assert_eq!((role.status, role.code()), (409, "DeleteConflict"));
    let message = "Cannot delete entity, must remove roles from instance profile first.";
    assert_eq!(role.text("Message"), Some(message));
    assert_eq!(stage.code("iam:DeleteInstanceProfile", &WEB[..1]), "DeleteConflict");
    stage.ok("iam:RemoveRoleFromInstanceProfile", &WEB);
    assert_eq!(stage.code("iam:RemoveRoleFromInstanceProfile", &WEB), "NoSuchEntity");
    stage.ok("iam:DeleteRole", &[("RoleName", "server")]);
    stage.ok("iam:DeleteInstanceProfile", &WEB[..1]);
    assert_eq!(stage.code("iam:DeleteInstanceProfile", &WEB[..1]), "NoSuchEntity");
    assert_eq!(stage.code("iam:GetInstanceProfile", &WEB[..1]), "NoSuchEntity");
}

#[test]
fn names_quotas_and_pages_are_those_of_the_model() {
    let stage = stage();
    profile(&stage, "web");
    let code =
        |name: &str| stage.code("iam:CreateInstanceProfile", &[("InstanceProfileName", name)]);
    assert_eq!(code("Web"), "EntityAlreadyExists");
    for odd in ["", "a/b", "a b", "é", &"x".repeat(129)] {
        assert_eq!(code(odd), "ValidationError", "{odd:?}");
    }
    assert_eq!(code(&"x".repeat(128)), "ok");
    let odd = [("InstanceProfileName", "y"), ("Path", "x")];
    assert_eq!(stage.code("iam:CreateInstanceProfile", &odd), "ValidationError");
    let nothing = [("InstanceProfileName", "web"), ("RoleName", "nobody")];
    assert_eq!(stage.code("iam:AddRoleToInstanceProfile", &nothing), "NoSuchEntity");
    let nowhere = [("InstanceProfileName", "nowhere"), ("RoleName", "server")];
    assert_eq!(stage.code("iam:AddRoleToInstanceProfile", &nowhere), "NoSuchEntity");

    let page = [("MaxItems", "1")];
    let first = stage.ok("iam:ListInstanceProfiles", &page);
    assert_eq!(first.text("InstanceProfileName"), Some("web"));
    let next = [("MaxItems", "1"), ("Marker", first.text("Marker").unwrap())];
    let last = stage.ok("iam:ListInstanceProfiles", &next);
    assert_eq!(last.text("IsTruncated"), Some("false"));
    let under = stage.ok("iam:ListInstanceProfiles", &[("PathPrefix", "/x/")]);
    assert_eq!(under.body.matches("<InstanceProfileName>").count(), 1);

    stage.sandbox.edit(|world| {
        let profiles = &mut world.account_mut("123456789012").unwrap().instance_profiles;
        let known = profiles["web"].clone();
        profiles.extend((profiles.len()..1_000).map(|n| (format!("p{n}"), known.clone())));
    });
    assert_eq!(code("z"), "LimitExceeded");
    let summary = stage.ok("iam:GetAccountSummary", &[]);
    let of = |key: &str, value: u32| format!("<key>{key}</key><value>{value}</value>");
    assert!(summary.body.contains(&of("InstanceProfiles", 1_000)), "{}", summary.body);
    assert!(summary.body.contains(&of("InstanceProfilesQuota", 1_000)));
}

#[test]
fn whoever_gives_a_role_to_instances_must_be_allowed_to_pass_it() {
    let stage = stage();
    profile(&stage, "web");
    stage.ok("iam:CreateUser", &[("UserName", "bot")]);
    let bot = stage.key("bot");
    let add = r#"{"Statement":{"Effect":"Allow","Action":"iam:AddRoleToInstanceProfile","Resource":"arn:aws:iam::123456789012:instance-profile/x/*"}}"#;
    stage.put("bot", "add", add);
    let denied = bot.call("iam:AddRoleToInstanceProfile", &WEB);
    assert_eq!(denied.code(), "AccessDenied");
    let arn = "arn:aws:iam::123456789012:role/server";
    let message = format!(
        "User: arn:aws:iam::123456789012:user/bot is not authorized to perform: iam:PassRole on \
         resource: {arn} because no identity-based policy allows the iam:PassRole action"
    );
    assert_eq!(denied.text("Message"), Some(message.as_str()));
    let pass = |service: &str| {
        let document = format!(
            r#"{{"Statement":{{"Effect":"Allow","Action":"iam:PassRole","Resource":"{arn}","Condition":{{"StringEquals":{{"iam:PassedToService":"{service}"}}}}}}}}"#
        );
        stage.put("bot", "pass", &document);
        bot.call("iam:AddRoleToInstanceProfile", &WEB).code().to_owned()
    };
    assert_eq!(pass("lambda.amazonaws.com"), "AccessDenied");
    assert_eq!(pass("ec2.amazonaws.com"), "ok");
}

#[test]
fn tags_are_shown_and_judged_by_and_a_role_of_a_service_stays_its_own() {
    let stage = stage();
    let mut tagged = vec![("InstanceProfileName", "web"), ("Tags.member.1.Key", "team")];
    tagged.push(("Tags.member.1.Value", "red"));
    stage.ok("iam:CreateInstanceProfile", &tagged);
    let found = stage.ok("iam:GetInstanceProfile", &WEB[..1]);
    assert_eq!((found.text("Key"), found.text("Value")), (Some("team"), Some("red")));
    // Tags are Get's, and no listing's (model).
    assert_eq!(stage.ok("iam:ListInstanceProfiles", &[]).text("Tags"), None);
    let bot = stage.user("bot");
    let deny = r#"{"Statement":{"Effect":"Deny","Action":"iam:*","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"red"}}}}"#;
    stage.put("bot", "not-red", deny);
    assert_eq!(bot.call("iam:DeleteInstanceProfile", &WEB[..1]).code(), "AccessDenied");
    let linked = [
        ("RoleName", "linked"),
        ("Path", "/aws-service-role/x.amazonaws.com/"),
        ("AssumeRolePolicyDocument", TRUST),
    ];
    stage.ok("iam:CreateRole", &linked);
    let linked = [("InstanceProfileName", "web"), ("RoleName", "linked")];
    assert_eq!(stage.code("iam:AddRoleToInstanceProfile", &linked), "UnmodifiableEntity");
}
