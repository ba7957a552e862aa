//! The journal: its chain, its cuts, and what it makes of a step.

use super::*;

fn sample() -> (Journal, Vec<u8>) {
    let mut journal = Journal::default();
    let mut bytes = Vec::new();
    let resource: Resource = "access_key/AKIA3EXAMPLE4LEAKED1".parse().unwrap();
    let at: Timestamp = "2026-11-21T03:12:40Z".parse().unwrap();
    bytes.extend(journal.append(
        at,
        Event::Intent {
            step: 1,
            resource: resource.clone(),
            action: "UpdateAccessKey".into(),
            attempt: 1,
        },
    ));
    bytes.extend(journal.append(
        at,
        Event::Outcome {
            step: 1,
            resource,
            result: StepResult::Done,
            service_date: Some(at),
            request_id: None,
            error: None,
        },
    ));
    bytes.extend(journal.append(at, Event::RunFinished { complete: true }));
    (journal, bytes)
}

#[test]
fn a_journal_cut_at_any_byte_is_read_up_to_its_last_whole_line() {
    let (whole, bytes) = sample();
    for cut in 0..bytes.len() {
        let journal = Journal::parse(&bytes[..cut], "j").unwrap();
        let lines = bytes[..cut].iter().filter(|b| **b == b'\n').count();
        assert_eq!(journal.entries(), &whole.entries()[..lines]);
        assert_eq!(journal.torn(), cut > 0 && bytes[cut - 1] != b'\n');
    }
    assert_eq!(Journal::parse(&bytes, "j").unwrap(), whole);
}

#[test]
fn an_edited_line_is_found_with_its_number() {
    let (_, bytes) = sample();
    let text = String::from_utf8(bytes).unwrap().replacen("\"done\"", "\"refused\"", 1);
    let error = Journal::parse(text.as_bytes(), "j").unwrap_err();
    assert!(error.message().contains("line 3"), "{error}");
}

#[test]
fn a_lost_outcome_leaves_the_step_intended() {
    let (_, bytes) = sample();
    let first = bytes.iter().position(|b| *b == b'\n').unwrap() + 1;
    let journal = Journal::parse(&bytes[..first], "j").unwrap();
    assert_eq!(journal.status(1), StepStatus::Intended);
    assert!(!journal.finished());
}

#[test]
fn what_was_read_as_stored_was_written_whatever_comes_of_it() {
    let mut journal = Journal::default();
    let at: Timestamp = "2026-11-21T03:12:40Z".parse().unwrap();
    let resource: Resource = "access_key/AKIA3EXAMPLE4LEAKED1".parse().unwrap();
    assert!(!journal.was_tried(1));
    let action = "UpdateAccessKey".to_owned();
    journal.append(at, Event::Intent { step: 1, resource, action, attempt: 1 });
    let read_back = |stored, not_stored| Event::ReadBack { read_at: at, stored, not_stored };
    assert!(journal.was_tried(1) && !journal.was_written(1));
    journal.append(at, read_back(vec![1], Vec::new()));
    journal.append(at, read_back(Vec::new(), vec![1]));
    assert_eq!(journal.status(1), StepStatus::NotStored);
    assert!(journal.was_written(1) && !journal.was_tried(2));
}

#[test]
fn what_somebody_else_has_done_is_not_called_stored() {
    assert_eq!(read_back(StepStatus::Open, true), StepStatus::Skipped);
    assert_eq!(read_back(StepStatus::Open, false), StepStatus::Open);
    assert_eq!(read_back(StepStatus::InDoubt, true), StepStatus::Stored);
}

