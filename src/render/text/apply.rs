//! The progress of an apply, one line an event.

use crate::approval::Approval;
use crate::identity::Who;
use crate::journal::StepResult;
use crate::plan::{Plan, Step};
use crate::render::Screen;
use crate::render::page::{Page, by_word, cells, flow};
use crate::render::style::Style;
use crate::render::words;
use crate::resource::Value;
use crate::text::{clock, count, shown};
use crate::view::{ApplyEvent, Finding};
use jiff::Timestamp;

/// The columns a clock time takes, `03:12:41Z`.
const CLOCK: usize = 9;
/// The columns a duration takes, `12.3 s`.
const TOOK: usize = 6;

/// What the lines of one apply have to be aligned to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Widths {
    /// The longest user name; 0 where there is one user, who is not repeated on every line.
    user: usize,
    /// The longest wave number.
    wave: usize,
    /// The longest value.
    value: usize,
    /// The resources.
    resources: Vec<usize>,
}

/// What the lines of this plan's apply have to be aligned to.
#[must_use]
pub fn widths(plan: &Plan) -> Widths {
    let steps = plan.steps();
    let many = plan.principals.len() > 1;
    let widest = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or_default();
    Widths {
        user: if many {
            widest(&mut plan.principals.iter().map(|one| cells(&label(&one.who()))))
        } else {
            0
        },
        wave: widest(&mut steps.iter().map(|(_, step)| step.wave.to_string().len())),
        value: widest(&mut steps.iter().map(|(_, step)| value_width(step))),
        resources: steps.iter().map(|(_, step)| cells(&step.resource.to_string())).collect(),
    }
}

/// `Approved by alice (SHA256:…), bob (SHA256:…)`
pub(super) fn approved(page: &mut Page, approvals: &[Approval]) {
    if approvals.is_empty() {
        return;
    }
    let by: Vec<String> = approvals
        .iter()
        .map(|one| format!("{} ({})", shown(&one.person), one.fingerprint))
        .collect();
    page.phrases(Style::Plain, 0, 2, &by_word(&format!("Approved by {}", by.join(", "))));
}

fn value_width(step: &Step) -> usize {
    match &step.after {
        Some(Value::Status(status)) => status.as_str().len(),
        _ if step.awaits_fence_time() => "fence ".len() + CLOCK,
        _ => "attached".len(),
    }
}

/// One line of progress, without its line end; empty for an empty line, `None` for nothing to say.
#[must_use]
pub fn apply_event(event: &ApplyEvent, screen: Screen, widths: &Widths) -> Option<String> {
    let mut page = Page::new(screen);
    match event {
        ApplyEvent::Verified { calls, round_trips, moved } => {
            verified(&mut page, *calls, *round_trips, moved);
        }
        ApplyEvent::Approved { approvals, break_glass, warnings } => {
            approved(&mut page, approvals);
            if let Some(reason) = break_glass {
                page.look(0, &words::without_approval(reason));
            }
            for warning in warnings {
                page.look(0, warning);
            }
        }
        ApplyEvent::Resumed { run, calls, round_trips, left_out } => {
            let cost = cost(*calls, *round_trips);
            page.line(
                Style::Plain,
                0,
                &format!("Run {run} goes on; reality was read again {cost}"),
            );
            for why in left_out {
                page.look(0, &format!("left out: {why}"));
            }
        }
        ApplyEvent::RecordMoved { who, folder, store } => {
            let [moved, command] = words::record_moved(who, folder, store);
            page.look(0, &moved);
            page.line(Style::Plain, 6, &command);
        }
        ApplyEvent::KeyChecked { check, .. } => {
            for (good, line) in words::key_checked(check) {
                match good {
                    true => page.line(Style::Plain, 2, &line),
                    false => page.look(2, &line),
                }
            }
        }
        ApplyEvent::NewKey { access_key_id, secret_access_key, .. } => {
            return Some(format!(
                "AWS_ACCESS_KEY_ID={access_key_id}\nAWS_SECRET_ACCESS_KEY={secret_access_key}\n"
            ));
        }
        ApplyEvent::RunStarted { .. } => return Some(String::new()),
        ApplyEvent::StepSkipped { who, wave, resource, why } => {
            let row = Row { wave: Some(*wave), user: label(who), resource: resource.to_string() };
            row.write(&mut page, widths, &Tail::Words(format!("skipped: {why}")));
        }
        ApplyEvent::FenceTime { fence_time, still_active, .. } => {
            if still_active.is_empty() {
                return None;
            }
            let keys: Vec<String> = still_active.iter().map(ToString::to_string).collect();
            let (keys, verb) = (keys.join(", "), if keys.len() == 1 { "is" } else { "are" });
            let time = clock(*fence_time);
            page.look(0, &format!("fence {time} does not count while {keys} {verb} Active"));
        }
        ApplyEvent::Step {
            who,
            wave,
            settling,
            resource,
            value,
            result,
            at,
            took_ms,
            error,
            ..
        } => {
            let wave = (!settling).then_some(*wave);
            let row = Row { wave, user: label(who), resource: resource.to_string() };
            let value = if *result == StepResult::Done { value } else { result_words(*result) };
            let open = *result != StepResult::Done;
            let (at, took_ms) = (*at, *took_ms);
            row.write(&mut page, widths, &Tail::Call { value, open, at, took_ms });
            if let Some(error) = error {
                page.phrases(Style::Yellow, row.indent(widths), 0, &by_word(error));
            }
        }
        ApplyEvent::Tampering { who, finding, seen_at } => {
            let whose = if widths.user > 0 { format!("{}: ", label(who)) } else { String::new() };
            let what = words::finding(finding);
            page.look(0, &format!("{} {whose}{what}", clock(*seen_at)));
        }
        ApplyEvent::Settling { .. } | ApplyEvent::Finished(_) => return None,
    }
    Some(page.finish().trim_end_matches('\n').to_owned())
}

