//! A plan for a pull request.

use super::escape::{block, code, html, table, text};
use crate::approval::Examination;
use crate::guardrail::{Finding, Outcome};
use crate::plan::{LeftLive, Plan, PrincipalPlan, Step};
use crate::render::style::symbol;
use crate::render::words::{self, stamp};
use crate::render::{Saved, diff, is_aws_endpoint};
use crate::resource::Value;
use crate::text::count;

/// The plan, and what stands for and against it where that was judged. What is another whenever it is made
/// again, the lineage, times of use, what reading took and the digest, comes at the end.
#[must_use]
pub fn plan(plan: &Plan, saved: Option<&Saved<'_>>, judged: Option<&Examination>) -> String {
    let principals = by_name(plan);
    let mut parts = vec![
        marker(plan, &principals),
        title(plan),
        format!("**{}**\n", text(&words::summary(plan))),
    ];
    parts.push(about(plan, &principals, judged));
    for principal in &principals {
        if plan.principals.len() > 1 {
            parts.push(format!(
                "### User {} ({})\n",
                code(principal.name.as_str()),
                code(principal.id.as_str())
            ));
        }
        parts.push(steps(principal));
        parts.extend(stopped(principal));
        parts.extend(notes(principal));
        parts.extend(rest(principal));
        let counted = words::counted(principal.kind, plan.fence_margin_s);
        parts.extend(principal.steps.iter().map(|step| details(step, &counted)));
    }
    parts.extend(words::settle(plan).map(|settle| format!("{}\n", text(&settle))));
    parts.retain(|part| !part.is_empty());
    let (stable, named) = without_lineages(&principals, parts.join("\n"));
    let mut parts = vec![stable, as_read(plan, &principals, &named)];
    if let Some(saved) = saved {
        parts.push(format!("Saved {}, sha256 {}\n", code(saved.path), code(saved.digest)));
    }
    parts.join("\n")
}

/// The principals in an order that does not change with the last use of a key.
fn by_name(plan: &Plan) -> Vec<&PrincipalPlan> {
    let mut principals: Vec<_> = plan.principals.iter().collect();
    principals.sort_by_key(|one| (one.kind, &one.name));
    principals
}

/// What a workflow finds its comment by. No name of a user or role holds a `>`, which alone could end it.
fn marker(plan: &Plan, principals: &[&PrincipalPlan]) -> String {
    let users: String =
        principals.iter().map(|one| format!("{}={} ", one.kind, one.name)).collect();
    format!("<!-- ringfence:plan {users}account={} -->\n", plan.account_id)
}

/// Leaves out the lineage of a containment that is yet to be, which is drawn anew for every plan; with the
/// lines that tell it.
fn without_lineages(principals: &[&PrincipalPlan], mut text: String) -> (String, Vec<String>) {
    let mut named = Vec::new();
    for one in principals {
        let short = one.lineage.short();
        let snapshot = &one.snapshot;
        let inline = snapshot.inline_policies.items().iter().map(|policy| policy.name.as_str());
        let attached = snapshot.attached_policies.items().iter().map(|policy| policy.arn.as_str());
        let boundary = snapshot.permissions_boundary.as_deref();
        let managed = snapshot.managed_policies.iter().map(|policy| policy.arn.as_str());
        let there = inline.chain(attached).chain(boundary).chain(managed);
        if there.into_iter().any(|name| name.contains(short)) {
            continue;
        }
        let mut found = false;
        for (name, prefix) in [
            (one.lineage.fence_name(), "RingfenceFence-"),
            (one.lineage.hold_name(), "RingfenceHold-"),
        ] {
            found |= text.contains(&name);
            text = text.replace(&name, &format!("{prefix}…"));
        }
        if found {
            named.push(format!(
                "- {}: … stands for {} in the names of policies\n",
                code(one.name.as_str()),
                code(short)
            ));
        }
    }
    (text, named)
}

fn title(plan: &Plan) -> String {
    let whom = match plan.principals.as_slice() {
        [one] => format!("{} {}", one.kind, code(one.name.as_str())),
        many => words::principals(many),
    };
    format!("## ringfence plan: {whom}, {}\n", text(&words::purpose(plan)))
}