#[test]
fn what_was_refused_and_is_so_all_the_same_is_not_claimed() {
    let resource: Resource = "group/admins".parse().unwrap();
    let action = "RemoveUserFromGroup".to_owned();
    let at: Timestamp = "2026-11-21T03:12:40Z".parse().unwrap();
    let mut journal = Journal::default();
    journal.append(at, Event::Intent { step: 1, resource: resource.clone(), action, attempt: 1 });
    journal.append(
        at,
        Event::Outcome {
            step: 1,
            resource,
            result: StepResult::Refused,
            service_date: None,
            request_id: None,
            error: None,
        },
    );
    let stored = Event::ReadBack { read_at: at, stored: vec![1], not_stored: Vec::new() };
    journal.append(at, stored);
    assert_eq!(journal.status(1), StepStatus::Skipped);
    assert!(!journal.was_written(1));
}

/// A journal of these events, in turn.
fn of(events: impl IntoIterator<Item = Event>) -> Journal {
    let mut journal = Journal::default();
    for event in events {
        journal.append("2026-11-21T03:12:40Z".parse().unwrap(), event);
    }
    journal
}

fn intent(step: u32, resource: &str) -> Event {
    let (resource, action) = (resource.parse().unwrap(), "Call".to_owned());
    Event::Intent { step, resource, action, attempt: 1 }
}

fn outcome(step: u32, result: StepResult) -> Event {
    let resource = "inline_policy/fence".parse().unwrap();
    Event::Outcome { step, resource, result, service_date: None, request_id: None, error: None }
}

fn fixed(at: &str, still_active: &[&str]) -> Event {
    let at: Timestamp = at.parse().unwrap();
    let still_active = still_active.iter().map(|key| key.parse().unwrap()).collect();
    Event::FenceTime { fence_time: at, key_off_at: at, still_active }
}

fn was_read(stored: &[u32]) -> Event {
    let read_at = "2026-11-21T03:12:40Z".parse().unwrap();
    Event::ReadBack { read_at, stored: stored.to_vec(), not_stored: Vec::new() }
}

const FENCE: &str = "inline_policy/fence";
const KEY: &str = "access_key/AKIA3EXAMPLE4LEAKED1";
const EARLY: &str = "2026-11-21T03:13:00Z";
const LATE: &str = "2026-11-21T03:14:00Z";

#[test]
fn a_run_is_finished_by_its_last_entry_and_has_touched_nothing_without_an_intent() {
    assert!(!of([]).finished() && !of([]).has_intents());
    let finished = || Event::RunFinished { complete: false };
    assert!(of([finished()]).finished() && !of([finished()]).has_intents());
    let resumed = of([finished(), intent(1, KEY)]);
    assert!(!resumed.finished() && resumed.has_intents());
}

#[test]
fn the_steps_that_settling_added_are_found() {
    let step = Step {
        id: 7,
        wave: 3,
        resource: KEY.parse().unwrap(),
        action: crate::plan::Change::Update,
        before: None,
        after: None,
        reversible: true,
        reason: "again".to_owned(),
        cautions: Vec::new(),
    };
    let added = Event::StepAdded { step: Box::new(step.clone()) };
    let journal = of([intent(1, KEY), added, outcome(1, StepResult::Done)]);
    assert_eq!(journal.added().collect::<Vec<_>>(), [&step]);
    assert_eq!(of([intent(1, KEY)]).added().count(), 0);
}

#[test]
fn a_fence_is_the_one_that_was_fixed_before_its_intent_and_written_after() {
    use StepResult::{Done, InDoubt};
    let fence = |events: &[Event]| of(events.iter().cloned()).fence(&[1]).map(|f| f.fence_time);
    let (early, late) = (EARLY.parse().ok(), LATE.parse().ok());
    let (first, second) = (fixed(EARLY, &[]), fixed(LATE, &[]));
    let meant = intent(1, FENCE);
    assert_eq!(fence(&[first.clone(), meant.clone()]), None);
    assert_eq!(fence(&[first.clone(), meant.clone(), outcome(1, Done)]), early);
    assert_eq!(fence(&[first.clone(), meant.clone(), outcome(1, InDoubt)]), None);
    assert_eq!(fence(&[first.clone(), meant.clone(), was_read(&[1])]), early);
    // What becomes of another step says nothing about this one.
    assert_eq!(fence(&[first.clone(), meant.clone(), outcome(2, Done)]), None);
    assert_eq!(fence(&[first.clone(), meant.clone(), was_read(&[2])]), None);
    assert_eq!(fence(&[first.clone(), meant.clone(), was_read(&[2, 1])]), early);
    // One that was fixed, and whose call was never meant, was not written.
    let moved = [first, meant.clone(), outcome(1, Done), second];
    assert_eq!(fence(&moved), early);
    let other = [&moved[..], &[intent(2, FENCE), outcome(2, Done)]].concat();
    assert_eq!(fence(&other), early);
    let other = [&moved[..], &[intent(2, FENCE), outcome(1, Done)]].concat();
    assert_eq!(fence(&other), early);
    let written = [&moved[..], &[meant, outcome(1, Done)]].concat();
    assert_eq!(fence(&written), late);
}

