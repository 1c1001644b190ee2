//! The answer of either client, its body not read yet.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream::BoxStream};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyDataStream;
use hyper::body::Incoming;
use tower_http::decompression::DecompressionBody;

use super::{Response, body::with_idle, lean};

/// What came back for one attempt.
#[expect(clippy::large_enum_variant, reason = "nearly all are of the large one, and none is kept")]
pub(super) enum Answer {
    /// From the thin client.
    Lean(lean::Answer),
    /// From reqwest.
    Full(reqwest::Response),
}

impl Answer {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Lean(answer) => answer.status(),
            Self::Full(answer) => answer.status(),
        }
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        match self {
            Self::Lean(answer) => answer.headers(),
            Self::Full(answer) => answer.headers(),
        }
    }

    /// The answer for the caller; `held` is dropped when its body has been read, or is dropped.
    pub(super) fn opened<H: Send + Unpin + 'static>(self, idle: Duration, held: H) -> Response {
        let status = self.status();
        match self {
            Self::Lean(answer) => {
                let (parts, body) = answer.into_parts();
                let stream = Chunks::Lean(Box::pin(BodyDataStream::new(body)));
                Response { status, headers: parts.headers, body: with_idle(stream, idle, held) }
            }
            Self::Full(mut answer) => {
                let headers = std::mem::take(answer.headers_mut());
                let stream = answer.bytes_stream().map_err(|error| io::Error::other(error.without_url()));
                Response { status, headers, body: with_idle(Chunks::Full(stream.boxed()), idle, held) }
            }
        }
    }
}

enum Chunks {
    Lean(Pin<Box<BodyDataStream<DecompressionBody<Incoming>>>>),
    Full(BoxStream<'static, io::Result<Bytes>>),
}

impl Stream for Chunks {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match &mut *self {
            Self::Lean(stream) => stream.poll_next_unpin(cx).map_err(io::Error::other),
            Self::Full(stream) => stream.poll_next_unpin(cx),
        }
    }
}
