//! States: what is read is written as it means, can be shown, judged, released and contained again.

use super::{
    Bag, NAME, calm, containing, context, in_words, plan_is_readable, plan_shows, screens,
    state_is_readable,
};
use ringfence::planner;
use ringfence::posture::BUILT_IN;
use ringfence::release::{Request, rearms, release};
use ringfence::render::{markdown, text};
use ringfence::snapshot::Snapshot;
use ringfence::standing::{
    fence_view, judge, live_credentials, newer_credentials, remedies, stage, still_active,
};
use ringfence::state::{HeldStatus, State};

/// What holds of any bytes that are taken for a state, or for a state and what was read of its user.
pub fn law(bytes: &[u8]) {
    match State::parse(bytes, NAME) {
        Ok(state) => holds(&state),
        Err(error) => in_words(&error),
    }
    let bag = Bag::of(bytes);
    let Some(state) = bag.state else {
        for snapshot in &bag.snapshots {
            for posture in BUILT_IN {
                if let Some(plan) = containing(snapshot, None, posture) {
                    plan_shows(&plan);
                }
            }
        }
        return;
    };
    holds(&state);
    // Whoever else bears the name is refused before (F27).
    for snapshot in bag.snapshots.iter().filter(|now| *now.id() == state.principal.id) {
        against(&state, snapshot, bag.snapshots.first());
    }
}

fn holds(state: &State) {
    state_is_readable(state);
    let now = state.runs.last().map_or(jiff::Timestamp::UNIX_EPOCH, |run| run.started_at);
    for screen in screens() {
        calm(&text::state(state, screen, now));
        calm(&text::history(state, screen));
    }
    calm(&markdown::state(state));
    calm(&stage(state, now));
    for (resource, held) in state.held() {
        assert!(matches!(held.status, HeldStatus::Held | HeldStatus::InDoubt));
        assert!(
            !state.role(resource, held).is_fence() || state.role(resource, held).stops_sessions()
        );
    }
    assert!(state.continues() || state.is_released());
}

/// What is said and planned of a state when its user was read.
fn against(state: &State, now: &Snapshot, at_apply: Option<&Snapshot>) {
    let judged = judge(state, now);
    // Words of findings are shown by a page, which escapes them; commands are shown as they are.
    for command in remedies(state, &judged) {
        calm(&command);
    }
    let live = live_credentials(now);
    for resource in newer_credentials(state, now) {
        assert!(resource.is_credential());
    }
    assert!(still_active(&live, now).iter().all(|key| live.contains(key)));
    let _ = fence_view(state, Some(now));
    let _ = planner::again(state, now, &context(now.read_at));
    for posture in BUILT_IN {
        containing(now, Some(state), posture);
    }
    match release(now.clone(), state, at_apply, &Request::default(), &context(now.read_at)) {
        Ok(plan) => {
            plan_is_readable(&plan);
            plan_shows(&plan);
            for (_, step) in plan.steps() {
                // D2.7: nothing that is the attacker's acts again because nobody said anything.
                assert!(!rearms(step) || !state.is_compromised(&step.resource), "{step:?}");
                assert!(state.resources.contains_key(&step.resource), "{step:?}");
            }
        }
        Err(error) => calm(&error.to_string()),
    }
}
