//! What a containment amounts to, case by case.

use crate::cases::*;
use crate::properties::model::{Account, attached};
use crate::properties::strategies::{document_of, exposure, role};
use jiff::SignedDuration;
use ringfence::plan::{Compromised, Why};
use ringfence::policy::{deny_all_arn, hold};
use ringfence::resource::Resource;
use ringfence::snapshot::{InlinePolicy, LastUsed, Observed, Snapshot, Status};
use ringfence::standing::{
    fence_covers, fence_stands, fence_view, hold_stands, judge, limits, live_credentials,
    newer_credentials, remedies, stage, still_active, undone, used_after_fence, void,
};
use ringfence::state::{HeldStatus, State};
use ringfence::view::{Finding, Standing};

/// What was found, as it is said.
fn said(found: &[Finding]) -> Vec<String> {
    let line = |item: &Finding| match &item.resource {
        Some(resource) => format!("{resource} {}", item.what),
        None => item.what.clone(),
    };
    found.iter().map(line).collect()
}

fn revoked() -> (State, Snapshot) {
    state_of(&contained(user(), &ask("revoke", true)))
}

fn on(now: &mut Snapshot, key: &str) {
    give(now, key, Status::Active, before());
}

#[test]
fn what_was_done_and_stands_is_contained() {
    for posture in ["revoke", "quarantine", "lockdown"] {
        let (state, now) = state_of(&contained(everything(), &ask(posture, true)));
        let judged = judge(&state, &now);
        assert_eq!(judged.standing, Standing::Contained, "{posture}");
        assert_eq!(judged.findings(), []);
        assert_eq!(remedies(&state, &judged), [""; 0]);
    }
}

#[test]
fn a_key_that_is_on_again_is_said_once() {
    let (state, mut now) = revoked();
    on(&mut now, KEY);
    let judged = judge(&state, &now);
    assert_eq!(judged.standing, Standing::Weakened);
    assert_eq!(said(&judged.weakened), [format!("{KEY} is Active again")]);
    assert_eq!(said(&judged.acting), [""; 0]);
    assert_eq!(remedies(&state, &judged), ["ringfence apply --again --user deploy-bot"]);
}

#[test]
fn what_was_taken_away_is_what_was_held_and_is_not_as_it_was_left() {
    let (state, now) = revoked();
    let fence = fence_of(&state);
    let weakened = |state: &State, now: &Snapshot| said(&judge(state, now).weakened);
    let mut gone = now.clone();
    items(&mut gone.inline_policies).clear();
    assert_eq!(weakened(&state, &gone), [format!("{fence} is gone")]);
    // What a release left off, and may be the attacker's, is news as well; what is its own is not.
    let mut active = now.clone();
    on(&mut active, KEY);
    let mut kept = state.clone();
    mark(&mut kept, KEY, HeldStatus::Kept);
    assert_eq!(weakened(&kept, &active), [format!("{KEY} is Active again")]);
    kept.compromised.clear();
    assert_eq!(weakened(&kept, &active), [""; 0]);
    for status in [HeldStatus::Released, HeldStatus::GivenUp] {
        let mut state = state.clone();
        mark(&mut state, KEY, status);
        state.compromised.clear();
        assert_eq!(weakened(&state, &active), [""; 0]);
    }
    // A call that was perhaps never made has taken nothing away; a third value has been written by somebody.
    let mut doubtful = state.clone();
    mark(&mut doubtful, KEY, HeldStatus::InDoubt);
    assert_eq!(weakened(&doubtful, &active), [""; 0]);
    assert_eq!(weakened(&doubtful, &now), [""; 0]);
    give(&mut active, KEY, Status::Expired, before());
    assert_eq!(weakened(&doubtful, &active), [format!("{KEY} is now Expired")]);
    // A credential that somebody has deleted can do nothing, and what was not read is not known to be gone.
    let mut deleted = now.clone();
    take(&mut deleted, KEY);
    assert_eq!(weakened(&state, &deleted), [""; 0]);
    assert_eq!(weakened(&state, &without(now, Section::Inline)), [""; 0]);
}

