//! The transport over the network.
//!
//! One connection pool, HTTP/1.1 and HTTP/2, TLS by rustls. Nothing is called that the [`Guard`] has not passed: the URL
//! before each hop, the addresses inside the resolver. No proxy of the environment is used. Redirects are followed here,
//! one checked hop at a time, and credentials never cross to another origin.
//!
//! A call is repeated only when that is harmless (see `retry`), within the caller's deadline and the origin's
//! [`Budget`](super::budget::Budget); a streamed body is sent once.

use std::{sync::Arc, time::Duration};

use ::url::Url;
use futures_util::{StreamExt as _, TryStreamExt as _};
use reqwest::{
    Method,
    header::{
        CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
    },
    redirect::Policy,
};
use tokio::time::{Instant, timeout_at};

use super::{
    Body, ByteStream, Request, Response, Transport,
    body::{Upload, with_idle},
    breaker,
    guard::{Guard, Refused},
    origin::{Origin, Origins},
    redirect::{self, Step},
    resolver::{Guarded, Lookup, System},
    retry::{self, Failure},
};
use crate::{
    clock::SharedClock,
    error::{Error, Kind, Result},
};

/// How the client behaves; the defaults are what production runs with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long a connection may take, TLS included. Default 3 s.
    pub connect_timeout: Duration,
    /// Redirects followed in one call. Default 3.
    pub max_redirects: usize,
    /// Attempts for one hop, the first included. Default 3.
    pub attempts: u32,
    /// The first backoff; it doubles. Default 100 ms.
    pub backoff: Duration,
    /// The longest backoff. Default 2 s.
    pub max_backoff: Duration,
    /// The longest `Retry-After` that is waited for here; a longer one is the caller's to see. Default 10 s.
    pub max_retry_after: Duration,
    /// How long an unused connection is kept. Default 60 s.
    pub pool_idle: Duration,
    /// Calls to one origin that are under way at a time, their bodies included. Default 1000.
    pub origin_concurrency: usize,
    /// When an origin that fails is left alone.
    pub breaker: breaker::Settings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(3),
            max_redirects: 3,
            attempts: 3,
            backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(2),
            max_retry_after: Duration::from_secs(10),
            pool_idle: Duration::from_mins(1),
            origin_concurrency: 1000,
            breaker: breaker::Settings::default(),
        }
    }
}

/// An answer that took less is not missed when the deadline comes: a caller who had little time left is no sign that
/// the provider hangs.
const HANGS: Duration = Duration::from_secs(3);

/// Headers that belong to one connection or to the framing of one message: ours to write, never the caller's.
const FRAMING: [HeaderName; 8] = [CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];

/// The HTTP client; cheap to clone.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    guard: Guard,
    settings: Arc<Settings>,
    clock: SharedClock,
    origins: Origins,
}

/// A call on its way, changed by redirects.
struct Call {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Payload,
}

enum Payload {
    Empty,
    Bytes(bytes::Bytes),
    /// Taken by the first attempt.
    Stream(Option<(ByteStream, Option<u64>)>),
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("guard", &self.guard).field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Client {
    /// A client behind `guard`.
    ///
    /// Without certificate authorities on the machine every https call fails, and a warning says why.
    ///
    /// # Errors
    /// [`Kind::Internal`] when TLS cannot be set up.
    pub fn new(guard: Guard, settings: Settings, clock: SharedClock) -> Result<Self> {
        Self::with_lookup(guard, settings, clock, Arc::new(System))
    }

    /// A client that resolves names by `lookup`; its answers pass the guard all the same.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn with_lookup(guard: Guard, settings: Settings, clock: SharedClock, lookup: Arc<dyn Lookup>) -> Result<Self> {
        // An error means that a provider is installed already, by an earlier client: just as well.
        if rustls::crypto::ring::default_provider().install_default().is_err() {
            tracing::trace!("a TLS crypto provider was installed before");
        }
        let resolver = Arc::new(Guarded { guard: guard.clone(), lookup });
        let builder = || {
            #[expect(clippy::disallowed_methods, reason = "this is the one place the rule points to")]
            reqwest::Client::builder()
                .no_proxy()
                .redirect(Policy::none())
                .referer(false)
                .connect_timeout(settings.connect_timeout)
                .pool_idle_timeout(settings.pool_idle)
                .dns_resolver(Arc::clone(&resolver))
                .user_agent(concat!("hubgate/", env!("CARGO_PKG_VERSION")))
        };
        let http = builder().build().or_else(|error| {
            tracing::warn!(%error, "no certificate authorities were found: https calls will fail");
            builder().tls_certs_only([]).build()
        });
        Ok(Self {
            http: http.map_err(Error::internal)?,
            guard,
            origins: Origins::new(settings.breaker.clone(), settings.origin_concurrency),
            settings: Arc::new(settings),
            clock,
        })
    }

