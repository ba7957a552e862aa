//! What text, Markdown and HTML say alike: values, counts and sentences, so that they cannot disagree.

mod report;

pub(crate) use report::*;

use crate::approval::Verdict;
use crate::guardrail::{self, Outcome};
use crate::identity::{AccessKeyId, Who};
use crate::impact::{Line, Stops, told};
use crate::journal::{Event, Probed};
use crate::lineage::is_our_name;
use crate::plan::{Change, Compromised, Kind, Plan, PrincipalKind, PrincipalPlan, Step, Why};
use crate::policy::{PolicyDocument, hold};
use crate::resource::{Resource, Value};
use crate::snapshot::{AccessKey, LastUsed, Observed, Snapshot, Status};
use crate::text::{ago, clock, count, shell, shown, whole_seconds};
use crate::view::{Ending, Finding, PrincipalEnding, Standing};
use jiff::Timestamp;

/// A time in whole seconds.
pub(crate) fn stamp(time: Timestamp) -> String {
    whole_seconds(time).to_string()
}

/// A time with the age beside it.
pub(super) fn stamp_ago(time: Timestamp, now: Timestamp) -> String {
    format!("{} ({})", stamp(time), ago(time, now))
}

/// A value in a few words.
pub(crate) fn value(value: Option<&Value>) -> String {
    match value {
        None => "absent".to_owned(),
        Some(Value::Status(status)) => status.to_string(),
        Some(Value::Document(document)) => document_words(document),
        Some(Value::PolicyArn(arn)) => shown(arn).into_owned(),
        Some(Value::Attached) => "attached".to_owned(),
        Some(Value::Member) => "member".to_owned(),
        Some(Value::Password) => "set".to_owned(),
        Some(Value::AccessKeyId(known) | Value::SecretVersion(known)) => known.words(),
    }
}

fn document_words(document: &PolicyDocument) -> String {
    if let Some(time) = document.fence_time() {
        format!("fence {}", stamp(time))
    } else if document.awaits_fence_time() {
        "fence".to_owned()
    } else if *document == hold() {
        "hold".to_owned()
    } else {
        format!("policy of {}", count(document.quota_size(), "character", "characters"))
    }
}

/// Whether a step takes away a deny exactly as ringfence writes it, which says nothing new line by line.
pub(super) fn lifts_our_own(step: &Step) -> bool {
    let ours = match &step.resource {
        Resource::ManagedPolicy(arn) => arn.rsplit('/').next().is_some_and(is_our_name),
        other => other.inline_name().is_some_and(is_our_name),
    };
    ours && step.after.is_none()
        && matches!(&step.before, Some(Value::Document(document))
            if document.fence_time().is_some() || *document == hold())
}

/// What a step makes of a value, where its resource has one that fits on a line.
pub(super) fn transition(step: &Step) -> Option<(&'static str, String, String)> {
    let label = match &step.resource {
        Resource::AccessKey(_)
        | Resource::SshKey(_)
        | Resource::SigningCertificate(_)
        | Resource::ServiceCredential(_) => "status",
        Resource::PermissionsBoundary => "policy",
        Resource::Secret(_) => "version",
        Resource::Profile(_) => "key",
        _ => return None,
    };
    Some((label, value(step.before.as_ref()), value(step.after.as_ref())))
}

/// What became of a new key that was tried, each with whether it is as it should be.
pub(crate) fn key_checked(event: &Event) -> Vec<(bool, String)> {
    let Event::KeyChecked { access_key, authenticates, probes, under_hold, error, .. } = event
    else {
        return Vec::new();
    };
    let mut said = vec![match authenticates {
        true => (true, format!("access_key/{access_key} authenticates")),
        false => (false, format!("access_key/{access_key} does not authenticate")),
    }];
    if *under_hold {
        let held = "a deny on everything keeps it from doing anything until it is lifted";
        said.push((false, held.to_owned()));
    }
    said.extend(probes.iter().map(|probe| (probe.allowed == Some(true), probed(probe))));
    said.extend(error.iter().map(|error| (false, shown(error).into_owned())));
    said
}

