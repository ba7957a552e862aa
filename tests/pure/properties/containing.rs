//! What holds of every plan that contains, and of planning on somebody who is contained already.

use super::model::{Account, Ask, Trouble, fenced_until, held_down, hide, simulate};
use super::property;
use super::strategies::{ask, built_in, exposure, hidden, named_truth, posture, truth};
use ringfence::plan::{Kind, Plan, Step};
use ringfence::policy::{deny_all_arn, hold, is_aws_quarantine};
use ringfence::posture::{BUILT_IN, Sessions};
use ringfence::resource::{Resource, Value};
use ringfence::snapshot::{Now, Snapshot, Status};
use ringfence::standing::{fence_stands, judge};
use ringfence::state::State;
use ringfence::view::Standing;
use std::collections::{BTreeMap, BTreeSet};

/// Where a step of a containment comes in F31's order.
fn rank(step: &Step, lineage_policy: impl Fn(&str) -> bool) -> u32 {
    let deny_all = deny_all_arn("aws");
    match (&step.resource, &step.after) {
        (_, Some(Value::Document(document))) if *document == hold() => 1,
        (Resource::AttachedPolicy(arn), _) if *arn == deny_all => 1,
        (_, Some(Value::PolicyArn(arn))) if *arn == deny_all => 1,
        (Resource::AccessKey(_), _) => 2,
        (Resource::ManagedPolicy(_), _) => 4,
        (Resource::InlinePolicy(_) | Resource::AttachedPolicy(_), _) => 5,
        (_, Some(Value::PolicyArn(arn))) if lineage_policy(arn) => 5,
        _ => 3,
    }
}

/// What must hold of a plan by itself.
pub(super) fn sound(plan: &Plan) {
    let bytes = plan.bytes();
    let parsed = Plan::parse(&bytes, "plan.json").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(parsed, *plan);
    assert_eq!(parsed.bytes(), bytes);
    let ids: BTreeSet<u32> = plan.steps().iter().map(|(_, step)| step.id).collect();
    assert_eq!(ids.len(), plan.steps().len(), "step ids are unique");
    for principal in &plan.principals {
        let mut seen = BTreeSet::new();
        for step in &principal.steps {
            assert!(seen.insert(&step.resource), "two steps on {}", step.resource);
            assert!(step.call(principal.kind).is_some(), "no call: {step:?}");
            let deleted_password = step.resource == Resource::LoginProfile && step.after.is_none();
            assert_eq!(step.reversible, !deleted_password, "{step:?}");
            assert_ne!(step.before, step.after, "it changes nothing: {step:?}");
            if let Some(Value::Document(document)) = &step.after {
                // F4: it would also cut long-term keys.
                assert!(!document.minified().to_lowercase().contains("ifexists"), "{document}");
            }
            if let Resource::AttachedPolicy(arn) = &step.resource {
                assert!(!is_aws_quarantine(arn), "AWS's own policy is touched (D2.9)");
            }
        }
    }
    if plan.kind == Kind::Contain {
        in_order(plan);
    }
}

/// Hold before access keys before the rest before the fence, for all principals together (D3, F31).
fn in_order(plan: &Plan) {
    let mut waves: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    for (principal, step) in plan.steps() {
        let ours = |arn: &str| {
            arn.ends_with(principal.lineage.fence_name().as_str())
                || arn.contains(&format!("{}-", principal.lineage.fence_name()))
        };
        waves.entry(rank(step, ours)).or_default().insert(step.wave);
    }
    let flat: Vec<u32> = waves.values().flatten().copied().collect();
    let counted: Vec<u32> = (1..).take(flat.len()).collect();
    assert_eq!(flat, counted, "ranks and waves: {waves:?}");
}

