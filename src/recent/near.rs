//! A cache of all threads behind what each thread met last.

use std::{
    borrow::Borrow,
    cell::Cell,
    fmt,
    hash::Hash,
    sync::{Arc, Weak},
};

use moka::sync::Cache;

use super::Recent;

/// Values that each thread finds without asking the others.
const PLACES: usize = 4096;
/// The shared cache hears of every so manieth use, so that it does not take what is in use for forgotten.
const TOLD: u8 = 64;

/// A bounded cache whose reads mostly touch nothing that other threads touch.
///
/// Threads hold what they met weakly: what the cache lets go of is gone as soon as nobody works with it. A value that was
/// replaced or invalidated, or whose time is over, may be found again while somebody works with it, though not for ever; where
/// that matters, `fits` has to tell.
pub struct Near<K: Send, V: Send + Sync> {
    shared: Cache<K, Arc<V>>,
    recent: Arc<Recent<Met<K, V>>>,
}

/// What was met: under which key, and how often since the shared cache was asked.
type Met<K, V> = (K, Weak<V>, Cell<u8>);

impl<K, V> Near<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// In front of `shared`.
    pub fn new(shared: Cache<K, Arc<V>>) -> Self {
        Self { shared, recent: Arc::new(Recent::new(PLACES)) }
    }

    /// The value under `key`, if there is one and it `fits`.
    pub fn get<Q>(&self, key: &Q, fits: impl Fn(&V) -> bool) -> Option<Arc<V>>
    where
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
        K: Borrow<Q>,
    {
        self.met(key, &fits).or_else(|| {
            let value = self.shared.get(key).filter(|value| fits(value))?;
            self.meet(key, &value);
            Some(value)
        })
    }

    /// The value under `key`; `make` makes it where there is none, once, however many ask for it.
    pub fn get_with<Q>(&self, key: &Q, make: impl FnOnce() -> V) -> Arc<V>
    where
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
        K: Borrow<Q>,
    {
        self.met(key, &|_| true).unwrap_or_else(|| {
            let value = self.shared.get_with_by_ref(key, || Arc::new(make()));
            self.meet(key, &value);
            value
        })
    }

    /// Puts `value` under `key`.
    pub fn insert(&self, key: K, value: Arc<V>) {
        self.meet(&key, &value);
        self.shared.insert(key, value);
    }

    /// Lets go of the value under `key`.
    pub fn invalidate<Q>(&self, key: &Q)
    where
        Q: Hash + Eq + ?Sized,
        K: Borrow<Q>,
    {
        self.shared.invalidate(key);
    }

    /// What this thread met under `key`, unless it is time to ask the shared cache.
    fn met<Q>(&self, key: &Q, fits: &impl Fn(&V) -> bool) -> Option<Arc<V>>
    where
        Q: Hash + Eq + ?Sized,
        K: Borrow<Q>,
    {
        self.recent.read(key, |(known, value, uses)| {
            let value = (known.borrow() == key).then(|| value.upgrade()).flatten().filter(|value| fits(value))?;
            uses.set(uses.get() + 1);
            (uses.get() < TOLD).then_some(value)
        })
    }

    fn meet<Q>(&self, key: &Q, value: &Arc<V>)
    where
        Q: Hash + ToOwned<Owned = K> + ?Sized,
    {
        self.recent.put(key, (key.to_owned(), Arc::downgrade(value), Cell::new(0)));
    }
}

impl<K: Send, V: Send + Sync> Clone for Near<K, V> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), recent: Arc::clone(&self.recent) }
    }
}

impl<K: Send, V: Send + Sync> fmt::Debug for Near<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Near").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn near() -> Near<String, u32> {
        Near::new(Cache::new(100))
    }

    #[test]
    fn all_threads_have_the_same_value() {
        let near = near();
        let here = near.get_with("a", || 1);
        let there = thread::scope(|scope| scope.spawn(|| near.get_with("a", || 2)).join().unwrap());
        assert!(Arc::ptr_eq(&here, &there));
        assert!(Arc::ptr_eq(&here, &near.get_with("a", || 3)));
    }

    #[test]
    fn what_does_not_fit_is_looked_for_in_the_shared_cache() {
        let near = near();
        let old = near.get_with("a", || 1);
        thread::scope(|scope| scope.spawn(|| near.insert("a".to_owned(), Arc::new(2))).join().unwrap());
        assert_eq!(near.get("a", |value| *value == 1), Some(old), "it is in use");
        assert_eq!(near.get("a", |value| *value == 2).as_deref(), Some(&2));
        assert_eq!(near.get("a", |value| *value == 1), None);
    }

    #[test]
    fn what_was_let_go_of_is_gone_when_nobody_works_with_it() {
        let near = near();
        let value = near.get_with("a", || 1);
        near.invalidate("a");
        near.shared.run_pending_tasks();
        assert_eq!(near.get("a", |_| true).as_deref(), Some(&1), "somebody does");
        drop(value);
        assert_eq!(near.get("a", |_| true), None);
        assert_eq!(*near.get_with("a", || 2), 2);
    }

    #[test]
    fn the_shared_cache_hears_of_what_is_in_use() {
        let near = near();
        let held = near.get_with("a", || 1);
        near.invalidate("a");
        let found = (0..=TOLD).filter(|_| near.get("a", |_| true).is_some()).count();
        assert_eq!(found, usize::from(TOLD) - 1, "the shared cache was asked and had nothing");
        drop(held);
    }
}
