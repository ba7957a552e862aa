//! Somebody with credentials who calls the sandbox: the attacker of a scenario, or a workload.

use super::trail::SOURCE_HEADER;
use super::{Credentials, Request, Sandbox};
use aws_credential_types::Credentials as Signing;
use aws_sigv4::http_request::{
    PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use std::time::{Duration, UNIX_EPOCH};

const REGION: &str = "us-east-1";

/// Credentials in somebody's hands.
#[derive(Clone)]
pub struct Player {
    sandbox: Sandbox,
    credentials: Credentials,
    /// The address and the user agent that CloudTrail is told.
    place: Option<(String, String)>,
}

/// What a call was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body, XML.
    pub body: String,
}

impl Answer {
    /// Whether the call did what it was for.
    #[must_use]
    pub const fn is_ok(&self) -> bool {
        self.status < 300
    }

    /// The text of the first element of this name.
    #[must_use]
    pub fn text(&self, element: &str) -> Option<&str> {
        let (_, rest) = self.body.split_once(&format!("<{element}>"))?;
        rest.split_once(&format!("</{element}>")).map(|(text, _)| text)
    }

    /// The error's code, or `ok`.
    #[must_use]
    pub fn code(&self) -> &str {
        if self.is_ok() {
            "ok"
        } else {
            self.text("Code").unwrap_or("an answer that is no error of AWS")
        }
    }

    /// The credentials in the answer of GetSessionToken, AssumeRole and their like, or of CreateAccessKey.
    #[must_use]
    pub fn credentials(&self) -> Option<Credentials> {
        Some(Credentials {
            access_key_id: self.text("AccessKeyId")?.to_owned(),
            secret_access_key: self.text("SecretAccessKey")?.to_owned(),
            session_token: self.text("SessionToken").map(str::to_owned),
        })
    }
}

impl Player {
    /// Puts credentials into somebody's hands.
    #[must_use]
    pub const fn new(sandbox: Sandbox, credentials: Credentials) -> Self {
        Self { sandbox, credentials, place: None }
    }

    /// The same, calling from an address with a client.
    #[must_use]
    pub fn from(self, address: &str, agent: &str) -> Self {
        Self { place: Some((address.to_owned(), agent.to_owned())), ..self }
    }

    /// Whose hands these are.
    #[must_use]
    pub const fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Calls an action of IAM or STS, such as `iam:CreateUser`, with its parameters.
    #[must_use]
    pub fn call(&self, action: &str, parameters: &[(&str, &str)]) -> Answer {
        let (service, name) = action.split_once(':').unwrap_or(("iam", action));
        let version = if service == "sts" { "2011-06-15" } else { "2010-05-08" };
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("Action", name)
            .append_pair("Version", version)
            .extend_pairs(parameters)
            .finish();
        self.send(service, "POST", "/", body.into_bytes())
    }

    /// Asks S3 for its buckets: something that a policy can allow or deny.
    #[must_use]
    pub fn list_buckets(&self) -> Answer {
        self.send("s3", "GET", "/", Vec::new())
    }

    /// Reads an object of a bucket.
    #[must_use]
    pub fn get_object(&self, bucket: &str, key: &str) -> Answer {
        self.send("s3", "GET", &format!("/{bucket}/{key}"), Vec::new())
    }

    fn send(&self, service: &str, method: &str, path: &str, body: Vec<u8>) -> Answer {
        let host = match service {
            "s3" => format!("s3.{REGION}.amazonaws.com"),
            other => format!("{other}.amazonaws.com"),
        };
        let mut headers = vec![("host".to_owned(), host.clone())];
        if method == "POST" {
            headers
                .push(("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned()));
        }
        if let Some(signed) = self.signed(service, method, &host, path, &headers, &body) {
            headers.extend(signed);
        }
        if let Some((address, agent)) = &self.place {
            headers.push((SOURCE_HEADER.to_owned(), address.clone()));
            headers.push(("user-agent".to_owned(), agent.clone()));
        }
        let answer = self.sandbox.answer(&Request {
            method: method.to_owned(),
            host,
            path: path.to_owned(),
            query: String::new(),
            headers,
            body,
        });
        Answer { status: answer.status, body: String::from_utf8_lossy(&answer.body).into_owned() }
    }

    fn signed(
        &self,
        service: &str,
        method: &str,
        host: &str,
        path: &str,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Option<Vec<(String, String)>> {
        let Credentials { access_key_id, secret_access_key, session_token } = &self.credentials;
        let identity =
            Signing::new(access_key_id, secret_access_key, session_token.clone(), None, "player")
                .into();
        let mut settings = SigningSettings::default();
        if service == "s3" {
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        let seconds = u64::try_from(self.sandbox.now().as_second()).ok()?;
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(REGION)
            .name(service)
            .time(UNIX_EPOCH + Duration::from_secs(seconds))
            .settings(settings)
            .build()
            .ok()?
            .into();
        let uri = format!("http://{host}{path}");
        let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let request = SignableRequest::new(method, uri, headers, SignableBody::Bytes(body)).ok()?;
        let (instructions, _) = sign(request, &parameters).ok()?.into_parts();
        let (signed, _) = instructions.into_parts();
        Some(
            signed
                .into_iter()
                .map(|header| (header.name().to_owned(), header.value().to_owned()))
                .collect(),
        )
    }
}
