//! What is written for a record: the plan's lines in the order of the uniform record, each with its text made ready.

use std::borrow::Cow;

use serde_json::Value;

use super::{
    probe::Probes,
    put::{Manner, Put, document, write_json},
    scan::{Kind, Stop},
    tree::{Place, Rule, Tree},
    walk::Found,
};
use crate::mapping::{Codec, Line, Path, Plan};

/// A member of the uniform record.
#[derive(Debug, Clone, PartialEq)]
struct Member {
    name: String,
    /// `,"name":`
    head: Box<[u8]>,
    content: Content,
}

#[derive(Debug, Clone, PartialEq)]
enum Content {
    /// Lines for one field; the last that reads something counts.
    Lines(Vec<Read>),
    /// An object of further members; whether the open map's are among them.
    Object(Vec<Member>, bool),
}

/// A line that reads.
#[derive(Debug, Clone, PartialEq)]
struct Read {
    when: Option<Probes>,
    source: Source,
}

#[derive(Debug, Clone, PartialEq)]
enum Source {
    /// Always this text.
    Constant(Box<[u8]>),
    /// What is at a place.
    At(Place, Put),
    /// What a query finds below a place.
    Below(Place, Path, Put),
}

/// The open map.
#[derive(Debug, Clone, PartialEq)]
struct OpenMap {
    name: String,
    head: Box<[u8]>,
    put: Put,
}

/// Everything written for one record.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Program {
    members: Vec<Member>,
    open: Option<OpenMap>,
    /// Fields that the call knows, as the plan has them.
    given: Vec<(String, Box<[u8]>)>,
    /// All parts in their order.
    all: Vec<Part>,
}

/// A part of a record, in the order wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Member(usize),
    Open,
    Given(usize),
}

/// The name of a member with what stands around it.
fn head(name: &str) -> Box<[u8]> {
    format!(",{}:", Value::from(name)).into_bytes().into_boxed_slice()
}

impl Program {
    /// The program of `plan` for records at `root`; nothing where the order of members depends on the record, or one hangs
    /// on more than its own places.
    pub(super) fn compile(plan: &Plan, hidden: &[&str], tree: &mut Tree, root: Place) -> Option<Self> {
        let is_hidden = |name: &str| hidden.contains(&name);
        let mut members = Vec::new();
        for line in plan.lines.iter().filter(|line| line.reads()) {
            if line.steps().first().is_some_and(|first| is_hidden(first)) {
                continue;
            }
            let read = Read::compile(line, tree, root)?;
            add(&mut members, line.steps(), read)?;
        }
        let open = match plan.open.as_ref().filter(|open| !is_hidden(&open.field)) {
            None => None,
            Some(open) => {
                let steps = open.path.steps()?;
                let taken: Vec<&str> = plan.named(steps.len()).collect();
                let place = tree.place(root, steps)?;
                let rule = Rule { endings: open.endings.clone(), beginnings: open.beginnings.clone() };
                tree.open(place, rule, &taken)?;
                match members.iter_mut().find(|member| member.name == open.field).map(|member| &mut member.content) {
                    None => {}
                    Some(Content::Object(_, open)) => *open = true,
                    Some(Content::Lines(_)) => return None,
                }
                Some(OpenMap { name: open.field.clone(), head: head(&open.field), put: Put::new(&open.codec, false) })
            }
        };
        let mut given: Vec<(String, Box<[u8]>)> = Vec::new();
        for one in &plan.given {
            let known = members.iter().map(|member| &member.name).chain(open.iter().map(|open| &open.name));
            if one.name.contains('.') || known.chain(given.iter().map(|(name, _)| name)).any(|name| *name == one.name) {
                return None;
            }
            given.push((one.name.clone(), head(&one.name)));
        }
        for (_, head) in given.iter_mut().filter(|(name, _)| is_hidden(name)) {
            *head = Box::default();
        }
        let mut program = Self { members, open, given, all: Vec::new() };
        program.all = program.named().map(|(_, part)| part).collect();
        Some(program)
    }

    /// The parts of a record by name.
    fn named(&self) -> impl Iterator<Item = (&str, Part)> {
        let members = self.members.iter().enumerate().map(|(at, member)| (member.name.as_str(), Part::Member(at)));
        let open = self.open.iter().map(|open| (open.name.as_str(), Part::Open));
        let given = self.given.iter().enumerate().filter(|(_, (_, head))| !head.is_empty());
        members.chain(open).chain(given.map(|(at, (name, _))| (name.as_str(), Part::Given(at))))
    }

