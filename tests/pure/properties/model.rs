//! A small model of IAM and of the executor: what a plan does to users, and what is recorded of it.
//!
//! It makes the same entries in the same order as `src/execute.rs`, over a snapshot that stands for the
//! account. It keeps apart what is so (`User::truth`) and what can be read (`User::hidden`).

use jiff::{SignedDuration, Timestamp};
use ringfence::drift;
use ringfence::identity::{AccessKeyId, Caller};
use ringfence::journal::{Event, Journal, StepResult, StepStatus};
use ringfence::lineage::{Lineage, is_our_name};
use ringfence::plan::{
    Action, Kind, OnDrift, Plan, PrincipalKind, PrincipalPlan, ReadCost, Step, sha256,
};
use ringfence::planner::{self, contain, fence_time};
use ringfence::policy::{PolicyDocument, deny_all_arn, hold};
use ringfence::posture::Posture;
use ringfence::record::{self, Outcome};
use ringfence::release::{self, release};
use ringfence::resource::{Resource, Value, fits};
use ringfence::snapshot::{
    AttachedPolicy, Group, InlinePolicy, Missing, Now, Observed, Obstacle, Snapshot, Status,
};
use ringfence::standing::still_active;
use ringfence::state::{HeldStatus, Run, State};
use std::collections::{BTreeMap, BTreeSet};

pub const ACCOUNT: &str = "111122223333";

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// When every story begins.
pub fn start() -> Timestamp {
    at("2026-11-21T03:00:00Z")
}

/// Why IAM does not do what it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    NotFound,
    LimitExceeded,
    Conflict,
    Invalid,
}

/// Does one call to a user as IAM would.
pub fn act(truth: &mut Snapshot, action: &Action) -> Result<(), Refusal> {
    let quotas = *truth.quotas.read().unwrap();
    match action {
        Action::UpdateAccessKey { id, status } => {
            let key = list(&mut truth.access_keys).iter_mut().find(|key| key.id.as_str() == id);
            key.ok_or(Refusal::NotFound)?.status = *status;
        }
        Action::UpdateSshPublicKey { id, status } => {
            let key = list(&mut truth.ssh_keys).iter_mut().find(|key| key.id == *id);
            key.ok_or(Refusal::NotFound)?.status = *status;
        }
        Action::UpdateSigningCertificate { id, status } => {
            let cert = list(&mut truth.signing_certificates).iter_mut().find(|cert| cert.id == *id);
            cert.ok_or(Refusal::NotFound)?.status = *status;
        }
        Action::UpdateServiceSpecificCredential { id, status } => {
            let cred = list(&mut truth.service_credentials).iter_mut().find(|cred| cred.id == *id);
            let cred = cred.ok_or(Refusal::NotFound)?;
            if cred.status == Status::Expired {
                return Err(Refusal::Invalid);
            }
            cred.status = *status;
        }
        Action::PutUserPolicy { name, document } | Action::PutRolePolicy { name, document } => {
            assert!(!document.awaits_fence_time(), "a placeholder reached IAM: {document}");
            let policies = list(&mut truth.inline_policies);
            let others = policies.iter().filter(|policy| policy.name != *name);
            let used: usize = others.map(|policy| size(&policy.document)).sum();
            // F15: what counts is every non-whitespace character of all of them together.
            if used + document.quota_size() > quotas.inline_size() as usize {
                return Err(Refusal::LimitExceeded);
            }
            policies.retain(|policy| policy.name != *name);
            policies.push(InlinePolicy {
                name: name.clone(),
                document: Observed::Read(document.clone()),
            });
        }
        Action::CreateAccessKey
        | Action::DeleteAccessKey { .. }
        | Action::CreateSecret { .. }
        | Action::PutSecretValue { .. }
        | Action::WriteProfile { .. } => panic!("no containment or release does {action:?}"),
        Action::DeleteUserPolicy { name } | Action::DeleteRolePolicy { name } => {
            remove(&mut truth.inline_policies, |policy| policy.name == *name)?;
        }
        Action::AttachUserPolicy { arn } | Action::AttachRolePolicy { arn } => {
            exists(truth, arn)?;
            let policies = list(&mut truth.attached_policies);
            if policies.iter().any(|policy| policy.arn == *arn) {
                return Ok(());
            }
            if policies.len() >= quotas.attached_policies() as usize {
                return Err(Refusal::LimitExceeded);
            }
            policies.push(attached(arn));
        }
        Action::DetachUserPolicy { arn } | Action::DetachRolePolicy { arn } => {
            remove(&mut truth.attached_policies, |policy| policy.arn == *arn)?;
        }
        Action::CreatePolicy { arn, name, document } => {
            assert!(!document.awaits_fence_time(), "a placeholder reached IAM: {document}");
            assert!(arn.ends_with(&format!(":policy/{name}")), "{arn} is not named {name}");
            if truth.managed_policies.iter().any(|policy| policy.arn == *arn) {
                return Err(Refusal::Conflict);
            }
            let full = quotas.customer_policies.is_some_and(|(used, quota)| used >= quota);
            if full || document.quota_size() > 6144 {
                return Err(Refusal::LimitExceeded);
            }
            let document = Some(Observed::Read(document.clone()));
            truth.managed_policies.push(AttachedPolicy { document, ..attached(arn) });
        }
        Action::DeletePolicy { arn } => {
            let in_use = truth.attached_policies.items().iter().any(|policy| policy.arn == *arn)
                || truth.permissions_boundary.as_deref() == Some(arn);
            if in_use {
                return Err(Refusal::Conflict);
            }
            let before = truth.managed_policies.len();
            truth.managed_policies.retain(|policy| policy.arn != *arn);
            if truth.managed_policies.len() == before {
                return Err(Refusal::NotFound);
            }
        }
        Action::PutUserPermissionsBoundary { arn } | Action::PutRolePermissionsBoundary { arn } => {
            exists(truth, arn)?;
            truth.permissions_boundary = Some(arn.clone());
        }
        Action::DeleteUserPermissionsBoundary | Action::DeleteRolePermissionsBoundary => {
            truth.permissions_boundary.take().ok_or(Refusal::NotFound)?;
        }
        Action::DeleteLoginProfile => match &mut truth.login_profile {
            Observed::Read(profile) => {
                profile.take().ok_or(Refusal::NotFound)?;
            }
            Observed::Unread(_) => panic!("the truth is never unread"),
        },
        Action::AddUserToGroup { group } => {
            let groups = list(&mut truth.groups);
            if groups.iter().all(|there| there.name != *group) {
                groups.push(member(group));
            }
        }
        Action::RemoveUserFromGroup { group } => {
            remove(&mut truth.groups, |there| there.name == *group)?;
        }
    }
    truth.sort();
    Ok(())
}

