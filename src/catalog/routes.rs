//! From a verb and a path below a hub to the hub's operation.

use std::{collections::BTreeMap, sync::Arc};

use super::hub::HubOperation;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    // Literals sort first, so that `/accounts` wins over `/{objectName}`.
    Literal(String),
    Name(String),
}

#[derive(Debug, Clone)]
struct Route {
    segments: Vec<Segment>,
    methods: BTreeMap<String, Arc<HubOperation>>,
}

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
        let mut table: BTreeMap<Vec<Segment>, BTreeMap<String, Arc<HubOperation>>> = BTreeMap::new();
        for operation in operations {
            for path in &operation.paths {
                let segments = path
                    .split('/')
                    .filter(|segment| !segment.is_empty())
                    .map(|segment| match segment.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                        Some(name) => Segment::Name(name.to_owned()),
                        None => Segment::Literal(segment.to_owned()),
                    })
                    .collect();
                table.entry(segments).or_default().insert(operation.method.clone(), Arc::clone(operation));
            }
        }
        Self(table.into_iter().map(|(segments, methods)| Route { segments, methods }).collect())
    }

    /// Finds the operation of `method` at `path`, given as decoded segments.
    pub fn find(&self, method: &str, path: &[String]) -> Found<'_> {
        let mut others: Vec<&str> = Vec::new();
        for route in self.0.iter().filter(|route| route.segments.len() == path.len()) {
            let matches = route.segments.iter().zip(path).all(|(segment, given)| match segment {
                Segment::Literal(literal) => literal == given,
                Segment::Name(_) => !given.is_empty(),
            });
            if !matches {
                continue;
            }
            if let Some(operation) = route.methods.get(method) {
                let names = route
                    .segments
                    .iter()
                    .zip(path)
                    .filter_map(|(segment, given)| match segment {
                        Segment::Name(name) => Some((name.clone(), given.clone())),
                        Segment::Literal(_) => None,
                    })
                    .collect();
                return Found::Operation(operation, names);
            }
            let all_literal = route.segments.iter().all(|segment| matches!(segment, Segment::Literal(_)));
            others.extend(route.methods.keys().map(String::as_str));
            if all_literal {
                break;
            }
        }
        if others.is_empty() { Found::Nothing } else { Found::OtherMethods(others) }
    }
}
