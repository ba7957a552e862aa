//! The clock and the randomness of this machine, handed in so that tests can hand in their own.

use jiff::Timestamp;
use std::sync::Arc;

/// Where local time and random bytes come from. AWS's time comes from its own replies (F8).
#[derive(Clone)]
pub struct Context {
    now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    random: Arc<dyn Fn() -> Option<[u8; 16]> + Send + Sync>,
}

impl Context {
    /// The machine's own clock and randomness.
    #[must_use]
    pub fn system() -> Self {
        Self {
            #[allow(
                clippy::disallowed_methods,
                reason = "this is the one place that reads the clock"
            )]
            now: Arc::new(|| crate::text::whole_seconds(Timestamp::now())),
            random: Arc::new(|| {
                let mut bytes = [0; 16];
                getrandom::fill(&mut bytes).ok().map(|()| bytes)
            }),
        }
    }

    /// A clock and randomness of one's own, for tests.
    #[must_use]
    pub fn new(
        now: impl Fn() -> Timestamp + Send + Sync + 'static,
        random: impl Fn() -> [u8; 16] + Send + Sync + 'static,
    ) -> Self {
        Self { now: Arc::new(now), random: Arc::new(move || Some(random())) }
    }

    /// The same randomness with another clock, for a rehearsal whose time is moved.
    #[must_use]
    pub fn with_clock(&self, now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self { now: Arc::new(now), random: self.random.clone() }
    }

    /// The local time, in whole seconds. It stands in journals only; decisions use the service's.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.now)()
    }

    /// A new lineage.
    ///
    /// # Errors
    /// If the machine gives no random bytes.
    pub fn lineage(&self) -> crate::error::Result<crate::lineage::Lineage> {
        (self.random)().map(crate::lineage::Lineage::new).ok_or_else(|| {
            crate::error::Error::failed("the operating system gives no random bytes")
        })
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}
