//! The names a pass looks for, as a tree over the provider's shape.

use crate::mapping::path::Step;

/// A place in a tree; also the number of its slot.
pub(super) type Place = usize;

/// A place in the provider's shape.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Node {
    pub(super) names: Names,
    /// Items that are looked at, by their number.
    pub(super) items: Vec<(usize, Place)>,
    /// Whether members that no name here is for are collected.
    pub(super) open: bool,
    /// Whether the items of a list here are records.
    pub(super) list: bool,
}

impl Node {
    /// Whether only the value itself is wanted.
    #[inline]
    pub(super) fn is_leaf(&self) -> bool {
        self.names.known.is_empty() && self.items.is_empty() && !self.open && !self.list
    }
}

/// A tree; the first node is the root.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    /// What of the open object's members is collected, where there is one.
    pub(super) rule: Option<Rule>,
}

/// Which members of an open object are collected when no name is for them.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Rule {
    pub(super) endings: Vec<String>,
    pub(super) beginnings: Vec<String>,
}

impl Rule {
    /// Whether it names endings or beginnings, so that a name that is known may be collected too.
    pub(super) fn chooses(&self) -> bool {
        !(self.endings.is_empty() && self.beginnings.is_empty())
    }

    #[inline]
    pub(super) fn takes(&self, name: &[u8]) -> bool {
        !self.chooses()
            || self.endings.iter().any(|ending| name.ends_with(ending.as_bytes()))
            || self.beginnings.iter().any(|beginning| name.starts_with(beginning.as_bytes()))
    }
}

impl Tree {
    pub(super) fn new() -> Self {
        Self { nodes: vec![Node::default()], rule: None }
    }

    /// The place at `steps` below `from`, made if need be.
    pub(super) fn place(&mut self, from: Place, steps: &[Step]) -> Option<Place> {
        let mut at = from;
        for step in steps {
            let fresh = self.nodes.len();
            let node = self.nodes.get_mut(at)?;
            let found = match step {
                Step::Key(key) => *node.names.entry(key).place.get_or_insert(fresh),
                Step::Index(index) => match node.items.iter().find(|(known, _)| known == index) {
                    Some((_, place)) => *place,
                    None => {
                        node.items.push((*index, fresh));
                        fresh
                    }
                },
            };
            if found == fresh {
                self.nodes.push(Node::default());
            }
            at = found;
        }
        Some(at)
    }

    /// Collects members of the object at `place`: those that `rule` names, or all but `taken`.
    pub(super) fn open(&mut self, place: Place, rule: Rule, taken: &[&str]) -> Option<()> {
        let node = self.nodes.get_mut(place)?;
        node.open = true;
        for name in taken {
            node.names.entry(name).taken = true;
        }
        self.rule = Some(rule);
        Some(())
    }

    /// Ends the making: names can be looked up from now on. Nothing when there are more names than anybody writes.
    pub(super) fn finish(&mut self) -> Option<()> {
        for node in &mut self.nodes {
            // What is only looked at, by a test, belongs to the open map all the same.
            for known in node.names.known.iter_mut().filter(|_| node.open) {
                known.collected = match &self.rule {
                    Some(rule) if rule.chooses() => rule.takes(known.name.as_bytes()),
                    _ => !known.taken,
                };
            }
            node.names.finish()?;
        }
        Some(())
    }

    /// Whether the open object's rule takes a member that has no name here.
    #[inline]
    pub(super) fn collects(&self, name: &[u8]) -> bool {
        self.rule.as_ref().is_some_and(|rule| rule.takes(name))
    }

    #[inline]
    pub(super) fn node(&self, place: Place) -> Option<&Node> {
        self.nodes.get(place)
    }
}

/// A name that means something in an object.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Known {
    name: String,
    /// Where its value belongs.
    pub(super) place: Option<Place>,
    /// Whether the member belongs to the open map (too).
    pub(super) collected: bool,
    /// Whether a line or an ignored path takes the member.
    taken: bool,
}

