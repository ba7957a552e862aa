//! Chance that repeats itself: the same seed draws the same again.

use serde::{Deserialize, Serialize};

/// What a step of SplitMix64 adds: 2^64 divided by the golden ratio.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// A stream of draws (SplitMix64): small, fast, and good enough to choose what goes wrong next.
/// Nothing secret may come from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Random {
    state: u64,
}

impl Random {
    /// A stream that is the same for the same seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A stream of its own for one purpose, so that more draws for one never shift another's.
    #[must_use]
    pub fn of(seed: u64, purpose: &str) -> Self {
        // FNV-1a spreads the text, and the mixing makes neighbouring seeds strangers.
        let text = purpose.bytes().fold(0xCBF2_9CE4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
        });
        Self { state: mixed(seed.wrapping_add(STEP)) ^ text }
    }

    /// A stream of its own for the `number`th time of one purpose.
    #[must_use]
    pub fn at(seed: u64, purpose: &str, number: u64) -> Self {
        let Self { state } = Self::of(seed, purpose);
        // Mixed on its own first, or seed and number could change places.
        Self { state: mixed(mixed(state).wrapping_add(mixed(number))) }
    }

    /// The next draw.
    pub fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(STEP);
        mixed(self.state)
    }

    /// A number below this one; 0 below 0.
    pub fn below(&mut self, end: u64) -> u64 {
        // The bias of the remainder is below one in 2^50 for what is drawn here.
        self.draw().checked_rem(end).unwrap_or(0)
    }

    /// Whether something happens that does so this many times in a thousand.
    pub fn per_mille(&mut self, often: u16) -> bool {
        self.below(1000) < u64::from(often)
    }

    /// One of them.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let place = usize::try_from(self.below(from.len() as u64)).ok()?;
        from.get(place)
    }
}

const fn mixed(state: u64) -> u64 {
    let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_draws_what_splitmix64_draws() {
        // The first values that the algorithm's own C code gives for the seed 1234567.
        let mut random = Random::new(1_234_567);
        let first = [random.draw(), random.draw(), random.draw()];
        assert_eq!(
            first,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn purposes_and_seeds_are_strangers_and_repeat_themselves() {
        let first = |seed, purpose| Random::of(seed, purpose).draw();
        assert_eq!(first(1, "lag"), first(1, "lag"));
        assert_ne!(first(1, "lag"), first(1, "trouble"));
        assert_ne!(first(1, "lag"), first(2, "lag"));
        let nth = |seed, number| Random::at(seed, "lag", number).draw();
        assert_eq!(nth(1, 2), nth(1, 2));
        assert!(nth(1, 2) != nth(2, 1) && nth(1, 2) != nth(1, 3));
        let mut random = Random::new(5);
        assert_eq!((random.below(0), random.pick::<u8>(&[])), (0, None));
        assert!((0..100).all(|_| random.below(3) < 3 && !random.per_mille(0)));
        assert!((0..100).all(|_| random.per_mille(1000)));
    }
}
