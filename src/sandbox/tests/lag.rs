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

#[test]
fn what_is_enforced_was_stored_at_some_earlier_moment_which_never_moves_back() {
    for seed in 0..20 {
        let stage = Stage::new();
        stage.ok("iam:CreateUser", &[("UserName", "bot")]);
        let most = SignedDuration::from_secs(10);
        stage.sandbox.edit(|world| world.varying_lag = Some(Lag::up_to(most, seed)));
        let mut random = Random::of(seed, "changes");
        let stored = || stage.sandbox.edit(|world| policies(world.account(ACCOUNT)));
        let enforced = || {
            let now = stage.sandbox.now();
            stage.sandbox.edit(|world| policies(world.enforced(ACCOUNT, now)))
        };
        let (mut history, mut reached) = (vec![(stage.sandbox.now(), stored())], 0);
        for number in 0..25 {
            stage.put(
                "bot",
                &format!("p{number}"),
                r#"{"Statement":{"Effect":"Deny","Action":"s3:*","Resource":"*"}}"#,
            );
            history.push((stage.sandbox.now(), stored()));
            stage.wait(i64::try_from(random.below(4)).unwrap());
            let place = history.iter().position(|(_, then)| *then == enforced()).unwrap();
            assert!(place >= reached, "seed {seed}: {place} after {reached}");
            reached = place;
            // A change is overdue ten seconds after it was stored.
            let due = history.iter().rposition(|(at, _)| *at + most <= stage.sandbox.now());
            assert!(due.is_none_or(|due| place >= due), "seed {seed}");
        }
        stage.wait(10);
        assert_eq!(enforced(), stored());
    }
}

fn policies(account: Option<&crate::sandbox::Account>) -> usize {
    account.unwrap().user("bot").unwrap().permissions.inline.len()
}

#[test]
fn changes_differ_in_their_delay_and_a_saved_world_draws_on() {
    let stage = Stage::new();
    let most = SignedDuration::from_secs(10);
    let mut lag = Lag::up_to(most, 4);
    let delays: Vec<_> = (0..50).map(|_| lag.draw()).collect();
    assert!(delays.iter().all(|delay| !delay.is_negative() && *delay <= most));
    assert!(delays.iter().any(|delay| *delay < delays[0]) || delays[0] < delays[1]);
    stage.sandbox.edit(|world| world.varying_lag = Some(Lag::up_to(most, 4)));
    stage.user("bot");
    let again = Sandbox::load(&stage.sandbox.save(), || Timestamp::UNIX_EPOCH).unwrap();
    let next = |sandbox: &Sandbox| {
        sandbox.edit(|world| world.varying_lag.as_mut().map(Lag::draw)).unwrap()
    };
    assert_eq!(next(&again), next(&stage.sandbox));
}