/// What must hold of a containment that met no trouble.
fn contains(account: &Account, who: usize, ask: &Ask) {
    let user = &account.users[who];
    let (state, truth) = (user.state.as_ref().unwrap(), &user.truth);
    for (resource, held) in &state.resources {
        assert_eq!(user.firsts.get(resource), Some(&held.baseline), "baseline of {resource}");
    }
    claims_no_more_than_is(state, truth, &user.last_active);
    // The fence lies after the moment the last key in reach stopped working (F8).
    if ask.posture.sessions == Sessions::Fence && !held_down(truth) && fence_stands(state, truth) {
        let until = fenced_until(truth).expect("a fence that stands");
        for item in &state.compromised {
            if let Resource::AccessKey(id) = &item.resource
                && truth.value(&item.resource) == Now::Is(Value::Status(Status::Inactive))
                && let Some(last) = user.last_active.get(id)
            {
                assert!(until > *last, "{id} minted until {last}, the fence is at {until}");
            }
        }
    }
}

/// D2.13: `contained` is said only when nothing suspect can act, by what really is.
pub(super) fn claims_no_more_than_is(
    state: &State,
    truth: &Snapshot,
    last_active: &BTreeMap<ringfence::identity::AccessKeyId, jiff::Timestamp>,
) {
    if judge(state, truth).standing != Standing::Contained || held_down(truth) {
        return;
    }
    for live in ringfence::standing::live_credentials(truth) {
        assert!(!state.is_compromised(&live), "contained, and {live} is compromised and live");
        let made = ringfence::drift::created_at(&live, truth);
        let young = matches!((made, state.since), (Some(made), Some(since)) if made >= since);
        assert!(!young, "contained, and {live} is younger than the exposure and live");
    }
    let until = fenced_until(truth);
    for item in &state.compromised {
        if let Resource::AccessKey(id) = &item.resource
            && let Some(last) = last_active.get(id)
        {
            assert!(
                until.is_some_and(|until| until > *last),
                "contained, and {id} minted until {last}: {until:?}"
            );
        }
    }
}

#[test]
fn planning_on_a_contained_user_is_empty() {
    property(200, &(truth(), ask()), |(truth, ask)| {
        let mut account = Account::of(vec![truth]);
        let plan = account.plan(&ask).unwrap();
        sound(&plan);
        let ran = account.apply(&plan, &Trouble::none());
        assert_eq!(ran.complete, plan.principals[0].blocked.is_empty());
        contains(&account, 0, &ask);
        account.tick(600);
        let again = account.plan(&ask).unwrap();
        assert!(again.is_empty(), "{:#?}", again.principals[0].steps);
        // D5: nor does `--again`, which names no key.
        let recorded =
            Ask { named: Vec::new(), posture: account.state().posture.clone(), since: None };
        let again = account.plan(&recorded).unwrap();
        assert!(again.is_empty(), "{:#?}", again.principals[0].steps);
        // It may be blocked; it must not be blocked by what ringfence itself has put there.
        if plan.principals[0].blocked.is_empty() {
            assert_eq!(again.principals[0].blocked, []);
        }
    });
}

#[test]
fn a_plan_does_to_the_user_what_the_posture_says() {
    property(150, &(truth(), ask()), |(truth, ask)| {
        let mut account = Account::of(vec![truth]);
        let plan = account.plan(&ask).unwrap();
        let one = &plan.principals[0];
        let after = simulate(&account.user().truth, &one.steps, account.now);
        let blocked = |what: &str| one.blocked.iter().any(|item| item.what == what);
        if ask.posture.permissions != ringfence::posture::Permissions::Keep {
            assert!(held_down(&after) || blocked("hold"), "neither held nor blocked");
        }
        if ask.posture.sessions == Sessions::Fence {
            let ours = account.now;
            let stands = fenced_until(&after) == Some(ours);
            assert!(stands || held_down(&after) || blocked("fence"), "neither fenced nor blocked");
        }
        for key in after.access_keys.items().iter().filter(|key| key.status == Status::Active) {
            use ringfence::posture::AccessKeys as K;
            let resource = Resource::AccessKey(key.id.clone());
            let compromised = one.compromised.iter().any(|item| item.resource == resource);
            let allowed = match ask.posture.access_keys {
                K::Keep => true,
                K::Named => !compromised,
                K::All => false,
            };
            assert!(allowed, "{resource} stays Active");
            let said = one.left_live.iter().any(|live| live.resource.as_ref() == Some(&resource));
            assert!(said || held_down(&after), "{resource} stays Active and nothing says so");
        }
        // Everything else of the snapshot is as it was.
        for (resource, value) in everything(&account.user().truth) {
            if one.steps.iter().all(|step| step.resource != resource) {
                assert_eq!(after.value(&resource), Now::Is(value), "{resource}");
            }
        }
    });
}

