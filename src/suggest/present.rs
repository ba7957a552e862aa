//! What a user may do today, and what of a wish lies within it.

use super::catalog::Catalog;
use super::target::{self, Target, modern};
use crate::evaluate::{Context, Kind, Policy, Principal, Request};
use crate::policy::{self, PolicyDocument};
use crate::snapshot::{Observed, Snapshot};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// A policy that applies to the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Where it is: `inline_policy/NAME`, `attached_policy/ARN`, `group/NAME/…`, `permissions_boundary`.
    pub place: String,
    /// The document, or why it is not known.
    pub document: Result<PolicyDocument, String>,
    /// What it is to the suggestion.
    pub role: Role,
}

/// What a present policy is to the suggestion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It is on the user itself, and what is suggested would take its place.
    Own,
    /// It comes from a group.
    Group,
    /// It limits what the others grant.
    Boundary,
    /// It contains: ringfence's own fence or hold, AWSDenyAll, AWS's quarantine. It says nothing of what the user is
    /// to be allowed, and stays where it is.
    Containment,
}

/// The policies, taken apart.
#[derive(Debug)]
pub struct Present {
    held: Vec<Held>,
    allows: Vec<Statement>,
    denies: Vec<Statement>,
    boundary: Option<Vec<Statement>>,
    context: Context,
    arn: String,
}

/// One statement, with what decides about it apart from its condition.
#[derive(Debug)]
struct Statement {
    /// The element as it stands, for a policy of version 2012-10-17.
    value: Map<String, Value>,
    /// The statement alone, without its condition.
    bare: Policy,
    /// The same for any resource: whether the action is meant.
    anywhere: Policy,
    condition: Option<Value>,
}

/// What a statement may be about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Element {
    /// `Resource`, one.
    On(String),
    /// `NotResource`, all of them.
    NotOn(Vec<String>),
}

/// Which actions of one service a statement means.
struct Meant {
    except: bool,
    names: Vec<String>,
}

impl Meant {
    fn has(&self, name: &str) -> bool {
        self.except != self.names.iter().any(|pattern| crate::pattern::matches(pattern, name))
    }
}

/// A grant that lies within what is allowed today.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Grant {
    pub(super) element: Element,
    /// As it stands in the statement that allows it; no text where there is none.
    pub(super) condition: String,
}

/// What today's policies say to a use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stands {
    /// A statement allows it.
    Allowed,
    /// A statement denies it, whatever the circumstances.
    Denied,
    /// No statement of the user's allows it.
    NotAllowed,
    /// The boundary does not.
    Bounded,
}

impl Present {
    /// Takes a user's policies, read in full, and the document of its boundary.
    #[must_use]
    pub fn of(snapshot: &Snapshot, boundary: Option<Held>) -> Self {
        let mut held = Vec::new();
        match &snapshot.inline_policies {
            Observed::Unread(missing) => held.push(unread("inline_policy", missing)),
            Observed::Read(all) => held.extend(
                all.iter()
                    .map(|p| own(format!("inline_policy/{}", p.name), &p.document, Role::Own)),
            ),
        }
        match &snapshot.attached_policies {
            Observed::Unread(missing) => held.push(unread("attached_policy", missing)),
            Observed::Read(all) => {
                held.extend(all.iter().map(|p| attached("attached_policy", p, Role::Own)));
            }
        }
        match &snapshot.groups {
            Observed::Unread(missing) => held.push(unread("group", missing)),
            Observed::Read(groups) => held.extend(groups.iter().flat_map(of_group)),
        }
        held.extend(boundary);
        let arn = snapshot.arn().to_string();
        let context = Context::new()
            .with("aws:username", snapshot.name().as_str())
            .with("aws:userid", snapshot.id().as_str())
            .with("aws:PrincipalArn", arn.as_str())
            .with("aws:PrincipalAccount", snapshot.arn().account());
        Self::new(held, arn, context)
    }

