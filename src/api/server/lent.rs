//! A connection that is lent to hyper, and comes back when hyper lets go of it.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Where what was lent comes back to.
pub(super) struct Home<T>(Arc<Mutex<Option<T>>>);

/// What is lent; hyper keeps it until its connection is dropped.
pub(super) struct Lent<T> {
    /// There until this is dropped.
    lent: Option<T>,
    home: Home<T>,
}

impl<T> Home<T> {
    pub(super) fn new() -> Self {
        Self(Arc::default())
    }

    pub(super) fn lend(&self, lent: T) -> Lent<T> {
        Lent { lent: Some(lent), home: Self(Arc::clone(&self.0)) }
    }

    /// What was lent, if it is back.
    pub(super) fn back(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl<T> Drop for Lent<T> {
    fn drop(&mut self) {
        *self.home.0.lock().unwrap_or_else(PoisonError::into_inner) = self.lent.take();
    }
}

impl<T: Unpin> Lent<T> {
    fn with<R>(&mut self, poll: impl FnOnce(Pin<&mut T>) -> Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        match &mut self.lent {
            Some(lent) => poll(Pin::new(lent)),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Lent<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.with(|lent| lent.poll_read(cx, buf))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Lent<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.with(|lent| lent.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.with(|lent| lent.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.lent.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|lent| lent.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|lent| lent.poll_shutdown(cx))
    }
}
