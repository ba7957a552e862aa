//! What a step stops, in words: `1,204 calls a day from 10.0.3.7 (sdk-java) to s3 in eu-west-1`.

use super::{Rate, Stops, Usage, Use, stopped};
use crate::text::{ago, count};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// How many sources are told one by one.
const SOURCES: usize = 5;
/// How many services of one source are, in a Region.
const SERVICES: usize = 3;
/// How many Regions are.
const REGIONS: usize = 3;

/// A line about what is stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Whether a person has to look at it.
    pub look: bool,
    /// What there is to say.
    pub text: String,
}

/// One source, and all that it did.
struct Source<'u> {
    from: String,
    calls: u64,
    last: Timestamp,
    new: bool,
    uses: Vec<&'u Use>,
}

/// What a step stops, by source: those from before the exposure first, then those that came with it. Times
/// are told as ages where it is said what time it is.
#[must_use]
pub fn told(usage: &Usage, stops: &Stops, now: Option<Timestamp>) -> Vec<Line> {
    let (new, known): (Vec<Source<'_>>, Vec<Source<'_>>) =
        by_source(stopped(usage, stops)).into_iter().partition(|source| source.new);
    let (from, to) = (usage.from.strftime("%F"), usage.to.strftime("%F"));
    let mut lines = Vec::new();
    for source in known.iter().take(SOURCES) {
        lines.push(plain(format!("stops {}", source.say(usage, now))));
    }
    if known.len() > SOURCES {
        let more = count(known.len() - SOURCES, "source", "sources");
        lines.push(plain(format!("and what {more} more did: --format json lists them")));
    }
    lines.push(plain(match (known.is_empty(), new.is_empty()) {
        (true, true) => format!("no use of it in the events of {from} to {to}"),
        (true, false) => format!("no use of it before the exposure in the events from {from} on"),
        (false, true) => format!("nothing else has used it in the events of {from} to {to}"),
        (false, false) => "nothing else had used it before the exposure".to_owned(),
    }));
    for source in new.iter().take(SOURCES) {
        let text = format!("first seen after the exposure: {}", source.say(usage, now));
        lines.push(Line { look: true, text });
    }
    if new.len() > SOURCES {
        let more = count(new.len() - SOURCES, "source", "sources");
        lines.push(Line { look: true, text: format!("and {more} more after the exposure") });
    }
    if usage.others > 0 {
        let text = format!("{} calls are of too many kinds to be told apart", usage.others);
        lines.push(Line { look: true, text });
    }
    lines
}

const fn plain(text: String) -> Line {
    Line { look: false, text }
}

/// Busiest first.
fn by_source(uses: Vec<&Use>) -> Vec<Source<'_>> {
    let mut found: BTreeMap<(&str, &str), Source<'_>> = BTreeMap::new();
    for one in uses {
        let agent = if one.agent.is_empty() { String::new() } else { format!(" ({})", one.agent) };
        let source = found.entry((&one.source, &one.agent)).or_insert_with(|| Source {
            from: format!("{}{agent}", one.source),
            calls: 0,
            last: one.last,
            new: one.new,
            uses: Vec::new(),
        });
        source.calls += one.calls;
        source.last = source.last.max(one.last);
        source.uses.push(one);
    }
    let mut sources: Vec<Source<'_>> = found.into_values().collect();
    sources.sort_by(|a, b| b.calls.cmp(&a.calls).then_with(|| a.from.cmp(&b.from)));
    sources
}

/// `s3, sqs and 2 more`, the busiest first.
fn busiest(services: &BTreeMap<&str, u64>) -> String {
    let mut names: Vec<(&str, u64)> =
        services.iter().map(|(name, calls)| (*name, *calls)).collect();
    names.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    let more = names.len().saturating_sub(SERVICES);
    let mut told: Vec<String> =
        names.into_iter().take(SERVICES).map(|(name, _)| name.to_owned()).collect();
    if more > 0 {
        told.push(format!("{more} more"));
    }
    match told.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}

impl Source<'_> {
    fn say(&self, usage: &Usage, now: Option<Timestamp>) -> String {
        let rate = Rate { calls: self.calls, window: (usage.from, usage.to) };
        // What came with the exposure has no habit yet: it is counted.
        let often = if self.new { rate.in_all() } else { rate.to_string() };
        let mut places: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
        for one in &self.uses {
            let services = places.entry(&one.region).or_default();
            *services.entry(&one.service).or_default() += one.calls;
        }
        let mut to: Vec<String> = places
            .iter()
            .map(|(region, services)| format!("{} in {region}", busiest(services)))
            .collect();
        let more = to.len().saturating_sub(REGIONS);
        to.truncate(REGIONS);
        if more > 0 {
            to.push(format!("{} more", count(more, "Region", "Regions")));
        }
        let last = now.map_or_else(
            || crate::text::whole_seconds(self.last).to_string(),
            |now| ago(self.last, now),
        );
        format!("{often} from {} to {}, last {last}", self.from, to.join(", "))
    }
}
