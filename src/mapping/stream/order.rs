//! The order in which the members of records came: answers of one call mostly have the same.
//!
//! A name that is where it was the last time need be neither scanned nor looked up, only compared. What is kept are names
//! alone, never values, and a pass means the same with it and without it.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering::Relaxed},
};

use arc_swap::{ArcSwapOption, Guard};

use super::{
    tree::Place,
    walk::{Found, Guess},
};

/// Bytes of names that are kept, at most.
const MOST_BYTES: usize = 16 * 1024;
/// How many names further on one is looked for that is not where it was.
const AHEAD: usize = 16;
/// Records in a row that mostly were otherwise, after which another order is learned.
const PATIENCE: u8 = 16;

/// What is known of the order of a sheet's records.
#[derive(Debug, Default)]
pub(super) struct Order {
    known: ArcSwapOption<Names>,
    /// Records in a row that mostly were otherwise.
    otherwise: AtomicU8,
}

/// The names of a record in their order, by node.
#[derive(Debug, Default)]
pub(super) struct Names {
    text: Box<[u8]>,
    guesses: Box<[Box<[Guess]>]>,
}

impl Order {
    /// The order that is known, unless it is time to learn another.
    pub(super) fn known(&self) -> Guard<Option<Arc<Names>>> {
        if self.otherwise.load(Relaxed) < PATIENCE { self.known.load() } else { Guard::from_inner(None) }
    }

    /// Takes the order of a record of `text`; none of one that has too much to keep.
    pub(super) fn learn(&self, found: &Found<'_>, text: &[u8]) {
        self.known.store(Some(Arc::new(Names::of(found, text).unwrap_or_default())));
        self.otherwise.store(0, Relaxed);
    }

    /// Hears whether most names of a record were where they were expected.
    pub(super) fn hear(&self, met: bool) {
        let otherwise = self.otherwise.load(Relaxed);
        // Written only where it changes: all threads read it.
        if !met {
            self.otherwise.store(otherwise.saturating_add(1), Relaxed);
        } else if otherwise != 0 {
            self.otherwise.store(0, Relaxed);
        }
    }
}

/// What is known of the order is no part of what a sheet is.
impl PartialEq for Order {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Clone for Order {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Names {
    fn of(found: &Found<'_>, text: &[u8]) -> Option<Self> {
        let mut kept = Vec::new();
        let guesses = found.guesses.iter().map(|guesses| {
            let moved = guesses.iter().map(|guess| {
                let from = u32::try_from(kept.len()).ok()?;
                kept.extend_from_slice(text.get(guess.start as usize..guess.value as usize)?);
                (kept.len() <= MOST_BYTES).then(|| guess.moved(from))
            });
            moved.collect::<Option<_>>()
        });
        let guesses = guesses.collect::<Option<_>>()?;
        Some(Self { text: kept.into(), guesses })
    }

    /// The name that comes at `turn` in the object of `place`, with its colon.
    #[inline]
    pub(super) fn at(&self, place: Place, turn: usize) -> Option<(&[u8], &Guess)> {
        let guess = self.guesses.get(place)?.get(turn)?;
        Some((self.text.get(guess.start as usize..guess.value as usize)?, guess))
    }

    /// The turn after a name that came in place of the one of `turn`: where names were left out, further on; where it was
    /// put in, the same.
    pub(super) fn after(&self, place: Place, turn: usize, mixed: u32) -> usize {
        let ahead = self.guesses.get(place).and_then(|guesses| guesses.get(turn..)).unwrap_or_default();
        let found = ahead.iter().take(AHEAD).position(|guess| guess.meaning.mixed == mixed);
        found.map_or(turn, |past| turn + past + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::{
        path::Step,
        stream::{
            scan::Scanner,
            tree::Tree,
            walk::{NoItems, Slot},
        },
    };

    fn tree() -> Tree {
        let mut tree = Tree::new();
        for name in ["a", "c", "e"] {
            tree.place(0, &[Step::Key(name.to_owned())]).unwrap();
        }
        tree.finish().unwrap();
        tree
    }

    /// What was found in a record, and how many of its names were where they were expected and how many were not.
    fn walked(order: &Order, text: &str) -> (Vec<Slot>, (u32, u32)) {
        let tree = tree();
        let (known, mut scan) = (order.known(), Scanner::new(text));
        let mut found = Found::ordered(&tree, known.as_deref());
        found.walk(&mut scan, 0, &mut NoItems).unwrap();
        match *known {
            Some(_) => order.hear(found.mostly_met()),
            None => order.learn(&found, text.as_bytes()),
        }
        (found.slots.clone(), found.met)
    }

    const RECORD: &str = r#"{"a":1,"b":2,"c":3,"d":4,"e":5}"#;

    #[test]
    fn names_are_met_where_they_were() {
        let order = Order::default();
        walked(&order, RECORD);
        for (text, met) in [
            (RECORD, (5, 0)),
            (r#"{"a":"x","b":[],"c":{"e":1},"d":null,"e":5.5}"#, (5, 0)),
            (r#"{"a":1,"b":2,"c":3,"e":5}"#, (3, 1)),
            (r#"{"a":1,"e":5}"#, (1, 1)),
            (r#"{"new":0,"a":1,"b":2,"c":3,"d":4,"e":5}"#, (5, 1)),
            (r#"{"e":5,"a":1}"#, (0, 2)),
            (r#"{"\u0061":1,"b":2,"c":3}"#, (2, 1)),
            (r#"{"a" :1,"b": 2}"#, (1, 1)),
        ] {
            let (slots, counted) = walked(&order, text);
            assert_eq!(counted, met, "{text}");
            assert_eq!(slots, walked(&Order::default(), text).0, "{text}");
        }
    }

    #[test]
    fn another_order_is_learned_in_time() {
        let order = Order::default();
        walked(&order, RECORD);
        let other = r#"{"e":5,"d":4,"c":3,"b":2,"a":1}"#;
        let turns = (0..100).position(|_| walked(&order, other).1 == (5, 0)).unwrap();
        assert_eq!(turns, usize::from(PATIENCE) + 1);
        // Now and then another one changes nothing.
        for _ in 0..100 {
            assert_eq!(walked(&order, other).1, (5, 0));
            assert_eq!(walked(&order, r#"{"x":1,"y":2}"#).1, (0, 2));
        }
    }

    #[test]
    fn what_has_too_much_to_keep_is_not_kept() {
        let order = Order::default();
        let text = format!(r#"{{"{}":1,"a":2}}"#, "x".repeat(MOST_BYTES));
        assert_eq!(walked(&order, &text).1, (0, 2));
        assert_eq!(walked(&order, &text).1, (0, 2));
        assert!(order.known().as_ref().is_some_and(|names| names.text.is_empty()));
    }
}
