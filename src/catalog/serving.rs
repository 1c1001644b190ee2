//! The catalog as it serves: of built-in elements only what they are, until they are used; see [`super::entry`].

use std::{
    collections::{BTreeMap, BTreeSet},
    iter,
    sync::Arc,
};

use super::{
    Catalog, Element, Entry, Identity, Refused,
    heritage::{self, FileSet, HEAD, Shelf, inherit},
    hub::Hub,
    load::{Hubs, read_element, read_head, read_now, unique_ids, with_hubs},
    read::{Node, Problems},
    source::Files,
};

/// Reads the built-in files with `over` laid over them: whole what has to do with `over`, and what elements that rest on
/// built-in files alone are. Examples are left out: they are for checking, and are most of the text.
///
/// # Errors
/// Every problem of every file that is read.
pub fn to_serve(over: Files) -> Result<Catalog, Refused> {
    let problems = Problems::default();
    let over = over.unlike_built_in();
    let given = over.folders("elements");
    // An element may not do with another hub of the same key what it did with its own.
    let other_hubs = !over.folders("hubs").is_empty();
    let mut values = Files::heads_built_in(&over, &problems);
    values.extend(over.without_examples().parse(&problems));
    let mut catalog = with_hubs(&values, &problems);
    let shelf = Laid { sets: heritage::sets(values), given, problems: &problems };
    for folder in shelf.sets.keys() {
        let entry = if other_hubs || shelf.rests_on_given(folder) {
            let merged = inherit(folder, &shelf, &problems);
            read_now(folder, &merged, &catalog.hubs, &problems)
        } else {
            let merged = inherit(folder, &shelf.sets, &problems);
            read_later(folder, &merged, &catalog.hubs, &problems)
        };
        catalog.elements.extend(entry);
    }
    unique_ids(&catalog, &problems);
    let problems = problems.take();
    if problems.is_empty() { Ok(catalog) } else { Err(Refused(problems)) }
}

/// A built-in element that is compiled when it is asked for; `files` are those that say what it is.
fn read_later(folder: &str, files: &FileSet, hubs: &Hubs, problems: &Problems) -> Option<(String, Arc<Entry>)> {
    let (_, identity, hub) = read_head(folder, files, hubs, problems)?;
    let (key, folder) = (identity.key.clone(), folder.to_owned());
    let (identity, hub) = (Arc::new(identity), Arc::clone(hub));
    let known = Arc::clone(&identity);
    let entry = Entry::waiting(identity, move || built_in(&folder, &known, &hub).map(Arc::new));
    Some((key, Arc::new(entry)))
}

/// Compiles a built-in element.
fn built_in(folder: &str, identity: &Arc<Identity>, hub: &Hub) -> Result<Element, Refused> {
    let problems = Problems::default();
    let files = inherit(folder, &BuiltIn(&problems), &problems);
    let element = files.get(HEAD).map(|(file, value)| {
        let node = Node::root(file, value, &problems);
        read_element(&node, &files, Arc::clone(identity), hub, &problems)
    });
    match (element, problems.take()) {
        (Some(element), problems) if problems.is_empty() => Ok(element),
        (_, problems) => Err(Refused(problems)),
    }
}

/// The folders of built-in elements.
struct BuiltIn<'a>(&'a Problems);

impl Shelf for BuiltIn<'_> {
    fn take(&self, folder: &str) -> Option<FileSet> {
        heritage::sets(Files::parse_built_in_element(folder, self.0)).remove(folder)
    }

    fn folders(&self) -> Vec<&str> {
        Vec::new()
    }
}

/// Given folders laid over built-in ones; of the latter the sets have but what tells what they are.
struct Laid<'a> {
    sets: BTreeMap<String, FileSet>,
    given: BTreeSet<String>,
    problems: &'a Problems,
}

impl Laid<'_> {
    /// Whether a folder was given, or one that it extends.
    fn rests_on_given(&self, folder: &str) -> bool {
        let bases = iter::successors(Some(folder), |folder| heritage::base(self.sets.get(*folder)?));
        // More than there are go in a circle.
        bases.take(self.sets.len() + 1).any(|folder| self.given.contains(folder))
    }
}

