//! The incident of the screens, told; and that nothing is claimed which nobody has read.

use super::*;
use crate::journal::{Event, StepResult, StepStatus};
use crate::plan::Kind;
use crate::render::sample::{self, at};
use crate::resource::{Resource, Value};
use crate::state::{Run, RunEnd};
use crate::view::{Finding, PrincipalStatus, Standing};

const KEY: &str = "access_key/AKIA3EXAMPLE4LEAKED1";
const FENCE: &str = "inline_policy/RingfenceFence-7c41e09a";

fn resource(text: &str) -> Resource {
    text.parse().unwrap()
}

/// The run of the screens: a key turned off, a fence, the key turned on by somebody and off again.
fn journal(finished: bool) -> Journal {
    let mut journal = Journal::default();
    let state = sample::recorded();
    let outcome = |step, of: &str, time: &str| Event::Outcome {
        step,
        resource: resource(of),
        result: StepResult::Done,
        service_date: Some(at(time)),
        request_id: None,
        error: None,
    };
    let intent = |step, of: &str, action: &str| Event::Intent {
        step,
        resource: resource(of),
        action: action.into(),
        attempt: 1,
    };
    let mut added = sample::step(
        3,
        3,
        KEY,
        Some(Value::Status(crate::snapshot::Status::Active)),
        Some(Value::Status(crate::snapshot::Status::Inactive)),
    );
    added.reason = "somebody has turned it on again".into();
    let mut events = vec![
        Event::RunStarted {
            prior: std::collections::BTreeMap::new(),
            run: state.runs[0].id.clone(),
            kind: Kind::Contain,
            plan_sha256: state.runs[0].plan_sha256.clone(),
            lineage: state.lineage.clone(),
            serial: 1,
            applied_by: state.runs[0].applied_by.clone(),
            applied_from: Some("desk".into()),
            endpoint: state.endpoint.clone(),
            ringfence_version: "0.1.0".into(),
            approvals: Vec::new(),
            break_glass: None,
        },
        intent(1, KEY, "UpdateAccessKey"),
        outcome(1, KEY, "2026-11-21T03:12:41Z"),
        Event::FenceTime {
            fence_time: at("2026-11-21T03:13:42Z"),
            key_off_at: at("2026-11-21T03:12:41Z"),
            still_active: Vec::new(),
        },
        intent(2, FENCE, "PutUserPolicy"),
        outcome(2, FENCE, "2026-11-21T03:12:42Z"),
    ];
    if finished {
        events.extend([
            Event::ReadBack {
                read_at: at("2026-11-21T03:12:43Z"),
                stored: vec![1, 2],
                not_stored: Vec::new(),
            },
            Event::Tampering {
                resource: Some(resource(KEY)),
                what: "is Active again".into(),
                seen_at: at("2026-11-21T03:12:53Z"),
            },
            Event::StepAdded { step: Box::new(added) },
            intent(3, KEY, "UpdateAccessKey"),
            outcome(3, KEY, "2026-11-21T03:12:54Z"),
            Event::Settled { watched_s: 30, reads: 4 },
            Event::ReadBack {
                read_at: at("2026-11-21T03:13:12Z"),
                stored: vec![1, 2, 3],
                not_stored: Vec::new(),
            },
            Event::RunFinished { complete: true },
        ]);
    }
    for event in events {
        journal.append(at("2026-11-21T03:12:40Z"), event);
    }
    journal
}

/// What the store has of the incident of the screens.
pub(crate) fn recorded(finished: bool) -> Recorded {
    let mut state = sample::recorded();
    let journal = journal(finished);
    let mut plan = sample::revoke();
    plan.incident = Some("INC-2041".into());
    let end = finished.then(|| RunEnd {
        at: at("2026-11-21T03:13:12Z"),
        complete: true,
        journal_entries: journal.len(),
        journal_head: journal.head().to_owned(),
    });
    state.runs = vec![Run { end, ..state.runs[0].clone() }];
    state.clock =
        state.clock.map(|clock| crate::state::Clock { void_while_active: Vec::new(), ..clock });
    if !finished {
        state.last_seen_contained = None;
    }
    Recorded {
        state,
        runs: vec![RecordedRun { plan: Ok(plan), journal: Ok(journal) }],
        holder: None,
        contradiction: None,
    }
}