#[test]
fn what_somebody_did_is_said_in_words() {
    let document = |size| ringfence::resource::Value::Document(document_of(size));
    let (active, inactive) = (status(Status::Active), status(Status::Inactive));
    assert_eq!(undone(Some(&active), Some(&inactive)), "is Active again");
    assert_eq!(undone(None, Some(&inactive)), "is gone");
    assert_eq!(undone(Some(&document(90)), None), "is back");
    assert_eq!(undone(Some(&document(90)), Some(&document(91))), "was changed");
    assert_eq!(undone(Some(&inactive), Some(&active)), "is now Inactive");
    assert_eq!(undone(None, None), "is now absent");
}

#[test]
fn a_credential_that_the_posture_turns_off_is_beyond_it() {
    let (state, now) = state_of(&contained(user(), &ask("quarantine", false)));
    let beyond = "is Active, and the posture turns all of its kind off";
    for credential in [OTHER_KEY, SSH, CERTIFICATE, SERVICE] {
        let mut now = now.clone();
        on(&mut now, credential);
        assert_eq!(said(&judge(&state, &now).weakened), [format!("{credential} {beyond}")]);
        // One that ringfence has to do with is looked at as what it is.
        let mut known = state.clone();
        let why = Why::Named;
        known.compromised.push(Compromised { resource: resource(credential), why });
        let judged = judge(&known, &now);
        assert_eq!(said(&judged.weakened), [""; 0]);
        assert_eq!(said(&judged.acting), [format!("{credential} compromised, can still act")]);
        let mut held = state.clone();
        let copy = held.resources[&resource(KEY)].clone();
        held.resources.insert(resource(credential), copy);
        mark(&mut held, credential, HeldStatus::Released);
        assert_eq!(said(&judge(&held, &now).weakened), [""; 0]);
        // Under a posture that leaves the kind on, under a hold, and after a release it is nothing of ours.
        let (lax, _) = revoked();
        assert_eq!(said(&judge(&lax, &now).weakened), [""; 0]);
        let mut released = state.clone();
        released.released_at = Some(exposure());
        assert_eq!(said(&judge(&released, &now).weakened), [""; 0]);
        now.permissions_boundary = Some(deny_all_arn("aws"));
        assert_eq!(said(&judge(&state, &now).weakened), [""; 0]);
    }
    let mut password = now;
    on(&mut password, PASSWORD);
    assert_eq!(said(&judge(&state, &password).weakened), [""; 0]);
}

#[test]
fn what_an_earlier_release_kept_off_and_is_on_is_beyond_a_posture_that_turns_all_off() {
    let mut ask = ask("quarantine", false);
    ask.named = vec!["AKIAEXAMPLEKEY000000".parse().unwrap()];
    let mut truth = user();
    on(&mut truth, SSH);
    let (mut state, mut now) = state_of(&contained(truth, &ask));
    mark(&mut state, SSH, HeldStatus::Kept);
    assert_eq!(said(&judge(&state, &now).weakened), [""; 0]);
    on(&mut now, SSH);
    let beyond = format!("{SSH} is Active, and the posture turns all of its kind off");
    assert_eq!(said(&judge(&state, &now).weakened), [beyond]);
}

#[test]
fn a_suspect_credential_that_can_act_is_not_contained() {
    let (state, now) = revoked();
    let lockdown = "ringfence plan --user deploy-bot --posture lockdown --out lockdown.json";
    for credential in [OTHER_KEY, SSH, CERTIFICATE, SERVICE, PASSWORD] {
        let can = if credential == PASSWORD { "can still sign in" } else { "can still act" };
        let acting = |made, status| {
            let mut now = now.clone();
            give(&mut now, credential, status, made);
            let judged = judge(&state, &now);
            assert_eq!(said(&judged.weakened), [""; 0]);
            let contained = judged.standing == Standing::Contained;
            assert_eq!(contained, judged.acting.is_empty());
            assert!(contained || judged.standing == Standing::NotContained);
            assert!(contained || remedies(&state, &judged) == [lockdown]);
            said(&judged.acting)
        };
        // The very moment of the exposure counts as after it.
        let younger = [format!("{credential} created after the exposure, {can}")];
        assert_eq!(acting(after(), Status::Active), younger);
        assert_eq!(acting(exposure(), Status::Active), younger);
        assert_eq!(acting(before(), Status::Active), [""; 0]);
        if credential != PASSWORD {
            assert_eq!(acting(after(), Status::Inactive), [""; 0]);
            assert_eq!(acting(after(), Status::Expired), [""; 0]);
        }
    }
    // Without a time of exposure there is nothing to be younger than, and under a hold nothing acts.
    let mut young = now.clone();
    give(&mut young, SSH, Status::Active, after());
    let mut timeless = state.clone();
    timeless.since = None;
    assert_eq!(judge(&timeless, &young).standing, Standing::Contained);
    items(&mut young.attached_policies).push(attached(&deny_all_arn("aws")));
    assert_eq!(judge(&state, &young).standing, Standing::Contained);
    let mut released = state;
    released.released_at = Some(after());
    items(&mut young.attached_policies).clear();
    assert_eq!(judge(&released, &young).standing, Standing::ReleasedFenceUntil);
}

