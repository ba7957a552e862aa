//! Replies have the elements and the nesting of those that AWS gave others.

use super::*;
use quick_xml::Reader;
use quick_xml::events::Event;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The folder of the recordings.
const FOLDER: &str = "iam-wire";
/// Replies that AWS gave others, each with what it comes to when botocore has read it.
const REPLIES: &str = "botocore_response_parsing";

/// Recordings that are compared with nothing, and why.
const NOT_COMPARED: &[(&str, &str)] = &[
    (
        "botocore_protocols/input/query.json",
        "requests of services that were invented to test clients of the Query protocol",
    ),
    ("botocore_protocols/output/query.json", "replies of such invented services"),
    ("botocore_protocols/legacy/output/query.json", "replies of such invented services, older"),
];

/// Elements of a recording that the sandbox does not send, and why.
const LACKING: &[(&str, &str, &str)] = &[(
    "responses/iam-list-instance-profiles",
    "/member/Id",
    "what InstanceProfileId was called in 2012; the model has no Id, and botocore drops it",
)];

/// All files of the recordings, by their paths in the folder; none where it is not there.
fn recordings() -> Vec<String> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else {
                found.push(path);
            }
        }
    }
    let root = fixtures().join(FOLDER);
    let mut found = Vec::new();
    walk(&root, &mut found);
    let names = found.iter().map(|path| path.strip_prefix(&root).unwrap().to_str().unwrap());
    names.filter(|name| !name.starts_with("LICENSE")).map(str::to_owned).collect()
}

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
/// [`LACKING`] names. Returns how many of those there were.
fn alike(file: &str, ours: &Answer) -> usize {
    let recorded = fixture(&format!("{FOLDER}/{REPLIES}/{file}.xml")).unwrap();
    let own = paths(&ours.body);
    let mut lacking: Vec<String> = paths(&recorded).difference(&own).cloned().collect();
    let all = lacking.len();
    lacking.retain(|path| !LACKING.iter().any(|(of, end, _)| *of == file && path.ends_with(end)));
    assert!(lacking.is_empty(), "{file} lacks {lacking:?} of {}", ours.body);
    let namespace = |text: &str| {
        text.split("xmlns=\"").nth(1).map(|rest| rest.split('"').next().unwrap().to_owned())
    };
    assert_eq!(namespace(&recorded), namespace(&ours.body), "{file}");
    for text in recorded.split("<key>").skip(1) {
        let key = text.split('<').next().unwrap();
        assert!(ours.body.contains(&format!("<key>{key}</key>")), "{file} lacks {key}");
    }
    all - lacking.len()
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
    stage.ok("iam:CreateInstanceProfile", &[("InstanceProfileName", "Webserver")]);
    let key = "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----";
    let server = [
        ("ServerCertificateName", "ProdServerCert"),
        ("CertificateBody", certificate),
        ("PrivateKey", key),
    ];
    stage.ok("iam:UploadServerCertificate", &server);
    (stage, bot)
}

/// A recording, the action that it is of, and parameters.
type Recorded<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)]);

/// What the sandbox answers to the calls that were recorded, by the recording.
fn replies() -> Vec<(String, Answer)> {
    let (stage, bot) = staged();
    let device = stage.ok("iam:CreateVirtualMFADevice", &[("VirtualMFADeviceName", "phone")]);
    let serial = "arn:aws:iam::123456789012:mfa/phone";
    let mut enable = vec![("UserName", "bot"), ("SerialNumber", serial)];
    enable.extend([("AuthenticationCode1", "123456"), ("AuthenticationCode2", "654321")]);
    stage.ok("iam:EnableMFADevice", &enable);
    let on_bot = [("UserName", "bot")];
    let calls: [Recorded<'_>; 14] = [
        ("iam-get-account-summary", "iam:GetAccountSummary", &[]),
        ("iam-get-group", "iam:GetGroup", &[("GroupName", "team")]),
        ("iam-get-user-policy", "iam:GetUserPolicy", &[("UserName", "bot"), ("PolicyName", "all")]),
        ("iam-get-user", "iam:GetUser", &on_bot),
        ("iam-list-access-keys", "iam:ListAccessKeys", &on_bot),
        ("iam-list-account-aliases", "iam:ListAccountAliases", &[]),
        ("iam-list-groups", "iam:ListGroups", &[]),
        ("iam-list-instance-profiles", "iam:ListInstanceProfiles", &[]),
        ("iam-list-mfa-devices", "iam:ListMFADevices", &on_bot),
        ("iam-list-roles", "iam:ListRoles", &[]),
        ("iam-list-server-certificates", "iam:ListServerCertificates", &[]),
        ("iam-list-signing-certificates", "iam:ListSigningCertificates", &on_bot),
        ("iam-list-users", "iam:ListUsers", &[]),
        ("iam-list-virtual-mfa-devices", "iam:ListVirtualMFADevices", &[]),
    ];
    let answers = calls.map(|(file, action, with)| (file, stage.ok(action, with)));
    let mut all = answers.map(|(file, answer)| (format!("responses/{file}"), answer)).to_vec();
    let mut add = |file: &str, answer: Answer| all.push((file.to_owned(), answer));
    add("responses/iam-create-virtual-mfa-device", device);
    add("responses/sts-get-session-token", ok(&bot, "sts:GetSessionToken", &[]));
    let missing = stage.admin().call("iam:GetUser", &[("UserName", "foobar")]);
    add("errors/iam-get-user", missing);
    let wrong = [("SerialNumber", serial), ("TokenCode", "000000")];
    add("errors/sts-get-session-token", bot.call("sts:GetSessionToken", &wrong));
    all
}

#[test]
fn replies_are_like_the_recorded_ones() {
    if fixture(&format!("{FOLDER}/LICENSE.botocore")).is_none() {
        return;
    }
    let replies = replies();
    let lacking: usize = replies.iter().map(|(file, answer)| alike(file, answer)).sum();
    assert_eq!(lacking, LACKING.len(), "an element is sent after all: {LACKING:?}");
    // Each recorded reply stands there twice: as it came, and as botocore has read it.
    let compared = replies
        .iter()
        .flat_map(|(file, _)| ["xml", "json"].map(|form| format!("{REPLIES}/{file}.{form}")));
    let listed = NOT_COMPARED.iter().map(|(file, _)| (*file).to_owned());
    let known: BTreeSet<String> = compared.chain(listed).collect();
    let there: BTreeSet<String> = recordings().into_iter().collect();
    let left: Vec<_> = there.difference(&known).collect();
    assert!(left.is_empty(), "neither compared nor listed with a reason: {left:?}");
    let gone: Vec<_> = known.difference(&there).collect();
    assert!(gone.is_empty(), "listed, and not there: {gone:?}");
}

#[test]
fn aws_s_own_client_reads_what_the_recordings_have_under_older_names() {
    let (stage, _) = staged();
    let config = crate::sandbox::in_process::sdk_config(&stage.sandbox, &stage.sandbox.admin());
    let iam = aws_sdk_iam::Client::new(&config);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let profiles = iam.list_instance_profiles().send().await.unwrap();
        let [profile] = profiles.instance_profiles() else { panic!("{profiles:?}") };
        assert_eq!(profile.instance_profile_name(), "Webserver");
        assert!(profile.instance_profile_id().starts_with("AIPA"));
        let certificates = iam.list_server_certificates().send().await.unwrap();
        let [certificate] = certificates.server_certificate_metadata_list() else {
            panic!("{certificates:?}")
        };
        assert_eq!(certificate.server_certificate_name(), "ProdServerCert");
        assert!(certificate.server_certificate_id().starts_with("ASCA"));
    });
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
