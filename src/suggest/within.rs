//! What of a wish lies within what is allowed today.

use super::both::{both, meeting};
use super::catalog::{Action, Catalog, Part, Service};
use super::condition::{Joined, joined};
use super::present::{Present, Stands};
use super::statement::{Meant, Statement, says};
use super::target::{self, Target, escaped};
use crate::evaluate::Policy;
use serde_json::Value;
use std::collections::BTreeSet;

/// What a statement may be about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Element {
    /// `Resource`, one.
    On(String),
    /// `NotResource`, all of them.
    NotOn(Vec<String>),
}

/// A grant that lies within what is allowed today.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Grant {
    pub(super) element: Element,
    /// As it stands in the statement that allows it; no text where there is none.
    pub(super) condition: String,
}

/// What is granted of a wish.
#[derive(Debug)]
pub(super) struct Within {
    pub(super) grants: BTreeSet<Grant>,
    /// What stands against all of it, where nothing is granted.
    pub(super) against: Stands,
    /// Whether something is left out that is allowed, since no statement of ours can say it.
    pub(super) unsaid: bool,
}

/// A statement that allows, one of the boundary's that lets it, and what both ask for.
struct Pair<'a> {
    allow: &'a Statement,
    limit: Option<&'a Statement>,
    condition: String,
}

/// Elements within a pair, and whether they are all that is.
struct Cut {
    elements: Vec<Element>,
    whole: bool,
}

impl Present {
    /// Every statement that allows, with every one of the boundary that does; and whether there are two whose
    /// conditions cannot be said in one statement.
    fn pairs(&self, means: impl Fn(&Statement) -> bool) -> (Vec<Pair<'_>>, bool) {
        let mut all = Vec::new();
        let mut unsaid = false;
        for allow in self.allows.iter().filter(|one| means(one)) {
            let limits: Vec<Option<&Statement>> = match &self.boundary {
                None => vec![None],
                Some(limits) => limits.iter().filter(|one| means(one)).map(Some).collect(),
            };
            for limit in limits {
                let other = limit.and_then(|one| one.condition.as_ref());
                match joined(allow.condition.as_ref(), other) {
                    Joined::Text(condition) => all.push(Pair { allow, limit, condition }),
                    Joined::Never => {}
                    Joined::Unsaid => unsaid = true,
                }
            }
        }
        (all, unsaid)
    }

    /// What of a use is allowed today, never more: by a statement of the user's, by the boundary, and by what is
    /// denied. A statement without conditions decides where one allows the same. The resources that a pattern stands
    /// for, each as it is and as a policy writes it, are granted one by one where the pattern cannot be.
    pub(super) fn within(
        &self,
        action: &str,
        target: &Target,
        named: &[(String, String)],
    ) -> Within {
        let means = |one: &Statement| self.covers(&one.anywhere, false, action, "*");
        let (pairs, mut unsaid) = self.pairs(means);
        let wish = target.element();
        let mut grants = BTreeSet::new();
        let (mut met, mut denied) = (false, false);
        for pair in &pairs {
            let has = |literal: &str| {
                let mut both = std::iter::once(pair.allow).chain(pair.limit);
                both.all(|one| self.covers(&one.bare, false, action, literal))
            };
            let elements = match target.literal() {
                Some(literal) if has(&literal) => vec![Element::On(wish.clone())],
                Some(_) => Vec::new(),
                None => {
                    let cut = self.cut(pair, &wish);
                    let mut elements = cut.elements;
                    if !cut.whole {
                        let there = elements.clone();
                        let lacks = |(literal, _): &&(String, String)| {
                            has(literal) && !there.iter().any(|one| self.holds(one, literal))
                        };
                        let alone = named.iter().filter(lacks);
                        elements.extend(alone.map(|(_, text)| Element::On(text.clone())));
                        unsaid |= named.is_empty();
                    }
                    elements
                }
            };
            met |= self.meets(pair.allow, &wish);
            for element in elements {
                if self.is_denied(action, &element) {
                    denied = true;
                } else {
                    let condition = pair.condition.clone();
                    grants.insert(Grant { element, condition });
                }
            }
        }
        let against = match (denied, met) {
            (true, _) => Stands::Denied,
            (false, true) if self.boundary.is_some() => Stands::Bounded,
            (false, _) if pairs.is_empty() && self.allows.iter().any(means) => Stands::Bounded,
            _ => Stands::NotAllowed,
        };
        Within { grants: simplest(grants), against, unsaid }
    }

