//! `ringfence.toml`: where the state is, whom a rule protects, and postures of one's own.

use crate::error::{Error, Result};
use crate::plan::SETTLE_S;
use crate::posture::{BUILT_IN, Posture, one_of};
use std::collections::BTreeMap;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What a configuration file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where states are kept.
    pub location: Option<String>,
    /// The users that need `--override-protection`.
    pub protected_users: Vec<String>,
    /// How long apply watches a user after the last wave, in seconds.
    pub settle_s: u32,
    /// How long a run may go on trying after its first write.
    pub deadline: Duration,
    postures: BTreeMap<String, Posture>,
}

impl Default for Config {
    fn default() -> Self {
        let postures = BUILT_IN
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), Posture::built_in(name)?)))
            .collect();
        Self {
            location: None,
            protected_users: Vec::new(),
            settle_s: SETTLE_S,
            deadline: DEADLINE,
            postures,
        }
    }
}

/// How long after its first write a run may go on trying, in all, where nothing else is said (D2.5). The
/// watch that a plan asks for comes on top.
pub const DEADLINE: Duration = Duration::from_secs(300);
/// With less, a throttled call would hardly be tried again.
const LEAST_DEADLINE: Duration = Duration::from_secs(10);
/// What is longer was not meant.
const LONGEST: Duration = Duration::from_secs(86_400);

/// The sections that the design knows and this program cannot honour: ignoring one would be worse.
const NOT_YET: [(&str, &str); 2] = [
    ("approval", "this version cannot check approvals"),
    ("account", "this version takes the caller's own credentials for every account"),
];

type Table<'a> = DeTable<'a>;
type Item<'a> = Spanned<DeValue<'a>>;

impl Config {
    /// Reads a configuration. `name` is what the file is called in an error.
    ///
    /// # Errors
    /// If the TOML is malformed, or a section, key, rule or value is unknown: with file and line.
    pub fn parse(text: &str, name: &str) -> Result<Self> {
        let file = File { text, name };
        let table = DeTable::parse(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            file.error(at, "the TOML is malformed").because(error.message())
        })?;
        let mut config = Self::default();
        for (key, value) in table.get_ref() {
            let at = key.span().start;
            match key.get_ref().as_ref() {
                "state" => config.state(&file, file.table(value)?)?,
                "guard" => config.guard(&file, file.table(value)?)?,
                "limits" => config.limits(&file, file.table(value)?)?,
                "posture" => config.postures(&file, file.table(value)?)?,
                other => return Err(unknown_section(&file, at, other)),
            }
        }
        Ok(config)
    }

    /// A posture by name.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn posture(&self, name: &str) -> Result<Posture> {
        self.postures.get(name).cloned().ok_or_else(|| {
            let known: Vec<&str> = self.postures.keys().map(String::as_str).collect();
            Error::failed(format!("there is no posture `{}`", name.escape_debug()))
                .because(format!("known are {}", one_of(&known)))
                .hint("a posture of your own stands in ringfence.toml as [posture.NAME]")
        })
    }

    fn state(&mut self, file: &File<'_>, table: &Table<'_>) -> Result<()> {
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "location" => self.location = Some(location(file, value)?),
                other => return Err(file.unknown(key.span().start, other, &["location"])),
            }
        }
        Ok(())
    }

    fn guard(&mut self, file: &File<'_>, table: &Table<'_>) -> Result<()> {
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "protected_users" => {
                    let list = value.get_ref().as_array().ok_or_else(|| {
                        file.error(value.span().start, "`protected_users` is no list of user names")
                    })?;
                    for item in list.iter() {
                        self.protected_users.push(file.text(item)?.to_owned());
                    }
                }
                other => return Err(file.unknown(key.span().start, other, &["protected_users"])),
            }
        }
        Ok(())
    }

    fn limits(&mut self, file: &File<'_>, table: &Table<'_>) -> Result<()> {
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "settle" => {
                    let seconds = file.duration(value, Duration::ZERO)?.as_secs();
                    self.settle_s = u32::try_from(seconds).unwrap_or(u32::MAX);
                }
                "deadline" => self.deadline = file.duration(value, LEAST_DEADLINE)?,
                other => {
                    return Err(file.unknown(key.span().start, other, &["settle", "deadline"]));
                }
            }
        }
        Ok(())
    }

    fn postures(&mut self, file: &File<'_>, table: &Table<'_>) -> Result<()> {
        for (name, value) in table {
            let at = name.span().start;
            let name = name.get_ref().as_ref();
            if BUILT_IN.contains(&name) {
                return Err(file
                    .error(at, &format!("posture `{name}` is built in and cannot be redefined"))
                    .hint(format!("give it a name of its own and say extends = \"{name}\"")));
            }
            let posture = self.one_posture(file, at, name, file.table(value)?)?;
            self.postures.insert(name.to_owned(), posture);
        }
        Ok(())
    }

    fn one_posture(
        &self,
        file: &File<'_>,
        at: usize,
        name: &str,
        rules: &Table<'_>,
    ) -> Result<Posture> {
        let base = rules.iter().find(|(key, _)| key.get_ref() == "extends");
        let Some((_, base)) = base else {
            return Err(file
                .error(at, &format!("posture `{}` says not what it extends", name.escape_debug()))
                .hint(format!(
                    "extends = {}",
                    one_of(&BUILT_IN.map(|n| format!("\"{n}\"")).each_ref().map(String::as_str))
                )));
        };
        let extends = file.text(base)?;
        let mut posture = Posture::built_in(extends).ok_or_else(|| {
            file.error(
                base.span().start,
                &format!("`{}` is no built-in posture", extends.escape_debug()),
            )
            .hint(format!("expected {}", one_of(&BUILT_IN)))
        })?;
        name.clone_into(&mut posture.name);
        for (rule, value) in rules {
            if rule.get_ref() == "extends" {
                continue;
            }
            posture
                .set(rule.get_ref(), file.text(value)?)
                .map_err(|bad| file.error(rule.span().start, &bad.message))?;
        }
        posture.check().map_err(|bad| file.error(at, &bad.message))?;
        Ok(posture)
    }
}

