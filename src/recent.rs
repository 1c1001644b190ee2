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

/// Values in a group.
const WAYS: usize = 4;
/// Groups that a table begins with.
const FIRST: usize = 16;

/// A few values for each thread, each in the group of [`WAYS`] that the hash of its key names: of those that share a group the
/// latest stay. A table begins small and grows as long as groups overflow. Nothing is shared between threads and nothing is
/// waited for.
///
/// Keys are not kept: whoever reads a value has to see for himself whether it is the one he meant, and still holds.
pub struct Recent<V: Send> {
    tables: ThreadLocal<RefCell<Table<V>>>,
    /// Groups that a table has at most: a power of two, or none.
    groups: usize,
    // Keyed, so that nobody can choose keys that share a group.
    hasher: RandomState,
}

/// Values, each with the hash of its key.
type Group<V> = [Option<(u64, V)>; WAYS];

struct Table<V>(Vec<Group<V>>);

impl<V> Default for Table<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<V> Table<V> {
    fn group(&self, hash: u64) -> Option<&Group<V>> {
        self.0.get(self.place(hash))
    }

    fn group_mut(&mut self, hash: u64) -> Option<&mut Group<V>> {
        let place = self.place(hash);
        self.0.get_mut(place)
    }

    /// Which group a hash names; where there is none, one that is not there.
    fn place(&self, hash: u64) -> usize {
        usize::try_from(hash & (self.0.len() as u64).wrapping_sub(1)).unwrap_or_default()
    }

    /// Puts a value where there is room for it; gives it back where there is none.
    fn fit(&mut self, hash: u64, value: V) -> Result<(), V> {
        let Some(group) = self.group_mut(hash) else { return Err(value) };
        if let Some((_, same)) = group.iter_mut().flatten().find(|(known, _)| *known == hash) {
            *same = value;
        } else if group.last().is_some_and(Option::is_none) {
            put_first(group, hash, value);
        } else {
            return Err(value);
        }
        Ok(())
    }

    /// Twice the room, at most `groups`; whether there is more.
    fn grow(&mut self, groups: usize) -> bool {
        let room = (self.0.len() * 2).max(FIRST).min(groups);
        if room <= self.0.len() {
            return false;
        }
        let before = std::mem::take(&mut self.0);
        self.0.resize_with(room, || [const { None }; WAYS]);
        for (hash, value) in before.into_iter().flat_map(|group| group.into_iter().rev()).flatten() {
            // What is in a group was in one before: it fits.
            self.fit(hash, value).ok();
        }
        true
    }

    fn put(&mut self, hash: u64, mut value: V, groups: usize) {
        while let Err(left) = self.fit(hash, value) {
            value = left;
            if !self.grow(groups) {
                if let Some(group) = self.group_mut(hash) {
                    put_first(group, hash, value);
                }
                return;
            }
        }
    }
}

/// Puts the latest before the others; the last of these goes.
fn put_first<V>(group: &mut Group<V>, hash: u64, value: V) {
    group.rotate_right(1);
    let [first, ..] = group;
    *first = Some((hash, value));
}

impl<V: Send> Recent<V> {
    /// Room for at most `places` values in each thread, rounded down to a power of two; for fewer than four there is none.
    pub fn new(places: usize) -> Self {
        let groups = (places / WAYS).checked_ilog2().map_or(0, |exponent| 1 << exponent);
        Self { tables: ThreadLocal::new(), groups, hasher: RandomState::default() }
    }

    /// What `read` makes of the value that this thread put under `key`, or under another key of the same hash.
    pub fn read<R>(&self, key: impl Hash, read: impl FnOnce(&V) -> Option<R>) -> Option<R> {
        let table = self.tables.get()?.try_borrow().ok()?;
        let hash = self.hasher.hash_one(key);
        let (_, value) = table.group(hash)?.iter().flatten().find(|(known, _)| *known == hash)?;
        read(value)
    }

    /// Puts `value` under `key`, in place of the oldest of those it shares a group with, where there is no more room.
    pub fn put(&self, key: impl Hash, value: V) {
        let Ok(mut table) = self.tables.get_or_default().try_borrow_mut() else { return };
        table.put(self.hasher.hash_one(key), value, self.groups);
    }
}

impl<V: Send> fmt::Debug for Recent<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recent").field("places", &(self.groups * WAYS)).finish_non_exhaustive()
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
    fn a_table_grows_until_there_is_room_for_all() {
        let recent = Recent::new(4096);
        for key in 0..1000 {
            recent.put(key, (key, "one"));
        }
        let lost = (0..1000).filter(|key| of(&recent, *key).is_none()).count();
        assert!(lost < 50, "{lost} of 1000");
        let places = |recent: &Recent<_>| recent.tables.get().unwrap().borrow().0.len() * WAYS;
        assert!((1000..=4096).contains(&places(&recent)), "{}", places(&recent));
        let few = Recent::new(4096);
        for _ in 0..1000 {
            few.put(1, (1, "one"));
            few.put(2, (2, "other"));
        }
        assert_eq!((of(&few, 1), of(&few, 2)), (Some("one"), Some("other")));
        assert_eq!(places(&few), FIRST * WAYS);
    }

    #[test]
    fn of_those_that_share_a_group_the_oldest_goes() {
        let recent = Recent::new(WAYS);
        for key in 0..5 {
            recent.put(key, (key, "one"));
        }
        assert_eq!((0..5).map(|key| of(&recent, key).is_some()).collect::<Vec<_>>(), [false, true, true, true, true]);
        recent.put(1, (1, "again"));
        recent.put(5, (5, "one"));
        assert_eq!((of(&recent, 1), of(&recent, 5)), (None, Some("one")));
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