    /// What a pair allows of a pattern.
    fn cut(&self, pair: &Pair<'_>, wish: &str) -> Cut {
        let allowed = self.cut_by(pair.allow, wish);
        let Some(limit) = pair.limit else { return Cut { elements: allowed, whole: true } };
        let mut cut = Cut { elements: Vec::new(), whole: true };
        for element in allowed {
            let one = self.limited(limit, element, wish);
            cut.elements.extend(one.elements);
            cut.whole &= one.whole;
        }
        cut
    }

    /// What a statement of the user's allows of a pattern; where the two meet in no pattern, all that the statement
    /// allows there.
    fn cut_by(&self, statement: &Statement, wish: &str) -> Vec<Element> {
        if let Some(excepted) = statement.list("NotResource") {
            return match self.apart(&excepted, wish) {
                Some(true) => vec![Element::On(wish.to_owned())],
                Some(false) => Vec::new(),
                None => vec![Element::NotOn(excepted)],
            };
        }
        let resources = statement.list("Resource").unwrap_or_default();
        if resources.iter().any(|one| self.has(one, wish)) {
            return vec![Element::On(wish.to_owned())];
        }
        let meeting = |one: String| match self.common(&one, wish) {
            (all, true) => all,
            (_, false) => vec![one],
        };
        resources.into_iter().flat_map(meeting).map(Element::On).collect()
    }

    /// What the boundary leaves of an element.
    fn limited(&self, limit: &Statement, element: Element, wish: &str) -> Cut {
        let only = |element| Cut { elements: vec![element], whole: true };
        let none = |whole| Cut { elements: Vec::new(), whole };
        match (limit.list("NotResource"), element) {
            (Some(excepted), Element::On(resource)) => match self.apart(&excepted, &resource) {
                Some(true) => only(Element::On(resource)),
                Some(false) => none(true),
                None if resource == "*" => only(Element::NotOn(excepted)),
                None => none(false),
            },
            (Some(more), Element::NotOn(mut excepted)) => {
                excepted.extend(more);
                excepted.sort();
                excepted.dedup();
                only(Element::NotOn(excepted))
            }
            (None, element) => {
                let mut cut = none(true);
                for one in limit.list("Resource").unwrap_or_default() {
                    let (elements, whole) = match &element {
                        Element::On(resource) => self.common(&one, resource),
                        Element::NotOn(_) if one == "*" => return only(element),
                        Element::NotOn(excepted) => match self.apart(excepted, &one) {
                            Some(true) => self.common(&one, wish),
                            Some(false) => (Vec::new(), true),
                            None => (Vec::new(), false),
                        },
                    };
                    cut.elements.extend(elements.into_iter().map(Element::On));
                    cut.whole &= whole;
                }
                cut
            }
        }
    }

    /// Whether none of the excepted touches a pattern, or one covers it; `None` where it is neither.
    fn apart(&self, excepted: &[String], wish: &str) -> Option<bool> {
        if excepted.iter().any(|one| self.has(one, wish)) {
            return Some(false);
        }
        excepted.iter().all(|one| !target::overlap(one, wish)).then_some(true)
    }

    /// Whether a statement says anything of what a pattern means.
    fn meets(&self, statement: &Statement, wish: &str) -> bool {
        match statement.list("NotResource") {
            Some(excepted) => self.apart(&excepted, wish) != Some(false),
            None => {
                let all = statement.list("Resource").unwrap_or_default();
                all.iter().any(|one| target::overlap(one, wish))
            }
        }
    }

    /// What two patterns have in common, and whether that is all of it.
    fn common(&self, one: &str, other: &str) -> (Vec<String>, bool) {
        if self.has(one, other) {
            return (vec![other.to_owned()], true);
        }
        if self.has(other, one) {
            return (vec![one.to_owned()], true);
        }
        if !target::overlap(one, other) {
            return (Vec::new(), true);
        }
        let Some(all) = both(&self.filled(one), &self.filled(other)) else {
            return (Vec::new(), false);
        };
        let whole = all.len();
        let kept: Vec<String> =
            all.into_iter().filter(|text| self.has(one, text) && self.has(other, text)).collect();
        let whole = whole == kept.len();
        (kept, whole)
    }

    /// Whether the first covers the second.
    fn has(&self, wide: &str, narrow: &str) -> bool {
        // A variable that nobody knows is the same in both.
        if wide == "*" || wide == narrow {
            return true;
        }
        let narrow = self.filled(narrow);
        target::overlap(wide, &narrow)
            && target::cover(wide, true)
                .is_some_and(|wide| target::covers(&wide, &self.context, self.principal(), &narrow))
    }

    /// Whether an element is about a resource.
    fn holds(&self, element: &Element, literal: &str) -> bool {
        let about = |text: &String| {
            let policy = target::cover(text, true);
            policy.is_some_and(|policy: Policy| self.covers(&policy, false, "x:x", literal))
        };
        match element {
            Element::On(text) => about(text),
            Element::NotOn(excepted) => !excepted.iter().any(about),
        }
    }

