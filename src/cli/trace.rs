//! `ringfence trace`

use super::args::{Format, TraceArgs};
use super::history::{Asking, nowhere};
use super::progress::shown_while;
use super::session::{Session, name_of, write_private};
use crate::aws::Query;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::history::{Gap, window};
use crate::identity::{AccessKeyId, UserName};
use crate::logs::{Limits, Place, Progress, gather};
use crate::render::{drawing, markdown, text};
use crate::text::count;
use crate::trace::{Credential, Question, Trace, Unknown, follow};
use std::sync::Arc;

/// Reads log files and says what became of the keys. Nothing else is read, and nothing is changed (D2.1).
pub(super) async fn run(session: &Session<'_>, args: &TraceArgs) -> Result<Exit> {
    session.refuse_commands()?;
    let question = Question {
        keys: args.keys.clone(),
        users: args.users.clone(),
        account: args.account_id.clone(),
        since: args.since,
        at: args.at.unwrap_or_else(|| session.context.now()),
        own_events_only: args.lookup && args.logs.is_empty(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    if question.since.is_some_and(|since| since > question.at) {
        return Err(Error::new(Exit::Usage, "`--since` lies after the moment that is asked about")
            .hint("--at TIME names that moment; it is now where none is named"));
    }
    if args.out.is_some() && args.out == args.svg {
        return Err(Error::new(Exit::Usage, "`--out` and `--svg` name one file")
            .hint("--out trace.json --svg trace.svg"));
    }
    let places = args.logs.iter().map(|text| Place::parse(text)).collect::<Result<Vec<_>>>()?;
    let mut trace = match (args.lookup, places.is_empty()) {
        (true, _) => looked_up(session, args, &question, places).await?,
        (false, true) => return Err(nowhere()),
        (false, false) => read(session, &question, &places).await?,
    };
    trace.incident.clone_from(&session.incident);
    trace.start.logs.clone_from(&args.logs);
    trace.start.lookup = args.lookup;
    trace.start.regions.clone_from(&args.regions);
    if let Some(path) = &args.out {
        write_private(path, &trace.bytes())?;
    }
    if let Some(path) = &args.svg {
        write_private(path, drawing::trace(&trace).as_bytes())?;
    }
    let saved = args.out.as_deref().map(name_of);
    match session.format {
        Format::Json => session.terminal.print_bytes(&trace.bytes()),
        Format::Markdown => session.terminal.print(&markdown::trace(&trace)),
        Format::Text | Format::Commands => {
            let screen = session.terminal.screen();
            session.terminal.print(&text::trace(&trace, screen, saved.as_deref()));
        }
    }
    Ok(Exit::Done)
}

/// Reads the events and follows the lineage.
async fn read(session: &Session<'_>, question: &Question, places: &[Place]) -> Result<Trace> {
    let progress = Arc::new(Progress::default());
    let access = session.access();
    let limits = Limits::of_this_machine();
    let gathering = gather(places, question, &limits, &access, &progress);
    let gathered = shown_while(session, &progress, gathering).await?;
    follow(question, &gathered.reading(), &gathered)
}

/// The same with CloudTrail's history, which is asked one credential at a time: for those that the lineage
/// begins with, then for those that were made with them, until no more are found (F13, F14).
async fn looked_up(
    session: &Session<'_>,
    args: &TraceArgs,
    question: &Question,
    mut places: Vec<Place>,
) -> Result<Trace> {
    let window = window(session.context.now());
    let asking = Asking::open(session, args.keep.as_deref(), &args.regions, window).await?;
    places.push(Place::Path(asking.folder()));
    let keys = question.keys.iter().map(|key| Query::AccessKey(key.to_string()));
    let users = question.users.iter().map(|user| Query::UserName(user.to_string()));
    let mut queries: Vec<Query> = keys.chain(users).collect();
    loop {
        let gaps = asking.fetch(session, &queries).await?;
        if asking.is_empty() && args.logs.is_empty() {
            return Err(silent(&asking, &queries, &gaps));
        }
        let mut trace = read(session, question, &places).await?;
        let fresh: Vec<Query> =
            descendants(&trace).into_iter().filter(|query| !queries.contains(query)).collect();
        if fresh.is_empty() {
            trace.unknown.extend(not_asked(&asking, &gaps, !args.regions.is_empty()));
            return Ok(trace);
        }
        queries.extend(fresh);
    }
}

/// The history has nothing of those that were asked about.
fn silent(asking: &Asking, queries: &[Query], gaps: &[Gap]) -> Error {
    let whom: Vec<String> = queries.iter().map(|query| format!("`{}`", query.value())).collect();
    let answered = asking.regions().len().saturating_sub(gaps.len());
    let mut error =
        Error::failed(format!("CloudTrail's history has shown no event of {}", whom.join(", ")))
            .because(format!(
                "{} answered, from {} on",
                count(answered, "Region has", "Regions have"),
                asking.window().0.strftime("%F")
            ));
    // What refused may have them all: those of IAM are in us-east-1 alone (F14).
    for gap in gaps {
        error = error.detail(format!("{} was not read: {}", gap.region, gap.why));
    }
    if gaps.iter().any(|gap| gap.denied) {
        error = error.hint("examples/responder-policy.json grants cloudtrail:LookupEvents");
    }
    error
        .hint("check the ID and the account: --profile NAME")
        .hint("older events, and those of data, are in delivered files: --logs PATH")
}

/// What a trace has found that can be asked for.
fn descendants(trace: &Trace) -> Vec<Query> {
    let query = |one: &Credential| match one.id.strip_prefix("login_profile/") {
        // Whoever signs in with a password is in the history under the user's name.
        Some(place) => {
            let user = place.split_once('/').map_or(place, |(_, user)| user);
            user.parse::<UserName>().ok().map(|user| Query::UserName(user.to_string()))
        }
        None => one.id.parse::<AccessKeyId>().ok().map(|key| Query::AccessKey(key.to_string())),
    };
    let mut queries: Vec<Query> = trace.credentials.iter().filter_map(query).collect();
    queries.sort();
    queries.dedup();
    queries
}

/// What the history cannot show.
fn not_asked(asking: &Asking, gaps: &[Gap], named: bool) -> Vec<Unknown> {
    let regions = count(asking.regions().len(), "Region", "Regions");
    let mut list = vec![
        Unknown {
            what: format!("what happened before {}", asking.window().0.strftime("%F")),
            why: "CloudTrail's history goes back 90 days".to_owned(),
        },
        Unknown {
            what: "what others did: whether something was taken away since, or used from the same addresses"
                .to_owned(),
            why: format!("only the lineage's own credentials were looked up, in {regions}"),
        },
    ];
    if named {
        list.push(Unknown {
            what: "what happened in other Regions".to_owned(),
            why: format!("only {} was asked", asking.regions().join(", ")),
        });
    }
    list.extend(gaps.iter().map(|gap| Unknown {
        what: format!("what happened in {}", gap.region),
        why: gap.why.clone(),
    }));
    list
}
