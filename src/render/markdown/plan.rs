//! A plan for a pull request.

use super::escape::{block, code, html, table, text};
use crate::plan::{LeftLive, Plan, PrincipalPlan, Step};
use crate::render::style::symbol;
use crate::render::words::{self, stamp};
use crate::render::{Saved, diff, is_aws_endpoint};
use crate::resource::{Resource, Value};
use crate::text::count;

/// The plan. What is another whenever it is made again, times of use, what reading took and the digest,
/// comes at the end.
#[must_use]
pub fn plan(plan: &Plan, saved: Option<&Saved<'_>>) -> String {
    let mut parts = vec![title(plan), format!("**{}**\n", text(&words::summary(plan)))];
    for line in
        words::no_key_named(plan).into_iter().chain(words::overridden(plan).map(str::to_owned))
    {
        parts.push(format!("**!** {}\n", text(&line)));
    }
    parts.push(about(plan));
    for principal in &plan.principals {
        if plan.principals.len() > 1 {
            parts.push(format!(
                "### User {} ({})\n",
                code(principal.name.as_str()),
                code(principal.id.as_str())
            ));
        }
        parts.push(steps(principal));
        parts.extend(notes(principal));
        parts.push(rest(principal));
        parts.extend(principal.steps.iter().map(|step| details(step, plan.fence_margin_s)));
    }
    parts.extend(words::settle(plan).map(|settle| format!("{}\n", text(&settle))));
    parts.push(as_read(plan));
    if let Some(saved) = saved {
        parts.push(format!("Saved {}, sha256 {}\n", code(saved.path), code(saved.digest)));
    }
    parts.retain(|part| !part.is_empty());
    parts.join("\n")
}

fn title(plan: &Plan) -> String {
    let whom = match plan.principals.as_slice() {
        [one] => format!("user {}", code(one.name.as_str())),
        many => count(many.len(), "user", "users"),
    };
    format!("## ringfence plan: {whom}, {}\n", text(&words::purpose(plan)))
}

/// What the plan is for, in lines that stay the same when it is made again.
fn about(plan: &Plan) -> String {
    let mut lines = vec![format!(
        "Account {}, planned by {}",
        code(plan.account_id.as_str()),
        code(plan.planned_by.as_str())
    )];
    if let [one] = plan.principals.as_slice() {
        lines.push(format!("User {} ({})", code(one.name.as_str()), code(one.id.as_str())));
    }
    if !is_aws_endpoint(&plan.endpoint) {
        lines.push(format!("**!** Endpoint {} (not AWS)", code(&plan.endpoint)));
    }
    if let Some(incident) = &plan.incident {
        lines.push(format!("Incident {}", code(incident)));
    }
    for one in &plan.principals {
        if let Some(since) = one.since {
            lines.push(format!("{} exposed {}", code(one.name.as_str()), stamp(since)));
        }
    }
    lines.iter().map(|line| format!("- {line}\n")).collect()
}

fn steps(principal: &PrincipalPlan) -> String {
    let rows: Vec<Vec<String>> = principal
        .steps
        .iter()
        .map(|step| {
            let (sign, _) = symbol(step.action);
            vec![
                code(sign),
                code(&step.resource.to_string()),
                change(step),
                step.wave.to_string(),
                if step.reversible { "yes" } else { "**no**" }.to_owned(),
            ]
        })
        .collect();
    table(&["", "resource", "change", "wave", "can be undone"], &rows)
}

fn change(step: &Step) -> String {
    match (words::transition(step), &step.before, &step.after) {
        (Some((label, before, after)), _, _) => {
            format!("{label} {} -> {}", text(&before), text(&after))
        }
        (None, None, Some(Value::Document(_))) if step.awaits_fence_time() => "fence".to_owned(),
        (None, before, after) => {
            let (before, after) = (words::value(before.as_ref()), words::value(after.as_ref()));
            format!("{} -> {}", text(&before), text(&after))
        }
    }
}