/// The line that shows how far the watch after the last wave is, for a terminal.
#[must_use]
pub fn settling(watched_s: u32, for_s: u32, tampering: usize) -> String {
    const CELLS: usize = 30;
    let done = CELLS * watched_s.min(for_s) as usize / for_s.max(1) as usize;
    let bar = "█".repeat(done) + &"░".repeat(CELLS - done);
    let seen = match tampering {
        0 => "nothing taken away".to_owned(),
        n => format!("{} of tampering seen", count(n, "act", "acts")),
    };
    format!("  settle  {bar}  {watched_s} of {for_s} s, {seen}")
}

fn cost(calls: u32, round_trips: u32) -> String {
    format!(
        "({}, {})",
        count(calls as usize, "call", "calls"),
        count(round_trips as usize, "round trip", "round trips")
    )
}

fn verified(page: &mut Page, calls: u32, round_trips: u32, moved: &[Finding]) {
    let cost = cost(calls, round_trips);
    if moved.is_empty() {
        page.line(Style::Plain, 0, &format!("Reality is as planned {cost}"));
        return;
    }
    page.line(Style::Plain, 0, &format!("Reality has moved since the plan {cost}:"));
    for finding in moved {
        page.look(2, &words::finding(finding));
    }
}

/// How a call ended, in words.
pub(super) const fn result_words(result: StepResult) -> &'static str {
    match result {
        StepResult::Done => "done",
        StepResult::Refused => "refused",
        StepResult::NotFound => "not found",
        StepResult::Throttled => "throttled",
        StepResult::InDoubt => "in doubt",
    }
}

/// What a principal is called on a line of its own.
fn label(who: &Who) -> String {
    match who {
        Who::User(name) => name.to_string(),
        Who::Role(name) => format!("role {name}"),
    }
}

struct Row {
    /// `None` for what comes after the plan's own waves.
    wave: Option<u32>,
    user: String,
    resource: String,
}

enum Tail<'a> {
    /// Free words to the end of the line.
    Words(String),
    /// A call, in columns.
    Call { value: &'a str, open: bool, at: Option<Timestamp>, took_ms: u64 },
}

/// Where the columns are, for a screen.
struct Columns {
    resource: usize,
    gap: usize,
    took: bool,
}

impl Columns {
    /// The widest spacing in which as many resources as possible fit; the others have lines of their own.
    fn of(widths: &Widths, indent: usize, screen: Screen) -> Self {
        let room = |gap: usize, took: bool| {
            let rest = gap + widths.value + gap + CLOCK + if took { gap + TOOK } else { 0 };
            screen.width.saturating_sub(indent + rest)
        };
        let fitting = |(gap, took): (usize, bool)| {
            let room = room(gap, took);
            widths.resources.iter().copied().filter(move |n| *n <= room)
        };
        let spacings = [(1, false), (1, true), (2, true)];
        // Of equals this is the last, which is the widest.
        let best = spacings.into_iter().max_by_key(|spacing| fitting(*spacing).count());
        let (gap, took) = best.unwrap_or((2, true));
        let widest = fitting((gap, took)).max();
        Self { resource: widest.unwrap_or_else(|| room(gap, took)), gap, took }
    }
}

impl Row {
    /// Where the resource begins: after `  wave N  `, and the user where there are several.
    const fn indent(&self, widths: &Widths) -> usize {
        let user = if widths.user > 0 { widths.user + 1 } else { 0 };
        2 + "wave ".len() + widths.wave + 2 + user
    }

    fn write(&self, page: &mut Page, widths: &Widths, tail: &Tail<'_>) {
        let indent = self.indent(widths);
        let columns = Columns::of(widths, indent, page.screen());
        let (style, sign) = match tail {
            Tail::Call { open: true, .. } => (Style::Yellow, "! "),
            _ => (Style::Plain, "  "),
        };
        let user = match widths.user {
            0 => String::new(),
            width => format!("{:width$} ", self.user),
        };
        let wave = self.wave.map_or("settle".to_owned(), |wave| format!("wave {wave}"));
        let room = "wave ".len() + widths.wave;
        let head = format!("{sign}{wave:room$}  {user}{}", self.resource);
        let start = indent + columns.resource + columns.gap;
        let mut lines =
            self.tail(tail, &columns, widths, page.screen().width.saturating_sub(start));
        let fits = cells(&self.resource) <= columns.resource;
        if fits && !lines.is_empty() {
            let space = " ".repeat(start.saturating_sub(cells(&head)));
            page.line(style, 0, &format!("{head}{space}{}", lines.remove(0)));
        } else {
            page.line(style, 0, &head);
        }
        for line in lines {
            page.line(style, start, &line);
        }
    }

    fn tail(
        &self,
        tail: &Tail<'_>,
        columns: &Columns,
        widths: &Widths,
        room: usize,
    ) -> Vec<String> {
        match tail {
            Tail::Words(words) => flow(&by_word(words), room.max(20)),
            Tail::Call { value, at, took_ms, .. } => {
                let gap = " ".repeat(columns.gap);
                let at = at.map(clock).unwrap_or_default();
                let took = if columns.took {
                    format!("{gap}{}.{} s", took_ms / 1000, took_ms % 1000 / 100)
                } else {
                    String::new()
                };
                let line = format!("{value:width$}{gap}{at:CLOCK$}{took}", width = widths.value);
                vec![line.trim_end().to_owned()]
            }
        }
    }
}