/// Whether an action is allowed, and how that was seen.
fn probed(probe: &Probed) -> String {
    let how = if probe.called { "called" } else { "simulated" };
    match probe.allowed {
        Some(true) => format!("{} is allowed ({how})", shown(&probe.action)),
        Some(false) => format!("{} is denied ({how})", shown(&probe.action)),
        None => format!("{} could not be tried", shown(&probe.action)),
    }
}

/// The last recorded use of an access key, as the snapshot has it; `None` where it has no such key.
pub(super) fn key_use(snapshot: &Snapshot, id: &AccessKeyId, now: Timestamp) -> Option<String> {
    let key = access_key(snapshot, id)?;
    Some(match &key.last_used {
        Observed::Unread(_) => "last use not readable".to_owned(),
        Observed::Read(None) => "no recorded use".to_owned(),
        Observed::Read(Some(used)) => {
            format!("last recorded use {}{}", ago(used.at, now), place(used))
        }
    })
}

/// The key of that ID in a snapshot.
pub(super) fn access_key<'a>(snapshot: &'a Snapshot, id: &AccessKeyId) -> Option<&'a AccessKey> {
    snapshot.access_keys.items().iter().find(|key| key.id == *id)
}

/// `, s3 in eu-west-1`. AWS writes `N/A` for what it has not recorded.
fn place(used: &LastUsed) -> String {
    let known = |text: &str| !text.is_empty() && text != "N/A";
    match (known(&used.service), known(&used.region)) {
        (true, true) => format!(", {} in {}", shown(&used.service), shown(&used.region)),
        (true, false) => format!(", {}", shown(&used.service)),
        (false, true) => format!(", in {}", shown(&used.region)),
        (false, false) => String::new(),
    }
}

/// `3 to create, …` and what of it cannot be undone.
pub(super) fn summary(plan: &Plan) -> String {
    if plan.is_empty() {
        return no_changes(plan);
    }
    let steps = plan.steps();
    let of = |change: Change| steps.iter().filter(|(_, step)| step.action == change).count();
    let counts = format!(
        "Plan: {} to create, {} to change, {} to remove.",
        of(Change::Create),
        of(Change::Update),
        of(Change::Delete)
    );
    let undone = match (steps.iter().filter(|(_, step)| !step.reversible).count(), plan.kind) {
        (0, Kind::Contain) => " Everything can be undone.".to_owned(),
        (0, Kind::Release | Kind::Recover) => String::new(),
        (n, _) => format!(" {} cannot be undone.", count(n, "step", "steps")),
    };
    counts + &undone + &stays_open(plan)
}

/// What apply does after the last wave, where that is more than reading back (D2.2).
pub(super) fn settle(plan: &Plan) -> Option<String> {
    let clause = &plan.settle;
    if clause.for_s == 0 || plan.is_empty() {
        return None;
    }
    let mut does = Vec::new();
    if clause.reassert {
        does.push("what others undo is done again".to_owned());
    }
    if clause.move_fence {
        let only_roles = plan.principals.iter().all(|one| one.kind == PrincipalKind::Role);
        let when = if only_roles { "a deny comes late" } else { "a key comes back" };
        does.push(format!("the fence moves if {when}"));
    }
    let kinds: Vec<&str> = clause.contain_new.iter().map(|kind| kind.words()).collect();
    match kinds.split_last() {
        None => {}
        Some((last, [])) => does.push(format!("new {last} are turned off")),
        Some((last, rest)) => {
            does.push(format!("new {} and {last} are turned off", rest.join(", ")))
        }
    }
    Some(format!("Then watched for {} s: {}.", clause.for_s, does.join("; ")))
}

/// What the posture asks for and the plan cannot do, so that the run will end as partial (D2.4).
fn stays_open(plan: &Plan) -> String {
    let several = plan.principals.len() > 1;
    let mut open = Vec::new();
    for one in &plan.principals {
        let of = match one.kind {
            PrincipalKind::User if !several => String::new(),
            _ => format!(" of {}", one.who()),
        };
        open.extend(one.blocked.iter().map(|blocked| format!("{}{of}", shown(&blocked.what))));
    }
    open.dedup();
    if open.is_empty() { String::new() } else { format!(" Stays open: {}.", open.join(", ")) }
}