/// A trace that found a role, and a user that was made.
pub(crate) fn trace() -> Trace {
    let text =
        std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/v1-trace/trace.json"));
    let mut trace = Trace::parse(&text.unwrap(), "trace.json").unwrap();
    trace.incident = Some("INC-2041".into());
    trace
}

/// What was read of it afterwards.
pub(crate) fn read(standing: Standing) -> Now {
    let state = recorded(true).state;
    let found = match standing {
        Standing::Contained | Standing::Released => Vec::new(),
        _ => vec![Finding { resource: Some(resource(KEY)), what: "is Active again".into() }],
    };
    let again = format!("ringfence apply --again {}", state.principal.who().flag());
    Now::Read(StatusReport {
        format_version: 1,
        at: at("2026-11-21T04:00:00Z"),
        endpoint: state.endpoint.clone(),
        principals: vec![PrincipalStatus {
            who: state.principal.who(),
            id: state.principal.id.clone(),
            account_id: state.account_id.clone(),
            lineage: state.lineage.clone(),
            serial: state.serial,
            incident: state.incident.clone(),
            standing,
            seen_at: Some(at("2026-11-21T04:00:00Z")),
            last_seen_contained: state.last_seen_contained,
            fence: crate::standing::fence_view(&state, None),
            commands: if found.is_empty() { Vec::new() } else { vec![again] },
            findings: found,
            notes: vec!["not read: ssh keys (iam:ListSSHPublicKeys)".into()],
        }],
    })
}

pub(crate) fn source(finished: bool, now: Now) -> Source {
    Source {
        version: "0.1.0".into(),
        made_at: at("2026-11-21T04:00:01Z"),
        incident: Some("INC-2041".into()),
        principals: vec![recorded(finished)],
        others: Vec::new(),
        unreadable: Vec::new(),
        trace: None,
        now,
    }
}

fn offline() -> Now {
    Now::NotRead("--offline was given".into())
}

#[test]
fn contained_is_said_only_where_it_was_read() {
    use crate::render::words::headline;
    let told = report(&source(true, read(Standing::Contained)));
    assert_eq!(told.stage, Stage::Contained);
    assert_eq!(headline(&told), "User `deploy-bot` is contained, as read at 2026-11-21T04:00:00Z.");
    assert_eq!(told.open, []);
    for weak in [Standing::NotContained, Standing::Weakened, Standing::Partial, Standing::Unknown] {
        let told = report(&source(true, read(weak)));
        assert_eq!(told.stage, Stage::Assessed, "{weak:?}");
        assert!(!headline(&told).contains("is contained"), "{}", headline(&told));
        assert!(!told.open.is_empty(), "{weak:?}");
    }
    let told = report(&source(true, offline()));
    assert_eq!(told.stage, Stage::Contained);
    let said =
        "By the record alone, user `deploy-bot` was last seen contained at 2026-11-21T03:13:12Z.";
    assert_eq!(headline(&told), said);
}

#[test]
fn a_run_that_is_not_over_is_marked() {
    let mut source = source(false, offline());
    let told = report(&source);
    assert_eq!(told.stage, Stage::Assessed);
    assert_eq!(
        told.marks,
        ["run 20261121T031240Z-7c41e09a was cut off: its end is not in the record"]
    );
    assert_eq!(told.open[0].commands[0], "ringfence resume --user deploy-bot");
    source.principals[0].holder = Some("alice on desk, since 03:12:40Z".into());
    let told = report(&source);
    assert_eq!(
        told.marks,
        [
            "run 20261121T031240Z-7c41e09a is still going (alice on desk, since 03:12:40Z): what follows is as far as it had come"
        ]
    );
    assert_eq!(told.runs[0].stands, RunStands::Going);
}

