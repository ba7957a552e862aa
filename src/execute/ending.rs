//! What a run amounts to for one principal: only what was read back is claimed (D2.13).

use super::active::Active;
use super::is_release;
use crate::journal::{Event, StepStatus};
use crate::plan::{Destination, Fields, Kind, Plan, Recover, Step};
use crate::resource::Resource;
use crate::snapshot::Snapshot;
use crate::standing::{Judgement, fence_view, hold_stands, judge, limits, remedies};
use crate::state::{HeldStatus, KeyStatus, State};
use crate::text::{clock, count, shell, shown};
use crate::view::{Finding, PrincipalEnding, Standing};

pub(super) fn of(
    plan: &Plan,
    one: &Active,
    state: Option<&State>,
    complete: bool,
) -> PrincipalEnding {
    let now = one.reading();
    let judged = state.zip(now.as_ref().ok()).map(|(state, now)| judge(state, now));
    let mut open = open_steps(one);
    if let Some(judged) = &judged {
        for finding in judged.findings() {
            if !open.iter().any(|item| item.resource.is_some() && item.resource == finding.resource)
            {
                open.push(finding);
            }
        }
    }
    open.extend(one.plan.blocked.iter().map(|blocked| Finding {
        resource: None,
        what: format!("{}: {}", blocked.what, blocked.why),
    }));
    open.extend(one.unusable().map(|what| Finding { resource: None, what }));
    if let Err(error) = &now {
        let what = format!("it could not be read back: {}", error.message());
        open.push(Finding { resource: None, what });
    }
    if let Some(error) = &one.broken {
        let cause = error.cause().map_or_else(String::new, |cause| format!(": {cause}"));
        let what = format!(
            "the record could not be written, so nothing more was done: {}{cause}",
            error.message()
        );
        open.push(Finding { resource: None, what });
    }
    let mut standing = standing(plan, judged.as_ref(), complete);
    if one.restless && standing == Standing::Contained {
        standing = Standing::Weakened;
        let times = count(one.tampering.len(), "time", "times");
        let what = format!("it was undone {times} while it was watched, and again at the end");
        open.push(Finding { resource: None, what });
    }
    let snapshot = now.ok();
    PrincipalEnding {
        who: one.plan.who(),
        standing,
        holds: holds(plan, one, state, snapshot),
        read_back_at: snapshot.filter(|_| accepted_unread(one) == 0).map(|now| now.read_at),
        held_for_s: one.held_for_s,
        commands: commands(plan, one, state, judged.as_ref(), standing),
        open,
        tampering: one.tampering.clone(),
        notes: notes(one, standing, state.zip(snapshot.filter(|_| plan.kind == Kind::Contain))),
        fence: state.and_then(|state| fence_view(state, snapshot)),
        serial: state.map_or(one.plan.serial, |state| state.serial),
        journal_head: one.journal().head().to_owned(),
    }
}

fn standing(plan: &Plan, judged: Option<&Judgement>, complete: bool) -> Standing {
    match judged {
        None => Standing::Unknown,
        Some(judged) if judged.standing == Standing::NotContained => Standing::NotContained,
        // What others undid and nobody has done again is worse than a step that is open.
        Some(judged) if plan.kind == Kind::Contain && judged.standing == Standing::Weakened => {
            Standing::Weakened
        }
        Some(judged) if plan.kind == Kind::Recover && judged.standing == Standing::Weakened => {
            Standing::Weakened
        }
        Some(_) if !complete => Standing::Partial,
        // A release that steps down leaves a containment; what others changed was said in its plan.
        Some(judged) if is_release(plan) && judged.standing == Standing::Weakened => {
            Standing::Weakened
        }
        Some(judged) => judged.standing,
    }
}

fn open_steps(one: &Active) -> Vec<Finding> {
    let mut found = Vec::new();
    for step in one.plan.last_steps().filter(|step| !one.took_back(step)) {
        let what = match one.journal().status(step.id) {
            StepStatus::Stored | StepStatus::Skipped | StepStatus::Done => continue,
            StepStatus::Planned => "was not tried".to_owned(),
            _ if one.unread.is_none() && one.is_off(step) => continue,
            StepStatus::NotStored => "was written, and taken away again".to_owned(),
            StepStatus::Intended | StepStatus::Repeated | StepStatus::InDoubt => {
                "no answer says whether it was done".to_owned()
            }
            StepStatus::Open => last_error(one, step),
        };
        found.push(Finding { resource: Some(step.resource.clone()), what });
    }
    found
}

/// What others have made since the plan, and nobody has stopped (D2.3).
fn newcomers(one: &Active, now: &Snapshot) -> Vec<String> {
    let planned =
        |resource: &Resource| one.plan.steps.iter().any(|step| step.resource == *resource);
    crate::drift::appeared(&one.plan.snapshot, now)
        .into_iter()
        .filter(|(resource, _)| !planned(resource))
        .map(|(resource, what)| format!("{resource} is left as it is: {what}"))
        .collect()
}

