//! Faults on demand: what a provider does on a bad day, as often as a test asks for.

use std::{sync::Mutex, time::Duration};

use axum::{
    body::{Body, Bytes, to_bytes},
    http::{Method, header},
    response::Response,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::core::hold;

/// The most of a body that is held in memory to be spoiled.
const SPOIL_LIMIT: usize = 16 * 1024 * 1024;

/// One fault: which requests it meets, how often, and what happens to them.
///
/// Effects combine: a latency comes first, then a reset or a status, then what is done to the body. Of several faults
/// that match, the oldest with effects left is taken.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fault {
    /// Only this method, when given.
    pub method: Option<String>,
    /// Only paths that start with this; empty means every path (the control API's apart).
    pub path: String,
    /// Only query strings that have this in them, as it was sent; empty means every query.
    pub query: String,
    /// How many matching requests are let through before the first effect.
    pub skip: u64,
    /// How many requests are affected; absent means until the faults are cleared.
    pub times: Option<u64>,
    /// Waits this long before anything else happens.
    pub latency_ms: u64,
    /// Answers with this status, in the provider's own error shape, without doing anything.
    pub status: Option<u16>,
    /// The `Retry-After` header that comes with `status`, in seconds.
    pub retry_after: Option<u64>,
    /// The body that comes with `status`, instead of the provider's: text as it is, anything else as JSON.
    pub body: Option<Value>,
    /// Resets the connection.
    pub reset: Option<Reset>,
    /// Resets the connection after so many bytes of the request's body have been read.
    pub reset_within: Option<usize>,
    /// Sends only the first half of the body, as if it were all of it.
    pub malformed: bool,
    /// Waits this long before each piece of the body.
    pub slow_ms: u64,
    /// Breaks the connection off after so many bytes of the body.
    pub cut_after: Option<usize>,
}

/// When a connection is reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reset {
    /// Before the request is looked at: nothing has happened.
    Before,
    /// After the request has been carried out: it has happened, but nobody is told.
    After,
}

/// The faults that are set at present.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<Vec<Fault>>);

impl Faults {
    pub(crate) fn add(&self, faults: impl IntoIterator<Item = Fault>) {
        hold(&self.0).extend(faults);
    }

    pub(crate) fn clear(&self) {
        hold(&self.0).clear();
    }

    pub(crate) fn list(&self) -> Vec<Fault> {
        hold(&self.0).clone()
    }

    /// The fault that this request meets, counted as used.
    pub(crate) fn take(&self, method: &Method, path: &str, query: &str) -> Option<Fault> {
        let mut faults = hold(&self.0);
        let fault = faults.iter_mut().find(|fault| {
            fault.method.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method.as_str()))
                && path.starts_with(&fault.path)
                && query.contains(&fault.query)
                && fault.times != Some(0)
        })?;
        if fault.skip > 0 {
            fault.skip -= 1;
            return None;
        }
        fault.times = fault.times.map(|left| left.saturating_sub(1));
        let taken = fault.clone();
        faults.retain(|fault| fault.times != Some(0));
        Some(taken)
    }
}

impl Fault {
    /// Does to an answer's body what the fault says.
    pub(crate) async fn spoil(&self, response: Response) -> Response {
        if !self.malformed && self.slow_ms == 0 && self.cut_after.is_none() {
            return response;
        }
        let (mut parts, body) = response.into_parts();
        if self.malformed {
            let bytes = to_bytes(body, SPOIL_LIMIT).await.unwrap_or_default();
            parts.headers.remove(header::CONTENT_LENGTH);
            return Response::from_parts(parts, Body::from(bytes.slice(..bytes.len() / 2)));
        }
        let pieces = body.into_data_stream().flat_map(|piece| {
            stream::iter(match piece {
                Ok(bytes) => split(&bytes).into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error)],
            })
        });
        let slow = Duration::from_millis(self.slow_ms);
        let pieces = pieces.then(move |piece| async move {
            if !slow.is_zero() {
                tokio::time::sleep(slow).await;
            }
            piece
        });
        let Some(limit) = self.cut_after else {
            return Response::from_parts(parts, Body::from_stream(pieces));
        };
        let mut left = limit;
        let pieces = pieces.map_ok(move |piece| {
            let kept = piece.slice(..piece.len().min(left));
            left -= kept.len();
            kept
        });
        let pieces =
            pieces.take_while(|piece| std::future::ready(piece.as_ref().map_or(true, |kept| !kept.is_empty())));
        let broken = stream::once(async {
            // Being pending once makes the server send what it has before it learns of the end.
            tokio::task::yield_now().await;
            Err(axum::Error::new(std::io::Error::from(std::io::ErrorKind::ConnectionReset)))
        });
        let body = Body::from_stream(pieces.chain(broken));
        Response::from_parts(parts, body)
    }
}

/// Cuts a piece of a body into at most four.
fn split(bytes: &Bytes) -> Vec<Bytes> {
    let step = bytes.len().div_ceil(4).max(1);
    (0..bytes.len()).step_by(step).map(|from| bytes.slice(from..bytes.len().min(from + step))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_matching_faults_as_often_as_asked() {
        let faults = Faults::default();
        faults.add([Fault {
            path: "/a".into(),
            method: Some("get".into()),
            query: "part=".into(),
            times: Some(1),
            skip: 1,
            ..Fault::default()
        }]);
        assert!(faults.take(&Method::POST, "/a/b", "part=1").is_none());
        assert!(faults.take(&Method::GET, "/b", "part=1").is_none());
        assert!(faults.take(&Method::GET, "/a/b", "").is_none());
        assert!(faults.take(&Method::GET, "/a/b", "part=1").is_none(), "the first is let through");
        assert!(faults.take(&Method::GET, "/a/b", "part=1").is_some());
        assert!(faults.take(&Method::GET, "/a/b", "part=1").is_none(), "used up");
        assert!(faults.list().is_empty());
    }

    #[tokio::test]
    async fn halves_a_malformed_body() {
        let fault = Fault { malformed: true, ..Fault::default() };
        let response = fault.spoil(crate::http::raw(200, "application/json", "{\"a\":1}")).await;
        let body = to_bytes(response.into_body(), 100).await.unwrap();
        assert_eq!(&body[..], b"{\"a");
    }

    #[tokio::test]
    async fn cuts_a_body_off() {
        let fault = Fault { cut_after: Some(3), ..Fault::default() };
        let response = fault.spoil(crate::http::raw(200, "text/plain", "abcdefgh")).await;
        assert!(to_bytes(response.into_body(), 100).await.is_err());
    }
}
