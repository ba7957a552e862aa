//! Replies have the elements and the nesting of those that AWS gave others.

use super::*;
use quick_xml::Reader;
use quick_xml::events::Event;
use std::collections::BTreeSet;

/// The paths of all elements.
fn paths(xml: &str) -> BTreeSet<String> {
    let mut reader = Reader::from_str(xml);
    let (mut stack, mut all): (Vec<String>, _) = (Vec::new(), BTreeSet::new());
    loop {
        match reader.read_event().unwrap() {
            Event::Start(start) => {
                stack.push(String::from_utf8(start.name().as_ref().to_vec()).unwrap());
                all.insert(stack.join("/"));
            }
            Event::Empty(empty) => {
                let name = String::from_utf8(empty.name().as_ref().to_vec()).unwrap();
                all.insert(format!("{}/{name}", stack.join("/")));
            }
            Event::End(_) => drop(stack.pop()),
            Event::Eof => return all,
            _ => {}
        }
    }
}

/// Compares a reply of ours with a recorded one: all that was recorded must be in ours, but for what
/// is named.
fn alike(file: &str, ours: &Answer, except: &[&str]) {
    let folder = "iam-wire/botocore_response_parsing";
    let Some(recorded) = fixture(&format!("{folder}/{file}.xml")) else { return };
    let (recorded, own) = (paths(&recorded), paths(&ours.body));
    let lacking: Vec<_> = recorded
        .difference(&own)
        .filter(|path| !except.iter().any(|except| path.contains(except)))
        .collect();
    assert!(lacking.is_empty(), "{file} lacks {lacking:?} of {}", ours.body);
    let namespace = |text: &str| {
        text.split("xmlns=\"").nth(1).map(|rest| rest.split('"').next().unwrap().to_owned())
    };
    let folder = "iam-wire/botocore_response_parsing";
    let text = fixture(&format!("{folder}/{file}.xml")).unwrap();
    assert_eq!(namespace(&text), namespace(&ours.body), "{file}");
}

fn staged() -> (Stage, Player) {
    let stage = Stage::new();
    let bot = stage.user("bot");
    stage.key("bot");
    stage.ok("iam:CreateGroup", &[("GroupName", "team")]);
    stage.ok("iam:AddUserToGroup", &[("GroupName", "team"), ("UserName", "bot")]);
    let trust = r#"{"Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}"#;
    stage.ok("iam:CreateRole", &[("RoleName", "r"), ("AssumeRolePolicyDocument", trust)]);
    stage.ok("iam:CreateAccountAlias", &[("AccountAlias", "foocorporation")]);
    let certificate = "-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----";
    stage.ok(
        "iam:UploadSigningCertificate",
        &[("UserName", "bot"), ("CertificateBody", certificate)],
    );
    (stage, bot)
}

/// A recording, the action that it is of, and parameters.
type Recorded<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)]);

#[test]
fn replies_are_like_the_recorded_ones() {
    let (stage, bot) = staged();
    let device = stage.ok("iam:CreateVirtualMFADevice", &[("VirtualMFADeviceName", "phone")]);
    alike("responses/iam-create-virtual-mfa-device", &device, &[]);
    let serial = "arn:aws:iam::123456789012:mfa/phone";
    let mut enable = vec![("UserName", "bot"), ("SerialNumber", serial)];
    enable.extend([("AuthenticationCode1", "123456"), ("AuthenticationCode2", "654321")]);
    stage.ok("iam:EnableMFADevice", &enable);
    let on_bot = [("UserName", "bot")];
    let calls: [Recorded<'_>; 12] = [
        ("iam-get-account-summary", "iam:GetAccountSummary", &[]),
        ("iam-get-group", "iam:GetGroup", &[("GroupName", "team")]),
        ("iam-get-user-policy", "iam:GetUserPolicy", &[("UserName", "bot"), ("PolicyName", "all")]),
        ("iam-get-user", "iam:GetUser", &on_bot),
        ("iam-list-access-keys", "iam:ListAccessKeys", &on_bot),
        ("iam-list-account-aliases", "iam:ListAccountAliases", &[]),
        ("iam-list-groups", "iam:ListGroups", &[]),
        ("iam-list-mfa-devices", "iam:ListMFADevices", &on_bot),
        ("iam-list-roles", "iam:ListRoles", &[]),
        ("iam-list-signing-certificates", "iam:ListSigningCertificates", &on_bot),
        ("iam-list-users", "iam:ListUsers", &[]),
        ("iam-list-virtual-mfa-devices", "iam:ListVirtualMFADevices", &[]),
    ];
    for (file, action, with) in calls {
        alike(&format!("responses/{file}"), &stage.ok(action, with), &[]);
    }
    // Not served: instance profiles and server certificates, which are no business of containment.
    let token = ok(&bot, "sts:GetSessionToken", &[]);
    alike("responses/sts-get-session-token", &token, &[]);
    let missing = stage.admin().call("iam:GetUser", &[("UserName", "foobar")]);
    alike("errors/iam-get-user", &missing, &[]);
    let wrong = [("SerialNumber", serial), ("TokenCode", "000000")];
    alike("errors/sts-get-session-token", &bot.call("sts:GetSessionToken", &wrong), &[]);
}

#[test]
fn an_error_says_what_aws_says() {
    let (stage, bot) = staged();
    stage.put("bot", "hold", DENY_ALL);
    let denied = bot.call("iam:GetUser", &[("UserName", "bot")]);
    let arn = "arn:aws:iam::123456789012:user/bot";
    let message = format!(
        "User: {arn} is not authorized to perform: iam:GetUser on resource: {arn} with an explicit \
         deny in an identity-based policy"
    );
    assert_eq!((denied.status, denied.text("Message")), (403, Some(message.as_str())));
    stage.ok("iam:DeleteUserPolicy", &[("UserName", "bot"), ("PolicyName", "hold")]);
    stage.ok("iam:DeleteUserPolicy", &[("UserName", "bot"), ("PolicyName", "all")]);
    let denied = bot.call("iam:GetUser", &[("UserName", "bot")]);
    assert!(denied.body.contains("because no identity-based policy allows the iam:GetUser action"));
}
