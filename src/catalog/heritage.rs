//! The files of an element together with those of the elements it extends.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::read::{Problem, Problems, nearest};

/// The files of one element, by their name inside its folder.
pub(super) type FileSet = BTreeMap<String, (String, Value)>;

/// Deeper than this nobody extends but in a circle.
const DEEPEST: u8 = 8;

/// The name that a folder's first file has in its set.
pub(super) const HEAD: &str = "element.json";

/// The files of elements, by folder.
pub(super) fn sets(values: BTreeMap<String, Value>) -> BTreeMap<String, FileSet> {
    let mut sets: BTreeMap<String, FileSet> = BTreeMap::new();
    for (file, value) in values {
        let Some(rest) = file.strip_prefix("elements/") else { continue };
        let (folder, name) = match rest.split_once('/') {
            Some((folder, name)) => (folder, name),
            None => (rest.trim_end_matches(".json"), HEAD),
        };
        let (folder, name) = (folder.to_owned(), name.to_owned());
        sets.entry(folder).or_default().insert(name, (file, value));
    }
    sets
}

/// What the element of these files extends.
pub(super) fn base(own: &FileSet) -> Option<&str> {
    let (_, head) = own.get(HEAD)?;
    head.get("extends")?.as_str()
}

/// Where the files of elements are found.
pub(super) trait Shelf {
    /// The files of this folder.
    fn take(&self, folder: &str) -> Option<FileSet>;

    /// All folders there are.
    fn folders(&self) -> Vec<&str>;
}

impl Shelf for BTreeMap<String, FileSet> {
    fn take(&self, folder: &str) -> Option<FileSet> {
        self.get(folder).cloned()
    }

    fn folders(&self) -> Vec<&str> {
        self.keys().map(String::as_str).collect()
    }
}

/// The files of an element with those of the element it extends underneath.
pub(super) fn inherit(folder: &str, shelf: &dyn Shelf, problems: &Problems) -> FileSet {
    shelf.take(folder).map(|own| with_base(own, shelf, problems, 0)).unwrap_or_default()
}

fn with_base(own: FileSet, shelf: &dyn Shelf, problems: &Problems, depth: u8) -> FileSet {
    let Some(base) = base(&own) else { return own };
    let note = |message: String, hint: Option<String>| {
        let file = own.get(HEAD).map(|(file, _)| file.clone()).unwrap_or_default();
        problems.push(Problem { file, pointer: "/extends".to_owned(), message, hint });
    };
    if depth > DEEPEST {
        note("extends itself".to_owned(), None);
        return own;
    }
    let Some(under) = shelf.take(base) else {
        note(format!("no element `{base}`"), Some(nearest(base, &shelf.folders())));
        return own;
    };
    let mut merged = with_base(under, shelf, problems, depth + 1);
    // Examples are never inherited: they tell what this element does.
    let gone = resources_gone(&own);
    let kept = |value: &Value| !value.get("resource").and_then(Value::as_str).is_some_and(|name| gone.contains(name));
    merged.retain(|name, (_, value)| !name.starts_with("examples/") && kept(value));
    drop(gone);
    for (name, (file, value)) in own {
        match merged.get_mut(&name) {
            Some((known_file, known)) => {
                merge(known, value);
                *known_file = file;
            }
            None => {
                merged.insert(name, (file, value));
            }
        }
    }
    if let Some(Value::Object(inline)) = merged.get_mut(HEAD).and_then(|(_, head)| head.get_mut("resources")) {
        inline.retain(|_, resource| !resource.is_null());
    }
    merged
}

/// The resources that an element names with null: those in files of the element it extends are not its own.
fn resources_gone(own: &FileSet) -> BTreeSet<&str> {
    let inline = own.get(HEAD).and_then(|(_, head)| head.get("resources")?.as_object());
    let nulls = inline.into_iter().flatten().filter(|(_, resource)| resource.is_null());
    nulls.map(|(name, _)| name.as_str()).collect()
}

/// Lays `over` above `under`: objects member by member, everything else whole; null takes a member away.
fn merge(under: &mut Value, over: Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                if value.is_null() {
                    under.remove(&key);
                } else {
                    merge(under.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        (under, over) => *under = over,
    }
}
