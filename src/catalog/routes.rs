//! From a verb and a path below a hub to the hub's operation.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
    sync::Arc,
};

use foldhash::fast::RandomState;

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
pub struct Routes {
    /// In the order in which they are tried: that of their segments.
    all: Vec<Route>,
    /// Where those are whose first segment is this literal. The authors of hubs choose the keys, callers only ask for them.
    literal: HashMap<String, Range<usize>, RandomState>,
    /// Where those begin whose first segment is a name.
    named: usize,
}

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
        let all: Vec<Route> =
            table.into_iter().map(|(segments, (parent, methods))| Route { segments, parent, methods }).collect();
        let mut literal: HashMap<String, Range<usize>, RandomState> = HashMap::default();
        let mut named = 0;
        for (at, route) in all.iter().enumerate() {
            match route.segments.first() {
                Some(Segment::Literal(first)) => literal.entry(first.clone()).or_insert(at..at).end = at + 1,
                None => {}
                Some(Segment::Name(_)) => break,
            }
            named = at + 1;
        }
        Self { all, literal, named }
    }

    /// The routes that begin as `path` does, in order.
    fn candidates(&self, path: &[String]) -> impl Iterator<Item = &Route> {
        let part = |range: Range<usize>| self.all.get(range).unwrap_or_default();
        let literal = match path.first() {
            Some(first) => self.literal.get(first).cloned().unwrap_or_default(),
            None => 0..self.named,
        };
        part(literal).iter().chain(part(self.named..self.all.len()))
    }

    /// Finds the operation of `method` at `path`, given as decoded segments.
    pub fn find(&self, method: &str, path: &[String]) -> Found<'_> {
        // The most literal path decides: `/users/{id}` is not `/{objectName}/{id}`, whatever the verb.
        let Some(route) = self.candidates(path).find(|route| route.leads(path)) else { return Found::Nothing };
        match route.methods.get(method) {
            Some(operation) => Found::Operation(operation, route.names(path)),
            None => Found::OtherMethods(route.methods.keys().map(String::as_str).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{load, source::Files};

    #[test]
    fn the_first_route_that_leads_there_is_found() {
        let catalog = load::load(&Files::built_in()).unwrap();
        let mut ways = 0;
        for key in catalog.hubs().map(|hub| hub.key.clone()) {
            let routes = catalog.routes(&key).unwrap();
            let first = |path: &[String]| routes.all.iter().find(|route| route.leads(path)).map(std::ptr::from_ref);
            let found =
                |path: &[String]| routes.candidates(path).find(|route| route.leads(path)).map(std::ptr::from_ref);
            for route in &routes.all {
                for name in ["x", "", "contacts", "files", "objects"] {
                    let text = |segment: &Segment| match segment {
                        Segment::Literal(literal) => literal.clone(),
                        Segment::Name(_) => name.to_owned(),
                    };
                    let mut path: Vec<String> = route.segments.iter().map(text).collect();
                    for _ in 0..2 {
                        assert_eq!(found(&path), first(&path), "{key}: {path:?}");
                        ways += usize::from(found(&path).is_some());
                        path.push(name.to_owned());
                    }
                }
            }
            assert_eq!(found(&[]), first(&[]), "{key}");
        }
        assert!(ways > 200, "{ways}");
    }
}
