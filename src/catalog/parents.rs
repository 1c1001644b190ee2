//! How records of a resource belong to parents: the notes of an account, the contacts of a company.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Element, Operation, Step,
    call::{Call, compiled, read_path},
    hub::{ANY_PARENT, Hub, HubOperation, Resource},
    read::{Node, nearest},
    routes::PARENT,
    support,
};
use crate::mapping::{Path, ValueTemplate};

/// Where a record tells which parent it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// At this path.
    At {
        /// The path; of several results one has to be the parent's id.
        path: Path,
        /// What the provider's query language calls it, if it has a name there.
        column: Option<String>,
    },
    /// In the field that refers to the parent's object, as the provider describes it.
    Described {
        /// The member of the field's value that is the id; absent: the value itself.
        member: Option<String>,
    },
    /// Nowhere: the operations see to it.
    Nowhere,
}

/// How records belong to parents of one kind.
#[derive(Debug, Clone)]
pub struct Relation {
    /// The resource (of the generic family: the provider's object) that parents are records of, or [`ANY_PARENT`].
    pub parent: String,
    /// Where a record tells its parent.
    pub told: Told,
    /// What a new record carries so that it belongs to its parent; absent: the id where it is read.
    pub set: Vec<(Path, ValueTemplate)>,
    /// The call whose answer tells the parent, where reading the record does not.
    pub read: Option<Call>,
    /// The call that tells the name by which fields refer to the parent's object, where that is another one.
    pub referred_as: Option<Step>,
    /// Operations that go another way below such parents; they see to the parent themselves.
    pub instead: BTreeMap<String, Arc<Operation>>,
    /// Operations that cannot be done below such parents: (name, reason).
    pub lacks: Vec<(String, String)>,
}

/// How the records of one resource belong to parents.
#[derive(Debug, Clone, Default)]
pub struct Relations {
    known: Vec<Arc<Relation>>,
    /// Parents that records cannot have: (parent, reason).
    lacks: Vec<(String, String)>,
}

impl Relations {
    /// How records belong to `parent`.
    ///
    /// # Errors
    /// Why they cannot.
    pub fn find(&self, parent: &str) -> Result<&Arc<Relation>, &str> {
        let of = |name: &str| {
            let known = self.known.iter().find(|relation| relation.parent.eq_ignore_ascii_case(name)).map(Ok);
            known.or_else(|| {
                self.lacks
                    .iter()
                    .find(|(lacking, _)| lacking.eq_ignore_ascii_case(name))
                    .map(|(_, why)| Err(why.as_str()))
            })
        };
        of(parent).or_else(|| of(ANY_PARENT)).unwrap_or(Err("its records have no such parent"))
    }

    /// All relations.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Relation>> {
        self.known.iter()
    }
}

impl Element {
    /// How records of `resource` belong to `parent`.
    ///
    /// # Errors
    /// Why they cannot.
    pub fn relation(&self, resource: &str, parent: &str) -> Result<&Arc<Relation>, String> {
        self.relations.get(resource).map_or_else(
            || Err("its records have no parents".to_owned()),
            |relations| relations.find(parent).map_err(str::to_owned),
        )
    }

    /// The operation that carries out `operation` for a path with these names: below a parent it may be another one.
    ///
    /// # Errors
    /// Why there is none.
    pub fn operation_at(
        &self,
        operation: &HubOperation,
        names: &[(String, String)],
    ) -> Result<&Arc<Operation>, String> {
        let parent = names.iter().find(|(name, _)| name == PARENT).map(|(_, parent)| parent.as_str());
        self.operation_below(operation, parent)
    }

    /// The operation that carries out `operation` below a record of `parent`, or without a parent.
    ///
    /// # Errors
    /// Why there is none.
    pub fn operation_below(&self, operation: &HubOperation, parent: Option<&str>) -> Result<&Arc<Operation>, String> {
        let found = self.operation(&operation.id());
        let found = found.ok_or_else(|| self.unsupported.reason(operation).unwrap_or_default().to_owned())?;
        let Some(parent) = parent else { return Ok(found) };
        let relation = self.relation(&operation.resource, parent)?;
        match relation.lacks.iter().find(|(name, _)| *name == operation.name) {
            Some((_, why)) => Err(why.clone()),
            None => Ok(relation.instead.get(&operation.name).unwrap_or(found)),
        }
    }
}

