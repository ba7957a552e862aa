//! What holds of every rollback.

use super::containing::{everything, sound};
use super::model::{Account, Section, Trouble, fenced_until, held_down, simulate};
use super::property;
use super::strategies::{ask, built_in, hidden, truth};
use jiff::SignedDuration;
use proptest::prelude::*;
use proptest::sample::select;
use ringfence::plan::{Kind, Plan};
use ringfence::policy::deny_all_arn;
use ringfence::posture::BUILT_IN;
use ringfence::release::{Request, rearms};
use ringfence::resource::{Resource, Value};
use ringfence::snapshot::{Now, Observed, Snapshot, Status};
use ringfence::standing::live_credentials;
use ringfence::state::{LIFT_AFTER, Role, State};

/// Long enough for every fence's time to have come (F9).
const LONG: i64 = 200_000;

/// Every credential that a person could name.
pub(super) fn all_credentials(account: &Account) -> Vec<Resource> {
    let held = account.state().resources.keys().filter(|resource| resource.is_credential());
    let mut all: Vec<Resource> = held.cloned().collect();
    all.extend(live_credentials(&account.now_of_first()));
    all.sort();
    all.dedup();
    all
}

/// The rule of D2.7, from the facts rather than from the plan.
fn may_rearm(state: &State, before: &Snapshot, resource: &Resource) -> bool {
    let made = ringfence::drift::created_at(resource, before);
    !state.is_compromised(resource)
        && matches!((made, state.since), (Some(made), Some(since)) if made < since)
}

/// The user as it was, but for what no call can bring back.
fn but_for_the_password(mut truth: Snapshot) -> Snapshot {
    truth.login_profile = Observed::Read(None);
    truth
}

#[test]
fn apply_then_rollback_restores_every_reversible_field() {
    property(200, &(truth(), ask()), |(truth, ask)| {
        let mut account = Account::of(vec![truth]);
        let original = account.user().truth.clone();
        let plan = account.plan(&ask).unwrap();
        account.apply(&plan, &Trouble::none());
        account.tick(LONG);
        let request = Request { reactivate: all_credentials(&account), ..Request::default() };
        let rollback = account.release(&request).unwrap();
        sound(&rollback);
        assert_eq!(rollback.kind, Kind::Release);
        let ran = account.apply(&rollback, &Trouble::none());
        assert!(ran.complete);
        let deleted =
            plan.principals[0].steps.iter().any(|step| step.resource == Resource::LoginProfile);
        let restored = account.user().truth.clone();
        if deleted {
            assert_eq!(restored.login_profile, Observed::Read(None));
            assert_eq!(restored, but_for_the_password(original));
        } else {
            assert_eq!(restored, original);
        }
        let state = account.state();
        assert!(state.is_released() && !state.continues());
        assert_eq!(state.clock, None);
        // Nothing is left to be done, and the next containment is another lineage (D5).
        assert!(account.release(&Request::default()).unwrap().is_empty());
        let lineage = account.state().lineage.clone();
        let next = account.plan(&ask).unwrap();
        assert_ne!(next.principals[0].lineage, lineage);
        assert_eq!(next.principals[0].previous_lineage, Some(lineage));
    });
}

#[test]
fn a_rollback_by_itself_keeps_off_what_may_be_the_attackers() {
    property(200, &(truth(), ask()), |(truth, ask)| {
        let mut account = Account::of(vec![truth]);
        let original = account.user().truth.clone();
        let plan = account.plan(&ask).unwrap();
        account.apply(&plan, &Trouble::none());
        account.tick(LONG);
        let contained = account.user().truth.clone();
        let state = account.state().clone();
        let suspect_live = live_credentials(&contained)
            .into_iter()
            .any(|live| !may_rearm(&state, &contained, &live));
        let attacked = live_credentials(&contained).into_iter().any(|live| {
            let made = ringfence::drift::created_at(&live, &contained);
            let younger = matches!((made, state.since), (Some(made), Some(since)) if made >= since);
            younger || state.is_compromised(&live)
        });
        let rollback = account.release(&Request::default()).unwrap();
        account.apply(&rollback, &Trouble::none());
        let now = &account.user().truth;
        let role = |resource: &Resource| {
            state.resources.get(resource).map(|held| state.role(resource, held))
        };
        for (resource, was) in everything(&original) {
            let suspect = resource.is_credential() && !may_rearm(&state, &contained, &resource);
            let stays = attacked && role(&resource) == Some(Role::Other);
            let expected = if resource == Resource::LoginProfile || suspect || stays {
                contained.value(&resource)
            } else {
                Now::Is(was)
            };
            let holds = matches!(resource, Resource::PermissionsBoundary) && suspect_live;
            if !holds {
                assert_eq!(now.value(&resource), expected, "{resource}");
            }
        }
        // Nothing of ringfence's stays, but for a hold that alone stops a suspect credential, and rights that one
        // could use.
        for (resource, _) in everything(now) {
            if original.value(&resource) == Now::Absent {
                let held = &state.resources[&resource];
                let role = state.role(&resource, held);
                assert!(
                    role == Role::Hold || (attacked && role == Role::Other),
                    "{resource} stays"
                );
                assert!(suspect_live, "{resource} stays and nothing suspect is live");
            }
        }
        assert_eq!(held_down(now), held_down(&original) || (held_down(&contained) && suspect_live));
    });
}