fn no_changes(plan: &Plan) -> String {
    let users = users(plan);
    let many = plan.principals.len() > 1;
    if plan.kind != Kind::Contain {
        return format!("No changes. There is nothing to release of {users} now.");
    }
    // A warning may say that something could not be planned, so nothing is claimed beside one.
    let marked = |one: &PrincipalPlan| !one.warnings.is_empty() || !one.blocked.is_empty();
    if plan.principals.iter().any(marked) {
        return format!("No changes to {users}: see what is marked with !.{}", stays_open(plan));
    }
    let unread = plan.principals.iter().any(|principal| !principal.unread.is_empty());
    let mut known = if unread { format!("as far as it could be read, {users}") } else { users };
    if let Some(first) = known.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    let verb = if many { "are" } else { "is" };
    format!("No changes. {known} {verb} already as posture {} asks.", shown(&plan.posture.name))
}

/// ``user `a` ``, ``users `a` and `b` ``, ``user `a` and role `b` ``, `all 3 users`.
pub(super) fn users(plan: &Plan) -> String {
    match plan.principals.as_slice() {
        [] => "no user".to_owned(),
        [one] => one.who().to_string(),
        [one, two] if one.kind == two.kind => {
            format!("{}s `{}` and `{}`", one.kind, one.name, two.name)
        }
        [one, two] => format!("{} and {}", one.who(), two.who()),
        many => format!("all {}", principals(many)),
    }
}

/// `2 users`, `1 user and 2 roles`.
pub(super) fn principals(many: &[PrincipalPlan]) -> String {
    let of = |kind| many.iter().filter(|one| one.kind == kind).count();
    let users = count(of(PrincipalKind::User), "user", "users");
    let roles = count(of(PrincipalKind::Role), "role", "roles");
    match (of(PrincipalKind::User), of(PrincipalKind::Role)) {
        (_, 0) => users,
        (0, _) => roles,
        _ => format!("{users} and {roles}"),
    }
}

/// What of the real use a step stops, where the plan was made with a record of it.
pub(super) fn stops(principal: &PrincipalPlan, step: &Step, now: Option<Timestamp>) -> Vec<Line> {
    let stops = principal.usage.as_ref().zip(Stops::by(principal, step));
    stops.map(|(usage, stops)| told(usage, &stops, now)).unwrap_or_default()
}

/// Where the plan comes from a finding: which one.
pub(super) fn found_by(plan: &Plan) -> Option<(String, String)> {
    let finding = plan.finding.as_ref()?;
    Some((shown(&finding.kind).into_owned(), shown(&finding.id).into_owned()))
}

/// What the time of a fence is counted from: of a role it is whatever the run does last (F12).
pub(super) fn counted(kind: PrincipalKind, margin_s: u32) -> String {
    let from = match kind {
        PrincipalKind::User => "key-off",
        PrincipalKind::Role => "apply",
    };
    format!("{from} + {} s", u64::from(margin_s) + 1)
}

/// Where the plan comes from a trace: what that began with, and its digest.
pub(super) fn traced(plan: &Plan) -> Option<(String, String)> {
    let trace = plan.trace.as_ref()?;
    Some((shown(&trace.start).into_owned(), trace.sha256.clone()))
}

/// What a trace has found and the plan does nothing about.
pub(super) fn left_open(plan: &Plan) -> Vec<(String, String)> {
    let found = plan.trace.iter().flat_map(|trace| &trace.left_open);
    found.map(|one| (shown(&one.what).into_owned(), shown(&one.why).into_owned())).collect()
}

/// What a plan is for, as the header says it.
pub(super) fn purpose(plan: &Plan) -> String {
    match plan.kind {
        Kind::Contain => format!("posture {}", shown(&plan.posture.name)),
        Kind::Release => "release".to_owned(),
        Kind::Recover => "recovery".to_owned(),
    }
}

