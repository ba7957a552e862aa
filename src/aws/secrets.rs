//! AWS Secrets Manager: the place that a workload looks for its key in.

use super::Aws;
use super::call::Reply;
use super::failure::{Failure, Kind};
use super::meter::Meter;
use crate::error::Error;
use crate::journal::StepResult;
use crate::plan::Fields;
use crate::text::shown;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::retry::RetryConfig;
use aws_sdk_secretsmanager::config::{Builder, Region};
use aws_sdk_secretsmanager::operation::RequestId;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

/// The stage of the version that a secret is read as where none is named.
const CURRENT: &str = "AWSCURRENT";

/// An access key that was just made. Its secret is shown to nobody (D2.11).
#[derive(Clone)]
pub struct NewKey {
    /// Its ID.
    pub id: String,
    /// Its secret.
    pub secret: Zeroizing<String>,
}

impl std::fmt::Debug for NewKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A secret as it is now, without what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its ARN.
    pub arn: String,
    /// Its current version.
    pub version: String,
    /// The names of the fields of its JSON.
    pub names: Vec<String>,
    /// What looks like the ID of an access key, in each field that holds one.
    pub keys: Vec<(String, String)>,
}

/// A secret's JSON, in the version that was read.
struct Content {
    version: String,
    fields: Members,
}

/// The client for a secret: of its own Region, where its ARN names one.
fn client(aws: &Aws, id: &str, meter: &Meter) -> Client {
    let mut config = Builder::from(&aws.sdk).interceptor(meter.of_sts());
    if let Some(region) = region_of(id) {
        config = config.region(Region::new(region.to_owned()));
    }
    Client::from_conf(config.build())
}

fn region_of(id: &str) -> Option<&str> {
    let mut parts = id.split(':');
    let region = (parts.next() == Some("arn")).then(|| parts.nth(2)).flatten();
    region.filter(|region| !region.is_empty())
}

/// Whether Secrets Manager takes a name for a secret, as the reference of CreateSecret has it.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "/_+=.@-".contains(c);
    (1..=512).contains(&name.len()) && name.chars().all(fits)
}

/// Looks at a secret; `None` if there is none of that name.
///
/// # Errors
/// If it is denied, on its way to be deleted, or holds no JSON object.
pub async fn look(aws: &Aws, id: &str) -> Result<Option<Found>, Error> {
    let client = client(aws, id, &Meter::default());
    let described = match Box::pin(client.describe_secret().secret_id(id).send()).await {
        Ok(described) => described,
        Err(error) => {
            let failure = Failure::of("secretsmanager:DescribeSecret", &error);
            return match failure.kind {
                _ if is_missing(&failure) => Ok(None),
                _ => Err(failed(id, &failure)),
            };
        }
    };
    if let Some(deleted) = described.deleted_date() {
        let when = deleted.secs();
        let when = jiff::Timestamp::from_second(when).map(|at| at.to_string());
        return Err(Error::failed(format!("secret `{}` is on its way to be deleted", shown(id)))
            .because(format!(
                "its deletion is scheduled for {}",
                when.unwrap_or_else(|_| "some time".to_owned())
            ))
            .hint(format!(
                "aws secretsmanager restore-secret --secret-id {} brings it back",
                crate::text::shell(id)
            )));
    }
    let arn = described.arn().unwrap_or(id).to_owned();
    let content = read(&client, id).await?;
    let keys = content.fields.0.iter().filter_map(|(name, _)| {
        let text = content.fields.text(name)?;
        text.parse::<crate::identity::AccessKeyId>().is_ok().then(|| (name.clone(), text))
    });
    Ok(Some(Found {
        arn,
        version: content.version.clone(),
        names: content.fields.0.iter().map(|(name, _)| name.clone()).collect(),
        keys: keys.collect(),
    }))
}