impl Shelf for Laid<'_> {
    fn take(&self, folder: &str) -> Option<FileSet> {
        if self.given.contains(folder) { self.sets.take(folder) } else { BuiltIn(self.problems).take(folder) }
    }

    fn folders(&self) -> Vec<&str> {
        self.sets.folders()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::{Value, json};

    use super::*;
    use crate::catalog::{self, load};

    fn acme(head: &Value) -> Files {
        Files(BTreeMap::from([("elements/acme/element.json".to_owned(), head.to_string())]))
    }

    fn sound(name: &str) -> Value {
        json!({
            "id": 900_001, "key": "acme", "name": name, "description": "d", "hub": "documents",
            "unsupported": {"*": "nothing is called here"}, "authentication": {"type": "none"},
            "hosts": {"api": "https://api.acme.example"}
        })
    }

    fn compiled(catalog: &Catalog) -> Vec<&str> {
        catalog.entries().filter(|entry| entry.is_compiled()).map(|entry| entry.key.as_str()).collect()
    }

    #[test]
    fn only_what_was_given_is_compiled_and_the_rest_lists_the_same() {
        let catalog = to_serve(acme(&sound("Acme"))).unwrap();
        assert_eq!(compiled(&catalog), ["acme"]);
        let whole = load::load(&Files::built_in().overlaid(acme(&sound("Acme")))).unwrap();
        let told = |catalog: &Catalog| -> Vec<String> {
            catalog.entries().map(|entry| format!("{:?}", Identity::clone(entry))).collect()
        };
        assert_eq!(told(&catalog), told(&whole));
        for (entry, other) in catalog.entries().zip(whole.entries()) {
            let (element, other) = (entry.element().unwrap(), other.element().unwrap());
            let told = |element: &Element| format!("{:?} {:?}", element.operations, element.relations);
            assert_eq!(told(element), told(other), "{}", entry.key);
        }
    }

    #[test]
    fn faults_of_what_was_given_are_told_at_once_and_in_full() {
        let mut broken = sound("Acme");
        broken["id"] = json!("one");
        broken["unsupported"] = json!({});
        broken["hosts"] = json!({"api": "https://{"});
        let found = to_serve(acme(&broken)).unwrap_err().0;
        let told: Vec<&str> = found.iter().map(|problem| problem.pointer.as_str()).collect();
        for pointer in ["/id", "/hosts/api", "/unsupported"] {
            assert!(told.contains(&pointer), "{told:?}");
        }
        assert_eq!(found, load::load(&Files::built_in().overlaid(acme(&broken))).unwrap_err().0);
    }

    #[test]
    fn what_extends_something_that_was_given_is_compiled_at_once() {
        let problems = Problems::default();
        let sets = heritage::sets(Files::heads_built_in(&Files::default(), &problems));
        let (heir, base) = sets.iter().find_map(|(key, set)| Some((key, heritage::base(set)?))).unwrap();
        let mut over = Files::built_in();
        over.0.retain(|path, _| path.starts_with(&format!("elements/{base}/")));
        let head = format!("elements/{base}/element.json");
        let mut value: Value = serde_json::from_str(&over.0[&head]).unwrap();
        value["description"] = json!("another one");
        over.0.insert(head, value.to_string());
        let catalog = to_serve(over).unwrap();
        let now = compiled(&catalog);
        assert!(now.contains(&heir.as_str()) && now.contains(&base), "{now:?}");
        assert!(now.len() < sets.len(), "{now:?}");
    }

    #[test]
    fn copies_of_built_in_files_are_as_good_as_these() {
        let mut copies = Files::built_in();
        assert!(compiled(&to_serve(copies.clone()).unwrap()).is_empty());
        // One that is gone makes it another hub or element.
        copies.0.retain(|path, _| path.starts_with("hubs/"));
        let gone = copies.0.keys().find(|path| !path.ends_with("/hub.json")).unwrap().clone();
        copies.0.remove(&gone);
        assert_eq!(copies.unlike_built_in().folders("hubs").len(), 1);
    }

    #[test]
    fn another_hub_has_all_compiled_at_once() {
        let mut over = Files::built_in();
        over.0.retain(|path, _| path == "hubs/documents/hub.json" || path.starts_with("hubs/documents/"));
        let path = "hubs/documents/hub.json";
        let mut hub: Value = serde_json::from_str(&over.0[path]).unwrap();
        hub["description"] = json!("another one");
        over.0.insert(path.to_owned(), hub.to_string());
        let catalog = to_serve(over).unwrap();
        assert_eq!(compiled(&catalog).len(), catalog.entries().count());
    }

    #[test]
    fn a_reload_swaps_all_and_a_refused_one_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let head = dir.path().join("elements/acme/element.json");
        fs::create_dir_all(head.parent().unwrap()).unwrap();
        fs::write(&head, sound("Acme").to_string()).unwrap();
        let shared: catalog::Shared =
            Arc::new(arc_swap::ArcSwap::from_pointee(catalog::open(Some(dir.path())).unwrap()));
        let before = shared.load_full();
        let used = before.entries().find(|entry| !entry.is_compiled()).unwrap();
        let held = Arc::clone(used.element().unwrap());

        fs::write(&head, "{").unwrap();
        catalog::reload(&shared, Some(dir.path())).unwrap_err();
        assert!(Arc::ptr_eq(&before, &shared.load_full()));

        fs::write(&head, sound("Acme, Inc.").to_string()).unwrap();
        catalog::reload(&shared, Some(dir.path())).unwrap();
        let after = shared.load_full();
        assert_eq!(after.entry("acme").unwrap().name, "Acme, Inc.");
        let again = after.entry(&held.key).unwrap();
        // What is in use nobody waits for; what is not waits on.
        assert!(again.is_compiled() && !Arc::ptr_eq(again.element().unwrap(), &held));
        assert_eq!(compiled(&after).len(), 2);
    }
}