#[test]
fn what_was_refused_and_who_went_on_stand_in_the_course() {
    let mut source = source(false, offline());
    let Ok(journal) = &mut source.principals[0].runs[0].journal else { unreachable!() };
    let by = "arn:aws:iam::123456789012:user/carol";
    for event in [
        Event::RunResumed {
            by: by.parse().unwrap(),
            from: None,
            read_at: at("2026-11-21T03:20:00Z"),
            ringfence_version: "0.1.0".into(),
        },
        Event::ReadBack {
            read_at: at("2026-11-21T03:20:01Z"),
            stored: vec![1],
            not_stored: vec![2],
        },
        Event::Intent {
            step: 2,
            resource: resource(FENCE),
            action: "PutUserPolicy".into(),
            attempt: 2,
        },
        Event::Outcome {
            step: 2,
            resource: resource(FENCE),
            result: StepResult::Refused,
            service_date: None,
            request_id: None,
            error: Some("AccessDenied".into()),
        },
    ] {
        journal.append(at("2026-11-21T03:20:02Z"), event);
    }
    let told = report(&source);
    let of = |kind| told.timeline.iter().filter(move |one| one.kind == kind);
    assert_eq!(of(MomentKind::Resumed).next().unwrap().what, format!("contain by {by}"));
    let read = of(MomentKind::ReadBack).next().unwrap();
    assert!(read.what.starts_with("1 of 2 steps read back"), "{}", read.what);
    assert!(of(MomentKind::Step).any(|one| one.look && one.what.contains("fence")), "{told:#?}");
    assert_eq!(told.commands.last().unwrap().command, "ringfence resume --user deploy-bot");
}

#[test]
fn what_cannot_be_read_of_a_record_is_told_and_the_rest_too() {
    let mut source = source(true, offline());
    source.principals[0].runs[0].journal = Err("the journal is broken at line 3".into());
    source.unreadable = vec![("1/user/AIDA".into(), "the state is broken".into())];
    let told = report(&source);
    let why = |what: &str| told.unknown.iter().any(|one| one.what.contains(what));
    assert!(
        why("what run 20261121T031240Z-7c41e09a did to user `deploy-bot`"),
        "{:?}",
        told.unknown
    );
    assert!(why("what was done to 1/user/AIDA"), "{:?}", told.unknown);
    assert_eq!(told.runs[0].parts[0].steps[0].status, StepStatus::InDoubt);
    source.principals[0].runs[0].plan = Err("it was edited".into());
    assert_eq!(report(&source).runs[0].parts[0].steps, []);
}

#[test]
fn the_lane_of_a_key_is_what_was_read_of_it() {
    let told = report(&source(true, read(Standing::Contained)));
    let lane = told.lanes.iter().find(|lane| lane.resource == resource(KEY)).unwrap();
    let said: Vec<String> = lane
        .stretches
        .iter()
        .map(|one| {
            let clock = crate::text::clock;
            format!("{} {} {}", clock(one.from), clock(one.to), crate::render::words::was(one.was))
        })
        .collect();
    assert_eq!(
        said,
        [
            "01:40:00Z 03:12:41Z could act",
            "03:12:41Z 03:12:43Z as ringfence wrote it",
            "03:12:43Z 03:12:53Z not read since",
            "03:12:53Z 03:12:54Z could act",
            "03:12:54Z 04:00:00Z as ringfence wrote it",
            "04:00:00Z 04:00:01Z not read since",
        ]
    );
    let told = report(&source(true, read(Standing::Weakened)));
    let lane = told.lanes.iter().find(|lane| lane.resource == resource(KEY)).unwrap();
    assert_eq!(lane.stretches.last().unwrap().was, Was::Acting);
}