/// Reads the current version: always by its stage, since some endpoints give another without.
async fn read(client: &Client, id: &str) -> Result<Content, Error> {
    let asked = client.get_secret_value().secret_id(id).version_stage(CURRENT);
    let got = Box::pin(asked.send())
        .await
        .map_err(|error| failed(id, &Failure::of("secretsmanager:GetSecretValue", &error)))?;
    let no_json = |why: &str| {
        Error::failed(format!("secret `{}` holds no JSON object", shown(id)))
            .because(why)
            .hint("a key is put into two fields of a JSON object: make a secret that holds one, or name another")
    };
    let version = got.version_id().unwrap_or_default().to_owned();
    let Some(text) = got.secret_string() else {
        return Err(no_json("it is binary: SecretBinary, and no SecretString"));
    };
    // What stands in it is nobody's to see, not even in an error.
    let fields = serde_json::from_str::<Members>(text)
        .map_err(|_| no_json("its text is something else, or names a field twice"))?;
    Ok(Content { version, fields })
}

/// The version under which a secret holds a key now; `None` if it holds another.
///
/// # Errors
/// If it cannot be read.
pub async fn holds(
    aws: &Aws,
    id: &str,
    fields: &Fields,
    key: &str,
) -> Result<Option<String>, Error> {
    let content = read(&client(aws, id, &Meter::default()), id).await?;
    let held = content.fields.text(&fields.access_key_id).as_deref() == Some(key);
    Ok(held.then(|| content.version.clone()))
}

/// The key that a secret holds, if it is that one.
///
/// # Errors
/// If it cannot be read.
pub async fn stored_key(
    aws: &Aws,
    id: &str,
    fields: &Fields,
    key: &str,
) -> Result<Option<NewKey>, Error> {
    let content = read(&client(aws, id, &Meter::default()), id).await?;
    let held = content.fields.text(&fields.access_key_id).filter(|held| held == key);
    let secret = content.fields.text(&fields.secret_access_key).map(Zeroizing::new);
    Ok(held.zip(secret).map(|(id, secret)| NewKey { id, secret }))
}

/// Puts a key into a secret as its new version, once. The token makes the same call twice one (F16).
pub async fn put(
    aws: &Aws,
    id: &str,
    planned: &str,
    fields: &Fields,
    key: &NewKey,
    token: &str,
) -> Reply {
    let meter = Meter::default();
    let client = client(aws, id, &meter);
    let mut content = match read(&client, id).await {
        Ok(content) => content,
        Err(error) => return Reply::refused(&error),
    };
    if content.version != planned {
        return Reply::refused(
            &Error::failed("the secret was changed since the plan")
                .because(format!("its version is {}", shown(&content.version))),
        );
    }
    fill(&mut content.fields, fields, key);
    let text = text_of(&content.fields);
    let request = client
        .put_secret_value()
        .secret_id(id)
        .client_request_token(token)
        .secret_string(text.as_str())
        .version_stages(CURRENT)
        .customize()
        .config_override(once());
    let reply = Box::pin(request.send()).await;
    let version = reply.as_ref().ok().and_then(|reply| reply.version_id().map(str::to_owned));
    ended(&meter, "secretsmanager:PutSecretValue", reply, version)
}

/// Makes a secret that holds a key, once.
pub async fn create(aws: &Aws, name: &str, fields: &Fields, key: &NewKey, token: &str) -> Reply {
    let meter = Meter::default();
    let mut content = Content { version: String::new(), fields: Members::default() };
    fill(&mut content.fields, fields, key);
    let text = text_of(&content.fields);
    let request = client(aws, name, &meter)
        .create_secret()
        .name(name)
        .client_request_token(token)
        .secret_string(text.as_str())
        .customize()
        .config_override(once());
    let reply = Box::pin(request.send()).await;
    let version = reply.as_ref().ok().and_then(|reply| reply.version_id().map(str::to_owned));
    ended(&meter, "secretsmanager:CreateSecret", reply, version)
}

/// The fields of a JSON object as they are written, in their order: what a workload has in its secret is nobody's
/// to write otherwise, and a number may have more digits than a program keeps.
#[derive(Default)]
struct Members(Vec<(String, Box<RawValue>)>);

impl Members {
    fn text(&self, name: &str) -> Option<String> {
        let (_, raw) = self.0.iter().find(|(known, _)| known == name)?;
        serde_json::from_str(raw.get()).ok()
    }

