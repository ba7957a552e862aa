//! What the files of a store ask of a plan, and what of its record bears it out.

use super::{key, line, plan_signed, signed, signers, time};
use crate::approval::effect::Effect;
use crate::approval::*;
use crate::exit::Exit;
use crate::journal::{Event, Journal};
use crate::plan::{Kind, Plan, sha256};
use crate::render::sample;
use crate::state::Run;
use ssh_key::HashAlg;
use std::collections::BTreeMap;

/// A plan with what is asked of it, and who has signed it.
struct Desk {
    plan: Plan,
    trust: TrustRoot,
    local: Local,
    signed_by: Vec<u8>,
}

const BYTES: &[u8] = b"{\"a plan\": true}\n";

fn rules(text: &str) -> TrustRoot {
    TrustRoot::parse(Some(("policy.toml", text.as_bytes())), None).unwrap()
}

fn store(policy: &str, allowed: &str) -> TrustRoot {
    let file = Some(("allowed_signers", allowed.as_bytes()));
    TrustRoot::parse(Some(("policy.toml", policy.as_bytes())), file).unwrap()
}

fn requiring(required: u32) -> Requirement {
    Requirement { required, ..Requirement::default() }
}

fn here(required: u32, allowed: Option<&str>) -> Local {
    Local { requirement: requiring(required), signers: allowed.map(signers) }
}

fn rule(name: &str, what: &str) -> String {
    format!("[[rule]]\nname = \"{name}\"\n{what}\nmessage = \"ask {name}\"\n")
}

impl Desk {
    fn of(trust: TrustRoot, local: Local) -> Self {
        Self { plan: sample::revoke(), trust, local, signed_by: Vec::new() }
    }

    fn signed(mut self, by: &[u8]) -> Self {
        self.signed_by = by.to_vec();
        self
    }

    fn examine(&self) -> Examination {
        let signatures: Vec<SignatureFile> =
            self.signed_by.iter().map(|seed| plan_signed(*seed)).collect();
        let subject = Subject {
            plan: &self.plan,
            bytes: BYTES,
            states: &[None],
            signatures: &signatures,
            caller: None,
            now: self.plan.created_at,
        };
        examine(&subject, &self.trust, &self.local)
    }

    fn allow(&self, name: Option<&str>, break_glass: Option<&str>) -> Result<(), Error> {
        self.examine().allow(name, break_glass, &self.trust)
    }
}

#[test]
fn what_asks_for_nothing_and_what_asks_for_somebody() {
    let effects = |pairs: &[(Effect, u32)]| Requirement {
        effects: pairs.iter().copied().collect(),
        ..Requirement::default()
    };
    let aged = Requirement { max_age_s: Some(60), ..Requirement::default() };
    for (requirement, empty, asks) in [
        (Requirement::default(), true, false),
        (requiring(1), false, true),
        (requiring(2), false, true),
        (aged, false, false),
        (effects(&[(Effect::Deny, 0)]), true, false),
        (effects(&[(Effect::Deny, 1)]), false, true),
        (effects(&[(Effect::Deny, 0), (Effect::Delete, 2)]), false, true),
    ] {
        assert_eq!((requirement.is_empty(), requirement.asks()), (empty, asks), "{requirement:?}");
    }
}

#[test]
fn what_asks_for_no_more_than_every_plan_needs_is_not_named() {
    let group: Resource = "group/devs".parse().unwrap();
    let done = BTreeMap::from([(Effect::LeaveGroup, group)]);
    let mut requirement = requiring(1);
    requirement.effects = BTreeMap::from([(Effect::LeaveGroup, 1)]);
    assert_eq!(requirement.needed(&done), (1, "every plan".to_owned()));
    requirement.effects = BTreeMap::from([(Effect::LeaveGroup, 2)]);
    assert_eq!(requirement.needed(&done), (2, "leave_group (group/devs)".to_owned()));
}

