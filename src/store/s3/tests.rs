//! Where requests go: the SDK's own HTTP client answers here.

use super::objects::{Objects, Only, Put};
use super::{Key, S3Store};
use crate::aws::Settings;
use crate::identity::PrincipalKind;
use crate::store::location::{Location, Place};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_iam::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use std::sync::{Arc, Mutex};

/// The requests that came: method, address and Region that was signed for.
type Seen = Arc<Mutex<Vec<(String, String, String)>>>;

/// A bucket in a Region. From any other it redirects as S3 does.
#[derive(Clone, Debug)]
struct Bucket {
    region: &'static str,
    /// The status with which it redirects, and the code.
    says: (u16, &'static str),
    /// Whether it redirects from its own, too.
    never: bool,
    seen: Seen,
}

impl HttpConnector for Bucket {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let signed = request.headers().get("authorization").unwrap();
        let region = signed.split('/').nth(2).unwrap().to_owned();
        let right = region == self.region && !self.never;
        self.seen.lock().unwrap().push((
            request.method().to_owned(),
            request.uri().to_owned(),
            region,
        ));
        let (status, code) = self.says;
        let (status, body) = if right {
            (200, "{}".to_owned())
        } else {
            (status, format!("<Error><Code>{code}</Code><Message>m</Message></Error>"))
        };
        let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
        response.headers_mut().insert("x-amz-bucket-region", self.region);
        if right {
            response.headers_mut().insert("etag", "\"e\"");
        }
        HttpConnectorFuture::ready(Ok(response))
    }
}

fn place() -> Place {
    match Location::parse("s3://incidents/prod").unwrap() {
        Location::Bucket(place) => place,
        Location::Directory(_) => unreachable!("it is in a bucket"),
    }
}

fn config(bucket: &Bucket, endpoint: Option<&str>) -> SdkConfig {
    let answers = bucket.clone();
    let http = http_client_fn(move |_, _| SharedHttpConnector::new(answers.clone()));
    let keys = Credentials::new("a", "b", None, None, "test");
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(keys))
        .http_client(http);
    config.set_endpoint_url(endpoint.map(str::to_owned));
    config.build()
}

fn bucket(region: &'static str, says: (u16, &'static str)) -> Bucket {
    Bucket { region, says, never: false, seen: Seen::default() }
}

fn objects(bucket: &Bucket, endpoint: Option<&str>) -> Objects {
    Objects::new(place(), Settings::default(), Some(config(bucket, endpoint)))
}

#[tokio::test]
async fn a_bucket_in_another_region_is_followed_there_and_stays_there() {
    for says in [
        (301, "PermanentRedirect"),
        (400, "AuthorizationHeaderMalformed"),
        (307, "TemporaryRedirect"),
    ] {
        let bucket = bucket("eu-west-1", says);
        let objects = objects(&bucket, None);
        let put = objects.put("lock", b"x", Only::IfAbsent).await.unwrap();
        assert!(matches!(put, Put::Written(_)), "{put:?}");
        objects.get("lock").await.unwrap();
        let seen = bucket.seen.lock().unwrap().clone();
        let regions: Vec<&str> = seen.iter().map(|(_, _, region)| region.as_str()).collect();
        assert_eq!(regions, ["us-east-1", "eu-west-1", "eu-west-1"], "{says:?}");
        let hosts: Vec<&str> =
            seen.iter().map(|(_, uri, _)| uri.split('?').next().unwrap()).collect();
        assert_eq!(hosts[1], "https://incidents.s3.eu-west-1.amazonaws.com/prod/lock");
    }
}

/// It redirects for ever, and the person is told where the bucket says that it is.
#[tokio::test]
async fn a_redirect_is_followed_once() {
    let mut bucket = bucket("eu-west-1", (301, "PermanentRedirect"));
    bucket.never = true;
    let store = S3Store::from_config(place(), &config(&bucket, None));
    let key = Key {
        account: "123456789012".parse().unwrap(),
        kind: PrincipalKind::User,
        id: "AIDA3EXAMPLE".parse().unwrap(),
    };
    let error = store.load(&key).await.unwrap_err();
    assert_eq!(bucket.seen.lock().unwrap().len(), 2);
    assert!(error.cause().unwrap().starts_with("the bucket is in eu-west-1: "), "{error}");
    assert_eq!(error.hints(), ["--region eu-west-1"]);
}

#[tokio::test]
async fn only_awss_own_endpoints_have_a_host_for_each_bucket() {
    for (endpoint, address) in [
        (None, "https://incidents.s3.us-east-1.amazonaws.com/prod/lock"),
        (
            Some("https://s3.us-east-1.amazonaws.com"),
            "https://incidents.s3.us-east-1.amazonaws.com/prod/lock",
        ),
        (Some("http://localhost:4566"), "http://localhost:4566/incidents/prod/lock"),
        (Some("https://minio.example.org"), "https://minio.example.org/incidents/prod/lock"),
        (Some("http://127.0.0.1:4566"), "http://127.0.0.1:4566/incidents/prod/lock"),
    ] {
        let bucket = bucket("us-east-1", (500, "InternalError"));
        objects(&bucket, endpoint).get("lock").await.unwrap();
        let seen = bucket.seen.lock().unwrap().clone();
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].1.split('?').next().unwrap(), address);
    }
}