/// Every resource of a snapshot and its value.
pub(super) fn everything(truth: &Snapshot) -> Vec<(Resource, Value)> {
    let mut all = Vec::new();
    all.extend(truth.access_keys.items().iter().map(|key| Resource::AccessKey(key.id.clone())));
    all.extend(truth.ssh_keys.items().iter().map(|key| Resource::SshKey(key.id.clone())));
    all.extend(
        truth
            .signing_certificates
            .items()
            .iter()
            .map(|c| Resource::SigningCertificate(c.id.clone())),
    );
    all.extend(
        truth.service_credentials.items().iter().map(|c| Resource::ServiceCredential(c.id.clone())),
    );
    all.extend(truth.groups.items().iter().map(|group| Resource::Group(group.name.clone())));
    all.extend(
        truth.attached_policies.items().iter().map(|p| Resource::AttachedPolicy(p.arn.clone())),
    );
    all.extend(
        truth.inline_policies.items().iter().map(|p| Resource::InlinePolicy(p.name.clone())),
    );
    all.extend(truth.managed_policies.iter().map(|p| Resource::ManagedPolicy(p.arn.clone())));
    all.extend([Resource::LoginProfile, Resource::PermissionsBoundary]);
    all.into_iter()
        .filter_map(|resource| match truth.value(&resource) {
            Now::Is(value) => Some((resource, value)),
            _ => None,
        })
        .collect()
}

#[test]
fn a_laxer_posture_plans_nothing_and_says_so() {
    property(150, &(truth(), ask(), posture()), |(truth, ask, laxer)| {
        if !ask.posture.covers(&laxer) || laxer.covers(&ask.posture) {
            return;
        }
        let mut account = Account::of(vec![truth]);
        let plan = account.plan(&ask).unwrap();
        account.apply(&plan, &Trouble::none());
        let plan = account.plan(&Ask { posture: laxer, named: Vec::new(), ..ask }).unwrap();
        assert!(plan.is_empty(), "{:#?}", plan.principals[0].steps);
        let warned =
            plan.principals[0].warnings.iter().any(|text| text.contains("nothing is loosened"));
        assert!(warned, "{:?}", plan.principals[0].warnings);
    });
}

#[test]
fn nothing_that_was_off_or_others_attached_is_claimed() {
    property(150, &(truth(), ask()), |(truth, ask)| {
        let mut account = Account::of(vec![truth]);
        let before = account.user().truth.clone();
        let plan = account.plan(&ask).unwrap();
        for step in &plan.principals[0].steps {
            if step.resource.is_credential() && step.resource != Resource::LoginProfile {
                // D2.9
                assert_eq!(
                    before.value(&step.resource),
                    Now::Is(Value::Status(Status::Active)),
                    "{step:?}"
                );
            }
            if matches!(step.resource, Resource::AttachedPolicy(_) | Resource::InlinePolicy(_)) {
                assert_eq!(before.value(&step.resource), Now::Absent, "{step:?}");
            }
        }
        account.apply(&plan, &Trouble::none());
        for resource in account.state().resources.keys() {
            assert!(plan.principals[0].steps.iter().any(|step| step.resource == *resource));
        }
    });
}

#[test]
fn what_cannot_be_read_is_acted_on_and_never_panics() {
    property(150, &(truth(), hidden(), ask()), |(truth, hidden, ask)| {
        let mut account = Account::of(vec![truth]);
        account.users[0].hidden = hidden.iter().copied().collect();
        let keys_unread = hidden.contains(&super::model::Section::AccessKeys);
        let plan = match account.plan(&ask) {
            Ok(plan) => plan,
            Err(error) => {
                // D2.12: without a key to name, nothing could be said to be contained.
                assert!(keys_unread && ask.named.is_empty(), "{error}");
                return;
            }
        };
        sound(&plan);
        let said = &plan.principals[0].unread;
        let mut all_hidden = account.user().truth.clone();
        hidden.iter().for_each(|section| hide(&mut all_hidden, *section));
        assert_eq!(*said, all_hidden.unread());
        let trouble = Trouble { strict: false, ..Trouble::none() };
        account.apply(&plan, &trouble);
        let user = account.user();
        let (state, truth) = (account.state(), &user.truth);
        for (resource, was) in &user.firsts {
            let held =
                state.resources.get(resource).unwrap_or_else(|| panic!("{resource} is lost"));
            if before_was_read(&plan, resource) {
                assert_eq!(held.baseline, *was);
            }
        }
        let judged = judge(state, &account.now_of_first());
        if judged.standing == Standing::Contained {
            claims_no_more_than_is(state, truth, &user.last_active);
        }
        sound(&account.plan(&ask).unwrap());
    });
}

