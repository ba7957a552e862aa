//! `ringfence suggest-policy`

use super::args::{Format, SuggestPolicyArgs};
use super::history::{Asking, nowhere};
use super::progress::shown_while;
use super::session::{Session, name_of, read_file, write_private};
use crate::aws::{self, Analyzer, Aws, Query, Reading, Targets};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::history::window;
use crate::impact::Subject;
use crate::logs::{Limits, Place, Progress, measure};
use crate::plan::Why;
use crate::policy::PolicyDocument;
use crate::recover::RIGHTS_NAME;
use crate::render::text;
use crate::resource::{Resource, Value};
use crate::snapshot::{Observed, Snapshot};
use crate::state::State;
use crate::suggest::{
    Catalog, Exclusions, Gap, Given, Held, KnownFrom, Leaked, Ledger, LeftOutSource, Marks,
    Present, Role, Room, Suggestion, suggest,
};
use crate::text::count;
use crate::trace::Trace;
use jiff::{SignedDuration, Timestamp};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Reads what the user did and may do, and writes a policy. Nothing is changed (D2.1).
pub(super) async fn run(session: &Session<'_>, args: &SuggestPolicyArgs) -> Result<Exit> {
    session.refuse_commands()?;
    if args.logs.is_empty() && !args.lookup && !args.advisor {
        return Err(nowhere().hint("--advisor asks IAM when permissions were last used"));
    }
    let places = args.logs.iter().map(|text| Place::parse(text)).collect::<Result<Vec<_>>>()?;
    let trace = args.trace.as_deref().map(read_trace).transpose()?;
    let aws = session.aws().await;
    let targets = Targets { users: vec![args.user.clone()], full: true, ..Targets::default() };
    let reading = aws::read(&aws, &targets).await?;
    let Some(snapshot) = reading.snapshots.first() else {
        return Err(Error::failed(format!("user `{}` was not read", args.user)));
    };
    let mut unknown = Vec::new();
    let state = match session.state_of(&reading, snapshot.who().kind(), snapshot.id()).await {
        Ok(state) => state,
        Err(error) => {
            let what = "what the record of its containment says".to_owned();
            unknown.push(Gap { what, why: error.message().to_owned() });
            None
        }
    };
    let present = present(&aws, snapshot, state.as_ref()).await?;
    let catalog = Arc::new(Catalog::new());
    let known = Known::of(args, trace.as_ref(), state.as_ref());
    let exclusions = exclusions(args, &known, trace.as_ref(), state.as_ref(), snapshot);
    let marks = marks(&known, trace.as_ref(), reading.service_time.max(session.context.now()));
    let ledger = Ledger::new(Arc::clone(&catalog), subject(snapshot), marks);
    let events = events(session, args, places, ledger, snapshot, &mut unknown).await?;
    let (used, read) =
        events.map_or_else(Default::default, |(ledger, read)| (ledger.finish(&exclusions), read));
    let advice = match args.advisor {
        false => None,
        true => {
            match aws::advice(&aws, snapshot.arn().to_string().as_str(), &session.context).await {
                Ok(advice) => Some(advice),
                Err(why) if args.logs.is_empty() && !args.lookup => {
                    return Err(Error::failed("there is nothing to suggest a policy from")
                        .because(why)
                        .hint(
                            "--logs PATH reads delivered files, --lookup asks CloudTrail's history",
                        ));
                }
                Err(why) => {
                    unknown.push(Gap { what: "when permissions were last used".to_owned(), why });
                    None
                }
            }
        }
    };
    let mut suggestion = suggest(&Given {
        catalog: &catalog,
        present: &present,
        used: &used,
        advice: advice.as_ref(),
        since: exclusions.since,
        room: room(snapshot, state.as_ref()),
    });
    suggestion.since_from = known.since.map(|(_, from)| from);
    suggestion.leaked = known.leaked;
    name(&mut suggestion, &reading, snapshot, read);
    suggestion.unknown.extend(unknown);
    if args.validate && !suggestion.policies.is_empty() {
        let analyzer = match session.sdk() {
            Some(sdk) => Analyzer::from_config(sdk),
            None => Analyzer::connect(session.settings()).await,
        };
        suggestion.validation = Some(analyzer.validate(&suggestion.policies).await);
    }
    let saved = save(args.out.as_deref(), &suggestion)?;
    suggestion.unknown.extend(stale(args.out.as_deref(), suggestion.policies.len()));
    match session.format {
        Format::Json => session.terminal.print_bytes(&suggestion.bytes()),
        _ => {
            let screen = session.terminal.screen();
            session.terminal.print(&text::suggestion(&suggestion, screen, &saved));
        }
    }
    Ok(Exit::Done)
}

