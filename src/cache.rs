//! The response cache: answers of successful reads, kept in memory for a while.
//!
//! Owns the entries, their keys ([`CacheKey`], which cannot be made without an instance), their lifetimes, and the
//! coalescing of equal misses. It is never the truth: losing any part of it costs a provider call, nothing else.
//!
//! - **Isolation.** The instance is part of every key, so no instance ever reads another's entry.
//! - **Invalidation** is O(1): every entry carries the generation of its instance and resource from when its computation
//!   began; [`ResponseCache::invalidate`] begins a new one, and entries of older generations are no longer found.
//! - **Misses** on the same key and generation share one computation. It belongs to all its callers: whoever of them
//!   stays drives it on, and only when the last one is gone is it dropped. Errors and panics reach all and are not kept.
//! - **Writes during a miss.** A caller that comes after the write has a new generation, hence a computation of its own;
//!   the older answer is not kept.
//! - **Several nodes** share answers through [`SharedAnswers`]; their keys name the generation that all agree about
//!   ([`CacheKey::agreed`]), so no node needs to be told of a write.
//! - **Bounds.** All entries together by bytes; an instance's own by number, its oldest going first.
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//! use hubgate::{cache::{Answer, CacheKey, Outcome, Policy, ResponseCache, Settings}, clock::SystemClock};
//!
//! # async fn example() -> hubgate::error::Result<()> {
//! let cache = ResponseCache::new(&Settings::default(), Arc::new(SystemClock));
//! let key = || CacheKey::new(7, "contacts", "GET contacts", "pageSize=5", "application/json");
//! let policy = Policy { ttl: Duration::from_secs(60), ..Policy::default() };
//! let answer = || async { Ok(Answer { status: 200, headers: vec![], body: "[]".into(), stored_at: None }) };
//! assert_eq!(cache.get_or_compute(key(), policy, answer).await?.outcome, Outcome::Miss);
//! assert_eq!(cache.get_or_compute(key(), policy, answer).await?.outcome, Outcome::Hit);
//! cache.invalidate(7, "contacts");
//! assert_eq!(cache.get_or_compute(key(), policy, answer).await?.outcome, Outcome::Miss);
//! # Ok(())
//! # }
//! ```

mod control;
mod entry;
mod flight;
mod generation;
mod held;
mod key;
mod link;
mod quota;
mod shared;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use moka::{Expiry, sync::Cache};

pub use self::{
    control::{Directives, if_none_match},
    entry::{Answer, Entry, Found, Outcome, etag},
    held::Held,
    key::CacheKey,
    link::{Link, Silence},
    shared::SharedAnswers,
};
use self::{flight::Flights, generation::Generations, quota::Quotas};
use crate::{
    clock::SharedClock,
    error::{Origin, Result},
};

/// How much is kept.
#[derive(Debug, Clone)]
pub struct Settings {
    /// All entries together, in bytes, keys and headers included. Default 64 MiB.
    pub max_bytes: u64,
    /// The largest body that is kept. Default 1 MiB.
    pub max_entry_bytes: usize,
    /// Counters of generations, eight bytes each: more instances and resources share them. Default 262,144 (2 MiB).
    pub max_generations: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { max_bytes: 64 << 20, max_entry_bytes: 1 << 20, max_generations: 1 << 18 }
    }
}

/// How one request may use the cache.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// How long a new entry is good; zero keeps nothing.
    pub ttl: Duration,
    /// The most entries of this instance; over it, its oldest entries go. 0 is no limit of its own.
    pub max_entries: u64,
    /// The oldest entry that is taken (`max-age`, and `no-cache`, which is zero).
    pub max_age: Option<Duration>,
    /// Whether the answer is kept (not with `no-store`).
    pub store: bool,
    /// How long past its end a new entry may stand in for a provider that fails (`stale-if-error`, RFC 5861); not for a
    /// request that names an age.
    pub stale_if_error: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self { ttl: Duration::ZERO, max_entries: 0, max_age: None, store: true, stale_if_error: Duration::ZERO }
    }
}

/// The cache; cheap to clone, all clones share one content.
#[derive(Clone)]
pub struct ResponseCache(Arc<Inner>);

struct Inner {
    entries: Cache<CacheKey, Arc<Entry>>,
    generations: Generations,
    quotas: Arc<Quotas>,
    flights: Arc<Flights>,
    sequence: AtomicU64,
    max_entry_bytes: usize,
    clock: SharedClock,
    shared: Option<SharedAnswers>,
}

/// Past its end an entry stays this long, so that it can be told from one that never was.
const GRACE: Duration = Duration::from_mins(1);