#[test]
fn the_requirement_in_force_names_the_files_that_it_comes_from() {
    let none = TrustRoot::parse(None, None).unwrap();
    assert!(!none.is_there() && !none.allows_break_glass());
    assert_eq!(none.in_force(&Local::default()), None);
    let force = none.in_force(&here(1, None)).unwrap();
    assert_eq!((force.requirement, force.sources), (requiring(1), Vec::new()));

    let policy = "[approval]\nrequired = 2\nbreak_glass = true\n";
    let allowed = line("alice", "", 1);
    let source =
        |file: &str, text: &str| Source { file: file.to_owned(), sha256: sha256(text.as_bytes()) };
    let ruled = rules(policy);
    assert!(ruled.is_there() && ruled.allows_break_glass());
    let force = ruled.in_force(&here(1, None)).unwrap();
    assert_eq!(force.requirement, requiring(2));
    assert_eq!(force.sources, [source("policy.toml", policy)]);

    let file = Some(("allowed_signers", allowed.as_bytes()));
    let signed = TrustRoot::parse(None, file).unwrap();
    assert!(signed.is_there() && !signed.allows_break_glass());
    let force = signed.in_force(&Local::default()).unwrap();
    assert_eq!(force.requirement, Requirement::default());
    assert_eq!(force.sources, [source("allowed_signers", &allowed)]);

    let both = store(policy, &allowed);
    assert!(both.is_there());
    let force = both.in_force(&Local::default()).unwrap();
    assert_eq!(force.sources, [source("policy.toml", policy), source("allowed_signers", &allowed)]);
}

#[test]
fn rules_that_cannot_be_read_are_not_taken_for_none() {
    for (policy, allowed) in [(Some("= 1"), None), (None, Some("alice nonsense"))] {
        let policy = policy.map(|text: &str| ("policy.toml", text.as_bytes()));
        let allowed = allowed.map(|text: &str| ("allowed_signers", text.as_bytes()));
        let error = TrustRoot::parse(policy, allowed).unwrap_err();
        assert_eq!(error.exit(), Exit::Forbidden, "{error}");
    }
}

#[test]
fn who_is_who_is_said_by_the_store() {
    let people = |names: &[&str]| -> Local {
        let arns = || ["arn:aws:iam::123456789012:user/*".to_owned()].into();
        let people = names.iter().map(|name| ((*name).to_owned(), arns())).collect();
        Local { requirement: Requirement { people, ..requiring(1) }, signers: None }
    };
    let local = people(&["alice", "mallory"]);
    let names = |trust: &TrustRoot| -> Vec<String> {
        trust.in_force(&local).unwrap().requirement.people.into_keys().collect()
    };
    let policy = "[approval.people]\nalice = [\"arn:aws:iam::123456789012:user/alice\"]\n";
    assert_eq!(names(&rules(policy)), ["alice"]);
    assert_eq!(names(&TrustRoot::default()), ["alice", "mallory"]);
}

#[test]
fn where_the_store_asks_for_approvals_only_those_count_that_it_names() {
    let (alice, bob) = (line("alice", "", 1), line("bob", "", 2));
    let met = |trust: TrustRoot, local: Local, by: &[u8]| {
        Desk::of(trust, local).signed(by).examine().verdict.is_met()
    };
    // A store that asks for nobody leaves it to this machine.
    for trust in [TrustRoot::default(), rules("[approval]\nmax_age = \"24h\"\n")] {
        assert!(met(trust.clone(), here(1, Some(&alice)), &[1]));
        assert!(!met(trust, here(1, Some(&alice)), &[2]));
    }
    // One that asks, in either way, has to say whose keys.
    let by_rule = rule("platform", "approvals = 1");
    for policy in ["[approval]\nrequired = 1\n", by_rule.as_str()] {
        assert!(!met(rules(policy), here(0, Some(&alice)), &[1]), "{policy}");
        assert!(met(store(policy, &alice), here(0, None), &[1]), "{policy}");
        assert!(met(store(policy, &alice), here(0, Some(&alice)), &[1]), "{policy}");
        assert!(!met(store(policy, &alice), here(0, Some(&bob)), &[1]), "{policy}");
    }
    assert!(met(rules(&rule("ci", "then = \"warn\"")), here(1, Some(&alice)), &[1]));
}

