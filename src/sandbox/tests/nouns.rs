//! The nouns of IAM, made, read, changed and deleted.

use super::*;

/// How a credential is made: the call, the noun of the other calls, parameters, the name of its ID.
type Kind<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str);

#[test]
fn credentials_other_than_keys_are_turned_off_and_on() {
    let stage = Stage::new();
    stage.ok("iam:CreateUser", &[("UserName", "bot")]);
    let certificate = "-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----";
    let kinds: [Kind<'_>; 3] = [
        (
            "UploadSSHPublicKey",
            "SSHPublicKey",
            &[("SSHPublicKeyBody", "ssh-rsa AAAAB3Nz")],
            "SSHPublicKeyId",
        ),
        (
            "UploadSigningCertificate",
            "SigningCertificate",
            &[("CertificateBody", certificate)],
            "CertificateId",
        ),
        (
            "CreateServiceSpecificCredential",
            "ServiceSpecificCredential",
            &[("ServiceName", "codecommit.amazonaws.com")],
            "ServiceSpecificCredentialId",
        ),
    ];
    for (create, noun, with, id_name) in kinds {
        let mut with = with.to_vec();
        with.push(("UserName", "bot"));
        let made = stage.ok(&format!("iam:{create}"), &with);
        let id = made.text(id_name).unwrap().to_owned();
        for status in ["Inactive", "Active"] {
            let all = [("UserName", "bot"), (id_name, id.as_str()), ("Status", status)];
            stage.ok(&format!("iam:Update{noun}"), &all);
            let list = stage.ok(&format!("iam:List{noun}s"), &[("UserName", "bot")]);
            assert_eq!(list.text("Status"), Some(status), "{noun}");
            assert_eq!(list.text(id_name), Some(id.as_str()));
        }
        stage.ok(&format!("iam:Delete{noun}"), &[("UserName", "bot"), (id_name, &id)]);
        let all = [("UserName", "bot"), (id_name, id.as_str()), ("Status", "Active")];
        assert_eq!(stage.code(&format!("iam:Update{noun}"), &all), "NoSuchEntity", "{noun}");
    }
}

#[test]
fn a_service_password_is_shown_once_and_reset() {
    let stage = Stage::new();
    stage.ok("iam:CreateUser", &[("UserName", "bot")]);
    let bedrock =
        [("UserName", "bot"), ("ServiceName", "bedrock.amazonaws.com"), ("CredentialAgeDays", "1")];
    let made = stage.ok("iam:CreateServiceSpecificCredential", &bedrock);
    let (id, secret) = (
        made.text("ServiceSpecificCredentialId").unwrap(),
        made.text("ServiceCredentialSecret").unwrap(),
    );
    let reset = [("UserName", "bot"), ("ServiceSpecificCredentialId", id)];
    let new = stage.ok("iam:ResetServiceSpecificCredential", &reset);
    assert_ne!(new.text("ServiceCredentialSecret"), Some(secret));
    stage.wait(86_400);
    let list = stage.ok("iam:ListServiceSpecificCredentials", &[("UserName", "bot")]);
    assert_eq!(list.text("Status"), Some("Expired"));
    assert_eq!(list.text("ServiceCredentialSecret"), None);
    let odd = [("UserName", "bot"), ("ServiceName", "ec2.amazonaws.com")];
    assert_eq!(stage.code("iam:CreateServiceSpecificCredential", &odd), "NotSupportedService");
}

#[test]
fn groups_give_their_users_what_they_have() {
    let stage = Stage::new();
    stage.ok("iam:CreateUser", &[("UserName", "bot")]);
    let bot = stage.key("bot");
    stage.ok("iam:CreateGroup", &[("GroupName", "Readers")]);
    let s3 = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess";
    stage.ok("iam:AttachGroupPolicy", &[("GroupName", "readers"), ("PolicyArn", s3)]);
    assert!(!alive(&bot));
    stage.ok("iam:AddUserToGroup", &[("GroupName", "readers"), ("UserName", "bot")]);
    assert!(alive(&bot));
    // A new name changes nothing.
    stage.ok("iam:UpdateGroup", &[("GroupName", "readers"), ("NewGroupName", "lookers")]);
    assert!(alive(&bot));
    let groups = stage.ok("iam:ListGroupsForUser", &[("UserName", "bot")]);
    assert_eq!(groups.text("GroupName"), Some("lookers"));
    assert_eq!(stage.code("iam:DeleteGroup", &[("GroupName", "lookers")]), "DeleteConflict");
    stage.ok("iam:RemoveUserFromGroup", &[("GroupName", "lookers"), ("UserName", "bot")]);
    assert!(!alive(&bot));
}

#[test]
fn a_renamed_user_is_the_same_principal() {
    let stage = Stage::new();
    let bot = stage.user("bot");
    let session = stage.mint(&bot, "sts:GetSessionToken", &[]);
    let all = [("UserName", "bot"), ("NewUserName", "Robot"), ("NewPath", "/ops/")];
    stage.ok("iam:UpdateUser", &all);
    assert!(alive(&bot) && alive(&session));
    let who = ok(&session, "sts:GetCallerIdentity", &[]);
    assert_eq!(who.text("Arn"), Some("arn:aws:iam::123456789012:user/ops/Robot"));
}

#[test]
fn the_last_use_of_a_key_is_recorded() {
    let stage = Stage::new();
    let bot = stage.user("bot");
    let id = bot.credentials().access_key_id.clone();
    let look = || stage.ok("iam:GetAccessKeyLastUsed", &[("AccessKeyId", &id)]);
    assert_eq!(look().text("ServiceName"), Some("N/A"));
    assert_eq!(look().text("LastUsedDate"), None);
    stage.wait(7);
    assert!(alive(&bot));
    let used = look();
    assert_eq!(used.text("UserName"), Some("bot"));
    assert_eq!(used.text("ServiceName"), Some("s3"));
    assert_eq!(used.text("LastUsedDate"), Some("2026-09-21T14:13:27Z"));
}

