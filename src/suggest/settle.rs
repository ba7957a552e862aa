//! From use to a suggestion: what was used, cut to what is allowed today.

use super::advice::Advice;
use super::catalog::Catalog;
use super::check::checked;
use super::fold::folded;
use super::ledger::{Seen, Used};
use super::present::{Present, Role, Stands};
use super::report::*;
use super::target::{Target, escaped};
use super::within::{Element, Grant};
use super::write::{Draft, documents, placement, taken};
use crate::text::number;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// What a suggestion is made from.
#[derive(Debug)]
pub struct Given<'a> {
    /// The data set.
    pub catalog: &'a Catalog,
    /// Today's policies.
    pub present: &'a Present,
    /// What the events come to.
    pub used: &'a Used,
    /// Service-last-accessed data, where it was asked for.
    pub advice: Option<&'a Advice>,
    /// The time of the exposure.
    pub since: Option<Timestamp>,
    /// What there is room for.
    pub room: Room,
}

/// What the user's policies may be, and what is there already (F15).
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Non-whitespace characters that the user's inline policies may have in all.
    pub inline_quota: usize,
    /// Those of the inline policies beside which the suggestion has to stand at first.
    pub inline: usize,
    /// Managed policies that may be attached.
    pub attached_quota: usize,
    /// Those that are.
    pub attached: usize,
}

/// What is found, but for who the user is and what was read.
#[derive(Debug, Default)]
struct Found {
    draft: Draft,
    used: Vec<UsedLine>,
    not_allowed: Vec<LeftOut>,
    set_aside: Vec<SetAside>,
    unknown: Vec<Gap>,
    /// Actions of which something is left out that a statement of ours cannot say.
    unsaid: BTreeSet<String>,
}

/// Suggests a policy. Who the user is, and where the evidence comes from, is for the caller to fill in.
#[must_use]
pub fn suggest(given: &Given<'_>) -> Suggestion {
    let mut found = Found::default();
    for ((prefix, name), used) in &given.used.actions {
        let Some(action) = given.catalog.action(prefix, name) else { continue };
        let action = format!("{prefix}:{}", action.name);
        found.action(given, &action, &used.targets, Some(used.seen), By::Events);
    }
    found.advised(given);
    found.told(given);
    let mut statements = found.draft.statements();
    if !statements.is_empty() {
        statements.extend(given.present.denies());
        let limits = given.present.limits(found.draft.grants());
        statements
            .extend(limits.into_iter().filter(|one| !statements.contains(one)).collect::<Vec<_>>());
    }
    let policies = documents(&statements, given.room.inline_quota);
    let mut checks: Vec<_> = policies.iter().flat_map(|one| checked(given.catalog, one)).collect();
    checks.sort();
    checks.dedup();
    let counted = found.used.iter().filter(|line| line.by != By::Service).count();
    Suggestion {
        format_version: FORMAT_VERSION,
        ringfence_version: String::new(),
        user: String::new(),
        user_id: String::new(),
        arn: String::new(),
        account_id: String::new(),
        at: Timestamp::UNIX_EPOCH,
        endpoint: None,
        since: given.since,
        since_from: None,
        leaked: Vec::new(),
        evidence: evidence(given),
        sizes: policies.iter().map(crate::policy::PolicyDocument::quota_size).collect(),
        placement: placement(&policies, given.room.inline_quota),
        room: taken(&policies, given.room),
        policies,
        inline_quota: given.room.inline_quota,
        present: given.present.held().iter().map(present).collect(),
        counts: Counts { may_do: given.present.may_do(given.catalog), used: counted },
        used: found.used,
        not_allowed: found.not_allowed,
        unmapped: events(&given.used.unmapped),
        refused: events(&given.used.refused),
        excluded: excluded(given.used),
        set_aside: found.set_aside,
        checks,
        validation: None,
        unknown: found.unknown,
    }
}

