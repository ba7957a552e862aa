//! The new key of a recovery: handed from the call that makes it to the place that it is stored in, in memory only
//! (D2.11); tried; and taken back where it could not be stored.

use super::active::Active;
use super::{Executor, Point, UnderWay};
use crate::aws::{self, Aws, NewKey, Reply};
use crate::credentials_file;
use crate::error::{Error, Result};
use crate::identity::AccessKeyId;
use crate::journal::{Event, Probed, StepStatus};
use crate::plan::{
    Action, Change, Destination, Fields, Plan, PrincipalPlan, Recover, Step, sha256,
};
use crate::recover::contained;
use crate::resource::{Known, Resource, Value};
use crate::snapshot::{AccessKey, Now, Observed, Snapshot, Status};
use crate::standing::hold_stands;
use crate::state::State;
use crate::text::shown;
use crate::view::ApplyEvent;
use std::path::Path;
use std::time::Duration;

/// How long to wait before a new key is tried again.
const PAUSE: Duration = Duration::from_secs(2);
const UNREAD: &str = "whether it is stored could not be read";
/// For how long an action that is denied is tried again, in seconds: rights reach every endpoint within seconds (F29).
const RIGHTS_WITHIN_S: u32 = 16;

/// Where the new key of a run goes, and the key once it is made.
#[derive(Clone, Debug)]
pub(super) struct Issue {
    to: Destination,
    /// The same for the same run and user, so that the call that stores is one however often it is sent.
    token: String,
    pub(super) key: Option<NewKey>,
}

impl Issue {
    pub(super) fn of(recover: Option<&Recover>, run: &str, user: &str) -> Option<Self> {
        let digest = sha256(format!("{run} {user}").as_bytes());
        let token = digest.get(..32).unwrap_or_default().to_owned();
        recover.map(|recover| Self { to: recover.to.clone(), token, key: None })
    }

    /// Stores the key, in exactly one attempt.
    pub(super) async fn store(&self, aws: &Aws, action: &Action, before: Option<&Value>) -> Reply {
        let Some(key) = &self.key else { return Reply::refused(&Error::failed("there is no key")) };
        let planned = match before {
            Some(Value::SecretVersion(Known::Is(now)) | Value::AccessKeyId(Known::Is(now))) => {
                Some(now.as_str())
            }
            _ => None,
        };
        match (action, &self.to) {
            (Action::CreateSecret { secret }, Destination::Secret { fields, .. }) => {
                aws::create(aws, secret, fields, key, &self.token).await
            }
            (Action::PutSecretValue { secret }, Destination::Secret { fields, .. }) => {
                let planned = planned.unwrap_or_default();
                aws::put(aws, secret, planned, fields, key, &self.token).await
            }
            (Action::WriteProfile { .. }, Destination::Profile { file, profile }) => {
                match credentials_file::put(Path::new(file), profile, planned, key) {
                    Ok(()) => Reply::stored(),
                    Err(error) => Reply::refused(&error),
                }
            }
            _ => Reply::refused(&Error::failed("the step does not go with the plan's destination")),
        }
    }

    /// The version under which the place holds the key, if it does: read, and not told by an answer (D2.13).
    async fn held(&self, aws: &Aws, key: &str) -> Result<Option<String>> {
        match &self.to {
            Destination::Secret { id, fields, .. } => held_in(aws, id, fields, key).await,
            Destination::Profile { file, profile } => {
                let held = credentials_file::key_of(Path::new(file), profile)?;
                Ok(held.filter(|held| held == key))
            }
            Destination::Stdout => Ok(None),
        }
    }
}

/// A secret that is not there holds nothing.
async fn held_in(aws: &Aws, id: &str, fields: &Fields, key: &str) -> Result<Option<String>> {
    if aws::look(aws, id).await?.is_none() {
        return Ok(None);
    }
    aws::holds(aws, id, fields, key).await
}

impl Active {
    /// The step that makes the key, and the one that stores it.
    fn key_steps(&self) -> (Option<&Step>, Option<&Step>) {
        let of = |wanted: fn(&Resource) -> bool| {
            self.plan.steps.iter().find(|step| wanted(&step.resource))
        };
        let storing = |one: &Resource| matches!(one, Resource::Secret(_) | Resource::Profile(_));
        (of(|one| *one == Resource::NewAccessKey), of(storing))
    }