/// What it leaves open, what stands for and against it, and whom it is about, in lines that stay the same when
/// it is made again.
fn about(plan: &Plan, principals: &[&PrincipalPlan], judged: Option<&Examination>) -> String {
    let mut lines: Vec<String> = words::no_key_named(plan)
        .into_iter()
        .chain(words::overridden(plan).map(str::to_owned))
        .map(|line| format!("**!** {}", text(&line)))
        .collect();
    lines.extend(not_done(plan));
    lines.extend(judged.into_iter().flat_map(judgement));
    lines.push(match principals {
        [one] => format!(
            "Account {}, {} {} ({})",
            code(plan.account_id.as_str()),
            one.kind,
            code(one.name.as_str()),
            code(one.id.as_str())
        ),
        _ => format!("Account {}", code(plan.account_id.as_str())),
    });
    if !is_aws_endpoint(&plan.endpoint) {
        lines.push(format!("**!** Endpoint {} (not AWS)", code(&plan.endpoint)));
    }
    if let Some((kind, id)) = words::found_by(plan) {
        lines.push(format!("Finding {} ({})", code(&kind), code(&id)));
    }
    if let Some((start, digest)) = words::traced(plan) {
        lines.push(format!("Trace of {}, sha256 {}", code(&start), code(&digest)));
    }
    for (what, why) in words::left_open(plan) {
        lines.push(format!("**!** Traced, and not in this plan: {}: {}", text(&what), text(&why)));
    }
    if let Some(incident) = &plan.incident {
        lines.push(format!("Incident {}", code(incident)));
    }
    for one in principals {
        if let Some(since) = one.since {
            lines.push(format!("{} exposed {}", code(one.name.as_str()), stamp(since)));
        }
    }
    bullets(lines)
}

