//! Answers that all nodes share, in Redis.
//!
//! An answer lies under a keyed digest of its question and is sealed for that digest: whoever can read or write Redis
//! learns nothing, and an answer opens under no other question. Redis is never trusted with what is stale: the question
//! names the generation, which comes from the store. So it may lose anything, or be gone; then it is left alone for a
//! while, and answers come from the provider.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use chrono::DateTime;
use serde::{Deserialize, Serialize};

use super::{
    entry::{Answer, Entry},
    key::CacheKey,
    link::Link,
};
use crate::{store::seal::Sealer, telemetry::metric};

/// The answers in Redis.
pub struct SharedAnswers {
    link: Arc<Link>,
    sealer: Sealer,
}

impl fmt::Debug for SharedAnswers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedAnswers")
    }
}

/// What stands before the body of an answer.
#[derive(Serialize, Deserialize)]
struct Head {
    status: u16,
    headers: Vec<(String, String)>,
    stored_at_ms: i64,
    ttl_ms: u64,
}

impl SharedAnswers {
    /// Answers in the Redis behind `link`.
    pub fn new(link: Arc<Link>, sealer: Sealer) -> Self {
        Self { link, sealer }
    }

    /// The answer to a question, with the time it has left.
    pub(super) async fn get(&self, key: &CacheKey) -> Option<(Answer, Duration)> {
        let name = self.name(key);
        let found: Option<Vec<u8>> = self.ask(redis::cmd("GET").arg(&name)).await?;
        let answer = found.and_then(|sealed| decode(&self.sealer.open_bytes(&name, &sealed)?));
        count(if answer.is_some() { "hit" } else { "miss" });
        answer
    }

    /// Keeps an answer for as long as it is good.
    pub(super) async fn put(&self, key: &CacheKey, entry: &Entry) {
        let name = self.name(key);
        let Some(sealed) = encode(entry).and_then(|plain| self.sealer.seal_bytes(&name, &plain)) else { return };
        let ttl = u64::try_from(entry.ttl.as_millis()).unwrap_or(u64::MAX).max(1);
        let stored: Option<()> = self.ask(redis::cmd("SET").arg(&name).arg(sealed).arg("PX").arg(ttl)).await;
        if stored.is_some() {
            count("stored");
        }
    }

    /// Where the answer to a question lies; nobody without the master key can tell the question.
    fn name(&self, key: &CacheKey) -> String {
        format!("hubgate:answer:{}", hex::encode(self.sealer.digest("shared answer", &key.canonical())))
    }

    /// The answer of Redis, if it gives one in time.
    async fn ask<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> Option<T> {
        self.link.ask(command).await.map_err(|silence| count(silence.name())).ok()
    }
}

fn count(outcome: &'static str) {
    metrics::counter!(metric::SHARED_CACHE, "outcome" => outcome).increment(1);
}

fn encode(entry: &Entry) -> Option<Vec<u8>> {
    let head = Head {
        status: entry.status,
        headers: entry.headers.clone(),
        stored_at_ms: entry.stored_at.timestamp_millis(),
        ttl_ms: u64::try_from(entry.ttl.as_millis()).ok()?,
    };
    let head = serde_json::to_vec(&head).ok()?;
    let mut plain = Vec::with_capacity(4 + head.len() + entry.body.len());
    plain.extend_from_slice(&u32::try_from(head.len()).ok()?.to_be_bytes());
    plain.extend_from_slice(&head);
    plain.extend_from_slice(&entry.body);
    Some(plain)
}

fn decode(plain: &[u8]) -> Option<(Answer, Duration)> {
    let (length, rest) = plain.split_first_chunk::<4>()?;
    let (head, body) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    let head: Head = serde_json::from_slice(head).ok()?;
    let answer = Answer {
        status: head.status,
        headers: head.headers,
        body: Bytes::copy_from_slice(body),
        stored_at: Some(DateTime::from_timestamp_millis(head.stored_at_ms)?),
    };
    Some((answer, Duration::from_millis(head.ttl_ms)))
}
