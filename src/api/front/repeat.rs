//! Reads that are the same byte for byte as one answered from the cache before.
//!
//! What a request says follows from its bytes, so a request that repeats another need not be read again: it is answered by the
//! connection itself, without routing, a header map or a span. Each thread remembers the heads of some such reads, each with
//! what its answer has in common with the next one. Whether it may be given again is decided every time, as for every other
//! hit: the instance's record must be the one of then, the catalog, the entry, its age and its generation.

use std::{cell::RefCell, sync::Arc, time::SystemTime};

use axum::{
    body::Body,
    http::{HeaderName, Request, Response, StatusCode, Version, header},
};
use bytes::Bytes;
use hyper::body::Body as _;
use secrecy::{ExposeSecret, SecretSlice};
use tokio::time::Instant;

use super::{Front, counters::Tally, headers::REQUEST_ID, new_id};
use crate::{
    api::{
        Route, auth, hubs,
        server::{self, Calls},
    },
    app::App,
    gateway::{Again, Said},
    instance::Met,
    recent::Recent,
    telemetry::Answered,
};

/// Heads that each thread remembers with their answers; they have an end of their own when the instance's record is read anew.
const RECENT: usize = 256;
/// Heads that each thread remembers to have seen once.
const SEEN: usize = 2048;

/// What is remembered.
#[derive(Debug)]
pub(super) struct Repeats {
    /// What came once is not remembered whole: many callers give each request an id of its own.
    seen: Recent<()>,
    known: Recent<Repeat>,
}

/// A read and its answer.
struct Repeat {
    head: SecretSlice<u8>,
    met: Met,
    again: Arc<Again>,
    /// The answer's head, without its empty line and what differs every time.
    lines: Box<[u8]>,
    status: u16,
    tally: Tally,
}

/// How an answer that was just given can be given again.
#[derive(Debug, Clone)]
pub(in crate::api) struct Repeatable {
    met: Met,
    again: Arc<Again>,
}

/// What an answer is not remembered with, for it is another every time.
const PASSING: [HeaderName; 6] = [
    header::AGE,
    header::DATE,
    HeaderName::from_static("cache-status"),
    HeaderName::from_static("ratelimit"),
    HeaderName::from_static("ratelimit-policy"),
    REQUEST_ID,
];

impl Default for Repeats {
    fn default() -> Self {
        Self { seen: Recent::new(SEEN), known: Recent::new(RECENT) }
    }
}

impl Repeats {
    /// Whether this thread has seen this head before.
    fn has_seen(&self, head: &[u8]) -> bool {
        let seen = self.seen.read(head, |()| Some(())).is_some();
        if !seen {
            self.seen.put(head, ());
        }
        seen
    }
}

impl Repeatable {
    /// `None` for a request that is not to be known by its bytes.
    pub(in crate::api) fn of(app: &App, request: &Request<Body>, again: Again) -> Option<Self> {
        // Limits count every call.
        let may = !app.rates.any() && hubs::is_call(request.uri().path()) && asks_only_for_an_answer(request);
        let met = if may { app.directory.met(auth::only_token(request.headers())?) } else { None };
        met.map(|met| Self { met, again: Arc::new(again) })
    }
}

/// Whether all that the request, a GET, asks of its connection is to stay open.
fn asks_only_for_an_answer(request: &Request<Body>) -> bool {
    let headers = request.headers();
    let mut connection = headers.get_all(header::CONNECTION).iter();
    request.version() == Version::HTTP_11
        && request.body().is_end_stream()
        && connection.all(|value| value.as_bytes().eq_ignore_ascii_case(b"keep-alive"))
        && ![header::EXPECT, header::UPGRADE, header::TRANSFER_ENCODING].iter().any(|name| headers.contains_key(name))
}

impl Front {
    /// Remembers how to give `response` again to the call that began last, if it can be and the call came before.
    pub(super) fn remember(&self, calls: &Calls, response: &mut Response<Body>) {
        let Some(Repeatable { met, again }) = response.extensions_mut().remove::<Repeatable>() else { return };
        calls.with_head(|head| {
            let status = response.status().as_u16();
            if self.repeats.has_seen(head)
                && let Some(tally) = self.counters.tally(Route::Hub.as_str(), "GET", status)
            {
                let repeat = Repeat { head: head.to_vec().into(), met, again, lines: lines(response), status, tally };
                self.repeats.known.put(head, repeat);
            }
        });
    }
}

impl server::Repeats for Front {
    fn repeat(&self, head: &[u8], answer: &mut Vec<u8>) -> Option<Bytes> {
        let started = Instant::now();
        self.repeats.known.read(head, |repeat| {
            // Who is told that we stop is told so by hyper.
            let holds = repeat.head.expose_secret() == head
                && self.app.directory.knows(&repeat.met)
                && !self.app.shutdown.is_cancelled();
            let said = if holds { self.app.gateway.again(&repeat.again) } else { None }?;
            let request_id = new_id();
            write(answer, repeat, &said, &request_id);
            let elapsed = started.elapsed();
            repeat.tally.count(elapsed);
            let (route, status) = (Route::Hub.as_str(), repeat.status);
            Answered { request_id: &request_id, method: "GET", route, status, elapsed }.log(self.access_log);
            Some(said.body)
        })
    }
}

/// The head of an answer with what it has in common with the next.
fn lines(response: &Response<Body>) -> Box<[u8]> {
    let status = response.status();
    let mut lines =
        format!("HTTP/1.1 {} {}\r\n", status.as_u16(), status.canonical_reason().unwrap_or_default()).into_bytes();
    for (name, value) in response.headers().iter().filter(|(name, _)| !PASSING.contains(name)) {
        put(&mut lines, name.as_str(), value.as_bytes());
    }
    if status != StatusCode::NOT_MODIFIED
        && let Some(length) = response.body().size_hint().exact()
    {
        put(&mut lines, header::CONTENT_LENGTH.as_str(), itoa::Buffer::new().format(length).as_bytes());
    }
    lines.into_boxed_slice()
}

fn put(lines: &mut Vec<u8>, name: &str, value: &[u8]) {
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        lines.extend_from_slice(part);
    }
}

fn write(answer: &mut Vec<u8>, repeat: &Repeat, said: &Said, id: &str) {
    answer.extend_from_slice(&repeat.lines);
    put(answer, REQUEST_ID.as_str(), id.as_bytes());
    for (name, value) in &said.headers {
        put(answer, name.as_str(), value.as_bytes());
    }
    with_date(|date| put(answer, header::DATE.as_str(), date.as_bytes()));
    answer.extend_from_slice(b"\r\n");
}

/// Gives the time as the `Date` header has it (RFC 9110 section 5.6.7), written once a second by each thread.
fn with_date<R>(read: impl FnOnce(&str) -> R) -> R {
    thread_local! {
        static LAST: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
    }
    let now = SystemTime::now();
    let second = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    LAST.with_borrow_mut(|(last, text)| {
        if *last != second || text.is_empty() {
            (*last, *text) = (second, httpdate::fmt_http_date(now));
        }
        read(text)
    })
}
