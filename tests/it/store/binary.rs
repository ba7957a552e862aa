//! The program with its state in a bucket, against both emulators, through the proxy.

use super::ground::{BUCKET, s3_store};
use crate::support::{Credentials, Fault, Kind, Running, World};
use insta::assert_snapshot;
use ringfence::store::{Owner, S3Store};
use std::process::Command;
use std::sync::mpsc;

const STATE: [&str; 2] = ["--state", "s3://incidents/prod"];

fn world(kind: Kind) -> World {
    let world = World::new(kind);
    world.admin.bucket(BUCKET);
    world
}

/// The arguments, with the bucket as the store.
fn at<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [arguments, &STATE].concat()
}

fn contained(world: &World, user: &str) {
    let leaked = world.victim(user);
    world.ringfence(&at(&["plan", "--access-key", &leaked.id, "--out", "plan.json"])).ok();
    world.ringfence(&at(&["apply", "plan.json", "--auto-approve"])).ok();
}

fn objects(world: &World) -> Vec<String> {
    world
        .admin
        .objects(BUCKET)
        .into_keys()
        .map(|key| world.redact(&key).trim_end().to_owned())
        .collect()
}

/// The store as somebody else comes to it, past the proxy.
fn other(url: &str) -> (S3Store, tokio::runtime::Runtime) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    (s3_store(url, &Credentials::root(), std::path::Path::new("/nowhere")), runtime)
}

/// Breaks the lock of the one principal there is, as somebody else does.
fn break_lock(url: &str) {
    let (store, runtime) = other(url);
    let [(key, _)] = runtime.block_on(store.list()).unwrap().try_into().unwrap();
    let seen = runtime.block_on(store.holder(&key)).unwrap().unwrap();
    let by = Owner { who: "colleague".into(), host: "ws-9".into(), pid: 77, ..seen.clone() };
    let when = "2024-11-21T03:20:00Z".parse().unwrap();
    runtime.block_on(store.break_lock(&key, &seen, &by, when)).unwrap();
}

#[test]
fn an_incident_with_its_state_in_a_bucket_ministack() {
    an_incident(Kind::Ministack);
}

#[test]
fn an_incident_with_its_state_in_a_bucket_moto() {
    an_incident(Kind::Moto);
}

fn an_incident(kind: Kind) {
    let world = world(kind);
    contained(&world, "deploy-bot");
    let folder = "prod/123456789012/user/ID-OF-DEPLOY-BOT_";
    let names: Vec<String> = objects(&world)
        .iter()
        .map(|key| key.rsplit_once("_/").map_or(key.clone(), |(_, name)| name.to_owned()))
        .collect();
    assert!(names.contains(&"state.json".to_owned()), "{names:?}");
    assert!(names.iter().filter(|name| name.contains("/journal/")).count() > 4, "{names:?}");
    assert!(names.iter().any(|name| name.ends_with("/plan.json")), "{names:?}");
    assert!(!names.contains(&"lock".to_owned()), "{names:?}");
    assert!(objects(&world).iter().all(|key| key.starts_with(folder)), "{:?}", objects(&world));
    assert!(!world.path("state").exists(), "something was written to the folder");

    // Reading writes nothing, there too (D2.1).
    world.proxy.take_calls();
    let before = world.admin.objects(BUCKET);
    world.ringfence(&at(&["status"])).ok();
    let list = world.ringfence(&at(&["state", "list"])).ok();
    let run = list.line("deploy-bot").split_whitespace().last().unwrap().to_owned();
    world.ringfence(&at(&["state", "show", "deploy-bot"])).ok();
    world.ringfence(&at(&["show", &run])).ok();
    let history = world.ringfence(&at(&["state", "history", "deploy-bot", "--verify"])).ok();
    assert!(history.out.contains("Every journal is whole"), "{}", history.out);
    let unlocked = world.ringfence(&at(&["state", "unlock", "deploy-bot"])).ok();
    assert_snapshot!(unlocked.out, @"User `deploy-bot` is not locked.");
    let pulled = world.ringfence(&at(&["state", "pull", "deploy-bot", "--out", "copy"])).ok();
    assert!(pulled.out.contains("from s3://incidents/prod to copy"), "{}", pulled.out);
    assert_eq!(world.proxy.writes(), [""; 0]);
    assert_eq!(world.admin.objects(BUCKET), before);

    // The copy is a store like any other.
    let copy = ["--state", "copy"];
    world.ringfence(&[&["state", "history", "deploy-bot", "--verify"], &copy[..]].concat()).ok();
    world.ringfence(&[&["status"], &copy[..]].concat()).ok();
    let pushed = world.ringfence(&at(&["state", "push", "copy"])).ok();
    assert!(pushed.out.contains("all of it there already"), "{}", pushed.out);

    let release = ["rollback", "--user", "deploy-bot", "--lift-fence-now", "--out", "release.json"];
    world.ringfence(&at(&release)).ok();
    world.ringfence(&at(&["apply", "release.json", "--auto-approve"])).ok();
    assert!(!world.facts("deploy-bot").keys().any(|fact| fact.contains("Ringfence")));
    world.ringfence(&at(&["state", "history", "deploy-bot", "--verify"])).ok();

    // A bucket may demand conditions of everyone.
    let calls = world.proxy.take_calls().into_iter();
    let written: Vec<_> =
        calls.filter(|call| !call.reads() && !call.get("Path").is_empty()).collect();
    assert!(!written.is_empty());
    assert!(written.iter().all(|call| !call.get("Condition").is_empty()), "{written:?}");

    // The copy is old now.
    let old = world.ringfence(&at(&["state", "push", "copy"])).exits(3);
    assert!(old.err.contains("has moved on") && old.err.contains("not overwritten"), "{}", old.err);
    assert!(!world.admin.objects(BUCKET).keys().any(|key| key.ends_with("/lock")));
}

