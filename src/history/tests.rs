//! A fetch against the sandbox, whose clock moves while it waits.

use super::*;
use crate::sandbox::in_process::sdk_config;
use crate::sandbox::{Credentials, Player, Sandbox, World};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

const START: i64 = 1_790_000_000;

struct Desk {
    sandbox: Sandbox,
    context: Context,
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let milliseconds = Arc::new(AtomicI64::new(START * 1000));
        let read = milliseconds.clone();
        let clock = move || Timestamp::from_millisecond(read.load(Ordering::SeqCst)).unwrap();
        let skip = move |by: Duration| {
            milliseconds.fetch_add(by.as_millis().try_into().unwrap(), Ordering::SeqCst);
        };
        let sandbox = Sandbox::new(clock.clone());
        sandbox.edit(World::keep_trail);
        let context = Context::new(clock.clone(), || [7; 16]).with_clock(clock, skip);
        Self { sandbox, context, folder: tempfile::tempdir().unwrap() }
    }

    fn history(&self, by: &Credentials, regions: &[String]) -> History {
        let mut history = History::from_config(&sdk_config(&self.sandbox, by));
        history.ask_in(regions);
        history
    }

    fn folder(&self) -> Folder {
        let window = window(self.sandbox.now());
        Folder::open(self.folder.path(), Some("http://sandbox.invalid"), window).unwrap()
    }

    fn lines(&self, region: &str, name: &str) -> Vec<String> {
        let path = self.folder.path().join("events").join(region).join(name);
        std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
    }
}

fn regions(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn every_page_of_every_region_is_fetched_and_a_cut_fetch_goes_on() {
    let desk = Desk::new();
    let admin = desk.sandbox.admin();
    let player = Player::new(desk.sandbox.clone(), admin.clone());
    for n in 0..120 {
        assert!(player.call("iam:CreateUser", &[("UserName", &format!("user-{n}"))]).is_ok());
    }
    let history = History::from_config(&sdk_config(&desk.sandbox, &admin));
    let all = history.regions().await.unwrap();
    assert_eq!(all.len(), 17);
    let history = desk.history(&admin, &all);
    let queries = [Query::AccessKey(admin.access_key_id.clone())];
    let folder = desk.folder();
    // The first page is there already, as a fetch that was cut off leaves it.
    let page = history.page("us-east-1", &queries[0], folder.window(), None).await.unwrap();
    let place = folder.place("us-east-1", &queries[0]);
    place.add(&page.events).unwrap();
    place.go_on_from(&page.next.unwrap()).unwrap();
    let seen = Cell::new(Progress::default());
    let tell = |now| seen.set(now);
    let gaps = fetch(&history, &folder, &all, &queries, &desk.context, &tell).await;
    assert_eq!(gaps.unwrap(), []);
    let progress = seen.get();
    assert_eq!((progress.answered, progress.questions), (17, 17));
    let lines = desk.lines("us-east-1", &format!("access_key-{}.jsonl", admin.access_key_id));
    let made = lines.iter().filter(|line| line.contains("\"CreateUser\"")).count();
    assert_eq!(made, 120);
    // Again: everything is there, and nothing is asked.
    let calls = desk.sandbox.calls().len();
    let again = fetch(&history, &desk.folder(), &all, &queries, &desk.context, &|_| {}).await;
    assert_eq!((again.unwrap(), desk.sandbox.calls().len()), (Vec::new(), calls));
    // What somebody took away is fetched again, though it was marked as done.
    let file = desk.folder().events().join("us-east-1");
    std::fs::remove_dir_all(file).unwrap();
    let again = fetch(&history, &desk.folder(), &all, &queries, &desk.context, &|_| {}).await;
    assert_eq!(again.unwrap(), []);
    assert!(desk.sandbox.calls().len() > calls);
    let lines = desk.lines("us-east-1", &format!("access_key-{}.jsonl", admin.access_key_id));
    assert!(lines.iter().filter(|line| line.contains("\"CreateUser\"")).count() == 120);
}

#[tokio::test]
async fn a_region_that_refuses_is_a_gap_and_all_of_them_are_an_error_that_names_the_action() {
    let desk = Desk::new();
    let admin = Player::new(desk.sandbox.clone(), desk.sandbox.admin());
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"cloudtrail:LookupEvents","Resource":"*","Condition":{"StringEquals":{"aws:RequestedRegion":"us-east-1"}}}]}"#;
    assert!(admin.call("iam:CreateUser", &[("UserName", "eye")]).is_ok());
    let put = [("UserName", "eye"), ("PolicyName", "p"), ("PolicyDocument", policy)];
    assert!(admin.call("iam:PutUserPolicy", &put).is_ok());
    let eye = admin.call("iam:CreateAccessKey", &[("UserName", "eye")]).credentials().unwrap();
    let queries = [Query::UserName("bot".to_owned())];
    let two = regions(&["eu-west-1", "us-east-1"]);
    let history = desk.history(&eye, &two);
    let ask = async |regions: &[String]| {
        fetch(&history, &desk.folder(), regions, &queries, &desk.context, &|_| {}).await
    };
    let gaps = ask(&two).await.unwrap();
    assert_eq!(gaps.len(), 1);
    assert!(gaps[0].denied && gaps[0].region == "eu-west-1");
    let error = ask(&two[..1]).await.unwrap_err().to_string();
    assert!(error.contains("`cloudtrail:LookupEvents` is missing"), "{error}");
    let none = History::from_config(&sdk_config(&desk.sandbox, &eye)).regions().await.unwrap_err();
    assert!(none.to_string().contains("`account:ListRegions` is missing"), "{none}");
}

#[test]
#[allow(clippy::disallowed_methods, reason = "what others have left there")]
fn a_folder_of_something_else_is_refused_and_not_written_to() {
    let (from, to) = window(Timestamp::from_second(START).unwrap());
    let open = |path: &Path, endpoint| Folder::open(path, endpoint, (from, to));
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    assert!(open(folder.path(), None).unwrap_err().to_string().contains("something else"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let folder = tempfile::tempdir().unwrap();
    open(folder.path(), None).unwrap();
    let other = open(folder.path(), Some("http://127.0.0.1:4566")).unwrap_err().to_string();
    assert!(other.contains("filled from AWS"), "{other}");
    // What was asked for first stays what the pages are of.
    let later = Folder::open(folder.path(), None, (to, to)).unwrap();
    assert_eq!(later.window(), (from, to));
    std::fs::write(folder.path().join("window.json"), "{").unwrap();
    assert!(open(folder.path(), None).is_err());
}
