//! Where the hold and the fence go: inline, into an attached policy, or into the boundary (D3, F15).

use super::{Draft, wave};
use crate::identity::PrincipalKind;
use crate::plan::{Blocked, Change};
use crate::policy::{self, FenceTime, PolicyDocument};
use crate::posture::{Permissions, Sessions};
use crate::record::newly_compromised;
use crate::resource::{Resource, Value};
use crate::snapshot::{Now, Observed, Quotas, RoleQuotas};
use crate::standing::fence_covers;

/// How many characters a managed policy may have (F15).
const MANAGED_POLICY_SIZE: usize = 6144;

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
            .unwrap_or_else(|| Resource::inline(&self.who, &self.lineage.hold_name()));
        let why = format!("stops everything the {} may do", self.who.kind());
        self.put_inline(resource, policy::hold(), wave::HOLD, &why)
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
                let why = format!(
                    "stops everything the {} may do, as the boundary: nothing else had room",
                    self.who.kind()
                );
                self.step(
                    wave::HOLD,
                    Resource::PermissionsBoundary,
                    Some(Value::PolicyArn(deny_all)),
                    &why,
                );
            }
        }
    }

    /// The deny for sessions issued until the keys were off, and the margin after (F3, F8).
    pub(super) fn fence(&mut self) {
        if self.posture.sessions == Sessions::Keep || self.fence_stands() {
            return;
        }
        let reason = &self.whose_sessions_end();
        let renewing = !matches!(self.snapshot.login_profile, Observed::Read(None));
        let document = policy::fence_for(FenceTime::AfterApply, &self.user_ids());
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

    fn whose_sessions_end(&self) -> String {
        let names: Vec<&str> = self.sessions.iter().map(|name| name.as_str()).collect();
        match names.as_slice() {
            [] => format!(
                "ends every session of this {} issued until then, legitimate ones too",
                self.who.kind()
            ),
            [one] => format!("ends the sessions named {one} issued until then; others go on"),
            many => {
                format!("ends the sessions of {} names issued until then; others go on", many.len())
            }
        }
    }

    /// What `aws:userid` is in the sessions that the fence is narrowed to.
    fn user_ids(&self) -> Vec<String> {
        crate::plan::user_ids(self.snapshot.id(), &self.sessions)
    }

    /// Whether the fence that stands is for every session that this one would be for.
    fn fence_is_as_wide(&self, state: &crate::state::State) -> bool {
        let held = state.fence().and_then(|(resource, _)| self.snapshot.value(resource).known());
        let Some(Some(Value::Document(document))) = held else { return false };
        let Some((_, there)) = document.as_fence() else { return false };
        let wanted = self.user_ids();
        there.is_empty() || (!wanted.is_empty() && wanted.iter().all(|id| there.contains(id)))
    }

    /// Whether a fence of ours stands that covers every session a contained key may have minted.
    fn fence_stands(&self) -> bool {
        let Some(state) = &self.state else { return false };
        if self.moves_fence {
            return false;
        }
        // A key that was live after the fence may have minted sessions that the fence lets through (F9);
        // so may one that is off by now, and that nobody knew to be the attacker's.
        fence_covers(state, &self.snapshot)
            && self.fence_is_as_wide(state)
            && !self.turns_off_an_access_key()
            && newly_compromised(state, &self.compromised).is_empty()
    }

    /// The inline policy that the fence is, or will be.
    fn fence_resource(&self) -> Resource {
        let held = self.state.as_ref().and_then(|state| state.fence());
        match held {
            Some((resource, _)) if resource.inline_name().is_some() => resource.clone(),
            _ => Resource::inline(&self.who, &self.lineage.fence_name()),
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
                "{needed} characters are needed, {} of the {}'s {} are free",
                room.unwrap_or(0),
                self.who.kind(),
                self.quotas().inline_size()
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
            if *replaced == Resource::inline(&self.who, &policy.name) {
                continue;
            }
            match policy.document.read() {
                Some(document) => used += document.quota_size(),
                None => return Ok(None),
            }
        }
        for step in &self.steps {
            if let (Some(_), Change::Create, Some(Value::Document(document))) =
                (step.resource.inline_name(), step.action, &step.after)
            {
                used += self.sized(document);
            }
        }
        let quota = self.quotas().inline_size() as usize;
        Ok(Some(quota.saturating_sub(used)))
    }

    fn quotas(&self) -> Quotas {
        let role = (self.who.kind() == PrincipalKind::Role).then(RoleQuotas::default);
        let default = Quotas { role, ..Quotas::default() };
        self.snapshot.quotas.read().copied().unwrap_or(default)
    }

    /// Whether a managed policy more can be attached.
    pub(super) fn slot(&self) -> Place {
        let quota = self.quotas().attached_policies() as usize;
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

    /// Whether a document can be a managed policy (F15).
    fn fits_managed(&self, document: &PolicyDocument) -> Place {
        match self.sized(document) {
            needed if needed > MANAGED_POLICY_SIZE => Err(format!(
                "{needed} characters are needed, a managed policy has {MANAGED_POLICY_SIZE}"
            )),
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
        self.fits_managed(&document)?;
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
        let document = policy::boundary_fence_for(FenceTime::AfterApply, &self.user_ids());
        let place = match planned || taken {
            true => Err(BOUNDARY_TAKEN.to_owned()),
            false => self.new_policy().and_then(|()| self.fits_managed(&document)),
        };
        if let Err(bounded) = place {
            let held = self.blocked.iter().all(|blocked| blocked.what != "hold");
            if self.posture.permissions == Permissions::Keep || !held {
                self.block("fence", inline, attached, &bounded);
                self.hint_at_a_shorter_fence();
            } else {
                self.warnings.push(format!(
                    "no room for a fence: the hold alone stops older sessions ({inline}; {attached})"
                ));
            }
            return Err("nothing fits".to_owned());
        }
        let arn = self.fresh_policy_arn();
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

    /// Every name that a fence is narrowed to takes room, which one for every session does not need.
    fn hint_at_a_shorter_fence(&mut self) {
        if !self.sessions.is_empty() {
            self.warnings.push(format!(
                "a fence for every session takes fewer characters: ringfence plan {}, without --session",
                self.who.flag()
            ));
        }
    }

    fn block(&mut self, what: &str, inline: &str, attached: &str, bounded: &str) {
        self.blocked.push(Blocked {
            what: what.to_owned(),
            why: format!("inline: {inline}; attached: {attached}; {bounded}"),
        });
    }
}