fn list<T>(observed: &mut Observed<Vec<T>>) -> &mut Vec<T> {
    match observed {
        Observed::Read(items) => items,
        Observed::Unread(_) => panic!("the truth is never unread"),
    }
}

fn remove<T>(observed: &mut Observed<Vec<T>>, gone: impl Fn(&T) -> bool) -> Result<(), Refusal> {
    let items = list(observed);
    let before = items.len();
    items.retain(|item| !gone(item));
    if items.len() == before { Err(Refusal::NotFound) } else { Ok(()) }
}

/// A policy of ringfence's has to be there before it can be attached; every other one is taken to be.
fn exists(truth: &Snapshot, arn: &str) -> Result<(), Refusal> {
    let ours = is_our_name(arn.rsplit('/').next().unwrap_or_default());
    if ours && truth.managed_policies.iter().all(|policy| policy.arn != arn) {
        return Err(Refusal::NotFound);
    }
    Ok(())
}

pub fn attached(arn: &str) -> AttachedPolicy {
    AttachedPolicy {
        arn: arn.to_owned(),
        name: arn.rsplit('/').next().unwrap_or_default().to_owned(),
        document: None,
    }
}

pub fn member(group: &str) -> Group {
    Group { name: group.to_owned(), attached_policies: None, inline_policies: None }
}

pub fn size(document: &Observed<PolicyDocument>) -> usize {
    document.read().map_or(0, PolicyDocument::quota_size)
}

/// Applies the calls of a plan's steps to a snapshot, in order. Every one has to be possible.
pub fn simulate(snapshot: &Snapshot, steps: &[Step], fence: Timestamp) -> Snapshot {
    let mut truth = snapshot.clone();
    for step in steps {
        let action = meant(step, Some(fence))
            .call(snapshot.who().kind())
            .unwrap_or_else(|| panic!("no call: {step:?}"));
        act(&mut truth, &action).unwrap_or_else(|why| panic!("{why:?} to {action:?} of {step:?}"));
    }
    truth
}

