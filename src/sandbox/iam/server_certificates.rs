//! Server certificates. They are kept and told, not understood: no certificate is read for when it
//! ends, nor compared with its key.

use super::tagged;
use crate::sandbox::account::{Account, fold};
use crate::sandbox::act::{Act, Done};
use crate::sandbox::dispatch::Table;
use crate::sandbox::fault::Fault;
use crate::sandbox::page::Page;
use crate::sandbox::quota;
use crate::sandbox::rules;
use crate::sandbox::server_certificate::ServerCertificate;
use crate::sandbox::xml::Xml;

pub(super) const ACTIONS: Table = &[
    ("UploadServerCertificate", upload),
    ("GetServerCertificate", get),
    ("ListServerCertificates", list),
    ("UpdateServerCertificate", update),
    ("DeleteServerCertificate", delete),
];

fn upload(act: &mut Act<'_>) -> Done {
    let name = act.params.name("ServerCertificateName", 128)?.to_owned();
    let path = act.params.path("Path")?.to_owned();
    let body = act.params.latin("CertificateBody", 16_384)?.to_owned();
    let key = act.params.latin("PrivateKey", 16_384)?;
    let chain = act.params.maybe_latin("CertificateChain", 2_097_152)?.map(str::to_owned);
    let tags = act.params.tags()?;
    act.allow_tagging(&act.iam_arn(&format!("server-certificate{path}{name}")), &[], &tags)?;
    for text in [Some(&body), chain.as_ref()].into_iter().flatten() {
        pem(text, |label| label == "CERTIFICATE", "certificate")?;
    }
    pem(key, |label| label.ends_with("PRIVATE KEY"), "key")?;
    let known = &act.account()?.server_certificates;
    if known.contains_key(&fold(&name)) {
        return Err(exists(&name));
    }
    if known.len() >= quota::SERVER_CERTIFICATES {
        return Err(Fault::quota("ServerCertificatesPerAccount", quota::SERVER_CERTIFICATES));
    }
    let id = act.world.ids.unique("ASCA");
    let made = ServerCertificate { id, uploaded: act.now, name, path, body, chain, tags };
    let mut xml = Xml::new();
    let account = act.account()?;
    xml.within("ServerCertificateMetadata", |xml| brief(xml, act, account, &made));
    tagged(&mut xml, &made.tags);
    act.account_mut()?.server_certificates.insert(fold(&made.name), made);
    Ok(Some(xml))
}

/// Whether a text is PEM of a kind.
fn pem(text: &str, of_kind: impl Fn(&str) -> bool, what: &str) -> Result<(), Fault> {
    let label = || {
        let (label, rest) = text.trim().strip_prefix("-----BEGIN ")?.split_once("-----")?;
        let whole = of_kind(label) && rest.ends_with(&format!("-----END {label}-----"));
        whole.then_some(())
    };
    label().ok_or_else(|| {
        let message = format!("Unable to parse {what}. Please ensure the {what} is in PEM format.");
        Fault::new(400, "MalformedCertificate", message)
    })
}

fn get(act: &mut Act<'_>) -> Done {
    let key = on_certificate(act)?;
    let account = act.account()?;
    let found = account.server_certificates.get(&key).ok_or_else(|| missing(&key))?;
    let mut xml = Xml::new();
    xml.within("ServerCertificate", |xml| {
        xml.within("ServerCertificateMetadata", |xml| brief(xml, act, account, found));
        xml.text("CertificateBody", &found.body).maybe("CertificateChain", found.chain.as_ref());
        tagged(xml, &found.tags);
    });
    Ok(Some(xml))
}

fn list(act: &mut Act<'_>) -> Done {
    let prefix = act.params.prefix()?;
    act.allow(&act.iam_arn(&format!("server-certificate{prefix}")))?;
    let account = act.account()?;
    let known = account.server_certificates.values();
    let known = known.filter(|certificate| certificate.path.starts_with(prefix)).collect();
    let page = Page::of(act.params, known, |known: &&ServerCertificate| fold(&known.name))?;
    let mut xml = Xml::new();
    xml.list("ServerCertificateMetadataList", &page.items, |xml, known| {
        brief(xml, act, account, known);
    });
    page.end(&mut xml);
    Ok(Some(xml))
}

fn update(act: &mut Act<'_>) -> Done {
    let name = act.params.maybe_name("NewServerCertificateName", 128)?.map(str::to_owned);
    let path = act.params.get("NewPath").map(|path| rules::path("NewPath", path)).transpose()?;
    let path = path.map(str::to_owned);
    let key = on_certificate(act)?;
    let known = act.account()?.server_certificates.get(&key).ok_or_else(|| missing(&key))?;
    let name = name.unwrap_or_else(|| known.name.clone());
    let path = path.unwrap_or_else(|| known.path.clone());
    // AWS asks for the permission under the new name too.
    act.allow(&act.iam_arn(&format!("server-certificate{path}{name}")))?;
    let new_key = fold(&name);
    if new_key != key && act.account()?.server_certificates.contains_key(&new_key) {
        return Err(exists(&name));
    }
    let certificates = &mut act.account_mut()?.server_certificates;
    if let Some(mut certificate) = certificates.remove(&key) {
        (certificate.name, certificate.path) = (name, path);
        certificates.insert(new_key, certificate);
    }
    Ok(None)
}

fn delete(act: &mut Act<'_>) -> Done {
    let key = on_certificate(act)?;
    act.account_mut()?.server_certificates.remove(&key);
    Ok(None)
}

/// The certificate that a call is about, once the caller may: as it is looked up.
fn on_certificate(act: &Act<'_>) -> Result<String, Fault> {
    let name = act.params.name("ServerCertificateName", 128)?;
    let account = act.account()?;
    let found = account.server_certificates.get(&fold(name));
    let arn = match found {
        Some(certificate) => certificate.arn(&act.world.partition, &account.id),
        None => act.iam_arn(&format!("server-certificate/{name}")),
    };
    act.allow_on(&arn, None, found.map_or(&[][..], |certificate| &certificate.tags), &[])?;
    found.map(|certificate| fold(&certificate.name)).ok_or_else(|| missing(name))
}

fn exists(name: &str) -> Fault {
    Fault::exists(format!("The Server Certificate with name {name} already exists."))
}

fn missing(name: &str) -> Fault {
    Fault::missing(format!("The Server Certificate with name {name} cannot be found."))
}

/// Writes what a listing tells of a certificate.
fn brief(xml: &mut Xml, act: &Act<'_>, account: &Account, certificate: &ServerCertificate) {
    xml.text("Path", &certificate.path).text("ServerCertificateName", &certificate.name);
    xml.text("ServerCertificateId", &certificate.id);
    xml.text("Arn", certificate.arn(&act.world.partition, &account.id));
    xml.time("UploadDate", certificate.uploaded);
}
