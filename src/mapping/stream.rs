//! Translation in one pass: from the provider's text to the uniform text, without a document in between.
//!
//! A [`Sheet`] is compiled from a plan when the catalog is loaded: a tree of the names that its lines look for, and a program
//! of what is written for a record. A pass checks the grammar of every byte, notes where the values are, and writes each record
//! when its end is reached; values are copied as text where their codec leaves them as they are. What it writes is, byte for
//! byte, what [`Plan::read`] and serde_json write for the same text. Where that cannot be told without seeing the whole (a
//! member said twice, a line that queries the whole record), compiling gives no sheet, or the pass stops with [`Stop::Odd`],
//! and the document decides.

mod order;
mod probe;
mod program;
mod put;
mod scan;
mod tree;
mod walk;

use serde_json::{Map, Value};

pub use self::scan::{Stop, check};
use self::{
    order::Order,
    probe::Probes,
    program::{Part, Program, View},
    put::{Manner, document},
    scan::{Kind, Scanner},
    tree::{Place, Tree},
    walk::{Found, Items, NoItems},
};
use super::{Path, Plan, condition::Match, path::Step};

/// The answer of a call, and how it is translated.
#[derive(Debug, Clone, PartialEq)]
pub struct Sheet {
    /// Over the answer.
    tree: Tree,
    /// What of the answer is told besides the records.
    told: Vec<(Place, Path)>,
    program: Program,
    form: Form,
    /// Of an answer with one record.
    order: Order,
}

#[derive(Debug, Clone, PartialEq)]
enum Form {
    /// One record at this place of the answer.
    Record(Place),
    /// A list of records at this place.
    List(Place, Box<Listed>),
}

/// The records of a list.
#[derive(Debug, Clone, PartialEq)]
struct Listed {
    /// Over one record.
    tree: Tree,
    skip: Option<Probes>,
    only: Option<Probes>,
}

/// Which records of a list are left out.
#[derive(Debug, Clone, Copy, Default)]
pub struct Choice<'a> {
    /// Those that meet this.
    pub skip: Option<&'a Match>,
    /// Those that do not meet this.
    pub only: Option<&'a Match>,
}

/// How the caller wants records.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wish<'a> {
    /// Times as RFC 3339.
    pub iso_dates: bool,
    /// Null members too.
    pub keep_nulls: bool,
    /// The fields wanted, in this order; empty for all. A name with a dot is none of one.
    pub fields: &'a [String],
    /// Fields left out.
    pub without: &'a [&'a str],
}

/// Which records of a page are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Records passed over.
    pub skip: u64,
    /// Records written, at most.
    pub take: u64,
}

impl Cut {
    /// All of them.
    pub const ALL: Self = Self { skip: 0, take: u64::MAX };
}

/// What a pass over a list found besides the records written.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The answer, as far as it tells of more than its records.
    pub told: Value,
    /// Its records.
    pub count: u64,
    /// Those of them that were written.
    pub written: u64,
}

impl Sheet {
    /// The sheet of answers that hold one record of `plan`, without the fields `hidden`; `told` are the places of the answer
    /// that are asked for besides.
    pub fn record(plan: &Plan, record: &Path, told: &[&Path], hidden: &[&str]) -> Option<Self> {
        let mut tree = Tree::new();
        let place = tree.place(0, record.steps()?)?;
        let program = Program::compile(plan, hidden, &mut tree, place)?;
        let told = placed(&mut tree, told)?;
        tree.finish()?;
        Some(Self { tree, told, program, form: Form::Record(place), order: Order::default() })
    }

    /// The sheet of answers that hold a list of records; as [`Self::record`] otherwise.
    pub fn list(plan: &Plan, items: &Path, choice: Choice<'_>, told: &[&Path], hidden: &[&str]) -> Option<Self> {
        let mut tree = Tree::new();
        let list = tree.place(0, items.steps()?)?;
        // What holds the list is not to become a document.
        let around =
            |path: &&Path| path.steps().is_some_and(|steps| items.steps().is_some_and(|to| to.starts_with(steps)));
        if told.iter().any(around) {
            return None;
        }
        let told = placed(&mut tree, told)?;
        tree.nodes.get_mut(list)?.list = true;
        tree.finish()?;
        let mut records = Tree::new();
        let program = Program::compile(plan, hidden, &mut records, 0)?;
        let mut probes = |test: Option<&Match>| match test {
            None => Some(None),
            Some(test) => Probes::compile(test, &mut records, 0).map(Some),
        };
        let (skip, only) = (probes(choice.skip)?, probes(choice.only)?);
        records.finish()?;
        let form = Form::List(list, Box::new(Listed { tree: records, skip, only }));
        Some(Self { tree, told, program, form, order: Order::default() })
    }

    /// Whether it is of a list.
    pub fn is_list(&self) -> bool {
        matches!(self.form, Form::List(..))
    }

