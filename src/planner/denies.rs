//! Where the hold and the fence go: inline, into an attached policy, or into the boundary (D3, F15).

use super::{Draft, wave};
use crate::plan::{Blocked, Change};
use crate::policy::{self, FenceTime, PolicyDocument};
use crate::posture::{Permissions, Sessions};
use crate::record::newly_compromised;
use crate::resource::{Resource, Value};
use crate::snapshot::{Now, Observed, Quotas};
use crate::standing::fence_covers;

const BOUNDARY_TAKEN: &str = "the permissions boundary is taken";

/// A place for a deny, or the numbers that say why there is none.
type Place = Result<(), String>;

impl Draft {
    /// The unconditional deny (F24): as much of it as fits.
    pub(super) fn hold(&mut self) {
        let inline = match self.posture.permissions {
            Permissions::Keep => return,
            Permissions::Deny => self.inline_hold(),
            Permissions::DenyManaged => Err("the posture writes no inline policy".to_owned()),
        };
        let attached = match (&inline, self.snapshot.attached_policies.missing()) {
            // If it was there before, a release would detach what is not ours (D2.9).
            (Ok(()), Some(_)) => Err("whether it is attached already could not be read".to_owned()),
            _ => self.attached_hold(),
        };
        match (inline, attached) {
            (Ok(()), Ok(())) => {}
            (Ok(()), Err(why)) => self.warnings.push(format!("AWSDenyAll is not attached: {why}")),
            (Err(why), Ok(())) => {
                if self.posture.permissions == Permissions::Deny {
                    self.warnings.push(format!("the hold is AWSDenyAll alone: {why}"));
                }
            }
            (Err(inline), Err(attached)) => self.boundary_hold(&inline, &attached),
        }
    }

    fn inline_hold(&mut self) -> Place {
        let resource = self
            .ours(&policy::hold())
            .unwrap_or_else(|| Resource::InlinePolicy(self.lineage.hold_name()));
        self.put_inline(resource, policy::hold(), wave::HOLD, "stops everything the user may do")
    }

    fn attached_hold(&mut self) -> Place {
        let arn = policy::deny_all_arn(&self.partition);
        let resource = Resource::AttachedPolicy(arn);
        match self.snapshot.value(&resource) {
            Now::Is(_) => {
                if !self.claims(&resource) {
                    self.warnings.push(
                        "AWSDenyAll was attached before: it is not claimed, and stays".to_owned(),
                    );
                }
                Ok(())
            }
            _ => {
                self.slot()?;
                self.step(
                    wave::HOLD,
                    resource,
                    Some(Value::Attached),
                    "a deny on everything that nobody in the account can edit",
                );
                Ok(())
            }
        }
    }

    fn boundary_hold(&mut self, inline: &str, attached: &str) {
        let deny_all = policy::deny_all_arn(&self.partition);
        match &self.snapshot.permissions_boundary {
            Some(there) if *there == deny_all => {}
            Some(_) => self.block("hold", inline, attached, BOUNDARY_TAKEN),
            None => {
                let why =
                    "stops everything the user may do, as the boundary: nothing else had room";
                self.step(
                    wave::HOLD,
                    Resource::PermissionsBoundary,
                    Some(Value::PolicyArn(deny_all)),
                    why,
                );
            }
        }
    }

    /// The deny for sessions issued until the keys were off, and the margin after (F3, F8).
    pub(super) fn fence(&mut self) {
        if self.posture.sessions == Sessions::Keep || self.fence_stands() {
            return;
        }
        let reason = "ends every session of this user issued until then, legitimate ones too";
        let renewing = !matches!(self.snapshot.login_profile, Observed::Read(None));
        let document = policy::fence(FenceTime::AfterApply);
        let name = self.fence_resource();
        let from = self.steps.len();
        let placed = match self.put_inline(name, document.clone(), wave::FENCE, reason) {
            Ok(()) => Ok(()),
            Err(inline) => match self.attach_fence(document, reason, &inline) {
                Ok(()) => Ok(()),
                Err(attached) => self.bound_fence(reason, &inline, &attached),
            },
        };
        if placed.is_ok() && renewing {
            // F11: their credentials may carry newer issue times at each refresh.
            let caution = "sessions that renew themselves (console) are not ended for certain";
            for step in self.steps.iter_mut().skip(from).filter(|step| step.awaits_fence_time()) {
                step.cautions.push(caution.to_owned());
            }
        }
    }