#[test]
fn sessions_that_nothing_fences_are_told() {
    let (state, now) = revoked();
    let fence = fence_of(&state);
    let acting = |state: &State, now: &Snapshot| said(&judge(state, now).acting);
    let unfenced = "sessions that a compromised key has minted are not fenced";
    let mut bare = now.clone();
    items(&mut bare.inline_policies).clear();
    assert_eq!(acting(&state, &bare), [unfenced]);
    let mut never = state.clone();
    never.resources.remove(&fence);
    assert_eq!(acting(&never, &bare), [unfenced]);
    never.posture.set("sessions", "keep").unwrap();
    assert_eq!(acting(&never, &bare), [format!("{unfenced}: the posture keeps them")]);
    // No key of theirs, no sessions; and a fence that could not be read is not known to be gone.
    never.compromised = vec![Compromised { resource: resource(SSH), why: Why::Named }];
    assert_eq!(acting(&never, &bare), [""; 0]);
    assert_eq!(acting(&state, &without(now.clone(), Section::InlineDocuments)), [""; 0]);
    // One that was written while a key could mint stands, and does not do.
    let mut early = state;
    early.clock.as_mut().unwrap().void_while_active = vec![resource(KEY)];
    let moved = "was not known to be off when the fence was written: the fence has to move";
    assert_eq!(acting(&early, &now), [format!("{KEY} {moved}")]);
    let judged = judge(&early, &now);
    assert_eq!(judged.standing, Standing::NotContained);
    assert_eq!(remedies(&early, &judged), ["ringfence apply --again --user deploy-bot"]);
    assert_eq!(acting(&early, &bare), [unfenced]);
}

#[test]
fn what_could_not_be_read_is_unknown() {
    let (state, now) = revoked();
    let unknown = |state: &State, section| {
        let judged = judge(state, &without(now.clone(), section));
        assert!(judged.unknown.is_empty() || judged.standing == Standing::Unknown);
        assert_eq!(remedies(state, &judged), [""; 0]);
        said(&judged.unknown)
    };
    let fence = fence_of(&state);
    assert_eq!(
        unknown(&state, Section::AccessKeys),
        [
            "access keys could not be read (iam:ListAccessKeys)".to_owned(),
            format!("{KEY} could not be read")
        ]
    );
    let each = [
        (Section::LoginProfile, "the login profile could not be read (iam:GetLoginProfile)"),
        (Section::SshKeys, "ssh keys could not be read (iam:ListSSHPublicKeys)"),
        (
            Section::Certificates,
            "signing certificates could not be read (iam:ListSigningCertificates)",
        ),
        (
            Section::ServiceCredentials,
            "service credentials could not be read (iam:ListServiceSpecificCredentials)",
        ),
    ];
    for (section, what) in each {
        assert_eq!(unknown(&state, section), [what]);
    }
    assert_eq!(unknown(&state, Section::Inline), [format!("{fence} could not be read")]);
    assert_eq!(unknown(&state, Section::Groups), [""; 0]);
    // With no time of exposure none of these can be suspect.
    let mut timeless = state.clone();
    timeless.since = None;
    for (section, _) in each {
        assert_eq!(unknown(&timeless, section), [""; 0]);
    }
    // One that was traced is suspect all the same.
    let mut traced = timeless.clone();
    traced.compromised.push(Compromised { resource: resource(PASSWORD), why: Why::Traced });
    for (section, what) in each {
        let told: &[&str] = if section == Section::LoginProfile { &[what] } else { &[] };
        assert_eq!(unknown(&traced, section), told);
    }
    // Under a hold none of it matters; after a release only what is still held does.
    let mut down = without(without(now.clone(), Section::AccessKeys), Section::SshKeys);
    down.permissions_boundary = Some(deny_all_arn("aws"));
    assert_eq!(judge(&state, &down).findings(), []);
    let mut released = state;
    released.released_at = Some(after());
    mark(&mut released, KEY, HeldStatus::Released);
    let judged = judge(&released, &without(now, Section::Inline));
    assert_eq!(said(&judged.findings()), [format!("{fence} could not be read")]);
    assert_eq!(judged.standing, Standing::ReleasedFenceUntil);
}