    /// Why a step has to wait for a key: it stores one that was not made, or narrows rights for one that was not
    /// stored.
    pub(super) fn lacks_key(&self, step: &Step) -> Option<&'static str> {
        let (making, storing) = self.key_steps();
        let done = |step: &Step| {
            matches!(self.journal().status(step.id), StepStatus::Done | StepStatus::Stored)
        };
        match &step.resource {
            Resource::Secret(_) | Resource::Profile(_) => {
                let key = self.issue.as_ref().is_some_and(|issue| issue.key.is_some());
                (!key).then_some("there is no new key to store")
            }
            Resource::InlinePolicy(_) | Resource::AttachedPolicy(_) | Resource::Group(_) => {
                let open = making.is_some_and(|step| !done(step))
                    || storing.is_some_and(|step| !done(step));
                let grants = |other: &&Step| {
                    matches!(other.resource, Resource::InlinePolicy(_)) && other.after.is_some()
                };
                let granted = self.plan.steps.iter().filter(grants).all(done);
                match (open, step.after.is_none() && !granted) {
                    (true, _) => Some("the new key is not stored"),
                    (_, true) => Some("the new policy is not written"),
                    _ => None,
                }
            }
            // What makes room for it was asked for by itself as well.
            _ => None,
        }
    }

    /// The ID of the key that the run has made, by the service's answer.
    fn made(&self) -> Option<AccessKeyId> {
        let making = self.key_steps().0?;
        self.journal().made(making.id)?.parse().ok()
    }

    /// Whether a key was tried already: it is, once it is where it was to go.
    fn was_checked(&self, key: &AccessKeyId) -> bool {
        self.journal().entries().iter().any(|entry| {
            matches!(&entry.event, Event::KeyChecked { access_key, .. } if access_key == key)
        })
    }

    /// What keeps the new key from being used, by the last try, in words.
    pub(super) fn unusable(&self) -> Option<String> {
        let last = self.journal().entries().iter().rev().find_map(|entry| match &entry.event {
            Event::KeyChecked { authenticates, probes, under_hold, .. } => {
                Some((*authenticates, probes, *under_hold))
            }
            _ => None,
        });
        match last? {
            (false, ..) => Some("the new key does not authenticate".to_owned()),
            (_, _, true) => Some("under the hold the new key can do nothing".to_owned()),
            (_, probes, _) => {
                let open: Vec<&str> = probes
                    .iter()
                    .filter(|probe| probe.allowed != Some(true))
                    .map(|probe| probe.action.as_str())
                    .collect();
                let open = open.join(", ");
                (!open.is_empty()).then(|| format!("the new key is not known to be allowed {open}"))
            }
        }
    }

    /// Whether the step made the key that the run itself has taken back, which is said in other words.
    pub(super) fn took_back(&self, step: &Step) -> bool {
        let made = self.made().map(Resource::AccessKey);
        step.resource == Resource::NewAccessKey
            && made.is_some_and(|key| self.plan.steps.iter().any(|other| other.resource == key))
    }

    /// What the snapshot says of a step's resource, for the key that the run has made.
    pub(super) fn new_key_now(&self, step: &Step) -> Option<bool> {
        if step.resource != Resource::NewAccessKey {
            return None;
        }
        let resource = Resource::AccessKey(self.made()?);
        let value = self.now.value(&resource).known()?;
        Some(value == Some(Value::Status(Status::Active)))
    }
}