fn last_error(one: &Active, step: &Step) -> String {
    one.journal()
        .entries()
        .iter()
        .rev()
        .find_map(|entry| match &entry.event {
            Event::Outcome { step: id, error, .. } if *id == step.id => {
                error.as_ref().map(|error| format!("was not done: {error}"))
            }
            _ => None,
        })
        .unwrap_or_else(|| "was refused".to_owned())
}

/// How many calls were accepted, where nothing of what they changed could be read back.
fn accepted_unread(one: &Active) -> usize {
    let with = |wanted: StepStatus| {
        one.plan.last_steps().filter(|step| one.journal().status(step.id) == wanted).count()
    };
    if with(StepStatus::Stored) == 0 { with(StepStatus::Done) } else { 0 }
}

/// One sentence with what holds, each part of it read back.
fn holds(plan: &Plan, one: &Active, state: Option<&State>, now: Option<&Snapshot>) -> String {
    let (Some(state), Some(now)) = (state, now) else {
        return "what holds is not known".to_owned();
    };
    if plan.kind == Kind::Recover {
        return recovered(one, state);
    }
    let accepted = accepted_unread(one);
    if accepted > 0 {
        return format!("{} accepted", count(accepted, "call was", "calls were"));
    }
    if is_release(plan) {
        let back = done(one).count();
        return match (back, state.is_released()) {
            (0, true) => "nothing to give back: released".to_owned(),
            (0, false) => "nothing was given back".to_owned(),
            (n, true) => format!("{} given back", count(n, "resource", "resources")),
            (n, false) => {
                format!("{} given back, the rest is held", count(n, "resource", "resources"))
            }
        };
    }
    let mut parts = Vec::new();
    let off = state
        .resources
        .iter()
        .filter(|(resource, held)| {
            matches!(resource, Resource::AccessKey(_))
                && held.status == HeldStatus::Held
                && now.value(resource).known().flatten() == held.ours
        })
        .count();
    let leaked = state.compromised.iter().any(|item| item.why.is_named());
    match (off, leaked) {
        (0, _) => {}
        (1, true) => parts.push("leaked key off".to_owned()),
        (n, _) => parts.push(format!("{} off", count(n, "access key", "access keys"))),
    }
    let other = state
        .held()
        .filter(|(resource, held)| {
            resource.is_credential()
                && !matches!(resource, Resource::AccessKey(_))
                && now.value(resource).known() == Some(held.ours.clone())
        })
        .count();
    if other > 0 {
        parts.push(format!("{} off", count(other, "other credential", "other credentials")));
    }
    if crate::standing::fence_stands(state, now) {
        parts.push("fenced".to_owned());
    }
    if hold_stands(state, now) {
        parts.push("held by a deny on everything".to_owned());
    }
    match parts.split_last() {
        None => "nothing of ringfence's holds".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

/// What a recovery has come to.
fn recovered(one: &Active, state: &State) -> String {
    let mut parts = Vec::new();
    let making = one.plan.steps.iter().any(|step| step.resource == Resource::NewAccessKey);
    if let Some(recovery) = state.recoveries.last().filter(|_| making) {
        let key = recovery.access_key.as_ref().map(|id| format!("access_key/{id}"));
        let key = key.unwrap_or_else(|| "the new key".to_owned());
        let stored = match &recovery.stored_in {
            Some(place) => format!("stored in {place}"),
            None => "handed out".to_owned(),
        };
        parts.push(match recovery.status {
            KeyStatus::Stored => format!("{key} is made and {stored}"),
            KeyStatus::Made => format!("{key} is made, and not known to be {stored}"),
            KeyStatus::Discarded => {
                format!("{key} was made, could not be {stored}, and was deleted again")
            }
            KeyStatus::InDoubt => "whether a new key was made is not known".to_owned(),
            KeyStatus::NotMade => "no new key was made".to_owned(),
        });
    }
    let deleted = |step: &&Step| step.resource.is_credential() && !step.reversible;
    let own = |step: &&Step| {
        let id = state.recoveries.last().and_then(|one| one.access_key.as_ref());
        id.is_some_and(|id| step.resource == Resource::AccessKey(id.clone()))
    };
    let gone = done(one).filter(deleted).filter(|step| !own(step));
    parts.extend(gone.map(|step| format!("{} is deleted", step.resource)));
    let right = |step: &&Step| state.rights.contains_key(&step.resource);
    let rights = done(one).filter(right).count();
    if rights > 0 {
        parts.push(format!("{} changed", count(rights, "right is", "rights are")));
    }
    if parts.is_empty() { "nothing was changed".to_owned() } else { parts.join(", ") }
}

fn done(one: &Active) -> impl Iterator<Item = &Step> {
    one.plan.last_steps().filter(|step| {
        matches!(one.journal().status(step.id), StepStatus::Stored | StepStatus::Skipped)
    })
}

/// What helps where whoever undoes the containment may call IAM: nothing inside the account does (F30).
const OUTSIDE: &str = "somebody undoes it as it is done: a service control policy that lets only the \
    responder's role change it ends that";

fn notes(one: &Active, standing: Standing, contained: Option<(&State, &Snapshot)>) -> Vec<String> {
    let mut notes = contained.map(|(_, now)| newcomers(one, now)).unwrap_or_default();
    notes.extend(contained.map(|(state, now)| limits(state, now)).unwrap_or_default());
    if let Some(folder) = one.locked.moved() {
        let (folder, store) = (folder.display().to_string(), one.locked.location());
        notes.push(format!(
            "the record of this run is in {}: {} could not be reached",
            shown(&folder),
            shown(&store)
        ));
    }
    if standing == Standing::Weakened && !one.tampering.is_empty() {
        notes.push(OUTSIDE.to_owned());
    }
    for entry in one.journal().entries() {
        if let Event::Skipped { resource, .. } = &entry.event {
            notes.push(format!("{resource} was so already: not claimed"));
        }
    }
    if let Some((fence_time, still_active)) = last_fence(one) {
        notes.extend(still_active.iter().map(|key| {
            format!("the fence at {} does not count while {key} is Active", clock(fence_time))
        }));
    }
    for kept in &one.plan.kept {
        notes.push(format!("kept: {} {}", kept.resource, kept.why));
    }
    notes
}

/// The fence's time that was fixed last, and the keys that were Active then.
fn last_fence(one: &Active) -> Option<(jiff::Timestamp, &[Resource])> {
    one.journal().entries().iter().rev().find_map(|entry| match &entry.event {
        Event::FenceTime { fence_time, still_active, .. } => {
            Some((*fence_time, still_active.as_slice()))
        }
        _ => None,
    })
}

/// What to run after a recovery: under a hold the key can do nothing yet.
fn after_recovery(plan: &Plan, one: &Active, state: &State, standing: Standing) -> Vec<String> {
    let who = one.plan.who().flag();
    let held = one.journal().entries().iter().any(|entry| {
        matches!(entry.event, Event::KeyChecked { authenticates: true, under_hold: true, .. })
    });
    if held {
        return vec![format!("ringfence rollback {who} --to revoke --out lift.json")];
    }
    let Some(recover) = &plan.recover else { return Vec::new() };
    let stored = state.recoveries.last().is_some_and(|last| last.status == KeyStatus::Stored);
    match standing {
        Standing::NotContained if state.was_never_contained() => {
            vec![format!("ringfence plan {who} --out plan.json")]
        }
        // The key is there: what is open are the rights.
        Standing::Partial if stored => {
            vec![format!("ringfence recover {who} --policy FILE --out rights.json")]
        }
        Standing::Partial => {
            vec![format!("ringfence recover {who} {} --out recover.json", asked(recover, one))]
        }
        _ => Vec::new(),
    }
}

/// What was asked for, as it is asked for once more.
fn asked(recover: &Recover, one: &Active) -> String {
    let named = |fields: &Fields| {
        let names = format!("{},{}", fields.access_key_id, fields.secret_access_key);
        match *fields == Fields::default() {
            true => String::new(),
            false => format!(" --secret-fields {}", shell(&names)),
        }
    };
    let mut flags = match &recover.to {
        Destination::Secret { id, region: None, fields } => {
            format!("--secret {}{}", shell(id), named(fields))
        }
        Destination::Secret { id, region: Some(region), fields } => format!(
            "--secret {} --create-secret --region {}{}",
            shell(id),
            shell(region),
            named(fields)
        ),
        Destination::Profile { file, profile } => {
            format!("--to-profile {} --credentials-file {}", shell(profile), shell(file))
        }
        Destination::Stdout => "--secret-to-stdout".to_owned(),
    };
    let writes = |step: &&Step| matches!(step.resource, Resource::InlinePolicy(_));
    if one.plan.steps.iter().filter(writes).any(|step| step.after.is_some()) {
        flags.push_str(" --policy FILE");
    }
    for probe in &recover.probes {
        flags.push_str(&format!(" --probe {}", shell(probe)));
    }
    if recover.override_containment {
        flags.push_str(" --override");
    }
    flags
}

/// What to run next, for what is open.
fn commands(
    plan: &Plan,
    one: &Active,
    state: Option<&State>,
    judged: Option<&Judgement>,
    standing: Standing,
) -> Vec<String> {
    let who = one.plan.who().flag();
    let mut commands = match (state, judged) {
        (Some(_), Some(_)) if is_release(plan) && standing.is_weak() => {
            let to = state.filter(|state| state.posture != plan.posture);
            let to = to.map(|_| format!(" --to {}", shell(&plan.posture.name)));
            vec![format!("ringfence rollback {who}{}", to.unwrap_or_default())]
        }
        (Some(state), Some(_)) if plan.kind == Kind::Recover => {
            after_recovery(plan, one, state, standing)
        }
        (Some(state), Some(judged)) => remedies(state, &Judgement { standing, ..judged.clone() }),
        _ => vec![format!("ringfence status {who}")],
    };
    if let Some(folder) = one.locked.moved() {
        let (folder, store) = (folder.display().to_string(), one.locked.location());
        commands.push(format!("ringfence state push {} --state {}", shell(&folder), shell(&store)));
    }
    commands
}
