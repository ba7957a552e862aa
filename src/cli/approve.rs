//! `ringfence approve`

mod private;

use super::approvals::beside;
use super::args::ApproveArgs;
use super::session::{Session, name_of, read_file};
use crate::approval::{NAMESPACE, SignatureFile};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::plan::{Plan, sha256};
use crate::render::{Saved, text};
use crate::text::{shell, shown};
use ssh_key::private::{KeypairData, PrivateKey};
use ssh_key::{Algorithm, HashAlg, LineEnding, SshSig};
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

pub(super) async fn run(session: &Session<'_>, args: &ApproveArgs) -> Result<Exit> {
    session.refuse_commands()?;
    let name = name_of(&args.file);
    let bytes = read_file(&args.file)?;
    let plan = Plan::parse(&bytes, &name)?;
    let present = beside(&args.file)?;
    let (examination, _) = session.examined(&plan, &bytes, &present).await?;
    if let Some(denial) = examination.denial() {
        return Err(denial);
    }
    let digest = sha256(&bytes);
    let unapproved = !examination.verdict.is_met();
    let saved = Saved { path: &name, digest: &digest, unapproved };
    session.terminal.print(&text::plan(&plan, session.terminal.screen(), Some(&saved)));
    for warning in examination.warnings() {
        session.terminal.note(&format!("warning: {warning}"));
    }
    let key = identity(session, &args.identity)?;
    let out = args.out.clone().unwrap_or_else(|| signature_path(&args.file, &key));
    if !args.auto_approve {
        session
            .terminal
            .confirm(&format!(
                "Approve exactly these bytes with {}?",
                key.public_key().fingerprint(HashAlg::Sha256)
            ))
            .await?;
    }
    let signature = sign(&key, &bytes)?;
    write(&out, signature.as_bytes())?;
    told(session, &plan, &bytes, present, &out, signature).await?;
    let place = |path: &Path| std::fs::canonicalize(path).ok();
    let found = beside(&args.file)?.iter().any(|one| place(Path::new(&one.name)) == place(&out));
    if !found {
        session.terminal.note(&format!(
            "warning: apply finds only {name}.sig and {name}.NAME.sig, and not {}",
            name_of(&out)
        ));
    }
    Ok(Exit::Done)
}

/// Says what the plan has now, with the new signature.
async fn told(
    session: &Session<'_>,
    plan: &Plan,
    bytes: &[u8],
    mut signatures: Vec<SignatureFile>,
    out: &Path,
    signature: String,
) -> Result<()> {
    let name = name_of(out);
    signatures.push(SignatureFile { name: name.clone(), bytes: signature.into_bytes() });
    let (examination, _) = session.examined(plan, bytes, &signatures).await?;
    let mut lines = format!("\nSigned {}\n", shown(&name));
    lines.push_str(&text::approvals(&examination.verdict, session.terminal.screen()));
    session.terminal.print(&lines);
    Ok(())
}

/// `FILE.NAME.sig`, where the name is the key's comment as far as it can be part of a file's name, or else a
/// part of its fingerprint.
fn signature_path(plan: &Path, key: &PrivateKey) -> PathBuf {
    let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '@' | '.');
    let comment: String = key.comment().chars().filter(plain).take(64).collect();
    let name = if comment.trim_matches('.').is_empty() {
        let fingerprint = key.public_key().fingerprint(HashAlg::Sha256).to_string();
        let letters = fingerprint.trim_start_matches("SHA256:").chars();
        letters.filter(char::is_ascii_alphanumeric).take(12).collect()
    } else {
        comment
    };
    let mut path = plan.as_os_str().to_owned();
    path.push(format!(".{}.sig", name.trim_start_matches('.')));
    PathBuf::from(path)
}