#[test]
fn conditions_on_what_is_attached_are_kept() {
    let stage = Stage::new();
    stage.ok("iam:CreateUser", &[("UserName", "responder-2")]);
    stage.ok("iam:CreateUser", &[("UserName", "bot")]);
    let responder = stage.key("responder-2");
    let only = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["iam:AttachUserPolicy","iam:PutUserPermissionsBoundary"],"Resource":"arn:aws:iam::*:user/bot","Condition":{"ArnLikeIfExists":{"iam:PolicyARN":"arn:aws:iam::aws:policy/AWSDenyAll","iam:PermissionsBoundary":"arn:aws:iam::aws:policy/AWSDenyAll"}}}}"#;
    stage.put("responder-2", "only", only);
    let deny = "arn:aws:iam::aws:policy/AWSDenyAll";
    let admin = "arn:aws:iam::aws:policy/AdministratorAccess";
    let attach = |arn: &str, user: &str| {
        let all = [("UserName", user), ("PolicyArn", arn)];
        responder.call("iam:AttachUserPolicy", &all).code().to_owned()
    };
    let bound = |arn: &str| {
        let all = [("UserName", "bot"), ("PermissionsBoundary", arn)];
        responder.call("iam:PutUserPermissionsBoundary", &all).code().to_owned()
    };
    assert_eq!(attach(admin, "bot"), "AccessDenied");
    assert_eq!(attach(deny, "responder"), "AccessDenied");
    assert_eq!(bound(admin), "AccessDenied");
    assert_eq!(attach(deny, "bot"), "ok");
    assert_eq!(bound(deny), "ok");
}

#[test]
fn tags_are_set_read_and_judged_by() {
    let stage = Stage::new();
    let bot = stage.user("bot");
    let tag = [("UserName", "bot"), ("Tags.member.1.Key", "team"), ("Tags.member.1.Value", "red")];
    stage.ok("iam:TagUser", &tag);
    let deny = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/team":"red"}}}}"#;
    stage.put("bot", "tagged", deny);
    assert!(!alive(&bot));
    stage.ok("iam:UntagUser", &[("UserName", "bot"), ("TagKeys.member.1", "Team")]);
    assert!(alive(&bot));
}

#[test]
fn the_simulator_looks_at_what_is_stored() {
    let stage = Stage::new();
    stage.user("bot");
    stage.lag(60);
    stage.put("bot", "hold", DENY_ALL);
    let mut all = vec![("PolicySourceArn", "arn:aws:iam::123456789012:user/bot")];
    all.extend([("ActionNames.member.1", "s3:GetObject"), ("ActionNames.member.2", "iam:GetUser")]);
    let answer = stage.ok("iam:SimulatePrincipalPolicy", &all);
    assert_eq!(answer.body.matches("<EvalDecision>explicitDeny</EvalDecision>").count(), 2);
    let fence = r#"{"Statement":{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"DateLessThan":{"aws:TokenIssueTime":"2026-01-01T00:00:00Z"}}}}"#;
    let mut all =
        vec![("PolicyInputList.member.1", fence), ("PolicyInputList.member.2", ALLOW_ALL)];
    all.push(("ActionNames.member.1", "s3:GetObject"));
    assert_eq!(stage.ok("iam:SimulateCustomPolicy", &all).text("EvalDecision"), Some("allowed"));
    all.push(("ContextEntries.member.1.ContextKeyName", "aws:TokenIssueTime"));
    all.push(("ContextEntries.member.1.ContextKeyValues.member.1", "2025-01-01T00:00:00Z"));
    let fenced = stage.ok("iam:SimulateCustomPolicy", &all);
    assert_eq!(fenced.text("EvalDecision"), Some("explicitDeny"));
}

#[test]
fn policies_of_aws_can_be_read_and_not_changed() {
    let stage = Stage::new();
    let arn = "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3";
    let policy = stage.ok("iam:GetPolicy", &[("PolicyArn", arn)]);
    assert_eq!(policy.text("DefaultVersionId"), Some("v3"));
    let version = [("PolicyArn", arn), ("VersionId", "v1")];
    let document = stage.ok("iam:GetPolicyVersion", &version);
    assert!(document.text("Document").unwrap().starts_with("%7B%22Version%22"));
    assert_eq!(stage.code("iam:DeletePolicy", &[("PolicyArn", arn)]), "AccessDenied");
    let nothing = [("UserName", "responder"), ("PolicyArn", "arn:aws:iam::aws:policy/Nothing")];
    assert_eq!(stage.code("iam:AttachUserPolicy", &nothing), "NoSuchEntity");
}

#[test]
fn a_bucket_is_something_to_be_denied() {
    let stage = Stage::new();
    let bot = stage.user("bot");
    let created = stage.sandbox.now();
    stage.sandbox.edit(|world| {
        let objects = [("payroll.csv".to_owned(), b"secret".to_vec())].into();
        let bucket = crate::sandbox::Bucket { created, objects };
        world.account_mut("123456789012").unwrap().buckets.insert("data".to_owned(), bucket);
    });
    assert!(bot.list_buckets().body.contains("<Name>data</Name>"));
    assert_eq!(bot.get_object("data", "payroll.csv").body, "secret");
    assert_eq!(bot.get_object("data", "nothing").code(), "NoSuchKey");
    assert_eq!(bot.get_object("nowhere", "nothing").code(), "NoSuchBucket");
    stage.put("bot", "hold", DENY_ALL);
    assert_eq!(bot.get_object("data", "payroll.csv").code(), "AccessDenied");
}
