//! How far an incident has come, by what is recorded of its principals and by what was read. Pure.

use crate::journal::Journal;
use crate::plan::{Kind, Plan, PrincipalPlan};
use crate::state::{Run, State};
use crate::trace::{Target, Trace};
use crate::view::{Named, Standing, StateLine};
use serde::Serialize;
use std::collections::BTreeSet;

/// How far an incident, or one principal in it, has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// It was looked at, and no run has left it contained.
    Assessed,
    /// The last containing run ended complete, and what it read back was contained.
    Contained,
    /// A recovery was finished after the containment.
    Recovered,
    /// What was contained was given back.
    Released,
}

impl Stage {
    /// Every stage, in the order in which an incident comes to them.
    pub const ALL: [Self; 4] = [Self::Assessed, Self::Contained, Self::Recovered, Self::Released];

    /// In a word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Assessed => "assessed",
            Self::Contained => "contained",
            Self::Recovered => "recovered",
            Self::Released => "released",
        }
    }
}

/// Whether a text can be an incident's ID.
#[must_use]
pub fn is_id(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._:/-".contains(c);
    (1..=128).contains(&text.len()) && text.chars().all(fits)
}

/// How far a principal has come, by its record alone.
#[must_use]
pub fn stage(state: &State) -> Stage {
    if state.was_never_contained() {
        return Stage::Assessed;
    }
    if state.is_released() {
        return Stage::Released;
    }
    let mut contained = None;
    let mut recovered = false;
    let mut given_back = false;
    for run in &state.runs {
        match run.kind {
            Kind::Contain => {
                contained = is_complete(run).then_some(run.started_at);
                // What comes after a release is contained anew, and has to be recovered anew.
                recovered &= !given_back;
                given_back = false;
            }
            Kind::Release => given_back |= is_complete(run),
            Kind::Recover => recovered |= is_complete(run) && contained.is_some(),
        }
    }
    // A run that holds all it wrote has contained nobody while something else can act (D2.13).
    let seen = contained.is_some_and(|began| state.last_seen_contained >= Some(began));
    // Its key was stored and seen to work, and no deny on everything keeps it from doing so.
    match (seen, recovered && state.recovered().is_some()) {
        (false, _) => Stage::Assessed,
        (true, false) => Stage::Contained,
        (true, true) => Stage::Recovered,
    }
}

fn is_complete(run: &Run) -> bool {
    run.end.as_ref().is_some_and(|end| end.complete)
}

/// The same once the principal was read: contained is what was found so, and nothing else (D2.13). `undone` says
/// that something of the recovery does not stand any more.
#[must_use]
pub const fn once_read(recorded: Stage, standing: Standing, undone: bool) -> Stage {
    match standing {
        Standing::Contained => match recorded {
            Stage::Recovered if !undone => Stage::Recovered,
            _ => Stage::Contained,
        },
        Standing::Released | Standing::ReleasedFenceUntil => Stage::Released,
        Standing::NotContained
        | Standing::Weakened
        | Standing::Partial
        | Standing::Gone
        | Standing::Unknown => Stage::Assessed,
    }
}

/// How far an incident has come: as far as the principal that has come least far.
#[must_use]
pub fn of_all(stages: impl IntoIterator<Item = Stage>) -> Stage {
    stages.into_iter().min().unwrap_or(Stage::Assessed)
}

/// The principals of a plan that belongs to an incident and was not applied: they were assessed.
#[must_use]
pub fn planned(plan: &Plan, file: &str) -> Vec<StateLine> {
    let line = |part: &PrincipalPlan| StateLine {
        account_id: Some(plan.account_id.clone()),
        id: Some(part.id.clone()),
        name: Named::of(part.kind, Some(part.name.clone())),
        posture: Some(plan.posture.name.clone()),
        ..assessed(plan.incident.clone(), file, "planned")
    };
    plan.principals.iter().map(line).collect()
}

/// The users and roles that a trace of an incident has found; one line of none where it has found nobody.
#[must_use]
pub fn traced(trace: &Trace, file: &str) -> Vec<StateLine> {
    let line = |target: &Target| StateLine {
        account_id: target.account_id.as_ref().and_then(|id| id.parse().ok()),
        name: Named::of(target.kind.into(), target.name.parse().ok()),
        ..assessed(trace.incident.clone(), file, "traced")
    };
    if trace.targets.is_empty() {
        return vec![assessed(trace.incident.clone(), file, "traced")];
    }
    trace.targets.iter().map(line).collect()
}

fn assessed(incident: Option<String>, file: &str, stage: &str) -> StateLine {
    StateLine {
        account_id: None,
        id: None,
        name: Named::User(None),
        stage: stage.to_owned(),
        posture: None,
        serial: None,
        reached: Some(Stage::Assessed),
        incident,
        incident_stage: None,
        known_from: Some(file.to_owned()),
        last_run: None,
        break_glass: Vec::new(),
    }
}