#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) reactivate: Vec<bool>,
    pub(super) lift_fence_now: bool,
    pub(super) to: Option<&'static str>,
    pub(super) after: i64,
    /// What cannot be read when the release is planned, and whether that is accepted.
    pub(super) hidden: Vec<Section>,
    pub(super) accept_unread: bool,
}

pub(super) fn wish() -> impl Strategy<Value = Wish> {
    let to = proptest::option::of(select(BUILT_IN.to_vec()));
    let after = prop_oneof![0i64..3600, 100_000i64..140_000, Just(LONG)];
    let reactivate = proptest::collection::vec(any::<bool>(), 10);
    let hidden = prop_oneof![Just(Vec::new()), hidden()];
    (reactivate, any::<bool>(), to, after, hidden, any::<bool>()).prop_map(
        |(reactivate, lift_fence_now, to, after, hidden, accept_unread)| Wish {
            reactivate,
            lift_fence_now,
            to,
            after,
            hidden,
            accept_unread,
        },
    )
}

/// D2.7, on any release plan.
pub(super) fn safe(account: &Account, plan: &Plan, request: &Request) {
    let state = account.state();
    let user = account.user();
    let one = &plan.principals[0];
    sound(plan);
    let before = &user.truth;
    let after = simulate(before, &one.steps, account.now);
    let of_credentials = |section: &Section| section.is_of_credentials();
    let unlisted = before.role().is_none() && user.hidden.iter().any(of_credentials);
    for step in &one.steps {
        if rearms(step) {
            let named = request.reactivate.contains(&step.resource);
            assert!(named || may_rearm(state, before, &step.resource), "re-arms {}", step.resource);
        }
        let held = state
            .resources
            .get(&step.resource)
            .unwrap_or_else(|| panic!("{} is not ours", step.resource));
        assert_eq!(step.after, held.baseline, "{}", step.resource);
        if matches!(state.role(&step.resource, held), Role::Other | Role::Hold) {
            assert!(!unlisted || request.accept_unread, "{} goes unseen", step.resource);
        }
        if state.role(&step.resource, held) == Role::Hold {
            let last = one.steps.iter().map(|step| step.wave).max();
            assert_eq!(Some(step.wave), last, "the hold is lifted last (F31)");
            let others = one.steps.iter().filter(|other| other.wave == step.wave);
            for other in others {
                assert_eq!(
                    state.role(&other.resource, &state.resources[&other.resource]),
                    Role::Hold
                );
            }
        }
    }
    // F9, by what really is: sessions that were denied stay denied until they have expired.
    if !request.lift_fence_now {
        for (id, last) in &user.last_active {
            let denied = |truth: &Snapshot| {
                held_down(truth) || fenced_until(truth).is_some_and(|until| until > *last)
            };
            let expired = account.now >= last.saturating_add(LIFT_AFTER).unwrap();
            // A key that a release gave back mints sessions that somebody wants.
            let held = state.resources.get(&Resource::AccessKey(id.clone()));
            let ours =
                held.is_some_and(|held| held.status != ringfence::state::HeldStatus::Released);
            if ours && denied(before) && !expired {
                assert!(
                    denied(&after),
                    "sessions of {id} minted until {last} act again at {}",
                    account.now
                );
            }
        }
    }
    // A hold that alone keeps a suspect credential from acting stays, unless it was named.
    if held_down(before) && !held_down(&after) {
        for live in live_credentials(&after) {
            let named = request.reactivate.contains(&live);
            let unseen = account.now_of_first().value(&live) == Now::Unknown;
            assert!(
                named || may_rearm(state, &after, &live) || (unseen && request.accept_unread),
                "lifting the hold lets {live} act"
            );
        }
    }
    // What stays is said.
    for (resource, held) in &state.resources {
        use ringfence::state::HeldStatus as H;
        let open = matches!(held.status, H::Held | H::InDoubt | H::Kept);
        let back = after.value(resource).known() == Some(held.baseline.clone());
        let said = one.kept.iter().any(|kept| kept.resource == *resource)
            || one.drift.iter().any(|item| item.resource == *resource)
            || one.given_up.contains(resource);
        let readable = user.hidden.is_empty();
        if open && !back && request.to.is_none() && readable {
            assert!(said, "{resource} stays and nothing says so");
        }
    }
}

