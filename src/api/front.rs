//! What happens to every request before routing and to every answer after it.
//!
//! In: an id of our own, one `request` span, HTTP strictness, repeated slashes, CORS preflights, the time limit, and a
//! net under panics. Out: the error body, the contract's headers, one log line, the metrics.

mod body;
mod counters;
mod headers;
mod rates;
mod repeat;

use std::{any::Any, cell::RefCell, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header},
    response::IntoResponse,
};
use futures_util::{FutureExt, future::BoxFuture};
use hyper::body::Incoming;
use tokio::{sync::Semaphore, time::Instant};
use tower::ServiceExt;
use tracing::Instrument;

pub(super) use self::{body::Guard, rates::Ledger, repeat::Repeatable};
use self::{
    body::{Guarded, Progress, TooSlow, Watched},
    counters::Counters,
    repeat::Repeats,
};
use super::{
    Route,
    error::{self, Failure},
    extract::{Deadline, RequestId},
    hubs,
    server::Calls,
};
use crate::{
    app::App,
    error::{Error, Kind},
    telemetry::{Answered, metric},
};

/// How much longer than its deadline a request may take before it is cut off from outside.
const GRACE: Duration = Duration::from_secs(2);

/// The outermost layer of one listener.
#[derive(Debug, Clone)]
pub struct Front {
    app: App,
    router: Router,
    access_log: bool,
    serves_hubs: bool,
    slots: Arc<Semaphore>,
    counters: Arc<Counters>,
    repeats: Arc<Repeats>,
}

impl Front {
    /// Puts itself before `router`. Without `access_log`, answers are logged at `debug` only.
    pub fn new(app: App, router: Router, access_log: bool) -> Self {
        let slots = Arc::new(Semaphore::new(app.config.server.max_in_flight.min(Semaphore::MAX_PERMITS)));
        let (counters, repeats) = Default::default();
        Self { app, router, access_log, serves_hubs: false, slots, counters, repeats }
    }

    /// What it serves.
    #[cfg(test)]
    pub(super) fn app(&self) -> &App {
        &self.app
    }

    /// The outermost layer of the API. What calls of hubs need not have of the router they do without.
    pub(super) fn of_api(app: App) -> Self {
        let router = super::router(app.clone());
        Self { serves_hubs: true, ..Self::new(app, router, true) }
    }