/// Adds what traces and plans say of incidents of which the store knows nothing. A plan knows more of a principal
/// than the trace that it was made from.
pub fn join(lines: &mut Vec<StateLine>, mut found: Vec<StateLine>) {
    let known: BTreeSet<String> = lines.iter().filter_map(|line| line.incident.clone()).collect();
    found.retain(|line| line.incident.as_ref().is_some_and(|id| !known.contains(id)));
    found.sort_by_key(|line| line.id.is_none());
    for line in found {
        let same = |other: &StateLine| {
            (&other.incident, &other.name) == (&line.incident, &line.name)
                && (other.account_id == line.account_id || line.account_id.is_none())
        };
        if !lines.iter().any(same) {
            lines.push(line);
        }
    }
}

/// Puts the principals of each incident together, with its stage; those of none come first.
pub fn group(lines: &mut [StateLine]) {
    let of = |lines: &[StateLine], incident: &String| {
        let own = lines.iter().filter(|line| line.incident.as_ref() == Some(incident));
        of_all(own.filter_map(|line| line.reached))
    };
    let stages: Vec<Option<Stage>> =
        lines.iter().map(|line| Some(of(lines, line.incident.as_ref()?))).collect();
    for (line, stage) in lines.iter_mut().zip(stages) {
        line.incident_stage = stage;
    }
    lines.sort_by(|a, b| a.incident.cmp(&b.incident));
}

/// The incident that each run of a principal belongs to: the one its plan names, or else the one before it.
#[must_use]
pub fn of_runs<'a>(plans: impl IntoIterator<Item = Option<&'a Plan>>) -> Vec<Option<String>> {
    let mut current: Option<String> = None;
    let mut found = Vec::new();
    for plan in plans {
        if let Some(named) = plan.and_then(|plan| plan.incident.clone()) {
            current = Some(named);
        }
        found.push(current.clone());
    }
    found
}

/// How a run stands by its own record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RunStands {
    /// It is over, and every step holds.
    Complete,
    /// It is over, and not every step holds.
    Partial,
    /// Somebody holds its lock: it goes on.
    Going,
    /// Its record ends before its end, and nobody goes on with it.
    CutOff,
}

impl RunStands {
    /// How it stands; `held` says whether somebody holds the lock.
    #[must_use]
    pub fn of(run: &Run, journal: Option<&Journal>, held: bool) -> Self {
        let over = journal.is_none_or(Journal::finished);
        match &run.end {
            Some(end) if end.complete && over => Self::Complete,
            Some(_) => Self::Partial,
            None if held => Self::Going,
            None => Self::CutOff,
        }
    }

    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Partial => "partial",
            Self::Going => "still going",
            Self::CutOff => "cut off",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample;
    use crate::state::RunEnd;

    fn run(kind: Kind, second: &str, complete: Option<bool>) -> Run {
        let started_at = sample::at(&format!("2026-11-21T03:{second}Z"));
        let end = complete.map(|complete| RunEnd {
            at: started_at,
            complete,
            journal_entries: 1,
            journal_head: String::new(),
        });
        Run { kind, started_at, end, ..sample::recorded().runs[0].clone() }
    }

    fn state(runs: Vec<Run>, seen: Option<&str>) -> State {
        let last_seen_contained = seen.map(|time| sample::at(&format!("2026-11-21T03:{time}Z")));
        State { runs, last_seen_contained, released_at: None, ..sample::recorded() }
    }

    #[test]
    fn a_containment_counts_once_it_was_complete_and_seen() {
        use Kind::Contain;
        let seen = Some("13:12");
        let at = |runs, seen| stage(&state(runs, seen));
        assert_eq!(at(Vec::new(), seen), Stage::Assessed, "an import has no run");
        assert_eq!(at(vec![run(Contain, "12:40", None)], None), Stage::Assessed);
        assert_eq!(at(vec![run(Contain, "12:40", Some(false))], seen), Stage::Assessed);
        assert_eq!(at(vec![run(Contain, "12:40", Some(true))], None), Stage::Assessed);
        assert_eq!(at(vec![run(Contain, "12:40", Some(true))], seen), Stage::Contained);
        // It had to be contained again, and that run was cut off.
        let again = vec![run(Contain, "12:40", Some(true)), run(Contain, "40:00", None)];
        assert_eq!(at(again, seen), Stage::Assessed);
        // The second run was complete and has not found it contained.
        let again = vec![run(Contain, "12:40", Some(true)), run(Contain, "40:00", Some(true))];
        assert_eq!(at(again, seen), Stage::Assessed);
    }

