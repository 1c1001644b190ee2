//! Walks a value along a tree and notes where what it looks for is.

use super::{
    order::Names,
    scan::{Kind, Pass, Scanner, Stop},
    tree::{Node, Place, Tree, mix},
};

/// Where a value is in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Slot {
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) kind: Kind,
}

/// A member of the open map: its name, quotes included, and its value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Collected {
    pub(super) start: u32,
    pub(super) end: u32,
    mixed: u32,
    pub(super) value: Slot,
}

/// What a name was found to mean.
#[derive(Debug, Clone, Copy)]
pub(super) struct Meaning {
    pub(super) mixed: u32,
    place: Option<Place>,
    collected: bool,
    /// Whether nothing is looked for within its value.
    leaf: bool,
}

/// A name as the object before had it at this turn: objects of a list tend to be alike, and a name that comes again
/// need be neither scanned nor looked up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Guess {
    pub(super) start: u32,
    /// The name's end, its closing quote included.
    end: u32,
    /// Where the value begins, after the colon and any white space.
    pub(super) value: u32,
    pub(super) meaning: Meaning,
}

impl Guess {
    /// The same in another text, where it begins at `start`.
    pub(super) fn moved(self, start: u32) -> Self {
        let (end, value) = (start + (self.end - self.start), start + (self.value - self.start));
        Self { start, end, value, ..self }
    }
}

/// Members of one open map, at most; a record with more takes the other path.
const MOST_COLLECTED: usize = 1_024;
/// Members of one open map, mostly.
const LIKELY_COLLECTED: usize = 16;
/// Names of one object that are guessed, at most.
const MOST_GUESSES: usize = 512;

/// What to do with the items of a list that the tree marks.
pub(super) trait Items {
    /// Goes past the item `index` of the list at `place`, within `depth` containers.
    fn item(&mut self, scan: &mut Scanner<'_>, index: usize, depth: u32) -> Pass<()>;
}

/// No list is marked.
pub(super) struct NoItems;

impl Items for NoItems {
    fn item(&mut self, scan: &mut Scanner<'_>, _: usize, depth: u32) -> Pass<()> {
        scan.value(depth).map(drop)
    }
}

/// What a walk found.
pub(super) struct Found<'t> {
    tree: &'t Tree,
    /// One for each node.
    pub(super) slots: Vec<Slot>,
    /// The members of the open object, in their order.
    pub(super) collected: Vec<Collected>,
    /// A bit for each name collected, to see doubled ones soon.
    seen: [u64; 4],
    /// The names of this record, or of the one before, by node; empty when nobody wants to know them.
    pub(super) guesses: Vec<Vec<Guess>>,
    /// The names of a record before, of another text.
    order: Option<&'t Names>,
    /// How many names were where they were in the order, and how many were not.
    pub(super) met: (u32, u32),
}

#[inline]
fn place32(at: usize) -> Pass<u32> {
    u32::try_from(at).map_err(|_| Stop::Odd)
}

impl<'t> Found<'t> {
    /// Nothing yet, of a record that may have the same `order` as one before.
    pub(super) fn ordered(tree: &'t Tree, order: Option<&'t Names>) -> Self {
        // Where none is known, this one's is noted.
        Self { order, ..Self::new(tree, order.is_none()) }
    }

    /// Nothing yet; `alike` for several values of one kind.
    pub(super) fn new(tree: &'t Tree, alike: bool) -> Self {
        let count = tree.nodes.len();
        Self {
            tree,
            slots: vec![Slot::default(); count],
            collected: Vec::with_capacity(if tree.rule.is_some() { LIKELY_COLLECTED } else { 0 }),
            seen: [0; 4],
            guesses: if alike { vec![Vec::new(); count] } else { Vec::new() },
            order: None,
            met: (0, 0),
        }
    }

    /// Whether most names were where they were in the order that was known.
    pub(super) fn mostly_met(&self) -> bool {
        self.met.0 >= self.met.1
    }

