//! Stored at once, enforced later (F29); and everything can be saved and taken up again.

use super::*;

#[test]
fn a_change_is_read_at_once_and_enforced_after_the_lag() {
    let stage = Stage::new();
    let bot = stage.user("bot");
    stage.lag(5);
    stage.put("bot", "hold", DENY_ALL);
    let read = stage.ok("iam:ListUserPolicies", &[("UserName", "bot")]);
    assert!(read.body.contains("<member>hold</member>"));
    assert!(alive(&bot));
    stage.wait(4);
    assert!(alive(&bot));
    stage.wait(1);
    assert!(!alive(&bot));
}

#[test]
fn an_old_key_lives_on_and_a_new_one_is_not_known_yet() {
    let stage = Stage::new();
    let bot = stage.user("bot");
    stage.lag(5);
    let id = bot.credentials().access_key_id.clone();
    let off = [("UserName", "bot"), ("AccessKeyId", id.as_str()), ("Status", "Inactive")];
    stage.ok("iam:UpdateAccessKey", &off);
    let new = stage.key("bot");
    assert!(alive(&bot));
    assert_eq!(new.call("sts:GetCallerIdentity", &[]).code(), "InvalidClientTokenId");
    stage.wait(5);
    assert_eq!(bot.call("sts:GetCallerIdentity", &[]).code(), "InvalidClientTokenId");
    assert!(alive(&new));
}

#[test]
fn changes_are_enforced_one_after_another() {
    let stage = Stage::new();
    let bot = stage.user("bot");
    stage.lag(10);
    stage.put("bot", "hold", DENY_ALL);
    stage.wait(6);
    stage.ok("iam:DeleteUserPolicy", &[("UserName", "bot"), ("PolicyName", "hold")]);
    stage.wait(3);
    assert!(alive(&bot));
    stage.wait(1);
    assert!(!alive(&bot));
    stage.wait(5);
    assert!(!alive(&bot));
    stage.wait(1);
    assert!(alive(&bot));
}

#[test]
fn the_attacker_can_undo_within_the_lag() {
    let stage = Stage::new();
    let bot = stage.user("bot");
    stage.lag(5);
    stage.put("bot", "hold", DENY_ALL);
    // F30: what denies this call is not enforced yet.
    ok(&bot, "iam:DeleteUserPolicy", &[("UserName", "bot"), ("PolicyName", "hold")]);
    stage.wait(60);
    assert!(alive(&bot));
}

#[test]
fn what_was_saved_goes_on_as_it_was() {
    let stage = Stage::new();
    let bot = stage.user("bot");
    let session = stage.mint(&bot, "sts:GetSessionToken", &[]);
    stage.lag(5);
    stage.put("bot", "hold", DENY_ALL);
    let saved = stage.sandbox.save();
    let clock = stage.clock.clone();
    let time = move || Timestamp::from_second(clock.load(Ordering::SeqCst)).unwrap();
    let again = Sandbox::load(&saved, time).unwrap();
    assert_eq!(again.save(), saved);
    assert_eq!(again.calls(), stage.sandbox.calls());
    let bot = Player::new(again.clone(), session.credentials().clone());
    assert!(alive(&bot));
    stage.wait(5);
    assert!(!alive(&bot));
    assert_eq!(again.admin(), stage.sandbox.admin());
    assert!(Sandbox::load("{}", || Timestamp::UNIX_EPOCH).is_err());
    let other = saved.replacen("\"format\":1", "\"format\":2", 1);
    assert!(Sandbox::load(&other, || Timestamp::UNIX_EPOCH).is_err());
}

#[test]
fn a_run_repeats_exactly() {
    let run = || {
        let stage = Stage::new();
        let bot = stage.user("bot");
        stage.mint(&bot, "sts:GetSessionToken", &[]);
        stage.sandbox.save()
    };
    assert_eq!(run(), run());
}

#[test]
fn calls_are_recorded_with_their_caller_and_outcome() {
    let stage = Stage::new();
    let bot = stage.user("bot");
    stage.put("bot", "hold", DENY_ALL);
    assert!(!alive(&bot));
    let last = stage.sandbox.calls().pop().unwrap();
    assert_eq!(
        (last.action.as_str(), last.outcome.as_str()),
        ("s3:ListAllMyBuckets", "AccessDenied")
    );
    assert_eq!(last.principal.as_deref(), Some("arn:aws:iam::123456789012:user/bot"));
    assert_eq!(last.access_key_id, Some(bot.credentials().access_key_id.clone()));
}
