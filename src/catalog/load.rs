//! Reads a set of files into a catalog, or says everything that is wrong with it.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use super::{
    Catalog, Describe, Element, Entry, Example, Refused,
    addressing::Addressing,
    call::{Call, ErrorRule, compiled, read_errors, read_headers},
    element::Identity,
    filtering::read_filtering,
    heritage::{self, FileSet, HEAD, inherit},
    hub::Hub,
    ids::Ids,
    lines,
    operation::{self, Context, Operation, Step, read_paging, read_step},
    parents::{self, Relations},
    quota::Quota,
    read::{Node, Problem, Problems, nearest, tight},
    routes::Routes,
    sheet,
    source::Files,
    support::Unsupported,
};
use crate::mapping::{Path, Plan, condition::Match, xml::Vocabulary};

/// Hubs by key.
pub(super) type Hubs = BTreeMap<String, Arc<Hub>>;

/// Reads and compiles `files`.
///
/// # Errors
/// Every problem of every file.
pub fn load(files: &Files) -> Result<Catalog, Refused> {
    let (catalog, problems) = lenient(files);
    if problems.is_empty() { Ok(catalog) } else { Err(Refused(problems)) }
}

/// Reads and compiles what can be, and gives every problem of the rest: for checking, never for serving.
pub fn lenient(files: &Files) -> (Catalog, Vec<Problem>) {
    let problems = Problems::default();
    let values = files.parse(&problems);
    let mut catalog = with_hubs(&values, &problems);
    let sets = heritage::sets(values);
    for folder in sets.keys() {
        let merged = inherit(folder, &sets, &problems);
        catalog.elements.extend(read_now(folder, &merged, &catalog.hubs, &problems));
    }
    unique_ids(&catalog, &problems);
    (catalog, problems.take())
}

/// A catalog without elements yet.
pub(super) fn with_hubs(values: &BTreeMap<String, Value>, problems: &Problems) -> Catalog {
    let hubs = read_hubs(values, problems);
    let routes = hubs.iter().map(|(key, hub)| (key.clone(), Routes::new(hub.operations()))).collect();
    Catalog { hubs, routes, ..Catalog::default() }
}

/// Notes elements that have the same number.
pub(super) fn unique_ids(catalog: &Catalog, problems: &Problems) {
    let mut seen: BTreeMap<i64, &str> = BTreeMap::new();
    // 0 stands for a number that could not be read, which is told already.
    for element in catalog.elements.values().filter(|element| element.id != 0) {
        if let Some(other) = seen.insert(element.id, &element.key) {
            problems.push(Problem {
                file: format!("elements/{}/element.json", element.key),
                pointer: "/id".to_owned(),
                message: format!("{} is the id of `{other}` too", element.id),
                hint: Some("choose one that no other element has".to_owned()),
            });
        }
    }
}

fn read_hubs(values: &BTreeMap<String, Value>, problems: &Problems) -> Hubs {
    let mut hubs: BTreeMap<String, Hub> = BTreeMap::new();
    let mut heirs: Vec<(String, String, String)> = Vec::new();
    for (file, value) in values.iter().filter(|(file, _)| file.starts_with("hubs/") && file.ends_with("/hub.json")) {
        let node = Node::root(file, value, problems);
        let Some(mut hub) = Hub::read(&node) else { continue };
        let folder = file.trim_end_matches("hub.json");
        for (resource, value) in values.iter().filter(|(path, _)| path.starts_with(folder) && *path != file) {
            hub.read_resource(&Node::root(resource, value, problems));
        }
        if let Some(base) = node.opt_text("extends") {
            heirs.push((hub.key.clone(), base, file.clone()));
        }
        hubs.insert(hub.key.clone(), hub);
    }
    for (key, base, file) in heirs {
        let Some(base_hub) = hubs.get(&base).cloned() else {
            let known: Vec<&str> = hubs.keys().map(String::as_str).collect();
            problems.push(Problem {
                file,
                pointer: "/extends".to_owned(),
                message: format!("no hub `{base}`"),
                hint: Some(nearest(&base, &known)),
            });
            continue;
        };
        if let Some(hub) = hubs.get_mut(&key) {
            for (name, model) in base_hub.models {
                hub.models.entry(name).or_insert(model);
            }
            for (name, resource) in base_hub.resources {
                hub.resources.entry(name).or_insert(resource);
            }
        }
    }
    hubs.into_iter().map(|(key, hub)| (key, Arc::new(hub))).collect()
}

const ELEMENT_KEYS: &[&str] = &[
    "extends",
    "id",
    "key",
    "name",
    "description",
    "hub",
    "nativeEnvelope",
    "alsoServedUnder",
    "image",
    "configuration",
    "authentication",
    "hosts",
    "egress",
    "facts",
    "limits",
    "setup",
    "quirks",
    "quota",
    "headers",
    "xml",
    "errors",
    "errorMessage",
    "errorCode",
    "addressing",
    "lookups",
    "paging",
    "filtering",
    "clearing",
    "ids",
    "unsupported",
    "patterns",
    "probe",
    "describe",
    "resources",
    "examples",
];

