//! The sandbox behind the SDK's own HTTP client, in this process: no socket is opened.

use super::{Credentials, Request, Response, Sandbox};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials as Signing;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use jiff::{SignedDuration, Timestamp};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where a sandbox in this process is said to be: a name that no resolver knows.
pub const ENDPOINT: &str = "http://sandbox.invalid";

/// A configuration of the SDK whose every request is answered by the sandbox, signed by its clock.
#[must_use]
pub fn sdk_config(sandbox: &Sandbox, credentials: &Credentials) -> SdkConfig {
    config(Door(sandbox.clone()), Clock::of(sandbox, SignedDuration::ZERO), credentials)
}

/// What every configuration has whose requests stay in this process.
pub(super) fn config(
    door: impl HttpConnector + 'static,
    clock: Clock,
    credentials: &Credentials,
) -> SdkConfig {
    let door = SharedHttpConnector::new(door);
    let Credentials { access_key_id, secret_access_key, session_token } = credentials;
    let signing =
        Signing::new(access_key_id, secret_access_key, session_token.clone(), None, "sandbox");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .endpoint_url(ENDPOINT)
        .credentials_provider(SharedCredentialsProvider::new(signing))
        .time_source(clock)
        .http_client(http_client_fn(move |_, _| door.clone()))
        .build()
}

/// What the SDK signs by: the sandbox's clock, or one that is wrong by so much.
#[derive(Clone)]
pub(super) struct Clock {
    sandbox: Sandbox,
    ahead: SignedDuration,
}

impl Clock {
    pub(super) fn of(sandbox: &Sandbox, ahead: SignedDuration) -> Self {
        Self { sandbox: sandbox.clone(), ahead }
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the sandbox's clock")
    }
}

impl aws_smithy_async::time::TimeSource for Clock {
    fn now(&self) -> SystemTime {
        let now = self.sandbox.now().saturating_add(self.ahead).unwrap_or(Timestamp::MAX);
        let seconds = u64::try_from(now.as_second()).unwrap_or_default();
        UNIX_EPOCH + Duration::from_secs(seconds)
    }
}

#[derive(Clone)]
struct Door(Sandbox);

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the sandbox's door")
    }
}

impl HttpConnector for Door {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = taken(&request).map(|request| self.0.answer(&request)).and_then(given);
        HttpConnectorFuture::ready(answer)
    }
}

pub(super) fn taken(request: &HttpRequest) -> Result<Request, ConnectorError> {
    let uri: http::Uri = request.uri().parse().map_err(unfit)?;
    let body = request.body().bytes().ok_or_else(|| unfit("a body in pieces"))?;
    let headers = request.headers().iter();
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Ok(Request {
        method: request.method().to_owned(),
        host: uri.host().unwrap_or_default().to_owned(),
        path: uri.path().to_owned(),
        query: uri.query().unwrap_or_default().to_owned(),
        headers,
        body: body.to_vec(),
    })
}

pub(super) fn given(answer: Response) -> Result<HttpResponse, ConnectorError> {
    let status = StatusCode::try_from(answer.status).map_err(unfit)?;
    let mut response = HttpResponse::new(status, SdkBody::from(answer.body));
    for (name, value) in answer.headers {
        response.headers_mut().try_insert(name, value).map_err(unfit)?;
    }
    Ok(response)
}

fn unfit(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ConnectorError {
    ConnectorError::user(error.into())
}
