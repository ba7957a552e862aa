//! What a rollback plans, case by case.

use crate::cases::*;
use crate::properties::model::{Account, Trouble, attached, member};
use crate::properties::strategies::{built_in, document_of, exposure};
use jiff::{SignedDuration, Timestamp};
use ringfence::plan::{Change, Compromised, Plan, PrincipalPlan, Step, Why};
use ringfence::policy::deny_all_arn;
use ringfence::release::{Request, rearms, release};
use ringfence::resource::{Resource, Value};
use ringfence::snapshot::{InlinePolicy, Observed, Obstacle, Snapshot, Status};
use ringfence::state::{HeldStatus, State};

/// A contained user, long after.
struct Case {
    state: State,
    now: Snapshot,
    at_apply: Snapshot,
    time: Timestamp,
}

impl Case {
    fn of(truth: Snapshot, posture: &str) -> Self {
        Self::asked(truth, &ask(posture, true))
    }

    fn asked(truth: Snapshot, ask: &crate::properties::model::Ask) -> Self {
        let account = contained(truth, ask);
        let at_apply = account.user().at_apply.clone().unwrap();
        let (state, now) = state_of(&account);
        let time = state.clock.as_ref().map_or(account.now, |clock| clock.lift_after);
        Self { state, now, at_apply, time }
    }

    /// Before the denies' time has come.
    fn early(mut self) -> Self {
        self.time -= SignedDuration::from_hours(3);
        self
    }

    fn whole(&self, request: &Request) -> Plan {
        let mut context = Account::of(Vec::new()).context();
        context.now = self.time;
        let now = self.now.clone();
        release(now, &self.state, Some(&self.at_apply), request, &context).unwrap()
    }

    fn plan(&self, request: &Request) -> PrincipalPlan {
        self.whole(request).principals.remove(0)
    }

    fn error(&self, request: &Request) -> String {
        let context = Account::of(Vec::new()).context();
        let now = self.now.clone();
        let error = release(now, &self.state, None, request, &context).unwrap_err();
        error.message().to_owned()
    }

    fn fence(&self) -> String {
        fence_of(&self.state).to_string()
    }

    fn hold(&self) -> String {
        format!("inline_policy/{}", self.state.lineage.hold_name())
    }
}

fn steps(plan: &PrincipalPlan) -> Vec<String> {
    plan.steps.iter().map(|step| step.resource.to_string()).collect()
}

fn step<'a>(plan: &'a PrincipalPlan, what: &str) -> &'a Step {
    plan.steps.iter().find(|step| step.resource == resource(what)).unwrap()
}

fn kept(plan: &PrincipalPlan) -> Vec<String> {
    let line = |kept: &ringfence::plan::Kept| {
        format!("{} {} ({})", kept.resource, kept.why, kept.flag.as_deref().unwrap_or("-"))
    };
    plan.kept.iter().map(line).collect()
}

fn drifted(plan: &PrincipalPlan) -> Vec<String> {
    plan.drift.iter().map(|item| format!("{} {}", item.resource, item.what)).collect()
}

fn plain() -> Request {
    Request::default()
}

fn reactivating(what: &[&str]) -> Request {
    Request { reactivate: what.iter().map(|text| resource(text)).collect(), ..plain() }
}

fn down_to(posture: &str) -> Request {
    Request { to: Some(built_in(posture)), ..plain() }
}

fn taking(what: &str) -> Request {
    Request { take: vec![resource(what)], ..plain() }
}

fn leaving(what: &[&str]) -> Request {
    Request { leave: what.iter().map(|text| resource(text)).collect(), ..plain() }
}

fn deny_all() -> String {
    format!("attached_policy/{}", deny_all_arn("aws"))
}

#[test]
fn a_request_that_makes_no_sense_is_refused() {
    let case = Case::of(everything(), "quarantine");
    let none =
        |what: &str| format!("`{what}` is nothing that ringfence holds for user `deploy-bot`");
    for what in ["group/devs", OTHER_KEY] {
        assert_eq!(case.error(&reactivating(&[what])), none(what));
        assert_eq!(case.error(&taking(what)), none(what));
        assert_eq!(case.error(&leaving(&[what])), none(what));
    }
    // The password is live under the hold, so it can be named; taken or left it can't be.
    let live = Case::of(everything(), "lockdown");
    live.plan(&reactivating(&[PASSWORD]));
    assert_eq!(live.error(&taking(PASSWORD)), none(PASSWORD));
    assert_eq!(live.error(&leaving(&[PASSWORD])), none(PASSWORD));
    let both = Request { take: vec![resource(KEY)], ..leaving(&[KEY]) };
    assert_eq!(case.error(&both), format!("`{KEY}` is both to be taken and to be left"));
    let apart = Request { take: vec![resource(SSH)], ..leaving(&[KEY]) };
    case.plan(&apart);
    let fence = case.fence();
    let no_credential = format!("`{fence}` is no credential that could be re-activated");
    assert_eq!(case.error(&reactivating(&[&fence])), no_credential);
    for (to, from) in [("lockdown", "quarantine"), ("quarantine", "quarantine")] {
        let no_step = format!("posture `{to}` is no step down from `{from}`");
        assert_eq!(case.error(&down_to(to)), no_step);
    }
    case.plan(&down_to("revoke"));
}