fn read_trace(path: &Path) -> Result<Trace> {
    Trace::parse(&read_file(path)?, &name_of(path))
}

/// What the user may do, but for what contains it: a boundary that came with the containment is not counted, and the
/// one before it is.
pub(super) async fn present(
    aws: &Aws,
    snapshot: &Snapshot,
    state: Option<&State>,
) -> Result<Present> {
    let mut arn = snapshot.permissions_boundary.clone();
    let ours = state.and_then(|state| state.resources.get(&Resource::PermissionsBoundary));
    if let Some(ours) = ours.filter(|ours| ours.ours == arn.clone().map(Value::PolicyArn)) {
        arn = match &ours.baseline {
            Some(Value::PolicyArn(before)) => Some(before.clone()),
            _ => None,
        };
    }
    let boundary = match arn {
        Some(arn) => Some(boundary(aws, &arn).await?),
        None => None,
    };
    Ok(Present::of(snapshot, boundary))
}

/// A boundary, with its document.
async fn boundary(aws: &Aws, arn: &str) -> Result<Held> {
    let document = match aws::managed_policy(aws, arn).await?.and_then(|policy| policy.document) {
        Some(Observed::Read(document)) => Ok(document),
        Some(Observed::Unread(missing)) => Err(format!("{}: {}", missing.action, missing.because)),
        None => Err("it is not there any more".to_owned()),
    };
    let place = format!("permissions_boundary/{arn}");
    Ok(Held { place, document, role: Role::Boundary })
}

/// What is known of the incident, and where from: what is given counts before the trace, and that before the record.
#[derive(Default)]
struct Known {
    since: Option<(Timestamp, KnownFrom)>,
    leaked: Vec<Leaked>,
}

impl Known {
    fn of(args: &SuggestPolicyArgs, trace: Option<&Trace>, state: Option<&State>) -> Self {
        let traced = || trace.and_then(|trace| trace.start.since);
        let recorded = || state.and_then(|state| state.since);
        let since = args
            .since
            .map(|since| (since, KnownFrom::Given))
            .or_else(|| traced().map(|since| (since, KnownFrom::Trace)))
            .or_else(|| recorded().map(|since| (since, KnownFrom::Record)));
        let started = trace.iter().flat_map(|trace| &trace.credentials);
        let started = started.filter(|one| one.parent.is_none());
        let mut leaked: Vec<Leaked> = started
            .map(|one| Leaked { access_key: one.id.clone(), from: KnownFrom::Trace })
            .collect();
        for one in state.iter().flat_map(|state| &state.compromised) {
            let Resource::AccessKey(id) = &one.resource else { continue };
            let known = leaked.iter().any(|leaked| leaked.access_key == id.as_str())
                || trace.iter().flat_map(|trace| &trace.credentials).any(|c| c.id == id.as_str());
            if one.why != Why::YoungerThanSince && !known {
                let access_key = id.to_string();
                leaked.push(Leaked { access_key, from: KnownFrom::Record });
            }
        }
        leaked.sort();
        Self { since, leaked }
    }
}

