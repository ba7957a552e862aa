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
