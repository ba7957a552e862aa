//! One signature over a plan's bytes, in OpenSSH's own format.

use super::NAMESPACE;
use super::signers::fingerprint;
use ssh_key::{Algorithm, PublicKey, SshSig};

/// Nothing that ssh-keygen writes is nearly as large.
pub const LARGEST: usize = 64 << 10;

/// A signature that is good over some bytes, and by which key.
pub(super) struct Good {
    pub(super) key: PublicKey,
    pub(super) fingerprint: String,
}

/// A signature that is not, with the key's fingerprint where it could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bad {
    pub(super) fingerprint: Option<String>,
    pub(super) why: String,
}

/// Checks a signature over a plan's bytes.
pub(super) fn check(signature: &[u8], plan: &[u8]) -> Result<Good, Bad> {
    let none = |why: String| Bad { fingerprint: None, why };
    if signature.len() > LARGEST {
        return Err(none(format!("it is larger than {} KiB, and no signature", LARGEST >> 10)));
    }
    if signature.is_empty() {
        return Err(none("it is empty, unreadable or no regular file".to_owned()));
    }
    let parsed = SshSig::from_pem(signature)
        .map_err(|error| none(format!("it is no OpenSSH signature: {error}")))?;
    let key = PublicKey::from(parsed.public_key().clone());
    let fingerprint = fingerprint(&key);
    let bad = |why: String| Bad { fingerprint: Some(fingerprint.clone()), why };
    if parsed.namespace() != NAMESPACE {
        return Err(bad(format!(
            "it was made for the namespace `{}`, and not for `{NAMESPACE}`",
            crate::text::shown(parsed.namespace())
        )));
    }
    if parsed.algorithm() == (Algorithm::Rsa { hash: None }) {
        return Err(bad("it is an RSA signature with SHA-1, which is no longer safe".to_owned()));
    }
    match key.verify(NAMESPACE, plan, &parsed) {
        Ok(()) => Ok(Good { key, fingerprint }),
        Err(_) => Err(bad("it is not over the bytes of this plan".to_owned())),
    }
}