/// Reads a private key, and asks for its passphrase where it has one.
fn identity(session: &Session<'_>, path: &Path) -> Result<PrivateKey> {
    let name = name_of(path);
    let text = read_file(path)?;
    let by_agent = format!(
        "a key in an agent or on a token signs too: ssh-keygen -Y sign -n {NAMESPACE} -f {} FILE",
        shell(&name)
    );
    if ssh_key::PublicKey::from_openssh(&String::from_utf8_lossy(&text)).is_ok() {
        let private = name.strip_suffix(".pub").unwrap_or("KEY");
        return Err(Error::failed(format!("`{}` is a public key", shown(&name)))
            .because("a private key signs")
            .hint(format!("--identity {}", shell(private)))
            .hint(by_agent));
    }
    let key = private::read(&text).map_err(|error| {
        Error::failed(format!("`{}` could not be read as a private key", shown(&name)))
            .because(error)
            .detail("it takes OpenSSH's format: ed25519, ECDSA or RSA")
            .hint(by_agent.clone())
            .hint("ssh-keygen -p -f KEY rewrites a key of an older format")
    })?;
    if !key.is_encrypted() {
        return Ok(key);
    }
    let passphrase = session
        .terminal
        .secret(&format!("Passphrase of {}: ", shown(&name)))
        .map_err(|error| error.hint(by_agent))?;
    private::decrypt(&key, passphrase.as_bytes()).map_err(|error| match error {
        ssh_key::Error::Crypto => {
            Error::failed(format!("the passphrase of `{}` is another", shown(&name)))
                .detail("nothing was signed")
        }
        other => Error::failed(format!("`{}` could not be read as a private key", shown(&name)))
            .because(other),
    })
}

/// Signs a plan's bytes as `ssh-keygen -Y sign -n ringfence-plan` does.
fn sign(key: &PrivateKey, plan: &[u8]) -> Result<String> {
    let failed = |error: &dyn std::fmt::Display| {
        Error::failed("the plan could not be signed").because(error).hint(format!(
            "ssh-keygen -Y sign -n {NAMESPACE} -f KEY FILE makes a signature that is as good"
        ))
    };
    let signature = match key.key_data() {
        KeypairData::Rsa(pair) if bits(&pair.public.n) < LEAST_RSA_BITS => {
            return Err(Error::failed("the plan could not be signed")
                .because(format!(
                    "an RSA key of {} bits is too short: {LEAST_RSA_BITS} at least",
                    bits(&pair.public.n)
                ))
                .hint("ssh-keygen -t ed25519 makes one that will do"));
        }
        KeypairData::Rsa(pair) => rsa(pair, key, plan).map_err(|error| failed(&error))?,
        _ => SshSig::sign(key, NAMESPACE, HashAlg::Sha512, plan).map_err(|error| failed(&error))?,
    };
    signature.to_pem(LineEnding::LF).map_err(|error| failed(&error))
}

/// What ssh-key verifies, so that no signature is made that `apply` would not take.
const LEAST_RSA_BITS: usize = 2048;

fn bits(modulus: &ssh_key::Mpint) -> usize {
    let bytes = modulus.as_positive_bytes().unwrap_or_default();
    let unused = bytes.first().map_or(0, |first| first.leading_zeros() as usize);
    bytes.len() * 8 - unused
}

/// ssh-key 0.6 hands one prime over twice, and so cannot sign with RSA by itself.
fn rsa(
    pair: &ssh_key::private::RsaKeypair,
    key: &PrivateKey,
    plan: &[u8],
) -> Result<SshSig, Box<dyn std::error::Error>> {
    use rsa::BigUint;
    use rsa::pkcs1v15::SigningKey;
    use rsa::sha2::Sha512;
    use rsa::signature::{SignatureEncoding, Signer};
    let number = |bytes: &ssh_key::Mpint| {
        BigUint::from_bytes_be(bytes.as_positive_bytes().unwrap_or_default())
    };
    let private = rsa::RsaPrivateKey::from_components(
        number(&pair.public.n),
        number(&pair.public.e),
        number(&pair.private.d),
        vec![number(&pair.private.p), number(&pair.private.q)],
    )?;
    let data = SshSig::signed_data(NAMESPACE, HashAlg::Sha512, plan)?;
    let signature = SigningKey::<Sha512>::new(private).try_sign(&data)?;
    let algorithm = Algorithm::Rsa { hash: Some(HashAlg::Sha512) };
    let signature = ssh_key::Signature::new(algorithm, signature.to_vec())?;
    let public = key.public_key().key_data().clone();
    Ok(SshSig::new(public, NAMESPACE, HashAlg::Sha512, signature)?)
}

/// Writes a signature where nothing is yet: another's is never overwritten.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let name = name_of(path);
    let failed = |error: &std::io::Error| {
        let wrong = Error::failed(format!("`{}` cannot be written", shown(&name))).because(error);
        match error.kind() {
            ErrorKind::AlreadyExists => wrong
                .detail("nothing was signed")
                .hint("a signature is there already; --out FILE.NAME.sig takes another name"),
            _ => wrong,
        }
    };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o644);
    #[allow(clippy::disallowed_methods, reason = "this verb writes the file that it was asked for")]
    let mut file = options.open(path).map_err(|error| failed(&error))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|error| failed(&error))
}