#[test]
fn what_a_later_plan_found_otherwise_has_not_stood_until_then() {
    let mut source = source(true, offline());
    let one = &mut source.principals[0];
    let (mut plan, mut journal) = (sample::revoke(), Journal::default());
    plan.created_at = at("2026-11-21T03:47:00Z");
    plan.principals[0].steps.truncate(1);
    journal.append(
        at("2026-11-21T03:48:01Z"),
        Event::Outcome {
            step: 1,
            resource: resource(KEY),
            result: StepResult::Done,
            service_date: Some(at("2026-11-21T03:48:01Z")),
            request_id: None,
            error: None,
        },
    );
    one.state.runs.push(Run {
        id: "20261121T034800Z-7c41e09a".into(),
        started_at: at("2026-11-21T03:48:00Z"),
        ..one.state.runs[0].clone()
    });
    one.runs.push(RecordedRun { plan: Ok(plan), journal: Ok(journal) });
    let told = report(&source);
    let lane = told.lanes.iter().find(|lane| lane.resource == resource(KEY)).unwrap();
    let was = |time: &str| {
        let time = at(time);
        lane.stretches.iter().find(|one| one.from <= time && time < one.to).unwrap().was
    };
    assert_eq!(was("2026-11-21T03:13:00Z"), Was::Stood);
    assert_eq!(was("2026-11-21T03:30:00Z"), Was::NotReadSince);
    assert_eq!(was("2026-11-21T03:47:30Z"), Was::Acting);
    let seen = told.timeline.iter().find(|one| one.at == at("2026-11-21T03:47:00Z")).unwrap();
    assert_eq!(seen.kind, MomentKind::Tampering);
    assert_eq!(seen.what, format!("{KEY} was found Active, and had been left Inactive"));
}

#[test]
fn how_long_it_held_begins_after_the_last_change() {
    let told = report(&source(true, offline()));
    let part = &told.runs[0].parts[0];
    assert_eq!((part.watched_s, part.held_for_s, part.tampering.len()), (30, 18, 1));
    assert_eq!(
        crate::render::words::verified(part),
        "3 of 3 steps read back as written at 2026-11-21T03:13:12Z, watched for 30 s, undone 1 time meanwhile, held for the last 18 s"
    );
}

#[test]
fn only_the_runs_of_the_incident_are_told() {
    let mut source = source(true, offline());
    source.incident = Some("INC-1".into());
    let told = report(&source);
    assert_eq!(told.marks, ["user `deploy-bot` is not recorded as part of incident INC-1"]);
    assert_eq!(told.runs.len(), 1, "a person has named the user");

    let one = &mut source.principals[0];
    one.state
        .runs
        .push(Run { id: "20261122T000000Z-aaaaaaaa".into(), ..one.state.runs[0].clone() });
    let mut other = one.runs[0].clone();
    other.plan = other.plan.map(|plan| Plan { incident: Some("INC-1".into()), ..plan });
    one.runs.push(other);
    one.state.incident = Some("INC-1".into());
    let told = report(&source);
    let ids: Vec<&str> = told.runs.iter().map(|run| run.id.as_str()).collect();
    assert_eq!(ids, ["20261122T000000Z-aaaaaaaa"]);
    source.incident = Some("INC-2041".into());
    let told = report(&source);
    assert_eq!(told.marks, ["user `deploy-bot` belongs to incident INC-1 now"]);
    assert_eq!(told.runs.len(), 1);
}

#[test]
fn what_a_trace_found_and_nobody_contained_is_open() {
    let mut source = source(true, read(Standing::Contained));
    source.trace =
        Some(Traced { file: "trace.json".into(), sha256: "0".repeat(64), trace: trace() });
    let told = report(&source);
    let open = told.open.iter().find(|open| open.who.is_none()).unwrap();
    assert_eq!(open.commands, ["ringfence plan --from trace.json --out plan.json"]);
    assert!(open.findings.iter().any(|one| one.what.contains("is not contained in this record")));
    assert!(told.timeline.iter().any(|moment| moment.kind == MomentKind::Issued));
    assert!(told.timeline.windows(2).all(|pair| pair[0].at <= pair[1].at));
}

