//! The store's `policy.toml`: what approvals have to fulfil there, and guardrails.

use super::approval;
use super::file::{File, Item, Table};
use crate::approval::Requirement;
use crate::approval::effect::Effect;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::guardrail::{Guardrail, Named, Outcome, When};
use crate::plan::Kind;
use crate::plan::sha256;
use std::collections::BTreeMap;
use std::str;

/// What a store's `policy.toml` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// The SHA-256 of the file's bytes.
    pub sha256: String,
    /// What approvals have to fulfil.
    pub approval: Requirement,
    /// Whether `--break-glass` may run a plan without them.
    pub break_glass: bool,
    /// The guardrails, in their order.
    pub guardrails: Vec<Guardrail>,
}

const RULE_KEYS: [&str; 5] = ["name", "then", "approvals", "message", "when"];
const WHEN_KEYS: [&str; 11] = [
    "kind",
    "effect",
    "resource",
    "user",
    "user_path",
    "user_tag",
    "role",
    "role_path",
    "role_tag",
    "account",
    "fence_younger_than",
];

impl Rules {
    /// Reads a `policy.toml`. `name` is what the file is called in an error.
    ///
    /// # Errors
    /// If anything in it is malformed or unknown, with file and line, as a refusal (exit 4): rules that
    /// cannot be read are not taken for none.
    pub fn parse(bytes: &[u8], name: &str) -> Result<Self> {
        let text = str::from_utf8(bytes)
            .map_err(|_| Error::forbidden(format!("`{}` is no UTF-8", crate::text::shown(name))))?;
        let mut rules = Self::of(text, name).map_err(|error| {
            error
                .with_exit(Exit::Forbidden)
                .hint("what stands in a policy.toml: README, \"Approvals\"")
        })?;
        rules.sha256 = sha256(bytes);
        Ok(rules)
    }

    fn of(text: &str, name: &str) -> Result<Self> {
        let (file, table) = File::open(text, name)?;
        let mut rules = Self::default();
        for (key, value) in table.get_ref() {
            match key.get_ref().as_ref() {
                "approval" => rules.approval(&file, file.table(value)?)?,
                "rule" => {
                    let list = value.get_ref().as_array().ok_or_else(|| {
                        file.error(value.span().start, "rules are written as [[rule]]")
                    })?;
                    for item in list.iter() {
                        rules.guardrails.push(guardrail(&file, item)?);
                    }
                }
                other => return Err(file.unknown(key.span().start, other, &["approval", "rule"])),
            }
        }
        Ok(rules)
    }

    fn approval(&mut self, file: &File<'_>, table: &Table<'_>) -> Result<()> {
        for (key, value) in table {
            if key.get_ref() == "break_glass" {
                self.break_glass = file.truth(value)?;
            } else {
                approval::set(&mut self.approval, file, key, value, &["break_glass"])?;
            }
        }
        Ok(())
    }
}

fn guardrail(file: &File<'_>, item: &Item<'_>) -> Result<Guardrail> {
    let at = item.span().start;
    let (mut name, mut message, mut outcome, mut when) = (None, None, None, When::default());
    for (key, value) in file.table(item)? {
        match key.get_ref().as_ref() {
            "name" => name = Some(file.text(value)?.to_owned()),
            "message" => message = Some(file.text(value)?.to_owned()),
            "then" => {
                let then = match file.text(value)? {
                    "deny" => Outcome::Deny,
                    "warn" => Outcome::Warn,
                    other => {
                        let what = format!("`{}` is neither deny nor warn", other.escape_debug());
                        return Err(file.error(value.span().start, &what));
                    }
                };
                one_outcome(file, value, &mut outcome, then)?;
            }
            "approvals" => {
                let number = file.number(value)?;
                one_outcome(file, value, &mut outcome, Outcome::Approvals(number))?;
            }
            "when" => when = conditions(file, file.table(value)?)?,
            other => return Err(file.unknown(key.span().start, other, &RULE_KEYS)),
        }
    }
    let missing = |what: &str| file.error(at, &format!("this rule has no `{what}`"));
    let outcome = outcome.ok_or_else(|| {
        missing("then").hint("then = \"deny\", then = \"warn\", or approvals = 2")
    })?;
    Ok(Guardrail {
        name: name.ok_or_else(|| missing("name"))?,
        message: message.ok_or_else(|| missing("message"))?,
        outcome,
        when,
    })
}

fn one_outcome(
    file: &File<'_>,
    value: &Item<'_>,
    place: &mut Option<Outcome>,
    one: Outcome,
) -> Result<()> {
    match place.replace(one) {
        None => Ok(()),
        Some(_) => Err(file.error(value.span().start, "a rule has either `then` or `approvals`")),
    }
}

