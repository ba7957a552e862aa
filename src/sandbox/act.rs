//! One call: its caller, its parameters, and whether it may.

use super::account::{Account, fold};
use super::auth::Caller;
use super::context;
use super::dispatch::Service;
use super::evaluate::{self, Context, Decision, Kind, Policies, Policy};
use super::fault::Fault;
use super::params::Params;
use super::policy_store::{Permissions, Tag};
use super::quota;
use super::role::{Group, Role};
use super::user::User;
use super::world::World;
use super::xml::Xml;
use jiff::Timestamp;

/// What a call gives: what stands in its `…Result`, if it has one.
pub(super) type Done = Result<Option<Xml>, Fault>;

/// One call under way.
pub(super) struct Act<'a> {
    pub(super) world: &'a mut World,
    pub(super) caller: &'a Caller,
    pub(super) params: &'a Params,
    pub(super) service: Service,
    /// The action without its service, such as `GetUser`.
    pub(super) action: &'static str,
    pub(super) region: &'a str,
    /// Now, by the sandbox's clock.
    pub(super) clock: Timestamp,
    /// Now in whole seconds, for everything that is stored or shown.
    pub(super) now: Timestamp,
}

/// Policies that were read, to be lent to the evaluator.
pub(super) struct Held {
    pub(super) identity: Vec<Policy>,
    pub(super) boundary: Option<Policy>,
    pub(super) session: Option<Vec<Policy>>,
}

impl Held {
    /// As the evaluator takes them.
    pub(super) fn lend<'a>(&'a self, resource: Option<&'a Policy>) -> Policies<'a> {
        Policies {
            identity: self.identity.iter().collect(),
            boundary: self.boundary.as_ref(),
            session: self.session.as_ref().map(|session| session.iter().collect()),
            resource,
        }
    }
}