#[test]
fn whoever_calls_is_not_released_by_itself() {
    let case = Case::of(user(), "revoke");
    let mut context = Account::of(Vec::new()).context();
    context.caller.arn = "arn:aws:iam::111122223333:user/deploy-bot".parse().unwrap();
    assert!(release(case.now, &case.state, None, &plain(), &context).is_err());
}

#[test]
fn a_credential_that_may_be_the_attackers_stays_off_with_why() {
    let mut truth = everything();
    give(&mut truth, OTHER_KEY, Status::Active, after());
    give(&mut truth, CERTIFICATE, Status::Active, after());
    let mut ask = ask("quarantine", true);
    ask.named = vec!["AKIAEXAMPLEKEY000000".parse().unwrap()];
    let mut case = Case::asked(truth, &ask);
    let off = |what: &str, why: &str, flag: &str| {
        format!("{what} stays Inactive: {why} (--reactivate{flag} overrides)")
    };
    let (one, other) = ("-key AKIAEXAMPLEKEY000000", "-key AKIAEXAMPLEKEY000001");
    let certificate = format!(" {CERTIFICATE}");
    let plan = case.plan(&plain());
    let young = "compromised (made after the exposure)";
    let mut why = vec![
        off(KEY, "compromised (named)", one),
        off(OTHER_KEY, young, other),
        off(CERTIFICATE, young, &certificate),
    ];
    assert_eq!(kept(&plan), why);
    // What is older than a known exposure is given back, the deny last.
    assert_eq!(steps(&plan), [SERVICE.to_owned(), SSH.to_owned(), case.fence()]);
    assert_eq!(step(&plan, SSH).reason, "turned off by ringfence");
    assert_eq!(step(&plan, SSH).cautions, [""; 0]);
    assert!(rearms(step(&plan, SSH)) && !rearms(step(&plan, &case.fence())));
    // What nobody has recorded is told by its age alone, from the moment of the exposure on.
    case.state.compromised.clear();
    give(&mut case.now, SSH, Status::Inactive, exposure());
    let plan = case.plan(&plain());
    let young = "made after the exposure";
    why = vec![
        off(OTHER_KEY, young, other),
        off(CERTIFICATE, young, &certificate),
        off(SSH, young, &format!(" {SSH}")),
    ];
    assert_eq!(kept(&plan), why);
    // And nothing is known to be older than an exposure that is not known, or if its age is not.
    let unsaid = "when it was made is not known";
    items(&mut case.now.ssh_keys)[0].uploaded_at = None;
    assert_eq!(kept(&case.plan(&plain()))[2], off(SSH, unsaid, &format!(" {SSH}")));
    case.state.since = None;
    let unknown = "when the exposure began is not known";
    assert!(kept(&case.plan(&plain())).contains(&off(KEY, unknown, one)));
}

/// A later exposure is later than what an earlier one has made (D2.7).
#[test]
fn what_an_earlier_release_kept_off_stays_off_until_it_is_asked_for() {
    let mut case = Case::of(everything(), "quarantine");
    let given = |case: &Case, request: &Request| steps(&case.plan(request));
    assert!(given(&case, &plain()).contains(&SSH.to_owned()));
    mark(&mut case.state, SSH, HeldStatus::Kept);
    let why = "kept off by an earlier release";
    let line = format!("{SSH} stays Inactive: {why} (--reactivate {SSH} overrides)");
    assert!(kept(&case.plan(&plain())).contains(&line), "{:?}", kept(&case.plan(&plain())));
    assert!(!given(&case, &plain()).contains(&SSH.to_owned()));
    let asked = case.plan(&reactivating(&[SSH]));
    assert_eq!(step(&asked, SSH).cautions, [format!("asked for all the same; {why}")]);
    // One that is on again under a hold acts once that goes.
    let mut held = Case::of(everything(), "lockdown");
    mark(&mut held.state, SSH, HeldStatus::Kept);
    give(&mut held.now, SSH, Status::Active, before());
    let acts = format!("without it {SSH} can act again: {why} (--reactivate {SSH} accepts that)");
    assert!(kept(&held.plan(&plain())).contains(&format!("{} {acts}", held.hold())));
}

#[test]
fn a_credential_that_is_asked_for_comes_back_with_a_warning() {
    let case = Case::of(everything(), "quarantine");
    let plan = case.plan(&reactivating(&[KEY, SSH]));
    assert_eq!(kept(&plan), [""; 0]);
    let asked = "asked for all the same; compromised (no key was named)";
    let presigned = "presigned URLs signed with it, up to 7 days old, may work again";
    assert_eq!(step(&plan, KEY).cautions, [asked, presigned]);
    assert_eq!(step(&plan, SSH).cautions, [""; 0]);
    let mut suspect = case;
    let why = Why::Named;
    suspect.state.compromised = vec![Compromised { resource: resource(SSH), why }];
    let plan = suspect.plan(&reactivating(&[SSH]));
    assert_eq!(step(&plan, SSH).cautions, ["asked for all the same; compromised (named)"]);
}

#[test]
fn a_password_that_was_deleted_cannot_come_back() {
    let mut ask = ask("revoke", true);
    ask.posture.set("login_profile", "delete").unwrap();
    let case = Case::asked(everything(), &ask);
    let gone = format!("{PASSWORD} was deleted, which cannot be undone (-)");
    assert!(kept(&case.plan(&plain())).contains(&gone));
}

