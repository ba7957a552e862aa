//! The course of an incident: who did what when, and below it from when to when each resource could act, or stood as
//! it was written. Time goes from left to right and is not to scale: a gap of a day takes little more room than one
//! of an hour, and says how long it is.

use super::{count, cut, rectangle, seconds, text};
use crate::render::words::{stamp, was};
use crate::report::{Lane, Moment, MomentKind, Report, Was};
use crate::text::{clock, shown, span};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use svg::Document;
use svg::node::element::{Group, Line, Rectangle, Title};

const LEFT: f64 = 236.0;
const TOP: f64 = 66.0;
const ROW: f64 = 30.0;
const RIGHT: f64 = 40.0;
/// How far apart two moments are at least, so that their numbers are.
const APART: f64 = 27.0;
/// So many lanes fit on a picture that still shows something; the rest is in the tables.
const LANES: usize = 40;

/// A row of moments.
struct Who {
    name: &'static str,
    kinds: &'static [MomentKind],
}

const ROWS: [Who; 4] = [
    Who {
        name: "with the credentials",
        kinds: &[MomentKind::Exposed, MomentKind::Issued, MomentKind::Used, MomentKind::LeftBehind],
    },
    Who { name: "undone by others", kinds: &[MomentKind::Tampering] },
    Who {
        name: "responders",
        kinds: &[
            MomentKind::Planned,
            MomentKind::Approved,
            MomentKind::Began,
            MomentKind::Resumed,
            MomentKind::KeyTried,
            MomentKind::ReadBack,
            MomentKind::Ended,
            MomentKind::Read,
        ],
    },
    Who { name: "fence", kinds: &[MomentKind::Fence, MomentKind::FenceMayGo] },
];

/// The picture, for a page that brings the style along. A number is that of the moment in the report's timeline,
/// from 1.
pub(in crate::render) fn course(report: &Report) -> String {
    let rows: Vec<(&str, Vec<(usize, &Moment)>)> = ROWS
        .iter()
        .map(|row| {
            let numbered = (1..).zip(&report.timeline);
            (row.name, numbered.filter(|(_, one)| row.kinds.contains(&one.kind)).collect())
        })
        .filter(|(_, moments): &(_, Vec<_>)| !moments.is_empty())
        .collect();
    let lanes = report.lanes.get(..LANES).unwrap_or(&report.lanes);
    let scale = Scale::of(&rows, lanes);
    let headings = headings(lanes);
    let height = TOP + (count(rows.len() + lanes.len() + headings)) * ROW + 40.0;
    let width = scale.right() + RIGHT;
    let mut document = Document::new()
        .set("viewBox", (0.0, 0.0, width, height))
        .set("width", width)
        .set("height", height)
        .set("role", "img")
        .set("aria-label", "The course of the incident; the table below says the same")
        .add(rectangle("ground", 0.0, 0.0, width, height))
        .add(scale.grid(height - 34.0));
    let mut y = TOP;
    for (name, moments) in &rows {
        document = document.add(text("small", 8.0, y + 19.0, name)).add(marks(&scale, moments, y));
        y += ROW;
    }
    let mut last = None;
    for lane in lanes {
        if last != Some(&lane.who) {
            document = document.add(text(
                "",
                8.0,
                y + 20.0,
                &cut(&format!("{} {}", lane.who.kind(), lane.who.name()), 60),
            ));
            y += ROW;
            last = Some(&lane.who);
        }
        let name = cut(&lane.resource.to_string(), 33);
        let whole = Title::new(shown(&lane.resource.to_string()).into_owned());
        let label = Group::new().add(whole).add(text("id", 8.0, y + 19.0, &name));
        document = document.add(label).add(stretches(&scale, lane, y));
        y += ROW;
    }
    document.add(legend(height - 14.0, report.lanes.len() - lanes.len())).to_string()
}

fn headings(lanes: &[Lane]) -> usize {
    let mut names: Vec<_> = lanes.iter().map(|lane| &lane.who).collect();
    names.dedup();
    names.len()
}

/// The moments of one row. Those of one second share a place, which has the number of the first.
fn marks(scale: &Scale, moments: &[(usize, &Moment)], y: f64) -> Group {
    let mut places: BTreeMap<i64, Vec<(usize, &Moment)>> = BTreeMap::new();
    for (number, one) in moments {
        places.entry(one.at.as_second()).or_default().push((*number, one));
    }
    let mut group = Group::new();
    for (second, here) in places {
        let look = here.iter().any(|(_, one)| one.look || one.kind == MomentKind::Exposed);
        let more = if here.len() > 1 { "+" } else { "" };
        let number = here.first().map(|(number, _)| format!("{number}{more}")).unwrap_or_default();
        let told: Vec<String> = here
            .iter()
            .map(|(number, one)| format!("{number}. {}: {}", one.kind.words(), one.what))
            .collect();
        let x = scale.x(second);
        let width = 12.0 + 6.6 * count(number.len());
        let class = if look { "look" } else { "mark" };
        let pill = rectangle(class, x - width / 2.0, y + 6.0, width, 18.0).set("rx", 9);
        let number = text("number", x, y + 19.0, &number).set("text-anchor", "middle");
        let title = Title::new(shown(&told.join("; ")).into_owned());
        group = group.add(Group::new().add(title).add(pill).add(number));
    }
    group
}

