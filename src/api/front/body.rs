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
use http_body_util::BodyExt as _;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::time::Instant;

use crate::api::server::{Awaited, Calls};

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
///
/// What nobody took of it when it is dropped is taken and thrown away, within bounds: a sender that is cut off in the middle
/// loses the answer, too.
pub(super) struct Watched {
    inner: Option<Incoming>,
    progress: Arc<Progress>,
    calls: Calls,
    /// While more of it is waited for.
    awaited: Option<Awaited>,
    discards: bool,
}

/// The most of an unwanted body that is taken.
const REST_BYTES: usize = 64 << 20;
/// The longest it is waited for.
const REST_TIME: Duration = Duration::from_secs(10);

impl Watched {
    /// Without `discards` the rest is left where it is: its sender waits for leave to send it.
    pub(super) fn new(inner: Incoming, progress: Arc<Progress>, calls: Calls, discards: bool) -> Self {
        Self { inner: Some(inner), progress, calls, awaited: None, discards }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let unwanted = self.inner.take().filter(|body| self.discards && !body.is_end_stream());
        if let (Some(mut body), Ok(runtime)) = (unwanted, tokio::runtime::Handle::try_current()) {
            let rest = async move {
                let mut left = REST_BYTES;
                while let Some(Ok(frame)) = body.frame().await {
                    let taken = frame.data_ref().map_or(0, Bytes::len);
                    let Some(rest) = left.checked_sub(taken) else { break };
                    left = rest;
                }
            };
            runtime.spawn(tokio::time::timeout(REST_TIME, rest));
        }
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(inner) = &mut self.inner else { return Poll::Ready(None) };
        let polled = Pin::new(&mut *inner).poll_frame(cx);
        if let Poll::Ready(frame) = &polled {
            let complete = frame.is_none() || inner.is_end_stream();
            self.progress.moved(complete);
            self.awaited = None;
        } else if self.awaited.is_none() {
            self.awaited = Some(self.calls.await_body());
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