/// The deletion's answer was lost, and the login profile may not be read.
#[test]
fn a_password_that_was_perhaps_deleted_is_claimed_by_nobody_afterwards() {
    let mut ask = ask("revoke", true);
    ask.posture.set("login_profile", "delete").unwrap();
    let mut account = contained(everything(), &ask);
    let state = account.users[0].state.as_mut().unwrap();
    mark(state, PASSWORD, HeldStatus::InDoubt);
    state.resources.get_mut(&resource(PASSWORD)).unwrap().written_at = None;
    account.users[0].hidden.insert(Section::LoginProfile);
    account.tick(200_000);
    let plan = account.release(&plain()).unwrap();
    let perhaps = format!("{PASSWORD} may have been deleted, which cannot be undone (-)");
    assert!(kept(&plan.principals[0]).contains(&perhaps), "{:?}", kept(&plan.principals[0]));
    account.apply(&plan, &Trouble::none());
    assert_eq!(account.state().resources[&resource(PASSWORD)].words(), "kept, perhaps");
    // It is gone, by whomever: that stays in doubt, also afterwards.
    let mut account = contained(everything(), &ask);
    let held = account.users[0].state.as_mut().unwrap().resources.get_mut(&resource(PASSWORD));
    let held = held.unwrap();
    (held.status, held.written_at) = (HeldStatus::InDoubt, None);
    account.tick(200_000);
    for _ in 0..2 {
        let plan = account.release(&plain()).unwrap();
        assert!(kept(&plan.principals[0]).contains(&perhaps), "{:?}", kept(&plan.principals[0]));
        account.apply(&plan, &Trouble::none());
        let held = account.state().resources[&resource(PASSWORD)].clone();
        assert_eq!((held.status, held.words()), (HeldStatus::Kept, "kept, perhaps"));
    }
    // It is there as it was: it was not deleted.
    let mut case = Case::asked(everything(), &ask);
    mark(&mut case.state, PASSWORD, HeldStatus::InDoubt);
    give(&mut case.now, PASSWORD, Status::Active, before());
    assert!(kept(&case.plan(&plain())).iter().all(|kept| !kept.starts_with(PASSWORD)));
}

#[test]
fn what_is_as_it_was_before_is_settled() {
    let mut case = Case::of(everything(), "quarantine");
    give(&mut case.now, SSH, Status::Active, before());
    let plan = case.plan(&plain());
    assert!(!steps(&plan).contains(&SSH.to_owned()) && drifted(&plan).is_empty());
    // What was given back, or up, is nothing to come back to; what was kept is, where it is asked for.
    for (status, again, asked, left) in [
        (HeldStatus::Held, true, true, 1),
        (HeldStatus::InDoubt, true, true, 1),
        (HeldStatus::Kept, false, true, 1),
        (HeldStatus::Released, false, false, 0),
        (HeldStatus::GivenUp, false, false, 0),
    ] {
        mark(&mut case.state, SERVICE, status);
        let given = |request: &Request| steps(&case.plan(request)).contains(&SERVICE.to_owned());
        assert_eq!(given(&plain()), again, "{status:?}");
        assert_eq!(given(&reactivating(&[SERVICE])), asked, "{status:?}");
        assert_eq!(case.plan(&leaving(&[SERVICE])).given_up.len(), left);
    }
}

#[test]
fn what_others_changed_is_left_alone_unless_it_is_taken() {
    let mut truth = user();
    items(&mut truth.groups).push(member("devs"));
    let mut ask = ask("revoke", true);
    ask.posture.set("groups", "remove").unwrap();
    ask.posture.set("permissions_boundary", &own_arn("contained")).unwrap();
    let mut case = Case::asked(truth, &ask);
    let plan = case.plan(&plain());
    assert_eq!(steps(&plan), ["group/devs".to_owned(), BOUNDARY.to_owned(), case.fence()]);
    assert_eq!(step(&plan, "group/devs").reason, "as it was before");
    assert_eq!(step(&plan, "group/devs").action, Change::Create);
    assert_eq!(step(&plan, BOUNDARY).action, Change::Delete);
    case.now.permissions_boundary = Some(own_arn("other"));
    let other = own_arn("other");
    let changed = format!(
        "{BOUNDARY} is now {other}: --take {BOUNDARY} restores it, --leave {BOUNDARY} gives it up"
    );
    assert_eq!(drifted(&case.plan(&plain())), [changed]);
    let taken = case.plan(&taking(BOUNDARY));
    assert_eq!(step(&taken, BOUNDARY).before, Some(Value::PolicyArn(other)));
    assert_eq!(step(&taken, BOUNDARY).after, None);
    assert!(drifted(&taken).is_empty());
    let left = case.plan(&leaving(&[BOUNDARY, BOUNDARY]));
    assert_eq!(left.given_up, [resource(BOUNDARY)]);
    assert!(drifted(&left).is_empty() && !steps(&left).contains(&BOUNDARY.to_owned()));
    // What cannot be read stays as it is, and what is gone cannot be restored.
    let blind = Case { now: without(case.now.clone(), Section::Groups), ..case };
    let plan = blind.plan(&plain());
    assert_eq!(plan.warnings, ["group/devs could not be read: left as it is"]);
    let mut gone = Case::of(everything(), "quarantine");
    take(&mut gone.now, SSH);
    let plan = gone.plan(&plain());
    assert_eq!(drifted(&plan), [format!("{SSH} is gone: it cannot be restored")]);
}

