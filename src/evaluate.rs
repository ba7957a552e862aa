//! What a request may do, by the policies that apply to it: an evaluator of IAM policies.
//!
//! Pure: the caller brings the policies and everything that is known about the request, the time
//! included. The rules are those of the IAM reference; where it is silent, the comment at the place
//! says what was chosen.

mod condition;
mod context;
mod json;
mod pattern;
mod policy;
mod principal;
mod value;

#[cfg(test)]
mod tests;

pub use context::Context;
pub use policy::{Kind, Malformed, Policy};
pub use principal::Principal;

use principal::Reach;

/// The kind of policy that decided, in AWS's words for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// A policy of the user, of one of its groups, or of the role.
    Identity,
    /// The permissions boundary.
    Boundary,
    /// A policy passed when the session was made.
    Session,
    /// The policy of what is asked for, such as a bucket's.
    Resource,
    /// The trust policy of the role.
    Trust,
}

/// What the policies say to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decision {
    /// The request may go on.
    Allowed,
    /// A statement denies it; nothing can allow it.
    ExplicitlyDenied(Source),
    /// No statement allows it, in the kind of policy that would have had to.
    ImplicitlyDenied(Source),
}

/// One request, as the service saw it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Who asks.
    pub principal: Principal<'a>,
    /// Such as `iam:GetUser`, in any letter case.
    pub action: &'a str,
    /// An ARN, or `*` where the action knows no resources.
    pub resource: &'a str,
    /// Everything else that is known. Where the resource's ARN names no account (S3), the account
    /// is `aws:ResourceAccount`, and without that the principal's own.
    pub context: &'a Context,
}

/// The policies that apply to a request.
#[derive(Clone, Debug, Default)]
pub struct Policies<'a> {
    /// Those of the user and its groups (also for its sessions, F3), or of the role.
    pub identity: Vec<&'a Policy>,
    /// The permissions boundary of that user or role.
    pub boundary: Option<&'a Policy>,
    /// Those passed when the session was made: any of them may allow, and what none allows is
    /// denied. A federated session (GFT) that was given none has `Some(vec![])`, which allows
    /// nothing (F3); a plain key, a GST and a role session without a session policy have `None`.
    pub session: Option<Vec<&'a Policy>>,
    /// The role's trust policy for sts:AssumeRole, or a bucket's policy.
    pub resource: Option<&'a Policy>,
}

impl Source {
    /// The kind's name with its article, as in `with an explicit deny in …`.
    const fn within(self) -> &'static str {
        match self {
            Self::Identity => "an identity-based policy",
            Self::Boundary => "a permissions boundary",
            Self::Session => "a session policy",
            Self::Resource => "a resource-based policy",
            Self::Trust => "the role trust policy",
        }
    }

    /// The kind's name alone, as in `because no … allows`.
    const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity-based policy",
            Self::Boundary => "permissions boundary",
            Self::Session => "session policy",
            Self::Resource => "resource-based policy",
            Self::Trust => "role trust policy",
        }
    }
}

impl Decision {
    /// Whether the request may go on.
    #[must_use]
    pub const fn is_allowed(self) -> bool {
        matches!(self, Self::Allowed)
    }

    /// How AWS ends its message of a denial, after `… is not authorized to perform: … `.
    ///
    /// The wording is that of "Troubleshoot access denied error messages" in the IAM User Guide.
    #[must_use]
    pub fn denial(self, action: &str) -> Option<String> {
        match self {
            Self::Allowed => None,
            Self::ExplicitlyDenied(source) => {
                Some(format!("with an explicit deny in {}", source.within()))
            }
            Self::ImplicitlyDenied(source) => {
                Some(format!("because no {} allows the {action} action", source.name()))
            }
        }
    }

    /// The decision as SimulatePrincipalPolicy writes it.
    #[must_use]
    pub const fn simulated(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::ExplicitlyDenied(_) => "explicitDeny",
            Self::ImplicitlyDenied(_) => "implicitDeny",
        }
    }
}