    /// Answers one request of a connection with `calls`; `guard` lives until the answer's body has been sent.
    pub(super) fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        calls: Calls,
        guard: Guard,
    ) -> impl Future<Output = Response<Body>> + Send + 'static {
        // What waits for nothing is done before the future is made: it would keep what it was given beside what it made of it.
        let id = new_id();
        let span = tracing::info_span!("request", request_id = %id);
        let entered = span.enter();
        let started = Instant::now();
        let method = request.method().clone();
        let origin = request.headers().get(header::ORIGIN).cloned();
        let (parts, incoming) = request.into_parts();
        let progress = Arc::new(Progress::new(&incoming, self.app.config.server.body_timeout(), calls.clone()));
        let discards = !parts.headers.contains_key(header::EXPECT);
        let body = if progress.is_complete() {
            Body::empty()
        } else {
            Body::new(Watched::new(incoming, Arc::clone(&progress), discards))
        };
        let request = Request::from_parts(parts, body);
        let ledger = self.app.rates.any().then(Ledger::default);
        let slot = Arc::clone(&self.slots).try_acquire_owned().ok();
        let admitted = if slot.is_some() || is_probe(request.uri()) {
            self.admit(request, &id, started, ledger.as_ref(), &progress)
        } else {
            progress.be_curt();
            Err(Box::new(Failure(overloaded()).into_response()))
        };
        let handled = admitted.map(|request| self.handle(request));
        drop(entered);
        async move {
            let mut response = match handled {
                Ok(handled) => self.run(handled, &progress).await,
                Err(response) => *response,
            };
            if let Some(ledger) = ledger {
                ledger.write(response.headers_mut());
            }
            self.finish(&mut response, &method, &id, started);
            headers::add_contract(response.headers_mut(), &id, origin.as_ref(), &self.app.config.server);
            self.remember(&calls, &mut response);
            response.map(|body| Body::new(Guarded::new(body, Box::new((guard, slot)))))
        }
        .instrument(span)
    }

    /// What goes on to the router, or the answer already.
    fn admit(
        &self,
        mut request: Request<Body>,
        id: &Arc<str>,
        started: Instant,
        ledger: Option<&Ledger>,
        progress: &Progress,
    ) -> Result<Request<Body>, Box<Response<Body>>> {
        let refuse = |error| Box::new(Failure(error).into_response());
        check_framing(&request).map_err(|error| {
            progress.be_curt();
            let mut refused = refuse(error);
            // Where this request ends is in doubt, so nothing after it is read.
            refused.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            refused
        })?;
        if let Some(preflight) = headers::preflight(&request) {
            return Err(Box::new(preflight));
        }
        if let Some(uri) = tidy_path(request.uri()).map_err(refuse)? {
            *request.uri_mut() = uri;
        }
        request.extensions_mut().insert(RequestId(Arc::clone(id)));
        if let Some(ledger) = ledger {
            request.extensions_mut().insert(ledger.clone());
        }
        request.extensions_mut().insert(Deadline(started + self.app.config.server.request_timeout()));
        Ok(request)
    }

    /// Handles within the time limit and over the net.
    async fn run(&self, handled: BoxFuture<'static, Response<Body>>, progress: &Progress) -> Response<Body> {
        let limit = self.app.config.server.request_timeout() + GRACE;
        let mut handled = AssertUnwindSafe(handled).catch_unwind();
        loop {
            // The clock starts anew with every piece of the body that the handler takes: an upload may be long.
            let until = progress.last() + limit;
            let until = match progress.patience() {
                Ok(due) => due.map_or(until, |due| due.min(until)),
                Err(TooSlow) => return body_too_slow(progress),
            };
            match tokio::time::timeout_at(until, &mut handled).await {
                Ok(Ok(response)) => return response,
                Ok(Err(panic)) => return Failure(panicked(panic.as_ref())).into_response(),
                Err(_) if progress.last() + limit > Instant::now() => {}
                Err(_) if !progress.is_complete() => return body_too_slow(progress),
                Err(_) => return Failure(out_of_time()).into_response(),
            }
        }
    }

    /// Who handles a request, by its path.
    fn handle(&self, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        if self.serves_hubs && hubs::is_call(request.uri().path()) {
            return hubs::call_directly(self.app.clone(), request);
        }
        let routed = self.router.clone().oneshot(request);
        Box::pin(routed.map(|Ok(response)| response))
    }

    fn finish(&self, response: &mut Response<Body>, method: &Method, id: &str, started: Instant) {
        normalise_refusal(response);
        if let Some(kind) = error::render(response, id) {
            let origin = kind.origin().word();
            metrics::counter!(metric::ERRORS, "code" => kind.code(), "origin" => origin).increment(1);
        }
        let route = response.extensions_mut().remove::<Route>();
        let route = route.as_ref().map_or("none", Route::as_str);
        let (status, method) = (response.status().as_u16(), counters::method_word(method));
        let elapsed = started.elapsed();
        self.counters.count(route, method, status, elapsed);
        Answered { request_id: id, method, route, status, elapsed }.log(self.access_log);
    }
}

/// Health checks are answered also when nothing else is: an overloaded process must not be taken for a dead one.
fn is_probe(uri: &Uri) -> bool {
    matches!(uri.path(), "/healthz" | "/readyz")
}

fn overloaded() -> Error {
    Error::new(Kind::Overloaded, "Too many calls are being answered just now").with_retry_after(Duration::from_secs(1))
}

/// 24 hex digits, taken over from no one.
fn new_id() -> Arc<str> {
    /// Ids whose randomness is asked of the machine at once: asking costs a system call.
    const AHEAD: usize = 32;
    thread_local! {
        static STOCK: RefCell<Vec<[u8; 12]>> = const { RefCell::new(Vec::new()) };
    }
    let bytes = STOCK.with_borrow_mut(|stock| {
        stock.pop().unwrap_or_else(|| {
            let mut fresh = [[0_u8; 12]; AHEAD];
            if getrandom::fill(fresh.as_flattened_mut()).is_err() {
                tracing::warn!("the machine's random source fails; request ids are not unique");
            }
            let [first, rest @ ..] = fresh;
            stock.extend(rest);
            first
        })
    });
    let mut digits = [0; 24];
    // Twice as many digits as bytes: neither call can fail.
    let text = hex::encode_to_slice(bytes, &mut digits).ok().and_then(|()| std::str::from_utf8(&digits).ok());
    text.unwrap_or_default().into()
}

