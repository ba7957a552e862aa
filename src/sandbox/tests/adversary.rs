//! Somebody fights back: by what is enforced, within its means, and the same way for the same seed.

use super::*;
use crate::aws::{Aws, Targets, call, read};
use crate::identity::UserName;
use crate::plan::Action;
use crate::policy::PolicyDocument;
use crate::sandbox::adversary::{Deed, Means, Tampering};
use crate::sandbox::{Adversary, Carried, Line, Trouble, User};
use std::collections::BTreeSet;

const FENCE: &str = "RingfenceFence-0123abcd";

/// An adversary that does nothing of its own accord.
const PATIENT: Means = Means {
    own_principal: false,
    acts: 0,
    per_mille: 0,
    replaces_user: false,
    fills_account: false,
    touches_roles: false,
    until_call: None,
    until: None,
};

fn adversary(stage: &Stage, seed: u64, means: Means) -> (Player, Adversary) {
    let bot = stage.user("bot");
    let adversary = Adversary::new(&stage.sandbox, seed, "bot", bot.credentials(), means);
    (bot, adversary)
}

fn key_off(stage: &Stage, key: &Player) {
    let id = key.credentials().access_key_id.as_str();
    let off = [("UserName", "bot"), ("AccessKeyId", id), ("Status", "Inactive")];
    stage.ok("iam:UpdateAccessKey", &off);
}

/// Denies every session that is issued up to a minute from now (F8).
fn fence(stage: &Stage) -> String {
    let until = stage.sandbox.now() + SignedDuration::from_secs(61);
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Deny","Action":"*","Resource":"*","Condition":{{"DateLessThan":{{"aws:TokenIssueTime":"{until}"}}}}}}]}}"#
    )
}

fn bot(stage: &Stage) -> Option<User> {
    stage.sandbox.edit(|world| world.account(ACCOUNT)?.user("bot").cloned())
}

fn outcomes(adversary: &Adversary) -> Vec<String> {
    adversary.log().into_iter().map(|deed| deed.outcome).collect()
}

#[test]
fn a_stolen_token_dies_with_the_fence_and_no_token_comes_after_the_key_is_off() {
    let stage = Stage::new();
    let (key, adversary) = adversary(&stage, 1, PATIENT);
    assert!(adversary.tamper(Tampering::MintToken));
    assert_eq!((adversary.tokens().len(), adversary.live_of_target().len()), (1, 2));
    stage.lag(5);
    key_off(&stage, &key);
    stage.put("bot", FENCE, &fence(&stage));
    // Stored and not enforced: the key still mints, and the new token acts.
    assert!(adversary.tamper(Tampering::MintToken));
    assert_eq!((adversary.tokens().len(), adversary.live().len()), (2, 3));
    stage.wait(5);
    assert!(adversary.tamper(Tampering::MintToken));
    assert_eq!((adversary.tokens().len(), adversary.live().len()), (2, 0));
    assert_eq!(outcomes(&adversary), ["ok", "ok", "InvalidClientTokenId"]);
    let target = adversary.target_id();
    assert!(adversary.loot().iter().all(|loot| loot.principal == target));
}

#[test]
fn an_administrator_of_its_own_outlives_the_containment_of_the_target() {
    let stage = Stage::new();
    let (key, adversary) = adversary(&stage, 1, Means { own_principal: true, ..PATIENT });
    for _ in 0..4 {
        adversary.tamper(Tampering::MintToken);
    }
    key_off(&stage, &key);
    stage.put("bot", FENCE, &fence(&stage));
    assert_eq!(adversary.live_of_target(), []);
    let own = adversary.own_id().unwrap();
    let live = adversary.live();
    assert!(!live.is_empty() && live.iter().all(|loot| loot.principal == own));
    // And it turns the key on again.
    while !outcomes(&adversary)
        .iter()
        .any(|_| bot(&stage).unwrap().keys[0].status.as_str() == "Active")
    {
        assert!(adversary.tamper(Tampering::Reactivate));
    }
    assert_eq!(adversary.live_of_target().len(), 1, "the fence stops the tokens still");
}

#[test]
fn every_way_of_tampering_is_taken_and_is_an_event() {
    let stage = Stage::new();
    let (key, adversary) = adversary(&stage, 3, Means { own_principal: true, ..PATIENT });
    let policy = [("PolicyName", FENCE), ("PolicyDocument", DENY_ALL)];
    stage.ok("iam:CreatePolicy", &policy);
    let arn = format!("arn:aws:iam::{ACCOUNT}:policy/{FENCE}");
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"sts:AssumeRole"}]}"#;
    stage.ok("iam:CreateRole", &[("RoleName", "release"), ("AssumeRolePolicyDocument", trust)]);
    for how in Tampering::all() {
        // What ringfence does again each time.
        if bot(&stage).unwrap().keys.iter().any(|known| known.id == key.credentials().access_key_id)
        {
            key_off(&stage, &key);
        }
        let filled = stage
            .admin()
            .call("iam:DeleteUserPolicy", &[("UserName", "bot"), ("PolicyName", "filler")]);
        assert!(filled.is_ok() || filled.code() == "NoSuchEntity");
        stage.put("bot", FENCE, DENY_ALL);
        stage.ok("iam:PutRolePolicy", &[&[("RoleName", "release")], &policy[..]].concat());
        let _ =
            stage.admin().call("iam:AttachUserPolicy", &[("UserName", "bot"), ("PolicyArn", &arn)]);
        let (before, so_far) = (stage.sandbox.save(), adversary.log().len());
        assert!(adversary.tamper(how), "{how:?} has something to do");
        let log = adversary.log();
        let new: &[Deed] = &log[so_far..];
        assert!(!new.is_empty() && new.iter().all(|deed| deed.tampering == how));
        assert_ne!(stage.sandbox.save(), before);
        assert!(new.iter().any(|deed| deed.outcome != "InvalidAction"), "{new:?}");
        assert!(!new.iter().any(|deed| deed.outcome.starts_with("Malformed")), "{new:?}");
    }
    // Another user has the name now.
    assert_ne!(bot(&stage).map(|user| user.id), Some(adversary.target_id()));
    let done = adversary.log().into_iter().filter(|deed| deed.outcome == "ok");
    let ways: BTreeSet<String> = done.map(|deed| format!("{:?}", deed.tampering)).collect();
    assert!(ways.len() >= 20, "{ways:?}");
    let text: String = adversary.log().iter().map(|deed| format!("{deed}\n")).collect();
    let secrets = ["Statement", "Telemetry-", "ssh-ed25519"];
    assert!(secrets.iter().all(|secret| !text.contains(secret)), "{text}");
}