/// The plan's first lines where nobody named a key (D3).
pub(super) fn no_key_named(plan: &Plan) -> Vec<String> {
    plan.principals
        .iter()
        .filter_map(|principal| {
            let unnamed = principal.compromised.iter().any(|item| item.why == Why::NoKeyNamed);
            let off = keys_off(principal);
            let whose = if plan.principals.len() > 1 {
                format!(" for {}", principal.who())
            } else {
                String::new()
            };
            (unnamed && off > 0).then(|| match off {
                1 => format!("no key was named{whose}: the 1 Active key will stop working"),
                n => format!("no key was named{whose}: all {n} Active keys will stop working"),
            })
        })
        .collect()
}

fn keys_off(principal: &PrincipalPlan) -> usize {
    let off = |step: &&Step| {
        matches!(step.resource, Resource::AccessKey(_))
            && step.before == Some(Value::Status(Status::Active))
            && step.turns_off()
    };
    principal.steps.iter().filter(off).count()
}

/// A finding as a sentence without its end: the resource, then what there is to say of it.
pub(crate) fn finding(finding: &Finding) -> String {
    let what = shown(&finding.what);
    let Some(resource) = &finding.resource else {
        return what.into_owned();
    };
    // What describes the resource stands between commas; a verb follows it directly.
    let describes = ["created ", "made ", "compromised"].iter().any(|word| what.starts_with(word));
    let comma = if describes { "," } else { "" };
    format!("{}{comma} {what}", shown(&resource.to_string()))
}

/// Why a credential counts as compromised, as a table says it.
pub(super) const fn compromised(item: &Compromised) -> &'static str {
    item.why.words()
}

/// The sentence that says what holds after a run, in which stored and enforced are different words (D2.13).
pub(super) fn holds(kind: Kind, ending: &PrincipalEnding) -> Vec<String> {
    let holds = sentence(&ending.holds);
    if let (Kind::Recover, Some(at)) = (kind, ending.read_back_at) {
        return vec![format!("{holds}."), format!("Read back at {}.", clock(at))];
    }
    let Some(at) = ending.read_back_at.map(clock) else {
        let holds = if holds.is_empty() { "What holds is not known" } else { &holds };
        return vec![format!("{holds}: nothing was read back.")];
    };
    if holds.is_empty() || holds.starts_with("Nothing") {
        let holds = if holds.is_empty() { "Nothing holds" } else { &holds };
        return vec![format!("{holds}, as read back at {at}.")];
    }
    let stop = if holds.contains(": ") { ';' } else { ':' };
    vec![
        match ending.held_for_s {
            0 => format!("{holds}{stop} stored, and read back once at {at}"),
            s => format!("{holds}{stop} stored, and held for {s} s until {at}"),
        },
        "(usually enforced within seconds; AWS allows minutes).".to_owned(),
    ]
}

/// A clause with a capital at its start, unless it starts with an identifier, and no stop at its end.
pub(super) fn sentence(text: &str) -> String {
    let text = shown(text.trim().trim_end_matches('.')).into_owned();
    let first = text.split(' ').next().unwrap_or_default();
    if first.contains(['_', '/', ':', '`']) {
        return text;
    }
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// What the open findings of an ending are headed with, and the words for there being none.
pub(super) const fn open_heading(standing: Standing) -> &'static str {
    match standing {
        Standing::NotContained => "NOT contained",
        Standing::Weakened => "Weakened",
        Standing::Partial => "NOT complete",
        _ => "Open",
    }
}

/// One sentence about how a principal stands; `None` where the open findings say it.
pub(super) fn standing(ending: &PrincipalEnding) -> Option<String> {
    let said =
        matches!(ending.standing, Standing::NotContained | Standing::Weakened | Standing::Partial);
    if said && !ending.open.is_empty() {
        return None;
    }
    let user = ending.who.to_string();
    Some(match ending.standing {
        Standing::Contained => format!("{} is contained.", sentence(&user)),
        Standing::NotContained => format!("NOT contained: {user}."),
        Standing::Weakened => format!("Weakened: {user}."),
        Standing::Partial => format!("NOT complete: steps are open for {user}."),
        Standing::Released => format!("{} is released.", sentence(&user)),
        Standing::ReleasedFenceUntil => {
            format!("{} is released, but for the fence.", sentence(&user))
        }
        Standing::Gone => {
            format!("{} is gone, or is another under the same name.", sentence(&user))
        }
        Standing::Unknown => format!("NOT known: how {user} stands could not be read."),
    })
}

