//! A line on which calls get lost: each kind of trouble does what it says, and no more.

use super::*;
use crate::aws::{Aws, Targets, call, read};
use crate::identity::UserName;
use crate::journal::StepResult;
use crate::plan::Action;
use crate::sandbox::{Carried, Fate, Line, Moment, Page, Trouble};
use crate::snapshot::Observed;
use aws_sdk_iam::Client;
use aws_sdk_iam::config::retry::RetryConfig;
use aws_sdk_iam::error::ProvideErrorMetadata;
use aws_sdk_iam::types::StatusType;
use std::sync::Mutex;
use std::time::Duration;

/// The line of a stage, and a client on it that tries once.
fn line(stage: &Stage, trouble: Trouble) -> (Line, Client) {
    let line = Line::new(&stage.sandbox, 1);
    line.set_trouble(trouble);
    let config = line.sdk_config(&stage.sandbox.admin());
    let once = aws_sdk_iam::config::Builder::from(&config).retry_config(RetryConfig::disabled());
    (line, Client::from_conf(once.build()))
}

fn keys(stage: &Stage, user: &str) -> usize {
    stage.sandbox.edit(|world| world.account(ACCOUNT).unwrap().user(user).unwrap().keys.len())
}

/// What CreateAccessKey comes to under a trouble: how it ended, the keys there are, and the log.
async fn create_key(trouble: Trouble) -> (String, usize, Carried) {
    let stage = Stage::new();
    stage.ok("iam:CreateUser", &[("UserName", "bot")]);
    let (line, iam) = line(&stage, trouble);
    let reply = iam.create_access_key().user_name("bot").send().await;
    let said = match reply {
        Ok(reply) => {
            format!("ok {}", reply.access_key().map_or(0, |key| key.access_key_id().len()))
        }
        Err(error) => match error.raw_response() {
            Some(raw) => format!("{} {}", raw.status(), error.code().unwrap_or("-")),
            None => chain(&error),
        },
    };
    let log = line.log();
    assert_eq!(log.len(), 1, "it was sent once");
    (said, keys(&stage, "bot"), log[0].clone())
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

const ALWAYS: u16 = 1000;

#[tokio::test(start_paused = true)]
async fn what_is_said_not_to_be_made_is_not_made_and_what_is_made_is_made_once() {
    let none = Trouble::none();
    let fault = |said: &str| said == "500 ServiceFailure" || said == "503 -";
    let (said, keys, log) = create_key(none).await;
    assert_eq!((said.as_str(), keys, log.fate, log.status), ("ok 20", 1, Fate::Passed, Some(200)));
    let (said, keys, _) = create_key(Trouble { throttled: ALWAYS, ..none }).await;
    assert_eq!((said.as_str(), keys), ("400 Throttling", 0));
    let (said, keys, _) = create_key(Trouble { refused: ALWAYS, ..none }).await;
    assert!(said.contains("connection refused") && keys == 0, "{said}");
    let (said, keys, log) = create_key(Trouble { request_lost: ALWAYS, ..none }).await;
    assert!(said.contains("no answer came in time") && keys == 0, "{said}");
    assert_eq!((log.fate, log.status), (Fate::RequestLost, None));
    let (said, keys, log) = create_key(Trouble { reply_lost: ALWAYS, ..none }).await;
    assert!(said.contains("no answer came in time") && keys == 1, "{said}");
    assert_eq!((log.fate, log.status), (Fate::ReplyLost, Some(200)));
    let (said, keys, _) = create_key(Trouble { failed_before: ALWAYS, ..none }).await;
    assert!(fault(&said) && keys == 0, "{said}");
    let (said, keys, log) = create_key(Trouble { failed_after: ALWAYS, ..none }).await;
    assert!(fault(&said) && keys == 1, "{said}");
    assert!(log.to_string().contains("CreateAccessKey bot: made, answered 50"), "{log}");
    let (said, keys, log) = create_key(Trouble { cut: ALWAYS, ..none }).await;
    assert!(matches!(log.fate, Fate::Cut(_)) && keys == 1, "{said}");
}

#[tokio::test(start_paused = true)]
async fn both_kinds_of_server_errors_come_and_the_fates_repeat_themselves() {
    let trouble = Trouble { failed_before: 500, reply_lost: 500, ..Trouble::none() };
    let fates = |seed| (0..40).map(move |n| trouble.fate(seed, n, Timestamp::UNIX_EPOCH));
    let all: Vec<Fate> = fates(1).collect();
    for fate in [Fate::FailedBefore(Page::Html), Fate::FailedBefore(Page::Fault), Fate::ReplyLost] {
        assert!(all.contains(&fate), "{fate}");
    }
    assert_eq!(all, fates(1).collect::<Vec<_>>());
    assert_ne!(all, fates(2).collect::<Vec<_>>());
    assert_ne!(Trouble::drawn(1), Trouble::drawn(2));
    assert_eq!(Trouble::drawn(1), Trouble::drawn(1));
    assert!(!all.contains(&Fate::Passed), "the rates come to a thousand");
}

#[tokio::test(start_paused = true)]
async fn trouble_ends_with_the_call_or_the_time_that_is_set() {
    let stage = Stage::new();
    let bad = Trouble { throttled: ALWAYS, ..Trouble::none() };
    let (line, iam) = line(&stage, bad.calm_from_call(3));
    let ok = async |iam: &Client| iam.get_user().user_name(ADMINISTRATOR).send().await.is_ok();
    assert_eq!([ok(&iam).await, ok(&iam).await, ok(&iam).await], [false, false, true]);
    line.set_trouble(bad.calm_from(stage.sandbox.now() + SignedDuration::from_secs(5)));
    assert!(!ok(&iam).await);
    stage.wait(5);
    assert!(ok(&iam).await);
    assert_eq!(line.calls(), 5);
}

#[tokio::test(start_paused = true)]
async fn the_sdk_repeats_a_read_within_a_time_of_the_seed() {
    let run = async || {
        let stage = Stage::new();
        let line = Line::new(&stage.sandbox, 7);
        let bad =
            Trouble { throttled: ALWAYS, patience: Duration::from_secs(15), ..Trouble::none() };
        line.set_trouble(Trouble { throttled: 0, request_lost: ALWAYS, ..bad }.calm_from_call(3));
        let start = tokio::time::Instant::now();
        let iam = Client::new(&line.sdk_config(&stage.sandbox.admin()));
        iam.get_user().user_name(ADMINISTRATOR).send().await.unwrap();
        (line.log(), start.elapsed())
    };
    let (first, second) = (run().await, run().await);
    assert_eq!(first, second);
    assert_eq!(first.0.len(), 3);
    // Two answers were waited for, and two back-offs.
    assert!(first.1 > Duration::from_secs(30) && first.1 < Duration::from_secs(33), "{first:?}");
}

#[tokio::test(start_paused = true)]
async fn one_connection_does_not_use_up_the_retries_of_another() {
    let stage = Stage::new();
    let line = Line::new(&stage.sandbox, 7);
    let attempts = async || {
        let before = line.calls();
        let aws = Aws::from_config(&line.sdk_config(&stage.sandbox.admin()));
        let targets = Targets {
            users: vec![UserName::try_from("bot".to_owned()).unwrap()],
            ..Targets::default()
        };
        assert!(read(&aws, &targets).await.is_err());
        line.calls() - before
    };
    line.set_trouble(Trouble { refused: ALWAYS, ..Trouble::none() });
    // The first trip are half a dozen reads; whoever still has retries repeats each.
    for _ in 0..60 {
        assert!(attempts().await > 10);
    }
}

#[tokio::test(start_paused = true)]
async fn short_pages_are_read_whole() {
    let stage = Stage::new();
    stage.user("bot");
    stage.key("bot");
    for number in 0..7 {
        stage.put("bot", &format!("p{number}"), DENY_ALL);
    }
    let (line, iam) = line(&stage, Trouble { short_page: ALWAYS, ..Trouble::none() });
    let page = iam.list_user_policies().user_name("bot").max_items(1000).send().await.unwrap();
    assert!(page.policy_names().len() <= 3 && page.is_truncated() && page.marker().is_some());
    let aws = Aws::from_config(&line.sdk_config(&stage.sandbox.admin()));
    let targets = Targets {
        users: vec![UserName::try_from("bot".to_owned()).unwrap()],
        ..Targets::default()
    };
    let reading = read(&aws, &targets).await.unwrap();
    let Observed::Read(policies) = &reading.snapshots[0].inline_policies else { panic!() };
    let Observed::Read(keys) = &reading.snapshots[0].access_keys else { panic!() };
    assert_eq!((policies.len(), keys.len()), (8, 2));
    assert!(line.log().iter().filter(|call| matches!(call.fate, Fate::ShortPage(_))).count() > 4);
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_breaks_off_is_never_taken_for_a_shorter_one() {
    let stage = Stage::new();
    stage.user("bot");
    stage.key("bot");
    let line = Line::new(&stage.sandbox, 5);
    let targets = Targets {
        users: vec![UserName::try_from("bot".to_owned()).unwrap()],
        ..Targets::default()
    };
    let mut cut = 0;
    for _ in 0..60 {
        let from = line.calls();
        line.set_trouble(Trouble { cut: 60, ..Trouble::none() });
        let aws = Aws::from_config(&line.sdk_config(&stage.sandbox.admin()));
        let reading = read(&aws, &targets).await;
        let new = line.log().split_off(usize::try_from(from).unwrap());
        cut += new.iter().filter(|call| matches!(call.fate, Fate::Cut(_))).count();
        let Ok(reading) = reading else { continue };
        let snapshot = &reading.snapshots[0];
        // Sandboxes are not AWS, so what cannot be understood there counts as unread.
        assert!(
            snapshot.access_keys.missing().is_some() || snapshot.access_keys.items().len() == 2
        );
        let policies = &snapshot.inline_policies;
        assert!(policies.missing().is_some() || policies.items().len() == 1);
    }
    assert!(cut > 20);
}

#[tokio::test(start_paused = true)]
async fn the_world_stops_before_or_after_a_call_and_goes_on() {
    for (moment, made) in [(Moment::Before, 0), (Moment::After, 1)] {
        let stage = Stage::new();
        stage.ok("iam:CreateUser", &[("UserName", "bot")]);
        let (line, iam) = line(&stage, Trouble::none());
        line.stop_at(2, moment);
        let run = async {
            for _ in 0..5 {
                iam.get_user().user_name("bot").send().await.unwrap();
                iam.create_access_key().user_name("bot").send().await.unwrap();
            }
        };
        tokio::select! {
            biased;
            () = run => panic!("it ran to its end"),
            () = line.stopped() => {}
        }
        assert_eq!((keys(&stage, "bot"), line.calls()), (made, 2));
        let stopped = line.log()[1].clone();
        assert_eq!(stopped.fate.is_made(), moment == Moment::After);
        // Nothing that was under way then goes on later.
        let late = tokio::time::timeout(
            Duration::from_secs(60),
            iam.create_access_key().user_name("bot").send(),
        );
        assert!(late.await.is_err());
        line.go_on();
        iam.create_access_key().user_name("bot").send().await.unwrap();
        assert_eq!(keys(&stage, "bot"), made + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_happens_in_between_comes_before_every_call() {
    let stage = Stage::new();
    let bot = stage.user("bot");
    let (line, iam) = line(&stage, Trouble::none());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (see, player) = (seen.clone(), stage.admin());
    let key = bot.credentials().access_key_id.clone();
    let id = key.clone();
    line.between(move |number| {
        see.lock().unwrap().push(number);
        let on = [("UserName", "bot"), ("AccessKeyId", id.as_str()), ("Status", "Active")];
        ok(&player, "iam:UpdateAccessKey", &on);
    });
    let off = iam.update_access_key().user_name("bot").access_key_id(&key);
    off.status(StatusType::Inactive).send().await.unwrap();
    assert!(!alive(&bot));
    let read = iam.list_access_keys().user_name("bot").send().await.unwrap();
    assert_eq!(read.access_key_metadata()[0].status(), Some(&StatusType::Active));
    assert_eq!(*seen.lock().unwrap(), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_wrong_is_put_right_by_the_services_date() {
    for hours in [-1, 1] {
        let stage = Stage::new();
        let line = Line::new(&stage.sandbox, 3);
        line.set_clock_ahead(SignedDuration::from_hours(hours));
        let iam = Client::new(&line.sdk_config(&stage.sandbox.admin()));
        let get = async || iam.get_user().user_name(ADMINISTRATOR).send().await;
        get().await.unwrap();
        let statuses = |line: &Line| line.log().iter().map(|c| c.status).collect::<Vec<_>>();
        assert_eq!(statuses(&line), [Some(403), Some(200)], "the second attempt is signed anew");
        // The client knows by how much from then on; one that tries once is lost until it does.
        get().await.unwrap();
        assert_eq!(statuses(&line).len(), 3);
        let (config, once) = (line.sdk_config(&stage.sandbox.admin()), RetryConfig::disabled());
        let once = aws_sdk_iam::config::Builder::from(&config).retry_config(once).build();
        let iam = Client::from_conf(once);
        let first = iam.create_user().user_name("bot").send().await;
        assert_eq!(first.unwrap_err().code(), Some("SignatureDoesNotMatch"));
        iam.create_user().user_name("bot").send().await.unwrap();
        // ringfence reads before it changes anything, so its one attempt is signed right.
        let aws = Aws::from_config(&config);
        let bot = UserName::try_from("bot".to_owned()).unwrap();
        let targets = Targets { users: vec![bot.clone()], ..Targets::default() };
        read(&aws, &targets).await.unwrap();
        let arn = "arn:aws:iam::aws:policy/AWSDenyAll".to_owned();
        let reply = call(&aws, &bot, &Action::AttachUserPolicy { arn }).await;
        assert_eq!(reply.result, StepResult::Done, "{reply:?}");
    }
}
