//! Server certificates: uploaded, told, renamed and deleted.

use super::*;

const BODY: &str = "-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----";
const KEY: &str = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----";

fn with<'a>(name: &'a str, body: &'a str, key: &'a str) -> [(&'a str, &'a str); 3] {
    [("ServerCertificateName", name), ("CertificateBody", body), ("PrivateKey", key)]
}

#[test]
fn a_certificate_is_told_and_its_key_is_not() {
    let stage = Stage::new();
    let mut all = with("web", BODY, KEY).to_vec();
    all.extend([("Path", "/x/"), ("CertificateChain", BODY)]);
    all.extend([("Tags.member.1.Key", "team"), ("Tags.member.1.Value", "red")]);
    let made = stage.ok("iam:UploadServerCertificate", &all);
    assert_eq!(made.text("Arn"), Some("arn:aws:iam::123456789012:server-certificate/x/web"));
    assert!(made.text("ServerCertificateId").unwrap().starts_with("ASCA"));
    assert_eq!(made.text("Value"), Some("red"));
    let found = stage.ok("iam:GetServerCertificate", &[("ServerCertificateName", "WEB")]);
    assert_eq!(found.text("CertificateBody"), Some(BODY));
    assert_eq!(found.text("CertificateChain"), Some(BODY));
    assert_eq!(found.text("Value"), Some("red"));
    for text in [found.body, stage.sandbox.save()] {
        assert!(text.contains("MIIC") && !text.contains("MIIE"), "{text}");
    }
}

#[test]
fn a_new_name_must_be_free_and_allowed() {
    let stage = Stage::new();
    stage.ok("iam:UploadServerCertificate", &with("old", BODY, KEY));
    stage.ok("iam:UploadServerCertificate", &with("taken", BODY, KEY));
    let rename = |to: &'static str| {
        [("ServerCertificateName", "old"), ("NewServerCertificateName", to), ("NewPath", "/y/")]
    };
    assert_eq!(stage.code("iam:UpdateServerCertificate", &rename("TAKEN")), "EntityAlreadyExists");
    stage.ok("iam:CreateUser", &[("UserName", "bot")]);
    let bot = stage.key("bot");
    let only = |arn: &str| {
        let document = format!(
            r#"{{"Statement":{{"Effect":"Allow","Action":"iam:*","Resource":["arn:aws:iam::123456789012:server-certificate/old","{arn}"]}}}}"#
        );
        stage.put("bot", "only", &document);
    };
    only("arn:aws:iam::123456789012:server-certificate/new");
    assert_eq!(bot.call("iam:UpdateServerCertificate", &rename("new")).code(), "AccessDenied");
    only("arn:aws:iam::123456789012:server-certificate/y/new");
    assert_eq!(bot.call("iam:UpdateServerCertificate", &rename("new")).code(), "ok");
    let old = [("ServerCertificateName", "old")];
    assert_eq!(stage.code("iam:GetServerCertificate", &old), "NoSuchEntity");
    let found = stage.ok("iam:GetServerCertificate", &[("ServerCertificateName", "new")]);
    assert_eq!(found.text("Arn"), Some("arn:aws:iam::123456789012:server-certificate/y/new"));
    stage.ok("iam:DeleteServerCertificate", &[("ServerCertificateName", "new")]);
    let gone = stage.admin().call("iam:DeleteServerCertificate", &rename("new")[..1]);
    assert_eq!((gone.status, gone.code()), (404, "NoSuchEntity"));
}

#[test]
fn names_texts_quotas_and_pages_are_those_of_the_model() {
    let stage = Stage::new();
    let upload = |name: &str, body: &str, key: &str| {
        stage.code("iam:UploadServerCertificate", &with(name, body, key))
    };
    for odd in ["", "a/b", "a b", "é", &"x".repeat(129)] {
        assert_eq!(upload(odd, BODY, KEY), "ValidationError", "{odd:?}");
    }
    assert_eq!(upload("web", "", KEY), "ValidationError");
    assert_eq!(upload("web", &BODY.replace("MIIC", "証"), KEY), "ValidationError");
    assert_eq!(upload("web", &BODY.replace("MIIC", &"x".repeat(16_384)), KEY), "ValidationError");
    assert_eq!(upload("web", "MIIC", KEY), "MalformedCertificate");
    assert_eq!(upload("web", KEY, KEY), "MalformedCertificate");
    assert_eq!(upload("web", BODY, BODY), "MalformedCertificate");
    for number in 0..20 {
        assert_eq!(upload(&format!("c{number}"), BODY, KEY), "ok");
    }
    assert_eq!(upload("C0", BODY, KEY), "EntityAlreadyExists");
    assert_eq!(upload("more", BODY, KEY), "LimitExceeded");
    let summary = stage.ok("iam:GetAccountSummary", &[]);
    for key in ["ServerCertificates", "ServerCertificatesQuota"] {
        let entry = format!("<key>{key}</key><value>20</value>");
        assert!(summary.body.contains(&entry), "{}", summary.body);
    }
    let first = stage.ok("iam:ListServerCertificates", &[("MaxItems", "19")]);
    assert_eq!(first.text("IsTruncated"), Some("true"));
    let next = [("Marker", first.text("Marker").unwrap())];
    let last = stage.ok("iam:ListServerCertificates", &next);
    assert_eq!(last.body.matches("<ServerCertificateName>").count(), 1);
    let none = stage.ok("iam:ListServerCertificates", &[("PathPrefix", "/x/")]);
    assert_eq!(none.text("ServerCertificateMetadataList"), Some(""));
}