    /// Whether a fence of ours stands that covers every session a contained key may have minted.
    fn fence_stands(&self) -> bool {
        let Some(state) = &self.state else { return false };
        // A key that was live after the fence may have minted sessions that the fence lets through (F9);
        // so may one that is off by now, and that nobody knew to be the attacker's.
        fence_covers(state, &self.snapshot)
            && !self.turns_off_an_access_key()
            && newly_compromised(state, &self.compromised).is_empty()
    }

    /// The inline policy that the fence is, or will be.
    fn fence_resource(&self) -> Resource {
        let held = self.state.as_ref().and_then(|state| state.fence());
        match held {
            Some((resource @ Resource::InlinePolicy(_), _)) => resource.clone(),
            _ => Resource::InlinePolicy(self.lineage.fence_name()),
        }
    }

    /// A resource of ours that holds this very document.
    fn ours(&self, document: &PolicyDocument) -> Option<Resource> {
        let state = self.state.as_ref()?;
        let holds =
            |ours: &Option<Value>| matches!(ours, Some(Value::Document(d)) if d == document);
        state.held().find(|(_, held)| holds(&held.ours)).map(|(resource, _)| resource.clone())
    }

    /// Whether the boundary is a fence of ours, which a later fence may replace: a hold or another boundary
    /// of ours is stricter, and stays.
    pub(super) fn boundary_carries_fence(&self) -> bool {
        let boundary = Resource::PermissionsBoundary;
        let deny_all = policy::deny_all_arn(&self.partition);
        self.snapshot.permissions_boundary.as_ref() != Some(&deny_all)
            && self.state.as_ref().is_some_and(|state| {
                state.held().any(|(resource, held)| {
                    *resource == boundary && state.role(resource, held).is_fence()
                })
            })
    }

    fn claims(&self, resource: &Resource) -> bool {
        self.state.as_ref().is_some_and(|state| state.held().any(|(held, _)| held == resource))
    }

    pub(super) fn put_inline(
        &mut self,
        resource: Resource,
        document: PolicyDocument,
        order: u32,
        reason: &str,
    ) -> Place {
        let now = self.snapshot.value(&resource);
        if let Now::Is(Value::Document(there)) = &now {
            if document == *there {
                return Ok(());
            }
            if !self.claims(&resource) {
                // F16: a put would overwrite it silently.
                return Err(format!("{resource} is there and is not ours"));
            }
        }
        let needed = self.sized(&document);
        let room = self.inline_room(&resource)?;
        if room.is_some_and(|room| needed > room) {
            return Err(format!(
                "{needed} characters are needed, {} of the user's {} are free",
                room.unwrap_or(0),
                self.quotas().inline_policy_size
            ));
        }
        self.step(order, resource, Some(Value::Document(document)), reason);
        if room.is_none() {
            self.caution("it may not fit: the other inline policies could not be read");
        }
        Ok(())
    }

    fn sized(&self, document: &PolicyDocument) -> usize {
        document.with_fence_time(crate::text::whole_seconds(self.now)).quota_size()
    }

    /// The inline characters that are free, without what the resource itself takes; `None` if unknown.
    fn inline_room(&self, replaced: &Resource) -> Result<Option<usize>, String> {
        if self.snapshot.inline_policies.missing().is_some() {
            return Ok(None);
        }
        let mut used = 0;
        for policy in self.snapshot.inline_policies.items() {
            if *replaced == Resource::InlinePolicy(policy.name.clone()) {
                continue;
            }
            match policy.document.read() {
                Some(document) => used += document.quota_size(),
                None => return Ok(None),
            }
        }
        for step in &self.steps {
            if let (Resource::InlinePolicy(_), Change::Create, Some(Value::Document(document))) =
                (&step.resource, step.action, &step.after)
            {
                used += self.sized(document);
            }
        }
        let quota = self.quotas().inline_policy_size as usize;
        Ok(Some(quota.saturating_sub(used)))
    }