#[test]
fn a_run_that_did_not_end_well_is_partial() {
    let (state, now) = revoked();
    let mut partial = state.clone();
    partial.runs.last_mut().unwrap().end.as_mut().unwrap().complete = false;
    let judged = judge(&partial, &now);
    assert_eq!(judged.standing, Standing::Partial);
    assert_eq!(remedies(&partial, &judged), ["ringfence apply --again --user deploy-bot"]);
    // Worse comes first.
    let mut acting = now.clone();
    give(&mut acting, SSH, Status::Active, after());
    let judged = judge(&partial, &acting);
    assert_eq!(judged.standing, Standing::NotContained);
    assert_eq!(remedies(&partial, &judged), ["ringfence apply --again --user deploy-bot"]);
    let mut open = state;
    open.runs.last_mut().unwrap().end = None;
    let judged = judge(&open, &now);
    assert_eq!(judged.standing, Standing::Partial);
    assert_eq!(remedies(&open, &judged), ["ringfence resume --user deploy-bot"]);
}

#[test]
fn a_release_is_told_by_what_it_left() {
    let (mut state, mut now) = revoked();
    state.released_at = Some(after());
    mark(&mut state, KEY, HeldStatus::Released);
    let judged = judge(&state, &now);
    assert_eq!(judged.standing, Standing::ReleasedFenceUntil);
    assert_eq!(remedies(&state, &judged), [""; 0]);
    items(&mut now.inline_policies).clear();
    let judged = judge(&state, &now);
    assert_eq!(judged.standing, Standing::Weakened);
    assert_eq!(remedies(&state, &judged), ["ringfence plan --user deploy-bot"]);
    let fence = fence_of(&state).to_string();
    mark(&mut state, &fence, HeldStatus::Released);
    assert_eq!(judge(&state, &now).standing, Standing::Released);
}

#[test]
fn a_hold_stands_by_whomever() {
    let now = user();
    let (state, _) = revoked();
    assert!(!hold_stands(&state, &now));
    let mut bound = now.clone();
    bound.permissions_boundary = Some(deny_all_arn("aws"));
    assert!(hold_stands(&state, &bound));
    bound.permissions_boundary = Some(own_arn("team"));
    assert!(!hold_stands(&state, &bound));
    let mut denied = now.clone();
    items(&mut denied.attached_policies).push(attached(&deny_all_arn("aws")));
    assert!(hold_stands(&state, &denied));
    let mut held = now;
    let inline = |document| InlinePolicy {
        name: "somebody's".to_owned(),
        document: Observed::Read(document),
    };
    items(&mut held.inline_policies).push(inline(document_of(100)));
    assert!(!hold_stands(&state, &held));
    items(&mut held.inline_policies).push(inline(hold()));
    assert!(hold_stands(&state, &held));
}

#[test]
fn a_clock_is_void_while_a_contained_key_could_mint() {
    let (state, now) = revoked();
    assert_eq!(void(&state, None), None);
    assert_eq!(void(&state, Some(&now)), None);
    let mut active = now.clone();
    on(&mut active, KEY);
    let live = Some(format!("{KEY} is Active after the fence"));
    for status in [HeldStatus::Held, HeldStatus::Kept, HeldStatus::InDoubt] {
        let mut state = state.clone();
        mark(&mut state, KEY, status);
        assert_eq!(void(&state, Some(&active)), live);
        assert_eq!(void(&state, Some(&now)), None);
    }
    for status in [HeldStatus::Released, HeldStatus::GivenUp] {
        let mut state = state.clone();
        mark(&mut state, KEY, status);
        assert_eq!(void(&state, Some(&active)), None);
    }
    // Another key that is on is not of this containment, and another credential mints nothing.
    on(&mut active, OTHER_KEY);
    take(&mut active, KEY);
    assert_eq!(void(&state, Some(&active)), None);
    let (quarantined, mut now) = state_of(&contained(everything(), &ask("quarantine", true)));
    on(&mut now, SSH);
    assert_eq!(void(&quarantined, Some(&now)), None);
    let mut early = state.clone();
    early.clock.as_mut().unwrap().void_while_active = vec![resource(OTHER_KEY)];
    let then = Some(format!("{OTHER_KEY} was Active when the fence was written"));
    assert_eq!(void(&early, None), then);
    let mut timeless = early;
    timeless.clock = None;
    assert_eq!(void(&timeless, Some(&active)), None);
}

