//! One step of a plan: what changes, and what to know about it.

use crate::plan::{PrincipalPlan, Step};
use crate::render::page::{Page, cells};
use crate::render::style::{Style, symbol};
use crate::render::{diff, words};
use crate::resource::Resource;
use jiff::Timestamp;

/// How far the lines below a step's own are indented.
const INDENT: usize = 6;

/// Writes a step, the ages in it relative to `now`.
pub(super) fn step(
    page: &mut Page,
    principal: &PrincipalPlan,
    step: &Step,
    margin_s: u32,
    now: Timestamp,
) {
    let (sign, style) = symbol(step.action);
    let name = format!(" {}", step.resource);
    page.right(2, &[(style, sign), (Style::Plain, &name)], &format!("wave {}", step.wave));
    transition(page, step);
    if let Resource::AccessKey(id) = &step.resource
        && let Some(used) = words::key_use(&principal.snapshot, id, now)
    {
        page.sentence(INDENT, &used);
    }
    if !words::lifts_our_own(step) {
        let counted = words::counted(principal.kind, margin_s);
        for line in diff::documents(step.before.as_ref(), step.after.as_ref(), &counted) {
            let (text, style) = line.shown();
            page.line(style, INDENT, &text);
        }
    }
    if !step.reason.is_empty() {
        page.sentence(INDENT, &step.reason);
    }
    for caution in &step.cautions {
        page.look(INDENT, caution);
    }
    if !step.reversible {
        page.look(INDENT, "cannot be undone");
    }
    for line in words::stops(principal, step, Some(now)) {
        match line.look {
            true => page.look(INDENT, &line.text),
            false => page.sentence(INDENT, &line.text),
        }
    }
}

fn transition(page: &mut Page, step: &Step) {
    let Some((label, before, after)) = words::transition(step) else {
        return;
    };
    let line = format!("{label}  {before} -> {after}");
    if INDENT + cells(&line) <= page.screen().width {
        page.line(Style::Plain, INDENT, &line);
    } else {
        page.line(Style::Plain, INDENT, &format!("{label}  {before} ->"));
        page.line(Style::Plain, INDENT + cells(label) + 2, &after);
    }
}