#[test]
fn a_boundary_that_was_there_is_restored() {
    let mut truth = user();
    truth.permissions_boundary = Some(own_arn("team"));
    let mut ask = ask("revoke", true);
    ask.posture.set("permissions_boundary", &own_arn("contained")).unwrap();
    let plan = Case::asked(truth, &ask).plan(&plain());
    assert_eq!(step(&plan, BOUNDARY).action, Change::Update);
    assert_eq!(step(&plan, BOUNDARY).after, Some(Value::PolicyArn(own_arn("team"))));
}

/// A user who was taken out of a group.
fn out_of_its_group(exposed: bool) -> Case {
    let mut ask = ask("quarantine", exposed);
    ask.posture.set("groups", "remove").unwrap();
    let mut truth = everything();
    items(&mut truth.groups).push(member("devs"));
    let case = Case::asked(truth, &ask);
    assert!(goes_back(&case.plan(&plain())));
    case
}

fn goes_back(plan: &PrincipalPlan) -> bool {
    steps(plan).contains(&"group/devs".to_owned())
}

#[test]
fn rights_do_not_go_back_while_the_attacker_can_use_them() {
    let mut ask = ask("quarantine", true);
    ask.posture.set("permissions_boundary", &own_arn("contained")).unwrap();
    ask.posture.set("groups", "remove").unwrap();
    let mut case = Case::asked(everything(), &ask);
    let taken = |plan: &PrincipalPlan| {
        let rights =
            |what: &&String| what.starts_with("permissions_boundary") || what.starts_with("group/");
        steps(plan).iter().filter(rights).count()
    };
    let all = taken(&case.plan(&plain()));
    assert!(all > 0, "{:?}", steps(&case.plan(&plain())));
    // A password from after the exposure, which no posture but a hold stops.
    give(&mut case.now, PASSWORD, Status::Active, after());
    let plan = case.plan(&plain());
    assert_eq!(taken(&plan), 0, "{:?}", steps(&plan));
    let why = format!(
        "permissions_boundary stays while {PASSWORD}, created after the exposure, can still sign in \
         (--reactivate {PASSWORD} accepts that)"
    );
    assert!(kept(&plan).contains(&why), "{:?}", kept(&plan));
    let asked = case.plan(&reactivating(&[PASSWORD]));
    assert_eq!(taken(&asked), all);
    assert_eq!(
        step(&asked, BOUNDARY).cautions,
        [format!("gives rights to {PASSWORD}: created after the exposure, can still sign in")]
    );
    // One that was there before the exposure is the workload's own.
    give(&mut case.now, PASSWORD, Status::Active, before());
    assert_eq!(taken(&case.plan(&plain())), all);
}

#[test]
fn rights_do_not_go_back_to_what_was_made_since_also_where_the_exposure_is_not_known() {
    let mut case = out_of_its_group(false);
    for (credential, can) in [(OTHER_KEY, "can still act"), (PASSWORD, "can still sign in")] {
        let now = case.now.clone();
        give(&mut case.now, credential, Status::Active, case.time);
        let plan = case.plan(&plain());
        assert!(!goes_back(&plan), "{:?}", steps(&plan));
        let why =
            format!("group/devs stays while {credential}, created after the containment, {can} (");
        assert!(kept(&plan).iter().any(|line| line.starts_with(&why)), "{:?}", kept(&plan));
        let asked = case.plan(&reactivating(&[credential]));
        let caution = format!("gives rights to {credential}: created after the containment, {can}");
        assert_eq!(step(&asked, "group/devs").cautions, [caution]);
        // In the second in which the containment began its plan can tell what was there.
        take(&mut case.now, credential);
        let written = case.state.resources.values().filter_map(|held| held.written_at);
        let began = written.min().unwrap();
        give(&mut case.now, credential, Status::Active, began);
        assert!(!goes_back(&case.plan(&plain())));
        let at_apply = case.at_apply.clone();
        give(&mut case.at_apply, credential, Status::Active, began);
        assert!(goes_back(&case.plan(&plain())));
        case.at_apply.read_at = case.time;
        assert!(!goes_back(&case.plan(&plain())));
        case.at_apply = at_apply;
        case.now = now;
    }
}

#[test]
fn rights_do_not_go_back_to_what_could_not_be_listed() {
    let mut case = out_of_its_group(true);
    case.now = without(case.now.clone(), Section::SshKeys);
    let plan = case.plan(&plain());
    assert!(!goes_back(&plan));
    let why = "group/devs stays while ssh keys could not be read: it takes \
               iam:ListSSHPublicKeys (--accept-unread gives it back)";
    assert!(kept(&plan).contains(&why.to_owned()), "{:?}", kept(&plan));
    let accepted = case.plan(&Request { accept_unread: true, ..plain() });
    assert_eq!(
        step(&accepted, "group/devs").cautions,
        ["gives rights to ssh keys, which could not be read"]
    );
    // Where nothing can be listed, there is nothing to list.
    let Observed::Unread(missing) = &mut case.now.ssh_keys else { panic!("it was hidden") };
    missing.obstacle = Obstacle::Unimplemented;
    assert!(goes_back(&case.plan(&plain())));
}

