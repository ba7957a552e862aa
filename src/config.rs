//! `ringfence.toml`: where the state is, whom a rule protects, and postures of one's own.

mod approval;
mod file;
mod rules;

pub use rules::Rules;

use crate::approval::Requirement;
use crate::error::{Error, Result};
use crate::identity::{RoleName, UserName};
use crate::plan::SETTLE_S;
use crate::posture::{BUILT_IN, Posture, one_of};
use file::{File, Item, Table};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a configuration file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where states are kept.
    pub location: Option<String>,
    /// What approvals have to fulfil here, besides what the store asks for.
    pub approval: Requirement,
    /// An `allowed_signers` file that a key has to stand in as well.
    pub allowed_signers: Option<String>,
    /// The users that need `--override-protection`.
    pub protected_users: Vec<String>,
    /// The roles that need it.
    pub protected_roles: Vec<String>,
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
            approval: Requirement::default(),
            allowed_signers: None,
            protected_users: Vec::new(),
            protected_roles: Vec::new(),
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

/// The sections that the design knows and this program cannot honour: ignoring one would be worse.
const NOT_YET: [(&str, &str); 1] =
    [("account", "this version takes the caller's own credentials for every account")];

impl Config {
    /// Reads a configuration. `name` is what the file is called in an error.
    ///
    /// # Errors
    /// If the TOML is malformed, or a section, key, rule or value is unknown: with file and line.
    pub fn parse(text: &str, name: &str) -> Result<Self> {
        let (file, table) = File::open(text, name)?;
        let mut config = Self::default();
        for (key, value) in table.get_ref() {
            let at = key.span().start;
            match key.get_ref().as_ref() {
                "approval" => config.approval(&file, file.table(value)?)?,
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

    fn approval(&mut self, file: &File<'_>, table: &Table<'_>) -> Result<()> {
        for (key, value) in table {
            if key.get_ref() == "allowed_signers" {
                self.allowed_signers = Some(file.text(value)?.to_owned());
            } else {
                approval::set(&mut self.approval, file, key, value, &["allowed_signers"])?;
            }
        }
        Ok(())
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
                "protected_users" => self.protected_users = names(file, value, "user")?,
                "protected_roles" => self.protected_roles = names(file, value, "role")?,
                other => {
                    let known = ["protected_users", "protected_roles"];
                    return Err(file.unknown(key.span().start, other, &known));
                }
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

fn names(file: &File<'_>, value: &Item<'_>, kind: &str) -> Result<Vec<String>> {
    let list = value.get_ref().as_array().ok_or_else(|| {
        let what = format!("`protected_{kind}s` is no list of {kind} names");
        file.error(value.span().start, &what)
    })?;
    list.iter().map(|item| name(file, item, kind)).collect()
}

/// A name as it stands, and nothing that could be taken for more: what is no name would protect nobody.
fn name(file: &File<'_>, item: &Item<'_>, kind: &str) -> Result<String> {
    let text = file.text(item)?;
    let checked = match kind {
        "role" => text.parse::<RoleName>().map(|_| ()),
        _ => text.parse::<UserName>().map(|_| ()),
    };
    match checked {
        Ok(()) => Ok(text.to_owned()),
        Err(malformed) => Err(file
            .error(
                item.span().start,
                &format!("`{}` is no {kind} name", text.escape_debug()),
            )
            .because(malformed)
            .hint(format!(
                "name each {kind} by its name alone, without pattern, path or ARN: protected_{kind}s = [\"ci-deploy\"]"
            ))),
    }
}

fn unknown_section(file: &File<'_>, at: usize, name: &str) -> Error {
    match NOT_YET.iter().find(|(section, _)| *section == name) {
        Some((_, why)) => file.error(at, &format!("`[{name}]` cannot be honoured")).because(why),
        None => file.unknown(at, name, &["approval", "state", "guard", "limits", "posture"]),
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
                "`stat` is unknown here: expected approval, state, guard, limits or posture (`c.toml`, line 1)",
            ),
            ("[posture.p]\nextends = \"revoke\"\nkeys = \"all\"\n", "(`c.toml`, line 3)"),
            (
                "[posture.p]\nextends = \"revoke\"\naccess_keys = \"some\"\n",
                "expected keep, named or all (`c.toml`, line 3)",
            ),
            ("[posture.p]\naccess_keys = \"all\"\n", "says not what it extends (`c.toml`, line 1)"),
            ("[posture.revoke]\nextends = \"lockdown\"\n", "is built in"),
            ("[account]\n", "`[account]` cannot be honoured (`c.toml`, line 1)"),
            (
                "[approval]\nrequired = \"two\"\n",
                "a number from 0 to 99 was expected (`c.toml`, line 2)",
            ),
            (
                "[approval]\nrequired = 100\n",
                "a number from 0 to 99 was expected (`c.toml`, line 2)",
            ),
            ("[approval]\nlockdown = 2\n", "`lockdown` is unknown here: expected required, "),
            (
                "[approval]\nbreak_glass = true\n",
                "`break_glass` is nothing for this file (`c.toml`, line 2)",
            ),
            (
                "[guard]\nprotected_roles = [\n  \"ci\",\n  \"ci-*\"]\n",
                "`ci-*` is no role name (`c.toml`, line 4)",
            ),
            (
                "[guard]\nprotected_roles = [\"arn:aws:iam::123456789012:role/ci\"]\n",
                "is no role name (`c.toml`, line 2)",
            ),
            (
                "[guard]\nprotected_users = [\"team/ci\"]\n",
                "`team/ci` is no user name (`c.toml`, line 2)",
            ),
            ("[guard]\nprotected_users = [\"\"]\n", "`` is no user name (`c.toml`, line 2)"),
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
