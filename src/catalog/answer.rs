//! How the answer of a call is understood.

use std::sync::Arc;

use http::HeaderName;
use serde_json::{Map, Value};

use super::{
    call::{compiled, read_path},
    read::Node,
};
use crate::mapping::{Path, Reference, Scope, TextTemplate, ValueTemplate, condition::Match, stream::Sheet};

/// How an answer's body is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// As JSON (an empty body reads as null).
    Json,
    /// As XML.
    Xml,
    /// As a multi-status answer (RFC 4918).
    Multistatus,
    /// Not at all.
    None,
    /// Passed on to the caller as it comes.
    Stream,
}

/// How an answer is understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The format.
    pub format: Format,
    /// Where the record is, for operations on one record.
    pub record: Path,
    /// Where the list of items is; several lists are one after the other, or merged.
    pub items: Vec<Path>,
    /// Where the text is by which several lists are merged, first found first.
    pub merge_by: Vec<Path>,
    /// Where an item's record is.
    pub item: Path,
    /// The member that an item which is no object becomes: `"id"` makes `{"id": item}` of it.
    pub wrap: Option<String>,
    /// Items that are left out.
    pub skip: Option<Box<Skip>>,
    /// What the others have to be like.
    pub only: Option<Box<Skip>>,
    /// Where the number of all items is, if the answer tells.
    pub total: Option<Path>,
    /// What an answer looks like whose record is there no longer (it is in a bin, say): any of these.
    pub gone: Vec<Match>,
    /// Of a streamed file: its name, where the target's is not known.
    pub file_name: Option<TextTemplate>,
    /// Headers whose values are put into the answer: (member, header).
    pub include: Vec<(String, HeaderName)>,
    /// What a failure looks like that comes with a status of success.
    pub failure: Option<Match>,
    /// How it is translated in one pass, where that can be.
    pub sheet: Option<Arc<Sheet>>,
}

/// A test of items whose values may refer to the call.
#[derive(Debug, Clone, PartialEq)]
pub struct Skip {
    fixed: Option<Match>,
    template: ValueTemplate,
}

impl Skip {
    fn read(node: &Node<'_>) -> Option<Self> {
        let template = compiled(node, || ValueTemplate::compile(node.value))?;
        let fixed = compiled(node, || Match::compile(node.value))?;
        let mut refers = false;
        template.visit(&mut |_| refers = true);
        Some(Self { fixed: (!refers).then_some(fixed), template })
    }

    /// The test, when it is the same in every call.
    pub(super) fn fixed(&self) -> Option<&Match> {
        self.fixed.as_ref()
    }

    /// The test of this call.
    pub fn test(&self, scope: &dyn Scope) -> Option<Match> {
        self.fixed.clone().or_else(|| Match::compile(&self.template.render(scope).ok().flatten()?).ok())
    }

    /// Calls `visit` with every reference.
    pub fn visit(&self, visit: &mut dyn FnMut(&Reference)) {
        self.template.visit(visit);
    }
}

impl Default for Answer {
    fn default() -> Self {
        Self {
            format: Format::Json,
            record: Path::root(),
            items: vec![Path::root()],
            merge_by: Vec::new(),
            item: Path::root(),
            wrap: None,
            skip: None,
            only: None,
            total: None,
            gone: Vec::new(),
            file_name: None,
            include: Vec::new(),
            failure: None,
            sheet: None,
        }
    }
}

impl Answer {
    pub(super) fn read(node: &Node<'_>) -> Self {
        node.object(&[
            "format", "record", "items", "mergeBy", "item", "wrap", "skip", "only", "total", "gone", "fileName",
            "include", "failure",
        ]);
        let format = node.get("format").and_then(|format| {
            format.word(&[
                ("json", Format::Json),
                ("xml", Format::Xml),
                ("multistatus", Format::Multistatus),
                ("none", Format::None),
                ("stream", Format::Stream),
            ])
        });
        let format = format.unwrap_or(Format::Json);
        let paths = |key: &str| {
            node.get(key).map(|place| {
                let paths = place.one_or_many();
                paths
                    .iter()
                    .filter_map(|path| compiled(path, || Path::compile(path.text().unwrap_or_default())))
                    .collect()
            })
        };
        Self {
            format,
            record: read_path(node, "record").unwrap_or_else(Path::root),
            items: paths("items").unwrap_or_else(|| vec![Path::root()]),
            merge_by: paths("mergeBy").unwrap_or_default(),
            item: read_path(node, "item").unwrap_or_else(Path::root),
            wrap: node.opt_text("wrap"),
            skip: node.get("skip").and_then(|skip| Skip::read(&skip)).map(Box::new),
            only: node.get("only").and_then(|only| Skip::read(&only)).map(Box::new),
            total: read_path(node, "total"),
            gone: read_gone(node, format),
            file_name: node
                .get("fileName")
                .and_then(|name| compiled(&name, || TextTemplate::compile(name.text().unwrap_or_default()))),
            include: read_include(node, format),
            failure: node.get("failure").and_then(|test| compiled(&test, || Match::compile(test.value))),
            sheet: None,
        }
    }

    /// The items of an answer, `None` when there is something else where a list should be.
    pub fn list(&self, answer: &Value, scope: &dyn Scope) -> Option<Vec<Value>> {
        let mut items: Vec<Value> = Vec::new();
        for path in &self.items {
            match path.get(answer) {
                Some(Value::Array(list)) => items.extend(list.iter().cloned()),
                None | Some(Value::Null) => {}
                Some(_) => return None,
            }
        }
        if !self.merge_by.is_empty() {
            let by = |item: &Value| -> String {
                let found = self.merge_by.iter().find_map(|path| path.get(item).and_then(Value::as_str));
                found.unwrap_or_default().to_owned()
            };
            items.sort_by_cached_key(by);
        }
        let skip = self.skip.as_ref().and_then(|skip| skip.test(scope));
        let only = self.only.as_ref().and_then(|only| only.test(scope));
        let records = items.into_iter().filter_map(|item| self.item.get(&item).cloned());
        let records = records.map(|item| match &self.wrap {
            Some(member) if !item.is_object() => Value::Object(Map::from_iter([(member.clone(), item)])),
            _ => item,
        });
        let records = records.filter(|item| only.as_ref().is_none_or(|only| only.holds(item)));
        Some(records.filter(|item| !skip.as_ref().is_some_and(|skip| skip.holds(item))).collect())
    }
}

/// What an answer looks like whose record is gone: one test or a list of them.
fn read_gone(node: &Node<'_>, format: Format) -> Vec<Match> {
    let Some(place) = node.get("gone") else { return Vec::new() };
    if matches!(format, Format::None | Format::Stream) {
        place.problem_hint("only an answer that is read can tell it", "leave `gone` out, or `format`");
    }
    place.one_or_many().iter().filter_map(|test| compiled(test, || Match::compile(test.value))).collect()
}

/// The headers whose values become members of the answer.
fn read_include(node: &Node<'_>, format: Format) -> Vec<(String, HeaderName)> {
    let Some(place) = node.get("include") else { return Vec::new() };
    if format == Format::Stream {
        place.problem_hint("a streamed answer has no members", "leave `include` out, or read the answer");
    }
    let read = |(member, header): (&str, Node<'_>)| Some((member.to_owned(), header.header_name(header.text()?)?));
    place.members().into_iter().filter_map(read).collect()
}
