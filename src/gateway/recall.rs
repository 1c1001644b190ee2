//! Reads that were answered from the cache before, known again by their text.
//!
//! Between the text of such a read and its entry stand the path's segments, the query, the routes and the key, which cost more
//! than all the rest. Each thread remembers the keys of a few; what they mean is good for as long as the catalog is.

use std::sync::{Arc, OnceLock, Weak};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode, Uri, header};
use metrics::Counter;

use super::{
    Gateway,
    cached::{caches, wishes},
    call::{Answer, Head, Resolved},
};
use crate::{
    cache::{CacheKey, Held, Outcome},
    catalog::{Catalog, hub::Location},
    error::Result,
    recent::Recent,
    store::InstanceRecord,
    telemetry::metric,
};

/// Keys that each thread remembers.
const RECENT: usize = 512;
/// Nothing longer is remembered.
const LONGEST: usize = 1024;

/// What is remembered of reads through the cache.
#[derive(Debug)]
pub struct Recall {
    meanings: Recent<Meaning>,
    /// How often each [`Outcome`] came about; a counter is looked up once.
    outcomes: [OnceLock<Counter>; 6],
}

/// What a read's text meant.
struct Meaning {
    instance: i64,
    /// Path and query.
    asked: Box<str>,
    accept: Option<Box<[u8]>>,
    /// Headers that would change the meaning, had they been there.
    absent: Box<[HeaderName]>,
    catalog: Weak<Catalog>,
    key: CacheKey,
    /// As [`Element::reports_budgets`](crate::catalog::Element::reports_budgets) says.
    reports: bool,
}

/// A read that was answered from the cache, to be answered in the same way again.
#[derive(Debug)]
pub struct Again {
    instance: i64,
    reports: bool,
    catalog: Weak<Catalog>,
    held: Held,
    /// Whether the caller has the body.
    unchanged: bool,
}

/// What differs between an answer and the one before it.
#[derive(Debug)]
pub struct Said {
    /// The whole body; empty where the caller has it.
    pub body: Bytes,
    /// Headers that are not the same every time.
    pub headers: Vec<(HeaderName, String)>,
}

impl Default for Recall {
    fn default() -> Self {
        Self { meanings: Recent::new(RECENT), outcomes: Default::default() }
    }
}

impl Recall {
    pub(super) fn count(&self, outcome: Outcome) {
        if let Some(place) = self.outcomes.get(outcome as usize) {
            place.get_or_init(|| metrics::counter!(metric::CACHE_REQUESTS, "outcome" => outcome.word())).increment(1);
        }
    }
}

impl Meaning {
    /// `None` where it takes more than its text and the instance to tell what is asked.
    fn of(head: &Head, resolved: &Resolved, catalog: &Arc<Catalog>, key: &CacheKey) -> Option<Self> {
        let asked = head.uri.as_ref()?.path_and_query()?.as_str();
        let accept = accept(&head.headers);
        let parameters = resolved.operation.parameters.iter().filter(|one| one.location == Location::Header);
        let absent = parameters.map(|one| HeaderName::try_from(&one.name)).collect::<Result<Box<[_]>, _>>().ok()?;
        let short = asked.len() + accept.map_or(0, <[u8]>::len) <= LONGEST;
        (short && !absent.iter().any(|name| head.headers.contains_key(name))).then(|| Self {
            instance: head.instance.id,
            asked: asked.into(),
            accept: accept.map(Into::into),
            absent,
            catalog: Arc::downgrade(catalog),
            key: key.clone(),
            reports: resolved.element.reports_budgets(),
        })
    }

    fn is_of(&self, instance: i64, asked: &str, headers: &HeaderMap) -> bool {
        self.instance == instance
            && *self.asked == *asked
            && self.accept.as_deref() == accept(headers)
            && !self.absent.iter().any(|name| headers.contains_key(name))
    }
}

/// The one header besides that every key is made of.
fn accept(headers: &HeaderMap) -> Option<&[u8]> {
    headers.get(header::ACCEPT).map(http::HeaderValue::as_bytes)
}

impl Gateway {
    /// The answer to a GET without a body, if this thread gave it from the cache lately and may give it still; and how to
    /// [give it again](Self::again).
    ///
    /// # Errors
    /// When the entry cannot be an answer, which is a fault of ours.
    pub fn recalled(
        &self,
        instance: &InstanceRecord,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Option<Result<(Answer, Again)>> {
        if instance.disabled || !caches(instance) || !self.recalls() {
            return None;
        }
        let asked = uri.path_and_query()?.as_str();
        let (key, catalog, reports) = self.recall.meanings.read((instance.id, asked), |meaning| {
            let holds = self.serves(&meaning.catalog) && meaning.is_of(instance.id, asked, headers);
            holds.then(|| (meaning.key.clone(), Weak::clone(&meaning.catalog), meaning.reports))
        })?;
        let max_age = wishes(headers).max_age;
        let found = self.cache.hit(&key, max_age)?;
        let held = Held::new(key, &found.entry, max_age);
        Some(self.answered_by(&found, headers).map(|mut answer| {
            self.finish(&mut answer, instance.id, reports);
            let unchanged = answer.status == StatusCode::NOT_MODIFIED;
            (answer, Again { instance: instance.id, reports, catalog, held, unchanged })
        }))
    }

    /// What [`recalled`](Self::recalled) would say to the same request of the same record, if it is the same entry still.
    pub fn again(&self, again: &Again) -> Option<Said> {
        if !self.serves(&again.catalog) {
            return None;
        }
        let found = self.cache.held(&again.held)?;
        self.recall.count(found.outcome);
        let mut headers = if again.reports { self.engine.budgets(again.instance) } else { Vec::new() };
        headers.extend(self.cache_headers(&found));
        let body = if again.unchanged { Bytes::new() } else { found.entry.body.clone() };
        Some(Said { body, headers })
    }

    /// Whether this is the catalog that serves just now.
    fn serves(&self, catalog: &Weak<Catalog>) -> bool {
        std::ptr::eq(catalog.as_ptr(), Arc::as_ptr(&self.catalog.load()))
    }

    /// Remembers what a read meant that was answered from the cache.
    pub(super) fn remember(&self, head: &Head, resolved: &Resolved, key: &CacheKey) {
        if !self.recalls() {
            return;
        }
        let catalog = self.catalog.load();
        // The catalog may have been swapped since the read was looked up in it.
        let current = catalog.element(&resolved.element.key).and_then(Result::ok);
        if current.is_some_and(|element| Arc::ptr_eq(element, &resolved.element))
            && let Some(meaning) = Meaning::of(head, resolved, &catalog, key)
        {
            let asked = meaning.asked.clone();
            self.recall.meanings.put((meaning.instance, &*asked), meaning);
        }
    }

    /// Whether a key can be told by the text of a read: where nodes agree about generations, one has to be asked.
    fn recalls(&self) -> bool {
        self.store.generations().is_none()
    }
}