#[test]
fn a_step_down_keeps_what_the_lower_posture_asks_for() {
    let mut truth = everything();
    items(&mut truth.groups).push(member("devs"));
    let with = |rules: &[(&str, &str)]| {
        let mut posture = built_in("revoke");
        for (rule, value) in rules {
            posture.set(rule, value).unwrap();
        }
        posture.name = "custom".to_owned();
        posture
    };
    let all = [
        ("access_keys", "all"),
        ("ssh_keys", "deactivate"),
        ("signing_certificates", "deactivate"),
        ("service_credentials", "deactivate"),
        ("groups", "remove"),
        ("permissions_boundary", &*own_arn("contained")),
    ];
    let mut strict = ask("revoke", true);
    strict.posture = with(&all);
    let case = Case::asked(truth, &strict);
    let released = |to: &[(&str, &str)]| {
        let to = Some(with(to));
        let plan = case.plan(&Request { to, ..plain() });
        let stays = |what: &str| {
            !steps(&plan).contains(&what.to_owned())
                && plan.kept.iter().all(|kept| kept.resource != resource(what))
        };
        [SERVICE, CERTIFICATE, SSH, "group/devs", BOUNDARY].map(|what| !stays(what))
    };
    assert_eq!(released(&[("sessions", "keep")]), [true; 5]);
    assert_eq!(released(&all[1..2]), [true, true, false, true, true]);
    assert_eq!(released(&all[2..3]), [true, false, true, true, true]);
    assert_eq!(released(&all[3..4]), [false, true, true, true, true]);
    assert_eq!(released(&all[4..5]), [true, true, true, false, true]);
    assert_eq!(released(&all[5..6]), [true, true, true, true, false]);
    // The fence stays where the lower posture fences, and the keys that are the attacker's.
    let plan = case.plan(&Request { to: Some(with(&[])), ..plain() });
    assert!(!steps(&plan).contains(&case.fence()) && kept(&plan).is_empty());
    let plan = case.plan(&Request { to: Some(with(&[("sessions", "keep")])), ..plain() });
    assert!(steps(&plan).contains(&case.fence()));
    let keep = Some(with(&[("access_keys", "keep")]));
    let plan = case.plan(&Request { to: keep, ..plain() });
    assert_eq!(plan.kept.len(), 1);
    let mut suspect = case;
    for what in [SERVICE, CERTIFICATE, SSH] {
        let why = Why::Named;
        suspect.state.compromised.push(Compromised { resource: resource(what), why });
    }
    let plan = suspect.plan(&Request { to: Some(with(&[])), ..plain() });
    assert_eq!(
        (steps(&plan), kept(&plan).len()),
        (vec!["group/devs".to_owned(), BOUNDARY.to_owned()], 0)
    );
    assert_eq!(suspect.whole(&down_to("revoke")).posture.name, "revoke");
    assert_eq!(suspect.whole(&plain()).posture.name, "custom");
}

#[test]
fn a_key_that_only_the_higher_posture_turned_off_comes_back() {
    let mut truth = user();
    give(&mut truth, OTHER_KEY, Status::Active, before());
    let mut ask = ask("quarantine", true);
    ask.named = vec!["AKIAEXAMPLEKEY000000".parse().unwrap()];
    let case = Case::asked(truth, &ask);
    let plan = case.plan(&down_to("revoke"));
    assert_eq!((steps(&plan), kept(&plan)), (vec![OTHER_KEY.to_owned()], Vec::new()));
}

#[test]
fn a_deny_stays_until_its_time_and_says_until_when() {
    let lift = "--lift-fence-now lifts it";
    let early = Case::of(user(), "revoke").early();
    let until = early.state.clock.clone().unwrap().lift_after;
    let fence = early.fence();
    let stays = format!(
        "{fence} stays until {until} (in 3 h): sessions it stops may live until then ({lift})"
    );
    assert!(kept(&early.plan(&plain())).contains(&stays));
    let now = early.plan(&Request { lift_fence_now: true, ..plain() });
    assert_eq!(step(&now, &fence).reason, "asked for before its time");
    let lets_in = format!(
        "lets every session issued before it act again, the attacker's too, until {until} at the latest"
    );
    assert_eq!(step(&now, &fence).cautions, [lets_in]);
    let due = Case::of(user(), "revoke");
    let plan = due.plan(&plain());
    let fence_time = due.state.clock.as_ref().unwrap().fence_time;
    let clock = ringfence::text::clock(fence_time);
    let expired =
        format!("every session older than {clock} has expired (fence + 36 h passed 0 s ago)");
    assert_eq!(step(&plan, &fence).reason, expired);
    assert_eq!(step(&plan, &fence).cautions, [""; 0]);
    // A clock that does not count, or is not there, has no end.
    let mut void = Case::of(user(), "revoke");
    void.state.clock.as_mut().unwrap().void_while_active = vec![resource(KEY)];
    let why = format!("{fence} its clock is void: {KEY} was Active when the fence was written");
    assert!(kept(&void.plan(&plain())).contains(&format!("{why} ({lift})")));
    void.state.clock = None;
    let unknown = format!("{fence} when its time comes is not known ({lift})");
    assert!(kept(&void.plan(&plain())).contains(&unknown));
    let plan = void.plan(&Request { lift_fence_now: true, ..plain() });
    let lets_in =
        "lets every session issued before it act again, the attacker's too, for up to 36 h";
    assert_eq!(step(&plan, &fence).cautions, [lets_in]);
    assert_eq!(step(&plan, &fence).reason, "asked for before its time");
}