/// When the fence may go, or why its clock does not count.
pub(super) fn fence(ending: &PrincipalEnding) -> Option<String> {
    let fence = ending.fence.as_ref()?;
    Some(match (&fence.void, ending.read_back_at) {
        (Some(why), _) => format!("The fence's clock is void: {}.", shown(why)),
        (None, None) => format!("The fence may be lifted after {}.", stamp(fence.lift_after)),
        (None, Some(now)) => {
            format!("The fence may be lifted after {}.", stamp_ago(fence.lift_after, now))
        }
    })
}

/// Whether a run is over without everything in it done, where no principal's part says so already.
pub(super) fn incomplete(ending: &Ending) -> Option<&'static str> {
    if ending.stopped {
        return Some("The run was stopped before its end.");
    }
    if !ending.left_out.is_empty() {
        return Some("The run is not complete: it ended without what was left out.");
    }
    let said = ending.principals.iter().any(|one| one.standing == Standing::Partial);
    (!ending.complete && !said)
        .then_some("The run is not complete: some of its steps did not hold.")
}

/// Where a run's record ends: the serial, and the journal's head where there is a journal.
pub(super) fn record(ending: &PrincipalEnding) -> (String, Option<String>) {
    let head = (!ending.journal_head.is_empty()).then(|| shown(&ending.journal_head).into_owned());
    (format!("serial {}", ending.serial), head)
}

/// Said where users were contained that a rule protects (D2.10).
pub(super) fn overridden(plan: &Plan) -> Option<&'static str> {
    plan.override_protection
        .then_some("protected users and roles are not spared: --override-protection was given")
}

/// What a rule of the store does to the plan.
pub(super) fn verb(finding: &guardrail::Finding) -> String {
    match finding.outcome {
        Outcome::Deny => "denies it".to_owned(),
        Outcome::Warn => "warns".to_owned(),
        Outcome::Approvals(number) => format!("asks for {}", people(number)),
    }
}

/// How many approvals a plan needs, and how many are missing.
pub(super) fn needs(verdict: &Verdict) -> String {
    match (verdict.needed, verdict.missing()) {
        (0, _) => "It needs no approval.".to_owned(),
        (needed, 0) => format!("It has the {} that it needs.", people(needed)),
        (needed, missing) => {
            format!("It needs {} ({}); {missing} missing.", people(needed), verdict.because)
        }
    }
}

fn people(needed: u32) -> String {
    count(needed as usize, "approval", "approvals")
}

/// A sentence of a plan without how far its time lay from when it was made: ` (in 36 h)`, ` 3 min ago`.
pub(super) fn without_age(text: &str) -> String {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let unit = |text: &str| matches!(text, "s" | "min" | "h" | "days");
    let mut out: Vec<String> = Vec::new();
    for word in text.split(' ') {
        out.push(word.to_owned());
        let [.., before, n, last] = out.as_slice() else { continue };
        // What stands after the words that go stays: a bracket, a colon.
        let tail = match before.as_str() {
            "(in" if number(n) => last.split_once(')').filter(|(word, _)| unit(word)).map(|t| t.1),
            _ if number(before) && unit(n) => last.strip_prefix("ago"),
            _ => None,
        };
        if let Some(tail) = tail.map(str::to_owned) {
            out.truncate(out.len() - 3);
            if let Some(word) = out.last_mut() {
                word.push_str(&tail);
            }
        }
    }
    out.join(" ")
}

/// That the record of a run goes on elsewhere, and the command that takes it back.
pub(crate) fn record_moved(who: &Who, folder: &str, store: &str) -> [String; 2] {
    let (place, away) = (shown(folder), shown(store));
    [
        format!("{away} cannot be reached: the record of {who} goes on in {place}"),
        format!("ringfence state push {} --state {}", shell(folder), shell(store)),
    ]
}

/// That a run went without its approvals, and why.
pub(crate) fn without_approval(reason: &str) -> String {
    format!("break-glass, without the approvals that it needs: {}", shown(reason))
}
