//! Bodies that tell how they are getting on.

use std::{
    any::Any,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::time::Instant;

/// How far the caller's body has come.
#[derive(Debug)]
pub(super) struct Progress {
    started: Instant,
    last_ms: AtomicU64,
    complete: AtomicBool,
}

impl Progress {
    pub(super) fn new(body: &Incoming) -> Self {
        Self { started: Instant::now(), last_ms: AtomicU64::new(0), complete: AtomicBool::new(body.is_end_stream()) }
    }

    /// When a piece of it was taken last.
    pub(super) fn last(&self) -> Instant {
        self.started + Duration::from_millis(self.last_ms.load(Ordering::Relaxed))
    }

    /// Whether all of it was taken.
    pub(super) fn is_complete(&self) -> bool {
        self.complete.load(Ordering::Relaxed)
    }

    fn moved(&self, complete: bool) {
        let elapsed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_ms.store(elapsed, Ordering::Relaxed);
        self.complete.store(complete, Ordering::Relaxed);
    }
}

/// A request's body that reports its progress.
pub(super) struct Watched {
    inner: Incoming,
    progress: Arc<Progress>,
}

impl Watched {
    pub(super) fn new(inner: Incoming, progress: Arc<Progress>) -> Self {
        Self { inner, progress }
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        if let Poll::Ready(frame) = &polled {
            let complete = frame.is_none() || self.inner.is_end_stream();
            self.progress.moved(complete);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
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
