//! The control API under `/_control`: what tests and the demo may do that no client of the real provider could.
//!
//! Bodies and answers are JSON; an unknown member is refused with 400.
//!
//! | request | effect |
//! |---|---|
//! | `POST /_control/faults` | sets one [`Fault`] or a list of them; answers `{"faults": […]}` |
//! | `GET`, `DELETE /_control/faults` | lists or clears the faults |
//! | `POST /_control/tokens/expire` | every access token issued so far is expired; answers `{"affected": n}` |
//! | `POST /_control/tokens/revoke` | every access token issued so far is revoked |
//! | `POST /_control/refresh/revoke` | every refresh token issued so far is dead |
//! | `POST /_control/settings` | `{"auto_approve": bool?, "access_seconds": n or null?}` |
//! | `POST /_control/clock` | `{"advance_s": n}` moves the imitation's time ahead |
//! | `GET /_control/counters` | see [`Counters`]; `DELETE` sets them to nothing |
//! | `GET`, `DELETE /_control/log` | `{"calls": [Call …]}`, the last 10 000 [`Call`]s, oldest first |
//! | `POST /_control/code` | `{"redirect_uri": …, "scope": …?, "account": n?}` gives `{"code": …}` without a browser |
//! | `POST /_control/virtual` | (dropbox, box) `{"path": "/a/b.bin", "size": n, "account": n?}` makes a file of any size that takes no room; answers its metadata |
//! | `POST /_control/reset` | everything back to the start, the tokens included |

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::{ConnectInfo, MatchedPath, Request, State},
    middleware::Next,
    response::Response,
    routing::{get, post},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    core::{Core, Provider, hold},
    faults::{Fault, Reset},
    http,
    oauth::CodeRequest,
    wire::Line,
};

/// How many calls the log keeps.
const LOG_LIMIT: usize = 10_000;

/// One recorded call.
#[derive(Clone, Debug, Serialize)]
pub struct Call {
    /// Counts from 1.
    pub number: u64,
    /// The method, in capitals.
    pub method: String,
    /// The path as it was sent.
    pub path: String,
    /// The query string as it was sent.
    pub query: Option<String>,
    /// The request headers, the authorization header's value apart from its scheme.
    pub headers: BTreeMap<String, String>,
    /// The status that was answered; absent when the connection was reset.
    pub status: Option<u16>,
    /// When the call came in, RFC 3339.
    pub at: String,
}

/// What has been counted since the start or the last reset.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Counters {
    /// All calls, the control API's apart.
    pub total: u64,
    /// Calls by method and route template, e.g. `GET /2.0/folders/{id}`.
    pub routes: BTreeMap<String, u64>,
    /// Answers by status; `reset` for broken connections.
    pub statuses: BTreeMap<String, u64>,
    /// The most calls that were under way at the same time.
    pub max_concurrent: u64,
    /// Calls of the token endpoint by grant type.
    pub token_calls: BTreeMap<String, u64>,
    /// Calls of the token endpoint that were refused.
    pub token_refusals: u64,
    /// The most calls of the token endpoint that were under way at the same time.
    pub max_concurrent_token_calls: u64,
    /// How often a refresh token was presented that was dead already.
    pub spent_refresh_presentations: u64,
}

/// Counters and log of one imitation.
#[derive(Default)]
pub(crate) struct Calls {
    record: Mutex<Record>,
    under_way: AtomicU64,
    tokens_under_way: AtomicU64,
}

#[derive(Default)]
struct Record {
    counters: Counters,
    log: VecDeque<Call>,
}

impl Calls {
    pub(crate) fn token_call(&self, grant_type: &str) {
        *hold(&self.record).counters.token_calls.entry(grant_type.to_owned()).or_default() += 1;
    }

    pub(crate) fn token_refused(&self) {
        hold(&self.record).counters.token_refusals += 1;
    }

    /// Records the start of a call; the end is recorded when what is returned goes away.
    fn begin(&self, token_endpoint: bool) -> UnderWay<'_> {
        let all = self.under_way.fetch_add(1, Ordering::Relaxed) + 1;
        let tokens = u64::from(token_endpoint);
        let tokens = self.tokens_under_way.fetch_add(tokens, Ordering::Relaxed) + tokens;
        let counters = &mut hold(&self.record).counters;
        counters.total += 1;
        counters.max_concurrent = counters.max_concurrent.max(all);
        counters.max_concurrent_token_calls = counters.max_concurrent_token_calls.max(tokens);
        UnderWay { calls: self, token_endpoint }
    }

    fn record(&self, route: String, mut call: Call) {
        let record = &mut *hold(&self.record);
        *record.counters.routes.entry(route).or_default() += 1;
        let status = call.status.map_or_else(|| "reset".to_owned(), |status| status.to_string());
        *record.counters.statuses.entry(status).or_default() += 1;
        call.number = record.log.back().map_or(1, |last| last.number + 1);
        record.log.push_back(call);
        if record.log.len() > LOG_LIMIT {
            record.log.pop_front();
        }
    }

    pub(crate) fn counters(&self, core: &Core) -> Counters {
        let mut counters = hold(&self.record).counters.clone();
        counters.spent_refresh_presentations = core.oauth.spent_presentations();
        counters
    }

    pub(crate) fn log(&self) -> Vec<Call> {
        hold(&self.record).log.iter().cloned().collect()
    }

    fn clear_counters(&self) {
        hold(&self.record).counters = Counters::default();
    }

    fn clear_log(&self) {
        hold(&self.record).log.clear();
    }
}

