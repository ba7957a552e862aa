//! How a plan reads: how deep, and that reading never writes (D2.1, D8).
//!
//! The SDK's own HTTP client is replaced, so signing, serialising, parsing and paging are the real ones.
//! Time is virtual: each reply takes a tenth of a second, so the time that reading takes counts the trips.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_iam::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use ringfence::aws::{Aws, Targets, read};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const TRIP: Duration = Duration::from_millis(100);
const DATE: &str = "Sat, 21 Nov 2026 03:10:07 GMT";
const LEAKED: &str = "AKIA3EXAMPLE4LEAKED1";

/// A user with two keys, three inline policies and two groups, as IAM's XML tells it.
#[derive(Clone, Debug, Default)]
struct Canned {
    calls: Arc<Mutex<Vec<String>>>,
    page: bool,
}

fn parameter(body: &str, name: &str) -> Option<String> {
    body.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        (key == name).then(|| value.to_owned())
    })
}

impl Canned {
    fn answer(&self, body: &str) -> (u16, String) {
        let action = parameter(body, "Action").unwrap();
        self.calls.lock().unwrap().push(action.clone());
        let user = "<UserName>deploy-bot</UserName>";
        let listed = |element: &str, members: &str| {
            format!("<{element}>{members}</{element}><IsTruncated>false</IsTruncated>")
        };
        let result = match action.as_str() {
            "GetCallerIdentity" => "<Arn>arn:aws:sts::123456789012:assumed-role/IR/alice</Arn>\
                <UserId>AROAEXAMPLE:alice</UserId><Account>123456789012</Account>"
                .to_owned(),
            "GetAccountSummary" => "<SummaryMap><entry><key>AttachedPoliciesPerUserQuota</key><value>10</value></entry>\
                <entry><key>UserPolicySizeQuota</key><value>2048</value></entry></SummaryMap>"
                .to_owned(),
            "GetAccessKeyLastUsed" => format!(
                "{user}<AccessKeyLastUsed><LastUsedDate>2026-11-21T03:08:07Z</LastUsedDate>\
                 <ServiceName>s3</ServiceName><Region>eu-west-1</Region></AccessKeyLastUsed>"
            ),
            "GetUser" => format!(
                "<User><Path>/</Path>{user}<UserId>AIDA3EXAMPLEDEPLOYBT</UserId>\
                 <Arn>arn:aws:iam::123456789012:user/deploy-bot</Arn><CreateDate>2026-01-01T00:00:00Z</CreateDate>\
                 <Tags><member><Key>team</Key><Value>ops</Value></member></Tags></User>"
            ),
            "ListAccessKeys" => listed(
                "AccessKeyMetadata",
                &[LEAKED, "AKIA3EXAMPLE5SECOND2"]
                    .map(|id| format!(
                        "<member>{user}<AccessKeyId>{id}</AccessKeyId><Status>Active</Status>\
                         <CreateDate>2026-02-01T00:00:00Z</CreateDate></member>"
                    ))
                    .concat(),
            ),
            "ListUserPolicies" if self.page && !body.contains("Marker=") => {
                // A short page: only IsTruncated says whether more follows (F18).
                "<PolicyNames></PolicyNames><IsTruncated>true</IsTruncated><Marker>more</Marker>".to_owned()
            }
            "ListUserPolicies" => listed("PolicyNames", "<member>a</member><member>b</member><member>c</member>"),
            "GetUserPolicy" => format!(
                "{user}<PolicyName>{}</PolicyName><PolicyDocument>%7B%22Statement%22%3A%5B%5D%7D</PolicyDocument>",
                parameter(body, "PolicyName").unwrap()
            ),
            "ListGroupsForUser" => listed(
                "Groups",
                &["devs", "ops"]
                    .map(|name| format!(
                        "<member><Path>/</Path><GroupName>{name}</GroupName><GroupId>AGPA{name}</GroupId>\
                         <Arn>arn:aws:iam::123456789012:group/{name}</Arn><CreateDate>2026-01-01T00:00:00Z</CreateDate></member>"
                    ))
                    .concat(),
            ),
            "ListAttachedUserPolicies" => listed("AttachedPolicies", ""),
            "ListSSHPublicKeys" => listed("SSHPublicKeys", ""),
            "ListSigningCertificates" => listed("Certificates", ""),
            "ListServiceSpecificCredentials" => "<ServiceSpecificCredentials></ServiceSpecificCredentials>".to_owned(),
            "ListMFADevices" => listed("MFADevices", ""),
            "ListUserTags" => listed("Tags", ""),
            "GetLoginProfile" => {
                let error = "<ErrorResponse><Error><Type>Sender</Type><Code>NoSuchEntity</Code>\
                    <Message>Login Profile for User deploy-bot cannot be found.</Message></Error></ErrorResponse>";
                return (404, error.to_owned());
            }
            other => panic!("a plan made the call {other}"),
        };
        (
            200,
            format!(
                "<{action}Response><{action}Result>{result}</{action}Result></{action}Response>"
            ),
        )
    }
}