fn conditions(file: &File<'_>, table: &Table<'_>) -> Result<When> {
    let mut when = When::default();
    for (key, value) in table {
        match key.get_ref().as_ref() {
            "kind" => {
                when.kind = Some(match file.text(value)? {
                    "contain" => Kind::Contain,
                    "release" => Kind::Release,
                    "recover" => Kind::Recover,
                    other => {
                        let what = format!("`{}` is no kind of plan", other.escape_debug());
                        return Err(file
                            .error(value.span().start, &what)
                            .hint("contain, release or recover"));
                    }
                });
            }
            "effect" => {
                for name in file.texts(value)? {
                    let effect = Effect::parse(&name).ok_or_else(|| {
                        let known: Vec<&str> = Effect::ALL.iter().map(|(_, name)| *name).collect();
                        file.unknown(value.span().start, &name, &known)
                    })?;
                    when.effects.insert(effect);
                }
            }
            "resource" => when.resources = file.texts(value)?,
            "user" => when.users.names = file.texts(value)?,
            "user_path" => when.users.paths = file.texts(value)?,
            "user_tag" => when.users.tags = tags(file, value)?,
            "role" => when.roles.names = file.texts(value)?,
            "role_path" => when.roles.paths = file.texts(value)?,
            "role_tag" => when.roles.tags = tags(file, value)?,
            "account" => when.accounts = file.texts(value)?,
            "fence_younger_than" => when.fence_younger_than_s = Some(file.seconds(value)?),
            other => return Err(file.unknown(key.span().start, other, &WHEN_KEYS)),
        }
    }
    if let (false, false, Some((key, _))) =
        (when.users == Named::default(), when.roles == Named::default(), table.iter().next())
    {
        let what = "a rule that is about users and about roles is about nobody";
        return Err(file.error(key.span().start, what).hint("make two rules of it"));
    }
    Ok(when)
}

fn tags(file: &File<'_>, value: &Item<'_>) -> Result<BTreeMap<String, Vec<String>>> {
    let mut tags = BTreeMap::new();
    for (tag, patterns) in file.table(value)? {
        tags.insert(tag.get_ref().to_string(), file.texts(patterns)?);
    }
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_read() {
        let text = r#"
[approval]
required = 1
max_age = "24h"
separate_applier = true
reactivate = 2
break_glass = true

[approval.people]
alice = ["arn:aws:sts::*:assumed-role/Responder/alice"]

[[rule]]
name = "production is looked at by two"
approvals = 2
message = "the platform team has to agree"
when = { effect = ["reactivate", "delete"], user_tag = { env = "prod*" } }

[[rule]]
name = "ci"
then = "deny"
message = "ci is contained by its owners"
[rule.when]
user_path = "/ci/*"
kind = "contain"
"#;
        let rules = Rules::parse(text.as_bytes(), "policy.toml").unwrap();
        assert_eq!((rules.approval.required, rules.approval.max_age_s), (1, Some(86_400)));
        assert_eq!(rules.approval.effects.get(&Effect::Reactivate), Some(&2));
        assert!(rules.break_glass && rules.approval.separate_applier);
        assert_eq!(rules.approval.people.len(), 1);
        let outcomes: Vec<Outcome> = rules.guardrails.iter().map(|rule| rule.outcome).collect();
        assert_eq!(outcomes, [Outcome::Approvals(2), Outcome::Deny]);
        assert_eq!(rules.sha256.len(), 64);
    }

    #[test]
    fn what_is_wrong_refuses_with_file_and_line() {
        for (text, expected) in [
            (
                "[aproval]\n",
                "`aproval` is unknown here: expected approval or rule (`policy.toml`, line 1)",
            ),
            ("[approval]\nallowed_signers = \"x\"\n", "`allowed_signers` is unknown here"),
            (
                "[[rule]]\nname = \"x\"\nmessage = \"y\"\n",
                "this rule has no `then` (`policy.toml`, line 1)",
            ),
            ("[[rule]]\nthen = \"deny\"\nmessage = \"y\"\n", "has no `name`"),
            ("[[rule]]\nname = \"x\"\nthen = \"deny\"\n", "has no `message`"),
            (
                "[[rule]]\nthen = \"stop\"\n",
                "`stop` is neither deny nor warn (`policy.toml`, line 2)",
            ),
            ("[[rule]]\nthen = \"deny\"\napprovals = 2\n", "either `then` or `approvals`"),
            (
                "[[rule]]\nwhen = { effect = \"explode\" }\n",
                "`explode` is unknown here: expected deactivate",
            ),
            ("[[rule]]\nwhen = { kind = \"x\" }\n", "`x` is no kind of plan"),
            ("[[rule]]\nwhen = { tag = \"x\" }\n", "`tag` is unknown here: expected kind"),
            ("[rule]\n", "rules are written as [[rule]]"),
            ("= 1", "the TOML is malformed"),
        ] {
            let error = Rules::parse(text.as_bytes(), "policy.toml").unwrap_err();
            assert!(error.message().contains(expected), "{text:?}: {error}");
            assert_eq!(error.exit(), Exit::Forbidden);
        }
    }
}