/// What was read to stand is of the call that may have written it.
#[test]
fn a_fence_that_was_refused_is_not_the_one_that_stands() {
    use StepResult::{Done, InDoubt, NotFound, Refused, Throttled};
    let (early, late) = (EARLY.parse().ok(), LATE.parse().ok());
    let stands = |second: u32, result: StepResult, read: &[u32]| {
        let first = [fixed(EARLY, &[]), intent(1, FENCE), outcome(1, InDoubt)];
        let then = [fixed(LATE, &[]), intent(second, FENCE), outcome(second, result)];
        let events = [&first[..], &then[..], &[was_read(read)]].concat();
        of(events).fence(&[1, 2]).map(|fence| fence.fence_time)
    };
    for refused in [Refused, NotFound, Throttled] {
        assert_eq!(stands(1, refused, &[1]), early, "{refused:?}");
        assert_eq!(stands(2, refused, &[1]), early, "{refused:?}");
        assert_eq!(stands(2, refused, &[2]), None, "{refused:?}");
    }
    for sent in [Done, InDoubt] {
        assert_eq!(stands(1, sent, &[1]), late, "{sent:?}");
        assert_eq!(stands(2, sent, &[2]), late, "{sent:?}");
        assert_eq!(stands(2, sent, &[1, 2]), late, "{sent:?}");
    }
    assert_eq!(stands(2, InDoubt, &[1]), early);
}

#[test]
fn a_key_that_was_to_be_off_after_the_fence_was_fixed_is_not_confirmed() {
    let unconfirmed = |events: &[Event]| -> Vec<String> {
        let fence = of(events.iter().cloned()).fence(&[1]).unwrap();
        fence.unconfirmed.iter().map(ToString::to_string).collect()
    };
    let written = [intent(1, FENCE), outcome(1, StepResult::Done)];
    let key = intent(2, KEY);
    let before = [&[key.clone(), fixed(EARLY, &[])][..], &written].concat();
    assert_eq!(unconfirmed(&before), [""; 0]);
    let after = [&[fixed(EARLY, &[])][..], &written, std::slice::from_ref(&key)].concat();
    assert_eq!(unconfirmed(&after), [KEY]);
    let other = [&[fixed(EARLY, &[])][..], &written, &[intent(2, "ssh_key/APKA1")]].concat();
    assert_eq!(unconfirmed(&other), [""; 0]);
    // Each once, however often it was tried, and with those that were known to be on.
    let twice = [&[fixed(EARLY, &[KEY])][..], &written, &[key.clone(), key]].concat();
    assert_eq!(unconfirmed(&twice), [KEY]);
}