fn stretches(scale: &Scale, lane: &Lane, y: f64) -> Group {
    let mut group = Group::new();
    for one in &lane.stretches {
        let (from, to) = (scale.x(one.from.as_second()), scale.x(one.to.as_second()));
        let (class, top, high) = match one.was {
            Was::Acting => ("acting", 9.0, 12.0),
            Was::Stood => ("stood", 12.0, 6.0),
            Was::NotReadSince => ("unsure", 12.0, 6.0),
        };
        let bar = rectangle(class, from, y + top, (to - from).max(2.0), high).set("rx", 2);
        let told = format!("{}, {} to {}", was(one.was), stamp(one.from), stamp(one.to));
        group = group.add(Group::new().add(Title::new(told)).add(bar));
    }
    group
}

fn legend(y: f64, more: usize) -> Group {
    let bar = |class: &str, x: f64, high: f64| -> Rectangle {
        rectangle(class, x, y - 4.0 - high / 2.0, 22.0, high).set("rx", 2)
    };
    let mut group = Group::new()
        .add(bar("acting", 8.0, 12.0))
        .add(text("small", 36.0, y, "could act"))
        .add(bar("stood", 100.0, 6.0))
        .add(text("small", 128.0, y, "read, as ringfence wrote it"))
        .add(bar("unsure", 300.0, 6.0))
        .add(text("small", 328.0, y, "not read since, or not until it was found otherwise"));
    if more > 0 {
        let line = format!("{more} more resources are in the tables");
        group = group.add(text("small", 620.0, y, &line));
    }
    group
}

/// Seconds, and where each is on the picture.
struct Scale {
    places: BTreeMap<i64, f64>,
}

impl Scale {
    fn of(rows: &[(&str, Vec<(usize, &Moment)>)], lanes: &[Lane]) -> Self {
        let mut seconds: BTreeMap<i64, bool> = BTreeMap::new();
        for lane in lanes.iter().flat_map(|lane| &lane.stretches) {
            for time in [lane.from, lane.to] {
                seconds.entry(time.as_second()).or_insert(false);
            }
        }
        for (_, one) in rows.iter().flat_map(|(_, moments)| moments) {
            seconds.insert(one.at.as_second(), true);
        }
        let mut places = BTreeMap::new();
        let mut x = LEFT + 14.0;
        let mut before: Option<i64> = None;
        for (second, marked) in seconds {
            if let Some(before) = before {
                x += room(second - before, marked);
            }
            places.insert(second, x);
            before = Some(second);
        }
        Self { places }
    }

    fn x(&self, second: i64) -> f64 {
        self.places.get(&second).copied().unwrap_or(LEFT)
    }

    fn right(&self) -> f64 {
        self.places.values().copied().fold(LEFT + 520.0, f64::max)
    }

    /// A line for each time that has room for it; the day stands where it changes, a long gap in words.
    fn grid(&self, bottom: f64) -> Group {
        let mut group = Group::new();
        let mut last: Option<f64> = None;
        let mut day = String::new();
        let mut before: Option<(i64, f64)> = None;
        for (second, x) in &self.places {
            if let Some((earlier, from)) = before {
                let gap = second - earlier;
                if gap >= 600 && x - from >= 60.0 {
                    let words = span(SignedDuration::from_secs(gap));
                    let label = text("small", f64::midpoint(from, *x), TOP - 6.0, &words);
                    group = group.add(label.set("text-anchor", "middle"));
                }
            }
            before = Some((*second, *x));
            if last.is_some_and(|last| x - last < 62.0) {
                continue;
            }
            let Ok(time) = Timestamp::from_second(*second) else { continue };
            let line = Line::new().set("class", "grid").set("x1", *x).set("x2", *x);
            group = group.add(line.set("y1", TOP - 20.0).set("y2", bottom));
            let label = text("small", *x, TOP - 26.0, &clock(time));
            group = group.add(label.set("text-anchor", "middle"));
            let today: String = time.to_string().chars().take(10).collect();
            if today != day {
                let label = text("small", *x, TOP - 42.0, &today);
                group = group.add(label.set("text-anchor", "middle"));
                day = today;
            }
            last = Some(*x);
        }
        group
    }
}

/// How much room a gap takes: what is longer takes more, by ever less.
fn room(gap: i64, marked: bool) -> f64 {
    let least = if marked { APART } else { 6.0 };
    least + 9.0 * (1.0 + seconds(gap)).ln()
}
