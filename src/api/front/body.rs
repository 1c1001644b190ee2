//! Bodies that tell how they are getting on.

use std::{
    any::Any,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use axum::body::{Body, Bytes};
use http_body_util::BodyExt as _;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::time::Instant;

use crate::api::server::{Awaited, Calls};

/// How far the caller's body has come.
#[derive(Debug)]
pub(super) struct Progress {
    started: Instant,
    /// How long it may keep us waiting.
    longest: Duration,
    last_ms: AtomicU64,
    complete: AtomicBool,
    waiting: Mutex<Waiting>,
    calls: Calls,
    /// Little is taken of a rest that nobody wants: too many send one, or this one does not come.
    curt: AtomicBool,
}

/// The wait for the next piece worth it.
#[derive(Debug, Default)]
struct Waiting {
    /// Since when more is waited for just now; not while it is there and nobody takes it.
    since: Option<(Instant, Awaited)>,
    /// How long it was waited before.
    spent: Duration,
    /// What came meanwhile.
    bytes: usize,
}

impl Waiting {
    /// What the wait just now has lasted.
    fn lasted(&self) -> Duration {
        self.since.as_ref().map_or(Duration::ZERO, |(since, _)| since.elapsed())
    }

    /// The wait just now is over.
    fn end(&mut self) {
        self.spent += self.lasted();
        self.since = None;
    }
}

/// What must come in the time that is given for it: a body by single bytes would keep its call for ever.
const WORTH: usize = 8 << 10;

impl Progress {
    pub(super) fn new(body: &Incoming, longest: Duration, calls: Calls) -> Self {
        Self {
            started: Instant::now(),
            longest,
            last_ms: AtomicU64::new(0),
            complete: AtomicBool::new(body.is_end_stream()),
            waiting: Mutex::default(),
            calls,
            curt: AtomicBool::new(false),
        }
    }

    /// Has little taken of the rest, should the body be dropped.
    pub(super) fn be_curt(&self) {
        self.curt.store(true, Ordering::Relaxed);
    }

    /// Whether the body kept us waiting for too long, or else the earliest moment at which it can have.
    ///
    /// Time in which nobody asked for more of it does not count, nor time in which it was there and nobody took it.
    pub(super) fn patience(&self) -> Result<Option<Instant>, TooSlow> {
        if self.is_complete() {
            return Ok(None);
        }
        let (waiting, now) = (self.waiting(), Instant::now());
        let since = waiting.since.as_ref().map_or(now, |(since, _)| *since);
        let due = since + self.longest.saturating_sub(waiting.spent);
        if waiting.since.is_some() && due <= now { Err(TooSlow) } else { Ok(Some(due)) }
    }

    /// How much of a rest that nobody wants is taken, and how long it is waited for.
    ///
    /// What it has kept us waiting for already is not given a second time: whoever drips his body is not given leave to go on
    /// by a refusal that comes late.
    fn rest(&self) -> (usize, Duration) {
        if self.curt.load(Ordering::Relaxed) {
            return CURT_REST;
        }
        let waiting = self.waiting();
        let left = self.longest.saturating_sub(waiting.spent + waiting.lasted()).max(CURT_REST.1);
        (REST.0, REST.1.min(left))
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// More of it is waited for.
    fn waits(&self) {
        let mut waiting = self.waiting();
        if waiting.since.is_none() {
            waiting.since = Some((Instant::now(), self.calls.await_body(waiting.spent)));
        }
    }

    /// What is waited for is there, or it is waited for no more.
    fn came(&self) {
        self.waiting().end();
    }

    /// When a piece of it was taken last.
    pub(super) fn last(&self) -> Instant {
        self.started + Duration::from_millis(self.last_ms.load(Ordering::Relaxed))
    }

    /// Whether all of it was taken.
    pub(super) fn is_complete(&self) -> bool {
        self.complete.load(Ordering::Relaxed)
    }

    fn moved(&self, bytes: usize, complete: bool) {
        let mut waiting = self.waiting();
        waiting.end();
        waiting.bytes += bytes;
        if waiting.bytes >= WORTH {
            *waiting = Waiting::default();
        }
        drop(waiting);
        let elapsed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_ms.store(elapsed, Ordering::Relaxed);
        self.complete.store(complete, Ordering::Relaxed);
    }
}

/// A body that does not come.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooSlow;

/// A request's body that reports its progress.
///
/// What nobody took of it when it is dropped is taken and thrown away, within bounds: a sender that is cut off in the middle
/// loses the answer, too.
pub(super) struct Watched {
    inner: Option<Incoming>,
    progress: Arc<Progress>,
    discards: bool,
}

/// Wakes the task that waits for more of a body, and ends the wait: the task may have other things to do first.
struct Arrival {
    progress: Arc<Progress>,
    task: Waker,
}

impl Wake for Arrival {
    fn wake(self: Arc<Self>) {
        self.progress.came();
        self.task.wake_by_ref();
    }
}

/// The most of an unwanted body that is taken, and the longest it is waited for.
const REST: (usize, Duration) = (64 << 20, Duration::from_secs(10));
/// The same while we are curt.
const CURT_REST: (usize, Duration) = (256 << 10, Duration::from_secs(1));

impl Watched {
    /// Without `discards` the rest is left where it is: its sender waits for leave to send it.
    pub(super) fn new(inner: Incoming, progress: Arc<Progress>, discards: bool) -> Self {
        Self { inner: Some(inner), progress, discards }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let unwanted = self.inner.take().filter(|body| self.discards && !body.is_end_stream());
        if let (Some(mut body), Ok(runtime)) = (unwanted, tokio::runtime::Handle::try_current()) {
            let (mut left, longest) = self.progress.rest();
            let rest = async move {
                while let Some(Ok(frame)) = body.frame().await {
                    let taken = frame.data_ref().map_or(0, Bytes::len);
                    let Some(rest) = left.checked_sub(taken) else { break };
                    left = rest;
                }
            };
            runtime.spawn(tokio::time::timeout(longest, rest));
        }
        self.progress.came();
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Self { inner, progress, .. } = &mut *self;
        let Some(inner) = inner else { return Poll::Ready(None) };
        // Before it is asked for: it may come at once, and then the wait is over.
        progress.waits();
        let arrival = Arrival { progress: Arc::clone(progress), task: cx.waker().clone() };
        let arrival = Waker::from(Arc::new(arrival));
        let polled = Pin::new(&mut *inner).poll_frame(&mut Context::from_waker(&arrival));
        if let Poll::Ready(frame) = &polled {
            let complete = frame.is_none() || inner.is_end_stream();
            let piece = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref());
            progress.moved(piece.map_or(0, Bytes::len), complete);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map(HttpBody::size_hint).unwrap_or_default()
    }
}

/// Something that is dropped when the answer has been sent, or cannot be.
pub(in crate::api) type Guard = Box<dyn Any + Send>;

/// An answer's body that holds a [`Guard`].
pub(super) struct Guarded {
    inner: Body,
    _guard: Guard,
}

impl Guarded {
    pub(super) fn new(inner: Body, guard: Guard) -> Self {
        Self { inner, _guard: guard }
    }
}

impl HttpBody for Guarded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