/// A trace of the incident's account, with this target alone.
fn traced(name: &str, account: &str) -> Traced {
    let target = crate::trace::Target {
        kind: crate::trace::TargetKind::User,
        name: name.into(),
        account_id: Some(account.into()),
        why: "its key was used".into(),
    };
    let mut trace = Trace { targets: vec![target], ..trace() };
    for one in &mut trace.credentials {
        one.account_id = Some(account.into());
    }
    for made in &mut trace.persistence {
        made.account_id = Some(account.into());
    }
    Traced { file: "trace.json".into(), sha256: "0".repeat(64), trace }
}

/// Another principal of the store.
fn other(name: &str, contained: bool) -> Recorded {
    let mut one = recorded(contained);
    one.state.principal.name = name.parse().unwrap();
    one.state.principal.id = "AIDA3EXAMPLEOTHERONE".parse().unwrap();
    one
}

#[test]
fn who_has_a_record_of_its_own_is_left_out_and_not_called_uncontained() {
    let mut source = source(true, read(Standing::Contained));
    source.trace = Some(traced("backdoor", "123456789012"));
    let open = |source: &Source| report(source).open;
    let said = |source: &Source| format!("{:?}", open(source));
    assert!(said(&source).contains("user `backdoor` of account 123456789012, found by the trace, is not contained in this record"));

    source.others = vec![other("backdoor", true)];
    assert!(!said(&source).contains("user `backdoor`"), "{}", said(&source));
    let told = report(&source);
    assert_eq!(told.left_out.len(), 1);
    assert_eq!(told.left_out[0].stage, Stage::Contained);
    assert_eq!(
        crate::render::words::left_out(&told).unwrap(),
        "This report leaves out user `backdoor` (contained by its own record)."
    );
    let title = crate::render::words::title(&told);
    assert_eq!(title, "Containment of user `deploy-bot`, of incident INC-2041");

    source.others = vec![other("backdoor", false)];
    assert!(said(&source).contains(
        "found by the trace, is left out of this report, and not known to be contained by its own record"
    ));

    // Of the same incident, and found by no trace.
    source.trace = None;
    source.others = vec![other("second", true)];
    assert_eq!(report(&source).left_out.len(), 1);
    // Of another, and found by no trace.
    source.others[0].state.incident = Some("INC-1".into());
    source.others[0].runs.clear();
    source.others[0].state.runs.clear();
    assert_eq!(report(&source).left_out, []);
}

#[test]
fn a_trace_of_another_account_is_of_nobody_here() {
    let mut source = source(true, read(Standing::Contained));
    source.trace = Some(traced("deploy-bot", "210987654321"));
    assert_eq!(foreign(&source).as_deref(), Some("210987654321"));
    let told = report(&source);
    assert_eq!(
        told.marks,
        ["the trace is of account 210987654321: nobody in this record is of it"]
    );
    let open = format!("{:?}", told.open);
    assert!(open.contains(
        "user `deploy-bot` of account 210987654321, found by the trace, is not contained in this record"
    ));
    let made = |name: &str, account: &str| {
        let mut traced = traced("deploy-bot", account);
        traced.trace.persistence.truncate(1);
        for made in &mut traced.trace.persistence {
            made.kind = "user".into();
            made.name = name.into();
            made.live = true;
        }
        traced
    };
    source.trace = Some(made("deploy-bot", "210987654321"));
    assert!(!format!("{:?}", report(&source).open).contains("and is in this record"));
    source.trace = Some(made("deploy-bot", "123456789012"));
    assert!(format!("{:?}", report(&source).open).contains("and is in this record"));
    // An account that no event tells is no reason to take one name for another.
    let mut traced = traced("deploy-bot", "210987654321");
    traced.trace.targets[0].account_id = None;
    source.trace = Some(traced);
    let open = format!("{:?}", report(&source).open);
    assert!(
        open.contains("user `deploy-bot`, found by the trace, is not contained in this record")
    );
    assert_eq!(foreign(&Source { principals: Vec::new(), ..source }), None, "it is told alone");
}