impl Found {
    /// Grants what was used of an action, as far as it is allowed.
    fn action(
        &mut self,
        given: &Given<'_>,
        action: &str,
        targets: &BTreeSet<Target>,
        seen: Option<Seen>,
        by: By,
    ) {
        let present = given.present;
        let mut kept = BTreeSet::new();
        let mut out: BTreeMap<Option<String>, &'static str> = BTreeMap::new();
        for target in targets {
            // Folded patterns stand for what is allowed one by one.
            let stands =
                target.literal().map(|literal| (present.stands(action, &literal), literal));
            match stands {
                Some((Stands::Allowed, _)) | None => {
                    kept.insert(target.clone());
                }
                Some((why, literal)) => {
                    let named = (*target != Target::NoResource).then_some(literal);
                    out.insert(named, words(why));
                }
            }
        }
        let wide = kept.contains(&Target::Unnamed);
        let literals: Vec<(String, String)> =
            kept.iter().filter_map(|one| Some((one.literal()?, one.element()))).collect();
        let mut resources = BTreeSet::new();
        for target in folded(kept) {
            let element = target.element();
            let place = element.strip_suffix('*').unwrap_or(&element);
            let inside = |(_, one): &&(String, String)| one.starts_with(place);
            let named: Vec<_> = match target {
                Target::Pattern(_) => literals.iter().filter(inside).cloned().collect(),
                _ => Vec::new(),
            };
            let within = present.within(action, &target, &named);
            if within.unsaid {
                self.unsaid.insert(action.to_owned());
            }
            if within.grants.is_empty() {
                let named = Some(element).filter(|_| matches!(target, Target::Pattern(_)));
                // A pattern of no resource that was named alone is another form of one that was.
                let is_form = named.is_some() && targets.len() > 1;
                if !is_form || within.against != Stands::NotAllowed && !is_variant(&target, targets)
                {
                    out.insert(named, words(within.against));
                }
            }
            for grant in within.grants {
                resources.insert(shown_as(&grant));
                self.draft.add(action, grant);
            }
        }
        let calls = seen.map(|seen| seen.calls);
        if !resources.is_empty() {
            self.used.push(UsedLine {
                action: action.to_owned(),
                by,
                calls,
                last: seen.map_or(Timestamp::UNIX_EPOCH, |seen| seen.last),
                resources: resources.into_iter().collect(),
                wide,
            });
        }
        self.not_allowed.extend(out.into_iter().map(|(resource, why)| LeftOut {
            action: action.to_owned(),
            resource,
            calls,
            why: why.to_owned(),
        }));
    }

    /// Takes what IAM knows of last uses, where the events do not already say more.
    fn advised(&mut self, given: &Given<'_>) {
        let Some(advice) = given.advice else { return };
        let seen: BTreeSet<&str> = given.used.actions.keys().map(|(prefix, _)| *prefix).collect();
        let known: BTreeSet<String> =
            self.used.iter().map(|line| line.action.to_ascii_lowercase()).collect();
        let mut services: Vec<_> = advice.services.iter().collect();
        services.sort_by(|a, b| a.service.cmp(&b.service));
        for service in services {
            let Some(last) = service.last else { continue };
            let mut tracked = false;
            let mut actions: Vec<_> = service.actions.iter().collect();
            actions.sort();
            for (name, at) in actions {
                let Some(at) = *at else { continue };
                tracked = true;
                let listed = given.catalog.action(&service.service, name);
                let name = listed.map_or(name.as_str(), |action| action.name.as_str());
                let action = format!("{}:{name}", service.service);
                if known.contains(&action.to_ascii_lowercase()) {
                    continue;
                }
                if self.may_be_the_attackers(given, &action, at) {
                    continue;
                }
                let none = listed.is_some_and(|action| action.types.is_empty());
                let target = if none { Target::NoResource } else { Target::Unnamed };
                let before = self.used.len();
                self.action(given, &action, &BTreeSet::from([target]), None, By::Action);
                if let Some(line) = self.used.get_mut(before) {
                    line.last = at;
                }
            }
            let silent = !seen.contains(service.service.as_str());
            if !tracked && silent && !self.may_be_the_attackers(given, &service.service, last) {
                self.service(given, &service.service, last);
            }
        }
    }

