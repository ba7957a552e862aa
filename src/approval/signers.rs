//! OpenSSH's `allowed_signers`: who may sign, with which keys, for what and when. ssh-keygen(1), section
//! "ALLOWED SIGNERS", is the format's description.

use super::NAMESPACE;
use crate::error::{Error, Result};
use crate::pattern::matches_list;
use crate::plan::sha256;
use crate::text::shown;
use jiff::Timestamp;
use jiff::civil::DateTime;
use ssh_key::{HashAlg, PublicKey};

/// The lines of an `allowed_signers` file.
#[derive(Clone, Debug)]
pub struct Signers {
    /// What the file is called in an error.
    pub name: String,
    /// The SHA-256 of its bytes.
    pub sha256: String,
    lines: Vec<Signer>,
}

/// One line: a key and whose it is.
#[derive(Clone, Debug)]
struct Signer {
    line: usize,
    principals: Vec<String>,
    key: PublicKey,
    options: Options,
}

#[derive(Clone, Debug, Default)]
struct Options {
    authority: bool,
    namespaces: Option<String>,
    valid_after: Option<Timestamp>,
    valid_before: Option<Timestamp>,
}

impl Signers {
    /// Reads an `allowed_signers` file. Every line has to be right: a file in which one is not may be another
    /// than the one that was meant.
    ///
    /// # Errors
    /// With the line's number, if a line is none.
    pub fn parse(bytes: &[u8], name: &str) -> Result<Self> {
        let broken = |line: usize, why: &str| {
            Error::forbidden(format!("`{}` has a broken line {line}", shown(name)))
                .because(why)
                .hint("each line is: PRINCIPALS [OPTIONS] KEYTYPE KEY, as in ssh-keygen(1)")
        };
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
            broken(line, "it is no UTF-8")
        })?;
        let mut lines = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim_start_matches([' ', '\t']);
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            lines.push(Signer::parse(index + 1, line).map_err(|why| broken(index + 1, &why))?);
        }
        Ok(Self { name: name.to_owned(), sha256: sha256(bytes), lines })
    }

    /// The names of the person whose key this is, where the key may sign plans now.
    ///
    /// # Errors
    /// Why it may not, in words.
    pub(super) fn person(&self, key: &PublicKey, now: Timestamp) -> Result<Vec<String>, String> {
        let mut why_not = None;
        let mut names: Vec<String> = Vec::new();
        for signer in self.lines.iter().filter(|signer| signer.key.key_data() == key.key_data()) {
            match signer.options.refuse(now) {
                None => names.extend(self.other_names(&signer.principals)),
                Some(why) => {
                    why_not = Some(format!("{why} (`{}`, line {})", shown(&self.name), signer.line))
                }
            }
        }
        names.sort();
        names.dedup();
        if names.is_empty() {
            return Err(
                why_not.unwrap_or_else(|| format!("its key is not in `{}`", shown(&self.name)))
            );
        }
        Ok(names)
    }

    /// Every name of a person: lines that share one are the same person's (several keys a person).
    fn other_names(&self, principals: &[String]) -> Vec<String> {
        let mut names = principals.to_vec();
        loop {
            let shares = |signer: &&Signer| signer.principals.iter().any(|one| names.contains(one));
            let more: Vec<String> = self
                .lines
                .iter()
                .filter(shares)
                .flat_map(|signer| signer.principals.iter().cloned())
                .filter(|one| !names.contains(one))
                .collect();
            if more.is_empty() {
                return names;
            }
            names.extend(more);
        }
    }
}

impl Signer {
    fn parse(line: usize, text: &str) -> Result<Self, String> {
        let (principals, rest) = principals(text)?;
        let (key, options) = match public_key(rest) {
            Ok(key) => (key, Options::default()),
            Err(why) if names_an_algorithm(rest) => return Err(why),
            Err(_) => {
                let (options, rest) = options(rest)?;
                (public_key(rest)?, Options::parse(options)?)
            }
        };
        Ok(Self { line, principals, key, options })
    }
}

/// The names at the beginning of a line, which may stand in quotes, and the rest.
fn principals(text: &str) -> Result<(Vec<String>, &str), String> {
    let (names, rest) = match text.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').ok_or("a quote is not closed")?,
        None => text.split_once([' ', '\t']).ok_or("there is no key")?,
    };
    let names: Vec<String> =
        names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    if names.is_empty() {
        return Err("it names nobody".to_owned());
    }
    // Two names that look alike would be two people.
    if let Some(odd) = names.iter().find(|name| !name.bytes().all(|byte| byte.is_ascii_graphic())) {
        return Err(format!("the name `{}` is not of printable ASCII", odd.escape_default()));
    }
    Ok((names, rest.trim_start_matches([' ', '\t'])))
}

