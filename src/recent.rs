//! What a thread met last, so that the same again costs next to nothing.

use std::{
    cell::RefCell,
    fmt,
    hash::{BuildHasher as _, Hash},
};

use foldhash::quality::RandomState;
use thread_local::ThreadLocal;

pub use self::near::Near;

mod near;

/// A few values for each thread, each in the one place that the hash of its key names: of two that share a place the later
/// one stays. Nothing is shared between threads and nothing is waited for.
///
/// Keys are not kept: whoever reads a value has to see for himself whether it is the one he meant, and still holds.
pub struct Recent<V: Send> {
    tables: ThreadLocal<Table<V>>,
    places: usize,
    // Keyed, so that nobody can choose keys that share a place.
    hasher: RandomState,
}

/// Values, each with the hash of its key.
type Table<V> = RefCell<Vec<Option<(u64, V)>>>;

impl<V: Send> Recent<V> {
    /// Room for at most `places` values in each thread.
    pub fn new(places: usize) -> Self {
        Self { tables: ThreadLocal::new(), places, hasher: RandomState::default() }
    }

    fn place(&self, key: impl Hash) -> (usize, u64) {
        let hash = self.hasher.hash_one(key);
        (usize::try_from(hash % (self.places.max(1) as u64)).unwrap_or_default(), hash)
    }

    /// What `read` makes of the value that this thread put under `key`, or under another key of the same hash.
    pub fn read<R>(&self, key: impl Hash, read: impl FnOnce(&V) -> Option<R>) -> Option<R> {
        let table = self.tables.get()?.try_borrow().ok()?;
        let (place, hash) = self.place(key);
        let (known, value) = table.get(place)?.as_ref()?;
        if *known == hash { read(value) } else { None }
    }

    /// Puts `value` under `key`, in place of what is there.
    pub fn put(&self, key: impl Hash, value: V) {
        let Ok(mut table) = self.tables.get_or_default().try_borrow_mut() else { return };
        if table.is_empty() {
            table.resize_with(self.places, || None);
        }
        let (place, hash) = self.place(key);
        if let Some(place) = table.get_mut(place) {
            *place = Some((hash, value));
        }
    }
}

impl<V: Send> fmt::Debug for Recent<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recent").field("places", &self.places).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(recent: &Recent<(u32, &'static str)>, key: u32) -> Option<&'static str> {
        recent.read(key, |(known, value)| (*known == key).then_some(*value))
    }

    #[test]
    fn each_thread_finds_what_it_put() {
        let recent = Recent::new(64);
        assert_eq!(of(&recent, 7), None);
        recent.put(7, (7, "seven"));
        recent.put(7, (7, "new"));
        assert_eq!(of(&recent, 7), Some("new"));
        assert_eq!(std::thread::scope(|scope| scope.spawn(|| of(&recent, 7)).join().unwrap()), None);
    }

    #[test]
    fn there_is_never_more_than_there_is_room_for() {
        let recent = Recent::new(8);
        for key in 0..1000 {
            recent.put(key, (key, "one"));
            assert_eq!(of(&recent, key), Some("one"));
        }
        assert!((0..1000).filter(|key| of(&recent, *key).is_some()).count() <= 8);
        let none = Recent::new(0);
        none.put(1, (1, "one"));
        assert_eq!(of(&none, 1), None);
    }
}