    #[inline]
    pub(super) fn slot(&self, place: Place) -> Slot {
        self.slots.get(place).copied().unwrap_or_default()
    }

    /// Forgets the value before.
    pub(super) fn clear(&mut self) {
        self.slots.fill(Slot::default());
        self.collected.clear();
        self.seen = [0; 4];
    }

    /// Walks the value here, of which the root of the tree tells.
    pub(super) fn walk(&mut self, scan: &mut Scanner<'_>, depth: u32, items: &mut impl Items) -> Pass<()> {
        self.place(scan, 0, depth, items).map(drop)
    }

    #[inline]
    fn place(&mut self, scan: &mut Scanner<'_>, place: Place, depth: u32, items: &mut impl Items) -> Pass<Slot> {
        let start = place32(scan.at)?;
        let tree = self.tree;
        let node = tree.node(place).ok_or(Stop::Odd)?;
        let kind = if node.is_leaf() {
            scan.value(depth)?
        } else {
            // Said twice, the latter counts, with all below it: let those decide who see the whole.
            if self.slot(place).kind != Kind::Absent {
                return Err(Stop::Odd);
            }
            match scan.peek() {
                Some(b'{') => self.object(scan, place, node, depth, items)?,
                Some(b'[') => self.list(scan, node, depth, items)?,
                _ => scan.value(depth)?,
            }
        };
        let slot = Slot { start, end: place32(scan.at)?, kind };
        if let Some(known) = self.slots.get_mut(place) {
            *known = slot;
        }
        Ok(slot)
    }

    fn object(
        &mut self,
        scan: &mut Scanner<'_>,
        place: Place,
        node: &Node,
        depth: u32,
        items: &mut impl Items,
    ) -> Pass<Kind> {
        let depth = Scanner::deeper(depth)?;
        scan.at += 1;
        if scan.token()? == b'}' {
            scan.at += 1;
            return Ok(Kind::Object);
        }
        let (order, mut turn, mut met) = (self.order, 0, (0, 0));
        loop {
            let start = scan.at;
            let expected = match order {
                Some(order) => order.at(place, turn),
                None => self.guesses.get(place).and_then(|known| known.get(turn)).map(|guess| {
                    let text = scan.between(guess.start as usize, guess.value as usize);
                    (text, guess)
                }),
            };
            let (meaning, end) = match expected {
                Some((text, guess)) if scan.take(text) => {
                    scan.token()?;
                    turn += 1;
                    met.0 += 1;
                    (guess.meaning, start + (guess.end - guess.start) as usize)
                }
                _ => {
                    let (end, kind) = scan.name()?;
                    let meaning = self.meaning(node, scan.between(start, end), kind)?;
                    self.guess(place, turn, start, end, scan.at, meaning)?;
                    turn = order.map_or(turn + 1, |order| order.after(place, turn, meaning.mixed));
                    met.1 += 1;
                    (meaning, end)
                }
            };
            let value = if let (Some(place), false) = (meaning.place, meaning.leaf) {
                self.place(scan, place, depth, items)?
            } else {
                let from = place32(scan.at)?;
                let kind = scan.value(depth)?;
                let slot = Slot { start: from, end: place32(scan.at)?, kind };
                if let Some(known) = meaning.place.and_then(|place| self.slots.get_mut(place)) {
                    *known = slot;
                }
                slot
            };
            if meaning.collected {
                self.collect(scan, start, end, meaning.mixed, value)?;
            }
            match scan.token()? {
                b',' => {
                    scan.at += 1;
                    scan.token()?;
                }
                b'}' => {
                    scan.at += 1;
                    self.met = (self.met.0 + met.0, self.met.1 + met.1);
                    return Ok(Kind::Object);
                }
                _ => return Err(Stop::Malformed),
            }
        }
    }

