//! What an element carries out of its hub, without how: what lists of the catalog tell.

use std::sync::Arc;

use super::{
    Element,
    hub::{ANY_PARENT, Hub, HubOperation},
};

/// The operations of a hub that an element carries out.
#[derive(Debug, Default)]
pub struct Offer {
    offered: Vec<Offered>,
    describes: bool,
}

#[derive(Debug)]
struct Offered {
    operation: Arc<HubOperation>,
    /// The parents below which it is not carried out.
    lacks: Vec<String>,
}

impl Offer {
    pub(super) fn of(element: &Element, hub: &Hub) -> Self {
        let offered = |operation: &Arc<HubOperation>| {
            element.operation(&operation.id())?;
            let mut lacks: Vec<String> = Vec::new();
            for parent in operation.nested.iter().map(|nested| nested.parent.as_str()) {
                if parent != ANY_PARENT
                    && !lacks.iter().any(|known| known == parent)
                    && element.operation_below(operation, Some(parent)).is_err()
                {
                    lacks.push(parent.to_owned());
                }
            }
            Some(Offered { operation: Arc::clone(operation), lacks })
        };
        Self { offered: hub.operations().filter_map(offered).collect(), describes: element.describe.is_some() }
    }

    /// The operations, in the order of the hub.
    pub fn operations(&self) -> impl Iterator<Item = &Arc<HubOperation>> {
        self.offered.iter().map(|offered| &offered.operation)
    }

    /// Whether `operation` is among them.
    pub fn has(&self, operation: &HubOperation) -> bool {
        self.operations().any(|one| one.resource == operation.resource && one.name == operation.name)
    }

    /// The operations with each path at which they are carried out.
    pub fn paths(&self) -> impl Iterator<Item = (&Arc<HubOperation>, &str)> {
        self.offered.iter().flat_map(|Offered { operation, lacks }| {
            let has = move |parent: Option<&str>| parent.is_none_or(|parent| !lacks.iter().any(|one| one == parent));
            let paths = operation.all_paths().filter(move |(_, parent)| has(*parent));
            paths.map(move |(path, _)| (operation, path))
        })
    }

    /// Whether the element can tell what objects and fields an account has.
    pub fn describes(&self) -> bool {
        self.describes
    }
}