#[test]
fn quotas_are_filled_to_the_last_place() {
    let stage = Stage::new();
    let (_, adversary) = adversary(&stage, 3, PATIENT);
    stage.put("bot", FENCE, DENY_ALL.replace("Deny", "Allow").as_str());
    for how in [Tampering::FillInline, Tampering::FillAttached, Tampering::FillAccount] {
        assert!(adversary.tamper(how));
    }
    assert!(adversary.log().iter().all(|deed| deed.outcome == "ok"), "{:?}", adversary.log());
    let inline = [("UserName", "bot"), ("PolicyName", "one"), ("PolicyDocument", DENY_ALL)];
    assert_eq!(stage.code("iam:PutUserPolicy", &inline), "LimitExceeded");
    let attached = [("UserName", "bot"), ("PolicyArn", "arn:aws:iam::aws:policy/AWSDenyAll")];
    assert_eq!(stage.code("iam:AttachUserPolicy", &attached), "LimitExceeded");
    let one = [("PolicyName", "one"), ("PolicyDocument", DENY_ALL)];
    assert_eq!(stage.code("iam:CreatePolicy", &one), "LimitExceeded");
}

#[test]
fn it_ends_with_its_acts_its_calls_or_its_time() {
    let always = Means { acts: 3, per_mille: 1000, ..PATIENT };
    let stage = Stage::new();
    let (_, first) = adversary(&stage, 1, always);
    for number in 1..9 {
        first.step(number);
    }
    let steps: BTreeSet<u64> = first.log().iter().map(|deed| deed.before_call).collect();
    assert!(first.is_over() && steps.len() <= 3 && steps.contains(&1));
    let stage = Stage::new();
    let (_, second) = adversary(&stage, 1, Means { acts: 99, until_call: Some(2), ..always });
    second.step(1);
    let until = second.log().len();
    second.step(2);
    assert!(second.is_over() && until > 0 && second.log().len() == until);
    let stage = Stage::new();
    let until = stage.sandbox.now() + SignedDuration::from_secs(1);
    let (_, third) = adversary(&stage, 1, Means { acts: 99, until: Some(until), ..always });
    assert!(!third.is_over());
    stage.wait(1);
    assert!(third.is_over());
}

#[test]
fn to_ask_what_still_acts_leaves_no_trace() {
    let stage = Stage::new();
    let (key, adversary) = adversary(&stage, 1, PATIENT);
    adversary.tamper(Tampering::MintToken);
    let before = stage.sandbox.save();
    assert_eq!(adversary.live().len(), 2);
    assert!(stage.sandbox.can_act(key.credentials()));
    assert!(!stage.sandbox.can_act(&Credentials::default()));
    assert_eq!(stage.sandbox.save(), before);
}

/// A containment of sorts, on a bad line, with lag, against an adversary.
async fn run(seed: u64) -> (String, Vec<Carried>, Vec<Deed>) {
    let stage = Stage::new();
    let most = SignedDuration::from_secs(10);
    let means = Means { acts: 20, per_mille: 300, ..Means::drawn(seed) };
    let (key, adversary) = adversary(&stage, seed, means);
    stage.sandbox.edit(|world| world.varying_lag = Some(Lag::up_to(most, seed)));
    let line = Line::new(&stage.sandbox, seed);
    line.set_trouble(Trouble { short_page: 200, reply_lost: 30, ..Trouble::drawn(seed) });
    let (hand, clock) = (adversary.clone(), stage.clock.clone());
    line.between(move |number| {
        clock.fetch_add(1, Ordering::SeqCst);
        hand.step(number);
    });
    let aws = Aws::from_config(&line.sdk_config(&stage.sandbox.admin()));
    let user = UserName::try_from("bot".to_owned()).unwrap();
    let targets = Targets { users: vec![user.clone()], ..Targets::default() };
    let id = key.credentials().access_key_id.clone();
    let document = PolicyDocument::parse(DENY_ALL);
    let off = Action::UpdateAccessKey { id, status: crate::snapshot::Status::Inactive };
    let put = Action::PutUserPolicy { name: FENCE.to_owned(), document };
    for _ in 0..2 {
        let _ = read(&aws, &targets).await;
        for action in [&off, &put] {
            call(&aws, &user, action).await;
        }
    }
    (stage.sandbox.save(), line.log(), adversary.log())
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_is_the_same_run_byte_for_byte() {
    let mut seen = BTreeSet::new();
    for seed in 0..12 {
        let (first, second) = (run(seed).await, run(seed).await);
        assert_eq!(first.1, second.1, "seed {seed}: the line");
        assert_eq!(first.2, second.2, "seed {seed}: the adversary");
        assert_eq!(first.0, second.0, "seed {seed}: the world");
        assert!(first.1.len() > 5 && !first.2.is_empty());
        seen.insert(first.0);
    }
    assert_eq!(seen.len(), 12);
}
