//! The whole story on both emulators, over a socket, with the real binary, and two clients of their
//! own (the Rust SDK and the AWS CLI) that set the scene and look at what has become of it.

use crate::support::{Answer, Facts, Kind, Ran, World, golden};
use jiff::{SignedDuration, Timestamp};
use std::cell::RefCell;
use std::collections::BTreeSet;

/// What of the story an emulator cannot show, and why. Measured in `tests/emulators.md`.
const LACKS: &[(Kind, &str, &str)] = &[
    (
        Kind::Ministack,
        OTHER_CREDENTIALS,
        "ListSSHPublicKeys and the like are InvalidAction: they show as not read; postures.rs has them, on moto",
    ),
    (
        Kind::Ministack,
        LAST_USE,
        "GetAccessKeyLastUsed never records a use; the story on moto shows it",
    ),
    (
        Kind::Moto,
        REFUSED_KEY,
        "a key goes on working when it is Inactive; that it is stored as Inactive is compared, the rest is shown on ministack",
    ),
    (
        Kind::Moto,
        DENIED_TOKEN,
        "GetSessionToken gives everybody one constant session, and no policy is evaluated; the fence's document is compared, \
         the rest is shown on ministack",
    ),
];

const OTHER_CREDENTIALS: &str = "SSH keys and signing certificates";
const LAST_USE: &str = "the last use of a key";
const REFUSED_KEY: &str = "a key that is off is refused";
const DENIED_TOKEN: &str = "a token from before the fence is denied, one from after it is not";

#[test]
fn the_story_on_ministack() {
    golden("story-ministack", &story(Kind::Ministack));
}

#[test]
fn the_story_on_moto() {
    golden("story-moto", &story(Kind::Moto));
}

/// The story as it goes on: what an emulator lacks, and everything that ringfence printed.
struct Story {
    world: World,
    left_out: RefCell<BTreeSet<&'static str>>,
    screens: String,
}

impl Story {
    /// Whether the emulator can show this; if not, its reason is printed.
    fn shows(&self, what: &'static str) -> bool {
        let kind = self.world.emulator.kind;
        let Some((_, _, why)) = LACKS.iter().find(|lack| (lack.0, lack.1) == (kind, what)) else {
            return true;
        };
        if self.left_out.borrow_mut().insert(what) {
            println!("left out on {kind}: {what}: {why}");
        }
        false
    }

    /// Runs ringfence, and keeps its screen.
    fn ringfence(&mut self, arguments: &[&str]) -> Ran {
        let ran = self.world.ringfence(arguments);
        self.screens.push_str(&self.world.redact(&ran.screen()));
        ran
    }

    fn clock(&self, by: SignedDuration) {
        self.world.emulator.clock.forward(by);
    }
}

const USER: &str = "deploy-bot";
const OK: Answer = Ok(());

fn error(code: &str) -> Answer {
    Err(code.to_owned())
}

