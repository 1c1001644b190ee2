//! Each instance's own entries in order of age, for its limit and for forgetting it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, PoisonError},
};

use super::key::CacheKey;

/// The entries of each instance; as large as the cache, which takes out what it evicts.
#[derive(Default)]
pub(super) struct Quotas(Mutex<HashMap<i64, BTreeMap<u64, CacheKey>>>);

impl Quotas {
    fn with<R>(&self, change: impl FnOnce(&mut HashMap<i64, BTreeMap<u64, CacheKey>>) -> R) -> R {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds an entry; gives back those that are too many now (`max` 0: never any), oldest first.
    pub(super) fn add(&self, key: &CacheKey, sequence: u64, max: u64) -> Vec<(u64, CacheKey)> {
        self.with(|instances| {
            let own = instances.entry(key.instance()).or_default();
            own.insert(sequence, key.clone());
            let max = if max == 0 { usize::MAX } else { usize::try_from(max).unwrap_or(usize::MAX) };
            let surplus = own.len().saturating_sub(max);
            (0..surplus).filter_map(|_| own.pop_first()).collect()
        })
    }

    /// Takes out an entry that is gone.
    pub(super) fn remove(&self, instance: i64, sequence: u64) {
        self.with(|instances| {
            let Some(own) = instances.get_mut(&instance) else { return };
            own.remove(&sequence);
            if own.is_empty() {
                instances.remove(&instance);
            }
        });
    }

    /// Takes out all entries of an instance.
    pub(super) fn take(&self, instance: i64) -> Vec<CacheKey> {
        self.with(|instances| instances.remove(&instance)).map(|own| own.into_values().collect()).unwrap_or_default()
    }
}
