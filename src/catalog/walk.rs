//! Going over a tree or a long list, for what a provider does only item by item.

use super::{
    call::{Call, compiled, read_calls},
    operation::{Paging, read_paging},
    read::Node,
};
use crate::mapping::{Path, Reference, TextTemplate, ValueTemplate, condition::Match};

/// A walk.
#[derive(Debug, Clone, PartialEq)]
pub struct Walk {
    /// Lists what is in `{walk.folder}`.
    pub list: Call,
    /// How that list pages.
    pub paging: Option<Paging>,
    /// The first `{walk.folder}`.
    pub start: Option<ValueTemplate>,
    /// Which items are folders to go into, and what of them is the next `{walk.folder}`.
    pub folders: Option<(Match, Path)>,
    /// What is done on entering a folder that was found; the first call whose `when` holds is made.
    pub enter: Vec<Call>,
    /// The first `{walk.entered}`, which later is what entering gave.
    pub entered: Option<ValueTemplate>,
    /// What is done with what is found; without calls it is collected.
    pub calls: Vec<Call>,
    /// Whether the calls are made once for each page of items instead of each item.
    pub pages: bool,
    /// `{walk.rest}`: a text of an item without the beginning it has.
    pub rest: Option<(Path, TextTemplate)>,
    /// Items, at most.
    pub max: u64,
    /// Folders below each other, at most.
    pub depth: u64,
    /// Calls under way at once, at most.
    pub parallel: usize,
}

impl Walk {
    /// Reads a `walk` block.
    pub(super) fn read(node: &Node<'_>) -> Option<Self> {
        node.object(&[
            "list", "start", "folders", "enter", "entered", "each", "page", "rest", "max", "depth", "parallel",
        ])?;
        let place = node.require("list")?;
        let list = Call::read(&place, &["paging"])?;
        if node.get("each").is_some() && node.get("page").is_some() {
            node.problem_hint("calls for each item and for each page", "keep one of each, page");
        }
        let folders = match node.get("folders") {
            Some(place) => {
                place.object(&["match", "as"])?;
                let (test, path) = (place.require("match")?, place.require("as")?);
                Some((
                    compiled(&test, || Match::compile(test.value))?,
                    compiled(&path, || Path::compile(path.text().unwrap_or_default()))?,
                ))
            }
            None => None,
        };
        let rest = match node.get("rest") {
            Some(place) => {
                place.object(&["of", "after"])?;
                let (of, after) = (place.require("of")?, place.require("after")?);
                Some((
                    compiled(&of, || Path::compile(of.text().unwrap_or_default()))?,
                    compiled(&after, || TextTemplate::compile(after.text().unwrap_or_default()))?,
                ))
            }
            None => None,
        };
        if node.get("enter").is_some() && folders.is_none() {
            node.problem_hint("`enter` without folders to go into", "say with `folders` which items are folders");
        }
        let template = |key: &str| match node.get(key) {
            Some(place) => compiled(&place, || ValueTemplate::compile(place.value)).map(Some),
            None => Some(None),
        };
        Some(Self {
            paging: place.get("paging").and_then(|paging| read_paging(&paging)),
            list,
            start: template("start")?,
            folders,
            enter: read_calls(node, "enter"),
            entered: template("entered")?,
            pages: node.get("page").is_some(),
            calls: read_calls(node, if node.get("page").is_some() { "page" } else { "each" }),
            rest,
            max: node.opt_number("max").unwrap_or(10_000),
            depth: node.opt_number("depth").unwrap_or(64),
            parallel: usize::try_from(node.opt_number("parallel").unwrap_or(4).clamp(1, 16)).unwrap_or(4),
        })
    }

    /// Its calls, those of further pages included.
    pub fn all_calls(&self) -> impl Iterator<Item = &Call> {
        let next = self.paging.iter().flat_map(|paging| &paging.next);
        std::iter::once(&self.list).chain(&self.enter).chain(&self.calls).chain(next)
    }

    /// Calls `visit` with every reference.
    pub fn visit(&self, visit: &mut dyn FnMut(&Reference)) {
        self.all_calls().for_each(|call| call.visit(visit));
        self.start.iter().chain(&self.entered).for_each(|template| template.visit(visit));
        if let Some((_, after)) = &self.rest {
            after.references().for_each(visit);
        }
    }
}
