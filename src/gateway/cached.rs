//! Reads through the response cache, and what a write makes of it.

use std::{borrow::Cow, sync::Arc, time::Duration};

use chrono::TimeDelta;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::{
    Gateway,
    call::{Answer, AnswerBody, Call, Head, Resolved},
    connect::Probe,
};
use crate::{
    cache::{self, CacheKey, Directives, Found, Policy, ResponseCache},
    catalog::{Element, Operation, hub::Location},
    error::{Error, Result},
    instance::configuration::stale_if_error,
    mapping::{Root, Scope},
    provider::{Connection, Engine},
    store::{InstanceRecord, Store},
};

/// RFC 9211.
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// Proves credentials, and forgets what is remembered of an instance when it changes.
#[derive(Clone)]
pub struct Memory {
    /// What runs probe calls and keeps object descriptions.
    pub engine: Engine,
    /// What keeps answers.
    pub cache: ResponseCache,
}

#[async_trait::async_trait]
impl Probe for Memory {
    async fn probe(&self, element: &Element, connection: &Connection, deadline: Instant) -> Result<()> {
        self.engine.probe(element, connection, deadline).await
    }

    fn forget(&self, instance_id: i64) {
        self.forget_one(instance_id);
    }
}

impl Memory {
    /// Forgets what is remembered of an instance.
    pub fn forget_one(&self, instance_id: i64) {
        self.engine.forget(instance_id);
        self.cache.forget(instance_id);
    }

    /// Forgets what is remembered of all instances.
    pub fn forget_all(&self) {
        self.engine.forget_all();
        self.cache.forget_all();
    }
}

/// After a change of an instance other nodes may not know of it for so long, a difference of clocks included: one that
/// does not know that answers are cached announces no writes.
const SETTLED: TimeDelta = TimeDelta::seconds(3);
/// How much longer than its deadline a write may take at most, until it is noticed.
const WRITE_SLACK: Duration = Duration::from_secs(5);
/// Tries to tell that a write is over. If none gets through, the announcement runs out by itself.
const END_TRIES: u32 = 5;

/// A write that other nodes were told of; they are told of its end when this is dropped.
struct Announced {
    store: Arc<dyn Store>,
    tracker: TaskTracker,
    instance_id: i64,
    resource: String,
}