#[test]
fn the_clock_is_shown_while_a_deny_that_stops_sessions_is_held() {
    let (state, now) = revoked();
    let clock = state.clock.clone().unwrap();
    let shown = fence_view(&state, Some(&now)).unwrap();
    assert_eq!((shown.fence_time, shown.lift_after), (clock.fence_time, clock.lift_after));
    assert_eq!(shown.void, None);
    let mut active = now.clone();
    on(&mut active, KEY);
    assert!(fence_view(&state, Some(&active)).unwrap().void.is_some());
    let mut lifted = state.clone();
    mark(&mut lifted, &fence_of(&state).to_string(), HeldStatus::Released);
    assert_eq!(fence_view(&lifted, Some(&now)), None);
    let mut timeless = state;
    timeless.clock = None;
    assert_eq!(fence_view(&timeless, Some(&now)), None);
}

#[test]
fn every_credential_that_is_on_is_live() {
    let live: Vec<String> =
        live_credentials(&everything()).iter().map(Resource::to_string).collect();
    assert_eq!(live, [KEY, SSH, CERTIFICATE, SERVICE, PASSWORD]);
    let mut off = everything();
    for credential in [KEY, SSH, CERTIFICATE, SERVICE] {
        give(&mut off, credential, Status::Inactive, before());
    }
    take(&mut off, PASSWORD);
    assert_eq!(live_credentials(&off), []);
    assert_eq!(live_credentials(&without(off, Section::LoginProfile)), []);
}

#[test]
fn a_credential_is_newer_from_the_moment_that_the_containment_began() {
    let account = contained(user(), &ask("revoke", true));
    let (mut state, now) = state_of(&account);
    // The first run of this containment is the one that bears its lineage.
    let run = &mut state.runs[0];
    run.id = format!("20261121T030002Z-{}", state.lineage.short());
    let began = run.started_at;
    let newer = |state: &State, credential: &str, made| {
        let mut now = now.clone();
        give(&mut now, credential, Status::Active, made);
        newer_credentials(state, &now)
    };
    for credential in [OTHER_KEY, SSH, CERTIFICATE, SERVICE, PASSWORD] {
        assert_eq!(newer(&state, credential, began), [resource(credential)]);
        assert_eq!(newer(&state, credential, began - SignedDuration::from_secs(1)), []);
    }
    assert_eq!(newer(&state, KEY, began), []);
    // A run of several bears the lineage of another: then what it wrote first tells when it began.
    state.runs[0].id = "20261121T030002Z-ffffffff".to_owned();
    let written = state.resources.values().filter_map(|held| held.written_at).min().unwrap();
    assert_eq!(newer(&state, OTHER_KEY, written), [resource(OTHER_KEY)]);
    assert_eq!(newer(&state, OTHER_KEY, written - SignedDuration::from_secs(1)), []);
}

/// A user whose fence went into a policy, by way of an attachment or the boundary.
fn carried(slots: u32) -> (Account, String) {
    let mut truth = user();
    truth.quotas = room(0, slots);
    let account = contained(truth, &ask("revoke", true));
    let arn = fence_of(account.state()).id().to_owned();
    (account, arn)
}

#[test]
fn a_fence_in_a_policy_stands_while_something_brings_it_to_bear() {
    for slots in [0, 1] {
        let (account, arn) = carried(slots);
        let (state, now) = state_of(&account);
        assert!(fence_stands(&state, &now) && fence_covers(&state, &now));
        let mut loose = now.clone();
        items(&mut loose.attached_policies).clear();
        loose.permissions_boundary = None;
        assert!(!fence_stands(&state, &loose) && !fence_covers(&state, &loose));
        items(&mut loose.attached_policies).push(attached(&own_arn("other")));
        loose.permissions_boundary = Some(own_arn("other"));
        assert!(!fence_stands(&state, &loose));
        items(&mut loose.attached_policies).push(attached(&arn));
        assert!(fence_stands(&state, &loose));
        // Another document under its name is no fence of ours.
        let mut changed = now;
        changed.managed_policies[0].document = Some(Observed::Read(hold()));
        assert!(!fence_stands(&state, &changed) && !fence_covers(&state, &changed));
    }
}