/// A section of a snapshot that may not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    AccessKeys,
    LoginProfile,
    SshKeys,
    Certificates,
    ServiceCredentials,
    MfaDevices,
    Groups,
    Attached,
    Inline,
    InlineDocuments,
    Tags,
    Quotas,
}

impl Section {
    pub fn is_of_credentials(self) -> bool {
        [
            Self::AccessKeys,
            Self::LoginProfile,
            Self::SshKeys,
            Self::Certificates,
            Self::ServiceCredentials,
        ]
        .contains(&self)
    }
}

/// One user of the account, and what ringfence has recorded of it.
#[derive(Clone, Debug)]
pub struct User {
    /// What is so: everything read.
    pub truth: Snapshot,
    /// What may not be read.
    pub hidden: BTreeSet<Section>,
    /// The state on disk.
    pub state: Option<State>,
    /// The snapshot that the last containment was planned from.
    pub at_apply: Option<Snapshot>,
    /// When each access key was last able to mint a session (F2): what the fence has to cover.
    pub last_active: BTreeMap<AccessKeyId, Timestamp>,
    /// What each resource was before the calls of ringfence changed it.
    pub firsts: BTreeMap<Resource, Option<Value>>,
}

/// The account: a clock, and users.
#[derive(Clone, Debug)]
pub struct Account {
    pub now: Timestamp,
    pub users: Vec<User>,
    pub on_drift: OnDrift,
    lineages: u8,
    runs: u32,
}

/// What a containment is asked for.
#[derive(Clone, Debug)]
pub struct Ask {
    pub posture: Posture,
    pub since: Option<Timestamp>,
    pub named: Vec<AccessKeyId>,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is made, and answered.
    Normal,
    /// It is denied.
    Refused,
    /// Too many calls.
    Throttled,
    /// It is made, and the answer is lost.
    AnswerLost,
    /// It is lost on its way.
    CallLost,
    /// Somebody deletes the credential just before.
    TooLate,
}

/// What goes wrong in a run.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// The fate of each call, in turn; `Normal` after the last.
    pub fates: Vec<Fate>,
    /// Whether the account can be read again at the end.
    pub read_back: bool,
    /// After how many journal entries the process is killed.
    pub killed_after: Option<usize>,
    /// Whether an impossible call is a bug of the plan.
    pub strict: bool,
}

impl Trouble {
    /// All goes well, and every call must be possible.
    pub fn none() -> Self {
        Self { fates: Vec::new(), read_back: true, killed_after: None, strict: true }
    }
}

/// What a run amounted to, for each principal of the plan.
#[derive(Debug)]
pub struct Ran {
    pub complete: bool,
    pub journals: Vec<Journal>,
    /// What was read back.
    pub read_back: Vec<Option<Snapshot>>,
}

impl User {
    /// Somebody else deletes a credential. What an Active key minted while nobody looked cannot be known
    /// from IAM (F34), so nothing is owed for it.
    pub fn delete(&mut self, resource: &Resource) {
        let id = resource.id();
        let truth = &mut self.truth;
        if let Resource::AccessKey(id) = resource
            && truth.value(resource) == Now::Is(Value::Status(Status::Active))
        {
            self.last_active.remove(id);
        }
        list(&mut truth.access_keys).retain(|key| key.id.as_str() != id);
        list(&mut truth.ssh_keys).retain(|key| key.id != id);
        list(&mut truth.signing_certificates).retain(|cert| cert.id != id);
        list(&mut truth.service_credentials).retain(|cred| cred.id != id);
        if *resource == Resource::LoginProfile {
            truth.login_profile = Observed::Read(None);
        }
    }
}

struct Killed;

impl Account {
    pub fn of(truths: Vec<Snapshot>) -> Self {
        let users = truths
            .into_iter()
            .map(|mut truth| {
                truth.sort();
                User {
                    truth,
                    hidden: BTreeSet::new(),
                    state: None,
                    at_apply: None,
                    last_active: BTreeMap::new(),
                    firsts: BTreeMap::new(),
                }
            })
            .collect();
        let mut account =
            Self { now: start(), users, on_drift: OnDrift::Tighten, lineages: 0, runs: 0 };
        account.tick(0);
        account
    }