    /// What `name`, quotes included, means in the object of `node`.
    #[inline]
    fn meaning(&self, node: &Node, name: &[u8], kind: Kind) -> Pass<Meaning> {
        if kind == Kind::Escaped {
            return self.meaning_of_escaped(node, name);
        }
        let name = name.get(1..name.len() - 1).unwrap_or_default();
        let mixed = mix(name);
        Ok(match node.names.find(name, mixed).and_then(|at| node.names.known(at)) {
            Some(known) => {
                Meaning { mixed, place: known.place, collected: known.collected, leaf: self.is_leaf(known.place) }
            }
            None => Meaning { mixed, place: None, collected: node.open && self.tree.collects(name), leaf: true },
        })
    }

    #[cold]
    fn meaning_of_escaped(&self, node: &Node, name: &[u8]) -> Pass<Meaning> {
        if node.open {
            return Err(Stop::Odd);
        }
        let name: String = serde_json::from_slice(name).map_err(|_| Stop::Malformed)?;
        let mixed = mix(name.as_bytes());
        let known = node.names.find(name.as_bytes(), mixed).and_then(|at| node.names.known(at));
        let place = known.and_then(|known| known.place);
        Ok(Meaning { mixed, place, collected: false, leaf: self.is_leaf(place) })
    }

    fn is_leaf(&self, place: Option<Place>) -> bool {
        place.and_then(|place| self.tree.node(place)).is_none_or(Node::is_leaf)
    }

    /// Remembers a name for the next object of this place.
    #[inline]
    fn guess(
        &mut self,
        place: Place,
        turn: usize,
        start: usize,
        end: usize,
        value: usize,
        meaning: Meaning,
    ) -> Pass<()> {
        if let Some(known) = self.guesses.get_mut(place) {
            let guess = Guess { start: place32(start)?, end: place32(end)?, value: place32(value)?, meaning };
            if let Some(known) = known.get_mut(turn) {
                *known = guess;
            } else if turn == known.len() && turn < MOST_GUESSES {
                known.push(guess);
            }
        }
        Ok(())
    }

    #[inline]
    fn collect(&mut self, scan: &Scanner<'_>, start: usize, end: usize, mixed: u32, value: Slot) -> Pass<()> {
        let spread = mixed.wrapping_mul(0x9e37_79b1) >> 24;
        let bit = 1_u64 << (spread & 63);
        let word = self.seen.get_mut((spread >> 6) as usize).ok_or(Stop::Odd)?;
        let may_be_doubled = *word & bit != 0;
        *word |= bit;
        if may_be_doubled {
            let name = scan.between(start, end);
            let mut others = self.collected.iter().filter(|other| other.mixed == mixed);
            if others.any(|other| scan.between(other.start as usize, other.end as usize) == name) {
                return Err(Stop::Odd);
            }
        }
        if self.collected.len() == MOST_COLLECTED {
            return Err(Stop::Odd);
        }
        self.collected.push(Collected { start: place32(start)?, end: place32(end)?, mixed, value });
        Ok(())
    }

    fn list(&mut self, scan: &mut Scanner<'_>, node: &Node, depth: u32, items: &mut impl Items) -> Pass<Kind> {
        let depth = Scanner::deeper(depth)?;
        scan.at += 1;
        if scan.token()? == b']' {
            scan.at += 1;
            return Ok(Kind::List);
        }
        for index in 0.. {
            let wanted = node.items.iter().find(|(known, _)| *known == index).map(|(_, place)| *place);
            let start = scan.at;
            if let Some(place) = wanted {
                self.place(scan, place, depth, items)?;
            }
            if node.list {
                scan.at = start;
                items.item(scan, index, depth)?;
            } else if wanted.is_none() {
                scan.value(depth)?;
            }
            match scan.token()? {
                b',' => {
                    scan.at += 1;
                    scan.token()?;
                }
                b']' => {
                    scan.at += 1;
                    break;
                }
                _ => return Err(Stop::Malformed),
            }
        }
        Ok(Kind::List)
    }
}