/// `TYPE BASE64 [COMMENT]`
fn public_key(text: &str) -> Result<PublicKey, String> {
    let mut words = text.split([' ', '\t']).filter(|word| !word.is_empty());
    let (Some(kind), Some(data)) = (words.next(), words.next()) else {
        return Err("there is no key".to_owned());
    };
    PublicKey::from_openssh(&format!("{kind} {data}"))
        .map_err(|error| format!("the key is none: {error}"))
}

fn names_an_algorithm(text: &str) -> bool {
    let word = text.split([' ', '\t']).next().unwrap_or_default();
    word.parse().is_ok_and(|algorithm| !matches!(algorithm, ssh_key::Algorithm::Other(_)))
}

/// The options before the key, which end at the first blank outside quotes, and the rest.
fn options(text: &str) -> Result<(&str, &str), String> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ' ' | '\t' if !quoted => {
                let (options, rest) = text.split_at_checked(at).unwrap_or((text, ""));
                return Ok((options, rest.trim_start_matches([' ', '\t'])));
            }
            _ => {}
        }
    }
    Err(if quoted { "a quote is not closed" } else { "there is no key" }.to_owned())
}

impl Options {
    fn parse(mut text: &str) -> Result<Self, String> {
        let mut options = Self::default();
        loop {
            let end = text.find([',', '=']).unwrap_or(text.len());
            let (name, mut rest) = text.split_at_checked(end).unwrap_or((text, ""));
            let name = name.to_ascii_lowercase();
            if name == "cert-authority" {
                options.authority = true;
            } else {
                let quoted = rest.strip_prefix("=\"").ok_or_else(|| unknown(&name))?;
                let (value, after) = unquoted(quoted)?;
                rest = after;
                options.set(&name, value)?;
            }
            match rest.strip_prefix(',') {
                Some(next) => text = next,
                None if rest.is_empty() => break,
                None => return Err(format!("after the option `{name}` comes no comma")),
            }
        }
        if let (Some(after), Some(before)) = (options.valid_after, options.valid_before)
            && before <= after
        {
            return Err("`valid-before` lies before `valid-after`".to_owned());
        }
        Ok(options)
    }

    fn set(&mut self, name: &str, value: String) -> Result<(), String> {
        let place = match name {
            "namespaces" => {
                let before = self.namespaces.replace(value);
                return before.map_or(Ok(()), |_| Err(format!("`{name}` stands there twice")));
            }
            "valid-after" => &mut self.valid_after,
            "valid-before" => &mut self.valid_before,
            _ => return Err(unknown(name)),
        };
        let time = time(&value).ok_or_else(|| {
            format!("`{}` is no time: YYYYMMDD or YYYYMMDDHHMM[SS], with Z for UTC", shown(&value))
        })?;
        place.replace(time).map_or(Ok(()), |_| Err(format!("`{name}` stands there twice")))
    }

    /// Why a key with these options may not sign a plan now.
    fn refuse(&self, now: Timestamp) -> Option<String> {
        if self.authority {
            return Some(
                "its line is for a certificate authority, and certificates are not taken"
                    .to_owned(),
            );
        }
        if let Some(list) = &self.namespaces
            && !matches_list(list, NAMESPACE)
        {
            return Some(format!(
                "its key is for the namespaces {}, and not for {NAMESPACE}",
                shown(list)
            ));
        }
        if let Some(from) = self.valid_after.filter(|from| now < *from) {
            return Some(format!("its key is not valid before {from}"));
        }
        self.valid_before
            .filter(|until| now > *until)
            .map(|until| format!("its key expired at {until}"))
    }
}

fn unknown(name: &str) -> String {
    format!("the option `{}` is unknown, or has no value in quotes", shown(name))
}

/// A value up to its closing quote, and the rest.
fn unquoted(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '"' => return Ok((value, rest.as_str())),
            '\\' if rest.as_str().starts_with('"') => {
                rest.next();
                value.push('"');
            }
            _ => value.push(c),
        }
    }
    Err("a quote is not closed".to_owned())
}

/// OpenSSH's times. One without `Z` is of the machine's zone there; here, where every machine has to come to
/// the same answer, it is UTC.
fn time(text: &str) -> Option<Timestamp> {
    let upper = text.to_ascii_uppercase();
    let digits = upper.strip_suffix("UTC").or_else(|| upper.strip_suffix('Z')).unwrap_or(&upper);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let padded = match digits.len() {
        8 => format!("{digits}000000"),
        12 => format!("{digits}00"),
        14 => digits.to_owned(),
        _ => return None,
    };
    let number = |from: usize, to: usize| padded.get(from..to)?.parse::<i16>().ok();
    let small = |from: usize| i8::try_from(number(from, from + 2)?).ok();
    let civil =
        DateTime::new(number(0, 4)?, small(4)?, small(6)?, small(8)?, small(10)?, small(12)?, 0)
            .ok()?;
    civil.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// A key's fingerprint, as ssh-keygen prints it.
pub(super) fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}