    pub fn user(&self) -> &User {
        &self.users[0]
    }

    pub fn state(&self) -> &State {
        self.users[0].state.as_ref().expect("a state")
    }

    /// Lets time pass; what is Active may mint all the while.
    pub fn tick(&mut self, seconds: i64) {
        self.now = self.now.saturating_add(SignedDuration::from_secs(seconds)).unwrap();
        for user in &mut self.users {
            for key in user.truth.access_keys.items() {
                if key.status == Status::Active {
                    user.last_active.insert(key.id.clone(), self.now);
                }
            }
        }
    }

    /// Reads a user, with the managed policies asked for.
    pub fn read(&self, index: usize, managed: &BTreeSet<String>) -> Snapshot {
        let user = &self.users[index];
        let mut read = user.truth.clone();
        read.read_at = self.now;
        read.managed_policies.retain(|policy| managed.contains(&policy.arn));
        for section in &user.hidden {
            hide(&mut read, *section);
        }
        read
    }

    fn read_for(&self, index: usize, plan: Option<&PrincipalPlan>) -> Snapshot {
        let steps = plan.into_iter().flat_map(|plan| &plan.steps).map(|step| &step.resource);
        let state = self.users[index].state.iter().flat_map(|state| state.resources.keys());
        let managed = steps
            .chain(state)
            .filter_map(|resource| match resource {
                Resource::ManagedPolicy(arn) => Some(arn.clone()),
                _ => None,
            })
            .collect();
        self.read(index, &managed)
    }

    /// What is read of the first user for its state.
    pub fn now_of_first(&self) -> Snapshot {
        self.read_for(0, None)
    }

    pub fn context(&self) -> planner::Context {
        planner::Context {
            caller: Caller {
                account: ACCOUNT.parse().unwrap(),
                arn: format!("arn:aws:sts::{ACCOUNT}:assumed-role/responder/alice")
                    .parse()
                    .unwrap(),
                id: "AROAEXAMPLE:alice".to_owned(),
            },
            endpoint: "https://iam.amazonaws.com".to_owned(),
            now: self.now,
            read: ReadCost { calls: 18, round_trips: 3 },
            incident: None,
            version: "0.1.0".to_owned(),
            on_drift: self.on_drift,
        }
    }

    /// Plans a containment of every user.
    pub fn plan(&mut self, ask: &Ask) -> ringfence::error::Result<Plan> {
        let request = planner::Request {
            settle_s: 0,
            posture: ask.posture.clone(),
            since: ask.since,
            protected_users: Vec::new(),
            protected_roles: Vec::new(),
            override_protection: false,
            cut_workloads: false,
            trace: None,
            finding: None,
            strict: false,
        };
        let mut subjects = Vec::new();
        for index in 0..self.users.len() {
            self.lineages += 1;
            let snapshot = self.read_for(index, None);
            let listed = snapshot.access_keys.missing().is_some();
            let truth = self.users[index].truth.access_keys.items();
            let named =
                ask.named.iter().filter(|id| truth.iter().any(|key| key.id == **id) || listed);
            subjects.push(planner::Subject {
                named: named.cloned().collect(),
                traced: Vec::new(),
                sessions: Vec::new(),
                state: self.users[index].state.clone(),
                fresh_lineage: Lineage::new([self.lineages; 16]),
                snapshot,
            });
        }
        contain(subjects, &request, &self.context())
    }

    /// Plans the release of the first user.
    pub fn release(&self, request: &release::Request) -> ringfence::error::Result<Plan> {
        let at_apply = self.users[0].at_apply.as_ref();
        release(self.now_of_first(), self.state(), at_apply, request, &self.context())
    }