/// An element that is compiled now.
pub(super) fn read_now(
    folder: &str,
    files: &FileSet,
    hubs: &Hubs,
    problems: &Problems,
) -> Option<(String, Arc<Entry>)> {
    let (node, identity, hub) = read_head(folder, files, hubs, problems)?;
    let element = read_element(&node, files, identity, hub, problems);
    Some((element.key.clone(), Arc::new(Entry::compiled(element))))
}

/// What the first file of an element says of it, and its hub.
pub(super) fn read_head<'a, 'h>(
    folder: &str,
    files: &'a FileSet,
    hubs: &'h Hubs,
    problems: &'a Problems,
) -> Option<(Node<'a>, Identity, &'h Arc<Hub>)> {
    let Some((file, value)) = files.get(HEAD) else {
        let (file, _) = files.values().next()?;
        problems.push(Problem {
            file: file.clone(),
            pointer: String::new(),
            message: format!("`elements/{folder}` has no element.json"),
            hint: Some("add it".to_owned()),
        });
        return None;
    };
    let node = Node::root(file, value, problems);
    node.object(ELEMENT_KEYS)?;
    let identity = Identity::read(&node, folder);
    let Some(hub) = hubs.get(&identity.hub) else {
        let known: Vec<&str> = hubs.keys().map(String::as_str).collect();
        node.get("hub")?.problem_hint(format!("no hub `{}`", identity.hub), nearest(&identity.hub, &known));
        return None;
    };
    Some((node, identity, hub))
}

/// Compiles an element.
pub(super) fn read_element(
    node: &Node<'_>,
    files: &FileSet,
    identity: impl Into<Arc<Identity>>,
    hub: &Hub,
    problems: &Problems,
) -> Element {
    let identity: Arc<Identity> = identity.into();
    let resources = resource_nodes(node, files, problems);
    // Also of patterns that no resource uses.
    for (_, pattern) in node.get("patterns").map_or_else(Vec::new, |patterns| patterns.members()) {
        pattern.map();
    }
    let errors = read_errors(node);
    let (operations, plans, relations) = read_resources(node, &resources, hub, &errors);
    check_hosts(node, &identity, &operations);
    let unsupported = Unsupported::read(node, &resources, hub);
    unsupported.check(node, &identity.key, hub, &|id| operations.contains_key(id));
    parents::check(&resources, hub, &relations, &|id| operations.contains_key(id));
    Element {
        headers: read_headers(node),
        xml: node.get("xml").and_then(|place| read_vocabulary(&place)),
        errors,
        error_message: read_paths(node, "errorMessage"),
        error_code: read_paths(node, "errorCode"),
        quota: node.get("quota").and_then(|place| Quota::read(&place)),
        ids: node.get("ids").and_then(|place| Ids::read(&place)).unwrap_or_default(),
        addressing: node.get("addressing").and_then(|place| Addressing::read(&place, &plans)),
        lookups: read_lookups(node, "lookups"),
        probe: node.get("probe").and_then(|place| Call::read(&place, &[])),
        describe: node.get("describe").and_then(|place| read_describe(&place)),
        examples: read_examples(node, files, problems),
        places: resources
            .iter()
            .map(|(name, node)| (name.clone(), (node.file().to_owned(), node.pointer().to_owned())))
            .collect(),
        unsupported,
        operations,
        relations,
        plans,
        identity,
    }
}

fn read_vocabulary(node: &Node<'_>) -> Option<Vocabulary> {
    node.object(&["namespaces", "lists"])?;
    Some(Vocabulary { namespaces: node.text_map("namespaces"), lists: node.texts("lists").into_iter().collect() })
}

fn read_lookups(node: &Node<'_>, key: &str) -> Vec<Step> {
    node.get(key).map_or_else(Vec::new, |list| {
        tight(list.items().iter().enumerate().filter_map(|(index, step)| read_step(step, index)))
    })
}

fn read_paths(node: &Node<'_>, key: &str) -> Vec<Path> {
    node.get(key).map_or_else(Vec::new, |list| {
        list.one_or_many()
            .iter()
            .filter_map(|place| compiled(place, || Path::compile(place.text().unwrap_or_default())))
            .collect()
    })
}