impl Act<'_> {
    /// The caller's account as it is stored.
    pub(super) fn account(&self) -> Result<&Account, Fault> {
        self.world.account(&self.caller.account).ok_or_else(Fault::unknown_key)
    }

    /// The same, to be changed.
    pub(super) fn account_mut(&mut self) -> Result<&mut Account, Fault> {
        self.world.account_mut(&self.caller.account).ok_or_else(Fault::unknown_key)
    }

    /// The action in a policy's words.
    pub(super) fn full_action(&self) -> String {
        format!("{}:{}", self.service.name(), self.action)
    }

    /// An ARN of the caller's account in IAM.
    pub(super) fn iam_arn(&self, rest: &str) -> String {
        format!("arn:{}:iam::{}:{rest}", self.world.partition, self.caller.account)
    }

    /// Goes on only if the caller may do this to the resource.
    pub(super) fn allow(&self, resource: &str) -> Result<(), Fault> {
        self.allow_with(resource, &[])
    }

    /// The same, with further context keys.
    pub(super) fn allow_with(&self, resource: &str, more: &[(&str, &str)]) -> Result<(), Fault> {
        let context = self.context(more);
        let decision = self.judge(&context, resource, &self.full_action());
        self.denied(decision, resource)
    }

    /// The same for what is made with tags, or given some.
    pub(super) fn allow_tagging(
        &self,
        resource: &str,
        more: &[(&str, &str)],
        tags: &[Tag],
    ) -> Result<(), Fault> {
        if tags.len() > quota::TAGS {
            return Err(Fault::limit("The number of tags has reached the maximum limit."));
        }
        let mut context = self.context(more);
        context::tagged(&mut context, "aws:RequestTag", tags);
        let decision = self.judge(&context, resource, &self.full_action());
        self.denied(decision, resource)
    }

    /// The keys of this call, and more.
    pub(super) fn context(&self, more: &[(&str, &str)]) -> Context {
        let mut context = context::of_request(self.world, self.caller, self.region, self.now);
        for (key, value) in more {
            context.set(key, *value);
        }
        context
    }

    /// What the caller's policies say.
    pub(super) fn judge(&self, context: &Context, resource: &str, action: &str) -> Decision {
        let held = self.held();
        let principal = self.caller.principal();
        let request = evaluate::Request { principal, action, resource, context };
        evaluate::decide(&held.lend(None), &request)
    }

    /// Goes on only if the caller may hand this role to EC2, which some actions need besides their
    /// own permission.
    pub(super) fn allow_passing(&self, role: &str) -> Result<(), Fault> {
        const ACTION: &str = "iam:PassRole";
        // Which instance is not known yet, so that AWS lets any of the account stand for it.
        let instances =
            format!("arn:{}:ec2:*:{}:instance/*", self.world.partition, self.caller.account);
        let context = self.context(&[
            ("iam:PassedToService", "ec2.amazonaws.com"),
            ("iam:AssociatedResourceArn", &instances),
        ]);
        self.denied_to(ACTION, self.judge(&context, role, ACTION), role)
    }

    /// The error for a decision that is a denial, in AWS's words.
    pub(super) fn denied(&self, decision: Decision, resource: &str) -> Result<(), Fault> {
        self.denied_to(&self.full_action(), decision, resource)
    }

    fn denied_to(&self, action: &str, decision: Decision, resource: &str) -> Result<(), Fault> {
        let arn = &self.caller.arn;
        let Some(why) = decision.denial(action) else { return Ok(()) };
        // S3 quotes the resource, and leaves out one that is everything.
        let on = match (self.service, resource) {
            (Service::S3, "*") => String::new(),
            (Service::S3, _) => format!(" on resource: \"{resource}\""),
            _ => format!(" on resource: {resource}"),
        };
        let message = format!("User: {arn} is not authorized to perform: {action}{on} {why}");
        Err(Fault::denied(message))
    }

    /// The caller's policies as they are enforced now (F3, F29).
    pub(super) fn held(&self) -> Held {
        let account = self.world.enforced(&self.caller.account, self.clock);
        let (mut identity, mut boundary) = (Vec::new(), None);
        if let Some(account) = account {
            let permissions = if self.caller.is_role() {
                let role = account.role_of_id(&self.caller.entity_id);
                role.map(|role| vec![&role.permissions])
            } else {
                let user = account.user_of_id(&self.caller.entity_id);
                user.map(|user| {
                    let groups = account.groups_of(user).map(|group| &group.permissions);
                    std::iter::once(&user.permissions).chain(groups).collect()
                })
            };
            let permissions = permissions.unwrap_or_default();
            identity = permissions.iter().flat_map(|p| documents(account, p)).collect();
            let bound = permissions.first().and_then(|first| first.boundary.as_ref());
            boundary = bound.and_then(|arn| managed(account, arn).or_else(|| read(NOTHING)));
        }
        let session = self.caller.session.as_ref().and_then(|session| {
            let own = session.policies.iter().filter_map(|text| read(text));
            let arns = session.policy_arns.iter();
            let managed = account
                .into_iter()
                .flat_map(|account| arns.clone().filter_map(|arn| managed(account, arn)));
            let all: Vec<Policy> = own.chain(managed).collect();
            let given = !session.policies.is_empty() || !session.policy_arns.is_empty();
            (given || self.caller.is_federated()).then_some(all)
        });
        Held { identity, boundary, session }
    }

    /// The user that a call is about, once the caller may: the one named, or the caller (F20).
    /// Returns its name as it is looked up.
    pub(super) fn on_user(&self, max: usize, more: &[(&str, &str)]) -> Result<String, Fault> {
        let named = self.params.maybe_name("UserName", max)?;
        self.on_user_named(named, more)
    }

    /// The same for calls that must name the user.
    pub(super) fn on_named_user(&self, max: usize, more: &[(&str, &str)]) -> Result<String, Fault> {
        let named = self.params.name("UserName", max)?;
        self.on_user_named(Some(named), more)
    }

    fn on_user_named(&self, name: Option<&str>, more: &[(&str, &str)]) -> Result<String, Fault> {
        let account = self.account()?;
        let user = match name {
            Some(name) => account.user(name),
            None => Some(self.caller.user(account).ok_or_else(|| {
                Fault::invalid("Must specify userName when calling with non-User credentials")
            })?),
        };
        let arn = match user {
            Some(user) => user.arn(&self.world.partition, &account.id),
            None => self.iam_arn(&format!("user/{}", name.unwrap_or_default())),
        };
        let tags = user.map_or(&[][..], |user| &user.tags);
        self.allow_on(&arn, user.map(|user| &user.permissions), tags, more)?;
        user.map(|user| fold(&user.name)).ok_or_else(|| no_user(name.unwrap_or_default()))
    }

    /// The role that a call is about, once the caller may.
    pub(super) fn on_role(&self, more: &[(&str, &str)]) -> Result<String, Fault> {
        let name = self.params.name("RoleName", 64)?;
        let account = self.account()?;
        let role = account.roles.get(&fold(name));
        let arn = match role {
            Some(role) => role.arn(&self.world.partition, &account.id),
            None => self.iam_arn(&format!("role/{name}")),
        };
        let tags = role.map_or(&[][..], |role| &role.tags);
        self.allow_on(&arn, role.map(|role| &role.permissions), tags, more)?;
        role.map(|role| fold(&role.name)).ok_or_else(|| no_role(name))
    }

    /// The group that a call is about, once the caller may.
    pub(super) fn on_group(&self, more: &[(&str, &str)]) -> Result<String, Fault> {
        let name = self.params.name("GroupName", 128)?;
        let account = self.account()?;
        let group = account.groups.get(&fold(name));
        let arn = match group {
            Some(group) => group.arn(&self.world.partition, &account.id),
            None => self.iam_arn(&format!("group/{name}")),
        };
        self.allow_with(&arn, more)?;
        group.map(|group| fold(&group.name)).ok_or_else(|| no_group(name))
    }

    /// Goes on only if the caller may do this to what has these policies and tags.
    pub(super) fn allow_on(
        &self,
        arn: &str,
        permissions: Option<&Permissions>,
        tags: &[Tag],
        more: &[(&str, &str)],
    ) -> Result<(), Fault> {
        let mut context = self.context(&[]);
        context::tagged(&mut context, "aws:ResourceTag", tags);
        context::tagged(&mut context, "iam:ResourceTag", tags);
        let bound = permissions.and_then(|permissions| permissions.boundary.as_ref());
        let about_policies =
            ["Put", "Delete", "Attach", "Detach"].iter().any(|verb| self.action.starts_with(verb))
                && (self.action.ends_with("Policy") || self.action.ends_with("Boundary"));
        if let Some(bound) = bound.filter(|_| about_policies) {
            context.set("iam:PermissionsBoundary", bound);
        }
        for (key, value) in more {
            context.set(key, *value);
        }
        let decision = self.judge(&context, arn, &self.full_action());
        self.denied(decision, arn)
    }

    /// A user that was found before.
    pub(super) fn user(&self, key: &str) -> Result<&User, Fault> {
        self.account()?.users.get(key).ok_or_else(|| no_user(key))
    }

    /// The same, to be changed.
    pub(super) fn user_mut(&mut self, key: &str) -> Result<&mut User, Fault> {
        self.account_mut()?.users.get_mut(key).ok_or_else(|| no_user(key))
    }

    /// A role that was found before.
    pub(super) fn role(&self, key: &str) -> Result<&Role, Fault> {
        self.account()?.roles.get(key).ok_or_else(|| no_role(key))
    }

    /// The same, to be changed.
    pub(super) fn role_mut(&mut self, key: &str) -> Result<&mut Role, Fault> {
        self.account_mut()?.roles.get_mut(key).ok_or_else(|| no_role(key))
    }

    /// A group that was found before.
    pub(super) fn group(&self, key: &str) -> Result<&Group, Fault> {
        self.account()?.groups.get(key).ok_or_else(|| no_group(key))
    }

    /// The same, to be changed.
    pub(super) fn group_mut(&mut self, key: &str) -> Result<&mut Group, Fault> {
        self.account_mut()?.groups.get_mut(key).ok_or_else(|| no_group(key))
    }
}