#[test]
fn a_fence_covers_while_its_own_clock_counts() {
    let (state, now) = revoked();
    assert!(fence_stands(&state, &now) && fence_covers(&state, &now));
    let with = |change: &dyn Fn(&mut State)| {
        let mut state = state.clone();
        change(&mut state);
        assert!(fence_stands(&state, &now));
        fence_covers(&state, &now)
    };
    assert!(!with(&|state| state.clock = None));
    assert!(!with(&|state| {
        state.clock.as_mut().unwrap().void_while_active = vec![resource(KEY)];
    }));
    // The clock of a hold that was written later is not the fence's.
    let second = SignedDuration::from_secs(1);
    assert!(!with(&|state| state.clock.as_mut().unwrap().fence_time += second));
    assert!(with(&|state| state.clock.as_mut().unwrap().fence_time -= second));
    let mut gone = now.clone();
    items(&mut gone.inline_policies).clear();
    assert!(!fence_stands(&state, &gone) && !fence_covers(&state, &gone));
    let mut none = state.clone();
    none.resources.remove(&fence_of(&state));
    assert!(!fence_stands(&none, &now) && !fence_covers(&none, &now));
}

#[test]
fn the_keys_that_must_be_off_are_those_that_were_read_active() {
    let keys = [resource(KEY), resource(OTHER_KEY)];
    let mut now = user();
    give(&mut now, OTHER_KEY, Status::Inactive, before());
    assert_eq!(still_active(&keys, &now), [resource(KEY)]);
    assert_eq!(still_active(&keys[1..], &now), []);
    assert_eq!(still_active(&keys, &without(now, Section::AccessKeys)), []);
}

#[test]
fn a_stage_is_told_by_the_record_alone() {
    let (state, _) = revoked();
    let lift_after = state.clock.as_ref().unwrap().lift_after;
    let second = SignedDuration::from_secs(1);
    assert_eq!(stage(&state, lift_after), "contained by record");
    let mut partial = state.clone();
    partial.runs.last_mut().unwrap().end.as_mut().unwrap().complete = false;
    assert_eq!(stage(&partial, lift_after), "partial");
    let mut released = state.clone();
    released.released_at = Some(after());
    assert_eq!(
        stage(&released, lift_after - second),
        format!("released, fence until {lift_after}")
    );
    assert_eq!(stage(&released, lift_after), "released, fence may go");
    let mut void = released.clone();
    void.clock.as_mut().unwrap().void_while_active = vec![resource(KEY)];
    assert_eq!(stage(&void, lift_after), "released, fence stays");
    mark(&mut released, &fence_of(&state).to_string(), HeldStatus::Released);
    assert_eq!(stage(&released, lift_after - second), "released");
    let mut open = released;
    open.runs.last_mut().unwrap().end = None;
    assert_eq!(stage(&open, lift_after), "a run was cut off");
}

fn fenced_role() -> (State, Snapshot) {
    state_of(&contained(role("ci-deploy", "AROAEXAMPLE1"), &ask("revoke", false)))
}

#[test]
fn what_a_fence_on_a_role_does_not_stop_is_said() {
    let (mut state, now) = fenced_role();
    let again = "whoever may assume the role can have a new session of it";
    assert_eq!(limits(&state, &now), [again]);
    state.sessions = ["build-7", "mallory"].map(|name| name.parse().unwrap()).to_vec();
    let named = "only sessions named build-7, mallory are fenced, the others go on";
    assert_eq!(limits(&state, &now), [named, again]);
    let mut held = now.clone();
    let document = Observed::Read(hold());
    items(&mut held.inline_policies).push(InlinePolicy { name: "theirs".to_owned(), document });
    assert_eq!(limits(&state, &held), [""; 0]);
    let mut gone = now;
    items(&mut gone.inline_policies).clear();
    assert_eq!(limits(&state, &gone), [""; 0]);
    let (state, now) = revoked();
    assert_eq!(limits(&state, &now), [""; 0]);
}

