//! Generations: what makes entries unreachable without looking for them.
//!
//! A table of counters of a fixed size. An instance, and each resource of one, has its counter by its hash; several may
//! share one, and then a write to one of them costs the others a provider call, never more than that. The table takes
//! memory by pages, as they are used.

use std::{
    hash::{BuildHasher as _, RandomState},
    iter,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use super::key::CacheKey;

/// The generation of an instance as a whole and of one resource of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Generation {
    all: u64,
    instance: u64,
    resource: u64,
}

/// Counters that are made together: 4 KiB.
const PAGE: usize = 512;

/// The current generations. Counters only ever grow, so a generation that is over never comes back.
pub(super) struct Generations {
    pages: Box<[OnceLock<Box<[AtomicU64]>>]>,
    /// How many counters there are.
    counters: u64,
    all: AtomicU64,
    // Keyed, so that nobody can choose names that share a counter with another's.
    hasher: RandomState,
}

impl Generations {
    /// A table of `counters` counters, and at least one.
    pub(super) fn new(counters: usize) -> Self {
        let counters = counters.max(1);
        let pages = iter::repeat_with(OnceLock::new).take(counters.div_ceil(PAGE)).collect();
        Self { pages, counters: counters as u64, all: AtomicU64::default(), hasher: RandomState::new() }
    }

    fn counter(&self, instance: i64, resource: Option<&str>) -> &AtomicU64 {
        let hash = self.hasher.hash_one((instance, resource));
        let place = usize::try_from(hash % self.counters).unwrap_or_default();
        let made = || iter::repeat_with(AtomicU64::default).take(PAGE).collect();
        let page = self.pages.get(place / PAGE).map(|page| page.get_or_init(made));
        // There is always such a place; the one for everything would do, too.
        page.and_then(|page| page.get(place % PAGE)).unwrap_or(&self.all)
    }

    pub(super) fn current(&self, key: &CacheKey) -> Generation {
        let of = |resource| self.counter(key.instance(), resource).load(Ordering::SeqCst);
        Generation { all: self.all.load(Ordering::SeqCst), instance: of(None), resource: of(Some(key.resource())) }
    }

    /// Begins a new generation of one resource, or of the instance as a whole.
    pub(super) fn renew(&self, instance: i64, resource: Option<&str>) {
        self.counter(instance, resource).fetch_add(1, Ordering::SeqCst);
    }

    /// Begins new generations of everything.
    pub(super) fn renew_all(&self) {
        self.all.fetch_add(1, Ordering::SeqCst);
    }
}
