//! A connection with deadlines: for the head of a request, for silence between requests, for a stalled answer.

use std::{
    fmt, io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use hyper::Version;
use metrics::Gauge;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep},
};

#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// From the first byte of a request's head (on a new connection: from its start) to the last.
    pub(super) header: Duration,
    /// Between requests, and while the other side takes nothing of our answer.
    pub(super) idle: Duration,
}

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

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call begins: its head is complete.
    pub(super) fn begin(&self, version: Version) -> Call {
        let mut state = self.state();
        state.in_flight += 1;
        state.head_since = None;
        state.multiplexed = version == Version::HTTP_2;
        drop(state);
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

/// A byte stream that fails with [`io::ErrorKind::TimedOut`] at its deadlines.
#[derive(Debug)]
pub(super) struct Link<S> {
    stream: S,
    calls: Calls,
    limits: Limits,
    read_timer: Pin<Box<Sleep>>,
    write_timer: Option<Pin<Box<Sleep>>>,
}

impl<S> Link<S> {
    /// A connection whose first head begins now.
    pub(super) fn new(stream: S, limits: Limits, calls: Calls) -> Self {
        let now = Instant::now();
        calls.state().head_since = Some(now);
        let read_timer = Box::pin(tokio::time::sleep_until(now + limits.header));
        Self { stream, calls, limits, read_timer, write_timer: None }
    }

    fn read_deadline(&self, waker: &Waker) -> Option<Instant> {
        let mut state = self.calls.state();
        match state.head_since {
            _ if state.in_flight > 0 => {
                state.reader = Some(waker.clone());
                None
            }
            Some(since) => Some(since + self.limits.header),
            None => Some(state.idle_since + self.limits.idle),
        }
    }

    fn bytes_came(&self) {
        let mut state = self.calls.state();
        if state.in_flight == 0 && !state.multiplexed && state.head_since.is_none() {
            state.head_since = Some(Instant::now());
        }
    }

    /// Turns a pending write into an error once it has been pending for too long.
    fn stalled<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            if self.write_timer.take().is_some() {
                self.calls.state().stalled_since = None;
            }
            return polled;
        }
        if self.write_timer.is_none() {
            self.calls.state().stalled_since = Some(Instant::now());
        }
        let idle = self.limits.idle;
        let timer = self.write_timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(idle)));
        match timer.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Link<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if polled.is_ready() {
            if buf.filled().len() > before {
                self.bytes_came();
            }
            return polled;
        }
        let Some(deadline) = self.read_deadline(cx.waker()) else { return Poll::Pending };
        // A timer that is set too early only fires in vain, and is moved then: moving it with every call costs more.
        if self.read_timer.deadline() > deadline {
            self.read_timer.as_mut().reset(deadline);
        }
        while self.read_timer.as_mut().poll(cx).is_ready() {
            if Instant::now() >= deadline {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.read_timer.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Link<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.stalled(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.stalled(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.stalled(cx, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.stalled(cx, polled)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const LIMITS: Limits = Limits { header: Duration::from_millis(20), idle: Duration::from_millis(60) };

    #[tokio::test]
    async fn a_silent_connection_gets_the_header_deadline_at_first_and_the_idle_one_between_calls() {
        let (mut far, near) = duplex(64);
        far.write_all(b"head").await.unwrap();
        let calls = Calls::new(Gauge::noop());
        let mut link = Link::new(near, LIMITS, calls.clone());
        link.read_exact(&mut [0; 4]).await.unwrap();
        let started = Instant::now();
        assert_eq!(link.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);

        drop(calls.begin(Version::HTTP_11));
        assert_eq!(link.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(started.elapsed() >= LIMITS.idle);
    }

    #[tokio::test]
    async fn a_dripped_head_is_cut_off() {
        let (mut far, near) = duplex(64);
        let calls = Calls::new(Gauge::noop());
        let mut link = Link::new(near, LIMITS, calls.clone());
        drop(calls.begin(Version::HTTP_11));
        let dripping = async {
            // Never silent for as long as the idle deadline, and without an end.
            loop {
                tokio::time::sleep(Duration::from_millis(5)).await;
                far.write_all(b"x").await.unwrap();
            }
        };
        let reading = async {
            loop {
                if let Err(error) = link.read_u8().await {
                    break error;
                }
            }
        };
        tokio::select! {
            () = dripping => {}
            error = reading => assert_eq!(error.kind(), io::ErrorKind::TimedOut),
        }
    }

    #[tokio::test]
    async fn nothing_hurries_a_call_in_flight_and_its_end_starts_the_idle_deadline() {
        let (_far, near) = duplex(64);
        let calls = Calls::new(Gauge::noop());
        let mut link = Link::new(near, LIMITS, calls.clone());
        let call = calls.begin(Version::HTTP_11);
        let patient = tokio::time::timeout(4 * LIMITS.idle, link.read_u8()).await;
        assert!(patient.is_err());
        let ending = async {
            tokio::task::yield_now().await;
            drop(call);
        };
        let (read, ()) = tokio::join!(link.read_u8(), ending);
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn an_answer_that_nobody_takes_is_given_up() {
        let (_far, near) = duplex(4);
        let calls = Calls::new(Gauge::noop());
        let mut link = Link::new(near, LIMITS, calls.clone());
        let _call = calls.begin(Version::HTTP_11);
        assert_eq!(calls.waiting_since(), None, "the call is ours to do");
        assert_eq!(link.write_all(b"more than fits").await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(calls.waiting_since().is_some(), "nobody takes the answer");
    }

    #[tokio::test]
    async fn a_connection_waits_for_the_other_side_unless_a_call_has_all_it_needs() {
        let calls = Calls::new(Gauge::noop());
        let first = calls.waiting_since();
        assert!(first.is_some());
        let call = calls.begin(Version::HTTP_11);
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