    /// Applies a plan as `src/execute.rs` does.
    pub fn apply(&mut self, plan: &Plan, trouble: &Trouble) -> Ran {
        let bytes = plan.bytes();
        let digest = sha256(&bytes);
        self.tick(2);
        self.runs += 1;
        let run = format!("run-{}", self.runs);
        let indexes: Vec<usize> = plan.principals.iter().map(|one| self.index(one)).collect();
        let before: Vec<Snapshot> = plan
            .principals
            .iter()
            .zip(&indexes)
            .map(|(one, i)| self.read_for(*i, Some(one)))
            .collect();
        let previous: Vec<Option<State>> =
            indexes.iter().map(|i| self.users[*i].state.clone()).collect();
        let started_at = self.now;
        let mut priors = Vec::new();
        for ((one, i), previous) in plan.principals.iter().zip(&indexes).zip(&previous) {
            let record = Run {
                id: run.clone(),
                kind: plan.kind,
                plan_sha256: digest.clone(),
                planned_by: Some(plan.planned_by.clone()),
                applied_by: self.context().caller.arn,
                applied_from: None,
                started_at,
                approvals: Vec::new(),
                break_glass: None,
                end: None,
            };
            let (begun, prior) = record::begin(previous.as_ref(), plan, one, record);
            self.users[*i].state = Some(begun);
            priors.push(prior);
            if plan.kind == Kind::Contain {
                self.users[*i].at_apply = Some(one.snapshot.clone());
            }
        }
        let mut ran = Running {
            plan,
            indexes: &indexes,
            before: &before,
            previous: &previous,
            priors,
            trouble,
            journals: vec![Journal::default(); plan.principals.len()],
            fences: vec![None; plan.principals.len()],
            calls: 0,
            entries: 0,
        };
        let killed = ran
            .start(self, &run, &digest)
            .and_then(|()| ran.waves(self))
            .and_then(|()| match plan.kind {
                Kind::Contain => ran.tell_outrun(self),
                Kind::Release | Kind::Recover => Ok(()),
            })
            .is_err();
        if killed {
            return ran.killed(self);
        }
        ran.finish(self)
    }

    fn index(&self, one: &PrincipalPlan) -> usize {
        self.users.iter().position(|user| *user.truth.id() == one.id).unwrap()
    }
}

struct Running<'a> {
    plan: &'a Plan,
    indexes: &'a [usize],
    before: &'a [Snapshot],
    previous: &'a [Option<State>],
    priors: Vec<record::Prior>,
    trouble: &'a Trouble,
    journals: Vec<Journal>,
    fences: Vec<Option<Timestamp>>,
    calls: usize,
    entries: usize,
}