    fn quotas(&self) -> Quotas {
        self.snapshot.quotas.read().copied().unwrap_or_default()
    }

    /// Whether a managed policy more can be attached.
    pub(super) fn slot(&self) -> Place {
        let quota = self.quotas().attached_policies_per_user as usize;
        let planned = self
            .steps
            .iter()
            .filter(|step| {
                matches!(step.resource, Resource::AttachedPolicy(_)) && step.after.is_some()
            })
            .count();
        let used = self.snapshot.attached_policies.items().len() + planned;
        if used < quota {
            Ok(())
        } else {
            Err(format!("{used} of {quota} managed policies are attached"))
        }
    }

    /// Whether the account may have a customer-managed policy more (F17: asking all the same helps nothing).
    fn new_policy(&self) -> Place {
        match self.quotas().customer_policies {
            Some((used, quota)) if used >= quota => {
                Err(format!("{used} of the account's {quota} policies are there"))
            }
            _ => Ok(()),
        }
    }

    /// The ARN of a customer-managed policy that this state does not have yet.
    fn fresh_policy_arn(&self) -> String {
        let base = format!(
            "arn:{}:iam::{}:policy/{}",
            self.partition,
            self.account,
            self.lineage.fence_name()
        );
        // A policy's document is never edited in place: a later fence is another policy. And whoever has seen
        // the lineage may have taken the first name (D2.4).
        let taken = |arn: &str| {
            let policy = Resource::ManagedPolicy(arn.to_owned());
            self.snapshot.value(&policy) != Now::Absent
                || self.state.as_ref().is_some_and(|state| state.resources.contains_key(&policy))
        };
        let numbered = |n: u64| format!("{base}-{n}");
        let mut n = self.state.as_ref().map_or(0, |state| state.serial);
        let mut arn = if self.state.is_some() { numbered(n) } else { base.clone() };
        while taken(&arn) {
            n = n.wrapping_add(1);
            arn = numbered(n);
        }
        arn
    }

    fn attach_fence(&mut self, document: PolicyDocument, reason: &str, inline: &str) -> Place {
        self.slot()?;
        self.new_policy()?;
        let arn = self.fresh_policy_arn();
        let why = format!("the fence does not fit inline: {inline}");
        self.step(
            wave::FENCE_POLICY,
            Resource::ManagedPolicy(arn.clone()),
            Some(Value::Document(document)),
            &why,
        );
        self.step(wave::FENCE, Resource::AttachedPolicy(arn), Some(Value::Attached), reason);
        Ok(())
    }

    fn bound_fence(&mut self, reason: &str, inline: &str, attached: &str) -> Place {
        let planned = self.plans(&Resource::PermissionsBoundary);
        let taken = self.snapshot.permissions_boundary.is_some() && !self.boundary_carries_fence();
        let place =
            if planned || taken { Err(BOUNDARY_TAKEN.to_owned()) } else { self.new_policy() };
        if let Err(bounded) = place {
            let held = self.blocked.iter().all(|blocked| blocked.what != "hold");
            if self.posture.permissions == Permissions::Keep || !held {
                self.block("fence", inline, attached, &bounded);
            } else {
                self.warnings.push(format!(
                    "no room for a fence: the hold alone stops older sessions ({inline}; {attached})"
                ));
            }
            return Err("nothing fits".to_owned());
        }
        let arn = self.fresh_policy_arn();
        let document = policy::boundary_fence(FenceTime::AfterApply);
        let why = "the fence fits neither inline nor as an attached policy";
        self.step(
            wave::FENCE_POLICY,
            Resource::ManagedPolicy(arn.clone()),
            Some(Value::Document(document)),
            why,
        );
        self.step(wave::FENCE, Resource::PermissionsBoundary, Some(Value::PolicyArn(arn)), reason);
        Ok(())
    }

    fn block(&mut self, what: &str, inline: &str, attached: &str, bounded: &str) {
        self.blocked.push(Blocked {
            what: what.to_owned(),
            why: format!("inline: {inline}; attached: {attached}; {bounded}"),
        });
    }
}
