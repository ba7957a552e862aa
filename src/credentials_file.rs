//! A profile of the AWS credentials file: every other line of it stays as it is.

use crate::aws::NewKey;
use crate::error::{Error, Result};
use crate::text::shown;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

const ID: &str = "aws_access_key_id";
const SECRET: &str = "aws_secret_access_key";
/// A session's token beside a user's key would be sent with it.
const TOKEN: &str = "aws_session_token";

/// The key that a profile holds now; `None` if there is no such profile, or no such file yet.
///
/// # Errors
/// If the file cannot be read, or the profile gets its credentials in another way.
pub fn key_of(file: &Path, profile: &str) -> Result<Option<String>> {
    let Some(text) = read(file)? else { return Ok(None) };
    sound(file, &text, profile)?;
    let Some(section) = section(&text, profile) else { return Ok(None) };
    let value = |name: &str| section.iter().find_map(|line| setting(line, name));
    match value(ID) {
        Some(id) => Ok(Some(id.to_owned())),
        None => Err(Error::failed(format!("profile `{}` holds no access key", shown(profile)))
            .because("it is there, and gets its credentials in another way")
            .hint("name a profile of its own for the new key: --to-profile NAME")),
    }
}

/// The key that a profile holds, if it is that one.
///
/// # Errors
/// If the file cannot be read.
pub fn stored_key(file: &Path, profile: &str, key: &str) -> Result<Option<NewKey>> {
    let Some(text) = read(file)? else { return Ok(None) };
    let section = section(&text, profile).unwrap_or_default();
    let value = |name: &str| section.iter().find_map(|line| setting(line, name));
    let held = value(ID).filter(|held| *held == key);
    Ok(held.zip(value(SECRET)).map(|(id, secret)| NewKey {
        id: id.to_owned(),
        secret: Zeroizing::new(secret.to_owned()),
    }))
}

/// Puts a key into a profile, which is made where it is not there. The file is replaced as a whole, or not at all.
///
/// # Errors
/// If the profile does not hold what was planned any more, or the file cannot be written.
pub fn put(file: &Path, profile: &str, planned: Option<&str>, key: &NewKey) -> Result<()> {
    let now = key_of(file, profile)?;
    if now.as_deref() != planned {
        return Err(Error::failed(format!(
            "profile `{}` was changed since the plan",
            shown(profile)
        ))
        .because(format!("it holds {}", now.as_deref().map_or("nothing".into(), shown))));
    }
    let text = read(file)?.unwrap_or_default();
    write(file, &with_key(&text, profile, key))
}

fn read(file: &Path) -> Result<Option<Zeroizing<String>>> {
    if std::fs::metadata(file).is_ok_and(|meta| !meta.is_file()) {
        return Err(Error::failed(format!(
            "`{}` is no regular file",
            shown(&file.to_string_lossy())
        ))
        .because("a device or a pipe keeps nothing, and a folder is none")
        .hint("--credentials-file names another one"));
    }
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(Some(Zeroizing::new(text))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            Err(Error::failed(format!("`{}` could not be read", shown(&file.to_string_lossy())))
                .because(error)
                .hint("--credentials-file names another one"))
        }
    }
}

/// Refuses what the SDKs read in different ways: in what one of them takes for the profile, another finds an old key.
fn sound(file: &Path, text: &str, profile: &str) -> Result<()> {
    let unclear = |why: String| {
        Err(Error::failed(format!("`{}` is not plain", shown(&file.to_string_lossy())))
            .because(why)
            .hint("mend the file, or name another one: --credentials-file FILE"))
    };
    if text.starts_with('\u{feff}') {
        return unclear("it begins with a byte order mark, which the AWS CLI refuses".to_owned());
    }
    if text.lines().filter(|line| heading(line) == Some(profile)).count() > 1 {
        return unclear(format!("profile `{}` stands in it twice", shown(profile)));
    }
    let within = section(text, profile).unwrap_or_default();
    for name in [ID, SECRET] {
        if within.iter().filter(|line| setting(line, name).is_some()).count() > 1 {
            return unclear(format!("`{name}` stands twice in profile `{}`", shown(profile)));
        }
    }
    Ok(())
}

