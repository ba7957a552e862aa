//! How long a change waits until it counts (F29).

use super::random::Random;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

/// A delay of its own for every change, drawn from a seed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lag {
    random: Random,
    most: SignedDuration,
}

impl Lag {
    /// Delays from nothing up to `most`, to the millisecond.
    #[must_use]
    pub fn up_to(most: SignedDuration, seed: u64) -> Self {
        Self { random: Random::of(seed, "lag"), most }
    }

    /// The delay of the next change.
    pub(super) fn draw(&mut self) -> SignedDuration {
        let most = u64::try_from(self.most.as_millis()).unwrap_or(0);
        let drawn = self.random.below(most.saturating_add(1));
        SignedDuration::from_millis(i64::try_from(drawn).unwrap_or(0))
    }
}