#[test]
fn what_was_done_to_a_name_that_became_anothers_is_in_doubt() {
    let resource: Resource = "inline_policy/RingfenceFence-7c41e09a".parse().unwrap();
    let at: Timestamp = "2026-11-21T03:12:40Z".parse().unwrap();
    let mut journal = Journal::default();
    for step in [1, 2] {
        let action = "PutUserPolicy".to_owned();
        journal.append(at, Event::Intent { step, resource: resource.clone(), action, attempt: 1 });
        journal.append(
            at,
            Event::Outcome {
                step,
                resource: resource.clone(),
                result: StepResult::Done,
                service_date: None,
                request_id: None,
                error: None,
            },
        );
        if step == 1 {
            let stored = Event::ReadBack { read_at: at, stored: vec![1], not_stored: Vec::new() };
            journal.append(at, stored);
        }
    }
    let what = "user `bot` is another principal than the one planned for".to_owned();
    journal.append(at, Event::Tampering { resource: None, what, seen_at: at });
    assert_eq!(journal.status(1), StepStatus::Stored);
    assert_eq!(journal.status(2), StepStatus::InDoubt);
}

#[test]
fn a_fence_that_was_outrun_is_so_whatever_follows() {
    let outrun = |fence: &str| Event::FenceOutrun {
        fence_time: fence.parse().unwrap(),
        stopped_at: LATE.parse().unwrap(),
    };
    let written = || vec![fixed(EARLY, &[]), intent(1, FENCE), outcome(1, StepResult::Done)];
    let was = |events: Vec<Event>| of(events).fence(&[1]).unwrap().outrun;
    assert!(!was(written()));
    let after = |more: Vec<Event>| written().into_iter().chain(more).collect::<Vec<_>>();
    assert!(was(after(vec![outrun(EARLY)])));
    assert!(!was(after(vec![outrun(LATE)])), "of another fence");
    assert!(was(after(vec![outrun(EARLY), was_read(&[1]), outcome(2, StepResult::Done)])));
    // That of an earlier fence is not the later one's.
    let moved = [fixed(LATE, &[]), intent(1, FENCE), outcome(1, StepResult::Done)];
    assert!(!was(after([vec![outrun(EARLY)], moved.to_vec()].concat())));
}

#[test]
fn what_a_step_has_made_is_what_its_last_answer_says() {
    let made = |step, id: &str| Event::Made {
        step,
        resource: "new_access_key".parse().unwrap(),
        id: id.to_owned(),
    };
    let journal = of([made(1, "one"), made(2, "two"), made(1, "three")]);
    assert_eq!(journal.made(1), Some("three"));
    assert_eq!(journal.made(2), Some("two"));
    assert_eq!(journal.made(3), None);
}

#[test]
fn only_a_later_format_is_called_newer() {
    let line = |version: u32| format!("{{\"event\":{{\"format_version\":{version}}}}}\n");
    let error = |version| Journal::parse(line(version).as_bytes(), "journal").unwrap_err();
    let newer = error(FORMAT_VERSION + 1);
    assert_eq!(newer.message(), "the journal `journal` has format 2, this program knows up to 1");
    let broken = "the journal `journal` is broken at line 1";
    for version in [0, FORMAT_VERSION] {
        assert_eq!(error(version).message(), broken);
    }
}

#[test]
fn a_reading_tells_of_the_steps_that_it_names_and_whoever_resumes_of_those_under_way() {
    let reading =
        Event::ReadBack { read_at: EARLY.parse().unwrap(), stored: vec![1], not_stored: vec![2] };
    let resumed = Event::RunResumed {
        by: "arn:aws:iam::123456789012:user/alice".parse().unwrap(),
        from: None,
        read_at: EARLY.parse().unwrap(),
        ringfence_version: "0.1.0".to_owned(),
    };
    use StepStatus as S;
    for status in [S::Intended, S::Repeated, S::Done, S::InDoubt] {
        assert_eq!(next_status(status, 1, &reading), Ok(S::Stored));
        assert_eq!(next_status(status, 2, &reading), Ok(S::NotStored));
        assert_eq!(next_status(status, 3, &reading), Ok(status));
    }
    for status in [S::Planned, S::Skipped, S::Done, S::Open, S::Stored, S::NotStored] {
        assert_eq!(next_status(status, 1, &resumed), Ok(status));
    }
    for status in [S::Intended, S::Repeated] {
        assert_eq!(next_status(status, 1, &resumed), Ok(S::InDoubt));
    }
}