/// RFC 9112 section 3.2 (exactly one `Host`) and 6.1 (one framing), which hyper leaves to us.
fn check_framing(request: &Request<Body>) -> Result<(), Error> {
    let headers = request.headers();
    let hosts = headers.get_all(header::HOST).iter().count();
    if hosts > 1 || (hosts == 0 && request.version() == Version::HTTP_11) {
        return Err(Error::bad_request("An HTTP/1.1 request has exactly one Host header"));
    }
    if headers.contains_key(header::TRANSFER_ENCODING) && headers.contains_key(header::CONTENT_LENGTH) {
        return Err(Error::bad_request("A request has either Transfer-Encoding or Content-Length"));
    }
    Ok(())
}

/// The path without repeated and trailing slashes, if it has any.
fn tidy_path(uri: &Uri) -> Result<Option<Uri>, Error> {
    let path = uri.path();
    let tidy = !path.contains("//") && (path.len() == 1 || !path.ends_with('/'));
    if tidy || !path.starts_with('/') {
        return Ok(None);
    }
    let mut target = path.split('/').filter(|segment| !segment.is_empty()).fold(String::new(), |mut path, segment| {
        path.push('/');
        path.push_str(segment);
        path
    });
    if target.is_empty() {
        target.push('/');
    }
    if let Some(query) = uri.query() {
        target.push('?');
        target.push_str(query);
    }
    target.parse().map(Some).map_err(|_| Error::bad_request("The path cannot be read"))
}

/// A refusal that did not come through [`Failure`] (axum's own) gets the one shape, too.
fn normalise_refusal(response: &mut Response<Body>) {
    let status = response.status();
    if error::is_carried(response) || !(status.is_client_error() || status.is_server_error()) {
        return;
    }
    let typed = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if typed.is_some_and(|value| !value.starts_with("text/plain")) {
        return;
    }
    let kind = match status {
        StatusCode::PAYLOAD_TOO_LARGE => Kind::PayloadTooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Kind::UnsupportedMediaType,
        StatusCode::METHOD_NOT_ALLOWED => Kind::MethodNotAllowed,
        StatusCode::NOT_FOUND => Kind::NotFound,
        status if status.is_client_error() => Kind::BadRequest,
        _ => Kind::Internal,
    };
    let text = status.canonical_reason().unwrap_or("The request was refused");
    error::carry(response, Error::new(kind, text));
}

fn panicked(panic: &(dyn Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    // The text of a panic can quote data; its place is in the log already, by the panic hook.
    Error::internal(format!("a handler panicked ({} bytes of text withheld)", text.len()))
}

fn out_of_time() -> Error {
    Error::new(Kind::ProviderTimeout, "The request could not be answered in time")
}

/// What is still to come of the body is not waited for, so nothing can follow it on this connection.
fn body_too_slow(progress: &Progress) -> Response<Body> {
    progress.be_curt();
    let refused = Failure(Error::new(Kind::RequestTimeout, "The request's body did not arrive in time"));
    ([(header::CONNECTION, "close")], refused).into_response()
}

#[cfg(test)]
mod tests {
    use axum::http::request::Builder;

    use super::*;

    fn tidied(path: &str) -> Option<String> {
        tidy_path(&path.parse().unwrap()).unwrap().map(|uri| uri.to_string())
    }

    #[test]
    fn slashes_are_collapsed_in_the_path_alone() {
        assert_eq!(tidied("/a//b///c/?path=//x/"), Some("/a/b/c?path=//x/".to_owned()));
        assert_eq!(tidied("//"), Some("/".to_owned()));
        assert_eq!(tidied("/a/b"), None);
        assert_eq!(tidied("/"), None);
        assert_eq!(tidied("/a/%2F%2Fb"), None);
    }

    #[test]
    fn ids_are_24_hex_digits() {
        let id = new_id();
        assert_eq!(id.len(), 24);
        assert!(id.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_ne!(id, new_id());
    }

    fn framing(request: Builder) -> bool {
        check_framing(&request.body(Body::empty()).unwrap()).is_ok()
    }

    #[test]
    fn framing_is_strict() {
        assert!(framing(Request::builder().header("host", "a")));
        assert!(!framing(Request::builder()));
        assert!(framing(Request::builder().version(Version::HTTP_10)));
        assert!(framing(Request::builder().version(Version::HTTP_2)));
        assert!(!framing(Request::builder().header("host", "a").header("host", "a")));
        let both = Request::builder().header("host", "a").header("transfer-encoding", "chunked");
        assert!(!framing(both.header("content-length", "3")));
    }
}