/// The name of the section that a line begins.
fn heading(line: &str) -> Option<&str> {
    let inner = line.trim().strip_prefix('[')?;
    inner.split_once(']').map(|(name, _)| name.trim())
}

/// The value of a setting, if the line is about it.
fn setting<'l>(line: &'l str, name: &str) -> Option<&'l str> {
    let (key, value) = line.split_once('=')?;
    // An indented line goes on with the setting before.
    let own = !key.starts_with([' ', '\t']) && key.trim().eq_ignore_ascii_case(name);
    own.then(|| value.trim())
}

/// The lines of a profile, without its heading.
fn section<'t>(text: &'t str, profile: &str) -> Option<Vec<&'t str>> {
    let mut lines = text.lines().skip_while(|line| heading(line) != Some(profile));
    lines.next()?;
    Some(lines.take_while(|line| heading(line).is_none()).collect())
}

fn with_key(text: &str, profile: &str, key: &NewKey) -> Zeroizing<String> {
    // Room for all of it, so that no copy stays where a string has grown.
    let mut new = String::with_capacity(text.len() + profile.len() + 256);
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let ours = |new: &mut String| {
        for (name, value) in [(ID, key.id.as_str()), (SECRET, key.secret.as_str())] {
            for part in [name, " = ", value, end] {
                new.push_str(part);
            }
        }
    };
    let (mut inside, mut written) = (false, false);
    for line in text.split_inclusive('\n') {
        if let Some(name) = heading(line) {
            inside = name == profile && !written;
            new.push_str(line);
            if inside {
                if !line.ends_with('\n') {
                    new.push_str(end);
                }
                ours(&mut new);
                written = true;
            }
            continue;
        }
        let replaced = [ID, SECRET, TOKEN].iter().any(|name| setting(line, name).is_some());
        if !(inside && replaced) {
            new.push_str(line);
        }
    }
    if !written {
        if !new.is_empty() && !new.ends_with('\n') {
            new.push_str(end);
        }
        let last = new.lines().next_back();
        if last.is_some_and(|line| !line.is_empty()) {
            new.push_str(end);
        }
        for part in ["[", profile, "]", end] {
            new.push_str(part);
        }
        ours(&mut new);
    }
    Zeroizing::new(new)
}

fn write(file: &Path, text: &str) -> Result<()> {
    // A link is followed: what it leads to is replaced, and it stays one.
    let file = std::fs::canonicalize(file).unwrap_or_else(|_| file.to_path_buf());
    let mut beside = file.as_os_str().to_owned();
    beside.push(format!(".{}.tmp", std::process::id()));
    let beside = PathBuf::from(beside);
    // What others of the machine could not do before they cannot do afterwards.
    let mode = std::fs::metadata(&file).map_or(0o600, |meta| meta.mode() & 0o700 | 0o600);
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let written = folder
        .map_or(Ok(()), std::fs::create_dir_all)
        .and_then(|()| {
            std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside)
        })
        .and_then(|mut open| {
            open.write_all(text.as_bytes())?;
            open.sync_all()
        })
        .and_then(|()| std::fs::rename(&beside, &file));
    written.map_err(|error| {
        // Whatever is left of it holds a secret; that it may not be there is fine.
        let _ = std::fs::remove_file(&beside);
        Error::failed(format!("`{}` could not be written", shown(&file.to_string_lossy())))
            .because(error)
            .hint("--credentials-file names another one")
    })
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "the test's own files")]
mod tests {
    use super::*;
    use tempfile::TempDir;

    fn key(id: &str) -> NewKey {
        NewKey { id: id.to_owned(), secret: Zeroizing::new(format!("secret/of+{id}")) }
    }

    const BEFORE: &str = "# mine\n[default]\naws_access_key_id=AKIAEXAMPLE000000001\n\
                          aws_secret_access_key = old\naws_session_token = t\nregion = eu-west-1\n\n\
                          [other]\naws_access_key_id = AKIAEXAMPLE000000009\n  aws_secret_access_key = x\n";