/// The documents of a user, group or role. One that cannot be read, which only a dump or an edit
/// can bring in, allows and denies nothing.
pub(super) fn documents(account: &Account, permissions: &Permissions) -> Vec<Policy> {
    let inline = permissions.inline.values().filter_map(|text| read(text));
    let attached = permissions.attached.iter().filter_map(|arn| managed(account, arn));
    inline.chain(attached).collect()
}

/// The document in force of a managed policy.
pub(super) fn managed(account: &Account, arn: &str) -> Option<Policy> {
    read(account.policy(arn)?.document()?)
}

/// A document as the evaluator reads it.
pub(super) fn read(text: &str) -> Option<Policy> {
    Policy::parse(text, Kind::Identity).ok()
}

/// What a boundary allows that is not there.
const NOTHING: &str = r#"{"Statement":{"Effect":"Deny","Action":"none:None","Resource":"*"}}"#;

pub(super) fn no_user(name: &str) -> Fault {
    Fault::missing(format!("The user with name {name} cannot be found."))
}

pub(super) fn no_role(name: &str) -> Fault {
    Fault::missing(format!("The role with name {name} cannot be found."))
}

pub(super) fn no_group(name: &str) -> Fault {
    Fault::missing(format!("The group with name {name} cannot be found."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boundary_that_is_not_there_allows_nothing() {
        assert!(read(NOTHING).is_some());
    }
}
