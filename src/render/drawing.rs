//! A trace, and the course of an incident, as pictures. A trace: which credential was made with which, and beside it when each could act and did. SVG that
//! stands alone, and is readable on light and on dark ground.

mod course;

pub(super) use course::course;

use crate::text::shown;
use crate::trace::{Credential, Persistence, Trace};
use jiff::Timestamp;
use std::collections::BTreeMap;
use svg::Document;
use svg::node::element::{Circle, Group, Line, Path, Rectangle, Style, Text, Title};

/// Larger pictures show nothing any more; what is left out is said.
const ROWS: usize = 120;

const ROW: f64 = 46.0;
const TOP: f64 = 98.0;
const LEFT: f64 = 24.0;
const STEP: f64 = 22.0;
const BOX: f64 = 250.0;
const AXIS: f64 = 620.0;
const GAP: f64 = 40.0;

/// The colours for light ground.
pub(super) const LIGHT: &str = "
svg text { font: 12px ui-sans-serif, system-ui, sans-serif; fill: #1f2328; }
.ground { fill: #ffffff; } svg .small { font-size: 10.5px; fill: #59636e; }
svg .title { font-size: 16px; font-weight: 600; }
svg .id { font-family: ui-monospace, monospace; font-size: 11px; }
.box { fill: #f6f8fa; stroke: #8c959f; } .live { fill: #ffebe9; stroke: #cf222e; }
.perhaps { fill: #fff8c5; stroke: #9a6700; stroke-dasharray: 4 3; }
.edge { fill: none; stroke: #8c959f; stroke-width: 1.5; } .grid { stroke: #d1d9e0; }
.can { fill: #d1d9e0; } .used { fill: #0969da; } .made { fill: #cf222e; } .undone { fill: none; stroke: #8c959f; }
.acting { fill: #cf222e; } .stood { fill: #0969da; }
.unsure { fill: none; stroke: #0969da; stroke-width: 1.5; stroke-dasharray: 4 3; }
.mark { fill: #1f2328; } .look { fill: #b0131f; } svg .number { font-size: 11px; font-weight: 600; fill: #ffffff; }
";

/// The colours for dark ground.
pub(super) const DARK: &str = "
svg text { fill: #f0f6fc; } .ground { fill: #0d1117; } svg .small { fill: #9198a1; }
.box { fill: #151b23; stroke: #656c76; } .live { fill: #3c1618; stroke: #f85149; }
.perhaps { fill: #2e2a1f; stroke: #d29922; } .edge { stroke: #656c76; } .grid { stroke: #3d444d; }
.can { fill: #3d444d; } .used { fill: #4493f8; } .made { fill: #f85149; } .undone { stroke: #656c76; }
.acting { fill: #f85149; } .stood { fill: #4493f8; } .unsure { stroke: #4493f8; }
.mark { fill: #d1d7e0; } .look { fill: #ff8a80; } svg .number { fill: #0d1117; }
";

/// The picture, with its style, as a file of its own.
#[must_use]
pub fn trace(trace: &Trace) -> String {
    let style = format!("{LIGHT}@media (prefers-color-scheme: dark) {{{DARK}}}");
    let mut out = lineage(trace, Some(&style)).to_string();
    out.push('\n');
    out
}

/// The same for a page that brings the style along.
pub(super) fn within_page(trace: &Trace) -> String {
    lineage(trace, None).to_string()
}

fn lineage(trace: &Trace, style: Option<&str>) -> Document {
    let rows = rows(trace);
    let deepest = rows.iter().map(|row| row.depth).max().unwrap_or(0).min(12);
    let axis = Axis::of(trace, LEFT + f64::from(deepest) * STEP + BOX + GAP);
    let marks = f64::from(u8::from(!trace.persistence.is_empty()));
    let height = TOP + count(rows.len()) * ROW + marks * ROW + 56.0;
    let width = axis.left + AXIS + LEFT + 16.0;
    let mut document = Document::new()
        .set("viewBox", (0.0, 0.0, width, height))
        .set("width", width)
        .set("height", height)
        .set("role", "img")
        .add(Title::new("ringfence trace"));
    if let Some(style) = style {
        document = document.add(Style::new(style));
    }
    document = document.add(rectangle("ground", 0.0, 0.0, width, height));
    let start: Vec<&str> =
        trace.start.access_keys.iter().chain(&trace.start.users).map(String::as_str).collect();
    document = document
        .add(text("title", LEFT, 30.0, &cut(&format!("Trace of {}", start.join(", ")), 90)))
        .add(text(
            "small",
            LEFT,
            50.0,
            &format!("as of {}; red can act, dashed may, blue is use", trace.start.at),
        ))
        .add(axis.grid(height - 40.0));
    for (place, row) in rows.iter().enumerate() {
        let y = TOP + count(place) * ROW;
        document = document.add(edge(&rows, row, y)).add(node(row, y)).add(axis.bar(row.one, y));
    }
    let y = TOP + count(rows.len()) * ROW;
    if !trace.persistence.is_empty() {
        document =
            document.add(text("small", LEFT, y + 20.0, "made or changed, filled where it stands"));
        document = document.add(axis.marks(&trace.persistence, y));
    }
    let more = trace.credentials.len() - rows.len().min(trace.credentials.len());
    if more > 0 {
        let line = format!("{more} more credentials are in the JSON");
        document = document.add(text("small", LEFT, height - 16.0, &line));
    }
    document
}

/// A credential in its place.
struct Row<'a> {
    one: &'a Credential,
    depth: u8,
    /// The row of its parent.
    parent: Option<usize>,
}

/// The credentials as a tree, each below what it was made with.
fn rows(trace: &Trace) -> Vec<Row<'_>> {
    let mut children: BTreeMap<Option<&str>, Vec<&Credential>> = BTreeMap::new();
    for one in &trace.credentials {
        children.entry(one.parent.as_deref()).or_default().push(one);
    }
    let mut rows: Vec<Row<'_>> = Vec::new();
    let mut waiting: Vec<(&Credential, u8, Option<usize>)> =
        children.get(&None).into_iter().flatten().rev().map(|one| (*one, 0, None)).collect();
    while let Some((one, depth, parent)) = waiting.pop() {
        let place = rows.len();
        if place == ROWS {
            break;
        }
        rows.push(Row { one, depth, parent });
        let below = children.get(&Some(one.id.as_str())).into_iter().flatten().rev();
        waiting.extend(below.map(|child| (*child, depth.saturating_add(1), Some(place))));
    }
    rows
}

fn indent(depth: u8) -> f64 {
    LEFT + f64::from(depth.min(12)) * STEP
}

fn node(row: &Row<'_>, y: f64) -> Group {
    let class = match row.one.live {
        Some(true) => "live",
        None => "perhaps",
        Some(false) => "box",
    };
    let x = indent(row.depth);
    let below = match &row.one.via {
        Some(via) => format!("{via}, {}", uses(row.one)),
        None => uses(row.one),
    };
    Group::new()
        .add(rectangle(class, x, y + 4.0, BOX, ROW - 10.0).set("rx", 5))
        .add(text("id", x + 9.0, y + 19.0, &cut(&row.one.id, 34)))
        .add(text("small", x + 9.0, y + 33.0, &cut(&below, 44)))
}

fn uses(one: &Credential) -> String {
    match one.uses {
        None => "uses not known".to_owned(),
        Some(1) => "1 use".to_owned(),
        Some(uses) => format!("{uses} uses"),
    }
}

fn edge(rows: &[Row<'_>], row: &Row<'_>, y: f64) -> Group {
    let parent = row.parent.and_then(|place| rows.get(place).map(|parent| (place, parent)));
    let Some((place, parent)) = parent else { return Group::new() };
    let x = indent(parent.depth) + 10.0;
    let from = TOP + count(place) * ROW + ROW - 6.0;
    let to = y + ROW / 2.0 - 1.0;
    let data = svg::node::element::path::Data::new()
        .move_to((x, from))
        .line_to((x, to))
        .line_to((indent(row.depth).max(x), to));
    Group::new().add(Path::new().set("class", "edge").set("d", data))
}

/// Time, from left to right.
struct Axis {
    left: f64,
    from: i64,
    span: f64,
}

impl Axis {
    fn of(trace: &Trace, left: f64) -> Self {
        let mut times: Vec<i64> = Vec::new();
        for one in &trace.credentials {
            let used = [one.issued_at, one.first_used, one.last_used, one.ended_at];
            times.extend(used.into_iter().flatten().map(Timestamp::as_second));
        }
        let made = trace.persistence.iter().flat_map(|made| [made.time, made.closed_at]);
        times.extend(made.flatten().map(Timestamp::as_second));
        if times.is_empty() {
            times.push(trace.start.at.as_second());
        }
        let from = times.iter().min().copied().unwrap_or_default();
        let to = times.iter().max().copied().unwrap_or_default();
        let margin = ((to - from) / 40).max(30);
        Self { left, from: from - margin, span: seconds(to - from + 2 * margin) }
    }

    fn x(&self, time: Timestamp) -> f64 {
        let share = seconds(time.as_second() - self.from) / self.span;
        self.left + share.clamp(0.0, 1.0) * AXIS
    }

    /// Five lines, each with its time; the day stands where it changes.
    fn grid(&self, bottom: f64) -> Group {
        let mut group = Group::new();
        let mut last_day = String::new();
        for step in 0..=4_i32 {
            let share = f64::from(step) / 4.0;
            let x = self.left + share * AXIS;
            let line = Line::new().set("class", "grid").set("x1", x).set("x2", x);
            group = group.add(line.set("y1", TOP - 8.0).set("y2", bottom));
            #[allow(clippy::cast_possible_truncation, reason = "a part of a span of seconds")]
            let second = self.from + (share * self.span) as i64;
            let label =
                Timestamp::from_second(second).map(|time| time.to_string()).unwrap_or_default();
            let (day, clock) = label.split_once('T').unwrap_or(("", &label));
            let anchor = ["start", "middle", "middle", "middle", "end"];
            let anchor = usize::try_from(step).ok().and_then(|step| anchor.get(step)).copied();
            let anchor = anchor.unwrap_or("middle");
            group = group.add(text("small", x, TOP - 14.0, clock).set("text-anchor", anchor));
            if day != last_day {
                group = group.add(text("small", x, TOP - 28.0, day).set("text-anchor", anchor));
                day.clone_into(&mut last_day);
            }
        }
        group
    }

    /// When a credential could act, and within that when it did.
    fn bar(&self, one: &Credential, y: f64) -> Group {
        let mut group = Group::new();
        let begin = one.issued_at.or(one.first_used);
        let end = one.ended_at.or(one.expires_at);
        if let Some(begin) = begin {
            let from = self.x(begin);
            let to = end.map_or(self.left + AXIS, |end| self.x(end));
            group = group
                .add(rectangle("can", from, y + 16.0, (to - from).max(2.0), 12.0).set("rx", 3));
        }
        if let Some((first, last)) = one.first_used.zip(one.last_used) {
            let (from, to) = (self.x(first), self.x(last));
            group = group
                .add(rectangle("used", from, y + 18.0, (to - from).max(3.0), 8.0).set("rx", 2));
        }
        group
    }

    /// What was left behind.
    fn marks(&self, made: &[Persistence], y: f64) -> Group {
        let mut group = Group::new();
        for one in made {
            if let Some(time) = one.time {
                let class = if one.live { "made" } else { "undone" };
                let what = format!("{} {}", one.kind, one.name);
                let dot =
                    Circle::new().set("class", class).set("cx", self.x(time)).set("cy", y + 16.0);
                let title = Title::new(shown(&what).into_owned());
                group = group.add(Group::new().add(title).add(dot.set("r", 5)));
            }
        }
        group
    }
}

#[allow(clippy::cast_precision_loss, reason = "pixels")]
fn seconds(number: i64) -> f64 {
    number as f64
}

#[allow(clippy::cast_precision_loss, reason = "pixels")]
fn count(number: usize) -> f64 {
    number as f64
}

fn rectangle(class: &str, x: f64, y: f64, width: f64, height: f64) -> Rectangle {
    Rectangle::new()
        .set("class", class)
        .set("x", x)
        .set("y", y)
        .set("width", width)
        .set("height", height)
}

/// A text; the library escapes what is markup, and nothing of others is ever an attribute (D2.14).
fn text(class: &str, x: f64, y: f64, content: &str) -> Text {
    Text::new(shown(content).into_owned()).set("class", class).set("x", x).set("y", y)
}

fn cut(text: &str, length: usize) -> String {
    if text.chars().count() <= length {
        return text.to_owned();
    }
    let kept: String = text.chars().take(length - 1).collect();
    format!("{kept}…")
}
