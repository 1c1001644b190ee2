//! Where mapping files come from: those built in, and a directory laid over them.

use std::{collections::BTreeMap, fs, io, path::Path};

use include_dir::{Dir, include_dir};
use serde_json::Value;

use super::read::{Problem, Problems};

static BUILT_IN: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/mappings");

/// A set of mapping files by their path below the mapping directory.
#[derive(Debug, Clone, Default)]
pub struct Files(pub BTreeMap<String, String>);

impl Files {
    /// The files built into the program.
    pub fn built_in() -> Self {
        Self::built_in_where(&|_| true)
    }

    /// The built-in files but for those of examples, which are most of the bytes and are not even looked at.
    pub fn built_in_to_serve() -> Self {
        Self::built_in_where(&|path| !is_example(path))
    }

    fn built_in_where(wanted: &dyn Fn(&str) -> bool) -> Self {
        let mut files = BTreeMap::new();
        collect(&BUILT_IN, wanted, &mut files);
        Self(files)
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
        self.0
            .iter()
            .filter_map(|(path, text)| match serde_json::from_str(text) {
                Ok(value) => Some((path.clone(), value)),
                Err(error) => {
                    problems.push(Problem {
                        file: path.clone(),
                        pointer: String::new(),
                        message: format!("is not JSON: {error}"),
                        hint: None,
                    });
                    None
                }
            })
            .collect()
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

fn collect(directory: &Dir<'_>, wanted: &dyn Fn(&str) -> bool, files: &mut BTreeMap<String, String>) {
    for file in directory.files() {
        let path = file.path().to_string_lossy().replace('\\', "/");
        let placed = path.starts_with("hubs/") || path.starts_with("elements/");
        if !placed || !has_json_ending(file.path()) || !wanted(&path) {
            continue;
        }
        if let Some(text) = file.contents_utf8() {
            files.insert(path, text.to_owned());
        }
    }
    for below in directory.dirs() {
        collect(below, wanted, files);
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
