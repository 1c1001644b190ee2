//! Checks a set of mapping files: what does not load, operations without an example, examples that fail, lines that
//! break the laws; all of it at once.
//!
//! An example is a recorded-style pair. It is run through the real [`Engine`](crate::provider::Engine) over a transport
//! that holds each outbound call against the recorded one and answers with the recorded reply; the outcome is then held
//! against the recorded uniform answer. The format is described in `docs/mapping.md`.

use std::{collections::BTreeSet, fmt, sync::Arc};

use crate::catalog::{Catalog, Element, Problem, hub::ANY_PARENT, load, read::nearest, source::Files};

mod answer;
mod compare;
mod format;
mod invoke;
pub mod laws;
mod play;
mod run;

/// What a check found.
#[derive(Debug, Default)]
pub struct Report {
    /// Everything that is wrong, in order of file and place.
    pub problems: Vec<Problem>,
    /// Hubs read.
    pub hubs: usize,
    /// Elements read.
    pub elements: usize,
    /// Operations of these elements.
    pub operations: usize,
    /// Examples run.
    pub examples: usize,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }
}

impl fmt::Display for Report {
    /// The closing line: what was looked at, and how many problems there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |n: usize, one: &str| if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") };
        write!(
            f,
            "{}, {}, {}, {} run: {}",
            count(self.hubs, "hub"),
            count(self.elements, "element"),
            count(self.operations, "operation"),
            count(self.examples, "example"),
            if self.is_clean() { "no problems".to_owned() } else { count(self.problems.len(), "problem") }
        )
    }
}

/// Checks `files`: loads them, and holds every element that loads against its examples and the laws.
///
/// Elements whose files do not load are not run, but their missing examples are told all the same. Blocks the calling
/// thread while the examples run; nothing of it waits for anything outside the process.
pub fn check(files: &Files) -> Report {
    let (catalog, mut problems) = load::lenient(files);
    let broken: BTreeSet<String> = problems.iter().filter_map(|problem| element_of(&problem.file)).collect();
    let mut report = Report { hubs: catalog.hubs().count(), elements: catalog.entries().count(), ..Report::default() };
    // Those that could not be read at all are not there; the others are compiled.
    for element in catalog.elements().flatten() {
        report.operations += element.operations.len();
        let sound = !broken.contains(&element.key) && !rests_on(element, &broken);
        problems.extend(missing(element));
        problems.extend(missing_relations(element));
        problems.extend(astray(&catalog, element, sound));
        if sound {
            report.examples += element.examples.len();
            problems.extend(run::all(&catalog, element));
            problems.extend(laws::check(&catalog, element));
        }
    }
    problems.sort();
    problems.dedup();
    report.problems = problems;
    report
}

/// The element a file belongs to.
fn element_of(file: &str) -> Option<String> {
    let rest = file.strip_prefix("elements/")?;
    Some(rest.split('/').next()?.trim_end_matches(".json").to_owned())
}

/// Whether an element has files of one that is broken, by inheritance.
fn rests_on(element: &Element, broken: &BTreeSet<String>) -> bool {
    element.places.values().any(|(file, _)| element_of(file).is_some_and(|owner| broken.contains(&owner)))
}

/// Operations without an example.
fn missing(element: &Arc<Element>) -> Vec<Problem> {
    element
        .operations
        .iter()
        .filter(|(id, _)| !element.examples.iter().any(|example| example.operation == **id))
        .map(|(id, operation)| {
            let resource = &operation.hub.resource;
            let (file, pointer) = element.places.get(resource).cloned().unwrap_or_default();
            Problem {
                file,
                pointer: format!("{pointer}/operations/{}", operation.hub.name),
                message: format!("`{}` has no example of `{id}`", element.key),
                hint: Some(format!("add one to a file in elements/{}/examples/", element.key)),
            }
        })
        .collect()
}

/// Parents of which no example tells.
fn missing_relations(element: &Element) -> Vec<Problem> {
    let told = |resource: &str, parent: &str| {
        element.examples.iter().any(|example| {
            let named = example.value.pointer("/request/path/parent").and_then(serde_json::Value::as_str);
            example.operation.split('.').next() == Some(resource)
                && named.is_some_and(|named| named == parent || parent == ANY_PARENT)
        })
    };
    let mut problems = Vec::new();
    for (resource, relations) in &element.relations {
        for relation in relations.all().filter(|relation| !told(resource, &relation.parent)) {
            let (file, pointer) = element.places.get(resource).cloned().unwrap_or_default();
            problems.push(Problem {
                file,
                pointer: format!("{pointer}/parents/{}", relation.parent),
                message: format!("`{}` has no example of `{resource}` below `{}`", element.key, relation.parent),
                hint: Some(format!(
                    "add one to a file in elements/{}/examples/, with \"path\": {{\"parent\": …, \"parentId\": …}}",
                    element.key
                )),
            });
        }
    }
    problems
}

/// Examples of operations that are not there.
fn astray(catalog: &Catalog, element: &Element, sound: bool) -> Vec<Problem> {
    let in_hub =
        |id: &str| catalog.hub(&element.hub).is_some_and(|hub| hub.operations().any(|operation| operation.id() == id));
    let known: Vec<&str> = element.operations.keys().map(String::as_str).collect();
    element
        .examples
        .iter()
        .filter(|example| element.operation(&example.operation).is_none() && (sound || !in_hub(&example.operation)))
        .map(|example| Problem {
            file: example.file.clone(),
            pointer: format!("{}/operation", example.pointer),
            message: format!("`{}` has no operation `{}`", element.key, example.operation),
            hint: Some(nearest(&example.operation, &known)),
        })
        .collect()
}
