//! Private keys in OpenSSH's format (its PROTOCOL.key), encrypted or not.
//!
//! An ECDSA number with leading zeros stands there without them, and ssh-key 0.6 takes none that is short:
//! every second key of P-521, one of 256 of the other curves. Such a number is given its zeros back.

use ssh_key::{Error, PrivateKey};
use zeroize::Zeroizing;

type Bytes = Zeroizing<Vec<u8>>;

const MAGIC: &[u8] = b"openssh-key-v1\0";
/// What a private section that is not encrypted is padded to.
const BLOCK: usize = 8;
/// The width of a line of Base64 in the format.
const LINE: usize = 70;

/// Reads a key; one that is encrypted comes back as such.
pub(super) fn read(text: &[u8]) -> Result<PrivateKey, Error> {
    match PrivateKey::from_openssh(text) {
        Err(error) => {
            let whole = decoded(text).ok_or(error.clone())?;
            let (public, private) = parts(&whole).ok_or(error.clone())?;
            of_parts(public, private).ok_or(error)
        }
        key => key,
    }
}

/// Decrypts a key. The error is `Crypto` where the passphrase is another.
pub(super) fn decrypt(key: &PrivateKey, passphrase: &[u8]) -> Result<PrivateKey, Error> {
    match key.decrypt(passphrase) {
        Err(error) if !matches!(error, Error::Crypto) => {
            let (secret, start) = key.kdf().derive_key_and_iv(key.cipher(), passphrase)?;
            let sealed = key.key_data().encrypted().ok_or(error.clone())?;
            let mut section = Zeroizing::new(sealed.to_vec());
            key.cipher().decrypt(&secret, &start, &mut section, None).map_err(|_| error.clone())?;
            of_parts(&key.public_key().to_bytes()?, &section).ok_or(error)
        }
        key => key,
    }
}

fn decoded(text: &[u8]) -> Option<Bytes> {
    let mut decoder = pem_rfc7468::Decoder::new_wrapped(text, LINE).ok()?;
    let mut whole = Zeroizing::new(Vec::new());
    decoder.decode_to_end(&mut whole).ok()?;
    Some(whole)
}

/// The public key and the private section of a file that is not encrypted.
fn parts(whole: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = whole.strip_prefix(MAGIC)?;
    let (cipher, rest) = string(rest)?;
    let (derivation, rest) = string(rest)?;
    let (options, rest) = string(rest)?;
    let (keys, rest) = rest.split_at_checked(4)?;
    let (public, rest) = string(rest)?;
    let (private, rest) = string(rest)?;
    let plain = cipher == b"none" && derivation == b"none" && options.is_empty();
    (plain && keys == [0, 0, 0, 1] && rest.is_empty()).then_some((public, private))
}

/// A key of an ECDSA section whose number is widened to its curve's size.
fn of_parts(public: &[u8], section: &[u8]) -> Option<PrivateKey> {
    let (checks, rest) = section.split_at_checked(8)?;
    let (algorithm, rest) = string(rest)?;
    let (curve, rest) = string(rest)?;
    let (point, rest) = string(rest)?;
    let (number, rest) = string(rest)?;
    let (comment, _) = string(rest)?;
    let size: usize = match curve {
        b"nistp256" => 32,
        b"nistp384" => 48,
        b"nistp521" => 66,
        _ => return None,
    };
    let zeros = vec![0; size.checked_sub(number.len())?];
    let wide: Bytes = Zeroizing::new([zeros.as_slice(), number].concat());
    let mut private: Bytes = Zeroizing::new(checks.to_vec());
    for part in [algorithm, curve, point, &wide, comment] {
        put(&mut private, part)?;
    }
    let padding = (1..).take(private.len().next_multiple_of(BLOCK) - private.len());
    private.extend(padding);
    let mut whole: Bytes = Zeroizing::new(MAGIC.to_vec());
    for part in [b"none".as_slice(), b"none", b""] {
        put(&mut whole, part)?;
    }
    whole.extend([0, 0, 0, 1]);
    put(&mut whole, public)?;
    put(&mut whole, &private)?;
    PrivateKey::from_bytes(&whole).ok()
}

/// A string of the format: four bytes of length, and as many as they say.
fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

fn put(bytes: &mut Vec<u8>, part: &[u8]) -> Option<()> {
    bytes.extend(u32::try_from(part.len()).ok()?.to_be_bytes());
    bytes.extend(part);
    Some(())
}