    #[test]
    fn a_profile_gets_the_key_and_every_other_line_stays() {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("credentials");
        std::fs::write(&file, BEFORE).unwrap();
        let old = key_of(&file, "default").unwrap();
        assert_eq!(old.as_deref(), Some("AKIAEXAMPLE000000001"));
        put(&file, "default", old.as_deref(), &key("AKIAEXAMPLE000000002")).unwrap();
        let now = std::fs::read_to_string(&file).unwrap();
        assert_eq!(
            now,
            "# mine\n[default]\naws_access_key_id = AKIAEXAMPLE000000002\n\
             aws_secret_access_key = secret/of+AKIAEXAMPLE000000002\nregion = eu-west-1\n\n\
             [other]\naws_access_key_id = AKIAEXAMPLE000000009\n  aws_secret_access_key = x\n"
        );
        put(&file, "new", None, &key("AKIAEXAMPLE000000003")).unwrap();
        let then = std::fs::read_to_string(&file).unwrap();
        assert!(then.starts_with(&now), "{then}");
        assert_eq!(key_of(&file, "new").unwrap().as_deref(), Some("AKIAEXAMPLE000000003"));
        assert_eq!(key_of(&file, "other").unwrap().as_deref(), Some("AKIAEXAMPLE000000009"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_is_not_there_is_made_for_its_owner_alone() {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join(".aws/credentials");
        assert_eq!(key_of(&file, "default").unwrap(), None);
        put(&file, "default", None, &key("AKIAEXAMPLE000000002")).unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_was_changed_since_the_plan_is_left_alone() {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("credentials");
        std::fs::write(&file, BEFORE).unwrap();
        put(&file, "default", None, &key("AKIAEXAMPLE000000002")).unwrap_err();
        put(&file, "default", Some("AKIAEXAMPLE000000007"), &key("AKIAEXAMPLE000000002"))
            .unwrap_err();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), BEFORE);
        std::fs::write(&file, "[sso]\nsso_session = a\n").unwrap();
        key_of(&file, "sso").unwrap_err();
    }

    #[test]
    fn lines_end_as_they_did() {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("credentials");
        let windows = BEFORE.replace('\n', "\r\n");
        std::fs::write(&file, windows.trim_end()).unwrap();
        put(&file, "default", Some("AKIAEXAMPLE000000001"), &key("AKIAEXAMPLE000000002")).unwrap();
        put(&file, "new", None, &key("AKIAEXAMPLE000000003")).unwrap();
        let now = std::fs::read_to_string(&file).unwrap();
        assert_eq!(now.matches('\n').count(), now.matches("\r\n").count(), "{now:?}");
        assert_eq!(key_of(&file, "new").unwrap().as_deref(), Some("AKIAEXAMPLE000000003"));
        assert!(now.contains("  aws_secret_access_key = x\r\n\r\n[new]\r\n"), "{now:?}");
        for (text, profile) in [("[default]", "default"), ("[other]\na = b", "default"), ("", "x")]
        {
            std::fs::write(&file, text).unwrap();
            let planned = key_of(&file, profile);
            if let Ok(planned) = planned {
                put(&file, profile, planned.as_deref(), &key("AKIAEXAMPLE000000002")).unwrap();
                assert!(key_of(&file, profile).unwrap().is_some(), "{text:?}");
            }
        }
    }

    #[test]
    fn what_the_sdks_read_differently_is_refused() {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("credentials");
        let twice = format!("{BEFORE}[default]\nregion = eu-west-1\n");
        let marked = format!("\u{feff}{BEFORE}");
        let doubled = BEFORE.replace("region", ID);
        for text in [&twice, &marked, &doubled] {
            std::fs::write(&file, text).unwrap();
            key_of(&file, "default").unwrap_err();
            let old = Some("AKIAEXAMPLE000000001");
            put(&file, "default", old, &key("AKIAEXAMPLE000000002")).unwrap_err();
            assert_eq!(std::fs::read_to_string(&file).unwrap(), *text);
        }
    }
}