    /// Takes policies, whosever they are.
    #[must_use]
    pub fn new(mut held: Vec<Held>, arn: String, context: Context) -> Self {
        for one in &mut held {
            if one.role != Role::Boundary && one.contains() {
                one.role = Role::Containment;
            }
        }
        let (mut allows, mut denies, mut boundary) = (Vec::new(), Vec::new(), None);
        for one in &mut held {
            let Ok(document) = &one.document else { continue };
            let Some(statements) = statements(document) else {
                one.document = Err("it is no policy that IAM would take".to_owned());
                continue;
            };
            match one.role {
                Role::Containment => {}
                Role::Boundary => boundary = Some(statements.into_iter().map(|(_, s)| s).collect()),
                Role::Own | Role::Group => {
                    for (deny, statement) in statements {
                        if deny { &mut denies } else { &mut allows }.push(statement);
                    }
                }
            }
        }
        Self { held, allows, denies, boundary, context, arn }
    }

    /// The policies, each with what it is to the suggestion.
    #[must_use]
    pub fn held(&self) -> &[Held] {
        &self.held
    }

    fn principal(&self) -> Principal<'_> {
        Principal::User { arn: &self.arn }
    }

    fn covers(&self, policy: &Policy, deny: bool, action: &str, resource: &str) -> bool {
        let principal = self.principal();
        let request = Request { principal, action, resource, context: &self.context };
        if deny { policy.denies(&request) } else { policy.allows(&request) }
    }

    /// What the policies say to an action on one resource.
    pub(super) fn stands(&self, action: &str, resource: &str) -> Stands {
        let denies = |statement: &Statement| {
            statement.condition.is_none() && self.covers(&statement.bare, true, action, resource)
        };
        if self.denies.iter().any(denies) {
            return Stands::Denied;
        }
        if !self.allows.iter().any(|one| self.covers(&one.bare, false, action, resource)) {
            return Stands::NotAllowed;
        }
        match &self.boundary {
            Some(limits)
                if limits.iter().any(denies)
                    || !limits
                        .iter()
                        .any(|one| self.covers(&one.bare, false, action, resource)) =>
            {
                Stands::Bounded
            }
            _ => Stands::Allowed,
        }
    }

    /// How many of the actions that there are the user may call on anything at all.
    pub(super) fn may_do(&self, catalog: &Catalog) -> usize {
        let mut count = 0;
        for service in catalog.services() {
            let tests = |statements: &[Statement]| -> Vec<Meant> {
                statements.iter().filter_map(|one| one.meant(service.prefix)).collect()
            };
            let allows = tests(&self.allows);
            let limits = self.boundary.as_deref().map(tests);
            let everywhere = |one: &&Statement| one.condition.is_none() && one.is_everywhere();
            let denies: Vec<Meant> = self
                .denies
                .iter()
                .filter(everywhere)
                .filter_map(|one| one.meant(service.prefix))
                .collect();
            let may = |name: &&str| {
                let name = name.to_ascii_lowercase();
                let any = |tests: &[Meant]| tests.iter().any(|test| test.has(&name));
                any(&allows) && limits.as_deref().is_none_or(any) && !any(&denies)
            };
            count += service.names().filter(may).count();
        }
        count
    }

    /// What of a use is allowed today, never more. The statement with the fewest conditions decides where one of
    /// them allows all of it.
    pub(super) fn within(&self, action: &str, target: &Target) -> BTreeSet<Grant> {
        let meant =
            || self.allows.iter().filter(|one| self.covers(&one.anywhere, false, action, "*"));
        if let Some(literal) = target.literal() {
            let element = Element::On(target.element());
            let allowing = meant().filter(|one| self.covers(&one.bare, false, action, &literal));
            let grants = allowing.map(|one| one.grant(element.clone()));
            return simplest(grants.collect());
        }
        let wish = target.element();
        simplest(meant().flat_map(|one| self.cut(one, &wish)).collect())
    }

    /// What a statement allows of a pattern.
    fn cut(&self, statement: &Statement, wish: &str) -> Vec<Grant> {
        if let Some(excepted) = statement.list("NotResource") {
            let apart = excepted.iter().all(|one| !target::overlap(one, wish));
            let element = match apart {
                true => Element::On(wish.to_owned()),
                false => Element::NotOn(excepted),
            };
            return vec![statement.grant(element)];
        }
        let resources = statement.list("Resource").unwrap_or_default();
        let whole = resources.iter().any(|resource| {
            let wide = target::cover(resource, true);
            wide.is_some_and(|wide| target::covers(&wide, &self.context, self.principal(), wish))
        });
        if whole {
            return vec![statement.grant(Element::On(wish.to_owned()))];
        }
        let meeting = resources.into_iter().filter(|resource| target::overlap(resource, wish));
        meeting.map(|resource| statement.grant(Element::On(resource))).collect()
    }

    /// What is allowed of a whole service, in the words of the statements that allow it.
    pub(super) fn of_service(&self, catalog: &Catalog, prefix: &str) -> Vec<(String, Grant)> {
        let mut all = Vec::new();
        for statement in &self.allows {
            for action in statement.actions_of(catalog, prefix) {
                let elements: Vec<Element> = match statement.list("NotResource") {
                    Some(excepted) => vec![Element::NotOn(excepted)],
                    None => {
                        let resources = statement.list("Resource").unwrap_or_default();
                        let can = |one: &String| may_be_of(one, prefix);
                        resources.into_iter().filter(can).map(Element::On).collect()
                    }
                };
                all.extend(elements.into_iter().map(|one| (action.clone(), statement.grant(one))));
            }
        }
        all
    }

    /// The denies of today, as they stand: whatever takes the place of the policies has to keep them.
    pub(super) fn denies(&self) -> Vec<Value> {
        let mut all: Vec<Value> = Vec::new();
        for statement in &self.denies {
            let mut value = statement.value.clone();
            value.shift_remove("Sid");
            let value = Value::Object(value);
            if !all.contains(&value) {
                all.push(value);
            }
        }
        all
    }
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