/// Decides a request: an explicit deny in any policy wins; then the resource's policy, the
/// identity's, the boundary and the session's must agree, each as far as AWS asks for it.
///
/// See "Policy evaluation logic" in the IAM User Guide. Within an account, identity and resource
/// policies add up, except that a role's trust policy always has to allow; across accounts both
/// must allow. What a resource's policy grants to the very caller is not cut by a boundary or
/// session policy that merely is silent; what it grants to a role, or to the user behind a
/// federated session, is.
#[must_use]
pub fn decide(policies: &Policies<'_>, request: &Request<'_>) -> Decision {
    if let Some(source) = explicit_deny(policies, request) {
        return Decision::ExplicitlyDenied(source);
    }
    let reach = policies.resource.and_then(|policy| policy.grants(request));
    let local = is_local(request);
    let must_be_granted = !local
        || !request.principal.has_policies()
        || policies.resource.is_some_and(|policy| policy.kind() == Kind::Trust);
    if reach.is_none() && must_be_granted {
        let source = policies.resource.map_or(Source::Resource, Policy::source);
        return Decision::ImplicitlyDenied(source);
    }
    if !request.principal.has_policies() || (local && reach == Some(Reach::Direct)) {
        return Decision::Allowed;
    }
    within_the_account(policies, request, local && reach == Some(Reach::Entity))
}

/// Decides by the principal's side alone; `granted` says that the resource's policy has already
/// taken the place of the identity's.
fn within_the_account(policies: &Policies<'_>, request: &Request<'_>, granted: bool) -> Decision {
    // Nobody gives root its rights: it has them all.
    let root = matches!(request.principal, Principal::Root { .. });
    let allows = |policy: &&Policy| policy.allows(request);
    if !granted && !root && !policies.identity.iter().any(allows) {
        return Decision::ImplicitlyDenied(Source::Identity);
    }
    if !policies.boundary.iter().all(allows) {
        return Decision::ImplicitlyDenied(Source::Boundary);
    }
    if policies.session.as_ref().is_some_and(|session| !session.iter().any(allows)) {
        return Decision::ImplicitlyDenied(Source::Session);
    }
    Decision::Allowed
}

/// Decides by one trust policy alone: whether the role would let the principal in, whatever the
/// principal's own policies say. For `sts:AssumeRole` as a whole, use [`decide`].
#[must_use]
pub fn trust_allows(trust: &Policy, request: &Request<'_>) -> Decision {
    if trust.denies_principal(request, false) {
        Decision::ExplicitlyDenied(trust.source())
    } else if trust.grants(request).is_some() {
        Decision::Allowed
    } else {
        Decision::ImplicitlyDenied(trust.source())
    }
}

fn explicit_deny(policies: &Policies<'_>, request: &Request<'_>) -> Option<Source> {
    let denies = |policy: &&Policy| policy.denies(request);
    if policies.identity.iter().any(denies) {
        return Some(Source::Identity);
    }
    if policies.boundary.iter().any(denies) {
        return Some(Source::Boundary);
    }
    if policies.session.iter().flatten().any(denies) {
        return Some(Source::Session);
    }
    let bounded = policies.boundary.is_some();
    policies.resource.filter(|policy| policy.denies_principal(request, bounded)).map(Policy::source)
}

/// Whether the resource lies in the principal's own account. ARNs of AWS's own things
/// (`arn:aws:iam::aws:policy/…`) are everybody's.
fn is_local(request: &Request<'_>) -> bool {
    let owner = request
        .resource
        .split(':')
        .nth(4)
        .filter(|text| principal::is_account(text))
        .or_else(|| request.context.only("aws:ResourceAccount"));
    match (owner, request.principal.account()) {
        (Some(owner), Some(account)) => owner == account,
        _ => true,
    }
}