fn story(kind: Kind) -> String {
    let world = World::new(kind);
    let admin = &world.admin;
    world.write(
        "ringfence.toml",
        "[limits]\nsettle = \"0s\"\n[posture.prompt]\nextends = \"revoke\"\nfence_margin = \"30s\"\n",
    );

    // A user with two keys, and a token that the thief has minted with the leaked one.
    let leaked = world.victim(USER);
    let second = admin.second_key(USER);
    world.alias(&second.id, "SECOND-KEY");
    admin.tag(USER, "team", "payments + billing");
    admin.group("developers", USER);
    let own = admin.policy("deploy", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#);
    admin.attach(USER, &own);
    let mut story = Story { world, left_out: RefCell::default(), screens: String::new() };
    let (thief, workload) = (story.world.client(&leaked), story.world.client(&second));
    if story.shows(OTHER_CREDENTIALS) {
        story.world.alias(&story.world.admin.ssh_key(USER), "SSH-KEY");
        story.world.alias(&story.world.admin.certificate(USER), "CERTIFICATE");
    }
    story.clock(SignedDuration::from_mins(2));
    let stolen = story.world.client(&thief.token(129_600));
    assert_eq!((thief.act(), stolen.act(), workload.act()), (OK, OK, OK));
    let before = story.world.facts(USER);

    // The plan, shown again in every form.
    let plan = story
        .ringfence(&[
            "plan",
            "--access-key",
            &leaked.id,
            "--posture",
            "prompt",
            "--out",
            "plan.json",
        ])
        .ok();
    assert_eq!(plan.out.contains("last recorded use"), story.shows(LAST_USE), "{}", plan.out);
    let sum = story.world.sha256sum("plan.json");
    assert!(plan.line("sha256").ends_with(&sum), "sha256sum says {sum}\n{}", plan.out);
    assert_eq!(story.world.ringfence(&["show", "plan.json"]).ok().out, plan.out);
    assert_eq!(
        story.world.ringfence(&["show", "plan.json", "--format", "json"]).ok().out,
        story.world.read("plan.json")
    );
    story.ringfence(&["show", "plan.json", "--format", "commands"]).ok();
    assert_eq!(story.world.facts(USER), before, "a plan changes nothing");

    // Contained: the leaked key and its token are dead, the second key lives.
    story.clock(SignedDuration::from_secs(40));
    story.ringfence(&["apply", "plan.json", "--auto-approve"]).ok();
    let fence = story.world.emulator.clock.now() + SignedDuration::from_secs(31);
    assert_contained(&story.world.facts(USER), &before, &leaked.id, fence);
    let listed = story
        .world
        .aws(&second, &["iam", "list-access-keys", "--user-name", USER, "--output", "text"])
        .ok();
    assert!(
        listed.out.lines().any(|line| line.contains(&leaked.id) && line.contains("Inactive")),
        "{}",
        listed.out
    );
    if story.shows(REFUSED_KEY) {
        assert_eq!(thief.act(), error("InvalidClientTokenId"));
        let refused = story.world.aws(&leaked, &["iam", "list-groups"]);
        assert!(
            refused.code != 0 && refused.err.contains("InvalidClientTokenId"),
            "{}",
            refused.err
        );
    }
    assert_eq!(workload.act(), OK);
    if story.shows(DENIED_TOKEN) {
        assert_eq!(stolen.act(), error("AccessDenied"));
        // The margin: the fence counts from 31 s after the key went off.
        story.clock(SignedDuration::from_secs(30));
        assert_eq!(story.world.client(&workload.token(3600)).act(), error("AccessDenied"));
    } else {
        story.clock(SignedDuration::from_secs(30));
    }
    story.clock(SignedDuration::from_secs(1));
    assert_eq!(story.world.emulator.clock.now(), fence);
    assert_eq!(story.world.client(&workload.token(3600)).act(), OK);
    story.ringfence(&["status"]).ok();

    // The thief's friend turns the key on again, and it mints another token.
    story.clock(SignedDuration::from_mins(10));
    let on = [
        "iam",
        "update-access-key",
        "--user-name",
        USER,
        "--access-key-id",
        &leaked.id,
        "--status",
        "Active",
    ];
    story.world.aws(&second, &on).ok();
    let stolen = story.world.client(&thief.token(129_600));
    assert_eq!(stolen.act(), OK);
    let weakened = story.ringfence(&["status"]).exits(2);
    let again = story.world.as_printed(weakened.line("ringfence apply"), &["--auto-approve"]).ok();
    story.screens.push_str(&story.world.redact(&again.screen()));
    let fence = story.world.emulator.clock.now() + SignedDuration::from_secs(31);
    assert_contained(&story.world.facts(USER), &before, &leaked.id, fence);
    if story.shows(REFUSED_KEY) {
        assert_eq!(thief.act(), error("InvalidClientTokenId"));
    }
    if story.shows(DENIED_TOKEN) {
        assert_eq!(stolen.act(), error("AccessDenied"));
    }
    story.world.ringfence(&["status"]).ok();

    // Too early: the thief's token may live for 36 h, and the fence stays.
    story.clock(SignedDuration::from_hours(2));
    story.ringfence(&["rollback", "--user", USER, "--out", "early.json"]).ok();
    assert_contained(&story.world.facts(USER), &before, &leaked.id, fence);

    // One second before its time, and then at its time.
    let lift_after = fence + SignedDuration::from_secs(129_600 + 300);
    story.world.emulator.clock.set(lift_after - SignedDuration::from_secs(1));
    let early =
        story.world.ringfence(&["rollback", "--user", USER, "--detailed-exitcode"]).exits(0);
    assert!(early.out.contains("No changes"), "{}", early.out);
    story.clock(SignedDuration::from_secs(1));
    story.ringfence(&["rollback", "--user", USER, "--out", "release.json"]).ok();
    story.ringfence(&["apply", "release.json", "--auto-approve"]).ok();

    // Everything is as it was, but for the key that leaked.
    let mut expected = before;
    expected.insert(format!("access_key/{}", leaked.id), "Inactive".to_owned());
    assert_eq!(story.world.facts(USER), expected);
    assert_eq!(workload.act(), OK);
    story.ringfence(&["status"]).ok();
    story.world.ringfence(&["state", "history", USER, "--verify"]).ok();

    let lacks: BTreeSet<_> =
        LACKS.iter().filter(|lack| lack.0 == kind).map(|lack| lack.1).collect();
    assert_eq!(*story.left_out.borrow(), lacks, "what is listed is left out, and nothing else");
    story.screens
}

/// The leaked key is off, the fence stands at its time, and nothing else has changed.
#[track_caller]
fn assert_contained(now: &Facts, before: &Facts, leaked: &str, fence: Timestamp) {
    let mut expected = before.clone();
    expected.insert(format!("access_key/{leaked}"), "Inactive".to_owned());
    let name = now
        .keys()
        .find(|key| key.starts_with("inline_policy/RingfenceFence-"))
        .expect("there is a fence");
    let document = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Deny","Action":"*","Resource":"*","Condition":{{"DateLessThan":{{"aws:TokenIssueTime":"{fence}"}}}}}}]}}"#
    );
    expected.insert(name.clone(), document);
    assert_eq!(*now, expected);
}