#[test]
fn a_deny_that_was_removed_before_its_time_is_told() {
    let removed = "was removed before its time: what it stopped can act again";
    for (early, told) in [(true, true), (false, false)] {
        let mut case = Case::of(user(), "revoke");
        if early {
            case = case.early();
        }
        items(&mut case.now.inline_policies).clear();
        let told: &[String] = if told { &[format!("{} {removed}", case.fence())] } else { &[] };
        assert_eq!(drifted(&case.plan(&plain())), told);
    }
    let mut doubtful = Case::of(user(), "revoke").early();
    items(&mut doubtful.now.inline_policies).clear();
    let fence = doubtful.fence();
    mark(&mut doubtful.state, &fence, HeldStatus::InDoubt);
    assert_eq!(drifted(&doubtful.plan(&plain())), [""; 0]);
    let mut hold = Case::of(user(), "lockdown").early();
    items(&mut hold.now.inline_policies).clear();
    items(&mut hold.now.attached_policies).clear();
    let plan = hold.plan(&plain());
    assert_eq!(plan.drift.len(), 3);
    assert!(drifted(&plan).contains(&format!("{} {removed}", hold.hold())));
}

#[test]
fn a_deny_that_others_changed_is_ours_again_before_its_time() {
    let mut case = Case::of(user(), "revoke").early();
    items(&mut case.now.inline_policies)[0].document = Observed::Read(document_of(100));
    let fence = case.fence();
    let plan = case.plan(&taking(&fence));
    let ours = case.state.resources[&resource(&fence)].ours.clone();
    assert_eq!(step(&plan, &fence).after, ours);
    assert_eq!(step(&plan, &fence).action, Change::Update);
    assert!(step(&plan, &fence).reason.starts_with("as ringfence left it; it stays until "));
    // Once its time has come it goes, whatever it says now.
    let due = Case { time: case.state.clock.as_ref().unwrap().lift_after, ..case };
    assert_eq!(step(&due.plan(&taking(&fence)), &fence).after, None);
}

#[test]
fn a_hold_goes_last_and_only_where_nothing_suspect_acts_without_it() {
    let case = Case::of(everything(), "lockdown");
    let plan = case.plan(&plain());
    // The credentials and the fence are given back before the hold.
    let order = steps(&plan);
    let [service, ssh] = [SERVICE, SSH].map(str::to_owned);
    assert_eq!(order.len(), 6);
    assert_eq!(order[..2], [service, CERTIFICATE.to_owned()]);
    assert_eq!(order[2..4], [ssh, case.fence()]);
    assert_eq!(order[4..], [deny_all(), case.hold()]);
    assert_eq!(step(&plan, &case.hold()).reason, "the hold is lifted last");
    assert_eq!(plan.warnings, [""; 0]);
    // A password from after the exposure acts as soon as the hold is gone.
    let mut young = Case::of(everything(), "lockdown");
    give(&mut young.now, PASSWORD, Status::Active, after());
    let plan = young.plan(&plain());
    let can = format!("without it {PASSWORD} can act again: made after the exposure");
    let accepts = format!("(--reactivate {PASSWORD} accepts that)");
    assert!(kept(&plan).contains(&format!("{} {can} {accepts}", young.hold())));
    assert!(!steps(&plan).contains(&young.hold()));
    let accepted = young.plan(&reactivating(&[PASSWORD]));
    assert!(steps(&accepted).contains(&young.hold()));
    let mut key = Case::of(user(), "lockdown");
    give(&mut key.now, OTHER_KEY, Status::Active, after());
    let accepts = "(--reactivate-key AKIAEXAMPLEKEY000001 accepts that)";
    assert!(kept(&key.plan(&plain())).iter().any(|line| line.ends_with(accepts)));
}

#[test]
fn a_hold_may_go_early_where_a_fence_stays() {
    // Under a fence whose clock counts and that stays, what the hold stopped is stopped.
    let case = Case::of(user(), "lockdown").early();
    let plan = case.plan(&plain());
    assert!(steps(&plan).contains(&case.hold()) && !steps(&plan).contains(&case.fence()));
    assert_eq!(step(&plan, &case.hold()).cautions, [""; 0]);
    // Where the fence goes with it, or does not cover, it stops those sessions alone.
    let now = Request { lift_fence_now: true, ..plain() };
    assert_eq!(step(&case.plan(&now), &case.hold()).cautions.len(), 1);
    let mut void = Case::of(user(), "lockdown").early();
    void.state.clock.as_mut().unwrap().void_while_active = vec![resource(KEY)];
    assert!(!steps(&void.plan(&plain())).contains(&void.hold()));
    let mut active = Case::of(user(), "lockdown").early();
    give(&mut active.now, KEY, Status::Active, before());
    assert!(!steps(&active.plan(&plain())).contains(&active.hold()));
    let mut gone = Case::of(user(), "lockdown").early();
    let fence = gone.fence();
    items(&mut gone.now.inline_policies).retain(|policy| !fence.ends_with(&policy.name));
    assert!(!steps(&gone.plan(&plain())).contains(&gone.hold()));
    // A step down to a posture that denies as well leaves it.
    let mut to = built_in("lockdown");
    to.set("ssh_keys", "keep").unwrap();
    to.name = "custom".to_owned();
    let down = Case::of(everything(), "lockdown").plan(&Request { to: Some(to), ..plain() });
    assert_eq!(steps(&down), [SSH]);
}