/// What is left when everything is done, counted.
fn not_done(plan: &Plan) -> Option<String> {
    let sum = |of: fn(&PrincipalPlan) -> usize| plan.principals.iter().map(of).sum::<usize>();
    let suspect = sum(|one| one.left_live.iter().filter(|item| item.suspect).count());
    let live = match (sum(|one| one.left_live.len()), suspect) {
        (0, _) => None,
        (live, 0) => Some(format!("{live} left live")),
        (live, suspect) => Some(format!("{live} left live, {suspect} of them suspect")),
    };
    let counted = |n: usize, what: &str| (n > 0).then(|| format!("{n} {what}"));
    let (open, unread) = (sum(|one| one.blocked.len()), sum(|one| one.unread.len()));
    let drift = sum(|one| one.drift.len());
    let parts: Vec<String> = [
        counted(open, "open, since nothing can be done now"),
        live,
        counted(sum(|one| one.kept.len()), "kept"),
        counted(drift, "changed by others and left alone"),
        counted(unread, "not read"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let look = if open + suspect + unread + drift > 0 { "**!** " } else { "" };
    (!parts.is_empty()).then(|| format!("{look}Not done: {}", parts.join("; ")))
}

/// The store's rules, and the approvals.
fn judgement(judged: &Examination) -> Vec<String> {
    let rule = |finding: &Finding| {
        let look = if matches!(finding.outcome, Outcome::Approvals(_)) { "" } else { "**!** " };
        let whom = format!(
            "{}, {}",
            code(finding.who.name().as_str()),
            code(&finding.resource.to_string())
        );
        format!(
            "{look}Rule {} {}: {} ({whom})",
            code(&finding.rule),
            words::verb(finding),
            text(&finding.message)
        )
    };
    let mut lines: Vec<String> = judged.findings.iter().map(rule).collect();
    let verdict = &judged.verdict;
    lines.extend(
        verdict
            .approvals
            .iter()
            .map(|one| format!("Approved by {} ({})", text(&one.person), code(&one.fingerprint))),
    );
    lines.extend(
        verdict
            .rejected
            .iter()
            .map(|one| format!("**!** {} does not count: {}", code(&one.file), text(&one.why))),
    );
    lines.extend(verdict.too_old.iter().map(|why| format!("**!** It is too old: {}", text(why))));
    lines.push(text(&words::needs(verdict)));
    lines
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

/// What of the real use each step stops. Without ages: it is the same when planned again.
fn stopped(principal: &PrincipalPlan) -> Vec<String> {
    let lines: Vec<String> = principal
        .steps
        .iter()
        .flat_map(|step| {
            words::stops(principal, step, None).into_iter().map(move |line| (step, line))
        })
        .map(|(step, line)| {
            let mark = if line.look { "**!** " } else { "" };
            format!("{mark}{}: {}", code(&step.resource.to_string()), text(&line.text))
        })
        .collect();
    if lines.is_empty() { Vec::new() } else { vec![bullets(lines)] }
}

/// What a person has to look at.
fn notes(principal: &PrincipalPlan) -> Vec<String> {
    let blocked = principal
        .blocked
        .iter()
        .map(|blocked| format!("Open: {}: {}", text(&blocked.what), text(&blocked.why)));
    let suspects = principal.left_live.iter().filter(|item| item.suspect);
    let suspects = suspects.map(|item| {
        let (name, what) = left_live(principal, item);
        format!("Left live: {name}: {what}")
    });
    let drift = principal.drift.iter().map(|drift| {
        format!("Changed by others: {}: {}", code(&drift.resource.to_string()), text(&drift.what))
    });
    let unseen = principal.usage.iter().flat_map(|usage| &usage.unseen);
    let unseen = unseen.map(|what| format!("Real use that is not known: {}", text(what)));
    let warnings = principal.warnings.iter().map(|warning| text(warning)).chain(unseen);
    let unread = principal.unread.iter().map(|unread| {
        format!(
            "Not read: {}, {} is missing: {}",
            text(&unread.what),
            code(&unread.action),
            text(&unread.because)
        )
    });
    let lines = blocked.chain(suspects).chain(drift).chain(warnings).chain(unread);
    let lines: Vec<String> = lines.map(|line| format!("**!** {line}")).collect();
    if lines.is_empty() { Vec::new() } else { vec![bullets(lines)] }
}

/// What stays as it is, each table folded.
fn rest(principal: &PrincipalPlan) -> Vec<String> {
    let live: Vec<_> = principal
        .left_live
        .iter()
        .map(|item| {
            let (name, what) = left_live(principal, item);
            vec![name, format!("{}{what}", if item.suspect { "**!** " } else { "" })]
        })
        .collect();
    let kept: Vec<_> = principal
        .kept
        .iter()
        .map(|kept| {
            let flag =
                kept.flag.as_ref().map(|flag| format!("; {}", text(flag))).unwrap_or_default();
            vec![code(&kept.resource.to_string()), text(&words::without_age(&kept.why)) + &flag]
        })
        .collect();
    let given_up: Vec<_> = principal
        .given_up
        .iter()
        .map(|resource| {
            vec![code(&resource.to_string()), "left for good to whoever changed it".to_owned()]
        })
        .collect();
    [("Left live", live), ("Kept", kept), ("Given up", given_up)]
        .iter()
        .filter(|(_, rows)| !rows.is_empty())
        .map(|(heading, rows)| {
            folded(&format!("{heading}: {}", rows.len()), &table(&["", ""], rows))
        })
        .collect()
}

/// What is left live: its name, and what there is to say of it.
fn left_live(principal: &PrincipalPlan, item: &LeftLive) -> (String, String) {
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
    (name, parts.join("; "))
}

/// A step folded: why, what to know, and the policy's difference.
fn details(step: &Step, counted: &str) -> String {
    let (sign, _) = symbol(step.action);
    let mut body: Vec<String> = Vec::new();
    if !step.reason.is_empty() {
        body.push(format!("{}\n", text(&words::without_age(&step.reason))));
    }
    let cautions: String =
        step.cautions.iter().map(|caution| format!("- **!** {}\n", text(caution))).collect();
    body.push(cautions);
    let lines: Vec<String> = diff::documents(step.before.as_ref(), step.after.as_ref(), counted)
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

fn bullets<I: IntoIterator<Item = String>>(lines: I) -> String {
    lines.into_iter().map(|line| format!("- {line}\n")).collect()
}

/// What is another whenever the plan is made again.
fn as_read(plan: &Plan, principals: &[&PrincipalPlan], named: &[String]) -> String {
    let mut lines = vec![format!(
        "- Read {}, {} in {}, by {}\n",
        stamp(plan.created_at),
        count(plan.read.calls as usize, "call", "calls"),
        count(plan.read.round_trips as usize, "round trip", "round trips"),
        code(plan.planned_by.as_str())
    )];
    lines.extend_from_slice(named);
    for principal in principals {
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