    /// Writes the record of `text` to `out`; what the answer tells besides. `given` are the values of the plan's given fields.
    ///
    /// # Errors
    /// When the text is no JSON, or no record is where it should be, or only the document can decide; `out` may then hold a
    /// part of the record.
    pub fn write_record(
        &self,
        text: &str,
        wish: Wish<'_>,
        given: &[Option<Value>],
        out: &mut Vec<u8>,
    ) -> Result<Value, Stop> {
        let Form::Record(place) = &self.form else { return Err(Stop::Odd) };
        let mut scan = Scanner::new(text);
        let order = self.order.known();
        let mut found = Found::ordered(&self.tree, order.as_deref());
        scan.token()?;
        found.walk(&mut scan, 0, &mut NoItems)?;
        scan.finish()?;
        match *order {
            Some(_) => self.order.hear(found.mostly_met()),
            None => self.order.learn(&found, text.as_bytes()),
        }
        if found.slot(*place).kind != Kind::Object {
            return Err(Stop::Odd);
        }
        let (parts, given) = (self.program.parts(wish.fields, wish.without), texts(given));
        self.program.write(&wish.view(text, &parts, &given), &found, out)?;
        self.told(text, &found)
    }

    /// Writes the records of `text` that are within `cut` to `out`, each with a comma before it where `out` already ends in
    /// a record; as [`Self::write_record`] otherwise.
    ///
    /// # Errors
    /// As [`Self::write_record`].
    pub fn write_list(
        &self,
        text: &str,
        wish: Wish<'_>,
        given: &[Option<Value>],
        cut: Cut,
        out: &mut Vec<u8>,
    ) -> Result<Page, Stop> {
        let Form::List(list, listed) = &self.form else { return Err(Stop::Odd) };
        let mut scan = Scanner::new(text);
        let (parts, given) = (self.program.parts(wish.fields, wish.without), texts(given));
        let view = wish.view(text, &parts, &given);
        let found = Found::new(&listed.tree, true);
        let mut records =
            Records { listed, program: &self.program, view: &view, found, cut, count: 0, written: 0, out };
        let mut around = Found::new(&self.tree, false);
        scan.token()?;
        around.walk(&mut scan, 0, &mut records)?;
        scan.finish()?;
        let (count, written) = (records.count, records.written);
        match around.slot(*list).kind {
            Kind::List | Kind::Null | Kind::Absent => {}
            _ => return Err(Stop::Odd),
        }
        Ok(Page { told: self.told(text, &around)?, count, written })
    }

    /// What the answer tells besides its records, as a document of nothing else.
    fn told(&self, text: &str, found: &Found<'_>) -> Result<Value, Stop> {
        let mut told = Value::Null;
        for (place, path) in &self.told {
            let slot = found.slot(*place);
            if slot.kind != Kind::Absent {
                path.set(&mut told, document(text, slot)?);
            }
        }
        Ok(told)
    }
}

/// Puts paths into a tree; nothing where one has no single place, or is the whole.
fn placed(tree: &mut Tree, paths: &[&Path]) -> Option<Vec<(Place, Path)>> {
    let mut paths: Vec<(&[Step], &Path)> =
        paths.iter().map(|path| Some((path.steps()?, *path))).collect::<Option<_>>()?;
    // What is inside of another is put there after it.
    paths.sort_by_key(|(steps, _)| steps.len());
    paths
        .into_iter()
        .map(|(steps, path)| {
            (!steps.is_empty()).then_some(()).and_then(|()| Some((tree.place(0, steps)?, path.clone())))
        })
        .collect()
}

fn texts(given: &[Option<Value>]) -> Vec<Option<Vec<u8>>> {
    given.iter().map(|value| value.as_ref().map(program::text)).collect()
}

impl<'a> Wish<'a> {
    fn view(&self, text: &'a str, parts: &'a [Part], given: &'a [Option<Vec<u8>>]) -> View<'a> {
        let manner = Manner { iso_dates: self.iso_dates, keep_nulls: self.keep_nulls };
        View { text, manner, parts, selected: !self.fields.is_empty(), given }
    }
}

/// Writes records as their list is walked.
struct Records<'a, 'o> {
    listed: &'a Listed,
    program: &'a Program,
    view: &'a View<'a>,
    found: Found<'a>,
    cut: Cut,
    count: u64,
    written: u64,
    out: &'o mut Vec<u8>,
}

impl Items for Records<'_, '_> {
    fn item(&mut self, scan: &mut Scanner<'_>, _: usize, depth: u32) -> Result<(), Stop> {
        self.found.clear();
        self.found.walk(scan, depth, &mut NoItems)?;
        let text = self.view.text;
        if let Some(only) = &self.listed.only
            && !only.hold(text, &self.found)?
        {
            return Ok(());
        }
        if let Some(skip) = &self.listed.skip
            && skip.hold(text, &self.found)?
        {
            return Ok(());
        }
        self.count += 1;
        if self.count > self.cut.skip && self.written < self.cut.take {
            if self.out.last() == Some(&b'}') {
                self.out.push(b',');
            }
            self.program.write(self.view, &self.found, self.out)?;
            self.written += 1;
        }
        Ok(())
    }
}

/// `records` as a list, in the form that [`Sheet::write_list`] goes on with.
pub fn append(records: &[Map<String, Value>], out: &mut Vec<u8>) {
    for record in records {
        if out.last() == Some(&b'}') {
            out.push(b',');
        }
        // Writing to memory does not fail.
        let written = serde_json::to_writer(&mut *out, record);
        debug_assert!(written.is_ok(), "a record that cannot be written");
    }
}
