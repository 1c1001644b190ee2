//! The answer of either client, its body not read yet.

use std::{io, time::Duration};

use bytes::Bytes;
use futures_util::{
    FutureExt as _, StreamExt as _, TryStreamExt as _,
    future::{BoxFuture, Either, Ready, ready},
};
use http::{HeaderMap, StatusCode, header::CONTENT_ENCODING};
use http_body_util::BodyDataStream;
use hyper::body::Body;
use tower::BoxError;

use super::{Response, body::with_idle, lean};

/// What came back for one attempt.
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
    pub(super) fn opened<H: Send + Unpin + 'static>(
        self,
        idle: Duration,
        held: H,
    ) -> Either<Ready<Response>, BoxFuture<'static, Response>> {
        match self {
            Self::Lean(answer) if answer.headers().contains_key(CONTENT_ENCODING) => Either::Right(
                lean::decoded(answer).map(move |answer| response(answer.map(Box::pin), idle, held)).boxed(),
            ),
            Self::Lean(answer) => Either::Left(ready(response(answer, idle, held))),
            Self::Full(mut answer) => {
                let (status, headers) = (answer.status(), std::mem::take(answer.headers_mut()));
                let stream = answer.bytes_stream().map_err(|error| io::Error::other(error.without_url()));
                Either::Left(ready(Response { status, headers, body: with_idle(stream.boxed(), idle, held) }))
            }
        }
    }
}

fn response<B, H>(answer: http::Response<B>, idle: Duration, held: H) -> Response
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    H: Send + Unpin + 'static,
{
    let (parts, body) = answer.into_parts();
    let stream = BodyDataStream::new(body).map_err(io::Error::other);
    Response { status: parts.status, headers: parts.headers, body: with_idle(stream, idle, held) }
}