/// The names that mean something in one object, hashed.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Names {
    known: Vec<Known>,
    /// Numbers of `known`, one more than they are; zero is empty. Their count is a power of two.
    buckets: Vec<u16>,
    factor: u32,
}

/// A number of a name, quick to make: of its length, its first and its last characters.
#[inline]
pub(super) fn mix(name: &[u8]) -> u32 {
    let ends = match (name.first_chunk::<4>(), name.last_chunk::<4>()) {
        (Some(first), Some(last)) => u32::from_le_bytes(*first) ^ u32::from_le_bytes(*last).rotate_left(13),
        _ => name.iter().fold(0, |mixed, byte| mixed << 8 | u32::from(*byte)),
    };
    ends ^ u32::try_from(name.len()).unwrap_or_default().rotate_left(27)
}

/// Whether two names are the same; most are told apart, or not, by a comparison or two of eight characters.
#[inline]
fn same(one: &[u8], other: &[u8]) -> bool {
    match (one.first_chunk::<8>(), other.first_chunk::<8>(), one.last_chunk::<8>(), other.last_chunk::<8>()) {
        (Some(first), Some(other_first), Some(last), Some(other_last)) if one.len() <= 16 => {
            one.len() == other.len() && first == other_first && last == other_last
        }
        _ => one == other,
    }
}

impl Names {
    fn entry(&mut self, name: &str) -> &mut Known {
        let at = self.known.iter().position(|known| known.name == name).unwrap_or(self.known.len());
        if at == self.known.len() {
            self.known.push(Known { name: name.to_owned(), place: None, collected: false, taken: false });
        }
        // The position was found or has just been made.
        #[expect(clippy::indexing_slicing, reason = "the position was found or has just been made")]
        &mut self.known[at]
    }

    fn bucket(&self, mixed: u32, factor: u32) -> usize {
        (mixed.wrapping_mul(factor) >> 16) as usize & self.buckets.len().wrapping_sub(1)
    }

    /// Builds the table, with the factor that makes the fewest names share a bucket.
    fn finish(&mut self) -> Option<()> {
        if self.known.is_empty() {
            return Some(());
        }
        u16::try_from(self.known.len() + 1).ok()?;
        self.buckets = vec![0; (self.known.len() * 4).next_power_of_two()];
        let mut best = usize::MAX;
        for factor in (0..32_u32).map(|turn| 0x9e37_79b1_u32.rotate_left(turn) | 1) {
            let mut used: Vec<usize> =
                self.known.iter().map(|known| self.bucket(mix(known.name.as_bytes()), factor)).collect();
            used.sort_unstable();
            used.dedup();
            let shared = self.known.len() - used.len();
            if shared < best {
                (best, self.factor) = (shared, factor);
            }
        }
        for (at, known) in self.known.iter().enumerate() {
            let mut bucket = self.bucket(mix(known.name.as_bytes()), self.factor);
            while self.buckets.get(bucket).is_some_and(|taken| *taken != 0) {
                bucket = (bucket + 1) & (self.buckets.len() - 1);
            }
            if let Some(free) = self.buckets.get_mut(bucket) {
                *free = u16::try_from(at + 1).ok()?;
            }
        }
        Some(())
    }

    /// The number of `name`, whose [`mix`] is `mixed`.
    #[inline]
    pub(super) fn find(&self, name: &[u8], mixed: u32) -> Option<usize> {
        let mut bucket = self.bucket(mixed, self.factor);
        loop {
            let at = usize::from(*self.buckets.get(bucket)?).checked_sub(1)?;
            if self.known.get(at).is_some_and(|known| same(known.name.as_bytes(), name)) {
                return Some(at);
            }
            bucket = (bucket + 1) & self.buckets.len().wrapping_sub(1);
        }
    }

    #[inline]
    pub(super) fn known(&self, at: usize) -> Option<&Known> {
        self.known.get(at)
    }
}