/// What has to be known of an event when it is read. The clocks of others may be a day ahead.
fn marks(known: &Known, trace: Option<&Trace>, now: Timestamp) -> Marks {
    let all = trace.iter().flat_map(|trace| &trace.credentials);
    // Who made a leaked key itself is nobody of the lineage.
    let made = all.filter(|one| one.parent.is_some());
    Marks {
        since: known.since.map(|(since, _)| since),
        mints: made.filter_map(|one| one.event_id.clone()).collect(),
        latest: now.checked_add(SignedDuration::from_hours(24)).ok(),
    }
}

/// What is not the user's own use.
fn exclusions(
    args: &SuggestPolicyArgs,
    known: &Known,
    trace: Option<&Trace>,
    state: Option<&State>,
    snapshot: &Snapshot,
) -> Exclusions {
    let mut exclusions = Exclusions {
        since: known.since.map(|(since, _)| since),
        leaked: known.leaked.iter().map(|one| one.access_key.clone()).collect(),
        sources: args.exclude_source.clone(),
        ..Exclusions::default()
    };
    for one in state.iter().flat_map(|state| &state.compromised) {
        if let (Resource::AccessKey(id), Why::YoungerThanSince) = (&one.resource, one.why) {
            let why = "the record of its containment: the key was made after the exposure";
            exclusions.credentials.insert(id.to_string(), why.to_owned());
        }
    }
    // A key made after the exposure counts as the attacker's, as in a plan.
    for key in snapshot.access_keys.items() {
        if exclusions.since.is_some_and(|since| key.created_at >= since) {
            let why = "the key was made after the exposure".to_owned();
            exclusions.credentials.insert(key.id.to_string(), why);
        }
    }
    let made = trace.iter().flat_map(|trace| &trace.credentials).filter(|one| one.parent.is_some());
    for credential in made {
        let why = "the trace's lineage has made it".to_owned();
        let id = credential.id.clone();
        exclusions.credentials.insert(id, why.clone());
        exclusions.credentials.extend(credential.session_name.clone().map(|name| (name, why)));
        // A service that called in the lineage's name is nobody's own address.
        let addresses =
            credential.source_ips.iter().filter(|text| text.parse::<std::net::IpAddr>().is_ok());
        exclusions.lineage_sources.extend(addresses.map(|text| LeftOutSource::canonical(text)));
    }
    exclusions
}

/// What the events come to; `None` where none were asked for, or the history has none.
async fn events(
    session: &Session<'_>,
    args: &SuggestPolicyArgs,
    mut places: Vec<Place>,
    ledger: Ledger,
    snapshot: &Snapshot,
    unknown: &mut Vec<Gap>,
) -> Result<Option<(Ledger, u64)>> {
    let mut asking = None;
    if args.lookup {
        let window = window(session.context.now());
        let asked = Asking::open(session, args.keep.as_deref(), &args.regions, window).await?;
        for gap in asked.fetch(session, &queries(snapshot)).await? {
            unknown.push(Gap { what: format!("what happened in {}", gap.region), why: gap.why });
        }
        if !args.regions.is_empty() {
            unknown.push(Gap {
                what: "what happened in other Regions".to_owned(),
                why: format!("only {} was asked", asked.regions().join(", ")),
            });
        }
        unknown.push(Gap {
            what: format!("what happened before {}", asked.window().0.strftime("%F")),
            why: "CloudTrail's history goes back 90 days".to_owned(),
        });
        if !asked.is_empty() {
            places.push(Place::Path(asked.folder()));
        }
        asking = Some(asked);
    }
    if places.is_empty() {
        return Ok(None);
    }
    let progress = Arc::new(Progress::default());
    let (access, limits) = (session.access(), Limits::of_this_machine());
    let work = measure(&places, ledger, &limits, &access, &progress);
    let measured = shown_while(session, &progress, work).await?;
    drop(asking);
    for (flaw, times, first) in measured.tally.iter() {
        let (one, many) = flaw.words();
        let times = count(usize::try_from(times).unwrap_or(usize::MAX), one, many);
        unknown.push(Gap {
            what: format!("what stands in {times}"),
            why: format!("first in {}: {}", first.file, first.what),
        });
    }
    Ok(Some((measured.counter, measured.events)))
}