    /// The parts of a record in their order: those that `fields` name in its order, or all; none of `without`.
    pub(super) fn parts(&self, fields: &[String], without: &[&str]) -> Cow<'_, [Part]> {
        if fields.is_empty() && without.is_empty() {
            return Cow::Borrowed(&self.all);
        }
        let all: Vec<(&str, Part)> = self.named().filter(|(name, _)| !without.contains(name)).collect();
        if fields.is_empty() {
            return all.into_iter().map(|(_, part)| part).collect();
        }
        let mut wanted = Vec::new();
        for field in fields {
            // A member that holds the open map too comes first, and has both.
            let found = all.iter().find(|(name, part)| name == field && !wanted.contains(part));
            wanted.extend(found.map(|(_, part)| *part));
        }
        Cow::Owned(wanted)
    }

    /// Writes the record that `found` tells of.
    #[inline]
    pub(super) fn write(&self, view: &View<'_>, found: &Found<'_>, out: &mut Vec<u8>) -> Result<(), Stop> {
        let start = out.len();
        let writing = Writing { program: self, view, found };
        let mut opened = false;
        for part in view.parts {
            match part {
                Part::Member(at) => {
                    if let Some(member) = self.members.get(*at) {
                        opened |= writing.member(member, view.selected, out)?;
                    }
                }
                Part::Open if !opened => {
                    if let Some(open) = &self.open {
                        writing.open(open, &[], out)?;
                    }
                }
                Part::Open => {}
                Part::Given(at) => {
                    if let (Some((_, head)), Some(Some(value))) = (self.given.get(*at), view.given.get(*at)) {
                        out.extend_from_slice(head);
                        out.extend_from_slice(value);
                    }
                }
            }
        }
        close(out, start, true);
        Ok(())
    }
}

/// How the records of one call are written.
pub(super) struct View<'a> {
    pub(super) text: &'a str,
    pub(super) manner: Manner,
    pub(super) parts: &'a [Part],
    /// Whether the caller named the fields.
    pub(super) selected: bool,
    pub(super) given: &'a [Option<Vec<u8>>],
}

/// Makes an object of the members written since `start`, which all begin with a comma; where there are none and `always` is
/// not set, nothing.
#[inline]
fn close(out: &mut Vec<u8>, start: usize, always: bool) {
    match out.get_mut(start) {
        Some(comma) => {
            *comma = b'{';
            out.push(b'}');
        }
        None if always => out.extend_from_slice(b"{}"),
        None => {}
    }
}

struct Writing<'a> {
    program: &'a Program,
    view: &'a View<'a>,
    found: &'a Found<'a>,
}

