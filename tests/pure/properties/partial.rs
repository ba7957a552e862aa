//! What holds when calls fail, answers are lost, or the process dies.

use super::containing::{claims_no_more_than_is, sound};
use super::model::{
    Account, Fate, Trouble, but_for_what_is_gone, fenced_until, held_down, is_held,
};
use super::property;
use super::releasing::{all_credentials, safe};
use super::strategies::{ask, trouble, truth};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use ringfence::journal::{Event, Journal, StepResult, StepStatus, next_status};
use ringfence::plan::Kind;
use ringfence::release::Request;
use ringfence::resource::{Resource, fits};
use ringfence::snapshot::Now;
use ringfence::state::HeldStatus;

#[test]
fn a_containment_in_trouble_loses_nothing_and_claims_nothing() {
    property(350, &(truth(), ask(), trouble()), |(truth, ask, trouble)| {
        let mut account = Account::of(vec![truth]);
        let original = account.user().truth.clone();
        let plan = account.plan(&ask).unwrap();
        let ran = account.apply(&plan, &trouble);
        let user = account.user();
        let state = account.state();
        // Whatever was changed can be undone from the state alone (D2.5).
        for (resource, was) in &user.firsts {
            let held =
                state.resources.get(resource).unwrap_or_else(|| panic!("{resource} is lost"));
            assert_eq!(held.baseline, *was, "{resource}");
            assert_eq!(original.value(resource).known(), Some(was.clone()));
            assert!(matches!(held.status, HeldStatus::Held | HeldStatus::InDoubt), "{resource}");
        }
        // D2.13: what was read back is what is claimed.
        if let Some(now) = &ran.read_back[0] {
            for (resource, held) in &state.resources {
                let value = now.value(resource).known().unwrap();
                let gone = resource.is_credential() && value.is_none();
                // Whether it was off before somebody deleted it is not always known.
                if gone && held.status == HeldStatus::InDoubt {
                    continue;
                }
                let stored = gone || fits(held.ours.as_ref(), value.as_ref());
                assert_eq!(is_held(state, resource), stored, "{resource}");
            }
            for step in &plan.principals[0].steps {
                let status = ran.journals[0].status(step.id);
                if status == StepStatus::Stored {
                    assert!(is_held(state, &step.resource));
                }
            }
        }
        let gone = |resource: &Resource| {
            resource.is_credential() && user.truth.value(resource) == Now::Absent
        };
        let all_held = plan.principals[0]
            .steps
            .iter()
            .all(|step| is_held(state, &step.resource) || gone(&step.resource));
        assert!(!ran.complete || all_held, "complete, and not all of it is held");
        claims_no_more_than_is(state, &user.truth, &user.last_active);
    });
}

#[test]
fn a_run_in_trouble_is_brought_to_its_end_by_the_next() {
    property(250, &(truth(), ask(), vec(trouble(), 1..3)), |(truth, ask, troubles)| {
        let mut account = Account::of(vec![truth]);
        let original = account.user().truth.clone();
        for trouble in &troubles {
            let plan = account.plan(&ask).unwrap();
            account.apply(&plan, trouble);
            account.tick(60);
        }
        let plan = account.plan(&ask).unwrap();
        sound(&plan);
        account.apply(&plan, &Trouble::none());
        let user = account.user();
        claims_no_more_than_is(account.state(), &user.truth, &user.last_active);
        if ask.posture.sessions == ringfence::posture::Sessions::Fence && !held_down(&user.truth) {
            let until = fenced_until(&user.truth);
            for (resource, _) in account.state().held() {
                if let (Resource::AccessKey(id), Some(until)) = (resource, until)
                    && plan.principals[0].blocked.is_empty()
                {
                    let last = user.last_active.get(id);
                    assert!(last.is_none_or(|last| until > *last), "{id} minted until {last:?}");
                }
            }
        }
        let again = account.plan(&ask).unwrap();
        assert!(again.is_empty(), "{:#?}", again.principals[0].steps);
        // And all of it can be rolled back to before the first run.
        account.tick(200_000);
        let request = Request {
            reactivate: all_credentials(&account),
            lift_fence_now: super::twice::immovable(&mut account, &ask),
            ..Request::default()
        };
        let rollback = account.release(&request).unwrap();
        account.apply(&rollback, &Trouble::none());
        let restored = &account.user().truth;
        // A policy that was created under a lost answer and attached nowhere does nothing.
        assert_eq!(*restored, but_for_what_is_gone(original, restored));
    });
}

#[test]
fn a_release_in_trouble_goes_on_where_it_stopped() {
    property(250, &(truth(), ask(), trouble(), any::<bool>()), |(truth, ask, trouble, late)| {
        let mut account = Account::of(vec![truth]);
        let original = account.user().truth.clone();
        let plan = account.plan(&ask).unwrap();
        account.apply(&plan, &Trouble::none());
        account.tick(if late { 200_000 } else { 60 });
        let request = Request {
            reactivate: all_credentials(&account),
            lift_fence_now: true,
            ..Request::default()
        };
        let rollback = account.release(&request).unwrap();
        let ran = account.apply(&rollback, &trouble);
        let state = account.state();
        for (resource, held) in &state.resources {
            let back = account.user().truth.value(resource).known() == Some(held.baseline.clone());
            let gone = account.user().truth.value(resource) == Now::Absent;
            let deleted = resource.is_credential() && gone;
            assert!(held.status != HeldStatus::Released || back, "{resource} is called released");
            assert!(back || deleted || state.continues(), "{resource} is forgotten");
        }
        assert!(!ran.complete || !state.continues());
        account.tick(60);
        let rollback = account.release(&request).unwrap();
        assert_eq!(rollback.kind, Kind::Release);
        safe(&account, &rollback, &request);
        account.apply(&rollback, &Trouble::none());
        assert!(!account.state().continues(), "{:#?}", account.state().resources);
        let restored = &account.user().truth;
        assert_eq!(*restored, but_for_what_is_gone(original, restored));
    });
}