struct UnderWay<'a> {
    calls: &'a Calls,
    token_endpoint: bool,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.calls.under_way.fetch_sub(1, Ordering::Relaxed);
        self.calls.tokens_under_way.fetch_sub(u64::from(self.token_endpoint), Ordering::Relaxed);
    }
}

/// The provider's parts that the middleware and the control API need.
pub(crate) struct Controlled {
    pub(crate) core: Arc<Core>,
    pub(crate) provider: Arc<ProviderParts>,
}

/// See [`Provider`].
pub(crate) struct ProviderParts {
    reset: Box<dyn Fn() + Send + Sync>,
    failure: fn(u16, Option<u64>) -> Response,
}

impl Controlled {
    /// Splits a provider into its routes and the parts kept here.
    pub(crate) fn new(core: Arc<Core>, provider: Provider) -> (Router, Self) {
        let parts = ProviderParts { reset: provider.reset, failure: provider.failure };
        (provider.router, Self { core, provider: Arc::new(parts) })
    }

    /// Puts everything back to the start.
    pub(crate) fn reset(&self) {
        (self.provider.reset)();
        self.core.oauth.reset();
        self.core.faults.clear();
        self.core.calls.clear_counters();
        self.core.calls.clear_log();
    }
}

/// Counts, records and, where a fault is set, breaks the call.
pub(crate) async fn observe(
    State(controlled): State<Arc<Controlled>>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: Request,
    next: Next,
) -> Response {
    let core = &controlled.core;
    let path = request.uri().path().to_owned();
    if path.starts_with("/_control/") {
        // A switch of the provider's own module.
        return next.run(request).await;
    }
    let method = request.method().clone();
    let template = request.extensions().get::<MatchedPath>().map_or(path.as_str(), MatchedPath::as_str);
    let route = format!("{method} {template}");
    let mut call = Call {
        number: 0,
        method: method.to_string(),
        path: path.clone(),
        query: request.uri().query().map(str::to_owned),
        headers: headers(&request),
        status: None,
        at: core.now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
    };
    let under_way = core.calls.begin(core.oauth.rules.token_paths.contains(&path.as_str()));
    let fault = core.faults.take(&method, &path);
    let answer = match &fault {
        Some(fault) => {
            if fault.latency_ms > 0 {
                tokio::time::sleep(Duration::from_millis(fault.latency_ms)).await;
            }
            match (fault.reset, fault.status) {
                (Some(Reset::Before), _) => None,
                (None, Some(status)) => Some(failure(&controlled, fault, status)),
                (reset, _) => {
                    let answer = next.run(request).await;
                    if reset.is_some() { None } else { Some(fault.spoil(answer).await) }
                }
            }
        }
        None => Some(next.run(request).await),
    };
    call.status = answer.as_ref().map(|answer| answer.status().as_u16());
    core.calls.record(route, call);
    drop(under_way);
    answer.unwrap_or_else(|| {
        line.reset();
        http::empty(500)
    })
}

fn failure(controlled: &Controlled, fault: &Fault, status: u16) -> Response {
    let answer = match &fault.body {
        Some(Value::String(text)) => http::raw(status, "text/plain; charset=utf-8", text.clone()),
        Some(body) => http::json(status, body),
        None => (controlled.provider.failure)(status, fault.retry_after),
    };
    match fault.retry_after {
        Some(seconds) => http::with_header(answer, axum::http::header::RETRY_AFTER, &seconds.to_string()),
        None => answer,
    }
}

fn headers(request: &Request) -> BTreeMap<String, String> {
    let text = |value: &axum::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    request
        .headers()
        .iter()
        .map(|(name, value)| match name.as_str() {
            "authorization" => {
                let scheme = text(value).split(' ').next().unwrap_or_default().to_owned();
                (name.to_string(), format!("{scheme} …"))
            }
            name => (name.to_owned(), text(value)),
        })
        .collect()
}