#[test]
fn no_release_arms_what_may_be_the_attackers() {
    property(250, &(truth(), ask(), wish()), |(truth, ask, wish)| {
        let mut account = Account::of(vec![truth]);
        let plan = account.plan(&ask).unwrap();
        account.apply(&plan, &Trouble::none());
        account.tick(wish.after);
        account.users[0].hidden = wish.hidden.iter().copied().collect();
        let mut chosen = wish.reactivate.iter().cycle();
        let request = Request {
            reactivate: all_credentials(&account)
                .into_iter()
                .filter(|_| *chosen.next().unwrap())
                .collect(),
            lift_fence_now: wish.lift_fence_now,
            to: wish.to.map(built_in),
            accept_unread: wish.accept_unread,
            ..Request::default()
        };
        let Ok(rollback) = account.release(&request) else {
            let to = request.to.expect("only a posture that is no step down is refused");
            let state = &account.state().posture;
            assert!(!state.covers(&to) || *state == to);
            return;
        };
        safe(&account, &rollback, &request);
        let ran = account.apply(&rollback, &Trouble::none());
        assert!(ran.complete);
        account.users[0].hidden.clear();
        // Whatever is left is given back by the next rollback, once its time has come.
        account.tick(LONG);
        let request = Request { reactivate: all_credentials(&account), ..Request::default() };
        let last = account.release(&request).unwrap();
        safe(&account, &last, &request);
        account.apply(&last, &Trouble::none());
        assert!(!account.state().continues(), "{:#?}", account.state().resources);
        for (resource, _) in everything(&account.user().truth) {
            let was = account.user().firsts.get(&resource);
            assert!(was != Some(&None), "{resource} stays");
        }
    });
}

#[test]
fn a_rollback_before_its_time_keeps_the_fence_and_says_until_when() {
    property(100, &(truth(), ask()), |(truth, ask)| {
        let mut account = Account::of(vec![truth]);
        let plan = account.plan(&ask).unwrap();
        account.apply(&plan, &Trouble::none());
        account.tick(60);
        let Some(clock) = account.state().clock.clone() else { return };
        assert_eq!(clock.lift_after, clock.fence_time + SignedDuration::from_secs(129_900));
        let rollback = account.release(&Request::default()).unwrap();
        let fences: Vec<Resource> = account
            .state()
            .held()
            .filter(|(resource, held)| account.state().role(resource, held).is_fence())
            .map(|(resource, _)| resource.clone())
            .collect();
        for fence in &fences {
            let kept = rollback.principals[0].kept.iter().find(|kept| kept.resource == *fence);
            let why = &kept.unwrap_or_else(|| panic!("{fence} is not kept")).why;
            assert!(why.contains(&clock.lift_after.to_string()), "{why}");
        }
        account.apply(&rollback, &Trouble::none());
        let state = account.state();
        if !fences.is_empty() {
            assert!(state.continues(), "the next containment goes on with this fence (D5)");
            assert_eq!(state.clock.as_ref(), Some(&clock));
        }
    });
}

#[test]
fn what_others_attached_before_outlives_the_release() {
    let deny_all = deny_all_arn("aws");
    property(100, &(truth(), ask()), |(mut truth, ask)| {
        if let (Observed::Read(policies), Observed::Read(quotas)) =
            (&mut truth.attached_policies, &truth.quotas)
        {
            if policies.len() == quotas.attached_policies_per_user as usize {
                policies.pop();
            }
            policies.retain(|policy| policy.arn != deny_all);
            if quotas.attached_policies_per_user == 0 {
                return;
            }
            policies.push(super::model::attached(&deny_all));
        }
        let mut account = Account::of(vec![truth]);
        let resource = Resource::AttachedPolicy(deny_all.clone());
        let plan = account.plan(&ask).unwrap();
        assert!(plan.principals[0].steps.iter().all(|step| step.resource != resource));
        account.apply(&plan, &Trouble::none());
        assert!(!account.state().resources.contains_key(&resource));
        account.tick(LONG);
        let request = Request {
            reactivate: all_credentials(&account),
            lift_fence_now: true,
            ..Request::default()
        };
        let rollback = account.release(&request).unwrap();
        assert!(rollback.principals[0].steps.iter().all(|step| step.resource != resource));
        account.apply(&rollback, &Trouble::none());
        assert_eq!(account.user().truth.value(&resource), Now::Is(Value::Attached));
    });
}

#[test]
fn a_credential_that_was_inactive_before_is_never_turned_on() {
    property(100, &(truth(), ask()), |(truth, ask)| {
        let mut account = Account::of(vec![truth]);
        let original = account.user().truth.clone();
        let plan = account.plan(&ask).unwrap();
        account.apply(&plan, &Trouble::none());
        account.tick(LONG);
        let request = Request {
            reactivate: all_credentials(&account),
            lift_fence_now: true,
            ..Request::default()
        };
        let rollback = account.release(&request).unwrap();
        for step in rollback.principals[0].steps.iter().filter(|step| rearms(step)) {
            assert_eq!(original.value(&step.resource), Now::Is(Value::Status(Status::Active)));
        }
    });
}