fn subject(snapshot: &Snapshot) -> Subject {
    Subject {
        id: snapshot.id().clone(),
        name: snapshot.name().to_string(),
        arn: snapshot.arn().to_string(),
        keys: snapshot.access_keys.items().iter().map(|key| key.id.to_string()).collect(),
    }
}

/// What is looked up: the user by name, and its keys, whose events may bear another (F14).
fn queries(snapshot: &Snapshot) -> Vec<Query> {
    let keys = snapshot.access_keys.items().iter().map(|key| Query::AccessKey(key.id.to_string()));
    std::iter::once(Query::UserName(snapshot.name().to_string())).chain(keys).collect()
}

/// Says whose policy it is, and what was read for it.
fn name(suggestion: &mut Suggestion, reading: &Reading, snapshot: &Snapshot, events: u64) {
    env!("CARGO_PKG_VERSION").clone_into(&mut suggestion.ringfence_version);
    suggestion.user = snapshot.name().to_string();
    suggestion.user_id = snapshot.id().to_string();
    suggestion.arn = snapshot.arn().to_string();
    suggestion.account_id = reading.caller.account.to_string();
    suggestion.at = reading.service_time;
    suggestion.endpoint = (!reading.endpoint_is_aws).then(|| reading.endpoint.clone());
    suggestion.evidence.events = events;
}

/// Writes the documents, each alone in a file: the second beside the first, with `-2` in its name.
fn save(out: Option<&Path>, suggestion: &Suggestion) -> Result<Vec<String>> {
    let Some(path) = out else { return Ok(Vec::new()) };
    if suggestion.policies.is_empty() {
        return Err(Error::failed("there is no policy to write")
            .because("no use was found that the user's policies allow")
            .hint("without --out it says what was found, and what was left out"));
    }
    let mut saved = Vec::new();
    for (index, document) in suggestion.policies.iter().enumerate() {
        let path = numbered(path, index);
        write_private(&path, format!("{}\n", document.pretty()).as_bytes())?;
        saved.push(name_of(&path));
    }
    Ok(saved)
}

/// Files beside it that an earlier suggestion of more documents has left.
fn stale(out: Option<&Path>, written: usize) -> Vec<Gap> {
    let Some(path) = out else { return Vec::new() };
    let later = (written..).map(|index| numbered(path, index)).take_while(|path| path.is_file());
    later
        .map(|path| Gap {
            what: format!("what {} is for", name_of(&path)),
            why: "it is no part of this suggestion, and may be of an earlier one that was longer"
                .to_owned(),
        })
        .collect()
}

/// What the user's policies leave room for. What a recovery has written before is written over.
fn room(snapshot: &Snapshot, state: Option<&State>) -> Room {
    let quotas = snapshot.quotas.read().copied().unwrap_or_default();
    let own = state.map(|state| format!("{}{}", RIGHTS_NAME, state.lineage.short()));
    let inline = snapshot.inline_policies.items().iter();
    let sizes = inline
        .filter(|one| Some(&one.name) != own.as_ref())
        .filter_map(|one| one.document.read().map(PolicyDocument::quota_size));
    Room {
        inline_quota: quotas.inline_size() as usize,
        inline: sizes.sum(),
        attached_quota: quotas.attached_policies() as usize,
        attached: snapshot.attached_policies.items().len(),
    }
}

fn numbered(path: &Path, index: usize) -> PathBuf {
    if index == 0 {
        return path.to_owned();
    }
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-{}", index + 1));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}