impl Running<'_> {
    fn append(&mut self, who: usize, at: Timestamp, event: Event) -> Result<(), Killed> {
        self.entries += 1;
        if self.trouble.killed_after.is_some_and(|limit| self.entries > limit) {
            return Err(Killed);
        }
        self.journals[who].append(at, event);
        Ok(())
    }

    fn start(&mut self, account: &Account, run: &str, digest: &str) -> Result<(), Killed> {
        for who in 0..self.indexes.len() {
            let begun = account.users[self.indexes[who]].state.as_ref().unwrap();
            let event = Event::RunStarted {
                run: run.to_owned(),
                kind: self.plan.kind,
                plan_sha256: digest.to_owned(),
                lineage: begun.lineage.clone(),
                serial: begun.serial,
                applied_by: account.context().caller.arn,
                applied_from: None,
                endpoint: begun.endpoint.clone(),
                ringfence_version: begun.ringfence_version.clone(),
                approvals: Vec::new(),
                break_glass: None,
                prior: self.priors[who].clone(),
            };
            self.append(who, account.now, event)?;
        }
        Ok(())
    }

    fn waves(&mut self, account: &mut Account) -> Result<(), Killed> {
        let plan = self.plan;
        let mut waves: Vec<u32> = plan.steps().iter().map(|(_, step)| step.wave).collect();
        waves.dedup();
        for wave in waves {
            for who in 0..self.indexes.len() {
                self.fix_fence_time(account, who, wave)?;
            }
            for (who, one) in plan.principals.iter().enumerate() {
                for step in one.steps.iter().filter(|step| step.wave == wave) {
                    self.step(account, who, step)?;
                }
            }
        }
        Ok(())
    }

    fn fix_fence_time(&mut self, account: &Account, who: usize, wave: u32) -> Result<(), Killed> {
        let steps = &self.plan.principals[who].steps;
        let due = steps.iter().any(|step| step.wave == wave && step.awaits_fence_time());
        if !due || self.fences[who].is_some() {
            return Ok(());
        }
        let mut key_off_at = self.before[who].read_at;
        if self.plan.principals[who].kind == PrincipalKind::Role {
            key_off_at = key_off_at.max(self.last_answer().unwrap_or(key_off_at));
        }
        for entry in self.journals[who].entries() {
            if let Event::Outcome {
                resource: Resource::AccessKey(_),
                result: StepResult::Done,
                service_date: Some(date),
                ..
            } = &entry.event
            {
                key_off_at = key_off_at.max(*date);
            }
        }
        let failed: Vec<Resource> = steps
            .iter()
            .filter(|step| step.turns_off() && matches!(step.resource, Resource::AccessKey(_)))
            .filter(|step| self.journals[who].status(step.id) != StepStatus::Done)
            .map(|step| step.resource.clone())
            .collect();
        let fence = fence_time(key_off_at, self.plan.fence_margin_s);
        let event = Event::FenceTime {
            fence_time: fence,
            key_off_at,
            still_active: still_active(&failed, &self.before[who]),
        };
        self.append(who, account.now, event)?;
        self.fences[who] = Some(fence);
        Ok(())
    }

    fn last_answer(&self) -> Option<Timestamp> {
        let entries = self.journals.iter().flat_map(|journal| journal.entries());
        entries
            .filter_map(|entry| match &entry.event {
                Event::Outcome {
                    result: StepResult::Done | StepResult::NotFound,
                    service_date,
                    ..
                } => *service_date,
                _ => None,
            })
            .max()
    }

    /// As the executor does after each reading: a fence that a later deny outran has to move.
    fn tell_outrun(&mut self, account: &Account) -> Result<(), Killed> {
        let Some(stopped_at) = self.last_answer() else { return Ok(()) };
        for who in 0..self.indexes.len() {
            let one = &self.plan.principals[who];
            let fences = one.steps.iter().filter(|step| step.awaits_fence_time());
            let ids: Vec<u32> = fences.map(|step| step.id).collect();
            let fence = self.journals[who].fence(&ids).filter(|fence| !fence.outrun);
            if let (PrincipalKind::Role, Some(fence)) = (one.kind, fence)
                && stopped_at > fence.fence_time - SignedDuration::from_secs(15)
            {
                let fence_time = fence.fence_time;
                let event = Event::FenceOutrun { fence_time, stopped_at };
                self.append(who, account.now, event)?;
            }
        }
        Ok(())
    }

    fn step(&mut self, account: &mut Account, who: usize, step: &Step) -> Result<(), Killed> {
        match verdict(step, &self.before[who], self.previous[who].as_ref()) {
            Verdict::Go => {}
            Verdict::Already => {
                let (step, resource) = (step.id, step.resource.clone());
                let why = "it was so already".to_owned();
                return self.append(who, account.now, Event::Skipped { step, resource, why });
            }
            Verdict::Blocked => return Ok(()),
        }
        let meant = meant(step, self.fences[who]);
        let kind = self.plan.principals[who].kind;
        let Some(action) = meant.call(kind).filter(|_| !meant.awaits_fence_time()) else {
            return Ok(());
        };
        for attempt in 1..=4 {
            let event = Event::Intent {
                step: step.id,
                resource: step.resource.clone(),
                action: action.name().to_owned(),
                attempt,
            };
            self.append(who, account.now, event)?;
            let result = self.call(account, who, step, &action);
            let event = Event::Outcome {
                step: step.id,
                resource: step.resource.clone(),
                result,
                service_date: (result != StepResult::InDoubt).then_some(account.now),
                request_id: None,
                error: None,
            };
            self.append(who, account.now, event)?;
            let again = match result {
                StepResult::Throttled => true,
                StepResult::InDoubt => action.repeatable(),
                _ => false,
            };
            if !again {
                break;
            }
        }
        Ok(())
    }

    fn call(
        &mut self,
        account: &mut Account,
        who: usize,
        step: &Step,
        action: &Action,
    ) -> StepResult {
        let fate = self.trouble.fates.get(self.calls).copied().unwrap_or(Fate::Normal);
        self.calls += 1;
        // A call that is not answered takes until its time-out.
        account.tick(if matches!(fate, Fate::AnswerLost | Fate::CallLost) { 40 } else { 1 });
        match fate {
            Fate::Refused => return StepResult::Refused,
            Fate::Throttled => return StepResult::Throttled,
            Fate::CallLost => return StepResult::InDoubt,
            Fate::TooLate if step.resource.is_credential() => {
                account.users[self.indexes[who]].delete(&step.resource);
            }
            Fate::Normal | Fate::AnswerLost | Fate::TooLate => {}
        }
        let user = &mut account.users[self.indexes[who]];
        let was = user.truth.value(&step.resource).known().unwrap();
        let done = act(&mut user.truth, action);
        if done.is_ok() {
            user.firsts.entry(step.resource.clone()).or_insert(was);
        }
        match (done, fate) {
            (Err(why), _) if self.trouble.strict => panic!("{why:?} to {action:?} of {step:?}"),
            (_, Fate::AnswerLost) => StepResult::InDoubt,
            (Ok(()), _) => StepResult::Done,
            (Err(Refusal::NotFound), _) => StepResult::NotFound,
            (Err(_), _) => StepResult::Refused,
        }
    }

    fn finish(mut self, account: &mut Account) -> Ran {
        account.tick(1);
        let mut all = true;
        let mut read_backs = Vec::new();
        for who in 0..self.indexes.len() {
            let index = self.indexes[who];
            let one = &self.plan.principals[who];
            let read_back = self.trouble.read_back.then(|| account.read_for(index, Some(one)));
            if let Some(now) = &read_back {
                let event = read_back_event(one, now, self.fences[who], &self.journals[who]);
                if self.append(who, account.now, event).is_err() {
                    return self.killed(account);
                }
            }
            let begun = account.users[index].state.clone().unwrap();
            let outcome = Outcome {
                journal: &self.journals[who].clone(),
                read_back: read_back.as_ref(),
                now: account.now,
            };
            let (mut state, mut complete) = record::finish(&begun, self.plan, one, &outcome);
            complete &= read_back.is_some();
            if self.append(who, account.now, Event::RunFinished { complete }).is_err() {
                return self.killed(account);
            }
            record::end_run(&mut state, &self.journals[who], complete, account.now);
            state.serial += 1;
            account.users[index].state = Some(state);
            all &= complete;
            read_backs.push(read_back);
        }
        Ran { complete: all, journals: self.journals, read_back: read_backs }
    }

    /// What is known of a run that was killed is what the store makes of its journals.
    fn killed(self, account: &mut Account) -> Ran {
        for (who, index) in self.indexes.iter().enumerate() {
            let user = &mut account.users[*index];
            let begun = user.state.take().unwrap();
            let one = &self.plan.principals[who];
            user.state = Some(record::replay(&begun, self.plan, one, &self.journals[who]));
        }
        let read_back = vec![None; self.indexes.len()];
        Ran { complete: false, journals: self.journals, read_back }
    }
}