    #[test]
    fn a_step_down_is_no_release_and_a_release_is_one() {
        let runs =
            vec![run(Kind::Contain, "12:40", Some(true)), run(Kind::Release, "50:00", Some(true))];
        let mut state = state(runs, Some("50:01"));
        assert_eq!(stage(&state), Stage::Contained);
        state.released_at = Some(sample::at("2026-11-21T03:50:02Z"));
        assert_eq!(stage(&state), Stage::Released);
        state.released_at = None;
        state.runs.push(run(Kind::Contain, "55:00", Some(false)));
        assert_eq!(stage(&state), Stage::Assessed, "a new containment is a new count");
    }

    #[test]
    fn a_recovery_counts_after_a_containment_and_once_its_key_was_seen_to_work() {
        let runs = || {
            vec![run(Kind::Contain, "12:40", Some(true)), run(Kind::Recover, "50:00", Some(true))]
        };
        let mut state = state(runs(), Some("13:12"));
        assert_eq!(stage(&state), Stage::Contained, "no key was made");
        state.recoveries.push(crate::state::Recovery {
            run: state.runs[1].id.clone(),
            access_key: Some("AKIA3EXAMPLE6NEWKEY33".parse().unwrap()),
            stored_in: None,
            version: None,
            status: crate::state::KeyStatus::Stored,
            checked_at: Some(sample::at("2026-11-21T03:50:02Z")),
        });
        assert_eq!(stage(&state), Stage::Recovered);
        state.runs[1] = run(Kind::Recover, "50:00", Some(false));
        assert_eq!(stage(&state), Stage::Contained);
        state.runs = runs().into_iter().rev().collect();
        assert_eq!(stage(&state), Stage::Contained, "it was contained after it");
    }

    #[test]
    fn what_was_read_decides_what_is_called_contained() {
        for recorded in Stage::ALL {
            for weak in [
                Standing::NotContained,
                Standing::Weakened,
                Standing::Partial,
                Standing::Gone,
                Standing::Unknown,
            ] {
                assert_eq!(once_read(recorded, weak, false), Stage::Assessed);
            }
        }
        assert_eq!(once_read(Stage::Assessed, Standing::Contained, false), Stage::Contained);
        assert_eq!(once_read(Stage::Recovered, Standing::Contained, false), Stage::Recovered);
        assert_eq!(once_read(Stage::Recovered, Standing::Contained, true), Stage::Contained);
        assert_eq!(once_read(Stage::Contained, Standing::Released, false), Stage::Released);
    }

    #[test]
    fn an_incident_is_as_far_as_its_last_principal() {
        assert_eq!(of_all([]), Stage::Assessed);
        assert_eq!(of_all([Stage::Released, Stage::Contained]), Stage::Contained);
        assert_eq!(of_all([Stage::Released, Stage::Released]), Stage::Released);
    }

    #[test]
    fn a_run_belongs_to_the_incident_that_was_named_last() {
        let named = sample::lockdown();
        let release = sample::release();
        let of = of_runs([None, Some(&named), Some(&release), None]);
        let incident = Some("INC-2041".to_owned());
        assert_eq!(of, [None, incident.clone(), incident.clone(), incident]);
    }

    #[test]
    fn a_run_is_over_when_its_record_says_so() {
        let done = run(Kind::Contain, "12:40", Some(true));
        assert_eq!(RunStands::of(&done, None, false), RunStands::Complete);
        assert_eq!(RunStands::of(&done, Some(&Journal::default()), false), RunStands::Partial);
        let open = run(Kind::Contain, "12:40", None);
        assert_eq!(RunStands::of(&open, None, true), RunStands::Going);
        assert_eq!(RunStands::of(&open, None, false), RunStands::CutOff);
    }

    #[test]
    fn an_incident_that_only_a_file_knows_is_assessed() {
        let plan = Plan { incident: Some("INC-7".into()), ..sample::revoke() };
        let mut trace = crate::report::tests::trace();
        trace.incident = Some("INC-7".into());
        trace.targets.truncate(1);
        trace.targets[0].name = "deploy-bot".into();
        trace.targets[0].account_id = None;
        let of = |found: Vec<StateLine>| {
            let mut lines = Vec::new();
            join(&mut lines, found);
            group(&mut lines);
            lines
        };
        let lines = of([traced(&trace, "trace.json"), planned(&plan, "plan.json")].concat());
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!(lines[0].known_from.as_deref(), Some("plan.json"));
        assert_eq!(lines[0].incident_stage, Some(Stage::Assessed));
        // It has found nobody, and is an incident all the same.
        trace.targets.clear();
        assert_eq!(of(traced(&trace, "trace.json")).len(), 1);
        // A plan of none is of none.
        assert_eq!(of(planned(&Plan { incident: None, ..plan.clone() }, "plan.json")), []);
        // What the store knows of says more.
        let mut known = planned(&plan, "store");
        known[0].known_from = None;
        join(&mut known, planned(&plan, "plan.json"));
        assert_eq!(known.len(), 1);
    }
}
