//! Credentials for single services.

use crate::sandbox::account::fold;
use crate::sandbox::act::{Act, Done};
use crate::sandbox::dispatch::Table;
use crate::sandbox::fault::Fault;
use crate::sandbox::page::Page;
use crate::sandbox::quota;
use crate::sandbox::user::{ServiceCredential, Status, User};
use crate::sandbox::xml::Xml;
use jiff::SignedDuration;

pub(super) const ACTIONS: Table = &[
    ("CreateServiceSpecificCredential", create),
    ("ListServiceSpecificCredentials", list),
    ("UpdateServiceSpecificCredential", update),
    ("DeleteServiceSpecificCredential", delete),
    ("ResetServiceSpecificCredential", reset),
];

/// Services with a user name and a password.
const PASSWORDS: [&str; 2] = ["codecommit.amazonaws.com", "cassandra.amazonaws.com"];
/// Services with an API key, which can end.
const API_KEYS: [&str; 2] = ["bedrock.amazonaws.com", "logs.amazonaws.com"];

fn create(act: &mut Act<'_>) -> Done {
    let service = act.params.need("ServiceName")?.to_owned();
    let days = act.params.number("CredentialAgeDays", 1, 36_600)?;
    let key = act.on_named_user(64, &[("iam:ServiceSpecificCredentialServiceName", &service)])?;
    if !PASSWORDS.contains(&service.as_str()) && !API_KEYS.contains(&service.as_str()) {
        let message =
            format!("No such service {service} is supported for Service Specific Credentials");
        return Err(Fault::new(404, "NotSupportedService", message));
    }
    let user = act.user(&key)?;
    let others = user.service_credentials.iter().filter(|known| known.service == service).count();
    if others >= quota::SERVICE_CREDENTIALS_PER_USER {
        let quota = quota::SERVICE_CREDENTIALS_PER_USER;
        return Err(Fault::quota("ServiceSpecificCredentialsPerUser", quota));
    }
    let name = user.name.clone();
    let suffix = if others == 0 { String::new() } else { format!("+{others}") };
    let user_name = format!("{name}{suffix}-at-{}", act.caller.account);
    let ends =
        |days: i64| act.now.checked_add(SignedDuration::from_hours(days.saturating_mul(24))).ok();
    let expires = days.filter(|_| API_KEYS.contains(&service.as_str())).and_then(ends);
    let made = ServiceCredential {
        id: act.world.ids.unique("ACCA"),
        secret: act.world.ids.secret(44),
        service,
        user_name,
        status: Status::Active,
        created: act.now,
        expires,
    };
    let xml = whole(&name, &made);
    act.user_mut(&key)?.service_credentials.push(made);
    Ok(Some(xml))
}

fn list(act: &mut Act<'_>) -> Done {
    let service = act.params.get("ServiceName");
    let everybody = act.params.flag("AllUsers")?.unwrap_or(false);
    let users: Vec<&User> = if everybody {
        act.allow(&act.iam_arn("user/"))?;
        act.account()?.users.values().collect()
    } else {
        let key = act.on_user(64, &[])?;
        vec![act.user(&key)?]
    };
    let of = |user: &&'_ User| -> Vec<(String, ServiceCredential)> {
        let wanted = user.service_credentials.iter();
        let wanted = wanted.filter(|known| service.is_none_or(|service| known.service == service));
        wanted.map(|known| (user.name.clone(), known.clone())).collect()
    };
    let all: Vec<_> = users.iter().flat_map(of).collect();
    let page = Page::of(act.params, all, |(name, known)| format!("{} {}", fold(name), known.id))?;
    let now = act.now;
    let mut xml = Xml::new();
    xml.list("ServiceSpecificCredentials", &page.items, |xml, (name, known)| {
        xml.text("UserName", name);
        let expired = known.expires.is_some_and(|end| now >= end);
        xml.text("Status", if expired { "Expired" } else { known.status.as_str() });
        xml.text(user_name(known), &known.user_name).time("CreateDate", known.created);
        if let Some(end) = known.expires {
            xml.time("ExpirationDate", end);
        }
        xml.text("ServiceSpecificCredentialId", &known.id).text("ServiceName", &known.service);
    });
    page.end(&mut xml);
    Ok(Some(xml))
}

fn update(act: &mut Act<'_>) -> Done {
    let status = act.params.status()?;
    let (key, id) = found(act)?;
    credential(act, &key, &id)?.status = status;
    Ok(None)
}

fn delete(act: &mut Act<'_>) -> Done {
    let (key, id) = found(act)?;
    credential(act, &key, &id)?;
    act.user_mut(&key)?.service_credentials.retain(|known| known.id != id);
    Ok(None)
}

fn reset(act: &mut Act<'_>) -> Done {
    let (key, id) = found(act)?;
    credential(act, &key, &id)?;
    let secret = act.world.ids.secret(44);
    let name = act.user(&key)?.name.clone();
    let known = credential(act, &key, &id)?;
    known.secret = secret;
    Ok(Some(whole(&name, known)))
}

fn found(act: &Act<'_>) -> Result<(String, String), Fault> {
    let id = act.params.id("ServiceSpecificCredentialId", 20)?.to_owned();
    Ok((act.on_user(64, &[])?, id))
}

fn credential<'a>(
    act: &'a mut Act<'_>,
    key: &str,
    id: &str,
) -> Result<&'a mut ServiceCredential, Fault> {
    let mut all = act.user_mut(key)?.service_credentials.iter_mut();
    let missing = || Fault::missing(format!("No such credential {id} exists"));
    all.find(|known| known.id == id).ok_or_else(missing)
}

fn user_name(credential: &ServiceCredential) -> &'static str {
    if API_KEYS.contains(&credential.service.as_str()) {
        "ServiceCredentialAlias"
    } else {
        "ServiceUserName"
    }
}

fn whole(name: &str, credential: &ServiceCredential) -> Xml {
    let api_key = API_KEYS.contains(&credential.service.as_str());
    let mut xml = Xml::new();
    xml.within("ServiceSpecificCredential", |xml| {
        xml.time("CreateDate", credential.created);
        if let Some(end) = credential.expires {
            xml.time("ExpirationDate", end);
        }
        xml.text("ServiceName", &credential.service);
        xml.text(user_name(credential), &credential.user_name);
        let secret = if api_key { "ServiceCredentialSecret" } else { "ServicePassword" };
        xml.text(secret, &credential.secret);
        xml.text("ServiceSpecificCredentialId", &credential.id);
        xml.text("UserName", name).text("Status", credential.status.as_str());
    });
    xml
}
