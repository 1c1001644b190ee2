//! The JSON Schemas know exactly what the reader knows.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use hubgate::{
    catalog::{Problem, load, source::Files},
    gateway::examples,
};
use jsonschema::{Retrieve, Uri, Validator};
use serde_json::{Value, json};

use super::keys;

const NAMES: [&str; 5] = ["hub.json", "hub-resource.json", "element.json", "element-resource.json", "examples.json"];

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings/schema")
}

fn schema(name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(directory().join(name)).unwrap()).unwrap()
}

struct Local;

impl Retrieve for Local {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn Error + Send + Sync>> {
        let name = uri.path().as_str().rsplit('/').next().unwrap_or_default();
        Ok(serde_json::from_str(&fs::read_to_string(directory().join(name))?)?)
    }
}

fn validators() -> BTreeMap<&'static str, Validator> {
    NAMES
        .iter()
        .map(|name| {
            let validator = jsonschema::options()
                .with_base_uri(format!("file:///schema/{name}"))
                .with_retriever(Local)
                .build(&schema(name))
                .unwrap();
            (*name, validator)
        })
        .collect()
}

/// The schema a file names on its first line.
fn named(text: &str) -> Option<String> {
    let value: Value = serde_json::from_str(text).ok()?;
    let (first, schema) = value.as_object()?.iter().next()?;
    (first == "$schema").then(|| schema.as_str())??.rsplit_once('/').map(|(_, name)| name.to_owned())
}

#[test]
fn every_built_in_file_names_its_schema_and_meets_it() {
    let validators = validators();
    for (path, text) in Files::built_in().0 {
        let name = named(&text).unwrap_or_else(|| panic!("{path} does not name its schema on its first line"));
        let reference = serde_json::from_str::<Value>(&text).unwrap()["$schema"].as_str().unwrap().to_owned();
        let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings").join(&path);
        assert!(place.parent().unwrap().join(reference).exists(), "{path}: the schema is elsewhere");
        let value: Value = serde_json::from_str(&text).unwrap();
        let found: Vec<String> = validators[name.as_str()]
            .iter_errors(&value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert_eq!(found, Vec::<String>::new(), "{path}");
    }
}

fn properties(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(members) => {
            for (key, member) in members {
                if let ("properties", Value::Object(named)) = (key.as_str(), member) {
                    found.extend(named.keys().filter(|name| !name.starts_with('$')).cloned());
                }
                properties(member, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| properties(item, found)),
        _ => {}
    }
}

#[test]
fn the_schemas_have_the_keys_of_the_reader_and_no_other() {
    let mut of_schemas = BTreeSet::new();
    for name in NAMES {
        properties(&schema(name), &mut of_schemas);
    }
    let mut of_reader: BTreeSet<String> = keys::keys().into_iter().chain(keys::example_keys()).collect();
    // Members of values that expressions read themselves.
    let structured = keys::codecs().into_iter().filter(|word| of_schemas.contains(word));
    let inner =
        ["otherwise", "parents", "parent", "name", "before", "after", "startsWith", "endsWith", "contains", "present"]
            .map(str::to_owned);
    of_reader.extend(structured.chain(inner));
    let missing: Vec<&String> = of_reader.difference(&of_schemas).collect();
    let strange: Vec<&String> = of_schemas.difference(&of_reader).collect();
    assert!(
        missing.is_empty() && strange.is_empty(),
        "only the reader knows {missing:?}; only the schemas know {strange:?}"
    );
    let codecs = schema("element-resource.json")["$defs"]["codec"].to_string();
    for codec in keys::codecs() {
        assert!(codecs.contains(&format!("\"{codec}\"")), "the schema does not know the codec `{codec}`");
    }
    let all: String = NAMES.iter().map(|name| schema(name).to_string()).collect();
    for word in keys::words() {
        assert!(all.contains(&format!("\"{word}\"")), "the schemas do not know the word `{word}`");
    }
}

const STRANGE: &str = "zzzStrange";

/// Every object below `value`, as pointers, each with the nearest key of the language above it and its members.
fn objects(
    value: &Value,
    pointer: &str,
    above: &str,
    known: &BTreeSet<String>,
    found: &mut Vec<(String, String, String)>,
) {
    match value {
        Value::Object(members) => {
            let mut names: Vec<&str> = members.keys().map(String::as_str).collect();
            names.sort_unstable();
            found.push((pointer.to_owned(), above.to_owned(), names.join(",")));
            for (key, member) in members {
                let step = key.replace('~', "~0").replace('/', "~1");
                let above = if known.contains(key) { key } else { above };
                objects(member, &format!("{pointer}/{step}"), above, known, found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                objects(item, &format!("{pointer}/{index}"), above, known, found);
            }
        }
        _ => {}
    }
}

/// Puts an unknown key into each kind of object of the built-in files: where the reader refuses it the schema must, and
/// the other way round.
#[test]
fn the_schemas_are_as_strict_as_the_reader() {
    let validators = validators();
    let built_in = Files::built_in();
    let known: BTreeSet<String> = keys::keys().into_iter().chain(keys::example_keys()).collect();
    let mut seen = BTreeSet::new();
    let mut times: BTreeMap<(String, String), u32> = BTreeMap::new();
    let mut disagreements = Vec::new();
    let mut held = 0;
    for (path, text) in &built_in.0 {
        let (name, value) = (named(text).unwrap(), serde_json::from_str::<Value>(text).unwrap());
        let mut places = Vec::new();
        objects(&value, "", "", &known, &mut places);
        for (pointer, above, members) in places {
            // A few of each kind are enough.
            let time = times.entry((name.clone(), above.clone())).or_default();
            if *time >= 4 || !seen.insert((name.clone(), above, members)) {
                continue;
            }
            *time += 1;
            held += 1;
            let mut changed = value.clone();
            changed.pointer_mut(&pointer).unwrap()[STRANGE] = json!(1);
            let by_schema = !validators[name.as_str()].is_valid(&changed);
            let by_reader = refuses(&built_in, path, &changed, name == "examples.json");
            if by_schema != by_reader {
                disagreements
                    .push(format!("{path}: {pointer}: schema refuses: {by_schema}, reader refuses: {by_reader}"));
            }
        }
    }
    assert!(held > 50, "{held}");
    assert_eq!(disagreements, Vec::<String>::new());
}

fn refuses(files: &Files, path: &str, changed: &Value, is_examples: bool) -> bool {
    let mut files = files.clone();
    // Only the hubs and the element at hand, and of examples only this file, for they are run.
    let mut elements: Vec<String> = Vec::new();
    let mut next = path.strip_prefix("elements/").and_then(|rest| rest.split('/').next()).map(str::to_owned);
    while let Some(element) = next {
        // What it extends belongs to it.
        let own = files.0.get(&format!("elements/{element}/element.json"));
        let own: Value = own.map_or(Value::Null, |text| serde_json::from_str(text).unwrap());
        next = own["extends"].as_str().map(str::to_owned);
        elements.push(element);
    }
    files.0.retain(|known, _| {
        let own = elements.iter().any(|element| known.starts_with(&format!("elements/{element}/")));
        known.starts_with("hubs/") || known == path || own && !known.contains("/examples/")
    });
    files.0.insert(path.to_owned(), changed.to_string());
    let problems = if is_examples { examples::check(&files).problems } else { load::lenient(&files).1 };
    // An example that only fails is well-formed.
    problems.iter().any(|problem: &Problem| problem.file == path && !problem.message.starts_with("the example of"))
}