#[test]
fn a_hold_that_goes_over_the_attackers_credential_says_so() {
    let mut case = Case::of(user(), "lockdown");
    give(&mut case.now, PASSWORD, Status::Active, after());
    assert!(!steps(&case.plan(&plain())).contains(&case.hold()));
    let plan = case.plan(&reactivating(&[PASSWORD]));
    assert_eq!(
        step(&plan, &case.hold()).cautions,
        [format!("lets {PASSWORD} act again: made after the exposure")]
    );
}

#[test]
fn a_hold_stays_over_what_could_not_be_listed() {
    let mut case = Case::of(everything(), "lockdown");
    case.now = without(case.now.clone(), Section::SshKeys);
    let accept = Request { accept_unread: true, ..plain() };
    let stays = |case: &Case| {
        let plan = case.plan(&plain());
        let found = plan.kept.iter().find(|kept| kept.resource == resource(&case.hold()));
        found.map(|kept| kept.why.clone())
    };
    let why = |remedy: &str| {
        Some(format!("without it ssh keys, which could not be read, can act: {remedy}"))
    };
    assert_eq!(stays(&case), why("it takes iam:ListSSHPublicKeys"));
    let plan = case.plan(&accept);
    assert!(steps(&plan).contains(&case.hold()));
    let acts = "ssh keys could not be read: one that is live acts again without the hold";
    assert!(plan.warnings.contains(&acts.to_owned()));
    assert!(!case.plan(&plain()).warnings.contains(&acts.to_owned()));
    let mut hidden = |obstacle| {
        let Observed::Unread(missing) = &mut case.now.ssh_keys else { panic!("it was hidden") };
        missing.obstacle = obstacle;
        stays(&case)
    };
    assert_eq!(hidden(Obstacle::Passing), why("plan again in a while"));
    assert_eq!(hidden(Obstacle::Senseless), why("it takes iam:ListSSHPublicKeys"));
    assert_eq!(hidden(Obstacle::Unimplemented), None);
}

/// Of what nobody could read it is not known whose it is (D2.9, D2.12).
#[test]
fn a_deny_that_was_perhaps_there_before_stays_until_it_is_taken() {
    for (hides, theirs) in [(false, false), (true, false), (true, true)] {
        let mut ask = ask("revoke", true);
        ask.posture.set("permissions", "deny-managed").unwrap();
        let mut truth = user();
        if theirs {
            items(&mut truth.attached_policies).push(attached(&deny_all_arn("aws")));
        }
        let mut account = Account::of(vec![truth]);
        if hides {
            account.users[0].hidden.insert(Section::Attached);
        }
        let plan = account.plan(&ask).unwrap();
        account.apply(&plan, &Trouble::none());
        account.users[0].hidden.clear();
        let at_apply = account.user().at_apply.clone().unwrap();
        let (state, now) = state_of(&account);
        assert_eq!(State::parse(&state.bytes(), "state.json").unwrap(), state);
        let case = Case { state, now, at_apply, time: account.now };
        let lift = Request { lift_fence_now: true, ..plain() };
        let plan = case.plan(&lift);
        assert_eq!(steps(&plan).contains(&deny_all()), !hides, "{:?}", kept(&plan));
        let deny = deny_all();
        let why = "stays: whether it was attached before could not be read";
        let flag = format!("--take {deny} detaches it, --leave {deny} gives it up");
        let line = format!("{deny} {why} ({flag})");
        assert_eq!(kept(&plan).contains(&line), hides, "{:?}", kept(&plan));
        let take = Request { lift_fence_now: true, ..taking(&deny) };
        assert!(steps(&case.plan(&take)).contains(&deny));
    }
}

#[test]
fn what_others_made_since_is_told_and_left_alone() {
    let mut case = Case::of(user(), "revoke");
    items(&mut case.now.attached_policies).push(attached(&own_arn("new")));
    give(&mut case.now, OTHER_KEY, Status::Active, after());
    let plan = case.plan(&plain());
    let new = format!("attached_policy/{} created; not ours", own_arn("new"));
    assert_eq!(drifted(&plan), [format!("{OTHER_KEY} created; not ours"), new]);
    let work = |size| InlinePolicy {
        name: "work".to_owned(),
        document: Observed::Read(document_of(size)),
    };
    let mut truth = user();
    items(&mut truth.inline_policies).push(work(100));
    let mut case = Case::of(truth, "revoke");
    *items(&mut case.now.inline_policies).iter_mut().find(|p| p.name == "work").unwrap() =
        work(101);
    assert_eq!(drifted(&case.plan(&plain())), ["inline_policy/work changed; not ours"]);
    // What ringfence itself has written, or what is said already, is not news.
    let mut ours = Case::of(user(), "revoke");
    items(&mut ours.now.inline_policies)[0].document = Observed::Read(document_of(100));
    assert_eq!(drifted(&ours.plan(&plain())).len(), 1);
    let none = Account::of(Vec::new()).context();
    let plan = release(case.now, &case.state, None, &plain(), &none).unwrap();
    assert_eq!(plan.principals[0].drift, []);
}

