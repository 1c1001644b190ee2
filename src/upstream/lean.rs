//! The thin client: calls whose body is at hand, on hyper's client without the layers that reqwest puts around it.
//!
//! They are nearly all calls, so what a call costs here counts (the figures are in docs/performance.md). What it sends
//! and understands is what reqwest does: pooled HTTP/1.1 and HTTP/2, gzip, the same TLS and the same guarded resolver.
//!
//! Each thread has connections of its own: a connection's task runs where it was opened, and an answer that has to wake
//! another thread costs more than a connection does.

use std::{convert::Infallible, error::Error as StdError, time::Duration};

use ::url::Url;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::{client::legacy::connect::HttpConnector, rt::TokioIo};
use rustls::ClientConfig;
use thread_local::ThreadLocal;
use tokio::net::TcpStream;
use tower::{BoxError, Service as _, service_fn, timeout::Timeout, util::BoxCloneSyncService};
use tower_http::decompression::{Decompression, DecompressionBody};

use super::{client::Settings, pool::Pool, resolver::Resolver};

/// What the provider sees as our name.
pub(super) const USER_AGENT: &str = concat!("hubgate/", env!("CARGO_PKG_VERSION"));
/// After so much silence the system asks whether the other side of a connection is still there.
const TCP_KEEPALIVE: Duration = Duration::from_secs(15);

type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// What opens connections.
pub(super) type Connector = BoxCloneSyncService<Uri, Stream, BoxError>;

/// An answer, its body not read yet and as it was sent.
pub(super) type Answer = http::Response<Incoming>;

/// The client; its clones share their connections.
pub(super) struct Lean {
    settings: Settings,
    resolver: Resolver,
    tls: ClientConfig,
    pools: ThreadLocal<Pool>,
}

impl Lean {
    /// A client without a connection yet.
    ///
    /// `tls` must not name protocols: which ones are offered is decided here.
    pub(super) fn new(settings: Settings, resolver: Resolver, tls: ClientConfig) -> Self {
        Self { settings, resolver, tls, pools: ThreadLocal::new() }
    }

    /// Sends a call and waits for the head of its answer.
    ///
    /// # Errors
    /// Those of [`Pool::exchange`].
    pub(super) fn send<'c>(
        &'c self,
        method: &Method,
        url: &'c Url,
        headers: &HeaderMap,
        body: Bytes,
    ) -> impl Future<Output = Result<Answer, Fault>> + Send + use<'c> {
        let mut request = http::Request::new(Full::new(body));
        *request.method_mut() = method.clone();
        // Room for the three that come here and for the host.
        let mut all = HeaderMap::with_capacity(headers.len() + 4);
        for (name, value) in headers {
            all.append(name.clone(), value.clone());
        }
        all.entry(header::ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        all.entry(header::USER_AGENT).or_insert(HeaderValue::from_static(USER_AGENT));
        all.entry(header::ACCEPT_ENCODING).or_insert(HeaderValue::from_static("gzip"));
        *request.headers_mut() = all;
        self.pools.get_or(|| self.pool()).exchange(url, request)
    }

    fn pool(&self) -> Pool {
        let mut tcp = HttpConnector::new_with_resolver(self.resolver.clone());
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(TCP_KEEPALIVE));
        tcp.set_connect_timeout(Some(self.settings.connect_timeout));
        let tls = HttpsConnectorBuilder::new().with_tls_config(self.tls.clone()).https_or_http();
        // The time is for TLS, too.
        let connector = Timeout::new(tls.enable_all_versions().wrap_connector(tcp), self.settings.connect_timeout);
        Pool::new(Connector::new(connector), self.settings.pool_idle)
    }
}

/// `answer` without the encoding that its head tells of, where that is one we asked for.
pub(super) async fn decoded(answer: Answer) -> http::Response<DecompressionBody<Incoming>> {
    // The layer is for services; this one has the answer already.
    let there = service_fn(async |request: http::Request<Answer>| Ok::<_, Infallible>(request.into_body()));
    let Ok(decoded) = Decompression::new(there).gzip(true).call(http::Request::new(answer)).await;
    decoded
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// The URL cannot be written into a request.
    #[error("the URL is none for HTTP")]
    Uri(#[source] http::Error),
    /// There is no connection: nothing was sent.
    #[error("no connection came about")]
    Connect(#[source] BoxError),
    /// The connection broke.
    #[error("the connection broke")]
    Exchange(#[source] hyper::Error),
}

/// The first error of type `E` in the chain.
pub(super) fn cause<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}
