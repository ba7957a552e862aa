//! Where a store is: a folder of this machine, or a place in a bucket.

use crate::error::{Error, Result};
use crate::text::shown;
use std::path::PathBuf;

/// What `--state` and `[state] location` name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A folder, which need not exist.
    Directory(PathBuf),
    /// `s3://BUCKET/PREFIX`.
    Bucket(Place),
}

/// A place in a bucket: everything below a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    bucket: String,
    /// Without a slash at either end; may be empty.
    prefix: String,
}

/// S3 takes keys of 1,024 bytes; the longest below the prefix has some 180.
const LONGEST_PREFIX: usize = 800;

impl Location {
    /// Reads a location as it was typed.
    ///
    /// # Errors
    /// If it is a URL of another scheme than `s3`, or names no bucket.
    pub fn parse(text: &str) -> Result<Self> {
        match text.split_once("://") {
            None => Ok(Self::Directory(PathBuf::from(text))),
            Some(("s3", rest)) => Place::parse(text, rest).map(Self::Bucket),
            Some((scheme, _)) => {
                Err(Error::failed(format!("`{}` is no place for the state", shown(text)))
                    .because(format!(
                        "states are kept in a folder or in S3, and not in `{}`",
                        shown(scheme)
                    ))
                    .hint("--state DIR, or --state s3://BUCKET/PREFIX"))
            }
        }
    }
}

impl Place {
    fn parse(text: &str, rest: &str) -> Result<Self> {
        let refuse = |why: &str| {
            Error::failed(format!("`{}` is no place in a bucket", shown(text)))
                .because(why)
                .hint("--state s3://BUCKET/PREFIX")
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if !is_bucket(bucket) {
            return Err(refuse(
                "a bucket's name has 3 to 63 lower-case letters, digits, hyphens or dots",
            ));
        }
        let prefix = prefix.trim_end_matches('/');
        let plain = |part: &str| {
            !matches!(part, "" | "." | "..") && !part.chars().any(|c| c.is_control() || c == '\\')
        };
        if !prefix.is_empty() && !prefix.split('/').all(plain) {
            return Err(refuse(
                "a prefix has no empty part, no `.` or `..`, no backslash and no control characters",
            ));
        }
        if prefix.len() > LONGEST_PREFIX {
            return Err(refuse("the prefix is too long for the names below it"));
        }
        Ok(Self { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }

    /// The bucket.
    #[must_use]
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The key of an object, by its path in the store.
    #[must_use]
    pub fn object(&self, path: &str) -> String {
        if self.prefix.is_empty() { path.to_owned() } else { format!("{}/{path}", self.prefix) }
    }

    /// A path in the store, by an object's key.
    #[must_use]
    pub fn path<'k>(&self, object: &'k str) -> Option<&'k str> {
        if self.prefix.is_empty() {
            return Some(object);
        }
        object.strip_prefix(self.prefix.as_str())?.strip_prefix('/')
    }

    /// A path in the store, by a URI below it.
    #[must_use]
    pub fn inside<'u>(&self, uri: &'u str) -> Option<&'u str> {
        self.path(uri.strip_prefix("s3://")?.strip_prefix(self.bucket.as_str())?.strip_prefix('/')?)
    }

    /// A path in the store, as an error names it (D2.14); the store itself where it is empty.
    #[must_use]
    pub fn uri(&self, path: &str) -> String {
        let whole = self.object(path);
        let uri = format!("s3://{}/{whole}", self.bucket);
        shown(uri.trim_end_matches('/')).into_owned()
    }
}

fn is_bucket(name: &str) -> bool {
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    (3..=63).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c))
        && ends(name.chars().next())
        && ends(name.chars().last())
        && !name.contains("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Place {
        match Location::parse(text).unwrap() {
            Location::Bucket(place) => place,
            Location::Directory(path) => panic!("{} is a directory", path.display()),
        }
    }

    #[test]
    fn a_prefix_is_part_of_every_name() {
        let with = place("s3://incidents/prod/eu/");
        assert_eq!(with.bucket(), "incidents");
        assert_eq!(with.object("a/lock"), "prod/eu/a/lock");
        assert_eq!(with.path("prod/eu/a/lock"), Some("a/lock"));
        assert_eq!(with.path("prod/eurasia/lock"), None);
        assert_eq!(with.uri("a/lock"), "s3://incidents/prod/eu/a/lock");
        assert_eq!(with.uri(""), "s3://incidents/prod/eu");
        assert_eq!(with.inside("s3://incidents/prod/eu/a/lock"), Some("a/lock"));
        assert_eq!(with.inside("s3://incidents2/prod/eu/a/lock"), None);
        assert_eq!(with.inside("prod/eu/a/lock"), None);
        for bare in ["s3://incidents", "s3://incidents/"] {
            assert_eq!(place(bare).object("a"), "a");
            assert_eq!(place(bare).uri(""), "s3://incidents");
            assert_eq!(place(bare).path("a"), Some("a"));
        }
    }

    #[test]
    fn what_is_no_place_is_refused_with_the_form_of_one() {
        for bad in [
            "s3://",
            "s3://ab",
            "s3://Upper",
            "s3://under_score",
            "s3://-x-",
            "s3://a..b",
            "s3://bucket//x",
            "s3://bucket/a/../b",
            "s3://bucket/a\u{1b}b",
            "gs://bucket/x",
            "https://bucket.s3.amazonaws.com",
            "S3://bucket",
        ] {
            let error = Location::parse(bad).unwrap_err();
            assert!(error.hints().iter().any(|hint| hint.contains("s3://BUCKET/PREFIX")), "{bad}");
            assert!(!error.message().contains('\u{1b}'), "{bad}");
        }
        assert_eq!(Location::parse("a/b").unwrap(), Location::Directory("a/b".into()));
    }
}