#[test]
fn a_fence_in_a_policy_is_taken_from_the_user_before_it_is_deleted() {
    for slots in [0, 1] {
        let mut truth = user();
        truth.quotas = room(0, slots);
        let case = Case::of(truth, "revoke");
        let plan = case.plan(&plain());
        let arn = case.fence().replace("managed_policy/", "");
        let carrier =
            if slots == 0 { BOUNDARY.to_owned() } else { format!("attached_policy/{arn}") };
        assert_eq!(steps(&plan), [carrier.clone(), case.fence()]);
        assert!(step(&plan, &carrier).wave < step(&plan, &case.fence()).wave);
        let policy = Resource::ManagedPolicy(arn);
        assert_eq!(plan.steps[1].resource, policy);
        assert_eq!(plan.steps[1].action, Change::Delete);
    }
}

/// IAM refuses to delete a policy that is attached, or that is a boundary.
#[test]
fn a_fence_in_a_policy_stays_while_somebody_makes_use_of_it() {
    let mut truth = user();
    truth.quotas = room(0, 1);
    let mut case = Case::of(truth, "revoke");
    let carrier = case.fence().replace("managed_", "attached_");
    let why = |plan: &PrincipalPlan| {
        let stays = plan.kept.iter().find(|kept| kept.resource == resource(&case.fence()))?;
        Some(stays.why.clone())
    };
    let left = Request { leave: vec![resource(&carrier)], ..plain() };
    assert_eq!(why(&case.plan(&left)).unwrap(), "stays while it is in use");
    assert_eq!(steps(&case.plan(&left)), [""; 0]);
    let both = Request { leave: vec![resource(&carrier), resource(&case.fence())], ..plain() };
    assert_eq!(why(&case.plan(&both)), None);
    let unread = without(case.now.clone(), Section::Attached);
    let shown = std::mem::replace(&mut case.now, unread);
    let plan = case.plan(&plain());
    assert_eq!(steps(&plan), [""; 0]);
    let stays = format!(
        "{} stays while it may be attached: that could not be read (--leave {} gives it up)",
        case.fence(),
        case.fence()
    );
    assert!(kept(&plan).contains(&stays), "{:?}", kept(&plan));
    // Detached by somebody else, nothing keeps it.
    case.now = shown;
    items(&mut case.now.attached_policies).retain(|one| !carrier.ends_with(&one.arn));
    assert_eq!(steps(&case.plan(&plain())), [case.fence()]);
    // One that is the boundary, and that somebody left.
    let mut truth = user();
    truth.quotas = room(0, 0);
    let case = Case::of(truth, "revoke");
    let left = Request { leave: vec![resource(BOUNDARY)], ..plain() };
    assert_eq!(steps(&case.plan(&left)), [""; 0]);
}

#[test]
fn a_boundary_that_was_being_moved_is_ours_while_it_carries_a_fence() {
    let mut truth = user();
    truth.quotas = room(0, 0);
    let mut case = Case::of(truth, "revoke");
    let earlier = case.now.permissions_boundary.clone().unwrap();
    let later = own_arn(&format!("{}-2", case.state.lineage.fence_name()));
    let boundary = |case: &Case| {
        let plan = case.plan(&plain());
        (steps(&plan).contains(&BOUNDARY.to_owned()), drifted(&plan).len())
    };
    let held = case.state.resources.get_mut(&resource(BOUNDARY)).unwrap();
    held.ours = Some(Value::PolicyArn(later.clone()));
    // A run that was cut off before the call leaves the fence before in force.
    mark(&mut case.state, BOUNDARY, HeldStatus::InDoubt);
    assert_eq!(case.now.permissions_boundary.as_ref(), Some(&earlier));
    assert_eq!(boundary(&case), (true, 0));
    // Where the call was known to be made, somebody else has put it back.
    mark(&mut case.state, BOUNDARY, HeldStatus::Held);
    assert_eq!(boundary(&case), (false, 1));
    // And what is no fence is nothing of ours, in doubt or not.
    mark(&mut case.state, BOUNDARY, HeldStatus::InDoubt);
    case.now.permissions_boundary = Some(own_arn("team"));
    assert_eq!(boundary(&case), (false, 1));
}

#[test]
fn what_is_in_doubt_and_was_changed_by_others_is_left_alone() {
    let mut case = Case::of(everything(), "quarantine");
    mark(&mut case.state, SSH, HeldStatus::InDoubt);
    give(&mut case.now, SSH, Status::Expired, before());
    let plan = case.plan(&plain());
    assert!(!steps(&plan).contains(&SSH.to_owned()));
    assert!(drifted(&plan).iter().any(|line| line.starts_with(&format!("{SSH} is now Expired"))));
}

#[test]
fn a_boundary_that_neither_posture_asks_for_is_given_back() {
    let mut ask = ask("quarantine", true);
    ask.posture.set("permissions_boundary", &own_arn("contained")).unwrap();
    let mut case = Case::asked(user(), &ask);
    assert_eq!(case.now.permissions_boundary, Some(own_arn("contained")));
    let given = |case: &Case, asks: bool| {
        let mut request = down_to("revoke");
        if asks {
            let to = request.to.as_mut().unwrap();
            to.set("permissions_boundary", &own_arn("contained")).unwrap();
        }
        steps(&case.plan(&request)).contains(&BOUNDARY.to_owned())
    };
    assert!(given(&case, false) && !given(&case, true));
    // One that an earlier step down could not give back.
    case.state.posture.set("permissions_boundary", "keep").unwrap();
    assert!(given(&case, false));
}