impl Executor<'_> {
    /// Refuses before the first write what a plan of recovery does not say of itself: a containment that does not
    /// hold any more, and a place for the key that has moved (D2.3).
    pub(super) async fn recovery_stands(
        &self,
        plan: &Plan,
        states: &[Option<State>],
        now: &[Snapshot],
    ) -> Result<()> {
        let Some(recover) = &plan.recover else { return Ok(()) };
        self.same_region(recover)?;
        for (state, now) in states.iter().zip(now).filter(|_| !recover.override_containment) {
            contained(now, state.as_ref())?;
        }
        for (_, step) in plan.steps() {
            self.place_stands(recover, step).await?;
        }
        Ok(())
    }

    /// The same for a run that goes on and has not asked for its key yet.
    pub(super) async fn recovery_may_go_on(
        &self,
        plan: &Plan,
        principal: &PrincipalPlan,
        state: Option<&State>,
        now: &Snapshot,
        run: &str,
    ) -> Result<()> {
        let Some(recover) = &plan.recover else { return Ok(()) };
        self.same_region(recover)?;
        // A journal that cannot be read stops the run when it is opened.
        let journal = self.store.journal(&self.key(plan, principal), run).await.ok();
        let asked = |step: &Step| journal.iter().any(|journal| journal.was_tried(step.id));
        let mut making =
            principal.steps.iter().filter(|step| step.resource == Resource::NewAccessKey);
        if recover.override_containment || making.any(asked) {
            return Ok(());
        }
        contained(now, state)
    }

    /// What is to be made in one Region is not looked for, nor made, in another.
    fn same_region(&self, recover: &Recover) -> Result<()> {
        let Destination::Secret { region: Some(region), .. } = &recover.to else { return Ok(()) };
        if self.aws.region() == region {
            return Ok(());
        }
        Err(Error::stale("the plan makes the secret in another Region")
            .because(format!("planned in {}, now {}", shown(region), shown(self.aws.region())))
            .hint(format!("--region {}", crate::text::shell(region))))
    }

    async fn place_stands(&self, recover: &Recover, step: &Step) -> Result<()> {
        let found = match (&step.resource, &recover.to) {
            (Resource::Secret(id), _) => {
                let version = aws::look(self.aws, id).await?.map(|found| found.version);
                version.map(|version| Value::SecretVersion(Known::Is(version)))
            }
            (Resource::Profile(profile), Destination::Profile { file, .. }) => {
                let held = credentials_file::key_of(Path::new(file), profile)?;
                held.map(|key| Value::AccessKeyId(Known::Is(key)))
            }
            _ => return Ok(()),
        };
        if found == step.before {
            return Ok(());
        }
        let words = |value: Option<&Value>| crate::drift::words(value);
        Err(Error::stale("the place for the new key has changed since the plan")
            .detail(format!(
                "{}  planned {}, now {}",
                step.resource,
                words(step.before.as_ref()),
                words(found.as_ref())
            ))
            .detail("nothing was changed")
            .hint("look at what moved, then plan the recovery again"))
    }

    /// After the waves of a recovery: what became of the key is read, a key that is not stored is taken back, one
    /// that is stored is tried.
    pub(super) async fn conclude(&mut self, run: &mut UnderWay<'_>, active: &mut [Active]) {
        let Some(recover) = run.plan.recover.clone() else { return };
        if active.iter().all(|one| one.broken.is_some()) {
            return;
        }
        Box::pin(self.look(run, active)).await;
        let mut stored = Vec::new();
        for one in active.iter_mut() {
            stored.push(self.read_place(one).await);
        }
        if stored.contains(&Stored::Yes) {
            // What waited for the key may have been left out before it was known to be stored.
            Box::pin(self.waves(run, active)).await;
        }
        let mut off = 0;
        for (one, stored) in active.iter_mut().zip(&stored) {
            let steps = one.unwanted(*stored);
            off += self.add(run, one, steps).await;
        }
        if off > 0 {
            Box::pin(self.added_waves(run, active)).await;
            // A key goes only once it was read to be off.
            Box::pin(self.look(run, active)).await;
            for (one, stored) in active.iter_mut().zip(&stored) {
                let steps = one.lost(*stored).into_iter().collect();
                self.add(run, one, steps).await;
            }
            Box::pin(self.added_waves(run, active)).await;
        }
        for (one, stored) in active.iter_mut().zip(&stored) {
            if *stored == Stored::Yes {
                self.check(run, one, &recover).await;
            }
        }
    }

    /// Whether the key is where it was to go, by what is there.
    pub(super) async fn read_place(&mut self, one: &mut Active) -> Stored {
        let (making, storing) = one.key_steps();
        let (Some(_), Some(key), Some(issue)) = (making, one.made(), one.issue.clone()) else {
            return Stored::NoKey;
        };
        let Some(storing) = storing.cloned() else {
            // Standard output gets it now, if it is still at hand. Where the run was cut off since, whoever reads
            // it may have it.
            return match issue.key {
                Some(_) if self.hand_out(one) => Stored::Yes,
                Some(_) => Stored::No,
                None if one.was_checked(&key) => Stored::Yes,
                None => Stored::Unknown,
            };
        };
        if !one.journal().was_tried(storing.id) {
            return Stored::No;
        }
        let held = issue.held(self.aws, key.as_str()).await;
        let (stored, not_stored) = match &held {
            Ok(Some(_)) => (vec![storing.id], Vec::new()),
            Ok(None) => (Vec::new(), vec![storing.id]),
            Err(_) if one.journal().status(storing.id) == StepStatus::Done => return Stored::Yes,
            Err(_) if one.journal().status(storing.id) == StepStatus::Open => return Stored::No,
            Err(_) => return Stored::Unknown,
        };
        let is = if stored.is_empty() { Stored::No } else { Stored::Yes };
        if let (Ok(Some(version)), Resource::Secret(_), None) =
            (&held, &storing.resource, one.journal().made(storing.id))
        {
            let (step, resource) = (storing.id, storing.resource.clone());
            let event = Event::Made { step, resource, id: version.clone() };
            self.note(one, event).await;
        }
        let read_at = self.aws.service_time().unwrap_or(one.now.read_at);
        self.note(one, Event::ReadBack { read_at, stored, not_stored }).await;
        is
    }

    /// Adds steps in a wave after all others; returns how many.
    async fn add(&mut self, run: &mut UnderWay<'_>, one: &mut Active, steps: Vec<Step>) -> usize {
        let mut added = 0;
        for step in steps {
            let step = Step { id: run.next_step, wave: run.next_wave, ..step };
            run.next_step += 1;
            let event = Event::StepAdded { step: Box::new(step.clone()) };
            if self.note(one, event).await {
                let point = Point::Added(step.resource.clone());
                one.plan.steps.push(step);
                self.at(point).await;
                added += 1;
            }
        }
        added
    }

    /// Tries the key until it authenticates and is allowed what it was asked for, for as long as the plan says.
    async fn check(&mut self, run: &UnderWay<'_>, one: &mut Active, recover: &Recover) {
        let Some(id) = one.made() else { return };
        let key = match one.issue.as_ref().and_then(|issue| issue.key.clone()) {
            Some(key) => Some(key),
            // What was printed cannot be tried again: what was found then stands.
            None if recover.to == Destination::Stdout => return,
            None => self.stored_key(one, &id).await,
        };
        let mut error = Some("its secret could not be read back".to_owned());
        let (mut authenticates, mut probes) = (false, Vec::new());
        let under_hold = self.is_held(run, one).await;
        if let Some(key) = key {
            (authenticates, error) = self.authenticates(&key, recover.check_for_s).await;
            if authenticates {
                (probes, error) = self.probes(one, &key, &recover.probes, under_hold).await;
            }
        }
        let event = Event::KeyChecked {
            access_key: id,
            authenticates,
            probes,
            under_hold,
            checked_at: self.aws.service_time().unwrap_or(one.now.read_at),
            error,
        };
        (self.emit)(ApplyEvent::KeyChecked { who: one.plan.who(), check: event.clone() });
        self.note(one, event).await;
        self.at(Point::Checked).await;
    }

    /// What stands on the user now, since rights have changed since the last look.
    async fn is_held(&mut self, run: &UnderWay<'_>, one: &Active) -> bool {
        let (state, _) = one.so_far(run.plan, one.now.read_at);
        hold_stands(&state, &one.now)
    }

    async fn authenticates(&self, key: &NewKey, within_s: u32) -> (bool, Option<String>) {
        let mut waited = Duration::ZERO;
        loop {
            match aws::authenticates(self.aws, key).await {
                Ok(()) => return (true, None),
                Err(why)
                    if waited >= Duration::from_secs(u64::from(within_s)) || self.stop.asked() =>
                {
                    return (false, Some(why));
                }
                Err(_) => {}
            }
            self.context.sleep(PAUSE).await;
            waited += PAUSE;
        }
    }

    async fn probes(
        &self,
        one: &Active,
        key: &NewKey,
        actions: &[String],
        under_hold: bool,
    ) -> (Vec<Probed>, Option<String>) {
        let mut waited = Duration::ZERO;
        loop {
            let (probed, error) = aws::probe(self.aws, &one.plan.arn, key, actions).await;
            let allowed = probed.iter().all(|probe| probe.allowed == Some(true));
            let late = waited >= Duration::from_secs(u64::from(RIGHTS_WITHIN_S));
            if allowed || under_hold || late || self.stop.asked() {
                return (probed, error);
            }
            self.context.sleep(PAUSE).await;
            waited += PAUSE;
        }
    }

    /// The key out of the place that it was stored in, for a run that goes on.
    async fn stored_key(&self, one: &Active, id: &AccessKeyId) -> Option<NewKey> {
        let issue = one.issue.as_ref()?;
        match &issue.to {
            Destination::Secret { id: secret, fields, .. } => {
                aws::stored_key(self.aws, secret, fields, id.as_str()).await.ok().flatten()
            }
            Destination::Profile { file, profile } => {
                credentials_file::stored_key(Path::new(file), profile, id.as_str()).ok().flatten()
            }
            Destination::Stdout => None,
        }
    }

    /// Hands the key to whoever asked for it on standard output; whether that has arrived.
    fn hand_out(&mut self, one: &Active) -> bool {
        let Some(key) = one.issue.as_ref().and_then(|issue| issue.key.clone()) else {
            return false;
        };
        (self.emit)(ApplyEvent::NewKey {
            who: one.plan.who(),
            access_key_id: key.id.clone(),
            secret_access_key: key.secret.to_string(),
        });
        !(self.output_lost)()
    }
}

