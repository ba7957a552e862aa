//! What a release would give back to the attacker (D2.7).

use super::{Draft, GIVES_RIGHTS_TO, Request, reactivate_option};
use crate::drift::created_at;
use crate::plan::Why;
use crate::posture::{AccessKeys, Credentials};
use crate::resource::Resource;
use crate::snapshot::{Missing, Obstacle, Snapshot};
use crate::standing::{began, can_still, live_credentials, newer_credentials, suspects};
use crate::state::HeldStatus;

impl Draft<'_> {
    /// Why a credential may be the attacker's (D2.7); `None` if it was made before a known exposure,
    /// and no release has kept it off.
    pub(super) fn why_suspect(&self, resource: &Resource) -> Option<String> {
        if self.state.is_recovered(resource) {
            return None;
        }
        if let Some(item) = self.state.compromised.iter().find(|item| item.resource == *resource) {
            return Some(match item.why {
                Why::YoungerThanSince => "compromised (made after the exposure)".to_owned(),
                why => format!("compromised ({})", why.words()),
            });
        }
        match (self.state.since, created_at(resource, &self.snapshot)) {
            (None, _) => Some("when the exposure began is not known".to_owned()),
            (Some(_), None) => Some("when it was made is not known".to_owned()),
            (Some(since), Some(created)) if created >= since => {
                Some("made after the exposure".to_owned())
            }
            // The exposure that is known now may be a later one than that for which it was kept off.
            _ if self.was_kept_off(resource) => Some("kept off by an earlier release".to_owned()),
            _ => None,
        }
    }

    fn was_kept_off(&self, resource: &Resource) -> bool {
        let held = self.state.resources.get(resource);
        held.is_some_and(|held| held.status == HeldStatus::Kept)
    }

    /// Whether the posture to step down to turns this credential off as well.
    pub(super) fn needed_by_target(&self, resource: &Resource) -> bool {
        let Some(to) = &self.request.to else { return false };
        let compromised = self.state.is_compromised(resource);
        match resource {
            Resource::AccessKey(_) => {
                to.access_keys == AccessKeys::All
                    || (to.access_keys == AccessKeys::Named && compromised)
            }
            Resource::SshKey(_) => to.ssh_keys == Credentials::Deactivate || compromised,
            Resource::SigningCertificate(_) => {
                to.signing_certificates == Credentials::Deactivate || compromised
            }
            Resource::ServiceCredential(_) => {
                to.service_credentials == Credentials::Deactivate || compromised
            }
            _ => false,
        }
    }

    /// Rights that ringfence took go back to whoever can act: who of them may be the attacker (D2.7).
    pub(super) fn gain(&self) -> Gain {
        let found = suspects(self.state, &self.snapshot).into_iter();
        let found = found.filter_map(|finding| Some((finding.resource?, finding.what)));
        let mut suspects: Vec<(Resource, String)> = found.collect();
        // Where nobody knows when the exposure began, what was made since is nobody's that is known either.
        for newer in newer_credentials(self.state, &self.snapshot) {
            if suspects.iter().all(|(known, _)| *known != newer) && !self.was_there(&newer) {
                let what = format!("created after the containment, {}", can_still(&newer));
                suspects.push((newer, what));
            }
        }
        Gain { suspects, hidden: self.hidden() }
    }

    /// Whether a credential was read before the containment began. IAM tells its time in whole seconds, so that one
    /// made just before may seem to be made since.
    fn was_there(&self, resource: &Resource) -> bool {
        let before = self.at_apply.filter(|read| Some(read.read_at) <= began(self.state));
        // A password has no ID: only its time tells it from one that was made anew.
        let made = created_at(resource, &self.snapshot);
        before.is_some_and(|read| made.is_some() && created_at(resource, read) == made)
    }

    /// The credentials that could not be listed, and what would show them.
    pub(super) fn hidden(&self) -> Option<(&'static str, String)> {
        let (kind, missing) = hidden(&self.snapshot)?;
        let remedy = match missing.obstacle {
            Obstacle::Passing => "plan again in a while".to_owned(),
            _ => format!("it takes {}", missing.action),
        };
        Some((kind, remedy))
    }

    /// The suspect credentials that only the hold keeps from acting (D2.7).
    pub(super) fn rearmed_by_lifting(&self) -> Vec<(Resource, String)> {
        self.live_suspects(false)
    }

    /// The same of those that were asked for all the same.
    pub(super) fn asked_under_hold(&self) -> Vec<(Resource, String)> {
        self.live_suspects(true)
    }

    fn live_suspects(&self, asked: bool) -> Vec<(Resource, String)> {
        live_credentials(&self.snapshot)
            .into_iter()
            .filter(|resource| self.request.reactivate.contains(resource) == asked)
            .filter_map(|resource| self.why_suspect(&resource).map(|why| (resource, why)))
            .collect()
    }

    /// What could not be read and may act again once the hold is lifted (D2.12).
    pub(super) fn warn_of_unread_credentials(&mut self) {
        let unread = self.snapshot.unread_credentials();
        let hidden: Vec<&str> = unread.into_iter().map(|(kind, _)| kind).collect();
        if !hidden.is_empty() {
            self.warnings.push(format!(
                "{} could not be read: one that is live acts again without the hold",
                hidden.join(", ")
            ));
        }
    }
}

/// Who would gain by rights that go back, and may be the attacker.
pub(super) struct Gain {
    suspects: Vec<(Resource, String)>,
    hidden: Option<(&'static str, String)>,
}

impl Gain {
    /// Why the rights stay, and the option that accepts what stands against giving them back.
    pub(super) fn refusal(&self, request: &Request) -> Option<(String, String)> {
        let unasked = |(one, _): &&(Resource, String)| !request.reactivate.contains(one);
        if let Some((credential, what)) = self.suspects.iter().find(unasked) {
            let flag = format!("{} accepts that", reactivate_option(credential));
            return Some((format!("stays while {credential}, {what}"), flag));
        }
        let (kind, remedy) = self.hidden.as_ref().filter(|_| !request.accept_unread)?;
        let why = format!("stays while {kind} could not be read: {remedy}");
        Some((why, "--accept-unread gives it back".to_owned()))
    }

    /// What a step says that gives them back all the same.
    pub(super) fn cautions(&self) -> impl Iterator<Item = String> {
        let suspects = self.suspects.iter();
        let suspects = suspects.map(|(one, what)| format!("{GIVES_RIGHTS_TO}{one}: {what}"));
        let hidden = self.hidden.iter();
        suspects.chain(
            hidden.map(|(kind, _)| format!("{GIVES_RIGHTS_TO}{kind}, which could not be read")),
        )
    }
}

/// The credentials of a kind that could not be listed: a live one may be the attacker's (D2.7).
pub(crate) fn hidden(now: &Snapshot) -> Option<(&'static str, &Missing)> {
    let hides = |missing: &Missing| missing.obstacle != Obstacle::Unimplemented;
    now.unread_credentials().into_iter().find(|(_, missing)| hides(missing))
}