/// What a person has to look at.
fn notes(principal: &PrincipalPlan) -> Vec<String> {
    let blocked = principal
        .blocked
        .iter()
        .map(|blocked| format!("Open: {}: {}", text(&blocked.what), text(&blocked.why)));
    let warnings = principal.warnings.iter().map(|warning| text(warning));
    let unread = principal.unread.iter().map(|unread| {
        format!(
            "Not read: {}, {} is missing: {}",
            text(&unread.what),
            code(&unread.action),
            text(&unread.because)
        )
    });
    let lines: String =
        blocked.chain(warnings).chain(unread).map(|line| format!("- **!** {line}\n")).collect();
    if lines.is_empty() { Vec::new() } else { vec![lines] }
}

fn rest(principal: &PrincipalPlan) -> String {
    let named = |name: &Resource, what: String| vec![code(&name.to_string()), what];
    let live: Vec<_> = principal.left_live.iter().map(|item| left_live(principal, item)).collect();
    let kept: Vec<_> = principal
        .kept
        .iter()
        .map(|kept| {
            let flag =
                kept.flag.as_ref().map(|flag| format!("; {}", text(flag))).unwrap_or_default();
            named(&kept.resource, text(&kept.why) + &flag)
        })
        .collect();
    let drift: Vec<_> = principal
        .drift
        .iter()
        .map(|drift| named(&drift.resource, format!("**!** {}", text(&drift.what))))
        .collect();
    let given_up: Vec<_> = principal
        .given_up
        .iter()
        .map(|resource| named(resource, "left for good to whoever changed it".to_owned()))
        .collect();
    let tables = [
        ("left live", live),
        ("kept", kept),
        ("changed by others since the apply, left alone", drift),
        ("given up", given_up),
    ];
    let tables: Vec<String> = tables
        .iter()
        .map(|(heading, rows)| table(&[heading, ""], rows))
        .filter(|table| !table.is_empty())
        .collect();
    tables.join("\n")
}

fn left_live(principal: &PrincipalPlan, item: &LeftLive) -> Vec<String> {
    let mut parts = Vec::new();
    let name = match &item.resource {
        Some(resource) => {
            parts.push(text(&item.what));
            code(&resource.to_string())
        }
        None => text(&item.what),
    };
    if let Some(created) = item.created_at {
        let exposed = principal.since.is_some_and(|since| created >= since);
        let after = if exposed { ", after the exposure" } else { "" };
        parts.push(format!("created {}{after}", stamp(created)));
    }
    parts.extend(item.remedy.as_ref().map(|remedy| text(remedy)));
    let look = if item.suspect { "**!** " } else { "" };
    vec![name, format!("{look}{}", parts.join("; "))]
}

/// A step folded: why, what to know, and the policy's difference.
fn details(step: &Step, margin_s: u32) -> String {
    let (sign, _) = symbol(step.action);
    let mut body: Vec<String> = Vec::new();
    if !step.reason.is_empty() {
        body.push(format!("{}\n", text(&step.reason)));
    }
    let cautions: String =
        step.cautions.iter().map(|caution| format!("- **!** {}\n", text(caution))).collect();
    body.push(cautions);
    let lines: Vec<String> = diff::documents(step.before.as_ref(), step.after.as_ref(), margin_s)
        .iter()
        .map(|line| line.shown().0)
        .collect();
    if !lines.is_empty() {
        body.push(block("diff", &lines));
    }
    body.retain(|part| !part.is_empty());
    if body.is_empty() {
        return String::new();
    }
    folded(&format!("{sign} <code>{}</code>", html(&step.resource.to_string())), &body.join("\n"))
}

/// A folded part. The empty line after the summary makes what follows Markdown again.
fn folded(summary: &str, body: &str) -> String {
    format!("<details><summary>{summary}</summary>\n\n{body}\n</details>\n")
}

/// What is another whenever the plan is made again.
fn as_read(plan: &Plan) -> String {
    let mut lines = vec![format!(
        "- Read {}, {} in {}\n",
        stamp(plan.created_at),
        count(plan.read.calls as usize, "call", "calls"),
        count(plan.read.round_trips as usize, "round trip", "round trips")
    )];
    for principal in &plan.principals {
        for key in principal.snapshot.access_keys.items() {
            if let Some(used) = words::key_use(&principal.snapshot, &key.id, plan.created_at) {
                lines.push(format!(
                    "- {} {}: {}\n",
                    code(principal.name.as_str()),
                    code(key.id.as_str()),
                    text(&used)
                ));
            }
        }
    }
    folded("As read", &lines.concat())
}