fn location(file: &File<'_>, value: &Item<'_>) -> Result<String> {
    let location = file.text(value)?;
    if location.contains("://") && !location.starts_with("s3://") {
        return Err(file
            .error(
                value.span().start,
                &format!("`{}` is no place for the state", location.escape_debug()),
            )
            .because("states are kept in a folder or in S3")
            .hint("location = \"state\", or location = \"s3://BUCKET/PREFIX\""));
    }
    Ok(location.to_owned())
}

fn unknown_section(file: &File<'_>, at: usize, name: &str) -> Error {
    match NOT_YET.iter().find(|(section, _)| *section == name) {
        Some((_, why)) => file.error(at, &format!("`[{name}]` cannot be honoured")).because(why),
        None => file.unknown(at, name, &["state", "guard", "limits", "posture"]),
    }
}

/// The file that is being read, for errors that say where.
struct File<'a> {
    text: &'a str,
    name: &'a str,
}

impl File<'_> {
    fn error(&self, at: usize, message: &str) -> Error {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        Error::failed(format!("{message} (`{}`, line {line})", self.name))
    }

    fn unknown(&self, at: usize, key: &str, known: &[&str]) -> Error {
        self.error(
            at,
            &format!("`{}` is unknown here: expected {}", key.escape_debug(), one_of(known)),
        )
    }

    fn table<'v, 'i>(&self, value: &'v Item<'i>) -> Result<&'v Table<'i>> {
        value
            .get_ref()
            .as_table()
            .ok_or_else(|| self.error(value.span().start, "a table was expected"))
    }

    /// A duration between a least one and a day.
    fn duration(&self, value: &Item<'_>, least: Duration) -> Result<Duration> {
        let text = self.text(value)?;
        crate::posture::duration(text)
            .and_then(|duration| Duration::try_from(duration).ok())
            .filter(|duration| (least..=LONGEST).contains(duration))
            .ok_or_else(|| {
                let what = format!(
                    "`{}` is no duration between {} s and a day",
                    text.escape_debug(),
                    least.as_secs()
                );
                self.error(value.span().start, &what).hint("such as 30s or 5m")
            })
    }

    fn text<'v>(&self, value: &'v Item<'_>) -> Result<&'v str> {
        value
            .get_ref()
            .as_str()
            .ok_or_else(|| self.error(value.span().start, "a text in quotes was expected"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::posture::{AccessKeys, Permissions, Sessions};

    #[test]
    fn a_posture_extends_a_built_in_one() {
        let text = "[state]\nlocation = \"incidents\"\n[guard]\nprotected_users = [\"ci\"]\n\
            [posture.quiet]\nextends = \"revoke\"\naccess_keys = \"all\"\nfence_margin = \"5m\"\n\
            [posture.managed]\nextends = \"lockdown\"\npermissions = \"deny-managed\"\n";
        let config = Config::parse(text, "ringfence.toml").unwrap();
        assert_eq!(config.location.as_deref(), Some("incidents"));
        assert_eq!(config.protected_users, ["ci"]);
        let quiet = config.posture("quiet").unwrap();
        assert_eq!((quiet.access_keys, quiet.fence_margin_s), (AccessKeys::All, Some(300)));
        let managed = config.posture("managed").unwrap();
        assert_eq!(
            (managed.permissions, managed.sessions),
            (Permissions::DenyManaged, Sessions::Keep)
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_file_and_line() {
        let cases = [
            (
                "[state]\nplace = \"x\"\n",
                "`place` is unknown here: expected location (`c.toml`, line 2)",
            ),
            (
                "[stat]\n",
                "`stat` is unknown here: expected state, guard, limits or posture (`c.toml`, line 1)",
            ),
            ("[posture.p]\nextends = \"revoke\"\nkeys = \"all\"\n", "(`c.toml`, line 3)"),
            (
                "[posture.p]\nextends = \"revoke\"\naccess_keys = \"some\"\n",
                "expected keep, named or all (`c.toml`, line 3)",
            ),
            ("[posture.p]\naccess_keys = \"all\"\n", "says not what it extends (`c.toml`, line 1)"),
            ("[posture.revoke]\nextends = \"lockdown\"\n", "is built in"),
            ("[approval]\nrequired = 2\n", "`[approval]` cannot be honoured (`c.toml`, line 1)"),
            ("a = [\n", "the TOML is malformed (`c.toml`, line"),
            ("[state]\nlocation = 5\n", "a text in quotes was expected (`c.toml`, line 2)"),
            (
                "[posture.p]\nextends=\"revoke\"\npermissions=\"deny-managed\"\nsessions=\"fence\"\n",
                "implies `sessions",
            ),
        ];
        for (text, expected) in cases {
            let error = Config::parse(text, "c.toml").unwrap_err();
            assert!(error.message().contains(expected), "{text:?}: {error}");
        }
    }
}
