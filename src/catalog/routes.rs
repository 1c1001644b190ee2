//! From a verb and a path below a hub to the hub's operation.

use std::{collections::BTreeMap, sync::Arc};

use super::hub::{ANY_PARENT, HubOperation};

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    // Literals sort first, so that `/accounts` wins over `/{objectName}`.
    Literal(String),
    Name(String),
}

#[derive(Debug, Clone)]
struct Route {
    segments: Vec<Segment>,
    /// The resource of the record that the path is below, where the path does not name it.
    parent: Option<String>,
    methods: BTreeMap<String, Arc<HubOperation>>,
}

impl Route {
    fn leads(&self, path: &[String]) -> bool {
        self.segments.len() == path.len()
            && self.segments.iter().zip(path).all(|(segment, given)| match segment {
                Segment::Literal(literal) => literal == given,
                Segment::Name(_) => !given.is_empty(),
            })
    }

    fn names(&self, path: &[String]) -> Vec<(String, String)> {
        let pairs = self.segments.iter().zip(path);
        let parent = self.parent.iter().map(|parent| (PARENT.to_owned(), parent.clone()));
        let named = pairs.filter_map(|(segment, given)| match segment {
            Segment::Name(name) => Some((name.clone(), given.clone())),
            Segment::Literal(_) => None,
        });
        parent.chain(named).collect()
    }
}

/// The name of the resource (or object) of the record that a path is below.
pub const PARENT: &str = "parent";
/// The name of that record's id.
pub const PARENT_ID: &str = "parentId";

/// The routes of one hub.
#[derive(Debug, Clone, Default)]
pub struct Routes(Vec<Route>);

/// What a path leads to.
#[derive(Debug)]
pub enum Found<'a> {
    /// An operation, with the path's names and their (decoded) values.
    Operation(&'a Arc<HubOperation>, Vec<(String, String)>),
    /// The path exists, with other methods.
    OtherMethods(Vec<&'a str>),
    /// Nothing.
    Nothing,
}

impl Routes {
    /// Builds the routes of these operations.
    pub(super) fn new<'a>(operations: impl Iterator<Item = &'a Arc<HubOperation>>) -> Self {
        type Methods = BTreeMap<String, Arc<HubOperation>>;
        let mut table: BTreeMap<Vec<Segment>, (Option<String>, Methods)> = BTreeMap::new();
        for operation in operations {
            for (path, parent) in operation.all_paths() {
                let segments = path
                    .split('/')
                    .filter(|segment| !segment.is_empty())
                    .map(|segment| match segment.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                        Some(name) => Segment::Name(name.to_owned()),
                        None => Segment::Literal(segment.to_owned()),
                    })
                    .collect();
                let (known, methods) = table.entry(segments).or_default();
                *known = parent.filter(|parent| *parent != ANY_PARENT).map(str::to_owned);
                for method in std::iter::once(&operation.method).chain(&operation.aliases) {
                    methods.insert(method.clone(), Arc::clone(operation));
                }
            }
        }
        Self(table.into_iter().map(|(segments, (parent, methods))| Route { segments, parent, methods }).collect())
    }

    /// Finds the operation of `method` at `path`, given as decoded segments.
    pub fn find(&self, method: &str, path: &[String]) -> Found<'_> {
        // The most literal path decides: `/users/{id}` is not `/{objectName}/{id}`, whatever the verb.
        let Some(route) = self.0.iter().find(|route| route.leads(path)) else { return Found::Nothing };
        match route.methods.get(method) {
            Some(operation) => Found::Operation(operation, route.names(path)),
            None => Found::OtherMethods(route.methods.keys().map(String::as_str).collect()),
        }
    }
}
