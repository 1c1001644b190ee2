//! How an element names things that live in a tree: by path, or by ids that have to be looked up.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    call::{Call, compiled},
    operation::{Paging, read_paging},
    read::{Node, nearest},
};
use crate::mapping::{Plan, Reference, TextTemplate};

/// What the provider's own references are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Paths: uniform ids are made of them.
    Path,
    /// Ids: paths are walked from the root.
    Id,
}

/// Tree addressing.
#[derive(Debug, Clone)]
pub struct Addressing {
    /// By what.
    pub by: By,
    /// The id of the root folder (by id).
    pub root: TextTemplate,
    /// Whether uniform ids are made of paths although the provider takes ids, which then are `refId`s (by id).
    pub path_ids: bool,
    /// The prefix of provider references that are accepted in place of ids (by path).
    pub reference: Option<String>,
    /// The lines that read what these calls answer.
    pub plan: Arc<Plan>,
    /// Reads the record of `{ref}`; tried in turn while nothing is found.
    pub identify: Vec<Call>,
    /// Reads the record at `{folder.path}`, where paths need not be walked.
    pub find: Option<Call>,
    /// Lists the children of `{folder.id}`.
    pub children: Option<(Call, Option<Paging>)>,
    /// Finds the children of `{folder.id}` named `{folder.name}`, where names may repeat or folders are large.
    pub child: Option<(Call, Option<Paging>)>,
    /// Makes the folder `{folder.name}` in `{folder.id}`.
    pub create_folder: Option<Call>,
}

impl Addressing {
    /// Reads an `addressing` block.
    pub(super) fn read(node: &Node<'_>, plans: &BTreeMap<String, Arc<Plan>>) -> Option<Self> {
        node.object(&[
            "by",
            "root",
            "pathIds",
            "reference",
            "fields",
            "identify",
            "find",
            "children",
            "child",
            "createFolder",
        ])?;
        let by = node.require("by")?.word(&[("path", By::Path), ("id", By::Id)])?;
        let fields = node.require("fields")?;
        let name = fields.text()?;
        let Some(plan) = plans.get(name) else {
            let known: Vec<&str> = plans.keys().map(String::as_str).collect();
            fields.problem_hint(format!("no field lines of a resource `{name}` here"), nearest(name, &known));
            return None;
        };
        let identify = node.get("identify").map_or_else(Vec::new, |place| {
            place.one_or_many().iter().filter_map(|call| Call::read(call, &[])).collect()
        });
        let list = |key: &str| {
            let place = node.get(key)?;
            let call = Call::read(&place, &["paging"])?;
            Some((call, place.get("paging").and_then(|paging| read_paging(&paging))))
        };
        let children = list("children");
        let find = node.get("find").and_then(|place| Call::read(&place, &[]));
        if by == By::Id && children.is_none() && find.is_none() {
            node.problem_hint("paths cannot be walked", "add \"children\": the call that lists a folder");
        }
        Some(Self {
            by,
            root: match node.get("root") {
                Some(place) => compiled(&place, || TextTemplate::compile(place.text().unwrap_or_default()))?,
                None => TextTemplate::compile("").ok()?,
            },
            path_ids: node.flag("pathIds", false),
            reference: node.opt_text("reference"),
            plan: Arc::clone(plan),
            identify,
            find,
            child: list("child"),
            children,
            create_folder: node.get("createFolder").and_then(|place| Call::read(&place, &[])),
        })
    }

    /// Calls `visit` with every reference of its calls.
    pub fn visit(&self, visit: &mut dyn FnMut(&Reference)) {
        self.root.references().for_each(&mut *visit);
        let children = self.children.iter().map(|(call, _)| call);
        for call in self.identify.iter().chain(&self.find).chain(children).chain(&self.create_folder) {
            call.visit(visit);
        }
    }
}