fn resource_nodes<'a>(element: &Node<'a>, files: &'a FileSet, problems: &'a Problems) -> Vec<(String, Node<'a>)> {
    let mut nodes: Vec<(String, Node<'a>)> = Vec::new();
    if let Some(inline) = element.get("resources") {
        nodes.extend(inline.members().into_iter().map(|(name, node)| (name.to_owned(), node)));
    }
    for (name, (file, value)) in files {
        if name == HEAD || name.starts_with("examples/") {
            continue;
        }
        let node = Node::root(file, value, problems);
        let resource = node.require_text("resource").unwrap_or_else(|| name.trim_end_matches(".json").to_owned());
        nodes.push((resource, node));
    }
    // Resources that borrow another's field lines come after the one they borrow from.
    nodes.sort_by_key(|(_, node)| node.get("fields").is_some_and(|fields| fields.value.is_string()));
    nodes
}

type Operations = BTreeMap<String, Arc<Operation>>;
type Plans = BTreeMap<String, Arc<Plan>>;

fn read_resources(
    element: &Node<'_>,
    resources: &[(String, Node<'_>)],
    hub: &Hub,
    errors: &[ErrorRule],
) -> (Operations, Plans, BTreeMap<String, Relations>) {
    let paging = element.get("paging").and_then(|place| read_paging(&place));
    let filtering = element.get("filtering").and_then(|place| read_filtering(&place, None)).map(Arc::new);
    let (mut plans, mut operations, mut relations) = (Plans::new(), Operations::new(), BTreeMap::new());
    for (name, node) in resources {
        let Some(resource) = hub.resources.get(name) else {
            let known: Vec<&str> = hub.resources.keys().map(String::as_str).collect();
            node.problem_hint(format!("the hub `{}` has no resource `{name}`", hub.key), nearest(name, &known));
            continue;
        };
        let context = Context {
            resource,
            models: &hub.models,
            patterns: element.get("patterns"),
            plans: &plans,
            paging: paging.clone(),
            filtering: filtering.clone(),
            clearing: element.get("clearing").map_or(Value::Null, |place| place.value.clone()),
            envelope: element.opt_text("nativeEnvelope"),
        };
        if let Some((plan, read, parents)) = operation::read_resource(node, &context) {
            plans.insert(name.clone(), plan);
            relations.insert(name.clone(), parents);
            for mut operation in read {
                sheet::compile(&mut operation, errors);
                operations.insert(operation.hub.id(), Arc::new(operation));
            }
        }
    }
    (operations, plans, relations)
}

fn check_hosts(node: &Node<'_>, identity: &Identity, operations: &Operations) {
    let known: Vec<&str> = identity.hosts.iter().map(|host| host.name.as_str()).collect();
    for operation in operations.values() {
        for call in operation.steps.iter().flat_map(|step| {
            let walked = step.walk.iter().flat_map(|walk| walk.all_calls());
            step.calls.iter().chain(&step.or_else).chain(walked).chain(step.undo.as_deref())
        }) {
            if !known.contains(&call.host.as_str()) {
                node.problem_hint(
                    format!("`{}` calls the host `{}`, which is not under `hosts`", operation.hub.id(), call.host),
                    nearest(&call.host, &known),
                );
            }
        }
    }
}

fn read_describe(node: &Node<'_>) -> Option<Describe> {
    node.object(&["objects", "names", "customObjects", "fields", "lines", "custom", "standard", "choices"])?;
    let call = |key: &str, extra: &[&str]| node.get(key).and_then(|place| Call::read(&place, extra));
    Some(Describe {
        objects: call("objects", &[]),
        names: match node.get("names") {
            Some(place) => compiled(&place, || Path::compile(place.text().unwrap_or_default()))?,
            None => Path::root(),
        },
        fields: call("fields", &[]),
        plan: node.get("lines").map(|lines| lines::read_lines(&lines, None)).unwrap_or_default(),
        made_by_account: node.get("customObjects").and_then(|test| compiled(&test, || Match::compile(test.value))),
        choices: read_lookups(node, "choices"),
        further_objects: node.texts("custom"),
        standard: node.get("standard").map_or_else(Vec::new, |list| {
            list.members().into_iter().map(|(object, fields)| (object.to_owned(), read_standard(&fields))).collect()
        }),
    })
}

/// Fields by name, each with the contract's word for its type.
fn read_standard(fields: &Node<'_>) -> Vec<(String, String)> {
    fields.members().into_iter().filter_map(|(name, kind)| Some((name.to_owned(), kind.text()?.to_owned()))).collect()
}

fn read_examples(element: &Node<'_>, files: &FileSet, problems: &Problems) -> Vec<Example> {
    let mut examples = Vec::new();
    let mut add = |list: &Node<'_>| {
        for node in list.items() {
            node.object(&["operation", "name", "configuration", "secrets", "request", "calls", "answer"]);
            let Some(operation) = node.require_text("operation") else { continue };
            examples.push(Example {
                operation,
                file: node.file().to_owned(),
                pointer: node.pointer().to_owned(),
                value: node.value.clone(),
            });
        }
    };
    if let Some(inline) = element.get("examples") {
        add(&inline);
    }
    for (_, (file, value)) in files.iter().filter(|(name, _)| name.starts_with("examples/")) {
        let node = Node::root(file, value, problems);
        node.object(&["examples"]);
        if let Some(list) = node.require("examples") {
            add(&list);
        }
    }
    examples
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_files_load() {
        if let Err(refused) = load(&Files::built_in()) {
            panic!("{refused}");
        }
    }
}