/// Reads `parents` of a resource file; `compile` makes the operations that go another way.
pub(super) fn read_relations(
    node: &Node<'_>,
    resource: &Resource,
    compile: &dyn Fn(&Node<'_>, &str) -> Option<Operation>,
) -> Relations {
    let mut relations = Relations::default();
    let any = resource.parents.iter().any(|parent| parent == ANY_PARENT);
    for (parent, place) in node.get("parents").map_or_else(Vec::new, |list| list.members()) {
        if !any && !resource.parents.iter().any(|known| known == parent) {
            let known: Vec<&str> = resource.parents.iter().map(String::as_str).collect();
            place.problem_hint(
                format!("in the hub `{}` do not belong to `{parent}`", resource.name),
                nearest(parent, &known),
            );
        }
        if place.get("unsupported").is_some() {
            place.object(&["unsupported"]);
            relations.lacks.extend(place.require_text("unsupported").map(|why| (parent.to_owned(), why)));
        } else {
            relations.known.extend(read_relation(parent, &place, resource, compile).map(Arc::new));
        }
    }
    relations
}

fn read_relation(
    parent: &str,
    node: &Node<'_>,
    resource: &Resource,
    compile: &dyn Fn(&Node<'_>, &str) -> Option<Operation>,
) -> Option<Relation> {
    let mut relation = Relation {
        parent: parent.to_owned(),
        told: Told::Nowhere,
        set: Vec::new(),
        read: None,
        referred_as: None,
        instead: BTreeMap::new(),
        lacks: Vec::new(),
    };
    if node.value.is_string() {
        let path = compiled(node, || Path::compile(node.text().unwrap_or_default()))?;
        relation.told = Told::At { column: path.leaf().map(str::to_owned), path };
    } else {
        node.object(&["path", "column", "described", "member", "set", "read", "referredAs", "operations"])?;
        if let Some(path) = read_path(node, "path") {
            let column = node.opt_text("column").or_else(|| path.leaf().map(str::to_owned));
            relation.told = Told::At { path, column };
        } else if node.flag("described", false) {
            relation.told = Told::Described { member: node.opt_text("member") };
        }
        relation.set = super::operation::read_filled(node, "set");
        relation.read = node.get("read").and_then(|place| Call::read(&place, &[]));
        relation.referred_as = node.get("referredAs").and_then(|place| super::operation::read_step(&place, 0));
        for (name, place) in node.get("operations").map_or_else(Vec::new, |operations| operations.members()) {
            if resource.operation(name).is_none() {
                let known: Vec<&str> = resource.operations.iter().map(|one| one.name.as_str()).collect();
                place.problem_hint(
                    format!("the hub has no operation `{}.{name}`", resource.name),
                    nearest(name, &known),
                );
            } else if support::is_declaration(&place) {
                place.object(&["unsupported"]);
                relation.lacks.extend(place.require_text("unsupported").map(|why| (name.to_owned(), why)));
            } else if let Some(operation) = compile(&place, name) {
                relation.instead.insert(name.to_owned(), Arc::new(operation));
            }
        }
    }
    if let (Told::At { path, .. }, true) = (&relation.told, relation.set.is_empty()) {
        let id = ValueTemplate::compile(&serde_json::Value::String("{path.parentId}".to_owned())).ok()?;
        if path.steps().is_some() {
            relation.set.push((path.clone(), id));
        } else if resource.operation("create").is_some()
            && !relation.instead.contains_key("create")
            && !relation.lacks.iter().any(|(name, _)| name == "create")
        {
            node.problem_hint(
                format!("`{path}` can have several results, so a new record cannot be given its parent there"),
                "say with `set` what a new record carries, or give `create` in `operations`",
            );
        }
    }
    if relation.told == Told::Nowhere {
        let left = resource.operations.iter().find(|operation| {
            !relation.instead.contains_key(&operation.name)
                && !relation.lacks.iter().any(|(name, _)| *name == operation.name)
        });
        if let Some(left) = left {
            node.problem_hint(
                format!("where a record tells its parent is not said, and `{}` needs it", left.name),
                "add \"path\", or the operation to `operations`",
            );
        }
    }
    Some(relation)
}

/// Notes the parents of the hub's resources that an element speaks of neither way.
pub(super) fn check(
    resources: &[(String, Node<'_>)],
    hub: &Hub,
    relations: &BTreeMap<String, Relations>,
    has: &dyn Fn(&str) -> bool,
) {
    for (name, node) in resources {
        let Some(resource) = hub.resources.get(name) else { continue };
        let carried = |resource: &Resource| resource.operations.iter().any(|operation| has(&operation.id()));
        if !carried(resource) {
            continue;
        }
        let told = relations.get(name);
        let missing: Vec<String> = resource
            .parents
            .iter()
            .filter(|parent| {
                !told.is_some_and(|told| {
                    told.known.iter().any(|relation| relation.parent == **parent)
                        || told.lacks.iter().any(|(lacking, _)| lacking == *parent)
                })
            })
            .map(|parent| format!("`{parent}`"))
            .collect();
        if !missing.is_empty() {
            node.problem_hint(
                format!("does not say how `{name}` belong to {}", missing.join(", ")),
                "add them to `parents`: a path, or {\"unsupported\": \"why\"}",
            );
        }
    }
}
