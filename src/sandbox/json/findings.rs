//! GuardDuty's findings, as they were put into the world.

use crate::sandbox::Request;
use crate::sandbox::act::Act;
use crate::sandbox::fault::Fault;
use serde_json::{Value, json};

/// The one detector of an account.
pub(super) const DETECTOR: &str = "12abc34d567e8fa901bc2d34e56789f0";
/// The most that one call gives.
const PAGE: usize = 50;

pub(super) fn list(act: &Act<'_>, request: &Request, asked: &Value) -> Result<Value, Fault> {
    known_detector(request)?;
    let start = match asked.get("nextToken").and_then(Value::as_str) {
        None | Some("") => 0,
        Some(token) => token.parse::<usize>().map_err(|_| input("the token is none"))?,
    };
    let size = asked.get("maxResults").and_then(Value::as_u64).unwrap_or(50);
    let size = usize::try_from(size).unwrap_or(PAGE).clamp(1, PAGE);
    let criteria = asked.pointer("/findingCriteria/criterion").and_then(Value::as_object);
    let fits = |finding: &&Value| {
        criteria.is_none_or(|all| all.iter().all(|(path, test)| passes(finding, path, test)))
    };
    let fitting: Vec<&Value> = own(act).filter(fits).collect();
    let ids: Vec<&Value> =
        fitting.iter().skip(start).take(size).filter_map(|one| one.get("id")).collect();
    let next = start.saturating_add(size);
    let token = if next < fitting.len() { next.to_string() } else { String::new() };
    Ok(json!({ "findingIds": ids, "nextToken": token }))
}

pub(super) fn get(act: &Act<'_>, request: &Request, asked: &Value) -> Result<Value, Fault> {
    known_detector(request)?;
    let ids = asked.get("findingIds").and_then(Value::as_array);
    let ids = ids.ok_or_else(|| input("findingIds is missing"))?;
    if ids.len() > PAGE {
        return Err(input("at most 50 findings are given at once"));
    }
    let wanted = |one: &&Value| one.get("id").is_some_and(|id| ids.contains(id));
    Ok(json!({ "findings": own(act).filter(wanted).collect::<Vec<_>>() }))
}

/// The findings of the caller's account and of the Region that is asked.
fn own<'a>(act: &'a Act<'_>) -> impl Iterator<Item = &'a Value> {
    let is = |one: &Value, name: &str, value: &str| {
        one.get(name).and_then(Value::as_str).is_none_or(|known| known == value)
    };
    let here = move |one: &&Value| {
        is(one, "accountId", &act.caller.account) && is(one, "region", act.region)
    };
    act.world.findings.iter().filter(here)
}

/// Whether what stands at a path is one of the values, or none of them.
fn passes(finding: &Value, path: &str, test: &Value) -> bool {
    let at = path.split('.').try_fold(finding, |at, name| at.get(name));
    let at = at.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    let among = |name: &str| {
        let values = test.get(name).and_then(Value::as_array)?;
        Some(values.iter().any(|value| value.as_str() == at.as_deref()))
    };
    let equal = among("equals").or_else(|| among("eq")).unwrap_or(true);
    let unequal = among("notEquals").or_else(|| among("neq")).unwrap_or(false);
    equal && !unequal
}

fn known_detector(request: &Request) -> Result<(), Fault> {
    let path = request.path.trim_matches('/');
    if path.split('/').nth(1) == Some(DETECTOR) { Ok(()) } else { Err(input("no such detector")) }
}

fn input(why: &str) -> Fault {
    let message = format!("The request is rejected because {why}.");
    Fault::new(400, "BadRequestException", message)
}