impl Drop for Announced {
    fn drop(&mut self) {
        let (store, id, resource) = (Arc::clone(&self.store), self.instance_id, std::mem::take(&mut self.resource));
        self.tracker.spawn(async move {
            let Some(shared) = store.generations() else { return };
            for tried in 1..=END_TRIES {
                match shared.end_write(id, &resource).await {
                    Ok(()) => return,
                    Err(error) => {
                        tracing::warn!(instance.id = id, tried, ?error, "the end of a write is not noted yet");
                    }
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        });
    }
}

impl Gateway {
    /// Answers a read of an instance whose answers are kept.
    pub(super) async fn read_through_cache(
        &self,
        call: Box<Call>,
        resolved: &Resolved,
        operation: Arc<Operation>,
    ) -> Result<Answer> {
        let instance = &call.head.instance;
        // What the gateway itself makes (links that end) is made anew each time.
        let lasting = operation.model.as_ref().is_none_or(|model| !model.fields.iter().any(|field| field.computed));
        if !lasting {
            return Box::pin(self.carry_out(call, resolved, operation)).await;
        }
        let Some(key) = self.agreed_key(&call.head, resolved, &operation).await? else {
            return Box::pin(self.carry_out(call, resolved, operation)).await;
        };
        let wishes = wishes(&call.head.headers);
        if let Some(hit) = self.cache.hit(&key, wishes.max_age) {
            self.remember(&call.head, resolved, &key);
            return self.answered_by(&hit, &call.head.headers);
        }
        let asked: HeaderMap = call
            .head
            .headers
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .map(|known| (header::IF_NONE_MATCH, known.clone()))
            .collect();
        let policy = Policy {
            ttl: Duration::from_secs(instance.cache_ttl_s),
            max_entries: instance.max_cache_size,
            max_age: wishes.max_age,
            store: !wishes.no_store,
            // What cannot be understood was refused when it was set; one from before that allows nothing.
            stale_if_error: stale_if_error(&instance.configuration).unwrap_or_default(),
        };
        let (this, resolved) = (self.clone(), resolved.clone());
        let compute = move || async move { kept(Box::pin(this.carry_out(call, &resolved, operation)).await?) };
        let found = self.cache.get_or_compute(key, policy, compute).await?;
        self.answered_by(&found, &asked)
    }

    /// The answer that an entry is to a request with these headers.
    pub(super) fn answered_by(&self, found: &Found, asked: &HeaderMap) -> Result<Answer> {
        self.recall.count(found.outcome);
        let mut headers = found.entry.ready_headers();
        for (name, value) in self.cache_headers(found) {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
        if texts(asked, &header::IF_NONE_MATCH).any(|known| cache::if_none_match(known, &found.entry.etag)) {
            return Ok(Answer { status: StatusCode::NOT_MODIFIED, headers, body: AnswerBody::Empty });
        }
        let status = StatusCode::from_u16(found.entry.status).map_err(Error::internal)?;
        Ok(Answer { status, headers, body: AnswerBody::Json(found.entry.body.clone()) })
    }

    /// What an answer says of its way through the cache.
    pub(super) fn cache_headers(&self, found: &Found) -> impl Iterator<Item = (HeaderName, String)> + use<> {
        let now = self.clock.now();
        let age = found.age_s(now).map(|age| (header::AGE, itoa::Buffer::new().format(age).to_owned()));
        [(CACHE_STATUS, found.cache_status(now))].into_iter().chain(age)
    }

    /// The key of a read, in the generation that all nodes agree about; `None` while nothing may be kept or given out.
    async fn agreed_key(&self, head: &Head, resolved: &Resolved, operation: &Operation) -> Result<Option<CacheKey>> {
        let (instance, key) = (&head.instance, key(head, resolved, operation));
        let Some(shared) = self.store.generations() else { return Ok(Some(key)) };
        if self.clock.now() - instance.updated_at < SETTLED {
            return Ok(None);
        }
        let generation = shared.generation(instance.id, &touched(resolved, operation)).await?;
        Ok(generation.map(|generation| key.agreed(instance.version, generation)))
    }

    /// Tells other nodes that a write begins, where they may hold answers that it makes stale.
    async fn announce(&self, head: &Head, resource: &str) -> Result<Option<Announced>> {
        let (instance, deadline) = (&head.instance, head.deadline);
        let Some(shared) = self.store.generations().filter(|_| instance.caching_enabled) else { return Ok(None) };
        let longest = deadline.saturating_duration_since(Instant::now()) + WRITE_SLACK;
        shared.begin_write(instance.id, resource, longest).await?;
        Ok(Some(Announced {
            store: Arc::clone(&self.store),
            tracker: self.tracker.clone(),
            instance_id: instance.id,
            resource: resource.to_owned(),
        }))
    }

    /// Carries out a write; what it may have changed is not answered from the cache afterwards, also when it failed.
    pub(super) async fn write_past_cache(
        &self,
        call: Box<Call>,
        resolved: &Resolved,
        operation: Arc<Operation>,
    ) -> Result<Answer> {
        let resource = touched(resolved, &operation);
        let _announced = self.announce(&call.head, &resource).await?;
        let _writing = self.cache.writing(call.head.instance.id, [resource]);
        Box::pin(self.carry_out(call, resolved, operation)).await
    }
}

/// Whether the instance's answers are kept.
pub(super) fn caches(instance: &InstanceRecord) -> bool {
    instance.caching_enabled && instance.cache_ttl_s > 0
}

/// What the request says of entries.
pub(super) fn wishes(headers: &HeaderMap) -> Directives {
    Directives::parse(texts(headers, &header::CACHE_CONTROL).chain(texts(headers, &header::PRAGMA)))
}

fn texts<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok())
}

/// An answer in the form the cache keeps.
fn kept(answer: Answer) -> Result<cache::Answer> {
    let headers = answer
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        .collect();
    let body = match answer.body {
        AnswerBody::Json(body) => body,
        AnswerBody::Empty => bytes::Bytes::new(),
        AnswerBody::Stream(_) => return Err(Error::internal("a streamed answer cannot be kept")),
    };
    Ok(cache::Answer { status: answer.status.as_u16(), headers, body, stored_at: None })
}

/// The key of a read: instance, what it reads, the operation, and everything of the request that can change the answer.
fn key(head: &Head, resolved: &Resolved, operation: &Operation) -> CacheKey {
    let mut query: Vec<(&str, &str)> = head.query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    for parameter in &resolved.operation.parameters {
        if parameter.location == Location::Header
            && let Some(value) = head.headers.get(&parameter.name).and_then(|value| value.to_str().ok())
        {
            query.push((&parameter.name, value));
        }
    }
    query.sort_unstable();
    let mut canonical = url::form_urlencoded::Serializer::new(String::new());
    for segment in &head.path {
        canonical.append_pair("/", segment);
    }
    canonical.extend_pairs(query);
    let accept = head.headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("*/*");
    CacheKey::new(
        head.instance.id,
        &touched(resolved, operation),
        &resolved.operation.id(),
        &canonical.finish(),
        accept,
    )
}

/// What a call reads or changes: the provider's object where there is one (it has several uniform names), else the hub.
fn touched(resolved: &Resolved, operation: &Operation) -> String {
    struct Names<'a>(&'a [(String, String)]);
    impl Scope for Names<'_> {
        fn value(&self, root: Root, key: &str) -> Option<Cow<'_, Value>> {
            let found = self.0.iter().find(|(name, _)| root == Root::Path && name == key);
            found.map(|(_, value)| Cow::Owned(Value::String(value.clone())))
        }
    }
    let object = operation.object.as_ref().and_then(|object| object.render(&Names(&resolved.names)).ok().flatten());
    object.map_or_else(|| resolved.element.hub.clone(), |object| object.to_lowercase())
}