    /// A pattern with what is known of its variables.
    fn filled(&self, pattern: &str) -> String {
        let mut out = String::new();
        let mut rest = pattern;
        while let Some((before, opened)) = rest.split_once("${") {
            let Some((name, after)) = opened.split_once('}') else { break };
            out.push_str(before);
            match self.context.get(name) {
                [value] => out.push_str(&escaped(value)),
                _ => out.push_str(&format!("${{{name}}}")),
            }
            rest = after;
        }
        out.push_str(rest);
        out
    }

    /// Whether an action is denied on all of an element, whatever the circumstances.
    fn is_denied(&self, action: &str, element: &Element) -> bool {
        let all = self.denies.iter().chain(&self.boundary_denies);
        let mut meant = all.filter(|one| one.condition.is_none() && one.has_action(action));
        meant.any(|one| self.is_about_all(one, element))
    }

    /// Whether a statement is about all of an element.
    pub(super) fn is_about_all(&self, statement: &Statement, element: &Element) -> bool {
        match (statement.list("NotResource"), element) {
            (Some(excepted), Element::On(text)) => self.apart(&excepted, text) == Some(true),
            (Some(excepted), Element::NotOn(all)) => excepted.iter().all(|one| all.contains(one)),
            (None, Element::On(text)) => {
                let all = statement.list("Resource").unwrap_or_default();
                all.iter().any(|one| self.has(one, text))
            }
            (None, Element::NotOn(_)) => statement.is_everywhere(),
        }
    }

