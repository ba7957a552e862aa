//! The line between a client of the SDK and the sandbox, on which calls get lost.

use super::in_process::{Clock, config, given, taken};
use super::random::Random;
use super::trouble::{Fate, Trouble, about, cut, is_listing, throttling};
use super::{Credentials, Request, Response, Sandbox, page};
use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_smithy_async::rt::sleep::{AsyncSleep, SharedAsyncSleep, Sleep};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use jiff::{SignedDuration, Timestamp};
use std::fmt;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// How long the SDK waits before it tries again, at most, in milliseconds.
const BACK_OFF: u64 = 1_000;

/// A line to a sandbox in this process. Clones share everything.
///
/// Whatever happens on it follows from the seed and the order of the calls. What takes time (a
/// call's way, an answer that does not come, the SDK's back-off) is waited for by tokio's clock: a
/// simulation pauses that, and it costs nothing.
#[derive(Clone)]
pub struct Line(Arc<Shared>);

struct Shared {
    sandbox: Sandbox,
    seed: u64,
    state: Mutex<State>,
    stopped: Notify,
}

#[derive(Default)]
struct State {
    trouble: Trouble,
    between: Option<Between>,
    stop_at: Option<(u64, Moment)>,
    stopped: bool,
    ahead: SignedDuration,
    clients: u64,
    log: Vec<Carried>,
}

type Between = Arc<dyn Fn(u64) + Send + Sync>;

/// On which side of a call's effect something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Before it is made.
    Before,
    /// After it was made, before the answer is there.
    After,
}

/// A call and what happened to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// Its number, from 1, in the order in which the client sent them.
    pub number: u64,
    /// When it was sent, by the sandbox's clock.
    pub at: Timestamp,
    /// The action and what it is about.
    pub about: String,
    /// What happened to it.
    pub fate: Fate,
    /// The status of the sandbox's own answer, where the call was made.
    pub status: Option<u16>,
}

impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, at, about, fate, status } = self;
        write!(f, "{number:>5} {at} {about}: {fate}")?;
        status.map_or(Ok(()), |status| write!(f, " ({status})"))
    }
}

impl Line {
    /// A line on which nothing goes wrong yet.
    #[must_use]
    pub fn new(sandbox: &Sandbox, seed: u64) -> Self {
        let state = Mutex::new(State::default());
        let (sandbox, stopped) = (sandbox.clone(), Notify::new());
        Self(Arc::new(Shared { sandbox, seed, state, stopped }))
    }

    /// What goes wrong from now on.
    pub fn set_trouble(&self, trouble: Trouble) {
        self.state().trouble = trouble;
    }

    /// What happens before each call is made: it is given the call's number.
    pub fn between(&self, act: impl Fn(u64) + Send + Sync + 'static) {
        self.state().between = Some(Arc::new(act));
    }

    /// By how much the clock is wrong by which later clients sign.
    pub fn set_clock_ahead(&self, ahead: SignedDuration) {
        self.state().ahead = ahead;
    }

    /// Stops the world at a call, as a crash does: neither it nor any later call is ever answered,
    /// and none but it is made. Whoever waits for [`Self::stopped`] can then drop what was running.
    pub fn stop_at(&self, call: u64, moment: Moment) {
        self.state().stop_at = Some((call, moment));
    }

    /// Waits until the world has stopped.
    pub async fn stopped(&self) {
        loop {
            // Made before the question, so that no notice is missed.
            let notice = self.0.stopped.notified();
            if self.has_stopped() {
                return;
            }
            notice.await;
        }
    }

    /// Whether the world has stopped.
    #[must_use]
    pub fn has_stopped(&self) -> bool {
        self.state().stopped
    }

    /// Lets the world go on, for the next process. What was stopped stays so.
    pub fn go_on(&self) {
        let mut state = self.state();
        (state.stopped, state.stop_at) = (false, None);
    }

