//! Signing certificates, of the days of SOAP.

use crate::sandbox::act::{Act, Done};
use crate::sandbox::dispatch::Table;
use crate::sandbox::fault::Fault;
use crate::sandbox::page::Page;
use crate::sandbox::quota;
use crate::sandbox::user::{Status, Uploaded};
use crate::sandbox::xml::Xml;

pub(super) const ACTIONS: Table = &[
    ("UploadSigningCertificate", upload),
    ("ListSigningCertificates", list),
    ("UpdateSigningCertificate", update),
    ("DeleteSigningCertificate", delete),
];

fn upload(act: &mut Act<'_>) -> Done {
    let body = act.params.text("CertificateBody", 1, 16_384)?.to_owned();
    let key = act.on_user(128, &[])?;
    if !body.trim_start().starts_with("-----BEGIN CERTIFICATE-----") {
        let message = "Certificate is not well-formed";
        return Err(Fault::new(400, "MalformedCertificate", message));
    }
    let user = act.user(&key)?;
    if user.certificates.iter().any(|known| known.body == body) {
        let message = "The certificate is already associated with the user";
        return Err(Fault::new(409, "DuplicateCertificate", message));
    }
    if user.certificates.len() >= quota::CERTIFICATES_PER_USER {
        return Err(Fault::quota("CertificatesPerUser", quota::CERTIFICATES_PER_USER));
    }
    let name = user.name.clone();
    let id = act.world.ids.base32(32);
    let made = Uploaded { id, body, status: Status::Active, created: act.now };
    let mut xml = Xml::new();
    xml.within("Certificate", |xml| shown(xml, &name, &made));
    act.user_mut(&key)?.certificates.push(made);
    Ok(Some(xml))
}

fn list(act: &mut Act<'_>) -> Done {
    let key = act.on_user(128, &[])?;
    let user = act.user(&key)?;
    let page = Page::of(act.params, user.certificates.iter().collect(), |known| known.id.clone())?;
    let mut xml = Xml::new();
    // Not in the service model, but AWS sends it.
    xml.text("UserName", &user.name);
    xml.list("Certificates", &page.items, |xml, known| shown(xml, &user.name, known));
    page.end(&mut xml);
    Ok(Some(xml))
}

fn update(act: &mut Act<'_>) -> Done {
    let id = act.params.id("CertificateId", 24)?;
    let status = act.params.status()?;
    let key = act.on_user(128, &[])?;
    let mut certificates = act.user_mut(&key)?.certificates.iter_mut();
    certificates.find(|known| known.id == id).ok_or_else(|| missing(id))?.status = status;
    Ok(None)
}

fn delete(act: &mut Act<'_>) -> Done {
    let id = act.params.id("CertificateId", 24)?;
    let key = act.on_user(128, &[])?;
    let certificates = &mut act.user_mut(&key)?.certificates;
    let place = certificates.iter().position(|known| known.id == id).ok_or_else(|| missing(id))?;
    certificates.remove(place);
    Ok(None)
}

fn shown(xml: &mut Xml, name: &str, certificate: &Uploaded) {
    xml.text("UserName", name).text("CertificateId", &certificate.id);
    xml.text("CertificateBody", &certificate.body).text("Status", certificate.status.as_str());
    xml.time("UploadDate", certificate.created);
}

fn missing(id: &str) -> Fault {
    Fault::missing(format!("The Certificate with id {id} cannot be found."))
}
