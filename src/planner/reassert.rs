//! What an earlier run wrote and others have changed since: written again, where it still can be.

use super::{Draft, wave};
use crate::plan::Step;
use crate::resource::{Resource, Value};
use crate::snapshot::Now;
use crate::state::{Held, Role};

impl Draft {
    /// Writes again what an earlier run wrote and others have changed since.
    pub(super) fn reassert(&mut self) {
        let Some(state) = self.state.clone() else { return };
        let refenced = self.steps.iter().any(Step::awaits_fence_time)
            || crate::standing::fence_covers(&state, &self.snapshot);
        let mut held: Vec<_> = state.held().collect();
        // A policy has to be there before it can be attached.
        held.sort_by_key(|(resource, held)| state.role(resource, held) != Role::FenceDocument);
        for (resource, held) in held {
            let gone = resource.is_credential() && self.snapshot.value(resource) == Now::Absent;
            let Some(now) = self.snapshot.value(resource).known() else { continue };
            let stands = crate::resource::fits(held.ours.as_ref(), now.as_ref());
            if gone || stands || self.plans(resource) {
                continue;
            }
            let role = state.role(resource, held);
            let placed = if role.is_fence() && refenced {
                Err("a later fence takes its place".to_owned())
            } else {
                self.write_again(resource, held, role, now.as_ref())
            };
            if let Err(why) = placed {
                self.warnings.push(format!(
                    "{resource} was changed by others, and is not written again: {why}"
                ));
            }
        }
    }

    fn write_again(
        &mut self,
        resource: &Resource,
        held: &Held,
        role: Role,
        now: Option<&Value>,
    ) -> std::result::Result<(), String> {
        let reason = "changed by others since it was contained";
        let deny_all = crate::policy::deny_all_arn(&self.partition);
        let order = match (role, resource) {
            (Role::Hold, _) => wave::HOLD,
            (Role::FenceDocument, Resource::ManagedPolicy(_)) => wave::FENCE_POLICY,
            (Role::FenceDocument | Role::FenceCarrier, _) => wave::FENCE,
            (_, Resource::AccessKey(_)) => wave::ACCESS_KEYS,
            _ => wave::OTHERS,
        };
        if let (Role::FenceCarrier, Resource::AttachedPolicy(arn), _)
        | (Role::FenceCarrier, _, Some(Value::PolicyArn(arn))) = (role, resource, &held.ours)
        {
            self.carried_is_ours(&Resource::ManagedPolicy(arn.clone()))?;
        }
        match (resource, &held.ours) {
            (
                Resource::InlinePolicy(_) | Resource::RolePolicy(_),
                Some(Value::Document(document)),
            ) => {
                return self.put_inline(resource.clone(), document.clone(), order, reason);
            }
            (Resource::AttachedPolicy(_), Some(_)) => self.slot()?,
            // F25: nothing that ringfence would put there denies more.
            (Resource::PermissionsBoundary, _)
                if now == Some(&Value::PolicyArn(deny_all.clone())) =>
            {
                return Err("the boundary is AWSDenyAll".to_owned());
            }
            // A policy's document is never edited in place.
            (Resource::ManagedPolicy(_), _) if now.is_some() => {
                return Err("its document is another".to_owned());
            }
            _ => {}
        }
        self.step(order, resource.clone(), held.ours.clone(), reason);
        Ok(())
    }

    /// A policy that others have changed or made anew may allow everything: it is not brought to bear again.
    fn carried_is_ours(&self, policy: &Resource) -> std::result::Result<(), String> {
        let written = self.state.as_ref().and_then(|state| state.resources.get(policy));
        let ours = written.and_then(|held| held.ours.as_ref());
        match self.snapshot.value(policy) {
            _ if self.plans(policy) => Ok(()),
            Now::Absent => Err("its policy is gone".to_owned()),
            Now::Is(now) if ours.is_some_and(|ours| !ours.fits(&now)) => {
                Err("its policy is another".to_owned())
            }
            _ => Ok(()),
        }
    }
}