#[test]
fn sessions_of_a_role_that_nothing_fences_are_told_whatever_is_known_to_be_compromised() {
    let (mut state, now) = fenced_role();
    assert_eq!(state.compromised, []);
    let acting = |state: &State, now: &Snapshot| said(&judge(state, now).acting);
    assert_eq!(acting(&state, &now), [""; 0]);
    let mut gone = now.clone();
    items(&mut gone.inline_policies).clear();
    let unfenced = "sessions issued before are not fenced";
    assert_eq!(acting(&state, &gone), [unfenced]);
    // What could not be read is not known to be gone.
    assert_eq!(acting(&state, &without(now, Section::InlineDocuments)), [""; 0]);
    state.posture.set("sessions", "keep").unwrap();
    assert_eq!(acting(&state, &gone), [format!("{unfenced}: the posture keeps them")]);
}

fn used(now: &mut Snapshot, at: jiff::Timestamp) {
    let key =
        items(&mut now.access_keys).iter_mut().find(|key| resource(KEY).id() == key.id.as_str());
    let (service, region) = ("s3".to_owned(), "eu-west-1".to_owned());
    key.unwrap().last_used = Observed::Read(Some(LastUsed { at, service, region }));
}

#[test]
fn a_use_after_the_fence_is_told_of_the_keys_that_are_meant_to_be_off() {
    let (state, now) = revoked();
    let fenced_at = state.clock.as_ref().unwrap().fence_time;
    let second = SignedDuration::from_secs(1);
    let with = |at| {
        let mut now = now.clone();
        used(&mut now, at);
        now
    };
    assert_eq!(used_after_fence(&state, &now), []);
    assert_eq!(used_after_fence(&state, &with(fenced_at - second)), []);
    assert_eq!(used_after_fence(&state, &with(fenced_at)), []);
    let later = with(fenced_at + second);
    let key = [resource(KEY)];
    assert_eq!(used_after_fence(&state, &later), key);
    let moved = "was used after the fence: the fence has to move";
    assert_eq!(said(&judge(&state, &later).acting), [format!("{KEY} {moved}")]);
    assert_eq!(void(&state, Some(&later)), Some(format!("{KEY} was used after the fence")));
    // What is said of it already is not said twice.
    let mut early = state.clone();
    early.clock.as_mut().unwrap().void_while_active = vec![resource(KEY)];
    assert_eq!(said(&judge(&early, &later).acting).len(), 1);
    // A key that is held, or compromised where the posture turns those off, and no other.
    let told = |held, compromised: bool, rule: &str| {
        let mut state = state.clone();
        mark(&mut state, KEY, held);
        if !compromised {
            state.compromised.clear();
        }
        state.posture.set("access_keys", rule).unwrap();
        !used_after_fence(&state, &later).is_empty()
    };
    for held in [HeldStatus::Held, HeldStatus::Kept, HeldStatus::InDoubt] {
        assert!(told(held, false, "keep") && told(held, true, "named"));
    }
    for given in [HeldStatus::Released, HeldStatus::GivenUp] {
        assert!(told(given, true, "named") && told(given, true, "all"));
        assert!(!told(given, false, "named") && !told(given, true, "keep"));
    }
    let mut timeless = state.clone();
    timeless.clock = None;
    assert_eq!(used_after_fence(&timeless, &later), []);
}

#[test]
fn why_a_fence_has_to_move_is_told_by_what_it_does_not_cover() {
    let (mut state, now) = revoked();
    let session = Resource::Session("ASIAEXAMPLESESSION00".to_owned());
    let mut told = |what: &Resource| {
        state.clock.as_mut().unwrap().void_while_active = vec![what.clone()];
        (said(&judge(&state, &now).acting), void(&state, Some(&now)).unwrap())
    };
    let later = format!("{session} became known after the fence was written");
    assert_eq!(told(&session), (vec![format!("{later}: the fence has to move")], later));
    let fence = resource("inline_policy/RingfenceFence-x");
    let (acting, void) = told(&fence);
    let short = "does not cover what was issued before every deny stood: the fence has to move";
    assert_eq!(acting, [format!("{fence} {short}")]);
    assert_eq!(void, "sessions may have been issued after its time, before every deny stood");
}

#[test]
fn a_clock_that_is_void_is_a_reason_to_contain_again_also_where_the_fence_was_not_read() {
    let (mut state, mut now) = revoked();
    state.clock.as_mut().unwrap().void_while_active = vec![resource(KEY)];
    give(&mut now, SSH, Status::Active, after());
    let judged = judge(&state, &without(now, Section::InlineDocuments));
    assert!(!judged.outlived && judged.standing == Standing::NotContained);
    assert_eq!(remedies(&state, &judged), ["ringfence apply --again --user deploy-bot"]);
}