    /// How many calls were sent.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.state().log.len() as u64
    }

    /// What was done to which call, in the order in which they were sent.
    #[must_use]
    pub fn log(&self) -> Vec<Carried> {
        self.state().log.clone()
    }

    /// What was done to one call, by its number.
    #[must_use]
    pub fn carried(&self, number: u64) -> Option<Carried> {
        let place = usize::try_from(number.checked_sub(1)?).ok()?;
        self.state().log.get(place).cloned()
    }

    /// A configuration of the SDK whose every request goes over this line.
    #[must_use]
    pub fn sdk_config(&self, credentials: &Credentials) -> SdkConfig {
        let (ahead, client) = {
            let mut state = self.state();
            state.clients += 1;
            (state.ahead, state.clients)
        };
        let clock = Clock::of(&self.0.sandbox, ahead);
        let pause = Pause(Mutex::new(Random::at(self.0.seed, "back-off", client)));
        // The SDK draws the jitter of its back-off from the process's own randomness. A longest
        // back-off of zero leaves nothing of it, and `Pause` waits for a time of the seed instead.
        let retries = RetryConfig::standard().with_max_attempts(3).with_max_backoff(Duration::ZERO);
        config(self.clone(), clock, credentials)
            .into_builder()
            .retry_config(retries)
            .sleep_impl(SharedAsyncSleep::new(pause))
            .build()
    }

    async fn carry(&self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let mut request = taken(&request)?;
        let sent = self.send(&request);
        wait(sent.latency).await;
        if self.has_stopped() {
            return self.never(sent.number, Fate::StoppedBefore).await;
        }
        // Not under the lock: what happens in between may look at this line.
        let between = self.state().between.clone();
        if let Some(act) = between {
            act(sent.number);
        }
        if sent.stop == Some(Moment::Before) {
            self.stop();
            return self.never(sent.number, Fate::StoppedBefore).await;
        }
        if let Fate::ShortPage(items) = sent.fate {
            request.headers.push((page::SHORT.to_owned(), items.to_string()));
        }
        let answer = sent.fate.is_made().then(|| self.make(&request, sent.number));
        if sent.stop == Some(Moment::After) {
            self.stop();
            // What a fate spared the service is not done by stopping either.
            let fate = if answer.is_some() { Fate::StoppedAfter } else { Fate::StoppedBefore };
            return self.never(sent.number, fate).await;
        }
        self.hand_over(sent.fate, answer, sent.patience).await
    }

    /// What the client gets to see.
    async fn hand_over(
        &self,
        fate: Fate,
        answer: Option<Response>,
        patience: Duration,
    ) -> Result<HttpResponse, ConnectorError> {
        let now = self.0.sandbox.now();
        match (fate, answer) {
            (Fate::Throttled, _) => given(throttling(now)),
            (Fate::Refused, _) => {
                Err(ConnectorError::io(std::io::Error::from(ErrorKind::ConnectionRefused).into()))
            }
            (Fate::FailedBefore(page) | Fate::FailedAfter(page), _) => given(page.response(now)),
            (Fate::Cut(kept), Some(answer)) => given(cut(answer, kept)),
            (Fate::Passed | Fate::ShortPage(_), Some(answer)) => given(answer),
            _ => {
                wait(patience).await;
                Err(ConnectorError::timeout("no answer came in time".into()))
            }
        }
    }

    fn send(&self, request: &Request) -> Sent {
        let at = self.0.sandbox.now();
        let mut state = self.state();
        let number = state.log.len() as u64 + 1;
        let trouble = state.trouble;
        let fate = match trouble.fate(self.0.seed, number, at) {
            Fate::ShortPage(_) if !is_listing(request) => Fate::Passed,
            fate => fate,
        };
        state.log.push(Carried { number, at, about: about(request), fate, status: None });
        let stop = state.stop_at.filter(|(call, _)| *call == number).map(|(_, moment)| moment);
        let most = u64::try_from(trouble.latency.as_millis()).unwrap_or(0);
        let latency = Random::at(self.0.seed, "latency", number).below(most.saturating_add(1));
        Sent {
            number,
            fate,
            stop,
            latency: Duration::from_millis(latency),
            patience: trouble.patience,
        }
    }

    fn make(&self, request: &Request, number: u64) -> Response {
        let answer = self.0.sandbox.answer(request);
        self.note(number, |carried| carried.status = Some(answer.status));
        answer
    }

    fn stop(&self) {
        self.state().stopped = true;
        self.0.stopped.notify_waiters();
    }

    async fn never(&self, number: u64, fate: Fate) -> Result<HttpResponse, ConnectorError> {
        self.note(number, |carried| carried.fate = fate);
        std::future::pending().await
    }

    fn note(&self, number: u64, note: impl FnOnce(&mut Carried)) {
        let place = usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX);
        if let Some(carried) = self.state().log.get_mut(place) {
            note(carried);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Sent {
    number: u64,
    fate: Fate,
    stop: Option<Moment>,
    latency: Duration,
    patience: Duration,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a line to the sandbox")
    }
}

impl HttpConnector for Line {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let line = self.clone();
        HttpConnectorFuture::new(async move { line.carry(request).await })
    }
}

/// Waits in place of the SDK: for nothing, which is how its back-offs arrive here, it waits for a
/// time drawn from the seed; for anything else, such as a time limit, as long as it says.
#[derive(Debug)]
struct Pause(Mutex<Random>);

impl AsyncSleep for Pause {
    fn sleep(&self, duration: Duration) -> Sleep {
        let duration = if duration.is_zero() {
            let mut random = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Duration::from_millis(random.below(BACK_OFF))
        } else {
            duration
        };
        Sleep::new(tokio::time::sleep(duration))
    }
}

/// Waits, if there is anything to wait for: outside a runtime nothing else can.
async fn wait(duration: Duration) {
    if !duration.is_zero() {
        tokio::time::sleep(duration).await;
    }
}
