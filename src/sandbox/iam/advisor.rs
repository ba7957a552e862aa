//! When a user or a role last used what it may do: out of the events that the sandbox has recorded. AWS takes
//! some hours to know; here it is known at once.

use crate::sandbox::act::{Act, Done};
use crate::sandbox::dispatch::{Service, Table};
use crate::sandbox::fault::Fault;
use crate::sandbox::page::Page;
use crate::sandbox::xml::Xml;
use crate::suggest::{Catalog, Mapped};
use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

pub(super) const ACTIONS: Table =
    &[("GenerateServiceLastAccessedDetails", generate), ("GetServiceLastAccessedDetails", get)];

/// The services of which AWS tracks actions, among those of the sandbox.
const TRACKED: [&str; 2] = ["iam", "s3"];

/// The last use: when, and in which Region.
type Last = (Timestamp, String);

/// What is known of one service.
#[derive(Default)]
struct Known {
    last: Option<Last>,
    actions: BTreeMap<String, Last>,
}

fn generate(act: &mut Act<'_>) -> Done {
    let arn = act.params.arn("Arn")?.to_owned();
    act.allow(&arn)?;
    let granularity = granularity(act)?;
    if !entities(act)?.contains(&arn) {
        return Err(Fault::missing(format!("ARN {arn} cannot be found.")));
    }
    let mut xml = Xml::new();
    xml.text("JobId", job(&arn, granularity));
    Ok(Some(xml))
}

fn granularity(act: &Act<'_>) -> Result<&'static str, Fault> {
    match act.params.get("Granularity") {
        None => Ok("SERVICE_LEVEL"),
        Some(_) => match act.params.word("Granularity", &["SERVICE_LEVEL", "ACTION_LEVEL"])? {
            "ACTION_LEVEL" => Ok("ACTION_LEVEL"),
            _ => Ok("SERVICE_LEVEL"),
        },
    }
}

/// A report is named by what it is about, so that nothing has to be kept of it.
fn job(arn: &str, granularity: &str) -> String {
    let hash: [u8; 32] = Sha256::digest(format!("{granularity} {arn}").as_bytes()).into();
    let hex: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let part = |from: usize, count: usize| hex.chars().skip(from).take(count).collect::<String>();
    [part(0, 8), part(8, 4), part(12, 4), part(16, 4), part(20, 12)].join("-")
}

fn entities(act: &Act<'_>) -> Result<Vec<String>, Fault> {
    let account = act.account()?;
    let partition = &act.world.partition;
    let users = account.users.values().map(|user| user.arn(partition, &account.id));
    let roles = account.roles.values().map(|role| role.arn(partition, &account.id));
    Ok(users.chain(roles).collect())
}

fn get(act: &mut Act<'_>) -> Done {
    act.allow("*")?;
    let asked = act.params.text("JobId", 36, 36)?;
    let all = entities(act)?;
    let found = all.iter().find_map(|arn| {
        let level = ["SERVICE_LEVEL", "ACTION_LEVEL"].into_iter();
        let level = level.into_iter().find(|level| job(arn, level) == asked)?;
        Some((arn, level))
    });
    let missing = || Fault::missing(format!("Report job {asked} cannot be found."));
    let (arn, level) = found.ok_or_else(missing)?;
    let known: Vec<(&'static str, Known)> = uses(act, arn).into_iter().collect();
    let page = Page::of(act.params, known, |(prefix, _)| (*prefix).to_owned())?;
    let mut xml = Xml::new();
    xml.text("JobStatus", "COMPLETED").text("JobType", level);
    xml.time("JobCreationDate", act.now).time("JobCompletionDate", act.now);
    xml.list("ServicesLastAccessed", &page.items, |xml, (prefix, known)| {
        xml.text("ServiceName", prefix).text("ServiceNamespace", prefix);
        xml.value("TotalAuthenticatedEntities", usize::from(known.last.is_some()));
        if let Some((at, region)) = &known.last {
            xml.time("LastAuthenticated", *at).text("LastAuthenticatedEntity", arn);
            xml.text("LastAuthenticatedRegion", region);
        }
        if level == "ACTION_LEVEL" && TRACKED.contains(prefix) {
            xml.list("TrackedActionsLastAccessed", &known.actions, |xml, (name, (at, region))| {
                xml.text("ActionName", name).text("LastAccessedEntity", arn);
                xml.time("LastAccessedTime", *at).text("LastAccessedRegion", region);
            });
        }
    });
    page.end(&mut xml);
    Ok(Some(xml))
}

/// The services of the sandbox, with what the trail knows of the use that one principal made of them.
fn uses(act: &Act<'_>, arn: &str) -> BTreeMap<&'static str, Known> {
    let catalog = Catalog::new();
    let mut all: BTreeMap<&'static str, Known> =
        Service::ALL.iter().map(|service| (service.name(), Known::default())).collect();
    let Some(trail) = &act.world.trail else { return all };
    for event in trail.of_account(&act.caller.account) {
        let text = |path: &str| event.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let by =
            [text("/userIdentity/arn"), text("/userIdentity/sessionContext/sessionIssuer/arn")];
        let Ok(at) = text("/eventTime").parse::<Timestamp>() else { continue };
        // Whoever was refused has authenticated, and used nothing.
        if !by.contains(&arn) {
            continue;
        }
        let Some(service) = catalog.of_source(text("/eventSource")) else { continue };
        let Some(known) = all.get_mut(service.prefix) else { continue };
        let last = (at, text("/awsRegion").to_owned());
        known.last = known.last.take().max(Some(last.clone()));
        let managed = event.get("managementEvent") == Some(&Value::Bool(true));
        let used = managed && event.get("errorCode").is_none();
        if let (true, Mapped::Actions(actions)) = (used, service.mapped(text("/eventName"))) {
            for (prefix, name) in actions {
                let Some(action) = catalog.action(prefix, &name) else { continue };
                known.actions.insert(action.name.clone(), last.clone());
            }
        }
    }
    all
}