/// Frees what has ended; whether an entry is still good is decided by our own clock when it is read.
struct Lifetime;

impl Expiry<CacheKey, Arc<Entry>> for Lifetime {
    fn expire_after_create(&self, _: &CacheKey, entry: &Arc<Entry>, _: Instant) -> Option<Duration> {
        Some(entry.ttl.saturating_add(entry.stale_if_error.max(GRACE)))
    }

    fn expire_after_update(
        &self,
        _: &CacheKey,
        entry: &Arc<Entry>,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(entry.ttl.saturating_add(entry.stale_if_error.max(GRACE)))
    }
}

impl fmt::Debug for ResponseCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseCache").field("entries", &self.0.entries.entry_count()).finish_non_exhaustive()
    }
}

impl ResponseCache {
    /// An empty cache.
    pub fn new(settings: &Settings, clock: SharedClock) -> Self {
        Self::sharing(settings, clock, None)
    }

    /// An empty cache in front of the answers that all nodes share.
    pub fn sharing(settings: &Settings, clock: SharedClock, shared: Option<SharedAnswers>) -> Self {
        let quotas = Arc::new(Quotas::default());
        let listener = Arc::clone(&quotas);
        let entries = Cache::builder()
            .max_capacity(settings.max_bytes)
            .weigher(|key: &CacheKey, entry: &Arc<Entry>| {
                u32::try_from(key.weight().saturating_add(entry.weight())).unwrap_or(u32::MAX)
            })
            .expire_after(Lifetime)
            .eviction_listener(move |key, entry, _| {
                entry.leave();
                listener.remove(key.instance(), entry.sequence);
            })
            .build();
        Self(Arc::new(Inner {
            entries,
            generations: Generations::new(settings.max_generations),
            quotas,
            flights: Arc::default(),
            sequence: AtomicU64::new(0),
            max_entry_bytes: settings.max_entry_bytes,
            clock,
            shared,
        }))
    }

    /// The entry of `key`, if there is one that may be given out; `max_age` as in [`Policy`].
    pub fn hit(&self, key: &CacheKey, max_age: Option<Duration>) -> Option<Found> {
        if max_age == Some(Duration::ZERO) {
            return None;
        }
        let entry = self.0.entries.get(key)?;
        self.is_good(key, &entry, max_age).then_some(Found { entry, outcome: Outcome::Hit, stored: false })
    }

    fn is_good(&self, key: &CacheKey, entry: &Entry, max_age: Option<Duration>) -> bool {
        entry.is_fresh(self.0.clock.now(), max_age) && entry.generation == self.0.generations.current(key)
    }

    /// The entry of `key`, or else the answer of `compute`, which is kept as `policy` says.
    ///
    /// Only answers with a status of 2xx and a body within the limit are kept. Equal misses share one computation, whose
    /// deadline is its first caller's; a request that takes no entry (`max_age` zero) computes for itself. Where the
    /// provider fails, an entry past its end stands in as long as it may.
    ///
    /// # Errors
    /// What `compute` says, if nothing stands in; every caller that shared the computation gets an error of the same content.
    ///
    /// # Cancel safety
    /// Dropping the future of one caller leaves the computation to the others; dropping all of them drops it.
    pub async fn get_or_compute<C, F>(&self, key: CacheKey, policy: Policy, compute: C) -> Result<Found>
    where
        C: FnOnce() -> F + Send + 'static,
        F: Future<Output = Result<Answer>> + Send + 'static,
    {
        let generation = self.0.generations.current(&key);
        let alone = policy.max_age == Some(Duration::ZERO);
        let mut missed = Outcome::Miss;
        let mut ended = None;
        if alone {
            missed = Outcome::Request;
        } else if let Some(entry) = self.0.entries.get(&key) {
            if entry.generation != generation {
                // Nobody can reach it any more, unless a newer one has taken its place meanwhile.
                self.remove(&key, entry.sequence);
            } else if entry.is_fresh(self.0.clock.now(), policy.max_age) {
                return Ok(Found { entry, outcome: Outcome::Hit, stored: false });
            } else {
                missed = Outcome::Expired;
                ended = Some(entry);
            }
        }
        let this = self.clone();
        let (id, asked) = ((key.clone(), generation), key.clone());
        let work = async move {
            let shared = this.0.shared.as_ref().filter(|_| policy.store);
            if let Some(shared) = shared.filter(|_| !alone)
                && let Some((answer, ttl)) = shared.get(&asked).await
            {
                let (entry, stored) = this.keep(asked.clone(), generation, Policy { ttl, ..policy }, answer);
                if entry.is_fresh(this.0.clock.now(), policy.max_age) {
                    return Ok((entry, stored));
                }
            }
            let answer = compute().await?;
            let (entry, stored) = this.keep(asked.clone(), generation, policy, answer);
            if let Some(shared) = shared.filter(|_| stored) {
                shared.put(&asked, &entry).await;
            }
            Ok((entry, stored))
        };
        let (result, leads) =
            if alone { (flight::shield(work).await, true) } else { self.0.flights.join(id, work).await };
        let (entry, stored) = match result {
            Ok(computed) => computed,
            Err(error) => {
                let stands_in = |entry: &Arc<Entry>| {
                    // A write, or another owner of the grant, may have come in between.
                    policy.max_age.is_none()
                        && entry.generation == self.0.generations.current(&key)
                        && entry.stands_in(self.0.clock.now(), policy.stale_if_error)
                };
                let entry = ended.filter(|_| error.kind().origin() == Origin::Provider).filter(stands_in);
                return entry.map_or(Err(error), |entry| Ok(Found { entry, outcome: Outcome::Stale, stored: false }));
            }
        };
        let outcome = match (entry.shared, leads) {
            (true, _) => Outcome::Hit,
            (false, true) => missed,
            (false, false) => Outcome::Coalesced,
        };
        Ok(Found { stored: stored && !entry.shared, entry, outcome })
    }