fn step_event() -> impl Strategy<Value = Event> {
    let resource: Resource = "group/devs".parse().unwrap();
    let result = select(vec![
        StepResult::Done,
        StepResult::Refused,
        StepResult::NotFound,
        StepResult::Throttled,
        StepResult::InDoubt,
    ]);
    let (one, two, three) = (resource.clone(), resource.clone(), resource);
    let at = super::model::start();
    prop_oneof![
        (1u32..3).prop_map(move |step| Event::Skipped {
            step,
            resource: one.clone(),
            why: "so".into()
        }),
        (1u32..3, 1u32..5).prop_map(move |(step, attempt)| Event::Intent {
            step,
            resource: two.clone(),
            action: "RemoveUserFromGroup".into(),
            attempt,
        }),
        (1u32..3, result).prop_map(move |(step, result)| Event::Outcome {
            step,
            resource: three.clone(),
            result,
            service_date: None,
            request_id: None,
            error: None,
        }),
        (vec(1u32..3, 0..2), vec(1u32..3, 0..2)).prop_map(move |(stored, not_stored)| {
            Event::ReadBack { read_at: at, stored, not_stored }
        }),
        any::<bool>().prop_map(|complete| Event::RunFinished { complete }),
        Just(Event::FenceTime { fence_time: at, key_off_at: at, still_active: Vec::new() }),
    ]
}

const ALL: [StepStatus; 9] = [
    StepStatus::Planned,
    StepStatus::Intended,
    StepStatus::Repeated,
    StepStatus::Skipped,
    StepStatus::Done,
    StepStatus::Open,
    StepStatus::InDoubt,
    StepStatus::Stored,
    StepStatus::NotStored,
];

#[test]
fn any_sequence_of_entries_is_read_as_it_was_written() {
    property(500, &vec(step_event(), 0..12), |events| {
        let at = super::model::start();
        let mut journal = Journal::default();
        let mut bytes = Vec::new();
        for event in events {
            for now in ALL {
                // Only an entry about the step itself can be one that cannot follow.
                let about = match &event {
                    Event::Skipped { step, .. }
                    | Event::Intent { step, .. }
                    | Event::Outcome { step, .. } => Some(*step),
                    _ => None,
                };
                for step in 0..4 {
                    let next = next_status(now, step, &event);
                    assert!(about == Some(step) || next.is_ok(), "{now:?} {event:?}");
                }
            }
            bytes.extend(journal.append(at, event));
            // What is known while the run goes on is what is known when its file is read again.
            let read = Journal::parse(&bytes, "journal.jsonl").unwrap();
            for step in 0..4 {
                assert_eq!(read.status(step), journal.status(step));
            }
        }
        let read = Journal::parse(&bytes, "journal.jsonl").unwrap();
        assert_eq!(read, journal);
    });
}

#[test]
fn a_call_that_may_have_been_made_is_in_doubt_whatever_a_later_try_says() {
    let resource: Resource = "group/devs".parse().unwrap();
    let at = super::model::start();
    let intent = |attempt| Event::Intent {
        step: 1,
        resource: resource.clone(),
        action: "RemoveUserFromGroup".into(),
        attempt,
    };
    let outcome = |result| Event::Outcome {
        step: 1,
        resource: resource.clone(),
        result,
        service_date: None,
        request_id: None,
        error: None,
    };
    // The answer of the first try is lost; the second is throttled. The first may have been done (D2.5).
    for second in [StepResult::Refused, StepResult::Throttled, StepResult::NotFound] {
        let mut journal = Journal::default();
        for event in [intent(1), outcome(StepResult::InDoubt), intent(2), outcome(second)] {
            journal.append(at, event);
        }
        assert_eq!(journal.status(1), StepStatus::InDoubt, "{second:?}");
    }
}

#[test]
fn the_trouble_that_these_properties_meet_is_real() {
    // A property that never sees a lost answer, a refusal or a dead process shows nothing.
    let mut seen = [0u32; 5];
    let mut runner = TestRunner::deterministic();
    for _ in 0..100 {
        let trouble = trouble().new_tree(&mut runner).unwrap().current();
        seen[0] += u32::from(trouble.fates.contains(&Fate::AnswerLost));
        seen[1] += u32::from(trouble.fates.contains(&Fate::CallLost));
        seen[2] += u32::from(trouble.fates.contains(&Fate::Refused));
        seen[3] += u32::from(trouble.killed_after.is_some());
        seen[4] += u32::from(!trouble.read_back);
    }
    assert!(seen.iter().all(|count| *count > 10), "{seen:?}");
}