#[test]
fn a_rule_may_ask_for_more_people_and_not_for_fewer() {
    let needed = |policy: &str| {
        let Verdict { needed, because, .. } =
            Desk::of(rules(policy), Local::default()).examine().verdict;
        (needed, because)
    };
    let one = "[approval]\nrequired = 1\n";
    let by = |number: u32| rule("platform", &format!("approvals = {number}"));
    let of_rule = "rule `platform` (ask platform)".to_owned();
    assert_eq!(needed(one), (1, "every plan".to_owned()));
    assert_eq!(needed(&by(1)), (1, of_rule.clone()));
    assert_eq!(needed(&format!("{one}{}", by(2))), (2, of_rule));
    assert_eq!(needed(&format!("{one}{}", by(1))), (1, "every plan".to_owned()));
    let two = "[approval]\nrequired = 2\n";
    assert_eq!(needed(&format!("{two}{}", by(1))), (2, "every plan".to_owned()));
}

#[test]
fn what_a_plan_was_made_under_counts_on() {
    let mut desk = Desk::of(TrustRoot::default(), here(1, None));
    desk.plan.approval = Some(InForce { requirement: requiring(3), sources: Vec::new() });
    assert_eq!(desk.examine().verdict.needed, 3);
}

#[test]
fn a_plan_that_a_rule_denies_is_refused_whoever_approved() {
    let alice = line("alice", "", 1);
    let policy = format!(
        "[approval]\nbreak_glass = true\n{}{}{}",
        rule("talk", "then = \"warn\""),
        rule("ci", "then = \"deny\""),
        rule("night", "then = \"deny\""),
    );
    let mut desk = Desk::of(store(&policy, &alice), here(1, None)).signed(&[1]);
    let twin = desk.plan.principals[0].clone();
    desk.plan.principals.push(twin);
    assert!(desk.examine().verdict.is_met());
    for break_glass in [None, Some("it burns")] {
        let error = desk.allow(Some("plan.json"), break_glass).unwrap_err();
        assert_eq!(error.exit(), Exit::Forbidden);
        assert_eq!(error.message(), "rule `ci` denies this plan");
        assert_eq!(error.cause(), Some("ask ci"));
        let step = "step 1 of user `deploy-bot`: access_key/AKIA3EXAMPLE4LEAKED1";
        let night = format!("{step}  rule `night`: ask night");
        let details = [step, &night, step, &night, "nothing was changed"];
        assert_eq!(error.details(), details.map(str::to_owned));
    }
    let talk = "rule `talk`: ask talk (user `deploy-bot`, access_key/AKIA3EXAMPLE4LEAKED1)";
    assert_eq!(desk.examine().warnings(), [talk, talk]);
    let quiet = Desk::of(rules(&rule("platform", "approvals = 1")), Local::default());
    assert_eq!(quiet.examine().warnings(), [""; 0]);
    assert!(quiet.examine().denial().is_none());
}

#[test]
fn without_approvals_it_goes_only_where_the_store_allows_it() {
    let allowed = |trust: &str, required, break_glass| {
        Desk::of(rules(trust), here(required, None)).allow(Some("plan.json"), break_glass)
    };
    let (yes, no) = ("[approval]\nbreak_glass = true\n", "[approval]\nmax_age = \"24h\"\n");
    let why = Some("it burns");
    assert!(allowed(yes, 1, why).is_ok() && allowed(yes, 0, None).is_ok());
    assert!(allowed(no, 0, None).is_ok());
    for required in [0, 1] {
        let error = allowed(no, required, why).unwrap_err();
        assert_eq!(error.message(), "`--break-glass` is not allowed here");
        assert_eq!(error.exit(), Exit::Forbidden);
    }
    for trust in [yes, no] {
        let error = allowed(trust, 1, None).unwrap_err();
        assert_eq!(error.message(), "`plan.json` has 0 of 1 approval it needs");
        assert_eq!(error.exit(), Exit::Forbidden);
        let error = Desk::of(rules(trust), here(1, None)).allow(None, None).unwrap_err();
        assert_eq!(error.message(), "a plan that needs approvals is applied from its file");
        assert_eq!(error.exit(), Exit::Forbidden);
    }
}

