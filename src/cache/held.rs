//! Entries that are given out again without being looked for.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::{CacheKey, Entry, Found, Outcome, ResponseCache};

/// How often an entry is looked for all the same, in milliseconds: what is kept when room gets short is told by what is looked for.
const LOOK_MS: u64 = 100;

/// An entry that was given out, to be asked for again.
#[derive(Debug)]
pub struct Held {
    key: CacheKey,
    entry: Weak<Entry>,
    max_age: Option<Duration>,
    since: Instant,
    /// When it was looked for last, in milliseconds after `since`.
    looked_ms: AtomicU64,
}

impl Held {
    /// Holds what was found under `key` by a request with this `max_age`.
    pub fn new(key: CacheKey, entry: &Arc<Entry>, max_age: Option<Duration>) -> Self {
        Self { key, entry: Arc::downgrade(entry), max_age, since: Instant::now(), looked_ms: AtomicU64::new(0) }
    }
}

impl ResponseCache {
    /// The entry that [`hit`](Self::hit) would give, if it is the one that is held.
    pub fn held(&self, held: &Held) -> Option<Found> {
        let entry = held.entry.upgrade().filter(|entry| !entry.has_left())?;
        let held_ms = u64::try_from(held.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        if held_ms.saturating_sub(held.looked_ms.load(Ordering::Relaxed)) >= LOOK_MS {
            held.looked_ms.store(held_ms, Ordering::Relaxed);
            return self.hit(&held.key, held.max_age).filter(|found| Arc::ptr_eq(&found.entry, &entry));
        }
        self.is_good(&held.key, &entry, held.max_age).then_some(Found { entry, outcome: Outcome::Hit, stored: false })
    }
}