/// The control API's routes.
pub(crate) fn router(controlled: &Arc<Controlled>) -> Router {
    Router::new()
        .route("/_control/faults", get(list_faults).post(add_faults).delete(clear_faults))
        .route("/_control/tokens/expire", post(expire))
        .route("/_control/tokens/revoke", post(revoke))
        .route("/_control/refresh/revoke", post(revoke_refresh))
        .route("/_control/settings", post(settings))
        .route("/_control/clock", post(clock))
        .route("/_control/counters", get(counters).delete(clear_counters))
        .route("/_control/log", get(log).delete(clear_log))
        .route("/_control/code", post(code))
        .route("/_control/reset", post(reset))
        .with_state(Arc::clone(controlled))
}

type Control = State<Arc<Controlled>>;

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    Many(Vec<Fault>),
    One(Box<Fault>),
}

async fn add_faults(State(controlled): Control, body: Bytes) -> Response {
    with(&body, |faults: OneOrMany| {
        match faults {
            OneOrMany::Many(faults) => controlled.core.faults.add(faults),
            OneOrMany::One(fault) => controlled.core.faults.add([*fault]),
        }
        faults_answer(&controlled)
    })
}

async fn list_faults(State(controlled): Control) -> Response {
    faults_answer(&controlled)
}

async fn clear_faults(State(controlled): Control) -> Response {
    controlled.core.faults.clear();
    faults_answer(&controlled)
}

fn faults_answer(controlled: &Controlled) -> Response {
    http::json(200, &json!({ "faults": controlled.core.faults.list() }))
}

async fn expire(State(controlled): Control) -> Response {
    http::json(200, &json!({ "affected": controlled.core.oauth.expire_access_tokens() }))
}

async fn revoke(State(controlled): Control) -> Response {
    http::json(200, &json!({ "affected": controlled.core.oauth.revoke_access_tokens() }))
}

async fn revoke_refresh(State(controlled): Control) -> Response {
    http::json(200, &json!({ "affected": controlled.core.oauth.revoke_refresh_tokens() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewSettings {
    auto_approve: Option<bool>,
    /// A number, or null for the provider's own.
    #[serde(default, deserialize_with = "given")]
    access_seconds: Option<Value>,
}

/// Tells an explicit null from an absent member.
fn given<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

async fn settings(State(controlled): Control, body: Bytes) -> Response {
    with(&body, |new: NewSettings| {
        let oauth = &controlled.core.oauth;
        if let Some(automatic) = new.auto_approve {
            oauth.set_auto_approve(automatic);
        }
        match new.access_seconds.as_ref().map(|seconds| (seconds.is_null(), seconds.as_i64())) {
            Some((false, None)) => {
                return http::json(400, &json!({ "error": "access_seconds must be a number or null" }));
            }
            Some((_, seconds)) => oauth.set_access_seconds(seconds),
            None => {}
        }
        let body = json!({ "auto_approve": oauth.auto_approve(), "access_seconds": oauth.access_seconds() });
        http::json(200, &body)
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_s: u32,
}

async fn clock(State(controlled): Control, body: Bytes) -> Response {
    with(&body, |advance: Advance| {
        controlled.core.clock().advance(i64::from(advance.advance_s));
        http::json(200, &json!({ "now": controlled.core.now().to_rfc3339() }))
    })
}

async fn counters(State(controlled): Control) -> Response {
    http::json(200, &json!(controlled.core.calls.counters(&controlled.core)))
}

async fn clear_counters(State(controlled): Control) -> Response {
    controlled.core.calls.clear_counters();
    controlled.core.oauth.clear_spent_presentations();
    http::empty(204)
}

async fn log(State(controlled): Control) -> Response {
    http::json(200, &json!({ "calls": controlled.core.calls.log() }))
}

async fn clear_log(State(controlled): Control) -> Response {
    controlled.core.calls.clear_log();
    http::empty(204)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewCode {
    redirect_uri: String,
    scope: Option<String>,
    account: Option<u32>,
}

async fn code(State(controlled): Control, body: Bytes) -> Response {
    with(&body, |new: NewCode| {
        let mut request = CodeRequest::new(&new.redirect_uri).account(new.account.unwrap_or(1));
        request.scope = new.scope;
        match controlled.core.oauth.code(&request) {
            Ok(code) => http::json(200, &json!({ "code": code })),
            Err(refusal) => http::json(400, &json!({ "error": refusal.describe() })),
        }
    })
}

async fn reset(State(controlled): Control) -> Response {
    controlled.reset();
    http::empty(204)
}

/// Reads a control request's body.
fn with<T: DeserializeOwned>(body: &[u8], act: impl FnOnce(T) -> Response) -> Response {
    match serde_json::from_slice(body) {
        Ok(value) => act(value),
        Err(error) => http::json(400, &json!({ "error": error.to_string() })),
    }
}
