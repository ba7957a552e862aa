//! Journals: what is read is what was written, whole lines of it, and a run is brought to its end by it.

use super::{Bag, NAME, calm, in_words, screens, state_is_readable};
use jiff::Timestamp;
use ringfence::journal::{Event, GENESIS, Journal, StepResult, StepStatus};
use ringfence::plan::{Plan, PrincipalPlan};
use ringfence::record::{self, Outcome};
use ringfence::render::text;
use ringfence::settle;
use ringfence::state::{Run, State};
use std::collections::BTreeSet;

/// What holds of any bytes that are taken for a journal, or for a run.
pub fn law(bytes: &[u8]) {
    match Journal::parse(bytes, NAME) {
        Ok(journal) => {
            prefixes(&journal, bytes);
            holds(&journal);
        }
        Err(error) => in_words(&error),
    }
    let bag = Bag::of(bytes);
    let mut journal = Journal::default();
    let mut written = Vec::new();
    for (at, event) in &bag.events {
        written.extend(journal.append(*at, event.clone()));
    }
    let read = Journal::parse(&written, NAME).expect("what was just written");
    assert_eq!(read, journal);
    holds(&journal);
    if let Some(plan) = &bag.plan {
        for screen in screens() {
            calm(&text::run(plan, &journal, screen, None));
        }
        for principal in &plan.principals {
            run(plan, principal, &journal, &bag);
        }
    }
}

/// A journal is its whole lines, and so is every beginning of it.
fn prefixes(journal: &Journal, bytes: &[u8]) {
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(journal.len(), lines as u64);
    let whole = usize::try_from(journal.bytes_len()).expect("it fits in memory");
    assert_eq!(journal.torn(), whole < bytes.len());
    let (read, rest) = bytes.split_at(whole);
    assert!(!rest.contains(&b'\n') && (read.is_empty() || read.ends_with(b"\n")));
    assert_eq!(Journal::parse(read, NAME).expect("the same lines").head(), journal.head());
    for (n, entry) in journal.entries().iter().enumerate() {
        assert_eq!(entry.n, n as u64 + 1);
    }
    assert_eq!(journal.is_empty(), journal.head() == GENESIS);
    if let Some(end) = read.iter().position(|byte| *byte == b'\n') {
        let first = Journal::parse(&read[..=end], NAME).expect("its first line");
        assert_eq!(first.entries(), &journal.entries()[..1]);
    }
    altered(read);
}

/// No byte of a line can be changed once another line follows it.
fn altered(read: &[u8]) {
    let last = read.len().saturating_sub(1);
    let Some(end) = read[..last].iter().rposition(|byte| *byte == b'\n') else { return };
    for place in [0, end / 3, end / 2, end] {
        let mut other = read.to_vec();
        other[place] ^= 1;
        assert!(Journal::parse(&other, NAME).is_err(), "byte {place} is not what it was");
    }
}

fn holds(journal: &Journal) {
    let mut steps = BTreeSet::from([1, 2, 3]);
    for entry in journal.entries() {
        match &entry.event {
            Event::Intent { step, .. }
            | Event::Outcome { step, .. }
            | Event::Skipped { step, .. } => _ = steps.insert(*step),
            Event::ReadBack { stored, not_stored, .. } => {
                steps.extend(stored.iter().chain(not_stored))
            }
            _ => {}
        }
    }
    for step in &steps {
        let status = journal.status(*step);
        let said = |wanted: StepResult| {
            journal.entries().iter().any(|entry| {
                matches!(&entry.event, Event::Outcome { step: id, result, .. } if id == step && *result == wanted)
            })
        };
        let tried = journal
            .entries()
            .iter()
            .any(|entry| matches!(&entry.event, Event::Intent { step: id, .. } if id == step));
        // Nothing is claimed that no entry tells.
        match status {
            StepStatus::Done => assert!(tried && said(StepResult::Done)),
            StepStatus::Intended | StepStatus::Repeated => assert!(tried),
            StepStatus::Stored | StepStatus::NotStored => {
                assert!(journal.entries().iter().any(|entry| matches!(&entry.event,
                    Event::ReadBack { stored, not_stored, .. }
                        if stored.contains(step) || not_stored.contains(step))));
            }
            _ => {}
        }
        assert!(status != StepStatus::Done || journal.was_written(*step));
    }
    let all: Vec<u32> = steps.into_iter().collect();
    if let Some(fence) = journal.fence(&all) {
        assert!(journal.entries().iter().any(|entry| matches!(&entry.event,
            Event::FenceTime { fence_time, .. } if *fence_time == fence.fence_time)));
    }
    assert_eq!(journal.fence(&[]), None);
    let _ = journal.prior();
    assert!(journal.added().count() <= journal.entries().len());
}

/// A run that was cut off is taken up from its plan, its journal and what is read.
fn run(plan: &Plan, principal: &PrincipalPlan, journal: &Journal, bag: &Bag) {
    let begun = match &bag.state {
        Some(state) if state.open_run().is_some() => state.clone(),
        previous => begin(previous.as_ref(), plan, principal),
    };
    state_is_readable(&begun);
    state_is_readable(&record::replay(&begun, plan, principal, journal));
    let now = bag.snapshots.last().map_or(plan.created_at, |snapshot| snapshot.read_at);
    let read: Vec<_> = bag.snapshots.iter().map(Some).chain([None]).collect();
    for read_back in read {
        let outcome = Outcome { journal, read_back, now };
        let (mut state, complete) = record::finish(&begun, plan, principal, &outcome);
        state_is_readable(&state);
        record::end_run(&mut state, journal, complete, now);
        state_is_readable(&state);
        // D2.13: nothing that was refused, or that nobody knows of, is called done.
        for step in principal.with_added(journal.added()).last_steps() {
            let open = matches!(
                journal.status(step.id),
                StepStatus::Planned
                    | StepStatus::Open
                    | StepStatus::InDoubt
                    | StepStatus::NotStored
            );
            assert!(!complete || !open || step.turns_off(), "{step:?}");
        }
        if let (Some(before), Some(now)) = (bag.snapshots.first(), read_back) {
            let _ = settle::tampering(principal, journal, &state, before, now);
            let context = super::context(now.read_at);
            if let Ok(again) = ringfence::planner::again(&state, now, &context) {
                let (clause, again_steps) = (&plan.settle, &again.steps);
                let added = settle::steps(clause, principal, journal, &state, now, again_steps);
                assert!(added.len() <= again.steps.len());
            }
        }
    }
    for snapshot in &bag.snapshots {
        match record::import(plan, principal, snapshot) {
            Ok(state) => state_is_readable(&state),
            Err(error) => calm(&error.to_string()),
        }
    }
}

fn begin(previous: Option<&State>, plan: &Plan, principal: &PrincipalPlan) -> State {
    let run = Run {
        id: "run-1".to_owned(),
        kind: plan.kind,
        plan_sha256: GENESIS.to_owned(),
        planned_by: None,
        applied_by: plan.planned_by.clone(),
        applied_from: None,
        started_at: Timestamp::max(plan.created_at, principal.snapshot.read_at),
        approvals: Vec::new(),
        break_glass: None,
        end: None,
    };
    record::begin(previous, plan, principal, run).0
}