#[test]
fn when_the_new_key_was_tried_stands_in_the_course() {
    let mut source = source(true, offline());
    let Ok(journal) = &mut source.principals[0].runs[0].journal else { unreachable!() };
    let checked = |allowed, time: &str| Event::KeyChecked {
        access_key: "AKIA3EXAMPLE6NEWKEY33".parse().unwrap(),
        authenticates: true,
        probes: vec![crate::journal::Probed {
            action: "s3:GetObject".into(),
            called: false,
            allowed: Some(allowed),
        }],
        under_hold: false,
        checked_at: at(time),
        error: None,
    };
    journal.append(at("2026-11-21T03:30:00Z"), checked(false, "2026-11-21T03:30:00Z"));
    journal.append(at("2026-11-21T03:30:09Z"), checked(true, "2026-11-21T03:30:09Z"));
    let told = report(&source);
    let tried: Vec<_> =
        told.timeline.iter().filter(|one| one.kind == MomentKind::KeyTried).collect();
    assert_eq!(tried.iter().map(|one| one.look).collect::<Vec<_>>(), [true, false]);
    assert_eq!(tried[1].at, at("2026-11-21T03:30:09Z"));
    assert_eq!(
        tried[1].what,
        "access_key/AKIA3EXAMPLE6NEWKEY33 authenticates, s3:GetObject is allowed (simulated)"
    );
    assert_eq!(told.runs[0].parts[0].key_tried.len(), 2);
}

#[test]
fn a_command_says_what_of_it_is_not_recorded() {
    let mut source = source(true, offline());
    source.trace = Some(traced("deploy-bot", "123456789012"));
    let command = |source: &Source| {
        report(source).commands.into_iter().find(|one| one.run.is_none()).unwrap()
    };
    let told = command(&source);
    assert_eq!(told.placeholders, ["LOGS"]);
    assert!(told.command.contains(" --logs LOGS "), "{}", told.command);
    assert!(
        crate::render::words::on_commands(&report(&source))
            .ends_with("LOGS stands for a path that the record does not have.")
    );
    let start = &mut source.trace.as_mut().unwrap().trace.start;
    start.logs = vec!["logs of may".into(), "s3://trail/AWSLogs".into()];
    let told = command(&source);
    assert_eq!(told.placeholders, [""; 0]);
    assert!(
        told.command.contains(" --logs 'logs of may' --logs s3://trail/AWSLogs "),
        "{}",
        told.command
    );
    let start = &mut source.trace.as_mut().unwrap().trace.start;
    (start.logs, start.lookup, start.regions) = (Vec::new(), true, vec!["eu-west-1".into()]);
    let told = command(&source);
    assert!(told.command.contains(" --lookup --regions eu-west-1 "), "{}", told.command);
    assert_eq!(told.placeholders, [""; 0]);

    // A plan from a trace that the report does not have.
    let Ok(plan) = &mut source.principals[0].runs[0].plan else { unreachable!() };
    plan.trace = Some(crate::plan::TraceSource {
        start: "AKIA3EXAMPLE4LEAKED1".into(),
        sha256: "1".repeat(64),
        left_open: Vec::new(),
    });
    let told = report(&source).commands;
    assert!(
        told.iter()
            .any(|one| one.command.contains("plan --from TRACE ") && one.placeholders == ["TRACE"]),
        "{told:#?}"
    );
}