#[test]
fn a_plan_that_is_still_to_come_is_of_no_known_age() {
    let (requirement, effects) =
        (Requirement { max_age_s: Some(60), ..Requirement::default() }, BTreeMap::new());
    let too_old = |created_at: &str| {
        let case = Case {
            plan: BYTES,
            created_at: time(created_at),
            effects: &effects,
            requirement: &requirement,
            signatures: &[],
            signers: &[],
            caller: None,
            now: time("2026-11-21T03:30:00Z"),
        };
        judge(&case).too_old
    };
    assert_eq!(too_old("2026-11-21T03:35:00Z"), None);
    let ahead = "it was made at 2026-11-21T03:35:01Z, which is still to come";
    assert_eq!(too_old("2026-11-21T03:35:01Z").as_deref(), Some(ahead));
    assert!(too_old("2026-11-21T03:40:00Z").is_some());
}

/// A run as the state and its journal remember it, and the plan that was applied.
fn recorded() -> (Run, Event) {
    let mut run = sample::recorded().runs.remove(0);
    run.plan_sha256 = sha256(BYTES);
    let fingerprint = key(1).public_key().fingerprint(HashAlg::Sha256).to_string();
    run.approvals[0].fingerprint = fingerprint;
    run.break_glass = Some("it burns".to_owned());
    let signature = String::from_utf8(plan_signed(1).bytes).unwrap();
    let approvals = vec![Signed { approval: run.approvals[0].clone(), signature }];
    let started = Event::RunStarted {
        run: run.id.clone(),
        kind: Kind::Contain,
        plan_sha256: run.plan_sha256.clone(),
        lineage: sample::recorded().lineage,
        serial: 1,
        applied_by: run.applied_by.clone(),
        applied_from: None,
        endpoint: "https://iam.amazonaws.com".to_owned(),
        ringfence_version: "0.1.0".to_owned(),
        approvals,
        break_glass: run.break_glass.clone(),
        prior: BTreeMap::new(),
    };
    (run, started)
}

fn told(run: &Run, first: &Event, plan: &[u8]) -> Option<String> {
    let mut journal = Journal::default();
    journal.append(run.started_at, first.clone());
    contradiction(run, &journal, plan)
}

#[test]
fn a_record_is_borne_out_by_its_journal_its_plan_and_the_signatures() {
    let (run, started) = recorded();
    assert_eq!(told(&run, &started, BYTES), None);
    let none = contradiction(&run, &Journal::default(), BYTES);
    assert_eq!(none.as_deref(), Some("its journal does not say how it began"));
    let ended = Event::RunFinished { complete: true };
    assert_eq!(told(&run, &ended, BYTES), none);

    let other = Some("its plan is not the one that was applied".to_owned());
    assert_eq!(told(&run, &started, b"another plan"), other);
    let with = |change: &dyn Fn(&mut Run)| {
        let mut run = run.clone();
        change(&mut run);
        told(&run, &started, BYTES).unwrap_or_default()
    };
    assert_eq!(Some(with(&|run| run.plan_sha256 = sha256(b"another plan"))), other);
    let mallory = "arn:aws:iam::123456789012:user/mallory";
    let by = format!("the state says by {mallory}, the journal by {}", run.applied_by);
    assert_eq!(with(&|run| run.applied_by = mallory.parse().unwrap()), by);
    let approved = "the state and the journal differ in who approved";
    assert_eq!(with(&|run| run.approvals[0].person = "mallory".to_owned()), approved);
    assert_eq!(with(&|run| run.approvals.clear()), approved);
    let glass = "the state and the journal differ in whether it went by --break-glass";
    assert_eq!(with(&|run| run.break_glass = None), glass);
}

#[test]
fn an_approval_on_record_is_a_good_signature_of_its_key() {
    let (run, started) = recorded();
    let by = |signature: SignatureFile| {
        let mut first = started.clone();
        if let Event::RunStarted { approvals, .. } = &mut first {
            approvals[0].signature = String::from_utf8(signature.bytes).unwrap();
        }
        told(&run, &first, BYTES)
    };
    assert_eq!(by(plan_signed(1)), None);
    let fingerprint = key(2).public_key().fingerprint(HashAlg::Sha256);
    let other = format!("the approval of alice@example.com is by {fingerprint}");
    assert_eq!(by(plan_signed(2)), Some(other));
    let why = by(signed(1, NAMESPACE, b"another plan")).unwrap();
    assert!(why.starts_with("the approval of alice@example.com does not count: "), "{why}");
}
