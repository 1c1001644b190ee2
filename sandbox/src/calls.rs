//! Counting and recording calls, and breaking those that a fault is set for.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    body::{Body, HttpBody},
    extract::{ConnectInfo, MatchedPath, Request, State},
    http::{HeaderMap, header},
    middleware::Next,
    response::Response,
};
use futures_util::StreamExt;
use serde::Serialize;
use serde_json::Value;

use crate::{
    control::Controlled,
    core::{Core, hold},
    faults::{Fault, Reset},
    http,
    kept::Kept,
    quota::Standing,
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
    /// The answer's headers.
    pub response_headers: BTreeMap<String, String>,
    /// The start of the request's body; absent unless the control API has asked for bodies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_body: Option<Kept>,
    /// The start of the answer's body; absent unless the control API has asked for bodies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_body: Option<Kept>,
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
    /// How much of each body is kept; 0 for nothing.
    bodies: AtomicUsize,
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

    pub(crate) fn clear_counters(&self) {
        hold(&self.record).counters = Counters::default();
    }

    pub(crate) fn clear_log(&self) {
        hold(&self.record).log.clear();
    }

    /// Sets how many bytes of each body the log keeps.
    pub(crate) fn keep_bodies(&self, limit: usize) {
        self.bodies.store(limit, Ordering::Relaxed);
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
        headers: headers(request.headers()),
        status: None,
        at: core.now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        response_headers: BTreeMap::new(),
        request_body: None,
        response_body: None,
    };
    let bodies = core.calls.bodies.load(Ordering::Relaxed);
    let request = if bodies > 0 {
        let (head, body) = request.into_parts();
        let (kept, body) = Kept::of(body, bodies);
        call.request_body = Some(kept);
        Request::from_parts(head, body)
    } else {
        request
    };
    let under_way = core.calls.begin(core.oauth.rules.token_paths.contains(&path.as_str()));
    let fault = core.faults.take(&method, &path, call.query.as_deref().unwrap_or_default());
    let answer = match &fault {
        Some(fault) => {
            if fault.latency_ms > 0 {
                tokio::time::sleep(Duration::from_millis(fault.latency_ms)).await;
            }
            match (fault.reset, fault.status) {
                (Some(Reset::Before), _) => None,
                (None, Some(status)) => Some(failure(&controlled, fault, status)),
                (reset, _) => {
                    let request = match fault.reset_within {
                        Some(limit) => cut(request, limit, line.clone()),
                        None => request,
                    };
                    let answer = next.run(request).await;
                    if reset.is_some() { None } else { Some(fault.spoil(answer).await) }
                }
            }
        }
        None => Some(within_quota(&controlled, &path, request, next).await),
    };
    call.status = answer.as_ref().map(|answer| answer.status().as_u16());
    call.response_headers = answer.as_ref().map(|answer| headers(answer.headers())).unwrap_or_default();
    let answer = match answer {
        Some(answer) if bodies > 0 => {
            let (mut head, body) = answer.into_parts();
            // A body that passes through here has lost its size.
            if let Some(size) = body.size_hint().exact().filter(|_| head.status.as_u16() != 204) {
                head.headers.entry(header::CONTENT_LENGTH).or_insert_with(|| size.into());
            }
            let (kept, body) = Kept::of(body, bodies);
            call.response_body = Some(kept);
            Some(Response::from_parts(head, body))
        }
        answer => answer,
    };
    core.calls.record(route, call);
    drop(under_way);
    answer.unwrap_or_else(|| {
        line.reset();
        http::empty(500)
    })
}

/// Carries the call out, unless a quota that was set is used up; authorization is free of it.
async fn within_quota(controlled: &Controlled, path: &str, request: Request, next: Next) -> Response {
    let (core, rules) = (&controlled.core, &controlled.core.oauth.rules);
    let free = path == rules.authorize_path || rules.token_paths.contains(&path) || rules.revoke_path == Some(path);
    let standing = if free { None } else { core.quotas.count(core.clock().now_ms()) };
    let Some(standing) = standing else { return next.run(request).await };
    let mut answer = if standing.refused {
        (controlled.provider.failure)(Standing::status(rules.name), standing.retry_after(rules.name))
    } else {
        next.run(request).await
    };
    standing.tell(rules.name, &mut answer);
    answer
}

/// The request, its connection reset once `limit` bytes of its body have been read.
fn cut(request: Request, limit: usize, line: Line) -> Request {
    let mut left = limit;
    let (head, body) = request.into_parts();
    let pieces = body.into_data_stream().map(move |piece| {
        let piece = piece?;
        if piece.len() < left {
            left -= piece.len();
            return Ok(piece);
        }
        line.reset();
        Err(axum::Error::new(std::io::Error::from(std::io::ErrorKind::ConnectionReset)))
    });
    Request::from_parts(head, Body::from_stream(pieces))
}

fn failure(controlled: &Controlled, fault: &Fault, status: u16) -> Response {
    let answer = match &fault.body {
        Some(Value::String(text)) => http::raw(status, "text/plain; charset=utf-8", text.clone()),
        Some(body) => http::json(status, body),
        None => (controlled.provider.failure)(status, fault.retry_after),
    };
    match fault.retry_after {
        Some(seconds) => http::with_header(answer, header::RETRY_AFTER, &seconds.to_string()),
        None => answer,
    }
}

fn headers(headers: &HeaderMap) -> BTreeMap<String, String> {
    let text = |value: &axum::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers
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
