//! SSH keys, for CodeCommit.

use crate::sandbox::act::{Act, Done};
use crate::sandbox::dispatch::Table;
use crate::sandbox::fault::Fault;
use crate::sandbox::page::Page;
use crate::sandbox::quota;
use crate::sandbox::user::{Status, Uploaded};
use crate::sandbox::xml::Xml;
use sha2::{Digest, Sha256};

pub(super) const ACTIONS: Table = &[
    ("UploadSSHPublicKey", upload),
    ("GetSSHPublicKey", get),
    ("ListSSHPublicKeys", list),
    ("UpdateSSHPublicKey", update),
    ("DeleteSSHPublicKey", delete),
];

fn upload(act: &mut Act<'_>) -> Done {
    let body = act.params.text("SSHPublicKeyBody", 1, 16_384)?.to_owned();
    let key = act.on_named_user(64, &[])?;
    let begins = |start: &&str| body.trim_start().starts_with(*start);
    if !["ssh-rsa AAAA", "ssh-ed25519 AAAA", "-----BEGIN "].iter().any(begins) {
        let message = "The SSH public key is not valid";
        return Err(Fault::new(400, "InvalidPublicKey", message));
    }
    let user = act.user(&key)?;
    if user.ssh_keys.len() >= quota::SSH_KEYS_PER_USER {
        return Err(Fault::quota("SSHPublicKeysPerUser", quota::SSH_KEYS_PER_USER));
    }
    if user.ssh_keys.iter().any(|known| known.body == body) {
        let message = "The SSH public key is already associated with the specified IAM user.";
        return Err(Fault::new(400, "DuplicateSSHPublicKey", message));
    }
    let name = user.name.clone();
    let id = act.world.ids.unique("APKA");
    let made = Uploaded { id, body, status: Status::Active, created: act.now };
    let mut xml = Xml::new();
    whole(&mut xml, &name, &made);
    act.user_mut(&key)?.ssh_keys.push(made);
    Ok(Some(xml))
}

fn get(act: &mut Act<'_>) -> Done {
    let id = act.params.id("SSHPublicKeyId", 20)?;
    act.params.word("Encoding", &["SSH", "PEM"])?;
    let key = act.on_named_user(64, &[])?;
    let user = act.user(&key)?;
    let found = user.ssh_keys.iter().find(|known| known.id == id).ok_or_else(|| missing(id))?;
    let mut xml = Xml::new();
    whole(&mut xml, &user.name, found);
    Ok(Some(xml))
}

fn list(act: &mut Act<'_>) -> Done {
    let key = act.on_user(64, &[])?;
    let user = act.user(&key)?;
    let page = Page::of(act.params, user.ssh_keys.iter().collect(), |key| key.id.clone())?;
    let mut xml = Xml::new();
    xml.list("SSHPublicKeys", &page.items, |xml, key: &&Uploaded| {
        xml.text("UserName", &user.name).text("SSHPublicKeyId", &key.id);
        xml.text("Status", key.status.as_str()).time("UploadDate", key.created);
    });
    page.end(&mut xml);
    Ok(Some(xml))
}

fn update(act: &mut Act<'_>) -> Done {
    let id = act.params.id("SSHPublicKeyId", 20)?;
    let status = act.params.status()?;
    let key = act.on_named_user(64, &[])?;
    let mut keys = act.user_mut(&key)?.ssh_keys.iter_mut();
    keys.find(|known| known.id == id).ok_or_else(|| missing(id))?.status = status;
    Ok(None)
}

fn delete(act: &mut Act<'_>) -> Done {
    let id = act.params.id("SSHPublicKeyId", 20)?;
    let key = act.on_named_user(64, &[])?;
    let keys = &mut act.user_mut(&key)?.ssh_keys;
    let place = keys.iter().position(|known| known.id == id).ok_or_else(|| missing(id))?;
    keys.remove(place);
    Ok(None)
}

fn whole(xml: &mut Xml, name: &str, key: &Uploaded) {
    xml.within("SSHPublicKey", |xml| {
        xml.text("UserName", name).text("SSHPublicKeyId", &key.id);
        xml.text("Fingerprint", fingerprint(&key.body)).text("SSHPublicKeyBody", &key.body);
        xml.text("Status", key.status.as_str()).time("UploadDate", key.created);
    });
}

/// Sixteen bytes in AWS's form, though not of MD5, which the sandbox does not know.
fn fingerprint(body: &str) -> String {
    let hash: [u8; 32] = Sha256::digest(body.as_bytes()).into();
    let pairs: Vec<String> = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    pairs.join(":")
}

fn missing(id: &str) -> Fault {
    Fault::missing(format!("The SSH Public Key with id {id} cannot be found."))
}