    /// Whether something was last used after the exposure: nobody can tell by whom.
    fn may_be_the_attackers(&mut self, given: &Given<'_>, what: &str, last: Timestamp) -> bool {
        let after = given.since.is_some_and(|since| last >= since);
        if after {
            self.set_aside.push(SetAside {
                what: what.to_owned(),
                last,
                why: "last used after the exposure, from where is not recorded".to_owned(),
            });
        }
        after
    }

    /// A service of which only the last use is known: all that is allowed of it today.
    fn service(&mut self, given: &Given<'_>, prefix: &str, last: Timestamp) {
        let (grants, unsaid) = given.present.of_service(given.catalog, prefix);
        if unsaid {
            self.unsaid.insert(format!("{prefix}:*"));
        }
        if grants.is_empty() {
            self.not_allowed.push(LeftOut {
                action: format!("{prefix}:*"),
                resource: None,
                calls: None,
                why: words(Stands::NotAllowed).to_owned(),
            });
            return;
        }
        let mut lines: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (action, grant) in grants {
            lines.entry(action.clone()).or_default().insert(shown_as(&grant));
            self.draft.add(&action, grant);
        }
        self.used.extend(lines.into_iter().map(|(action, resources)| UsedLine {
            action,
            by: By::Service,
            calls: None,
            last,
            resources: resources.into_iter().collect(),
            wide: true,
        }));
    }

    /// What is not known, of what is the same for every source (D2.12).
    fn told(&mut self, given: &Given<'_>) {
        let mut gap = |what: String, why: String| self.unknown.push(Gap { what, why });
        for held in given.present.held() {
            if let Err(why) = &held.document {
                let so = match held.role {
                    Role::Boundary => {
                        "what it stops is suggested all the same; it goes on stopping it"
                    }
                    _ => "what it alone allows is left out, and its denies are not kept",
                };
                gap(format!("what {} allows and denies", held.place), format!("{why}; {so}"));
            }
        }
        if given.since.is_none() {
            gap(
                "which calls of its own keys an attacker made".to_owned(),
                "no time of exposure is known, so that every one counts as the workload's; --since \
                 TIME sets apart what came from sources first seen after it"
                    .to_owned(),
            );
        }
        if given.used.window.is_some() && !given.used.data {
            let and = match given.advice {
                Some(_) => "",
                None => "; --advisor knows of which services at least",
            };
            let touched = touched(given);
            let of = match touched.is_empty() {
                true => String::new(),
                false => format!(" of {}", touched.join(", ")),
            };
            gap(
                format!("objects, items, messages and functions{of} that were used"),
                format!(
                    "there is no data event of the user's, so that nothing is suggested for them{and}"
                ),
            );
        }
        for (source, shared) in &given.used.shared {
            let left = match shared.left_out {
                0 => "those of the user's own credentials are counted; --exclude-source leaves them out"
                    .to_owned(),
                n => format!(
                    "{} of a leaked key since then {} left out, and what else came from there is counted",
                    number(n, "call", "calls"),
                    if n == 1 { "is" } else { "are" }
                ),
            };
            let why = match shared.before {
                true => format!(
                    "the lineage was used or made there, and the user came from there before; {left}"
                ),
                false => {
                    "the lineage was used or made there, and no time of exposure is known: none is \
                          counted; --since TIME counts what came before it"
                        .to_owned()
                }
            };
            gap(format!("which calls from {source} are the user's own"), why);
        }
        if given.used.window.is_some() {
            for source in &given.used.idle {
                gap(
                    format!("what --exclude-source {source} was to leave out"),
                    "no call of the user's came from there".to_owned(),
                );
            }
        }
        if let Some(unusable) = &given.used.unusable {
            let (at, source, name) = &unusable.first;
            let service = source.strip_suffix(".amazonaws.com").unwrap_or(source);
            gap(
                format!("when {} happened", number(unusable.events, "event", "events")),
                format!(
                    "the time cannot be, and it is not counted: first {service} {name} at {at}"
                ),
            );
        }
        for action in std::mem::take(&mut self.unsaid) {
            gap(
                format!("all that {action} may be used on today"),
                "where the user's policies and the boundary meet in no pattern, or in no condition, that a \
                 statement could say, it is left out"
                    .to_owned(),
            );
        }
        if given.used.beyond > 0 {
            gap(
                "what some calls were".to_owned(),
                format!("{} more are of too many kinds to be told apart", given.used.beyond),
            );
        }
    }
}