impl Held {
    fn contains(&self) -> bool {
        let arn = self.place.rsplit_once("attached_policy/").map_or("", |(_, arn)| arn);
        if arn.ends_with(":iam::aws:policy/AWSDenyAll") || policy::is_aws_quarantine(arn) {
            return true;
        }
        let document = self.document.as_ref().ok();
        document.is_some_and(|one| *one == policy::hold() || one.fence_time().is_some())
    }
}

fn unread(what: &str, missing: &crate::snapshot::Missing) -> Held {
    let why = format!("{}: {}", missing.action, missing.because);
    Held { place: what.to_owned(), document: Err(why), role: Role::Own }
}

fn own(place: String, document: &Observed<PolicyDocument>, role: Role) -> Held {
    let document = match document {
        Observed::Read(document) => Ok(document.clone()),
        Observed::Unread(missing) => Err(format!("{}: {}", missing.action, missing.because)),
    };
    Held { place, document, role }
}

fn attached(place: &str, policy: &crate::snapshot::AttachedPolicy, role: Role) -> Held {
    let place = format!("{place}/{}", policy.arn);
    match &policy.document {
        Some(document) => own(place, document, role),
        None => Held { place, document: Err("it was not read".to_owned()), role },
    }
}

fn of_group(group: &crate::snapshot::Group) -> Vec<Held> {
    let place = format!("group/{}", group.name);
    let mut all = Vec::new();
    match &group.inline_policies {
        Some(Observed::Read(inline)) => {
            all.extend(inline.iter().map(|p| {
                own(format!("{place}/inline_policy/{}", p.name), &p.document, Role::Group)
            }))
        }
        Some(Observed::Unread(missing)) => {
            all.push(Held { role: Role::Group, ..unread(&place, missing) })
        }
        None => {}
    }
    match &group.attached_policies {
        Some(Observed::Read(managed)) => {
            let place = format!("{place}/attached_policy");
            all.extend(managed.iter().map(|p| attached(&place, p, Role::Group)));
        }
        Some(Observed::Unread(missing)) => {
            all.push(Held { role: Role::Group, ..unread(&place, missing) })
        }
        None => {}
    }
    all
}

/// The statements of a document, each with whether it denies; `None` if IAM would not take it.
fn statements(document: &PolicyDocument) -> Option<Vec<(bool, Statement)>> {
    let value = document.value();
    Policy::parse(&document.minified(), Kind::Identity).ok()?;
    let variables = value.get("Version").and_then(Value::as_str) == Some("2012-10-17");
    let all = match value.get("Statement")? {
        Value::Array(items) => items.iter().collect(),
        one => vec![one],
    };
    all.into_iter().map(|one| Statement::of(one, variables)).collect()
}