#[test]
fn a_record_is_removed_and_imported_again() {
    let world = world(Kind::Ministack);
    contained(&world, "deploy-bot");
    let removed = world.ringfence(&at(&["state", "rm", "deploy-bot", "--auto-approve"])).ok();
    assert_snapshot!(world.redact(&removed.out), @"
    Forgotten. The files are in s3://incidents/prod/123456789012/removed/ID-OF-DEPLOY-BOT_____-1; IAM was not touched.
    ringfence state import s3://incidents/prod/123456789012/removed/ID-OF-DEPLOY-BOT_____-1/runs/RUN/plan.json takes it back.
    ");
    world.ringfence(&at(&["state", "show", "deploy-bot"])).exits(1);
    let run = world.admin.objects(BUCKET).into_keys().find(|key| key.ends_with("/plan.json"));
    let plan = format!("s3://{BUCKET}/{}", run.unwrap());
    world.ringfence(&at(&["state", "import", &plan])).ok();
    world.ringfence(&at(&["status"])).ok();
    let none = world.ringfence(&at(&["state", "import", "s3://incidents/prod/none.json"])).exits(1);
    assert!(none.err.contains("there is no `s3://incidents/prod/none.json`"), "{}", none.err);
}

/// A screen as running text: it breaks its lines where they would be too long.
fn words(screen: &str) -> String {
    screen.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Starts a run that stops before it has the answer to this call.
fn stopped_in(
    world: &World,
    action: &'static str,
    arguments: &[&str],
) -> (Running, mpsc::Sender<()>) {
    let (reached, has_reached) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel();
    world.proxy.before(action, move |_| {
        reached.send(()).unwrap();
        may_go_on.recv().unwrap();
    });
    let run = world.command(arguments).start();
    has_reached.recv().unwrap();
    (run, go_on)
}

/// Kills a run that waits for an answer, and lets the call come to its end.
fn kill(run: Running, go_on: &mpsc::Sender<()>, world: &World) {
    let process = run.id().to_string();
    assert!(Command::new("kill").args(["-KILL", &process]).status().unwrap().success());
    run.killed();
    go_on.send(()).unwrap();
    world.proxy.settle();
}

#[test]
fn a_lock_in_a_bucket_outlives_its_holder() {
    let world = world(Kind::Ministack);
    let leaked = world.victim("deploy-bot");
    let apply = at(&["apply", "--access-key", &leaked.id, "--auto-approve"]);
    let (run, go_on) = stopped_in(&world, "PutUserPolicy", &apply);

    // While it lives, nobody else gets in.
    let held =
        world.ringfence(&at(&["apply", "--again", "--user", "deploy-bot", "--auto-approve"]));
    let held = held.exits(5);
    for words in [
        "error: the state of user `deploy-bot` is locked\n  cause: responder on ",
        &format!(" (process {}) has held it since ", run.id()),
        ", run 2024",
        "hint: wait for it: --lock-timeout 5m",
        "ringfence state unlock deploy-bot",
    ] {
        assert!(held.err.contains(words), "no `{words}`:\n{}", held.err);
    }
    let waited =
        at(&["apply", "--again", "--user", "deploy-bot", "--auto-approve", "--lock-timeout", "1s"]);
    world.ringfence(&waited).exits(5);

    kill(run, &go_on, &world);

    // Nor after that, until somebody says so.
    world.ringfence(&at(&["apply", "--again", "--user", "deploy-bot", "--auto-approve"])).exits(5);
    let nobody = world.ringfence(&at(&["state", "unlock", "deploy-bot"])).exits(1);
    assert!(nobody.err.contains("--auto-approve goes on without asking"), "{}", nobody.err);
    let no = world.on_a_terminal(&at(&["state", "unlock", "deploy-bot"]), "no\n").exits(1);
    assert!(no.out.contains("it stops at its next write. Break the lock?"), "{}", no.out);
    let broken = world.ringfence(&at(&["state", "unlock", "deploy-bot", "--auto-approve"])).ok();
    for words in [
        "The lock is broken: responder on ",
        "\nEntry ",
        " of the journal of run 2024",
        " says so, and stops that run.\nringfence status --user deploy-bot tells what holds.\n",
    ] {
        assert!(broken.out.contains(words), "no `{words}`:\n{}", broken.out);
    }
    world.ringfence(&at(&["state", "unlock", "deploy-bot", "--auto-approve"])).ok();
    let status = world.ringfence(&at(&["status"])).exits(2);
    assert!(status.out.contains("was cut off before its end"), "{}", status.out);
    // The run goes on after the tombstone.
    world.ringfence(&at(&["resume"])).exits(0);
    world.ringfence(&at(&["status"])).ok();
    world.ringfence(&at(&["state", "history", "deploy-bot", "--verify"])).ok();
}

/// The call that is under way ends; its outcome cannot be recorded any more, and nothing else is called.
#[test]
fn a_run_whose_lock_is_broken_stops_and_says_who_broke_it() {
    let world = world(Kind::Ministack);
    let leaked = world.victim("deploy-bot");
    let url = world.emulator.url();
    world.proxy.before("UpdateAccessKey", move |_| break_lock(&url));
    let apply = at(&["apply", "--access-key", &leaked.id, "--auto-approve"]);
    let ran = world.ringfence(&apply).exits(6);
    let said = words(&ran.out);
    let who = "was broken: colleague on ws-9 (process 77) broke it at 2024-11-21T03:20:00Z";
    assert!(said.contains(who), "{}\n{}", ran.out, ran.err);
    let writes = world.proxy.writes();
    assert!(!writes.contains(&"PutUserPolicy".to_owned()), "{writes:?}");
    // It left the next one's place alone, and that one goes on.
    let objects = world.admin.objects(BUCKET);
    let last = objects.keys().rfind(|key| key.contains("/journal/")).unwrap();
    assert!(String::from_utf8_lossy(&objects[last]).contains("colleague on ws-9"));
    world.ringfence(&at(&["apply", "--again", "--user", "deploy-bot", "--auto-approve"])).ok();
    world.ringfence(&at(&["status"])).ok();
}

/// The bucket goes away in the middle: the containment does not stop, its record goes on in a folder, and the
/// command that is printed takes it back.
#[test]
fn a_bucket_that_goes_away_does_not_stop_a_containment() {
    let world = world(Kind::Ministack);
    let leaked = world.victim("deploy-bot");
    world.proxy.always_on("PutObject", "journal/00000003", Fault::LoseRequest);
    let apply = at(&["apply", "--access-key", &leaked.id, "--auto-approve"]);
    let ran = world.ringfence(&apply).exits(0);
    let run = ran.line("Run ").split([' ', ',']).nth(1).unwrap().to_owned();
    let folder = format!("ringfence-spool/{run}");
    let note =
        format!("record of this run is in {folder}: s3://incidents/prod could not be reached.");
    assert!(words(&ran.out).contains(&note), "{}", ran.out);
    let at_once = format!("cannot be reached: the record of user `deploy-bot` goes on in {folder}");
    let said = words(&ran.out);
    let (told, done) = (said.find(&at_once), said.find("wave 1 access_key/"));
    assert!(told.is_some() && told < done, "{}", ran.out);
    let push = format!("ringfence state push {folder} --state s3://incidents/prod");
    assert_eq!(ran.line("ringfence state push"), push);
    assert!(ran.out.contains("User `deploy-bot` is contained."), "{}", ran.out);

    // What works meanwhile, and what does not.
    let spool = ["--state", &folder];
    world.ringfence(&[&["status"], &spool[..]].concat()).exits(0);
    world.ringfence(&[&["state", "history", "deploy-bot", "--verify"], &spool[..]].concat()).ok();
    world.ringfence(&at(&["apply", "--again", "--user", "deploy-bot", "--auto-approve"])).exits(5);

    world.proxy.heal();
    let pushed = world.as_printed(&push, &[]).ok();
    assert_snapshot!(words(&pushed.out).replace(&run, "RUN"), @"User `deploy-bot`: serial 2, 1 run, 6 entries new, from ringfence-spool/RUN to s3://incidents/prod. The lock that its run had left there is released.");
    world.ringfence(&at(&["status"])).ok();
    world.ringfence(&at(&["state", "history", "deploy-bot", "--verify"])).ok();
    world.ringfence(&at(&["state", "unlock", "deploy-bot"])).ok();
    world
        .ringfence(&at(&[
            "rollback",
            "--user",
            "deploy-bot",
            "--lift-fence-now",
            "--out",
            "r.json",
        ]))
        .ok();
    world.ringfence(&at(&["apply", "r.json", "--auto-approve"])).ok();
}

/// Killed after its record has moved: the folder is gone on with, and taken back under the lock that is left.
#[test]
fn a_run_that_is_killed_after_its_record_has_moved_is_resumed_in_the_folder() {
    let world = world(Kind::Ministack);
    let leaked = world.victim("deploy-bot");
    world.proxy.always_on("PutObject", "journal/00000003", Fault::LoseRequest);
    let apply = at(&["apply", "--access-key", &leaked.id, "--auto-approve"]);
    let (run, go_on) = stopped_in(&world, "PutUserPolicy", &apply);
    kill(run, &go_on, &world);
    world.proxy.heal();
    let mut folders = std::fs::read_dir(world.path("ringfence-spool")).unwrap();
    let folder = folders.next().unwrap().unwrap().file_name().into_string().unwrap();
    let folder = format!("ringfence-spool/{folder}");
    // Whoever comes by the bucket is told where its record is, and breaks nothing.
    let push = format!("ringfence state push {folder} --state s3://incidents/prod");
    for command in [&["resume"][..], &["state", "unlock", "deploy-bot", "--auto-approve"]] {
        let refused = world.ringfence(&at(command)).exits(5);
        assert!(refused.err.contains(&push), "{}", refused.err);
        assert!(!refused.err.contains("--lock-timeout"), "{}", refused.err);
    }
    let status = world.ringfence(&at(&["status"])).exits(2);
    assert_eq!(status.line("ringfence state push"), push);
    world.ringfence(&["resume", "--state", &folder]).exits(0);
    world.ringfence(&at(&["state", "push", &folder])).ok();
    world.ringfence(&at(&["status"])).ok();
    world.ringfence(&at(&["state", "history", "deploy-bot", "--verify"])).ok();
}

#[test]
fn a_store_that_refuses_stops_an_apply_before_it_begins() {
    let world = world(Kind::Ministack);
    let leaked = world.victim("deploy-bot");
    world.admin.put_policy(
        "responder",
        "no-store",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:PutObject","Resource":"*"}]}"#,
    );
    let before = world.facts("deploy-bot");
    let apply = at(&["apply", "--access-key", &leaked.id, "--auto-approve"]);
    let ran = world.ringfence(&apply).exits(1);
    assert!(
        ran.err.contains("it takes s3:PutObject there: examples/store-policy.json"),
        "{}",
        ran.err
    );
    assert_eq!(world.facts("deploy-bot"), before);
    assert!(world.admin.objects(BUCKET).is_empty());

    // The bucket is away altogether: what works now works.
    world.proxy.always_on("PutObject", "", Fault::LoseRequest);
    let ran = world.ringfence(&apply).exits(1);
    assert!(
        ran.err.contains("could not be reached") && ran.err.contains("--state DIR"),
        "{}",
        ran.err
    );
    assert_eq!(world.facts("deploy-bot"), before);
    world.ringfence(&["apply", "--access-key", &leaked.id, "--auto-approve"]).ok();
    world.proxy.heal();
    world.admin.delete_policy("responder", "no-store");
    let pushed = world.ringfence(&at(&["state", "push", "state"])).ok();
    assert!(pushed.out.contains("from state to s3://incidents/prod"), "{}", pushed.out);
    world.ringfence(&at(&["status"])).ok();
    world.ringfence(&at(&["state", "history", "deploy-bot", "--verify"])).ok();
}

/// One record that cannot be read keeps no other from being taken to the store.
#[test]
fn a_record_that_is_broken_keeps_no_other_from_being_pushed() {
    let world = world(Kind::Ministack);
    for user in ["deploy-bot", "nightly"] {
        let leaked = world.victim(user);
        world.ringfence(&["apply", "--access-key", &leaked.id, "--auto-approve"]).ok();
    }
    let users = world.path("state/123456789012/user");
    let of = |folder: &std::path::Path| std::fs::read_to_string(folder.join("state.json")).unwrap();
    let mut folders: Vec<_> =
        std::fs::read_dir(&users).unwrap().map(|folder| folder.unwrap().path()).collect();
    folders.sort();
    let (broken, whole) = (&folders[0], &folders[1]);
    std::fs::write(broken.join("state.json"), "{").unwrap();
    let pushed = world.ringfence(&at(&["state", "push", "state"])).exits(1);
    let name = broken.file_name().unwrap().to_str().unwrap();
    assert!(pushed.err.contains(name), "{}", pushed.err);
    let listed = world.ringfence(&at(&["state", "list"])).ok();
    let state: serde_json::Value = serde_json::from_str(&of(whole)).unwrap();
    assert!(listed.out.contains(state["principal"]["name"].as_str().unwrap()), "{}", listed.out);
    assert!(!listed.out.contains(name), "{}", listed.out);
}

#[test]
fn a_location_that_is_none_is_refused() {
    let world = world(Kind::Ministack);
    for (location, words) in [
        ("gs://bucket/x", "kept in a folder or in S3"),
        ("https://incidents.s3.amazonaws.com", "kept in a folder or in S3"),
        ("s3://", "3 to 63"),
        ("s3://incidents/a/../b", "no `.` or `..`"),
    ] {
        let said = world.refused(1, &["status", "--state", location]);
        assert!(said.contains(words) && said.contains("s3://BUCKET/PREFIX"), "{said}");
    }
    world.write("ringfence.toml", "[state]\nlocation = \"gs://bucket\"\n");
    let said = world.refused(1, &["status"]);
    assert!(said.contains("(`ringfence.toml`, line 2)") && said.contains("s3://"), "{said}");
    world.write("ringfence.toml", "[state]\nlocation = \"s3://incidents/prod\"\n");
    let none = world.ringfence(&["state", "list"]).ok();
    assert_snapshot!(none.out, @"No state in `s3://incidents/prod`.");
    let absent = world.ringfence(&["state", "list", "--state", "s3://no-such-bucket"]).exits(1);
    assert_snapshot!(world.redact(&absent.err), @"
    error: cannot list `s3://no-such-bucket`
      cause: NoSuchBucket: The specified bucket does not exist
    hint: make the bucket, or name another: --state s3://BUCKET/PREFIX
    ");
    let both = world.ringfence(&["state", "push", "s3", "--state", "s3"]);
    assert!(both.exits(1).err.contains("is no folder of states"));
    std::fs::create_dir(world.path("dir")).unwrap();
    let both = world.ringfence(&["state", "push", "dir", "--state", "./dir"]).exits(64);
    assert!(both.err.contains("both the one place and the other"), "{}", both.err);
    let empty = world.ringfence(&at(&["state", "push", "dir"])).exits(1);
    assert!(empty.err.contains("there is no state in `dir`"), "{}", empty.err);
}
