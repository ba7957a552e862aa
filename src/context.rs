//! The clock and the randomness of this machine, handed in so that tests can hand in their own.

use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// Where local time and random bytes come from. AWS's time comes from its own replies (F8).
#[derive(Clone)]
pub struct Context {
    now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    random: Arc<dyn Fn() -> Option<[u8; 16]> + Send + Sync>,
    /// Moves a clock that is not the machine's ahead; `None` where waiting takes real time.
    skip: Option<Arc<dyn Fn(Duration) + Send + Sync>>,
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
            skip: None,
        }
    }

    /// A clock and randomness of one's own, for tests.
    #[must_use]
    pub fn new(
        now: impl Fn() -> Timestamp + Send + Sync + 'static,
        random: impl Fn() -> [u8; 16] + Send + Sync + 'static,
    ) -> Self {
        Self { now: Arc::new(now), random: Arc::new(move || Some(random())), skip: None }
    }

    /// The same randomness with another clock, for a rehearsal: waiting moves that clock and takes no time.
    #[must_use]
    pub fn with_clock(
        &self,
        now: impl Fn() -> Timestamp + Send + Sync + 'static,
        skip: impl Fn(Duration) + Send + Sync + 'static,
    ) -> Self {
        Self { now: Arc::new(now), random: self.random.clone(), skip: Some(Arc::new(skip)) }
    }

    /// Waits.
    pub async fn sleep(&self, duration: Duration) {
        match &self.skip {
            Some(skip) => skip(duration),
            None => tokio::time::sleep(duration).await,
        }
    }

    /// A random part of a duration, so that those who wait for the same thing do not come back together.
    #[must_use]
    pub fn jittered(&self, duration: Duration) -> Duration {
        let [byte, ..] = (self.random)().unwrap_or([u8::MAX; 16]);
        duration.mul_f64(0.5 + f64::from(byte) / 510.0)
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    const PAUSE: Duration = Duration::from_secs(2);

    /// D2.5: what a run waits for is drawn from the randomness that it was given.
    #[test]
    fn jitter_comes_from_the_randomness_that_was_handed_in() {
        let drawn = |byte: u8| Context::new(|| Timestamp::UNIX_EPOCH, move || [byte; 16]);
        assert_eq!(drawn(0).jittered(PAUSE), PAUSE / 2);
        assert_eq!(drawn(255).jittered(PAUSE), PAUSE);
        assert_eq!(drawn(51).jittered(PAUSE), drawn(51).jittered(PAUSE));
        assert!(drawn(51).jittered(PAUSE) < drawn(52).jittered(PAUSE));
    }

    /// D2.5: where the clock is not the machine's, waiting moves it and takes no time.
    #[tokio::test(start_paused = true)]
    async fn waiting_goes_by_the_clock_that_was_handed_in() {
        let moved = Arc::new(AtomicU64::new(0));
        let hand = Arc::clone(&moved);
        let context = Context::system().with_clock(
            || Timestamp::UNIX_EPOCH,
            move |by| {
                hand.fetch_add(by.as_secs(), Ordering::SeqCst);
            },
        );
        context.sleep(Duration::from_secs(3600)).await;
        assert_eq!(moved.load(Ordering::SeqCst), 3600);
    }
}
