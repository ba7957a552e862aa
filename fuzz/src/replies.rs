//! Replies of the service, as a hostile endpoint may make them: a reading never makes up what it did not
//! read, and a change counts as done only where its own answer says so.
//!
//! The input is a list of replies, each after a line `@ ACTION STATUS DATE`. A request takes the next one
//! of its action; the last is given again, and any where its action has none.

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use jiff::Timestamp;
use ringfence::aws::{Aws, Reading, Targets, call, read, read_known};
use ringfence::error::Error;
use ringfence::identity::{UserName, Who};
use ringfence::journal::StepResult;
use ringfence::lineage::Lineage;
use ringfence::plan::{Action, OnDrift, Plan};
use ringfence::planner;
use ringfence::policy::hold;
use ringfence::posture::{BUILT_IN, Posture};
use ringfence::snapshot::{Snapshot, Status};
use ringfence::text::shown;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// What holds of any bytes that the service answers with.
pub fn law(bytes: &[u8]) {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    }
    let replies = replies(bytes);
    RUNTIME.with(|runtime| {
        runtime.block_on(async {
            reads(&replies).await;
            changes(&replies).await;
        });
    });
}

#[derive(Clone, Debug)]
struct Answer {
    action: String,
    status: u16,
    date: String,
    body: Vec<u8>,
}

fn replies(bytes: &[u8]) -> Vec<Answer> {
    let mut all = Vec::new();
    let mut lines: Vec<&[u8]> = Vec::new();
    let mut head: Option<&[u8]> = None;
    let mut close = |head: Option<&[u8]>, lines: &mut Vec<&[u8]>| {
        if head.is_none() && lines.is_empty() {
            return;
        }
        let text = String::from_utf8_lossy(head.unwrap_or_default());
        let mut words = text.splitn(3, ' ');
        all.push(Answer {
            action: words.next().unwrap_or_default().to_owned(),
            status: words.next().and_then(|word| word.parse().ok()).unwrap_or(200),
            date: words.next().unwrap_or_default().to_owned(),
            body: std::mem::take(lines).join(&b'\n'),
        });
    };
    for line in bytes.split(|byte| *byte == b'\n') {
        if let Some(next) = line.strip_prefix(b"@ ") {
            close(head, &mut lines);
            head = Some(next);
        } else {
            lines.push(line);
        }
    }
    close(head, &mut lines);
    // A client reads no more than a service sends.
    all.truncate(64);
    all
}

/// Answers from the list.
#[derive(Debug)]
struct Service {
    replies: Vec<Answer>,
    given: Mutex<BTreeMap<String, usize>>,
}

impl HttpConnector for Service {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
        let action = body.split('&').find_map(|pair| pair.strip_prefix("Action="));
        let action = action.unwrap_or_default().to_owned();
        let mut of: Vec<&Answer> =
            self.replies.iter().filter(|reply| reply.action == action).collect();
        if of.is_empty() {
            of = self.replies.iter().collect();
        }
        let mut given = self.given.lock().expect("nobody panics here");
        let next = given.entry(action).or_default();
        let answer = of.get(*next).or(of.last()).map(|answer| (*answer).clone());
        *next += 1;
        let Answer { status, date, body, .. } = answer.unwrap_or(Answer {
            action: String::new(),
            status: 503,
            date: String::new(),
            body: Vec::new(),
        });
        // A client never sees the status of a reply that only begins.
        let status = if (200..600).contains(&status) { status } else { 200 };
        let mut response =
            HttpResponse::new(status.try_into().expect("a status"), SdkBody::from(body));
        let _ = response.headers_mut().try_insert("date", date);
        HttpConnectorFuture::ready(Ok(response))
    }
}

fn aws(replies: &[Answer]) -> Aws {
    let service = Service { replies: replies.to_vec(), given: Mutex::default() };
    let service = SharedHttpConnector::new(service);
    let credentials = Credentials::new("AKIAEXAMPLEKEY000000", "none", None, None, "law");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .endpoint_url("http://service.invalid")
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::disabled())
        .http_client(http_client_fn(move |_, _| service.clone()))
        .build();
    Aws::from_config(&config)
}

fn user() -> UserName {
    "deploy-bot".parse().expect("a name")
}

fn calm(text: &str) {
    for line in text.split('\n') {
        assert_eq!(shown(line), line);
    }
}

fn who() -> Who {
    Who::User(user())
}

async fn reads(replies: &[Answer]) {
    let ours = "arn:aws:iam::123456789012:policy/RingfenceFence-07070707".to_owned();
    let known = read_known(&aws(replies), &[who()], &[(who(), ours)]).await;
    taken(&known);
    let targets = Targets {
        users: vec![user()],
        keys: vec!["AKIAEXAMPLEKEY000001".parse().expect("a key ID")],
        full: true,
        ..Targets::default()
    };
    let reading = read(&aws(replies), &targets).await;
    taken(&reading);
    if let Ok(reading) = &reading {
        assert!(reading.gone.is_empty());
        assert_eq!(reading.owners.len(), 1);
        // Whose key it is was read, and so was the owner.
        for (_, owner) in &reading.owners {
            let found = |one: &Snapshot| one.name().same_user(owner.as_str());
            assert!(reading.snapshots.iter().any(found));
        }
    }
}

