//! What a user may do today, and what of a wish lies within it.

use super::statement::{Statement, statements};
use crate::evaluate::{Context, Policy, Principal, Request};
use crate::policy::{self, PolicyDocument};
use crate::snapshot::{Observed, Snapshot};
use serde_json::Value;

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
    pub(super) allows: Vec<Statement>,
    pub(super) denies: Vec<Statement>,
    /// What the boundary allows, where there is one.
    pub(super) boundary: Option<Vec<Statement>>,
    /// What it denies.
    pub(super) boundary_denies: Vec<Statement>,
    pub(super) context: Context,
    pub(super) arn: String,
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
        let (mut allows, mut denies) = (Vec::new(), Vec::new());
        let (mut boundary, mut boundary_denies) = (None, Vec::new());
        for one in &mut held {
            let Ok(document) = &one.document else { continue };
            let Some(statements) = statements(document) else {
                one.document = Err("it is no policy that IAM would take".to_owned());
                continue;
            };
            match one.role {
                Role::Containment => {}
                Role::Boundary => {
                    let (deny, allow): (Vec<_>, Vec<_>) =
                        statements.into_iter().partition(|(deny, _)| *deny);
                    boundary = Some(allow.into_iter().map(|(_, one)| one).collect());
                    boundary_denies = deny.into_iter().map(|(_, one)| one).collect();
                }
                Role::Own | Role::Group => {
                    for (deny, statement) in statements {
                        if deny { &mut denies } else { &mut allows }.push(statement);
                    }
                }
            }
        }
        Self { held, allows, denies, boundary, boundary_denies, context, arn }
    }

    /// The policies, each with what it is to the suggestion.
    #[must_use]
    pub fn held(&self) -> &[Held] {
        &self.held
    }

    pub(super) fn principal(&self) -> Principal<'_> {
        Principal::User { arn: &self.arn }
    }

    pub(super) fn covers(&self, policy: &Policy, deny: bool, action: &str, resource: &str) -> bool {
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
        let limited = self.boundary.as_ref().is_some_and(|limits| {
            !limits.iter().any(|one| self.covers(&one.bare, false, action, resource))
        });
        match limited || self.boundary_denies.iter().any(denies) {
            true => Stands::Bounded,
            false => Stands::Allowed,
        }
    }

    /// The denies of today, as they stand: whatever takes the place of the policies has to keep them.
    pub(super) fn denies(&self) -> Vec<Value> {
        let mut all: Vec<Value> = Vec::new();
        for statement in &self.denies {
            let value = statement.unnamed();
            if !all.contains(&value) {
                all.push(value);
            }
        }
        all
    }
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