    async fn run(&self, request: Request) -> Result<Response> {
        let Request { method, url, mut headers, sensitive, body, hosts, deadline, idle, follow_redirects, retryable } =
            request;
        for name in FRAMING {
            headers.remove(name);
        }
        let body = match body {
            Body::Empty => Payload::Empty,
            Body::Bytes(bytes) => Payload::Bytes(bytes),
            Body::Stream { stream, length } => Payload::Stream(Some((stream, length))),
        };
        let mut call = Call { method, url, headers, body };
        for hop in 0.. {
            self.guard.check(&call.url, &hosts)?;
            let origin = self.origins.get(&call.url);
            let slot = origin.enter(deadline).await?;
            let mut answer = self.attempts(&origin, &mut call, deadline, retryable).await?;
            let next = if follow_redirects {
                redirect::target(&call.method, &call.url, answer.status(), answer.headers())?
            } else {
                None
            };
            // A streamed body is gone; the caller sees the redirect.
            let next = next.filter(|(_, step)| *step == Step::Get || call.is_repeatable());
            let Some((to, step)) = next else {
                let (status, headers) = (answer.status(), std::mem::take(answer.headers_mut()));
                // The slot is free when the body has been read, or is dropped.
                let stream = answer.bytes_stream().map_err(move |error| {
                    let _held = &slot;
                    std::io::Error::other(error.without_url())
                });
                return Ok(Response { status, headers, body: with_idle(stream.boxed(), idle) });
            };
            if hop >= self.settings.max_redirects {
                break;
            }
            redirect::strip(&mut call.headers, &sensitive, &call.url, &to, step);
            call.url = to;
            if step == Step::Get {
                (call.method, call.body) = (Method::GET, Payload::Empty);
            }
        }
        Err(Error::new(Kind::ProviderFailed, "The provider redirects too often"))
    }

    /// One hop, with its retries.
    async fn attempts(
        &self,
        origin: &Origin,
        call: &mut Call,
        deadline: Instant,
        retryable: bool,
    ) -> Result<reqwest::Response> {
        origin.budget.deposit();
        let repeatable = retryable || retry::is_idempotent(&call.method);
        let mut attempt = 1;
        loop {
            let (outcome, failure) = self.admitted(origin, call, deadline).await;
            let Some(failure) = failure.filter(|_| attempt < self.settings.attempts && call.is_repeatable()) else {
                return outcome;
            };
            let backoff = retry::backoff(self.settings.backoff, self.settings.max_backoff, attempt, random());
            let Some(pause) = retry::pause(failure, repeatable, backoff) else { return outcome };
            let in_time = pause <= self.settings.max_retry_after && Instant::now() + pause < deadline;
            if !in_time || !origin.budget.withdraw() {
                return outcome;
            }
            tracing::debug!(
                host = call.url.host_str(),
                attempt,
                pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
                ?failure,
                "the provider is asked again after a pause"
            );
            drop(outcome);
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    /// One attempt, of which the origin's breaker learns.
    async fn admitted(
        &self,
        origin: &Origin,
        call: &mut Call,
        deadline: Instant,
    ) -> (Result<reqwest::Response>, Option<Failure>) {
        let pass = match origin.admit() {
            Ok(pass) => pass,
            Err(down) => return (Err(down), None),
        };
        let started = Instant::now();
        match timeout_at(deadline, self.once(call)).await {
            Ok(Ok(answer)) => {
                pass.tell(matches!(answer.status().as_u16(), 502..=504));
                let failure = retry::of_answer(answer.status(), answer.headers(), self.clock.now());
                (Ok(answer), failure)
            }
            Ok(Err((error, failure))) => {
                pass.tell(failure.is_some());
                (Err(error), failure)
            }
            Err(_) => {
                if started.elapsed() >= HANGS {
                    pass.tell(true);
                }
                (Err(late()), None)
            }
        }
    }

    async fn once(&self, call: &mut Call) -> Result<reqwest::Response, (Error, Option<Failure>)> {
        let mut request = self.http.request(call.method.clone(), call.url.clone()).headers(call.headers.clone());
        match &mut call.body {
            // Where a method means a body, that there is none has to be told: servers refuse such a call without a length.
            Payload::Empty if matches!(call.method, Method::POST | Method::PUT | Method::PATCH) => {
                request = request.header(CONTENT_LENGTH, 0);
            }
            Payload::Empty => {}
            Payload::Bytes(bytes) => request = request.body(bytes.clone()),
            Payload::Stream(stream) => match stream.take() {
                Some((stream, length)) => request = request.body(reqwest::Body::wrap(Upload::new(stream, length))),
                None => return Err((Error::internal("a streamed body was to be sent twice"), None)),
            },
        }
        request.send().await.map_err(classify)
    }
}

impl Call {
    fn is_repeatable(&self) -> bool {
        !matches!(self.body, Payload::Stream(_))
    }
}

/// What an attempt without an answer means.
fn classify(error: reqwest::Error) -> (Error, Option<Failure>) {
    // The URL may carry secrets in its query.
    let error = error.without_url();
    if let Some(refused) = cause::<Refused>(&error) {
        return (refused.clone().into(), None);
    }
    if error.is_builder() {
        return (Error::internal(error), None);
    }
    if error.is_connect() || error.is_timeout() {
        let public = "The provider cannot be reached";
        return (Error::new(Kind::ProviderUnreachable, public).with_source(error), Some(Failure::NotConnected));
    }
    if cause::<hyper::Error>(&error).is_some_and(hyper::Error::is_user) {
        return (Error::bad_request("The upload broke off").with_source(error), None);
    }
    let public = "The connection to the provider broke before it answered";
    (Error::new(Kind::ProviderUnreachable, public).with_source(error), Some(Failure::Broken))
}

/// The first error of type `E` in the chain.
fn cause<E: std::error::Error + 'static>(error: &reqwest::Error) -> Option<&E> {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

fn late() -> Error {
    Error::new(Kind::ProviderTimeout, "The provider did not answer in time")
}

/// A number for the jitter; when the system has none to give, there is no jitter.
fn random() -> u64 {
    getrandom::u64().unwrap_or_default()
}

#[async_trait::async_trait]
impl Transport for Client {
    async fn send(&self, request: Request) -> Result<Response> {
        let deadline = request.deadline;
        if Instant::now() >= deadline {
            return Err(late());
        }
        match timeout_at(deadline, self.run(request)).await {
            Ok(result) => result,
            Err(_) => Err(late()),
        }
    }
}