impl Statement {
    fn of(value: &Value, variables: bool) -> Option<(bool, Self)> {
        let mut value = value.as_object()?.clone();
        if !variables {
            for key in ["Resource", "NotResource"] {
                if let Some(list) = value.get_mut(key) {
                    rewrite(list);
                }
            }
            if let Some(condition) = value.get_mut("Condition") {
                rewrite_values(condition);
            }
        }
        let deny = value.get("Effect").and_then(Value::as_str) == Some("Deny");
        let mut bare = value.clone();
        bare.shift_remove("Condition");
        bare.shift_remove("Sid");
        let mut anywhere = bare.clone();
        anywhere.shift_remove("NotResource");
        anywhere.insert("Resource".to_owned(), json!("*"));
        let alone = |statement: Map<String, Value>| {
            let document = json!({ "Version": "2012-10-17", "Statement": statement });
            Policy::parse(&document.to_string(), Kind::Identity).ok()
        };
        let condition = value.get("Condition").filter(|one| **one != json!({})).cloned();
        let statement = Self { bare: alone(bare)?, anywhere: alone(anywhere)?, condition, value };
        Some((deny, statement))
    }

    fn list(&self, key: &str) -> Option<Vec<String>> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        match self.value.get(key)? {
            Value::Array(items) => Some(items.iter().filter_map(text).collect()),
            one => Some(text(one).into_iter().collect()),
        }
    }

    fn grant(&self, element: Element) -> Grant {
        let condition = self.condition.as_ref().map(Value::to_string).unwrap_or_default();
        Grant { element, condition }
    }

    fn is_everywhere(&self) -> bool {
        self.list("Resource").is_some_and(|all| all.iter().any(|one| one == "*"))
    }

    /// What the statement says of a service's actions; `None` where it says nothing of them.
    fn meant(&self, prefix: &str) -> Option<Meant> {
        let (except, all) = match self.list("NotAction") {
            Some(all) => (true, all),
            None => (false, self.list("Action").unwrap_or_default()),
        };
        let of = |action: &String| match action.split_once(':') {
            None => Some("*".to_owned()),
            Some((service, name)) => {
                let service = service.to_ascii_lowercase();
                crate::pattern::matches(&service, prefix).then(|| name.to_ascii_lowercase())
            }
        };
        let names: Vec<String> = all.iter().filter_map(of).collect();
        (except || !names.is_empty()).then_some(Meant { except, names })
    }

    /// What the statement says of a service's actions, as patterns that are that service's alone.
    fn actions_of(&self, catalog: &Catalog, prefix: &str) -> Vec<String> {
        if let Some(excepted) = self.list("NotAction") {
            let Some(service) = catalog.service(prefix) else { return Vec::new() };
            let meant = |name: &str| {
                let whole = format!("{prefix}:{name}").to_ascii_lowercase();
                !excepted
                    .iter()
                    .any(|one| crate::pattern::matches(&one.to_ascii_lowercase(), &whole))
            };
            let all: Vec<&str> = service.names().collect();
            let kept: Vec<&&str> = all.iter().filter(|name| meant(name)).collect();
            return match kept.len() == all.len() {
                true => vec![format!("{prefix}:*")],
                false => kept.into_iter().map(|name| format!("{prefix}:{name}")).collect(),
            };
        }
        let actions = self.list("Action").unwrap_or_default();
        let of = |action: &String| match action.split_once(':') {
            None => Some(format!("{prefix}:*")),
            Some((service, name)) => {
                let service = service.to_ascii_lowercase();
                crate::pattern::matches(&service, prefix).then(|| format!("{prefix}:{name}"))
            }
        };
        actions.iter().filter_map(of).collect()
    }
}

/// A resource of an old document keeps its meaning where `${` begins a variable.
fn rewrite(list: &mut Value) {
    match list {
        Value::Array(items) => items.iter_mut().for_each(rewrite),
        Value::String(text) => *text = modern(text),
        _ => {}
    }
}

fn rewrite_values(condition: &mut Value) {
    match condition {
        Value::Object(map) => map.values_mut().for_each(rewrite_values),
        other => rewrite(other),
    }
}
