//! The transport over the network.
//!
//! Connections are pooled, HTTP/1.1 and HTTP/2, TLS by rustls. A call whose body is at hand goes through the thin client
//! (`lean`), a streamed one through reqwest. Nothing is called that the [`Guard`] has not passed: the URL
//! before each hop, the addresses inside the resolver. No proxy of the environment is used. Redirects are followed here,
//! one checked hop at a time, and credentials never cross to another origin.
//!
//! A call is repeated only when that is harmless (see `retry`), within the caller's deadline and the origin's
//! [`Budget`](super::budget::Budget); a streamed body is sent once.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Either, ready},
};
use reqwest::{
    Method,
    header::{
        CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
    },
    redirect::Policy,
};
use tokio::time::{Instant, timeout_at};

use super::{
    Body, Request, Response, Transport,
    answer::Answer,
    body::Upload,
    breaker::{self, Pass},
    guard::{Guard, Refused},
    lean::{self, Lean, cause},
    origin::{Origin, Origins},
    redirect::{self, Step},
    resolver::{Guarded, Lookup, Resolver, System},
    retry::{self, Failure},
    trust,
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

/// What came of one attempt: an answer, or why there is none and whether another attempt may help.
type Sent = Result<Answer, (Error, Option<Failure>)>;

/// The HTTP client; cheap to clone.
#[derive(Clone)]
pub struct Client {
    lean: Arc<Lean>,
    streaming: reqwest::Client,
    guard: Guard,
    settings: Arc<Settings>,
    clock: SharedClock,
    origins: Origins,
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
        let tls = trust::settings()?;
        let resolver = Resolver(Arc::new(Guarded { guard: guard.clone(), lookup }));
        let mut offering = tls.clone();
        offering.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        #[expect(clippy::disallowed_methods, reason = "this is the one place the rule points to")]
        let streaming = reqwest::Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .referer(false)
            .connect_timeout(settings.connect_timeout)
            .pool_idle_timeout(settings.pool_idle)
            .dns_resolver(resolver.clone())
            .tls_backend_preconfigured(offering)
            .user_agent(lean::USER_AGENT)
            .build();
        Ok(Self {
            lean: Arc::new(Lean::new(settings.clone(), resolver, tls)),
            streaming: streaming.map_err(Error::internal)?,
            guard,
            origins: Origins::new(settings.breaker.clone(), settings.origin_concurrency),
            settings: Arc::new(settings),
            clock,
        })
    }

    async fn run(&self, request: &mut Request) -> Result<Response> {
        if Instant::now() >= request.deadline {
            return Err(late());
        }
        // A streamed body is gone with the first attempt.
        let repeatable = !matches!(request.body, Body::Stream { .. });
        if request.headers.keys().any(|name| FRAMING.contains(name)) {
            for name in &FRAMING {
                request.headers.remove(name);
            }
        }
        for hop in 0.. {
            self.guard.check(&request.url, &request.hosts)?;
            let origin = self.origins.get(&request.url);
            let slot = origin.enter(request.deadline).await?;
            let answer = self.attempts(&origin, request, repeatable).await?;
            let next = if request.follow_redirects {
                redirect::target(&request.method, &request.url, answer.status(), answer.headers())?
            } else {
                None
            };
            // Where the body would have to go along and cannot, the caller sees the redirect.
            let Some((to, step)) = next.filter(|(_, step)| *step == Step::Get || repeatable) else {
                return Ok(answer.opened(request.idle, slot).await);
            };
            if hop >= self.settings.max_redirects {
                break;
            }
            redirect::strip(&mut request.headers, &request.sensitive, &request.url, &to, step);
            request.url = to;
            if step == Step::Get {
                (request.method, request.body) = (Method::GET, Body::Empty);
            }
        }
        Err(Error::new(Kind::ProviderFailed, "The provider redirects too often"))
    }

    /// One hop, with its retries; `repeatable` says whether the body can be sent again.
    async fn attempts(&self, origin: &Origin, request: &mut Request, repeatable: bool) -> Result<Answer> {
        origin.budget.deposit();
        let harmless = request.retryable || retry::is_idempotent(&request.method);
        let mut attempt = 1;
        loop {
            let pass = origin.admit()?;
            let started = Instant::now();
            let sent = timeout_at(request.deadline, self.once(request)).await;
            let failure = self.judged(sent.as_ref().ok(), pass, started);
            let outcome = sent.map_or_else(|_| Err(late()), |sent| sent.map_err(|(error, _)| error));
            let Some(failure) = failure.filter(|_| attempt < self.settings.attempts && repeatable) else {
                return outcome;
            };
            let backoff = retry::backoff(self.settings.backoff, self.settings.max_backoff, attempt, random());
            let Some(pause) = retry::pause(failure, harmless, backoff) else { return outcome };
            let in_time = pause <= self.settings.max_retry_after && Instant::now() + pause < request.deadline;
            if !in_time || !origin.budget.withdraw() {
                return outcome;
            }
            tracing::debug!(
                host = request.url.host_str(),
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

    /// Whether another attempt may help after this one, `None` when it was not over in time; the origin's breaker learns of it.
    fn judged(&self, sent: Option<&Sent>, pass: Pass<'_>, started: Instant) -> Option<Failure> {
        match sent {
            Some(Ok(answer)) => {
                pass.tell(matches!(answer.status().as_u16(), 502..=504));
                retry::of_answer(answer.status(), answer.headers(), self.clock.now())
            }
            Some(Err((_, failure))) => {
                pass.tell(failure.is_some());
                *failure
            }
            None => {
                if started.elapsed() >= HANGS {
                    pass.tell(true);
                }
                None
            }
        }
    }

    /// One attempt. No `async fn`: each of those is one more place that what it waits for is moved through.
    fn once<'r>(&'r self, request: &'r mut Request) -> impl Future<Output = Sent> + Send + 'r {
        let body = match &request.body {
            Body::Empty => Bytes::new(),
            Body::Bytes(bytes) => bytes.clone(),
            Body::Stream { .. } => return Either::Right(self.streamed(request)),
        };
        // Where a method means a body, that there is none has to be told: servers refuse such a call without a length.
        if body.is_empty() && matches!(request.method, Method::POST | Method::PUT | Method::PATCH) {
            request.headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let sent = self.lean.send(&request.method, &request.url, &request.headers, body);
        Either::Left(sent.map(|sent| sent.map(Answer::Lean).map_err(classify)))
    }

    /// An attempt that takes the body with it.
    fn streamed<'r>(&'r self, request: &'r mut Request) -> BoxFuture<'r, Sent> {
        let Body::Stream { stream, length } = std::mem::replace(&mut request.body, Body::Empty) else {
            return ready(Err((Error::internal("a body that is no stream was to be streamed"), None))).boxed();
        };
        let streamed = self.streaming.request(request.method.clone(), request.url.clone());
        let streamed = streamed.headers(request.headers.clone()).body(reqwest::Body::wrap(Upload::new(stream, length)));
        streamed
            .send()
            .map(|sent| sent.map(Answer::Full).map_err(|error| classify_streamed(error.without_url())))
            .boxed()
    }
}

/// What an attempt of the thin client without an answer means.
fn classify(fault: lean::Fault) -> (Error, Option<Failure>) {
    if let Some(refused) = cause::<Refused>(&fault) {
        return (refused.clone().into(), None);
    }
    match fault {
        lean::Fault::Uri(_) => (Error::internal(fault), None),
        lean::Fault::Connect(_) => not_connected(fault),
        lean::Fault::Exchange(_) => broken(fault),
    }
}

/// What an attempt of reqwest without an answer means; `error` tells no URL, which may carry secrets in its query.
fn classify_streamed(error: reqwest::Error) -> (Error, Option<Failure>) {
    if let Some(refused) = cause::<Refused>(&error) {
        return (refused.clone().into(), None);
    }
    if error.is_builder() {
        return (Error::internal(error), None);
    }
    if error.is_connect() || error.is_timeout() {
        return not_connected(error);
    }
    if cause::<hyper::Error>(&error).is_some_and(hyper::Error::is_user) {
        return (Error::bad_request("The upload broke off").with_source(error), None);
    }
    broken(error)
}

fn not_connected(error: impl std::error::Error + Send + Sync + 'static) -> (Error, Option<Failure>) {
    let public = "The provider cannot be reached";
    (Error::new(Kind::ProviderUnreachable, public).with_source(error), Some(Failure::NotConnected))
}

fn broken(error: impl std::error::Error + Send + Sync + 'static) -> (Error, Option<Failure>) {
    let public = "The connection to the provider broke before it answered";
    (Error::new(Kind::ProviderUnreachable, public).with_source(error), Some(Failure::Broken))
}

fn late() -> Error {
    Error::new(Kind::ProviderTimeout, "The provider did not answer in time")
}

/// A number for the jitter; when the system has none to give, there is no jitter.
fn random() -> u64 {
    getrandom::u64().unwrap_or_default()
}

impl Transport for Client {
    fn send(&self, mut request: Request) -> BoxFuture<'_, Result<Response>> {
        Box::pin(async move { self.run(&mut request).await })
    }
}