fn taken(reading: &Result<Reading, Error>) {
    let reading = match reading {
        Ok(reading) => reading,
        Err(error) => {
            calm(&error.to_string());
            assert!(!error.message().contains('\n'), "{error}");
            return;
        }
    };
    assert!(!reading.endpoint_is_aws);
    assert!(!reading.snapshots.is_empty() || !reading.gone.is_empty());
    for snapshot in &reading.snapshots {
        assert_eq!(snapshot.arn().account(), reading.caller.account.as_str());
        assert_eq!(snapshot.read_at, reading.service_time);
        let mut sorted = snapshot.clone();
        sorted.sort();
        assert_eq!(sorted, *snapshot);
        let json = serde_json::to_vec(snapshot).expect("JSON");
        assert_eq!(serde_json::from_slice::<Snapshot>(&json).expect("a snapshot"), *snapshot);
    }
    for posture in BUILT_IN {
        contained(reading, posture);
    }
}

/// No answer makes a plan that cannot be read again, and so puts a veto on containment (D2.3).
fn contained(reading: &Reading, posture: &str) {
    let subjects = reading.snapshots.iter().map(|snapshot| planner::Subject {
        snapshot: snapshot.clone(),
        state: None,
        named: Vec::new(),
        traced: Vec::new(),
        sessions: Vec::new(),
        fresh_lineage: Lineage::new([7; 16]),
    });
    let request = planner::Request {
        posture: Posture::built_in(posture).expect("a built-in posture"),
        since: Some(Timestamp::UNIX_EPOCH),
        protected_users: Vec::new(),
        protected_roles: Vec::new(),
        override_protection: false,
        cut_workloads: false,
        trace: None,
        finding: None,
        strict: false,
        settle_s: 30,
    };
    let context = planner::Context {
        caller: reading.caller.clone(),
        endpoint: reading.endpoint.clone(),
        now: reading.service_time,
        read: reading.cost,
        incident: None,
        version: "0.1.0".to_owned(),
        on_drift: OnDrift::Tighten,
    };
    match planner::contain(subjects.collect(), &request, &context) {
        Ok(plan) => {
            let read = Plan::parse(&plan.bytes(), "the-file");
            assert_eq!(read.unwrap_or_else(|error| panic!("{error}")), plan);
            calm(&ringfence::render::text::plan(&plan, ringfence::render::Screen::default(), None));
            calm(&ringfence::render::markdown::plan(&plan, None, None));
            calm(&ringfence::render::commands::plan(&plan));
        }
        Err(error) => calm(&error.to_string()),
    }
}

/// One action of every kind.
fn actions() -> Vec<Action> {
    let (id, status) = ("AKIAEXAMPLEKEY000001".to_owned(), Status::Inactive);
    let name = "RingfenceHold-07070707".to_owned();
    let arn = format!("arn:aws:iam::123456789012:policy/{name}");
    let (group, document) = ("devs".to_owned(), hold());
    vec![
        Action::UpdateAccessKey { id: id.clone(), status },
        Action::UpdateSshPublicKey { id: id.clone(), status },
        Action::UpdateSigningCertificate { id: id.clone(), status },
        Action::UpdateServiceSpecificCredential { id, status },
        Action::PutUserPolicy { name: name.clone(), document: document.clone() },
        Action::DeleteUserPolicy { name: name.clone() },
        Action::AttachUserPolicy { arn: arn.clone() },
        Action::DetachUserPolicy { arn: arn.clone() },
        Action::CreatePolicy { arn: arn.clone(), name, document },
        Action::DeletePolicy { arn: arn.clone() },
        Action::PutUserPermissionsBoundary { arn },
        Action::DeleteUserPermissionsBoundary,
        Action::DeleteLoginProfile,
        Action::AddUserToGroup { group: group.clone() },
        Action::RemoveUserFromGroup { group },
    ]
}

/// Every reply is taken for the answer to the change it is of; one of no change, for the answer to two.
async fn changes(replies: &[Answer]) {
    let all = actions();
    for reply in replies.iter().take(8) {
        let own: Vec<&Action> = all.iter().filter(|one| one.name() == reply.action).collect();
        let tried = if own.is_empty() {
            all.iter()
                .filter(|one| matches!(one.name(), "UpdateAccessKey" | "CreatePolicy"))
                .collect()
        } else {
            own
        };
        for action in tried {
            let only = Answer { action: action.name().to_owned(), ..reply.clone() };
            let status = if (200..600).contains(&only.status) { only.status } else { 200 };
            let given = only.body.clone();
            let ended = call(&aws(&[only]), &user(), action).await;
            for text in
                [&ended.request_id, &ended.error, &ended.missing_action].into_iter().flatten()
            {
                calm(text);
                assert!(!text.contains('\n'), "{text}");
            }
            let success = (200..300).contains(&status);
            assert_eq!(ended.error.is_none(), ended.result == StepResult::Done, "{ended:?}");
            match ended.result {
                StepResult::Done => {
                    assert!(success, "{ended:?}");
                    let body = String::from_utf8(given).expect("text");
                    let body = body.trim();
                    let root = format!("{}Response", action.name());
                    let opened = body.contains(&format!("<{root}"));
                    let closed = body.trim_end_matches('>').trim_end();
                    assert!(
                        opened && (closed.ends_with(&format!("</{root}")) || closed.ends_with('/'))
                    );
                }
                StepResult::InDoubt => {}
                // Only a refusal says that nothing was changed.
                _ => assert!(!success, "{ended:?}"),
            }
        }
    }
}