impl Writing<'_> {
    /// Writes a member, if it has a value; whether the open map was written with it. In an order of the caller's the place
    /// of the open map does not hang on whether lines have put something there.
    fn member(&self, member: &Member, selected: bool, out: &mut Vec<u8>) -> Result<bool, Stop> {
        match &member.content {
            Content::Lines(lines) => self.lines(&member.head, lines, out).map(|()| false),
            Content::Object(members, open) => {
                let before = out.len();
                out.extend_from_slice(&member.head);
                let start = out.len();
                for member in members {
                    self.member(member, selected, out)?;
                }
                let map = self.program.open.as_ref().filter(|_| *open && (selected || out.len() > start));
                if let Some(map) = map {
                    self.collected(map, members, out)?;
                }
                if out.len() == start {
                    out.truncate(before);
                    return Ok(false);
                }
                close(out, start, false);
                Ok(map.is_some())
            }
        }
    }

    #[inline]
    fn lines(&self, head: &[u8], lines: &[Read], out: &mut Vec<u8>) -> Result<(), Stop> {
        let start = out.len();
        for line in lines.iter().rev() {
            if self.line(head, line, out)? {
                return Ok(());
            }
            out.truncate(start);
        }
        Ok(())
    }

    /// Writes a line's member; false when it has no value, with a part of it perhaps written.
    #[inline]
    fn line(&self, head: &[u8], line: &Read, out: &mut Vec<u8>) -> Result<bool, Stop> {
        let View { text, manner, .. } = *self.view;
        if let Some(when) = &line.when
            && !when.hold(text, self.found)?
        {
            return Ok(false);
        }
        match &line.source {
            Source::At(place, put) => {
                let slot = self.found.slot(*place);
                if slot.kind == Kind::Absent || slot.kind == Kind::Null && !manner.keep_nulls {
                    return Ok(false);
                }
                out.extend_from_slice(head);
                put.put(text, slot, manner, out)
            }
            Source::Constant(constant) => {
                out.extend_from_slice(head);
                out.extend_from_slice(constant);
                Ok(true)
            }
            Source::Below(place, path, put) => {
                let slot = self.found.slot(*place);
                if slot.kind == Kind::Absent {
                    return Ok(false);
                }
                let value = document(text, slot)?;
                out.extend_from_slice(head);
                Ok(path.get(&value).is_some_and(|value| put.put_document(value, manner, out)))
            }
        }
    }

    /// Writes the open map, if it has members.
    fn open(&self, open: &OpenMap, known: &[Member], out: &mut Vec<u8>) -> Result<(), Stop> {
        let before = out.len();
        out.extend_from_slice(&open.head);
        let start = out.len();
        self.collected(open, known, out)?;
        if out.len() == start {
            out.truncate(before);
        } else {
            close(out, start, false);
        }
        Ok(())
    }

    /// Writes the members of the open map.
    fn collected(&self, open: &OpenMap, known: &[Member], out: &mut Vec<u8>) -> Result<(), Stop> {
        let text = self.view.text.as_bytes();
        for member in &self.found.collected {
            let before = out.len();
            let name = text.get(member.start as usize..member.end as usize).unwrap_or_default();
            // What a line has put there comes first, if it has: that is not seen here.
            if known.iter().any(|known| known.head.get(1..known.head.len() - 1) == Some(name)) {
                return Err(Stop::Odd);
            }
            out.push(b',');
            out.extend_from_slice(name);
            out.push(b':');
            if !open.put.put(self.view.text, member.value, self.view.manner, out)? {
                out.truncate(before);
            }
        }
        Ok(())
    }
}

impl Read {
    fn compile(line: &Line, tree: &mut Tree, root: Place) -> Option<Self> {
        let when = match &line.when {
            Some(when) => Some(Probes::compile(when, tree, root)?),
            None => None,
        };
        let source = match (&line.codec, line.path.steps()) {
            // It reads here and there in a record: of the whole a document is made sooner.
            (Codec::JoinPath(_), _) => return None,
            (Codec::Constant(constant), _) => {
                let mut text = Vec::new();
                // Times among constants are times too.
                let put = Put::new(&line.codec, line.timestamp);
                if line.timestamp || !put.put_document(constant, Manner::default(), &mut text) {
                    return None;
                }
                Source::Constant(text.into())
            }
            (codec, Some(steps)) => Source::At(tree.place(root, steps)?, Put::new(codec, line.timestamp)),
            (codec, None) => {
                let (steps, rest) = line.path.parted();
                Source::Below(tree.place(root, &steps)?, rest, Put::new(codec, line.timestamp))
            }
        };
        Some(Self { when, source })
    }
}

/// Puts a line where the record has its field. All lines of one object have to stand together: else its place in the
/// record would hang on which of them read something.
fn add(members: &mut Vec<Member>, steps: &[String], read: Read) -> Option<()> {
    let (first, rest) = steps.split_first()?;
    let at = members.iter().position(|member| member.name == *first);
    if at.is_some_and(|at| at + 1 != members.len()) {
        return None;
    }
    match (members.last_mut().filter(|_| at.is_some()).map(|member| &mut member.content), rest) {
        (Some(Content::Lines(lines)), []) => lines.push(read),
        (Some(Content::Object(inner, _)), [_, ..]) => add(inner, rest, read)?,
        (Some(_), _) => return None,
        (None, rest) => {
            let content = if rest.is_empty() {
                Content::Lines(vec![read])
            } else {
                let mut inner = Vec::new();
                add(&mut inner, rest, read)?;
                Content::Object(inner, false)
            };
            members.push(Member { name: first.clone(), head: head(first), content });
        }
    }
    Some(())
}

/// Writes `value` as text.
pub(super) fn text(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    write_json(value, &mut out);
    out
}
