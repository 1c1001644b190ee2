//! The calls of one connection, and where it stands between them.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::Duration,
};

use hyper::Version;
use metrics::Gauge;
use tokio::time::Instant;

use super::{
    heads::{self, Place},
    link::Limits,
};

/// What the connection is doing.
#[derive(Debug)]
struct State {
    /// Calls whose answer is not sent yet.
    in_flight: usize,
    /// HTTP/2 has its own pings; its bytes between calls are no beginning of a head.
    multiplexed: bool,
    /// When the head that is coming in began.
    head_since: Option<Instant>,
    /// Since when nothing was to do.
    idle_since: Instant,
    /// Since when the other side takes nothing of our answer.
    stalled_since: Option<Instant>,
    /// Calls that wait for more of their body, and since when the last of them does: for any more, and for something worth it.
    bodies: usize,
    body_since: Option<Instant>,
    worth_since: Option<Instant>,
    /// Whoever reads without a deadline because a call is in flight; woken when it ends.
    reader: Option<Waker>,
    place: Place,
    /// The number of the head that came last, if it is kept.
    head: Option<u64>,
}

impl State {
    /// Since when it is the other side alone that keeps the connection, where its bodies do so since `bodies`.
    fn waiting_since(&self, bodies: Option<Instant>) -> Option<Instant> {
        match self.stalled_since {
            Some(since) => Some(since),
            None if self.in_flight == 0 => Some(self.head_since.unwrap_or(self.idle_since)),
            None if self.bodies >= self.in_flight => bodies,
            None => None,
        }
    }
}

/// The calls of one connection, counted.
#[derive(Clone)]
pub(in crate::api) struct Calls {
    state: Arc<Mutex<State>>,
    /// The calls in flight of all connections.
    gauge: Gauge,
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Calls {
    /// None yet; `gauge` counts the calls in flight.
    pub(super) fn new(gauge: Gauge) -> Self {
        let now = Instant::now();
        let state = State {
            in_flight: 0,
            multiplexed: false,
            head_since: Some(now),
            idle_since: now,
            stalled_since: None,
            bodies: 0,
            body_since: None,
            worth_since: None,
            reader: None,
            place: Place::Before(0),
            head: None,
        };
        Self { state: Arc::new(Mutex::new(state)), gauge }
    }

    /// Since when it is the other side alone that keeps this connection; `None` while there is something to do for it.
    pub(super) fn waiting_since(&self) -> Option<Instant> {
        let state = self.state();
        state.waiting_since(state.body_since)
    }

    /// The same, but single bytes of a body count for nothing.
    pub(super) fn worth_nothing_since(&self) -> Option<Instant> {
        let state = self.state();
        state.waiting_since(state.worth_since)
    }

    /// A call of this connection waits for more of its body, until the answer is dropped; before it was waited for as long as
    /// `spent`, and what came was not worth it.
    pub(in crate::api) fn await_body(&self, spent: Duration) -> Awaited {
        let now = Instant::now();
        let mut state = self.state();
        let worth_since = now.checked_sub(spent);
        state.worth_since = if state.bodies == 0 { worth_since } else { state.worth_since.max(worth_since) };
        state.bodies += 1;
        state.body_since = Some(now);
        drop(state);
        Awaited(self.clone())
    }

    /// The first head begins now.
    pub(super) fn connect(&self) -> Instant {
        let now = Instant::now();
        self.state().head_since = Some(now);
        now
    }

    /// Until when something has to come; `None` while a call is in flight, whose end wakes `waker`.
    pub(super) fn read_deadline(&self, limits: &Limits, waker: &Waker) -> Option<Instant> {
        let mut state = self.state();
        match state.head_since {
            _ if state.in_flight > 0 => {
                state.reader = Some(waker.clone());
                None
            }
            Some(since) => Some(since + limits.header),
            None => Some(state.idle_since + limits.idle),
        }
    }

    /// `bytes` came and are passed on; with `keeps` a whole head is kept for [`with_head`](Self::with_head).
    pub(super) fn passed(&self, bytes: &[u8], keeps: bool) {
        let mut state = self.state();
        if state.in_flight == 0 && !state.multiplexed && state.head_since.is_none() {
            state.head_since = Some(Instant::now());
        }
        let begins = state.place == Place::Before(0);
        state.place.passed(bytes);
        let whole = begins && state.place == Place::Behind(0);
        state.head = if whole && keeps { heads::keep(bytes) } else { None };
    }

    /// Since when there is nothing to do, where there is not.
    pub(super) fn idle_since(&self) -> Instant {
        self.state().idle_since
    }

    /// Whether what comes now begins a message, and all calls before it were answered.
    pub(super) fn is_between(&self) -> bool {
        let state = self.state();
        state.in_flight == 0 && state.place == Place::Before(0)
    }

    /// A call came and was answered, without anybody else knowing of it.
    pub(super) fn answered(&self) {
        let mut state = self.state();
        state.head_since = None;
        state.idle_since = Instant::now();
    }

    /// The other side takes nothing of our answer, or takes it again.
    pub(super) fn stalls(&self, since: Option<Instant>) {
        self.state().stalled_since = since;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `read` makes of the head of the call that began last, as long as this thread keeps it.
    pub(in crate::api) fn with_head<R>(&self, read: impl FnOnce(&[u8]) -> R) -> Option<R> {
        let number = self.state().head?;
        heads::with(number, read)
    }

    /// A call begins: its head is complete, and its body has so many bytes, if that is known.
    pub(super) fn begin(&self, version: Version, body: Option<u64>) -> Call {
        let mut state = self.state();
        state.head_since = None;
        state.multiplexed = version == Version::HTTP_2;
        state.place.called(body);
        drop(state);
        self.enter()
    }

    /// A call is in flight until what is given back is dropped.
    pub(super) fn enter(&self) -> Call {
        self.state().in_flight += 1;
        self.gauge.increment(1.0);
        Call(self.clone())
    }
}

/// A call in flight; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Call(Calls);

impl Drop for Call {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.in_flight = state.in_flight.saturating_sub(1);
        state.idle_since = Instant::now();
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
        self.0.gauge.decrement(1.0);
    }
}

/// More of a body, waited for while this lives.
#[derive(Debug)]
pub(in crate::api) struct Awaited(Calls);

impl Drop for Awaited {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.bodies = state.bodies.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_waits_for_the_other_side_unless_a_call_has_all_it_needs() {
        let calls = Calls::new(Gauge::noop());
        let first = calls.waiting_since();
        assert!(first.is_some());
        let call = calls.begin(Version::HTTP_11, Some(0));
        assert_eq!(calls.waiting_since(), None);
        let awaited = calls.await_body(Duration::ZERO);
        assert!(calls.waiting_since() >= first);
        assert_eq!(calls.worth_nothing_since(), calls.waiting_since());
        drop(awaited);
        let awaited = calls.await_body(Duration::from_millis(3));
        assert_eq!(calls.worth_nothing_since().map(|since| since + Duration::from_millis(3)), calls.waiting_since());
        drop(awaited);
        assert_eq!(calls.waiting_since(), None);
        drop(call);
        assert!(calls.waiting_since() >= first);
    }
}