    fn put(&mut self, name: &str, text: &str) {
        let Ok(raw) = serde_json::value::to_raw_value(text) else { return };
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, value)) => *value = raw,
            None => self.0.push((name.to_owned(), raw)),
        }
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Members;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Members, M::Error> {
                let mut members: Vec<(String, Box<RawValue>)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    if members.iter().any(|(known, _)| *known == name) {
                        return Err(serde::de::Error::custom("a field stands twice"));
                    }
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }
        from.deserialize_map(Each)
    }
}

impl Serialize for Members {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

fn fill(content: &mut Members, fields: &Fields, key: &NewKey) {
    content.put(&fields.access_key_id, &key.id);
    content.put(&fields.secret_access_key, &key.secret);
}

fn text_of(content: &Members) -> Zeroizing<String> {
    // Serialising to memory fails only for maps with keys that are no text; there are none here.
    Zeroizing::new(serde_json::to_string(content).unwrap_or_default())
}

/// The SDK would repeat a lost call (D2.5).
fn once() -> Builder {
    aws_sdk_secretsmanager::Config::builder().retry_config(RetryConfig::disabled())
}

fn ended<T, E>(
    meter: &Meter,
    action: &'static str,
    reply: Result<T, SdkError<E, HttpResponse>>,
    version: Option<String>,
) -> Reply
where
    T: RequestId,
    E: std::error::Error + ProvideErrorMetadata + 'static,
    SdkError<E, HttpResponse>: RequestId,
{
    let service_date = meter.latest_date();
    match reply {
        Ok(output) => Reply {
            result: StepResult::Done,
            service_date,
            request_id: output.request_id().map(|id| shown(id).into_owned()),
            made: version.map(|version| shown(&version).into_owned()),
            ..Reply::default()
        },
        Err(error) => {
            let request_id = error.request_id().map(|id| shown(id).into_owned());
            let failure = Failure::of(action, &error);
            // The shapes of its errors are those of JSON services, so that a fault of the service's own may
            // have done it, and everything that was answered with a 4xx was not done.
            let result = match failure.kind {
                Kind::Lost | Kind::Garbled | Kind::Senseless if meter.sent() => StepResult::InDoubt,
                Kind::Throttled => StepResult::Throttled,
                _ => StepResult::Refused,
            };
            Reply {
                result,
                service_date,
                request_id,
                missing_action: (failure.kind == Kind::Denied).then(|| action.to_owned()),
                error: Some(failure.text),
                ..Reply::default()
            }
        }
    }
}

fn is_missing(failure: &Failure) -> bool {
    failure.kind == Kind::NotFound || failure.text.starts_with("ResourceNotFoundException")
}

fn failed(id: &str, failure: &Failure) -> Error {
    let error = Error::failed(format!("secret `{}` could not be read", shown(id)))
        .because(format!("{}: {}", failure.action, failure.text));
    match failure.kind {
        Kind::Denied => error.hint(format!(
            "grant {} on it; a customer-managed key of KMS needs kms:Decrypt and kms:GenerateDataKey",
            failure.action
        )),
        _ if is_missing(failure) => error.hint(
            "aws secretsmanager list-secrets shows which there are; --create-secret makes one",
        ),
        _ => error.hint("--region names the Region that it is in"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_other_field_stays_as_it_is_written() {
        let before = r#"{"n":12345678901234567890123,"id":"old","f":1.10,"e":1e2,"u":"\u00e9\/x","deep":{"b":1,"a":[]}}"#;
        let mut content: Members = serde_json::from_str(before).unwrap();
        let fields = Fields { access_key_id: "id".into(), secret_access_key: "secret".into() };
        let key = NewKey { id: "NEW".into(), secret: Zeroizing::new("a\"b".into()) };
        fill(&mut content, &fields, &key);
        let expected =
            before.replace("\"old\"", "\"NEW\"").replace("]}}", r#"]},"secret":"a\"b"}"#);
        assert_eq!(*text_of(&content), expected);
        assert_eq!(content.text("secret").as_deref(), Some("a\"b"));
    }

    #[test]
    fn a_field_that_stands_twice_is_no_shape_to_keep() {
        for odd in [r#"{"a":1,"a":2}"#, "[]", "1", "{"] {
            assert!(serde_json::from_str::<Members>(odd).is_err(), "{odd}");
        }
    }
}
