//! Entries, and what came of asking for one.

use std::{
    fmt,
    str::FromStr as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest as _, Sha256};

use super::{Policy, generation::Generation};

/// An answer as it is computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers to give back with it, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Bytes,
    /// When it was computed, if that was done before, by another node.
    pub stored_at: Option<DateTime<Utc>>,
}

/// An answer as it is kept.
pub struct Entry {
    /// The status code.
    pub status: u16,
    /// The headers to give back with it.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Bytes,
    /// The strong entity tag of the body, quotes included.
    pub etag: String,
    /// When it was computed.
    pub stored_at: DateTime<Utc>,
    /// How long it is good.
    pub ttl: Duration,
    /// How long past its end it may stand in for a provider that fails.
    pub stale_if_error: Duration,
    /// The headers and the entity tag, as they are sent.
    ready: HeaderMap,
    pub(super) generation: Generation,
    pub(super) sequence: u64,
    /// Whether another node computed it.
    pub(super) shared: bool,
    /// Whether it was kept, and is no more.
    gone: AtomicBool,
}

/// How an answer was come by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// From an entry.
    Hit,
    /// Computed: there was no entry.
    Miss,
    /// Computed by another request that asked the same at the same time.
    Coalesced,
    /// Computed: the entry was too old.
    Expired,
    /// Computed: the request wanted it so.
    Request,
    /// From an entry past its end: the provider failed.
    Stale,
}

/// An answer and how it was come by.
#[derive(Debug, Clone)]
pub struct Found {
    /// The answer; also one that is not kept comes in this form.
    pub entry: Arc<Entry>,
    /// How it was come by.
    pub outcome: Outcome,
    /// Whether it is kept from now on.
    pub stored: bool,
}

/// The strong entity tag of `body`, quotes included: half a SHA-256, as hex.
pub fn etag(body: &[u8]) -> String {
    let digest: [u8; 32] = Sha256::digest(body).into();
    let (half, _) = digest.split_at(16);
    format!("\"{}\"", hex::encode(half))
}

/// Headers that an answer from the cache is given room for at once.
const READY: usize = 24;

/// The headers as they are sent; what no header can carry is left out.
fn ready(headers: &[(String, String)], etag: &str) -> HeaderMap {
    let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    headers
        .chain([("etag", etag)])
        .filter_map(|(name, value)| Some((HeaderName::from_str(name).ok()?, HeaderValue::from_str(value).ok()?)))
        .collect()
}

impl fmt::Debug for Entry {
    // Bodies are the customers' data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("status", &self.status)
            .field("etag", &self.etag)
            .field("stored_at", &self.stored_at)
            .finish_non_exhaustive()
    }
}

impl Entry {
    pub(super) fn new(
        answer: Answer,
        policy: &Policy,
        stored_at: DateTime<Utc>,
        generation: Generation,
        sequence: u64,
    ) -> Self {
        let Answer { status, headers, body, stored_at: earlier } = answer;
        let etag = etag(&body);
        let ready = ready(&headers, &etag);
        let shared = earlier.is_some();
        // The other node's clock may be a little ahead of ours.
        let stored_at = earlier.map_or(stored_at, |earlier| earlier.min(stored_at));
        let Policy { ttl, stale_if_error, .. } = *policy;
        let gone = AtomicBool::new(false);
        Self { status, headers, body, etag, stored_at, ttl, stale_if_error, ready, generation, sequence, shared, gone }
    }

    /// The headers to give back, the entity tag among them, with room for what an answer carries besides.
    pub fn ready_headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(READY);
        headers.extend(self.ready.iter().map(|(name, value)| (name.clone(), value.clone())));
        headers
    }

    /// It is not kept any more: another took its place, or there was no room.
    pub(super) fn leave(&self) {
        self.gone.store(true, Ordering::Release);
    }

    pub(super) fn has_left(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// How old it is; zero when the clock went back.
    pub fn age(&self, now: DateTime<Utc>) -> Duration {
        (now - self.stored_at).to_std().unwrap_or_default()
    }

    /// Whether it may be given out. One from the future is not: the clock was moved, its age is unknown.
    pub(super) fn is_fresh(&self, now: DateTime<Utc>, max_age: Option<Duration>) -> bool {
        let age = self.age(now);
        now >= self.stored_at && age < self.ttl && max_age.is_none_or(|most| age <= most)
    }

    /// Whether it may be given out in place of a provider that fails, by what it was kept with and by what holds now.
    pub(super) fn stands_in(&self, now: DateTime<Utc>, stale_if_error: Duration) -> bool {
        let longest = self.ttl.saturating_add(self.stale_if_error.min(stale_if_error));
        now >= self.stored_at && self.age(now) < longest
    }

    pub(super) fn weight(&self) -> usize {
        const OVERHEAD: usize = 200;
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len() + 48).sum();
        OVERHEAD + self.etag.len() + headers + self.body.len()
    }
}

impl Outcome {
    /// The word for it in metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Coalesced => "coalesced",
            Self::Expired => "expired",
            Self::Request => "request",
            Self::Stale => "stale",
        }
    }
}

impl Found {
    /// The value of `Cache-Status` (RFC 9211).
    pub fn cache_status(&self, now: DateTime<Utc>) -> String {
        let how = match self.outcome {
            Outcome::Hit => {
                let left = self.entry.ttl.saturating_sub(self.entry.age(now));
                return format!("hubgate; hit; ttl={}", left.as_secs());
            }
            Outcome::Stale => {
                let over = self.entry.age(now).saturating_sub(self.entry.ttl);
                return format!("hubgate; fwd=stale; ttl=-{}; detail=stale-if-error", over.as_secs());
            }
            Outcome::Miss => "fwd=uri-miss",
            Outcome::Coalesced => "fwd=uri-miss; collapsed",
            Outcome::Expired => "fwd=stale",
            Outcome::Request => "fwd=request",
        };
        format!("hubgate; {how}{}", if self.stored { "; stored" } else { "" })
    }

    /// The value of `Age` in seconds; `None` for an answer that came straight from the provider.
    pub fn age_s(&self, now: DateTime<Utc>) -> Option<u64> {
        matches!(self.outcome, Outcome::Hit | Outcome::Stale).then(|| self.entry.age(now).as_secs())
    }
}