    /// The denies of the boundary that touch what is granted: without them the grants alone would say more than what
    /// is allowed today.
    pub(super) fn limits<'g>(
        &self,
        grants: impl Iterator<Item = (&'g str, &'g Element)>,
    ) -> Vec<Value> {
        let mut left: Vec<&Statement> = self.boundary_denies.iter().collect();
        let mut all = Vec::new();
        for (action, element) in grants {
            let touches = |one: &&Statement| {
                one.may_mean(action)
                    && match element {
                        Element::On(text) => self.meets(one, text),
                        Element::NotOn(_) => true,
                    }
            };
            let (touching, others): (Vec<_>, Vec<_>) = left.into_iter().partition(touches);
            all.extend(touching.into_iter().map(Statement::unnamed));
            left = others;
        }
        all
    }

    /// What is allowed of a whole service, in the words of the statements that allow it; and whether something is
    /// that cannot be said.
    pub(super) fn of_service(
        &self,
        catalog: &Catalog,
        prefix: &str,
    ) -> (Vec<(String, Grant)>, bool) {
        let (pairs, mut unsaid) = self.pairs(|one| one.meant(prefix).is_some());
        let mut all = Vec::new();
        for pair in pairs {
            let cut = self.cut(&pair, "*");
            unsaid |= !cut.whole;
            let can = |one: &Element| match one {
                Element::On(text) => may_be_of(text, prefix),
                Element::NotOn(_) => true,
            };
            let elements: Vec<Element> = cut.elements.into_iter().filter(can).collect();
            let actions = pair.allow.actions_of(catalog, prefix);
            let actions = match pair.limit {
                None => actions,
                Some(limit) => common_actions(&actions, &limit.actions_of(catalog, prefix)),
            };
            for action in actions {
                let open = elements.iter().filter(|one| !self.is_denied(&action, one));
                let condition = &pair.condition;
                all.extend(open.map(|one| {
                    let grant = Grant { element: one.clone(), condition: condition.clone() };
                    (action.clone(), grant)
                }));
            }
        }
        (all, unsaid)
    }

    /// How many of the actions that there are the user may call: on one resource at least of each kind that an action
    /// has to have.
    pub(super) fn may_do(&self, catalog: &Catalog) -> usize {
        catalog.services().map(|service| self.may_do_of(service)).sum()
    }

    fn may_do_of(&self, service: &Service) -> usize {
        let prefix = service.prefix;
        let (pairs, _) = self.pairs(|one| one.meant(prefix).is_some());
        if pairs.is_empty() {
            return 0;
        }
        let denies: Vec<_> = self.denies.iter().chain(&self.boundary_denies).collect();
        let denies: Vec<_> = denies
            .into_iter()
            .filter(|one| one.condition.is_none())
            .filter_map(|one| Some((one.meant(prefix)?, one)))
            .collect();
        let tests: Vec<_> = pairs
            .iter()
            .map(|pair| (pair.allow.meant(prefix), pair.limit.map(|one| one.meant(prefix))))
            .collect();
        let kinds: Vec<Vec<Vec<Open>>> = (0..)
            .map_while(|place| Some((place, service.template(place)?.0.as_slice())))
            .map(|(place, form)| {
                let wish = self.any_of(form);
                let open = |pair| self.open(service, place, pair, &wish, &denies);
                pairs.iter().map(open).collect()
            })
            .collect();
        let none: Vec<Vec<Open>> =
            pairs.iter().map(|pair| self.open_without(pair, &denies)).collect();
        let may = |name: &str, kind: &[Vec<Open>]| {
            tests.iter().zip(kind).any(|((allow, limit), open)| {
                let allows = allow.as_ref().is_some_and(|one| one.has(name));
                let limits =
                    limit.as_ref().is_none_or(|one| one.as_ref().is_some_and(|one| one.has(name)));
                let free = |open: &Open| {
                    !open
                        .denied_by
                        .iter()
                        .any(|n| denies.get(*n).is_some_and(|(meant, _)| meant.has(name)))
                };
                allows && limits && open.iter().any(free)
            })
        };
        let counts = |(name, action): &(&str, &Action)| {
            let on = |place: &usize| kinds.get(*place).is_some_and(|kind| may(name, kind));
            let mut required = action.types.iter().filter(|(_, required)| *required).peekable();
            if required.peek().is_some() {
                return required.all(|(place, _)| on(place));
            }
            match action.types.is_empty() {
                true => may(name, &none),
                // One of the kinds that are left to choose from is always asked for.
                false => action.types.iter().any(|(place, _)| on(place)),
            }
        };
        service.actions().filter(counts).count()
    }

    /// What of one kind of resource a pair leaves open, and which denies are about all of it.
    fn open(
        &self,
        service: &Service,
        place: usize,
        pair: &Pair<'_>,
        wish: &str,
        denies: &[(Meant, &Statement)],
    ) -> Vec<Open> {
        let cut = self.cut(pair, wish);
        // Of what no pattern can say, something may be.
        let unsaid = (!cut.whole).then(|| Open { denied_by: Vec::new() });
        let of_kind = |one: &Element| match one {
            Element::On(text) => text == wish || service.is_of(place, &text.replace('*', "x")),
            Element::NotOn(_) => true,
        };
        let all = cut.elements.into_iter().filter(of_kind).map(|element| {
            let about =
                denies.iter().enumerate().filter(|(_, (_, one))| self.is_about_all(one, &element));
            Open { denied_by: about.map(|(n, _)| n).collect() }
        });
        all.chain(unsaid).collect()
    }

    /// The same of what is asked for without a resource.
    fn open_without(&self, pair: &Pair<'_>, denies: &[(Meant, &Statement)]) -> Vec<Open> {
        if !std::iter::once(pair.allow).chain(pair.limit).all(Statement::is_of_none) {
            return Vec::new();
        }
        let about = denies.iter().enumerate().filter(|(_, (_, one))| one.is_of_none());
        vec![Open { denied_by: about.map(|(n, _)| n).collect() }]
    }

    /// A pattern of all resources of a kind.
    fn any_of(&self, form: &[Part]) -> String {
        let partition = self.arn.split(':').nth(1).filter(|text| !text.is_empty());
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Variable(name) if name == "Partition" => partition.unwrap_or("*").to_owned(),
            Part::Variable(_) => "*".to_owned(),
        };
        form.iter().map(part).collect()
    }
}

/// Something that is open, but for these denies.
struct Open {
    denied_by: Vec<usize>,
}

/// Without what another grant says with fewer conditions.
fn simplest(grants: BTreeSet<Grant>) -> BTreeSet<Grant> {
    let free: BTreeSet<Element> = grants
        .iter()
        .filter(|grant| grant.condition.is_empty())
        .map(|grant| grant.element.clone())
        .collect();
    let wanted = |grant: &Grant| grant.condition.is_empty() || !free.contains(&grant.element);
    grants.into_iter().filter(wanted).collect()
}

/// Whether a resource's pattern can be one of this service's.
fn may_be_of(resource: &str, prefix: &str) -> bool {
    let service = resource.split(':').nth(2);
    resource == "*" || service.is_none_or(|service| target::overlap(service, prefix))
}

/// The patterns of actions that both lists mean, in the letters of one that says no more than the other.
fn common_actions(allowed: &[String], limit: &[String]) -> Vec<String> {
    let mut all = BTreeSet::new();
    for one in allowed {
        for other in limit {
            let (small, too) = (one.to_ascii_lowercase(), other.to_ascii_lowercase());
            if says(&too, &small) {
                all.insert(one.clone());
            } else if says(&small, &too) {
                all.insert(other.clone());
            } else {
                all.extend(meeting(&small, &too).into_iter().flatten());
            }
        }
    }
    all.into_iter().collect()
}
