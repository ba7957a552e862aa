//! Scenarios: a list of calls in TOML, made in order by whoever holds the credentials.

use super::{Answer, Credentials, Player, Sandbox};
use crate::error::{Error, Result};
use crate::text::shown;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Who the administrator of the account is, in a scenario.
pub const ADMIN: &str = "admin";

/// A scenario: what happens in the account, one call after another.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it shows, in one line.
    pub about: String,
    /// The calls, in order.
    #[serde(rename = "call")]
    pub calls: Vec<Call>,
}

/// One call of a scenario.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// Whose credentials make it: `admin`, or a name that an earlier call kept.
    pub by: String,
    /// The action, such as `iam:CreateAccessKey`.
    pub action: String,
    /// Its parameters, by the names of the Query protocol.
    #[serde(default)]
    pub with: BTreeMap<String, String>,
    /// Parameters whose value is the ID of a key that an earlier call kept, by the key's name there:
    /// IDs are not known before.
    #[serde(default)]
    pub id_of: BTreeMap<String, String>,
    /// The name under which the credentials in the answer are kept.
    pub keep: Option<String>,
    /// The error code that is expected instead of success.
    pub expect: Option<String>,
    /// The address that CloudTrail is told it comes from.
    pub from: Option<String>,
    /// The client that CloudTrail is told of.
    pub agent: Option<String>,
}

impl Scenario {
    /// Reads a scenario. `name` is what the file is called in an error.
    ///
    /// # Errors
    /// If it is no TOML, or has other keys than a scenario has: with file and line.
    pub fn parse(text: &str, name: &str) -> Result<Self> {
        toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            Error::failed(format!("the scenario `{name}` is malformed at line {line}"))
                .because(error.message())
                .hint("examples/scenarios has one for each attack")
        })
    }

    /// Plays it, and returns the credentials that were kept, by name.
    ///
    /// # Errors
    /// If a call is answered otherwise than the scenario says, or made by nobody known.
    pub fn play(&self, sandbox: &Sandbox) -> Result<BTreeMap<String, Credentials>> {
        let mut kept = BTreeMap::from([(ADMIN.to_owned(), sandbox.admin())]);
        for (index, call) in self.calls.iter().enumerate() {
            let wrong = |message: String| {
                Error::failed(format!("call {} of the scenario: {message}", index + 1))
            };
            let answer = call.make(sandbox, &kept, &wrong)?;
            if let Some(name) = &call.keep {
                let credentials = answer.credentials().ok_or_else(|| {
                    wrong(format!("its answer has no credentials to keep as `{}`", shown(name)))
                })?;
                kept.insert(name.clone(), credentials);
            }
        }
        Ok(kept)
    }
}

impl Call {
    /// Makes it, and returns the answer that was expected.
    fn make(
        &self,
        sandbox: &Sandbox,
        kept: &BTreeMap<String, Credentials>,
        wrong: &dyn Fn(String) -> Error,
    ) -> Result<Answer> {
        let known = |place: &str, name: &str| {
            kept.get(name).ok_or_else(|| {
                wrong(format!("nobody is called `{}`", shown(name)))
                    .hint(format!("`{place}` is admin, or what an earlier call has under `keep`"))
            })
        };
        let mut player = Player::new(sandbox.clone(), known("by", &self.by)?.clone());
        if self.from.is_some() || self.agent.is_some() {
            let or =
                |place: &Option<String>, other: &str| place.as_deref().unwrap_or(other).to_owned();
            player = player.from(&or(&self.from, "127.0.0.1"), &or(&self.agent, "scenario"));
        }
        let mut parameters: Vec<(&str, &str)> =
            self.with.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        for (name, key) in &self.id_of {
            parameters.push((name, &known("id_of", key)?.access_key_id));
        }
        let answer = player.call(&self.action, &parameters);
        let expected = self.expect.as_deref().unwrap_or("ok");
        if answer.code() == expected {
            return Ok(answer);
        }
        let said = answer.text("Message").unwrap_or_default();
        Err(wrong(format!(
            "{} by {} was answered {}, expected {expected}",
            shown(&self.action),
            shown(&self.by),
            answer.code()
        ))
        .because(shown(said)))
    }
}