enum Verdict {
    Go,
    Already,
    Blocked,
}

/// As `src/execute/verify.rs`.
fn verdict(step: &Step, now: &Snapshot, previous: Option<&State>) -> Verdict {
    match drift::standing(step, now) {
        drift::Standing::AsPlanned | drift::Standing::Unknown => Verdict::Go,
        drift::Standing::Already => Verdict::Already,
        drift::Standing::Moved => {
            let gone = step.resource.is_credential() && now.value(&step.resource) == Now::Absent;
            let ours = previous.is_some_and(|state| state.resources.contains_key(&step.resource));
            match &step.resource {
                _ if gone => Verdict::Already,
                Resource::InlinePolicy(_) if !ours => Verdict::Blocked,
                Resource::PermissionsBoundary => Verdict::Blocked,
                _ => Verdict::Go,
            }
        }
    }
}

/// A step with the fence's time filled in.
pub fn meant(step: &Step, fence: Option<Timestamp>) -> Step {
    let after = match (&step.after, fence) {
        (Some(Value::Document(document)), Some(fence)) => {
            Some(Value::Document(document.with_fence_time(fence)))
        }
        (after, _) => after.clone(),
    };
    Step { after, ..step.clone() }
}

fn read_back_event(
    one: &PrincipalPlan,
    now: &Snapshot,
    fence: Option<Timestamp>,
    journal: &Journal,
) -> Event {
    let (mut stored, mut not_stored) = (Vec::new(), Vec::new());
    for step in &one.steps {
        if journal.status(step.id) == StepStatus::Planned {
            continue;
        }
        match now.value(&step.resource).known() {
            Some(value) if fits(meant(step, fence).after.as_ref(), value.as_ref()) => {
                stored.push(step.id)
            }
            Some(_) => not_stored.push(step.id),
            None => {}
        }
    }
    Event::ReadBack { read_at: now.read_at, stored, not_stored }
}

