//! What counts as an approval, and what does not. The same with ssh-keygen itself: `tests/it/approvals`.

mod examined;

use super::*;
use crate::error::Result;
use crate::plan::Kind;
use ssh_key::private::{Ed25519Keypair, KeypairData, PrivateKey};
use ssh_key::{HashAlg, LineEnding, SshSig};

const PLAN: &[u8] = b"{\"a plan\": true}\n";

fn key(seed: u8) -> PrivateKey {
    PrivateKey::new(KeypairData::Ed25519(Ed25519Keypair::from_seed(&[seed; 32])), "").unwrap()
}

fn line(principals: &str, options: &str, seed: u8) -> String {
    format!("{principals} {options}{} a comment\n", key(seed).public_key().to_openssh().unwrap())
}

fn signed(seed: u8, namespace: &str, over: &[u8]) -> SignatureFile {
    let signature = SshSig::sign(&key(seed), namespace, HashAlg::Sha512, over).unwrap();
    let bytes = signature.to_pem(LineEnding::LF).unwrap().into_bytes();
    SignatureFile { name: format!("plan.json.{seed}.sig"), bytes }
}

fn signers(text: &str) -> Signers {
    Signers::parse(text.as_bytes(), "allowed_signers").unwrap()
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

struct Setting {
    requirement: Requirement,
    signers: Vec<Signers>,
    effects: BTreeMap<Effect, Resource>,
    caller: Option<Arn>,
}

impl Setting {
    fn of(required: u32, allowed: &str) -> Self {
        Self {
            requirement: Requirement { required, ..Requirement::default() },
            signers: vec![signers(allowed)],
            effects: BTreeMap::new(),
            caller: Some("arn:aws:sts::123456789012:assumed-role/Responder/carol".parse().unwrap()),
        }
    }

    fn judge(&self, signatures: &[SignatureFile]) -> Verdict {
        judge(&Case {
            plan: PLAN,
            created_at: time("2026-11-21T03:10:00Z"),
            effects: &self.effects,
            requirement: &self.requirement,
            signatures,
            signers: &self.signers,
            caller: self.caller.as_ref(),
            now: time("2026-11-21T03:30:00Z"),
        })
    }

    #[track_caller]
    fn refuses(&self, signature: SignatureFile, why: &str) {
        let verdict = self.judge(&[signature]);
        assert!(!verdict.is_met());
        let said: Vec<&str> = verdict.rejected.iter().map(|one| one.why.as_str()).collect();
        assert!(said.iter().any(|one| one.contains(why)), "{said:?}");
        let error = verdict.refusal("plan.json").unwrap();
        assert_eq!(error.exit(), crate::exit::Exit::Forbidden);
        assert!(error.details().iter().any(|line| line.contains(why)), "{error}");
    }
}

fn plan_signed(seed: u8) -> SignatureFile {
    signed(seed, NAMESPACE, PLAN)
}

#[test]
fn as_many_people_as_are_asked_for() {
    let setting = Setting::of(2, &(line("alice", "", 1) + &line("bob", "", 2)));
    assert!(!setting.judge(&[]).is_met());
    assert!(!setting.judge(&[plan_signed(1)]).is_met());
    let verdict = setting.judge(&[plan_signed(1), plan_signed(2)]);
    assert!(verdict.is_met());
    let people: Vec<&str> = verdict.approvals.iter().map(|one| one.person.as_str()).collect();
    assert_eq!(people, ["alice", "bob"]);
    let expected = key(1).public_key().fingerprint(HashAlg::Sha256).to_string();
    assert_eq!(verdict.approvals[0].fingerprint, expected);
    assert!(expected.starts_with("SHA256:"));
}

#[test]
fn a_person_counts_once_whatever_the_key() {
    for allowed in [
        line("alice", "", 1) + &line("alice", "", 2),
        line("alice,alice@example.com", "", 1) + &line("al,alice@example.com", "", 2),
        line("a,b", "", 1) + &line("b,c", "", 3) + &line("c,d", "", 2),
    ] {
        let verdict = Setting::of(2, &allowed).judge(&[plan_signed(1), plan_signed(2)]);
        assert_eq!((verdict.approvals.len(), verdict.missing()), (1, 1), "{allowed}");
        assert!(verdict.rejected[0].why.contains("counts once"));
    }
    let allowed = line("alice", "", 1);
    let verdict = Setting::of(2, &allowed).judge(&[plan_signed(1), plan_signed(1)]);
    assert_eq!(verdict.missing(), 1);
}

#[test]
fn what_does_not_count() {
    let setting = Setting::of(1, &line("alice", "", 1));
    setting.refuses(signed(1, NAMESPACE, b"another plan"), "not over the bytes");
    setting.refuses(signed(1, "git", PLAN), "namespace `git`");
    setting.refuses(plan_signed(2), "its key is not in `allowed_signers`");
    let rubbish = SignatureFile { name: "plan.json.sig".to_owned(), bytes: b"\0rubbish".to_vec() };
    setting.refuses(rubbish.clone(), "no OpenSSH signature");
    let large = SignatureFile { bytes: vec![b'a'; LARGEST + 1], ..rubbish };
    setting.refuses(large, "larger than 64 KiB");
    let largest = SignatureFile { bytes: vec![b'a'; LARGEST], ..plan_signed(1) };
    setting.refuses(largest, "no OpenSSH signature");
    for (options, why) in [
        (
            "valid-before=\"20261121\" ",
            "its key expired at 2026-11-21T00:00:00Z (`allowed_signers`, line 1)",
        ),
        ("valid-before=\"202611210329Z\" ", "its key expired"),
        ("valid-after=\"20261121033001\" ", "not valid before 2026-11-21T03:30:01Z"),
        ("namespaces=\"git,file\" ", "for the namespaces git,file"),
        ("namespaces=\"*,!ringfence-plan\" ", "for the namespaces"),
        ("namespaces=\"a\\b\" ", "for the namespaces a\\b, "),
        ("cert-authority ", "certificate authority"),
    ] {
        Setting::of(1, &line("alice", options, 1)).refuses(plan_signed(1), why);
    }
    let mut nobody = Setting::of(1, "");
    nobody.refuses(plan_signed(1), "not in");
    nobody.signers.clear();
    nobody.refuses(plan_signed(1), "there is no allowed_signers");
}

#[test]
fn options_that_let_a_key_sign() {
    for options in [
        "valid-after=\"20261121033000\" ",
        "valid-before=\"20261121033000Z\" ",
        "valid-after=\"20261121\",valid-before=\"20261122UTC\" ",
        "NAMESPACES=\"git,ringfence-*\" ",
        "namespaces=\"ringfence-plan\",valid-after=\"20200101\" ",
        "namespaces=\"a b,ringfence-plan\" ",
        "namespaces=\"a\\\" b,ringfence-plan\" ",
    ] {
        let verdict = Setting::of(1, &line("alice", options, 1)).judge(&[plan_signed(1)]);
        assert!(verdict.is_met(), "{options}: {verdict:?}");
    }
    let expired = line("alice", "valid-before=\"20200101\" ", 1) + &line("alice", "", 1);
    assert!(Setting::of(1, &expired).judge(&[plan_signed(1)]).is_met());
}

#[test]
fn every_file_of_signers_has_to_know_the_key() {
    let mut setting = Setting::of(1, &line("alice", "", 1));
    setting.signers.push(signers(&line("alice", "", 1)));
    assert!(setting.judge(&[plan_signed(1)]).is_met());
    setting.signers.push(signers(&line("bob", "", 1)));
    setting.refuses(plan_signed(1), "another person's");
    setting.signers.push(signers(&line("alice", "", 2)));
    setting.signers.remove(2);
    setting.refuses(plan_signed(1), "not in");
}

#[test]
fn whoever_applies_does_not_approve_where_that_is_excluded() {
    let mut setting = Setting::of(1, &line("carol,carol@example.com", "", 1));
    assert!(setting.judge(&[plan_signed(1)]).is_met());
    setting.requirement.separate_applier = true;
    setting.refuses(plan_signed(1), "[approval.people] does not name carol");
    let arns = ["arn:aws:sts::123456789012:assumed-role/*/carol".to_owned()];
    setting.requirement.people.insert("carol@example.com".to_owned(), arns.into());
    setting.refuses(
        plan_signed(1),
        "carol is arn:aws:sts::123456789012:assumed-role/Responder/carol, who applies it",
    );
    setting.caller = Some("arn:aws:iam::123456789012:user/dave".parse().unwrap());
    assert!(setting.judge(&[plan_signed(1)]).is_met());
    setting.caller = None;
    assert!(setting.judge(&[plan_signed(1)]).is_met());
}

#[test]
fn a_plan_gets_too_old() {
    let mut setting = Setting::of(0, "");
    for (most, met) in [(None, true), (Some(1_200), true), (Some(1_199), false)] {
        setting.requirement.max_age_s = most;
        let verdict = setting.judge(&[]);
        assert_eq!(verdict.is_met(), met, "{most:?}");
        if !met {
            let error = verdict.refusal("plan.json").unwrap();
            assert!(error.message().contains("too old"), "{error}");
        }
    }
}

#[test]
fn more_people_for_what_does_more() {
    let mut setting = Setting::of(1, &(line("alice", "", 1) + &line("bob", "", 2)));
    setting.requirement.effects = BTreeMap::from([(Effect::Reactivate, 2), (Effect::Deny, 0)]);
    assert!(setting.judge(&[plan_signed(1)]).is_met());
    let key: Resource = "access_key/AKIA3EXAMPLE4LEAKED1".parse().unwrap();
    setting.effects = BTreeMap::from([(Effect::Reactivate, key)]);
    let verdict = setting.judge(&[plan_signed(1)]);
    assert_eq!((verdict.needed, verdict.missing()), (2, 1));
    let error = verdict.refusal("plan.json").unwrap();
    assert!(
        error.cause().unwrap().contains("reactivate (access_key/AKIA3EXAMPLE4LEAKED1) asks for 2")
    );
}

#[test]
fn of_two_requirements_the_stricter_counts() {
    let one = Requirement {
        required: 1,
        effects: BTreeMap::from([(Effect::Delete, 3)]),
        max_age_s: Some(60),
        ..Requirement::default()
    };
    let two = Requirement {
        required: 2,
        effects: BTreeMap::from([(Effect::Delete, 2), (Effect::Deny, 1)]),
        separate_applier: true,
        ..Requirement::default()
    };
    for both in [one.clone().and(&two), two.and(&one)] {
        assert_eq!((both.required, both.max_age_s, both.separate_applier), (2, Some(60), true));
        assert_eq!(both.effects, BTreeMap::from([(Effect::Delete, 3), (Effect::Deny, 1)]));
    }
}

#[test]
fn a_broken_line_is_named() {
    let good = line("alice", "", 1);
    let public = key(1).public_key().to_openssh().unwrap();
    for (bad, why) in [
        ("alice".to_owned(), "there is no key"),
        ("alice ssh-ed25519".to_owned(), "there is no key"),
        ("alice cert-authority".to_owned(), "there is no key"),
        ("alice ssh-ed25519 AAAA".to_owned(), "the key is none"),
        (format!("alice nonsense {public}"), "the option `nonsense` is unknown"),
        (format!("alice nonsense\\ {public}"), "the option `nonsense\\` is unknown"),
        (format!("alice namespaces=git {public}"), "has no value in quotes"),
        (format!("alice namespaces=\"git {public}"), "a quote is not closed"),
        (format!("alice namespaces=\"a\",namespaces=\"b\" {public}"), "twice"),
        (format!("alice valid-after=\"soon\" {public}"), "`soon` is no time"),
        (format!("alice valid-after=\"20261301\" {public}"), "`20261301` is no time"),
        (
            format!("alice valid-after=\"20261122\",valid-before=\"20261121\" {public}"),
            "before `valid-after`",
        ),
        (format!("alice namespaces=\"a\"valid-after=\"20261122\" {public}"), "comes no comma"),
        (format!("\"alice {public}"), "a quote is not closed"),
        (format!("\"\" {public}"), "it names nobody"),
    ] {
        let text = format!("# who may approve\n\n{good}{bad}\n");
        let error: Result<Signers> = Signers::parse(text.as_bytes(), "allowed_signers");
        let error = error.unwrap_err();
        assert_eq!(error.message(), "`allowed_signers` has a broken line 4", "{bad}");
        assert!(error.cause().unwrap().contains(why), "{bad}: {error}");
        assert_eq!(error.exit(), crate::exit::Exit::Forbidden);
    }
    let error = Signers::parse(b"# one\n\xff\n", "allowed_signers").unwrap_err();
    assert_eq!(error.message(), "`allowed_signers` has a broken line 2");
}

#[test]
fn every_changed_byte_of_a_signed_plan_is_noticed() {
    let setting = Setting::of(1, &line("alice", "", 1));
    for at in 0..PLAN.len() {
        for bit in 0..8 {
            let mut plan = PLAN.to_vec();
            plan[at] ^= 1 << bit;
            setting.refuses(signed(1, NAMESPACE, &plan), "not over the bytes");
        }
    }
}

/// What the steps of a plan do, by the record that it was made from.
fn done(plan: &crate::plan::Plan, state: Option<&crate::state::State>, now: &str) -> Vec<Effect> {
    effect::of_plan(plan, &[state.cloned()], time(now)).into_keys().collect()
}

#[test]
fn what_steps_do_is_told_by_the_record_and_the_clock() {
    use crate::render::sample;
    let (early, late) = ("2026-11-21T04:00:00Z", "2026-12-01T00:00:00Z");
    assert_eq!(done(&sample::revoke(), None, early), [Effect::Deactivate, Effect::Deny]);
    assert!(done(&sample::lockdown(), None, early).contains(&Effect::Delete));
    let release = sample::release();
    let mut state = sample::recorded();
    let lifted = [Effect::LiftFence, Effect::LiftFenceEarly];
    state.clock.as_mut().unwrap().void_while_active.clear();
    assert_eq!(done(&release, Some(&state), early), lifted);
    assert_eq!(done(&release, Some(&state), late), [Effect::LiftFence]);
    // A clock that is void, or unknown, has not run out; and nor has one of which there is no record.
    let clock = state.clock.as_mut().unwrap();
    clock.void_while_active = vec!["access_key/AKIA3EXAMPLE4LEAKED1".parse().unwrap()];
    assert_eq!(done(&release, Some(&state), late), lifted);
    state.clock = None;
    assert_eq!(done(&release, Some(&state), late), lifted);
    assert_eq!(done(&release, None, late), lifted);
}

#[test]
fn what_a_step_of_a_release_does_is_told_by_what_was_held() {
    use crate::policy::{FenceTime, fence};
    use crate::render::sample;
    use crate::resource::Value;
    let mut state = sample::recorded();
    state.clock.as_mut().unwrap().void_while_active.clear();
    let until = state.clock.as_ref().unwrap().lift_after;
    let (own, held) = state.fence().map(|(one, held)| (one.clone(), held.clone())).unwrap();
    let mut hold = |what: &str, baseline: Option<Value>, ours: Option<Value>| {
        let held = crate::state::Held { baseline, ours, ..held.clone() };
        state.resources.insert(what.parse().unwrap(), held);
    };
    let boundary = |name: &str| Some(Value::PolicyArn(format!("arn:aws:iam::1:policy/{name}")));
    hold("group/devs", Some(Value::Member), None);
    hold("permissions_boundary", boundary("team"), boundary("contained"));
    let does = |kind, step: &crate::plan::Step, state: Option<&crate::state::State>, now| {
        effect::of_step(kind, step, state, now).into_iter().collect::<Vec<_>>()
    };
    let step = |of: &str, before: Option<Value>, after: Option<Value>| {
        sample::step(1, 1, of, before, after)
    };
    let release = |one: &crate::plan::Step, now| does(Kind::Release, one, Some(&state), now);
    let restored = [Effect::Restore];
    let group = step("group/devs", None, Some(Value::Member));
    let bound = step("permissions_boundary", boundary("contained"), boundary("team"));
    assert_eq!(
        (release(&group, until), release(&bound, until)),
        (restored.to_vec(), restored.to_vec())
    );
    // The fence may go from the very second that its time has come.
    let lift = step(&own.to_string(), held.ours.clone(), None);
    assert_eq!(release(&lift, until), [Effect::LiftFence]);
    let second = SignedDuration::from_secs(1);
    let early = [Effect::LiftFence, Effect::LiftFenceEarly];
    assert_eq!(release(&lift, until - second), early);
    // Written again as it was it denies as before; as another document it may deny nothing.
    let again = step(&own.to_string(), None, held.ours.clone());
    assert_eq!(release(&again, until), restored);
    let other = Some(Value::Document(fence(FenceTime::At(until))));
    let other = step(&own.to_string(), held.ours.clone(), other);
    assert_eq!(release(&other, until), [Effect::LiftFence]);
    // Without a record every policy may be one that denies, and no group is.
    assert_eq!(does(Kind::Release, &bound, None, until), early);
    assert_eq!(does(Kind::Release, &group, None, until), restored);
    let leave = step("group/devs", Some(Value::Member), None);
    assert_eq!(does(Kind::Release, &leave, None, until), restored);
    assert_eq!(does(Kind::Contain, &leave, None, until), [Effect::LeaveGroup]);
    assert_eq!(does(Kind::Contain, &lift, None, until), [Effect::Deny]);
}
