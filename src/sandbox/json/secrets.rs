//! Secrets Manager: secrets with versions, of which one is current.

use crate::sandbox::act::Act;
use crate::sandbox::fault::Fault;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const CURRENT: &str = "AWSCURRENT";
const PREVIOUS: &str = "AWSPREVIOUS";
/// For how long a deleted secret can be restored, where the request does not say.
const RECOVERY_DAYS: i64 = 30;

/// A secret of an account and Region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
    /// From when it is gone for good, if it was deleted.
    pub deleted: Option<Timestamp>,
    /// The versions, oldest first.
    pub versions: Vec<SecretVersion>,
}

/// A version of a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretVersion {
    /// Its ID: the token of the request that made it.
    pub id: String,
    /// What it holds.
    pub text: String,
    /// Its stages.
    pub stages: Vec<String>,
    /// When it was made.
    pub created: Timestamp,
}

pub(super) fn serve(act: &mut Act<'_>, asked: &Value) -> Result<Value, Fault> {
    match act.action {
        "CreateSecret" => create(act, asked),
        "ListSecrets" => list(act),
        "DescribeSecret" => describe(act, asked),
        "GetSecretValue" => get(act, asked),
        "PutSecretValue" => put(act, asked),
        "DeleteSecret" => delete(act, asked),
        _ => restore(act, asked),
    }
}

fn text<'v>(asked: &'v Value, name: &str) -> Option<&'v str> {
    asked.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn needed<'v>(asked: &'v Value, name: &str) -> Result<&'v str, Fault> {
    text(asked, name).ok_or_else(|| invalid(&format!("You must provide a value for {name}.")))
}

fn invalid(message: &str) -> Fault {
    Fault::new(400, "InvalidParameterException", message)
}

fn missing() -> Fault {
    let message = "Secrets Manager can't find the specified secret.";
    Fault::new(400, "ResourceNotFoundException", message)
}

fn unnamed(act: &Act<'_>, name: &str) -> String {
    let (partition, region, account) = (&act.world.partition, act.region, &act.caller.account);
    format!("arn:{partition}:secretsmanager:{region}:{account}:secret:{name}")
}

/// Where the secret of a request is, once the caller may do this to it.
fn place(act: &Act<'_>, asked: &Value) -> Result<usize, Fault> {
    let id = needed(asked, "SecretId")?;
    let here = unnamed(act, "");
    let is =
        |secret: &&Secret| secret.arn == id || (secret.name == id && secret.arn.starts_with(&here));
    let found = act.world.secrets.iter().find(is).map(|secret| secret.arn.clone());
    let arn =
        if id.starts_with("arn:") { id.to_owned() } else { unnamed(act, &format!("{id}-??????")) };
    act.allow(found.as_deref().unwrap_or(&arn))?;
    let place = act.world.secrets.iter().position(|secret| Some(&secret.arn) == found.as_ref());
    place.ok_or_else(missing)
}

fn at<'w>(act: &'w mut Act<'_>, place: usize) -> Result<&'w mut Secret, Fault> {
    act.world.secrets.get_mut(place).ok_or_else(missing)
}

fn create(act: &mut Act<'_>, asked: &Value) -> Result<Value, Fault> {
    let name = needed(asked, "Name")?;
    let arn = unnamed(act, name);
    act.allow_with(&arn, &[("secretsmanager:Name", name)])?;
    let token = token(asked)?;
    let value = asked.get("SecretString").and_then(Value::as_str).map(str::to_owned);
    let there = act.world.secrets.iter().find(|secret| secret.arn.starts_with(&format!("{arn}-")));
    if let Some(there) = there.filter(|there| there.name == name) {
        let same = there.versions.iter().any(|v| v.id == token && Some(&v.text) == value.as_ref());
        if same {
            return Ok(json!({ "ARN": there.arn, "Name": there.name, "VersionId": token }));
        }
        let message = format!("The operation failed because the secret {name} already exists.");
        return Err(Fault::new(400, "ResourceExistsException", message));
    }
    let arn = format!("{arn}-{}", act.world.ids.base32(6));
    let version = value.map(|text| SecretVersion {
        id: token.clone(),
        text,
        stages: vec![CURRENT.to_owned()],
        created: act.now,
    });
    act.world.secrets.push(Secret {
        arn: arn.clone(),
        name: name.to_owned(),
        created: act.now,
        deleted: None,
        versions: version.into_iter().collect(),
    });
    Ok(json!({ "ARN": arn, "Name": name, "VersionId": token }))
}

