//! `[approval]`, in `ringfence.toml` and in the store's `policy.toml`.

use super::file::{File, Item};
use crate::approval::Requirement;
use crate::approval::effect::Effect;
use crate::error::Result;
use std::borrow::Cow;
use toml::Spanned;

const KEYS: [&str; 4] = ["required", "max_age", "separate_applier", "people"];

/// Sets what one key of the section says. `others` are the keys that the caller knows besides.
pub(super) fn set(
    requirement: &mut Requirement,
    file: &File<'_>,
    key: &Spanned<Cow<'_, str>>,
    value: &Item<'_>,
    others: &[&str],
) -> Result<()> {
    match key.get_ref().as_ref() {
        "required" => requirement.required = file.number(value)?,
        "max_age" => requirement.max_age_s = Some(file.seconds(value)?),
        "separate_applier" => requirement.separate_applier = file.truth(value)?,
        "people" => {
            for (person, arns) in file.table(value)? {
                let arns = file.texts(arns)?.into_iter().collect();
                requirement.people.insert(person.get_ref().to_string(), arns);
            }
        }
        "break_glass" => {
            return Err(file
                .error(key.span().start, "`break_glass` is nothing for this file")
                .because("only the store's policy.toml can allow it"));
        }
        name => {
            let Some(effect) = Effect::parse(name) else {
                let effects = Effect::ALL.iter().map(|(_, name)| *name);
                let known: Vec<&str> =
                    KEYS.into_iter().chain(others.iter().copied()).chain(effects).collect();
                return Err(file.unknown(key.span().start, name, &known));
            };
            requirement.effects.insert(effect, file.number(value)?);
        }
    }
    Ok(())
}