pub fn hide(read: &mut Snapshot, section: Section) {
    fn missing<T>(action: &str) -> Observed<T> {
        let because = "AccessDenied".to_owned();
        Observed::Unread(Missing {
            action: format!("iam:{action}"),
            because,
            obstacle: Obstacle::Denied,
        })
    }
    // A role has none of these, so that nothing of it could be denied.
    let of_users = [
        Section::AccessKeys,
        Section::LoginProfile,
        Section::SshKeys,
        Section::Certificates,
        Section::ServiceCredentials,
        Section::MfaDevices,
        Section::Groups,
    ];
    if read.role().is_some() && of_users.contains(&section) {
        return;
    }
    match section {
        Section::AccessKeys => read.access_keys = missing("ListAccessKeys"),
        Section::LoginProfile => read.login_profile = missing("GetLoginProfile"),
        Section::SshKeys => read.ssh_keys = missing("ListSSHPublicKeys"),
        Section::Certificates => read.signing_certificates = missing("ListSigningCertificates"),
        Section::ServiceCredentials => {
            read.service_credentials = missing("ListServiceSpecificCredentials");
        }
        Section::MfaDevices => read.mfa_devices = missing("ListMFADevices"),
        Section::Groups => read.groups = missing("ListGroupsForUser"),
        Section::Attached => read.attached_policies = missing("ListAttachedUserPolicies"),
        Section::Inline => read.inline_policies = missing("ListUserPolicies"),
        Section::InlineDocuments => {
            if let Observed::Read(policies) = &mut read.inline_policies {
                policies.iter_mut().for_each(|policy| policy.document = missing("GetUserPolicy"));
            }
        }
        Section::Tags => read.tags = missing("ListUserTags"),
        Section::Quotas => read.quotas = missing("GetAccountSummary"),
    }
}

/// The snapshot without the credentials that are not in `other` any more: no call brings them back.
pub fn but_for_what_is_gone(mut truth: Snapshot, other: &Snapshot) -> Snapshot {
    list(&mut truth.access_keys)
        .retain(|key| other.access_keys.items().iter().any(|there| there.id == key.id));
    list(&mut truth.ssh_keys)
        .retain(|key| other.ssh_keys.items().iter().any(|there| there.id == key.id));
    list(&mut truth.signing_certificates)
        .retain(|cert| other.signing_certificates.items().iter().any(|there| there.id == cert.id));
    list(&mut truth.service_credentials)
        .retain(|cred| other.service_credentials.items().iter().any(|there| there.id == cred.id));
    if other.login_profile == Observed::Read(None) {
        truth.login_profile = Observed::Read(None);
    }
    truth
}

/// Whether an unconditional deny really stands (F24).
pub fn held_down(truth: &Snapshot) -> bool {
    let deny_all = deny_all_arn("aws");
    truth.permissions_boundary.as_ref() == Some(&deny_all)
        || truth.attached_policies.items().iter().any(|policy| policy.arn == deny_all)
        || truth
            .inline_policies
            .items()
            .iter()
            .any(|policy| policy.document.read() == Some(&hold()))
}

/// The newest moment before which sessions really are denied (F3).
pub fn fenced_until(truth: &Snapshot) -> Option<Timestamp> {
    let in_force = |arn: &str| {
        truth.permissions_boundary.as_deref() == Some(arn)
            || truth.attached_policies.items().iter().any(|policy| policy.arn == arn)
    };
    let inline = truth.inline_policies.items().iter().filter_map(|policy| policy.document.read());
    let managed = truth
        .managed_policies
        .iter()
        .filter(|policy| in_force(&policy.arn))
        .filter_map(|policy| policy.document.as_ref()?.read());
    inline.chain(managed).filter_map(PolicyDocument::fence_time).max()
}

/// Whether a state answers for a resource as written.
pub fn is_held(state: &State, resource: &Resource) -> bool {
    state.resources.get(resource).is_some_and(|held| held.status == HeldStatus::Held)
}
