//! Where mapping files come from: those built in, and a directory laid over them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
};

use include_dir::{Dir, File, include_dir};
use serde_json::Value;

use super::read::{Problem, Problems};

static BUILT_IN: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/mappings");

/// A set of mapping files by their path below the mapping directory.
#[derive(Debug, Clone, Default)]
pub struct Files(pub BTreeMap<String, String>);

impl Files {
    /// The files built into the program.
    pub fn built_in() -> Self {
        let mut files = BTreeMap::new();
        each_built_in(&BUILT_IN, &mut |path, file| {
            if let Some(text) = file.contents_utf8() {
                files.insert(path.to_owned(), text.to_owned());
            }
        });
        Self(files)
    }

    /// What the built-in files tell of hubs, and of elements as far as it takes to list them; without those that `over`
    /// has, too.
    pub(super) fn heads_built_in(over: &Self, problems: &Problems) -> BTreeMap<String, Value> {
        let given: BTreeSet<_> = over.0.keys().filter_map(|path| owner(path)).collect();
        Self::parse_built_in(problems, |path| {
            let is_head = path.starts_with("hubs/") || path.split('/').count() == 2 || path.ends_with("/element.json");
            is_head && owner(path).is_none_or(|owner| !given.contains(&owner))
        })
    }

    /// The built-in files of one element, without its examples.
    pub(super) fn parse_built_in_element(folder: &str, problems: &Problems) -> BTreeMap<String, Value> {
        Self::parse_built_in(problems, |path| owner(path) == Some(("elements", folder)))
    }

    fn parse_built_in(problems: &Problems, wanted: impl Fn(&str) -> bool) -> BTreeMap<String, Value> {
        let mut values = BTreeMap::new();
        each_built_in(&BUILT_IN, &mut |path, file| {
            if !is_example(path) && wanted(path) {
                values.extend(parse(path, file.contents_utf8().unwrap_or_default(), problems));
            }
        });
        values
    }

    /// Those hubs and elements of these that say something else than the built-in ones, examples aside.
    pub(super) fn unlike_built_in(mut self) -> Self {
        let of = |path: &str| owner(path).map(|(kind, key)| (kind.to_owned(), key.to_owned()));
        // How many files of each are not met with yet.
        let mut left: BTreeMap<(String, String), usize> = BTreeMap::new();
        each_built_in(&BUILT_IN, &mut |path, _| {
            if let Some(owner) = of(path).filter(|_| !is_example(path)) {
                *left.entry(owner).or_default() += 1;
            }
        });
        let mut others: BTreeSet<(String, String)> = BTreeSet::new();
        for (path, text) in self.0.iter().filter(|(path, _)| !is_example(path)) {
            let Some(owner) = of(path) else { continue };
            let same = BUILT_IN.get_file(path).is_some_and(|file| file.contents() == text.as_bytes());
            match left.get_mut(&owner).filter(|_| same) {
                Some(left) => *left = left.saturating_sub(1),
                None => {
                    others.insert(owner);
                }
            }
        }
        self.0.retain(|path, _| of(path).is_none_or(|owner| left.get(&owner) != Some(&0) || others.contains(&owner)));
        self
    }

    /// The keys of the elements (or `hubs`) that these have files of.
    pub(super) fn folders(&self, kind: &str) -> BTreeSet<String> {
        let owners = self.0.keys().filter_map(|path| owner(path));
        owners.filter(|(of, _)| *of == kind).map(|(_, folder)| folder.to_owned()).collect()
    }

    /// The files of a directory.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn directory(directory: &Path) -> io::Result<Self> {
        let mut files = BTreeMap::new();
        for part in ["hubs", "elements"] {
            let below = directory.join(part);
            if below.is_dir() {
                walk(&below, part, &mut files)?;
            }
        }
        Ok(Self(files))
    }

    /// Lays `over` above these: a hub or an element that `over` has replaces the one of the same key whole.
    pub fn overlaid(mut self, over: Self) -> Self {
        for path in over.0.keys() {
            if let Some(owner) = owner(path) {
                self.0.retain(|known, _| self::owner(known) != Some(owner));
            }
        }
        self.0.extend(over.0);
        self
    }

    /// These without the files of examples.
    pub fn without_examples(mut self) -> Self {
        self.0.retain(|path, _| !is_example(path));
        self
    }

    /// Parses every file; those that are no JSON become problems.
    pub(super) fn parse(&self, problems: &Problems) -> BTreeMap<String, Value> {
        self.0.iter().filter_map(|(path, text)| parse(path, text, problems)).collect()
    }
}

fn parse(path: &str, text: &str, problems: &Problems) -> Option<(String, Value)> {
    match serde_json::from_str(text) {
        Ok(value) => Some((path.to_owned(), value)),
        Err(error) => {
            problems.push(Problem {
                file: path.to_owned(),
                pointer: String::new(),
                message: format!("is not JSON: {error}"),
                hint: None,
            });
            None
        }
    }
}

/// `elements/<key>` or `hubs/<key>` of a path.
fn owner(path: &str) -> Option<(&str, &str)> {
    let mut parts = path.split('/');
    Some((parts.next()?, parts.next()?.trim_end_matches(".json")))
}

fn is_example(path: &str) -> bool {
    path.contains("/examples/")
}

/// Shows every built-in mapping file, with its path.
fn each_built_in(directory: &'static Dir<'static>, visit: &mut dyn FnMut(&'static str, &'static File<'static>)) {
    for file in directory.files() {
        let path = file.path().to_str().filter(|path| path.starts_with("hubs/") || path.starts_with("elements/"));
        if let Some(path) = path.filter(|_| has_json_ending(file.path())) {
            visit(path, file);
        }
    }
    for below in directory.dirs() {
        each_built_in(below, visit);
    }
}

fn walk(directory: &Path, prefix: &str, files: &mut BTreeMap<String, String>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        let path = entry.path();
        let below = format!("{prefix}/{name}");
        if path.is_dir() {
            walk(&path, &below, files)?;
        } else if has_json_ending(&path) {
            files.insert(below, fs::read_to_string(&path)?);
        }
    }
    Ok(())
}

fn has_json_ending(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json"))
}
