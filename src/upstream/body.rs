//! Bodies: reading one whole within a limit, and guarding a stream against silence.

use std::{
    io,
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use hyper::body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use super::ByteStream;
use crate::error::{Error, Kind, Result};

/// Reads `body` whole; what counts are the bytes after decompression.
///
/// # Errors
/// [`Kind::ProviderFailed`] past `limit`, [`Kind::ProviderTimeout`] at `deadline` or after too long a silence,
/// [`Kind::ProviderUnreachable`] when the connection breaks.
pub async fn collect(mut body: ByteStream, limit: usize, deadline: Instant) -> Result<Bytes> {
    let late = || Error::new(Kind::ProviderTimeout, "The provider did not finish its answer in time");
    let read = async {
        // What comes in one piece is not copied.
        let mut first = Bytes::new();
        let mut whole = BytesMut::new();
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| match error.kind() {
                io::ErrorKind::TimedOut => late().with_source(error),
                _ => Error::new(Kind::ProviderUnreachable, "The provider's answer broke off").with_source(error),
            })?;
            if chunk.len() > limit.saturating_sub(first.len().max(whole.len())) {
                return Err(Error::new(
                    Kind::ProviderFailed,
                    format!("The provider's answer is larger than the limit of {limit} bytes"),
                ));
            }
            if first.is_empty() {
                first = chunk;
                continue;
            }
            if whole.is_empty() {
                whole.reserve((first.len() + chunk.len()) * 2);
                whole.extend_from_slice(&first);
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(if whole.is_empty() { first } else { whole.freeze() })
    };
    match tokio::time::timeout_at(deadline, read).await {
        Ok(result) => result,
        Err(_) => Err(late()),
    }
}

/// `stream`, ended with [`io::ErrorKind::TimedOut`] when no chunk comes for `idle`; `held` lives as long as it does.
pub(super) fn with_idle<S, H>(stream: S, idle: Duration, held: H) -> ByteStream
where
    S: Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static,
    H: Send + Unpin + 'static,
{
    Idle { stream, longest: idle, sleep: None, waiting: false, _held: held }.boxed()
}

struct Idle<S, H> {
    stream: S,
    longest: Duration,
    /// Made when the reader waits for the first time: most bodies are there when they are asked for.
    sleep: Option<Pin<Box<Sleep>>>,
    /// Whether the timer runs: only while the reader waits, so a slow reader is not the sender's fault.
    waiting: bool,
    _held: H,
}

impl<S: Stream<Item = io::Result<Bytes>> + Unpin, H: Unpin> Stream for Idle<S, H> {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let Poll::Ready(item) = this.stream.poll_next_unpin(cx) {
            this.waiting = false;
            return Poll::Ready(item);
        }
        let longest = this.longest;
        let sleep = this.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(longest)));
        if !this.waiting {
            this.waiting = true;
            sleep.as_mut().reset(Instant::now() + longest);
        }
        match sleep.as_mut().poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => {
                this.waiting = false;
                let text = "no byte came for too long";
                Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::TimedOut, text))))
            }
        }
    }
}

/// A streamed upload whose length is known, so that it is announced and not chunked.
pub(super) struct Upload {
    // A body must be `Sync`; nobody else ever holds the lock.
    stream: Mutex<ByteStream>,
    length: Option<u64>,
}

impl Upload {
    pub(super) fn new(stream: ByteStream, length: Option<u64>) -> Self {
        Self { stream: Mutex::new(stream), length }
    }
}

impl hyper::body::Body for Upload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = &mut *self;
        let stream = this.stream.get_mut().unwrap_or_else(PoisonError::into_inner);
        let item = std::task::ready!(stream.poll_next_unpin(cx));
        let item = match item {
            Some(Ok(chunk)) => match this.length.map(|left| left.checked_sub(chunk.len() as u64)) {
                Some(None) => Some(Err(io::Error::other("the upload is longer than announced"))),
                left => {
                    this.length = left.flatten();
                    Some(Ok(Frame::data(chunk)))
                }
            },
            None if this.length.is_some_and(|left| left > 0) => {
                Some(Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the upload is shorter than announced")))
            }
            other => other.map(|item| item.map(Frame::data)),
        };
        Poll::Ready(item)
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    fn body(chunks: Vec<io::Result<Bytes>>) -> ByteStream {
        stream::iter(chunks).boxed()
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[tokio::test]
    async fn collects_up_to_the_limit() {
        let chunks = || vec![Ok(Bytes::from_static(b"ab")), Ok(Bytes::from_static(b"cd"))];
        assert_eq!(collect(body(chunks()), 4, soon()).await.unwrap(), "abcd");
        let error = collect(body(chunks()), 3, soon()).await.unwrap_err();
        assert_eq!(error.kind(), Kind::ProviderFailed);
        let broken = vec![Ok(Bytes::new()), Err(io::Error::from(io::ErrorKind::ConnectionReset))];
        assert_eq!(collect(body(broken), 9, soon()).await.unwrap_err().kind(), Kind::ProviderUnreachable);
    }

    #[tokio::test]
    async fn ends_a_silent_stream() {
        let silent = || stream::pending().boxed();
        let short = Duration::from_millis(20);
        let mut idle = with_idle(silent(), short, ());
        assert_eq!(idle.next().await.unwrap().unwrap_err().kind(), io::ErrorKind::TimedOut);
        let error = collect(with_idle(silent(), short, ()), 9, soon()).await.unwrap_err();
        assert_eq!(error.kind(), Kind::ProviderTimeout);
        assert_eq!(collect(silent(), 9, Instant::now() + short).await.unwrap_err().kind(), Kind::ProviderTimeout);
    }
}