fn token(asked: &Value) -> Result<String, Fault> {
    let token = needed(asked, "ClientRequestToken")?;
    if (32..=64).contains(&token.len()) {
        Ok(token.to_owned())
    } else {
        Err(invalid("ClientRequestToken must be 32 to 64 characters long."))
    }
}

fn list(act: &Act<'_>) -> Result<Value, Fault> {
    act.allow("*")?;
    let here = unnamed(act, "");
    let own = act.world.secrets.iter().filter(|one| one.arn.starts_with(&here));
    let shown = own.filter(|one| one.deleted.is_none()).map(describing);
    Ok(json!({ "SecretList": shown.collect::<Vec<_>>() }))
}

fn describing(secret: &Secret) -> Value {
    let stages: serde_json::Map<String, Value> =
        secret.versions.iter().map(|v| (v.id.clone(), json!(v.stages))).collect();
    let mut shown = json!({
        "ARN": secret.arn,
        "Name": secret.name,
        "CreatedDate": secret.created.as_second(),
        "VersionIdsToStages": stages,
    });
    if let (Some(deleted), Some(shown)) = (secret.deleted, shown.as_object_mut()) {
        shown.insert("DeletedDate".to_owned(), json!(deleted.as_second()));
    }
    shown
}

fn describe(act: &mut Act<'_>, asked: &Value) -> Result<Value, Fault> {
    let place = place(act, asked)?;
    at(act, place).map(|secret| describing(secret))
}

fn alive(secret: &Secret) -> Result<(), Fault> {
    let message =
        "You can't perform this operation on the secret because it was marked for deletion.";
    match secret.deleted {
        None => Ok(()),
        Some(_) => Err(Fault::new(400, "InvalidRequestException", message)),
    }
}

fn get(act: &mut Act<'_>, asked: &Value) -> Result<Value, Fault> {
    let place = place(act, asked)?;
    let secret = at(act, place)?;
    alive(secret)?;
    let (id, stage) = (text(asked, "VersionId"), text(asked, "VersionStage"));
    let wanted = |version: &&SecretVersion| match (id, stage) {
        (Some(id), _) => version.id == id,
        (None, stage) => version.stages.iter().any(|one| one == stage.unwrap_or(CURRENT)),
    };
    let version = secret.versions.iter().find(wanted).ok_or_else(|| {
        let message = "Secrets Manager can't find the specified secret value for staging label";
        Fault::new(400, "ResourceNotFoundException", message)
    })?;
    Ok(json!({
        "ARN": secret.arn,
        "Name": secret.name,
        "VersionId": version.id,
        "SecretString": version.text,
        "VersionStages": version.stages,
        "CreatedDate": version.created.as_second(),
    }))
}

fn put(act: &mut Act<'_>, asked: &Value) -> Result<Value, Fault> {
    let place = place(act, asked)?;
    let token = token(asked)?;
    let value = needed(asked, "SecretString")?.to_owned();
    let now = act.now;
    let secret = at(act, place)?;
    alive(secret)?;
    match secret.versions.iter().find(|version| version.id == token) {
        Some(known) if known.text != value => {
            let message = "You can't use ClientRequestToken again for another value.";
            return Err(Fault::new(400, "ResourceExistsException", message));
        }
        Some(_) => {}
        None => {
            for version in &mut secret.versions {
                version.stages.retain(|stage| stage != PREVIOUS);
                for stage in version.stages.iter_mut().filter(|stage| *stage == CURRENT) {
                    *stage = PREVIOUS.to_owned();
                }
            }
            let (id, stages) = (token.clone(), vec![CURRENT.to_owned()]);
            secret.versions.push(SecretVersion { id, text: value, stages, created: now });
        }
    }
    Ok(json!({
        "ARN": secret.arn, "Name": secret.name, "VersionId": token, "VersionStages": [CURRENT],
    }))
}

fn delete(act: &mut Act<'_>, asked: &Value) -> Result<Value, Fault> {
    let place = place(act, asked)?;
    let days = asked.get("RecoveryWindowInDays").and_then(Value::as_i64).unwrap_or(RECOVERY_DAYS);
    let gone = act.now.saturating_add(SignedDuration::from_hours(24 * days.clamp(7, 30)));
    let secret = at(act, place)?;
    alive(secret)?;
    secret.deleted = Some(gone.unwrap_or(Timestamp::MAX));
    let when = secret.deleted.map(Timestamp::as_second);
    Ok(json!({ "ARN": secret.arn, "Name": secret.name, "DeletionDate": when }))
}

fn restore(act: &mut Act<'_>, asked: &Value) -> Result<Value, Fault> {
    let place = place(act, asked)?;
    let secret = at(act, place)?;
    secret.deleted = None;
    Ok(json!({ "ARN": secret.arn, "Name": secret.name }))
}