impl HttpConnector for Canned {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = String::from_utf8(request.body().bytes().unwrap_or_default().to_vec()).unwrap();
        let (status, answer) = self.answer(&body);
        HttpConnectorFuture::new(async move {
            tokio::time::sleep(TRIP).await;
            let mut response =
                HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(answer));
            response.headers_mut().insert("date", DATE);
            Ok(response)
        })
    }
}

fn aws(canned: &Canned) -> Aws {
    let connector = SharedHttpConnector::new(canned.clone());
    let credentials = Credentials::new("AKIDEXAMPLEEXAMPLE", "not-a-secret", None, None, "test");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        // Nothing leaves the process; and if it did, it would end here.
        .endpoint_url("http://127.0.0.1:9")
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(http_client_fn(move |_, _| connector.clone()))
        .build();
    Aws::from_config(&config)
}

async fn read_deploy_bot(targets: Targets, canned: &Canned) -> (ringfence::aws::Reading, Duration) {
    let aws = aws(canned);
    let from = tokio::time::Instant::now();
    let reading = read(&aws, &targets).await.unwrap();
    (reading, from.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_plan_from_a_leaked_key_is_three_round_trips_deep() {
    let canned = Canned::default();
    let targets = Targets { keys: vec![LEAKED.parse().unwrap()], ..Targets::default() };
    let (reading, took) = read_deploy_bot(targets, &canned).await;
    let snapshot = &reading.snapshots[0];
    assert_eq!(snapshot.access_keys.items().len(), 2);
    assert_eq!(snapshot.inline_policies.items().len(), 3);
    assert_eq!(snapshot.groups.items().len(), 2);
    assert_eq!(snapshot.unread(), []);
    assert_eq!(took, 3 * TRIP, "each trip takes {TRIP:?}");
    assert_eq!(reading.cost.round_trips, 3);
    let calls = canned.calls.lock().unwrap();
    assert_eq!(reading.cost.calls as usize, calls.len());
    assert!(
        calls.iter().all(|call| call.starts_with("Get") || call.starts_with("List")),
        "{calls:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_plan_from_a_name_needs_no_more() {
    let canned = Canned::default();
    let targets = Targets { users: vec!["deploy-bot".parse().unwrap()], ..Targets::default() };
    let (reading, took) = read_deploy_bot(targets, &canned).await;
    assert!(took <= 3 * TRIP, "{took:?}");
    assert_eq!(
        reading.cost.round_trips,
        u32::try_from(took.as_millis() / TRIP.as_millis()).unwrap()
    );
}

#[tokio::test(start_paused = true)]
async fn a_short_page_is_followed_and_counted() {
    let canned = Canned { page: true, ..Canned::default() };
    let targets = Targets { keys: vec![LEAKED.parse().unwrap()], ..Targets::default() };
    let (reading, took) = read_deploy_bot(targets, &canned).await;
    assert_eq!(reading.snapshots[0].inline_policies.items().len(), 3);
    assert_eq!(took, 4 * TRIP);
    assert_eq!(reading.cost.round_trips, 4);
}

#[tokio::test(start_paused = true)]
async fn the_clock_is_the_services() {
    let canned = Canned::default();
    let targets = Targets { users: vec!["deploy-bot".parse().unwrap()], ..Targets::default() };
    let (reading, _) = read_deploy_bot(targets, &canned).await;
    assert_eq!(reading.service_time.to_string(), "2026-11-21T03:10:07Z");
    assert_eq!(reading.snapshots[0].read_at, reading.service_time);
}