/// The resources of a grant, in words.
fn shown_as(grant: &Grant) -> String {
    match &grant.element {
        Element::On(resource) => resource.clone(),
        Element::NotOn(all) => format!("all but {}", all.join(", ")),
    }
}

/// Whether a pattern is another form of a resource that was named: with a qualifier behind it, or a path before.
fn is_variant(pattern: &Target, targets: &BTreeSet<Target>) -> bool {
    let text = pattern.element();
    targets.iter().any(|target| match target {
        Target::Named { head, tail, .. } => {
            let (head, tail) = (escaped(head), escaped(tail));
            text == format!("{head}{tail}:*") || text == format!("{head}*/{tail}")
        }
        _ => false,
    })
}

/// The services that the user has called, and that have data events.
fn touched(given: &Given<'_>) -> Vec<&'static str> {
    const DATA: [&str; 14] = [
        "bedrock",
        "cognito-identity",
        "dynamodb",
        "ebs",
        "kinesis",
        "lambda",
        "rds-data",
        "s3",
        "sagemaker",
        "sns",
        "sqs",
        "ssmmessages",
        "states",
        "timestream",
    ];
    let called = |prefix: &&str| {
        let advised = given.advice.is_some_and(|advice| {
            advice.services.iter().any(|one| one.service == *prefix && one.last.is_some())
        });
        advised || given.used.actions.keys().any(|(of, _)| of == prefix)
    };
    DATA.into_iter().filter(called).collect()
}

fn words(stands: Stands) -> &'static str {
    match stands {
        Stands::Allowed => "allowed",
        Stands::Denied => "a policy of today denies it",
        Stands::NotAllowed => {
            "no policy of the user's allows it today; a resource's own policy may"
        }
        Stands::Bounded => "the permissions boundary does not allow it",
    }
}

fn evidence(given: &Given<'_>) -> Evidence {
    let origins = given.used.origins.iter();
    let mut lines: Vec<OriginLine> =
        origins.map(|(origin, seen)| OriginLine { origin: origin.clone(), seen: *seen }).collect();
    lines.sort_by(|a, b| b.seen.calls.cmp(&a.seen.calls).then_with(|| a.origin.cmp(&b.origin)));
    Evidence {
        from: given.used.window.map(|(from, _)| from),
        to: given.used.window.map(|(_, to)| to),
        events: 0,
        calls: lines.iter().map(|line| line.seen.calls).sum(),
        origins: lines,
        advisor: given.advice.is_some(),
    }
}

fn present(held: &super::present::Held) -> PresentPolicy {
    PresentPolicy {
        place: held.place.clone(),
        document: held.document.as_ref().ok().cloned(),
        unread: held.document.as_ref().err().cloned(),
        role: match held.role {
            Role::Own => PresentRole::Own,
            Role::Group => PresentRole::Group,
            Role::Boundary => PresentRole::Boundary,
            Role::Containment => PresentRole::Containment,
        },
    }
}

fn events(map: &BTreeMap<(String, String), Seen>) -> Vec<EventLine> {
    let line = |((source, name), seen): (&(String, String), &Seen)| EventLine {
        source: source.clone(),
        name: name.clone(),
        seen: *seen,
    };
    map.iter().map(line).collect()
}

fn excluded(used: &Used) -> Vec<Excluded> {
    let line = |(origin, (seen, why)): (&super::ledger::Origin, &(Seen, String))| Excluded {
        origin: origin.clone(),
        seen: *seen,
        why: why.clone(),
    };
    used.excluded.iter().map(line).collect()
}
