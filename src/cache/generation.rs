//! Generations: what makes entries unreachable without looking for them.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use moka::{policy::EvictionPolicy, sync::Cache};

use super::key::CacheKey;

/// The generation of an instance as a whole and of one resource of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Generation {
    instance: u64,
    resource: u64,
}

/// The current generations. All numbers come from one counter, so one that was forgotten is never handed out again.
pub(super) struct Generations {
    numbers: Cache<(i64, Option<Arc<str>>), u64>,
    last: AtomicU64,
}

impl Generations {
    pub(super) fn new(capacity: u64) -> Self {
        // Least recently used, not least often: a newcomer must get its place, or it would have no generation to keep.
        let numbers = Cache::builder().max_capacity(capacity).eviction_policy(EvictionPolicy::lru()).build();
        Self { numbers, last: AtomicU64::new(0) }
    }

    fn next(&self) -> u64 {
        self.last.fetch_add(1, Ordering::SeqCst)
    }

    pub(super) fn current(&self, key: &CacheKey) -> Generation {
        let of = |resource| self.numbers.get_with((key.instance(), resource), || self.next());
        Generation { instance: of(None), resource: of(Some(Arc::clone(key.resource()))) }
    }

    /// Begins a new generation of one resource, or of the instance as a whole.
    pub(super) fn renew(&self, instance: i64, resource: Option<&str>) {
        self.numbers.insert((instance, resource.map(Arc::from)), self.next());
    }

    /// Begins new generations of everything.
    pub(super) fn renew_all(&self) {
        self.numbers.invalidate_all();
    }
}