    /// Makes the entries of one resource of an instance unreachable: after a write, whether or not it is known to have
    /// succeeded. See [`ResponseCache::writing`] for a form that cannot be forgotten.
    pub fn invalidate(&self, instance: i64, resource: &str) {
        self.0.generations.renew(instance, Some(resource));
    }

    /// Makes all entries of an instance unreachable and frees them: after a change of its credentials or configuration,
    /// or its end.
    pub fn forget(&self, instance: i64) {
        self.0.generations.renew(instance, None);
        for key in self.0.quotas.take(instance) {
            self.0.entries.invalidate(&key);
        }
    }

    /// Makes all entries unreachable and frees them: nobody knows what has changed.
    pub fn forget_all(&self) {
        self.0.generations.renew_all();
        self.0.entries.invalidate_all();
    }

    /// Stands for a write in progress: invalidates `resources` of `instance` when it is dropped, also when the write
    /// failed, panicked or was cancelled half-way.
    #[must_use = "the invalidation happens when this is dropped, which must be after the write"]
    pub fn writing<S: Into<String>>(&self, instance: i64, resources: impl IntoIterator<Item = S>) -> Writing {
        Writing { cache: self.clone(), instance, resources: resources.into_iter().map(Into::into).collect() }
    }

    /// How many entries there are, unreachable ones included; approximate while writes go on.
    pub fn len(&self) -> u64 {
        self.0.entries.run_pending_tasks();
        self.0.entries.entry_count()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of all entries; approximate while writes go on.
    pub fn bytes(&self) -> u64 {
        self.0.entries.run_pending_tasks();
        self.0.entries.weighted_size()
    }

    /// Makes `answer` an entry and keeps it if it may be kept.
    fn keep(
        &self,
        key: CacheKey,
        generation: generation::Generation,
        policy: Policy,
        answer: Answer,
    ) -> (Arc<Entry>, bool) {
        let sequence = self.0.sequence.fetch_add(1, Ordering::Relaxed);
        let entry = Arc::new(Entry::new(answer, &policy, self.0.clock.now(), generation, sequence));
        let keep = policy.store
            && !policy.ttl.is_zero()
            && (200..300).contains(&entry.status)
            && entry.body.len() <= self.0.max_entry_bytes
            // A write came in between. (One that comes just after this line is safe too: the entry is of the old generation.)
            && self.0.generations.current(&key) == generation;
        if keep {
            // First the index, then the entry: what the cache evicts at once is then found in the index and taken out.
            let surplus = self.0.quotas.add(&key, sequence, policy.max_entries);
            self.0.entries.insert(key, Arc::clone(&entry));
            for (sequence, key) in surplus {
                self.remove(&key, sequence);
            }
        }
        (entry, keep)
    }

    /// Removes the entry of `key` if it is still the one with `sequence`.
    fn remove(&self, key: &CacheKey, sequence: u64) {
        if self.0.entries.get(key).is_some_and(|entry| entry.sequence == sequence) {
            self.0.entries.invalidate(key);
        }
    }
}

/// A write in progress; see [`ResponseCache::writing`].
#[derive(Debug)]
pub struct Writing {
    cache: ResponseCache,
    instance: i64,
    resources: Vec<String>,
}

impl Drop for Writing {
    fn drop(&mut self) {
        for resource in &self.resources {
            self.cache.invalidate(self.instance, resource);
        }
    }
}
