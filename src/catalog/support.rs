//! What an element declares it cannot do, and the law that it does everything else.

use std::collections::BTreeMap;

use super::{
    hub::{Hub, HubOperation, Resource},
    read::{Node, nearest},
};

/// The key that speaks for everything an element neither does nor names.
const REST: &str = "*";

/// What an element cannot do, each with the reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unsupported(BTreeMap<String, String>);

impl Unsupported {
    /// Why the element has no `operation`, where its files say so: of the operation itself, of its resource, or of all
    /// the rest.
    pub fn reason(&self, operation: &HubOperation) -> Option<&str> {
        [operation.id().as_str(), operation.resource.as_str(), REST]
            .into_iter()
            .find_map(|key| self.0.get(key))
            .map(String::as_str)
    }

    /// Reads `unsupported` of `element.json` (by resource, by `resource.operation`, or `*`), and the operations of resource
    /// files that are declared so.
    pub(super) fn read(element: &Node<'_>, resources: &[(String, Node<'_>)], hub: &Hub) -> Self {
        let mut declared = BTreeMap::new();
        for (name, place) in element.get("unsupported").map_or_else(Vec::new, |list| list.members()) {
            let Some(why) = place.text() else { continue };
            if name != REST && !is_known(name, hub) {
                let known: Vec<&str> = hub.resources.keys().map(String::as_str).collect();
                place.problem_hint(
                    format!("the hub `{}` has neither a resource nor an operation `{name}`", hub.key),
                    nearest(name, &known),
                );
            }
            declared.insert(name.to_owned(), why.to_owned());
        }
        for (resource, node) in resources {
            for (name, place) in node.get("operations").map_or_else(Vec::new, |operations| operations.members()) {
                if is_declaration(&place) {
                    place.object(&["unsupported"]);
                    if let Some(why) = place.require_text("unsupported") {
                        declared.insert(format!("{resource}.{name}"), why);
                    }
                }
            }
        }
        Self(declared)
    }

    /// Notes what is neither carried out (`has`) nor declared, and what is both.
    pub(super) fn check(&self, element: &Node<'_>, key: &str, hub: &Hub, has: &dyn Fn(&str) -> bool) {
        for resource in hub.resources.values() {
            self.check_resource(element, key, resource, has);
        }
    }

    fn check_resource(&self, element: &Node<'_>, key: &str, resource: &Resource, has: &dyn Fn(&str) -> bool) {
        let done = |operation: &&HubOperation| has(&operation.id());
        let operations = || resource.operations.iter().map(AsRef::as_ref);
        let place = element.get("unsupported").unwrap_or_else(|| element.clone());
        if self.0.contains_key(&resource.name)
            && let Some(operation) = operations().find(done)
        {
            place.problem_hint(
                format!("`{}` is declared unsupported, but there is `{}`", resource.name, operation.id()),
                "declare the operations that are missing instead",
            );
        }
        for operation in operations().filter(done).filter(|operation| self.0.contains_key(&operation.id())) {
            place.problem(format!("`{}` is carried out and declared unsupported", operation.id()));
        }
        if resource.optional {
            return;
        }
        let missing: Vec<String> = operations()
            .filter(|operation| !done(operation) && self.reason(operation).is_none())
            .map(|operation| format!("`{}`", operation.id()))
            .collect();
        if !missing.is_empty() {
            place.problem_hint(
                format!("`{key}` neither carries out nor declares unsupported: {}", missing.join(", ")),
                format!(
                    "add the operations, or \"unsupported\": {{\"{}\": \"why\"}} (by resource, by resource.operation, or * for all the rest)",
                    resource.name
                ),
            );
        }
    }
}

/// Whether this operation of a resource file only says that there is none.
pub(super) fn is_declaration(operation: &Node<'_>) -> bool {
    operation.value.get("unsupported").is_some()
}

fn is_known(name: &str, hub: &Hub) -> bool {
    match name.split_once('.') {
        None => hub.resources.contains_key(name),
        Some((resource, operation)) => {
            hub.resources.get(resource).is_some_and(|resource| resource.operation(operation).is_some())
        }
    }
}
