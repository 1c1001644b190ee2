//! The outbound HTTP stack: one client, an egress guard, limits, retries, deadlines, body caps.
//!
//! Everything that leaves the process goes through a [`Transport`]; [`Client`](client::Client) is the one over the
//! network, and the example runner has one that plays recorded answers.

mod answer;
pub mod body;
pub mod breaker;
pub mod budget;
pub mod client;
pub mod guard;
mod lean;
mod origin;
mod pool;
mod redirect;
mod resolver;
mod retry;
mod slot;
mod trust;
pub mod url;

use std::{fmt, time::Duration};

use ::url::Url;

use bytes::Bytes;
use futures_util::{future::BoxFuture, stream::BoxStream};
use reqwest::{
    Method, StatusCode,
    header::{HeaderMap, HeaderName},
};
use tokio::time::Instant;

pub use self::{body::collect, resolver::Lookup, slot::slot, trust::read_authorities};
use crate::error::Result;

/// A stream of body bytes, in or out.
pub type ByteStream = BoxStream<'static, Result<Bytes, std::io::Error>>;

/// The body of an outbound request.
pub enum Body {
    /// No body.
    Empty,
    /// Bytes in memory: may be sent again on a retry.
    Bytes(Bytes),
    /// A stream: sent once, never retried after the first byte.
    Stream {
        /// The bytes.
        stream: ByteStream,
        /// Their number, where known; otherwise the body is sent chunked.
        length: Option<u64>,
    },
}

/// One outbound request.
pub struct Request {
    /// The verb.
    pub method: Method,
    /// The absolute URL; its host must pass the egress guard.
    pub url: Url,
    /// Headers, the authorization included.
    pub headers: HeaderMap,
    /// Headers that must not follow a redirect to another origin (the authorization always is one).
    pub sensitive: Vec<HeaderName>,
    /// The body.
    pub body: Body,
    /// Hosts this element may call: exact names or `*.example.com`.
    pub hosts: std::sync::Arc<[String]>,
    /// No work on this request goes on past this instant (a streamed answer's body excepted, see `idle`).
    pub deadline: Instant,
    /// The longest silence while a streamed body is read.
    pub idle: Duration,
    /// Whether redirects are followed (checked again at each hop; credentials never cross origins).
    pub follow_redirects: bool,
    /// Whether a repeat is harmless although the verb is not idempotent.
    pub retryable: bool,
}

/// One answer, its body not read yet.
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: ByteStream,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither headers nor the query: both can carry secrets.
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("host", &self.url.host_str())
            .field("path", &self.url.path())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response").field("status", &self.status).finish_non_exhaustive()
    }
}

/// Sends a request and gives back the answer's head; whatever its status, an answer is `Ok`.
pub trait Transport: Send + Sync {
    /// Sends `request`.
    ///
    /// # Errors
    /// [`Kind::Forbidden`](crate::error::Kind::Forbidden) when the egress guard refuses the host,
    /// [`Kind::ProviderUnreachable`](crate::error::Kind::ProviderUnreachable) when no connection came about or it broke,
    /// [`Kind::ProviderTimeout`](crate::error::Kind::ProviderTimeout) at the deadline.
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response>>;
}