fn before_was_read(plan: &Plan, resource: &Resource) -> bool {
    plan.principals[0].snapshot.value(resource) != Now::Unknown
}

#[test]
fn several_principals_share_the_waves_and_keep_their_own_records() {
    let two = (
        named_truth("deploy-bot", "AIDAEXAMPLE1", 0),
        named_truth("build-bot", "AIDAEXAMPLE2", 4),
        named_truth("no-keys", "AIDAEXAMPLE3", 8),
    );
    property(150, &(two, ask()), |((one, two, three), ask)| {
        let mut account = Account::of(vec![one, two, three]);
        let plan = account.plan(&ask).unwrap();
        sound(&plan);
        assert_eq!(plan.principals.len(), 3);
        let lineages: BTreeSet<_> =
            plan.principals.iter().map(|one| one.lineage.as_str()).collect();
        assert_eq!(lineages.len(), 3);
        // Worst first (D3): the compromised key used last stands in the first principal.
        let last_use = |plan: &ringfence::plan::PrincipalPlan| {
            let keys = plan.snapshot.access_keys.items().iter();
            keys.filter(|key| {
                let resource = Resource::AccessKey(key.id.clone());
                plan.compromised.iter().any(|item| item.resource == resource)
            })
            .filter_map(|key| key.last_used.read()?.as_ref().map(|used| used.at))
            .max()
        };
        let order: Vec<_> = plan.principals.iter().map(last_use).collect();
        assert!(order.is_sorted_by(|a, b| a >= b), "{order:?}");
        account.apply(&plan, &Trouble::none());
        for who in 0..3 {
            contains(&account, who, &ask);
        }
        let again = account.plan(&ask).unwrap();
        assert!(again.is_empty(), "{:#?}", again.steps());
    });
}

#[test]
fn every_built_in_posture_covers_those_before_it() {
    // The order of D3's table is what `rollback --to` and the laxer-posture rule rest on.
    for (n, name) in BUILT_IN.iter().enumerate() {
        for (m, other) in BUILT_IN.iter().enumerate() {
            assert_eq!(built_in(name).covers(&built_in(other)), n >= m, "{name} over {other}");
        }
    }
}

#[test]
fn tightening_covers_both_and_changes_nothing_twice() {
    property(150, &(posture(), posture()), |(one, two)| {
        let both = one.tightened(&two);
        assert_eq!(both.tightened(&one).tightened(&two).tightened(&both), both.tightened(&both));
        if one.covers(&two) {
            assert_eq!(both.access_keys, one.access_keys);
            assert_eq!(both.sessions, one.sessions);
            assert_eq!(both.permissions, one.permissions);
        }
    });
}

#[test]
fn an_exposure_pulls_younger_credentials_in_under_every_posture() {
    property(100, &(truth(), posture()), |(truth, posture)| {
        let mut account = Account::of(vec![truth]);
        let ask = Ask { posture, since: Some(exposure()), named: Vec::new() };
        let plan = account.plan(&ask).unwrap();
        let one = &plan.principals[0];
        let after = simulate(&account.user().truth, &one.steps, account.now);
        let keeps_keys = ask.posture.access_keys == ringfence::posture::AccessKeys::Keep;
        for live in ringfence::standing::live_credentials(&after) {
            let made = ringfence::drift::created_at(&live, &after);
            let young = made.is_some_and(|made| made >= exposure());
            let excused = matches!(live, Resource::AccessKey(_)) && keeps_keys
                || live == Resource::LoginProfile;
            assert!(!young || excused, "{live} is younger than the exposure and stays live");
        }
    });
}