/// Whether a new key is where it was to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// No key is known to be made.
    NoKey,
    /// It is there.
    Yes,
    /// It is not.
    No,
    /// That could not be read.
    Unknown,
}

impl Active {
    /// The steps that turn off what nobody could use, or what may be another's.
    fn unwanted(&mut self, stored: Stored) -> Vec<Step> {
        match (stored, self.made()) {
            (Stored::No, Some(key)) if !self.is_discarded(&key) => {
                see(&mut self.now, &key);
                vec![off(&key, "it could not be stored")]
            }
            (Stored::Unknown, Some(key)) => {
                see(&mut self.now, &key);
                let kept = self.key_steps().1.is_some();
                let why = if kept { UNREAD } else { "who was given it before is not known" };
                vec![off(&key, why)]
            }
            (Stored::NoKey, _) => {
                let why = "made while the call for the new key was cut off: of unknown origin";
                self.of_unknown_origin().iter().map(|key| off(key, why)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Whether a run that was cut off has deleted the key already.
    fn is_discarded(&self, key: &AccessKeyId) -> bool {
        let resource = Resource::AccessKey(key.clone());
        let tried = self.plan.steps.iter().any(|step| step.resource == resource);
        tried && self.now.value(&resource) == Now::Absent
    }

    /// The step that deletes a key that is this run's for certain and that nobody has the secret of.
    fn lost(&self, stored: Stored) -> Option<Step> {
        let key = self.made().filter(|_| stored == Stored::No)?;
        let resource = Resource::AccessKey(key);
        let is_off = self.now.value(&resource) == Now::Is(Value::Status(Status::Inactive));
        is_off.then(|| Step {
            action: Change::Delete,
            before: Some(Value::Status(Status::Inactive)),
            after: None,
            reversible: false,
            ..step(resource, "its secret is lost: nobody can use it")
        })
    }

    /// The keys that are on and that neither the plan knew nor the run is known to have made, where a call may have
    /// made one.
    fn of_unknown_origin(&self) -> Vec<AccessKeyId> {
        let Some(making) = self.key_steps().0 else { return Vec::new() };
        let lost = matches!(
            self.journal().status(making.id),
            StepStatus::InDoubt | StepStatus::Intended | StepStatus::Repeated
        );
        if !lost {
            return Vec::new();
        }
        let known = |id: &AccessKeyId| {
            self.plan.snapshot.access_keys.items().iter().any(|key| key.id == *id)
        };
        let keys = self.now.access_keys.items().iter();
        let new = keys.filter(|key| key.status == Status::Active && !known(&key.id));
        new.map(|key| key.id.clone()).collect()
    }
}

fn step(resource: Resource, reason: &str) -> Step {
    Step {
        id: 0,
        wave: 0,
        resource,
        action: Change::Update,
        before: Some(Value::Status(Status::Active)),
        after: Some(Value::Status(Status::Inactive)),
        reversible: true,
        reason: reason.to_owned(),
        cautions: Vec::new(),
    }
}

fn off(key: &AccessKeyId, reason: &str) -> Step {
    step(Resource::AccessKey(key.clone()), reason)
}

/// A key that the service says it has made is there, whether the listing shows it yet or not.
fn see(now: &mut Snapshot, key: &AccessKeyId) {
    let read_at = now.read_at;
    if let Observed::Read(keys) = &mut now.access_keys
        && !keys.iter().any(|known| known.id == *key)
    {
        keys.push(AccessKey {
            id: key.clone(),
            status: Status::Active,
            created_at: read_at,
            last_used: Observed::Read(None),
        });
    }
}
